"""What a recipe may have wrong, item by item: one error that says where, what and what to do, and nothing left behind."""

import os
import random
import re
import shutil
import subprocess
import sys
import tempfile

import scenario

VOLUME = '[[volume]]\nname = "{}"\nmount = "{}"\nsource = "{}"\n'
FILE = '[[file]]\npath = "{}"\ntext = "x"\n'

# The recipe behind [image] and [app], the error without "uni: recipe.toml:", and its hint, or "".
RECIPES = {
    "unknown key": ('[config]\nhostnam = "x"\n', '6:1: [config]: unknown key "hostnam"', 'did you mean "hostname"?'),
    "unknown table": ('[confg]\nhostname = "x"\n', '5:2: unknown table "confg"', 'did you mean "config"?'),
    "wrong type": ("[config]\nhostname = 5\n", "6:12: [config]: hostname must be a string, not an integer", ""),
    "missing folder": (VOLUME.format("a", "/a", "nowhere"), '8:10: volume "a": source "nowhere" does not exist',
                       "paths are relative to the recipe's folder"),
    "mistyped folder": (VOLUME.format("a", "/a", "siet"), '8:10: volume "a": source "siet" does not exist',
                        'did you mean "site"?'),
    "no archive": (VOLUME.format("a", "/a", "site/page"),
                   '8:10: volume "a": site/page is neither a folder nor a tar archive', ""),
    "volume twice": (VOLUME.format("a", "/a", "site") + VOLUME.format("a", "/b", "site"),
                     '10:8: volume "a" is given twice', "the first is in line 6"),
    "file twice": (FILE.format("/etc/a") + FILE.format("/etc/a"), '9:8: file "/etc/a" is given twice',
                   "the first is in line 6"),
    "same mount": (VOLUME.format("a", "/a", "site") + VOLUME.format("b", "/a", "site"),
                   '11:9: volume "b": mount "/a" is that of volume "a" too', ""),
    "mount in a mount": (VOLUME.format("a", "/a", "site") + VOLUME.format("b", "/a/b", "site"),
                         '11:9: volume "b": mount "/a/b" is inside of volume "a" at "/a"', ""),
    "file in a mount": (FILE.format("/a/x") + VOLUME.format("a", "/a", "site"),
                        '6:8: file "/a/x" is inside of volume "a" at "/a"', "put it into the volume's source"),
    "outside": (VOLUME.format("a", "/a", "../x"), '8:10: volume "a": source "../x" is outside of the recipe\'s folder',
                "--allow-outside permits it"),
    "a link outside": (VOLUME.format("a", "/a", "away"),
                       '8:10: volume "a": source "away" leads out of the recipe\'s folder, to "/etc"',
                       "--allow-outside permits it"),
    "a link to itself": (VOLUME.format("a", "/a", "self"), '8:10: volume "a": source "self" is a loop of symbolic links', ""),
    "a name that is not UTF-8": (VOLUME.format("a", "/a", "latin1"),
                                 '8:10: volume "a": latin1/a\\xffb has a name that is not UTF-8', ""),
    "no such base": ('[base]\nname = "unibas"\n', "5:2: package unibas for x86_64 is not in the store",
                     'did you mean "unibase"?'),
    "no such package": ('[ca]\nbundle = "pkg:mozillla"\n', "6:10: package mozillla for x86_64 is not in the store",
                        '"uni install FILE.unipkg" puts it there'),
    "no such form": ('[output]\nformats = ["raww"]\n', '6:12: [output]: format cannot be "raww"', 'did you mean "raw"?'),
    "a size below the format's": (VOLUME.format("a", "/a", "site") + 'size = "lots"\n', '9:8: volume "a": size "lots" is not a size',
                                  'sizes are bytes as a number, or text such as "512K", "64M", "2G"'),
    "files over a size, unread": (VOLUME.format("a", "/a", "noise") + 'format = "ext4"\nsize = "2M"\n',
                                  '10:8: volume "a": files of 3.0 MB do not fit into 2.1 MB', "a size of 5M is sure to do"),
    "data over a size, unread": (VOLUME.format("a", "/a", "holes") + 'format = "ext4"\nsize = "2M"\n',
                                 '10:8: volume "a": files of 5.5 TB do not fit into 2.1 MB', "a size of 5M is sure to do"),
    "content over a live volume": (VOLUME.format("a", "/a", "noise") + 'format = "live"\nsize = "5M"\n',
                                   '10:8: volume "a": the content needs 3014656 bytes, and there is room for 2072576',
                                   "a size of 7M is sure to do"),
    "content over a partition": (VOLUME.format("a", "/a", "noise") + 'size = "2M"\n',
                                 '9:8: volume "a" needs 3.0 MB, more than its size of 2.1 MB', "a size of 2964K would do"),
    "no live volume is so small": (VOLUME.format("a", "/a", "site") + 'format = "live"\nsize = "1M"\n',
                                   '10:8: volume "a": a live volume of 1048576 bytes: the least is 3145728, the most 137440002048', ""),
    "a CA bundle that is none": ('[ca]\nbundle = "site/page"\n', '6:10: "site/page" holds no certificate in PEM form',
                                 'bundle = "mozilla" takes the authorities that browsers trust'),
    "a disk that no VHD can be": ('[output]\nformats = ["vhd"]\n[output.vhd]\nsize = "3T"\n',
                                  "8:8: a disk of 3.3 TB is too large for vhd, at most 2.2 TB", ""),
    "a volume that no VHD can hold": (VOLUME.format("a", "/a", "site") + 'size = "3T"\n[output]\nformats = ["vhd"]\n',
                                      "9:8: a disk of 3.3 TB is too large for vhd, at most 2.2 TB", ""),
    "no folder of its volume to start in": ('cwd = "/a/q"\n' + VOLUME.format("a", "/a", "site"),
                                            '5:7: [app]: cwd "/a/q" is no folder of volume "a"', ""),
    "a file to start in": ('cwd = "/a/page"\n' + VOLUME.format("a", "/a", "site"),
                           '5:7: [app]: cwd "/a/page" is no folder of volume "a"', ""),
    "a key without its table": (None, '1:1: unknown key "requires-uni"', "it belongs below [image]"),
    "another uni": (None, "2:16: the recipe needs uni >=99, this one is ", "other findings may come from that"),
}
# What only the content tells that is made of it.
ONLY_BUILT = ("content over a live volume", "content over a partition")
WHOLE = {
    "a key without its table": 'requires-uni = ">=0.1"\n[image]\nname = "hello"\n[app]\nsources = ["hello.c"]\n',
    "another uni": '[image]\nrequires-uni = ">=99"\nname = "hello"\n[app]\nsources = ["hello.c"]\n',
}

# [app], the error, its hint.
PROGRAMS = {
    "missing": ('sources = ["hell.c"]', 'recipe.toml:4:12: [app]: source "hell.c" does not exist', 'did you mean "hello.c"?'),
    "twice": ('sources = ["hello.c", "./hello.c"]', 'recipe.toml:4:23: [app]: source "./hello.c" is given twice', ""),
    "both": ('sources = ["hello.c"]\nprogram = "dynamic"',
             "recipe.toml:4:1: [app]: sources and program cannot both be given",
             "a program is finished; objects are linked to one"),
    "i386": ('objects = ["i386.o"]', "recipe.toml:4:12: i386.o: is a 32-bit ELF file", "objects are made for x86-64, as by musl-gcc -c"),
    "arm64": ('objects = ["arm64.o"]', "recipe.toml:4:12: arm64.o: is for AArch64, the base is for x86-64",
              "objects are made for x86-64, as by musl-gcc -c"),
    "no object": ('objects = ["hello.c"]', "recipe.toml:4:12: hello.c: is not an ELF file", "C sources go into app.sources"),
    "undefined": ('objects = ["undefined.o"]', 'link: undefined symbol "missing_thing", wanted by undefined.o (in main)', ""),
    "dynamic": ('program = "dynamic"', "recipe.toml:4:11: dynamic: needs the interpreter /lib64/ld-linux-x86-64.so.2, which "
                                       "no file or volume of the recipe brings",
                "uni import collects a program's loader and libraries for a volume; or link it statically"),
    "no program": ('program = "hello.c"', "recipe.toml:4:11: hello.c: is not an ELF file", ""),
    "an object": ('program = "undefined.o"', "recipe.toml:4:11: undefined.o: is an object, not a program",
                  "name it in app.objects instead of app.program"),
}


class BadInput(scenario.Scenario):
    def setUp(self):
        super().setUp()
        self.hello()
        os.symlink("/etc", self.path("work/away"))
        os.symlink("self", self.path("work/self"))
        os.mkdir(self.path("work/latin1"))
        with open(self.path("work/latin1").encode() + b"/a\xffb", "wb"):
            pass
        noise = random.Random(1).randbytes(3_000_000)
        self.write("noise/file", noise)
        with open(self.write("holes/file", noise), "r+b") as f:
            f.truncate(5 << 40)

    def state(self):
        """What stands in the recipe's folder, the recipe itself aside."""
        return sorted(os.path.join(folder, name).encode(errors="surrogateescape")
                      for folder, names, files in os.walk(self.work) for name in names + files if name != "recipe.toml")

    def refused(self, recipe, error, hint, *options, status=1):
        self.write("recipe.toml", recipe)
        before = self.state()
        text = self.fails("build", "recipe.toml", "-o", "new/out", *options, status=status)
        lines = [l for l in text.splitlines() if not l.startswith("  the whole log is in ")
                 and not (l.startswith("  ") and l.endswith(" ms)"))]
        self.assertTrue(lines[0].startswith("uni: " + error), text)
        self.assertEqual(lines[1:], ["  " + hint] if hint else [], text)
        self.assertEqual(self.state(), before)

    def test_recipes(self):
        for name, (more, error, hint) in RECIPES.items():
            with self.subTest(name):
                recipe = WHOLE.get(name) or '[image]\nname = "hello"\n[app]\nsources = ["hello.c"]\n' + more
                self.refused(recipe, "recipe.toml:" + error, hint)

    def test_programs(self):
        self.write("u.c", "extern int missing_thing(void);\nint main(void) { return missing_thing(); }\n")
        self.tool("gcc", "-c", "-o", "undefined.o", "u.c")
        self.tool("gcc", "-m32", "-c", "-o", "i386.o", "u.c")
        self.write("v.c", "int main(void) { return 0; }\n")
        self.tool("gcc", "-o", "dynamic", "v.c")
        with open(self.path("work/undefined.o"), "rb") as f:
            other = bytearray(f.read())
        other[18:20] = (183).to_bytes(2, "little")  # e_machine: AArch64
        self.write("arm64.o", bytes(other))
        for name, (app, error, hint) in PROGRAMS.items():
            with self.subTest(name):
                self.refused(f'[image]\nname = "hello"\n[app]\n{app}\n', error, hint)

    def test_a_source_that_does_not_compile(self):
        self.write("hello.c", "int main(void) { return undeclared; }\n")
        before = self.state()
        text = self.fails("build", "recipe.toml", "-o", "out")
        self.assertIn("uni: compile:hello.c: hello.c does not compile:\n", text)
        self.assertIn("hello.c:1:25: error: 'undeclared' undeclared", text)
        self.assertEqual(self.state(), before)

    def test_a_compiler_without_room(self):
        self.write("bin/musl-gcc", f"""#!/bin/sh
case " $* " in *" -c "*) echo "{{standard input}}: Fatal error: can't write to m.o: No space left on device" >&2; exit 1;; esac
exec {shutil.which("musl-gcc")} "$@"
""", 0o755)
        env = {"PATH": self.path("work/bin") + ":" + os.environ["PATH"]}
        text = self.fails("build", "recipe.toml", "-o", "out", env=env)
        self.assertIn("hello.c: the disk of the store, or of temporary files, is full:\n", text)
        self.assertNotIn("does not compile", text)

    def test_check_says_the_same(self):
        for name, (more, error, hint) in RECIPES.items():
            if name in ONLY_BUILT:
                continue
            with self.subTest(name):
                self.write("recipe.toml", WHOLE.get(name) or '[image]\nname = "hello"\n[app]\nsources = ["hello.c"]\n' + more)
                lines = self.fails("check", "recipe.toml").splitlines()
                self.assertTrue(lines[0].startswith("uni: recipe.toml:" + error), lines)
                self.assertEqual(lines[1:], ["  " + hint] if hint else [])

    def test_a_version_that_nobody_has(self):
        self.write("recipe.toml", '[image]\nname = "hello"\n[base]\nversion = ">=99"\n[app]\nsources = ["hello.c"]\n')
        env = {"UNI_INDEX": os.path.join(scenario.BUILD, "share/uni/index")}
        self.assertIn("uni: recipe.toml:3:2: no version of unibase fits: the recipe needs >=99",
                      self.fails("check", "recipe.toml", env=env))
        self.write("recipe.toml", '[image]\nname = "hello"\n[base]\nversion = ">=99"\n[app]\nobjects = ["pkg:sqlite@>=98", "pkg:lua@5"]\n')
        for command in "check", "build":
            lines = self.fails(command, "recipe.toml", env=env).splitlines()
            self.assertEqual(len(lines), 2, lines)
            self.assertTrue(lines[0].startswith("uni: recipe.toml:3:2: no version of unibase fits: the recipe needs >=99"), lines)
            self.assertTrue(lines[1].startswith("uni: recipe.toml:6:12: no version of sqlite fits: the recipe needs >=98"), lines)

    def test_bases_that_cannot(self):
        """A base without the device or the file system that the recipe needs."""
        base = self.path("work/base")
        shutil.copytree(os.path.join(scenario.ROOT, "build/packages/unibase"), base)
        with open(os.path.join(base, "base.toml"), encoding="utf-8") as f:
            whole = f.read()
        recipe = '[image]\nname = "hello"\n[base]\npath = "base"\n[app]\nsources = ["hello.c"]\n' + VOLUME.format("a", "/a", "site")
        for words, pattern in (("squashfs", r'"squashfs",? ?'), ("virtio-blk", r'"(virtio-blk|nvme|ahci|virtio-scsi|xen-blk)[^"]*",? ?')):
            with self.subTest(words):
                self.write("base/base.toml", re.sub(pattern, "", whole))
                self.write("recipe.toml", recipe)
                text = self.fails("check", "recipe.toml")
                self.assertRegex(text, r"^uni: recipe\.toml:\d+:\d+: ")
                self.assertIn(words, text)
                self.assertIn(words, self.fails("build", "recipe.toml", "-o", "out"))
                self.assertFalse(os.path.exists(self.path("work/out")))

    def test_files_that_are_no_recipes(self):
        os.mkdir(self.path("work/folder.toml"))
        os.mkfifo(self.path("work/fifo.toml"))
        self.write("empty.toml", "")
        with open(self.write("huge.toml", "#"), "r+b") as f:
            f.truncate(100_000_000)
        for name, words in {"folder.toml": "folder.toml is a folder\n  name the recipe in it, such as folder.toml/recipe.toml",
                            "fifo.toml": "fifo.toml is not a regular file",
                            "empty.toml": "empty.toml:1:1: [image] is missing",
                            "huge.toml": "huge.toml: 100000000 bytes are more than the 16777216 allowed",
                            "/dev/stdin": "/dev/stdin is not a regular file\n  a recipe is a file",
                            "-": "cannot open -: No such file or directory\n  a recipe is a file",
                            "none.toml": "cannot open none.toml: No such file or directory"}.items():
            with self.subTest(name):
                self.assertTrue(self.fails("build", name, "-o", "out").startswith("uni: " + words))

    def test_pipes_that_nobody_writes_to(self):
        """What is looked into at any place is no pipe: that is said, and no writer waited for."""
        os.mkfifo(self.path("work/pipe"))
        for command in (("inspect", "pipe"), ("convert", "pipe", "qcow2"), ("volume", "stat", "pipe"), ("volume", "verify", "pipe"),
                        ("volume", "copy", "recipe.toml", "pipe:/x"), ("volume", "resize", "pipe", "1G")):
            with self.subTest(" ".join(command)):
                self.assertRegex(self.fails(*command), "^uni: pipe: is (no file|not a regular file|neither a file nor a disk)")
        self.assertIn("pipe: is not a regular file", self.fails("run", "pipe", status=125))

    def test_output_folders(self):
        self.write("file", "")
        before = self.state()
        for out, words, status in (("file", "output folder: file is not a folder", 1),
                                   ("file/below", "output folder: file/below: Not a directory", 1),
                                   ("", "--output wants a folder", 2),
                                   ("x" * 300, "File name too long", 1),
                                   ("/".join(["x" * 200] * 30), "File name too long", 1)):
            with self.subTest(out[:20]):
                self.assertIn(words, self.fails("build", "recipe.toml", "-o", out, status=status))
        self.assertEqual(self.state(), before)

    def test_a_folder_that_may_not_be_written(self):
        """As another user, for whom root's permission to everything does not hold."""
        if os.getuid() != 0:
            self.skipTest("another user can be had by root alone")
        os.chmod(self.dir, 0o755)
        os.mkdir(self.path("work/closed"), 0o755)
        with tempfile.TemporaryDirectory() as store:
            os.chown(store, 65534, 65534)
            env = {**self.env, "UNI_CACHE": store, "UNI_INDEX": os.path.join(scenario.BUILD, "share/uni/index")}
            done = subprocess.run(["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", scenario.UNI, "build",
                                   "recipe.toml", "-o", "closed/out"], cwd=self.work, env=env, capture_output=True, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stderr.decode(), "uni: output folder: cannot write to closed: Permission denied\n")
        self.assertEqual(os.listdir(self.path("work/closed")), [])

    def test_command_lines(self):
        for args, words in ((("-q", "build", "recipe.toml"), 'uni: "-q" stands in front of a command\n  options stand behind it'),
                            (("biuld", "recipe.toml"), 'uni: unknown command "biuld"\n  did you mean "build"?'),
                            (("build", "recipe.toml", "--formt", "elf"), 'unknown option "--formt"\n  did you mean --format?'),
                            (("build", "recipe.toml", "--format", "elff"), 'there is no output format elff\n  did you mean "elf"?'),
                            (("build", "recipe.toml", "--format", "wrong"), "\n  known here: elf, raw"),
                            (("build", "recipe.toml", "--format", "elf,elf"), "format elf is there twice"),
                            (("verify",), "something is missing: uni verify MANIFEST"),
                            (("plan", "--dot", "--json"), "--dot and --json exclude each other")):
            with self.subTest(" ".join(args)):
                self.assertIn(words, self.fails(*args, status=2))

    def test_standard_output_that_takes_nothing(self):
        with open("/dev/full", "wb") as full:
            done = subprocess.run([scenario.UNI, "build", "recipe.toml", "-o", "out"], cwd=self.work, env=self.env, stdout=full,
                                  stderr=subprocess.PIPE, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"uni: standard output: No space left on device", done.stderr)
        self.assertTrue(os.path.exists(self.path("work/out/hello.raw")))
        reader, writer = os.pipe()
        os.close(reader)  # as head does when it has seen enough
        with os.fdopen(writer, "wb") as closed:
            done = subprocess.run([scenario.UNI, "plan", "recipe.toml", "--json"], cwd=self.work, env=self.env, stdout=closed,
                                  stderr=subprocess.PIPE, check=False)
        self.assertEqual((done.returncode, done.stderr), (1, b""))

    def test_a_file_that_changes_while_it_is_read(self):
        """Another process writes to a volume's file all the time: the build says so, or what it read stood still."""
        path = self.write("site/moving", b"x" * 3_000_000)
        code = ("import os, sys\nn = 0\nwhile True:\n n += 1\n"
                " f = os.open(sys.argv[1], os.O_WRONLY)\n os.pwrite(f, b'%08d' % n, n % 2000000)\n os.close(f)\n"
                " n == 1 and print('writing', flush=True)\n")
        with subprocess.Popen([sys.executable, "-c", code, path], stdout=subprocess.PIPE) as writer:
            try:
                writer.stdout.readline()
                for _ in range(20):  # on a busy machine the writer may stand still for as long as a build reads
                    done = self.run_uni("build", "recipe.toml", "-o", "out", "--fresh")
                    if done.returncode != 0:
                        break
                    shutil.rmtree(self.path("work/out"))
            finally:
                writer.kill()
        self.assertRegex(done.stderr.decode(), r"site/moving.*changed")
        self.assertFalse(os.path.exists(self.path("work/out")))
        self.uni("build", "recipe.toml", "-o", "out")


if __name__ == "__main__":
    scenario.main()
