"""Forms that clouds import, judged by others' tools and by scripts that know only their specifications."""

import json
import os
import shutil
import sys
import xml.etree.ElementTree

import scenario

sys.path.insert(0, os.path.join(scenario.ROOT, "tests/peers"))

import ami  # noqa: E402
from ovf import check_ovf  # noqa: E402


class Clouds(scenario.Scenario):
    def base(self, *devices):
        """The base, said to drive these of EC2's devices: its images are looked at, not started."""
        there = os.path.join(scenario.BUILD, "packages/unibase")
        shutil.copytree(there, os.path.join(self.work, "base"), dirs_exist_ok=True)
        text = self.read("base/base.toml").decode().replace('"nvme", ', "").replace('"ena", ', "")
        self.write("base/base.toml", text.replace("devices = [", "devices = [" + "".join(f'"{d}", ' for d in devices)))
        return '\n[base]\npath = "base"\n'

    def test_ami(self):
        self.hello(scenario.HELLO_RECIPE + self.base("nvme", "ena") + '[config]\nnetwork = "dhcp"\n'
                   '[output]\nformats = ["ami", "raw"]\nami.size = "3G"\n')
        self.uni("build", "recipe.toml", "-o", "out")
        folder = os.path.join(self.work, "out/hello.ami")
        self.assertEqual(sorted(os.listdir(folder)), ["block-map.json", "disk.blocks", "register-image.json"])
        self.uni("convert", "out/hello.ami", "raw", "-o", "disk.raw")
        request = ami.compare(folder, os.path.join(self.work, "disk.raw"))
        self.assertEqual((request["BootMode"], request["EnaSupport"]), ("legacy-bios", True))
        self.assertTrue(request["Name"].startswith("hello-1.2.3-"))
        self.assertEqual(os.path.getsize(os.path.join(self.work, "disk.raw")), 3 << 30)
        self.assertIn("No problems found", self.tool("sgdisk", "-v", "disk.raw"))
        self.assertEqual(self.uni("inspect", "out/hello.ami", "cat", "/srv/page"), "from the volume\n")
        seen = self.uni_json("inspect", "--json", "out/hello.ami")
        self.assertEqual(seen["digest"], {t["Key"]: t["Value"] for t in request["TagSpecifications"][0]["Tags"]}["uni:digest"])
        # The same disk, converted from its raw form, is the same AMI.
        self.uni("convert", "disk.raw", "ami", "-o", "again.ami")
        self.assertEqual(self.read("again.ami/block-map.json"), self.read("out/hello.ami/block-map.json"))
        self.assertEqual(self.read("again.ami/disk.blocks"), self.read("out/hello.ami/disk.blocks"))
        self.assertIn("the same, 4 artifacts", self.uni("verify", "out/hello.manifest.json"))

    def at(self, name):
        return os.path.join(self.work, name)

    def test_ami_with_volumes_of_its_own(self):
        self.write("www/index", "live\n")
        self.hello(scenario.HELLO_RECIPE + self.base("nvme") + "\n" + scenario.OWN_DISKS.format("www") + """[output]
formats = ["ami", "raw"]
""")
        self.uni("build", "recipe.toml", "-o", "out")
        self.uni("convert", "out/hello.ami", "raw", "-o", "disk.raw")
        volumes = [("state", self.at("out/hello.state.raw"), True), ("www", self.at("out/hello.www.vol"), False)]
        request = ami.compare(self.at("out/hello.ami"), self.at("disk.raw"), volumes)
        # The same disk with another volume is another image.
        self.write("www/index", "other\n")
        os.unlink(self.at("out/hello.www.vol"))
        self.uni("build", "recipe.toml", "-o", "out")
        changed = ami.compare(self.at("out/hello.ami"), self.at("disk.raw"), volumes)
        self.assertNotEqual(changed["Name"], request["Name"])
        self.assertIn("the same, ", self.uni("verify", "out/hello.manifest.json"))
        sound = self.read("out/hello.ami/volumes.json")
        for old, new in ((b'"www"', b'"../x"'), (b"/dev/sdg", b"/dev/sdh"), (b'"format": 1', b'"format": 2'),
                         (b"true", b"1")):
            self.write("out/hello.ami/volumes.json", sound.replace(old, new))
            self.assertIn("volumes.json", self.fails("inspect", "out/hello.ami"))
        self.write("out/hello.ami/volumes.json", sound.replace(b'"www"', b'"gone"'))
        self.assertIn("volumes/gone", self.fails("inspect", "out/hello.ami"))
        self.write("out/hello.ami/volumes.json", sound)
        shutil.copy(self.at("out/hello.ami/block-map.json"), self.at("out/hello.ami/volumes/www/block-map.json"))
        shutil.copy(self.at("out/hello.ami/disk.blocks"), self.at("out/hello.ami/volumes/www/disk.blocks"))
        self.assertIn("is not the volume of", self.fails("inspect", "out/hello.ami"))

    def test_ami_that_changes_is_replaced_as_a_whole(self):
        recipe = scenario.HELLO_RECIPE + self.base("nvme") + '[output]\nformats = ["ami"]\n'
        self.hello(recipe)
        self.uni("build", "recipe.toml", "-o", "out")
        first = self.read("out/hello.ami/block-map.json")
        self.assertEqual(json.loads(self.read("out/hello.ami/register-image.json"))["EnaSupport"], False)
        again = self.uni_json("build", "--json", "recipe.toml", "-o", "out")
        self.assertFalse(any(a["written"] for a in again["artifacts"]))
        self.write("site/page", "another\n")
        self.uni("build", "recipe.toml", "-o", "out")
        self.assertNotEqual(self.read("out/hello.ami/block-map.json"), first)
        self.assertEqual(len(os.listdir(os.path.join(self.work, "out/hello.ami"))), 3)
        self.assertNothingLeft(os.path.join(self.work, "out"))
        # A file of somebody else's in the way.
        self.write("out/hello.ami/register-image.json", "{}")
        self.write("site/page", "a third\n")
        self.assertIn("--force", self.fails("build", "recipe.toml", "-o", "out"))
        self.uni("build", "recipe.toml", "-o", "out", "--force")

    def test_ami_of_a_kernel_that_is_not_known(self):
        """Ours says what it drives; of another's only its owner can say it."""
        def ena(*options):
            done = self.run_uni("convert", "disk.raw", "ami", "-o", "disk.ami", "--force", *options)
            self.assertEqual(done.returncode, 0, done.stderr)
            return (json.loads(self.read("disk.ami/register-image.json"))["EnaSupport"],
                    b"warning" in done.stderr and b"--ena" in done.stderr)

        self.write("disk.raw", bytes(1 << 20))
        self.assertEqual(ena(), (False, True))
        self.assertEqual(ena("--ena"), (True, False))
        for devices in ["ena", "nvme"], ["nvme"]:
            self.hello(scenario.HELLO_RECIPE + f'[base]\nname = "unibase"\ndevices = {json.dumps(devices)}\n')
            self.uni("build", "recipe.toml", "-o", "out")
            shutil.copy(self.at("out/hello.raw"), self.at("disk.raw"))
            self.assertEqual(ena(), ("ena" in devices, False))

    def test_damaged_ami(self):
        self.hello(scenario.HELLO_RECIPE + self.base("nvme") + '[output]\nformats = ["ami"]\n')
        self.uni("build", "recipe.toml", "-o", "out")
        blocks, block_map = self.read("out/hello.ami/disk.blocks"), self.read("out/hello.ami/block-map.json")
        self.write("out/hello.ami/disk.blocks", blocks[:100] + b"!" + blocks[101:])
        self.assertIn("block 0 is damaged", self.fails("convert", "out/hello.ami", "raw"))
        self.write("out/hello.ami/disk.blocks", blocks[:-1])
        self.assertIn("size that its map says", self.fails("inspect", "out/hello.ami"))
        self.write("out/hello.ami/disk.blocks", blocks)
        for old, new in ((b'"size": 1073741824', b'"size": 1073741823'), (b'"index": 0', b'"index": 1'),
                         (b'"block_size": 524288', b'"block_size": 4096'), (b'"index": 2047', b'"index": 99999999')):
            self.write("out/hello.ami/block-map.json", block_map.replace(old, new))
            self.assertIn("no sound block map", self.fails("inspect", "out/hello.ami"))
        self.assertNothingLeft(self.work)

    def test_ami_that_ec2_would_not_start(self):
        base = self.base()
        self.hello(scenario.HELLO_RECIPE + base + '[output]\nformats = ["ami"]\n')
        self.assertIn("cannot drive nvme", self.fails("build", "recipe.toml"))
        self.base("nvme")
        self.hello(scenario.HELLO_RECIPE + base + '[config]\nnetwork = "dhcp"\n[output]\nformats = ["ami"]\n')
        refused = self.fails("check", "recipe.toml")
        self.assertIn("cannot drive ena", refused)
        self.assertRegex(refused, r"instance types that remain: .*\bm4\b.*\bt2\b")
        # Without a network it is made, for what is left.
        self.hello(scenario.HELLO_RECIPE + base + '[output]\nformats = ["ami"]\n')
        self.assertRegex(self.run_uni("check", "recipe.toml").stderr.decode(), "without ENA .* alone: .*t2")
        self.hello(scenario.HELLO_RECIPE + base + '[output]\nformats = ["ami"]\nboot = ["uefi"]\n')
        self.assertIn("no instance type remains", self.fails("check", "recipe.toml"))

    def test_containerdisk(self):
        self.hello(scenario.HELLO_RECIPE + '[output]\nformats = ["containerdisk", "raw"]\n')
        self.uni("build", "recipe.toml", "-o", "out")
        self.assertIn("Layers", self.tool("skopeo", "inspect", "oci:out/hello.containerdisk:1.2.3"))
        self.tool("skopeo", "copy", "-q", "oci:out/hello.containerdisk:1.2.3", "dir:copied")
        self.tool("umoci", "unpack", "--rootless", "--image", "out/hello.containerdisk:1.2.3", "bundle")
        self.assertEqual(os.listdir(os.path.join(self.work, "bundle/rootfs")), ["disk"])
        self.assertIn("identical", self.tool("qemu-img", "compare", "bundle/rootfs/disk/hello.qcow2", "out/hello.raw"))
        layer = json.loads(self.read("copied/manifest.json"))["layers"][0]["digest"].split(":")[1]
        listing = self.tool("tar", "-tvf", f"copied/{layer}", "--numeric-owner")
        self.assertRegex(listing, r"(?m)^-r--r----- 107/107 .* disk/hello.qcow2$")
        self.uni("convert", "out/hello.raw", "containerdisk", "-o", "again")
        self.tool("skopeo", "inspect", "oci:again:latest")
        self.read_containerdisk()
        self.assertIn("the same, 6 artifacts", self.uni("verify", "out/hello.manifest.json"))

    def read_containerdisk(self):
        """Ours, and what others make of it; the image is known by its manifest."""
        seen = self.uni_json("inspect", "--json", "out/hello.containerdisk")
        self.assertEqual((seen["kind"], seen["form"]), ("disk", "containerdisk"))
        index = json.loads(self.read("out/hello.containerdisk/index.json"))
        self.assertEqual(seen["digest"], index["manifests"][0]["digest"])
        self.assertEqual(self.uni("inspect", "out/hello.containerdisk", "cat", "/srv/page"), "from the volume\n")
        self.tool("skopeo", "copy", "-q", "--dest-compress", "oci:out/hello.containerdisk:1.2.3", "oci:packed:1")
        layer = json.loads(self.tool("skopeo", "inspect", "--raw", "oci:packed:1"))["layers"][0]
        self.assertIn("gzip", layer["mediaType"])
        self.tool("skopeo", "copy", "-q", "oci:packed:1", "oci-archive:layout.tar:1")
        self.tool("skopeo", "copy", "-q", "oci:packed:1", "docker-archive:saved.tar:hello:1")
        for image in ("out/hello.containerdisk", "packed", "layout.tar", "saved.tar"):
            self.uni("convert", image, "raw", "-o", "back.raw", "--force")
            self.assertEqual(self.read("back.raw"), self.read("out/hello.raw"))
        blob = "packed/blobs/sha256/" + layer["digest"].split(":")[1]
        data = self.read(blob)
        self.write(blob, data[:-9] + b"!" + data[-8:])
        self.assertIn("not what its digest says", self.fails("inspect", "packed"))
        os.unlink(self.at(blob))
        self.assertIn("has no blobs", self.fails("convert", "packed", "raw", "-o", "none"))
        self.tool("umoci", "init", "--layout", "empty")
        self.tool("umoci", "new", "--image", "empty:1")
        self.assertIn("without a disk", self.fails("inspect", "empty"))

    def test_gcp(self):
        self.hello(scenario.HELLO_RECIPE + '[output]\nformats = ["gcp", "raw"]\n')
        self.uni("build", "recipe.toml", "-o", "out")
        archive = "out/hello.gcp.tar.gz"
        self.assertRegex(self.tool("tar", "-tvf", archive), r"(?m)^-rw-r--r-- 0/0\s+1073741824 1970-01-01 .* disk.raw$")
        self.tool("tar", "-xf", archive)
        self.assertIn("No problems found", self.tool("sgdisk", "-v", "disk.raw"))
        self.assertLess(os.stat(os.path.join(self.work, "disk.raw")).st_blocks * 512, 4 << 20)
        self.assertEqual(self.uni("inspect", archive, "cat", "/srv/page"), "from the volume\n")
        self.uni("convert", archive, "raw", "-o", "back.raw")
        self.tool("cmp", "back.raw", "disk.raw")
        # As others pack it, sparse and whole; and holes that are written zeros change nothing.
        self.tool("tar", "--format=oldgnu", "-Sczf", "theirs.tar.gz", "disk.raw")
        self.tool("tar", "--format=gnu", "-czf", "whole.tar.gz", "disk.raw")
        for name in ("theirs", "whole"):
            self.uni("convert", f"{name}.tar.gz", "gcp", "-o", f"{name}.gcp", "--force")
            self.assertEqual(self.read(f"{name}.gcp"), self.read(archive), name)
        data = self.read(archive)
        self.write("cut.tar.gz", data[:-1000])
        self.assertIn("truncated", self.fails("inspect", "cut.tar.gz"))
        self.write("cut.tar.gz", data[:5000] + bytes(50) + data[5050:])
        self.fails("convert", "cut.tar.gz", "raw", "-o", "none")
        self.assertFalse(os.path.exists(os.path.join(self.work, "none")))
        self.tool("tar", "-czf", "other.tar.gz", "recipe.toml")
        self.assertIn("first file is not disk.raw", self.fails("convert", "other.tar.gz", "raw"))

    def test_ova(self):
        self.hello(scenario.HELLO_RECIPE + '[config]\nnetwork = "dhcp"\n[output]\nformats = ["ova", "raw"]\n')
        self.uni("build", "recipe.toml", "-o", "out")
        names = self.tool("tar", "-tf", "out/hello.ova").split()
        self.assertEqual(names, ["hello.ovf", "hello.mf", "hello-disk1.vmdk"])
        self.tool("tar", "-xf", "out/hello.ova")
        for line in self.read("hello.mf").decode().splitlines():
            name, digest = line.removeprefix("SHA256(").split(")= ")
            self.assertIn(digest, self.tool("sha256sum", name))
        self.assertIn("identical", self.tool("qemu-img", "compare", "hello-disk1.vmdk", "out/hello.raw"))
        ns = {"ovf": "http://schemas.dmtf.org/ovf/envelope/1",
              "rasd": "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData"}
        ovf = xml.etree.ElementTree.fromstring(self.read("hello.ovf"))
        disk, file = ovf.find("ovf:DiskSection/ovf:Disk", ns), ovf.find("ovf:References/ovf:File", ns)
        attribute = "{%s}" % ns["ovf"]
        self.assertEqual(int(disk.get(attribute + "capacity")), os.path.getsize(os.path.join(self.work, "out/hello.raw")))
        self.assertEqual(disk.get(attribute + "fileRef"), file.get(attribute + "id"))
        self.assertEqual(int(file.get(attribute + "size")), os.path.getsize(os.path.join(self.work, "hello-disk1.vmdk")))
        check_ovf(self.read("hello.ovf"))
        self.assertEqual(len(ovf.findall(".//ovf:Network", ns)), 1)
        self.assertEqual(self.uni("inspect", "out/hello.ova", "cat", "/srv/page"), "from the volume\n")
        self.uni("convert", "out/hello.ova", "raw", "-o", "back.raw")
        self.assertEqual(self.read("back.raw"), self.read("out/hello.raw"))
        self.write("cut.ova", self.read("out/hello.ova")[:9000])
        self.assertIn("shorter than what it holds", self.fails("inspect", "cut.ova"))


if __name__ == "__main__":
    scenario.main()
