"""The index that goes with uni: found by a fresh machine, in the build's folder and where uni is installed."""

import os
import shutil
import subprocess

import scenario

INDEX = os.path.join(scenario.BUILD, "share/uni/index")


class Embedded(scenario.Scenario):
    packages = ()

    def setUp(self):
        super().setUp()
        self.index = self.path("index")
        shutil.copytree(INDEX, self.index)
        self.env["UNI_INDEX"] = self.index

    def add(self, name, version, **more):
        """Makes the index anew with one more package in it."""
        self.write("src/page", more.get("content", f"{name} {version}\n"))
        self.write("src/package.toml", f'[package]\nname = "{name}"\nversion = "{version}"\nkind = "volume"\narch = "any"\n'
                   f'description = "the {name} pages"\n[[files]]\nsource = "page"\n')
        self.uni("pack", "src", "-o", "packed", "--force")
        self.uni("index", "embed", self.index, self.package("unibase"), "packed")

    def test_a_fresh_machine(self):
        del self.env["UNI_INDEX"]  # beside the program
        self.assertRegex(self.uni("search", "kernel"), r"(?m)^unibase +1\.0\.0 +embedded ")
        self.assertIn("from index embedded", self.uni("info", "unibase"))
        self.uni("install", "unibase@1")
        self.assertRegex(self.uni("list"), r"(?m)^unibase +1\.0\.0 ")
        self.uni("install", "unibase@1", "--offline")
        self.uni("remove", "unibase")
        self.assertEqual(self.uni("list"), "")
        self.uni("import", "/bin/busybox", "-o", "-")  # the base that it asks is found, and not installed
        self.assertEqual(self.uni("list"), "")
        self.hello(scenario.HELLO_RECIPE + '[base]\nname = "unibase"\nversion = "^1"\n[ca]\nbundle = "mozilla"\n')
        self.uni("build", "-o", "out")  # the recipe that stands here
        lock = self.read("uni.lock").decode()
        self.assertIn('name = "mozilla"', lock)
        self.assertIn('index = "embedded"\npath = "files/unibase/unibase-1.0.0-x86_64.unipkg"', lock)
        self.env["UNI_CACHE"] = self.path("store2")
        self.uni("build", "recipe.toml", "-o", "again", "--locked", "--offline")
        self.assertEqual(self.read("out/hello.raw"), self.read("again/hello.raw"))

    def test_installed_beside_the_program(self):
        del self.env["UNI_INDEX"]
        os.makedirs(self.path("usr/bin"))
        shutil.copy(scenario.UNI, self.path("usr/bin/uni"))
        command = [self.path("usr/bin/uni"), "info", "unibase"]
        self.assertNotEqual(subprocess.run(command, env=self.env, check=False, capture_output=True).returncode, 0)
        shutil.copytree(INDEX, self.path("usr/share/uni/index"))
        subprocess.run(command, env=self.env, check=True, stdout=subprocess.DEVNULL)

    def test_others_check_its_digests(self):
        subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "digests"], cwd=self.index, check=True)

    def test_the_same_packages_give_the_same_bytes(self):
        self.uni("index", "embed", "one", self.package("unibase"))
        self.uni("index", "embed", "two", self.package("unibase"))
        self.tool("diff", "-r", "one", "two")
        self.write("mine/file", "x")
        self.assertIn("other files", self.fails("index", "embed", "mine", self.package("unibase")))
        self.assertEqual(self.read("mine/file"), b"x")

    def test_what_was_changed_is_refused(self):
        self.add("web", "1.0.0")
        for name, why in (("packages/web.json", "not the file that was installed"),
                          ("files/web/web-1.0.0-any.unipkg", "has the digest")):
            path = os.path.join(self.index, name)
            with open(path, "rb") as f:
                data = f.read()
            with open(path, "wb") as f:
                f.write(data[:-1] + b" ")
            self.assertIn(why, self.fails("install", "web"))
            with open(path, "wb") as f:
                f.write(data)
        os.remove(os.path.join(self.index, "packages/web.json"))
        self.assertIn("is missing", self.fails("info", "web"))

    def test_a_lock_holds_against_another_uni(self):
        self.add("web", "1.0.0")
        recipe = self.hello(scenario.HELLO_RECIPE.replace('source = "site"', 'source = "pkg:web"'))
        self.uni("build", recipe, "-o", "out")
        self.add("web", "1.0.0", content="of another build\n")
        self.uni("build", recipe, "-o", "again", "--locked")  # the store still has it
        for command in (("build", recipe, "-o", "again"), ("plan", recipe)):
            note = f'uni: note: the lock keeps web 1.0.0, and a newer make of it is here: "uni update web --recipe {recipe}" takes it\n'
            self.assertEqual(self.run_uni(*command).stderr.decode(), note)
            self.assertEqual(self.run_uni(*command, "--locked").stderr.decode(), "")
        self.assertEqual(self.read("out/hello.raw"), self.read("again/hello.raw"))
        self.env["UNI_CACHE"] = self.path("store2")
        self.assertIn("is not the one that came with this uni", self.fails("build", recipe, "-o", "again"))
        self.uni("update", "web", "--recipe", recipe)
        self.uni("build", recipe, "-o", "again")

    def test_the_order_decides_and_removing_it_lasts(self):
        self.add("web", "1.0.0")
        self.uni("key", "new", "me", "--no-passphrase")
        self.uni("index", "create", "pub", "-k", "me")
        self.write("src/package.toml", self.read("src/package.toml").decode().replace("1.0.0", "2.0.0"))
        self.uni("pack", "src", "-o", "theirs")
        self.uni("publish", "theirs/web-2.0.0-any.unipkg", "--to", "pub", "-k", "me")
        self.uni("index", "add", "main", "pub")
        self.assertIn("from index embedded", self.uni("info", "web"))
        self.uni("index", "remove", "embedded")
        self.assertIn("from index main", self.uni("info", "web"))
        self.assertIn("no index has a package", self.fails("info", "unibase"))
        self.uni("index", "add", "embedded", "embedded:")
        self.assertIn("from index embedded", self.uni("info", "unibase"))
        self.assertIn("from index main", self.uni("info", "web"))
        self.fails("index", "add", "other", "embedded:", status=2)


if __name__ == "__main__":
    scenario.main()
