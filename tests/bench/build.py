"""Building: uni beside the floor (each byte read, hashed and written once), mksquashfs and genimage."""
import os
import re
import shutil
import statistics

from measure import Table, duel, ms, peak_memory, processor_time, run, timed, told
from workspace import HERE, SMALL, UNI, copy_tree

BIG_FILES, BIG_BYTES = 20000, 190_000_000


def genimage(work, tree):
    """The same content as a squashfs in a partition of a disk: a side of a duel."""
    config = work.path("genimage.cfg")
    with open(config, "w", encoding="ascii") as f:
        f.write('image www.squashfs {\n squashfs { compression = "zstd" extraargs = "-Xcompression-level 3" }\n}\n'
                'image disk.img {\n hdimage { partition-table-type = "gpt" }\n'
                ' partition www { image = "www.squashfs" size = 8M }\n}\n')
    for name in ("g-in", "g-out", "g-tmp"):
        os.makedirs(work.path(name), exist_ok=True)
    return (["genimage", "--config", config, "--rootpath", tree, "--inputpath", work.path("g-in"),
             "--outputpath", work.path("g-out"), "--tmppath", work.path("g-tmp")],
            lambda: shutil.rmtree(work.path("g-tmp"), ignore_errors=True))


def squashfs(work, tree, level="3"):
    image = work.path("plain.squashfs")
    return (["mksquashfs", tree, image, "-comp", "zstd", "-Xcompression-level", level, "-no-progress", "-quiet"],
            lambda: os.path.exists(image) and os.remove(image))


def own_squashfs(work, tree):
    """Hash tree and digests of all contents included."""
    image = work.path("plain.squashfs")

    def prepare():
        work.put_aside("store")
        if os.path.exists(image):
            os.remove(image)
    return [UNI, "volume", "create", image, "--from", tree, "--format", "squashfs"], prepare


def writers(work, table, name, tree):
    """Both at the level that uni takes, on one processor's account."""
    image, found = work.path("plain.squashfs"), {}
    for writer, (argv, prepare) in {"mksquashfs": squashfs(work, tree, "1"), "uni": own_squashfs(work, tree)}.items():
        found[writer] = processor_time(argv, prepare, env=work.env), os.path.getsize(image)
    for writer, (seconds, size) in found.items():
        table.row(f"{name}: squashfs by {writer}, zstd 1", f"{ms(seconds)} of processor time, {size:,} bytes")
    work.empty_cache()


def beyond_writer(work, recipe, times=15):
    """Median seconds of a build from an empty cache less its volume's step, which each run tells of itself: the
    difference of two runs would hold the noise of both, and a volume written alone is flushed to the disk, too."""
    argv, found = work.build(recipe, "-v"), []
    for _ in range(times + 1):
        work.drop_results()
        seconds, text = told(argv, work.env)
        found.append(seconds - float(re.search(r"volume:www \(([0-9.]+) ms\)", text)[1]) / 1000)
    return statistics.median(found[1:])


def small(work, table, floor):
    count, total = copy_tree(work.path("small-tree"), *SMALL)
    recipe, tree = work.recipe("small", work.path("small-tree")), work.path("small", "www")
    f, s, g, first = duel([floor, tree, work.path("floor.out")], squashfs(work, tree), genimage(work, tree),
                          (work.build(recipe), work.drop_results), env=work.env)
    table.row(f"small: {count} files, {total / 1e6:.1f} MB: floor F", ms(f))
    table.row("small: mksquashfs alone, zstd 3", f"{ms(s)}, {s / f:.2f} F")
    table.row("small: genimage", ms(g))
    table.row("small: uni, empty cache", f"{ms(first)}, {first / g:.2f} of genimage", "below 0.50", first < 0.5 * g)
    beyond = beyond_writer(work, recipe)
    table.row("small: uni beyond its squashfs writer", ms(beyond), "below 10 ms", beyond < 0.010)
    writers(work, table, "small", tree)
    again = timed(work.build(recipe), env=work.env, times=9)
    table.row("small: uni, nothing changed", ms(again), "below 10 ms", again < 0.010)
    memory(work, table, "small", recipe)


def big(work, table, floor, walk):
    count, total = copy_tree(work.path("big-tree"), BIG_FILES, BIG_BYTES)
    recipe, tree = work.recipe("big", work.path("big-tree")), work.path("big", "www")
    f, s, first = duel([floor, tree, work.path("floor.out")], squashfs(work, tree),
                       (work.build(recipe), work.drop_results), env=work.env)
    table.row(f"big: {count} files, {total / 1e6:.1f} MB: floor F", ms(f))
    table.row("big: mksquashfs alone, zstd 3", f"{ms(s)}, {s / f:.2f} F")
    table.row("big: uni, empty cache", f"{ms(first)}, {first / f:.2f} F", "at most 2.5 F", first <= 2.5 * f)
    writers(work, table, "big", tree)
    again, w = duel(work.build(recipe), [walk, tree], env=work.env, times=9)
    table.row("big: walk of the sources", ms(w))
    table.row("big: uni, nothing changed", f"{ms(again)}, {again / w:.2f} of the walk", "at most 1.2", again <= 1.2 * w)
    memory(work, table, "big", recipe)


def memory(work, table, name, recipe):
    work.drop_results()
    own, both = peak_memory(work.build(recipe), env=work.env)
    table.row(f"{name}: memory of uni itself", f"{own / 1e6:.1f} MB", "below 64 MB", own < 64e6)
    table.row(f"{name}: with its children", f"{both / 1e6:.1f} MB", "below 256 MB", both < 256e6)


def main(work, tables):
    table = Table("Building")
    tables.append(table)
    floor, walk = work.path("floor"), work.path("walk")
    run(["gcc", "-O2", "-Wno-deprecated-declarations", "-o", floor, os.path.join(HERE, "floor.c"), "-lcrypto"])
    run(["gcc", "-O2", "-o", walk, os.path.join(HERE, "walk.c")])
    work.empty_cache()
    small(work, table, floor)
    big(work, table, floor, walk)
