#!/usr/bin/env python3
"""A server that errs on request, for the units of the HTTP client. Given a folder for certificates it listens on four
ports, prints them (one origin, another origin, TLS, TLS over nginx with HTTP/2) and serves until its input ends.

What it does is in the path; counts are kept for each path, so that every test asks for one of its own."""

import collections
import functools
import hashlib
import json
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COUNTS = collections.Counter()
LOCK = threading.Lock()


@functools.cache
def content(size):
    """Bytes that tell where they are from."""
    return b"".join(b"%08d" % i for i in range(size // 8 + 1))[:size]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def count(self):
        with LOCK:
            COUNTS[self.path] += 1
            return COUNTS[self.path]

    def answer(self, status, body=b"", headers=(), length=None):
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def read_body(self):
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def hang_up(self):
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_RDWR)
        self.close_connection = True

    def any(self):
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
        # As a proxy is asked, it only tells what it was asked.
        name = "echo" if "://" in self.path.split("?")[0] else url.path.strip("/").split("/")[0]
        getattr(self, "do_" + name.replace("-", "_"))(query)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = any

    def do_echo(self, query):
        body = self.read_body()
        told = {"method": self.command, "path": self.path, "size": len(body), "proxied": "://" in self.path,
                "sha256": hashlib.sha256(body).hexdigest(), "count": self.count(),
                "headers": {k.lower(): v for k, v in self.headers.items()}}
        if hasattr(self.connection, "getpeercert"):
            told["peer"] = str((self.connection.getpeercert() or {}).get("subject"))
        self.answer(int(query.get("status", 200)), json.dumps(told).encode(), [("ETag", '"an-echo"')])

    def do_bytes(self, query):
        """size; cut: the first `times` answers end there; changing: a new ETag each time; noranges; weak"""
        size, count = int(query["size"]), self.count()
        data = content(size)
        etag = f'"{size}-{count if "changing" in query else 0}"'
        if "weak" in query:
            etag = ""
        start, end, status = 0, size, 200
        wanted = self.headers.get("Range", "")
        fresh = self.headers.get("If-Range", etag) == etag
        if wanted and fresh and "noranges" not in query:
            first, last = wanted.removeprefix("bytes=").split("-")
            start, end, status = int(first), min(int(last) + 1, size) if last else size, 206
        headers = [("ETag", etag)] if etag else []
        if status == 206:
            if "wrongrange" in query:
                start += 8
            headers.append(("Content-Range", f"bytes {start}-{end - 1}/{size}"))
        data = data[start:end]
        if "cut" in query and count <= int(query.get("times", 1)):
            self.answer(status, data[:int(query["cut"])], headers, len(data))
            self.hang_up()
        else:
            self.answer(status, data, headers)

    def do_short(self, query):
        """No length, and an end too early: only who knows the size can tell."""
        self.send_response_only(200)
        self.end_headers()
        self.wfile.write(content(int(query["size"])))
        self.hang_up()

    def do_status(self, query):
        count = self.count()
        self.read_body()
        if count <= int(query.get("times", 1)):
            headers = [("Retry-After", query["after"])] if "after" in query else []
            self.answer(int(query["status"]), query.get("said", "not now").encode(), headers)
        else:
            self.answer(200, str(count).encode())

    def do_hangup(self, query):
        """The first `times` connections break without an answer."""
        count = self.count()
        self.read_body()
        if count <= int(query.get("times", 1)):
            self.hang_up()
        else:
            self.answer(200, str(count).encode())

    def do_endless(self, query):
        self.send_response_only(int(query.get("status", 200)))
        self.end_headers()
        try:
            while True:
                self.wfile.write(bytes(65536))
        except OSError:
            self.close_connection = True

    def do_headers(self, _):
        self.send_response_only(200)
        try:
            for i in range(1000):
                self.send_header(f"X-{i}", "x" * 1000)
            self.answer(200)
        except OSError:
            self.close_connection = True

    def do_stall(self, query):
        """Half of what was promised, and then nothing, the first `times`."""
        if self.count() <= int(query.get("times", 1)):
            self.answer(200, b"half", [("ETag", '"stall"')], 8)
            self.wfile.flush()
            time.sleep(300)
            self.close_connection = True
        else:
            self.answer(200, b"halffull", [("ETag", '"stall"')])

    def do_drip(self, _):
        """A byte at a time, without end."""
        self.send_response_only(200)
        self.end_headers()
        try:
            while True:
                self.wfile.write(b".")
                self.wfile.flush()
                time.sleep(0.02)
        except OSError:
            self.close_connection = True

    def do_redirect(self, query):
        self.read_body()
        self.answer(int(query.get("status", 302)), b"", [("Location", query["to"])])

    def do_loop(self, _):
        self.answer(302, b"", [("Location", "/loop")])

    def do_garbage(self, _):
        self.wfile.write(b"this is not HTTP at all\r\n\r\n")
        self.hang_up()

    def __getattr__(self, name):
        if name.startswith("do_"):
            return lambda _: self.answer(404, b"<html>nothing</html>")
        raise AttributeError(name)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *_):
        pass


def openssl(*args):
    subprocess.run(["openssl", *args], check=True, stdin=subprocess.DEVNULL, capture_output=True)


def certificates(folder):
    for name, subject in (("server", "/CN=localhost"), ("client", "/CN=the-client")):
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
                "-keyout", f"{folder}/{name}.key", "-out", f"{folder}/{name}.pem", "-subj", subject,
                "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def nginx(folder):
    port = free_port()
    os.makedirs(f"{folder}/www", exist_ok=True)
    for i in range(40):
        with open(f"{folder}/www/{i}", "wb") as f:
            f.write(content(1000 * i))
    with open(f"{folder}/nginx.conf", "w", encoding="ascii") as f:
        f.write(f"""daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{}}
http {{
  access_log off; client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
  uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
  server {{
    listen 127.0.0.1:{port} ssl http2; root {folder}/www;
    ssl_certificate {folder}/server.pem; ssl_certificate_key {folder}/server.key;
    add_header X-Protocol $server_protocol; add_header X-Connection $connection;
  }}
}}
""")
    child = subprocess.Popen(["nginx", "-p", folder, "-c", f"{folder}/nginx.conf"], stdin=subprocess.DEVNULL,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while child.poll() is None:
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                return child, port
        time.sleep(0.01)
    raise SystemExit("nginx does not start")


def main():
    folder = sys.argv[1]
    os.environ["PATH"] += ":/usr/sbin"
    certificates(folder)
    ports = []
    for tls in (False, False, True):
        server = Server(("127.0.0.1", 0), Handler)
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(f"{folder}/server.pem", f"{folder}/server.key")
            context.load_verify_locations(f"{folder}/client.pem")
            context.verify_mode = ssl.CERT_OPTIONAL
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        ports.append(server.server_address[1])
        threading.Thread(target=server.serve_forever, daemon=True).start()
    child, port = nginx(folder)
    print(*ports, port, flush=True)
    sys.stdin.read()
    child.terminate()
    child.wait()


if __name__ == "__main__":
    main()
