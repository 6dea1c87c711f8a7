"""Contract 1: the same recipe, built across the matrix of what must not matter, compared byte for byte."""

import os
import pwd
import random
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "cli"))

import scenario  # noqa: E402

RECIPE = """
[image]
name = "same"
version = "1.0.0"
[app]
sources = ["main.c", "part.c"]
include = ["."]
env = { B = "2", A = "1" }
[ca]
bundle = "pkg:mozilla"
[config]
hostname = "same"
[[file]]
path = "/etc/motd"
text = "hello\\n"
[[file]]
path = "/etc/script"
source = "script"
mode = 0o755
[[volume]]
name = "www"
mount = "/srv/www"
source = "www"
[[volume]]
name = "small"
mount = "/srv/small"
source = "small"
embed = true
compression = "lz4"
[output]
boot = ["bios", "uefi"]
formats = ["raw", "elf", "qcow2", "vmdk", "vhd", "vhdx", "vdi", "iso", "gcp", "ova", "ami", "containerdisk",
           "xen", "firecracker", "libvirt"]
qcow2.compression = "zstd"
vmdk.variant = "streamOptimized"
vhd.variant = "dynamic"
"""

FORMS = ["ami", "containerdisk", "elf", "firecracker.json", "gcp.tar.gz", "iso", "libvirt.xml", "manifest.json", "ova", "qcow2",
         "raw", "vdi", "vhd", "vhdx", "vmdk", "www.raw", "xen.elf", "xl.cfg"]

MAIN_C = """#include <stdio.h>
#include "part.h"
int main(void)
{
	printf("%s %s %s %d\\n", __FILE__, __DATE__, __TIME__, part());
	return 0;
}
"""


class Same(scenario.Scenario):
    packages = ("unibase", "mozilla")

    def tree(self, folder, seed=0, when=1_000_000_000):
        """The same content, made in an order that depends on `seed`."""
        content = random.Random(7)
        files = {"main.c": MAIN_C, "part.h": "int part(void);\n", "part.c": '#include "part.h"\nint part(void) { return 3; }\n',
                 "script": "#!/bin/sh\n", "recipe.toml": RECIPE}
        for i in range(150):
            files[f"www/d{i % 7}/f{i}"] = content.randbytes(i * 40) + b"text " * (i * 30)
            files[f"small/{i}"] = f"small {i}\n"
        names = sorted(files)
        random.Random(seed).shuffle(names)
        for name in names:
            path = os.path.join(folder, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            data = files[name]
            with open(path, "wb") as f:
                f.write(data if isinstance(data, bytes) else data.encode())
            os.chmod(path, 0o755 if name == "script" else 0o644)
            os.utime(path, (when, when))
        os.symlink("f0", os.path.join(folder, "www/d0/link"))
        os.link(os.path.join(folder, "www/d1/f1"), os.path.join(folder, "www/d2/hard"))
        return folder

    def build(self, folder, prefix=(), env=None, **more):
        """All artifacts of a build from an empty store of its own."""
        store, out = folder + ".store", folder + ".out"
        env = {**self.env, "UNI_CACHE": store, **(env or {})}
        for argv in ([scenario.UNI, "install", *(self.package(p) for p in self.packages)],
                     [*prefix, scenario.UNI, "build", "recipe.toml", "-o", out]):
            done = subprocess.run(argv, cwd=folder, env=env, stdin=subprocess.DEVNULL, capture_output=True, check=False,
                                  **more)
            self.assertEqual(done.returncode, 0, done.stderr.decode(errors="replace"))
        return self.artifacts(out)

    @staticmethod
    def artifacts(out):
        found = {}
        for folder, _, names in os.walk(out):
            for name in names:
                path = os.path.join(folder, name)
                with open(path, "rb") as f:
                    found[os.path.relpath(path, out)] = f.read()
        return found

    def assertSame(self, expected, found, what):
        self.assertEqual(sorted(expected), sorted(found), what)
        for name, data in expected.items():
            if data == found[name]:
                continue
            at = next((i for i, (a, b) in enumerate(zip(data, found[name])) if a != b), min(len(data), len(found[name])))
            self.fail(f"{what}: {name} differs at {at} of {len(data)}/{len(found[name])}")

    def disorder(self):
        """What turns the order of folders round, wherever the file system gives the same one to the same names."""
        shim = self.path("disorder.so")
        self.tool("gcc", "-shared", "-fPIC", "-O1", "-o", shim, os.path.join(os.path.dirname(os.path.abspath(__file__)), "disorder.c"))
        return {"LD_PRELOAD": shim, "DISORDER_SEEN": self.path("seen")}

    def turkish(self):
        """A locale that writes numbers with commas and has its own idea of I and i, made here."""
        self.tool("localedef", "-i", "tr_TR", "-f", "UTF-8", "--no-archive", self.path("tr_TR.UTF-8"))
        env = {"LOCPATH": self.dir, "LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8"}
        self.assertEqual(self.tool("locale", "decimal_point", env={**os.environ, **env}), ",\n")
        return env

    def test_matrix(self):
        reference = self.build(self.tree(self.path("reference")))
        tops = {name.split("/")[0] for name in reference}
        self.assertEqual(sorted(tops), [f"same.{form}" for form in FORMS])
        cases = {
            "folder": {},
            "order of making": {"seed": 99},
            "order of folders": {"env": self.disorder()},
            "times of files": {"when": 1_700_000_000},
            "clock": {"prefix": ("faketime", "2031-05-05 05:05:05"), "env": {"NO_FAKE_STAT": "1"}},
            "time zone": {"env": {"TZ": "Pacific/Kiritimati"}},
            "locale": {"env": self.turkish()},
            "umask": {"umask": 0o077},
            "processors": {"prefix": ("taskset", "1")},
            "environment": {"env": {"CFLAGS": "-O0", "UNI_JOBS": "7", "LD_LIBRARY_PATH": "/nonexistent",
                                    "GCC_COLORS": "1", "HOME": "/nonexistent"}},
            "host name and kernel": {"prefix": ("setarch", "--uname-2.6")},
        }
        for what, case in cases.items():
            folder = self.path(f"case-{what.replace(' ', '-')}/deeper")
            self.tree(folder, seed=case.pop("seed", 1), when=case.pop("when", 1_000_000_000))
            with self.subTest(what):
                self.assertSame(reference, self.build(folder, **case), what)
        self.assertGreaterEqual(os.path.getsize(self.path("seen")), 9, "not every folder was read in another order")

    def test_another_user(self):
        """As nobody, where this test runs as root."""
        if os.geteuid() != 0:
            self.skipTest("only root can become another user")
        reference = self.build(self.tree(self.path("reference")))
        folder = self.tree(self.path("nobody/in"))
        user = pwd.getpwnam("nobody")
        os.chmod(self.dir, 0o755)
        for top, folders, files in os.walk(self.path("nobody")):
            for name in (".", *folders, *files):
                os.chown(os.path.join(top, name), user.pw_uid, user.pw_gid, follow_symlinks=False)
        binary = self.path("nobody/uni")  # the checkout may lie where nobody may not look
        shutil.copy(scenario.UNI, binary)
        os.chmod(binary, 0o755)
        packages = [shutil.copy(self.package(p), self.path("nobody")) for p in self.packages]
        for package in packages:
            os.chmod(package, 0o644)
        env = {**self.env, "UNI_CACHE": self.path("nobody/store"), "XDG_STATE_HOME": self.path("nobody/state"),
               "HOME": self.path("nobody")}
        for argv in ([binary, "install", *packages], [binary, "build", "recipe.toml", "-o", self.path("nobody/out")]):
            done = subprocess.run(argv, cwd=folder, env=env, user="nobody", group=user.pw_gid, extra_groups=[],
                                  stdin=subprocess.DEVNULL, capture_output=True, check=False)
            self.assertEqual(done.returncode, 0, done.stderr.decode(errors="replace"))
        self.assertSame(reference, self.artifacts(self.path("nobody/out")), "user")

    def test_epoch(self):
        """SOURCE_DATE_EPOCH changes times, the same way every time, and is recorded."""
        first = self.build(self.tree(self.path("a")), env={"SOURCE_DATE_EPOCH": "1234567890"})
        second = self.build(self.tree(self.path("b")), env={"SOURCE_DATE_EPOCH": "1234567890"})
        self.assertSame(first, second, "SOURCE_DATE_EPOCH")
        self.assertIn(b"1234567890", first["same.manifest.json"])
        self.assertNotEqual(first["same.raw"], self.build(self.tree(self.path("c")))["same.raw"])


if __name__ == "__main__":
    scenario.main()
