/*
 * TOML values as tagged JSON.
 */
#include "tagged.h"

#include <math.h>
#include <string.h>

static void add_time(struct uni_buf *out, const struct uni_toml_time *time)
{
	uni_buf_printf(out, "%02u:%02u:%02u", time->hour, time->minute, time->second);
	if (time->nanosecond != 0) {
		uni_buf_printf(out, ".%09u", (unsigned)time->nanosecond);
		while (out->data[out->size - 1] == '0')
			out->data[--out->size] = '\0';
	}
}

static void add_datetime(struct uni_buf *out, enum uni_toml_type type,
			 const struct uni_toml_time *time)
{
	int offset = time->offset < 0 ? -time->offset : time->offset;

	if (type != UNI_TOML_LOCAL_TIME)
		uni_buf_printf(out, "%04u-%02u-%02u", time->year, time->month, time->day);
	if (type == UNI_TOML_DATETIME || type == UNI_TOML_LOCAL_DATETIME)
		uni_buf_putc(out, 'T');
	if (type != UNI_TOML_LOCAL_DATE)
		add_time(out, time);
	if (type != UNI_TOML_DATETIME)
		return;
	if (offset == 0)
		uni_buf_putc(out, 'Z');
	else
		uni_buf_printf(out, "%c%02d:%02d", time->offset < 0 ? '-' : '+', offset / 60,
			       offset % 60);
}

static void add_float(struct uni_buf *out, double number)
{
	if (isnan(number))
		uni_buf_puts(out, "nan");
	else if (isinf(number))
		uni_buf_puts(out, number < 0 ? "-inf" : "inf");
	else
		uni_buf_printf(out, "%.17g", number);
}

static json_t *tagged_plain(const struct uni_toml_value *value)
{
	static const char *const names[] = {
		[UNI_TOML_STRING] = "string",	      [UNI_TOML_INTEGER] = "integer",
		[UNI_TOML_FLOAT] = "float",	      [UNI_TOML_BOOL] = "bool",
		[UNI_TOML_DATETIME] = "datetime",     [UNI_TOML_LOCAL_DATETIME] = "datetime-local",
		[UNI_TOML_LOCAL_DATE] = "date-local", [UNI_TOML_LOCAL_TIME] = "time-local",
	};
	struct uni_buf text UNI_AUTO_BUF = UNI_BUF_INIT;

	if (value->type == UNI_TOML_STRING)
		uni_buf_add(&text, value->string.data, value->string.size);
	else if (value->type == UNI_TOML_INTEGER)
		uni_buf_printf(&text, "%lld", (long long)value->integer);
	else if (value->type == UNI_TOML_FLOAT)
		add_float(&text, value->number);
	else if (value->type == UNI_TOML_BOOL)
		uni_buf_puts(&text, value->boolean ? "true" : "false");
	else
		add_datetime(&text, value->type, &value->time);
	return json_pack("{s:s, s:o}", "type", names[value->type], "value",
			 json_stringn(uni_buf_text(&text), text.size));
}

json_t *toml_tagged(const struct uni_toml_value *value)
{
	json_t *json;

	if (value->type != UNI_TOML_TABLE && value->type != UNI_TOML_ARRAY)
		return tagged_plain(value);
	json = value->type == UNI_TOML_TABLE ? json_object() : json_array();
	for (const struct uni_toml_value *v = value->list.first; v != NULL; v = v->next) {
		if (value->type == UNI_TOML_ARRAY)
			json_array_append_new(json, toml_tagged(v));
		else
			json_object_setn_new(json, v->key, v->key_size, toml_tagged(v));
	}
	return json;
}
