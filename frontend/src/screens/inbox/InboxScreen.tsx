import { Button, Text, Title } from '@mantine/core';
import { useTranslation } from 'react-i18next';

import { newKey } from '../../api/client';
import { useInbox, useMarkRead } from '../../api/inbox';
import type { InboxItem } from '../../api/types';
import { PagedList } from '../../components/PagedList';
import { Problem } from '../../components/Problem';
import { Card, Screen } from '../../components/Screen';
import { TextLink } from '../../components/TextLink';
import { Time } from '../../components/Time';
import classes from './InboxScreen.module.css';

export function InboxScreen() {
  const { t } = useTranslation();
  const inbox = useInbox();
  const markRead = useMarkRead();
  const unread = inbox.data?.pages[0]?.unreadCount;

  return (
    <Screen title={t('inbox.title')} intro={unread === undefined ? undefined : t('inbox.summary', { count: unread })}>
      {markRead.error && <Problem error={markRead.error} />}
      <Card>
        <PagedList query={inbox} empty={{ title: t('inbox.empty'), text: t('inbox.emptyHint') }}>
          {(items) => (
            <ul className={classes.list}>
              {items.map((item) => (
                <Message
                  key={item.notificationId}
                  item={item}
                  busy={markRead.isPending && markRead.variables.id === item.notificationId}
                  onRead={() => markRead.mutate({ id: item.notificationId, key: newKey() })}
                />
              ))}
            </ul>
          )}
        </PagedList>
      </Card>
    </Screen>
  );
}

function Message({ item, busy, onRead }: { item: InboxItem; busy: boolean; onRead: () => void }) {
  const { t } = useTranslation();
  const unread = item.readAt === null;
  return (
    <li className={classes.item} data-unread={unread}>
      <div className={classes.text}>
        <Title order={2} size="h5" fw={unread ? 700 : 500}>
          {unread && <span className={classes.dot} role="img" aria-label={t('inbox.unread')} />}
          {item.title}
        </Title>
        <Text size="sm" className={classes.body}>
          {item.body}
        </Text>
        <Text size="xs" c="dimmed" component="div" className={classes.meta}>
          <Time value={item.createdAt} />
          <TextLink to="/tickets/$ticketId" params={{ ticketId: item.ticketId }}>
            {t('inbox.ticket')}
          </TextLink>
        </Text>
      </div>
      {unread && (
        <Button size="compact-sm" variant="default" loading={busy} onClick={onRead}>
          {t('inbox.markRead')}
        </Button>
      )}
    </li>
  );
}
