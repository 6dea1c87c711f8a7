/*
 * Function names of the kernel's own text. core/symbols.c.
 */
#ifndef UK_SYMBOLS_H
#define UK_SYMBOLS_H

#include <uk/types.h>

/* "name+0x12", or "?" outside of the kernel's text. Slow: for panics. */
void uk_symbol_name(uint64_t address, char *to, size_t room);

#endif
