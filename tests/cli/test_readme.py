"""The tours of README.md and docs/import.md do what they say, pasted into a terminal block by block."""

import os
import pty
import re
import select
import time

import scenario

HEREDOC = re.compile(r"<<'(\w+)'\n.*?\n\1\n", re.S)


class Terminal:
    """A shell as people have it: what runs in it has the terminal too, and may read what was pasted behind it."""

    def __init__(self, folder, env, prompts):
        self.prompts = prompts
        self.said = ""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(folder)
            env = {**env, "TERM": "dumb", "PS1": "$ ", "PROMPT_COMMAND": f"echo >>'{prompts}'"}
            os.execvpe("bash", ["bash", "--norc", "--noediting", "-i"], env)
        self.wait(1)

    def count(self):
        return os.path.getsize(self.prompts) if os.path.exists(self.prompts) else 0

    def wait(self, prompts):
        """Until the shell has asked this many times for a command."""
        end = time.monotonic() + 600
        while self.count() < prompts:
            if time.monotonic() > end:
                raise AssertionError(f"no prompt: {self.said}")
            self.take(0.1)
        self.take(0)

    def take(self, seconds):
        while select.select([self.fd], [], [], seconds)[0]:
            self.said += os.read(self.fd, 65536).decode(errors="replace")

    def paste(self, block):
        """What is on the terminal until all commands of the block have ended."""
        commands = [line for line in HEREDOC.sub("\n", block).split("\n") if line.strip()]
        wanted = self.count() + len(commands)
        before = len(self.said)
        os.write(self.fd, block.encode())
        self.wait(wanted)
        return self.said[before:]

    def close(self):
        os.close(self.fd)  # hangs up
        os.waitpid(self.pid, 0)


class Readme(scenario.Scenario):
    packages = ()

    def blocks(self, page, folder, programs):
        """Only folders and the port are this test's own."""
        with open(os.path.join(scenario.ROOT, page), encoding="utf-8") as f:
            blocks = re.findall(r"^```sh\n(.*?)^```$", f.read(), re.M | re.S)
        port = str(scenario.free_port())
        for told, ours in ((folder, self.path("tour")), ("8080", port), (programs, os.path.join(scenario.BUILD, "bin"))):
            self.assertIn(told, "".join(blocks))
            blocks = [block.replace(told, ours) for block in blocks]
        return blocks

    def paste(self, blocks, wanted):
        """What each block must say, by a word of it."""
        env = {k: v for k, v in self.env.items() if k != "UNI_INDEX"}
        terminal = Terminal(scenario.ROOT, env, self.path("prompts"))
        self.addCleanup(terminal.close)
        self.assertEqual(len(blocks), len(wanted))
        for block, (word, says) in zip(blocks, wanted.items()):
            self.assertIn(word, block)
            said = terminal.paste(block)
            self.assertNotRegex(said, "(?m)^uni: |^bash: ")
            for words in says:
                self.assertIn(words, said.replace("\r\n", "\n"))

    def test_a_machine_in_the_background(self):
        """Behind & it does not wait for a terminal that it must not read."""
        self.write("recipe.toml", '[image]\nname = "tour"\n[app]\nsources = ["hello.c"]\n')
        self.write("hello.c", "#include <stdio.h>\nint main(void) { puts(\"from behind\"); return 0; }\n")
        self.uni("install", self.package("unibase"))
        self.uni("build", "recipe.toml", "-o", "out")
        terminal = Terminal(self.work, self.env, self.path("prompts"))
        self.addCleanup(terminal.close)
        self.assertIn("from behind\r\n", terminal.paste(f"'{scenario.UNI}' run out/tour.raw & wait\n"))

    def test_tour(self):
        self.paste(self.blocks("README.md", "/tmp/tour", "$repo/build/bin"),
                   {"cat >recipe.toml": [],
                    "uni plan": ["nothing wrong", "8 steps, 0 cached", "hello from a recipe", "<h1>hello</h1>", "status 7"],
                    "uni run --kernel": ["hello from a recipe", "<h1>hello</h1>"],
                    "uni verify": ["<h1>hello</h1>", "the same"],
                    "curl": ["516096", "<!doctype html>"],
                    "uni test": ["passed"]})

    def test_import(self):
        self.paste(self.blocks("docs/import.md", "/tmp/import", "$PWD/build/bin"),
                   {"umoci config": [],
                    "uni import": ['path = "/usr/bin/counter"', "user = 1000"],
                    "[[test.http]]": ["nothing wrong", "passed"],
                    "uni run": ["visit 1 of user 1000", "visit 2 of user 1000"]})


if __name__ == "__main__":
    scenario.main()
