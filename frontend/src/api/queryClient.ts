import { QueryClient } from '@tanstack/react-query';

import { ApiError } from './problem';

declare module '@tanstack/react-query' {
  interface Register {
    defaultError: Error;
  }
}

const MOST_RETRIES = 2;

function worthARetry(failures: number, error: Error): boolean {
  return error instanceof ApiError && error.retryable && failures < MOST_RETRIES;
}

export const queryClient = new QueryClient({
  defaultOptions: {
    queries: { retry: worthARetry, staleTime: 1000 },
    // Every POST of ours carries an Idempotency-Key, so repeating one is safe.
    mutations: { retry: worthARetry },
  },
});
