"""uni check: everything that is wrong, at once; each with the words of the build that would find it later."""

import os
import shutil

import scenario

HEAD = '[image]\nname = "hello"\n[app]\n'
VOLUME = '[[volume]]\nname = "{}"\nmount = "{}"\nsource = "{}"\n'
AGAIN = "it was cut short or overwritten: make it again, or fetch it again"
CUT = "is a damaged ELF file: its section headers are cut"
CERTIFICATE = "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n"

# [app], the error without "uni: recipe.toml:", its hint.
OBJECTS = {
    "an object without its end": ('objects = ["cut.o"]', "4:12: cut.o: " + CUT, AGAIN),
    "one without its last byte": ('objects = ["last.o"]', "4:12: last.o: " + CUT, AGAIN),
    "one without its middle": ('objects = ["hole.o"]', "4:12: hole.o: is a damaged ELF file: a section reaches behind its end", AGAIN),
    "an empty one": ('objects = ["empty.o"]', "4:12: empty.o: is empty", AGAIN),
    "an archive without its end": ('objects = ["needs.o"]\nlibraries = ["cut.a"]',
                                   "5:14: cut.a: is a damaged archive: its end is missing", AGAIN),
    "an archive with a bad header": ('objects = ["main.o"]\nlibraries = ["header.a"]', "5:14: header.a: is a damaged archive", AGAIN),
    "an archive with a damaged member": ('objects = ["needs.o"]\nlibraries = ["member.a"]', "5:14: member.a(a-member-of-long-name.o): " + CUT, AGAIN),
    "a package's object": ('objects = ["pkg:broken"]', "4:12: pkg:broken/cut.o: " + CUT, AGAIN),
    "one of a package's objects": ('objects = ["pkg:broken/cut.o"]', "4:12: pkg:broken/cut.o: " + CUT, AGAIN),
    "a package's archive": ('objects = ["needs.o"]\nlibraries = ["pkg:broken"]',
                            "5:14: pkg:broken/cut.a: is a damaged archive: its end is missing", AGAIN),
    "a package without objects": ('objects = ["pkg:bundle"]', "4:12: package bundle holds no *.o file", ""),
    "a program that is cut": ('program = "cut"', "4:11: cut: is a damaged ELF file: a segment reaches behind the file's end", ""),
    "an object as a program": ('program = "main.o"', "4:11: main.o: is an object, not a program",
                               "name it in app.objects instead of app.program"),
}

# What stands behind [app], the error, its hint.
OTHERS = {
    "a package's bundle": ('[ca]\nbundle = "pkg:bundle"\n', '6:10: "pkg:bundle/ca.crt" holds no certificate in PEM form',
                           'bundle = "mozilla" takes the authorities that browsers trust'),
    "a bundle that is cut": ('[ca]\nbundle = "cut.pem"\n', '6:10: "cut.pem": the certificate in line 4 has no end',
                             "make the bundle again, or leave this certificate out"),
    "a certificate that is none": ('[ca]\nbundle = "junk.pem"\n', '6:10: "junk.pem": the certificate in line 1 is damaged',
                                   "make the bundle again, or leave this certificate out"),
    "a certificate that lacks a line": ('[ca]\nbundle = "line.pem"\n', '6:10: "line.pem": the certificate in line 1 is damaged',
                                        "make the bundle again, or leave this certificate out"),
    "a certificate in DER": ('[ca]\nbundle = "ca.der"\n', '6:10: "ca.der" holds no certificate in PEM form',
                             "openssl x509 -inform DER -in ca.der writes it in PEM form"),
    "a bundle of gigabytes": ('[ca]\nbundle = "huge.pem"\n', '6:10: "huge.pem" has 5.4 GB, and a CA bundle at most 67.1 MB', ""),
    "a file of gigabytes": ('[[file]]\npath = "/x"\nsource = "huge.pem"\n',
                            '7:10: "huge.pem" has 5.4 GB, and a file of the root file system at most 4.3 GB', "put it into a volume"),
    "a package of several files": ('[[file]]\npath = "/x"\nsource = "pkg:broken"\n',
                                   '7:10: package broken has several files: say which, as "pkg:broken/FILE"', ""),
    "volumes over a form's limit": (VOLUME.format("a", "/a", "site") + 'size = "1100G"\n' + VOLUME.format("b", "/b", "site") +
                                    'size = "1200G"\n[output]\nformats = ["vhd"]\n',
                                    "14:8: a disk of 2.5 TB is too large for vhd, at most 2.2 TB",
                                    "2 volumes have their sizes on it together"),
    "volumes over EBS's limit": (VOLUME.format("a", "/a", "site") + 'size = "40T"\n' + VOLUME.format("b", "/b", "site") +
                                 'size = "30T"\n[output]\nformats = ["ami"]\n',
                                 "9:8: a disk of 77.0 TB is no EBS volume: these have whole GiB, at most 65536",
                                 "2 volumes have their sizes on it together"),
    "an empty volume over its format's limit": ('[[volume]]\nname = "a"\nmount = "/a"\nformat = "ext4"\nmode = "rw"\nsize = "32T"\n',
                                                '10:8: volume "a": an ext4 of more than 16 TiB', ""),
    "a FIFO in a volume": (VOLUME.format("a", "/a", "fifos"), '8:10: volume "a": fifos/p is a device, socket or FIFO', ""),
    "keys that are none": ('[output]\nboot = ["uefi"]\nsecure-boot = { key = "site/page", certificate = "site/page" }\n',
                           "7:23: secure-boot: the key is no PEM private key without a passphrase", ""),
}

# Kernels of a base of which each has what the other lacks.
KERNELS = """[[kernel]]
name = "disks"
file = "kernel/volumes.elf"
devices = ["nvme", "virtio-blk-pci", "virtio-blk-mmio", "ahci", "virtio-scsi-pci"]
filesystems = ["squashfs"]
compressions = ["zstd"]
protocols = []
[[kernel]]
name = "net"
file = "kernel/network.elf"
devices = ["smp", "virtio-net-pci", "virtio-net-mmio"]
filesystems = []
compressions = []
protocols = ["ip"]
"""


class Check(scenario.Scenario):
    def setUp(self):
        super().setUp()
        self.hello()
        self.write("main.c", "int main(void) { return 0; }\n")
        self.write("needs.c", "int other(void);\nint main(void) { return other(); }\n")
        self.write("other.c", "int other(void) { return 0; }\n")
        for name in "main", "needs":
            self.tool("musl-gcc", "-c", name + ".c")
        self.tool("musl-gcc", "-c", "-o", "a-member-of-long-name.o", "other.c")
        self.tool("ar", "rcs", "sound.a", "main.o", "a-member-of-long-name.o")
        self.break_objects()
        self.break_bundles()
        self.package_of("broken", "objects", {"cut.o": self.read("cut.o"), "sound.o": self.read("main.o"),
                                              "cut.a": self.read("cut.a")})
        self.package_of("bundle", "ca", {"ca.crt": b"no certificate\n"})
        os.mkdir(self.path("work/fifos"))
        os.mkfifo(self.path("work/fifos/p"))
        with open(self.write("huge.pem", "x"), "r+b") as f:
            f.truncate(5 << 30)

    def break_objects(self):
        sound, archive = self.read("main.o"), self.read("sound.a")
        self.write("cut.o", sound[:len(sound) // 2])
        self.write("last.o", sound[:-1])
        table = int.from_bytes(sound[40:48], "little")
        hole = bytearray(sound)
        hole[table + 64 + 24:table + 64 + 32] = (1 << 40).to_bytes(8, "little")  # sh_offset of the first section
        self.write("hole.o", bytes(hole))
        self.write("empty.o", "")
        self.write("cut.a", archive[:-200])
        self.write("header.a", archive[:archive.index(b"\x7fELF") - 2] + b"!!" + archive[archive.index(b"\x7fELF"):])
        member = bytearray(archive)
        place = archive.rindex(b"\x7fELF") + 40
        member[place:place + 8] = (1 << 40).to_bytes(8, "little")  # e_shoff
        self.write("member.a", bytes(member))
        self.tool("gcc", "-static", "-o", "whole", "main.c")
        whole = self.read("whole")
        self.write("cut", whole[:len(whole) // 2])
        arm = bytearray(sound)
        arm[18:20] = (183).to_bytes(2, "little")  # e_machine: AArch64
        self.write("arm64.o", bytes(arm))

    def break_bundles(self):
        self.tool("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "key.pem",
                  "-out", "ca.pem", "-subj", "/CN=x", "-days", "9")
        self.tool("openssl", "x509", "-in", "ca.pem", "-outform", "DER", "-out", "ca.der")
        sound = self.read("ca.pem").decode().splitlines(keepends=True)
        self.write("junk.pem", CERTIFICATE.format("no base64!"))
        self.write("line.pem", "".join(sound[:2] + sound[3:]))
        self.write("cut.pem", CERTIFICATE.format("MAA=") + "".join(sound[:-1]))

    def package_of(self, name, kind, files):
        folder = self.path("work", name)
        for file, content in files.items():
            self.write(os.path.join(name, file), content)
        self.write(name + "/package.toml", f'[package]\nname = "{name}"\nversion = "1.0.0"\nkind = "{kind}"\n' +
                   "".join(f'[[files]]\nsource = "{file}"\n' for file in files))
        self.uni("pack", folder, "-o", "packed")
        self.uni("install", f"packed/{name}-1.0.0-x86_64.unipkg")

    def same(self, recipe, error, hint, *commands):
        self.write("recipe.toml", recipe)
        for command in commands:
            text = self.fails(*command)
            lines = [l for l in text.splitlines() if not l.startswith("  the whole log is in ")
                     and not (l.startswith("  ") and l.endswith(" ms)"))]
            self.assertEqual(lines, ["uni: recipe.toml:" + error] + (["  " + hint] if hint else []), command)

    def test_objects(self):
        for name, (app, error, hint) in OBJECTS.items():
            with self.subTest(name):
                self.same(HEAD + app + "\n", error, hint, ("check",), ("build", "-o", "out"))

    def test_others(self):
        for name, (more, error, hint) in OTHERS.items():
            with self.subTest(name):
                self.same(HEAD + 'sources = ["hello.c"]\n' + more, error, hint, ("check",), ("build", "-o", "out"))

    def test_what_is_sound(self):
        """No error where there is none: members that no linker minds, bundles with words between their certificates."""
        self.write("words.txt", "no object")
        self.tool("ar", "rcs", "mixed.a", "words.txt", "a-member-of-long-name.o", "arm64.o")
        pem = self.read("ca.pem").decode()
        self.write("words.pem", "# one\r\n" + pem.replace("\n", "\r\n") + "\nSubject: two\n" + pem)
        self.write("recipe.toml", HEAD + 'objects = ["needs.o"]\nlibraries = ["mixed.a"]\n[ca]\nbundle = "words.pem"\n')
        self.assertIn(b"nothing wrong", self.run_uni("check").stderr)
        self.uni("build", "-o", "out")

    def base(self, change):
        folder = self.path("work/base")
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(os.path.join(scenario.ROOT, "build/packages/unibase"), folder)
        with open(os.path.join(folder, "base.toml"), encoding="utf-8") as f:
            text = f.read()
        self.write("base/base.toml", change(text))

    def test_what_no_kernel_has_together(self):
        self.base(lambda text: text[:text.index("[[kernel]]")] + KERNELS)
        self.same(HEAD + 'sources = ["hello.c"]\n[base]\npath = "base"\n' + VOLUME.format("a", "/a", "site") +
                  '[config]\nnetwork = "dhcp"\n',
                  "7:3: no kernel of base unibase 1.0.0 can do all that is wanted: disks has no driver virtio-net-pci, "
                  "net has no driver virtio-blk-pci",
                  "line 12 asks for virtio-net-pci, line 7 for virtio-blk-pci: leave something out, or take another base",
                  ("check",), ("plan",), ("build", "-o", "out"))

    def test_what_no_kernel_has(self):
        recipe = HEAD + 'sources = ["hello.c"]\n[base]\npath = "base"\n'
        self.base(lambda text: text.replace('"ip"', '"unix"'))
        self.same(recipe + '[config]\nnetwork = "dhcp"\n', "8:11: base unibase 1.0.0 cannot speak ip (it can: unix)", "",
                  ("check",), ("build", "-o", "out"))
        self.base(lambda text: text.replace('runtime = ["fw-cfg", "xenstore", "smbios"]\n', ""))
        self.same(recipe + '[[secret]]\nname = "token"\n', '7:3: secret "token": base unibase 1.0.0 takes nothing at start', "",
                  ("check",), ("build", "-o", "out"))

    def expect_lines(self, *expected):
        text = self.fails("check")
        found = [l for l in text.splitlines() if not l.startswith("  ")]
        self.assertEqual(len(found), len(expected), text)
        for line, (place, words) in zip(found, expected):
            self.assertTrue(line.startswith(f"uni: recipe.toml:{place}: "), line)
            self.assertIn(words, line)
        self.assertEqual(len(self.uni_json("check", "--json", status=1)), len(expected))

    def test_all_at_once(self):
        """What is wrong with the recipe hides nothing of what is wrong with its inputs, and the other way round."""
        self.tool("gcc", "-o", "dynamic", "main.c")
        os.mkdir(self.path("work/latin1"))
        with open(self.path("work/latin1").encode() + b"/a\xffb", "wb"):
            pass
        self.write("recipe.toml", '[image]\nnaem = "hello"\nname = "hello"\n[base]\ndevices = ["floppy"]\n[app]\nprogram = "dynamic"\n'
                                  'args = "one"\n[ca]\nbundle = "cut.pem"\n' +
                   VOLUME.format("a", "/a", "nowhere") + VOLUME.format("a", "/a/b", "latin1") +
                   '[[file]]\npath = "/x"\nsource = "huge.pem"\n[output]\nformats = ["vhd", "raww"]\nvhd.size = "3T"\n')
        self.expect_lines(("2:1", 'unknown key "naem"'), ("5:12", "cannot drive floppy"), ("7:11", "needs the interpreter"),
                          ("8:8", "must be a list"), ("10:10", "has no end"), ("14:10", "does not exist"),
                          ("16:8", 'volume "a" is given twice'), ("17:9", 'inside of volume "a"'), ("18:10", "not UTF-8"),
                          ("21:10", '"huge.pem" has 5.4 GB'), ("23:19", 'cannot be "raww"'), ("24:12", "too large for vhd"))

    def test_objects_at_once(self):
        self.write("recipe.toml", HEAD + 'sources = ["none.c"]\nobjects = ["arm64.o", "pkg:broken", "pkg:absent", "last.o"]\n'
                                         'libraries = ["cut.a", "pkg:broken"]\ncwd = "relative"\n')
        self.expect_lines(("4:12", "does not exist"), ("5:12", "is for AArch64"), ("5:23", "pkg:broken/cut.o"),
                          ("5:37", "package absent"), ("5:51", CUT), ("6:14", "cut.a"), ("6:23", "pkg:broken/cut.a"),
                          ("7:7", "cwd"))

    def test_what_follows_is_not_said(self):
        """What would be in a volume that has an error itself is not missed; nor is an error told in two places."""
        self.tool("gcc", "-o", "dynamic", "main.c")
        for volume, place, words in ((VOLUME.format("a", "/lib64", "nowhere"), "9:10", "does not exist"),
                                     (VOLUME.format("a", "/lib64", "fifos"), "9:10", "FIFO"),
                                     ("volume = 5\n", "1:10", "array")):
            with self.subTest(volume):
                text = HEAD + 'program = "dynamic"\ncwd = "/lib64/x"\n'
                if "[[" not in volume:
                    text = volume + HEAD + 'program = "dynamic"\n'
                self.write("recipe.toml", text + (volume if "[[" in volume else ""))
                self.expect_lines((place, words))
        self.write("recipe.toml", '[image]\nname = "hello"\n[base]\npath = "nowhere"\n[app]\npath = "/bin/x"\n')
        self.expect_lines(("4:8", "does not exist"), ("6:8", "lies in no volume"))


if __name__ == "__main__":
    scenario.main()
