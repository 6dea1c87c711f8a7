#!/usr/bin/python3
"""Address space layout randomization: a position-independent program, started several times, finds
its code, heap, mappings, stack and vDSO elsewhere each time, with as much left to chance as Linux
leaves. A program linked to an address has its code there, and the rest elsewhere.

  test_places.py unibase.elf tools/places tools/places_fixed
"""
import re
import sys
import tempfile

import boot
import mkimage

# A heap has 8,192 places behind its program, as on Linux: two of 12 are the same in one of 125 runs, which then starts
# 12 more, of which no two may be.
STARTS = 12
# Pages' bits that must have been seen to change: some less than there are, for one may be the same in all starts.
BITS = {"code": 20, "heap": 9, "mapping": 20, "stack": 13, "vdso": 20, "random": 50}


def places(image):
    end = boot.boot(image)
    text = end.console.decode(errors="replace")
    if (end.kind, end.status) != ("status", 0):
        sys.exit(f"the program ended: {end}\n{text}")
    return {name: int(value, 16) for name, value in re.findall(r"^(\w+) ([0-9a-f]+)\r?$", text, re.M)}


def check(kernel, program, fixed):
    with tempfile.NamedTemporaryFile() as image:
        words = ["--kernel", kernel, "-o", image.name, "--program", program]
        image.write(mkimage.build(mkimage.options().parse_args(words)))
        image.flush()
        for _ in range(2):
            starts = [places(image.name) for _ in range(STARTS)]
            if len({start["heap"] for start in starts}) == STARTS:
                break
    for name, bits in BITS.items():
        values = [start[name] for start in starts]
        changed = 0
        for value in values:
            changed |= value ^ values[0]
        count = bin(changed if name == "random" else changed >> 12).count("1")
        print(f"{name}: {count} bits of it changed, {len(set(values))} places in {STARTS} starts")
        if fixed and name == "code":
            assert changed == 0, "code that is linked to an address moved"
        else:
            assert len(set(values)) == STARTS, f"{name} was at the same place twice"
            assert count >= bits, f"{name}: only {count} bits change"


def main():
    kernel, program, fixed = sys.argv[1:]
    check(kernel, program, False)
    check(kernel, fixed, True)


if __name__ == "__main__":
    main()
