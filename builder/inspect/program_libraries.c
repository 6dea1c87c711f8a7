/*
 * The loader and the libraries of a dynamic program, as the machine that it is looked at on has
 * them: found, copied below one folder, and said in a recipe as a volume at /usr with links to it
 * from where else they are looked for, which is how distributions themselves lay them out today.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <uni/base/file.h>
#include <uni/base/path.h>
#include <uni/io/secret.h>
#include <uni/recipes/toml.h>
#include <unistd.h>

#include "internal.h"

static bool find_here(void *user, const char *path, char **source)
{
	struct stat st;

	(void)user;
	if (stat(path, &st) != 0 || !S_ISREG(st.st_mode))
		return false;
	*source = uni_strdup(path);
	return true;
}

/* Where a file goes: below the folder that becomes /usr. */
static const char *place_of(const char *path)
{
	return uni_str_starts(path, "/usr/") ? path + 5 : path + 1;
}

char *uni_program_path(const struct uni_program_look *look)
{
	return look->place != NULL ? uni_asprintf("/usr/%s", place_of(look->place)) : NULL;
}

void program_look_at_libraries(const struct uni_elf *elf, struct uni_program_look *look)
{
	UNI_AUTO_FREE char *origin = look->place != NULL ? uni_path_dir(look->place) : NULL;
	const struct uni_library_view here = { .find = find_here, .origin = origin };
	const struct uni_library_view *view = look->view != NULL ? look->view : &here;
	const char *where = look->view != NULL ? "in the image" : "on this machine";
	struct uni_err why = UNI_ERR_INIT;

	if (uni_libraries_find(elf, view, &look->libraries, &why) != 0) {
		program_finding(look, UNI_PROGRAM_STOPS,
				uni_asprintf("%s, which is not %s", why.text, where),
				look->view != NULL ? NULL : "import it where it runs");
		return;
	}
	for (size_t i = 0; i < look->libraries.missing.count; i++)
		program_finding(look, UNI_PROGRAM_STOPS,
				uni_asprintf("it needs the library %s, which is not %s where "
					     "loaders look",
					     look->libraries.missing.items[i], where),
				"install it, or add it to the volume by hand");
	for (size_t i = 0; i < look->libraries.count; i++) {
		struct stat st;

		if (stat(look->libraries.items[i].source, &st) == 0)
			look->library_bytes += (uint64_t)st.st_size;
	}
	program_finding(look, UNI_PROGRAM_NOTE,
			uni_asprintf("it is a dynamic program: its loader and %zu libraries, "
				     "%llu KiB, %s",
				     look->libraries.count - 1,
				     (unsigned long long)(look->library_bytes >> 10),
				     look->view != NULL ? "are in the image's volumes"
							: "go into a volume"),
			"what it opens while it runs, as plugins or data, is not among them: "
			"uni run --trace shows what it looks for");
}

/* What of a library's path becomes a link to below /usr: the system's folders as a whole, else only
 * the folder where it is; NULL for what is there already. */
static char *link_of(const struct uni_library *library)
{
	const char *path = library->path;

	if (uni_str_starts(path, "/usr/"))
		return NULL;
	if (uni_str_starts(path, "/lib"))
		return uni_strndup(path, 1 + strcspn(path + 1, "/"));
	return uni_path_dir(path);
}

static void put_links(const struct uni_program_look *look, struct uni_buf *out)
{
	UNI_AUTO_STRV struct uni_strv links = { .items = NULL };

	for (size_t i = 0; i < look->libraries.count; i++) {
		UNI_AUTO_FREE char *link = link_of(&look->libraries.items[i]);

		if (link != NULL && !uni_strv_has(&links, link))
			uni_strv_add(&links, link);
	}
	uni_strv_sort(&links);
	for (size_t i = 0; i < links.count; i++) {
		UNI_AUTO_FREE char *target = uni_asprintf("/usr%s", links.items[i]);

		uni_buf_puts(out, "\n[[file]]\npath = ");
		uni_toml_write_string(out, links.items[i]);
		uni_buf_puts(out, "\nlink = ");
		uni_toml_write_string(out, target);
		uni_buf_puts(out, "\n");
	}
}

bool program_holds_secret(const char *path)
{
	UNI_AUTO_CLOSE int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	struct uni_secret_scan scan;
	uint8_t part[16384];
	ssize_t got;

	if (fd < 0)
		return false;
	uni_secret_scan_start(&scan);
	while ((got = read(fd, part, sizeof(part))) > 0)
		uni_secret_scan_add(&scan, part, (size_t)got);
	return uni_secret_scan_end(&scan) != UNI_SECRET_NONE;
}

/* What a distribution gives to everybody is no secret: libgnutls has keys that it tests itself
 * with. */
static void put_allowed(const struct uni_program_look *look, struct uni_buf *out)
{
	const char *between = "allow-secret = [";

	for (size_t i = 0; i < look->libraries.count; i++) {
		const struct uni_library *library = &look->libraries.items[i];
		UNI_AUTO_FREE char *path = uni_asprintf("/%s", place_of(library->path));

		if (!program_holds_secret(library->source))
			continue;
		uni_buf_puts(out, between);
		uni_toml_write_string(out, path);
		between = ", ";
	}
	if (between[0] == ',')
		uni_buf_puts(out, "]\n");
}

/* The folders that this machine's settings name, which are not the other's. */
static void put_search(const struct uni_program_look *look, struct uni_buf *out)
{
	UNI_AUTO_STRV struct uni_strv folders = { .items = NULL };
	UNI_AUTO_BUF struct uni_buf value = UNI_BUF_INIT;

	for (size_t i = 0; i < look->libraries.count; i++) {
		UNI_AUTO_FREE char *folder = uni_path_dir(look->libraries.items[i].path);

		if (look->libraries.items[i].cached && !uni_strv_has(&folders, folder))
			uni_strv_add(&folders, folder);
	}
	for (size_t i = 0; i < folders.count; i++)
		uni_buf_printf(&value, "%s%s", i != 0 ? ":" : "", folders.items[i]);
	if (folders.count == 0)
		return;
	uni_buf_puts(out, "\n[app.env]\nLD_LIBRARY_PATH = ");
	uni_toml_write_string(out, uni_buf_text(&value));
	uni_buf_puts(out, "\n");
}

void program_put_libraries(const struct uni_program_look *look, const char *folder,
			   struct uni_buf *out)
{
	put_search(look, out);
	put_links(look, out);
	uni_buf_puts(out, "\n[[volume]]\nname = \"usr\"\nmount = \"/usr\"\nsource = ");
	uni_toml_write_string(out, folder);
	uni_buf_puts(out, "\n");
	put_allowed(look, out);
}

static int copy_to(const char *source, const char *path, const char *folder, struct uni_err *err)
{
	UNI_AUTO_FREE char *target = uni_path_join(folder, place_of(path));
	UNI_AUTO_FREE char *parent = uni_path_dir(target);
	int rc = uni_dir_make(parent, 0777, err);

	return rc == 0 ? uni_file_copy(source, target, 0755, err) : rc;
}

int uni_program_collect(const struct uni_program_look *look, const char *folder,
			struct uni_err *err)
{
	const struct uni_libraries *libraries = &look->libraries;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < libraries->count; i++)
		rc = copy_to(libraries->items[i].source, libraries->items[i].path, folder, err);
	return rc == 0 && look->place != NULL ? copy_to(look->place, look->place, folder, err) : rc;
}
