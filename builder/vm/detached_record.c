/*
 * What is remembered of a detached machine, as machine.json in its folder, and whether its process
 * is still the one that was started.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include <uni/base/file.h>
#include <uni/base/json.h>
#include <uni/base/path.h>

#include "detached_internal.h"
#include "vm_internal.h"

#define RECORD "machine.json"
#define RECORD_MAX (1u << 20)
#define RECORD_VERSION 1
#define BOOT_ID "/proc/sys/kernel/random/boot_id"

static void read_line(const char *path, char *line, size_t room)
{
	FILE *file = fopen(path, "re");

	line[0] = '\0';
	if (file == NULL)
		return;
	if (fgets(line, (int)room, file) == NULL)
		line[0] = '\0';
	line[strcspn(line, "\n")] = '\0';
	(void)fclose(file);
}

/* proc(5), /proc/PID/stat: field 22. The second is a name in parentheses with anything in it. */
static bool start_ticks(pid_t pid, uint64_t *ticks)
{
	UNI_AUTO_FREE char *path = uni_asprintf("/proc/%ld/stat", (long)pid);
	char line[1024], *at, *rest = NULL;

	read_line(path, line, sizeof(line));
	at = strrchr(line, ')');
	for (int field = 2; at != NULL && field < 22; field++)
		at = strchr(at + 1, ' ');
	if (at == NULL)
		return false;
	at = strtok_r(at, " ", &rest);
	return at != NULL && uni_str_u64(at, ticks);
}

static char *boot_identity(void)
{
	char line[128];

	read_line(BOOT_ID, line, sizeof(line));
	return uni_strdup(line);
}

int vm_detached_identify(struct uni_detached *machine, struct uni_err *err)
{
	free(machine->boot);
	machine->boot = boot_identity();
	if (!start_ticks(machine->pid, &machine->ticks))
		return uni_err_set(err, UNI_E_IO, "/proc tells nothing about process %ld",
				   (long)machine->pid);
	return 0;
}

int vm_detached_process(const struct uni_detached *machine)
{
	UNI_AUTO_FREE char *boot = boot_identity();
	UNI_AUTO_CLOSE int fd = -1;
	struct pollfd end = { .events = POLLIN };
	uint64_t ticks = 0;
	int found;

	if (!uni_str_eq(boot, machine->boot))
		return -1;
	/* In this order: a number that changes hands in between shows another start. */
	fd = pidfd_open(machine->pid, 0);
	end.fd = fd;
	if (fd < 0 || !start_ticks(machine->pid, &ticks) || ticks != machine->ticks ||
	    poll(&end, 1, 0) != 0)
		return -1;
	found = fd;
	fd = -1;
	return found;
}

static void write_forwards(const struct uni_detached *machine, struct uni_buf *text)
{
	for (size_t i = 0; i < machine->forward_count; i++) {
		const struct uni_vm_forward *forward = &machine->forwards[i];

		uni_buf_printf(text, "%s\n    {\"udp\": %s, \"address\": ", i != 0 ? "," : "",
			       forward->udp ? "true" : "false");
		uni_json_string(text, forward->address);
		uni_buf_printf(text, ", \"host\": %u, \"guest\": %u}", forward->host,
			       forward->guest);
	}
}

static void write_volumes(const struct uni_detached *machine, struct uni_buf *text)
{
	for (size_t i = 0; i < machine->volume_count; i++) {
		uni_buf_puts(text, i != 0 ? ",\n    {\"name\": " : "\n    {\"name\": ");
		uni_json_string(text, machine->volumes[i].name);
		uni_buf_puts(text, ", \"path\": ");
		uni_json_string(text, machine->volumes[i].path);
		uni_buf_printf(text, ", \"index\": %u}", machine->volumes[i].index);
	}
}

static void write_disks(const struct uni_detached *machine, struct uni_buf *text)
{
	for (size_t i = 0; i < machine->disk_count; i++) {
		uni_buf_puts(text, i != 0 ? ",\n    {\"name\": " : "\n    {\"name\": ");
		uni_json_string(text, machine->disks[i].name);
		uni_buf_puts(text, ", \"path\": ");
		uni_json_string(text, machine->disks[i].path);
		uni_buf_puts(text, ", \"device\": ");
		uni_json_string(text, machine->disks[i].device);
		uni_buf_putc(text, '}');
	}
}

static void write_plugs(const struct uni_detached *machine, struct uni_buf *text)
{
	for (size_t i = 0; i < machine->plug_count; i++) {
		const struct uni_detached_plug *plug = &machine->plugs[i];
		char uuid[2 * sizeof(plug->uuid) + 1];

		uni_hex(plug->uuid, sizeof(plug->uuid), uuid);
		uni_buf_printf(text, "%s\n    {\"port\": %u, \"uuid\": \"%s\", \"name\": ",
			       i != 0 ? "," : "", plug->port, uuid);
		uni_json_string(text, plug->name);
		uni_buf_puts(text, ", \"path\": ");
		uni_json_string(text, plug->path);
		uni_buf_puts(text, ", \"mount\": ");
		uni_json_string(text, plug->mount);
		uni_buf_putc(text, '}');
	}
}

int vm_detached_write(const struct uni_detached *machine, struct uni_err *err)
{
	UNI_AUTO_FREE char *path = uni_path_join(machine->dir, RECORD);
	UNI_AUTO_BUF struct uni_buf text = UNI_BUF_INIT;

	uni_buf_printf(&text, "{\n  \"version\": %d,\n  \"image\": ", RECORD_VERSION);
	uni_json_string(&text, machine->image);
	uni_buf_puts(&text, ",\n  \"boot\": ");
	uni_json_string(&text, machine->boot);
	uni_buf_printf(&text,
		       ",\n  \"pid\": %ld,\n  \"ticks\": %llu,\n  \"started\": %lld,\n"
		       "  \"memory\": %llu,\n  \"processors\": %u,\n  \"forwards\": [",
		       (long)machine->pid, (unsigned long long)machine->ticks,
		       (long long)machine->started, (unsigned long long)machine->memory,
		       machine->processors);
	write_forwards(machine, &text);
	uni_buf_puts(&text, "],\n  \"volumes\": [");
	write_volumes(machine, &text);
	uni_buf_puts(&text, "],\n  \"disks\": [");
	write_disks(machine, &text);
	uni_buf_printf(&text, "],\n  \"ports\": %u,\n  \"plugs\": [", machine->ports);
	write_plugs(machine, &text);
	uni_buf_puts(&text, "]\n}\n");
	return uni_file_write(path, text.data, text.size, 0600, err);
}

static bool get_u64(const struct uni_json *from, const char *key, uint64_t most, uint64_t *value)
{
	return uni_json_u64(uni_json_get(from, key), value) && *value <= most;
}

static bool take_forward(const struct uni_json *from, struct uni_vm_forward *forward)
{
	const char *address = uni_json_text(uni_json_get(from, "address"));
	uint64_t host, guest;

	if (address == NULL || strlen(address) >= sizeof(forward->address) ||
	    !get_u64(from, "host", UINT16_MAX, &host) ||
	    !get_u64(from, "guest", UINT16_MAX, &guest) ||
	    !uni_json_bool(uni_json_get(from, "udp"), &forward->udp))
		return false;
	strcpy(forward->address, address);
	forward->host = (uint16_t)host;
	forward->guest = (uint16_t)guest;
	return true;
}

/* Machines from before there were live volumes have none. */
static bool take_volumes(const struct uni_json *from, struct uni_detached *machine)
{
	size_t count = uni_json_count(from);

	if (count > UNI_BELL_MOUNTS_MAX)
		return false;
	machine->volumes = uni_alloc_array(count + 1, sizeof(*machine->volumes));
	for (; machine->volume_count < count; machine->volume_count++) {
		const struct uni_json *item = uni_json_item(from, machine->volume_count);
		const char *name = uni_json_text(uni_json_get(item, "name"));
		const char *path = uni_json_text(uni_json_get(item, "path"));

		uint64_t index = machine->volume_count;

		if (name == NULL || path == NULL ||
		    (uni_json_get(item, "index") != NULL &&
		     !get_u64(item, "index", UNI_BELL_MOUNTS_MAX, &index)))
			return false;
		machine->volumes[machine->volume_count] =
			(struct uni_vm_volume){ uni_strdup(name), uni_strdup(path),
						(unsigned)index };
	}
	return true;
}

static bool take_disks(const struct uni_json *from, struct uni_detached *machine)
{
	size_t count = uni_json_count(from);

	if (count > UNI_DETACHED_DISKS_MAX)
		return false;
	machine->disks = uni_alloc_array(count + 1, sizeof(*machine->disks));
	for (; machine->disk_count < count; machine->disk_count++) {
		const struct uni_json *item = uni_json_item(from, machine->disk_count);
		const char *name = uni_json_text(uni_json_get(item, "name"));
		const char *path = uni_json_text(uni_json_get(item, "path"));
		const char *device = uni_json_text(uni_json_get(item, "device"));

		if (name == NULL || path == NULL || device == NULL)
			return false;
		machine->disks[machine->disk_count] =
			(struct uni_detached_disk){ uni_strdup(name), uni_strdup(path),
						    uni_strdup(device) };
	}
	return true;
}

static bool take_plug(const struct uni_json *from, struct uni_detached_plug *plug)
{
	const char *name = uni_json_text(uni_json_get(from, "name"));
	const char *path = uni_json_text(uni_json_get(from, "path"));
	const char *mount = uni_json_text(uni_json_get(from, "mount"));
	const char *uuid = uni_json_text(uni_json_get(from, "uuid"));
	uint64_t port;

	if (name == NULL || path == NULL || mount == NULL || uuid == NULL ||
	    !get_u64(from, "port", VM_PORTS - 1, &port) ||
	    !uni_unhex(uuid, plug->uuid, sizeof(plug->uuid)))
		return false;
	plug->port = (unsigned)port;
	plug->name = uni_strdup(name);
	plug->path = uni_strdup(path);
	plug->mount = uni_strdup(mount);
	return true;
}

static bool take_plugs(const struct uni_json *from, struct uni_detached *machine)
{
	const struct uni_json *plugs = uni_json_get(from, "plugs");
	size_t count = uni_json_count(plugs);
	uint64_t ports = 0;

	if (count > VM_PORTS ||
	    (uni_json_get(from, "ports") != NULL && !get_u64(from, "ports", VM_PORTS, &ports)))
		return false;
	machine->ports = (unsigned)ports;
	machine->plugs = uni_alloc_array(count + 1, sizeof(*machine->plugs));
	for (; machine->plug_count < count; machine->plug_count++)
		if (!take_plug(uni_json_item(plugs, machine->plug_count),
			       &machine->plugs[machine->plug_count]))
			return false;
	return true;
}

static bool take_record(const struct uni_json *from, struct uni_detached *machine)
{
	const struct uni_json *forwards = uni_json_get(from, "forwards");
	const char *image = uni_json_text(uni_json_get(from, "image"));
	const char *boot = uni_json_text(uni_json_get(from, "boot"));
	size_t count = uni_json_count(forwards);
	uint64_t version, pid, started, processors;

	if (!get_u64(from, "version", RECORD_VERSION, &version) || version != RECORD_VERSION ||
	    image == NULL || boot == NULL || !get_u64(from, "pid", INT32_MAX, &pid) || pid == 0 ||
	    !get_u64(from, "ticks", UINT64_MAX, &machine->ticks) ||
	    !get_u64(from, "started", INT64_MAX, &started) ||
	    !get_u64(from, "memory", UINT64_MAX, &machine->memory) ||
	    !get_u64(from, "processors", UINT32_MAX, &processors) || !uni_json_is_array(forwards) ||
	    count > UNI_DETACHED_FORWARDS_MAX)
		return false;
	machine->image = uni_strdup(image);
	machine->boot = uni_strdup(boot);
	machine->pid = (pid_t)pid;
	machine->started = (int64_t)started;
	machine->processors = (unsigned)processors;
	machine->forwards = uni_alloc_array(count + 1, sizeof(*machine->forwards));
	for (; machine->forward_count < count; machine->forward_count++)
		if (!take_forward(uni_json_item(forwards, machine->forward_count),
				  &machine->forwards[machine->forward_count]))
			return false;
	return take_volumes(uni_json_get(from, "volumes"), machine) &&
	       take_disks(uni_json_get(from, "disks"), machine) && take_plugs(from, machine);
}

int vm_detached_read(struct uni_detached **machine, const char *dir, const char *name,
		     struct uni_err *err)
{
	UNI_AUTO_FREE char *path = uni_path_join(dir, RECORD);
	UNI_AUTO_FREE char *record = uni_path_join(dir, VM_EXIT);
	UNI_AUTO_BUF struct uni_buf text = UNI_BUF_INIT;
	UNI_AUTO(uni_json) struct uni_json *document = NULL;
	UNI_AUTO(uni_detached) struct uni_detached *made = NULL;
	UNI_AUTO_CLOSE int process = -1;

	if (uni_file_read(path, RECORD_MAX, &text, err) != 0 ||
	    uni_json_parse(&document, path, text.data, text.size, err) != 0)
		return err->code;
	made = uni_alloc(sizeof(*made));
	made->name = uni_strdup(name);
	made->dir = uni_strdup(dir);
	if (!take_record(document, made))
		return uni_err_set(err, UNI_E_PARSE, "%s: is not the record of a machine", path);
	process = vm_detached_process(made);
	made->running = process >= 0;
	if (!made->running)
		vm_record_read(record, &made->result);
	*machine = made;
	made = NULL;
	return 0;
}
