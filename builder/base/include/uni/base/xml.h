/*
 * XML 1.0 from outside, as a tree, by expat, which is loaded with the first document. Depth,
 * elements and size are bounded, and a document type (with its entities) is refused.
 */
#ifndef UNI_BASE_XML_H
#define UNI_BASE_XML_H

#include <stddef.h>
#include <uni/base/mem.h>

/* An element, part of its document. NULL has nothing inside, so that a path of questions needs one
 * check at its end. */
struct uni_xml;

/* `root` is the outermost element; `name` is the document in messages. UNI_E_PARSE, UNI_E_LIMIT. */
int uni_xml_parse(struct uni_xml **root, const char *name, const char *text, size_t size,
		  struct uni_err *err);
void uni_xml_free(struct uni_xml *root);
UNI_AUTO_DEFINE(uni_xml)

bool uni_xml_is(const struct uni_xml *element, const char *name);
/* The first element of that name inside, or NULL. "a/b" goes deeper, "" is the element itself. */
const struct uni_xml *uni_xml_get(const struct uni_xml *element, const char *path);
/* The next one with the same name beside it. */
const struct uni_xml *uni_xml_next(const struct uni_xml *element);
/* Text of the element at `path`, and an attribute's; NULL when it is not there. */
const char *uni_xml_text(const struct uni_xml *element, const char *path);
const char *uni_xml_attribute(const struct uni_xml *element, const char *path, const char *name);

#endif
