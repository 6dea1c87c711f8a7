"""uni verify: the same, or what differs first."""

import os

import scenario


class Verify(scenario.Scenario):
    def build(self):
        self.hello()
        self.uni("build", "recipe.toml", "-o", "out")

    def test_the_same(self):
        self.build()
        self.assertIn("the same", self.uni("verify", "out/hello.manifest.json"))
        report = self.uni_json("verify", "out/hello.manifest.json", "--recipe", "recipe.toml", "--json")
        self.assertTrue(report["same"])

    def test_artifact_partition_and_offset_are_named(self):
        self.build()
        about = self.uni_json("inspect", "out/hello.raw", "--json")
        volume = next(p for p in about["disk"]["partitions"] if p["type"] == "volume")
        content = bytearray(self.read("out/hello.raw"))
        content[volume["offset"] + 1234] ^= 1
        self.write("out/hello.raw", bytes(content))
        report = self.uni_json("verify", "out/hello.manifest.json", "--json", status=1)
        self.assertFalse(report["same"])
        self.assertIn("hello.raw", report["differs"])
        self.assertEqual(report["partition"], volume["name"])
        self.assertEqual(report["offset"], volume["offset"] + 1234)

    def test_a_changed_input_is_named(self):
        self.build()
        self.write("site/page", "something else\n")
        text = self.uni("verify", "out/hello.manifest.json", status=1)
        self.assertIn("site", text)

    def test_could_not_tell(self):
        self.build()
        self.fails("verify", "absent.manifest.json", status=3)
        self.write("broken.json", "{")
        self.fails("verify", "broken.json", status=3)
        os.remove(os.path.join(self.work, "recipe.toml"))
        self.fails("verify", "out/hello.manifest.json", status=3)


if __name__ == "__main__":
    scenario.main()
