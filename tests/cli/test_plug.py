"""Volumes come to a machine that runs and go again: live, read-only and written ones, and one whose files are open."""

import os
import time

import scenario

PROGRAM = r"""#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
/* Shows what is mounted, as it comes and goes; writes where it may; holds open what is called "hold". */
static void look(const char *folder, char *seen, size_t room)
{
	char path[64], text[64] = "";
	snprintf(path, sizeof(path), "%s/word", folder);
	int fd = open(path, O_RDONLY);
	if (fd >= 0) {
		ssize_t got = read(fd, text, sizeof(text) - 1);
		text[got > 0 ? got : 0] = '\0';
		close(fd);
	}
	text[strcspn(text, "\n")] = '\0';
	if (strcmp(text, seen) == 0)
		return;
	snprintf(seen, room, "%s", text);
	printf("%s <%s>\n", folder, text);
	snprintf(path, sizeof(path), "%s/written", folder);
	fd = text[0] != '\0' ? open(path, O_WRONLY | O_CREAT, 0644) : -1;
	if (fd >= 0) {
		(void)!write(fd, text, strlen(text));
		close(fd);
		printf("%s written\n", folder);
	}
}

int main(void)
{
	static const char *const folders[] = { "/srv/a", "/srv/b", "/srv/c" };
	char seen[3][64] = { "" };
	int held = -1;

	setvbuf(stdout, NULL, _IONBF, 0);
	printf("ready\n");
	for (;;) {
		struct stat st;
		for (int i = 0; i < 3; i++)
			look(folders[i], seen[i], sizeof(seen[i]));
		if (held == -1 && stat("/srv/a/hold", &st) == 0) {
			held = open("/srv/a/hold", O_RDONLY);
			printf("held\n");
		} else if (held >= 0 && stat("/srv/a/drop", &st) == 0) {
			close(held);
			held = -2;
			printf("dropped\n");
		}
		usleep(10000);
	}
}
"""

RECIPE = """
[image]
name = "box"

[base]
filesystems = ["squashfs", "live", "ext4"]

[app]
sources = ["program.c"]

[machine]
memory = "64M"
"""


class Plug(scenario.Scenario):
    def setUp(self):
        super().setUp()
        self.write("program.c", PROGRAM)
        self.write("recipe.toml", RECIPE)
        self.seen = 0

    def start(self, *more):
        self.uni("run", "recipe.toml", "--detach", "--name", "box", *more)
        self.addCleanup(self.run_uni, "stop", "--kill", "box")
        self.shows("ready")

    def shows(self, words):
        end = time.monotonic() + 300
        while words not in self.uni("logs", "box")[self.seen:]:
            self.assertLess(time.monotonic(), end, f"{words!r} does not come:\n" + self.uni("logs", "box"))
            time.sleep(0.05)
        self.seen = self.uni("logs", "box").index(words, self.seen) + len(words)

    def test_come_and_go(self):
        self.start()
        self.write("a/word", "live one\n")
        self.write("b/word", "plain\n")
        self.write("c/word", "disk\n")
        self.uni("volume", "create", "a.vol", "--from", "a", "--size", "8M")
        self.uni("volume", "create", "b.squashfs", "--from", "b", "--format", "squashfs")
        self.uni("volume", "create", "c.raw", "--from", "c", "--format", "ext4", "--size", "16M")
        for turn in range(3):
            self.uni("volume", "attach", "a.vol", "vm:box", "--mount", "/srv/a")
            self.shows("/srv/a <live")
            self.uni("volume", "attach", "b.squashfs", "vm:box", "--mount", "/srv/b")
            self.shows("/srv/b <plain>")
            self.uni("volume", "attach", "c.raw", "vm:box", "--mount", "/srv/c")
            self.shows("/srv/c <disk>")
            self.shows("/srv/c written")
            # New content comes to one that was plugged in as to any other.
            self.write("a/word", f"live {turn + 2}\n")
            self.uni("volume", "copy", "a", "vm:box/a", "--wait", "--timeout", "300")
            self.shows(f"/srv/a <live {turn + 2}>")
            self.uni("volume", "copy", "vm:box/c", f"copy-{turn}.raw")
            self.fsck(self.path("work", f"copy-{turn}.raw"))
            for name in ("b.squashfs", "c", self.path("work", "a.vol")):
                self.uni("volume", "detach", name, "vm:box")
            self.shows("/srv/c <>")
            self.fsck(self.path("work", "c.raw"))
            self.assertEqual(self.uni("volume", "cat", "c.raw:/written"), "disk")
        self.uni("stop", "box")

    def test_in_use(self):
        self.start()
        self.write("a/word", "one\n")
        self.write("a/hold", "held\n")
        self.uni("volume", "create", "a.vol", "--from", "a", "--size", "8M")
        self.uni("volume", "attach", "a.vol", "vm:box", "--mount", "/srv/a")
        self.shows("held")
        self.assertIn("is in use: /srv/a/hold", self.fails("volume", "detach", "a.vol", "vm:box"))
        self.write("a/drop", "")
        self.uni("volume", "copy", "a", "vm:box/a", "--wait", "--timeout", "300")
        self.shows("dropped")
        self.uni("volume", "detach", "a.vol", "vm:box")
        self.shows("/srv/a <>")

    def test_slot_that_is_held(self):
        """What is open from the content before last keeps its room: the writer says who holds it, and gives up."""
        self.start()
        self.write("a/word", "one\n")
        self.write("a/hold", "held\n")
        self.uni("volume", "create", "a.vol", "--from", "a", "--size", "8M")
        self.uni("volume", "attach", "a.vol", "vm:box", "--mount", "/srv/a")
        self.shows("held")
        self.write("a/word", "two\n")
        self.uni("volume", "copy", "a", "vm:box/a", "--wait", "--timeout", "300")
        before = self.read("a.vol")
        self.write("a/word", "three\n")
        self.assertIn("files of generation 1 are still open in box",
                      self.fails("volume", "copy", "a", "vm:box/a", "--timeout", "10"))
        self.assertEqual(self.read("a.vol"), before)
        self.assertIn("is in use: /srv/a/hold", self.fails("volume", "detach", "a.vol", "vm:box"))

    def test_trouble(self):
        self.start()
        self.write("a/word", "one\n")
        self.uni("volume", "create", "a.vol", "--from", "a", "--size", "8M")
        self.write("noise", "x" * 5000)
        for words, args in (
                ("there is no machine", ("attach", "a.vol", "vm:none", "--mount", "/srv/a")),
                ("noise", ("attach", "noise", "vm:box", "--mount", "/srv/a")),
                ("no volume \"a\" was attached", ("detach", "a", "vm:box")),
                ("something is mounted there", ("attach", "a.vol", "vm:box", "--mount", "/proc")),
                ("the folder cannot be made", ("attach", "a.vol", "vm:box", "--mount", "/proc/x/y"))):
            self.assertIn(words, self.fails("volume", *args))
        for words, args in (
                ("is not vm:NAME", ("attach", "a.vol", "box", "--mount", "/srv/a")),
                ("--mount is missing", ("attach", "a.vol", "vm:box")),
                ("not an absolute path", ("attach", "a.vol", "vm:box", "--mount", "srv"))):
            self.assertIn(words, self.fails("volume", *args, status=2))
        # After all that the ports are free.
        for i in range(4):
            self.uni("volume", "create", f"v{i}.vol", "--from", "a", "--size", "4M")
            self.uni("volume", "attach", f"v{i}.vol", "vm:box", "--mount", f"/mnt/{i}")
        self.assertIn("all 4 ports", self.fails("volume", "attach", "a.vol", "vm:box", "--mount", "/srv/a"))
        self.uni("volume", "detach", "v2", "vm:box")
        self.assertIn("mounted already", self.fails("volume", "attach", "v0.vol", "vm:box", "--mount", "/srv/a"))
        self.uni("volume", "attach", "a.vol", "vm:box", "--mount", "/srv/a")
        self.shows("/srv/a <one>")

    def test_no_ports(self):
        self.write("a/word", "one\n")
        self.uni("volume", "create", "a.vol", "--from", "a", "--size", "8M")
        self.start("--machine", "pc")
        self.assertIn("has no ports", self.fails("volume", "attach", "a.vol", "vm:box", "--mount", "/srv/a"))


if __name__ == "__main__":
    scenario.main()
