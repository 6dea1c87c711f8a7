/*
 * Lists whose members stand in files of their own: a file that is linked in is in the list, one
 * that is left out of a smaller kernel is not, and nothing else knows of it.
 */
#ifndef UK_REGISTRY_H
#define UK_REGISTRY_H

/* Says where the linker put a list of pointers to `type`; unibase.lds.S knows its name. */
#define UK_REGISTRY(list, type)                                                                    \
	extern const type *const list##_start[] __asm__("__start_" #list);                         \
	extern const type *const list##_end[] __asm__("__stop_" #list)

#define UK_REGISTER(list, type, member)                                                            \
	static const type *const list##_entry __attribute__((used, section(#list))) = &(member)

#endif
