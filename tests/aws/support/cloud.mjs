/* A deployment on the emulators that scripts/with-emulators has started: a table and queues of its own, `serve` for its API, and any number of workers, all of which live by the emulators' clock.
 *
 *   const cloud = await makeCloud(t, { env: { HELPDESK_SMTP_URL: sink.url } });
 *   const worker = await cloud.startWorker({ env: proxy.env });
 *   const ticket = await cloud.openTicket('Printer');
 *   await cloud.settled();
 *   worker.kill(); await cloud.pass(20 * 60_000); */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';

import { binary, freePort, missingBinary, startServer, waitFor } from '../../e2e/support/server.mjs';

export const CUSTOMER = 'u-cloud';
const SETTLED_MS = 120_000;
const READY_MS = 60_000;
const STOP_MS = 15_000;
const OUTBOX_SHARDS = 16;
const PAGE = 200;

/* The reason to skip, or false. */
export function missingCloud() {
  if (process.env.AWS_ENDPOINT_URL) return missingBinary();
  if (process.env.CI === 'true') throw new Error('it runs beside emulators: scripts/with-emulators');
  return 'it runs beside emulators: scripts/with-emulators';
}

/* Without a signature: what stands for AWS here looks at none. */
export async function ask(endpoint, target, body) {
  const response = await fetch(endpoint, {
    method: 'POST',
    headers: { 'X-Amz-Target': target, 'Content-Type': 'application/x-amz-json-1.0', Authorization: 'AWS4-HMAC-SHA256 Credential=A/20260101/eu-west-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0' },
    body: JSON.stringify(body),
  });
  assert.equal(response.status, 200, `${target}: ${response.status}`);
  return response.json();
}
const dynamodb = (action, body) => ask(process.env.AWS_ENDPOINT_URL, `DynamoDB_20120810.${action}`, body);
const sqs = (action, body) => ask(process.env.AWS_ENDPOINT_URL_SQS ?? process.env.AWS_ENDPOINT_URL, `AmazonSQS.${action}`, body);

async function depth(queue) {
  const { QueueUrl } = await sqs('GetQueueUrl', { QueueName: queue });
  const { Attributes } = await sqs('GetQueueAttributes', { QueueUrl, AttributeNames: ['All'] });
  return ['', 'NotVisible', 'Delayed'].reduce((sum, kind) => sum + Number(Attributes[`ApproximateNumberOfMessages${kind}`]), 0);
}

async function outboxOf(table, shard) {
  const pk = { S: `O#${String(shard).padStart(2, '0')}` };
  const { Items } = await dynamodb('Query', { TableName: table, KeyConditionExpression: 'pk = :pk', ExpressionAttributeValues: { ':pk': pk }, ConsistentRead: true });
  return Items;
}

let aheadMs = 0; // the emulators' clock, which all clouds share and which never goes back

/* env: of all its processes. apiEnv: of serve alone. Everything ends with t. */
export async function makeCloud(t, { env = {}, apiEnv = {} } = {}) {
  const name = `t${randomBytes(4).toString('hex')}`;
  const settings = {
    HELPDESK_BACKEND: 'aws',
    HELPDESK_TABLE: name,
    HELPDESK_QUEUES: `${name}-`,
    HELPDESK_JWT_SECRET: randomBytes(32).toString('hex'),
    ...clockOfEmulators(),
    ...env,
  };
  const workers = new Set();
  const setup = await runCommand(['setup'], settings);
  const server = await startServer({ args: ['--no-processors'], env: { ...settings, ...apiEnv } });
  t.after(async () => {
    await Promise.all([...workers].map((worker) => worker.kill()));
    await server.stop();
  });
  const command = (args) => runCommand(args, settings); // not through what serve's requests go through
  await command(['users', 'add', '--id', CUSTOMER, '--name', 'Ana', '--email', 'ana@example.org', '--role', 'customer', '--locale', 'pt-BR']);
  const token = async (role, user) => (await command(['token', '--user', user, '--role', role])).trim();

  const cloud = {
    server,
    table: name,
    queues: `${name}-`,
    setup,
    command,
    customer: () => token('customer', CUSTOMER),
    admin: () => token('admin', 'e2e-admin'),

    startWorker: async ({ args = [], env: more = {} } = {}) => {
      const worker = await startWorker(args, { ...cleanEnvironment(), ...settings, ...more });
      workers.add(worker);
      return worker;
    },

    /* Gives {status, ticket}. */
    openTicket: async (title, { key, bearer } = {}) => {
      const response = await fetch(`${server.url}/tickets`, {
        method: 'POST',
        headers: { Authorization: `Bearer ${bearer ?? (await cloud.customer())}`, 'Content-Type': 'application/json', ...(key ? { 'Idempotency-Key': key } : {}) },
        body: JSON.stringify({ title, channels: ['email', 'inapp'] }),
      });
      return { status: response.status, ticket: await response.json() };
    },

    get: async (path, bearer) => {
      const response = await fetch(`${server.url}${path}`, { headers: { Authorization: `Bearer ${bearer ?? (await cloud.admin())}` } });
      assert.equal(response.status, 200, path);
      return response.json();
    },

    list: async (path) => {
      const items = [];
      const bearer = await cloud.admin();
      for (let cursor = null; ; ) {
        const page = await cloud.get(`${path}${path.includes('?') ? '&' : '?'}limit=${PAGE}${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''}`, bearer);
        items.push(...page.items);
        cursor = page.nextCursor;
        if (!cursor) return items;
      }
    },

    /* What waits: {messages by queue, outbox}; both empty when nothing does. Looks in the order in which work goes, so that nothing passes by unseen: a message is sent before the one that caused it is
     * deleted. */
    waiting: async () => {
      const messages = {};
      const outbox = [];
      const look = async (queues) => {
        for (const queue of queues) {
          for (const kind of ['', '-urgent', '-dead']) {
            const count = await depth(`${name}-${queue}${kind}`);
            if (count > 0) messages[`${queue}${kind}`] = count;
          }
        }
        for (let shard = 0; shard < OUTBOX_SHARDS; shard++) outbox.push(...(await outboxOf(name, shard)));
      };
      await look(['router']);
      await look(['email', 'inapp']);
      await look(['dlq']);
      return { messages, outbox };
    },

    /* Waits until there is nothing in any queue and in the outbox. */
    settled: async (deadlineMs = SETTLED_MS) => {
      let left;
      const done = await waitFor(async () => {
        left = await cloud.waiting();
        return Object.keys(left.messages).length === 0 && left.outbox.length === 0;
      }, deadlineMs, 100);
      assert.ok(done, `all work is done in the end; left: ${JSON.stringify(left)}\n${[...workers].map((worker) => worker.log().slice(-3000)).join('\n----\n')}`);
    },

    /* All clocks go on by so much. */
    pass: async (ms) => {
      aheadMs += ms;
      const response = await fetch(process.env.HELPDESK_EMULATOR_CLOCK, { method: 'PUT', body: JSON.stringify({ offsetMs: aheadMs }) });
      assert.equal(response.status, 204);
    },
  };
  return cloud;
}

function clockOfEmulators() {
  const words = (process.env.HELPDESK_EMULATOR_TIME ?? '').split(' ').filter(Boolean);
  return Object.fromEntries(words.map((word) => [word.slice(0, word.indexOf('=')), word.slice(word.indexOf('=') + 1)]));
}

function cleanEnvironment() {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('HELPDESK_')));
}

function start(args, env) {
  const child = spawn(binary, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  let log = '';
  child.stdout.on('data', (chunk) => (out += chunk));
  child.stderr.on('data', (chunk) => (log += chunk));
  const exited = new Promise((done) => child.once('close', (code, signal) => done({ code, signal })));
  return { child, exited, out: () => out, log: () => out + log, ended: () => child.exitCode !== null || child.signalCode !== null };
}

async function runCommand(args, env) {
  const command = start(args, { ...cleanEnvironment(), ...env });
  const { code } = await command.exited;
  assert.equal(code, 0, `helpdesk ${args.join(' ')}: ${command.log()}`);
  return command.out();
}

async function startWorker(args, env) {
  const metrics = `127.0.0.1:${await freePort()}`;
  const worker = start(['worker', ...args], { ...env, HELPDESK_METRICS_LISTEN: metrics });
  const kill = (signal = 'SIGKILL') => {
    worker.child.kill(signal);
    return worker.exited;
  };
  const ready = await waitFor(() => worker.ended() || /ready/.test(worker.log()), READY_MS);
  if (!ready || worker.ended()) {
    await kill();
    throw new Error(`helpdesk worker ${args.join(' ')} did not get ready:\n${worker.log()}`);
  }
  return {
    pid: worker.child.pid,
    log: worker.log,
    ended: worker.ended,
    metrics: async () => (await fetch(`http://${metrics}/metrics`)).text(),
    kill,
    stop: async () => {
      worker.child.kill('SIGTERM');
      const timer = setTimeout(() => worker.child.kill('SIGKILL'), STOP_MS);
      const result = await worker.exited;
      clearTimeout(timer);
      return result;
    },
  };
}
