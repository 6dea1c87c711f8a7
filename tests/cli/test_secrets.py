"""Private keys among files and volumes: refused wherever they come from, unless the recipe or the user says so."""

import hashlib
import os
import subprocess
import tarfile

import scenario

RECIPE = """[image]
name = "hello"

[app]
sources = ["hello.c"]

[[volume]]
name = "site"
mount = "/srv"
source = "site"
format = "FORMAT"
"""

EC = ("ec", "-pkeyopt", "ec_paramgen_curve:P-256")


class Secrets(scenario.Scenario):
    def recipe(self, text=None, form="squashfs"):
        self.write("hello.c", scenario.HELLO_C)
        self.write("site/page", "-----BEGIN PRIVATE KEY----- is how a key begins\n")
        return self.write("recipe.toml", (text or RECIPE).replace("FORMAT", form))

    def key(self, name, algorithm=EC, *options):
        os.makedirs(os.path.dirname(os.path.join(self.work, name)), exist_ok=True)
        self.tool("openssl", "genpkey", "-quiet", "-algorithm", *algorithm, "-out", name, *options)

    def digest(self, name="out/hello.raw"):
        return hashlib.sha256(self.read(name)).hexdigest()

    def refused(self, *words, args=()):
        said = self.fails("build", "recipe.toml", "-o", "out", *args)
        for word in words:
            self.assertIn(word, said)
        self.assertFalse(os.path.exists(os.path.join(self.work, "out/hello.raw")))
        return said

    def test_a_volumes_key(self):
        for form in ("squashfs", "live", "ext4"):
            with self.subTest(form):
                self.recipe(form=form)
                self.uni("build", "recipe.toml", "-o", "clean")
                self.key("site/tls/server.key")
                said = self.refused('volume "site"', '"/tls/server.key" is a private key in PEM form', "[[secret]]",
                                    "--allow-secret")
                self.assertRegex(said, r"recipe.toml:10:\d+: ")
                os.remove(os.path.join(self.work, "site/tls/server.key"))

    def test_it_is_refused_again_and_the_flag_changes_no_byte(self):
        self.recipe()
        self.key("site/key.pem")
        self.refused("key.pem")
        self.refused("key.pem")
        self.uni("build", "recipe.toml", "-o", "out", "--allow-secret")
        by_flag = self.digest()
        for name in os.listdir(os.path.join(self.work, "out")):
            os.remove(os.path.join(self.work, "out", name))
        # Every result is in the store now, which makes it no better.
        self.refused("key.pem")
        self.recipe(RECIPE + 'allow-secret = ["/other.pem"]\n')
        self.refused("key.pem")
        self.recipe(RECIPE + 'allow-secret = ["/key.pem"]\n')
        self.uni("build", "recipe.toml", "-o", "out")
        self.assertEqual(self.digest(), by_flag)
        self.uni("verify", "out/hello.manifest.json")
        # What is permitted is that one.
        self.key("site/second.pem")
        self.assertNotIn("key.pem", self.fails("build", "recipe.toml", "-o", "out").split("hint")[0])

    def test_all_forms_of_keys(self):
        self.recipe()
        os.makedirs(os.path.join(self.work, "k"))
        self.key("k/rsa.pem", ("rsa",))
        self.key("k/dsa.param", ("dsa", "-pkeyopt", "dsa_paramgen_bits:1024"), "-genparam")
        self.tool("openssl", "genpkey", "-quiet", "-paramfile", "k/dsa.param", "-out", "k/dsa.pem")
        self.key("k/ec.pem")
        self.key("k/ed25519.pem", ("ed25519",))
        self.tool("openssl", "req", "-x509", "-key", "k/rsa.pem", "-subj", "/CN=a", "-out", "k/public.crt")
        for name in ("rsa", "dsa", "ec", "ed25519"):
            pem = f"k/{name}.pem"
            self.tool("openssl", "pkey", "-in", pem, "-aes256", "-passout", "pass:word", "-out", f"k/{name}.aes")
            self.tool("openssl", "pkcs8", "-topk8", "-in", pem, "-nocrypt", "-outform", "DER", "-out", f"k/{name}.p8")
            self.tool("openssl", "pkcs8", "-topk8", "-in", pem, "-passout", "pass:word", "-outform", "DER", "-out",
                      f"k/{name}.p8e")
            if name != "ed25519":
                self.tool("openssl", "pkey", "-in", pem, "-traditional", "-out", f"k/{name}.old")
                self.tool("openssl", name, "-in", pem, "-outform", "DER", "-out", f"k/{name}.der")
            self.tool("openssl", "pkey", "-in", pem, "-pubout", "-out", f"k/{name}.public")
            self.tool("openssl", "pkey", "-in", pem, "-pubout", "-outform", "DER", "-out", f"k/{name}.publicder")
        self.tool("openssl", "pkcs12", "-export", "-inkey", "k/rsa.pem", "-in", "k/public.crt", "-passout", "pass:w",
                  "-out", "k/both.p12")
        self.tool("openssl", "x509", "-in", "k/public.crt", "-outform", "DER", "-out", "k/public.der")
        self.tool("openssl", "req", "-new", "-key", "k/rsa.pem", "-subj", "/CN=a", "-outform", "DER", "-out", "k/public.csr")
        for name in sorted(os.listdir(os.path.join(self.work, "k"))):
            with self.subTest(name):
                os.rename(os.path.join(self.work, "k", name), os.path.join(self.work, "site", name))
                if "public" in name or name == "dsa.param":
                    self.uni("build", "recipe.toml", "-o", "clean")
                else:
                    self.refused(f'"/{name}"')
                os.remove(os.path.join(self.work, "site", name))

    def test_any_source(self):
        self.recipe(RECIPE.replace('source = "site"', 'source = "site.tar.gz"'))
        self.key("site/deep/in/it.pem")
        with tarfile.open(os.path.join(self.work, "site.tar.gz"), "w:gz") as tar:
            tar.add(os.path.join(self.work, "site"), ".")
        self.refused("/deep/in/it.pem")
        self.write("package.toml", '[package]\nname = "keys"\nversion = "1.0.0"\narch = "any"\nkind = "volume"\n'
                   'description = "a key"\nlicence = "MIT"\n\n[[files]]\nsource = "*.pem"\n')
        self.uni("pack", "package.toml", "--dir", "site/deep/in", "-o", ".")
        self.uni("install", *(n for n in os.listdir(self.work) if n.endswith(".unipkg")))
        self.recipe(RECIPE.replace('source = "site"', 'source = "pkg:keys"'))
        self.refused('"/it.pem"')

    def test_files(self):
        self.key("k.pem", EC)
        text = subprocess.run(["openssl", "pkey", "-in", "k.pem"], cwd=self.work, check=True, capture_output=True,
                              text=True).stdout
        for what in ('source = "k.pem"', f'text = """{text}"""'):
            with self.subTest(what[:6]):
                recipe = RECIPE + f'\n[[file]]\npath = "/etc/tls/key"\n{what}\n'
                self.recipe(recipe)
                self.refused('file "/etc/tls/key" is a private key in PEM form', "allow-secret = true in the [[file]]")
                self.recipe(recipe + "allow-secret = true\n")
                self.uni("build", "recipe.toml", "-o", "out")
                os.remove(os.path.join(self.work, "out/hello.raw"))


if __name__ == "__main__":
    scenario.main()
