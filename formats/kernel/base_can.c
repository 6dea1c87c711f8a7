/*
 * What a base can do, and which of its kernels an image takes.
 */
#include <string.h>
#include <uni/kernel/base.h>

#include "words.h"

/* The lists of what a kernel can do, one by one. */
static const struct {
	size_t offset;
	const char *what; /* a kernel that lacks a word "has no ..." */
} lists[] = {
	{ offsetof(struct uni_base_needs, devices), "driver" },
	{ offsetof(struct uni_base_needs, filesystems), "file system" },
	{ offsetof(struct uni_base_needs, compressions), "decompressor" },
	{ offsetof(struct uni_base_needs, protocols), "protocol" },
};

static struct uni_strv *list_of(struct uni_base_needs *words, size_t list)
{
	return (struct uni_strv *)((char *)words + lists[list].offset);
}

static const struct uni_strv *list_in(const struct uni_base_needs *words, size_t list)
{
	return (const struct uni_strv *)((const char *)words + lists[list].offset);
}

void uni_base_needs_clear(struct uni_base_needs *needs)
{
	for (size_t i = 0; i < UNI_COUNT(lists); i++)
		uni_strv_free(list_of(needs, i));
}

void base_words_add(struct uni_base_needs *to, const struct uni_base_needs *from)
{
	for (size_t i = 0; i < UNI_COUNT(lists); i++) {
		const struct uni_strv *words = list_in(from, i);

		for (size_t w = 0; w < words->count; w++)
			if (!uni_strv_has(list_of(to, i), words->items[w]))
				uni_strv_add(list_of(to, i), words->items[w]);
	}
}

/* --- the base as a whole --- */

static void list_texts(struct uni_buf *out, const struct uni_strv *list)
{
	if (list->count == 0)
		uni_buf_puts(out, "none");
	for (size_t i = 0; i < list->count; i++)
		uni_buf_printf(out, "%s%s", i != 0 ? ", " : "", list->items[i]);
}

/* "base unibase 0.1.0 cannot VERB THING (it has: a, b)" */
static int refuse(const struct uni_base *base, const char *cannot, const char *thing,
		  const struct uni_strv *has, struct uni_err *err)
{
	UNI_AUTO_BUF struct uni_buf list = UNI_BUF_INIT;

	list_texts(&list, has);
	return uni_err_set(err, UNI_E_UNSUPPORTED, "base %s %s cannot %s %s (it can: %s)",
			   base->name, base->version, cannot, thing, uni_buf_text(&list));
}

int uni_base_need_filesystem(const struct uni_base *base, const char *filesystem,
			     const char *compression, struct uni_err *err)
{
	if (!uni_strv_has(&base->can.filesystems, filesystem))
		return refuse(base, "mount", filesystem, &base->can.filesystems, err);
	if (compression != NULL && !uni_strv_has(&base->can.compressions, compression))
		return refuse(base, "unpack", compression, &base->can.compressions, err);
	return 0;
}

int uni_base_need_device(const struct uni_base *base, const char *device, struct uni_err *err)
{
	if (!uni_strv_has(&base->can.devices, device))
		return refuse(base, "drive", device, &base->can.devices, err);
	return 0;
}

int uni_base_need_protocol(const struct uni_base *base, const char *protocol, struct uni_err *err)
{
	if (!uni_strv_has(&base->can.protocols, protocol))
		return refuse(base, "speak", protocol, &base->can.protocols, err);
	return 0;
}

int uni_base_need_entry(const struct uni_base *base, const char *entry, struct uni_err *err)
{
	if (!uni_strv_has(&base->entries, entry))
		return refuse(base, "start by", entry, &base->entries, err);
	return 0;
}

int uni_base_need_config(const struct uni_base *base, uint32_t version, struct uni_err *err)
{
	if (version >= base->config_oldest && version <= base->config_newest)
		return 0;
	uni_err_set(err, UNI_E_UNSUPPORTED,
		    "base %s %s understands boot configurations of version %u to %u, not %u",
		    base->name, base->version, base->config_oldest, base->config_newest, version);
	return uni_err_hint(err, "take a base that was made for this uni");
}

/* --- choosing a kernel --- */

/* The first word that the kernel lacks and another kernel of the base has; NULL: none. */
static const char *lacks(const struct uni_base_kernel *kernel, const struct uni_base_needs *needs,
			 const char **what)
{
	for (size_t i = 0; i < UNI_COUNT(lists); i++) {
		const struct uni_strv *wanted = list_in(needs, i);

		for (size_t w = 0; w < wanted->count; w++) {
			*what = lists[i].what;
			if (uni_strv_has(list_in(&kernel->base->can, i), wanted->items[w]) &&
			    !uni_strv_has(list_in(&kernel->can, i), wanted->items[w]))
				return wanted->items[w];
		}
	}
	return NULL;
}

int uni_base_choose(const struct uni_base *base, const struct uni_base_needs *needs,
		    const struct uni_base_kernel **kernel, struct uni_strv *lacking,
		    struct uni_err *err)
{
	UNI_AUTO_BUF struct uni_buf why = UNI_BUF_INIT;

	for (size_t i = 0; i < base->kernel_count; i++) {
		const char *what;
		const char *word = lacks(&base->kernels[i], needs, &what);

		*kernel = &base->kernels[i];
		if (word == NULL)
			return 0;
		if (!uni_strv_has(lacking, word))
			uni_strv_add(lacking, word);
		uni_buf_printf(&why, "%s%s has no %s %s", i != 0 ? ", " : "", base->kernels[i].name,
			       what, word);
	}
	*kernel = NULL;
	return uni_err_set(err, UNI_E_UNSUPPORTED,
			   "no kernel of base %s %s can do all that is wanted: %s", base->name,
			   base->version, uni_buf_text(&why));
}
