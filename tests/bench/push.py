"""uni push against the strict double that answers after 100 ms and takes a thousand blocks a second; beside it what the
double takes at most, and coldsnap."""
import os
import shutil
import sys
import time

from measure import Table, peak_memory, run
from workspace import ROOT, UNI

sys.path.insert(0, os.path.join(ROOT, "tests/aws"))
import double  # noqa: E402
import fast  # noqa: E402
import load  # noqa: E402

RATE, LATENCY, GIB, BLOCKS = 1000, 0.1, 4, 8192
TO = "ec2://eu-central-1/data"


def make_disk(path):
    """A page of data in every block: all of them are sent, few bytes are on the disk."""
    with open(path, "wb") as f:
        f.truncate(GIB << 30)
        for i in range(BLOCKS):
            f.seek(i * double.BLOCK)
            f.write(i.to_bytes(8, "little") * 512)


def change(path):
    """1 MB somewhere, across the bounds of blocks."""
    with open(path, "r+b") as f:
        f.seek(1_300_000_000)
        f.write(os.urandom(1_000_000))


class Double:
    """An account of its own for each push that is measured, behind the fast server."""

    def __init__(self, work):
        self.account = double.Account()
        self.service = fast.start(self.account, LATENCY, RATE)
        self.env = {**work.env, "AWS_ENDPOINT_URL": self.service.url, "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
                    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "no_proxy": "127.0.0.1",
                    "AWS_EC2_METADATA_DISABLED": "true", "AWS_REGION": "eu-central-1"}

    def spent(self, action=None):
        """Seconds from the first call (or of one action) to the answer of the last, and how many there were."""
        times = [call["arrived"] for call in self.account.calls if action in (None, call["action"]) and not
                 (action and call["map"])]
        return max(times) - min(times) + LATENCY, len(times)


def blocks_of(service):
    """How many were taken, and a second."""
    service.account.catch_up()
    seconds, count = service.spent("PutSnapshotBlock")
    return count, count / seconds


def ceiling(table, work):
    """Blocks a second that a client gets taken which does nothing but send: the same block, signed beforehand."""
    service = Double(work)
    load.run(service.service.url, BLOCKS // 2)
    count, rate = blocks_of(service)
    service.service.stop()
    table.row(f"the double's ceiling: {count} blocks of a client that only sends, "
              f"{service.service.throttled} refused as too many", f"{rate:.0f} blocks a second")
    return rate


def push(table, work, disk, most):
    service = Double(work)
    argv = [UNI, "volume", "push", "-q", disk, TO]
    start = time.monotonic()
    memory, _ = peak_memory(argv, env=service.env)
    seconds = time.monotonic() - start
    count, rate = blocks_of(service)
    table.row(f"uni: {count} blocks, {service.service.throttled} refused as too many", f"{rate:.0f} blocks a second, "
              f"{rate / most * 100:.0f}% of the ceiling", "at least 90%", rate >= most * 0.9)
    table.row("uni: all of it, hashing and block map included", f"{seconds:.1f} s")
    table.row("uni: memory", f"{memory / 1e6:.0f} MB", "under 128 MB", memory < 128e6)
    change(disk)
    service.account.calls.clear()
    run(argv, env=service.env)
    blocks, _ = blocks_of(service)
    seconds, calls = service.spent()
    service.service.stop()
    table.row("second push, 1 MB changed in 4 GiB: blocks", str(blocks), "2 to 3", 2 <= blocks <= 3)
    table.row(f"second push: the double's time, {calls} calls", f"{seconds:.2f} s", "under 2 s", seconds < 2)


def find_coldsnap():
    """Where it is installed, or where `cargo install coldsnap --locked --root ~/.cache/uni-bench/coldsnap` puts it."""
    here = os.path.expanduser("~/.cache/uni-bench/coldsnap/bin/coldsnap")
    return shutil.which("coldsnap") or (here if os.access(here, os.X_OK) else None)


def coldsnap(table, work, disk, most):
    """With the same endpoint; its own number of workers."""
    program = find_coldsnap()
    if program is None:
        table.row("coldsnap", "not installed (cargo install coldsnap)")
        return
    service = Double(work)
    start = time.monotonic()
    memory, _ = peak_memory([program, "--endpoint", service.service.url, "--region", "eu-central-1", "upload",
                             "--no-progress", disk], env=service.env)
    seconds = time.monotonic() - start
    count, rate = blocks_of(service)
    service.service.stop()
    table.row(f"coldsnap: {count} blocks, {service.service.throttled} refused as too many", f"{rate:.0f} blocks a second, "
              f"{rate / most * 100:.0f}% of the ceiling")
    table.row("coldsnap: all of it", f"{seconds:.1f} s, {memory / 1e6:.0f} MB")


def main(work, tables):
    table = Table("Push to EC2, against a strict double with 100 ms of latency and 1,000 blocks a second")
    tables.append(table)
    disk = work.path("disk.raw")
    make_disk(disk)
    most = ceiling(table, work)
    push(table, work, disk, most)
    coldsnap(table, work, disk, most)
