/* What goes wrong on the way to AWS: throttling, failures, answers that are lost after the work was done, expired credentials, a worker that is killed between any two requests, two workers with the same
 * message. Nothing is lost, there is one Notification for each (event, target, channel), and a mail comes twice only where the documents say so: when a worker is killed between the mail server's
 * answer and its recording. Real processes, through a proxy; the clocks are moved, not waited for. */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { test } from 'node:test';

import { startSink } from '../e2e/support/sink.mjs';
import { waitFor } from '../e2e/support/server.mjs';
import { CUSTOMER, makeCloud, missingCloud } from './support/cloud.mjs';
import { startProxy } from './support/proxy.mjs';

const TICKETS = 12;
const BEYOND_VISIBILITY_MS = 20 * 60_000; // and beyond the sweep's patience, and a transfer's
const IN_THE_END_MS = 400_000; // a message that failed in all its tries is hidden for minutes
const KILLS_MAX = 200; // a bound against runaways
const IDLE = new Set(['ReceiveMessage', 'GetQueueUrl', 'GetQueueAttributes', 'DescribeTable', 'Query']); // what a worker asks while it has nothing to do

const skip = missingCloud();
const quick = (sink) => ({
  HELPDESK_SMTP_URL: sink.url,
  HELPDESK_SMTP_TIMEOUT: '2s',
  HELPDESK_RETRY_EMAIL: '10,100ms,2s',
  HELPDESK_LOG_LEVEL: 'info',
});

async function makeSink(t) {
  const sink = await startSink();
  t.after(() => sink.close());
  return sink;
}

async function makeProxy(t, options) {
  const proxy = await startProxy(options);
  t.after(() => proxy.close());
  return proxy;
}

/* The same request again and again until it has an answer that is final, as a client does that has been told to. */
async function openTicketInTheEnd(cloud, title, key) {
  const answer = await waitFor(async () => {
    const { status, ticket } = await cloud.openTicket(title, { key });
    if (status >= 500) return null;
    assert.equal(status, 201, JSON.stringify(ticket));
    return ticket;
  }, 60_000);
  assert.ok(answer, `${title} is taken in the end`);
  return answer;
}

/* Each ticket has its two notifications, sent, and its mail. Gives how often mails came again; each repetition is one that the attempts tell of. */
async function check(cloud, sink, tickets) {
  assert.equal(new Set(tickets.map(({ ticketId }) => ticketId)).size, tickets.length);
  let repeated = 0;
  for (const { ticketId, eventId } of tickets) {
    const its = await cloud.list(`/notifications?ticketId=${ticketId}`);
    const told = its.map(({ channel, target, status, eventId: of }) => `${channel} ${target} ${status} ${of}`).sort();
    assert.deepEqual(told, [`email ${CUSTOMER} sent ${eventId}`, `inapp ${CUSTOMER} sent ${eventId}`], ticketId);
    const { notificationId } = its.find(({ channel }) => channel === 'email');
    const [, times] = [...sink.seen].find(([messageId]) => messageId.split('@')[0] === notificationId) ?? [null, 0];
    assert.ok(times >= 1, `${notificationId} is sent, and its mail has not come`);
    if (times === 1) continue;
    repeated += times - 1;
    const { attemptLog } = await cloud.get(`/notifications/${notificationId}`);
    assert.ok(attemptLog.filter(({ outcome }) => outcome === 'interrupted').length >= times - 1, `${notificationId}: ${JSON.stringify(attemptLog)}`);
  }
  return repeated;
}

async function checkAll(cloud, sink, tickets) {
  assert.equal(await check(cloud, sink, tickets), 0, 'no mail came twice');
  assert.equal((await cloud.list('/tickets')).length, tickets.length, 'and there are no tickets but these');
  assert.equal((await cloud.list('/notifications')).length, 2 * tickets.length);
  assert.deepEqual(await cloud.list('/dead-letters'), []);
  assert.equal(sink.seen.size, tickets.length);
}

test('throttled, failed, cut off, or done without an answer: each request may be, and everything happens once', { skip }, async (t) => {
  const sink = await makeSink(t);
  const proxy = await makeProxy(t);
  // Long enough for an outcome to be recorded, in whatever number of tries: until then the mail is the one's that sent it.
  const cloud = await makeCloud(t, { env: { ...quick(sink), HELPDESK_SMTP_TIMEOUT: '20s' }, apiEnv: proxy.env });
  const faults = ['lose', 'pass', 'pass', 'throttle', 'pass', 'pass', 'lose', 'pass', 'pass', 'error', 'pass', 'pass', 'cut', 'pass', 'pass', 'pass', 'pass'];
  const seen = new Map();
  proxy.decide = ({ number, action }) => {
    let decision = faults[number % faults.length];
    if (decision === 'lose' && action === 'ReceiveMessage') decision = 'cut'; // spends one of a message's three receives, and its visibility: the kills are about that
    const key = `${decision} ${action}`;
    seen.set(key, (seen.get(key) ?? 0) + 1);
    return decision;
  };
  const worker = await cloud.startWorker({ env: proxy.env });
  const tickets = [];
  for (let number = 0; number < TICKETS; number++) tickets.push(await openTicketInTheEnd(cloud, `Chamado nº ${number}`, `faults-${number}`));
  assert.ok(await waitFor(() => sink.seen.size === TICKETS, IN_THE_END_MS), `${sink.seen.size} mails have come`);
  proxy.decide = () => 'pass';
  const allSent = async () => (await cloud.list('/notifications')).filter(({ channel, status }) => channel === 'email' && status === 'sent').length === TICKETS;
  assert.ok(await waitFor(allSent, IN_THE_END_MS), worker.log());
  await cloud.pass(BEYOND_VISIBILITY_MS); // what could not be deleted, or not be done, comes again; no mail is under way
  await cloud.settled();
  await checkAll(cloud, sink, tickets);
  for (const wanted of ['lose TransactWriteItems', 'throttle TransactWriteItems', 'error TransactWriteItems', 'lose SendMessageBatch', 'lose DeleteMessageBatch'])
    t.diagnostic(`${wanted}: ${seen.get(wanted) ?? 0}`);
  assert.ok((seen.get('lose TransactWriteItems') ?? 0) > 0, 'transactions were done whose answer was lost');
  assert.ok(!worker.ended(), worker.log());
  assert.deepEqual(await worker.stop(), { code: 0, signal: null });
});

test('credentials that expire are replaced, and nothing is lost meanwhile', { skip }, async (t) => {
  const sink = await makeSink(t);
  const proxy = await makeProxy(t);
  let current = 1;
  const source = createServer((request, response) => {
    response.setHeader('Content-Type', 'application/json');
    const key = `KEY${current}`;
    response.end(JSON.stringify({ AccessKeyId: key, SecretAccessKey: 'secret', Token: `token-${key}`, Expiration: new Date(Date.now() + 10 * 3600_000).toISOString() }));
  });
  await new Promise((done) => source.listen(0, '127.0.0.1', done));
  t.after(() => new Promise((done) => source.closeAllConnections() ?? source.close(done)));
  const cloud = await makeCloud(t, { env: quick(sink) });
  let refused = 0;
  proxy.decide = ({ accessKey }) => {
    if (accessKey === `KEY${current}`) return 'pass';
    refused++;
    return 'expired';
  };
  const credentials = { AWS_CONTAINER_CREDENTIALS_FULL_URI: `http://127.0.0.1:${source.address().port}/`, AWS_ACCESS_KEY_ID: '', AWS_SECRET_ACCESS_KEY: '' };
  const worker = await cloud.startWorker({ env: { ...proxy.env, ...credentials } });
  const tickets = [];
  for (let number = 0; number < 3; number++) {
    current++; // what the worker holds has just expired
    tickets.push((await cloud.openTicket(`Chamado nº ${number}`)).ticket);
    await cloud.settled();
  }
  assert.ok(refused >= 3, `${refused} requests were refused`);
  await checkAll(cloud, sink, tickets);
  assert.deepEqual(await worker.stop(), { code: 0, signal: null });
});

const brings = ({ body }) => (JSON.parse(body.toString('utf8')).Messages ?? []).length > 0;

/* Lets the n-th request of a worker's work wait until the test says go, and all after it. Polls are passed over; where answers are held, those that bring messages count (they may have begun before). */
function makeHoldable(proxy) {
  let hold = null;
  const isNth = (request) => {
    if (hold.reached || (hold.only && hold.only !== request.action) || ++hold.count !== hold.n) return false;
    hold.reached = request;
    return true;
  };
  proxy.decide = (request) => {
    if (hold?.reached) return { holdBefore: hold.held };
    if (request.action === 'ReceiveMessage') return { holdAfter: (answer) => (hold?.where === 'holdAfter' && brings(answer) && isNth(request) ? hold.held : null) };
    if (!hold || IDLE.has(request.action) || !isNth(request)) return 'pass';
    return { [hold.where]: hold.held };
  };
  proxy.holdNth = (n, where, only = null) => {
    hold = { n, where, only, count: 0, reached: null };
    hold.held = new Promise((done) => (hold.release = done));
    return hold;
  };
  return proxy;
}

test('a worker killed before any of its requests, and after any before the answer, leaves nothing undone and does nothing twice', { skip }, async (t) => {
  const sink = await makeSink(t);
  const cloud = await makeCloud(t, { env: quick(sink) });
  const kills = [];
  let repeated = 0;
  let proxy = makeHoldable(await makeProxy(t));
  let worker = await cloud.startWorker({ env: proxy.env });
  for (const where of ['holdBefore', 'holdAfter']) {
    for (let n = 1, reached = true; reached; n++) {
      assert.ok(n <= KILLS_MAX);
      const hold = proxy.holdNth(n, where);
      const { status, ticket } = await cloud.openTicket(`Chamado ${where} ${n}`);
      assert.equal(status, 201, JSON.stringify(ticket));
      let done = false;
      const settled = cloud.settled().then(() => (done = true), () => {});
      await waitFor(() => hold.reached || done, 120_000);
      reached = hold.reached !== null;
      if (reached) {
        await worker.kill();
        hold.release('cut');
        assert.ok(await waitFor(proxy.isQuiet, 60_000));
        proxy = makeHoldable(await makeProxy(t)); // nothing of the dead worker's is counted with the next one's
        await cloud.pass(BEYOND_VISIBILITY_MS);
        worker = await cloud.startWorker({ env: proxy.env });
      }
      await settled;
      await cloud.settled();
      const again = await check(cloud, sink, [ticket]);
      repeated += again;
      assert.ok(again <= 1, `${n} ${where}: ${again} mails too many`);
      if (reached) kills.push(`${n} ${where === 'holdBefore' ? 'before' : 'after'} ${hold.reached.action}${again ? ' (mail came again)' : ''}`);
    }
  }
  t.diagnostic(`${kills.length} kills, ${repeated} mails twice:\n${kills.join('\n')}`);
  console.log(`count: kills between two requests: ${kills.length}, mails twice: ${repeated}`);
  assert.ok(kills.length >= 10, 'the work takes several requests');
  assert.deepEqual(await cloud.list('/dead-letters'), []);
  assert.deepEqual(await worker.stop(), { code: 0, signal: null });
});

/* The slow one may stand still for as long as it likes where its mail is not yet claimed; behind that it must not, and the documents say so. */
test('two workers with the same message: one stands still, its message comes to the other, then it goes on; nothing happens twice', { skip }, async (t) => {
  const sink = await makeSink(t);
  const cloud = await makeCloud(t, { env: quick(sink) });
  const tickets = [];
  for (const [where, only, n] of [
    ['holdAfter', 'ReceiveMessage', 1],
    ['holdBefore', 'TransactWriteItems', 1],
    ['holdAfter', 'TransactWriteItems', 1],
    ['holdBefore', 'SendMessageBatch', 1],
    ['holdAfter', 'ReceiveMessage', 2],
  ]) {
    const proxy = makeHoldable(await makeProxy(t));
    const slow = await cloud.startWorker({ env: proxy.env });
    const hold = proxy.holdNth(n, where, only);
    tickets.push((await cloud.openTicket(`Chamado ${where} ${only} ${n}`)).ticket);
    assert.ok(await waitFor(() => hold.reached, 60_000), `${where} ${only} ${n}`);
    assert.ok(await waitFor(proxy.isQuiet, 60_000)); // its polls have ended, and take nothing from the other
    await cloud.pass(BEYOND_VISIBILITY_MS);
    const other = await cloud.startWorker();
    await cloud.settled();
    const before = proxy.requests.length;
    hold.release();
    proxy.decide = () => 'pass';
    assert.ok(await waitFor(() => proxy.requests.slice(before).some(({ action }) => action === 'ReceiveMessage'), 60_000), 'it goes on');
    assert.deepEqual(await slow.stop(), { code: 0, signal: null }); // and has done with what it had
    await cloud.settled();
    assert.deepEqual(await other.stop(), { code: 0, signal: null });
  }
  await checkAll(cloud, sink, tickets);
});
