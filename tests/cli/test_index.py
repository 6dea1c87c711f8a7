"""An index from its making to a locked build, and what those who serve it may try."""

import functools
import http.server
import json
import os
import re
import shutil
import subprocess
import threading
import time

import scenario

PACKAGE = """
[package]
name = "{name}"
version = "{version}"
kind = "volume"
arch = "any"
description = "{description}"
licence = "MIT"
requires = [{requires}]

[[files]]
source = "page"
"""


class Index(scenario.Scenario):
    def pack(self, name, version, content="", requires=()):
        self.write(f"src/{name}/page", content or f"{name} {version}\n")
        self.write(f"src/{name}/package.toml", PACKAGE.format(
            name=name, version=version, description=f"the {name} pages",
            requires=", ".join(f'"{r}"' for r in requires)))
        self.uni("pack", f"src/{name}", "-o", "packed", "--force")
        return f"packed/{name}-{version}-any.unipkg"

    def publish(self, *files, to="pub", key="me"):
        self.uni("publish", *files, "--to", to, "-k", key)

    def setUp(self):
        super().setUp()
        self.uni("key", "new", "me", "--no-passphrase")
        self.root = self.uni("index", "create", "pub", "-k", "me").split()[0]

    def serve(self, folder="pub", handler=None):
        self.asked = asked = []

        class Handler(http.server.SimpleHTTPRequestHandler):
            def log_message(self, *_):
                asked.append(self.path)

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(
            handler or Handler, directory=os.path.join(self.work, folder)))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        return f"http://127.0.0.1:{server.server_address[1]}"

    def lock(self):
        return self.read("uni.lock").decode()

    def recipe(self, source="pkg:web"):
        return self.hello(scenario.HELLO_RECIPE.replace('source = "site"', f'source = "{source}"'))

    def test_search_info_install_update(self):
        self.publish(self.pack("web", "1.0.0"), self.pack("web", "1.2.0", requires=("style@^2",)),
                     self.pack("style", "2.1.0"), self.pack("style", "3.0.0"))
        url = self.serve()
        self.assertIn("--root", self.fails("index", "add", "main", url, status=2))
        self.assertIn("another digest", self.fails("index", "add", "main", url, "--root", "sha256:" + "1" * 64))
        self.uni("index", "add", "main", url, "--root", self.root)
        self.assertIn(url, self.uni("index", "list"))
        self.assertRegex(self.uni("search", "WEB", "pages"), r"(?m)^web +1\.2\.0 +main +the web pages$")
        self.assertEqual(self.uni_json("search", "nothing", "--json"), [])
        self.assertEqual(self.uni("search"), self.uni("search", ""))
        self.assertIn("web ", self.uni("search"))
        self.assertRegex(self.uni("info", "web"), r"(?s)web, from index main.*1\.2\.0.*needs style@\^2.*1\.0\.0")
        self.assertIn("no index has a package", self.fails("info", "other"))
        self.uni("install", "web@~1.0")
        self.assertRegex(self.uni("list"), r"(?m)^web +1\.0\.0 ")
        out = self.uni("update")
        self.assertIn("web 1.0.0 -> 1.2.0", out)
        self.assertRegex(self.uni("list"), r"(?m)^style +2\.1\.0 ")
        self.assertEqual(self.uni("update"), "")
        self.asked.clear()
        self.uni("index", "refresh")
        self.assertEqual(self.asked, ["/metadata/timestamp.json"])
        self.uni("index", "remove", "main")
        self.assertIn("no index has", self.fails("install", "web"))

    def test_conflicts_are_explained(self):
        self.publish(self.pack("a", "1.0.0", requires=("c@^1",)), self.pack("b", "1.0.0", requires=("c@^2",)),
                     self.pack("c", "1.5.0"), self.pack("c", "2.0.0"), self.pack("b", "0.9.0", requires=("c@^1",)))
        self.uni("index", "add", "main", "pub")
        text = self.fails("install", "a", "b@^1")
        self.assertIn("no version of c fits", text)
        for part in ("a 1.0.0 needs ^1", "b 1.0.0 needs ^2", "2.0.0, 1.5.0"):
            self.assertIn(part, text)
        self.uni("install", "a", "b")  # an older b goes with a
        self.assertRegex(self.uni("list"), r"(?m)^b +0\.9\.0 ")
        self.assertIn("no version of a fits: you need ^7; index main has 1.0.0", self.fails("install", "a@^7"))

    def test_lock(self):
        self.publish(self.pack("web", "1.0.0"))
        url = self.serve()
        self.uni("index", "add", "main", url, "--root", self.root)
        recipe = self.recipe()
        self.assertIn("would change", self.fails("build", recipe, "-o", "out", "--locked"))
        self.uni("build", recipe, "-o", "out")
        first = self.lock()
        self.assertIn('index = "main"', first)
        self.assertNotIn("127.0.0.1", first)
        self.publish(self.pack("web", "1.1.0"))
        self.asked.clear()
        self.uni("build", recipe, "-o", "again", "--locked")
        self.assertEqual(self.asked, [])  # a full store and a lock: nobody is asked
        self.assertEqual(self.lock(), first)
        self.assertEqual(self.read("out/hello.raw"), self.read("again/hello.raw"))
        self.uni("update", "--recipe", recipe)
        self.assertIn("1.1.0", self.lock())
        self.uni("build", recipe, "-o", "out")
        self.assertIn("page web 1.1.0", self.uni("run", "out/hello.raw", "-t", "60", status=7))
        # Another machine: an empty store, the lock and the index.
        self.env["UNI_CACHE"] = self.path("store2")
        self.uni("install", self.package("unibase"))
        self.assertIn("--offline", self.fails("build", recipe, "-o", "other", "--offline"))
        self.uni("build", recipe, "-o", "other", "--locked")
        self.assertEqual(self.read("out/hello.raw"), self.read("other/hello.raw"))

    def test_a_lock_outlives_what_expires(self):
        self.publish(self.pack("web", "1.0.0"))
        self.uni("index", "add", "main", "pub")
        recipe = self.recipe()
        self.uni("build", recipe, "-o", "out")
        late = ["faketime", "-f", "+30d", scenario.UNI]
        self.tool(*late, "build", recipe, "-o", "again", "--offline", "--locked", env=self.env)
        self.assertEqual(self.read("out/hello.raw"), self.read("again/hello.raw"))
        self.assertIn("expired", self.tool(*late, "info", "web", env=self.env, status=1))
        self.tool(*late, "info", "web", "--offline", env=self.env)

    def test_tools_are_in_the_lock(self):
        self.publish(self.pack("web", "1.0.0"))
        self.uni("index", "add", "main", "pub")
        recipe = self.recipe()
        self.uni("build", recipe, "-o", "out", "-f", "raw")
        lock = self.lock()
        real = os.path.realpath(shutil.which("ld"))
        name = os.path.basename(real)
        self.assertIn(f'[[x86_64.tool]]\nname = "{name}"\nsha256 = "{self.tool("sha256sum", real).split()[0]}"', lock)
        self.assertIn('name = "liblz4.so', lock)
        self.uni("build", recipe, "-o", "out", "-f", "raw", "--locked")
        # The same program to whoever asks for its version, with other bytes.
        with open(real, "rb") as f:
            self.write("bin/" + name, f.read() + b"\0", 0o755)
        os.symlink(name, os.path.join(self.work, "bin/ld"))
        other = {"PATH": os.path.join(self.work, "bin") + ":" + self.env["PATH"]}
        text = self.fails("build", recipe, "-o", "out", "--locked", env=other)
        self.assertIn(f'tool "{name}" here is not the locked one', text)
        done = self.run_uni("build", recipe, "-o", "out", env=other)
        self.assertEqual(done.returncode, 0)
        self.assertIn(f'tool "{name}" here is not the one'.encode(), done.stderr)
        self.assertEqual(self.lock(), lock)
        self.uni("update", "web", "--recipe", recipe, env=other)
        self.assertEqual(self.lock(), lock)  # one package brings no other tools along
        self.uni("update", "--recipe", recipe, env=other)
        self.assertNotEqual(self.lock(), lock)
        self.uni("build", recipe, "-o", "out", "--locked", env=other)
        self.fails("build", recipe, "-o", "out", "--locked")

    def test_yanked_stays_for_those_who_have_it(self):
        self.publish(self.pack("web", "1.0.0"), self.pack("web", "1.1.0"))
        self.uni("index", "add", "main", "pub")
        recipe = self.recipe()
        self.uni("build", recipe, "-o", "out")
        self.uni("yank", "web@1.1.0", "--to", "pub", "--why", "leaks", "-k", "me")
        self.assertIn("yanked: leaks", self.uni("info", "web"))
        self.env["UNI_CACHE"] = self.path("store2")
        self.uni("install", self.package("unibase"))
        self.uni("build", recipe, "-o", "other", "--locked")
        self.assertEqual(self.read("out/hello.raw"), self.read("other/hello.raw"))
        self.uni("install", "web")
        self.assertRegex(self.uni("list"), r"(?m)^web +1\.0\.0 ")
        self.uni("yank", "web@1.1.0", "--to", "pub", "--undo", "-k", "me")
        self.uni("update", "web")
        self.assertRegex(self.uni("list"), r"(?m)^web +1\.1\.0 ")

    def test_a_version_never_changes(self):
        self.publish(self.pack("web", "1.0.0"))
        self.publish("packed/web-1.0.0-any.unipkg")  # the same again is fine
        self.pack("web", "1.0.0", "other\n")
        self.assertIn("other content", self.fails("publish", "packed/web-1.0.0-any.unipkg", "--to", "pub", "-k", "me"))

    def test_lock_wins_over_an_index_that_changed_its_mind(self):
        self.publish(self.pack("web", "1.0.0"))
        self.uni("index", "add", "main", "pub")
        recipe = self.recipe()
        self.uni("build", recipe, "-o", "out")
        self.write("uni.lock", re.sub(r'sha256 = "\w{4}', 'sha256 = "0000', self.lock()))
        self.write("recipe.toml", self.read("recipe.toml").decode() + '[[file]]\npath = "/x"\nsource = "pkg:style/page"\n')
        self.publish(self.pack("style", "1.0.0"))
        self.assertIn("another digest than the lock", self.fails("build", recipe, "-o", "out"))

    def test_hostile_server(self):
        self.publish(self.pack("web", "1.0.0"))
        shutil.copytree(os.path.join(self.work, "pub"), os.path.join(self.work, "old"))
        self.publish(self.pack("web", "1.1.0"))
        url = self.serve()
        self.uni("index", "add", "main", url, "--root", self.root)
        self.uni("index", "refresh")
        pub, kept = os.path.join(self.work, "pub"), os.path.join(self.work, "kept")
        shutil.move(pub, kept)
        shutil.copytree(os.path.join(self.work, "old"), pub)
        self.assertIn("goes back", self.fails("index", "refresh"))
        shutil.rmtree(pub)
        shutil.copytree(kept, pub)
        # Other bytes under a name that is vouched for, of the same and of another length.
        folder = os.path.join(pub, "targets/files/web")
        name = next(n for n in os.listdir(folder) if "1.1.0" in n)
        with open(os.path.join(folder, name), "rb") as f:
            data = f.read()
        for wrong in (data[:-1] + bytes([data[-1] ^ 1]), data[:-5], data + b"x"):
            with open(os.path.join(folder, name), "wb") as f:
                f.write(wrong)
            self.assertIn("has the digest", self.fails("install", "web"))
        # A package of another name behind this one's.
        with open(os.path.join(folder, name), "wb") as f:
            f.write(data)
        self.uni("install", "web")
        thief = self.uni("key", "new", "thief", "--no-passphrase")
        self.assertTrue(thief)
        self.fails("publish", self.pack("web", "9.0.0"), "--to", "pub", "-k", "thief")

    def test_revoked_publisher(self):
        self.uni("key", "new", "theirs", "--no-passphrase")
        self.uni("index", "delegate", "pub", "team", "web", "web-*", "--publisher", "theirs", "-k", "me", "-k", "theirs")
        web = self.pack("web", "1.0.0")
        self.fails("publish", web, "--to", "pub", "-k", "me")
        self.uni("publish", web, "--to", "pub", "-k", "me", "-k", "theirs")
        self.uni("index", "add", "main", "pub")
        self.uni("info", "web")
        self.uni("key", "revoke", "theirs", "--index", "pub", "-k", "me")
        self.assertIn("no index has a package web", self.fails("info", "web"))

    def test_rotated_root(self):
        self.publish(self.pack("web", "1.0.0"))
        self.uni("index", "add", "main", "pub")
        self.uni("info", "web")
        self.uni("key", "new", "next", "--no-passphrase")
        self.fails("key", "rotate", "me", "next", "--index", "pub", "-k", "next")
        self.uni("key", "rotate", "me", "next", "--index", "pub", "-k", "me", "-k", "next")
        self.publish(self.pack("web", "1.1.0"), key="next")
        self.assertIn("1.1.0", self.uni("info", "web"))
        self.fails("publish", "--to", "pub", "-k", "me")

    def test_keys_at_rest(self):
        self.write("pass", "a secret\n")
        self.uni("key", "new", "sealed", "--passphrase-file", "pass")
        path = self.path("config/uni/keys/sealed.pem")
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
        with open(path, encoding="ascii") as f:
            self.assertIn("ENCRYPTED", f.read())
        self.tool("openssl", "pkey", "-in", path, "-passin", "pass:a secret", "-noout")
        self.assertRegex(self.uni("key", "list"), r"(?m)^sealed +\w{64} ")
        self.fails("index", "create", "sealed-index", "-k", "sealed")  # no terminal
        self.uni("index", "create", "sealed-index", "-k", "sealed", "--passphrase-file", "pass")
        self.write("wrong", "guess\n")
        self.assertIn("not its passphrase", self.fails("publish", "--to", "sealed-index", "-k", "sealed",
                                                       "--passphrase-file", "wrong"))

    def test_a_key_that_a_program_keeps(self):
        """openssl signs, by a key that uni never sees; an answer by another key, or none, publishes nothing."""
        def signer(key):
            self.write("sign-it", "#!/bin/sh\nt=$(mktemp)\ncat > $t\n[ \"$1\" = slot1 ] || exit 3\n"
                       f"openssl pkeyutl -sign -rawin -inkey {key} -in $t\nrm $t\n", 0o755)
        for key in ("outside.pem", "other.pem"):
            self.tool("openssl", "genpkey", "-algorithm", "ed25519", "-out", key)
        self.tool("openssl", "pkey", "-in", "outside.pem", "-pubout", "-outform", "DER", "-out", "public")
        path, public = os.path.join(self.work, "sign-it"), self.read("public")[-32:].hex()
        self.fails("key", "new", "token", "--command", path, status=2)
        self.uni("key", "new", "token", "--public", public, "--command", path, "--command", "slot1")
        signer("outside.pem")
        self.uni("index", "create", "theirs", "-k", "token")
        self.publish(self.pack("web", "1.0.0"), to="theirs", key="token")
        self.uni("index", "add", "theirs", "theirs")
        self.assertIn("web 1.0.0", self.uni("install", "web"))
        later = self.pack("web", "1.1.0")
        for line, word in (("openssl pkeyutl", "other.pem"), ("nobody", "outside.pem")):
            signer(word)
            self.write("sign-it", self.read("sign-it").decode().replace("openssl pkeyutl", line), 0o755)
            self.assertIn("sign-it", self.fails("publish", later, "--to", "theirs", "-k", "token"))
        self.assertNotIn("1.1.0", self.uni("info", "web"))

    def test_endless_and_slow(self):
        """Each kind of file without an end, and one byte after the other; neither is waited for."""
        self.publish(self.pack("web", "1.0.0"))
        attack = {"part": "", "block": b"", "wait": 0.0}

        class Handler(http.server.SimpleHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_GET(self):
                if not attack["part"] or attack["part"] not in self.path:
                    return super().do_GET()
                self.send_response(200)
                self.end_headers()
                try:
                    while True:
                        self.wfile.write(attack["block"])
                        time.sleep(attack["wait"])
                except ConnectionError:
                    self.close_connection = True
                return None
        url = self.serve(handler=Handler)
        self.uni("index", "add", "main", url, "--root", self.root)
        parts = ("2.root.json", "timestamp.json", "snapshot.json", "targets.json", "web.json", ".unipkg")
        for part in parts:
            attack.update(part=part, block=b" " * (1 << 20), wait=0)
            text = self.fails("install", "web", timeout=300)
            self.assertRegex(text, "more than|is not the file|too large|has the digest", part)
        self.env["UNI_STALL_SECONDS"] = "1"
        for part in ("timestamp.json", ".unipkg"):
            attack.update(part=part, block=b" ", wait=0.05)
            self.assertIn("stalled", self.fails("install", "web", timeout=300), part)
        attack["part"] = ""
        del self.env["UNI_STALL_SECONDS"]
        self.uni("install", "web")

    def test_what_is_needed_is_asked_for_at_once(self):
        """The server answers no description, and no file, before it was asked for all four."""
        names = ["a1", "b2", "c3", "d4"]
        self.publish(*(self.pack(name, "1.0.0") for name in names), self.pack("web", "1.0.0", requires=names))
        barriers = {kind: threading.Barrier(len(names)) for kind in ("packages", "files")}

        class Handler(http.server.SimpleHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                kind = self.path.split("/")[2]
                if kind in barriers and any(name in self.path for name in names):
                    barriers[kind].wait(60)
                super().do_GET()
        url = self.serve(handler=Handler)
        self.uni("index", "add", "main", url, "--root", self.root)
        self.assertEqual(len(self.uni("install", *names).splitlines()), 4)
        self.assertEqual([b.broken for b in barriers.values()], [False, False])

    def test_answers_hold_as_long_as_the_index(self):
        self.publish(self.pack("web", "1.0.0"))
        self.uni("index", "add", "main", "pub")
        self.assertIn("web 1.0.0", self.uni("install", "web"))
        self.assertIn("web 1.0.0", self.uni("install", "web"))
        self.uni("remove", "web")  # what is known is not what is there
        self.assertIn("web 1.0.0", self.uni("install", "web"))
        self.assertRegex(self.uni("list"), r"(?m)^web +1\.0\.0 ")
        self.publish(self.pack("web", "1.1.0"))
        self.assertIn("web 1.1.0", self.uni("install", "web"))
        self.assertIn("web 1.0.0", self.uni("install", "web@=1.0.0"))
        late = ["faketime", "-f", "+30d", scenario.UNI]
        self.assertIn("expired", self.tool(*late, "install", "web", env=self.env, status=1))
        self.uni("index", "remove", "main")
        self.assertIn("no index has a package web", self.fails("install", "web"))

    def test_two_installs_at_once(self):
        self.publish(self.pack("web", "1.0.0"), self.pack("style", "1.0.0"))
        self.uni("index", "add", "main", "pub")
        both = [subprocess.Popen([scenario.UNI, "install", "web", "style"], cwd=self.work, env=self.env,
                                 stdout=subprocess.DEVNULL) for _ in range(4)]
        self.assertEqual([p.wait() for p in both], [0, 0, 0, 0])
        self.assertRegex(self.uni("list"), r"(?m)^web +1\.0\.0 ")

    def test_many_packages_in_bins(self):
        self.uni("index", "create", "big", "-k", "me", "--bins", "6")
        files = [self.pack(f"p{i}", "1.0.0") for i in range(30)]
        self.publish(*files, to="big")
        self.uni("index", "add", "big", "big")
        self.uni("install", "p7", "p23")
        self.assertEqual(len(json.loads(self.uni("search", "pages", "--json"))), 30)


if __name__ == "__main__":
    scenario.main()
