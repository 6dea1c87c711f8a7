/*
 * Which packages a recipe's names mean: what its lock says, else what the indexes have now, and the
 * lock says so from then on. A name that no index has is looked for among what was installed by
 * hand. A recipe all of whose packages are such gets no lock: nobody else could build by it.
 *
 * With a lock that has every package, and a store that has their files, nothing is asked of
 * anybody: not the network, not the clock.
 */
#include "internal.h"

#include <string.h>
#include <uni/base/file.h>
#include <uni/base/path.h>
#include <uni/recipes/lock.h>
#include <uni/recipes/version.h>

struct needs {
	struct uni_need *items;
	size_t count, room;
	struct uni_pos *places; /* of the items */
	size_t place_count, place_room;
	const struct uni_recipe_input **images; /* of tags, which the lock holds */
	size_t image_count, image_room;
};

static void needs_free(struct needs *needs)
{
	free(needs->items);
	free(needs->places);
	free(needs->images);
}
#define AUTO_NEEDS __attribute__((cleanup(needs_free)))

static void add_need(struct needs *needs, const char *name, const char *range, struct uni_pos pos)
{
	UNI_PUSH_ROOM(needs->items, needs->count, needs->room);
	needs->items[needs->count++] =
		(struct uni_need){ .name = name, .range = range, .by = "the recipe" };
	UNI_PUSH_ROOM(needs->places, needs->place_count, needs->place_room);
	needs->places[needs->place_count++] = pos;
}

static void add_input(struct needs *needs, const struct uni_recipe_input *input)
{
	if (input->kind == UNI_INPUT_PACKAGE)
		add_need(needs, input->package, input->range, input->pos);
	if (input->kind != UNI_INPUT_IMAGE || input->url == NULL || input->has_digest)
		return;
	UNI_PUSH_ROOM(needs->images, needs->image_count, needs->image_room);
	needs->images[needs->image_count++] = input;
}

static void add_inputs(struct needs *needs, const struct uni_recipe_inputs *inputs)
{
	for (size_t i = 0; i < inputs->count; i++)
		add_input(needs, &inputs->items[i]);
}

static void collect(const struct uni_recipe *recipe, struct needs *needs)
{
	if (recipe->base.name != NULL)
		add_need(needs, recipe->base.name, recipe->base.range, recipe->base.pos);
	add_inputs(needs, &recipe->app.objects);
	add_inputs(needs, &recipe->app.libraries);
	add_input(needs, &recipe->app.program);
	add_input(needs, &recipe->ca);
	add_input(needs, &recipe->boot.key);
	add_input(needs, &recipe->boot.certificate);
	for (size_t i = 0; i < recipe->file_count; i++)
		add_input(needs, &recipe->files[i].source);
	for (size_t i = 0; i < recipe->volume_count; i++)
		add_input(needs, &recipe->volumes[i].source);
}

/* "uni.lock" beside recipe.toml, NAME.lock beside any other NAME.toml. */
char *lock_path(const struct uni_recipe *recipe)
{
	const char *base = uni_path_base(recipe->path);
	size_t size = strlen(base);

	if (uni_str_eq(base, "recipe.toml"))
		return uni_path_join(recipe->dir, "uni.lock");
	if (uni_str_ends(base, ".toml"))
		size -= strlen(".toml");
	char *file UNI_AUTO_FREE = uni_asprintf("%.*s.lock", (int)size, base);
	return uni_path_join(recipe->dir, file);
}

static bool satisfied(const struct needs *needs, const struct uni_pins *pins)
{
	for (size_t i = 0; i < needs->count; i++) {
		const struct uni_pin *pin = uni_pins_find(pins, needs->items[i].name);

		if (pin == NULL || !uni_range_has_text(needs->items[i].range, pin->version))
			return false;
	}
	return true;
}

static int read_lock(struct build *b, const char *path, struct uni_lock **lock, struct uni_err *err)
{
	const struct uni_lock_arch *arch;

	if (!uni_file_exists(path))
		return 0;
	int rc = uni_lock_load(lock, path, b->diags, err);
	if (rc != 0)
		return rc;
	arch = uni_lock_arch(*lock, BASE_ARCH);
	for (size_t i = 0; arch != NULL && i < arch->package_count; i++) {
		const struct uni_lock_package *p = &arch->packages[i];
		struct uni_pin pin = { .name = p->name,
				       .version = p->version,
				       .index = p->index,
				       .path = p->path,
				       .digest = p->digest,
				       .size = p->size };

		uni_pins_put(&b->locked, &pin);
	}
	return 0;
}

int lock_indexes(struct build *b, struct uni_err *err)
{
	struct uni_indexes_options options = { .store = b->store,
					       .events = b->events,
					       .offline = b->options->offline };

	return b->indexes != NULL ? 0 : uni_indexes_open(&b->indexes, &options, err);
}

/* What indexes have is theirs to give; the others, in `installed`, may be in the store. */
static int split(struct build *b, struct needs *needs, struct needs *installed, struct uni_err *err)
{
	const struct uni_index_package *package;
	size_t kept = 0;

	for (size_t i = 0; i < needs->count; i++) {
		struct uni_err why = UNI_ERR_INIT;
		const struct uni_need need = needs->items[i];
		const struct uni_pin *locked = uni_pins_find(&b->locked, need.name);
		int rc = uni_indexes_find(b->indexes, need.name, &package, &why);

		if (rc == 0) {
			needs->places[kept] = needs->places[i];
			needs->items[kept++] = need;
		} else if (rc == UNI_E_NOENT && (locked == NULL || locked->index == NULL)) {
			add_need(installed, need.name, need.range, needs->places[i]);
		} else {
			return *err = why, rc;
		}
	}
	needs->count = kept;
	return 0;
}

/* What is in the store by hand goes into a lock beside the rest; one that is not there is told of
 * where the recipe names it. */
static void pin_installed(struct build *b, const struct needs *needs)
{
	for (size_t i = 0; i < needs->count; i++) {
		struct uni_installed *installed UNI_AUTO(uni_installed) = NULL;
		struct uni_err ignored = UNI_ERR_INIT;

		if (uni_package_find(b->store, needs->items[i].name, needs->items[i].range,
				     BASE_ARCH, &installed, &ignored) != 0)
			continue;
		struct uni_buf json UNI_AUTO_BUF = UNI_BUF_INIT;
		uni_package_json(installed->package, &json);
		struct uni_pin pin = { .name = installed->package->name,
				       .version = installed->package->version,
				       .digest = installed->digest,
				       .size = json.size };
		uni_pins_put(&b->pins, &pin);
	}
}

/* Tools are lock_tools' affair, and stay as they were unless all is forgotten. */
static void copy_tools(const struct build *b, const struct uni_lock *from, struct uni_lock *to)
{
	const struct uni_lock_arch *old = from != NULL ? uni_lock_arch(from, BASE_ARCH) : NULL;

	for (size_t i = 0; old != NULL && !b->options->update_all && i < old->tool_count; i++)
		uni_lock_put_tool(to, BASE_ARCH, &old->tools[i]);
}

static void to_lock(const struct build *b, struct uni_lock *lock)
{
	const struct uni_lock_arch *images = uni_lock_arch(b->images, BASE_ARCH);
	const struct uni_pins *pins = &b->pins;

	uni_lock_drop(lock, BASE_ARCH);
	for (size_t i = 0; images != NULL && i < images->image_count; i++)
		uni_lock_put_image(lock, BASE_ARCH, &images->images[i]);
	for (size_t i = 0; i < pins->count; i++) {
		const struct uni_pin *pin = &pins->items[i];
		struct uni_lock_package p = { .name = pin->name,
					      .version = pin->version,
					      .index = pin->index,
					      .path = pin->path,
					      .digest = pin->digest,
					      .size = pin->size };

		uni_lock_put_package(lock, BASE_ARCH, &p);
	}
}

/* A build that fails leaves no trace in the recipe's folder: the lock is written behind it. */
static void keep_for_later(struct build *b, struct uni_lock **lock)
{
	uni_lock_free(b->next_lock);
	b->next_lock = *lock;
	*lock = NULL;
}

/* Says how the lock would change, or keeps it to be written. */
static int renew_lock(struct build *b, const char *path, struct uni_lock **lock,
		      struct uni_err *err)
{
	struct uni_lock *next UNI_AUTO(uni_lock) = uni_lock_new();
	struct uni_strv drift UNI_AUTO_STRV = { .items = NULL };

	to_lock(b, next);
	copy_tools(b, *lock, next);
	if (uni_lock_drift(*lock != NULL ? uni_lock_arch(*lock, BASE_ARCH) : NULL,
			   uni_lock_arch(next, BASE_ARCH), &drift) == 0)
		return 0;
	if (b->options->locked) {
		uni_err_set(err, UNI_E_DIFFERS, "%s would change: %s", path, drift.items[0]);
		return uni_err_hint(err, "a build without --locked writes it");
	}
	if (!b->writes_lock)
		return 0;
	if (*lock == NULL) {
		keep_for_later(b, &next);
		return 0;
	}
	to_lock(b, *lock);
	copy_tools(b, next, *lock);
	keep_for_later(b, lock);
	return 0;
}

/* An error of the choice of versions: at each name that alone cannot be met, where there are such.
 */
static int place_needs(struct build *b, const struct needs *needs, struct uni_err *err)
{
	size_t before = b->diags->errors;

	for (size_t i = 0; i < needs->count; i++) {
		struct uni_pins pins UNI_AUTO_PINS = { .items = NULL };
		struct uni_err why = UNI_ERR_INIT;

		if (uni_resolve(b->indexes, &needs->items[i], 1, BASE_ARCH, &b->locked, &pins,
				&why) == UNI_E_INVAL)
			complain_at(b, needs->places[i], &why);
	}
	return b->diags->errors != before ? uni_diags_err(b->diags, UNI_E_INVAL, err) : err->code;
}

static int resolve_rest(struct build *b, struct needs *needs, struct uni_err *err)
{
	struct needs installed AUTO_NEEDS = { .items = NULL };
	int rc = lock_indexes(b, err);

	if (rc != 0 || (uni_indexes_count(b->indexes) == 0 && b->locked.count == 0))
		return rc;
	rc = split(b, needs, &installed, err);
	if (rc == 0)
		rc = uni_resolve(b->indexes, needs->items, needs->count, BASE_ARCH, &b->locked,
				 &b->pins, err);
	if (rc == UNI_E_INVAL)
		rc = place_needs(b, needs, err);
	if (rc == 0 && b->pins.count != 0)
		pin_installed(b, &installed);
	return rc;
}

/* Whether all that tags mean is in the lock. */
static bool images_locked(const struct build *b, const struct uni_lock_arch *arch)
{
	const struct uni_lock_arch *images = uni_lock_arch(b->images, BASE_ARCH);

	for (size_t i = 0; images != NULL && i < images->image_count; i++)
		if (uni_lock_image(arch, images->images[i].name) == NULL)
			return false;
	return true;
}

/* Whether the lock has all packages, and none is to be forgotten. */
static bool obeys(const struct build *b, const struct needs *needs)
{
	return b->locked.count != 0 && satisfied(needs, &b->locked) &&
	       b->options->update_count == 0;
}

static int resolve_packages(struct build *b, struct needs *needs, struct uni_err *err)
{
	int rc;

	if (!obeys(b, needs)) {
		rc = resolve_rest(b, needs, err);
	} else {
		for (size_t i = 0; i < b->locked.count; i++)
			uni_pins_put(&b->pins, &b->locked.items[i]);
		rc = lock_indexes(b, err);
	}
	return rc == 0 ? uni_indexes_fetch(b->indexes, &b->pins, err) : rc;
}

/* A lock is obeyed, and that this leaves out something newer that is here already is said: without
 * asking anybody. */
static void tell_newer(struct build *b, const struct needs *needs)
{
	for (size_t i = 0; i < needs->count; i++) {
		const struct uni_need *need = &needs->items[i];
		const struct uni_pin *pin = uni_pins_find(&b->locked, need->name);
		char *newer UNI_AUTO_FREE =
			pin->index != NULL
				? uni_index_embedded_newer(pin, need->range, BASE_ARCH)
				: uni_package_newest(b->store, need->name, need->range, BASE_ARCH);

		if (newer == NULL ||
		    (pin->index == NULL && !uni_version_newer(newer, pin->version)))
			continue;
		uni_event_advice(b->events,
				 "the lock keeps %s %s, and %s is here: "
				 "\"uni update %s --recipe %s\" takes it",
				 need->name, pin->version,
				 uni_str_eq(newer, pin->version) ? "a newer make of it" : newer,
				 need->name, b->recipe->path);
	}
}

int lock_resolve(struct build *b, struct uni_err *err)
{
	char *path UNI_AUTO_FREE = lock_path(b->recipe);
	struct uni_lock *lock UNI_AUTO(uni_lock) = NULL;
	const struct uni_lock_arch *arch;
	struct needs needs AUTO_NEEDS = { .items = NULL };
	bool silent;
	int rc;

	collect(b->recipe, &needs);
	rc = read_lock(b, path, &lock, err);
	for (size_t i = 0; rc == 0 && i < b->options->update_count; i++)
		lock_forget(b, b->options->update[i]);
	if (rc == 0 && b->options->update_all)
		uni_pins_free(&b->locked);
	arch = lock != NULL && !b->options->update_all ? uni_lock_arch(lock, BASE_ARCH) : NULL;
	silent = obeys(b, &needs);
	if (rc == 0 && silent && !b->options->locked)
		tell_newer(b, &needs);
	if (rc == 0)
		rc = resolve_packages(b, &needs, err);
	if (rc == 0)
		rc = images_resolve(b, needs.images, needs.image_count, arch, err);
	if (rc == 0 && !(silent && images_locked(b, arch)))
		rc = renew_lock(b, path, &lock, err);
	return rc;
}

/* A recipe in a folder that is not ours to write is built all the same. */
int lock_write(struct build *b, struct uni_err *err)
{
	char *path UNI_AUTO_FREE = lock_path(b->recipe);
	int rc = b->next_lock != NULL ? uni_lock_save(b->next_lock, path, err) : 0;

	if (rc != UNI_E_DENIED)
		return rc;
	uni_event_warning(b->events, "%s: the versions of this build are not kept", err->text);
	uni_err_clear(err);
	return 0;
}

void lock_forget(struct build *b, const char *name)
{
	struct uni_pins left = { .items = NULL };

	for (size_t i = 0; i < b->locked.count; i++)
		if (!uni_str_eq(b->locked.items[i].name, name))
			uni_pins_put(&left, &b->locked.items[i]);
	uni_pins_free(&b->locked);
	b->locked = left;
}

static int find_installed(struct build *b, const struct uni_pin *pin,
			  struct uni_installed **installed, struct uni_err *err)
{
	char *exact UNI_AUTO_FREE = uni_asprintf("=%s", pin->version);
	int rc = uni_package_find(b->store, pin->name, exact, BASE_ARCH, installed, err);

	if (rc != 0 || uni_digest_eq(&(*installed)->digest, &pin->digest))
		return rc;
	uni_installed_free(*installed);
	*installed = NULL;
	uni_err_set(err, UNI_E_DIFFERS, "%s %s in the store is not the one that the lock names",
		    pin->name, pin->version);
	return uni_err_hint(err, "\"uni update %s --recipe %s\" takes this one", pin->name,
			    b->recipe->path);
}

static int add_name(void *user, const char *index, const char *name, const char *version,
		    const char *description)
{
	(void)index, (void)version, (void)description;
	uni_strv_add(user, name);
	return 0;
}

/* A name that neither store nor index has may be one of these, mistyped. */
static void hint_near(struct build *b, const char *name, struct uni_err *err)
{
	static const char *const all[] = { NULL };
	struct uni_strv names UNI_AUTO_STRV = { .items = NULL };
	struct uni_err ignored = UNI_ERR_INIT;
	const char *near;

	if (b->indexes == NULL ||
	    uni_indexes_search(b->indexes, all, add_name, &names, &ignored) != 0)
		return;
	near = uni_str_nearest(name, (const char *const *)names.items, names.count);
	if (near != NULL)
		uni_err_hint(err, "did you mean \"%s\"?", near);
}

int lock_find(struct build *b, const struct uni_recipe_input *input,
	      struct uni_installed **installed, struct uni_err *err)
{
	const struct uni_pin *pin = uni_pins_find(&b->pins, input->package);
	int rc;

	if (pin == NULL) {
		rc = uni_package_find(b->store, input->package, input->range, BASE_ARCH, installed,
				      err);
		if (rc == UNI_E_NOENT)
			hint_near(b, input->package, err);
		return rc;
	}
	if (pin->index == NULL)
		return find_installed(b, pin, installed, err);
	rc = lock_indexes(b, err);
	return rc == 0 ? uni_indexes_load(b->indexes, pin, installed, err) : rc;
}
