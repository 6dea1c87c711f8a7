#!/usr/bin/python3
"""Writable volumes in the booted kernel.

  test_ext4.py UNIBASE.ELF PROGRAMS TOOLS

The programs whose output Linux decides run on an ext4; e2fsck looks at it afterwards.
"""
import os
import subprocess
import sys
import tempfile
import uuid

from boot import boot
from mkimage import Config, link

UUID = uuid.UUID("6d1f4f0e-58ab-4c0d-9a55-3b1e5f0d7c12")
failures = 0


def fail(text):
    global failures
    failures += 1
    print(text)


def run(*words, ok=(0,), **options):
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                          check=False, **options)
    if done.returncode not in ok:
        fail(f"{' '.join(words)}: {done.returncode}\n{done.stdout[-2000:]}")
    return done.stdout


def make_disk(path, mib, *options):
    with open(path, "wb") as f:
        f.truncate(mib << 20)
    run("/sbin/mke2fs", "-q", "-F", "-t", "ext4", "-U", str(UUID), "-E", "lazy_itable_init=0,root_owner=0:0",
        *options, path)


def make_image(kernel, program, mount, path, args=()):
    config = Config()
    config.add("program", "/app/program")
    for arg in ("program",) + tuple(args):
        config.add("arg", arg)
    config.mount(mount, "ext4", UUID.bytes_le, 0, read_only=False)
    with open(kernel, "rb") as f, open(program, "rb") as p, open(path, "wb") as out:
        out.write(link(f.read(), [("config", config.record(), bytes(16)), ("program", p.read(), bytes(16))]))


def plain(disk):
    return ["-blockdev", f"driver=raw,node-name=disk,file.driver=file,file.filename={disk}",
            "-device", "virtio-blk-device,drive=disk"]


def text_of(end):
    lines = end.console.decode(errors="replace").replace("\r\n", "\n").split("\n")
    return "\n".join(line for line in lines if not line.startswith("uni: "))


def judge_programs(kernel, programs, folder):
    for name, options, memory in (("files", ("-b", "4096"), 64), ("file_maps", ("-b", "1024"), 48)):
        program, disk = os.path.join(programs, name), os.path.join(folder, "disk")
        image = os.path.join(folder, "image.elf")
        make_disk(disk, 64, *options)
        make_image(kernel, program, "/dev/shm", image)
        native = run(program)
        end = boot(image, memory=memory, extra=plain(disk))
        if (end.kind, end.status) != ("status", 0) or text_of(end) != native:
            fail(f"{name} on ext4: not as on Linux; the guest ended: {end}\n{text_of(end)[-1500:]}")
        run("/sbin/e2fsck", "-fn", disk)


def judge_direct(kernel, tools, folder):
    """Past the cache, through it and by mappings a file is the same, on the disk as well."""
    disk, image = os.path.join(folder, "disk"), os.path.join(folder, "image.elf")
    for options in ("-b", "4096"), ("-b", "1024"):
        make_disk(disk, 64, *options)
        make_image(kernel, os.path.join(tools, "direct"), "/data", image, ("/data",))
        end = boot(image, memory=32, extra=plain(disk))
        if (end.kind, end.status) != ("status", 0) or text_of(end) != "bounds\nall ways agree\n":
            fail(f"O_DIRECT, {options}: the guest ended: {end}\n{text_of(end)[-1500:]}")
        run("/sbin/e2fsck", "-fn", disk)


def judge_pressure(kernel, tools, folder):
    """A program that leaves no memory, and what it writes all the same."""
    disk, image = os.path.join(folder, "disk"), os.path.join(folder, "image.elf")
    make_disk(disk, 48, "-b", "4096")
    make_image(kernel, os.path.join(tools, "pressure"), "/data", image, args=("/data",))
    for memory in 12, 24:
        end = boot(image, memory=memory, extra=plain(disk))
        said = end.console.decode(errors="replace").replace("\r", "")
        if (end.kind, end.status) != ("status", 0) or said != "eaten: much\nall there\n":
            fail(f"pressure in {memory} MiB: the guest ended: {end}\n{said[-1500:]}")
        run("/sbin/e2fsck", "-fn", disk)


def leave_orphan(disk):
    """As a crash does: a file without a name, to be freed at the next mount, which is before the clock is read. The inodes
    before its own are free, so that no other file takes that one and hides what is left there."""
    requests = [f"write {__file__} f{i}" for i in range(500)] + [f"rm f{i}" for i in range(499)]
    requests += ["set_inode_field f499 links_count 0", "set_super_value last_orphan 511", "unlink f499"]
    run("/sbin/debugfs", "-w", "-f", "-", disk, input="\n".join(requests))


def judge_orphans(kernel, tools, folder):
    """Threads that remove files and close them all at once; and one that was left from before."""
    disk, image = os.path.join(folder, "disk"), os.path.join(folder, "image.elf")
    make_image(kernel, os.path.join(tools, "orphans"), "/data", image, args=("/data",))
    for processors in 1, 2:
        make_disk(disk, 32, "-b", "4096")
        leave_orphan(disk)
        end = boot(image, memory=64, extra=plain(disk) + ["-smp", str(processors)])
        said = end.console.decode(errors="replace").replace("\r", "")
        if (end.kind, end.status) != ("status", 0) or said != "all gone\n":
            fail(f"orphans: the guest ended: {end}\n{said[-1500:]}")
        run("/sbin/e2fsck", "-fn", disk)


def main():
    kernel, programs, tools = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        judge_programs(kernel, programs, folder)
        judge_direct(kernel, tools, folder)
        judge_pressure(kernel, tools, folder)
        judge_orphans(kernel, tools, folder)
    sys.exit(failures != 0)


if __name__ == "__main__":
    main()
