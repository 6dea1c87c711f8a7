/*
 * A container image, looked at before it has a recipe: the program that it starts, its arguments
 * and environment, and its folders as volumes. Nothing is started.
 */
#ifndef UNI_INSPECT_CONTAINER_H
#define UNI_INSPECT_CONTAINER_H

#include <uni/inspect/program.h>
#include <uni/source/image.h>

/* All borrowed. */
struct uni_container {
	const struct uni_image_source *image;
	const char *address; /* of the image, as the recipe is to say it: without "//PATH" */
	const char *program; /* a path in it; NULL: what it starts */
	const char *base;
	const struct uni_calls *table; /* or NULL */
};

/* `recipe` is a first one. */
int uni_container_look(const struct uni_fetch *fetch, const struct uni_container *container,
		       struct uni_program_look *look, struct uni_buf *recipe, struct uni_err *err);

#endif
