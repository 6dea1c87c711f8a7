/*
 * OVA: a tar with the machine's description (OVF 1.1, DSP0243), the disk as a streamOptimized VMDK,
 * and a manifest of their digests, in the order that the specification asks for.
 */
#include <inttypes.h>
#include <uni/base/file.h>
#include <uni/disk/disk.h>
#include <uni/io/tar.h>

#include "internal.h"

enum { DISK_ITEM = 4, NETWORK_ITEM = 5 };

struct ova {
	const struct uni_form_machine *machine;
	uint64_t disk_size;
	int vmdk;
	uint64_t vmdk_size;
	struct uni_digest vmdk_digest;
	struct uni_buf ovf;
	struct uni_tar_writer *tar;
};

/* One device. What is its own stands where the order of the elements' names has it, as the schema
 * wants them: in front of all, in front of the type, behind all. "": nothing. */
struct item {
	unsigned id, type;
	const char *name;
	const char *head, *middle, *tail;
};

static void put_item(struct uni_buf *out, const struct item *item)
{
	uni_buf_printf(out,
		       "      <Item>\n%s        <rasd:ElementName>%s</rasd:ElementName>\n%s"
		       "        <rasd:InstanceID>%u</rasd:InstanceID>\n"
		       "%s        <rasd:ResourceType>%u</rasd:ResourceType>\n%s      </Item>\n",
		       item->head, item->name,
		       item->id == DISK_ITEM
			       ? "        <rasd:HostResource>ovf:/disk/disk1</rasd:HostResource>\n"
			       : "",
		       item->id, item->middle, item->type, item->tail);
}

static void put_items(const struct ova *ova, struct uni_buf *out)
{
	char *processors UNI_AUTO_FREE =
		uni_asprintf("        <rasd:VirtualQuantity>%u</rasd:VirtualQuantity>\n",
			     ova->machine->processors);
	char *memory UNI_AUTO_FREE =
		uni_asprintf("        <rasd:VirtualQuantity>%" PRIu64 "</rasd:VirtualQuantity>\n",
			     (ova->machine->memory + (1 << 20) - 1) >> 20);
	const struct item items[] = {
		{ 1, 3, "Processors", "", "", processors },
		{ 2, 4, "Memory",
		  "        <rasd:AllocationUnits>byte * 2^20</rasd:AllocationUnits>\n", "",
		  memory },
		{ 3, 20, "SATA controller", "",
		  "        <rasd:ResourceSubType>AHCI</rasd:ResourceSubType>\n", "" },
		{ DISK_ITEM, 17, "Disk", "        <rasd:AddressOnParent>0</rasd:AddressOnParent>\n",
		  "        <rasd:Parent>3</rasd:Parent>\n", "" },
		{ NETWORK_ITEM, 10, "Network",
		  "        <rasd:AutomaticAllocation>true</rasd:AutomaticAllocation>\n"
		  "        <rasd:Connection>network</rasd:Connection>\n",
		  "        <rasd:ResourceSubType>E1000</rasd:ResourceSubType>\n", "" },
	};

	for (size_t i = 0; i < UNI_COUNT(items); i++)
		if (items[i].id != NETWORK_ITEM || ova->machine->network)
			put_item(out, &items[i]);
}

static void put_hardware(const struct ova *ova, struct uni_buf *out)
{
	uni_buf_puts(
		out,
		"    <VirtualHardwareSection>\n      <Info>What it runs on</Info>\n"
		"      <System>\n        <vssd:ElementName>Virtual Hardware</vssd:ElementName>\n"
		"        <vssd:InstanceID>0</vssd:InstanceID>\n"
		"        <vssd:VirtualSystemIdentifier>");
	bundle_put_xml(out, ova->machine->name);
	uni_buf_puts(out, "</vssd:VirtualSystemIdentifier>\n"
			  "        <vssd:VirtualSystemType>vmx-10</vssd:VirtualSystemType>\n"
			  "      </System>\n");
	put_items(ova, out);
	uni_buf_puts(out, "    </VirtualHardwareSection>\n");
}

static void make_ovf(struct ova *ova)
{
	struct uni_buf *out = &ova->ovf;

	uni_buf_puts(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
			  "<Envelope xmlns=\"http://schemas.dmtf.org/ovf/envelope/1\"\n"
			  "  xmlns:ovf=\"http://schemas.dmtf.org/ovf/envelope/1\"\n"
			  "  xmlns:rasd=\"http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/"
			  "CIM_ResourceAllocationSettingData\"\n"
			  "  xmlns:vssd=\"http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/"
			  "CIM_VirtualSystemSettingData\">\n"
			  "  <References>\n    <File ovf:href=\"");
	bundle_put_xml(out, ova->machine->name);
	uni_buf_printf(out,
		       "-disk1.vmdk\" ovf:id=\"file1\" ovf:size=\"%" PRIu64 "\"/>\n"
		       "  </References>\n  <DiskSection>\n    <Info>Its disk</Info>\n"
		       "    <Disk ovf:capacity=\"%" PRIu64
		       "\" ovf:capacityAllocationUnits=\"byte\" "
		       "ovf:diskId=\"disk1\" ovf:fileRef=\"file1\"\n      ovf:format=\"http://www."
		       "vmware.com/interfaces/specifications/vmdk.html#streamOptimized\"/>\n"
		       "  </DiskSection>\n",
		       ova->vmdk_size, ova->disk_size);
	if (ova->machine->network)
		uni_buf_puts(out, "  <NetworkSection>\n    <Info>Its network</Info>\n"
				  "    <Network ovf:name=\"network\">\n"
				  "      <Description>Any</Description>\n    </Network>\n"
				  "  </NetworkSection>\n");
	uni_buf_puts(out, "  <VirtualSystem ovf:id=\"");
	bundle_put_xml(out, ova->machine->name);
	uni_buf_puts(out, "\">\n    <Info>A unikernel</Info>\n    <Name>");
	bundle_put_xml(out, ova->machine->name);
	uni_buf_puts(out, "</Name>\n    <OperatingSystemSection ovf:id=\"102\">\n"
			  "      <Info>Other, 64 bits</Info>\n    </OperatingSystemSection>\n");
	put_hardware(ova, out);
	uni_buf_puts(out, "  </VirtualSystem>\n</Envelope>\n");
}

/* --- the archive --- */

static int put_entry(struct ova *ova, const char *ending, uint64_t size, struct uni_err *err)
{
	char *path UNI_AUTO_FREE = uni_asprintf("%s%s", ova->machine->name, ending);
	const struct uni_entry entry = {
		.type = UNI_ENTRY_FILE, .path = path, .mode = 0644, .size = size
	};

	return uni_tar_writer_entry(ova->tar, &entry, err);
}

static int put_text(struct ova *ova, const char *ending, const struct uni_buf *text,
		    struct uni_err *err)
{
	int rc = put_entry(ova, ending, text->size, err);

	return rc != 0 ? rc : uni_tar_writer_data(ova->tar, text->data, text->size, err);
}

static void make_manifest(const struct ova *ova, struct uni_buf *out)
{
	struct uni_digest ovf = uni_digest_of(ova->ovf.data, ova->ovf.size);
	char hex[65];

	uni_hex(ovf.bytes, sizeof(ovf.bytes), hex);
	uni_buf_printf(out, "SHA256(%s.ovf)= %s\n", ova->machine->name, hex);
	uni_hex(ova->vmdk_digest.bytes, sizeof(ova->vmdk_digest.bytes), hex);
	uni_buf_printf(out, "SHA256(%s-disk1.vmdk)= %s\n", ova->machine->name, hex);
}

static int put_archive(struct ova *ova, struct uni_err *err)
{
	UNI_AUTO_BUF struct uni_buf manifest = UNI_BUF_INIT;
	int rc;

	make_ovf(ova);
	make_manifest(ova, &manifest);
	rc = put_text(ova, ".ovf", &ova->ovf, err);
	if (rc == 0)
		rc = put_text(ova, ".mf", &manifest, err);
	if (rc == 0)
		rc = put_entry(ova, "-disk1.vmdk", ova->vmdk_size, err);
	if (rc == 0)
		rc = bundle_tar_copy(ova->tar, ova->vmdk, ova->vmdk_size, err);
	return rc != 0 ? rc : uni_tar_writer_end(ova->tar, err);
}

static int make_vmdk(struct ova *ova, struct uni_disk_source *source, struct uni_err *err)
{
	const struct uni_disk_options options = { .variant = "streamOptimized",
						  .threads = ova->machine->threads };
	int rc = uni_file_nameless(&ova->vmdk, err);

	if (rc == 0)
		rc = uni_disk_convert(uni_disk_find("vmdk"), &options, &source, ova->vmdk, err);
	return rc != 0 ? rc
		       : uni_digest_fd(ova->vmdk, &ova->vmdk_size, &ova->vmdk_digest, "disk", err);
}

static int write_archive(struct ova *ova, int fd, struct uni_digest *digest, struct uni_err *err)
{
	UNI_AUTO(uni_sink) struct uni_sink *sink = uni_sink_to_fd(fd, "archive");
	int rc;

	uni_sink_push_digest(&sink, digest);
	ova->tar = uni_tar_writer_new(sink);
	rc = put_archive(ova, err);
	uni_tar_writer_free(ova->tar);
	return rc != 0 ? rc : uni_sink_finish(sink, err);
}

static int ova_write(struct uni_disk_source *source, const struct uni_form_machine *machine,
		     const struct uni_form_out *out, struct uni_err *err)
{
	struct ova ova = { .machine = machine, .disk_size = source->size, .vmdk = -1 };
	struct uni_digest digest;
	int rc = make_vmdk(&ova, source, err);
	int fd;

	if (rc == 0)
		rc = out->begin(out->user, &fd, err);
	if (rc == 0)
		rc = write_archive(&ova, fd, &digest, err);
	uni_close_fd(&ova.vmdk);
	uni_buf_free(&ova.ovf);
	return rc != 0 ? rc : out->end(out->user, "ova", &digest, err);
}

const struct uni_form form_ova = {
	.name = "ova",
	.ending = "ova",
	.version = 2,
	.deflate = true,
	.write = ova_write,
};
