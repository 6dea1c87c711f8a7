"""Packages, indexes and registries under trouble: killed at any moment, a full disk, a home that cannot be written."""

import os
import random
import resource
import shutil
import signal
import subprocess
import time

import scenario
from registry import Registry

PACKAGE = """
[package]
name = "web"
version = "{version}"
kind = "volume"
arch = "any"

[[files]]
source = "page"
"""

ROUNDS = 6


class Killed(Registry):
    packages = ()

    def setUp(self):
        super().setUp()
        random.seed(11)
        self.uni("key", "new", "me", "--no-passphrase")
        self.root = self.uni("index", "create", "pub", "-k", "me").split()[0]
        self.publish("1.0.0")
        self.uni("index", "add", "main", "pub", "--root", self.root)

    def pack(self, version, kilobytes=600):
        self.write("src/page", random.randbytes(kilobytes << 10))
        self.write("src/package.toml", PACKAGE.format(version=version))
        self.uni("pack", "src", "-o", "packed")
        return f"packed/web-{version}-any.unipkg"

    def publish(self, version):
        self.uni("publish", self.pack(version), "--to", "pub", "-k", "me")

    def kill(self, *command, before=lambda: None, after=lambda: None):
        """`command` from the same beginning again and again, killed at another moment of its life each time."""
        before()
        start = time.monotonic()
        self.uni(*command)
        life = time.monotonic() - start
        after()
        for _ in range(ROUNDS):
            before()
            child = subprocess.Popen([scenario.UNI, *command], cwd=self.work, env=self.env, stdin=subprocess.DEVNULL,
                                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(random.random() * life)
            child.send_signal(signal.SIGKILL)
            child.wait()
            after()

    def other(self, *command, **more):
        """As somebody who knows the index's first root and no more, or has seen all that came before."""
        return self.uni(*command, env={"UNI_CACHE": self.path("other/store"), "XDG_STATE_HOME": self.path("other/state"),
                                       "XDG_CONFIG_HOME": self.path("other/config")}, **more)

    def test_install(self):
        def before():
            shutil.rmtree(self.path("store"), ignore_errors=True)
            shutil.rmtree(self.path("state/uni/index"), ignore_errors=True)
            self.uni("index", "remove", "main")
            self.uni("index", "add", "main", "pub", "--root", self.root)

        def after():
            self.uni("cache", "verify")
            self.assertIn("web 1.0.0", self.uni("install", "web"))
            self.uni("cache", "gc")
            self.assertEqual(os.listdir(self.path("store/v1/tmp")), [])
            self.assertEqual(os.listdir(self.path("store/v1/leases")), [])
        self.kill("install", "web", before=before, after=after)

    def test_publish(self):
        """Whoever looks finds what was there before or what is there now, and publishing again is all that it takes."""
        self.other("index", "add", "main", "pub", "--root", self.root)
        versions = iter(range(1, 1000))
        files, current = [], ["", ""]

        def before():
            current[0] = f"1.{next(versions)}.0"
            current[1] = self.pack(current[0], 200)
            shutil.copy(os.path.join(self.work, current[1]), os.path.join(self.work, "packed/next.unipkg"))

        def after():
            files.append(current[0])
            self.other("index", "refresh")
            said = self.other("info", "web")
            for version in files[:-1]:
                self.assertIn(version, said)
            self.uni("publish", current[1], "--to", "pub", "-k", "me")
            self.assertIn(current[0], self.other("info", "web"))
        self.kill("publish", "packed/next.unipkg", "--to", "pub", "-k", "me", before=before, after=after)

    def test_rotated_and_revoked(self):
        """An old client follows whatever came of it, and the owner goes on with the keys of before or of now."""
        self.other("index", "add", "main", "pub", "--root", self.root)
        keys = ["me"]

        def before():
            keys.append(f"key{len(keys)}")
            self.uni("key", "new", keys[-1], "--no-passphrase")
            # The command is the same each time: names are links to what they mean now.
            for name, key in (("old", keys[-2]), ("new", keys[-1])):
                for end in (".pem", ".pub"):
                    path = self.path("config/uni/keys", key + end)
                    if os.path.exists(path):
                        shutil.copy(path, self.path("config/uni/keys", name + end))

        def after():
            self.other("index", "refresh")
            self.assertIn("1.0.0", self.other("info", "web"))
            again = self.run_uni("key", "rotate", "old", "new", "--index", "pub", "-k", "old", "-k", "new")
            self.assertIn(again.returncode, (0, 1), again.stderr)
            self.uni("publish", "--to", "pub", "-k", "new")
            self.fails("publish", "--to", "pub", "-k", "old")
            self.other("index", "refresh")
        self.kill("key", "rotate", "old", "new", "--index", "pub", "-k", "old", "-k", "new", before=before, after=after)

    def test_push_and_pull(self):
        count = [0]
        place = f"oci://{self.host}/large:1"

        def before():
            count[0] += 1
            with open(os.path.join(self.work, "large"), "wb") as f:
                f.write(random.randbytes(12 << 20))

        def pushed():
            self.uni("push", "large", place)
            self.uni("pull", place, "-o", "back", "--force")
            self.tool("cmp", "large", "back/large")

        def pulled():
            self.uni("pull", place, "-o", "back", "--force")
            self.tool("cmp", "large", "back/large")
            self.assertEqual(os.listdir(os.path.join(self.work, "back")), ["large"])
        self.kill("push", "large", place, before=before, after=pushed)
        self.kill("pull", place, "-o", "back", before=lambda: shutil.rmtree(os.path.join(self.work, "back")), after=pulled)

    def test_full_disk(self):
        """Every write beyond a size fails. What was there stays; with room again all goes on."""
        package, place = self.pack("2.0.0"), f"oci://{self.host}/package:1"
        self.uni("install", "web")
        self.uni("push", package, place)
        for size in (0, 500, 5_000, 100_000):
            def full(limit=size):
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
            self.assertIn(self.path("store"), self.fails("install", package, preexec_fn=full))
            self.fails("publish", package, "--to", "pub", "-k", "me", preexec_fn=full)
            self.fails("pull", place, "-o", "back", preexec_fn=full)
            self.assertEqual(os.listdir(os.path.join(self.work, "back")) if os.path.isdir(os.path.join(self.work, "back"))
                             else [], [])
            self.assertRegex(self.uni("list"), r"(?m)^web +1\.0\.0 ")
            self.assertNotIn("2.0.0", self.uni("list"))
            self.uni("index", "refresh")
            self.assertNotIn("2.0.0", self.uni("info", "web"))
        self.uni("publish", package, "--to", "pub", "-k", "me")
        self.uni("pull", place, "-o", "back")
        self.assertIn("web 2.0.0", self.uni("install", "web"))
        self.uni("cache", "verify")

    def test_a_home_that_cannot_be_written(self):
        """Under /proc nobody may write, not even root. Commands that keep something say where; others work."""
        home = {"HOME": "/proc/1/nowhere", "XDG_STATE_HOME": "/proc/nowhere", "XDG_CONFIG_HOME": "/proc/nowhere"}
        place = f"oci://{self.host}/package:1"
        self.uni("push", "packed/web-1.0.0-any.unipkg", place, env=home)
        self.uni("pull", place, "-o", "back", env=home)
        self.tool("cmp", "packed/web-1.0.0-any.unipkg", "back/web-1.0.0-any.unipkg")
        self.uni("install", "packed/web-1.0.0-any.unipkg", env=home)
        self.assertIn("web", self.uni("list", env=home))
        for command in (("key", "new", "other", "--no-passphrase"), ("index", "add", "other", "pub")):
            self.assertIn("/proc/", self.fails(*command, env=home))
        # An index that is known, where what is learned of it cannot be kept.
        env = {"XDG_STATE_HOME": "/proc/nowhere"}
        self.assertIn("/proc/nowhere", self.fails("index", "refresh", env=env))
        env = {"UNI_CACHE": "/proc/nowhere"}
        self.assertIn("/proc/nowhere", self.fails("install", "packed/web-1.0.0-any.unipkg", env=env))


if __name__ == "__main__":
    scenario.main()
