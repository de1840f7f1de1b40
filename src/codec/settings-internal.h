/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CODEC_SETTINGS_INTERNAL_H
#define CODEC_SETTINGS_INTERNAL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Reading a settings file: members by name, and messages that name the place. */

#define SETTINGS_ENTRIES_MAX 4096u /* per list: keeps the look for duplicates cheap for any file */

/* Where in the file we are, for messages: "caisson.shares[2].path". On the stack, written out only for a message. */
struct where {
	const char *file;
	const struct where *up; /* NULL: the top */
	const char *name;	/* untrusted; NULL: [index] */
	size_t index;
};

/* setting_below() - @w, extended by ".name" or, with an empty name, by "[index]". @w has to outlive it. */
struct where setting_below(const struct where *w, const char *name, size_t index);

/* setting_bad() - file: path: reason; @name: "" or a member of @w. Return: -EINVAL. */
int setting_bad(struct err *e, const struct where *w, const char *name, const char *reason);
int setting_bad_type(struct err *e, const struct where *w, const char *name, const char *want, const json_t *got);

/* setting_no_memory() - Return: -ENOMEM. */
int setting_no_memory(struct err *e, const struct where *w);

/* setting_shown() - untrusted text, bounded and on one line. Return: @buf. */
const char *setting_shown(const char *s, char buf[96]);

/*
 * setting_get() - a member. Documented names match without regard to case, as Docker Desktop's do; two spellings of one
 * are refused. Return: 1 found, 0 absent (*@ret is untouched), -EINVAL. The others likewise, for one type.
 */
int setting_get(json_t *obj, const struct where *w, const char *name, json_t **ret, struct err *e);
int setting_object(json_t *obj, const struct where *w, const char *name, json_t **ret, struct err *e);
int setting_array(json_t *obj, const struct where *w, const char *name, json_t **ret, struct err *e);
int setting_bool(json_t *obj, const struct where *w, const char *name, bool *ret, struct err *e);
int setting_string(json_t *obj, const struct where *w, const char *name, const char **ret, struct err *e);
int setting_number(json_t *obj, const struct where *w, const char *name, uint32_t lowest, uint32_t highest,
		   uint32_t *ret, struct err *e);

#define SETTINGS_KNOWN_MAX 16u

/*
 * setting_members() - all members at once: @ret[i] is that of @known[i] or NULL. Other names are refused, with the
 * closest known one, and two spellings of one. setting_only_known() only refuses. @n: at most SETTINGS_KNOWN_MAX.
 * Return: 0, -EINVAL.
 */
int setting_members(json_t *obj, const struct where *w, const char *const known[], size_t n, json_t **ret,
		    struct err *e);
int setting_only_known(json_t *obj, const struct where *w, const char *const known[], size_t n, struct err *e);

/* setting_as_...() - @val NULL: absent. Return: 1, 0 when it is absent, -EINVAL when it is of another type. */
int setting_as_object(json_t *val, const struct where *w, const char *name, struct err *e);
int setting_as_array(json_t *val, const struct where *w, const char *name, struct err *e);
int setting_as_bool(json_t *val, const struct where *w, const char *name, bool *ret, struct err *e);
int setting_as_string(json_t *val, const struct where *w, const char *name, const char **ret, struct err *e);

/* setting_path() - a clean absolute path, not "/" and not the kernel's; $HOME, $TMP and $TEMP alone are expanded. */
int setting_path(const struct where *w, const char *name, const char *p, const char **ret, struct err *e);

#endif
