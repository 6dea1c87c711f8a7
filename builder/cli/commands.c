/*
 * The list of commands, by name. A new one is a file, a line in commands.h and a line here.
 */
#include "commands.h"

/* A line a command, so that a new one changes one line. */
/* clang-format off */
const struct cli_command *const cli_commands[] = {
	&cli_cmd_ami_copy,
	&cli_cmd_ami_deregister,
	&cli_cmd_ami_gc,
	&cli_cmd_ami_list,
	&cli_cmd_ami_show,
	&cli_cmd_build,
	&cli_cmd_cache_gc,
	&cli_cmd_cache_ls,
	&cli_cmd_cache_verify,
	&cli_cmd_check,
	&cli_cmd_completion,
	&cli_cmd_convert,
	&cli_cmd_doctor,
	&cli_cmd_help,
	&cli_cmd_import,
	&cli_cmd_inspect,
	&cli_cmd_install,
	&cli_cmd_list,
	&cli_cmd_logs,
	&cli_cmd_man,
	&cli_cmd_pack,
	&cli_cmd_plan,
	&cli_cmd_ps,
	&cli_cmd_push,
	&cli_cmd_remove,
	&cli_cmd_run,
	&cli_cmd_schema,
	&cli_cmd_stop,
	&cli_cmd_test,
	&cli_cmd_verify,
	&cli_cmd_volume_cat,
	&cli_cmd_volume_copy,
	&cli_cmd_volume_create,
	&cli_cmd_volume_diff,
	&cli_cmd_volume_history,
	&cli_cmd_volume_ls,
	&cli_cmd_volume_resize,
	&cli_cmd_volume_rollback,
	&cli_cmd_volume_snapshot,
	&cli_cmd_volume_stat,
	&cli_cmd_volume_verify,
	NULL,
};
/* clang-format on */
