// The rule of TicketCreated, the owner gets a confirmation on every channel asked for, and HelpDesk's own templates for it (see
// templates/README.md).

import { readFileSync } from 'node:fs';

export const CHANNELS = ['email', 'inapp'];
export const LOCALES = ['pt-BR', 'en'];
const BASE_URL = 'http://127.0.0.1:8080';
const REF_CHARS = 8;

const read = (path) => readFileSync(new URL(`../../templates/${path}`, import.meta.url), 'utf8');
const labels = Object.fromEntries(LOCALES.map((locale) => [locale, JSON.parse(read(`labels.${locale}.json`))]));

/** A file's parts by name; partials are put in place here, once, so that no renderer has to look for them. */
function parts(channel, locale) {
  const [, ...pieces] = read(`${channel}/TicketCreated.${locale}.mustache`).split(/^=== (.*)\n/m);
  const found = {};
  for (let i = 0; i < pieces.length; i += 2) {
    const source = pieces[i + 1].trimEnd();
    found[pieces[i].trim()] = source.replace(/^\{\{> *([\w-]+) *\}\}\n?/gm, (_, name) => read(`partials/${name}.${locale}.mustache`));
  }
  return found;
}

/** { email: { en: { subject, text, html }, … }, … }: the sources, each passed through compile(source, isHtml). */
export function loadTemplates(compile) {
  const templates = {};
  for (const channel of CHANNELS) {
    templates[channel] = {};
    for (const locale of LOCALES) {
      const compiled = Object.entries(parts(channel, locale)).map(([part, source]) => [part, compile(source, part === 'html')]);
      templates[channel][locale] = Object.fromEntries(compiled);
    }
  }
  return templates;
}

/** What a template may name. */
export function view(event, user) {
  const { payload } = event;
  return {
    event: { type: event.event, eventId: event.eventId, occurredAt: event.occurredAt },
    user: { userId: user.id, name: user.name },
    ticket: {
      ticketId: payload.ticketId,
      ref: payload.ticketId.slice(-REF_CHARS),
      title: payload.title,
      description: payload.description,
      priority: payload.priority,
      priorityText: labels[user.locale].priority[payload.priority],
      url: `${BASE_URL}/ui/tickets/${payload.ticketId}`,
    },
    is: { owner: user.id === payload.userId, agent: false },
    payload,
    baseUrl: BASE_URL,
  };
}
