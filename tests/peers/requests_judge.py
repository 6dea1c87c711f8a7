#!/usr/bin/env python3
"""What uni asks EBS and EC2 for, field by field beside what AWS's own clients ask for with the same meaning.

All go to strict doubles, which keep every request; of each action the fields that uni sends must be those that boto3, and
@aws-sdk/client-ebs and client-ec2, make of the parameters that the NAME.ami folder holds."""

import base64
import collections
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests/aws"))
import aws_clients  # noqa: E402
import double  # noqa: E402
import ec2_judge  # noqa: E402

REGION, OTHER, SECRET = "eu-central-1", "us-east-1", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
ACCOUNT = "123456789012"
# What differs from call to call, or from client to client, and says nothing of what is asked for.
TRANSPORT = {"authorization", "host", "user-agent", "x-amz-user-agent", "accept", "accept-encoding", "amz-sdk-invocation-id",
             "amz-sdk-request", "x-amz-date", "x-amz-content-sha256", "content-length", "expect", "content-type",
             "connection"}


class Uni:
    """uni, and the account that it works in."""

    def __init__(self, work):
        self.work, self.account = work, double.Account()
        self.server = double.start(self.account)
        self.env = {k: v for k, v in os.environ.items() if not k.startswith(("UNI_", "XDG_", "AWS_"))}
        self.env.update(UNI_CACHE=work + "/store", UNI_INDEX=work + "/no-index", XDG_STATE_HOME=work + "/state",
                        HOME=work + "/home", no_proxy="127.0.0.1", AWS_ENDPOINT_URL=self.server.url,
                        AWS_ACCESS_KEY_ID="AKIDEXAMPLE", AWS_SECRET_ACCESS_KEY=SECRET, AWS_EC2_METADATA_DISABLED="true")

    def run(self, *words):
        return subprocess.run([ec2_judge.UNI, *words], check=True, cwd=self.work, env=self.env, text=True,
                              stdout=subprocess.PIPE).stdout

    def calls(self, action):
        """Of that action, in order; those about block maps aside."""
        return [call for call in self.account.calls if call["action"] == action and not call["map"]]

    def story(self):
        """Everything that uni asks for: an image in two regions, a machine, a push that builds on another machine's."""
        self.run("push", "out/judged.ami", f"ec2://{REGION},{OTHER}/", "--share", ACCOUNT, "--wait")
        machine = self.run("run", f"ec2://{REGION}/{self.image('Name')}", "--security-group", "sg-1", "--subnet",
                           "subnet-1").strip()
        self.run("ps", f"ec2://{REGION}")
        self.run("logs", machine)
        self.run("stop", machine)
        self.env["XDG_STATE_HOME"] = self.work + "/another"
        self.run("push", "out/judged.ami", f"ec2://{REGION}/renamed")
        for state in ("one", "two"):
            self.env["XDG_STATE_HOME"] = f"{self.work}/{state}"
            self.run("volume", "push", "out/judged.state.raw", f"ec2://{REGION}/data")
        self.run("ami", "list", f"ec2://{REGION}")
        self.run("ami", "deregister", f"ec2://{REGION}/{self.image('Name')}")

    def image(self, key):
        with open(os.path.join(self.work, "out/judged.ami/register-image.json"), encoding="utf-8") as f:
            return json.load(f)[key]


def folder_calls(uni):
    """The image's making, from what its folder holds: (service, region, action, parameters)."""
    with open(os.path.join(uni.work, "out/judged.ami/register-image.json"), encoding="utf-8") as f:
        request = json.load(f)
    tags = request["TagSpecifications"][0]["Tags"]
    register = uni.calls("RegisterImage")[0]["form"]
    for n, folder in enumerate(["", "volumes/state", "volumes/www"]):
        folder = os.path.join(uni.work, "out/judged.ami", folder)
        with open(os.path.join(folder, "block-map.json"), encoding="ascii") as f:
            block_map = json.load(f)
        snapshot = register[f"BlockDeviceMapping.{n + 1}.Ebs.SnapshotId"]
        request["BlockDeviceMappings"][n]["Ebs"]["SnapshotId"] = snapshot
        yield "ebs", REGION, "StartSnapshot", {
            "VolumeSize": block_map["volume_size"], "Description": request["Name"], "Tags": tags, "Timeout": 60,
            "ClientToken": uni.calls("StartSnapshot")[n]["json"]["ClientToken"]}
        with open(os.path.join(folder, "disk.blocks"), "rb") as f:
            for block in block_map["blocks"]:
                data = f.read(double.BLOCK)
                yield "ebs", REGION, "PutSnapshotBlock", {
                    "SnapshotId": snapshot, "BlockIndex": block["index"], "BlockData": data, "DataLength": len(data),
                    "Checksum": base64.b64encode(hashlib.sha256(data).digest()).decode(), "ChecksumAlgorithm": "SHA256"}
        yield "ebs", REGION, "CompleteSnapshot", {
            "SnapshotId": snapshot, "ChangedBlocksCount": block_map["changed_blocks_count"],
            "Checksum": block_map["checksum"], "ChecksumAlgorithm": "SHA256", "ChecksumAggregationMethod": "LINEAR"}
        yield "ec2", REGION, "DescribeSnapshots", {"SnapshotIds": [snapshot]}
    yield "ec2", REGION, "RegisterImage", request
    copy = uni.calls("CopyImage")[0]["form"]
    yield "ec2", OTHER, "CopyImage", {
        "SourceRegion": REGION, "SourceImageId": copy["SourceImageId"], "Name": request["Name"],
        "ClientToken": copy["ClientToken"],
        "TagSpecifications": [{"ResourceType": kind, "Tags": tags} for kind in ("image", "snapshot")]}
    for region, image in ((REGION, copy["SourceImageId"]), (OTHER, uni.calls("ModifyImageAttribute")[1]["form"]["ImageId"])):
        yield "ec2", region, "DescribeImages", {"ImageIds": [image]}
        yield "ec2", region, "ModifyImageAttribute", {"ImageId": image, "Attribute": "launchPermission",
                                                      "LaunchPermission": {"Add": [{"UserId": ACCOUNT}]}}
        yield "ec2", region, "DescribeImages", {"Owners": ["self"], "Filters": [{"Name": "name", "Values": [request["Name"]]}]}


def other_calls(uni):
    """Of machines, of looking around, and of what is removed."""
    yield "ec2", REGION, "DescribeImages", {"Owners": ["self"], "Filters": [{"Name": "tag-key", "Values": ["uni:digest"]}]}
    run = uni.calls("RunInstances")[0]["form"]
    tags = [{"Key": key, "Value": "judged"} for key in ("Name", "uni:machine")]
    yield "ec2", REGION, "RunInstances", {
        "ImageId": run["ImageId"], "InstanceType": "t3.nano", "MinCount": 1, "MaxCount": 1, "SubnetId": "subnet-1",
        "SecurityGroupIds": ["sg-1"], "MetadataOptions": {"HttpTokens": "required"}, "ClientToken": run["ClientToken"],
        "TagSpecifications": [{"ResourceType": "instance", "Tags": tags}]}
    machine = uni.calls("TerminateInstances")[0]["form"]["InstanceId.1"]
    ours = [{"Name": "tag-key", "Values": ["uni:machine"]}]
    yield "ec2", REGION, "DescribeInstances", {"Filters": ours}
    yield "ec2", REGION, "DescribeInstances", {"Filters": ours, "InstanceIds": [machine]}
    yield "ec2", REGION, "GetConsoleOutput", {"InstanceId": machine}
    yield "ec2", REGION, "TerminateInstances", {"InstanceIds": [machine]}
    yield "ec2", REGION, "DeregisterImage", {"ImageId": uni.calls("DeregisterImage")[0]["form"]["ImageId"]}
    for call in uni.calls("DeleteSnapshot"):
        yield "ec2", REGION, "DeleteSnapshot", {"SnapshotId": call["form"]["SnapshotId"]}
    read = next(call for call in uni.account.calls if call["action"] == "GetSnapshotBlock")["target"].split("/")[2]
    yield "ebs", REGION, "ListSnapshotBlocks", {"SnapshotId": read, "MaxResults": 128}
    yield "ebs", REGION, "GetSnapshotBlock", {"SnapshotId": read, "BlockIndex": 0, "BlockToken": double.Ebs.token(read, 0)}
    disk = uni.calls("RegisterImage")[0]["form"]["BlockDeviceMapping.1.Ebs.SnapshotId"]
    for name, value in (("tag:uni:map-name", "renamed"), ("tag:uni:map-of", disk)):
        yield "ec2", REGION, "DescribeSnapshots", {"OwnerIds": ["self"], "Filters": [{"Name": name, "Values": [value]}]}


def meaning(call):
    """What identifies a request beyond its transport; equal of two clients that ask for the same."""
    headers = {k: v for k, v in call["headers"].items() if k not in TRANSPORT}
    # Lists of query values: their order says nothing.
    path, _, query = call["target"].partition("?")
    return (call["action"], call["region"], call["method"], path, tuple(sorted(query.split("&"))),
            tuple(sorted({**headers, **call["form"]}.items())), json.dumps(call["json"], sort_keys=True))


def compare(uni, client, calls):
    """Every request of the client's is one that uni made; the actions that were compared, with how many there were."""
    ours = {meaning(call) for call in uni.account.calls}
    account = double.Account()
    server = double.start(account)
    them = client(server.url, ("AKIDEXAMPLE", SECRET))
    compared = collections.Counter()
    try:
        for service, region, action, parameters in calls:
            before = len(account.calls)
            them.call(service, region, action, parameters)
            assert len(account.calls) == before + 1, f"{them.name} does not ask for {action} {parameters}"
            theirs = account.calls[before]
            if meaning(theirs) not in ours:
                near = [call for call in uni.account.calls if call["action"] == action and call["region"] == region]
                raise AssertionError(f"{them.name}: {meaning(theirs)}\n" +
                                     "\n".join(f"uni: {meaning(call)}" for call in near))
            compared[action] += 1
    finally:
        them.close()
        server.shutdown()
        server.server_close()
    return compared


def main():
    work = tempfile.mkdtemp(prefix="uni-requests-")
    uni = Uni(work)
    try:
        ec2_judge.build(work, uni.env)
        uni.story()
        calls = [*folder_calls(uni), *other_calls(uni)]
        asked = {call["action"] for call in uni.account.calls}
        for client in aws_clients.ALL:
            compared = compare(uni, client, calls)
            assert set(compared) == asked, set(compared) ^ asked
            print(f"{sum(compared.values())} requests of {len(compared)} actions have the fields of {client.name}")
    finally:
        uni.server.shutdown()
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
