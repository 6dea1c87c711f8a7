/*
 * Handing events to whoever listens, one at a time.
 */
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <uni/base/event.h>

#define TEXT_MAX 2048

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void uni_event_send(const struct uni_events *events, const struct uni_event *event)
{
	if (events == NULL || events->fn == NULL)
		return;
	pthread_mutex_lock(&lock);
	events->fn(events->user, event);
	pthread_mutex_unlock(&lock);
}

static void send_text(const struct uni_events *events, enum uni_event_kind kind, const char *fmt,
		      va_list args)
{
	char text[TEXT_MAX];
	vsnprintf(text, sizeof(text), fmt, args);
	uni_event_send(events, &(struct uni_event){ .kind = kind, .text = text });
}

void uni_event_note(const struct uni_events *events, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	send_text(events, UNI_EVENT_NOTE, fmt, args);
	va_end(args);
}

void uni_event_advice(const struct uni_events *events, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	send_text(events, UNI_EVENT_ADVICE, fmt, args);
	va_end(args);
}

void uni_event_warning(const struct uni_events *events, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	send_text(events, UNI_EVENT_WARNING, fmt, args);
	va_end(args);
}
