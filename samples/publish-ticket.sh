#!/bin/sh
# The demo: opens a ticket and follows it until all its notifications are final; prints each change with its time, and the mail as it was rendered.
set -eu

usage() {
    cat <<'TEXT'
publish-ticket.sh [--user ID] [--title TEXT] [--description TEXT] [--priority low|normal|high|urgent] [--channels email,inapp] [--timeout SECONDS]

Opens a ticket as a customer (ana, one of the people of serve --demo) and follows what it causes.

  HELPDESK_URL     the server [http://127.0.0.1:8080]
  HELPDESK_TOKEN   a token of that server; else "build/helpdesk token" makes one for --user
  HELPDESK_BINARY  the program that makes it [build/helpdesk]

Exit status: 0 something was sent, and nothing that was to be sent failed; 1 otherwise; 2 not understood.
TEXT
}

user=ana
title='Impressora não imprime'
description='A luz vermelha está acesa desde as 9 h.'
priority=normal
channels=
timeout=60
while [ $# -gt 0 ]; do
    case $1 in
    -h | --help)
        usage
        exit 0
        ;;
    --user | --title | --description | --priority | --channels | --timeout)
        if [ $# -lt 2 ]; then
            echo "publish-ticket.sh: $1 wants a value" >&2
            exit 2
        fi
        case $1 in
        --user) user=$2 ;;
        --title) title=$2 ;;
        --description) description=$2 ;;
        --priority) priority=$2 ;;
        --channels) channels=$2 ;;
        --timeout) timeout=$2 ;;
        esac
        shift 2
        ;;
    *)
        usage >&2
        exit 2
        ;;
    esac
done
case $timeout in
'' | *[!0-9]*)
    echo "publish-ticket.sh: --timeout wants a number of seconds" >&2
    exit 2
    ;;
esac

. "$(dirname "$0")/common.sh"
sign_in "$user" customer

python3 - "$title" "$description" "$priority" "$channels" >"$work/ticket" <<'PY'
import json, sys
title, description, priority, channels = sys.argv[1:]
ticket = {"title": title, "description": description, "priority": priority}
if channels:
    ticket["channels"] = channels.split(",")
print(json.dumps(ticket))
PY
request POST /tickets "$work/ticket"
expect 201
ticket_id=$(field ticketId)
opened_at=$(field createdAt)
echo "$opened_at  ticket $ticket_id opened: event TicketCreated $(field eventId)"

# Prints what is new since the last look (kept in $work/seen). Exit status: 0 all is final, 3 not yet.
look() {
    python3 - "$work/answer" "$work/seen" "$opened_at" <<'PY'
import datetime, json, os, sys
answer, seen_file, opened_at = sys.argv[1:]
seen = json.load(open(seen_file)) if os.path.exists(seen_file) else {}
items = json.load(open(answer, encoding="utf-8"))["items"]
time = datetime.datetime.fromisoformat
since = lambda at: (time(at.replace("Z", "+00:00")) - time(opened_at.replace("Z", "+00:00"))).total_seconds()
for n in sorted(items, key=lambda n: n["updatedAt"]):
    state = [n["status"], n["attempts"]]
    if seen.get(n["notificationId"]) == state:
        continue
    seen[n["notificationId"]] = state
    notes = [f"attempt {n['attempts']}"] if n["attempts"] else []
    notes += [n["reason"]] if n["reason"] else []
    notes += [f"next attempt at {n['nextAttemptAt']}"] if n["nextAttemptAt"] else []
    print(f"{n['updatedAt']}  {n['channel']:<7} to {n['target']}: {n['status']}{' (' + ', '.join(notes) + ')' if notes else ''}, {since(n['updatedAt']):.3f} s after the ticket")
json.dump(seen, open(seen_file, "w"))
sys.exit(0 if items and all(n["status"] in ("sent", "suppressed", "expired", "dead") for n in items) else 3)
PY
}

deadline=$(($(date +%s) + timeout))
until
    request GET "/tickets/$ticket_id/notifications?limit=200"
    expect 200
    look
do
    if [ "$(date +%s)" -ge "$deadline" ]; then
        [ "$(cat "$work/seen")" != "{}" ] || die "no notification after $timeout s: are the processors running (serve without --no-processors), and do the rules know the channels?"
        die "not final after $timeout s (--timeout): the server goes on by itself; GET /tickets/$ticket_id/notifications tells how"
    fi
    sleep 0.1
done

cp "$work/answer" "$work/notifications"
python3 -c 'import json, sys
for n in json.load(open(sys.argv[1], encoding="utf-8"))["items"]: print(n["notificationId"], n["channel"])' "$work/notifications" >"$work/list"
while read -r id channel; do
    [ "$channel" = email ] || continue
    request GET "/notifications/$id"
    expect 200
    python3 - "$work/answer" <<'PY'
import json, sys
n = json.load(open(sys.argv[1], encoding="utf-8"))
for a in n["attemptLog"]:
    print(f"\ne-mail, attempt {a['number']} by {a['provider']}: {a['outcome']}{': ' + a['detail'] if a['detail'] else ''}")
if n["message"]:
    print(f"\nTo: {n['message']['to']}\nSubject: {n['message']['subject']}\n\n{n['message']['text']}")
PY
done <"$work/list"

python3 - "$work/notifications" <<'PY'
import collections, json, sys
counts = collections.Counter(n["status"] for n in json.load(open(sys.argv[1], encoding="utf-8"))["items"])
print(", ".join(f"{count} {status}" for status, count in sorted(counts.items())))
sys.exit(0 if counts["sent"] and not counts["dead"] and not counts["expired"] else 1)
PY
