"""Where uni finds credentials for EC2, what it says of them, and how it renews them."""

import json
import os
import time

import ec2
import scenario
from ec2 import TO, double


class Credentials(ec2.Ec2):
    """Where credentials come from; `ami list` is the smallest call that needs them."""

    def setUp(self):
        super().setUp()
        del self.env["AWS_ACCESS_KEY_ID"]
        del self.env["AWS_SECRET_ACCESS_KEY"]

    def config(self, text, name="config"):
        os.makedirs(self.path("home/.aws"), exist_ok=True)
        with open(self.path("home/.aws", name), "w", encoding="utf-8") as f:
            f.write(text)

    def ask(self, *more):
        return self.uni("ami", "list", "ec2://eu-central-1", *more)

    def refused(self, *more):
        return self.fails("ami", "list", "ec2://eu-central-1", *more)

    def explain(self):
        return self.uni("push", "out/hello.ami", TO, "--explain-credentials")

    KEYS = "aws_access_key_id = AKIDEXAMPLE\naws_secret_access_key = wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY\n"

    def test_none(self):
        done = self.refused()
        for word in ("no AWS credentials", "AWS_ACCESS_KEY_ID is not set", "profile \"default\"", "container:",
                     "instance:"):
            self.assertIn(word, done)

    def test_profiles(self):
        self.config("[default]\n" + self.KEYS, "credentials")
        self.ask()
        self.config("[other]\n" + self.KEYS, "credentials")
        self.refused()
        self.ask("--profile", "other")
        self.env["AWS_PROFILE"] = "other"
        self.ask()
        self.assertIn("missing", self.refused("--profile", "missing"))
        self.assertNotIn("EXAMPLEKEY", self.explain())
        self.assertIn('profile "other": aws_access_key_id AKIDEXAMPLE', self.explain())

    def test_a_role_of_another_profile(self):
        self.config("[profile base]\n" + self.KEYS + "[profile ops]\nrole_arn = arn:aws:iam::1:role/ops\n"
                    "source_profile = base\nexternal_id = 7\n[profile loop]\nrole_arn = r\nsource_profile = loop2\n"
                    "[profile loop2]\nrole_arn = r\nsource_profile = loop\n")
        self.ask("--profile", "ops")
        form = next(c["form"] for c in self.account.calls if c["action"] == "AssumeRole")
        self.assertEqual((form["RoleArn"], form["ExternalId"]), ("arn:aws:iam::1:role/ops", "7"))
        self.assertTrue(self.account.calls[-1]["headers"]["authorization"].startswith(
            "AWS4-HMAC-SHA256 Credential=ASIA"))
        self.assertIn("circle", self.refused("--profile", "loop"))

    def test_a_token_in_a_file(self):
        self.env.update(AWS_ROLE_ARN="arn:aws:iam::1:role/pod",
                        AWS_WEB_IDENTITY_TOKEN_FILE=self.write("token", "a.b.c\n"))
        self.ask()
        form = next(c["form"] for c in self.account.calls if c["action"] == "AssumeRoleWithWebIdentity")
        self.assertEqual(form["WebIdentityToken"], "a.b.c")

    def test_a_process(self):
        answer = json.dumps({"Version": 1, "AccessKeyId": "AKIDEXAMPLE",
                             "SecretAccessKey": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"})
        self.write("give me", f"#!/bin/sh\necho '{answer}'\n", 0o755)
        self.config(f"[default]\ncredential_process = \"{self.work}/give me\" --now\n")
        self.ask()
        self.write("give me", "#!/bin/sh\necho trouble >&2\nexit 3\n", 0o755)
        self.assertIn("trouble", self.refused())

    def lasting(self, seconds):
        """A credential_process that gives other keys each time, for so long; the double knows ten of them."""
        for n in range(1, 11):
            self.account.keys[f"AKID{n}"] = {"secret": f"s{n}", "token": None, "allowed": None}
        self.write("count", "0")
        self.write("give", f"""#!/bin/sh
n=$(($(cat {self.work}/count) + 1)); echo $n >{self.work}/count
printf '{{"Version": 1, "AccessKeyId": "AKID%d", "SecretAccessKey": "s%d", "Expiration": "%s"}}' $n $n \\
	"$(date -u -d '+{seconds} seconds' +%Y-%m-%dT%H:%M:%SZ)"
""", 0o755)
        self.config(f"[default]\ncredential_process = {self.work}/give\n")

    def signers(self):
        return [call["headers"]["authorization"].split("Credential=")[1].split("/")[0] for call in self.account.calls]

    def test_keys_are_renewed_in_a_long_push(self):
        self.lasting(3)
        self.account.faults = [double.Fault("PutSnapshotBlock", "late", 1, seconds=4),
                               double.Fault("CompleteSnapshot", "late", 1, seconds=4)]
        self.push()
        self.only_image()
        self.assertGreater(len(set(self.signers())), 2)

    def test_keys_that_expired_before_their_time(self):
        self.lasting(3600)
        self.account.keys["AKID1"]["expires"] = time.time() + 3
        self.account.faults = [double.Fault("PutSnapshotBlock", "late", 1, seconds=4)]
        self.push()
        self.only_image()
        self.assertEqual(self.read("count"), b"2\n")

    def test_keys_that_have_expired(self):
        """Those of the environment cannot be renewed: nothing is sent with them, and nothing left."""
        self.env.update(AWS_ACCESS_KEY_ID="AKIDEXAMPLE", AWS_SESSION_TOKEN="t",
                        AWS_SECRET_ACCESS_KEY="wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
        self.account.keys["AKIDEXAMPLE"].update(expires=0, token="t")
        said = self.push_fails()
        self.assertIn("RequestExpired: the keys have expired", said)
        self.assertIn("the credentials from environment are not accepted", said)
        self.assertEqual(self.account.snapshots, {})

    def test_keys_that_nobody_knows(self):
        self.env.update(AWS_ACCESS_KEY_ID="AKIDOTHER", AWS_SECRET_ACCESS_KEY="x")
        done = self.refused()
        self.assertIn("InvalidClientTokenId", done)
        self.assertIn("environment", done)

    def test_damaged_files(self):
        self.config("[default]\nnonsense\n")
        self.assertIn("config:2: neither [section] nor key = value", self.refused())


if __name__ == "__main__":
    scenario.main()
