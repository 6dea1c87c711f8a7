#!/usr/bin/env python3
"""A NAME.ami folder, made again from the raw disk by the words of the EBS direct API alone.

  ami.py NAME.ami RAW
"""

import base64
import hashlib
import json
import os
import struct
import sys

BLOCK = 524288
GIB = 1 << 30


def blocks_of(raw):
    """(index, bytes) of every block that is not zero; holes are not read."""
    size = os.path.getsize(raw)
    with open(raw, "rb") as f:
        at = 0
        while at < size:
            try:
                at = os.lseek(f.fileno(), at, os.SEEK_DATA) // BLOCK * BLOCK
            except OSError:
                return
            f.seek(at)
            data = f.read(BLOCK).ljust(BLOCK, b"\0")
            if any(data):
                yield at // BLOCK, data
            at += BLOCK


def map_digest(size, blocks):
    """uni/base/mapdigest.h"""
    label = b"uni map 1"
    whole = hashlib.sha256(struct.pack("<Q", len(label)) + label + struct.pack("<Q", size))
    for index, digest in blocks:
        whole.update(struct.pack("<Q", index) + digest)
    return "map-sha256:" + whole.hexdigest()


def compare(folder, raw):
    size = os.path.getsize(raw)
    found, linear = [], hashlib.sha256()
    with open(os.path.join(folder, "disk.blocks"), "rb") as f:
        for index, data in blocks_of(raw):
            assert f.read(BLOCK) == data, f"block {index} differs"
            found.append((index, hashlib.sha256(data).digest()))
            linear.update(found[-1][1])
        assert f.read(1) == b"", "more blocks than the disk has"
    with open(os.path.join(folder, "block-map.json"), encoding="ascii") as f:
        block_map = json.load(f)
    assert size % GIB == 0 and block_map["size"] == size and block_map["volume_size"] == size // GIB
    assert block_map["block_size"] == BLOCK and block_map["changed_blocks_count"] == len(found)
    assert [(b["index"], bytes.fromhex(b["sha256"])) for b in block_map["blocks"]] == found
    assert block_map["checksum"] == base64.b64encode(linear.digest()).decode()
    assert (block_map["checksum_algorithm"], block_map["checksum_aggregation_method"]) == ("SHA256", "LINEAR")
    assert block_map["digest"] == map_digest(size, found), block_map["digest"]
    with open(os.path.join(folder, "register-image.json"), encoding="utf-8") as f:
        request = json.load(f)
    assert request["Architecture"] == "x86_64" and request["VirtualizationType"] == "hvm"
    assert request["BootMode"] in ("legacy-bios", "uefi", "uefi-preferred") and request["ImdsSupport"] == "v2.0"
    mapping = request["BlockDeviceMappings"][0]
    assert mapping["DeviceName"] == request["RootDeviceName"] and mapping["Ebs"]["VolumeSize"] == size // GIB
    assert mapping["Ebs"]["DeleteOnTermination"] is True
    assert request["Name"].endswith("-" + block_map["digest"].split(":")[1][:16]) and len(request["Name"]) <= 128
    tags = {t["Key"]: t["Value"] for t in request["TagSpecifications"][0]["Tags"]}
    assert tags["uni:digest"] == block_map["digest"]
    return request


if __name__ == "__main__":
    print(compare(sys.argv[1], sys.argv[2])["Name"])
