/* SPDX-License-Identifier: Apache-2.0 */
#include "socket/registry-ask.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "codec/json-read.h"
#include "sys/root-dir.h"

#define FILE_MAX (256u << 10) /* of what settings name */
#define AUTH_MAX (64u << 10)  /* of a client's header */

static void json_cleanup(json_t **v)
{
	json_decref(*v);
}
#define _cleanup_json_ _cleanup_(json_cleanup)

/* ---- files that settings name ---- */

static int read_roots_file(const char *path, bool may_lack, char **ret, size_t *ret_len, struct err *e)
{
	/* Non-blocking: a FIFO is found out below. */
	_cleanup_close_ int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;
	int r;

	if (fd < 0)
		return may_lack && errno == ENOENT ? -ENOENT : err_sys(e, errno, "%s: cannot open it", path);
	if (fstat(fd, &st) < 0)
		return err_sys(e, errno, "%s: cannot examine it", path);
	if (!S_ISREG(st.st_mode) || !is_roots_alone(&st))
		return err_set(e, EPERM,
			       "%s: is to be a file that only root can change; run: chown root %s; chmod go-w %s",
			       path, path, path);
	r = io_read_fd(fd, FILE_MAX, ret, ret_len);
	return r < 0 ? err_sys(e, -r, "%s: cannot read it", path) : 0;
}

/* ---- TLS of one host ---- */

struct tls {
	json_t *ca;    /* text, "" without one */
	json_t *certs; /* {"cert", "key"}, or NULL */
};

static void tls_cleanup(struct tls *t)
{
	json_decref(t->ca);
	json_decref(t->certs);
}

static int add_ca(struct tls *t, const char *path, struct err *e)
{
	_cleanup_free_ char *text = NULL, *all = NULL;
	const char *before = json_string_value(t->ca);
	size_t len;
	int r = read_roots_file(path, false, &text, &len, e);

	if (r < 0)
		return r;
	if (strlen(before) + len > FILE_MAX)
		return err_set(e, EFBIG, "%s: is too long, with the other CAs", path);
	if (asprintf(&all, "%s%s%s", before, *before ? "\n" : "", text) < 0) {
		all = NULL;
		return err_sys(e, ENOMEM, "%s", path);
	}
	return strlen(text) != len || json_string_set(t->ca, all) < 0
		       ? err_set(e, EINVAL, "%s: is no PEM text", path)
		       : 0;
}

/* @path: NAME.cert; NAME.key belongs to it. */
static int set_client(struct tls *t, const char *path, struct err *e)
{
	_cleanup_free_ char *name = strndup(path, strlen(path) - strlen(".cert")), *key_path = NULL, *cert = NULL,
			    *key = NULL;
	size_t len;
	int r;

	if (!name || asprintf(&key_path, "%s.key", name) < 0) {
		key_path = NULL;
		return err_sys(e, ENOMEM, "%s", path);
	}
	r = read_roots_file(path, false, &cert, &len, e);
	if (r == 0)
		r = read_roots_file(key_path, true, &key, &len, e);
	if (r == -ENOENT && !key)
		return err_set(e, ENOENT, "%s: its key %s is missing; if this is a CA, rename it to *.crt", path,
			       key_path);
	if (r < 0)
		return r;
	t->certs = json_pack("{ss ss}", "cert", cert, "key", key);
	explicit_bzero(key, len);
	return t->certs ? 0 : err_set(e, EINVAL, "%s, %s: are no PEM texts", path, key_path);
}

static int take_entry(struct tls *t, const char *dir, const char *name, bool with_ca, struct err *e)
{
	const char *ext = strrchr(name, '.');
	_cleanup_free_ char *path = NULL;

	if (!ext)
		return 0;
	if (asprintf(&path, "%s/%s", dir, name) < 0) {
		path = NULL;
		return err_sys(e, ENOMEM, "%s", dir);
	}
	if (with_ca && strcmp(ext, ".crt") == 0)
		return add_ca(t, path, e);
	return !t->certs && strcmp(ext, ".cert") == 0 ? set_client(t, path, e) : 0;
}

/*
 * As docker does it: in HOST/ below @certs every *.crt is a CA, and NAME.cert with NAME.key is what a registry
 * knows us by. libcurl can have one of them, where docker tries all: the first by name.
 */
static int read_tls(const struct socket_registry *reg, const char *certs, const char *host, struct tls *ret,
		    struct err *e)
{
	bool named = reg && reg->ca;
	_cleanup_close_ int fd = -EBADF;
	struct dirent **list = NULL;
	char dir[IMAGE_NAME_MAX + 256];
	struct stat st;
	int n, r;

	ret->ca = json_string("");
	if (!ret->ca)
		return err_sys(e, ENOMEM, "%s", host);
	r = named ? add_ca(ret, reg->ca, e) : 0;
	if (r < 0 || !certs)
		return r;
	(void)snprintf(dir, sizeof dir, "%.200s/%s", certs, host);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : err_sys(e, errno, "%s: cannot read it", dir);
	/* Else somebody links there what root has elsewhere. */
	if (fstat(fd, &st) < 0 || !is_roots_alone(&st))
		return err_set(
			e, EPERM,
			"%s: is to be a directory that only root can change; run: chown root %s; chmod go-w %s",
			dir, dir, dir);
	n = scandirat(fd, ".", &list, NULL, alphasort);
	if (n < 0)
		return err_sys(e, errno, "%s: cannot read it", dir);
	for (int i = 0; i < n; i++) {
		if (r == 0)
			r = take_entry(ret, dir, list[i]->d_name, !named, e);
		free(list[i]);
	}
	free(list);
	return r;
}

/* ---- credentials ---- */

static int base64_digit(char c)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c ? strchr(digits, c == '-' ? '+' : c == '_' ? '/' : c) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* Of either alphabet, with or without padding, as clients differ. @ret: malloc'd, NUL-terminated. */
static int base64_decode(const char *s, char **ret, size_t *ret_len)
{
	size_t n = strlen(s), len = 0;
	unsigned bits = 0, have = 0;
	_cleanup_free_ char *out = NULL;

	while (n > 0 && s[n - 1] == '=')
		n--;
	out = malloc(n + 1);
	if (!out)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		int digit = base64_digit(s[i]);

		if (digit < 0)
			return -EINVAL;
		bits = bits << 6 | (unsigned)digit;
		have += 6;
		if (have >= 8) {
			have -= 8;
			out[len++] = (char)(bits >> have & 255);
		}
	}
	out[len] = '\0';
	*ret = TAKE_PTR(out);
	*ret_len = len;
	return 0;
}

static void put_member(json_t *to, const char *name, const char *value)
{
	if (value && *value)
		(void)json_object_set_new(to, name, json_string(value));
}

/* "auth" is base64 of "user:password". */
static void put_auth(json_t *to, const char *auth)
{
	_cleanup_free_ char *text = NULL;
	char *colon;
	size_t len;

	if (!auth || base64_decode(auth, &text, &len) < 0 || strlen(text) != len || !(colon = strchr(text, ':')))
		return;
	*colon = '\0';
	put_member(to, "username", text);
	put_member(to, "password", colon + 1);
	explicit_bzero(text, len);
}

/* Docker's object of one registry, in its own files and in X-Registry-Auth. @ret: NULL when there is nothing in it. */
static int read_auth(const json_t *o, json_t **ret)
{
	static const char *const names[] = { "username", "password", "identitytoken", "registrytoken" };
	_cleanup_json_ json_t *auth = json_object();

	if (!auth)
		return -ENOMEM;
	put_auth(auth, json_string_value(json_object_get(o, "auth")));
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		put_member(auth, names[i], json_string_value(json_object_get(o, names[i])));
	*ret = json_object_size(auth) > 0 ? TAKE_PTR(auth) : NULL;
	return 0;
}

/* Keys of such files are host names, and for the first registry of all a URL. */
static bool is_host(const char *key, const char *host)
{
	const char *scheme = strstr(key, "://");
	size_t n;

	key = scheme ? scheme + 3 : key;
	n = strcspn(key, "/");
	if (strcmp(host, "docker.io") == 0 && n == strlen("index.docker.io") &&
	    strncasecmp(key, "index.docker.io", n) == 0)
		return true;
	return n == strlen(host) && strncasecmp(key, host, n) == 0;
}

static int read_auth_file(const char *path, const char *host, json_t **ret, struct err *e)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_json_ json_t *tree = NULL;
	struct err why = { 0 };
	const char *key;
	size_t len;
	json_t *v;
	int r = read_roots_file(path, false, &text, &len, e);

	if (r < 0)
		return r;
	r = json_read("credentials", text, len, &tree, &why);
	explicit_bzero(text, len);
	if (r < 0)
		return err_set(e, -r, "%s: is not docker's config.json", path);
	json_object_foreach(json_object_get(tree, "auths"), key, v)
		if (is_host(key, host))
			return read_auth(v, ret);
	return err_set(e, ENOENT,
		       "%s: has nothing for %s under \"auths\"; run: docker login %s, and take its config.json",
		       path, host, host);
}

/* What a client sent that is of no use is no reason to fail: the registry may answer anybody. */
static int read_auth_header(const char *header, json_t **ret)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_json_ json_t *tree = NULL;
	size_t len;
	int r;

	if (strlen(header) > AUTH_MAX || base64_decode(header, &text, &len) < 0)
		return 0;
	r = json_read("credentials", text, len, &tree, NULL);
	explicit_bzero(text, len);
	return r == 0 ? read_auth(tree, ret) : r == -ENOMEM ? r : 0;
}

/* ---- jobs ---- */

/* What is asked, of whomever. */
struct question {
	const struct settings_socket *settings;
	const char *certs, *known;
	const struct image_ref *ref;
};

static int put_job(const struct question *q, const struct socket_registry *reg, const char *endpoint,
		   const struct tls *tls, json_t *auth, struct registry_ask *ret, struct err *e)
{
	const struct settings_socket *s = q->settings;
	const struct image_ref *ref = q->ref;
	_cleanup_json_ json_t *job = NULL;

	job = json_pack("{ss, ss, ss, sb, sO, ss, si}", "registry", ref->registry, "repository", ref->repository,
			"reference",
			*ref->digest ? ref->digest
			: *ref->tag  ? ref->tag
				     : "latest",
			"insecure", reg && reg->insecure, "ca", tls->ca, "proxy", s->proxy ? s->proxy : "",
			"seconds", 10);
	if (job && endpoint && json_object_set_new(job, "endpoint", json_string(endpoint)) < 0)
		return err_sys(e, EINVAL, "%s", endpoint);
	if (job && q->known && json_object_set_new(job, "known", json_string(q->known)) < 0)
		return err_sys(e, ENOMEM, "%s", ref->registry);
	if (job && tls->certs && json_object_set(job, "certs", tls->certs) < 0)
		return err_sys(e, ENOMEM, "%s", ref->registry);
	if (job && auth && json_object_set(job, "auth", auth) < 0)
		return err_sys(e, ENOMEM, "%s", ref->registry);
	ret->job = job ? json_dumps(job, JSON_COMPACT) : NULL;
	if (!ret->job)
		return err_sys(e, ENOMEM, "%s", ref->registry);
	ret->len = strlen(ret->job);
	return 0;
}

static int make_mirror(const struct question *q, const char *mirror, struct registry_ask *ret, struct err *e)
{
	const char *scheme = strstr(mirror, "://"), *host = scheme ? scheme + 3 : mirror;
	_cleanup_(tls_cleanup) struct tls tls = { 0 };
	const struct socket_registry *reg;
	int r;

	(void)snprintf(ret->host, sizeof ret->host, "%.*s", (int)strcspn(host, "/"), host);
	reg = settings_socket_registry(q->settings, ret->host);
	r = read_tls(reg, q->certs, ret->host, &tls, e);
	if (r == 0)
		r = put_job(q, reg, mirror, &tls, NULL, ret, e);
	return r;
}

static int make_own(const struct question *q, const struct socket_registry *reg, const char *header,
		    struct registry_ask *ret, struct err *e)
{
	const char *registry = q->ref->registry;
	_cleanup_(tls_cleanup) struct tls tls = { 0 };
	_cleanup_json_ json_t *auth = NULL;
	int r;

	(void)snprintf(ret->host, sizeof ret->host, "%s", registry);
	r = read_tls(reg, q->certs, registry, &tls, e);
	if (r == 0 && reg && reg->auth)
		r = read_auth_file(reg->auth, registry, &auth, e);
	else if (r == 0 && header)
		r = read_auth_header(header, &auth);
	if (r == 0)
		r = put_job(q, reg, NULL, &tls, auth, ret, e);
	return r;
}

int registry_ask_make(const struct settings_socket *s, const char *certs, const struct image_ref *ref,
		      const char *auth, const char *known, struct registry_ask ret[static REGISTRY_ASKS_MAX],
		      struct err *e)
{
	const struct question q = { .settings = s, .certs = certs, .known = known, .ref = ref };
	const struct socket_registry *reg = settings_socket_registry(s, ref->registry);
	int n = 0, r = 0;

	memset(ret, 0, REGISTRY_ASKS_MAX * sizeof *ret);
	if (reg && reg->mirror)
		r = make_mirror(&q, reg->mirror, &ret[n++], e);
	if (r == 0)
		r = make_own(&q, reg, auth, &ret[n++], e);
	if (r == 0)
		return n;
	registry_asks_done(ret);
	return r;
}

void registry_asks_done(struct registry_ask asks[static REGISTRY_ASKS_MAX])
{
	for (size_t i = 0; i < REGISTRY_ASKS_MAX; i++) {
		if (asks[i].job)
			explicit_bzero(asks[i].job, asks[i].len);
		free(asks[i].job);
		asks[i].job = NULL;
	}
}
