"""Writable volumes: a disk beside the image, kept from start to start; SQLite with a write-ahead log on it."""

import json
import os

import scenario

RECIPE = """
[image]
name = "ledger"

[base]
name = "unibase"

[app]
objects = ["pkg:sqlite"]
args = ["/data/ledger.db", "SELECT 1"]

[config]
runtime = ["args"]

[machine]
memory = "64M"

[[volume]]
name = "data"
mount = "/data"
source = "start"
format = "ext4"
mode = "rw"
size = "48M"
"""
ADD = """PRAGMA journal_mode = WAL; CREATE TABLE IF NOT EXISTS entry (n INTEGER PRIMARY KEY, text);
WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 3000)
INSERT INTO entry(text) SELECT hex(randomblob(40)) FROM c; SELECT count(*) FROM entry; PRAGMA integrity_check"""


class Writable(scenario.Scenario):
    packages = ("unibase", "sqlite")

    def setUp(self):
        super().setUp()
        self.write("start/below/file", "from the start\n")
        self.write("recipe.toml", RECIPE)

    def add(self, *what):
        return self.uni("run", *what, "-t", "100", "--", "/data/ledger.db", ADD).split()

    def test_what_is_written_stays(self):
        self.assertEqual(self.add("recipe.toml"), ["wal", "3000", "ok"])
        self.assertEqual(self.add("recipe.toml"), ["wal", "6000", "ok"])
        disk = os.path.join(self.env["XDG_STATE_HOME"], "uni/machines/ledger.data.raw")
        self.fsck(disk)
        self.assertEqual(self.uni("inspect", disk, "cat", "/below/file"), "from the start\n")
        # A new image takes the disk as it is; a machine of another name has its own.
        self.write("recipe.toml", RECIPE.replace("SELECT 1", "SELECT 2"))
        self.assertEqual(self.add("recipe.toml"), ["wal", "9000", "ok"])
        self.assertEqual(self.add("recipe.toml", "--name", "other"), ["wal", "3000", "ok"])

    def test_from_beside_the_image(self):
        self.uni("build", "recipe.toml", "-o", "out")
        built = self.path("work/out/ledger.data.raw")
        self.fsck(built)
        with open(built, "rb") as f:
            before = f.read()
        self.assertEqual(self.add("out/ledger.raw"), ["wal", "3000", "ok"])
        self.assertEqual(self.add("out/ledger.elf"), ["wal", "6000", "ok"])
        with open(built, "rb") as f:
            self.assertEqual(f.read(), before)
        # What stands beside the image may be a machine's: a build leaves it alone.
        self.write("out/ledger.data.raw", "somebody's")
        self.uni("build", "recipe.toml", "-o", "out")
        self.assertEqual(os.path.getsize(built), len("somebody's"))
        self.uni("build", "recipe.toml", "-o", "out", "--force")
        self.fsck(built)

    def test_inside_the_image(self):
        self.write("recipe.toml", RECIPE + "embed = true\n")
        self.uni("build", "recipe.toml", "-o", "out")
        self.assertFalse(os.path.exists(self.path("work/out/ledger.data.raw")))
        self.assertEqual(self.add("out/ledger.raw"), ["wal", "3000", "ok"])
        self.assertEqual(self.add("out/ledger.raw"), ["wal", "6000", "ok"])

    def test_a_large_one_is_known_by_its_map(self):
        self.write("recipe.toml", RECIPE.replace("48M", "40G"))
        said = self.uni("build", "recipe.toml", "-o", "out").splitlines()
        digest, size, _ = next(line for line in said if line.endswith("data.raw")).split()
        self.assertTrue(digest.startswith("map-sha256:"), said)
        self.assertEqual(int(size), 40 << 30)
        self.assertLess(os.stat(os.path.join(self.work, "out/ledger.data.raw")).st_blocks * 512, 100 << 20)
        with open(os.path.join(self.work, "out/ledger.manifest.json"), encoding="utf-8") as f:
            manifest = json.load(f)
        self.assertEqual(manifest["volumes"][0]["digest"], digest)
        self.assertIn(digest, [step["output"] for step in manifest["operations"]])
        self.uni("verify", "out/ledger.manifest.json")

    def test_refused(self):
        for change, why in ((('size = "48M"', ""), "size is missing"),
                            (('size = "48M"', 'size = "1M"'), "8 MiB"),
                            (('mode = "rw"', 'mode = "rw"\ncompression = "zstd"'), "compression"),
                            (('format = "ext4"', 'format = "squashfs"'), "only an ext4 is written to")):
            self.write("recipe.toml", RECIPE.replace(*change))
            self.assertIn(why, self.fails("build", "recipe.toml", "-o", "out"))


if __name__ == "__main__":
    scenario.main()
