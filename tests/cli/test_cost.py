"""What a form costs, in memory and in bytes moved: bounds that hold on any machine, however busy it is."""

import os
import random
import sys

import scenario

DATA = 80 << 20
MEMORY = 64_000_000
FORMS = (("raw",), ("qcow2",), ("qcow2", "--compression", "zlib"), ("qcow2", "--compression", "zstd"), ("vmdk",),
         ("vmdk", "--variant", "streamOptimized"), ("vhd",), ("vhd", "--variant", "dynamic"), ("vhdx",), ("vdi",), ("iso",),
         ("gcp",), ("ova",), ("ami", "--ena"), ("containerdisk",))
# Those whose tables do not grow with the disk's size, or by little.
SPARSE = (("raw",), ("qcow2",), ("qcow2", "--compression", "zstd"), ("vhd", "--variant", "dynamic"), ("vhdx",), ("ami", "--ena"))


def bytes_moved():
    """What this process and all that it waited for have read and written so far."""
    with open("/proc/self/io", encoding="ascii") as f:
        words = dict(line.split(": ") for line in f)
    return int(words["rchar"]) + int(words["wchar"])


class Cost(scenario.Scenario):
    packages = ()

    def disk(self, name, data, size):
        """Text that packs, noise that does not, and holes."""
        rng = random.Random(5)
        text = b"".join(b"line %d of some text\n" % i for i in range(50_000))[:1 << 20]
        path = self.write(name, b"")
        with open(path, "r+b") as f:
            for mebibyte in range(data >> 20):
                f.seek((mebibyte + mebibyte // 8 + 1) << 20)
                f.write(rng.randbytes(1 << 20) if mebibyte % 2 else text)
            f.truncate(size)
        return path

    def convert(self, disk, form, *options):
        self.uni("convert", disk, form, "-o", "out", "--force", *options)
        self.tool("rm", "-r", "out")

    def peak(self, *argv):
        """Resident bytes of the command at its most."""
        quiet = [(os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0)]
        pid = os.posix_spawn(scenario.UNI, [scenario.UNI, *argv], self.env, file_actions=quiet)
        _, status, usage = os.wait4(pid, 0)
        self.assertEqual(os.waitstatus_to_exitcode(status), 0, argv)
        return usage.ru_maxrss * 1024

    def test_memory(self):
        disk = self.disk("disk", DATA, DATA + (32 << 20))
        out = self.path("work/out")
        for form, *options in FORMS:
            with self.subTest(" ".join((form, *options))):
                self.assertLess(self.peak("convert", "-q", disk, form, "-o", out, *options), MEMORY)
                if form == "gcp":  # of which all is unpacked
                    self.assertLess(self.peak("convert", "-q", out, "raw", "-o", out + ".raw"), MEMORY)
                self.tool("rm", "-r", "out")

    def test_a_hole_costs_nothing(self):
        data = 4 << 20
        self.disk("disk", data, 8 << 20)
        self.disk("large", data, 1 << 40)
        for form, *options in SPARSE:
            with self.subTest(" ".join((form, *options))):
                moved = [bytes_moved()]
                for disk in ("disk", "large"):
                    self.convert(disk, form, *options)
                    moved.append(bytes_moved())
                small, large = moved[1] - moved[0], moved[2] - moved[1]
                # A table that has a word for each block of the disk is written whole.
                self.assertLess(large - small, data)


if __name__ == "__main__":
    scenario.main()
