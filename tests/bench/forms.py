"""Forms of a disk, written by us and by qemu-img. What is written is on the disk when the clock stops: uni flushes by
itself, the others are followed by sync."""
import os

from measure import Table, duel, ms, peak_memory, run, timed
from workspace import SMALL, UNI, copy_tree

BYTES, HOLE = 254_000_000, 1 << 40
FORMS = ("raw,qcow2,vmdk,vhd,vhdx,vdi,gcp,iso,ova,ami,containerdisk,xen,firecracker,libvirt,elf")


def make_disk(path, size=BYTES):
    """Files of this machine one behind the other, with holes between."""
    at = 0
    with open(path, "wb") as out:
        for folder, folders, names in os.walk("/usr"):
            folders.sort()
            for name in sorted(names):
                source = os.path.join(folder, name)
                if os.path.islink(source) or not os.path.isfile(source) or at >= size:
                    continue
                with open(source, "rb") as f:
                    data = f.read(4 << 20)
                out.seek((1 << 20) + at + at // 8 // (1 << 20) * (1 << 20))
                out.write(data)
                at += len(data)
        out.truncate((out.tell() + (1 << 20)) >> 20 << 20)


def synced(*argv):
    return ["sh", "-c", '"$@" && sync -d "$OUT"', "sh", *argv]


class Race:
    def __init__(self, work):
        self.raw, self.out = work.path("disk.raw"), work.path("disk.out")
        self.env = {**os.environ, "OUT": self.out}
        make_disk(self.raw)

    def clean(self):
        if os.path.exists(self.out):
            os.remove(self.out)

    def between(self, sides, times=3):
        """Median seconds of each command."""
        return duel(*((argv, self.clean) for argv in sides), times=times, env=self.env)

    def size(self, argv):
        self.clean()
        run(argv, env=self.env)
        return os.stat(self.out).st_blocks * 512

    def ours(self, form, *options, raw=None):
        return [UNI, "convert", "-q", raw or self.raw, form, "-o", self.out, "--force", *options]

    def theirs(self, *options):
        return synced("qemu-img", "convert", "-f", "raw", *options, self.raw, self.out)


def plain(race, table):
    forms = (("qcow2", ()), ("vhd", ()), ("vhd", ("--variant", "dynamic")), ("vmdk", ()))
    reading, copy, *taken = race.between([["dd", "bs=1M", "status=none", "of=/dev/null", f"if={race.raw}"],
                                          synced("cp", "--sparse=always", race.raw, race.out),
                                          *(race.ours(form, *options) for form, options in forms)], times=5)
    table.row("sparse copy", ms(copy))
    # Several forms of a build do it once for all of them.
    table.row("reading alone, which a build does once for all forms", f"{ms(reading)}, {reading / min(taken):.2f} of the fastest form")
    for (form, options), seconds in zip(forms, taken):
        table.row(f"{' '.join((form, *options[1:]))}, of the copy", f"{ms(seconds)}, {seconds / copy:.2f} times",
                  "at most 1.2", seconds <= 1.2 * copy)


def packed(race, table):
    cases = (("zlib qcow2", ("qcow2", "--compression", "zlib"), ("-c", "-O", "qcow2"), 3),
             ("streamOptimized VMDK", ("vmdk", "--variant", "streamOptimized"),
              ("-O", "vmdk", "-o", "subformat=streamOptimized"), 3),
             ("zstd qcow2", ("qcow2", "--compression", "zstd"),
              ("-c", "-W", "-O", "qcow2", "-o", "compression_type=zstd"), 1.2))
    for name, ours, theirs, target in cases:
        sides = race.ours(*ours), race.theirs(*theirs)
        mine, other = race.between(sides)
        my_size, other_size = map(race.size, sides)
        table.row(f"{name}, against qemu-img", f"{ms(mine)}, {other / mine:.2f} times as fast, "
                  f"{my_size / other_size:.3f} of its size", f"at least {target}", other >= target * mine)
    own, _ = peak_memory(race.ours("qcow2", "--compression", "zlib"), env=race.env)
    table.row("memory of zlib qcow2", f"{own / 1e6:.0f} MB", "below 64 MB", own < 64e6)


def hole(race, table):
    large = race.raw + ".large"
    run(["cp", "--sparse=always", race.raw, large])
    os.truncate(large, HOLE)
    for form in ("qcow2", "vhdx", "vhd"):
        options = ("--variant", "dynamic") if form == "vhd" else ()
        small, taken = race.between([race.ours(form, *options), race.ours(form, *options, raw=large)])
        table.row(f"{form} of a disk with 1 TiB of hole behind it", f"{ms(taken)}, {taken / small:.2f} times",
                  "at most 1.2", taken <= 1.2 * small)


def every_form(work, table):
    env, out = work.env, work.path("out")
    copy_tree(work.path("forms-tree"), *SMALL)
    recipe = work.recipe("forms", work.path("forms-tree"))

    def prepare():
        work.drop_results()
        run([UNI, "build", "-q", recipe, "-o", out, "-f", "elf"], env=env)

    taken = timed([UNI, "build", "-q", recipe, "-o", out, "-f", FORMS], prepare, env=env)
    table.row("all forms of the small image", ms(taken), "below 100 ms", taken < 0.1)


def main(work, tables):
    table = Table(f"Forms of a disk with {BYTES // 1000000} MB of data")
    tables.append(table)
    every_form(work, table)
    race = Race(work)
    plain(race, table)
    packed(race, table)
    hole(race, table)
