/* Chance that can be repeated: HELPDESK_SEED, or a new one, which a test prints. */
export function chance() {
  const seed = process.env.HELPDESK_SEED ? Number(process.env.HELPDESK_SEED) : Date.now() % 2 ** 32;
  let state = seed >>> 0;
  /* mulberry32: 0 ≤ x < 1 */
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let x = Math.imul(state ^ (state >>> 15), state | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32;
  };
  return { seed, next, between: (low, high) => low + Math.floor(next() * (high - low + 1)) };
}
