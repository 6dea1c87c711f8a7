#!/usr/bin/python3
"""docs/linux-abi.md from sys/table.def, which the kernel is compiled from as well.

  calls-page.py            writes the page
  calls-page.py --check    says whether it is as it would be written
  calls-page.py --table F  writes the table of the base's package: every call of Linux, a line each
"""
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
TABLE = os.path.join(HERE, "../sys/table.def")
PAGE = os.path.join(HERE, "../../../docs/linux-abi.md")
NUMBERS = "/usr/include/x86_64-linux-gnu/asm/unistd_64.h"
ROW = re.compile(r'UK_CALL\((\d+), (\w+), "\w*", (FULL|PARTIAL|REFUSED|NEEDLESS), "([^"]*)"\)')

HEAD = """# The Linux system calls of unibase

unibase runs unmodified Linux x86-64 programs, static or with their dynamic loader among the image's
files. This page is made from `kernels/unibase/sys/table.def` by `kernels/unibase/tools/calls-page.py`.

A call that is not listed is named once on the console and answered `ENOSYS`. There is one process:
`fork`, `execve` and a `clone` that is not a thread are refused. Memory is writable and
executable at once only in a program whose recipe declares that it compiles code (`[app] jit = true`);
to others `mmap` and `mprotect` answer `EACCES`. The program is process 1; its threads run on all
processors of the machine. Code, heap, mappings and stack are at random places at each start.

A program on several processors computes on all of them. One at a time is in the kernel, but for page
faults, futexes, clocks, `read` and `pread64` of what is in the page cache, and the copying of what is written to files,
which take locks of their own: two threads read 1.7 to 2.1 times what one does. Two that do nothing but write to files
write 1.2 to 1.5 times what one does in pieces of up to 4 KiB, 1.4 to 2 in pieces of 64 KiB (on Linux 1.7, of a third of the
pace).
"""


TAIL = """
## Programs

Besides the stock recipes these were tried by hand, as their packages hold them, through `uni import`:

| program | |
|---|---|
| Python 3.11, Perl 5.36, Ruby 3.1, LuaJIT | run scripts, with threads, files and sockets where these have them; starting other programs is refused |
| SBCL, Guile 3 | need `[app] jit = true` |
| Node.js 20 | needs `[app] jit = true`; scripts, timers, workers, its own web server asked by `http` and by `fetch`. As `program` its 99 MB are read before it starts; as `path` in a volume they are read as they are used |
| OpenJDK 17 | needs `[app] jit = true`; a pool of threads, sockets; it finds its home by its own place, so say it by `path` in a volume, as `uni import` of an image does |
| etcd 3.4 | elects itself and serves |
| HAProxy, Caddy, h2o, lighttpd with TLS, webfs, tinyproxy, Icecast, Python's http.server, stunnel | answer HTTP, or TLS |
| memcached, Mosquitto, NATS, Prometheus, syncthing, OpenLDAP's slapd, ngIRCd, coturn, chrony, iperf3 | answer their own protocols' first questions |
| BIND, dnsmasq, Avahi | answer over UDP, BIND over TCP too; Avahi joins its group and announces the machine |
| InfluxDB 1.6, Unbound, beanstalkd | start and listen; no more was asked of them |
| Varnish, NSD, mini_httpd, Dropbear's server | make processes, and so cannot run |
| PostgreSQL 15 | its server makes a process for each connection, and so cannot run; `postgres --single`, which takes SQL on the console, does, with `[app] user`, a folder made by `initdb` as content of a writable volume, `PATH` set, and its program among the volume's files besides. A database over the network is MariaDB, a stock recipe |

Of container images, whose programs stay where they are ([import.md](import.md)), these answered with the recipe that import
wrote, made of Debian's packages: Redis and nginx behind a `docker-entrypoint.sh`, memcached, HAProxy, Mosquitto and dnsmasq by their
own users, Python, Ruby and Perl servers, Node.js 18's and OpenJDK 17's own web servers. lighttpd with Debian's settings asks a
script which port to use, and ends; prometheus-node-exporter wants `/sys`, of which there is none, and ends.
"""


def rows():
    with open(TABLE) as f:
        lines = [line.strip() for line in f if line.startswith("UK_CALL(")]
    found = []
    for line in lines:
        m = ROW.fullmatch(line)
        if not m:
            sys.exit(f"calls-page: this row is not understood: {line}")
        found.append((int(m[1]), m[2], m[3], m[4]))
    if found != sorted(set(found)):
        sys.exit("calls-page: the rows are not in order of number")
    return found


def page():
    calls = rows()
    full = [name for _, name, state, _ in calls if state == "FULL"]
    text = HEAD + f"\n## As on Linux ({len(full)})\n\n"
    text += ", ".join(f"`{name}`" for name in full) + "\n"
    for state, title in (("PARTIAL", "In part"), ("REFUSED", "Refused"), ("NEEDLESS", "Refused, and not missed")):
        some = [(number, name, missing) for number, name, s, missing in calls if s == state]
        text += f"\n## {title} ({len(some)})\n\n| number | call | |\n|---|---|---|\n"
        text += "".join(f"| {number} | `{name}` | {missing} |\n" for number, name, missing in some)
    return text + TAIL


def table():
    """As uni/kernel/calls.h says; the names of calls that are absent are those of this machine's headers."""
    with open(NUMBERS) as f:
        linux = {int(number): name for name, number in re.findall(r"#define __NR_(\w+) (\d+)", f.read())}
    calls = {number: f"{number} {name} {state.lower()} {missing}" for number, name, state, missing in rows()}
    calls = {**{number: f"{number} {name} absent" for number, name in linux.items()}, **calls}
    return "".join(calls[number].rstrip() + "\n" for number in sorted(calls))


def main():
    if sys.argv[1:2] == ["--table"]:
        with open(sys.argv[2], "w") as f:
            f.write(table())
        return
    text = page()
    if "--check" in sys.argv[1:]:
        with open(PAGE) as f:
            if f.read() != text:
                sys.exit("calls-page: docs/linux-abi.md is out of date: run "
                         "kernels/unibase/tools/calls-page.py")
        return
    with open(PAGE, "w") as f:
        f.write(text)


if __name__ == "__main__":
    main()
