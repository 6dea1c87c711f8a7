"""uni push and uni ami against a strict double of EC2: what is made, what goes on after trouble, what is refused."""

import collections
import json
import os
import signal
import subprocess
import sys
import time
import unittest.mock

import scenario

sys.path.insert(0, os.path.join(scenario.ROOT, "tests/aws"))
import double  # noqa: E402

TO = "ec2://eu-central-1/"


class Ec2(scenario.Scenario):
    """An account at the double, and an image with data and zeros in it."""

    def setUp(self):
        super().setUp()
        self.account = double.Account()
        self.server = double.start(self.account)
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)
        self.env.update(AWS_ENDPOINT_URL=self.server.url, AWS_ACCESS_KEY_ID="AKIDEXAMPLE",
                        AWS_SECRET_ACCESS_KEY="wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
                        AWS_EC2_METADATA_DISABLED="true", no_proxy="127.0.0.1")
        self.write("site/data", os.urandom(3 << 20) + bytes(2 << 20) + os.urandom(1 << 20))
        self.recipe()
        self.image()

    def recipe(self, extra="", version="1.0.0", more=""):
        self.write("hello.c", scenario.HELLO_C)
        self.write("recipe.toml", f"""[image]
name = "hello"
version = "{version}"
[app]
sources = ["hello.c"]
args = ["one"{extra}]
[[volume]]
name = "data"
mount = "/srv"
source = "site"
compression = "none"
{more}""")

    def image(self):
        self.uni("build", "recipe.toml", "-o", "out", "--format", "ami,raw", "--force")
        return "out/hello.ami"

    def push(self, *more, to=TO, source="out/hello.ami"):
        return self.uni("push", source, to, *more)

    def push_fails(self, *more, status=1, to=TO, source="out/hello.ami"):
        return self.fails("push", source, to, *more, status=status)

    def only_image(self):
        self.assertEqual(len(self.account.images), 1)
        return next(iter(self.account.images.items()))

    def assert_snapshot_is_the_disk(self, snapshot):
        """Block by block, against the raw disk; what lies behind it but for the moved backup table is zeros."""
        with open(os.path.join(self.work, "out/hello.raw"), "rb") as f:
            raw = f.read()
        blocks = self.account.snapshots[snapshot]["blocks"]
        self.assertEqual(self.account.snapshots[snapshot]["size"], 1)
        whole = len(raw) // double.BLOCK
        for i in range(1, whole):
            self.assertEqual(blocks.get(i, bytes(double.BLOCK)), raw[i * double.BLOCK:(i + 1) * double.BLOCK], i)
        self.assertEqual(max(blocks), 2047)
        self.assertEqual(blocks[2047][-512:-504], b"EFI PART")


class Push(Ec2):
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

    def test_a_dry_run_asks_nothing(self):
        out = self.push("--dry-run")
        self.assertIn("ebs:PutSnapshotBlock", out)
        self.assertIn("ec2:RegisterImage", out)
        self.assertEqual(self.account.calls, [])
        # What it says is what is done, the first time and on a parent.
        for version in ("1.0.0", "1.0.1"):
            self.recipe(version=version, more=self.BESIDE)
            self.image()
            said = json.loads(self.push("--dry-run", "--json"))
            self.account.calls.clear()
            self.push()
            done = collections.Counter(call["action"] for call in self.account.calls)
            wanted = collections.Counter()
            for note in said:
                if note["what"] == "request":
                    wanted[note["where"].split(":")[1]] += note["calls"]
            self.assertEqual(done, wanted)
            self.assertEqual(sum(note["bytes"] for note in said), done["PutSnapshotBlock"] * double.BLOCK)

    BESIDE = """[[volume]]
name = "state"
mount = "/state"
format = "ext4"
mode = "rw"
size = "8M"
[[volume]]
name = "www"
mount = "/www"
format = "live"
source = "site"
"""

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

    def next_image(self, elsewhere="another"):
        """A version more, on a machine that has pushed nothing so far."""
        self.recipe(extra=', "two"', version="1.0.1")
        self.image()
        self.env["XDG_STATE_HOME"] = self.path(elsewhere)

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
            "ec2:DescribeSnapshots", "ec2:RegisterImage"}
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

    def test_passing_trouble_passes(self):
        self.account.faults = [
            double.Fault("StartSnapshot", 503), double.Fault("PutSnapshotBlock", 404, 2, "ResourceNotFoundException"),
            double.Fault("PutSnapshotBlock", 400, 3, "RequestThrottledException", after=1),
            double.Fault("PutSnapshotBlock", "cut", 2, after=2), double.Fault("PutSnapshotBlock", "lost", after=3),
            double.Fault("CompleteSnapshot", 500), double.Fault("DescribeSnapshots", 400, 1, "InvalidSnapshot.NotFound"),
            double.Fault("DescribeImages", 503, 1, "RequestLimitExceeded")]
        self.push("--wait")
        self.assert_snapshot_is_the_disk(self.only_image()[1]["snapshot"])
        self.assertTrue(all(fault.times == 0 for fault in self.account.faults))

    def test_a_lost_answer_makes_no_second_image(self):
        self.account.faults = [double.Fault("RegisterImage", "lost"), double.Fault("StartSnapshot", "lost")]
        self.push()
        self.only_image()
        self.assertEqual(len(self.account.disks), 1)

    def test_what_is_forbidden_is_named_and_leaves_nothing(self):
        self.account.keys["AKIDEXAMPLE"]["allowed"] = {"ebs:StartSnapshot", "ebs:PutSnapshotBlock",
                                                       "ebs:CompleteSnapshot", "ec2:DescribeImages",
                                                       "ec2:DescribeSnapshots", "ec2:DeleteSnapshot"}
        done = self.push_fails()
        self.assertIn("the permission ec2:RegisterImage is missing", done)
        self.assertEqual(self.account.snapshots, {})

    def test_the_policy_of_the_documentation_is_enough_and_no_more(self):
        with open(os.path.join(scenario.ROOT, "docs/ec2.md"), encoding="utf-8") as f:
            policy = json.loads(f.read().split("```json\n")[1].split("```")[0])
        allowed = {action for statement in policy["Statement"] for action in statement["Action"]}
        self.account.keys["AKIDEXAMPLE"]["allowed"] = allowed
        self.push("--wait", "--share", "123456789012", to="ec2://eu-central-1,us-east-1/")
        self.uni("ami", "gc", "ec2://eu-central-1")
        self.uni("ami", "deregister", "ec2://us-east-1/" + next(
            name for name, image in self.account.images.items() if image["region"] == "us-east-1"))
        self.next_image()
        self.push()
        direct = {"StartSnapshot", "PutSnapshotBlock", "CompleteSnapshot", "ListSnapshotBlocks", "GetSnapshotBlock"}
        used = {f"{'ebs' if call['action'] in direct else 'ec2'}:{call['action']}" for call in self.account.calls}
        # Tagging on creation wants CreateTags, though nobody calls it.
        self.assertEqual(allowed - used, {"ec2:CreateTags"})

    def test_an_interrupted_push_goes_on(self):
        self.account.faults = [double.Fault("PutSnapshotBlock", "stall", 99, after=6, seconds=30)]
        process = subprocess.Popen([scenario.UNI, "push", "out/hello.ami", TO], cwd=self.work, env=self.env,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        deadline = time.monotonic() + 60
        while self.account.count("PutSnapshotBlock") < 6 and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
        self.assertNotEqual(process.returncode, 0)
        self.assertIn("the same command goes on with it", errors)
        self.account.faults = []
        before = self.account.count("PutSnapshotBlock")
        self.push()
        with open(os.path.join(self.work, "out/hello.ami/block-map.json"), encoding="ascii") as f:
            total = json.load(f)["changed_blocks_count"]
        self.assertLess(self.account.count("PutSnapshotBlock") - before, total)
        self.assertEqual(self.account.count("StartSnapshot"), 1)
        self.assert_snapshot_is_the_disk(self.only_image()[1]["snapshot"])

    def test_a_killed_push_goes_on(self):
        self.account.faults = [double.Fault("PutSnapshotBlock", "stall", 99, after=4, seconds=30)]
        process = subprocess.Popen([scenario.UNI, "push", "out/hello.ami", TO], cwd=self.work, env=self.env,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while self.account.count("PutSnapshotBlock") < 4 and time.monotonic() < deadline:
            time.sleep(0.02)
        process.kill()
        process.wait()
        self.account.faults = []
        self.push()
        self.assertEqual(self.account.count("StartSnapshot"), 1)
        self.assert_snapshot_is_the_disk(self.only_image()[1]["snapshot"])

    def test_a_snapshot_that_fails(self):
        self.account.seals = "error"
        self.assertIn('is in state "error": as the test wants', self.push_fails())
        self.assertEqual((self.account.disks, self.account.images), ({}, {}))
        self.account.seals = "completed"
        self.push()
        self.assert_snapshot_is_the_disk(self.only_image()[1]["snapshot"])

    def test_a_quota_is_named(self):
        for action, code in (("StartSnapshot", "ServiceQuotaExceededException"),
                             ("StartSnapshot", "ConcurrentLimitExceededException"),
                             ("RegisterImage", "ResourceLimitExceeded")):
            self.account.faults = [double.Fault(action, 400, 1, code)]
            self.assertIn(code, self.push_fails())
            self.assertEqual((self.account.disks, self.account.images), ({}, {}))

    def test_a_snapshot_that_is_gone_before_a_push_goes_on(self):
        self.account.faults = [double.Fault("RegisterImage", 503)]
        self.push_fails()
        self.account.snapshots.clear()
        state = self.path("state/uni/ec2/under-way/eu-central-1")
        for name in os.listdir(state):
            os.utime(os.path.join(state, name), (0, 0))
        self.push()
        self.assert_snapshot_is_the_disk(self.only_image()[1]["snapshot"])

    def test_kills_at_any_call(self):
        """Killed while any of the calls of a push is under way, it ends well when it is made again."""
        self.push()
        plan = [call["action"] for call in self.account.calls]
        for number in sorted({plan.index(action) for action in plan}):
            fresh = double.Account()
            vars(self.account).update(vars(fresh))
            self.env["XDG_STATE_HOME"] = self.path(f"killed-{number}")
            self.account.faults = [double.Fault(plan[number], "stall", 1, seconds=20)]
            process = subprocess.Popen([scenario.UNI, "push", "out/hello.ami", TO], cwd=self.work, env=self.env,
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            deadline = time.monotonic() + 60
            while self.account.faults[0].times and time.monotonic() < deadline:
                time.sleep(0.02)
            process.kill()
            process.wait()
            self.account.faults = []
            self.push()
            self.assert_snapshot_is_the_disk(self.only_image()[1]["snapshot"])
            self.assertEqual(len(self.account.disks), 1, plan[number])

    def test_sizes_that_ebs_does_not_take(self):
        self.write("empty.raw", b"")
        self.assertIn("empty.raw", self.fails("volume", "push", "empty.raw", "ec2://eu-central-1/data"))
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "large.qcow2", "65537G"], cwd=self.work, check=True)
        self.assertIn("at most 65536", self.fails("volume", "push", "large.qcow2", "ec2://eu-central-1/data"))
        self.assertEqual(self.account.calls, [])

    def test_a_wrong_clock_is_allowed_for(self):
        self.account.clock = lambda: time.time() + 7200
        self.push()
        self.only_image()

    def test_a_name_with_another_content_is_an_error(self):
        self.push()
        image = self.only_image()[1]
        image["tags"]["uni:digest"] = "map-sha256:" + "0" * 64
        done = self.push_fails()
        self.assertIn("is another image", done)
        self.assertIn("uni ami deregister", done)

    def test_images_are_listed_copied_and_removed(self):
        self.push()
        name, image = self.only_image()
        self.assertIn(name, self.uni("ami", "list", "ec2://eu-central-1"))
        self.assertIn(image["snapshot"], self.uni("ami", "show", f"ec2://eu-central-1/{image['name']}"))
        copy = self.uni("ami", "copy", f"ec2://eu-central-1/{name}", "us-west-2").split()
        self.assertEqual(copy, self.uni("ami", "copy", f"ec2://eu-central-1/{name}", "us-west-2").split())
        self.assertEqual(self.account.images[copy[1]]["tags"], image["tags"])
        self.uni("ami", "deregister", f"ec2://eu-central-1/{name}")
        self.assertEqual(list(self.account.images), [copy[1]])
        self.assertEqual({s["region"] for s in self.account.snapshots.values()}, {"us-west-2"})
        self.assertIn("has no image", self.fails("ami", "show", f"ec2://eu-central-1/{name}"))

    def test_leftovers_are_collected(self):
        self.push()
        used = self.only_image()[1]["snapshot"]
        left = self.account.new_id("snap")
        self.account.snapshots[left] = dict(self.account.snapshots[used], state="pending")
        foreign = self.account.new_id("snap")
        self.account.snapshots[foreign] = dict(self.account.snapshots[used], tags={})
        volumes = {}
        for state in ("pending", "completed"):
            volumes[state] = self.account.new_id("snap")
            self.account.snapshots[volumes[state]] = dict(self.account.snapshots[used], state=state,
                                                          tags={"uni:volume": "map-sha256:0"})
        maps = {of: self.account.new_id("snap") for of in (left, "snap-gone")}
        for of, name in maps.items():
            self.account.snapshots[name] = dict(self.account.snapshots[used], tags={"uni:map-of": of})
        wanted = [left, volumes["pending"], *maps.values()]
        self.assertEqual(self.uni("ami", "gc", "ec2://eu-central-1", "--dry-run").split(), wanted)
        self.assertEqual(self.uni("ami", "gc", "ec2://eu-central-1").split(), wanted)
        self.assertEqual(set(self.account.disks), {used, foreign, volumes["completed"]})
        self.assertEqual([s["tags"]["uni:map-of"] for s in self.account.snapshots.values() if "uni:map-of" in s["tags"]],
                         [used])

    def test_machines_are_started_and_ended(self):
        self.push()
        name, image = self.only_image()
        self.account.faults = [double.Fault("RunInstances", "lost")]
        machine = self.uni("run", f"ec2://eu-central-1/{image['name']}", "--type", "t3.micro",
                           "--security-group", "sg-1").strip()
        self.assertEqual(len(self.account.instances), 1)
        made = self.account.instances[machine.rsplit("/", 1)[1]]
        self.assertEqual((made["form"]["ImageId"], made["form"]["InstanceType"], made["form"]["SecurityGroupId.1"],
                          made["tags"]["uni:machine"]), (name, "t3.micro", "sg-1", "hello"))
        self.assertIn("192.0.2.7", self.uni("ps", "ec2://eu-central-1"))
        self.assertEqual(self.uni_json("ps", "ec2://eu-central-1", "--json")[0]["state"], "running")
        self.assertEqual(self.uni("logs", machine), "hello from the machine\n" * 9)
        self.uni("stop", machine)
        self.assertEqual(made["state"], "terminated")
        self.assertEqual(self.uni("ps", "ec2://eu-central-1"), "")
        made["tags"] = {}
        self.assertIn("that uni started", self.fails("stop", machine))

    def request(self, **fields):
        path = os.path.join(self.work, "out/hello.ami/register-image.json")
        with open(path, encoding="utf-8") as f:
            request = json.load(f)
        with open(path, "w", encoding="utf-8") as f:
            json.dump({**request, **fields}, f)

    def test_types_that_remain_are_told(self):
        self.assertRegex(self.push("--dry-run"), r"types .* Nitro types; c1, .*t2")
        self.request(EnaSupport=False)
        self.assertNotIn("Nitro", self.push("--dry-run"))
        self.push()
        self.assertIn("takes no image without ENA",
                      self.fails("run", f"ec2://eu-central-1/{self.only_image()[0]}", status=125))
        self.assertEqual(self.account.instances, {})
        self.uni("run", f"ec2://eu-central-1/{self.only_image()[0]}", "--type", "t2.nano")
        self.request(BootMode="uefi")
        before = len(self.account.calls)
        self.assertIn("no instance type of EC2 starts it", self.push_fails())
        self.assertEqual(len(self.account.calls), before)
        self.request(EnaSupport=True)
        self.assertRegex(self.push("--dry-run"), r"(?m)types .* Nitro types but metal, p4d, .*vt1$")

    def test_a_volume_becomes_a_snapshot(self):
        content = os.urandom(1 << 20) + bytes(3 << 20) + os.urandom(700000)
        self.write("data.vol", content)
        self.assertIn("4 blocks", self.uni("volume", "push", "data.vol", "ec2://eu-central-1/data", "--dry-run"))
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
        self.assertIn("names no snapshot", self.fails("volume", "push", "data.vol", "ec2://eu-central-1/", status=2))

    def test_bad_addresses_and_images(self):
        self.assertIn("no region", self.push_fails(status=2, to="ec2:///x"))
        self.assertIn("no region's name", self.push_fails(status=2, to="ec2://EU central/x"))
        self.assertIn("known: ec2://", self.push_fails(to="gopher://x"))
        self.assertIn("no/such", self.push_fails(source="no/such"))
        with open(os.path.join(self.work, "out/hello.ami/disk.blocks"), "r+b") as f:
            f.write(b"damage")
        done = self.push_fails()
        self.assertIn("block 0 is damaged", done)
        self.assertEqual(self.account.images, {})
        self.assertEqual(self.account.snapshots, {})


class Credentials(Ec2):
    """Where credentials come from; `ami list` is the smallest call that needs them."""

    def setUp(self):
        super().setUp()
        del self.env["AWS_ACCESS_KEY_ID"]
        del self.env["AWS_SECRET_ACCESS_KEY"]

    def config(self, text, name="config"):
        os.makedirs(self.path("home/.aws"), exist_ok=True)
        with open(self.path("home/.aws", name), "w", encoding="utf-8") as f:
            f.write(text)

    def ask(self, *more):
        return self.uni("ami", "list", "ec2://eu-central-1", *more)

    def refused(self, *more):
        return self.fails("ami", "list", "ec2://eu-central-1", *more)

    def explain(self):
        return self.uni("push", "out/hello.ami", TO, "--explain-credentials")

    KEYS = "aws_access_key_id = AKIDEXAMPLE\naws_secret_access_key = wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY\n"

    def test_none(self):
        done = self.refused()
        for word in ("no AWS credentials", "AWS_ACCESS_KEY_ID is not set", "profile \"default\"", "container:",
                     "instance:"):
            self.assertIn(word, done)

    def test_profiles(self):
        self.config("[default]\n" + self.KEYS, "credentials")
        self.ask()
        self.config("[other]\n" + self.KEYS, "credentials")
        self.refused()
        self.ask("--profile", "other")
        self.env["AWS_PROFILE"] = "other"
        self.ask()
        self.assertIn("missing", self.refused("--profile", "missing"))
        self.assertNotIn("EXAMPLEKEY", self.explain())
        self.assertIn('profile "other": aws_access_key_id AKIDEXAMPLE', self.explain())

    def test_a_role_of_another_profile(self):
        self.config("[profile base]\n" + self.KEYS + "[profile ops]\nrole_arn = arn:aws:iam::1:role/ops\n"
                    "source_profile = base\nexternal_id = 7\n[profile loop]\nrole_arn = r\nsource_profile = loop2\n"
                    "[profile loop2]\nrole_arn = r\nsource_profile = loop\n")
        self.ask("--profile", "ops")
        form = next(c["form"] for c in self.account.calls if c["action"] == "AssumeRole")
        self.assertEqual((form["RoleArn"], form["ExternalId"]), ("arn:aws:iam::1:role/ops", "7"))
        self.assertTrue(self.account.calls[-1]["headers"]["authorization"].startswith(
            "AWS4-HMAC-SHA256 Credential=ASIA"))
        self.assertIn("circle", self.refused("--profile", "loop"))

    def test_a_token_in_a_file(self):
        self.env.update(AWS_ROLE_ARN="arn:aws:iam::1:role/pod",
                        AWS_WEB_IDENTITY_TOKEN_FILE=self.write("token", "a.b.c\n"))
        self.ask()
        form = next(c["form"] for c in self.account.calls if c["action"] == "AssumeRoleWithWebIdentity")
        self.assertEqual(form["WebIdentityToken"], "a.b.c")

    def test_a_process(self):
        answer = json.dumps({"Version": 1, "AccessKeyId": "AKIDEXAMPLE",
                             "SecretAccessKey": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"})
        self.write("give me", f"#!/bin/sh\necho '{answer}'\n", 0o755)
        self.config(f"[default]\ncredential_process = \"{self.work}/give me\" --now\n")
        self.ask()
        self.write("give me", "#!/bin/sh\necho trouble >&2\nexit 3\n", 0o755)
        self.assertIn("trouble", self.refused())

    def lasting(self, seconds):
        """A credential_process that gives other keys each time, for so long; the double knows ten of them."""
        for n in range(1, 11):
            self.account.keys[f"AKID{n}"] = {"secret": f"s{n}", "token": None, "allowed": None}
        self.write("count", "0")
        self.write("give", f"""#!/bin/sh
n=$(($(cat {self.work}/count) + 1)); echo $n >{self.work}/count
printf '{{"Version": 1, "AccessKeyId": "AKID%d", "SecretAccessKey": "s%d", "Expiration": "%s"}}' $n $n \\
	"$(date -u -d '+{seconds} seconds' +%Y-%m-%dT%H:%M:%SZ)"
""", 0o755)
        self.config(f"[default]\ncredential_process = {self.work}/give\n")

    def signers(self):
        return [call["headers"]["authorization"].split("Credential=")[1].split("/")[0] for call in self.account.calls]

    def test_keys_are_renewed_in_a_long_push(self):
        self.lasting(3)
        self.account.faults = [double.Fault("PutSnapshotBlock", "late", 1, seconds=4),
                               double.Fault("CompleteSnapshot", "late", 1, seconds=4)]
        self.push()
        self.only_image()
        self.assertGreater(len(set(self.signers())), 2)

    def test_keys_that_expired_before_their_time(self):
        self.lasting(3600)
        self.account.keys["AKID1"]["expires"] = time.time() + 3
        self.account.faults = [double.Fault("PutSnapshotBlock", "late", 1, seconds=4)]
        self.push()
        self.only_image()
        self.assertEqual(self.read("count"), b"2\n")

    def test_keys_that_nobody_knows(self):
        self.env.update(AWS_ACCESS_KEY_ID="AKIDOTHER", AWS_SECRET_ACCESS_KEY="x")
        done = self.refused()
        self.assertIn("InvalidClientTokenId", done)
        self.assertIn("environment", done)

    def test_damaged_files(self):
        self.config("[default]\nnonsense\n")
        self.assertIn("config:2: neither [section] nor key = value", self.refused())

    def test_a_hostile_answer(self):
        self.env.update(AWS_ACCESS_KEY_ID="AKIDEXAMPLE",
                        AWS_SECRET_ACCESS_KEY="wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
        for inner, word in (("<a>" * 5000, "nested too deep"), ("<a/>" * 300000, "too many elements"),
                            ("<a", "cannot be read"), ("<a>&x;</a>", "cannot be read")):
            with unittest.mock.patch.object(double.Ec2, "answer", lambda *_, text=inner: text):
                self.assertIn(word, self.refused())
        bomb = ('<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY c SYSTEM "file:///etc/passwd">]>'
                "<a>&b;&c;</a>").encode()
        with unittest.mock.patch.object(double.Request, "perform",
                                        lambda _: (200, bomb, {"Content-Type": "text/xml"})):
            self.assertIn("declares a document type", self.refused())
        for text, word in ((b"[" * 100000, "StartSnapshot"), (b'{"SnapshotId": 5}', "no snapshot's id"),
                           (b'{"SnapshotId": "snap-../../x"}', "no snapshot's id"), (b"", "StartSnapshot")):
            with unittest.mock.patch.object(double.Ebs, "start", lambda *_, answer=text: (201, answer)):
                self.assertIn(word, self.fails("push", "out/hello.ami", TO))


if __name__ == "__main__":
    scenario.main()
