#!/usr/bin/env python3
"""python-tuf judges our repositories, and our client is judged by python-tuf's, also by hostile ones."""

import copy
import datetime
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time

from securesystemslib.signer import CryptoSigner
from tuf.api import exceptions
from tuf.api.metadata import (DelegatedRole, Delegations, Metadata, MetaFile, Role, Root, Snapshot, SuccinctRoles,
                              TargetFile, Targets, Timestamp)
from tuf.ngclient import Updater
from tuf.ngclient.fetcher import FetcherInterface

TOOL, UNI = sys.argv[1:3]
NOW = int(time.time())


class Folder(FetcherInterface):
    """Serves file:// addresses."""

    def _fetch(self, url):
        path = url.removeprefix("file://")
        if not os.path.exists(path):
            raise exceptions.DownloadHTTPError("not there", 404)
        with open(path, "rb") as f:
            yield f.read()


def ours_read_by_them(folder):
    repo, state = folder + "/ours", folder + "/their-state"
    subprocess.run([TOOL, "make", repo, str(NOW)], check=True)
    os.mkdir(state)
    with open(repo + "/1.root.json", "rb") as f:
        first = f.read()
    updater = Updater(state, f"file://{repo}/", folder, f"file://{repo}/", fetcher=Folder(), bootstrap=first)
    updater.refresh()
    for i in range(40):
        path = f"packages/{'web' if i % 4 == 0 else 'p'}{i} \"\\ü.json"
        info = updater.get_targetinfo(path)
        assert info is not None, path
        assert info.length == len(path.encode()), path
        assert info.hashes["sha256"] == hashlib.sha256(path.encode()).hexdigest(), path
    assert updater.get_targetinfo("packages/none") is None
    root = Metadata.from_file(repo + "/2.root.json").signed
    assert root.version == 2 and root.roles["root"].threshold == 1
    print("python-tuf reads ours: ok")


STORY = (
    ("key", "new", "one"), ("key", "new", "two"), ("key", "new", "three"), ("key", "new", "online"),
    ("index", "create", "pub", "-k", "one", "-k", "online", "--online", "online", "--bins", "2"),
    ("publish", "web-1.0.0-any.unipkg", "--to", "pub", "-k", "one", "-k", "online"),
    ("index", "delegate", "pub", "team", "tool", "--publisher", "three", "-k", "one", "-k", "three", "-k", "online"),
    ("publish", "tool-1.0.0-any.unipkg", "--to", "pub", "-k", "three", "-k", "online"),
    ("key", "rotate", "one", "two", "--index", "pub", "-k", "one", "-k", "two", "-k", "online"),
    ("key", "rotate", "online", "one", "--index", "pub", "-k", "one", "-k", "two", "-k", "online"),
    ("publish", "web-1.1.0-any.unipkg", "--to", "pub", "-k", "two", "-k", "one"),
    ("key", "revoke", "three", "--index", "pub", "-k", "one", "-k", "two"),
)


def an_index_of_ours(folder):
    """The commands by which an owner makes an index and changes its keys; after each of them python-tuf, which has seen what
    was before, finds what it should."""
    env = {"PATH": os.environ["PATH"], "HOME": folder, "XDG_CONFIG_HOME": folder + "/config", "XDG_STATE_HOME": folder + "/state",
           "UNI_CACHE": folder + "/store", "UNI_INDEX": folder + "/none"}

    def uni(*command):
        subprocess.run([UNI, *command], cwd=folder, env=env, check=True, stdout=subprocess.DEVNULL)
    for name, version in (("web", "1.0.0"), ("web", "1.1.0"), ("tool", "1.0.0")):
        os.makedirs(folder + "/src", exist_ok=True)
        with open(folder + "/src/page", "w", encoding="ascii") as f:
            f.write(name + version)
        with open(folder + "/src/package.toml", "w", encoding="ascii") as f:
            f.write(f'[package]\nname = "{name}"\nversion = "{version}"\nkind = "volume"\narch = "any"\n[[files]]\nsource = "page"\n')
        uni("pack", "src")
    repo, state = folder + "/pub", folder + "/owner-state"
    os.mkdir(state)
    for command in STORY:
        uni(*command, *(("--no-passphrase",) if command[:2] == ("key", "new") else ()))
        if not os.path.isdir(repo):
            continue
        with open(repo + "/metadata/1.root.json", "rb") as f:
            first = f.read()
        updater = Updater(state, f"file://{repo}/metadata/", folder, f"file://{repo}/targets/", fetcher=Folder(), bootstrap=first)
        updater.refresh()
        found = {name for name in ("web", "tool") if updater.get_targetinfo(f"packages/{name}.json") is not None}
        published = {c[1].split("-")[0] for c in STORY[:STORY.index(command) + 1] if c[0] == "publish"}
        assert found == (published - {"tool"} if command[1] == "revoke" else published), (command, found)
    print("python-tuf follows an index through its keys: ok")


class Theirs:
    """A repository by python-tuf, which can be bent before it is written."""

    def __init__(self, folder):
        self.dir = folder
        os.makedirs(folder, exist_ok=True)
        self.signers = {name: CryptoSigner.generate_ed25519() for name in ("root", "online", "targets", "web", "bins")}
        end = datetime.datetime.fromtimestamp(NOW + 86400, datetime.timezone.utc).replace(microsecond=0)
        self.root = Root(expires=end, consistent_snapshot=True)
        for role, signer in (("root", "root"), ("timestamp", "online"), ("snapshot", "online"), ("targets", "targets")):
            self.root.add_key(self.signers[signer].public_key, role)
        self.targets = {"targets": Targets(expires=end), "web": Targets(expires=end), "bins": Targets(expires=end)}
        self.targets["web"].targets["web/ä.json"] = TargetFile.from_data("web/ä.json", b"web")
        bins = self.signers["bins"].public_key
        succinct = SuccinctRoles([bins.keyid], 1, 3, "bin")
        self.targets["bins"].delegations = Delegations({bins.keyid: bins}, succinct_roles=succinct)
        for name in succinct.get_roles():
            self.targets[name] = Targets(expires=end)
        for i in range(20):
            path = f"all/{i}"
            self.targets[succinct.get_role_for_target(path)].targets[path] = TargetFile.from_data(path, path.encode())
        web = self.signers["web"].public_key
        delegations = Delegations({web.keyid: web, bins.keyid: bins}, {
            "web": DelegatedRole("web", [web.keyid], 1, True, paths=["web/*"]),
            "bins": DelegatedRole("bins", [bins.keyid], 1, False, path_hash_prefixes=list("0123456789abcdef"))})
        self.targets["targets"].delegations = delegations
        self.targets["targets"].targets["top"] = TargetFile.from_data("top", b"top")
        self.snapshot, self.timestamp = Snapshot(expires=end), Timestamp(expires=end)

    def sign(self, role, signed, *names):
        meta = Metadata(signed)
        for name in names:
            meta.sign(self.signers[name], append=True)
        path = f"{self.dir}/{role}.json"
        meta.to_file(path)
        with open(path, "rb") as f:
            return f.read()

    def write(self):
        self.sign(f"{self.root.version}.root", self.root, "root")
        for name, targets in self.targets.items():
            signer = name if name in self.signers else "bins"
            data = self.sign(f"{targets.version}.{name}", targets, signer)
            self.snapshot.meta[f"{name}.json"] = MetaFile(targets.version, len(data),
                                                          {"sha256": hashlib.sha256(data).hexdigest()})
        data = self.sign(f"{self.snapshot.version}.snapshot", self.snapshot, "online")
        self.timestamp.snapshot_meta = MetaFile(self.snapshot.version, len(data),
                                                {"sha256": hashlib.sha256(data).hexdigest()})
        self.sign("timestamp", self.timestamp, "online")

    def bump(self):
        for signed in (*self.targets.values(), self.snapshot, self.timestamp):
            signed.version += 1
        self.write()


def look(repo, state, path, now=NOW):
    done = subprocess.run([TOOL, "find", repo.dir + "/1.root.json", repo.dir, state, str(now), path], check=False,
                          capture_output=True, text=True)
    return done.stdout.split() if done.returncode == 0 else done.stderr.strip()


def accepted(repo, state, path, role, content):
    found = look(repo, state, path)
    assert found == [str(len(content)), "sha256:" + hashlib.sha256(content).hexdigest(), role], (path, found)


def refused(repo, state, why, path="top", now=NOW):
    said = look(repo, state, path, now)
    assert isinstance(said, str) and why in said, (why, said)


def theirs_read_by_us(folder):
    repo, state = Theirs(folder + "/theirs"), folder + "/our-state"
    repo.write()
    accepted(repo, state, "top", "targets", b"top")
    accepted(repo, state, "web/ä.json", "web", b"web")
    for i in range(20):
        said = look(repo, state, f"all/{i}")
        assert said[0] == str(len(f"all/{i}")) and said[2].startswith("bin-"), said
    refused(repo, state, "nobody vouches", "web/other")
    refused(repo, state, "nobody vouches", "web/deep/ä.json")
    repo.root.version += 1
    repo.signers["online"] = CryptoSigner.generate_ed25519()
    for role in ("timestamp", "snapshot"):
        for keyid in list(repo.root.roles[role].keyids):
            repo.root.revoke_key(keyid, role)
        repo.root.add_key(repo.signers["online"].public_key, role)
    repo.bump()
    accepted(repo, state, "top", "targets", b"top")
    print("ours reads python-tuf's: ok")
    return repo, state


def hostile(folder, repo, state):
    def attack(name, bend, why, now=NOW, online=False):
        evil = copy.deepcopy(repo)
        evil.dir = f"{folder}/evil-{name}"
        own = f"{folder}/state-{name}"
        shutil.copytree(repo.dir, evil.dir)
        shutil.copytree(state, own)
        bend(evil)
        refused(evil, own, why, now=now)
        # Nothing of it stayed, unless the attacker has the online key and so a newer timestamp.
        if not online:
            accepted(repo, own, "top", "targets", b"top")

    def bumped(change):
        def bend(evil):
            change(evil)
            evil.bump()
        return bend

    def rollback(evil):
        evil.timestamp.version -= 1
        evil.write()

    def snapshot_rollback(evil):
        evil.timestamp.version += 1
        evil.snapshot.version -= 1
        evil.write()

    def targets_rollback(evil):
        evil.timestamp.version += 1
        evil.snapshot.version += 1
        evil.targets["web"].version -= 1
        evil.write()

    def dropped(evil):
        evil.timestamp.version += 1
        evil.snapshot.version += 1
        del evil.targets["web"]
        del evil.snapshot.meta["web.json"]
        evil.write()

    def thief(role):
        def bend(evil):
            evil.signers[role] = CryptoSigner.generate_ed25519()
        return bumped(bend)

    def old_root_again(evil):
        shutil.copy(evil.dir + "/1.root.json", evil.dir + "/3.root.json")
        evil.bump()

    def root_by_thief(evil):
        evil.root.version += 1
        evil.signers["root"] = CryptoSigner.generate_ed25519()
        evil.bump()

    def stretched(evil):
        evil.timestamp.expires = datetime.datetime.fromtimestamp(NOW - 1, datetime.timezone.utc).replace(microsecond=0)

    def endless(evil):
        with open(evil.dir + "/timestamp.json", "wb") as f:
            f.write(b" " * (1 << 20))

    def swapped(evil):
        evil.bump()
        shutil.copy(f"{evil.dir}/{evil.targets['web'].version}.web.json",
                    f"{evil.dir}/{evil.targets['targets'].version}.targets.json")

    attack("rollback", rollback, "goes back")
    attack("snapshot-rollback", snapshot_rollback, "goes back")
    attack("targets-rollback", targets_rollback, "web.json goes back", online=True)
    attack("dropped", dropped, "not vouched for", online=True)
    attack("timestamp-key", thief("online"), "signed by 0")
    attack("targets-key", thief("targets"), "signed by 0", online=True)
    attack("old-root", old_root_again, "version 1")
    attack("root-by-thief", root_by_thief, "signed by 0")
    attack("expired", bumped(stretched), "expired")
    attack("frozen", lambda evil: None, "expired", now=NOW + 2 * 86400)
    attack("endless", endless, "more than the 16384 allowed")
    attack("swapped", swapped, "not the file", online=True)
    print("12 attacks refused: ok")


def main():
    folder = tempfile.mkdtemp(prefix="uni-tuf-")
    try:
        ours_read_by_them(folder)
        repo, state = theirs_read_by_us(folder)
        hostile(folder, repo, state)
        an_index_of_ours(folder)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
