"""Where a benchmark works: a folder of its own with a store, recipes, and trees of this machine's files."""
import os
import shutil
import tempfile

from measure import run

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
UNI = os.path.join(ROOT, "build/bin/uni")
SMALL = 100, 3_500_000  # files and bytes of the small image


def copy_tree(into, files, size):
    """Real files of this machine, in the order of their names and none much larger than the average wanted, until
    there are enough; then larger ones until the size is reached."""
    found = []
    for folder, folders, names in os.walk("/usr"):
        folders.sort()
        for name in sorted(names):
            path = os.path.join(folder, name)
            if not os.path.islink(path) and os.path.isfile(path) and path.isascii():
                found.append((path, os.path.getsize(path)))
    average = size // files
    chosen = [f for f in found if average // 8 < f[1] < 2 * average][:files * 9 // 10]
    total = sum(f[1] for f in chosen)
    taken = set(f[0] for f in chosen)
    for path, length in found:
        rest = files - len(chosen)
        if rest == 0:
            break
        if path not in taken and (size - total) / rest * 0.5 < length < (size - total) / rest * 2:
            chosen.append((path, length))
            total += length
    for path, _ in chosen:
        target = os.path.join(into, os.path.relpath(path, "/usr"))
        os.makedirs(os.path.dirname(target), exist_ok=True)
        shutil.copyfile(path, target)
    return len(chosen), total


class Work:
    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="uni-bench-")
        self.env = {**os.environ, "UNI_CACHE": self.path("store"), "XDG_STATE_HOME": self.path("state"),
                    "UNI_INDEX": self.path("no-index")}

    def path(self, *names):
        return os.path.join(self.dir, *names)

    def install_base(self):
        packages = os.path.join(ROOT, "build/packages/out")
        run([UNI, "install", *(os.path.join(packages, f) for f in os.listdir(packages) if f.startswith("unibase-"))],
            env=self.env)

    def put_aside(self, name):
        """Removes nothing before the end: to create files is slow for a while where many were removed (ext4 without
        a journal looks at each inode that was in use in the last minute), which no user's first build pays for."""
        if os.path.exists(self.path(name)):
            os.rename(self.path(name), tempfile.mkdtemp(prefix=name + "-", dir=self.dir))

    def empty_cache(self):
        self.put_aside("store")
        self.put_aside("out")
        self.install_base()

    def drop_results(self):
        """As empty as a user's first build: the base installed, nothing built, nothing known about sources."""
        self.empty_cache()
        os.sync()  # or the build's own flush would pay for what was written here

    def recipe(self, name, tree, compression="zstd"):
        """A finished program with a volume; without a tree, what uni itself makes of the source."""
        folder = self.path(name)
        source, program = os.path.join(folder, "hello.c"), os.path.join(folder, "hello")
        os.makedirs(folder, exist_ok=True)
        shutil.copy(os.path.join(HERE, "hello.c"), source)
        app = 'sources = ["hello.c"]\n'
        if tree:
            if not os.path.exists(os.path.join(folder, "www")):
                os.rename(tree, os.path.join(folder, "www"))
            run(["musl-gcc", "-static", "-O2", "-o", program, source])
            app = ('program = "hello"\n[[volume]]\nname = "www"\nmount = "/srv"\nsource = "www"\n'
                   f'compression = "{compression}"\n')
        path = os.path.join(folder, "recipe.toml")
        with open(path, "w", encoding="utf-8") as f:
            f.write(f'[image]\nname = "{name}"\n[app]\n{app}')
        return path

    def build(self, recipe, progress="-q"):
        return [UNI, "build", progress, recipe, "-o", self.path("out"), "-f", "raw"]
