/* SPDX-License-Identifier: Apache-2.0 */
/* Bind mount sources: opened once, found out about, judged by policy, cloned from the same fd (A4, A5, A47, A121). */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "runtime/plan.h"
#include "runtime/source.h"
#include "sys/missing.h"
#include "sys/mnt.h"
#include "sys/path.h"

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

int source_judge(const struct plan *p, const struct bind_context *ctx, const struct location *l,
		 const char *source, struct bind_decision *ret, struct err *e)
{
	const struct bind_source src = {
		.path = l->path,
		.real_path = l->real_path,
		.fstype = l->fstype,
		.mount_point = l->mount_point,
		.real_mount = l->real_mount,
		.is_mount_root = l->is_mount_root,
		.is_directory = S_ISDIR(l->st.st_mode),
		.is_socket = S_ISSOCK(l->st.st_mode),
		.is_regular = S_ISREG(l->st.st_mode),
		.owner_uid = l->st.st_uid,
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
	_cleanup_(location_done) struct location l = { 0 };
	_cleanup_close_ int fd = -EBADF, bundle = -EBADF;
	struct bind_decision d = { 0 };
	int r;

	if (!source || *source == '\0')
		return err_set(e, EINVAL, "a bind mount needs a source");
	bundle = open(ctx->bundle, O_PATH | O_DIRECTORY | O_CLOEXEC);
	fd = bundle < 0 ? -1 : openat(bundle, source, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, errno, "open source %s", source);
	r = location_of_fd(rt->proc_fd, fd, &l);
	if (r < 0)
		return err_sys(e, -r, "source %s: find out where it lies", source);
	r = plan_socket(p, m, ctx->container_id, fd, l.path, e);
	if (r == 0)
		r = source_judge(p, ctx, &l, source, &d, e);
	if (r < 0)
		return r;
	m->map.verdict = d.verdict;
	m->map.owner_uid = l.st.st_uid;
	m->map.owner_gid = l.st.st_gid;
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
	m->is_dir = S_ISDIR(l.st.st_mode);
	m->engine_tmpfs = m->map.verdict == BIND_ENGINE && m->is_dir && strcmp(l.fstype, "tmpfs") == 0;
	m->fd = mnt_clone(fd, "", m->opt.recursive, e);
	return m->fd < 0 ? m->fd : 0;
}
