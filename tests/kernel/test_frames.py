#!/usr/bin/python3
"""A guest on a cable whose other end is this script: floods, fragments, garbage, peers that stop.

  test_frames.py UNIBASE.ELF ECHO [SCENARIO...]

After each trouble the guest must still answer what is in order.
"""
import random
import re
import socket
import struct
import sys
import time

import ether
from ether import ACK, FIN, IP6, GUEST6, RST, SYN, Client, Wire
from guest import Guest, expect

IGMP = 2


def leave(wire, client):
    """Both sides close; whether the other one did."""
    client.put(FIN | ACK)
    closed = wire.segment(client.port, lambda s: s.flags & FIN) is not None
    client.seq += 1
    client.ack += 1
    client.put(ACK)
    return closed


def in_order(guest, port, what):
    """Datagrams and a connection over both versions of the protocol."""
    guest.wire.drain()
    for offset, (source, to) in enumerate(((ether.IP, ether.GUEST), (IP6, GUEST6))):
        expect(guest.wire.ask(b"there?", 3000 + port % 1000, source, to) == b"there?", f"{what}: no datagram back")
        client = Client(guest.wire, port + offset, source=source, to=to)
        expect(client.open, f"{what}: no connection")
        expect(client.echo(b"some text" * 100), f"{what}: no echo")
        expect(leave(guest.wire, client), f"{what}: no end")


def ping(guest):
    wire = guest.wire
    for size in (0, 56, 1400):
        data = bytes(range(256)) * 6
        request = struct.pack(">BBHHH", 8, 0, 0, 77, size) + data[:size]
        request = request[:2] + struct.pack(">H", ether.checksum(request)) + request[4:]
        wire.send(ether.ip4(ether.ICMP, request))
        expect(wire.payload(ether.ICMP, lambda d, r=request: d[0] == 0 and d[4:] == r[4:]), f"no pong of {size}")
        six = struct.pack(">BBHHH", 128, 0, 0, 77, size) + data[:size]
        wire.send(ether.packet(ether.ICMP6, six, IP6, GUEST6))
        expect(wire.payload(ether.ICMP6, lambda d, r=six: d[0] == 129 and d[4:] == r[4:]), f"no pong of {size} (6)")
    in_order(guest, 4000, "ping")


def syn_flood(guest):
    """From everywhere, more than there can be connections; then a client, while the flood goes on."""
    wire, dice = guest.wire, random.Random(1)

    def flood(count):
        for i in range(count):
            source = bytes([10, 9, dice.randrange(1, 255), dice.randrange(256)])
            wire.send(ether.tcp(dice.randrange(1024, 65536), 7, dice.getrandbits(32), 0, SYN,
                                options=b"\2\4\5\xb4", source=source))
            if i % 64 == 0:
                wire.drain()
    flood(5000)
    in_order(guest, 4100, "after a flood of SYN")
    answered = 0
    for i in range(20):
        flood(100)
        wire.drain()
        client = Client(wire, 4200 + i, timeout=30.0)
        if client.open:
            flood(100)
            answered += client.echo(b"x" * 1000)
            client.reset()
    expect(answered >= 18, f"only {answered} of 20 connections in the flood")


def half_open(guest):
    """One peer with thousands of connections that it never completes, and acknowledgements nobody asked for."""
    wire = guest.wire
    for i in range(4000):
        wire.send(ether.tcp(10000 + i, 7, i, 0, SYN, options=b"\2\4\5\xb4"))
        wire.send(ether.tcp(20000 + i, 7, i, i * 65537, ACK))
        if i % 64 == 0:
            wire.drain()
    in_order(guest, 4300, "thousands half open")


def fragments(guest):
    wire, dice = guest.wire, random.Random(2)
    datagram = bytes(dice.getrandbits(8) for _ in range(8000))
    whole = struct.pack(">HHHH", 3100, 7, 8 + len(datagram), 0) + datagram
    whole = ether.transport(ether.UDP, whole, ether.IP, ether.GUEST)
    pieces = [(at, whole[at:at + 1400]) for at in range(0, len(whole), 1400)]

    def send(some, ident):
        for at, piece in some:
            more = 0x2000 if at + len(piece) < len(whole) else 0
            wire.send(ether.ip4(ether.UDP, piece, ident=ident, fragment=more | at // 8))

    def came_back():
        """The answer is in fragments as well."""
        got = {}
        for frame in wire.frames(60.0):
            if frame[12:14] == b"\x08\0" and frame[23] == ether.UDP:
                size, _, offset = struct.unpack_from(">HHH", frame, 16)
                got[(offset & 0x1FFF) * 8] = frame[34:14 + size]
            if sum(len(p) for p in got.values()) == len(whole):
                break
        return b"".join(got[at] for at in sorted(got))[8:] == datagram
    send(pieces, 1)
    expect(came_back(), "a datagram in fragments does not come back")
    send(pieces[::-1], 2)
    expect(came_back(), "fragments in another order")
    # Never completed, overlapping, beyond 64 KiB, of nothing.
    for i in range(3000):
        send(pieces[:1] if i % 2 else pieces[3:4], 100 + i)
    for i in range(300):
        at = dice.randrange(0, 3000, 8)
        wire.send(ether.ip4(ether.UDP, bytes(1400), ident=7, fragment=0x2000 | at // 8))
        wire.send(ether.ip4(ether.ICMP, bytes(1400), ident=i, fragment=0x1FFF))
        wire.send(ether.ip4(ether.TCP, b"", ident=i, fragment=0x2000))
        wire.send(ether.ip6(44, struct.pack(">BBHI", 17, 0, at | 1, i) + bytes(1200), IP6, GUEST6))
        wire.send(ether.ip6(44, struct.pack(">BBHI", 58, 0, 0xFFF9, i) + bytes(16), IP6, GUEST6))
    in_order(guest, 4400, "fragments")


def fuzz(guest, rounds=40000, seed=3):
    """What is nearly in order: bits turned, cut, grown, and noise."""
    wire, dice = guest.wire, random.Random(seed)
    client = Client(wire, 4500)
    expect(client.open, "no connection")
    known = [
        ether.tcp(4500, 7, client.seq, client.ack, ACK, b"data" * 20),
        ether.tcp(4501, 7, 1, 0, SYN, options=b"\2\4\5\xb4\4\2\3\3\7\1\1\1"),
        ether.tcp(4502, 7, 1, 1, RST),
        ether.tcp(4503, 19, 1, 0, SYN, options=b"\2\4\5\xb4", source=IP6, to=GUEST6),
        ether.udp(3200, 9999, b"nobody"), ether.udp(3200, 7, b"text", IP6, GUEST6),
        ether.ip4(ether.ICMP, struct.pack(">BBHHH", 8, 0, 0, 1, 1) + bytes(20)),
        ether.ip4(ether.ICMP, struct.pack(">BBHI", 3, 3, 0, 0) + ether.udp(7, 3200, b"x")[14:]),
        ether.packet(ether.ICMP6, struct.pack(">BBHI", 134, 0, 0, 0x40000708) + bytes(8) +
                     b"\3\4\x40\xc0" + bytes(8) + IP6 + b"\x19\3\0\0\0\0\1\0" + IP6, IP6, GUEST6, hops=255),
        ether.packet(ether.ICMP6, struct.pack(">BBHI", 135, 0, 0, 0) + GUEST6 + b"\1\1" + ether.MAC, IP6, GUEST6,
                     hops=255),
        ether.packet(ether.ICMP6, struct.pack(">BBHHH", 130, 0, 0, 0, 0) + bytes(16), IP6, GUEST6),
        ether.ip6(0, struct.pack(">BB", 58, 0) + b"\1\4\0\0\0\0" + bytes(24), IP6, GUEST6),
        ether.ip6(43, struct.pack(">BBBBI", 17, 2, 0, 1, 0) + bytes(24), IP6, GUEST6),
        ether.ip6(44, struct.pack(">BBHI", 17, 0, 1, 5) + bytes(64), IP6, GUEST6),
        ether.ether(ether.ARP, struct.pack(">HHBBH", 1, ether.IPV4, 6, 4, 1) + ether.MAC + ether.IP + bytes(6) +
                    ether.GUEST),
        ether.udp(67, 68, bytes(300), to=ether.GUEST),
    ]
    for i in range(rounds):
        frame = bytearray(dice.choice(known))
        for _ in range(dice.choice((1, 1, 1, 2, 4, 16))):
            at = dice.randrange(12, len(frame))
            frame[at] = dice.choice((0, 1, 0x7F, 0x80, 0xFF, dice.getrandbits(8), frame[at] ^ 1 << dice.randrange(8)))
        how = dice.randrange(10)
        if how == 0:
            frame = frame[:dice.randrange(14, len(frame) + 1)]
        elif how == 1:
            frame += dice.randbytes(dice.randrange(1, 1400))
        elif how == 2:
            frame = frame[:14] + dice.randbytes(dice.randrange(1, 1500))
        elif how == 3 and frame[12:14] == b"\x08\0" and len(frame) > 34:
            # A header that is right again, so that what is inside is looked at.
            frame[24:26] = b"\0\0"
            frame[24:26] = struct.pack(">H", ether.checksum(bytes(frame[14:34])))
        if b"quit" not in frame:
            wire.send(bytes(frame))
        if i % 32 == 0:
            wire.drain()
    in_order(guest, 4600, "garbage")


def stops_reading(guest):
    """Peers that ask for everything and take nothing: their windows stay shut."""
    wire = guest.wire
    for i in range(300):
        client = Client(wire, 5000 + i, 19, window=2000)
        expect(client.open, f"peer {i} does not get in")
        wire.send(ether.tcp(5000 + i, 19, client.seq, client.ack, ACK, window=0))
    for i in range(100):  # and such whom the server does not read from
        client = Client(wire, 5400 + i, 9)
        for _ in range(20):
            client.put(ACK, bytes(1400))
        wire.drain()
    in_order(guest, 5600, "peers that stopped")


def too_many(guest):
    """Connections beyond the limit are refused, and there is room again when some end."""
    wire, clients = guest.wire, []
    for i in range(1000):
        client = Client(wire, 6000 + i, timeout=10.0)
        if not client.open:
            break
        clients.append(client)
    # How many memory of this size carries is the kernel's affair; some hundreds it must be.
    expect(200 <= len(clients) < 1000, f"{len(clients)} connections before one was refused")
    expect(clients[0].echo(b"still there") and clients[-1].echo(b"still there"), "an old connection is lost")
    for client in clients:
        client.reset()
    in_order(guest, 7600, "too many")


def link_goes(guest):
    wire = guest.wire
    client = Client(wire, 8000)
    expect(client.open and client.echo(b"before"), "no connection")
    guest.monitor("set_link", name="card", up=False)
    expect(guest.says(b"link is down"), "it is not said that the link is down")
    expect(wire.ask(b"anybody?", tries=1) is None, "an answer without a link")
    guest.monitor("set_link", name="card", up=True)
    expect(guest.says(b"link is up"), "it is not said that the link is up")
    expect(client.echo(b"after"), "the connection did not outlive it")
    client.reset()
    in_order(guest, 8100, "link")


def multicast(guest):
    """Groups are joined, reported when asked for, heard, told and left; others are not heard."""
    wire, group, group6 = guest.wire, socket.inet_aton("239.9.9.9"), socket.inet_pton(socket.AF_INET6, "ff02::9:9")
    other, all4, all6 = socket.inet_aton("239.9.9.8"), socket.inet_aton("224.0.0.1"), b"\xff\2" + bytes(13) + b"\1"

    def send4(protocol, payload, to):
        wire.send(ether.ether(ether.IPV4, ether.ip4(protocol, payload, to=to, ttl=1)[14:],
                              b"\x01\0\x5e" + bytes([to[1] & 0x7F]) + to[2:]))

    def heard(to):
        """Whether a datagram to the group is answered."""
        data = struct.pack(">HHHH", 3400, 7, 12, 0) + b"news"
        if len(to) == 4:
            send4(ether.UDP, ether.transport(ether.UDP, data, ether.IP, to), to)
        else:
            wire.send(ether.packet(ether.UDP, data, IP6, to, mac=b"\x33\x33" + to[12:]))
        wire.send(ether.udp(3402, 7, b"behind it", *((ether.IP, ether.GUEST) if len(to) == 4 else (IP6, GUEST6))))
        ports = []
        wire.payload(ether.UDP, lambda d: ports.append(struct.unpack_from(">H", d, 2)[0]) or ports[-1] == 3402)
        return 3400 in ports

    def reported(kind, kind6):
        """IGMP's and MLD's word for the two groups, in whatever order."""
        seen = set()
        for frame in wire.frames(60.0):
            if frame[12:14] == b"\x08\0" and frame[23] == IGMP:
                seen.add((frame[38], frame[42:46]))
            elif frame[12:14] == b"\x86\xdd" and frame[20] == 0 and frame[54] == ether.ICMP6:
                seen.add((frame[62], frame[70:86]))
            if {(kind, group), (kind6, group6)} <= seen:
                return True
        return False
    expect(not heard(group) and not heard(group6), "heard without having joined")
    wire.send(ether.udp(3401, 7, b"join"))
    expect(reported(0x16, 131), "joining is not reported")
    expect(heard(group) and heard(group6), "groups are not heard")
    expect(not heard(other), "another group is heard")
    query = struct.pack(">BBH", 0x11, 10, 0) + bytes(4)
    send4(IGMP, query[:2] + struct.pack(">H", ether.checksum(query)) + query[4:], all4)
    wire.send(ether.packet(ether.ICMP6, struct.pack(">BBHHH", 130, 0, 0, 1000, 0) + bytes(16), IP6, all6, hops=1,
                           mac=b"\x33\x33\0\0\0\1"))
    expect(reported(0x16, 131), "who asks for members gets no answer")
    wire.send(ether.udp(3401, 7, b"tell"))
    told = []
    for frame in wire.frames():
        told += [frame] if b"told" in frame else []
        if frame[34:38] == struct.pack(">HH", 7, 3401):
            break
    expect([(f[:6], f[22] if f[12] == 8 else f[21]) for f in told] ==
           [(b"\x01\0\x5e\x09\x09\x09", 1), (b"\x33\x33\0\x09\0\x09", 1)], f"told: {told}")
    wire.send(ether.udp(3401, 7, b"leav"))
    expect(reported(0x17, 132), "leaving is not reported")
    expect(not heard(group) and not heard(group6), "heard after leaving")
    in_order(guest, 4800, "groups")


def idle(guest):
    """A machine with connections and nothing to do takes no interrupts: one may end the program's own sleep."""
    wire = guest.wire
    clients = [Client(wire, 4600 + i) for i in range(3)]
    expect(all(c.open and c.echo(b"before") for c in clients), "no connections")
    leave(wire, clients[2])
    # In the middle of the silence the guest asks whether this one is still there.
    watched = Client(wire, 4603, to_port=9)
    wire.send(ether.udp(3300, 7, b"idle"))
    asked = wire.segment(watched.port, lambda s: s.seq == (watched.ack - 1) & 0xFFFFFFFF, 120.0)
    expect(asked is not None, "keep-alive is forgotten")
    watched.reset()
    found = wire.payload(ether.UDP, lambda d: d[:4] == struct.pack(">HH", 7, 3300), 120.0)
    expect(found is not None, "it does not wake up")
    expect(0 < int(found[8:]) <= 3, f"{int(found[8:])} interrupts in 4 idle seconds")
    expect(all(c.echo(b"after") for c in clients[:2]), "connections did not outlive it")
    in_order(guest, 4700, "idle")


def dhcp_answer(request, kind):
    """An offer (2) or acknowledgement (5) of DHCP (RFC 2131) for GUEST."""
    head = b"\2\1\6\0" + request[4:8] + bytes(8) + ether.GUEST + bytes(8) + request[28:44] + bytes(192)
    options = b"\x63\x82\x53\x63" + bytes([53, 1, kind]) + b"\x36\4" + ether.IP + b"\x33\4\0\0\x0e\x10"
    options += b"\1\4\xff\xff\xff\0\3\4" + ether.IP + b"\6\4\x0a\x09\0\x35\xff"
    data = struct.pack(">HHHH", 67, 68, 8 + len(head + options), 0) + head + options
    return ether.ether(ether.IPV4, ether.ip4(ether.UDP, data, ether.IP, b"\xff\xff\xff\xff")[14:], b"\xff" * 6)


def dhcp(guest):
    """Nobody answered while it started: said, and asked for again."""
    expect(guest.says(b"no answer from a DHCP server"), "it is not said that DHCP does not answer")
    asked = 0
    for frame in guest.wire.frames(120.0):
        if frame[12:14] != b"\x08\0" or frame[23] != ether.UDP or frame[36:38] != b"\0\x43":
            continue
        asked += 1
        options = frame[42 + 240:]
        kind = options[options.index(b"\x35\1") + 2]
        if asked > 1:
            guest.wire.send(dhcp_answer(frame[42:], 2 if kind == 1 else 5))
        if kind == 3:
            break
    expect(guest.says(b"network address 10.9.0.2"), "no address though DHCP answers")
    expect(guest.wire.ask(b"there?") == b"there?", "no answer at the address")


def ntp_answer(request, seconds, **wrong):
    """The time since 1970 is `seconds`; `wrong` spoils fields."""
    stamp = struct.pack(">II", int(seconds) + 2208988800, int(seconds % 1 * 2**32))
    fields = {"mode": 0x24, "stratum": 2, "originate": request[40:48], "transmit": stamp, **wrong}
    return (struct.pack(">BBBB", fields["mode"], fields["stratum"], 6, 0xEC) + bytes(12) + stamp + fields["originate"] +
            stamp + fields["transmit"])


def services(guest):
    """The clock follows a time server, and only a right answer; the log arrives as syslog messages."""
    wire, lines, asked = guest.wire, [], 0
    wrong = [{"mode": 0x23}, {"mode": 0xE4}, {"stratum": 0}, {"originate": bytes(8)}, {"transmit": bytes(8)}]
    told = time.monotonic() + 120
    for frame in wire.frames(60.0):
        if frame[12:14] != b"\x08\0" or frame[23] != ether.UDP:
            continue
        port, = struct.unpack_from(">H", frame, 36)
        size, = struct.unpack_from(">H", frame, 38)
        if port == 514:
            lines.append(frame[42:34 + size].decode())
        elif port == 123:
            for spoiled in [*wrong, {}]:
                wire.send(ether.udp(123, struct.unpack_from(">H", frame, 34)[0],
                                    ntp_answer(frame[42:34 + size], 1e9 if spoiled else 2e9, **spoiled)))
            asked += 1
        if any("clock is set" in line for line in lines) or time.monotonic() > told:
            break
    expect(asked == 1, f"asked {asked} times")
    for line in lines:
        expect(re.fullmatch(r"<\d+>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z guest (echo|unibase) - - - \S.*", line), line)
    expect(any(line.startswith("<14>1 ") and line.endswith(" echo - - - ready") for line in lines), f"no ready: {lines}")
    clock = next(line for line in lines if "clock is set" in line)
    expect(clock.startswith("<5>1 2033-05-18T03:33:2"), clock)


SCENARIOS = {
    "ping": (ping, {}), "syn_flood": (syn_flood, {"memory": 16}), "half_open": (half_open, {"memory": 16}),
    "fragments": (fragments, {"memory": 16}), "fuzz": (fuzz, {}), "stops_reading": (stops_reading, {"memory": 24}),
    "too_many": (too_many, {"memory": 12}), "link_goes": (link_goes, {"machine": "q35"}),
    "idle": (idle, {}), "multicast": (multicast, {}), "dhcp": (dhcp, {"network": ("dhcp",)}),
    "services": (services, {"options": ("--time-server", "10.9.0.1", "--syslog", "10.9.0.1")}),
}


def main():
    kernel, program, *names = sys.argv[1:]
    for name in names or SCENARIOS:
        scenario, machine = SCENARIOS[name]
        start = time.monotonic()
        with Guest(kernel, program, Wire, **machine) as guest:
            try:
                scenario(guest)
            except AssertionError as e:
                sys.exit(f"{name}: {e}\n{guest.console.decode(errors='replace')}")
        print(f"{name}: {time.monotonic() - start:.1f} s", flush=True)


if __name__ == "__main__":
    main()
