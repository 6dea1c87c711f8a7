#!/usr/bin/env python3
"""A reader of live volumes made from docs/live-volume.md alone, which judges what uni writes: superblocks, what is
current, salt, hash tree, signature, placement.

  live.py UNI
"""

import hashlib
import json
import os
import random
import struct
import subprocess
import sys
import tempfile

BLOCK, MIB, DIGEST = 4096, 1 << 20, 32
SUPER = struct.Struct("<8sII16sQqIIQQQQQII32s32s64s8s200s64sII")
NAMES = ("magic", "version", "size", "uuid", "generation", "time", "slot", "fs", "slot_offset", "slot_size", "data_blocks",
         "hash_offset", "fs_size", "salt_size", "flags", "root_hash", "salt", "label", "key_id", "zero", "signature", "zero2",
         "crc")


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


def superblock(data, block):
    """None: it is void."""
    raw = data[block * BLOCK:block * BLOCK + SUPER.size]
    s = dict(zip(NAMES, SUPER.unpack(raw)))
    if s["magic"] != b"UNILIVE\0" or s["crc"] != crc32c(raw[:508]):
        return None
    assert s["version"] == 1, "a newer format"
    end = s["slot_offset"] + s["slot_size"]
    sound = (s["size"] == 512 and s["generation"] % 2 == block and s["generation"] > 0 and s["slot"] in (0, 1) and
             s["fs"] == 1 and s["slot_size"] > 0 and s["slot_size"] % MIB == 0 and
             s["slot_offset"] == MIB + s["slot"] * s["slot_size"] and end <= len(data) and s["data_blocks"] > 0 and
             s["hash_offset"] == s["data_blocks"] * BLOCK < s["slot_size"] and s["fs_size"] <= s["hash_offset"] and
             s["salt_size"] == 32)
    assert not any(s["zero"]) and s["zero2"] == 0 and not any(data[block * BLOCK + 512:(block + 1) * BLOCK])
    s["raw"] = raw
    return s if sound else None


def salt_of(uuid):
    text = b"uni live volume salt"
    return hashlib.sha256(struct.pack("<Q", len(text)) + text + uuid).digest()


def tree_of(slot, s):
    """dm-verity, format 1: the root hash, and the levels as they lie behind the tree's superblock, the top one first."""
    def hashes(data):
        return [hashlib.sha256(s["salt"] + data[at:at + BLOCK]).digest() for at in range(0, len(data), BLOCK)]
    levels, above = [], hashes(slot[:s["hash_offset"]])
    while len(above) > 1:
        level = b"".join(above)
        level += bytes(-len(level) % BLOCK)
        levels.insert(0, level)
        above = hashes(level)
    return above[0], b"".join(levels)


def placement(slot):
    """Behind the file system: a SHA-256 for each inode."""
    inodes, used = struct.unpack_from("<I", slot, 4)[0], struct.unpack_from("<Q", slot, 40)[0]
    at = (used + BLOCK - 1) // BLOCK * BLOCK
    magic, version, count, zero = struct.unpack_from("<8sII48s", slot, at)
    assert (magic, version, count, zero) == (b"UNIPLACE", 1, inodes, bytes(48))
    return [slot[at + 64 + i * DIGEST:at + 64 + (i + 1) * DIGEST] for i in range(count)], at + 64 + count * DIGEST


def is_signed(folder, s, public):
    """By Ed25519 over all in front of the signature, as OpenSSL judges it."""
    with open(os.path.join(folder, "message"), "wb") as f:
        f.write(s["raw"][:440])
    with open(os.path.join(folder, "signature"), "wb") as f:
        f.write(s["signature"])
    return subprocess.run(["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", public, "-rawin", "-in", "message", "-sigfile",
                           "signature"], cwd=folder, stdout=subprocess.DEVNULL, check=False).returncode == 0


def contents(folder):
    found = []
    for at, _, names in os.walk(folder):
        for name in names:
            with open(os.path.join(at, name), "rb") as f:
                found.append(hashlib.sha256(f.read()).digest())
    return sorted(found)


class Judge:
    def __init__(self, uni, folder):
        self.uni, self.folder, self.path = uni, folder, os.path.join(folder, "site.vol")
        self.env = dict(os.environ, UNI_CACHE=os.path.join(folder, "cache"), XDG_STATE_HOME=os.path.join(folder, "state"))
        self.dice, self.times = random.Random(5), []

    def run(self, *words):
        return subprocess.run([self.uni, "volume", *words], cwd=self.folder, env=self.env, check=True,
                              stdout=subprocess.PIPE).stdout

    def write(self, name, data):
        path = os.path.join(self.folder, "site", name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(data)

    def supers(self):
        with open(self.path, "rb") as f:
            data = f.read()
        found = [s for s in (superblock(data, 0), superblock(data, 1)) if s]
        return data, sorted(found, key=lambda s: s["generation"])

    def judge(self, generation, before, wanted, signed=None):
        """That is current, that before it; all of both is as the page says; `wanted` is in it."""
        data, supers = self.supers()
        assert [s["generation"] for s in supers] == ([before] if before else []) + [generation], supers
        now = supers[-1]
        assert not before or supers[0]["time"] < now["time"]
        for s in supers:
            slot = data[s["slot_offset"]:s["slot_offset"] + s["slot_size"]]
            assert s["salt"] == salt_of(s["uuid"]) and s["label"].rstrip(b"\0") == b"site"
            root, levels = tree_of(slot, s)
            assert root == s["root_hash"], f"the root hash of generation {s['generation']}"
            behind = s["hash_offset"] + BLOCK
            assert slot[s["hash_offset"]:][:8] == b"verity\0\0" and slot[behind:behind + len(levels)] == levels
            digests, end = placement(slot)
            assert end <= s["fs_size"] and not any(slot[s["fs_size"]:s["hash_offset"]])
        files = sorted(digest for digest in digests if any(digest))
        assert files == wanted, "the placement's digests"
        assert bool(now["flags"] & 1) == (signed is not None)
        if signed:
            assert is_signed(self.folder, now, signed)
        said = json.loads(self.run("stat", "--json", "site.vol"))["live"]
        assert (said["generation"], said["root_hash"]) == (generation, now["root_hash"].hex())
        return now


def keys(folder):
    for name in ("one", "two"):
        subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", f"{name}.pem"], cwd=folder, check=True)
        subprocess.run(["openssl", "pkey", "-in", f"{name}.pem", "-pubout", "-out", f"{name}.pub"], cwd=folder, check=True)


def story(j):
    site = os.path.join(j.folder, "site")
    for i in range(30):
        j.write(f"part-{i % 3}/file-{i}", j.dice.randbytes(j.dice.randrange(1, 60000)))
    j.run("create", "site.vol", "--from", "site", "--size", "9M")
    first = contents(site)
    j.judge(1, 0, first)
    j.write("part-0/file-0", b"other\n" * 2000)
    j.run("copy", "site", "site.vol")
    second = contents(site)
    j.judge(2, 1, second)
    os.unlink(os.path.join(site, "part-1/file-4"))
    j.write("new", bytes(9000))
    j.run("copy", "site", "site.vol", "--sign", "one.pem")
    third = j.judge(3, 2, contents(site), "one.pub")
    with open(os.path.join(j.folder, "one.pub"), "rb") as f:
        raw = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER"], input=f.read(), check=True,
                             stdout=subprocess.PIPE).stdout[-32:]
    assert third["key_id"] == hashlib.sha256(raw).digest()[:8]
    assert not is_signed(j.folder, third, "two.pub")
    third["raw"] = third["raw"][:32] + b"\x09" + third["raw"][33:]
    assert not is_signed(j.folder, third, "one.pub")
    j.run("rollback", "site.vol")
    j.judge(4, 3, second)
    j.run("resize", "site.vol", "21M")
    data, supers = j.supers()
    assert len(supers) == 1 and len(data) == supers[0]["slot_size"] * 2 + MIB
    j.judge(supers[0]["generation"], 0, second)


def main():
    with tempfile.TemporaryDirectory() as folder:
        keys(folder)
        story(Judge(os.path.abspath(sys.argv[1]), folder))


if __name__ == "__main__":
    main()
