import type { UseQueryResult } from '@tanstack/react-query';
import type { ReactNode } from 'react';

import { LoadingLines } from './LoadingLines';
import { Problem } from './Problem';

/* One thing that is being loaded: loading, error, no permission, or the thing. What was loaded once stays while it cannot be refreshed. */
export function Loaded<T>({ query, children }: { query: UseQueryResult<T>; children: (data: T) => ReactNode }) {
  return (
    <>
      {query.isError && <Problem error={query.error} onRetry={() => void query.refetch()} />}
      {query.isPending && <LoadingLines />}
      {query.data !== undefined && children(query.data)}
    </>
  );
}
