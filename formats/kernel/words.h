/* Internal: the words by which base.toml says what kernels can do. */
#ifndef UNI_KERNEL_WORDS_INTERNAL_H
#define UNI_KERNEL_WORDS_INTERNAL_H

#include <uni/kernel/base.h>

/* Adds the words that are not there yet. */
void base_words_add(struct uni_base_needs *to, const struct uni_base_needs *from);

#endif
