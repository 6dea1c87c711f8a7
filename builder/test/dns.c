/*
 * [[test.dns]]: a question and its answer (RFC 1035, section 4; RFC 2782 for SRV, RFC 3596 for
 * AAAA). The packet comes from the machine under test: every length in it is checked.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>

#include <uni/base/system.h>

#include "run.h"

#define HEADER 12
#define CLASS_IN 1
#define FLAG_RESPONSE 0x8000u
#define FLAG_RECURSION 0x0100u
#define JUMPS_MAX 64
#define RECORDS_MAX 1024
#define NAME_BYTES_MAX 1100 /* as text, escaped */

static const struct {
	const char *name;
	uint16_t number;
} types[] = {
	{ "A", 1 },   { "NS", 2 },   { "CNAME", 5 }, { "SOA", 6 },  { "PTR", 12 },
	{ "MX", 15 }, { "TXT", 16 }, { "AAAA", 28 }, { "SRV", 33 },
};

static const char *const codes[] = {
	"noerror", "formerr", "servfail", "nxdomain", "notimp", "refused",
};

static uint16_t type_number(const char *name)
{
	for (size_t i = 0; i < UNI_COUNT(types); i++)
		if (uni_str_eq(types[i].name, name))
			return types[i].number;
	return 0;
}

static void put16(uint8_t *out, unsigned value)
{
	out[0] = (uint8_t)(value >> 8);
	out[1] = (uint8_t)value;
}

size_t test_dns_query(const char *name, const char *type, uint16_t id,
		      uint8_t out[TEST_DNS_QUERY_MAX])
{
	size_t at = HEADER;

	memset(out, 0, HEADER);
	put16(out, id);
	put16(out + 2, FLAG_RECURSION);
	put16(out + 4, 1);
	/* The recipe's reader bounds names and their parts. */
	while (*name != '\0') {
		size_t size = strcspn(name, ".");

		out[at++] = (uint8_t)size;
		memcpy(out + at, name, size);
		at += size;
		name += size + (name[size] == '.');
	}
	out[at++] = 0;
	put16(out + at, type_number(type));
	put16(out + at + 2, CLASS_IN);
	return at + 4;
}

struct packet {
	const uint8_t *data;
	size_t size;
	size_t at;
	bool bad;
};

static unsigned take(struct packet *packet, size_t bytes)
{
	unsigned value = 0;

	if (packet->bad || bytes > packet->size - packet->at) {
		packet->bad = true;
		return 0;
	}
	for (size_t i = 0; i < bytes; i++)
		value = value << 8 | packet->data[packet->at++];
	return value;
}

/* A byte of a name, as zone files write it. */
static void put_name_byte(struct uni_buf *out, uint8_t byte)
{
	if (byte == '.' || byte == '\\')
		uni_buf_printf(out, "\\%c", byte);
	else if (byte > 0x20 && byte < 0x7f)
		uni_buf_putc(out, (char)tolower(byte));
	else
		uni_buf_printf(out, "\\%03u", byte);
}

/* A name, which may go on elsewhere; NULL: nobody wants it. */
static void take_name(struct packet *packet, struct uni_buf *out)
{
	struct packet rest = *packet;
	size_t behind = 0;
	size_t start = out != NULL ? out->size : 0;

	for (int jumps = 0;;) {
		unsigned length = take(&rest, 1);

		if ((length & 0xc0) == 0xc0) {
			size_t target = (length & 0x3f) << 8 | take(&rest, 1);

			if (behind == 0)
				behind = rest.at;
			if (++jumps > JUMPS_MAX || target >= rest.size)
				rest.bad = true;
			else
				rest.at = target;
		} else if ((length & 0xc0) != 0 || length > rest.size - rest.at) {
			rest.bad = true;
		} else if (length == 0) {
			break;
		} else {
			for (unsigned i = 0; i < length && out != NULL; i++)
				put_name_byte(out, rest.data[rest.at + i]);
			rest.at += length;
			if (out != NULL)
				uni_buf_putc(out, '.');
		}
		if (rest.bad || (out != NULL && out->size - start > NAME_BYTES_MAX)) {
			packet->bad = true;
			return;
		}
	}
	packet->bad |= rest.bad;
	packet->at = behind != 0 ? behind : rest.at;
	if (out != NULL && out->size == start)
		uni_buf_putc(out, '.');
}

static void put_strings(struct packet *packet, size_t end, struct uni_buf *out)
{
	const char *space = "";

	while (!packet->bad && packet->at < end) {
		unsigned length = take(packet, 1);

		if (packet->bad || length > end - packet->at) {
			packet->bad = true;
			return;
		}
		uni_buf_printf(out, "%s\"", space);
		for (unsigned i = 0; i < length; i++) {
			uint8_t byte = packet->data[packet->at + i];

			if (byte == '"' || byte == '\\')
				uni_buf_printf(out, "\\%c", byte);
			else if (byte >= 0x20 && byte < 0x7f)
				uni_buf_putc(out, (char)byte);
			else
				uni_buf_printf(out, "\\%03u", byte);
		}
		uni_buf_putc(out, '"');
		packet->at += length;
		space = " ";
	}
}

static void put_address(struct packet *packet, int family, size_t size, struct uni_buf *out)
{
	char text[INET6_ADDRSTRLEN];

	if (size != (family == AF_INET ? 4u : 16u)) {
		packet->bad = true;
		return;
	}
	uni_buf_puts(out, inet_ntop(family, packet->data + packet->at, text, sizeof(text)));
	packet->at += size;
}

/* A record's data of `size` bytes, which are there. */
static void put_data(struct packet *packet, unsigned type, size_t size, struct uni_buf *out)
{
	size_t end = packet->at + size;

	switch (type) {
	case 1:
		put_address(packet, AF_INET, size, out);
		break;
	case 28:
		put_address(packet, AF_INET6, size, out);
		break;
	case 16:
		put_strings(packet, end, out);
		break;
	case 33:
		for (int i = 0; i < 2; i++)
			uni_buf_printf(out, "%u ", take(packet, 2));
		/* fallthrough */
	case 15:
		uni_buf_printf(out, "%u ", take(packet, 2));
		/* fallthrough */
	case 2:
	case 5:
	case 12:
		take_name(packet, out);
		break;
	case 6:
		take_name(packet, out);
		uni_buf_putc(out, ' ');
		take_name(packet, out);
		for (int i = 0; i < 5; i++)
			uni_buf_printf(out, " %u", take(packet, 4));
		break;
	default:
		packet->at = end;
		break;
	}
	packet->bad |= packet->at != end;
}

static bool take_records(struct packet *packet, unsigned count, unsigned wanted,
			 struct test_dns_answer *answer)
{
	for (unsigned i = 0; i < count && i < RECORDS_MAX && !packet->bad; i++) {
		UNI_AUTO_BUF struct uni_buf text = UNI_BUF_INIT;
		unsigned type, class;
		size_t size;

		take_name(packet, NULL);
		type = take(packet, 2);
		class = take(packet, 2);
		(void)take(packet, 4); /* for how long */
		size = take(packet, 2);
		if (packet->bad || size > packet->size - packet->at)
			return false;
		put_data(packet, type, size, &text);
		if (type == wanted && class == CLASS_IN && !packet->bad)
			uni_strv_add(&answer->records, uni_buf_text(&text));
	}
	return !packet->bad;
}

bool test_dns_read(const void *data, size_t size, uint16_t id, const char *type,
		   struct test_dns_answer *answer)
{
	struct packet packet = { .data = data, .size = size };
	unsigned got = take(&packet, 2), flags = take(&packet, 2);
	unsigned questions = take(&packet, 2), answers = take(&packet, 2);

	(void)take(&packet, 4);
	if (packet.bad || got != id || (flags & FLAG_RESPONSE) == 0 || questions > 1)
		return false;
	for (unsigned i = 0; i < questions; i++) {
		take_name(&packet, NULL);
		(void)take(&packet, 4);
	}
	answer->code = flags & 15;
	return !packet.bad && take_records(&packet, answers, type_number(type), answer);
}

struct question {
	const char *type;
	uint16_t id;
	struct test_dns_answer answer;
};

static bool accept_answer(void *user, const char *data, size_t size)
{
	struct question *question = user;

	uni_strv_free(&question->answer.records);
	return test_dns_read(data, size, question->id, question->type, &question->answer);
}

static const char *code_name(unsigned code)
{
	return code < UNI_COUNT(codes) ? codes[code] : "another code";
}

static int judge(const struct test_run *run, const struct uni_recipe_step *step,
		 const struct test_dns_answer *answer, const char *what, struct uni_err *err)
{
	UNI_AUTO_BUF struct uni_buf came = UNI_BUF_INIT;

	uni_buf_printf(&came, "%s", code_name(answer->code));
	for (size_t i = 0; i < answer->records.count; i++) {
		uni_buf_putc(&came, '\n');
		test_show(answer->records.items[i], strlen(answer->records.items[i]), &came);
	}
	if (answer->code != step->code)
		return test_fail(run, what, code_name(step->code), came.data, err);
	for (size_t i = 0; i < step->answers.count; i++)
		if (!uni_strv_has(&answer->records, step->answers.items[i].text)) {
			UNI_AUTO_FREE char *expected =
				uni_asprintf("among the answers: %s", step->answers.items[i].text);

			return test_fail(run, what, expected, came.data, err);
		}
	return 0;
}

int test_dns(struct test_run *run, const struct uni_recipe_step *step, struct uni_err *err)
{
	UNI_AUTO_FREE char *what =
		uni_asprintf("DNS %s %s on port %u", step->name, step->type, step->port);
	struct test_port *port = test_run_port(run, step->port, true);
	struct question question = { .type = step->type };
	uint8_t text[TEST_DNS_QUERY_MAX];
	struct test_query query = { .data = text, .accept = accept_answer, .user = &question };
	int status;

	uni_random(&question.id, sizeof(question.id));
	query.size = test_dns_query(step->name, step->type, question.id, text);
	status = test_exchange(run, port, &query, err);
	if (status == TEST_READY)
		status = judge(run, step, &question.answer, what, err);
	else if (status == TEST_ENDED)
		status = test_fail_ended(run, what, "an answer", err);
	else if (status == TEST_LATE)
		status = test_fail_late(run, what, "an answer", NULL, err);
	uni_strv_free(&question.answer.records);
	return status;
}
