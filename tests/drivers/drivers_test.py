#!/usr/bin/python3
"""Boots the probe kernel on QEMU's machines and compares what its drivers saw with the truth."""
import argparse
import json
import os
import random
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest
import zlib

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "kernel"), os.path.join(HERE, "..", "boot")]
import boot as runner
import boot_test as loader
import mkimage

MACHINES = ("pc", "q35", "microvm")


def hash64(data):
    value = 0
    for word in struct.unpack("<%dQ" % (len(data) // 8), data):
        value = (value ^ word) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return value


def pattern(size, seed):
    return random.Random(seed).randbytes(size)


def gpt(sectors, partitions, damage=()):
    """A disk of random bytes with a GPT; `damage` names copies to spoil: "primary", "backup"."""
    disk = bytearray(pattern(sectors * 512, 7))
    disk[0:512] = bytes(446) + struct.pack("<B3sB3sII", 0, b"", 0xEE, b"", 1, sectors - 1) + bytes(48) + b"\x55\xaa"
    entries = b""
    for i, (first, last) in enumerate(partitions):
        entries += struct.pack("<16s16sQQQ72s", b"T" * 16, bytes([i]) * 16, first, last, 0, b"")
    entries = entries.ljust(128 * 128, b"\0")

    def header(lba, other, array):
        h = struct.pack("<8sIIIIQQQQ16sQIII", b"EFI PART", 0x10000, 92, 0, 0, lba, other, 34, sectors - 34,
                        b"D" * 16, array, 128, 128, zlib.crc32(entries))
        return (h[:16] + struct.pack("<I", zlib.crc32(h)) + h[20:]).ljust(512, b"\0")

    disk[512:1024] = header(1, sectors - 1, 2)
    disk[1024:34 * 512] = entries
    disk[-512:] = header(sectors - 1, 1, sectors - 33)
    disk[-33 * 512:-512] = entries
    if "primary" in damage:
        disk[512 + 30] ^= 1
    if "backup" in damage:
        disk[-33 * 512 + 3] ^= 1
    return bytes(disk)


# How a disk hangs on each machine: name -> (machine, device options behind "drive=dN").
WAYS = {
    "pci modern": ("q35", "virtio-blk-pci,disable-legacy=on,disable-modern=off"),
    "pci transitional": ("pc", "virtio-blk-pci,disable-legacy=off,disable-modern=off"),
    "pci legacy": ("pc", "virtio-blk-pci,disable-legacy=off,disable-modern=on"),
    "pci legacy q35": ("q35", "virtio-blk-pci,disable-legacy=off,disable-modern=on"),
    "pci modern, pin": ("q35", "virtio-blk-pci,disable-legacy=on,vectors=0"),
    "pci modern, pin, pc": ("pc", "virtio-blk-pci,disable-legacy=on,vectors=0"),
    "pci legacy, pin": ("pc", "virtio-blk-pci,disable-modern=on,vectors=0"),
    "pci without indirect": ("q35", "virtio-blk-pci,indirect_desc=off"),
    "pci without event index": ("q35", "virtio-blk-pci,event_idx=off"),
    "pci plain legacy": ("pc", "virtio-blk-pci,disable-modern=on,indirect_desc=off,event_idx=off"),
    "pci small ring": ("q35", "virtio-blk-pci,queue-size=8,seg-max-adjust=on"),
    "pci small ring, direct": ("q35", "virtio-blk-pci,queue-size=16,seg-max-adjust=on,indirect_desc=off"),
    "mmio 1": ("microvm", "virtio-blk-device"),
    "mmio 2": ("microvm", "virtio-blk-device", "-global", "virtio-mmio.force-legacy=off"),
    "mmio 1, command line": ("microvm,acpi=off", "virtio-blk-device"),
    "mmio 2, command line": ("microvm,acpi=off", "virtio-blk-device", "-global", "virtio-mmio.force-legacy=off"),
    "microvm pci": ("microvm,pcie=on", "virtio-blk-pci"),
    "nvme": ("q35", "nvme,serial=s"),
    "nvme, pc": ("pc", "nvme,serial=s"),
    "nvme, one vector": ("q35", "nvme,serial=s,msix_qsize=1"),
    "nvme, small transfers": ("q35", "nvme,serial=s,mdts=1"),
    "ahci": ("q35", "ide-hd,bus=ide.0"),
    "ahci, pc": ("pc", "ide-hd,bus=a.3", "-device", "ich9-ahci,id=a"),
    "scsi": ("q35", "scsi-hd", "-device", "virtio-scsi-pci"),
    "scsi legacy, pin": ("pc", "scsi-hd", "-device", "virtio-scsi-pci,disable-modern=on,vectors=0"),
    "scsi, far unit": ("q35", "scsi-hd,scsi-id=200,lun=300", "-device", "virtio-scsi-pci"),
    "scsi, small transfers": ("q35", "scsi-hd", "-device", "virtio-scsi-pci,max_sectors=16,seg_max_adjust=off"),
    "scsi, mmio": ("microvm", "scsi-hd", "-device", "virtio-scsi-device"),
}


def first_name(device):
    return {"nvme": "nvme0n1", "scsi": "sda", "ide-": "sda"}.get(device[:4], "vda")



class Drivers(unittest.TestCase):
    kernel = stages = None

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.files = 0

    def tearDown(self):
        self.folder.cleanup()

    def path(self, data=b""):
        self.files += 1
        path = os.path.join(self.folder.name, f"file{self.files}")
        with open(path, "wb") as f:
            f.write(data)
        return path

    def image(self, *args):
        config = mkimage.Config()
        for arg in args:
            config.add("arg", arg)
        with open(self.kernel, "rb") as f:
            return self.path(mkimage.link(f.read(), [("config", config.record(), bytes(16))]))

    def disk(self, number, path, device="virtio-blk-pci", readonly=False, more=()):
        return list(more) + [
            "-drive", f"if=none,id=d{number},format=raw,file={path}" + (",readonly=on" if readonly else ""),
            "-device", f"{device},drive=d{number}"]

    def run_probe(self, machine, args, extra=(), status=0, **how):
        kind, _, options = machine.partition(",")
        if kind == "microvm":
            machine = "microvm,rtc=on,pit=off,pic=off" + ("," + options if options else "")
        end = runner.boot(self.image(*args), machine=machine, extra=extra, **how)
        self.assertEqual((end.kind, end.status), ("status", status), end.console)
        return end.console.decode()

    def test_read(self):
        data = pattern(3 << 20, 1)
        path = self.path(data)
        for name, (machine, device, *more) in WAYS.items():
            with self.subTest(name):
                text = self.run_probe(machine, ["disks"], self.disk(0, path, device, more=more))
                self.assertEqual(text, f"{first_name(device)} {len(data)} rw {hash64(data):016x}\n")

    def test_from_disk(self):
        """SeaBIOS, both stages, and the kernel reads the disk from which it came."""
        with open(self.image("disks"), "rb") as f:
            elf = f.read()
        for codec in 0, 1:
            data = loader.disk(self.stages, loader.box((elf,) + loader.places(elf), codec))
            path = self.path(data)
            for machine, device in ("pc", "virtio-blk-pci"), ("q35", "virtio-blk-pci,disable-legacy=on"), \
                    ("pc", "virtio-blk-pci,disable-modern=on,vectors=0"), ("q35", "nvme,serial=s"):
                with self.subTest(machine=machine, device=device, codec=codec):
                    args = runner.command("", machine, 8, self.path(), self.disk(0, path, device))
                    at = args.index("-kernel")
                    del args[at:at + 2]
                    run = subprocess.run(args, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=300)
                    self.assertEqual(run.returncode, 1, run.stdout)
                    name, part = first_name(device), "p1" if device.startswith("nvme") else "1"
                    self.assertIn(f"{name} {len(data)} rw {hash64(data):016x}\n{name}{part} ", run.stdout.decode())

    def test_many_in_flight(self):
        for name, (machine, device, *more) in WAYS.items():
            with self.subTest(name):
                path = self.path(bytes(16 << 20))
                text = self.run_probe(machine, ["fly"], self.disk(0, path, device, more=more))
                self.assertEqual(text, "all came back\n")
                with open(path, "rb") as f:
                    f.seek(5 * 32 * 4096)
                    self.assertEqual(f.read(1024), bytes((5 * 7 + k) & 255 for k in range(1024)))

    def test_silent(self):
        """A disk that answers nothing is given up after four minutes of the guest's, which are none of ours: its clock
        goes on to the next timer whenever it has nothing to do, also while an answer is on its way. So there must be
        none: a disk has 1 byte a second, and what it has at once is gone before the guest starts, for QEMU guesses
        a geometry from the first sector; of NVMe's it guesses none, but of another's that shares what there is."""
        limit = "throttling.bps-total=1,throttling.group=g"
        for name in ("pci modern", "mmio 2", "nvme, pc", "ahci", "scsi"):
            machine, device, *more = WAYS[name]
            paths = self.path(bytes(1 << 20)), self.path(bytes(1 << 20))
            with self.subTest(name):
                extra = ["-icount", "shift=2,sleep=off", *more, "-device", f"{device},drive=d0"]
                for i, path in enumerate(paths if device.startswith("nvme") else paths[:1]):
                    extra += ["-drive", f"if=none,id=d{i},format=raw,file={path},{limit}"]
                if device.startswith("nvme"):
                    extra += ["-device", "ide-hd,drive=d1"]  # the kernel drives none
                text = self.run_probe(machine, ["disks"], extra, status=1)
                disk = first_name(device)
                self.assertRegex(text, rf"(?s)\[60\.\d+\] {disk}: does not answer\n.*\[240\.\d+\] {disk}: is silent, "
                                       rf"and given up\n{disk}: error -5 at 0\n")

    def test_several_disks(self):
        for machine, device in (("q35", "virtio-blk-pci"), ("pc", "virtio-blk-pci,disable-modern=on,vectors=0"),
                                ("microvm", "virtio-blk-device")):
            with self.subTest(machine):
                disks = [pattern(size, size) for size in (512, 70000 // 512 * 512, 1 << 20)]
                extra = []
                for i, data in enumerate(disks):
                    extra += self.disk(i, self.path(data), device, readonly=i == 1)
                lines = self.run_probe(machine, ["disks"], extra).splitlines()
                want = {f"{len(d)} {'ro' if i == 1 else 'rw'} {hash64(d):016x}" for i, d in enumerate(disks)}
                self.assertEqual({line.split(" ", 1)[1] for line in lines}, want)
                self.assertEqual(sorted(line[:3] for line in lines), ["vda", "vdb", "vdc"])

    def test_namespaces(self):
        """Each is a disk, unless its sectors are of another size."""
        disks = [pattern(size, size) for size in (512, 1 << 20, 1 << 16)]
        extra = ["-device", "nvme,serial=s,id=n"]
        for i, (data, more) in enumerate(zip(disks, ("", "", ",logical_block_size=4096,physical_block_size=4096"))):
            extra += self.disk(i, self.path(data), f"nvme-ns,bus=n,nsid={i * 3 + 1}{more}")
        lines = self.run_probe("q35", ["disks"], extra).splitlines()
        self.assertEqual([line for line in lines if not line.startswith("uni:")],
                         [f"nvme0n{i * 3 + 1} {len(d)} rw {hash64(d):016x}"
                          for i, d in enumerate(disks[:2])])
        self.assertIn("namespace 7 is not of 512-byte sectors", "\n".join(lines))

    def test_behind_bridges(self):
        data = pattern(1 << 20, 3)
        extra = ["-device", "pcie-root-port,id=r,chassis=1,slot=1", "-device", "pcie-pci-bridge,id=b,bus=r",
                 "-device", "pci-bridge,id=c,bus=b,chassis_nr=2,addr=2"]
        extra += self.disk(0, self.path(data), "virtio-blk-pci,bus=c,addr=3")
        self.assertEqual(self.run_probe("q35", ["disks"], extra), f"vda {len(data)} rw {hash64(data):016x}\n")

    def test_partitions(self):
        partitions = [(40, 79), (80, 999), (1000, 1000), (2000, 1 << 40)]
        for damage, warning in ((), ""), (("primary",), "using its backup"), (("backup",), ""), \
                (("primary", "backup"), "its backup are damaged"):
            with self.subTest(damage=damage):
                disk = gpt(2048, partitions, damage)
                lines = self.run_probe("q35", ["disks"], self.disk(0, self.path(disk))).splitlines()
                want = [f"vda {len(disk)} rw {hash64(disk):016x}"]
                if len(damage) < 2:
                    want += [f"vda{i + 1} {(last - first + 1) * 512} rw {hash64(disk[first * 512:(last + 1) * 512]):016x}"
                             for i, (first, last) in enumerate(partitions[:3])]
                    self.assertTrue(any("partition 4 lies outside" in line for line in lines))
                self.assertEqual([line for line in lines if not line.startswith("uni:")], want)
                self.assertIn(warning, "\n".join(lines))

    def test_refused(self):
        path = self.path(pattern(1 << 20, 4))
        # QEMU's NVMe does not say that it is read-only; writing just fails.
        for device, written in ("virtio-blk-pci", -30), ("nvme,serial=s", -5):
            with self.subTest(device):
                text = self.run_probe("q35", ["refuse"], self.disk(0, path, device, readonly=True))
                self.assertEqual(text, f"-22 -22 -22 -22 -22\n{written} 0\n0 0\nsame\n")

    def test_read_error(self):
        blkdebug = self.path(b'[inject-error]\nevent = "read_aio"\nerrno = "5"\nsector = "3000"\n')
        path = self.path(pattern(3 << 20, 5))
        for device in "virtio-blk-pci,werror=report,rerror=report", "nvme,serial=s":
            with self.subTest(device):
                extra = ["-blockdev", f"driver=raw,node-name=d0,file.driver=blkdebug,file.config={blkdebug},"
                         f"file.image.driver=file,file.image.filename={path}",
                         "-device", f"{device},drive=d0"]
                text = self.run_probe("q35", ["disks"], extra, status=1)
                self.assertRegex(text, rf"^{first_name(device)}: error -5 at \d+\n$")

    def test_resize(self):
        for machine, device in ("q35", "virtio-blk-pci"), ("pc", "virtio-blk-pci,vectors=0"), \
                ("pc", "virtio-blk-pci,disable-modern=on"), ("microvm", "virtio-blk-device"):
            with self.subTest(machine=machine, device=device):
                text = self.with_monitor(machine, ["resize"], self.disk(0, self.path(bytes(1 << 20)), device),
                                         {"execute": "block_resize", "arguments": {"device": "d0", "size": 2 << 20}})
                self.assertEqual(text, f"listening 0\nsize {2 << 20}\n")

    def test_button(self):
        for machine in MACHINES:
            with self.subTest(machine):
                text = self.with_monitor(machine, ["button"], [], {"execute": "system_powerdown"})
                self.assertEqual(text, "listening\npressed\n")

    def test_button_early(self):
        for machine in MACHINES:
            with self.subTest(machine):
                text = self.with_monitor(machine, ["button", "busy"], [], {"execute": "system_powerdown"})
                self.assertEqual(text, "listening\npressed\n")

    def with_monitor(self, machine, probe, extra, command):
        """Runs the probe; sends the command once the guest said that it listens."""
        record, qmp = self.path(), os.path.join(self.folder.name, "qmp")
        if machine == "microvm":
            machine = "microvm,rtc=on,pit=off,pic=off"
        args = runner.command(self.image(*probe), machine, 64, record, list(extra))
        with subprocess.Popen(args + ["-qmp", f"unix:{qmp},server=on,wait=off"], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE) as qemu:
            try:
                text = qemu.stdout.readline()
                with self.connect(qmp) as s:
                    f = s.makefile("rw")
                    f.readline()
                    for request in {"execute": "qmp_capabilities"}, command:
                        f.write(json.dumps(request))
                        f.flush()
                        reply = self.answer(f)
                        # The guest may end QEMU over the command before QEMU answers it.
                        if reply is not None or request is not command:
                            self.assertIn("return", reply)
                    text += qemu.communicate(timeout=300)[0]
            finally:
                qemu.kill()
        return text.decode()

    @staticmethod
    def connect(qmp):
        deadline = time.monotonic() + 300
        while True:
            s = socket.socket(socket.AF_UNIX)
            s.settimeout(300)
            try:
                s.connect(qmp)
                return s
            except (FileNotFoundError, ConnectionRefusedError):
                s.close()
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)

    @staticmethod
    def answer(f):
        """The next reply, past events; None when the monitor closed."""
        for line in f:
            reply = json.loads(line)
            if "event" not in reply:
                return reply
        return None

    def test_input(self):
        text = ("the quick brown fox " * 100).replace("q", "Q")
        for machine in MACHINES:
            with self.subTest(machine):
                out = self.run_probe(machine, ["echo"], stdin=text.encode() + b"q")
                self.assertEqual(out, "ready\n" + text)

    def test_output_is_whole(self):
        want = "".join(f"line {i} of the flood, of some length so that the port is kept busy\n" for i in range(4000))
        for machine in MACHINES:
            with self.subTest(machine):
                self.assertEqual(self.run_probe(machine, ["flood"]), want)

    def test_output_to_slow_reader(self):
        """Nobody reads for a while: the pipe fills, the guest waits, and nothing is lost."""
        args = runner.command(self.image("flood"), "microvm,rtc=on,pit=off,pic=off", 64, self.path(), [])
        with subprocess.Popen(args, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as qemu:
            time.sleep(1)
            out = qemu.communicate(timeout=300)[0]
        self.assertEqual(out.count(b"\n"), 4000)
        self.assertTrue(out.startswith(b"line 0 ") and b"line 3999 " in out)

    def test_fwcfg(self):
        data = pattern(70000, 6)
        extra = ["-fw_cfg", f"name=opt/org.uni/bytes,file={self.path(data)}"]
        for machine in MACHINES:
            with self.subTest(machine):
                text = self.run_probe(machine, ["fwcfg", "opt/org.uni/bytes"], extra)
                self.assertEqual(text, f"70000 {hash64(data):016x}\n")
                self.assertEqual(self.run_probe(machine, ["fwcfg", "opt/org.uni/other"], extra), "-2\n")
        large = ["-fw_cfg", f"name=opt/org.uni/bytes,file={self.path(bytes(200000))}"]
        self.assertEqual(self.run_probe("q35", ["fwcfg", "opt/org.uni/bytes"], large), "-75\n")
        ports = ["-global", "fw_cfg_io.dma_enabled=off"] + extra
        text = self.run_probe("q35", ["fwcfg", "opt/org.uni/bytes"], ports)
        self.assertEqual(text, f"70000 {hash64(data):016x}\n")

    def test_clock(self):
        for machine in MACHINES:
            for base, seconds in ("2024-02-29T23:59:58", 1709251198), ("1999-12-31T12:00:00", 946641600), \
                    ("2038-01-19T03:14:08", 2147483648):
                with self.subTest(machine=machine, base=base):
                    text = self.run_probe(machine, ["clock"], ["-rtc", f"base={base},clock=vm"])
                    self.assertIn(int(text) - seconds, range(0, 30))

    def test_random(self):
        """A processor without a source, a device with one: no warning, other bytes each time."""
        for machine, device in (("q35", "virtio-rng-pci"), ("pc", "virtio-rng-pci,disable-modern=on"),
                                ("microvm", "virtio-rng-device")):
            with self.subTest(machine):
                cpu = ["-cpu", "qemu64", "-device", device]
                one, two = (self.run_probe(machine, ["seed"], cpu) for _ in range(2))
                self.assertRegex(one, "^[0-9a-f]{32}\n$")
                self.assertNotEqual(one, two)
        self.assertIn("by timing", self.run_probe("q35", ["seed"], ["-cpu", "qemu64"]))

    def test_restart(self):
        """-no-reboot makes QEMU end where the machine would start again."""
        for machine in MACHINES + ("microvm,acpi=off",):
            with self.subTest(machine):
                kind, _, options = machine.partition(",")
                if kind == "microvm":
                    machine = "microvm,rtc=on,pit=off,pic=off," + options
                args = runner.command(self.image("restart"), machine.rstrip(","), 64, self.path(), [])
                qmp = os.path.join(self.folder.name, "qmp")
                with subprocess.Popen(args + ["-S", "-qmp", f"unix:{qmp},server=on,wait=off"], stdin=subprocess.DEVNULL,
                                      stdout=subprocess.PIPE) as qemu:
                    try:
                        self.assertEqual(self.end_reason(qmp), "guest-reset")
                        qemu.communicate(timeout=300)
                    finally:
                        qemu.kill()

    @staticmethod
    def end_reason(qmp):
        """Starts a machine that waits (-S), and says why it shut down."""
        with Drivers.connect(qmp) as s:
            f = s.makefile("rw")
            f.readline()
            for command in "qmp_capabilities", "cont":
                f.write(json.dumps({"execute": command}))
                f.flush()
            for line in f:
                event = json.loads(line)
                if event.get("event") == "SHUTDOWN":
                    return event["data"]["reason"]
        return None

    def test_power_off(self):
        """Without debug-exit the machine switches itself off."""
        for machine in "pc", "q35", "microvm,rtc=on,pit=off,pic=off", "pc,smm=off":
            with self.subTest(machine):
                args = runner.command(self.image("nothing"), machine, 64, self.path(), [])
                at = args.index("isa-debug-exit,iobase=0xf4,iosize=4") - 1
                del args[at:at + 2]
                run = subprocess.run(args, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=300)
                self.assertEqual(run.returncode, 0)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--kernel", required=True)
    parser.add_argument("--stages", required=True)
    known, rest = parser.parse_known_args()
    Drivers.kernel, Drivers.stages = known.kernel, known.stages
    unittest.main(argv=[sys.argv[0]] + rest)
