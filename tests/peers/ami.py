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


def compare_disk(folder, raw, size):
    """A folder's map and blocks against the bytes; the map's digest."""
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
    return block_map["digest"]


def image_digest(disk, volumes):
    """uni/bundle/ami.h, over the disk's digest and (name, device, writable, digest) of each volume."""
    if not volumes:
        return disk
    whole = hashlib.sha256()

    def text(value):
        whole.update(struct.pack("<Q", len(value)) + value.encode())

    text("uni ami 1")
    whole.update(bytes.fromhex(disk.split(":")[1]))
    for name, device, writable, digest in volumes:
        text(name)
        text(device)
        whole.update(struct.pack("<Q", writable) + bytes.fromhex(digest.split(":")[1]))
    return "ami-sha256:" + whole.hexdigest()


def compare(folder, raw, volumes=()):
    """`volumes`: (name, path of its raw disk, writable) in the recipe's order."""
    size = os.path.getsize(raw)
    digest = compare_disk(folder, raw, size)
    with open(os.path.join(folder, "register-image.json"), encoding="utf-8") as f:
        request = json.load(f)
    assert request["Architecture"] == "x86_64" and request["VirtualizationType"] == "hvm"
    assert request["BootMode"] in ("legacy-bios", "uefi", "uefi-preferred") and request["ImdsSupport"] == "v2.0"
    root, *others = request["BlockDeviceMappings"]
    assert root["DeviceName"] == request["RootDeviceName"] and root["Ebs"]["VolumeSize"] == size // GIB
    assert root["Ebs"]["DeleteOnTermination"] is True
    listed = []
    for n, (name, path, writable) in enumerate(volumes):
        gib = -(-os.path.getsize(path) // GIB)
        listed.append((name, "/dev/sd" + "fghijklmnop"[n], writable,
                       compare_disk(os.path.join(folder, "volumes", name), path, gib * GIB)))
        assert others[n] == {"DeviceName": listed[n][1],
                             "Ebs": {"VolumeSize": gib, "VolumeType": "gp3", "DeleteOnTermination": not writable}}
    assert len(others) == len(listed)
    if listed:
        with open(os.path.join(folder, "volumes.json"), encoding="ascii") as f:
            assert [(v["name"], v["device"], v["writable"], v["digest"]) for v in json.load(f)["volumes"]] == listed
    digest = image_digest(digest, listed)
    assert request["Name"].endswith("-" + digest.split(":")[1][:16]) and len(request["Name"]) <= 128
    tags = {t["Key"]: t["Value"] for t in request["TagSpecifications"][0]["Tags"]}
    assert tags["uni:digest"] == digest
    return request


if __name__ == "__main__":
    print(compare(sys.argv[1], sys.argv[2])["Name"])
