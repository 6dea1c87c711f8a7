/*
 * Volumes that come to a machine while it runs, and go again.
 */
#include <string.h>
#include <uni/base/mem.h>
#include <uni/base/path.h>
#include <uni/base/system.h>

#include "internal.h"

static int open_machine(const char *place, struct uni_detached **machine, struct uni_err *err)
{
	if (!uni_str_starts(place, "vm:"))
		return uni_err_set(err, UNI_E_USAGE, "\"%s\" is not vm:NAME", place);
	if (uni_detached_open(machine, place + strlen("vm:"), err) != 0)
		return err->code;
	if (!(*machine)->running)
		return uni_err_set(err, UNI_E_NOENT, "machine \"%s\" does not run",
				   (*machine)->name);
	return 0;
}

/* "out/site.vol" is "site". */
static char *name_of(const char *path)
{
	char *name = uni_strdup(uni_path_base(path));
	char *dot = strrchr(name, '.');

	if (dot != NULL && dot != name)
		*dot = '\0';
	return name;
}

int uni_volume_plug(const char *path, const char *place, const char *mount, bool read_only,
		    int timeout_ms, struct uni_err *err)
{
	UNI_AUTO(uni_detached) struct uni_detached *machine = NULL;
	UNI_AUTO_FREE char *name = name_of(path);
	struct uni_config_mount wire;

	if (open_machine(place, &machine, err) != 0 || uni_volume_identify(path, &wire, err) != 0)
		return err->code;
	if (read_only)
		wire.flags |= UNI_MOUNT_READ_ONLY;
	return uni_detached_plug(machine, path, name, &wire, mount, timeout_ms, err);
}

int uni_volume_order(const char *path, const char *mount, bool read_only, struct uni_buf *digits,
		     struct uni_err *err)
{
	struct uni_bell_order order = { .kind = mount != NULL ? UNI_BELL_ATTACH : UNI_BELL_DETACH,
					.number = (uint64_t)uni_clock_now_ns() };
	char text[2 * sizeof(order) + 1];

	if (uni_volume_identify(path, &order.mount, err) != 0)
		return err->code;
	if (read_only)
		order.mount.flags |= UNI_MOUNT_READ_ONLY;
	if (mount != NULL && (mount[0] != '/' || strlen(mount) >= sizeof(order.path)))
		return uni_err_set(err, UNI_E_USAGE,
				   "\"%s\" is not an absolute path of at most %zu bytes", mount,
				   sizeof(order.path) - 1);
	strcpy(order.path, mount != NULL ? mount : "");
	uni_bell_seal(&order);
	uni_hex(&order, sizeof(order), text);
	uni_buf_puts(digits, text);
	return 0;
}

int uni_volume_unplug(const char *volume, const char *place, int timeout_ms, struct uni_err *err)
{
	UNI_AUTO(uni_detached) struct uni_detached *machine = NULL;

	if (open_machine(place, &machine, err) != 0)
		return err->code;
	return uni_detached_unplug(machine, volume, timeout_ms, err);
}
