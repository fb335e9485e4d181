// One SQLite database; every turn is one transaction, synchronous=FULL, and nobody is answered before it has committed.

import Database from 'better-sqlite3';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const PAGE_BYTES = 8192; // about a tenth less CPU than 4096 here
const CHECKPOINT_PAGES = 8000;
const CACHE_KIB = 32 * 1024;

export function openStore(dataDir) {
  mkdirSync(dataDir, { recursive: true });
  const db = new Database(join(dataDir, 'peer.db'));
  db.pragma(`page_size = ${PAGE_BYTES}`);
  db.pragma('journal_mode = WAL');
  db.pragma('synchronous = FULL');
  db.pragma(`wal_autocheckpoint = ${CHECKPOINT_PAGES}`);
  db.pragma(`cache_size = -${CACHE_KIB}`);
  db.exec(readFileSync(new URL('schema.sql', import.meta.url), 'utf8'));

  const prepare = (sql) => db.prepare(sql);
  return {
    db,
    begin: prepare('BEGIN IMMEDIATE'),
    commit: prepare('COMMIT'),
    rollback: prepare('ROLLBACK'),
    putUser: prepare('INSERT INTO user VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET name = excluded.name, email = excluded.email'),
    users: prepare('SELECT * FROM user'),
    putTicket: prepare("INSERT INTO ticket VALUES (?, ?, ?, ?, ?, ?, 'open', 1, ?)"),
    getTicket: prepare('SELECT * FROM ticket WHERE id = ?'),
    putEvent: prepare("INSERT INTO event VALUES (?, ?, 'TicketCreated', ?, ?)"),
    enqueue: prepare('INSERT INTO message VALUES (?, 0)'),
    dequeue: prepare('DELETE FROM message WHERE event_seq = ?'),
    markProcessed: prepare('INSERT OR IGNORE INTO processed VALUES (?, ?)'),
    putNotification: prepare("INSERT INTO notification VALUES (?, ?, ?, ?, 'pending', 0, ?, NULL)"),
    notificationSent: prepare(
      "UPDATE notification SET status = 'sent', attempts = attempts + 1, sent_ms = ? WHERE seq = ? AND status = 'pending'",
    ),
    putAttempt: prepare("INSERT INTO attempt VALUES (?, ?, 'sent', ?, ?, ?, ?)"),
    putInbox: prepare('INSERT INTO inbox VALUES (?, ?, ?, ?, ?, 0, ?)'),
    ticketNotifications: prepare(
      `SELECT n.*, a.subject, a.text, a.html, a.message_id FROM notification n
       LEFT JOIN attempt a ON a.seq = n.seq * 16 + n.attempts WHERE n.event_seq = ?`,
    ),
    last: (table) => db.prepare(`SELECT coalesce(max(seq), 0) AS seq FROM ${table}`).get().seq,
    waitingMessages: prepare('SELECT e.seq, e.id, e.occurred_ms, e.body FROM message m JOIN event e ON e.seq = m.event_seq ORDER BY e.seq'),
    waitingNotifications: prepare(
      `SELECT n.seq, n.channel, n.user_id, e.seq AS event_seq, e.id, e.occurred_ms, e.body FROM notification n
       JOIN event e ON e.seq = n.event_seq WHERE n.status = 'pending' ORDER BY n.due_ms`,
    ),
  };
}
