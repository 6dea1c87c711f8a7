"""The kernels of a base: the smallest that will do is taken, said and recorded; what it lacks is said too."""

import os
import shutil
import subprocess
import tomllib

import scenario

PROGRAM_C = r"""#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
static void try(const char *name, int family)
{
	int pair[2], fd = socket(family, SOCK_STREAM, 0);
	printf("%s: %s\n", name, fd >= 0 ? "there" : strerror(errno));
	if (family == AF_UNIX)
		printf("pair: %s\n", socketpair(family, SOCK_STREAM, 0, pair) == 0 ? "there" : strerror(errno));
}
int main(void)
{
	FILE *page = fopen("/srv/page", "r");
	char line[64];
	if (page && fgets(line, sizeof(line), page))
		printf("page %s", line);
	try("unix", AF_UNIX);
	try("inet", AF_INET);
	return 7;
}
"""
RECIPE = '[image]\nname = "x"\n[app]\nsources = ["x.c"]\n'
VOLUME = '[[volume]]\nname = "site"\nmount = "/srv"\nsource = "site"\n'
LIMIT = 200_000  # bytes of the kernel of a recipe that asks for no network


class Kernels(scenario.Scenario):
    def recipe(self, more=""):
        self.write("x.c", PROGRAM_C)
        self.write("site/page", "from the volume\n")
        self.write("recipe.toml", RECIPE + more)

    def expect(self, kernel, more, unix, inet, page=False):
        """Planned, built, looked into, recorded, and started."""
        self.recipe(more)
        self.assertIn(f"<- unibase/{kernel} ", self.uni("plan", "recipe.toml"))
        self.uni("build", "-q", "recipe.toml", "-o", "out")
        manifest = self.uni_json("inspect", "out/x.raw", "--json")
        self.assertEqual(manifest["kernel"]["words"].split(" ")[0], kernel)
        self.assertEqual("packed" in manifest["kernel"], kernel != "bare")
        self.assertEqual("\n  packed kernel  at " in self.uni("inspect", "out/x.elf"), kernel != "bare")
        self.assertIn(f'"kernel": "{kernel}"', self.read("out/x.manifest.json").decode())
        for start in (["out/x.raw"], ["--kernel", "out/x.elf"]):
            done = self.run_uni("run", "-t", "60", *start, timeout=600)
            self.assertEqual(done.returncode, 7, done.stderr)
            said = done.stdout.decode()
            self.assertEqual("page from the volume" in said, page)
            self.assertIn(f"unix: {unix}", said)
            self.assertIn(f"pair: {unix}", said)
            self.assertIn(f"inet: {inet}", said)
        return done.stdout.decode() + done.stderr.decode()

    def test_nothing_asked_for(self):
        said = self.expect("bare", "", "Function not implemented", "Function not implemented")
        self.assertIn('[base] protocols = ["unix"]', said)

    def test_volumes(self):
        said = self.expect("volumes", VOLUME, "there", "Address family not supported by protocol", True)
        self.assertIn("this kernel has no IP", said)

    def test_asked_for_by_name(self):
        self.expect("volumes", '[base]\nprotocols = ["unix"]\n', "there", "Address family not supported by protocol")
        self.expect("network", '[base]\nprotocols = ["ip"]\n', "there", "there")
        self.recipe('[base]\ndevices = ["nvm"]\n')
        self.assertIn("recipe.toml:6:12: base unibase", self.fails("check", "recipe.toml"))

    def test_network(self):
        self.expect("network", VOLUME + '[config]\nnetwork = "dhcp"\n', "there", "there", True)

    def test_full(self):
        self.expect("full", '[base]\ndevices = ["ena"]\n', "there", "there")

    def test_sizes(self):
        """base.toml names the kernels from the smallest to the largest, and the small ones are small."""
        folder = os.path.join(scenario.BUILD, "packages/unibase")
        with open(os.path.join(folder, "base.toml"), "rb") as f:
            kernels = tomllib.load(f)["kernel"]
        sizes = [os.path.getsize(os.path.join(folder, kernel["file"])) for kernel in kernels]
        self.assertEqual(sizes, sorted(sizes))
        self.assertLess(sizes[1], LIMIT)
        for less, more in zip(kernels, kernels[1:]):
            for words in ("devices", "filesystems", "compressions", "protocols"):
                self.assertLessEqual(set(less[words]), set(more[words]))

    def test_base_with_one_kernel(self):
        """kernel = "FILE" goes on working."""
        base = self.path("base")
        shutil.copytree(os.path.join(scenario.BUILD, "packages/unibase"), base)
        with open(os.path.join(base, "base.toml"), encoding="ascii") as f:
            text = f.read()
        text = text[:text.index("[[kernel]]")].replace('kind =', 'kernel = "kernel/volumes.elf"\nkind =')
        text = text.replace("filesystems = [", 'compressions = ["zstd"]\nfilesystems = ["squashfs", ')
        text = text.replace("devices = [", 'devices = ["virtio-blk-pci", ')
        with open(os.path.join(base, "base.toml"), "w", encoding="ascii") as f:
            f.write(text)
        self.recipe(f'[base]\npath = "{base}"\n' + VOLUME)
        self.assertIn("/kernel ", self.uni("plan", "recipe.toml", "--allow-outside"))
        self.uni("build", "-q", "recipe.toml", "--allow-outside", "-o", "out")
        self.assertIn("page from", self.uni("run", "-t", "60", "out/x.raw", status=7))

    def test_device_that_no_driver_is_there_for(self):
        """The reason is named, with what the kernel has."""
        self.recipe(VOLUME)
        self.uni("build", "-q", "recipe.toml", "-f", "raw", "-o", "out")
        done = subprocess.run(["qemu-system-x86_64", "-accel", "tcg", "-machine", "pc", "-m", "32", "-nodefaults",
                               "-display", "none", "-serial", "stdio", "-no-reboot", "-device", "isa-debug-exit,iobase=0xf4",
                               "-drive", "file=out/x.raw,format=raw,if=ide"], cwd=self.work, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, timeout=300, check=False)
        self.assertRegex(done.stdout.decode(errors="replace"), r"volume /srv: no device carries .* \(kernel: volumes ")


if __name__ == "__main__":
    scenario.main()
