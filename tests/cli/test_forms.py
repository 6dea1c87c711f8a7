"""Forms of the disk: from a recipe, from an image that exists, and what is seen in them."""

import hashlib
import json
import os
import resource
import sys

import scenario

sys.path.insert(0, os.path.join(scenario.ROOT, "tests/peers"))

import ami  # noqa: E402

DISKS = {"raw": "raw", "qcow2": "qcow2", "vmdk": "vmdk", "vhd": "vpc", "vhdx": "vhdx", "vdi": "vdi"}

OUTPUT = """
[output]
formats = ["raw", "qcow2", "vmdk", "vhd", "vhdx", "vdi", "elf"]
qcow2 = { compression = "zlib", size = "4M" }
vmdk.variant = "streamOptimized"
vhd.variant = "dynamic"
"""


class Forms(scenario.Scenario):
    def info(self, path, form):
        return json.loads(self.tool("qemu-img", "info", "--output=json", "-f", form, path))

    def unpack(self, path):
        self.uni("convert", path, "raw", "-o", "back.raw", "--force")
        return self.read("back.raw")

    def test_all_forms_of_a_recipe(self):
        self.hello(scenario.HELLO_RECIPE + OUTPUT)
        self.uni("build", "recipe.toml", "-o", "out")
        raw = self.read("out/hello.raw")
        listing = self.uni("inspect", "out/hello.raw", "ls", "/srv")
        self.assertIn("page", listing)
        for form, theirs in DISKS.items():
            path = f"out/hello.{form}"
            self.assertEqual(self.info(path, theirs)["format"], theirs)
            if form not in ("raw", "vhd"):
                self.assertIn("No errors", self.tool("qemu-img", "check", "-f", theirs, path))
            self.tool("qemu-img", "convert", "-f", theirs, "-O", "raw", path, "theirs.raw")
            self.assertEqual(self.read("theirs.raw"), self.unpack(path), form)
            self.tool("sgdisk", "-v", "back.raw")
            seen = self.uni_json("inspect", "--json", path)
            self.assertEqual((seen["kind"], seen["form"]), ("disk", form))
            self.assertEqual([p["name"] for p in seen["disk"]["partitions"]], ["boot", "kernel", "site"])
            self.assertEqual(self.uni("inspect", path, "ls", "/srv"), listing)
            self.assertEqual(self.uni("inspect", path, "cat", "/srv/page"), "from the volume\n")
        self.assertEqual(len(self.unpack("out/hello.qcow2")), 4 << 20)
        self.assertEqual(self.unpack("out/hello.vdi"), raw)
        self.assertIn("streamOptimized", json.dumps(self.info("out/hello.vmdk", "vmdk")))
        self.assertIn("the same, 7 artifacts", self.uni("verify", "out/hello.manifest.json"))
        self.assertIn("page from the volume", self.uni("run", "out/hello.raw", "-t", "60", status=7))

    def test_forms_made_together(self):
        """More data than several forms keep of it while they wait for each other; one of them finds the disk full."""
        self.write("site/noise", os.urandom(9 << 20))
        self.hello(scenario.HELLO_RECIPE + '[output]\nformats = ["raw", "qcow2", "vhdx", "gcp", "ova", "ami", "iso"]\n'
                   'raw.size = "64M"\nqcow2.compression = "zlib"\n')

        def full():
            resource.setrlimit(resource.RLIMIT_FSIZE, (40 << 20, 40 << 20))
        self.assertIn("disk:raw", self.fails("build", "recipe.toml", "-o", "out", preexec_fn=full))
        self.assertNothingLeft("out")
        self.assertEqual(self.uni_json("build", "recipe.toml", "-o", "out", "--json")["ran"], 2)  # that, and the manifest
        for form in ("raw", "qcow2", "vhdx", "gcp.tar.gz", "ova", "iso", "ami"):
            name = form.split(".")[0]
            self.uni("build", "recipe.toml", "-o", f"alone-{name}", "-f", name, "--fresh")
            self.tool("diff", "-r", f"out/hello.{form}", f"alone-{name}/hello.{form}")

    def test_options_that_a_form_has_not(self):
        self.hello(scenario.HELLO_RECIPE + '[output]\nformats = ["qcow2"]\nqcow2 = { compression = "zlib", level = 15 }\n')
        self.assertIn("zlib has no level 15", self.fails("build", "recipe.toml"))
        self.hello(scenario.HELLO_RECIPE + '[output]\nformats = ["qcow2"]\nvmdk.variant = "flat"\n')
        self.assertIn("flat", self.fails("build", "recipe.toml"))
        self.hello()
        self.assertIn("no output format floppy", self.fails("build", "recipe.toml", "--format", "floppy", status=2))

    def test_options_serve_forms_of_the_command_line(self):
        self.hello(scenario.HELLO_RECIPE + '[output]\nformats = ["elf"]\nqcow2.size = "9M"\n')
        self.uni("build", "recipe.toml", "-o", "out", "--format", "qcow2")
        self.assertEqual(self.info("out/hello.qcow2", "qcow2")["virtual-size"], 9 << 20)

    def test_what_no_build_left_is_kept(self):
        self.hello()
        os.mkdir(os.path.join(self.work, "out"))
        self.write("out/hello.raw", "mine")
        self.assertIn("--force", self.fails("build", "recipe.toml", "-o", "out"))
        self.assertEqual(self.read("out/hello.raw"), b"mine")
        self.assertNothingLeft(os.path.join(self.work, "out"))
        self.uni("build", "recipe.toml", "-o", "out", "--force")
        first = self.read("out/hello.raw")
        # Another image of the same name takes the place of the one that was built.
        self.write("site/page", "another\n")
        self.uni("build", "recipe.toml", "-o", "out", "-f", "elf")
        self.uni("build", "recipe.toml", "-o", "out")
        self.assertNotEqual(self.read("out/hello.raw"), first)
        # So it does for a store that has never seen it, by the manifest beside it.
        self.write("site/page", "a third\n")
        env = {"UNI_CACHE": self.path("other")}
        self.uni("install", self.package("unibase"), env=env)
        self.uni("build", "recipe.toml", "-o", "out", env=env)
        with open(os.path.join(self.work, "out/hello.raw"), "ab") as f:
            f.write(b"!")
        self.write("site/page", "a fourth\n")
        self.assertIn("hello.raw stands there already", self.fails("build", "recipe.toml", "-o", "out"))

    def test_a_sparse_disk_is_known_by_its_map(self):
        """A TiB of hole costs nothing, and whether zeros are holes or were written changes nothing."""
        self.hello(scenario.HELLO_RECIPE + '[output]\nformats = ["raw"]\nraw.size = "1T"\n')
        built = {a["format"]: a for a in self.uni_json("build", "--json", "recipe.toml", "-o", "out")["artifacts"]}
        path = os.path.join(self.work, "out/hello.raw")
        blocks = [(i, hashlib.sha256(data).digest()) for i, data in ami.blocks_of(path)]
        digest = ami.map_digest(1 << 40, blocks)
        self.assertEqual(built["raw"]["digest"], digest)
        self.assertEqual(self.uni_json("inspect", "--json", path)["digest"], digest)
        self.assertIn(digest, self.read("out/hello.manifest.json").decode())
        self.assertIn("the same", self.uni("verify", "out/hello.manifest.json"))
        with open(path, "r+b") as f:
            f.seek(1 << 39)
            f.write(bytes(4096))
        again = self.uni_json("build", "--json", "recipe.toml", "-o", "out")
        self.assertFalse(any(a["written"] for a in again["artifacts"]))
        with open(path, "r+b") as f:
            f.seek(1 << 39)
            f.write(b"!")
        self.assertIn(str(1 << 39), self.uni("verify", "out/hello.manifest.json", status=1))
        self.uni("cache", "verify")
        self.assertEqual(self.uni_json("build", "--json", "recipe.toml", "-o", "other")["ran"], 0)

    def test_convert(self):
        self.hello()
        self.uni("build", "recipe.toml", "-o", "out")
        said = self.uni_json("convert", "--json", "out/hello.raw", "qcow2", "--compression", "zstd", "--size", "8M")
        self.assertEqual((said["from"], said["format"], said["disk_size"], said["path"]),
                         ("raw", "qcow2", 8 << 20, "hello.qcow2"))
        self.assertIn("No errors", self.tool("qemu-img", "check", "hello.qcow2"))
        self.unpack("hello.qcow2")
        self.tool("sgdisk", "-v", "back.raw")
        self.assertIn("stands there already", self.fails("convert", "out/hello.raw", "qcow2"))
        self.assertIn("cannot be converted", self.fails("convert", "out/hello.raw", "floppy", status=2))
        self.assertIn("not a disk", self.fails("convert", "out/hello.elf", "raw"))
        self.assertIn("No such file", self.fails("convert", "nothing", "raw"))
        for length in (0, 193):
            self.write("notes", "n" * length)
            self.assertIn(f"has {length} bytes, which is no disk", self.fails("convert", "notes", "qcow2"))
        self.fails("convert", "out/hello.raw", "raw", "-o", "no/such/folder")
        self.assertNothingLeft(self.work)

    def test_folders_give_way_to_their_own_kind_alone(self):
        self.write("disk.raw", bytes(1 << 20))
        self.write("keep/deep/letter", "mine")
        for form in ("raw", "qcow2", "gcp", "ami", "containerdisk"):
            self.assertIn("stands there already", self.fails("convert", "disk.raw", form, "-o", "keep"))
            self.assertIn("a folder is replaced by", self.fails("convert", "disk.raw", form, "-o", "keep", "--force"))
            self.assertEqual(self.read("keep/deep/letter"), b"mine")
        for form in ("ami", "containerdisk"):
            self.uni("convert", "disk.raw", form)
            self.fails("convert", "disk.raw", form)
            self.uni("convert", "disk.raw", form, "--force")
            self.write(f"disk.{form}/notes", "mine")
            self.assertIn("notes", self.fails("convert", "disk.raw", form, "--force"))
            self.assertEqual(self.read(f"disk.{form}/notes"), b"mine")
            self.fails("convert", "disk.raw", form, "-o", "disk.raw", "--force")
        self.assertEqual(self.read("disk.raw"), bytes(1 << 20))
        self.fails("convert", "disk.raw", "containerdisk", "-o", "disk.ami", "--force")
        self.assertIn("is a folder, and no image", self.fails("convert", ".", "raw"))
        self.assertNothingLeft(self.work)

    def test_a_build_replaces_its_own_folder_alone(self):
        self.hello()
        build = ("build", "recipe.toml", "-o", "out", "-f", "raw,containerdisk")
        self.uni(*build)
        self.write("site/page", "another\n")
        self.uni(*build)
        self.write("site/page", "a third\n")
        self.write("out/hello.containerdisk/notes", "mine")
        for options in ((), ("--force",)):
            self.assertIn("notes", self.fails(*build, *options))
            self.assertEqual(self.read("out/hello.containerdisk/notes"), b"mine")
        os.unlink(os.path.join(self.work, "out/hello.raw"))
        self.write("out/hello.raw/letter", "mine")
        self.assertIn("is a folder", self.fails("build", "recipe.toml", "-o", "out", "--force"))
        self.assertEqual(self.read("out/hello.raw/letter"), b"mine")

    def test_forms_that_are_not_read_are_named(self):
        for form in ("qed", "parallels", "qcow"):
            self.tool("qemu-img", "create", "-f", form, "theirs", "16M")
            for command in (("convert", "theirs", "raw"), ("inspect", "theirs")):
                self.assertIn("qemu-img convert", self.fails(*command))
        self.write("disk", bytes(1 << 20))
        for packer, ending in (("xz", "xz"), ("gzip", "gz"), ("bzip2", "bz2"), ("zstd", "zst")):
            self.tool(packer, "-k", "disk")
            self.assertIn(f"unpack it first: {packer} -dk", self.fails("convert", f"disk.{ending}", "qcow2"))
        self.tool("tar", "-cf", "disk.tar", "disk")
        self.assertIn("a tar archive", self.fails("convert", "disk.tar", "qcow2"))
        self.assertNothingLeft(self.work)

    def test_disks_without_gpt(self):
        with open(os.path.join(self.work, "disk"), "wb") as f:
            f.truncate(64 << 20)
        self.write("table", "label: dos\nstart=2048,size=20000,type=83,bootable\nstart=30000,size=60000,type=5\nstart=32048,size=10000,type=82\n")
        self.tool("sh", "-c", "sfdisk -q disk <table")
        self.tool("mke2fs", "-q", "-F", "-E", "offset=1048576", "disk", "8M")
        for form in ("raw", "qcow2"):
            self.tool("qemu-img", "convert", "-f", "raw", "-O", form, "disk", "theirs")
            seen = self.uni_json("inspect", "--json", "theirs")
            parts = seen["mbr"]["partitions"]
            self.assertEqual([(p["type"], p["offset"], p["active"]) for p in parts],
                             [("0x83", 2048 * 512, True), ("0x05", 30000 * 512, False), ("0x82", 32048 * 512, False)])
            self.assertIn("ext4", parts[0]["holds"])
            self.assertIn("MBR", self.uni("inspect", "theirs"))
        self.tool("mke2fs", "-q", "-F", "disk")
        self.tool("qemu-img", "convert", "-f", "raw", "-O", "vmdk", "disk", "theirs")
        self.assertIn("no partition table, holds ext2", self.uni("inspect", "theirs"))
        self.assertIn("volume", self.uni("inspect", "disk"))

    def test_convert_what_others_made(self):
        with open(os.path.join(self.work, "disk"), "wb") as f:
            f.truncate(300 << 20)
            f.seek(200 << 20)
            f.write(b"some text" * 100000)
        disk = self.read("disk")
        for options in (["qcow2"], ["qcow2", "-c"], ["vmdk"], ["vpc", "-o", "force_size=on"], ["vhdx"], ["vdi"]):
            self.tool("qemu-img", "convert", "-f", "raw", "disk", "-O", *options, "theirs")
            self.assertEqual(self.unpack("theirs"), disk, options)
            used = os.stat(os.path.join(self.work, "back.raw")).st_blocks * 512
            self.assertLess(used, 2 << 20, options)
            self.assertEqual(self.uni_json("inspect", "--json", "theirs")["disk_size"], 300 << 20)
        self.tool("qemu-img", "create", "-f", "qcow2", "-b", "disk", "-F", "raw", "overlay")
        for command in (("convert", "overlay", "raw"), ("inspect", "overlay")):
            self.assertIn("stands on another image", self.fails(*command))
        # An image that lies about its size.
        with open(os.path.join(self.work, "theirs"), "r+b") as f:
            f.truncate(1000)
        self.fails("convert", "theirs", "raw")
        self.assertNothingLeft(self.work)


if __name__ == "__main__":
    scenario.main()
