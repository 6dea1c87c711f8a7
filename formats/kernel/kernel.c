/*
 * The registry of kinds of base.
 */
#include <string.h>

#include "image.h"

const struct uni_kernel_kind *const uni_kernel_kinds[] = { &kind_linux_abi, NULL };

const struct uni_kernel_kind *uni_kernel_kind_find(const char *name)
{
	for (size_t i = 0; uni_kernel_kinds[i] != NULL; i++)
		if (strcmp(uni_kernel_kinds[i]->name, name) == 0)
			return uni_kernel_kinds[i];
	return NULL;
}
