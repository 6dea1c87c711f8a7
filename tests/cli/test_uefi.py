"""Disks that start by UEFI: what others' tools say of them, OVMF's and SeaBIOS's starts, Secure Boot."""

import os
import subprocess

import scenario

BOTH = scenario.HELLO_RECIPE + '[output]\nformats = ["raw"]\nboot = ["bios", "uefi"]\n'
SECURE = BOTH + '[output.secure-boot]\nkey = "key.pem"\ncertificate = "cert.pem"\n'
GREETING = "arg 2 two words\nenv good day\npage from the volume\n"
SNAKEOIL = "/usr/share/ovmf/PkKek-1-snakeoil"
OVMF = "/usr/share/OVMF/OVMF_"


class Uefi(scenario.Scenario):
    def setUp(self):
        super().setUp()
        self.env["PATH"] = os.environ["PATH"] + ":/usr/sbin:/sbin"
        os.environ["PATH"] = self.env["PATH"]

    def partition(self, image, name):
        """(type code, content) of the partition of that name."""
        for line in self.tool("sgdisk", "-p", image).splitlines():
            words = line.split()
            if words and words[-1] == name and words[0].isdigit():
                data = self.read(image)
                return words[-2], data[int(words[1]) * 512:(int(words[2]) + 1) * 512]
        return None

    def loader(self, image):
        """BOOTX64.EFI out of an image."""
        code, data = self.partition(image, "esp")
        self.assertEqual(code, "EF00")
        self.write("esp", data)
        self.tool("fsck.vfat", "-n", "esp")
        self.tool("mcopy", "-o", "-n", "-i", "esp", "::EFI/BOOT/BOOTX64.EFI", "loader.efi")
        return os.path.join(self.work, "loader.efi")

    def test_disk(self):
        self.hello(BOTH)
        self.uni("build", "recipe.toml", "-o", "out")
        self.assertIn("No problems found", self.tool("sgdisk", "-v", "out/hello.raw"))
        self.assertIn("pei-x86-64", self.tool("objdump", "-f", self.loader("out/hello.raw")))
        self.assertEqual(self.partition("out/hello.raw", "boot")[0], "EF02")
        self.assertIn(", starts by BIOS, starts by UEFI\n", self.uni("inspect", "out/hello.raw"))
        self.assertEqual(self.uni_json("inspect", "--json", "out/hello.raw")["disk"]["uefi_loader"], "sealed")
        image = bytearray(self.read("out/hello.raw"))
        image[image.index(b"UNISEAL\0") + 40] ^= 1
        self.write("other.raw", bytes(image))
        self.assertIn("UEFI LOADER OF ANOTHER KERNEL", self.uni("inspect", "other.raw"))
        for firmware, buses in ("bios", ("virtio", "nvme", "scsi", "ahci")), ("uefi", ("virtio", "nvme")):
            for bus in buses:
                with self.subTest(firmware=firmware, bus=bus):
                    said = self.uni("run", "out/hello.raw", "--firmware", firmware, "--disk-bus", bus, status=7)
                    self.assertIn(GREETING, said.replace("\r", ""))

    def test_uefi_alone(self):
        self.hello(BOTH.replace('"bios", ', ""))
        self.uni("build", "recipe.toml", "-o", "out")
        self.assertIsNone(self.partition("out/hello.raw", "boot"))
        self.assertIsNotNone(self.partition("out/hello.raw", "esp"))
        self.assertIn(GREETING, self.uni("run", "out/hello.raw", status=7).replace("\r", ""))
        said = self.uni("run", "recipe.toml", "--print")
        self.assertIn("OVMF", said)
        self.assertNotIn("OVMF", self.uni("run", "recipe.toml", "--print", "--firmware", "bios"))

    def test_bios_alone(self):
        self.hello()
        self.uni("build", "recipe.toml", "-o", "out")
        self.assertIsNone(self.partition("out/hello.raw", "esp"))

    def key(self, *args):
        self.tool("openssl", "req", "-new", "-x509", "-nodes", "-subj", "/CN=test", "-days", "1", *args,
                  "-keyout", "key.pem", "-out", "cert.pem")

    def test_signed(self):
        self.hello(SECURE)
        self.key("-newkey", "rsa:2048")
        self.uni("build", "recipe.toml", "-o", "out")
        self.tool("sbverify", "--cert", "cert.pem", self.loader("out/hello.raw"))
        self.assertIn(", starts by UEFI, signed\n", self.uni("inspect", "out/hello.raw"))
        before = self.read("out/hello.raw")
        self.uni("build", "recipe.toml", "-o", "again", env={"UNI_CACHE": self.path("other")}, status=1)
        self.uni("install", self.package("unibase"), env={"UNI_CACHE": self.path("other")})
        self.uni("build", "recipe.toml", "-o", "again", env={"UNI_CACHE": self.path("other")})
        self.assertEqual(before, self.read("again/hello.raw"))
        with open(os.path.join(self.work, "key.pem"), "rb") as f:
            secret = f.read()
        for folder, _, files in os.walk(self.path("store")):
            for name in files:
                with open(os.path.join(folder, name), "rb") as f:
                    self.assertNotIn(secret, f.read(), name)
        self.key("-newkey", "rsa:2048")
        self.tool("sbverify", "--cert", "cert.pem", "loader.efi", status=1)

    def test_keys_refused(self):
        self.hello(SECURE)
        self.assertIn('key "key.pem" does not exist', self.fails("build", "recipe.toml"))
        self.key("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256")
        self.assertIn("not RSA of at least 2048 bits", self.fails("build", "recipe.toml"))
        self.key("-newkey", "rsa:2048")
        self.tool("cp", "key.pem", "other.pem")
        self.key("-newkey", "rsa:2048")
        self.tool("mv", "other.pem", "key.pem")
        self.assertIn("do not belong together", self.fails("build", "recipe.toml"))
        self.write("key.pem", "-----BEGIN ENCRYPTED PRIVATE KEY-----\n")
        self.assertIn("without a passphrase", self.fails("build", "recipe.toml"))
        self.write("recipe.toml", SECURE.replace('"bios", "uefi"', '"bios"'))
        self.assertIn("disks do not start by UEFI", self.fails("build", "recipe.toml"))
        self.write("recipe.toml", BOTH.replace('"uefi"', '"bios"'))
        self.assertIn('boot "bios" is given twice', self.fails("build", "recipe.toml"))

    def secure_boot(self, image, until):
        """Serial output of firmware that knows the snakeoil key alone, up to the words `until`."""
        process = subprocess.Popen(
            ["qemu-system-x86_64", "-accel", "tcg", "-M", "q35,smm=on", "-m", "128", "-nodefaults", "-display", "none",
             "-serial", "stdio", "-no-reboot", "-device", "isa-debug-exit,iobase=0xf4,iosize=4",
             "-global", "driver=cfi.pflash01,property=secure,value=on",
             "-drive", f"if=pflash,format=raw,unit=0,readonly=on,file={OVMF}CODE_4M.secboot.fd",
             "-drive", f"if=pflash,format=raw,unit=1,snapshot=on,file={OVMF}VARS_4M.snakeoil.fd",
             "-drive", f"if=none,id=d,format=raw,snapshot=on,file={image}", "-device", "virtio-blk-pci,drive=d,bootindex=0"],
            cwd=self.work, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.addCleanup(process.stdout.close)
        text = ""
        for line in process.stdout:
            text += line.decode("latin-1")
            if until in text:
                return text
        self.fail(text)

    def test_secure_boot(self):
        self.hello(SECURE)
        self.tool("openssl", "rsa", "-in", SNAKEOIL + ".key", "-passin", "pass:snakeoil", "-out", "key.pem")
        self.tool("cp", SNAKEOIL + ".pem", "cert.pem")
        self.uni("build", "recipe.toml", "-o", "out")
        self.secure_boot("out/hello.raw", "page from the volume")
        self.write("recipe.toml", BOTH)
        self.uni("build", "recipe.toml", "-o", "unsigned")
        self.secure_boot("unsigned/hello.raw", "Access Denied")

    def test_run_refused(self):
        self.hello(BOTH)
        self.uni("build", "recipe.toml", "-o", "out", "--format", "raw,elf")
        self.assertIn("is not known", self.fails("run", "out/hello.raw", "--disk-bus", "usb", status=125))
        self.assertIn("no firmware", self.fails("run", "out/hello.elf", "--firmware", "uefi", status=125))
        self.assertIn("does not exist", self.fails("run", "out/hello.raw", "--firmware", "/no/where", status=125))
        self.assertIn("64 MiB", self.fails("run", "out/hello.raw", "--firmware", "uefi", "-m", "32M", status=125))


if __name__ == "__main__":
    scenario.main()
