"""uni itself, built in another folder, gives a base package with the same digest."""

import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "cli"))

import scenario  # noqa: E402


class Base(scenario.Scenario):
    packages = ()

    def test_another_folder(self):
        source = self.path("another/place")
        shutil.copytree(scenario.ROOT, source, ignore=shutil.ignore_patterns("build", ".git"))
        build = self.path("another/place/build")
        for argv in (["cmake", "-S", source, "-B", build, "-G", "Ninja", "-DBUILD_TESTING=OFF",
                      f"-DUNI_SOURCES_DIR={scenario.ROOT}/build/sources"],
                     ["cmake", "--build", build, "--target", "unibase_package"]):
            done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
            self.assertEqual(done.returncode, 0, done.stdout.decode(errors="replace")[-3000:])
        folder = os.path.join(build, "packages/unibase")
        self.uni("pack", os.path.join(folder, "package.toml"), "--dir", folder, "-o", self.path("out"))
        name = os.path.basename(self.package("unibase"))
        with open(self.path("out", name), "rb") as a, open(self.package("unibase"), "rb") as b:
            self.assertTrue(a.read() == b.read(), "the base packages differ")


if __name__ == "__main__":
    scenario.main()
