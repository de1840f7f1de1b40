/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/mountinfo.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/num.h"

#define OVERLAY_MAX_LAYERS 500

static bool octal_digit(char c)
{
	return c >= '0' && c <= '7';
}

void mountinfo_unescape(char *s)
{
	char *to = s;

	while (*s) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && octal_digit(s[2]) && octal_digit(s[3])) {
			unsigned v = ((unsigned)(s[1] - '0') << 6) | ((unsigned)(s[2] - '0') << 3) |
				     (unsigned)(s[3] - '0');

			/* \000 would end the string early and hide the rest. */
			if (v != 0) {
				*to++ = (char)(unsigned char)v;
				s += 4;
				continue;
			}
		}
		*to++ = *s++;
	}
	*to = '\0';
}

/* Cut the next space-separated field off *P; NULL at the end of the line. */
static char *next_field(char **p)
{
	char *start = *p, *end;

	if (!start || *start == '\0')
		return NULL;
	end = strchr(start, ' ');
	if (end) {
		*end = '\0';
		*p = end + 1;
	} else {
		*p = start + strlen(start);
	}
	return start;
}

static int parse_line(char *line, struct mountinfo *m)
{
	char *field, *dev;
	const char *d;
	uint64_t v;

	field = next_field(&line);
	if (!field || num_u64(field, UINT64_MAX, &m->id) < 0)
		return -EPROTO;
	field = next_field(&line);
	if (!field || num_u64(field, UINT64_MAX, &m->parent) < 0)
		return -EPROTO;
	dev = next_field(&line);
	if (!dev)
		return -EPROTO;
	d = dev;
	if (num_span(&d, UINT_MAX, &v) < 0 || *d++ != ':')
		return -EPROTO;
	m->major = (unsigned)v;
	if (num_span(&d, UINT_MAX, &v) < 0 || *d != '\0')
		return -EPROTO;
	m->minor = (unsigned)v;
	m->root = next_field(&line);
	m->target = next_field(&line);
	m->options = next_field(&line);
	if (!m->root || !m->target || !m->options)
		return -EPROTO;
	/* Optional fields, as many as there are, end with a single "-". */
	do
		field = next_field(&line);
	while (field && strcmp(field, "-") != 0);
	m->fstype = next_field(&line);
	m->source = next_field(&line);
	m->super_options = next_field(&line);
	if (!field || !m->fstype || !m->source || !m->super_options)
		return -EPROTO;
	mountinfo_unescape(m->root);
	mountinfo_unescape(m->target);
	mountinfo_unescape(m->source);
	return 0;
}

int mountinfo_next(char **cursor, struct mountinfo *ret)
{
	struct mountinfo m = { 0 };
	char *line = *cursor, *end;
	int r;

	if (*line == '\0')
		return 0;
	end = strchr(line, '\n');
	if (end)
		*end = '\0';
	*cursor = end ? end + 1 : line + strlen(line);
	r = parse_line(line, &m);
	if (r < 0)
		return r;
	*ret = m;
	return 1;
}

static int add_layer(struct overlay_options *o, char *path, bool data)
{
	char **bigger;

	/* Data-only layers come last. */
	if (*path == '\0' || (o->n_data > 0 && !data))
		return -EINVAL;
	if (o->n_lower == OVERLAY_MAX_LAYERS)
		return -EINVAL;
	if (o->n_lower % 16 == 0) {
		bigger = realloc(o->lower, (o->n_lower + 16) * sizeof *bigger);
		if (!bigger)
			return -ENOMEM;
		o->lower = bigger;
	}
	o->lower[o->n_lower++] = path;
	o->n_data += data;
	return 0;
}

/* Split "a:b\:c::d" in place: ':' separates, "::" starts data-only layers, "\x" is x. */
static int split_lowerdir(struct overlay_options *o, char *value)
{
	char *from = value, *to = value, *start = value;
	bool data = false;
	int r;

	for (;; from++) {
		if (*from == '\\' && from[1] != '\0') {
			*to++ = *++from;
			continue;
		}
		if (*from != ':' && *from != '\0') {
			*to++ = *from;
			continue;
		}
		bool last = *from == '\0';

		*to++ = '\0';
		r = add_layer(o, start, data);
		if (r < 0 || last)
			return r;
		if (from[1] == ':') {
			data = true;
			from++;
		}
		start = to;
	}
}

/* "\x" is x, as the kernel reads upperdir and workdir of the classic option string. */
static char *unescape_backslash(char *value)
{
	char *to = value;

	for (const char *from = value; *from; from++) {
		if (*from == '\\' && from[1] != '\0')
			from++;
		*to++ = *from;
	}
	*to = '\0';
	return value;
}

static int one_option(struct overlay_options *o, char *opt)
{
	char *value = strchr(opt, '=');

	if (!value) {
		if (strcmp(opt, "userxattr") == 0)
			o->userxattr = true;
		else if (strcmp(opt, "volatile") == 0)
			o->volatile_ = true;
		return 0;
	}
	*value++ = '\0';
	mountinfo_unescape(value);
	if (strcmp(opt, "lowerdir") == 0)
		return split_lowerdir(o, value);
	if (strcmp(opt, "lowerdir+") == 0 || strcmp(opt, "datadir+") == 0)
		return add_layer(o, value, opt[0] == 'd');
	if (strcmp(opt, "upperdir") == 0)
		o->upper = unescape_backslash(value);
	else if (strcmp(opt, "workdir") == 0)
		o->work = unescape_backslash(value);
	else if (strcmp(opt, "metacopy") == 0)
		o->metacopy = strcmp(value, "on") == 0;
	else if (strcmp(opt, "redirect_dir") == 0)
		o->redirect = strcmp(value, "on") == 0;
	else if (strcmp(opt, "nfs_export") == 0)
		o->nfs_export = strcmp(value, "on") == 0;
	return 0;
}

int overlay_options_parse(char *text, struct overlay_options *ret)
{
	struct overlay_options o = { 0 };
	int r = 0;

	while (r == 0 && text && *text) {
		char *opt = text;

		text = strchr(text, ',');
		if (text)
			*text++ = '\0';
		r = one_option(&o, opt);
	}
	if (r == 0 && o.n_lower == o.n_data)
		r = -EINVAL;
	if (r < 0) {
		overlay_options_done(&o);
		return r;
	}
	*ret = o;
	return 0;
}

void overlay_options_done(struct overlay_options *o)
{
	free(o->lower);
	*o = (struct overlay_options){ 0 };
}
