/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The input is a program that spells paths from a small set of components, chosen to collide: names
 * that rules know, and plain ones of which some begin with others. Oracles:
 *   - adding a protected path and removing a share never turn deny into allow;
 *   - a protected path that touches the source denies;
 *   - only component boundaries count: other plain names, mapped one to one, give the same verdict;
 *   - allow always has a reason: a share around the real path, or one of the engine's places;
 *   - BIND_ENGINE, which maps container root to the disk's root, is never given for a place that
 * users can make.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "codec/lexpath.h"
#include "policy/bind.h"

#define MAX_LIST 4
#define TEXT	 256

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const known[] = {
	"home",
	"var",
	"lib",
	"docker",
	"volumes",
	"_data",
	"containers",
	"overlay2",
	"merged",
	"storage",
	"run",
	"etc",
	"proc",
	"dev",
	"sys",
	"hosts",
	"resolv.conf",
	"hostconfig.json",
	"mounts",
	"shm",
	"buildkit",
	"executor",
	"overlay-containers",
	"userdata",
	"overlay",
	"config.json",
	"docker.sock",
	"kubelet",
	"pods",
	"etc-hosts",
	"volume-subpaths",
	"containerd",
	"io.containerd.grpc.v1.cri",
	"sandboxes",
	"usr",
	"bin",
	"docker-init",
	"tmp",
	"buildkit-mount1",
	"diff",
	"vfs",
	"dir",
	"rootfs",
	"caisson",
	"..",
	".",
	"",
	"safe-mount1",
};

/* Two spellings of the plain names with the same structure, none a known one. The first is also
 * used as a container id. */
static const char *const plain[2][6] = { { "a", "ab", "abc", "b", "a.b", "aa" },
					 { "yz", "y", "zz", "yzx", "z", "y-y" } };

struct input {
	const uint8_t *p, *end;
};

static unsigned take(struct input *in)
{
	return in->p < in->end ? *in->p++ : 0;
}

/* A path in both spellings: up to 8 components, an end mark, or a leading piece of the common
 * prefixes. */
struct twin {
	char text[2][TEXT];
};

static void append(struct twin *t, const char *a, const char *b)
{
	const char *parts[2] = { a, b };

	for (int v = 0; v < 2; v++) {
		size_t n = strlen(t->text[v]);

		(void)snprintf(t->text[v] + n, TEXT - n, "/%s", parts[v]);
	}
}

static void spell(struct input *in, struct twin *t)
{
	static const char *const heads[] = { "",
					     "/home",
					     "/var/lib/docker",
					     "/var/lib/containers/storage",
					     "/var/lib/kubelet/pods",
					     "/run",
					     "/run/containers/storage",
					     "/var/lib/containerd/io.containerd.grpc.v1.cri" };
	unsigned op = take(in), n = op >> 4;

	memset(t, 0, sizeof *t);
	for (int v = 0; v < 2; v++)
		(void)snprintf(t->text[v], TEXT, "%s", heads[op % ARRAY_SIZE(heads)]);
	for (unsigned i = 0; i < n % 8; i++) {
		unsigned c = take(in);

		if (c < 128)
			append(t, plain[0][c % 6], plain[1][c % 6]);
		else
			append(t, known[(c - 128) % ARRAY_SIZE(known)], known[(c - 128) % ARRAY_SIZE(known)]);
	}
}

static void check(bool ok)
{
	if (!ok)
		abort();
}

/* One request, in one of the two spellings. */
struct world {
	struct settings st;
	struct settings_share shares[MAX_LIST];
	const char *roots[MAX_LIST], *protected_paths[MAX_LIST + 1];
	struct bind_context c;
	struct bind_source src;
};

struct script {
	struct twin shares[MAX_LIST], roots[MAX_LIST], guard[MAX_LIST], bundle, rootfs, path, real, mount;
	unsigned n_shares, n_roots, n_guard, flags, fs, mapping, id;
};

static void decode(struct input *in, struct script *s)
{
	s->flags = take(in);
	s->fs = take(in);
	s->mapping = take(in);
	s->id = take(in) % 6;
	spell(in, &s->path);
	if (s->flags & 1)
		s->real = s->path;
	else
		spell(in, &s->real);
	spell(in, &s->rootfs);
	spell(in, &s->bundle);
	spell(in, &s->mount);
	s->n_shares = take(in) % (MAX_LIST + 1);
	s->n_roots = take(in) % 3;
	s->n_guard = take(in) % (MAX_LIST + 1);
	for (unsigned i = 0; i < s->n_shares; i++)
		spell(in, &s->shares[i]);
	for (unsigned i = 0; i < s->n_roots; i++)
		spell(in, &s->roots[i]);
	for (unsigned i = 0; i < s->n_guard; i++)
		spell(in, &s->guard[i]);
}

/* Settings hold clean paths only (settings_parse() sees to that); sources and contexts may be
 * anything. */
static bool usable(const char *p)
{
	return lex_is_clean(p) && strcmp(p, "/") != 0;
}

static void build(const struct script *s, int v, struct world *w)
{
	static const char *const fs[] = { "ext4", "tmpfs", "overlay", "nfs4", "proc", "xfs", "cifs", "nsfs" };

	memset(w, 0, sizeof *w);
	w->st.shares = w->shares;
	w->st.engine_roots = w->roots;
	for (unsigned i = 0; i < s->n_shares; i++)
		if (usable(s->shares[i].text[v]))
			w->shares[w->st.n_shares++] = (struct settings_share){ .path = s->shares[i].text[v],
									       .read_only = s->mapping >> i & 1,
									       .mapping = (s->mapping >> 4) % 3 };
	for (unsigned i = 0; i < s->n_roots; i++)
		if (usable(s->roots[i].text[v]))
			w->roots[w->st.n_engine_roots++] = s->roots[i].text[v];
	for (unsigned i = 0; i < s->n_guard; i++)
		w->protected_paths[i] = s->guard[i].text[v];
	w->c = (struct bind_context){ .container_id = plain[v][s->id],
				      .bundle = s->flags & 2 ? NULL : s->bundle.text[v],
				      .rootfs = s->flags & 4 ? NULL : s->rootfs.text[v],
				      .protected_paths = w->protected_paths,
				      .n_protected = s->n_guard };
	w->src = (struct bind_source){ .path = s->path.text[v],
				       .real_path = s->real.text[v],
				       .fstype = fs[s->fs % ARRAY_SIZE(fs)],
				       .mount_point = s->flags & 8 ? NULL : s->mount.text[v],
				       .real_mount = s->flags & 8 ? NULL : s->mount.text[v],
				       .is_mount_root = s->flags & 16,
				       .is_directory = (s->flags & 96) == 32,
				       .is_regular = (s->flags & 96) == 64,
				       .is_socket = (s->flags & 96) == 96,
				       .owner_uid = s->flags & 128 ? 1000 : 0 };
}

static struct bind_decision judge(const struct world *w)
{
	return policy_bind(&w->st, &w->c, &w->src);
}

static void removing_shares_only_denies(struct world *w, enum bind_verdict was)
{
	for (size_t k = 0; k < w->st.n_shares; k++) {
		struct settings_share out = w->shares[k], last = w->shares[w->st.n_shares - 1];

		w->shares[k] = last;
		w->st.n_shares--;
		check(was != BIND_DENY || judge(w).verdict == BIND_DENY);
		w->st.n_shares++;
		w->shares[w->st.n_shares - 1] = last;
		w->shares[k] = out;
	}
}

static void protecting_only_denies(struct world *w, const struct script *s, enum bind_verdict was)
{
	const char *more[] = { s->mount.text[0], s->rootfs.text[0], w->src.path, w->src.real_path };

	w->c.n_protected++;
	for (size_t i = 0; i < ARRAY_SIZE(more); i++) {
		enum bind_verdict now;

		w->protected_paths[w->c.n_protected - 1] = more[i];
		now = judge(w).verdict;
		check(was != BIND_DENY || now == BIND_DENY);
		check(i < 2 || now == BIND_DENY);
	}
	w->c.n_protected--;
}

static bool is_roots_alone(const struct world *w)
{
	static const char *const dirs[] = { "/var/lib/docker",
					    "/var/lib/containers/storage",
					    "/run/containers/storage",
					    "/var/lib/containerd",
					    "/run/containerd",
					    "/var/lib/kubelet",
					    "/usr/bin" };

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
		if (lex_is_below(w->src.path, dirs[i]))
			return true;
	for (size_t i = 0; i < w->st.n_engine_roots; i++)
		if (lex_is_below(w->src.path, w->roots[i]))
			return true;
	return false;
}

static void allow_has_a_reason(const struct world *w, struct bind_decision d)
{
	bool in_share = false, in_top_share = false;

	if (d.verdict == BIND_DENY)
		return;
	check(lex_is_clean(w->src.path) && lex_is_clean(w->src.real_path) && strcmp(w->src.real_path, "/") != 0);
	check(!lex_is_below(w->src.real_path, "/proc") && !lex_is_below(w->src.real_path, "/sys") &&
	      !lex_is_below(w->src.real_path, "/dev"));
	for (size_t i = 0; i < w->st.n_shares; i++) {
		bool here = lex_is_below(w->src.real_path, w->shares[i].path);

		in_share = in_share || here;
		in_top_share = in_top_share || (here && !strchr(w->shares[i].path + 1, '/'));
	}
	/* Container root is the disk's root in what is the engine's: never where a share lets users
	 * make directories. */
	if (d.verdict == BIND_ENGINE)
		check(!in_top_share || is_roots_alone(w));
	else
		check(in_share);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, data + size };
	struct bind_decision d, twin;
	struct script s = { 0 };
	struct world w, other;

	if (size < 8 || size > 512)
		return 0;
	decode(&in, &s);
	build(&s, 0, &w);
	build(&s, 1, &other);
	d = judge(&w);
	check(d.rule != NULL);
	check(d.verdict != BIND_DENY || !d.force_read_only);
	twin = judge(&other);
	check(d.verdict == twin.verdict && d.force_read_only == twin.force_read_only);
	allow_has_a_reason(&w, d);
	removing_shares_only_denies(&w, d.verdict);
	protecting_only_denies(&w, &s, d.verdict);
	return 0;
}
