/*
 * Loading libgit2, and its errors in our words.
 */
#include "libgit.h"
#include <pthread.h>
#include <uni/net/net.h>

struct libgit libgit;
static const char *const names[] = { LIBGIT_FNS(UNI_LAZY_NAME) };

static void init_once(void)
{
	struct uni_net_options options = { .ca_file = NULL };
	libgit.git_libgit2_init();
	static const int levels[] = { GIT_CONFIG_LEVEL_SYSTEM, GIT_CONFIG_LEVEL_XDG,
				      GIT_CONFIG_LEVEL_GLOBAL, GIT_CONFIG_LEVEL_PROGRAMDATA };
	for (size_t i = 0; i < UNI_COUNT(levels); i++)
		libgit.git_libgit2_opts(GIT_OPT_SET_SEARCH_PATH, levels[i], "");
	/* The folder of a repository may belong to another user: it is data, and nothing in its
	 * configuration is obeyed. */
	libgit.git_libgit2_opts(GIT_OPT_SET_OWNER_VALIDATION, 0);
	uni_net_options_env(&options);
	if (options.ca_file != NULL)
		libgit.git_libgit2_opts(GIT_OPT_SET_SSL_CERT_LOCATIONS, options.ca_file, NULL);
}

int libgit_load(struct uni_err *err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	int rc = uni_lazy_load("libgit2.so.1.5", names, UNI_COUNT(names), &libgit, err);
	if (rc == 0)
		pthread_once(&once, init_once);
	return rc;
}

int libgit_complain(int code, struct uni_err *err)
{
	const git_error *last = libgit.git_error_last();
	return uni_err_set(err, code, "%s", last != NULL ? last->message : "libgit2 failed");
}

int libgit_progress(const git_indexer_progress *stats, void *payload)
{
	(void)stats;
	(void)payload;
	return uni_cancelled ? -1 : 0;
}
