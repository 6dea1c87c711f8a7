/*
 * The log of a failed step: kept in the store, under the image's and the step's name, until the
 * same step fails again.
 */
#include "internal.h"

#include <string.h>
#include <uni/base/file.h>
#include <uni/base/path.h>

/* Ids of steps hold names of files; a name of a file holds none. */
static char *log_path(const struct build *b, const struct uni_step *step)
{
	char *dir UNI_AUTO_FREE = uni_store_folder(b->store, "logs");
	char *path = uni_asprintf("%s/%s-%s.log", dir, b->recipe->image.name, step->id);

	for (char *c = path + strlen(dir) + 1; *c != '\0'; c++)
		if (*c == '/' || *c == ':')
			*c = '-';
	return path;
}

static void put_tools(struct uni_buf *out, const struct uni_step *step)
{
	for (size_t i = 0; i < step->tool_count; i++) {
		char digest[UNI_DIGEST_TEXT];

		uni_digest_text(&step->tools[i].digest, digest);
		uni_buf_printf(out, "tool %s %s\n", step->tools[i].name, digest);
	}
}

static void put_inputs(const struct build *b, struct uni_buf *out, const struct uni_step *step)
{
	for (size_t i = 0; i < step->input_count; i++) {
		const struct uni_step_input *input = &step->inputs[i];

		uni_buf_printf(out, "input %s from %s\n", input->name,
			       input->step >= 0 ? uni_plan_step(b->plan, (size_t)input->step)->id
			       : input->path != NULL ? input->path
						     : "");
	}
}

char *log_keep(struct build *b, const struct uni_step *step, const struct uni_buf *messages,
	       const struct uni_err *why)
{
	struct uni_buf out UNI_AUTO_BUF = UNI_BUF_INIT;
	struct uni_err ignored = UNI_ERR_INIT;
	char *path = log_path(b, step);
	char *dir UNI_AUTO_FREE = uni_path_dir(path);

	uni_buf_printf(&out, "step %s of %s failed: %s\n", step->id, b->recipe->path, why->text);
	uni_buf_printf(&out, "operation %s, version %u\n%s", uni_step_op_name(step->op),
		       step->version, step->options);
	put_tools(&out, step);
	put_inputs(b, &out, step);
	if (messages->size != 0) {
		uni_buf_puts(&out, "\n");
		uni_buf_add(&out, messages->data, messages->size);
	}
	if (uni_dir_make(dir, 0755, &ignored) == 0 &&
	    uni_file_write(path, out.data, out.size, 0644, &ignored) == 0)
		return path;
	free(path);
	return NULL;
}
