"""A registry behind something that cuts off, says that it is busy, or answers for another: pushes and pulls go on or say why."""

import http.client
import http.server
import os
import subprocess
import threading
import time

import scenario
from registry import Registry


class Between(http.server.BaseHTTPRequestHandler):
    """Hands requests on, but for what `faults` take: functions that say True when they have answered."""

    protocol_version = "HTTP/1.1"
    target, faults, seen = "", [], []

    def log_message(self, *args):
        pass

    def answer(self, status, body=b"", **headers):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        try:
            if self.command != "HEAD":
                self.wfile.write(body)
        except ConnectionError:
            self.close_connection = True  # it had enough
        return True

    def cut(self):
        self.close_connection = True
        self.connection.close()
        return True

    def hand_on(self, most=None):
        """`most`: so many bytes of the body, and then nobody hears of it again."""
        upstream = http.client.HTTPConnection(self.target, timeout=300)
        upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            upstream.putheader(name, value)
        upstream.endheaders()
        left = int(self.headers.get("Content-Length", 0))
        while left:
            data = self.rfile.read(min(left, 1 << 16))
            left -= len(data)
            if most is not None:
                data = data[:most]
                most -= len(data)
            upstream.send(data)
            if most == 0:
                upstream.close()
                return self.cut()
        got = upstream.getresponse()
        body = b"" if self.command == "HEAD" else got.read()
        self.send_response(got.status)
        for name, value in got.getheaders():
            if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                self.send_header(name, value)
        self.send_header("Content-Length", got.getheader("Content-Length") or str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        upstream.close()
        return True

    def handle_any(self):
        self.seen.append((self.command, self.path, dict(self.headers)))
        for fault in list(self.faults):
            if fault(self):
                return
        self.hand_on()

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = handle_any


def times(count, method, part, act):
    """`act` on the first so many requests of that method whose path has `part` in it."""
    left = [count]

    def fault(handler):
        if handler.command != method or part not in handler.path or left[0] == 0:
            return False
        left[0] -= 1
        return act(handler)
    return fault


class Hostile(Registry):
    packages = ()

    def setUp(self):
        super().setUp()
        self.handler = type("Handler", (Between,), {"target": self.host, "faults": [], "seen": []})
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self.handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        self.place = f"oci://127.0.0.1:{server.server_address[1]}/x:1"
        self.env["UNI_CACHE"] = self.path("store")

    def large(self, megabytes):
        block = os.urandom(1 << 20)
        with open(os.path.join(self.work, "large"), "wb") as f:
            for i in range(megabytes):
                f.write(i.to_bytes(4, "big") + block[4:])

    def requests(self, method, part):
        return [headers for m, path, headers in self.handler.seen if m == method and part in path]

    def test_an_upload_that_is_cut_goes_on(self):
        self.large(150)
        self.handler.faults.append(times(1, "PATCH", "/blobs/uploads/", lambda h: h.hand_on(20 << 20)))
        self.handler.faults.append(times(1, "PUT", "/blobs/uploads/", lambda h: h.cut()))
        self.uni("push", "large", self.place)
        starts = [int(h["Content-Range"].split("-")[0]) for h in self.requests("PATCH", "/blobs/uploads/")]
        self.assertEqual(starts[0], 0)
        # It asked how far it had got, and went on there: whatever the registry kept of what was cut.
        self.assertTrue([path for m, path, _ in self.handler.seen if m == "GET" and "/blobs/uploads/" in path])
        self.uni("pull", self.place, "-o", "back")
        self.tool("cmp", "large", "back/large")

    def killed_in(self, patch, most):
        """A push that dies in the midst of a chunk, of which the registry has got so many bytes."""
        there = threading.Event()
        left = [patch]

        def stuck(handler):
            left[0] -= handler.command == "PATCH"
            if handler.command != "PATCH" or left[0] != 0:
                return False
            if most:
                handler.hand_on(most)
            there.set()
            return handler.cut()
        self.handler.faults[:] = [stuck]
        push = subprocess.Popen([scenario.UNI, "push", "large", self.place], cwd=self.work, env=self.env,
                                stderr=subprocess.DEVNULL)
        self.assertTrue(there.wait(60))
        push.kill()
        push.wait()
        self.handler.faults.clear()
        self.handler.seen.clear()

    def test_an_upload_that_was_killed_goes_on(self):
        """Where the registry says; where it does not know any more, from the beginning."""
        def pushed():
            self.uni("push", "large", self.place)
            self.uni("pull", self.place, "-o", "back", "--force")
            self.tool("cmp", "large", "back/large")
            self.assertEqual(os.listdir(self.path("state/uni/registries/uploads")), [])
            return [int(h["Content-Range"].split("-")[0]) for h in self.requests("PATCH", "/blobs/uploads/")]
        self.large(140)
        self.killed_in(2, 0)
        self.assertEqual(len(os.listdir(self.path("state/uni/registries/uploads"))), 1)
        self.assertEqual(pushed(), [64 << 20])
        # docker-registry does not tell of a chunk that it has in part.
        self.large(141)
        self.killed_in(2, 10 << 20)
        self.assertEqual(pushed()[-2:], [0, 64 << 20])

    def test_a_download_that_is_cut_goes_on(self):
        self.large(30)
        self.uni("push", "large", self.place)

        def part(handler):
            with open(os.path.join(self.work, "large"), "rb") as f:
                content = f.read()
            handler.send_response(200)
            handler.send_header("Content-Length", str(len(content)))
            handler.send_header("ETag", '"%s"' % handler.path.split("/")[-1])  # as docker-registry has it
            handler.send_header("Accept-Ranges", "bytes")
            handler.end_headers()
            handler.wfile.write(content[:10 << 20])
            return handler.cut()
        self.handler.faults.append(times(1, "GET", "/blobs/sha256", part))
        self.handler.seen.clear()
        self.uni("pull", self.place, "-o", "back")
        self.tool("cmp", "large", "back/large")
        ranges = [h.get("Range") for h in self.requests("GET", "/blobs/sha256")]
        self.assertEqual(ranges[0], None)
        self.assertRegex(ranges[1], r"^bytes=[1-9][0-9]*-")

    def test_a_pull_that_was_killed_goes_on(self):
        """What it had is asked for no more; what somebody did to the file meanwhile is found."""
        self.large(48)
        self.uni("push", "large", self.place)
        folder = os.path.join(self.work, "back")
        waiting = threading.Event()

        def stuck(handler):
            with open(os.path.join(self.work, "large"), "rb") as f:
                content = f.read()
            handler.send_response(200)
            handler.send_header("Content-Length", str(len(content)))
            handler.end_headers()
            handler.wfile.write(content[:32 << 20])
            handler.wfile.flush()
            waiting.wait(300)
            return handler.cut()

        def kill():
            waiting.clear()
            self.handler.faults[:] = [times(1, "GET", "/blobs/sha256", stuck)]
            pull = subprocess.Popen([scenario.UNI, "pull", self.place, "-o", "back"], cwd=self.work, env=self.env,
                                    stderr=subprocess.DEVNULL)
            deadline = time.monotonic() + 300
            while time.monotonic() < deadline and not [n for n in (os.listdir(folder) if os.path.isdir(folder) else [])
                                                       if os.stat(os.path.join(folder, n)).st_blocks * 512 >= 31 << 20]:
                time.sleep(0.01)
            pull.kill()
            pull.wait()
            waiting.set()
            self.handler.seen.clear()
            left = os.listdir(folder)
            self.assertEqual(len(left), 1)
            self.assertNotEqual(left[0], "large")
            return os.path.join(folder, left[0])
        kill()
        self.uni("pull", self.place, "-o", "back")
        self.tool("cmp", "large", "back/large")
        self.assertEqual(os.listdir(folder), ["large"])
        asked = [h.get("Range") for h in self.requests("GET", "/blobs/sha256")]
        self.assertEqual(len(asked), 1)
        self.assertGreater(int(asked[0].split("=")[1].split("-")[0]), 24 << 20)
        os.remove(os.path.join(folder, "large"))
        with open(kill(), "r+b") as f:
            f.seek(5 << 20)
            f.write(b"something else")
        self.uni("pull", self.place, "-o", "back")
        self.tool("cmp", "large", "back/large")
        # Of another content nothing is taken, and it does not stay.
        os.remove(os.path.join(folder, "large"))
        kill()
        self.large(3)
        self.uni("push", "large", self.place)
        self.uni("pull", self.place, "-o", "back")
        self.tool("cmp", "large", "back/large")
        self.assertEqual(os.listdir(folder), ["large"])

    def test_a_registry_that_is_busy(self):
        self.write("x", "content")
        for method, part, status, more in (("HEAD", "/blobs/", 503, {}), ("POST", "/blobs/uploads/", 429, {"Retry_After": "1"}),
                                           ("PUT", "/blobs/uploads/", 500, {}), ("PUT", "/manifests/", 502, {})):
            self.handler.faults.append(times(1, method, part, lambda h, s=status, m=more: h.answer(s, b"busy", **m)))
        self.uni("push", "x", self.place)
        for method, part, status, more in (("GET", "/manifests/", 429, {"Retry_After": "1"}), ("GET", "/blobs/", 504, {})):
            self.handler.faults.append(times(1, method, part, lambda h, s=status, m=more: h.answer(s, b"busy", **m)))
        self.uni("pull", self.place, "-o", "back")
        self.assertEqual(self.read("back/x"), b"content")
        # And one that stays so is named; nothing is left.
        self.handler.faults.append(times(99, "GET", "/blobs/", lambda h: h.answer(503, b"never")))
        self.assertIn("503", self.fails("pull", self.place, "-o", "none"))
        self.assertEqual(os.listdir(os.path.join(self.work, "none")), [])

    def test_uploads_that_are_sent_elsewhere(self):
        """A Location on another host gets the bytes, as the specification wants it, and no credentials."""
        self.write("x", "content")
        other = type("Other", (Between,), {"target": self.host, "faults": [], "seen": []})
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), other)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        os.makedirs(self.path("home/.docker"))
        with open(self.path("home/.docker/config.json"), "w", encoding="ascii") as f:
            f.write('{"auths": {"%s": {"auth": "YW5uOnNlY3JldA=="}}}' % self.place.split("/")[2])

        def challenge(handler):
            return not handler.headers.get("Authorization") and handler.answer(401, WWW_Authenticate='Basic realm="x"')

        def elsewhere(handler):
            if handler.command != "POST":
                return False
            upstream = http.client.HTTPConnection(self.host, timeout=300)
            upstream.request("POST", handler.path, headers={"Content-Length": "0"})
            place = upstream.getresponse().getheader("Location").replace(self.host, f"127.0.0.1:{server.server_address[1]}")
            return handler.answer(202, Location=place)
        self.handler.faults += [challenge, elsewhere]
        self.uni("push", "x", self.place)
        self.assertTrue([1 for m, _, _ in other.seen if m == "PUT"])
        self.assertEqual([h for _, _, h in other.seen if "Authorization" in h], [])
        self.assertTrue(self.requests("PUT", "/manifests/")[-1]["Authorization"])

    def test_bodies_that_are_not_what_they_should_be(self):
        self.write("x", "some content that has a length")
        self.uni("push", "x", self.place)
        faults = (lambda h: h.answer(200, b"some content that has another length"), lambda h: h.answer(200, b"some"),
                  lambda h: h.answer(200, b"SOME content that has a length"), lambda h: h.answer(200, b"x" * 9000))
        for fault in faults:
            self.handler.faults[:] = [times(9, "GET", "/blobs/", fault)]
            self.fails("pull", self.place, "-o", "none")
            self.assertEqual(os.listdir(os.path.join(self.work, "none")), [])
        self.handler.faults[:] = [times(9, "GET", "/manifests/", lambda h: h.answer(200, b"{" * (8 << 20)))]
        self.fails("pull", self.place, "-o", "none")
        self.handler.faults[:] = [times(9, "GET", "/manifests/", lambda h: h.answer(200, b'{"schemaVersion": 2, '))]
        self.fails("pull", self.place, "-o", "none")


if __name__ == "__main__":
    scenario.main()
