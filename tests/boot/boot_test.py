#!/usr/bin/env python3
"""Boots disks through the BIOS loader and judges by serial output and exit status.

The disk, its GPT, the box and the LZ4 block are written here a second time, apart from the tool's
own code, so that tool and loader cannot share a mistake.
"""
import argparse
import os
import random
import struct
import subprocess
import sys
import tempfile
import unittest
import zlib

SECTOR = 512
GOOD, BAD, PANIC = 0x21 << 1 | 1, 0x22 << 1 | 1, 0x7F << 1 | 1
STAGE2_LBA, KERNEL_LBA = 40, 80


def guid(text):
    a, b, c, d, e = text.split("-")
    return struct.pack("<IHH", int(a, 16), int(b, 16), int(c, 16)) + bytes.fromhex(d + e)


BIOS_BOOT = guid("21686148-6449-6E6F-744E-656564454649")
KERNEL = guid("756E692D-6B65-726E-656C-000000000001")


def crc32c(data):
    table = crc32c.table
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ table[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def crc32c_table():
    table = []
    for i in range(256):
        for _ in range(8):
            i = i >> 1 ^ (0x82F63B78 if i & 1 else 0)
        table.append(i)
    return table


crc32c.table = crc32c_table()


def lz4_length(n):
    return b"" if n < 15 else b"\xff" * ((n - 15) // 255) + bytes([(n - 15) % 255])


def lz4_block(data):
    """Greedy LZ4; obeys the format's rules for the block's end."""
    out, anchor, at, seen = bytearray(), 0, 0, {}
    while at + 12 < len(data):
        key = data[at : at + 4]
        found = seen.get(key)
        seen[key] = at
        if found is None or at - found > 65535:
            at += 1
            continue
        end = at + 4
        while end < len(data) - 5 and data[end] == data[found + end - at]:
            end += 1
        run, match = at - anchor, end - at - 4
        out += bytes([min(run, 15) << 4 | min(match, 15)]) + lz4_length(run) + data[anchor:at]
        out += struct.pack("<H", at - found) + lz4_length(match)
        anchor = at = end
    run = len(data) - anchor
    out += bytes([min(run, 15) << 4]) + lz4_length(run) + data[anchor:]
    return bytes(out)


def pvh_entry(note):
    """The entry in a note segment, None without one."""
    at = 0
    while at + 12 <= len(note):
        name, size, kind = struct.unpack_from("<III", note, at)
        value = at + 12 + (name + 3) // 4 * 4
        if note[at + 12:at + 16] == b"Xen\0" and kind == 18:
            return int.from_bytes(note[value:value + size], "little")
        at = value + (size + 3) // 4 * 4
    return None


def places(elf):
    """Where an ELF file that is its own memory image wants to be: (load, bss, bss size, entry)."""
    if elf[4] == 1:
        entry, phoff = struct.unpack_from("<II", elf, 24)
        phsize, phnum = struct.unpack_from("<HH", elf, 42)
    else:
        entry, phoff = struct.unpack_from("<QQ", elf, 24)
        phsize, phnum = struct.unpack_from("<HH", elf, 54)
    load = bss = bss_size = None
    for i in range(phnum):
        if elf[4] == 1:
            kind, offset, _, paddr, filesz, memsz = struct.unpack_from("<6I", elf, phoff + i * phsize)
        else:
            kind, _, offset, _, paddr, filesz, memsz = struct.unpack_from("<IIQQQQQ", elf, phoff + i * phsize)
        if kind == 1 and filesz:
            load = paddr - offset
        elif kind == 1:
            bss, bss_size = paddr, memsz
        elif kind == 4:
            entry = pvh_entry(elf[offset:offset + filesz]) or entry
    return load, bss, bss_size, entry


def kernel_file(path, payload_size, linked=None):
    """The test kernel with a payload behind it: (file, load, bss, bss size, entry)."""
    with open(path, "rb") as f:
        elf = bytearray(f.read())
    load, bss, bss_size, entry = places(elf)
    rng = random.Random(1)
    words = [rng.randrange(1 << 32) if i % 8 < 3 else i // 64 for i in range(payload_size // 4)]
    value = 0
    for word in words:
        value = (value * 16777619 & 0xFFFFFFFF) ^ word
    elf += bytes(-len(elf) % 16)
    struct.pack_into("<III", elf, elf.index(b"PAYLOAD\0") + 8, len(elf), len(words), value)
    elf += struct.pack("<%dI" % len(words), *words)
    move = 0 if linked is None else linked - load
    return bytes(elf), load + move, bss + move, bss_size, entry + move


def box(kernel, codec):
    data, load, bss, bss_size, entry = kernel
    stored = lz4_block(data) if codec else data
    header = struct.pack("<8sII6Q32sI", b"UNIKERN\0", 1, codec, len(stored), len(data), load, bss,
                         bss_size, entry, bytes(32), crc32c(stored))
    header += struct.pack("<I", crc32c(header + bytes(4)))
    return header.ljust(512, b"\0") + stored


def gpt(lba, other, entries_lba, entries, sectors):
    header = struct.pack("<8sIIIIQQQQ16sQIII", b"EFI PART", 0x10000, 92, 0, 0, lba, other, 34,
                         sectors - 34, bytes(range(16)), entries_lba, 128, 128, zlib.crc32(entries))
    crc = zlib.crc32(header)
    return (header[:16] + struct.pack("<I", crc) + header[20:]).ljust(SECTOR, b"\0")


def disk(stages, boxed):
    """A whole disk as bytearray; its kernel partition starts at KERNEL_LBA."""
    with open(os.path.join(stages, "stage1.bin"), "rb") as f:
        stage1 = bytearray(f.read())
    with open(os.path.join(stages, "stage2.bin"), "rb") as f:
        stage2 = f.read()
    assert len(stage1) == 440 and len(stage2) % SECTOR == 0
    struct.pack_into("<H", stage1, 418, len(stage2) // SECTOR)
    struct.pack_into("<Q", stage1, 424, STAGE2_LBA)
    boxed = boxed.ljust(-(-len(boxed) // SECTOR) * SECTOR, b"\0")
    last = KERNEL_LBA + len(boxed) // SECTOR - 1
    sectors = max(last + 1 + 33 + 100, 1008)
    image = bytearray(sectors * SECTOR)

    def put(lba, data):
        image[lba * SECTOR : lba * SECTOR + len(data)] = data

    protective = struct.pack("<B3sB3sII", 0, b"\0\2\0", 0xEE, b"\xff\xff\xff", 1, sectors - 1)
    put(0, bytes(stage1).ljust(446, b"\0") + protective + bytes(48) + b"\x55\xaa")
    entries = struct.pack("<16s16sQQQ72s", BIOS_BOOT, b"B" * 16, STAGE2_LBA, 79, 0, b"")
    entries += struct.pack("<16s16sQQQ72s", KERNEL, b"K" * 16, KERNEL_LBA, last, 0, b"")
    entries = entries.ljust(128 * 128, b"\0")
    put(1, gpt(1, sectors - 1, 2, entries, sectors))
    put(2, entries)
    put(sectors - 33, entries)
    put(sectors - 1, gpt(sectors - 1, 1, sectors - 33, entries, sectors))
    put(STAGE2_LBA, stage2)
    put(KERNEL_LBA, boxed)
    return image


DEVICES = {
    "virtio-blk": ["-device", "virtio-blk-pci,drive=d"],
    "ide": {"pc": ["-device", "ide-hd,drive=d"], "q35": ["-device", "piix3-ide,id=i", "-device", "ide-hd,bus=i.0,drive=d"]},
    "ahci": ["-device", "ich9-ahci,id=a", "-device", "ide-hd,bus=a.0,drive=d"],
    "nvme": ["-device", "nvme,drive=d,serial=s"],
    "scsi": ["-device", "virtio-scsi-pci", "-device", "scsi-hd,drive=d"],
}


def boot(image, machine="q35", device="virtio-blk", memory="16M"):
    """(exit status, serial output) of a start from `image`."""
    args = DEVICES[device]
    args = args if isinstance(args, list) else args[machine]
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "disk.raw")
        with open(path, "wb") as f:
            f.write(image)
        run = subprocess.run(
            ["qemu-system-x86_64", "-accel", "tcg", "-M", machine, "-m", memory, "-nodefaults",
             "-display", "none", "-serial", "stdio", "-no-reboot",
             "-device", "isa-debug-exit,iobase=0xf4,iosize=4",
             "-drive", "if=none,id=d,format=raw,file=" + path] + args,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300)
        return run.returncode, run.stdout.decode("ascii", "replace")


class Boot(unittest.TestCase):
    stages = kernel = None

    @classmethod
    def setUpClass(cls):
        cls.small = kernel_file(cls.kernel, 64 << 10)
        cls.big = kernel_file(cls.kernel, 1 << 20)

    def good(self, image, where=0x208000, **how):
        status, text = boot(image, **how)
        self.assertEqual((status, text.strip()), (GOOD, "ok at %08x" % where))

    def refused(self, image, reason, **how):
        status, text = boot(image, **how)
        self.assertEqual(status, PANIC, text)
        self.assertIn(reason, text)
        self.assertEqual(len(text.strip().splitlines()), 1, text)

    def small_disk(self, codec=1):
        return disk(self.stages, box(self.small, codec))

    def test_devices(self):
        image = self.small_disk()
        for machine in ("pc", "q35"):
            for device in DEVICES:
                with self.subTest(machine=machine, device=device):
                    self.good(image, machine=machine, device=device)

    def test_memory(self):
        image = disk(self.stages, box(self.big, 1))
        for memory in ("8M", "2G", "5G"):
            with self.subTest(memory=memory):
                self.good(image, memory=memory)

    def test_stored_box(self):
        self.good(disk(self.stages, box(self.big, 0)), memory="8M")

    def test_moved(self):
        for codec in (0, 1):
            kernel = kernel_file(self.kernel, 64 << 10, linked=0x40008000)
            self.good(disk(self.stages, box(kernel, codec)), where=0x208000)

    def test_fills_memory(self):
        """The packed bytes find no room beside the image, and need none."""
        self.good(disk(self.stages, box(kernel_file(self.kernel, 4800 << 10), 1)), memory="8M")

    def test_too_large(self):
        self.refused(disk(self.stages, box(kernel_file(self.kernel, 7 << 20), 1)),
                     "too little memory for the kernel", memory="8M")

    def test_damaged_box(self):
        good = self.small_disk()
        at = KERNEL_LBA * SECTOR
        for offset, reason in ((0, "holds no kernel"), (20, "header is damaged"),
                               (511 + 512, "checksum differs"), (30000, "checksum differs")):
            with self.subTest(offset=offset):
                image = bytearray(good)
                image[at + offset] ^= 0x10
                self.refused(image, reason)

    def test_impossible_box(self):
        """Headers with a right checksum that ask for what cannot be."""
        fields = {"version": (8, "<I"), "codec": (12, "<I"), "stored": (16, "<Q"), "size": (24, "<Q"),
                  "load": (32, "<Q"), "bss": (40, "<Q"), "bss_size": (48, "<Q"), "entry": (56, "<Q")}
        for name, value, reason in (
                ("version", 2, "version"), ("codec", 7, "packed in a way"), ("stored", 1 << 40, "longer"),
                ("stored", 0, "longer"), ("stored", 1 << 63, "longer"), ("size", 1 << 40, "contradicts"),
                ("size", 0, "contradicts"), ("size", 5000, "contradicts"), ("size", 3 << 30, "too little"),
                ("load", (1 << 64) - 4096, "contradicts"), ("bss", 0x208000, "contradicts"),
                ("bss_size", 1 << 31, "contradicts"), ("entry", 0, "contradicts"),
                ("size", 200000, "another length")):
            with self.subTest(field=name, value=value):
                image = self.small_disk()
                at = KERNEL_LBA * SECTOR
                offset, form = fields[name]
                struct.pack_into(form, image, at + offset, value)
                struct.pack_into("<I", image, at + 100, 0)
                struct.pack_into("<I", image, at + 100, crc32c(image[at : at + 104]))
                self.refused(image, reason)

    def test_hostile_lz4(self):
        """Packed bytes with a right checksum that unpack to nonsense."""
        for token in (b"\xff", b"\0"):
            image = self.small_disk()
            at = KERNEL_LBA * SECTOR
            stored, = struct.unpack_from("<Q", image, at + 16)
            body = token * stored
            image[at + 512 : at + 512 + stored] = body
            struct.pack_into("<II", image, at + 96, crc32c(body), 0)
            struct.pack_into("<I", image, at + 100, crc32c(image[at : at + 104]))
            with self.subTest(token=token):
                self.refused(image, "cannot be unpacked")

    def test_backup_table(self):
        for damage in (SECTOR + 8, SECTOR + 60, 2 * SECTOR + 5):
            image = self.small_disk()
            image[damage] ^= 1
            self.good(image)
        image = self.small_disk()
        image[SECTOR : 34 * SECTOR] = bytes(33 * SECTOR)
        self.good(image)

    def test_no_table(self):
        image = self.small_disk()
        image[SECTOR + 60] ^= 1
        image[-SECTOR + 60] ^= 1
        self.refused(image, "table is damaged")

    def test_no_kernel_partition(self):
        image = self.small_disk()
        sectors = len(image) // SECTOR
        entries = bytearray(image[2 * SECTOR : 34 * SECTOR])
        entries[128:144] = b"X" * 16
        image[2 * SECTOR : 34 * SECTOR] = entries
        image[SECTOR : 2 * SECTOR] = gpt(1, sectors - 1, 2, bytes(entries), sectors)
        self.refused(image, "no partition with a kernel")

    def test_truncated_disk(self):
        image = disk(self.stages, box(self.big, 1))
        self.refused(image[: 600 << 10], "table is damaged")

    def test_damaged_stage2(self):
        for offset in (0, 4, 3000):
            image = self.small_disk()
            image[STAGE2_LBA * SECTOR + offset] ^= 1
            self.refused(image, "uni boot: 3")
        image = self.small_disk()
        struct.pack_into("<Q", image, 424, 1 << 40)
        self.refused(image, "uni boot: 2")
        for count in (0, 33, 65535):
            image = self.small_disk()
            struct.pack_into("<H", image, 418, count)
            self.refused(image, "uni boot: 3")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--stages", required=True)
    parser.add_argument("--kernel", required=True)
    known, rest = parser.parse_known_args()
    Boot.stages, Boot.kernel = known.stages, known.kernel
    unittest.main(argv=[sys.argv[0]] + rest)
