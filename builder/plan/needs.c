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

static void add_words(struct uni_strv *list, const char *const *words)
{
	for (; *words != NULL; words++)
		if (!uni_strv_has(list, *words))
			uni_strv_add(list, *words);
}

static void add_word(struct uni_strv *list, const char *word)
{
	add_words(list, WORDS(word));
}

/* Sockets of the Internet's protocols; without a network they reach the machine itself. */
static bool wants_ip(const struct uni_recipe *recipe)
{
	for (size_t i = 0; i < recipe->config.runtime_count; i++)
		if (recipe->config.runtime[i] == UNI_CONFIG_NETWORK)
			return true;
	return uni_recipe_has_network(recipe);
}

/* Where nothing may be given at start, no way for it is needed. */
static bool takes_more_at_start(const struct uni_recipe *recipe)
{
	for (size_t i = 0; i < recipe->file_count; i++)
		if (recipe->files[i].runtime)
			return true;
	return recipe->config.runtime_count != 0 || recipe->secret_count != 0;
}

static void need_volumes(const struct uni_recipe *recipe, const struct place *place,
			 struct uni_base_needs *needs)
{
	for (size_t i = 0; i < recipe->volume_count; i++) {
		const struct uni_recipe_volume *volume = &recipe->volumes[i];

		add_word(&needs->filesystems, uni_recipe_format_name(volume->format));
		if (volume->format == UNI_FS_TMPFS)
			continue;
		add_word(&needs->compressions, uni_recipe_compression_name(volume->compression));
		if (!uni_recipe_in_elf(volume))
			add_words(&needs->devices, place->disks);
	}
}

static void needs_at(const struct uni_recipe *recipe, const struct place *place,
		     struct uni_base_needs *needs)
{
	*needs = (struct uni_base_needs){ .devices = { .items = NULL } };
	add_words(&needs->devices, place->always);
	need_volumes(recipe, place, needs);
	if (wants_ip(recipe)) {
		add_word(&needs->protocols, "ip");
		add_words(&needs->devices, place->networks);
	}
	if (takes_more_at_start(recipe))
		add_word(&needs->devices, "smbios");
	if (recipe->machine.processors > 1)
		add_word(&needs->devices, "smp");
	for (size_t i = 0; i < recipe->base.devices.count; i++)
		add_word(&needs->devices, recipe->base.devices.items[i].text);
	for (size_t i = 0; i < recipe->base.filesystems.count; i++)
		add_word(&needs->filesystems, recipe->base.filesystems.items[i].text);
	if (recipe->base.filesystems.count != 0)
		add_words(&needs->devices, place->disks);
	for (size_t i = 0; i < recipe->base.protocols.count; i++)
		add_word(&needs->protocols, recipe->base.protocols.items[i].text);
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

int uni_plan_kernel(const struct uni_recipe *recipe, const struct uni_base *base, const char *place,
		    const struct uni_base_kernel **kernel, struct uni_err *err)
{
	struct uni_base_needs needs;
	int rc;

	needs_at(recipe, place_named(place), &needs);
	rc = uni_base_choose(base, &needs, kernel, err);
	uni_base_needs_clear(&needs);
	return rc;
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
