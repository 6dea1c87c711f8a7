"""Serving over a tap device: unibase and a Debian cloud kernel with the same static program, in turns, in one
run, the same QEMU and memory. Needs root (a tap device in a network namespace of its own) and wrk."""
import http.client
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time

from boot import cloud_kernel
from measure import Table, ms
from workspace import ROOT

sys.path.insert(0, os.path.join(ROOT, "tests/kernel"))
HOST, GUEST, TAP = "10.8.0.1", "10.8.0.2", "unitap"
SIZES = {"1k": 1024, "100k": 100 << 10, "10m": 10 << 20}
MODULES = ("virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci", "failover",
           "net_failover", "virtio_net")
MEMORY = 256


def program(folder):
    """The static site's server, linked by musl: Linux and unibase run the same file."""
    out = os.path.join(folder, "server")
    source = os.path.join(ROOT, "recipes/stock/site")
    files = [os.path.join(source, name) for name in sorted(os.listdir(source)) if name.endswith(".c")]
    subprocess.run(["musl-gcc", "-std=gnu17", "-O2", "-static", *files, "-o", out], check=True)
    return out


def pack(tree, out):
    names = [os.path.relpath(os.path.join(folder, name), tree)
             for folder, folders, files in os.walk(tree) for name in folders + files]
    with open(out, "wb") as f:
        subprocess.run(["cpio", "-o", "-H", "newc", "--quiet"], cwd=tree, check=True, stdout=f,
                       input="\n".join(sorted(names)).encode())


def pages(tree, sizes):
    os.makedirs(os.path.join(tree, "www"))
    for name, size in sizes.items():
        with open(os.path.join(tree, "www", name), "wb") as f:
            f.write(b"x" * size)


def unibase(folder, server):
    import mkimage
    tree, image = os.path.join(folder, "unibase"), os.path.join(folder, "unibase.elf")
    pages(tree, SIZES)
    pack(tree, image + ".cpio")
    words = ["--kernel", os.path.join(ROOT, "build/bin/unibase.elf"), "-o", image, "--program", server,
             "--root", image + ".cpio", "--network", f"{GUEST}/24", "--", "server", "-p", "80", "/www"]
    with open(image, "wb") as f:
        f.write(mkimage.build(mkimage.options().parse_args(words)))
    return ["-kernel", image]


def linux(folder, server, kernel, modules, sizes=None):
    tree, packed = os.path.join(folder, "linux"), os.path.join(folder, "linux.cpio")
    pages(tree, sizes or SIZES)
    shutil.copy(server, os.path.join(tree, "server"))
    shutil.copy("/bin/busybox", os.path.join(tree, "busybox"))
    for name in MODULES:
        found = subprocess.run(["find", modules, "-name", name + ".ko"], capture_output=True, text=True, check=True)
        shutil.copy(found.stdout.split()[0], tree)
    with open(os.path.join(tree, "init"), "w", encoding="ascii") as f:
        f.write("#!/busybox sh\n" + "".join(f"/busybox insmod /{name}.ko\n" for name in MODULES) +
                f"/busybox ifconfig eth0 {GUEST} netmask 255.255.255.0 up\nexec /server -p 80 /www\n")
    os.chmod(os.path.join(tree, "init"), 0o755)
    pack(tree, packed)
    return ["-kernel", kernel, "-initrd", packed, "-append", "console=ttyS0 quiet panic=-1"]


def card():
    """The guest's network device, at the tap."""
    return ["-netdev", f"tap,id=n,ifname={TAP},script=no,downscript=no", "-device", "virtio-net-pci,netdev=n,romfile="]


def make_tap():
    for words in (["ip", "link", "set", "lo", "up"], ["ip", "tuntap", "add", TAP, "mode", "tap", "vnet_hdr"],
                  ["ip", "addr", "add", f"{HOST}/24", "dev", TAP], ["ip", "link", "set", TAP, "up"]):
        subprocess.run(words, check=True)


class Machine:
    def __init__(self, words, memory=MEMORY):
        self.start = time.monotonic()
        self.qemu = subprocess.Popen(
            ["qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-M", "q35", "-m", str(memory), "-nodefaults",
             "-no-user-config", "-display", "none", "-no-reboot", "-serial", "stdio", *card(), *words],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    def first_answer(self, path="/1k", within=60):
        """Seconds from QEMU's start to the first whole answer."""
        while time.monotonic() - self.start < within and self.qemu.poll() is None:
            try:
                c = http.client.HTTPConnection(GUEST, timeout=0.05)
                c.request("GET", path)
                answer = c.getresponse()
                if answer.status == 200 and len(answer.read()) == int(answer.getheader("Content-Length")):
                    return time.monotonic() - self.start
            except (OSError, socket.timeout, http.client.HTTPException):
                time.sleep(0.002)
        raise TimeoutError("no answer from the guest")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.qemu.send_signal(signal.SIGKILL)
        self.qemu.wait()


def wrk(path, seconds, connections):
    done = subprocess.run(["wrk", "-t1", f"-c{connections}", f"-d{seconds}", f"http://{GUEST}/{path}"], check=False,
                          capture_output=True, text=True)
    if done.returncode != 0 or "Non-2xx" in done.stdout or "Socket errors" in done.stdout:
        print(path, done.stdout, done.stderr, file=sys.stderr)
    return float((re.search(r"Requests/sec:\s+([\d.]+)", done.stdout) or (0, 0))[1])


def by_turns(machines, rounds=3, seconds=3):
    """Medians, the machines taking turns: {machine: {size or "first": figure}}."""
    found = {name: {key: [] for key in [*SIZES, "first"]} for name in machines}
    for _ in range(rounds):
        for name, words in machines.items():
            with Machine(words) as machine:
                found[name]["first"].append(machine.first_answer())
                for path in SIZES:
                    found[name][path].append(wrk(path, seconds, 4 if path == "10m" else 32))
    return {name: {key: statistics.median(values) for key, values in figures.items()}
            for name, figures in found.items()}


def serve(folder, kernel, modules, rounds=3, seconds=3):
    """Runs in a network namespace of its own: see inside()."""
    make_tap()
    os.makedirs(folder, exist_ok=True)
    server = program(folder)
    machines = {"unibase": unibase(folder, server)}
    if kernel:
        machines["linux"] = linux(folder, server, kernel, modules)
    return by_turns(machines, rounds, seconds)


def inside(work, kernel, modules, *more):
    """The figures, measured by this file run in a namespace of its own."""
    import json
    done = subprocess.run(["unshare", "--net", sys.executable, __file__, work, kernel or "", modules or "",
                           *map(str, more)], check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def main(work, tables):
    table = Table("Serving over tap (wrk with keep-alive, q35, 256 MB, TCG; the same static program)")
    tables.append(table)
    if os.geteuid() != 0 or shutil.which("wrk") is None:
        table.row("not measured", "it needs root and wrk")
        return
    linux = cloud_kernel(work)
    found = inside(work.path("network"), linux and linux[1], os.path.join(ROOT, "build/bench/root/lib/modules"))
    ours, theirs = found["unibase"], found.get("linux")
    table.row("unibase: start to the first answer", ms(ours["first"]))
    for size in SIZES:
        table.row(f"unibase: {size}", f"{ours[size]:.0f} requests/s")
    if theirs is None:
        table.row("Debian cloud kernel", "not measured: it cannot be downloaded here")
        return
    table.row("Debian cloud kernel: start to the first answer",
              f"{ms(theirs['first'])}; unibase takes {ours['first'] / theirs['first']:.3f} of it", "at most 0.25",
              ours["first"] <= 0.25 * theirs["first"])
    for size in SIZES:
        ratio = ours[size] / theirs[size]
        table.row(f"Debian cloud kernel: {size}", f"{theirs[size]:.0f} requests/s; unibase gives {ratio:.2f} of it",
                  "at least 0.97", ratio >= 0.97)


if __name__ == "__main__":
    import json
    print(json.dumps(serve(*sys.argv[1:4], *map(int, sys.argv[4:]))))
