"""Volumes that become snapshots in EC2, and content that comes from there, against a strict double."""

import os

import ec2
import scenario

AT = ec2.TO


class VolumeEc2(ec2.Account):
    packages = ()

    def setUp(self):
        super().setUp()
        self.write("site/page", "one\n")
        self.write("site/large", os.urandom(5 << 20))

    def show(self, place):
        return self.uni("volume", "cat", place)

    def test_there_and_back(self):
        self.uni("volume", "create", "site.vol", "--from", "site", "--size", "40M")
        self.uni("volume", "copy", "site.vol", AT + "site")
        self.account.page = 3  # of its list of blocks
        self.uni("volume", "create", "back.vol", "--from", AT + "site", "--size", "40M")
        self.assertEqual(self.show("back.vol:/page"), "one\n")
        self.assertGreater(self.account.count("ListSnapshotBlocks"), 3)
        self.assertEqual(self.uni("volume", "diff", "site.vol", "back.vol"), "")
        self.write("site/page", "two\n")
        self.uni("volume", "copy", "site", "site.vol")
        self.uni("volume", "copy", "site.vol", AT + "site")
        # The newest of that name, or any by its id.
        self.uni("volume", "copy", AT + "site", "back.vol")
        self.assertEqual(self.show("back.vol:/page"), "two\n")
        first = min(self.account.disks, key=lambda name: self.account.snapshots[name]["serial"])
        self.uni("volume", "copy", AT + first, "back.vol")
        self.assertEqual(self.show("back.vol:/page"), "one\n")
        self.uni("volume", "copy", AT + first, "out.tar")
        self.assertIn("large", self.tool("tar", "tf", "out.tar"))
        self.assertNothingLeft(self.work)

    def test_into_a_path(self):
        self.uni("volume", "create", "site.vol", "--from", "site", "--size", "40M")
        self.uni("volume", "push", "site.vol", AT + "site")
        self.write("other/about", "about\n")
        self.write("other/run", "#!/bin/sh\n", 0o755)
        self.uni("volume", "create", "other.vol", "--from", "other", "--size", "40M")
        self.uni("volume", "copy", AT + "site", "other.vol:/from-ec2")
        self.assertEqual(self.show("other.vol:/from-ec2/page"), "one\n")
        self.assertEqual(self.show("other.vol:/about"), "about\n")
        self.uni("volume", "copy", "other.vol:/", "site.vol:/below/it")
        self.uni("volume", "copy", "site.vol", "out/")
        self.assertTrue(os.access(self.path("work/out/below/it/run"), os.X_OK))
        self.assertEqual(self.read("out/below/it/from-ec2/page"), b"one\n")
        self.assertIn("nowhere", self.fails("volume", "copy", "nowhere", "site.vol:/x"))

    def test_other_formats(self):
        for name, size in (("ext4", ("--size", "20M")), ("squashfs", ())):
            self.uni("volume", "create", f"site.{name}", "--from", "site", "--format", name, *size)
            self.uni("volume", "push", f"site.{name}", AT + name)
            self.uni("volume", "create", f"{name}.vol", "--from", AT + name)
            self.assertEqual(self.show(f"{name}.vol:/page"), "one\n")

    def test_trouble(self):
        self.uni("volume", "create", "site.vol", "--from", "site", "--size", "40M")
        self.uni("volume", "push", "site.vol", AT + "site")
        name = next(iter(self.account.disks))
        self.assertIn("names no snapshot", self.fails("volume", "create", "no.vol", "--from", AT, status=2))
        self.assertIn('no snapshot "none" in eu-central-1', self.fails("volume", "create", "no.vol", "--from", AT + "none"))
        self.account.snapshots[name]["state"] = "pending"
        self.assertIn("is complete", self.fails("volume", "create", "no.vol", "--from", AT + "site"))
        self.account.snapshots[name]["state"] = "completed"
        for damage in (lambda block: block[:-1], lambda block: block[:-1] + b"x"):
            self.account.damage = damage
            self.assertIn("has not its checksum", self.fails("volume", "create", "no.vol", "--from", AT + "site"))
        self.account.damage = lambda block: block
        self.write("noise", os.urandom(600000))
        self.uni("volume", "push", "noise", AT + "noise")
        self.assertIn(AT + "noise", self.fails("volume", "create", "no.vol", "--from", AT + "noise"))
        self.assertFalse(os.path.exists(self.path("work/no.vol")))
        self.assertNothingLeft(self.work)


if __name__ == "__main__":
    scenario.main()
