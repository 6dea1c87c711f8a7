/*
 * What the console shows, the kernel's lines and the program's, as syslog messages to a host
 * (RFC 5424 over UDP, RFC 5426). Lines wait in a ring until the network's thread sends them; when
 * it is full they are dropped, and how many is told.
 */
#include <uk/io.h>
#include <uk/lock.h>
#include <uk/log.h>
#include <uk/mem.h>
#include <uk/start.h>
#include <uk/thread.h>

#include "services.h"
#include "stack.h"

#include "lwip/udp.h"

#define PORT 514
#define RING 16384u
#define LINE_MAX 1000u /* longer ones are cut into several messages */
#define HEAD_MAX 192
#define FACILITY_KERNEL 0
#define FACILITY_USER 1
#define SEVERITY_INFORMATION 6

static struct uk_spinlock lock = UK_SPINLOCK_INIT;
static uint8_t *ring; /* severity and facility, size in two bytes, text; NULL: off */
static uint32_t head, tail;
static uint64_t lost;
static char line[LINE_MAX]; /* the program's, unfinished */
static uint32_t line_size;
static struct udp_pcb *pcb;
static ip_addr_t host;
static char name[256], program[64];

static void put_bytes(const void *data, uint32_t size)
{
	for (uint32_t i = 0; i < size; i++)
		ring[head++ % RING] = ((const uint8_t *)data)[i];
}

static void take_bytes(void *data, uint32_t size)
{
	for (uint32_t i = 0; i < size; i++)
		((uint8_t *)data)[i] = ring[tail++ % RING];
}

/* The lock is held. */
static void add(uint8_t priority, const char *text, uint32_t size)
{
	uint8_t front[3] = { priority, (uint8_t)(size >> 8), (uint8_t)size };

	if (RING - (head - tail) < sizeof(front) + size) {
		lost++;
		return;
	}
	put_bytes(front, sizeof(front));
	put_bytes(text, size);
}

static void add_program(const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		bool ends = text[i] == '\n';

		if (!ends && text[i] != '\r')
			line[line_size++] = text[i];
		if (line_size != 0 && (ends || line_size == LINE_MAX)) {
			add(FACILITY_USER << 3 | SEVERITY_INFORMATION, line, line_size);
			line_size = 0;
		}
	}
}

/* Of a level of the kernel's log: error 3, warning 4, notice 5, debug 7. */
static const uint8_t severities[] = { 3, 4, 5, 7 };

static void tap(int level, const char *text, size_t size)
{
	uint64_t state = uk_spin_lock(&lock);

	if (level < 0)
		add_program(text, size);
	else
		add((uint8_t)(FACILITY_KERNEL << 3 | severities[level]), text,
		    (uint32_t)UK_MIN(size, (size_t)LINE_MAX));
	uk_spin_unlock(&lock, state);
	uk_net_wake();
}

/* 1970 and later, in UTC; days from a civil date as in the proleptic Gregorian calendar. */
static int print_time(char *to, size_t room)
{
	int64_t real = uk_time_real(), seconds = real / 1000000000, day = seconds / 86400;
	int64_t era, year_day, year;
	int of_day = (int)(seconds % 86400), month;

	day += 719468; /* to the first of March of the year 0 */
	era = day / 146097;
	day -= era * 146097;
	year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
	year_day = day - (365 * year + year / 4 - year / 100);
	month = (int)((5 * year_day + 2) / 153);
	year += era * 400 + (month >= 10 ? 1 : 0);
	return uk_snprintf(to, room, "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ", (int)year,
			   month < 10 ? month + 3 : month - 9,
			   (int)(year_day - (153 * month + 2) / 5 + 1), of_day / 3600,
			   of_day / 60 % 60, of_day % 60, (int)(real % 1000000000 / 1000));
}

static void send(uint8_t priority, const char *text, uint32_t size)
{
	char front[HEAD_MAX + sizeof(name)], when[40];
	struct pbuf *p;
	int front_size;

	print_time(when, sizeof(when));
	front_size = uk_snprintf(front, sizeof(front), "<%u>1 %s %s %s - - - ", priority, when,
				 name, priority >> 3 == FACILITY_KERNEL ? "unibase" : program);
	p = pbuf_alloc(PBUF_TRANSPORT, (u16_t)((uint32_t)front_size + size), PBUF_RAM);
	if (p == NULL)
		return;
	memcpy(p->payload, front, (size_t)front_size);
	memcpy((char *)p->payload + front_size, text, size);
	(void)udp_sendto(pcb, p, &host, PORT);
	pbuf_free(p);
}

void uk_syslog_send(void)
{
	static char text[LINE_MAX];

	/* Without an address to send from they wait. */
	while (ring != NULL && uk_net_reachable(&host) && uk_net_has_address()) {
		uint64_t state = uk_spin_lock(&lock), missing = lost;
		uint8_t front[3] = { 0 };
		uint32_t size = 0;

		if (head != tail) {
			take_bytes(front, sizeof(front));
			size = (uint32_t)front[1] << 8 | front[2];
			take_bytes(text, size);
		} else {
			lost = 0;
		}
		uk_spin_unlock(&lock, state);
		if (size != 0) {
			send(front[0], text, size);
			continue;
		}
		if (missing == 0)
			return;
		size = (uint32_t)uk_snprintf(text, sizeof(text), "%lu lines were lost",
					     (unsigned long)missing);
		send(FACILITY_KERNEL << 3 | severities[UK_LOG_WARN], text, size);
	}
}

static void find_program(void)
{
	const struct uni_config_entry *entry = uk_config_next(UNI_CONFIG_ARG, NULL);
	const char *slash;
	char path[256];

	if (entry == NULL || uk_config_string(entry, path, sizeof(path)) <= 0)
		uk_strlcpy(path, "program", sizeof(path));
	slash = strrchr(path, '/');
	uk_strlcpy(program, slash != NULL ? slash + 1 : path, sizeof(program));
	/* A field of the message: printable, no spaces. */
	for (char *c = program; *c != '\0'; c++)
		if (*c <= ' ' || *c > '~')
			*c = '_';
}

void uk_syslog_start(void)
{
	const struct uni_config_entry *entry = uk_config_next(UNI_CONFIG_SYSLOG, NULL);
	char text[IPADDR_STRLEN_MAX];

	if (entry == NULL)
		return;
	if (uk_config_string(entry, text, sizeof(text)) <= 0 || !ipaddr_aton(text, &host)) {
		uk_log(UK_LOG_ERROR, "the syslog host of the boot configuration is no address");
		return;
	}
	entry = uk_config_next(UNI_CONFIG_HOSTNAME, NULL);
	if (entry == NULL || uk_config_string(entry, name, sizeof(name)) <= 0)
		uk_strlcpy(name, "-", sizeof(name));
	find_program();
	pcb = udp_new_ip_type(IPADDR_TYPE_ANY);
	if (pcb != NULL && udp_bind(pcb, IP_ANY_TYPE, 0) == ERR_OK)
		ring = uk_alloc(RING);
	if (ring == NULL) {
		uk_log(UK_LOG_ERROR, "no memory for syslog");
		return;
	}
	uk_console_tap = tap;
}
