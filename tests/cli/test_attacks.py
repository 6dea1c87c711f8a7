"""What nobody else tries: right bytes under a wrong name, archives as sources that mean harm, a registry that trickles."""

import hashlib
import http.server
import io
import json
import os
import re
import shutil
import subprocess
import tarfile
import threading
import time
import unittest

import scenario


def member(name, content=None, **more):
    info = tarfile.TarInfo(name)
    for key, value in more.items():
        setattr(info, key, value)
    if content is not None:
        info.size = len(content)
    return info, content


class WrongName(scenario.Scenario):
    packages = ()

    def pack(self, name, version):
        self.write("src/page", f"{name} {version}\n")
        self.write("src/package.toml", f'[package]\nname = "{name}"\nversion = "{version}"\nkind = "volume"\narch = "any"\n'
                   '[[files]]\nsource = "page"\n')
        self.uni("pack", "src", "-o", "packed")
        return os.path.join(self.work, f"packed/{name}-{version}-any.unipkg")

    def test_wrong_software_for_a_name(self):
        """One who may vouch for `web` gives another package, or an older one, for it: every digest is right."""
        for name, version in (("style", "1.0.0"), ("web", "0.9.0")):
            self.pack("web", "1.0.0")
            for folder in ("index", "true"):
                shutil.rmtree(self.path(folder), ignore_errors=True)
            self.uni("index", "embed", self.path("index"), "packed")
            self.env["UNI_INDEX"] = self.path("index")
            other = self.pack(name, version)
            shutil.copy(other, self.path("index/files/web/web-1.0.0-any.unipkg"))
            with open(other, "rb") as f:
                content = f.read()
            described = self.path("index/packages/web.json")
            with open(described, encoding="ascii") as f:
                text = f.read()
            with open(self.path("index/digests"), encoding="ascii") as f:
                digests = dict(reversed(line.split("  ")) for line in f.read().splitlines())
            entry = json.loads(text)
            self.uni("index", "embed", self.path("true"), other)
            with open(self.path(f"true/packages/{name}.json"), encoding="ascii") as f:
                theirs = json.load(f)["versions"][0]
            entry["versions"][0].update({key: theirs[key] for key in ("sha256", "digest", "size")})
            with open(described, "w", encoding="ascii") as f:
                json.dump(entry, f)
            digests["files/web/web-1.0.0-any.unipkg"] = hashlib.sha256(content).hexdigest()
            with open(described, "rb") as f:
                digests["packages/web.json"] = hashlib.sha256(f.read()).hexdigest()
            with open(self.path("index/digests"), "w", encoding="ascii") as f:
                f.writelines(f"{digest}  {path}\n" for path, digest in sorted(digests.items()))
            self.assertIn(f"the file of web 1.0.0 holds {name} {version}", self.fails("install", "web"))
            self.assertEqual(self.uni("list"), "")


class Table(unittest.TestCase):
    def test_it_names_tests_that_are_there(self):
        with open(os.path.join(scenario.ROOT, "docs/attacks.md"), encoding="utf-8") as f:
            named = re.findall(r"`((?:cli|peers|unit)/[\w/.]+): (\w+)`", f.read())
        self.assertGreater(len(named), 50)
        for file, name in named:
            with open(os.path.join(scenario.ROOT, "tests", file), encoding="utf-8") as f:
                self.assertRegex(f.read(), r"\b%s\b" % name, file)


class Archives(scenario.Scenario):
    def setUp(self):
        super().setUp()
        self.write("hello.c", "int main(void) { return 0; }\n")
        self.write("recipe.toml", '[image]\nname = "src"\n[app]\nsources = ["hello.c"]\n[[volume]]\nname = "v"\n'
                                  'mount = "/v"\nsource = "a.tar.xz"\n')

    def tar(self, *members):
        with tarfile.open(os.path.join(self.work, "a.tar.xz"), "w:xz", preset=0, format=tarfile.GNU_FORMAT) as tar:
            for info, content in members:
                tar.addfile(info, io.BytesIO(content or b""))

    def refused(self, word, *members):
        self.tar(*members)
        text = self.fails("build", "recipe.toml", "-o", "out", timeout=300)
        self.assertIn("recipe.toml:8:10:", text)
        self.assertRegex(text, word)

    def test_archives_that_mean_harm(self):
        target = self.path("target")
        os.mkdir(target)
        self.refused("leaves|up", member("a/../../up", b"x"))
        self.refused("a folder and something else", member("a", type=tarfile.SYMTYPE, linkname=target), member("a/file", b"x"))
        self.refused("link|leaves|no file", member("a", type=tarfile.LNKTYPE, linkname="/etc/passwd"))
        self.refused("link|leaves|no file", member("a", type=tarfile.LNKTYPE, linkname="../../etc/passwd"))
        self.refused("device", member("a", type=tarfile.BLKTYPE, devmajor=8))
        # An absolute path is one of the archive's own, the last of two files of a name is the one that counts.
        self.tar(member(target + "/one", b"1"), member("two", b"x"), member("two", b"y"))
        self.uni("build", "recipe.toml", "-o", "out")
        self.assertEqual(os.listdir(target), [])

    def million(self, kind, link):
        """A tar archive of a million entries, packed to some megabytes; headers are patched, which is ten times as fast."""
        info = tarfile.TarInfo("d/0000000")
        info.type, info.linkname = kind, link
        header = bytearray(info.tobuf(tarfile.USTAR_FORMAT))
        header[148:156] = b" " * 8
        rest = sum(header) - sum(b"0000000")
        with subprocess.Popen(["zstd", "-q", "-1", "-f", "-o", os.path.join(self.work, "a.tar.xz")], stdin=subprocess.PIPE) as zstd:
            zstd.stdin.write(tarfile.TarInfo("first").tobuf(tarfile.USTAR_FORMAT))
            for thousand in range(1000):
                block = []
                for i in range(1000):
                    name = b"%07d" % (thousand * 1000 + i)
                    header[2:9] = name
                    header[148:156] = b"%06o\0 " % (rest + sum(name))
                    block.append(bytes(header))
                zstd.stdin.write(b"".join(block))

    def test_a_million_entries(self):
        """Files, and hard links to one file: refused by their number, within bounded memory."""
        for kind, link in ((tarfile.REGTYPE, ""), (tarfile.LNKTYPE, "first")):
            self.million(kind, link)
            done = subprocess.run(["prlimit", f"--as={1 << 30}", scenario.UNI, "build", "recipe.toml", "-o", "out"], cwd=self.work,
                                  env=self.env, capture_output=True, timeout=300, check=False)
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertRegex(done.stderr.decode(), r"recipe\.toml:8:10: .*more than [24]00000 files")

    def test_a_bomb(self):
        """Some kilobytes that would be 300 megabytes."""
        self.refused("more than", member("zeros", b"\0" * (300 << 20)))


class Slow(http.server.BaseHTTPRequestHandler):
    """A registry that answers a byte after the other."""

    protocol_version = "HTTP/1.1"
    manifest, part = b"", ""

    def log_message(self, *args):
        pass

    def do_GET(self):
        body = self.manifest if "/manifests/" in self.path else b"x" * 100
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        try:
            for i in range(len(body)):
                self.wfile.write(body[i:i + 1])
                if self.part in self.path:
                    time.sleep(0.1)
        except ConnectionError:
            self.close_connection = True


class SlowRegistry(scenario.Scenario):
    packages = ()

    def test_slow_retrieval(self):
        self.env.update(no_proxy="127.0.0.1", UNI_STALL_SECONDS="1")
        digest = "sha256:" + hashlib.sha256(b"x" * 100).hexdigest()
        manifest = json.dumps({"schemaVersion": 2, "artifactType": "application/vnd.uni.file.v1", "config": {}, "layers": [
            {"mediaType": "x/y", "size": 100, "digest": digest, "annotations": {"org.opencontainers.image.title": "file"}}]})
        for part in ("/manifests/", "/blobs/"):
            handler = type("Handler", (Slow,), {"manifest": manifest.encode(), "part": part})
            server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
            threading.Thread(target=server.serve_forever, daemon=True).start()
            self.addCleanup(server.server_close)
            self.addCleanup(server.shutdown)
            text = self.fails("pull", f"oci://127.0.0.1:{server.server_address[1]}/x:1", "-o", "out", timeout=300)
            self.assertIn("stalled", text)
        self.assertEqual(os.listdir(os.path.join(self.work, "out")), [])


if __name__ == "__main__":
    scenario.main()
