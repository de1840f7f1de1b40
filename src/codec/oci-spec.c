/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/oci-spec.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "codec/oci-json.h"

/* The top level of config.json: version, root, mounts, hooks, annotations. */

#define S	      struct oci_spec
#define HOST_NAME_LEN 64 /* sethostname(2), setdomainname(2) */

/* "1.<number>.<number>", then nothing or a semver suffix: "1.0.2-dev" */
static bool is_version_1(const char *s)
{
	for (int part = 0; part < 3; part++) {
		size_t n = strspn(s, "0123456789");

		if (n == 0 || (part == 0 && (n != 1 || *s != '1')))
			return false;
		s += n;
		if (part < 2 && *s++ != '.')
			return false;
	}
	return *s == '\0' || *s == '-' || *s == '+';
}

static int version_fill(json_t *v, const struct oci_at *at, void *dst, struct err *e)
{
	char q[OCI_QUOTE];
	const char *s;
	int r;

	r = oci_json_str(v, at, &s, e);
	if (r < 0)
		return r;
	if (!is_version_1(s))
		return oci_fail(at, e, "%s is not supported: this runtime implements runtime-spec 1.x",
				oci_quote(q, s));
	*(const char **)dst = s;
	return 0;
}

static int root_fill(json_t *v, const struct oci_at *at, void *dst, struct err *e)
{
	static const struct oci_field fields[] = {
		OCI_FIELD(S, STR, "path", root_path, .required = true),
		OCI_FIELD(S, BOOL, "readonly", root_readonly),
	};

	return oci_json_fields(v, at, fields, ARRAY_SIZE(fields), dst, e);
}

#define M struct oci_mount

static int mount_fill(json_t *v, const struct oci_at *at, void *dst, struct err *e)
{
	static const struct oci_field fields[] = {
		OCI_FIELD(M, STR, "destination", destination, .required = true),
		OCI_FIELD(M, STR, "type", type),
		OCI_FIELD(M, STR, "source", source),
		OCI_FIELD(M, STRV, "options", options),
		OCI_ARRAY(M, LIST, "uidMappings", uid_mappings.v, uid_mappings.n, oci_idmap_fill),
		OCI_ARRAY(M, LIST, "gidMappings", gid_mappings.v, gid_mappings.n, oci_idmap_fill),
	};

	return oci_json_fields(v, at, fields, ARRAY_SIZE(fields), dst, e);
}

#define H struct oci_hook

static int hook_fill(json_t *v, const struct oci_at *at, void *dst, struct err *e)
{
	static const struct oci_field fields[] = {
		OCI_FIELD(H, PATH, "path", path, .required = true),
		OCI_FIELD(H, STRV, "args", args),
		OCI_FIELD(H, STRV, "env", env),
		OCI_FIELD(H, INT, "timeout", timeout, .max = INT32_MAX),
	};

	return oci_json_fields(v, at, fields, ARRAY_SIZE(fields), dst, e);
}

static int hooks_fill(json_t *v, const struct oci_at *at, void *dst, struct err *e)
{
	static const struct oci_field fields[] = {
		OCI_ARRAY(S, LIST, "prestart", prestart.v, prestart.n, hook_fill),
		OCI_ARRAY(S, LIST, "createRuntime", create_runtime.v, create_runtime.n, hook_fill),
		OCI_ARRAY(S, LIST, "createContainer", create_container.v, create_container.n, hook_fill),
		OCI_ARRAY(S, LIST, "startContainer", start_container.v, start_container.n, hook_fill),
		OCI_ARRAY(S, LIST, "poststart", poststart.v, poststart.n, hook_fill),
		OCI_ARRAY(S, LIST, "poststop", poststop.v, poststop.n, hook_fill),
	};
	int r;

	/* a hook that silently never runs is worse than a refused bundle */
	r = oci_json_only(v, at, fields, ARRAY_SIZE(fields), "hook", e);
	if (r < 0)
		return r;
	return oci_json_fields(v, at, fields, ARRAY_SIZE(fields), dst, e);
}

static int spec_fill(json_t *v, const struct oci_at *at, S *s, struct err *e)
{
	static const struct oci_field fields[] = {
		OCI_FIELD(S, RAW, "ociVersion", version, .required = true, .fn = version_fill),
		{ .key = "vm", .kind = OCI_RAW, .fn = oci_unsupported },
		{ .key = "windows", .kind = OCI_RAW, .fn = oci_unsupported },
		{ .key = "solaris", .kind = OCI_RAW, .fn = oci_unsupported },
		{ .key = "zos", .kind = OCI_RAW, .fn = oci_unsupported },
		OCI_INTO("root", root_fill, .required = true),
		OCI_FIELD(S, OBJ, "process", process, .fn = oci_process_fill, OCI_HAS(S, has_process)),
		OCI_FIELD(S, STR, "hostname", hostname, .max = HOST_NAME_LEN),
		OCI_FIELD(S, STR, "domainname", domainname, .max = HOST_NAME_LEN),
		OCI_ARRAY(S, LIST, "mounts", mounts, n_mounts, mount_fill),
		OCI_INTO("hooks", hooks_fill),
		OCI_ARRAY(S, MAP, "annotations", annotations, n_annotations, oci_json_kv),
		OCI_FIELD(S, OBJ, "linux", linux_, .fn = oci_linux_fill),
	};

	return oci_json_fields(v, at, fields, ARRAY_SIZE(fields), s, e);
}

int oci_spec_parse(const char *buf, size_t len, struct oci_spec *ret, struct err *e)
{
	static const struct oci_at at = { .step = OCI_STEP_DOC, .name = "config.json" };
	struct oci_spec s = { 0 };
	int r;

	r = oci_json_load(at.name, buf, len, &s.json, e);
	if (r == 0)
		r = spec_fill(s.json, &at, &s, e);
	if (r < 0) {
		oci_spec_done(&s);
		return r;
	}
	*ret = s;
	return 0;
}

static void hooks_done(struct oci_hooks *h)
{
	for (size_t i = 0; i < h->n; i++) {
		oci_strv_done(&h->v[i].args);
		oci_strv_done(&h->v[i].env);
	}
	free(h->v);
}

void oci_spec_done(struct oci_spec *s)
{
	oci_process_done(&s->process);
	for (size_t i = 0; i < s->n_mounts; i++) {
		oci_strv_done(&s->mounts[i].options);
		free(s->mounts[i].uid_mappings.v);
		free(s->mounts[i].gid_mappings.v);
	}
	free(s->mounts);
	hooks_done(&s->prestart);
	hooks_done(&s->create_runtime);
	hooks_done(&s->create_container);
	hooks_done(&s->start_container);
	hooks_done(&s->poststart);
	hooks_done(&s->poststop);
	free(s->annotations);
	oci_linux_done(&s->linux_);
	json_decref(s->json); /* last: the strings point into it */
	*s = (struct oci_spec){ 0 };
}
