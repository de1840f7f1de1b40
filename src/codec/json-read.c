/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/json-read.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

#include "base/cleanup.h"
#include "base/num.h"

#define REAL_MAX 64 /* characters of a number with a fraction or an exponent */

/* Two buffers, since a member's name must outlive the reading of its value. */
enum scratch {
	SCRATCH_NAME,
	SCRATCH_VALUE,
	SCRATCH_COUNT,
};

struct reader {
	const char *doc;
	const char *start, *p, *end;
	char *scratch[SCRATCH_COUNT]; /* made for the first string with an escape */
	size_t values;
	struct err *e;
};

struct text {
	const char *s;
	size_t n;
	bool ascii;
};

/* @at: the place; its line and column are counted only now */
static int bad(struct reader *r, const char *at, const char *what)
{
	size_t line = 1, column = 1;

	for (const char *c = r->start; c < at; c++) {
		column = *c == '\n' ? 1 : column + 1;
		line += *c == '\n';
	}
	return err_set(r->e, EINVAL, "%s: not JSON: line %zu, column %zu: %s", r->doc, line, column, what);
}

static int no_memory(struct reader *r)
{
	return err_sys(r->e, ENOMEM, "%s", r->doc);
}

static void skip_blanks(struct reader *r)
{
	while (r->p < r->end && (*r->p == ' ' || *r->p == '\n' || *r->p == '\t' || *r->p == '\r'))
		r->p++;
}

/* ------------------------------------------------------------------ strings */

/* Four hex digits at @p. Return: the value, -1 when they are not. */
static int hex4(const char *p, const char *end)
{
	int v = 0;

	if (end - p < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		char c = p[i];

		if (c >= '0' && c <= '9')
			v = v * 16 + (c - '0');
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			v = v * 16 + ((c | 0x20) - 'a' + 10);
		else
			return -1;
	}
	return v;
}

static char *put_utf8(char *o, int c)
{
	if (c < 0x80) {
		*o++ = (char)c;
	} else if (c < 0x800) {
		*o++ = (char)(0xc0 | c >> 6);
		*o++ = (char)(0x80 | (c & 0x3f));
	} else if (c < 0x10000) {
		*o++ = (char)(0xe0 | c >> 12);
		*o++ = (char)(0x80 | (c >> 6 & 0x3f));
		*o++ = (char)(0x80 | (c & 0x3f));
	} else {
		*o++ = (char)(0xf0 | c >> 18);
		*o++ = (char)(0x80 | (c >> 12 & 0x3f));
		*o++ = (char)(0x80 | (c >> 6 & 0x3f));
		*o++ = (char)(0x80 | (c & 0x3f));
	}
	return o;
}

/* The \uXXXX at r->p, perhaps a pair of them; never makes more bytes than it reads. */
static int unicode_escape(struct reader *r, char **o)
{
	int c = hex4(r->p + 2, r->end), low;

	if (c < 0)
		return bad(r, r->p, "\\u needs four hexadecimal digits");
	if (c == 0)
		return bad(r, r->p, "\\u0000 is not allowed");
	if (c >= 0xd800 && c < 0xe000) {
		low = r->end - r->p >= 12 && r->p[6] == '\\' && r->p[7] == 'u' ? hex4(r->p + 8, r->end) : -1;
		if (c >= 0xdc00 || low < 0xdc00 || low > 0xdfff)
			return bad(r, r->p, "half of a surrogate pair");
		c = 0x10000 + ((c - 0xd800) << 10 | (low - 0xdc00));
		r->p += 6;
	}
	*o = put_utf8(*o, c);
	r->p += 6;
	return 0;
}

static int escape(struct reader *r, char **o)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *hit;

	if (r->end - r->p < 2)
		return bad(r, r->p, "the document ends inside a string");
	if (r->p[1] == 'u')
		return unicode_escape(r, o);
	hit = r->p[1] ? strchr(from, r->p[1]) : NULL;
	if (!hit)
		return bad(r, r->p, "unknown escape in a string");
	*(*o)++ = to[hit - from];
	r->p += 2;
	return 0;
}

/* From the first escape on, the string is copied. @s: its first character */
static int read_escaped(struct reader *r, const char *s, enum scratch which, struct text *ret)
{
	char *o;
	int k;

	if (!r->scratch[which]) {
		r->scratch[which] = malloc((size_t)(r->end - r->start));
		if (!r->scratch[which])
			return no_memory(r);
	}
	o = r->scratch[which];
	memcpy(o, s, (size_t)(r->p - s));
	o += r->p - s;
	while (r->p < r->end && *r->p != '"') {
		if (*r->p == '\\') {
			k = escape(r, &o);
			if (k < 0)
				return k;
			continue;
		}
		if ((unsigned char)*r->p < ' ')
			return bad(r, r->p, "control character in a string");
		*o++ = *r->p++;
	}
	ret->s = r->scratch[which];
	ret->n = (size_t)(o - r->scratch[which]);
	ret->ascii = false; /* not looked at */
	return 0;
}

/* The string at r->p, which is on its opening quote. @ret: into the document or the scratch buffer */
static int read_string(struct reader *r, enum scratch which, struct text *ret)
{
	const char *open = r->p, *s = ++r->p;
	unsigned char high = 0;
	int k;

	while (r->p < r->end && *r->p != '"' && *r->p != '\\' && (unsigned char)*r->p >= ' ')
		high |= (unsigned char)*r->p++;
	if (r->p < r->end && *r->p == '\\') {
		k = read_escaped(r, s, which, ret);
		if (k < 0)
			return k;
	} else {
		*ret = (struct text){ .s = s, .n = (size_t)(r->p - s), .ascii = high < 0x80 };
	}
	if (r->p == r->end)
		return bad(r, open, "the document ends inside a string");
	if (*r->p != '"')
		return bad(r, r->p, "control character in a string");
	r->p++;
	return 0;
}

static int string_value(struct reader *r, json_t **ret)
{
	const char *at = r->p;
	struct text t;
	int k;

	k = read_string(r, SCRATCH_VALUE, &t);
	if (k < 0)
		return k;
	*ret = t.ascii ? json_stringn_nocheck(t.s, t.n) : json_stringn(t.s, t.n);
	if (*ret)
		return 0;
	/* jansson does not say which of the two it was; the checked form alone can refuse */
	return t.ascii ? no_memory(r) : bad(r, at, "a string is not valid UTF-8");
}

/* ------------------------------------------------------------------ numbers and words */

static bool is_digit(const struct reader *r, const char *p)
{
	return p < r->end && *p >= '0' && *p <= '9';
}

static const char *skip_digits(const struct reader *r, const char *p)
{
	while (is_digit(r, p))
		p++;
	return p;
}

static int real_value(struct reader *r, const char *s, json_t **ret)
{
	char text[REAL_MAX];
	size_t n = (size_t)(r->p - s);
	double d;

	if (n >= sizeof text)
		return bad(r, s, "a number is too long");
	memcpy(text, s, n);
	text[n] = '\0';
	d = strtod(text, NULL);
	if (!isfinite(d))
		return bad(r, s, "a number is too big");
	*ret = json_real(d);
	return *ret ? 0 : no_memory(r);
}

static int integer_value(struct reader *r, const char *s, json_t **ret)
{
	char text[1 + 20 + 1]; /* tag or sign, digits of 2^64-1, NUL */
	size_t n = (size_t)(r->p - s);
	uint64_t u;
	int64_t i;

	if (n >= sizeof text - 1)
		return bad(r, s, "a number is too big");
	text[0] = JSON_READ_BIG;
	memcpy(text + 1, s, n);
	text[n + 1] = '\0';
	if (num_i64(text + 1, &i) == 0)
		*ret = json_integer(i);
	else if (num_u64(text + 1, UINT64_MAX, &u) == 0)
		*ret = json_string_nocheck(text);
	else
		return bad(r, s, "a number is too big");
	return *ret ? 0 : no_memory(r);
}

static int number_value(struct reader *r, json_t **ret)
{
	const char *s = r->p, *p = s + (*s == '-');
	bool real = false;

	if (!is_digit(r, p))
		return bad(r, s, "a value was expected");
	p = *p == '0' ? p + 1 : skip_digits(r, p);
	if (p < r->end && *p == '.') {
		real = true;
		if (!is_digit(r, ++p))
			return bad(r, s, "a digit was expected behind '.'");
		p = skip_digits(r, p);
	}
	if (p < r->end && (*p == 'e' || *p == 'E')) {
		real = true;
		p++;
		p += p < r->end && (*p == '+' || *p == '-');
		if (!is_digit(r, p))
			return bad(r, s, "an exponent was expected");
		p = skip_digits(r, p);
	}
	r->p = p;
	return real ? real_value(r, s, ret) : integer_value(r, s, ret);
}

static int word_value(struct reader *r, json_t **ret)
{
	size_t left = (size_t)(r->end - r->p);

	if (left >= 4 && memcmp(r->p, "true", 4) == 0) {
		*ret = json_true();
		r->p += 4;
	} else if (left >= 4 && memcmp(r->p, "null", 4) == 0) {
		*ret = json_null();
		r->p += 4;
	} else if (left >= 5 && memcmp(r->p, "false", 5) == 0) {
		*ret = json_false();
		r->p += 5;
	} else {
		return bad(r, r->p, "a value was expected");
	}
	return 0;
}

/* ------------------------------------------------------------------ structure */

struct frame {
	json_t *node; /* borrowed from its parent, the outermost from the caller */
	bool object;
	enum {
		FRAME_OPENED, /* a value or the end may come */
		FRAME_COMMA,  /* a value must come */
		FRAME_VALUE,  /* a comma or the end must come */
	} state;
};

/* The value at r->p; of arrays and objects only the opening bracket. */
static int read_value(struct reader *r, json_t **ret)
{
	if (++r->values > JSON_READ_VALUES)
		return err_set(r->e, EFBIG, "%s: more than %u values", r->doc, JSON_READ_VALUES);
	if (r->p == r->end)
		return bad(r, r->p, "the document ends where a value was expected");
	switch (*r->p) {
	case '"':
		return string_value(r, ret);
	case '{':
	case '[':
		*ret = *r->p++ == '{' ? json_object() : json_array();
		return *ret ? 0 : no_memory(r);
	case 't':
	case 'f':
	case 'n':
		return word_value(r, ret);
	default:
		return number_value(r, ret);
	}
}

/* '"name" :' */
static int read_name(struct reader *r, struct text *ret)
{
	int k;

	if (*r->p != '"')
		return bad(r, r->p, "a name in quotes was expected");
	k = read_string(r, SCRATCH_NAME, ret);
	if (k < 0)
		return k;
	skip_blanks(r);
	if (r->p == r->end || *r->p != ':')
		return bad(r, r->p, "':' was expected");
	r->p++;
	skip_blanks(r);
	return 0;
}

/* @v is consumed. @at: where the member begins */
static int add_member(struct reader *r, json_t *obj, const struct text *name, json_t *v, const char *at)
{
	size_t before = json_object_size(obj);
	int k;

	if (name->ascii)
		k = json_object_setn_new_nocheck(obj, name->s, name->n, v);
	else
		k = json_object_setn_new(obj, name->s, name->n, v);
	if (k < 0)
		return name->ascii ? no_memory(r) : bad(r, at, "a name is not valid UTF-8");
	/* a second member of the same name has replaced the first */
	if (json_object_size(obj) == before)
		return bad(r, at, "two members of one object have the same name: remove one");
	return 0;
}

/* One member or element of @f. @ret: borrowed */
static int read_item(struct reader *r, struct frame *f, json_t **ret)
{
	const char *at = r->p;
	struct text name;
	json_t *v;
	int k;

	if (f->object) {
		k = read_name(r, &name);
		if (k < 0)
			return k;
	}
	k = read_value(r, &v);
	if (k < 0)
		return k;
	f->state = FRAME_VALUE;
	*ret = v;
	if (f->object)
		return add_member(r, f->node, &name, v, at);
	return json_array_append_new(f->node, v) < 0 ? no_memory(r) : 0;
}

/* What lies between the brackets of @root, which has just been opened. */
static int read_inside(struct reader *r, json_t *root)
{
	struct frame stack[JSON_READ_DEPTH];
	size_t depth = 0;
	json_t *v = root;
	int k;

	for (;;) {
		struct frame *f;

		if (json_is_object(v) || json_is_array(v)) {
			if (depth == JSON_READ_DEPTH)
				return err_set(r->e, EINVAL, "%s: arrays and objects are nested over %d levels",
					       r->doc, JSON_READ_DEPTH);
			stack[depth++] = (struct frame){ .node = v, .object = json_is_object(v) };
		}
		v = NULL;
		if (depth == 0)
			return 0;
		f = &stack[depth - 1];
		skip_blanks(r);
		if (r->p == r->end)
			return bad(r, r->p,
				   f->object ? "the document ends inside an object"
					     : "the document ends inside an array");
		if (f->state != FRAME_COMMA && *r->p == (f->object ? '}' : ']')) {
			r->p++;
			depth--;
			continue;
		}
		if (f->state == FRAME_VALUE) {
			if (*r->p != ',')
				return bad(r, r->p,
					   f->object ? "',' or '}' was expected" : "',' or ']' was expected");
			r->p++;
			f->state = FRAME_COMMA;
			continue;
		}
		k = read_item(r, f, &v);
		if (k < 0)
			return k;
	}
}

/*
 * jansson would read /dev/urandom for the seed of its hash tables. The kernel has already given this process random
 * bytes; the stack protector uses some of them, so they are mixed and not used as they are.
 */
static void seed_hash_tables(void)
{
	static bool done;
	unsigned char random[16];
	uint64_t h = 0xcbf29ce484222325u;
	const void *p;

	if (done)
		return;
	done = true;
	p = (const void *)getauxval(AT_RANDOM);
	if (!p)
		return;
	memcpy(random, p, sizeof random);
	for (size_t i = 0; i < sizeof random; i++)
		h = (h ^ random[i]) * 0x100000001b3u;
	h ^= h >> 32;
	json_object_seed((size_t)(h & 0xffffffffu) | 1u); /* 0 would mean /dev/urandom */
}

int json_read(const char *doc, const char *buf, size_t len, json_t **ret, struct err *e)
{
	struct reader r = { .doc = doc, .start = buf, .p = buf, .end = buf + len, .e = e };
	json_t *root = NULL;
	int k;

	seed_hash_tables();
	skip_blanks(&r);
	if (r.p == r.end || (*r.p != '{' && *r.p != '['))
		return bad(&r, r.p, "an object was expected");
	k = read_value(&r, &root);
	if (k == 0)
		k = read_inside(&r, root);
	if (k == 0) {
		skip_blanks(&r);
		if (r.p < r.end)
			k = bad(&r, r.p, "something follows the end of the document");
	}
	for (size_t i = 0; i < SCRATCH_COUNT; i++)
		free(r.scratch[i]);
	if (k < 0) {
		json_decref(root);
		return k;
	}
	*ret = root;
	return 0;
}
