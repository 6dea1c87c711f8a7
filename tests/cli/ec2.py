"""What the scenarios about EC2 share: an account at the strict double, and an image to push to it."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

import scenario

sys.path.insert(0, os.path.join(scenario.ROOT, "tests/aws"))
import double  # noqa: E402

TO = "ec2://eu-central-1/"


CONTENT = os.urandom(3 << 20) + bytes(2 << 20) + os.urandom(1 << 20)


class Account(scenario.Scenario):
    """An account at the double."""

    def setUp(self):
        super().setUp()
        self.account = double.Account()
        self.server = double.start(self.account)
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)
        self.env.update(AWS_ENDPOINT_URL=self.server.url, AWS_ACCESS_KEY_ID="AKIDEXAMPLE",
                        AWS_SECRET_ACCESS_KEY="wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
                        AWS_EC2_METADATA_DISABLED="true", no_proxy="127.0.0.1")


class Ec2(Account):
    """An account, and an image with data and zeros in it. A file's tests share a store: what is built for
    one of them need not be built for the next."""

    @classmethod
    def setUpClass(cls):
        cls.common = tempfile.mkdtemp(prefix="uni-test-")
        cls.addClassCleanup(shutil.rmtree, cls.common, ignore_errors=True)

    def store(self):
        return os.path.join(self.common, "store")

    BESIDE = scenario.OWN_DISKS.format("site")

    def setUp(self):
        super().setUp()
        self.write("site/data", CONTENT)
        self.recipe()
        self.image()

    def recipe(self, extra="", version="1.0.0", more=""):
        self.write("hello.c", scenario.HELLO_C)
        self.write("recipe.toml", f"""[image]
name = "hello"
version = "{version}"
[app]
sources = ["hello.c"]
args = ["one"{extra}]
[[volume]]
name = "data"
mount = "/srv"
source = "site"
compression = "none"
{more}""")

    def image(self):
        self.uni("build", "recipe.toml", "-o", "out", "--format", "ami,raw", "--force")
        # The raw form of the recipe may have a smaller kernel.
        self.uni("convert", "out/hello.ami", "raw", "-o", "disk.raw", "--force")
        return "out/hello.ami"

    def push(self, *more, to=TO, source="out/hello.ami"):
        return self.uni("push", source, to, *more)

    def push_fails(self, *more, status=1, to=TO, source="out/hello.ami"):
        return self.fails("push", source, to, *more, status=status)

    def only_image(self):
        self.assertEqual(len(self.account.images), 1)
        return next(iter(self.account.images.items()))

    def assert_snapshot_is_the_disk(self, snapshot):
        """Block by block, against the raw disk."""
        blocks = self.account.snapshots[snapshot]["blocks"]
        self.assertEqual(self.account.snapshots[snapshot]["size"], 1)
        with open(os.path.join(self.work, "disk.raw"), "rb") as f:
            for i in range(2048):
                f.seek(i * double.BLOCK)
                raw = f.read(double.BLOCK)
                self.assertTrue(blocks.get(i, bytes(double.BLOCK)) == raw, i)
        self.assertEqual(max(blocks), 2047)
        self.assertEqual(blocks[2047][-512:-504], b"EFI PART")

    def next_image(self, elsewhere="another"):
        """A version more, on a machine that has pushed nothing so far."""
        self.recipe(extra=', "two"', version="1.0.1")
        self.image()
        self.env["XDG_STATE_HOME"] = self.path(elsewhere)

    def start(self, *words):
        """uni with these words, which goes on meanwhile."""
        return subprocess.Popen([scenario.UNI, *words], cwd=self.work, env=self.env, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def start_push(self, *more):
        return self.start("push", "out/hello.ami", TO, *more)

    def wait_for(self, condition):
        deadline = time.monotonic() + 300
        while not condition() and time.monotonic() < deadline:
            time.sleep(0.02)
        self.assertTrue(condition(), "it did not come to that")

    def request(self, **fields):
        """Other fields in what makes an image of the disk."""
        path = os.path.join(self.work, "out/hello.ami/register-image.json")
        with open(path, encoding="utf-8") as f:
            request = json.load(f)
        with open(path, "w", encoding="utf-8") as f:
            json.dump({**request, **fields}, f)

    def orphans(self):
        """Snapshots that serve nothing: neither an image, nor the next push of one, nor somebody who asked for them."""
        used = {name for image in self.account.images.values() for name in image["mappings"].values()}
        used |= {name for name, s in self.account.snapshots.items() if "uni:volume" in s["tags"] and
                 s["state"] == "completed"}
        used |= {name for name, s in self.account.snapshots.items() if s["tags"].get("uni:map-of") in used and
                 s["state"] == "completed"}
        return set(self.account.snapshots) - used

    def assert_collected(self):
        """What serves nothing is named by the collection, and nothing else is; then it is gone."""
        orphans = self.orphans()
        self.assertEqual(set(self.uni("ami", "gc", "ec2://eu-central-1", "--dry-run").split()), orphans)
        self.assertEqual(set(self.uni("ami", "gc", "ec2://eu-central-1").split()), orphans)
        self.assertEqual(self.orphans(), set())
