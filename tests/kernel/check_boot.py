#!/usr/bin/python3
"""Boots a kernel and compares how it ended with what was expected.

  check_boot.py [--machine M,M] [--memory N,N] [--end KIND] [--status N] [--says REGEX]
                [--console REGEX] [--move MIB] [--qemu=OPTIONS] IMAGE

Every machine and every memory size is tried. --move puts the image that many MiB higher than it was
linked, which is what loaders do that find the lower place taken.
"""
import argparse
import os
import re
import shlex
import struct
import sys
import tempfile

from boot import boot


def moved(image, mib):
    """A copy of the ELF with its physical addresses, and the entry's note, raised."""
    with open(image, "rb") as f:
        elf = bytearray(f.read())
    phoff, = struct.unpack_from("<Q", elf, 0x20)
    phsize, phnum = struct.unpack_from("<HH", elf, 0x36)
    for i in range(phnum):
        at = phoff + i * phsize
        kind, = struct.unpack_from("<I", elf, at)
        offset, = struct.unpack_from("<Q", elf, at + 8)
        if kind == 1:
            paddr, = struct.unpack_from("<Q", elf, at + 24)
            struct.pack_into("<Q", elf, at + 24, paddr + (mib << 20))
        if kind == 4:  # the first note is the entry's: header 12, "Xen\0" 4, then the address
            entry, = struct.unpack_from("<Q", elf, offset + 16)
            struct.pack_into("<Q", elf, offset + 16, entry + (mib << 20))
    return bytes(elf)


def check(o, image, machine, memory):
    end = boot(image, machine, memory, o.timeout, shlex.split(o.qemu))
    wrong = []
    if end.kind != o.end:
        wrong.append(f"ended by {end.kind}, not {o.end}")
    if o.status is not None and end.status != o.status:
        wrong.append(f"status {end.status}, not {o.status}")
    if o.says and not re.search(o.says, end.text):
        wrong.append(f"the record says {end.text!r}, not /{o.says}/")
    console = end.console.decode(errors="replace")
    if o.console and not re.search(o.console, console, re.S):
        wrong.append(f"the console does not show /{o.console}/")
    for what in wrong:
        print(f"{machine} with {memory} MiB: {what}")
    if wrong:
        print(f"{end}\n{console}")
    return not wrong


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    p.add_argument("--machine", default="microvm")
    p.add_argument("--memory", default="32")
    p.add_argument("--timeout", type=float, default=300)
    p.add_argument("--end", default="status")
    p.add_argument("--status", type=int)
    p.add_argument("--says")
    p.add_argument("--console")
    p.add_argument("--move", type=int, default=0)
    p.add_argument("--qemu", default="", help="more options for QEMU, as for a shell")
    p.add_argument("image")
    o = p.parse_args()
    if o.end == "status" and o.status is None:
        o.status = 0
    with tempfile.TemporaryDirectory() as folder:
        image = o.image
        if o.move:
            image = os.path.join(folder, "moved.elf")
            with open(image, "wb") as f:
                f.write(moved(o.image, o.move))
        results = [check(o, image, machine, int(memory))
                   for machine in o.machine.split(",") for memory in o.memory.split(",")]
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
