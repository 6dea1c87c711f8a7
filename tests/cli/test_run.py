"""uni run as its user meets it: the stock site in a browser, and what of this machine stands in the way, said."""

import os
import re
import shutil
import socket
import subprocess
import time

import scenario

SITE = os.path.join(scenario.ROOT, "recipes/stock/site")
NUMBERS_C = """#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
int main(void)
{
	cpu_set_t set;
	sched_getaffinity(0, sizeof(set), &set);
	printf("%d processors\\n", CPU_COUNT(&set));
	return 0;
}
"""


LINES_C = """#include <stdio.h>
int main(void)
{
	char line[64];
	while (fgets(line, sizeof(line), stdin))
		printf("got %s.\\n", line);
	return 3;
}
"""
# Of 4096 bytes that a terminal holds it reads a few, and rests.
SLOW_C = """#include <stdio.h>
#include <string.h>
#include <unistd.h>
int main(void)
{
	char line[256];
	unsigned long sum = 0, lines = 0;
	while (fgets(line, sizeof(line), stdin)) {
		for (const char *c = line; *c != '\\0'; c++)
			sum = (sum * 31 + (unsigned char)*c) % 1000000007;
		if (lines++ % 100 == 0 && lines < 500)
			usleep(300000);
	}
	printf("%lu lines %lu\\n", lines, sum);
	return 4;
}
"""
TALKER_C = """#include <stdio.h>
int main(void)
{
	for (;;)
		puts("more");
}
"""


class Run(scenario.Scenario):
    def serving(self, *more):
        port = scenario.free_port()
        shutil.copytree(SITE, self.path("work", "site"), ignore=shutil.ignore_patterns("*.lock"))
        self.uni("run", "site/recipe.toml", "--detach", "--name", "site", "--port", f"{port}:80", *more)
        self.addCleanup(self.run_uni, "stop", "site")
        for _ in range(3000):
            if "site: serving" in self.uni("logs", "site"):
                return f"http://127.0.0.1:{port}"
            time.sleep(0.1)
        return self.fail(self.uni("logs", "site"))

    def captured(self, which, *more):
        return subprocess.run(["tshark", "-r", "site,1.pcap", "-o", "ip.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE",
                               "-Y", which, *more], cwd=self.work, env={**self.env, "HOME": self.path("home")}, check=True,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout

    def test_curl_and_a_browser(self):
        at = self.serving("--capture", "site,1.pcap")
        self.assertIn("<h1>It serves.</h1>", self.tool("curl", "-sS", "--max-time", "300", "--http1.1", "--compressed", at + "/"))
        page = self.tool("w3m", "-dump", at + "/", env={**self.env, "HOME": self.path("home")}, timeout=300)
        self.assertIn("It serves.", page)
        self.assertNotIn("<h1>", page)
        head = self.tool("w3m", "-dump_head", at + "/style.css", env={**self.env, "HOME": self.path("home")}, timeout=300)
        self.assertRegex(head, r"(?i)HTTP/1\.[01] 200 OK\n(?:.*\n)*content-type: text/css")
        for way, status in (("save", "200"), ("compare", "304")):
            self.assertEqual(self.tool("curl", "-sS", "--max-time", "300", "-o", os.devnull, "-w", "%{http_code}",
                                       f"--etag-{way}", "etag", at + "/style.css"), status)
        self.uni("stop", "site")
        asked = self.captured("http.request", "-T", "fields", "-e", "http.request.method", "-e", "http.request.uri")
        self.assertEqual(sorted(asked.splitlines()), ["GET\t/", "GET\t/", "GET\t/style.css", "GET\t/style.css", "HEAD\t/style.css"])
        self.assertEqual(self.captured("_ws.malformed || tcp.analysis.lost_segment || ip.checksum.status == 0 || "
                                       "tcp.checksum.status == 0"), "")

    def test_nothing_to_capture(self):
        self.hello()
        self.assertIn("asks for no network", self.fails("run", "recipe.toml", "--capture", "a.pcap", status=2))

    def test_a_port_that_is_taken(self):
        """Which one is said, before the machine is started; the other address of the same port is free."""
        self.hello()
        with socket.create_server(("127.0.0.1", 0)) as s:
            port = s.getsockname()[1]
            said = self.fails("run", "recipe.toml", "--port", f"{scenario.free_port()}:81", "--port", f"{port}:80", status=125)
            self.assertRegex(said, rf"port {port} of this machine \(127\.0\.0\.1, tcp\) is taken")
            self.assertNotIn("qemu", said)
            self.uni("run", "recipe.toml", "--port", f"127.0.0.2:{port}:80", "-t", "60", status=7)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
            self.assertRegex(self.fails("run", "recipe.toml", "--port", f"{port}:53/udp", status=125),
                             rf"port {port} of this machine \(127\.0\.0\.1, udp\) is taken")

    def test_an_emulator_that_cannot_start_the_machine(self):
        """Its status is not the program's."""
        self.hello()
        emulator = self.write("emulator", '#!/bin/sh\nexec qemu-system-x86_64 "$@" -device abacus\n', 0o755)
        said = self.fails("run", "recipe.toml", "--qemu", emulator, "--accel", "tcg", "-t", "60", status=125)
        self.assertIn("abacus", said)
        self.assertIn("the emulator could not run the machine", said)
        self.assertIn("nowhere", self.fails("run", "recipe.toml", "--qemu", "/nowhere/qemu", status=125))
        self.assertIn("neither kvm nor tcg", self.fails("run", "recipe.toml", "--accel", "warp", status=2))
        self.assertIn("a size in whole MiB, such as 64M", self.fails("run", "recipe.toml", "-m", "1K", status=2))

    def test_the_end_of_the_input(self):
        """Of a pipe, in a line or behind it, and of nothing; the guest's terminal shows what it takes."""
        self.write("lines.c", LINES_C)
        self.write("recipe.toml", '[image]\nname = "lines"\n[app]\nsources = ["lines.c"]\n')
        for typed, got in ((b"one\ntwo\n", ["one", "two"]), (b"one\ntwo", ["one", "two"]), (b"", [])):
            done = subprocess.run([scenario.UNI, "run", "recipe.toml", "-t", "60"], input=typed, stdout=subprocess.PIPE,
                                  cwd=self.work, env=self.env, timeout=300, check=False)
            self.assertEqual(done.returncode, 3, done.stdout)
            self.assertEqual(re.findall(rb"got (\w+)", done.stdout), [line.encode() for line in got])

    def test_input_for_a_slow_reader(self):
        """All of it arrives in its order, for the pipe waits."""
        self.write("slow.c", SLOW_C)
        self.write("recipe.toml", '[image]\nname = "slow"\n[app]\nsources = ["slow.c"]\n')
        text = b"".join(b"%d %s\n" % (i, b"x" * (i % 90)) for i in range(600))
        wanted = 0
        for byte in text:
            wanted = (wanted * 31 + byte) % 1000000007
        for how in ([], ["--kernel"]):
            done = subprocess.run([scenario.UNI, "run", "recipe.toml", "-t", "100", *how], input=text, stdout=subprocess.PIPE,
                                  cwd=self.work, env=self.env, timeout=300, check=False)
            self.assertEqual(done.returncode, 4, done.stdout[-1000:])
            self.assertIn(b"\n600 lines %d\n" % wanted, done.stdout)
            self.assertIn(text[:2000], done.stdout)  # as the guest's terminal echoes it

    def test_a_reader_that_leaves(self):
        """As with any filter; the machine would go on for ever."""
        self.write("talker.c", TALKER_C)
        self.write("recipe.toml", '[image]\nname = "talker"\n[app]\nsources = ["talker.c"]\n')
        with subprocess.Popen([scenario.UNI, "run", "recipe.toml"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, cwd=self.work, env=self.env) as run:
            self.addCleanup(run.kill)
            self.assertEqual(run.stdout.readline().strip(), b"more")
            run.stdout.close()
            self.assertEqual(run.wait(timeout=300), 141)
            self.assertNotIn(b"uni: ", run.stderr.read())

    def test_kvm_that_does_not_work(self):
        """Also where /dev/kvm is there, and the emulator gives up with it."""
        self.hello()
        emulator = self.write("emulator", "#!/bin/sh\nkill -ABRT $$\n", 0o755)
        said = self.fails("run", "recipe.toml", "--qemu", emulator, "--accel", "kvm", "-t", "60", status=125)
        self.assertRegex(said, "KVM (does not work|cannot be used)")
        self.assertIn("--accel tcg", said)

    def test_processors(self):
        self.write("numbers.c", NUMBERS_C)
        recipe = '[image]\nname = "numbers"\n[app]\nsources = ["numbers.c"]\n'
        self.write("recipe.toml", recipe)
        self.assertEqual(self.uni("run", "recipe.toml", "-t", "60"), "1 processors\n")
        self.write("recipe.toml", recipe + "[machine]\nprocessors = 2\n")
        self.assertEqual(self.uni("run", "recipe.toml", "-t", "60"), "2 processors\n")
        self.assertRegex(self.uni("run", "recipe.toml", "--print"), r" -smp (cpus=)?2")
        self.assertEqual(subprocess.run(self.uni("run", "recipe.toml", "--print").rstrip("\n") + " > printed", shell=True,
                                        cwd=self.work, env=self.env, timeout=300, check=False).returncode, 1)


if __name__ == "__main__":
    scenario.main()
