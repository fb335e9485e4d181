"""What Lambda, its event sources and API Gateway do, for the functions of a stack: each function is our `bootstrap` in a process of its own, which asks the Runtime API of a server here, with the variables and
the role of the template. One invocation at a time, so that a test is the same each time."""
import base64
import collections
import ctypes
import json
import os
import queue
import signal
import subprocess
import tempfile
import threading
import time
import urllib.request
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from permissions import Proxy
from stack import ACCOUNT, REGION, client

ANSWER_LIMIT_S = 300  # of an invocation, on a machine that is busy: the template's time-outs are not what is tested here
STOP_LIMIT_S = 60
PRELOADED = {"PATH", "HOME", "LANG", "TZ", "LD_LIBRARY_PATH", "ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS"}


class FunctionError(Exception):
    """The function has answered with an error, died, or run out of time."""


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class Function:
    def __init__(self, binary, name, properties, proxy, extra):
        self.binary, self.name, self.proxy = binary, name, proxy
        self.process = None
        self.asked, self.asks = 0, threading.Condition()  # how often it wanted an invocation
        self.invocations, self.answers = queue.Queue(), queue.Queue()
        self.log = tempfile.TemporaryFile(mode="a+")  # the function appends, wherever we read
        function = self

        class RuntimeApi(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                with function.asks:
                    function.asked += 1
                    function.asks.notify_all()
                invocation = function.invocations.get()
                if invocation is None:
                    self.close_connection = True
                    return
                request_id, event, deadline_ms = invocation
                body = json.dumps(event).encode()
                self.send_response(200)
                for name, value in (("Lambda-Runtime-Aws-Request-Id", request_id), ("Lambda-Runtime-Deadline-Ms", str(deadline_ms)), ("Content-Type", "application/json"),
                                    ("Lambda-Runtime-Invoked-Function-Arn", f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{function.name}"),
                                    ("Lambda-Runtime-Trace-Id", "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"), ("Content-Length", str(len(body)))):
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"null")
                kind = self.path.rsplit("/", 1)[1]
                self.send_response(202)
                self.send_header("Content-Length", "0")
                self.end_headers()
                function.answers.put((kind, body, function.asked))

            def log_message(self, *arguments):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), RuntimeApi)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.environment = {k: v for k, v in os.environ.items() if k in PRELOADED}
        self.environment.update({
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self.server.server_port}",
            "_HANDLER": properties["Handler"],
            "AWS_LAMBDA_FUNCTION_NAME": properties["FunctionName"],
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(properties["MemorySize"]),
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "ASIAEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "not-a-secret",
            "AWS_SESSION_TOKEN": "of-the-role",
            "AWS_ENDPOINT_URL": proxy.url,
        })
        self.environment.update({k: str(v) for k, v in properties["Environment"]["Variables"].items()})
        self.environment.update(extra)

    def start(self):
        # A process that died may have left an invocation untaken, or an answer unread.
        self.invocations, self.answers = queue.Queue(), queue.Queue()
        self.process = subprocess.Popen([self.binary], env=self.environment, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, preexec_fn=die_with_parent)

    def invoke(self, event, crash=False):
        """The function's answer. crash: it is killed when it asks a service for something first."""
        if not self.process or self.process.poll() is not None:
            self.start()
        self.proxy.interrupt = self.kill if crash else None
        try:
            return self.answer_to(event)
        finally:
            self.proxy.interrupt = None

    def answer_to(self, event):
        """Over when it wants the next one: its last log lines are written then."""
        body, asked = self.answer(event)
        with self.asks:
            while self.asked == asked and self.process.poll() is None:
                self.asks.wait(0.05)
        return body

    def answer(self, event):
        self.invocations.put((str(uuid.uuid4()), event, int((time.time() + ANSWER_LIMIT_S) * 1000)))
        until = time.monotonic() + ANSWER_LIMIT_S
        while time.monotonic() < until:
            try:
                kind, body, asked = self.answers.get(timeout=0.02)
            except queue.Empty:
                if self.process.poll() is not None:
                    raise FunctionError(f"{self.name} has died with {self.process.returncode}") from None
                continue
            if kind == "error":
                raise FunctionError(f"{self.name}: {body}")
            return body, asked
        raise FunctionError(f"{self.name} gave no answer in {ANSWER_LIMIT_S} s: {self.output()[-2000:]}")

    def kill(self):
        self.process.kill()

    def output(self):
        self.log.flush()
        self.log.seek(0)
        text = self.log.read()
        self.log.seek(0, os.SEEK_END)
        return text

    def lines(self):
        """Its log as CloudWatch would have it: JSON lines."""
        return [json.loads(line) for line in self.output().splitlines() if line.startswith("{")]

    def stop(self):
        """As Lambda ends it: SIGTERM, some time, then SIGKILL."""
        status = None
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                status = self.process.wait(STOP_LIMIT_S)
            except subprocess.TimeoutExpired:
                self.kill()
                status = self.process.wait()
            self.invocations.put(None)
        self.server.shutdown()
        self.server.server_close()
        self.proxy.close()
        return status


class Clock:
    """The emulator's: moved, so that nobody waits for a visibility or a delay."""

    def __init__(self):
        self.url = os.environ["HELPDESK_EMULATOR_CLOCK"]
        self.ahead_ms = 0

    def call(self, method, body):
        urllib.request.urlopen(urllib.request.Request(self.url, data=body, method=method), timeout=60).read()

    def move_on(self, seconds):
        self.ahead_ms += int(seconds * 1000)
        self.call("PUT", json.dumps({"nowMs": int(time.time() * 1000) + self.ahead_ms}).encode())

    def put_right(self):
        self.call("DELETE", None)


def fits(pattern, value):
    """A filter of an event source: exact values and prefixes."""
    for name, wanted in pattern.items():
        found = value.get(name) if isinstance(value, dict) else None
        if isinstance(wanted, dict):
            if not fits(wanted, found):
                return False
        elif not any(found == w if not isinstance(w, dict) else isinstance(found, str) and found.startswith(w["prefix"]) for w in wanted):
            return False
    return True


class Lambda:
    """All functions of a stack, and what calls them."""

    def __init__(self, stack, binary, endpoint, extra=None):
        self.stack = stack
        self.sqs, self.streams = client("sqs"), client("dynamodbstreams")
        arns = {
            "table": lambda name: f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{name}",
            "queue": lambda name: f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}",
            "identity": lambda name: f"arn:aws:ses:{REGION}:{ACCOUNT}:identity/{name}",
            "configuration_set": lambda name: f"arn:aws:ses:{REGION}:{ACCOUNT}:configuration-set/{name}",
        }
        self.functions = {}
        for name, properties in stack.functions().items():
            proxy = Proxy(endpoint, stack.statements(name), arns)
            self.functions[name] = Function(binary, properties["FunctionName"], properties, proxy, extra or {})
        self.mappings = list(stack.of_type("AWS::Lambda::EventSourceMapping").values())
        self.read = collections.Counter()  # records of the stream that a function has had

    def function_of(self, mapping):
        return next(f for f in self.functions.values() if f.name == mapping["FunctionName"] or mapping["FunctionName"] == self.stack.ids.get(f.name))

    # ---- SQS ----

    def receive(self, mapping):
        name = mapping["EventSourceArn"].rsplit(":", 1)[1]
        url = self.sqs.get_queue_url(QueueName=name)["QueueUrl"]
        messages = self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=mapping["BatchSize"], WaitTimeSeconds=0, MessageSystemAttributeNames=["All"], MessageAttributeNames=["All"])
        return url, messages.get("Messages", [])

    @staticmethod
    def record(mapping, message):
        attributes = {n: {"stringValue": a.get("StringValue"), "dataType": a["DataType"], "stringListValues": [], "binaryListValues": []}
                      for n, a in message.get("MessageAttributes", {}).items()}
        return {"messageId": message["MessageId"], "receiptHandle": message["ReceiptHandle"], "body": message["Body"], "attributes": message["Attributes"], "messageAttributes": attributes,
                "md5OfBody": message["MD5OfBody"], "eventSource": "aws:sqs", "eventSourceARN": mapping["EventSourceArn"], "awsRegion": REGION}

    def poll(self, queue_name, crash=False):
        """What the event source of this queue does once. Gives (messages, of them done): those that are not done stay hidden until their visibility runs out."""
        (mapping,) = [m for m in self.mappings if m["EventSourceArn"].endswith(f":{self.stack.name}-{queue_name}")]
        url, messages = self.receive(mapping)
        if not messages:
            return 0, 0
        try:
            answer = self.function_of(mapping).invoke({"Records": [self.record(mapping, m) for m in messages]}, crash)
        except FunctionError:
            return len(messages), 0
        failed = {f["itemIdentifier"] for f in answer["batchItemFailures"]}
        assert failed <= {m["MessageId"] for m in messages}, answer
        for message in messages:
            if message["MessageId"] not in failed:
                self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return len(messages), len(messages) - len(failed)

    def queues(self):
        """Those that a function takes from, without the stack's name."""
        return [m["EventSourceArn"].rsplit(":", 1)[1].removeprefix(f"{self.stack.name}-") for m in self.mappings if ":sqs:" in m["EventSourceArn"]]

    def run(self):
        """Until no queue has a message to give."""
        while any([self.poll(name)[0] for name in self.queues()]):
            pass

    # ---- the table's stream ----

    def records(self):
        stream = self.stack.table()["LatestStreamArn"]
        for shard in self.streams.describe_stream(StreamArn=stream)["StreamDescription"]["Shards"]:
            iterator = self.streams.get_shard_iterator(StreamArn=stream, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
            while iterator:
                page = self.streams.get_records(ShardIterator=iterator)
                yield from page["Records"]
                iterator = page.get("NextShardIterator") if page["Records"] else None

    def stream(self, handler):
        """Hands the function what is new in the stream and fits its filters; gives how many records that were."""
        function = self.functions[handler]
        (mapping,) = [m for m in self.mappings if ":dynamodb:" in m["EventSourceArn"] and self.function_of(m) is function]
        patterns = [json.loads(f["Pattern"]) for f in mapping["FilterCriteria"]["Filters"]]
        records = list(self.records())
        new, self.read[handler] = records[self.read[handler]:], len(records)
        wanted = [self.stream_record(r) for r in new if any(fits(p, r) for p in patterns)]
        for at in range(0, len(wanted), mapping["BatchSize"]):
            answer = function.invoke({"Records": wanted[at:at + mapping["BatchSize"]]})
            assert answer["batchItemFailures"] == [], answer
        return len(wanted)

    @staticmethod
    def stream_record(record):
        """As JSON: times are numbers, bytes base64."""
        def plain(value):
            if isinstance(value, dict):
                return {k: plain(v) for k, v in value.items()}
            if isinstance(value, list):
                return [plain(v) for v in value]
            if isinstance(value, bytes):
                return base64.b64encode(value).decode()
            return value.timestamp() if hasattr(value, "timestamp") else value
        return {**plain(record), "eventSource": "aws:dynamodb"}

    # ---- the schedule ----

    def schedule(self, schedule):
        """What EventBridge Scheduler does each minute, by what it was told."""
        target = schedule["Target"]
        function = next(f for f in self.functions.values() if target["Arn"].endswith(f":function:{f.name}"))
        return function.invoke(json.loads(target["Input"]))

    # ---- the HTTP API ----

    def http(self, method, path, body=None, token=None, query=""):
        """A request as API Gateway judges it and hands it on. Gives (status, headers, JSON)."""
        gateway = self.stack.resources["Http"]["Properties"]["Body"]
        claims = None
        if not self.is_public(gateway, method, path):
            claims = self.claims(gateway, token)
            if claims is None:
                return 401, {}, {"message": "Unauthorized"}
        event = {
            "version": "2.0", "routeKey": "ANY /{proxy+}", "rawPath": path, "rawQueryString": query,
            "headers": {"content-type": "application/json", "host": "api.example.org", **({"authorization": f"Bearer {token}"} if token else {})},
            "requestContext": {"accountId": ACCOUNT, "apiId": "api", "stage": "$default", "requestId": "r", "time": "29/Nov/2026:00:00:00 +0000", "timeEpoch": int(time.time() * 1000),
                               "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "test"},
                               **({"authorizer": {"jwt": {"claims": claims, "scopes": None}}} if claims else {})},
            "isBase64Encoded": False,
        }
        if body is not None:
            event["body"] = body if isinstance(body, str) else json.dumps(body)
        answer = self.functions["api"].invoke(event)
        content = answer.get("body") or ""
        if answer.get("isBase64Encoded"):
            content = base64.b64decode(content)
        headers = {k.lower(): v for k, v in answer.get("headers", {}).items()}
        return answer["statusCode"], headers, json.loads(content) if "json" in headers.get("content-type", "") and content else content

    @staticmethod
    def is_public(gateway, method, path):
        """By the most specific route, as API Gateway chooses."""
        for route in (path, *(p for p in gateway["paths"] if p.endswith("/{proxy+}") and p != "/{proxy+}" and path.startswith(p.removesuffix("{proxy+}")))):
            operation = gateway["paths"].get(route, {}).get(method.lower())
            if operation:
                return not any("People" in s for s in operation.get("security", []))
        return False

    def claims(self, gateway, token):
        """The JWT authorizer: issuer, audience (or client_id), expiry. Signatures are not looked at here. All claims are texts for the function."""
        if not token or token.count(".") != 2:
            return None
        part = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        wanted = gateway["components"]["securitySchemes"]["People"]["x-amazon-apigateway-authorizer"]["jwtConfiguration"]
        if claims.get("aud", claims.get("client_id")) not in wanted["audience"] or claims["iss"] != wanted["issuer"] or claims["exp"] < time.time():
            return None
        return {k: f"[{' '.join(v)}]" if isinstance(v, list) else str(v) for k, v in claims.items()}

    def stop(self):
        return {name: f.stop() for name, f in self.functions.items()}


def binary():
    return os.environ["HELPDESK_BOOTSTRAP"]
