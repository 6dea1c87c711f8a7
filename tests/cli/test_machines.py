"""Machines that stay: run --detach, ps, logs, stop, as a user sees them."""

import json
import os
import signal
import socket
import subprocess
import time

import scenario

# Says what it is told, then does: waits for SIGTERM, ends, or does not listen.
PROGRAM = """#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
static volatile sig_atomic_t told;
static void on_signal(int number) { told = number; }
int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "polite";
	struct sigaction action = { .sa_handler = strcmp(mode, "deaf") == 0 ? SIG_IGN : on_signal };
	sigset_t blocked, waiting;
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGTERM);
	sigprocmask(SIG_BLOCK, &blocked, &waiting);
	sigaction(SIGTERM, &action, NULL);
	printf("ready\\n");
	fflush(stdout);
	if (strcmp(mode, "ends") == 0)
		return 9;
	while (!told)
		sigsuspend(&waiting);
	printf("told %d\\n", told);
	return 0;
}
"""

RECIPE = """[image]
name = "stays"

[app]
sources = ["stays.c"]

[config]
network = "dhcp"
grace = "3s"
runtime = ["args"]

[machine]
memory = "32M"
"""


class Machines(scenario.Scenario):
    def setUp(self):
        super().setUp()
        self.write("stays.c", PROGRAM)
        self.write("recipe.toml", RECIPE)
        self.addCleanup(self.stop_all)

    def stop_all(self):
        for machine in self.uni_json("ps", "--json"):
            self.run_uni("stop", "--kill", machine["name"])

    def start(self, *args, **more):
        return self.uni_json("run", "recipe.toml", "--detach", "--json", *args, **more)

    def await_console(self, name, text):
        """Reads the console as it comes, until it has the text."""
        with subprocess.Popen([scenario.UNI, "logs", "-f", name], cwd=self.work, env=self.env,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as logs:
            seen = ""
            for line in logs.stdout:
                seen += line
                if text in line:
                    break
            logs.terminate()
        self.assertIn(text, seen)

    def free_port(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            return s.getsockname()[1]

    def test_from_start_to_stop(self):
        port = self.free_port()
        said = self.uni("run", "recipe.toml", "-d", "-p", f"{port}:80", "--name", "web")
        self.assertIn(f"127.0.0.1:{port} leads to its port 80", said)
        self.assertIn("uni stop web", said)
        self.await_console("web", "ready")
        machine, = self.uni_json("ps", "--json")
        self.assertEqual((machine["name"], machine["running"], machine["memory"]), ("web", True, 32 << 20))
        self.assertEqual(machine["ports"], [{"address": "127.0.0.1", "port": port, "guest": 80, "protocol": "tcp"}])
        self.assertTrue(machine["image"].endswith("/work/recipe.toml"))
        line = self.uni("ps")
        self.assertRegex(line, rf"^web +up \d+ s +{machine['pid']} +32 MiB +127\.0\.0\.1:{port}->80 ")
        self.uni("stop", "web")
        self.assertIn("told 15", self.uni("logs", "web"))
        self.assertFalse(os.path.exists(f"/proc/{machine['pid']}/exe"))
        self.assertEqual(self.uni("ps"), "")
        ended, = self.uni_json("ps", "--all", "--json")
        self.assertEqual((ended["running"], ended["status"]), (False, 0))
        self.assertRegex(self.uni("ps", "-a"), r"^web +ended 0 ")
        # Once more is fine.
        self.uni("stop", "web")

    def test_the_name_is_the_image_s(self):
        self.start()
        text = self.fails("run", "recipe.toml", "--detach", status=125)
        self.assertIn('a machine "stays" runs already', text)
        self.assertIn("--name", text)
        self.start("--name", "other")
        self.assertEqual([m["name"] for m in self.uni_json("ps", "--json")], ["other", "stays"])
        self.uni("stop", "stays", "other", "--kill")
        self.uni("build", "recipe.toml", "--format", "raw")
        self.uni("run", "stays.raw", "--detach")
        self.assertEqual([m["name"] for m in self.uni_json("ps", "--json")], ["stays"])

    def test_one_that_ends_by_itself(self):
        self.start("ends")
        self.assertIn("ready", self.uni("logs", "--follow", "stays"))
        ended, = self.uni_json("ps", "--all", "--json")
        self.assertEqual((ended["running"], ended["status"]), (False, 9))
        self.start("ends", "--name", "stays")

    def test_one_that_does_not_listen(self):
        self.start("deaf")
        self.await_console("stays", "ready")
        began = time.monotonic()
        done = self.run_uni("stop", "stays", "--grace", "1")
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn(b"stays was cut off", done.stderr)
        self.assertGreaterEqual(time.monotonic() - began, 1)
        ended, = self.uni_json("ps", "--all", "--json")
        self.assertEqual((ended["status"], ended["why"]), (125, "the machine was cut off"))
        # The kernel's own grace is shorter than the standard one.
        self.start("deaf")
        self.await_console("stays", "ready")
        stopped = self.uni_json("stop", "stays", "--json")
        self.assertEqual((stopped["running"], stopped["status"]), (False, 0))

    def test_one_that_was_killed(self):
        pid = self.start()["pid"]
        os.kill(pid, signal.SIGKILL)
        self.uni("logs", "-f", "stays")
        self.assertEqual(self.uni("ps"), "")
        self.start()

    def test_trouble(self):
        for command in ("stop", "logs"):
            self.assertIn('there is no machine "nobody"', self.fails(command, "nobody"))
            self.assertIn('there is no machine "../x"', self.fails(command, "../x"))
        self.fails("stop", "nobody", "--grace", "soon", status=2)
        self.fails("run", "recipe.toml", "--detach", "--name", "a/b", status=2)
        self.fails("run", "recipe.toml", "--detach", "--timeout", "5", status=2)
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            self.assertIn(f"port {port} of this machine", self.fails(
                "run", "recipe.toml", "-d", "-p", f"{port}:80", status=125))
        self.fails("run", "recipe.toml", "-d", "--accel", "warp", status=125)
        self.assertEqual(json.loads(self.uni("ps", "--all", "--json")), [])
        self.assertEqual([n for n in os.listdir(self.path("state", "uni", "machines"))
                          if os.path.isdir(self.path("state", "uni", "machines", n))], [])

    def test_two_at_once(self):
        """Of several that want the same name one gets it; the others say who has it."""
        self.uni("build", "recipe.toml", "--format", "raw")
        running = [subprocess.Popen([scenario.UNI, "run", "stays.raw", "--detach"], cwd=self.work, env=self.env,
                                    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
                   for _ in range(4)]
        said = [process.communicate(timeout=120)[1] for process in running]
        self.assertEqual(sorted(process.returncode for process in running), [0, 125, 125, 125])
        self.assertEqual(sum(b"runs already" in text for text in said), 3)
        self.assertEqual(len(self.uni_json("ps", "--json")), 1)


if __name__ == "__main__":
    scenario.main()
