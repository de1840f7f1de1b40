/* SPDX-License-Identifier: Apache-2.0 */
/* Bind mount sources: opened once, found out about, judged by policy, cloned from the same fd (A4, A5, A47, A121). */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "runtime/plan.h"
#include "runtime/source.h"
#include "sys/missing.h"
#include "sys/mnt.h"
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

/* Find the mount with MNT_ID and, of all mounts of its file system, the one that shows most of it. */
static int find_pair(const char *text, uint64_t mnt_id, struct mountinfo *own, struct mountinfo *widest,
		     char **ret_own, char **ret_widest)
{
	_cleanup_free_ char *first = strdup(text), *second = strdup(text);
	struct mountinfo m;
	const char *fs_path;
	bool found = false;
	char *cursor;
	int r;

	if (!first || !second)
		return -ENOMEM;
	cursor = first;
	while ((r = mountinfo_next(&cursor, &m)) > 0)
		if (m.id == mnt_id) {
			*own = m;
			found = true;
			break;
		}
	if (r < 0 || !found)
		return r < 0 ? r : -ENOENT;
	fs_path = own->root;
	found = false;
	cursor = second;
	while ((r = mountinfo_next(&cursor, &m)) > 0) {
		if (m.major != own->major || m.minor != own->minor || !below(fs_path, m.root))
			continue;
		/* Shorter root wins; of equal ones the older, which is the first in the list. */
		if (!found || strlen(m.root) < strlen(widest->root))
			*widest = m;
		found = true;
	}
	*ret_own = TAKE_PTR(first);
	*ret_widest = TAKE_PTR(second);
	return r < 0 ? r : 0;
}

static char *join(const char *dir, const char *rest)
{
	char *s = NULL;

	if (strcmp(dir, "/") == 0)
		dir = "";
	if (asprintf(&s, "%s%s", dir, rest) < 0)
		return NULL;
	if (*s == '\0') {
		free(s);
		return strdup("/");
	}
	return s;
}

/*
 * Where does this object lie if one ignores bind mounts? "/var/lib/docker/volumes/v/_data" that is a bind mount of
 * /etc/docker is /etc/docker. A whole file system that is mounted twice is at the older place.
 */
static int real_location(const struct runtime *rt, uint64_t mnt_id, struct source_info *s)
{
	_cleanup_free_ char *text = NULL, *own_text = NULL, *widest_text = NULL, *fs_path = NULL;
	struct mountinfo own = { 0 }, widest = { 0 };
	const char *rest;
	int r;

	r = io_read_at(rt->proc_fd, "self/mountinfo", MOUNTINFO_MAX, &text, NULL);
	if (r == 0)
		r = find_pair(text, mnt_id, &own, &widest, &own_text, &widest_text);
	if (r < 0)
		return r;
	rest = below(s->path, own.target);
	if (!rest)
		return -ENOENT;
	fs_path = join(own.root, rest);
	rest = fs_path ? below(fs_path, widest.root) : NULL;
	s->fstype = strdup(own.fstype);
	s->mount_point = strdup(own.target);
	s->real_mount = strdup(widest.target);
	/* Only part of the file system is mounted anywhere: nobody can tell what else this is. */
	s->real_path = rest && strcmp(widest.root, "/") == 0 ? join(widest.target, rest) : NULL;
	/* NFS says "/" of whatever part is mounted (nfs_show_path()), and parts of one server share a device number. */
	if (s->real_path && strncmp(own.fstype, "nfs", 3) == 0 && !path_leads_to(s->real_path, &s->st)) {
		free(s->real_path);
		s->real_path = NULL;
	}
	return s->fstype && s->mount_point && s->real_mount ? 0 : -ENOMEM;
}

void source_info_done(struct source_info *s)
{
	free(s->path);
	free(s->real_path);
	free(s->fstype);
	free(s->mount_point);
	free(s->real_mount);
}

int source_describe(const struct runtime *rt, int fd, struct source_info *s, struct err *e)
{
	_cleanup_close_ int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	uint64_t id, root_id;
	bool root_is_root;
	int r;

	if (fstat(fd, &s->st) < 0)
		return err_sys(e, errno, "stat");
	r = path_of_fd(rt->proc_fd, fd, &s->path);
	if (r == 0)
		r = path_mnt_id(fd, &id, &s->is_mount_root);
	if (r == 0)
		r = path_mnt_id(root, &root_id, &root_is_root);
	if (r == 0 && id == root_id) {
		/* On the host's root mount itself: no alias, and no need to read the list of all mounts. */
		s->real_path = strdup(s->path);
		s->fstype = strdup("rootfs");
		s->mount_point = strdup("/");
		r = s->real_path && s->fstype && s->mount_point ? 0 : -ENOMEM;
	} else if (r == 0) {
		r = real_location(rt, id, s);
	}
	return r < 0 ? err_sys(e, -r, "find out where it lies") : 0;
}

static int refuse(const char *source, const char *rule, struct err *e)
{
	bool curable = !rule || strncmp(rule, "not below", 9) == 0;

	return err_set(
		e, EPERM,
		"error in the container spec: can't mount %s because it's configured as a restricted host mount (%s%s)",
		source, rule ? rule : "deny by default",
		curable ? "; to allow it, an administrator lists its directory under filesharingAllowedDirectories in "
			  "the settings"
			: "");
}

int source_judge(const struct plan *p, const struct bind_context *ctx, const struct source_info *s,
		 const char *source, struct bind_decision *ret, struct err *e)
{
	const struct bind_source src = {
		.path = s->path,
		.real_path = s->real_path,
		.fstype = s->fstype,
		.mount_point = s->mount_point,
		.real_mount = s->real_mount,
		.is_mount_root = s->is_mount_root,
		.is_directory = S_ISDIR(s->st.st_mode),
		.is_socket = S_ISSOCK(s->st.st_mode),
		.is_regular = S_ISREG(s->st.st_mode),
		.owner_uid = s->st.st_uid,
	};
	struct bind_decision d = policy_bind(p->settings, ctx, &src);

	if (d.verdict == BIND_DENY)
		return refuse(source, d.rule, e);
	*ret = d;
	return 0;
}

int plan_bind(const struct runtime *rt, struct plan *p, struct planned_mount *m, const struct bind_context *ctx,
	      struct err *e)
{
	const char *source = m->spec->source;
	_cleanup_(source_info_done) struct source_info s = { 0 };
	_cleanup_close_ int fd = -EBADF, bundle = -EBADF;
	struct bind_decision d = { 0 };
	int r;

	if (!source || *source == '\0')
		return err_set(e, EINVAL, "a bind mount needs a source");
	bundle = open(ctx->bundle, O_PATH | O_DIRECTORY | O_CLOEXEC);
	fd = bundle < 0 ? -1 : openat(bundle, source, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, errno, "open source %s", source);
	r = source_describe(rt, fd, &s, e);
	if (r < 0)
		return err_ctx(e, r, "source %s", source);
	r = plan_socket(p, m, ctx->container_id, fd, s.path, e);
	if (r == 0)
		r = source_judge(p, ctx, &s, source, &d, e);
	if (r < 0)
		return r;
	m->map.verdict = d.verdict;
	m->map.owner_uid = s.st.st_uid;
	m->map.owner_gid = s.st.st_gid;
	if (d.force_read_only)
		m->opt.set |= MOUNT_ATTR_RDONLY, m->opt.rec_set |= MOUNT_ATTR_RDONLY;
	if ((m->spec->uid_mappings.n || m->spec->gid_mappings.n) && d.verdict != BIND_ENGINE)
		return err_set(
			e, EPERM,
			"id mappings of its own are for engine-managed sources only; %s is a shared host directory, "
			"mapped by the settings (caisson.shares)",
			source);
	m->kind = MOUNT_STAGED;
	m->staged = STAGED_BIND;
	m->is_dir = S_ISDIR(s.st.st_mode);
	m->engine_tmpfs = m->map.verdict == BIND_ENGINE && m->is_dir && strcmp(s.fstype, "tmpfs") == 0;
	m->fd = mnt_clone(fd, "", m->opt.recursive, e);
	return m->fd < 0 ? m->fd : 0;
}
