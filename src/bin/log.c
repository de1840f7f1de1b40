/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "bin/cli.h"

static int log_fd = -EBADF; /* -EBADF: stderr */
static bool log_json, log_debug;

int log_open(const char *file, const char *format, bool debug, struct err *e)
{
	log_debug = debug;
	if (strcmp(format, "json") == 0)
		log_json = true;
	else if (strcmp(format, "text") != 0)
		return err_set(e, EINVAL, "unknown log-format \"%s\": use text or json", format);
	if (!file)
		return 0;
	log_fd = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0644);
	return log_fd < 0 ? err_sys(e, errno, "open log file %s", file) : 0;
}

/* Paths may hold bytes that are no UTF-8, and long messages end anywhere. */
static json_t *json_text(const char *text)
{
	_cleanup_free_ char *clean = NULL;
	json_t *s = json_string(text);

	if (s || !(clean = strdup(text)))
		return s;
	for (char *p = clean; *p; p++)
		if ((unsigned char)*p >= 0x80)
			*p = '?';
	return json_string(clean);
}

static char *json_line(const char *level, const char *text, const char *when)
{
	json_t *o = json_pack("{s:s, s:o, s:s}", "level", level, "msg", json_text(text), "time", when);
	char *line = o ? json_dumps(o, JSON_COMPACT) : NULL;

	json_decref(o);
	return line;
}

void log_line(const char *level, const char *text)
{
	_cleanup_free_ char *line = NULL, *quoted = NULL;
	int fd = log_fd >= 0 ? log_fd : 2;
	char when[40];
	struct tm tm;
	time_t now;

	if (strcmp(level, "debug") == 0 && !log_debug)
		return;
	now = time(NULL);
	(void)gmtime_r(&now, &tm);
	(void)strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &tm);
	if (log_json) {
		line = json_line(level, text, when);
	} else {
		json_t *s = json_text(text);

		/* The quoting of JSON is also logrus's: control bytes cannot forge lines. */
		quoted = s ? json_dumps(s, JSON_ENCODE_ANY) : strdup("\"?\"");
		json_decref(s);
		if (asprintf(&line, "time=\"%s\" level=%s msg=%s", when, level, quoted ? quoted : "\"\"") < 0)
			line = NULL;
	}
	if (line) {
		size_t len = strlen(line);

		/* One write: lines of several processes in one log do not mix. */
		line[len] = '\n';
		(void)io_write_all(fd, line, len + 1);
	}
}

int cli_fail(const struct err *e, int status)
{
	struct err hint = *e;

	/* Whichever call it was. */
	if (e->code == ENOSYS)
		(void)err_set(&hint, ENOSYS,
			      "%.900s; Linux 6.1 or newer is needed, without a filter that hides its system calls",
			      e->msg);
	log_line("error", hint.msg);
	if (log_fd >= 0)
		(void)fprintf(stderr, "%s\n", hint.msg);
	return status;
}
