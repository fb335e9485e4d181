// What one would otherwise take: fastify, BullMQ and Redis. PEER_PROCESSES=1 runs the workers in this process, 2 (the default, as one
// would deploy it) beside it.

import { fork } from 'node:child_process';
import { Queue } from 'bullmq';
import { createVerifier } from 'fast-jwt';
import Fastify from 'fastify';
import { makeApp, settings } from '../peer-shared/http.mjs';
import { uuidv7 } from '../peer-shared/ids.mjs';
import { Metrics } from '../peer-shared/metrics.mjs';
import { newTicket, newUser, ticketAnswer } from '../peer-shared/schemas.mjs';
import { QUEUES, connect, jobOptions, keys } from './redis.mjs';
import { startWorkers } from './workers.mjs';

const redis = connect();
const queues = Object.fromEntries(Object.values(QUEUES).map((name) => [name, new Queue(name, { connection: redis })]));
const metrics = new Metrics();
const { app, authenticate, onlyAdmin, problem } = makeApp(Fastify, createVerifier);

app.post('/tickets', { onRequest: authenticate, schema: { body: newTicket, response: { 201: ticketAnswer } } }, async (request, reply) => {
  const nowMs = Date.now();
  const { title, description, priority, channels, tags } = request.body;
  const ownerId = request.user.sub;
  const ticketId = uuidv7(nowMs);
  const createdAt = new Date(nowMs).toISOString();
  const event = {
    event: 'TicketCreated',
    eventId: uuidv7(nowMs),
    schemaVersion: 1,
    occurredAt: createdAt,
    payload: { ticketId, userId: ownerId, title, description, priority, channels, tags },
  };
  const ticket = { ticketId, ownerId, title, description, priority, status: 'open', version: 1, createdAt };
  // One after the other on one connection, one wait for both: the job never comes without the ticket, and the 201 never before either is
  // on the disk.
  const [stored] = await Promise.all([
    redis.multi().set(keys.ticket(ticketId), JSON.stringify(ticket)).set(keys.event(event.eventId), JSON.stringify(event)).exec(),
    queues.router.add(event.event, { event }, { ...jobOptions, jobId: event.eventId }),
  ]);
  for (const [error] of stored) if (error) throw error;
  return reply
    .code(201)
    .header('location', `/tickets/${ticketId}`)
    .header('etag', '"1"')
    .send({ ...ticket, eventId: event.eventId });
});

app.post('/users', { onRequest: [authenticate, onlyAdmin], schema: { body: newUser } }, async (request, reply) => {
  await redis.hset(keys.user(request.body.userId), request.body);
  return reply.code(201).send(request.body);
});

app.get('/tickets/:id', { onRequest: authenticate }, async (request, reply) => {
  const ticket = JSON.parse(await redis.get(keys.ticket(request.params.id)));
  if (!ticket || (request.user.role === 'customer' && ticket.ownerId !== request.user.sub)) return problem(reply, 404, 'No such ticket');
  return ticket;
});

app.get('/metrics', async (request, reply) => {
  const backlog = {};
  for (const [name, queue] of Object.entries(queues)) {
    const counts = await queue.getJobCounts('waiting', 'active', 'delayed');
    backlog[name] = counts.waiting + counts.active + counts.delayed;
  }
  return reply.type('text/plain; version=0.0.4').send(metrics.print(backlog));
});

let stopWorkers;
if (process.env.PEER_PROCESSES === '1') {
  const workers = startWorkers((channel, ms) => metrics.notificationSent(channel, ms));
  stopWorkers = () => workers.stop();
} else {
  const child = fork(new URL('worker-process.mjs', import.meta.url));
  child.on('message', (counted) => metrics.add(counted));
  child.on('exit', (code) => process.exit(code ?? 1));
  stopWorkers = async () => void child.removeAllListeners('exit').kill('SIGTERM');
}
await app.listen({ host: settings.host, port: settings.port });
process.on('SIGTERM', async () => {
  await stopWorkers();
  await app.close();
  process.exit(0);
});
