"""A machine's life: what its end sends, what follows exit and fault, what trouble prints, a debugger."""

import os
import re
import shlex
import signal
import socket
import subprocess
import threading

import scenario

LIFE_C = r"""#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static char data[1 << 20];
volatile int *nowhere;

static int connected(const char *port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(atoi(port)) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	inet_pton(AF_INET, "10.0.2.2", &to.sin_addr);
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0) {
		perror("connect");
		exit(1);
	}
	return fd;
}

/* As much as the socket takes, so that all of it waits when the program ends. */
static void fill(int fd)
{
	size_t at = 0;

	fcntl(fd, F_SETFL, O_NONBLOCK);
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (char)(i * 7 + i / 251);
	while (at < sizeof(data)) {
		ssize_t got = write(fd, data + at, sizeof(data) - at);

		if (got < 0)
			break;
		at += (size_t)got;
	}
	printf("wrote %zu\n", at);
	fflush(stdout);
}

__attribute__((noinline)) static void touch(void)
{
	*nowhere = 1;
}

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "";

	if (argc > 2)
		fill(connected(argv[2]));
	printf("begins\n");
	fflush(stdout);
	if (strcmp(how, "fault") == 0)
		touch();
	if (strcmp(how, "abort") == 0)
		abort();
	if (strcmp(how, "loop") == 0)
		for (;;)
			nowhere = NULL;
	if (strcmp(how, "closes") == 0) {
		for (int fd = 0; fd < 1024; fd++)
			close(fd);
		return 6;
	}
	if (strcmp(how, "deaf") == 0) {
		signal(SIGTERM, SIG_IGN);
		for (;;)
			pause();
	}
	_exit(5);
}
"""

RECIPE = """[image]
name = "life"
[app]
sources = ["life.c"]
[config]
network = "dhcp"
runtime = ["args"]
"""


class Life(scenario.Scenario):
    def build(self, config="", app=""):
        self.write("life.c", LIFE_C)
        text = RECIPE.replace('sources = ["life.c"]', f'sources = ["life.c"]\n{app}')
        self.write("recipe.toml", text + config)
        self.uni("build", "recipe.toml", "-o", "out", "--force")
        return "out/life.elf"

    def life(self, *args, status, config="", **more):
        done = self.run_uni("run", self.build(config), *args, **more)
        said = done.stdout.decode(errors="replace").replace("\r", "") + done.stderr.decode(errors="replace")
        self.assertEqual(done.returncode, status, said)
        return said

    def listen(self, reads=True):
        """The port of a peer, and what it has read in the end."""
        server = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(server.close)
        got = []

        def serve():
            client, _ = server.accept()
            self.addCleanup(client.close)
            while reads:
                part = client.recv(65536)
                if not part:
                    return
                got.append(part)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        return str(server.getsockname()[1]), thread, got

    def test_what_was_written_arrives(self):
        expected = bytes((i * 7 + i // 251) & 255 for i in range(1 << 20))
        for how, status in (("exit", 5), ("fault", 134), ("abort", 134)):
            with self.subTest(how):
                port, thread, got = self.listen()
                said = self.life(how, port, status=status)
                thread.join(300)
                wrote = int(re.search(r"wrote (\d+)", said).group(1))
                self.assertGreater(wrote, 100000)
                self.assertTrue(b"".join(got) == expected[:wrote], "some of it is lost")

    def test_frames_are_whole(self):
        """tshark checks every sum of what the machine sends, where no device makes them."""
        port, _, _ = self.listen()
        self.build(app=f'args = ["exit", "{port}"]')
        command = shlex.split(self.uni("run", "out/life.elf", "--kernel", "--print"))
        done = subprocess.run([*command, "-object", "filter-dump,id=dump,netdev=net0,file=capture.pcap"], cwd=self.work,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=300, check=False)
        self.assertIn(b"begins", done.stdout, done.stderr)
        wrong = ("_ws.malformed || _ws.expert.severity == error || ip.checksum.status == 0 || tcp.checksum.status == 0 "
                 "|| udp.checksum.status == 0")
        sums = [word for name in ("ip", "tcp", "udp") for word in ("-o", f"{name}.check_checksum:TRUE")]

        def frames(wanted):
            return subprocess.run(["tshark", "-n", "-r", "capture.pcap", *sums, "-Y",
                                   f"eth.src == 52:54:00:12:34:56 && ({wanted})"], cwd=self.work, check=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
        self.assertIn("DHCP", frames("udp.checksum.status == 1"))
        self.assertGreater(len(frames("tcp.checksum.status == 1").splitlines()), 100)
        self.assertEqual(frames(wrong), "")

    def test_a_peer_that_does_not_read_is_not_waited_for_long(self):
        port, _, _ = self.listen(reads=False)
        said = self.life("exit", port, status=5)
        self.assertIn("wrote ", said)

    def again(self, *how, args=(), config=""):
        """Whether the machine starts again; it is ended then."""
        image = self.build(config)
        if "--kernel" not in how:
            image = "out/life.raw"
        process = subprocess.Popen([scenario.UNI, "run", image, *how, "--timeout", "280", "--", *args], cwd=self.work,
                                   env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, start_new_session=True)
        begun, said = 0, b""
        for line in process.stdout:
            said += line
            begun += line.strip() == b"begins"
            if begun == 3:
                process.send_signal(signal.SIGINT)
                break
        process.communicate()
        return begun == 3, said.decode(errors="replace")

    def test_what_follows_the_end(self):
        for how in (("--kernel",), ("--kernel", "--machine", "pc"), ()):
            for action in ("reboot", "restart"):
                with self.subTest(how=how, action=action):
                    self.assertEqual(self.again(*how, config=f'on-exit = "{action}"\n')[0], True)
                    self.assertEqual(self.again(*how, args=["fault"], config=f'on-fault = "{action}"\n')[0], True)
        # Each for its own; a machine with neither goes off.
        self.assertIn("begins", self.life("fault", status=134, config='on-exit = "reboot"\n'))
        self.assertIn("begins", self.life(status=5, config='on-fault = "reboot"\n'))
        self.assertIn("begins", self.life(status=5, config='on-exit = "off"\non-fault = "off"\n'))

    def test_trouble_is_told(self):
        said = self.life("fault", status=134)
        self.assertRegex(said, r"SIGSEGV at address 0x0 in touch\+0x[0-9a-f]+")
        self.assertRegex(said, r"(?m)^uni: .* rip [0-9a-f]{16}")
        self.assertRegex(said, r"\? [0-9a-f]{16} main\+0x")
        self.assertRegex(self.life("abort", status=134), "SIGABRT ended the program")
        self.life("closes", status=6)
        self.assertIn("still ran after 2 s", self.life("--timeout", "2", "--", "loop", status=124))
        self.assertIn("absent.elf: No such file", self.fails("run", "absent.elf", status=125))

    def test_log_levels(self):
        """What is said of the network, for one, is a notice."""
        for level, shows in (("error", False), ("warning", False), ("notice", True), ("debug", True)):
            with self.subTest(level):
                said = self.life(status=5, config=f'log-level = "{level}"\n')
                self.assertEqual("network address 10.0.2.15" in said, shows, said)


if __name__ == "__main__":
    scenario.main()
