"""An index behind nginx, as its owner would serve it: over TLS, by HTTP/2, asked again by ETag. Its access log judges."""

import contextlib
import http.client
import os
import socket
import ssl
import subprocess
import time

import scenario

CONFIG = """
daemon off;
pid {work}/nginx.pid;
error_log stderr;
events {{ }}
http {{
	log_format judge '$request_method $uri $status $server_protocol $connection';
	access_log {work}/access.log judge;
	client_body_temp_path {work}/t1; proxy_temp_path {work}/t2; fastcgi_temp_path {work}/t3;
	uwsgi_temp_path {work}/t4; scgi_temp_path {work}/t5;
	server {{
		listen 127.0.0.1:{port} ssl http2;
		ssl_certificate {work}/ca.pem;
		ssl_certificate_key {work}/tls.pem;
		root {work}/pub;
	}}
}}
"""


class ServedIndex(scenario.Scenario):
    packages = ()

    def setUp(self):
        super().setUp()
        self.uni("key", "new", "me", "--no-passphrase")
        self.root = self.uni("index", "create", "pub", "-k", "me", "--bins", "4").split()[0]
        self.publish("web", "1.0.0")
        self.url = self.serve()

    def publish(self, *versions, requires=()):
        name, *versions = versions
        for version in versions:
            self.write("src/page", f"{name} {version}\n")
            self.write("src/package.toml", f'[package]\nname = "{name}"\nversion = "{version}"\nkind = "volume"\n'
                       f'arch = "any"\ndescription = "the {name} pages"\nrequires = {list(requires)}\n[[files]]\nsource = "page"\n')
            self.uni("pack", "src", "-o", "packed")
            self.uni("publish", f"packed/{name}-{version}-any.unipkg", "--to", "pub", "-k", "me")

    def serve(self):
        self.tool("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                  "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", "tls.pem", "-out", "ca.pem")
        self.env["UNI_CA_FILE"] = os.path.join(self.work, "ca.pem")
        self.port = port = scenario.free_port()
        self.write("nginx.conf", CONFIG.format(work=self.work, port=port))
        # As root its workers are another user, who must get to the files.
        os.chmod(self.dir, 0o755)
        server = subprocess.Popen(["nginx", "-c", os.path.join(self.work, "nginx.conf")], stderr=subprocess.DEVNULL)
        self.addCleanup(server.wait)
        self.addCleanup(server.terminate)
        for _ in range(2400):
            with socket.socket() as s:
                if s.connect_ex(("127.0.0.1", port)) == 0:
                    return f"https://localhost:{port}"
            time.sleep(0.05)
        raise AssertionError("nginx did not start")

    def asked(self):
        """What was asked since the last time, and over how many connections. nginx writes a line when it has answered,
        its one worker one after the other: when the line of a last question is there, all are."""
        context = ssl._create_unverified_context()  # pylint: disable=protected-access
        with contextlib.closing(http.client.HTTPSConnection("localhost", self.port, timeout=120, context=context)) as last:
            last.request("GET", "/that-was-all")
            last.getresponse().read()
        until = time.monotonic() + 120
        while b"/that-was-all" not in self.read("access.log"):
            self.assertLess(time.monotonic(), until)
            time.sleep(0.01)
        lines = [line.rsplit(" ", 1) for line in self.read("access.log").decode().splitlines() if "/that-was-all" not in line]
        os.truncate(os.path.join(self.work, "access.log"), 0)
        self.connections = len({connection for _, connection in lines})
        return [line for line, _ in lines]

    def test_one_connection_for_all(self):
        """Metadata, descriptions and files of a package and of the twenty that it needs."""
        names = [f"part{i}" for i in range(20)]
        for name in names:
            self.publish(name, "1.0.0")
        self.publish("all", "1.0.0", requires=names)
        self.uni("index", "add", "main", self.url, "--root", self.root)
        self.asked()
        self.assertEqual(len(self.uni("install", "all").splitlines()), 21)
        asked = self.asked()
        self.assertEqual(len([line for line in asked if "/targets/files/" in line]), 21, asked)
        self.assertEqual(sorted(asked), sorted(set(asked)))  # nothing twice
        self.assertEqual(self.connections, 1)
        self.uni("install", "all")
        self.assertEqual(self.asked(), ["GET /metadata/timestamp.json 304 HTTP/2.0"])

    def test_one_request_when_nothing_is_new(self):
        self.uni("index", "add", "main", self.url, "--root", self.root)
        self.assertRegex(self.uni("search", "pages"), r"(?m)^web +1\.0\.0 ")
        self.uni("install", "web")
        first = self.asked()
        self.assertTrue(all(line.endswith("HTTP/2.0") for line in first), first)
        self.uni("index", "refresh")
        self.assertEqual(self.asked(), ["GET /metadata/timestamp.json 304 HTTP/2.0"])
        self.uni("install", "web")  # nothing of it comes again
        self.assertEqual(self.asked(), ["GET /metadata/timestamp.json 304 HTTP/2.0"])
        self.publish("web", "1.1.0")
        # nginx makes an ETag of length and whole seconds: what was published within one would look the same.
        later = time.time() + 5
        os.utime(os.path.join(self.work, "pub/metadata/timestamp.json"), (later, later))
        self.assertIn("web 1.0.0 -> 1.1.0", self.uni("update"))
        paths = [line.split()[1] for line in self.asked()]
        # The specification's order from the root on, and of the rest only what is new.
        self.assertEqual(paths[:4], ["/metadata/timestamp.json", "/metadata/2.root.json", "/metadata/timestamp.json",
                                     "/metadata/3.snapshot.json"])
        self.assertEqual([path.split(".")[-2] for path in paths[4:]][:2], ["bins-9", "web"])
        self.assertEqual(len(paths), 7, paths)


if __name__ == "__main__":
    scenario.main()
