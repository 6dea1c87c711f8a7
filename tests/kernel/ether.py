"""A host that speaks Ethernet with a guest, frame by frame, over QEMU's datagram netdev: for tests that
send what no operating system would."""
import os
import select
import socket
import struct
import time

GUEST_MAC, MAC = bytes.fromhex("525400123456"), bytes.fromhex("020000000001")
IP, GUEST = socket.inet_aton("10.9.0.1"), socket.inet_aton("10.9.0.2")
IP6, GUEST6 = (socket.inet_pton(socket.AF_INET6, a) for a in ("fd00:9::1", "fd00:9::2"))
ARP, IPV4, IPV6 = 0x806, 0x800, 0x86DD
ICMP, TCP, UDP, ICMP6 = 1, 6, 17, 58
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def ether(kind, payload, to=GUEST_MAC, source=MAC):
    return to + source + struct.pack(">H", kind) + payload


def ip4(protocol, payload, source=IP, to=GUEST, ident=0, fragment=0, ttl=64):
    """An Ethernet frame; `fragment`: flags and offset as in the header."""
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(payload), ident, fragment, ttl, protocol, 0) + source + to
    return ether(IPV4, head[:10] + struct.pack(">H", checksum(head)) + head[12:] + payload)


def ip6(protocol, payload, source=IP6, to=GUEST6, hops=64, mac=GUEST_MAC):
    return ether(IPV6, struct.pack(">IHBB", 6 << 28, len(payload), protocol, hops) + source + to + payload, mac)


def pseudo(protocol, size, source, to):
    if len(source) == 4:
        return source + to + struct.pack(">BBH", 0, protocol, size)
    return source + to + struct.pack(">II", size, protocol)


def transport(protocol, payload, source, to):
    """The payload with its checksum, which must be 0 in it, filled in."""
    at = {TCP: 16, UDP: 6, ICMP6: 2}[protocol]
    total = checksum(pseudo(protocol, len(payload), source, to) + payload) or 0xFFFF
    return payload[:at] + struct.pack(">H", total) + payload[at + 2:]


def packet(protocol, payload, source=IP, to=GUEST, **more):
    payload = transport(protocol, payload, source, to)
    return (ip4 if len(source) == 4 else ip6)(protocol, payload, source, to, **more)


def tcp(port, to_port, seq, ack, flags, data=b"", window=65535, options=b"", source=IP, to=GUEST):
    head = struct.pack(">HHIIBBHHH", port, to_port, seq & 0xFFFFFFFF, ack & 0xFFFFFFFF,
                       (20 + len(options)) // 4 << 4, flags, window, 0, 0)
    return packet(TCP, head + options + data, source, to)


def udp(port, to_port, data, source=IP, to=GUEST):
    return packet(UDP, struct.pack(">HHHH", port, to_port, 8 + len(data), 0) + data, source, to)


class Segment:
    """A TCP segment of the guest's."""

    def __init__(self, data):
        self.source, self.to, self.seq, self.ack, size, self.flags, self.window = struct.unpack_from(
            ">HHIIBBH", data)
        self.data = data[(size >> 4) * 4:]


class Wire:
    """The other end of the guest's cable. Answers ARP and neighbour solicitations by itself."""

    def __init__(self, folder, capture=None):
        self.ours, self.theirs = os.path.join(folder, "host"), os.path.join(folder, "guest")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.ours)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self.known = None  # what answers DHCP and such: a function of a frame
        self.answers = True

    def options(self, device="virtio-net-device"):
        return ["-netdev", f"dgram,id=n,local.type=unix,local.path={self.theirs},"
                           f"remote.type=unix,remote.path={self.ours}",
                "-device", f"{device},netdev=n,id=card,mac={GUEST_MAC.hex(':')}"]

    def send(self, frame):
        for _ in range(600):
            try:
                self.socket.sendto(frame.ljust(60, b"\0"), self.theirs)
                return
            except (FileNotFoundError, ConnectionRefusedError):
                time.sleep(0.1)
        raise TimeoutError("no guest on the wire")

    def answer(self, frame):
        kind, = struct.unpack_from(">H", frame, 12)
        if kind == ARP and frame[20:22] == b"\0\1" and frame[38:42] != frame[28:32]:
            self.send(ether(ARP, struct.pack(">HHBBH", 1, IPV4, 6, 4, 2) + MAC + frame[38:42] + frame[22:32]))
        elif kind == IPV6 and frame[20] == ICMP6 and frame[54] == 135 and frame[22:38] != bytes(16):
            told = struct.pack(">BBHI", 136, 0, 0, 0x60000000) + frame[62:78] + b"\2\1" + MAC
            self.send(packet(ICMP6, told, frame[62:78], frame[22:38], hops=255))
        else:
            return False
        return True

    def frames(self, timeout=60.0):
        """What the guest sends, until nothing came for `timeout` seconds."""
        while select.select([self.socket], [], [], timeout)[0]:
            frame = self.socket.recv(70000)
            if not (self.answers and self.answer(frame)):
                yield frame

    def drain(self):
        for _ in self.frames(0.0):
            pass

    def payload(self, protocol, wanted, timeout=60.0):
        """The first payload of this protocol for which wanted(payload) holds; None after the timeout."""
        end = time.monotonic() + timeout
        for frame in self.frames(timeout):
            kind, = struct.unpack_from(">H", frame, 12)
            if kind == IPV4 and frame[23] == protocol:
                size, = struct.unpack_from(">H", frame, 16)
                data = frame[14 + (frame[14] & 15) * 4:14 + size]
            elif kind == IPV6 and frame[20] == protocol:
                size, = struct.unpack_from(">H", frame, 18)
                data = frame[54:54 + size]
            else:
                data = None
            if data is not None and wanted(data):
                return data
            if time.monotonic() > end:
                return None
        return None

    def quit(self):
        """May come again while the guest is about to end: one that has gone does not hear it."""
        self.drain()
        try:
            self.socket.sendto(udp(3001, 7, b"quit").ljust(60, b"\0"), self.theirs)
        except (FileNotFoundError, ConnectionRefusedError):
            pass

    def segment(self, port, wanted=lambda s: True, timeout=60.0):
        found = self.payload(TCP, lambda d: Segment(d).to == port and wanted(Segment(d)), timeout)
        return Segment(found) if found is not None else None

    def ask(self, data, port=3000, source=IP, to=GUEST, tries=60, at=7):
        """The answer of the guest's UDP port."""
        for _ in range(tries):
            self.send(udp(port, at, data, source, to))
            found = self.payload(UDP, lambda d: d[:4] == struct.pack(">HH", at, port), 1.0)
            if found is not None:
                return found[8:]
        return None


class Client:
    """A TCP connection to the guest, as far as a test needs one: nothing is sent again."""

    def __init__(self, wire, port, to_port=7, source=IP, to=GUEST, window=65535, timeout=60.0):
        self.wire, self.port, self.to_port, self.window = wire, port, to_port, window
        self.ends = {"source": source, "to": to}
        self.seq, self.ack = port * 7919, 0
        self.put(SYN, options=b"\2\4\5\xb4")
        answer = wire.segment(port, lambda s: s.flags & (SYN | RST) != 0, timeout)
        self.open = answer is not None and answer.flags & SYN != 0
        if self.open:
            self.seq += 1
            self.ack = answer.seq + 1
            self.put(ACK)

    def put(self, flags, data=b"", options=b""):
        self.wire.send(tcp(self.port, self.to_port, self.seq, self.ack, flags, data, self.window, options,
                           **self.ends))
        if flags & SYN == 0:
            self.seq += len(data)

    def echo(self, data):
        """Sends what fits a segment; whether the same came back."""
        self.put(ACK | PSH, data)
        got = b""
        while len(got) < len(data):
            answer = self.wire.segment(self.port, lambda s: s.data and s.seq == self.ack & 0xFFFFFFFF)
            if answer is None:
                return False
            got += answer.data
            self.ack += len(answer.data)
            self.put(ACK)
        return got == data

    def reset(self):
        self.put(RST | ACK)
