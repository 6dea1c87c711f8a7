"""Runs `uni test` over one stock recipe, in a store that holds the base and what the recipe names."""

import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cli"))
import scenario  # noqa: E402 # found by the line above


def packages(recipe):
    with open(recipe, encoding="utf-8") as f:
        return ["unibase", *sorted(set(re.findall(r'"pkg:([a-z0-9._-]+)', f.read())))]


def main():
    recipe = sys.argv[1]
    folder = tempfile.mkdtemp(prefix="uni-stock-")
    env = {k: v for k, v in os.environ.items() if not k.startswith(("UNI_", "XDG_"))}
    env.update(UNI_CACHE=os.path.join(folder, "store"), XDG_STATE_HOME=os.path.join(folder, "state"),
               XDG_CONFIG_HOME=os.path.join(folder, "config"))
    try:
        files = [scenario.Scenario.package(name) for name in packages(recipe)]
        subprocess.run([scenario.UNI, "install", *files], env=env, check=True)
        return subprocess.run([scenario.UNI, "test", recipe], env=env, stdin=subprocess.DEVNULL,
                              check=False).returncode
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    sys.exit(main())
