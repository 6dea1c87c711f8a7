/*
 * uni stop: the power button of a machine that stays, and its plug.
 */
#include "commands.h"
#include "ec2_machines.h"
#include "machines.h"

#define GRACE_S 15 /* the kernel's own grace for its program is 10 */
#define GRACE_MAX_S 86400

static const struct cli_option options[] = {
	{ "grace", 'g', "SECONDS", "time to end in order (default: 15)" },
	{ "kill", 'k', NULL, "cut it off at once" },
	CLI_EC2_PROFILE,
	{ 0 },
};

static int grace_option(const struct cli *cli, uint64_t *seconds, struct uni_err *err)
{
	const char *text = cli_value(cli, "grace");

	if (text == NULL || (uni_str_u64(text, seconds) && *seconds <= GRACE_MAX_S))
		return 0;
	return uni_err_set(err, UNI_E_USAGE, "--grace \"%s\" is not a number of seconds up to %d",
			   text, GRACE_MAX_S);
}

static void report(struct cli *cli, const struct uni_detached *machine, bool forced)
{
	UNI_AUTO_BUF struct uni_buf out = UNI_BUF_INIT, why = UNI_BUF_INIT;
	int status = cli_machine_status(machine, &why);

	if (cli->json) {
		cli_machine_json(&out, machine);
		uni_buf_putc(&out, '\n');
		cli_out_buf(&out);
	} else if (forced) {
		cli_say(cli, "%s was cut off", machine->name);
	} else {
		cli_say(cli, "%s has ended with status %d%s%s", machine->name, status,
			why.size != 0 ? ": " : "", uni_buf_text(&why));
	}
}

static int stop_one(struct cli *cli, const char *name, int grace_ms, struct uni_err *err)
{
	UNI_AUTO(uni_detached) struct uni_detached *machine = NULL;
	bool forced = false;

	if (uni_detached_open(&machine, name, err) != 0 ||
	    uni_detached_stop(machine, grace_ms, &forced, err) != 0)
		return cli_fail(cli, err);
	report(cli, machine, forced);
	return forced && grace_ms != 0 ? UNI_EXIT_FAILED : UNI_EXIT_OK;
}

static int run(struct cli *cli)
{
	struct uni_err err = UNI_ERR_INIT;
	uint64_t seconds = GRACE_S;
	int worst = UNI_EXIT_OK;

	if (grace_option(cli, &seconds, &err) != 0)
		return cli_fail(cli, &err);
	if (cli_flag(cli, "kill"))
		seconds = 0;
	for (unsigned i = 0; i < cli->arg_count; i++) {
		int status = cli_is_ec2(cli->args[i])
				     ? cli_ec2_stop(cli, cli->args[i])
				     : stop_one(cli, cli->args[i], (int)seconds * 1000, &err);

		worst = status > worst ? status : worst;
		uni_err_clear(&err);
	}
	return worst;
}

static const struct cli_example examples[] = {
	{ "uni stop site", "presses the power button and waits" },
	{ "uni stop site --grace 60", "with a minute for the program to end" },
	{ 0 },
};

const struct cli_command cli_cmd_stop = {
	.name = "stop",
	.arguments = "NAME|ec2://REGION/INSTANCE...",
	.summary = "Stop machines that run",
	.text = "Presses the power button: the program gets SIGTERM, then the time that its recipe "
		"grants\n"
		"(config.grace), then the machine goes off. One that still runs after --grace is "
		"cut off, and\n"
		"the exit status is 1.\n\n"
		"ec2://REGION/INSTANCE ends a machine that uni started in EC2; its disk goes with "
		"it.",
	.options = options,
	.least = 1,
	.most = 64,
	.examples = examples,
	.run = run,
};
