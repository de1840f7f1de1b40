/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/bind.h"

#include <string.h>

#include "base/cleanup.h"
#include "codec/lexpath.h"

/* Data roots that distributions use. They are root's alone, so a share around them is harmless. */
static const char *const default_roots[] = {
	"/var/lib/docker",
	"/var/lib/containers/storage",
	"/run/containers/storage",
};

/* What engines are driven by: a share around these does not reach them. */
static const char *const engine_property[] = {
	"/var/lib/docker",   "/var/lib/containerd", "/var/lib/containers", "/var/lib/kubelet", "/var/lib/rancher",
	"/var/lib/buildkit", "/var/lib/crio",	    "/run/docker",	   "/run/docker.sock", "/run/containerd",
	"/run/containers",   "/run/podman",	    "/run/crio",	   "/run/buildkit",    "/run/k3s",
	"/run/caisson",	     "/etc/docker",	    "/etc/containerd",	   "/etc/containers",  "/etc/crio",
	"/etc/caisson",	     "/etc/rancher",	    "/etc/kubernetes",	   "/etc/cni",	       "/opt/cni",
	"/var/lib/caisson",
};

static const char *const socket_names[] = {
	"docker.sock",	 "docker.raw.sock", "containerd.sock", "containerd.sock.ttrpc", "buildkitd.sock",
	"podman.sock",	 "crio.sock",	    "dockershim.sock", "cri-dockerd.sock",	"containerd-debug.sock",
	"caissond.sock", "kubelet.sock",    "docker-cli.sock",
};

/* Mounted anywhere, these are doors into the kernel and not data. */
static const char *const kernel_fs[] = {
	"proc",	   "sysfs",   "devtmpfs",   "devpts",	   "cgroup",	 "cgroup2",  "nsfs",
	"debugfs", "tracefs", "securityfs", "configfs",	   "pstore",	 "efivarfs", "selinuxfs",
	"smackfs", "fusectl", "mqueue",	    "bpf",	   "rpc_pipefs", "nfsd",     "resctrl",
	"binder",  "pidfs",   "xenfs",	    "binfmt_misc",
};

static const char *const init_programs[] = {
	"/usr/bin/docker-init",
	"/usr/libexec/docker/docker-init",
	"/usr/sbin/docker-init",
	"/usr/bin/catatonit",
	"/usr/libexec/catatonit/catatonit",
	"/usr/libexec/podman/catatonit",
	"/usr/lib/podman/catatonit",
	"/usr/bin/tini",
	"/usr/bin/tini-static",
};

/* A data root that this request may refer to: a prefix of a string that outlives the decision. */
struct root {
	struct lex_prefix at;
	bool in_share; /* users may be able to make it look like one */
};

#define MAX_DERIVED 2 /* from the rootfs and from the bundle */

struct request {
	const struct settings *st;
	const struct bind_context *c;
	const struct bind_source *src;
	struct root derived[MAX_DERIVED];
	size_t n_derived;
	struct lex_prefix buildkit; /* the root whose BuildKit runs this bundle; len 0: none does */
};

static bool listed(const char *s, const char *const v[], size_t n)
{
	for (size_t i = 0; s && i < n; i++)
		if (strcmp(s, v[i]) == 0)
			return true;
	return false;
}

static bool overlaps(const char *p, const char *q)
{
	return lex_is_below(p, q) || lex_is_below(q, p);
}

/* ---- never ---- */

static const char *never_path(const struct bind_context *c, const char *p)
{
	static const char *const kernel[] = { "/proc", "/sys", "/dev" };

	for (size_t i = 0; i < ARRAY_SIZE(kernel); i++)
		if (overlaps(p, kernel[i]))
			return "never: the host's /proc, /sys, /dev and / are not mounted into "
			       "containers";
	for (size_t i = 0; i < c->n_protected; i++)
		if (!c->protected_paths[i] || !lex_is_clean(c->protected_paths[i]) ||
		    overlaps(p, c->protected_paths[i]))
			return "never: the path is, contains or lies below a protected path";
	return NULL;
}

static const char *never(const struct request *q)
{
	const struct bind_source *src = q->src;
	const char *why;

	if (!src->path || !src->real_path || !lex_is_clean(src->path) || !lex_is_clean(src->real_path))
		return "never: where the source really lies is not known";
	if (!src->fstype || listed(src->fstype, kernel_fs, ARRAY_SIZE(kernel_fs)))
		return "never: a kernel file system is not data";
	if (src->is_socket && (listed(lex_last(src->path), socket_names, ARRAY_SIZE(socket_names)) ||
			       listed(lex_last(src->real_path), socket_names, ARRAY_SIZE(socket_names))))
		return "never: control sockets of engines";
	why = never_path(q->c, src->path);
	return why ? why : never_path(q->c, src->real_path);
}

/* ---- data roots ---- */

static bool in_share(const struct settings *st, struct lex_prefix p)
{
	for (size_t i = 0; i < ARRAY_SIZE(default_roots); i++)
		if (lex_prefix_is_below(p, default_roots[i]))
			return false;
	for (size_t i = 0; i < st->n_engine_roots; i++)
		if (lex_prefix_is_below(p, st->engine_roots[i]))
			return false;
	for (size_t i = 0; i < st->n_shares; i++)
		if (lex_prefix_is_below(p, st->shares[i].path))
			return true;
	return false;
}

static void add_root(struct request *q, struct lex_prefix at)
{
	if (q->n_derived < MAX_DERIVED)
		q->derived[q->n_derived++] = (struct root){ .at = at, .in_share = in_share(q->st, at) };
}

/*
 * The last components of a container's root directory by storage driver. A root directory right
 * below "/" derives nothing: /overlay2/<x>/merged would make every /volumes/... an engine's.
 */
static bool derive_from_rootfs(const char *rootfs, const char *id, struct lex_prefix *ret)
{
	static const char *const forms[][4] = {
		{ "overlay2", "*", "merged" },
		{ "overlay", "*", "merged" },
		{ "fuse-overlayfs", "*", "merged" },
		{ "vfs", "dir", "*" },
		{ "btrfs", "subvolumes", "*" },
		{ "zfs", "graph", "*" },
		{ "aufs", "mnt", "*" },
		{ "devicemapper", "mnt", "*", "rootfs" },
		{ "rootfs", "*", "=" }, /* Docker with containerd's image store */
	};

	for (size_t i = 0; i < ARRAY_SIZE(forms); i++)
		if (lex_ends_with(rootfs, forms[i], forms[i][3] ? 4 : 3, id, ret))
			return true;
	return false;
}

static void find_roots(struct request *q)
{
	static const char *const buildkit[] = { "buildkit", "executor", "*" };
	static const char *const podman[] = { "*-containers", "=", "userdata" };
	const struct bind_context *c = q->c;
	struct lex_prefix at;

	if (c->rootfs && lex_is_clean(c->rootfs) && derive_from_rootfs(c->rootfs, c->container_id, &at))
		add_root(q, at);
	if (!c->bundle || !lex_is_clean(c->bundle))
		return;
	if (lex_ends_with(c->bundle, buildkit, ARRAY_SIZE(buildkit), NULL, &at)) {
		q->buildkit = at;
		add_root(q, at);
	} else if (lex_ends_with(c->bundle, podman, ARRAY_SIZE(podman), c->container_id, &at)) {
		add_root(q, at);
	}
}

/* ---- engine-managed ---- */

/* Is the first component of @rel the id of the container (@ret_own) or of one that it joins? */
static bool knows_id(const struct bind_context *c, const char *rel, bool *ret_own)
{
	*ret_own = c->container_id && lex_first_is(rel, c->container_id);
	if (*ret_own)
		return true;
	for (size_t i = 0; i < c->n_joined; i++)
		if (c->joined_ids[i] && lex_first_is(rel, c->joined_ids[i]))
			return true;
	return false;
}

static bool is_network_file(const char *rest)
{
	static const char *const names[] = { "resolv.conf", "hosts", "hostname" };

	return listed(rest, names, ARRAY_SIZE(names));
}

/* @rest: below <data-root>/containers/<id>/ */
static bool docker_container_file(const struct bind_source *src, const char *rest, bool own)
{
	if (is_network_file(rest))
		return src->is_regular;
	if (own)
		return lex_after(rest, "mounts") != NULL;
	return lex_first_is(lex_after(rest, "mounts"), "shm");
}

/* @rest: below <root>/<driver>-containers/<id>/userdata/ */
static bool podman_container_file(const struct bind_source *src, const char *rest, bool own)
{
	static const char *const files[] = { "passwd", "group", ".containerenv" };
	static const char *const dirs[] = { "shm", "secrets", "run" };

	if (is_network_file(rest))
		return src->is_regular;
	if (!own)
		return lex_first_is(rest, "shm");
	if (listed(rest, files, ARRAY_SIZE(files)))
		return src->is_regular;
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
		if (lex_first_is(rest, dirs[i]))
			return true;
	return false;
}

/*
 * volumes/<name>/_data[/...]. Whoever may create volumes decides what the engine mounts there
 * (local driver: o=bind, a disk, an overlay with any lowerdir), so a mount counts as a volume only
 * where it cannot show the host's own storage.
 */
static bool volume(const struct bind_source *src, const char *rest)
{
	static const char *const harmless[] = { "tmpfs", "nfs", "nfs4", "cifs" };
	const char *data = lex_after(rest, NULL), *below;
	size_t data_len;

	if (!data || !lex_first_is(data, "_data"))
		return false;
	below = lex_after(data, "_data");
	if (!src->is_mount_root && !below)
		return true;
	if (src->is_mount_root)
		return listed(src->fstype, harmless, ARRAY_SIZE(harmless));
	/* Inside a volume: is there a mount between the volume and the source? Not known means yes.
	 */
	if (!src->mount_point || !lex_is_clean(src->mount_point) || !lex_is_below(src->path, src->mount_point))
		return false;
	data_len = (size_t)(data - src->real_path) + strlen("_data");
	return strlen(src->mount_point) < data_len || listed(src->fstype, harmless, ARRAY_SIZE(harmless));
}

static bool buildkit_file(const struct bind_source *src, const char *rest)
{
	static const char *const temporary[] = { "buildkit-mount", "buildkit-secrets", ".buildkit-ssh-sock" };
	const char *in;

	if ((in = lex_after(rest, "buildkit")) && (in = lex_after(in, "executor")))
		return src->is_regular && !strchr(in, '/') &&
		       (strncmp(in, "hosts", 5) == 0 || strncmp(in, "resolv.conf", 11) == 0);
	if ((in = lex_after(rest, "overlay2")) && (in = lex_after(in, NULL)))
		return lex_first_is(in, "diff") || lex_first_is(in, "merged");
	if (!(in = lex_after(rest, "tmp")))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(temporary); i++) {
		size_t n = strlen(temporary[i]);

		if (strncmp(in, temporary[i], n) == 0 && in[n] >= '0' && in[n] <= '9')
			return true;
	}
	return false;
}

/*
 * What a path below a volume leads to is up to its users, so the engine binds a part of it (volume-subpath) to a place
 * of its own and mounts that. It is a volume's when it is one at the other end.
 */
static bool volume_part(const struct bind_source *src, struct lex_prefix root)
{
	static const char prefix[] = "safe-mount";
	const char *in = lex_after(lex_below(src->path, root), "tmp");
	const char *end = lex_after(lex_below(src->real_path, root), "volumes");
	struct bind_source at = *src;

	if (!in || strncmp(in, prefix, strlen(prefix)) != 0 || !in[strlen(prefix)] ||
	    in[strspn(in + strlen(prefix), "0123456789") + strlen(prefix)] || !end || !src->real_mount)
		return false;
	at.path = src->real_path;
	at.mount_point = src->real_mount;
	at.is_mount_root = strcmp(src->real_mount, src->real_path) == 0;
	return volume(&at, end);
}

/* Is the source what an engine with this data root keeps for containers? Names the rule. */
static const char *managed_by(const struct request *q, struct lex_prefix root)
{
	static const char *const podman[] = { "overlay-containers", "vfs-containers", "btrfs-containers",
					      "zfs-containers" };
	const struct bind_source *src = q->src;
	const char *rest = lex_below(src->real_path, root), *in, *file;
	bool own;

	if (strcmp(src->path, src->real_path) != 0)
		return volume_part(src, root) ? "engine: a part of a volume" : NULL;
	if ((in = lex_after(rest, "volumes")))
		return volume(src, in) ? "engine: a volume" : NULL;
	in = lex_after(rest, "containers");
	file = lex_after(in, NULL);
	if (file && knows_id(q->c, in, &own) && docker_container_file(src, file, own))
		return "engine: Docker's files of the container";
	for (size_t i = 0; i < ARRAY_SIZE(podman); i++) {
		in = lex_after(rest, podman[i]);
		file = lex_after(lex_after(in, NULL), "userdata");
		if (file && knows_id(q->c, in, &own) && podman_container_file(src, file, own))
			return "engine: Podman's files of the container";
	}
	return NULL;
}

/* BuildKit binds a part of one of its trees to a temporary place first: then both ends must be its
 * own. */
static const char *managed_by_buildkit(const struct request *q)
{
	const char *path, *real;

	if (q->buildkit.len == 0)
		return NULL;
	path = lex_below(q->src->path, q->buildkit);
	real = lex_below(q->src->real_path, q->buildkit);
	if (!path || !real || !buildkit_file(q->src, path) || !buildkit_file(q->src, real))
		return NULL;
	return strcmp(path, real) == 0 || lex_first_is(path, "tmp") ? "engine: BuildKit's files" : NULL;
}

static const char *managed_by_cri(const struct request *q)
{
	static const char *const roots[] = { "/var/lib/containerd/io.containerd.grpc.v1.cri",
					     "/run/containerd/io.containerd.grpc.v1.cri" };
	static const char *const files[] = { "hostname", "hosts", "resolv.conf" };

	for (size_t i = 0; i < ARRAY_SIZE(roots); i++) {
		const char *rest = lex_below(q->src->real_path, lex_whole(roots[i]));
		const char *in = lex_after(rest, "sandboxes"), *file = lex_after(in, NULL);
		bool own;

		if (file && (!q->c->joined_ids || knows_id(q->c, in, &own)) &&
		    (listed(file, files, ARRAY_SIZE(files)) || lex_first_is(file, "shm")))
			return "engine: containerd's files of the pod";
		in = lex_after(rest, "containers");
		if (lex_after(lex_after(in, NULL), "volumes") && knows_id(q->c, in, &own) && own)
			return "engine: containerd's image volume";
	}
	return NULL;
}

/* "<uid>/..." of a path in a pod's directory, else NULL; with pod_uid known, only of that pod's. */
static const char *in_pod(const struct bind_context *c, const char *p)
{
	const char *uid = lex_below(p, lex_whole("/var/lib/kubelet/pods"));

	return uid && (!c->pod_uid || lex_first_is(uid, c->pod_uid)) ? uid : NULL;
}

static const char *managed_by_kubelet(const struct request *q)
{
	static const char rule[] = "engine: kubelet's files of the pod";
	static const char *const dirs[] = { "volumes", "volume-subpaths", "containers" };
	const char *uid = in_pod(q->c, q->src->path), *real = in_pod(q->c, q->src->real_path), *in;

	if (!uid || !real || lex_first_len(uid) != lex_first_len(real) ||
	    strncmp(uid, real, lex_first_len(uid)) != 0)
		return NULL;
	in = lex_after(uid, NULL);
	/* A sub-path is kubelet's own bind mount; of something else than the pod's volumes it is
	 * hostPath: not the engine's. */
	if (strcmp(uid, real) != 0 &&
	    !(lex_after(in, "volume-subpaths") && lex_after(lex_after(lex_after(real, NULL), "volumes"), NULL)))
		return NULL;
	if (in && strcmp(in, "etc-hosts") == 0 && q->src->is_regular)
		return rule;
	/* Two levels down, <plugin>/<volume> or <container>/<file>: never the directory that holds
	 * all of them. */
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
		if (lex_after(lex_after(in, dirs[i]), NULL))
			return rule;
	return NULL;
}

/* containerd's shim runs programs that files in its bundle name, so nothing there may be handed to
 * a container. */
static bool is_containerd_bundle(const char *bundle)
{
	static const char *const dirs[] = { "/run/containerd", "/run/docker", "/run/k3s", "/run/crio" };

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
		if (lex_is_below(bundle, dirs[i]))
			return true;
	return strstr(bundle, "/io.containerd.runtime.") != NULL;
}

static const char *managed_in_bundle(const struct request *q)
{
	static const char *const podman[] = { "*-containers", "*", "userdata" };
	const char *bundle = q->c->bundle, *rest;
	struct lex_prefix at;

	if (!bundle || !lex_is_clean(bundle) || strcmp(bundle, "/") == 0 || is_containerd_bundle(bundle))
		return NULL;
	if (lex_ends_with(bundle, podman, ARRAY_SIZE(podman), NULL, &at))
		return NULL; /* judged by the rule for Podman's own directory */
	rest = lex_below(q->src->real_path, lex_whole(bundle));
	if (!rest || lex_first_is(rest, "config.json") || lex_first_is(rest, "process.json"))
		return NULL;
	return "engine: below the bundle";
}

static bool is_init_program(const struct bind_source *src)
{
	return src->is_regular && src->owner_uid == 0 &&
	       listed(src->path, init_programs, ARRAY_SIZE(init_programs));
}

/*
 * The rule that makes the source the engine's, or NULL.
 * @ret_in_share: the place may have been made by users     @ret_read_only: whatever was asked for
 */
static const char *engine_managed(const struct request *q, bool *ret_in_share, bool *ret_read_only)
{
	static const char podman_run_root[] =
		"/run/containers/storage"; /* not derivable: the bundle is in the graph root */
	bool alias = strcmp(q->src->path, q->src->real_path) != 0;
	const char *rule;

	*ret_in_share = *ret_read_only = false;
	if ((rule = managed_by_kubelet(q)))
		return rule;
	if ((rule = managed_by_buildkit(q))) {
		*ret_in_share = in_share(q->st, q->buildkit);
		return rule;
	}
	for (size_t i = 0; i < q->st->n_engine_roots; i++)
		if ((rule = managed_by(q, lex_whole(q->st->engine_roots[i]))))
			return rule;
	if (!alias && ((rule = managed_by(q, lex_whole(podman_run_root))) || (rule = managed_by_cri(q))))
		return rule;
	if (!alias && is_init_program(q->src)) {
		*ret_read_only = true; /* every container with an init runs this one file */
		return "engine: the init program";
	}
	for (size_t i = 0; i < q->n_derived; i++) {
		if ((rule = managed_by(q, q->derived[i].at))) {
			*ret_in_share = q->derived[i].in_share;
			return rule;
		}
	}
	rule = alias ? NULL : managed_in_bundle(q);
	if (rule)
		*ret_in_share = in_share(q->st, lex_whole(q->c->bundle));
	return rule;
}

/* ---- shares ---- */

static const struct settings_share *longest_share(const struct settings *st, const char *p)
{
	const struct settings_share *best = NULL;
	size_t best_len = 0;

	for (size_t i = 0; i < st->n_shares; i++) {
		const char *share = st->shares[i].path;

		if (lex_is_below(p, share) && strlen(share) >= best_len) {
			best = &st->shares[i];
			best_len = strlen(share);
		}
	}
	return best;
}

/* Does share @share, used for @p, uncover engine property at @root? A share strictly inside of it
 * was meant. */
static bool uncovers(const char *share, const char *p, struct lex_prefix root)
{
	return (lex_below(p, root) || lex_prefix_is_below(root, p)) && !lex_below(share, root);
}

static bool share_uncovers_engine(const struct request *q, const char *share, const char *p)
{
	for (size_t i = 0; i < ARRAY_SIZE(engine_property); i++)
		if (uncovers(share, p, lex_whole(engine_property[i])))
			return true;
	for (size_t i = 0; i < q->st->n_engine_roots; i++)
		if (uncovers(share, p, lex_whole(q->st->engine_roots[i])))
			return true;
	for (size_t i = 0; i < q->n_derived; i++)
		if (uncovers(share, p, q->derived[i].at))
			return true;
	return false;
}

static struct bind_decision share_decision(const struct settings_share *share)
{
	static const enum bind_verdict verdicts[] = {
		[SETTINGS_MAP_OWNER] = BIND_SHARE,
		[SETTINGS_MAP_IDENTITY] = BIND_SHARE_IDENTITY,
		[SETTINGS_MAP_CONTAINER] = BIND_SHARE_CONTAINER,
	};
	struct bind_decision d = { .rule = share->rule ? share->rule : share->path,
				   .force_read_only = share->read_only };

	if ((size_t)share->mapping < ARRAY_SIZE(verdicts))
		d.verdict = verdicts[share->mapping];
	return d;
}

struct bind_decision policy_bind(const struct settings *s, const struct bind_context *c,
				 const struct bind_source *src)
{
	struct request q = { .st = s, .c = c, .src = src };
	const struct settings_share *share;
	struct bind_decision d = { 0 };
	bool users_place;

	d.rule = never(&q);
	if (d.rule)
		return d;
	find_roots(&q);
	d.rule = engine_managed(&q, &users_place, &d.force_read_only);
	if (d.rule && !users_place) {
		d.verdict = BIND_ENGINE;
		return d;
	}
	share = longest_share(s, src->real_path);
	if (!share) {
		d.rule = "not below any shared directory (filesharingAllowedDirectories, "
			 "caisson.shares)";
		return d;
	}
	if (!d.rule && share_uncovers_engine(&q, share->path, src->real_path)) {
		d.rule = "an engine's data or configuration: shares around it do not reach it";
		return d;
	}
	return share_decision(share);
}
