"""uni run --gdb: gdb itself sees the kernel of an installed base and the program, by the names in their symbols."""

import os
import re
import socket
import subprocess

import scenario

PROGRAM = """#include <stdio.h>
__attribute__((noinline)) int twice(int n) { __asm__ volatile("" : "+r"(n)); return 2 * n; }
__attribute__((noinline)) int work(int n) { return twice(n) + 1; }
int main(void) { printf("%d\\n", work(20)); return 5; }
"""
RECIPE = '[image]\nname = "debugged"\n[app]\nprogram = "debugged"\n'


class Gdb(scenario.Scenario):
    def machine(self, *words):
        """One that waits, and its script for gdb."""
        machine = subprocess.Popen([scenario.UNI, "run", *words, "-t", "100", "--gdb"], cwd=self.work, env=self.env,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for what in machine.stderr.close, machine.stdout.close, machine.wait, machine.kill:
            self.addCleanup(what)
        lines = []
        for line in machine.stderr:
            lines.append(line)
            found = re.search(r"the machine waits for: gdb -x (\S+)", line)
            if found:
                return machine, found[1], "".join(lines)
        self.fail("".join(lines))

    def gdb(self, script, *commands):
        """What gdb says; its port opens a moment after the script is there."""
        words = [word for command in commands for word in ("-ex", command)]
        for _ in range(20):
            done = subprocess.run(["gdb", "-nx", "--batch", "-x", script, *words], cwd=self.work, env=self.env, timeout=300,
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                  check=False)
            if "Connection refused" not in done.stdout:
                return done.stdout
        return self.fail(done.stdout)

    def ends(self, machine):
        out, err = machine.communicate(timeout=300)
        self.assertEqual((out.replace("\r", ""), machine.returncode), ("41\n", 5), err)

    def build(self, *flags, compiler="musl-gcc"):
        self.write("debugged.c", PROGRAM)
        self.tool(compiler, "-O1", "-g", *flags, "-o", "debugged", "debugged.c")
        self.write("recipe.toml", RECIPE)

    def test_a_program_at_its_addresses(self):
        self.build("-static", "-no-pie")
        machine, script, said = self.machine("recipe.toml", "--kernel")
        self.assertNotIn("no package", said)
        text = self.gdb(script, "break *twice", "continue", "backtrace", "print $edi", "hbreak uk_sys_writev", "continue",
                        "backtrace 2", "delete", "detach")
        self.assertRegex(text, r"#0 +twice \(.*=20\) at debugged.c:2\n#1 .* work \(.*=20\) at debugged.c:3\n#2 .* main \(\)")
        self.assertIn("$1 = 20", text)
        self.assertRegex(text, r"#0 .*uk_sys_writev \(\)\n#1 +0x[0-9a-f]+ in \w+ \(\)")
        self.ends(machine)

    def test_a_program_that_is_moved(self):
        """Whose symbols are there once the kernel knows where it is; from a disk, whose kernel is packed."""
        self.build("-static-pie", "-fPIE", compiler="gcc")
        machine, script, _ = self.machine("recipe.toml")
        text = self.gdb(script, "continue", "break work", "continue", "backtrace 2", "print n", "delete", "detach")
        self.assertIn("the program is about to begin", text)
        self.assertRegex(text, r"#0 +work \(.*=20\) at debugged.c:3\n#1 .* main \(\)")
        self.assertIn("$1 = 20", text)
        self.ends(machine)

    def test_a_kernel_of_nobody(self):
        """Other code than any package's: its symbols would mislead."""
        self.build("-static", "-no-pie")
        self.uni("build", "recipe.toml", "-o", "out", "-f", "elf")
        image = bytearray(self.read("out/debugged.elf"))
        text = next(line.split() for line in self.tool("readelf", "-lW", "out/debugged.elf").splitlines() if " R E " in line)
        symbols = self.tool("nm", os.path.join(scenario.BUILD, "bin/unibase-bare.debug.elf")).splitlines()
        panic = int(next(line.split()[0] for line in symbols if line.endswith(" uk_panic")), 16)
        image[int(text[1], 16) + panic - int(text[2], 16)] ^= 1  # in code that nothing of this calls
        self.write("other.elf", bytes(image))
        machine, script, said = self.machine("other.elf")
        self.assertIn("no package in the store has the symbols of this kernel", said)
        text = self.gdb(script, "break *twice", "continue", "info functions ^uk_", "delete", "detach")
        self.assertIn("twice (n=", text)
        self.assertNotIn("uk_main", text)
        self.ends(machine)

    def test_nobody_else_is_let_in(self):
        self.build("-static", "-no-pie")
        self.assertIn("-gdb tcp:127.0.0.1:1234 -S", self.uni("run", "recipe.toml", "--gdb", "--print"))
        with socket.create_server(("127.0.0.1", 1234)):
            self.assertIn("1234", self.fails("run", "recipe.toml", "--gdb", "-t", "60", status=125))


if __name__ == "__main__":
    scenario.main()
