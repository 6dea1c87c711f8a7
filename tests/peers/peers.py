#!/usr/bin/env python3
"""Hands what peers-maker writes to the readers of other projects, and compares what they say.

  peers.py disk|kernel|volume|fat|squash MAKER BASE

77 is returned when one of their programs is not installed.
"""

import hashlib
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile


def need(*programs):
    """sbin is not in everyone's PATH."""
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    for program in programs:
        if shutil.which(program) is None:
            print(f"{program} is not installed")
            sys.exit(77)


def run(*argv, fails=False):
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, errors="replace",
                          check=False)
    if (done.returncode != 0) != fails:
        sys.exit(f"{' '.join(map(str, argv))}: status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def check(condition, words):
    if not condition:
        sys.exit(words)


def patch(path, offset, byte):
    with open(path, "r+b") as f:
        f.seek(offset)
        f.write(bytes([byte]))


def disk(maker, _base, tmp):
    """sgdisk, sfdisk and qemu-img accept disks of several sizes, and see the same partitions."""
    need("sgdisk", "sfdisk", "qemu-img")
    rng = random.Random(1)
    files = []
    for i, size in enumerate((1, 4096, 70001, 3 << 20)):
        files.append(os.path.join(tmp, f"part-{i}"))
        with open(files[-1], "wb") as f:
            f.write(rng.randbytes(size))
    for count, least in ((0, 0), (1, 0), (4, 0), (2, 50_000_000)):
        out = os.path.join(tmp, "disk")
        run(maker, "disk", out, least, *files[:count])
        said = run("sgdisk", "-v", out)
        check("No problems found" in said, f"sgdisk -v: {said}")
        for bad in ("Warning", "Caution", "corrupt"):
            check(bad not in said, f"sgdisk -v: {said}")
        said = run("sfdisk", "--verify", out)
        check("No errors detected" in said, f"sfdisk --verify: {said}")
        said = run("qemu-img", "info", out)
        check("file format: raw" in said, said)
        check(os.stat(out).st_size >= max(least, 516096), "the disk is too small")
        rows = re.findall(r"^\s+(\d+)\s+(\d+)\s+(\d+)\s.*?(\S+)\s*$",
                          run("sgdisk", "-p", out).split("Number")[1], re.M)
        check([r[3] for r in rows] == [os.path.basename(f) for f in files[:count]], f"{rows}")
        with open(out, "rb") as image:
            for row, path in zip(rows, files):
                image.seek(int(row[1]) * 512)
                with open(path, "rb") as f:
                    content = f.read()
                check(int(row[1]) % 8 == 0, "a partition does not start on 4 KiB")
                check(image.read(len(content)) == content, f"{path}: other content")


def elf_table(text):
    """Rows of `readelf -lW`'s program headers: type, offset, vaddr, paddr, file and memory size, flags."""
    pattern = (r"^\s+(\S+)\s+0x(\w+)\s+0x(\w+)\s+0x(\w+)\s+0x(\w+)\s+0x(\w+)\s+([RWE ]+?)\s+(?:0x)?\w+$")
    return [(m[0], *(int(x, 16) for x in m[1:6]), m[6].replace(" ", ""))
            for m in re.findall(pattern, text, re.M)]


def kernel(maker, base, tmp):
    """readelf finds nothing wrong with a bootable ELF; its segments keep the rule and W^X."""
    need("readelf", "musl-gcc")
    if not os.path.exists(os.path.join(base, "kernel/full.elf")):
        print("the base is not built")
        sys.exit(77)
    source = os.path.join(tmp, "hello.c")
    program = os.path.join(tmp, "hello")
    with open(source, "w", encoding="ascii") as f:
        f.write('#include <stdio.h>\nint main(void) { puts("hello"); return 0; }\n')
    run("musl-gcc", "-static", "-O2", "-o", program, source)
    elf, image = os.path.join(tmp, "hello.elf"), os.path.join(tmp, "hello.raw")
    run(maker, "image", base, program, elf, image)
    said = run("readelf", "-hlnW", elf)
    for bad in ("rror", "arning"):
        check(bad not in said, said)
    rows = elf_table(said)
    loads = [r for r in rows if r[0] == "LOAD"]
    check(len(loads) >= 4, said)
    check(len({r[3] - r[1] for r in loads if r[4]}) == 1, "the file is not the memory image")
    check(not any("W" in r[6] and "E" in r[6] for r in rows), "a segment is writable and executable")
    check(not any(r[0] == "NULL" for r in rows), "the free header was not used")
    check(loads == sorted(loads, key=lambda r: r[2]), "segments are not in order")
    with open(elf, "rb") as f, open(program, "rb") as p:
        whole, inside = f.read(), p.read()
    check(whole.find(inside) % 4096 == 0, "the program is not on a page, as it was")
    check(max(r[1] + r[4] for r in loads) == len(whole), "the last segment is not the file's end")
    if shutil.which("sgdisk"):
        check("No problems found" in run("sgdisk", "-v", image), "sgdisk -v")


def make_tree(root):
    rng = random.Random(2)
    os.makedirs(os.path.join(root, "empty"))
    for i in range(400):
        path = os.path.join(root, f"d{i % 7}", f"e{i % 3}", f"file {i}")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(rng.randbytes(rng.choice((0, 1, 100, 5000, 131072, 200001))))
        if i % 5 == 0:
            os.chmod(path, 0o755)
    os.symlink("d1/e0", os.path.join(root, "link"))
    with open(os.path.join(root, "zeros"), "wb") as f:
        f.truncate(1 << 20)
    with open(os.path.join(root, "h\u00e4user"), "wb") as f:
        f.write(b"utf-8")


def walk(root):
    """What a directory holds, as peers-maker's list has it."""
    lines = []
    for folder, folders, files in os.walk(root):
        for name in folders + files:
            path = os.path.join(folder, name)
            st = os.lstat(path)
            shown = path[len(root):]
            if os.path.islink(path):
                lines.append(("l", shown, os.readlink(path)))
            elif os.path.isdir(path):
                lines.append(("d", shown, oct(st.st_mode & 0o7777)[2:]))
            else:
                with open(path, "rb") as f:
                    digest = hashlib.sha256(f.read()).hexdigest()
                lines.append(("f", shown, oct(st.st_mode & 0o7777)[2:] + " " + digest))
    return sorted(lines)


def our_list(text):
    lines = []
    for line in text.splitlines():
        kind, mode, _owner, _time, _size, digest, path = line.split(" ", 6)
        if kind == "l":
            path, target = path.split(" -> ")
            lines.append((kind, path, target))
        else:
            lines.append((kind, path, mode if kind == "d" else f"{mode} {digest}"))
    return sorted(lines)


def volume(maker, _base, tmp):
    """unsquashfs unpacks the same tree that went in and that our reader sees; veritysetup verifies."""
    need("unsquashfs", "mksquashfs", "veritysetup")
    tree = os.path.join(tmp, "tree")
    make_tree(tree)
    expected = walk(tree)
    for compression in ("zstd", "lz4", "gzip", "none"):
        out = os.path.join(tmp, "volume")
        uuid, root, salt, blocks, offset = run(maker, "volume", tree, out, compression).split()
        check(our_list(run(maker, "list", out)) == expected, f"{compression}: our reader differs")
        there = os.path.join(tmp, f"unpacked-{compression}")
        run("unsquashfs", "-q", "-n", "-d", there, out)
        check(walk(there) == expected, f"{compression}: unsquashfs differs")
        dumped = run("veritysetup", "dump", out, "--hash-offset", offset)
        for pattern in (rf"UUID:\s+{uuid}", rf"Data blocks:\s+{blocks}", rf"Salt:\s+{salt}",
                        r"Hash algorithm:\s+sha256", r"Hash type:\s+1"):
            check(re.search(pattern, dumped), f"no {pattern} in\n{dumped}")
        verify = ("veritysetup", "verify", out, out, root, "--hash-offset", offset)
        run(*verify)
        with open(out, "rb") as f:
            byte = f.read(5001)[5000]
        patch(out, 5000, byte ^ 1)
        run(*verify, fails=True)
    # A volume of others, with what ours never has: xz, extended attributes, an export table.
    other = os.path.join(tmp, "other")
    run("mksquashfs", tree, other, "-comp", "xz", "-quiet", "-no-progress")
    check(our_list(run(maker, "list", other)) == expected, "xz: our reader differs")
    listed = run(maker, "list", other)
    check(len(listed.splitlines()) == len(expected), "xz: other entries")


def plain(rows):
    """What FAT keeps of a tree: paths and contents."""
    return [(kind, path, "" if kind == "d" else rest.split()[-1]) for kind, path, rest in rows]


def fat(maker, _base, tmp):
    """fsck.vfat finds nothing in FAT12, 16 and 32; mcopy takes out what went in; mkfs.vfat's is read too."""
    need("fsck.vfat", "mkfs.vfat", "mcopy", "mdir")
    os.environ.update(MTOOLS_SKIP_CHECK="1", LC_ALL="C.UTF-8")
    tree, small = os.path.join(tmp, "tree"), os.path.join(tmp, "small")
    make_tree(tree)
    os.unlink(os.path.join(tree, "link"))
    os.mkdir(small)
    for name in ("empty", "zeros", "h\u00e4user"):
        os.rename(os.path.join(tree, name), os.path.join(small, name))
    out, there = os.path.join(tmp, "volume"), os.path.join(tmp, "there")
    for root, extra, bits in ((small, 0, 12), (tree, 0, 16), (tree, 270 << 20, 32)):
        if extra:
            with open(os.path.join(tree, "zeros"), "wb") as f:
                f.truncate(extra)
        expected = plain(walk(root))
        run(maker, "fat", root, out)
        said = run("fsck.vfat", "-n", "-v", out)
        check(f"{bits} bit entries" in said, said)
        check("differ" not in said and "dirty" not in said, said)
        os.mkdir(there)
        run("mcopy", "-s", "-i", out, "::*", there)
        check(plain(walk(there)) == expected, f"FAT{bits}: mcopy differs")
        listed = {line.removeprefix("::").rstrip("/") for line in run("mdir", "-/", "-b", "-i", out, "::").splitlines()}
        check(listed - {""} == {path for _, path, _ in expected}, f"FAT{bits}: mdir lists {sorted(listed)}")
        check(plain(our_list(run(maker, "list", out))) == expected, f"FAT{bits}: our reader differs")
        shutil.rmtree(there)
    os.unlink(os.path.join(tree, "zeros"))
    os.rename(os.path.join(small, "h\u00e4user"), os.path.join(small, "H\u00e4user \u2302"))
    for bits, size in ((12, 8 << 20), (16, 40 << 20), (32, 300 << 20)):
        root = small if bits == 12 else tree
        with open(out, "wb") as f:
            f.truncate(0)
            f.truncate(size)
        run("mkfs.vfat", "-F", bits, "-n", "LABEL", out)
        run("mcopy", "-s", "-i", out, *(os.path.join(root, n) for n in sorted(os.listdir(root))), "::")
        check(plain(our_list(run(maker, "list", out))) == plain(walk(root)),
              f"mkfs.vfat -F {bits}: our reader differs")


def squash(maker, _base, tmp):
    """unsquashfs and, where it may mount, Linux read what our own writer makes, also after a change."""
    need("unsquashfs")
    tree = os.path.join(tmp, "tree")
    make_tree(tree)
    os.mkdir(os.path.join(tree, "wide"))
    for i in range(500):
        with open(os.path.join(tree, "wide", f"a-name-that-fills-blocks-{i}"), "w", encoding="ascii") as f:
            f.write(f"{i}\n" * (i % 50))
    with open(os.path.join(tree, "hole"), "wb") as f:
        f.write(b"x" + bytes(1 << 20) + b"x")
    for compression in ("zstd", "lz4", "gzip", "none"):
        outs = [os.path.join(tmp, f"{compression}-{n}") for n in ("packed", "placed", "next")]
        run(maker, "squash", tree, outs[0], compression, "packed")
        if compression in ("gzip", "none"):
            judge_squash(maker, tmp, tree, outs[:1])
            continue
        run(maker, "squash", tree, outs[1], compression, "placed")
        judge_squash(maker, tmp, tree, outs[:2])
        changed = os.path.join(tree, "wide", "changed")
        with open(changed, "w", encoding="ascii") as f:
            f.write("new content\n")
        kept, put = run(maker, "squash", tree, outs[2], compression, "placed", outs[1]).split()
        check(int(kept) > int(put), f"{compression}: {kept} bytes kept, {put} written")
        judge_squash(maker, tmp, tree, outs[2:])
        os.unlink(changed)


def judge_squash(maker, tmp, tree, outs):
    expected = walk(tree)
    for out in outs:
        check(our_list(run(maker, "list", out)) == expected, f"{out}: our reader differs")
        there = os.path.join(tmp, "there")
        run("unsquashfs", "-q", "-n", "-d", there, out)
        check(walk(there) == expected, f"{out}: unsquashfs differs")
        shutil.rmtree(there)
        os.mkdir(there)
        mount = ["mount", "-t", "squashfs", "-o", "loop,ro", out, there]
        if subprocess.run(mount, capture_output=True, check=False).returncode == 0:
            seen = walk(there)
            run("umount", there)
            check(seen == expected, f"{out}: Linux differs")
        os.rmdir(there)


def main():
    what = {"disk": disk, "kernel": kernel, "volume": volume, "fat": fat, "squash": squash}[sys.argv[1]]
    # Modes are compared: the mask of whoever runs this must not show.
    os.umask(0o022)
    with tempfile.TemporaryDirectory() as tmp:
        what(os.path.abspath(sys.argv[2]), sys.argv[3], tmp)


if __name__ == "__main__":
    main()
