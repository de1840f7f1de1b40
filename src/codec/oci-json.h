/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CODEC_OCI_JSON_H
#define CODEC_OCI_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "codec/oci-spec.h"

/*
 * Private to src/codec/oci-*.c: a checked JSON tree, and tables that move its members into structs. One row per
 * member gives its name, type, range and place; every refusal names the path from the document down.
 */

/* Where we are in the document: a chain of stack frames, written out only when something is refused. */
enum oci_step {
	OCI_STEP_DOC,	  /* "config.json" */
	OCI_STEP_MEMBER,  /* a member with a name of the spec: ".limit" */
	OCI_STEP_ENTRY,	  /* an entry of a map, its name untrusted: ["net.core.somaxconn"] */
	OCI_STEP_ELEMENT, /* [3] */
};

struct oci_at {
	const struct oci_at *up;
	enum oci_step step;
	const char *name;
	size_t index;
};

/* oci_fail() - refuse: "config.json: linux.resources: <text>". Return: -EINVAL. */
int oci_fail(const struct oci_at *at, struct err *e, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* oci_quote() - untrusted @s as one short printable line in quotes, in @buf. Return: @buf. */
#define OCI_QUOTE 80
const char *oci_quote(char buf[static OCI_QUOTE], const char *s);

/*
 * oci_json_load() - bytes to a tree whose root is an object.
 * The number kinds read all of -2^63 to 2^64-1 exactly.
 * @doc: name for messages     @ret: new reference
 * Return: 0, -EINVAL, -EFBIG or -ENOMEM.
 */
int oci_json_load(const char *doc, const char *buf, size_t len, json_t **ret, struct err *e);

enum oci_kind {
	OCI_STR,  /* const char *; "" counts as absent; .max: longest, in bytes */
	OCI_PATH, /* OCI_STR that must start with '/' */
	OCI_BOOL,
	OCI_INT,   /* int32_t, int64_t; range .min to .max, the type's when both are 0 */
	OCI_UINT,  /* uint16_t, uint32_t, uint64_t; as OCI_INT */
	OCI_STRV,  /* struct oci_strv */
	OCI_PATHV, /* struct oci_strv of absolute paths */
	OCI_OBJ,   /* .fn gets the object and the address of the member of the struct */
	OCI_LIST, /* array of objects: .fn gets each with a zeroed element of .elem bytes; the count goes to .count */
	OCI_MAP, /* object with free names: as OCI_LIST, the name is in at->name, the value has any type */
	OCI_RAW, /* .fn gets the value whatever its type */
};

struct oci_field {
	const char *key;
	enum oci_kind kind;
	bool required;
	bool zero_is_absent; /* numbers: engines send 0 for "not given" */
	size_t off, size;
	size_t has;   /* 1 + offset of the bool that says "given"; 0: none */
	size_t count; /* OCI_LIST, OCI_MAP: offset of the size_t */
	size_t elem;
	int64_t min;
	uint64_t max;
	int (*fn)(json_t *v, const struct oci_at *at, void *dst, struct err *e);
};

#define OCI_FIELD(T, KIND, KEY, M, ...)                                                               \
	{                                                                                             \
		.key = (KEY), .kind = OCI_##KIND, .off = offsetof(T, M), .size = sizeof(((T *)0)->M), \
		##__VA_ARGS__                                                                         \
	}
#define OCI_HAS(T, M) .has = offsetof(T, M) + 1
/* An array member @M with its count @N. */
#define OCI_ARRAY(T, KIND, KEY, M, N, FN, ...)                                                        \
	OCI_FIELD(T, KIND, KEY, M, .count = offsetof(T, N), .elem = sizeof(*((T *)0)->M), .fn = (FN), \
		  ##__VA_ARGS__)
/* A member object whose members land in the same struct. */
#define OCI_INTO(KEY, FN, ...)                                           \
	{                                                                \
		.key = (KEY), .kind = OCI_OBJ, .fn = (FN), ##__VA_ARGS__ \
	}

/*
 * oci_json_fields() - move the members of @obj that @f names into the struct at @base.
 * null counts as absent. On failure @base is half-built: the caller frees it with its _done().
 * Return: 0, -EINVAL or -ENOMEM.
 */
int oci_json_fields(json_t *obj, const struct oci_at *at, const struct oci_field *f, size_t n, void *base,
		    struct err *e);

/* oci_json_only() - refuse members of @obj that @f does not name, other than null. @what: "hook". */
int oci_json_only(json_t *obj, const struct oci_at *at, const struct oci_field *f, size_t n, const char *what,
		  struct err *e);

/* One value. */
int oci_json_str(json_t *v, const struct oci_at *at, const char **ret, struct err *e);
int oci_json_u32(json_t *v, const struct oci_at *at, uint32_t *ret, struct err *e);
int oci_json_object(json_t *v, const struct oci_at *at, struct err *e);
int oci_json_array(json_t *v, const struct oci_at *at, struct err *e);
/* OCI_MAP of struct oci_kv. */
int oci_json_kv(json_t *v, const struct oci_at *at, void *dst, struct err *e);
/* OCI_RAW: refuse a member that the runtime-spec knows and this runtime does not implement. */
int oci_unsupported(json_t *v, const struct oci_at *at, void *dst, struct err *e);

/* Closed sets of names. */
struct oci_name {
	const char *name;
	int value;
};

/* oci_json_name() - @s must be in @t. @key: member of @at that holds it, or NULL. @what: "namespace". Return: 0 or -EINVAL with the accepted names listed. */
int oci_json_name(const char *s, const struct oci_at *at, const char *key, const char *what,
		  const struct oci_name *t, size_t n, int *ret, struct err *e);

void oci_strv_done(struct oci_strv *s);

/* Syntax of "0-3,7". */
bool oci_is_cpu_list(const char *s);

/* The parts of the document; each fills the struct at @dst. */
int oci_process_fill(json_t *v, const struct oci_at *at, void *dst, struct err *e);   /* struct oci_process */
int oci_linux_fill(json_t *v, const struct oci_at *at, void *dst, struct err *e);     /* struct oci_linux */
int oci_resources_fill(json_t *v, const struct oci_at *at, void *dst, struct err *e); /* struct oci_resources */
int oci_seccomp_fill(json_t *v, const struct oci_at *at, void *dst, struct err *e);   /* struct oci_seccomp */
int oci_idmap_fill(json_t *v, const struct oci_at *at, void *dst, struct err *e);     /* struct oci_idmap */

void oci_linux_done(struct oci_linux *l);
void oci_seccomp_done(struct oci_seccomp *s);

#endif
