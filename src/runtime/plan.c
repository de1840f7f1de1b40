/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/plan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "policy/policy.h"
#include "sys/missing.h"
#include "sys/mnt.h"

/*
 * File systems that a container's init can make itself in its own namespaces (FS_USERNS_MOUNT). Everything else would
 * need the host's rights over a file system parser: refused by name (A28, A49).
 */
static const char *const inside_types[] = { "tmpfs", "devpts", "mqueue", "ramfs", "cgroup2", "binfmt_misc" };

static bool is_inside_type(const char *type)
{
	for (size_t i = 0; i < ARRAY_SIZE(inside_types); i++)
		if (strcmp(type, inside_types[i]) == 0)
			return true;
	return false;
}

/* "/dev/" and "//dev" mean "/dev". */
static bool is_dest(const struct oci_mount *m, const char *what)
{
	const char *d = m->destination;
	size_t len = strlen(d);

	while (len > 1 && d[len - 1] == '/')
		len--;
	while (len > 1 && d[0] == '/' && d[1] == '/')
		d++, len--;
	return len == strlen(what) && memcmp(d, what, len) == 0;
}

static int plan_special(struct planned_mount *m, enum staged_kind staged)
{
	m->kind = MOUNT_STAGED;
	m->staged = staged;
	m->is_dir = true;
	return 0;
}

static int plan_one(const struct runtime *rt, struct plan *p, struct planned_mount *m,
		    const struct bind_context *ctx, struct err *e)
{
	const char *type = m->spec->type ? m->spec->type : "";
	int r;

	r = mount_options_parse(&m->spec->options, &m->opt, e);
	if (r < 0)
		return r;
	if (m->opt.remount)
		return err_set(e, ENOTSUP,
			       "option \"remount\" is not supported: give the options at the first mount");
	if (m->opt.copy_up && strcmp(type, "tmpfs") != 0)
		return err_set(e, EINVAL, "option \"tmpcopyup\" is for tmpfs only, not for type \"%s\"", type);
	if ((m->opt.idmap || m->spec->uid_mappings.n || m->spec->gid_mappings.n) && !m->opt.bind &&
	    strcmp(type, "bind") != 0)
		return err_set(e, EINVAL, "id mappings are for bind mounts only, not for type \"%s\"", type);
	if (m->opt.bind || strcmp(type, "bind") == 0 || strcmp(type, "none") == 0 || *type == '\0')
		return plan_bind(rt, p, m, ctx, e);
	if (strcmp(type, "overlay") == 0)
		return plan_overlay_mount(rt, p, m, ctx, e);
	if (strcmp(type, "proc") == 0)
		return plan_special(m, STAGED_PROC);
	if (strcmp(type, "sysfs") == 0)
		return plan_special(m, STAGED_SYS);
	if (strcmp(type, "tmpfs") == 0 && is_dest(m->spec, "/dev"))
		return plan_special(m, STAGED_DEV);
	m->is_dir = true;
	if (strcmp(type, "cgroup") == 0) {
		m->kind = MOUNT_CGROUP;
		return 0;
	}
	if (is_inside_type(type)) {
		m->kind = MOUNT_INSIDE;
		return 0;
	}
	return err_set(
		e, ENOTSUP,
		"type \"%s\" cannot be mounted in an isolated container; mount it on the host and bind it from a "
		"directory that filesharingAllowedDirectories lists",
		type);
}

static int plan_mounts(const struct runtime *rt, struct plan *p, const struct bind_context *ctx, int upper_dir,
		       struct err *e)
{
	int r;

	p->mounts = calloc(INNER_DIRS + p->spec->n_mounts + 1 /* notify */, sizeof *p->mounts);
	if (!p->mounts)
		return err_sys(e, ENOMEM, "mounts");
	r = plan_inner_dirs(p, upper_dir, e);
	if (r < 0)
		return r;
	for (size_t i = 0; i < p->spec->n_mounts; i++) {
		struct planned_mount *m = &p->mounts[p->n_mounts++];

		*m = (struct planned_mount){ .spec = &p->spec->mounts[i], .fd = -EBADF };
		(void)snprintf(m->name, sizeof m->name, "m%zu", i);
		r = plan_one(rt, p, m, ctx, e);
		/* M3 has to stay as Docker words it. */
		if (r < 0)
			return r == -EPERM
				       ? r
				       : err_ctx(e, r, "config.json: mounts[%zu] (%s)", i, m->spec->destination);
	}
	return 0;
}

/* systemd's readiness protocol: the directory with the socket that `start` will listen on (see notify.h). */
static const struct oci_mount notify_mount = { .destination = "/run/notify", .source = "notify socket" };

static int plan_notify(struct plan *p, const char *dir, struct err *e)
{
	struct planned_mount *m = &p->mounts[p->n_mounts];
	_cleanup_close_ int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, errno, "open %s", dir);
	*m = (struct planned_mount){
		.spec = &notify_mount,
		.kind = MOUNT_STAGED,
		.staged = STAGED_BIND,
		.is_dir = true,
		.plain = true,
		.opt = { .set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC },
		.name = "notify",
		.fd = mnt_clone(fd, "", false, e),
	};
	p->n_mounts++;
	return m->fd < 0 ? m->fd : 0;
}

int plan_make(const struct runtime *rt, const struct plan_args *a, struct plan *ret, struct err *e)
{
	struct plan p = {
		.spec = a->spec,
		.settings = a->settings,
		/* Hooks that want to see the host need its tree where it is. */
		.no_pivot = a->no_pivot && a->spec->create_container.n == 0,
		.host_visible = a->spec->create_container.n > 0,
		.dev_in_root = true,
		.root = { .fd = -EBADF, .parent_fd = -EBADF },
	};
	const char *const protected_paths[] = { rt->root,
						rt->ids_path,
						"/etc/caisson",
						"/run/caisson",
						a->settings->file[0] == '/' ? a->settings->file : "/etc/caisson",
						a->settings->socket.directory };
	struct bind_context ctx = {
		.container_id = a->id,
		.bundle = a->bundle,
		.protected_paths = protected_paths,
		.n_protected = ARRAY_SIZE(protected_paths),
		.joined_ids = (const char *const *)a->joined_ids,
	};
	_cleanup_close_ int upper_dir = -EBADF;
	int r;

	while (a->joined_ids && a->joined_ids[ctx.n_joined])
		ctx.n_joined++;
	r = plan_root(rt, &p, a->bundle, &upper_dir, e);
	ctx.rootfs = p.rootfs;
	if (r == 0)
		r = plan_devices(&p, e);
	if (r == 0)
		r = plan_mounts(rt, &p, &ctx, upper_dir, e);
	if (r == 0 && a->notify_dir)
		r = plan_notify(&p, a->notify_dir, e);
	if (r < 0) {
		plan_done(&p);
		return r;
	}
	for (size_t i = 0; i < p.n_mounts; i++)
		if (is_dest(p.mounts[i].spec, "/dev"))
			p.dev_in_root = false;
	*ret = p;
	return 0;
}

void plan_done(struct plan *p)
{
	for (size_t i = 0; i < p->n_mounts; i++) {
		struct planned_mount *m = &p->mounts[i];

		mount_options_done(&m->opt);
		m->fd = fd_close(m->fd);
		if (m->overlay)
			planned_root_done(m->overlay);
		free(m->overlay);
		planned_socket_free(m->socket);
	}
	planned_root_done(&p->root);
	free(p->mounts);
	free(p->rootfs);
	free(p->devices);
	free(p->device_rules);
	*p = (struct plan){ .root = { .fd = -EBADF, .parent_fd = -EBADF } };
}
