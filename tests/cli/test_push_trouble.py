"""uni push against a double of EC2 that makes trouble: what passes, what goes on later, what is refused."""

import glob
import json
import os
import signal
import subprocess
import time

import ec2
import scenario
from ec2 import TO, double


class Trouble(ec2.Ec2):
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

    def noted(self):
        """Blocks that a push under way knows to be there."""
        found = glob.glob(self.path("state/uni/ec2/under-way/eu-central-1/*"))
        return sum(line.rstrip(b"\n").isdigit() for name in found for line in self.read(name).splitlines())

    def stopped(self, number):
        """A push that is sent a signal when some blocks are there, and what it said."""
        self.account.faults = [double.Fault("PutSnapshotBlock", "stall", 99, after=6, seconds=600)]
        process = self.start_push()
        self.wait_for(lambda: self.noted() >= 6)
        process.send_signal(number)
        errors = process.communicate(timeout=120)[1]
        self.assertNotEqual(process.returncode, 0)
        self.account.faults = []
        return errors

    def assert_goes_on(self):
        before = self.account.count("PutSnapshotBlock")
        self.push()
        with open(os.path.join(self.work, "out/hello.ami/block-map.json"), encoding="ascii") as f:
            total = json.load(f)["changed_blocks_count"]
        self.assertLess(self.account.count("PutSnapshotBlock") - before, total)
        self.assertEqual(self.account.count("StartSnapshot"), 1)
        self.assert_snapshot_is_the_disk(self.only_image()[1]["snapshot"])

    def test_an_interrupted_push_goes_on(self):
        self.assertIn("the same command goes on with it", self.stopped(signal.SIGINT))
        self.assert_goes_on()

    def test_a_killed_push_goes_on(self):
        self.assertEqual(self.stopped(signal.SIGKILL), "")
        self.assert_goes_on()

    def test_a_push_that_takes_too_long_goes_on(self):
        self.account.faults = [double.Fault("PutSnapshotBlock", "stall", 99, after=6, seconds=600)]
        said = self.push_fails("--timeout", "10")
        self.assertIn("not done within 10 s", said)
        self.assertIn("the same command goes on with it", said)
        self.account.faults = []
        self.assert_goes_on()
        for text in ("0", "-1", "soon", "604801"):
            self.assertIn("--timeout", self.push_fails("--timeout", text, status=2))

    def test_connections_that_stall_are_given_up(self):
        self.env["UNI_STALL_SECONDS"] = "3"
        self.account.faults = [double.Fault("PutSnapshotBlock", "stall", 3, after=2, seconds=600),
                               double.Fault("RegisterImage", "stall", 1, seconds=600)]
        said = self.run_uni("push", "-v", "out/hello.ami", TO)
        self.assertIn(b"stalled: 0 bytes in 3000 ms", said.stderr)
        self.assertEqual(said.returncode, 1, said.stderr)  # RegisterImage has no token: it is not asked for twice
        del self.env["UNI_STALL_SECONDS"]
        self.push()
        self.assert_snapshot_is_the_disk(self.only_image()[1]["snapshot"])

    def test_the_network_is_gone_for_a_while(self):
        self.account.faults = [double.Fault("PutSnapshotBlock", "stall", 99, after=4, seconds=1)]
        process = self.start_push("-v")
        self.wait_for(lambda: self.account.count("PutSnapshotBlock") >= 4)
        with self.server.vanish():
            time.sleep(3)
            self.account.faults = []
        self.server = double.start(self.account, self.server.server_address[1])
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)
        said = process.communicate(timeout=300)[1]
        self.assertEqual(process.returncode, 0, said)
        self.assertRegex(said, "; again in [0-9]+ ms")
        self.assertEqual(self.account.count("StartSnapshot"), 1)
        self.assert_snapshot_is_the_disk(self.only_image()[1]["snapshot"])

    def test_an_endpoint_that_never_answers(self):
        self.env["AWS_ENDPOINT_URL"] = "http://127.0.0.1:9"
        said = self.push_fails(to="ec2://eu-centrall-1/")
        self.assertIn("DescribeImages in eu-centrall-1", said)
        self.assertIn("did you mean eu-central-1?", said)

    def test_a_region_that_is_not_enabled(self):
        self.account.faults = [double.Fault("DescribeImages", 401, 1, "OptInRequired")]
        self.assertIn("the account has not enabled eu-central-1, or not this service", self.push_fails())

    def fresh_account(self, number):
        vars(self.account).update(vars(double.Account()))
        self.env["XDG_STATE_HOME"] = self.path(f"killed-{number}")

    def killed_in(self, action):
        """A push that is killed while that call is under way."""
        self.account.faults = [double.Fault(action, "stall", 1, seconds=600)]
        process = self.start_push()
        self.wait_for(lambda: self.account.faults[0].times == 0)
        process.kill()
        process.communicate()
        self.account.faults = []

    def test_kills_at_any_call(self):
        """Killed while any of the calls of a push is under way, it ends well when it is made again; where it is not, all
        that it left is found."""
        self.push()
        plan = [call["action"] for call in self.account.calls]
        for number in sorted({plan.index(action) for action in plan}):
            self.fresh_account(number)
            self.killed_in(plan[number])
            self.push()
            self.assert_snapshot_is_the_disk(self.only_image()[1]["snapshot"])
            self.assertEqual(len(self.account.disks), 1, plan[number])
            self.assert_collected()
            self.fresh_account(f"{number}-left")
            self.killed_in(plan[number])
            self.assert_collected()
            self.assertEqual(self.account.disks.keys(), {i["snapshot"] for i in self.account.images.values()})

    def test_a_torn_line_of_what_is_under_way(self):
        """As a kill or a power cut leaves it, at any length: the next push takes the snapshot that was asked for."""
        self.killed_in("CompleteSnapshot")
        folder = self.path("state/uni/ec2/under-way/eu-central-1")
        name = os.path.join(folder, os.listdir(folder)[0])
        with open(name, "rb") as f:
            whole = f.read()
        first = whole.index(b"\n") + 1
        self.assertTrue(whole.startswith(b"token "))
        self.assertTrue(whole[first:].startswith(b"snapshot snap-"))
        for size in range(first, len(whole), 7):
            with open(name, "wb") as f:
                f.write(whole[:size])
            self.killed_in("CompleteSnapshot")
            self.assertEqual(len(self.account.disks), 1, whole[:size])
            with open(name, "rb") as f:
                self.assertTrue(f.read().startswith(whole[:whole[:size].rindex(b"\n") + 1]))
        self.push()
        self.assertEqual(len(self.account.disks), 1)
        self.assert_snapshot_is_the_disk(self.only_image()[1]["snapshot"])
        self.assert_collected()

    def test_killed_again_and_again(self):
        """At moments that fall as they like, until one is left to end."""
        self.account.faults = [double.Fault(action, "late", 999, seconds=0.05) for action in (
            "DescribeImages", "DescribeSnapshots", "StartSnapshot", "PutSnapshotBlock", "CompleteSnapshot", "RegisterImage")]
        for number in range(12):
            process = self.start_push()
            time.sleep(number * 0.06)
            process.kill()
            process.communicate()
        self.push()
        self.assert_snapshot_is_the_disk(self.only_image()[1]["snapshot"])
        self.assertEqual(len(self.account.disks), 1)
        self.assert_collected()

    def test_what_an_interrupted_volume_left_is_collected(self):
        self.write("data.vol", os.urandom(4 << 20))
        words = ("volume", "push", "data.vol", "ec2://eu-central-1/data")
        for action in ("PutSnapshotBlock", "CompleteSnapshot"):
            self.account.faults = [double.Fault(action, "stall", 99, seconds=600)]
            process = self.start(*words)
            self.wait_for(lambda action=action: self.account.count(action) or self.account.faults[0].times < 99)
            process.kill()
            process.communicate()
            self.account.faults = []
            self.assertEqual(len(self.orphans()), 1)
            self.assert_collected()
        # One that failed as well.
        self.account.seals = "error"
        self.account.keys["AKIDEXAMPLE"]["allowed"] = {"ebs:StartSnapshot", "ebs:PutSnapshotBlock", "ebs:CompleteSnapshot",
                                                       "ec2:DescribeSnapshots"}
        said = self.fails(*words)
        self.assertIn('is in state "error"', said)
        self.assertIn("uni ami gc ec2://eu-central-1", said)
        self.account.seals, self.account.keys["AKIDEXAMPLE"]["allowed"] = "completed", None
        self.assert_collected()
        self.uni(*words)
        self.assertEqual(self.orphans(), set())

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

    def test_tags_and_accounts_are_looked_at_first(self):
        for words, said in ((("--tag", "team"), "is not KEY=VALUE"), (("--tag", "=x"), "is not KEY=VALUE"),
                            (("--tag", "aws:x=y"), 'keys with "aws:" are taken'),
                            (("--tag", "uni:digest=y"), 'keys with "uni:" are taken'),
                            (("--tag", "k=" + "x" * 257), "at most 128 bytes"),
                            ([word for n in range(41) for word in ("--tag", f"k{n}=v")], "more than 40 tags"),
                            (("--share", "12345"), "is no account"), (("--share", "1234567890ab"), "is no account")):
            self.assertIn(said, self.push_fails(*words, status=2))
        self.assertEqual(self.account.calls, [])

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


if __name__ == "__main__":
    scenario.main()
