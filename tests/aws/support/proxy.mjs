/* Stands between a program and AWS (or what stands for it): knows every request, and does to each what the test decides.
 *
 *   const proxy = await startProxy();
 *   proxy.decide = (request) => (request.action === 'TransactWriteItems' && request.number === 3 ? 'lose' : 'pass');
 *   spawn(binary, ['worker'], { env: { ...process.env, ...proxy.env } });
 *
 * A request is {number (from 1), service, action, body (parsed), accessKey}. What a decision does:
 *   pass       nothing: the answer is the service's
 *   lose       the work is done, and the connection ends instead of an answer
 *   cut        the connection ends, and nothing is done
 *   error      500, nothing is done
 *   throttle   what the service says when it is asked too much, nothing is done
 *   expired    the credentials have expired, nothing is done
 *   {holdBefore: promise}, {holdAfter: promise}   waits for the promise before the work (which is not done if that gives 'cut'), or between the work and the answer (there it may be
 *              a function of the answer that gives one, or nothing); then as pass
 *   {answer: {status, body, headers}}             that, nothing is done
 * decide may be async. An answer is {status, headers, body}. */
import { createServer, request as send, Agent } from 'node:http';

const SERVICES = { DynamoDB_20120810: 'dynamodb', DynamoDBStreams_20120810: 'dynamodb', AmazonSQS: 'sqs' };
const THROTTLED = {
  dynamodb: 'com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException',
  sqs: 'com.amazonaws.sqs#RequestThrottled',
};

export async function startProxy({ endpoints = endpointsOfEnvironment() } = {}) {
  const agent = new Agent({ keepAlive: false }); // a kept connection may end at the moment that it is used
  const sockets = new Set();
  let underWay = 0; // with the services
  const proxy = { requests: [], decide: () => 'pass' };

  const server = createServer(async (incoming, outgoing) => {
    const bytes = await wholeOf(incoming).catch(() => null);
    if (bytes === null) return;
    const request = describe(incoming, bytes, proxy.requests.length + 1);
    proxy.requests.push(request);
    const end = () => incoming.socket.destroy();
    try {
      const decision = await proxy.decide(request);
      if (decision === 'cut') return end();
      const instead = answerInstead(decision, request);
      if (instead) return reply(outgoing, instead);
      if ((await decision?.holdBefore) === 'cut') return end();
      underWay++;
      const answer = await forward(agent, endpoints[request.service] ?? endpoints.other, incoming, bytes).finally(() => underWay--);
      if (decision === 'lose') return end();
      await (typeof decision?.holdAfter === 'function' ? decision.holdAfter(answer) : decision?.holdAfter);
      return reply(outgoing, answer);
    } catch (error) {
      return reply(outgoing, { status: 502, headers: {}, body: Buffer.from(String(error)) });
    }
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket)).on('error', () => {});
  });
  server.keepAliveTimeout = 0; // it is the client's to close
  await new Promise((done, failed) => server.once('error', failed).listen(0, '127.0.0.1', done));
  const url = `http://127.0.0.1:${server.address().port}`;
  return Object.assign(proxy, {
    url,
    env: { AWS_ENDPOINT_URL: url, AWS_ENDPOINT_URL_SQS: url, AWS_ENDPOINT_URL_DYNAMODB: url },
    /* Nothing of it is with a service any more: a poll of a dead process takes no more messages. */
    isQuiet: () => underWay === 0,
    close: () => {
      for (const socket of sockets) socket.destroy();
      agent.destroy();
      return new Promise((done) => server.close(done));
    },
  });
}

function endpointsOfEnvironment() {
  const { AWS_ENDPOINT_URL: other, AWS_ENDPOINT_URL_SQS: sqs = other, AWS_ENDPOINT_URL_DYNAMODB: dynamodb = other } = process.env;
  return { other, sqs, dynamodb };
}

function describe(incoming, bytes, number) {
  const [prefix, action] = String(incoming.headers['x-amz-target'] ?? '').split('.');
  const request = { number, service: SERVICES[prefix] ?? 'other', action: action ?? `${incoming.method} ${incoming.url}`, body: null, accessKey: /Credential=([^/]+)/.exec(incoming.headers.authorization ?? '')?.[1] };
  try {
    request.body = JSON.parse(bytes.toString('utf8'));
  } catch {
    // a form, or nothing
  }
  return request;
}

function answerInstead(decision, request) {
  const error = (status, type, message) => ({ status, headers: {}, body: Buffer.from(JSON.stringify({ __type: type, message })) });
  if (decision === 'error') return error(500, 'InternalServerError', 'decided by the test');
  if (decision === 'throttle') return error(400, THROTTLED[request.service] ?? 'ThrottlingException', 'decided by the test');
  if (decision === 'expired') return error(400, 'ExpiredTokenException', 'The security token included in the request is expired');
  if (decision?.answer) return { headers: {}, ...decision.answer, body: Buffer.from(decision.answer.body ?? '') };
  return null;
}

function forward(agent, endpoint, incoming, bytes) {
  return new Promise((done, failed) => {
    const url = new URL(incoming.url, endpoint);
    const outgoing = send(url, { method: incoming.method, headers: { ...incoming.headers, host: url.host, 'content-length': bytes.length }, agent }, (answer) =>
      wholeOf(answer).then((body) => done({ status: answer.statusCode, headers: answer.headers, body }), failed),
    );
    outgoing.on('error', failed);
    outgoing.end(bytes);
  });
}

function reply(outgoing, { status, headers, body }) {
  const kept = Object.fromEntries(Object.entries(headers).filter(([name]) => !/^(connection|keep-alive|transfer-encoding|content-length)$/i.test(name)));
  if (outgoing.destroyed) return;
  outgoing.writeHead(status, { 'content-type': 'application/x-amz-json-1.0', ...kept, 'content-length': body.length });
  outgoing.end(body);
}

async function wholeOf(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}
