/*
 * Reading libvirt's "Domain XML format".
 */
#include "machine_read.h"

#include <string.h>
#include <uni/base/text.h>
#include <uni/base/xml.h>

/* "KiB" when nothing is said. */
static uint64_t unit_of(const char *text)
{
	static const struct {
		const char *name;
		uint64_t bytes;
	} units[] = {
		{ "b", 1 },	      { "bytes", 1 },	 { "KB", 1000 },     { "k", 1 << 10 },
		{ "KiB", 1 << 10 },   { "MB", 1000000 }, { "M", 1 << 20 },   { "MiB", 1 << 20 },
		{ "GB", 1000000000 }, { "G", 1 << 30 },	 { "GiB", 1 << 30 },
	};

	for (size_t i = 0; text != NULL && i < UNI_COUNT(units); i++)
		if (strcmp(units[i].name, text) == 0)
			return units[i].bytes;
	return text == NULL ? 1 << 10 : 0;
}

static uint64_t memory_of(const struct uni_xml *domain)
{
	const char *text = uni_xml_text(domain, "memory");
	uint64_t number, bytes;

	if (text == NULL || !uni_str_u64(text, &number) ||
	    __builtin_mul_overflow(number, unit_of(uni_xml_attribute(domain, "memory", "unit")),
				   &bytes))
		return 0;
	return bytes;
}

/* Of a drive that is empty nothing is said. */
static int add_disk(struct uni_machine_found *found, const struct uni_xml *disk,
		    struct uni_err *err)
{
	const char *device = uni_xml_attribute(disk, "", "device");
	const char *file = uni_xml_attribute(disk, "source", "file");
	bool cd = device != NULL && !uni_str_eq(device, "disk");

	if (file == NULL)
		file = uni_xml_attribute(disk, "source", "dev");
	if (file == NULL)
		return 0;
	return machine_add_disk(found, uni_strdup(file),
				!cd && uni_xml_get(disk, "readonly") == NULL, err);
}

static char *copy_of(const char *text)
{
	return text != NULL ? uni_strdup(text) : NULL;
}

static int read_domain(struct uni_machine_found *found, const struct uni_xml *domain,
		       struct uni_err *err)
{
	const char *processors = uni_xml_text(domain, "vcpu");
	const struct uni_xml *x;
	int rc = 0;

	found->name = copy_of(uni_xml_text(domain, "name"));
	found->kernel = copy_of(uni_xml_text(domain, "os/kernel"));
	found->memory = memory_of(domain);
	if (processors != NULL)
		(void)uni_str_u64(processors, &found->processors);
	for (x = uni_xml_get(domain, "devices/interface"); x != NULL; x = uni_xml_next(x))
		found->networks++;
	for (x = uni_xml_get(domain, "devices/disk"); rc == 0 && x != NULL; x = uni_xml_next(x))
		rc = add_disk(found, x, err);
	if (rc != 0)
		return rc;
	return found->kernel != NULL || found->name != NULL;
}

int machine_read_libvirt(struct uni_machine_found *found, const char *name, const char *text,
			 size_t size, struct uni_err *err)
{
	UNI_AUTO(uni_xml) struct uni_xml *root = NULL;
	int rc = uni_xml_parse(&root, name, text, size, err);

	/* Of what else begins like XML nothing is known. */
	if (rc == UNI_E_PARSE || rc == UNI_E_LIMIT) {
		uni_err_clear(err);
		return 0;
	}
	if (rc != 0)
		return rc;
	return uni_xml_is(root, "domain") ? read_domain(found, root, err) : 0;
}
