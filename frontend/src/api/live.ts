import type { Notification } from './types';

/* How often a screen asks again, in milliseconds: often while something is under way, seldom otherwise. */
export const BUSY_MS = 2000;
export const IDLE_MS = 15000;

export function isUnderWay(notification: Pick<Notification, 'status'>): boolean {
  return notification.status === 'pending' || notification.status === 'sending';
}
