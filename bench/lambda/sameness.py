"""Whether two functions asked the same of the services, from what the stand-in wrote down."""

import json
from os.path import commonprefix

SHOWN_CHARS = 200
TIMES = {"at_ms", "created_at_ms", "updated_at_ms", "o"}
ANY_TIME = {"N": "(a time)"}


def canonical(value):
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def item(value):
    """An item without what differs from run to run: times, and the outbox's key, which is by chance."""
    found = {name: ("(a time)" if name in TIMES else attribute) for name, attribute in value.items()}
    if value["pk"]["S"].startswith("O#"):
        found["pk"] = found["sk"] = "(of the outbox)"
        found["m"] = [{**message["M"], "e": ANY_TIME, "d": ANY_TIME} for message in value["m"]["L"]]
    return found


def key(value):
    return f"{value['pk']['S']} {value['sk']['S']}"


def transaction(body):
    puts = [action["Put"] for action in body["TransactItems"]]
    return canonical([[item(put["Item"]), put["TableName"], put.get("ConditionExpression")] for put in puts])


def entry(value):
    attributes = {name: attribute["DataType"] for name, attribute in value["MessageAttributes"].items()}
    return canonical([value["MessageBody"], attributes, value.get("DelaySeconds", 0)])


class Asked:
    """reads: which items were read; transactions: which were made; messages: by queue; deletes: how many of the outbox; counts: requests by their target."""

    def __init__(self, path):
        self.reads, self.transactions, self.messages, self.deletes, self.counts = set(), [], [], 0, {}
        for line in path.read_text().splitlines():
            target, _, text = line.partition(" ")
            operation = target.split(".")[-1]
            self.counts[operation] = self.counts.get(operation, 0) + 1
            self.take(operation, json.loads(text))
        self.transactions.sort()
        self.messages.sort()

    def take(self, operation, body):
        if operation == "GetItem":
            self.reads.add(key(body["Key"]))
        elif operation == "BatchGetItem":
            self.reads |= {key(each) for table in body["RequestItems"].values() for each in table["Keys"]}
        elif operation == "TransactWriteItems":
            self.transactions.append(transaction(body))
        elif operation == "SendMessageBatch":
            queue = body["QueueUrl"].rsplit("/", 1)[-1]
            self.messages += [f"{queue} {entry(each)}" for each in body["Entries"]]
        elif operation == "BatchWriteItem":
            requests = [request for table in body["RequestItems"].values() for request in table]
            self.deletes += sum(1 for request in requests if request["DeleteRequest"]["Key"]["pk"]["S"].startswith("O#"))
        elif operation != "GetQueueUrl":
            raise ValueError(f"{operation} is not compared")


def where(a, b):
    """The first texts that differ, from shortly before they do."""
    if not a or not b:
        return f"{(a or b)[0][:SHOWN_CHARS]} is asked by one only"
    start = max(0, len(commonprefix([a[0], b[0]])) - SHOWN_CHARS // 4)
    return f"HelpDesk …{a[0][start:][:SHOWN_CHARS]}… and the peer …{b[0][start:][:SHOWN_CHARS]}…"


def difference(ours, theirs):
    """A sentence, or None when they asked the same."""
    for what in ("reads", "transactions", "messages"):
        a, b = list(getattr(ours, what)), list(getattr(theirs, what))
        only_ours, only_theirs = sorted(set(a) - set(b)), sorted(set(b) - set(a))
        if only_ours or only_theirs or len(a) != len(b):
            return f"{what} differ: {len(a)} of HelpDesk, {len(b)} of the peer; {where(only_ours, only_theirs)}"
    if ours.deletes != theirs.deletes:
        return f"deletes from the outbox differ: {ours.deletes} of HelpDesk, {theirs.deletes} of the peer"
    return None
