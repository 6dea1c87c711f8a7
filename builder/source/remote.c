/*
 * Credentials for git's servers, in the places where git itself looks: ssh's agent and keys,
 * git's credential helpers. Each is tried once.
 */
#include "remote.h"
#include <string.h>
#include <uni/base/file.h>
#include <uni/base/path.h>
#include <uni/base/process.h>

#define ANSWER_MAX 65536

static const char *const key_names[] = { "id_ed25519", "id_ecdsa", "id_rsa" };

/* The nth way by keys: the agent, then files without passphrase. */
static int ssh_credential(git_credential **out, const char *user, unsigned nth)
{
	if (nth == 0)
		return uni_env("SSH_AUTH_SOCK") != NULL
			       ? libgit.git_credential_ssh_key_from_agent(out, user)
			       : GIT_PASSTHROUGH;
	const char *home = uni_env("HOME");
	char *folder UNI_AUTO_FREE = uni_path_join(home != NULL ? home : "/", ".ssh");
	char *private UNI_AUTO_FREE = uni_path_join(folder, key_names[nth - 1]);
	char *public UNI_AUTO_FREE = uni_asprintf("%s.pub", private);
	if (!uni_file_exists(private))
		return GIT_PASSTHROUGH;
	return libgit.git_credential_ssh_key_new(out, user, uni_file_exists(public) ? public : NULL,
						 private, NULL);
}

/* "KEY=VALUE" in git's answer. */
static char *answer_value(const struct uni_buf *answer, const char *key)
{
	size_t size = strlen(key);
	for (const char *line = uni_buf_text(answer); *line != '\0';) {
		size_t length = strcspn(line, "\n");
		if (length > size && strncmp(line, key, size) == 0 && line[size] == '=')
			return uni_strndup(line + size + 1, length - size - 1);
		line += length + (line[length] == '\n');
	}
	return NULL;
}

/* Whatever helper the user has told git of. It must not ask at the terminal. */
static int helper_credential(git_credential **out, const char *url)
{
	static const char *const argv[] = { "git",	  "-c",	  "core.askPass=true",
					    "credential", "fill", NULL };
	struct uni_buf answer UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_err ignored = UNI_ERR_INIT;
	char *question UNI_AUTO_FREE = uni_asprintf("url=%s\n\n", url);
	if (strchr(url, '\n') != NULL ||
	    uni_process_ask(argv, question, strlen(question), &answer, ANSWER_MAX, &ignored) != 0)
		return GIT_PASSTHROUGH;
	char *user UNI_AUTO_FREE = answer_value(&answer, "username");
	char *password UNI_AUTO_FREE = answer_value(&answer, "password");
	return user != NULL && password != NULL
		       ? libgit.git_credential_userpass_plaintext_new(out, user, password)
		       : GIT_PASSTHROUGH;
}

static int acquire(git_credential **out, const char *url, const char *user, unsigned allowed,
		   void *payload)
{
	struct remote_talk *talk = payload;
	const char *name = user != NULL ? user : "git";
	if ((allowed & GIT_CREDENTIAL_USERNAME) != 0)
		return libgit.git_credential_username_new(out, name);
	if ((allowed & GIT_CREDENTIAL_SSH_KEY) != 0) {
		while (talk->tried <= UNI_COUNT(key_names)) {
			int code = ssh_credential(out, name, talk->tried++);
			if (code != GIT_PASSTHROUGH)
				return code;
		}
		return GIT_EAUTH;
	}
	if ((allowed & GIT_CREDENTIAL_USERPASS_PLAINTEXT) != 0 && talk->tried++ == 0 &&
	    uni_str_starts(url, "https://"))
		return helper_credential(out, url);
	return GIT_EAUTH;
}

static int pushed(const char *reference, const char *status, void *payload)
{
	struct remote_talk *talk = payload;
	(void)reference;
	talk->refused |= status != NULL;
	return 0;
}

void remote_callbacks(git_remote_callbacks *callbacks, struct remote_talk *talk)
{
	libgit.git_remote_init_callbacks(callbacks, GIT_REMOTE_CALLBACKS_VERSION);
	callbacks->credentials = acquire;
	callbacks->transfer_progress = libgit_progress;
	callbacks->push_update_reference = pushed;
	callbacks->payload = talk;
}

int remote_complain(int code, const struct remote_talk *talk, struct uni_err *err)
{
	if (uni_cancelled)
		return uni_check_cancel(err);
	if (code != GIT_EAUTH)
		return libgit_complain(UNI_E_NETWORK, err);
	uni_err_set(err, UNI_E_AUTH, "%s wants credentials, and none that were found will do",
		    talk->url);
	return uni_str_starts(talk->url, "ssh://")
		       ? uni_err_hint(err, "add a key to ssh-agent, or keep one in ~/.ssh")
		       : uni_err_hint(err, "\"git credential approve\" tells git's helpers of one");
}
