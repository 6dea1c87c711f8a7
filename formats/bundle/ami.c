/*
 * NAME.ami, written: block maps and blocks of the disk and of each volume beside it, and the
 * request that makes an image of their snapshots.
 */
#include <inttypes.h>
#include <string.h>
#include <uni/base/json.h>
#include <uni/bundle/ami.h>

#include "internal.h"

/* EC2 takes letters, digits and a few signs; "+" of a version is none of them. */
char *uni_ami_name(const char *name, const char *version, const struct uni_digest *digest)
{
	char hex[17];
	char *text;

	uni_hex(digest->bytes, 8, hex);
	text = uni_asprintf("%.64s-%.40s-%s", name, version != NULL ? version : "0.0.0", hex);
	for (char *c = text; *c != '\0'; c++)
		if (*c == '+')
			*c = '_';
	return text;
}

static const char *boot_mode(const struct uni_form_machine *machine)
{
	if (machine->uefi)
		return machine->bios ? "uefi-preferred" : "uefi";
	return "legacy-bios";
}

static void put_tag(struct uni_buf *out, const char *key, const char *value, bool last)
{
	uni_buf_printf(out, "        {\"Key\": \"%s\", \"Value\": ", key);
	uni_json_string(out, value);
	uni_buf_puts(out, last ? "}\n" : "},\n");
}

/* What a machine wrote to outlives it; everything else is made anew with the next one. */
static void put_mapping(struct uni_buf *out, const char *device, const struct uni_ami_map *map,
			bool keep)
{
	uni_buf_printf(out,
		       "    {\"DeviceName\": \"%s\",\n"
		       "     \"Ebs\": {\"VolumeSize\": %" PRIu64 ", \"VolumeType\": \"gp3\", "
		       "\"DeleteOnTermination\": %s}}",
		       device, map->size / UNI_AMI_GIB, keep ? "false" : "true");
}

/* What is written, as far as it has come. */
struct writing {
	const struct uni_form_machine *machine;
	const struct uni_form_out *out;
	struct uni_ami_map *map; /* of the image's disk */
	struct uni_ami_volume *volumes;
};

static void writing_end(struct writing *w)
{
	uni_ami_map_free(w->map);
	ami_volumes_free(w->volumes, w->machine->volume_count);
}

/* The defaults of what is left out are traps: i386 and paravirtual. */
static void request_json(const struct writing *w, struct uni_buf *out)
{
	const struct uni_form_machine *machine = w->machine;
	const char *version = machine->version != NULL ? machine->version : "0.0.0";
	struct uni_digest digest =
		uni_ami_digest(&w->map->digest, w->volumes, machine->volume_count);
	char *name UNI_AUTO_FREE = uni_ami_name(machine->name, version, &digest);
	char text[UNI_DIGEST_TEXT];

	uni_ami_digest_text(&digest, machine->volume_count, text);
	uni_buf_puts(out, "{\n  \"Name\": ");
	uni_json_string(out, name);
	uni_buf_puts(out, ",\n  \"Description\": ");
	uni_json_string(out, machine->description != NULL ? machine->description : machine->name);
	uni_buf_printf(out,
		       ",\n  \"Architecture\": \"x86_64\",\n  \"VirtualizationType\": \"hvm\",\n"
		       "  \"BootMode\": \"%s\",\n  \"EnaSupport\": %s,\n"
		       "  \"ImdsSupport\": \"v2.0\",\n  \"RootDeviceName\": \"/dev/xvda\",\n"
		       "  \"BlockDeviceMappings\": [\n",
		       boot_mode(machine), machine->ena ? "true" : "false");
	put_mapping(out, "/dev/xvda", w->map, false);
	for (size_t i = 0; i < machine->volume_count; i++) {
		uni_buf_puts(out, ",\n");
		put_mapping(out, w->volumes[i].device, w->volumes[i].disk.map,
			    w->volumes[i].writable);
	}
	uni_buf_puts(out, "\n  ],\n  \"TagSpecifications\": [\n"
			  "    {\"ResourceType\": \"image\",\n      \"Tags\": [\n");
	put_tag(out, "uni:digest", text, false);
	put_tag(out, "uni:name", machine->name, false);
	put_tag(out, "uni:version", version, true);
	uni_buf_puts(out, "      ]}\n  ]\n}\n");
}

/* A disk's blocks and their map, in a folder (or "" with none). */
static int write_disk(const struct writing *w, struct uni_disk_source *source, const char *folder,
		      struct uni_ami_map **map, struct uni_err *err)
{
	char *blocks UNI_AUTO_FREE = uni_asprintf("ami/%s" UNI_AMI_BLOCKS, folder);
	char *name UNI_AUTO_FREE = uni_asprintf("ami/%s" UNI_AMI_MAP, folder);
	UNI_AUTO_BUF struct uni_buf json = UNI_BUF_INIT;
	struct uni_digest digest;
	int fd;
	int rc = w->out->begin(w->out->user, &fd, err);

	if (rc == 0)
		rc = uni_ami_map_make(map, source, fd, &digest, err);
	if (rc == 0)
		rc = w->out->end(w->out->user, blocks, &digest, err);
	if (rc != 0)
		return rc;
	uni_ami_map_json(*map, &json);
	return uni_form_put(w->out, name, json.data, json.size, err);
}

static int write_volume(struct writing *w, size_t n, struct uni_err *err)
{
	const struct uni_form_volume *from = &w->machine->volumes[n];
	char *folder UNI_AUTO_FREE = uni_asprintf("volumes/%s/", from->name);
	struct uni_ami_volume *volume = &w->volumes[n];
	int rc;

	volume->name = uni_strdup(from->name);
	volume->writable = from->writable;
	ami_device(volume->device, n);
	rc = write_disk(w, from->source, folder, &volume->disk.map, err);
	if (rc != 0)
		return uni_err_context(err, "volume \"%s\"", from->name);
	volume->digest = volume->disk.map->digest;
	return 0;
}

static int write_words(const struct writing *w, struct uni_err *err)
{
	UNI_AUTO_BUF struct uni_buf list = UNI_BUF_INIT;
	UNI_AUTO_BUF struct uni_buf request = UNI_BUF_INIT;
	int rc;

	request_json(w, &request);
	rc = uni_form_put(w->out, "ami/" UNI_AMI_REGISTER, request.data, request.size, err);
	if (rc != 0 || w->machine->volume_count == 0)
		return rc;
	ami_volumes_json(w->volumes, w->machine->volume_count, &list);
	return uni_form_put(w->out, "ami/" UNI_AMI_VOLUMES, list.data, list.size, err);
}

static int ami_write(struct uni_disk_source *source, const struct uni_form_machine *machine,
		     const struct uni_form_out *out, struct uni_err *err)
{
	struct writing w __attribute__((cleanup(writing_end))) = { .machine = machine, .out = out };
	int rc;

	w.volumes = uni_alloc_array(machine->volume_count + 1, sizeof(*w.volumes));
	rc = write_disk(&w, source, "", &w.map, err);
	for (size_t i = 0; rc == 0 && i < machine->volume_count; i++)
		rc = write_volume(&w, i, err);
	return rc == 0 ? write_words(&w, err) : rc;
}

static const char *const files[] = { UNI_AMI_MAP,
				     UNI_AMI_BLOCKS,
				     UNI_AMI_REGISTER,
				     UNI_AMI_VOLUMES,
				     "volumes/*/" UNI_AMI_MAP,
				     "volumes/*/" UNI_AMI_BLOCKS,
				     NULL };

const struct uni_form form_ami = {
	.name = "ami",
	.ending = "ami",
	.version = 2,
	.grain = UNI_AMI_GIB,
	.volumes = UNI_AMI_VOLUMES_MAX,
	.files = files,
	.write = ami_write,
};
