/* SPDX-License-Identifier: Apache-2.0 */
/* The rows without "ours" agree with the reference implementation (distribution/reference, ParseNormalizedNamed). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "codec/imageref.h"

#define F16 "ffffffffffffffff"
#define F64 F16 F16 F16 F16
#define SHA "sha256:" F64
#define A50 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static void assert_ref(const char *text, const struct image_ref *ref, const char *registry, const char *repository,
		       const char *tag, const char *digest)
{
	if (strcmp(ref->registry, registry) != 0 || strcmp(ref->repository, repository) != 0 ||
	    strcmp(ref->tag, tag) != 0 || strcmp(ref->digest, digest) != 0)
		fail_msg("%s: registry \"%s\", repository \"%s\", tag \"%s\", digest \"%s\"", text, ref->registry,
			 ref->repository, ref->tag, ref->digest);
}

static const struct {
	const char *text, *registry, *repository, *tag, *digest;
} names[] = {
	{ "docker", "docker.io", "library/docker", "", "" },
	{ "docker:cli", "docker.io", "library/docker", "cli", "" },
	{ "docker@" SHA, "docker.io", "library/docker", "", SHA },
	{ "docker:cli@" SHA, "docker.io", "library/docker", "cli", SHA },
	{ "docker/docker", "docker.io", "docker/docker", "", "" },
	{ "library/debian", "docker.io", "library/debian", "", "" },
	{ "library/foo/bar", "docker.io", "library/foo/bar", "", "" },
	{ "docker.io/debian", "docker.io", "library/debian", "", "" },
	{ "docker.io/library/debian", "docker.io", "library/debian", "", "" },
	{ "docker.io/docker/docker", "docker.io", "docker/docker", "", "" },
	{ "index.docker.io/debian", "docker.io", "library/debian", "", "" },
	{ "index.docker.io/docker/docker:1", "docker.io", "docker/docker", "1", "" },
	{ "index.docker.io", "docker.io", "library/index.docker.io", "", "" },
	{ "registry-1.docker.io/a", "registry-1.docker.io", "a", "", "" },
	{ "test_com/foo", "docker.io", "test_com/foo", "", "" },
	{ "test.com/foo", "test.com", "foo", "", "" },
	{ "test.com/repo:tag", "test.com", "repo", "tag", "" },
	{ "test.com:tag", "docker.io", "library/test.com", "tag", "" },
	{ "test.com:5000", "docker.io", "library/test.com", "5000", "" },
	{ "test:5000/repo", "test:5000", "repo", "", "" },
	{ "test:5000/repo:tag@" SHA, "test:5000", "repo", "tag", SHA },
	{ "test-com:8080/foo", "test-com:8080", "foo", "", "" },
	{ "sub-dom1.foo.com/bar/baz/quux:some-long-tag", "sub-dom1.foo.com", "bar/baz/quux", "some-long-tag", "" },
	{ "b.gcr.io/test.example.com/my-app:test.example.com", "b.gcr.io", "test.example.com/my-app",
	  "test.example.com", "" },
	{ "xn--n3h.com/myimage:xn--n3h.com", "xn--n3h.com", "myimage", "xn--n3h.com", "" },
	{ "lowercase:Uppercase", "docker.io", "library/lowercase", "Uppercase", "" },
	{ "foo_bar.com:8080", "docker.io", "library/foo_bar.com", "8080", "" },
	{ "foo/foo_bar.com:8080", "docker.io", "foo/foo_bar.com", "8080", "" },
	{ "localhost", "docker.io", "library/localhost", "", "" },
	{ "localhost:5000", "docker.io", "library/localhost", "5000", "" },
	{ "localhost/a:1", "localhost", "a", "1", "" },
	{ "localhost:5000/a", "localhost:5000", "a", "", "" },
	{ "127.0.0.1:5000/docker/docker", "127.0.0.1:5000", "docker/docker", "", "" },
	{ "192.168.0.1", "docker.io", "library/192.168.0.1", "", "" },
	{ "192.168.0.1:80", "docker.io", "library/192.168.0.1", "80", "" },
	{ "192.168.0.1:8/debian", "192.168.0.1:8", "debian", "", "" },
	{ "[::1]:5000/repo", "[::1]:5000", "repo", "", "" },
	{ "[2001:db8::1]/repo", "[2001:db8::1]", "repo", "", "" },
	{ "[2001:DB8:1:2:3:4:5:6]:5000/repo:tag@" SHA, "[2001:db8:1:2:3:4:5:6]:5000", "repo", "tag",
	  SHA },						 /* ours: case */
	{ "Test.COM:5000/foo", "test.com:5000", "foo", "", "" }, /* ours: hosts have no case */
	{ "Docker.IO/foo", "docker.io", "library/foo", "", "" }, /* ours */
	{ "LOCALHOST/foo", "localhost", "foo", "", "" },	 /* ours */
	{ "d/docker", "docker.io", "d/docker", "", "" },
	{ "jess/t", "docker.io", "jess/t", "", "" },
	{ "docker---rules/docker", "docker.io", "docker---rules/docker", "", "" },
	{ "dock__er/docker", "docker.io", "dock__er/docker", "", "" },
	{ "a.b_c-d__e--f", "docker.io", "library/a.b_c-d__e--f", "", "" },
	{ "a:_b.c-d", "docker.io", "library/a", "_b.c-d", "" },
	{ "a:" A50 A50 "1234567890123456789012345678", "docker.io", "library/a",
	  A50 A50 "1234567890123456789012345678", "" },
	{ "docker.io/" F64, "docker.io", "library/" F64, "", "" },
	{ F64 ":1", "docker.io", "library/" F64, "1", "" },
	{ F16, "docker.io", "library/" F16, "", "" },
	{ "thisisthesongthatneverendsitgoesonandonandonthisisthesongthatnev", "docker.io",
	  "library/thisisthesongthatneverendsitgoesonandonandonthisisthesongthatnev", "", "" },
	{ "r.io/" A50 A50 A50 A50 A50, "r.io", A50 A50 A50 A50 A50, "", "" },
};

static void names_are_read_as_the_engine_reads_them(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct image_ref ref;
		const char *wrong = image_ref_parse(names[i].text, &ref);

		if (wrong)
			fail_msg("%s: %s", names[i].text, wrong);
		assert_ref(names[i].text, &ref, names[i].registry, names[i].repository, names[i].tag,
			   names[i].digest);
	}
}

/* Two spellings of one name must not be two names to us. */
static void what_is_written_is_read_the_same_again(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		char name[IMAGE_NAME_MAX + 2], text[600];
		struct image_ref ref, again;

		assert_null(image_ref_parse(names[i].text, &ref));
		image_ref_name(&ref, name, sizeof name);
		(void)snprintf(text, sizeof text, "%s%s%s%s%s", name, *ref.tag ? ":" : "", ref.tag,
			       *ref.digest ? "@" : "", ref.digest);
		assert_null(image_ref_parse(text, &again));
		assert_ref(text, &again, ref.registry, ref.repository, ref.tag, ref.digest);
	}
}

static const struct {
	const char *text, *wrong; /* words of the answer */
} refused[] = {
	{ "", "no name" },
	{ ":justtag", "no name" },
	{ "@" SHA, "no name" },
	{ F64, "id" },
	{ SHA, "id" },
	{ "a@sha256:ffffffffffffffffffffffffffffffffff", "digest" },
	{ "a@" SHA "f", "digest" },
	{ "a@SHA256:" F64, "digest" },
	{ "a@sha256:FFFFffffffffffff" F16 F16 F16, "digest" },
	{ "a@sha512:" F64 F64, "digest" }, /* ours: only what the engine uses for ids */
	{ "a@" SHA "@" SHA, "digest" },
	{ "a@", "digest" },
	{ "a:", "empty tag" },
	{ "a:-b", "tag" },
	{ "a:.b", "tag" },
	{ "a:b:c", "tag" },
	{ "a:b c", "tag" },
	{ "a:b\xc3\xa9", "tag" },
	{ "a:" A50 A50 "12345678901234567890123456789", "128" },
	{ "Uppercase:tag", "upper case" },
	{ "docker/Docker", "upper case" },
	{ "test:5000/Uppercase/lowercase:tag", "upper case" },
	{ "Foo/bar",
	  "upper case" }, /* ours: the engine's "registry" Foo would be read back as a user of docker.io */
	{ "docker.io/docker/Docker", "upper case" },
	{ "https://github.com/docker/docker", "registry" },
	{ "docker///docker", "empty component" },
	{ "docker/", "empty component" },
	{ "/docker", "empty component" },
	{ "docker.io/", "empty component" },
	{ "a//b", "empty component" },
	{ "-docker", "beginning" },
	{ "docker-/docker", "end of a component" },
	{ "_docker/_docker", "beginning" },
	{ "____/____", "beginning" },
	{ "dock..er/docker", "registry" },
	{ "a/dock..er", "too many" },
	{ "a/dock_.er", "too many" },
	{ "a/dock-.er", "too many" },
	{ "a/dock___er", "too many" },
	{ "a/-b", "beginning" },
	{ "-docker.io/docker/docker", "registry" },
	{ "docker.io./docker", "registry" },
	{ ".docker.io/docker", "registry" },
	{ "a-.io/docker", "registry" },
	{ "a.-b/docker", "registry" },
	{ "foo_bar.com/a", "registry" },
	{ "a:b/c", "registry" },
	{ "a:/c", "registry" },
	{ "a:50:60/c", "registry" },
	{ "[fc00::1]", "character" },
	{ "[fc00::1]:5000", "character" },
	{ "[]/a", "character" },
	{ "[::1/a", "registry" },
	{ "[::1]5000/a", "registry" },
	{ "[::1]:/a", "registry" },
	{ "fc00::1:5000/debian", "registry" },
	{ "[fe80::1%eth0]:5000/debian", "registry" },
	{ "[2001:db8:3:4::192.0.2.33]:5000/debian", "registry" },
	{ "aa/asdf$$^/aa", "character" },
	{ "a b", "character" },
	{ " a", "character" },
	{ "a\n", "character" },
	{ "d\xc3\xb6"
	  "cker",
	  "character" },
	{ "test*/a", "character" },
	{ "*", "character" },
	{ "r.io/" A50 A50 A50 A50 A50 "a", "255" },
	{ A50 A50 A50 A50 A50, "255" }, /* with "docker.io/library/" */
};

static void names_that_the_engine_does_not_take(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		struct image_ref ref = { .registry = "untouched" };
		const char *wrong = image_ref_parse(refused[i].text, &ref);

		if (!wrong || !strstr(wrong, refused[i].wrong))
			fail_msg("\"%s\": %s", refused[i].text, wrong ? wrong : "is accepted");
		assert_string_equal(ref.registry, "untouched");
	}
}

static void digests(void **state)
{
	(void)state;
	assert_true(image_digest_valid(SHA));
	assert_false(image_digest_valid(F64));
	assert_false(image_digest_valid(SHA "0"));
	assert_false(image_digest_valid("sha256:" F16));
	assert_false(image_digest_valid("sha256:" F16 F16 F16 "fffffffffffffffF"));
	assert_false(image_digest_valid(""));
}

static const struct {
	const char *text;
	enum image_pattern_kind kind;
	bool glob;
	const char *repository, *tag, *digest;
} patterns[] = {
	{ "*", IMAGE_PATTERN_ALL, false, "", "", "" },
	{ "docker", IMAGE_PATTERN_TAG, false, "library/docker", "latest", "" },
	{ "docker:cli", IMAGE_PATTERN_TAG, false, "library/docker", "cli", "" },
	{ "docker:*", IMAGE_PATTERN_ANY, false, "library/docker", "", "" },
	{ "docker@" SHA, IMAGE_PATTERN_DIGEST, false, "library/docker", "", SHA },
	{ "docker:cli@" SHA, IMAGE_PATTERN_DIGEST, false, "library/docker", "", SHA },
	{ "testcontainers/*:*", IMAGE_PATTERN_ANY, true, "testcontainers/*", "", "" },
	{ "testcontainers/*", IMAGE_PATTERN_TAG, true, "testcontainers/*", "latest", "" },
	{ "docker.io/*/*:*", IMAGE_PATTERN_ANY, true, "*/*", "", "" },
	{ "r.io/ci-*/a*b:1", IMAGE_PATTERN_TAG, true, "ci-*/a*b", "1", "" },
	{ "r.io/*@" SHA, IMAGE_PATTERN_DIGEST, true, "*", "", SHA },
	{ "test*", IMAGE_PATTERN_TAG, true, "library/test*", "latest", "" },
};

static void entries_of_lists(void **state)
{
	static const struct {
		const char *text, *wrong;
	} bad[] = {
		{ "", "no name" },
		{ "**", "\"**\"" },
		{ "r.io/**/a", "\"**\"" },
		{ "*/a", "begins with" },
		{ "*:*", "begins with" },
		{ "*.io/a", "\"*\" in the registry" },
		{ "r.io:*/a", "registry" },
		{ "docker:1.*", "part of the tag" },
		{ "docker:**", "part of the tag" },
		{ "docker:*@" SHA, "both" },
		{ "docker:", "empty tag" },
		{ "Docker", "upper case" },
		{ F64, "id" },
		{ "a/?", "character" },
		{ "a/[ab]", "character" },
		{ "a@*", "digest" },
		{ "a/-*", "beginning" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(patterns); i++) {
		struct image_pattern p;
		const char *wrong = image_pattern_parse(patterns[i].text, &p);

		if (wrong)
			fail_msg("%s: %s", patterns[i].text, wrong);
		assert_int_equal(p.kind, patterns[i].kind);
		assert_int_equal(p.glob, patterns[i].glob);
		assert_ref(patterns[i].text, &p.ref, p.ref.registry, patterns[i].repository, patterns[i].tag,
			   patterns[i].digest);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct image_pattern p = { .glob = true };
		const char *wrong = image_pattern_parse(bad[i].text, &p);

		if (!wrong || !strstr(wrong, bad[i].wrong))
			fail_msg("\"%s\": %s", bad[i].text, wrong ? wrong : "is accepted");
		assert_true(p.glob);
	}
}

static void which_names_an_entry_is_about(void **state)
{
	static const struct {
		const char *pattern, *name;
		bool names;
	} rows[] = {
		{ "*", "r.io/anything:1", true },
		{ "docker", "docker", true },
		{ "docker", "docker:latest", true },
		{ "docker", "index.docker.io/library/docker", true },
		{ "docker", "docker:cli", false },
		{ "docker", "docker@" SHA, false },
		{ "docker:cli", "docker:cli", true },
		{ "docker:cli", "docker:cli@" SHA, true },
		{ "docker:cli", "docker:CLI", false },
		{ "docker:cli", "docker:dind", false },
		{ "docker:cli", "docker", false },
		{ "docker:cli", "evil.io/library/docker:cli", false },
		{ "docker:cli", "evil/docker:cli", false },
		{ "docker:*", "docker:dind", true },
		{ "docker:*", "docker", true },
		{ "docker:*", "docker@" SHA, true },
		{ "docker:*", "docker2:dind", false },
		{ "docker@" SHA, "docker:anything", true },
		{ "docker@" SHA, "dockers", false },
		{ "testcontainers/*:*", "testcontainers/ryuk:0.5", true },
		{ "testcontainers/*:*", "testcontainers/a/b:1", false },
		{ "testcontainers/*:*", "testcontainersx/a:1", false },
		{ "testcontainers/*:*", "r.io/testcontainers/a:1", false },
		{ "testcontainers/*", "testcontainers/ryuk", true },
		{ "testcontainers/*", "testcontainers/ryuk:0.5", false },
		{ "r.io/*/b:*", "r.io/a/b:1", true },
		{ "r.io/*/b:*", "r.io/b:1", false },
		{ "r.io/*/b:*", "r.io/a/c/b:1", false },
		{ "r.io/a*:*", "r.io/a:1", true },
		{ "r.io/a*b:*", "r.io/aab:1", true },
		{ "r.io/a*b:*", "r.io/abab:1", true },
		{ "r.io/a*b:*", "r.io/abac:1", false },
		{ "r.io/a*b*c/d*:*", "r.io/a1b2b3c/d:1", true },
		{ "r.io/a*b*c/d*:*", "r.io/a1b2b3/cc/d:1", false },
		{ "r.io:5000/a:*", "r.io/a:1", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct image_pattern p;
		struct image_ref ref;

		assert_null(image_pattern_parse(rows[i].pattern, &p));
		assert_null(image_ref_parse(rows[i].name, &ref));
		if (image_pattern_names(&p, &ref) != rows[i].names)
			fail_msg("%s, %s", rows[i].pattern, rows[i].name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_read_as_the_engine_reads_them),
		cmocka_unit_test(what_is_written_is_read_the_same_again),
		cmocka_unit_test(names_that_the_engine_does_not_take),
		cmocka_unit_test(digests),
		cmocka_unit_test(entries_of_lists),
		cmocka_unit_test(which_names_an_entry_is_about),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
