// Three stages, one transaction a turn. A turn takes in the requests that gathered while the last one committed, routes what the last
// turn accepted, and sends what the last turn routed: each stage works only on what is already durable, and an event is through in three
// turns.

import Handlebars from 'handlebars';
import { uuidv7 } from '../peer-shared/ids.mjs';
import { CHANNELS, loadTemplates, view } from '../peer-shared/rules.mjs';

const ATTEMPTS_PER_NOTIFICATION = 16; // the room in attempt.seq

export class Pipeline {
  #store;
  #metrics;
  #users = new Map();
  // The templates are mustache without lambdas or partials, which Handlebars compiles to JavaScript functions; noEscape for what isn't
  // HTML.
  #templates = loadTemplates((source, isHtml) => Handlebars.compile(source, { noEscape: !isHtml, knownHelpersOnly: false }));
  #accepting = [];
  #routing = [];
  #sending = [];
  #scheduled = false;
  #seq;

  constructor(store, metrics) {
    this.#store = store;
    this.#metrics = metrics;
    this.#seq = { event: store.last('event'), notification: store.last('notification') };
    for (const user of store.users.all()) this.#users.set(user.id, user);
    this.#recover();
  }

  get backlog() {
    return { router: this.#routing.length, channels: this.#sending.length };
  }

  printMetrics() {
    return this.#metrics.print(this.backlog);
  }

  putUser(user, done = () => {}) {
    this.#store.putUser.run(user.userId, user.name, user.email, user.role, user.locale);
    this.#users.set(user.userId, { id: user.userId, ...user });
    done();
  }

  /** done(error, answer) comes after the commit. */
  accept(ownerId, body, done) {
    this.#accepting.push({ ownerId, body, done });
    this.#schedule();
  }

  #schedule() {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => this.#turn()); // after all sockets that are readable now have been read: the batch forms by itself
  }

  #turn() {
    const accepting = this.#accepting;
    const routing = this.#routing;
    const sending = this.#sending;
    this.#accepting = [];
    const nowMs = Date.now();
    const next = { routing: [], sending: [], answers: [], seq: { ...this.#seq } };
    try {
      this.#store.begin.run();
      for (const request of accepting) next.answers.push(this.#storeTicket(request, nowMs, next));
      for (const event of routing) this.#route(event, nowMs, next);
      for (const task of sending) this.#send(task, nowMs);
      this.#store.commit.run();
    } catch (error) {
      if (this.#store.db.inTransaction) this.#store.rollback.run();
      for (const request of accepting) request.done(error);
      this.#scheduled = false;
      if (routing.length + sending.length > 0) setTimeout(() => this.#schedule(), 100);
      return;
    }
    this.#seq = next.seq;
    this.#routing = next.routing;
    this.#sending = next.sending;
    const committedMs = Date.now();
    for (const task of sending) this.#metrics.notificationSent(task.channel, committedMs - task.event.acknowledgedMs);
    for (const event of next.routing) event.acknowledgedMs = committedMs;
    accepting.forEach((request, i) => request.done(null, next.answers[i]));
    this.#scheduled = false;
    if (next.routing.length + next.sending.length > 0) this.#schedule();
  }

  #storeTicket({ ownerId, body }, nowMs, next) {
    const seq = ++next.seq.event; // one TicketCreated a ticket, so both share it
    const ticketId = uuidv7(nowMs);
    const event = {
      event: 'TicketCreated',
      eventId: uuidv7(nowMs),
      schemaVersion: 1,
      occurredAt: new Date(nowMs).toISOString(),
      payload: {
        ticketId,
        userId: ownerId,
        title: body.title,
        description: body.description,
        priority: body.priority,
        channels: body.channels,
        tags: body.tags,
      },
    };
    this.#store.putTicket.run(seq, ticketId, ownerId, body.title, body.description, body.priority, nowMs);
    this.#store.putEvent.run(seq, event.eventId, nowMs, JSON.stringify(event));
    this.#store.enqueue.run(seq);
    next.routing.push({ seq, event, acknowledgedMs: 0 });
    return {
      ticketId,
      ownerId,
      title: body.title,
      description: body.description,
      priority: body.priority,
      status: 'open',
      version: 1,
      createdAt: event.occurredAt,
      eventId: event.eventId,
    };
  }

  #route(routed, nowMs, next) {
    this.#store.dequeue.run(routed.seq);
    if (this.#store.markProcessed.run(routed.seq, nowMs).changes === 0) return;
    const { userId, channels } = routed.event.payload;
    for (const channel of channels ?? CHANNELS) {
      const seq = ++next.seq.notification;
      this.#store.putNotification.run(seq, routed.seq, userId, channel, nowMs);
      next.sending.push({ seq, channel, userId, event: routed });
    }
  }

  #send(task, nowMs) {
    const { event } = task.event;
    const user = this.#users.get(task.userId) ?? { id: task.userId, name: task.userId, email: `${task.userId}@example.org`, locale: 'en' };
    const template = this.#templates[task.channel][user.locale];
    const data = view(event, user);
    if (this.#store.notificationSent.run(nowMs, task.seq).changes === 0) return;
    const attempt = task.seq * ATTEMPTS_PER_NOTIFICATION + 1;
    if (task.channel === 'email') {
      const messageId = `<${event.eventId}.${task.userId}.email@helpdesk.local>`;
      this.#store.putAttempt.run(attempt, nowMs, messageId, template.subject(data), template.text(data), template.html(data));
      return;
    }
    const title = template.title(data);
    const body = template.body(data);
    this.#store.putAttempt.run(attempt, nowMs, null, title, body, null);
    this.#store.putInbox.run(task.seq, task.userId, event.payload.ticketId, title, body, nowMs);
  }

  /** What was acknowledged but not finished when the process ended. */
  #recover() {
    const revive = (row) => ({ seq: row.event_seq ?? row.seq, event: JSON.parse(row.body), acknowledgedMs: row.occurred_ms });
    this.#routing = this.#store.waitingMessages.all().map(revive);
    this.#sending = this.#store.waitingNotifications
      .all()
      .map((row) => ({ seq: row.seq, channel: row.channel, userId: row.user_id, event: revive(row) }));
    if (this.#routing.length + this.#sending.length > 0) this.#schedule();
  }
}
