#!/usr/bin/python3
"""Volumes in the booted kernel: embedded and on disks, every codec, good and damaged.

  test_volumes.py UNIBASE.ELF WALK CHURN

WALK tells what is below a folder; on a volume it must tell what it tells of the tree the volume was made of.
CHURN reads files that it wrote itself, in many threads.
"""
import hashlib
import os
import random
import re
import subprocess
import sys
import tempfile
import uuid

from boot import boot
from mkimage import Config, link, verity_tree

UUID = uuid.UUID("6d1f4f0e-58ab-4c0d-9a55-3b1e5f0d7c11").bytes
GUID = uuid.UUID(bytes=UUID).bytes_le
SALT = hashlib.sha256(b"salt").digest()
failures = 0


def make_tree(top):
    dice = random.Random(1)
    os.mkdir(top)
    for size in (0, 1, 4096, 5000, 131072, 131073, 400000):
        with open(f"{top}/text-{size}", "wb") as f:
            f.write((b"some text that repeats\n" * (size // 23 + 1))[:size])
        with open(f"{top}/random-{size}", "wb") as f:
            f.write(dice.randbytes(size))
    with open(f"{top}/sparse", "wb") as f:
        f.truncate(900000)
        f.seek(500000)
        f.write(b"middle")
    os.makedirs(f"{top}/many/deeper")
    for i in range(600):
        with open(f"{top}/many/file-with-a-name-{i}", "w") as f:
            f.write(f"{i}\n" * (i % 40))
    os.symlink("../text-5000", f"{top}/many/link")
    os.link(f"{top}/text-1", f"{top}/hard-link")
    for folder, folders, files in os.walk(top):
        for name in files + folders + ["."]:
            os.utime(f"{folder}/{name}", (1000000000, 1000000000 + len(name)), follow_symlinks=False)


class Volumes:
    def __init__(self, kernel, walk, folder):
        with open(kernel, "rb") as f:
            self.kernel = f.read()
        with open(walk, "rb") as f:
            self.program = f.read()
        self.folder, self.count = folder, 0

    def path(self, name):
        return os.path.join(self.folder, name)

    def squash(self, *options, tree="tree"):
        out = self.path("image.squashfs")
        subprocess.run(["mksquashfs", self.path(tree), out, "-noappend", "-no-progress", "-quiet",
                        "-processors", "1", *options], check=True, stdout=subprocess.DEVNULL)
        with open(out, "rb") as f:
            return f.read()

    def image(self, whole, verity, embedded, folders=("/data",), root=None):
        config, parts = Config(), [("program", self.program, bytes(16))]
        config.add("program", "/app/walk")
        for arg in ("walk",) + folders:
            config.add("arg", arg)
        config.mount("/data", "squashfs", GUID, len(whole), verity=verity)
        if root:
            parts.append(("root", root, bytes(16)))
        if embedded:
            parts.append(("volume", whole, GUID))
        self.count += 1
        path = self.path(f"{self.count}.elf")
        with open(path, "wb") as f:
            f.write(link(self.kernel, [("config", config.record(), bytes(16))] + parts))
        return path

    def run(self, image, disk=None, machine="microvm", memory=24):
        extra = []
        if disk is not None:
            path = self.path("disk.raw")
            with open(path, "wb") as f:
                f.write(disk + b"\0" * (-len(disk) % 512))
            kind = "virtio-blk-device" if machine == "microvm" else "virtio-blk-pci"
            extra = ["-drive", f"file={path},format=raw,if=none,id=disk,readonly=on",
                     "-device", f"{kind},drive=disk"]
        end = boot(image, machine, memory, extra=extra)
        return end, end.console.decode(errors="replace").replace("\r\n", "\n")


def check(name, end, text, expected=None, panic=None, shows=None):
    global failures
    bad = None
    if panic is not None and not (end.kind == "panic" and re.search(panic, end.text)):
        bad = f"it should panic: {panic}"
    if panic is None and f"{end.kind} {end.status}" != "status 0":
        bad = "it should end well"
    if expected is not None and text != expected:
        at = next((i for i, (a, b) in enumerate(zip(text, expected)) if a != b), 0)
        bad = f"it tells something else: {text[max(0, at - 80):at + 80]!r}"
    if shows is not None and not re.search(shows, text):
        bad = f"nothing matches {shows}"
    if bad:
        failures += 1
        print(f"{name}: {bad}; the guest ended: {end}\n{text[-1500:]}")


def churn(v, program):
    os.mkdir(v.path("patterns"))
    subprocess.run([program, "make", v.path("patterns")], check=True)
    with open(program, "rb") as f:
        v.program = f.read()
    for codec, memory in (("zstd", 64), ("lz4", 12)):
        whole, verity = verity_tree(v.squash("-comp", codec, tree="patterns"), UUID, SALT)
        end, text = v.run(v.image(whole, verity, False), whole, memory=memory)
        check(f"churn in {memory} MiB", end, text, "all bytes right\n")


def main():
    with tempfile.TemporaryDirectory() as folder:
        v = Volumes(sys.argv[1], sys.argv[2], folder)
        make_tree(v.path("tree"))
        expected = subprocess.run([sys.argv[2], v.path("tree")], check=True,
                                  stdout=subprocess.PIPE).stdout.decode()
        for name, options in (("zstd", ["-comp", "zstd"]),
                              ("lz4", ["-comp", "lz4", "-no-fragments"]),
                              ("gzip", ["-comp", "gzip", "-b", "16384"]),
                              ("stored", ["-noI", "-noD", "-noF", "-noX"])):
            whole, verity = verity_tree(v.squash(*options), UUID, SALT)
            for machine in ("microvm", "q35"):
                end, text = v.run(v.image(whole, verity, False), whole, machine)
                check(f"{name} on a disk of {machine}", end, text, expected)
            end, text = v.run(v.image(whole, verity, True))
            check(f"{name} embedded", end, text, expected)
        plain = v.squash("-comp", "zstd")
        end, text = v.run(v.image(plain, None, True))
        check("embedded without a hash tree", end, text, expected)

        whole, verity = verity_tree(plain, UUID, SALT)
        image = v.image(whole, verity, False)
        end, text = v.run(image, whole, memory=12)
        check("little memory", end, text, expected)
        used = int.from_bytes(plain[40:48], "little")
        for block in (used // 4096 // 2, used // 4096 // 3):
            damaged = bytearray(whole)
            damaged[block * 4096 + 77] ^= 8
            end, text = v.run(image, bytes(damaged))
            check(f"damage in block {block}", end, text, shows=f"volume /data: block {block} is "
                  r"damaged[\s\S]* error 5 ")
        damaged = bytearray(whole)
        damaged[10] ^= 1
        check("damage in the superblock", *v.run(image, bytes(damaged)),
              panic="volume /data: no sound squashfs on vda", shows="block 0 is damaged")
        damaged = bytearray(whole)
        damaged[verity["offset"] + 4096] ^= 1
        check("damage in the hash tree", *v.run(image, bytes(damaged)),
              panic="no sound squashfs", shows="hash block 0 is damaged")
        check("another volume's tree", *v.run(image, verity_tree(plain, UUID, b"other")[0]),
              panic="the hash tree on vda is not the one configured")
        check("a device that is cut off", *v.run(image, whole[:-8192]),
              panic="the hash tree on vda is not the one configured")
        check("no device", *v.run(image),
              panic="volume /data: no device carries 0e4f1f6d-ab58-")

        archive = subprocess.run(["cpio", "-o", "-H", "newc", "--quiet"], cwd=v.path("tree"),
                                 input=b"text-5000\nmany\nmany/link\n", check=True,
                                 stdout=subprocess.PIPE).stdout
        end, text = v.run(v.image(whole, verity, True, ("/many", "/text-5000"), archive))
        check("root archive", end, text, shows=r"(?s)/link 120777 -> \.\./text-5000 10000.* 100644 "
              "5000 bytes sum")
        churn(v, sys.argv[3])
    sys.exit(failures != 0)


if __name__ == "__main__":
    main()
