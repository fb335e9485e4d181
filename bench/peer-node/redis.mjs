// The keys in Redis, and the queues' settings. Redis runs with appendonly yes, appendfsync always: a command is answered after its fsync,
// and Redis shares one fsync among all clients that it serves in one turn of its loop.

import { Redis } from 'ioredis';

export const QUEUES = { router: 'router', email: 'email', inapp: 'inapp' };
export const CONCURRENCY = Number(process.env.PEER_CONCURRENCY ?? 100);

const MAX_ATTEMPTS = 3;
const FIRST_RETRY_MS = 1000;
export const jobOptions = {
  attempts: MAX_ATTEMPTS,
  backoff: { type: 'exponential', delay: FIRST_RETRY_MS, jitter: 1 },
  removeOnComplete: true, // what it did stands in the notification and its attempts
};

export function connect() {
  return new Redis({
    host: '127.0.0.1',
    port: Number(process.env.PEER_REDIS_PORT ?? 6379),
    maxRetriesPerRequest: null,
    enableAutoPipelining: true,
  });
}

export const keys = {
  user: (id) => `user:${id}`,
  ticket: (id) => `ticket:${id}`,
  event: (id) => `event:${id}`,
  processed: (eventId) => `processed:${eventId}`,
  notification: (eventId, userId, channel) => `notification:${eventId}:${userId}:${channel}`,
  attempts: (eventId, userId, channel) => `attempts:${eventId}:${userId}:${channel}`,
  inbox: (userId) => `inbox:${userId}`,
};
