#!/usr/bin/python3
"""What is on the disk when the power goes at any moment.

  test_crash.py UNIBASE.ELF TOOLS

A guest changes files and syncs; QEMU's blklogwrites driver records every write and flush. From the record disks are made
as they may have been at any moment: all that came before the last flush, and any part of what came since. On each the
journal is replayed, e2fsck must find nothing, and every file must be as was acknowledged, or as the step under way leaves
it. Some disks are given to the guest again, which must replay and mount them as well. So are disks that lied about their
flushes and lost writes from before: what is on them is anybody's guess, but a guest must take them or refuse them, and not
fall over them. UNI_SOAK=1 looks at many more.
"""
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import threading

import boot
from test_ext4 import make_disk, make_image, plain

SOAK = bool(os.environ.get("UNI_SOAK"))
SEEDS = range(1, 9) if SOAK else (1,)
STEPS = 120 if SOAK else 40
STATES = 3000 if SOAK else 150
MOUNTS = 40 if SOAK else 3
LIES = 60 if SOAK else 3
MIB = 16
SECTOR = 512
LATEST = 240 # seconds for a guest
FLUSH, FUA, DISCARD = 1, 2, 4


class Wrong(Exception):
    pass


def content(seed, size):
    return bytes((seed * 131 + i * 7 + (i >> 8)) & 255 for i in range(size))


def label_of(path):
    """Under this name a file's extended attribute stands beside the files."""
    return f"{path}#label"


def written(old, at, new):
    return old[:at].ljust(at, b"\0") + new + old[at + len(new):]


def changed(files, words):
    """The files after a step."""
    files, what, path = dict(files), words[0], words[1]
    numbers = [int(word) for word in words[2:]]
    if what == "append":
        files[path] = files.get(path, b"") + content(*numbers)
    elif what == "replace":
        files[path] = content(*numbers)
        files.pop(label_of(path), None)
    elif what == "cut":
        files[path] = files[path][:numbers[0]]
    elif what in ("patch", "direct", "dsync", "map"):
        seed, at, size = numbers
        files[path] = written(files[path], at, content(seed, size))
    elif what == "punch":
        at, size = numbers
        files[path] = written(files[path], at, bytes(size))
    elif what == "grow":
        files[path] = files[path].ljust(numbers[0], b"\0")
    elif what == "label":
        files[label_of(path)] = content(*numbers)
    elif what == "unlink":
        del files[path]
        files.pop(label_of(path), None)
    elif what != "reserve":
        raise Wrong(f"the guest says: {what}")
    return files


class Step:
    """From `start` on (bytes of the record) it may be under way, for the one before is acknowledged; from `end` on
    this one is."""

    def __init__(self, words, before, start):
        self.words, self.before, self.start, self.end = words, before, start, None
        self.after = changed(before, words)


def run_guest(image, disk, log, folder):
    """The steps that the guest takes, each with its place in the record."""
    record = os.path.join(folder, "record")
    extra = ["-blockdev", f"driver=blklogwrites,node-name=disk,log-sector-size={SECTOR},file.driver=file,"
             f"file.filename={disk},log.driver=file,log.filename={log}", "-device", "virtio-blk-device,drive=disk"]
    steps, files = [], {}
    with subprocess.Popen(boot.command(image, "microvm", 64, record, extra), stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True, bufsize=1) as qemu:
        late = threading.Timer(LATEST, qemu.kill)
        late.start()
        for line in map(str.strip, qemu.stdout):
            if line.startswith("will "):
                steps.append(Step(line.split()[1:], files, steps[-1].end if steps else 0))
                files = steps[-1].after
            elif line == "done":
                steps[-1].end = os.path.getsize(log)
                qemu.stdin.write("\n")
            elif line not in ("", "end"):  # "": our own line, shown by the console
                qemu.kill()
                raise Wrong(f"the guest says: {line}")
        late.cancel()
    if line != "end":
        raise Wrong(f"the guest ended after {len(steps)} steps")
    return steps


def read_record(log):
    """(place of its end, flags, byte offset, data) of each write and flush."""
    with open(log, "rb") as f:
        head = f.read(SECTOR)
        magic, version, count, sector = struct.unpack_from("<QQQI", head)
        if (magic, version, sector) != (0x6a736677736872, 1, SECTOR):
            raise Wrong("no record of writes")
        for _ in range(count):
            where, sectors, flags, _ = struct.unpack_from("<QQQQ", f.read(SECTOR))
            data = b"" if flags & DISCARD else f.read(sectors * SECTOR)
            yield f.tell(), flags, where * SECTOR, data


def write_all(disk, entries):
    with open(disk, "r+b") as f:
        for _, _, at, data in entries:
            f.seek(at)
            f.write(data)


def tool(*words):
    done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace", check=False)
    return done.returncode, done.stdout


def names_of(disk, folder):
    _, out = tool("/sbin/debugfs", "-R", f"ls -p /{folder}", disk)
    return {line.split("/")[5] for line in out.splitlines() if line.count("/") >= 6} - {".", ".."}


def files_on(disk, wanted, folder):
    """Content of what is wanted, None where it is absent; and whether there is nothing else."""
    script, found = os.path.join(folder, "script"), {}
    wanted = sorted(wanted)
    with open(script, "w", encoding="ascii") as f:
        for number, path in enumerate(wanted):
            out = f"{folder}/out{number}"
            if os.path.exists(out):
                os.remove(out)
            file = path.partition("#")[0]
            f.write(f"dump /{path} {out}\n" if file == path else f"ea_get -f {out} /{file} user.label\n")
    present = {f"{d}/{name}" for d in ("d0", "d1", "d2") for name in names_of(disk, d)}
    present |= names_of(disk, "") - {"d0", "d1", "d2", "lost+found"}
    tool("/sbin/debugfs", "-f", script, disk)
    for number, path in enumerate(wanted):
        out = f"{folder}/out{number}"
        # A label that is absent leaves an empty file or none.
        if path in present or "#" in path and os.path.exists(out) and os.path.getsize(out) > 0:
            with open(out, "rb") as f:
                found[path] = f.read()
    extra = {path for path in present if path not in wanted and "tmp" not in path}
    return found, extra


def permits(words, before, after, came):
    """Whether a file may look so while this step is under way."""
    what = words[0]
    if came in (before, after):
        return True
    if came is None or before is None and what != "append":
        return False
    if what == "append":
        return len(came) <= len(after) and len(came) >= len(before or b"") and after.startswith(came)
    if what == "cut":
        # What is cut off in the last block reads as zeros before the file is shorter, as on Linux.
        size = int(words[2])
        return len(came) == len(before) and came[:size] == before[:size] and all(
            new in (0, old) for new, old in zip(came[size:], before[size:]))
    if what in ("patch", "direct", "dsync", "map", "punch", "grow"):
        # Each byte is the old or the new one; a file that has grown holds what it shall hold there.
        had = len(before)
        return had <= len(came) <= len(after) and came[had:] == after[had:len(came)] and all(
            now in (old, new) for now, old, new in zip(came, before, after))
    return False


def judge_files(disk, steps, at, folder):
    done = [step for step in steps if step.end <= at]
    doing = [step for step in steps if step.start <= at < step.end]
    before = done[-1].after if done else {}
    under_way = doing[0] if doing else None
    after = under_way.after if under_way else before
    found, extra = files_on(disk, set(before) | set(after), folder)
    if extra:
        raise Wrong(f"files that nobody made: {sorted(extra)}")
    for path in set(before) | set(after):
        words = under_way.words if under_way and under_way.words[1] == path else ["nothing"]  # of labels, too
        if not permits(words, before.get(path), after.get(path), found.get(path)):
            raise Wrong(f"{path}: {len(found.get(path) or b'')} bytes ({'there' if path in found else 'absent'}), which is "
                        f"neither before nor after step {len(done) + 1}: {under_way.words if under_way else None}")


def judge_disk(disk, steps, at, folder):
    status, said = tool("/sbin/e2fsck", "-p", disk)
    if status not in (0, 1):
        raise Wrong(f"e2fsck -p: {status}\n{said}")
    status, said = tool("/sbin/e2fsck", "-fn", disk)
    if status != 0:
        raise Wrong(f"e2fsck -fn: {status}\n{said}")
    judge_files(disk, steps, at, folder)


def boot_again(kernel, tools, disk, folder):
    image = os.path.join(folder, "again.elf")
    make_image(kernel, os.path.join(tools, "crash"), "/data", image, args=("/data", "99", "3"))
    return boot.boot(image, stdin=b"\n" * 4, extra=plain(disk))


def judge_mount(kernel, tools, disk, folder):
    """The guest replays it and goes on writing, and leaves it sound."""
    end = boot_again(kernel, tools, disk, folder)
    if (end.kind, end.status) != ("status", 0):
        raise Wrong(f"mounted again: the guest ended: {end}\n{end.console.decode(errors='replace')[-500:]}")
    status, said = tool("/sbin/e2fsck", "-fn", disk)
    if status != 0:
        raise Wrong(f"mounted again: e2fsck -fn: {status}\n{said}")


def judge_lies(kernel, tools, base, entries, chance, folder):
    """Any of the writes is lost, whatever was flushed behind it."""
    state = os.path.join(folder, "state")
    for number in range(LIES):
        lost = chance.choice((0.01, 0.1, 0.5))
        kept = [entry for entry in entries[:chance.randrange(len(entries) + 1)] if chance.random() >= lost]
        shutil.copyfile(base, state)
        write_all(state, kept)
        end = boot_again(kernel, tools, state, folder)
        if end.kind in ("fault", "timeout", "nothing") or b"kernel panic" in end.console:
            raise Wrong(f"disk {number} that lies: the guest ended: {end}\n{end.console.decode(errors='replace')[-1000:]}")


def moments(entries, chance):
    """Which prefixes to look at, each with what of it since the last flush is kept."""
    wanted = sorted(chance.sample(range(len(entries) + 1), min(STATES, len(entries) + 1)))
    flushed = 0
    for count in wanted:
        while True:
            later = next((i for i in range(flushed, count) if entries[i][1] & FLUSH), None)
            if later is None:
                break
            flushed = later + 1
        pending = range(flushed, count)
        kept = [i for i in pending if entries[i][1] & FUA or chance.random() < chance.choice((0, 0.5, 0.9, 1))]
        chance.shuffle(kept) if chance.random() < 0.3 else None
        yield count, flushed, kept


def judge_seed(kernel, tools, seed, folder):
    """How many disks were looked at."""
    base, first, disk, log, image, state = (
        os.path.join(folder, name) for name in ("base", "first", "disk", "log", "image.elf", "state"))
    chance = random.Random(seed)
    make_disk(first, MIB, "-b", "1024" if seed % 2 else "4096")
    for copy in base, disk:
        shutil.copyfile(first, copy)
    open(log, "wb").close()
    make_image(kernel, os.path.join(tools, "crash"), "/data", image, args=("/data", str(seed), str(STEPS)))
    steps = run_guest(image, disk, log, folder)
    entries = list(read_record(log))
    mounts = set(chance.sample(range(min(STATES, len(entries))), min(MOUNTS, len(entries))))
    done = 0
    for number, (count, flushed, kept) in enumerate(moments(entries, chance)):
        write_all(first, entries[done:flushed])
        done = flushed
        shutil.copyfile(first, state)
        write_all(state, [entries[i] for i in kept])
        at = entries[count - 1][0] if count else 0
        try:
            if number in mounts:
                judge_mount(kernel, tools, state, folder)
            else:
                judge_disk(state, steps, at, folder)
        except Wrong as wrong:
            raise Wrong(f"seed {seed}, {count} of {len(entries)} writes, flushed {flushed}, kept {kept}: {wrong}") from None
    try:
        judge_lies(kernel, tools, base, entries, chance, folder)
    except Wrong as wrong:
        raise Wrong(f"seed {seed}: {wrong}") from None
    return number + 1


def main():
    kernel, tools = sys.argv[1:]
    try:
        for seed in SEEDS:
            with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
                print(f"seed {seed}: {judge_seed(kernel, tools, seed, folder)} disks")
    except Wrong as wrong:
        print(wrong)
        sys.exit(1)


if __name__ == "__main__":
    main()
