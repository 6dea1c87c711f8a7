#!/usr/bin/python3
"""Machines that are killed while they write.

  test_kills.py UNIBASE.ELF TOOLS

A guest changes files and syncs them, a step at a time; QEMU is killed at a moment that chance chooses. Every other disk is
mounted by a guest again, on the others e2fsck replays the journal and every file must be as was acknowledged, or as the
step under way leaves it. UNI_SOAK=1 kills some hundreds. What the disk loses besides is test_crash.py's business.
"""
import contextlib
import os
import random
import subprocess
import sys
import tempfile
import threading

import boot
from test_crash import Step, Wrong, judge_disk, judge_mount
from test_ext4 import make_disk, make_image, plain

KILLS = 300 if os.environ.get("UNI_SOAK") else 6
MIB, STEPS = 16, 200


def steps_until_killed(image, disk, folder, chance):
    """What was begun, what of it was acknowledged before the kill (by number), and how many that are."""
    last, delay = chance.randrange(1, 25), chance.random() * 0.02
    steps, files, done = [], {}, 0
    command = boot.command(image, "microvm", 64, os.path.join(folder, "record"), plain(disk))
    # An answer may meet a machine that is gone already, here or when the pipe is closed.
    with contextlib.suppress(BrokenPipeError), \
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as qemu:
        late = threading.Timer(600, qemu.kill)
        late.start()
        try:
            for said in qemu.stdout:
                line = said.strip()
                if not said.endswith("\n"):
                    break  # killed while it said what it would do, and so before it did
                if line.startswith("will "):
                    steps.append(Step(line.split()[1:], files, done))
                    files = steps[-1].after
                    if done == last:
                        threading.Timer(delay, qemu.kill).start()
                elif line == "done":
                    done += 1
                    steps[-1].end = done
                    qemu.stdin.write("\n")
        finally:
            late.cancel()
            qemu.kill()
    if done < last:
        raise Wrong(f"the guest ended after {done} steps")
    if steps[-1].end is None:
        steps[-1].end = len(steps)
    return steps, done


def main():
    kernel, tools = sys.argv[1:]
    for seed in range(1, KILLS + 1):
        chance = random.Random(seed)
        with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
            disk, image = os.path.join(folder, "disk"), os.path.join(folder, "image.elf")
            make_disk(disk, MIB, "-b", chance.choice(("1024", "4096")))
            make_image(kernel, os.path.join(tools, "crash"), "/data", image, args=("/data", str(seed), str(STEPS)))
            try:
                steps, done = steps_until_killed(image, disk, folder, chance)
                if seed % 2:
                    judge_disk(disk, steps, done, folder)
                else:
                    judge_mount(kernel, tools, disk, folder)
            except Wrong as wrong:
                sys.exit(f"kill {seed}: {wrong}")
    print(f"{KILLS} kills")


if __name__ == "__main__":
    main()
