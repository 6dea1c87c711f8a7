#!/usr/bin/env python3
"""Makes an input of fuzz target `form` of a disk image: sparse_input.py IMAGE OUT"""

import struct
import sys

BLOCK = 512


def main():
    with open(sys.argv[1], "rb") as f:
        image = f.read()
    out = bytearray(struct.pack("<I", len(image)))
    at = 0
    while at < len(image):
        end = at
        while end < len(image) and end - at < 32768 and any(image[end:end + BLOCK]):
            end += BLOCK
        # A block of zeros ends most pieces long before its last byte.
        piece = image[at:end].rstrip(b"\0")
        if piece:
            out += struct.pack("<IH", at, len(piece)) + piece
        at = max(end, at + BLOCK)
    with open(sys.argv[2], "wb") as f:
        f.write(out)


if __name__ == "__main__":
    main()
