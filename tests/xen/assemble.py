#!/usr/bin/python3
"""Assembles what it takes to start the real Xen: hypervisor, dom0's kernel and its initramfs.

All of it comes from Debian's packages, which apt downloads and nothing installs: neither the
machine's package state nor root is touched. The folder is made once; what carries the final name is
whole. tests/xen/lab.py starts it under QEMU.

  assemble.py FOLDER
"""
import fcntl
import glob
import gzip
import lzma
import os
import re
import struct
import subprocess
import sys
import tempfile

import cpio

VERSION = "3"  # of what is made here
XEN = "4.17"
PACKAGES = [f"xen-hypervisor-{XEN}-amd64", f"xen-utils-{XEN}", f"libxenmisc{XEN}", "xenstore-utils",
            "libxenstore4", "libxencall1", "libxendevicemodel1", "libxenevtchn1",
            "libxenforeignmemory1", "libxengnttab1", "libxentoolcore1", "libxentoollog1",
            "libxenhypfs1", "libyajl2", "libgcc-s1",
            "busybox-static", "qemu-system-xen", "qemu-system-data",
            "seabios"]
# Private tools of the toolstack, and what they call by name.
TOOLS = ["xl", "xenstored", "xenconsoled", "xenconsole", "xen-init-dom0", "libxl-save-helper"]
MODULES = ["xen-privcmd", "xenfs", "xen-evtchn", "xen-gntdev", "loop", "xen-blkback", "llc", "stp",
           "bridge", "xen-netback"]
# What an HVM guest needs besides: the device model, and what it and its firmware load.
MODEL = ["usr/libexec/xen-qemu-system-i386", f"usr/lib/xen-{XEN}/boot/hvmloader",
         "usr/share/seabios/bios-256k.bin", "usr/share/qemu/keymaps/en-us"]
FOLDERS = ["bin", "dev", "etc/xen/scripts", "guest", "lib/modules", "lib/x86_64-linux-gnu", "lib64",
           "proc", "run/xen", "sys", "tmp", "usr/bin", "usr/lib", f"usr/lib/xen-{XEN}/bin", "var/lib/xen",
           "var/lib/xenstored", "var/lock", "var/log/xen/console"]


class Failure(Exception):
    pass


class Apt:
    """apt on the machine's own lists, or, where these are not there, on lists of our own."""

    def __init__(self, folder):
        self.folder = folder
        self.options = ["-q"]
        if os.geteuid() == 0:
            self.options += ["-o", "APT::Sandbox::User=root"]

    def run(self, tool, *arguments):
        return subprocess.run([tool, *self.options, *arguments], cwd=self.folder, check=False,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True,
                              env={**os.environ, "LC_ALL": "C.UTF-8"})

    def update(self):
        lists = os.path.join(self.folder, "lists")
        os.makedirs(os.path.join(lists, "partial"), exist_ok=True)
        self.options += ["-o", f"Dir::State::lists={lists}", "-o", "Acquire::Languages=none",
                         "-o", f"Dir::Cache={self.folder}", "-o", "Acquire::Retries=3"]
        return self.run("apt-get", "update").stdout

    def kernel(self):
        """The package that the newest kernel's metapackage stands for; the cloud variant has no
        dom0."""
        found = re.search(r"Depends: (linux-image-\d\S*)",
                          self.run("apt-cache", "depends", "linux-image-amd64").stdout)
        return [found.group(1)] if found else []

    def download(self):
        log = ""
        for fresh in (False, True):
            if fresh:
                log = self.update()
            kernel = self.kernel()
            if not kernel:
                continue
            done = self.run("apt-get", "download", *PACKAGES, *kernel)
            if done.returncode == 0:
                return sorted(glob.glob(os.path.join(self.folder, "*.deb")))
            log += done.stdout
        raise Failure(f"the packages do not download:\n{log}")


def xen(root):
    with gzip.open(os.path.join(root, f"boot/xen-{XEN}-amd64.gz")) as f:
        return f.read()


def vmlinux(root):
    """The ELF inside the bzImage (Linux, Documentation/x86/boot.rst, payload_offset): Xen would
    decompress it at each start, which takes an emulated processor many seconds."""
    with open(*glob.glob(os.path.join(root, "boot/vmlinuz-*")), "rb") as f:
        image = f.read()
    if image[0x202:0x206] != b"HdrS":
        raise Failure("dom0's kernel is no bzImage")
    offset, size = struct.unpack_from("<II", image, 0x248)
    start = ((image[0x1F1] or 4) + 1) * 512 + offset
    elf = lzma.LZMADecompressor().decompress(image[start:start + size])
    if elf[:4] != b"\x7fELF":
        raise Failure("dom0's kernel holds no ELF")
    return elf


def libraries(files, root):
    """What the dynamic linker would load, Xen's own from the packages."""
    own = [os.path.join(root, "usr/lib/x86_64-linux-gnu"),
           os.path.join(root, "lib/x86_64-linux-gnu")]
    shown = subprocess.run(["ldd", *files], check=True, stdout=subprocess.PIPE, text=True,
                           env={**os.environ, "LD_LIBRARY_PATH": ":".join(own)}).stdout
    found = set(re.findall(r"=> (/\S+)", shown))
    if "not found" in shown:
        raise Failure(f"a library is missing:\n{shown}")
    # Threads end by way of it, which no file says.
    return sorted(found | {os.path.join(own[1], "libgcc_s.so.1")})


def copy(archive, path, source):
    with open(source, "rb") as f:
        archive.file(path, f.read(), True)


def folders(archive, paths):
    every = {path[:i] for path in paths for i in range(len(path)) if path[i] == "/"}
    for folder in sorted(every):
        archive.folder(folder)


def initramfs(root):
    archive = cpio.Archive()
    folders(archive, [folder + "/" for folder in FOLDERS])
    copy(archive, "bin/busybox", os.path.join(root, "bin/busybox"))
    archive.link("usr/lib/x86_64-linux-gnu", "/lib/x86_64-linux-gnu")
    archive.link("var/run", "/run")
    archive.file("etc/xen/xl.conf", b"")
    binaries = [f"usr/lib/xen-{XEN}/bin/{name}" for name in TOOLS]
    binaries += [f"usr/bin/xenstore-{verb}" for verb in ("ls", "read", "rm", "write")]
    for binary in binaries:
        copy(archive, binary, os.path.join(root, binary))
    for library in libraries([os.path.join(root, binary) for binary in binaries], root):
        copy(archive, f"lib/x86_64-linux-gnu/{os.path.basename(library)}", library)
    copy(archive, "lib64/ld-linux-x86-64.so.2", "/lib64/ld-linux-x86-64.so.2")
    for name in MODULES:
        copy(archive, f"lib/modules/{name}.ko",
             *glob.glob(os.path.join(root, f"lib/modules/**/{name}.ko"), recursive=True))
    return archive.finish()


def model(root):
    """For lab.run(hvm=True); to follow the initramfs. The device model's libraries are those of the
    machine's own QEMU."""
    archive = cpio.Archive()
    folders(archive, MODEL)
    for path in MODEL:
        copy(archive, path, os.path.join(root, path))
    for library in libraries([os.path.join(root, MODEL[0])], root):
        copy(archive, f"lib/x86_64-linux-gnu/{os.path.basename(library)}", library)
    return archive.finish()


def assemble(folder):
    stamp = os.path.join(folder, "version")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, ".lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if os.path.exists(stamp):
            with open(stamp, encoding="ascii") as f:
                if f.read() == VERSION:
                    return
        with tempfile.TemporaryDirectory(dir=folder, prefix=".assemble-") as temporary:
            root = os.path.join(temporary, "root")
            for package in Apt(temporary).download():
                subprocess.run(["dpkg-deb", "-x", package, root], check=True)
            for name, make in (("xen", xen), ("vmlinux", vmlinux), ("dom0.cpio", initramfs),
                               ("model.cpio", model)):
                with open(os.path.join(temporary, name), "wb") as f:
                    f.write(make(root))
                os.replace(os.path.join(temporary, name), os.path.join(folder, name))
        with open(stamp, "w", encoding="ascii") as f:
            f.write(VERSION)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    try:
        assemble(os.path.abspath(sys.argv[1]))
    except (Failure, OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"assemble.py: {error}")


if __name__ == "__main__":
    main()
