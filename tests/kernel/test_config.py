#!/usr/bin/python3
"""What the kernel makes of its image's parts and of the boot configuration, good and bad.

  test_config.py KTEST-CONFIG.ELF"""
import os
import re
import struct
import sys
import tempfile

from boot import boot
from mkimage import CFG, Config, find_parts_note, link

FWCFG = "opt/org.uni/config"
failures = 0


def record(*entries):
    c = Config()
    for kind, data, *flags in entries:
        c.add(kind, data, *flags)
    return c.record()


def permit(*kinds):
    return ("runtime", b"".join(struct.pack("<I", CFG[k]) for k in kinds))


class Case:
    def __init__(self, kernel, folder):
        self.kernel, self.folder, self.count = kernel, folder, 0

    def run(self, name, image, runtime=None, panic=None, shows=(), hides=(), machine="microvm", smbios=()):
        """Boots the image and compares: the panic's text, or lines that must and must not be there."""
        global failures
        self.count += 1
        path = os.path.join(self.folder, f"{self.count}.elf")
        with open(path, "wb") as f:
            f.write(image)
        extra = []
        if runtime is not None:
            with open(path + ".config", "wb") as f:
                f.write(runtime)
            extra = ["-fw_cfg", f"name={FWCFG},file={path}.config"]
        for text in smbios:
            extra += ["-smbios", f"type=11,value={text}"]
        end = boot(path, machine, 32, extra=extra)
        console = end.console.decode(errors="replace")
        lines = [re.sub(r"^uni: \[[^]]*\] ", "", line) for line in console.splitlines()]
        wrong = []
        if panic is None and (end.kind, end.status) != ("status", 0):
            wrong.append(f"ended by {end}")
        if panic is not None and (end.kind != "panic" or panic not in end.text):
            wrong.append(f"ended by {end}, not by a panic that says {panic!r}")
        wrong += [f"no line {line!r}" for line in shows if line not in lines]
        wrong += [f"a line {line!r}" for line in hides if line in lines]
        for what in wrong:
            print(f"{name}: {what}\n{console}")
        failures += bool(wrong)

    def image(self, config, *parts):
        return link(self.kernel, [("config", config, bytes(16)), *parts])

    def patched(self, image, index, paddr=None, size=None):
        """A part's entry in the note, changed."""
        image = bytearray(image)
        phoff, = struct.unpack_from("<Q", image, 0x20)
        phsize, phnum = struct.unpack_from("<HH", image, 0x36)
        headers = [struct.unpack_from("<IIQQQQQQ", image, phoff + i * phsize)
                   for i in range(phnum)]
        at = find_parts_note(image, headers)[0] + 8 + 40 * index
        if paddr is not None:
            struct.pack_into("<Q", image, at + 8, paddr)
        if size is not None:
            struct.pack_into("<Q", image, at + 16, size)
        return bytes(image)


def good(case):
    base = [("arg", "sh"), ("arg", "-c"), ("env", "A=1"), ("hostname", "x" * 40), ("arg", "last"),
            ("env", "N\0L"), ("grace", 250)]
    image = case.image(record(*base), ("program", b"\x7fELF" + b"p" * 5000, bytes(16)),
                       ("volume", b"v" * 4096 + b"w", bytes(range(16))))
    case.run("parts and entries", image, shows=[
        "part 2 size 5004 first 127 last 112", "part 4 size 4097 first 118 last 119",
        "entry 1 <sh>", "entry 1 <-c>", "entry 1 <last>", "entry 2 <A=1>", "entry 5 error 36",
        "entry 2 error 22", "grace 250 trace 7"])
    case.run("runtime not permitted at all", image, record(("arg", "evil")), panic="does not permit entries of type 1")
    case.run("tracing changes nothing", image, record(("trace", 1)), shows=["entry 1 <sh>", "grace 250 trace 1"])
    image = case.image(record(*base, permit("arg", "env")))
    case.run("permitted, not given", image, shows=["entry 1 <sh>"])
    case.run("one kind given", image, record(("arg", "new")),
             shows=["entry 1 <new>", "entry 2 <A=1>"], hides=["entry 1 <sh>", "entry 1 <last>"])
    case.run("a kind that is not permitted", image, record(("arg", "new"), ("hostname", "h")),
             panic="does not permit entries of type 5")
    damaged = bytearray(record(("arg", "new")))
    damaged[-1] ^= 1
    case.run("damaged at start", image, bytes(damaged), panic="given at start: damaged")
    case.run("cut at start", image, record(("arg", "new"))[:-8], panic="given at start: damaged")
    case.run("too short to be one", image, b"UNICFG1", panic="given at start: damaged")
    long = record(*[("env", f"V{i}=" + "x" * 20) for i in range(1000)])
    case.run("of several pages", image, long, shows=["entry 2 <V0=" + "x" * 20 + ">",
                                                     "entry 2 <V999=" + "x" * 20 + ">"])
    case.run("too long", image, bytes(2 << 20), panic="given at start: more than")
    case.run("without any part", case.kernel, shows=["grace 7 trace 7"])


def strings(data, step=400, name="org.uni.config"):
    return [f"{name}:{data[at:at + step].hex()}" for at in range(0, len(data), step)]


def smbios(case):
    """Machines without the fw_cfg file: OEM strings, by both of SMBIOS's entry points."""
    image = case.image(record(("arg", "sh"), ("env", "A=1"), permit("arg", "env")))
    given = record(("arg", "new"))
    case.run("by OEM strings", image, machine="pc", smbios=["another word", *strings(given, 10)],
             shows=["entry 1 <new>", "entry 2 <A=1>"], hides=["entry 1 <sh>"])
    long = record(*[("env", f"V{i}=" + "x" * 20) for i in range(700)])
    case.run("by SMBIOS 3", image, machine="q35,smbios-entry-point-type=64", smbios=strings(long),
             shows=["entry 2 <V0=" + "x" * 20 + ">", "entry 2 <V699=" + "x" * 20 + ">"])
    case.run("fw_cfg goes first", image, given, machine="pc", smbios=strings(record(("arg", "other"))),
             shows=["entry 1 <new>"])
    case.run("others' strings", image, machine="pc", smbios=["org.uni.configuration:00", "io.systemd.credential:a=b"],
             shows=["entry 1 <sh>"])
    case.run("not permitted", image, machine="pc", smbios=strings(record(("hostname", "h"))),
             panic="does not permit entries of type 5")
    case.run("strings that are cut", image, machine="pc", smbios=strings(given)[:-1] + ["org.uni.config:5"],
             panic="error 5 reading it")
    case.run("half a record", image, machine="pc", smbios=strings(given[:-8]), panic="given at start: damaged")


def bad(case):
    whole = record(("arg", "a"))
    for at in (0, 8, 12, 16, 30):
        damaged = bytearray(whole)
        damaged[at] ^= 0x40
        case.run(f"byte {at} damaged", case.image(bytes(damaged)), panic="boot configuration: damaged")
    CFG["later"] = 900
    case.run("a later kernel's entry", case.image(record(("later", "x"))), panic="unknown type 900")
    case.run("the same, optional", case.image(record(("later", "x", 1), ("arg", "a"))),
             shows=["entry 1 <a>"])
    image = case.image(whole, ("program", b"p" * 5000, bytes(16)))
    case.run("a part below the kernel", case.patched(image, 1, paddr=0x1000), panic="outside of it")
    case.run("a part that wraps", case.patched(image, 1, paddr=2**64 - 4096), panic="outside of it")
    case.run("a part of no bounds", case.patched(image, 1, size=2**63), panic="outside of it")
    case.run("a part longer than memory", case.patched(image, 1, size=2**30),
             panic="does not hold the image's parts")


def main():
    with open(sys.argv[1], "rb") as f:
        kernel = f.read()
    with tempfile.TemporaryDirectory() as folder:
        case = Case(kernel, folder)
        good(case)
        smbios(case)
        bad(case)
    print(f"{case.count} boots, {failures} wrong")
    sys.exit(failures != 0)


if __name__ == "__main__":
    main()
