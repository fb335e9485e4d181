import { Button } from '@mantine/core';
import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';

import { itemsOf, type PagesQuery } from '../api/pages';
import classes from './components.module.css';
import { LoadingLines } from './LoadingLines';
import { Notice } from './Notice';
import { Problem } from './Problem';

interface Props<Item> {
  query: PagesQuery<Item>;
  empty: { title: string; text: string };
  children: (items: Item[]) => ReactNode;
}

/* A cursor-paged list: loading, error, no permission, empty, or its items and a button for more. */
export function PagedList<Item>({ query, empty, children }: Props<Item>) {
  const { t } = useTranslation();
  const items = itemsOf(query.data);

  return (
    <>
      {query.isError && <Problem error={query.error} onRetry={() => void query.refetch()} />}
      {query.isPending && <LoadingLines />}
      {query.data && items.length === 0 && <Notice title={empty.title} text={empty.text} />}
      {items.length > 0 && children(items)}
      {query.hasNextPage && (
        <div className={classes.more}>
          <Button variant="default" loading={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()}>
            {t('list.more')}
          </Button>
        </div>
      )}
    </>
  );
}
