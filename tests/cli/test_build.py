"""From a recipe to a machine that says what it should."""

import os

import scenario


class Build(scenario.Scenario):
    expected = ("arg 0 hello\narg 1 one\narg 2 two words\nenv good day\npage from the volume\n")

    def assertConsole(self, text):
        self.assertEqual(text, self.expected)

    def test_disk_and_kernel_on_every_machine(self):
        recipe = self.hello()
        out = self.uni("build", recipe, "-o", "out")
        lines = out.splitlines()
        self.assertEqual(len(lines), 3, out)
        for line, name in zip(lines, ("hello.raw", "hello.elf", "hello.manifest.json")):
            digest, size, path = line.split()
            self.assertEqual(path, f"out/{name}")
            self.assertEqual(int(size), os.path.getsize(os.path.join(self.work, path)))
            self.assertIn(digest.split(":")[1], self.tool("sha256sum", path))
        self.assertNothingLeft(os.path.join(self.work, "out"))
        for machine in ("q35", "pc"):
            self.assertConsole(self.uni("run", "out/hello.raw", "--machine", machine, "-t", "60", status=7))
        for machine in ("q35", "pc", "microvm"):
            self.assertConsole(self.uni("run", "out/hello.elf", "--machine", machine, "-t", "60", status=7))

    def test_run_of_a_recipe(self):
        recipe = self.hello()
        self.assertConsole(self.uni("run", recipe, "-t", "60", status=7))
        self.assertConsole(self.uni("run", "--kernel", recipe, "-t", "60", status=7))
        self.assertIn("-machine q35", self.uni("run", recipe, "--print"))

    def test_a_finished_program(self):
        self.write("hello.c", scenario.HELLO_C)
        self.tool("musl-gcc", "-static", "-o", "hello", "hello.c")
        self.write("site/page", "from the volume\n")
        self.hello(scenario.HELLO_RECIPE.replace('sources = ["hello.c"]', 'program = "hello"'))
        self.assertConsole(self.uni("run", "recipe.toml", "-t", "60", status=7))

    def test_embedded_volume_needs_no_disk(self):
        self.hello(scenario.HELLO_RECIPE + "embed = true\n")
        self.uni("build", "recipe.toml", "-o", "out", "--format", "elf")
        self.assertFalse(os.path.exists(self.path("work/out/hello.raw")))
        self.assertConsole(self.uni("run", "out/hello.elf", "-t", "60", status=7))

    def test_every_compression(self):
        for compression in ("none", "gzip", "lz4", "zstd"):
            self.hello(scenario.HELLO_RECIPE + f'compression = "{compression}"\n')
            self.write("site/page", "from the volume\n")
            self.assertConsole(self.uni("run", "recipe.toml", "-t", "60", status=7))

    def test_arguments_at_start_only_where_permitted(self):
        self.hello(scenario.HELLO_RECIPE + '[config]\nruntime = ["args", "env"]\n')
        text = self.uni("run", "recipe.toml", "-t", "60", "--", "three", status=7)
        self.assertIn("arg 1 three\n", text)
        self.assertNotIn("two words", text)
        self.hello()
        self.assertIn("permits no arguments at start", self.fails("run", "recipe.toml", "--", "three", status=2))
        self.assertIn("permits no environment", self.fails("run", "recipe.toml", "--env", "A=b", status=2))

    def test_files_and_authorities(self):
        self.uni("install", self.package("mozilla"))
        self.write("cat.c", '#include <stdio.h>\nint main(int c, char **v) { int ch; for (int i = 1; i < c; i++) {'
                            'FILE *f = fopen(v[i], "r"); if (!f) return 1; while ((ch = getc(f)) != EOF) putchar(ch); }'
                            'return 0; }\n')
        self.write("notes", "noted\n")
        self.write("recipe.toml", """
[image]
name = "files"
[app]
sources = ["cat.c"]
args = ["/etc/motd", "/etc/notes", "/etc/hostname", "/etc/hosts", "/etc/pki/tls/certs/ca-bundle.crt"]
[ca]
bundle = "pkg:mozilla"
[config]
hostname = "box"
hosts = ["192.0.2.7 seven"]
[[file]]
path = "/etc/motd"
text = "welcome\\n"
[[file]]
path = "/etc/notes"
source = "notes"
""")
        text = self.uni("run", "recipe.toml", "-t", "60")
        self.assertTrue(text.startswith("welcome\nnoted\nbox\n"), text[:200])
        self.assertIn("192.0.2.7 seven\n", text)
        with open(os.path.join(scenario.ROOT, "build/packages/mozilla/ca-certificates.crt"), encoding="ascii") as f:
            bundle = f.read()
        self.assertTrue(text.endswith(bundle))

    def test_how_a_program_ends(self):
        self.write("end.c", """#include <stdlib.h>
#include <string.h>
#include <unistd.h>
int main(int c, char **v)
{
	if (!strcmp(v[1], "fault"))
		*(volatile int *)8 = 1;
	if (!strcmp(v[1], "abort"))
		abort();
	if (!strcmp(v[1], "sleep"))
		for (;;)
			pause();
	return atoi(v[1]);
}
""")
        for argument, status in (("0", 0), ("42", 42), ("255", 255), ("fault", 134), ("abort", 134)):
            self.write("recipe.toml", f'[image]\nname = "end"\n[app]\nsources = ["end.c"]\nargs = ["{argument}"]\n')
            self.uni("run", "recipe.toml", "-t", "60", status=status)
        self.write("recipe.toml", '[image]\nname = "end"\n[app]\nsources = ["end.c"]\nargs = ["sleep"]\n')
        self.uni("run", "recipe.toml", "-t", "3", status=124)

    def test_nothing_changed_runs_nothing(self):
        recipe = self.hello()
        first = self.uni_json("build", recipe, "-o", "out", "--json")
        second = self.uni_json("build", recipe, "-o", "out", "--json")
        self.assertGreater(first["ran"], 0)
        self.assertEqual(second["ran"], 0)
        self.assertEqual([a["digest"] for a in first["artifacts"]], [a["digest"] for a in second["artifacts"]])
        self.assertFalse(any(a["written"] for a in second["artifacts"]))
        self.assertNotIn("would", self.uni("plan", recipe))
        # What was taken away comes back; other arguments leave the volume alone.
        os.remove(os.path.join(self.work, "out/hello.raw"))
        third = self.uni_json("build", recipe, "-o", "out", "--json")
        self.assertEqual(first["artifacts"][0]["digest"], third["artifacts"][0]["digest"])
        before = self.uni_json("inspect", "out/hello.raw", "--json")
        self.hello(scenario.HELLO_RECIPE.replace('"one"', '"another"'))
        self.uni("build", recipe, "-o", "out")
        after = self.uni_json("inspect", "out/hello.raw", "--json")
        self.assertEqual(before["volumes"][-1]["root_hash"], after["volumes"][-1]["root_hash"])
        self.assertEqual([p["guid"] for p in before["disk"]["partitions"] if p["type"] == "volume"],
                         [p["guid"] for p in after["disk"]["partitions"] if p["type"] == "volume"])

    def test_after_a_loss_of_power(self):
        """The disk may have had the names of artifacts and not yet their content."""
        recipe = self.hello()
        first = self.uni("build", recipe, "-o", "out", "--sync", "-f", "raw,ami")
        for name in ("hello.raw", "hello.manifest.json"):
            with open(os.path.join(self.work, "out", name), "w", encoding="ascii"):
                pass
        self.assertEqual(self.uni("build", recipe, "-o", "out", "--sync", "-f", "raw,ami"), first)
        self.assertGreater(os.path.getsize(os.path.join(self.work, "out/hello.raw")), 0)
        self.write("out/hello.raw", "not a disk")
        self.assertIn("--force", self.fails("build", recipe, "-o", "out", "--sync"))

    def test_plan_forms(self):
        recipe = self.hello()
        self.assertIn("volume", self.uni("plan", recipe))
        plan = self.uni_json("plan", recipe, "--json")
        self.assertTrue(plan)
        self.assertTrue(self.uni("plan", recipe, "--dot").startswith("digraph"))
        self.assertFalse(os.path.exists(self.path("work/out")))


if __name__ == "__main__":
    scenario.main()
