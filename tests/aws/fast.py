"""The strict double behind a server that takes a thousand blocks a second, each answered after a while.

One thread, since what a request costs is its SHA-256 and its signature; bodies are received in place. Over the limit
a request is refused as EBS does, without a look at it."""

import asyncio
import threading
import time

import double

ROOM = double.BLOCK + 16384


class Limit:
    """A bucket of tokens: so many a second, and as many at once as come while an answer takes."""

    def __init__(self, rate, latency):
        self.rate, self.most = rate, rate * latency
        self.tokens, self.at = self.most, time.monotonic()

    def take(self):
        now = time.monotonic()
        self.tokens = min(self.most, self.tokens + (now - self.at) * self.rate)
        self.at = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


class Connection(asyncio.BufferedProtocol):
    def __init__(self, service):
        self.service, self.transport = service, None
        self.room, self.have, self.wanted, self.head = bytearray(ROOM), 0, None, None

    def connection_made(self, transport):
        self.transport = transport

    def get_buffer(self, _sizehint):
        return memoryview(self.room)[self.have:]

    def buffer_updated(self, size):
        self.have += size
        if self.wanted is None:
            end = self.room.find(b"\r\n\r\n", 0, self.have)
            if end < 0:
                return
            first, *lines = self.room[:end].decode("latin-1").split("\r\n")
            headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            self.head = (*first.split(" ")[:2], headers)
            self.wanted = end + 4 + int(headers.get("content-length", 0))
            if headers.get("expect") == "100-continue":
                self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if self.have < self.wanted:
            return
        body = bytes(memoryview(self.room)[self.wanted - int(self.head[2].get("content-length", 0)):self.wanted])
        self.have, self.wanted = 0, None
        self.service.take(self.transport, double.Request(self.service.account, *self.head, body))


class Service:
    def __init__(self, account, latency, rate):
        self.account, self.latency, self.limit = account, latency, Limit(rate, latency)
        self.throttled, self.url, self.loop = 0, None, None

    def take(self, transport, request):
        if request.action == "PutSnapshotBlock" and not self.limit.take():
            self.throttled += 1
            answer = request.refusal(double.Refused(400, "RequestThrottledException", "too many"))
        else:
            answer = request.answer()
        self.loop.call_later(self.latency - (time.time() - request.arrived), self.send, transport, *answer)

    @staticmethod
    def send(transport, status, body, headers):
        head = "".join(f"{name}: {value}\r\n" for name, value in {**headers, "Content-Length": len(body)}.items())
        if not transport.is_closing():
            transport.write(f"HTTP/1.1 {status} x\r\n{head}\r\n".encode() + body)

    async def listen(self, ready):
        self.loop = asyncio.get_running_loop()
        server = await self.loop.create_server(lambda: Connection(self), "127.0.0.1", 0, backlog=512)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        ready.set()
        await server.serve_forever()


def start(account, latency=0.1, rate=1000):
    """Serves the account on loopback; the service, whose address is `url`."""
    service, ready = Service(account, latency, rate), threading.Event()
    threading.Thread(target=lambda: asyncio.run(service.listen(ready)), daemon=True).start()
    ready.wait()
    return service
