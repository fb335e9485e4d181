/* kill -9 at random moments under load, many times over; and SIGTERM with work in flight. What got a 201 is delivered, once, and a mail comes twice only when its transfer
 * was under way at a kill. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { chance } from './support/chance.mjs';
import { freePort, missingBinary, startServer, waitFor } from './support/server.mjs';
import { startSink } from './support/sink.mjs';

const KILLS = 25;
const CLIENTS = 24;
const CONNECTIONS = 16;
const TRANSFERS_MAX = 256; // of the worker: so many mails may be under way at a kill
const PAGE = 200;
const QUIET_MS = 60_000;
const GAUGES_MS = 1_100;
const CUSTOMER = 'u-crash';

/* A folder, a port and a secret that outlive the servers on them. */
async function makeHome(env) {
  const dataDir = await mkdtemp(join(tmpdir(), 'helpdesk-crash-'));
  const home = { dataDir, port: await freePort(), env: { HELPDESK_JWT_SECRET: randomBytes(32).toString('hex'), HELPDESK_LOG_LEVEL: 'warn', ...env } };
  home.start = () => startServer(home);
  home.remove = () => rm(dataDir, { recursive: true, force: true });
  return home;
}

async function addCustomer(server) {
  await server.run(['users', 'add', '--id', CUSTOMER, '--name', 'Ana', '--email', 'ana@example.org', '--role', 'customer', '--locale', 'pt-BR']);
}

/* Opens a ticket: 201 goes into told, anything else is counted. Without an answer it may or may not have happened. */
async function openTicket(url, token, number, load) {
  const body = JSON.stringify({ title: `Chamado nº ${number}`, channels: ['email', 'inapp'] });
  try {
    const response = await fetch(`${url}/tickets`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
      body,
      signal: AbortSignal.timeout(10_000),
    });
    if (response.status !== 201) {
      await response.arrayBuffer();
      load.refused.set(response.status, (load.refused.get(response.status) ?? 0) + 1);
      return;
    }
    const ticket = await response.json(); // a head without its body is an answer, too, but tells no id
    load.told.set(ticket.ticketId, ticket.eventId);
  } catch {
    load.unanswered++;
    await sleep(20);
  }
}

/* Clients that open tickets until load.over. */
function startLoad(url, token, pauseMs) {
  const load = { over: false, asked: 0, told: new Map(), refused: new Map(), unanswered: 0 };
  const client = async () => {
    while (!load.over) {
      await openTicket(url, token, ++load.asked, load);
      await sleep(pauseMs());
    }
  };
  load.clients = Promise.all(Array.from({ length: CLIENTS }, client));
  return load;
}

async function getJson(url, token) {
  const response = await fetch(url, { headers: { Authorization: `Bearer ${token}` } });
  assert.equal(response.status, 200, url);
  return response.json();
}

async function listAll(server, path, token) {
  const items = [];
  let cursor = null;
  do {
    const page = await getJson(`${server.url}${path}?limit=${PAGE}${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''}`, token);
    items.push(...page.items);
    cursor = page.nextCursor;
  } while (cursor);
  return items;
}

/* Waits until no queue holds anything, in two looks at gauges that are set once a second. */
async function quiet(server, token) {
  let looks = 0;
  const done = await waitFor(async () => {
    const response = await fetch(`${server.url}/metrics`, { headers: { Authorization: `Bearer ${token}` } });
    const backlogs = [...(await response.text()).matchAll(/^helpdesk_backlog\{[^}]*\} (\d+)/gm)].map(([, count]) => Number(count));
    assert.notEqual(backlogs.length, 0);
    looks = backlogs.every((count) => count === 0) ? looks + 1 : 0;
    return looks === 2;
  }, QUIET_MS, GAUGES_MS);
  assert.ok(done, `everything is processed in the end\n${server.log()}`);
}

/* Every ticket is whole: its event, and one notification for each channel, all sent. */
async function checkTickets(server, token, told) {
  const tickets = await listAll(server, '/tickets', token);
  const notifications = await listAll(server, '/notifications', token);
  const ofTicket = new Map(tickets.map(({ ticketId }) => [ticketId, []]));
  for (const notification of notifications) {
    assert.ok(ofTicket.has(notification.ticketId), 'no notification without its ticket');
    ofTicket.get(notification.ticketId).push(notification);
  }
  assert.equal(new Set(tickets.map(({ ticketId }) => ticketId)).size, tickets.length);
  for (const [ticketId, eventId] of told) {
    assert.ok(ofTicket.has(ticketId), `ticket ${ticketId} was acknowledged, and is not there`);
    assert.ok(ofTicket.get(ticketId).every((notification) => notification.eventId === eventId));
  }
  for (const [ticketId, its] of ofTicket) {
    assert.deepEqual(its.map(({ channel, target, status }) => `${channel} ${target} ${status}`).sort(), [`email ${CUSTOMER} sent`, `inapp ${CUSTOMER} sent`], ticketId);
    assert.equal(new Set(its.map(({ eventId }) => eventId)).size, 1, ticketId);
  }
  return { tickets, notifications };
}

async function checkEvents(server, token, notifications) {
  const eventIds = [...new Set(notifications.map(({ eventId }) => eventId))];
  for (let at = 0; at < eventIds.length; at += 32) await Promise.all(eventIds.slice(at, at + 32).map((id) => getJson(`${server.url}/events/${id}`, token)));
}

/* How often each notification's mail was seen; each repetition must be one that the attempts tell of. */
async function checkMails(server, token, notifications, seen, allowed) {
  const mails = new Map([...seen].map(([messageId, times]) => [messageId.split('@')[0], times]));
  let repeated = 0;
  for (const { notificationId, channel } of notifications) {
    if (channel !== 'email') continue;
    const times = mails.get(notificationId) ?? 0;
    assert.ok(times >= 1, `${notificationId} is sent, and its mail has not come`);
    mails.delete(notificationId);
    if (times === 1) continue;
    repeated += times - 1;
    const { attemptLog } = await getJson(`${server.url}/notifications/${notificationId}`, token);
    const interrupted = attemptLog.filter(({ outcome }) => outcome === 'interrupted').length;
    assert.ok(interrupted >= times - 1, `${notificationId}: seen ${times} times, and interrupted ${interrupted} times`);
  }
  assert.deepEqual([...mails.keys()], [], 'no mail without its notification');
  assert.ok(repeated <= allowed, `${repeated} mails came again, and at most ${allowed} can have been under way`);
  return repeated;
}

test('kill -9 at random moments loses nothing that was acknowledged, and repeats no mail but those under way', { skip: missingBinary() }, async (t) => {
  const random = chance();
  const sink = await startSink({ delayMs: () => random.between(0, 12) });
  const home = await makeHome({
    HELPDESK_SMTP_URL: sink.url,
    HELPDESK_SMTP_CONNECTIONS: String(CONNECTIONS),
    HELPDESK_SMTP_TIMEOUT: '2s', // an interrupted mail is taken over this long, and a margin, after its start
    HELPDESK_RETRY_EMAIL: '10,100ms,2s',
  });
  t.diagnostic(`HELPDESK_SEED=${random.seed}`);
  let server = await home.start();
  t.after(async () => {
    await server.kill();
    await sink.close();
    await home.remove();
  });
  await addCustomer(server);
  const token = await server.token('customer', CUSTOMER);
  const admin = await server.token('admin');

  const load = startLoad(server.url, token, () => random.between(20, 120));
  let underWay = 0;
  const began = Date.now();
  for (let kill = 0; kill < KILLS; kill++) {
    await sleep(random.between(30, 900));
    underWay += sink.underWay();
    await server.kill();
    server = await home.start();
  }
  load.over = true;
  await load.clients;
  assert.deepEqual([...load.refused], [], 'nothing was refused');
  assert.ok(load.told.size > KILLS, 'there was a load');
  await quiet(server, admin);

  const { tickets, notifications } = await checkTickets(server, admin, load.told);
  await checkEvents(server, admin, notifications);
  const repeated = await checkMails(server, admin, notifications, sink.seen, TRANSFERS_MAX * KILLS);
  t.diagnostic(
    `${KILLS} kills in ${((Date.now() - began) / 1000).toFixed(0)} s: ${load.asked} requests, ${load.told.size} acknowledged, ` +
      `${load.unanswered} without an answer, of which ${tickets.length - load.told.size} had happened; ` +
      `${notifications.length} notifications sent; the mail server was reading ${underWay} mails when the kills came, and ${repeated} came twice`,
  );
  const stopped = await server.stop();
  assert.deepEqual(stopped, { code: 0, signal: null });
  assert.match(await server.run(['check']), /sound/);
});

test('SIGTERM with work in flight: exit 0 within 10 s, nothing lost, nothing sent twice', { skip: missingBinary() }, async (t) => {
  const sink = await startSink({ delayMs: () => 100 });
  const home = await makeHome({ HELPDESK_SMTP_URL: sink.url, HELPDESK_SMTP_CONNECTIONS: String(CONNECTIONS) });
  let server = await home.start();
  t.after(async () => {
    await server.kill();
    await sink.close();
    await home.remove();
  });
  await addCustomer(server);
  const token = await server.token('customer', CUSTOMER);
  const admin = await server.token('admin');
  const load = startLoad(server.url, token, () => 5);
  assert.ok(await waitFor(() => load.told.size >= 200 && sink.underWay() > 0));

  const began = Date.now();
  const stopped = await server.stop();
  const tookMs = Date.now() - began;
  load.over = true;
  await load.clients;
  assert.deepEqual(stopped, { code: 0, signal: null }, server.log());
  assert.ok(tookMs < 10_000, `it took ${tookMs} ms`);
  assert.equal(sink.underWay(), 0);
  const sentBefore = sink.seen.size;

  server = await home.start();
  await quiet(server, admin);
  const { tickets, notifications } = await checkTickets(server, admin, load.told);
  assert.equal(await checkMails(server, admin, notifications, sink.seen, 0), 0);
  t.diagnostic(`stopped in ${tookMs} ms: ${tickets.length} tickets (${load.told.size} acknowledged), ${sentBefore} mails before and ${sink.seen.size - sentBefore} after`);
  assert.match(await server.run(['check']), /sound/);
});
