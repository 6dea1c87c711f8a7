"""AWS's own clients, one like the other: `call(service, region, action, parameters)` gives what the service answers, or
None where it refuses. Who asks is in the environment's keys."""

import base64
import json
import os
import subprocess

import boto3
import botocore
import botocore.config
import botocore.exceptions

HERE = os.path.dirname(os.path.abspath(__file__))


class Boto3:
    name = "boto3"

    def __init__(self, url, keys):
        self.clients = {}  # loading their models takes a while
        self.options = {"endpoint_url": url, "aws_access_key_id": keys[0], "aws_secret_access_key": keys[1],
                        "config": botocore.config.Config(request_checksum_calculation="when_required",
                                                         retries={"total_max_attempts": 1})}

    def client(self, service, region):
        if (service, region) not in self.clients:
            self.clients[service, region] = boto3.client(service, region_name=region, **self.options)
        return self.clients[service, region]

    def call(self, service, region, action, parameters):
        try:
            return getattr(self.client(service, region), botocore.xform_name(action))(**parameters)
        except botocore.exceptions.ClientError:
            return None

    def close(self):
        pass


class JavaScript:
    name = "AWS's SDK for JavaScript"

    def __init__(self, url, keys):
        environment = {**os.environ, "AWS_ACCESS_KEY_ID": keys[0], "AWS_SECRET_ACCESS_KEY": keys[1]}
        self.process = subprocess.Popen(["node", os.path.join(HERE, "aws_calls.js"), url], env=environment, text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    @staticmethod
    def plain(value):
        if isinstance(value, bytes):
            return {"$bytes": base64.b64encode(value).decode()}
        raise TypeError(value)

    def call(self, service, region, action, parameters):
        call = {"service": service, "region": region, "action": action, "parameters": parameters}
        self.process.stdin.write(json.dumps(call, default=self.plain) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        return answer.get("answer")

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


ALL = (Boto3, JavaScript)
