"""Starting: hello on unibase beside kernels and boot sectors that do nothing, and beside Linux."""
import os
import shutil
import subprocess
import sys

from measure import Table, duel, ms, run
from workspace import HERE, ROOT, UNI

QEMU = "qemu-system-x86_64"


def machine(kind, *more, memory=64):
    return [QEMU, "-accel", "tcg", "-machine", kind, "-cpu", "max", "-m", str(memory), "-nodefaults",
            "-no-user-config", "-display", "none", "-no-reboot", "-serial", "stdio", "-device",
            "isa-debug-exit,iobase=0xf4,iosize=4", *more]


def cloud_kernel(work):
    """A Debian cloud kernel with an initramfs of busybox alone; None where it cannot be had."""
    folder = os.path.join(ROOT, "build/bench")
    kernel = os.path.join(folder, "vmlinuz")
    if not os.path.exists(kernel):
        os.makedirs(folder, exist_ok=True)
        depends = subprocess.run(["apt-cache", "depends", "linux-image-cloud-amd64"], check=False,
                                 capture_output=True, text=True).stdout
        names = [line.split()[-1] for line in depends.split("\n") if "Depends: linux-image-" in line]
        if not names or subprocess.run(["apt-get", "download", names[0]], cwd=folder, check=False,
                                       capture_output=True).returncode != 0:
            return None
        deb = next(f for f in os.listdir(folder) if f.endswith(".deb"))
        run(["dpkg-deb", "-x", os.path.join(folder, deb), os.path.join(folder, "root")])
        boot = os.path.join(folder, "root/boot")
        shutil.copy(os.path.join(boot, next(f for f in os.listdir(boot) if f.startswith("vmlinuz"))), kernel)
    root = work.path("initramfs")
    os.makedirs(os.path.join(root, "bin"), exist_ok=True)
    shutil.copy("/bin/busybox", os.path.join(root, "bin"))
    with open(os.path.join(root, "init"), "w", encoding="ascii") as f:
        f.write("#!/bin/busybox sh\n/bin/busybox echo hello\n/bin/busybox poweroff -f\n")
    os.chmod(os.path.join(root, "init"), 0o755)
    names = "\n".join([".", "bin", "bin/busybox", "init"]) + "\n"
    packed = work.path("initramfs.cpio")
    with open(packed, "wb") as f:
        subprocess.run(["cpio", "-o", "-H", "newc", "--quiet"], cwd=root, input=names.encode(), stdout=f, check=True)
    return ["-kernel", kernel, "-initrd", packed, "-append", "console=ttyS0 quiet panic=-1"]


def disk_arguments(path):
    return ["-drive", f"file={path},format=raw,if=none,id=d,readonly=on", "-device", "virtio-blk-pci,drive=d,bootindex=0"]


def nothing(work):
    """A kernel that does nothing, and a boot sector that does."""
    empty, sector = work.path("empty.elf"), work.path("sector.img")
    run(["gcc", "-nostdlib", "-static", "-no-pie", "-Wl,-Ttext-segment=0x200000,-e,start,--build-id=none", "-o", empty,
         os.path.join(HERE, "empty.S")])
    run(["gcc", "-c", "-o", work.path("sector.o"), os.path.join(HERE, "sector.S")])
    run(["objcopy", "-O", "binary", "-j", ".text", work.path("sector.o"), sector])
    with open(sector, "r+b") as f:
        f.truncate(516096)
    return empty, sector


def beside(table, kind, way, least, ours):
    """One row for who does nothing, one for hello."""
    what, least = least
    # Its status is one by which QEMU fails too.
    if b"hello" not in run(ours, ok=(1,)).stdout:
        sys.exit(f"{kind}, {way}: hello does not start")
    least, ours = duel(least, ours, ok=(1,), times=41)
    table.row(f"{kind}, {way}: {what}", ms(least))
    table.row(f"{kind}, {way}: hello on unibase", f"{ms(ours)}, {ours / least:.2f} times", "at most 1.3",
              ours <= 1.3 * least)


def beside_linux(work, table, elf):
    linux = cloud_kernel(work)
    if linux is None:
        table.row("Debian cloud kernel", "not measured: it cannot be downloaded here")
        return
    theirs, ours = duel(machine("q35", *linux, memory=256), machine("q35", "-kernel", elf, memory=256), ok=(0, 1),
                        times=3)
    table.row("q35: Debian cloud kernel, busybox says hello", ms(theirs))
    table.row("q35: hello on unibase", f"{ms(ours)}, {ours / theirs:.3f} of it", "at most 0.2", ours <= 0.2 * theirs)


def main(work, tables):
    table = Table("Starting (QEMU's start to its exit, TCG)")
    tables.append(table)
    empty, sector = nothing(work)
    out = work.path("out")
    work.empty_cache()
    run([UNI, "build", "-q", work.recipe("hello", None), "-o", out, "-f", "raw,elf"], env=work.env)
    elf, raw = os.path.join(out, "hello.elf"), os.path.join(out, "hello.raw")
    size = os.path.getsize(os.path.join(ROOT, "build/bin/unibase-bare.elf"))
    table.row("kernel ELF of hello", f"{size:,} bytes", "below 200 KB", size < 200_000)
    for name in ("unibase-volumes", "unibase-network", "unibase-server", "unibase"):
        size = os.path.getsize(os.path.join(ROOT, f"build/bin/{name}.elf"))
        plain = os.path.getsize(os.path.join(ROOT, f"build/kernels/unibase/{name}.plain.elf"))
        small = ("below 200 KB", size < 200_000) if name == "unibase-volumes" else ()
        table.row(f"kernel ELF {name}", f"{size:,} bytes; unpacks itself to {plain:,}", *small)
    table.row("bootable disk of hello", f"{os.path.getsize(raw):,} bytes")
    for kind in ("microvm", "q35", "pc"):
        beside(table, kind, "-kernel", ("empty PVH kernel", machine(kind, "-kernel", empty)),
               machine(kind, "-kernel", elf))
    for kind in ("q35", "pc"):
        beside(table, kind, "disk", ("boot sector that exits", machine(kind, *disk_arguments(sector))),
               machine(kind, *disk_arguments(raw)))
    beside_linux(work, table, elf)
    done = run(machine("microvm", "-kernel", elf, memory=8), ok=(1,))
    table.row("hello in 8 MB", "runs" if b"hello" in done.stdout else "does not", "runs", b"hello" in done.stdout)
