// The best that Node can do: HTTP, the three stages and SQLite in one process. PEER_THREADS=1 (the default) runs
// all on one thread, 2 the stages and SQLite on a thread of their own.

import { createVerifier } from 'fast-jwt';
import Fastify from 'fastify';
import { makeApp, settings } from '../peer-shared/http.mjs';
import { Metrics } from '../peer-shared/metrics.mjs';
import { newTicket, newUser, ticketAnswer } from '../peer-shared/schemas.mjs';
import { Pipeline } from './pipeline.mjs';
import { openStore } from './store.mjs';
import { ThreadedPipeline } from './threaded.mjs';

const store = openStore(settings.dataDir);
const pipeline = process.env.PEER_THREADS === '2' ? new ThreadedPipeline(settings.dataDir) : new Pipeline(store, new Metrics());
const { app, authenticate, onlyAdmin, problem } = makeApp(Fastify, createVerifier);

app.post('/tickets', { onRequest: authenticate, schema: { body: newTicket, response: { 201: ticketAnswer } } }, (request, reply) => {
  pipeline.accept(request.user.sub, request.body, (error, ticket) => {
    if (error) return problem(reply, 503, 'The store is not available');
    reply.code(201).header('location', `/tickets/${ticket.ticketId}`).header('etag', '"1"').send(ticket);
  });
});
app.post('/users', { onRequest: [authenticate, onlyAdmin], schema: { body: newUser } }, (request, reply) => {
  pipeline.putUser(request.body, () => reply.code(201).send(request.body));
});
app.get('/tickets/:id', { onRequest: authenticate }, (request, reply) => {
  const ticket = store.getTicket.get(request.params.id);
  if (!ticket || (request.user.role === 'customer' && ticket.owner_id !== request.user.sub)) return problem(reply, 404, 'No such ticket');
  reply.send(ticket);
});
app.get('/tickets/:id/notifications', { onRequest: authenticate }, (request, reply) => {
  const ticket = store.getTicket.get(request.params.id);
  if (!ticket || (request.user.role === 'customer' && ticket.owner_id !== request.user.sub)) return problem(reply, 404, 'No such ticket');
  reply.send({ items: store.ticketNotifications.all(ticket.seq), nextCursor: null });
});
app.get('/metrics', (request, reply) => {
  reply.type('text/plain; version=0.0.4').send(pipeline.printMetrics());
});

await app.listen({ host: settings.host, port: settings.port });
process.on('SIGTERM', () => app.close().then(() => process.exit(0)));
