/* Debian's Chromium, driven by Playwright, with a profile of its own; keeps every console error and every violation of the Content-Security-Policy. */
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { chromium } from 'playwright-core';

const CHROMIUM = process.env.HELPDESK_CHROMIUM ?? '/usr/bin/chromium';
const ARGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/* The reason to skip, or false. */
export function missingBrowser() {
  if (existsSync(CHROMIUM)) return false;
  if (process.env.CI === 'true') throw new Error(`there is no ${CHROMIUM}: install Debian's chromium`);
  return `there is no ${CHROMIUM}`;
}

/* Gives {page, complaints, close()}. complaints: strings, empty as long as all is well. */
export async function openBrowser({ locale = 'en-US', colorScheme = 'light', viewport = { width: 1280, height: 860 } } = {}) {
  const profile = await mkdtemp(join(tmpdir(), 'helpdesk-chromium-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: CHROMIUM,
    headless: true,
    args: ARGS,
    locale,
    colorScheme,
    viewport,
  });
  const complaints = [];
  context.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(`console ${message.type()}: ${message.text()}`);
  });
  context.on('weberror', (error) => complaints.push(`exception: ${error.error().message}`));
  await context.exposeFunction('reportViolation', (text) => complaints.push(`violation: ${text}`));
  await context.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (event) =>
      window.reportViolation?.(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile ?? ''}:${event.lineNumber}`),
    );
  });
  const page = context.pages()[0] ?? (await context.newPage());
  return {
    page,
    complaints,
    close: async () => {
      await context.close();
      await rm(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
    },
  };
}
