/*
 * The graph and its keys.
 */
#include "internal.h"

#include <string.h>

static const char *const ops[] = {
	[UNI_OP_COMPILE] = "compile", [UNI_OP_LINK] = "link",	  [UNI_OP_ROOT] = "root",
	[UNI_OP_VOLUME] = "volume",   [UNI_OP_KERNEL] = "kernel", [UNI_OP_BOX] = "box",
	[UNI_OP_ESP] = "esp",	      [UNI_OP_DISK] = "disk",	  [UNI_OP_MANIFEST] = "manifest",
	[UNI_OP_MACHINE] = "machine",
};

const char *uni_step_op_name(enum uni_step_op op)
{
	return ops[op];
}

/* Forms of disks hold the same partitions, which are read and packed once. */
bool uni_step_op_shares(enum uni_step_op op)
{
	return op == UNI_OP_DISK;
}

void uni_plan_free(struct uni_plan *plan)
{
	if (plan == NULL)
		return;
	for (size_t i = 0; i < plan->count; i++) {
		free(plan->steps[i].inputs);
		free(plan->steps[i].tools);
	}
	free(plan->steps);
	uni_strv_free(&plan->texts);
	free(plan);
}

size_t uni_plan_count(const struct uni_plan *plan)
{
	return plan->count;
}

const struct uni_step *uni_plan_step(const struct uni_plan *plan, size_t index)
{
	return &plan->steps[index].step;
}

int uni_plan_find(const struct uni_plan *plan, const char *id)
{
	for (size_t i = 0; i < plan->count; i++)
		if (strcmp(plan->steps[i].step.id, id) == 0)
			return (int)i;
	return -1;
}

const char *plan_text(struct uni_plan *plan, const char *text)
{
	if (text == NULL)
		return NULL;
	uni_strv_add(&plan->texts, text);
	return plan->texts.items[plan->texts.count - 1];
}

void plan_add(struct uni_plan *plan, enum uni_step_op op, const char *id, unsigned version)
{
	UNI_PUSH_ROOM(plan->steps, plan->count, plan->room);
	plan->steps[plan->count++] = (struct plan_step){
		.step = { .id = plan_text(plan, id),
			  .op = op,
			  .version = version,
			  .options = "",
			  .state = UNI_STEP_UNKNOWN },
	};
}

static struct plan_step *last(struct uni_plan *plan)
{
	return &plan->steps[plan->count - 1];
}

void plan_options(struct uni_plan *plan, struct uni_buf *text)
{
	last(plan)->step.options = plan_text(plan, uni_buf_text(text));
	uni_buf_free(text);
}

static void add_input(struct uni_plan *plan, const struct uni_step_input *input)
{
	struct plan_step *s = last(plan);

	UNI_PUSH_ROOM(s->inputs, s->step.input_count, s->input_room);
	s->inputs[s->step.input_count++] = *input;
	s->step.inputs = s->inputs;
}

void plan_source(struct uni_plan *plan, const char *name, const struct uni_plan_source *source)
{
	add_input(plan, &(struct uni_step_input){
				.name = plan_text(plan, name),
				.step = -1,
				.digest = source->digest,
				.cold = source->cold,
				.path = plan_text(plan, source->name),
			});
}

void plan_use(struct uni_plan *plan, const char *name, int producer, const char *output)
{
	add_input(plan, &(struct uni_step_input){
				.name = plan_text(plan, name),
				.step = producer,
				.output = plan_text(plan, output),
			});
}

void plan_tools(struct uni_plan *plan, const struct uni_plan_tools *tools)
{
	struct plan_step *s = last(plan);

	s->tools = uni_alloc_array(tools->count + 1, sizeof(*s->tools));
	for (size_t i = 0; i < tools->count; i++) {
		s->tools[i] = tools->items[i];
		s->tools[i].name = plan_text(plan, tools->items[i].name);
	}
	s->step.tools = s->tools;
	s->step.tool_count = tools->count;
}

/* Whether all that the key is made of is known, here and in producing steps. */
static bool settled(const struct uni_plan *plan, const struct uni_step *step)
{
	for (size_t i = 0; i < step->input_count; i++) {
		const struct uni_step_input *input = &step->inputs[i];

		if (input->step < 0 ? input->cold : !plan->steps[input->step].step.has_key)
			return false;
	}
	return true;
}

static void hash_head(struct uni_hash *hash, const char *domain, const struct uni_step *step)
{
	uni_hash_start(hash);
	uni_hash_add_text(hash, domain);
	uni_hash_add_text(hash, ops[step->op]);
	uni_hash_add_u64(hash, step->version);
	uni_hash_add_text(hash, step->options);
	uni_hash_add_u64(hash, step->tool_count);
	for (size_t i = 0; i < step->tool_count; i++) {
		uni_hash_add_text(hash, step->tools[i].name);
		uni_hash_add(hash, step->tools[i].digest.bytes, 32);
	}
	uni_hash_add_u64(hash, step->input_count);
}

static void compute_key(const struct uni_plan *plan, struct uni_step *step)
{
	struct uni_hash hash;

	step->has_key = settled(plan, step);
	if (!step->has_key)
		return;
	hash_head(&hash, "uni step 1", step);
	for (size_t i = 0; i < step->input_count; i++) {
		const struct uni_step_input *input = &step->inputs[i];

		uni_hash_add_text(&hash, input->name);
		uni_hash_add_text(&hash, input->output);
		uni_hash_add(&hash,
			     input->step < 0 ? input->digest.bytes
					     : plan->steps[input->step].step.key.bytes,
			     32);
	}
	step->key = uni_hash_end(&hash);
}

struct uni_digest uni_step_output_key(const struct uni_step *step, const struct uni_digest *outputs)
{
	struct uni_hash hash;

	hash_head(&hash, "uni step by outputs 1", step);
	for (size_t i = 0; i < step->input_count; i++) {
		uni_hash_add_text(&hash, step->inputs[i].name);
		uni_hash_add(&hash,
			     step->inputs[i].step < 0 ? step->inputs[i].digest.bytes
						      : outputs[i].bytes,
			     32);
	}
	return uni_hash_end(&hash);
}

int plan_close(struct uni_plan *plan)
{
	compute_key(plan, &last(plan)->step);
	return (int)(plan->count - 1);
}

void uni_plan_settle(struct uni_plan *plan, size_t step, size_t input,
		     const struct uni_digest *digest)
{
	plan->steps[step].inputs[input].digest = *digest;
	plan->steps[step].inputs[input].cold = false;
	for (size_t i = step; i < plan->count; i++)
		if (!plan->steps[i].step.has_key)
			compute_key(plan, &plan->steps[i].step);
}

void uni_plan_set_state(struct uni_plan *plan, size_t step, enum uni_step_state state)
{
	plan->steps[step].step.state = state;
}
