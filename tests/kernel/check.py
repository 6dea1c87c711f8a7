#!/usr/bin/python3
"""Runs one test program in an image and judges console and end.

  check.py --kernel unibase.elf --source programs/start.c [--processors N] PROGRAM

The opening comment of the program's source says what is expected:
  @args WORDS       arguments, quoted as for a shell; PROCESSORS is their number
  @env NAME=VALUE   repeats
  @option WORDS     more options for mkimage.py
  @memory MIB       of the machine (64)
  @volume MIB       a squashfs at /volume with one file "big": 64-bit numbers, each its own offset
  @machine NAME     other than microvm
  @processors N     (1); --processors overrides it
  @power TEXT       the power button is pressed when the console shows this
  @end KIND STATUS  as boot.py tells it; without it as the program ends on Linux
  @match REGEX      a line of the console
  @once REGEX       exactly one line of the console
  @native no        not to be run on Linux; else its output there must be the console's, but for
                    lines of the kernel ("uni: ...")
  @root             the native run needs root, and is left out otherwise
"""
import argparse
import fcntl
import os
import re
import shlex
import struct
import subprocess
import sys
import tempfile

import boot
import mkimage


def directives(source):
    with open(source) as f:
        comment = f.read().split("*/", 1)[0]
    found = {}
    for line in comment.split("\n"):
        m = re.match(r" \* @(\w+)\s*(.*)", line)
        if m:
            found.setdefault(m[1], []).append(m[2].strip())
    return found


def make_volume(folder, mib):
    tree = os.path.join(folder, "tree")
    os.mkdir(tree)
    with open(os.path.join(tree, "big"), "wb") as f:
        for at in range(0, mib << 20, 4096):
            f.write(struct.pack("<Q", at) + bytes(4088))
    image = os.path.join(folder, "volume")
    subprocess.run(["mksquashfs", tree, image, "-comp", "zstd", "-Xcompression-level", "1",
                    "-no-progress", "-quiet", "-all-root"], check=True, stdout=subprocess.DEVNULL)
    return image


def fail(end, text):
    sys.stderr.write(end.console.decode(errors="replace"))
    sys.exit(f"check: {text}; the guest ended: {end}")


def native(program, args, env):
    """Programs keep their files under fixed names, and one is tried with one and two processors."""
    with open(program, "rb") as alone:
        fcntl.flock(alone, fcntl.LOCK_EX)
        return native_alone(program, args, env)


def native_alone(program, args, env):
    run = subprocess.run([program] + args, env=env, stdout=subprocess.PIPE, timeout=300)
    return run.stdout.decode(errors="replace"), f"status {run.returncode}"


def compare(end, text, reference):
    """The kernel's own lines are not the program's."""
    own = "".join(line for line in text.splitlines(True) if not line.startswith("uni: "))
    if own != reference:
        fail(end, f"on Linux it prints:\n{reference}---")


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    p.add_argument("--kernel", required=True)
    p.add_argument("--source", required=True)
    p.add_argument("--processors")
    p.add_argument("program")
    o = p.parse_args()
    d = directives(o.source)
    processors = o.processors or d.get("processors", ["1"])[0]
    args = shlex.split(d.get("args", [""])[0].replace("PROCESSORS", processors))
    env = d.get("env", [])
    with tempfile.TemporaryDirectory() as folder:
        image = os.path.join(folder, "image")
        words = ["--kernel", o.kernel, "-o", image, "--program", o.program]
        words += [w for e in env for w in ("-e", e)] + shlex.split(" ".join(d.get("option", [])))
        if "volume" in d:
            words += ["--embed", make_volume(folder, int(d["volume"][0])) + "=/volume"]
        name = os.path.basename(o.program)
        with open(image, "wb") as f:
            f.write(mkimage.build(mkimage.options().parse_args(words + ["--", name] + args)))
        end = boot.boot(image, d.get("machine", ["microvm"])[0],
                        int(d.get("memory", ["64"])[0]), extra=["-smp", processors],
                        power=d.get("power", [""])[0].encode())
    text = end.console.decode(errors="replace").replace("\r\n", "\n")
    expected = d.get("end", ["status 0"])[0]
    if "native" not in d and not ("root" in d and os.geteuid() != 0):
        reference, expected = native(o.program, args, dict(e.split("=", 1) for e in env))
        if expected == "status 99":
            fail(end, f"it fails on Linux:\n{reference}---")
        compare(end, text, reference)
    if f"{end.kind} {end.status}" != expected:
        fail(end, f"expected {expected}")
    for regex in d.get("match", []) + d.get("once", []):
        if not re.search(regex, text):
            fail(end, f"no line matches {regex}")
    for regex in d.get("once", []):
        if len(re.findall(regex, text)) != 1:
            fail(end, f"more than one line matches {regex}")


if __name__ == "__main__":
    main()
