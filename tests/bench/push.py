"""uni push against the strict double that answers after 100 ms and takes a thousand blocks a second; beside it the
double's own ceiling, and coldsnap where it is installed."""
import os
import shutil
import sys
import time

from measure import Table, peak_memory, run
from workspace import ROOT, UNI

sys.path.insert(0, os.path.join(ROOT, "tests/aws"))
import double  # noqa: E402
import fast  # noqa: E402

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
        self.account.keeps = False
        self.service = fast.start(self.account, LATENCY, RATE)
        self.env = {**work.env, "AWS_ENDPOINT_URL": self.service.url, "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
                    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "no_proxy": "127.0.0.1",
                    "AWS_EC2_METADATA_DISABLED": "true", "AWS_REGION": "eu-central-1"}

    def spent(self, action=None):
        """Seconds from the first call (or of one action) to the answer of the last, and how many there were."""
        times = [call["arrived"] for call in self.account.calls if action in (None, call["action"]) and not
                 (action and call["map"])]
        return max(times) - min(times) + LATENCY, len(times)


def rate_of(service):
    """Blocks a second between the first that was taken and the last."""
    seconds, count = service.spent("PutSnapshotBlock")
    return count / seconds


def push(table, work, disk):
    service = Double(work)
    argv = [UNI, "volume", "push", "-q", disk, TO]
    memory, _ = peak_memory(argv, env=service.env)
    seconds, count = service.spent("PutSnapshotBlock")
    table.row(f"blocks a second, {count} blocks in {seconds:.1f} s, {service.service.throttled} refused as too many",
              f"{rate_of(service):.0f}", f"at least {RATE * 9 // 10}", rate_of(service) >= RATE * 0.9)
    table.row("memory", f"{memory / 1e6:.0f} MB", "under 128 MB", memory < 128e6)
    change(disk)
    service.account.calls.clear()
    run(argv, env=service.env)
    blocks = service.spent("PutSnapshotBlock")[1]
    seconds, calls = service.spent()
    table.row("second push, 1 MB changed: blocks", str(blocks), "2 to 3", 2 <= blocks <= 3)
    table.row(f"second push: the double's time, {calls} calls", f"{seconds:.2f} s", "under 2 s", seconds < 2)


def coldsnap(table, work, disk):
    """With the same endpoint; its own number of workers."""
    program = shutil.which("coldsnap")
    if program is None:
        table.row("coldsnap", "not installed")
        return
    service = Double(work)
    start = time.monotonic()
    run([program, "--endpoint", service.service.url, "--region", "eu-central-1", "upload", "--no-progress", disk],
        env=service.env)
    table.row(f"coldsnap, {time.monotonic() - start:.1f} s, {service.service.throttled} refused as too many",
              f"{rate_of(service):.0f} blocks a second")


def main(work, tables):
    table = Table("Push to EC2, against a strict double with 100 ms of latency and 1,000 blocks a second")
    tables.append(table)
    disk = work.path("disk.raw")
    make_disk(disk)
    push(table, work, disk)
    coldsnap(table, work, disk)
