#!/usr/bin/python3
"""Live volumes in the booted kernel: new content is taken in one step, what is open keeps the old, what is not
signed, torn, damaged, of another format or too old is not taken, and all of it is answered.

  test_live.py UNIBASE.ELF LIVE
"""
import os
import random
import re
import struct
import subprocess
import sys
import tempfile
import time
import uuid

from boot import boot, command, read_record, wait_for
from live_volume import Bell, Monitor, Volume, public_key
from mkimage import CFG, FS, Config, link

GUID = uuid.UUID("9b0c8f52-2f0e-4e55-8a52-6f9a2f3d5c21").bytes
REASON = {"signature": 1, "version": 2, "old": 3, "content": 4}
SECONDS = 120


def squash(folder, page):
    tree, out = os.path.join(folder, "tree"), os.path.join(folder, "image")
    os.makedirs(tree, exist_ok=True)
    with open(os.path.join(tree, "page"), "w", encoding="ascii") as f:
        f.write(page + "\n")
    with open(os.path.join(tree, "big"), "wb") as f:
        f.write(random.Random(page).randbytes(600000))
    subprocess.run(["mksquashfs", tree, out, "-noappend", "-no-progress", "-quiet", "-comp", "zstd"],
                   check=True, stdout=subprocess.DEVNULL)
    with open(out, "rb") as f:
        return f.read()


def live_mount(config, path, key=None, least=0):
    path = path.encode()
    config.entries += struct.pack("<HHI", CFG["mount"], 0, 120 + len(path))
    config.entries += struct.pack("<16sIIQQQII32s32s", GUID, FS["live"], 1 | (4 if key else 0), least, 0, 0,
                                  0, len(path), public_key(key) if key else bytes(32), bytes(32))
    config.entries += path + b"\0" * (-len(path) % 8)


def image(kernel, program, out, **mount):
    config = Config()
    config.add("program", "/app/live")
    config.add("arg", "live")
    live_mount(config, "/data", **mount)
    with open(kernel, "rb") as k, open(program, "rb") as p, open(out, "wb") as f:
        f.write(link(k.read(), [("config", config.record(), bytes(16)), ("program", p.read(), bytes(16))]))
    return out


def drives(volume, bell, machine):
    kind = "virtio-blk-device" if machine == "microvm" else "virtio-blk-pci"
    extra = ["-drive", f"file={volume.path},format=raw,if=none,id=live,readonly=on",
             "-device", f"{kind},drive=live"]
    if bell:
        extra += ["-blockdev", f"driver=raw,node-name=bell,file.driver=file,file.filename={bell.path}",
                  "-device", f"{kind},drive=bell"]
    return extra


class Machine:
    def __init__(self, folder, elf, volume, bell, machine):
        self.record = os.path.join(folder, "record")
        qmp = os.path.join(folder, "qmp")
        if os.path.exists(self.record):
            os.unlink(self.record)
        extra = drives(volume, bell, machine) + ["-qmp", f"unix:{qmp},server=on,wait=off"]
        self.qemu = subprocess.Popen(command(elf, machine, 32, self.record, extra),
                                     stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        self.text, self.bell = b"", bell
        self.shows("page <one>")
        self.monitor = Monitor(qmp)

    def shows(self, words):
        if words.encode() not in self.text:
            self.text += wait_for(self.qemu, words.encode(), SECONDS)
        if words.encode() not in self.text:
            self.qemu.kill()
            sys.exit(f"the console does not show {words!r}:\n{self.text.decode(errors='replace')}")
        self.text = self.text[self.text.index(words.encode()) + len(words):]

    def answers(self, **wanted):
        """Knocks, and waits for an answer that came after that."""
        before = (self.bell.answer() or {"knocks": 0})["knocks"]
        self.monitor.knock(self.bell)
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            got = self.bell.answer()
            if got and got["knocks"] > before:
                break
            time.sleep(0.01)
        wrong = {k: (v, got and got[k]) for k, v in wanted.items() if not got or got[k] != v}
        if wrong:
            self.qemu.kill()
            sys.exit(f"answer: wanted and got {wrong}")

    def ends(self):
        self.qemu.communicate(timeout=SECONDS)
        with open(self.record, "rb") as f:
            end = read_record(f.read())
        if f"{end.kind} {end.status}" != "status 0":
            sys.exit(f"the guest ended: {end}")


def story(folder, kernel, program, machine, key, other):
    volume, bell = Volume(os.path.join(folder, "volume"), GUID), Bell(os.path.join(folder, "bell"))
    volume.commit(squash(folder, "one"), key=key)
    elf = image(kernel, program, os.path.join(folder, "elf"), key=key)
    m = Machine(folder, elf, volume, bell, machine)
    m.answers(status=1, generation=1, pinned=1, uuid=GUID)
    volume.commit(squash(folder, "two"), key=key)
    m.answers(status=1, generation=2, pinned=1)
    m.shows("page <two> held <one> live </data 2>")
    # Refused, and what was there goes on being served.
    sound = squash(folder, "three")
    generation = volume.generation + 1
    for how, reason in (({"key": other}, "signature"), ({}, "signature"),
                        ({"key": key, "damage": 3}, "content"), ({"key": key, "version": 2}, "version")):
        volume.commit(sound, generation=generation, **how)
        m.answers(status=2, generation=2, refused=generation, reason=REASON[reason])
    volume.generation = generation - 1
    volume.commit(sound, key=key, torn=True)
    m.answers(status=1, generation=2, refused=0)
    # An old generation played again.
    volume.commit(squash(folder, "one"), key=key, generation=1)
    m.answers(status=1, generation=2)
    # The file that is held lies in the slot that was written: an error, never something else.
    volume.generation = 2
    volume.commit(squash(folder, "drop"), key=key)
    m.answers(status=1, generation=3)
    m.shows("page <drop>")
    m.shows("big: error 5")
    m.shows("dropped")
    m.answers(status=1, generation=3, pinned=3)
    volume.commit(squash(folder, "stop"), key=key)
    m.answers(status=1, generation=4)
    m.shows("page <stop> held <drop> live </data 4>")
    m.ends()


def without_bell(folder, kernel, program):
    volume = Volume(os.path.join(folder, "volume"), GUID)
    volume.commit(squash(folder, "one"))
    m = Machine(folder, image(kernel, program, os.path.join(folder, "elf")), volume, None, "microvm")
    volume.commit(squash(folder, "stop"))
    m.shows("page <stop> held <one>")
    m.ends()


def refused(folder, kernel, program, words, volume, **mount):
    elf = image(kernel, program, os.path.join(folder, "elf"), **mount)
    end = boot(elf, "microvm", 32, extra=drives(volume, None, "microvm"))
    if end.kind != "panic" or not re.search(words, end.text):
        sys.exit(f"it should panic with {words!r}, and ended: {end}")


def main():
    with tempfile.TemporaryDirectory() as folder:
        keys = [os.path.join(folder, f"{n}.pem") for n in "ab"]
        for key in keys:
            subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", key], check=True)
        for machine in ("q35", "microvm"):
            story(folder, sys.argv[1], sys.argv[2], machine, *keys)
        without_bell(folder, sys.argv[1], sys.argv[2])
        volume = Volume(os.path.join(folder, "volume"), GUID)
        volume.commit(squash(folder, "one"), key=keys[0])
        refused(folder, sys.argv[1], sys.argv[2], "no generation on", volume, key=keys[1])
        refused(folder, sys.argv[1], sys.argv[2], "no generation on", volume, key=keys[0], least=2)
        volume.write(0, bytes(8192))
        refused(folder, sys.argv[1], sys.argv[2], "no device carries", volume)


if __name__ == "__main__":
    main()
