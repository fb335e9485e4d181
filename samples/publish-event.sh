#!/bin/sh
# Publishes one of samples/events/ (or any event) with a new eventId and the time of now, and prints who is told, by which channel and why.
set -eu

if [ $# -lt 1 ] || [ "$1" = -h ] || [ "$1" = --help ]; then
    cat <<'TEXT'
publish-event.sh FILE [TICKET_ID]

Publishes the event in FILE (about TICKET_ID, else the ticket that it names). The file's own eventId is replaced, because a second event with the same one is a
duplicate and changes nothing; "helpdesk publish FILE" publishes it as it is.

  HELPDESK_URL     the server [http://127.0.0.1:8080]
  HELPDESK_TOKEN   a token of an agent, manager or administrator of that server; else "build/helpdesk token" makes one
  HELPDESK_BINARY  the program that makes it [build/helpdesk]
TEXT
    [ $# -ge 1 ] && exit 0
    exit 2
fi

. "$(dirname "$0")/common.sh"
sign_in samples admin

python3 - "$1" "${2:-}" >"$work/event" <<'PY' || die "$1 is no event"
import datetime, json, sys, uuid
try:
    event = json.load(open(sys.argv[1], encoding="utf-8"))
    event["eventId"] = str(uuid.uuid4())
    event["occurredAt"] = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if sys.argv[2]:
        event["payload"]["ticketId"] = sys.argv[2]
except (OSError, ValueError, TypeError, KeyError) as problem:
    sys.exit(f"{sys.argv[1]}: {problem!r}")
print(json.dumps(event))
PY
request POST /events "$work/event"
expect 202
event_id=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["items"][0]["eventId"])' "$work/answer")
echo "accepted: $event_id"

tries=0
while
    request GET "/events/$event_id"
    expect 200
    [ "$(field decisions)" = None ]
do
    tries=$((tries + 1))
    [ $tries -lt 100 ] || die "not routed after 10 s: are the processors running?"
    sleep 0.1
done
python3 - "$work/answer" <<'PY'
import json, sys
decisions = json.load(open(sys.argv[1], encoding="utf-8"))["decisions"]
for d in decisions:
    print(f"{d['decision']:<8} {d['target']} by {d['channel']}: {d['reason']}{'  ' + d['notificationId'] if d['notificationId'] else ''}")
print(f"{sum(d['decision'] == 'notify' for d in decisions)} to send, {sum(d['decision'] != 'notify' for d in decisions)} not")
PY
