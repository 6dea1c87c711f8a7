"""Bills of materials and provenance: read by others' programs, the same every time, signed where asked for."""

import base64
import json
import os

import scenario

JUDGES = os.path.join(scenario.ROOT, "build/judges/bin")
CYCLONEDX = """
import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
error = JsonStrictValidator(SchemaVersion.V1_5).validate_str(open(sys.argv[1], encoding="utf-8").read())
sys.exit(str(error) if error else 0)
"""


class Sbom(scenario.Scenario):
    def setUp(self):
        super().setUp()
        self.uni("build", self.hello(), "-o", "out")

    def test_others_read_it(self):
        self.write("bill.spdx.json", self.uni("sbom", "out/hello.raw"))
        self.tool(os.path.join(JUDGES, "pyspdxtools"), "-i", "bill.spdx.json")
        bill = json.loads(self.read("bill.spdx.json"))
        base = next(p for p in bill["packages"] if p["name"] == "unibase")
        self.assertIn("MIT", base["licenseDeclared"])
        self.assertEqual(base["versionInfo"], "1.0.0")
        tools = [r["spdxElementId"] for r in bill["relationships"] if r["relationshipType"] == "BUILD_TOOL_OF"]
        names = {p["SPDXID"]: p["name"] for p in bill["packages"]}
        self.assertTrue(any(names[t].endswith("ld.bfd") for t in tools))
        self.write("bill.json", self.uni("sbom", "out/hello.elf", "-f", "cyclonedx"))
        self.tool(os.path.join(JUDGES, "python"), "-c", CYCLONEDX, "bill.json")
        self.assertIn("unibase", [c["name"] for c in json.loads(self.read("bill.json"))["components"]])

    def test_same_image_same_bytes(self):
        first = [self.uni("sbom", "out/hello.raw", "-f", form) for form in ("spdx", "cyclonedx", "provenance")]
        self.uni("build", "recipe.toml", "-o", "elsewhere", "--fresh")
        again = [self.uni("sbom", "elsewhere/hello.manifest.json", "-f", form)
                 for form in ("spdx", "cyclonedx", "provenance")]
        self.assertEqual(first, again)

    def test_signed_provenance(self):
        statement = self.uni_json("sbom", "out/hello.raw", "-f", "provenance")
        self.assertEqual(statement["predicateType"], "https://slsa.dev/provenance/v1")
        for subject in statement["subject"]:
            self.assertIn(subject["digest"]["sha256"], self.tool("sha256sum", "out/" + subject["name"]))
        self.uni("key", "new", "me", "--no-passphrase")
        envelope = self.uni_json("sbom", "out/hello.raw", "-f", "provenance", "-k", "me")
        payload = base64.b64decode(envelope["payload"])
        self.assertEqual(json.loads(payload), statement)
        # openssl judges the signature: over PAE, by the key's public half.
        kind = envelope["payloadType"].encode()
        self.write("pae", b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload))
        self.write("sig", base64.b64decode(envelope["signatures"][0]["sig"]))
        key = self.path("config/uni/keys/me.pem")
        self.tool("openssl", "pkeyutl", "-verify", "-rawin", "-inkey", key, "-in", "pae", "-sigfile", "sig")

    def test_packages_bring_their_own(self):
        package = self.package("unibase")
        self.tool("bsdtar", "-xf", package, "package.json", "package.spdx.json", "package.intoto.json")
        self.tool(os.path.join(JUDGES, "pyspdxtools"), "-i", "package.spdx.json")
        bill = json.loads(self.read("package.spdx.json"))
        base = next(p for p in bill["packages"] if p["SPDXID"] == "SPDXRef-package")
        self.assertIn("MIT", base["licenseDeclared"])
        payload = self.tool("sha256sum", "package.json").split()[0]
        self.assertEqual(base["checksums"][0]["checksumValue"], payload)
        described = {f["path"]: f["sha256"] for f in json.loads(self.read("package.json"))["files"]}
        self.assertEqual({p["name"]: p["checksums"][0]["checksumValue"] for p in bill["packages"]
                          if p["SPDXID"].startswith("SPDXRef-file-")}, described)
        self.assertTrue(any(name.startswith("licences/") for name in described))
        statement = json.loads(self.read("package.intoto.json"))
        self.assertEqual(statement["predicateType"], "https://slsa.dev/provenance/v1")
        self.assertEqual(statement["subject"], [{"name": "package.json", "digest": {"sha256": payload}}])
        said = self.read("package.intoto.json").decode()
        for word in ("invocationId", "startedOn", "finishedOn"):
            self.assertNotIn(word, said)
        self.assertEqual(self.uni("sbom", package), self.read("package.spdx.json").decode())
        self.assertEqual(self.uni("sbom", package, "-f", "provenance"), said)
        self.uni("key", "new", "me", "--no-passphrase")
        envelope = self.uni_json("sbom", package, "-f", "provenance", "-k", "me")
        self.assertEqual(base64.b64decode(envelope["payload"]).decode(), said)

    def test_a_package_that_lies_about_itself(self):
        self.tool("bsdtar", "-xf", self.package("mozilla"))
        names = self.tool("bsdtar", "-tf", self.package("mozilla")).split()
        self.write("package.spdx.json", self.read("package.spdx.json").replace(b"MPL", b"MIT"))
        self.tool("bsdtar", "--format=ustar", "--uid=0", "--gid=0", "--uname=", "--gname=", "--zstd", "-cf", "lies.unipkg",
                  *names)
        self.assertIn("not a sound package", self.fails("install", "lies.unipkg"))

    def test_what_is_no_manifest(self):
        self.write("x.manifest.json", "{}")
        self.assertIn("not the manifest of an image", self.fails("sbom", "x.raw"))
        self.fails("sbom", "absent.raw")
        self.fails("sbom", "out/hello.raw", "-f", "other", status=2)
        self.fails("sbom", "out/hello.raw", "-k", "me", status=2)


if __name__ == "__main__":
    scenario.main()
