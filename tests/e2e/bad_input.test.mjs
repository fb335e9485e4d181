/* What hostile or broken clients send, over real sockets: each gets the right status and a problem, changes nothing, and the server answers the next as if nothing had been. */
import assert from 'node:assert/strict';
import { createHmac, generateKeyPairSync, randomBytes, sign as signWith } from 'node:crypto';
import { after, before, describe, test } from 'node:test';

import { exchange } from './support/raw.mjs';
import { missingBinary, startServer } from './support/server.mjs';

const BODY_MAX = 1024 * 1024;
const HEADERS_MAX = 64;
const HEADERS_MAX_BYTES = 8 * 1024;
const URL_MAX = 4096;
const CHANNELS = ['email', 'inapp'];
const SECRET = randomBytes(32).toString('hex');
const skip = missingBinary();

const base64url = (value) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
const nowS = () => Math.floor(Date.now() / 1000);
const claims = (more = {}) => ({ iss: 'helpdesk', aud: 'helpdesk', sub: 'u-10', role: 'customer', iat: nowS(), exp: nowS() + 600, ...more });

/* A token by hand. */
function token(payload = claims(), { header = { alg: 'HS256', typ: 'JWT' }, secret = SECRET, hash = 'sha256' } = {}) {
  const signed = `${base64url(header)}.${base64url(payload)}`;
  return `${signed}.${createHmac(hash, secret).update(signed).digest('base64url')}`;
}

describe('bad input', { skip }, () => {
  let server;
  let admin;
  let customer;

  before(async () => {
    server = await startServer({ env: { HELPDESK_JWT_SECRET: SECRET, HELPDESK_LOG_LEVEL: 'error' } });
    admin = await server.token('admin');
    customer = token();
    await server.run(['users', 'add', '--id', 'u-10', '--name', 'Ana', '--email', 'ana@example.org']);
    await ask('POST', '/tickets', { title: 'one that is good' });
  });

  after(() => server?.stop());

  async function ask(method, path, body, { as = customer, headers = {} } = {}) {
    const response = await fetch(server.url + path, {
      method,
      headers: { Authorization: `Bearer ${as}`, 'Content-Type': 'application/json', ...headers },
      body: body === undefined || typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body),
    });
    return { status: response.status, headers: Object.fromEntries(response.headers), body: await response.text() };
  }

  /* How much there is of everything that a request can make. */
  async function world() {
    const counts = {};
    for (const path of ['/tickets', '/notifications', '/users', '/dead-letters']) {
      const { status, body } = await ask('GET', `${path}?limit=200`, undefined, { as: admin });
      assert.equal(status, 200, body);
      counts[path] = JSON.parse(body).items.length;
    }
    const { body } = await ask('GET', '/metrics', undefined, { as: admin });
    counts.changesets = /^helpdesk_changesets_total (\d+)/m.exec(body)?.[1] ?? 'unknown';
    return counts;
  }

  async function settled() {
    let last = await world();
    for (;;) {
      const now = await world();
      if (JSON.stringify(now) === JSON.stringify(last)) return now;
      last = now;
    }
  }

  function assertProblem(answer, status, name) {
    assert.ok(answer, `${name}: no answer`);
    assert.equal(answer.status, status, `${name}: ${answer.status} ${answer.body}`);
    assert.match(answer.headers['content-type'] ?? '', /^application\/problem\+json/, name);
    const problem = JSON.parse(answer.body);
    assert.equal(problem.status, status, name);
    for (const member of ['type', 'title', 'detail', 'correlationId']) assert.equal(typeof problem[member], 'string', `${name}: ${member}`);
    return problem;
  }

  /* Each case: [name, status, () => answer]. */
  async function refuse(cases) {
    const worldBefore = await settled();
    for (const [name, status, request] of cases) assertProblem(await request(), status, name);
    assert.deepEqual(await settled(), worldBefore, 'nothing has changed');
    const good = await ask('GET', '/tickets');
    assert.equal(good.status, 200, 'the server goes on');
  }

  const post = (body, options) => () => ask('POST', '/tickets', body, options);
  const raw = (text, options) => async () => (await exchange(server.port, text, options)).answers[0];
  const head = (line, ...lines) => [line, 'Host: x', `Authorization: Bearer ${customer}`, ...lines, '', ''].join('\r\n');

  test('a body that is no JSON, or that is not what the schema says', () =>
    refuse([
      ['empty', 400, post('')],
      ['not JSON', 400, post('{"title":')],
      ['more behind it', 400, post('{"title":"a"} {}')],
      ['invalid UTF-8', 400, post(Buffer.from([...Buffer.from('{"title":"'), 0xc3, 0x28, ...Buffer.from('"}')]))],
      ['an overlong form', 400, post(Buffer.from([...Buffer.from('{"title":"'), 0xc0, 0x80, ...Buffer.from('"}')]))],
      ['half a surrogate', 400, post('{"title":"\\ud800"}')],
      ['a raw NUL', 400, post('{"title":"a\0b"}')],
      ['an escaped NUL', 400, post('{"title":"a\\u0000b"}')],
      ['a NUL behind it', 400, post('{"title":"a"}\0')],
      ['deep arrays', 400, post(`{"title":${'['.repeat(100_000)}${']'.repeat(100_000)}}`)],
      ['deep objects', 400, post('{"a":'.repeat(100_000) + '1' + '}'.repeat(100_000))],
      ['the same name twice', 400, post('{"title":"a","title":"b"}')],
      ['a number that is too large', 400, post('{"title":"a","priority":1e999}')],
      ['an array', 422, post([])],
      ['a string', 422, post('"title"')],
      ['null', 422, post('null')],
      ['no title', 422, post({})],
      ['a title of another type', 422, post({ title: 5 })],
      ['an empty title', 422, post({ title: '' })],
      ['a title that is too long', 422, post({ title: 'x'.repeat(100_000) })],
      ['a priority that is none', 422, post({ title: 'a', priority: 'huge' })],
      ['a thousand channels', 422, post({ title: 'a', channels: Array.from({ length: 1000 }, (_, i) => CHANNELS[i % 2]) })],
      ['a channel that is none', 422, post({ title: 'a', channels: ['pigeon'] })],
      ['channels that are no list', 422, post({ title: 'a', channels: { email: true } })],
      ['tags that are no texts', 422, post({ title: 'a', tags: [1, {}, null] })],
      ['a ticket of somebody else', 403, post({ title: 'a', ownerId: 'u-11' })],
    ]));

  test('a content type that is none of ours', () =>
    refuse([
      ['text', 415, post('{"title":"a"}', { headers: { 'Content-Type': 'text/plain' } })],
      ['a form', 415, post('title=a', { headers: { 'Content-Type': 'application/x-www-form-urlencoded' } })],
      ['nearly JSON', 415, post('{"title":"a"}', { headers: { 'Content-Type': 'application/jsonx' } })],
      ['none', 415, raw(`${head('POST /tickets HTTP/1.1', 'Content-Length: 13')}{"title":"a"}`)],
    ]));

  test('a body over the limit, told beforehand or not', () =>
    refuse([
      ['by Content-Length, asked for beforehand', 413, raw(head('POST /tickets HTTP/1.1', 'Content-Type: application/json', 'Expect: 100-continue', `Content-Length: ${BODY_MAX + 1}`))],
      ['by a huge Content-Length', 413, raw(head('POST /tickets HTTP/1.1', 'Content-Type: application/json', 'Content-Length: 9000000000000000000'))],
      [
        'in chunks',
        413,
        raw([
          head('POST /tickets HTTP/1.1', 'Content-Type: application/json', 'Transfer-Encoding: chunked'),
          ...Array.from({ length: 20 }, () => `10000\r\n${'x'.repeat(0x10000)}\r\n`),
          '0\r\n\r\n',
        ]),
      ],
      ['all of it sent', 413, post('x'.repeat(BODY_MAX + 1))],
      ['much more of it sent', 413, post('x'.repeat(4 * BODY_MAX))],
    ]));

  test('a body without end costs a bounded amount and is cut', async () => {
    const chunk = `10000\r\n${'x'.repeat(0x10000)}\r\n`;
    const result = await exchange(server.port, [head('POST /tickets HTTP/1.1', 'Content-Type: application/json', 'Transfer-Encoding: chunked'), ...Array.from({ length: 1000 }, () => chunk)]);
    assert.equal(result.timedOut, false);
    for (const answer of result.answers) assert.equal(answer.status, 413);
    assert.equal((await ask('GET', '/tickets')).status, 200);
  });

  test('headers and URLs over the limits', async () => {
    const many = Array.from({ length: HEADERS_MAX + 1 }, (_, i) => `X-${i}: ${i}`);
    await refuse([
      ['too many headers', 431, raw(head('GET /tickets HTTP/1.1', ...many))],
      ['too long a header', 431, raw(head('GET /tickets HTTP/1.1', `X-Long: ${'x'.repeat(HEADERS_MAX_BYTES)}`))],
    ]);
    const long = (await exchange(server.port, head(`GET /tickets?cursor=${'x'.repeat(URL_MAX)} HTTP/1.1`))).answers[0];
    assert.ok([413, 414, 431].includes(long?.status), `too long a URL: ${long?.status}`);
    assertProblem(long, long.status, 'too long a URL');
    for (const huge of [head('GET /tickets HTTP/1.1', `X-Huge: ${'x'.repeat(200_000)}`), head(`GET /${'x'.repeat(200_000)} HTTP/1.1`)]) {
      const result = await exchange(server.port, huge);
      assert.equal(result.timedOut, false);
      for (const { status } of result.answers) assert.ok([400, 413, 414, 431].includes(status), `${status}`);
    }
    assert.equal((await ask('GET', '/tickets')).status, 200);
  });

  test('tokens that are expired, forged or not for us', () => {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const unsigned = (header) => `${base64url(header)}.${base64url(claims())}.`;
    const byKey = `${base64url({ alg: 'RS256' })}.${base64url(claims())}`;
    const whole = token();
    const bad = {
      none: '',
      garbage: 'garbage',
      'two dots of nothing': '..',
      'bytes that are no base64url': `${whole}!`,
      'alg none': unsigned({ alg: 'none' }),
      'alg None': unsigned({ alg: 'None' }),
      'no alg': token(claims(), { header: { typ: 'JWT' } }),
      'another algorithm': token(claims(), { header: { alg: 'HS512' }, hash: 'sha512' }),
      'another algorithm, by a key': `${byKey}.${signWith('sha256', Buffer.from(byKey), privateKey).toString('base64url')}`,
      'another secret': token(claims(), { secret: randomBytes(32).toString('hex') }),
      'an empty secret': token(claims(), { secret: '' }),
      'no signature': whole.slice(0, whole.lastIndexOf('.') + 1),
      'a signature cut short': whole.slice(0, -4),
      'other claims under the signature': [whole.split('.')[0], base64url(claims({ role: 'admin' })), whole.split('.')[2]].join('.'),
      'an unknown crit': token(claims(), { header: { alg: 'HS256', crit: ['b64'], b64: false } }),
      expired: token(claims({ exp: nowS() - 3600 })),
      'no exp': token(claims({ exp: undefined })),
      'an exp of another type': token(claims({ exp: 'tomorrow' })),
      'not valid yet': token(claims({ nbf: nowS() + 3600 })),
      'another issuer': token(claims({ iss: 'somebody' })),
      'another audience': token(claims({ aud: 'somebody' })),
      'no audience': token(claims({ aud: undefined })),
      'no subject': token(claims({ sub: undefined })),
      'a role that is none': token(claims({ role: 'root' })),
      'claims that are no object': token('[]'),
      'claims that are no JSON': token('{"sub":'),
    };
    return refuse(
      Object.entries(bad).map(([name, forged]) => [
        name,
        401,
        async () => {
          const answer = await ask('POST', '/tickets', { title: 'a' }, { as: forged });
          assert.match(answer.headers['www-authenticate'] ?? '', /^Bearer/, name);
          return answer;
        },
      ]),
    );
  });

  test('no token, another scheme, a role that may not', () =>
    refuse([
      ['none', 401, raw('GET /tickets HTTP/1.1\r\nHost: x\r\n\r\n')],
      ['another scheme', 401, raw('GET /tickets HTTP/1.1\r\nHost: x\r\nAuthorization: Basic dTpw\r\n\r\n')],
      ['a customer who publishes', 403, () => ask('POST', '/events', {})],
      ['a customer who adds people', 403, () => ask('POST', '/users', {})],
      ['a customer who reads dead letters', 403, () => ask('GET', '/dead-letters')],
      ['a service that opens tickets', 403, () => ask('POST', '/tickets', { title: 'a' }, { as: token(claims({ role: 'service' })) })],
    ]));

  test('paths, methods and ids that are none', () =>
    refuse([
      ['a path', 404, () => ask('GET', '/nothing')],
      ['a path with dots', 404, raw(head('GET /tickets/../../etc/passwd HTTP/1.1'))],
      ['a page outside the page', 404, raw(head('GET /ui/../schemas/openapi.yaml HTTP/1.1'))],
      ['an encoded way out of the page', 404, raw(head('GET /ui/..%2f..%2fschemas%2fopenapi.yaml HTTP/1.1'))],
      ['a method', 405, () => ask('PUT', '/tickets', {})],
      ['a made-up method', 405, raw(head('BREW /tickets HTTP/1.1'))],
      ['an id that nobody has', 404, () => ask('GET', '/tickets/01890000-0000-7000-8000-000000000000')],
      ['an id that is none', 404, () => ask('GET', `/tickets/${'x'.repeat(300)}`)],
      ['an id with a NUL', 400, raw(head('GET /tickets/a%00b HTTP/1.1'))],
      ['an id with half an escape', 400, raw(head('GET /tickets/a%0 HTTP/1.1'))],
    ]));

  test('queries that are wrong', () =>
    refuse(
      [
        'cursor=garbage',
        'cursor=-1',
        'cursor=99999999999999999999999',
        "cursor=1'%20OR%201=1",
        'limit=0',
        'limit=-1',
        'limit=201',
        'limit=ten',
        'limit=1e2',
        'limit=',
        'limit=1&limit=2',
        'status=sleeping',
        'nothing=1',
      ].map((query) => [query, 422, () => ask('GET', `/tickets?${query}`)]),
    ));

  test('headers of ours that are wrong', () =>
    refuse([
      ['a key that is too long', 400, post({ title: 'a' }, { headers: { 'Idempotency-Key': 'k'.repeat(256) } })],
      ['an empty key', 400, post({ title: 'a' }, { headers: { 'Idempotency-Key': '' } })],
    ]));

  test('a correlation id or a trace that is wrong is replaced, not repeated', async () => {
    for (const bad of ['x'.repeat(2000), 'a b', '<script>', '{"a":1}']) {
      const answer = await ask('GET', '/tickets', undefined, { headers: { 'X-Correlation-Id': bad, traceparent: bad } });
      assert.equal(answer.status, 200);
      assert.match(answer.headers['x-correlation-id'], /^[0-9a-f-]{36}$/);
      assert.match(answer.headers.traceparent, /^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$/);
    }
  });

  test('events that are wrong', async () => {
    const event = (more) => ({ event: 'TicketResolved', eventId: 'evt-bad', occurredAt: '2026-01-01T00:00:00Z', payload: { ticketId: 'tkt-1', userId: 'u-10' }, ...more });
    const publish = (body) => () => ask('POST', '/events', body, { as: admin });
    await refuse([
      ['no such event', 422, publish(event({ event: 'TicketEaten' }))],
      ['no such version', 422, publish(event({ schemaVersion: 99 }))],
      ['no payload', 422, publish(event({ payload: undefined }))],
      ['a time that is none', 422, publish(event({ occurredAt: 'yesterday' }))],
      ['an id with a space', 422, publish(event({ eventId: 'a b' }))],
      ['an id that is too long', 422, publish(event({ eventId: 'x'.repeat(129) }))],
      ['a batch that is empty', 422, publish([])],
      ['a batch that is too long', 422, publish(Array.from({ length: 101 }, (_, i) => event({ eventId: `evt-bad-${i}` })))],
      ['a thousand channels', 422, publish(event({ payload: { ticketId: 'tkt-1', userId: 'u-10', channels: Array.from({ length: 1000 }, () => 'email') } }))],
    ]);
  });

  test('half a request, then silence or nothing more, holds up nobody', async () => {
    const worldBefore = await settled();
    const halves = [
      'POST /tick',
      'GET /tickets HTTP/1.1\r\nHost: x\r\n',
      head('POST /tickets HTTP/1.1', 'Content-Type: application/json', 'Content-Length: 1000') + '{"title":',
      head('POST /tickets HTTP/1.1', 'Content-Type: application/json', 'Transfer-Encoding: chunked') + '5\r\n{"tit',
    ];
    const silent = halves.map((half) => exchange(server.port, half, { timeoutMs: 1_000 }));
    assert.equal((await ask('GET', '/tickets')).status, 200, 'others are answered meanwhile');
    for (const result of await Promise.all(silent)) assert.deepEqual(result.answers, []);
    for (const half of halves) {
      const result = await exchange(server.port, half, { halfClose: true, timeoutMs: 1_000 });
      assert.ok(result.answers.every(({ status }) => status === 400), `${half}: ${result.answers[0]?.status}`);
    }
    assert.deepEqual(await settled(), worldBefore);
  });

  test('what is no HTTP at all is refused or cut', async () => {
    const worldBefore = await settled();
    for (const noise of ['\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 'hello\r\n\r\n', 'GET / HTTP/9.9\r\n\r\n', '\0\0\0\0\r\n\r\n', head('POST /tickets HTTP/1.1', 'Content-Length: ten'), head('POST /tickets HTTP/1.1', 'Content-Length: -1')]) {
      const result = await exchange(server.port, noise, { halfClose: true, timeoutMs: 1_000 });
      for (const { status } of result.answers) assert.ok(status >= 400 && status < 600, `${JSON.stringify(noise)}: ${status}`);
    }
    assert.deepEqual(await settled(), worldBefore);
    assert.equal((await ask('GET', '/tickets')).status, 200);
  });

  test('pipelined requests are answered in their order', async () => {
    const body = '{"title":"pipelined"}';
    const good = head('POST /tickets HTTP/1.1', 'Content-Type: application/json', `Content-Length: ${body.length}`) + body;
    const bad = head('POST /tickets HTTP/1.1', 'Content-Type: application/json', 'Content-Length: 2') + '{}';
    const { answers } = await exchange(server.port, good + bad + head('GET /nothing HTTP/1.1') + good + head('GET /healthz HTTP/1.1'), { count: 5 });
    assert.deepEqual(answers.map(({ status }) => status), [201, 422, 404, 201, 200]);
  });
});
