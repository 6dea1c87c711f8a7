/*
 * Passphrases are read from the terminal itself, without echo, so that they are in no argument list
 * and in no pipe; scripts name a file.
 */
#include "keys.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <uni/base/file.h>
#include <uni/base/system.h>
#include <unistd.h>

#define PASSPHRASE_MAX 1024

void cli_values(const struct cli *cli, const char *option, struct uni_strv *values)
{
	size_t size = strlen(option);

	for (char **item = cli->repeats; item != NULL && *item != NULL; item++)
		if (strncmp(*item, option, size) == 0 && (*item)[size] == '=')
			uni_strv_add(values, *item + size + 1);
}

static int from_file(const char *path, char **passphrase, struct uni_err *err)
{
	UNI_AUTO_BUF struct uni_buf text = UNI_BUF_INIT;
	int rc = uni_file_read(path, PASSPHRASE_MAX, &text, err);

	if (rc != 0)
		return rc;
	*passphrase = uni_strndup(uni_buf_text(&text), strcspn(uni_buf_text(&text), "\r\n"));
	if ((*passphrase)[0] == '\0')
		return uni_err_set(err, UNI_E_INVAL, "%s: its first line is empty", path);
	return 0;
}

static int ask(int tty, const char *prompt, char **passphrase, struct uni_err *err)
{
	struct termios before, quiet;
	char line[PASSPHRASE_MAX];
	size_t size = 0;

	if (tcgetattr(tty, &before) != 0)
		return uni_err_errno(err, "the terminal");
	quiet = before;
	quiet.c_lflag &= ~(tcflag_t)ECHO;
	dprintf(tty, "%s: ", prompt);
	(void)tcsetattr(tty, TCSAFLUSH, &quiet);
	while (size < sizeof(line) - 1 && read(tty, line + size, 1) == 1 && line[size] != '\n')
		size++;
	(void)tcsetattr(tty, TCSAFLUSH, &before);
	dprintf(tty, "\n");
	line[size] = '\0';
	*passphrase = uni_strdup(line);
	explicit_bzero(line, sizeof(line));
	if (size == 0)
		return uni_err_set(err, UNI_E_AUTH, "no passphrase was given");
	return uni_check_cancel(err);
}

int cli_passphrase(const struct cli *cli, const char *what, bool fresh, char **passphrase,
		   struct uni_err *err)
{
	const char *file = cli_value(cli, "passphrase-file");
	UNI_AUTO_FREE char *prompt = uni_asprintf("Passphrase of %s", what);
	UNI_AUTO_FREE char *again = NULL;
	int rc;

	if (file == NULL)
		file = uni_env("UNI_PASSPHRASE_FILE");
	if (file != NULL)
		return from_file(file, passphrase, err);
	int tty UNI_AUTO_CLOSE = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	if (tty < 0) {
		uni_err_set(err, UNI_E_AUTH, "%s needs a passphrase, and there is no terminal",
			    what);
		return uni_err_hint(err, "--passphrase-file names a file with it");
	}
	rc = ask(tty, prompt, passphrase, err);
	if (rc == 0 && fresh) {
		rc = ask(tty, "Once more", &again, err);
		if (rc == 0 && strcmp(again, *passphrase) != 0)
			rc = uni_err_set(err, UNI_E_INVAL, "the two differ");
	}
	return rc;
}

void cli_signers_free(struct cli_signers *signers)
{
	for (size_t i = 0; i < signers->count; i++)
		uni_signer_free(signers->items[i]);
	free(signers->items);
}

bool cli_key_is_file(const char *key)
{
	return strchr(key, '/') != NULL || strchr(key, '.') != NULL;
}

int cli_public_load(const char *key, struct uni_buf *text, struct uni_pem *pem, struct uni_err *err)
{
	UNI_AUTO_FREE char *dir = uni_keys_dir();
	struct uni_public_key public;
	int rc;

	if (cli_key_is_file(key)) {
		rc = uni_file_read(key, CLI_PEM_MAX, text, err);
	} else {
		rc = uni_keys_public(dir, key, &public, err);
		if (rc == 0)
			uni_public_key_pem(&public, text);
	}
	*pem = (struct uni_pem){ .name = key, .text = uni_buf_text(text), .size = text->size };
	return rc;
}

int cli_signer_load(const struct cli *cli, const char *name, struct uni_signer **signer,
		    struct uni_err *err)
{
	UNI_AUTO_FREE char *dir = uni_keys_dir();
	UNI_AUTO_FREE char *passphrase = NULL;
	int rc = uni_keys_load(dir, name, NULL, signer, err);

	if (rc != UNI_E_AUTH)
		return rc;
	rc = cli_passphrase(cli, name, false, &passphrase, err);
	if (rc == 0)
		rc = uni_keys_load(dir, name, passphrase, signer, err);
	if (passphrase != NULL)
		explicit_bzero(passphrase, strlen(passphrase));
	return rc;
}

int cli_signers_load(const struct cli *cli, struct cli_signers *signers, struct uni_err *err)
{
	UNI_AUTO_STRV struct uni_strv names = { 0 };
	int rc = 0;

	cli_values(cli, "key", &names);
	for (size_t i = 0; rc == 0 && i < names.count; i++) {
		UNI_PUSH_ROOM(signers->items, signers->count, signers->room);
		signers->items[signers->count] = NULL;
		rc = cli_signer_load(cli, names.items[i], &signers->items[signers->count++], err);
	}
	return rc;
}
