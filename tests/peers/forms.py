#!/usr/bin/env python3
"""Forms of a disk, judged by qemu-img: what we write it reads, what it writes we read.

  forms.py MAKER
"""

import os
import random
import struct
import sys
import tempfile
import zlib

import rules
from peers import check, need, run

# Form, options, qemu-img's name for it, whether it can check it.
OURS = [
    ("qcow2", ["compression=none"], "qcow2", True),
    ("qcow2", ["compression=zlib"], "qcow2", True),
    ("qcow2", ["compression=zstd"], "qcow2", True),
    ("vmdk", ["variant=monolithicSparse"], "vmdk", True),
    ("vmdk", ["variant=streamOptimized"], "vmdk", True),
    ("vhd", ["variant=dynamic"], "vpc", False),
    ("vhd", ["variant=fixed"], "vpc", False),
    ("vhdx", [], "vhdx", True),
    ("vdi", [], "vdi", True),
]

THEIRS = [
    ["-O", "qcow2"],
    ["-O", "qcow2", "-c"],
    ["-O", "qcow2", "-c", "-o", "compression_type=zstd"],
    ["-O", "qcow2", "-o", "cluster_size=512"],
    ["-O", "qcow2", "-c", "-o", "cluster_size=2M"],
    ["-O", "qcow2", "-o", "compat=0.10"],
    ["-O", "qcow2", "-o", "preallocation=metadata"],
    ["-O", "vmdk"],
    ["-O", "vmdk", "-o", "subformat=streamOptimized"],
    ["-O", "vpc", "-o", "force_size=on"],
    ["-O", "vpc", "-o", "subformat=fixed,force_size=on"],
    ["-O", "vhdx"],
    ["-O", "vhdx", "-o", "block_size=1M"],
    ["-O", "vhdx", "-o", "subformat=fixed"],
    ["-O", "vdi"],
    ["-O", "vdi", "-o", "static=on"],
]

REFUSED = [
    ["-O", "qcow2", "-o", "extended_l2=on"],
    ["-O", "vmdk", "-o", "subformat=monolithicFlat"],
    ["-O", "vmdk", "-o", "subformat=twoGbMaxExtentSparse"],
]


def make_disk(path, size):
    """Text, noise, zeros that are written, and holes; the end is data."""
    rng = random.Random(3)
    text = b"".join(b"line %d of some text\n" % i for i in range(90000))
    with open(path, "wb") as f:
        f.truncate(size)
        for at, data in ((0, text[:1000]), (1 << 20, text), (5_000_000, rng.randbytes(700_000)),
                         (7 << 20, bytes(1 << 20)), (size // 2, b"x"), (size - 512, text[:512])):
            if 0 <= at and at + len(data) <= size:
                f.seek(at)
                f.write(data)


def same(a, b):
    with open(a, "rb") as x, open(b, "rb") as y:
        while True:
            left, right = x.read(1 << 20), y.read(1 << 20)
            if left != right:
                return False
            if not left:
                return True


def write_ours(maker, raw, tmp):
    for form, options, name, checked in OURS:
        words = f"{form} {options} of {os.path.getsize(raw)} bytes"
        one, two = (os.path.join(tmp, f"ours.{n}") for n in (1, 2))
        run(maker, "form", form, raw, one, *options, "threads=1")
        run(maker, "form", form, raw, two, *options, "threads=5")
        check(same(one, two), f"{words}: two runs differ")
        said = run("qemu-img", "info", "-f", name, one)
        check(f"file format: {name}" in said, said)
        if form in ("vmdk", "vdi"):
            getattr(rules, f"check_{form}")(one, os.path.getsize(raw))
        if checked:
            check("No errors were found" in run("qemu-img", "check", "-f", name, one), words)
        said = run("qemu-img", "compare", "-f", "raw", "-F", name, raw, one)
        check("Images are identical" in said, f"{words}: {said}")
        run(maker, "form", "raw", one, two)
        with open(two, "r+b") as f:
            check(not any(f.read()[os.path.getsize(raw):]), f"{words}: data behind the end")
            f.truncate(os.path.getsize(raw))
        check(same(raw, two), f"{words}: our reader differs")


def read_theirs(maker, raw, tmp):
    theirs, back = os.path.join(tmp, "theirs"), os.path.join(tmp, "back")
    for options in THEIRS:
        run("qemu-img", "convert", "-f", "raw", *options, raw, theirs)
        run(maker, "form", "raw", theirs, back)
        check(same(raw, back), f"{options}: our reader differs")
        os.remove(theirs)
    for options in REFUSED:
        run("qemu-img", "convert", "-f", "raw", *options, raw, theirs)
        run(maker, "form", "raw", theirs, back, fails=True)
        os.remove(theirs)
    run("qemu-img", "create", "-f", "qcow2", "-b", raw, "-F", "raw", theirs)
    said = run(maker, "form", "raw", theirs, back, fails=True)
    check("stands on another image" in said, said)


def stream_vmdk(raw, out, grain):
    """A streamOptimized VMDK ("Virtual Disk Format 5.0") of grains that no tool here writes; `grain` in sectors."""
    entries, sectors = 512, os.path.getsize(raw) // 512
    descriptor = ('# Disk DescriptorFile\nversion=1\nCID=12345678\nparentCID=ffffffff\ncreateType="streamOptimized"\n\n'
                  f'RW {sectors} SPARSE "theirs.vmdk"\n\nddb.adapterType = "ide"\n').encode()

    def header(directory):
        return struct.pack("<4sIIQQQQIQQQB4sH", b"KDMV", 3, 0x30001, sectors, grain, 1, 20, entries, 0, directory, 128, 0,
                           b"\n \r\n", 1).ljust(512, b"\0")

    def marker(count, kind):
        return struct.pack("<QII", count, 0, kind).ljust(512, b"\0")

    with open(raw, "rb") as source, open(out, "wb") as f:
        def put(data):
            at = f.tell() // 512
            f.write(data + bytes(-len(data) % 512))
            return at

        put((header((1 << 64) - 1) + descriptor).ljust(128 * 512, b"\0"))
        directory = []
        for first in range(0, sectors, grain * entries):
            table = []
            for lba in range(first, min(first + grain * entries, sectors), grain):
                data = source.read(grain * 512).ljust(grain * 512, b"\0")
                packed = zlib.compress(data)
                table.append(put(struct.pack("<QI", lba, len(packed)) + packed) if any(data) else 0)
            table += [0] * (entries - len(table))
            if any(table):
                put(marker(entries * 4 // 512, 1))
            directory.append(put(struct.pack(f"<{entries}I", *table)) if any(table) else 0)
        packed = struct.pack(f"<{len(directory)}I", *directory)
        put(marker((len(packed) + 511) // 512, 2))
        at = put(packed)
        put(marker(1, 3) + header(at) + bytes(512))


def read_other_grains(maker, raw, tmp):
    theirs, back = os.path.join(tmp, "theirs.vmdk"), os.path.join(tmp, "back")
    for grain in (8, 32, 256):
        stream_vmdk(raw, theirs, grain)
        said = run("qemu-img", "compare", "-f", "raw", "-F", "vmdk", raw, theirs)
        check("Images are identical" in said, f"what this test writes, of {grain} sectors: {said}")
        run(maker, "form", "raw", theirs, back)
        check(same(raw, back), f"streamOptimized of {grain} sectors: our reader differs")
        description = os.path.join(tmp, "theirs.ovf")
        with open(description, "w", encoding="utf-8") as f:
            f.write("<Envelope/>")
        run("tar", "-C", tmp, "--format=ustar", "-cf", os.path.join(tmp, "theirs.ova"), "theirs.ovf", "theirs.vmdk")
        run(maker, "form", "raw", os.path.join(tmp, "theirs.ova"), back)
        check(same(raw, back), f"OVA of {grain} sectors: our reader differs")


def main():
    need("qemu-img")
    maker = os.path.abspath(sys.argv[1])
    with tempfile.TemporaryDirectory() as tmp:
        raw = os.path.join(tmp, "raw")
        for size in (1 << 20, (9 << 20) + 512 * 3, (600 << 20) + 512):
            make_disk(raw, size)
            write_ours(maker, raw, tmp)
            os.remove(raw)
        make_disk(raw, 100 << 20)
        read_theirs(maker, raw, tmp)
        read_other_grains(maker, raw, tmp)


if __name__ == "__main__":
    main()
