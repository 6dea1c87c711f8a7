/*
 * Disks that are plugged into a running machine, and out of it again. The emulator gets the disk
 * first, then the machine's kernel is told to look and to mount; on the way back the kernel
 * unmounts and switches the port off, at which the emulator takes the device away.
 */
#include <string.h>

#include <uni/base/json.h>
#include <uni/base/mem.h>
#include <uni/base/path.h>
#include <uni/base/system.h>

#include "detached_internal.h"
#include "qmp.h"
#include "vm_internal.h"

#define ANSWER_MS 5000
#define GONE_MS 5000
#define EBUSY_THERE 16 /* errno as Linux counts, in a reply */
#define ENOENT_THERE 2

static char *device_of(unsigned port)
{
	return uni_asprintf("plug%u", port);
}

static int open_control(const struct uni_detached *machine, struct uni_qmp **qmp,
			struct uni_err *err)
{
	UNI_AUTO_FREE char *path = uni_path_join(machine->dir, VM_CONTROL);

	return uni_qmp_open(qmp, path, ANSWER_MS, err);
}

/* --- the emulator's side --- */

static int add_node(struct uni_qmp *qmp, const char *device, const char *path, bool read_only,
		    struct uni_err *err)
{
	UNI_AUTO_BUF struct uni_buf text = UNI_BUF_INIT;

	uni_buf_printf(&text,
		       "{\"driver\": \"raw\", \"node-name\": \"%s\", \"read-only\": %s, "
		       "\"discard\": \"unmap\", \"file\": {\"driver\": \"file\", "
		       "\"locking\": \"%s\", \"filename\": ",
		       device, read_only ? "true" : "false", read_only ? "off" : "auto");
	uni_json_string(&text, path);
	uni_buf_puts(&text, "}}");
	return uni_qmp_command_with(qmp, "blockdev-add", text.data, ANSWER_MS, NULL, err);
}

static int remove_node(struct uni_qmp *qmp, const char *device, struct uni_err *err)
{
	UNI_AUTO_FREE char *text = uni_asprintf("{\"node-name\": \"%s\"}", device);

	return uni_qmp_command_with(qmp, "blockdev-del", text, ANSWER_MS, NULL, err);
}

static int add_device(struct uni_qmp *qmp, const char *device, unsigned port, struct uni_err *err)
{
	UNI_AUTO_FREE char *text = uni_asprintf("{\"driver\": \"virtio-blk-pci\", \"id\": "
						"\"%s\", \"drive\": \"%s\", \"bus\": "
						"\"" VM_PORT "%u\"}",
						device, device, port);
	struct uni_err ignored = UNI_ERR_INIT;

	if (uni_qmp_command_with(qmp, "device_add", text, ANSWER_MS, NULL, err) != 0)
		(void)remove_node(qmp, device, &ignored);
	return err->code;
}

/* The device goes by itself when the machine has switched its port off; its node only then. */
static int await_gone(struct uni_qmp *qmp, const char *device, struct uni_err *err)
{
	uint64_t limit = uni_clock_mono_ns() + GONE_MS * UINT64_C(1000000);

	while (remove_node(qmp, device, err) != 0) {
		if (err->code != UNI_E_INVAL || uni_clock_mono_ns() >= limit)
			return err->code;
		uni_err_clear(err);
		if (uni_wait_ms(2, err) != 0)
			return err->code;
	}
	return 0;
}

/* --- the record --- */

static int free_port(const struct uni_detached *machine, unsigned *port, struct uni_err *err)
{
	for (*port = 0; *port < machine->ports; (*port)++) {
		bool taken = false;

		for (size_t i = 0; i < machine->plug_count; i++)
			taken |= machine->plugs[i].port == *port;
		if (!taken)
			return 0;
	}
	if (machine->ports != 0)
		return uni_err_set(err, UNI_E_LIMIT, "all %u ports of machine \"%s\" are taken",
				   machine->ports, machine->name);
	uni_err_set(err, UNI_E_UNSUPPORTED, "machine \"%s\" has no ports for disks", machine->name);
	return uni_err_hint(err, "start it with --machine q35");
}

static unsigned free_index(const struct uni_detached *machine)
{
	unsigned index = 0;

	for (size_t i = 0; i < machine->volume_count;)
		if (machine->volumes[i].index == index) {
			index++;
			i = 0;
		} else {
			i++;
		}
	return index;
}

static void record_plug(struct uni_detached *machine, unsigned port, const char *path,
			const char *name, const struct uni_bell_order *order)
{
	const struct uni_config_mount *wire = &order->mount;
	struct uni_detached_plug *plug;

	machine->plugs =
		uni_realloc_array(machine->plugs, machine->plug_count + 1, sizeof(*machine->plugs));
	plug = &machine->plugs[machine->plug_count++];
	*plug = (struct uni_detached_plug){ .port = port,
					    .name = uni_strdup(name),
					    .path = uni_strdup(path),
					    .mount = uni_strdup(order->path) };
	memcpy(plug->uuid, wire->uuid, sizeof(plug->uuid));
	if (wire->fs == UNI_FS_LIVE) {
		machine->volumes = uni_realloc_array(machine->volumes, machine->volume_count + 1,
						     sizeof(*machine->volumes));
		machine->volumes[machine->volume_count++] =
			(struct uni_vm_volume){ uni_strdup(name), uni_strdup(path), order->index };
	} else if ((wire->flags & UNI_MOUNT_READ_ONLY) == 0) {
		machine->disks = uni_realloc_array(machine->disks, machine->disk_count + 1,
						   sizeof(*machine->disks));
		machine->disks[machine->disk_count++] =
			(struct uni_detached_disk){ uni_strdup(name), uni_strdup(path),
						    device_of(port) };
	}
}

static void forget_plug(struct uni_detached *machine, size_t at)
{
	struct uni_detached_plug *plug = &machine->plugs[at];
	UNI_AUTO_FREE char *device = device_of(plug->port);

	for (size_t i = 0; i < machine->volume_count; i++)
		if (uni_str_eq(machine->volumes[i].path, plug->path) &&
		    uni_str_eq(machine->volumes[i].name, plug->name)) {
			free(machine->volumes[i].name);
			free(machine->volumes[i].path);
			machine->volumes[i] = machine->volumes[--machine->volume_count];
			break;
		}
	for (size_t i = 0; i < machine->disk_count; i++)
		if (uni_str_eq(machine->disks[i].device, device)) {
			vm_detached_disk_clear(&machine->disks[i]);
			machine->disks[i] = machine->disks[--machine->disk_count];
			break;
		}
	vm_detached_plug_clear(plug);
	machine->plugs[at] = machine->plugs[--machine->plug_count];
}

/* --- both sides --- */

/* The record is read again under the lock: others may have changed it. */
static int begin(struct uni_detached *machine, int *lock, struct uni_err *err)
{
	struct uni_detached *fresh = NULL;

	if (vm_detached_lock(machine, lock, err) != 0 ||
	    uni_detached_open(&fresh, machine->name, err) != 0)
		return err->code;
	if (fresh->running) {
		const struct uni_detached old = *machine;

		*machine = *fresh;
		*fresh = old;
	} else {
		uni_err_set(err, UNI_E_NOENT, "machine \"%s\" does not run", machine->name);
	}
	uni_detached_free(fresh);
	return err->code;
}

static int prepare_attach(struct uni_bell_order *order, const struct uni_config_mount *wire,
			  const char *mount, struct uni_err *err)
{
	if (strlen(mount) >= sizeof(order->path) || mount[0] != '/')
		return uni_err_set(err, UNI_E_USAGE,
				   "\"%s\" is not an absolute path of at most %zu bytes", mount,
				   sizeof(order->path) - 1);
	*order = (struct uni_bell_order){ .kind = UNI_BELL_ATTACH, .mount = *wire };
	strcpy(order->path, mount);
	order->mount.path_size = (uint32_t)strlen(mount);
	return 0;
}

static int tell_attach(const struct uni_detached *machine, struct uni_bell_order *order,
		       int timeout_ms, struct uni_err *err)
{
	struct uni_bell_reply reply;

	if (vm_detached_order(machine, order, timeout_ms, &reply, err) != 0)
		return err->code;
	if (reply.error != 0)
		return uni_err_set(err, UNI_E_INVAL, "machine \"%s\": volume %s: %s", machine->name,
				   order->path, reply.text);
	return 0;
}

int uni_detached_plug(struct uni_detached *machine, const char *path, const char *name,
		      const struct uni_config_mount *wire, const char *mount, int timeout_ms,
		      struct uni_err *err)
{
	UNI_AUTO_FREE char *full = uni_path_absolute(path);
	UNI_AUTO(uni_qmp) struct uni_qmp *qmp = NULL;
	UNI_AUTO_FREE char *device = NULL;
	UNI_AUTO_CLOSE int lock = -1;
	struct uni_err ignored = UNI_ERR_INIT;
	struct uni_bell_order order;
	unsigned port = 0;
	int told, kept;

	if (prepare_attach(&order, wire, mount, err) != 0 || begin(machine, &lock, err) != 0 ||
	    free_port(machine, &port, err) != 0)
		return err->code;
	order.index = free_index(machine);
	device = device_of(port);
	if (open_control(machine, &qmp, err) != 0 ||
	    add_node(qmp, device, full, (wire->flags & UNI_MOUNT_READ_ONLY) != 0, err) != 0 ||
	    add_device(qmp, device, port, err) != 0)
		return err->code;
	/* The machine's orders need the control socket as well. */
	uni_qmp_free(qmp);
	qmp = NULL;
	told = tell_attach(machine, &order, timeout_ms, err);
	if (told != 0 && told != UNI_E_TIMEOUT) {
		if (open_control(machine, &qmp, &ignored) == 0)
			(void)await_gone(qmp, device, &ignored);
		return told;
	}
	record_plug(machine, port, full, name, &order);
	kept = vm_detached_write(machine, told != 0 ? &ignored : err);
	return told != 0 ? told : kept;
}

static int find_plug(const struct uni_detached *machine, const char *volume, size_t *at,
		     struct uni_err *err)
{
	UNI_AUTO_FREE char *full = uni_path_absolute(volume);

	for (*at = 0; *at < machine->plug_count; (*at)++)
		if (uni_str_eq(machine->plugs[*at].name, volume) ||
		    uni_str_eq(machine->plugs[*at].path, full))
			return 0;
	return uni_err_set(err, UNI_E_NOENT, "no volume \"%s\" was attached to machine \"%s\"",
			   volume, machine->name);
}

static int tell_detach(const struct uni_detached *machine, const struct uni_detached_plug *plug,
		       int timeout_ms, struct uni_err *err)
{
	struct uni_bell_order order = { .kind = UNI_BELL_DETACH };
	struct uni_bell_reply reply;

	memcpy(order.mount.uuid, plug->uuid, sizeof(order.mount.uuid));
	if (vm_detached_order(machine, &order, timeout_ms, &reply, err) != 0)
		return err->code;
	if (reply.error == EBUSY_THERE)
		return uni_err_set(err, UNI_E_BUSY, "machine \"%s\": volume %s is in use: %s",
				   machine->name, plug->mount, reply.text);
	if (reply.error != 0 && reply.error != ENOENT_THERE)
		return uni_err_set(err, UNI_E_INVAL, "machine \"%s\": volume %s: %s", machine->name,
				   plug->mount, reply.text);
	return 0;
}

int uni_detached_unplug(struct uni_detached *machine, const char *volume, int timeout_ms,
			struct uni_err *err)
{
	UNI_AUTO(uni_qmp) struct uni_qmp *qmp = NULL;
	UNI_AUTO_FREE char *device = NULL;
	UNI_AUTO_CLOSE int lock = -1;
	size_t at = 0;

	if (begin(machine, &lock, err) != 0 || find_plug(machine, volume, &at, err) != 0 ||
	    tell_detach(machine, &machine->plugs[at], timeout_ms, err) != 0)
		return err->code;
	device = device_of(machine->plugs[at].port);
	if (open_control(machine, &qmp, err) != 0 || await_gone(qmp, device, err) != 0)
		return err->code;
	forget_plug(machine, at);
	return vm_detached_write(machine, err);
}
