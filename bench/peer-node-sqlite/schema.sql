-- Append-only integer keys wherever a row is only ever looked up by its parent; ids that callers see are UUIDv7, so their indexes grow at the end.
CREATE TABLE IF NOT EXISTS user (
  id TEXT PRIMARY KEY, name TEXT NOT NULL, email TEXT NOT NULL UNIQUE, role TEXT NOT NULL, locale TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS ticket (
  seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, owner_id TEXT NOT NULL, title TEXT NOT NULL, description TEXT NOT NULL,
  priority TEXT NOT NULL, status TEXT NOT NULL, version INTEGER NOT NULL, created_ms INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS event (
  seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, type TEXT NOT NULL, occurred_ms INTEGER NOT NULL, body TEXT NOT NULL
);
-- The router's queue.
CREATE TABLE IF NOT EXISTS message (event_seq INTEGER PRIMARY KEY, attempts INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS processed (event_seq INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL);
-- A pending notification is its own channel task: due_ms says when, the partial index finds it after a restart.
CREATE TABLE IF NOT EXISTS notification (
  seq INTEGER PRIMARY KEY, event_seq INTEGER NOT NULL, user_id TEXT NOT NULL, channel TEXT NOT NULL, status TEXT NOT NULL,
  attempts INTEGER NOT NULL, due_ms INTEGER NOT NULL, sent_ms INTEGER, UNIQUE (event_seq, user_id, channel)
);
CREATE INDEX IF NOT EXISTS notification_due ON notification (due_ms) WHERE status = 'pending';
-- seq = notification seq * 16 + attempt number.
CREATE TABLE IF NOT EXISTS attempt (
  seq INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, outcome TEXT NOT NULL, message_id TEXT, subject TEXT NOT NULL, text TEXT NOT NULL, html TEXT
);
CREATE TABLE IF NOT EXISTS inbox (
  seq INTEGER PRIMARY KEY, user_id TEXT NOT NULL, ticket_id TEXT NOT NULL, title TEXT NOT NULL, body TEXT NOT NULL, read INTEGER NOT NULL, at_ms INTEGER NOT NULL
);
