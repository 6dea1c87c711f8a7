/*
 * The rate is smoothed over some seconds: one that jumps tells nobody when it will be done.
 */
#include "progress.h"

#include <stdio.h>
#include <string.h>

#include <uni/base/text.h>

#define SMOOTH_S 5.0
#define EARLY_NS UINT64_C(1000000000) /* before that a rate would be a guess */
#define FOREVER_S (100.0 * 3600.0)

static void start(struct cli_pace *pace, const struct uni_event *event, uint64_t now_ns)
{
	*pace = (struct cli_pace){ .first_ns = now_ns,
				   .last_ns = now_ns,
				   .last_done = event->done };
	snprintf(pace->name, sizeof(pace->name), "%s", event->name);
}

static void measure(struct cli_pace *pace, uint64_t done, uint64_t now_ns)
{
	double seconds = (double)(now_ns - pace->last_ns) / 1e9;
	double rate, weight;

	if (seconds <= 0)
		return;
	rate = (double)(done - pace->last_done) / seconds;
	weight = seconds < SMOOTH_S ? seconds / SMOOTH_S : 1;
	pace->rate = pace->rate > 0 ? pace->rate + (rate - pace->rate) * weight : rate;
	pace->last_ns = now_ns;
	pace->last_done = done;
}

static void left_text(double seconds, char *text, size_t room)
{
	unsigned whole = (unsigned)(seconds + 0.5);

	if (whole < 120)
		snprintf(text, room, "%u s", whole);
	else if (whole < 7200)
		snprintf(text, room, "%u min", (whole + 30) / 60);
	else
		snprintf(text, room, "%u h", (whole + 1800) / 3600);
}

void cli_pace_line(struct cli_pace *pace, const struct uni_event *event, uint64_t now_ns,
		   char *line, size_t room)
{
	char left[32];
	double seconds;
	int size;

	if (strncmp(pace->name, event->name, sizeof(pace->name) - 1) != 0 ||
	    event->done < pace->last_done)
		start(pace, event, now_ns);
	else
		measure(pace, event->done, now_ns);
	size = snprintf(line, room, "  %.60s %s of %s", event->name, uni_size_text(event->done),
			uni_size_text(event->total));
	if (size < 0 || (size_t)size >= room || now_ns - pace->first_ns < EARLY_NS ||
	    pace->rate < 1 || event->total < event->done)
		return;
	seconds = (double)(event->total - event->done) / pace->rate;
	if (seconds > FOREVER_S)
		seconds = FOREVER_S;
	left_text(seconds, left, sizeof(left));
	snprintf(line + size, room - (size_t)size, ", %s/s, %s left",
		 uni_size_text((uint64_t)pace->rate), left);
}
