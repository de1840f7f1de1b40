/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Docker sockets that the guard gave to containers (socket/grants.h): each may be mounted by one container, whoever asks
 * the engine for it. The second line behind the guard's own rules.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "codec/idtext.h"
#include "codec/lexpath.h"
#include "runtime/plan.h"
#include "socket/token.h"
#include "sys/missing.h"
#include "sys/path.h"
#include "sys/root-dir.h"

#define REFUSED "error in the container spec: can't mount %s: "

/* The token in "<directory>/<token>/docker.sock"; false: some other path. */
static bool find_token(const char *path, const char *directory, char ret[static GRANT_TOKEN_LEN + 1])
{
	const char *rest = lex_below(path, lex_whole(directory)), *name = rest ? lex_after(rest, NULL) : NULL;

	if (!name || strcmp(name, TOKEN_SOCKET) != 0 || lex_first_len(rest) != GRANT_TOKEN_LEN)
		return false;
	memcpy(ret, rest, GRANT_TOKEN_LEN);
	ret[GRANT_TOKEN_LEN] = '\0';
	return token_is_valid(ret);
}

/* The token's directory, if the source is the socket in it and nobody but root can make another so. */
static int open_token(const char *directory, const char *token, int fd, const char *source, struct err *e)
{
	_cleanup_close_ int dir = root_dir_open(directory, false, e), at = -EBADF;
	uint64_t mount, dir_mount;
	struct stat st, own, there;
	bool is_root;
	int r;

	if (dir < 0)
		return err_ctx(e, dir, "error in the container spec: can't mount %s", source);
	at = openat(dir, token, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (at < 0 || fstat(at, &st) < 0 || fstatat(at, TOKEN_SOCKET, &there, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(e, errno, REFUSED "look at its directory", source);
	if (!is_roots_alone(&st))
		return err_set(e, EPERM, REFUSED "its directory is not root's alone", source);
	r = fstat(fd, &own) < 0 ? -errno : path_mnt_id(fd, &mount, &is_root);
	if (r == 0)
		r = path_mnt_id(at, &dir_mount, &is_root);
	if (r < 0)
		return err_sys(e, -r, REFUSED "look at it", source);
	/* The other mount: another socket, as the engine's, that is bound over it. */
	if (!S_ISSOCK(there.st_mode) || there.st_dev != own.st_dev || there.st_ino != own.st_ino ||
	    mount != dir_mount)
		return err_set(e, EPERM, REFUSED "it is not the socket that the guard (caissond) made", source);
	return TAKE_FD(at);
}

/* Is the container named in the file "container"? */
static int check_owner(int at, const char *id, const char *source, struct err *e)
{
	/* A FIFO must not stop anybody. */
	_cleanup_close_ int fd =
		openat(at, TOKEN_CONTAINER, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	_cleanup_free_ char *text = NULL;
	struct stat st;
	int r;

	if (fd < 0 && errno == ENOENT)
		return err_set(e, EPERM,
			       REFUSED "it has not been granted; start the container through the guard (caissond)",
			       source);
	if ((fd < 0 && (errno == ELOOP || errno == ENXIO)) ||
	    (fd >= 0 && fstat(fd, &st) == 0 && (!S_ISREG(st.st_mode) || !is_roots_alone(&st))))
		return err_set(e, EPERM, REFUSED "the file \"container\" beside it is not a file of root's alone",
			       source);
	r = fd < 0 ? -errno : io_read_fd(fd, 256, &text, NULL);
	if (r < 0 && r != -EFBIG)
		return err_sys(e, -r, REFUSED "read the file \"container\" beside it", source);
	if (r < 0 || strcmp(text, id) != 0)
		return err_set(e, EPERM, REFUSED "this Docker socket belongs to another container", source);
	return 0;
}

int plan_socket(const struct plan *p, struct planned_mount *m, const char *id, int fd, const char *path,
		struct err *e)
{
	const uint64_t always = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
	const char *directory = p->settings->socket.directory, *source = m->spec->source;
	_cleanup_close_ int at = -EBADF;
	char token[GRANT_TOKEN_LEN + 1];
	int r;

	if (!find_token(path, directory, token))
		return 0;
	at = open_token(directory, token, fd, source, e);
	if (at < 0)
		return at;
	r = check_owner(at, id, source, e);
	if (r < 0)
		return r;
	m->socket = malloc(sizeof *m->socket);
	if (!m->socket)
		return err_sys(e, ENOMEM, "Docker socket");
	m->socket->dir = TAKE_FD(at);
	m->opt.set |= always;
	m->opt.clear &= ~always;
	return 1;
}

int stage_socket(const struct planned_socket *socket, int mnt, uint32_t base, struct err *e)
{
	struct stat st;
	char text[32];
	int len, r;

	if (fstat(socket->dir, &st) < 0)
		return err_sys(e, errno, "directory of the Docker socket");
	/* First, and anew at each start: nobody else's ids are let in from now on. */
	len = snprintf(text, sizeof text, "%u %u\n", base, ID_RANGE);
	r = io_replace_at(socket->dir, TOKEN_IDS, text, (size_t)len, 0600);
	if (r < 0)
		return err_sys(e, -r, "write whose the Docker socket is");
	/* Not an id-mapped mount, which not every kernel has for what /run is on (tmpfs: 6.3). */
	if (fchownat(mnt, "", base, base + (st.st_gid < ID_RANGE ? st.st_gid : 0), AT_EMPTY_PATH) < 0)
		return err_sys(e, errno, "owner of the Docker socket");
	return 0;
}

void planned_socket_free(struct planned_socket *socket)
{
	if (!socket)
		return;
	(void)fd_close(socket->dir);
	free(socket);
}
