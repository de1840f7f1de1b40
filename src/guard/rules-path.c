/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Host paths: looked up once, as root, judged by where they really lie, and sent on as what they resolve to.
 * Between the judgement and the mount somebody may exchange a component that he can write to; the runtime, which
 * opens the source once and mounts what it judged, is the second line.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "codec/lexpath.h"
#include "guard/rules.h"
#include "policy/bind.h"
#include "sys/location.h"
#include "sys/missing.h"

#define MAX_PROTECTED 16

/* What a path leads to. */
struct found {
	struct location at;
	const char *missing; /* the components that do not exist yet, "/a/b"; points into the clean path */
};

static void found_done(struct found *f)
{
	location_done(&f->at);
}

/* The engine applies it before it looks. */
char *host_path_clean(const char *path)
{
	char *ret = malloc(strlen(path) + 2), *out = ret;

	if (!ret)
		return NULL;
	while (*path) {
		size_t n;

		path += strspn(path, "/");
		n = strcspn(path, "/");
		if (n == 2 && path[0] == '.' && path[1] == '.') {
			while (out > ret && *--out != '/')
				;
		} else if (n > 0 && !(n == 1 && path[0] == '.')) {
			*out++ = '/';
			memcpy(out, path, n);
			out += n;
		}
		path += n;
	}
	if (out == ret)
		*out++ = '/';
	*out = '\0';
	return ret;
}

static int open_path(const char *path)
{
	const struct open_how how = { .flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_NO_MAGICLINKS };
	int fd = sys_openat2(AT_FDCWD, path, &how);

	return fd < 0 ? -errno : fd;
}

/*
 * Open what there is of @clean: all of it, or the nearest directory above; *@ret_missing is the rest. A dangling
 * link is not "missing": whoever makes the directory would follow it.
 */
static int open_existing(const char *clean, const char **ret_missing)
{
	_cleanup_free_ char *parent = strdup(clean);
	int fd = open_path(clean);

	*ret_missing = clean + strlen(clean);
	while (parent && fd == -ENOENT) {
		char *slash = strrchr(parent, '/'), *name;
		struct stat st;

		if (!slash || strcmp(parent, "/") == 0)
			return -ENOENT;
		name = strndup(slash + 1, strcspn(slash + 1, "/"));
		*slash = '\0';
		*ret_missing = clean + (slash - parent);
		fd = open_path(slash == parent ? "/" : parent);
		if (!name || (fd >= 0 && fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)) {
			fd = fd_close(fd);
			fd = name ? -ELOOP : -ENOMEM;
		}
		free(name);
	}
	return parent ? fd : -ENOMEM;
}

static char *join(const char *dir, const char *rest)
{
	char *s = NULL;

	if (strcmp(dir, "/") == 0)
		dir = "";
	return asprintf(&s, "%s%s", dir, rest) < 0 ? NULL : s;
}

static int append_missing(struct location *l, const char *missing)
{
	char *path = join(l->path, missing), *real = l->real_path ? join(l->real_path, missing) : NULL;
	bool failed = !path || (l->real_path && !real);

	free(l->path);
	free(l->real_path);
	l->path = path;
	l->real_path = real;
	l->is_mount_root = false;
	return failed ? -ENOMEM : 0;
}

static int find(const char *clean, struct found *f)
{
	_cleanup_close_ int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int fd = open_existing(clean, &f->missing);
	int r = fd < 0 ? fd : location_of_fd(proc, fd, &f->at);

	if (r < 0 || !*f->missing)
		return r;
	return S_ISDIR(f->at.st.st_mode) ? append_missing(&f->at, f->missing) : -ENOTDIR;
}

static bool looks_like_socket(const char *path)
{
	size_t n = path ? strlen(path) : 0;

	return n > 5 && strcmp(path + n - 5, ".sock") == 0;
}

/* The same socket under another name: a hard link. Directories have none. */
static bool is_same_socket(const struct stat *st, const char *path)
{
	struct stat other;

	return S_ISSOCK(st->st_mode) && stat(path, &other) == 0 && other.st_dev == st->st_dev &&
	       other.st_ino == st->st_ino;
}

static struct bind_decision decide(const struct judging *j, const struct found *f)
{
	static const char *const always[] = { "/etc/caisson", "/run/caisson", "/var/lib/caisson",
					      "/run/docker.sock" };
	const struct judge_host *host = j->q->host;
	const char *protected_paths[ARRAY_SIZE(always) + MAX_PROTECTED + 1];
	struct bind_context ctx = { .protected_paths = protected_paths };
	const struct bind_source src = {
		.path = f->at.path,
		.real_path = f->at.real_path,
		.fstype = f->at.fstype,
		.mount_point = f->at.mount_point,
		.real_mount = f->at.real_mount,
		.is_mount_root = f->at.is_mount_root,
		.is_directory = S_ISDIR(f->at.st.st_mode),
		.is_socket = S_ISSOCK(f->at.st.st_mode),
		.is_regular = S_ISREG(f->at.st.st_mode),
		.owner_uid = f->at.st.st_uid,
	};
	struct bind_decision d;

	for (size_t i = 0; i < ARRAY_SIZE(always); i++)
		protected_paths[ctx.n_protected++] = always[i];
	if (host && host->n_protected > MAX_PROTECTED)
		return (struct bind_decision){ .rule = "too many protected paths" };
	for (size_t i = 0; host && i < host->n_protected; i++)
		protected_paths[ctx.n_protected++] = host->protected_paths[i];
	protected_paths[ctx.n_protected++] = j->q->settings->socket.directory;
	for (size_t i = 0; i < ctx.n_protected; i++)
		if (is_same_socket(&f->at.st, protected_paths[i]))
			return (struct bind_decision){ .rule = "never: control sockets of engines" };
	d = policy_bind(j->q->settings, &ctx, &src);
	/* What engines mount themselves never comes with a client's request. */
	if (d.verdict == BIND_ENGINE)
		d = (struct bind_decision){ .rule = "an engine's own files: use the volume's name" };
	return d;
}

/* Who may rename in a directory may put something else in its place. An ACL shows in the group's bits. */
bool host_path_steady(const char *path)
{
	_cleanup_free_ char *dir = strdup(path);
	bool last_is_roots = false; /* the component below */
	struct stat st;

	if (!dir || lstat(path, &st) < 0)
		return false;
	last_is_roots = st.st_uid == 0;
	while (strcmp(dir, "/") != 0) {
		char *slash = strrchr(dir, '/');

		if (!slash)
			return false;
		slash[slash == dir] = '\0';
		if (lstat(dir, &st) < 0 || !S_ISDIR(st.st_mode) || st.st_uid != 0)
			return false;
		if ((st.st_mode & (S_IWGRP | S_IWOTH)) && !((st.st_mode & S_ISVTX) && last_is_roots))
			return false;
		last_is_roots = true;
	}
	return true;
}

/*
 * The engine's socket: this guard's, the engine's own, what Docker's clients call it everywhere, or that of a container that
 * is made again from what `docker inspect` says.
 */
static bool is_engine_socket(const struct judging *j, const char *clean, const struct found *f)
{
	static const char *const names[] = { "/run/docker.sock", "/var/run/docker.sock" };
	const struct judge_host *host = j->q->host;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(clean, names[i]) == 0 || (f->at.path && strcmp(f->at.path, names[i]) == 0) ||
		    is_same_socket(&f->at.st, names[i]))
			return true;
	for (size_t i = 0; host && i < host->n_protected; i++)
		if (looks_like_socket(host->protected_paths[i]) &&
		    (strcmp(clean, host->protected_paths[i]) == 0 ||
		     is_same_socket(&f->at.st, host->protected_paths[i])))
			return true;
	return socket_is_ours(j, clean);
}

/* Nobody could judge what is said through it. */
static int refuse_socket(struct judging *j)
{
	char image[600];

	image_familiar(j->image ? j->image : "", image, sizeof image);
	j->v->setting = "enhancedContainerIsolation.dockerSocketMount.imageList";
	return refuse(
		j, 403, "docker socket",
		"enhanced container isolation: Docker socket mount denied for container with image \"%s\"; %s",
		image,
		j->q->settings->socket.n_images == 0
			? "allowed image list is empty."
			: "only the Docker Engine's own socket, by its own name, can be allowed: any other socket of an "
			  "engine is a restricted host mount.");
}

static int refuse_path(struct judging *j, const char *path, const char *rule)
{
	bool curable = !rule || strncmp(rule, "not below", 9) == 0;

	j->v->setting = "filesharingAllowedDirectories";
	return refuse(
		j, 403, "restricted host mount",
		"mounts denied: The path %.512s is not shared from the host and is not known to Docker: can't "
		"mount %.512s "
		"because it's configured as a restricted host mount (%s)%s%s",
		path, path, rule ? rule : "deny by default",
		curable ? "; to allow it, an administrator lists its directory under filesharingAllowedDirectories "
			  "in "
			: "",
		curable ? j->q->settings->file ? j->q->settings->file : "the settings" : "");
}

int host_path_judge(struct judging *j, const char *path, char **ret)
{
	_cleanup_free_ char *clean = host_path_clean(path);
	_cleanup_(found_done) struct found f = { 0 };
	struct bind_decision d;
	int r;

	if (!clean)
		return refuse_here(j, 503, "memory", "out of memory");
	if (*path != '/' || !lex_is_clean(clean))
		return refuse_here(j, 400, "restricted host mount",
				   "the host path is not absolute, too long or has control characters");
	r = find(clean, &f);
	if (is_engine_socket(j, clean, &f))
		return socket_mount(j, ret);
	if (r < 0 && looks_like_socket(clean))
		return refuse_socket(j);
	for (size_t i = 0; i < j->q->n_entries; i++) {
		if (!j->q->entries[i]->create.no_binds)
			continue;
		j->v->setting = j->q->entries[i]->setting;
		return refuse_here(
			j, 403, "docker socket request",
			"mounts denied: host paths are blocked for what is made through this container's Docker socket "
			"(\"create\" of %s)",
			j->q->entries[i]->setting);
	}
	if (r < 0)
		return refuse_here(j, 403, "restricted host mount",
				   "mounts denied: cannot find out where %.512s leads: %s", clean,
				   strerrordesc_np(-r));
	d = decide(j, &f);
	if (d.verdict == BIND_DENY) {
		if (S_ISSOCK(f.at.st.st_mode) || looks_like_socket(clean) || looks_like_socket(f.at.path))
			return refuse_socket(j);
		return refuse_path(j, clean, d.rule);
	}
	if (strcmp(path, f.at.path) != 0)
		changed(j, "host path %.200s is %.200s", path, f.at.path);
	*ret = TAKE_PTR(f.at.path);
	return 0;
}
