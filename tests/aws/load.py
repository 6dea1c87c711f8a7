"""What a service of blocks takes at most: the same block again and again, signed beforehand, by nothing but sockets."""

import base64
import datetime
import hashlib
import http.client
import json
import selectors
import socket
import urllib.parse

import double

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
REGION = "eu-central-1"


def head(host, method, target, payload, more, secret=SECRET):
    """A request's headers, signed."""
    date = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    scope = [date[:8], REGION, "ebs", "aws4_request"]
    headers = {"host": host, "x-amz-content-sha256": payload, "x-amz-date": date, **more}
    signed = sorted(headers)
    mark = double.signature(secret, method, target, "", headers, signed, payload, scope, date)
    headers["authorization"] = (f"AWS4-HMAC-SHA256 Credential={'/'.join(['AKIDEXAMPLE', *scope])}, "
                                f"SignedHeaders={';'.join(signed)}, Signature={mark}")
    return headers


def send(host, method, target, body, headers):
    """One request, and what is answered."""
    connection = http.client.HTTPConnection(host)
    connection.request(method, target, body, headers)
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    if answer.status >= 300:
        raise OSError(f"{target}: {answer.status} {data}")
    return json.loads(data)


def call(host, method, target, body=b"", more=None):
    return send(host, method, target, body, head(host, method, target, hashlib.sha256(body).hexdigest(), more or {}))


def put(host, snapshot, index, body, more, secret=SECRET):
    target = f"/snapshots/{snapshot}/blocks/{index}"
    return send(host, "PUT", target, body, head(host, "PUT", target, "UNSIGNED-PAYLOAD", more, secret))


def complete(host, snapshot, digest, blocks):
    """Seals one whose blocks all have that digest."""
    linear = base64.b64encode(hashlib.sha256(digest * blocks).digest()).decode()
    call(host, "POST", f"/snapshots/completion/{snapshot}", b"",
         {"x-amz-changedblockscount": str(blocks), "x-amz-checksum": linear,
          "x-amz-checksum-aggregation-method": "LINEAR", "x-amz-checksum-algorithm": "SHA256"})


def put_head(host, snapshot, index, checksum):
    """As bytes, to be sent often."""
    target = f"/snapshots/{snapshot}/blocks/{index}"
    headers = head(host, "PUT", target, "UNSIGNED-PAYLOAD",
                   {"x-amz-checksum": checksum, "x-amz-checksum-algorithm": "SHA256",
                    "x-amz-data-length": str(double.BLOCK)})
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"PUT {target} HTTP/1.1\r\nContent-Length: {double.BLOCK}\r\n{lines}\r\n".encode()


class Connection:
    """One request at a time."""

    def __init__(self, address):
        self.socket = socket.create_connection(address)
        self.socket.setblocking(False)
        self.index, self.parts = None, []

    def begin(self, index, request, block):
        self.index, self.parts = index, [memoryview(request), block]

    def go_on(self):
        """Sends what goes; true when all is sent."""
        try:
            while self.parts:
                self.parts[0] = self.parts[0][self.socket.send(self.parts[0]):]
                if not self.parts[0]:
                    self.parts.pop(0)
        except BlockingIOError:
            return False
        return True


class Load:
    """Blocks on many connections, each sent until it is taken."""

    def __init__(self, requests, block):
        self.requests, self.block, self.todo = requests, block, list(range(len(requests)))
        self.selector, self.taken = selectors.DefaultSelector(), 0

    def watch(self, connection):
        self.selector.modify(connection.socket, selectors.EVENT_READ if connection.go_on() else selectors.EVENT_WRITE,
                             connection)

    def give(self, connection):
        if not self.todo:
            self.selector.unregister(connection.socket)
            connection.socket.close()
            return
        index = self.todo.pop()
        connection.begin(index, self.requests[index], self.block)
        self.watch(connection)

    def hear(self, connection):
        answer = connection.socket.recv(65536)
        if answer.startswith(b"HTTP/1.1 201"):
            self.taken += 1
        elif b"RequestThrottledException" in answer:
            self.todo.append(connection.index)
        else:
            raise OSError(answer.decode())
        self.give(connection)

    def run(self, address, at_once):
        for _ in range(min(at_once, len(self.requests))):
            connection = Connection(address)
            self.selector.register(connection.socket, selectors.EVENT_READ, connection)
            self.give(connection)
        while self.taken < len(self.requests):
            for key, events in self.selector.select():
                if events & selectors.EVENT_WRITE:
                    self.watch(key.data)
                else:
                    self.hear(key.data)


def run(url, blocks, at_once=128):
    """Makes a snapshot of so many blocks."""
    host = urllib.parse.urlparse(url).netloc
    body = bytes([7]) * double.BLOCK
    digest = hashlib.sha256(body).digest()
    name = call(host, "POST", "/snapshots", json.dumps({"VolumeSize": -(-blocks // 2048)}).encode())["SnapshotId"]
    checksum = base64.b64encode(digest).decode()
    requests = [put_head(host, name, i, checksum) for i in range(blocks)]
    Load(requests, memoryview(body)).run(tuple(host.split(":")), at_once)
    complete(host, name, digest, blocks)
