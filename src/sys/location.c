/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "codec/mountinfo.h"
#include "sys/location.h"
#include "sys/path.h"

#define MOUNTINFO_MAX (64u << 20)

/* PATH behind PREFIX on component boundaries: "" or "/rest"; NULL when it is not below. */
static const char *below(const char *path, const char *prefix)
{
	size_t len = strlen(prefix);

	if (len == 1 && prefix[0] == '/')
		return path[1] ? path : "";
	if (strncmp(path, prefix, len) != 0 || (path[len] != '\0' && path[len] != '/'))
		return NULL;
	return path + len;
}

static char *join(const char *dir, const char *rest)
{
	char *s = NULL;

	if (strcmp(dir, "/") == 0 && *rest)
		dir = "";
	return asprintf(&s, "%s%s", dir, rest) < 0 ? NULL : s;
}

/*
 * The mount @id and, of all mounts of its file system, the one that shows most of it: of equals the older, which is the
 * first in the list. @text is modified, and the results point into it.
 */
static int find_mounts(char *text, uint64_t id, struct mountinfo *own, struct mountinfo *widest)
{
	_cleanup_free_ struct mountinfo *all = NULL;
	size_t n = 0, lines = 1, k;
	struct mountinfo m;
	int r = 0;

	for (const char *s = text; *s; s++)
		lines += *s == '\n';
	all = calloc(lines, sizeof *all);
	if (!all)
		return -ENOMEM;
	while (n < lines && (r = mountinfo_next(&text, &m)) > 0)
		all[n++] = m;
	for (k = 0; k < n && all[k].id != id; k++)
		;
	if (r < 0 || k == n)
		return r < 0 ? r : -ENOENT;
	*own = *widest = all[k];
	for (size_t i = n; i-- > 0;)
		if (all[i].major == own->major && all[i].minor == own->minor && below(own->root, all[i].root) &&
		    strlen(all[i].root) <= strlen(widest->root))
			*widest = all[i];
	return 0;
}

static int look_behind_binds(int proc_fd, uint64_t id, struct location *l)
{
	_cleanup_free_ char *text = NULL, *in_fs = NULL;
	struct mountinfo own = { 0 }, widest = { 0 };
	const char *rest;
	int r = io_read_at(proc_fd, "self/mountinfo", MOUNTINFO_MAX, &text, NULL);

	if (r == 0)
		r = find_mounts(text, id, &own, &widest);
	if (r < 0)
		return r;
	rest = below(l->path, own.target);
	if (!rest)
		return -ENOENT;
	in_fs = join(own.root, rest);
	rest = in_fs ? below(in_fs, widest.root) : NULL;
	l->fstype = strdup(own.fstype);
	l->mount_point = strdup(own.target);
	l->real_mount = strdup(widest.target);
	/* Only part of the file system is mounted anywhere: nobody can tell what else this is. */
	l->real_path = rest && strcmp(widest.root, "/") == 0 ? join(widest.target, rest) : NULL;
	/* NFS says "/" of whatever part is mounted (nfs_show_path()), and parts of one server share a device number. */
	if (l->real_path && strncmp(own.fstype, "nfs", 3) == 0 && !path_leads_to(l->real_path, &l->st)) {
		free(l->real_path);
		l->real_path = NULL;
	}
	return in_fs && l->fstype && l->mount_point && l->real_mount ? 0 : -ENOMEM;
}

int location_of_fd(int proc_fd, int fd, struct location *ret)
{
	_cleanup_close_ int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	uint64_t id, root_id;
	bool root_is_root;
	int r;

	if (fstat(fd, &ret->st) < 0)
		return -errno;
	r = path_of_fd(proc_fd, fd, &ret->path);
	if (r == 0)
		r = path_mnt_id(fd, &id, &ret->is_mount_root);
	if (r == 0)
		r = path_mnt_id(root, &root_id, &root_is_root);
	if (r < 0)
		return r;
	if (id != root_id)
		return look_behind_binds(proc_fd, id, ret);
	/* On the root mount itself nothing is an alias, and the list of all mounts need not be read. */
	ret->real_path = strdup(ret->path);
	ret->fstype = strdup("rootfs");
	ret->mount_point = strdup("/");
	return ret->real_path && ret->fstype && ret->mount_point ? 0 : -ENOMEM;
}

void location_done(struct location *l)
{
	free(l->path);
	free(l->real_path);
	free(l->fstype);
	free(l->mount_point);
	free(l->real_mount);
}
