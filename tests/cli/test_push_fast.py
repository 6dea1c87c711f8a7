"""The strict double's fast front is as strict as the double: what a push sends through it, and what it refuses."""

import base64
import hashlib
import os
import sys

import scenario

sys.path.insert(0, os.path.join(scenario.ROOT, "tests/aws"))
import double  # noqa: E402
import fast  # noqa: E402
import load  # noqa: E402


class Front(scenario.Scenario):
    def setUp(self):
        super().setUp()
        self.account = double.Account()
        self.service = fast.start(self.account, 0.02, 1000)
        self.addCleanup(self.service.stop)
        self.env.update(AWS_ENDPOINT_URL=self.service.url, AWS_ACCESS_KEY_ID="AKIDEXAMPLE",
                        AWS_SECRET_ACCESS_KEY=load.SECRET, AWS_EC2_METADATA_DISABLED="true", no_proxy="127.0.0.1")

    def test_a_push_goes_through_it(self):
        data = b"".join(os.urandom(double.BLOCK) if i % 3 else bytes(double.BLOCK) for i in range(60))
        self.write("disk.raw", data)
        _, snapshot = self.uni("volume", "push", "disk.raw", "ec2://eu-central-1/data").split()
        found = self.account.snapshots[snapshot]
        self.assertEqual(found["state"], "completed")
        blocks = [data[i:i + double.BLOCK] for i in range(0, len(data), double.BLOCK)]
        self.assertEqual(found["put"], {i: hashlib.sha256(block).digest() for i, block in enumerate(blocks) if any(block)})
        # The block map beside it was kept whole: another machine builds on it.
        self.env["XDG_STATE_HOME"] = os.path.join(self.work, "elsewhere")
        self.write("disk.raw", data[:double.BLOCK] + b"new" + data[double.BLOCK + 3:])
        _, second = self.uni("volume", "push", "disk.raw", "ec2://eu-central-1/data").split()
        self.assertEqual((self.account.snapshots[second]["parent"], len(self.account.snapshots[second]["put"])),
                         (snapshot, 1))

    def test_it_gives_what_its_rate_allows(self):
        slow = fast.start(self.account, 0.2, 10)
        self.addCleanup(slow.stop)
        load.run(slow.url, 20)
        slow.catch_up()
        self.assertEqual(self.account.count("PutSnapshotBlock"), 20)
        self.assertGreater(slow.throttled, 0)

    def test_it_refuses(self):
        host = self.service.url.removeprefix("http://")
        name = load.call(host, "POST", "/snapshots", b'{"VolumeSize":1}')["SnapshotId"]
        body = bytes([7]) * double.BLOCK
        checksum = base64.b64encode(hashlib.sha256(body).digest()).decode()
        sound = {"x-amz-checksum": checksum, "x-amz-checksum-algorithm": "SHA256", "x-amz-data-length": "524288"}
        bad = [("x-amz-Checksum", "checksum", base64.b64encode(bytes(32)).decode()),
               ("x-amz-Checksum-Algorithm", "checksum-algorithm", "MD5"),
               ("x-amz-Data-Length", "data-length", "4096")]
        for _, key, value in bad:
            with self.assertRaisesRegex(OSError, "ValidationException|x-amz-"):
                load.put(host, name, 0, body, {**sound, f"x-amz-{key}": value})
        with self.assertRaisesRegex(OSError, "x-amz-data-length"):
            load.put(host, name, 0, body[1:], sound)
        with self.assertRaisesRegex(OSError, "another"):
            load.put(host, name, 0, body, sound, secret="another")
        load.put(host, name, 0, body, sound)
        # What is beyond the volume shows when the snapshot is sealed.
        load.put(host, name, 2048, body, sound)
        with self.assertRaisesRegex(OSError, "beyond the volume"):
            load.complete(host, name, hashlib.sha256(body).digest(), 2)


if __name__ == "__main__":
    scenario.main()
