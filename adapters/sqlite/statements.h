/* Every SQL statement of the adapter. */
#pragma once

#define TICKET_COLUMNS \
    "ticket_id, version, title, description, status, priority, owner_id, assigned_agent_id, team, channels, tags, created_at, updated_at"
#define USER_COLUMNS "user_id, version, name, email, phone, role, locale, time_zone, team, skills, channels_off, created_at, updated_at"
#define EVENT_COLUMNS "event_id, type, schema_version, occurred_at, accepted_at, ticket_id, actor_id, correlation_id, traceparent, payload"
#define NOTIFICATION_COLUMNS                                                                                                 \
    "n.notification_id, n.event_id, n.event, n.ticket_id, n.target, n.channel, n.status, n.reason, n.critical, n.attempts, " \
    "n.attempts_forgiven, n.owner_token, n.correlation_id, n.traceparent, n.accepted_at, n.created_at, n.updated_at, "       \
    "n.next_attempt_at, n.sent_at"
#define INBOX_COLUMNS "i.notification_id, i.user_id, i.event, i.ticket_id, i.title, i.body, i.created_at, i.read_at"
#define DEAD_LETTER_COLUMNS \
    "dead_letter_id, queue, reason, detail, attempts, notification_id, event_id, ticket_id, target, channel, body, created_at"

/* Parameters 1 to 5 are the filter (NULL: any), 6 is the cursor (below it), 7 a floor (above it), 8 the limit. */
#define NOTIFICATION_FILTER                                                                               \
    " (?1 IS NULL OR n.status = ?1) AND (?2 IS NULL OR n.channel = ?2) AND (?3 IS NULL OR n.target = ?3)" \
    " AND (?4 IS NULL OR n.ticket_id = ?4) AND (?5 IS NULL OR n.event_id = ?5)"

#define STATEMENTS(X)                                                                                                                     \
    X(BEGIN_WRITE, "BEGIN IMMEDIATE")                                                                                                     \
    X(BEGIN_READ, "BEGIN")                                                                                                                \
    X(COMMIT, "COMMIT")                                                                                                                   \
    X(ROLLBACK, "ROLLBACK")                                                                                                               \
    /* conditions */                                                                                                                      \
    X(TICKET_VERSION, "SELECT seq, version FROM tickets WHERE ticket_id = ?1")                                                            \
    X(USER_VERSION, "SELECT seq, version FROM users WHERE user_id = ?1")                                                                  \
    X(USER_OF_EMAIL, "SELECT seq FROM users WHERE email = ?1 COLLATE NOCASE")                                                             \
    X(EVENT_THERE, "SELECT seq FROM events WHERE event_id = ?1")                                                                          \
    X(PROCESSED_THERE, "SELECT at FROM processed WHERE event_id = ?1 AND processor = ?2")                                                 \
    X(NOTIFICATION_STATE, "SELECT seq, status, attempts, owner_token FROM notifications WHERE notification_id = ?1")                      \
    X(ATTEMPT_THERE, "SELECT 1 FROM attempts WHERE id = ?1")                                                                              \
    X(INBOX_STATE, "SELECT seq, user_id, read_at FROM inbox WHERE notification_id = ?1")                                                  \
    X(DEAD_LETTER_THERE, "SELECT seq FROM dead_letters WHERE dead_letter_id = ?1")                                                        \
    X(AUDIT_THERE, "SELECT at FROM audit WHERE audit_id = ?1")                                                                            \
    X(ANSWER_THERE, "SELECT created_at FROM answers WHERE key = ?1")                                                                      \
    X(MESSAGE_THERE, "SELECT 1 FROM messages WHERE queue = ?1 AND lane = ?2 AND due = ?3 AND seq = ?4")                                   \
    /* changes */                                                                                                                         \
    X(TICKET_INSERT, "INSERT INTO tickets (" TICKET_COLUMNS ") VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13)")                      \
    X(TICKET_UPDATE, "UPDATE tickets SET (" TICKET_COLUMNS ") = (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13) WHERE seq = ?14")            \
    X(USER_INSERT, "INSERT INTO users (" USER_COLUMNS ") VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13)")                            \
    X(USER_UPDATE, "UPDATE users SET (" USER_COLUMNS ") = (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13) WHERE seq = ?14")                  \
    X(EVENT_INSERT, "INSERT INTO events (" EVENT_COLUMNS ") VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10)")                                     \
    X(PROCESSED_INSERT, "INSERT INTO processed (event_id, processor, at) VALUES (?1,?2,?3)")                                              \
    X(NOTIFICATION_INSERT,                                                                                                                \
      "INSERT INTO notifications (notification_id, event_id, event, ticket_id, target, channel, status, reason, critical,"                \
      " attempts, attempts_forgiven, owner_token, correlation_id, traceparent, accepted_at, created_at, updated_at,"                      \
      " next_attempt_at, sent_at) VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18,?19)")                           \
    X(NOTIFICATION_MOVE, "UPDATE notifications SET status = ?2, reason = ?3, attempts = ?4, attempts_forgiven = ?5, owner_token = ?6,"    \
                         " updated_at = ?7, next_attempt_at = ?8, sent_at = ?9"                                                           \
                         " WHERE seq = ?1 AND notification_id = ?10 AND status = ?11 AND attempts = ?12 AND owner_token IS ?13")          \
    X(ATTEMPT_INSERT, "INSERT INTO attempts (id, at, outcome, provider, detail, duration_ms, message) VALUES (?1,?2,?3,?4,?5,?6,?7)")     \
    X(INBOX_INSERT, "INSERT INTO inbox (notification_id, user_id, event, ticket_id, title, body, created_at, read_at)"                    \
                    " VALUES (?1,?2,?3,?4,?5,?6,?7,?8)")                                                                                  \
    X(INBOX_READ, "UPDATE inbox SET read_at = ?2 WHERE seq = ?1")                                                                         \
    X(DEAD_LETTER_INSERT, "INSERT INTO dead_letters (" DEAD_LETTER_COLUMNS ") VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12)")           \
    X(DEAD_LETTER_DELETE, "DELETE FROM dead_letters WHERE seq = ?1")                                                                      \
    X(AUDIT_INSERT, "INSERT INTO audit (audit_id, action, subject, actor, detail, correlation_id, at) VALUES (?1,?2,?3,?4,?5,?6,?7)")     \
    X(ANSWER_INSERT, "INSERT INTO answers (key, body_hash, http_status, location, etag, body, created_at) VALUES (?1,?2,?3,?4,?5,?6,?7)") \
    X(ANSWER_FORGET_OLD, "DELETE FROM answers WHERE seq IN (SELECT seq FROM answers ORDER BY seq LIMIT 2) AND created_at < ?1")           \
    X(MESSAGE_INSERT, "INSERT INTO messages (queue, lane, due, seq, body, receive_count, enqueued_at) VALUES (?1,?2,?3,?4,?5,?6,?7)")     \
    X(MESSAGE_DELETE, "DELETE FROM messages WHERE queue = ?1 AND lane = ?2 AND due = ?3 AND seq = ?4")                                    \
    X(MESSAGE_POSTPONE,                                                                                                                   \
      "INSERT INTO messages (queue, lane, due, seq, body, receive_count, enqueued_at)"                                                    \
      " SELECT queue, ?5, ?6, ?7, body, ?8, enqueued_at FROM messages WHERE queue = ?1 AND lane = ?2 AND due = ?3 AND seq = ?4")          \
    /* reads */                                                                                                                           \
    X(TICKET_GET, "SELECT " TICKET_COLUMNS " FROM tickets WHERE ticket_id = ?1")                                                          \
    X(USER_GET, "SELECT " USER_COLUMNS " FROM users WHERE user_id = ?1")                                                                  \
    X(EVENT_GET, "SELECT " EVENT_COLUMNS " FROM events WHERE event_id = ?1")                                                              \
    X(NOTIFICATION_GET, "SELECT " NOTIFICATION_COLUMNS ", n.seq FROM notifications n WHERE notification_id = ?1")                         \
    X(ATTEMPTS_GET,                                                                                                                       \
      "SELECT id & 65535, at, outcome, provider, detail, duration_ms, message FROM attempts WHERE id BETWEEN ?1 AND ?2 ORDER BY id")      \
    X(INBOX_GET, "SELECT " INBOX_COLUMNS " FROM inbox i WHERE notification_id = ?1")                                                      \
    X(DEAD_LETTER_GET, "SELECT " DEAD_LETTER_COLUMNS ", seq FROM dead_letters WHERE dead_letter_id = ?1")                                 \
    X(AUDIT_GET, "SELECT audit_id, action, subject, actor, detail, correlation_id, at FROM audit WHERE audit_id = ?1")                    \
    X(ANSWER_GET, "SELECT key, body_hash, http_status, location, etag, body, created_at FROM answers WHERE key = ?1")                     \
    /* lists: the cursor is the seq of the last item; each is newest first */                                                             \
    X(TICKETS_SCAN, "SELECT " TICKET_COLUMNS ", seq FROM tickets WHERE seq < ?4 AND seq > ?5 AND (?1 IS NULL OR owner_id = ?1)"           \
                    " AND (?2 IS NULL OR status = ?2) AND (?3 IS NULL OR priority = ?3) ORDER BY seq DESC LIMIT ?6")                      \
    X(TICKETS_BY_STATUS,                                                                                                                  \
      "SELECT " TICKET_COLUMNS ", seq FROM tickets INDEXED BY tickets_status WHERE status = ?2 AND seq < ?4 AND seq > ?5"                 \
      " AND (?1 IS NULL OR owner_id = ?1) AND (?3 IS NULL OR priority = ?3) ORDER BY seq DESC LIMIT ?6")                                  \
    X(TICKETS_BEHIND,                                                                                                                     \
      "SELECT " TICKET_COLUMNS ", t.seq FROM behind b CROSS JOIN tickets t ON t.seq = b.seq WHERE b.dimension = ?7 AND b.key = ?1"        \
      " AND b.seq < ?4 AND b.seq > ?5 AND (?2 IS NULL OR status = ?2) AND (?3 IS NULL OR priority = ?3)"                                  \
      " ORDER BY b.seq DESC LIMIT ?6")                                                                                                    \
    X(USERS_SCAN, "SELECT " USER_COLUMNS ", seq FROM users WHERE (?1 IS NULL OR role = ?1) AND (?2 IS NULL OR team = ?2) AND seq < ?3"    \
                  " ORDER BY seq DESC LIMIT ?4")                                                                                          \
    X(USERS_BY_ROLE,                                                                                                                      \
      "SELECT " USER_COLUMNS ", seq FROM users INDEXED BY users_role WHERE role = ?1 AND (?2 IS NULL OR team = ?2) AND seq < ?3"          \
      " ORDER BY seq DESC LIMIT ?4")                                                                                                      \
    X(USERS_BY_TEAM,                                                                                                                      \
      "SELECT " USER_COLUMNS ", seq FROM users INDEXED BY users_team WHERE team = ?2 AND (?1 IS NULL OR role = ?1) AND seq < ?3"          \
      " ORDER BY seq DESC LIMIT ?4")                                                                                                      \
    X(NOTIFICATIONS_SCAN,                                                                                                                 \
      "SELECT " NOTIFICATION_COLUMNS ", n.seq FROM notifications n WHERE n.seq < ?6 AND n.seq > ?7 AND" NOTIFICATION_FILTER               \
      " ORDER BY n.seq DESC LIMIT ?8")                                                                                                    \
    X(NOTIFICATIONS_BY_STATUS,                                                                                                            \
      "SELECT " NOTIFICATION_COLUMNS ", n.seq FROM notifications n INDEXED BY notifications_unsent WHERE n.status = ?1"                   \
      " AND n.status <> 3 AND n.seq < ?6 AND n.seq > ?7 AND" NOTIFICATION_FILTER " ORDER BY n.seq DESC LIMIT ?8")                         \
    X(NOTIFICATIONS_BEHIND,                                                                                                               \
      "SELECT " NOTIFICATION_COLUMNS ", n.seq FROM behind b CROSS JOIN notifications n ON n.seq = b.seq"                                  \
      " WHERE b.dimension = ?9 AND b.key = ?10 AND b.seq < ?6 AND b.seq > ?7 AND" NOTIFICATION_FILTER " ORDER BY b.seq DESC LIMIT ?8")    \
    X(DEAD_LETTERS_SCAN,                                                                                                                  \
      "SELECT " DEAD_LETTER_COLUMNS ", seq FROM dead_letters WHERE (?1 IS NULL OR queue = ?1) AND (?2 IS NULL OR reason = ?2)"            \
      " AND seq < ?3 ORDER BY seq DESC LIMIT ?4")                                                                                         \
    X(DEAD_LETTERS_BY_QUEUE, "SELECT " DEAD_LETTER_COLUMNS ", seq FROM dead_letters INDEXED BY dead_letters_queue WHERE queue = ?1"       \
                             " AND (?2 IS NULL OR reason = ?2) AND seq < ?3 ORDER BY seq DESC LIMIT ?4")                                  \
    X(DEAD_LETTERS_BY_REASON, "SELECT " DEAD_LETTER_COLUMNS ", seq FROM dead_letters INDEXED BY dead_letters_reason WHERE reason = ?2"    \
                              " AND (?1 IS NULL OR queue = ?1) AND seq < ?3 ORDER BY seq DESC LIMIT ?4")                                  \
    X(INBOX_SCAN,                                                                                                                         \
      "SELECT " INBOX_COLUMNS ", i.seq FROM inbox i WHERE i.user_id = ?1 AND (?2 = 0 OR i.read_at = 0) AND i.seq < ?3 AND i.seq > ?4"     \
      " ORDER BY i.seq DESC LIMIT ?5")                                                                                                    \
    X(INBOX_BEHIND, "SELECT " INBOX_COLUMNS ", i.seq FROM behind b CROSS JOIN inbox i ON i.seq = b.seq"                                   \
                    " WHERE b.dimension = ?2 AND b.key = ?1 AND b.seq < ?3 AND b.seq > ?4 ORDER BY b.seq DESC LIMIT ?5")                  \
    X(UNREAD_TAIL, "SELECT count(*) FROM (SELECT 1 FROM inbox WHERE user_id = ?1 AND read_at = 0 AND seq > ?2 LIMIT ?3)")                 \
    X(UNREAD_BEHIND, "SELECT count(*) FROM (SELECT 1 FROM behind WHERE dimension = 5 AND key = ?1 AND seq <= ?2 LIMIT ?3)")               \
    /* write-behind index */                                                                                                              \
    X(BEHIND_MARK, "SELECT seq FROM behind_marks WHERE source = ?1")                                                                      \
    X(BEHIND_SET_MARK, "INSERT INTO behind_marks (source, seq) VALUES (?1, ?2) ON CONFLICT (source) DO UPDATE SET seq = ?2")              \
    X(BEHIND_INSERT, "INSERT OR IGNORE INTO behind (dimension, key, seq) VALUES (?1, ?2, ?3)")                                            \
    X(BEHIND_DELETE, "DELETE FROM behind WHERE dimension = ?1 AND key = ?2 AND seq = ?3")                                                 \
    X(BEHIND_TICKETS, "SELECT seq, owner_id FROM tickets WHERE seq > ?1 ORDER BY seq LIMIT ?2")                                           \
    X(BEHIND_NOTIFICATIONS, "SELECT seq, target, ticket_id FROM notifications WHERE seq > ?1 ORDER BY seq LIMIT ?2")                      \
    X(BEHIND_INBOX, "SELECT seq, user_id, user_id, read_at FROM inbox WHERE seq > ?1 ORDER BY seq LIMIT ?2")                              \
    X(BEHIND_LAST_TICKET, "SELECT max(seq) FROM tickets")                                                                                 \
    X(BEHIND_LAST_NOTIFICATION, "SELECT max(seq) FROM notifications")                                                                     \
    X(BEHIND_LAST_INBOX, "SELECT max(seq) FROM inbox")                                                                                    \
    /* queue */                                                                                                                           \
    X(MESSAGES_FROM, "SELECT due, seq, body, receive_count, enqueued_at FROM messages WHERE queue = ?1 AND lane = ?2"                     \
                     " AND (due, seq) > (?3, ?4) ORDER BY due, seq")                                                                      \
    X(MESSAGES_COUNT, "SELECT count(*) FROM messages WHERE queue = ?1")                                                                   \
    X(MESSAGES_DELAYED, "SELECT count(*) FROM messages WHERE queue = ?1 AND lane >= 2 AND due > ?2")                                      \
    X(MESSAGES_OLDEST, "SELECT min(enqueued_at) FROM messages WHERE queue = ?1")                                                          \
    X(MESSAGES_LAST_SEQ, "SELECT max(seq) FROM messages")                                                                                 \
    X(DATA_VERSION, "PRAGMA data_version")

enum statement {
#define STATEMENT_ENUM(name, sql) STATEMENT_##name,
    STATEMENTS(STATEMENT_ENUM)
#undef STATEMENT_ENUM
        STATEMENT_COUNT
};
