// The thread that owns the pipeline: batches of requests come in as one message, and what one commit has made durable goes back as one.

import { parentPort, workerData } from 'node:worker_threads';
import { Metrics } from '../peer-shared/metrics.mjs';
import { Pipeline } from './pipeline.mjs';
import { openStore } from './store.mjs';

const REPORT_EVERY_MS = 50;

const metrics = new Metrics();
const pipeline = new Pipeline(openStore(workerData.dataDir), metrics);
let answers = [];

function answer(id, error, ticket) {
  // The pipeline answers a whole batch in one go: the first of it sends all, once the last has been added.
  if (answers.length === 0) queueMicrotask(() => (parentPort.postMessage({ answers }), (answers = [])));
  answers.push({ id, error: error?.message, ticket });
}

parentPort.on('message', ({ users = [], requests = [] }) => {
  for (const { id, user } of users) {
    pipeline.putUser(user);
    answer(id);
  }
  for (const { id, ownerId, body } of requests) pipeline.accept(ownerId, body, (error, ticket) => answer(id, error, ticket));
});

setInterval(() => parentPort.postMessage({ metrics, backlog: pipeline.backlog }), REPORT_EVERY_MS);
