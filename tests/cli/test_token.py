"""docker-registry with bearer tokens, and a server that gives them: who may what, tokens that end, refresh tokens, mounts."""

import base64
import http.server
import json
import os
import subprocess
import threading
import time
import urllib.parse

import scenario
from registry import Registry
from test_hostile import Between, times


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Tokens(http.server.BaseHTTPRequestHandler):
    """As Docker's specification has it: what is granted is what was asked for and is allowed."""

    protocol_version = "HTTP/1.1"
    key, chain, life, seen = "", "", 300, []

    def log_message(self, *args):
        pass

    def allowed(self, user, name):
        return {"pull", "push"} if user == "ann" and not name.startswith("others/") else {"pull"} if name.startswith("public/") else set()

    def token(self, user, scopes):
        now = int(time.time())
        access = []
        for scope in " ".join(scopes).split():
            kind, name, actions = scope.split(":")
            granted = sorted(set(actions.split(",")) & self.allowed(user, name))
            if granted:
                access.append({"type": kind, "name": name, "actions": granted})
        header = {"typ": "JWT", "alg": "RS256", "x5c": [self.chain]}
        # The registry is lenient by a minute.
        claims = {"iss": "giver", "sub": user, "aud": "test", "exp": now - 60 + self.life, "nbf": now - 90, "iat": now - 90,
                  "jti": os.urandom(8).hex(), "access": access}
        text = ".".join(b64(json.dumps(part).encode()) for part in (header, claims))
        signature = subprocess.run(["openssl", "dgst", "-sha256", "-sign", self.key], input=text.encode(), check=True,
                                   stdout=subprocess.PIPE).stdout
        self.answer(200, {"token": f"{text}.{b64(signature)}", "expires_in": 60})

    def answer(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
        basic = self.headers.get("Authorization")
        self.seen.append(("GET", query, basic))
        if basic is not None and basic != "Basic " + base64.b64encode(b"ann:secret word").decode():
            return self.answer(401, {"details": "wrong password"})
        return self.token("ann" if basic else "", query.get("scope", []))

    def do_POST(self):
        query = urllib.parse.parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self.seen.append(("POST", query, self.headers.get("Authorization")))
        if query["grant_type"] != ["refresh_token"] or query["refresh_token"] != ["long lived & odd"]:
            return self.answer(401, {"details": "unknown token"})
        return self.token("ann", query.get("scope", []))


class Bearer(Registry):
    packages = ()

    def configure(self):
        key, cert = self.path("token.pem"), self.path("token.crt")
        self.tool("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=giver", "-keyout", key,
                  "-out", cert)
        with open(cert, encoding="ascii") as f:
            chain = "".join(line for line in f.read().splitlines() if "-----" not in line)
        self.handler = type("Handler", (Tokens,), {"key": key, "chain": chain, "seen": []})
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self.handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        return (f"auth:\n  token:\n    realm: http://127.0.0.1:{server.server_address[1]}/token\n    service: test\n"
                f"    issuer: giver\n    rootcertbundle: {cert}\n")

    def setUp(self):
        super().setUp()
        self.write("x", "content")

    def login(self, password="secret word"):
        return subprocess.run([scenario.UNI, "login", self.host, "-u", "ann"], input=password.encode() + b"\n", env=self.env,
                              cwd=self.work, check=False, capture_output=True)

    def place(self, name):
        return f"oci://{self.host}/{name}"

    def test_login_decides(self):
        self.assertIn("uni login", self.fails("push", "x", self.place("team/x:1")))
        wrong = self.login("wrong")
        self.assertEqual(wrong.returncode, 1)
        self.assertNotIn(b"secret", wrong.stderr)
        self.assertFalse(os.path.exists(self.path("home/.docker/config.json")))
        self.assertEqual(self.login().returncode, 0)
        self.uni("push", "x", self.place("team/x:1"))
        self.uni("push", "x", self.place("public/x:1"))
        self.assertIn("uni login", self.fails("push", "x", self.place("others/x:1")))
        self.tool("skopeo", "inspect", "--raw", "--tls-verify=false", "--authfile", self.path("home/.docker/config.json"),
                  f"docker://{self.host}/team/x:1")
        self.uni("logout", self.host)
        self.uni("pull", self.place("public/x:1"), "-o", "back")  # everybody may
        self.assertEqual(self.read("back/x"), b"content")
        self.assertIn("uni login", self.fails("pull", self.place("team/x:1"), "-o", "no"))

    def test_tokens_that_end(self):
        """One that ends in the midst of an upload: another is asked for, and the upload goes on."""
        between = type("Slow", (Between,), {"target": self.host, "faults": [], "seen": []})
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), between)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        self.host = f"127.0.0.1:{server.server_address[1]}"
        self.assertEqual(self.login().returncode, 0)
        with open(os.path.join(self.work, "large"), "wb") as f:
            for _ in range(70):
                f.write(os.urandom(1 << 20))
        self.handler.life = 10
        between.faults.append(times(1, "PATCH", "/blobs/uploads/", lambda _: time.sleep(11)))
        self.handler.seen.clear()
        self.uni("push", "large", self.place("team/large:1"))
        self.assertGreater(len(self.handler.seen), 1)
        self.handler.life = 300
        self.uni("pull", self.place("team/large:1"), "-o", "back")
        self.tool("cmp", "large", "back/large")

    def test_a_refresh_token(self):
        os.makedirs(self.path("home/.docker"))
        with open(self.path("home/.docker/config.json"), "w", encoding="ascii") as f:
            json.dump({"auths": {self.host: {"auth": base64.b64encode(b"ann:").decode(), "identitytoken": "long lived & odd"}}}, f)
        self.uni("push", "x", self.place("team/x:1"))
        self.assertEqual({(method, basic) for method, _, basic in self.handler.seen}, {("POST", None)})
        self.write("bin/docker-credential-test", "#!/bin/sh\n[ \"$1\" = get ] && cat > /dev/null &&\n"
                   "echo '{\"Username\": \"<token>\", \"Secret\": \"long lived & odd\"}'\n", 0o755)
        self.env["PATH"] = os.path.join(self.work, "bin") + ":" + self.env["PATH"]
        with open(self.path("home/.docker/config.json"), "w", encoding="ascii") as f:
            json.dump({"credsStore": "test"}, f)
        self.handler.seen.clear()
        self.uni("pull", self.place("team/x:1"), "-o", "back")
        self.assertEqual({method for method, _, _ in self.handler.seen}, {"POST"})

    def test_mounts_ask_for_both(self):
        self.assertEqual(self.login().returncode, 0)
        self.uni("push", "x", self.place("team/one:1"))
        before = self.uploads()
        self.uni("push", "x", self.place("team/two:1"))
        self.assertEqual(self.uploads(), before)
        scopes = " ".join(scope for _, query, _ in self.handler.seen for scope in query.get("scope", []))
        self.assertIn("repository:team/one:pull", scopes)
        # From one that we may not read nothing is mounted, and that is all.
        self.uni("push", "x", self.place("team/three:1"), "--mount-from", "others/secret")
        self.assertGreater(self.uploads(), before)
        self.uni("pull", self.place("team/three:1"), "-o", "back")
        self.assertEqual(self.read("back/x"), b"content")


if __name__ == "__main__":
    scenario.main()
