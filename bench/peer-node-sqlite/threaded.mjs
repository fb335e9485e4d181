// The pipeline's face on the HTTP thread, when the pipeline runs in a thread of its own.

import { Worker } from 'node:worker_threads';
import { Metrics } from '../peer-shared/metrics.mjs';

export class ThreadedPipeline {
  #worker;
  #waiting = new Map();
  #lastId = 0;
  #batch = { users: [], requests: [] };
  #scheduled = false;
  #metrics = new Metrics();
  #backlog = {};

  constructor(dataDir) {
    this.#worker = new Worker(new URL('store-thread.mjs', import.meta.url), { workerData: { dataDir } });
    this.#worker.on('message', (message) => this.#receive(message));
    this.#worker.on('error', (error) => {
      console.error(error);
      process.exit(1);
    });
  }

  putUser(user, done) {
    this.#batch.users.push({ id: this.#await(done), user });
  }

  accept(ownerId, body, done) {
    this.#batch.requests.push({ id: this.#await(done), ownerId, body });
  }

  printMetrics() {
    return this.#metrics.print(this.#backlog);
  }

  #await(done) {
    this.#waiting.set(++this.#lastId, done);
    if (!this.#scheduled) {
      this.#scheduled = true;
      setImmediate(() => this.#post());
    }
    return this.#lastId;
  }

  #post() {
    this.#worker.postMessage(this.#batch);
    this.#batch = { users: [], requests: [] };
    this.#scheduled = false;
  }

  #receive({ answers = [], metrics, backlog }) {
    for (const { id, error, ticket } of answers) {
      const done = this.#waiting.get(id);
      this.#waiting.delete(id);
      done(error ? new Error(error) : null, ticket);
    }
    if (!metrics) return;
    this.#metrics = new Metrics();
    this.#metrics.add(metrics);
    this.#backlog = backlog;
  }
}
