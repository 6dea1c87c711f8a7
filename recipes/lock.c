/*
 * The lock in memory: sorted lists, their one spelling as text, and what differs between two.
 */
#include <string.h>
#include <uni/base/file.h>
#include <uni/base/search.h>
#include <uni/recipes/lock.h>
#include <uni/recipes/toml.h>

struct uni_lock *uni_lock_new(void)
{
	return uni_alloc(sizeof(struct uni_lock));
}

static void free_package(struct uni_lock_package *package)
{
	free(package->name);
	free(package->version);
	free(package->index);
	free(package->path);
}

static void free_named(struct uni_lock_named *items, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(items[i].name);
	free(items);
}

static void free_arch(struct uni_lock_arch *arch)
{
	for (size_t i = 0; i < arch->package_count; i++)
		free_package(&arch->packages[i]);
	free_named(arch->images, arch->image_count);
	free_named(arch->tools, arch->tool_count);
	free(arch->packages);
	free(arch->name);
}

void uni_lock_free(struct uni_lock *lock)
{
	if (lock == NULL)
		return;
	for (size_t i = 0; i < lock->arch_count; i++)
		free_arch(&lock->arches[i]);
	free(lock->arches);
	free(lock);
}

/* Every list here is of structs that begin with their name. */
static const char *name_at(const void *items, size_t size, size_t at)
{
	return *(char *const *)(const void *)((const char *)items + at * size);
}

/* Finds `name`, or the place where it belongs. */
static bool find_place(const void *items, size_t count, size_t size, const char *name,
		       size_t *place)
{
	UNI_LOWER_BOUND(*place, 0, count, strcmp(name_at(items, size, *place), name) < 0);
	return *place < count && strcmp(name_at(items, size, *place), name) == 0;
}

/* A zeroed item at `place`; the list may move. */
static void *open_place(void *items, size_t *count, size_t size, size_t place)
{
	char *grown = uni_realloc_array(items, *count + 1, size);

	memmove(grown + (place + 1) * size, grown + place * size, (*count - place) * size);
	memset(grown + place * size, 0, size);
	++*count;
	return grown;
}

const struct uni_lock_arch *uni_lock_arch(const struct uni_lock *lock, const char *arch)
{
	size_t place;

	if (!find_place(lock->arches, lock->arch_count, sizeof(*lock->arches), arch, &place))
		return NULL;
	return &lock->arches[place];
}

const struct uni_lock_package *uni_lock_package(const struct uni_lock_arch *arch, const char *name)
{
	size_t place;

	if (arch == NULL ||
	    !find_place(arch->packages, arch->package_count, sizeof(*arch->packages), name, &place))
		return NULL;
	return &arch->packages[place];
}

static const struct uni_lock_named *find_named(const struct uni_lock_named *items, size_t count,
					       const char *name)
{
	size_t place;

	return find_place(items, count, sizeof(*items), name, &place) ? &items[place] : NULL;
}

const struct uni_lock_named *uni_lock_image(const struct uni_lock_arch *arch, const char *name)
{
	return arch != NULL ? find_named(arch->images, arch->image_count, name) : NULL;
}

const struct uni_lock_named *uni_lock_tool(const struct uni_lock_arch *arch, const char *name)
{
	return arch != NULL ? find_named(arch->tools, arch->tool_count, name) : NULL;
}

static struct uni_lock_arch *make_arch(struct uni_lock *lock, const char *name)
{
	size_t place;

	if (!find_place(lock->arches, lock->arch_count, sizeof(*lock->arches), name, &place)) {
		lock->arches =
			open_place(lock->arches, &lock->arch_count, sizeof(*lock->arches), place);
		lock->arches[place].name = uni_strdup(name);
	}
	return &lock->arches[place];
}

void uni_lock_put_package(struct uni_lock *lock, const char *arch,
			  const struct uni_lock_package *package)
{
	struct uni_lock_arch *a = make_arch(lock, arch);
	struct uni_lock_package copy = *package;
	size_t place;

	copy.name = uni_strdup(package->name);
	copy.version = uni_strdup(package->version);
	copy.index = package->index != NULL ? uni_strdup(package->index) : NULL;
	copy.path = package->path != NULL ? uni_strdup(package->path) : NULL;
	if (find_place(a->packages, a->package_count, sizeof(copy), copy.name, &place))
		free_package(&a->packages[place]);
	else
		a->packages = open_place(a->packages, &a->package_count, sizeof(copy), place);
	a->packages[place] = copy;
}

static void put_named(struct uni_lock_named **items, size_t *count,
		      const struct uni_lock_named *named)
{
	struct uni_lock_named copy = { .name = uni_strdup(named->name), .digest = named->digest };
	size_t place;

	if (find_place(*items, *count, sizeof(copy), copy.name, &place))
		free((*items)[place].name);
	else
		*items = open_place(*items, count, sizeof(copy), place);
	(*items)[place] = copy;
}

void uni_lock_put_image(struct uni_lock *lock, const char *arch, const struct uni_lock_named *image)
{
	struct uni_lock_arch *a = make_arch(lock, arch);

	put_named(&a->images, &a->image_count, image);
}

void uni_lock_put_tool(struct uni_lock *lock, const char *arch, const struct uni_lock_named *tool)
{
	struct uni_lock_arch *a = make_arch(lock, arch);

	put_named(&a->tools, &a->tool_count, tool);
}

void uni_lock_drop(struct uni_lock *lock, const char *arch)
{
	size_t place;

	if (!find_place(lock->arches, lock->arch_count, sizeof(*lock->arches), arch, &place))
		return;
	free_arch(&lock->arches[place]);
	lock->arch_count--;
	memmove(lock->arches + place, lock->arches + place + 1,
		(lock->arch_count - place) * sizeof(*lock->arches));
}

static void put_text(struct uni_buf *out, const char *key, const char *text)
{
	uni_buf_printf(out, "%s = ", key);
	uni_toml_write_string(out, text);
	uni_buf_putc(out, '\n');
}

static void put_digest(struct uni_buf *out, const struct uni_digest *digest)
{
	char hex[2 * sizeof(digest->bytes) + 1];

	uni_hex(digest->bytes, sizeof(digest->bytes), hex);
	put_text(out, "sha256", hex);
}

static void put_header(struct uni_buf *out, const char *arch, const char *list)
{
	uni_buf_puts(out, "\n[[");
	uni_toml_write_key(out, arch);
	uni_buf_printf(out, ".%s]]\n", list);
}

static void put_all_named(struct uni_buf *out, const char *arch, const char *list,
			  const struct uni_lock_named *items, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		put_header(out, arch, list);
		put_text(out, "name", items[i].name);
		put_digest(out, &items[i].digest);
	}
}

static void put_arch(struct uni_buf *out, const struct uni_lock_arch *arch)
{
	for (size_t i = 0; i < arch->package_count; i++) {
		const struct uni_lock_package *package = &arch->packages[i];

		put_header(out, arch->name, "package");
		put_text(out, "name", package->name);
		put_text(out, "version", package->version);
		if (package->index != NULL) {
			put_text(out, "index", package->index);
			put_text(out, "path", package->path);
		}
		put_digest(out, &package->digest);
		uni_buf_printf(out, "size = %llu\n", (unsigned long long)package->size);
	}
	put_all_named(out, arch->name, "image", arch->images, arch->image_count);
	put_all_named(out, arch->name, "tool", arch->tools, arch->tool_count);
}

void uni_lock_text(const struct uni_lock *lock, struct uni_buf *out)
{
	uni_buf_puts(out,
		     "# Written by uni; `uni update` writes it anew. Keep it beside its recipe.\n");
	uni_buf_printf(out, "version = %d\n", UNI_LOCK_VERSION);
	for (size_t i = 0; i < lock->arch_count; i++)
		put_arch(out, &lock->arches[i]);
}

int uni_lock_save(const struct uni_lock *lock, const char *path, struct uni_err *err)
{
	struct uni_buf text UNI_AUTO_BUF = UNI_BUF_INIT;

	uni_lock_text(lock, &text);
	if (uni_file_write(path, text.data, text.size, 0644, err) != 0)
		return uni_err_context(err, "lock file");
	return 0;
}

static bool same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* `order` as strcmp has it for two names: below 0 there is nothing wanted, above nothing locked. */
static void compare_packages(int order, const struct uni_lock_package *locked,
			     const struct uni_lock_package *wanted, struct uni_strv *drift)
{
	if (order > 0)
		uni_strv_addf(drift, "package \"%s\" %s is not in the lock", wanted->name,
			      wanted->version);
	else if (order < 0)
		uni_strv_addf(drift, "package \"%s\" %s is locked, but not wanted any more",
			      locked->name, locked->version);
	else if (strcmp(locked->version, wanted->version) != 0)
		uni_strv_addf(drift, "package \"%s\" is locked at %s, wanted is %s", locked->name,
			      locked->version, wanted->version);
	else if (!uni_digest_eq(&locked->digest, &wanted->digest) || locked->size != wanted->size)
		uni_strv_addf(drift, "package \"%s\" %s has other content than the locked one",
			      locked->name, locked->version);
	else if (!same_text(locked->index, wanted->index) || !same_text(locked->path, wanted->path))
		uni_strv_addf(drift,
			      "package \"%s\" %s comes from another place than the locked one",
			      locked->name, locked->version);
}

/* What is said of a kind of thing: that it is what, and how it differs. */
struct words {
	const char *kind, *added, *gone, *other;
};
static const struct words image_words = { "image", "is not in the lock",
					  "is locked, but not wanted any more",
					  "is locked with another digest" };
static const struct words tool_words = { "tool", "is not in the lock",
					 "is locked, but not used any more",
					 "here is not the locked one" };

static void compare_named(const struct uni_lock_named *a, size_t a_count,
			  const struct uni_lock_named *b, size_t b_count, const struct words *words,
			  struct uni_strv *drift)
{
	for (size_t i = 0, k = 0; i < a_count || k < b_count;) {
		int order = i == a_count ? 1 : k == b_count ? -1 : strcmp(a[i].name, b[k].name);

		if (order > 0)
			uni_strv_addf(drift, "%s \"%s\" %s", words->kind, b[k].name, words->added);
		else if (order < 0)
			uni_strv_addf(drift, "%s \"%s\" %s", words->kind, a[i].name, words->gone);
		else if (!uni_digest_eq(&a[i].digest, &b[k].digest))
			uni_strv_addf(drift, "%s \"%s\" %s", words->kind, a[i].name, words->other);
		i += order <= 0;
		k += order >= 0;
	}
}

size_t uni_lock_drift(const struct uni_lock_arch *locked, const struct uni_lock_arch *wanted,
		      struct uni_strv *drift)
{
	static const struct uni_lock_arch nothing;
	const struct uni_lock_arch *a = locked != NULL ? locked : &nothing;
	const struct uni_lock_arch *b = wanted != NULL ? wanted : &nothing;
	size_t before = drift->count;

	/* The lists are sorted: one walk over each two. */
	for (size_t i = 0, k = 0; i < a->package_count || k < b->package_count;) {
		const struct uni_lock_package *x = &a->packages[i], *y = &b->packages[k];
		int order = i == a->package_count   ? 1
			    : k == b->package_count ? -1
						    : strcmp(x->name, y->name);

		compare_packages(order, x, y, drift);
		i += order <= 0;
		k += order >= 0;
	}
	compare_named(a->images, a->image_count, b->images, b->image_count, &image_words, drift);
	compare_named(a->tools, a->tool_count, b->tools, b->tool_count, &tool_words, drift);
	return drift->count - before;
}
