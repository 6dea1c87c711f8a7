/*
 * NAME.ami: written from a disk, read block by block.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <uni/base/file.h>
#include <uni/base/json.h>
#include <uni/base/mapdigest.h>
#include <uni/base/path.h>
#include <uni/bundle/ami.h>
#include <unistd.h>

#include "internal.h"

enum { MAP_MAX = 256 << 20, REQUEST_MAX = 1 << 20, NAME_MOST = 128 };

/* --- writing --- */

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

/* The defaults of what is left out are traps: i386 and paravirtual. */
static void request_json(const struct uni_form_machine *machine, const struct uni_ami_map *map,
			 struct uni_buf *out)
{
	char *name UNI_AUTO_FREE = uni_ami_name(machine->name, machine->version, &map->digest);
	char text[UNI_DIGEST_TEXT];

	uni_map_digest_text(&map->digest, text);
	uni_buf_puts(out, "{\n  \"Name\": ");
	uni_json_string(out, name);
	uni_buf_puts(out, ",\n  \"Description\": ");
	uni_json_string(out, machine->description != NULL ? machine->description : machine->name);
	uni_buf_printf(out,
		       ",\n  \"Architecture\": \"x86_64\",\n  \"VirtualizationType\": \"hvm\",\n"
		       "  \"BootMode\": \"%s\",\n  \"EnaSupport\": %s,\n"
		       "  \"ImdsSupport\": \"v2.0\",\n  \"RootDeviceName\": \"/dev/xvda\",\n"
		       "  \"BlockDeviceMappings\": [\n    {\"DeviceName\": \"/dev/xvda\",\n"
		       "     \"Ebs\": {\"VolumeSize\": %" PRIu64 ", \"VolumeType\": \"gp3\", "
		       "\"DeleteOnTermination\": true}}\n  ],\n  \"TagSpecifications\": [\n"
		       "    {\"ResourceType\": \"image\",\n      \"Tags\": [\n",
		       boot_mode(machine), machine->ena ? "true" : "false",
		       map->size / UNI_AMI_GIB);
	put_tag(out, "uni:digest", text, false);
	put_tag(out, "uni:name", machine->name, false);
	put_tag(out, "uni:version", machine->version != NULL ? machine->version : "0.0.0", true);
	uni_buf_puts(out, "      ]}\n  ]\n}\n");
}

static int ami_write(struct uni_disk_source *source, const struct uni_form_machine *machine,
		     const struct uni_form_out *out, struct uni_err *err)
{
	UNI_AUTO(uni_ami_map) struct uni_ami_map *map = NULL;
	UNI_AUTO_BUF struct uni_buf json = UNI_BUF_INIT;
	UNI_AUTO_BUF struct uni_buf request = UNI_BUF_INIT;
	struct uni_digest digest;
	int fd;
	int rc = out->begin(out->user, &fd, err);

	if (rc == 0)
		rc = uni_ami_map_make(&map, source, fd, &digest, err);
	if (rc == 0)
		rc = out->end(out->user, "ami/" UNI_AMI_BLOCKS, &digest, err);
	if (rc != 0)
		return rc;
	uni_ami_map_json(map, &json);
	request_json(machine, map, &request);
	rc = uni_form_put(out, "ami/" UNI_AMI_MAP, json.data, json.size, err);
	if (rc == 0)
		rc = uni_form_put(out, "ami/" UNI_AMI_REGISTER, request.data, request.size, err);
	return rc;
}

const struct uni_form form_ami = {
	.name = "ami",
	.ending = "ami",
	.version = 1,
	.grain = UNI_AMI_GIB,
	.write = ami_write,
};

/* --- reading --- */

static int read_json(const struct uni_ami *ami, const char *name, uint64_t limit,
		     struct uni_buf *text, struct uni_err *err)
{
	char *path UNI_AUTO_FREE = uni_path_join(ami->path, name);

	return uni_file_read(path, limit, text, err);
}

int uni_ami_request(const struct uni_ami *ami, struct uni_buf *json, struct uni_err *err)
{
	return read_json(ami, UNI_AMI_REGISTER, REQUEST_MAX, json, err);
}

int uni_ami_open(struct uni_ami **ami, const char *path, struct uni_err *err)
{
	UNI_AUTO(uni_ami) struct uni_ami *made = uni_alloc(sizeof(*made));
	char *blocks UNI_AUTO_FREE = uni_path_join(path, UNI_AMI_BLOCKS);
	UNI_AUTO_BUF struct uni_buf text = UNI_BUF_INIT;
	struct stat st;
	int rc;

	*ami = NULL;
	made->fd = -1;
	made->path = uni_strdup(path);
	rc = read_json(made, UNI_AMI_MAP, MAP_MAX, &text, err);
	if (rc == 0)
		rc = uni_ami_map_parse(&made->map, path, uni_buf_text(&text), text.size, err);
	if (rc != 0)
		return rc;
	made->fd = open(blocks, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (made->fd < 0 || fstat(made->fd, &st) != 0)
		return uni_err_errno(err, "%s", blocks);
	if (!S_ISREG(st.st_mode) ||
	    (uint64_t)st.st_size != (uint64_t)made->map->count * UNI_AMI_BLOCK)
		return uni_err_set(err, UNI_E_CORRUPT, "%s: has not the size that its map says",
				   blocks);
	*ami = made;
	made = NULL;
	return 0;
}

void uni_ami_free(struct uni_ami *ami)
{
	if (ami == NULL)
		return;
	uni_close_fd(&ami->fd);
	uni_ami_map_free(ami->map);
	free(ami->path);
	free(ami);
}

int uni_ami_read_block(const struct uni_ami *ami, size_t n, void *data, struct uni_err *err)
{
	const struct uni_ami_block *block = &ami->map->blocks[n];
	struct uni_digest digest;
	int rc = uni_pread_full(ami->fd, data, UNI_AMI_BLOCK, (uint64_t)n * UNI_AMI_BLOCK,
				ami->path, err);

	if (rc != 0)
		return rc;
	digest = uni_digest_of(data, UNI_AMI_BLOCK);
	if (!uni_digest_eq(&digest, &block->digest))
		return uni_err_set(err, UNI_E_CORRUPT, "%s: block %" PRIu32 " is damaged",
				   ami->path, block->index);
	return 0;
}

/* --- as a disk --- */

struct ami_source {
	struct uni_disk_source base;
	const struct uni_ami *ami;
	size_t held; /* which block `data` is, SIZE_MAX: none */
	uint8_t data[UNI_AMI_BLOCK];
};

/* The first block of the map at or behind `index`. */
static size_t find_block(const struct uni_ami_map *map, uint64_t index)
{
	size_t low = 0;
	size_t high = map->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (map->blocks[middle].index < index)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int ami_next(struct uni_disk_source *source, uint64_t *offset, uint64_t *length,
		    struct uni_err *err)
{
	const struct uni_ami_map *map = ((struct ami_source *)source)->ami->map;
	size_t n = find_block(map, *offset / UNI_AMI_BLOCK);
	uint64_t end;

	(void)err;
	if (n == map->count)
		return 0;
	end = ((uint64_t)map->blocks[n].index + 1) * UNI_AMI_BLOCK;
	if (*offset < end - UNI_AMI_BLOCK)
		*offset = end - UNI_AMI_BLOCK;
	*length = end - *offset;
	return 1;
}

static int ami_read(struct uni_disk_source *source, void *data, size_t size, uint64_t offset,
		    struct uni_err *err)
{
	struct ami_source *from = (struct ami_source *)source;
	const struct uni_ami_map *map = from->ami->map;
	uint8_t *out = data;

	while (size != 0) {
		size_t inside = (size_t)(offset % UNI_AMI_BLOCK);
		size_t step = UNI_AMI_BLOCK - inside < size ? UNI_AMI_BLOCK - inside : size;
		size_t n = find_block(map, offset / UNI_AMI_BLOCK);
		int rc = 0;

		if (n == map->count || map->blocks[n].index != offset / UNI_AMI_BLOCK) {
			memset(out, 0, step);
		} else {
			if (from->held != n) {
				from->held = SIZE_MAX;
				rc = uni_ami_read_block(from->ami, n, from->data, err);
			}
			if (rc != 0)
				return rc;
			from->held = n;
			memcpy(out, from->data + inside, step);
		}
		out += step;
		offset += step;
		size -= step;
	}
	return 0;
}

static const struct uni_disk_source_ops ami_ops = { .next = ami_next, .read = ami_read };

struct uni_disk_source *uni_ami_source(const struct uni_ami *ami)
{
	struct ami_source *source = uni_alloc(sizeof(*source));

	source->base.ops = &ami_ops;
	source->base.form = "ami";
	source->base.size = ami->map->size;
	source->base.owned_fd = -1;
	source->ami = ami;
	source->held = SIZE_MAX;
	return &source->base;
}
