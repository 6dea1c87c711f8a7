#!/usr/bin/python3
"""Input that comes faster than it is read: all of it arrives, and its end; and the key that interrupts is seen.

  test_typed.py unibase-bare.elf unibase.elf tools/typed
"""
import os
import random
import re
import subprocess
import sys
import tempfile

import boot
import mkimage

KIB = 1024
END = b"\x04"


def fnv1a(data):
    value = 0xcbf29ce484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001b3 % (1 << 64)
    return value


def lines(size, longest):
    chance, text = random.Random(size), b""
    while len(text) < size:
        text += b"%d " % len(text) + b"x" * chance.randrange(longest) + b"\n"
    return text


def typed(kernel, program, args, data, machine, processors):
    """How the machine ended to which `data` was typed once its program is ready."""
    with tempfile.TemporaryDirectory() as folder:
        image, record = os.path.join(folder, "image"), os.path.join(folder, "record")
        words = ["--kernel", kernel, "-o", image, "--program", program, "--", "typed", *args]
        with open(image, "wb") as f:
            f.write(mkimage.build(mkimage.options().parse_args(words)))
        with subprocess.Popen(boot.command(image, machine, 64, record, ["-smp", str(processors)]),
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE) as qemu:
            console = boot.wait_for(qemu, b"ready\n", 300)
            try:
                console += qemu.communicate(data, timeout=300)[0]
            except subprocess.TimeoutExpired:
                qemu.kill()
                console += qemu.communicate()[0]
        with open(record, "rb") as f:
            end = boot.read_record(f.read()) or boot.End("nothing", qemu.returncode)
    end.console = console
    return end


def arrives(kernel, program, machine, processors, data, after=END, args=()):
    end = typed(kernel, program, args, data + after, machine, processors)
    told = re.findall(rb"^read (\d+) (\w+)$", end.console, re.M)
    if end.kind != "status" or told != [(b"%d" % len(data), b"%016x" % fnv1a(data))]:
        sys.exit(f"{machine}, {processors} processors: of {len(data)} bytes: {told}, {end}")


def interrupts(kernel, program, machine, processors):
    """A program that does not read, and more typed than its terminal holds: but not than it looks ahead."""
    end = typed(kernel, program, ["deaf"], lines(4096, 60)[:4096] + b"and more\n\x03", machine, processors)
    if (end.kind, end.status) != ("signal", 2):
        sys.exit(f"{machine}: interrupted: {end}")


def main():
    bare, whole, program = sys.argv[1:]
    for kernel, machine, processors in ((bare, "microvm", 1), (whole, "q35", 2), (bare, "pc", 1)):
        guest = (kernel, program, machine, processors)
        arrives(*guest, lines(32 * KIB, 90))
        interrupts(*guest)
    arrives(*guest, b"\n" * 6 * KIB)
    # One line that is longer than the terminal's, behind another; in the middle of it the first END only hands over.
    arrives(*guest, b"first\n" + b"y" * 12 * KIB, after=2 * END)
    data = random.Random(1).randbytes(16 * KIB)
    arrives(*guest, data, after=b"", args=["raw", str(len(data))])


if __name__ == "__main__":
    main()
