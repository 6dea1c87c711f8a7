#!/usr/bin/env python3
"""What uni asks EBS and EC2 for, field by field beside what boto3 asks for with the same meaning.

Both go to the strict double, which keeps every request; of each action the fields that uni sends must be those that
boto3 makes of the parameters that the NAME.ami folder holds."""

import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile

import boto3
import botocore.config

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests/aws"))
import double  # noqa: E402
import ec2_judge  # noqa: E402

REGION, OTHER, SECRET = "eu-central-1", "us-east-1", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
# What differs from call to call, or from client to client, and says nothing of what is asked for.
TRANSPORT = {"authorization", "host", "user-agent", "accept", "accept-encoding", "amz-sdk-invocation-id", "amz-sdk-request",
             "x-amz-date", "x-amz-content-sha256", "content-length", "expect", "content-type", "connection"}


def fields(call):
    headers = {k: v for k, v in call["headers"].items() if k not in TRANSPORT}
    return {**headers, **{k: v for k, v in call["form"].items()}, **call["json"]}


def of(account, action):
    return [call for call in account.calls if call["action"] == action and not call["map"]]


def push(work, env, address, *more):
    subprocess.run([ec2_judge.UNI, "push", "out/judged.ami", address, *more], check=True, cwd=work, env=env,
                   stdout=subprocess.DEVNULL)


def boto_pushes(work, clients, ours):
    """The same image through boto3: parameters from the folder, blocks from its files."""
    ebs, ec2, ec2_other = clients
    with open(os.path.join(work, "out/judged.ami/register-image.json"), encoding="utf-8") as f:
        request = json.load(f)
    tags = request["TagSpecifications"][0]["Tags"]
    folders = ["", "volumes/state", "volumes/www"]
    for folder, mapping, started in zip(folders, request["BlockDeviceMappings"], of(ours, "StartSnapshot")):
        folder = os.path.join(work, "out/judged.ami", folder)
        with open(os.path.join(folder, "block-map.json"), encoding="ascii") as f:
            block_map = json.load(f)
        snapshot = ebs.start_snapshot(VolumeSize=block_map["volume_size"], Description=request["Name"], Tags=tags, Timeout=60,
                                      ClientToken=started["json"]["ClientToken"])["SnapshotId"]
        mapping["Ebs"]["SnapshotId"] = snapshot
        with open(os.path.join(folder, "disk.blocks"), "rb") as f:
            for block in block_map["blocks"]:
                data = f.read(double.BLOCK)
                ebs.put_snapshot_block(SnapshotId=snapshot, BlockIndex=block["index"], BlockData=data, DataLength=len(data),
                                       Checksum=base64.b64encode(hashlib.sha256(data).digest()).decode(),
                                       ChecksumAlgorithm="SHA256")
        ebs.complete_snapshot(SnapshotId=snapshot, ChangedBlocksCount=block_map["changed_blocks_count"],
                              Checksum=block_map["checksum"], ChecksumAlgorithm="SHA256", ChecksumAggregationMethod="LINEAR")
    image = ec2.register_image(**request)["ImageId"]
    ec2.modify_image_attribute(ImageId=image, Attribute="launchPermission", LaunchPermission={"Add": [{"UserId": "123456789012"}]})
    token = of(ours, "CopyImage")[0]["form"]["ClientToken"]
    ec2_other.copy_image(SourceRegion=REGION, SourceImageId=image, Name=request["Name"], ClientToken=token,
                         TagSpecifications=[{"ResourceType": kind, "Tags": tags} for kind in ("image", "snapshot")])


def compare(ours, theirs):
    """Each action's requests; blocks by snapshot and place, since uni sends them side by side."""
    compared = 0
    for action in ("StartSnapshot", "PutSnapshotBlock", "CompleteSnapshot", "RegisterImage", "CopyImage",
                   "ModifyImageAttribute"):
        mine, other = of(ours, action), of(theirs, action)
        if action == "ModifyImageAttribute":
            mine = [call for call in mine if call["region"] == REGION]
        assert len(mine) == len(other) > 0, (action, len(mine), len(other))
        key = (lambda call: (call["target"], call["headers"]["x-amz-checksum"])) if action == "PutSnapshotBlock" else None
        for a, b in zip(sorted(mine, key=key) if key else mine, sorted(other, key=key) if key else other):
            assert (a["method"], a["target"]) == (b["method"], b["target"]), (action, a["target"], b["target"])
            assert fields(a) == fields(b), (action, set(fields(a).items()) ^ set(fields(b).items()))
            compared += 1
    return compared


def main():
    work = tempfile.mkdtemp(prefix="uni-requests-")
    ours, theirs = double.Account(), double.Account()
    servers = [double.start(account) for account in (ours, theirs)]
    try:
        env = {k: v for k, v in os.environ.items() if not k.startswith(("UNI_", "XDG_", "AWS_"))}
        env.update(UNI_CACHE=work + "/store", XDG_STATE_HOME=work + "/state", HOME=work + "/home", no_proxy="127.0.0.1",
                   AWS_ENDPOINT_URL=servers[0].url, AWS_ACCESS_KEY_ID="AKIDEXAMPLE", AWS_SECRET_ACCESS_KEY=SECRET,
                   AWS_EC2_METADATA_DISABLED="true")
        ec2_judge.build(work, env)
        push(work, env, f"ec2://{REGION},{OTHER}/", "--share", "123456789012")
        keys = {"endpoint_url": servers[1].url, "aws_access_key_id": "AKIDEXAMPLE", "aws_secret_access_key": SECRET,
                "config": botocore.config.Config(request_checksum_calculation="when_required")}
        boto_pushes(work, [boto3.client("ebs", region_name=REGION, **keys), boto3.client("ec2", region_name=REGION, **keys),
                           boto3.client("ec2", region_name=OTHER, **keys)], ours)
        print(f"{compare(ours, theirs)} requests have boto3's fields")
    finally:
        for server in servers:
            server.shutdown()
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
