"""Help, man pages and completion come from one source and name every command."""

import re
import shutil
import subprocess

import scenario


class Help(scenario.Scenario):
    packages = ()

    def commands(self):
        return re.findall(r"^  ([a-z]+(?: [a-z]+)?)  ", self.uni("--help"), re.M)

    def test_every_command_has_help(self):
        names = self.commands()
        self.assertGreater(len(names), 15)
        for name in names:
            text = self.uni(*name.split(), "--help")
            self.assertIn(f"usage: uni {name}", text)
            self.assertEqual(text, self.uni("help", *name.split()))

    def test_man_pages_are_sound_roff(self):
        for name in self.commands():
            page = self.uni("man", *name.split())
            self.assertTrue(page.startswith(".TH "), page)
            if shutil.which("man"):
                done = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", "-"], input=page.encode(),
                                      capture_output=True, check=False)
                self.assertEqual(done.stderr.decode(), "")

    def test_completion_is_sound_shell(self):
        for shell in ("bash",):
            script = self.uni("completion", shell)
            subprocess.run([shell, "-n"], input=script.encode(), check=True)
            self.assertIn("--format", script)

    def test_usage_errors_name_the_nearest(self):
        self.assertIn('did you mean "build"', self.fails("biuld", status=2))
        self.assertIn("did you mean --output", self.fails("build", "--outptu", "x", "r.toml", status=2))
        self.fails("build", status=2)
        self.fails("cache", status=2)
        self.fails("build", "a.toml", "b.toml", status=2)


if __name__ == "__main__":
    scenario.main()
