import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';

import { answer, client } from './client';
import { cursorPaging } from './pages';

const INBOX_MS = 4000;

export function useInbox() {
  return useInfiniteQuery({
    ...cursorPaging,
    queryKey: ['inbox', 'list'],
    queryFn: ({ pageParam, signal }) => answer(client.GET('/inbox', { params: { query: { cursor: pageParam } }, signal })),
    refetchInterval: INBOX_MS,
  });
}

export function useUnreadCount(enabled: boolean) {
  return useQuery({
    queryKey: ['inbox', 'unread'],
    queryFn: ({ signal }) => answer(client.GET('/inbox', { params: { query: { unread: true, limit: 1 } }, signal })),
    select: (inbox) => inbox.unreadCount,
    refetchInterval: INBOX_MS,
    enabled,
  });
}

export function useMarkRead() {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: ({ id, key }: { id: string; key: string }) =>
      answer(client.POST('/inbox/{id}/read', { params: { path: { id }, header: { 'Idempotency-Key': key } } })),
    onSuccess: () => queryClient.invalidateQueries({ queryKey: ['inbox'] }),
  });
}
