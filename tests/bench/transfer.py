"""An image of 1 GB into a registry on loopback and back, beside skopeo with layers of the same sizes."""
import gzip
import hashlib
import json
import os
import random
import re
import shutil

from measure import Table, duel, ms, peak_memory, run
from scale import Registry
from workspace import UNI

PARTS, PART_BYTES = 4, 250_000_000
OCI = "application/vnd.oci.image."


def make_content(work):
    """Files of random bytes, for either side."""
    dice = random.Random(1)
    for i in range(PARTS):
        os.makedirs(work.path(f"part{i}"))
        with open(work.path(f"part{i}", "data"), "wb") as f:
            for _ in range(PART_BYTES // 1_000_000):
                f.write(dice.randbytes(1_000_000))


def make_image(work):
    """A disk with a volume for each part."""
    recipe = work.recipe("large", None)
    with open(recipe, "a", encoding="utf-8") as f:
        for i in range(PARTS):
            os.rename(work.path(f"part{i}"), work.path("large", f"part{i}"))
            f.write(f'[[volume]]\nname = "part{i}"\nmount = "/part{i}"\nsource = "part{i}"\ncompression = "none"\n')
    run(work.build(recipe), env=work.env)
    return work.path("out", "large.raw")


def make_layout(work, folder):
    """The same bytes as an image of layers, which are compressed already, as skopeo would make them on its way."""
    blobs = os.path.join(folder, "blobs/sha256")
    os.makedirs(blobs)

    def blob(data, kind):
        digest = hashlib.sha256(data).hexdigest()
        with open(os.path.join(blobs, digest), "wb") as f:
            f.write(data)
        return {"mediaType": OCI + kind, "digest": "sha256:" + digest, "size": len(data)}
    layers, diffs = [], []
    for i in range(PARTS):
        with open(work.path("large", f"part{i}", "data"), "rb") as f:
            data = f.read()
        diffs.append("sha256:" + hashlib.sha256(data).hexdigest())
        layers.append(blob(gzip.compress(data, 0, mtime=0), "layer.v1.tar+gzip"))
    config = {"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": diffs}}
    manifest = {"schemaVersion": 2, "mediaType": OCI + "manifest.v1+json",
                "config": blob(json.dumps(config).encode(), "config.v1+json"), "layers": layers}
    entry = {**blob(json.dumps(manifest).encode(), "manifest.v1+json"), "annotations": {"org.opencontainers.image.ref.name": "v1"}}
    for name, content in (("index.json", {"schemaVersion": 2, "manifests": [entry]}), ("oci-layout", {"imageLayoutVersion": "1.0.0"})):
        with open(os.path.join(folder, name), "w", encoding="ascii") as f:
            json.dump(content, f)


def measure(work, registry, table):
    env = {**work.env, "no_proxy": "127.0.0.1", "HOME": work.dir}
    make_content(work)
    image, layout = make_image(work), work.path("layout")
    make_layout(work, layout)
    address, remote = f"oci://{registry.host}/uni:1", f"docker://{registry.host}/skopeo:1"
    push = [UNI, "push", image, address, "--bare"]
    pull = [UNI, "pull", address, "-o", work.path("back")]
    copy = ["skopeo", "copy", "-q", "--insecure-policy", "--dest-tls-verify=false", f"oci:{layout}:v1", remote]
    fetch = ["skopeo", "copy", "-q", "--insecure-policy", "--src-tls-verify=false", remote, f"oci:{work.path('copy')}:v1"]
    forget = lambda: shutil.rmtree(work.path("registry"), ignore_errors=True)
    sides = duel((push, forget), (copy, forget), times=3, env=env)
    table.row(f"push, skopeo {ms(sides[1])}", ms(sides[0]), "as fast", sides[0] <= sides[1])
    run(push, env=env)
    run(copy, env=env)
    clean = lambda: [shutil.rmtree(work.path(name), ignore_errors=True) for name in ("back", "copy")]
    sides = duel((pull, clean), (fetch, clean), times=3, env=env)
    table.row(f"pull, skopeo {ms(sides[1])}", ms(sides[0]), "as fast", sides[0] <= sides[1])
    run(["cmp", image, work.path("back", "large.raw")] if os.path.exists(work.path("back")) else ["true"])
    with open(work.path("large", "part0", "data"), "r+b") as f:
        f.write(b"changed")
    run(work.build(work.path("large", "recipe.toml")), env=work.env)
    said = run([*push, "--json"], env=env).stdout.decode()
    sent = int(re.search(r'"bytes": (\d+)', said).group(1))
    table.row("sent again after one of four volumes changed", f"{sent / 1e6:.0f} MB", "a third", sent < PARTS * PART_BYTES / 3)
    clean()
    memory = peak_memory(pull, env=env)[0]
    forget()
    memory = max(memory, peak_memory(push, env=env)[0])
    table.row("most memory of push and pull", f"{memory / 1e6:.0f} MB", "64 MB", memory < 64e6)


def main(work, tables):
    table = Table(f"{PARTS * PART_BYTES / 1e9:.0f} GB to a registry on loopback and back")
    tables.append(table)
    if shutil.which("docker-registry") is None or shutil.which("skopeo") is None:
        table.row("not measured", "it needs docker-registry and skopeo")
        return
    registry = Registry(work)
    try:
        work.empty_cache()
        measure(work, registry, table)
    finally:
        registry.stop()
