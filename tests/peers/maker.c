/*
 * Writes artifacts for peers.py, each from plain arguments:
 *
 *   peers-maker disk OUT SIZE [FILE...]      a raw disk with a partition for each file
 *   peers-maker form FORM IMAGE OUT [OPTION=VALUE...]  an image in another form
 *   peers-maker image BASE PROGRAM ELF DISK  a bootable ELF, and a disk that starts it by BIOS
 *   peers-maker volume DIR OUT COMPRESSION   squashfs with hash tree; prints what verity needs
 *   peers-maker fat DIR OUT                  a FAT volume
 *   peers-maker squash DIR OUT COMPRESSION packed|placed [PREVIOUS]  the same by our own writer,
 *                                            without hash tree; prints kept and written bytes
 *   peers-maker list IMAGE                   files of a volume: type, mode, size, digest, path
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <uni/base/file.h>
#include <uni/base/mem.h>
#include <uni/base/path.h>
#include <uni/disk/disk.h>
#include <uni/fs/fs.h>
#include <uni/fs/read.h>
#include <uni/fs/squash.h>
#include <uni/kernel/base.h>
#include <uni/kernel/config.h>
#include <uni/kernel/kernel.h>
#include <uni/tree/tree.h>
#include <unistd.h>

static struct uni_err err;

static void must(int rc)
{
	if (rc >= 0)
		return;
	fprintf(stderr, "peers-maker: %s\n", err.text);
	exit(1);
}

static int open_new(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0)
		must(uni_err_errno(&err, "%s", path));
	return fd;
}

static int open_old(const char *path, uint64_t *size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) != 0)
		must(uni_err_errno(&err, "%s", path));
	*size = (uint64_t)st.st_size;
	return fd;
}

static struct uni_uuid uuid_of(const char *name)
{
	struct uni_digest digest = uni_digest_of(name, strlen(name));

	return uni_uuid_derive("peers", &digest);
}

static void add_partition(struct uni_disk_layout *layout, struct uni_disk_partition *parts,
			  const char *type, const char *name, const char *path)
{
	struct uni_disk_partition *p = &parts[layout->count++];

	memset(p, 0, sizeof(*p));
	if (!uni_uuid_parse(type, &p->type))
		abort();
	p->guid = uuid_of(name);
	p->name = name;
	p->content.fd = open_old(path, &p->content.size);
}

static void make_disk(int argc, char **argv)
{
	struct uni_disk_partition parts[16];
	struct uni_disk_layout layout = { .guid = uuid_of("disk"), .partitions = parts };
	struct uni_disk_result result;

	layout.size = strtoull(argv[1], NULL, 10);
	for (int i = 2; i < argc && i < 18; i++)
		add_partition(&layout, parts, UNI_GPT_VOLUME, uni_path_base(argv[i]), argv[i]);
	must(uni_disk_write(uni_disk_find("raw"), NULL, &layout, open_new(argv[0]), &result, &err));
}

static void form_option(struct uni_disk_options *options, char *text)
{
	char *value = strchr(text, '=');

	if (value == NULL)
		exit(2);
	*value++ = '\0';
	if (strcmp(text, "variant") == 0)
		options->variant = value;
	else if (strcmp(text, "compression") == 0)
		options->compression = value;
	else if (strcmp(text, "level") == 0)
		options->level = (unsigned)strtoul(value, NULL, 10);
	else if (strcmp(text, "threads") == 0)
		options->threads = (unsigned)strtoul(value, NULL, 10);
	else
		exit(2);
}

static void make_form(int argc, char **argv)
{
	const struct uni_disk_format *format = uni_disk_find(argv[0]);
	struct uni_disk_options options = { 0 };
	UNI_AUTO(uni_disk_source) struct uni_disk_source *source = NULL;

	if (format == NULL)
		exit(2);
	for (int i = 3; i < argc; i++)
		form_option(&options, argv[i]);
	must(uni_disk_open_image(&source, argv[1], &err));
	must(uni_disk_convert(format, &options, &source, open_new(argv[2]), &err));
}

static void make_elf(const struct uni_base *base, const char *program, int fd, uint64_t *size)
{
	UNI_AUTO(uni_boot_config) struct uni_boot_config *config = uni_boot_config_new();
	UNI_AUTO_BUF struct uni_buf record = UNI_BUF_INIT;
	struct uni_kernel_result result;
	struct uni_kernel_part parts[2];

	uni_strv_add(&config->args, uni_path_base(program));
	uni_strv_add(&config->env, "PEER=1");
	config->program = uni_asprintf("/app/%s", uni_path_base(program));
	must(uni_boot_config_encode(config, &record, &err));
	memset(parts, 0, sizeof(parts));
	parts[0].kind = UNI_PART_CONFIG;
	parts[0].data = record.data;
	parts[0].size = record.size;
	parts[1].kind = UNI_PART_PROGRAM;
	parts[1].fd = open_old(program, &parts[1].size);
	must(base->kind->compose(base->kernels, parts, 2, fd, &result, &err));
	*size = result.size;
}

static void make_image(char **argv)
{
	struct uni_disk_partition parts[2];
	struct uni_disk_layout layout = { .guid = uuid_of("image"), .partitions = parts };
	struct uni_disk_result result;
	struct uni_base *base = NULL;
	struct uni_digest digest;
	UNI_AUTO_BUF struct uni_buf stage1 = UNI_BUF_INIT;
	UNI_AUTO_FREE char *box = uni_asprintf("%s.box", argv[3]);
	int elf = open_new(argv[2]);
	uint64_t size;
	uint64_t box_size;

	must(uni_base_load(&base, argv[0], &err));
	make_elf(base, argv[1], elf, &size);
	must(uni_box_pack(&(struct uni_box_content){ .fd = elf, .size = size }, open_new(box),
			  &box_size, &digest, &err));
	must(uni_file_read(base->stage1.path, 4096, &stage1, &err));
	layout.stage1 = stage1.data;
	layout.stage1_size = stage1.size;
	add_partition(&layout, parts, UNI_GPT_BIOS_BOOT, "loader", base->stage2.path);
	add_partition(&layout, parts, UNI_GPT_KERNEL, "kernel", box);
	must(uni_disk_write(uni_disk_find("raw"), NULL, &layout, open_new(argv[3]), &result, &err));
	uni_base_free(base);
}

static void make_volume(char **argv)
{
	const struct uni_fs_format *format = uni_fs_find("squashfs");
	struct uni_fs_options options = { .volume = "peers", .verity = true };
	const struct uni_tree_rules rules = { .mtime = 1000000000 };
	UNI_AUTO(uni_tree) struct uni_tree *tree = uni_tree_new(&rules);
	struct uni_fs_result r;
	char uuid[UNI_UUID_TEXT];
	char root[65];
	char salt[65];

	options.compression = argv[2];
	must(uni_tree_add_folder(tree, "/", argv[0], &rules, &err));
	must(format->resolve(&options, &err));
	must(format->write(tree, &options, argv[1], &r, &err));
	uni_uuid_text(&r.uuid, uuid);
	uni_hex(r.root_hash, sizeof(r.root_hash), root);
	uni_hex(r.salt, r.salt_size, salt);
	printf("%s %s %s %llu %llu\n", uuid, root, salt, (unsigned long long)r.data_blocks,
	       (unsigned long long)r.hash_offset);
}

static void make_fat(char **argv)
{
	const struct uni_fs_format *format = uni_fs_find("fat");
	struct uni_fs_options options = { .volume = "peers" };
	const struct uni_tree_rules rules = { .mtime = 1000000000 };
	UNI_AUTO(uni_tree) struct uni_tree *tree = uni_tree_new(&rules);
	struct uni_fs_result r;

	must(uni_tree_add_folder(tree, "/", argv[0], &rules, &err));
	must(format->resolve(&options, &err));
	must(format->write(tree, &options, argv[1], &r, &err));
}

struct emission {
	int fd;
	int previous;
	uint64_t put;
	uint64_t kept;
};

static int put_piece(void *user, uint64_t at, const void *data, size_t size, struct uni_err *e)
{
	struct emission *m = user;

	m->put += size;
	return uni_pwrite_full(m->fd, data, size, at, "volume", e);
}

static int keep_piece(void *user, uint64_t at, uint64_t size, struct uni_err *e)
{
	struct emission *m = user;

	m->kept += size;
	return uni_copy_range(m->previous, at, m->fd, at, size, e);
}

static void make_placed(const struct uni_tree *tree, const struct uni_squash_options *options,
			struct emission *m, uint64_t previous_size)
{
	UNI_AUTO(uni_squash_previous) struct uni_squash_previous *previous = NULL;
	UNI_AUTO(uni_squash_image) struct uni_squash_image *image = NULL;
	const struct uni_squash_target target = { put_piece, keep_piece, m };

	if (previous_size != 0)
		must(uni_squash_previous_open(&previous, m->previous, 0, previous_size, "previous",
					      &err));
	must(uni_squash_prepare(&image, tree, options, previous, &err));
	must(uni_squash_emit(image, previous, &target, &err));
	printf("%llu %llu\n", (unsigned long long)m->kept, (unsigned long long)m->put);
}

static void make_squash(int argc, char **argv)
{
	const struct uni_fs_format *format = uni_fs_find("squashfs");
	struct uni_fs_options resolved = { .volume = "peers", .compression = argv[2] };
	struct uni_squash_options options = { .epoch = 1000000001, .exact_times = true };
	const struct uni_tree_rules rules = { .mtime = 1000000000 };
	UNI_AUTO(uni_tree) struct uni_tree *tree = uni_tree_new(&rules);
	struct uni_digest digest;
	struct emission m = { .fd = open_new(argv[1]) };
	uint64_t size = 0;

	must(uni_tree_add_folder(tree, "/", argv[0], &rules, &err));
	must(format->resolve(&resolved, &err));
	options.compression = resolved.compression;
	options.level = resolved.level;
	options.block_size = resolved.block_size;
	if (strcmp(argv[3], "packed") == 0) {
		must(uni_squash_write(tree, &options, m.fd, &size, &err));
		printf("0 %llu\n", (unsigned long long)size);
		return;
	}
	if (argc > 4)
		m.previous = open_old(argv[4], &size);
	must(uni_tree_digest(tree, NULL, 0, &digest, &err));
	make_placed(tree, &options, &m, size);
}

struct listing {
	struct uni_fs_reader *reader;
	const char *dir;
};

static int hash_data(void *user, const void *data, size_t size, struct uni_err *e)
{
	(void)e;
	uni_hash_add(user, data, size);
	return 0;
}

static void list_dir(struct uni_fs_reader *reader, const char *dir);

static int list_one(void *user, const char *name, const struct uni_fs_stat *st, struct uni_err *e)
{
	const struct listing *listing = user;
	UNI_AUTO_FREE char *path = uni_path_join(listing->dir, name);
	UNI_AUTO_BUF struct uni_buf target = UNI_BUF_INIT;
	struct uni_digest digest = { .bytes = { 0 } };
	struct uni_hash hash;
	char text[UNI_DIGEST_TEXT];

	uni_hash_start(&hash);
	if (st->type == UNI_FS_TYPE_FILE)
		must(uni_fs_read(listing->reader, path, hash_data, &hash, e));
	if (st->type == UNI_FS_TYPE_LINK)
		must(uni_fs_readlink(listing->reader, path, &target, e));
	digest = uni_hash_end(&hash);
	uni_digest_text(&digest, text);
	printf("%c %o %u:%u %lld %llu %s %s%s%s\n", "fdlbcps"[st->type], st -> mode, st -> uid,
	       st -> gid, (long long)st -> mtime, (unsigned long long)st -> size,
	       st -> type == UNI_FS_TYPE_FILE ? text + 7 : "-", path,
	       target.size != 0 ? " -> " : "", uni_buf_text(&target));
	if (st->type == UNI_FS_TYPE_FOLDER)
		list_dir(listing->reader, path);
	return 0;
}

static void list_dir(struct uni_fs_reader *reader, const char *dir)
{
	struct listing listing = { .reader = reader, .dir = dir };

	must(uni_fs_list(reader, dir, list_one, &listing, &err));
}

static void list_image(const char *path)
{
	struct uni_fs_reader *reader = NULL;
	uint64_t size;
	int fd = open_old(path, &size);

	must(uni_fs_open(&reader, fd, 0, size, path, &err));
	list_dir(reader, "/");
	uni_fs_reader_free(reader);
}

int main(int argc, char **argv)
{
	if (argc >= 4 && strcmp(argv[1], "disk") == 0)
		make_disk(argc - 2, argv + 2);
	else if (argc >= 5 && strcmp(argv[1], "form") == 0)
		make_form(argc - 2, argv + 2);
	else if (argc == 6 && strcmp(argv[1], "image") == 0)
		make_image(argv + 2);
	else if (argc == 5 && strcmp(argv[1], "volume") == 0)
		make_volume(argv + 2);
	else if (argc == 4 && strcmp(argv[1], "fat") == 0)
		make_fat(argv + 2);
	else if ((argc == 6 || argc == 7) && strcmp(argv[1], "squash") == 0)
		make_squash(argc - 2, argv + 2);
	else if (argc == 3 && strcmp(argv[1], "list") == 0)
		list_image(argv[2]);
	else
		return 2;
	return 0;
}
