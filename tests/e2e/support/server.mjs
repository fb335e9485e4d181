/* Starts the binary under test on a free port of this machine, with a data directory of its own, and stops it again.
 *
 *   const server = await startServer({ args: ['--demo'], env: { HELPDESK_SMTP_URL: sink.url } });
 *   await fetch(`${server.url}/tickets`, { headers: { Authorization: `Bearer ${await server.token('customer', 'u-10')}` } });
 *   await server.stop();
 *
 * The binary is what HELPDESK_BINARY names, else build/helpdesk. Where there is none, tests skip with `test(name, { skip: missingBinary() }, …)`: each one, so that
 * they are counted. With CI=true a missing binary is a failure. */
import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const READY_MS = 10_000;
const STOP_MS = 15_000;
const POLL_MS = 25;
const LOG_BYTES = 1 << 20;

const root = fileURLToPath(new URL('../../../', import.meta.url));
export const binary = resolve(process.env.HELPDESK_BINARY ?? join(root, 'build', 'helpdesk'));

/* The reason to skip, or false. */
export function missingBinary() {
  if (existsSync(binary)) return false;
  if (process.env.CI === 'true') throw new Error(`there is no ${binary}: build it, or set HELPDESK_BINARY`);
  return `there is no ${binary}`;
}

export async function freePort() {
  const probe = createServer();
  await new Promise((done, failed) => probe.once('error', failed).listen(0, '127.0.0.1', done));
  const { port } = probe.address();
  await new Promise((done) => probe.close(done));
  return port;
}

/* args: after `serve`. env: on top of a clean environment (no HELPDESK_* of the caller leaks in). dataDir: one to keep and use again (it is then
 * not deleted). Gives {url, port, pid, dataDir, env, log(), token(role, user), run(args), kill(signal), stop()}. */
export async function startServer({ args = [], env = {}, dataDir, port } = {}) {
  const listen = port ?? (await freePort());
  const directory = dataDir ?? (await mkdtemp(join(tmpdir(), 'helpdesk-e2e-')));
  const settings = {
    ...withoutSettings(process.env),
    HELPDESK_LISTEN: `127.0.0.1:${listen}`,
    HELPDESK_DATA_DIR: directory,
    HELPDESK_JWT_SECRET: randomBytes(32).toString('hex'),
    ...env,
  };
  const url = `http://127.0.0.1:${listen}`;

  const child = spawn(binary, ['serve', ...args], { env: settings, cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
  let log = '';
  let failure = null;
  const keep = (chunk) => (log = (log + chunk).slice(-LOG_BYTES));
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  child.once('error', (error) => (failure = error));
  const exited = new Promise((done) => child.once('close', (code, signal) => done({ code, signal })));
  const ended = () => child.exitCode !== null || child.signalCode !== null;

  async function clean() {
    if (dataDir === undefined) await rm(directory, { recursive: true, force: true });
  }

  async function stop() {
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
    const result = failure === null ? await exited : { code: null, signal: null };
    clearTimeout(timer);
    await clean();
    return result;
  }

  async function run(commandArgs) {
    const { stdout } = await promisify(execFile)(binary, commandArgs, { env: settings, cwd: root });
    return stdout;
  }

  const ready = await waitFor(async () => failure !== null || ended() || (await answers(`${url}/readyz`)), READY_MS);
  if (!ready || failure !== null || ended()) {
    await stop();
    throw new Error(`${binary} serve ${args.join(' ')} did not get ready: ${failure?.message ?? ''}\n${log}`);
  }
  return {
    url,
    port: listen,
    pid: child.pid,
    dataDir: directory,
    env: settings,
    log: () => log,
    token: async (role, user = `e2e-${role}`) => (await run(['token', '--user', user, '--role', role])).trim(),
    run,
    /* For crashes on purpose: waits for the end, keeps the data. */
    kill: async (signal = 'SIGKILL') => {
      child.kill(signal);
      return exited;
    },
    stop,
  };
}

function withoutSettings(env) {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('HELPDESK_')));
}

async function answers(url) {
  try {
    const response = await fetch(url);
    await response.arrayBuffer();
    return response.ok;
  } catch {
    return false;
  }
}

/* Waits for a condition: the first truthy value, or undefined after the deadline. */
export async function waitFor(condition, deadlineMs = 10_000, everyMs = POLL_MS) {
  const end = Date.now() + deadlineMs;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() >= end) return undefined;
    await new Promise((done) => setTimeout(done, everyMs));
  }
}
