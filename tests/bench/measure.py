"""What every benchmark measures with: runs of programs, pairs of them by turns, memory, and the tables they end in."""
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time


class Table:
    def __init__(self, title):
        self.title, self.rows = title, []

    def row(self, what, figure, target="", met=None):
        mark = "" if met is None else ("yes" if met else "**no**")
        self.rows.append((what, figure, target, mark))
        print(f"  {what}: {figure} {('(target ' + target + ': ' + mark + ')') if target else ''}", flush=True)

    def text(self):
        lines = [f"## {self.title}", "", "| what | figure | target | met |", "|---|---|---|---|"]
        return "\n".join(lines + [f"| {' | '.join(row)} |" for row in self.rows]) + "\n"


def run(argv, ok=(0,), **more):
    done = subprocess.run(argv, check=False, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, **more)
    if done.returncode not in ok:
        sys.exit(f"{' '.join(argv)}: status {done.returncode}\n{done.stdout.decode(errors='replace')}")
    return done


def duel(*sides, times=5, ok=(0,), **more):
    """Median seconds of each side. A side is a command, or a pair of a command and what is called before it. They run
    by turns, so that a machine that is busy for a while is so for all of them, and each turn begins with another one,
    so that none always comes behind the same; the first turn only warms up. All begin when the disk has everything: else
    one side would flush what another wrote, and a processor that has rested is slower for a while than one that has not."""
    taken = [[] for _ in sides]
    for turn in range(times + 1):
        for i in range(len(sides)):
            at = (i + turn) % len(sides)
            side, found = sides[at], taken[at]
            argv, prepare = side if isinstance(side, tuple) else (side, None)
            if prepare:
                prepare()
            os.sync()
            start = time.perf_counter()
            run(argv, ok, **more)
            found.append(time.perf_counter() - start)
    return [statistics.median(found[1:]) for found in taken]


def timed(argv, prepare=None, **more):
    return duel((argv, prepare), **more)[0]


def told(argv, env):
    """Seconds from a program's start to its end, and what it said; nothing of Python's lies between."""
    with tempfile.TemporaryFile() as said:
        files = [(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0), (os.POSIX_SPAWN_DUP2, said.fileno(), 1),
                 (os.POSIX_SPAWN_DUP2, said.fileno(), 2)]
        start = time.perf_counter()
        status = os.waitpid(os.posix_spawn(argv[0], argv, env, file_actions=files), 0)[1]
        seconds = time.perf_counter() - start
        said.seek(0)
        text = said.read().decode(errors="replace")
    if status:
        sys.exit(f"{' '.join(argv)}: {text}")
    return seconds, text


def processor_time(argv, prepare, times=5, **more):
    """Median of the seconds that its processors worked, in the program and for it."""
    found = []
    for _ in range(times):
        prepare()
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        run(argv, **more)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        found.append(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
    return statistics.median(found)


def ms(seconds):
    return f"{seconds * 1000:.1f} ms"


def peak_memory(argv, **more):
    """Bytes: largest resident size of the process itself, and summed over it and its children (by sampling)."""
    child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, **more)
    own = both = 0
    while child.poll() is None:
        sizes = {child.pid: resident(child.pid)}
        for name in os.listdir("/proc"):
            if name.isdigit() and is_below(int(name), child.pid):
                sizes[int(name)] = resident(int(name))
        own, both = max(own, sizes[child.pid]), max(both, sum(sizes.values()))
        time.sleep(0.002)
    return own, both


def resident(pid):
    try:
        with open(f"/proc/{pid}/status", encoding="ascii") as f:
            for line in f:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1]) * 1024
    except (OSError, ProcessLookupError):
        pass
    return 0


def is_below(pid, ancestor):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
            return int(f.read().rpartition(")")[2].split()[1]) == ancestor
    except (OSError, ValueError, IndexError):
        return False
