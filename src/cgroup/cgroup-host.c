/* SPDX-License-Identifier: Apache-2.0 */
/* The host's hierarchies, paths, and reading and writing of their files. */
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdarg.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/num.h"
#include "cgroup/cgroup-internal.h"

static const char *const ctrl_names[CG_CTRL_COUNT] = {
	[CG_CPU] = "cpu",
	[CG_CPUACCT] = "cpuacct",
	[CG_CPUSET] = "cpuset",
	[CG_MEMORY] = "memory",
	[CG_DEVICES] = "devices",
	[CG_FREEZER] = "freezer",
	[CG_BLKIO] = "blkio",
	[CG_PIDS] = "pids",
	[CG_HUGETLB] = "hugetlb",
	[CG_RDMA] = "rdma",
	[CG_NET_CLS] = "net_cls",
	[CG_NET_PRIO] = "net_prio",
	[CG_PERF_EVENT] = "perf_event",
	[CG_MISC] = "misc",
};

/* Facts of the host, found once: they do not change during the life of a runtime process. */
static struct {
	char top[256];
	int fd;
	bool loaded, v2;
	struct cg_dir dir[CGROUP_HIERARCHY_MAX];
	size_t n;
	struct cgroup_hierarchy mounted[CGROUP_HIERARCHY_MAX];
	size_t n_mounted;
	bool checked;
} host = { .top = "/sys/fs/cgroup", .fd = -EBADF };

const char *cg_ctrl_name(enum cg_ctrl c)
{
	return ctrl_names[c];
}

uint32_t cg_ctrls_parse(const char *list)
{
	uint32_t mask = 0;

	while (*list) {
		size_t len = strcspn(list, ", \n");

		for (unsigned c = 0; c < CG_CTRL_COUNT; c++)
			if (strlen(ctrl_names[c]) == len && memcmp(list, ctrl_names[c], len) == 0)
				mask |= 1u << c;
		if (len == 2 && memcmp(list, "io", 2) == 0)
			mask |= 1u << CG_BLKIO;
		list += len;
		list += *list != '\0';
	}
	return mask;
}

/* One line "ID:controllers:/path". Cuts nothing; gives the two fields behind the id. */
static int proc_cgroup_line(const char **p, const char **ctrl, size_t *ctrl_len, const char **path,
			    size_t *path_len)
{
	const char *s = *p;
	uint64_t id;

	if (num_span(&s, INT_MAX, &id) < 0 || *s++ != ':')
		return -EINVAL;
	*ctrl = s;
	*ctrl_len = strcspn(s, ":\n");
	s += *ctrl_len;
	if (*s++ != ':' || *s != '/' || (id == 0) != (*ctrl_len == 0))
		return -EINVAL;
	*path = s;
	*path_len = strcspn(s, "\n");
	s += *path_len;
	if (*s != '\n')
		return -EINVAL;
	*p = s + 1;
	return 0;
}

int cg_parse_proc_cgroup(const char *text, bool v2, struct cg_dir *dir, size_t max, size_t *ret_n)
{
	size_t n = 0;

	while (*text) {
		const char *ctrl, *path;
		size_t len, path_len;
		struct cg_dir *d;

		if (proc_cgroup_line(&text, &ctrl, &len, &path, &path_len) < 0)
			return -EINVAL;
		if (v2 && len > 0)
			continue;
		/* such a name (chosen by whoever mounted it) would not be one path component */
		if (memchr(ctrl, '/', len) || memchr(ctrl, '.', len))
			continue;
		if (n == max)
			return -E2BIG;
		d = &dir[n];
		memset(d, 0, sizeof *d);
		d->fd = -EBADF;
		d->v2 = len == 0;
		if (len == 0) {
			memcpy(d->name, v2 ? "" : "unified", v2 ? 1 : 8);
			n++;
			continue;
		}
		/* The directory is named after the controllers, or after the name of a hierarchy without any. */
		if (len >= sizeof d->name)
			return -EINVAL;
		memcpy(d->data, ctrl, len);
		if (len > 5 && memcmp(ctrl, "name=", 5) == 0) {
			memcpy(d->name, ctrl + 5, len - 5);
		} else {
			memcpy(d->name, ctrl, len);
			d->ctrls = cg_ctrls_parse(d->data);
		}
		n++;
	}
	*ret_n = n;
	return 0;
}

int cg_proc_cgroup_path(const char *text, const struct cg_dir *d, const char **ret, size_t *ret_len)
{
	while (*text) {
		const char *ctrl, *path;
		size_t len, path_len;

		if (proc_cgroup_line(&text, &ctrl, &len, &path, &path_len) < 0)
			return -EINVAL;
		if (strlen(d->data) == len && memcmp(d->data, ctrl, len) == 0) {
			*ret = path;
			*ret_len = path_len;
			return 0;
		}
	}
	return -ENOENT;
}

int cg_host_set_top(const char *top, struct err *e)
{
	if (strlen(top) >= sizeof host.top)
		return err_set(e, ENAMETOOLONG, "cgroup: %s: path too long", top);
	host.fd = fd_close(host.fd);
	memcpy(host.top, top, strlen(top) + 1);
	host.loaded = host.checked = false;
	host.n = host.n_mounted = 0;
	return 0;
}

int cg_host_load(int *ret_top, bool *ret_v2, struct err *e)
{
	_cleanup_close_ int fd = -EBADF;
	_cleanup_free_ char *text = NULL;
	struct statfs fs;
	int r;

	if (!host.loaded) {
		fd = open(host.top, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0)
			return err_sys(e, errno, "cgroup: open %s", host.top);
		if (fstatfs(fd, &fs) < 0)
			return err_sys(e, errno, "cgroup: statfs %s", host.top);
		host.v2 = fs.f_type == CGROUP2_SUPER_MAGIC;
		/* Not mountinfo: its length grows with the number of containers on the host. */
		r = cg_read_single(AT_FDCWD, "/proc/self/cgroup", &text);
		if (r < 0)
			return err_sys(e, -r, "cgroup: read /proc/self/cgroup");
		r = cg_parse_proc_cgroup(text, host.v2, host.dir, ARRAY_SIZE(host.dir), &host.n);
		if (r < 0)
			return err_sys(e, -r, "cgroup: /proc/self/cgroup: unexpected text");
		host.fd = TAKE_FD(fd);
		host.loaded = true;
	}
	if (ret_top)
		*ret_top = host.fd;
	if (ret_v2)
		*ret_v2 = host.v2;
	return 0;
}

bool cgroup_is_v2(void)
{
	bool v2 = false;

	return cg_host_load(NULL, &v2, NULL) == 0 && v2;
}

/* Is there a cgroup file system at @name below the top (and not just a directory in a tmpfs)? */
static bool hierarchy_is_mounted(const char *name)
{
	_cleanup_close_ int fd = openat(host.fd, name[0] ? name : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct statfs fs;

	if (fd < 0 || fstatfs(fd, &fs) < 0)
		return false;
	return fs.f_type == CGROUP_SUPER_MAGIC || fs.f_type == CGROUP2_SUPER_MAGIC;
}

int cgroup_hierarchies(const struct cgroup_hierarchy **ret, size_t *ret_n, struct err *e)
{
	int r = cg_host_load(NULL, NULL, e);

	if (r < 0)
		return r;
	for (size_t i = 0; !host.checked && i < host.n; i++) {
		const struct cg_dir *d = &host.dir[i];
		struct cgroup_hierarchy *h = &host.mounted[host.n_mounted];

		if (!hierarchy_is_mounted(d->name))
			continue;
		memcpy(h->name, d->name, sizeof h->name);
		memcpy(h->data, d->data, sizeof h->data);
		h->is_v2 = d->v2;
		host.n_mounted++;
	}
	host.checked = true;
	*ret = host.mounted;
	*ret_n = host.n_mounted;
	return 0;
}

/* The host's list as the start of a container's; hierarchies that are not mounted are found out when they are used. */
int cg_host_dirs(struct cg_dir *ret, size_t *ret_n, struct err *e)
{
	int r = cg_host_load(NULL, NULL, e);

	if (r < 0)
		return r;
	memcpy(ret, host.dir, host.n * sizeof *ret);
	*ret_n = host.n;
	return 0;
}

bool cg_host_is_mounted(const struct cg_dir *d)
{
	return cg_host_load(NULL, NULL, NULL) == 0 && hierarchy_is_mounted(d->name);
}

int cg_path_clean(const char *in, char **ret, struct err *e)
{
	_cleanup_free_ char *out = NULL;
	size_t len = strlen(in), n = 0;

	if (len > CG_PATH_MAX)
		return err_set(e, ENAMETOOLONG, "linux.cgroupsPath: longer than %u bytes", (unsigned)CG_PATH_MAX);
	for (const char *p = in; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return err_set(e, EINVAL, "linux.cgroupsPath: contains a control character");
	if (!(out = malloc(len + 2)))
		return err_sys(e, ENOMEM, "linux.cgroupsPath");
	for (const char *p = in; *p;) {
		size_t c = strcspn(p, "/");

		if (c == 2 && memcmp(p, "..", 2) == 0)
			return err_set(e, EINVAL, "linux.cgroupsPath \"%s\": \"..\" is not allowed", in);
		if (c > NAME_MAX)
			return err_set(e, ENAMETOOLONG,
				       "linux.cgroupsPath \"%s\": a component is longer than %d bytes", in,
				       NAME_MAX);
		if (c > 0 && !(c == 1 && *p == '.')) {
			out[n++] = '/';
			memcpy(out + n, p, c);
			n += c;
		}
		p += c;
		p += *p == '/';
	}
	if (n == 0)
		return err_set(e, EINVAL,
			       "linux.cgroupsPath \"%s\": the root of the hierarchy cannot be a container's", in);
	out[n] = '\0';
	*ret = TAKE_PTR(out);
	return 0;
}

/* A systemd unit name: its own character set, with the suffix @suffix or none given. */
static bool unit_name_is_valid(const char *s, size_t len)
{
	if (len == 0 || len > 200 || s[0] == '.')
		return false;
	for (size_t i = 0; i < len; i++) {
		char c = s[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		      strchr(":-_.\\@", c)))
			return false;
	}
	return true;
}

static bool has_suffix(const char *s, const char *suffix)
{
	size_t n = strlen(s), m = strlen(suffix);

	return n > m && strcmp(s + n - m, suffix) == 0;
}

int cg_slice_expand(const char *slice, char **ret, struct err *e)
{
	size_t len = strlen(slice), n = 0;
	_cleanup_free_ char *out = NULL;

	if (!has_suffix(slice, ".slice") || !unit_name_is_valid(slice, len))
		return err_set(e, EINVAL, "linux.cgroupsPath: \"%s\" is not the name of a slice", slice);
	len -= 6;
	if (!(out = calloc(1, (len + 8) * (len + 1) + 1)))
		return err_sys(e, ENOMEM, "linux.cgroupsPath");
	if (len == 1 && slice[0] == '-') {
		*ret = TAKE_PTR(out);
		return 0;
	}
	for (size_t i = 0; i <= len; i++) {
		if (i < len && slice[i] != '-')
			continue;
		/* every dash separates two non-empty names */
		if (i == 0 || slice[i - 1] == '-')
			return err_set(e, EINVAL, "linux.cgroupsPath: slice \"%s\": empty name between dashes",
				       slice);
		out[n++] = '/';
		memcpy(out + n, slice, i);
		n += i;
		memcpy(out + n, ".slice", 6);
		n += 6;
	}
	out[n] = '\0';
	*ret = TAKE_PTR(out);
	return 0;
}

int cg_systemd_path(const char *in, const char *id, char **ret_slice, char **ret_unit, char **ret_path,
		    struct err *e)
{
	_cleanup_free_ char *slice = NULL, *unit = NULL, *path = NULL, *dir = NULL;
	const char *prefix = "caisson", *name = id, *colon;
	int prefix_len = 7, r;

	if (in && in[0]) {
		colon = strchr(in, ':');
		if (!colon || !strchr(colon + 1, ':'))
			return err_set(e, EINVAL,
				       "linux.cgroupsPath \"%s\": the systemd driver needs \"slice:prefix:name\"",
				       in);
		if (colon > in && !(slice = strndup(in, (size_t)(colon - in))))
			return err_sys(e, ENOMEM, "linux.cgroupsPath");
		prefix = colon + 1;
		prefix_len = (int)strcspn(prefix, ":");
		name = prefix + prefix_len + 1;
	}
	if (!slice && !(slice = strdup("system.slice")))
		return err_sys(e, ENOMEM, "linux.cgroupsPath");
	if (has_suffix(name, ".slice"))
		return err_set(e, EINVAL, "linux.cgroupsPath \"%s\": a slice cannot hold a container's processes",
			       in ? in : id);
	if (asprintf(&unit, "%.*s%s%s.scope", prefix_len, prefix, prefix_len ? "-" : "", name) < 0) {
		unit = NULL;
		return err_sys(e, ENOMEM, "linux.cgroupsPath");
	}
	if (!unit_name_is_valid(unit, strlen(unit)))
		return err_set(e, EINVAL, "linux.cgroupsPath: \"%s\" is not a valid unit name", unit);
	r = cg_slice_expand(slice, &dir, e);
	if (r < 0)
		return r;
	if (asprintf(&path, "%s/%s", dir, unit) < 0) {
		path = NULL;
		return err_sys(e, ENOMEM, "linux.cgroupsPath");
	}
	*ret_slice = TAKE_PTR(slice);
	*ret_unit = TAKE_PTR(unit);
	*ret_path = TAKE_PTR(path);
	return 0;
}

struct cg_dir *cg_find(struct cgroup *cg, enum cg_ctrl c)
{
	for (size_t i = 0; i < cg->n; i++)
		if (!cg->dir[i].gone && (cg->dir[i].ctrls & (1u << c)))
			return &cg->dir[i];
	return NULL;
}

struct cg_dir *cg_find_v2(struct cgroup *cg)
{
	for (size_t i = 0; i < cg->n; i++)
		if (!cg->dir[i].gone && cg->dir[i].v2)
			return &cg->dir[i];
	return NULL;
}

void cg_dir_path(const struct cgroup *cg, const struct cg_dir *d, char *buf, size_t size)
{
	(void)snprintf(buf, size, "%s%s%s%s", host.top, d->name[0] ? "/" : "", d->name, cg->path);
}

/* Path of the container's directory (and @file in it) relative to the top. */
static int rel_path(const struct cgroup *cg, const struct cg_dir *d, const char *file, char *buf, size_t size)
{
	int n = snprintf(buf, size, "%s%s%s%s", d->name, d->name[0] ? cg->path : cg->path + 1, file[0] ? "/" : "",
			 file);

	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

int cg_rel_path(const struct cgroup *cg, const struct cg_dir *d, char *buf, size_t size)
{
	return rel_path(cg, d, "", buf, size);
}

/* Nothing in a cgroup tree is a symlink; if something is, it is not ours to follow. */
static int open_beneath(int dirfd, const char *path, int flags)
{
	struct open_how how = {
		.flags = (uint64_t)(unsigned)(flags | O_CLOEXEC),
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	long fd;

	/* EAGAIN: a rename or mount anywhere raced with the walk */
	for (int i = 0; i < 32; i++) {
		fd = syscall(SYS_openat2, dirfd, path, &how, sizeof how);
		if (fd >= 0 || errno != EAGAIN)
			break;
	}
	return fd < 0 ? -errno : (int)fd;
}

int cg_open_beneath(int dirfd, const char *path, int flags)
{
	return open_beneath(dirfd, path, flags);
}

int cg_dir_fd(const struct cgroup *cg, struct cg_dir *d, struct err *e)
{
	char rel[PATH_MAX], path[PATH_MAX];
	int r = cg_host_load(NULL, NULL, e);

	if (r < 0)
		return r;
	if (d->fd >= 0)
		return d->fd;
	if (rel_path(cg, d, "", rel, sizeof rel) < 0)
		return err_sys(e, ENAMETOOLONG, "cgroup: %s", cg->path);
	r = d->gone ? -ENOENT : open_beneath(host.fd, rel, O_PATH | O_DIRECTORY);
	if (r < 0) {
		if (r == -ENOENT)
			d->gone = true;
		cg_dir_path(cg, d, path, sizeof path);
		return err_sys(e, -r, "cgroup: open %s", path);
	}
	d->fd = r;
	return d->fd;
}

int cg_open(const struct cgroup *cg, struct cg_dir *d, const char *file, int flags)
{
	char rel[PATH_MAX];
	int r;

	if (d->gone)
		return -ENOENT;
	if (d->fd >= 0)
		return open_beneath(d->fd, file, flags);
	if (cg_host_load(NULL, NULL, NULL) < 0 || (r = rel_path(cg, d, file, rel, sizeof rel)) < 0)
		return -ENAMETOOLONG;
	return open_beneath(host.fd, rel, flags);
}

int cg_read_single(int dirfd, const char *name, char **ret)
{
	_cleanup_close_ int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	_cleanup_free_ char *buf = NULL;
	const size_t size = 4096;
	ssize_t n;

	if (fd < 0)
		return -errno;
	if (!(buf = malloc(size)))
		return -ENOMEM;
	do
		n = read(fd, buf, size);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if ((size_t)n == size) {
		/* longer than one read: start again, the long way */
		return lseek(fd, 0, SEEK_SET) < 0 ? -errno : io_read_fd(fd, CG_TEXT_MAX, ret, NULL);
	}
	buf[n] = '\0';
	*ret = TAKE_PTR(buf);
	return 0;
}

int cg_write_fd(int fd, const char *value)
{
	ssize_t n;

	do
		n = write(fd, value, strlen(value));
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

int cg_put(const struct cgroup *cg, struct cg_dir *d, const char *file, const char *value, struct err *e)
{
	char path[PATH_MAX];
	_cleanup_close_ int fd = -EBADF;
	int r = cg_dir_fd(cg, d, e);

	if (r < 0)
		return r;
	fd = cg_open(cg, d, file, O_WRONLY);
	r = fd < 0 ? fd : cg_write_fd(fd, value);
	if (r < 0) {
		cg_dir_path(cg, d, path, sizeof path);
		return err_sys(e, -r, "cgroup: write \"%.200s\" to %s/%s", value, path, file);
	}
	return 0;
}

int cg_putf(const struct cgroup *cg, struct cg_dir *d, const char *file, struct err *e, const char *fmt, ...)
{
	char value[256];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(value, sizeof value, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof value)
		return err_set(e, EINVAL, "cgroup: value for %s is too long", file);
	return cg_put(cg, d, file, value, e);
}

int cg_get(const struct cgroup *cg, struct cg_dir *d, const char *file, char **ret, struct err *e)
{
	_cleanup_close_ int fd = -EBADF;
	char path[PATH_MAX];
	char *text = NULL;
	size_t len = 0;
	int r = cg_dir_fd(cg, d, e);

	if (r < 0)
		return r;
	fd = cg_open(cg, d, file, O_RDONLY);
	r = fd < 0 ? fd : io_read_fd(fd, CG_TEXT_MAX, &text, &len);
	if (r < 0) {
		cg_dir_path(cg, d, path, sizeof path);
		return err_sys(e, -r, "cgroup: read %s/%s", path, file);
	}
	if (len > 0 && text[len - 1] == '\n')
		text[len - 1] = '\0';
	*ret = text;
	return 0;
}

int cg_get_u64(const struct cgroup *cg, struct cg_dir *d, const char *file, uint64_t *ret, struct err *e)
{
	_cleanup_free_ char *text = NULL;
	char path[PATH_MAX];
	int r = cg_get(cg, d, file, &text, e);

	if (r < 0)
		return r;
	if (strcmp(text, "max") == 0) {
		*ret = UINT64_MAX;
		return 0;
	}
	if (num_u64(text, UINT64_MAX, ret) < 0) {
		cg_dir_path(cg, d, path, sizeof path);
		return err_set(e, EINVAL, "cgroup: %s/%s: \"%.60s\" is not a number", path, file, text);
	}
	return 0;
}

bool cg_has_file(const struct cgroup *cg, struct cg_dir *d, const char *file)
{
	int fd = cg_dir_fd(cg, d, NULL);

	return fd >= 0 && faccessat(fd, file, F_OK, 0) == 0;
}
