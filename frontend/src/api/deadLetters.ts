import { useInfiniteQuery, useMutation, useQueryClient } from '@tanstack/react-query';

import { answer, client } from './client';
import { IDLE_MS } from './live';
import { cursorPaging } from './pages';
import type { DeadLetterFilter } from './types';

/* As many as one request may ask for. One press of "send all again" asks as often as the answer says that more are left, up to so many times. */
const REDRIVE_LIMIT = 30;
const REDRIVE_ROUNDS_MAX = 100;

export function useDeadLetters(filter: DeadLetterFilter) {
  return useInfiniteQuery({
    ...cursorPaging,
    queryKey: ['dead-letters', filter],
    queryFn: ({ pageParam, signal }) =>
      answer(client.GET('/dead-letters', { params: { query: { ...filter, cursor: pageParam } }, signal })),
    refetchInterval: IDLE_MS,
  });
}

/* Whatever happened, the list is asked for again: a dead letter that somebody else has dealt with must not stay on the screen. */
function useDeadLetterChange<Variables, Data>(mutationFn: (variables: Variables) => Promise<Data>) {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn,
    onSettled: () =>
      Promise.all([
        queryClient.invalidateQueries({ queryKey: ['dead-letters'] }),
        queryClient.invalidateQueries({ queryKey: ['notifications'] }),
      ]),
  });
}

export function useRedriveOne() {
  return useDeadLetterChange(({ id, key }: { id: string; key: string }) =>
    answer(client.POST('/dead-letters/{id}/redrive', { params: { path: { id }, header: { 'Idempotency-Key': key } } })),
  );
}

export function useRedriveAll() {
  return useDeadLetterChange(async ({ filter, key }: { filter: DeadLetterFilter; key: string }) => {
    let redriven = 0;
    for (let round = 1; ; round++) {
      const result = await answer(
        client.POST('/dead-letters/redrive', { body: { ...filter, limit: REDRIVE_LIMIT }, params: { header: { 'Idempotency-Key': `${key}-${round}` } } }),
      );
      redriven += result.redriven;
      if (!result.more || round === REDRIVE_ROUNDS_MAX) return { redriven, more: result.more };
    }
  });
}

export function useDeleteDeadLetter() {
  return useDeadLetterChange((id: string) => answer(client.DELETE('/dead-letters/{id}', { params: { path: { id } } })));
}
