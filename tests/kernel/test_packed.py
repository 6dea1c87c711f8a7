#!/usr/bin/python3
"""A kernel that unpacks itself: in little memory, and damaged. (wx_audit is one that is moved.)

  test_packed.py unibase-volumes.elf programs/futex
"""
import os
import struct
import sys
import tempfile

import mkimage
from boot import boot

NOTE_PACKED = struct.pack("<III4s", 4, 8, 4, b"uni\0")


def image_of(kernel, program):
    return mkimage.build(mkimage.options().parse_args(["--kernel", kernel, "-o", "-", "--program", program]))


def packed_range(elf):
    return struct.unpack_from("<II", elf, elf.index(NOTE_PACKED) + len(NOTE_PACKED))


def expect(folder, elf, kind, text, **how):
    path = os.path.join(folder, "image")
    with open(path, "wb") as f:
        f.write(elf)
    end = boot(path, **how)
    if end.kind != kind or text not in end.text:
        sys.exit(f"{end}, not {kind} {text}\n{end.console.decode(errors='replace')}")


def main():
    kernel, program = sys.argv[1:]
    elf = image_of(kernel, program)
    first, last = packed_range(elf)
    with tempfile.TemporaryDirectory() as folder:
        expect(folder, elf, "status", "", memory=4)
        middle = (first + last) // 2
        expect(folder, elf[:middle] + bytes(1000) + elf[middle + 1000:], "panic", "the kernel is damaged")


if __name__ == "__main__":
    main()
