#!/usr/bin/python3
"""A guest and this machine's own network stack, over a tap device in a network namespace: offloads, both versions of
IP, slow and small receivers, lossy paths, several processors. tshark, where it is there, reads what went over.

  test_tap.py UNIBASE.ELF ECHO

Ends with 77 where no tap device can be made.
"""
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

from guest import Guest, expect

TAP, PORT_ECHO, PORT_COPIES, TIMES = "unitest0", 7, 20, 64
ADDRESSES = ("10.9.0.2", "fd00:9::2")


class Tap:
    """What `guest.Wire` is for frames."""

    def __init__(self, folder):
        self.capture, self.recorder = os.path.join(folder, "capture"), None
        if shutil.which("tshark") and shutil.which("dumpcap"):
            self.recorder = subprocess.Popen(["dumpcap", "-q", "-i", TAP, "-B", "64", "-s", "512", "-w", self.capture],
                                             stderr=subprocess.PIPE, text=True)
            self.recorder.stderr.readline()  # it has begun

    def options(self, device):
        return ["-netdev", f"tap,id=n,ifname={TAP},script=no,downscript=no", "-device",
                f"{device},netdev=n,id=card"]

    def quit(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.sendto(b"quit", (ADDRESSES[0], PORT_ECHO))


def connect(address, port, receive_buffer=None):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    s = socket.socket(family, socket.SOCK_STREAM)
    if receive_buffer:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    s.settimeout(120)
    for attempt in range(100):  # the guest's IPv6 address may still be on trial
        try:
            s.connect((address, port))
            return s
        except OSError:
            if attempt == 99:
                raise
            time.sleep(0.2)


def take(s, pause=0.0, part=65536):
    got = []
    while piece := s.recv(part):
        got.append(piece)
        if pause:
            time.sleep(pause)
    return b"".join(got)


def copies(address, own, **how):
    pause, part = how.pop("pause", 0.0), how.pop("part", 65536)
    with connect(address, PORT_COPIES, **how) as s:
        got = take(s, pause, part)
    expect(got == own * TIMES, f"{address} {how}: {len(got)} bytes of {len(own) * TIMES} came, or others")


def echo(address, data):
    with connect(address, PORT_ECHO) as s:
        sender = threading.Thread(target=lambda: (s.sendall(data), s.shutdown(socket.SHUT_WR)))
        sender.start()
        got = take(s)
        sender.join()
    expect(got == data, f"{address}: {len(got)} bytes of {len(data)} came back, or others")


def together(*jobs):
    failed = []

    def run(job):
        try:
            job()
        except (AssertionError, OSError) as e:
            failed.append(e)
    threads = [threading.Thread(target=run, args=(job,)) for job in jobs]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    expect(not failed, f"{failed}")


def ip(*words, check=True):
    return subprocess.run(["ip", *words], check=check, stderr=None if check else subprocess.DEVNULL).returncode == 0


def talk(own):
    data = os.urandom(3 << 20)
    for address in ADDRESSES:
        copies(address, own)
        echo(address, data)
    together(*[lambda a=a: copies(a, own) for a in ADDRESSES * 3], lambda: echo(ADDRESSES[0], data))
    # Windows smaller than what the device is given at once, that open by little.
    copies(ADDRESSES[0], own, receive_buffer=4096)
    copies(ADDRESSES[1], own, receive_buffer=20000, part=3000)
    copies(ADDRESSES[0], own, receive_buffer=30000, pause=0.001, part=5000)
    # A peer whose segments are smaller than this network's.
    ip("route", "replace", "10.9.0.2/32", "dev", TAP, "advmss", "700")
    copies(ADDRESSES[0], own)
    ip("route", "del", "10.9.0.2/32", "dev", TAP)


def lossy(own):
    """Every hundredth packet to the guest, and from it, is lost; needs the kernel's netem."""
    done = subprocess.run(["tc", "qdisc", "add", "dev", TAP, "root", "netem", "loss", "1%"],
                          check=False, stderr=subprocess.DEVNULL)
    if done.returncode != 0:
        return
    together(*[lambda: copies(ADDRESSES[0], own) for _ in range(4)])
    subprocess.run(["tc", "qdisc", "del", "dev", TAP, "root"], check=True)


def judge(wire):
    """What tshark finds wrong in the packets; checksums are the device's, and not there to be checked."""
    if wire.recorder is None:
        return
    wire.recorder.send_signal(signal.SIGINT)
    wire.recorder.wait()
    capture = wire.capture
    done = subprocess.run(["tshark", "-n", "-r", capture, "-Y", "_ws.malformed || _ws.expert.severity == error",
                           "-T", "fields", "-e", "frame.number", "-e", "_ws.col.Info"], check=True,
                          capture_output=True, text=True)
    expect(done.stdout == "", f"tshark finds:\n{done.stdout[:2000]}")
    done = subprocess.run(["tshark", "-n", "-r", capture, "-T", "fields", "-e", "ip.len", "-Y", "tcp.srcport == 20"],
                          check=True, capture_output=True, text=True)
    sizes = [int(size) for size in done.stdout.split()]
    expect(max(sizes) > 10000, f"no large segments: {max(sizes)} bytes at most")


def main():
    kernel, program = sys.argv[1:3]
    if os.environ.get("UNI_TEST_NAMESPACE") is None:
        os.environ["UNI_TEST_NAMESPACE"] = "1"
        if subprocess.run(["unshare", "--net", "true"], check=False, stderr=subprocess.DEVNULL).returncode != 0:
            print("no network namespace can be made here")
            sys.exit(77)
        os.execvp("unshare", ["unshare", "--net", sys.executable, *sys.argv])
    if not ip("tuntap", "add", TAP, "mode", "tap", "vnet_hdr", check=False):
        print("no tap device can be made here")
        sys.exit(77)
    ip("link", "set", "lo", "up")
    ip("addr", "add", "10.9.0.1/24", "dev", TAP)
    ip("addr", "add", "fd00:9::1/64", "dev", TAP, "nodad")
    ip("link", "set", TAP, "up")
    with open(program, "rb") as f:
        own = f.read()
    for machine, memory, more in (("q35", 64, []), ("microvm", 16, ["-smp", "2"])):
        try:
            with Guest(kernel, program, Tap, memory=memory, machine=machine, more=more) as guest:
                talk(own)
                lossy(own)
                judge(guest.wire)
        except AssertionError as e:
            sys.exit(f"{machine}: {e}")
    print("all bytes came")


if __name__ == "__main__":
    main()
