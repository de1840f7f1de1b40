/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/oci-json.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/num.h"
#include "codec/json-read.h"

/* ------------------------------------------------------------------ messages */

const char *oci_quote(char buf[static OCI_QUOTE], const char *s)
{
	size_t n = 0, room = OCI_QUOTE - sizeof "'...'";

	buf[n++] = '\'';
	for (; *s && n < room; s++)
		buf[n++] = (*s < ' ' || *s > '~') ? '?' : *s;
	memcpy(buf + n, *s ? "...'" : "'", *s ? sizeof "...'" : sizeof "'");
	return buf;
}

/* Append to a bounded text; what does not fit is cut off. */
static void put(char *buf, size_t cap, size_t *n, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
static void put(char *buf, size_t cap, size_t *n, const char *fmt, ...)
{
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = vsnprintf(buf + *n, cap - *n, fmt, ap);
	va_end(ap);
	if (r > 0)
		*n += (size_t)r < cap - *n ? (size_t)r : cap - *n - 1;
}

static void put_path(char *buf, size_t cap, const struct oci_at *at)
{
	const struct oci_at *chain[16]; /* the tables nest less than this */
	char q[OCI_QUOTE];
	size_t n = 0, depth = 0;
	bool first = true;

	for (; at && depth < ARRAY_SIZE(chain); at = at->up)
		chain[depth++] = at;
	while (depth-- > 0) {
		const struct oci_at *a = chain[depth];

		switch (a->step) {
		case OCI_STEP_DOC:
			put(buf, cap, &n, "%s: ", a->name);
			break;
		case OCI_STEP_MEMBER:
			put(buf, cap, &n, "%s%s", first ? "" : ".", a->name);
			first = false;
			break;
		case OCI_STEP_ENTRY:
			put(buf, cap, &n, "[%s]", oci_quote(q, a->name));
			break;
		case OCI_STEP_ELEMENT:
			put(buf, cap, &n, "[%zu]", a->index);
			break;
		}
	}
	if (!first)
		put(buf, cap, &n, ": ");
}

int oci_fail(const struct oci_at *at, struct err *e, const char *fmt, ...)
{
	char path[400] = "", text[500];
	va_list ap;

	if (!e)
		return -EINVAL;
	put_path(path, sizeof path, at);
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	return err_set(e, EINVAL, "%s%s", path, text);
}

static int member_fail(const struct oci_at *at, const char *key, struct err *e, const char *text)
{
	struct oci_at m = { .up = at, .step = OCI_STEP_MEMBER, .name = key };

	return oci_fail(&m, e, "%s", text);
}

/* A number above INT64_MAX. */
static bool is_big(json_t *v)
{
	const char *s = json_string_value(v);
	uint64_t n;

	return s && *s == JSON_READ_BIG && num_u64(s + 1, UINT64_MAX, &n) == 0 && n > INT64_MAX;
}

/* What @v is, for "got ...". Numbers are spelled out in @buf. */
static const char *describe(json_t *v, char buf[static OCI_QUOTE])
{
	switch (json_typeof(v)) {
	case JSON_OBJECT:
		return "an object";
	case JSON_ARRAY:
		return "an array";
	case JSON_STRING:
		if (!is_big(v))
			return "a string";
		(void)snprintf(buf, OCI_QUOTE, "%.20s", json_string_value(v) + 1);
		return buf;
	case JSON_INTEGER:
		(void)snprintf(buf, OCI_QUOTE, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
		return buf;
	case JSON_REAL:
		return "a number with a fraction or an exponent";
	case JSON_TRUE:
	case JSON_FALSE:
		return "a boolean";
	case JSON_NULL:
		break;
	}
	return "null";
}

static int wrong_type(json_t *v, const struct oci_at *at, const char *want, struct err *e)
{
	char q[OCI_QUOTE];

	(void)oci_fail(at, e, "must be %s, got %s", want, describe(v, q));
	return -EINVAL; /* a constant, so that compilers see which outputs are set */
}

int oci_json_load(const char *doc, const char *buf, size_t len, json_t **ret, struct err *e)
{
	json_t *root;
	int r;

	if (len > OCI_CONFIG_MAX)
		return err_set(e, EFBIG, "%s: %zu bytes are more than the limit of %u", doc, len, OCI_CONFIG_MAX);
	r = json_read(doc, buf, len, &root, e);
	if (r < 0)
		return r;
	if (!json_is_object(root)) {
		json_decref(root);
		return err_set(e, EINVAL, "%s: must be an object, got an array", doc);
	}
	*ret = root;
	return 0;
}

/* ------------------------------------------------------------------ single values */

int oci_json_str(json_t *v, const struct oci_at *at, const char **ret, struct err *e)
{
	if (!json_is_string(v) || is_big(v))
		return wrong_type(v, at, "a string", e);
	*ret = json_string_value(v);
	return 0;
}

int oci_json_array(json_t *v, const struct oci_at *at, struct err *e)
{
	return json_is_array(v) ? 0 : wrong_type(v, at, "an array", e);
}

int oci_json_object(json_t *v, const struct oci_at *at, struct err *e)
{
	return json_is_object(v) ? 0 : wrong_type(v, at, "an object", e);
}

int oci_json_kv(json_t *v, const struct oci_at *at, void *dst, struct err *e)
{
	struct oci_kv *kv = dst;

	kv->key = at->name;
	return oci_json_str(v, at, &kv->value, e);
}

int oci_unsupported(json_t *v, const struct oci_at *at, void *dst, struct err *e)
{
	(void)v;
	(void)dst;
	return oci_fail(at, e, "is not supported by this runtime: leave it out");
}

static int bad_number(json_t *v, const struct oci_at *at, int64_t min, uint64_t max, struct err *e)
{
	char q[OCI_QUOTE];

	/* a range of 64 bits helps nobody who wrote no number at all */
	if (max >= INT64_MAX && !json_is_integer(v) && !is_big(v))
		return wrong_type(v, at, "an integer", e);
	return oci_fail(at, e, "must be an integer from %" PRId64 " to %" PRIu64 ", got %s", min, max,
			describe(v, q));
}

/* The number in two's complement; unsigned ranges start at 0, so the value is never ambiguous within its range. */
static int number(json_t *v, const struct oci_at *at, int64_t min, uint64_t max, uint64_t *ret, struct err *e)
{
	if (json_is_integer(v)) {
		int64_t i = json_integer_value(v);

		if (i < min || (i > 0 && (uint64_t)i > max))
			return bad_number(v, at, min, max, e);
		*ret = (uint64_t)i;
		return 0;
	}
	if (is_big(v) && num_u64(json_string_value(v) + 1, max, ret) == 0)
		return 0;
	return bad_number(v, at, min, max, e);
}

int oci_json_u32(json_t *v, const struct oci_at *at, uint32_t *ret, struct err *e)
{
	uint64_t n;
	int r;

	r = number(v, at, 0, UINT32_MAX, &n, e);
	if (r < 0)
		return r;
	*ret = (uint32_t)n;
	return 0;
}

int oci_json_name(const char *s, const struct oci_at *at, const char *key, const char *what,
		  const struct oci_name *t, size_t n, int *ret, struct err *e)
{
	struct oci_at m = { .up = at, .step = OCI_STEP_MEMBER, .name = key };
	char list[400] = "", q[OCI_QUOTE];
	size_t len = 0;

	for (size_t i = 0; i < n; i++) {
		if (strcmp(s, t[i].name) == 0) {
			*ret = t[i].value;
			return 0;
		}
	}
	for (size_t i = 0; i < n; i++)
		put(list, sizeof list, &len, "%s%s", i ? ", " : "", t[i].name);
	return oci_fail(key ? &m : at, e, "unknown %s %s: use one of %s", what, oci_quote(q, s), list);
}

void oci_strv_done(struct oci_strv *s)
{
	free((void *)s->v);
	*s = (struct oci_strv){ 0 };
}

bool oci_is_cpu_list(const char *s)
{
	uint64_t a, b;

	for (;;) {
		if (num_span(&s, UINT16_MAX, &a) < 0)
			return false;
		if (*s == '-') {
			s++;
			if (num_span(&s, UINT16_MAX, &b) < 0 || b < a)
				return false;
		}
		if (*s == '\0')
			return true;
		if (*s++ != ',')
			return false;
	}
}

/* ------------------------------------------------------------------ tables */

static int absolute(const char *s, const struct oci_at *at, struct err *e)
{
	char q[OCI_QUOTE];

	if (*s == '/')
		return 0;
	return oci_fail(at, e, "must be an absolute path, got %s", oci_quote(q, s));
}

/* The setters return 1 when the member was given. */
static int set_str(json_t *v, const struct oci_at *at, const struct oci_field *f, char *base, struct err *e)
{
	const char *s;
	int r;

	r = oci_json_str(v, at, &s, e);
	if (r < 0)
		return r;
	if (!*s)
		return f->required ? oci_fail(at, e, "must not be empty") : 0;
	if (f->kind == OCI_PATH) {
		r = absolute(s, at, e);
		if (r < 0)
			return r;
	}
	if (f->max && strlen(s) > f->max)
		return oci_fail(at, e, "must not be longer than %" PRIu64 " bytes, got %zu", f->max, strlen(s));
	*(const char **)(void *)(base + f->off) = s;
	return 1;
}

static int set_number(json_t *v, const struct oci_at *at, const struct oci_field *f, char *base, struct err *e)
{
	unsigned bits = (unsigned)f->size * 8, is_signed = f->kind == OCI_INT;
	int64_t min = f->min;
	uint64_t max = f->max, n;
	void *dst = base + f->off;
	int r;

	if (min == 0 && max == 0) {
		max = UINT64_MAX >> (64 - bits + is_signed);
		min = is_signed ? -(int64_t)max - 1 : 0;
	}
	r = number(v, at, min, max, &n, e);
	if (r < 0)
		return r;
	if (n == 0 && f->zero_is_absent)
		return 0;
	if (f->size == sizeof(uint16_t))
		*(uint16_t *)dst = (uint16_t)n;
	else if (f->size == sizeof(uint32_t))
		*(uint32_t *)dst = (uint32_t)n;
	else
		*(uint64_t *)dst = n;
	return 1;
}

static int set_strv(json_t *v, const struct oci_at *at, const struct oci_field *f, char *base, struct err *e)
{
	struct oci_strv *sv = (struct oci_strv *)(void *)(base + f->off);
	size_t n;
	int r;

	r = oci_json_array(v, at, e);
	if (r < 0)
		return r;
	n = json_array_size(v);
	if (n == 0)
		return 1;
	sv->v = calloc(n, sizeof *sv->v);
	if (!sv->v)
		return err_sys(e, ENOMEM, "%s", f->key);
	sv->n = n;
	for (size_t i = 0; i < n; i++) {
		struct oci_at el = { .up = at, .step = OCI_STEP_ELEMENT, .index = i };

		r = oci_json_str(json_array_get(v, i), &el, &sv->v[i], e);
		if (r == 0 && f->kind == OCI_PATHV)
			r = absolute(sv->v[i], &el, e);
		if (r < 0)
			return r;
	}
	return 1;
}

/* The array belongs to the struct, with all its elements zeroed, before the first one is filled: _done() is safe. */
static char *new_elements(const struct oci_field *f, char *base, size_t n)
{
	char *v = calloc(n, f->elem);

	if (v) {
		*(void **)(void *)(base + f->off) = v;
		*(size_t *)(void *)(base + f->count) = n;
	}
	return v;
}

static int set_list(json_t *v, const struct oci_at *at, const struct oci_field *f, char *base, struct err *e)
{
	size_t n;
	char *el;
	int r;

	r = oci_json_array(v, at, e);
	if (r < 0)
		return r;
	n = json_array_size(v);
	if (n == 0)
		return 1;
	el = new_elements(f, base, n);
	if (!el)
		return err_sys(e, ENOMEM, "%s", f->key);
	for (size_t i = 0; i < n; i++, el += f->elem) {
		struct oci_at a = { .up = at, .step = OCI_STEP_ELEMENT, .index = i };
		json_t *item = json_array_get(v, i);

		r = oci_json_object(item, &a, e);
		if (r == 0)
			r = f->fn(item, &a, el, e);
		if (r < 0)
			return r;
	}
	return 1;
}

static int set_map(json_t *v, const struct oci_at *at, const struct oci_field *f, char *base, struct err *e)
{
	const char *key;
	json_t *item;
	char *el;
	int r;

	r = oci_json_object(v, at, e);
	if (r < 0)
		return r;
	if (json_object_size(v) == 0)
		return 1;
	el = new_elements(f, base, json_object_size(v));
	if (!el)
		return err_sys(e, ENOMEM, "%s", f->key);
	json_object_foreach(v, key, item) {
		struct oci_at a = { .up = at, .step = OCI_STEP_ENTRY, .name = key };

		if (!*key)
			return oci_fail(&a, e, "the name must not be empty");
		r = f->fn(item, &a, el, e);
		if (r < 0)
			return r;
		el += f->elem;
	}
	return 1;
}

static int set_field(json_t *v, const struct oci_at *at, const struct oci_field *f, char *base, struct err *e)
{
	int r = 0;

	switch (f->kind) {
	case OCI_STR:
	case OCI_PATH:
		return set_str(v, at, f, base, e);
	case OCI_BOOL:
		if (!json_is_boolean(v))
			return wrong_type(v, at, "true or false", e);
		*(bool *)(base + f->off) = json_is_true(v);
		return 1;
	case OCI_INT:
	case OCI_UINT:
		return set_number(v, at, f, base, e);
	case OCI_STRV:
	case OCI_PATHV:
		return set_strv(v, at, f, base, e);
	case OCI_LIST:
		return set_list(v, at, f, base, e);
	case OCI_MAP:
		return set_map(v, at, f, base, e);
	case OCI_OBJ:
		r = oci_json_object(v, at, e);
		break;
	case OCI_RAW:
		break;
	}
	if (r == 0)
		r = f->fn(v, at, base + f->off, e);
	return r < 0 ? r : 1;
}

int oci_json_fields(json_t *obj, const struct oci_at *at, const struct oci_field *f, size_t n, void *base,
		    struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		struct oci_at a = { .up = at, .step = OCI_STEP_MEMBER, .name = f[i].key };
		json_t *v = json_object_get(obj, f[i].key);
		int r;

		if (!v || json_is_null(v)) {
			if (f[i].required)
				return member_fail(at, f[i].key, e, "is missing: the runtime-spec requires it");
			continue;
		}
		r = set_field(v, &a, &f[i], base, e);
		if (r < 0)
			return r;
		if (r > 0 && f[i].has)
			*(bool *)((char *)base + f[i].has - 1) = true;
	}
	return 0;
}

int oci_json_only(json_t *obj, const struct oci_at *at, const struct oci_field *f, size_t n, const char *what,
		  struct err *e)
{
	char list[200] = "", q[OCI_QUOTE];
	const char *key;
	size_t len = 0;
	json_t *v;

	json_object_foreach(obj, key, v) {
		size_t i = 0;

		while (i < n && strcmp(key, f[i].key) != 0)
			i++;
		if (i < n || json_is_null(v))
			continue;
		for (i = 0; i < n; i++)
			put(list, sizeof list, &len, "%s%s", i ? ", " : "", f[i].key);
		return oci_fail(at, e, "unknown %s %s: use one of %s", what, oci_quote(q, key), list);
	}
	return 0;
}
