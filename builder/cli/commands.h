/*
 * The commands, each in a file of its own; commands.c lists them.
 */
#ifndef UNI_CLI_COMMANDS_H
#define UNI_CLI_COMMANDS_H

#include "command.h"

extern const struct cli_command cli_cmd_ami_copy;
extern const struct cli_command cli_cmd_ami_deregister;
extern const struct cli_command cli_cmd_ami_gc;
extern const struct cli_command cli_cmd_ami_list;
extern const struct cli_command cli_cmd_ami_show;
extern const struct cli_command cli_cmd_build;
extern const struct cli_command cli_cmd_cache_gc;
extern const struct cli_command cli_cmd_cache_limit;
extern const struct cli_command cli_cmd_cache_ls;
extern const struct cli_command cli_cmd_cache_verify;
extern const struct cli_command cli_cmd_check;
extern const struct cli_command cli_cmd_completion;
extern const struct cli_command cli_cmd_convert;
extern const struct cli_command cli_cmd_doctor;
extern const struct cli_command cli_cmd_help;
extern const struct cli_command cli_cmd_import;
extern const struct cli_command cli_cmd_index_add;
extern const struct cli_command cli_cmd_index_create;
extern const struct cli_command cli_cmd_index_delegate;
extern const struct cli_command cli_cmd_index_embed;
extern const struct cli_command cli_cmd_index_list;
extern const struct cli_command cli_cmd_index_refresh;
extern const struct cli_command cli_cmd_index_remove;
extern const struct cli_command cli_cmd_info;
extern const struct cli_command cli_cmd_inspect;
extern const struct cli_command cli_cmd_install;
extern const struct cli_command cli_cmd_key_list;
extern const struct cli_command cli_cmd_key_public;
extern const struct cli_command cli_cmd_key_new;
extern const struct cli_command cli_cmd_key_revoke;
extern const struct cli_command cli_cmd_key_rotate;
extern const struct cli_command cli_cmd_list;
extern const struct cli_command cli_cmd_login;
extern const struct cli_command cli_cmd_logout;
extern const struct cli_command cli_cmd_logs;
extern const struct cli_command cli_cmd_man;
extern const struct cli_command cli_cmd_pack;
extern const struct cli_command cli_cmd_plan;
extern const struct cli_command cli_cmd_ps;
extern const struct cli_command cli_cmd_publish;
extern const struct cli_command cli_cmd_pull;
extern const struct cli_command cli_cmd_push;
extern const struct cli_command cli_cmd_remove;
extern const struct cli_command cli_cmd_run;
extern const struct cli_command cli_cmd_sbom;
extern const struct cli_command cli_cmd_schema;
extern const struct cli_command cli_cmd_search;
extern const struct cli_command cli_cmd_stop;
extern const struct cli_command cli_cmd_test;
extern const struct cli_command cli_cmd_update;
extern const struct cli_command cli_cmd_verify;
extern const struct cli_command cli_cmd_volume_attach;
extern const struct cli_command cli_cmd_volume_cat;
extern const struct cli_command cli_cmd_volume_copy;
extern const struct cli_command cli_cmd_volume_create;
extern const struct cli_command cli_cmd_volume_detach;
extern const struct cli_command cli_cmd_volume_diff;
extern const struct cli_command cli_cmd_volume_history;
extern const struct cli_command cli_cmd_volume_ls;
extern const struct cli_command cli_cmd_volume_push;
extern const struct cli_command cli_cmd_volume_resize;
extern const struct cli_command cli_cmd_volume_rollback;
extern const struct cli_command cli_cmd_volume_snapshot;
extern const struct cli_command cli_cmd_volume_stat;
extern const struct cli_command cli_cmd_volume_verify;
extern const struct cli_command cli_cmd_yank;

#endif
