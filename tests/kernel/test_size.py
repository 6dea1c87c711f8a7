#!/usr/bin/python3
"""A kernel stays within its budget: what it weighs every image carries and every start loads.

  test_size.py KERNEL.ELF BYTES
"""
import os
import sys


def main():
    kernel, budget = sys.argv[1], int(sys.argv[2])
    size = os.path.getsize(kernel)
    print(f"{os.path.basename(kernel)}: {size:,} bytes of {budget:,}")
    if size > budget:
        sys.exit("It has outgrown its budget. Link it without what its programs do not need (kernels/unibase/kernels.cmake), "
                 "or raise the budget, and say why.")


if __name__ == "__main__":
    main()
