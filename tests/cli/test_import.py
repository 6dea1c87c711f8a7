"""uni import: a first recipe for a program, which builds and runs; and what it says of what will not work."""

import json
import os
import shutil

import scenario


class Import(scenario.Scenario):
    def findings(self, *args, status=0):
        said = json.loads(self.uni("import", *args, "--json", status=status))
        return said, {f["severity"]: f["text"] for f in reversed(said["findings"])}

    def compile(self, name, text, *flags, compiler="musl-gcc"):
        self.write(name + ".c", text)
        self.tool(compiler, "-O2", *flags, "-o", name, name + ".c")

    def test_a_program_that_runs(self):
        self.compile("Server", '#include <stdio.h>\n#include <sys/socket.h>\n'
                     'int main(void) { printf("socket %d\\n", socket(2, 1, 0) >= 0); return 0; }', "-static")
        said, found = self.findings("Server")
        self.assertEqual((said["image"], said["recipe"]), ("server", "recipe.toml"))
        self.assertNotIn("stops", found)
        recipe = self.read("recipe.toml").decode()
        self.assertIn('program = "Server"', recipe)
        self.assertIn('network = "dhcp"', recipe)
        self.assertEqual(self.uni("run", "recipe.toml", "-t", "60"), "socket 1\n")
        # What is there is kept, unless it is to be replaced.
        self.assertIn("recipe.toml stands there already", self.fails("import", "Server"))
        self.uni("import", "Server", "--force")
        self.assertEqual(self.uni("import", "Server", "-o", "-"), recipe)

    def test_one_without_a_network(self):
        self.compile("hello", '#include <stdio.h>\nint main(void) { puts("hello"); return 3; }', "-static")
        self.uni("import", "hello")
        self.assertNotIn("network", self.read("recipe.toml").decode())
        self.uni("run", "recipe.toml", "-t", "60", status=3)

    def test_one_that_forks(self):
        text = ('#include <unistd.h>\n#include <sys/wait.h>\n'
                'int main(void) { if (fork() == 0) execl("/x", "x", (char *)0); wait(0); return 0; }')
        for compiler, call in (("musl-gcc", "fork"), ("gcc", "clone to fork")):
            self.compile("forks", text, "-static", compiler=compiler)
            _, found = self.findings("forks", "--force")
            self.assertRegex(found["may"], rf"^it can start other processes \({call}.* and execve\), which unibase refuses")
            self.assertIn("# it can start other processes", self.read("recipe.toml").decode())
            said = self.run_uni("check", "recipe.toml")
            self.assertEqual(said.returncode, 0)
            self.assertRegex(said.stderr.decode(), rf"recipe.toml:\d+:\d+: warning: forks can start other processes \({call}")

    def test_busybox_as_httpd(self):
        """Which for each connection forks; and nothing of the kind is said of a program that cannot."""
        recipe = os.path.join(scenario.ROOT, "recipes/stock/nc/recipe.toml")
        self.uni("install", self.package("busybox"))
        self.assertIn(b"pkg:busybox can start other processes (clone to fork, vfork and execve), which base unibase refuses",
                      self.run_uni("check", recipe).stderr)
        self.hello()
        self.assertNotIn(b"warning", self.run_uni("check", "recipe.toml").stderr)

    def collected(self, name):
        folder = self.path("work", name + ".libraries")
        return {os.path.join("/", os.path.relpath(os.path.join(at, file), folder))
                for at, _, files in os.walk(folder) for file in files}

    def test_a_dynamic_program(self):
        """One of the distribution's own, with what ldd says that it needs; and what becomes of it without."""
        shutil.copy("/bin/ls", self.path("work", "ls"))
        _, found = self.findings("ls")
        self.assertNotIn("stops", found)
        wanted = {os.path.basename(word) for word in self.tool("ldd", "/bin/ls").split() if word.startswith("/")}
        wanted |= {line.split()[0] for line in self.tool("ldd", "/bin/ls").splitlines() if "=> /" in line}
        self.assertEqual({os.path.basename(file) for file in self.collected("ls")}, wanted | {"libgcc_s.so.1"})
        self.assertIn("nothing wrong", self.run_uni("check", "recipe.toml").stderr.decode())
        self.assertEqual(self.uni("run", "recipe.toml", "-t", "60", "--", "/usr/lib64"), "ld-linux-x86-64.so.2\n")
        self.assertIn("ls.libraries stands there already", self.fails("import", "ls", "-o", "other.toml"))
        self.write("ls.libraries/own/plugin.so", "kept")
        before = self.collected("ls")
        self.uni("import", "ls", "--force")
        self.assertEqual(self.collected("ls"), before)
        shutil.rmtree(self.path("work", "ls.libraries/own"))
        libc = next(file for file in self.collected("ls") if file.endswith("/libc.so.6"))
        os.remove(self.path("work", "ls.libraries" + libc))
        said = self.run_uni("check", "recipe.toml")
        self.assertIn(b"warning: ls needs the library libc.so.6, which no file or volume holds", said.stderr)
        shutil.rmtree(self.path("work", "ls.libraries/lib64"))
        for command in "check", "build":
            self.assertRegex(self.fails(command, "recipe.toml"),
                             "recipe.toml:.* ls: needs the interpreter /lib64/ld-linux-x86-64.so.2, which no file or volume")

    def test_a_dynamic_program_for_musl(self):
        self.compile("greet", '#include <stdio.h>\nint main(void) { puts("shared"); return 4; }')
        self.uni("import", "greet")
        self.assertEqual(self.collected("greet"), {"/lib/ld-musl-x86_64.so.1"})
        self.assertEqual(self.uni("run", "recipe.toml", "-t", "60", status=4), "shared\n")

    def test_a_dynamic_program_that_forks(self):
        """What it wants of its C library says so."""
        self.compile("forks", '#include <stdlib.h>\n#include <unistd.h>\n'
                     'int main(void) { return system("x") + (fork() == 0 ? execv("/x", 0) : 0); }', "-s")
        _, found = self.findings("forks")
        self.assertRegex(found["may"], r"^it can start other processes \(execv, fork and system\), which unibase refuses")
        self.assertIn("warning: forks can start other processes (execv, fork and system)",
                      self.run_uni("check", "recipe.toml").stderr.decode())

    def test_libraries_of_its_own(self):
        """By run paths, one needed by another, given as a volume of another place; and one that is missing."""
        self.write("far.c", "int far(void) { return 5; }")
        self.write("near.c", "int far(void); int near(void) { return far() + 1; }")
        os.mkdir(self.path("work", "own"))
        self.tool("gcc", "-shared", "-fPIC", "-o", "own/libfar.so", "far.c")
        self.tool("gcc", "-shared", "-fPIC", "-o", "own/libnear.so", "near.c", "-Lown", "-lfar", "-Wl,-rpath,$ORIGIN")
        own = self.path("work", "own")
        self.compile("plain", "int near(void); int main(void) { return near(); }", "-Wl,--no-as-needed", "-Lown", "-lnear",
                     f"-Wl,-rpath-link,{own}", compiler="gcc")
        _, found = self.findings("plain", status=1)
        self.assertRegex(found["stops"], "library libnear.so, which is not on this machine")
        recipe = self.read("recipe.toml").decode()
        self.write("recipe.toml", recipe.replace("args = []", 'args = []\nenv = { LD_LIBRARY_PATH = "/opt/own" }') +
                   '\n[[volume]]\nname = "own"\nmount = "/opt/own"\nsource = "own"\n')
        self.assertIn("nothing wrong", self.run_uni("check", "recipe.toml").stderr.decode())
        self.uni("run", "recipe.toml", "-t", "60", status=6)
        self.compile("placed", "int near(void); int main(void) { return near(); }", "-Wl,--no-as-needed", "-Lown", "-lnear",
                     f"-Wl,-rpath,{own}", compiler="gcc")
        _, found = self.findings("placed", "--force")
        self.assertTrue({own + "/libnear.so", own + "/libfar.so"} <= self.collected("placed"))
        self.uni("run", "recipe.toml", "-t", "60", status=6)

    def test_libraries_by_words_and_by_whom(self):
        """$ORIGIN keeps the program where it is to its libraries; DT_RPATH holds for what libraries need; a path is a path."""
        self.write("far.c", "int far(void) { return 5; }")
        self.write("near.c", "int far(void); int near(void) { return far() + 1; }")
        self.write("main.c", "int near(void); int main(void) { return near(); }")
        for folder in "app/bin", "app/lib/x86_64":
            os.makedirs(self.path("work", folder))
        own = self.path("work", "app/lib/x86_64")
        self.tool("gcc", "-shared", "-fPIC", "-o", own + "/libfar.so", "far.c")
        self.tool("gcc", "-shared", "-fPIC", "-o", own + "/libnear.so", "near.c", "-L" + own, "-lfar")
        link = ("gcc", "main.c", "-L" + own, "-lnear", "-Wl,-rpath-link," + own)
        for flags in "-Wl,--disable-new-dtags,-rpath,$ORIGIN/../lib/$PLATFORM", "-Wl,--disable-new-dtags,-rpath," + own:
            self.tool(*link, "-o", "app/bin/main", flags)
            shutil.rmtree(self.path("work", "main.libraries"), ignore_errors=True)
            _, found = self.findings("app/bin/main", "--force")
            self.assertNotIn("stops", found)
            self.assertTrue({own + "/libnear.so", own + "/libfar.so"} <= self.collected("main"))
            self.assertEqual("$ORIGIN" in flags, 'path = "/usr' in self.read("recipe.toml").decode())
            self.assertIn("nothing wrong", self.run_uni("check", "recipe.toml").stderr.decode())
            self.uni("run", "recipe.toml", "-t", "60", status=6)
        self.tool(*link, "-o", "app/bin/main", "-Wl,-rpath," + own)
        _, found = self.findings("app/bin/main", "--force", status=1)
        self.assertIn("library libfar.so, which is not on this machine", found["stops"])
        self.tool("gcc", "main.c", "app/lib/x86_64/libnear.so", "-Wl,-rpath-link," + own, "-o", "app/bin/main")
        _, found = self.findings("app/bin/main", "--force", status=1)
        self.assertIn("library app/lib/x86_64/libnear.so, which is not", found["stops"])

    def test_engines_and_launchers(self):
        """A program that compiles while it runs may; of one that only calls a library, what that starts is said."""
        self.write("big.c", "#include <unistd.h>\nint luaJIT_setmode(void) { return 0; } int work(void) { return fork(); }")
        self.tool("gcc", "-shared", "-fPIC", "-o", "libbig.so", "big.c")
        self.compile("small", "int work(void); int main(void) { return work() < 0 ? 3 : 0; }", "-Wl,--no-as-needed", "-L.", "-lbig", "-Wl,-rpath,$ORIGIN", compiler="gcc")
        _, found = self.findings("small")
        self.assertRegex(found["may"], r"^its library libbig.so can start other processes \(fork\)")
        self.assertNotIn("jit", self.read("recipe.toml").decode())
        self.compile("engine", "int luaJIT_setmode(void) { return 0; } int main(void) { return luaJIT_setmode(); }", "-rdynamic", compiler="gcc")
        self.uni("import", "engine", "-o", "engine.toml")
        self.assertIn("jit = true\n", self.read("engine.toml").decode())
        self.assertIn("(LuaJIT)", self.uni("import", "engine", "-o", "engine.toml", "--force"))

    def test_what_glibc_opens_to_end_threads(self):
        self.compile("cancel", '#include <pthread.h>\n#include <stdio.h>\n#include <unistd.h>\n'
                     'static void *wait(void *x) { for (;;) pause(); return x; }\n'
                     'int main(void) { pthread_t t; void *r; pthread_create(&t, 0, wait, 0); pthread_cancel(t);\n'
                     'pthread_join(t, &r); puts(r == PTHREAD_CANCELED ? "cancelled" : "?"); return 0; }', compiler="gcc")
        self.uni("import", "cancel")
        self.assertEqual(self.uni("run", "recipe.toml", "-t", "60"), "cancelled\n")

    def test_a_library_with_keys_to_test_itself(self):
        self.tool("openssl", "genrsa", "-out", "key.pem", "2048")
        lines = self.read("key.pem").decode().splitlines()
        self.write("tested.c", "const char *key(void) { return " + "".join(f'"{line}\\n"' for line in lines) + "; }")
        self.tool("gcc", "-shared", "-fPIC", "-o", "libtested.so", "tested.c")
        self.compile("tester", "int puts(const char *); const char *key(void); int main(void) { return key()[0] == 0; }",
                     "-Wl,--no-as-needed", "-L.", "-ltested", "-Wl,-rpath," + self.path("work", ""), compiler="gcc")
        self.uni("import", "tester")
        self.assertRegex(self.read("recipe.toml").decode(), r'\nallow-secret = \["/[^"]*/libtested.so"\]\n')
        self.uni("run", "recipe.toml", "-t", "60")

    def test_programs_that_will_not_run(self):
        self.compile("object.o", "int x;", "-c")
        _, found = self.findings("object.o", status=1)
        self.assertIn("is an object, not a program", found["stops"])

    def test_trouble(self):
        self.write("text", "no program\n")
        self.assertIn("text: is not an ELF file", self.fails("import", "text"))
        self.assertIn("absent: No such file", self.fails("import", "absent"))
        self.write("script", "#! /usr/bin/env python3\n")
        self.assertIn("script: is a script for /usr/bin/env python3, not a program", self.fails("import", "script"))
        self.assertIn("nothing", self.fails("import", "text", "--base", "nothing"))
        self.assertFalse(os.path.exists(self.path("work", "recipe.toml")))


if __name__ == "__main__":
    scenario.main()
