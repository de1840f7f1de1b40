/* SPDX-License-Identifier: Apache-2.0 */
/* Strict parsers for the text of kernel files. Pure. */
#include <inttypes.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/num.h"
#include "cgroup/cgroup-internal.h"

static bool is_key_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c && strchr("_.-()", c));
}

static size_t key_span(const char *s)
{
	size_t n = 0;

	while (is_key_char(s[n]))
		n++;
	return n;
}

/* A line ends with a newline or with the text. */
static int end_line(const char **p)
{
	if (**p == '\n') {
		(*p)++;
		return 0;
	}
	return **p == '\0' ? 0 : -EINVAL;
}

int cg_kv_parse(const char *text, int (*each)(const char *key, size_t len, uint64_t value, void *arg), void *arg)
{
	while (*text) {
		const char *key = text;
		size_t len = key_span(key);
		uint64_t value;
		int r;

		text += len;
		if (len == 0 || *text++ != ' ' || num_span(&text, UINT64_MAX, &value) < 0 || end_line(&text) < 0)
			return -EINVAL;
		r = each(key, len, value, arg);
		if (r != 0)
			return r;
	}
	return 0;
}

struct wanted {
	const char *key;
	uint64_t value;
	bool found;
};

static int match(const char *key, size_t len, uint64_t value, void *arg)
{
	struct wanted *w = arg;

	if (!w->found && strlen(w->key) == len && memcmp(w->key, key, len) == 0) {
		w->found = true;
		w->value = value;
	}
	return 0;
}

int cg_kv_get(const char *text, const char *key, uint64_t *ret)
{
	struct wanted w = { .key = key };
	int r = cg_kv_parse(text, match, &w);

	if (r < 0)
		return r;
	if (!w.found)
		return -ENOENT;
	*ret = w.value;
	return 0;
}

int cg_list_parse(const char *text, uint16_t **ret, size_t *ret_n)
{
	_cleanup_free_ uint16_t *v = NULL;
	uint64_t first, last, next = 0;
	size_t n = 0;

	if (!(v = malloc(CG_CPU_MAX * sizeof *v)))
		return -ENOMEM;
	for (bool more = *text && *text != '\n'; more;) {
		if (num_span(&text, CG_CPU_MAX - 1, &first) < 0)
			return -EINVAL;
		last = first;
		if (*text == '-') {
			text++;
			if (num_span(&text, CG_CPU_MAX - 1, &last) < 0)
				return -EINVAL;
		}
		if (first < next || last < first)
			return -EINVAL;
		for (uint64_t i = first; i <= last; i++)
			v[n++] = (uint16_t)i;
		next = last + 1;
		more = *text == ',';
		text += more;
	}
	if (end_line(&text) < 0 || *text)
		return -EINVAL;
	*ret = TAKE_PTR(v);
	*ret_n = n;
	return 0;
}

/* JSON integers are signed: what is above is "no limit" anyway. */
json_t *cg_json_u64(uint64_t v)
{
	return json_integer(v > INT64_MAX ? INT64_MAX : (json_int_t)v);
}

static int add_entry(json_t *array, uint64_t major, uint64_t minor, const char *op, size_t op_len, uint64_t value)
{
	json_t *o = json_pack("{s:I, s:I, s:o}", "major", (json_int_t)major, "minor", (json_int_t)minor, "value",
			      cg_json_u64(value));

	if (o && op_len > 0 && json_object_set_new(o, "op", json_stringn(op, op_len)) < 0) {
		json_decref(o);
		return -ENOMEM;
	}
	return !o || json_array_append_new(array, o) < 0 ? -ENOMEM : 0;
}

static int parse_device(const char **p, uint64_t *major, uint64_t *minor)
{
	if (num_span(p, UINT32_MAX, major) < 0 || *(*p)++ != ':' || num_span(p, UINT32_MAX, minor) < 0)
		return -EINVAL;
	return 0;
}

static int parse_blkio(const char *text, json_t *array)
{
	while (*text) {
		uint64_t major, minor, value;
		const char *op = NULL;
		size_t op_len = 0;
		int r;

		if (strncmp(text, "Total ", 6) == 0) {
			text += 6;
			if (num_span(&text, UINT64_MAX, &value) < 0 || end_line(&text) < 0)
				return -EINVAL;
			continue;
		}
		if (parse_device(&text, &major, &minor) < 0 || *text++ != ' ')
			return -EINVAL;
		if (*text < '0' || *text > '9') {
			op = text;
			op_len = key_span(text);
			text += op_len;
			if (op_len == 0 || *text++ != ' ')
				return -EINVAL;
		}
		if (num_span(&text, UINT64_MAX, &value) < 0 || end_line(&text) < 0)
			return -EINVAL;
		r = add_entry(array, major, minor, op, op_len, value);
		if (r < 0)
			return r;
	}
	return 0;
}

int cg_blkio_parse(const char *text, json_t **ret)
{
	json_t *array = json_array();
	int r = array ? parse_blkio(text, array) : -ENOMEM;

	if (r < 0)
		json_decref(array);
	else
		*ret = array;
	return r;
}

static int iostat_field(const char *key, size_t len, uint64_t major, uint64_t minor, uint64_t value, json_t *bytes,
			json_t *ios)
{
	static const struct {
		const char *key, *op;
		bool bytes;
	} fields[] = {
		{ "rbytes", "Read", true }, { "wbytes", "Write", true }, { "dbytes", "Discard", true },
		{ "rios", "Read", false },  { "wios", "Write", false },	 { "dios", "Discard", false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		if (strlen(fields[i].key) == len && memcmp(fields[i].key, key, len) == 0)
			return add_entry(fields[i].bytes ? bytes : ios, major, minor, fields[i].op,
					 strlen(fields[i].op), value);
	return 0;
}

static int parse_iostat(const char *text, json_t *bytes, json_t *ios)
{
	while (*text) {
		uint64_t major, minor, value;
		int r;

		if (parse_device(&text, &major, &minor) < 0)
			return -EINVAL;
		while (*text == ' ') {
			const char *key = ++text;
			size_t len = key_span(key);

			/* the kernel has been seen to end a line with a blank */
			if (*text == '\n' || *text == '\0')
				break;
			text += len;
			if (len == 0 || *text++ != '=')
				return -EINVAL;
			/* cost-model debugging adds values such as "12.34" and "init": not ours to
			 * know */
			if (num_span(&text, UINT64_MAX, &value) < 0 ||
			    !(*text == ' ' || *text == '\n' || *text == '\0')) {
				text += strcspn(text, " \n");
				continue;
			}
			r = iostat_field(key, len, major, minor, value, bytes, ios);
			if (r < 0)
				return r;
		}
		if (end_line(&text) < 0)
			return -EINVAL;
	}
	return 0;
}

int cg_iostat_parse(const char *text, json_t **ret_bytes, json_t **ret_ios)
{
	json_t *bytes = json_array(), *ios = json_array();
	int r = bytes && ios ? parse_iostat(text, bytes, ios) : -ENOMEM;

	if (r < 0) {
		json_decref(bytes);
		json_decref(ios);
		return r;
	}
	*ret_bytes = bytes;
	*ret_ios = ios;
	return 0;
}

/* "12.34" in hundredths */
static int parse_average(const char **p, double *ret)
{
	uint64_t whole, part;
	const char *start;

	if (num_span(p, 1000000, &whole) < 0 || *(*p)++ != '.')
		return -EINVAL;
	start = *p;
	if (num_span(p, 99, &part) < 0 || *p - start != 2)
		return -EINVAL;
	*ret = (double)whole + (double)part / 100;
	return 0;
}

static int parse_pressure_line(const char **p, json_t *o)
{
	static const char *const averages[] = { "avg10", "avg60", "avg300" };
	uint64_t total;

	for (size_t i = 0; i < ARRAY_SIZE(averages); i++) {
		size_t len = strlen(averages[i]);
		double v;

		if (*(*p)++ != ' ' || strncmp(*p, averages[i], len) != 0 || (*p)[len] != '=')
			return -EINVAL;
		*p += len + 1;
		if (parse_average(p, &v) < 0)
			return -EINVAL;
		if (json_object_set_new(o, averages[i], json_real(v)) < 0)
			return -ENOMEM;
	}
	if (strncmp(*p, " total=", 7) != 0)
		return -EINVAL;
	*p += 7;
	if (num_span(p, UINT64_MAX, &total) < 0 || end_line(p) < 0)
		return -EINVAL;
	return json_object_set_new(o, "total", cg_json_u64(total)) < 0 ? -ENOMEM : 0;
}

int cg_pressure_parse(const char *text, json_t **ret)
{
	json_t *o = json_object();
	int r = o ? 0 : -ENOMEM;

	while (r == 0 && *text) {
		const char *name = strncmp(text, "some", 4) == 0   ? "some"
				   : strncmp(text, "full", 4) == 0 ? "full"
								   : NULL;
		json_t *line;

		if (!name || json_object_get(o, name)) {
			r = -EINVAL;
			break;
		}
		text += 4;
		line = json_object();
		r = line ? parse_pressure_line(&text, line) : -ENOMEM;
		if (json_object_set_new(o, name, line) < 0 && r == 0)
			r = -ENOMEM;
	}
	if (r < 0)
		json_decref(o);
	else
		*ret = o;
	return r;
}
