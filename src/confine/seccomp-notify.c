/* SPDX-License-Identifier: Apache-2.0 */
#include "confine/confine.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"

#define AGENT_TIMEOUT 10 /* seconds; an agent that does not accept must not hold up the creation for ever */

static void json_decref_func(json_t **j)
{
	json_decref(*j);
}

/* The message is the OCI "container process state". */
static int state_text(pid_t pid, const char *metadata, const char *state_json, char **ret, struct err *e)
{
	_cleanup_(json_decref_func) json_t *state = NULL, *msg = NULL;
	const char *version;
	json_error_t je;
	char *text;

	state = json_loads(state_json, JSON_REJECT_DUPLICATES, &je);
	if (!json_is_object(state) || !(version = json_string_value(json_object_get(state, "ociVersion"))))
		return err_set(e, EINVAL,
			       "seccomp listener: the container state is not a JSON object with ociVersion");
	msg = json_pack("{s:s, s:[s], s:i, s:s*, s:O}", "ociVersion", version, "fds", "seccompFd", "pid", (int)pid,
			"metadata", metadata && *metadata ? metadata : NULL, "state", state);
	if (!msg)
		return err_set(e, EINVAL, "seccomp listener: listenerMetadata is not UTF-8");
	if (!(text = json_dumps(msg, JSON_COMPACT)))
		return err_sys(e, ENOMEM, "seccomp listener");
	*ret = text;
	return 0;
}

static int agent_connect(const char *path, int *ret_fd, struct err *e)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	const struct timeval timeout = { .tv_sec = AGENT_TIMEOUT };
	_cleanup_close_ int fd = -EBADF;
	size_t len = strlen(path);

	if (path[0] != '/' || len >= sizeof sa.sun_path)
		return err_set(e, EINVAL,
			       "linux.seccomp.listenerPath: '%s' must be absolute and shorter than %zu bytes",
			       path, sizeof sa.sun_path);
	memcpy(sa.sun_path, path, len);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_sys(e, errno, "seccomp listener: socket");
	/* Limits connect(2) to a full backlog as well as the sending. */
	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout) < 0)
		return err_sys(e, errno, "seccomp listener: SO_SNDTIMEO");
	if (connect(fd, (const struct sockaddr *)&sa, sizeof sa) < 0)
		return err_sys(e, errno,
			       "linux.seccomp.listenerPath: connect to '%s' (is the seccomp agent running?)",
			       path);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

/* The descriptor travels with the first byte; a stream may take the rest in pieces. */
static int send_with_fd(int sock, const char *buf, size_t len, int fd)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	size_t done = 0;

	while (done < len) {
		char *rest = (char *)(uintptr_t)(buf + done);
		struct iovec iov = { .iov_base = rest, .iov_len = len - done };
		struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
		ssize_t n;

		if (done == 0) {
			struct cmsghdr *c;

			msg.msg_control = control.buf;
			msg.msg_controllen = sizeof control.buf;
			c = CMSG_FIRSTHDR(&msg);
			c->cmsg_level = SOL_SOCKET;
			c->cmsg_type = SCM_RIGHTS;
			c->cmsg_len = CMSG_LEN(sizeof fd);
			memcpy(CMSG_DATA(c), &fd, sizeof fd);
		}
		n = sendmsg(sock, &msg, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		done += (size_t)n;
	}
	return 0;
}

int seccomp_notify_send(const char *path, int listener, pid_t pid, const char *metadata, const char *state_json,
			struct err *e)
{
	_cleanup_close_ int sock = -EBADF;
	_cleanup_free_ char *text = NULL;
	int r;

	if ((r = state_text(pid, metadata, state_json, &text, e)) < 0)
		return r;
	if ((r = agent_connect(path, &sock, e)) < 0)
		return r;
	r = send_with_fd(sock, text, strlen(text), listener);
	return r < 0 ? err_sys(e, -r, "linux.seccomp.listenerPath: send to '%s'", path) : 0;
}
