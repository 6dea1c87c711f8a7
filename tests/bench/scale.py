"""A changed volume on its way to 10,000 hosts. What one push and one pull move and cost is measured here, with a real
registry on loopback; the fleet is simulated from that, host by host and transfer by transfer."""
import heapq
import os
import random
import re
import resource
import shutil
import socket
import subprocess
import time

from measure import Table, ms, run
from workspace import UNI

FILES, FILE_BYTES = 1000, 100_000
HOSTS, WINDOW = 10_000, 10.0  # they look every so many seconds, each at a moment of its own
GIGABIT = 125e6
ROUND_TRIP, REQUESTS = 0.02, 4  # seconds; token or manifest, index, one range of a part, and one to spare
# Name, caches before the registry, bytes a second of each of them.
PLANS = (("the registry alone", 0, 0), ("10 caches of 1 Gbit/s", 10, GIGABIT), ("100 caches of 1 Gbit/s", 100, GIGABIT))
REGISTRY = GIGABIT


class Link:
    """Serves one transfer after the other, at its rate."""

    def __init__(self, rate):
        self.rate, self.free, self.bytes = rate, 0.0, 0

    def send(self, now, size):
        self.free = max(self.free, now) + size / self.rate
        self.bytes += size
        return self.free


def simulate(update, host_seconds, caches, rate, seed=1):
    """When each host has the update, and what left the registry. A cache fetches each blob's range once."""
    dice = random.Random(seed)
    registry, links = Link(REGISTRY), [Link(rate) for _ in range(caches)]
    filled = {}
    looks = [(dice.random() * WINDOW, host) for host in range(HOSTS)]
    heapq.heapify(looks)
    done = []
    while looks:
        now, host = heapq.heappop(looks)
        now += ROUND_TRIP * REQUESTS
        if caches:
            cache = host % caches
            if cache not in filled:
                filled[cache] = registry.send(now, update) + ROUND_TRIP
            end = links[cache].send(max(now, filled[cache]), update)
        else:
            end = registry.send(now, update)
        done.append(end + host_seconds)
    return sorted(done), registry.bytes


class Registry:
    def __init__(self, work):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.host = f"127.0.0.1:{s.getsockname()[1]}"
        config, self.log = work.path("registry.yml"), work.path("registry.log")
        with open(config, "w", encoding="ascii") as f:
            f.write("version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: " + work.path("registry") +
                    f"\nhttp:\n  addr: {self.host}\n")
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(["docker-registry", "serve", config], stdout=log, stderr=log)
        for _ in range(300):
            try:
                socket.create_connection(tuple(self.host.rsplit(":", 1)), 1).close()
                return
            except OSError:
                time.sleep(0.05)

    def answered(self):
        """Bytes of all bodies so far."""
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return sum(map(int, re.findall(r'msg="response completed".*http.request.method=GET.*written=(\d+)', f.read())))

    def stop(self):
        self.process.kill()
        self.process.wait()


def make_content(folder, dice):
    os.makedirs(folder)
    for i in range(FILES):
        with open(os.path.join(folder, f"file-{i}"), "wb") as f:
            f.write(dice.randbytes(FILE_BYTES))


def one_host(work, registry):
    """Bytes and seconds of a push and a pull after one file of the volume changed."""
    dice, env = random.Random(1), {**work.env, "no_proxy": "127.0.0.1"}
    content, volume, address = work.path("content"), work.path("site.vol"), f"oci://{registry.host}/site:1"
    make_content(content, dice)
    run([UNI, "volume", "create", volume, "--from", content, "--size", "256M"], env=env)
    for name in ("file-1", "file-2", "file-3"):  # twice, so that both slots have content; then what counts
        run([UNI, "volume", "push", volume, address], env=env)
        run([UNI, "pull", address, "-o", work.path("host"), "--force"], env=env)
        with open(os.path.join(content, name), "wb") as f:
            f.write(dice.randbytes(FILE_BYTES))
        run([UNI, "volume", "copy", content, volume], env=env)
    start = time.perf_counter()
    run([UNI, "volume", "push", volume, address], env=env)
    push, before = time.perf_counter() - start, registry.answered()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    run([UNI, "pull", address, "-o", work.path("host"), "--force"], env=env)
    pull, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    run(["cmp", volume, work.path("host", "site.vol")])
    cpu = after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime
    return registry.answered() - before, push, pull, cpu


def main(work, tables):
    table = Table(f"One file of {FILE_BYTES // 1000} KB changed in a volume of {FILES * FILE_BYTES // 1_000_000} MB, by way of "
                  f"a registry; {HOSTS} hosts simulated, which look every {WINDOW:.0f} s")
    tables.append(table)
    if shutil.which("docker-registry") is None:
        table.row("not measured", "it needs docker-registry")
        return
    registry = Registry(work)
    try:
        update, push, pull, cpu = one_host(work, registry)
    finally:
        registry.stop()
    table.row("push of what changed", ms(push))
    table.row("pull of what changed, one host", f"{ms(pull)}, {ms(cpu)} of a processor, {update:,} bytes")
    for name, caches, rate in PLANS:
        done, sent = simulate(update, pull, caches, rate)
        table.row(f"{name}: half of the hosts, 99 of 100, all have it after",
                  f"{done[HOSTS // 2]:.1f} s, {done[HOSTS * 99 // 100]:.1f} s, {done[-1]:.1f} s; "
                  f"{sent / 1e9:.3f} GB left the registry")
