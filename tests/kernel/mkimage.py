#!/usr/bin/python3
"""Makes a bootable ELF of a kernel, a program, a boot configuration and small volumes.

The kernel's tests use this instead of the host tool, so that neither's mistakes hide behind the
other's: it is a second reading of kernels/abi (note.h, config.h, verity.h).

  mkimage.py --kernel unibase.elf -o out.elf --program prog [-e NAME=VALUE] [--trace] -- arg0 arg1
"""
import argparse
import hashlib
import struct
import sys
import uuid

PAGE = 4096
PT_NULL, PT_LOAD, PT_NOTE = 0, 1, 4
NOTE_PARTS = 1
PARTS_MAX = 16
PART = {"config": 1, "program": 2, "root": 3, "volume": 4}
CFG = {
    "arg": 1, "env": 2, "program": 3, "cwd": 4, "hostname": 5, "host": 6, "resolver": 7,
    "mount": 8, "network": 9, "limit": 10, "on_exit": 11, "on_fault": 12, "epoch": 13,
    "log_level": 14, "trace": 15, "runtime": 16, "grace": 17, "file": 18, "time_server": 19, "syslog": 20,
    "jit": 21, "user": 22, "group": 23,
}
ACTION = {"off": 0, "reboot": 1, "restart": 2}
LIMIT = {"files": 1, "stack": 2, "memory": 3}
FS = {"squashfs": 1, "ext4": 2, "live": 3, "tmpfs": 4}


def align(value, unit):
    return (value + unit - 1) // unit * unit


def crc32c(data):
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = (byte >> 1) ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    crc = 0xFFFFFFFF
    for byte in data:
        crc = (crc >> 8) ^ table[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


class Config:
    """The record of config.h, entry by entry."""

    def __init__(self):
        self.entries = b""

    def add(self, kind, data, flags=0):
        if isinstance(data, str):
            data = data.encode()
        if isinstance(data, int):
            data = struct.pack("<I", data)
        self.entries += struct.pack("<HHI", CFG[kind], flags, len(data))
        self.entries += data + b"\0" * (-len(data) % 8)

    def mount(self, path, fs, guid=bytes(16), size=0, read_only=True, verity=None):
        flags = (1 if read_only else 0) | (2 if verity else 0)
        verity = verity or {"blocks": 0, "offset": 0, "salt": b"", "root": bytes(32)}
        path = path.encode()
        self.add("mount", struct.pack(
            "<16sIIQQQII32s32s", guid, FS[fs], flags, verity["blocks"], verity["offset"], size,
            len(verity["salt"]), len(path), verity["root"], verity["salt"]) + path)

    def limit(self, kind, value):
        self.add("limit", struct.pack("<IIQ", LIMIT[kind], 0, value))

    def record(self):
        size = 24 + len(self.entries)
        head = [b"UNICFG1\0", 1, size, 0, 0]
        head[3] = crc32c(struct.pack("<8sIIII", *head) + self.entries)
        return struct.pack("<8sIIII", *head) + self.entries


def verity_tree(data, guid, salt=b""):
    """`data` padded to blocks with superblock and hash tree behind it; what the mount must know."""
    data += b"\0" * (-len(data) % PAGE)
    blocks = len(data) // PAGE
    level, levels = data, []
    while len(level) > PAGE:
        digests = b"".join(hashlib.sha256(salt + level[i:i + PAGE]).digest()
                           for i in range(0, len(level), PAGE))
        level = digests + b"\0" * (-len(digests) % PAGE)
        levels.append(level)
    root = hashlib.sha256(salt + level).digest()
    head = struct.pack("<8sII16s32sIIQH6s256s168s", b"verity\0\0", 1, 1, guid, b"sha256", PAGE,
                       PAGE, blocks, len(salt), b"", salt, b"")
    whole = data + head + b"\0" * (PAGE - len(head)) + b"".join(reversed(levels))
    return whole, {"blocks": blocks, "offset": len(data), "salt": salt, "root": root}


def find_parts_note(elf, headers):
    for kind, _, offset, _, _, size, _, _ in headers:
        if kind != PT_NOTE:
            continue
        end = offset + size
        while offset + 12 <= end:
            name_size, desc_size, note = struct.unpack_from("<III", elf, offset)
            desc = offset + 12 + align(name_size, 4)
            if elf[offset + 12:offset + 12 + name_size] == b"uni\0" and note == NOTE_PARTS:
                return desc, desc_size
            offset = desc + align(desc_size, 4)
    sys.exit("mkimage: the kernel has no note for its parts")


def link(kernel, parts):
    """`parts` is a list of (kind, bytes, uuid). The file is the memory image: see note.h."""
    elf = bytearray(kernel)
    if elf[:6] != b"\x7fELF\x02\x01":
        sys.exit("mkimage: the kernel is not an ELF64 file")
    phoff, = struct.unpack_from("<Q", elf, 0x20)
    phsize, phnum = struct.unpack_from("<HH", elf, 0x36)
    headers = [struct.unpack_from("<IIQQQQQQ", elf, phoff + i * phsize) for i in range(phnum)]
    loads = [h for h in headers if h[0] == PT_LOAD and h[5] != 0]
    delta = {h[4] - h[2] for h in loads}
    if len(delta) != 1:
        sys.exit("mkimage: p_paddr - p_offset differs between segments")
    delta = delta.pop()
    virt = loads[0][3] - loads[0][4]

    elf += b"\0" * (-len(elf) % PAGE)
    start = len(elf)
    table = start  # the program headers move here when the kernel left no free one
    spare = next((i for i, h in enumerate(headers) if h[0] == PT_NULL), None)
    if spare is None:
        elf += b"\0" * PAGE
    note, note_size = find_parts_note(elf, headers)
    if note_size != 8 + 40 * PARTS_MAX or len(parts) > PARTS_MAX:
        sys.exit("mkimage: the parts do not fit the kernel's note")
    struct.pack_into("<II", elf, note, 1, len(parts))
    for i, (kind, data, guid) in enumerate(parts):
        elf += b"\0" * (-len(elf) % PAGE)
        struct.pack_into("<IIQQ16s", elf, note + 8 + 40 * i, PART[kind], 0, len(elf) + delta,
                         len(data), guid)
        elf += data
    elf += b"\0" * (-len(elf) % PAGE)
    size = len(elf) - start
    segment = (PT_LOAD, 4, start, start + delta + virt, start + delta, size, size, PAGE)
    if spare is not None:
        struct.pack_into("<IIQQQQQQ", elf, phoff + spare * phsize, *segment)
    else:
        for i, h in enumerate(headers + [segment]):
            struct.pack_into("<IIQQQQQQ", elf, table + i * 56, *h)
        struct.pack_into("<Q", elf, 0x20, table)
        struct.pack_into("<HH", elf, 0x36, 56, len(headers) + 1)
    return bytes(elf)


def embed(spec, config, parts):
    """FILE=PATH: a squashfs image as an embedded volume with its hash tree, mounted at PATH."""
    file, path = spec.rsplit("=", 1)
    with open(file, "rb") as f:
        data = f.read()
    guid = uuid.uuid5(uuid.NAMESPACE_URL, path).bytes_le
    whole, verity = verity_tree(data, guid, hashlib.sha256(guid).digest())
    parts.append(("volume", whole, guid))
    config.mount(path, "squashfs", guid, len(whole), verity=verity)


def options():
    p = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    p.add_argument("--kernel", required=True)
    p.add_argument("-o", "--output", required=True)
    p.add_argument("--program", help="static ELF file")
    p.add_argument("--path", help="where the program appears as a file (/app/NAME)")
    p.add_argument("-e", "--env", action="append", default=[])
    p.add_argument("--cwd")
    p.add_argument("--hostname")
    p.add_argument("--root", help="cpio newc archive unpacked at start")
    p.add_argument("--embed", action="append", default=[], metavar="FILE=PATH",
                   help="squashfs image as an embedded volume")
    p.add_argument("--tmpfs", action="append", default=[], metavar="PATH[:SIZE]")
    p.add_argument("--ext4", action="append", default=[], metavar="UUID=PATH", help="a disk that is written to")
    p.add_argument("--limit", action="append", default=[], metavar="files|stack|memory=N")
    p.add_argument("--on-exit", choices=ACTION)
    p.add_argument("--on-fault", choices=ACTION)
    p.add_argument("--epoch", type=int)
    p.add_argument("--grace", type=int, help="milliseconds from SIGTERM to the end")
    p.add_argument("--network", action="append", default=[], help="dhcp, none or ADDRESS/PREFIX[,GATEWAY]")
    p.add_argument("--log", type=int, help="0 errors to 3 debug")
    p.add_argument("--trace", action="store_true")
    p.add_argument("--jit", action="store_true")
    p.add_argument("--user", type=int)
    p.add_argument("--group", type=int)
    p.add_argument("--time-server", action="append", default=[])
    p.add_argument("--syslog")
    p.add_argument("args", nargs="*", help="argv, argv[0] first (the program's name)")
    return p


def build(o):
    config, parts = Config(), []
    args = o.args
    if o.program:
        name = o.program.rsplit("/", 1)[-1]
        path = o.path or "/app/" + name
        config.add("program", path)
        with open(o.program, "rb") as f:
            parts.append(("program", f.read(), bytes(16)))
        args = args or [name]
    for arg in args:
        config.add("arg", arg)
    for env in o.env:
        config.add("env", env)
    for key in ("cwd", "hostname"):
        if getattr(o, key):
            config.add(key, getattr(o, key))
    for spec in o.limit:
        kind, value = spec.split("=")
        config.limit(kind, int(value))
    for key in ("on_exit", "on_fault"):
        if getattr(o, key):
            config.add(key, ACTION[getattr(o, key)])
    if o.epoch is not None:
        config.add("epoch", struct.pack("<q", o.epoch))
    if o.log is not None:
        config.add("log_level", o.log)
    for server in o.time_server:
        config.add("time_server", server)
    if o.syslog:
        config.add("syslog", o.syslog)
    for network in o.network:
        config.add("network", network)
    if o.grace is not None:
        config.add("grace", o.grace)
    if o.trace:
        config.add("trace", 1)
    if o.jit:
        config.add("jit", 1)
    for key in ("user", "group"):
        if getattr(o, key) is not None:
            config.add(key, getattr(o, key))
    if o.root:
        with open(o.root, "rb") as f:
            parts.append(("root", f.read(), bytes(16)))
    for spec in o.embed:
        embed(spec, config, parts)
    for spec in o.tmpfs:
        path, _, size = spec.partition(":")
        config.mount(path, "tmpfs", size=int(size or 0), read_only=False)
    for spec in o.ext4:
        guid, path = spec.split("=")
        config.mount(path, "ext4", uuid.UUID(guid).bytes_le, 0, read_only=False)
    with open(o.kernel, "rb") as f:
        return link(f.read(), [("config", config.record(), bytes(16))] + parts)


def main():
    o = options().parse_args()
    image = build(o)
    with open(o.output, "wb") as f:
        f.write(image)


if __name__ == "__main__":
    main()
