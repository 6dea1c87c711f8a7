"""A writable volume is copied while its machine goes on writing: of one moment, and sound behind its journal."""

import os
import subprocess
import time

import scenario

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
        end = time.monotonic() + 60
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
        done = subprocess.run(["/sbin/e2fsck", "-fn", copy], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout)
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
