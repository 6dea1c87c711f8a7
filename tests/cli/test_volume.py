"""Live volumes as files: made, changed, looked into, compared, taken back, judged by others' tools."""

import fcntl
import os
import random
import shutil
import subprocess
import unittest

import scenario


class Volume(scenario.Scenario):
    packages = ()

    def setUp(self):
        super().setUp()
        os.environ["PATH"] += ":/usr/sbin:/sbin"
        dice = random.Random(4)
        for i in range(40):
            self.write(f"site/part-{i % 4}/page-{i}", b"page %d\n" % i * dice.randrange(1, 900))
        self.write("site/index.html", "<h1>one</h1>\n")
        self.write("site/run", "#!/bin/sh\n", 0o755)
        os.symlink("index.html", self.path("work/site/link"))
        self.write("site/picture", dice.randbytes(300000))

    def stat(self, volume="site.vol"):
        return self.uni_json("volume", "stat", "--json", volume)

    def content(self, place, **how):
        return self.uni("volume", "cat", place, **how)

    def made(self, *args):
        return self.uni_json("volume", *args, "--json")

    def tree(self, folder):
        found = {}
        for at, folders, files in os.walk(self.path("work", folder)):
            for name in folders + files:
                path = os.path.join(at, name)
                shown = os.path.relpath(path, self.path("work", folder))
                if os.path.islink(path):
                    found[shown] = os.readlink(path)
                elif os.path.isfile(path):
                    with open(path, "rb") as f:
                        found[shown] = (f.read(), os.stat(path).st_mode & 0o111 != 0)
        return found

    def test_life(self):
        """Every generation holds what it should, and writes little."""
        first = self.made("create", "site.vol", "--from", "site")
        self.assertEqual(first["generation"], 1)
        self.write("site/index.html", "<h1>two</h1>\n")
        self.uni("volume", "copy", "site", "site.vol")
        self.write("site/index.html", "<h1>three</h1>\n")
        third = self.made("copy", "site", "site.vol")
        self.assertEqual(third["generation"], 3)
        self.assertLess(third["blocks_written"], 10)
        self.assertGreater(third["blocks_kept"], 100)
        self.assertEqual(self.content("site.vol:/index.html"), "<h1>three</h1>\n")
        self.assertEqual(self.content("site.vol:/link"), "<h1>three</h1>\n")
        self.assertEqual(self.uni("volume", "diff", "site.vol", status=1), "M /index.html\n")
        self.assertEqual(self.made("rollback", "site.vol")["blocks_written"], 0)
        self.assertEqual(self.content("site.vol:/index.html"), "<h1>two</h1>\n")
        lines = self.uni("volume", "history", "site.vol").splitlines()
        self.assertEqual([line.split()[0] for line in lines], ["4", "3"])
        self.uni("volume", "verify", "site.vol")
        self.uni("volume", "copy", "site.vol", "out/")
        os.rename(self.path("work/site/index.html"), self.path("work/kept"))
        self.write("site/index.html", "<h1>two</h1>\n")
        self.assertEqual(self.tree("out"), self.tree("site"))

    def test_parts_and_forms(self):
        """Parts of a volume, archives, copies; another size."""
        self.uni("volume", "create", "site.vol", "--from", "site")
        self.write("new.html", "new\n")
        self.uni("volume", "copy", "new.html", "site.vol:/part-1/new.html")
        self.assertEqual(self.content("site.vol:/part-1/new.html"), "new\n")
        self.write("folder/deep/file", "deep\n")
        self.uni("volume", "copy", "folder", "site.vol:/part-2")
        listed = self.uni("volume", "ls", "site.vol:/part-2")
        self.assertEqual([line.split()[-1] for line in listed.splitlines()], ["deep"])
        subprocess.run(["tar", "-cf", "site.tar", "-C", "site", "."], cwd=self.work, check=True)
        self.uni("volume", "create", "from-tar.vol", "--from", "site.tar")
        self.uni("volume", "create", "plain.vol", "--from", "site")
        self.uni("volume", "diff", "from-tar.vol", "plain.vol")
        self.uni("volume", "resize", "plain.vol", "64M")
        self.assertEqual(os.path.getsize(self.path("work/plain.vol")), 63 << 20)
        self.uni("volume", "diff", "from-tar.vol", "plain.vol")
        self.uni("volume", "snapshot", "plain.vol", "copy.vol")
        self.uni("volume", "verify", "copy.vol")
        self.uni("volume", "copy", "plain.vol", "out.tar")
        names = subprocess.run(["tar", "-tf", "out.tar"], cwd=self.work, check=True, text=True,
                               stdout=subprocess.PIPE).stdout
        self.assertIn("part-3/page-3\n", names)
        os.symlink("page-3", self.path("work/site/part-3/other"))
        for source, folder in (("site", "copied"), ("out.tar", "unpacked"), ("plain.vol", "extracted")):
            self.uni("volume", "copy", source, folder + "/")
            self.assertEqual(self.read(folder + "/part-3/page-3"), self.read("site/part-3/page-3"))
        self.assertEqual(os.readlink(self.path("work/copied/part-3/other")), "page-3")
        self.assertIn("copied/index.html: File exists", self.fails("volume", "copy", "site", "copied/"))

    def test_same_bytes(self):
        """A new volume is a function of content, label and time."""
        env = {"SOURCE_DATE_EPOCH": "1000000000"}
        self.uni("volume", "create", "a.vol", "--from", "site", "--label", "x", env=env)
        shutil.copytree(self.path("work/site"), self.path("work/elsewhere"), symlinks=True)
        self.uni("volume", "create", "b.vol", "--from", "elsewhere", "--label", "x",
                 env=dict(env, UNI_JOBS="1"))
        subprocess.run(["cmp", "a.vol", "b.vol"], cwd=self.work, check=True)

    def test_unchanged(self):
        """Content that is there already makes no generation, and that is said."""
        self.uni("volume", "create", "site.vol", "--from", "site")
        before = self.read("site.vol")
        shutil.copytree(self.path("work/site"), self.path("work/elsewhere"), symlinks=True)
        for source, target in (("site", "site.vol"), ("elsewhere", "site.vol"),
                               ("site/index.html", "site.vol:/index.html")):
            done = self.run_uni("volume", "copy", source, target)
            self.assertEqual((done.returncode, done.stderr),
                             (0, b"generation 1 holds this content; nothing was written\n"))
        made = self.made("copy", "site", "site.vol")
        self.assertEqual((made["volumes"], made["unchanged"], made["generation"]), (0, 1, 1))
        self.assertEqual(self.read("site.vol"), before)
        os.chmod(self.path("work/site/index.html"), 0o755)
        self.assertEqual(self.made("copy", "site", "site.vol")["generation"], 2)

    def test_signed(self):
        for name in ("one", "two"):
            subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", f"{name}.pem"],
                           cwd=self.work, check=True)
            subprocess.run(["openssl", "pkey", "-in", f"{name}.pem", "-pubout", "-out", f"{name}.pub"],
                           cwd=self.work, check=True)
        self.uni("volume", "create", "site.vol", "--from", "site", "--sign", "one.pem")
        self.uni("volume", "verify", "site.vol", "--key", "one.pub")
        wrong = self.fails("volume", "verify", "site.vol", "--key", "two.pub")
        self.assertIn("another key", wrong)
        wrong = self.fails("volume", "copy", "site", "site.vol", "--sign", "one.pub")
        self.assertIn("no Ed25519 key", wrong)

    def test_trouble(self):
        """What does not fit or is not there is said, and nothing is touched."""
        self.uni("volume", "create", "site.vol", "--from", "site", "--size", "5M")
        before = self.read("site.vol")
        self.write("site/large", random.Random(1).randbytes(3 << 20))
        wrong = self.fails("volume", "copy", "site", "site.vol")
        self.assertRegex(wrong, r"needs \d+ bytes, and there is room for \d+")
        self.assertEqual(self.read("site.vol"), before)
        self.assertIn("stands there already", self.fails("volume", "create", "site.vol", "--from", "site"))
        self.assertIn("create", self.fails("volume", "copy", "site", "none.vol"))
        self.assertIn("no machine", self.fails("volume", "copy", "site", "vm:web/content"))
        self.assertIn("leads out", self.fails("volume", "copy", "site", "site.vol:/../x"))
        damaged = bytearray(before)
        damaged[(1 << 20) + 5000] ^= 1
        self.write("damaged.vol", bytes(damaged))
        self.assertIn("block", self.fails("volume", "verify", "damaged.vol"))
        with open(self.path("work/site.vol"), "rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.assertIn("another writer", self.fails("volume", "rollback", "site.vol"))

    def test_judges(self):
        """veritysetup and unsquashfs on both slots."""
        for program in ("veritysetup", "unsquashfs"):
            if shutil.which(program) is None:
                self.skipTest(f"{program} is not installed")
        self.uni("volume", "create", "site.vol", "--from", "site")
        self.write("site/more", "more\n" * 5000)
        for i in range(3):
            self.write("site/index.html", f"<h1>{i}</h1>\n")
            self.uni("volume", "copy", "site", "site.vol")
            s = self.stat()["live"]
            with open(self.path("work/site.vol"), "rb") as f:
                f.seek(s["slot_offset"])
                slot = self.write("slot", f.read(s["slot_size"]))
            subprocess.run(["veritysetup", "verify", slot, slot, s["root_hash"], "--hash-offset",
                            str(s["hash_offset"])], check=True)
            there = self.path("work/there")
            subprocess.run(["unsquashfs", "-q", "-n", "-d", there, slot], check=True, stdout=subprocess.PIPE)
            self.assertEqual(self.tree("there"), self.tree("site"))
            shutil.rmtree(there)


if __name__ == "__main__":
    unittest.main()
