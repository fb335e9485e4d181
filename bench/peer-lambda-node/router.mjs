// The router as one would write it for Lambda with the SDK: the rule of TicketCreated (the owner, by e-mail and in-app), the same items and the same messages as HelpDesk's own.
// It lacks what HelpDesk's has beside: other events and audiences, envelopes from foreign publishers and their schemas, dead letters, changesets of more than one transaction, metrics.

import { randomUUID } from 'node:crypto';
import { BatchGetItemCommand, BatchWriteItemCommand, DynamoDBClient, TransactWriteItemsCommand } from '@aws-sdk/client-dynamodb';
import { SendMessageBatchCommand, SQSClient } from '@aws-sdk/client-sqs';
import { derive, order, outboxKey, shard } from './ids.mjs';

const TABLE = process.env.HELPDESK_TABLE ?? 'helpdesk';
const QUEUES = process.env.HELPDESK_QUEUES;
const CHANNELS = [
  { name: 'email', number: 0 },
  { name: 'inapp', number: 4 },
];
const PENDING = 0;
const NORMAL_LANE = 1;
const KEPT_MS = 1000;
const SQS_BATCH = 10;

const dynamo = new DynamoDBClient({});
const sqs = new SQSClient({});

const S = (text) => ({ S: text });
const N = (number) => ({ N: String(number) });

/** What was read a moment ago, as HelpDesk's function keeps it: pk → { at, item }. */
const kept = new Map();

/** All at once, those that are not known; they are in kept afterwards. */
async function readAhead(sk, pks) {
  const wanted = [...new Set(pks)].filter((pk) => !kept.has(pk));
  if (wanted.length === 0) return;
  const Keys = wanted.map((pk) => ({ pk: S(pk), sk: S(sk) }));
  const answer = await dynamo.send(new BatchGetItemCommand({ RequestItems: { [TABLE]: { Keys, ConsistentRead: true } } }));
  if (answer.UnprocessedKeys?.[TABLE]) throw new Error('some keys were not processed');
  const at = Date.now();
  for (const item of answer.Responses[TABLE]) kept.set(item.pk.S, { at, item });
}

const read = (pk) => kept.get(pk).item;

function forgetOld() {
  const oldest = Date.now() - KEPT_MS;
  for (const [pk, known] of kept) if (known.at < oldest) kept.delete(pk);
}

const ifAbsent = (item) => ({ Put: { TableName: TABLE, Item: item, ConditionExpression: 'attribute_not_exists(pk)' } });

function notificationItem(event, eventId, target, channel, id, nowMs) {
  const item = {
    pk: S(`N#${id}`),
    sk: S('N'),
    k: S(`N#${shard(id)}`),
    p: S(`NT#${target}`),
    e: S(eventId),
    t: event.ticket_id,
    o: S(order(nowMs, id)),
    event_id: S(eventId),
    event: S('TicketCreated'),
    ticket_id: event.ticket_id,
    target: S(target),
    channel: N(channel.number),
    status: N(PENDING),
    critical: { BOOL: false },
    attempts: N(0),
    attempts_forgiven: N(0),
    accepted_at_ms: event.accepted_at_ms,
    created_at_ms: N(nowMs),
    updated_at_ms: N(nowMs),
  };
  for (const name of ['correlation_id', 'traceparent']) if (event[name]) item[name] = event[name];
  return item;
}

const eventKey = (eventId) => `V#${eventId}`;
const ticketKey = (event) => `T#${event.ticket_id.S}`;
const ownerKey = (ticket) => `U#${ticket.owner_id.S}`;

/** Everything that one message makes: the transaction, and what goes to SQS when it has happened. */
function decide(eventId) {
  const event = read(eventKey(eventId));
  const target = read(ticketKey(event)).owner_id.S;
  const user = read(ownerKey(read(ticketKey(event))));
  const off = Number(user.channels_off.N);
  const asked = JSON.parse(event.payload.S).channels;
  const nowMs = Date.now();
  const acceptedAtMs = Number(event.accepted_at_ms.N);
  const actions = [];
  const decisions = [];
  const messages = [];
  for (const channel of CHANNELS) {
    if (asked && !asked.includes(channel.name)) continue;
    const id = derive(acceptedAtMs, 'notification', eventId, target, channel.name);
    if (off & (1 << channel.number) || (channel.name === 'email' && !user.email)) throw new Error('the benchmark has no such people');
    actions.push(ifAbsent(notificationItem(event, eventId, target, channel, id, nowMs)));
    decisions.push({ target, channel: channel.name, decision: 'notify', reason: 'owner', notificationId: id });
    messages.push({ queue: channel.name, body: JSON.stringify({ notificationId: id }) });
  }
  const auditId = derive(acceptedAtMs, 'event.routed', eventId);
  const audit = {
    pk: S(`X#${auditId}`),
    sk: S('X'),
    action: S('event.routed'),
    subject: S(eventId),
    actor: S('router'),
    detail: S(JSON.stringify({ decisions })),
    at_ms: N(nowMs),
  };
  if (event.correlation_id) audit.correlation_id = event.correlation_id;
  const outbox = outboxKey(nowMs);
  const waiting = messages.map(({ queue, body }) => ({ M: { q: S(queue), l: N(NORMAL_LANE), b: S(body), e: N(nowMs), d: N(nowMs) } }));
  actions.push(
    ifAbsent(audit),
    ifAbsent({ pk: S(`V#${eventId}`), sk: S('P#router'), at_ms: N(nowMs) }),
    { Put: { TableName: TABLE, Item: { pk: S(outbox.pk), sk: S(outbox.sk), m: { L: waiting } } } },
  );
  return { actions, messages, outbox, nowMs };
}

async function route(eventId) {
  const decided = decide(eventId);
  await dynamo.send(new TransactWriteItemsCommand({ TransactItems: decided.actions, ClientRequestToken: randomUUID() }));
  return decided;
}

async function hand(queue, entries) {
  for (let at = 0; at < entries.length; at += SQS_BATCH) {
    const answer = await sqs.send(new SendMessageBatchCommand({ QueueUrl: QUEUES + queue, Entries: entries.slice(at, at + SQS_BATCH) }));
    if (answer.Failed?.length) throw new Error(`${queue}: ${answer.Failed[0].Message}`);
  }
}

async function handOver(decided) {
  const byQueue = new Map();
  for (const { messages, nowMs } of decided) {
    for (const { queue, body } of messages) {
      const entries = byQueue.get(queue) ?? [];
      byQueue.set(queue, entries);
      entries.push({
        Id: String(entries.length % SQS_BATCH),
        MessageBody: body,
        MessageAttributes: { enqueuedAt: { DataType: 'Number', StringValue: String(nowMs) } },
      });
    }
  }
  await Promise.all([...byQueue].map(([queue, entries]) => hand(queue, entries)));
  const deletes = decided.map(({ outbox }) => ({ DeleteRequest: { Key: { pk: S(outbox.pk), sk: S(outbox.sk) } } }));
  await dynamo.send(new BatchWriteItemCommand({ RequestItems: { [TABLE]: deletes } }));
}

export async function handler(event) {
  forgetOld();
  const eventIds = event.Records.map((record) => JSON.parse(record.body).eventId);
  await readAhead('V', eventIds.map(eventKey));
  const events = eventIds.map((eventId) => read(eventKey(eventId)));
  await readAhead('T', events.map(ticketKey));
  const tickets = events.map((each) => read(ticketKey(each)));
  await readAhead('U', tickets.map(ownerKey));
  const results = await Promise.allSettled(eventIds.map(route));
  const decided = results.filter(({ status }) => status === 'fulfilled').map(({ value }) => value);
  if (decided.length > 0) await handOver(decided);
  const failed = event.Records.filter((_, i) => results[i].status === 'rejected');
  results.forEach(({ reason }) => reason && console.error(reason.message));
  return { batchItemFailures: failed.map(({ messageId }) => ({ itemIdentifier: messageId })) };
}
