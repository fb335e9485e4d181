"""What the other tests rely on in their emulators: DynamoDB's transactions as its documents promise them, and a clock that all of them follow. Runs under
scripts/with-emulators --sqs elasticmq --movable-clock."""
import json
import os
import subprocess
import threading
import unittest
import urllib.request

import boto3

ENDPOINT = os.environ["AWS_ENDPOINT_URL"]
START_MS = 1790000000000


def set_clock(**to):
    method = "PUT" if to else "DELETE"
    urllib.request.urlopen(urllib.request.Request(os.environ["HELPDESK_EMULATOR_CLOCK"], method=method, data=json.dumps(to).encode())).close()


class Transactions(unittest.TestCase):
    def setUp(self):
        self.dynamodb = boto3.client("dynamodb")
        self.table = self.id().rsplit(".", 1)[1]
        self.dynamodb.create_table(TableName=self.table, BillingMode="PAY_PER_REQUEST",
                                   KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
                                   AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
                                   StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"})

    def put(self, key, value="1", condition=None):
        return {"Put": {"TableName": self.table, "Item": {"pk": {"S": key}, "sk": {"S": "x"}, "value": {"S": value}},
                        **({"ConditionExpression": condition} if condition else {})}}

    def update(self, key, value):
        return {"Update": {"TableName": self.table, "Key": {"pk": {"S": key}, "sk": {"S": "x"}}, "UpdateExpression": "SET #v = :v",
                           "ExpressionAttributeNames": {"#v": "value"}, "ExpressionAttributeValues": {":v": {"S": value}}}}

    def write(self, *items, **options):
        self.dynamodb.transact_write_items(TransactItems=list(items), **options)

    def items(self):
        return {item["pk"]["S"]: item["value"]["S"] for item in self.dynamodb.scan(TableName=self.table)["Items"]}

    def stream(self):
        streams = boto3.client("dynamodbstreams")
        arn = self.dynamodb.describe_table(TableName=self.table)["Table"]["LatestStreamArn"]
        shard = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"][0]["ShardId"]
        start = streams.get_shard_iterator(StreamArn=arn, ShardId=shard, ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
        return [record["dynamodb"]["Keys"]["pk"]["S"] for record in streams.get_records(ShardIterator=start)["Records"]]

    def test_one_that_fails_takes_back_all_that_it_wrote_and_says_which_condition_it_was(self):
        self.write(self.put("old", "before"), self.put("gone"))
        delete = {"Delete": {"TableName": self.table, "Key": {"pk": {"S": "gone"}, "sk": {"S": "x"}}}}
        with self.assertRaises(self.dynamodb.exceptions.TransactionCanceledException) as failed:
            self.write(self.put("new"), self.update("old", "after"), delete, self.put("gone2", condition="attribute_exists(pk)"))
        self.assertEqual([reason["Code"] for reason in failed.exception.response["CancellationReasons"]], ["None"] * 3 + ["ConditionalCheckFailed"])
        self.assertEqual(self.items(), {"old": "before", "gone": "1"})
        self.assertEqual(self.stream(), ["old", "gone"])

    def test_one_that_fails_leaves_what_others_wrote_meanwhile(self):
        self.write(self.put("taken"))
        rounds, failures = 40, []

        def fail():
            for _ in range(rounds):
                try:
                    self.write(self.put("never"), self.put("taken", condition="attribute_not_exists(pk)"))
                except self.dynamodb.exceptions.TransactionCanceledException:
                    failures.append(1)

        thread = threading.Thread(target=fail)
        thread.start()
        for number in range(rounds):
            self.write(self.put(f"other-{number}"))
        thread.join()
        self.assertEqual(len(failures), rounds)
        self.assertEqual(len(self.items()), 1 + rounds)

    def test_the_same_token_again_writes_nothing_again(self):
        self.write(self.put("a"), ClientRequestToken="token-1")
        self.write(self.put("a", "changed"))
        self.write(self.put("a"), ClientRequestToken="token-1")
        self.assertEqual(self.items(), {"a": "changed"})
        with self.assertRaises(self.dynamodb.exceptions.IdempotentParameterMismatchException):
            self.write(self.put("b"), ClientRequestToken="token-1")

    def test_a_token_counts_only_if_its_transaction_happened(self):
        for _ in range(2):
            with self.assertRaises(self.dynamodb.exceptions.TransactionCanceledException):
                self.write(self.put("a", condition="attribute_exists(pk)"), ClientRequestToken="token-2")
        self.write(self.put("a"))
        self.write(self.put("a", "2", "attribute_exists(pk)"), ClientRequestToken="token-2")
        self.assertEqual(self.items(), {"a": "2"})


class Time(unittest.TestCase):
    def tearDown(self):
        set_clock()

    def test_queues_live_by_the_clock_to_the_second(self):
        for endpoint in (ENDPOINT, os.environ["AWS_ENDPOINT_URL_SQS"]):
            with self.subTest(endpoint):
                self.look_at_queue(boto3.client("sqs", endpoint_url=endpoint))

    def look_at_queue(self, sqs):
        now_ms = START_MS
        set_clock(nowMs=now_ms)
        url = sqs.create_queue(QueueName="clock")["QueueUrl"]

        def taken():
            return sqs.receive_message(QueueUrl=url, VisibilityTimeout=60, AttributeNames=["All"]).get("Messages") or []

        def passes(seconds):
            nonlocal now_ms
            now_ms += seconds * 1000
            set_clock(nowMs=now_ms)

        sqs.send_message(QueueUrl=url, MessageBody="x", DelaySeconds=5)
        passes(4)
        self.assertEqual(taken(), [])
        passes(1)
        first = taken()[0]["Attributes"]
        self.assertEqual((first["SentTimestamp"], first["ApproximateReceiveCount"]), (str(START_MS), "1"))
        passes(59)
        self.assertEqual(taken(), [])
        passes(1)
        self.assertEqual(taken()[0]["Attributes"]["ApproximateReceiveCount"], "2")

    def test_a_process_lives_by_it_if_it_is_told_to(self):
        def told():
            environment = dict(os.environ, **dict(word.split("=", 1) for word in os.environ["HELPDESK_EMULATOR_TIME"].split(" ")))
            return int(subprocess.run(["date", "+%s"], env=environment, capture_output=True, text=True, check=True).stdout)

        real = told()
        set_clock(nowMs=START_MS)
        self.assertEqual(told(), START_MS // 1000)
        set_clock(offsetMs=7200 * 1000)
        self.assertGreaterEqual(told(), real + 7200)
        set_clock()
        self.assertLess(told(), real + 7200)


if __name__ == "__main__":
    unittest.main(verbosity=2)
