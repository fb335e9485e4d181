/* E-mail by SES, from the ticket to the mailbox: the binary with HELPDESK_EMAIL_PROVIDER=ses, on the embedded store, and moto's SES. Runs under scripts/with-emulators. */
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { after, before, describe, test } from 'node:test';

import { missingBinary, startServer, waitFor } from '../e2e/support/server.mjs';

const { simpleParser } = createRequire(new URL('../e2e/package.json', import.meta.url))('mailparser');

const DEADLINE_MS = 60_000;
const FROM = 'desk@example.org';
const ANA = { userId: 'u-ana', name: 'Ana “Não” Conceição 🚒', email: 'ana@example.org', locale: 'pt-BR' };
const TITLE = 'Impressora não imprime: coração, às 8h 🔥';
/* moto looks at the service's name, and at nothing else of a signature. */
const SIGNED = 'AWS4-HMAC-SHA256 Credential=x/20260101/eu-west-1/ses/aws4_request, SignedHeaders=host, Signature=0';

async function identity(method, address) {
  const path = method === 'POST' ? '/v2/email/identities' : `/v2/email/identities/${encodeURIComponent(address)}`;
  const answer = await fetch(`${process.env.AWS_ENDPOINT_URL}${path}`, {
    method,
    headers: { Authorization: SIGNED, 'Content-Type': 'application/json' },
    body: method === 'POST' ? JSON.stringify({ EmailIdentity: address }) : undefined,
  });
  assert.ok(answer.ok, await answer.text());
}

async function sentTo(address) {
  const answer = await fetch(`${process.env.AWS_ENDPOINT_URL}/moto-api/data.json`);
  const { ses } = await answer.json();
  return (ses?.RawMessage ?? []).filter((mail) => mail.destinations[0] === address);
}

async function call(server, method, path, token, body) {
  const answer = await fetch(`${server.url}${path}`, {
    method,
    headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  assert.ok(answer.ok, `${method} ${path}: ${answer.status}`);
  return answer.json();
}

describe('e-mail by SES', { skip: missingBinary() }, () => {
  let server, admin;

  before(async () => {
    await identity('POST', FROM);
    const env = { HELPDESK_EMAIL_PROVIDER: 'ses', HELPDESK_MAIL_FROM: `Central de Atenção <${FROM}>` };
    server = await startServer({ env });
    admin = await server.token('admin');
    await call(server, 'POST', '/users', admin, ANA);
  });

  after(async () => {
    await server?.stop();
  });

  async function open(title) {
    return call(server, 'POST', '/tickets', await server.token('customer', ANA.userId), { title, description: 'Desde hoje.', channels: ['email'] });
  }

  /* The mail's notification, with its attempts, when there is an attempt that ended so. */
  async function attempted(ticketId, outcome) {
    const found = await waitFor(async () => {
      const { items } = await call(server, 'GET', `/notifications?ticketId=${ticketId}`, admin);
      for (const { notificationId } of items) {
        const { attemptLog } = await call(server, 'GET', `/notifications/${notificationId}`, admin);
        const attempt = attemptLog.find((each) => each.outcome === outcome);
        if (attempt) return { notificationId, attempt };
      }
      return undefined;
    }, DEADLINE_MS);
    assert.ok(found, `no attempt was ${outcome}\n${server.log()}`);
    return found;
  }

  test('a ticket becomes a mail that is read as it was meant', async () => {
    const { ticketId } = await open(TITLE);
    const { notificationId, attempt } = await attempted(ticketId, 'sent');
    const mails = await sentTo(ANA.email);
    assert.equal(mails.length, 1);
    assert.equal(attempt.provider, 'ses');
    assert.equal(attempt.detail, mails[0].id);
    const mail = await simpleParser(mails[0].raw_data);
    assert.ok(mail.subject.includes(TITLE), mail.subject);
    assert.deepEqual(mail.from.value, [{ name: 'Central de Atenção', address: FROM }]);
    assert.deepEqual(mail.to.value, [{ name: ANA.name, address: ANA.email }]);
    assert.equal(mail.messageId, `<${notificationId}@example.org>`);
    assert.ok(mail.text.includes(`Olá, ${ANA.name}!`), mail.text);
  });

  test('a sender that SES does not know is told in the attempt', async () => {
    await identity('DELETE', FROM);
    const { ticketId } = await open('Outra');
    const { attempt } = await attempted(ticketId, 'permanent');
    assert.match(attempt.detail, /^MessageRejected: /);
    assert.equal((await sentTo(ANA.email)).length, 1);
  });
});
