/*
 * Reading libvirt's "Domain XML format", by expat, which is loaded with the first one. An element
 * is known by its place; a document type, with its entities, is refused.
 */
#include "machine_read.h"

#include <expat.h>
#include <string.h>
#include <uni/base/system.h>

enum { DEPTH_MAX = 64, PLACE_MAX = 512, TEXT_MAX = 4096 };

#define FNS(X)                                                                                     \
	X(XML_ParserCreate)                                                                        \
	X(XML_ParserFree)                                                                          \
	X(XML_SetUserData)                                                                         \
	X(XML_SetElementHandler)                                                                   \
	X(XML_SetCharacterDataHandler)                                                             \
	X(XML_SetStartDoctypeDeclHandler)                                                          \
	X(XML_Parse)                                                                               \
	X(XML_StopParser)
static struct {
	FNS(UNI_LAZY_FIELD)
} lib;
static const char *const lib_names[] = { FNS(UNI_LAZY_NAME) };

struct reading {
	XML_Parser parser;
	struct uni_machine_found *found;
	struct uni_err *err;
	char place[PLACE_MAX]; /* "domain/os/kernel" */
	unsigned depth;
	struct uni_buf text; /* of the element, as far as it has come */
	uint64_t unit;	     /* of memory */
	char *file;	     /* of the disk */
	bool writable, cd;
	bool refused;
};

static void refuse(struct reading *r)
{
	r->refused = true;
	lib.XML_StopParser(r->parser, XML_FALSE);
}

static const char *attribute(const XML_Char **attributes, const char *name)
{
	for (; attributes[0] != NULL; attributes += 2)
		if (strcmp(attributes[0], name) == 0)
			return attributes[1];
	return NULL;
}

/* "KiB" when nothing is said. */
static uint64_t unit_of(const char *text)
{
	static const struct {
		const char *name;
		uint64_t bytes;
	} units[] = {
		{ "b", 1 },	      { "bytes", 1 },	 { "KB", 1000 },     { "k", 1 << 10 },
		{ "KiB", 1 << 10 },   { "MB", 1000000 }, { "M", 1 << 20 },   { "MiB", 1 << 20 },
		{ "GB", 1000000000 }, { "G", 1 << 30 },	 { "GiB", 1 << 30 },
	};

	for (size_t i = 0; text != NULL && i < UNI_COUNT(units); i++)
		if (strcmp(units[i].name, text) == 0)
			return units[i].bytes;
	return text == NULL ? 1 << 10 : 0;
}

static void at_disk_part(struct reading *r, const char *name, const XML_Char **attributes)
{
	const char *file = attribute(attributes, "file");

	if (file == NULL)
		file = attribute(attributes, "dev");
	if (strcmp(name, "readonly") == 0)
		r->writable = false;
	if (strcmp(name, "source") == 0 && file != NULL && r->file == NULL)
		r->file = uni_strdup(file);
}

static void on_start(void *user, const XML_Char *name, const XML_Char **attributes)
{
	struct reading *r = user;
	size_t size = strlen(r->place), more = strlen(name);
	const char *device = attribute(attributes, "device");

	if (++r->depth > DEPTH_MAX || size + more + 2 > sizeof(r->place)) {
		refuse(r);
		return;
	}
	if (strcmp(r->place, "domain/devices/disk") == 0)
		at_disk_part(r, name, attributes);
	if (size != 0)
		r->place[size++] = '/';
	memcpy(r->place + size, name, more + 1);
	uni_buf_clear(&r->text);
	if (strcmp(r->place, "domain/memory") == 0)
		r->unit = unit_of(attribute(attributes, "unit"));
	if (strcmp(r->place, "domain/devices/interface") == 0)
		r->found->networks++;
	if (strcmp(r->place, "domain/devices/disk") == 0) {
		r->writable = true;
		r->cd = device != NULL && strcmp(device, "disk") != 0;
	}
}

static void end_disk(struct reading *r)
{
	if (r->file == NULL)
		return;
	if (machine_add_disk(r->found, r->file, r->writable && !r->cd, r->err) != 0)
		refuse(r);
	r->file = NULL;
}

static void keep_text(const struct reading *r, char **to)
{
	free(*to);
	*to = uni_strdup(uni_buf_text(&r->text));
}

static void on_end(void *user, const XML_Char *name)
{
	struct reading *r = user;
	const char *text = uni_buf_text(&r->text);
	uint64_t number;

	(void)name;
	if (strcmp(r->place, "domain/name") == 0)
		keep_text(r, &r->found->name);
	if (strcmp(r->place, "domain/os/kernel") == 0)
		keep_text(r, &r->found->kernel);
	if (strcmp(r->place, "domain/vcpu") == 0)
		(void)uni_str_u64(text, &r->found->processors);
	if (strcmp(r->place, "domain/memory") == 0 && uni_str_u64(text, &number) &&
	    __builtin_mul_overflow(number, r->unit, &r->found->memory))
		r->found->memory = 0;
	if (strcmp(r->place, "domain/devices/disk") == 0)
		end_disk(r);
	r->depth--;
	*(strrchr(r->place, '/') != NULL ? strrchr(r->place, '/') : r->place) = '\0';
	uni_buf_clear(&r->text);
}

static void on_text(void *user, const XML_Char *text, int size)
{
	struct reading *r = user;

	if (size > 0 && r->text.size + (size_t)size <= TEXT_MAX)
		uni_buf_add(&r->text, text, (size_t)size);
}

static void on_doctype(void *user, const XML_Char *name, const XML_Char *system,
		       const XML_Char *public, int subset)
{
	(void)name;
	(void)system;
	(void)public;
	(void)subset;
	refuse(user);
}

int machine_read_libvirt(struct uni_machine_found *found, const char *name, const char *text,
			 size_t size, struct uni_err *err)
{
	struct reading r = { .found = found, .err = err };
	int rc = uni_lazy_load("libexpat.so.1", lib_names, UNI_COUNT(lib_names), &lib, err);
	bool whole;

	if (rc != 0)
		return rc;
	r.parser = lib.XML_ParserCreate("UTF-8");
	if (r.parser == NULL)
		return uni_err_set(err, UNI_E_NOMEM, "%s: no memory to read it", name);
	lib.XML_SetUserData(r.parser, &r);
	lib.XML_SetElementHandler(r.parser, on_start, on_end);
	lib.XML_SetCharacterDataHandler(r.parser, on_text);
	lib.XML_SetStartDoctypeDeclHandler(r.parser, on_doctype);
	whole = lib.XML_Parse(r.parser, text, (int)size, 1) == XML_STATUS_OK && !r.refused;
	lib.XML_ParserFree(r.parser);
	uni_buf_free(&r.text);
	free(r.file);
	if (err->code != 0)
		return err->code;
	/* Its root is a domain: only of one are name and kernel taken. */
	return whole && (found->kernel != NULL || found->name != NULL);
}
