#!/usr/bin/python3
"""unibase as a guest of the real Xen: hypervisor, dom0 and xl from Debian's packages, under QEMU.

One start of Xen serves several guests, one after the other; each test judges its part of the
report. UNI_SOAK=1 adds what takes longer.
"""
import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", name) for name in ("kernel", "drivers", "cli")]
import drivers_test
import lab
import live_volume
import mkimage
import scenario
import test_live
import test_typed

PROBE = UNIBASE = None

KEPT = """
on_poweroff = "preserve"
on_reboot = "preserve"
on_crash = "preserve"
"""
CFG = """name = "{name}"
type = "pvh"
kernel = "/guest/{kernel}"
memory = {memory}
shadow_memory = 1
{more}
""" + KEPT
# As EC2's older instances are: firmware, an emulated disk to start from, the same disk by blkfront.
HVM = """name = "{name}"
type = "hvm"
memory = 64
boot = "c"
vga = "none"
nographic = 1
vnc = 0
usb = 0
disk = ["format=raw,vdev=hda,access=rw,target=/guest/site.img"]
vif = ["bridge=br0,type=vif"]
{more}
""" + KEPT


LIVE = """
start {name}
home=/local/domain/$(xl domid {name})
waits()  # until what the guest writes at $1 is like $2, and not $3
{{
    for i in $(seq 100); do
        said=$(xenstore-read $home/data/uni/$1 2>/dev/null)
        case "$said" in "$3") ;; $2*) break ;; esac
        usleep 100000
    done
}}
waits live/0 1
dd if=/guest/live-2.img of=/guest/live.img conv=notrunc 2>/dev/null
xenstore-write $home/uni/knock 1
waits live/0 2
echo "answers $said"
xl block-attach {name} format=raw,vdev=xvdb,access=ro,target=/guest/extra.img
xenstore-write $home/uni/order/0 {attach}
waits reply [0-9]
first=$said
echo "attached $said"
xenstore-write $home/uni/order/0 {detach}
waits reply [0-9] "$first"
echo "detached $said"
xl block-detach {name} xvdb && echo taken away
dd if=/guest/live-3.img of=/guest/live.img conv=notrunc 2>/dev/null
xenstore-write $home/uni/knock 2
ended {name} 20
"""


# A volume that comes and goes more often than a grant table has room for disks.
CHURN = """
xl create -q /guest/{name}.cfg
home=/local/domain/$(xl domid {name})
replied() {{
    for i in $(seq 200); do
        said=$(xenstore-read $home/data/uni/reply 2>/dev/null)
        [ "$said" != "$1" ] && break
        usleep 50000
    done
}}
said=
while read attach detach; do
    xl block-attach {name} format=raw,vdev=xvdb,access=ro,target=/guest/extra.img || break
    before=$said; xenstore-write $home/uni/order/0 $attach; replied "$before"
    attached="$said"
    before=$said; xenstore-write $home/uni/order/0 $detach; replied "$before"
    echo "went ${{attached#* }} ${{said#* }}"
    xl block-detach {name} xvdb
done </guest/orders
xl shutdown {name}
ended {name} 20
"""
TURNS = 40


class Guests:
    """Files for dom0 and the script that runs the guests there."""

    def __init__(self):
        self.files, self.script = {}, ""

    def add(self, name, image, script="start {name}\nended {name} 20\n", memory=24, more=""):
        self.files[f"{name}.elf"] = image
        self.files[f"{name}.cfg"] = CFG.format(name=name, kernel=f"{name}.elf", memory=memory,
                                               more=more).encode()
        self.script += f"mark {name}\n" + script.replace("{name}", name)
        self.script += f"mark {name}-said\nsaid {name}\n"

    def disk(self, name, data):
        """In /guest of dom0, which writes it anew."""
        self.files[name] = data
        return f"format=raw,vdev={{}},access={{}},target=/guest/{name}"


def image(kernel, arguments, program=None):
    parser = mkimage.options()
    options = parser.parse_args(["--kernel", kernel, "-o", "-", *(["--program", program] if program else []),
                                 "--", *arguments])
    return mkimage.build(options)


BRIDGE = "brctl addbr br0 2>/dev/null && ip addr add 10.9.0.1/24 dev br0 && ip link set br0 up\n"


def address():
    """The record for UNI_CONFIG_XENSTORE."""
    config = mkimage.Config()
    config.add("network", "10.9.0.2/24")
    return config.record().hex()


def runtime(kernel, source):
    """A program whose network is told at start."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "program")
        subprocess.run(["musl-gcc", "-static", "-O2", "-Wall", "-Wextra", "-o", path, source], check=True)
        config = mkimage.Config()
        config.add("program", "/app/program")
        config.add("arg", "program")
        config.add("runtime", mkimage.CFG["network"])
        with open(path, "rb") as f, open(kernel, "rb") as k:
            return mkimage.link(k.read(), [("config", config.record(), bytes(16)), ("program", f.read(), bytes(16))])


def configured(name, record):
    """Starts the guest with this record, in two pieces."""
    folder = f"/local/domain/$(xl domid {name})/uni/config"
    return (f"xl create -q -p /guest/{name}.cfg\n"
            f"xenstore-write {folder}/0 {record[:40]} {folder}/1 {record[40:]}\nxl unpause {name}\n")


def probe(*arguments):
    return image(PROBE, arguments)


def program(folder, source):
    """A static program of these few lines of C, joined to the kernel."""
    path = os.path.join(folder, "program")
    with open(path + ".c", "w", encoding="utf-8") as f:
        f.write(source)
    subprocess.run(["musl-gcc", "-static", "-O1", "-o", path, path + ".c"], check=True)
    return image(UNIBASE, ["program", "argument"], path)


def typed():
    """A program that reads its console more slowly than it is typed."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "typed")
        source = os.path.join(HERE, "../kernel/tools/typed.c")
        subprocess.run(["musl-gcc", "-std=gnu17", "-static", "-O1", "-o", path, source], check=True)
        return image(UNIBASE, ["typed"], path)


def disks(*specs):
    return "disk = [" + ", ".join(f'"{spec}"' for spec in specs) + "]"


def site():
    """The stock recipe for a kernel that knows Xen: kernel and disk."""
    build = scenario.Scenario()
    build.setUp()
    try:
        shutil.copytree(os.path.join(lab.ROOT, "recipes/stock/site"), os.path.join(build.work, "site"))
        recipe = build.read("site/recipe.toml").decode()
        wanted = '[base]\nname = "unibase"\n'
        build.assertIn(wanted, recipe)
        build.write("site/recipe.toml", recipe.replace(wanted, wanted + 'devices = ["xen-blkfront", "xen-netfront"]\n'))
        build.uni("build", "site/recipe.toml", "-o", "out")
        return [build.read(f"out/site.{form}") for form in ("elf", "raw")]
    finally:
        build.doCleanups()


def serve(name, more=""):
    """The script for it: an address by xenstore, a page for dom0, an order to stop."""
    return BRIDGE + configured(name, address()) + f"""
        for i in $(seq 30); do
            wget -q -O /page http://10.9.0.2/ 2>/wget.log && break
            usleep 100000
        done
        cat /page /wget.log
        {more}
        xl shutdown {name}
        ended {name} 20
        """


def sum31(data):
    value = 0
    for byte in data:
        value = (value * 31 + byte) & 0xFFFFFFFF
    return value


class Case(unittest.TestCase):
    def check(self, name, said, state="---s--", exit="status 0"):
        part = self.report.part
        self.assertIn(name, part, self.report.whole)
        self.assertIn(f"state {state}\n", part[name], self.report.whole)
        self.assertRegex(part[name], rf"(?m)^exit {exit}$", self.report.whole)
        self.assertRegex(part[name + "-said"], said)

    def check_site(self, name):
        self.check(name, "site: serving\nsite: stopped\n", exit="power 0: told to stop")
        with open(os.path.join(lab.ROOT, "recipes/stock/site/www/index.html"), encoding="utf-8") as f:
            self.assertIn(f.read(), self.report.part[name])


class Xen(Case):
    """One start: a program's status, a fault, disks; the stock site over a network interface."""

    @classmethod
    def setUpClass(cls):
        guests = Guests()
        with tempfile.TemporaryDirectory() as folder:
            guests.add("status", program(folder, """
                #include <stdio.h>
                #include <time.h>
                int main(int argc, char **argv)
                {
                    struct timespec wait = { 0, 250000000 }, before, after;
                    clock_gettime(CLOCK_MONOTONIC, &before);
                    nanosleep(&wait, NULL);
                    clock_gettime(CLOCK_MONOTONIC, &after);
                    printf("%d %s\\nslept %ld\\ntime %ld\\n", argc, argv[1],
                           (after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000,
                           (long)time(NULL));
                    return 3;
                }
                """), "start {name}\nended {name} 20\necho time $(date +%s)\n")
            guests.add("fault", program(folder, "int main(void) { *(volatile int *)8 = 1; return 0; }"))
        cls.parts = drivers_test.gpt(2048, [(40, 1000), (1001, 2000)])
        table = guests.disk("table.img", cls.parts)
        odd = guests.disk("odd.img", drivers_test.pattern(513 * 512, 3))
        guests.add("disks", probe("disks"), more=disks(
            table.format("xvda", "ro"), odd.format("xvdb", "rw")))
        kernel, disk = site()
        guests.add("site", kernel, serve("site"), more=disks(guests.disk("site.img", disk).format("xvda", "ro")) +
                   '\nvif = ["bridge=br0"]')
        cls.form(guests)
        cls.live(guests)
        cls.report = lab.run(guests.script, guests.files)

    @classmethod
    def form(cls, guests):
        """What `uni build --format xen` writes, as it is."""
        build = scenario.Scenario()
        build.setUp()
        try:
            build.hello(scenario.HELLO_RECIPE + '[machine]\nmemory = "10M"\n'
                        '[output]\nformats = ["xen"]\nxen.folder = "/guest"\n')
            build.uni("build", "recipe.toml", "-o", "out")
            for name in ("hello.xen.elf", "hello.site.raw", "hello.xl.cfg"):
                guests.files[name] = build.read(f"out/{name}")
        finally:
            build.doCleanups()
        guests.script += """
            mark form
            xl -N create /guest/hello.xl.cfg >/parsed && echo "read by xl"
            xl create -q /guest/hello.xl.cfg
            for i in $(seq 100); do
                xl domid hello >/domid 2>&1 || break
                usleep 100000
            done
            said hello
            """

    @classmethod
    def live(cls, guests):
        """New content by a knock in xenstore; a volume that comes with a disk, and goes with it."""
        build = scenario.Scenario()
        build.packages = ()
        build.setUp()
        try:
            volume = live_volume.Volume(build.path("volume"), test_live.GUID)
            for n, page in enumerate(("one", "two", "stop")):
                volume.commit(test_live.squash(build.path(page), page))
                with open(volume.path, "rb") as f:
                    guests.files[f"live-{n + 1}.img"] = f.read()
            program = build.path("program")
            subprocess.run(["musl-gcc", "-static", "-O1", "-o", program,
                            os.path.join(HERE, "../kernel/tools/live.c")], check=True)
            elf = test_live.image(UNIBASE, program, build.path("elf"))
            with open(elf, "rb") as f:
                image = f.read()
            build.write("extra/word", "more\n")
            build.uni("volume", "create", "extra.vol", "--from", "extra", "--size", "4M")
            guests.files["extra.img"] = build.read("extra.vol")
            orders = [build.uni("volume", *words, "--print").strip() for words in
                      (("attach", "extra.vol", "--mount", "/srv/more"), ("detach", "extra.vol"))]
        finally:
            build.doCleanups()
        guests.add("live", image, LIVE.format(attach=orders[0], detach=orders[1], name="{name}"),
                   more=disks(guests.disk("live.img", guests.files["live-1.img"]).format("xvda", "ro")))

    def test_live(self):
        part = self.report.part["live"]
        self.assertRegex(part, r"(?m)^answers 2 [12] 0 0$", self.report.whole)
        self.assertRegex(part, r"(?m)^attached \d+ 0 $", self.report.whole)
        self.assertRegex(part, r"(?m)^detached \d+ 0 $", self.report.whole)
        self.assertIn("taken away\n", part)
        self.check("live", r"(?s)page <one>.*page <two>.*page <stop>")

    def test_form(self):
        part = self.report.part["form"]
        self.assertIn("read by xl\n", part)
        self.assertIn("arg 2 two words\n", part)
        self.assertIn("page from the volume\n", part)

    def test_status(self):
        self.check("status", "2 argument\n", exit="status 3")

    def test_clock(self):
        """Time passes for the guest as for dom0, whose wall clock is Xen's too."""
        told = [int(re.search(r"time (\d+)", self.report.part[name]).group(1)) for name in ("status-said", "status")]
        self.assertLess(abs(told[1] - told[0]), 120)
        slept = int(re.search(r"slept (\d+)", self.report.part["status-said"]).group(1))
        self.assertGreaterEqual(slept, 250)

    def test_fault(self):
        """What ends by itself is a crash for the toolstack."""
        self.check("fault", "SIGSEGV at address 0x8 in main", state="---sc-", exit="fault 11.*")

    def test_disks(self):
        odd = drivers_test.pattern(513 * 512, 3)
        first, second = self.parts[40 * 512:1001 * 512], self.parts[1001 * 512:2001 * 512]
        lines = []
        for name, mode, data in (("xvda", "ro", self.parts), ("xvdb", "rw", odd),
                                 ("xvda1", "ro", first), ("xvda2", "ro", second)):
            lines.append(f"{name} {len(data)} {mode} {drivers_test.hash64(data):016x}")
        for line in lines:
            self.check("disks", line)

    def test_site(self):
        self.check_site("site")


@unittest.skipUnless(os.environ.get("UNI_SOAK"), "long; UNI_SOAK=1")
class Soak(Case):
    """Everything the drivers' own test tries on QEMU's machines, here."""

    @classmethod
    def setUpClass(cls):
        guests = Guests()
        disk = guests.disk("big.img", bytes(20 << 20))
        cls.data = drivers_test.pattern(6 << 20, 5)
        guests.files["data"] = cls.data
        for name, memory in (("transfer", 64), ("tight", 12)):
            guests.add(name, runtime(UNIBASE, os.path.join(HERE, "transfer.c")), BRIDGE + configured(name, address()) +
                       "for i in $(seq 30); do nc 10.9.0.2 9 </guest/data && break; usleep 100000; done\n"
                       "[ -e /hold ] || mkfifo /hold; exec 7<>/hold\n"  # input that does not end
                       "timeout 60 nc 10.9.0.2 9 <&7 >/tmp/back; md5sum </tmp/back\nended {name} 20\n",
                       memory=memory, more='vif = ["bridge=br0"]')
        guests.add("fly", probe("fly"), memory=64, more=disks(disk.format("xvda", "rw")))
        guests.add("small", probe("fly"), memory=31, more=disks(disk.format("xvda", "rw")))
        guests.add("refuse", probe("refuse"), more=disks(disk.format("xvda", "ro")))
        guests.add("flood", probe("flood"))
        guests.add("restart", probe("restart"))
        guests.add("echo", probe("echo"), "start {name}\n"
                   "tty=$(xenstore-read /local/domain/$(xl domid {name})/console/tty)\n"
                   "sleep 1; echo abcdefgh >$tty; sleep 1; echo q >$tty\nended {name} 20\n")
        guests.files["text"] = cls.text = test_typed.lines(20000, 90)
        guests.add("typed", typed(), "start {name}\n"
                   "tty=$(xenstore-read /local/domain/$(xl domid {name})/console/tty)\n"
                   "cat /guest/text >$tty; printf '\\004' >$tty\nended {name} 60\n")
        guests.add("button", probe("button"), "start {name}\nsleep 1; xl shutdown {name}\nended {name} 20\n")
        guests.add("reboot", probe("button"), "start {name}\nsleep 1; xl reboot {name}\nended {name} 20\n")
        guests.add("resize", probe("resize"), "start {name}\nsleep 1\n"
                   "dd if=/dev/zero of=/guest/big.img bs=1M count=30 2>/dev/null; losetup -c /dev/loop0\n"
                   "ended {name} 20\n", more=disks(disk.format("xvda", "rw")))
        guests.add("detach", probe("button"), "start {name}\nsleep 1; xl block-detach {name} xvda && echo detached\n"
                   "xl shutdown {name}; ended {name} 20\n", more=disks(disk.format("xvda", "rw")))
        cls.churn(guests)
        cls.report = lab.run(guests.script, guests.files, timeout=900, memory=1024, dom0=640)

    @classmethod
    def churn(cls, guests):
        build = scenario.Scenario()
        build.packages = ()
        build.setUp()
        try:
            volume = live_volume.Volume(build.path("volume"), test_live.GUID)
            volume.commit(test_live.squash(build.path("one"), "one"))
            build.write("extra/word", "more\n")
            build.uni("volume", "create", "extra.vol", "--from", "extra", "--size", "4M")
            orders = [" ".join(build.uni("volume", *words, "--print").strip() for words in
                               (("attach", "extra.vol", "--mount", "/srv/more"), ("detach", "extra.vol")))
                      for _ in range(TURNS)]
            program = build.path("program")
            subprocess.run(["musl-gcc", "-static", "-O1", "-o", program,
                            os.path.join(HERE, "../kernel/tools/live.c")], check=True)
            with open(test_live.image(UNIBASE, program, build.path("elf")), "rb") as f:
                image = f.read()
            with open(volume.path, "rb") as f:
                live = f.read()
            guests.files["extra.img"] = build.read("extra.vol")
        finally:
            build.doCleanups()
        guests.files["orders"] = ("\n".join(orders) + "\n").encode()
        guests.add("churn", image, CHURN.format(name="{name}"), memory=64,
                   more=disks(guests.disk("live.img", live).format("xvda", "ro")))

    def test_churn(self):
        """As many disks one after the other as there are grants for thirty."""
        went = re.findall(r"(?m)^went (.*)$", self.report.part["churn"])
        self.assertEqual(went, ["0  0 "] * TURNS, self.report.whole)

    def test_disk(self):
        for name in ("fly", "small"):
            self.check(name, "all came back")
        self.check("refuse", "same")

    def test_transfer(self):
        """Segments that the other side has joined, and as many frames as fit, both ways."""
        back, dice = bytearray(), 1
        while len(back) < len(self.data):
            dice = (dice * 1103515245 + 12345) & 0xFFFFFFFF
            back.append(dice >> 16 & 0xFF)
        for name in ("transfer", "tight"):
            self.check(name, f"took {len(self.data)} {sum31(self.data):08x}\ngave {sum31(back):08x}\n")
            self.assertIn(hashlib.md5(back).hexdigest(), self.report.part[name])

    def test_console(self):
        said = "".join(f"line {i} of the flood, of some length so that the port is kept busy\n" for i in range(4000))
        self.check("flood", "line 3999")
        self.assertIn(said, self.report.part["flood-said"])
        self.check("echo", "ready\n.*abcdefgh")
        self.check("typed", f"read {len(self.text)} {test_typed.fnv1a(self.text):016x}\n")

    def test_orders(self):
        self.check("button", "listening\npressed\n")
        self.check("reboot", "listening\npressed\n", state="---sr-")
        self.check("restart", "^", state="---sr-")

    def test_changes(self):
        self.check("resize", "size 31457280")
        self.check("detach", "xvda was taken away\n")
        self.assertIn("detached\n", self.report.part["detach"])


@unittest.skipUnless(os.environ.get("UNI_SOAK"), "long; UNI_SOAK=1")
class Firmware(Case):
    """HVM: the disk starts by SeaBIOS from an emulated drive, and goes on with Xen's own devices."""

    @classmethod
    def setUpClass(cls):
        guests = Guests()
        guests.files["site.img"] = site()[1]
        model = "/proc/$(pidof xen-qemu-system-i386)/fd"
        for name, more, log in (("serial", 'serial = "file:/guest/serial"', "cat /guest/serial"),
                                ("console", "", "said console")):
            guests.files[f"{name}.cfg"] = HVM.format(name=name, more=more).encode()
            guests.script += f"mark {name}\n" + serve(name, f"echo emulated $(ls -l {model} | grep -c site.img)")
            guests.script += f"mark {name}-said\n{log}\n"
        cls.report = lab.run(guests.script, guests.files, timeout=900, memory=1200, dom0=768, hvm=True)

    def test_site(self):
        for name in ("serial", "console"):
            self.check_site(name)
            self.assertIn("emulated 0\n", self.report.part[name])


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--probe", required=True)
    parser.add_argument("--unibase", required=True)
    options, rest = parser.parse_known_args()
    PROBE, UNIBASE = options.probe, options.unibase
    unittest.main(argv=[sys.argv[0], *rest], verbosity=2)
