/*
 * Starting up, in order, and what the machine told us. core/main.c, arch/start.c, mm/memmap.c,
 * core/config.c.
 */
#ifndef UK_START_H
#define UK_START_H

#include <uk/types.h>
#include <uni/abi/boot.h>
#include <uni/abi/config.h>
#include <uni/abi/note.h>

/* Bounds of the image, by the linker script: virtual addresses. */
extern char uk_image_start[], uk_bss_end[], uk_file_start[], uk_text_start[], uk_text_end[];
extern char uk_boot_stack_top[], uk_idle_stack_top[], uk_idle_guard[], uk_data_start[],
	uk_image_end[], uk_sealed_start[], uk_sealed_end[], uk_boot_guard[];

#define UK_MEMMAP_MAX 64
#define UK_MODULES_MAX 8
#define UK_CMDLINE_MAX 1024

struct uk_boot {
	int64_t moved; /* physical addresses as linked plus this are where things are */
	uk_paddr_t rsdp;
	uint32_t memmap_count;
	uint32_t module_count;
	struct uni_hvm_memmap_entry memmap[UK_MEMMAP_MAX]; /* RAM: sorted, disjoint, whole pages */
	struct uni_hvm_modlist_entry module[UK_MODULES_MAX];
	uint64_t tsc;		      /* at entry */
	char cmdline[UK_CMDLINE_MAX]; /* the loader's; cut when longer */
};
extern struct uk_boot uk_boot;

/* Which of the base's kernels this is, and what it can do: what a message names when more is asked
 * of it. kernels.cmake */
extern const char uk_words[];

/* The image's parts, checked against memory: NULL and index >= count end it. core/config.c */
const struct uni_part *uk_part(unsigned index);
extern const struct uni_part *uk_part_firsts[UNI_PART_LAST + 1];
/* The first part of a kind, NULL: none. */
UK_INLINE const struct uni_part *uk_part_find(enum uni_part_kind kind)
{
	return uk_part_firsts[kind];
}
/* Its bytes: read-only, in the direct map; frames are UK_PAGE_RESERVED and may be mapped. */
const void *uk_part_data(const struct uni_part *part);
uk_paddr_t uk_part_paddr(const struct uni_part *part); /* where it is now */

/* Physical bounds of all parts, by the note alone; start == end: none. Panics on nonsense. */
void uk_parts_range(uk_paddr_t *start, uk_paddr_t *end);

/* Boot configuration: entries of a type in their order, NULL starts and ends. What the image
 * permits to be given again at start comes from there if it was. */
extern const struct uni_config_entry *uk_config_firsts[UNI_CONFIG_LAST + 1];
UK_INLINE const struct uni_config_entry *uk_config_first(enum uni_config_type type)
{
	return uk_config_firsts[type];
}
/* The one behind it of its type. */
const struct uni_config_entry *uk_config_behind(const struct uni_config_entry *previous);
UK_INLINE const struct uni_config_entry *uk_config_next(enum uni_config_type type,
							const struct uni_config_entry *previous)
{
	return previous == NULL ? uk_config_first(type) : uk_config_behind(previous);
}
/* Those of the image alone, and those that were given at start alone. */
const struct uni_config_entry *uk_config_image_next(enum uni_config_type type,
						    const struct uni_config_entry *previous);
const struct uni_config_entry *uk_config_given_next(enum uni_config_type type,
						    const struct uni_config_entry *previous);
/* Takes a UNI_CONFIG_FILE entry apart; panics on a bad one. */
const struct uni_config_file *uk_config_file(const struct uni_config_entry *entry, char *path,
					     size_t room, const char **content, uint32_t *size);
/* The string of an entry into `to`, terminated; its length, or -UK_ENAMETOOLONG, or -UK_EINVAL when
 * there is a NUL in it. */
int uk_config_string(const struct uni_config_entry *entry, char *to, size_t room);
/* The first entry's uint32_t, or `absent`. */
uint32_t uk_config_u32(enum uni_config_type type, uint32_t absent);
void uk_config_start(void);   /* the image's */
void uk_config_runtime(void); /* the host's; once fw_cfg can be read */

/*
 * Work of start-up that nobody waits for: a short-lived program must not pay for it. `fn` runs
 * once, when the processor first has nothing to do or some 20 ms after the program began, whichever
 * comes first; maybe in an interrupt, so it must not sleep. Called before uk_later_start ran; at
 * most UK_LATER_MAX times. core/later.c
 */
#define UK_LATER_MAX 8
void uk_later(void (*fn)(void));
void uk_later_start(void); /* proc/start.c: the program begins */
void uk_later_run(void);   /* idle and timer; does nothing once it did */

/* Called by core/main.c in this order, in the first kernel thread: they may sleep. UK_SEALED data
 * may be written in uk_drivers_start, not later. */
void uk_process_begin(void); /* proc/: before anybody looks at the process */
void uk_drivers_start(void); /* drivers/ */
void uk_vfs_start(void);     /* fs/, see uk/vfs.h */
void uk_process_start(
	void); /* proc/: loads the program and leaves for it; ends by uk_thread_exit */

/* Stages of core and arch. */
void uk_main(uk_paddr_t start_info) __attribute__((noreturn));
void uk_boot_read(uk_paddr_t start_info);
void uk_memory_start(void);
/* Frames that are not for the allocator; before uk_memory_start only. */
void uk_reserve(uk_paddr_t start, uk_paddr_t end);
void uk_irq_start(void);

#endif
