"""What is made again when something changes, and what is not; where sources may come from."""

import io
import os
import re
import stat
import tarfile

import scenario

RECIPE = """
[image]
name = "again"
[app]
sources = ["main.c", "part.c"]
include = ["inc1", "inc2"]
[[volume]]
name = "tree"
mount = "/tree"
source = "tree"
"""

MAIN_C = '#include "part.h"\nint main(void) { return part(); }\n'
PART_C = '#include "part.h"\nint part(void) { return VALUE; }\n'
PART_H = "#define VALUE 3\nint part(void);\n"


class Cache(scenario.Scenario):
    def setUp(self):
        super().setUp()
        self.write("recipe.toml", RECIPE)
        self.write("main.c", MAIN_C)
        self.write("part.c", PART_C)
        self.write("inc2/part.h", PART_H)
        os.makedirs(os.path.join(self.work, "inc1"))
        self.write("tree/a", "a\n")
        self.age()

    def age(self):
        """Files as old as an editor leaves them to a build that starts later."""
        for folder, _, files in os.walk(self.work):
            for name in files:
                path = os.path.join(folder, name)
                if not os.path.islink(path) and os.stat(path).st_mtime > 1_000_000_000:
                    os.utime(path, (900_000_000, 900_000_000))

    def built(self, *args):
        """Names of the steps that ran."""
        done = self.run_uni("build", "recipe.toml", "-o", "out", *args)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        return {line.split(" (")[0].strip() for line in done.stderr.decode().splitlines()
                if line.startswith("  ") and line.endswith(" ms)")}

    IMAGE = {"kernel", "box", "disk:raw", "manifest"}

    def test_only_what_changed(self):
        everything = self.built()
        self.assertEqual(everything, {"compile:main.c", "compile:part.c", "link", "volume:tree"} | self.IMAGE)
        self.assertEqual(self.built(), set())
        self.write("part.c", PART_C.replace("VALUE", "VALUE + 1"))
        self.assertEqual(self.built(), {"compile:part.c", "link"} | self.IMAGE)
        self.write("tree/a", "b\n")
        self.assertEqual(self.built(), {"volume:tree"} | self.IMAGE)
        self.write("tree/a", "a\n")
        self.assertEqual(self.built(), set())

    def test_work_stops_where_nothing_changed(self):
        self.built()
        # Other text, the same preprocessed: not compiled. The manifest names the file's digest.
        self.write("part.c", PART_C.replace("VALUE; }", "VALUE; } // three"))
        self.assertEqual(self.built(), {"manifest"})
        # Preprocessed to something else, compiled to the same: not linked.
        self.write("inc2/part.h", PART_H + "int unused(void);\n")
        self.assertEqual(self.built(), {"compile:main.c", "compile:part.c", "manifest"})

    def test_headers(self):
        self.built()
        self.assertEqual(self.built(), set())
        self.write("inc2/part.h", PART_H.replace("3", "4"))
        self.assertIn("compile:part.c", self.built())
        self.assertEqual(self.built(), set())
        # One that takes another's place where it is looked for first.
        self.write("inc1/part.h", PART_H.replace("3", "5"))
        self.assertIn("compile:part.c", self.built())
        self.write("part.h", PART_H.replace("3", "6"))
        self.assertIn("compile:part.c", self.built())
        os.remove(os.path.join(self.work, "part.h"))
        self.assertEqual(self.built(), set())
        manifest = self.read("out/again.manifest.json").decode()
        self.assertIn('"kind": "header", "name": "inc1/part.h"', manifest)
        self.assertNotIn("inc2/part.h", manifest)

    def test_list(self):
        """Results say what they are; what has no content is told apart, and only when all is asked for."""
        self.uni("build", self.hello(), "-o", "out")
        shown = self.uni_json("cache", "ls", "--json")
        self.assertEqual({item["kind"] for item in shown}, {"result", "reference"})
        self.assertTrue(all(item["what"] for item in shown if item["kind"] == "result"))
        everything = self.uni_json("cache", "ls", "--all", "--json")
        self.assertEqual({item["kind"] for item in everything}, {"result", "reference", "note", "blob"})
        self.assertTrue(all(item["size"] == 0 for item in everything if item["kind"] == "note"))
        self.assertEqual(len(self.uni("cache", "ls").splitlines()), len(shown))

    def test_plan_tells_before(self):
        self.assertNotIn("cached", self.uni("plan", "recipe.toml").replace(" 0 cached", ""))
        self.built()
        self.assertIn("8 steps, 8 cached", self.uni("plan", "recipe.toml"))
        self.write("tree/a", "c\n")
        states = {s["id"]: s["state"] for s in self.uni_json("plan", "recipe.toml", "--json")["steps"]}
        self.assertEqual({i for i, s in states.items() if s == "run"}, {"volume:tree"} | self.IMAGE)

    def test_a_moved_recipe_finds_its_results(self):
        self.built()
        os.rename(self.work, self.path("moved"))
        os.makedirs(self.work)
        done = self.run_uni("build", "recipe.toml", "-o", self.path("work/out"), cwd=self.path("moved"))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn(b" ms)", done.stderr)

    def test_another_tool_is_another_input(self):
        self.built()
        bin_ = self.path("bin")
        os.makedirs(bin_)
        with open("/usr/bin/ld", "rb") as f:
            tool = f.read()
        with open(os.path.join(bin_, "ld"), "wb") as f:
            f.write(tool + b"\0")
        os.chmod(os.path.join(bin_, "ld"), 0o755)
        before = self.env["PATH"]
        self.env["PATH"] = bin_ + ":" + before
        text = self.uni("verify", "out/again.manifest.json", status=1)
        self.assertIn("ld.bfd differs", text)
        self.assertIn("link", self.built())
        self.env["PATH"] = before
        self.assertEqual(self.built(), set())

    def test_a_store_that_cannot_be_written(self):
        """As another user, who may read it: the build works, and leaves it alone."""
        if os.geteuid() != 0:
            self.skipTest("only root can become another user")
        self.built()
        expected = self.read("out/again.raw")
        self.write("tree/a", "other\n")
        self.uni("build", "recipe.toml", "-o", "other")
        other = self.read("other/again.raw")
        self.uni("cache", "gc")
        before = sorted(os.listdir(self.path("store/v1/results")))
        for folder, folders, files in os.walk(self.dir):
            for name in folders:
                path = os.path.join(folder, name)
                os.chmod(path, stat.S_IMODE(os.stat(path).st_mode) | 0o555)
        os.chmod(self.dir, 0o755)
        os.makedirs(self.path("nobody"))
        os.chmod(self.path("nobody"), 0o777)
        with open(scenario.UNI, "rb") as f, open(self.path("nobody/uni"), "wb") as g:
            g.write(f.read())
        os.chmod(self.path("nobody/uni"), 0o755)
        done = scenario.subprocess.run([self.path("nobody/uni"), "build", "recipe.toml", "-o", self.path("nobody/out")],
                                       cwd=self.work, env=self.env, user="nobody", capture_output=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(b"cannot be written", done.stderr)
        with open(self.path("nobody/out/again.raw"), "rb") as f:
            found = f.read()
        self.assertTrue(found == other)
        self.assertFalse(found == expected)
        self.assertEqual(before, sorted(os.listdir(self.path("store/v1/results"))))


class Sources(scenario.Scenario):
    def volume(self, source, more=""):
        self.write("hello.c", "int main(void) { return 0; }\n")
        self.write("recipe.toml", '[image]\nname = "src"\n[app]\nsources = ["hello.c"]\n[[volume]]\nname = "v"\n'
                                  f'mount = "/v"\nsource = "{source}"\nembed = true\n{more}')
        self.uni("build", "recipe.toml", "-o", "out", "-f", "raw,elf")
        return self.uni_json("inspect", "out/src.elf", "--json")

    def digest(self):
        manifest = scenario.json.loads(self.read("out/src.manifest.json"))
        return manifest["volumes"][0]["digest"]

    def folder(self):
        self.write("tree/bin/tool", "#!/bin/sh\n", 0o751)
        self.write("tree/notes", "notes\n", 0o600)
        os.symlink("../notes", os.path.join(self.work, "tree/bin/link"))
        self.volume("tree")
        return self.digest()

    def tar(self, name, kind):
        with tarfile.open(os.path.join(self.work, name), kind) as tar:
            tar.add(os.path.join(self.work, "tree"), arcname=".")

    def test_folder_tar_and_package_are_the_same(self):
        expected = self.folder()
        for name, kind in (("t.tar", "w"), ("t.tar.gz", "w:gz"), ("t.tar.xz", "w:xz"), ("t.tar.bz2", "w:bz2")):
            self.tar(name, kind)
            self.volume(name)
            self.assertEqual(self.digest(), expected, name)
        self.tool("zstd", "-q", "t.tar")
        self.volume("t.tar.zst")
        self.assertEqual(self.digest(), expected)
        os.remove(os.path.join(self.work, "tree/bin/link"))
        self.volume("tree")
        expected = self.digest()
        self.write("package.toml", '[package]\nname = "content"\nversion = "1.0.0"\nkind = "volume"\n'
                                   '[[files]]\nsource = "tree/**"\nto = "/"\n'.replace('to = "/"', 'to = "./"'))
        self.uni("pack", "package.toml", "-o", "packed")
        self.uni("install", "packed/content-1.0.0-x86_64.unipkg")
        self.volume("pkg:content")
        self.assertEqual(self.digest(), expected)

    def test_modes(self):
        self.folder()
        self.tar("t.tar", "w")
        for source in ("tree", "t.tar"):
            for mode, expected in (("", {"bin/tool": 0o755, "notes": 0o644, "bin": 0o755}),
                                   ('mode = "keep"\n', {"bin/tool": 0o751, "notes": 0o600, "bin": 0o755}),
                                   ("mode = 0o440\n", {"bin/tool": 0o440, "notes": 0o440, "bin": 0o550})):
                self.volume(source, mode)
                listing = self.unpacked()
                for name, bits in expected.items():
                    self.assertEqual(listing[name], bits, f"{source} {mode} {name}")

    def unpacked(self):
        """Modes of what is in the volume, as unsquashfs sees them."""
        about = self.uni_json("inspect", "out/src.elf", "--json")
        volume = next(v for v in about["volumes"] if v.get("mount") == "/v")
        with open(os.path.join(self.work, "out/src.elf"), "rb") as f:
            f.seek(volume["offset"])
            self.write("volume", f.read(volume["size"]))
        modes = {}
        for line in self.tool("unsquashfs", "-lln", "-d", "", "volume").splitlines():
            words = line.split()
            if len(words) < 6 or words[0][0] not in "-dl":
                continue
            bits = 0
            for letter in words[0][1:10]:
                bits = bits << 1 | (letter != "-")
            modes[words[5].lstrip("/")] = bits
        return modes

    def test_hostile_archives(self):
        def member(name, **more):
            info = tarfile.TarInfo(name)
            for key, value in more.items():
                setattr(info, key, value)
            return info
        for name, members, word in (
                ("up.tar", [member("../up")], "up"),
                ("device.tar", [member("null", type=tarfile.CHRTYPE)], "device"),
                ("hard.tar", [member("a", type=tarfile.LNKTYPE, linkname="nothing")], "nothing"),
                ("latin.tar", [member("bad-\udcff")], "UTF-8")):
            with tarfile.open(os.path.join(self.work, name), "w", format=tarfile.GNU_FORMAT,
                              errors="surrogateescape") as tar:
                for info in members:
                    tar.addfile(info, io.BytesIO())
            self.write("hello.c", "int main(void) { return 0; }\n")
            self.write("recipe.toml", '[image]\nname = "src"\n[app]\nsources = ["hello.c"]\n[[volume]]\nname = "v"\n'
                                      f'mount = "/v"\nsource = "{name}"\n')
            text = self.fails("build", "recipe.toml", "-o", "out")
            self.assertIn("recipe.toml:8:10:", text)
            self.assertIn(word, text)
        self.write("cut.tar.gz", b"\x1f\x8b\x08\0\0\0\0\0\0\3\0\0")
        self.write("recipe.toml", self.read("recipe.toml").decode().replace("latin.tar", "cut.tar.gz"))
        self.assertIn("cut.tar.gz", self.fails("build", "recipe.toml", "-o", "out"))

    def test_base_by_path(self):
        """A package file, and the folder that it was made of."""
        package = self.package("unibase")
        self.write("hello.c", "int main(void) { return 0; }\n")
        os.makedirs(self.path("base"))
        self.tool("tar", "--zstd", "-xf", package, "-C", self.path("base"))
        expected = self.uni_json("build", self.recipe_with(""), "-o", "named", "--json")["artifacts"][0]
        for path in (package, self.path("base")):
            self.uni("build", self.recipe_with(f'[base]\npath = "{path}"\n'), "--allow-outside", "-o", "out")
            self.assertEqual(self.tool("sha256sum", "out/based.raw").split()[0], expected["digest"].split(":")[1], path)

    def test_what_a_base_cannot_do(self):
        """A base without block devices and with another file system: said before anything is built, all at once."""
        os.makedirs(self.path("base"))
        self.tool("tar", "--zstd", "-xf", self.package("unibase"), "-C", self.path("base"))
        with open(self.path("base/base.toml"), encoding="utf-8") as f:
            text = f.read()
        self.assertRegex(text, r"(?m)^devices = ")
        text = re.sub(r"(?ms)^devices = \[.*?\]", 'devices = ["virtio-net-pci"]', text)
        text = re.sub(r"(?ms)^filesystems = \[.*?\]", 'filesystems = ["squashfs"]', text)
        with open(self.path("base/base.toml"), "w", encoding="utf-8") as f:
            f.write(text)
        self.write("hello.c", "int main(void) { return 0; }\n")
        self.write("v/a", "")
        volumes = ('[[volume]]\nname = "v"\nmount = "/v"\nsource = "v"\n'
                   '[[volume]]\nname = "t"\nmount = "/t"\nformat = "tmpfs"\n')
        self.recipe_with(f'[base]\npath = "{self.path("base")}"\n', volumes)
        for command in (("check", "recipe.toml"), ("build", "recipe.toml", "-o", "out")):
            text = self.fails(*command, "--allow-outside")
            self.assertIn("virtio-blk", text)
            self.assertIn("tmpfs", text)
            self.assertNotIn(" ms)", text)
        self.recipe_with('[base]\nname = "absent"\n', volumes + '[ca]\nbundle = "pkg:missing"\n')
        text = self.fails("check", "recipe.toml")
        self.assertIn("absent", text)
        self.assertIn("missing", text)

    def recipe_with(self, base, more=""):
        return self.write("recipe.toml", f'[image]\nname = "based"\n{base}[app]\nsources = ["hello.c"]\n{more}')


if __name__ == "__main__":
    scenario.main()
