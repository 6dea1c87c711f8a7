"""Volumes that become snapshots in EC2, and content that comes from there, against a strict double."""

import os
import sys

import scenario

sys.path.insert(0, os.path.join(scenario.ROOT, "tests/aws"))
import double  # noqa: E402

AT = "ec2://eu-central-1/"


class VolumeEc2(scenario.Scenario):
    packages = ()

    def setUp(self):
        super().setUp()
        self.account = double.Account()
        self.server = double.start(self.account)
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)
        self.env.update(AWS_ENDPOINT_URL=self.server.url, AWS_ACCESS_KEY_ID="AKIDEXAMPLE",
                        AWS_SECRET_ACCESS_KEY="wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
                        AWS_EC2_METADATA_DISABLED="true", no_proxy="127.0.0.1")
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
