"""Debian's docker-registry for scenarios, on a port of its own."""

import os
import socket
import subprocess
import time

import scenario


class Registry(scenario.Scenario):
    def setUp(self):
        super().setUp()
        self.env["no_proxy"] = "127.0.0.1,localhost"
        self.host = f"127.0.0.1:{scenario.free_port()}"
        config = self.path("registry.yml")
        with open(config, "w", encoding="ascii") as f:
            f.write("version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: " + self.path("registry") +
                    f"\nhttp:\n  addr: {self.host}\n" + self.configure())
        self.start()
        self.addCleanup(self.stop)

    def start(self):
        with open(self.path("registry.log"), "ab") as log:
            self.server = subprocess.Popen(["docker-registry", "serve", self.path("registry.yml")], stdout=log,
                                           stderr=log, env={**os.environ, "OTEL_TRACES_EXPORTER": "none"})
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            try:
                socket.create_connection(tuple(self.host.rsplit(":", 1)), timeout=1).close()
                break
            except OSError:
                time.sleep(0.05)

    def stop(self):
        self.server.kill()
        self.server.wait()

    def configure(self):
        return ""

    def log(self):
        with open(self.path("registry.log"), encoding="utf-8", errors="replace") as f:
            return f.read()

    def uploads(self):
        """Blobs that were sent so far."""
        return len([line for line in self.log().split("\n") if "http.request.method=PUT" in line
                    and "/blobs/uploads/" in line and "response completed" in line])
