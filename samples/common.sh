# For the scripts of this folder, which source it: one request to the API, and what goes wrong with it.
# Needs curl and python3. Sets: url, token, work (a folder that goes when the script ends).

url=${HELPDESK_URL:-http://127.0.0.1:8080}
url=${url%/}
root=$(cd "$(dirname "$0")/.." && pwd)
binary=${HELPDESK_BINARY:-$root/build/helpdesk}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

die() {
    echo "$(basename "$0"): $*" >&2
    exit 1
}

for tool in curl python3; do
    command -v "$tool" >/dev/null || die "$tool is missing (apt-get install $tool)"
done

# sign_in USER ROLE: HELPDESK_TOKEN, or a token from the binary, which must see the server's settings (HELPDESK_JWT_SECRET, HELPDESK_DATA_DIR, the folder that it was started in).
sign_in() {
    token=${HELPDESK_TOKEN:-}
    if [ -n "$token" ]; then
        return
    fi
    [ -x "$binary" ] || die "there is no $binary: run make, or set HELPDESK_TOKEN to a token of the server at $url"
    token=$("$binary" token --user "$1" --role "$2") || die "$binary token failed"
}

# request METHOD PATH [BODY_FILE]: the answer's body is $work/answer, its status is $status. A network error ends the script.
# Repeats what failed for the moment (503 and its like): for a POST that is safe, because it has an Idempotency-Key.
request() {
    method=$1
    path=$2
    set -- --silent --show-error --max-time 20 --retry 3 --request "$method" --output "$work/answer" --write-out '%{http_code}' ${3:+--data-binary "@$3"}
    if ! status=$({
        echo "Authorization: Bearer $token" # in no argument, so that no process list shows it
        echo "Content-Type: application/json"
        [ "$method" = GET ] || echo "Idempotency-Key: $(python3 -c 'import uuid; print(uuid.uuid4())')"
    } | curl "$@" --header @- "$url$path" 2>"$work/error"); then
        die "$method $url$path: $(tail -n 1 "$work/error") (is the server running? make run starts one; HELPDESK_URL names another)"
    fi
}

# expect STATUS: ends the script with what the server says when it said something else.
expect() {
    [ "$status" != "$1" ] || return 0
    python3 - "$work/answer" "$status" >&2 <<'PY'
import json, sys
text = open(sys.argv[1], encoding="utf-8", errors="replace").read()
try:
    problem = json.loads(text)
    print(f"{sys.argv[2]} {problem['title']}: {problem['detail']} (correlationId {problem['correlationId']})")
    for error in problem.get("errors", []):
        print(f"  {error['pointer']}: {error['detail']}")
except (ValueError, KeyError, TypeError):
    print(f"{sys.argv[2]} {text[:300]}")
PY
    case $status in
    401) die "$method $path was refused: the token is not the server's. Without HELPDESK_TOKEN it is signed with HELPDESK_JWT_SECRET, or with the secret in" \
        "HELPDESK_DATA_DIR (./data): start this script with the server's settings and in its folder" ;;
    *) die "$method $path was refused" ;;
    esac
}

# field NAME: a member of the last answer, as text.
field() {
    python3 -c 'import json, sys; print(json.load(open(sys.argv[1], encoding="utf-8"))[sys.argv[2]])' "$work/answer" "$1"
}
