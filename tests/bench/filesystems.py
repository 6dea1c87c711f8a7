"""Writable file systems out of trees: uni beside the floor and mke2fs, and what a folder of many files costs. All are on
the disk when the clock stops: uni flushes by itself, the others are followed by sync."""
import os
import shutil

from build import BIG_BYTES, BIG_FILES
from measure import Table, duel, ms, peak_memory, run
from workspace import HERE, UNI, copy_tree

FEW, MANY = 10_000, 100_000


class Contest:
    def __init__(self, work):
        self.work, self.outputs = work, []

    def clean(self):
        for path in self.outputs:
            if os.path.exists(path):
                os.remove(path)

    def output(self, name):
        self.outputs.append(self.work.path(name))
        return self.outputs[-1]

    def ours(self, tree, name, size):
        out = self.output(name)
        return [UNI, "volume", "create", out, "--from", tree, "--format", "ext4", "--size", size]

    def floor(self, tree):
        program, out = self.work.path("floor"), self.output("floor.out")
        run(["gcc", "-O2", "-Wno-deprecated-declarations", "-o", program, os.path.join(HERE, "floor.c"), "-lcrypto"])
        return ["sh", "-c", '"$@" && sync -d "$3"', "sh", program, tree, out]

    def theirs(self, tree, size):
        out = self.output("mke2fs.out")
        return ["sh", "-c", 'mke2fs -q -F -t ext4 -d "$1" "$2" "$3" && sync -d "$2"', "sh", tree, out, size]

    def between(self, *sides, times=3):
        return duel(*((argv, self.clean) for argv in sides), times=times, env=self.work.env)


def tree_of_files(contest, table):
    tree = contest.work.path("ext4-tree")
    count, total = copy_tree(tree, BIG_FILES, BIG_BYTES)
    ours = contest.ours(tree, "big.vol", "320M")
    f, mine, other = contest.between(contest.floor(tree), ours, contest.theirs(tree, "320M"))
    table.row(f"{count} files, {total / 1e6:.1f} MB: floor F", ms(f))
    table.row("mke2fs -d", f"{ms(other)}, {other / f:.2f} F")
    table.row("uni volume create --format ext4", f"{ms(mine)}, {mine / f:.2f} F", "at most 1.2 F", mine <= 1.2 * f)
    contest.clean()
    own, _ = peak_memory(ours, env=contest.work.env)
    table.row("memory of it", f"{own / 1e6:.1f} MB", "below 64 MB", own < 64e6)
    shutil.rmtree(tree)


def folder_of_files(contest, table):
    trees = []
    for count in (FEW, MANY):
        trees.append(contest.work.path(f"folder-{count}"))
        os.mkdir(trees[-1])
        for i in range(count):
            with open(os.path.join(trees[-1], f"file-{i}"), "w", encoding="ascii") as f:
                f.write(f"{i}\n")
    few, many = contest.between(contest.ours(trees[0], "few.vol", "1G"), contest.ours(trees[1], "many.vol", "1G"))
    table.row(f"one folder of {FEW} files", ms(few))
    table.row(f"one folder of {MANY} files", f"{ms(many)}, {many / few:.1f} times", f"at most {1.2 * MANY / FEW:.0f}",
              many <= 1.2 * MANY / FEW * few)


def main(work, tables):
    table = Table("ext4 out of a folder")
    tables.append(table)
    contest = Contest(work)
    tree_of_files(contest, table)
    folder_of_files(contest, table)
