/*
 * Files in /etc that programs and their C library look for, made of the boot configuration where
 * the image brings none of its own.
 */
#include <uk/log.h>
#include <uk/start.h>

#include "fs.h"

enum { LINE = 256 };

/* NULL: the image has one. */
static struct uk_file *make(const char *path)
{
	struct uk_file *file =
		uk_file_open(path, UK_O_CREAT | UK_O_EXCL | UK_O_WRONLY | UK_O_APPEND, 0644);

	if (!uk_is_err(file))
		return file;
	if (uk_ptr_err(file) != -UK_EEXIST)
		uk_panic("make %s: error %ld", path, -uk_ptr_err(file));
	return NULL;
}

static void say(struct uk_file *file, const char *before, const char *text)
{
	char line[LINE + 32];
	struct uk_iter from;
	uint64_t offset = 0;
	int size = uk_snprintf(line, sizeof(line), "%s%s\n", before, text);

	uk_iter_kernel(&from, line, UK_MIN((size_t)size, sizeof(line) - 1));
	if (file->ops->write(file, &from, &offset) != size)
		uk_panic("no room for /etc");
}

/* A line for each entry of a type. */
static void say_entries(struct uk_file *file, const char *before, enum uni_config_type type)
{
	const struct uni_config_entry *entry = NULL;
	char text[LINE];

	while ((entry = uk_config_next(type, entry)) != NULL)
		if (uk_config_string(entry, text, sizeof(text)) > 0)
			say(file, before, text);
}

static void make_text(const char *path, const char *text)
{
	struct uk_file *file = make(path);

	if (file == NULL)
		return;
	say(file, "", text);
	uk_file_put(file);
}

static void make_hosts(const char *name)
{
	struct uk_file *file = make("/etc/hosts");

	if (file == NULL)
		return;
	say(file, "", "127.0.0.1 localhost");
	say(file, "", "::1 localhost");
	if (strcmp(name, "localhost") != 0)
		say(file, "127.0.1.1 ", name);
	say_entries(file, "", UNI_CONFIG_HOST);
	uk_file_put(file);
}

static void make_resolvers(void)
{
	struct uk_file *file;

	/* Without any, the network may bring some, and writes the file itself. */
	if (uk_config_next(UNI_CONFIG_RESOLVER, NULL) == NULL)
		return;
	file = make("/etc/resolv.conf");
	if (file == NULL)
		return;
	say_entries(file, "nameserver ", UNI_CONFIG_RESOLVER);
	uk_file_put(file);
}

void fs_hostname(char *name, size_t room)
{
	const struct uni_config_entry *entry = uk_config_next(UNI_CONFIG_HOSTNAME, NULL);

	if (entry == NULL || uk_config_string(entry, name, room) <= 0)
		uk_strlcpy(name, "localhost", room);
}

void fs_etc_fill(void)
{
	char name[LINE];

	fs_hostname(name, sizeof(name));
	make_text("/etc/hostname", name);
	make_hosts(name);
	make_resolvers();
	make_text("/etc/passwd", "root:x:0:0:root:/:/sbin/nologin\n"
				 "nobody:x:65534:65534:nobody:/:/sbin/nologin");
	make_text("/etc/group", "root:x:0:\nnogroup:x:65534:");
	make_text("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns");
}
