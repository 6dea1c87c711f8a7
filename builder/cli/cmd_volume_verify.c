/*
 * uni volume verify: whether a live volume is sound.
 */
#include <inttypes.h>

#include "commands.h"
#include "volumes.h"

static const struct cli_option options[] = {
	{ "key", 'k', "FILE", "the public key (PEM) by which generations must be signed" },
	{ 0 },
};

static int verify_one(const struct cli *cli, const struct uni_live *live,
		      const struct uni_live_super *super, const uint8_t *key, struct uni_err *err)
{
	int rc = super != NULL ? uni_live_verify(live, super, key, err) : 0;

	if (rc == 0 && super != NULL)
		cli_say(cli, "generation %" PRIu64 " is sound%s", super->generation,
			key != NULL ? ", and signed by that key" : "");
	return rc;
}

static int run(struct cli *cli)
{
	UNI_AUTO(uni_live) struct uni_live *live = NULL;
	UNI_AUTO_FREE char *file = NULL;
	UNI_AUTO_FREE char *inside = NULL;
	const char *path = cli_value(cli, "key");
	uint8_t key[UNI_LIVE_KEY];
	struct uni_err err = UNI_ERR_INIT;
	int rc = path != NULL ? uni_live_public_load(path, key, &err) : 0;

	if (rc == 0)
		rc = uni_volume_locate(cli->args[0], &file, &inside, &err);
	if (rc == 0)
		rc = uni_live_open(&live, file, false, &err);
	if (rc == 0)
		rc = verify_one(cli, live, uni_live_current(live), path != NULL ? key : NULL, &err);
	if (rc == 0)
		rc = verify_one(cli, live, uni_live_before(live), path != NULL ? key : NULL, &err);
	return rc == 0 ? UNI_EXIT_OK : cli_fail(cli, &err);
}

static const struct cli_example examples[] = {
	{ "uni volume verify site.vol --key site.pub", "also its signatures" },
	{ 0 },
};

const struct cli_command cli_cmd_volume_verify = {
	.name = "volume verify",
	.arguments = "FILE",
	.summary = "Check a live volume",
	.text = "Superblocks, hash trees and every block of both generations are checked.",
	.options = options,
	.least = 1,
	.most = 1,
	.examples = examples,
	.run = run,
};
