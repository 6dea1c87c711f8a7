#!/usr/bin/python3
"""What a panic says: why, in which system call of which thread, and who called whom; and what follows it.

  test_panic.py KTEST-BAD-CALL.ELF FAILS
"""
import os
import re
import sys
import tempfile

import mkimage
from boot import boot
from guest import expect


def panic(kernel, program, args, more=(), extra=()):
    with tempfile.TemporaryDirectory() as folder:
        image = os.path.join(folder, "image")
        words = ["--kernel", kernel, "-o", image, "--program", program, *more, "--", *args]
        with open(image, "wb") as f:
            f.write(mkimage.build(mkimage.options().parse_args(words)))
        end = boot(image, "pc", 32, extra=extra)
    return end, end.console.decode(errors="replace")


def shows(console, *lines):
    for line in lines:
        expect(re.search(rf"(?m)^uni: .*{line}", console), f"no line {line!r}:\n{console}")


def main():
    kernel, program = sys.argv[1:]
    end, console = panic(kernel, program, ["fails"])
    expect(end.kind == "panic" and end.text == "a panic on purpose", f"ended by {end}")
    shows(console, "kernel panic: a panic on purpose", r"thread fails, processor 0", r"in the system call sysinfo\(0x0\)",
          r"__wrap_uk_sys_sysinfo\+0x", r"uk_syscall_entry\+0x")
    end, console = panic(kernel, program, ["fails", "by a fault"])
    expect(end.kind == "panic" and end.text.startswith("page fault: read of 0xffff9fff00000000"), f"ended by {end}")
    shows(console, "kernel panic: page fault", r"rip [0-9a-f]{16} rsp", r"in the system call sysinfo\(0x[0-9a-f]+\)",
          r"go_wrong\+0x", r"uk_syscall_entry\+0x")


if __name__ == "__main__":
    main()
