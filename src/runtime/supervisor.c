/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "emulate/cover.h"
#include "emulate/shared.h"
#include "notify/filter.h"
#include "policy/policy.h"
#include "sys/mnt.h"

static bool asks_for_view(const struct oci_spec *spec)
{
	const json_t *all = json_object_get(spec->json, "annotations");
	const char *value = json_string_value(json_object_get(all, "io.caisson.resource-view"));

	return value && strcmp(value, "true") == 0;
}

static bool has_listener(const struct oci_seccomp *sc)
{
	return sc->present && sc->listener_path;
}

bool supervisor_wants(const struct oci_process *p, const struct oci_seccomp *sc)
{
	return policy_process_can_mount(p) && policy_seccomp_lets(sc, "mount") && !has_listener(sc);
}

static unsigned devices(const struct settings *st)
{
	return (policy_device_listed(st, "/dev/fuse") ? EMU_DEV_FUSE : 0) |
	       (policy_device_listed(st, "/dev/net/tun") ? EMU_DEV_TUN : 0);
}

int supervisor_filter(const struct settings *st, struct seccomp_program *ret, struct err *e)
{
	struct notify_filter f = { 0 };
	int r = notify_filter_make(true, devices(st), &f, e);

	if (r < 0)
		return r;
	*ret = (struct seccomp_program){ .insns = f.insns, .n = f.n, .flags = f.flags, .listener = true };
	return 0;
}

int supervisor_decide(struct supervisor *s, const struct oci_spec *spec, const struct settings *st, struct err *e)
{
	const struct oci_seccomp *sc = &spec->linux_.seccomp;

	s->wanted = (policy_process_can_mount(&spec->process) && policy_seccomp_lets(sc, "mount")) ||
		    st->resource_view == SETTINGS_VIEW_ALWAYS ||
		    (st->resource_view == SETTINGS_VIEW_ASKED && asks_for_view(spec));
	s->traps = s->wanted && !has_listener(sc);
	return s->traps ? supervisor_filter(st, &s->filter, e) : 0;
}

int supervisor_start(struct supervisor *s, const struct runtime *rt, const char *id, uint32_t base,
		     const struct oci_spec *spec, const struct settings *st, struct cgroup *cg, struct err *e)
{
	static const char *const controllers[] = { "memory", "cpu", "cpuacct", "cpuset", "blkio", "pids" };
	struct monitor_params p = {
		.id = id,
		.base = base,
		.libexec_dir = rt->libexec_dir,
		.proc_fd = rt->proc_fd,
		.resource_view = true,
		.devices = devices(st),
		.masked = (const char *const *)spec->linux_.masked_paths.v,
		.n_masked = spec->linux_.masked_paths.n,
		.read_only = (const char *const *)spec->linux_.readonly_paths.v,
		.n_read_only = spec->linux_.readonly_paths.n,
		.cgroup_v2 = cgroup_is_v2(),
	};

	for (size_t i = 0; i < ARRAY_SIZE(p.cgroup); i++)
		p.cgroup[i] = cgroup_dir(cg, controllers[i]);
	return monitor_launch(&p, &s->monitor, e);
}

static int put(int *mnt, const char *name, struct err *e)
{
	int r;

	if (mkdirat(AT_FDCWD, name, 0700) < 0)
		return err_sys(e, errno, "make %s on the stage", name);
	r = mnt_attach_at(*mnt, AT_FDCWD, name, e);
	*mnt = fd_close(*mnt);
	return r;
}

/* One listing makes the kernel know all names: a look-up of each would go to the file server and back. */
static void read_names(const char *name)
{
	int fd = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_closedir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	while (dir && readdir(dir))
		;
	if (!dir)
		(void)fd_close(fd);
}

int supervisor_stage(struct supervisor *s, struct err *e)
{
	int r = monitor_carriers(&s->monitor, e);

	if (r == 0)
		r = put(&s->monitor.constant, COVER_CONSTANT, e);
	if (r == 0)
		r = put(&s->monitor.changing, COVER_CHANGING, e);
	if (r == 0)
		r = put(&s->monitor.sysctl, COVER_SYSCTL, e);
	if (r == 0) {
		read_names(COVER_CHANGING);
		read_names(COVER_SYSCTL);
	}
	return r;
}

void supervisor_done(struct supervisor *s)
{
	monitor_done(&s->monitor);
	seccomp_program_done(&s->filter);
}
