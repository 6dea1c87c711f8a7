/*
 * Machines for Xen, Firecracker and libvirt.
 */
#include <inttypes.h>
#include <uni/base/json.h>
#include <uni/bundle/machine.h>

#include "internal.h"

#define SMALL_MEBIBYTES 64

static uint64_t mebibytes(const struct uni_machine_words *words)
{
	return (words->memory + (1 << 20) - 1) >> 20;
}

/* --- Xen: xl.cfg(5), xl-disk-configuration(5), xl-network-configuration(5) --- */

/* xvda to xvdz, xvdaa and so on. */
static void put_vdev(struct uni_buf *out, size_t number)
{
	uni_buf_puts(out, "xvd");
	if (number >= 26)
		uni_buf_putc(out, (char)('a' + number / 26 - 1));
	uni_buf_putc(out, (char)('a' + number % 26));
}

static void write_xen(const struct uni_machine_words *words, struct uni_buf *out)
{
	uni_buf_puts(out, "name = ");
	uni_buf_quote(out, words->name);
	uni_buf_puts(out, "\ntype = \"pvh\"\nkernel = ");
	uni_buf_quote(out, words->kernel);
	uni_buf_printf(out, "\nmemory = %" PRIu64 "\nvcpus = %" PRIu32 "\n", mebibytes(words),
		       words->processors);
	/* By itself xl makes the pool of its page tables 4 KiB for each MiB, which no small guest
	 * can be built in. */
	if (mebibytes(words) < SMALL_MEBIBYTES)
		uni_buf_puts(out, "shadow_memory = 1\n");
	uni_buf_puts(out, "disk = [");
	for (size_t i = 0; i < words->disk_count; i++) {
		UNI_AUTO_BUF struct uni_buf disk = UNI_BUF_INIT;

		uni_buf_puts(&disk, "format=raw,vdev=");
		put_vdev(&disk, i);
		uni_buf_printf(&disk, ",access=%s,target=%s",
			       words->disks[i].writable ? "rw" : "ro", words->disks[i].file);
		uni_buf_puts(out, i != 0 ? ",\n        " : "");
		uni_buf_quote(out, disk.data);
	}
	uni_buf_puts(out, "]\nvif = [");
	for (size_t i = 0; i < words->networks; i++)
		uni_buf_printf(out, "%s\"bridge=xenbr%zu\"", i != 0 ? ", " : "", i);
	uni_buf_puts(out, "]\non_poweroff = \"destroy\"\non_reboot = \"restart\"\n"
			  "on_crash = \"preserve\"\n");
}

/* --- Firecracker: its API's schema, firecracker.yaml, as --config-file takes it --- */

/* Identifiers are letters, digits and '_'; a number in front keeps them apart. */
static void put_drive_id(struct uni_buf *out, size_t number, const char *name)
{
	uni_buf_printf(out, "\"v%zu_", number);
	for (; *name != '\0'; name++) {
		bool plain = (*name >= 'a' && *name <= 'z') || (*name >= '0' && *name <= '9');

		uni_buf_putc(out, plain ? *name : '_');
	}
	uni_buf_putc(out, '"');
}

static void write_firecracker(const struct uni_machine_words *words, struct uni_buf *out)
{
	uni_buf_puts(out, "{\n  \"boot-source\": {\n    \"kernel_image_path\": ");
	uni_json_string(out, words->kernel);
	uni_buf_puts(out, "\n  },\n  \"drives\": [");
	for (size_t i = 0; i < words->disk_count; i++) {
		uni_buf_puts(out, i != 0 ? ",\n    {\"drive_id\": " : "\n    {\"drive_id\": ");
		put_drive_id(out, i, words->disks[i].name);
		uni_buf_puts(out, ", \"path_on_host\": ");
		uni_json_string(out, words->disks[i].file);
		uni_buf_printf(out, ", \"is_root_device\": false, \"is_read_only\": %s}",
			       words->disks[i].writable ? "false" : "true");
	}
	uni_buf_puts(out, words->disk_count != 0 ? "\n  ]," : "],");
	uni_buf_printf(out,
		       "\n  \"machine-config\": {\n    \"vcpu_count\": %" PRIu32
		       ",\n    \"mem_size_mib\": %" PRIu64 "\n  },\n  \"network-interfaces\": [",
		       words->processors, mebibytes(words));
	for (size_t i = 0; i < words->networks; i++)
		uni_buf_printf(out,
			       "%s\n    {\"iface_id\": \"eth%zu\", \"host_dev_name\": \"tap%zu\"}",
			       i != 0 ? "," : "", i, i);
	uni_buf_puts(out, words->networks != 0 ? "\n  ]\n}\n" : "]\n}\n");
}

/* --- libvirt: "Domain XML format" --- */

void bundle_put_xml(struct uni_buf *out, const char *text)
{
	for (; *text != '\0'; text++) {
		switch (*text) {
		case '&':
			uni_buf_puts(out, "&amp;");
			break;
		case '<':
			uni_buf_puts(out, "&lt;");
			break;
		case '"':
			uni_buf_puts(out, "&quot;");
			break;
		case '\'':
			uni_buf_puts(out, "&apos;");
			break;
		default:
			uni_buf_putc(out, *text);
		}
	}
}

static void put_disk(struct uni_buf *out, size_t number, const struct uni_machine_disk *disk)
{
	uni_buf_puts(out, "    <disk type='file' device='disk'>\n"
			  "      <driver name='qemu' type='raw'/>\n      <source file='");
	bundle_put_xml(out, disk->file);
	uni_buf_puts(out, "'/>\n      <target dev='vd");
	if (number >= 26)
		uni_buf_putc(out, (char)('a' + number / 26 - 1));
	uni_buf_printf(out, "%c' bus='virtio'/>\n%s    </disk>\n", (char)('a' + number % 26),
		       disk->writable ? "" : "      <readonly/>\n");
}

static void write_libvirt(const struct uni_machine_words *words, struct uni_buf *out)
{
	char uuid[UNI_UUID_TEXT];

	uni_uuid_text(&words->uuid, uuid);
	uni_buf_puts(out, "<domain type='kvm'>\n  <name>");
	bundle_put_xml(out, words->name);
	uni_buf_printf(out,
		       "</name>\n  <uuid>%s</uuid>\n  <memory unit='MiB'>%" PRIu64 "</memory>\n"
		       "  <vcpu>%" PRIu32 "</vcpu>\n"
		       "  <os>\n    <type arch='x86_64' machine='q35'>hvm</type>\n    <kernel>",
		       uuid, mebibytes(words), words->processors);
	bundle_put_xml(out, words->kernel);
	uni_buf_puts(out,
		     "</kernel>\n  </os>\n  <features>\n    <acpi/>\n    <apic/>\n  </features>\n"
		     "  <cpu mode='host-model'/>\n  <on_poweroff>destroy</on_poweroff>\n"
		     "  <on_reboot>restart</on_reboot>\n  <on_crash>destroy</on_crash>\n"
		     "  <devices>\n");
	for (size_t i = 0; i < words->disk_count; i++)
		put_disk(out, i, &words->disks[i]);
	for (size_t i = 0; i < words->networks; i++)
		uni_buf_puts(out, "    <interface type='network'>\n"
				  "      <source network='default'/>\n"
				  "      <model type='virtio'/>\n    </interface>\n");
	uni_buf_puts(out,
		     "    <console type='pty'>\n      <target type='serial'/>\n    </console>\n"
		     "    <rng model='virtio'>\n"
		     "      <backend model='random'>/dev/urandom</backend>\n    </rng>\n"
		     "    <memballoon model='none'/>\n  </devices>\n</domain>\n");
}

static const struct uni_machine_format xen = {
	.name = "xen",
	.ending = "xl.cfg",
	.kernel = "xen.elf",
	.folder = "/var/lib/xen/images",
	.version = 2,
	.disk = "xen-blkfront",
	.network = "xen-netfront",
	.write = write_xen,
};
static const struct uni_machine_format firecracker = {
	.name = "firecracker",
	.ending = "firecracker.json",
	.kernel = "elf",
	.folder = "",
	.version = 1,
	.disk = "virtio-blk-mmio",
	.network = "virtio-net-mmio",
	.write = write_firecracker,
};
static const struct uni_machine_format libvirt = {
	.name = "libvirt",
	.ending = "libvirt.xml",
	.kernel = "elf",
	.folder = "/var/lib/libvirt/images",
	.version = 1,
	.disk = "virtio-blk-pci",
	.network = "virtio-net-pci",
	.write = write_libvirt,
};
const struct uni_machine_format *const uni_machine_formats[] = { &xen, &firecracker, &libvirt,
								 NULL };

const struct uni_machine_format *uni_machine_find(const char *name)
{
	for (size_t i = 0; uni_machine_formats[i] != NULL; i++)
		if (uni_str_eq(uni_machine_formats[i]->name, name))
			return uni_machine_formats[i];
	return NULL;
}
