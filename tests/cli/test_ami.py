"""uni ami, and machines in EC2, against a strict double."""

import json
import os

import ec2
import scenario
from ec2 import double


class Images(ec2.Ec2):
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
        self.assertEqual(self.uni_json("ps", "ec2://eu-central-1", "--json"), [])
        self.assertEqual(self.uni_json("ps", "ec2://eu-central-1", "--json", "--all")[0]["state"], "terminated")
        made["tags"] = {}
        self.assertIn("that uni started", self.fails("stop", machine))

    def test_options_that_mean_nothing_there_are_refused(self):
        for words, said in ((("run", "ec2://eu-central-1/x", "--memory", "64M"), "--memory has no meaning in EC2"),
                            (("run", "ec2://eu-central-1/x", "argument"), "has the image's arguments"),
                            (("logs", "ec2://eu-central-1/i-1", "--follow"), "--follow has no meaning in EC2"),
                            (("stop", "ec2://eu-central-1/i-1", "--kill"), "--kill has no meaning in EC2"),
                            (("run", "recipe.toml", "--type", "t3.nano"), "--type has no meaning but for ec2://"),
                            (("run", "ec2://eu-central-1"), "names no image"), (("ps", "ec2://eu-central-1/x"), "enough")):
            self.assertIn(said, self.fails(*words, status=2))
        self.assertEqual(self.account.calls, [])
        os.makedirs(self.path("home/.aws"), exist_ok=True)
        with open(self.path("home/.aws/credentials"), "w", encoding="utf-8") as f:
            f.write("[b]\naws_access_key_id = AKIDB\naws_secret_access_key = x\n")
        self.assertIn("InvalidClientTokenId",
                      self.fails("ps", "ec2://eu-central-1", "--profile", "b"))

    def test_types_that_remain_are_told(self):
        self.assertRegex(self.push("--dry-run"), r"types .* Nitro types; c1, .*t2")
        self.request(EnaSupport=False)
        self.assertNotIn("Nitro", self.push("--dry-run"))
        self.push()
        self.assertIn("takes no image without ENA",
                      self.fails("run", f"ec2://eu-central-1/{self.only_image()[0]}", status=125))
        self.assertEqual(self.account.instances, {})
        self.uni("run", f"ec2://eu-central-1/{self.only_image()[0]}", "--type", "t2.nano")
        # Where EC2 does not say it beforehand, it is asked, and the types are told with its answer.
        image = self.only_image()[1]
        del image["form"]["EnaSupport"]
        said = self.fails("run", f"ec2://eu-central-1/{self.only_image()[0]}", status=125)
        self.assertRegex(said, r"(?s)InvalidParameterCombination: .*that start it without ENA: c1, .*t2")
        image["form"]["EnaSupport"] = "false"
        # Nothing of EC2 starts this one, wherever it comes from.
        image["form"] = {**image["form"], "BootMode": "uefi"}
        self.assertIn("instance types that remain: none",
                      self.fails("run", f"ec2://eu-central-1/{self.only_image()[0]}", "--type", "t2.nano", status=125))
        self.request(BootMode="uefi")
        before = len(self.account.calls)
        self.assertIn("no instance type of EC2 starts it", self.push_fails())
        self.assertEqual(len(self.account.calls), before)
        self.request(EnaSupport=True)
        self.assertRegex(self.push("--dry-run"), r"(?m)types .* Nitro types but metal, p4d, .*vt1$")


if __name__ == "__main__":
    scenario.main()
