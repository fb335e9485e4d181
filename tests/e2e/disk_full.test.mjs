/* A disk that is really full: a small file system of its own for the data folder. Nothing is acknowledged that is not there, reads go on, and so does everything once there is room. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, openSync, unlinkSync, writeSync } from 'node:fs';
import { mkdtemp, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

import { missingBinary, startServer, waitFor } from './support/server.mjs';

const DISK_MIB = 12;
const POSTS_MAX = 5000; // until the disk is full: the log has room of its own
const DEADLINE_MS = 30_000;

/* The folder of a small tmpfs, or why there is none. */
async function mountDisk() {
  const folder = await mkdtemp(join(tmpdir(), 'helpdesk-disk-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_MIB}m`, 'helpdesk-test', folder], { stdio: 'pipe' });
  } catch (error) {
    await rmdir(folder);
    return { reason: `no file system can be mounted here: ${String(error.stderr ?? error.message).trim()}` };
  }
  const remove = async () => {
    execFileSync('umount', [folder]);
    await rmdir(folder);
  };
  return { folder, remove };
}

/* Takes all the room that is left. */
function fill(path) {
  const file = openSync(path, 'w');
  try {
    for (const size of [65_536, 4_096, 1]) {
      const zeros = Buffer.alloc(size);
      for (;;) if (writeSync(file, zeros) < size) break;
    }
  } catch (error) {
    assert.equal(error.code, 'ENOSPC');
  } finally {
    closeSync(file);
  }
}

test('a full disk is a 503 with Retry-After, loses nothing that was acknowledged, and is over when there is room', { skip: missingBinary() }, async (t) => {
  const disk = await mountDisk();
  if (!disk.folder) {
    if (process.env.CI === 'true') assert.fail(disk.reason);
    t.skip(disk.reason);
    return;
  }
  t.after(() => disk.remove());
  const server = await startServer({ dataDir: disk.folder, env: { HELPDESK_LOG_LEVEL: 'warn' } });
  t.after(() => server.kill());
  await server.run(['users', 'add', '--id', 'u-10', '--name', 'Ana', '--email', 'ana@example.org']);
  const customer = await server.token('customer', 'u-10');
  const admin = await server.token('admin');

  const get = async (path, token = admin) => {
    const response = await fetch(server.url + path, { headers: { Authorization: `Bearer ${token}` } });
    return { status: response.status, json: await response.json() };
  };
  const told = [];
  const post = async () => {
    const response = await fetch(`${server.url}/tickets`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${customer}`, 'Content-Type': 'application/json' },
      body: JSON.stringify({ title: 'Disco cheio', description: 'é'.repeat(4000), channels: ['email', 'inapp'] }),
    });
    const answer = await response.json();
    if (response.status === 201) told.push(answer.ticketId);
    return { status: response.status, headers: response.headers, answer };
  };
  const checkRefusal = ({ status, headers, answer }) => {
    assert.equal(status, 503);
    assert.match(headers.get('content-type'), /^application\/problem\+json/);
    assert.ok(Number(headers.get('retry-after')) > 0);
    assert.deepEqual([answer.status, answer.type], [503, 'urn:helpdesk:problem:no-space']);
    assert.equal(typeof answer.correlationId, 'string');
  };

  for (let i = 0; i < 20; i++) assert.equal((await post()).status, 201);
  for (let round = 1; round <= 3; round++) {
    const filler = join(disk.folder, 'filler');
    fill(filler);
    let last = await post();
    for (let posts = 0; last.status === 201 && posts < POSTS_MAX; posts++) last = await post();
    checkRefusal(last);
    for (const refused of await Promise.all(Array.from({ length: 20 }, post))) if (refused.status !== 201) checkRefusal(refused);
    assert.equal((await get('/tickets')).status, 200, 'reads go on');
    assert.equal((await fetch(`${server.url}/healthz`)).status, 200);

    unlinkSync(filler);
    assert.ok(await waitFor(async () => (await post()).status === 201, DEADLINE_MS), `it goes on in round ${round}`);
    t.diagnostic(`round ${round}: ${told.length} acknowledged so far`);
  }

  const allSent = async () => {
    for (const ticketId of told) {
      const { status, json } = await get(`/tickets/${ticketId}/notifications`);
      assert.equal(status, 200, `ticket ${ticketId} was acknowledged`);
      if (json.items.map((item) => `${item.channel} ${item.status}`).sort().join() !== 'email sent,inapp sent') return false;
    }
    return true;
  };
  assert.ok(await waitFor(allSent, DEADLINE_MS, 500), `everything that was acknowledged is sent\n${server.log().slice(-2000)}`);
  const stopped = await server.stop();
  assert.deepEqual(stopped, { code: 0, signal: null });
  assert.match(await server.run(['check']), /sound/);
});
