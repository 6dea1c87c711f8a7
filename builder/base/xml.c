/*
 * Expat's events made a tree.
 */
#include <expat.h>
#include <string.h>
#include <uni/base/system.h>
#include <uni/base/text.h>
#include <uni/base/xml.h>

#define DEPTH_MAX 32
#define ELEMENTS_MAX 200000
#define SIZE_MAX_BYTES (16u << 20)

#define FNS(X)                                                                                     \
	X(XML_ParserCreate)                                                                        \
	X(XML_ParserFree)                                                                          \
	X(XML_SetUserData)                                                                         \
	X(XML_SetElementHandler)                                                                   \
	X(XML_SetCharacterDataHandler)                                                             \
	X(XML_SetStartDoctypeDeclHandler)                                                          \
	X(XML_Parse)                                                                               \
	X(XML_StopParser)                                                                          \
	X(XML_GetErrorCode)                                                                        \
	X(XML_ErrorString)                                                                         \
	X(XML_GetCurrentLineNumber)
static struct {
	FNS(UNI_LAZY_FIELD)
} lib;
static const char *const lib_names[] = { FNS(UNI_LAZY_NAME) };

struct uni_xml {
	char *name;
	struct uni_strv attributes; /* a name, its value, ... */
	struct uni_buf text;
	struct uni_xml *parent, *child, *last, *next;
};

struct building {
	XML_Parser parser;
	struct uni_xml *root, *at;
	unsigned depth, elements;
	const char *refused;
};

static void refuse(struct building *b, const char *why)
{
	if (b->refused == NULL)
		b->refused = why;
	lib.XML_StopParser(b->parser, XML_FALSE);
}

static void on_start(void *user, const XML_Char *name, const XML_Char **attributes)
{
	struct building *b = user;
	struct uni_xml *x;

	if (++b->depth > DEPTH_MAX || ++b->elements > ELEMENTS_MAX) {
		refuse(b,
		       b->depth > DEPTH_MAX ? "it is nested too deep" : "it has too many elements");
		return;
	}
	x = uni_alloc(sizeof(*x));
	x->name = uni_strdup(name);
	for (; *attributes != NULL; attributes++)
		uni_strv_add(&x->attributes, *attributes);
	x->parent = b->at;
	if (b->at == NULL)
		b->root = x;
	else if (b->at->last == NULL)
		b->at->child = b->at->last = x;
	else
		b->at->last = b->at->last->next = x;
	b->at = x;
}

static void on_end(void *user, const XML_Char *name)
{
	struct building *b = user;

	(void)name;
	b->depth--;
	if (b->at != NULL)
		b->at = b->at->parent;
}

static void on_text(void *user, const XML_Char *text, int size)
{
	struct building *b = user;

	if (b->at != NULL && size > 0)
		uni_buf_add(&b->at->text, text, (size_t)size);
}

static void on_doctype(void *user, const XML_Char *name, const XML_Char *system,
		       const XML_Char *public, int subset)
{
	(void)name;
	(void)system;
	(void)public;
	(void)subset;
	refuse(user, "it declares a document type");
}

int uni_xml_parse(struct uni_xml **root, const char *name, const char *text, size_t size,
		  struct uni_err *err)
{
	struct building b = { 0 };
	int rc = uni_lazy_load("libexpat.so.1", lib_names, UNI_COUNT(lib_names), &lib, err);

	*root = NULL;
	if (rc != 0)
		return rc;
	if (size > SIZE_MAX_BYTES)
		return uni_err_set(err, UNI_E_LIMIT, "%s: more than %u bytes of XML", name,
				   SIZE_MAX_BYTES);
	b.parser = lib.XML_ParserCreate("UTF-8");
	if (b.parser == NULL)
		return uni_err_set(err, UNI_E_NOMEM, "%s: no memory to read it", name);
	lib.XML_SetUserData(b.parser, &b);
	lib.XML_SetElementHandler(b.parser, on_start, on_end);
	lib.XML_SetCharacterDataHandler(b.parser, on_text);
	lib.XML_SetStartDoctypeDeclHandler(b.parser, on_doctype);
	if (lib.XML_Parse(b.parser, text, (int)size, 1) != XML_STATUS_OK)
		rc = uni_err_set(err, b.refused != NULL ? UNI_E_LIMIT : UNI_E_PARSE,
				 "%s:%lu: the XML cannot be read: %s", name,
				 (unsigned long)lib.XML_GetCurrentLineNumber(b.parser),
				 b.refused != NULL
					 ? b.refused
					 : lib.XML_ErrorString(lib.XML_GetErrorCode(b.parser)));
	lib.XML_ParserFree(b.parser);
	if (rc == 0)
		*root = b.root;
	else
		uni_xml_free(b.root);
	return rc;
}

void uni_xml_free(struct uni_xml *root)
{
	struct uni_xml *x = root;

	while (x != NULL) {
		struct uni_xml *child = x->child, *parent = x->parent;

		if (child != NULL) {
			x->child = child->next;
			x = child;
			continue;
		}
		free(x->name);
		uni_strv_free(&x->attributes);
		uni_buf_free(&x->text);
		free(x);
		x = parent;
	}
}

bool uni_xml_is(const struct uni_xml *element, const char *name)
{
	return uni_str_eq(element->name, name);
}

static const struct uni_xml *find(const struct uni_xml *from, const char *name, size_t size)
{
	for (; from != NULL; from = from->next)
		if (strncmp(from->name, name, size) == 0 && from->name[size] == '\0')
			return from;
	return NULL;
}

const struct uni_xml *uni_xml_get(const struct uni_xml *element, const char *path)
{
	while (element != NULL && *path != '\0') {
		size_t size = strcspn(path, "/");

		element = find(element->child, path, size);
		path += size;
		path += *path == '/';
	}
	return element;
}

const struct uni_xml *uni_xml_next(const struct uni_xml *element)
{
	return find(element->next, element->name, strlen(element->name));
}

const char *uni_xml_text(const struct uni_xml *element, const char *path)
{
	const struct uni_xml *x = uni_xml_get(element, path);

	return x != NULL ? uni_buf_text(&x->text) : NULL;
}

const char *uni_xml_attribute(const struct uni_xml *element, const char *path, const char *name)
{
	const struct uni_xml *x = uni_xml_get(element, path);

	for (size_t i = 0; x != NULL && i < x->attributes.count; i += 2)
		if (uni_str_eq(x->attributes.items[i], name))
			return x->attributes.items[i + 1];
	return NULL;
}
