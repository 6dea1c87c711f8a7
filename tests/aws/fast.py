"""The strict double behind a front in C that takes a thousand blocks a second, each answered after a while.

The front (fast.c) checks and counts blocks, and refuses as EBS does what comes over the limit; the double reads what it
took from a file of records, before it seals a snapshot and whenever somebody asks."""

import os
import subprocess
import tempfile

import double

FRONT = os.path.join(os.environ.get("UNI_BUILD_DIR") or os.path.join(os.path.dirname(__file__), "../../build"),
                     "bin/ebs-double-front")


class Service:
    def __init__(self, account, latency, rate):
        self.account, self.throttled = account, 0
        account.catch_up = self.catch_up
        self.double = double.start(account)
        self.records = tempfile.NamedTemporaryFile("r", encoding="ascii")
        (access, user), = account.keys.items()
        argv = [FRONT, str(self.double.server_address[1]), str(int(latency * 1000)), str(rate), access, user["secret"],
                self.records.name]
        self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        self.url = f"http://127.0.0.1:{int(self.process.stdout.readline())}"

    def catch_up(self):
        """With what the front has taken since the last time; it writes whole lines before a snapshot is sealed."""
        for line in self.records:
            kind, *words = line.split()
            if kind == "many":
                self.throttled += 1
                continue
            name, index, digest, arrived = words
            self.account.take(self.account.snapshots[name], int(index), bytes.fromhex(digest))
            self.account.calls.append({"action": "PutSnapshotBlock", "arrived": float(arrived), "map": False})

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.double.shutdown()
        self.double.server_close()
        self.records.close()


def start(account, latency=0.1, rate=1000):
    """Serves the account on loopback; the service, whose address is `url`."""
    return Service(account, latency, rate)
