/*
 * [[test]]: the part of the recipe language that `uni test` reads. Nothing of it goes into an
 * image.
 */
#include "schema.h"

static const struct schema_key match_keys[] = {
	{ .name = "contains", .takes = TAKES_STRING, .form = FORM_TEXT, .means = "It holds this." },
	{ .name = "equals",
	  .takes = TAKES_STRING,
	  .form = FORM_TEXT,
	  .means = "It is this and nothing else." },
	{ .name = "regex",
	  .takes = TAKES_STRING,
	  .form = FORM_REGEX,
	  .means = "An extended regular expression (POSIX) matches somewhere in it." },
	{ .name = "sha256",
	  .takes = TAKES_STRING,
	  .form = FORM_SHA256,
	  .means = "Its SHA-256 is this." },
};
const struct schema_table schema_match = {
	.title = "What comes is compared with",
	.means = "Where `text to match` stands, a string means that what comes contains it. A "
		 "table with one of these keys says it otherwise: `{ regex = \"^[0-9]+$\" }`.",
	KEYS(match_keys),
};

#define PORT(number, text)                                                                         \
	{                                                                                          \
		.name = "port", .takes = TAKES_INTEGER, .least = 1, .most = 65535,                 \
		.fallback = number, .means = text                                                  \
	}

#define PORT_WANTED                                                                                \
	{                                                                                          \
		.name = "port", .takes = TAKES_INTEGER, .required = true, .least = 1,              \
		.most = 65535, .means = "Port of the machine."                                     \
	}

#define TARGET(text)                                                                               \
	{                                                                                          \
		.name = "path", .takes = TAKES_STRING, .form = FORM_TARGET, .fallback = "\"/\"",   \
		.means = text                                                                      \
	}

#define STATUS(text)                                                                               \
	{                                                                                          \
		.name = "status", .takes = TAKES_INTEGER, .least = 100, .most = 599,               \
		.fallback = "200", .means = text                                                   \
	}

static const struct schema_key http_keys[] = {
	TARGET("What is asked for, with its query."),
	PORT("80", "Port of the machine; 443 with `tls`."),
	{ .name = "host",
	  .takes = TAKES_STRING,
	  .form = FORM_HOSTNAME,
	  .fallback = "\"localhost\"",
	  .means = "Name by which the machine is asked, and which its certificate must have." },
	{ .name = "tls",
	  .takes = TAKES_BOOL,
	  .fallback = "false",
	  .means = "Over TLS; the certificate is checked where `ca` is given." },
	{ .name = "ca",
	  .takes = TAKES_STRING,
	  .form = FORM_INPUT,
	  .means = "File with the authorities (PEM), or a package of one, of which one must have "
		   "signed the "
		   "certificate." },
	{ .name = "method",
	  .takes = TAKES_STRING,
	  .form = FORM_WORD,
	  .words = WORDS("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"),
	  .fallback = "\"GET\"",
	  .means = "Method of the request." },
	{ .name = "headers",
	  .takes = TAKES_MAP,
	  .form = FORM_LINE,
	  .key_pattern = "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$",
	  .fallback = "{}",
	  .means = "Fields of the request." },
	{ .name = "body", .takes = TAKES_STRING, .form = FORM_TEXT, .means = "Sent with it." },
	STATUS("Status that must come."),
	{ .name = "expect-headers",
	  .takes = TAKES_MAP | TAKES_MATCH,
	  .form = FORM_TEXT,
	  .key_pattern = "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$",
	  .fallback = "{}",
	  .means = "Fields that must come." },
	{ .name = "expect",
	  .takes = TAKES_STRING | TAKES_MATCH,
	  .form = FORM_TEXT,
	  .means = "What the body must be." },
	{ .name = "repeat",
	  .takes = TAKES_INTEGER,
	  .least = 1,
	  .most = 100000,
	  .fallback = "1",
	  .means = "How often it is asked, one after the other, over kept connections." },
};
static const struct schema_table http_table = {
	.title = "[[test.http]]",
	.means = "A request over HTTP, and what must come. Redirects are not followed.",
	KEYS(http_keys),
};

static const struct schema_key tcp_keys[] = {
	PORT_WANTED,
	{ .name = "send",
	  .takes = TAKES_STRING,
	  .form = FORM_BYTES,
	  .fallback = "\"\"",
	  .means = "Sent when connected." },
	{ .name = "close",
	  .takes = TAKES_BOOL,
	  .fallback = "false",
	  .means = "Close this side behind what is sent." },
	{ .name = "expect",
	  .takes = TAKES_STRING | TAKES_MATCH,
	  .form = FORM_TEXT,
	  .required = true,
	  .means = "What must come. `equals` and `sha256` wait for the end of the stream." },
};
static const struct schema_table tcp_table = {
	.title = "[[test.tcp]]",
	.means = "A connection: bytes to it, and from it.",
	KEYS(tcp_keys),
};

static const struct schema_key udp_keys[] = {
	PORT_WANTED,
	{ .name = "send",
	  .takes = TAKES_STRING,
	  .form = FORM_BYTES,
	  .required = true,
	  .means = "The datagram; it is sent again while nothing comes." },
	{ .name = "expect",
	  .takes = TAKES_STRING | TAKES_MATCH,
	  .form = FORM_TEXT,
	  .required = true,
	  .means = "What an answer must be." },
};
static const struct schema_table udp_table = {
	.title = "[[test.udp]]",
	.means = "A datagram, and the answer to it.",
	KEYS(udp_keys),
};

static const struct schema_key dns_keys[] = {
	{ .name = "name",
	  .takes = TAKES_STRING,
	  .form = FORM_DNS_NAME,
	  .required = true,
	  .means = "The name that is asked for." },
	{ .name = "type",
	  .takes = TAKES_STRING,
	  .form = FORM_WORD,
	  .words = WORDS("A", "AAAA", "CNAME", "MX", "NS", "PTR", "TXT", "SOA", "SRV"),
	  .fallback = "\"A\"",
	  .means = "Type of the records." },
	PORT("53", "Port of the machine (UDP)."),
	{ .name = "code",
	  .takes = TAKES_STRING,
	  .form = FORM_WORD,
	  .words = WORDS("noerror", "formerr", "servfail", "nxdomain", "notimp", "refused"),
	  .fallback = "\"noerror\"",
	  .means = "Response code that must come." },
	{ .name = "answers",
	  .item = "answer",
	  .takes = TAKES_LIST,
	  .form = FORM_LINE,
	  .means = "Records that must be among the answers, as zone files write them: "
		   "`\"192.0.2.1\"`, `\"10 mail.example.org.\"`." },
};
static const struct schema_table dns_table = {
	.title = "[[test.dns]]",
	.means = "A question to a name server (RFC 1035), and its answer.",
	KEYS(dns_keys),
};

static const struct schema_key load_keys[] = {
	TARGET("What is asked for."),
	PORT("80", "Port of the machine."),
	{ .name = "requests-per-second",
	  .takes = TAKES_INTEGER,
	  .required = true,
	  .least = 1,
	  .most = 1000000,
	  .means = "How many requests start in a second, evenly." },
	{ .name = "seconds",
	  .takes = TAKES_INTEGER,
	  .least = 1,
	  .most = 3600,
	  .fallback = "5",
	  .means = "For how long." },
	STATUS("Any other status is a failure."),
	{ .name = "failures-at-most",
	  .takes = TAKES_INTEGER,
	  .least = 0,
	  .most = 1000000000,
	  .fallback = "0",
	  .means = "Requests that may fail, or not be answered by two seconds after the end." },
};
static const struct schema_table load_table = {
	.title = "[test.load]",
	.means = "Many requests over HTTP (GET), when all else has held.",
	KEYS(load_keys),
};

static const struct schema_key file_keys[] = {
	{ .name = "volume",
	  .takes = TAKES_STRING,
	  .form = FORM_NAME,
	  .required = true,
	  .means = "A volume that the machine writes to." },
	{ .name = "path",
	  .takes = TAKES_STRING,
	  .form = FORM_ABSOLUTE,
	  .required = true,
	  .means = "The file, from the volume's own root." },
	{ .name = "absent",
	  .takes = TAKES_BOOL,
	  .fallback = "false",
	  .means = "There must be nothing of that name." },
	{ .name = "expect",
	  .takes = TAKES_STRING | TAKES_MATCH,
	  .form = FORM_TEXT,
	  .means = "What it must hold." },
};
static const struct schema_table file_table = {
	.title = "[[test.file]]",
	.means =
		"A file in a volume, when the machine has ended: by itself (`exit-status`) or told "
		"to (`stop`).",
	KEYS(file_keys),
};

static const struct schema_key test_keys[] = {
	{ .name = "name",
	  .takes = TAKES_STRING,
	  .form = FORM_NAME,
	  .required = true,
	  .means = "Name of the test." },
	{ .name = "args",
	  .item = "argument",
	  .takes = TAKES_LIST,
	  .form = FORM_TEXT,
	  .means = "Arguments instead of the recipe's, which must permit it (`runtime`)." },
	{ .name = "env",
	  .takes = TAKES_MAP,
	  .form = FORM_TEXT,
	  .key_pattern = "^[A-Za-z_][A-Za-z0-9_]*$",
	  .means = "Environment over the recipe's, which must permit it (`runtime`)." },
	{ .name = "after",
	  .takes = TAKES_STRING,
	  .form = FORM_NAME,
	  .means = "Name of another test: it is run before this one, which starts on the volumes "
		   "as that left them. A machine that neither ends nor is stopped was cut off." },
	{ .name = "memory",
	  .takes = TAKES_INTEGER | TAKES_STRING,
	  .form = FORM_SIZE,
	  .least = 4 << 20,
	  .most = (int64_t)1 << 44,
	  .fallback = "(the recipe's)",
	  .means = "Memory of the machine." },
	{ .name = "processors",
	  .takes = TAKES_INTEGER,
	  .least = 1,
	  .most = 256,
	  .fallback = "(the recipe's)",
	  .means = "Processors of the machine." },
	{ .name = "timeout",
	  .takes = TAKES_INTEGER | TAKES_STRING,
	  .form = FORM_DURATION,
	  .least = 1,
	  .most = 86400,
	  .fallback = "\"60s\"",
	  .means = "When everything must have held, counted from the machine's start." },
	{ .name = "ready",
	  .takes = TAKES_STRING | TAKES_MATCH,
	  .form = FORM_TEXT,
	  .means = "What the console says when the program is ready: nothing is asked before, and "
		   "then each step is taken once." },
	{ .name = "expect-console",
	  .item = "text",
	  .takes = TAKES_LIST | TAKES_MATCH,
	  .form = FORM_TEXT,
	  .means = "What must come on the console, in this order; each is looked for in single "
		   "lines, behind the line of the one before." },
	{ .name = "exit-status",
	  .takes = TAKES_INTEGER,
	  .least = 0,
	  .most = 255,
	  .means = "The program must end by itself, with this status, when all else has held." },
	{ .name = "stop",
	  .takes = TAKES_BOOL,
	  .fallback = "false",
	  .means = "When all else has held the power button is pressed, and the program must end "
		   "within its grace." },
	{ .name = "memory-at-most",
	  .takes = TAKES_INTEGER | TAKES_STRING,
	  .form = FORM_SIZE,
	  .least = 4096,
	  .most = (int64_t)1 << 44,
	  .means = "How much of its memory the machine may have touched in the end." },
	{ .name = "boot-at-most",
	  .takes = TAKES_NUMBER,
	  .least = 1,
	  .most = 1000000,
	  .means =
		  "How long it may take from the emulator's start until the first expectation "
		  "is met, in multiples of what a machine of the same kind takes that only ends." },
	{ .name = "http",
	  .takes = TAKES_TABLES,
	  .table = &http_table,
	  .means = "Requests over HTTP." },
	{ .name = "tcp", .takes = TAKES_TABLES, .table = &tcp_table, .means = "Connections." },
	{ .name = "udp", .takes = TAKES_TABLES, .table = &udp_table, .means = "Datagrams." },
	{ .name = "dns",
	  .takes = TAKES_TABLES,
	  .table = &dns_table,
	  .means = "Questions to a name server." },
	{ .name = "file",
	  .takes = TAKES_TABLES,
	  .table = &file_table,
	  .means = "Files in volumes afterwards." },
	{ .name = "load",
	  .takes = TAKES_TABLE,
	  .table = &load_table,
	  .means = "Many requests at a steady rate." },
};
const struct schema_table schema_test = {
	.title = "[[test]]",
	.means = "What `uni test` starts the image for, and expects of it. Steps over the network "
		 "are taken in the order in which they stand in the recipe, each again and again "
		 "until its port answers; ports of this machine that lead to the machine's are "
		 "found by `uni`. Changes nothing in the image.",
	KEYS(test_keys),
};
