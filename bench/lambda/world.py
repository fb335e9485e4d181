"""What the functions find: a table with customers and their new tickets, and the messages about them, as HelpDesk's own `api` function left them on the emulators; then many more tickets of the same
shape, so that no batch meets one that is known."""

import base64
import json
import os

import boto3
from boto3.dynamodb.types import Binary

import tickets

TABLE = "helpdesk"
QUEUES = "helpdesk-"
CUSTOMERS = 16
MODEL_TICKETS = 16
BATCH = 10
BATCH_WRITE = 25
INDEXES = {"by-kind": "k", "by-state": "s", "by-person": "p", "by-event": "e", "by-ticket": "t"}
REGION = os.environ.get("AWS_REGION", "eu-west-1")
ACCOUNT = "123456789012"


def clients():
    return boto3.client("dynamodb"), boto3.client("sqs")


def make_services():
    """The table and the queues that `api` and `router` want (docs/dynamodb.md has all of them)."""
    dynamodb, sqs = clients()
    dynamodb.create_table(
        TableName=TABLE,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk", "o", *INDEXES.values())],
        KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in (("pk", "HASH"), ("sk", "RANGE"))],
        GlobalSecondaryIndexes=[
            {
                "IndexName": name,
                "KeySchema": [{"AttributeName": key, "KeyType": "HASH"}, {"AttributeName": "o", "KeyType": "RANGE"}],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }
            for name, key in INDEXES.items()
        ],
    )
    for name in ("router", "email", "inapp", "dlq"):
        for lane in ("", "-urgent", "-dead"):
            sqs.create_queue(QueueName=f"{QUEUES}{name}{lane}")


def http_event(method, path, body, user, role):
    """As API Gateway sends it, with a token that it has verified."""
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"content-type": "application/json"},
        "requestContext": {
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "bench"},
            "authorizer": {"jwt": {"claims": {"sub": user, "cognito:groups": f"[{role}]"}, "scopes": None}},
            "requestId": "bench",
            "stage": "$default",
        },
        "body": body,
        "isBase64Encoded": False,
    }


def opening_events():
    """HTTP events: the customers, then their tickets."""
    customers = tickets.users()[:CUSTOMERS]
    events = [http_event("POST", "/users", json.dumps(customer), "bench-admin", "admin") for customer in customers]
    for number in range(MODEL_TICKETS):
        customer = customers[number % CUSTOMERS]
        body = tickets.ticket_body(number % CUSTOMERS, number).decode()
        events.append(http_event("POST", "/tickets", body, customer["userId"], "customer"))
    return events


def encode(value):
    if isinstance(value, Binary):
        value = value.value
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    raise TypeError(value)


def decode(item):
    return {name: {"B": base64.b64decode(value["B"])} if "B" in value else value for name, value in item.items()}


def all_items():
    """Texts of DynamoDB's JSON; a scan, which only a benchmark may."""
    dynamodb, _ = clients()
    pages = dynamodb.get_paginator("scan").paginate(TableName=TABLE)
    return [json.dumps(item, default=encode, ensure_ascii=False) for page in pages for item in page["Items"]]


def router_messages():
    _, sqs = clients()
    url = sqs.get_queue_url(QueueName=f"{QUEUES}router")["QueueUrl"]
    found = []
    while True:
        taken = sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, MessageSystemAttributeNames=["All"], MessageAttributeNames=["All"]
        ).get("Messages", [])
        if not taken:
            return found
        found += taken


class World:
    """items: the customers, and count tickets with their events; batches: SQS events of ten messages about them."""

    def __init__(self, items, messages, count):
        parsed = [(json.loads(text), text) for text in items]
        self.items = [text for item, text in parsed if item["pk"]["S"].startswith(("U#", "E#"))]
        events = {item["pk"]["S"][2:]: (item, text) for item, text in parsed if item["sk"]["S"] == "V"}
        ticket_texts = {item["pk"]["S"][2:]: text for item, text in parsed if item["sk"]["S"] == "T"}
        self.messages = []
        for number in range(count):
            message = messages[number % len(messages)]
            event_id = json.loads(message["Body"])["eventId"]
            event, event_text = events[event_id]
            ticket_id = event["ticket_id"]["S"]
            renamed = {event_id: self.another(event_id, number), ticket_id: self.another(ticket_id, number)}
            self.items += [self.rename(ticket_texts[ticket_id], renamed), self.rename(event_text, renamed)]
            self.messages.append({**message, "Body": self.rename(message["Body"], renamed), "MessageId": self.another(event_id, number)})

    @staticmethod
    def another(old, number):
        return f"{old[:24]}{number:012x}"

    @staticmethod
    def rename(text, renamed):
        for old, new in renamed.items():
            text = text.replace(old, new)
        return text

    def put_items(self):
        """Into the emulators' table, too."""
        dynamodb, _ = clients()
        requests = [{"PutRequest": {"Item": decode(json.loads(text))}} for text in self.items]
        for at in range(0, len(requests), BATCH_WRITE):
            dynamodb.batch_write_item(RequestItems={TABLE: requests[at : at + BATCH_WRITE]})

    def batches(self):
        return [sqs_event(self.messages[at : at + BATCH]) for at in range(0, len(self.messages), BATCH)]


def sqs_event(messages):
    """As Lambda's event source mapping sends it."""
    return {
        "Records": [
            {
                "messageId": message["MessageId"],
                "receiptHandle": message["ReceiptHandle"],
                "body": message["Body"],
                "attributes": {**message["Attributes"], "ApproximateReceiveCount": "1"},
                "messageAttributes": {
                    name: {"stringValue": value["StringValue"], "stringListValues": [], "binaryListValues": [], "dataType": value["DataType"]}
                    for name, value in message.get("MessageAttributes", {}).items()
                },
                "md5OfBody": "00000000000000000000000000000000",
                "eventSource": "aws:sqs",
                "eventSourceARN": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{QUEUES}router",
                "awsRegion": REGION,
            }
            for message in messages
        ]
    }
