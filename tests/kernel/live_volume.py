"""Live volumes and doorbells as docs/live-volume.md has them: a second reading, for the kernel's tests."""
import hashlib
import json
import os
import socket
import struct
import subprocess
import tempfile

from mkimage import crc32c, verity_tree

MIB = 1 << 20
SUPER = "<8sII16sQqIIQQQQQII32s32s64s8s200s"
ANSWER = "<8sII16sQQQII32s412s"


def sign(pem, message):
    with tempfile.NamedTemporaryFile() as f:
        f.write(message)
        f.flush()
        return subprocess.run(["openssl", "pkeyutl", "-sign", "-rawin", "-inkey", pem, "-in", f.name],
                              check=True, stdout=subprocess.PIPE).stdout


def public_key(pem):
    return subprocess.run(["openssl", "pkey", "-in", pem, "-pubout", "-outform", "DER"], check=True,
                          stdout=subprocess.PIPE).stdout[-32:]


class Volume:
    """A live volume in a file. What make_squash(tree) gives is what a generation holds."""

    def __init__(self, path, guid, slot_size=2 * MIB):
        self.path, self.guid, self.slot_size, self.generation = path, guid, slot_size, 0
        self.salt = hashlib.sha256(guid).digest()
        with open(path, "wb") as f:
            f.truncate(MIB + 2 * slot_size)

    def write(self, at, data):
        with open(self.path, "r+b") as f:
            f.seek(at)
            f.write(data)

    def slot(self, generation):
        return generation % 2

    def commit(self, squashfs, key=None, version=1, generation=None, damage=None, torn=False):
        """`damage` changes a byte of the squashfs's superblock, `torn` leaves half of ours."""
        generation = generation or self.generation + 1
        whole, verity = verity_tree(squashfs, self.guid, self.salt)
        offset = MIB + self.slot(generation) * self.slot_size
        assert len(whole) <= self.slot_size
        if damage is not None:
            whole = bytearray(whole)
            whole[damage] ^= 1
        self.write(generation % 2 * 4096, bytes(4096))
        self.write(offset, bytes(whole))
        head = struct.pack(SUPER, b"UNILIVE\0", version, 512, self.guid, generation, generation,
                           self.slot(generation), 1, offset, self.slot_size, verity["blocks"],
                           verity["offset"], verity["offset"], 32, 1 if key else 0, verity["root"],
                           self.salt, b"test",
                           hashlib.sha256(public_key(key)).digest()[:8] if key else bytes(8),
                           bytes(200))
        head += (sign(key, head) if key else bytes(64)) + bytes(4)
        head += struct.pack("<I", crc32c(head))
        assert len(head) == 512
        self.write(generation % 2 * 4096, head[:256] if torn else head)
        if not torn:
            self.generation = max(self.generation, generation)


class Bell:
    def __init__(self, path):
        self.path = path
        with open(path, "wb") as f:
            f.write(struct.pack("<8sII", b"UNIBELL\0", 1, 31) + bytes(496) + bytes(31 * 512))

    def answer(self, index=0):
        """None, or what the machine said last."""
        with open(self.path, "rb") as f:
            f.seek(512 * (index + 1))
            data = f.read(512)
        names = ("magic", "version", "status", "uuid", "generation", "pinned", "refused", "reason",
                 "knocks", "root")
        found = dict(zip(names, struct.unpack_from(ANSWER, data)))
        if found["magic"] != b"UNIBELL\0" or struct.unpack_from("<I", data, 508)[0] != crc32c(data[:508]):
            return None
        return found


class File:
    """What a knock needs of a doorbell."""

    def __init__(self, path):
        self.path = path


class Monitor:
    """QMP, as much as it takes to knock."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.file = self.socket.makefile("rw")
        self.file.readline()
        self.ask("qmp_capabilities")

    def close(self):
        self.file.close()
        self.socket.close()

    def ask(self, command, **arguments):
        self.file.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self.file.flush()
        while True:
            answer = json.loads(self.file.readline())
            if "return" in answer or "error" in answer:
                return answer

    def knock(self, bell):
        answer = self.ask("block_resize", **{"node-name": "bell", "size": os.path.getsize(bell.path)})
        assert "return" in answer, answer
