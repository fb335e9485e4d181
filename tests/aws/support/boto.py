"""boto.py SERVICE OPERATION < parameters as JSON: calls it by boto3, prints the answer as JSON."""
import json
import sys

import boto3

print(json.dumps(getattr(boto3.client(sys.argv[1]), sys.argv[2])(**json.load(sys.stdin)), default=str))
