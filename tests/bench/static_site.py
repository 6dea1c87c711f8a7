"""The static site: the whole of its disk, the least memory that it serves in, and how soon it answers; beside a
kernel that does nothing and a Debian cloud kernel with the same static program. The part with machines needs root
(a tap device in a network namespace of its own)."""
import json
import os
import shutil
import statistics
import sys
import time

import network
from boot import cloud_kernel, disk_arguments, machine, nothing
from measure import Table, ms, run
from workspace import ROOT, UNI

LEAST_DISK = 516096  # bytes: SeaBIOS starts nothing smaller
MIRAGE = 449_000     # bytes of MirageOS's DNS server
BLOCK = 4096
OURS, THEIRS = (3, 4, 5, 6, 7, 8, 10, 12, 16), (32, 40, 48, 56, 64, 72, 80, 96, 112, 128, 160, 192, 256)  # MB


def content(path):
    """Bytes of the file's blocks that are not zero."""
    with open(path, "rb") as f:
        return sum(len(block) for block in iter(lambda: f.read(BLOCK), b"") if block.strip(b"\0"))


def build(work, boot):
    """The stock recipe with a static address; its disk, and its ELF."""
    folder, out = work.path(f"site-{boot}"), work.path(f"out-{boot}")
    shutil.copytree(os.path.join(ROOT, "recipes/stock/site"), folder, ignore=shutil.ignore_patterns("*.lock"))
    recipe = os.path.join(folder, "recipe.toml")
    with open(recipe, encoding="utf-8") as f:
        text = f.read().replace('network = "dhcp"', f'network = "{network.GUEST}/24"')
    with open(recipe, "w", encoding="utf-8") as f:
        f.write(text + f'\n[output]\nboot = ["{boot}"]\n')
    run([UNI, "build", "-q", recipe, "-o", out, "-f", "raw,elf"], env=work.env)
    return os.path.join(out, "site.raw"), os.path.join(out, "site.elf")


def sizes(table, way, path):
    disk, data = os.path.getsize(path), content(path)
    table.row(f"{way}: disk with a page", f"{disk:,} bytes", f"{LEAST_DISK:,}", disk == LEAST_DISK)
    table.row(f"{way}: its non-zero blocks", f"{data:,} bytes", f"below {MIRAGE:,}", data < MIRAGE)


def least_memory(words, steps, path="/"):
    """The first of `steps`, in MB, in which the machine answers; None if none will do."""
    for size in steps:
        with network.Machine(words, memory=size) as started:
            try:
                started.first_answer(path, within=20)
                return size
            except TimeoutError:
                continue
    return None


def answer_beside_nothing(words, empty, times=9):
    """Medians of the start to the first answer, and of a start to the end of a kernel that does nothing; by turns."""
    found, nobody = [], []
    for _ in range(times):
        start = time.monotonic()
        run(empty, ok=(1,))
        nobody.append(time.monotonic() - start)
        with network.Machine(words, memory=64) as started:
            found.append(started.first_answer("/"))
    return statistics.median(found), statistics.median(nobody)


def inside(plan):
    network.make_tap()
    found = {name: least_memory(words, OURS) for name, words in plan["ours"].items()}
    if plan["linux"]:
        found["linux"] = least_memory(plan["linux"], THEIRS, "/1k")
    found["first"] = {name: answer_beside_nothing(plan["ours"][name], empty) for name, empty in plan["empty"].items()}
    return found


def machines(work, table, raw, elf):
    server, linux = network.program(work.dir), cloud_kernel(work)
    empty, sector = nothing(work)
    card = network.card()
    disk = disk_arguments(raw)
    plan = {
        "ours": {"BIOS": disk, "PVH": ["-kernel", elf, *disk[:-1], "virtio-blk-pci,drive=d"]},
        "empty": {"BIOS": machine("q35", *disk_arguments(sector), *card), "PVH": machine("q35", "-kernel", empty, *card)},
        "linux": linux and network.linux(work.path("least"), server, linux[1],
                                         os.path.join(ROOT, "build/bench/root/lib/modules"), {"1k": 1024}),
    }
    done = run(["unshare", "--net", sys.executable, __file__, json.dumps(plan)])
    found = json.loads(done.stdout.splitlines()[-1])
    for way in plan["ours"]:
        table.row(f"{way}: least memory that it serves in", f"{found[way]} MB", "at most 8 MB", found[way] <= 8)
    if linux is None:
        table.row("Debian cloud kernel", "not measured: it cannot be downloaded here")
    else:
        least = max(found[way] for way in plan["ours"])
        table.row("Debian cloud kernel: least memory that it serves in",
                  f"{found['linux']} MB; unibase takes {least / found['linux']:.2f} of it", "at most 0.25",
                  4 * least <= found["linux"])
    for way, (answered, least) in found["first"].items():
        table.row(f"{way}: a kernel that does nothing, start to exit", ms(least))
        table.row(f"{way}: start to the first answer", f"{ms(answered)}, {answered / least:.2f} times", "below 1.5",
                  answered < 1.5 * least)


def main(work, tables):
    table = Table("The static site (q35, TCG)")
    tables.append(table)
    work.install_base()
    raw, elf = build(work, "bios")
    sizes(table, "BIOS", raw)
    sizes(table, "UEFI", build(work, "uefi")[0])
    if os.geteuid() != 0:
        table.row("memory and first answer", "not measured: it needs root")
        return
    machines(work, table, raw, elf)


if __name__ == "__main__":
    print(json.dumps(inside(json.loads(sys.argv[1]))))
