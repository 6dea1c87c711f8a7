"""uni push and pull with docker-registry, skopeo as the other client, and a registry that misbehaves."""

import base64
import hashlib
import http.server
import json
import os
import subprocess
import threading

import scenario
from registry import Registry


class Plain(Registry):
    def test_a_disk_goes_and_comes_back(self):
        self.hello()
        self.uni("build", "recipe.toml", "-o", "out", "--format", "raw")
        self.assertIn("made", self.uni("push", "out/hello.raw", f"oci://{self.host}/team/hello:1"))
        first = self.uploads()
        self.assertIn("found", self.uni("push", "out/hello.raw", f"oci://{self.host}/team/hello:1"))
        self.assertEqual(self.uploads(), first)
        path = self.uni("pull", f"oci://{self.host}/team/hello:1", "-o", "back").strip()
        self.assertEqual(self.read(path), self.read("out/hello.raw"))
        self.assertNothingLeft(os.path.join(self.work, "back"))
        self.assertIn("stands there already", self.fails("pull", f"oci://{self.host}/team/hello:1", "-o", "back"))
        self.uni("pull", f"oci://{self.host}/team/hello:1", "-o", "back", "--force")
        # A changed volume is a changed layer: it and the partition table's two copies, kernel and loader are not.
        self.write("site/page", "another page\n" * 3000)
        out = self.uni_json("push", "recipe.toml", f"oci://{self.host}/team/hello:2", "--json")
        self.assertLess(self.uploads() - first, first)
        self.assertEqual(out[0]["what"], "artifact")

    def test_skopeo_reads_it(self):
        self.write("notes.txt", "some words\n")
        self.uni("push", "notes.txt", f"oci://{self.host}/notes:v1")
        raw = json.loads(self.tool("skopeo", "inspect", "--raw", "--tls-verify=false",
                                   f"docker://{self.host}/notes:v1"))
        self.assertEqual(raw["artifactType"], "application/vnd.uni.file.v1")
        layer = raw["layers"][0]
        self.assertEqual(layer["digest"], "sha256:" + hashlib.sha256(b"some words\n").hexdigest())
        self.tool("skopeo", "copy", "--src-tls-verify=false", f"docker://{self.host}/notes:v1",
                  f"oci:{self.work}/layout:v1")
        blob = layer["digest"].split(":")[1]
        self.assertEqual(self.read(f"layout/blobs/sha256/{blob}"), b"some words\n")
        digest = self.uni_json("push", "notes.txt", f"oci://{self.host}/notes:v1", "--json")[0]["id"]
        self.uni("pull", f"oci://{self.host}/notes@{digest}", "-o", "back")
        self.assertEqual(self.read("back/notes.txt"), b"some words\n")

    def test_a_package_goes_and_is_installed(self):
        package = self.package("unibase")
        self.uni("push", package, f"oci://{self.host}/unibase:1.0.0")
        path = self.uni("pull", f"oci://{self.host}/unibase:1.0.0", "-o", "back").strip()
        self.uni("remove", "unibase")
        self.uni("install", path)

    def test_a_large_file_goes_in_chunks(self):
        block = os.urandom(1 << 20)
        with open(os.path.join(self.work, "large"), "wb") as f:
            for i in range(130):
                f.write(i.to_bytes(4, "big") + block[4:])
        self.uni("push", "large", f"oci://{self.host}/large:1")
        self.assertIn("http.request.method=PATCH", self.log())
        self.uni("pull", f"oci://{self.host}/large:1", "-o", "back")
        self.tool("cmp", "large", "back/large")

    def test_what_is_not_there(self):
        self.write("x", "x")
        self.assertIn("404", self.fails("pull", f"oci://{self.host}/no/such:1"))
        for address, word in (("oci://host", "names no repository"), ("oci://h/UPPER:1", "no repository's name"),
                              ("oci://h/a:-", "no tag"), ("oci://h/a@sha256:12", "no sha256 digest")):
            self.assertIn(word, self.fails("push", "x", address, status=2))
        self.assertIn("no such", self.fails("push", "no such", f"oci://{self.host}/a:1"))


class WithPasswords(Registry):
    def configure(self):
        self.tool("htpasswd", "-Bbc", self.path("htpasswd"), "ann", "secret word")
        return f"auth:\n  htpasswd:\n    realm: test\n    path: {self.path('htpasswd')}\n"

    def login(self, password, **more):
        return subprocess.run([scenario.UNI, "login", self.host, "--user", "ann"], input=password.encode() + b"\n",
                              env=self.env, cwd=self.work, check=False, capture_output=True, **more)

    def test_login_push_logout(self):
        self.write("x", "content")
        self.assertIn("uni login", self.fails("push", "x", f"oci://{self.host}/x:1"))
        self.assertNotEqual(self.login("wrong").returncode, 0)
        os.makedirs(self.path("home/.docker"))
        with open(self.path("home/.docker/config.json"), "w", encoding="ascii") as f:
            json.dump({"auths": {"other.example": {"auth": "YTpi"}}, "detachKeys": "ctrl-e"}, f)
        self.assertEqual(self.login("secret word").returncode, 0)
        with open(self.path("home/.docker/config.json"), encoding="ascii") as f:
            config = json.load(f)
        self.assertEqual(config["detachKeys"], "ctrl-e")
        self.assertEqual(config["auths"]["other.example"], {"auth": "YTpi"})
        self.assertEqual(base64.b64decode(config["auths"][self.host]["auth"]), b"ann:secret word")
        self.assertEqual(os.stat(self.path("home/.docker/config.json")).st_mode & 0o777, 0o600)
        self.uni("push", "x", f"oci://{self.host}/x:1")
        self.tool("skopeo", "inspect", "--raw", "--tls-verify=false", "--authfile",
                  self.path("home/.docker/config.json"), f"docker://{self.host}/x:1")
        self.uni("logout", self.host)
        self.fails("pull", f"oci://{self.host}/x:1")
        self.assertIn("no login", self.fails("logout", self.host))

    def test_a_helper_knows(self):
        self.write("x", "content")
        answer = json.dumps({"Username": "ann", "Secret": "secret word"})
        self.write("bin/docker-credential-test",
                   f"#!/bin/sh\n[ \"$1\" = get ] && [ \"$(cat)\" = {self.host} ] && echo '{answer}'\n", 0o755)
        self.env["PATH"] = os.path.join(self.work, "bin") + ":" + self.env["PATH"]
        os.makedirs(self.path("home/.docker"))
        with open(self.path("home/.docker/config.json"), "w", encoding="ascii") as f:
            json.dump({"credHelpers": {self.host: "test"}}, f)
        self.uni("push", "x", f"oci://{self.host}/x:1")


class WithTLS(Registry):
    def configure(self):
        key, cert = self.path("key.pem"), self.path("cert.pem")
        self.tool("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
                  "-keyout", key, "-out", cert, "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1")
        return f"  tls:\n    certificate: {cert}\n    key: {key}\n"

    def test_only_known_authorities(self):
        self.write("x", "content")
        self.assertRegex(self.fails("push", "x", f"oci://{self.host}/x:1"), "(?i)certificate|ssl")
        self.env["UNI_CA_FILE"] = self.path("cert.pem")
        self.uni("push", "x", f"oci://{self.host}/x:1")
        self.uni("pull", f"oci://{self.host}/x:1", "-o", "back")
        self.assertEqual(self.read("back/x"), b"content")


class Misbehaving(http.server.BaseHTTPRequestHandler):
    """A registry with bearer tokens that can answer anything."""

    protocol_version = "HTTP/1.1"
    blob, manifest, elsewhere, seen = b"", b"", "", []

    def log_message(self, *args):
        pass

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if "Content_Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.seen.append((self.headers["Host"], self.path, self.headers.get("Authorization")))
        if self.path.startswith("/token"):
            return self.answer(200, b'{"token": "one-two"}')
        if self.path.startswith("/elsewhere"):
            return self.answer(200, self.blob)
        if self.headers.get("Authorization") != "Bearer one-two":
            realm = f"http://{self.headers['Host']}/token"
            return self.answer(401, WWW_Authenticate=f'Bearer realm="{realm}",service="s",scope="repository:x:pull"')
        if "/manifests/" in self.path:
            return self.answer(200, self.manifest)
        if self.elsewhere:
            return self.answer(307, Location=self.elsewhere)
        return self.answer(200, self.blob)


class Hostile(scenario.Scenario):
    packages = ()

    def setUp(self):
        super().setUp()
        self.env["no_proxy"] = "127.0.0.1,localhost"
        self.handler = type("Handler", (Misbehaving,), {"seen": []})
        self.servers = [http.server.ThreadingHTTPServer(("127.0.0.1", 0), self.handler) for _ in range(2)]
        for server in self.servers:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            self.addCleanup(server.server_close)
            self.addCleanup(server.shutdown)
        self.host, self.other = (f"127.0.0.1:{s.server_address[1]}" for s in self.servers)
        self.serve(b"good bytes")

    def serve(self, blob, digest=None, size=None, title="file", kind="application/vnd.uni.file.v1", **more):
        layer = {"mediaType": "application/octet-stream", "size": len(blob) if size is None else size,
                 "digest": digest or "sha256:" + hashlib.sha256(blob).hexdigest(),
                 "annotations": {"org.opencontainers.image.title": title, **more.pop("layer", {})}}
        self.handler.blob = blob
        self.handler.manifest = json.dumps({
            "schemaVersion": 2, "artifactType": kind, "config": {}, "layers": [layer] * more.pop("times", 1),
            "annotations": more}).encode()

    def pull(self):
        return self.uni("pull", f"oci://{self.host}/x:1", "-o", "back", "--force")

    def refused(self, word):
        self.assertIn(word, self.fails("pull", f"oci://{self.host}/x:1", "-o", "back", "--force"))
        folder = os.path.join(self.work, "back")
        self.assertEqual(os.listdir(folder) if os.path.isdir(folder) else [], [])

    def test_tokens(self):
        self.pull()
        self.assertEqual(self.read("back/file"), b"good bytes")

    def test_credentials_stay_with_their_host(self):
        self.handler.elsewhere = f"http://{self.other}/elsewhere"
        self.pull()
        foreign = [auth for host, path, auth in self.handler.seen if host == self.other]
        self.assertEqual(foreign, [None])

    def test_wrong_bytes(self):
        self.serve(b"good bytes", digest="sha256:" + "0" * 64)
        self.refused("not what its digest says")
        self.serve(b"good bytes", size=5)
        self.refused("10 bytes")
        self.serve(b"good bytes", size=50)
        self.refused("10 bytes")

    def test_wrong_manifest_for_a_digest(self):
        self.assertIn("not what its digest says",
                      self.fails("pull", f"oci://{self.host}/x@sha256:{'0' * 64}", "-o", "back"))

    def test_names_that_leave_the_folder(self):
        for title in ("../up", "/etc/passwd", ".hidden", "", "a/b"):
            self.serve(b"good bytes", title=title)
            self.refused("no title that is a file's name")

    def test_disks_that_lie(self):
        kind, size, title = "application/vnd.uni.disk.v1", "uni.disk.size", "org.opencontainers.image.title"
        self.serve(b"good bytes", kind=kind, **{size: "5", title: "d.raw"}, layer={"uni.offset": "0"})
        self.refused("beyond the disk")
        self.serve(b"good bytes", kind=kind, **{size: "99999999999999999999", title: "d.raw"})
        self.refused("the disk's size")
        self.serve(b"good bytes", kind=kind, **{size: "4096", title: "d.raw"})
        self.refused("where it belongs")
        self.serve(b"good bytes", kind=kind, layer={"uni.offset": "0"}, times=2, **{size: "4096", title: "d.raw"})
        self.refused("parts of the disk overlap")
        self.serve(b"good bytes", times=5000)
        self.refused("no artifact")


if __name__ == "__main__":
    scenario.main()
