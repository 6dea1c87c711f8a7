"""The store as its users have it: a size that it keeps to, and one store for a group of users."""

import os
import stat
import subprocess
import unittest

import scenario

GROUP = 61234


class Limit(scenario.Scenario):
    def build(self, page):
        self.write("site/page", os.urandom(page << 10))
        self.uni("build", "recipe.toml", "-o", "out")

    def used(self):
        return self.uni_json("cache", "limit", "--json")["used"]

    def test_a_store_keeps_to_its_limit(self):
        self.hello()
        self.assertEqual(self.uni_json("cache", "limit", "--json")["limit"], 20 << 30)
        self.uni("cache", "limit", "none")
        self.assertIn("no limit", self.uni("cache", "limit"))
        self.build(900)
        floor = self.used()
        limit = floor + (6 << 20)
        self.assertEqual(self.uni_json("cache", "limit", f"{limit}", "--json"), {"limit": limit, "used": floor})
        for _ in range(8):
            self.build(900)
            self.assertLessEqual(self.used(), limit)
        # The newest is still there, and so are the packages.
        self.assertEqual(self.uni_json("build", "recipe.toml", "-o", "out", "--json")["ran"], 0)
        self.assertIn("unibase", self.uni("list"))
        would = self.uni("cache", "gc", "--dry-run")
        self.assertIn("would take", would)
        self.assertEqual(self.uni_json("build", "recipe.toml", "-o", "out", "--json")["ran"], 0)
        # A lower one holds at once.
        self.assertLessEqual(self.uni_json("cache", "limit", f"{floor}", "--json")["used"], floor)
        self.assertEqual(self.uni_json("cache", "limit", "none", "--json")["limit"], 0)
        self.assertIn("is not a size", self.fails("cache", "limit", "much", status=2))


@unittest.skipIf(os.geteuid() != 0, "only root can become other users")
class Group(scenario.Scenario):
    packages = ()

    def setUp(self):
        super().setUp()
        os.chmod(self.dir, 0o755)
        with open(scenario.UNI, "rb") as f, open(self.path("uni"), "wb") as g:
            g.write(f.read())
        os.chmod(self.path("uni"), 0o755)
        os.mkdir(self.path("store"))
        os.chown(self.path("store"), 0, GROUP)
        os.chmod(self.path("store"), 0o2775)

    def user(self, number, *args, group=GROUP):
        """As a user with a home of his own and the usual umask; what he builds lies in work/out of that home."""
        home = self.path(str(number))
        if not os.path.isdir(home):
            os.makedirs(os.path.join(home, "work/site"))
            for name, content in (("hello.c", scenario.HELLO_C), ("recipe.toml", scenario.HELLO_RECIPE), ("site/page", "x\n")):
                with open(os.path.join(home, "work", name), "w", encoding="ascii") as f:
                    f.write(content)
            for folder, _, files in os.walk(home):
                for path in (folder, *(os.path.join(folder, name) for name in files)):
                    os.chown(path, number, number)
        env = {**self.env, "HOME": home, "XDG_STATE_HOME": home + "/state", "XDG_CONFIG_HOME": home + "/config"}
        return subprocess.run([self.path("uni"), *args], cwd=os.path.join(home, "work"), env=env, user=number, group=number,
                              extra_groups=[group], umask=0o022, capture_output=True, check=False, stdin=subprocess.DEVNULL)

    def good(self, *args, **more):
        done = self.user(*args, **more)
        self.assertEqual((done.returncode, b"cannot be written" in done.stderr), (0, False), done.stderr.decode())
        return done

    def test_a_group_shares_a_store(self):
        package = os.path.join(self.path("unibase.unipkg"))
        with open(self.package("unibase"), "rb") as f, open(package, "wb") as g:
            g.write(f.read())
        os.chmod(package, 0o644)
        self.good(2001, "install", package)
        self.assertIn(b"steps", self.good(2001, "build", "recipe.toml", "-o", "out", "--json").stdout)
        # Another one builds nothing that the first has built, and his use of it counts.
        done = scenario.json.loads(self.good(2002, "build", "recipe.toml", "-o", "out", "--json").stdout)
        self.assertLess(done["ran"], 3, done)
        images = []
        for number in "2001", "2002":
            with open(self.path(number, "work", "out", "hello.raw"), "rb") as f:
                images.append(f.read())
        self.assertEqual(images[0], images[1])
        # What is content nobody writes to; all else the group may replace.
        for folder, folders, files in os.walk(self.path("store/v1")):
            for name in folders:
                self.assertEqual(os.stat(os.path.join(folder, name)).st_mode & 0o2770, 0o2770, name)
            for name in files:
                mode, owner = os.stat(os.path.join(folder, name)).st_mode, os.stat(os.path.join(folder, name)).st_gid
                self.assertEqual(owner, GROUP)
                self.assertEqual(stat.S_IMODE(mode), 0o444 if "/blobs/" in folder else 0o664, os.path.join(folder, name))
        # Either collects what the other has left, and removes what the other has installed.
        self.good(2002, "cache", "limit", "1G")
        self.good(2001, "cache", "limit", "none")
        self.good(2002, "cache", "gc")
        self.good(2002, "remove", "unibase")
        self.assertIn(b"0 B stay", self.good(2001, "cache", "gc").stdout)

    def test_one_outside_of_the_group_reads(self):
        with open(self.package("unibase"), "rb") as f, open(self.path("unibase.unipkg"), "wb") as g:
            g.write(f.read())
        self.good(2001, "install", self.path("unibase.unipkg"))
        self.good(2001, "build", "recipe.toml", "-o", "out")
        before = sorted(os.listdir(self.path("store/v1/results/0")))
        done = self.user(2003, "build", "recipe.toml", "-o", "out", group=2003)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(b"cannot be written", done.stderr)
        self.assertEqual(sorted(os.listdir(self.path("store/v1/results/0"))), before)
        refused = self.user(2003, "cache", "limit", "1G", group=2003)
        self.assertEqual(refused.returncode, 1, refused.stderr)


if __name__ == "__main__":
    scenario.main()
