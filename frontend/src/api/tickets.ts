import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';

import { answer, client } from './client';
import { BUSY_MS, IDLE_MS, isUnderWay } from './live';
import { cursorPaging, itemsOf } from './pages';
import type { TicketCreate } from './types';

export function useTickets() {
  return useInfiniteQuery({
    ...cursorPaging,
    queryKey: ['tickets', 'list'],
    queryFn: ({ pageParam, signal }) => answer(client.GET('/tickets', { params: { query: { cursor: pageParam } }, signal })),
    refetchInterval: IDLE_MS,
  });
}

export function useTicket(id: string) {
  return useQuery({
    queryKey: ['tickets', 'one', id],
    queryFn: ({ signal }) => answer(client.GET('/tickets/{id}', { params: { path: { id } }, signal })),
  });
}

/* A ticket without notifications is one whose event has not been routed yet, most likely: ask often then, too. */
export function useTicketNotifications(id: string) {
  return useInfiniteQuery({
    ...cursorPaging,
    queryKey: ['tickets', 'notifications', id],
    queryFn: ({ pageParam, signal }) =>
      answer(client.GET('/tickets/{id}/notifications', { params: { path: { id }, query: { cursor: pageParam } }, signal })),
    refetchInterval: (query) => {
      const items = itemsOf(query.state.data);
      return items.length === 0 || items.some(isUnderWay) ? BUSY_MS : IDLE_MS;
    },
  });
}

export function useOpenTicket() {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: ({ ticket, key }: { ticket: TicketCreate; key: string }) =>
      answer(client.POST('/tickets', { body: ticket, params: { header: { 'Idempotency-Key': key } } })),
    onSuccess: () => queryClient.invalidateQueries({ queryKey: ['tickets', 'list'] }),
  });
}

