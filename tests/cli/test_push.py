"""uni push against a strict double of EC2: what is made of an image, and what the next one sends."""

import collections
import json
import os
import re
import subprocess

import ec2
import scenario
from ec2 import TO, double


class Push(ec2.Ec2):
    def test_an_image_is_made_once(self):
        out = self.push("--wait", "--tag", "team=web")
        name, image = self.only_image()
        self.assertIn(name, out)
        self.assertRegex(image["name"], r"^hello-1\.0\.0-[0-9a-f]{16}$")
        self.assertEqual(image["tags"]["team"], "web")
        self.assertTrue(image["tags"]["uni:digest"].startswith("map-sha256:"))
        self.assertEqual(self.account.snapshots[image["snapshot"]]["tags"]["team"], "web")
        self.assert_snapshot_is_the_disk(image["snapshot"])
        puts = self.account.count("PutSnapshotBlock")
        with open(os.path.join(self.work, "out/hello.ami/block-map.json"), encoding="ascii") as f:
            self.assertEqual(puts, json.load(f)["changed_blocks_count"])
        self.assertIn("found", self.push())
        self.assertEqual(self.account.count("PutSnapshotBlock"), puts)
        self.assertEqual(self.account.count("RegisterImage"), 1)

    def test_a_recipe_is_built_and_goes_to_several_regions(self):
        self.account.copies_wait = 2
        out = self.push("--share", "123456789012", "--json", source="recipe.toml",
                        to="ec2://eu-central-1,us-east-1/")
        notes = json.loads(out)
        self.assertEqual([n["where"] for n in notes if n["what"] == "image"], ["eu-central-1", "us-east-1"])
        self.assertEqual(sorted(i["region"] for i in self.account.images.values()), ["eu-central-1", "us-east-1"])
        self.assertEqual([i["shares"] for i in self.account.images.values()], [["123456789012"]] * 2)
        self.assertEqual(self.account.count("CopyImage"), 1)
        self.push(source="recipe.toml", to="ec2://eu-central-1,us-east-1/")
        self.assertEqual(self.account.count("CopyImage"), 1)

    def assert_as_said(self, *words):
        """What a dry run says is what is then asked for, to the call and the byte."""
        said = self.uni_json(*words, "--dry-run", "--json")
        self.account.calls.clear()
        self.uni(*words)
        done = collections.Counter(call["action"] for call in self.account.calls)
        wanted = collections.Counter()
        for note in said:
            if note["what"] == "request":
                wanted[note["where"].split(":")[1]] += note["calls"]
        self.assertEqual(done, wanted)
        self.assertEqual(sum(note["bytes"] for note in said), done["PutSnapshotBlock"] * double.BLOCK)

    def test_a_dry_run_asks_nothing(self):
        out = self.push("--dry-run")
        self.assertIn("ebs:PutSnapshotBlock", out)
        self.assertRegex(out, r"ec2:RegisterImage +1 call  ")
        lines = [line.split() for line in out.splitlines() if re.match(r"(ec2|ebs):", line)]
        self.assertRegex(out, rf"(?m)^all +{sum(int(words[1]) for words in lines)} calls +[\d.]+ MB")
        self.assertEqual(self.account.calls, [])
        # What it says is what is done, the first time and on a parent.
        for version in ("1.0.0", "1.0.1"):
            self.recipe(version=version, more=self.BESIDE)
            self.image()
            self.assert_as_said("push", "out/hello.ami", TO)
        self.recipe(version="1.0.2")
        self.image()
        self.assert_as_said("push", "out/hello.ami", "ec2://eu-central-1,us-east-1/", "--share", "123456789012", "--wait")

    def test_an_address_names_the_image(self):
        self.push()
        first = self.only_image()[1]
        out = self.push(to="ec2://eu-central-1,us-east-1/front.end")
        for image in list(self.account.images.values())[1:]:
            self.assertEqual(image["name"], first["name"].replace("hello", "front.end"))
            self.assertEqual((image["tags"]["uni:name"], image["tags"]["uni:version"]), ("front.end", "1.0.0"))
        self.assertEqual(out.count("front.end"), 0)
        self.assertIn("found", self.push(to="ec2://eu-central-1/front.end"))
        # The next one of that name builds on it.
        self.recipe(extra=', "two"', version="1.0.1")
        self.image()
        self.push(to="ec2://eu-central-1/front.end")
        last = max(self.account.images.items())[1]
        self.assertEqual(self.account.snapshots[last["snapshot"]]["parent"],
                         next(i for i in self.account.images.values() if i["name"].startswith("front"))["snapshot"])
        for name in ("a/b", "a b", "-x", "x" * 65):
            self.assertIn("is no image's name", self.push_fails(status=2, to=f"ec2://eu-central-1/{name}"))

    def test_a_terminal_shows_rate_and_time_left(self):
        self.account.faults = [double.Fault("PutSnapshotBlock", "late", 1, after=2, seconds=1.6),
                               double.Fault("PutSnapshotBlock", "late", 1, after=2, seconds=2.2)]
        terminal, end = os.openpty()
        process = subprocess.Popen([scenario.UNI, "push", "out/hello.ami", TO], cwd=self.work, env=self.env,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=end)
        os.close(end)
        shown = b""
        while True:
            try:
                shown += os.read(terminal, 65536)
            except OSError:  # the other side is closed
                break
        os.close(terminal)
        self.assertEqual(process.wait(), 0, shown)
        self.assertRegex(shown.decode(), r"upload [\d.]+ MB of [\d.]+ MB, [\d.]+ [kM]?B/s, \d+ s left")

    def assert_holds(self, snapshot, path):
        """The file, padded with zeros, is what the snapshot holds."""
        with open(os.path.join(self.work, path), "rb") as f:
            raw = f.read()
        blocks = self.account.snapshots[snapshot]["blocks"]
        raw += bytes(-len(raw) % double.BLOCK)
        for i in range(max(len(raw) // double.BLOCK, max(blocks) + 1)):
            self.assertEqual(blocks.get(i, bytes(double.BLOCK)), raw[i * double.BLOCK:(i + 1) * double.BLOCK], i)

    def test_volumes_of_their_own_are_mapped(self):
        self.recipe(more=self.BESIDE)
        self.image()
        self.assertIn("state: 1 GiB in eu-central-1", self.push("--dry-run"))
        # What fails behind the first snapshot leaves none of them.
        self.account.keys["AKIDEXAMPLE"]["allowed"] = {"ebs:StartSnapshot", "ebs:PutSnapshotBlock",
                                                       "ebs:CompleteSnapshot", "ec2:DescribeImages",
                                                       "ec2:DescribeSnapshots", "ec2:DeleteSnapshot"}
        self.push_fails()
        self.assertEqual(self.account.snapshots, {})
        self.account.keys["AKIDEXAMPLE"]["allowed"] = None
        # What is interrupted there goes on with all of them.
        self.account.faults = [double.Fault("RegisterImage", 503)]
        self.assertIn("the same command goes on", self.push_fails())
        self.assertEqual(len(self.account.disks), 3)
        puts = self.account.count("PutSnapshotBlock")
        self.account.faults = []
        self.push()
        self.assertEqual((self.account.count("PutSnapshotBlock"), len(self.account.disks)), (puts, 3))
        image = self.only_image()[1]
        self.assertEqual(list(image["mappings"]), ["/dev/xvda", "/dev/sdf", "/dev/sdg"])
        form = image["form"]
        self.assertEqual([form[f"BlockDeviceMapping.{n}.Ebs.DeleteOnTermination"] for n in (1, 2, 3)],
                         ["true", "false", "true"])
        self.assert_snapshot_is_the_disk(image["snapshot"])
        self.assert_holds(image["mappings"]["/dev/sdf"], "out/hello.state.raw")
        self.assert_holds(image["mappings"]["/dev/sdg"], "out/hello.www.vol")
        self.assertTrue(image["tags"]["uni:digest"].startswith("ami-sha256:"))
        # The next one builds on each of them, and sends at least a block.
        self.recipe(version="1.0.1", more=self.BESIDE)
        self.image()
        self.push()
        second = next(i for i in self.account.images.values() if i is not image)
        for device, snapshot in image["mappings"].items():
            made = self.account.snapshots[second["mappings"][device]]
            self.assertEqual((made["parent"], len(made["put"]) > 0), (snapshot, True))
        self.assert_holds(second["mappings"]["/dev/sdf"], "out/hello.state.raw")
        copy = self.uni("ami", "copy", f"ec2://eu-central-1/{second['name']}", "us-west-2").split()[1]
        self.assertEqual(len(self.account.images[copy]["mappings"]), 3)
        for name in (image["name"], second["name"]):
            self.uni("ami", "deregister", f"ec2://eu-central-1/{name}")
        self.assertEqual({s["region"] for s in self.account.snapshots.values()}, {"us-west-2"})

    def test_the_next_image_sends_what_differs(self):
        self.push()
        first = self.only_image()[1]
        before = self.account.count("PutSnapshotBlock")
        self.recipe(extra=', "two"', version="1.0.1")
        self.image()
        self.push()
        sent = self.account.count("PutSnapshotBlock") - before
        self.assertLess(sent, before)
        self.assertGreater(sent, 0)
        second = next(i for i in self.account.images.values() if i is not first)
        self.assertEqual(self.account.snapshots[second["snapshot"]]["parent"], first["snapshot"])
        self.assert_snapshot_is_the_disk(second["snapshot"])

    def test_another_machine_sends_what_differs(self):
        self.push()
        first = self.only_image()[1]
        before = self.account.count("PutSnapshotBlock")
        self.next_image()
        self.push()
        self.assertLess(self.account.count("PutSnapshotBlock") - before, before)
        second = next(i for i in self.account.images.values() if i is not first)
        self.assertEqual(self.account.snapshots[second["snapshot"]]["parent"], first["snapshot"])
        self.assert_snapshot_is_the_disk(second["snapshot"])
        # Of several the newest; what was interrupted after it was found goes on.
        self.recipe(version="1.0.2")
        self.image()
        self.env["XDG_STATE_HOME"] = self.path("third")
        self.account.faults = [double.Fault("CompleteSnapshot", 400)]
        self.push_fails()
        self.account.faults = [double.Fault("RegisterImage", 503)]
        self.push_fails()
        self.push()
        third = max(self.account.images.items())[1]
        self.assertEqual(self.account.snapshots[third["snapshot"]]["parent"], second["snapshot"])
        self.assert_snapshot_is_the_disk(third["snapshot"])

    def test_a_block_map_that_cannot_be_used(self):
        self.push()
        first = self.only_image()[1]
        block_map = next(s for s in self.account.snapshots.values() if "uni:map-of" in s["tags"])
        self.assertEqual(block_map["tags"], {"uni:map-of": first["snapshot"], "uni:map-name": "hello"})
        self.next_image()
        sound = dict(block_map["blocks"])
        text = sound[0].rstrip(b"\0")
        damaged = [b"", b"snapshot snap-1", text.replace(b'"format": 1', b'"format": 9'), text[:-5],
                   text.replace(first["snapshot"].encode(), b"snap-00000000000000009"), bytes(len(text))]
        for number, change in enumerate(damaged):
            self.env["XDG_STATE_HOME"] = self.path(f"machine-{number}")
            block_map["blocks"][0] = change.ljust(double.BLOCK, b"\0")
            self.push()
            name, image = max(self.account.images.items())
            self.assertIsNone(self.account.snapshots[image["snapshot"]]["parent"])
            self.assert_snapshot_is_the_disk(image["snapshot"])
            self.uni("ami", "deregister", f"ec2://eu-central-1/{name}")
        # Without the permission to read it a push goes on, and says so.
        block_map["blocks"] = sound
        self.env["XDG_STATE_HOME"] = self.path("last")
        self.account.keys["AKIDEXAMPLE"]["allowed"] = {
            "ebs:StartSnapshot", "ebs:PutSnapshotBlock", "ebs:CompleteSnapshot", "ec2:DescribeImages",
            "ec2:DescribeSnapshots", "ec2:RegisterImage", "ec2:CreateTags"}
        done = self.run_uni("push", "out/hello.ami", TO)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(b"all blocks are sent", done.stderr)

    def test_what_became_zero_is_sent(self):
        self.push()
        self.write("site/data", bytes(6 << 20))
        self.image()
        self.push()
        newest = max(self.account.images.items())[1]
        self.assertIsNotNone(self.account.snapshots[newest["snapshot"]]["parent"])
        self.assert_snapshot_is_the_disk(newest["snapshot"])

    def test_a_parent_that_is_gone_is_done_without(self):
        self.push()
        self.account.images.clear()
        self.account.snapshots.clear()
        self.recipe(version="1.0.1")
        self.image()
        self.push()
        self.assert_snapshot_is_the_disk(self.only_image()[1]["snapshot"])

    def test_encrypted_snapshots_have_every_block(self):
        self.account.encrypt = True
        self.push()
        snapshot = self.account.snapshots[self.only_image()[1]["snapshot"]]
        self.assertEqual(len(snapshot["put"]), 2048)
        self.assert_snapshot_is_the_disk(self.only_image()[1]["snapshot"])

    def test_a_volume_becomes_a_snapshot(self):
        content = os.urandom(1 << 20) + bytes(3 << 20) + os.urandom(700000)
        self.write("data.vol", content)
        region, snapshot = self.uni("volume", "push", "data.vol", "ec2://eu-central-1/data", "--tag", "a=b").split()
        made = self.account.snapshots[snapshot]
        self.assertEqual((region, made["state"], made["tags"]["a"], len(made["put"])), ("eu-central-1", "completed", "b", 4))
        padded = content + bytes(-len(content) % double.BLOCK)
        for i in range(len(padded) // double.BLOCK):
            self.assertEqual(made["blocks"].get(i, bytes(double.BLOCK)),
                             padded[i * double.BLOCK:(i + 1) * double.BLOCK])
        self.write("data.vol", b"x" + content[1:])
        _, second = self.uni("volume", "push", "data.vol", "ec2://eu-central-1/data").split()
        self.assertEqual(len(self.account.snapshots[second]["put"]), 1)
        self.assertEqual(self.account.snapshots[second]["parent"], snapshot)
        self.write("data.vol", b"y" + content[1:])
        self.assert_as_said("volume", "push", "data.vol", "ec2://eu-central-1/data")
        self.env["XDG_STATE_HOME"] = self.path("another")
        made = self.uni_json("volume", "push", "data.vol", "ec2://eu-central-1/other", "--json")
        self.assertEqual([(n["what"], n["where"]) for n in made], [("snapshot", "eu-central-1")])
        self.assertIn("names no snapshot", self.fails("volume", "push", "data.vol", "ec2://eu-central-1/", status=2))


if __name__ == "__main__":
    scenario.main()
