/*
 * The image's parts and its boot configuration (uni/abi/note.h, uni/abi/config.h), and what the
 * host may add at start.
 */
#include <uk/cpu.h>
#include <uk/io.h>
#include <uk/log.h>
#include <uk/mem.h>
#include <uk/start.h>
#include <uk/xen.h>

extern const struct uni_parts uk_parts;

const struct uni_part *uk_part_firsts[UNI_PART_LAST + 1] UK_SEALED;
const struct uni_config_entry *uk_config_firsts[UNI_CONFIG_LAST + 1] UK_SEALED;
/* NULL: an image without configuration, and a host that gave none. */
static const struct uni_config_header *image_record UK_SEALED;
static const struct uni_config_header *runtime_record UK_SEALED;
static uint32_t runtime_size UK_SEALED;

static unsigned part_count(void)
{
	/* The tool filled the note behind the compiler's back. */
	const volatile struct uni_parts *parts = &uk_parts;
	uint32_t version = parts->version, count = parts->count;

	count = UK_MIN(count, UNI_PARTS_MAX);
	return version == UNI_PARTS_VERSION ? count : 0;
}

const struct uni_part *uk_part(unsigned index)
{
	return index < part_count() ? &uk_parts.part[index] : NULL;
}

uk_paddr_t uk_part_paddr(const struct uni_part *part)
{
	return part->paddr + (uk_paddr_t)uk_boot.moved;
}

const void *uk_part_data(const struct uni_part *part)
{
	return uk_phys_to_virt(uk_part_paddr(part));
}

void uk_parts_range(uk_paddr_t *start, uk_paddr_t *end)
{
	uk_paddr_t image_end = uk_virt_to_phys(uk_image_end);
	const struct uni_part *p = uk_parts.part + part_count();

	*start = UINT64_MAX;
	*end = 0;
	/* From the end, so that the first of a kind is the one that stays. */
	while (p-- != uk_parts.part) {
		uk_paddr_t at = uk_part_paddr(p);

		if ((at < image_end) | (at >= UK_DIRECT_SIZE) | (p->size > UK_DIRECT_SIZE - at))
			uk_panic("part %u of the image lies outside of it",
				 (unsigned)(p - uk_parts.part));
		*start = UK_MIN(*start, at);
		*end = UK_MAX(*end, at + p->size);
		uk_part_firsts[p->kind <= UNI_PART_LAST ? p->kind : UNI_PART_NONE] = p;
	}
	if (*end == 0)
		*start = *end = UK_ALIGN_UP(image_end, UK_PAGE_SIZE);
}

const struct uni_config_file *uk_config_file(const struct uni_config_entry *entry, char *path,
					     size_t room, const char **content, uint32_t *size)
{
	const struct uni_config_file *file = uni_config_data(entry);
	const char *text = (const char *)(file + 1);
	uint32_t left = entry->size - (uint32_t)sizeof(*file);

	if (entry->size < sizeof(*file) || file->name_size > left ||
	    file->path_size > left - file->name_size || file->path_size >= room)
		uk_panic("boot configuration: a file's entry is damaged");
	text += file->name_size;
	memcpy(path, text, file->path_size);
	path[file->path_size] = '\0';
	if (path[0] != '/' || strlen(path) != file->path_size)
		uk_panic("boot configuration: a file's path is not sound");
	*content = text + file->path_size;
	*size = left - file->name_size - file->path_size;
	return file;
}

/* The entry that lists what may be given again at start. */
static bool is_runtime(uint16_t type)
{
	const struct uni_config_entry *e = NULL;

	while (image_record != NULL && (e = uni_config_next(image_record, e)) != NULL) {
		const uint32_t *types = uni_config_data(e);

		for (uint32_t i = 0; e->type == UNI_CONFIG_RUNTIME && i < e->size / 4; i++)
			if (types[i] == type)
				return true;
	}
	return false;
}

/* The first entry of a type in the record from `e` on. */
static const struct uni_config_entry *find(const struct uni_config_header *record,
					   const struct uni_config_entry *e, unsigned type)
{
	for (const void *end = uni_config_end(record); e != end; e = uni_config_skip(e))
		if (e->type == type)
			return e;
	return NULL;
}

static const struct uni_config_entry *next_in(const struct uni_config_header *record,
					      enum uni_config_type type,
					      const struct uni_config_entry *previous)
{
	if (record == NULL)
		return NULL;
	return find(record, previous == NULL ? uni_config_first(record) : uni_config_skip(previous),
		    type);
}

const struct uni_config_entry *uk_config_image_next(enum uni_config_type type,
						    const struct uni_config_entry *previous)
{
	return next_in(image_record, type, previous);
}

const struct uni_config_entry *uk_config_given_next(enum uni_config_type type,
						    const struct uni_config_entry *previous)
{
	return next_in(runtime_record, type, previous);
}

static bool is_in(const void *record, uint32_t size, const struct uni_config_entry *e)
{
	return (uintptr_t)e - (uintptr_t)record < size;
}

const struct uni_config_entry *uk_config_behind(const struct uni_config_entry *previous)
{
	const struct uni_config_header *image = image_record, *given = runtime_record;

	return find(is_in(given, runtime_size, previous) ? given : image, uni_config_skip(previous),
		    previous->type);
}

int uk_config_string(const struct uni_config_entry *entry, char *to, size_t room)
{
	if (entry->size >= room)
		return -UK_ENAMETOOLONG;
	memcpy(to, uni_config_data(entry), entry->size);
	to[entry->size] = 0;
	return strlen(to) == entry->size ? (int)entry->size : -UK_EINVAL;
}

uint32_t uk_config_u32(enum uni_config_type type, uint32_t absent)
{
	const struct uni_config_entry *e = uk_config_next(type, NULL);

	if (e == NULL || e->size < sizeof(uint32_t))
		return absent;
	return *(const uint32_t *)uni_config_data(e);
}

/* Entries that this kernel must understand but does not: the image was made for a later one. */
static bool is_unknown(const struct uni_config_entry *e)
{
	return e->type - 1u >= UNI_CONFIG_LAST && !(e->flags & UNI_CONFIG_OPTIONAL);
}

/* The first entry of each type becomes the one that is found, in the place of another record's. */
static void take_record(const struct uni_config_header *record)
{
	const struct uni_config_entry *e = uni_config_first(record);

	for (const void *end = uni_config_end(record); e != end; e = uni_config_skip(e)) {
		unsigned type = e->type;

		if (type - 1u < UNI_CONFIG_LAST) {
			const struct uni_config_entry **first = &uk_config_firsts[type];

			*first = is_in(record, record->size, *first) ? *first : e;
		} else if (is_unknown(e)) {
			uk_panic("boot configuration: entry of unknown type %u", type);
		}
	}
	uk_log_max = (enum uk_log_level)UK_MIN(uk_config_u32(UNI_CONFIG_LOG_LEVEL, UK_LOG_WARN),
					       UK_LOG_DEBUG);
}

/* Tracing changes nothing for the program; files are compared one by one with those that the image
 * names (fs/start.c). */
static bool is_always_permitted(uint16_t type)
{
	return type == UNI_CONFIG_TRACE || type == UNI_CONFIG_FILE;
}

void uk_config_start(void)
{
	const struct uni_part *part = uk_part_find(UNI_PART_CONFIG);

	if (part == NULL)
		return;
	if (!uni_config_check(uk_part_data(part), part->size))
		uk_panic("boot configuration: damaged, or of a version that is not known");
	image_record = uk_part_data(part);
	take_record(image_record);
}

static int64_t ask_host(void *record, size_t room)
{
	int64_t size = uk_fwcfg_read(UNI_CONFIG_FWCFG, record, room);

	if (size == -UK_ENOENT)
		size = uk_xen_config_read(UNI_CONFIG_XENSTORE, record, room);
	if (size == -UK_ENOENT && !uk_xen_start())
		size = uk_smbios_read(UNI_CONFIG_SMBIOS, record, room);
	return size;
}

/* The host's record, NULL when there is none: mostly, so that is asked before there is room for
 * one. Most are small: a page is tried first. */
static void *read_runtime(void)
{
	uint8_t none;
	int64_t size = ask_host(&none, 0);

	for (size_t room = UK_PAGE_SIZE; size == -UK_EOVERFLOW && room <= UNI_CONFIG_MAX;
	     room *= 4) {
		void *record = uk_alloc(room);

		size = record != NULL ? ask_host(record, room) : -UK_ENOMEM;
		if (size > 0 && uni_config_check(record, (size_t)size))
			return record;
		uk_free(record);
	}
	if (size == -UK_ENOENT)
		return NULL;
	if (size >= 0)
		uk_panic("boot configuration given at start: damaged, or of a version that is not "
			 "known");
	if (size != -UK_EOVERFLOW)
		uk_panic("boot configuration given at start: error %ld reading it", -size);
	uk_panic("boot configuration given at start: more than %u bytes", UNI_CONFIG_MAX);
}

void uk_config_runtime(void)
{
	const struct uni_config_entry *e = NULL;
	const void *record;

	if (image_record == NULL)
		return;
	record = read_runtime();
	if (record == NULL)
		return;
	while ((e = uni_config_next(record, e)) != NULL)
		if (!is_runtime(e->type) && !is_always_permitted(e->type) && !is_unknown(e))
			uk_panic("boot configuration given at start: the image does not permit "
				 "entries of type %u",
				 e->type);
	runtime_record = record;
	runtime_size = runtime_record->size;
	take_record(record);
}
