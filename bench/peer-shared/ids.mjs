// UUIDv7 (RFC 9562): 48 bits of milliseconds, then a counter in the 12 bits of rand_a so that ids of one process ascend, then 62 random
// bits.

import { randomBytes } from 'node:crypto';

const POOL_HEX_CHARS = 32768;
const TAIL_HEX_CHARS = 15;
let pool = '';
let poolAt = 0;
let lastMs = 0;
let counter = 0;
let head = '';

export function uuidv7(nowMs) {
  if (nowMs > lastMs || ++counter > 0xfff) {
    lastMs = nowMs > lastMs ? nowMs : lastMs + 1; // a full counter borrows from the next millisecond
    counter = 0;
    const hex = lastMs.toString(16).padStart(12, '0');
    head = `${hex.slice(0, 8)}-${hex.slice(8)}-7`;
  }
  if (poolAt + TAIL_HEX_CHARS > pool.length) {
    pool = randomBytes(POOL_HEX_CHARS / 2).toString('hex');
    poolAt = 0;
  }
  const tail = pool.slice(poolAt, (poolAt += TAIL_HEX_CHARS));
  return `${head}${counter.toString(16).padStart(3, '0')}-a${tail.slice(0, 3)}-${tail.slice(3)}`;
}
