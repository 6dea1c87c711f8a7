"""nginx and PHP, a machine each: what one asks of the other by FastCGI over TCP, sessions that are kept, bodies both ways,
several visitors at once, and PHP's end and return while nginx runs on."""

import concurrent.futures
import contextlib
import http.client
import json
import os
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cli"))
import scenario  # noqa: E402 # found by the line above

STOCK = os.path.join(scenario.ROOT, "recipes/stock")
HOST = "10.0.2.2"  # this machine, as guests of QEMU's own network see it


class Pair(scenario.Scenario):
    packages = ("unibase", "nginx", "php")

    def start(self, name, *options):
        self.uni("run", os.path.join(STOCK, name, "recipe.toml"), "--detach", "--name", name, *options)
        self.addCleanup(self.run_uni, "stop", name)

    def start_php(self):
        self.start("php", "--port", f"{self.php}:9000")

    def ask(self, path="/index.php", cookie=None, body=None):
        """Until nginx is there."""
        until = time.monotonic() + 300
        while True:
            try:
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
                headers = {"Cookie": cookie} if cookie else {}
                if body is not None:
                    headers["Content-Type"] = "application/x-www-form-urlencoded"
                with contextlib.closing(connection):
                    connection.request("POST" if body is not None else "GET", path, body, headers)
                    answer = connection.getresponse()
                    return answer, answer.read()
            except OSError:
                self.assertLess(time.monotonic(), until)
                time.sleep(0.1)

    def ask_php(self, **more):
        """Until PHP is there too: nginx answers 502 or 504 before."""
        until = time.monotonic() + 300
        while True:
            answer, body = self.ask(**more)
            if answer.status not in (502, 504):
                self.assertEqual(answer.status, 200, body)
                return answer.getheader("Set-Cookie"), json.loads(body)
            self.assertLess(time.monotonic(), until)
            time.sleep(0.2)

    def visit(self, _):
        cookie, first = self.ask_php()
        cookie = cookie.split(";")[0]
        return first["visits"], *(self.ask_php(cookie=cookie)[1]["visits"] for _ in range(3))

    def test_the_two(self):
        self.php, self.port = scenario.free_port(), scenario.free_port()
        backend = self.write("php.conf", f"server {HOST}:{self.php} max_fails=0;\n")
        self.start_php()
        self.start("nginx-php", "--port", f"{self.port}:80", "--file", f"/etc/nginx/php.conf={backend}")
        answer, body = self.ask("/")
        self.assertEqual((answer.status, b"<h1>Scripts run elsewhere.</h1>" in body), (200, True))
        cookie, first = self.ask_php()
        self.assertEqual(first, {"visits": 1, "sum": 0, "server": "127.0.0.1"})
        cookie = cookie.split(";")[0]
        values = "&".join(f"v{i}={i}" for i in range(900))
        self.assertEqual(self.ask_php(cookie=cookie, body=values)[1]["sum"], sum(range(900)))
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            self.assertEqual(list(pool.map(self.visit, range(8))), [(1, 2, 3, 4)] * 8)
        self.assertEqual(self.ask("/absent.php")[0].status, 404)

        # PHP goes and comes back on its volume; nginx says so meanwhile, and stays.
        self.uni("stop", "php")
        self.assertIn(self.ask()[0].status, (502, 504))
        self.start_php()
        self.assertEqual(self.ask_php(cookie=cookie)[1]["visits"], 3)
        self.uni("stop", "nginx-php")


if __name__ == "__main__":
    unittest.main()
