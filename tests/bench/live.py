"""Content replaced while machines serve it: from the command to the last machine that serves it, whether a request
fails or sees a mixture, and how much is written. One host file, as many machines as are asked for."""
import hashlib
import http.client
import json
import os
import random
import shutil
import socket
import statistics
import subprocess
import sys
import threading
import time

from measure import Table, ms, resident
from workspace import ROOT, UNI

STOCK = os.path.join(ROOT, "recipes/stock/site")
FILES, FILE_BYTES, PAGE_BYTES, ROUNDS = 1000, 100_000, 100_000, 5
THREADS = 8


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
        rest = random.Random(self.generation).randbytes(PAGE_BYTES)
        self.write("page", b"%d %s\n" % (self.generation, hashlib.sha256(rest).hexdigest().encode()) + rest)

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


class Load(threading.Thread):
    """Asks its machines in turn at a fixed rate; every answer says its generation and the hash of its body."""

    def __init__(self, ports, rate):
        super().__init__(daemon=True)
        self.ports, self.rate, self.stop = ports, rate, False
        self.asked, self.wrong, self.seen, self.open = 0, [], {}, {}

    def run(self):
        start = time.monotonic()
        while not self.stop:
            ahead = start + self.asked / self.rate - time.monotonic()
            if ahead > 0:
                time.sleep(ahead)
            port = self.ports[self.asked % len(self.ports)]
            try:
                self.ask(port)
            except (OSError, http.client.HTTPException) as e:
                self.wrong.append(repr(e))
                self.open.pop(port, None)
            self.asked += 1

    def ask(self, port):
        connection = self.open.setdefault(port, http.client.HTTPConnection("127.0.0.1", port, timeout=60))
        connection.request("GET", "/page")
        answer = connection.getresponse()
        head, _, rest = answer.read().partition(b"\n")
        words = head.split()
        if answer.status != 200 or words[1].decode() != hashlib.sha256(rest).hexdigest():
            self.wrong.append(f"status {answer.status}")
        else:
            self.seen.setdefault((port, int(words[0])), time.monotonic())


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


def rounds(site, ports, loads):
    found = {"command": [], "served": [], "written": [], "silent": 0}
    for _ in range(ROUNDS):
        start, took, report = copy(site)
        found["command"].append(took)
        found["written"].append(report["blocks_written"] * 4096)
        found["silent"] += sum(not m["serves"] for m in report["machines"])
        if loads:
            end = time.monotonic() + 60
            while True:
                seen = {port: at for load in loads for (port, g), at in list(load.seen.items())
                        if g == site.generation}
                if len(seen) == len(ports) or time.monotonic() > end:
                    break
                time.sleep(0.005)
            found["served"].append(max(seen.values()) - start if len(seen) == len(ports) else float("inf"))
    return found


def fitting(site, wanted):
    """How many machines like the one that runs there is memory for, `wanted` at most, and what one takes; a fifth of
    what is free stays so."""
    each = resident(json.loads(site.uni("ps", "--json"))[0]["pid"])
    with open("/proc/meminfo", encoding="ascii") as f:
        free = next(int(line.split()[1]) * 1024 for line in f if line.startswith("MemAvailable:"))
    return min(wanted, 1 + int(free * 0.8 / each)), each


def replace(folder, machines, rate):
    site = Site(folder)
    ports = free_ports(machines)
    found = {}
    try:
        site.uni("run", "recipe.toml", "--detach", "--name", "web-0", "--port", f"{ports[0]}:80")
        wait_serving(ports[:1])
        copy(site)  # both slots have content, and the files of the folder are known
        copy(site)
        found["one"] = rounds(site, ports[:1], [])
        machines, found["each"] = fitting(site, machines)
        found["machines"], ports = machines, ports[:machines]
        for i in range(1, machines):
            site.uni("run", "recipe.toml", "--detach", "--name", f"web-{i}", "--port", f"{ports[i]}:80")
        wait_serving(ports)
        loads = [Load(ports[i::THREADS], rate / THREADS) for i in range(THREADS) if ports[i::THREADS]]
        for load in loads:
            load.start()
        time.sleep(3)
        found["many"] = rounds(site, ports, loads)
        for load in loads:
            load.stop = True
        for load in loads:
            load.join()
        found["asked"] = sum(load.asked for load in loads)
        found["wrong"] = sum(len(load.wrong) for load in loads)
        found["first_wrong"] = [w for load in loads for w in load.wrong][:3]
    finally:
        for i in range(machines):
            subprocess.run([UNI, "stop", "--kill", f"web-{i}"], env=site.env, check=False,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        shutil.rmtree(folder, ignore_errors=True)
    return found


def medians(found):
    """Of a round's lists."""
    return {key: statistics.median(values) for key, values in found.items() if isinstance(values, list) and values}


def main(work, tables):
    wanted, rate = int(os.environ.get("UNI_BENCH_MACHINES", "100")), 1000
    found = replace(work.path("live"), wanted, rate)
    machines = found["machines"]
    one, many = medians(found["one"]), medians(found["many"])
    table = Table(f"Content replaced in machines that serve it (1 file of {PAGE_BYTES} bytes in a volume of "
                  f"{FILES * FILE_BYTES // 1000000} MB, one file for all, {rate} requests/s in all)")
    tables.append(table)
    table.row("one machine: from the command to served", ms(one["command"]), "below 50 ms", one["command"] < 0.05)
    limit = "wanted" if machines == wanted else f"as many of {wanted} as the memory holds"
    table.row("machines at once", f"{machines}, {limit}; each takes {found['each'] / 1e6:.0f} MB")
    table.row(f"{machines} machines: until the last one serves it", ms(many["served"]), "at most 1 s",
              many["served"] <= 1)
    table.row("requests that failed or saw a mixture", f"{found['wrong']} of {found['asked']}", "none",
              found["wrong"] == 0)
    ratio = many["written"] / PAGE_BYTES
    table.row("written", f"{many['written']:.0f} bytes, {ratio:.2f} times the change", "below 3 times", ratio < 3)


if __name__ == "__main__":
    print(json.dumps(replace(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])), indent=1))
