"""Recipes that take things from elsewhere: files over https by their digest, and git commits."""

import functools
import hashlib
import http.server
import os
import re
import ssl
import subprocess
import threading

import scenario


class Source(scenario.Scenario):
    def serve(self, folder):
        """The folder over https, by an authority that uni is told of; every request is noted."""
        key, cert = self.path("key.pem"), self.path("cert.pem")
        self.tool("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                  "-days", "30", "-keyout", key, "-out", cert, "-subj", "/CN=localhost",
                  "-addext", "subjectAltName=DNS:localhost")
        self.asked = []
        asked = self.asked

        class Handler(http.server.SimpleHTTPRequestHandler):
            def log_message(self, *_):
                asked.append(self.path)

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=folder))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        self.env["UNI_CA_FILE"] = cert
        self.url = f"https://localhost:{server.server_address[1]}"

    def git(self, *args, cwd):
        env = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b",
               "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b", "GIT_AUTHOR_DATE": "1600000000 +0000",
               "GIT_COMMITTER_DATE": "1600000000 +0000"}
        return subprocess.run(["git", "-c", "protocol.file.allow=always", "-c", "init.defaultBranch=main", *args],
                              cwd=cwd, env=env, check=True, capture_output=True, text=True).stdout.strip()

    def repository(self, name, files):
        folder = self.path(name)
        os.makedirs(folder)
        self.git("init", "-q", cwd=folder)
        for path, content in files.items():
            os.makedirs(os.path.dirname(os.path.join(folder, path)), exist_ok=True)
            with open(os.path.join(folder, path), "w", encoding="utf-8") as f:
                f.write(content)
        self.git("add", "-A", cwd=folder)
        self.git("commit", "-q", "-m", "first", cwd=folder)
        return folder, self.git("rev-parse", "HEAD", cwd=folder)

    def recipe(self, source, more=""):
        self.write("hello.c", scenario.HELLO_C)
        return self.write("recipe.toml", scenario.HELLO_RECIPE.replace('source = "site"', f'source = "{source}"') + more)

    def manifest(self):
        return self.read("out/hello.manifest.json").decode()

    def test_file_over_https(self):
        os.mkdir(self.path("www"))
        self.serve(self.path("www"))
        self.write("site/page", "from afar\n")
        self.tool("tar", "-C", "site", "-cf", self.path("www/site.tar"), "page")
        with open(self.path("www/site.tar"), "rb") as f:
            digest = hashlib.sha256(f.read()).hexdigest()
        self.write("hello.c", scenario.HELLO_C)
        self.tool("musl-gcc", "-static", "-o", self.path("www/hello"), "hello.c")
        with open(self.path("www/hello"), "rb") as f:
            code = hashlib.sha256(f.read()).hexdigest()
        recipe = self.recipe(f"{self.url}/site.tar#sha256:{digest}")
        self.write("recipe.toml", self.read("recipe.toml").decode().replace(
            'sources = ["hello.c"]', f'program = "{self.url}/hello#sha256:{code}"'))
        self.assertIn("--offline", self.fails("build", recipe, "-o", "out", "--offline"))
        self.assertEqual(self.asked, [])
        self.uni("build", recipe, "-o", "out")
        self.assertEqual(len(self.asked), 2)
        self.uni("build", recipe, "-o", "out")
        self.uni("build", recipe, "-o", "other", "--offline")
        self.assertEqual(len(self.asked), 2)  # each once, for ever
        self.assertEqual(self.read("out/hello.raw"), self.read("other/hello.raw"))
        self.assertIn(digest, self.manifest())
        self.assertIn("page from afar", self.uni("run", "out/hello.raw", "-t", "60", status=7))

    def test_wrong_bytes(self):
        os.mkdir(self.path("www"))
        self.serve(self.path("www"))
        with open(self.path("www/site.tar"), "wb") as f:
            f.write(bytes(1024))
        recipe = self.recipe(f"{self.url}/site.tar#sha256:{'0' * 64}")
        text = self.fails("build", recipe, "-o", "out")
        self.assertRegex(text, r"recipe\.toml:\d+:\d+: .*has the digest sha256:\w{64}, not sha256:0{64}")
        self.recipe(f"{self.url}/nothing#sha256:{'0' * 64}")
        self.assertIn("the server answers 404", self.fails("build", recipe, "-o", "out"))
        del self.env["UNI_CA_FILE"]
        self.assertIn("certificate", self.fails("build", recipe, "-o", "out"))
        self.assertNothingLeft(os.path.join(self.work, "out"))

    def test_git_commit(self):
        folder, commit = self.repository("repo", {"www/page": "committed\n", "other/x": "x"})
        os.symlink("page", folder + "/www/link")
        self.git("add", "-A", cwd=folder)
        self.git("commit", "-q", "-m", "second", cwd=folder)
        second = self.git("rev-parse", "HEAD", cwd=folder)
        recipe = self.recipe(f"git+file://{folder}#{commit}:www",
                             f'[[file]]\npath = "/etc/x"\nsource = "git+file://{folder}#{second}:other/x"\n')
        self.assertIn("--offline", self.fails("build", recipe, "--offline"))
        self.uni("build", recipe, "-o", "out")
        self.assertIn("page committed", self.uni("run", "out/hello.raw", "-t", "60", status=7))
        os.rename(folder, folder + "-gone")
        self.uni("build", recipe, "-o", "again", "--fresh")
        self.assertEqual(self.read("out/hello.raw"), self.read("again/hello.raw"))
        os.rename(folder + "-gone", folder)
        self.recipe(f"git+file://{folder}#{second}:www")
        self.uni("build", recipe, "-o", "out")
        self.recipe(f"git+file://{folder}#{'1' * 40}")
        self.assertIn("no branch or tag has commit", self.fails("build", recipe))
        self.recipe(f"git+file://{folder}#{commit}:nothing")
        self.assertIn("the commit has no nothing", self.fails("build", recipe))

    def test_submodules_only_when_asked(self):
        inner, _ = self.repository("inner", {"page": "from within\n"})
        folder, _ = self.repository("outer", {"top": "x"})
        self.git("submodule", "add", "-q", "../inner", "sub", cwd=folder)
        self.git("config", "-f", ".gitmodules", "submodule.sub.url", "../inner", cwd=folder)
        self.git("add", "-A", cwd=folder)
        self.git("commit", "-q", "-m", "with it", cwd=folder)
        commit = self.git("rev-parse", "HEAD", cwd=folder)
        recipe = self.recipe(f"git+file://{folder}#{commit}")
        text = self.fails("build", recipe)
        self.assertIn("submodule sub", text)
        self.assertIn("?submodules", text)
        self.recipe(f"git+file://{folder}?submodules#{commit}")
        self.write("recipe.toml", self.read("recipe.toml").decode().replace('mount = "/srv"', 'mount = "/all"'))
        self.uni("build", recipe, "-o", "out")
        self.git("config", "-f", ".gitmodules", "submodule.sub.url", "ssh://elsewhere/x", cwd=folder)
        self.git("commit", "-q", "-a", "-m", "elsewhere", cwd=folder)
        self.recipe(f"git+file://{folder}?submodules#{self.git('rev-parse', 'HEAD', cwd=folder)}")
        self.assertIn("not https", self.fails("build", recipe))
        self.assertTrue(os.path.isdir(inner))

    def test_addresses_that_are_none(self):
        for bad in ("https://h/x", "https://h/x#sha256:12", "https://u@h/x#sha256:" + "0" * 64, "git+https://h/x",
                    "git+https://h/x#main", "git+http://h/x#" + "0" * 40, "git+ssh://h/x#" + "0" * 40,
                    f"git+https://h/x#{'0' * 40}:../x", "https:///x#sha256:" + "0" * 64):
            text = self.fails("check", self.recipe(bad))
            self.assertTrue(re.search(r"recipe\.toml:\d+:\d+: ", text), text)


if __name__ == "__main__":
    scenario.main()
