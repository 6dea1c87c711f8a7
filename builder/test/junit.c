/*
 * The report as JUnit XML, as build servers read it. What machines wrote is in it: escaped, and
 * without the characters that XML 1.0 cannot hold (section 2.2).
 */
#include "run.h"

static void add_escaped(struct uni_buf *out, const char *text)
{
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '&')
			uni_buf_puts(out, "&amp;");
		else if (c == '<')
			uni_buf_puts(out, "&lt;");
		else if (c == '>')
			uni_buf_puts(out, "&gt;");
		else if (c == '"')
			uni_buf_puts(out, "&quot;");
		else if (c == '\n' || c == '\t' || c >= 0x20)
			uni_buf_putc(out, (char)c);
		else
			uni_buf_puts(out, "\xef\xbf\xbd");
	}
}

/* U+FFFE and U+FFFF are characters of UTF-8, but not of XML. */
static bool is_no_character(const char *at)
{
	return uni_str_starts(at, "\xef\xbf\xbe") || uni_str_starts(at, "\xef\xbf\xbf");
}

/* As UTF-8, which the sources of these texts need not be. */
static void add_text(struct uni_buf *out, const char *text)
{
	for (const char *at = text; *at != '\0';) {
		size_t width = 1;

		while (width < 4 && at[width] != '\0' && !uni_utf8_valid(at, width))
			width++;
		if (is_no_character(at)) {
			uni_buf_puts(out, "\xef\xbf\xbd");
			at += width;
		} else if (uni_utf8_valid(at, width)) {
			UNI_AUTO_FREE char *character = uni_strndup(at, width);

			add_escaped(out, character);
			at += width;
		} else {
			uni_buf_puts(out, "\xef\xbf\xbd");
			at++;
		}
	}
}

static void add_trouble(struct uni_buf *out, const struct uni_test_result *result)
{
	const char *kind = result->outcome == UNI_TEST_FAILED ? "failure" : "error";

	uni_buf_printf(out, "    <%s message=\"", kind);
	add_text(out, result->what);
	uni_buf_printf(out, "\" type=\"%s\">",
		       result->outcome == UNI_TEST_FAILED ? "expectation" : "unknown");
	if (result->expected != NULL) {
		uni_buf_puts(out, "expected: ");
		add_text(out, result->expected);
		uni_buf_puts(out, "\ncame: ");
	}
	add_text(out, result->came);
	uni_buf_printf(out, "</%s>\n", kind);
}

static void add_result(struct uni_buf *out, const struct uni_test_result *result, const char *suite)
{
	uni_buf_puts(out, "  <testcase classname=\"");
	add_text(out, suite);
	uni_buf_puts(out, "\" name=\"");
	add_text(out, result->name);
	uni_buf_puts(out, " (");
	uni_test_way(result, out);
	uni_buf_printf(out, ")\" time=\"%.3f\">\n", (double)result->ns / 1e9);
	if (result->outcome != UNI_TEST_PASSED)
		add_trouble(out, result);
	if (result->console != NULL && result->console[0] != '\0') {
		uni_buf_puts(out, "    <system-out>");
		add_text(out, result->console);
		uni_buf_puts(out, "</system-out>\n");
	}
	uni_buf_puts(out, "  </testcase>\n");
}

void uni_test_junit(const struct uni_test_report *report, const char *suite, struct uni_buf *out)
{
	size_t failed = 0, unknown = 0;

	for (size_t i = 0; i < report->count; i++) {
		failed += report->results[i].outcome == UNI_TEST_FAILED;
		unknown += report->results[i].outcome == UNI_TEST_UNKNOWN;
	}
	uni_buf_puts(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"");
	add_text(out, suite);
	uni_buf_printf(out, "\" tests=\"%zu\" failures=\"%zu\" errors=\"%zu\" time=\"%.3f\">\n",
		       report->count, failed, unknown, (double)report->ns / 1e9);
	for (size_t i = 0; i < report->count; i++)
		add_result(out, &report->results[i], suite);
	uni_buf_puts(out, "</testsuite>\n");
}
