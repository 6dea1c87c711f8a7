/*
 * uni ps: the machines that `uni run --detach` left running.
 */
#include <time.h>

#include <uni/base/json.h>
#include <uni/base/system.h>

#include "commands.h"
#include "ec2_machines.h"
#include "list.h"
#include "machines.h"

static const struct cli_option options[] = {
	{ "all", 'a', NULL, "those that have ended too" },
	CLI_EC2_PROFILE,
	{ 0 },
};

int cli_machine_status(const struct uni_detached *machine, struct uni_buf *text)
{
	if (machine->result.has_record)
		return uni_vm_status(&machine->result, text);
	uni_buf_clear(text);
	uni_buf_puts(text, "the machine was cut off");
	return UNI_EXIT_TROUBLE;
}

static void json_forwards(struct uni_buf *out, const struct uni_detached *machine)
{
	for (size_t i = 0; i < machine->forward_count; i++) {
		const struct uni_vm_forward *forward = &machine->forwards[i];

		uni_buf_printf(out, "%s{\"address\": ", i != 0 ? ", " : "");
		uni_json_string(out, forward->address);
		uni_buf_printf(out, ", \"port\": %u, \"guest\": %u, \"protocol\": \"%s\"}",
			       forward->host, forward->guest, forward->udp ? "udp" : "tcp");
	}
}

void cli_machine_json(struct uni_buf *out, const struct uni_detached *machine)
{
	UNI_AUTO_BUF struct uni_buf why = UNI_BUF_INIT;

	uni_buf_puts(out, "{\"name\": ");
	uni_json_string(out, machine->name);
	uni_buf_printf(out, ", \"running\": %s, \"pid\": %ld, \"started\": %lld, \"image\": ",
		       machine->running ? "true" : "false", (long)machine->pid,
		       (long long)machine->started);
	uni_json_string(out, machine->image);
	uni_buf_printf(out, ", \"memory\": %llu, \"processors\": %u, \"folder\": ",
		       (unsigned long long)machine->memory, machine->processors);
	uni_json_string(out, machine->dir);
	uni_buf_puts(out, ", \"ports\": [");
	json_forwards(out, machine);
	uni_buf_putc(out, ']');
	if (!machine->running) {
		uni_buf_printf(out, ", \"status\": %d", cli_machine_status(machine, &why));
		uni_buf_puts(out, ", \"why\": ");
		uni_json_string(out, uni_buf_text(&why));
	}
	uni_buf_putc(out, '}');
}

void cli_machine_introduce(const struct uni_detached *machine)
{
	UNI_AUTO_BUF struct uni_buf why = UNI_BUF_INIT;
	int status;

	if (!machine->running) {
		status = cli_machine_status(machine, &why);
		cli_out("%s has ended already, with status %d%s%s\n", machine->name, status,
			why.size != 0 ? ": " : "", uni_buf_text(&why));
		cli_out("  uni logs %s\n", machine->name);
		return;
	}
	cli_out("%s runs, as process %ld\n", machine->name, (long)machine->pid);
	for (size_t i = 0; i < machine->forward_count; i++) {
		const struct uni_vm_forward *forward = &machine->forwards[i];

		cli_out("  %s:%u leads to its port %u%s\n", forward->address, forward->host,
			forward->guest, forward->udp ? " (udp)" : "");
	}
	cli_out("  uni logs -f %s    uni stop %s\n", machine->name, machine->name);
}

static void add_state(struct uni_buf *out, const struct uni_detached *machine, int64_t now)
{
	UNI_AUTO_BUF struct uni_buf why = UNI_BUF_INIT;
	int64_t up = now > machine->started ? now - machine->started : 0;

	if (!machine->running)
		uni_buf_printf(out, "ended %d", cli_machine_status(machine, &why));
	else if (up < 120)
		uni_buf_printf(out, "up %lld s", (long long)up);
	else if (up < 7200)
		uni_buf_printf(out, "up %lld min", (long long)(up / 60));
	else
		uni_buf_printf(out, "up %lld h", (long long)(up / 3600));
}

static void print_line(const struct uni_detached *machine, int64_t now)
{
	UNI_AUTO_BUF struct uni_buf state = UNI_BUF_INIT;

	add_state(&state, machine, now);
	cli_out("%-16s  %-12s  %8ld  %6llu MiB  ", machine->name, state.data, (long)machine->pid,
		(unsigned long long)(machine->memory >> 20));
	for (size_t i = 0; machine->running && i < machine->forward_count; i++)
		cli_out("%s:%u->%u%s  ", machine->forwards[i].address, machine->forwards[i].host,
			machine->forwards[i].guest, machine->forwards[i].udp ? "/udp" : "");
	cli_out("%s\n", machine->image);
}

static void print_json(const struct cli *cli, const struct uni_detached_list *machines, bool all)
{
	struct cli_list list CLI_AUTO_LIST = cli_list_new(cli);

	for (size_t i = 0; i < machines->count; i++)
		if (machines->items[i]->running || all)
			cli_machine_json(cli_list_item(&list), machines->items[i]);
	cli_list_print(&list);
}

static int run(struct cli *cli)
{
	UNI_AUTO(uni_detached_list) struct uni_detached_list *list = NULL;
	struct uni_err err = UNI_ERR_INIT;
	bool all = cli_flag(cli, "all");
	int64_t now = uni_clock_now();

	if (cli->arg_count != 0) {
		if (cli_is_ec2(cli->args[0]))
			return cli_ec2_ps(cli);
		uni_err_set(&err, UNI_E_USAGE, "\"%s\" is no place where machines are",
			    cli->args[0]);
		return cli_fail(cli, &err);
	}
	if (uni_detached_list(&list, &err) != 0)
		return cli_fail(cli, &err);
	if (cli->json) {
		print_json(cli, list, all);
		return UNI_EXIT_OK;
	}
	for (size_t i = 0; i < list->count; i++)
		if (list->items[i]->running || all)
			print_line(list->items[i], now);
	return UNI_EXIT_OK;
}

const struct cli_command cli_cmd_ps = {
	.name = "ps",
	.arguments = "[ec2://REGION]",
	.summary = "List the machines that run",
	.text = "Those that \"uni run --detach\" left running: name, state, process, memory, ports "
		"and image.\n"
		"Ended ones stay known (--all) until their name is used again; the last 16 are "
		"kept. With ec2://REGION those that uni started there.",
	.options = options,
	.most = 1,
	.run = run,
};
