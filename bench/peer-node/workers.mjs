// The router and the two channels, as BullMQ workers. Every effect of a job is one MULTI, and every step is harmless when it happens twice:
// ids are derived, and a job that stalls is run again by BullMQ.

import { Queue, Worker } from 'bullmq';
import Mustache from 'mustache';
import { CHANNELS, loadTemplates, view } from '../peer-shared/rules.mjs';
import { CONCURRENCY, QUEUES, connect, jobOptions, keys } from './redis.mjs';

/** onSent(channel, milliseconds since the 201) is called once the sending is recorded. */
export function startWorkers(onSent) {
  const redis = connect();
  const queues = { email: new Queue(QUEUES.email, { connection: redis }), inapp: new Queue(QUEUES.inapp, { connection: redis }) };
  const templates = loadTemplates((source) => {
    Mustache.parse(source); // kept in Mustache's cache: render() below doesn't parse again
    return source;
  });
  const render = (source, data) => Mustache.render(source, data);
  const renderText = (source, data) => Mustache.render(source, data, undefined, { escape: String });

  const users = new Map();
  async function userOf(id) {
    if (!users.has(id)) {
      const user = await redis.hgetall(keys.user(id));
      users.set(id, user.name ? { ...user, id } : { id, name: id, email: `${id}@example.org`, locale: 'en' });
    }
    return users.get(id);
  }

  async function route({ data: { event } }) {
    if (await redis.exists(keys.processed(event.eventId))) return;
    const { userId, channels } = event.payload;
    const transaction = redis.multi();
    for (const channel of channels ?? CHANNELS) {
      transaction.hset(keys.notification(event.eventId, userId, channel), {
        status: 'pending',
        eventId: event.eventId,
        userId,
        channel,
        createdAt: Date.now(),
      });
    }
    // All in flight at once on one connection, so in this order: the mark comes last, and what is repeated before it changes nothing.
    await Promise.all([
      transaction.exec(),
      ...(channels ?? CHANNELS).map((channel) =>
        queues[channel].add(channel, { event, userId }, { ...jobOptions, jobId: `${event.eventId}-${channel}` }),
      ),
      redis.set(keys.processed(event.eventId), Date.now()),
    ]);
  }

  async function send(channel, job) {
    const { event, userId } = job.data;
    const notification = keys.notification(event.eventId, userId, channel);
    const [status, user] = await Promise.all([redis.hget(notification, 'status'), userOf(userId)]);
    if (status !== 'pending') return;
    const template = templates[channel][user.locale];
    const data = view(event, user);
    const now = Date.now();
    const message =
      channel === 'email'
        ? {
            messageId: `<${event.eventId}.${userId}.email@helpdesk.local>`,
            subject: renderText(template.subject, data),
            text: renderText(template.text, data),
            html: render(template.html, data),
          }
        : { title: renderText(template.title, data), body: renderText(template.body, data) };
    const transaction = redis
      .multi()
      .hset(notification, { status: 'sent', sentAt: now })
      .rpush(keys.attempts(event.eventId, userId, channel), JSON.stringify({ n: job.attemptsMade + 1, at: now, outcome: 'sent', message }));
    if (channel === 'inapp')
      transaction.lpush(keys.inbox(userId), JSON.stringify({ ticketId: event.payload.ticketId, ...message, at: now, read: false }));
    await transaction.exec();
    onSent(channel, Date.now() - Date.parse(event.occurredAt));
  }

  const work = (name, process) => {
    const worker = new Worker(name, process, { connection: connect(), concurrency: CONCURRENCY });
    worker.on('error', (error) => console.error(`${name}: ${error.message}`));
    worker.on('failed', (job, error) => console.error(`${name}: job ${job?.id}: ${error.message}`));
    return worker;
  };
  const workers = [
    work(QUEUES.router, route),
    work(QUEUES.email, (job) => send('email', job)),
    work(QUEUES.inapp, (job) => send('inapp', job)),
  ];
  return { stop: () => Promise.all(workers.map((worker) => worker.close())) };
}
