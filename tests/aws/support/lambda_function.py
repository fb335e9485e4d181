"""One of our functions, run from the unpacked lambda.zip by AWS's Runtime Interface Emulator (HELPDESK_RIE), and the events that AWS would bring it."""
import ctypes
import http.server
import json
import os
import queue
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request

START_LIMIT_S = 60
INVOKE_LIMIT_S = 120
ACCOUNT = "arn:aws:sqs:eu-west-1:123456789012:"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def listening_ports(pid):
    """The TCP ports on which the process listens; none when it is gone."""
    try:
        return found_ports(pid)
    except OSError:
        return set()


def found_ports(pid):
    with open(f"/proc/{pid}/net/tcp", encoding="ascii") as table:
        rows = [line.split() for line in table.readlines()[1:]]
    ports = {row[9]: int(row[1].split(":")[1], 16) for row in rows if row[3] == "0A"}
    found = set()
    for descriptor in os.listdir(f"/proc/{pid}/fd"):
        try:
            target = os.readlink(f"/proc/{pid}/fd/{descriptor}")
        except FileNotFoundError:  # closed meanwhile
            continue
        found.add(ports.get(target.removeprefix("socket:[").removesuffix("]")))
    return found - {None}


def bare_environment():
    """Ours without what the tests tell each other: the program takes no setting that it does not know."""
    return {name: value for name, value in os.environ.items() if not name.startswith("HELPDESK_")}


def die_with(parent):
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    if os.getppid() != parent:
        os._exit(1)


class Function:
    """with Function(folder, "router", HELPDESK_TABLE="x") as router: router.invoke(event)"""

    def __init__(self, folder, handler, timeout_s=60, **environment):
        self.environment = {**bare_environment(), "AWS_LAMBDA_FUNCTION_TIMEOUT": str(timeout_s), **environment}
        self.command = [os.path.join(folder, "bootstrap"), handler]
        self.folder = folder
        self.output = tempfile.TemporaryFile(mode="w+")

    def __enter__(self):
        while not self.start():
            pass  # somebody else was faster with the port
        return self

    def start(self):
        """Its own port it may choose; the one for the Runtime API it must be told. Both are its own when it listens on them."""
        parent, inner = os.getpid(), free_port()
        rie = [os.environ["HELPDESK_RIE"], "--runtime-interface-emulator-address", "127.0.0.1:0", "--runtime-api-address", f"127.0.0.1:{inner}"]
        self.process = subprocess.Popen(rie + self.command, stdin=subprocess.DEVNULL, stdout=self.output, stderr=self.output, cwd=self.folder,
                                        env=self.environment, start_new_session=True, preexec_fn=lambda: die_with(parent))
        limit = time.monotonic() + START_LIMIT_S
        while self.process.poll() is None and time.monotonic() < limit:
            ports = listening_ports(self.process.pid)
            if inner in ports and len(ports) == 2:
                self.port = (ports - {inner}).pop()
                return True
            time.sleep(0.01)
        if "address already in use" in self.log():
            return False
        raise AssertionError("the Runtime Interface Emulator does not listen: " + self.log())

    def __exit__(self, *_):
        """The emulator and what it has started, which are one session."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        self.output.close()

    def invoke(self, event):
        """What the function answers: JSON, or, if it is none, text."""
        body = event if isinstance(event, bytes) else json.dumps(event).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/2015-03-31/functions/function/invocations", data=body)
        try:
            with urllib.request.urlopen(request, timeout=INVOKE_LIMIT_S) as answer:
                text = answer.read().decode()
        except urllib.error.HTTPError as error:
            text = error.read().decode()
        try:
            return json.loads(text)
        except ValueError:
            return text

    def log(self):
        self.output.flush()
        with open(f"/proc/self/fd/{self.output.fileno()}", encoding="utf-8", errors="replace") as file:  # its own place in the file
            return file.read()

    def lines(self):
        """What it has logged: JSON objects, the emulator's own lines apart."""
        return [json.loads(line) for line in re.findall(r"^\{.*\}$", self.log(), re.MULTILINE)]

    def wait_for(self, holds):
        """The first of its lines for which that holds; they may come a moment after the answer."""
        limit = time.monotonic() + START_LIMIT_S
        while time.monotonic() < limit:
            for line in self.lines():
                if holds(line):
                    return line
            time.sleep(0.01)
        raise AssertionError("it has not logged that: " + self.log())

    def values(self, name, dimension):
        """Of a metric of its logs, by the dimension's value."""
        values = {}
        for line in self.lines():
            if "_aws" in line and name in line and dimension in line:
                values.setdefault(line[dimension], []).extend(line[name] if isinstance(line[name], list) else [line[name]])
        return values

    def metrics(self, name, dimension, count=1):
        """The same, as soon as there are that many."""
        limit = time.monotonic() + START_LIMIT_S
        while True:
            values = self.values(name, dimension)
            if sum(map(len, values.values())) >= count:
                return values
            if time.monotonic() > limit:
                raise AssertionError(f"it has not measured {name}: " + self.log())
            time.sleep(0.01)


class Runtime:
    """A Runtime API of our own, for what the emulator does not let a test say: the deadline, and that an answer comes too late. Kills nothing."""

    def __init__(self, folder, handler, **environment):
        outer = self
        self.events, self.answers = queue.Queue(), queue.Queue()
        self.refuse = False

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def say(self, status, headers=None, body=b""):
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self):
                event, deadline_ms = outer.events.get()
                if event is None:
                    return
                self.say(200, {"Lambda-Runtime-Aws-Request-Id": "request-1", "Lambda-Runtime-Deadline-Ms": str(deadline_ms)}, json.dumps(event).encode())

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self.say(403 if outer.refuse else 202)
                outer.answers.put((self.path.rsplit("/", 1)[1], json.loads(body)))

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        parent = os.getpid()
        self.process = subprocess.Popen([os.path.join(folder, "bootstrap")], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                        preexec_fn=lambda: die_with(parent),
                                        env={**bare_environment(), **environment, "_HANDLER": handler,
                                             "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self.server.server_port}"})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.events.put((None, 0))
        self.server.shutdown()
        self.server.server_close()

    def invoke(self, event, within_ms):
        """("response" or "error", its body)"""
        self.events.put((event, int(time.time() * 1000) + within_ms))
        return self.answers.get(timeout=INVOKE_LIMIT_S)


def http_event(method, path, body=None, claims=None, headers=None, query="", stage="$default"):
    context = {"http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "test"}, "stage": stage,
               "requestId": "r", "timeEpoch": 0}
    if claims:
        context["authorizer"] = {"jwt": {"claims": claims, "scopes": None}}
    event = {"version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": query, "headers": headers or {}, "requestContext": context,
             "isBase64Encoded": False}
    if body is not None:
        event["body"] = body if isinstance(body, str) else json.dumps(body)
        event["headers"] = {"content-type": "application/json", **event["headers"]}
    return event


def sqs_event(queue_name, messages):
    """messages: as boto3 gives them, received with all attributes."""
    records = []
    for message in messages:
        attributes = {name: {"stringValue": value["StringValue"], "dataType": value["DataType"], "stringListValues": [], "binaryListValues": []}
                      for name, value in message.get("MessageAttributes", {}).items()}
        records.append({"messageId": message["MessageId"], "receiptHandle": message["ReceiptHandle"], "body": message["Body"],
                        "attributes": message["Attributes"], "messageAttributes": attributes, "md5OfBody": message["MD5OfBody"],
                        "eventSource": "aws:sqs", "eventSourceARN": ACCOUNT + queue_name, "awsRegion": "eu-west-1"})
    return {"Records": records}


def stream_event(records):
    """records: (eventName, new image in DynamoDB's JSON)."""
    return {"Records": [{
        "eventID": str(number), "eventName": name, "eventVersion": "1.1", "eventSource": "aws:dynamodb", "awsRegion": "eu-west-1",
        "dynamodb": {"Keys": {"pk": image["pk"], "sk": image["sk"]}, "NewImage": image, "SequenceNumber": str(1000 + number),
                     "StreamViewType": "NEW_IMAGE"},
        "eventSourceARN": "arn:aws:dynamodb:eu-west-1:123456789012:table/t/stream/s"} for number, (name, image) in enumerate(records)]}


SCHEDULED = {"version": "0", "id": "1", "detail-type": "Scheduled Event", "source": "aws.scheduler", "account": "123456789012", "time": "2026-01-01T00:00:00Z",
             "region": "eu-west-1", "resources": [], "detail": "{}"}
