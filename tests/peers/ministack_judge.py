#!/usr/bin/env python3
"""ministack registers the image that uni pushes, and boto3 reads from it what was registered.

It has no EBS direct API, and no snapshots that it knows of came from there: those calls go to the strict double, the rest to
ministack, as it came. What ministack says of the image must be what the NAME.ami folder asks for; fields of which it keeps
nothing are compared by requests_judge."""

import http.client
import http.server
import os
import shutil
import socket
import socketserver
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

import boto3

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests/aws"))
import double  # noqa: E402
import requests_judge  # noqa: E402
import ec2_judge  # noqa: E402
import scenario  # noqa: E402

REGION = requests_judge.REGION
KEPT = ("Name", "Description", "Architecture", "VirtualizationType", "RootDeviceName")
# What has snapshots in it that ministack has not.
OURS = {"DescribeSnapshots", "DeleteSnapshot"}


def start_ministack(folder):
    port = scenario.free_port()
    with open(os.path.join(folder, "ministack.log"), "wb") as log:
        server = subprocess.Popen([os.path.join(os.path.dirname(sys.executable), "ministack")], stdout=log, stderr=log,
                                  cwd=folder, env={**os.environ, "GATEWAY_PORT": str(port), "BIND_HOST": "127.0.0.1"})
    for _ in range(3000):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return server, port
        except OSError:
            time.sleep(0.1)
    raise SystemExit("ministack does not start")


def front(port, account):
    """A server before both."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, *args):
            pass

        def reply(self, status, body, headers):
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def serve(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = dict(self.headers.items())
            form = dict(urllib.parse.parse_qsl(body.decode())) if self.path == "/" else {}
            if self.path != "/" or form.get("Action") in OURS:
                asked = double.Request(account, self.command, self.path, {k.lower(): v for k, v in headers.items()}, body)
                return self.reply(*asked.answer())
            there = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
            there.request(self.command, self.path, body, headers)
            answer = there.getresponse()
            self.reply(answer.status, answer.read(), {"Content-Type": answer.getheader("Content-Type")})
            return there.close()

        do_GET = do_PUT = do_POST = serve

    class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
        daemon_threads = True
        request_queue_size = 512

    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def judge(uni, ec2, account):
    out = uni.run("push", "out/judged.ami", f"ec2://{REGION}/", "--tag", "team=web")
    made = next(line.split()[2] for line in out.split("\n") if line.startswith("image"))
    images = ec2.describe_images(Owners=["self"])["Images"]
    assert [image["ImageId"] for image in images] == [made], images
    image = images[0]
    for key in KEPT:
        assert image[key] == uni.image(key), (key, image[key], uni.image(key))
    assert image["RootDeviceType"] == "ebs", image
    tags = {t["Key"]: t["Value"] for t in image["Tags"]}
    wanted = {t["Key"]: t["Value"] for t in uni.image("TagSpecifications")[0]["Tags"]}
    assert tags == {**wanted, "team": "web"}, tags
    mappings = image["BlockDeviceMappings"]
    assert len(mappings) == len(uni.image("BlockDeviceMappings")) == 3
    for mapping, asked in zip(mappings, uni.image("BlockDeviceMappings")):
        ebs = dict(mapping["Ebs"])
        snapshot = account.disks[ebs.pop("SnapshotId")]
        assert snapshot["state"] == "completed" and snapshot["size"] == ebs["VolumeSize"], snapshot
        assert mapping["DeviceName"] == asked["DeviceName"], mapping
        assert {key: ebs[key] for key in asked["Ebs"]} == asked["Ebs"], (ebs, asked)
    # It finds what it pushed, lists, shows and removes it.
    assert "found" in uni.run("push", "out/judged.ami", f"ec2://{REGION}/")
    assert made in uni.run("ami", "list", f"ec2://{REGION}")
    assert "team=web" in uni.run("ami", "show", f"ec2://{REGION}/{image['Name']}")
    uni.run("ami", "deregister", f"ec2://{REGION}/{made}")
    assert ec2.describe_images(Owners=["self"])["Images"] == [] and not account.snapshots
    return len(mappings)


def main():
    work = tempfile.mkdtemp(prefix="uni-ministack-")
    uni = requests_judge.Uni(work)
    server, port = start_ministack(work)
    try:
        before = front(port, uni.account)
        uni.env["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{before.server_address[1]}"
        ec2_judge.build(work, uni.env)
        ec2 = boto3.client("ec2", region_name=REGION, endpoint_url=f"http://127.0.0.1:{port}",
                           aws_access_key_id="AKIDEXAMPLE", aws_secret_access_key=requests_judge.SECRET)
        print(f"ministack registered what was asked for, with {judge(uni, ec2, uni.account)} mappings")
    finally:
        server.kill()
        server.wait()
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
