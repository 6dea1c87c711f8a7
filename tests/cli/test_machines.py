"""Descriptions of machines: what those who read them say, and the parts started as they tell."""

import json
import os
import shutil
import subprocess

import scenario

RECIPE = scenario.HELLO_RECIPE + """
[machine]
memory = "24M"
processors = 2
[[volume]]
name = "more-data"
mount = "/data"
source = "site"
[output]
formats = ["xen", "firecracker", "libvirt", "elf"]
"""

# The definitions of Firecracker's published schema (src/firecracker/swagger/firecracker.yaml, version 1.17.0-dev) that the
# file is made of: of each object its properties with their types, and which of them must be there.
BOOT_SOURCE = ({"kernel_image_path": str, "boot_args": str, "initrd_path": str}, {"kernel_image_path"})
DRIVE = ({"drive_id": str, "path_on_host": str, "is_root_device": bool, "is_read_only": bool, "partuuid": str, "cache_type": str,
          "rate_limiter": dict, "io_engine": str, "socket": str},
         {"drive_id", "is_root_device",
          "is_read_only", "path_on_host"})  # these two by their descriptions, for virtio-block
MACHINE = ({"vcpu_count": int, "mem_size_mib": int, "smt": bool, "cpu_template": str, "track_dirty_pages": bool,
            "huge_pages": str}, {"vcpu_count", "mem_size_mib"})
INTERFACE = ({"iface_id": str, "host_dev_name": str, "guest_mac": str, "mtu": int, "rx_rate_limiter": dict,
              "tx_rate_limiter": dict}, {"iface_id", "host_dev_name"})
TOP = ({"boot-source": dict, "drives": list, "machine-config": dict, "network-interfaces": list, "cpu-config": dict,
        "balloon": dict, "logger": dict, "metrics": dict, "memory-hotplug": dict, "mmds-config": dict, "pmem": list,
        "vsock": dict, "entropy": dict}, {"boot-source", "drives"})


class Machines(scenario.Scenario):
    def assertObject(self, value, rule):
        may, must = rule
        self.assertLessEqual(must, set(value))
        for name, item in value.items():
            self.assertIs(type(item), may.get(name), name)

    def build(self, more=""):
        self.hello(RECIPE + more)
        self.uni("build", "recipe.toml", "-o", "out")

    def test_files(self):
        self.build()
        self.assertEqual(sorted(os.listdir(os.path.join(self.work, "out"))),
                         ["hello.elf", "hello.firecracker.json", "hello.libvirt.xml", "hello.manifest.json", "hello.more-data.raw",
                          "hello.site.raw", "hello.xen.elf", "hello.xl.cfg"])
        # The one is for a kernel that Xen can start.
        self.assertNotEqual(self.read("out/hello.elf"), self.read("out/hello.xen.elf"))
        self.assertIn("the same, 7 artifacts", self.uni("verify", "out/hello.manifest.json"))
        self.assertNotIn("disk:", self.uni("plan", "recipe.toml"))

    def test_volumes_are_found_on_disks_of_their_own(self):
        self.build()
        argv = ["qemu-system-x86_64", "-accel", "tcg", "-m", "24", "-nodefaults", "-display", "none", "-serial", "stdio",
                "-no-reboot", "-machine", "q35", "-kernel", "out/hello.elf"]
        for volume in ("more-data", "site"):
            argv += ["-drive", f"file=out/hello.{volume}.raw,format=raw,if=virtio,readonly=on"]
        done = subprocess.run(argv, cwd=self.work, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=300, check=False)
        self.assertIn(b"page from the volume", done.stdout)

    def test_xen(self):
        self.build('xen.folder = "/srv/xen"\n')
        config = {}
        exec(self.read("out/hello.xl.cfg"), config)  # its syntax is Python's, as far as it goes
        self.assertEqual((config["name"], config["type"], config["memory"], config["vcpus"]), ("hello", "pvh", 24, 2))
        self.assertEqual(config["kernel"], "/srv/xen/hello.xen.elf")
        self.assertEqual(config["disk"], ["format=raw,vdev=xvda,access=ro,target=/srv/xen/hello.site.raw",
                                          "format=raw,vdev=xvdb,access=ro,target=/srv/xen/hello.more-data.raw"])
        self.assertEqual(config["vif"], [])

    def test_firecracker(self):
        self.build('[config]\nnetwork = "dhcp"\n')
        config = json.loads(self.read("out/hello.firecracker.json"))
        self.assertObject(config, TOP)
        self.assertObject(config["boot-source"], BOOT_SOURCE)
        self.assertObject(config["machine-config"], MACHINE)
        self.assertEqual((config["machine-config"]["vcpu_count"], config["machine-config"]["mem_size_mib"]), (2, 24))
        self.assertIn(config["machine-config"]["vcpu_count"], range(1, 33))
        self.assertEqual(len(config["drives"]), 2)
        for drive in config["drives"]:
            self.assertObject(drive, DRIVE)
            self.assertRegex(drive["drive_id"], r"^[A-Za-z0-9_]{1,64}$")
            self.assertTrue(os.path.exists(os.path.join(self.work, "out", drive["path_on_host"])))
        self.assertTrue(os.path.exists(os.path.join(self.work, "out", config["boot-source"]["kernel_image_path"])))
        for interface in config["network-interfaces"]:
            self.assertObject(interface, INTERFACE)

    def test_libvirt(self):
        self.build('[config]\nnetwork = "dhcp"\n')
        if shutil.which("virt-xml-validate") is None:
            self.skipTest("no virt-xml-validate")
        self.assertIn("validates", self.tool("virt-xml-validate", "out/hello.libvirt.xml", "domain"))

    def test_inspect(self):
        """A description tells the machine; what stands beside it is looked into as in any image."""
        self.build('[config]\nnetwork = "dhcp"\n')
        for ending, form, folder in (("xl.cfg", "xen", "/var/lib/xen/images/"), ("firecracker.json", "firecracker", ""),
                                     ("libvirt.xml", "libvirt", "/var/lib/libvirt/images/")):
            path = f"out/hello.{ending}"
            seen = self.uni_json("inspect", "--json", path)
            self.assertEqual((seen["kind"], seen["machine"]["format"]), ("machine", form))
            self.assertEqual([seen["machine"][key] for key in ("memory", "processors", "networks")], [24 << 20, 2, 1])
            self.assertEqual([(d["file"], d["writable"]) for d in seen["machine"]["disks"]],
                             [(f"{folder}hello.{name}.raw", False) for name in ("site", "more-data")])
            self.assertEqual({v.get("mount") for v in seen["volumes"]}, {"/srv", "/data"})
            self.assertEqual(self.uni("inspect", path, "cat", "/srv/page"), "from the volume\n")
            # Alone, it tells what it says.
            shutil.copy(os.path.join(self.work, path), os.path.join(self.work, "alone"))
            self.assertIn(f"{folder}hello.site.raw\n", self.uni("inspect", "alone"))

    def test_inspect_of_what_others_wrote(self):
        for text, words in (
                ("# a guest\nname='web'; type = \"pv\"\nmemory=512 # MiB\n"
                 "disk = [ '/dev/vg/web,raw,xvda,w',\n  'file.iso,,hdc,ro' ]\nvif=['']\n",
                 ("xen machine web, 512 MiB, 1 network\n", "/dev/vg/web, writable\n", "file.iso\n")),
                ("<?xml version='1.0'?><domain type='kvm'><name>a&amp;b</name><memory>2048</memory><devices>"
                 "<disk type='block' device='cdrom'><source dev='/dev/sr0'/></disk></devices></domain>",
                 ("libvirt machine a&b, 2 MiB, 0 networks\n", "/dev/sr0\n")),
                ('{"boot-source": {"kernel_image_path": "vmlinux"}, "drives": []}', ("kernel  vmlinux\n",))):
            self.write("theirs", text)
            said = self.uni("inspect", "theirs")
            for word in words:
                self.assertIn(word, said)
        for text in ("", "name", "name = ", "name = [\"x\"", "a poem\nof two lines\n", "{}", "{", "<domain>",
                     "<!DOCTYPE x [<!ENTITY a 'b'>]><domain><name>&a;</name></domain>", "<other><name>x</name></other>"):
            self.write("theirs", text)
            self.fails("inspect", "theirs")

    def test_refused(self):
        self.hello(RECIPE + "[[volume]]\nname = \"bare\"\nmount = \"/bare\"\nsource = \"site\"\nverity = false\n")
        text = self.fails("build", "recipe.toml")
        self.assertIn('xen: volume "bare" has no hash tree', text)
        self.hello(RECIPE + 'xen.folder = "relative"\n')
        self.fails("check", "recipe.toml")


if __name__ == "__main__":
    scenario.main()
