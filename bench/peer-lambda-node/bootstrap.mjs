// A custom runtime's loop over the Lambda Runtime API (docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html), on one kept connection.

import { Agent, request } from 'node:http';
import { handler } from './router.mjs';

const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(':');
const agent = new Agent({ keepAlive: true, maxSockets: 1 });
const base = '/2018-06-01/runtime/invocation';

function ask(method, path, body) {
  return new Promise((resolve, reject) => {
    const headers = body === undefined ? {} : { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) };
    const asked = request({ host, port, method, path, headers, agent }, (answer) => {
      const chunks = [];
      answer.on('data', (chunk) => chunks.push(chunk));
      answer.on('end', () => resolve({ headers: answer.headers, body: Buffer.concat(chunks).toString() }));
    });
    asked.on('error', reject);
    asked.end(body);
  });
}

async function loop() {
  for (;;) {
    const invocation = await ask('GET', `${base}/next`);
    const id = invocation.headers['lambda-runtime-aws-request-id'];
    try {
      await ask('POST', `${base}/${id}/response`, JSON.stringify(await handler(JSON.parse(invocation.body))));
    } catch (error) {
      await ask('POST', `${base}/${id}/error`, JSON.stringify({ errorType: error.name, errorMessage: error.message }));
    }
  }
}

loop();
