/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "registry/challenge.h"
#include "registry/document.h"
#include "registry/job.h"
#include "registry/login.h"
#include "registry/url.h"

#define D  "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define D2 "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

/* ---- jobs ------------------------------------------------------------------------------------------------------ */

#define NAMES "\"registry\":\"docker.io\",\"repository\":\"library/docker\",\"reference\":\"cli\","

static void jobs_are_read(void **state)
{
	static const char text[] = "{" NAMES
				   "\"seconds\":10,\"insecure\":true,\"ca\":\"\",\"proxy\":\"http://p:1\","
				   "\"certs\":{\"cert\":\"C\",\"key\":\"K\"},\"known\":\"" D "\","
				   "\"endpoint\":\"https://m\","
				   "\"auth\":{\"username\":\"u\",\"password\":\"p\",\"registrytoken\":\"\"}}";
	static const char token[] = "{" NAMES
				    "\"seconds\":1,\"auth\":{\"username\":\"<token>\",\"password\":\"t\"}}";
	static const char digest[] = "{\"registry\":\"[::1]:5000\",\"repository\":\"a\",\"reference\":\"" D
				     "\",\"seconds\":60}";
	struct err e = { 0 };
	struct registry_job job;

	(void)state;
	assert_int_equal(job_parse(text, strlen(text), &job, &e), 0);
	assert_string_equal(job.registry, "docker.io");
	assert_string_equal(job.repository, "library/docker");
	assert_string_equal(job.reference, "cli");
	assert_false(job.by_digest);
	assert_true(job.insecure);
	assert_null(job.ca);
	assert_string_equal(job.proxy, "http://p:1");
	assert_string_equal(job.cert, "C");
	assert_string_equal(job.key, "K");
	assert_string_equal(job.known, D);
	assert_string_equal(job.endpoint, "https://m");
	assert_string_equal(job.auth.username, "u");
	assert_string_equal(job.auth.password, "p");
	assert_null(job.auth.registry_token);
	assert_int_equal(job.seconds, 10);
	job_done(&job);
	assert_int_equal(job_parse(token, strlen(token), &job, &e), 0);
	assert_null(job.auth.username);
	assert_null(job.auth.password);
	assert_string_equal(job.auth.identity_token, "t");
	job_done(&job);
	assert_int_equal(job_parse(digest, strlen(digest), &job, &e), 0);
	assert_true(job.by_digest);
	assert_false(job.insecure);
	job_done(&job);
}

static void jobs_of_other_shapes_are_refused(void **state)
{
	static const struct {
		const char *text, *why;
	} rows[] = {
		{ "[]", "an object was expected" },
		{ "{" NAMES "\"seconds\":0}", "seconds" },
		{ "{" NAMES "\"seconds\":61}", "seconds" },
		{ "{" NAMES "\"seconds\":\"10\"}", "seconds" },
		{ "{" NAMES "\"x\":1}", "unknown member" },
		{ "{" NAMES "\"seconds\":1,\"insecure\":1}", "insecure" },
		{ "{" NAMES "\"seconds\":1,\"ca\":1}", "ca: a text" },
		{ "{" NAMES "\"seconds\":1,\"known\":\"sha256:0\"}", "known" },
		{ "{" NAMES "\"seconds\":1,\"certs\":{\"cert\":\"C\"}}", "belong together" },
		{ "{" NAMES "\"seconds\":1,\"auth\":{\"user\":\"u\"}}", "auth: unknown member" },
		{ "{" NAMES "\"seconds\":1,\"auth\":[]}", "auth: an object" },
		{ "{" NAMES "\"seconds\":1,\"auth\":{\"username\":\"a:b\"}}", "':'" },
		{ "{" NAMES "\"seconds\":1,\"auth\":{\"registrytoken\":\"a\\r\\nX: y\"}}", "characters" },
		{ "{\"registry\":\"docker.io\",\"repository\":\"library/a\",\"seconds\":1}", "are needed" },
		/* names that mean something else than they look like, once they are parts of a URL */
		{ "{\"registry\":\"docker.io\",\"repository\":\"docker\",\"reference\":\"a\",\"seconds\":1}",
		  "full form" },
		{ "{\"registry\":\"index.docker.io\",\"repository\":\"a/b\",\"reference\":\"a\",\"seconds\":1}",
		  "full form" },
		{ "{\"registry\":\"a.b\",\"repository\":\"../x\",\"reference\":\"a\",\"seconds\":1}", "name" },
		{ "{\"registry\":\"a.b\",\"repository\":\"x\",\"reference\":\"a/../b\",\"seconds\":1}", "name" },
		{ "{\"registry\":\"a.b\",\"repository\":\"x\",\"reference\":\"a?b\",\"seconds\":1}", "name" },
		{ "{\"registry\":\"a.b\",\"repository\":\"x:y\",\"reference\":\"a\",\"seconds\":1}", "name" },
		{ "{\"registry\":\"u@a.b\",\"repository\":\"x\",\"reference\":\"a\",\"seconds\":1}", "name" },
		{ "{\"registry\":\"a.b/c\",\"repository\":\"x\",\"reference\":\"a\",\"seconds\":1}", "full form" },
		{ "{\"registry\":\"a.b\",\"repository\":\"x\",\"reference\":\"sha256:00\",\"seconds\":1}",
		  "name" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err e = { 0 };
		struct registry_job job;

		if (job_parse(rows[i].text, strlen(rows[i].text), &job, &e) != -EINVAL ||
		    !strstr(e.msg, rows[i].why))
			fail_msg("%s: %s", rows[i].text, e.msg);
	}
}

/* ---- fields of heads ------------------------------------------------------------------------------------------- */

static void challenges_are_read(void **state)
{
	static const struct {
		const char *text;
		int r;
		bool basic, bearer;
		const char *realm, *service;
	} rows[] = {
		{ "Bearer realm=\"https://a/t\",service=\"s\",scope=\"repository:x:pull\"", 0, false, true,
		  "https://a/t", "s" },
		{ "bearer REALM=\"https://a/t\"", 0, false, true, "https://a/t", "" },
		{ "Bearer realm = \"r\" , service = s", 0, false, true, "r", "s" },
		{ "Bearer service=s, realm=\"a \\\"b\\\\\"", 0, false, true, "a \"b\\", "s" },
		{ "Basic realm=\"x, Bearer realm=evil\"", 0, true, false, "", "" },
		{ "Basic realm=x, Bearer realm=y", 0, true, true, "y", "" },
		{ "Bearer realm=y,Basic realm=x", 0, true, true, "y", "" },
		{ "Bearer realm=y, Bearer realm=z", 0, false, true, "y", "" },
		{ "Negotiate, Basic realm=x", 0, true, false, "", "" },
		{ "NTLM TlRMTVNTUAAC+/==, Basic realm=x", 0, true, false, "", "" },
		{ "Basic", 0, true, false, "", "" },
		{ " , Basic , ", 0, true, false, "", "" },
		{ "", 0, false, false, "", "" },
		{ "Bearer", -EBADMSG, false, false, NULL, NULL },
		{ "Bearer service=s", -EBADMSG, false, false, NULL, NULL },
		{ "Bearer realm=\"\"", -EBADMSG, false, false, NULL, NULL },
		{ "Bearer realm=\"a", -EBADMSG, false, false, NULL, NULL },
		{ "Bearer realm=\"a\\", -EBADMSG, false, false, NULL, NULL },
		{ "Bearer realm=\"a\"b", -EBADMSG, false, false, NULL, NULL },
		{ "Bearer realm=a realm=b", -EBADMSG, false, false, NULL, NULL },
		{ "Bearer realm=a, realm=b", -EBADMSG, false, false, NULL, NULL },
		{ "Bearer realm=\"a\tb\"", -EBADMSG, false, false, NULL, NULL },
		{ "Bearer realm=\"\xc3\xa9\"", -EBADMSG, false, false, NULL, NULL },
		{ "Basic foo bar", -EBADMSG, false, false, NULL, NULL },
		{ "=", -EBADMSG, false, false, NULL, NULL },
		{ "B\x01", -EBADMSG, false, false, NULL, NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct challenge c = { 0 };
		int r = challenge_parse(rows[i].text, &c);

		if (r != rows[i].r ||
		    (r == 0 && (c.basic != rows[i].basic || c.bearer != rows[i].bearer ||
				strcmp(c.realm, rows[i].realm) != 0 || strcmp(c.service, rows[i].service) != 0)))
			fail_msg("%s: %d \"%s\" \"%s\"", rows[i].text, r, c.realm, c.service);
	}
}

static void long_challenges_are_refused(void **state)
{
	char text[CHALLENGE_VALUE_MAX + 32] = "Bearer realm=\"";
	struct challenge c;
	size_t n = strlen(text);

	(void)state;
	memset(text + n, 'a', CHALLENGE_VALUE_MAX - 1);
	memcpy(text + n + CHALLENGE_VALUE_MAX - 1, "\"", 2);
	assert_int_equal(challenge_parse(text, &c), 0);
	assert_int_equal(strlen(c.realm), CHALLENGE_VALUE_MAX - 1);
	memcpy(text + n + CHALLENGE_VALUE_MAX - 1, "a\"", 3);
	assert_int_equal(challenge_parse(text, &c), -EBADMSG);
}

static void retry_after_is_read(void **state)
{
	static const struct {
		const char *text;
		int64_t seconds;
	} rows[] = {
		{ "0", 0 },
		{ "120", 120 },
		{ "86400", 86400 },
		{ "86401", 86400 },
		{ "99999999999999999999999999", 86400 },
		{ "", -1 },
		{ "-1", -1 },
		{ "1.5", -1 },
		{ "1 ", -1 },
		/* now is Sun, 06 Nov 1994 08:49:37 GMT */
		{ "Sun, 06 Nov 1994 08:49:37 GMT", 0 },
		{ "Sun, 06 Nov 1994 08:49:38 GMT", 1 },
		{ "Sun, 06 Nov 1994 09:49:37 GMT", 3600 },
		{ "Sun, 06 Nov 1994 08:49:36 GMT", 0 },
		{ "Tue, 06 Dec 1994 08:49:36 GMT", 86400 },
		{ "Sun, 06 Nov 1994 08:49:37 UTC", -1 },
		{ "Sun, 06 Foo 1994 08:49:37 GMT", -1 },
		{ "Son, 06 Nov 1994 08:49:37 GMT", -1 },
		{ "Sun, 06 Nov 1994 24:49:37 GMT", -1 },
		{ "Sun, 00 Nov 1994 08:49:37 GMT", -1 },
		{ "Sun, 06 Nov 1994 08:49:37 GMTx", -1 },
		{ "Sun, 6 Nov 1994 08:49:37 GMT", -1 },
		{ "Sunday, 06-Nov-94 08:49:37 GMT", -1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int64_t got = retry_after_parse(rows[i].text, 784111777, 86400);

		if (got != rows[i].seconds)
			fail_msg("%s: %lld", rows[i].text, (long long)got);
	}
}

static void tokens_are_read(void **state)
{
	static const struct {
		const char *text, *token;
	} rows[] = {
		{ "{\"token\":\"a.b-c\"}", "a.b-c" },
		{ "{\"access_token\":\"x\",\"expires_in\":300}", "x" },
		{ "{\"token\":\"a\",\"access_token\":\"x\"}", "a" },
		{ "{\"token\":\"\",\"access_token\":\"x\"}", "x" },
		{ "{\"token\":\"a b\"}", NULL },
		{ "{\"token\":\"a\\r\\nX: y\"}", NULL },
		{ "{\"token\":\"\\u00e9\"}", NULL },
		{ "{\"token\":1}", NULL },
		{ "{\"token\":\"a\",\"token\":\"b\"}", NULL },
		{ "{}", NULL },
		{ "a", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_free_ char *token = NULL;
		int r = login_token(rows[i].text, strlen(rows[i].text), &token);

		if (r != (rows[i].token ? 0 : -EBADMSG) || (r == 0 && strcmp(token, rows[i].token) != 0))
			fail_msg("%s: %d", rows[i].text, r);
	}
}

/* ---- documents ------------------------------------------------------------------------------------------------- */

#define OCI_INDEX    "application/vnd.oci.image.index.v1+json"
#define OCI_MANIFEST "application/vnd.oci.image.manifest.v1+json"
#define LIST	     "application/vnd.docker.distribution.manifest.list.v2+json"
#define SCHEMA2	     "application/vnd.docker.distribution.manifest.v2+json"
#define CONFIG	     "{\"mediaType\":\"application/vnd.oci.image.config.v1+json\",\"digest\":\"" D "\",\"size\":7}"
#define V2	     "\"schemaVersion\":2,"
#define ENTRY(d, platform) \
	"{\"mediaType\":\"" OCI_MANIFEST "\",\"digest\":\"" d "\",\"size\":7,\"platform\":{" platform "}}"

static void manifests_are_read(void **state)
{
	static const char oci[] = "{" V2 "\"config\":" CONFIG
				  ",\"layers\":[{},{}],\"annotations\":{\"Config\":\"\"}}";
	static const char docker[] =
		"{" V2 "\"mediaType\":\"" SCHEMA2 "\",\"layers\":[],\"config\":{\"mediaType\":"
		"\"application/vnd.docker.container.image.v1+json\",\"digest\":\"" D "\",\"size\":8388608}}";
	struct err e = { 0 };
	struct document d;

	(void)state;
	assert_int_equal(document_parse(oci, strlen(oci), OCI_MANIFEST "; charset=utf-8", &d, &e), 0);
	assert_int_equal(d.kind, DOCUMENT_MANIFEST);
	assert_string_equal(d.config.digest, D);
	assert_int_equal(d.config.size, 7);
	assert_int_equal(d.n_layers, 2);
	assert_int_equal(document_parse(docker, strlen(docker), SCHEMA2, &d, &e), 0);
	assert_int_equal(d.config.size, 8388608);
	assert_int_equal(d.n_layers, 0);
}

static void an_index_says_what_is_for_this_machine(void **state)
{
	static const char *const own = "amd64", *const other = "s390x";
	char text[4096];
	struct err e = { 0 };
	struct document d;

	(void)state;
	if (!document_architecture(own))
		skip();
	(void)snprintf(
		text, sizeof text,
		"{" V2 "\"mediaType\":\"" OCI_INDEX
		"\",\"manifests\":[" ENTRY(D, "\"os\":\"linux\",\"architecture\":\"%s\"") "," ENTRY(D, "\"os\":\"linux\",\"architecture\":\"%s\",\"variant\":\"v2\"") "," ENTRY(D2, "\"os\":\"linux\",\"architecture\":\"%s\"") "," ENTRY(
			D2,
			"\"os\":\"windows\",\"architecture\":\"%s\"") "," ENTRY(D2,
										"\"os\":\"unknown\",\"architecture\":\"unknown\"") ","
																   "{\"mediaType\":\"" OCI_MANIFEST
																   "\",\"digest\":\"" D2
																   "\",\"size\":7,\"annotations\":"
																   "{\"vnd.docker.reference.type\":\"attestation-manifest\"}},"
																   "{\"mediaType\":\"" OCI_INDEX
																   "\",\"digest\":\"" D2
																   "\",\"size\":7},"
																   "{\"mediaType\":\"x/y\",\"digest\":\"" D2
																   "\",\"size\":7}]}",
		own, own, other, own);
	assert_int_equal(document_parse(text, strlen(text), OCI_INDEX, &d, &e), 0);
	assert_int_equal(d.kind, DOCUMENT_INDEX);
	assert_int_equal(d.n_images, 1);
	assert_string_equal(d.images[0].digest, D);
	assert_int_equal(d.images[0].size, 7);
	(void)snprintf(text, sizeof text,
		       "{" V2 "\"manifests\":[{\"mediaType\":\"" SCHEMA2 "\",\"digest\":\"" D2 "\",\"size\":1}]}");
	assert_int_equal(document_parse(text, strlen(text), LIST, &d, &e), 0);
	assert_int_equal(d.n_images, 1); /* without a platform: looked into */
}

static void what_can_be_taken_for_something_else_is_refused(void **state)
{
	static const struct {
		const char *type, *text;
		int r;
		const char *why;
	} rows[] = {
		{ OCI_MANIFEST, "{" V2 "\"config\":" CONFIG ",\"layers\":[],\"manifests\":[]}", -EINVAL,
		  "at once" },
		{ OCI_INDEX, "{" V2 "\"manifests\":[],\"layers\":[]}", -EINVAL, "at once" },
		{ OCI_INDEX, "{" V2 "\"manifests\":[],\"config\":null}", -EINVAL, "at once" },
		{ OCI_INDEX, "{" V2 "\"config\":" CONFIG ",\"layers\":[]}", -EINVAL, "but is not" },
		{ OCI_MANIFEST, "{" V2 "\"manifests\":[]}", -EINVAL, "but is not" },
		{ OCI_MANIFEST, "{" V2 "\"mediaType\":\"" SCHEMA2 "\",\"config\":" CONFIG ",\"layers\":[]}",
		  -EINVAL, "something else" },
		{ OCI_MANIFEST, "{" V2 "\"config\":" CONFIG ",\"layers\":[],\"Manifests\":[]}", -EINVAL,
		  "another spelling" },
		{ OCI_MANIFEST, "{" V2 "\"config\":" CONFIG ",\"layers\":[],\"manife\xc5\xbfts\":[]}", -EINVAL,
		  "another spelling" },
		{ OCI_MANIFEST,
		  "{" V2 "\"config\":{\"mediaType\":\"application/vnd.oci.image.config.v1+json\","
		  "\"digest\":\"" D "\",\"Digest\":\"" D2 "\",\"size\":7},\"layers\":[]}",
		  -EINVAL, "another spelling" },
		{ OCI_MANIFEST, "{" V2 "\"config\":" CONFIG ",\"config\":" CONFIG ",\"layers\":[]}", -EINVAL,
		  "same name" },
		{ OCI_MANIFEST, "{" V2 "\"config\":" CONFIG ",\"layers\":[]}x", -EINVAL, "end of the document" },
		{ OCI_MANIFEST, "{\"config\":" CONFIG ",\"layers\":[]}", -EINVAL, "schemaVersion" },
		{ OCI_MANIFEST, "{" V2 "\"config\":" CONFIG "}", -EINVAL, "\"layers\" is no list" },
		{ OCI_MANIFEST, "{" V2 "\"layers\":[]}", -EINVAL, "no object" },
		{ OCI_MANIFEST, "{" V2 "\"layers\":[],\"config\":{\"digest\":\"sha512:0\",\"size\":1}}", -EINVAL,
		  "no sha256 digest" },
		{ OCI_MANIFEST, "{" V2 "\"layers\":[],\"config\":{\"digest\":\"" D "\",\"size\":0}}", -EINVAL,
		  "no size" },
		{ OCI_MANIFEST, "{" V2 "\"layers\":[],\"config\":{\"digest\":\"" D "\",\"size\":8388609}}", -E2BIG,
		  "over" },
		{ OCI_MANIFEST,
		  "{" V2 "\"layers\":[],"
		  "\"config\":{\"mediaType\":\"application/vnd.docker.plugin.v1+json\","
		  "\"digest\":\"" D "\",\"size\":1}}",
		  -ENOTSUP, "not an image" },
		{ "application/vnd.docker.distribution.manifest.v1+prettyjws",
		  "{\"schemaVersion\":1,\"fsLayers\":[]}", -ENOTSUP, "schema 1" },
		{ SCHEMA2, "{" V2 "\"config\":" CONFIG ",\"layers\":[],\"signatures\":[]}", -ENOTSUP, "schema 1" },
		{ "application/json", "{" V2 "\"config\":" CONFIG ",\"layers\":[]}", -ENOTSUP,
		  "another media type" },
		{ OCI_MANIFEST "x", "{" V2 "\"config\":" CONFIG ",\"layers\":[]}", -ENOTSUP,
		  "another media type" },
		{ NULL, "{" V2 "\"config\":" CONFIG ",\"layers\":[]}", -ENOTSUP, "another media type" },
		{ OCI_INDEX, "{" V2 "\"manifests\":{}}", -EINVAL, "no list" },
		{ OCI_INDEX, "{" V2 "\"manifests\":[1]}", -EINVAL, "no object" },
		{ OCI_INDEX, "{" V2 "\"manifests\":[" ENTRY(D, "\"os\":1") "]}", -EINVAL, "\"os\" is no text" },
		{ OCI_INDEX, "{" V2 "\"manifests\":[" ENTRY(D, "\"os\":\"li nux\"") "]}", -EINVAL, "not a name" },
		{ OCI_INDEX, "{" V2 "\"manifests\":[" ENTRY(D, "\"os\":\"linux\",\"OS\":\"x\"") "]}", -EINVAL,
		  "another spelling" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err e = { 0 };
		struct document d;
		int r = document_parse(rows[i].text, strlen(rows[i].text), rows[i].type, &d, &e);

		if (r != rows[i].r || !strstr(e.msg, rows[i].why))
			fail_msg("%s: %d %s", rows[i].text, r, e.msg);
	}
}

/* An index of @n entries of the same kind. */
static int big_index(size_t n, const char *entry)
{
	_cleanup_free_ char *text = malloc(64 + n * 512);
	struct document d;
	int len;

	assert_non_null(text);
	len = snprintf(text, 64, "{" V2 "\"manifests\":[");
	for (size_t i = 0; i < n; i++)
		len += snprintf(text + len, 512, "%s%s", i ? "," : "", entry);
	len += snprintf(text + len, 3, "]}");
	return document_parse(text, (size_t)len, OCI_INDEX, &d, NULL);
}

static void indexes_are_bounded(void **state)
{
	static const char platform[] = ENTRY(D, "\"os\":\"windows\",\"architecture\":\"x\"");
	static const char unknown[] = ENTRY(D, "\"os\":\"unknown\",\"architecture\":\"unknown\"");

	(void)state;
	assert_int_equal(big_index(DOCUMENT_PLATFORMS_MAX, platform), 0);
	assert_int_equal(big_index(DOCUMENT_PLATFORMS_MAX + 1, platform), -E2BIG);
	assert_int_equal(big_index(DOCUMENT_ENTRIES_MAX, unknown), 0);
	assert_int_equal(big_index(DOCUMENT_ENTRIES_MAX + 1, unknown), -E2BIG);
}

static void configurations_are_read(void **state)
{
	static const char text[] = "{\"os\":\"linux\",\"architecture\":\"arm\",\"variant\":\"v7\","
				   "\"config\":{\"Env\":[]},"
				   "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"" D "\",\"" D2
				   "\"]},\"history\":["
				   "{\"created\":\"c\",\"created_by\":\"ADD | x\",\"comment\":\"k\","
				   "\"empty_layer\":true},{}]}";
	static const char bare[] =
		"{\"os\":\"linux\",\"architecture\":\"amd64\",\"rootfs\":{\"type\":\"layers\",\"diff_ids\":null}}";
	struct err e = { 0 };
	_cleanup_free_ char *got = NULL, *got_bare = NULL;
	json_t *out;

	(void)state;
	assert_int_equal(document_config(text, strlen(text), 2, &out, &e), 0);
	got = json_dumps(out, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(out);
	assert_string_equal(got, "{\"architecture\":\"arm\","
				 "\"history\":[\"c|ADD | x|k\",\"||\"],\"layers\":[\"" D "\",\"" D2
				 "\"],\"os\":\"linux\",\"variant\":\"v7\"}");
	assert_int_equal(document_config(bare, strlen(bare), 0, &out, &e), 0);
	got_bare = json_dumps(out, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(out);
	assert_string_equal(got_bare, "{\"architecture\":\"amd64\","
				      "\"history\":[],\"layers\":[],\"os\":\"linux\",\"variant\":\"\"}");
}

static void configurations_of_other_shapes_are_refused(void **state)
{
	static const struct {
		const char *text, *why;
	} rows[] = {
#define OS "\"os\":\"linux\",\"architecture\":\"amd64\","
		{ "[]", "no object" },
		{ "{\"os\":\"linux\",\"rootfs\":{\"diff_ids\":[\"" D "\"]}}", "has no \"os\"" },
		{ "{\"architecture\":\"amd64\",\"rootfs\":{\"diff_ids\":[\"" D "\"]}}", "has no \"os\"" },
		{ "{" OS "\"history\":[]}", "\"rootfs\" is no object" },
		{ "{" OS "\"rootfs\":{}}", "no list" },
		{ "{" OS "\"rootfs\":{\"diff_ids\":[]}}", "has 0 layers, but its manifest 1" },
		{ "{" OS "\"rootfs\":{\"diff_ids\":[\"" D "\",\"" D "\"]}}", "has 2 layers" },
		{ "{" OS "\"rootfs\":{\"diff_ids\":[\"sha256:1\"]}}", "than sha256" },
		{ "{" OS "\"rootfs\":{\"diff_ids\":[1]}}", "than sha256" },
		{ "{" OS "\"rootfs\":{\"diff_ids\":[\"" D "\"],\"Diff_IDs\":[\"" D2 "\"]}}", "another spelling" },
		{ "{" OS "\"rootfs\":{\"diff_ids\":[\"" D "\"]},\"RootFS\":{}}", "another spelling" },
		{ "{" OS "\"rootfs\":{\"diff_ids\":[\"" D "\"]},\"history\":{}}", "no list" },
		{ "{" OS "\"rootfs\":{\"diff_ids\":[\"" D "\"]},\"history\":[1]}", "no object" },
		{ "{" OS "\"rootfs\":{\"diff_ids\":[\"" D "\"]},\"history\":[{\"created_by\":1}]}", "no text" },
		{ "{" OS "\"variant\":\"" D "\",\"rootfs\":{\"diff_ids\":[\"" D "\"]}}", "not a name" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err e = { 0 };
		json_t *out;

		if (document_config(rows[i].text, strlen(rows[i].text), 1, &out, &e) != -EINVAL ||
		    !strstr(e.msg, rows[i].why))
			fail_msg("%s: %s", rows[i].text, e.msg);
	}
}

/* ---- addresses ------------------------------------------------------------------------------------------------- */

static void loopback_is_known(void **state)
{
	static const char *const yes[] = { "localhost",	   "localhost:5000", "LOCALHOST", "127.0.0.1",
					   "127.8.9.10:1", "[::1]:5000",     "[::1]" };
	static const char *const no[] = { "localhost.example.com",
					  "127.1",
					  "127.0.0.1.example.com",
					  "128.0.0.1",
					  "10.0.0.1:5000",
					  "[::2]:5000",
					  "[::1",
					  "[]",
					  "",
					  "0127.0.0.1",
					  "[::ffff:127.0.0.1]",
					  "0.0.0.0",
					  "xlocalhost" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(yes); i++)
		if (!url_host_is_loopback(yes[i]))
			fail_msg("%s", yes[i]);
	for (size_t i = 0; i < ARRAY_SIZE(no); i++)
		if (url_host_is_loopback(no[i]))
			fail_msg("%s", no[i]);
}

static void redirects_stay_within_bounds(void **state)
{
	static const struct {
		const char *from, *location, *to;
		bool same;
	} rows[] = {
		{ "https://a/v2/x", "/y", "https://a/y", true },
		{ "https://a/v2/x", "z?q=1#f", "https://a/v2/z?q=1", true },
		{ "https://a/", "https://A:443/y", "https://A:443/y", true },
		{ "https://a/", "//b/y", "https://b/y", false },
		{ "https://a/", "https://a:444/", "https://a:444/", false },
		{ "https://a/", "https://a.b/", "https://a.b/", false },
		{ "http://a/", "https://a/", "https://a/", false },
		{ "http://a/", "http://b/", "http://b/", false },
		{ "https://a/", "http://a/", NULL, false },
		{ "https://a/", "HTTP://a/", NULL, false },
		{ "https://a/", "file:///etc/passwd", NULL, false },
		{ "http://a/", "ftp://a/", NULL, false },
		{ "http://a/", "gopher://a/", NULL, false },
		{ "https://a/", "dict://a/", NULL, false },
		{ "https://a/", "data:,x", NULL, false },
		{ "https://a/", "javascript:x", NULL, false },
		{ "https://a/", "https://u@b/", NULL, false },
		{ "https://a/", "https://u:p@b/", NULL, false },
		{ "https://a/", "https://:p@b/", NULL, false },
		{ "https://a/", "https://b/\x01", NULL, false },
		{ "https://a/", "https://b/ c", NULL, false },
		{ "https://a/", "https://\xc3\xa9/", NULL, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err e = { 0 };
		struct url from, to;
		int r;

		assert_int_equal(url_parse(rows[i].from, NULL, &from, &e), 0);
		r = url_redirect(&from, rows[i].location, &to, &e);
		if (rows[i].to ? r < 0 || strcmp(to.text, rows[i].to) != 0 ||
					 url_same_origin(&from, &to) != rows[i].same
			       : r >= 0)
			fail_msg("%s %s: %d %s", rows[i].from, rows[i].location, r, r < 0 ? e.msg : to.text);
		url_done(&from);
		if (r >= 0)
			url_done(&to);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(jobs_are_read),
		cmocka_unit_test(jobs_of_other_shapes_are_refused),
		cmocka_unit_test(challenges_are_read),
		cmocka_unit_test(long_challenges_are_refused),
		cmocka_unit_test(retry_after_is_read),
		cmocka_unit_test(tokens_are_read),
		cmocka_unit_test(manifests_are_read),
		cmocka_unit_test(an_index_says_what_is_for_this_machine),
		cmocka_unit_test(what_can_be_taken_for_something_else_is_refused),
		cmocka_unit_test(indexes_are_bounded),
		cmocka_unit_test(configurations_are_read),
		cmocka_unit_test(configurations_of_other_shapes_are_refused),
		cmocka_unit_test(loopback_is_known),
		cmocka_unit_test(redirects_stay_within_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
