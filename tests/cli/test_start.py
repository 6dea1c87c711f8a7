"""What is given when a machine starts: secrets, files, system calls traced."""

import os

import scenario

SHOW_C = """#include <stdio.h>
#include <sys/stat.h>
int main(void)
{
	static const char *const names[] = { "/run/secrets/token", "/etc/app.conf", "/keys/optional" };
	for (int i = 0; i < 3; i++) {
		char text[100] = "";
		struct stat st;
		FILE *f = fopen(names[i], "r");
		if (f == NULL) {
			printf("%s: none\\n", names[i]);
			continue;
		}
		stat(names[i], &st);
		printf("%s: %o %zu <%s>\\n", names[i], st.st_mode & 0777, fread(text, 1, 99, f), text);
		fclose(f);
	}
	return 0;
}
"""

RECIPE = """[image]
name = "show"
[app]
sources = ["show.c"]
[[secret]]
name = "token"
[[secret]]
name = "optional"
path = "/keys/optional"
mode = 0o440
required = false
[[file]]
path = "/etc/app.conf"
text = "default"
mode = 0o600
runtime = true
[[file]]
path = "/etc/fixed"
text = "fixed"
"""


class Start(scenario.Scenario):
    def setUp(self):
        super().setUp()
        self.write("show.c", SHOW_C)
        self.write("recipe.toml", RECIPE)
        self.write("token", "hush")
        self.write("other.conf", "x" * 5000)

    def test_by_smbios(self):
        """Machines without fw_cfg, started by the kernel and from disks by both firmwares."""
        self.write("recipe.toml", RECIPE + '[output]\nboot = ["bios", "uefi"]\n')
        given = ("--config-by", "smbios", "--secret", "token=token", "--file", "/etc/app.conf=other.conf")
        for how in (("--kernel", "--machine", "pc"), ("--firmware", "bios"), ("--firmware", "uefi")):
            with self.subTest(how):
                shown = self.uni("run", "recipe.toml", *how, *given)
                self.assertIn("/run/secrets/token: 400 4 <hush>", shown)
                self.assertIn("/etc/app.conf: 600 99 <xxx", shown)
        printed = self.uni("run", "recipe.toml", "--print", *given)
        self.assertIn(" -smbios type=11,value=org.uni.config:554e4943464731", printed)
        self.assertNotIn("fw_cfg", printed)
        self.assertIn("has no SMBIOS", self.fails("run", "recipe.toml", "--kernel", *given, status=125))
        self.write("other.conf", "x" * 40000)
        self.assertIn("SMBIOS holds no more than", self.fails("run", "recipe.toml", *given, status=125))
        self.assertIn('"mail" is not fw_cfg or smbios', self.fails(
            "run", "recipe.toml", "--secret", "token=token", "--config-by", "mail", status=2))

    def test_given(self):
        shown = self.uni("run", "recipe.toml", "--kernel", "--secret", "token=token")
        self.assertIn("/run/secrets/token: 400 4 <hush>", shown)
        self.assertIn("/etc/app.conf: 600 7 <default>", shown)
        self.assertIn("/keys/optional: none", shown)
        shown = self.uni("run", "recipe.toml", "--secret", "token=token", "--secret", "optional=token", "--file",
                         "/etc/app.conf=other.conf")
        self.assertIn("/etc/app.conf: 600 99 <xxxx", shown)
        self.assertIn("/keys/optional: 440 4 <hush>", shown)

    def test_secrets_stay_out_of_the_image(self):
        self.uni("build", "recipe.toml", "-o", "out")
        for name in os.listdir(self.path("work/out")):
            with open(self.path("work/out", name), "rb") as f:
                self.assertNotIn(b"hush", f.read())

    def test_refused(self):
        text = self.fails("run", "recipe.toml", status=2)
        self.assertIn('secret "token" is not given', text)
        self.assertIn("--secret token=FILE", text)
        self.assertIn('no secret "other"', self.fails("run", "recipe.toml", "--secret", "other=token", status=2))
        self.assertIn('"/etc/fixed"', self.fails("run", "recipe.toml", "--secret", "token=token", "--file",
                                                 "/etc/fixed=token", status=2))
        self.assertIn("absent", self.fails("run", "recipe.toml", "--secret", "token=absent", status=125))

    def test_kernel_refuses_too(self):
        """An emulator that was started by hand."""
        self.uni("build", "recipe.toml", "-o", "out", "-f", "elf")
        elf = next(n for n in os.listdir(self.path("work/out")) if n.endswith(".elf"))
        shown = self.tool("qemu-system-x86_64", "-accel", "tcg", "-M", "microvm", "-nodefaults", "-display", "none",
                         "-no-reboot", "-serial", "stdio", "-m", "64", "-kernel", f"out/{elf}", "-device",
                         "isa-debug-exit,iobase=0xf4,iosize=4", status=255)
        self.assertIn("secret /run/secrets/token was not given at start", shown)

    def test_trace(self):
        shown = self.uni("run", "recipe.toml", "--kernel", "--secret", "token=token", "--trace")
        self.assertRegex(shown, r'open\("/run/secrets/token", .*\) = 3')
        self.assertRegex(shown, r'open\("/keys/optional", .*\) = -1 ENOENT')
        self.assertRegex(shown, r"exit_group\(0\) += \?")

    def test_bad_recipes(self):
        for more, words in (('[[secret]]\nname = "token"\n', "given twice"),
                            ('[[secret]]\nname = "b"\npath = "/etc/fixed"\n', 'file "/etc/fixed" has this path'),
                            ('[[secret]]\nname = "b"\npath = "/keys/optional"\n', "this path"),
                            ('[[volume]]\nname = "v"\nmount = "/keys"\nsource = "tree"\n', "inside volume")):
            os.makedirs(self.path("work/tree"), exist_ok=True)
            self.write("bad.toml", RECIPE + more)
            self.assertIn(words, self.fails("check", "bad.toml"))


if __name__ == "__main__":
    scenario.main()
