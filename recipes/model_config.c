/*
 * [config]: how the machine is set up.
 */
#include "model.h"

#include <string.h>
#include <uni/abi/config.h>

/* Fields with one space between. */
static char *tidy_host(const char *line)
{
	struct uni_buf out UNI_AUTO_BUF = UNI_BUF_INIT;

	while (*line != '\0') {
		size_t size = strcspn(line, " ");

		if (size != 0 && out.size != 0)
			uni_buf_putc(&out, ' ');
		uni_buf_add(&out, line, size);
		line += size;
		line += strspn(line, " ");
	}
	return uni_buf_take(&out);
}

static int compare_texts(const void *a, const void *b)
{
	const struct uni_recipe_text *x = a, *y = b;

	return strcmp(x->text, y->text);
}

/* The order of a list is the user's; a table has none, so its lines are sorted. */
static void build_hosts(struct uni_recipe_config *config, const struct uni_toml_value *hosts)
{
	bool table = hosts != NULL && hosts->type == UNI_TOML_TABLE;

	if (hosts == NULL)
		return;
	for (const struct uni_toml_value *v = hosts->list.first; v != NULL; v = v->next) {
		if ((v->flags & SCHEMA_BAD) != 0)
			continue;
		model_add_text(&config->hosts,
			       table ? uni_asprintf("%s %s", v->string.data, v->key)
				     : tidy_host(v->string.data),
			       v->pos);
	}
	if (table && config->hosts.count > 1)
		qsort(config->hosts.items, config->hosts.count, sizeof(*config->hosts.items),
		      compare_texts);
}

static void build_networks(struct model *m, const struct uni_toml_value *table)
{
	struct uni_recipe_texts *networks = &m->recipe->config.networks;
	const struct uni_toml_value *value = model_get(table, "network");

	if (value != NULL && value->type == UNI_TOML_STRING)
		model_add_text(networks, uni_strdup(value->string.data), value->pos);
	else
		model_texts(table, "network", networks);
	for (size_t i = 0; i < networks->count; i++) {
		if (strcmp(networks->items[i].text, "none") == 0 && networks->count > 1)
			model_error(m, networks->items[i].pos,
				    "[config]: network \"none\" cannot stand beside others");
		for (size_t k = 0; k < i; k++)
			if (strcmp(networks->items[i].text, networks->items[k].text) == 0)
				model_error(m, networks->items[i].pos,
					    "[config]: network \"%s\" is given twice",
					    networks->items[i].text);
	}
}

static uint16_t runtime_type(const char *name)
{
	const struct schema_key *key = schema_find(model_schema("app"), name);

	if (key == NULL || key->runtime == 0)
		key = schema_find(model_schema("config"), name);
	return key != NULL ? key->runtime : 0;
}

/* Kept in ascending order, so that the order in the recipe means nothing. */
static bool add_runtime(struct uni_recipe_config *config, uint16_t type)
{
	size_t place = config->runtime_count;

	while (place > 0 && config->runtime[place - 1] > type)
		place--;
	if (place > 0 && config->runtime[place - 1] == type)
		return false;
	config->runtime = uni_realloc_array(config->runtime, config->runtime_count + 1,
					    sizeof(*config->runtime));
	memmove(config->runtime + place + 1, config->runtime + place,
		(config->runtime_count - place) * sizeof(*config->runtime));
	config->runtime[place] = type;
	config->runtime_count++;
	return true;
}

static void build_runtime(struct model *m, const struct uni_toml_value *table)
{
	struct uni_recipe_texts names = { .count = 0 };

	model_texts(table, "runtime", &names);
	for (size_t i = 0; i < names.count; i++) {
		if (!add_runtime(&m->recipe->config, runtime_type(names.items[i].text)))
			model_error(m, names.items[i].pos, "[config]: runtime names \"%s\" twice",
				    names.items[i].text);
		free(names.items[i].text);
	}
	free(names.items);
}

void model_config(struct model *m)
{
	const struct schema_table *schema = model_schema("config");
	const struct uni_toml_value *table = model_get(m->root, "config");
	const struct uni_toml_value *limits = model_get(table, "limits");
	struct uni_recipe_config *config = &m->recipe->config;

	config->pos = model_pos(m->root, "config");
	config->hostname = model_string(table, "hostname");
	if (config->hostname == NULL && m->recipe->image.name != NULL)
		config->hostname = uni_strdup(m->recipe->image.name);
	build_hosts(config, model_get(table, "hosts"));
	model_texts(table, "resolvers", &config->resolvers);
	build_networks(m, table);
	model_texts(table, "time-servers", &config->time_servers);
	config->syslog = model_string(table, "syslog");
	config->limit_open_files = model_size(limits, "open-files", 0);
	config->limit_stack = model_size(limits, "stack", 0);
	config->limit_memory = model_size(limits, "memory", 0);
	/* The schema's words stand in the order of the boot configuration's numbers. */
	config->on_exit = (enum uni_config_action)model_word(table, schema, "on-exit", "off");
	config->on_fault = (enum uni_config_action)model_word(table, schema, "on-fault", "off");
	config->log_level = model_word(table, schema, "log-level", "warning");
	config->grace_ms = model_duration(table, "grace", 10000);
	build_runtime(m, table);
}
