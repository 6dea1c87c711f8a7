#!/usr/bin/python3
"""Looks at a running kernel's page tables from outside, by QEMU's monitor: no page is both writable and
executable, and no page above the program's half is the user's.

  test_tlb.py IMAGE MACHINE"""
import os
import re
import socket
import subprocess
import sys
import tempfile

from boot import command


def ask(path, line):
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(300)
        s.connect(path)
        text = b""
        for data in (b"", line.encode() + b"\n"):
            s.sendall(data)
            while not text.endswith(b"(qemu) "):
                text += s.recv(65536)
            answer, text = text, b""
    return answer.decode(errors="replace")


def main():
    image, machine = sys.argv[1:3]
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "monitor")
        qemu = subprocess.Popen(
            command(image, machine, 64, os.path.join(folder, "record"),
                    ["-monitor", f"unix:{path},server=on,wait=off"]), stdout=subprocess.PIPE)
        try:
            for line in qemu.stdout:
                if b"ready" in line:
                    break
            table = ask(path, "info tlb")
        finally:
            qemu.kill()
            qemu.wait()
    pages = re.findall(r"^([0-9a-f]{16}): ([0-9a-f]{16}) ([X-])([G-])([P-])([D-])([A-])([C-])([T-])"
                       r"([U-])([W-])", table, re.M)
    bad = [p for p in pages if p[10] == "W" and p[2] != "X"]
    bad += [p for p in pages if p[9] == "U" and p[0] >= "8"]
    executable = sum(p[2] != "X" for p in pages)
    print(f"{len(pages)} pages, {executable} executable, {len(bad)} wrong")
    for p in bad[:20]:
        print(p)
    sys.exit(1 if bad or not executable else 0)


if __name__ == "__main__":
    main()
