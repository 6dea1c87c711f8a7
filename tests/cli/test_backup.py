"""A writable volume is copied while its machine goes on writing: of one moment, and sound behind its journal."""

import os
import signal
import struct
import subprocess
import sys
import threading
import time

import scenario

sys.path.append(os.path.join(scenario.ROOT, "tests/kernel"))
import live_volume  # pylint: disable=wrong-import-position
from mkimage import crc32c  # pylint: disable=wrong-import-position

FREEZE, THAW, BLOCK, ORDER = 3, 4, 512, 32
EOPNOTSUPP, ETIMEDOUT = 95, 110

WRITER = """#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
int main(int argc, char **argv)
{
	unsigned rounds = argc > 1 ? (unsigned)atoi(argv[1]) : 0;
	char block[4096];
	setvbuf(stdout, NULL, _IONBF, 0);
	for (unsigned n = 0; rounds == 0 || n < rounds; n++) {
		char name[64];
		int fd;
		snprintf(name, sizeof(name), "/data/file-%u", n % 50);
		memset(block, 'a' + n % 26, sizeof(block));
		unlink(name);
		fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0644);
		for (unsigned i = 0; i < 1 + n % 20; i++)
			if (write(fd, block, sizeof(block)) != sizeof(block))
				return 1;
		fsync(fd);
		close(fd);
		if (n == 50)
			printf("writing\\n");
	}
	sync();
	printf("idle\\n");
	for (;;)
		pause();
}
"""

RECIPE = """
[image]
name = "db"

[app]
sources = ["writer.c"]

[machine]
memory = "64M"

[[volume]]
name = "data"
mount = "/data"
source = "start"
format = "ext4"
mode = "rw"
size = "32M"
"""


class Backup(scenario.Scenario):
    def setUp(self):
        super().setUp()
        self.write("start/kept", "from the start\n")
        self.write("writer.c", WRITER)
        self.write("recipe.toml", RECIPE)

    def start(self):
        self.uni("run", "recipe.toml", "--detach", "--name", "db")
        self.addCleanup(self.run_uni, "stop", "--kill", "db")
        self.wait("writing")

    def wait(self, word):
        end = time.monotonic() + 300
        while word not in self.uni("logs", "db"):
            self.assertLess(time.monotonic(), end, f"the program does not say {word}")
            time.sleep(0.05)

    def test_while_writing(self):
        self.start()
        for n in range(3):
            copy = self.path("work", f"backup-{n}.raw")
            report = self.uni_json("volume", "copy", "vm:db/data", copy, "--no-freeze", "--json")
            self.assertEqual(report, {"size": 32 << 20, "moved": 32 << 20, "changes_only": False, "frozen": False})
            # Its journal is what a loss of power would leave; replayed, nothing is wrong.
            subprocess.run(["/sbin/e2fsck", "-E", "journal_only", "-y", copy], check=False,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            self.check(copy)
        self.assertNothingLeft(self.work)
        self.assertIn("db", self.uni("ps"))

    def check(self, copy):
        self.fsck(copy)
        self.assertEqual(self.uni("volume", "cat", f"{copy}:/kept"), "from the start\n")

    def test_frozen(self):
        """Held still for the instant, a copy has nothing to replay; the next to the same place takes what changed."""
        self.start()
        copy = self.path("work", "backup.raw")
        for n in range(4):
            report = self.uni_json("volume", "copy", "vm:db/data", copy, "--json")
            self.assertEqual((report["frozen"], report["changes_only"]), (True, n != 0))
            self.assertEqual(report["moved"] == report["size"], n == 0, report)
            self.check(copy)
            time.sleep(0.3)
        # A file that somebody changed is no base.
        with open(copy, "r+b") as f:
            f.seek(20 << 20)
            f.write(b"changed")
        report = self.uni_json("volume", "copy", "vm:db/data", copy, "--json")
        self.assertFalse(report["changes_only"])
        self.check(copy)
        # Nor one that was made for another machine's disk.
        os.unlink(copy)
        self.assertFalse(self.uni_json("volume", "copy", "vm:db/data", copy, "--json")["changes_only"])
        self.check(copy)
        self.assertNothingLeft(self.work)

    def test_same_as_whole(self):
        """What was put together of changes is, byte by byte, what a whole copy of the same moment is."""
        self.write("recipe.toml", RECIPE.replace('["writer.c"]', '["writer.c"]\nargs = ["600"]'))
        self.start()
        for _ in range(3):
            self.uni("volume", "copy", "vm:db/data", "changes.raw", "--no-freeze")
        self.wait("idle")
        last = self.uni_json("volume", "copy", "vm:db/data", "changes.raw", "--no-freeze", "--json")
        self.assertTrue(last["changes_only"])
        self.uni("volume", "copy", "vm:db/data", "whole.raw", "--no-freeze")
        self.assertEqual(self.read("changes.raw"), self.read("whole.raw"))

    def monitor(self):
        return live_volume.Monitor(self.path("state/uni/machines/db/control"))

    def order(self, kind, number, uuid=bytes(16), limit_ms=0, sound=True, monitor=None):
        """Written into the doorbell as docs/live-volume.md has it, and knocked; the reply's errno, or None."""
        folder = self.path("state/uni/machines/db")
        data = struct.pack("<8sIIQII16s", b"UNIBELL\0", 1, kind, number, limit_ms, 0, uuid)
        data += bytes(BLOCK - 4 - len(data))
        data += struct.pack("<I", crc32c(data) ^ (not sound))
        with open(os.path.join(folder, "bell"), "r+b") as f:
            f.seek(ORDER * BLOCK)
            f.write(data)
        knocker = monitor or self.monitor()
        knocker.knock(live_volume.File(os.path.join(folder, "bell")))
        if monitor is None:
            knocker.close()
        for _ in range(2400 if sound else 20):
            with open(os.path.join(folder, "bell"), "rb") as f:
                f.seek((ORDER + 1) * BLOCK)
                error, replied = struct.unpack_from("<IQ", f.read(BLOCK), 12)
            if replied == number:
                return error
            time.sleep(0.05)
        return None

    def uuid(self):
        with open(next(p for p in self.disks() if p.endswith(".data.raw")), "rb") as f:
            f.seek(1024 + 104)
            u = f.read(16)
        return bytes(u[i] for i in (3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15))

    def disks(self):
        folder = self.path("state/uni/machines")
        return [os.path.join(folder, name) for name in os.listdir(folder)]

    def test_a_freeze_ends_by_itself(self):
        """Whoever froze the volume and died holds the machine up for as long as he said, and no longer."""
        self.start()
        self.assertIsNone(self.order(FREEZE, 1, sound=False))
        self.assertEqual(self.order(99, 2), EOPNOTSUPP)
        self.assertEqual(self.order(THAW, 3), ETIMEDOUT)
        self.assertEqual(self.order(FREEZE, 4, self.uuid(), limit_ms=200), 0)
        time.sleep(0.5)
        self.assertEqual(self.order(THAW, 5), ETIMEDOUT)
        # It writes again, and what is written is found by the next copy.
        self.uni("volume", "copy", "vm:db/data", "one.raw")
        time.sleep(0.3)
        self.assertTrue(self.uni_json("volume", "copy", "vm:db/data", "one.raw", "--json")["frozen"])
        self.check(self.path("work", "one.raw"))
        self.assertEqual(self.order(FREEZE, 900, self.uuid(), limit_ms=10000), 0)
        self.assertEqual(self.order(THAW, 901), 0)

    def test_an_order_that_is_late(self):
        """The machine stood still meanwhile, and learns at once that the freeze is over and that somebody ends it."""
        self.start()
        pid = next(m["pid"] for m in self.uni_json("ps", "--json") if m["name"] == "db")
        monitor = self.monitor()
        self.addCleanup(monitor.close)
        for number in range(1, 10, 2):
            self.assertEqual(self.order(FREEZE, number, self.uuid(), limit_ms=600, monitor=monitor), 0)
            os.kill(pid, signal.SIGSTOP)
            threading.Timer(1, os.kill, (pid, signal.SIGCONT)).start()
            self.assertEqual(self.order(THAW, number + 1, monitor=monitor), ETIMEDOUT)

    def test_bandwidth(self):
        self.start()
        begin = time.monotonic()
        self.uni("volume", "copy", "vm:db/data", "slow.raw", "--bandwidth", "16M")
        self.assertGreater(time.monotonic() - begin, 1)
        self.check(self.path("work", "slow.raw"))
        self.assertIn("is not a size", self.fails("volume", "copy", "vm:db/data", "x.raw", "--bandwidth", "x", status=2))

    def test_trouble(self):
        self.assertIn("no machine", self.fails("volume", "copy", "vm:none/data", "backup.raw"))
        self.assertFalse(os.path.exists(self.path("work/backup.raw")))


if __name__ == "__main__":
    scenario.main()
