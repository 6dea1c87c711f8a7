"""A name that is taken: every command that writes a file keeps what stands there, unless it is told to replace it."""

import os

import scenario

PACKAGE = """[package]
name = "pages"
version = "1.0.0"
kind = "files"
[[files]]
source = "page"
"""


class Output(scenario.Scenario):
    def test_what_stands_there_is_kept_unless_told(self):
        self.hello()
        self.write("src/page", "a page\n")
        self.write("src/package.toml", PACKAGE)
        self.write("disk", bytes(1 << 20))
        self.uni("volume", "create", "site.vol", "--from", "site")
        taken = {
            "out/hello.raw": ("build", "recipe.toml", "-o", "out"),
            "disk.qcow2": ("convert", "disk", "qcow2"),
            "out/pages-1.0.0-x86_64.unipkg": ("pack", "src", "-o", "out"),
            "new.vol": ("volume", "create", "new.vol", "--from", "site"),
            "new.squashfs": ("volume", "create", "new.squashfs", "--from", "site", "--format", "squashfs"),
            "copy.vol": ("volume", "snapshot", "site.vol", "copy.vol"),
            "site.tar": ("volume", "copy", "site.vol", "site.tar"),
            "busybox.toml": ("import", "/bin/busybox", "-o", "busybox.toml"),
        }
        for path, command in taken.items():
            with self.subTest(" ".join(command)):
                self.write(path, "mine")
                said = self.fails(*command)
                self.assertIn(f"{path} stands there already", said)
                self.assertIn("--force replaces it", said)
                self.assertEqual(self.read(path), b"mine")
                # A link to nowhere has the name too.
                os.unlink(os.path.join(self.work, path))
                os.symlink("nowhere", os.path.join(self.work, path))
                self.fails(*command)
                self.uni(*command, "--force")
                self.assertFalse(os.path.islink(os.path.join(self.work, path)))
                self.assertFalse(os.path.exists(os.path.join(self.work, "nowhere")))
        self.assertNothingLeft(self.work)
        self.assertNothingLeft(os.path.join(self.work, "out"))

    def test_the_same_package_again_is_no_other(self):
        self.write("src/page", "a page\n")
        self.write("src/package.toml", PACKAGE)
        first = self.uni("pack", "src")
        self.assertEqual(self.uni("pack", "src"), first)
        self.write("src/page", "another page\n")
        self.fails("pack", "src")
        self.assertEqual(self.uni("pack", "src", "--force").split()[1], first.split()[1])


if __name__ == "__main__":
    scenario.main()
