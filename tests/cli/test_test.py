"""uni test: what holds passes, what does not is told with what was expected and what came."""

import glob
import json
import os
import re
import shutil
import signal
import subprocess
import time
import xml.etree.ElementTree as xml

import scenario

# Serves HTTP on 80, echoes on TCP 7 and UDP 7, answers as a name server on UDP 53.
PROGRAM = r"""#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static volatile sig_atomic_t told;
static void on_signal(int number) { told = number; }

static int open_port(int type, int port)
{
	struct sockaddr_in name = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, type, 0), one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (fd < 0 || bind(fd, (struct sockaddr *)&name, sizeof(name)) != 0 ||
	    (type == SOCK_STREAM && listen(fd, 16) != 0)) {
		perror("port");
		exit(1);
	}
	return fd;
}

static void serve_http(int fd)
{
	static unsigned count;
	char request[4096], answer[8192];
	const char *status = "200 OK";
	ssize_t size = read(fd, request, sizeof(request) - 1);

	if (size <= 0)
		return;
	request[size] = 0;
	count++;
	if (strncmp(request, "GET /crash ", 11) == 0)
		*(volatile int *)8 = 1;
	if (strncmp(request, "GET /exit ", 10) == 0)
		exit(3);
	if (strncmp(request, "GET /none ", 10) == 0)
		status = "404 Not Found";
	if (strncmp(request, "GET /tires ", 11) == 0 && count > 3)
		status = "503 Service Unavailable";
	if (strncmp(request, "GET /told ", 10) == 0) {
		printf("\nasked %u\n", count);
		fflush(stdout);
	}
	snprintf(answer, sizeof(answer),
		 "HTTP/1.1 %s\r\nContent-Type: text/plain\r\nX-Count: %u\r\nSet-Cookie: a=1\r\n"
		 "Set-Cookie: b=2\r\nConnection: close\r\n\r\n%s",
		 status, count, request);
	write(fd, answer, strlen(answer));
}

static void echo(int fd)
{
	char data[4096];
	ssize_t size;

	write(fd, "hello\n", 6);
	while ((size = read(fd, data, sizeof(data))) > 0)
		write(fd, data, size);
}

static void datagram(int fd, int dns)
{
	static const char record[] = "\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\x07";
	struct sockaddr_in peer;
	socklen_t length = sizeof(peer);
	char data[2048];
	ssize_t size = recvfrom(fd, data, sizeof(data) - 64, 0, (struct sockaddr *)&peer, &length);

	if (size < 12)
		dns = 0;
	if (dns && memcmp(data + 12, "\4none", 5) == 0) {
		memcpy(data + 2, "\x81\x83", 2);
	} else if (dns) {
		memcpy(data + 2, "\x81\x80\0\1\0\1", 6);
		memcpy(data + size, record, sizeof(record) - 1);
		size += sizeof(record) - 1;
	}
	sendto(fd, data, size, 0, (struct sockaddr *)&peer, length);
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_signal };
	struct pollfd ports[] = {
		{ open_port(SOCK_STREAM, 80), POLLIN }, { open_port(SOCK_STREAM, 7), POLLIN },
		{ open_port(SOCK_DGRAM, 7), POLLIN }, { open_port(SOCK_DGRAM, 53), POLLIN },
	};

	sigaction(SIGTERM, &action, NULL);
	for (int i = 1; i < argc; i++)
		printf("argument %s\n", argv[i]);
	if (getenv("GREETING") != NULL)
		printf("%s\n", getenv("GREETING"));
	printf("ready 42\nprompt> ");
	fflush(stdout);
	if (argc > 1 && strcmp(argv[1], "end") == 0)
		return 7;
	if (argc > 1 && strcmp(argv[1], "late") == 0)
		sleep(1);
	while (!told) {
		if (poll(ports, 4, -1) < 0)
			continue;
		for (int i = 0; i < 2; i++)
			if (ports[i].revents != 0) {
				int fd = accept(ports[i].fd, NULL, NULL);

				(i == 0 ? serve_http : echo)(fd);
				close(fd);
			}
		for (int i = 2; i < 4; i++)
			if (ports[i].revents != 0)
				datagram(ports[i].fd, i == 3);
	}
	printf("goodbye\n");
	return argc > 1 && strcmp(argv[1], "sulk") == 0;
}
"""

RECIPE = """[image]
name = "tested"

[app]
sources = ["tested.c"]
env = { GREETING = "good day" }

[config]
network = "dhcp"
grace = "5s"
runtime = ["args", "env"]

[machine]
memory = "32M"
"""

GOOD = """
[[test]]
name = "speaks"
timeout = "100s"
expect-console = ["good day", { equals = "ready 42" }, { regex = "^prompt> " }, "goodbye"]

[[test]]
name = "is-given-others"
args = ["one", "two words"]
env = { GREETING = "good night" }
expect-console = ["argument one", { equals = "argument two words" }, "good night"]

[[test]]
name = "ends"
args = ["end"]
exit-status = 7

[[test]]
name = "serves"
memory-at-most = "16M"
boot-at-most = 1000
stop = true

[[test.http]]
path = "/a/../b?c"
headers = { X-Two = "2", Accept = "" }
expect-headers = { content-type = { equals = "text/plain" }, set-cookie = "a=1, b=2", x-count = { regex = "^[0-9]+$" } }
expect = { regex = "^GET /a/../b.c HTTP/1.1" }

[[test.http]]
method = "POST"
body = "some words"
expect = "some words"

[[test.http]]
path = "/none"
status = 404
repeat = 3

[[test.tcp]]
port = 7
send = "back and forth"
expect = "back and forth"

[[test.tcp]]
port = 7
send = "x"
close = true
expect = { equals = "hello\\nx" }

[[test.udp]]
port = 7
send = "ping"
expect = { equals = "ping" }

[[test.dns]]
name = "www.example"
answers = ["192.0.2.7"]

[[test.dns]]
name = "none.example"
type = "AAAA"
code = "nxdomain"

[test.load]
requests-per-second = 50
seconds = 1
failures-at-most = 10
"""

STEP = """
[[test]]
name = "{0}"
timeout = "{2}"
{1}
"""


class Tests(scenario.Scenario):
    def setUp(self):
        super().setUp()
        self.write("tested.c", PROGRAM)

    def recipe(self, tests):
        return self.write("recipe.toml", RECIPE + tests)

    def failure(self, lines, timeout="60s", status=1, **more):
        """The one result of a recipe with one test that must not pass."""
        self.recipe(STEP.format("t", lines, timeout))
        report = json.loads(self.uni("test", "recipe.toml", "--json", status=status, **more))
        result, = report["tests"]
        self.assertEqual(report["outcome"], result["outcome"])
        return result

    def test_what_holds(self):
        self.recipe(GOOD.replace(', "goodbye"', ""))
        report = self.uni_json("test", "recipe.toml", "--json", "--junit", "out.xml")
        self.assertEqual([(t["name"], t["format"], t["machine"], t["outcome"]) for t in report["tests"]],
                         [(n, "raw", "q35", "passed") for n in ("speaks", "is-given-others", "ends", "serves")])
        serves = report["tests"][3]
        self.assertEqual(serves["requests"], 50)
        self.assertLessEqual(serves["failures"], 10)  # of a host that has other things to do
        self.assertGreater(serves["boot_ns"], 0)
        self.assertGreater(serves["floor_ns"], 0)
        self.assertTrue(1 << 20 < serves["memory"] <= 16 << 20)
        self.assertIn("goodbye", serves["console"])
        suite = xml.parse(os.path.join(self.work, "out.xml")).getroot()
        self.assertEqual((suite.get("tests"), suite.get("failures"), suite.get("errors")), ("4", "0", "0"))
        self.assertEqual(suite[0].get("name"), "speaks (raw, q35)")

    def test_matrix(self):
        """Forms, machines and firmware; what the firmware takes is not the image's."""
        self.recipe(STEP.format("t", 'args = ["end"]\nexit-status = 7\nmemory-at-most = "9M"', "100s") +
                    '[output]\nformats = ["raw", "qcow2", "vhd", "gcp"]\nboot = ["bios", "uefi"]\n')
        out = self.uni("test", "recipe.toml", "--matrix", "-j", "2")
        self.assertEqual(sorted(re.findall(r"^PASS t \((.*)\) ", out, re.M)),
                         ["elf, microvm", "elf, pc", "elf, q35", "qcow2, q35", "raw, pc", "raw, q35", "raw, q35, uefi", "vhd, q35"])
        self.assertEqual(out.count("touched"), 7)

    def test_a_disk_for_other_firmware_only(self):
        """It is started by what it is for."""
        self.recipe(STEP.format("t", 'exit-status = 7', "100s") + '[output]\nboot = ["uefi"]\n')
        report = json.loads(self.uni("test", "recipe.toml", "--json", "--qemu", "/nowhere/qemu", "--accel", "tcg", status=3))
        self.assertEqual([(t["format"], t["machine"], t["firmware"]) for t in report["tests"]], [("raw", "q35", "uefi")])
        self.assertIn('no form that machine "toaster" starts', self.fails("test", "recipe.toml", "--machine", "toaster"))

    def test_console_that_says_something_else(self):
        said = self.failure('expect-console = ["ready", "steady"]', "8s")
        self.assertEqual(said["what"], "console, text 2")
        self.assertEqual(said["expected"], 'a line: it contains "steady"')
        self.assertEqual(said["came"], "nothing like it within 8.0 s")
        self.assertEqual(said["console"].splitlines()[-3:], ["good day", "ready 42", "prompt> "])
        # In this order, each in a line of its own.
        self.failure('expect-console = ["42", "ready"]', "2s")

    def test_what_people_see(self):
        self.recipe(STEP.format("t", 'args = ["end"]\nexit-status = 8', "60s"))
        done = self.run_uni("test", "recipe.toml", "--keep", "--junit", "out.xml")
        self.assertEqual(done.returncode, 1)
        out = done.stdout.decode()
        self.assertRegex(out, r"^FAIL t \(raw, q35\) [0-9.]+ s\n  exit status\n"
                              r"    expected: the program ends with status 8\n"
                              r"    came:     the machine ended with status 7\n"
                              r"    console:  argument end\n              good day\n              ready 42\n"
                              r"              prompt> \n  kept in /")
        folder = re.search(r"kept in (/\S+)", out).group(1)
        self.addCleanup(shutil.rmtree, folder)
        with open(os.path.join(folder, "console.log"), encoding="ascii") as f:
            self.assertIn("ready 42", f.read())
        self.assertIn(b"0 of 1 passed", done.stderr)
        case = xml.parse(os.path.join(self.work, "out.xml")).getroot()[0]
        self.assertEqual(case[0].tag, "failure")
        self.assertIn("status 8", case[0].text)

    def test_a_report_that_others_read(self):
        """By a reader of JUnit's form that is not ours; with what no XML can hold on the console."""
        self.recipe(STEP.format("passes", 'args = ["end"]\nexit-status = 7', "60s") +
                    STEP.format("fails", 'args = ["end", "<&]]>\\u001b\\ufffe\\u00e9"]\nexit-status = 8', "60s"))
        self.uni("test", "recipe.toml", "-j", "2", "--junit", "out.xml", status=1)
        told = self.tool("/usr/bin/python3", "-c", """if True:
            from junitparser import JUnitXml, Failure
            suite = JUnitXml.fromfile("out.xml")
            print(suite.name, suite.tests, suite.failures, suite.errors, suite.time > 0)
            for case in suite:
                print(case.classname, "|", case.name, "|", case.is_passed, [type(r) is Failure for r in case.result])
                print([r.message for r in case.result], "argument end" in case.system_out)
                print([line for line in case.system_out.splitlines() if "]]>" in line])
        """)
        self.assertEqual(told.splitlines(), [
            "tested 2 1 0 True", "tested | passes (raw, q35) | True []", "[] True", "[]",
            "tested | fails (raw, q35) | False [True]", "['exit status'] True", "['argument <&]]>\\\\x1b\ufffd\u00e9']"])

    def test_http_that_differs(self):
        for lines, what, expected, came in (
                ('[[test.http]]\npath = "/none"', "GET /none on port 80: status", "200", "404\nGET /none"),
                ('[[test.http]]\nexpect = { equals = "x" }', "GET / on port 80: body", 'it is exactly "x"', "GET / HTTP/1.1"),
                ('[[test.http]]\nexpect-headers = { content-type = "html" }', "GET / on port 80: header content-type",
                 'it contains "html"', "text/plain"),
                ('[[test.http]]\nexpect-headers = { etag = "x" }', "GET / on port 80: header etag",
                 'it contains "x"', "there is no such header")):
            result = self.failure(lines)
            self.assertEqual((result["outcome"], result["what"], result["expected"]), ("failed", what, expected))
            self.assertTrue(result["came"].startswith(came), result["came"])

    def test_other_answers_that_differ(self):
        for lines, what, expected, came in (
                ('[[test.tcp]]\nport = 7\nclose = true\nexpect = { equals = "x" }', "TCP on port 7",
                 'it is exactly "x"', "hello\n"),
                ('[[test.udp]]\nport = 7\nsend = "a"\nexpect = "b"', "UDP on port 7", 'it contains "b"', "nothing like it"),
                ('[[test.dns]]\nname = "a"\nanswers = ["192.0.2.8"]', "DNS a A on port 53",
                 "among the answers: 192.0.2.8", "noerror\n192.0.2.7"),
                ('[[test.dns]]\nname = "none"', "DNS none A on port 53", "noerror", "nxdomain")):
            result = self.failure(lines, "8s")
            self.assertEqual((result["what"], result["expected"]), (what, expected))
            self.assertTrue(result["came"].startswith(came), result["came"])

    def test_nobody_answers(self):
        for lines, what in (('[[test.http]]\nport = 81', "GET / on port 81"), ('[[test.tcp]]\nport = 82\nexpect = "x"', "TCP on port 82"),
                            ('[[test.dns]]\nname = "x"\nport = 83', "DNS x A on port 83"),
                            ('[test.load]\nport = 84\nrequests-per-second = 5', "GET / on port 84")):
            result = self.failure(lines, "2s")
            self.assertEqual((result["outcome"], result["what"]), ("failed", what))
            self.assertTrue(result["came"].startswith("nothing like it within 2.0 s"), result["came"])

    def test_machines_that_end(self):
        result = self.failure('[[test.http]]\npath = "/crash"')
        self.assertEqual((result["what"], result["expected"]), ("GET /crash on port 80", "an answer"))
        self.assertRegex(result["came"], "^the machine ended with status 134: .*SIGSEGV at address 0x8")
        result = self.failure('[[test.http]]\npath = "/exit"')
        self.assertEqual(result["came"], "the machine ended with status 3")
        result = self.failure('args = ["end"]\nexpect-console = ["ready"]\n[[test.http]]')
        self.assertEqual(result["came"], "the machine ended with status 7")
        result = self.failure('args = ["end"]\nexpect-console = ["nothing"]')
        self.assertEqual(result["came"], "the machine ended with status 7")
        result = self.failure('exit-status = 0', "2s")
        self.assertEqual(result["came"], "it still runs")

    def test_stops_that_are_none(self):
        result = self.failure('args = ["sulk"]\nstop = true\nexpect-console = ["ready"]')
        self.assertEqual(result["what"], "stop")
        self.assertIn("(its program with 1)", result["came"])

    def test_measures_that_are_over(self):
        result = self.failure('memory-at-most = "1M"\nexpect-console = ["ready"]')
        self.assertEqual((result["what"], result["expected"]),
                         ("memory", "the machine touches at most 1024 KiB of its memory"))
        result = self.failure('args = ["late"]\nboot-at-most = 1\n[[test.http]]')
        self.assertEqual(result["what"], "boot")
        self.assertRegex(result["came"], r"^[0-9.]+ ms, [0-9.]+ times as long$")
        result = self.failure('[test.load]\nrequests-per-second = 20\nseconds = 1\nstatus = 404\npath = "/none"', status=0)
        result = self.failure('[test.load]\nrequests-per-second = 20\nseconds = 1\nfailures-at-most = 3\npath = "/exit"')
        self.assertIn("the machine ended with status 3", result["came"])
        result = self.failure('[test.load]\nrequests-per-second = 20\nseconds = 1\nfailures-at-most = 3\npath = "/tires"')
        self.assertEqual((result["what"], result["expected"]),
                         ("load: GET /tires on port 80", "20 requests a second for 1 s, of which at most 3 fail"))
        self.assertRegex(result["came"], r"^[0-9]+ of 20 failed, [0-9]+ of them without an answer; the first: .*503")

    def told(self):
        """How often the machine says that it was asked."""
        said = b""
        for path in glob.glob(self.path("tmp/.uni.*/console.log")):
            with open(path, "rb") as f:
                said += f.read()
        return said.count(b"asked ")

    def test_a_load_of_one_who_stands_still(self):
        """What was due meanwhile is not sent all at once: the rest takes its time, and nobody is late."""
        self.recipe(STEP.format("t", '[test.load]\nrequests-per-second = 20\nseconds = 3\nfailures-at-most = 60\n'
                                     'path = "/told"', "100s"))
        os.mkdir(self.path("tmp"))
        process = subprocess.Popen([scenario.UNI, "test", "-q", "recipe.toml"], cwd=self.work, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, env={**self.env, "TMPDIR": self.path("tmp")})
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        while self.told() < 3:
            self.assertIsNone(process.poll())
            time.sleep(0.01)
        process.send_signal(signal.SIGSTOP)
        time.sleep(5.5)  # longer than the load would be waited for
        left = 60 - self.told()
        begin = time.monotonic()
        process.send_signal(signal.SIGCONT)
        self.assertEqual(process.wait(timeout=300), 0)
        # Some were asked that the machine has not seen; most of the time is there all the same.
        self.assertGreater(time.monotonic() - begin, left / 20 / 4)

    def test_what_cannot_be_told(self):
        self.recipe(STEP.format("t", 'expect-console = ["x"]', "10s"))
        report = json.loads(self.uni("test", "recipe.toml", "--json", "--accel", "warp", status=3))
        result, = report["tests"]
        self.assertEqual((report["outcome"], result["what"]), ("unknown", "it could not be told"))
        self.assertIn("warp", result["came"])

    def test_trouble(self):
        self.recipe("")
        self.assertIn("has no tests", self.fails("test", "recipe.toml"))
        self.recipe(GOOD)
        self.assertIn('no test is called "x*"', self.fails("test", "recipe.toml", "-f", "x*"))
        self.fails("test", "recipe.toml", "-j", "0", status=2)
        self.fails("test", "recipe.toml", "--machine", "toaster")
        self.recipe(STEP.format("t", 'exit-status = "no"', "10s"))
        self.assertIn("recipe.toml:", self.fails("test", "recipe.toml"))

    def test_tests_change_no_image(self):
        self.recipe("")
        self.uni("build", "recipe.toml", "-o", "without")
        self.recipe(GOOD)
        self.uni("build", "recipe.toml", "-o", "with")
        for name in ("tested.raw", "tested.elf"):
            self.assertEqual(self.read("without/" + name), self.read("with/" + name))

    @staticmethod
    def children(pid):
        found = []
        for thread in os.listdir(f"/proc/{pid}/task"):
            try:
                with open(f"/proc/{pid}/task/{thread}/children", encoding="ascii") as f:
                    found += f.read().split()
            except OSError:
                pass  # a thread that has ended
        return found

    @staticmethod
    def executable(pid):
        try:
            return os.readlink(f"/proc/{pid}/exe")
        except OSError:
            return ""

    def test_interrupted(self):
        """Nothing is left of machines and folders."""
        self.recipe(STEP.format("t", 'expect-console = ["never"]', "600s"))
        os.mkdir(self.path("tmp"))
        process = subprocess.Popen([scenario.UNI, "test", "recipe.toml"], cwd=self.work, stdin=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE, env={**self.env, "TMPDIR": self.path("tmp")})
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.kill)
        machines = []
        while not machines:
            self.assertIsNone(process.poll())
            machines = [c for c in self.children(process.pid) if "qemu" in self.executable(c)]
        process.terminate()
        self.assertEqual(process.wait(timeout=300), 130)
        self.assertEqual(self.executable(machines[0]), "")
        self.assertEqual(os.listdir(self.path("tmp")), [])


# Counts its starts in a file of a volume, and says which this is; then waits, or ends as told.
COUNTER = r"""#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	char text[16] = "0";
	int fd = open("/data/count", O_RDWR | O_CREAT, 0600);

	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
		return 9;
	snprintf(text, sizeof(text), "%d", atoi(text) + 1);
	if (pwrite(fd, text, strlen(text), 0) < 0 || fsync(fd) != 0)
		return 8;
	printf("start %s\n", text);
	fflush(stdout);
	if (argc > 1)
		return atoi(argv[1]);
	for (;;)
		pause();
}
"""

COUNTING = """[image]
name = "counter"

[app]
sources = ["counter.c"]

[config]
runtime = ["args"]

[machine]
memory = "32M"

[[volume]]
name = "data"
mount = "/data"
format = "ext4"
mode = "rw"
size = "8M"

[[test]]
name = "third"
after = "second"
args = ["0"]
expect-console = [{ equals = "start 3" }]
exit-status = 0

[[test.file]]
volume = "data"
path = "/count"
expect = { equals = "3" }

[[test.file]]
volume = "data"
path = "/other"
absent = true

[[test]]
name = "first"
expect-console = [{ equals = "start 1" }]

[[test]]
name = "second"
after = "first"
expect-console = [{ equals = "start 2" }]
"""


class Volumes(scenario.Scenario):
    def setUp(self):
        super().setUp()
        self.write("counter.c", COUNTER)

    def result(self, recipe, name, status=0):
        self.write("recipe.toml", recipe)
        return json.loads(self.uni("test", "recipe.toml", "--json", "-f", name, status=status))["tests"][0]

    def test_one_after_another(self):
        """Each chain starts anew, and what a machine has synced is there after it was cut off."""
        self.write("recipe.toml", COUNTING)
        report = self.uni_json("test", "recipe.toml", "--json")
        self.assertEqual([(t["name"], t["outcome"]) for t in report["tests"]],
                         [("third", "passed"), ("first", "passed"), ("second", "passed")])

    def test_files_that_are_not_as_expected(self):
        result = self.result(COUNTING.replace('equals = "3" }\n\n', 'equals = "4" }\n\n'), "third", 1)
        self.assertEqual((result["what"], result["expected"], result["came"]),
                         ("file /count of volume data", 'it is exactly "4"', "3"))
        result = self.result(COUNTING.replace('"/other"', '"/count"'), "third", 1)
        self.assertEqual((result["expected"], result["came"]), ("there is no such file", "3"))
        result = self.result(COUNTING.replace('"/count"', '"/lost"'), "third", 1)
        self.assertEqual(result["came"], "there is no such file")

    def test_one_before_that_fails(self):
        result = self.result(COUNTING.replace('"start 1"', '"start 7"').replace('name = "first"', 'name = "first"\ntimeout = "2s"'),
                             "third", 1)
        self.assertEqual(result["what"], "before it, second: before it, first: console, text 1")

    def test_trouble(self):
        for old, new, message in (
                ('after = "first"', 'after = "zeroth"', 'test "second": after: there is no such test'),
                ('name = "first"', 'name = "first"\nafter = "third"', 'test "first": after: it comes after itself'),
                ('volume = "data"\npath = "/count"', 'volume = "dada"\npath = "/count"', 'there is no volume "dada" that the machine writes to'),
                ('args = ["0"]\nexpect-console = [{ equals = "start 3" }]\nexit-status = 0', "",
                 'test "third": files are looked at when the machine has ended'),
                ("absent = true", 'absent = true\nexpect = "x"', "what is absent holds nothing")):
            self.write("recipe.toml", COUNTING.replace(old, new))
            self.assertIn(message, self.fails("test", "recipe.toml"))


if __name__ == "__main__":
    scenario.main()
