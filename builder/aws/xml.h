/*
 * Answers in XML, as a tree, by expat, which is loaded with the first one. They come from outside:
 * depth, elements and text are bounded, and a document type (with its entities) is refused.
 */
#ifndef AWS_XML_H
#define AWS_XML_H

#include <stddef.h>
#include <uni/base/mem.h>

struct aws_xml;

/* `name` is the document in messages. UNI_E_PARSE, UNI_E_LIMIT. */
int aws_xml_parse(struct aws_xml **root, const char *name, const char *text, size_t size,
		  struct uni_err *err);
void aws_xml_free(struct aws_xml *root);
UNI_AUTO_DEFINE(aws_xml)

/* The first element of that name inside; NULL when there is none, or for NULL. "a/b" goes deeper.
 */
const struct aws_xml *aws_xml_get(const struct aws_xml *element, const char *path);
/* The next one with the same name beside it. */
const struct aws_xml *aws_xml_next(const struct aws_xml *element);
/* Text of the element at `path` ("" is this one); NULL when it is not there. */
const char *aws_xml_text(const struct aws_xml *element, const char *path);

#endif
