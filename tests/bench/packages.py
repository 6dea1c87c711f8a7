"""An index of 10,000 packages in hashed bins: what its owner's publishing costs, and what those who use it wait for."""
import hashlib
import io
import os
import shutil
import tarfile

from measure import Table, ms, peak_memory, run, timed
from workspace import UNI

PACKAGES, BITS, CHAIN = 10_000, 10, 40
JSON = """{{
  "arch": "any",
  "description": "package number {n}",
  "files": [
    {{"path": "file", "mode": "0644", "size": {size}, "sha256": "{digest}"}}
  ],
  "format": 1,
  "kind": "files",
  "name": "p{n}",
  "requires": [{requires}],
  "version": "1.0.0"
}}
"""


def zstd(data):
    """A frame (RFC 8878) with one block as it is: thousands of packages are made in a second so."""
    assert 256 <= len(data) < 65536
    return (b"\x28\xb5\x2f\xfd\x60" + (len(data) - 256).to_bytes(2, "little")
            + (len(data) << 3 | 1).to_bytes(3, "little") + data)


def package(n):
    """Each needs the next one, in chains."""
    content = b"%d\n" % n
    requires = "" if n % CHAIN == CHAIN - 1 else f'"p{n + 1}@^1"'
    text = JSON.format(n=n, requires=requires, size=len(content), digest=hashlib.sha256(content).hexdigest())
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in (("package.json", text.encode()), ("file", content)):
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), 0o644
            tar.addfile(info, io.BytesIO(data))
    return zstd(out.getvalue())


class Packages:
    def __init__(self, work):
        self.folder = work.path("packages")
        self.env = {**work.env, "UNI_CACHE": self.path("store"), "XDG_STATE_HOME": self.path("state"),
                    "XDG_CONFIG_HOME": self.path("config"), "HOME": self.path("home")}

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def run(self, *args):
        return run([UNI, *args], env=self.env)

    def make(self, n):
        path = self.path("out", f"p{n}-1.0.0-any.unipkg")
        with open(path, "wb") as f:
            f.write(package(n))
        return path

    def fill(self):
        os.makedirs(self.path("out"))
        files = [self.make(n) for n in range(PACKAGES)]
        self.run("key", "new", "me", "--no-passphrase")
        self.run("index", "create", self.path("pub"), "-k", "me", "--bins", str(BITS))
        for i in range(0, PACKAGES, 1000):
            self.run("publish", *files[i:i + 1000], "--to", self.path("pub"), "-k", "me")
        self.run("index", "add", "main", self.path("pub"))

    def forget(self):
        """A user who has added the index, and no more."""
        for name in ("store", "state"):
            shutil.rmtree(self.path(name), ignore_errors=True)
        self.run("index", "remove", "main")
        self.run("index", "add", "main", self.path("pub"))


def main(work, tables):
    p = Packages(work)
    p.fill()
    table = Table(f"Packages: an index of {PACKAGES:,} in {2 ** BITS:,} bins, in a folder")
    first = [UNI, "install", "p0"]
    took = timed(first, p.forget, env=p.env, times=3)
    table.row(f"install of one and the {CHAIN - 1} that it needs, by someone new", ms(took))
    took = timed(first, env=p.env, times=15)
    table.row("the same with nothing changed", ms(took), "below 20 ms", took < 0.02)
    own, _ = peak_memory(first, env=p.env)
    table.row("its memory", f"{own / 1e6:.1f} MB", "below 64 MB", own < 64e6)
    took = timed([UNI, "info", "p5000"], env=p.env, times=15)
    table.row("versions of one", ms(took), "below 20 ms", took < 0.02)
    took = timed([UNI, "search", "number", "777"], env=p.env, times=9)
    table.row("search over all names", ms(took))
    fresh = iter(range(PACKAGES, PACKAGES + 100))
    new = []

    def one_more():
        new[:] = [p.make(next(fresh))]
    one_more()
    took = timed([UNI, "publish", "--to", p.path("pub"), "-k", "me"], env=p.env, times=3)
    table.row("signing all of it again", ms(took))
    command = [UNI, "publish", "", "--to", p.path("pub"), "-k", "me"]

    def prepare():
        one_more()
        command[2] = new[0]
    took = timed(command, prepare, env=p.env, times=3)
    table.row("publishing one more", ms(took))
    tables.append(table)
