/*
 * Which of the base's kernels an image takes: the smallest that has what the recipe asks for and
 * the devices of the machines where its forms are started. All that is decided about this is here.
 *
 * Forms that are started in one place share one bootable ELF; those of other places have another,
 * so that asking for one more form changes no byte of the others.
 */
#include "internal.h"

#include <string.h>

struct place {
	const char *name;	   /* what sets its steps apart: "kernel:xen" */
	const char *const *forms;  /* NULL: all others */
	const char *const *always; /* devices */
	const char *const *disks;
	const char *const *networks;
};

#define WORDS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static const struct place places[] = {
	{ .name = "xen",
	  .forms = WORDS("xen"),
	  .always = WORDS("xen-console", "xen-clock"),
	  .disks = WORDS("xen-blkfront"),
	  .networks = WORDS("xen-netfront") },
	/* Nitro shows disks as NVMe and the network as ENA, and nothing else; and it starts no
	 * image that does not say to drive ENA, whether the image has a network or not. Older types
	 * show both as Xen does. */
	{ .name = "ec2",
	  .forms = WORDS("ami"),
	  .always = WORDS("nvme", "ena", "xen-blkfront"),
	  .disks = WORDS("nvme", "xen-blkfront"),
	  .networks = WORDS("ena", "xen-netfront") },
	/* The disk in all its forms: whoever takes it chooses the controller. */
	{ .name = "",
	  .always = WORDS("uart"),
	  .disks = WORDS("virtio-blk-pci", "virtio-blk-mmio", "nvme", "ahci", "virtio-scsi-pci"),
	  .networks = WORDS("virtio-net-pci", "virtio-net-mmio") },
};

/* What is asked of a kernel, and where the recipe asks for each word first. */
struct wishes {
	struct uni_base_needs needs;
	struct wish {
		const char *word; /* borrowed */
		struct uni_pos pos;
	} * items;
	size_t count, room;
};

static void wishes_clear(struct wishes *wishes)
{
	uni_base_needs_clear(&wishes->needs);
	free(wishes->items);
}
#define AUTO_WISHES __attribute__((cleanup(wishes_clear)))

/* `list`: one of the needs'. */
static void ask(struct wishes *wishes, struct uni_strv *list, const char *word, struct uni_pos pos)
{
	if (uni_strv_has(list, word))
		return;
	uni_strv_add(list, word);
	UNI_PUSH_ROOM(wishes->items, wishes->count, wishes->room);
	wishes->items[wishes->count++] = (struct wish){ .word = word, .pos = pos };
}

static void ask_all(struct wishes *wishes, struct uni_strv *list, const char *const *words,
		    struct uni_pos pos)
{
	for (; *words != NULL; words++)
		ask(wishes, list, *words, pos);
}

static void ask_texts(struct wishes *wishes, struct uni_strv *list,
		      const struct uni_recipe_texts *texts)
{
	for (size_t i = 0; i < texts->count; i++)
		ask(wishes, list, texts->items[i].text, texts->items[i].pos);
}

/* Sockets of the Internet's protocols; without a network they reach the machine itself. */
static bool wants_ip(const struct uni_recipe *recipe, struct uni_pos *pos)
{
	if (uni_recipe_has_network(recipe)) {
		*pos = recipe->config.networks.items[0].pos;
		return true;
	}
	*pos = recipe->config.pos;
	for (size_t i = 0; i < recipe->config.runtime_count; i++)
		if (recipe->config.runtime[i] == UNI_CONFIG_NETWORK)
			return true;
	return false;
}

/* Where nothing may be given at start, no way for it is needed. */
static bool takes_more_at_start(const struct uni_recipe *recipe, struct uni_pos *pos)
{
	for (size_t i = 0; i < recipe->file_count; i++)
		if (recipe->files[i].runtime) {
			*pos = recipe->files[i].pos;
			return true;
		}
	*pos = recipe->secret_count != 0 ? recipe->secrets[0].pos : recipe->config.pos;
	return recipe->config.runtime_count != 0 || recipe->secret_count != 0;
}

static void ask_for_volumes(const struct uni_recipe *recipe, const struct place *place,
			    struct wishes *wishes)
{
	struct uni_base_needs *needs = &wishes->needs;

	for (size_t i = 0; i < recipe->volume_count; i++) {
		const struct uni_recipe_volume *volume = &recipe->volumes[i];

		ask(wishes, &needs->filesystems, uni_recipe_format_name(volume->format),
		    volume->pos);
		if (volume->format == UNI_FS_TMPFS)
			continue;
		ask(wishes, &needs->compressions, uni_recipe_compression_name(volume->compression),
		    volume->pos);
		if (!uni_recipe_in_elf(volume))
			ask_all(wishes, &needs->devices, place->disks, volume->pos);
	}
}

/* Where the recipe asks for the first of a place's forms. */
static struct uni_pos form_pos(const struct uni_recipe *recipe, const struct place *place)
{
	for (const char *const *form = place->forms; form != NULL && *form != NULL; form++) {
		const struct uni_recipe_output *output = uni_recipe_output_find(recipe, *form);

		if (output != NULL)
			return output->pos;
	}
	return (struct uni_pos){ 0 };
}

static void wishes_at(const struct uni_recipe *recipe, const struct place *place,
		      struct wishes *wishes)
{
	struct uni_base_needs *needs = &wishes->needs;
	struct uni_pos pos;

	ask_all(wishes, &needs->devices, place->always, form_pos(recipe, place));
	ask_for_volumes(recipe, place, wishes);
	if (wants_ip(recipe, &pos)) {
		ask(wishes, &needs->protocols, "ip", pos);
		ask_all(wishes, &needs->devices, place->networks, pos);
	}
	if (takes_more_at_start(recipe, &pos))
		ask(wishes, &needs->devices, "smbios", pos);
	if (recipe->machine.processors > 1)
		ask(wishes, &needs->devices, "smp", recipe->machine.pos);
	ask_texts(wishes, &needs->devices, &recipe->base.devices);
	ask_texts(wishes, &needs->filesystems, &recipe->base.filesystems);
	if (recipe->base.filesystems.count != 0)
		ask_all(wishes, &needs->devices, place->disks,
			recipe->base.filesystems.items[0].pos);
	ask_texts(wishes, &needs->protocols, &recipe->base.protocols);
}

static const struct place *place_of(const char *form)
{
	const struct place *place = places;

	for (; place->forms != NULL; place++)
		for (const char *const *name = place->forms; *name != NULL; name++)
			if (strcmp(*name, form) == 0)
				return place;
	return place;
}

static const struct place *place_named(const char *name)
{
	const struct place *place = places;

	while (place->forms != NULL && strcmp(place->name, name) != 0)
		place++;
	return place;
}

static struct uni_pos wish_pos(const struct wishes *wishes, const char *word)
{
	size_t i = 0;

	while (i < wishes->count && strcmp(wishes->items[i].word, word) != 0)
		i++;
	return i < wishes->count ? wishes->items[i].pos : (struct uni_pos){ 0 };
}

/* Who asks for what the kernels lack; the first place of these is the error's. */
static void tell_wishes(const struct wishes *wishes, const struct uni_strv *lacking,
			struct uni_pos *first, struct uni_err *err)
{
	UNI_AUTO_BUF struct uni_buf list = UNI_BUF_INIT;

	for (size_t i = 0; i < lacking->count; i++) {
		struct uni_pos pos = wish_pos(wishes, lacking->items[i]);

		if (pos.line == 0)
			continue;
		uni_buf_printf(&list, "%s %u%s for %s", list.size == 0 ? "line" : ", line",
			       pos.line, list.size == 0 ? " asks" : "", lacking->items[i]);
		if (first->line == 0 || pos.line < first->line ||
		    (pos.line == first->line && pos.column < first->column))
			*first = pos;
	}
	if (list.size != 0)
		(void)uni_err_hint(err, "%s: leave something out, or take another base", list.data);
}

int uni_plan_kernel_at(const struct uni_recipe *recipe, const struct uni_base *base,
		       const char *place, const struct uni_base_kernel **kernel,
		       struct uni_pos *pos, struct uni_err *err)
{
	AUTO_WISHES struct wishes wishes = { .count = 0 };
	UNI_AUTO_STRV struct uni_strv lacking = { .items = NULL };
	int rc;

	*pos = (struct uni_pos){ 0 };
	wishes_at(recipe, place_named(place), &wishes);
	rc = uni_base_choose(base, &wishes.needs, kernel, &lacking, err);
	if (rc != 0)
		tell_wishes(&wishes, &lacking, pos, err);
	if (pos->line == 0)
		*pos = recipe->base.pos;
	return rc;
}

int uni_plan_kernel(const struct uni_recipe *recipe, const struct uni_base *base, const char *place,
		    const struct uni_base_kernel **kernel, struct uni_err *err)
{
	struct uni_pos ignored;

	return uni_plan_kernel_at(recipe, base, place, kernel, &ignored, err);
}

const char *uni_plan_place(const struct uni_recipe *recipe, const struct uni_base *base,
			   const char *form)
{
	const struct uni_base_kernel *here, *elsewhere;
	struct uni_err ignored = UNI_ERR_INIT;
	const char *place = place_of(form)->name;

	/* The same kernel: the same image. */
	if (uni_plan_kernel(recipe, base, place, &here, &ignored) == 0 &&
	    uni_plan_kernel(recipe, base, "", &elsewhere, &ignored) == 0 && here == elsewhere)
		return "";
	return place;
}

const char *uni_plan_step_place(const char *id)
{
	const char *colon = strchr(id, ':');

	return colon != NULL ? colon + 1 : "";
}
