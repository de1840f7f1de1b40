/* SPDX-License-Identifier: Apache-2.0 */
/* Mounts of type "overlay" with host directories as layers (Podman's "-v dir:dir:O"): each layer is judged like a bind. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "runtime/plan.h"
#include "runtime/source.h"
#include "sys/mnt.h"

/* The options as one text in the form that the kernel would print them in: a comma inside a value is \054. */
static char *options_text(const struct mount_options *o)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return NULL;
	for (size_t i = 0; i < o->n_data; i++) {
		if (i)
			fputc(',', f);
		for (const char *p = o->data[i]; *p; p++)
			if (*p == ',')
				fputs("\\054", f);
			else
				fputc(*p, f);
	}
	if (fclose(f) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

static int open_layer(const struct runtime *rt, const struct plan *p, const struct bind_context *ctx,
		      const char *path, struct source_map *ret_map, struct err *e)
{
	_cleanup_close_ int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	_cleanup_(location_done) struct location l = { 0 };
	struct bind_decision d = { 0 };
	int r;

	if (path[0] != '/')
		return err_set(e, EINVAL, "overlay layer %s must be an absolute path", path);
	if (fd < 0)
		return err_sys(e, errno, "open overlay layer %s", path);
	r = location_of_fd(rt->proc_fd, fd, &l);
	if (r < 0)
		return err_sys(e, -r, "overlay layer %s: find out where it lies", path);
	r = source_judge(p, ctx, &l, path, &d, e);
	if (r < 0)
		return r;
	*ret_map = (struct source_map){ d.verdict, l.st.st_uid, l.st.st_gid };
	return mnt_clone(fd, "", false, e);
}

static int open_layers(const struct runtime *rt, const struct plan *p, const struct bind_context *ctx,
		       struct planned_root *o, struct err *e)
{
	int fd;

	o->lower = calloc(o->opt.n_lower, sizeof *o->lower);
	if (!o->lower)
		return err_sys(e, ENOMEM, "overlay layers");
	for (size_t i = 0; i < o->opt.n_lower; i++) {
		struct overlay_layer *l = &o->lower[i];

		l->data_only = i >= o->opt.n_lower - o->opt.n_data;
		l->fd = open_layer(rt, p, ctx, o->opt.lower[i], &l->map, e);
		if (l->fd < 0)
			return l->fd;
		o->n_lower++;
	}
	if (!o->opt.upper)
		return 0;
	fd = open_layer(rt, p, ctx, o->opt.upper, &o->parent_map, e);
	if (fd < 0)
		return fd;
	(void)fd_close(fd);
	return plan_overlay_upper(o, AT_FDCWD, NULL, e);
}

int plan_overlay_mount(const struct runtime *rt, struct plan *p, struct planned_mount *m,
		       const struct bind_context *ctx, struct err *e)
{
	struct planned_root *o = calloc(1, sizeof *o);
	int r;

	if (!o)
		return err_sys(e, ENOMEM, "overlay");
	*o = (struct planned_root){ .overlay = true, .fd = -EBADF, .parent_fd = -EBADF };
	m->overlay = o; /* plan_done() frees it, also half-made */
	m->kind = MOUNT_STAGED;
	m->staged = STAGED_OVERLAY;
	m->is_dir = true;
	o->opt_text = options_text(&m->opt);
	if (!o->opt_text)
		return err_sys(e, ENOMEM, "overlay");
	r = overlay_options_parse(o->opt_text, &o->opt);
	if (r < 0)
		return err_set(e, EINVAL, "overlay needs lowerdir=DIR[:DIR...] with at most 500 directories");
	/* A stranger's attributes in user.* would be believed; the engine's own layers use trusted.* ones. */
	o->opt.userxattr = false;
	return open_layers(rt, p, ctx, o, e);
}
