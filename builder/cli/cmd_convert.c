/*
 * uni convert: an image that exists in another form.
 */
#include <inttypes.h>
#include <uni/base/json.h>
#include <uni/inspect/convert.h>

#include "commands.h"

static const struct cli_option options[] = {
	{ "output", 'o', "FILE", "write it here (default: the image's name with another ending)" },
	{ "variant", 0, "NAME",
	  "of the form: vhd has fixed and dynamic, vmdk monolithicSparse and "
	  "streamOptimized" },
	{ "compression", 0, "NAME", "of qcow2: none, zlib or zstd" },
	{ "level", 0, "N", "of the compression" },
	{ "size", 0, "SIZE", "make the disk at least as large as this" },
	{ "ena", 0, NULL,
	  "of ami: its kernel drives EC2's network adapter (default: what it says)" },
	{ "force", 0, NULL, "replace what stands there" },
	{ 0 },
};

static int read_options(const struct cli *cli, struct uni_convert *convert, struct uni_err *err)
{
	const char *level = cli_value(cli, "level");
	const char *size = cli_value(cli, "size");
	uint64_t number = 0;

	if (level != NULL && (!uni_str_u64(level, &number) || number == 0 || number > 100))
		return uni_err_set(err, UNI_E_USAGE, "--level %s: is no level", level);
	convert->options.level = (unsigned)number;
	if (size != NULL && !uni_str_size(size, &convert->size)) {
		uni_err_set(err, UNI_E_USAGE, "--size %s: is no size", size);
		return uni_err_hint(err, "sizes look like 512M or 8G");
	}
	return 0;
}

static void print(const struct cli *cli, const struct uni_convert *convert,
		  const struct uni_converted *converted)
{
	UNI_AUTO_BUF struct uni_buf out = UNI_BUF_INIT;

	if (!cli->json) {
		cli_out("%" PRIu64 "  %s\n", converted->size, converted->path);
		return;
	}
	uni_buf_printf(&out,
		       "{\"from\": \"%s\", \"format\": \"%s\", \"size\": %" PRIu64
		       ", \"disk_size\": %" PRIu64 ", \"path\": ",
		       converted->from, convert->format, converted->size, converted->disk_size);
	uni_json_string(&out, converted->path);
	uni_buf_puts(&out, "}\n");
	cli_out_buf(&out);
}

static int run(struct cli *cli)
{
	struct uni_convert convert = {
		.image = cli->args[0],
		.format = cli->args[1],
		.output = cli_value(cli, "output"),
		.force = cli_flag(cli, "force"),
		.ena = cli_flag(cli, "ena"),
		.options = { .variant = cli_value(cli, "variant"),
			     .compression = cli_value(cli, "compression") },
	};
	struct uni_converted converted = { .path = NULL };
	struct uni_err err = UNI_ERR_INIT;
	int rc = read_options(cli, &convert, &err);

	if (rc == 0)
		rc = uni_image_convert(&convert, &converted, &err);
	if (rc == 0 && converted.ena_unknown)
		uni_event_warning(
			&cli->events,
			"%s: the kernel does not say what it drives, so the AMI is without "
			"ENA, which all newer instance types want; --ena says that it has it",
			converted.path);
	if (rc == 0)
		print(cli, &convert, &converted);
	free(converted.path);
	return rc != 0 ? cli_fail(cli, &err) : UNI_EXIT_OK;
}

static const struct cli_example examples[] = {
	{ "uni convert out/site.raw qcow2 --compression zstd", "writes site.qcow2" },
	{ "uni convert other.vmdk vhd -o azure.vhd", "an image of others, as Azure takes it" },
	{ 0 },
};

const struct cli_command cli_cmd_convert = {
	.name = "convert",
	.arguments = "IMAGE FORMAT",
	.summary = "Write an image that exists in another form",
	.text = "Reads raw, qcow2, VMDK, VHD, VHDX, VDI, ISO, OVA, Google Cloud's archives, "
		"NAME.ami "
		"and\n"
		"container disks, by content and whoever made them, and writes\n"
		"the same disk in another form; the same disk gives the same bytes. Holes stay "
		"holes. An\n"
		"image that stands on another one is refused. Prints size and path.",
	.options = options,
	.least = 2,
	.most = 2,
	.examples = examples,
	.run = run,
};
