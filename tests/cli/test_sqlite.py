"""The sample recipe: SQLite's shell answers as the host's does, from the disk and from the ELF."""

import os
import subprocess

import scenario

RECIPE = os.path.join(scenario.ROOT, "recipes/stock/sqlite/recipe.toml")
DATABASE = os.path.join(scenario.ROOT, "build/packages/unicode/unicode.db")


class Sqlite(scenario.Scenario):
    packages = ("unibase", "sqlite", "mozilla", "unicode")

    def host(self, *args):
        return subprocess.run(["sqlite3", *args], capture_output=True, check=True).stdout.decode()

    def test_rows_are_those_of_the_host(self):
        self.uni("build", RECIPE, "-o", "out")
        args = self.uni_json("inspect", "out/sqlite.raw", "--json")["config"]["args"][1:]
        expected = self.host(*(DATABASE if a == "/data/unicode.db" else a for a in args))
        self.assertGreater(len(expected.splitlines()), 10)
        disk = self.uni("run", "out/sqlite.raw", "-t", "100")
        self.assertEqual(disk, expected)
        kernel = self.uni("run", "out/sqlite.elf", "-t", "100")
        self.assertEqual(kernel, expected)

    def test_a_question_at_start(self):
        question = "SELECT code, name FROM character WHERE name LIKE '%UNICORN%' ORDER BY code"
        self.uni("build", RECIPE, "-o", "out")
        answer = self.uni("run", "out/sqlite.raw", "-t", "100", "--", "-readonly", "/data/unicode.db", question)
        self.assertEqual(answer, self.host("-readonly", DATABASE, question))


if __name__ == "__main__":
    scenario.main()
