"""The ISO form: a CD that BIOS and UEFI start, and a disk as well."""

import os
import subprocess

import scenario

OVMF = "/usr/share/OVMF/OVMF_CODE.fd"
OUTPUT = '\n[output]\nformats = ["iso", "elf"]\nboot = ["bios", "uefi"]\n'


class Cd(scenario.Scenario):
    def start(self, *options, memory=64):
        done = subprocess.run(["qemu-system-x86_64", "-accel", "tcg", "-m", str(memory), "-nodefaults", "-display", "none",
                               "-serial", "stdio", "-no-reboot", "-device", "isa-debug-exit,iobase=0xf4,iosize=4", *options],
                              cwd=self.work, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=300, check=False)
        return done.stdout.decode(errors="replace").replace("\r", "")

    def test_starts(self):
        self.hello(scenario.HELLO_RECIPE + "embed = true\n" + OUTPUT)
        said = self.run_uni("build", "recipe.toml", "-o", "out")
        self.assertEqual((said.returncode, b"warning" in said.stderr), (0, False), said.stderr.decode())
        drive = "file=out/hello.iso,format=raw,readonly=on"
        ways = {
            "IDE": ["-cdrom", "out/hello.iso"],
            "AHCI": ["-machine", "q35", "-cdrom", "out/hello.iso"],
            "SCSI": ["-device", "virtio-scsi", "-drive", f"{drive},if=none,id=cd,media=cdrom", "-device", "scsi-cd,drive=cd"],
            "as a disk": ["-drive", f"{drive},if=virtio"],
        }
        for way, options in ways.items():
            self.assertIn("page from the volume", self.start(*options), way)
        if not os.path.exists(OVMF):
            self.skipTest("no OVMF")
        firmware = ["-machine", "q35", "-drive", f"if=pflash,format=raw,readonly=on,file={OVMF}"]
        self.assertIn("page from the volume", self.start(*firmware, "-cdrom", "out/hello.iso", memory=256))

    def test_others_read_it(self):
        self.hello(scenario.HELLO_RECIPE + OUTPUT)
        said = self.run_uni("build", "recipe.toml", "-o", "out")
        self.assertIn(b'volume "site" is out of reach', said.stderr)
        iso = "out/hello.iso"
        report = self.tool("xorriso", "-indev", iso, "-report_el_torito", "plain", "-find", "/")
        self.assertRegex(report, r"boot img :\s+1\s+BIOS\s+y\s+none\s+0x0800")
        self.assertRegex(report, r"boot img :\s+2\s+UEFI\s+y\s+none")
        self.assertNotIn("WARNING", report)
        self.tool("xorriso", "-osirrox", "on", "-indev", iso, "-extract", "/", "tree")
        files = sorted(os.listdir(os.path.join(self.work, "tree")))
        self.assertEqual(files, ["001_BOOT.IMG", "002_ESP.IMG", "003_KERNEL.IMG", "004_SITE.IMG"])
        self.assertIn("page", self.tool("unsquashfs", "-l", "tree/004_SITE.IMG"))
        self.assertIn("No problems found", self.tool("sgdisk", "-v", iso))
        self.assertEqual(self.uni_json("inspect", "--json", iso)["form"], "iso")
        self.assertEqual(self.uni("inspect", iso, "cat", "/srv/page"), "from the volume\n")
        # The disk comes back, and makes the same CD again.
        self.uni("convert", iso, "raw", "-o", "disk.raw")
        self.uni("convert", "disk.raw", "iso", "-o", "again.iso")
        self.assertEqual(self.read("again.iso"), self.read(iso))

    def test_a_disk_of_others(self):
        """One that leaves no room stays whole behind the file system, and starts as the disk that it is."""
        code = bytes.fromhex("baf803b048eebaf400b003eef4ebfd")
        with open(os.path.join(self.work, "disk"), "wb") as f:
            f.write(code.ljust(446, b"\0") + bytes.fromhex("80010100830f3f10000000000008000000").ljust(64, b"\0")[:64] + b"\x55\xaa")
            f.write(b"data" * (1 << 18))
        self.uni("convert", "disk", "iso")
        report = self.tool("xorriso", "-indev", "disk.iso", "-report_el_torito", "plain", "-find", "/")
        self.assertIn("/001_DISK.IMG", report)
        self.assertRegex(report, r"boot img :\s+1\s+BIOS\s+y\s+hd")
        self.assertIn("H", self.start("-cdrom", "disk.iso"))
        self.uni("convert", "disk.iso", "raw", "-o", "back")
        disk = self.read("disk")
        self.assertEqual(self.read("back")[:len(disk)], disk)
        with open(os.path.join(self.work, "disk.iso"), "r+b") as f:
            f.truncate(100 << 10)
        self.assertIn("truncated", self.fails("convert", "disk.iso", "raw", "--force"))


if __name__ == "__main__":
    scenario.main()
