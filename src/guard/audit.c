/* SPDX-License-Identifier: Apache-2.0 */
#include "guard/audit.h"

#include <ctype.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "guard/text.h"

#define JOURNAL_SOCKET "/run/systemd/journal/socket"
#define FIELD_MAX      4096u /* of one value; a dozen of them are far below what a datagram may have */

struct audit {
	const char *file;	    /* NULL: none */
	int fd;			    /* of the file */
	bool torn;		    /* it ends within a line: no space was left */
	int socket;		    /* to the journal; -EBADF: none */
	struct sockaddr_un address; /* of the journal */
};

bool audit_is_journal(const char *where)
{
	size_t n = sizeof AUDIT_JOURNAL - 1;

	return strncmp(where, AUDIT_JOURNAL, n) == 0 && (where[n] == '\0' || where[n] == ':');
}

static int open_file(struct audit *a, struct err *e)
{
	int fd = open(a->file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0640);

	if (fd < 0)
		return err_sys(e, errno, "audit file %s", a->file);
	(void)fd_close(a->fd);
	a->fd = fd;
	a->torn = false;
	return 0;
}

/* The socket stays unconnected: journald may be restarted, and its socket be another one then. */
static int open_journal(struct audit *a, const char *where, struct err *e)
{
	const char *colon = strchr(where, ':'), *path = colon ? colon + 1 : JOURNAL_SOCKET;
	_cleanup_close_ int probe = -EBADF;
	int r;

	a->address.sun_family = AF_UNIX;
	if (*path != '/' || strlen(path) >= sizeof a->address.sun_path)
		return err_set(e, EINVAL, "audit %.200s: give journal:/absolute/path/of/the/socket", where);
	memcpy(a->address.sun_path, path, strlen(path) + 1);
	a->socket = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	probe = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (a->socket < 0 || probe < 0)
		return err_sys(e, errno, "audit");
	if (connect(probe, (const struct sockaddr *)&a->address, sizeof a->address) == 0)
		return 0;
	r = err_set(e, errno, "audit: no journal listens on %s (%s); start systemd-journald%s", path,
		    strerrordesc_np(errno), a->file ? "" : ", or give a file with --audit");
	return a->file ? 1 : r;
}

int audit_open(const char *file, const char *journal, struct audit **ret, struct err *e)
{
	struct audit *a = malloc(sizeof *a);
	int r;

	if (!a)
		return err_sys(e, ENOMEM, "audit");
	*a = (struct audit){ .file = file, .fd = -EBADF, .socket = -EBADF };
	r = file ? open_file(a, e) : 0;
	if (r == 0 && journal)
		r = open_journal(a, journal, e);
	if (r < 0) {
		audit_close(a);
		return r;
	}
	*ret = a;
	return r;
}

void audit_close(struct audit *a)
{
	if (!a)
		return;
	(void)fd_close(a->fd);
	(void)fd_close(a->socket);
	free(a);
}

/* Is the file that we have open still the one of that name? */
static bool rotated(const struct audit *a)
{
	struct stat mine, named;

	return fstat(a->fd, &mine) < 0 || stat(a->file, &named) < 0 || mine.st_ino != named.st_ino ||
	       mine.st_dev != named.st_dev;
}

static json_t *exe_of(pid_t pid)
{
	char link[32], exe[PATH_MAX];
	ssize_t n;

	(void)snprintf(link, sizeof link, "/proc/%d/exe", pid);
	n = readlink(link, exe, sizeof exe - 1);
	if (n < 0)
		return json_null();
	exe[n] = '\0';
	return text_json(exe);
}

static json_t *now(void)
{
	struct timespec ts;
	struct tm tm;
	char day[32], text[64];

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	(void)gmtime_r(&ts.tv_sec, &tm);
	(void)strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", &tm);
	(void)snprintf(text, sizeof text, "%s.%03ldZ", day, ts.tv_nsec / 1000000);
	return json_string(text);
}

static json_t *event_json(const struct audit_event *ev)
{
	return json_pack("{so ss sI sI so so so so so so so so so}", "time", now(), "action", ev->action, "uid",
			 (json_int_t)ev->uid, "pid", (json_int_t)ev->pid, "exe", exe_of(ev->pid), "route",
			 text_json(ev->route), "container", text_json(ev->container), "image",
			 text_json(ev->image), "socket", text_json(ev->socket), "rule", text_json(ev->rule),
			 "setting", text_json(ev->setting), "origin", text_json(ev->origin), "message",
			 text_json(ev->message));
}

static int write_file(struct audit *a, const json_t *event, struct err *e)
{
	_cleanup_free_ char *line = json_dumps(event, JSON_COMPACT);
	struct stat before, after;
	size_t n;
	int r;

	if (!line)
		return err_sys(e, ENOMEM, "audit file %s", a->file);
	if (rotated(a)) {
		r = open_file(a, e);
		if (r < 0)
			return r;
	}
	n = strlen(line);
	line[n] = '\n'; /* instead of the NUL: one write */
	r = a->torn ? io_write_all(a->fd, "\n", 1) : 0;
	if (r == 0) {
		bool sized = fstat(a->fd, &before) == 0;

		r = io_write_all(a->fd, line, n + 1);
		a->torn = r < 0 && sized && fstat(a->fd, &after) == 0 && after.st_size > before.st_size;
	}
	return r < 0 ? err_sys(e, -r, "audit file %s", a->file) : 0;
}

/* ---- the journal ---- */

/*
 * Always with its length, so that a line feed in a value cannot begin another field. A long value is cut where a
 * character ends.
 */
static void put_field(FILE *f, const char *name, const char *value)
{
	size_t n = strlen(value);
	uint64_t le;

	if (n > FIELD_MAX) {
		n = FIELD_MAX;
		while (((unsigned char)value[n] & 0xc0) == 0x80)
			n--;
	}
	le = htole64(n);
	fprintf(f, "%s\n", name);
	(void)fwrite(&le, sizeof le, 1, f);
	(void)fwrite(value, 1, n, f);
	(void)fputc('\n', f);
}

static const char *member(const json_t *event, const char *key)
{
	const char *s = json_string_value(json_object_get(event, key));

	return s ? s : "-";
}

static void put_event(FILE *f, json_t *event)
{
	char text[FIELD_MAX], number[24], name[48];
	bool refused = strcmp(member(event, "action"), "refused") == 0;
	const char *key;
	json_t *v;

	(void)snprintf(text, sizeof text, "%s %.64s of uid %" JSON_INTEGER_FORMAT " (%.256s): %s",
		       member(event, "action"), member(event, "route"),
		       json_integer_value(json_object_get(event, "uid")), member(event, "exe"),
		       member(event, "message"));
	put_field(f, "MESSAGE", text);
	put_field(f, "PRIORITY", refused ? "4" : "5"); /* warning, notice */
	put_field(f, "SYSLOG_IDENTIFIER", "caissond");
	json_object_foreach(event, key, v) {
		size_t n;

		if (json_is_null(v))
			continue;
		n = (size_t)snprintf(name, sizeof name, "CAISSON_%s", key);
		for (size_t i = 0; i < n && i < sizeof name; i++)
			name[i] = (char)toupper((unsigned char)name[i]);
		(void)snprintf(number, sizeof number, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
		put_field(f, name, json_is_integer(v) ? number : json_string_value(v));
	}
}

static int write_journal(const struct audit *a, json_t *event, struct err *e)
{
	_cleanup_free_ char *data = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&data, &len);
	ssize_t n;

	if (!f)
		return err_sys(e, ENOMEM, "audit: %s", a->address.sun_path);
	put_event(f, event);
	if (fclose(f) != 0)
		return err_sys(e, ENOMEM, "audit: %s", a->address.sun_path);
	do {
		n = sendto(a->socket, data, len, MSG_DONTWAIT | MSG_NOSIGNAL, (const struct sockaddr *)&a->address,
			   sizeof a->address);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? err_sys(e, errno, "audit: one event is %s: %s", a->file ? "in the file only" : "lost",
			       a->address.sun_path)
		     : 0;
}

int audit_write(struct audit *a, const struct audit_event *ev, struct err *e)
{
	json_t *event = event_json(ev);
	int r, q;

	if (!event)
		return err_sys(e, ENOMEM, "audit");
	r = a->file ? write_file(a, event, e) : 0;
	q = a->socket >= 0 ? write_journal(a, event, r < 0 ? NULL : e) : 0;
	json_decref(event);
	return r < 0 ? r : q;
}
