"""VMDK and VDI against the rules that VMware and VirtualBox publish, rather than what qemu-img lets pass: "Virtual Disk
Format 5.0", and the checks of VirtualBox's own reader (src/VBox/Storage/VDICore.h, VDI.cpp)."""

import re
import struct
import zlib

from peers import check

SECTOR, TABLE = 512, 512
VALID_NEWLINE, REDUNDANT, PACKED, MARKERS = 1, 2, 1 << 16, 1 << 17
AT_END = (1 << 64) - 1


class Vmdk:
    """A sparse extent of one file."""

    def __init__(self, path, sectors):
        with open(path, "rb") as f:
            self.data = f.read()
        self.sectors = sectors
        check(len(self.data) % SECTOR == 0, "whole sectors")
        self.header(0)
        self.packed = bool(self.flags & PACKED)
        self.descriptor()

    def header(self, at):
        (magic, version, self.flags, self.capacity, self.grain, where, size, per_table, self.spare, self.directory, self.overhead,
         unclean, newlines, algorithm) = struct.unpack_from("<4sIIQQQQIQQQB4sH", self.data, at)
        check(magic == b"KDMV", "magic")
        check(self.flags & VALID_NEWLINE and newlines == b"\n \r\n", "newlines")
        check(self.grain > 8 and self.grain & (self.grain - 1) == 0, "a grain is a power of 2 above 8 sectors")
        # "Should be a multiple of the grain size"; it is the disk's size instead, as qemu-img has it too.
        check(self.capacity == self.sectors, "capacity")
        check(per_table == TABLE, "512 entries in a table")
        check(unclean == 0, "shut down")
        check(self.overhead % self.grain == 0, "overhead ends on a grain")
        check(not any(self.data[at + 79:at + SECTOR]), "padding")
        if self.flags & PACKED:
            check((version, algorithm) == (3, 1) and self.flags & MARKERS, "streamOptimized is version 3, deflate, with markers")
        else:
            check((version, algorithm) == (1, 0) and not self.flags & MARKERS, "version 1")
        self.text = self.data[where * SECTOR:(where + size) * SECTOR].rstrip(b"\0").decode()

    def descriptor(self):
        check(self.text.startswith("# Disk DescriptorFile\n"), self.text)
        words = dict(re.findall(r'(?m)^([\w.]+) ?= ?"?([^"\n]*)"?$', self.text))
        kind = "streamOptimized" if self.packed else "monolithicSparse"
        check(words["version"] == "1" and words["parentCID"] == "ffffffff" and words["createType"] == kind, self.text)
        check(re.fullmatch("[0-9a-f]{8}", words["CID"]) and words["CID"] not in ("ffffffff", "fffffffe"), "CID")
        check(re.search(rf'(?m)^RW {self.capacity} SPARSE "[^"/]+"$', self.text), "extent")
        check(words["ddb.adapterType"] in ("ide", "buslogic", "lsilogic", "legacyESX"), "adapter")
        cylinders, heads, sectors = (int(words[f"ddb.geometry.{name}"]) for name in ("cylinders", "heads", "sectors"))
        check(0 < cylinders <= 65535 and 0 < heads <= 255 and 0 < sectors <= 63, "geometry")
        check("ddb.virtualHWVersion" in words, "hardware version")

    def numbers(self, at, count):
        return struct.unpack_from(f"<{count}I", self.data, at * SECTOR)

    def tables(self, directory):
        grains = (self.capacity + self.grain - 1) // self.grain
        return [self.numbers(at, TABLE) if at else (0,) * TABLE
                for at in self.numbers(directory, (grains + TABLE - 1) // TABLE)]

    def check_monolithic(self):
        tables = self.tables(self.directory)
        check(self.flags & REDUNDANT and self.tables(self.spare) == tables, "the redundant tables say the same")
        grains = [at for table in tables for at in table if at]
        check(len(set(grains)) == len(grains), "a grain belongs to one place")
        for at in grains:
            check(at >= self.overhead and at % self.grain == 0 and (at + self.grain) * SECTOR <= len(self.data), "grain's place")

    def check_stream(self):
        """From front to back, as one reads who cannot seek; then by the footer."""
        check(self.directory == AT_END, "the directory is at the end")
        at, last, found, footer, directory = self.overhead, -1, {}, None, None
        while True:
            value, size, kind = struct.unpack_from("<QII", self.data, at * SECTOR)
            if size != 0:
                check(value > last and value % self.grain == 0 and value < self.capacity, "grains in order")
                plain = zlib.decompress(self.data[at * SECTOR + 12:at * SECTOR + 12 + size])
                check(len(plain) == self.grain * SECTOR, "a whole grain")
                found[value // self.grain], last = at, value
                at += (12 + size + SECTOR - 1) // SECTOR
                continue
            check(kind in (0, 1, 2, 3), f"marker {kind}")
            if kind == 0:
                break
            if kind == 2:
                directory = at + 1
            if kind == 3:
                footer = at + 1
                check(value == 1, "a footer is a sector")
            at += 1 + value
        check((at + 1) * SECTOR == len(self.data) and not any(self.data[at * SECTOR:]), "the end of stream is the end")
        check(footer is not None and footer + 1 == at, "the footer stands before it")
        self.header(footer * SECTOR)
        check(self.directory == directory, "the footer knows the directory")
        told = {number * TABLE + i: place for number, table in enumerate(self.tables(directory))
                for i, place in enumerate(table) if place}
        check(told == found, "tables and stream say the same")


def check_vmdk(path, size):
    vmdk = Vmdk(path, (size + SECTOR - 1) // SECTOR)
    if vmdk.packed:
        vmdk.check_stream()
    else:
        vmdk.check_monolithic()


def check_vdi(path, size):
    with open(path, "rb") as f:
        data = f.read()
    signature, version, header = struct.unpack_from("<III", data, 64)
    check(signature == 0xBEDA107F and version == 0x00010001, "signature and version")
    check(data[:64].rstrip(b"\0").endswith(b">>>\n"), "the file's own words")
    check(header >= 384, "size of the header")
    kind, flags = struct.unpack_from("<II", data, 76)
    check(kind in (1, 2) and flags == 0, "normal or fixed")
    blocks_at, data_at = struct.unpack_from("<II", data, 340)
    sector, _, disk, block, extra, blocks, allocated = struct.unpack_from("<IIQIIII", data, 360)
    uuids = [data[at:at + 16] for at in range(392, 456, 16)]
    check(sector == 512, "legacy geometry has sectors of 512 bytes")
    check(disk >= size and disk % 512 == 0, "the disk's size")
    check(block == 1 << 20 and extra == 0, "blocks of 1 MiB, which alone VirtualBox makes")
    check(blocks == (disk + block - 1) // block and allocated <= blocks, "as many blocks as the disk has")
    check(blocks_at >= 72 + header and blocks_at % 512 == 0, "the map's place")
    check(data_at >= blocks_at + 4 * blocks and data_at % 512 == 0, "the data's place")
    check(any(uuids[0]) and any(uuids[1]), "it has an identity")
    check(not any(uuids[2]) and not any(uuids[3]), "and no parent")
    places = [at for at in struct.unpack_from(f"<{blocks}I", data, blocks_at) if at < 0xFFFFFFFE]
    check(sorted(places) == list(range(allocated)), "each stored block belongs to one place")
    check(len(data) == data_at + allocated * block, "the file ends with its last block")
