/*
 * Files in /etc that programs and their C library look for, made of the boot configuration where
 * the image brings none of its own. Each stands on a text that stays: that is less work at start
 * than to write it.
 */
#include <uk/start.h>

#include "fs.h"
#include "text.h"

enum { LINE = 256 };

/* Consumes the text. */
static void make(struct uk_inode *etc, const char *name, struct fs_text *text, int *error)
{
	struct uk_inode *inode = NULL;

	if (*error == 0 && etc->ops->lookup(etc, name, strlen(name), &inode) == 0) {
		fs_text_free(text); /* the image has one */
	} else if (*error == 0) {
		*error = text->failed ? -UK_ENOMEM
				      : etc->ops->create(etc, name, strlen(name), UK_S_IFREG | 0644,
							 0, &inode);
		if (*error == 0)
			*error = fs_tmpfs_set_source(inode, text->at, text->size);
	}
	uk_inode_put(inode);
	*text = (struct fs_text){ .at = NULL };
}

/* A line for each entry of a type. */
static void add_entries(struct fs_text *text, const char *before, enum uni_config_type type)
{
	const struct uni_config_entry *entry = NULL;
	char line[LINE];

	while ((entry = uk_config_next(type, entry)) != NULL)
		if (uk_config_string(entry, line, sizeof(line)) > 0)
			fs_text_add(text, "%s%s\n", before, line);
}

void fs_hostname(char *name, size_t room)
{
	const struct uni_config_entry *entry = uk_config_next(UNI_CONFIG_HOSTNAME, NULL);

	if (entry == NULL || uk_config_string(entry, name, room) <= 0)
		uk_strlcpy(name, "unibase", room); /* as uname says */
}

int fs_etc_fill(struct uk_inode *etc)
{
	struct fs_text text = { .at = NULL };
	char name[LINE];
	int error = 0;

	fs_hostname(name, sizeof(name));
	fs_text_add(&text, "%s\n", name);
	make(etc, "hostname", &text, &error);
	fs_text_add(&text, "127.0.0.1 localhost\n::1 localhost\n");
	if (strcmp(name, "localhost") != 0)
		fs_text_add(&text, "127.0.1.1 %s\n", name);
	add_entries(&text, "", UNI_CONFIG_HOST);
	make(etc, "hosts", &text, &error);
	/* Without any, the network may bring some, and writes the file itself. */
	add_entries(&text, "nameserver ", UNI_CONFIG_RESOLVER);
	if (text.size != 0)
		make(etc, "resolv.conf", &text, &error);
	fs_text_add(&text, "root:x:0:0:root:/:/sbin/nologin\n"
			   "nobody:x:65534:65534:nobody:/:/sbin/nologin\n");
	make(etc, "passwd", &text, &error);
	fs_text_add(&text, "root:x:0:\nnogroup:x:65534:\n");
	make(etc, "group", &text, &error);
	fs_text_add(&text, "passwd: files\ngroup: files\nhosts: files dns\n");
	make(etc, "nsswitch.conf", &text, &error);
	return error;
}
