"""The least memory: hello, SQLite with its database and the site answer in 8 MB, from the disk by the BIOS and from the
ELF by PVH, on every machine."""

import http.client
import os
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cli"))
import scenario  # noqa: E402 # found by the line above

STOCK = os.path.join(scenario.ROOT, "recipes/stock")
MEMORY = "8M"
STARTS = [("--machine", machine) for machine in ("q35", "pc")] + \
         [("--kernel", "--machine", machine) for machine in ("microvm", "q35", "pc")]
SEEKS_NAME = "SELECT name FROM character WHERE code = '1F984'"


class Least(scenario.Scenario):
    packages = ("unibase", "sqlite", "unicode", "mozilla")

    def build(self, recipe):
        self.uni("build", recipe, "-o", self.path("out"), "-f", "raw,elf")

    def run_each(self, name, *args, status=0):
        """What it says, in each way that it can be started."""
        for start in STARTS:
            image = self.path("out", f"{name}.elf" if "--kernel" in start else f"{name}.raw")
            with self.subTest(name=name, start=start):
                yield self.uni("run", image, "--memory", MEMORY, *start, *args, status=status)

    def test_hello(self):
        self.build(self.hello())
        for said in self.run_each("hello", status=7):
            self.assertIn("page from the volume", said)

    def test_sqlite(self):
        self.build(os.path.join(STOCK, "sqlite/recipe.toml"))
        for said in self.run_each("sqlite", "--", "-readonly", "/data/unicode.db", SEEKS_NAME):
            self.assertEqual(said.strip(), "UNICORN FACE")
        for said in self.run_each("sqlite"):
            self.assertIn("CJK Ideograph", said)

    def page(self, port):
        """The site's first page, once it is there."""
        until = time.monotonic() + 300
        while True:
            try:
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
                connection.request("GET", "/")
                return connection.getresponse().read()
            except OSError:
                self.assertLess(time.monotonic(), until)
                time.sleep(0.05)

    def test_site(self):
        self.build(os.path.join(STOCK, "site/recipe.toml"))
        for start in STARTS:
            image = self.path("out", "site.elf" if "--kernel" in start else "site.raw")
            with self.subTest(start=start):
                port = scenario.free_port()
                self.uni("run", image, "--memory", MEMORY, *start, "--detach", "--name", "site", "--port", f"{port}:80")
                try:
                    self.assertIn(b"It serves.", self.page(port))
                finally:
                    self.uni("stop", "site")


if __name__ == "__main__":
    unittest.main()
