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
#include "codec/lexpath.h"
#include "codec/settings.h"

static int parse(const char *text, struct settings *ret, struct err *e)
{
	return settings_parse("f.json", text, strlen(text), ret, e);
}

static const struct settings_share *share_of(const struct settings *s, const char *path)
{
	for (size_t i = 0; i < s->n_shares; i++)
		if (strcmp(s->shares[i].path, path) == 0)
			return &s->shares[i];
	return NULL;
}

static void assert_defaults(const struct settings *s)
{
	assert_true(s->enabled);
	assert_true(s->allow_hooks);
	assert_int_equal(s->resource_view, SETTINGS_VIEW_ASKED);
	assert_int_equal(s->pool_first, 100000);
	assert_int_equal(s->pool_count, 32760);
	assert_int_equal(s->n_shares, 3);
	assert_false(share_of(s, "/home")->read_only);
	assert_int_equal(share_of(s, "/home")->mapping, SETTINGS_MAP_OWNER);
	assert_true(share_of(s, "/lib/modules")->read_only);
	assert_true(share_of(s, "/usr/lib/modules")->read_only);
	assert_int_equal(s->n_devices, 2);
	assert_string_equal(s->devices[0].path, "/dev/fuse");
	assert_string_equal(s->devices[1].path, "/dev/net/tun");
	assert_int_equal(s->n_engine_roots, 0);
}

static void no_file_and_an_empty_object_mean_the_defaults(void **state)
{
	static const char *const texts[] = { NULL,
					     "{}",
					     "\xef\xbb\xbf{}",
					     " {\n} \n",
					     "{\"unknown\":{\"a\":[1,null]}}",
					     "{\"caisson\":{}}",
					     "{\"configurationFileVersion\":2}" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct settings s;
		struct err e = { 0 };

		assert_int_equal(settings_parse("f.json", texts[i], texts[i] ? strlen(texts[i]) : 0, &s, &e), 0);
		assert_string_equal(s.file, texts[i] ? "f.json" : "built-in defaults");
		assert_defaults(&s);
		settings_done(&s);
		assert_null(s.shares);
	}
}

static void every_key_reaches_its_field(void **state)
{
	static const char text[] =
		"{\"configurationFileVersion\":2,"
		"\"enhancedContainerIsolation\":{\"value\":false,\"locked\":true,"
		"\"dockerSocketMount\":{"
		"\"imageList\":{\"images\":[\"docker:cli\"],\"allowDerivedImages\":true},"
		"\"commandList\":{\"type\":\"allow\",\"commands\":[\"ps\",\"container*\"]}}},"
		"\"filesharingAllowedDirectories\":[{\"path\":\"$HOME\",\"sharedByDefault\":false},"
		"{\"path\":\"$TMP\"},"
		"{\"path\":\"$TEMP\"},{\"path\":\"/srv\"}],"
		"\"caisson\":{\"shares\":[{\"path\":\"/"
		"data\",\"readOnly\":true,\"mapping\":\"identity\"},"
		"{\"path\":\"/srv\",\"mapping\":\"container\"}],"
		"\"allowedDevices\":[\"/dev/kvm\"],\"engineRoots\":[\"/srv/docker\",\"/opt/d\"],"
		"\"idPool\":{\"first\":65536,\"count\":7},\"allowHooks\":false,\"resourceView\":\"always\"}}";
	struct settings s;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(parse(text, &s, &e), 0);
	assert_false(s.enabled);
	assert_false(s.allow_hooks);
	assert_int_equal(s.resource_view, SETTINGS_VIEW_ALWAYS);
	assert_int_equal(s.n_shares, 6); /* modules twice, home, tmp, srv, data */
	assert_string_equal(share_of(&s, "/home")->rule, "filesharingAllowedDirectories[0]");
	assert_non_null(share_of(&s, "/tmp"));
	assert_true(share_of(&s, "/data")->read_only);
	assert_int_equal(share_of(&s, "/data")->mapping, SETTINGS_MAP_IDENTITY);
	assert_string_equal(share_of(&s, "/data")->rule, "caisson.shares[0]");
	assert_int_equal(share_of(&s, "/srv")->mapping, SETTINGS_MAP_CONTAINER);
	assert_string_equal(share_of(&s, "/srv")->rule, "caisson.shares[1]");
	assert_int_equal(s.n_devices, 1);
	assert_string_equal(s.devices[0].path, "/dev/kvm");
	assert_int_equal(s.n_engine_roots, 2);
	assert_string_equal(s.engine_roots[1], "/opt/d");
	assert_int_equal(s.pool_first, 65536);
	assert_int_equal(s.pool_count, 7);
	settings_done(&s);
}

static void a_file_sharing_list_replaces_home_but_not_the_modules(void **state)
{
	struct settings s;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(parse("{\"filesharingAllowedDirectories\":[]}", &s, &e), 0);
	assert_null(share_of(&s, "/home"));
	assert_non_null(share_of(&s, "/lib/modules"));
	assert_non_null(share_of(&s, "/usr/lib/modules"));
	assert_int_equal(s.n_shares, 2);
	settings_done(&s);
	assert_int_equal(parse("{\"caisson\":{\"shares\":[{\"path\":\"/home\",\"readOnly\":true}]}}", &s, &e), 0);
	assert_int_equal(s.n_shares, 3);
	assert_true(share_of(&s, "/home")->read_only);
	settings_done(&s);
}

static void empty_lists_mean_none(void **state)
{
	struct settings s;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(parse("{\"caisson\":{\"allowedDevices\":[],\"engineRoots\":[],\"shares\":[]}}", &s, &e),
			 0);
	assert_int_equal(s.n_devices, 0);
	assert_int_equal(s.n_engine_roots, 0);
	assert_int_equal(s.n_shares, 3);
	settings_done(&s);
}

static void documented_names_match_in_any_case(void **state)
{
	struct settings s;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(parse("{\"CAISSON\":{\"ALLOWHOOKS\":false,\"Shares\":[{\"PATH\":\"/"
			       "a\",\"READONLY\":true}],"
			       "\"idpool\":{\"COUNT\":3}},\"EnhancedContainerIsolation\":{\"Value\":false},"
			       "\"FILESHARINGALLOWEDDIRECTORIES\":[{\"Path\":\"/b\"}]}",
			       &s, &e),
			 0);
	assert_false(s.allow_hooks);
	assert_false(s.enabled);
	assert_true(share_of(&s, "/a")->read_only);
	assert_non_null(share_of(&s, "/b"));
	assert_null(share_of(&s, "/home"));
	assert_int_equal(s.pool_count, 3);
	settings_done(&s);
}

static void the_pool_ends_below_two_to_the_31(void **state)
{
	static const struct {
		const char *pool;
		uint32_t first, count;
	} rows[] = {
		{ "{\"first\":100000}", 100000, 32760 },
		{ "{\"count\":1}", 100000, 1 },
		{ "{\"first\":65536}", 65536, 32760 },
		{ "{\"first\":65536,\"count\":32767}", 65536, 32767 },
		{ "{\"first\":2147418112}", 2147418112, 1 },
		{ "{\"first\":2000000000}", 2000000000, 2250 },
		{ "{}", 100000, 32760 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct settings s;
		struct err e = { 0 };
		char text[128];

		snprintf(text, sizeof text, "{\"caisson\":{\"idPool\":%s}}", rows[i].pool);
		assert_int_equal(parse(text, &s, &e), 0);
		assert_int_equal(s.pool_first, rows[i].first);
		assert_int_equal(s.pool_count, rows[i].count);
		assert_true((uint64_t)s.pool_first + (uint64_t)s.pool_count * 65536 <= 0x80000000u);
		settings_done(&s);
	}
}

#define ECI(x)	  "{\"enhancedContainerIsolation\":" x "}"
#define SOCKET(x) ECI("{\"dockerSocketMount\":" x "}")
#define FS(x)	  "{\"filesharingAllowedDirectories\":" x "}"
#define OURS(x)	  "{\"caisson\":{" x "}}"
#define SHARE(p)  OURS("\"shares\":[{\"path\":\"" p "\"}]")

/* Every refusal, with the words by which an administrator finds the place and the cure. */
static const struct {
	const char *text, *where, *why;
} refusals[] = {
	{ "", "line 1", "not valid JSON" },
	{ "\xef\xbb\xbf", "line 1", "not valid JSON" },
	{ "{", "line 1", "not valid JSON" },
	{ "{}}", "line 1", "not valid JSON" },
	{ "{} x", "line 1", "not valid JSON" },
	{ "{\"a\":1,}", "line 1", "not valid JSON" },
	{ "{\n\"a\":tru\n}", "line 2", "not valid JSON" },
	{ "// comment\n{}", "line 1", "not valid JSON" },
	{ "{\"a\":\"\\u0000\"}", "line 1", "not valid JSON" },
	{ "{\"a\":\"\xff\"}", "line 1", "not valid JSON" },
	{ "{\"a\":1,\"a\":2}", "line 1", "duplicate" },
	{ "{\"caisson\":{\"x\":{},\"x\":{}}}", "line 1", "duplicate" },
	{ "[]", "the file", "must be one JSON object, got an array" },
	{ "3", "line 1", "not valid JSON" },
	{ "{\"configurationFileVersion\":\"2\"}", "configurationFileVersion",
	  "must be the integer 2, got a string" },
	{ "{\"configurationFileVersion\":3}", "configurationFileVersion", "write 2" },
	{ "{\"configurationFileVersion\":2.0}", "configurationFileVersion", "got a fraction" },
	{ "{\"caisson\":{},\"Caisson\":{}}", "caisson", "two spellings" },
	{ "{\"caisson\":{\"allowHooks\":false,\"allowhooks\":true}}", "caisson.allowHooks", "two spellings" },
	{ "{\"enhancedContainerIsolation\":{\"value\":true},\"EnhancedContainerIsolation\":{"
	  "\"value\":false}}",
	  "enhancedContainerIsolation", "two spellings" },
	{ ECI("true"), "enhancedContainerIsolation", "must be an object" },
	{ ECI("{\"value\":\"true\"}"), "enhancedContainerIsolation.value", "must be true or false, got a string" },
	{ ECI("{\"value\":1}"), "enhancedContainerIsolation.value", "got an integer" },
	{ ECI("{\"value\":null}"), "enhancedContainerIsolation.value", "got null" },
	{ ECI("{\"locked\":0}"), "enhancedContainerIsolation.locked", "must be true or false" },
	{ SOCKET("[]"), "enhancedContainerIsolation.dockerSocketMount", "must be an object" },
	{ SOCKET("{\"imageList\":[]}"), "dockerSocketMount.imageList", "must be an object" },
	{ SOCKET("{\"imageList\":{\"images\":\"*\"}}"), "imageList.images", "must be an array" },
	{ SOCKET("{\"imageList\":{\"images\":[1]}}"), "imageList.images[0]", "must be a string" },
	{ SOCKET("{\"imageList\":{\"images\":[\"a\",\"\"]}}"), "imageList.images[1]", "is empty" },
	{ SOCKET("{\"imageList\":{\"allowDerivedImages\":\"no\"}}"), "imageList.allowDerivedImages",
	  "must be true or false" },
	{ SOCKET("{\"commandList\":7}"), "commandList", "must be an object" },
	{ SOCKET("{\"commandList\":{\"type\":\"block\"}}"), "commandList.type", "write deny or allow" },
	{ SOCKET("{\"commandList\":{\"type\":\"Deny\"}}"), "commandList.type", "write deny or allow" },
	{ SOCKET("{\"commandList\":{\"type\":false}}"), "commandList.type", "must be a string" },
	{ SOCKET("{\"commandList\":{\"commands\":{}}}"), "commandList.commands", "must be an array" },
	{ SOCKET("{\"commandList\":{\"commands\":[null]}}"), "commandList.commands[0]", "must be a string" },
	{ FS("{}"), "filesharingAllowedDirectories", "must be an array" },
	{ FS("[\"/srv\"]"), "filesharingAllowedDirectories[0]", "must be an object like" },
	{ FS("[{}]"), "filesharingAllowedDirectories[0].path", "is missing" },
	{ FS("[{\"path\":5}]"), "filesharingAllowedDirectories[0].path", "must be a string" },
	{ FS("[{\"path\":\"/a\",\"sharedByDefault\":1}]"), "filesharingAllowedDirectories[0].sharedByDefault",
	  "must be true" },
	{ FS("[{\"path\":\"/a\"},{\"path\":\"C:\\\\Users\"}]"), "filesharingAllowedDirectories[1].path",
	  "not absolute" },
	{ FS("[{\"path\":\"$HOME/x\"}]"), "filesharingAllowedDirectories[0].path", "only alone" },
	{ FS("[{\"path\":\"$PWD\"}]"), "filesharingAllowedDirectories[0].path", "has a variable" },
	{ FS("[{\"path\":\"/\"}]"), "filesharingAllowedDirectories[0].path", "whole host" },
	{ SHARE(""), "caisson.shares[0].path", "not absolute" },
	{ SHARE("srv"), "caisson.shares[0].path", "not absolute" },
	{ SHARE("~/x"), "caisson.shares[0].path", "not absolute" },
	{ SHARE("/srv/"), "caisson.shares[0].path", "not clean" },
	{ SHARE("//srv"), "caisson.shares[0].path", "not clean" },
	{ SHARE("/srv//x"), "caisson.shares[0].path", "not clean" },
	{ SHARE("/srv/../etc"), "caisson.shares[0].path", "not clean" },
	{ SHARE("/srv/."), "caisson.shares[0].path", "not clean" },
	{ SHARE("/.."), "caisson.shares[0].path", "not clean" },
	{ SHARE("//"), "caisson.shares[0].path", "not clean" },
	{ SHARE("/a\\nb"), "caisson.shares[0].path", "not clean" },
	{ SHARE("/"), "caisson.shares[0].path", "whole host" },
	{ SHARE("/proc"), "caisson.shares[0].path", "belongs to the kernel" },
	{ SHARE("/sys/fs"), "caisson.shares[0].path", "belongs to the kernel" },
	{ SHARE("/dev/shm"), "caisson.shares[0].path", "belongs to the kernel" },
	{ OURS("\"shares\":{}"), "caisson.shares", "must be an array" },
	{ OURS("\"shares\":[\"/srv\"]"), "caisson.shares[0]", "must be an object like" },
	{ OURS("\"shares\":[{\"path\":\"/a\",\"mapping\":\"root\"}]"), "caisson.shares[0].mapping",
	  "owner, identity or container" },
	{ OURS("\"shares\":[{\"path\":\"/a\",\"mapping\":true}]"), "caisson.shares[0].mapping",
	  "must be a string" },
	{ OURS("\"shares\":[{\"path\":\"/a\",\"readOnly\":\"yes\"}]"), "caisson.shares[0].readOnly",
	  "must be true or false" },
	{ OURS("\"shares\":[{\"path\":\"/a\",\"read_only\":true}]"), "caisson.shares[0]",
	  "unknown key \"read_only\"" },
	{ OURS("\"shares\":[{\"path\":\"/a\"},{\"path\":\"/b\"},{\"path\":\"/a\"}]"), "caisson.shares[2].path",
	  "listed twice" },
	{ OURS("\"shares\":[{\"path\":\"/home\"},{\"path\":\"$HOME\"}]"), "caisson.shares[1].path",
	  "listed twice" },
	{ OURS("\"allowHook\":false"), "caisson", "unknown key \"allowHook\"" },
	{ OURS("\"allowHooks\":\"false\""), "caisson.allowHooks", "must be true or false" },
	{ OURS("\"resourceView\":true"), "caisson.resourceView", "must be a string" },
	{ OURS("\"resourceView\":\"maybe\""), "caisson.resourceView", "write asked, always or never" },
	{ OURS("\"allowedDevices\":\"/dev/kvm\""), "caisson.allowedDevices", "must be an array" },
	{ OURS("\"allowedDevices\":[{}]"), "caisson.allowedDevices[0]", "must be a string" },
	{ OURS("\"allowedDevices\":[\"/dev\"]"), "caisson.allowedDevices[0]", "below /dev" },
	{ OURS("\"allowedDevices\":[\"kvm\"]"), "caisson.allowedDevices[0]", "below /dev" },
	{ OURS("\"allowedDevices\":[\"/dev/../etc/x\"]"), "caisson.allowedDevices[0]", "below /dev" },
	{ OURS("\"allowedDevices\":[\"/devil/kvm\"]"), "caisson.allowedDevices[0]", "below /dev" },
	{ OURS("\"engineRoots\":\"/srv\""), "caisson.engineRoots", "must be an array" },
	{ OURS("\"engineRoots\":[\"/srv\",2]"), "caisson.engineRoots[1]", "must be a string" },
	{ OURS("\"engineRoots\":[\"/\"]"), "caisson.engineRoots[0]", "whole host" },
	{ OURS("\"engineRoots\":[\"$HOME\"]"), "caisson.engineRoots[0]", "has a variable" },
	{ OURS("\"engineRoots\":[\"docker\"]"), "caisson.engineRoots[0]", "not absolute" },
	{ OURS("\"idPool\":[]"), "caisson.idPool", "must be an object" },
	{ OURS("\"idPool\":{\"size\":1}"), "caisson.idPool", "unknown key \"size\"" },
	{ OURS("\"idPool\":{\"first\":65535}"), "caisson.idPool.first", "must be from 65536" },
	{ OURS("\"idPool\":{\"first\":-1}"), "caisson.idPool.first", "got -1" },
	{ OURS("\"idPool\":{\"first\":2147418113}"), "caisson.idPool.first", "must be from" },
	{ OURS("\"idPool\":{\"first\":1e5}"), "caisson.idPool.first", "must be an integer, got a fraction" },
	{ OURS("\"idPool\":{\"first\":99999999999999999999}"), "line 1", "not valid JSON" },
	{ OURS("\"idPool\":{\"count\":0}"), "caisson.idPool.count", "must be from 1" },
	{ OURS("\"idPool\":{\"count\":32767}"), "caisson.idPool.count", "must be from 1 to 32766" },
	{ OURS("\"idPool\":{\"count\":4294967297}"), "caisson.idPool.count", "must be from 1" },
	{ "{\"caisson\":null}", "caisson", "must be an object, got null" },
};

static void every_refusal_names_file_place_reason_and_cure(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
		struct settings s = { .pool_first = 42 };
		struct err e = { 0 };
		int r = parse(refusals[i].text, &s, &e);

		if (r != -EINVAL || strncmp(e.msg, "f.json: ", 8) != 0 || !strstr(e.msg, refusals[i].where) ||
		    !strstr(e.msg, refusals[i].why) || strchr(e.msg, '\n'))
			fail_msg("row %zu: %s\n  gives %d: %s", i, refusals[i].text, r, e.msg);
		assert_int_equal(e.code, EINVAL);
		assert_int_equal(s.pool_first, 42); /* untouched */
	}
}

static void text_from_the_file_cannot_forge_a_line_or_flood_the_message(void **state)
{
	struct settings s;
	struct err e = { 0 };
	char text[4000];
	char *p;

	(void)state;
	assert_int_equal(parse(OURS("\"a\\nERROR: b\\u001b[1m\":1"), &s, &e), -EINVAL);
	assert_null(strpbrk(e.msg, "\n\x1b"));
	assert_int_equal(parse("{\"x\":1,\"x\\n\\u001b\":\x1b\n", &s, &e), -EINVAL);
	assert_null(strpbrk(e.msg, "\n\x1b"));
	p = text + snprintf(text, sizeof text, "{\"caisson\":{\"");
	memset(p, 'k', 3000);
	snprintf(p + 3000, 500, "\":1}}");
	assert_int_equal(parse(text, &s, &e), -EINVAL);
	assert_true(strlen(e.msg) < 300);
	assert_non_null(strstr(e.msg, "known ones"));
}

static void size_and_list_limits_hold(void **state)
{
	size_t size = SETTINGS_MAX + 1;
	_cleanup_free_ char *text = malloc(size);
	struct settings s;
	struct err e = { 0 };
	char *p;

	(void)state;
	assert_non_null(text);
	memset(text, ' ', size);
	memcpy(text, "{}", 2);
	assert_int_equal(settings_parse("f.json", text, size, &s, &e), -EFBIG);
	assert_int_equal(settings_parse("f.json", text, size - 1, &s, &e), 0);
	settings_done(&s);
	for (size_t n = 4096; n <= 4097; n++) {
		p = text + snprintf(text, 100, "{\"filesharingAllowedDirectories\":[");
		for (size_t i = 0; i < n; i++)
			p += snprintf(p, 64, "%s{\"path\":\"/d%zu\"}", i ? "," : "", i);
		snprintf(p, 8, "]}");
		assert_int_equal(parse(text, &s, &e), n == 4096 ? 0 : -EINVAL);
		if (n == 4096) {
			assert_int_equal(s.n_shares, 4096 + 2);
			assert_string_equal(share_of(&s, "/d4095")->rule, "filesharingAllowedDirectories[4095]");
			settings_done(&s);
		}
	}
	assert_non_null(strstr(e.msg, "4096"));
}

static void the_example_file_is_accepted(void **state)
{
	_cleanup_fclose_ FILE *f = fopen(EXAMPLE, "re");
	char text[8192];
	struct settings s;
	struct err e = { 0 };
	size_t n;

	(void)state;
	assert_non_null(f);
	n = fread(text, 1, sizeof text, f);
	assert_int_equal(settings_parse(EXAMPLE, text, n, &s, &e), 0);
	assert_non_null(share_of(&s, "/srv/registry"));
	settings_done(&s);
}

static void lexical_paths_compare_whole_components(void **state)
{
	static const struct {
		const char *p, *dir;
		bool below;
	} rows[] = {
		{ "/home", "/home", true }, { "/home/a", "/home", true }, { "/homefoo", "/home", false },
		{ "/hom", "/home", false }, { "/", "/home", false },	  { "/home", "/", true },
		{ "/", "/", true },	    { "/a/b", "/a/bc", false },	  { "/a/bc", "/a/b", false },
	};
	static const char *const clean[] = { "/", "/a", "/a/b", "/...", "/.a", "/a..", "/a b", "/ä" };
	static const char *const unclean[] = { "",   "a",   "/a/",  "//",      "//a",  "/a//b",
					       "/.", "/..", "/a/.", "/a/../b", "/a\n", "/\x7f" };
	static const char *const form[] = { "overlay2", "*", "merged" };
	struct lex_prefix at;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(lex_is_below(rows[i].p, rows[i].dir), rows[i].below);
	for (size_t i = 0; i < ARRAY_SIZE(clean); i++)
		assert_true(lex_is_clean(clean[i]));
	for (size_t i = 0; i < ARRAY_SIZE(unclean); i++)
		assert_false(lex_is_clean(unclean[i]));
	assert_true(lex_ends_with("/var/lib/docker/overlay2/x/merged", form, 3, NULL, &at));
	assert_int_equal(at.len, strlen("/var/lib/docker"));
	assert_false(lex_ends_with("/overlay2/x/merged", form, 3, NULL, &at));
	assert_false(lex_ends_with("/merged", form, 3, NULL, &at));
	assert_false(lex_ends_with("/", form, 3, NULL, &at));
	assert_false(lex_ends_with("/d/xoverlay2/x/merged", form, 3, NULL, &at));
	assert_false(lex_ends_with("/d/overlay2/x/y/merged", form, 3, NULL, &at));
}

int main(void)
{
	const struct CMUnitTest rows[] = {
		cmocka_unit_test(no_file_and_an_empty_object_mean_the_defaults),
		cmocka_unit_test(every_key_reaches_its_field),
		cmocka_unit_test(a_file_sharing_list_replaces_home_but_not_the_modules),
		cmocka_unit_test(empty_lists_mean_none),
		cmocka_unit_test(documented_names_match_in_any_case),
		cmocka_unit_test(the_pool_ends_below_two_to_the_31),
		cmocka_unit_test(every_refusal_names_file_place_reason_and_cure),
		cmocka_unit_test(text_from_the_file_cannot_forge_a_line_or_flood_the_message),
		cmocka_unit_test(size_and_list_limits_hold),
		cmocka_unit_test(the_example_file_is_accepted),
		cmocka_unit_test(lexical_paths_compare_whole_components),
	};

	return cmocka_run_group_tests(rows, NULL, NULL);
}
