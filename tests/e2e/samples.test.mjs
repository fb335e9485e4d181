/* The samples are what a newcomer tries first: they must work as the README says. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { binary, freePort, missingBinary, startServer } from './support/server.mjs';

const samples = fileURLToPath(new URL('../../samples/', import.meta.url));
const skip = missingBinary();

/* {code, stdout, stderr}: a status other than 0 is a result, too. */
function run(script, args, env) {
  return new Promise((done) => {
    execFile(`${samples}${script}`, args, { env: { ...process.env, HELPDESK_BINARY: binary, ...env } }, (error, stdout, stderr) =>
      done({ code: error === null ? 0 : error.code, stdout, stderr }),
    );
  });
}

describe('samples', { skip }, () => {
  let server;
  const connection = async (user, role) => ({ HELPDESK_URL: server.url, HELPDESK_TOKEN: await server.token(role, user) });
  before(async () => {
    if (!skip) server = await startServer({ args: ['--demo'] });
  });
  after(async () => server?.stop());

  test('the demo follows its ticket until it is delivered, and shows the mail', { skip }, async () => {
    const result = await run('publish-ticket.sh', ['--title', 'Não imprime'], await connection('ana', 'customer'));
    assert.equal(result.code, 0, result.stderr);
    assert.match(result.stdout, /email +to ana: sent \(attempt 1\)/);
    assert.match(result.stdout, /^To: ana@example\.com\nSubject: .*Não imprime$/m);
    assert.match(result.stdout, /^2 sent$/m);
  });

  test('the demo fails when nobody was reached', { skip }, async () => {
    const result = await run('publish-ticket.sh', [], await connection('nobody', 'customer'));
    assert.equal(result.code, 1);
    assert.match(result.stdout, /suppressed \(unknown_user\)/);
  });

  test('a refused ticket, a wrong token and a server that is not there each have their sentence', { skip }, async () => {
    const env = await connection('ana', 'customer');
    const refused = await run('publish-ticket.sh', ['--priority', 'silly'], env);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /\/priority: must be one of/);
    const forged = await run('publish-ticket.sh', [], { ...env, HELPDESK_TOKEN: 'a.b.c' });
    assert.equal(forged.code, 1);
    assert.match(forged.stderr, /the token is not the server's/);
    const absent = await run('publish-ticket.sh', [], { ...env, HELPDESK_URL: `http://127.0.0.1:${await freePort()}` });
    assert.equal(absent.code, 1);
    assert.match(absent.stderr, /is the server running\?/);
  });

  test('each sample event is accepted, and is a duplicate the second time', { skip }, async () => {
    const files = await readdir(`${samples}events`);
    assert.equal(files.length, 8);
    for (const file of files) {
      const { event } = JSON.parse(await readFile(`${samples}events/${file}`, 'utf8'));
      assert.equal(file, `${event}.json`);
      assert.match(await server.run(['publish', `${samples}events/${file}`]), /"accepted"/, file);
      assert.match(await server.run(['publish', `${samples}events/${file}`]), /"duplicate"/, file);
    }
  });

  test('a published event says who is told, and why', { skip }, async () => {
    const told = await run('publish-event.sh', [`${samples}events/TicketUpdated.json`], await connection('samples', 'admin'));
    assert.equal(told.code, 0, told.stderr);
    assert.match(told.stdout, /^notify +ana by email: owner/m);
    assert.match(told.stdout, /^4 to send, 0 not$/m);
  });
});
