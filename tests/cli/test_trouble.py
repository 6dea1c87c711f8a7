"""Bad input and trouble: one clear error, nothing lost, nothing left behind."""

import os
import random
import resource
import signal
import subprocess
import time
import unittest

import scenario


class Trouble(scenario.Scenario):
    def bad(self, recipe, *words, status=1):
        self.write("recipe.toml", recipe)
        text = self.fails("build", "recipe.toml", "-o", "out", status=status)
        for word in words:
            self.assertIn(word, text)
        self.assertEqual(os.listdir(self.path("work/out")) if os.path.isdir(self.path("work/out")) else [], [])
        return text

    def recipe(self, app='sources = ["hello.c"]', more=""):
        return f'[image]\nname = "hello"\n[app]\n{app}\n{more}'

    def setUp(self):
        super().setUp()
        self.hello()

    def test_recipes(self):
        self.bad("[image\n", "recipe.toml:1:")
        self.bad('[image]\nname = "x"\nverison = "1"\n[app]\nsources = ["hello.c"]\n', "recipe.toml:3:1:", "version")
        self.bad('[image]\nname = 5\n[app]\nsources = ["hello.c"]\n', "recipe.toml:2:8:")
        self.bad(self.recipe('sources = ["nothing.c"]'), "recipe.toml:4:", "nothing.c")
        volume = '[[volume]]\nname = "{}"\nmount = "{}"\nsource = "site"\n'
        self.bad(self.recipe(more=volume.format("a", "/srv") + volume.format("a", "/opt")), '"a"')
        self.bad(self.recipe(more=volume.format("a", "/srv") + volume.format("b", "/srv/b")), "/srv")
        self.bad(self.recipe(more='[[volume]]\nname = "a"\nmount = "/srv"\nsource = "../.."\n'), "outside")

    def test_check_tells_all_at_once(self):
        self.write("recipe.toml", '[image]\nname = "UPPER"\nverison = "1"\n[app]\nsources = ["absent.c"]\n'
                                  '[[volume]]\nname = "a"\nmount = "srv"\nsource = "nowhere"\n')
        text = self.fails("check", "recipe.toml")
        self.assertGreaterEqual(text.count("uni: recipe.toml:"), 4, text)
        self.assertGreaterEqual(len(self.uni_json("check", "recipe.toml", "--json", status=1)), 4)

    def test_sources_that_do_not_compile(self):
        self.write("hello.c", "int main(void) { return undeclared; }\n")
        self.bad(self.recipe(), "hello.c", "undeclared")

    def test_undefined_symbols_are_named(self):
        self.write("hello.c", "extern int missing_thing(void);\nint main(void) { return missing_thing(); }\n")
        self.bad(self.recipe(), "missing_thing", "hello")

    def test_objects_and_programs_that_will_not_do(self):
        self.write("other.c", "int main(void) { return 0; }\n")
        self.tool("gcc", "-m32", "-c", "-o", "other32.o", "other.c")
        self.bad(self.recipe('objects = ["other32.o"]'), "other32.o")
        self.tool("gcc", "-o", "dynamic", "other.c")
        self.bad(self.recipe('program = "dynamic"'), "dynamic")
        self.write("text", "not an ELF file\n", 0o755)
        self.bad(self.recipe('program = "text"'), "text")
        self.bad(self.recipe('objects = ["pkg:absent"]'), "absent")

    def test_names_and_links(self):
        volume = '[[volume]]\nname = "site"\nmount = "/srv"\nsource = "site"\n'
        os.mkdir(os.path.join(self.work, "site/loop"))
        os.symlink("loop2", os.path.join(self.work, "site/loop1"))
        os.symlink("loop1", os.path.join(self.work, "site/loop2"))
        self.write("recipe.toml", self.recipe(more=volume))
        self.uni("build", "recipe.toml", "-o", "good")  # links are content, they are not followed
        with open(os.path.join(self.work, "site").encode() + b"/bad-\xff", "wb"):
            pass
        self.bad(self.recipe(more=volume), "UTF-8")

    def test_output_that_cannot_be_written(self):
        self.assertIn("out", self.fails("build", "recipe.toml", "-o", "/proc/out"))
        self.write("file", "")
        self.fails("build", "recipe.toml", "-o", "file")

    def test_full_disk(self):
        """Every write beyond a size fails, as on a full disk; what was there before stays."""
        self.uni("build", "recipe.toml", "-o", "out")
        before = {n: self.read(f"out/{n}") for n in os.listdir(self.path("work/out"))}
        self.hello(scenario.HELLO_RECIPE.replace('"one"', '"changed"'))
        for limit in (0, 1000, 20_000, 200_000, 400_000):
            def full(size=limit):
                resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
            self.fails("build", "recipe.toml", "-o", "out", preexec_fn=full)
            self.assertEqual(before, {n: self.read(f"out/{n}") for n in os.listdir(self.path("work/out"))})
        self.uni("build", "recipe.toml", "-o", "out")

    @unittest.skipUnless(os.geteuid() == 0, "only root can mount a disk that is full")
    def test_no_space_left(self):
        """The artifact is named, and a folder that was made for it goes; temporary folders may be full."""
        small = self.path("small")
        os.mkdir(small)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", small], stderr=subprocess.DEVNULL,
                          check=False).returncode != 0:
            self.skipTest("this machine lets nobody mount")
        self.addCleanup(subprocess.run, ["umount", small], check=True)
        text = self.fails("build", "recipe.toml", "-o", os.path.join(small, "out"))
        self.assertIn("small/out/hello.raw", text)
        self.assertIn("No space left on device", text)
        self.assertEqual(os.listdir(small), [])
        with open(os.path.join(small, "full"), "wb") as f:
            f.write(bytes(64 << 10))
        self.uni("build", "recipe.toml", "-o", "out", "--fresh", env={**self.env, "TMPDIR": small})
        self.assertEqual(os.listdir(small), ["full"])

    def test_killed_at_any_moment(self):
        self.uni("build", "recipe.toml", "-o", "clean")
        expected = self.read("clean/hello.raw")
        random.seed(4)
        for round_ in range(12):
            env = {**self.env, "UNI_CACHE": self.path(f"store-{round_ % 3}")}
            self.uni("install", self.package("unibase"), env=env)
            child = subprocess.Popen([scenario.UNI, "build", "recipe.toml", "-o", "out"], cwd=self.work, env=env,
                                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(random.random() * 0.15)
            child.send_signal(random.choice((signal.SIGKILL, signal.SIGINT, signal.SIGTERM, signal.SIGHUP)))
            child.wait()
            self.uni("build", "recipe.toml", "-o", "out", env=env)
            self.assertEqual(self.read("out/hello.raw"), expected)

    def test_interrupt_leaves_nothing(self):
        for delay, number in ((0.005, signal.SIGINT), (0.02, signal.SIGHUP), (0.05, signal.SIGTERM), (0.1, signal.SIGHUP)):
            child = subprocess.Popen([scenario.UNI, "build", "recipe.toml", "-o", "out", "--fresh"], cwd=self.work,
                                     env=self.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(delay)
            child.send_signal(number)
            self.assertIn(child.wait(), (0, 130, -number))
            self.assertNothingLeft(self.path("work/out"))

    def test_two_builds_at_once(self):
        for name in ("a", "b", "c"):
            self.assertFalse(os.path.exists(self.path(name)))
        children = [subprocess.Popen([scenario.UNI, "build", "recipe.toml", "-o", out], cwd=self.work, env=self.env,
                                     stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
                    for out in ("same", "same", "other")]
        for child in children:
            out = child.communicate(timeout=300)[0]
            self.assertEqual(child.returncode, 0, out)
        self.assertEqual(self.read("same/hello.raw"), self.read("other/hello.raw"))

    def test_a_damaged_blob_is_found_and_made_again(self):
        self.uni("build", "recipe.toml", "-o", "out")
        expected = self.read("out/hello.raw")
        damaged = 0
        for folder, _, files in os.walk(self.path("store")):
            for file in files:
                path = os.path.join(folder, file)
                os.chmod(path, 0o644)
                if "/blobs/" in path and os.path.getsize(path) > 20_000:
                    with open(path, "r+b") as f:
                        f.seek(9_999)
                        byte = f.read(1)
                        f.seek(9_999)
                        f.write(bytes([byte[0] ^ 1]))
                    damaged += 1
        self.assertGreater(damaged, 2)
        self.uni("cache", "verify", status=1)
        self.uni("install", self.package("unibase"))
        os.remove(os.path.join(self.work, "out/hello.raw"))
        self.uni("build", "recipe.toml", "-o", "out")
        self.assertEqual(self.read("out/hello.raw"), expected)
        self.uni("cache", "verify")

    def test_collection_keeps_packages(self):
        self.uni("build", "recipe.toml", "-o", "out")
        self.uni("cache", "ls")
        report = self.uni_json("cache", "gc", "--json")
        self.assertGreater(report["results"], 0)
        self.uni("build", "recipe.toml", "-o", "out2")
        self.assertEqual(self.read("out/hello.raw"), self.read("out2/hello.raw"))


if __name__ == "__main__":
    scenario.main()
