/*
 * Choosing versions. Packages are taken up in the order in which they are first needed, each with
 * its versions from the best down; what a choice requires is taken up behind it, and a dead end
 * goes back to the last choice. When nothing fits, the needs that met in the furthest dead end are
 * what is told: they are what someone must change.
 */
#include "internal.h"
#include <string.h>
#include <uni/recipes/version.h>

#define NEEDS_MAX 4096
#define STEPS_MAX 200000 /* choices tried before it is given up */

struct need {
	char *name, *range, *by;
};

struct choice {
	const char *name;
	struct uni_pin pin;
};

struct solver {
	struct uni_indexes *indexes;
	const char *arch;
	const struct uni_pins *locked;
	struct need *needs; /* grows and shrinks with the choices */
	size_t need_count, need_room;
	struct choice *choices;
	size_t choice_count, choice_room;
	size_t furthest;
	struct uni_buf why;
	unsigned steps;
};

/* --- pins --- */

static void pin_clear(struct uni_pin *pin)
{
	free(pin->name);
	free(pin->version);
	free(pin->index);
	free(pin->path);
}

static struct uni_pin pin_copy(const struct uni_pin *pin)
{
	struct uni_pin copy = *pin;
	copy.name = uni_strdup(pin->name);
	copy.version = uni_strdup(pin->version);
	copy.index = pin->index != NULL ? uni_strdup(pin->index) : NULL;
	copy.path = pin->path != NULL ? uni_strdup(pin->path) : NULL;
	return copy;
}

void uni_pins_free(struct uni_pins *pins)
{
	for (size_t i = 0; i < pins->count; i++)
		pin_clear(&pins->items[i]);
	free(pins->items);
	*pins = (struct uni_pins){ .items = NULL };
}

const struct uni_pin *uni_pins_find(const struct uni_pins *pins, const char *name)
{
	for (size_t i = 0; pins != NULL && i < pins->count; i++)
		if (uni_str_eq(pins->items[i].name, name))
			return &pins->items[i];
	return NULL;
}

void uni_pins_put(struct uni_pins *pins, const struct uni_pin *pin)
{
	size_t at = 0;
	while (at < pins->count && strcmp(pins->items[at].name, pin->name) < 0)
		at++;
	if (at < pins->count && strcmp(pins->items[at].name, pin->name) == 0) {
		pin_clear(&pins->items[at]);
	} else {
		UNI_PUSH_ROOM(pins->items, pins->count, pins->room);
		memmove(&pins->items[at + 1], &pins->items[at],
			(pins->count - at) * sizeof(*pins->items));
		pins->count++;
	}
	pins->items[at] = pin_copy(pin);
}

/* --- needs --- */

static void push_need(struct solver *s, const char *name, size_t name_size, const char *range,
		      const char *by)
{
	UNI_PUSH_ROOM(s->needs, s->need_count, s->need_room);
	s->needs[s->need_count++] =
		(struct need){ .name = uni_strndup(name, name_size),
			       .range = range != NULL ? uni_strdup(range) : NULL,
			       .by = uni_strdup(by) };
}

static void pop_needs(struct solver *s, size_t count)
{
	while (s->need_count > count) {
		struct need *need = &s->needs[--s->need_count];
		free(need->name);
		free(need->range);
		free(need->by);
	}
}

static bool fits_all(const struct solver *s, const char *name, const char *version)
{
	for (size_t i = 0; i < s->need_count; i++)
		if (uni_str_eq(s->needs[i].name, name) &&
		    !uni_range_has_text(s->needs[i].range, version))
			return false;
	return true;
}

static const struct choice *chosen(const struct solver *s, const char *name)
{
	for (size_t i = 0; i < s->choice_count; i++)
		if (uni_str_eq(s->choices[i].name, name))
			return &s->choices[i];
	return NULL;
}

/* "you need", "the recipe needs". */
static const char *needs(const char *by)
{
	return uni_str_eq(by, "you") ? "need" : "needs";
}

/* Only the furthest dead end is kept: the others are ways there. */
static void explain(struct solver *s, const char *name, const struct uni_index_package *package)
{
	if (s->why.size != 0 && s->choice_count <= s->furthest)
		return;
	s->furthest = s->choice_count;
	uni_buf_clear(&s->why);
	uni_buf_printf(&s->why, "no version of %s fits: ", name);
	const char *between = "";
	for (size_t i = 0; i < s->need_count; i++) {
		if (!uni_str_eq(s->needs[i].name, name))
			continue;
		uni_buf_printf(&s->why, "%s%s %s %s", between, s->needs[i].by,
			       needs(s->needs[i].by),
			       s->needs[i].range != NULL ? s->needs[i].range : "any");
		between = ", ";
	}
	const struct choice *taken = chosen(s, name);
	if (taken != NULL)
		uni_buf_printf(&s->why, "; %s was chosen before", taken->pin.version);
	if (package == NULL)
		return;
	uni_buf_printf(&s->why, "; index %s has ", package->index);
	size_t told = 0;
	for (size_t i = 0; i < package->count && told < 8; i++) {
		const struct uni_index_version *v = &package->versions[i];
		if (!uni_str_eq(v->arch, s->arch) && !uni_str_eq(v->arch, "any"))
			continue;
		uni_buf_printf(&s->why, "%s%s%s", told++ != 0 ? ", " : "", v->version,
			       v->yanked != NULL ? " (yanked)" : "");
	}
	if (told == 0)
		uni_buf_printf(&s->why, "none for %s", s->arch);
}

/* --- the search --- */

/* 1: all needs are met; 0: a dead end; negative: an error. */
static int solve(struct solver *s, size_t at, struct uni_err *err);

static int try_version(struct solver *s, size_t at, const struct uni_pin *pin,
		       const struct uni_strv *requires, struct uni_err *err)
{
	size_t needs = s->need_count;
	char *by UNI_AUTO_FREE = uni_asprintf("%s %s", pin->name, pin->version);
	if (++s->steps > STEPS_MAX)
		return uni_err_set(err, UNI_E_LIMIT, "too many ways to choose; the last: %s",
				   uni_buf_text(&s->why));
	if (s->need_count + requires->count > NEEDS_MAX)
		return uni_err_set(err, UNI_E_LIMIT, "more than %d needs", NEEDS_MAX);
	UNI_PUSH_ROOM(s->choices, s->choice_count, s->choice_room);
	struct choice *choice = &s->choices[s->choice_count++];
	choice->pin = pin_copy(pin);
	choice->name = choice->pin.name;
	for (size_t i = 0; i < requires->count; i++) {
		const char *text = requires->items[i];
		size_t size = strcspn(text, "@");
		push_need(s, text, size, text[size] == '@' ? text + size + 1 : NULL, by);
	}
	int rc = solve(s, at + 1, err);
	if (rc == 0) {
		pop_needs(s, needs);
		pin_clear(&s->choices[--s->choice_count].pin);
	}
	return rc;
}

static struct uni_pin pin_of(const struct uni_index_package *package,
			     const struct uni_index_version *v)
{
	return (struct uni_pin){ .name = package->name,
				 .version = v->version,
				 .index = package->index,
				 .path = v->path,
				 .digest = v->digest,
				 .size = v->size };
}

static bool is_locked(const struct uni_pin *locked, const struct uni_index_version *v)
{
	return locked != NULL && locked->index != NULL && uni_str_eq(locked->version, v->version);
}

/* The lock's digest counts, not the index's: one of the two lies then. */
static int check_lock(const struct uni_pin *locked, const struct uni_index_version *v,
		      struct uni_err *err)
{
	if (uni_digest_eq(&locked->digest, &v->digest))
		return 0;
	return uni_err_set(err, UNI_E_AUTH,
			   "index %s gives %s %s another digest than the lock: what was published "
			   "was changed",
			   locked->index, locked->name, locked->version);
}

static int try_package(struct solver *s, size_t at, const char *name, struct uni_err *err)
{
	const struct uni_index_package *package;
	const struct uni_pin *locked = uni_pins_find(s->locked, name);
	int rc = uni_indexes_find(s->indexes, name, &package, err);
	if (rc != 0)
		return uni_err_context(err, "%s %s %s", s->needs[at].by, needs(s->needs[at].by),
				       name);
	/* What is locked goes first, then the newest. */
	for (int round = locked != NULL ? 0 : 1; round < 2; round++)
		for (size_t i = 0; i < package->count; i++) {
			const struct uni_index_version *v = &package->versions[i];
			bool held = is_locked(locked, v);
			if ((!uni_str_eq(v->arch, s->arch) && !uni_str_eq(v->arch, "any")) ||
			    held != (round == 0) || (v->yanked != NULL && !held) ||
			    !fits_all(s, name, v->version))
				continue;
			if (held)
				rc = check_lock(locked, v, err);
			struct uni_pin pin = pin_of(package, v);
			if (rc == 0)
				rc = try_version(s, at, &pin, &v->requires, err);
			if (rc != 0)
				return rc;
		}
	explain(s, name, package);
	return 0;
}

static int solve(struct solver *s, size_t at, struct uni_err *err)
{
	if (at == s->need_count)
		return 1;
	const struct need *need = &s->needs[at];
	const struct choice *taken = chosen(s, need->name);
	if (taken == NULL)
		return try_package(s, at, need->name, err);
	if (uni_range_has_text(need->range, taken->pin.version))
		return solve(s, at + 1, err);
	explain(s, need->name, NULL);
	return 0;
}

int uni_resolve(struct uni_indexes *indexes, const struct uni_need *needs, size_t count,
		const char *arch, const struct uni_pins *locked, struct uni_pins *pins,
		struct uni_err *err)
{
	struct solver s = { .indexes = indexes, .arch = arch, .locked = locked };
	for (size_t i = 0; i < count; i++)
		push_need(&s, needs[i].name, strlen(needs[i].name), needs[i].range, needs[i].by);
	int rc = solve(&s, 0, err);
	if (rc == 0)
		rc = uni_err_set(err, UNI_E_INVAL, "%s", uni_buf_text(&s.why));
	for (size_t i = 0; i < s.choice_count; i++) {
		if (rc == 1)
			uni_pins_put(pins, &s.choices[i].pin);
		pin_clear(&s.choices[i].pin);
	}
	pop_needs(&s, 0);
	free(s.choices);
	free(s.needs);
	uni_buf_free(&s.why);
	return rc == 1 ? 0 : rc;
}

int uni_index_obtain(struct uni_store *store, const struct uni_events *events,
		     const struct uni_need *need, const char *arch,
		     struct uni_installed **installed, struct uni_err *err)
{
	struct uni_indexes *indexes UNI_AUTO(uni_indexes) = NULL;
	struct uni_pins pins UNI_AUTO_PINS = { .items = NULL };
	struct uni_indexes_options options = { .store = store, .events = events };
	struct uni_err here = UNI_ERR_INIT;
	int rc = uni_package_find(store, need->name, need->range, arch, installed, &here);
	if (rc != UNI_E_NOENT)
		return *err = here, rc;
	rc = uni_indexes_open(&indexes, &options, err);
	if (rc == 0)
		rc = uni_resolve(indexes, need, 1, arch, NULL, &pins, err);
	if (rc == UNI_E_NOENT)
		*err = here;
	return rc == 0 ? uni_indexes_load(indexes, uni_pins_find(&pins, need->name), installed, err)
		       : rc;
}
