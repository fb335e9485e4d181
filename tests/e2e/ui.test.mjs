/* The web page, as a person uses it: Debian's Chromium against the running binary and a real SMTP server. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { missingBrowser, openBrowser } from './support/browser.mjs';
import { startMailbox } from './support/mailbox.mjs';
import { missingBinary, startServer } from './support/server.mjs';

const TITLE = 'Impressora não imprime: “ação” às 8h, coração & <b>às</b> pressas';
const GONE = 'gone@example.com';
const DEADLINE_MS = 15_000;

/* Everything that the page says here stands in frontend/src/i18n/en.json, but for the steps in Portuguese. */
describe('the web page', () => {
  const skip = missingBinary() || missingBrowser();
  let mailbox, server, browser, page;

  // Skipped one by one, for the runner to count them: a skipped suite counts as nothing.
  const step = (name, body) => test(name, { skip }, body);

  before(async () => {
    if (skip) return;
    mailbox = await startMailbox();
    server = await startServer({ args: ['--demo'], env: { HELPDESK_SMTP_URL: mailbox.url, HELPDESK_MAIL_FROM: 'helpdesk@example.com' } });
    browser = await openBrowser();
    page = browser.page;
    page.setDefaultTimeout(DEADLINE_MS);
  });

  after(async () => {
    await browser?.close();
    await server?.stop();
    await mailbox?.close();
  });

  const button = (name) => page.getByRole('button', { name, exact: true });
  const goTo = (name) => page.getByRole('navigation').getByRole('link', { name }).click();
  const heading = (name) => page.getByRole('heading', { level: 1, name, exact: true }).waitFor();
  const delivery = (channel) => page.locator(`tr[data-channel="${channel}"]`);
  /* For a look at the page: HELPDESK_SHOTS names a folder for pictures of every screen. */
  const shot = async (name) => {
    if (process.env.HELPDESK_SHOTS) await page.screenshot({ path: `${process.env.HELPDESK_SHOTS}/${name}.png`, fullPage: true });
  };

  async function signInAs(name) {
    if (await button('Sign out').isVisible()) await button('Sign out').click();
    await button(name).click();
    await button('Sign out').waitFor();
  }

  async function api(method, path, body) {
    const response = await fetch(server.url + path, {
      method,
      headers: { Authorization: `Bearer ${await server.token('admin', 'demo-test-admin')}`, 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
    });
    const answer = await response.json();
    assert.ok(response.ok, `${method} ${path}: ${response.status} ${JSON.stringify(answer)}`);
    return answer;
  }

  step('the root leads to the page, which offers to sign in', async () => {
    await page.goto(server.url);
    assert.equal(new URL(page.url()).pathname.startsWith('/ui/'), true);
    await heading('HelpDesk');
    await shot('1-sign-in');
  });

  step('the page comes with a strict Content-Security-Policy', async () => {
    const response = await fetch(`${server.url}/ui/`);
    const policy = response.headers.get('content-security-policy') ?? '';
    assert.match(policy, /default-src 'none'/);
    assert.doesNotMatch(policy, /unsafe/);
  });

  step('a customer signs in by one click, and is told what is missing at the field', async () => {
    await signInAs('Sign in as a customer');
    await heading('Tickets');
    await page.getByRole('link', { name: 'Open a ticket' }).click();
    await button('Open the ticket').click();
    await page.getByText('A title is needed.').waitFor();
    const title = page.getByLabel('Title');
    assert.equal(await title.getAttribute('aria-invalid'), 'true');
    assert.equal(await title.evaluate((input) => input === document.activeElement), true);
  });

  step('a ticket with accents is opened, and both of its deliveries become sent', async () => {
    await page.getByLabel('Title').fill(TITLE);
    await page.getByLabel('Description').fill('Começou hoje de manhã.\nJá reiniciei a máquina.');
    await page.getByLabel('Priority').selectOption('high');
    await page.getByLabel('Tags').fill('impressão, 3º andar');
    await shot('2-form');
    await page.getByLabel('Title').press('Enter');
    await heading(TITLE);
    for (const channel of ['email', 'inapp']) await delivery(channel).locator('[data-value="sent"]').waitFor();
    assert.equal(await page.locator('tr[data-channel]').count(), 2);
    await shot('3-ticket');
  });

  step('the rendered mail is shown with its accents, and nothing in it can act', async () => {
    await delivery('email').getByRole('link').click();
    await page.getByText('Impressora não imprime').first().waitFor();
    const frame = page.locator('iframe');
    assert.equal(await frame.getAttribute('sandbox'), 'allow-same-origin');
    const mail = page.frameLocator('iframe').locator('body');
    await mail.getByText('Impressora não imprime').first().waitFor();
    const text = await mail.innerText();
    assert.ok(text.includes('“ação”') && text.includes('<b>às</b>'), `the title is in the mail, escaped: ${text}`);
    assert.equal(await page.frameLocator('iframe').locator('script, [onload], img[src]').count(), 0);
    await shot('4-mail');
    await page.getByRole('tab', { name: 'Text' }).click();
    await page.locator('pre').getByText('Impressora não imprime').waitFor();
    const attempts = page.getByRole('table', { name: 'Attempts' });
    await attempts.getByRole('cell', { name: 'Sent', exact: true }).waitFor();
  });

  step('the inbox shows the message, counts it in the navigation, and marks it as read', async () => {
    const badge = page.getByRole('navigation').getByLabel(/unread message/);
    await badge.waitFor();
    const unread = Number(await badge.textContent());
    await goTo('Inbox');
    await heading('Inbox');
    const message = page.getByRole('listitem').filter({ hasText: 'Impressora não imprime' });
    await message.getByLabel('Unread').waitFor();
    await shot('5-inbox');
    await message.getByRole('button', { name: 'Mark as read' }).click();
    await message.getByLabel('Unread').waitFor({ state: 'detached' });
    if (unread === 1) await badge.waitFor({ state: 'detached' });
    else await page.getByRole('navigation').getByLabel(new RegExp(`^${unread - 1} unread`)).waitFor();
  });

  step('a customer is offered no deliveries, and refused them by their address', async () => {
    assert.equal(await page.getByRole('navigation').getByRole('link', { name: 'Deliveries' }).count(), 0);
    const quiet = browser.complaints.length;
    await page.goto(`${server.url}/ui/deliveries`);
    await page.getByText('Not for your role').waitFor();
    await shot('6-no-permission');
    // Chromium logs every 403 as a console error: that one is meant.
    const meant = browser.complaints.splice(quiet).filter((complaint) => !/status of 403/.test(complaint));
    assert.deepEqual(meant, []);
  });

  step('an administrator sees all deliveries, and filters them', async () => {
    await page.goto(`${server.url}/ui/`);
    await signInAs('Sign in as an administrator');
    await goTo('Deliveries');
    await heading('Deliveries');
    await delivery('email').first().waitFor();
    await shot('7-deliveries');
    await page.getByLabel('Channel').selectOption('inapp');
    await page.waitForURL(/channel=inapp/);
    await delivery('email').first().waitFor({ state: 'detached' });
    await delivery('inapp').first().waitFor();
  });

  step('what cannot be delivered is a dead letter, that is sent again, deleted, or sent again with all others', async () => {
    mailbox.refuse(GONE);
    const owner = await api('POST', '/users', { name: 'Zé Ninguém', email: GONE, role: 'customer' });
    for (const title of ['um', 'dois', 'três']) await api('POST', '/tickets', { title, ownerId: owner.userId, channels: ['email'] });

    await goTo('Dead letters');
    await heading('Dead letters');
    const rows = page.getByRole('table', { name: 'Dead letters' }).getByRole('row').filter({ hasText: owner.userId });
    await waitForCount(rows, 3, () => page.reload());
    await shot('8-dead-letters');
    await page.getByLabel('Queue').selectOption('router');
    await page.getByText('No dead letters').waitFor();
    await page.getByLabel('Queue').selectOption('All');
    await waitForCount(rows, 3);

    await rows.first().getByRole('button', { name: 'Delete' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByText('given up for good').waitFor();
    await shot('9-confirm');
    await dialog.getByRole('button', { name: 'Cancel' }).click();
    await dialog.waitFor({ state: 'detached' });
    assert.equal(await rows.count(), 3);
    await rows.first().getByRole('button', { name: 'Delete' }).click();
    await dialog.getByRole('button', { name: 'Delete it' }).click();
    await waitForCount(rows, 2);

    mailbox.accept(GONE);
    await rows.first().getByRole('button', { name: 'Send again' }).click();
    await page.getByText('1 message was sent again.').waitFor();
    await waitForCount(rows, 1);

    await button('Send all again').click();
    await dialog.getByRole('button', { name: 'Send again' }).click();
    await page.getByText('No dead letters').waitFor();
    await shot('10-none');
  });

  step('the language is switched, and kept', async () => {
    await page.getByLabel('Language').selectOption('pt-BR');
    await heading('Mensagens mortas');
    assert.equal(await page.locator('html').getAttribute('lang'), 'pt-BR');
    await page.reload();
    await heading('Mensagens mortas');
    await shot('11-portuguese');
    await page.getByLabel('Idioma').selectOption('en');
    await heading('Dead letters');
  });

  step('the page works from the keyboard', async () => {
    await page.goto(`${server.url}/ui/tickets`);
    await heading('Tickets');
    await page.keyboard.press('Tab');
    assert.equal(await focusedText(), 'Skip to the content');
    for (const name of ['Tickets', 'Inbox', 'Deliveries', 'Dead letters']) {
      await page.keyboard.press('Tab');
      assert.ok((await focusedText()).startsWith(name), `the focus is on ${name}`);
    }
    await page.keyboard.press('Enter');
    await heading('Dead letters');
  });

  step('the whole run had no error in the console and broke no rule of the policy', () => {
    assert.deepEqual(browser.complaints, []);
  });

  function focusedText() {
    return page.evaluate(() => document.activeElement?.textContent ?? '');
  }

  /* Waits until the locator finds so many; `nudge` makes the page ask again when it would only do so much later. */
  async function waitForCount(locator, count, nudge) {
    const end = Date.now() + DEADLINE_MS;
    for (;;) {
      const wait = Math.min(2000, end - Date.now());
      try {
        await locator.nth(count).waitFor({ state: 'detached', timeout: Math.max(wait, 1) });
        if (count > 0) await locator.nth(count - 1).waitFor({ timeout: Math.max(wait, 1) });
        return;
      } catch (error) {
        if (Date.now() >= end) throw error;
        await nudge?.();
      }
    }
  }
});
