/* SPDX-License-Identifier: Apache-2.0 */
#include "confine/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cleanup.h"

#define LABEL_MAX 4000 /* procfs takes at most a page in one write */

static bool apparmor_runs(void)
{
	_cleanup_close_ int fd = open("/sys/module/apparmor/parameters/enabled", O_RDONLY | O_CLOEXEC);
	char c = 'N';

	return fd >= 0 && read(fd, &c, 1) == 1 && c == 'Y';
}

static bool selinux_runs(void)
{
	struct statfs sfs;

	return statfs("/sys/fs/selinux", &sfs) == 0 && (unsigned long)sfs.f_type == SELINUX_MAGIC;
}

static bool is_empty(const char *s)
{
	return !s || !*s;
}

int confine_lsm_check(const char *apparmor, const char *selinux, struct err *e)
{
	if (!is_empty(apparmor) && strlen(apparmor) > LABEL_MAX)
		return err_set(e, EINVAL, "process.apparmorProfile: longer than %d bytes", LABEL_MAX);
	if (!is_empty(selinux) && strlen(selinux) > LABEL_MAX)
		return err_set(e, EINVAL, "process.selinuxLabel: longer than %d bytes", LABEL_MAX);
	if (!is_empty(apparmor) && strcmp(apparmor, "unconfined") != 0 && !apparmor_runs())
		return err_set(
			e, ENOTSUP,
			"process.apparmorProfile: '%s' cannot be applied, this kernel does not run AppArmor; "
			"remove it or use 'unconfined'",
			apparmor);
	if (!is_empty(selinux) && !selinux_runs())
		return err_set(
			e, ENOTSUP,
			"process.selinuxLabel: '%s' cannot be applied, this kernel does not run SELinux; remove it",
			selinux);
	return 0;
}

/*
 * A file below a procfs that nothing is mounted over: a container image could have put a regular file or another
 * procfs file in place of attr/exec, and the label would be lost without an error.
 */
static int attr_open(int procfd, const char *name)
{
	const struct open_how how = {
		.flags = O_WRONLY | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS,
	};
	long fd = syscall(SYS_openat2, procfd, name, &how, sizeof how);
	struct statfs sfs;

	if (fd < 0)
		return -errno;
	if (fstatfs((int)fd, &sfs) < 0 || sfs.f_type != PROC_SUPER_MAGIC) {
		(void)fd_close((int)fd);
		return -EXDEV;
	}
	return (int)fd;
}

/* The kernel parses one write(2) as one command: never more than one, and none that is cut short. */
static int attr_write(int fd, const char *text, size_t len)
{
	ssize_t n = write(fd, text, len);

	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EIO;
}

static int apply_apparmor(int procfd, const char *profile, struct err *e)
{
	static const char command[] = "exec ";
	const bool unconfined = strcmp(profile, "unconfined") == 0;
	_cleanup_close_ int fd = -EBADF;
	char text[sizeof command + LABEL_MAX];
	size_t len = strlen(profile);
	int r;

	if (len > LABEL_MAX)
		return err_set(e, EINVAL, "process.apparmorProfile: longer than %d bytes", LABEL_MAX);
	memcpy(text, command, sizeof command - 1);
	memcpy(text + sizeof command - 1, profile, len);
	len += sizeof command - 1;
	fd = attr_open(procfd, "self/attr/apparmor/exec");
	/* Before Linux 5.8 there was only the shared file; without AppArmor it is there too and takes nothing. */
	if (fd == -ENOENT && (fd = attr_open(procfd, "self/attr/exec")) == -ENOENT && unconfined)
		return 0;
	if (fd < 0)
		return err_sys(e, -fd, "process.apparmorProfile: open attr/exec for '%s'", profile);
	r = attr_write(fd, text, len);
	if (r == -EINVAL && unconfined)
		return 0;
	if (r == -ENOENT)
		return err_set(e, ENOENT,
			       "process.apparmorProfile: '%s' is not loaded into the kernel (apparmor_parser -r)",
			       profile);
	return r < 0 ? err_sys(e, -r, "process.apparmorProfile: apply '%s'", profile) : 0;
}

int confine_lsm_apply(int procfd, const char *apparmor, const char *selinux, struct err *e)
{
	_cleanup_close_ int fd = -EBADF;
	int r;

	if (!is_empty(apparmor) && (r = apply_apparmor(procfd, apparmor, e)) < 0)
		return r;
	if (is_empty(selinux))
		return 0;
	fd = attr_open(procfd, "self/attr/exec");
	r = fd < 0 ? fd : attr_write(fd, selinux, strlen(selinux));
	return r < 0 ? err_sys(e, -r, "process.selinuxLabel: apply '%s'", selinux) : 0;
}
