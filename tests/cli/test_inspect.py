"""Looking into images and packages, and what others' tools say of the same bytes."""

import os

import scenario


class Inspect(scenario.Scenario):
    def build(self):
        self.hello()
        for i in range(40):
            self.write(f"site/folder/file-{i:02}", f"content {i}\n" * (i * 50))
        os.symlink("page", os.path.join(self.work, "site/link"))
        self.uni("build", "recipe.toml", "-o", "out")

    def test_content_and_listing(self):
        self.build()
        self.assertEqual(self.uni("inspect", "out/hello.raw", "cat", "/srv/page"), "from the volume\n")
        self.assertEqual(self.uni("inspect", "out/hello.raw", "cat", "/srv/link"), "from the volume\n")
        big = self.uni("inspect", "out/hello.raw", "cat", "/srv/folder/file-39")
        self.assertEqual(big.encode(), self.read("site/folder/file-39"))
        names = [e["name"] for e in self.uni_json("inspect", "out/hello.raw", "ls", "/srv/folder", "--json")]
        self.assertEqual(names, [f"file-{i:02}" for i in range(40)])
        self.assertIn("does not exist", self.fails("inspect", "out/hello.raw", "cat", "/srv/nothing"))
        about = self.uni_json("inspect", "out/hello.elf", "--json")
        self.assertEqual(about["kind"], "kernel")
        self.assertEqual(about["config"]["args"], ["hello", "one", "two words"])
        package = self.uni("inspect", self.package("unibase"))
        self.assertIn("base.toml", package)

    def test_a_name_in_no_encoding_is_still_json(self):
        os.mkdir(os.path.join(self.work, "latin"))
        with open(os.path.join(self.work, "latin").encode() + b"/caf\xe9", "wb"):
            pass
        self.tool("mksquashfs", "latin", "latin.squashfs", "-quiet", "-no-progress")
        self.assertEqual([e["name"] for e in self.uni_json("volume", "ls", "latin.squashfs", "--json")], ["caf\ufffd"])

    def test_others_read_the_same(self):
        self.build()
        self.assertIn("No problems found", self.tool("sgdisk", "-v", "out/hello.raw"))
        self.tool("sfdisk", "--verify", "out/hello.raw")
        self.assertIn("file format: raw", self.tool("qemu-img", "info", "out/hello.raw"))
        about = self.uni_json("inspect", "out/hello.raw", "--json")
        volume = next(v for v in about["volumes"] if v.get("mount") == "/srv")
        with open(os.path.join(self.work, "out/hello.raw"), "rb") as f:
            f.seek(volume["offset"])
            self.write("volume", f.read(volume["size"]))
        self.tool("unsquashfs", "-d", "unpacked", "volume")
        self.tool("diff", "-r", "--no-dereference", "site", "unpacked")
        self.tool("veritysetup", "verify", "volume", "volume", volume["root_hash"],
                  f"--hash-offset={volume['hash_offset']}")
        content = bytearray(self.read("volume"))
        content[100] ^= 1
        self.write("damaged", bytes(content))
        self.tool("veritysetup", "verify", "damaged", "damaged", volume["root_hash"],
                  f"--hash-offset={volume['hash_offset']}", status=1)

    def test_damage_is_named_and_nothing_crashes(self):
        self.build()
        whole = self.read("out/hello.raw")
        for size in (0, 1, 511, 512, 1024, 4096, 100_000, len(whole) - 1):
            self.write("short.raw", whole[:size])
            self.assertIn("short.raw", self.fails("inspect", "short.raw"))
        elf = self.read("out/hello.elf")
        for size in (4, 64, 200, 4096, len(elf) // 2, len(elf) - 1):
            self.write("short.elf", elf[:size])
            self.assertIn("short.elf", self.fails("inspect", "short.elf"))
        with open(self.package("unibase"), "rb") as f:
            package = f.read()
        for size in (0, 10, len(package) // 2, len(package) - 1):
            self.write("short.unipkg", package[:size])
            self.assertIn("short.unipkg", self.fails("inspect", "short.unipkg"))
        self.write("noise.raw", os.urandom(70_000))
        self.fails("inspect", "noise.raw")

    def test_a_damaged_volume_is_refused_by_the_machine(self):
        self.build()
        about = self.uni_json("inspect", "out/hello.raw", "--json")
        volume = next(v for v in about["volumes"] if v.get("mount") == "/srv")
        content = bytearray(self.read("out/hello.raw"))
        for at in range(volume["offset"] + 96, volume["offset"] + volume["used"], 512):
            content[at] ^= 0x40
        self.write("out/bad.raw", bytes(content))
        done = self.run_uni("run", "out/bad.raw", "-t", "60")
        self.assertNotIn(b"from the volume", done.stdout)
        self.assertNotEqual(done.returncode, 124)


if __name__ == "__main__":
    scenario.main()
