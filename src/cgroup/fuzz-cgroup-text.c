/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parsers of kernel text. The first byte chooses one. Oracles: key-value text that is accepted
 * is the same when it is printed again from what was parsed; a list printed as numbers parses to
 * the same list; a device list is its own difference to nothing; whatever any of them accepts is
 * valid JSON.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "cgroup/cgroup-internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int print_line(const char *key, size_t len, uint64_t value, void *arg)
{
	return fprintf(arg, "%.*s %llu\n", (int)len, key, (unsigned long long)value) < 0 ? -EIO : 0;
}

static int same_line(const char *key, size_t len, uint64_t value, void *arg)
{
	const char **p = arg;
	char line[64];
	int n;

	if (strncmp(*p, key, len) != 0)
		abort();
	*p += len;
	n = snprintf(line, sizeof line, " %llu\n", (unsigned long long)value);
	if (n < 0 || strncmp(*p, line, (size_t)n) != 0)
		abort();
	*p += n;
	return 0;
}

static void check_kv(const char *text)
{
	_cleanup_free_ char *out = NULL;
	const char *p;
	size_t len;
	FILE *f = open_memstream(&out, &len);
	int r;

	if (!f)
		return;
	r = cg_kv_parse(text, print_line, f);
	(void)fclose(f);
	if (r < 0)
		return;
	p = out;
	/* leading zeroes are the only freedom, so the printed text parses to itself */
	if (cg_kv_parse(out, same_line, &p) < 0 || *p)
		abort();
}

static void check_list(const char *text)
{
	_cleanup_free_ uint16_t *v = NULL, *w = NULL;
	_cleanup_free_ char *out = NULL;
	size_t n, m, len;
	FILE *f;

	if (cg_list_parse(text, &v, &n) < 0)
		return;
	for (size_t i = 0; i < n; i++)
		if (v[i] >= CG_CPU_MAX || (i && v[i] <= v[i - 1]))
			abort();
	if (!(f = open_memstream(&out, &len)))
		return;
	for (size_t i = 0; i < n; i++)
		(void)fprintf(f, "%s%u", i ? "," : "", (unsigned)v[i]);
	(void)fclose(f);
	if (cg_list_parse(out, &w, &m) < 0 || m != n || (n && memcmp(v, w, n * sizeof *v) != 0))
		abort();
}

static void check_json(json_t *o)
{
	char *text = json_dumps(o, JSON_ENCODE_ANY);

	if (!text)
		abort();
	free(text);
	json_decref(o);
}

static void check_devices(const char *text)
{
	_cleanup_(cg_dev_list_done) struct cg_dev_list l = { 0 }, none = { 0 }, allow = { 0 }, deny = { 0 };
	bool reset;

	if (cg_dev_parse_list(text, &l) < 0 || cg_dev_diff(&none, &l, &allow, &deny, &reset) < 0)
		return;
	if (allow.n != l.n || deny.n != 0 || reset != l.all)
		abort();
	for (size_t i = 0; i < l.n; i++)
		if (allow.v[i].access != l.v[i].access || allow.v[i].major != l.v[i].major)
			abort();
}

static void check_hierarchies(const char *text)
{
	struct cg_dir d[CGROUP_HIERARCHY_MAX];
	const char *path;
	size_t n, len;

	if (cg_parse_proc_cgroup(text, false, d, ARRAY_SIZE(d), &n) < 0)
		return;
	for (size_t i = 0; i < n; i++)
		if (strchr(d[i].name, '/') || strcmp(d[i].name, "..") == 0 ||
		    cg_proc_cgroup_path(text, &d[i], &path, &len) < 0 || path[0] != '/')
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = NULL, *path = NULL, *again = NULL;
	_cleanup_(cg_pids_done) struct cg_pids pids = { 0 };
	json_t *a, *b;

	if (size < 1 || size > 65536 || !(text = strndup((const char *)data + 1, size - 1)))
		return 0;
	switch (data[0]) {
	case 'k':
		check_kv(text);
		break;
	case 'l':
		check_list(text);
		break;
	case 'b':
		if (cg_blkio_parse(text, &a) == 0)
			check_json(a);
		break;
	case 'i':
		if (cg_iostat_parse(text, &a, &b) == 0) {
			check_json(a);
			check_json(b);
		}
		break;
	case 'p':
		if (cg_pressure_parse(text, &a) == 0)
			check_json(a);
		break;
	case 'd':
		check_devices(text);
		break;
	case 'h':
		check_hierarchies(text);
		break;
	case 'c':
		/* cleaning is idempotent and never leaves a way up */
		if (cg_path_clean(text, &path, NULL) < 0)
			break;
		if (strstr(path, "/../") || strstr(path, "//") || cg_path_clean(path, &again, NULL) < 0 ||
		    strcmp(path, again) != 0)
			abort();
		break;
	default:
		if (cg_pids_parse(text, &pids) < 0)
			break;
		cg_pids_sort(&pids);
		for (size_t i = 0; i < pids.n; i++)
			if (pids.v[i] <= (i ? pids.v[i - 1] : 0))
				abort();
	}
	return 0;
}
