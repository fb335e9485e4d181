"""The tickets that are posted: whole HTTP requests made beforehand, so that the load generators only copy bytes."""

import base64
import hashlib
import hmac
import json
import time

USERS = 64
BODIES_PER_USER = 64
BODY_BYTES = 500
TOKEN_SECONDS = 24 * 3600
WORDS = (
    "the printer on floor two prints only blank pages since this morning although toner and paper are full ação código média".split()
)


def users():
    """The customers who open the tickets; half read Portuguese."""
    return [
        {
            "userId": f"bench-{i:02d}",
            "name": f"João Bench {i}",
            "email": f"bench-{i:02d}@example.org",
            "role": "customer",
            "locale": "pt-BR" if i % 2 else "en",
        }
        for i in range(USERS)
    ]


def sign_token(secret, user_id, role):
    """An HS256 JWT as `helpdesk token` makes it, for the peers."""

    def part(value):
        return base64.urlsafe_b64encode(json.dumps(value, separators=(",", ":")).encode()).rstrip(b"=")

    now = int(time.time())
    claims = {"iss": "helpdesk", "aud": "helpdesk", "sub": user_id, "role": role, "iat": now, "exp": now + TOKEN_SECONDS}
    signed = part({"alg": "HS256", "typ": "JWT"}) + b"." + part(claims)
    mac = hmac.new(secret.encode(), signed, hashlib.sha256).digest()
    return (signed + b"." + base64.urlsafe_b64encode(mac).rstrip(b"=")).decode()


def ticket_body(user, number, valid=True):
    priority = ("low", "normal", "high", "urgent")[number % 4] if valid else "no such priority"
    body = {"title": f"Printer {user}-{number} prints blank pages", "description": "", "priority": priority, "channels": ["email", "inapp"]}
    size = len(json.dumps(body, ensure_ascii=False).encode())
    text = " ".join(WORDS[(number + user + i) % len(WORDS)] for i in range(120))
    body["description"] = text.encode()[: BODY_BYTES - size].decode(errors="ignore")
    return json.dumps(body, ensure_ascii=False).encode()


def write_requests(path, tokens, target="/tickets", valid=True):
    """One request per user and body, users taking turns; each preceded by its length and a newline (loadgen.c and wrk.lua read this)."""
    with open(path, "wb") as file:
        for number in range(BODIES_PER_USER):
            for user, token in enumerate(tokens):
                body = ticket_body(user, number, valid)
                head = (
                    f"POST {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
                    f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
                ).encode()
                file.write(f"{len(head) + len(body)}\n".encode() + head + body)
