/* E-mail from the ticket to the mailbox: the binary against real SMTP servers, good ones and bad ones. What is waited for is asked of the API. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';

import { simpleParser } from 'mailparser';
import { SMTPServer } from 'smtp-server';

import { freePort, missingBinary, startServer, waitFor } from './support/server.mjs';

const DEADLINE_MS = 20_000;
const FROM = 'Central de Atenção <helpdesk@example.org>';
const ANA = { userId: 'u-ana', name: 'Ana “Não” Conceição 🚒', email: 'ana@example.org', locale: 'pt-BR' };
const TITLE = 'Impressora não imprime: coração, às 8h 🔥 <b>&</b> 日本語のとても長い件名ですから、折り返さなければなりません';

/* ---- mail servers ---- */

function refusal(code, text) {
  return Object.assign(new Error(text), { responseCode: code });
}

/* A server whose answers can be changed while it runs: peer.atRecipient, peer.atMessage (functions that return an Error to refuse, or 'drop'), peer.password. */
async function startPeer({ tls, password, port = 0, ...options } = {}) {
  const peer = { mails: [], connections: 0, logins: 0, plainLogins: 0, atRecipient: () => null, atMessage: () => null, password };
  const disabled = [...(tls ? [] : ['STARTTLS']), ...(password ? [] : ['AUTH'])];
  const server = new SMTPServer({
    logger: false,
    authOptional: !password,
    disabledCommands: disabled,
    allowInsecureAuth: true, // for the client to be the one that refuses
    ...(tls ? { key: tls.key, cert: tls.cert } : {}),
    onConnect(session, done) {
      peer.connections++;
      done();
    },
    onAuth(auth, session, done) {
      if (session.secure) peer.logins++;
      else peer.plainLogins++;
      if (auth.username === 'desk' && auth.password === peer.password) return done(null, { user: 'desk' });
      return done(refusal(535, `5.7.8 no entry for ${auth.password}`));
    },
    onRcptTo(address, session, done) {
      done(peer.atRecipient(address.address));
    },
    onData(stream, session, done) {
      const answer = peer.atMessage();
      if (answer === 'drop') {
        for (const connection of server.connections) if (connection.session.id === session.id) connection._socket.destroy();
        return;
      }
      simpleParser(stream).then((mail) => {
        if (!answer) peer.mails.push({ mail, envelope: session.envelope, secure: session.secure, user: session.user });
        done(answer);
      }, done);
    },
    ...options,
  });
  server.on('error', () => {}); // clients that go away are part of the tests
  await new Promise((done, failed) => server.server.once('error', failed).listen(port, '127.0.0.1', done));
  peer.port = server.server.address().port;
  peer.url = `smtp://127.0.0.1:${peer.port}`;
  peer.close = () => new Promise((done) => server.close(done));
  return peer;
}

/* Takes connections and never says a word. */
async function startSilence() {
  const sockets = new Set();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {}).on('close', () => sockets.delete(socket));
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  return {
    port: server.address().port,
    url: `smtp://127.0.0.1:${server.address().port}`,
    close: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise((done) => server.close(done));
    },
  };
}

/* A certificate authority, and a certificate for 127.0.0.1 that it has signed. */
function makeCertificates() {
  const folder = mkdtempSync(join(tmpdir(), 'helpdesk-ca-'));
  const at = (name) => join(folder, name);
  const openssl = (...args) => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });
  const key = (name) => ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', name];
  openssl('req', '-x509', ...key('ca.key'), '-out', 'ca.pem', '-days', '2', '-subj', '/CN=Test CA');
  openssl('req', ...key('server.key'), '-out', 'server.csr', '-subj', '/CN=127.0.0.1');
  writeFileSync(at('names'), 'subjectAltName=IP:127.0.0.1\n');
  openssl('x509', '-req', '-in', 'server.csr', '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2', '-extfile', 'names', '-out', 'server.pem');
  return {
    caFile: at('ca.pem'),
    server: { key: readFileSync(at('server.key')), cert: readFileSync(at('server.pem')) },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/* ---- the desk ---- */

/* The binary with Ana as a customer; gives {api, open, email, settled, dead, stop, …}. */
async function startDesk(smtpUrl, env = {}) {
  const server = await startServer({
    env: { HELPDESK_SMTP_URL: smtpUrl, HELPDESK_MAIL_FROM: FROM, HELPDESK_RETRY_EMAIL: '3,10ms,50ms', ...env },
  });
  const tokens = { admin: await server.token('admin', 'root'), customer: await server.token('customer', ANA.userId) };

  async function api(method, path, body, as = 'admin') {
    const response = await fetch(server.url + path, {
      method,
      headers: { Authorization: `Bearer ${tokens[as]}`, 'Content-Type': 'application/json' },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const answer = response.status === 204 ? null : await response.json();
    assert.ok(response.ok, `${method} ${path}: ${response.status} ${JSON.stringify(answer)}`);
    return answer;
  }

  const emails = async (ticketId) => (await api('GET', `/tickets/${ticketId}/notifications`)).items.filter((n) => n.channel === 'email' && n.target === ANA.userId);

  await api('POST', '/users', ANA);
  return {
    ...server,
    api,
    emails,
    open: (title = TITLE) => api('POST', '/tickets', { title, description: 'Não há conexão à rede.\n.\nFrom now on: é!', channels: ['email'] }, 'customer'),
    /* The ticket's one e-mail, with its attempts, once it has this status. */
    async settled(ticketId, status) {
      let last;
      const found = await waitFor(async () => {
        last = await emails(ticketId);
        return last.find((n) => n.status === status);
      }, DEADLINE_MS);
      assert.ok(found, `no e-mail became ${status}: ${JSON.stringify(last)}\n${server.log()}`);
      return api('GET', `/notifications/${found.notificationId}`);
    },
    async deadLetter(notificationId) {
      const find = async () => (await api('GET', '/dead-letters')).items.find((letter) => letter.notificationId === notificationId);
      const letter = await waitFor(find, DEADLINE_MS);
      assert.ok(letter, 'there is a dead letter for it');
      return letter;
    },
  };
}

const outcomes = (notification) => notification.attemptLog.map((attempt) => attempt.outcome);

describe('e-mail by SMTP', () => {
  const skip = missingBinary();
  let certificates;
  const opened = [];

  before(() => {
    if (!skip) certificates = makeCertificates();
  });
  after(() => certificates?.remove());

  /* What a test starts is stopped at its end; desks first, for a mail server waits for its clients to go. */
  const using = (thing) => (opened.push(thing), thing);
  const check = (name, body) =>
    test(name, { skip }, async () => {
      try {
        await body();
      } finally {
        const things = opened.splice(0);
        for (const desk of things.filter((thing) => thing.stop)) await desk.stop();
        for (const peer of things.filter((thing) => thing.close)) await peer.close();
      }
    });

  check('the mail that arrives is the mail that was meant, accents, emoji and all', async () => {
    const peer = using(await startPeer());
    const desk = using(await startDesk(peer.url));
    const ticket = await desk.open();
    const notification = await desk.settled(ticket.ticketId, 'sent');
    assert.equal(peer.mails.length, 1);
    const { mail, envelope } = peer.mails[0];
    assert.equal(envelope.mailFrom.address, 'helpdesk@example.org');
    assert.deepEqual(envelope.rcptTo.map((to) => to.address), [ANA.email]);
    assert.deepEqual(mail.from.value.map(({ name, address }) => [name, address]), [['Central de Atenção', 'helpdesk@example.org']]);
    assert.deepEqual(mail.to.value.map(({ name, address }) => [name, address]), [[ANA.name, ANA.email]]);
    assert.equal(mail.subject, notification.message.subject);
    assert.ok(mail.subject.endsWith(TITLE), mail.subject);
    assert.equal(mail.text.trimEnd(), notification.message.text.trimEnd());
    assert.ok(mail.text.includes('\n.\nFrom now on: é!'), mail.text);
    assert.equal(mail.html.trimEnd(), notification.message.html.trimEnd());
    assert.ok(mail.html.includes('coração, às 8h 🔥 &lt;b&gt;&amp;&lt;/b&gt; 日本語'), mail.html);
    assert.equal(mail.messageId, `<${notification.notificationId}@example.org>`);
    assert.equal(mail.date.getTime(), Math.floor(Date.parse(notification.createdAt) / 1000) * 1000);
    assert.equal(mail.headers.get('auto-submitted'), 'auto-generated');
    assert.equal(mail.headers.get('content-type').value, 'multipart/alternative');
    assert.deepEqual(outcomes(notification), ['sent']);
    assert.equal(notification.attemptLog[0].provider, 'smtp');
  });

  check("a ticket's mails thread", async () => {
    const peer = using(await startPeer());
    const desk = using(await startDesk(peer.url));
    const { ticketId } = await desk.open();
    await desk.settled(ticketId, 'sent');
    await desk.api('POST', '/events', {
      event: 'TicketResolved',
      eventId: 'resolved-1',
      occurredAt: new Date().toISOString(),
      payload: { ticketId, userId: ANA.userId },
    });
    assert.ok(await waitFor(() => peer.mails.length === 2, DEADLINE_MS), desk.log());
    const [first, second] = peer.mails.map(({ mail }) => mail);
    assert.notEqual(first.messageId, second.messageId);
    assert.ok(first.references, 'the first mail names its thread');
    assert.deepEqual(first.references, second.references);
    assert.equal(first.inReplyTo, second.inReplyTo);
    const other = await desk.open('Another');
    await desk.settled(other.ticketId, 'sent');
    assert.notDeepEqual(peer.mails[2].mail.references, first.references);
  });

  check('STARTTLS and AUTH, against a certificate that is trusted', async () => {
    const peer = using(await startPeer({ tls: certificates.server, password: 'p@ss/w:rd' }));
    const url = peer.url.replace('//', '//desk:p%40ss%2Fw%3Ard@');
    const desk = using(await startDesk(url, { HELPDESK_CA_FILE: certificates.caFile }));
    const { ticketId } = await desk.open();
    await desk.settled(ticketId, 'sent');
    assert.equal(peer.mails[0].secure, true);
    assert.equal(peer.mails[0].user, 'desk');
    assert.equal(peer.plainLogins, 0);
  });

  check('TLS from the start (smtps)', async () => {
    const peer = using(await startPeer({ tls: certificates.server, secure: true, password: 'secret' }));
    const desk = using(await startDesk(peer.url.replace('smtp://', 'smtps://desk:secret@'), { HELPDESK_CA_FILE: certificates.caFile }));
    const { ticketId } = await desk.open();
    await desk.settled(ticketId, 'sent');
    assert.equal(peer.mails[0].secure, true);
  });

  check('4xx is tried again, and the attempts are counted', async () => {
    const peer = using(await startPeer());
    let refusals = 2;
    peer.atRecipient = () => (refusals-- > 0 ? refusal(450, '4.2.1 greylisted, come again') : null);
    const desk = using(await startDesk(peer.url));
    const { ticketId } = await desk.open();
    const notification = await desk.settled(ticketId, 'sent');
    assert.equal(notification.attempts, 3);
    assert.deepEqual(outcomes(notification), ['retry', 'retry', 'sent']);
    assert.match(notification.attemptLog[0].detail, /^450 .*greylisted, come again/);
    assert.equal(peer.mails.length, 1);
  });

  check('5xx is a dead letter at once, with the words of the server, and goes out when it is sent again after the mending', async () => {
    const peer = using(await startPeer());
    peer.atRecipient = () => refusal(550, '5.1.1 não há tal usuário');
    const desk = using(await startDesk(peer.url));
    const { ticketId } = await desk.open();
    const notification = await desk.settled(ticketId, 'dead');
    assert.equal(notification.attempts, 1);
    assert.equal(notification.reason, 'address_gone');
    assert.deepEqual(outcomes(notification), ['address_gone']);
    assert.equal(notification.attemptLog[0].detail, '550 5.1.1 não há tal usuário');
    const letter = await desk.deadLetter(notification.notificationId);
    assert.equal(letter.detail, '550 5.1.1 não há tal usuário');

    peer.atRecipient = () => null;
    await desk.api('POST', `/dead-letters/${letter.deadLetterId}/redrive`);
    const sent = await desk.settled(ticketId, 'sent');
    assert.deepEqual(outcomes(sent), ['address_gone', 'sent']);
    assert.equal(peer.mails.length, 1);
  });

  check('a message that is refused is permanent, and not the fault of the address', async () => {
    const peer = using(await startPeer());
    peer.atMessage = () => refusal(554, '5.6.0 we do not like it');
    const desk = using(await startDesk(peer.url));
    const { ticketId } = await desk.open();
    const notification = await desk.settled(ticketId, 'dead');
    assert.deepEqual(outcomes(notification), ['permanent']);
    assert.equal(notification.reason, 'permanent_failure');
  });

  check('a server that never answers costs its time limit, three times, and delays nothing else', async () => {
    const silence = using(await startSilence());
    const desk = using(await startDesk(silence.url, { HELPDESK_SMTP_TIMEOUT: '500ms' }));
    const { ticketId } = await desk.open();
    const began = Date.now();
    await desk.api('POST', '/tickets', { title: 'in-app only', channels: ['inapp'] }, 'customer');
    const inbox = await waitFor(async () => (await desk.api('GET', '/inbox', undefined, 'customer')).items.length > 0, DEADLINE_MS);
    assert.ok(inbox && Date.now() - began < 500, `in-app took ${Date.now() - began} ms`);
    const notification = await desk.settled(ticketId, 'dead');
    assert.deepEqual(outcomes(notification), ['retry', 'retry', 'retry']);
    assert.equal(notification.reason, 'attempts_exhausted');
    assert.match(notification.attemptLog[0].detail, /timed out/i);
    for (const { durationMs } of notification.attemptLog) assert.ok(durationMs >= 450 && durationMs < 2000, `${durationMs} ms`);

    const letter = await desk.deadLetter(notification.notificationId);
    await silence.close();
    const peer = using(await startPeer({ port: silence.port }));
    await desk.api('POST', `/dead-letters/${letter.deadLetterId}/redrive`);
    await desk.settled(ticketId, 'sent');
    assert.equal(peer.mails.length, 1);
  });

  check('a connection that breaks in the middle of the message is tried again', async () => {
    const peer = using(await startPeer());
    let drops = 1;
    peer.atMessage = () => (drops-- > 0 ? 'drop' : null);
    const desk = using(await startDesk(peer.url));
    const { ticketId } = await desk.open();
    const notification = await desk.settled(ticketId, 'sent');
    assert.deepEqual(outcomes(notification), ['retry', 'sent']);
    assert.match(notification.attemptLog[0].detail, /connection broke/);
    assert.equal(peer.mails.length, 1);
  });

  check('nobody at the port: tried again, then a dead letter', async () => {
    const desk = using(await startDesk(`smtp://127.0.0.1:${await freePort()}`));
    const { ticketId } = await desk.open();
    const notification = await desk.settled(ticketId, 'dead');
    assert.deepEqual(outcomes(notification), ['retry', 'retry', 'retry']);
  });

  check('a certificate that nobody vouches for: a matter of configuration, and not a word in clear', async () => {
    for (const query of ['', '?starttls=required']) {
      const peer = using(await startPeer({ tls: certificates.server }));
      const desk = using(await startDesk(peer.url + query)); // without HELPDESK_CA_FILE
      const { ticketId } = await desk.open();
      const notification = await desk.settled(ticketId, 'dead');
      assert.deepEqual(outcomes(notification), ['configuration', 'configuration', 'configuration']);
      assert.match(notification.attemptLog[0].detail, /certificate/);
      assert.equal(peer.mails.length, 0);
    }
  });

  check('credentials never go over a connection without TLS', async () => {
    const peer = using(await startPeer({ password: 'secret' }));
    const desk = using(await startDesk(peer.url.replace('//', '//desk:secret@')));
    const { ticketId } = await desk.open();
    const notification = await desk.settled(ticketId, 'dead');
    assert.deepEqual(outcomes(notification), ['configuration', 'configuration', 'configuration']);
    assert.equal(peer.plainLogins, 0);
    assert.equal(peer.mails.length, 0);
  });

  check('starttls=no sends in clear to a server that would offer more, because the operator said so', async () => {
    const peer = using(await startPeer({ tls: certificates.server, password: 'secret' }));
    const desk = using(await startDesk(`${peer.url.replace('//', '//desk:secret@')}?starttls=no`));
    const { ticketId } = await desk.open();
    await desk.settled(ticketId, 'sent');
    assert.equal(peer.mails[0].secure, false);
  });

  check('credentials that are refused: a matter of configuration, and the password is shown nowhere', async () => {
    const peer = using(await startPeer({ tls: certificates.server, password: 'right' }));
    const desk = using(await startDesk(peer.url.replace('//', '//desk:hunter2@'), { HELPDESK_CA_FILE: certificates.caFile }));
    const { ticketId } = await desk.open();
    const notification = await desk.settled(ticketId, 'dead');
    assert.deepEqual(outcomes(notification), ['configuration', 'configuration', 'configuration']);
    assert.match(notification.attemptLog[0].detail, /535 .*no entry for \*+/);
    const letter = await desk.deadLetter(notification.notificationId);
    assert.ok(!JSON.stringify([notification, letter]).includes('hunter2'));
    assert.ok(!desk.log().includes('hunter2'));

    peer.password = 'hunter2';
    await desk.api('POST', `/dead-letters/${letter.deadLetterId}/redrive`);
    await desk.settled(ticketId, 'sent');
  });

  check('a hundred tickets share a few connections, and each mail comes once', async () => {
    const TICKETS = 100;
    const peer = using(await startPeer());
    const desk = using(await startDesk(peer.url, { HELPDESK_SMTP_CONNECTIONS: '4' }));
    await Promise.all(Array.from({ length: TICKETS }, (_, i) => desk.open(`Chamado nº ${i}`)));
    assert.ok(await waitFor(() => peer.mails.length >= TICKETS, DEADLINE_MS), `${peer.mails.length} mails`);
    const allSent = async () => {
      const { items } = await desk.api('GET', '/notifications?channel=email&status=sent&limit=200');
      return items.length === TICKETS;
    };
    assert.ok(await waitFor(allSent, DEADLINE_MS));
    assert.equal(new Set(peer.mails.map(({ mail }) => mail.messageId)).size, TICKETS);
    assert.equal(peer.mails.length, TICKETS);
    assert.ok(peer.connections <= 8, `${peer.connections} connections for ${TICKETS} mails`);
  });

  check('settings that are wrong are said at the start, without the password', async () => {
    const bad = [
      [{ HELPDESK_SMTP_URL: 'http://desk:hunter2@127.0.0.1' }, /HELPDESK_SMTP_URL/],
      [{ HELPDESK_SMTP_URL: 'smtp://127.0.0.1', HELPDESK_MAIL_FROM: 'nobody' }, /HELPDESK_MAIL_FROM/],
      [{ HELPDESK_SMTP_URL: 'smtp://127.0.0.1', HELPDESK_CA_FILE: '/no/such/file' }, /HELPDESK_CA_FILE/],
    ];
    for (const [env, named] of bad) {
      const failure = await startServer({ env }).then(
        (server) => server.stop().then(() => assert.fail('it started')),
        (error) => error,
      );
      assert.match(failure.message, named);
      assert.ok(!failure.message.includes('hunter2'));
    }
  });
});
