"""Signatures, bills of materials and provenance beside what was pushed: cosign judges where it is there, openssl always."""

import base64
import hashlib
import json
import os
import shutil
import unittest

import scenario
from registry import Registry

PAYLOAD = "application/vnd.dev.cosign.simplesigning.v1+json"
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
EMPTY = "application/vnd.oci.empty.v1+json"
COSIGN = os.environ.get("UNI_COSIGN") or shutil.which("cosign")


class Signatures(Registry):
    def get(self, path, kind="application/vnd.oci.image.manifest.v1+json"):
        return self.tool("curl", "-sS", "-f", "--noproxy", "*", "-H", f"Accept: {kind}", f"http://{self.host}/v2/{path}")

    def push(self, name, *more):
        return self.uni_json("push", "notes.txt", f"oci://{self.host}/{name}", *more, "--json")[0]["id"]

    def signatures(self, name, digest):
        manifest = json.loads(self.get(f"{name}/manifests/{digest.replace(':', '-')}.sig"))
        return [layer for layer in manifest["layers"] if layer["mediaType"] == PAYLOAD]

    def bundles(self, name, digest):
        index = json.loads(self.get(f"{name}/manifests/{digest.replace(':', '-')}", INDEX))
        manifests = [json.loads(self.get(f"{name}/manifests/{e['digest']}")) for e in index["manifests"]]
        return [json.loads(self.get(f"{name}/blobs/{m['layers'][0]['digest']}")) for m in manifests if m["artifactType"] == BUNDLE]

    @staticmethod
    def pae(kind, payload):
        """What DSSE signs."""
        return b"DSSEv1 %d %s %d %s" % (len(kind), kind.encode(), len(payload), payload)

    def judge_bundle(self, digest, public, bundle):
        """By the specification of bundles, of DSSE, and of in-toto."""
        self.assertEqual(bundle["mediaType"], BUNDLE)
        self.assertIn("publicKey", bundle["verificationMaterial"])
        envelope = bundle["dsseEnvelope"]
        self.assertEqual(envelope["payloadType"], "application/vnd.in-toto+json")
        payload = base64.b64decode(envelope["payload"])
        statement = json.loads(payload)
        self.assertEqual(statement["_type"], "https://in-toto.io/Statement/v1")
        self.assertEqual(statement["predicateType"], "https://sigstore.dev/cosign/sign/v1")
        self.assertEqual(["sha256:" + s["digest"]["sha256"] for s in statement["subject"]], [digest])
        self.openssl_verify(public, self.pae(envelope["payloadType"], payload), envelope["signatures"][0]["sig"])

    def openssl_verify(self, public, data, signature):
        self.write("payload", data)
        self.write("signature", base64.b64decode(signature))
        how = ("-rawin",) if "ED25519" in self.tool("openssl", "pkey", "-pubin", "-in", public, "-noout", "-text") else \
              ("-rawin", "-digest", "sha256")
        self.tool("openssl", "pkeyutl", "-verify", "-pubin", "-inkey", public, *how, "-in", "payload", "-sigfile", "signature")

    def judge(self, name, digest, public, layer):
        """By the specification: the payload is signed, and it names the manifest."""
        payload = self.get(f"{name}/blobs/{layer['digest']}").encode()
        self.assertEqual("sha256:" + hashlib.sha256(payload).hexdigest(), layer["digest"])
        said = json.loads(payload)["critical"]
        self.assertEqual(said["image"]["docker-manifest-digest"], digest)
        self.assertEqual(said["identity"]["docker-reference"], f"{self.host}/{name}")
        self.assertEqual(said["type"], "cosign container image signature")
        self.openssl_verify(public, payload, layer["annotations"]["dev.cosignproject.cosign/signature"])

    def keys(self):
        self.tool("openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "ec.raw")
        self.tool("openssl", "pkcs8", "-topk8", "-in", "ec.raw", "-out", "ec.pem", "-passout", "pass:words")
        self.tool("openssl", "pkey", "-in", "ec.raw", "-pubout", "-out", "ec.pub")
        self.tool("openssl", "genpkey", "-algorithm", "ed25519", "-out", "ed.pem")
        self.tool("openssl", "pkey", "-in", "ed.pem", "-pubout", "-out", "ed.pub")
        self.write("words", "words\n")
        self.uni("key", "new", "me", "--no-passphrase")
        self.write("me.pub", self.uni("key", "public", "me"))

    def test_signatures_of_each_kind(self):
        self.write("notes.txt", "some words\n")
        self.keys()
        digest = self.push("notes:1", "--sign", "ec.pem", "--passphrase-file", "words")
        for count, key in ((2, "ed.pem"), (3, "me"), (3, "me")):
            self.assertEqual(self.push("notes:1", "--sign", key), digest)
            self.assertEqual(len(self.signatures("notes", digest)), count)
        for public, layer in zip(("ec.pub", "ed.pub", "me.pub"), self.signatures("notes", digest)):
            self.judge("notes", digest, public, layer)
            self.uni("pull", f"oci://{self.host}/notes:1", "-o", "back", "--force", "--verify", "./" + public)
        self.uni("pull", f"oci://{self.host}/notes@{digest}", "-o", "back", "--force", "--verify", "me")
        # Another's key, no signature, a signature of something else, a key that is none.
        self.tool("openssl", "genpkey", "-algorithm", "ed25519", "-out", "other.pem")
        self.tool("openssl", "pkey", "-in", "other.pem", "-pubout", "-out", "other.pub")
        refused = ("pull", f"oci://{self.host}/notes:1", "-o", "no", "--verify")
        self.assertIn("none of its signatures is by the key other.pub", self.fails(*refused, "other.pub"))
        self.write("notes.txt", "other words\n")
        other = self.push("notes:2")
        self.assertIn("has no signature", self.fails("pull", f"oci://{self.host}/notes:2", "-o", "no", "--verify", "me"))
        tag = digest.replace(":", "-") + ".sig"
        self.tool("skopeo", "copy", "-q", "--src-tls-verify=false", "--dest-tls-verify=false",
                  f"docker://{self.host}/notes:{tag}", f"docker://{self.host}/notes:{other.replace(':', '-')}.sig")
        self.assertIn("none of its signatures", self.fails("pull", f"oci://{self.host}/notes:2", "-o", "no", "--verify", "me"))
        self.assertIn("holds no public key", self.fails(*refused, "notes.txt"))
        self.assertIn("holds no private key", self.fails("push", "notes.txt", f"oci://{self.host}/n:1", "--sign", "ec.pub"))
        self.assertIn("passphrase", self.fails("push", "notes.txt", f"oci://{self.host}/n:1", "--sign", "ec.pem"))
        self.assertFalse(os.path.exists(os.path.join(self.work, "no/notes.txt")))

    def attach_bundle(self, name, digest, key, predicate="https://sigstore.dev/cosign/sign/v1", of=None):
        """As cosign 3 leaves it in a registry that keeps no account of subjects, which lists the configuration's type."""
        kind = "application/vnd.in-toto+json"
        statement = json.dumps({"_type": "https://in-toto.io/Statement/v1", "subject": [{"digest": {"sha256": (of or digest)[7:]}}],
                                "predicateType": predicate, "predicate": {}}).encode()
        self.write("signed", self.pae(kind, statement))
        self.tool("openssl", "dgst", "-sha256", "-sign", key, "-out", "signature", "signed")
        bundle = json.dumps({
            "mediaType": BUNDLE, "verificationMaterial": {"publicKey": {"hint": "x"}},
            "dsseEnvelope": {"payload": base64.b64encode(statement).decode(), "payloadType": kind,
                             "signatures": [{"sig": base64.b64encode(self.read("signature")).decode()}]}}).encode()

        def put(path, data, media):
            self.write("body", data)
            self.tool("curl", "-sS", "-f", "--noproxy", "*", "-X", "PUT", "-H", f"Content-Type: {media}", "--data-binary", "@body", path)
            return {"mediaType": media, "size": len(data), "digest": "sha256:" + hashlib.sha256(data).hexdigest()}

        def blob(data, media):
            where = self.tool("curl", "-sS", "-f", "--noproxy", "*", "-X", "POST", "-o", "/dev/null", "-w", "%header{location}",
                              f"http://{self.host}/v2/{name}/blobs/uploads/")
            made = put(f"{where}&digest=sha256:{hashlib.sha256(data).hexdigest()}", data, "application/octet-stream")
            return {**made, "mediaType": media}
        subject = {"mediaType": MANIFEST, "size": 1, "digest": digest}
        manifest = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "artifactType": BUNDLE, "config": blob(b"{}", EMPTY),
                               "layers": [blob(bundle, BUNDLE)], "subject": subject}).encode()
        tag = f"http://{self.host}/v2/{name}/manifests/"
        entry = put(tag + "sha256:" + hashlib.sha256(manifest).hexdigest(), manifest, MANIFEST)
        try:
            index = json.loads(self.get(f"{name}/manifests/{digest.replace(':', '-')}", INDEX))
        except AssertionError:
            index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": []}
        index["manifests"].append({**entry, "artifactType": EMPTY})
        put(tag + digest.replace(":", "-"), json.dumps(index).encode(), INDEX)

    def test_bundles(self):
        """What cosign 3 reads and writes: ours judged by openssl, and another's beside it accepted for what it says."""
        self.write("notes.txt", "some words\n")
        self.keys()
        for public, key in (("me.pub", "me"), ("ed.pub", "ed.pem")):
            digest = self.push("notes:1", "--sign", key)
            self.judge_bundle(digest, public, self.bundles("notes", digest)[-1])
        digest = self.push("notes:1", "--sign", "me")
        self.assertEqual(len(self.bundles("notes", digest)), 2)
        self.attach_bundle("notes", digest, "ec.raw")
        place = f"oci://{self.host}/notes:1"
        for public in ("ec.pub", "me.pub"):
            self.uni("pull", place, "-o", "back", "--force", "--verify", "./" + public)
        self.push("notes:1", "--sign", "ed.pem")
        self.assertEqual(len(self.bundles("notes", digest)), 3)
        # By a bundle alone; not by one that says something else, or of something else.
        self.write("notes.txt", "other words\n")
        other = self.push("notes:2")
        place = f"oci://{self.host}/notes:2"
        refused = ("pull", place, "-o", "no", "--verify", "ec.pub")
        self.assertIn("has no signature", self.fails(*refused))
        self.attach_bundle("notes", other, "ec.raw", predicate="https://slsa.dev/provenance/v1")
        self.attach_bundle("notes", other, "ec.raw", of=digest)
        self.assertIn("none of its signatures", self.fails(*refused))
        self.assertFalse(os.path.exists(os.path.join(self.work, "no/notes.txt")))
        self.attach_bundle("notes", other, "ec.raw")
        self.uni("pull", place, "-o", "back", "--force", "--verify", "ec.pub")

    @unittest.skipUnless(COSIGN, "cosign is not on this machine")
    def test_cosign_verifies(self):
        self.write("notes.txt", "some words\n")
        self.keys()
        digest = self.push("notes:1", "--sign", "ec.pem", "--passphrase-file", "words")
        self.push("notes:1", "--sign", "ed.pem")
        self.push("notes:1", "--sign", "me")
        for public in ("ec.pub", "ed.pub", "me.pub"):
            self.tool(COSIGN, "verify", "--key", public, "--insecure-ignore-tlog", "--allow-insecure-registry",
                      f"{self.host}/notes@{digest}", env={**self.env, "HOME": self.path("home")})
        # And the other way: its signature, beside ours, with a key of its own making.
        self.tool("openssl", "pkey", "-in", "ec.raw", "-out", "plain.pem")
        env = {**self.env, "COSIGN_PASSWORD": "", "HOME": self.path("home")}
        self.tool(COSIGN, "generate-key-pair", "--output-key-prefix", "theirs", env=env)
        # Version 3 leaves a bundle, and would ask a service for what to do about logs.
        newer = ("--use-signing-config=false",) if "--use-signing-config" in self.tool(COSIGN, "sign", "--help", env=env) else ()
        self.tool(COSIGN, "sign", "--key", "theirs.key", "--tlog-upload=false", *newer, "--allow-insecure-registry", "-y",
                  f"{self.host}/notes@{digest}", env=env)
        self.assertEqual(len(self.bundles("notes", digest)), 4 if newer else 3)
        self.uni("pull", f"oci://{self.host}/notes:1", "-o", "back", "--verify", "theirs.pub")
        self.push("notes:1", "--sign", "ed.pem")
        self.tool(COSIGN, "verify", "--key", "theirs.pub", "--insecure-ignore-tlog", "--allow-insecure-registry",
                  f"{self.host}/notes@{digest}", env=env)

    def test_what_it_is_made_of(self):
        self.hello()
        self.uni("build", "recipe.toml", "-o", "out", "--format", "raw")
        self.uni("key", "new", "me", "--no-passphrase")
        address = f"oci://{self.host}/hello:1"
        digest = self.uni_json("push", "out/hello.raw", address, "--sign", "me", "--json")[0]["id"]
        # By the tag schema, as any client of a registry without referrers goes about it.
        index = json.loads(self.get(f"hello/manifests/{digest.replace(':', '-')}", "application/vnd.oci.image.index.v1+json"))
        found = {}
        for entry in index["manifests"]:
            manifest = json.loads(self.get(f"hello/manifests/{entry['digest']}"))
            self.assertEqual(manifest["subject"]["digest"], digest)
            self.assertEqual(manifest["artifactType"], entry["artifactType"])
            found[entry["artifactType"]] = json.loads(self.get(f"hello/blobs/{manifest['layers'][0]['digest']}"))
        self.assertEqual(found["application/spdx+json"]["spdxVersion"], "SPDX-2.3")
        self.assertEqual(found["application/vnd.cyclonedx+json"]["bomFormat"], "CycloneDX")
        statement = json.loads(base64.b64decode(found["application/vnd.dsse.envelope.v1+json"]["payload"]))
        with open(os.path.join(self.work, "out/hello.raw"), "rb") as f:
            raw = hashlib.sha256(f.read()).hexdigest()
        self.assertIn(raw, [s["digest"]["sha256"] for s in statement["subject"]])
        # And by uni itself; pushed again there is no second entry.
        for form in ("spdx", "cyclonedx"):
            self.assertEqual(self.uni("sbom", address, "--format", form), self.uni("sbom", "out/hello.raw", "--format", form))
        self.assertIn("payload", self.uni("sbom", address, "--format", "provenance"))
        self.uni("push", "out/hello.raw", address, "--sign", "me")
        again = json.loads(self.get(f"hello/manifests/{digest.replace(':', '-')}", "application/vnd.oci.image.index.v1+json"))
        self.assertEqual(again, index)
        self.assertIn("nothing of type", self.fails("sbom", f"oci://{self.host}/hello@{index['manifests'][0]['digest']}"))
        self.uni("push", "out/hello.raw", f"oci://{self.host}/bare:1", "--bare")
        self.fails("sbom", f"oci://{self.host}/bare:1")

    def test_parts_are_mounted(self):
        """By themselves from where this user has pushed or pulled them, or from where he says."""
        self.hello()
        self.uni("build", "recipe.toml", "-o", "out", "--format", "raw")
        self.uni("push", "out/hello.raw", f"oci://{self.host}/first/hello:1", "--bare")
        before = self.uploads()
        self.uni("push", "out/hello.raw", f"oci://{self.host}/second/hello:1", "--bare")
        self.assertEqual(self.uploads(), before)
        self.uni("pull", f"oci://{self.host}/second/hello:1", "-o", "back")
        self.tool("cmp", "out/hello.raw", "back/hello.raw")
        # Another user knows nothing of it until he has pulled it, or is told.
        self.env["XDG_STATE_HOME"] = self.path("other")
        self.uni("push", "out/hello.raw", f"oci://{self.host}/third/hello:1", "--bare", "--mount-from", "first/hello")
        self.assertEqual(self.uploads(), before)
        self.env["XDG_STATE_HOME"] = self.path("another")
        self.uni("pull", f"oci://{self.host}/first/hello:1", "-o", "again")
        self.uni("push", "again/hello.raw", f"oci://{self.host}/fourth/hello:1", "--bare")
        self.assertEqual(self.uploads(), before + 1)  # the configuration, which a pull does not need
        # What the other repository does not have, or has no longer, is sent.
        self.env["XDG_STATE_HOME"] = self.path("one more")
        self.uni("push", "out/hello.raw", f"oci://{self.host}/fifth/hello:1", "--bare", "--mount-from", "no/such")
        self.assertGreater(self.uploads(), before)
        seen = self.path("one more/uni/registries", self.host)
        with open(seen, encoding="ascii") as f:
            lines = f.read().replace("fifth/hello", "gone/away")
        with open(seen, "w", encoding="ascii") as f:
            f.write(lines + "nonsense\n\0\n")
        before = self.uploads()
        self.uni("push", "out/hello.raw", f"oci://{self.host}/sixth/hello:1", "--bare")
        self.assertGreater(self.uploads(), before)


if __name__ == "__main__":
    scenario.main()
