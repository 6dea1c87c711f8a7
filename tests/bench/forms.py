"""Forms of a disk, written by us and by qemu-img. What is written is on the disk when the clock stops: uni flushes by
itself, the others are followed by sync."""
import os

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
    def __init__(self, bench, work):
        self.bench, self.raw, self.out = bench, work.path("disk.raw"), work.path("disk.out")
        self.env = {**os.environ, "OUT": self.out}
        make_disk(self.raw)

    def clean(self):
        if os.path.exists(self.out):
            os.remove(self.out)
        os.sync()

    def time(self, argv, times=3):
        seconds = self.bench.timed(argv, self.clean, times, env=self.env)
        return seconds, os.stat(self.out).st_blocks * 512

    def ours(self, form, *options, raw=None):
        return [self.bench.UNI, "convert", "-q", raw or self.raw, form, "-o", self.out, "--force", *options]

    def theirs(self, *options):
        return synced("qemu-img", "convert", "-f", "raw", *options, self.raw, self.out)


def plain(race, table):
    copy, _ = race.time(synced("cp", "--sparse=always", race.raw, race.out))
    table.row("sparse copy", f"{copy * 1000:.0f} ms")
    for form, options in (("qcow2", ()), ("vhd", ()), ("vhd", ("--variant", "dynamic")), ("vmdk", ())):
        taken, _ = race.time(race.ours(form, *options))
        name = " ".join((form, *options[1:]))
        table.row(f"{name}, of the copy", f"{taken * 1000:.0f} ms, {taken / copy:.2f} times", "at most 1.2",
                  taken <= 1.2 * copy)


def packed(race, table):
    cases = (("zlib qcow2", ("qcow2", "--compression", "zlib"), ("-c", "-O", "qcow2"), 3),
             ("streamOptimized VMDK", ("vmdk", "--variant", "streamOptimized"),
              ("-O", "vmdk", "-o", "subformat=streamOptimized"), 3),
             ("zstd qcow2", ("qcow2", "--compression", "zstd"),
              ("-c", "-W", "-O", "qcow2", "-o", "compression_type=zstd"), 1.2))
    for name, ours, theirs, target in cases:
        mine, my_size = race.time(race.ours(*ours))
        other, other_size = race.time(race.theirs(*theirs))
        table.row(f"{name}, against qemu-img", f"{mine * 1000:.0f} ms, {other / mine:.2f} times as fast, "
                  f"{my_size / other_size:.3f} of its size", f"at least {target}", other >= target * mine)
    own, _ = race.bench.peak_memory(race.ours("qcow2", "--compression", "zlib"), env=race.env)
    table.row("memory of zlib qcow2", f"{own / 1e6:.0f} MB", "below 64 MB", own < 64e6)


def hole(race, table):
    large = race.raw + ".large"
    os.link(race.raw, large)
    small = {}
    for size in (None, HOLE):
        if size:
            os.truncate(large, size)
        for form in ("qcow2", "vhdx", "vhd"):
            options = ("--variant", "dynamic") if form == "vhd" else ()
            taken, _ = race.time(race.ours(form, *options, raw=large), 2)
            if size is None:
                small[form] = taken
            else:
                table.row(f"{form} of a disk with 1 TiB of hole behind it", f"{taken * 1000:.0f} ms, "
                          f"{taken / small[form]:.2f} times", "1.2", taken <= 1.2 * small[form])


def every_form(bench, work, table):
    recipe, env, out = work.recipe("small", None), work.env, work.path("out")

    def prepare():
        work.drop_results()
        bench.run([bench.UNI, "build", "-q", recipe, "-o", out, "-f", "elf"], env=env)

    taken = bench.timed([bench.UNI, "build", "-q", recipe, "-o", out, "-f", FORMS], prepare, env=env)
    table.row("all forms of the small image", f"{taken * 1000:.1f} ms", "below 100 ms", taken < 0.1)


def main(bench, work, tables):
    table = bench.Table(f"Forms of a disk with {BYTES // 1000000} MB of data")
    tables.append(table)
    every_form(bench, work, table)
    race = Race(bench, work)
    plain(race, table)
    packed(race, table)
    hole(race, table)
