#!/usr/bin/env python3
"""Forms of a disk, judged by qemu-img: what we write it reads, what it writes we read.

  forms.py MAKER
"""

import itertools
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
    ["-O", "qcow2", "-o", "extended_l2=on"],
    ["-O", "qcow2", "-c", "-o", "extended_l2=on,cluster_size=16k"],
    ["-O", "qcow2", "-o", "refcount_bits=1"],
    ["-O", "qcow2", "-o", "refcount_bits=64,lazy_refcounts=on"],
    ["-O", "vmdk"],
    ["-O", "vmdk", "-o", "subformat=streamOptimized"],
    ["-O", "vmdk", "-o", "zeroed_grain=on"],
    ["-O", "vpc", "-o", "force_size=on"],
    ["-O", "vpc", "-o", "subformat=fixed,force_size=on"],
    ["-O", "vhdx"],
    ["-O", "vhdx", "-o", "block_size=1M"],
    ["-O", "vhdx", "-o", "subformat=fixed,block_state_zero=off"],
    ["-O", "vdi"],
    ["-O", "vdi", "-o", "static=on"],
]

# With what is said of them.
REFUSED = [
    (["-O", "qcow2", "-o", "data_file={tmp}/data"], "keeps its data in another file"),
    (["-O", "vmdk", "-o", "subformat=monolithicFlat"], "keeps its data in other files"),
    (["-O", "vmdk", "-o", "subformat=twoGbMaxExtentSparse"], "keeps its data in other files"),
]

# For a disk of 1 MiB in clusters of 64 KiB, each in 32 parts: some written, zeroed, discarded, and the last one not
# to its end.
SUBCLUSTERS = ["write -P 1 2k 4k", "write -P 2 64k 64k", "write -z 70k 6k", "discard 100k 2k", "write -P 3 192k 2k",
               "write -P 4 254k 4k", "write -z 320k 64k", "write -P 5 330k 512", "write -P 6 962k 3k"]


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


def pieces(path):
    """(offset, bytes) of what is not zero, by holes of the file and then by MiB."""
    with open(path, "rb") as f:
        at, size = 0, os.path.getsize(path)
        while at < size:
            try:
                at = os.lseek(f.fileno(), at, os.SEEK_DATA) >> 20 << 20
            except OSError:
                return
            f.seek(at)
            data = f.read(1 << 20)
            if any(data):
                yield at, data
            at += 1 << 20


def same(a, b):
    if os.path.getsize(a) != os.path.getsize(b):
        return False
    return all(x == y for x, y in itertools.zip_longest(pieces(a), pieces(b)))


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
            f.seek(os.path.getsize(raw))
            check(not any(f.read()), f"{words}: data behind the end")
            f.truncate(os.path.getsize(raw))
        check(same(raw, two), f"{words}: our reader differs")


def read_theirs(maker, raw, tmp):
    theirs, back = os.path.join(tmp, "theirs"), os.path.join(tmp, "back")
    for options in THEIRS:
        run("qemu-img", "convert", "-f", "raw", *options, raw, theirs)
        run(maker, "form", "raw", theirs, back)
        check(same(raw, back), f"{options}: our reader differs")
        os.remove(theirs)
    for options, words in REFUSED:
        run("qemu-img", "convert", "-f", "raw", *(o.format(tmp=tmp) for o in options), raw, theirs)
        said = run(maker, "form", "raw", theirs, back, fails=True)
        check(words in said, f"{options}: {said}")
        os.remove(theirs)
    run("qemu-img", "create", "-f", "qcow2", "-b", raw, "-F", "raw", theirs)
    said = run(maker, "form", "raw", theirs, back, fails=True)
    check("stands on another image" in said, said)


def read_subclusters(maker, tmp):
    theirs, back = os.path.join(tmp, "theirs"), os.path.join(tmp, "back")
    run("qemu-img", "create", "-f", "qcow2", "-o", "extended_l2=on", theirs, "1M")
    for command in SUBCLUSTERS:
        run("qemu-io", "-f", "qcow2", "-c", command, theirs)
    run(maker, "form", "raw", theirs, back)
    said = run("qemu-img", "compare", "-f", "raw", "-F", "qcow2", back, theirs)
    check("Images are identical" in said, f"subclusters: our reader differs: {said}")


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
        read_subclusters(maker, tmp)
        read_other_grains(maker, raw, tmp)


if __name__ == "__main__":
    main()
