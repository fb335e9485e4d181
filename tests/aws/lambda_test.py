"""lambda_test.py HELPDESK PACKAGER BOOTSTRAP: the functions of lambda.zip in AWS's Runtime Interface Emulator, on a table and queues of their own in moto. Run by scripts/with-emulators --sam."""
import base64
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import uuid
import zipfile

import boto3

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))
from lambda_function import SCHEDULED, Function, Runtime, bare_environment, http_event, sqs_event, stream_event  # noqa: E402

HELPDESK, PACKAGER, BOOTSTRAP = sys.argv[1:4]
del sys.argv[1:4]
NAME = f"fn-{uuid.uuid4().hex[:8]}"
SETTINGS = {"HELPDESK_BACKEND": "aws", "HELPDESK_TABLE": NAME, "HELPDESK_QUEUES": f"{NAME}-", "HELPDESK_LOG_LEVEL": "info"}
ADMIN = {"sub": "carla", "cognito:groups": "[admin]"}
CUSTOMER = {"sub": "5f0c", "username": "ana", "cognito:groups": "[customer]"}
folder = tempfile.TemporaryDirectory()
ZIP = os.path.join(folder.name, "lambda.zip")
dynamodb = boto3.client("dynamodb")
sqs = boto3.client("sqs")


def setUpModule():
    subprocess.run([HELPDESK, "setup"], env={**bare_environment(), **SETTINGS, "HELPDESK_JWT_SECRET": "x" * 32}, check=True, stdout=subprocess.DEVNULL)
    subprocess.run([PACKAGER, BOOTSTRAP, ZIP], check=True)
    with zipfile.ZipFile(ZIP) as archive:
        archive.extractall(folder.name)
        for entry in archive.infolist():
            os.chmod(os.path.join(folder.name, entry.filename), entry.external_attr >> 16 & 0o777)
    with function("api") as api:
        for user, role in (("ana", "customer"), ("carla", "admin")):
            answer = api.invoke(http_event("POST", "/users", {"userId": user, "name": user, "role": role, "email": f"{user}@example.org"}, ADMIN))
            assert answer.get("statusCode") == 201, (answer, api.log())


def tearDownModule():
    folder.cleanup()


def function(handler, timeout_s=60, **environment):
    return Function(folder.name, handler, timeout_s, **{**SETTINGS, **environment})


def url(queue):
    return sqs.get_queue_url(QueueName=f"{NAME}-{queue}")["QueueUrl"]


def receive(queue):
    """All that is in the queue now; it is deleted, too, so that no visibility that runs out brings anything back."""
    messages = []
    while True:
        got = sqs.receive_message(QueueUrl=url(queue), MaxNumberOfMessages=10, AttributeNames=["All"], MessageAttributeNames=["All"]).get("Messages", [])
        messages += got
        for message in got:
            sqs.delete_message(QueueUrl=url(queue), ReceiptHandle=message["ReceiptHandle"])
        if not got:
            return messages


def item(pk, sk):
    return dynamodb.get_item(TableName=NAME, Key={"pk": {"S": pk}, "sk": {"S": sk}}, ConsistentRead=True).get("Item")


def items_of(pk, begins):
    return dynamodb.query(TableName=NAME, ConsistentRead=True, KeyConditionExpression="pk = :p AND begins_with(sk, :s)",
                          ExpressionAttributeValues={":p": {"S": pk}, ":s": {"S": begins}})["Items"]


def outbox():
    return [found for shard in range(16) for found in items_of(f"O#{shard:02d}", "0")]


def open_ticket(**environment):
    with function("api", **environment) as api:
        answer = api.invoke(http_event("POST", "/tickets", {"title": "Impressora não imprime", "description": "x", "channels": ["email", "inapp"]}, CUSTOMER))
    assert answer.get("statusCode") == 201, (answer, api.log())
    return answer


def handle(handler, queue, messages):
    """(what it answers, its lines, its metrics by channel)"""
    with function(handler) as running:
        answer = running.invoke(sqs_event(f"{NAME}-{queue}", messages))
        metrics = {name: running.metrics(name, "Channel") for name in ("Sent", "Latency") if handler in ("email", "inapp")}
        return answer, running.lines(), metrics


class Package(unittest.TestCase):
    def test_all_libraries_are_found_beside_the_program(self):
        program = os.path.join(folder.name, "bootstrap")
        for line in subprocess.run(["ldd", program], check=True, capture_output=True, text=True).stdout.splitlines():
            match = re.match(r"\s+(\S+) => (\S+)", line)
            if match and not re.match(r"(libc|libm|libpthread|libdl|librt|libresolv)\.so", match[1]):
                self.assertTrue(match[2].startswith(folder.name + "/lib/"), line)

    def test_the_same_program_gives_the_same_bytes(self):
        again = os.path.join(folder.name, "again.zip")
        subprocess.run([PACKAGER, BOOTSTRAP, again], check=True, stdout=subprocess.DEVNULL)
        with open(again, "rb") as second, open(ZIP, "rb") as first:
            self.assertTrue(second.read() == first.read())

    def test_a_program_without_its_rpath_is_not_packaged(self):
        done = subprocess.run([PACKAGER, HELPDESK, os.path.join(folder.name, "bad.zip")], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("DT_RPATH", done.stderr)
        self.assertFalse(os.path.exists(os.path.join(folder.name, "bad.zip")))


class Api(unittest.TestCase):
    def test_a_ticket_is_created_by_whom_the_authorizer_names(self):
        answer = open_ticket()
        ticket_id = answer["headers"]["Location"].rsplit("/", 1)[1]
        ticket = item(f"T#{ticket_id}", "T")
        self.assertEqual(ticket["title"]["S"], "Impressora não imprime")
        self.assertEqual(ticket["owner_id"]["S"], "ana")
        self.assertEqual(len(receive("router")), 1)
        self.assertEqual(outbox(), [])

    def test_a_request_is_refused_as_by_the_server(self):
        with function("api") as api:
            nobody = api.invoke(http_event("GET", "/tickets"))
            self.assertEqual((nobody["statusCode"], nobody["headers"]["Content-Type"]), (401, "application/problem+json"))
            forbidden = api.invoke(http_event("POST", "/users", {"name": "x", "role": "admin"}, CUSTOMER))
            self.assertEqual(forbidden["statusCode"], 403)
            forged = api.invoke(http_event("GET", "/tickets", headers={"authorization": "Bearer a.b.c"}))
            self.assertEqual(forged["statusCode"], 401)
            self.assertEqual(api.invoke(http_event("POST", "/tickets", "{", CUSTOMER))["statusCode"], 400)
            self.assertEqual(api.invoke(http_event("GET", "/nowhere", claims=ADMIN))["statusCode"], 404)

    def test_the_page_and_the_description_are_served_under_a_stage_too(self):
        with function("api") as api:
            page = api.invoke(http_event("GET", "/prod/ui/", stage="prod"))
            self.assertEqual((page["statusCode"], page["headers"]["Content-Type"]), (200, "text/html; charset=utf-8"))
            body = base64.b64decode(page["body"]).decode() if page["isBase64Encoded"] else page["body"]
            self.assertIn("<html", body)
            self.assertIn("openapi: 3", api.invoke(http_event("GET", "/openapi.yaml"))["body"])

    def test_the_trace_of_x_ray_goes_on(self):
        with function("api", _X_AMZN_TRACE_ID="") as api:
            answer = api.invoke(http_event("GET", "/healthz", headers={"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}))
            self.assertRegex(answer["headers"]["traceparent"], "^00-4bf92f3577b34da6a3ce929d0e0e4736-[0-9a-f]{16}-01$")


class Way(unittest.TestCase):
    def test_an_event_goes_through_every_function(self):
        receive("router")
        open_ticket()
        routed = receive("router")
        answer, lines, _ = handle("router", "router", routed)
        self.assertEqual(answer, {"batchItemFailures": []})
        self.assertEqual(outbox(), [])

        tasks = {queue: receive(queue) + receive(f"{queue}-urgent") for queue in ("email", "inapp")}
        self.assertEqual({queue: len(messages) for queue, messages in tasks.items()}, {"email": 1, "inapp": 1})
        for queue, messages in tasks.items():
            answer, lines, metrics = handle(queue, queue, messages)
            self.assertEqual(answer, {"batchItemFailures": []})
            self.assertEqual(metrics["Sent"], {queue: [1]})
            self.assertEqual(len(metrics["Latency"][queue]), 1)
            self.assertEqual([line for line in lines if line.get("level") in ("warn", "error")], [])
            notification = re.search(r'"notificationId":"([^"]+)"', messages[0]["Body"])[1]
            self.assertTrue(items_of(f"N#{notification}", "A#"))
        self.assertTrue(item(f"N#{notification}", "I"))  # the last one is the in-app message

        # A second delivery finds its work done.
        with function("router") as router:
            self.assertEqual(router.invoke(sqs_event(f"{NAME}-router", routed)), {"batchItemFailures": []})
        self.assertEqual(receive("email") + receive("inapp"), [])

    def test_what_cannot_be_read_becomes_a_dead_letter_and_the_rest_goes_on(self):
        receive("router")
        open_ticket()
        sqs.send_message(QueueUrl=url("router"), MessageBody="no task")
        messages = receive("router")
        self.assertEqual(len(messages), 2)
        with function("router") as router:
            self.assertEqual(router.invoke(sqs_event(f"{NAME}-router", messages)), {"batchItemFailures": []})
            self.assertEqual(router.metrics("DeadLetters", "Function"), {"router": [1]})
            self.assertEqual(router.metrics("Messages", "Function"), {"router": [2]})
            told = router.wait_for(lambda line: line.get("what") == "dead letter")
            self.assertIn("requestId", told)
        answer, _, _ = handle("dlq", "dlq", receive("dlq") + receive("dlq-urgent"))
        self.assertEqual(answer, {"batchItemFailures": []})

    def test_what_a_queue_has_given_up_becomes_a_dead_letter(self):
        sqs.send_message(QueueUrl=url("email-dead"), MessageBody='{"notificationId":"0198c0de-0000-7000-8000-00000000dead"}')
        answer, _, _ = handle("dlq", "email-dead", receive("email-dead"))
        self.assertEqual(answer, {"batchItemFailures": []})
        with function("api") as api:
            letters = api.invoke(http_event("GET", "/dead-letters", claims=ADMIN, query="reason=receives_exhausted"))
        self.assertEqual(letters["statusCode"], 200)
        self.assertIn("receives_exhausted", letters["body"])


class Outbox(unittest.TestCase):
    """What the writer could not hand to SQS."""

    def setUp(self):
        receive("router")
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))  # and does not listen
            open_ticket(AWS_ENDPOINT_URL_SQS=f"http://127.0.0.1:{nobody.getsockname()[1]}")
        self.left = outbox()
        self.assertEqual(len(self.left), 1)

    def tearDown(self):
        for left in outbox():
            dynamodb.delete_item(TableName=NAME, Key={"pk": left["pk"], "sk": left["sk"]})

    def test_the_streams_record_sends_it(self):
        with function("relay") as relay:
            self.assertEqual(relay.invoke(stream_event([("INSERT", self.left[0])])), {"batchItemFailures": []})
            self.assertEqual(relay.metrics("Relayed", "Function"), {"relay": [1]})
            # Once more, as streams do: it is sent, and nothing is to be done.
            self.assertEqual(relay.invoke(stream_event([("INSERT", self.left[0]), ("REMOVE", self.left[0])])), {"batchItemFailures": []})
        self.assertEqual(len(receive("router")), 1)
        self.assertEqual(outbox(), [])

    def test_without_sqs_the_record_comes_again(self):
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))
            with function("relay", AWS_ENDPOINT_URL_SQS=f"http://127.0.0.1:{nobody.getsockname()[1]}") as relay:
                self.assertEqual(relay.invoke(stream_event([("INSERT", self.left[0])])), {"batchItemFailures": [{"itemIdentifier": "1000"}]})
        self.assertEqual(len(outbox()), 1)

    def stand_since(self, later_ms):
        """Moves the message in time: what the key says is how long it has stood."""
        (left,) = outbox()
        milliseconds, rest = left["sk"]["S"].split("#", 1)
        dynamodb.delete_item(TableName=NAME, Key={"pk": left["pk"], "sk": left["sk"]})
        dynamodb.put_item(TableName=NAME, Item={**left, "sk": {"S": str(int(milliseconds) + later_ms).zfill(len(milliseconds)) + "#" + rest}})

    def test_the_sweep_sends_what_has_stood_long_and_leaves_what_is_young(self):
        with function("relay") as relay:
            self.stand_since(3600000)
            self.assertEqual(relay.invoke(SCHEDULED), {})
            self.assertEqual(len(outbox()), 1)
            self.stand_since(-2 * 3600000)
            self.assertEqual(relay.invoke(SCHEDULED), {})
        self.assertEqual(outbox(), [])
        self.assertEqual(len(receive("router")), 1)


class Audit(unittest.TestCase):
    def test_entries_and_attempts_are_lines_of_the_log(self):
        entry = {"pk": {"S": "X#a-1"}, "sk": {"S": "X"}, "action": {"S": "event.routed"}, "subject": {"S": "e-1"}, "actor": {"S": "router"},
                 "detail": {"S": '{"decisions":[]}'}, "at_ms": {"N": "1790000000000"}}
        attempt = {"pk": {"S": "N#n-1"}, "sk": {"S": "A#0000000001"}, "notification_id": {"S": "n-1"}, "number": {"N": "1"}, "at_ms": {"N": "1790000000000"},
                   "outcome": {"N": "0"}, "provider": {"S": "smtp"}, "duration_ms": {"N": "5"}, "message": {"S": "Dear Ana"}}
        with function("audit") as audit:
            self.assertEqual(audit.invoke(stream_event([("INSERT", entry), ("INSERT", attempt)])), {"batchItemFailures": []})
            self.assertEqual(audit.metrics("AuditEntries", "Function"), {"audit": [2]})
            told = audit.wait_for(lambda line: line.get("what") == "audit")
            self.assertEqual((told["auditId"], told["action"], told["detail"]), ("a-1", "event.routed", {"decisions": []}))
            told = audit.wait_for(lambda line: line.get("what") == "attempt")
            self.assertEqual((told["notificationId"], told["number"], told["outcome"], told["provider"]), ("n-1", 1, "sent", "smtp"))
            self.assertNotIn("Dear Ana", audit.log())


class Failures(unittest.TestCase):
    def test_a_function_that_does_not_exist_says_so_at_the_start(self):
        with function("sms") as sms:
            self.assertEqual(sms.invoke({})["errorType"], "HelpDesk.configuration")
            told = sms.wait_for(lambda line: line.get("what") == "cannot start")
            self.assertIn('there is no function "sms"', told["detail"])

    def test_a_setting_that_is_wrong_says_so_at_the_start(self):
        with function("router", HELPDESK_RETRY_EMAIL="often") as router:
            answer = router.invoke({})
            self.assertEqual(answer["errorType"], "HelpDesk.configuration")
            self.assertIn("HELPDESK_RETRY_EMAIL", answer["errorMessage"])

    def test_an_event_of_another_shape_is_an_error_and_the_next_one_is_handled(self):
        with function("router") as router:
            for event in ({}, [], "x", {"Records": [{}]}, b"{", http_event("GET", "/"), {"Records": [{"eventSource": "aws:sqs"}]}):
                self.assertEqual(router.invoke(event)["errorType"], "HelpDesk.malformed", event)
            self.assertEqual(router.invoke({"Records": []}), {"batchItemFailures": []})
            self.assertEqual(router.metrics("Errors", "Function", count=7), {"router": [1] * 7})

    def test_messages_of_another_queue_are_refused(self):
        with function("router") as router:
            message = {"MessageId": "m", "ReceiptHandle": "r", "Body": "{}", "MD5OfBody": "",
                       "Attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1"}}
            for queue in ("email", "router-dead"):
                self.assertEqual(router.invoke(sqs_event(f"{NAME}-{queue}", [message]))["errorType"], "HelpDesk.configuration")

    def test_a_table_that_does_not_answer_leaves_the_messages_before_the_deadline(self):
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen(64)  # connections are taken, and nothing is ever said
            nowhere = f"http://127.0.0.1:{silent.getsockname()[1]}"
            message = {"MessageId": "m", "ReceiptHandle": "r", "Body": '{"eventId":"0198c0de-0000-7000-8000-000000000001"}', "MD5OfBody": "",
                       "Attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1790000000000"}}
            with Runtime(folder.name, "router", **SETTINGS, AWS_ENDPOINT_URL_DYNAMODB=nowhere, AWS_ENDPOINT_URL_SQS=nowhere) as router:
                began = time.monotonic()
                answer = router.invoke(sqs_event(f"{NAME}-router", [message]), 3000)
                self.assertEqual(answer, ("response", {"batchItemFailures": [{"itemIdentifier": "m"}]}))
                self.assertLess(time.monotonic() - began, 30)  # without a deadline, tables and queues are asked for 40 s

    def test_an_answer_that_comes_too_late_ends_nothing(self):
        with Runtime(folder.name, "audit", **SETTINGS) as audit:
            audit.refuse = True
            self.assertEqual(audit.invoke({"Records": []}, 3000), ("response", {"batchItemFailures": []}))
            audit.refuse = False
            self.assertEqual(audit.invoke({"Records": []}, 3000), ("response", {"batchItemFailures": []}))

    def test_a_termination_ends_a_function_that_waits(self):
        with Runtime(folder.name, "audit", **SETTINGS) as audit:
            audit.invoke({"Records": []}, 3000)
            audit.process.terminate()
            self.assertEqual(audit.process.wait(60), 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
