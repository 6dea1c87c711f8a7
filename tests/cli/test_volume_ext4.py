"""Files put into an ext4 volume while no machine has it; e2fsck judges what comes of it."""

import os
import re
import subprocess

import scenario


class Ext4(scenario.Scenario):
    packages = ()

    def setUp(self):
        super().setUp()
        self.write("start/kept", "from the start\n")
        self.write("start/folder/old", "old\n")
        self.uni("volume", "create", "data.raw", "--from", "start", "--format", "ext4", "--size", "16M")

    def check(self):
        self.fsck("data.raw")
        self.assertNothingLeft(self.work)

    def cat(self, path):
        return self.uni("volume", "cat", f"data.raw:{path}")

    def test_files_and_folders(self):
        self.write("new", "new\n" * 30000)
        self.uni("volume", "copy", "new", "data.raw:/folder/old")
        self.uni("volume", "copy", "new", "data.raw:/made/on/the/way")
        self.check()
        self.assertEqual(self.cat("/folder/old"), "new\n" * 30000)
        self.assertEqual(self.cat("/made/on/the/way"), "new\n" * 30000)
        self.assertEqual(self.cat("/kept"), "from the start\n")
        for i in range(400):
            self.write(f"many/{'a-rather-long-name-' * 3}{i}", f"{i}\n")
        os.symlink("../kept", os.path.join(self.work, "many/link"))
        for _ in range(2):  # the second time everything is there already
            self.uni("volume", "copy", "many", "data.raw:/folder")
            self.check()
        self.assertEqual(self.cat(f"/folder/{'a-rather-long-name-' * 3}399"), "399\n")
        self.assertEqual(self.cat("/folder/link"), "from the start\n")
        self.assertEqual(self.cat("/folder/old"), "new\n" * 30000)
        # The volume stays the machine's own: its identity and size are what they were.
        self.assertEqual(os.path.getsize(os.path.join(self.work, "data.raw")), 16 << 20)

    def test_holes(self):
        """Files may be longer than their volume: it is their data that takes room, at once or put there later."""
        with open(self.write("huge/file", ""), "r+b") as f:
            f.truncate(5 << 40)
            f.seek(3 << 40)
            f.write(os.urandom(100_000))
        self.uni("volume", "create", "huge.raw", "--from", "huge", "--format", "ext4", "--size", "16M")
        self.uni("volume", "copy", "huge", "data.raw:/folder")
        for volume, path in (("huge.raw", "/file"), ("data.raw", "/folder/file")):
            self.fsck(volume)
            said = self.tool("debugfs", "-R", f"stat {path}", volume)
            self.assertIn(f"Size: {5 << 40}\n", said)
            self.assertEqual(re.findall(r"\((\d+)-(\d+)\):", said), [(str(3 << 28), str((3 << 28) + 24))], said)
        self.write("large/file", os.urandom(6 << 20))
        for form in "ext4", "live":
            self.assertRegex(self.fails("volume", "create", "new.raw", "--from", "large", "--format", form, "--size", "5M"),
                             r"do not fit into 5.2 MB\n  a size of \d+M|there is room for")
        self.assertFalse(os.path.exists(self.path("work/new.raw")))

    def test_attributes_go_with_their_file(self):
        """Those that lie in a block of their own; a short link's target is no block."""
        self.write("large", "x" * 3000)
        self.write("new/link", "now a file\n")
        self.write("new/kept", "new\n")
        self.write("commands", "symlink /link kept\nea_set -f large /kept user.large\nea_set -f large /link user.large\n")
        self.tool("/sbin/debugfs", "-w", "-f", "commands", "data.raw")
        self.fsck("data.raw")
        for path in "/kept", "/link":
            self.assertRegex(self.tool("/sbin/debugfs", "-R", f"stat {path}", "data.raw"), "File ACL: [1-9]")
        self.uni("volume", "copy", "new", "data.raw:/")
        self.fsck("data.raw")
        self.assertEqual((self.cat("/kept"), self.cat("/link")), ("new\n", "now a file\n"))

    def test_the_volume_itself_is_replaced(self):
        """Not a link to it; and whoever owned it owns it."""
        os.mkdir(self.path("work/disks"))
        os.rename(self.path("work/data.raw"), self.path("work/disks/data.raw"))
        os.symlink("disks/data.raw", self.path("work/data.raw"))
        if os.getuid() == 0:
            os.chown(self.path("work/disks/data.raw"), 65534, 65534)
        before = os.stat(self.path("work/disks/data.raw"))
        self.uni("volume", "copy", "start/kept", "data.raw:/more")
        self.assertTrue(os.path.islink(self.path("work/data.raw")))
        after = os.stat(self.path("work/disks/data.raw"))
        self.assertEqual((after.st_uid, after.st_gid, after.st_mode), (before.st_uid, before.st_gid, before.st_mode))
        self.assertEqual(self.uni("volume", "cat", "disks/data.raw:/more"), "from the start\n")
        self.assertEqual(os.listdir(self.path("work/disks")), ["data.raw"])

    def test_trouble(self):
        before = self.read("data.raw")
        self.write("large", os.urandom(17 << 20))
        self.assertRegex(self.fails("volume", "copy", "large", "data.raw:/large"), r"needs \d+ bytes, and there is room for \d+")
        self.assertIn("is a folder", self.fails("volume", "copy", "start/kept", "data.raw:/folder"))
        self.assertIn("is no folder", self.fails("volume", "copy", "start", "data.raw:/kept"))
        self.assertEqual(self.read("data.raw"), before)
        command = ["qemu-system-x86_64", "-machine", "none", "-nodefaults", "-display", "none", "-qmp", "stdio",
                   "-drive", "file=data.raw,format=raw,if=none"]
        with subprocess.Popen(command, cwd=self.work, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as machine:
            try:
                self.assertIn(b"QMP", machine.stdout.readline())  # said when the drive is open and locked
                self.assertIn("a machine has it", self.fails("volume", "copy", "start", "data.raw:/"))
            finally:
                machine.kill()
        # A journal that must be replayed first: the feature flag that says so (needs_recovery).
        self.tool("/sbin/debugfs", "-w", "-R", "feature needs_recovery", "data.raw")
        self.assertIn("journal is to be replayed", self.fails("volume", "copy", "start", "data.raw:/"))
        self.assertNothingLeft(self.work)


if __name__ == "__main__":
    scenario.main()
