// HelpDesk's derived ids (base/id.h): the same event, target and channel give the same id, so that what both functions write can be compared.

import { createHash, randomUUID } from 'node:crypto';

const V7 = 0x70;
const VARIANT = 0x80;

/** A UUIDv7 whose "random" bits are SHA-256 over the parts, each preceded by its length. */
export function derive(timeMs, ...parts) {
  const hash = createHash('sha256');
  for (const part of parts) {
    const bytes = Buffer.from(part);
    const length = Buffer.alloc(8);
    length.writeBigUInt64BE(BigInt(bytes.length));
    hash.update(length).update(bytes);
  }
  const id = Buffer.alloc(16);
  id.writeUIntBE(timeMs, 0, 6);
  hash.digest().copy(id, 6, 0, 10);
  id[6] = V7 | (id[6] & 0x0f);
  id[8] = VARIANT | (id[8] & 0x3f);
  return id.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}

const SHARDS = 8;

/** Which shard of a list an id belongs to: FNV-1a, folded. */
export function shard(id) {
  let hash = 2166136261;
  for (const byte of Buffer.from(id)) hash = Math.imul(hash ^ byte, 16777619) >>> 0;
  return ((hash ^ (hash >>> 16)) >>> 0) % SHARDS;
}

const ORDER_DIGITS = 15;

/** What lists are ordered by. */
export const order = (createdAtMs, id) => `${String(createdAtMs).padStart(ORDER_DIGITS, '0')}#${id}`;

const OUTBOX_SHARDS = 16;

/** A key of the outbox, by chance. */
export function outboxKey(nowMs) {
  const id = randomUUID();
  return { pk: `O#${String(parseInt(id.slice(0, 2), 16) % OUTBOX_SHARDS).padStart(2, '0')}`, sk: order(nowMs, id) };
}
