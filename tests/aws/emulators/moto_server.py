"""moto's server, made fit for tests with several processes and with a clock of their own. Nothing of moto is copied here: it is wrapped.

What is different from `moto_server`:
  - one request at a time: moto's backends are not safe against each other's threads, and DynamoDB's transactions are serializable. A long poll waits outside of the lock;
  - a transaction that fails takes back what it wrote, and nothing else (moto puts a whole copy of the table back, with whatever others had written meanwhile);
  - ClientRequestToken counts, as the API says: the same transaction again gives the same answer and writes nothing; another one with the same token is refused;
  - PUT /_emulator/clock {"nowMs": 1790000000000} stops the time of all services there, {"offsetMs": 60000} lets them go on that far from the machine's; DELETE gives them the machine's again;
  - GET /_emulator/requests tells how often each operation has been called: {"DynamoDB_20120810.GetItem": 12, …}.

It prints "listening PORT" as soon as it answers; it chooses the port itself."""
import argparse
import base64
import collections
import copy
import inspect
import io
import json
import logging
import struct
import sys
import threading
import time

import moto.core.utils as moto_time
import moto.dynamodb.models as dynamodb
import moto.sns.models  # noqa: F401, it must be there when the time functions are replaced
import moto.sqs.models  # noqa: F401
from moto.dynamodb.responses import DynamoHandler
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

TOKEN_KEPT_S = 600
POLL_S = 0.05


class Clock:
    """Seconds since 1970. A stopped one stands still within a request and is a microsecond later in the next one, so that "later than" holds from one to the next."""

    def __init__(self):
        self.stopped_us = None
        self.offset_s = 0
        self.ticks = 0
        self.file = None  # clock.c's, of whoever else lives by this clock

    def now(self):
        return time.time() + self.offset_s if self.stopped_us is None else (self.stopped_us + self.ticks) / 1e6

    def tick(self):
        self.ticks += 1

    def set(self, now_ms, offset_ms):
        self.stopped_us = None if now_ms is None else now_ms * 1000
        self.offset_s = offset_ms / 1000
        if self.file:
            with open(self.file, "r+b", buffering=0) as file:  # mapped by others: written in place
                file.write(struct.pack("=qq", self.stopped_us or 0, int(offset_ms * 1000)))


clock = Clock()


def replace_time_functions():
    """In moto's core and wherever it has been imported from there already."""
    originals = {name: getattr(moto_time, name) for name in ("unix_time", "unix_time_millis", "utcnow")}
    replacements = {
        "unix_time": lambda dt=None: originals["unix_time"](dt) if dt else clock.now(),
        "unix_time_millis": lambda dt=None: originals["unix_time_millis"](dt) if dt else clock.now() * 1000,
        "utcnow": lambda: moto_time.datetime.datetime.fromtimestamp(clock.now(), moto_time.datetime.timezone.utc).replace(tzinfo=None),
    }
    for name, module in list(sys.modules.items()):
        if not name.startswith("moto."):
            continue
        for function, original in originals.items():
            if getattr(module, function, None) is original:
                setattr(module, function, replacements[function])


# ---- transactions ----


class NoCopies:
    """Stands for the copy module in moto's transactions: a table is not copied (the undoing below does without, and it took as long as the table is large)."""

    def __getattr__(self, name):
        return getattr(copy, name)

    @staticmethod
    def deepcopy(value, *memo):
        return value if isinstance(value, dynamodb.Table) else copy.deepcopy(value, *memo)


def touched(backend, transact_items):
    """(table, hash key, range key) of each item that the transaction names."""
    for action in transact_items:
        operation = next(iter(action.values()))
        table = backend.tables.get(operation.get("TableName"))
        key = operation.get("Key") or operation.get("Item") or {}
        if table is None or table.hash_key_attr not in key:
            continue
        hash_key = dynamodb.DynamoType(key[table.hash_key_attr])
        range_key = dynamodb.DynamoType(key[table.range_key_attr]) if table.range_key_attr in key else None
        yield table, hash_key, range_key


def put_back(table, hash_key, range_key, before):
    if range_key is None:
        (table.items.pop(hash_key, None) if before is None else table.items.__setitem__(hash_key, before))
        return
    group = table.items[hash_key]
    (group.pop(range_key, None) if before is None else group.__setitem__(range_key, before))
    if not group:
        del table.items[hash_key]


def replace_transactions():
    original = dynamodb.DynamoDBBackend.transact_write_items
    dynamodb.copy = NoCopies()

    def transact_write_items(self, transact_items):
        before = []
        shards = {}
        for table, hash_key, range_key in touched(self, transact_items):
            held = table.items.get(hash_key)
            if range_key is not None and held is not None:
                held = held.get(range_key)
            before.append((table, hash_key, range_key, copy.deepcopy(held)))
            if table.stream_shard:
                shards[id(table.stream_shard)] = (table.stream_shard, len(table.stream_shard.items))
        try:
            return original(self, transact_items)
        except Exception:
            for table, hash_key, range_key, item in before:
                put_back(table, hash_key, range_key, item)
            for shard, length in shards.values():
                del shard.items[length:]
            raise

    dynamodb.DynamoDBBackend.transact_write_items = transact_write_items


# ---- speed: the same answers as moto's own, without a walk through all that a table holds, or through the service's model ----

DATA_OPERATIONS = {"GetItem", "BatchGetItem", "Query", "PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems", "TransactGetItems"}


def replace_queries():
    original_query, original_all_items = dynamodb.Table.query, dynamodb.Table.all_items

    def query(self, hash_key, *args, **kwargs):
        names = inspect.signature(original_query).bind(self, hash_key, *args, **kwargs).arguments
        conditions = names.get("hash_key_conditions") or []
        self.asked_for = conditions if names.get("index_name") else [(self.hash_key_attr, hash_key)] if hash_key else []
        try:
            return original_query(self, hash_key, *args, **kwargs)
        finally:
            del self.asked_for

    def all_items(self):
        asked_for = getattr(self, "asked_for", None)
        if not asked_for or not self.range_key_attr:
            return original_all_items(self)
        name, wanted = asked_for[0]
        if name == self.hash_key_attr:
            return list(self.items.get(wanted, {}).values())
        return [item for group in self.items.values() for item in group.values()
                if (value := item.attrs.get(name)) and value.value == wanted.value and value.type == wanted.type]

    dynamodb.Table.query, dynamodb.Table.all_items = query, all_items


def replace_serializer():
    original = DynamoHandler.serialized

    def plain(value):
        return value.to_json() if isinstance(value, dynamodb.DynamoType) else base64.b64encode(value).decode("ascii")

    def serialized(self, action_result):
        if isinstance(action_result.result, dict) and self._get_action() in DATA_OPERATIONS:
            headers = {"Content-Type": "application/x-amz-json-1.0", **self.response_headers}
            return 200, headers, json.dumps(action_result.result, default=plain)
        return original(self, action_result)

    DynamoHandler.serialized = serialized


# ---- the server ----


class Server:
    """A WSGI application around moto's."""

    def __init__(self, application):
        self.application = application
        self.changed = threading.Condition()  # its lock is the one that every request holds
        self.requests = collections.Counter()
        self.tokens = {}  # token → (body, status, headers, answer, when)

    def __call__(self, environ, start_response):
        if environ["PATH_INFO"] == "/_emulator/clock":
            return self.set_clock(environ, start_response)
        if environ["PATH_INFO"] == "/_emulator/requests":
            return self.tell_requests(start_response)
        target = environ.get("HTTP_X_AMZ_TARGET", "")
        self.requests[target] += 1
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        if target == "AmazonSQS.ReceiveMessage":
            return self.receive(environ, body, start_response)
        with self.changed:
            if target.endswith(".TransactWriteItems"):
                status, headers, answer = self.transact(environ, body)
            else:
                status, headers, answer = self.call(environ, body)
            self.changed.notify_all()
        start_response(status, headers)
        return [answer]

    def call(self, environ, body):
        clock.tick()
        environ = dict(environ)
        environ["wsgi.input"] = io.BytesIO(body)
        environ["CONTENT_LENGTH"] = str(len(body))
        told = []

        def start_response(status, headers, exc_info=None):
            told[:] = [status, headers]

        chunks = self.application(environ, start_response)
        answer = b"".join(chunks)
        if hasattr(chunks, "close"):
            chunks.close()
        return told[0], told[1], answer

    def receive(self, environ, body, start_response):
        """A long poll as short ones, so that it does not hold up the others."""
        request = json.loads(body)
        until = time.monotonic() + int(request.get("WaitTimeSeconds") or 0)
        request["WaitTimeSeconds"] = 0
        body = json.dumps(request).encode()
        with self.changed:
            while True:
                status, headers, answer = self.call(environ, body)
                if not status.startswith("200") or b'"Messages"' in answer and json.loads(answer)["Messages"] or time.monotonic() >= until:
                    break
                self.changed.wait(POLL_S)  # what becomes visible by time alone tells nobody
        start_response(status, headers)
        return [answer]

    def transact(self, environ, body):
        token = json.loads(body).get("ClientRequestToken")
        now = clock.now()
        known = self.tokens.get(token)
        if token and known and now - known[4] < TOKEN_KEPT_S:
            if known[0] == body:
                return known[1:4]
            answer = json.dumps({"__type": "com.amazonaws.dynamodb.v20120810#IdempotentParameterMismatchException",
                                 "Message": "the token was used with other parameters"}).encode()
            return "400 BAD REQUEST", [("Content-Type", "application/x-amz-json-1.0"), ("Content-Length", str(len(answer)))], answer
        status, headers, answer = self.call(environ, body)
        if token and status.startswith("200"):
            self.tokens[token] = (body, status, headers, answer, now)
        return status, headers, answer

    def tell_requests(self, start_response):
        answer = json.dumps(self.requests).encode()
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(answer)))])
        return [answer]

    def set_clock(self, environ, start_response):
        with self.changed:
            wanted = json.loads(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)) or b"{}")
            clock.set(wanted.get("nowMs"), wanted.get("offsetMs", 0))
            self.changed.notify_all()
        start_response("204 NO CONTENT", [("Content-Length", "0")])
        return [b""]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--clock-file", help="clock.c's file, kept at the same time")
    arguments = parser.parse_args()
    clock.file = arguments.clock_file
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    replace_time_functions()
    replace_transactions()
    replace_queries()
    replace_serializer()
    server = make_server("127.0.0.1", arguments.port, Server(DomainDispatcherApplication(create_backend_app)), threaded=True,
                         request_handler=MotoRequestHandler)
    print("listening", server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
