"""The stock recipe of a static site: its server as an ordinary program, asked by raw sockets."""

import email.utils
import os
import re
import resource
import signal
import socket
import subprocess
import threading
import time

import scenario

STOCK = os.path.join(scenario.ROOT, "recipes/stock/site")


class Answer:
    def __init__(self, raw):
        head, _, self.body = raw.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        self.line = lines[0]
        self.status = int(lines[0].split()[1])
        self.fields = {}
        for line in lines[1:]:
            name, _, value = line.partition(": ")
            assert name.lower() not in self.fields, line
            self.fields[name.lower()] = value


class Client:
    """One connection; reads answers by their length."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=120)
        self.have = b""

    def send(self, data):
        self.socket.sendall(data)

    def more(self):
        part = self.socket.recv(65536)
        self.have += part
        return part != b""

    def answer(self, head=False):
        while b"\r\n\r\n" not in self.have:
            if not self.more():
                raise EOFError(self.have)
        end = self.have.index(b"\r\n\r\n") + 4
        answer = Answer(self.have[:end])
        length = 0 if head or answer.status == 304 else int(answer.fields["content-length"])
        while len(self.have) < end + length:
            if not self.more():
                raise EOFError(self.have)
        answer.body, self.have = self.have[end:end + length], self.have[end + length:]
        return answer

    def closed(self):
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True


class Server(scenario.Scenario):
    packages = ()

    def client(self):
        client = Client(self.port)
        self.addCleanup(client.socket.close)
        return client

    @classmethod
    def setUpClass(cls):
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 4096), most))
        cls.program = os.path.join(scenario.BUILD, "stock-site-server")
        sources = [os.path.join(STOCK, n) for n in sorted(os.listdir(STOCK)) if n.endswith(".c")]
        subprocess.run(["musl-gcc", "-static", "-O2", "-Wall", "-Wextra", "-Werror", "-o", cls.program, *sources],
                       check=True)

    def setUp(self):
        super().setUp()
        self.www = self.path("www")
        self.fill()
        self.port = scenario.free_port()
        self.process = subprocess.Popen([self.program, "-p", str(self.port), self.www], stdout=subprocess.PIPE)
        self.addCleanup(self.process.stdout.close)
        self.addCleanup(self.process.wait)
        self.addCleanup(self.process.kill)
        self.assertEqual(self.process.stdout.readline(), b"site: serving\n")

    def put(self, name, content, mtime=1000000000):
        path = os.path.join(self.www, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(content)
        os.utime(path, (mtime, mtime))

    def fill(self):
        self.large = os.urandom(3_000_000)
        self.put("index.html", b"<p>hello")
        self.put("sub/index.html", b"below")
        self.put("sub/a b%.txt", b"odd name")
        self.put("empty.css", b"")
        self.put("digits", b"0123456789")
        self.put("large.bin", self.large)
        self.put(".git/config", b"secret")
        self.put(".well-known/security.txt", b"Contact: us")
        with open(self.path("outside"), "w", encoding="ascii") as f:
            f.write("secret")

    def ask(self, target, method="GET", head=False, **fields):
        client = self.client()
        lines = [f"{method} {target} HTTP/1.1", "Host: test"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
        client.send(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
        answer = client.answer(head or method == "HEAD")
        client.socket.close()
        return answer

    def raw(self, data):
        """The first answer to these bytes, and whether the connection ends behind it."""
        client = self.client()
        client.send(data)
        answer = client.answer()
        client.socket.shutdown(socket.SHUT_WR)
        closed = client.closed()
        client.socket.close()
        return answer, closed

    def test_files_and_folders(self):
        page = self.ask("/")
        self.assertEqual((page.status, page.body), (200, b"<p>hello"))
        self.assertEqual(page.fields["content-type"], "text/html; charset=utf-8")
        self.assertEqual(page.fields["last-modified"], "Sun, 09 Sep 2001 01:46:40 GMT")
        self.assertAlmostEqual(email.utils.parsedate_to_datetime(page.fields["date"]).timestamp(), time.time(), delta=60)
        self.assertEqual(self.ask("/index.html?a=/../b").body, b"<p>hello")
        self.assertEqual(self.ask("http://test/sub/").body, b"below")
        self.assertEqual(self.ask("/sub/./../sub//a%20b%25.txt").body, b"odd name")
        self.assertEqual(self.ask("/empty.css").fields["content-length"], "0")
        self.assertEqual(self.ask("/large.bin").body, self.large)
        self.assertEqual(self.ask("/.well-known/security.txt").body, b"Contact: us")
        moved = self.ask("/sub?x")
        self.assertEqual((moved.status, moved.fields["location"]), (301, "/sub/"))
        self.assertEqual(self.ask("//sub").fields["location"], "/sub/")

    def test_head_is_get_without_its_body(self):
        for target in ("/", "/large.bin", "/none", "/sub"):
            client = self.client()
            client.send(f"HEAD {target} HTTP/1.1\r\nHost: a\r\nRange: bytes=1-2\r\n\r\n"
                        f"GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
            head, get = client.answer(head=True), client.answer()
            for fields in (head.fields, get.fields):
                fields.pop("connection")
                fields.pop("date")
            self.assertEqual((head.status, head.fields), (get.status, get.fields))

    def test_nothing_above_the_folder(self):
        for target in ("/../outside", "/sub/../../outside", "/%2e%2e/outside", "/..%2foutside", "/sub/%2e%2e/%2E./outside",
                       "/%00", "/a%0ab", "/%", "/%4", "/%zz", "outside", "*"):
            answer, closed = self.raw(f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            self.assertEqual((answer.status, closed), (400, True), target)
        for target in ("/.git/config", "/sub/.hidden", "/%2egit/config", "/none", "/index.html/", "/index.html/x",
                       "/..%5coutside", "/...", "/.well-knowns"):
            self.assertEqual(self.ask(target).status, 404, target)
        self.assertEqual(self.ask("/" + "a" * 600).status, 414)
        self.assertEqual(self.ask("/" + "a/" * 1100).status, 414)

    def test_ranges(self):
        def ranged(value, target="/digits", **fields):
            answer = self.ask(target, Range=value, **fields)
            return answer.status, answer.body, answer.fields.get("content-range")

        self.assertEqual(ranged("bytes=0-0"), (206, b"0", "bytes 0-0/10"))
        self.assertEqual(ranged("bytes=3-"), (206, b"3456789", "bytes 3-9/10"))
        self.assertEqual(ranged("bytes=8-99"), (206, b"89", "bytes 8-9/10"))
        self.assertEqual(ranged("bytes=-3"), (206, b"789", "bytes 7-9/10"))
        self.assertEqual(ranged("bytes=-30"), (206, b"0123456789", "bytes 0-9/10"))
        for value in ("bytes=10-", "bytes=99-100", "bytes=-0"):
            self.assertEqual(ranged(value)[::2], (416, "bytes */10"), value)
        for value in ("bytes=4-3", "bytes=a-b", "bytes=", "bytes=-", "lines=1-2", "bytes=0-1,4-5",
                      "bytes=99999999999999999999-", "bytes=0-99999999999999999999"):
            self.assertEqual(ranged(value), (200, b"0123456789", None), value)
        self.assertEqual(ranged("bytes=0-0", "/empty.css")[0], 416)
        self.assertEqual(ranged("bytes=1000000-1999999", "/large.bin")[1], self.large[1000000:2000000])
        etag = self.ask("/digits").fields["etag"]
        self.assertEqual(ranged("bytes=0-0", if_range=etag)[0], 206)
        self.assertEqual(ranged("bytes=0-0", if_range='"other"')[0], 200)
        self.assertEqual(ranged("bytes=0-0", if_range="W/" + etag)[0], 200)
        self.assertEqual(ranged("bytes=0-0", if_range="Sun, 09 Sep 2001 01:46:40 GMT")[0], 206)
        self.assertEqual(ranged("bytes=0-0", if_range="Sun, 09 Sep 2001 01:46:41 GMT")[0], 200)

    def test_conditions(self):
        etag = self.ask("/digits").fields["etag"]
        then, before, after = ("Sun, 09 Sep 2001 01:46:40 GMT", "Sun, 09 Sep 2001 01:46:39 GMT", "Sun, 09 Sep 2001 01:46:41 GMT")

        def status(**fields):
            return self.ask("/digits", **fields).status

        for value in (etag, "W/" + etag, "*", f'"x,y", {etag}', f' "a" ,, {etag},'):
            self.assertEqual(status(if_none_match=value), 304, value)
        for value in ('"other"', etag[:-1], etag[1:-1], f'"a,{etag[1:]}', ""):
            self.assertEqual(status(if_none_match=value), 200, value)
        self.assertEqual(status(if_modified_since=then), 304)
        self.assertEqual(status(if_modified_since=after), 304)
        self.assertEqual(status(if_modified_since=before), 200)
        self.assertEqual(status(if_modified_since="Sunday, 09-Sep-01 01:46:40 GMT"), 304)
        self.assertEqual(status(if_modified_since="Sun Sep  9 01:46:40 2001"), 304)
        self.assertEqual(status(if_modified_since="yesterday"), 200)
        self.assertEqual(status(if_none_match='"other"', if_modified_since=then), 200)
        self.assertEqual(status(if_match=etag), 200)
        self.assertEqual(status(if_match="*"), 200)
        self.assertEqual(status(if_match="W/" + etag), 412)
        self.assertEqual(status(if_match='"other"'), 412)
        self.assertEqual(status(if_unmodified_since=before), 412)
        self.assertEqual(status(if_unmodified_since=then), 200)
        self.assertEqual(self.ask("/digits", if_none_match=etag, Range="bytes=0-0").status, 304)

    def test_content_that_changes_is_noticed(self):
        first = self.ask("/digits")
        self.put("digits.new", b"9876543210")
        os.rename(os.path.join(self.www, "digits.new"), os.path.join(self.www, "digits"))
        deadline = time.monotonic() + 120
        while self.ask("/digits").body == first.body:
            self.assertLess(time.monotonic(), deadline)
        # Same size, same time: the tag is made of the content.
        second = self.ask("/digits")
        self.assertEqual(second.fields["last-modified"], first.fields["last-modified"])
        self.assertNotEqual(second.fields["etag"], first.fields["etag"])

    def test_times_of_an_image_without_times(self):
        self.put("timeless", b"x", mtime=0)
        answer = self.ask("/timeless", if_modified_since="Thu, 01 Jan 1970 00:00:00 GMT")
        self.assertEqual(answer.status, 200)
        self.assertNotIn("last-modified", answer.fields)

    def test_requests_one_after_the_other_and_together(self):
        client = self.client()
        for _ in range(3):
            client.send(b"GET /digits HTTP/1.1\r\nHost: a\r\n\r\n")
            self.assertEqual(client.answer().body, b"0123456789")
        client.send(b"GET /digits HTTP/1.1\r\nHost: a\r\n\r\n" * 50 + b"\r\nGET / HTTP/1.1\nHost: a\n\n")
        for _ in range(50):
            self.assertEqual(client.answer().body, b"0123456789")
        self.assertEqual(client.answer().body, b"<p>hello")
        for byte in b"GET / HTTP/1.1\r\nHost: a\r\n\r\n":
            client.send(bytes([byte]))
        self.assertEqual(client.answer().body, b"<p>hello")

    def test_when_a_connection_ends(self):
        client = self.client()
        client.send(b"GET / HTTP/1.0\r\n\r\n")
        answer = client.answer()
        self.assertEqual((answer.fields["connection"], client.closed()), ("close", True))
        client = self.client()
        client.send(b"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n" * 2)
        self.assertEqual(client.answer().fields["connection"], "keep-alive")
        self.assertEqual(client.answer().status, 200)
        client = self.client()
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: x, close\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n")
        self.assertEqual(client.answer().status, 200)
        self.assertTrue(client.closed())

    def test_bad_requests_are_refused(self):
        for status, request in (
                (400, b"GET /\r\n\r\n"), (400, b"\0\0\0\0\r\n\r\n"), (400, b"GET  / HTTP/1.1\r\n\r\n"),
                (400, b"GET / HTTP/1.1\r\n\r\n"), (400, b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
                (400, b"GET / HTTP/1.1\r\nHost : a\r\n\r\n"), (400, b"GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n"),
                (400, b"GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n"), (400, b"GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n"),
                (400, b"GET / HTTX/1.1\r\n\r\n"), (505, b"GET / HTTP/2.0\r\n\r\n"), (400, b"G(T / HTTP/1.1\r\n\r\n"),
                (405, b"POST / HTTP/1.1\r\nHost: a\r\n\r\n"), (405, b"get / HTTP/1.1\r\nHost: a\r\n\r\n"),
                (413, b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"),
                (501, b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
                (431, b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 9000),
                (400, b"GET / HTTP/1.1\r\nHost: a\r\nRange: bytes=0-1\r\nRange: bytes=2-3\r\n\r\n")):
            answer, closed = self.raw(request)
            self.assertEqual((answer.status, closed), (status, True), request[:80])
        self.assertEqual(self.ask("/", Content_Length="0").status, 200)
        self.assertEqual(self.raw(b"PUT / HTTP/1.1\r\n\r\n")[0].fields["allow"], "GET, HEAD")

    def test_a_page_for_what_is_not_there(self):
        self.assertEqual(self.ask("/none").body, b"404 Not Found\r\n")
        self.put("404.html", b"<p>no")
        answer = self.ask("/none", if_none_match="*", Range="bytes=0-1")
        self.assertEqual((answer.status, answer.body), (404, b"<p>no"))

    def test_more_than_there_is_room_for(self):
        """Those who only keep their connection make room for those who ask."""
        busy = self.client()
        busy.send(b"GET / HTTP/1.1\r\n")
        idle = [self.client() for _ in range(1200)]
        self.assertEqual(self.ask("/").status, 200)
        self.assertTrue(idle[0].closed())
        # One in the middle of a request keeps its place.
        busy.send(b"Host: a\r\n\r\n")
        self.assertEqual(busy.answer().status, 200)

    def test_more_unfinished_requests_than_there_are_buffers(self):
        part = [self.client() for _ in range(100)]
        for client in part:
            client.send(b"GET / HTTP/1.1\r\n")
        self.assertEqual(self.ask("/").status, 200)
        part[-1].send(b"Host: a\r\n\r\n")
        self.assertEqual(part[-1].answer().status, 200)
        self.assertTrue(part[0].closed())

    def test_a_reader_that_stops_holds_up_nobody(self):
        slow = [self.client() for _ in range(4)]
        for client in slow:
            client.send(b"GET /large.bin HTTP/1.1\r\nHost: a\r\n\r\n")
        self.assertEqual(self.ask("/large.bin").body, self.large)
        for client in slow:
            self.assertEqual(client.answer().body, self.large)

    def test_many_at_once(self):
        trouble = []

        def work():
            client = self.client()
            for target, body in (("/", b"<p>hello"), ("/large.bin", self.large), ("/digits", b"0123456789")) * 5:
                client.send(f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
                if client.answer().body != body:
                    trouble.append(target)
            client.socket.close()

        threads = [threading.Thread(target=work) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(trouble, [])

    def test_stops_in_order(self):
        busy, idle = self.client(), self.client()
        busy.send(b"GET /large.bin HTTP/1.1\r\nHost: a\r\n\r\n")
        while not busy.have:
            busy.more()
        self.process.send_signal(signal.SIGTERM)
        self.assertTrue(idle.closed())
        self.assertEqual(busy.answer().body, self.large)
        self.assertTrue(busy.closed())
        self.assertEqual(self.process.wait(timeout=120), 0)
        self.assertEqual(self.process.stdout.read(), b"site: stopped\n")

    def test_stays_small(self):
        self.test_many_at_once()
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as f:
            resident = int(re.search(r"VmRSS:\s+(\d+) kB", f.read()).group(1))
        self.assertLess(resident, 2048)


if __name__ == "__main__":
    scenario.main()
