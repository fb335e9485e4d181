import { useQueryClient } from '@tanstack/react-query';
import { createContext, useContext, useEffect, useMemo, useSyncExternalStore, type ReactNode } from 'react';

import { session } from '../api/session';

interface Auth {
  token: string | null;
  /* The server no longer took the token of the last session. */
  expired: boolean;
  signIn: (token: string) => void;
  signOut: () => void;
}

const AuthContext = createContext<Auth | null>(null);

export function AuthProvider({ children }: { children: ReactNode }) {
  const token = useSyncExternalStore(session.subscribe, session.token);
  const expired = useSyncExternalStore(session.subscribe, session.hasExpired);
  const queryClient = useQueryClient();

  // What one person was shown must not be there for the next.
  useEffect(() => {
    if (token === null) queryClient.clear();
  }, [token, queryClient]);

  const auth = useMemo(() => ({ token, expired, signIn: session.start, signOut: session.end }), [token, expired]);
  return <AuthContext.Provider value={auth}>{children}</AuthContext.Provider>;
}

export function useAuth(): Auth {
  const auth = useContext(AuthContext);
  if (auth === null) throw new Error('useAuth outside of AuthProvider');
  return auth;
}
