// What both peers' HTTP sides share: bearer tokens (HS256), problem+json, and the settings. fastify and fast-jwt come from the peer that
// calls.

export const settings = {
  host: (process.env.HELPDESK_LISTEN ?? '127.0.0.1:8080').split(':')[0],
  port: Number((process.env.HELPDESK_LISTEN ?? '127.0.0.1:8080').split(':')[1]),
  dataDir: process.env.HELPDESK_DATA_DIR ?? './data',
  secret: process.env.HELPDESK_JWT_SECRET ?? '',
};

const BODY_LIMIT_BYTES = 64 * 1024;
const TOKEN_CACHE_ENTRIES = 4096; // a token seen before is looked up, its expiry is still checked

function problem(reply, status, title, extra) {
  return reply
    .code(status)
    .type('application/problem+json')
    .send({ type: 'about:blank', title, status, ...extra });
}

/** A fastify with authentication on every route but /healthz, /readyz and /metrics; request.user is the token's claims. */
export function makeApp(Fastify, createVerifier) {
  if (settings.secret.length < 32) throw new Error('HELPDESK_JWT_SECRET must be at least 32 characters');
  const verify = createVerifier({ key: settings.secret, algorithms: ['HS256'], cache: TOKEN_CACHE_ENTRIES });
  const app = Fastify({ logger: false, bodyLimit: BODY_LIMIT_BYTES, keepAliveTimeout: 0 });
  app.decorateRequest('user', null);
  app.setErrorHandler((error, request, reply) => {
    if (error.validation) {
      return problem(reply, 422, 'The request is not valid', {
        errors: error.validation.map((e) => ({ pointer: e.instancePath, detail: e.message })),
      });
    }
    return problem(reply, error.statusCode ?? 500, error.message);
  });

  const authenticate = (request, reply, done) => {
    const header = request.headers.authorization;
    try {
      if (!header?.startsWith('Bearer ')) throw new Error('no token');
      request.user = verify(header.slice(7));
    } catch {
      problem(reply, 401, 'A valid bearer token is needed');
      return;
    }
    done();
  };
  const onlyAdmin = (request, reply, done) =>
    request.user.role === 'admin' ? done() : void problem(reply, 403, 'Only an administrator may do this');

  app.get('/healthz', () => ({ status: 'ok' }));
  app.get('/readyz', () => ({ status: 'ok' }));
  return { app, authenticate, onlyAdmin, problem };
}
