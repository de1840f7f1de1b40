/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>

#include "codec/fuzz-oci.h"
#include "codec/oci-spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_strv(const struct oci_strv *s)
{
	CHECK((s->n == 0) == !s->v);
	for (size_t i = 0; i < s->n; i++)
		CHECK(s->v[i]);
}

static void check_paths(const struct oci_strv *s)
{
	check_strv(s);
	for (size_t i = 0; i < s->n; i++)
		CHECK(s->v[i][0] == '/');
}

static void check_hooks(const struct oci_hooks *h)
{
	for (size_t i = 0; i < h->n; i++) {
		CHECK(h->v[i].path[0] == '/' && h->v[i].timeout >= 0);
		check_strv(&h->v[i].args);
		check_strv(&h->v[i].env);
	}
}

static void check_idmaps(const struct oci_idmaps *m)
{
	for (size_t i = 0; i < m->n; i++) {
		CHECK(m->v[i].size > 0);
		CHECK((uint64_t)m->v[i].container + m->v[i].size <= UINT32_MAX);
		CHECK((uint64_t)m->v[i].host + m->v[i].size <= UINT32_MAX);
	}
}

static void check_linux(const struct oci_linux *l)
{
	for (size_t i = 0; i < OCI_NS_COUNT; i++)
		CHECK(!l->ns[i].path || (l->ns[i].present && l->ns[i].path[0] == '/'));
	check_idmaps(&l->uid_mappings);
	check_idmaps(&l->gid_mappings);
	check_paths(&l->masked_paths);
	check_paths(&l->readonly_paths);
	for (size_t i = 0; i < l->n_devices; i++) {
		CHECK(l->devices[i].path[0] == '/' && strchr("cbup", l->devices[i].type));
		CHECK(l->devices[i].major >= 0 && l->devices[i].minor >= 0 && l->devices[i].mode <= 07777);
	}
	for (size_t i = 0; i < l->n_sysctl; i++) {
		CHECK(l->sysctl[i].value && !strstr(l->sysctl[i].key, "..") && l->sysctl[i].key[0] != '/');
		for (size_t j = 0; j < i; j++)
			CHECK(!same(l->sysctl[i].key, l->sysctl[j].key));
	}
	if (!l->seccomp.present)
		return;
	CHECK(l->seccomp.default_action && json_is_object(l->seccomp.json));
	for (size_t i = 0; i < l->seccomp.n_rules; i++) {
		CHECK(l->seccomp.rules[i].action && l->seccomp.rules[i].names.n > 0);
		check_strv(&l->seccomp.rules[i].names);
		for (size_t j = 0; j < l->seccomp.rules[i].n_args; j++)
			CHECK(l->seccomp.rules[i].args[j].op && l->seccomp.rules[i].args[j].index < 6);
	}
}

static void check_spec(const struct oci_spec *s)
{
	CHECK(s->json && strncmp(s->version, "1.", 2) == 0 && s->root_path && *s->root_path);
	if (s->has_process) {
		CHECK(!s->process.json && s->process.args.n > 0 && s->process.cwd[0] == '/');
		check_strv(&s->process.args);
		check_strv(&s->process.env);
	}
	for (size_t i = 0; i < s->n_mounts; i++) {
		CHECK(s->mounts[i].destination && *s->mounts[i].destination);
		check_strv(&s->mounts[i].options);
		check_idmaps(&s->mounts[i].uid_mappings);
		check_idmaps(&s->mounts[i].gid_mappings);
	}
	for (size_t i = 0; i < s->n_annotations; i++)
		CHECK(*s->annotations[i].key && s->annotations[i].value);
	check_hooks(&s->prestart);
	check_hooks(&s->create_runtime);
	check_hooks(&s->create_container);
	check_hooks(&s->start_container);
	check_hooks(&s->poststart);
	check_hooks(&s->poststop);
	check_linux(&s->linux_);
}

static void check_same(const struct oci_spec *a, const struct oci_spec *b)
{
	CHECK(same(a->hostname, b->hostname) && same(a->process.cwd, b->process.cwd));
	CHECK(a->process.args.n == b->process.args.n && a->process.caps.bounding == b->process.caps.bounding);
	CHECK(a->n_mounts == b->n_mounts && a->poststop.n == b->poststop.n &&
	      a->n_annotations == b->n_annotations);
	CHECK(a->linux_.n_devices == b->linux_.n_devices &&
	      a->linux_.seccomp.n_rules == b->linux_.seccomp.n_rules);
	for (size_t i = 0; i < a->linux_.seccomp.n_rules; i++) {
		const struct oci_seccomp_rule *r = &a->linux_.seccomp.rules[i], *q = &b->linux_.seccomp.rules[i];

		CHECK(r->n_args == q->n_args && r->errno_ret == q->errno_ret && same(r->action, q->action));
		for (size_t j = 0; j < r->n_args; j++)
			CHECK(r->args[j].value == q->args[j].value &&
			      r->args[j].value_two == q->args[j].value_two);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct oci_spec s, again;
	struct err e = { 0 };
	char *text;
	int r;

	if (size > 65536)
		return 0;
	memset(&s, 0x5a, sizeof s);
	memcpy(&again, &s, sizeof s);
	r = oci_spec_parse((const char *)data, size, &s, &e);
	if (r < 0) {
		check_refusal(r, &e, "config.json");
		CHECK(memcmp(&s, &again, sizeof s) == 0);
		return 0;
	}
	CHECK(e.code == 0);
	check_spec(&s);
	text = rewritten(s.json);
	CHECK(oci_spec_parse(text, strlen(text), &again, NULL) == 0);
	check_same(&s, &again);
	free(text);
	oci_spec_done(&s);
	oci_spec_done(&again);
	return 0;
}
