/*
 * What uni run starts: found or built, and told what the command line says. Shared between the
 * files of that command only.
 */
#ifndef UNI_CLI_RUN_H
#define UNI_CLI_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uni/base/text.h>
#include <uni/kernel/config.h>
#include <uni/recipes/diag.h>
#include <uni/vm/vm.h>
#include <uni/volume/volume.h>

#include "command.h"

/* What is to be run, and what must go afterwards. */
struct run_target {
	char *disk;
	char *kernel;
	char *dir; /* temporary folder, or NULL */
	char *config_file;
	struct uni_strv oem_strings;
	uint64_t memory;
	unsigned processors;
	char *argv0;
	struct uni_strv env;		/* of the image's configuration */
	struct uni_strv writable;	/* disks that it writes to */
	bool disk_writable;		/* `disk` too */
	bool wants_network;		/* the image's configuration names one */
	bool restarts;			/* it says that something follows the end */
	struct uni_boot_config *config; /* the image's, for the files it names; NULL: not known */
	struct uni_vm_forward *forwards;
	size_t forward_count;
	char *capture;
	struct uni_volume_list volumes; /* live ones */
};

void run_target_free(struct run_target *target);
/* Makes `dir`, where there is none yet. */
int run_target_dir(struct run_target *target, struct uni_err *err);
/* Builds into the user's state folder, so that what is run stays there and an unchanged image is
 * not written again. */
int run_build_recipe(struct cli *cli, struct run_target *target, struct uni_diags *diags,
		     struct uni_err *err);
int run_open_image(struct cli *cli, struct run_target *target, struct uni_err *err);
/* Of a disk's file; false, too, where that cannot be told. */
bool run_starts_by_uefi_alone(const char *disk);
char *run_name_of_file(const char *path); /* "out/site.raw" is "site"; the caller frees */

/* For --gdb: symbols, a script for gdb, and a word about both. */
int run_debugger(struct cli *cli, struct run_target *target, const struct uni_vm_spec *spec,
		 struct uni_err *err);

/* The runtime record: arguments behind the image, --env, files, --trace. */
int run_runtime_config(struct cli *cli, struct run_target *target, struct uni_vm_spec *spec,
		       struct uni_err *err);

#endif
