"""A writable volume is copied while its machine goes on writing: of one moment, and sound behind its journal."""

import os
import subprocess
import time

import scenario

WRITER = """#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
int main(void)
{
	char block[4096];
	setvbuf(stdout, NULL, _IONBF, 0);
	for (unsigned n = 0;; n++) {
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

    def test_while_writing(self):
        self.uni("run", "recipe.toml", "--detach", "--name", "db")
        self.addCleanup(self.run_uni, "stop", "--kill", "db")
        end = time.monotonic() + 60
        while "writing" not in self.uni("logs", "db"):
            self.assertLess(time.monotonic(), end, "the program does not write")
            time.sleep(0.05)
        for n in range(3):
            copy = self.path("work", f"backup-{n}.raw")
            self.uni("volume", "copy", "vm:db/data", copy)
            self.assertEqual(os.path.getsize(copy) % 4096, 0)
            # Its journal is what a loss of power would leave; replayed, nothing is wrong.
            subprocess.run(["/sbin/e2fsck", "-E", "journal_only", "-y", copy], check=False,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            done = subprocess.run(["/sbin/e2fsck", "-fn", copy], capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 0, done.stdout)
            self.assertEqual(self.uni("volume", "cat", f"{copy}:/kept"), "from the start\n")
        self.assertNothingLeft(self.work)
        self.assertIn("db", self.uni("ps"))

    def test_trouble(self):
        self.assertIn("no machine", self.fails("volume", "copy", "vm:none/data", "backup.raw"))
        self.assertFalse(os.path.exists(self.path("work/backup.raw")))


if __name__ == "__main__":
    scenario.main()
