"""Programs on unibase and on a Debian cloud kernel, by turns, in one run: the same static binaries, the same QEMU, memory
and disk. Redis and a Go server over tap, SQLite's speedtest1 and files on ext4, the least system call, and what of its
memory a machine ever touched. Needs root (a network namespace of its own), redis-benchmark and wrk."""
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time

import network
from boot import cloud_kernel
from measure import Table
from workspace import ROOT

sys.path.insert(0, os.path.join(ROOT, "tests/kernel"))
UUID = "0f9a3c52-52c6-4b0e-8a39-6d0a7fb3c7a1"
DISK_MIB = 256
MODULES = (*network.MODULES, "virtio_blk", "crc16", "crc32c_generic", "libcrc32c", "mbcache", "jbd2", "ext4")
HERE = os.path.dirname(os.path.abspath(__file__))
PACKAGES = os.path.join(ROOT, "build/packages")
SOURCES = os.path.join(ROOT, "build/sources")


def compile_all(folder):
    """{name: static program}"""
    out = {name: os.path.join(folder, name) for name in ("calls", "speedtest1", "redis-server", "server")}
    musl = ["musl-gcc", "-O2", "-static", "-no-pie", "-w"]
    subprocess.run([*musl, os.path.join(HERE, "calls.c"), "-o", out["calls"]], check=True)
    sqlite = os.path.join(PACKAGES, "sqlite")
    objects = [os.path.join(at, n) for at, _, names in os.walk(sqlite) for n in names if n == "sqlite3.o"]
    headers = [at for at, _, names in os.walk(sqlite) if "sqlite3.h" in names] or [sqlite]
    subprocess.run([*musl, "-I", headers[0], os.path.join(SOURCES, "sqlite3-3.40.1/test/speedtest1.c"), *objects, "-lm",
                    "-lpthread", "-o", out["speedtest1"]], check=True)
    redis = os.path.join(PACKAGES, "redis")
    files = sorted(os.listdir(redis), key=lambda n: (n.endswith(".a"), n))
    subprocess.run([*musl, *(os.path.join(redis, n) for n in files if n.endswith((".o", ".a"))), "-lm", "-o",
                    out["redis-server"]], check=True)
    shutil.copy(os.path.join(PACKAGES, "goserver/server"), out["server"])
    return out


def unibase(folder, program, args, site):
    import mkimage
    image = os.path.join(folder, "unibase.elf")
    words = ["--kernel", os.path.join(ROOT, "build/bin/unibase.elf"), "-o", image, "--program", program, "--ext4",
             f"{UUID}=/data", "--network", f"{network.GUEST}/24", *site, "--", os.path.basename(program), *args]
    with open(image, "wb") as f:
        f.write(mkimage.build(mkimage.options().parse_args(words)))
    return ["-kernel", image]


def linux(folder, program, args, kernel, modules):
    tree, packed = os.path.join(folder, "linux"), os.path.join(folder, "linux.cpio")
    shutil.rmtree(tree, ignore_errors=True)
    os.makedirs(os.path.join(tree, "data"))
    os.makedirs(os.path.join(tree, "proc"))
    os.makedirs(os.path.join(tree, "dev"))
    shutil.copy(program, os.path.join(tree, "program"))
    shutil.copy("/bin/busybox", os.path.join(tree, "busybox"))
    there = []
    for name in MODULES:
        found = subprocess.run(["find", modules, "-name", name + ".ko"], capture_output=True, text=True, check=True)
        if found.stdout:
            shutil.copy(found.stdout.split()[0], tree)
            there.append(name)
    with open(os.path.join(tree, "init"), "w", encoding="ascii") as f:
        f.write("#!/busybox sh\n/busybox mount -t proc none /proc\n/busybox mount -t devtmpfs none /dev\n" +
                "".join(f"/busybox insmod /{name}.ko\n" for name in there) +
                f"/busybox ifconfig eth0 {network.GUEST} netmask 255.255.255.0 up\n/busybox ifconfig lo up\n"
                f"/busybox mount -t ext4 /dev/vda /data\n/program {' '.join(args)}\n/busybox umount /data\n"
                "/busybox poweroff -f\n")
    os.chmod(os.path.join(tree, "init"), 0o755)
    network.pack(tree, packed)
    return ["-kernel", kernel, "-initrd", packed, "-append", "console=ttyS0 quiet panic=-1"]


class Machine:
    """One start, on a fresh disk; `touched` is how much of its memory was ever used."""

    def __init__(self, folder, words):
        self.disk, self.memory = os.path.join(folder, "disk"), f"/dev/shm/uni-bench-{os.getpid()}"
        with open(self.disk, "wb") as f:
            f.truncate(DISK_MIB << 20)
        subprocess.run(["/sbin/mke2fs", "-q", "-F", "-t", "ext4", "-b", "4096", "-U", UUID, "-E", "lazy_itable_init=0",
                        self.disk], check=True)
        self.qemu = subprocess.Popen(
            ["qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-M", "q35,memory-backend=m", "-m", str(network.MEMORY),
             "-object", f"memory-backend-file,id=m,size={network.MEMORY}M,mem-path={self.memory},share=on", "-nodefaults",
             "-no-user-config", "-display", "none", "-no-reboot", "-serial", "stdio", "-netdev",
             f"tap,id=n,ifname={network.TAP},script=no,downscript=no", "-device", "virtio-net-pci,netdev=n,romfile=",
             "-drive", f"file={self.disk},format=raw,if=none,id=d", "-device", "virtio-blk-pci,drive=d", *words],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)

    def touched(self):
        return os.stat(self.memory).st_blocks * 512

    def until(self, port):
        end = time.monotonic() + 60
        while time.monotonic() < end:
            try:
                socket.create_connection((network.GUEST, port), timeout=0.2).close()
                return
            except OSError:
                time.sleep(0.05)
        raise TimeoutError(f"nobody listens on {port}")

    def text(self):
        return self.qemu.communicate(timeout=300)[0].decode(errors="replace")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.qemu.send_signal(signal.SIGKILL)
        self.qemu.wait()
        os.remove(self.memory)


def redis(machine):
    machine.until(6379)
    found = {}
    for name, words in (("redis GET", ["-t", "get"]), ("redis SET", ["-t", "set"]),
                        ("redis SET, 16 at once", ["-t", "set", "-P", "16", "-n", "60000"])):
        out = subprocess.run(["redis-benchmark", "-h", network.GUEST, "-n", "12000", "-c", "20", "--csv", *words], check=True,
                             capture_output=True, text=True).stdout
        found[name] = float(re.findall(r'"(?:GET|SET)","([\d.]+)"', out)[0])
    found["redis memory"] = machine.touched()
    return found


def go(machine):
    machine.until(80)
    out = subprocess.run(["wrk", "-t1", "-c16", "-d4", f"http://{network.GUEST}/"], check=True, capture_output=True,
                         text=True).stdout
    return {"Go HTTP": float(re.search(r"Requests/sec:\s+([\d.]+)", out)[1]), "Go memory": machine.touched()}


def speedtest1(machine):
    return {"speedtest1": float(re.search(r"TOTAL\.+ +([\d.]+)s", machine.text())[1])}


def calls(machine):
    return {f"files {name}" if name != "call" else "system call": float(figure)
            for name, figure in re.findall(r"(?m)^([a-z-]+) ([\d.]+)\r?$", machine.text()) if name != "end"}


CASES = (
    ("calls", ["/data"], calls),
    ("speedtest1", ["--size", "8", "/data/test.db"], speedtest1),
    ("redis-server", ["--port", "6379", "--bind", "0.0.0.0", "--protected-mode", "no", "--save", "''", "--dir", "/data"], redis),
    ("server", ["-listen", ":80", "-site", "/data"], go),
)


def measure(folder, kernel, modules, rounds):
    """{machine: {name: median}}"""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for words in (["tuntap", "add", network.TAP, "mode", "tap", "vnet_hdr"],
                  ["addr", "add", f"{network.HOST}/24", "dev", network.TAP], ["link", "set", network.TAP, "up"]):
        subprocess.run(["ip", *words], check=True)
    os.makedirs(folder, exist_ok=True)
    programs, found = compile_all(folder), {"unibase": {}, "linux": {}}
    for name, args, judge in CASES:
        plain = [word.strip("'") for word in args]
        machines = {"unibase": unibase(folder, programs[name], plain, [])}
        if kernel:
            machines["linux"] = linux(folder, programs[name], args, kernel, modules)
        for _ in range(rounds):
            for side, words in machines.items():
                with Machine(folder, words) as machine:
                    for what, figure in judge(machine).items():
                        found[side].setdefault(what, []).append(figure)
    return {side: {what: statistics.median(figures) for what, figures in all_.items()} for side, all_ in found.items()}


# What of it is better when it is less, the unit, and the target: unibase's part of the other's.
LESS = {"system call": ("ns", 0.2), "speedtest1": ("s", 1 / 0.97), "redis memory": ("MiB", 0.5), "Go memory": ("MiB", 0.5),
        "files random-write-synced": ("ns", 1 / 0.97), "files random-read-cached": ("ns", 1 / 0.97),
        "files random-read": ("ns", 1 / 0.97)}


def show(table, what, ours, theirs):
    unit, target = LESS.get(what, ("MiB/s" if what.startswith("files") else "/s", 0.97))
    scale = 1 << 20 if unit == "MiB" else 1
    text = f"{ours / scale:.1f} {unit}"
    if theirs is None:
        table.row(what, text)
        return
    ratio = ours / theirs
    less = what in LESS
    table.row(what, f"{text}; Linux {theirs / scale:.1f} {unit}: {ratio:.2f} of it",
              f"at {'most' if less else 'least'} {target:.2f}", ratio <= target if less else ratio >= target)


def main(work, tables, rounds=3):
    table = Table("Programs beside a Debian cloud kernel (q35, one processor, 256 MB, TCG; the same static programs)")
    tables.append(table)
    if os.geteuid() != 0 or shutil.which("redis-benchmark") is None or shutil.which("wrk") is None:
        table.row("not measured", "it needs root, redis-benchmark and wrk")
        return
    kernel = cloud_kernel(work)
    done = subprocess.run(["unshare", "--net", sys.executable, __file__, work.path("programs"), kernel[1] if kernel else "",
                           os.path.join(ROOT, "build/bench/root/lib/modules"), str(rounds)], check=True,
                          stdout=subprocess.PIPE, text=True)
    found = json.loads(done.stdout.splitlines()[-1])
    for what, ours in found["unibase"].items():
        show(table, what, ours, found["linux"].get(what))


if __name__ == "__main__":
    print(json.dumps(measure(*sys.argv[1:4], int(sys.argv[4]))))
