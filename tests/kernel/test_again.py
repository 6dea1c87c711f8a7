#!/usr/bin/python3
"""A program that faults while all processors are busy, on a machine that starts again then, three times.

  test_again.py unibase.elf programs/busy_fault
"""
import os
import subprocess
import sys
import tempfile

import boot
import mkimage

TIMES, PATIENCE = 3, 300
TOLD = b"SIGSEGV at address 0x10 in main"


def starts(image, machine, folder):
    command = boot.command(image, machine, 64, os.path.join(folder, "record"), ["-smp", "4"])
    command.remove("-no-reboot")
    qemu = subprocess.Popen(["timeout", str(PATIENCE)] + command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    console, told = b"", 0
    for line in qemu.stdout:
        console += line
        told += TOLD in line
        if told == TIMES:
            break
    qemu.terminate()
    qemu.communicate()
    return told, console


def main():
    kernel, program = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        image = os.path.join(folder, "image")
        words = ["--kernel", kernel, "-o", image, "--program", program, "--on-fault", "reboot"]
        with open(image, "wb") as f:
            f.write(mkimage.build(mkimage.options().parse_args(words + ["--", "busy_fault"])))
        for machine in ("microvm", "q35"):
            told, console = starts(image, machine, folder)
            if told != TIMES or b"panic" in console or b"does not start" in console:
                sys.stderr.write(console.decode(errors="replace"))
                sys.exit(f"{machine}: {told} faults were told, not {TIMES}")


if __name__ == "__main__":
    main()
