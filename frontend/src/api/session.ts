/* The token of this tab. It outlives a reload and dies with the tab; React reads it through useSyncExternalStore (app/auth.tsx). */
const KEY = 'helpdesk.token';

const listeners = new Set<() => void>();
let expired = false;

function changed(): void {
  for (const listener of listeners) listener();
}

export const session = {
  token: (): string | null => sessionStorage.getItem(KEY),
  /* Whether the last session ended because the server no longer took its token. */
  hasExpired: (): boolean => expired,
  start: (token: string): void => {
    sessionStorage.setItem(KEY, token);
    expired = false;
    changed();
  },
  end: (): void => {
    sessionStorage.removeItem(KEY);
    expired = false;
    changed();
  },
  expire: (): void => {
    sessionStorage.removeItem(KEY);
    expired = true;
    changed();
  },
  subscribe: (listener: () => void): (() => void) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  },
};
