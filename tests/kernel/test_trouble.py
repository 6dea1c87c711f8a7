#!/usr/bin/python3
"""Writable volumes in trouble: full, read-only, on a disk that answers writes, reads or flushes with errors.

  test_trouble.py UNIBASE.ELF TOOLS

The program is told by its calls' results, what it was promised before stays, the kernel goes on, and the volume is sound
for e2fsck or becomes so by what e2fsck does without asking.
"""
import os
import re
import subprocess
import sys
import tempfile

from boot import boot
from test_ext4 import make_disk, make_image

failures = 0
ENOSPC, EIO, EROFS = 28, 5, 30


def fail(text):
    global failures
    failures += 1
    print(text)


def start(image, disk, *driver):
    """What the program said, as a dict; driver options come before the file's."""
    words = ",".join(driver or ["driver=raw", "file.driver=file", f"file.filename={disk}"])
    end = boot(image, memory=32, extra=["-blockdev", f"node-name=disk,{words}", "-device",
                                        "virtio-blk-device,drive=disk"])
    text = end.console.decode(errors="replace").replace("\r", "")
    if end.kind in ("fault", "timeout", "nothing"):
        fail(f"the guest ended: {end}\n{text[-1000:]}")
    said = dict(re.findall(r"(?m)^(\w+): (?:error )?(\d+)$", text))
    return end, text, {name: int(number) for name, number in said.items()}


def blkdebug(disk, **rule):
    """A disk on which every access that the rule names fails."""
    return ["driver=blkdebug", "image.driver=raw", "image.file.driver=file", f"image.file.filename={disk}",
            *(f"inject-error.0.{name.replace('_', '-')}={value}" for name, value in rule.items())]


def judge(disk, files, name, preen=False):
    """The volume is sound, and the first files are there."""
    if preen:
        done = subprocess.run(["/sbin/e2fsck", "-p", disk], stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode not in (0, 1):
            fail(f"{name}: e2fsck -p: {done.returncode}\n{done.stdout}")
    done = subprocess.run(["/sbin/e2fsck", "-fn", disk], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False)
    if done.returncode != 0:
        fail(f"{name}: e2fsck -fn: {done.returncode}\n{done.stdout}")
    listed = subprocess.run(["/sbin/debugfs", "-R", "ls -p /", disk], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                            text=True, check=True).stdout
    for n in range(1, files):
        if f"/n{n}/65536/" not in listed:
            fail(f"{name}: n{n} is not there as it was written")


def judge_full(image, disk):
    make_disk(disk, 8, "-b", "1024")
    end, text, said = start(image, disk)
    if end.kind != "status" or said.get("kept", 0) < 20 or said.get("right") != said.get("kept"):
        fail(f"full: {end}\n{text}")
    if said.get("write", said.get("open", said.get("fsync"))) != ENOSPC or (said.get("removed"), said.get("again")) != (0, 0):
        fail(f"full: {said}")
    judge(disk, said.get("kept", 0), "full")


def journal_block(disk, wanted):
    """Where on the disk a block of the journal is."""
    stat = subprocess.run(["/sbin/debugfs", "-R", "stat <8>", disk], capture_output=True, text=True, check=True).stdout
    for first, last, at in re.findall(r"\((\d+)-(\d+)\):(\d+)-", stat):
        if int(first) <= wanted <= int(last):
            return int(at) + wanted - int(first)
    raise LookupError(stat)


def judge_errors(image, disk):
    # A sector in the middle of the data: some file comes upon it.
    make_disk(disk, 8, "-b", "1024")
    end, text, said = start(image, disk, *blkdebug(disk, event="none", iotype="write", sector=10000, errno=EIO))
    if end.kind != "status" or said.get("fsync") != EIO or said.get("right") != said.get("kept") or not said.get("kept"):
        fail(f"write error: {end}\n{text}")
    judge(disk, said.get("kept", 0), "write error", preen=True)

    # The journal's own: nothing more can be kept, and what is asked for says so.
    make_disk(disk, 8, "-b", "1024")
    end, text, said = start(image, disk, *blkdebug(disk, event="none", iotype="write", sector=2 * journal_block(disk, 60),
                                                   errno=EIO))
    if end.kind != "status" or said.get("right") != said.get("kept") or not said.get("kept"):
        fail(f"journal error: {end}\n{text}")
    if said.get("again") not in (EIO, EROFS) or said.get("removed") not in (EIO, EROFS):
        fail(f"journal error: {said}")
    judge(disk, said.get("kept", 0), "journal error", preen=True)

    make_disk(disk, 8, "-b", "1024")
    end, text, said = start(image, disk, *blkdebug(disk, event="none", iotype="flush", errno=EIO))
    if end.kind == "status" and (said.get("fsync") not in (EIO, EROFS) and said.get("open") not in (EIO, EROFS)):
        fail(f"flush error: {end}\n{text}")
    judge(disk, 0, "flush error", preen=True)

    # Reading: the page that cannot be read is an error, and no other.
    make_disk(disk, 8, "-b", "1024")
    start(image, disk)
    end, text, said = start(image, disk, *blkdebug(disk, event="none", iotype="read", sector=10000, errno=EIO))
    if end.kind != "status":
        fail(f"read error: {end}\n{text}")


def judge_read_only(image, disk):
    make_disk(disk, 8, "-b", "1024")
    with open(disk, "rb") as f:
        before = f.read()
    end, text, _ = start(image, disk, "driver=raw", "read-only=on", "file.driver=file", f"file.filename={disk}")
    with open(disk, "rb") as f:
        if f.read() != before:
            fail("read-only: written to")
    if end.kind == "status" and f"open: error {EROFS}" not in text or "read-only" not in text and end.kind != "status":
        fail(f"read-only: {end}\n{text}")


def main():
    kernel, tools = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        image, disk = os.path.join(folder, "image.elf"), os.path.join(folder, "disk")
        make_image(kernel, os.path.join(tools, "trouble"), "/data", image, args=("/data", "200"))
        judge_full(image, disk)
        judge_errors(image, disk)
        judge_read_only(image, disk)
    sys.exit(failures != 0)


if __name__ == "__main__":
    main()
