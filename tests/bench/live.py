"""Content replaced while machines serve it: from the command to the last machine that serves it, whether a request
fails or sees a mixture, and how much is written. One host file, as many machines as are asked for (UNI_BENCH_MACHINES);
then as many as memory holds, UNI_BENCH_MOST at most."""
import concurrent.futures
import hashlib
import http.client
import json
import os
import random
import re
import shutil
import socket
import statistics
import subprocess
import sys
import time

from measure import Table, ms
from workspace import HERE, ROOT, UNI

STOCK = os.path.join(ROOT, "recipes/stock/site")
FILES, FILE_BYTES, PAGE_BYTES, ROUNDS = 1000, 100_000, 8192, 5
LEAD, BETWEEN = 5, 4.0  # seconds of load before the first change, and from one to the next
RESERVE = 4e9  # bytes of memory that stay free


class Site:
    def __init__(self, folder):
        self.folder, self.generation = os.path.join(folder, "site"), 0
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(os.path.join(self.folder, "www"))
        for name in os.listdir(STOCK):
            if name.endswith((".c", ".h")):
                shutil.copy(os.path.join(STOCK, name), self.folder)
        with open(os.path.join(STOCK, "recipe.toml"), encoding="utf-8") as f:
            recipe = f.read().split("[[test]]")[0]
        with open(os.path.join(self.folder, "recipe.toml"), "w", encoding="utf-8") as f:
            f.write(recipe + 'format = "live"\nsize = "256M"\n')
        dice = random.Random(1)
        for i in range(FILES):
            self.write(f"file-{i}", dice.randbytes(FILE_BYTES))
        self.change()
        self.env = dict(os.environ, UNI_CACHE=os.path.join(folder, "store"), UNI_INDEX=os.path.join(folder, "no-index"),
                        XDG_STATE_HOME=os.path.join(folder, "state"))
        packages = os.path.join(ROOT, "build/packages/out")
        self.uni("install", *(os.path.join(packages, f) for f in sorted(os.listdir(packages))
                              if f.startswith("unibase-") and f.endswith(".unipkg")))

    def write(self, name, content):
        with open(os.path.join(self.folder, "www", name), "wb") as f:
            f.write(content)

    def change(self):
        self.generation += 1
        rest = random.Random(self.generation).randbytes(PAGE_BYTES - 72)
        self.write("page", b"%06d %s\n" % (self.generation, hashlib.sha256(rest).hexdigest().encode()) + rest)

    def uni(self, *words):
        done = subprocess.run([UNI, *words], cwd=self.folder, env=self.env, check=False, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE)
        if done.returncode != 0:
            sys.exit(f"uni {' '.join(words)}: {done.stderr.decode()}")
        return done.stdout


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    found = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return found


class Load:
    """wrk, with a thread and a connection for each machine, at a fixed rate in all. live.lua checks every answer,
    and writes down when a machine was first seen to serve a generation."""

    def __init__(self, folder, ports, rate, seconds):
        self.path, self.pace = os.path.join(folder, "seen"), f"{rate / len(ports):.6f}"
        self.wrk = subprocess.Popen(
            ["wrk", f"-t{len(ports)}", f"-c{len(ports)}", f"-d{seconds}s", "--timeout", "60s", "-s",
             os.path.join(HERE, "live.lua"), f"http://127.0.0.1:{ports[0]}/page", "--", self.path, self.pace,
             *map(str, ports)], stdout=subprocess.PIPE)

    def lines(self):
        if not os.path.exists(self.path):
            return []
        with open(self.path, encoding="ascii") as f:
            return [line.split() for line in f if line.endswith("\n")]

    def seen(self, generation):
        """When each port first gave it."""
        return {port: float(at) for what, port, g, at in self.lines() if what == "seen" and int(g) == generation}

    def wrong(self):
        return [" ".join(line) for line in self.lines() if line[0] == "wrong"]

    def end(self):
        """Requests that were answered, those that failed, and the seconds that one was late at most."""
        text = self.wrk.communicate()[0].decode()
        found = re.search(r"^answered (\d+) failed (\d+) seconds ([\d.]+)$", text, re.MULTILINE)
        if found is None:
            sys.exit(f"wrk says: {text}")
        return int(found[1]), int(found[2]) + len(self.wrong()), float(found[3])


def wait_serving(ports):
    for port in ports:
        end = time.monotonic() + 120
        while True:
            try:
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
                connection.request("GET", "/page")
                connection.getresponse().read()
                break
            except (OSError, http.client.HTTPException):
                if time.monotonic() > end:
                    sys.exit("a machine does not serve")
                time.sleep(0.1)


def copy(site):
    """One change: its report, and the seconds that the command took."""
    site.change()
    start = time.monotonic()
    report = json.loads(site.uni("volume", "copy", "www", "vm:web-*/www", "--timeout", "60", "--json"))
    return start, time.monotonic() - start, report


def rounds(site, ports, load=None):
    found = {"command": [], "served": [], "written": [], "tree": []}
    for _ in range(ROUNDS):
        start, took, report = copy(site)
        silent = [m["name"] for m in report["machines"] if not m["serves"]]
        if silent or len(report["machines"]) != len(ports):
            sys.exit(f"not all serve it: {silent}")
        found["command"].append(took)
        found["written"].append(report["blocks_written"] * 4096)
        found["tree"].append(report["tree_blocks_written"] * 4096)
        if load:
            found["served"].append(last_seen(load, ports, site.generation) - start)
            time.sleep(max(0, start + BETWEEN - time.monotonic()))
    return {key: statistics.median(values) for key, values in found.items() if values}


def last_seen(load, ports, generation):
    end = time.monotonic() + 60
    while time.monotonic() < end and load.wrk.poll() is None:
        seen = load.seen(generation)
        if len(seen) == len(ports):
            return max(seen.values())
        time.sleep(0.05)
    return float("inf")


def memory_free():
    with open("/proc/meminfo", encoding="ascii") as f:
        return next(int(line.split()[1]) * 1024 for line in f if line.startswith("MemAvailable:"))


def start(site, ports, first):
    """Machines from number `first` on, as many as there are ports; fewer when memory ends before. Two at a time."""
    def one(i):
        if memory_free() > RESERVE:
            site.uni("run", "recipe.toml", "--kernel", "--detach", "--name", f"web-{i}", "--port", f"{ports[i]}:80")
            return 1
        return 0
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        return sum(pool.map(one, range(first, len(ports))))


def fill(site, ports, started):
    """As many more as memory holds, and one more change for all of them."""
    before = memory_free()
    more = start(site, ports, started)
    wait_serving(ports[:started + more])
    each = (before - memory_free()) / more if more else 0
    _, took, report = copy(site)
    return {"machines": started + more, "each": each, "free": memory_free(), "took": took,
            "serve": sum(m["serves"] for m in report["machines"])}


def replace(folder, machines, rate, most):
    site, found = Site(folder), {}
    ports = free_ports(max(machines, most))
    started = 0
    try:
        started += start(site, ports[:1], 0)
        wait_serving(ports[:1])
        copy(site)  # both slots have content, and the files of the folder are known
        copy(site)
        found["one"] = rounds(site, ports[:1])
        started += start(site, ports[:machines], 1)
        wait_serving(ports[:started])
        copy(site)
        load = Load(folder, ports[:started], rate, LEAD + int((ROUNDS + 1) * BETWEEN))
        time.sleep(LEAD)
        found["many"] = rounds(site, ports[:started], load)
        found["machines"] = started
        found["answered"], found["failed"], found["seconds"] = load.end()
        found["first_wrong"] = load.wrong()[:3]
        if most > started:
            found["full"] = fill(site, ports[:most], started)
    finally:
        for machine in json.loads(site.uni("ps", "--json")):
            site.uni("stop", "--kill", machine["name"])
        shutil.rmtree(folder, ignore_errors=True)
    return found


def main(work, tables):
    table = Table(f"Content replaced in machines that serve it (1 file of {PAGE_BYTES} bytes in a volume of "
                  f"{FILES * FILE_BYTES // 1000000} MB, one file for all; wrk at a fixed rate)")
    tables.append(table)
    if shutil.which("wrk") is None:
        table.row("not measured", "it needs wrk")
        return
    rate = int(os.environ.get("UNI_BENCH_RATE", "1000"))
    found = replace(work.path("live"), int(os.environ.get("UNI_BENCH_MACHINES", "100")), rate,
                    int(os.environ.get("UNI_BENCH_MOST", "2000")))
    one, many, machines = found["one"], found["many"], found["machines"]
    table.row("one machine: from the command to its answer that it serves", ms(one["command"]), "below 50 ms",
              one["command"] < 0.05)
    table.row(f"load on {machines} machines", f"{found['answered'] / found['seconds']:.0f} requests/s", f"{rate}",
              found["answered"] / found["seconds"] > 0.97 * rate)
    table.row(f"{machines} machines: until the command returns, all serve", ms(many["command"]))
    table.row(f"{machines} machines: until wrk has had it from the last one", ms(many["served"]), "at most 1 s",
              many["served"] <= 1)
    table.row("requests that failed or saw a mixture", f"{found['failed']} of {found['answered']}", "none",
              found["failed"] == 0)
    data = many["written"] - many["tree"]
    table.row("written", f"{data:.0f} bytes ({data / PAGE_BYTES:.2f} times the change) and {many['tree']:.0f} of hash path",
              "below 3 times, and hash path", data < 3 * PAGE_BYTES)
    if "full" in found:
        full = found["full"]
        table.row("machines at once", f"{full['machines']}, each takes {full['each'] / 1e6:.1f} MB; "
                  f"{full['free'] / 1e9:.1f} GB free at the end, below {RESERVE / 1e9:.0f} GB none is started")
        table.row("content replaced in all of them", f"{ms(full['took'])}, {full['serve']} serve it")


if __name__ == "__main__":
    print(json.dumps(replace(sys.argv[1], *map(int, sys.argv[2:5])), indent=1))
