#!/usr/bin/env python3
"""The whole system on the queues, the table, the roles and the event sources that serverless/template.yaml makes: the real functions, and stand-ins for what only AWS has (tests/aws/support). Each request that a
function makes is judged by the role that the template gives it. Runs under scripts/with-emulators --sam."""
import base64
import email
import email.policy
import json
import os
import re
import sys
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent / "support"))
from lambda_service import Clock, Lambda, binary  # noqa: E402
from mailbox import Mailbox  # noqa: E402
from stack import ROOT, Stack, client  # noqa: E402

PASSWORD = "Aa1-of-the-test"
VISIBILITY_S = 361  # the longest of the queues', and a second
# What these tests do not come to.
NEEDED_ELSEWHERE = {
    *((name, "Read", "dynamodb:GetItem") for name in ("router", "email", "inapp", "dlq")),  # a decision that is made again, and what was not read ahead
    ("inapp", "Hand", "sqs:SendMessage"), ("inapp", "Outbox", "dynamodb:BatchWriteItem"),  # an in-app message is postponed, or becomes a dead letter
    ("relay", "Outbox", "dynamodb:PutItem"),  # SQS took a part of an outbox item
}


def item_bytes(item):
    """The size of an item, as DynamoDB counts it."""
    def value_bytes(value):
        (kind, content), = value.items()
        sizes = {"S": lambda: len(content.encode()), "N": lambda: len(content) // 2 + 2, "B": lambda: len(base64.b64decode(content)), "BOOL": lambda: 1, "NULL": lambda: 1,
                 "L": lambda: 3 + sum(1 + value_bytes(v) for v in content), "M": lambda: 3 + sum(1 + len(n) + value_bytes(v) for n, v in content.items())}
        return sizes[kind]()
    return sum(len(name) + value_bytes(value) for name, value in item.items())


class System(unittest.TestCase):
    parameters = {}
    extra = {"HELPDESK_RETRY_EMAIL": "3,1ms,1ms"}  # the shortest that SQS knows is a second

    @classmethod
    def setUpClass(cls):
        cls.passed = []
        cls.clock = Clock()
        cls.mailbox = Mailbox()
        cls.stack = Stack(cls.__name__.lower(), {"MailFrom": "HelpDesk <helpdesk@example.org>", "MailIdentity": "example.org", **cls.parameters, **cls.own_parameters()}, called_by_moto=False)
        cls.pool, cls.client_id = cls.stack.make_people()
        cls.lambdas = Lambda(cls.stack, binary(), os.environ["AWS_ENDPOINT_URL"], cls.extra)
        cls.tokens = {name: cls.sign_up(name, role) for name, role in (("carla", "admin"), ("ana", "customer"), ("bruno", "agent"))}
        for name, role in (("carla", "admin"), ("ana", "customer"), ("bruno", "agent")):
            status, _, user = cls.lambdas.http("POST", "/users", {"userId": name, "name": name.capitalize(), "email": f"{name}@example.com", "role": role, "locale": "en"}, cls.tokens["carla"])
            assert status == 201, user

    @classmethod
    def own_parameters(cls):
        return {}

    @classmethod
    def tearDownClass(cls):
        statuses = cls.lambdas.stop()
        cls.mailbox.close()
        cls.clock.put_right()
        for name, function in cls.lambdas.functions.items():
            assert function.proxy.denied == [], f"the role of {name} lacks {function.proxy.denied}"
            scans = [t for t, _, _ in function.proxy.requests if t.endswith(".Scan")]
            assert not scans, f"{name} scans the table"
            assert statuses[name] in (0, None), f"{name} ended with {statuses[name]}: {function.output()[-2000:]}"

    @classmethod
    def unused(cls):
        """(function, statement, action) that its role allows and no test of the class has needed. What Lambda itself does by the role is not seen here."""
        by_lambda = {"Log", "Take", "Stream", "Streams", "Failed"}
        return {(name, statement["Sid"], action) for name, function in cls.lambdas.functions.items() for statement in function.proxy.statements if statement["Sid"] not in by_lambda
                for action in statement["Action"] if (statement["Sid"], action) not in function.proxy.used}

    @classmethod
    def sign_up(cls, name, role):
        """As deploy.md has it."""
        cognito = client("cognito-idp")
        cognito.admin_create_user(UserPoolId=cls.pool, Username=name, MessageAction="SUPPRESS",
                                  UserAttributes=[{"Name": "email", "Value": f"{name}@example.com"}, {"Name": "email_verified", "Value": "true"}])
        cognito.admin_set_user_password(UserPoolId=cls.pool, Username=name, Password=PASSWORD, Permanent=True)
        cognito.admin_add_user_to_group(UserPoolId=cls.pool, Username=name, GroupName=role)
        return cognito.admin_initiate_auth(UserPoolId=cls.pool, ClientId=cls.client_id, AuthFlow="ADMIN_USER_PASSWORD_AUTH",
                                           AuthParameters={"USERNAME": name, "PASSWORD": PASSWORD})["AuthenticationResult"]["AccessToken"]

    def run(self, result=None):
        """What the functions logged goes with a failure."""
        failures = len(result.failures) + len(result.errors)
        super().run(result)
        if len(result.failures) + len(result.errors) == failures:
            self.passed.append(self.id())
        else:
            for name, function in self.lambdas.functions.items():
                sys.stderr.write(f"---- {name}: denied {function.proxy.denied}\n{function.output()[-6000:]}\n")

    # ---- what the tests below do ----

    def open_ticket(self, title):
        status, headers, ticket = self.lambdas.http("POST", "/tickets", {"title": title, "description": "Its red light is on."}, self.tokens["ana"])
        self.assertEqual(status, 201, ticket)
        self.assertEqual(headers["location"], f"/tickets/{ticket['ticketId']}")
        return ticket

    def notifications(self, ticket):
        status, _, found = self.lambdas.http("GET", f"/tickets/{ticket['ticketId']}/notifications", token=self.tokens["ana"])
        self.assertEqual(status, 200, found)
        return {n["channel"]: n for n in found["items"]}

    def dead_letters(self, ticket):
        status, _, found = self.lambdas.http("GET", "/dead-letters", token=self.tokens["carla"])
        self.assertEqual(status, 200, found)
        return [letter for letter in found["items"] if letter.get("ticketId") == ticket["ticketId"]]

    def redrive(self, letter):
        status, _, answer = self.lambdas.http("POST", f"/dead-letters/{letter['deadLetterId']}/redrive", token=self.tokens["carla"])
        self.assertIn(status, (200, 202, 204), answer)

    def mails(self, title):
        return [mail for mail in self.mailbox.to("ana@example.com") if title in mail["Subject"] or title in mail.get_body(("plain",)).get_content()]

    def waiting(self):
        """Messages in all queues, however hidden."""
        sqs = client("sqs")
        counts = {}
        for url in sqs.list_queues(QueueNamePrefix=f"{self.stack.name}-")["QueueUrls"]:
            attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
            counts[url.rsplit("/", 1)[1]] = sum(int(attributes[n]) for n in ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed"))
        return {name.removeprefix(f"{self.stack.name}-"): count for name, count in counts.items() if count}

    def outbox(self):
        dynamodb = client("dynamodb")
        return [item for shard in range(16) for item in dynamodb.query(TableName=self.stack.ids["Table"], KeyConditionExpression="pk = :p",
                                                                      ExpressionAttributeValues={":p": {"S": f"O#{shard:02d}"}})["Items"]]

    def write_units(self, since):
        """What the functions have written from there on, as DynamoDB counts it (docs/dynamodb.md): a unit is 1 KB, in a transaction two, an index entry that is new or changed one."""
        units = 0
        for function in self.lambdas.functions.values():
            for target, body, status in function.proxy.requests[since.get(function.name, 0):]:
                actions = body.get("TransactItems", []) if status == 200 and target.endswith(".TransactWriteItems") else []
                for action in actions:
                    item = (action.get("Put") or action.get("Update") or action["Delete"]).get("Item", {})
                    units += 2 * max(1, -(-item_bytes(item) // 1024))
                    is_new = action.get("Put", {}).get("ConditionExpression") == "attribute_not_exists(pk)"
                    units += len(set(item) & set("kspet")) if is_new else 0  # what is put again has its entries already
                if status == 200 and target.endswith(".BatchWriteItem"):
                    units += sum(len(requests) for requests in body["RequestItems"].values())
        return units

    def metrics(self, function):
        """The values of CloudWatch's embedded metrics in its log: (namespace, dimensions, name) → values."""
        found = {}
        for line in self.lambdas.functions[function].lines():
            for directive in line.get("_aws", {}).get("CloudWatchMetrics", []):
                for dimensions in directive["Dimensions"]:
                    for metric in directive["Metrics"]:
                        key = (directive["Namespace"], tuple((d, line[d]) for d in dimensions), metric["Name"])
                        value = line[metric["Name"]]
                        found.setdefault(key, []).extend(value if isinstance(value, list) else [value])
        return found


class Smtp(System):
    parameters = {"EmailProvider": "smtp"}

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        if len(cls.passed) == len([name for name in dir(cls) if name.startswith("test_")]):
            unneeded = cls.unused() - NEEDED_ELSEWHERE
            assert not unneeded, f"allowed, and needed by nothing: {sorted(unneeded)}"

    @classmethod
    def own_parameters(cls):
        return {"SmtpUrl": cls.mailbox.url}

    def test_a_ticket_goes_by_http_through_every_function_to_a_mail(self):
        self.assertEqual(self.lambdas.http("GET", "/healthz")[0], 200)
        self.assertEqual(self.lambdas.http("GET", "/tickets")[0], 401)
        self.assertEqual(self.lambdas.http("GET", "/dead-letters", token=self.tokens["ana"])[0], 403)
        ticket = self.open_ticket("The printer does not print")
        self.assertEqual(ticket["ownerId"], "ana")
        self.lambdas.run()
        self.assertEqual(len(self.mails("The printer does not print")), 1)
        self.assertEqual({c: n["status"] for c, n in self.notifications(ticket).items()}, {"email": "sent", "inapp": "sent"})
        status, _, inbox = self.lambdas.http("GET", "/inbox", token=self.tokens["ana"])
        self.assertIn(ticket["ticketId"], [i["ticketId"] for i in inbox["items"]])
        status, _, listed = self.lambdas.http("GET", "/tickets", token=self.tokens["bruno"], query="status=open")
        self.assertIn(ticket["ticketId"], [t["ticketId"] for t in listed["items"]])
        self.assertEqual((self.waiting(), self.outbox()), ({}, []))

    def test_a_ticket_costs_the_write_units_that_the_documents_say(self):
        since = {f.name: len(f.proxy.requests) for f in self.lambdas.functions.values()}
        self.open_ticket("Impressora não imprime")
        self.lambdas.run()
        units = self.write_units(since)
        (documented,) = re.findall(r"^\| `write_units` \| (\d+) \|", (ROOT / "serverless" / "deploy.md").read_text(), re.MULTILINE)
        print(f"count: {units} write units for a ticket that is told by e-mail and in the app", flush=True)
        self.assertEqual(units, int(documented))

    def test_a_breach_takes_the_urgent_lane_to_agent_and_managers_and_each_step_can_be_looked_at(self):
        ticket = self.open_ticket("Nobody answers")
        self.lambdas.run()
        event = {"event": "TicketSLABreached", "eventId": "0194e2c8-7a10-7c3e-9b5f-2f6d1c8a4e07", "occurredAt": "2026-11-23T13:51:00.000Z", "schemaVersion": 1,
                 "payload": {"ticketId": ticket["ticketId"], "agentId": "bruno", "title": "Nobody answers", "priority": "high", "slaName": "First answer", "dueAt": "2026-11-23T12:00:00.000Z"}}
        status, _, answer = self.lambdas.http("POST", "/events", event, self.tokens["carla"])
        self.assertEqual(status, 202, answer)
        self.assertEqual(self.waiting(), {"router-urgent": 1})
        self.assertEqual(self.lambdas.poll("router-urgent"), (1, 1))
        self.assertLessEqual(set(self.waiting()), {"email-urgent", "inapp-urgent"})
        self.lambdas.run()
        status, _, seen = self.lambdas.http("GET", f"/events/{event['eventId']}", token=self.tokens["bruno"])
        self.assertEqual((status, seen["event"]), (200, "TicketSLABreached"))
        status, _, listed = self.lambdas.http("GET", "/notifications", token=self.tokens["carla"], query=f"eventId={event['eventId']}")
        told = {(n["target"], n["channel"]): n for n in listed["items"]}
        self.assertEqual(told["bruno", "email"]["status"], "sent")
        status, _, detail = self.lambdas.http("GET", f"/notifications/{told['bruno', 'email']['notificationId']}", token=self.tokens["carla"])
        self.assertEqual([a["outcome"] for a in detail["attemptLog"]], ["sent"])
        _, _, inbox = self.lambdas.http("GET", "/inbox", token=self.tokens["bruno"])
        (item,) = [i for i in inbox["items"] if i["ticketId"] == ticket["ticketId"]]
        status, _, answer = self.lambdas.http("POST", f"/inbox/{item['notificationId']}/read", token=self.tokens["bruno"])
        self.assertIn(status, (200, 204), answer)

    def test_the_audit_trail_outside_of_the_table_has_decisions_and_attempts(self):
        ticket = self.open_ticket("The audit sees it")
        self.lambdas.run()
        self.assertGreater(self.lambdas.stream("audit"), 0)
        lines = [line for line in self.lambdas.functions["audit"].lines() if line.get("what") in ("audit", "attempt")]
        self.assertTrue([x for x in lines if x["what"] == "audit" and ticket["eventId"] in json.dumps(x)], "the routing's decision")
        sent = {n["notificationId"] for n in self.notifications(ticket).values()}
        self.assertEqual({x["notificationId"] for x in lines if x["what"] == "attempt"} & sent, sent)

    def test_the_alarms_look_at_metrics_that_the_functions_write(self):
        self.open_ticket("It is measured")
        self.lambdas.run()
        for name in ("email", "inapp"):
            alarm = self.stack.of_type("AWS::CloudWatch::Alarm")[f"{name.capitalize()}Slow"]
            dimensions = tuple((d["Name"], d["Value"]) for d in alarm["Dimensions"])
            values = self.metrics(name)[alarm["Namespace"], dimensions, alarm["MetricName"]]
            self.assertTrue(values and all(v >= 0 for v in values))

    def test_three_failures_make_a_dead_letter_of_which_the_administrator_is_told_and_a_redrive_sends_it(self):
        self.mailbox.refuses, self.mailbox.refused = True, 0
        ticket = self.open_ticket("The mail server is down")
        for _ in range(6):
            self.lambdas.run()
            self.clock.move_on(2)
        self.assertEqual(self.mailbox.refused, 3)
        self.assertEqual(self.notifications(ticket)["email"]["status"], "dead")
        (letter,) = self.dead_letters(ticket)
        self.assertEqual((letter["queue"], letter["reason"], letter["attempts"]), ("email", "attempts_exhausted", 3))
        _, _, inbox = self.lambdas.http("GET", "/inbox", token=self.tokens["carla"])
        self.assertTrue(inbox["items"], "carla is told")
        self.mailbox.refuses = False
        self.redrive(letter)
        self.lambdas.run()
        self.assertEqual(len(self.mails("The mail server is down")), 1)
        self.assertEqual(self.notifications(ticket)["email"]["status"], "sent")
        self.assertEqual((self.dead_letters(ticket), self.waiting()), ([], {}))

    def test_a_message_with_which_the_function_dies_three_times_becomes_a_dead_letter_and_can_be_sent_again(self):
        ticket = self.open_ticket("It dies of it")
        while self.lambdas.poll("router")[0]:
            pass
        for _ in range(3):
            self.assertEqual(self.lambdas.poll("email", crash=True), (1, 0))
            self.clock.move_on(VISIBILITY_S)
        self.assertEqual(self.lambdas.poll("email"), (0, 0))
        self.assertEqual(self.waiting().get("email-dead"), 1)
        self.lambdas.run()
        (letter,) = self.dead_letters(ticket)
        self.assertEqual((letter["queue"], letter["reason"]), ("email", "receives_exhausted"))
        self.assertEqual(self.notifications(ticket)["email"]["status"], "dead")
        self.assertEqual(self.mails("It dies of it"), [])
        self.redrive(letter)
        self.lambdas.run()
        self.assertEqual(len(self.mails("It dies of it")), 1)
        self.assertEqual((self.dead_letters(ticket), self.waiting()), ([], {}))

    def test_what_could_not_be_handed_to_sqs_the_stream_s_relay_sends(self):
        self.lambdas.stream("relay")
        self.lambdas.functions["api"].proxy.out_of_order = lambda target: target.startswith("AmazonSQS.")
        ticket = self.open_ticket("SQS is away")
        self.lambdas.functions["api"].proxy.out_of_order = lambda target: False
        self.assertEqual((self.waiting(), len(self.outbox())), ({}, 1))
        self.assertGreater(self.lambdas.stream("relay"), 0)
        self.assertEqual((self.waiting(), self.outbox()), ({"router": 1}, []))
        self.lambdas.run()
        self.assertEqual(self.notifications(ticket)["email"]["status"], "sent")

    def test_what_the_stream_has_missed_the_schedule_sends(self):
        schedule = self.stack.make_schedule()
        self.lambdas.functions["api"].proxy.out_of_order = lambda target: target.startswith("AmazonSQS.")
        ticket = self.open_ticket("SQS was away for long")
        self.lambdas.functions["api"].proxy.out_of_order = lambda target: False
        self.lambdas.schedule(schedule)
        (item,) = self.outbox()
        self.assertEqual(self.waiting(), {}, "younger than half a minute: it is still its writer's")
        # It has grown old.
        dynamodb = client("dynamodb")
        written_ms, rest = item["sk"]["S"].split("#", 1)
        older = {**item, "sk": {"S": f"{int(written_ms) - 60000:0{len(written_ms)}d}#{rest}"}}
        dynamodb.put_item(TableName=self.stack.ids["Table"], Item=older)
        dynamodb.delete_item(TableName=self.stack.ids["Table"], Key={"pk": item["pk"], "sk": item["sk"]})
        self.lambdas.schedule(schedule)
        self.assertEqual((self.waiting(), self.outbox()), ({"router": 1}, []))
        self.lambdas.run()
        self.assertEqual(self.notifications(ticket)["email"]["status"], "sent")


class Ses(System):
    parameters = {"EmailProvider": "ses", "SesConfigurationSet": "helpdesk"}

    def test_a_ticket_becomes_a_mail_at_ses(self):
        client("sesv2").create_email_identity(EmailIdentity="example.org")
        client("ses").create_configuration_set(ConfigurationSet={"Name": "helpdesk"})
        ticket = self.open_ticket("By SES")
        self.lambdas.run()
        self.assertEqual({c: n["status"] for c, n in self.notifications(ticket).items()}, {"email": "sent", "inapp": "sent"})
        (body,) = [body for target, body, status in self.lambdas.functions["email"].proxy.requests if target.startswith("/v2/email/") and status == 200]
        mail = email.message_from_bytes(base64.b64decode(body["Content"]["Raw"]["Data"]), policy=email.policy.default)
        self.assertEqual((mail["To"], body["ConfigurationSetName"]), ("Ana <ana@example.com>", "helpdesk"))
        self.assertIn("By SES", mail["Subject"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
