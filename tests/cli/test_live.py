"""Content that is replaced while machines serve it under load: no request fails, none sees a mixture."""

import hashlib
import http.client
import os
import threading
import time

import scenario

STOCK = os.path.join(scenario.ROOT, "recipes/stock/site")
MACHINES = 2
PAGES = 6


class Load(threading.Thread):
    """Asks one machine for pages, again and again; every page says its generation and the hash of the rest."""

    def __init__(self, port):
        super().__init__()
        self.port, self.stop, self.asked, self.wrong, self.seen = port, False, 0, [], {}

    def run(self):
        connection = None
        while not self.stop:
            try:
                connection = connection or http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
                connection.request("GET", f"/page-{self.asked % PAGES}")
                answer = connection.getresponse()
                self.check(answer.status, answer.read())
                if answer.will_close:
                    connection = None
            except OSError as e:
                self.wrong.append(repr(e))
                connection = None
            self.asked += 1
        if connection:
            connection.close()

    def check(self, status, body):
        head, _, rest = body.partition(b"\n")
        words = head.split()
        if status != 200 or len(words) != 2 or words[1].decode() != hashlib.sha256(rest).hexdigest():
            self.wrong.append(f"status {status}: {body[:80]!r}")
            return
        self.seen.setdefault(int(words[0]), time.monotonic())


class Live(scenario.Scenario):
    def make_pages(self, generation):
        for i in range(PAGES):
            rest = b"generation %d page %d\n" % (generation, i) * (40 * 10 ** (i % 3))
            self.write(f"site/www/page-{i}",
                       b"%d %s\n" % (generation, hashlib.sha256(rest).hexdigest().encode()) + rest)

    def setUp(self):
        super().setUp()
        for name in os.listdir(STOCK):
            if name.endswith((".c", ".h")):
                with open(os.path.join(STOCK, name), "rb") as f:
                    self.write(f"site/{name}", f.read())
        with open(os.path.join(STOCK, "recipe.toml"), encoding="utf-8") as f:
            recipe = f.read().split("[[test]]")[0]
        self.make_pages(1)
        self.recipe = self.write("site/recipe.toml", recipe + 'format = "live"\nsize = "20M"\n')

    def test_under_load(self):
        ports = [scenario.free_port() for _ in range(MACHINES)]
        for i, port in enumerate(ports):
            self.uni("run", self.recipe, "--detach", "--name", f"web-{i}", "--port", f"{port}:80")
            self.addCleanup(self.run_uni, "stop", "--kill", f"web-{i}")
        loads = [Load(port) for port in ports]
        self.wait_serving(ports)
        for load in loads:
            load.start()
        try:
            for generation in range(2, 8):
                self.make_pages(generation)
                report = self.uni_json("volume", "copy", "site/www", "vm:web-*/www", "--timeout", "300", "--json")
                self.assertEqual(report["generation"], generation)
                self.assertEqual([m["serves"] for m in report["machines"]], [True] * MACHINES)
                self.wait_seen(loads, generation)
            back = self.uni_json("volume", "rollback", "vm:web-0/www", "--wait", "--timeout", "300", "--json")
            # Both have the one file; both are told.
            self.assertEqual(len(back["machines"]), MACHINES)
        finally:
            for load in loads:
                load.stop = True
            for load in loads:
                load.join()
        for load in loads:
            self.assertEqual(load.wrong, [])
            self.assertGreater(load.asked, 50)
        self.assertEqual(self.uni("volume", "cat", "vm:web-0/www:/page-0").split()[0], "6")

    def test_silent_machine(self):
        """One that does not answer is named when time is over; the others serve."""
        ports = [scenario.free_port(), scenario.free_port()]
        for i, port in enumerate(ports):
            self.uni("run", self.recipe, "--detach", "--name", f"web-{i}", "--port", f"{port}:80")
            self.addCleanup(self.run_uni, "stop", "--kill", f"web-{i}")
        self.wait_serving(ports)
        pid = next(m["pid"] for m in self.uni_json("ps", "--json") if m["name"] == "web-1")
        os.kill(pid, 19)
        self.addCleanup(os.kill, pid, 18)
        self.make_pages(2)
        done = self.run_uni("volume", "copy", "site/www", "vm:web-*/www", "--timeout", "15")
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"1 of 2 machines serve it", done.stderr)
        self.assertRegex(done.stderr, rb"web-1: ")
        self.assertNotRegex(done.stderr, rb"web-0: ")
        self.assertEqual(self.get(ports[0], "/page-0").split()[0], b"2")

    def get(self, port, path):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        self.addCleanup(connection.close)
        connection.request("GET", path)
        return connection.getresponse().read()

    def wait_serving(self, ports):
        end = time.monotonic() + 300
        for port in ports:
            while True:
                try:
                    self.get(port, "/page-0")
                    break
                except (OSError, http.client.HTTPException):
                    self.assertLess(time.monotonic(), end, "no machine serves")
                    time.sleep(0.05)

    def wait_seen(self, loads, generation):
        end = time.monotonic() + 300
        while not all(generation in load.seen for load in loads):
            self.assertLess(time.monotonic(), end, f"nobody saw generation {generation}")
            time.sleep(0.01)


if __name__ == "__main__":
    scenario.main()
