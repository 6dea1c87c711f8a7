"""A registry as cache: what one machine has built, another takes; and a cache that fails or lies changes nothing."""

import json
import os
import shutil

import scenario
from registry import Registry


class Shared(Registry):
    def machine(self, name):
        """Another user's home, store and checkout of the same recipe."""
        self.env.update(UNI_CACHE=self.path(name, "store"), XDG_STATE_HOME=self.path(name, "state"), HOME=self.path(name))
        self.uni("install", self.package("unibase"))
        folder = self.path(name, "work")
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.work, folder, ignore=shutil.ignore_patterns("out"))
        return folder

    def build(self, folder, *more, **options):
        done = self.run_uni("build", "recipe.toml", "-o", "out", "--format", "raw,qcow2", "--json", *more, cwd=folder, **options)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        self.said = done.stderr.decode()
        return json.loads(done.stdout)

    def setUp(self):
        super().setUp()
        self.hello()
        self.cache = f"oci://{self.host}/team/cache"

    def same(self, one, two):
        for name in ("hello.raw", "hello.qcow2", "hello.manifest.json"):
            self.tool("cmp", os.path.join(one, "out", name), os.path.join(two, "out", name))

    def test_a_second_machine_does_no_work(self):
        first = self.machine("first")
        one = self.build(first, "--cache", self.cache)
        self.assertEqual((one["ran"], one["received"]), (one["steps"], 0))
        self.assertEqual(one["sent"], one["steps"])
        again = self.build(first, "--cache", self.cache)
        self.assertEqual((again["ran"], again["received"], again["sent"]), (0, 0, 0))
        second = self.machine("second")
        two = self.build(second, env={"UNI_REMOTE_CACHE": self.cache})
        self.assertEqual((two["ran"], two["sent"]), (0, 0))
        self.assertGreater(two["received"], 0)
        self.same(first, second)
        # A change costs what it changes: a comment in the source nothing but the manifest that names it.
        third = self.machine("third")
        with open(os.path.join(third, "hello.c"), "a", encoding="ascii") as f:
            f.write("/* nothing */\n")
        three = self.build(third, "--cache", self.cache)
        self.assertLess(three["ran"], 3)
        # By the user's configuration; --offline asks nobody.
        fourth = self.machine("fourth")
        os.makedirs(self.path("config/uni"))
        with open(self.path("config/uni/cache"), "w", encoding="ascii") as f:
            f.write(self.cache + "\n")
        offline = self.build(fourth, "--offline")
        self.assertEqual(offline["received"], 0)

    def test_every_command_that_builds(self):
        """run, test and push take from the cache and give to it as build does."""
        with open(os.path.join(self.work, "recipe.toml"), "a", encoding="ascii") as f:
            f.write('\n[[test]]\nname = "says"\nexpect-console = ["env good day"]\nexit-status = 7\n')
        for command in (("run", "recipe.toml", "--print"), ("test", "recipe.toml"),
                        ("push", "recipe.toml", f"oci://{self.host}/hello:1")):
            machine = self.machine("taking-" + command[0])
            before = self.uploads()
            self.uni(*command, "--cache", f"{self.cache}/{command[0]}", cwd=machine)
            self.assertGreater(self.uploads(), before, command)
            self.uni("cache", "gc")
            done = self.run_uni(*command, "--cache", f"{self.cache}/{command[0]}", "-v", cwd=machine)
            self.assertEqual(done.returncode, 0, done.stderr.decode())
            self.assertNotIn(b" ms)", done.stderr)  # no step ran
            self.assertIn("neither tag nor digest",
                          self.fails(*command, "--cache", self.cache + ":1", status=2, cwd=machine))

    def test_what_was_built_before_is_sent(self):
        first = self.machine("first")
        self.build(first)
        self.assertGreater(self.build(first, "--cache", self.cache)["sent"], 0)
        second = self.machine("second")
        self.assertEqual(self.build(second, "--cache", self.cache)["ran"], 0)
        self.same(first, second)

    def test_a_cache_that_is_not_there(self):
        self.stop()
        folder = self.machine("first")
        built = self.build(folder, "--cache", self.cache)
        self.assertEqual(built["ran"], built["steps"])
        self.assertEqual(self.said.count("the cache is left alone"), 1)
        self.assertIn("neither tag nor digest", self.fails("build", "recipe.toml", "--cache", self.cache + ":1", status=2))
        self.assertIn("does not begin with oci://", self.fails("build", "recipe.toml", "--cache", "nonsense", status=2))

    def blobs(self):
        for top, _, files in os.walk(self.path("registry")):
            if "/blobs/sha256/" in top and "data" in files:
                yield os.path.join(top, "data")

    def test_a_cache_that_is_damaged(self):
        first = self.machine("first")
        self.build(first, "--cache", self.cache)
        for path in self.blobs():
            with open(path, "r+b") as f:
                content = f.read()
                if b'"layers"' not in content:
                    f.seek(0)
                    f.write(bytes(b ^ 1 for b in content[:64]))
        second = self.machine("second")
        built = self.build(second, "--cache", self.cache)
        self.assertEqual(built["ran"], built["steps"])
        self.assertIn("the cache is left alone", self.said)
        self.same(first, second)

    def test_results_under_wrong_keys(self):
        """Somebody who can write tags moves a result to another key: the manifest says what it is of."""
        first = self.machine("first")
        self.build(first, "--cache", self.cache)
        tags = sorted(t for t in os.listdir(self.path("registry/docker/registry/v2/repositories/team/cache/_manifests/tags"))
                      if t.startswith("result-"))
        self.assertGreater(len(tags), 2)
        for tag, other in zip(tags, tags[1:] + tags[:1]):
            shutil.copytree(self.path("registry/docker/registry/v2/repositories/team/cache/_manifests/tags", other),
                            self.path("moved", tag))
        for tag in tags:
            place = self.path("registry/docker/registry/v2/repositories/team/cache/_manifests/tags", tag)
            shutil.rmtree(place)
            shutil.copytree(self.path("moved", tag), place)
        second = self.machine("second")
        built = self.build(second, "--cache", self.cache)
        self.assertEqual(built["received"], 0)
        self.assertIn("is not the result that its tag says", self.said)
        self.same(first, second)

    def test_signed_results(self):
        self.uni("key", "new", "builder", "--no-passphrase")
        self.write("builder.pub", self.uni("key", "public", "builder"))
        self.uni("key", "new", "other", "--no-passphrase")
        first = self.machine("first")
        self.build(first, "--cache", self.cache)
        second = self.machine("second")
        built = self.build(second, "--cache", self.cache, "--cache-verify", "./builder.pub")
        self.assertEqual(built["received"], 0)
        self.assertIn("has no signature", self.said)
        signed = self.cache + "/signed"
        self.build(second, "--cache", signed, "--cache-sign", "builder")
        third = self.machine("third")
        self.assertEqual(self.build(third, "--cache", signed, "--cache-verify", "./builder.pub")["ran"], 0)
        self.same(second, third)
        fourth = self.machine("fourth")
        self.assertEqual(self.build(fourth, "--cache", signed, "--cache-verify", "other")["received"], 0)

    def test_sparse_results(self):
        self.write("recipe.toml", scenario.HELLO_RECIPE + "\n[output]\nraw.size = \"2G\"\n")
        first = self.machine("first")
        self.build(first, "--cache", self.cache)
        digest = self.tool(scenario.UNI, "inspect", os.path.join(first, "out/hello.raw"), "--json", env=self.env)
        second = self.machine("second")
        self.assertEqual(self.build(second, "--cache", self.cache)["ran"], 0)
        self.assertEqual(json.loads(self.tool(scenario.UNI, "inspect", os.path.join(second, "out/hello.raw"), "--json",
                                              env=self.env))["digest"], json.loads(digest)["digest"])
        self.assertLess(os.stat(os.path.join(second, "out/hello.raw")).st_blocks * 512, 64 << 20)


if __name__ == "__main__":
    scenario.main()
