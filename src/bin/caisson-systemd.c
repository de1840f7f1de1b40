/* SPDX-License-Identifier: Apache-2.0 */
/*
 * caisson-systemd: the systemd cgroup driver's D-Bus half. The runtime runs it as root with an empty environment.
 *
 *   caisson-systemd start UNIT   make the transient scope UNIT, wait until it is started, print its control group
 *   caisson-systemd set UNIT     change properties of the running UNIT (not kept over a reboot)
 *   caisson-systemd stop UNIT    stop UNIT, wait until it is gone, forget a failed one
 *
 * start and set read one property for each line of stdin:
 *
 *   NAME SIGNATURE VALUE
 *
 * SIGNATURE is b (0 or 1), t (decimal), s (the rest of the line), au (one decimal number), ay (hexadecimal bytes), or
 * a(ss) ("PATH ACCESS"; lines with the same NAME that follow each other are one array, a line without VALUE adds
 * nothing).
 *
 * Exit status: 0 done; 1 failed, with one line on stderr; 2 usage; 3 there is no such unit (set, stop).
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/num.h"

#define MANAGER	      "org.freedesktop.systemd1.Manager"
#define MANAGER_PATH  "/org/freedesktop/systemd1"
#define INPUT_MAX     (1u << 20)
#define JOB_TIMEOUT_S 30
#define EXIT_NO_UNIT  3

struct job {
	const char *path;
	char result[64];
	bool done;
};

static const char *destination = "org.freedesktop.systemd1";

static int fail(int r, const sd_bus_error *error, const char *what)
{
	const char *text = error && sd_bus_error_is_set(error) && error->message ? error->message : strerror(-r);

	(void)fprintf(stderr, "%s: %s\n", what, text);
	return r < 0 ? r : -EIO;
}

static int open_bus(sd_bus **ret)
{
	_cleanup_(sd_bus_unrefp) sd_bus *bus = NULL;
	int r = sd_bus_open_system(ret);

	if (r >= 0)
		return r;
	/* no message bus on this host, or not yet: systemd's own socket, for root */
	r = sd_bus_new(&bus);
	if (r >= 0)
		r = sd_bus_set_address(bus, "unix:path=/run/systemd/private");
	if (r >= 0)
		r = sd_bus_start(bus);
	if (r < 0)
		return r;
	destination = NULL;
	*ret = TAKE_PTR(bus);
	return 0;
}

static int append_bytes(sd_bus_message *m, const char *hex)
{
	size_t len = strlen(hex);
	unsigned char buf[2048];

	if (len == 0 || len % 2 || len / 2 > sizeof buf || hex[strspn(hex, "0123456789abcdef")])
		return -EINVAL;
	for (size_t i = 0; i < len; i += 2) {
		char byte[3] = { hex[i], hex[i + 1], '\0' };

		buf[i / 2] = (unsigned char)strtoul(byte, NULL, 16);
	}
	return sd_bus_message_append_array(m, 'y', buf, len / 2);
}

static int append_simple(sd_bus_message *m, const char *sig, const char *value)
{
	uint64_t v;

	if (strcmp(sig, "s") == 0)
		return sd_bus_message_append(m, "s", value);
	if (strcmp(sig, "ay") == 0)
		return append_bytes(m, value);
	if (strcmp(sig, "b") == 0)
		return num_u64(value, 1, &v) < 0 ? -EINVAL : sd_bus_message_append(m, "b", (int)v);
	if (strcmp(sig, "t") == 0)
		return num_u64(value, UINT64_MAX, &v) < 0 ? -EINVAL : sd_bus_message_append(m, "t", v);
	if (strcmp(sig, "au") == 0)
		return num_u64(value, UINT32_MAX, &v) < 0 ? -EINVAL
							  : sd_bus_message_append(m, "au", 1, (uint32_t)v);
	return -EINVAL;
}

/* "PATH ACCESS" into the open array of pairs */
static int append_pair(sd_bus_message *m, char *value)
{
	char *blank = strrchr(value, ' ');

	if (!blank)
		return -EINVAL;
	*blank = '\0';
	return sd_bus_message_append(m, "(ss)", value, blank + 1);
}

/* Cut one line into its three fields. Return: 1, 0 at the end, -EINVAL. */
static int next_line(char **p, char **name, char **sig, char **value)
{
	static char none[1];
	char *s = *p;
	size_t len;

	if (!*s)
		return 0;
	len = strcspn(s, "\n");
	*p = s + len + (s[len] == '\n');
	s[len] = '\0';
	*name = s;
	*sig = strchr(s, ' ');
	if (!*sig || *sig == s)
		return -EINVAL;
	*(*sig)++ = '\0';
	*value = strchr(*sig, ' ');
	if (*value)
		*(*value)++ = '\0';
	else
		*value = none;
	return 1;
}

/* All the (sv) of stdin, as the array that the message expects next. */
static int append_properties(sd_bus_message *m, char *text)
{
	char *name, *sig, *value, *next;
	int r = sd_bus_message_open_container(m, 'a', "(sv)"), more;

	while (r >= 0 && (more = next_line(&text, &name, &sig, &value)) != 0) {
		if (more < 0)
			return more;
		r = sd_bus_message_open_container(m, 'r', "sv");
		if (r >= 0)
			r = sd_bus_message_append(m, "s", name);
		if (r >= 0)
			r = sd_bus_message_open_container(m, 'v', sig);
		if (r >= 0 && strcmp(sig, "a(ss)") != 0) {
			r = append_simple(m, sig, value);
		} else if (r >= 0) {
			size_t len = strlen(name);

			r = sd_bus_message_open_container(m, 'a', "(ss)");
			while (r >= 0) {
				if (*value)
					r = append_pair(m, value);
				next = text;
				if (r < 0 || strncmp(next, name, len) != 0 ||
				    strncmp(next + len, " a(ss)", 6) != 0)
					break;
				(void)next_line(&text, &name, &sig, &value);
			}
			if (r >= 0)
				r = sd_bus_message_close_container(m);
		}
		if (r >= 0)
			r = sd_bus_message_close_container(m);
		if (r >= 0)
			r = sd_bus_message_close_container(m);
	}
	return r < 0 ? r : sd_bus_message_close_container(m);
}

static int on_job_removed(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	const char *path, *unit, *result;
	struct job *job = userdata;
	uint32_t id;

	(void)error;
	if (sd_bus_message_read(m, "uoss", &id, &path, &unit, &result) < 0)
		return 0;
	if (!job->done && job->path && strcmp(job->path, path) == 0) {
		(void)snprintf(job->result, sizeof job->result, "%s", result);
		job->done = true;
	}
	return 0;
}

static int wait_job(sd_bus *bus, struct job *job, const char *unit)
{
	struct timespec t;
	time_t end;
	int r;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	end = t.tv_sec + JOB_TIMEOUT_S;
	while (!job->done) {
		r = sd_bus_process(bus, NULL);
		if (r < 0)
			return fail(r, NULL, "wait for systemd");
		if (r > 0)
			continue;
		(void)clock_gettime(CLOCK_MONOTONIC, &t);
		if (t.tv_sec >= end) {
			(void)fprintf(stderr, "%s: systemd did not finish within %d seconds\n", unit,
				      JOB_TIMEOUT_S);
			return -ETIMEDOUT;
		}
		r = sd_bus_wait(bus, 1000000);
		if (r < 0 && r != -EINTR)
			return fail(r, NULL, "wait for systemd");
	}
	if (strcmp(job->result, "done") == 0)
		return 0;
	(void)fprintf(stderr, "%s: job ended with result \"%s\"\n", unit, job->result);
	return -EIO;
}

/* Send @m (takes the reference), whose reply is a job, and wait for that job. */
static int call_job(sd_bus *bus, sd_bus_message *m, struct job *job, sd_bus_error *error, const char *unit)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *call = m, *reply = NULL;
	int r = sd_bus_call(bus, call, 0, error, &reply);

	if (r < 0)
		return r;
	r = sd_bus_message_read(reply, "o", &job->path);
	if (r < 0)
		return fail(r, NULL, unit);
	/* replies and signals come in order, and signals are queued until sd_bus_process(): none
	 * can be missed */
	return wait_job(bus, job, unit);
}

static int subscribe(sd_bus *bus, struct job *job)
{
	int r = sd_bus_match_signal(bus, NULL, destination, MANAGER_PATH, MANAGER, "JobRemoved", on_job_removed,
				    job);

	if (r >= 0)
		r = sd_bus_call_method(bus, destination, MANAGER_PATH, MANAGER, "Subscribe", NULL, NULL, NULL);
	return r < 0 ? fail(r, NULL, "subscribe to systemd's signals") : 0;
}

static void reset_failed(sd_bus *bus, const char *unit)
{
	(void)sd_bus_call_method(bus, destination, MANAGER_PATH, MANAGER, "ResetFailedUnit", NULL, NULL, "s",
				 unit);
}

static int print_control_group(sd_bus *bus, const char *unit)
{
	_cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
	_cleanup_free_ char *group = NULL;
	const char *path;
	int r;

	r = sd_bus_call_method(bus, destination, MANAGER_PATH, MANAGER, "GetUnit", &error, &reply, "s", unit);
	if (r >= 0)
		r = sd_bus_message_read(reply, "o", &path);
	if (r >= 0)
		r = sd_bus_get_property_string(bus, destination, path, "org.freedesktop.systemd1.Scope",
					       "ControlGroup", &error, &group);
	if (r < 0)
		return fail(r, &error, "get the unit's control group");
	(void)printf("%s\n", group);
	return fflush(stdout) == 0 ? 0 : -EIO;
}

static int start_once(sd_bus *bus, const char *unit, const char *input, sd_bus_error *error, struct job *job)
{
	_cleanup_free_ char *text = strdup(input);
	sd_bus_message *m = NULL;
	int r;

	if (!text)
		return -ENOMEM;
	r = sd_bus_message_new_method_call(bus, &m, destination, MANAGER_PATH, MANAGER, "StartTransientUnit");
	if (r >= 0)
		r = sd_bus_message_append(m, "ss", unit, "fail");
	if (r >= 0)
		r = append_properties(m, text);
	if (r >= 0)
		r = sd_bus_message_append(m, "a(sa(sv))", 0);
	if (r < 0) {
		sd_bus_message_unref(m);
		return r;
	}
	return call_job(bus, m, job, error, unit);
}

static int do_start(sd_bus *bus, const char *unit, const char *input)
{
	_cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
	struct job job = { 0 };
	int r = subscribe(bus, &job);

	if (r < 0)
		return r;
	r = start_once(bus, unit, input, &error, &job);
	if (r < 0 && sd_bus_error_has_name(&error, "org.freedesktop.systemd1.UnitExists")) {
		/* left over, failed, from a container of the same name; a running one stays and is
		 * refused again */
		reset_failed(bus, unit);
		sd_bus_error_free(&error);
		r = start_once(bus, unit, input, &error, &job);
	}
	if (r < 0)
		return job.path ? r : fail(r, &error, "StartTransientUnit");
	return print_control_group(bus, unit);
}

static int do_set(sd_bus *bus, const char *unit, char *input)
{
	_cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
	int r = sd_bus_message_new_method_call(bus, &m, destination, MANAGER_PATH, MANAGER, "SetUnitProperties");

	if (r >= 0)
		r = sd_bus_message_append(m, "sb", unit, 1);
	if (r >= 0)
		r = append_properties(m, input);
	if (r >= 0)
		r = sd_bus_call(bus, m, 0, &error, NULL);
	if (sd_bus_error_has_name(&error, "org.freedesktop.systemd1.NoSuchUnit"))
		return -ENOENT;
	return r < 0 ? fail(r, &error, "SetUnitProperties") : 0;
}

static int do_stop(sd_bus *bus, const char *unit)
{
	_cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
	sd_bus_message *m = NULL;
	struct job job = { 0 };
	int r = subscribe(bus, &job);

	if (r < 0)
		return r;
	r = sd_bus_message_new_method_call(bus, &m, destination, MANAGER_PATH, MANAGER, "StopUnit");
	if (r >= 0)
		r = sd_bus_message_append(m, "ss", unit, "replace");
	if (r < 0) {
		sd_bus_message_unref(m);
		return fail(r, NULL, "StopUnit");
	}
	r = call_job(bus, m, &job, &error, unit);
	if (sd_bus_error_has_name(&error, "org.freedesktop.systemd1.NoSuchUnit"))
		return -ENOENT;
	reset_failed(bus, unit);
	if (r < 0)
		return job.path ? r : fail(r, &error, "StopUnit");
	return 0;
}

int main(int argc, char **argv)
{
	_cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
	_cleanup_free_ char *input = NULL;
	const char *verb = argc == 3 ? argv[1] : "";
	int r;

	if (strcmp(verb, "start") != 0 && strcmp(verb, "set") != 0 && strcmp(verb, "stop") != 0) {
		(void)fprintf(stderr, "usage: caisson-systemd {start|set|stop} UNIT <PROPERTIES "
				      "(run by caisson)\n");
		return 2;
	}
	if (strcmp(verb, "stop") != 0 && (r = io_read_fd(STDIN_FILENO, INPUT_MAX, &input, NULL)) < 0) {
		(void)fail(r, NULL, "read the properties");
		return 1;
	}
	r = open_bus(&bus);
	if (r < 0) {
		(void)fail(r, NULL, "connect to systemd");
		return 1;
	}
	if (strcmp(verb, "start") == 0)
		r = do_start(bus, argv[2], input);
	else if (strcmp(verb, "set") == 0)
		r = do_set(bus, argv[2], input);
	else
		r = do_stop(bus, argv[2]);
	return r == 0 ? 0 : r == -ENOENT ? EXIT_NO_UNIT : 1;
}
