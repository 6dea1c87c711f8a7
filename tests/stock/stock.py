"""Runs `uni test` over one stock recipe as on a fresh machine: an empty store, and the index that goes with uni."""

import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cli"))
import scenario  # noqa: E402 # found by the line above


def main():
    recipe = sys.argv[1]
    folder = tempfile.mkdtemp(prefix="uni-stock-")
    env = {k: v for k, v in os.environ.items() if not k.startswith(("UNI_", "XDG_"))}
    env.update(UNI_CACHE=os.path.join(folder, "store"), XDG_STATE_HOME=os.path.join(folder, "state"),
               XDG_CONFIG_HOME=os.path.join(folder, "config"))
    env.update(UNI_INDEX=os.path.join(scenario.ROOT, "build/share/uni/index"))
    try:
        # A build writes its lock beside the recipe.
        copy = os.path.join(folder, "recipe")
        shutil.copytree(os.path.dirname(recipe), copy)
        return subprocess.run([scenario.UNI, "test", os.path.join(copy, os.path.basename(recipe))], env=env,
                              stdin=subprocess.DEVNULL, check=False).returncode
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    sys.exit(main())
