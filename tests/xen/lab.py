#!/usr/bin/python3
"""Boots the real Xen with a dom0 under QEMU and runs a script there.

dom0 is an initramfs: the toolstack, busybox, and in /guest what the caller brings. Its scripts are
shell with these at hand:

  mark NAME            what follows on the console is the report's part NAME
  start NAME           xl create /guest/NAME.cfg
  ended NAME SECONDS   waits until the guest has shut down by itself; says how
  said NAME            what the guest wrote to its console

  lab.py SCRIPT [FILE...]   runs SCRIPT with FILEs in /guest, shows what it says
"""
import os
import re
import subprocess
import sys
import tempfile

import assemble
import cpio

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FOLDER = os.environ.get("UNI_XEN_LAB", os.path.join(ROOT, "build/xen"))
MARK = "=== "

# A guest that ended is kept (on_poweroff and on_crash say "preserve") until its end was looked at.
INIT = r"""#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin:/usr/bin:/usr/lib/xen-4.17/bin
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
mkdir -p /dev/pts; mount -t devpts pts /dev/pts
for module in MODULES; do insmod /lib/modules/$module.ko; done
mount -t xenfs xenfs /proc/xen; ip link set lo up
mark() { echo; echo "=== $1"; }
start() { xl create -q "/guest/$1.cfg" || echo "xl create failed"; }
said() { cat "/var/log/xen/console/guest-$1.log"; }
ended() {
	local id state exit left=$(($2 * 10))
	id=$(xl domid "$1") || return
	while [ $left -gt 0 ]; do
		state=$(xl list "$1" | awk 'NR == 2 { print $5 }')
		case $state in
		*s*|*c*|*d*) break ;;
		esac
		usleep 100000
		left=$((left - 1))
	done
	exit=$(xenstore-read "/local/domain/$id/data/uni/exit" 2>/dev/null)
	echo "state ${state:-none}"
	echo "exit ${exit:-none}"
	xl destroy "$1"
}
xenstored --pid-file /run/xenstored.pid
xen-init-dom0 >/dev/null
xenconsoled --log=guest --pid-file=/run/xenconsoled.pid
. /guest/script
mark end
poweroff -f
"""

# udev and the hotplug scripts of a real dom0, as far as one guest after the other needs them.
VIF = r"""#!/bin/sh
if [ "$1" = online ]; then
	ip link set "$vif" up
	brctl addif "${bridge:-br0}" "$vif"
	xenstore-write "$XENBUS_PATH/hotplug-status" connected
fi
exit 0
"""
BLOCK = r"""#!/bin/sh
# xvda to loop0, xvdb to loop1, ...; hda to loop8
number=${XENBUS_PATH##*/}
if [ "$number" -ge 51712 ]; then
	loop=/dev/loop$(((number - 51712) / 16))
else
	loop=/dev/loop$((8 + (number - 768) / 64))
	[ -e "$loop" ] || mknod "$loop" b 7 "${loop#/dev/loop}"
fi
if [ "$1" = add ]; then
	file=$(xenstore-read "$XENBUS_PATH/params")
	losetup -d "$loop" 2>/dev/null
	case $(xenstore-read "$XENBUS_PATH/mode") in
	w) losetup "$loop" "$file" ;;
	*) losetup -r "$loop" "$file" ;;
	esac
	xenstore-write "$XENBUS_PATH/node" "$loop" \
		"$XENBUS_PATH/physical-device" "7:$(printf %x "${loop#/dev/loop}")" \
		"$XENBUS_PATH/hotplug-status" connected
fi
exit 0
"""


class Report:
    """What dom0's console said, in parts; `whole` is all of it."""

    def __init__(self, whole):
        self.whole = whole
        pieces = re.split(rf"^{MARK}(\S+)$\n?", whole, flags=re.M)
        self.part = dict(zip(pieces[1::2], pieces[2::2]))
        self.complete = "end" in self.part


def initramfs(script, files):
    archive = cpio.Archive()
    init = INIT.replace("MODULES", " ".join(assemble.MODULES))
    archive.file("init", init.encode(), True)
    archive.file("etc/xen/scripts/vif-bridge", VIF.encode(), True)
    archive.file("etc/xen/scripts/block", BLOCK.encode(), True)
    archive.file("guest/script", script.encode())
    for name, data in files.items():
        archive.file(f"guest/{name}", data)
    return archive.finish()


def run(script, files=None, timeout=400, memory=768, dom0=448, hvm=False):
    """Runs the shell `script` in dom0, with `files` (name to bytes) in /guest."""
    assemble.assemble(FOLDER)
    with tempfile.TemporaryDirectory(prefix="uni-xen-") as temporary:
        ramdisk = os.path.join(temporary, "dom0.cpio")
        with open(ramdisk, "wb") as f:
            for name in ("dom0.cpio", "model.cpio")[:2 if hvm else 1]:
                with open(os.path.join(FOLDER, name), "rb") as base:
                    f.write(base.read())
            f.write(initramfs(script, files or {}))
        # Xen needs hardware help for PVH, which TCG has in AMD's form; not scrubbing memory and one
        # processor for dom0 spare seconds.
        kernel = (f"{FOLDER}/vmlinux console=hvc0 quiet mitigations=off nokaslr "
                  "cryptomgr.notests=1 random.trust_cpu=on")
        command = ["qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "qemu64,+svm,+npt",
                   "-smp", "1", "-m", str(memory), "-nodefaults", "-no-user-config", "-display",
                   "none", "-serial", "stdio", "-no-reboot", "-kernel", f"{FOLDER}/xen", "-append",
                   "console=com1 com1=115200 loglvl=error guest_loglvl=all bootscrub=0 "
                   f"dom0_mem={dom0}M dom0_max_vcpus=1 iommu=0 cpuidle=0 spec-ctrl=no "
                   "xpti=no", "-initrd", f"{kernel},{ramdisk}"]
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT) as qemu:
            try:
                out, _ = qemu.communicate(timeout=timeout)
            except subprocess.TimeoutExpired:
                qemu.kill()
                out, _ = qemu.communicate()
    return Report(out.decode(errors="replace").replace("\r", ""))


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    with open(sys.argv[1], encoding="utf-8") as f:
        script = f.read()
    files = {}
    for path in sys.argv[2:]:
        with open(path, "rb") as f:
            files[os.path.basename(path)] = f.read()
    report = run(script, files)
    sys.stdout.write(report.whole)
    return 0 if report.complete else 1


if __name__ == "__main__":
    sys.exit(main())
