"""Container images as sources: what umoci unpacks is what a volume holds; and images that mean harm."""

import gzip
import hashlib
import io
import json
import os
import shutil
import struct
import subprocess
import tarfile

import scenario
from registry import Registry

OCI = "application/vnd.oci.image."


def member(name, content=None, kind=None, link="", mode=None):
    """An entry of a layer: a file with content, or of another kind."""
    info = tarfile.TarInfo(name)
    info.type = kind or (tarfile.REGTYPE if content is not None else tarfile.DIRTYPE)
    info.linkname = link
    info.mode = mode if mode is not None else (0o644 if content is not None else 0o755)
    content = content.encode() if isinstance(content, str) else content or b""
    info.size = len(content)
    return info, content


class Layout:
    """An image layout written by hand."""

    def __init__(self, folder):
        self.folder = folder
        os.makedirs(os.path.join(folder, "blobs/sha256"))
        self.layers, self.diffs = [], []

    def blob(self, data, kind, **more):
        digest = hashlib.sha256(data).hexdigest()
        with open(os.path.join(self.folder, "blobs/sha256", digest), "wb") as f:
            f.write(data)
        return {"mediaType": OCI + kind, "digest": "sha256:" + digest, "size": len(data), **more}

    def layer(self, *members, compression="gzip"):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for info, content in members:
                tar.addfile(info, io.BytesIO(content))
        self.raw_layer(out.getvalue(), compression)

    def raw_layer(self, plain, compression="gzip"):
        self.diffs.append("sha256:" + hashlib.sha256(plain).hexdigest())
        if compression == "gzip":
            data, suffix = gzip.compress(plain, 1, mtime=0), "+gzip"
        elif compression == "zstd":
            data, suffix = subprocess.run(["zstd", "-q"], input=plain, stdout=subprocess.PIPE, check=True).stdout, "+zstd"
        else:
            data, suffix = plain, ""
        self.layers.append(self.blob(data, "layer.v1.tar" + suffix))

    def finish(self, config=None, platforms=(("linux", "amd64"),), **more):
        body = {"architecture": "amd64", "os": "linux", "config": config or {},
                "rootfs": {"type": "layers", "diff_ids": self.diffs}}
        manifest = {"schemaVersion": 2, "mediaType": OCI + "manifest.v1+json",
                    "config": self.blob(json.dumps(body).encode(), "config.v1+json"), "layers": self.layers, **more}
        kept = self.blob(json.dumps(manifest).encode(), "manifest.v1+json")
        wrong = self.blob(json.dumps({**manifest, "layers": []}).encode(), "manifest.v1+json")
        entries = [{**(kept if p == ("linux", "amd64") else wrong), "platform": {"os": p[0], "architecture": p[1]}}
                   for p in platforms]
        inner = self.blob(json.dumps({"schemaVersion": 2, "manifests": entries}).encode(), "index.v1+json")
        self.index = inner["digest"]
        outer = {"schemaVersion": 2,
                 "manifests": [{**inner, "annotations": {"org.opencontainers.image.ref.name": "v1"}}]}
        for name, content in (("index.json", outer), ("oci-layout", {"imageLayoutVersion": "1.0.0"})):
            with open(os.path.join(self.folder, name), "w", encoding="ascii") as f:
                json.dump(content, f)
        return self


def story(layout, second="zstd"):
    """Layers that use all that layers can say."""
    layout.layer(member("bin", kind=tarfile.SYMTYPE, link="usr/bin"), member("usr"), member("usr/bin"),
                 member("usr/bin/tool", "first", mode=0o755), member("usr/bin/other", kind=tarfile.LNKTYPE, link="usr/bin/tool"),
                 member("etc"), member("etc/keep", "kept"), member("etc/gone", "gone"), member("etc/file", "is a file"),
                 member("etc/folder"), member("etc/folder/inside", "x"), member("opaque"), member("opaque/below", "below"),
                 member("opaque/deep"), member("opaque/deep/down", "x"), member("srv"), member("srv/a", "a", mode=0o600))
    layout.layer(member("etc"), member("etc/.wh.gone", ""), member("etc/.wh.folder", ""), member("etc/folder", "now a file"),
                 member("etc/.wh.file", ""), member("etc/file"), member("etc/file/inside", "now a folder"),
                 member("etc/.wh.never", ""), compression=second)
    layout.layer(member("opaque"), member("opaque/above", "above"), member("opaque/.wh..wh..opq", ""),
                 member("usr"), member("usr/bin"), member("usr/bin/tool", "second", mode=0o755),
                 member("usr/bin/link", kind=tarfile.SYMTYPE, link="../../etc/keep"),
                 member("usr/bin/third", kind=tarfile.LNKTYPE, link="usr/bin/other"), compression="")
    return layout.finish({"Entrypoint": ["/bin/tool"]}, platforms=(("windows", "amd64"), ("linux", "arm64"), ("linux", "amd64")))


class Images(Registry):
    def recipe(self, source, **app):
        self.write("hello.c", scenario.HELLO_C)
        text = scenario.HELLO_RECIPE.replace('source = "site"', f'source = "{source}"\nmode = "keep"')
        if app:
            text = text.replace('sources = ["hello.c"]', f'program = "{app["program"]}"')
        return self.write("recipe.toml", text)

    def listing(self, folder):
        found = {}
        for top, names, files in os.walk(folder):
            for name in names + files:
                path = os.path.join(top, name)
                key = os.path.relpath(path, folder)
                if os.path.islink(path):
                    found[key] = os.readlink(path)
                elif os.path.isdir(path):
                    found[key] = "folder"
                else:
                    with open(path, "rb") as f:
                        found[key] = f.read()
        return found

    def volume(self, folder):
        self.uni("build", "recipe.toml", "-o", "out", "--format", "raw")
        about = self.uni_json("inspect", "out/hello.raw", "--json")
        volume = next(v for v in about["volumes"] if v.get("mount") == "/srv")
        with open(os.path.join(self.work, "out/hello.raw"), "rb") as f:
            f.seek(volume["offset"])
            self.write("volume", f.read(volume["size"]))
        self.tool("unsquashfs", "-f", "-d", folder, "volume")
        return self.listing(os.path.join(self.work, folder))

    def test_what_umoci_unpacks(self):
        layout = story(Layout(os.path.join(self.work, "layout")))
        self.push("layout", "team/image:v1")
        # It knows no zstd, and no choice of platforms.
        story(Layout(os.path.join(self.work, "plain")), second="gzip")
        self.tool("skopeo", "copy", "-q", "oci:plain:v1", "oci:one:v1")
        self.tool("umoci", "unpack", "--rootless", "--image", "one:v1", "bundle")
        wanted = self.listing(os.path.join(self.work, "bundle/rootfs"))
        self.assertEqual(wanted["usr/bin/other"], b"first")
        self.assertNotIn("opaque/below", wanted)
        self.recipe("oci:layout:v1")
        self.assertEqual(self.volume("local"), wanted)
        self.recipe(f"oci://{self.host}/team/image:v1@{self.pushed('team/image:v1')}")
        self.assertEqual(self.volume("remote"), wanted)
        # Again from the store alone, also where the recipe takes a part.
        self.stop()
        self.uni("build", "recipe.toml", "-o", "out", "--offline")
        source = self.read("recipe.toml").decode().replace('"\nmode', '//etc/file"\nmode')
        self.write("recipe.toml", source)
        self.assertEqual(self.volume("part"), {"inside": b"now a folder"})
        self.assertTrue(layout.index.startswith("sha256:"))

    def test_what_podman_pushed(self):
        """An image that podman made and compressed; and one of ours, pulled by podman, is the same in its hands."""
        podman = ("podman", "--root", self.path("podman"), "--runroot", self.path("run"), "--storage-driver", "vfs")
        self.write("tree/srv/page", "by podman\n")
        self.write("tree/srv/run", "#!/bin/sh\n", 0o755)
        os.symlink("page", os.path.join(self.work, "tree/srv/link"))
        self.tool("tar", "-C", "tree", "-cf", "tree.tar", "srv")
        made = subprocess.run([*podman, "import", "-q", "tree.tar", "localhost/site:1"], cwd=self.work, check=False,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        said = made.stdout.decode(errors="replace").strip()
        if "remount /" in said:
            self.skipTest(f"podman cannot unpack a layer where / is no mount: {said}")
        self.assertEqual(made.returncode, 0, said)
        self.tool(*podman, "push", "-q", "--tls-verify=false", "localhost/site:1", f"docker://{self.host}/site:1")
        self.recipe(f"oci://{self.host}/site:1//srv")
        self.assertEqual(self.volume("got"), {"page": b"by podman\n", "run": b"#!/bin/sh\n", "link": "page"})
        story(Layout(os.path.join(self.work, "layout")), second="gzip")
        self.push("layout", "story:1")
        self.tool(*podman, "pull", "-q", "--tls-verify=false", f"docker://{self.host}/story:1")
        self.tool(*podman, "save", "-q", "--format", "docker-archive", "-o", "saved.tar", f"{self.host}/story:1")
        self.recipe(f"oci://{self.host}/story:1")
        ours = self.volume("ours")
        self.recipe("oci:saved.tar")
        self.assertEqual(self.volume("theirs"), ours)

    def test_a_tag_is_locked(self):
        story(Layout(os.path.join(self.work, "layout")))
        self.push("layout", "team/image:v1")
        self.recipe(f"oci://{self.host}/team/image:v1//etc")
        first = self.volume("first")
        self.assertEqual(first["keep"], b"kept")
        lock = self.read("uni.lock").decode()
        self.assertIn(f'name = "oci://{self.host}/team/image:v1"\nsha256 = "{self.pushed("team/image:v1")[7:]}"', lock)
        other = Layout(os.path.join(self.work, "other"))
        other.layer(member("etc"), member("etc/keep", "another"))
        other.finish()
        self.push("other", "team/image:v1")
        self.assertEqual(self.volume("second"), first)
        self.assertEqual(self.uni_json("build", "recipe.toml", "-o", "out", "--locked", "--json")["name"], "hello")
        self.uni("update", "--recipe", "recipe.toml")
        self.assertEqual(self.volume("third"), {"keep": b"another"})
        # A machine that has nothing yet gets what the lock says.
        self.write("uni.lock", lock)
        self.env["UNI_CACHE"] = self.path("another-store")
        self.uni("install", self.package("unibase"))
        self.assertEqual(self.volume("fourth"), first)
        self.write("uni.lock", lock.replace("v1", "v2"))
        self.assertIn("would change", self.fails("build", "recipe.toml", "-o", "out", "--locked"))

    def test_a_program_out_of_an_image(self):
        self.write("hello.c", scenario.HELLO_C)
        self.tool("musl-gcc", "-static", "-o", "hello", "hello.c")
        layout = Layout(os.path.join(self.work, "layout"))
        layout.layer(member("bin", kind=tarfile.SYMTYPE, link="/usr/bin"), member("usr/bin/hello", self.read("hello"), mode=0o755),
                     member("usr/bin/start", kind=tarfile.SYMTYPE, link="hello"), member("srv/page", "in the image\n"))
        layout.finish()
        self.push("layout", "hello:1")
        self.recipe(f"oci://{self.host}/hello:1//srv", program=f"oci://{self.host}/hello:1//bin/start")
        self.assertIn("page in the image", self.uni("run", "recipe.toml", "-t", "60", status=7))
        self.assertIn("//bin/start", self.manifest())
        for program, word in ((f"oci://{self.host}/hello:1//bin/none", "the image has no bin/none"),
                              (f"oci://{self.host}/hello:1//usr", "is a folder of the image"),
                              (f"oci://{self.host}/hello:1", "name a file of it"),
                              (f"oci://{self.host}/hello:1@sha256:00//x", "is not a path, package or address"),
                              (f"oci://{self.host}/hello:2//bin/start", "404"),
                              ("oci:../layout//bin/start", "outside of the recipe's folder")):
            self.recipe("oci:layout//srv", program=program)
            self.assertIn(word, self.fails("build", "recipe.toml", "-o", "out"), program)

    def manifest(self):
        with open(os.path.join(self.dir, "work/recipe.toml"), encoding="utf-8") as f:
            self.uni("build", f.name, "-o", "out", "--format", "elf")
        return self.read("out/hello.manifest.json").decode()

    def test_archives_of_docker(self):
        layout = Layout(os.path.join(self.work, "layout"))
        layout.layer(member("srv/page", "one\n"))
        layout.layer(member("srv/.wh.page", ""), member("srv/other", "two\n"))
        layout.finish()
        self.tool("skopeo", "copy", "-q", "oci:layout:v1", "docker-archive:saved.tar:name:v1")
        self.tool("skopeo", "copy", "-q", "oci:layout:v1", "oci-archive:layout.tar:v1")
        for place in ("saved.tar", "saved.tar:v1", "layout.tar:v1", "layout:v1", "layout"):
            self.recipe(f"oci:{place}//srv")
            self.assertEqual(self.volume("got"), {"other": b"two\n"}, place)
        self.recipe("oci:saved.tar:v2//srv")
        self.assertIn('has no image "v2"', self.fails("build", "recipe.toml"))
        self.recipe("oci:hello.c//srv")
        self.fails("build", "recipe.toml")

    def imported(self, *args, status=0):
        said = self.uni_json("import", *args, "--force", "--json", status=status)
        return self.read("recipe.toml").decode(), {f["severity"]: f["text"] for f in reversed(said["findings"])}

    def test_import(self):
        """The first recipe of an image runs as it is: a static program, and a dynamic one with its libraries."""
        self.write("hello.c", scenario.HELLO_C)
        self.tool("musl-gcc", "-static", "-o", "static", "hello.c")
        self.tool("gcc", "-o", "dynamic", "hello.c")
        libraries = ("/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2")
        layout = Layout(os.path.join(self.work, "layout"))
        layout.layer(member("bin", kind=tarfile.SYMTYPE, link="usr/bin"), member("tmp"), member("etc/static/x.conf", "x"),
                     member("usr/bin/static", self.read("static"), mode=0o755),
                     member("usr/bin/dynamic", self.read("dynamic"), mode=0o755),
                     member("usr/bin/start.sh", "#!/bin/sh\nexec $@\n", mode=0o755), member("srv/page", "of the image\n"),
                     *(member(path, self.read(path), mode=0o755) for path in libraries))
        layout.finish({"Entrypoint": ["static"], "Cmd": ["one", "two \"words\""], "WorkingDir": "/srv", "User": "www",
                       "Env": ["PATH=/sbin:/bin", "GREETING=good day"], "Volumes": {"/data": {}}})
        self.push("layout", "team/hello:1")
        for address in (f"oci://{self.host}/team/hello:1", "oci:layout:v1"):
            recipe, found = self.imported(address)
            self.assertIn('path = "/usr/bin/static"', recipe)
            self.assertIn(f'[[volume]]\nname = "etc-static"\nmount = "/etc/static"\nsource = "{address}//etc/static"', recipe)
            self.assertIn('[[volume]]\nname = "data"\nmount = "/data"\nformat = "ext4"\nmode = "rw"\n', recipe)
            self.assertIn("the image runs it as www", found["may"])
            out = self.uni("run", "recipe.toml", "-t", "60", status=7)
            self.assertEqual([line for line in out.splitlines() if not line.startswith("arg 0")],
                             ["arg 1 one", 'arg 2 two "words"', "env good day", "page of the image"])
        recipe, found = self.imported("oci:layout", "--program", "dynamic")
        self.assertNotIn("stops", found)
        self.assertIn("page of the image", self.uni("run", "recipe.toml", "-t", "60", status=7))
        for config, status, word in (({"Entrypoint": ["start.sh"], "Cmd": ["static", "x"]}, 0, "starts what that is given, /usr/bin/static"),
                                     ({"Entrypoint": ["start.sh"]}, 1, "no shell in a machine"),
                                     ({"Cmd": ["/bin/none"]}, 1, "which is no file in it"),
                                     ({}, 1, "does not say what it starts")):
            shutil.rmtree(os.path.join(self.work, "layout"))
            layout = Layout(os.path.join(self.work, "layout"))
            layout.layer(member("bin/static", self.read("static"), mode=0o755), member("usr/bin/static", self.read("static"), mode=0o755),
                         member("bin/start.sh", "#!/bin/sh\nexec $@\n", mode=0o755))
            layout.finish(config)
            recipe, found = self.imported("oci:layout", status=status)
            self.assertIn(word, found["may" if status == 0 else "stops"])

    TELLER_C = """#include <stdio.h>
#include <unistd.h>
int main(int argc, char **argv)
{
	char exe[99] = "";
	const char *const files[] = { "/data/x", "/var/lib/x", "/usr/x" };
	readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	for (int i = 0; i < argc; i++) printf("%s ", argv[i]);
	printf("is %s of %u:%u\\nwrites", exe, getuid(), getgid());
	for (int i = 0; i < 3; i++) { FILE *f = fopen(files[i], "w"); if (f) printf(" %s", files[i]); }
	puts("");
	return 0;
}
"""

    def told(self, *members, **config):
        """What is said of an image with the teller, under two names, and these settings."""
        shutil.rmtree(os.path.join(self.work, "layout"), ignore_errors=True)
        layout = Layout(os.path.join(self.work, "layout"))
        layout.layer(member("usr/bin/teller", self.read("teller"), mode=0o755), member("usr/bin/other", kind=tarfile.SYMTYPE, link="teller"),
                     member("etc/passwd", "root:x:0:0::/:/bin/sh\nwww:x:33:44::/:/bin/sh\n"), member("etc/group", "files:x:55:\n"),
                     member("etc/cron.d/x", "x"), member("var/lib/old", "x"), *members)
        layout.finish(config)
        return self.imported("oci:layout")

    def test_import_of_settings(self):
        """User, folders for data, ports and health check of an image become the recipe's; the program stays where it is."""
        self.write("teller.c", self.TELLER_C)
        self.tool("musl-gcc", "-static", "-o", "teller", "teller.c")
        recipe, found = self.told(Entrypoint=["other"], Cmd=["x"], User="www", Volumes={"/data": {}, "/var/lib": {}, "/usr/share/x": {}},
                                  ExposedPorts={"80/tcp": {}, "x": {}}, StopSignal="SIGQUIT",
                                  Healthcheck={"Test": ["CMD-SHELL", "curl -f 'http://localhost:8080/health?x' || exit 1"]})
        for words in ('path = "/usr/bin/other"', "user = 33\ngroup = 44\n", 'network = "dhcp"', "port 80/tcp: uni run RECIPE --port 8080:80",
                      '[[test]]\nname = "healthy"\n\n[[test.http]]\nport = 8080\npath = "/health?x"\n'):
            self.assertIn(words, recipe)
        self.assertNotIn("cron", recipe)
        self.assertIn("keeps data in /usr/share/x, which is read-only", recipe)
        self.assertIn("stopped by SIGQUIT", recipe)
        self.assertIn(b"nothing wrong", self.run_uni("check", "recipe.toml").stderr)
        self.assertEqual(self.uni("run", "recipe.toml", "-t", "60"),
                         "/usr/bin/other x is /usr/bin/teller of 33:44\nwrites /data/x /var/lib/x\n")
        self.write("recipe.toml", recipe.replace("bin/other", "bin/none"))
        for command in "check", "build":
            self.assertRegex(self.fails(command, "recipe.toml"), r'recipe.toml:\d+:\d+: .*path "/usr/bin/none" is no file of its volume')

    def test_import_of_commands(self):
        """Scripts in a language are started by its program, a shell's plain commands without the shell."""
        self.write("teller.c", self.TELLER_C)
        self.tool("musl-gcc", "-static", "-o", "teller", "teller.c")
        script = member("app/run", "#!/usr/bin/env -S teller -q\n", mode=0o755)
        for command, user, words in ((["/app/run", "x"], "33", 'args = ["-q", "/app/run", "x"]'), (["/bin/sh", "-c", "exec teller a b"], ":", 'args = ["a", "b"]'),
                                     (["run"], "www:files", 'group = 55'), (["teller"], "7:8", "user = 7\ngroup = 8\n")):
            recipe, found = self.told(script, member("bin/sh", self.read("teller"), mode=0o755), Cmd=command, User=user, WorkingDir="/app",
                                      Env=["PATH=/app:/usr/bin"])
            self.assertIn(words, recipe)
            self.assertIn('path = "/usr/bin/teller"', recipe)
            self.assertNotIn("stops", found)
        self.write("key", self.tool("openssl", "genrsa", "2048"))
        _, found = self.told(member("srv/key.pem", self.read("key")), Cmd=["teller"])
        self.assertIn("what looks like a key, /srv/key.pem", found["may"])
        recipe, _ = self.told(member("usr/lib/test.so", self.read("key")), Cmd=["teller"])
        self.assertIn('allow-secret = ["/lib/test.so"]', recipe)

    def test_import_by_the_cache_of_ld_so(self):
        """A library that is only where /etc/ld.so.cache says, for the import and for glibc's own loader."""
        self.write("far.c", "int far(void) { return 5; }")
        self.write("main.c", "int far(void); int main(void) { return far(); }")
        self.tool("gcc", "-shared", "-fPIC", "-Wl,-soname,libfar.so", "-o", "libfar.so", "far.c")
        self.tool("gcc", "main.c", "-L.", "-lfar", "-o", "main")
        names = b"libfar.so\0/opt/odd/libfar.so\0"
        cache = struct.pack("<20sIIBxxx4I", b"glibc-ld.so.cache1.1", 1, len(names), 2, 0, 0, 0, 0)
        at = len(cache) + 24
        cache += struct.pack("<iIIIQ", 0x303, at, at + len("libfar.so") + 1, 0, 0) + names
        layout = Layout(os.path.join(self.work, "layout"))
        libraries = ("/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2")
        layout.layer(member("usr/bin/main", self.read("main"), mode=0o755), member("opt/odd/libfar.so", self.read("libfar.so"), mode=0o755),
                     member("etc/ld.so.cache", cache), *(member(path, self.read(path), mode=0o755) for path in libraries))
        layout.finish({"Cmd": ["main"]})
        _, found = self.imported("oci:layout")
        self.assertNotIn("stops", found)
        self.uni("run", "recipe.toml", "-t", "60", status=5)

    def refused(self, word, *members, **more):
        layout = Layout(self.path("bad", str(len(os.listdir(self.path("bad")))) if os.path.isdir(self.path("bad")) else "0"))
        layout.layer(*members, **more)
        layout.finish()
        shutil.rmtree(os.path.join(self.work, "layout"), ignore_errors=True)
        shutil.copytree(layout.folder, os.path.join(self.work, "layout"))
        self.recipe("oci:layout")
        self.assertIn(word, self.fails("build", "recipe.toml", "-o", "out", timeout=120))

    def test_layers_that_mean_harm(self):
        link = tarfile.SYMTYPE
        self.refused("leaves the archive", member("../up", "x"))
        self.refused("leaves the archive", member("a/../../up", "x"))
        self.refused("link target", member("a", kind=tarfile.LNKTYPE, link="../../etc/passwd"))
        self.refused("which is no file", member("a", kind=tarfile.LNKTYPE, link="/etc/passwd"))
        self.refused("a loop of links", member("a", kind=link, link="b"), member("b", kind=link, link="a"), member("a/x", "x"))
        self.refused("lies in something that is no folder", member("a", "x"), member("a/b", "x"))
        self.refused("more than", member("zeros", b"\0" * (300 << 20)), compression="zstd")
        self.refused("folders more than 256 deep", member("/".join("d" * 300), "x"))
        self.refused("line feed", member("a\nb", "x"))

    def test_layers_that_only_look_it(self):
        """Absolute paths and links out of the root are the image's own; devices are left out."""
        layout = Layout(os.path.join(self.work, "layout"))
        layout.layer(member("/etc/page", "absolute"), member("out", kind=tarfile.SYMTYPE, link="../../../../etc"),
                     member("out/through", "through the link"), member("dev"), member("dev/sda", kind=tarfile.BLKTYPE),
                     member("dev/fifo", kind=tarfile.FIFOTYPE))
        layout.finish()
        self.recipe("oci:layout")
        self.assertEqual(self.volume("got"), {"etc": "folder", "etc/page": b"absolute", "etc/through": b"through the link",
                                              "out": "../../../../etc", "dev": "folder"})
        self.assertFalse(os.path.exists("/etc/through"))

    def test_a_million_entries(self):
        plain = self.path("million.tar")
        header = bytearray(member("a")[0].tobuf())
        with open(plain, "wb") as f:
            for start in range(0, 1 << 20, 1 << 14):
                block = bytearray()
                for i in range(start, start + (1 << 14)):
                    header[:8] = b"d%07x" % i
                    header[148:156] = b" " * 8
                    header[148:156] = b"%06o\0 " % sum(header)
                    block += header
                f.write(block)
        layout = Layout(os.path.join(self.work, "layout"))
        with open(plain, "rb") as f:
            layout.raw_layer(f.read())
        layout.finish()
        self.recipe("oci:layout")
        self.assertRegex(self.fails("build", "recipe.toml", "-o", "out"), "more than [0-9]+ (entries|files)")

    def test_wrong_words_about_layers(self):
        layout = Layout(os.path.join(self.work, "layout"))
        layout.layer(member("srv/page", "one\n"))
        layout.diffs[0] = "sha256:" + "0" * 64
        layout.finish()
        self.recipe("oci:layout")
        self.assertIn("unpacks to something else", self.fails("build", "recipe.toml"))
        shutil.rmtree(os.path.join(self.work, "layout"))
        layout = Layout(os.path.join(self.work, "layout"))
        layout.layer(member("srv/page", "one\n"))
        layout.finish(platforms=(("linux", "arm64"), ("windows", "amd64")))
        self.assertIn("not there for linux/amd64, but for linux/arm64, windows/amd64", self.fails("build", "recipe.toml"))
        shutil.rmtree(os.path.join(self.work, "layout"))
        layout = Layout(os.path.join(self.work, "layout"))
        layout.layer(member("srv/page", "one\n"))
        layout.layers[0]["mediaType"] += "+encrypted"
        layout.finish()
        self.assertIn("layers of type", self.fails("build", "recipe.toml"))
        shutil.rmtree(os.path.join(self.work, "layout"))
        layout = Layout(os.path.join(self.work, "layout"))
        layout.layer(member("srv/page", "three\n"))
        layout.finish()
        blob = os.path.join(self.work, "layout/blobs", layout.layers[0]["digest"].replace(":", "/"))
        with open(blob, "r+b") as f:
            f.write(b"\x1f\x8b\x08\x01")
        self.assertIn("not what its digest says", self.fails("build", "recipe.toml"))

    def push(self, layout, name):
        self.tool("skopeo", "copy", "-q", "--all", "--dest-tls-verify=false", f"oci:{layout}:v1", f"docker://{self.host}/{name}")

    def pushed(self, name):
        raw = subprocess.run(["skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{self.host}/{name}"],
                             check=True, stdout=subprocess.PIPE).stdout
        return "sha256:" + hashlib.sha256(raw).hexdigest()


if __name__ == "__main__":
    scenario.main()
