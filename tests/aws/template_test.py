#!/usr/bin/env python3
"""serverless/template.yaml is valid, gives no function more than its part, and forgets none; and the stack that it makes on moto is what the program expects. Runs under scripts/with-emulators --sam."""
import json
import os
import re
import subprocess
import sys
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent / "support"))
from stack import ROOT, TEMPLATE, Stack, client, translate  # noqa: E402

# Queues have a function of their name; the others read the table's stream.
QUEUES = ["router", "email", "inapp", "dlq"]
FUNCTIONS = QUEUES + ["api", "relay", "audit"]


def as_list(value):
    return value if isinstance(value, list) else [value]


class Lint(unittest.TestCase):
    def run_tool(self, command):
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env={**os.environ, "SAM_CLI_TELEMETRY": "0", "AWS_DEFAULT_REGION": "eu-west-1"})
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_cfn_lint_finds_nothing(self):
        self.run_tool([os.environ["HELPDESK_CFN_LINT"], str(TEMPLATE)])

    def test_sam_validate_finds_nothing(self):
        self.run_tool([os.environ["HELPDESK_SAM"], "validate", "--lint", "--region", "eu-west-1", "--template", str(TEMPLATE)])


class Roles(unittest.TestCase):
    """By hand, on what the translator made: roles that it adds by itself would be seen here, too."""

    @classmethod
    def setUpClass(cls):
        cls.stack = Stack("roles", {"EmailProvider": "ses", "MailIdentity": "example.org", "SesConfigurationSet": "helpdesk"})
        cls.traced = Stack("traced", {"Tracing": "Active"})

    def allowed(self, stack):
        for name, role in stack.of_type("AWS::IAM::Role").items():
            for statement in stack.statements_of(role):
                for resource in as_list(statement["Resource"]):
                    yield name, statement, resource

    def test_no_resource_is_a_wildcard(self):
        table = self.stack.table()["TableArn"]
        own_log = {p["Role"].rsplit("/", 1)[1]: p["FunctionName"] for p in self.stack.functions().values()}
        for name, statement, resource in self.allowed(self.stack):
            if set(statement["Action"]) == {"logs:CreateLogStream", "logs:PutLogEvents"}:
                # Lambda names the streams of a log group.
                self.assertRegex(resource, f":log-group:/aws/lambda/{own_log[self.stack.ids[name]]}:\\*$")
            elif statement["Action"] == ["dynamodb:ListStreams"]:
                self.assertEqual(resource, f"{table}/stream/*")
            else:
                self.assertNotIn("*", resource, f"{name}: {statement}")
            self.assertTrue(resource.startswith("arn:aws:"), f"{name}: {resource}")

    def test_no_action_is_a_wildcard_and_nobody_may_scan(self):
        for name, statement, _ in self.allowed(self.stack):
            self.assertEqual(statement["Effect"], "Allow")
            for action in as_list(statement["Action"]):
                self.assertNotIn("*", action, f"{name}: {statement}")
                self.assertNotIn(action, ["dynamodb:Scan", "dynamodb:DeleteTable", "sqs:PurgeQueue"])

    def test_tracing_adds_its_two_actions_and_nothing_else(self):
        wild = [s for _, s, resource in self.allowed(self.traced) if resource == "*"]
        self.assertEqual(len(wild), len(FUNCTIONS))
        for statement in wild:
            self.assertEqual(statement["Action"], ["xray:PutTraceSegments", "xray:PutTelemetryRecords"])
        self.assertEqual({p["TracingConfig"]["Mode"] for p in self.traced.functions().values()}, {"Active"})

    def test_each_function_has_a_role_of_its_own_which_only_lambda_may_take(self):
        roles = [p["Role"] for p in self.stack.functions().values()]
        self.assertEqual(len(set(roles)), len(FUNCTIONS))
        for name, role in self.stack.of_type("AWS::IAM::Role").items():
            service = "scheduler.amazonaws.com" if name == "SweepRole" else "lambda.amazonaws.com"
            for statement in role["AssumeRolePolicyDocument"]["Statement"]:
                self.assertEqual((statement["Action"], statement["Principal"]), ("sts:AssumeRole", {"Service": service}))

    def test_only_email_sends_mail_and_only_as_the_sender(self):
        senders = {name: as_list(s["Resource"]) for name, s, _ in self.allowed(self.stack) if "ses:SendEmail" in s["Action"]}
        self.assertEqual(list(senders), ["EmailRole"])
        self.assertEqual([r.rsplit(":", 1)[1] for r in senders["EmailRole"]], ["identity/example.org", "configuration-set/helpdesk"])
        self.assertFalse([s for _, s, _ in self.allowed(self.traced) if "ses:SendEmail" in s["Action"]], "a simulated mail needs no permission")

    def test_writers_are_bound_to_the_kinds_of_items_that_are_theirs(self):
        for name, statement, resource in self.allowed(self.stack):
            if {"dynamodb:PutItem", "dynamodb:DeleteItem", "dynamodb:UpdateItem", "dynamodb:BatchWriteItem"} & set(statement["Action"]):
                keys = statement["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]
                self.assertTrue(all(re.fullmatch(r"[A-Z]#\*", k) for k in keys), f"{name}: {keys}")
            if {"dynamodb:DeleteItem", "dynamodb:UpdateItem"} & set(statement["Action"]):
                self.assertEqual(name, "ApiRole", "processors remove and change nothing in place")
            if "dynamodb:BatchWriteItem" in statement["Action"]:
                self.assertEqual(statement["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"], ["O#*"], "its condition is nobody's")
        people = {name for name, s, _ in self.allowed(self.stack) for k in s.get("Condition", {}).get("ForAllValues:StringLike", {}).get("dynamodb:LeadingKeys", []) if k == "U#*"}
        self.assertEqual(people, {"ApiRole"})


class Made(unittest.TestCase):
    """What stands on moto after CloudFormation has made it."""

    @classmethod
    def setUpClass(cls):
        cls.stack = Stack("made", {"AlarmEmail": "ops@example.org", "ApiReserved": 20})
        sqs = client("sqs")
        cls.queues = {}
        for url in sqs.list_queues(QueueNamePrefix="made-")["QueueUrls"]:
            cls.queues[url.rsplit("/made-", 1)[1]] = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        cls.functions = {f["Handler"]: f for f in client("lambda").list_functions()["Functions"] if f["FunctionName"].startswith("made-")}
        cls.mappings = [m for m in client("lambda").list_event_source_mappings()["EventSourceMappings"] if ":function:made-" in m["FunctionArn"]]

    def test_each_queue_has_two_lanes_and_gives_up_after_three_receives(self):
        self.assertEqual(sorted(self.queues), sorted([q + kind for q in QUEUES for kind in ("", "-urgent", "-dead")] + ["failed-records", "failed-sweeps"]))
        for queue in QUEUES:
            for kind in ("", "-urgent"):
                policy = json.loads(self.queues[queue + kind]["RedrivePolicy"])
                self.assertEqual((policy["deadLetterTargetArn"], policy["maxReceiveCount"]), (self.queues[queue + "-dead"]["QueueArn"], 3))
            self.assertNotIn("RedrivePolicy", self.queues[queue + "-dead"])

    def test_queues_are_encrypted_keep_messages_for_14_days_and_outlast_their_function(self):
        for name, attributes in self.queues.items():
            self.assertEqual((attributes["SqsManagedSseEnabled"], attributes["MessageRetentionPeriod"]), ("true", "1209600"), name)
        self.assertFalse(self.stack.of_type("AWS::SQS::QueuePolicy"), "nobody outside of the account has business with the queues")
        for queue in QUEUES:
            for kind in ("", "-urgent"):
                self.assertEqual(int(self.queues[queue + kind]["VisibilityTimeout"]), 6 * self.functions[queue]["Timeout"])
            self.assertEqual(int(self.queues[queue + "-dead"]["VisibilityTimeout"]), 6 * self.functions["dlq"]["Timeout"])

    def test_a_function_takes_from_its_two_queues_and_dlq_from_what_all_gave_up(self):
        wanted = {(q, q + kind) for q in QUEUES for kind in ("", "-urgent")} | {("dlq", q + "-dead") for q in QUEUES}
        taken = set()
        for mapping in self.mappings:
            if ":sqs:" not in mapping["EventSourceArn"]:
                continue
            function = mapping["FunctionArn"].rsplit(":made-", 1)[1]
            taken.add((function, mapping["EventSourceArn"].rsplit(":made-", 1)[1]))
            self.assertEqual(mapping["FunctionResponseTypes"], ["ReportBatchItemFailures"])
            self.assertEqual(mapping["ScalingConfig"]["MaximumConcurrency"], 2 if function == "dlq" else 10)
        self.assertEqual(taken, wanted)

    def test_the_streams_records_go_to_relay_and_audit_which_see_only_theirs(self):
        streams = {m["FunctionArn"].rsplit(":made-", 1)[1]: m for m in self.mappings if ":sqs:" not in m["EventSourceArn"]}
        self.assertEqual(set(streams), {"relay", "audit"})
        for mapping in streams.values():
            self.assertEqual(mapping["EventSourceArn"], self.stack.table()["LatestStreamArn"])
            self.assertEqual(mapping["DestinationConfig"]["OnFailure"]["Destination"], self.queues["failed-records"]["QueueArn"])
            self.assertTrue(mapping["BisectBatchOnFunctionError"] and mapping["MaximumRetryAttempts"] > 0)
            self.assertEqual(mapping["MaximumBatchingWindowInSeconds"], 5)
        patterns = {f: [json.loads(p["Pattern"]) for p in m["FilterCriteria"]["Filters"]] for f, m in streams.items()}
        self.assertEqual([p["dynamodb"]["Keys"]["pk"]["S"][0]["prefix"] for p in patterns["relay"]], ["O#"])
        self.assertEqual([p["dynamodb"]["Keys"]["pk"]["S"][0]["prefix"] for p in patterns["audit"]], ["X#", "N#"])
        self.assertEqual({e for ps in patterns.values() for p in ps for e in p["eventName"]}, {"INSERT"})

    def test_all_functions_are_one_binary_with_the_settings_that_it_reads(self):
        self.assertEqual(sorted(self.functions), sorted(FUNCTIONS))
        for name, function in self.functions.items():
            self.assertEqual((function["Runtime"], function["Architectures"], function["FunctionName"]), ("provided.al2023", ["x86_64"], f"made-{name}"))
            variables = function["Environment"]["Variables"]
            self.assertEqual(variables["HELPDESK_TABLE"], self.stack.ids["Table"])
            self.assertEqual(variables["HELPDESK_QUEUES"], "https://sqs.eu-west-1.amazonaws.com/123456789012/made-")
            unknown = [v for v in variables if v not in (ROOT / "host" / "settings.c").read_text()]
            self.assertEqual(unknown, [])
        reserved = {n: p.get("ReservedConcurrentExecutions") for n, p in self.stack.functions().items()}
        self.assertEqual({n: r for n, r in reserved.items() if r}, {"api": 20})

    def test_each_function_that_the_binary_has_is_deployed_and_each_queue_that_it_serves(self):
        table = re.findall(r'^ +\{"([a-z]+)", +[A-Z0 |]+, +(BATCHES_OF|STREAM|NULL)', (ROOT / "serverless" / "function.c").read_text(), re.MULTILINE)
        self.assertEqual({name for name, _ in table}, set(FUNCTIONS))
        self.assertEqual({name for name, kind in table if kind == "BATCHES_OF"}, set(QUEUES))

    def test_each_function_has_its_log_group_whose_lines_end(self):
        groups = {g["logGroupName"]: g for g in client("logs").describe_log_groups()["logGroups"]}
        for name, function in self.stack.functions().items():
            self.assertEqual(function["LoggingConfig"]["LogGroup"], f"/aws/lambda/made-{name}")
            self.assertEqual(groups[f"/aws/lambda/made-{name}"]["retentionInDays"], 30)
        self.assertEqual(groups["/aws/apigateway/made"]["retentionInDays"], 30)

    def test_the_table_can_be_restored_is_encrypted_and_is_kept_when_the_stack_goes(self):
        (resource,) = [r for r in self.stack.resources.values() if r["Type"] == "AWS::DynamoDB::Table"]
        table = resource["Properties"]
        self.assertEqual((resource["DeletionPolicy"], resource["UpdateReplacePolicy"]), ("Retain", "Retain"))
        self.assertEqual(table["PointInTimeRecoverySpecification"], {"PointInTimeRecoveryEnabled": True})
        self.assertEqual(table["TimeToLiveSpecification"], {"AttributeName": "ttl", "Enabled": True})
        self.assertEqual(table["SSESpecification"], {"SSEEnabled": True})
        self.assertTrue(self.stack.table()["DeletionProtectionEnabled"])
        self.assertEqual(self.stack.table()["StreamSpecification"], {"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"})

    def run_helpdesk(self, command, table, queues):
        environment = {name: value for name, value in os.environ.items() if not name.startswith("HELPDESK_")}
        environment.update(HELPDESK_BACKEND="aws", HELPDESK_TABLE=table, HELPDESK_QUEUES=queues, HELPDESK_JWT_SECRET="0123456789abcdef" * 2)
        done = subprocess.run([os.environ["HELPDESK_BINARY"], command], env=environment, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_the_program_finds_nothing_wrong_with_it(self):
        self.run_helpdesk("check", self.stack.ids["Table"], "made-")

    def test_it_is_what_helpdesk_setup_makes_where_there_is_no_cloudformation(self):
        self.run_helpdesk("setup", "by-setup", "by-setup-")
        by_setup, by_template = client("dynamodb").describe_table(TableName="by-setup")["Table"], self.stack.table()
        for member in ("KeySchema", "StreamSpecification", "BillingModeSummary"):
            self.assertEqual(by_setup[member], by_template[member])
        shape = {name: {i["IndexName"]: (i["KeySchema"], i["Projection"]) for i in table["GlobalSecondaryIndexes"]} for name, table in (("setup", by_setup), ("template", by_template))}
        self.assertEqual(shape["setup"], shape["template"])
        types = [{a["AttributeName"]: a["AttributeType"] for a in table["AttributeDefinitions"]} for table in (by_setup, by_template)]
        self.assertEqual(types[0], types[1])
        sqs = client("sqs")
        made = {url.rsplit("/by-setup-", 1)[1]: sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"] for url in sqs.list_queues(QueueNamePrefix="by-setup-")["QueueUrls"]}
        self.assertEqual(set(made), set(self.queues) - {"failed-records", "failed-sweeps"})
        for name, attributes in made.items():
            for member in ("MessageRetentionPeriod", "SqsManagedSseEnabled"):
                self.assertEqual(attributes[member], self.queues[name][member], name)
            policies = [json.loads(a.get("RedrivePolicy", "{}").replace(prefix, "")) for a, prefix in ((attributes, "by-setup-"), (self.queues[name], "made-"))]
            self.assertEqual({k: str(v) for k, v in policies[0].items()}, {k: str(v) for k, v in policies[1].items()}, name)

    def test_the_schedule_calls_relay_every_minute(self):
        schedule = self.stack.make_schedule()
        self.assertEqual((schedule["ScheduleExpression"], schedule["State"]), ("rate(1 minute)", "ENABLED"))
        target = schedule["Target"]
        self.assertEqual(target["Arn"], self.functions["relay"]["FunctionArn"])
        self.assertEqual(target["DeadLetterConfig"]["Arn"], self.queues["failed-sweeps"]["QueueArn"])
        role = self.stack.of_type("AWS::IAM::Role")["SweepRole"]
        self.assertEqual(target["RoleArn"].rsplit("/", 1)[1], self.stack.ids["SweepRole"])
        called = [s["Resource"] for s in self.stack.statements_of(role) if s["Action"] == ["lambda:InvokeFunction"]]
        self.assertEqual(called, [target["Arn"]])

    def test_alarms_watch_each_queue_each_function_and_the_objective(self):
        alarms = self.stack.make_alarms()
        watched = set()
        for alarm in alarms.values():
            self.assertEqual(alarm["AlarmActions"], [self.stack.ids["Alarms"]])
            for metric in [m["MetricStat"]["Metric"] for m in alarm.get("Metrics", []) if "MetricStat" in m] or [alarm]:
                watched |= {(metric["Namespace"], metric["MetricName"], d["Value"].removeprefix("made-")) for d in metric["Dimensions"]}
        for queue in QUEUES:
            for lane in ("", "-urgent"):
                self.assertIn(("AWS/SQS", "ApproximateNumberOfMessagesVisible", queue + lane), watched)
                self.assertIn(("AWS/SQS", "ApproximateAgeOfOldestMessage", queue + lane), watched)
            self.assertIn(("AWS/SQS", "ApproximateNumberOfMessagesVisible", queue + "-dead"), watched)
        for queue in ("failed-records", "failed-sweeps"):
            self.assertIn(("AWS/SQS", "ApproximateNumberOfMessagesVisible", queue), watched)
        for function in FUNCTIONS:
            self.assertIn(("AWS/Lambda", "Errors", function), watched)
            self.assertIn(("AWS/Lambda", "Throttles", function), watched)
        for function in ("relay", "audit"):
            self.assertIn(("AWS/Lambda", "IteratorAge", function), watched)
        for channel in ("email", "inapp"):
            slow = alarms[f"{channel.capitalize()}Slow"]
            self.assertEqual((slow["Namespace"], slow["ExtendedStatistic"], slow["Threshold"]), ("HelpDesk/made", "p95", 5000.0))
            self.assertEqual(slow["Dimensions"], [{"Name": "Channel", "Value": channel}])

    def test_alarms_reach_a_person_by_a_topic_that_cloudwatch_can_write_to(self):
        (topic,) = self.stack.of_type("AWS::SNS::Topic").values()
        key = self.stack.of_type("AWS::KMS::Key")["AlarmsKey"]
        self.assertEqual(topic["KmsMasterKeyId"].rsplit("/", 1)[1], self.stack.ids["AlarmsKey"])
        allowed = {s["Principal"].get("Service"): s["Action"] for s in key["KeyPolicy"]["Statement"]}
        self.assertEqual(allowed["cloudwatch.amazonaws.com"], ["kms:Decrypt", "kms:GenerateDataKey"])
        (subscription,) = self.stack.of_type("AWS::SNS::Subscription").values()
        self.assertEqual((subscription["Protocol"], subscription["Endpoint"]), ("email", "ops@example.org"))
        for statement in self.stack.of_type("AWS::SNS::TopicPolicy")["AlarmsPolicy"]["PolicyDocument"]["Statement"]:
            self.assertEqual(statement["Principal"], {"Service": "cloudwatch.amazonaws.com"})

    def test_the_dashboard_is_one_that_cloudwatch_can_read(self):
        body = json.loads(self.stack.of_type("AWS::CloudWatch::Dashboard")["Dashboard"]["DashboardBody"])
        shown = json.dumps(body)
        for name in QUEUES:
            self.assertIn(f'"made-{name}-urgent"', shown)
        self.assertGreater(len(body["widgets"]), 5)


class Api(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        template = translate()
        (api,) = [r for r in template["Resources"].values() if r["Type"] == "AWS::ApiGatewayV2::Api"]
        cls.paths = api["Properties"]["Body"]["paths"]
        cls.schemes = api["Properties"]["Body"]["components"]["securitySchemes"]

    def test_all_but_what_is_anybodys_wants_a_token_of_the_pool(self):
        public = {(method.upper(), path) for path, methods in self.paths.items() for method, operation in methods.items()
                  if operation.get("security") in (None, [], [{"NONE": []}])}
        table = (ROOT / "producer" / "routes.c").read_text()
        anybody = {(m, p.replace("{path}", "{proxy+}")) for m, p in re.findall(r'\{"([A-Z]+)", "([^"]+)", "[A-Za-z]+", ANYBODY', table)}
        self.assertEqual(public, anybody - {("POST", "/auth/demo")}, "of the program's public routes all but the demo's sign-in are public here")
        self.assertEqual(self.paths["/{proxy+}"]["x-amazon-apigateway-any-method"]["security"], [{"People": []}])

    def test_tokens_are_the_pools_and_for_its_client(self):
        configuration = self.schemes["People"]["x-amazon-apigateway-authorizer"]["jwtConfiguration"]
        self.assertEqual(configuration["audience"], [{"Ref": "PeopleClient"}])
        self.assertIn("${People}", configuration["issuer"]["Fn::Sub"])


class People(unittest.TestCase):
    def test_a_person_is_who_the_administrator_said_and_cannot_say_otherwise(self):
        stack = Stack("people")
        pool, client_id = stack.make_people()
        cognito = client("cognito-idp")
        self.assertEqual({g["GroupName"] for g in cognito.list_groups(UserPoolId=pool)["Groups"]}, {"customer", "agent", "manager", "admin", "service"})
        description = cognito.describe_user_pool(UserPoolId=pool)["UserPool"]
        self.assertTrue(description["AdminCreateUserConfig"]["AllowAdminCreateUserOnly"])
        self.assertFalse([a for a in description["SchemaAttributes"] if a["Name"].startswith("custom:")])
        app = cognito.describe_user_pool_client(UserPoolId=pool, ClientId=client_id)["UserPoolClient"]
        self.assertEqual(set(app["WriteAttributes"]), {"name", "locale"})
        self.assertNotIn("ALLOW_USER_PASSWORD_AUTH", app["ExplicitAuthFlows"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
