/*
 * Shared libraries on first use: loading libcurl, libarchive and libcrypto takes milliseconds that
 * most commands need not pay.
 */
#include <dlfcn.h>
#include <limits.h>
#include <link.h>
#include <pthread.h>
#include <string.h>
#include <uni/base/mem.h>
#include <uni/base/system.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static int fill(const char *soname, const char *const *names, size_t count, void *table,
		struct uni_err *err)
{
	void *last;
	char *slots = table;
	memcpy(&last, slots + (count - 1) * sizeof(last), sizeof(last));
	if (last != NULL)
		return 0;
	void *library = dlopen(soname, RTLD_LAZY | RTLD_LOCAL | RTLD_NODELETE);
	if (library == NULL)
		return uni_err_set(err, UNI_E_MISSING_TOOL, "cannot load library %s: %s", soname,
				   dlerror());
	for (size_t i = 0; i < count; i++) {
		void *symbol = dlsym(library, names[i]);
		if (symbol == NULL) {
			memset(table, 0, count * sizeof(symbol));
			dlclose(library);
			return uni_err_set(err, UNI_E_MISSING_TOOL, "library %s has no %s", soname,
					   names[i]);
		}
		/* A copy of the bytes: C knows no cast from object to function pointers. */
		memcpy(slots + i * sizeof(symbol), &symbol, sizeof(symbol));
	}
	return 0;
}

int uni_lazy_load(const char *soname, const char *const *names, size_t count, void *table,
		  struct uni_err *err)
{
	pthread_mutex_lock(&lock);
	int rc = fill(soname, names, count, table, err);
	pthread_mutex_unlock(&lock);
	return rc;
}

int uni_lazy_file(const char *soname, char **path, struct uni_err *err)
{
	void *library = dlopen(soname, RTLD_LAZY | RTLD_LOCAL | RTLD_NODELETE);
	struct link_map *map = NULL;
	char real[PATH_MAX];

	*path = NULL;
	if (library == NULL)
		return uni_err_set(err, UNI_E_MISSING_TOOL, "cannot load library %s: %s", soname,
				   dlerror());
	if (dlinfo(library, RTLD_DI_LINKMAP, &map) == 0 && realpath(map->l_name, real) != NULL)
		*path = uni_strdup(real);
	dlclose(library);
	return *path != NULL ? 0
			     : uni_err_set(err, UNI_E_MISSING_TOOL,
					   "the file of library %s was not found", soname);
}
