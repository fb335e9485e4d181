"""serverless/template.yaml as the stack that it becomes: translated by AWS's own translator, created by moto's CloudFormation; what moto's CloudFormation does not know (alarms, the schedule, people)
is made through the services' own APIs, from the properties that the template gives. Runs in the Python of HELPDESK_SAM_PYTHON."""
import io
import json
import os
import re
import zipfile
from pathlib import Path

import boto3
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

ROOT = Path(__file__).resolve().parents[3]
TEMPLATE = ROOT / "serverless" / "template.yaml"
ACCOUNT = "123456789012"  # moto's
REGION = os.environ.get("AWS_REGION", "eu-west-1")
CODE = {"Bucket": "helpdesk-code", "Key": "lambda.zip"}
NOTHING = object()  # AWS::NoValue


def client(service):
    return boto3.client(service, region_name=REGION)


def translate(parameters=None):
    """The template as plain CloudFormation."""
    template = yaml_parse(TEMPLATE.read_text())
    template["Globals"]["Function"]["CodeUri"] = CODE

    class NoManagedPolicies:
        @staticmethod
        def load():
            return {}

    os.environ.setdefault("AWS_DEFAULT_REGION", REGION)
    return transform(template, parameters or {}, NoManagedPolicies())


class Stack:
    """One that was created. resources: by logical name, their conditions applied and all functions in their properties resolved."""

    def __init__(self, name, parameters=None, called_by_moto=True):
        """called_by_moto: its functions are called by moto's event sources, in containers; False, where a test plays these."""
        self.name = name
        self.template = translate(parameters)
        self.parameters = {n: (parameters or {}).get(n, p.get("Default")) for n, p in self.template["Parameters"].items()}
        self.ids = {}
        self._create(parameters or {}, () if called_by_moto else ("AWS::Lambda::EventSourceMapping",))
        self._resolve_all()

    def _resolve_all(self):
        conditions = self.template["Conditions"]
        self._conditions = {n: None for n in conditions}
        for n in conditions:
            self._conditions[n] = self.resolve(conditions[n])
        self.resources = {
            n: {**r, "Properties": self.resolve(r.get("Properties", {}))}
            for n, r in self.template["Resources"].items()
            if "Condition" not in r or self._conditions[r["Condition"]]
        }
        self.outputs = {n: self.resolve(o["Value"]) for n, o in self.template["Outputs"].items()}

    def _create(self, parameters, but):
        s3, cloudformation = client("s3"), client("cloudformation")
        if CODE["Bucket"] not in [b["Name"] for b in s3.list_buckets()["Buckets"]]:
            s3.create_bucket(Bucket=CODE["Bucket"], CreateBucketConfiguration={"LocationConstraint": REGION})
            code = io.BytesIO()
            with zipfile.ZipFile(code, "w") as archive:
                archive.writestr("bootstrap", "")
            s3.put_object(Bucket=CODE["Bucket"], Key=CODE["Key"], Body=code.getvalue())
        cloudformation.create_stack(
            StackName=self.name,
            TemplateBody=json.dumps({**self.template, "Resources": {n: r for n, r in self.template["Resources"].items() if r["Type"] not in but}}),
            Parameters=[{"ParameterKey": k, "ParameterValue": str(v)} for k, v in parameters.items()],
            Capabilities=["CAPABILITY_IAM"],
        )
        made = cloudformation.describe_stacks(StackName=self.name)["Stacks"][0]
        assert made["StackStatus"] == "CREATE_COMPLETE", made
        for page in cloudformation.get_paginator("list_stack_resources").paginate(StackName=self.name):
            self.ids.update({r["LogicalResourceId"]: r["PhysicalResourceId"] for r in page["StackResourceSummaries"]})
        self.made = set(self.ids)
        # moto's CloudFormation passes these two over.
        dynamodb, table = client("dynamodb"), self.template["Resources"]["Table"]["Properties"]
        dynamodb.update_time_to_live(TableName=self.ids["Table"], TimeToLiveSpecification=table["TimeToLiveSpecification"])
        dynamodb.update_continuous_backups(TableName=self.ids["Table"], PointInTimeRecoverySpecification=table["PointInTimeRecoverySpecification"])

    def of_type(self, kind):
        return {n: r["Properties"] for n, r in self.resources.items() if r["Type"] == kind}

    # ---- CloudFormation's functions ----

    def resolve(self, value):
        if isinstance(value, list):
            return [v for v in map(self.resolve, value) if v is not NOTHING]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            (function, argument), = value.items()
            method = {"Ref": self._ref, "Fn::GetAtt": self._get_att, "Fn::Sub": self._sub, "Fn::If": self._if, "Fn::Join": self._join, "Fn::Equals": self._equals,
                      "Fn::Not": lambda a: not self.resolve(a[0]), "Condition": lambda n: self._conditions[n]}.get(function)
            if method and not (function == "Condition" and not isinstance(argument, str)):
                return method(argument)
        return {k: v for k, v in ((k, self.resolve(v)) for k, v in value.items()) if v is not NOTHING}

    def _ref(self, name):
        pseudo = {"AWS::StackName": self.name, "AWS::Region": REGION, "AWS::AccountId": ACCOUNT, "AWS::Partition": "aws", "AWS::URLSuffix": "amazonaws.com", "AWS::NoValue": NOTHING}
        if name in pseudo:
            return pseudo[name]
        return self.parameters[name] if name in self.parameters else self.ids.setdefault(name, f"{self.name}-{name}")

    def _sub(self, argument):
        text, own = argument if isinstance(argument, list) else (argument, {})

        def replace(match):
            name = match.group(1)
            if name in own:
                return str(self.resolve(own[name]))
            return str(self._get_att(name.split(".", 1)) if "." in name else self._ref(name))
        return re.sub(r"\$\{([A-Za-z0-9:.]+)\}", replace, text)

    def _if(self, argument):
        condition, yes, no = argument
        return self.resolve(yes if self._conditions[condition] else no)

    def _join(self, argument):
        return argument[0].join(self.resolve(argument[1]))

    def _equals(self, argument):
        return str(self.resolve(argument[0])) == str(self.resolve(argument[1]))

    def _get_att(self, argument):
        name, attribute = argument
        resource = self.template["Resources"][name]
        kind, own = resource["Type"], resource.get("Properties", {})

        def arn(service, tail):
            return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{tail}"
        answers = {
            ("AWS::SQS::Queue", "Arn"): lambda: arn("sqs", self.resolve(own["QueueName"])),
            ("AWS::SQS::Queue", "QueueName"): lambda: self.resolve(own["QueueName"]),
            ("AWS::Lambda::Function", "Arn"): lambda: arn("lambda", "function:" + self.resolve(own["FunctionName"])),
            ("AWS::Logs::LogGroup", "Arn"): lambda: arn("logs", f"log-group:{self.resolve(own['LogGroupName'])}:*"),
            ("AWS::IAM::Role", "Arn"): lambda: f"arn:aws:iam::{ACCOUNT}:role/{self._ref(name)}",
            ("AWS::KMS::Key", "Arn"): lambda: arn("kms", "key/" + self._ref(name)),
            ("AWS::DynamoDB::Table", "Arn"): lambda: self.table()["TableArn"],
            ("AWS::DynamoDB::Table", "StreamArn"): lambda: self.table()["LatestStreamArn"],
        }
        return answers[kind, attribute]()

    # ---- what tests ask of it ----

    def table(self):
        return client("dynamodb").describe_table(TableName=self.ids["Table"])["Table"]

    def functions(self):
        """By handler: environment, role and the rest of its properties."""
        return {p["Handler"]: p for p in self.of_type("AWS::Lambda::Function").values()}

    def statements(self, handler):
        """All that the function's role allows; what its managed policies of this template do, too."""
        role = self.of_type("AWS::IAM::Role")[self.functions()[handler]["Role"].rsplit("/", 1)[1].replace(f"{self.name}-", "").rsplit("-", 1)[0]]
        return self.statements_of(role)

    def statements_of(self, role):
        statements = [s for policy in role.get("Policies", []) for s in policy["PolicyDocument"]["Statement"]]
        for managed in role.get("ManagedPolicyArns", []):
            named = [n for n in self.of_type("AWS::IAM::ManagedPolicy") if self.ids.get(n) == managed]
            assert named, f"{managed} is a policy of somebody else's"
            statements += self.of_type("AWS::IAM::ManagedPolicy")[named[0]]["PolicyDocument"]["Statement"]
        return statements

    def put_outputs(self, values):
        """CloudFormation then tells these outputs, and all others as they are resolved here."""
        outputs = {n: {**o, "Value": values.get(n, self.outputs[n])} for n, o in self.template["Outputs"].items()}
        resources = {n: r for n, r in self.template["Resources"].items() if n in self.made}
        client("cloudformation").update_stack(StackName=self.name, TemplateBody=json.dumps({**self.template, "Resources": resources, "Outputs": outputs}), Capabilities=["CAPABILITY_IAM"])

    def make_schedule(self):
        (properties,) = self.of_type("AWS::Scheduler::Schedule").values()
        client("scheduler").create_schedule(**properties)
        return client("scheduler").get_schedule(Name=properties["Name"])

    def make_alarms(self):
        cloudwatch = client("cloudwatch")
        for name, alarm in self.of_type("AWS::CloudWatch::Alarm").items():
            cloudwatch.put_metric_alarm(AlarmName=f"{self.name}-{name}", **alarm)
        return {a["AlarmName"].removeprefix(f"{self.name}-"): a
                for page in cloudwatch.get_paginator("describe_alarms").paginate() for a in page["MetricAlarms"] if a["AlarmName"].startswith(f"{self.name}-")}

    def make_people(self):
        """The pool, its client and its groups; gives the ids of pool and client, which the API's authorizer then has, too."""
        cognito = client("cognito-idp")
        (pool,) = self.of_type("AWS::Cognito::UserPool").values()
        renamed = {"UserPoolName": "PoolName"}
        pool_id = cognito.create_user_pool(**{renamed.get(k, k): v for k, v in pool.items()})["UserPool"]["Id"]
        (pool_client,) = self.of_type("AWS::Cognito::UserPoolClient").values()
        client_id = cognito.create_user_pool_client(**{**pool_client, "UserPoolId": pool_id})["UserPoolClient"]["ClientId"]
        for group in self.of_type("AWS::Cognito::UserPoolGroup").values():
            cognito.create_group(**{**group, "UserPoolId": pool_id})
        self.ids.update(People=pool_id, PeopleClient=client_id)
        self._resolve_all()
        return pool_id, client_id
