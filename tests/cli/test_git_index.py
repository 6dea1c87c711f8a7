"""Indexes in git repositories: created, published to, read, over the three ways there; git itself judges."""

import base64
import getpass
import http.server
import os
import socket
import ssl
import subprocess
import threading
import time
import unittest
import urllib.parse

import scenario

PACKAGE = """[package]
name = "{name}"
version = "{version}"
kind = "volume"
arch = "any"
description = "the {name} pages"
[[files]]
source = "page"
"""


def serve_git(root, certificate, password, asked):
    """git's own http-backend over TLS; pushes want the password."""
    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_):
            asked.append(f"{self.command} {self.path}")

        def do_GET(self):
            url = urllib.parse.urlsplit(self.path)
            wanted = "Basic " + base64.b64encode(f"uni:{password}".encode()).decode()
            if "receive-pack" in self.path and self.headers.get("Authorization") != wanted:
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="git"')
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            env = {"PATH": os.environ["PATH"], "GIT_PROJECT_ROOT": root, "GIT_HTTP_EXPORT_ALL": "1",
                   "REQUEST_METHOD": self.command, "PATH_INFO": url.path, "QUERY_STRING": url.query, "REMOTE_USER": "uni",
                   "CONTENT_TYPE": self.headers.get("Content-Type", "")}
            size = self.headers.get("Content-Length")
            if size is None and self.headers.get("Transfer-Encoding") == "chunked":
                body = b""
                while length := int(self.rfile.readline(), 16):
                    body += self.rfile.read(length)
                    self.rfile.readline()
                self.rfile.readline()
            else:
                body = self.rfile.read(int(size or 0))
            env["CONTENT_LENGTH"] = str(len(body))
            said = subprocess.run(["git", "http-backend"], input=body, env=env, stdout=subprocess.PIPE, check=True).stdout
            head, body = said.split(b"\r\n\r\n", 1)
            fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
            self.send_response(int(fields.pop("Status", "200 OK").split()[0]))
            for key, value in fields.items():
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


class GitIndex(scenario.Scenario):
    packages = ()

    def setUp(self):
        super().setUp()
        self.env.update(GIT_CONFIG_GLOBAL=self.path("gitconfig"), GIT_CONFIG_NOSYSTEM="1")
        self.repository = self.path("served/index.git")
        self.git("init", "-q", "--bare", "-b", "main", self.repository)
        self.git("config", "http.receivepack", "true", cwd=self.repository)
        self.uni("key", "new", "me", "--no-passphrase")

    def git(self, *args, cwd=None):
        return subprocess.run(["git", *args], cwd=cwd or self.dir, env=self.env, check=True, stdout=subprocess.PIPE,
                              encoding="utf-8").stdout

    def pack(self, name, version):
        self.write(f"src/{name}/page", f"{name} {version}\n")
        self.write(f"src/{name}/package.toml", PACKAGE.format(name=name, version=version))
        self.uni("pack", f"src/{name}", "-o", "packed")
        return f"packed/{name}-{version}-any.unipkg"

    def story(self, url):
        """From an empty repository to an update of what was installed."""
        root = self.uni("index", "create", url, "-k", "me").split()[0]
        self.uni("publish", self.pack("web", "1.0.0"), "--to", url, "-k", "me")
        self.uni("index", "add", "main", url, "--root", root)
        self.assertRegex(self.uni("search", "pages"), r"(?m)^web +1\.0\.0 +main ")
        self.uni("install", "web")
        self.uni("publish", self.pack("web", "1.1.0"), self.pack("style", "1.0.0"), "--to", url, "-k", "me")
        self.assertIn("web 1.0.0 -> 1.1.0", self.uni("update"))
        self.uni("install", "style")
        self.uni("yank", "web@1.1.0", "--to", url, "--why", "leaks", "-k", "me")
        self.assertIn("yanked: leaks", self.uni("info", "web"))
        self.git("fsck", "--strict", cwd=self.repository)
        self.assertEqual(self.git("log", "--oneline", "main", cwd=self.repository).count("\n"), 4)
        # What git checks out is an index for any web server, too.
        self.git("clone", "-q", self.repository, self.path("clone"))
        self.uni("index", "remove", "main")
        self.uni("index", "add", "folder", self.path("clone"), "--root", root)
        self.assertIn("from index folder", self.uni("info", "web"))

    def test_file(self):
        self.story(f"git+file://{self.repository}")

    def test_https(self):
        self.tool("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                  "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", "tls.pem", "-out", "ca.pem")
        self.write("both.pem", self.read("tls.pem") + self.read("ca.pem"))
        asked = []
        server = serve_git(self.path("served"), os.path.join(self.work, "both.pem"), "secret", asked)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        host = f"localhost:{server.server_address[1]}"
        self.env["UNI_CA_FILE"] = os.path.join(self.work, "ca.pem")
        url = f"git+https://{host}/index.git"
        self.assertIn("wants credentials", self.fails("index", "create", url, "-k", "me"))
        self.write("store", f"https://uni:secret@{host}\n")
        self.git("config", "--file", self.path("gitconfig"), "credential.helper",
                 f"store --file={os.path.join(self.work, 'store')}")
        self.story(url)
        self.uni("index", "add", "main", url, "--root", self.uni("index", "list").split()[-2])
        self.uni("index", "refresh", "main")
        asked.clear()
        self.uni("index", "refresh", "main")
        self.assertEqual(asked, ["GET /index.git/info/refs?service=git-upload-pack"])

    @unittest.skipUnless(os.path.exists("/usr/sbin/sshd"), "no sshd: the way over ssh is not tried")
    def test_ssh(self):
        home = self.path("home")
        os.makedirs(home + "/.ssh", 0o700)
        for name in ("host", home + "/.ssh/id_ed25519"):
            self.tool("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", name)
        port = scenario.free_port()
        with open(home + "/.ssh/id_ed25519.pub", encoding="ascii") as f:
            self.write("authorized", f.read(), 0o600)
        self.write("sshd_config", f"ListenAddress 127.0.0.1\nPort {port}\nHostKey {self.work}/host\n"
                   f"AuthorizedKeysFile {self.work}/authorized\nStrictModes no\nUsePAM no\nPidFile none\n"
                   "PermitRootLogin yes\nPasswordAuthentication no\n")
        os.makedirs("/run/sshd", exist_ok=True)
        daemon = subprocess.Popen(["/usr/sbin/sshd", "-D", "-e", "-f", os.path.join(self.work, "sshd_config")],
                                  stderr=subprocess.DEVNULL)
        self.addCleanup(daemon.wait)
        self.addCleanup(daemon.terminate)
        wait_for(port)
        url = f"git+ssh://{getpass.getuser()}@127.0.0.1:{port}{self.repository}"
        self.fails("index", "create", url, "-k", "me")  # a host that nobody knows
        key = self.read("host.pub").decode().split()
        with open(home + "/.ssh/known_hosts", "w", encoding="ascii") as f:
            f.write(f"[127.0.0.1]:{port} {key[0]} {key[1]}\n")
        self.story(url)

    def test_offline_and_hostile(self):
        # A repository in use, with another branch in HEAD.
        url = f"git+file://{self.repository}"
        tree = self.git("hash-object", "-t", "tree", "-w", "/dev/null", cwd=self.repository).strip()
        first = self.git("-c", "user.name=x", "-c", "user.email=x@y", "commit-tree", tree, "-m", "first",
                         cwd=self.repository).strip()
        self.git("update-ref", "refs/heads/trunk", first, cwd=self.repository)
        self.git("symbolic-ref", "HEAD", "refs/heads/trunk", cwd=self.repository)
        root = self.uni("index", "create", url, "-k", "me").split()[0]
        self.uni("publish", self.pack("web", "1.0.0"), "--to", url, "-k", "me")
        old = self.git("rev-parse", "trunk", cwd=self.repository).strip()
        self.uni("publish", self.pack("web", "1.1.0"), "--to", url, "-k", "me")
        self.uni("index", "add", "main", url, "--root", root)
        self.uni("index", "refresh")
        self.git("update-ref", "refs/heads/trunk", old, cwd=self.repository)
        self.assertIn("goes back", self.fails("info", "web"))
        os.rename(self.repository, self.path("away"))
        self.fails("info", "web")
        self.assertIn("1.1.0", self.uni("install", "web", "--offline"))  # all of it came with the commit

    def test_two_publish_at_once(self):
        url = f"git+file://{self.repository}"
        self.uni("index", "create", url, "-k", "me")
        files = [self.pack(f"p{i}", "1.0.0") for i in range(3)]
        both = [subprocess.Popen([scenario.UNI, "publish", file, "--to", url, "-k", "me"], cwd=self.work, env=self.env,
                                 stderr=subprocess.PIPE, encoding="utf-8") for file in files]
        done = [(p.communicate()[1], p.returncode) for p in both]
        self.assertIn(0, [status for _, status in done])
        for text, status in done:
            if status != 0:
                self.assertIn("do it again", text)
        for file in files:
            self.uni("publish", file, "--to", url, "-k", "me")
        self.uni("index", "add", "main", url)
        self.uni("install", "p0", "p1", "p2")

    def test_what_is_no_address(self):
        self.assertIn("git+ssh", self.fails("index", "add", "main", "git+ftp://x/y", status=2))
        self.fails("publish", "--to", f"git+file://{self.path('nowhere')}", "-k", "me")
        self.assertIn("is no index", self.fails("publish", "--to", f"git+file://{self.repository}", "-k", "me"))
        self.fails("publish", "--to", "typo", "-k", "me")
        self.assertFalse(os.path.exists(os.path.join(self.work, "typo")))


def wait_for(port):
    for _ in range(2400):
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("the server did not start")


if __name__ == "__main__":
    scenario.main()
