/* `serve` and `worker` on AWS, as processes of their own: from a ticket by HTTP to a mail, dead letters and back, and stops that wait for nobody. */
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';

import { binary, freePort, missingBinary, startServer, waitFor } from '../e2e/support/server.mjs';
import { startSink } from '../e2e/support/sink.mjs';
import { startProxy } from './support/proxy.mjs';

const skip = missingEmulators();
const DEADLINE_MS = 120_000; // these machines are slow and shared
const CUSTOMER = 'u-ana';
const STOP_MS = 15_000; // the ten seconds that are promised, and what a busy machine adds
const SQS = process.env.AWS_ENDPOINT_URL_SQS ?? process.env.AWS_ENDPOINT_URL;

function missingEmulators() {
  if (process.env.AWS_ENDPOINT_URL && process.env.HELPDESK_EMULATOR_CLOCK) return missingBinary();
  if (process.env.CI === 'true') throw new Error('it runs beside emulators: scripts/with-emulators --movable-clock');
  return 'skipped: it runs beside emulators: scripts/with-emulators --movable-clock';
}

/* Without a signature: what stands for AWS here looks at none. */
async function sqs(action, body) {
  const headers = { 'X-Amz-Target': `AmazonSQS.${action}`, 'Content-Type': 'application/x-amz-json-1.0' };
  const response = await fetch(SQS, { method: 'POST', headers, body: JSON.stringify(body) });
  const text = await response.text();
  assert.equal(response.status, 200, `${action}: ${text}`);
  return text ? JSON.parse(text) : {};
}

const queueUrl = async (name) => (await sqs('GetQueueUrl', { QueueName: name })).QueueUrl;

/* ---- a deployment: a table and queues of its own, `serve` for its API alone, and workers ---- */

/* Its exit status and all that it says, whatever it is. */
function run(args, env) {
  return new Promise((done) => execFile(binary, args, { env }, (error, out, err) => done({ code: error?.code ?? 0, out, text: out + err })));
}

async function startWorker(args, env) {
  const metrics = `127.0.0.1:${await freePort()}`;
  const child = spawn(binary, ['worker', ...args], { env: { ...env, HELPDESK_METRICS_LISTEN: metrics }, stdio: ['ignore', 'ignore', 'pipe'] });
  let log = '';
  child.stderr.on('data', (chunk) => (log += chunk));
  const exited = new Promise((done) => child.once('close', (code, signal) => done({ code, signal })));
  const worker = {
    log: () => log,
    metrics: async () => (await fetch(`http://${metrics}/metrics`)).text(),
    stop: async () => {
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
      const result = await exited;
      clearTimeout(timer);
      return result;
    },
    kill: () => {
      child.kill('SIGKILL');
      return exited;
    },
  };
  const ready = await waitFor(() => child.exitCode !== null || log.includes('"what":"ready"'), DEADLINE_MS);
  if (!ready || child.exitCode !== null) {
    await worker.kill();
    throw new Error(`the worker did not get ready: ${log}`);
  }
  assert.ok(log.includes(`"listen":"${metrics}"`), log); // a worker has no other address
  return worker;
}

/* env: of all its processes. apiEnv: of serve alone. All of them end with t. */
async function deploy(t, { env = {}, apiEnv = {} } = {}) {
  const name = `t${randomBytes(4).toString('hex')}`;
  const own = { HELPDESK_BACKEND: 'aws', HELPDESK_TABLE: name, HELPDESK_QUEUES: `${name}-`, HELPDESK_JWT_SECRET: randomBytes(32).toString('hex'), ...env };
  const clean = Object.fromEntries(Object.entries(process.env).filter(([key]) => !key.startsWith('HELPDESK_')));
  const settings = { ...clean, ...own };
  const command = async (...args) => {
    const { code, out, text } = await run(args, settings);
    assert.equal(code, 0, `helpdesk ${args.join(' ')}: ${text}`);
    return out;
  };
  const setup = await command('setup');
  const workers = [];
  const server = await startServer({ args: ['--no-processors'], env: { ...own, ...apiEnv } });
  t.after(async () => {
    await Promise.all(workers.map((worker) => worker.kill()));
    await server.stop();
  });
  await command('users', 'add', '--id', CUSTOMER, '--name', 'Ana', '--email', 'ana@example.org');
  const token = async (role, user) => (await command('token', '--user', user, '--role', role)).trim();
  const admin = await token('admin', 'u-admin');
  const get = async (path, bearer = admin) => {
    const response = await fetch(`${server.url}${path}`, { headers: { Authorization: `Bearer ${bearer}` } });
    assert.equal(response.status, 200, path);
    return response.json();
  };
  return {
    table: name,
    queues: `${name}-`,
    settings,
    own,
    setup,
    server,
    admin,
    command,
    get,
    customer: await token('customer', CUSTOMER),
    startWorker: async (args = [], more = {}) => {
      const worker = await startWorker(args, { ...settings, ...more });
      workers.push(worker);
      return worker;
    },
    openTicket: async (title, bearer) => {
      const headers = { Authorization: `Bearer ${bearer}`, 'Content-Type': 'application/json' };
      const response = await fetch(`${server.url}/tickets`, { method: 'POST', headers, body: JSON.stringify({ title, channels: ['email', 'inapp'] }) });
      assert.equal(response.status, 201);
      return response.json();
    },
    /* Until so many notifications are there and all of them have that status. */
    until: async (count, status) => {
      let items = [];
      const all = await waitFor(async () => {
        ({ items } = await get('/notifications?limit=200'));
        return items.length === count && items.every((item) => item.status === status);
      }, DEADLINE_MS);
      assert.ok(all, `${JSON.stringify(items)}\n${workers.map((worker) => worker.log()).join('\n')}`);
    },
  };
}

/* By itself, and with a good conscience: who takes longer than STOP_MS is killed. */
async function stopsInTime(process) {
  const { code, signal } = await process.stop();
  assert.deepEqual({ code, signal }, { code: 0, signal: null }, process.log());
}

test('a ticket by HTTP becomes a mail and an inbox item, through workers of their own for each channel', { skip }, async (t) => {
  const sink = await startSink();
  const cloud = await deploy(t, { env: { HELPDESK_SMTP_URL: sink.url } });
  t.after(() => sink.close()); // after the processes: they keep connections
  assert.match(cloud.setup, new RegExp(`table ${cloud.table}: made`));
  assert.match(await cloud.command('setup'), new RegExp(`table ${cloud.table}: found`));
  assert.match(await cloud.command('check'), /good$/m);

  const router = await cloud.startWorker(['--only', 'router']);
  const ticket = await cloud.openTicket('Impressora não imprime', cloud.customer);
  await cloud.until(2, 'pending');
  assert.equal(sink.seen.size, 0);

  const channels = await cloud.startWorker(['--only', 'email,inapp,dlq', '--threads', '1']);
  await cloud.until(2, 'sent');
  assert.deepEqual([...sink.seen.values()], [1]);
  const inbox = await cloud.get('/inbox', cloud.customer);
  assert.deepEqual(inbox.items.map((item) => item.ticketId), [ticket.ticketId]);
  const counted = /^helpdesk_notifications_total\{channel="email",outcome="sent"\} 1$/m;
  assert.ok(await waitFor(async () => counted.test(await channels.metrics()), DEADLINE_MS));
  assert.doesNotMatch(await router.metrics(), counted);
  await Promise.all([stopsInTime(router), stopsInTime(channels)]);
});

test('serve alone does all of it, too, and its demo', { skip }, async (t) => {
  const cloud = await deploy(t);
  const server = await startServer({ args: ['--demo'], env: cloud.own });
  t.after(() => server.stop());
  const response = await fetch(`${server.url}/auth/demo`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: '{"role":"customer"}' });
  assert.equal(response.status, 200);
  await cloud.openTicket('Rede', (await response.json()).token);
  const ofAna = async () => (await cloud.get('/notifications')).items.filter(({ target, status }) => target === 'ana' && status === 'sent');
  assert.ok(await waitFor(async () => (await ofAna()).length === 2, DEADLINE_MS), server.log());
  await stopsInTime(server);
});

test('a mail that is refused becomes a dead letter, and is sent again by the command', { skip }, async (t) => {
  let refuses = true;
  const sink = await startSink({ refuses: () => refuses });
  const cloud = await deploy(t, { env: { HELPDESK_SMTP_URL: sink.url } });
  t.after(() => sink.close());
  const worker = await cloud.startWorker();
  await cloud.openTicket('Ninguém', cloud.customer);
  const letters = async () => (await cloud.command('dlq', 'list', '--json')).split('\n').filter(Boolean).map((line) => JSON.parse(line));
  assert.ok(await waitFor(async () => (await letters()).length === 1, DEADLINE_MS), worker.log());
  const [letter] = await letters();
  assert.equal(letter.queue, 'email');
  assert.equal(letter.reason, 'address_gone');

  refuses = false;
  assert.match(await cloud.command('dlq', 'redrive', '--all'), /^1 queued again$/m);
  await cloud.until(2, 'sent');
  assert.deepEqual([...sink.seen.values()], [1]);
  assert.deepEqual(await letters(), []);
});

test('what a queue has given up becomes a dead letter of ours', { skip }, async (t) => {
  const cloud = await deploy(t);
  const worker = await cloud.startWorker(['--only', 'dlq']);
  await sqs('SendMessage', { QueueUrl: await queueUrl(`${cloud.queues}router-dead`), MessageBody: '{"eventId":"nobody-knows"}' });
  const letter = await waitFor(async () => (await cloud.get('/dead-letters')).items[0], DEADLINE_MS);
  assert.ok(letter, worker.log());
  assert.equal(letter.queue, 'router');
  assert.equal(letter.reason, 'receives_exhausted');
});

test('a read that hangs delays no other request, and no stop', { skip }, async (t) => {
  const proxy = await startProxy();
  let hanging = 0;
  proxy.decide = ({ action, body }) => {
    if (action !== 'GetItem' || body.Key.pk.S !== 'T#hang') return 'pass';
    hanging++;
    return { holdBefore: new Promise(() => {}) };
  };
  const cloud = await deploy(t, { apiEnv: proxy.env });
  t.after(() => proxy.close());
  const headers = { Authorization: `Bearer ${cloud.admin}` };
  const lost = Promise.allSettled([1, 2, 3, 4].map(() => fetch(`${cloud.server.url}/tickets/hang`, { headers })));
  assert.ok(await waitFor(() => hanging >= 4, DEADLINE_MS));
  await cloud.openTicket('Outro', cloud.customer);
  assert.ok(await waitFor(async () => (await cloud.get('/tickets')).items.length === 1, DEADLINE_MS)); // lists may be a second late
  await stopsInTime(cloud.server);
  await lost;
});

test('readyz says whether the table answers, and healthz does not care', { skip }, async (t) => {
  const proxy = await startProxy();
  let broken = false;
  proxy.decide = ({ action }) => (broken && action === 'GetItem' ? 'error' : 'pass');
  const cloud = await deploy(t, { apiEnv: proxy.env });
  t.after(() => proxy.close());
  const answers = async (path, status) => (await fetch(`${cloud.server.url}${path}`)).status === status;
  broken = true;
  assert.ok(await waitFor(() => answers('/readyz', 503), DEADLINE_MS));
  assert.ok(await answers('/healthz', 200));
  broken = false;
  assert.ok(await waitFor(() => answers('/readyz', 200), DEADLINE_MS));
});

test('nothing starts on a table or a queue that is not there', { skip }, async (t) => {
  const cloud = await deploy(t);
  const env = { ...cloud.settings, HELPDESK_LISTEN: '127.0.0.1:0' };
  await sqs('DeleteQueue', { QueueUrl: await queueUrl(`${cloud.queues}inapp-urgent`) });
  for (const command of ['serve', 'worker', 'check']) {
    const { code, text } = await run([command], env);
    assert.equal(code, 1, text);
    assert.match(text, new RegExp(`${cloud.queues}inapp-urgent`));
    assert.match(text, /helpdesk setup/);
  }
  for (const command of [['serve'], ['worker'], ['check'], ['notifications', 'list']]) {
    const { code, text } = await run(command, { ...env, HELPDESK_TABLE: `${cloud.table}-not` });
    assert.equal(code, 1, text);
    assert.match(text, new RegExp(`${cloud.table}-not`));
  }
  const unknown = await run(['serve'], { ...env, AWS_ACCESS_KEY_ID: '', AWS_SECRET_ACCESS_KEY: '' });
  assert.equal(unknown.code, 1, unknown.text);
  assert.match(unknown.text, /no credentials/);
  assert.doesNotMatch(unknown.text, /helpdesk setup/); // it makes none
  const { code, text } = await run(['token', '--user', 'ana', '--role', 'customer'], { ...env, HELPDESK_JWT_SECRET: '' });
  assert.equal(code, 1);
  assert.match(text, /HELPDESK_JWT_SECRET/);
  assert.equal((await run(['backup', 'file'], env)).code, 1);
});

test('setup says why there are no backups, and makes the rest', { skip }, async (t) => {
  const proxy = await startProxy();
  t.after(() => proxy.close());
  const body = JSON.stringify({ __type: 'com.amazon.coral.service#AccessDeniedException', message: 'not for you' });
  proxy.decide = ({ action }) => (action === 'UpdateContinuousBackups' ? { answer: { status: 400, headers: {}, body } } : 'pass');
  const name = `t${randomBytes(4).toString('hex')}`;
  const clean = Object.fromEntries(Object.entries(process.env).filter(([key]) => !key.startsWith('HELPDESK_')));
  const env = { ...clean, ...proxy.env, HELPDESK_BACKEND: 'aws', HELPDESK_TABLE: name, HELPDESK_QUEUES: `${name}-` };
  const { code, text } = await run(['setup'], env);
  assert.equal(code, 0, text);
  assert.match(text, /point-in-time recovery is not turned on: DynamoDB UpdateContinuousBackups: AccessDeniedException: not for you/);
  assert.match(text, new RegExp(`queue ${name}-dlq: made`));
});

/* The last: it moves the emulators' clock. */
test('a worker stops although the table does not answer, and its messages come again', { skip }, async (t) => {
  const proxy = await startProxy();
  let held = 0;
  proxy.decide = ({ action }) => (action === 'TransactWriteItems' && ++held ? { holdBefore: new Promise(() => {}) } : 'pass');
  const cloud = await deploy(t);
  t.after(() => proxy.close());
  const stuck = await cloud.startWorker([], proxy.env);
  await cloud.openTicket('Parado', cloud.customer);
  assert.ok(await waitFor(() => held > 0, DEADLINE_MS), stuck.log());
  await stopsInTime(stuck);
  await cloud.startWorker();
  const moved = await fetch(process.env.HELPDESK_EMULATOR_CLOCK, { method: 'PUT', body: JSON.stringify({ offsetMs: 20 * 60_000 }) }); // what it had received is visible again
  assert.equal(moved.status, 204);
  await cloud.until(2, 'sent');
});
