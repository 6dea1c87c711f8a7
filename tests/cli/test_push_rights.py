"""What uni push and its company may do in an account: the policy of the documentation, and a lesser one for each of its
permissions."""

import json
import os
import shutil

import ec2
import scenario

DIRECT = {"StartSnapshot", "PutSnapshotBlock", "CompleteSnapshot", "ListSnapshotBlocks", "GetSnapshotBlock"}
WHERE = "ec2://eu-central-1"


def documented():
    with open(os.path.join(scenario.ROOT, "docs/ec2-policy.json"), encoding="utf-8") as f:
        policy = json.load(f)
    return {action for statement in policy["Statement"] for action in statement["Action"]}


class Rights(ec2.Ec2):
    def allow(self, actions):
        self.account.keys["AKIDEXAMPLE"]["allowed"] = actions

    def image_name(self, region="eu-central-1"):
        return next((f"ec2://{region}/{name}" for name, image in self.account.images.items() if image["region"] == region),
                    None)

    def machine(self):
        return next((f"{WHERE}/{name}" for name in self.account.instances), None)

    def story(self):
        """All that one does with EC2, a command after the other, as far as there is something to do it with; what each
        of them said."""
        commands = [lambda: ("push", "out/hello.ami", "ec2://eu-central-1,us-east-1/", "--share", "123456789012", "--wait"),
                    lambda: ("volume", "push", "data.vol", WHERE + "/data"),
                    lambda: ("ami", "list", WHERE),
                    lambda: ("run", self.image_name(), "--type", "t3.nano"),
                    lambda: ("ps", WHERE),
                    lambda: ("logs", self.machine()),
                    lambda: ("stop", self.machine()),
                    lambda: ("volume", "push", "more.vol", WHERE + "/data"),
                    lambda: ("ami", "deregister", self.image_name()),
                    lambda: ("ami", "gc", WHERE)]
        self.write("data.vol", b"1" * 100)
        self.write("more.vol", b"2" * 100)
        for number, command in enumerate(commands):
            words = command()
            if None not in words:
                self.env["XDG_STATE_HOME"] = self.path(f"state-{number}")
                shutil.rmtree(self.path(f"state-{number}"), ignore_errors=True)
                done = self.run_uni(*words)
                yield done.returncode, done.stderr.decode()

    def test_what_is_forbidden_is_named_and_leaves_nothing(self):
        self.allow({"ebs:StartSnapshot", "ebs:PutSnapshotBlock", "ebs:CompleteSnapshot", "ec2:DescribeImages",
                    "ec2:DescribeSnapshots", "ec2:DeleteSnapshot"})
        self.assertIn("the permission ec2:RegisterImage is missing", self.push_fails())
        self.assertEqual(self.account.snapshots, {})

    def test_the_policy_of_the_documentation_is_enough_and_no_more(self):
        allowed = documented()
        self.allow(allowed)
        for status, said in self.story():
            self.assertEqual((status, "missing" in said), (0, False), said)
        used = {f"{'ebs' if call['action'] in DIRECT else 'ec2'}:{call['action']}" for call in self.account.calls}
        # Tagging on creation wants CreateTags, though nobody calls it.
        self.assertEqual(allowed - used, {"ec2:CreateTags"})

    def test_a_permission_that_is_missing_is_named(self):
        """Whichever it is, the first command that needs it says so; only those to build on others' pushes can be done
        without."""
        whole = documented()
        for action in sorted(whole):
            with self.subTest(action):
                vars(self.account).update(vars(ec2.double.Account()))
                self.allow(whole - {action})
                said = [(status, text) for status, text in self.story() if action in text]
                self.assertTrue(said, "nobody missed it")
                if action in ("ebs:ListSnapshotBlocks", "ebs:GetSnapshotBlock"):
                    self.assertEqual(said[0][0], 0)
                    self.assertIn("all blocks are sent", said[0][1])
                else:
                    self.assertNotEqual(said[0][0], 0, said[0][1])
                    self.assertIn(f"the permission {action} is missing", said[0][1])


if __name__ == "__main__":
    scenario.main()
