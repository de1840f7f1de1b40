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
#include "codec/settings.h"

#define DIGEST	    "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define MOUNT(x)    "{\"enhancedContainerIsolation\":{\"dockerSocketMount\":" x "}}"
#define LIST(x)	    MOUNT("{\"imageList\":{\"images\":[" x "]}}")
#define OURS(x)	    "{\"caisson\":{\"dockerSocket\":{" x "}}}"
#define IMAGES(x)   OURS("\"images\":[" x "]")
#define ENTRY(x)    IMAGES("{\"image\":\"a\"," x "}")
#define CREATE(x)   ENTRY("\"create\":{" x "}")
#define REGISTRY(x) OURS("\"registries\":{" x "}")

static void parse(const char *text, struct settings *ret)
{
	struct err e = { 0 };

	if (settings_parse("f.json", text, strlen(text), ret, &e) < 0)
		fail_msg("%s", e.msg);
}

static bool allows(const struct docker_command_list *list, const char *route)
{
	int i = docker_route_index(route);

	assert_true(i >= 0);
	return docker_command_list_allows(list, i);
}

static void assert_defaults(const struct settings_socket *s)
{
	assert_int_equal(s->n_images, 0);
	assert_false(s->derived);
	assert_false(s->commands.given);
	assert_string_equal(s->directory, "/run/caisson/sockets");
	assert_int_equal(s->digest_max_age, 120);
	assert_int_equal(s->stale_max_age, 0);
	assert_int_equal(s->offline, SOCKET_OFFLINE_REFUSE);
	assert_null(s->proxy);
	assert_int_equal(s->n_registries, 0);
}

static void nothing_said_means_nobody(void **state)
{
	static const char *const texts[] = {
		NULL,	  "{}",	      MOUNT("{}"),	    LIST(""),
		OURS(""), IMAGES(""), MOUNT("{\"new\":1}"), OURS("\"locked\":true,\"registries\":{}")
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct settings s;
		struct err e = { 0 };

		assert_int_equal(settings_parse("f.json", texts[i], texts[i] ? strlen(texts[i]) : 0, &s, &e), 0);
		assert_defaults(&s.socket);
		assert_null(settings_socket_entry(&s.socket, "docker:cli"));
		assert_null(settings_socket_registry(&s.socket, "docker.io"));
		settings_done(&s);
		assert_null(s.socket.directory);
	}
}

/* Docker's own schema, as its documentation has it. */
static void dockers_list_is_read(void **state)
{
	static const char text[] =
		MOUNT("{\"imageList\":{\"images\":[\"docker.io/localstack/localstack:*\",\"docker:cli\",\"*\","
		      "\"alpine@" DIGEST "\",\"testcontainers/*:*\"],\"allowDerivedImages\":true},"
		      "\"commandList\":{\"type\":\"deny\",\"commands\":[\"push\",\"build\"]}}");
	static const enum image_pattern_kind kinds[] = { IMAGE_PATTERN_ANY, IMAGE_PATTERN_TAG, IMAGE_PATTERN_ALL,
							 IMAGE_PATTERN_DIGEST, IMAGE_PATTERN_ANY };
	struct settings s;

	(void)state;
	parse(text, &s);
	assert_int_equal(s.socket.n_images, ARRAY_SIZE(kinds));
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		const struct socket_image *im = &s.socket.images[i];
		char setting[80];

		snprintf(setting, sizeof setting,
			 "enhancedContainerIsolation.dockerSocketMount.imageList.images[%zu]", i);
		assert_string_equal(im->setting, setting);
		assert_int_equal(im->kind, SOCKET_IMAGE_NAME);
		assert_int_equal(im->pattern.kind, kinds[i]);
		assert_true(im->derived);
		assert_false(allows(&im->commands, "image_push"));
		assert_true(allows(&im->commands, "container_list"));
		assert_string_equal(im->commands_setting,
				    "enhancedContainerIsolation.dockerSocketMount.commandList");
		assert_false(im->read_only || im->own_only || im->learn || im->create.no_binds ||
			     im->create.no_privileged);
		assert_null(im->create.networks);
		assert_int_equal(im->until, 0);
	}
	assert_string_equal(s.socket.images[1].pattern.ref.repository, "library/docker");
	assert_true(s.socket.images[4].pattern.glob);
	assert_ptr_equal(settings_socket_entry(&s.socket, "docker:cli"), &s.socket.images[1]);
	assert_null(settings_socket_entry(&s.socket, "docker"));
	settings_done(&s);
}

static void a_command_list_denies_unless_it_says_allow(void **state)
{
	static const struct {
		const char *list, *passes, *blocked;
	} rows[] = {
		{ "{}", "image_push", NULL },
		{ "{\"commands\":[]}", "image_push", NULL },
		{ "{\"commands\":[\"push\"]}", "image_create", "image_push" },
		{ "{\"type\":\"allow\"}", "ping", "container_list" },
		{ "{\"type\":\"allow\",\"commands\":[\"run\"]}", "container_wait", "container_list" },
		{ "{\"commands\":[\"plugin\",\"login\",\"context\",\"scan\"]}", "info", "plugin_pull" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char text[300];
		struct settings s;

		snprintf(text, sizeof text, MOUNT("{\"commandList\":%s}"), rows[i].list);
		parse(text, &s);
		assert_true(s.socket.commands.given);
		assert_true(allows(&s.socket.commands, rows[i].passes));
		if (rows[i].blocked)
			assert_false(allows(&s.socket.commands, rows[i].blocked));
		settings_done(&s);
	}
}

static void every_key_reaches_its_field(void **state)
{
	static const char text[] =
		"{\"enhancedContainerIsolation\":{\"dockerSocketMount\":{\"imageList\":{\"images\":[\"docker:cli\"],"
		"\"allowDerivedImages\":true},\"commandList\":{\"commands\":[\"push\"]}}},"
		"\"caisson\":{\"dockerSocket\":{\"directory\":\"/srv/sockets\",\"images\":["
		"{\"image\":\"docker.io/testcontainers/ryuk:*\",\"allowDerivedImages\":false,\"ownOnly\":true,"
		"\"commandList\":{\"type\":\"allow\",\"commands\":[\"ps\",\"rm\"]},\"until\":\"2027-01-31T00:00:00Z\","
		"\"create\":{\"privileged\":false,\"binds\":false,\"networks\":[\"bridge\",\"ci-*\",\"*\"],"
		"\"namePrefix\":\"ci-\",\"labels\":{\"owner\":\"ci\",\"empty\":\"\"}}},"
		"{\"id\":\"" DIGEST "\",\"readOnly\":true},"
		"{\"label\":\"org.example.ci=a=b\",\"builders\":[\"root\",1000,4294967294],\"learn\":true},"
		"{\"label\":\"x=\",\"create\":{\"privileged\":true,\"binds\":true,\"networks\":[]}}],"
		"\"digestMaxAge\":0,\"staleMaxAge\":604800,\"offline\":\"lastKnown\",\"proxy\":\"http://proxy:3128\","
		"\"registries\":{\"registry.example.com:5000\":{\"insecure\":true,\"ca\":\"/etc/ca.pem\","
		"\"auth\":\"/etc/auth.json\",\"mirror\":\"http://mirror\"},"
		"\"docker.io\":{\"mirror\":\"https://mirror.example.com:443\"}}}}}";
	const struct socket_image *im;
	const struct socket_registry *reg;
	struct settings s;

	(void)state;
	parse(text, &s);
	assert_int_equal(s.socket.n_images, 5);
	im = &s.socket.images[0];
	assert_string_equal(im->text, "docker.io/testcontainers/ryuk:*");
	assert_string_equal(im->setting, "caisson.dockerSocket.images[0]");
	assert_string_equal(im->commands_setting, "caisson.dockerSocket.images[0].commandList");
	assert_true(im->own_only && !im->derived && !im->read_only && !im->learn);
	assert_true(allows(&im->commands, "container_delete"));
	assert_false(allows(&im->commands, "container_create"));
	assert_int_equal(im->until, 1801353600);
	assert_true(im->create.no_privileged && im->create.no_binds);
	assert_int_equal(im->create.n_networks, 3);
	assert_string_equal(im->create.networks[1], "ci-*");
	assert_string_equal(im->create.name_prefix, "ci-");
	assert_int_equal(im->create.n_labels, 2);
	assert_string_equal(im->create.labels[0].key, "owner");
	assert_string_equal(im->create.labels[0].value, "ci");
	im++;
	assert_int_equal(im->kind, SOCKET_IMAGE_ID);
	assert_string_equal(im->id, DIGEST);
	assert_string_equal(im->text, DIGEST);
	assert_true(im->read_only && im->derived);
	assert_false(allows(&im->commands, "image_push"));
	im++;
	assert_int_equal(im->kind, SOCKET_IMAGE_LABEL);
	assert_string_equal(im->text, "org.example.ci=a=b");
	assert_string_equal(im->label.key, "org.example.ci");
	assert_string_equal(im->label.value, "a=b");
	assert_int_equal(im->n_builders, 3);
	assert_int_equal(im->builders[0], 0);
	assert_int_equal(im->builders[2], 4294967294u);
	assert_true(im->learn);
	im++;
	assert_string_equal(im->label.value, "");
	assert_int_equal(im->n_builders, 0);
	assert_non_null(im->create.networks); /* none, not any */
	assert_int_equal(im->create.n_networks, 0);
	assert_false(im->create.no_binds || im->create.no_privileged);
	assert_string_equal((++im)->setting, "enhancedContainerIsolation.dockerSocketMount.imageList.images[0]");
	assert_string_equal(s.socket.directory, "/srv/sockets");
	assert_int_equal(s.socket.digest_max_age, 0);
	assert_int_equal(s.socket.stale_max_age, 604800);
	assert_int_equal(s.socket.offline, SOCKET_OFFLINE_LAST_KNOWN);
	assert_string_equal(s.socket.proxy, "http://proxy:3128");
	reg = settings_socket_registry(&s.socket, "registry.example.com:5000");
	assert_non_null(reg);
	assert_true(reg->insecure);
	assert_string_equal(reg->ca, "/etc/ca.pem");
	assert_string_equal(reg->auth, "/etc/auth.json");
	assert_string_equal(reg->mirror, "http://mirror");
	assert_false(settings_socket_registry(&s.socket, "docker.io")->insecure);
	settings_done(&s);
}

static void names_match_in_any_case(void **state)
{
	struct settings s;

	(void)state;
	parse("{\"Caisson\":{\"DOCKERSOCKET\":{\"Images\":[{\"IMAGE\":\"a\",\"OWNONLY\":true,\"COMMANDLIST\":{\"TYPE\":"
	      "\"allow\"},\"Create\":{\"BINDS\":false}}]}}}",
	      &s);
	assert_true(s.socket.images[0].own_only);
	assert_true(s.socket.images[0].commands.allow);
	assert_true(s.socket.images[0].create.no_binds);
	settings_done(&s);
}

static void times_are_utc_to_the_second(void **state)
{
	static const struct {
		const char *text;
		int64_t time; /* 0: refused */
	} rows[] = {
		{ "2000-01-01T00:00:00Z", 946684800 },
		{ "2024-02-29T23:59:59Z", 1709251199 },
		{ "2038-01-19T03:14:08Z", 2147483648 },
		{ "9999-12-31T23:59:59Z", 253402300799 },
		{ "2000-02-29T00:00:00Z", 951782400 },
		{ "2100-02-29T00:00:00Z", 0 },
		{ "2023-02-29T00:00:00Z", 0 },
		{ "1999-12-31T23:59:59Z", 0 },
		{ "2027-13-01T00:00:00Z", 0 },
		{ "2027-00-01T00:00:00Z", 0 },
		{ "2027-04-31T00:00:00Z", 0 },
		{ "2027-01-00T00:00:00Z", 0 },
		{ "2027-01-01T24:00:00Z", 0 },
		{ "2027-01-01T00:60:00Z", 0 },
		{ "2027-01-01T00:00:60Z", 0 },
		{ "2027-01-01T00:00:00", 0 },
		{ "2027-01-01T00:00:00+00:00", 0 },
		{ "2027-01-01", 0 },
		{ "2027-01-01 00:00:00Z", 0 },
		{ "2027-1-1T00:00:00Z", 0 },
		{ "2027-01-01T00:00:00Zx", 0 },
		{ "", 0 },
		{ "tomorrow", 0 },
		{ "2027", 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char text[200];
		struct settings s;
		struct err e = { 0 };

		snprintf(text, sizeof text, ENTRY("\"until\":\"%s\""), rows[i].text);
		if (settings_parse("f.json", text, strlen(text), &s, &e) < 0) {
			if (rows[i].time || !strstr(e.msg, "caisson.dockerSocket.images[0].until: \""))
				fail_msg("%s: %s", rows[i].text, e.msg);
			continue;
		}
		if (s.socket.images[0].until != rows[i].time)
			fail_msg("%s is %lld", rows[i].text, (long long)s.socket.images[0].until);
		settings_done(&s);
	}
}

/* Every refusal, with the words by which an administrator finds the place and the cure. */
static const struct {
	const char *text, *where, *why;
} refusals[] = {
	{ LIST("\"docker:CLI?\""), "imageList.images[0]: \"docker:CLI?\"", "write NAME:TAG" },
	{ LIST("\"a\",\"Docker:cli\""), "imageList.images[1]: \"Docker:cli\"", "upper case" },
	{ LIST("\"a:*b\""), "imageList.images[0]", "write NAME:TAG" },
	{ LIST("\"**\""), "imageList.images[0]", "write NAME:TAG" },
	{ MOUNT("{\"commandList\":{\"commands\":[\"ps\",\"psuh\"]}}"), "commandList.commands[1]: \"psuh\"",
	  "write \"push\"" },
	{ MOUNT("{\"commandList\":{\"commands\":[\"docker push\"]}}"), "commands[0]", "write \"push\"" },
	{ MOUNT("{\"commandList\":{\"commands\":[\"xyzzyplugh\"]}}"), "commands[0]", "docs/settings.md" },
	{ MOUNT("{\"commandList\":{\"commands\":[\"*\"]}}"), "commands[0]: \"*\"", "no command" },
	{ MOUNT("{\"commandList\":{\"type\":\"allow\",\"commands\":[\"PS\"]}}"), "commands[0]", "write \"ps\"" },
	{ "{\"caisson\":{\"dockersockets\":{}}}", "caisson", "write \"dockerSocket\"" },
	{ "{\"caisson\":{\"dockerSocket\":[]}}", "caisson.dockerSocket", "must be an object" },
	{ OURS("\"image\":[]"), "caisson.dockerSocket", "write \"images\"" },
	{ OURS("\"locked\":1"), "caisson.dockerSocket.locked", "must be true or false" },
	{ OURS("\"images\":{}"), "caisson.dockerSocket.images", "must be an array" },
	{ IMAGES("\"docker:cli\""), "caisson.dockerSocket.images[0]", "must be an object like {\"image\"" },
	{ IMAGES("{}"), "caisson.dockerSocket.images[0]", "one of image, id and label" },
	{ IMAGES("{\"image\":\"a\",\"id\":\"" DIGEST "\"}"), "images[0]", "one of image, id and label" },
	{ IMAGES("{\"image\":\"\"}"), "images[0].image", "is empty" },
	{ IMAGES("{\"image\":\"A\"}"), "images[0].image: \"A\"", "upper case" },
	{ IMAGES("{\"image\":1}"), "images[0].image", "must be a string" },
	{ IMAGES("{\"image\":\"a\",\"Image\":\"b\"}"), "images[0].image", "two spellings" },
	{ IMAGES("{\"image\":\"a\"},{\"image\":\"b\"},{\"image\":\"a\"}"), "images[2]: \"a\"", "listed twice" },
	{ IMAGES("{\"id\":\"0123\"}"), "images[0].id: \"0123\"", "sha256: and 64 digits" },
	{ IMAGES("{\"label\":\"ci\"}"), "images[0].label: \"ci\"", "NAME=VALUE" },
	{ IMAGES("{\"label\":\"=ci\"}"), "images[0].label", "NAME=VALUE" },
	{ IMAGES("{\"label\":\"a=\\u0007\"}"), "images[0].label: \"a=?\"", "NAME=VALUE" },
	{ IMAGES("{\"label\":\"a=b\",\"builders\":[]}"), "images[0].builders", "is empty" },
	{ IMAGES("{\"label\":\"a=b\",\"builders\":[\"ann\"]}"), "images[0].builders[0]", "\"root\" or a user id" },
	{ IMAGES("{\"label\":\"a=b\",\"builders\":[0,-1]}"), "images[0].builders[1]", "\"root\" or a user id" },
	{ IMAGES("{\"label\":\"a=b\",\"builders\":[4294967295]}"), "images[0].builders[0]",
	  "\"root\" or a user id" },
	{ IMAGES("{\"label\":\"a=b\",\"builders\":[1.0]}"), "images[0].builders[0]", "\"root\" or a user id" },
	{ IMAGES("{\"label\":\"a=b\",\"builders\":\"root\"}"), "images[0].builders", "must be an array" },
	{ ENTRY("\"builders\":[0]"), "images[0].builders", "entries with a label" },
	{ ENTRY("\"ownonl\":true"), "images[0]", "write \"ownOnly\"" },
	{ ENTRY("\"allow\":true"), "images[0]", "unknown key \"allow\"" },
	{ ENTRY("\"readOnly\":\"yes\""), "images[0].readOnly", "must be true or false" },
	{ ENTRY("\"learn\":0"), "images[0].learn", "must be true or false" },
	{ ENTRY("\"until\":1801353600"), "images[0].until", "must be a string" },
	{ ENTRY("\"commandList\":[]"), "images[0].commandList", "must be an object" },
	{ ENTRY("\"commandList\":{\"command\":[]}"), "images[0].commandList", "write \"commands\"" },
	{ ENTRY("\"commandList\":{\"type\":\"block\"}"), "images[0].commandList.type", "write deny or allow" },
	{ ENTRY("\"commandList\":{\"commands\":[\"sp\"]}"), "images[0].commandList.commands[0]", "write \"ps\"" },
	{ CREATE("\"bind\":false"), "images[0].create", "write \"binds\"" },
	{ CREATE("\"privileged\":\"no\""), "images[0].create.privileged", "must be true or false" },
	{ CREATE("\"networks\":\"ci\""), "images[0].create.networks", "must be an array" },
	{ CREATE("\"networks\":[1]"), "images[0].create.networks[0]", "must be a string" },
	{ CREATE("\"networks\":[\"\"]"), "images[0].create.networks[0]", "no name of a network" },
	{ CREATE("\"networks\":[\"a*b\"]"), "images[0].create.networks[0]: \"a*b\"", "only at its end" },
	{ CREATE("\"networks\":[\"a**\"]"), "images[0].create.networks[0]", "only at its end" },
	{ CREATE("\"networks\":[\"container:x\"]"), "images[0].create.networks[0]", "no name of a network" },
	{ CREATE("\"namePrefix\":\"\""), "images[0].create.namePrefix", "letters, digits" },
	{ CREATE("\"namePrefix\":\"-ci\""), "images[0].create.namePrefix: \"-ci\"", "a letter or digit first" },
	{ CREATE("\"namePrefix\":\"a/b\""), "images[0].create.namePrefix", "letters, digits" },
	{ CREATE("\"labels\":[]"), "images[0].create.labels", "must be an object" },
	{ CREATE("\"labels\":{\"a\":1}"), "images[0].create.labels.a", "must be a string" },
	{ CREATE("\"labels\":{\"\":\"\"}"), "images[0].create.labels", "no name of a label" },
	{ CREATE("\"labels\":{\"a=b\":\"\"}"), "images[0].create.labels: \"a=b\"", "no name of a label" },
	{ CREATE("\"labels\":{\"a\":\"\\n\"}"), "images[0].create.labels.a", "control characters" },
	{ OURS("\"directory\":\"sockets\""), "dockerSocket.directory", "not absolute" },
	{ OURS("\"directory\":\"/\""), "dockerSocket.directory", "whole host" },
	{ OURS("\"directory\":\"/a/../b\""), "dockerSocket.directory", "not clean" },
	{ OURS("\"directory\":\"/proc/1\""), "dockerSocket.directory", "belongs to the kernel" },
	{ OURS("\"directory\":\"$TMP\""), "dockerSocket.directory", "has a variable" },
	{ OURS("\"directory\":\"/0123456789012345678901234567890123456789012345678901234567890/x\""),
	  "dockerSocket.directory", "at most 62 characters" },
	{ OURS("\"digestMaxAge\":-1"), "dockerSocket.digestMaxAge", "must be from 0 to 604800" },
	{ OURS("\"staleMaxAge\":604801"), "dockerSocket.staleMaxAge", "must be from 0 to 604800" },
	{ OURS("\"staleMaxAge\":\"1h\""), "dockerSocket.staleMaxAge", "must be an integer" },
	{ OURS("\"offline\":\"allow\""), "dockerSocket.offline", "write refuse or lastKnown" },
	{ OURS("\"proxy\":\"\""), "dockerSocket.proxy", "write http://HOST:PORT" },
	{ OURS("\"proxy\":\"proxy:3128\""), "dockerSocket.proxy", "write http://HOST:PORT" },
	{ OURS("\"proxy\":\"http://a b\""), "dockerSocket.proxy", "write http://HOST:PORT" },
	{ OURS("\"proxy\":\"http://\""), "dockerSocket.proxy", "write http://HOST:PORT" },
	{ REGISTRY("\"registry\":{}"), "dockerSocket.registries: \"registry\"", "write HOST or HOST:PORT" },
	{ REGISTRY("\"https://a.b\":{}"), "dockerSocket.registries", "write HOST or HOST:PORT" },
	{ REGISTRY("\"a.b/c\":{}"), "dockerSocket.registries", "write HOST or HOST:PORT" },
	{ REGISTRY("\"\":{}"), "dockerSocket.registries", "write HOST or HOST:PORT" },
	{ REGISTRY("\"index.docker.io\":{}"), "dockerSocket.registries", "write \"docker.io\"" },
	{ REGISTRY("\"A.B\":{}"), "dockerSocket.registries: \"A.B\"", "write \"a.b\"" },
	{ REGISTRY("\"a.b\":true"), "dockerSocket.registries.a.b", "must be an object" },
	{ REGISTRY("\"a.b\":{\"insecur\":true}"), "dockerSocket.registries.a.b", "write \"insecure\"" },
	{ REGISTRY("\"a.b\":{\"insecure\":1}"), "registries.a.b.insecure", "must be true or false" },
	{ REGISTRY("\"a.b\":{\"ca\":\"ca.pem\"}"), "registries.a.b.ca", "not absolute" },
	{ REGISTRY("\"a.b\":{\"auth\":\"$HOME\"}"), "registries.a.b.auth", "has a variable" },
	{ REGISTRY("\"a.b\":{\"mirror\":\"http://m\"}"), "registries.a.b.mirror", "only with insecure" },
	{ REGISTRY("\"a.b\":{\"mirror\":\"https://m/path\"}"), "registries.a.b.mirror", "write https://HOST" },
	{ REGISTRY("\"a.b\":{\"mirror\":\"https://u@m\"}"), "registries.a.b.mirror", "write https://HOST" },
};

static void every_refusal_names_file_place_reason_and_cure(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
		struct settings s = { .pool_first = 42 };
		struct err e = { 0 };
		int r = settings_parse("f.json", refusals[i].text, strlen(refusals[i].text), &s, &e);

		if (r != -EINVAL || strncmp(e.msg, "f.json: ", 8) != 0 || !strstr(e.msg, refusals[i].where) ||
		    !strstr(e.msg, refusals[i].why) || strchr(e.msg, '\n'))
			fail_msg("row %zu: %s\n  gives %d: %s", i, refusals[i].text, r, e.msg);
		assert_int_equal(s.pool_first, 42);
	}
}

static void long_lists_are_read_and_bounded(void **state)
{
	enum { ROOM = 4097 * 40 };
	_cleanup_free_ char *text = malloc(ROOM);
	struct settings s;
	struct err e = { 0 };

	(void)state;
	assert_non_null(text);
	for (int n = 4096; n <= 4097; n++) {
		char *p = text + snprintf(text, 100, "{\"caisson\":{\"dockerSocket\":{\"images\":[");

		for (int i = 0; i < n; i++)
			p += snprintf(p, 40, "%s{\"label\":\"l=%d\"}", i ? "," : "", i);
		snprintf(p, 8, "]}}}");
		if (n > 4096) {
			assert_int_equal(settings_parse("f.json", text, strlen(text), &s, &e), -EINVAL);
			assert_non_null(strstr(e.msg, "more than 4096 entries"));
			break;
		}
		parse(text, &s);
		assert_int_equal(s.socket.n_images, 4096);
		assert_string_equal(s.socket.images[4095].setting, "caisson.dockerSocket.images[4095]");
		assert_string_equal(s.socket.images[4095].label.value, "4095");
		settings_done(&s);
	}
}

static void merge(const char *one, const char *two, struct settings *ret, struct err *e, int want)
{
	const struct settings_text files[] = { { "1.json", one, strlen(one) }, { "2.json", two, strlen(two) } };

	if (settings_merge(files, 2, ret, e) != want)
		fail_msg("%s", e->msg);
}

static void files_are_merged_and_locks_hold(void **state)
{
	struct err e = { 0 };
	struct settings s;
	char where[200];

	(void)state;
	merge(OURS("\"images\":[{\"image\":\"a\"}],\"registries\":{\"a.b\":{\"insecure\":true}},\"staleMaxAge\":5"),
	      OURS("\"images\":[{\"image\":\"b\"}],\"registries\":{\"a.b\":{\"ca\":\"/ca\"},\"c.d\":{}}"), &s, &e,
	      0);
	assert_int_equal(s.socket.n_images, 1);
	assert_string_equal(s.socket.images[0].text, "b");
	assert_int_equal(s.socket.stale_max_age, 5);
	assert_int_equal(s.socket.n_registries, 2);
	assert_true(settings_socket_registry(&s.socket, "a.b")->insecure);
	assert_string_equal(settings_socket_registry(&s.socket, "a.b")->ca, "/ca");
	assert_string_equal(settings_origin(&s, s.socket.images[0].setting, where, sizeof where), "2.json:1");
	settings_done(&s);

	merge(OURS("\"locked\":true,\"images\":[]"), "{\"caisson\":{\"allowHooks\":false}}", &s, &e, 0);
	assert_false(s.allow_hooks);
	settings_done(&s);
	merge(OURS("\"locked\":true,\"images\":[]"), IMAGES("{\"image\":\"*\"}"), &s, &e, -EPERM);
	assert_non_null(
		strstr(e.msg, "2.json:1: caisson.dockerSocket.images: differs from what 1.json says and locks"));
	merge("{\"enhancedContainerIsolation\":{\"locked\":true}}", LIST("\"*\""), &s, &e, -EPERM);
	assert_non_null(strstr(e.msg, "locks"));
	merge("{\"caisson\":{\"locked\":true,\"dockerSocket\":{\"learn\":true}}}", "{}", &s, &e, -EINVAL);
}

static void users_change_nothing_of_it(void **state)
{
	static const char user[] =
		"{\"enhancedContainerIsolation\":{\"value\":false,\"dockerSocketMount\":{\"imageList\":{"
		"\"images\":[\"*\"]}}},\"caisson\":{\"dockerSocket\":{\"images\":[{\"image\":\"*\"}]}}}";
	struct settings_text u = { "u.json", user, sizeof user - 1 };
	struct err e = { 0 };
	struct settings s;

	(void)state;
	parse("{\"enhancedContainerIsolation\":{\"locked\":false}}", &s);
	assert_int_equal(settings_user(&s, &u, &e), 0);
	assert_false(s.enabled);
	assert_defaults(&s.socket);
	settings_done(&s);
}

int main(void)
{
	const struct CMUnitTest rows[] = {
		cmocka_unit_test(nothing_said_means_nobody),
		cmocka_unit_test(dockers_list_is_read),
		cmocka_unit_test(a_command_list_denies_unless_it_says_allow),
		cmocka_unit_test(every_key_reaches_its_field),
		cmocka_unit_test(names_match_in_any_case),
		cmocka_unit_test(times_are_utc_to_the_second),
		cmocka_unit_test(every_refusal_names_file_place_reason_and_cure),
		cmocka_unit_test(long_lists_are_read_and_bounded),
		cmocka_unit_test(files_are_merged_and_locks_hold),
		cmocka_unit_test(users_change_nothing_of_it),
	};

	return cmocka_run_group_tests(rows, NULL, NULL);
}
