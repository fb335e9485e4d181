"""What IAM would say: each request that a function makes, against the statements of its role. A proxy stands between the function and the emulator, answers AccessDeniedException where AWS would, and
remembers it; so a role that is too narrow fails a test here and not in an account."""
import fnmatch
import http.client
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

TRANSACTED = {"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem"}
SQS_ACTIONS = {"SendMessageBatch": "SendMessage", "DeleteMessageBatch": "DeleteMessage", "ChangeMessageVisibilityBatch": "ChangeMessageVisibility"}


def first_key(item):
    return item["pk"]["S"]


def queried_key(body):
    """The hash key of a Query: the value that its key condition names first."""
    value = re.search(r"=\s*(:\w+)", body["KeyConditionExpression"]).group(1)
    return body["ExpressionAttributeValues"][value]["S"]


def dynamodb_asks(operation, body, table_arn):
    """(action, resource, leading keys) of each permission that the request needs."""
    if operation == "Query":
        resource = f"{table_arn(body['TableName'])}/index/{body['IndexName']}" if "IndexName" in body else table_arn(body["TableName"])
        yield "dynamodb:Query", resource, [queried_key(body)]
    elif operation in ("TransactWriteItems", "TransactGetItems"):
        for item in body["TransactItems"]:
            (kind, action), = item.items()
            name = TRANSACTED.get(kind, "GetItem")
            yield f"dynamodb:{name}", table_arn(action["TableName"]), [first_key(action.get("Item") or action["Key"])]
    elif operation in ("BatchGetItem", "BatchWriteItem"):
        for table, asked in body["RequestItems"].items():
            keys = asked["Keys"] if operation == "BatchGetItem" else [(r.get("PutRequest") or {}).get("Item") or r["DeleteRequest"]["Key"] for r in asked]
            yield f"dynamodb:{operation}", table_arn(table), [first_key(k) for k in keys]
    else:
        item = body.get("Item") or body.get("Key")
        yield f"dynamodb:{operation}", table_arn(body["TableName"]), [first_key(item)] if item else []


def asks(target, path, body, arns):
    service, _, operation = target.partition(".")
    if service.startswith("DynamoDB"):
        yield from dynamodb_asks(operation, body, arns["table"])
    elif service == "AmazonSQS":
        name = body["QueueName"] if "QueueName" in body else urlsplit(body["QueueUrl"]).path.rsplit("/", 1)[1]
        yield f"sqs:{SQS_ACTIONS.get(operation, operation)}", arns["queue"](name), []
    elif path.startswith("/v2/email/"):
        # SES looks for the address as an identity, and for its domain; here, the one that the template names.
        yield "ses:SendEmail", arns["identity"](re.search(r"[^@<\s]+@([^>\s]+)", body["FromEmailAddress"]).group(1)), []
        if body.get("ConfigurationSetName"):
            yield "ses:SendEmail", arns["configuration_set"](body["ConfigurationSetName"]), []
    else:
        yield f"unknown:{target or path}", "", []


def as_list(value):
    return value if isinstance(value, list) else [value]


def allows(statement, action, resource, keys):
    if action not in as_list(statement["Action"]) or not any(fnmatch.fnmatchcase(resource, r) for r in as_list(statement["Resource"])):
        return False
    for operator, wanted in statement.get("Condition", {}).items():
        if operator != "ForAllValues:StringLike" or list(wanted) != ["dynamodb:LeadingKeys"]:
            return False
        if not all(any(fnmatch.fnmatchcase(key, pattern) for pattern in wanted["dynamodb:LeadingKeys"]) for key in keys):
            return False
    return True


class Proxy:
    """For one function. denied: what its role does not allow; used: (statement's id, action) of what was; requests: (target, body, HTTP status) in their order.
    interrupt: called instead of an answer to the next request.
    out_of_order: (target) → whether the service is away for it; then it answers 500, and has done nothing."""

    def __init__(self, endpoint, statements, arns):
        self.endpoint, self.statements, self.arns = urlsplit(endpoint), statements, arns
        self.denied, self.used, self.requests = [], set(), []
        self.interrupt = None
        self.out_of_order = lambda target: False
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if proxy.interrupt:
                    proxy.interrupt()
                    self.close_connection = True
                    return
                status, headers, answer = proxy.answer(self.command, self.path, self.headers, body)
                self.send_response(status)
                for name, value in headers:
                    if name.lower() not in ("content-length", "connection", "transfer-encoding", "date", "server"):
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            do_GET = do_PUT = do_POST

            def log_message(self, *arguments):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def answer(self, method, path, headers, body):
        target = headers.get("X-Amz-Target", "")
        content = json.loads(body) if body else {}
        for action, resource, keys in asks(target, path, content, self.arns):
            allowing = [s for s in self.statements if allows(s, action, resource, keys)]
            if not allowing:
                self.denied.append(f"{action} on {resource} {keys or ''}".strip())
                refusal = json.dumps({"__type": "AccessDeniedException", "message": f"not authorized to perform: {action} on resource: {resource}"}).encode()
                return 403 if path.startswith("/v2/") else 400, [("Content-Type", "application/x-amz-json-1.0"), ("x-amzn-ErrorType", "AccessDeniedException")], refusal
            self.used |= {(s["Sid"], action) for s in allowing}
        if self.out_of_order(target):
            return 500, [("Content-Type", "application/x-amz-json-1.0")], b'{"__type":"InternalFailure","message":"away"}'
        connection = http.client.HTTPConnection(self.endpoint.hostname, self.endpoint.port)
        connection.request(method, path, body, {k: v for k, v in headers.items() if k.lower() != "connection"})
        response = connection.getresponse()
        answer = response.read()
        connection.close()
        self.requests.append((target or path, content, response.status))
        return response.status, response.getheaders(), answer

    def close(self):
        self.server.shutdown()
        self.server.server_close()
