/* uni run --gdb: what a debugger is to be told, ready before the machine is. */
#include <uni/inspect/debug.h>

#include "run.h"

int run_debugger(struct cli *cli, struct run_target *target, const struct uni_vm_spec *spec,
		 struct uni_err *err)
{
	UNI_AUTO(uni_store) struct uni_store *store = NULL;
	UNI_AUTO(uni_image) struct uni_image *image = NULL;
	struct uni_debug debug = { .port = UNI_VM_DEBUG_PORT };
	int rc = run_target_dir(target, err);

	if (rc == 0)
		rc = uni_image_open(&image, spec->kernel != NULL ? spec->kernel : spec->disk, err);
	if (rc == 0)
		rc = uni_store_open(&store, NULL, &cli->events, err);
	debug.dir = target->dir;
	if (rc == 0)
		rc = uni_debug_prepare(image, store, &debug, err);
	if (rc == 0 && !debug.has_kernel)
		cli_say(cli, "no package in the store has the symbols of this kernel");
	if (rc == 0)
		cli_say(cli, "the machine waits for: gdb -x %s", debug.script);
	free(debug.script);
	return rc;
}
