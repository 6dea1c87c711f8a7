/*
 * Plans for people, programs and Graphviz.
 */
#include "internal.h"

#include <stdio.h>
#include <string.h>
#include <uni/base/json.h>

static const char *const states[] = {
	[UNI_STEP_WOULD_RUN] = "run", [UNI_STEP_CACHED] = "cached", [UNI_STEP_UNKNOWN] = "unknown"
};

/* Enough of a key to tell it from others on a screen. */
static void short_key(const struct uni_step *step, char out[UNI_DIGEST_TEXT])
{
	uni_digest_text(&step->key, out);
	out[strlen("sha256:") + 16] = '\0';
	if (!step->has_key)
		strcpy(out, "-");
}

/* The steps that would run in one pass, in order; fewer than two share nothing. */
static size_t find_pass(const struct uni_plan *plan, const struct uni_step **steps)
{
	size_t count = 0;

	for (size_t i = 0; i < plan->count; i++)
		if (uni_step_op_shares(plan->steps[i].step.op) &&
		    plan->steps[i].step.state != UNI_STEP_CACHED)
			steps[count++] = &plan->steps[i].step;
	return count > 1 ? count : 0;
}

static const struct uni_step **room_for_pass(const struct uni_plan *plan)
{
	return uni_alloc_array(plan->count + 1, sizeof(const struct uni_step *));
}

static void text_pass(const struct uni_plan *plan, struct uni_buf *out)
{
	const struct uni_step **steps UNI_AUTO_FREE = room_for_pass(plan);
	size_t count = find_pass(plan, steps);

	for (size_t i = 0; i < count; i++)
		uni_buf_printf(out, "%s%s", i == 0 ? "in one pass: " : " ", steps[i]->id);
	uni_buf_puts(out, count != 0 ? "\n" : "");
}

void uni_plan_text(const struct uni_plan *plan, struct uni_buf *out)
{
	size_t cached = 0;
	int width = 0;

	for (size_t i = 0; i < plan->count; i++) {
		int size = (int)strlen(plan->steps[i].step.id);

		width = size > width ? size : width;
	}
	for (size_t i = 0; i < plan->count; i++) {
		const struct uni_step *step = &plan->steps[i].step;
		char key[UNI_DIGEST_TEXT];

		short_key(step, key);
		uni_buf_printf(out, "%-8s%-*s  %s", states[step->state], width, step->id, key);
		for (size_t j = 0; j < step->input_count && step->op != UNI_OP_MANIFEST; j++)
			if (step->inputs[j].step >= 0)
				uni_buf_printf(out, "%s%s", j == 0 ? "  <- " : " ",
					       plan->steps[step->inputs[j].step].step.id);
			else if (step->inputs[j].path != NULL)
				uni_buf_printf(out, "%s%s", j == 0 ? "  <- " : " ",
					       step->inputs[j].path);
		uni_buf_putc(out, '\n');
		cached += step->state == UNI_STEP_CACHED;
	}
	text_pass(plan, out);
	uni_buf_printf(out, "%zu steps, %zu cached\n", plan->count, cached);
}

static void json_digest(struct uni_buf *out, const char *key, const struct uni_digest *digest)
{
	char text[UNI_DIGEST_TEXT];

	uni_digest_text(digest, text);
	uni_buf_printf(out, "\"%s\": \"%s\"", key, text);
}

static void json_input(const struct uni_plan *plan, const struct uni_step_input *input,
		       struct uni_buf *out)
{
	uni_buf_puts(out, "{\"name\": ");
	uni_json_string(out, input->name);
	uni_buf_puts(out, ", ");
	if (input->step >= 0) {
		uni_buf_puts(out, "\"step\": ");
		uni_json_string(out, plan->steps[input->step].step.id);
	} else {
		uni_buf_puts(out, "\"source\": ");
		uni_json_string(out, input->path);
		if (!input->cold) {
			uni_buf_puts(out, ", ");
			json_digest(out, "digest", &input->digest);
		}
	}
	uni_buf_putc(out, '}');
}

static void json_step(const struct uni_plan *plan, const struct uni_step *step, struct uni_buf *out)
{
	uni_buf_puts(out, "    {\"id\": ");
	uni_json_string(out, step->id);
	uni_buf_printf(out, ", \"operation\": \"%s\", \"version\": %u, \"state\": \"%s\",\n     ",
		       uni_step_op_name(step->op), step->version, states[step->state]);
	if (step->has_key)
		json_digest(out, "key", &step->key);
	else
		uni_buf_puts(out, "\"key\": null");
	uni_buf_puts(out, ",\n     \"options\": ");
	uni_json_string(out, step->options);
	uni_buf_puts(out, ",\n     \"tools\": [");
	for (size_t i = 0; i < step->tool_count; i++) {
		uni_buf_puts(out, i != 0 ? ", {\"name\": " : "{\"name\": ");
		uni_json_string(out, step->tools[i].name);
		uni_buf_puts(out, ", ");
		json_digest(out, "digest", &step->tools[i].digest);
		uni_buf_putc(out, '}');
	}
	uni_buf_puts(out, "],\n     \"inputs\": [");
	for (size_t i = 0; i < step->input_count; i++) {
		uni_buf_puts(out, i != 0 ? ",\n       " : "\n       ");
		json_input(plan, &step->inputs[i], out);
	}
	uni_buf_puts(out, "]}");
}

static void json_pass(const struct uni_plan *plan, struct uni_buf *out)
{
	const struct uni_step **steps UNI_AUTO_FREE = room_for_pass(plan);
	size_t count = find_pass(plan, steps);

	for (size_t i = 0; i < count; i++) {
		uni_buf_puts(out, i == 0 ? "[" : ", ");
		uni_json_string(out, steps[i]->id);
	}
	uni_buf_puts(out, count != 0 ? "]" : "");
}

void uni_plan_json(const struct uni_plan *plan, struct uni_buf *out)
{
	uni_buf_puts(out, "{\n  \"steps\": [\n");
	for (size_t i = 0; i < plan->count; i++) {
		json_step(plan, &plan->steps[i].step, out);
		uni_buf_puts(out, i + 1 < plan->count ? ",\n" : "\n");
	}
	uni_buf_puts(out, "  ],\n  \"passes\": [");
	json_pass(plan, out);
	uni_buf_puts(out, "]\n}\n");
}

static void dot_pass(const struct uni_plan *plan, struct uni_buf *out)
{
	const struct uni_step **steps UNI_AUTO_FREE = room_for_pass(plan);
	size_t count = find_pass(plan, steps);

	if (count == 0)
		return;
	uni_buf_puts(out, "\tsubgraph cluster_pass {\n\t\tlabel=\"one pass\";\n\t\t");
	for (size_t i = 0; i < count; i++)
		uni_buf_printf(out, "s%d;", uni_plan_find(plan, steps[i]->id));
	uni_buf_puts(out, "\n\t}\n");
}

void uni_plan_dot(const struct uni_plan *plan, struct uni_buf *out)
{
	static const char *const colours[] = { [UNI_STEP_WOULD_RUN] = "orange",
					       [UNI_STEP_CACHED] = "palegreen",
					       [UNI_STEP_UNKNOWN] = "lightgrey" };

	uni_buf_puts(out, "digraph plan {\n\trankdir=LR;\n\tnode [shape=box, style=filled];\n");
	for (size_t i = 0; i < plan->count; i++) {
		const struct uni_step *step = &plan->steps[i].step;
		char key[UNI_DIGEST_TEXT];
		struct uni_buf label UNI_AUTO_BUF = UNI_BUF_INIT;

		short_key(step, key);
		uni_buf_printf(&label, "%s\n%s", step->id, key);
		uni_buf_printf(out, "\ts%zu [fillcolor=%s, label=", i, colours[step->state]);
		uni_json_string(out, label.data);
		uni_buf_puts(out, "];\n");
		for (size_t j = 0; j < step->input_count; j++)
			if (step->inputs[j].step >= 0)
				uni_buf_printf(out, "\ts%d -> s%zu;\n", step->inputs[j].step, i);
	}
	dot_pass(plan, out);
	uni_buf_puts(out, "}\n");
}
