/*
 * The list of commands, by name. A new one is a file, a line in commands.h and a line here.
 */
#include "commands.h"

const struct cli_command *const cli_commands[] = {
	&cli_cmd_build,
	&cli_cmd_cache_gc,
	&cli_cmd_cache_ls,
	&cli_cmd_cache_verify,
	&cli_cmd_check,
	&cli_cmd_completion,
	&cli_cmd_convert,
	&cli_cmd_doctor,
	&cli_cmd_help,
	&cli_cmd_inspect,
	&cli_cmd_install,
	&cli_cmd_list,
	&cli_cmd_logs,
	&cli_cmd_man,
	&cli_cmd_pack,
	&cli_cmd_plan,
	&cli_cmd_ps,
	&cli_cmd_remove,
	&cli_cmd_run,
	&cli_cmd_schema,
	&cli_cmd_stop,
	&cli_cmd_test,
	&cli_cmd_verify,
	NULL,
};
