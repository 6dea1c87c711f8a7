#!/usr/bin/python3
"""Boots a kernel ELF under QEMU and tells how it ended.

  boot.py [--machine microvm|q35|pc] [--memory 64] [--timeout 300] IMAGE [-- QEMU options]

The console goes to standard output; the last line on standard error says how the guest ended, from
the exit record (exit.h) or, without one, from the debug-exit status. The exit status is the
program's own, 124 after the timeout, 134 for a fault, 125 for anything else.
"""
import argparse
import os
import select
import socket
import struct
import subprocess
import sys
import tempfile
import time

from mkimage import crc32c

KINDS = ["status", "signal", "fault", "panic", "power"]


class End:
    """How a guest ended: kind, status, ip, address, text; `console` holds what it printed."""

    def __init__(self, kind, status, ip=0, address=0, text="", console=b""):
        self.kind, self.status, self.ip, self.address = kind, status, ip, address
        self.text, self.console = text, console

    def __str__(self):
        text = f"{self.kind} {self.status}"
        if self.ip or self.address:
            text += f" ip {self.ip:#x} address {self.address:#x}"
        return text + (f": {self.text}" if self.text else "")


def read_record(data):
    for at in range(len(data) - 127):
        if data[at:at + 8] != b"UNIEXIT\0":
            continue
        record = bytearray(data[at:at + 128])
        size, crc, kind, status, ip, address, text = struct.unpack_from("<IIIiQQ88s", record, 8)
        record[12:16] = bytes(4)
        if size == 128 and crc == crc32c(record) and kind < len(KINDS):
            return End(KINDS[kind], status, ip, address, text.split(b"\0")[0].decode())
    return None


def command(image, machine, memory, record, extra):
    kind = {"microvm": "microvm,rtc=on,pit=off,pic=off"}.get(machine, machine)
    return ["qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-M", kind, "-m", str(memory),
            "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
            "-serial", "stdio", "-kernel", image,
            "-device", "isa-debug-exit,iobase=0xf4,iosize=4",
            "-chardev", f"file,id=record,path={record}",
            "-device", "isa-debugcon,iobase=0x5e0,chardev=record"] + extra


def press_power(path):
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(path)
        s.sendall(b'{"execute":"qmp_capabilities"}{"execute":"system_powerdown"}')
        while b"POWERDOWN" not in s.recv(4096):
            pass


def wait_for(qemu, text, timeout):
    """The console up to the first appearance of `text`, or its end."""
    console, end = b"", time.monotonic() + timeout
    while text not in console and select.select([qemu.stdout], [], [], max(0, end - time.monotonic()))[0]:
        part = os.read(qemu.stdout.fileno(), 4096)
        if not part:
            break
        console += part
    return console


def boot(image, machine="microvm", memory=64, timeout=300, extra=(), stdin=b"", tee=None,
         power=None):
    """Runs the image to its end. `tee` gets the console's bytes as well. The power button is pressed
    when the console shows `power`."""
    with tempfile.TemporaryDirectory() as folder:
        record = os.path.join(folder, "record")
        monitor = os.path.join(folder, "qmp")
        extra = list(extra) + (["-qmp", f"unix:{monitor},server=on,wait=off"] if power else [])
        qemu = subprocess.Popen(command(image, machine, memory, record, extra),
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        first = b""
        if power:
            first = wait_for(qemu, power, timeout)
            press_power(monitor)
        try:
            console, _ = qemu.communicate(stdin, timeout=timeout)
            late = False
        except subprocess.TimeoutExpired:
            qemu.kill()
            console, _ = qemu.communicate()
            late = True
        console = first + console
        data = b""
        if os.path.exists(record):
            with open(record, "rb") as f:
                data = f.read()
    if tee is not None:
        tee.write(console)
        tee.flush()
    end = read_record(data)
    if late:
        end = End("timeout", 124)
    elif end is None and qemu.returncode & 1:
        code = qemu.returncode >> 1
        names = {0x7c: "signal", 0x7d: "power", 0x7e: "fault", 0x7f: "panic"}
        end = End(names.get(code, "status"), code)
    elif end is None:
        end = End("nothing", qemu.returncode)
    end.console = console
    return end


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    p.add_argument("--machine", default="microvm")
    p.add_argument("--memory", type=int, default=64)
    p.add_argument("--timeout", type=float, default=300)
    p.add_argument("image")
    p.add_argument("extra", nargs="*")
    o = p.parse_args()
    end = boot(o.image, o.machine, o.memory, o.timeout, o.extra, tee=sys.stdout.buffer)
    print(f"boot: {end}", file=sys.stderr)
    codes = {"status": end.status, "timeout": 124, "fault": 134, "power": 0}
    sys.exit(codes.get(end.kind, 125))


if __name__ == "__main__":
    main()
