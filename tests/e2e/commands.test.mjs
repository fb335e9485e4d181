/* The commands as a person types them: what is not understood is refused before anything happens, with 2. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';

import { binary, freePort, missingBinary, startServer, waitFor } from './support/server.mjs';

const skip = missingBinary();

describe('commands', { skip }, () => {
  let server;

  /* {code, stdout, stderr}: a status other than 0 is a result, too. */
  const run = (args, env) =>
    new Promise((done) => {
      execFile(binary, args, { env, cwd: server.dataDir }, (error, stdout, stderr) => done({ code: error === null ? 0 : error.code, stdout, stderr }));
    });
  const helpdesk = (...args) => run(args, server.env);
  const letters = async (...args) => {
    const { code, stdout, stderr } = await helpdesk('dlq', 'list', '--json', ...args);
    assert.equal(code, 0, stderr);
    return stdout.split('\n').filter((line) => line !== '');
  };

  before(async () => {
    if (skip) return;
    server = await startServer({
      args: ['--demo'],
      env: { HELPDESK_SMTP_URL: `smtp://127.0.0.1:${await freePort()}`, HELPDESK_RETRY_EMAIL: '1,1ms,1ms', HELPDESK_LOG_LEVEL: 'error' },
    });
    const headers = { Authorization: `Bearer ${await server.token('customer', 'ana')}`, 'Content-Type': 'application/json' };
    for (const title of ['one', 'two', 'three']) {
      const body = JSON.stringify({ title, description: 'nobody takes its mail', channels: ['email'] });
      assert.equal((await fetch(`${server.url}/tickets`, { method: 'POST', headers, body })).status, 201);
    }
    assert.ok(await waitFor(async () => (await letters()).length === 3));
  });
  after(() => server?.stop());

  test('a list is as long as its limit says', { skip }, async () => {
    assert.equal((await letters('--limit', '2')).length, 2);
    assert.equal((await letters('--limit=1000000')).length, 3);
  });

  test('a start on AWS that nobody answers gives up before its tries are used up, so that a stop is heard', { skip }, async (t) => {
    const sockets = new Set();
    const silent = createServer((socket) => sockets.add(socket.on('error', () => {})));
    await new Promise((done) => silent.listen(0, '127.0.0.1', done));
    t.after(() => {
      for (const socket of sockets) socket.destroy();
      silent.close();
    });
    const aws = {
      HELPDESK_BACKEND: 'aws',
      HELPDESK_JWT_SECRET: 'x'.repeat(32),
      AWS_ENDPOINT_URL: `http://127.0.0.1:${silent.address().port}`,
      AWS_REGION: 'eu-west-1',
      AWS_ACCESS_KEY_ID: 'a',
      AWS_SECRET_ACCESS_KEY: 'b',
    };
    const { code, stderr } = await run(['worker'], { PATH: process.env.PATH, ...aws });
    assert.equal(code, 1);
    assert.match(stderr, /DynamoDB GetItem: (no answer within \d+ ms|there is no time left)/);
    assert.doesNotMatch(stderr, /no answer within 5000 ms/); // the limit of a try that had all its time
  });

  test('what is not understood changes nothing', { skip }, async () => {
    const id = JSON.parse((await letters())[0]).deadLetterId;
    for (const [line, said] of [
      ['dlq list --limit ten', /--limit wants a number from 1 to 1000000/],
      ['dlq list --limit 0', /--limit wants a number/],
      ['dlq list --limit -1', /--limit wants a number/],
      ['notifications list --limit 1x', /--limit wants a number/],
      ['notifications list --limit=', /--limit wants a number/],
      ['dlq purge --all --limit 1', /--limit and --json are for dlq list/],
      ['dlq redrive --all --limit 1', /--limit and --json are for dlq list/],
      ['dlq purge --all --json', /--limit and --json are for dlq list/],
      [`dlq purge ${id} --queue sms`, /--queue and --reason go with --all/],
      [`dlq purge ${id} --all`, /dlq knows: /],
      ['dlq purge', /dlq knows: /],
      ['check everything', /check takes no words/],
      ['setup now', /setup takes no words/],
      ['token --user ana --role admin --ttl never', /"never" is no duration/],
    ]) {
      const { code, stdout, stderr } = await helpdesk(...line.split(' '));
      assert.equal(code, 2, `${line}: ${stdout}${stderr}`);
      assert.match(stderr, said);
      assert.equal(stdout, '');
    }
    assert.equal((await letters()).length, 3);
  });

  test('check tells a database that it has just made from one that was there', { skip }, async () => {
    assert.match((await helpdesk('check')).stdout, /^database in .*: sound$/m);
    const inNew = () => run(['check'], { ...server.env, HELPDESK_DATA_DIR: join(server.dataDir, 'new') });
    assert.match((await inNew()).stdout, /: sound, and new: there was none$/m);
    assert.match((await inNew()).stdout, /: sound$/m);
  });

  test('dead letters go by what they have in common, or one by one', { skip }, async () => {
    assert.equal((await helpdesk('dlq', 'purge', '--all', '--queue', 'inapp')).stdout, '0 purged\n');
    assert.equal((await helpdesk('dlq', 'purge', JSON.parse((await letters())[0]).deadLetterId)).stdout, '1 purged\n');
    assert.equal((await helpdesk('dlq', 'purge', '--all', '--queue', 'email', '--reason', 'attempts_exhausted')).stdout, '2 purged\n');
    assert.deepEqual(await letters(), []);
  });
});
