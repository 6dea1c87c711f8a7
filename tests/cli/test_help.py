"""Help, man pages and completion come from one source and name every command."""

import re
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

    def test_families_of_commands_have_help(self):
        families = {name.split()[0] for name in self.commands() if " " in name}
        self.assertIn("cache", families)
        for family in families:
            text = self.uni(family, "--help")
            self.assertIn(f"usage: uni {family} COMMAND", text)
            self.assertEqual(text, self.uni("help", family))
            for name in self.commands():
                if name.startswith(family + " "):
                    self.assertIn(f"  uni {name} ", text)

    def test_man_pages_are_sound_roff(self):
        for name in ("", *self.commands()):
            page = self.uni("man", *name.split())
            self.assertTrue(page.startswith(".TH "), page)
            done = subprocess.run(["groff", "-man", "-ww", "-Kutf8", "-Tutf8", "-z"], input=page.encode(), capture_output=True,
                                  check=False)
            self.assertEqual(done.stderr.decode(), "", name)

    def test_completion_is_sound_shell(self):
        for shell in ("bash",):
            script = self.uni("completion", shell)
            subprocess.run([shell, "-n"], input=script.encode(), check=True)
            self.assertIn("--format", script)

    def test_usage_errors_name_the_nearest(self):
        self.assertIn('did you mean "build"', self.fails("biuld", status=2))
        self.assertIn("did you mean --output", self.fails("build", "--outptu", "x", "r.toml", status=2))
        self.fails("verify", status=2)
        self.assertRegex(self.fails("cache", status=2), r"uni cache gc +Collect")
        self.fails("build", "a.toml", "b.toml", status=2)


if __name__ == "__main__":
    scenario.main()
