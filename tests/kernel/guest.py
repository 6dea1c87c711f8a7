"""A machine with the echo server (tools/echo.c) on a network that a test makes."""
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading

import boot
import mkimage

STATIC = ("10.9.0.2/24,10.9.0.1", "fd00:9::2/64")


def expect(holds, what):
    if not holds:
        raise AssertionError(what)


class Guest:
    """A machine with the echo server; leaving it ends the server and takes the machine's end."""

    def __init__(self, kernel, program, wire, network=STATIC, memory=32, machine="microvm", more=(), options=()):
        self.folder = tempfile.TemporaryDirectory()
        image, self.record = self.path("image"), self.path("record")
        words = ["--kernel", kernel, "-o", image, "--program", program, "--log", "2"]
        words += [*options, "--hostname", "guest"]
        words += [w for n in network for w in ("--network", n)]
        with open(image, "wb") as f:
            f.write(mkimage.build(mkimage.options().parse_args(words)))
        self.wire = wire(self.folder.name)
        device = "virtio-net-device" if machine == "microvm" else "virtio-net-pci"
        self.qemu = subprocess.Popen(
            boot.command(image, machine, memory, self.record, self.wire.options(device) + [*more] +
                         ["-qmp", f"unix:{self.path('qmp')},server=on,wait=off"]),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        self.console, self.changed = b"", threading.Condition()
        threading.Thread(target=self.read, daemon=True).start()

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def read(self):
        while True:
            part = os.read(self.qemu.stdout.fileno(), 4096)
            with self.changed:
                self.console += part
                self.changed.notify_all()
            if not part:
                return

    def says(self, text, timeout=120):
        with self.changed:
            return self.changed.wait_for(lambda: text in self.console, timeout)

    def monitor(self, command, **arguments):
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(self.path("qmp"))
            lines = s.makefile("rw")
            for ask in ({"execute": "qmp_capabilities"}, {"execute": command, "arguments": arguments}):
                lines.write(json.dumps(ask) + "\n")
                lines.flush()
                while "return" not in (answer := json.loads(lines.readline() or '{"return": 0}')):
                    expect("error" not in answer, f"QEMU refuses: {answer}")

    def __enter__(self):
        expect(self.says(b"ready"), "the server does not start")
        return self

    def __exit__(self, kind, value, trace):
        try:
            if kind is None:
                for _ in range(240):
                    self.wire.quit()
                    try:
                        self.qemu.wait(0.5)
                        break
                    except subprocess.TimeoutExpired:
                        pass
                expect(self.qemu.poll() == 1, "the server does not end")
        finally:
            self.qemu.kill()
            self.qemu.wait()
            if sys.exc_info()[0] or kind:
                sys.stderr.write(self.console.decode(errors="replace"))
            self.folder.cleanup()


def expect(holds, what):
    if not holds:
        raise AssertionError(what)
