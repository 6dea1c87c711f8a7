#!/usr/bin/env python3
"""Boots disks through BOOTX64.EFI by OVMF. Disk, box and seal are those of boot_test.py's second hand; the
system partition is made by mkfs.vfat and mtools.
"""
import argparse
import hashlib
import os
import struct
import subprocess
import sys
import tempfile
import unittest

import boot_test
from boot_test import DEVICES, GOOD, KERNEL_LBA, PANIC, SECTOR

ESP = boot_test.guid("C12A7328-F81F-11D2-BA4B-00A0C93EC93B")
FIRMWARE = "/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"


def sealed(loader, boxed, partition=b"K" * 16):
    """The loader with the kernel of a box sealed into it."""
    at = loader.index(b"UNISEAL\0")
    assert loader.count(b"UNISEAL\0") == 1
    seal = struct.pack("<8sII16s32sQ", b"UNISEAL\0", 1, 0, partition, hashlib.sha256(boxed).digest(), len(boxed))
    return loader[:at] + seal + loader[at + len(seal):]


def system_partition(loader):
    with tempfile.TemporaryDirectory() as folder:
        path, efi = os.path.join(folder, "esp"), os.path.join(folder, "loader")
        with open(path, "wb") as f:
            f.truncate(64 << 10)
        with open(efi, "wb") as f:
            f.write(loader)
        os.environ["PATH"] += ":/usr/sbin:/sbin"
        subprocess.run(["mkfs.vfat", "-F", "12", path], check=True, stdout=subprocess.DEVNULL)
        subprocess.run(["mmd", "-i", path, "::EFI", "::EFI/BOOT"], check=True)
        subprocess.run(["mcopy", "-i", path, efi, "::EFI/BOOT/BOOTX64.EFI"], check=True)
        with open(path, "rb") as f:
            return f.read()


def disk(stages, boxed, loader):
    """boot_test's disk, which starts by BIOS, with a system partition behind it."""
    old = boot_test.disk(stages, boxed)
    esp = system_partition(loader)
    first = (len(old) // SECTOR + 7) // 8 * 8
    last = first + len(esp) // SECTOR - 1
    sectors = last + 1 + 33
    image = bytearray(old).ljust(first * SECTOR, b"\0") + esp + bytes(33 * SECTOR)
    entries = bytearray(old[2 * SECTOR:34 * SECTOR])
    entries[256:384] = struct.pack("<16s16sQQQ72s", ESP, b"E" * 16, first, last, 0, b"")
    entries = bytes(entries)
    end = len(old) - 33 * SECTOR
    image[end:len(old)] = bytes(len(old) - end)
    image[2 * SECTOR:34 * SECTOR] = entries
    image[SECTOR:2 * SECTOR] = boot_test.gpt(1, sectors - 1, 2, entries, sectors)
    image[(sectors - 33) * SECTOR:(sectors - 1) * SECTOR] = entries
    image[(sectors - 1) * SECTOR:] = boot_test.gpt(sectors - 1, 1, sectors - 33, entries, sectors)
    struct.pack_into("<I", image, 446 + 12, sectors - 1)
    return image


def boot(images, device="virtio-blk", memory="64M"):
    """(exit status, serial output) of a start from the first of `images`."""
    with tempfile.TemporaryDirectory() as folder:
        args = ["qemu-system-x86_64", "-accel", "tcg", "-M", "q35", "-m", memory, "-nodefaults", "-display", "none",
                "-serial", "stdio", "-no-reboot", "-device", "isa-debug-exit,iobase=0xf4,iosize=4",
                "-drive", "if=pflash,format=raw,unit=0,readonly=on,file=" + FIRMWARE[0],
                "-drive", "if=pflash,format=raw,unit=1,snapshot=on,file=" + FIRMWARE[1]]
        for i, image in enumerate(images):
            path = os.path.join(folder, f"disk{i}.raw")
            with open(path, "wb") as f:
                f.write(image)
            how = DEVICES[device] if i == 0 else DEVICES["virtio-blk"]
            args += ["-drive", f"if=none,id=d{i},format=raw,file=" + path]
            args += [a.replace("drive=d", f"drive=d{i}") for a in how]
        run = subprocess.run(args, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             timeout=300)
        return run.returncode, run.stdout.decode("ascii", "replace")


class Efi(unittest.TestCase):
    stages = kernel = None

    @classmethod
    def setUpClass(cls):
        with open(os.path.join(cls.stages, "BOOTX64.EFI"), "rb") as f:
            cls.loader = f.read()
        cls.boxed = boot_test.box(boot_test.kernel_file(cls.kernel, 64 << 10), 1)
        cls.image = disk(cls.stages, cls.boxed, sealed(cls.loader, cls.boxed))

    def good(self, images, **how):
        status, text = boot(images, **how)
        self.assertEqual(status, GOOD, text)
        self.assertIn("ok at ", text)

    def refused(self, images, reason, **how):
        status, text = boot(images, **how)
        self.assertEqual(status, PANIC, text)
        self.assertIn("uni boot: " + reason, text)

    def test_virtio(self):
        self.good([self.image])

    def test_nvme(self):
        self.good([self.image], device="nvme")

    def test_bios(self):
        """The same disk."""
        status, text = boot_test.boot(self.image)
        self.assertEqual((status, text.strip()), (GOOD, "ok at 00208000"))

    def test_moved_stored(self):
        """A place that this machine has not; a box that is not packed; 3 GiB of memory, which is in two parts."""
        boxed = boot_test.box(boot_test.kernel_file(self.kernel, 1 << 20, linked=0xc0008000), 0)
        self.good([disk(self.stages, boxed, sealed(self.loader, boxed))], memory="3G")

    def test_other_kernel(self):
        """One bit of the box, in its header's padding, where no checksum of the box's own is."""
        image = bytearray(self.image)
        image[KERNEL_LBA * SECTOR + 400] ^= 1
        self.refused([image], "the kernel is not the one that this loader was made for")

    def test_elsewhere(self):
        """The kernel is on another disk than the loader, whose own kernel partition is damaged."""
        image = bytearray(self.image)
        image[KERNEL_LBA * SECTOR + 4000] ^= 1
        self.good([image, self.image])

    def test_no_partition(self):
        self.refused([disk(self.stages, self.boxed, sealed(self.loader, self.boxed, b"X" * 16))],
                     "no disk has the kernel's partition")

    def test_not_sealed(self):
        self.refused([disk(self.stages, self.boxed, self.loader)], "this loader was made for no kernel")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--stages", required=True)
    parser.add_argument("--kernel", required=True)
    known, rest = parser.parse_known_args()
    Efi.stages, Efi.kernel = known.stages, known.kernel
    unittest.main(argv=[sys.argv[0]] + rest)
