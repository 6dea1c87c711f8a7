/*
 * What a form wants of the base and the recipe: said before anything is built.
 */
#include "internal.h"

#include <string.h>
#include <uni/bundle/ami.h>
#include <uni/bundle/ami_types.h>
#include <uni/bundle/machine.h>

static void check_entry(struct build *b, const struct uni_base *base, const char *entry,
			struct uni_pos pos)
{
	struct uni_err why = UNI_ERR_INIT;

	if (uni_base_need_entry(base, entry, &why) != 0)
		complain_at(b, pos, &why);
}

/* What the kernel drives that an AMI takes; where there is none, that is said elsewhere. */
static const struct uni_strv *ami_devices(const struct build *b, const struct uni_base *base)
{
	const char *place = uni_plan_place(b->recipe, base, "ami");
	const struct uni_base_kernel *kernel = NULL;
	struct uni_err ignored = UNI_ERR_INIT;

	return uni_plan_kernel(b->recipe, base, place, &kernel, &ignored) == 0
		       ? &kernel->can.devices
		       : &base->can.devices;
}

static size_t count_beside(const struct uni_recipe *recipe)
{
	size_t count = 0;

	for (size_t i = 0; i < recipe->volume_count; i++)
		count += uni_recipe_volume_beside(&recipe->volumes[i]);
	return count;
}

/* Where the image would start in spite of what is missing. */
static void hint_types(const struct uni_ami_needs *image, struct uni_err *why)
{
	struct uni_buf types UNI_AUTO_BUF = UNI_BUF_INIT;

	uni_ami_types_text(image, &types);
	if (types.size != 0)
		(void)uni_err_hint(why, "instance types that remain: %s", types.data);
	else
		(void)uni_err_hint(why, "no instance type remains");
}

static void warn_types(struct build *b, struct uni_pos pos, const struct uni_ami_needs *image)
{
	struct uni_buf types UNI_AUTO_BUF = UNI_BUF_INIT;

	uni_ami_types_text(image, &types);
	uni_diags_warning(b->diags, b->recipe->path, pos,
			  "without ENA the AMI starts on these instance types alone: %s",
			  types.data);
}

/* Nitro shows disks as NVMe and the network as ENA, and nothing else; Xen shows its own. */
static void check_ami(struct build *b, const struct uni_base *base, struct uni_pos pos)
{
	const struct uni_recipe *recipe = b->recipe;
	const struct uni_strv *devices = ami_devices(b, base);
	const struct uni_ami_needs image = {
		.bios = recipe->boot.bios,
		.uefi = recipe->boot.uefi,
		.network = recipe->config.networks.count != 0,
		.nvme = uni_strv_has(devices, "nvme"),
		.ena = uni_strv_has(devices, "ena"),
		.xen_disk = uni_strv_has(devices, "xen-blkfront"),
		.xen_network = uni_strv_has(devices, "xen-netfront"),
	};
	bool on_xen = uni_ami_starts(&image, "t2", NULL);
	struct uni_err why = UNI_ERR_INIT;
	int rc = uni_base_need_device(base, "nvme", &why);

	if (rc == 0 && (image.network || !on_xen))
		rc = uni_base_need_device(base, "ena", &why);
	if (rc != 0)
		hint_types(&image, &why);
	else if (count_beside(recipe) > UNI_AMI_VOLUMES_MAX)
		rc = uni_err_set(&why, UNI_E_LIMIT,
				 "it takes %u volumes that are disks of their own, not %zu",
				 UNI_AMI_VOLUMES_MAX, count_beside(recipe));
	if (rc == 0) {
		if (!image.ena)
			warn_types(b, pos, &image);
		return;
	}
	(void)uni_err_context(&why, "an AMI cannot be made of this");
	complain_at(b, pos, &why);
}

/* The BIOS reads the kernel from the CD, and after that nobody reads it. */
static void warn_iso(struct build *b)
{
	for (size_t i = 0; i < b->recipe->volume_count; i++) {
		const struct uni_recipe_volume *volume = &b->recipe->volumes[i];

		if (!uni_recipe_partition(volume))
			continue;
		uni_diags_warning(b->diags, b->recipe->path, volume->pos,
				  "volume \"%s\" is out of reach of a machine started from the ISO "
				  "as a CD: its kernel drives no CD",
				  volume->name);
		uni_diags_hint(b->diags, "embed = true puts it into the kernel");
	}
}

static void check_machine(struct build *b, const struct uni_base *base,
			  const struct uni_machine_format *format, struct uni_pos pos)
{
	struct uni_err why = UNI_ERR_INIT;
	bool disks = false;

	for (size_t i = 0; i < b->recipe->volume_count; i++) {
		const struct uni_recipe_volume *volume = &b->recipe->volumes[i];

		disks |= volume->format != UNI_FS_TMPFS && !uni_recipe_in_elf(volume);
		if (!uni_recipe_partition(volume) || volume->verity ||
		    volume->format != UNI_FS_SQUASHFS)
			continue;
		(void)uni_err_set(
			&why, UNI_E_UNSUPPORTED,
			"%s: volume \"%s\" has no hash tree, so nobody would know it on a "
			"disk of its own",
			format->name, volume->name);
		(void)uni_err_hint(&why, "verity = true, or embed = true");
		complain_at(b, volume->pos, &why);
	}
	if ((disks && uni_base_need_device(base, format->disk, &why) != 0) ||
	    (b->recipe->config.networks.count != 0 &&
	     uni_base_need_device(base, format->network, &why) != 0)) {
		(void)uni_err_context(&why, "%s", format->name);
		complain_at(b, pos, &why);
	}
}

/* What a form's disk will have at least, by the recipe alone, and what most of it comes from. */
struct least {
	uint64_t size;
	struct uni_pos pos;
	size_t volumes; /* that have a size */
};

static struct least least_of(const struct build *b, const struct uni_recipe_output *output)
{
	struct least least = { .pos = output != NULL ? output->pos : b->recipe->base.pos };
	uint64_t largest = 0;

	for (size_t i = 0; i < b->recipe->volume_count; i++) {
		const struct uni_recipe_volume *volume = &b->recipe->volumes[i];

		if (!uni_recipe_partition(volume) || volume->size == 0)
			continue;
		least.volumes++;
		least.size += (volume->size + UNI_DISK_ALIGN - 1) / UNI_DISK_ALIGN * UNI_DISK_ALIGN;
		if (volume->size > largest) {
			largest = volume->size;
			least.pos = volume->size_pos;
		}
	}
	if (output != NULL && output->size > least.size)
		least = (struct least){ .size = output->size, .pos = output->size_pos };
	return least;
}

struct uni_pos disk_size_pos(const struct build *b, const char *format)
{
	return least_of(b, uni_recipe_output_find(b->recipe, format)).pos;
}

static void check_size(struct build *b, const char *format, const struct uni_recipe_output *output)
{
	const struct uni_disk_format *disk = uni_disk_find(format);
	struct least least = least_of(b, output);
	struct uni_err why = UNI_ERR_INIT;
	int rc = 0;

	if (disk != NULL)
		rc = uni_disk_check_size(disk, least.size, &why);
	else if (strcmp(format, "ami") == 0)
		rc = uni_ami_check_size(least.size, &why);
	if (rc == 0)
		return;
	if (least.volumes > 1)
		(void)uni_err_hint(&why, "%zu volumes have their sizes on it together",
				   least.volumes);
	complain_at(b, least.pos, &why);
}

/* Whether there is a kernel for each place where forms are started. What is in the way is said
 * once: it mostly is in all of them. */
static void check_kernels(struct build *b, const struct uni_base *base)
{
	for (size_t i = 0; i < b->format_count; i++) {
		const char *place = uni_plan_place(b->recipe, base, b->formats[i]);
		const struct uni_base_kernel *kernel;
		struct uni_err why = UNI_ERR_INIT;
		struct uni_pos pos;

		if (uni_plan_kernel_at(b->recipe, base, place, &kernel, &pos, &why) == 0)
			continue;
		complain_at(b, pos, &why);
		return;
	}
}

void forms_check(struct build *b, const struct uni_base *base)
{
	const struct uni_recipe *recipe = b->recipe;
	bool disks = false;

	check_kernels(b, base);
	for (size_t i = 0; i < b->format_count; i++) {
		const struct uni_recipe_output *output =
			uni_recipe_output_find(recipe, b->formats[i]);

		const struct uni_machine_format *machine = uni_machine_find(b->formats[i]);

		if (strcmp(b->formats[i], "elf") == 0 || machine != NULL)
			check_entry(b, base, "pvh",
				    output != NULL ? output->pos : recipe->base.pos);
		else
			disks = true;
		if (machine != NULL)
			check_machine(b, base, machine,
				      output != NULL ? output->pos : recipe->base.pos);
		check_size(b, b->formats[i], output);
		if (strcmp(b->formats[i], "iso") == 0)
			warn_iso(b);
		if (strcmp(b->formats[i], "ami") == 0)
			check_ami(b, base, output != NULL ? output->pos : recipe->base.pos);
	}
	if (disks && recipe->boot.bios)
		check_entry(b, base, "bios", recipe->boot.pos);
	if (disks && recipe->boot.uefi)
		check_entry(b, base, "uefi", recipe->boot.pos);
}
