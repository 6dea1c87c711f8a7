/*
 * From a recipe and its resolved inputs to steps. The order here is the order of the plan: each
 * step comes behind what it uses.
 */
#include "internal.h"

#include <string.h>
#include <uni/disk/disk.h>
#include <uni/fs/fs.h>
#include <uni/kernel/efi.h>
#include <uni/kernel/kernel.h>
#include <uni/link/link.h>

enum { PLACES_MAX = 8 };

/* What the forms of one place share; see needs.c. -1: a step not made. */
struct image {
	const char *place;
	int kernel, box, esp;
};

/* Numbers of the steps made so far; -1 when there is none. */
struct making {
	struct uni_plan *plan;
	const struct uni_plan_inputs *in;
	int *objects;
	int program, root;
	int *volumes;
	struct image images[PLACES_MAX];
	size_t image_count;
};

static void make_compiles(struct making *m)
{
	const struct uni_recipe *recipe = m->in->recipe;

	for (size_t i = 0; i < recipe->app.sources.count; i++) {
		char *id UNI_AUTO_FREE = uni_asprintf("compile:%s", m->in->sources[i].name);
		struct uni_buf options = UNI_BUF_INIT;

		plan_add(m->plan, UNI_OP_COMPILE, id, UNI_COMPILE_VERSION);
		options_compile(recipe, i, &options);
		plan_options(m->plan, &options);
		plan_tools(m->plan, &m->in->compile_tools);
		plan_source(m->plan, "source", &m->in->sources[i]);
		m->objects[i] = plan_close(m->plan);
	}
}

static void make_link(struct making *m)
{
	if (m->in->program != NULL || m->in->recipe->app.path != NULL)
		return;
	plan_add(m->plan, UNI_OP_LINK, "link", UNI_LINK_VERSION);
	plan_tools(m->plan, &m->in->link_tools);
	plan_source(m->plan, "base", &m->in->base);
	for (size_t i = 0; i < m->in->recipe->app.sources.count; i++)
		plan_use(m->plan, "object", m->objects[i], "object");
	for (size_t i = 0; i < m->in->object_count; i++)
		plan_source(m->plan, "object", &m->in->objects[i]);
	for (size_t i = 0; i < m->in->library_count; i++)
		plan_source(m->plan, "library", &m->in->libraries[i]);
	m->program = plan_close(m->plan);
}

/* Folders for mounts alone need no archive: the kernel makes them where it mounts. */
static void make_root(struct making *m)
{
	const struct uni_recipe *recipe = m->in->recipe;
	struct uni_buf options = UNI_BUF_INIT;

	if (m->in->ca == NULL && recipe->file_count == 0)
		return;
	plan_add(m->plan, UNI_OP_ROOT, "root", PLAN_ROOT_VERSION);
	options_root(recipe, &options);
	plan_options(m->plan, &options);
	if (m->in->ca != NULL)
		plan_source(m->plan, "ca", m->in->ca);
	for (size_t i = 0; i < recipe->file_count; i++)
		plan_source(m->plan, recipe->files[i].path, &m->in->files[i]);
	m->root = plan_close(m->plan);
}

static int make_volumes(struct making *m, struct uni_err *err)
{
	const struct uni_recipe *recipe = m->in->recipe;

	for (size_t i = 0; i < recipe->volume_count; i++) {
		const struct uni_recipe_volume *volume = &recipe->volumes[i];
		const char *name = uni_recipe_format_name(volume->format);
		const struct uni_fs_format *format = uni_fs_find(name);
		char *id UNI_AUTO_FREE = uni_asprintf("volume:%s", volume->name);
		struct uni_buf options = UNI_BUF_INIT;
		int rc;

		m->volumes[i] = -1;
		if (volume->format == UNI_FS_TMPFS)
			continue;
		if (format == NULL)
			return uni_recipe_error(recipe, volume->pos, UNI_E_UNSUPPORTED, err,
						"volumes of format %s cannot be written", name);
		rc = options_volume(recipe, volume, &options, err);
		if (rc != 0) {
			uni_buf_free(&options);
			return rc;
		}
		plan_add(m->plan, UNI_OP_VOLUME, id, format->version + PLAN_VOLUME_VERSION);
		plan_options(m->plan, &options);
		plan_source(m->plan, "tree", &m->in->volumes[i]);
		m->volumes[i] = plan_close(m->plan);
	}
	return 0;
}

/* A volume's place in kernel and disk carries its name: two of the same content may stand for
 * different ones. Those that are disks of their own are of use to few. */
static void use_volumes(struct making *m, bool beside)
{
	const struct uni_recipe *recipe = m->in->recipe;

	for (size_t i = 0; i < recipe->volume_count; i++) {
		char *name UNI_AUTO_FREE = uni_asprintf("volume/%s", recipe->volumes[i].name);

		if (m->volumes[i] >= 0 &&
		    (beside || !uni_recipe_volume_beside(&recipe->volumes[i])))
			plan_use(m->plan, name, m->volumes[i], "volume");
	}
}

/* "kernel", or "kernel:xen" in a place of its own. */
static void add_step(struct making *m, enum uni_step_op op, const char *name,
		     const struct image *image, unsigned version)
{
	char *id UNI_AUTO_FREE =
		uni_asprintf("%s%s%s", name, image->place[0] != '\0' ? ":" : "", image->place);

	plan_add(m->plan, op, id, version);
}

static int make_kernel(struct making *m, struct image *image, struct uni_err *err)
{
	struct uni_plan_source base = m->in->base;
	char *base_name UNI_AUTO_FREE = NULL;
	struct uni_buf options = UNI_BUF_INIT;
	const struct uni_base_kernel *kernel;
	struct uni_pos pos;
	unsigned version = 0;
	int rc = uni_plan_kernel_at(m->in->recipe, m->in->base_words, image->place, &kernel, &pos,
				    err);

	if (rc != 0)
		return uni_recipe_place(m->in->recipe, pos, err);
	/* Which kind the base is of is not known here: all of them speak for the operation. */
	for (const struct uni_kernel_kind *const *kind = uni_kernel_kinds; *kind != NULL; kind++)
		version += (*kind)->version;
	add_step(m, UNI_OP_KERNEL, "kernel", image, version);
	options_kernel(m->in->recipe, kernel->name, &options);
	plan_options(m->plan, &options);
	base_name = uni_asprintf("%s/%s", m->in->base.name, kernel->name);
	base.name = base_name;
	plan_source(m->plan, "base", &base);
	if (m->in->program != NULL)
		plan_source(m->plan, "program", m->in->program);
	else if (m->program >= 0)
		plan_use(m->plan, "program", m->program, "program");
	if (m->root >= 0)
		plan_use(m->plan, "root", m->root, "root");
	use_volumes(m, false);
	image->kernel = plan_close(m->plan);
	return 0;
}

/* That of a form's place; its kernel is made with the first of them. NULL with `err` set. */
static struct image *image_for(struct making *m, const char *form, struct uni_err *err)
{
	const char *place = uni_plan_place(m->in->recipe, m->in->base_words, form);
	struct image *image = m->images;

	for (; image != &m->images[m->image_count]; image++)
		if (strcmp(image->place, place) == 0)
			return image;
	m->image_count++;
	*image = (struct image){ .place = place, .box = -1, .esp = -1 };
	return make_kernel(m, image, err) == 0 ? image : NULL;
}

/* Its options and version; a form is a disk, or more than that. */
static int describe_disk(const struct making *m, const char *name, struct uni_buf *options,
			 unsigned *version, struct uni_err *err)
{
	const struct uni_disk_format *format = uni_disk_find(name);
	const struct uni_form *form = uni_form_find(name);

	if (format != NULL) {
		*version = format->version;
		return options_disk(m->in->recipe, format, options, err);
	}
	if (form == NULL)
		return uni_err_set(err, UNI_E_UNSUPPORTED, "there is no output format %s", name);
	*version = form->version;
	options_form(m->in->recipe, form, options);
	return 0;
}

static void make_box(struct making *m, struct image *image)
{
	if (image->box >= 0)
		return;
	add_step(m, UNI_OP_BOX, "box", image, UNI_BOX_VERSION_WRITTEN);
	plan_tools(m->plan, &m->in->box_tools);
	plan_use(m->plan, "elf", image->kernel, "elf");
	image->box = plan_close(m->plan);
}

static void make_esp(struct making *m, struct image *image)
{
	struct uni_buf options = UNI_BUF_INIT;

	if (image->esp >= 0 || !m->in->recipe->boot.uefi)
		return;
	add_step(m, UNI_OP_ESP, "esp", image,
		 UNI_EFI_VERSION_WRITTEN + uni_fs_find("fat")->version);
	options_esp(m->in->recipe, &options);
	plan_options(m->plan, &options);
	plan_source(m->plan, "base", &m->in->base);
	plan_use(m->plan, "box", image->box, "box");
	if (m->in->boot_key != NULL)
		plan_source(m->plan, "secure-boot-key", m->in->boot_key);
	if (m->in->boot_certificate != NULL)
		plan_source(m->plan, "secure-boot-certificate", m->in->boot_certificate);
	image->esp = plan_close(m->plan);
}

static void make_machine(struct making *m, const struct image *image,
			 const struct uni_machine_format *format)
{
	char *id UNI_AUTO_FREE = uni_asprintf("machine:%s", format->name);
	struct uni_buf options = UNI_BUF_INIT;

	plan_add(m->plan, UNI_OP_MACHINE, id, format->version);
	options_machine(m->in->recipe, format, &options);
	plan_options(m->plan, &options);
	plan_use(m->plan, "elf", image->kernel, "elf");
	use_volumes(m, false);
	plan_close(m->plan);
}

static int make_disk(struct making *m, struct image *image, size_t form, struct uni_err *err)
{
	const char *name = m->in->formats[form];
	const struct uni_form *kind = uni_form_find(name);
	char *id UNI_AUTO_FREE = uni_asprintf("disk:%s", name);
	struct uni_buf options = UNI_BUF_INIT;
	unsigned version = 0;
	int rc = describe_disk(m, name, &options, &version, err);

	if (rc != 0) {
		uni_buf_free(&options);
		return rc;
	}
	make_box(m, image);
	make_esp(m, image);
	plan_add(m->plan, UNI_OP_DISK, id, version + PLAN_DISK_VERSION);
	plan_options(m->plan, &options);
	if (m->in->format_tools != NULL)
		plan_tools(m->plan, &m->in->format_tools[form]);
	plan_source(m->plan, "base", &m->in->base);
	plan_use(m->plan, "box", image->box, "box");
	if (image->esp >= 0)
		plan_use(m->plan, "esp", image->esp, "esp");
	use_volumes(m, kind != NULL && kind->volumes != 0);
	plan_close(m->plan);
	return 0;
}

static int make_forms(struct making *m, struct uni_err *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < m->in->format_count; i++) {
		const char *name = m->in->formats[i];
		struct image *image = image_for(m, name, err);

		if (image == NULL)
			return err->code;
		if (uni_machine_find(name) != NULL)
			make_machine(m, image, uni_machine_find(name));
		else if (strcmp(name, "elf") != 0)
			rc = make_disk(m, image, i, err);
	}
	return rc;
}

static void make_manifest(struct making *m)
{
	struct uni_buf options = UNI_BUF_INIT;
	size_t before = m->plan->count;

	plan_add(m->plan, UNI_OP_MANIFEST, "manifest", PLAN_MANIFEST_VERSION);
	options_manifest(m->in, &options);
	plan_options(m->plan, &options);
	for (size_t i = 0; i < before; i++)
		plan_use(m->plan, m->plan->steps[i].step.id, (int)i, "");
	plan_close(m->plan);
}

static int make_all(struct making *m, struct uni_err *err)
{
	int rc;

	make_compiles(m);
	make_link(m);
	make_root(m);
	rc = make_volumes(m, err);
	if (rc != 0)
		return rc;
	rc = make_forms(m, err);
	if (rc == 0 && m->in->format_count == 0)
		return uni_err_set(err, UNI_E_USAGE, "no output format is asked for");
	if (rc == 0)
		make_manifest(m);
	return rc;
}

int uni_plan_make(struct uni_plan **plan, const struct uni_plan_inputs *inputs, struct uni_err *err)
{
	struct uni_plan *made UNI_AUTO(uni_plan) = uni_alloc(sizeof(*made));
	int *objects UNI_AUTO_FREE =
		uni_alloc_array(inputs->recipe->app.sources.count + 1, sizeof(*objects));
	int *volumes UNI_AUTO_FREE =
		uni_alloc_array(inputs->recipe->volume_count + 1, sizeof(*volumes));
	struct making m = {
		.plan = made,
		.in = inputs,
		.objects = objects,
		.volumes = volumes,
		.program = -1,
		.root = -1,
	};
	int rc = make_all(&m, err);

	*plan = NULL;
	if (rc != 0)
		return rc;
	*plan = made;
	made = NULL;
	return 0;
}
