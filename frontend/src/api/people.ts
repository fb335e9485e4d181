import { useMutation, useQuery } from '@tanstack/react-query';

import { answer, client } from './client';
import { session } from './session';
import type { DemoRole } from './types';

/* Who is signed in; asked once per token. */
export function useMe(token: string | null) {
  return useQuery({
    queryKey: ['me', token],
    queryFn: ({ signal }) => answer(client.GET('/auth/me', { signal })),
    enabled: token !== null,
    staleTime: Infinity,
  });
}

export function useDemoLogin() {
  return useMutation({
    mutationFn: (role: DemoRole) => answer(client.POST('/auth/demo', { body: { role } })),
    onSuccess: ({ token }) => session.start(token),
  });
}
