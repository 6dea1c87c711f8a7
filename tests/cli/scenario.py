"""What command-line scenarios share: a folder and a store of their own, and uni run in them."""

import fcntl
import json
import os
import random
import shutil
import socket
import subprocess
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("UNI_BUILD_DIR", os.path.join(ROOT, "build"))
UNI = os.path.join(BUILD, "bin/uni")
PACKAGES = os.path.join(ROOT, "build/packages/out")

HELLO_C = """#include <stdio.h>
#include <stdlib.h>
int main(int argc, char **argv)
{
	char line[256];
	FILE *page = fopen("/srv/page", "r");
	for (int i = 0; i < argc; i++)
		printf("arg %d %s\\n", i, argv[i]);
	if (getenv("GREETING"))
		printf("env %s\\n", getenv("GREETING"));
	while (page && fgets(line, sizeof(line), page))
		printf("page %s", line);
	return 7;
}
"""

HELLO_RECIPE = """[image]
name = "hello"
version = "1.2.3"

[app]
sources = ["hello.c"]
args = ["one", "two words"]
env = { GREETING = "good day" }

[[volume]]
name = "site"
mount = "/srv"
source = "site"
"""

# Volumes that become disks of their own; with the folder that the live one holds.
OWN_DISKS = """[[volume]]
name = "state"
mount = "/state"
format = "ext4"
mode = "rw"
size = "8M"
[[volume]]
name = "www"
mount = "/www"
format = "live"
source = "{}"
"""


PORTS = []  # files, locked, of the ports that are this process's


def free_port():
    """A port that is no other test's until this one ends, below those that the system gives to whoever asks for any."""
    folder = os.path.join(tempfile.gettempdir(), f"uni-test-ports-{os.getuid()}")
    os.makedirs(folder, exist_ok=True)
    for port in random.SystemRandom().sample(range(10000, 32768), 1000):
        lock = os.open(os.path.join(folder, str(port)), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            os.close(lock)
            continue
        PORTS.append(lock)
        return port
    raise AssertionError("no free port")


class Scenario(unittest.TestCase):
    """Each test starts in an empty folder with a store that holds the packages of the build."""

    packages = ("unibase",)

    def setUp(self):
        self.dir = os.path.realpath(tempfile.mkdtemp(prefix="uni-test-"))
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)
        self.work = self.path("work")
        os.mkdir(self.work)
        self.env = {k: v for k, v in os.environ.items() if not k.startswith(("UNI_", "XDG_"))}
        self.env.update(UNI_CACHE=self.store(), XDG_STATE_HOME=self.path("state"),
                        XDG_CONFIG_HOME=self.path("config"), HOME=self.path("home"), UNI_INDEX=self.path("no-index"))
        if self.packages:
            self.uni("install", *(self.package(name) for name in self.packages))

    def store(self):
        """Where the store is."""
        return self.path("store")

    def path(self, *names):
        return os.path.join(self.dir, *names)

    @staticmethod
    def package(name):
        for file in sorted(os.listdir(PACKAGES)):
            if file.startswith(name + "-") and file.endswith(".unipkg"):
                return os.path.join(PACKAGES, file)
        raise AssertionError(f"no package {name} in {PACKAGES}: run ./dev build")

    def write(self, name, content, mode=None):
        path = os.path.join(self.work, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(content if isinstance(content, bytes) else content.encode())
        if mode is not None:
            os.chmod(path, mode)
        return path

    def hello(self, recipe=HELLO_RECIPE):
        self.write("hello.c", HELLO_C)
        self.write("site/page", "from the volume\n")
        return self.write("recipe.toml", recipe)

    def run_uni(self, *args, timeout=300, env=None, **more):
        return subprocess.run([UNI, *args], cwd=more.pop("cwd", self.work), env={**self.env, **(env or {})},
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout, check=False, **more)

    def uni(self, *args, status=0, **more):
        """Standard output, after checking the exit status."""
        done = self.run_uni(*args, **more)
        self.assertEqual(done.returncode, status,
                         f"uni {' '.join(args)}\n{done.stdout.decode(errors='replace')}"
                         f"{done.stderr.decode(errors='replace')}")
        return done.stdout.decode(errors="replace")

    def fails(self, *args, status=1, **more):
        """Standard error of a command that must fail with this status, and must not crash."""
        done = self.run_uni(*args, **more)
        self.assertEqual(done.returncode, status, done.stderr.decode(errors="replace"))
        text = done.stderr.decode(errors="replace")
        self.assertRegex(text, r"(?m)^uni: ")
        return text

    def uni_json(self, *args, **more):
        return json.loads(self.uni(*args, **more))

    def tool(self, *argv, status=0, **more):
        done = subprocess.run(argv, cwd=self.work, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, check=False, **more)
        self.assertEqual(done.returncode, status, f"{' '.join(argv)}\n{done.stdout.decode(errors='replace')}")
        return done.stdout.decode(errors="replace")

    def read(self, name):
        with open(os.path.join(self.work, name), "rb") as f:
            return f.read()

    def fsck(self, path):
        """An ext4 that e2fsck finds nothing wrong with."""
        self.tool("/sbin/e2fsck", "-fn", path)

    def assertNothingLeft(self, folder):
        """No temporary file in a folder of artifacts."""
        left = [n for n in os.listdir(folder) if n.startswith(".") or n.endswith(".tmp")] if os.path.isdir(folder) else []
        self.assertEqual(left, [])


main = unittest.main
