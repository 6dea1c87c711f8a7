"""Volumes in a registry: what differs is sent, what differs is fetched, and the format is what its page says."""

import hashlib
import json
import os
import re
import struct
import subprocess

import scenario
from registry import Registry


class Volumes(Registry):
    def volume(self, changed=()):
        """A live volume of 40 files that do not compress, some of them new; the path of its file."""
        os.makedirs(os.path.join(self.work, "content"), exist_ok=True)
        for i in range(40):
            if changed == () or i in changed:
                self.write(f"content/file-{i}", os.urandom(100_000))
        if changed:
            self.uni("volume", "copy", "content", "site.vol")
        else:
            self.uni("volume", "create", "site.vol", "--from", "content", "--size", "16M")
        return "site.vol"

    def pieces(self):
        """Bytes of the parts' ranges that were asked for so far."""
        return [int(size) for size in re.findall(r"http.response.status=206 http.response.written=(\d+)", self.log())]

    def fetched(self):
        """Requests for blobs so far."""
        return len(re.findall(r'"GET /v2/\S+/blobs/', self.log()))

    def test_a_volume_goes_in_pieces(self):
        address = f"oci://{self.host}/team/volume:1"
        file = self.volume()
        self.assertRegex(self.uni("volume", "push", file, address, "--dry-run"), r"^\d+ chunks, 4\.\d MB")
        self.uni("volume", "push", file, address)
        path = self.uni("pull", address, "-o", "host").strip()
        self.tool("cmp", file, path)
        self.assertGreater(sum(self.pieces()), 4_000_000)
        # Both slots have content; then one file changes.
        self.volume((1,))
        self.uni("volume", "push", file, address)
        self.uni("pull", address, "-o", "host", "--force")
        before = sum(self.pieces())
        self.volume((7,))
        self.uni("volume", "push", file, address)
        self.uni("pull", address, "-o", "host", "--force")
        self.tool("cmp", file, path)
        self.assertLess(sum(self.pieces()) - before, 500_000)
        self.assertNothingLeft(os.path.join(self.work, "host"))
        manifest = json.loads(self.tool("skopeo", "inspect", "--raw", "--tls-verify=false",
                                        "docker://" + address[len("oci://"):]))
        self.assertEqual(manifest["artifactType"], "application/vnd.uni.volume.v1")
        sizes = [layer["size"] for layer in manifest["layers"]]
        self.assertLess(sizes[-1], 500_000)
        self.assertGreater(sizes[1], 4_000_000)
        self.assertEqual(self.unpacked(manifest, address), self.read(file))

    def unpacked(self, manifest, address):
        """The volume put together by zstd and the documented format alone."""
        self.tool("skopeo", "copy", "--src-tls-verify=false", "docker://" + address[len("oci://"):],
                  f"oci:{self.work}/layout:v1")
        blobs = [self.read("layout/blobs/sha256/" + layer["digest"].split(":")[1]) for layer in manifest["layers"]]
        index, parts = blobs[0], blobs[1:]
        magic, chunk, count_parts, size, count = struct.unpack_from("<8sIIQQ", index)
        self.assertEqual((magic, count_parts), (b"unichnk1", len(parts)))
        volume = bytearray(size)
        for i in range(count):
            number, digest, offset, stored, part = struct.unpack_from("<Q32sQII", index, 32 + 56 * i)
            content = subprocess.run(["zstd", "-dcq"], input=parts[part][offset:offset + stored], check=True,
                                     stdout=subprocess.PIPE).stdout
            self.assertEqual(hashlib.sha256(content).digest(), digest)
            volume[number * chunk:number * chunk + len(content)] = content
        return bytes(volume)

    def test_a_volume_comes_into_another(self):
        address = f"oci://{self.host}/team/volume:1"
        self.uni("volume", "push", self.volume(), address)
        self.uni("volume", "create", "own.vol", "--from", address)
        self.assertEqual(self.uni("volume", "diff", "site.vol", "own.vol"), "")
        self.volume((3,))
        self.uni("volume", "push", "site.vol", address)
        self.uni("volume", "copy", address, "own.vol")
        self.assertEqual(self.uni("volume", "diff", "site.vol", "own.vol"), "")
        self.assertEqual(self.uni("volume", "cat", "own.vol:/file-3"), self.uni("volume", "cat", "site.vol:/file-3"))

    def test_nothing_is_fetched_twice(self):
        address = f"oci://{self.host}/team/volume:1"
        self.uni("volume", "push", self.volume(), address)
        self.uni("pull", address, "-o", "host")
        path = os.path.join(self.work, "host/site.vol")
        before = os.stat(path)
        fetched = self.fetched()
        self.uni("pull", address, "-o", "host", "--force")
        self.assertEqual((os.stat(path).st_ino, os.stat(path).st_mtime_ns), (before.st_ino, before.st_mtime_ns))
        self.assertEqual(self.fetched(), fetched)
        # A file that was written to is another one.
        with open(path, "r+b") as f:
            f.seek(2_000_000)
            f.write(b"damage")
        self.uni("pull", address, "-o", "host", "--force")
        self.tool("cmp", "site.vol", path)

    def test_parts_are_written_anew_when_half_is_unused(self):
        address = f"oci://{self.host}/team/volume:1"
        self.uni("volume", "push", self.volume(), address)
        for first in (0, 10, 20, 30):
            self.volume(tuple(range(first, first + 10)))
            self.volume(tuple(range(first, first + 10)))
            self.uni("volume", "push", "site.vol", address)
        manifest = json.loads(self.tool("skopeo", "inspect", "--raw", "--tls-verify=false",
                                        "docker://" + address[len("oci://"):]))
        stored = sum(layer["size"] for layer in manifest["layers"][1:])
        self.assertLess(stored, 2 * 2 * 4_100_000 + (1 << 20))
        self.uni("pull", address, "-o", "host")
        self.tool("cmp", "site.vol", "host/site.vol")

    def test_a_changed_part_is_refused(self):
        address = f"oci://{self.host}/team/volume:1"
        self.uni("volume", "push", self.volume(), address)
        blobs = [os.path.join(d, "data") for d, _, names in os.walk(self.path("registry")) if "data" in names]
        largest = max(blobs, key=os.path.getsize)
        with open(largest, "r+b") as f:
            f.seek(200_000)
            f.write(b"x" * 10)
        self.assertRegex(self.fails("pull", address, "-o", "host"), "chunk|zstd")
        self.assertNothingLeft(os.path.join(self.work, "host"))
        self.assertFalse(os.path.exists(os.path.join(self.work, "host/site.vol")))


if __name__ == "__main__":
    scenario.main()
