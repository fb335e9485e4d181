/* The table and the queues are what any tool of AWS reads and writes: the AWS CLI and boto3 find what `serve` has written, set up nothing, and what they send is worked on. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';
import { promisify } from 'node:util';

import { startSink } from '../e2e/support/sink.mjs';
import { CUSTOMER, makeCloud, missingCloud } from './support/cloud.mjs';

const run = promisify(execFile);
const boto = fileURLToPath(new URL('support/boto.py', import.meta.url));

async function cli(service, operation, parameters) {
  const endpoint = (service === 'sqs' && process.env.AWS_ENDPOINT_URL_SQS) || process.env.AWS_ENDPOINT_URL;
  const { stdout } = await run(process.env.HELPDESK_AWS_CLI, ['--endpoint-url', endpoint, '--output', 'json', service, operation, '--cli-input-json', JSON.stringify(parameters)]);
  return stdout ? JSON.parse(stdout) : {};
}

async function boto3(service, operation, parameters) {
  const call = run(process.env.HELPDESK_AWS_PYTHON, ['-B', boto, service, operation]);
  call.child.stdin.end(JSON.stringify(parameters));
  return JSON.parse((await call).stdout);
}

const attribute = (item, name) => Object.values(item[name])[0];

test('the AWS CLI and boto3 read the same table and queues', { skip: missingCloud() }, async (t) => {
  const cloud = await makeCloud(t);
  const { status, ticket } = await cloud.openTicket('Impressora não imprime');
  assert.equal(status, 201);

  const Key = { pk: { S: `T#${ticket.ticketId}` }, sk: { S: 'T' } };
  const [byCli, byBoto] = await Promise.all([
    cli('dynamodb', 'get-item', { TableName: cloud.table, Key, ConsistentRead: true }),
    boto3('dynamodb', 'get_item', { TableName: cloud.table, Key, ConsistentRead: true }),
  ]);
  assert.deepEqual(byCli.Item, byBoto.Item);
  assert.ok(Object.keys(byCli.Item).length > 2, JSON.stringify(byCli.Item));
  assert.ok(JSON.stringify(byCli.Item).includes('Impressora não imprime'));

  const own = { TableName: cloud.table, IndexName: 'by-person', KeyConditionExpression: 'p = :p', ExpressionAttributeValues: { ':p': { S: `TO#${CUSTOMER}` } } };
  const [queriedByCli, queriedByBoto] = await Promise.all([cli('dynamodb', 'query', own), boto3('dynamodb', 'query', own)]);
  assert.deepEqual(queriedByCli.Items.map((item) => attribute(item, 'pk')), [Key.pk.S]);
  assert.deepEqual(queriedByBoto.Items, queriedByCli.Items);

  const { QueueUrl } = await cli('sqs', 'get-queue-url', { QueueName: `${cloud.queues}router` });
  const take = { QueueUrl, VisibilityTimeout: 0, MessageAttributeNames: ['All'], AttributeNames: ['All'] };
  const first = (await cli('sqs', 'receive-message', take)).Messages;
  const second = (await boto3('sqs', 'receive_message', take)).Messages;
  assert.deepEqual([first.length, second.length], [1, 1]);
  assert.deepEqual(JSON.parse(first[0].Body), { eventId: ticket.eventId });
  assert.deepEqual(second[0].Body, first[0].Body);
  assert.deepEqual(second[0].MessageAttributes, first[0].MessageAttributes);
  assert.equal(second[0].Attributes.ApproximateReceiveCount, '2');
});

test('an event that boto3 sends to the router queue reaches its people, and one that is none becomes a dead letter', { skip: missingCloud() }, async (t) => {
  const sink = await startSink();
  t.after(() => sink.close());
  const cloud = await makeCloud(t, { env: { HELPDESK_SMTP_URL: sink.url } });
  const { QueueUrl } = await boto3('sqs', 'get_queue_url', { QueueName: `${cloud.queues}router` });
  const eventId = randomUUID();
  const event = { event: 'TicketResolved', eventId, occurredAt: new Date().toISOString(), payload: { ticketId: 'tkt-of-theirs', userId: CUSTOMER, channels: ['email'] } };
  await boto3('sqs', 'send_message', { QueueUrl, MessageBody: JSON.stringify(event) });
  await cli('sqs', 'send-message', { QueueUrl, MessageBody: 'what is this?' });
  const worker = await cloud.startWorker();
  await cloud.settled();
  const sent = await cloud.list(`/notifications?eventId=${eventId}`);
  assert.deepEqual(sent.map(({ channel, target, status }) => `${channel} ${target} ${status}`), [`email ${CUSTOMER} sent`]);
  assert.equal(sink.seen.size, 1);
  const letters = await cloud.list('/dead-letters');
  assert.deepEqual(letters.map(({ queue }) => queue), ['router']);
  assert.deepEqual(await worker.stop(), { code: 0, signal: null });
});
