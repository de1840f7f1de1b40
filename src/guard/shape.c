/* SPDX-License-Identifier: Apache-2.0 */
/* What an object of the API may contain: canonical keys, types, closed world. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "guard/rules.h"

#define MAX_UNKNOWN 64 /* members of an open object that no field of ours has: compared with each other */

/*
 * One character of a key as Go's encoding/json folds it. Beyond ASCII only two runes fold to an ASCII letter:
 * U+017F (long s) and U+212A (Kelvin sign); names of fields are ASCII, so nothing else can be taken for one.
 */
static int fold_next(const char **s)
{
	const unsigned char *u = (const unsigned char *)*s;

	if (u[0] == 0xc5 && u[1] == 0xbf) {
		*s += 2;
		return 's';
	}
	if (u[0] == 0xe2 && u[1] == 0x84 && u[2] == 0xaa) {
		*s += 3;
		return 'k';
	}
	*s += 1;
	return u[0] >= 'A' && u[0] <= 'Z' ? u[0] - 'A' + 'a' : u[0];
}

bool key_equal_fold(const char *a, const char *b)
{
	while (*a && *b)
		if (fold_next(&a) != fold_next(&b))
			return false;
	return !*a && !*b;
}

json_t *member_fold(json_t *object, const char *name)
{
	const char *key;
	json_t *v;

	json_object_foreach(object, key, v)
		if (key_equal_fold(key, name))
			return v;
	return NULL;
}

const struct field *shape_find(const struct shape *s, const char *key)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->fields[i].name[0] == key[0] && strcmp(s->fields[i].name, key) == 0)
			return &s->fields[i];
	for (size_t i = 0; i < s->n; i++)
		if (key_equal_fold(key, s->fields[i].name))
			return &s->fields[i];
	return NULL;
}

static size_t write_place(const struct judging *j, char *buf, size_t size)
{
	size_t len = 0;

	for (size_t i = 0; i < j->depth && len < size; i++) {
		int w = j->at[i].name ? snprintf(buf + len, size - len, "%s%.64s", len ? "." : "", j->at[i].name)
				      : snprintf(buf + len, size - len, "[%zu]", j->at[i].index);

		len += w > 0 ? (size_t)w : 0;
	}
	return len < size ? len : size - 1;
}

__attribute__((format(printf, 5, 0))) static int vrefuse(struct judging *j, int status, const char *rule,
							 size_t len, const char *fmt, va_list ap)
{
	struct judge_verdict *v = j->v;

	v->what = JUDGE_REFUSE;
	v->status = status;
	v->rule = rule;
	(void)vsnprintf(v->message + len, sizeof v->message - len, fmt, ap);
	return -EPERM;
}

int refuse(struct judging *j, int status, const char *rule, const char *fmt, ...)
{
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = vrefuse(j, status, rule, 0, fmt, ap);
	va_end(ap);
	return r;
}

int refuse_here(struct judging *j, int status, const char *rule, const char *fmt, ...)
{
	static const char prefix[] = "enhanced container isolation: ";
	char *m = j->v->message;
	size_t len = sizeof prefix - 1;
	va_list ap;
	int r;

	memcpy(m, prefix, sizeof prefix);
	if (j->depth > 0) {
		len += write_place(j, m + len, 512);
		memcpy(m + len, ": ", 3);
		len += 2;
	}
	va_start(ap, fmt);
	r = vrefuse(j, status, rule, len, fmt, ap);
	va_end(ap);
	return r;
}

void changed(struct judging *j, const char *fmt, ...)
{
	char *c = j->v->changes;
	size_t size = sizeof j->v->changes, len = strlen(c);
	va_list ap;

	if (len > 0 && len + 2 < size) {
		memcpy(c + len, "; ", 3);
		len += 2;
	}
	va_start(ap, fmt);
	(void)vsnprintf(c + len, size - len, fmt, ap);
	va_end(ap);
}

/* Does the value say nothing, so that leaving the member out is the same to whoever does not know it? */
static bool says_nothing(const json_t *v)
{
	switch (json_typeof(v)) {
	case JSON_NULL:
	case JSON_FALSE:
		return true;
	case JSON_INTEGER:
		return json_integer_value(v) == 0;
	case JSON_STRING:
		return json_string_length(v) == 0;
	case JSON_ARRAY:
		return json_array_size(v) == 0;
	case JSON_OBJECT:
		return json_object_size(v) == 0;
	case JSON_TRUE:
	case JSON_REAL:
		break;
	}
	return false;
}

static bool all_strings(const json_t *array)
{
	size_t i;
	json_t *v;

	json_array_foreach(array, i, v)
		if (!json_is_string(v))
			return false;
	return true;
}

static bool map_of(json_t *map, bool (*is)(const json_t *))
{
	const char *key;
	json_t *v;

	json_object_foreach(map, key, v)
		if (!is(v))
			return false;
	return true;
}

static bool is_string(const json_t *v)
{
	return json_is_string(v);
}

static bool is_object_or_null(const json_t *v)
{
	return json_is_object(v) || json_is_null(v);
}

static const char *type_problem(enum field_type type, json_t *v)
{
	switch (type) {
	case FIELD_ANY:
		return NULL;
	case FIELD_BOOL:
		return json_is_boolean(v) ? NULL : "true or false";
	case FIELD_INT:
		return json_is_integer(v) ? NULL : "an integer";
	case FIELD_STRING:
		return json_is_string(v) ? NULL : "a string";
	case FIELD_WORDS:
		if (json_is_string(v))
			return NULL;
		__attribute__((fallthrough));
	case FIELD_STRINGS:
		return json_is_array(v) && all_strings(v) ? NULL : "an array of strings";
	case FIELD_STRING_MAP:
		return json_is_object(v) && map_of(v, is_string) ? NULL : "an object of strings";
	case FIELD_OBJECT:
		return json_is_object(v) ? NULL : "an object";
	case FIELD_OBJECTS:
		return json_is_array(v) ? NULL : "an array of objects";
	case FIELD_OBJECT_MAP:
		return json_is_object(v) && map_of(v, is_object_or_null) ? NULL : "an object of objects";
	}
	return "something else";
}

static int apply_to_elements(struct judging *j, const struct shape *of, json_t *array)
{
	size_t i;
	json_t *v;
	int r = 0;

	j->at[j->depth++].name = NULL;
	json_array_foreach(array, i, v) {
		j->at[j->depth - 1].index = i;
		if (!json_is_object(v))
			r = refuse_here(j, 400, "request body", "must be an object");
		else if (of)
			r = shape_apply(j, of, v);
		if (r < 0)
			return r;
	}
	j->depth--;
	return 0;
}

static int apply_to_members(struct judging *j, const struct shape *of, json_t *map)
{
	const char *key;
	json_t *v;

	json_object_foreach(map, key, v) {
		int r;

		if (!json_is_object(v))
			continue;
		j->at[j->depth++].name = key;
		r = shape_apply(j, of, v);
		if (r < 0)
			return r;
		j->depth--;
	}
	return 0;
}

static int apply_field(struct judging *j, const struct field *f, json_t *owner, json_t *value)
{
	const char *problem = type_problem(f->type, value);
	int r = 0;

	if (j->depth + 2 >= RULES_DEPTH)
		return refuse_here(j, 400, "request body", "is nested too deeply");
	j->at[j->depth++].name = f->name;
	if (problem)
		return refuse_here(j, 400, "request body", "must be %s", problem);
	if (f->type == FIELD_OBJECT && f->of)
		r = shape_apply(j, f->of, value);
	else if (f->type == FIELD_OBJECTS)
		r = apply_to_elements(j, f->of, value);
	else if (f->type == FIELD_OBJECT_MAP && f->of)
		r = apply_to_members(j, f->of, value);
	if (r == 0 && f->rule)
		r = f->rule(j, owner, value);
	if (r == 0)
		j->depth--;
	return r;
}

/* The members of one object while they are sorted out. */
struct members {
	json_t *value[SHAPE_FIELDS_MAX];      /* borrowed; by field */
	const char *rename[SHAPE_FIELDS_MAX]; /* the spelling that was found, where it is another one */
	const char *unknown[MAX_UNKNOWN];
	size_t n_unknown;
};

static int sort_unknown(struct judging *j, const struct shape *s, struct members *m, const char *key,
			const json_t *value)
{
	if (!s->open)
		return refuse_here(
			j, 403, "closed world",
			"the member \"%.64s\" is not known to this version of the guard, so it is blocked; leave "
			"it out",
			key);
	if (m->n_unknown == MAX_UNKNOWN)
		return refuse_here(j, 400, "request body", "has too many unknown members");
	for (size_t i = 0; i < m->n_unknown; i++)
		if (key_equal_fold(m->unknown[i], key))
			return refuse_here(j, 400, "request body",
					   "\"%.64s\" appears twice, in two spellings; keep one", key);
	if (!json_is_null(value))
		m->unknown[m->n_unknown++] = key;
	return 0;
}

static int sort_member(struct judging *j, const struct shape *s, struct members *m, const char *key, json_t *value)
{
	const struct field *f = shape_find(s, key);
	size_t i;

	if (!f)
		return sort_unknown(j, s, m, key, value);
	i = (size_t)(f - s->fields);
	if (m->value[i])
		return refuse_here(j, 400, "request body", "\"%s\" appears twice, in two spellings; keep one",
				   f->name);
	m->value[i] = value;
	if (strcmp(f->name, key) != 0)
		m->rename[i] = key;
	return 0;
}

int shape_apply(struct judging *j, const struct shape *s, json_t *obj)
{
	struct members m = { 0 };
	const char *key;
	json_t *value;
	void *next;
	int r = 0;

	if (s->n > SHAPE_FIELDS_MAX)
		return refuse_here(j, 501, "closed world", "has too many fields");
	json_object_foreach_safe(obj, next, key, value)
	{
		if (!s->open && says_nothing(value) && !shape_find(s, key)) {
			changed(j, "%.64s dropped", key);
			(void)json_object_del(obj, key);
			continue;
		}
		r = sort_member(j, s, &m, key, value);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < s->n; i++) {
		const char *name = s->fields[i].name;

		if (!m.value[i])
			continue;
		if (m.rename[i]) {
			if (json_object_set(obj, name, m.value[i]) < 0 || json_object_del(obj, m.rename[i]) < 0)
				return refuse_here(j, 503, "memory", "out of memory");
		}
		if (json_is_null(m.value[i]))
			(void)json_object_del(obj, name);
	}
	/* Only now: a rule may look at its neighbours, under their listed names. */
	for (size_t i = 0; i < s->n; i++) {
		value = m.value[i] ? json_object_get(obj, s->fields[i].name) : NULL;
		if (value && (r = apply_field(j, &s->fields[i], obj, value)) < 0)
			return r;
	}
	return 0;
}
