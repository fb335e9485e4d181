import { useInfiniteQuery, useQuery } from '@tanstack/react-query';

import { answer, client } from './client';
import { BUSY_MS, IDLE_MS, isUnderWay } from './live';
import { cursorPaging, itemsOf } from './pages';
import type { NotificationFilter } from './types';

export function useNotifications(filter: NotificationFilter) {
  return useInfiniteQuery({
    ...cursorPaging,
    queryKey: ['notifications', 'list', filter],
    queryFn: ({ pageParam, signal }) =>
      answer(client.GET('/notifications', { params: { query: { ...filter, cursor: pageParam } }, signal })),
    refetchInterval: (query) => (itemsOf(query.state.data).some(isUnderWay) ? BUSY_MS : IDLE_MS),
  });
}

export function useNotification(id: string) {
  return useQuery({
    queryKey: ['notifications', 'one', id],
    queryFn: ({ signal }) => answer(client.GET('/notifications/{id}', { params: { path: { id } }, signal })),
    refetchInterval: (query) => (query.state.data && isUnderWay(query.state.data) ? BUSY_MS : IDLE_MS),
  });
}
