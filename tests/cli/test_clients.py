"""Stock recipes that are clients, against servers of this machine: wget, nc, and fetch with authorities."""

import http.server
import os
import socket
import ssl
import threading

import scenario

STOCK = os.path.join(scenario.ROOT, "recipes/stock")
PAIR = os.path.join(scenario.ROOT, "build/packages/localhost")
HOST = "10.0.2.2"  # this machine, as machines on a user's network see it
PAGE = b"<h1>fetched</h1>\n" * 20000


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/page" else 404)
        self.send_header("Content-Length", str(len(PAGE)))
        self.end_headers()
        self.wfile.write(PAGE)

    def log_message(self, *_):
        pass


class Quiet(http.server.ThreadingHTTPServer):
    def handle_error(self, *_):
        """A client that refuses our certificate hangs up: that is what it is asked to do."""


class Clients(scenario.Scenario):
    packages = ("unibase", "busybox", "fetch", "mozilla", "localhost")

    def serve(self, certificate=None, key=None):
        server = Quiet(("127.0.0.1", 0), Page)
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, key)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        return server.server_address[1]

    def serve_tls(self):
        return self.serve(os.path.join(PAIR, "certificate.pem"), os.path.join(PAIR, "key.pem"))

    def build(self, name, *options):
        self.uni("build", os.path.join(STOCK, name, "recipe.toml"), "-o", "out", *options)

    def test_wget(self):
        port = self.serve()
        self.build("wget")
        page = self.uni("run", "out/wget.raw", "-t", "60", "--", "-q", "-O", "-", f"http://{HOST}:{port}/page")
        self.assertEqual(page.encode(), PAGE)
        text = self.run_uni("run", "out/wget.raw", "-t", "60", "--", "-q", "-O", "-", f"http://{HOST}:{port}/absent")
        self.assertEqual(text.returncode, 1)
        self.assertIn(b"server returned error: HTTP/1.0 404", text.stdout)

    def test_nc(self):
        self.build("nc")
        with socket.socket() as server:
            server.bind(("127.0.0.1", 0))
            server.listen()
            server.settimeout(300)

            def greet():
                peer, _ = server.accept()
                with peer:
                    peer.sendall(b"good day\n")

            thread = threading.Thread(target=greet)
            thread.start()
            heard = self.uni("run", "out/nc.raw", "-t", "60", "--", HOST, str(server.getsockname()[1]))
            thread.join()
        self.assertEqual(heard, "good day\n")

    def test_only_the_recipe_s_authority_is_trusted(self):
        port = self.serve_tls()
        ours = ("run", "out/fetch.raw", "-t", "60", "--", f"https://{HOST}:{port}/page")
        self.build("fetch", "--variant", "test-authority")
        self.assertEqual(self.uni(*ours).encode(), PAGE)
        self.build("fetch")
        done = self.run_uni(*ours)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stdout, rb"fetch: 10\.0\.2\.2:\d+: unable to get local issuer certificate")
        self.assertNotIn(b"<h1>", done.stdout)

    def test_a_name_that_the_certificate_has_not(self):
        with open(os.path.join(STOCK, "fetch", "recipe.toml"), encoding="utf-8") as f:
            text = f.read()
        self.write("recipe.toml", text.replace('network = "dhcp"', f'network = "dhcp"\nhosts = {{ other = "{HOST}" }}'))
        done = self.run_uni("run", "recipe.toml", "--variant", "test-authority", "-t", "60", "--",
                            f"https://other:{self.serve_tls()}/page")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stdout, rb"fetch: other:\d+: hostname mismatch")


if __name__ == "__main__":
    scenario.main()
