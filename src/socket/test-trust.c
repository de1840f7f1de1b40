/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include <pthread.h>

#include "socket/registry-ask.h"
#include "socket/test-registry.h"
#include "socket/trust.h"

#define CLI "docker.io/library/docker:cli"
#define M5(image)                                                      \
	"Docker socket mount denied for container with image \"" image \
	"\"; image is not in the allowed list. If you wish "           \
	"to allow it, add the image name to the Docker socket image list in the admin-settings."
#define M5_CORE(image) \
	"Docker socket mount denied for container with image \"" image "\"; image is not in the allowed list"

static struct fake fake;
static struct trust *trust;

/* ---- an engine of images ---- */

#define IMAGES_MAX 16

static struct {
	json_t *inspect, *history;
} here[IMAGES_MAX];
static size_t n_here;
static int engine_calls;
static bool engine_down;

/* An image of the engine: layers first to first + n - 1 and a step of history for each, as fake_image() has them. */
static json_t *image(unsigned id, const char *tag, const char *named, unsigned first, unsigned n)
{
	json_t *layers = json_array(), *history = json_array(), *inspect;
	char by[64];

	for (unsigned i = 0; i < n; i++) {
		(void)json_array_append_new(layers, json_string(dg(first + i)));
		(void)snprintf(by, sizeof by, "RUN %u", first + i);
		(void)json_array_insert_new(history, 0,
					    json_pack("{ss, sI, ss, ss}", "Id", "<missing>", "Created",
						      (json_int_t)(1704164640 + i % 60), "CreatedBy", by,
						      "Comment", "c"));
	}
	inspect = json_pack("{ss, s[], s[], s{ss, so}}", "Id", dg(id), "RepoTags", "RepoDigests", "RootFS", "Type",
			    "layers", "Layers", layers);
	if (tag)
		(void)json_array_append_new(json_object_get(inspect, "RepoTags"), json_string(tag));
	if (named)
		(void)json_array_append_new(json_object_get(inspect, "RepoDigests"), json_string(named));
	assert_true(n_here < IMAGES_MAX);
	here[n_here].inspect = inspect;
	here[n_here++].history = history;
	return inspect;
}

static json_t *history_of(const json_t *inspect)
{
	for (size_t i = 0; i < n_here; i++)
		if (here[i].inspect == inspect)
			return here[i].history;
	return NULL;
}

/* A step that adds no layer, as the newest. */
static void add_step(json_t *inspect, const char *by)
{
	(void)json_array_insert_new(history_of(inspect), 0,
				    json_pack("{sI, ss, ss}", "Created", (json_int_t)1704170000, "CreatedBy", by,
					      "Comment", ""));
}

static void add_layer(json_t *inspect, unsigned layer)
{
	char by[64];

	(void)snprintf(by, sizeof by, "RUN mine %u", layer);
	(void)json_array_append_new(json_object_get(json_object_get(inspect, "RootFS"), "Layers"),
				    json_string(dg(layer)));
	add_step(inspect, by);
}

static int engine_get(void *ctx, const char *path, json_t **ret, struct err *e)
{
	char of[160];

	(void)ctx;
	engine_calls++;
	if (engine_down)
		return err_set(e, ETIMEDOUT, "the engine does not answer");
	if (strcmp(path, "/images/json") == 0) {
		*ret = json_array();
		for (size_t i = 0; i < n_here; i++)
			(void)json_array_append_new(
				*ret, json_pack("{sO, sO, sO}", "Id", json_object_get(here[i].inspect, "Id"),
						"RepoTags", json_object_get(here[i].inspect, "RepoTags"),
						"RepoDigests", json_object_get(here[i].inspect, "RepoDigests")));
		return 0;
	}
	for (size_t i = 0; i < n_here; i++) {
		const char *id = json_string_value(json_object_get(here[i].inspect, "Id")) + strlen("sha256:");

		(void)snprintf(of, sizeof of, "/images/sha256%%3A%s/json", id);
		*ret = here[i].inspect;
		if (strcmp(of, path) == 0) {
			json_incref(*ret);
			return 0;
		}
		(void)snprintf(of, sizeof of, "/images/sha256%%3A%s/history", id);
		*ret = here[i].history;
		if (strcmp(of, path) == 0) {
			json_incref(*ret);
			return 0;
		}
	}
	*ret = NULL;
	return err_set(e, ENOENT, "no such image");
}

static const struct trust_engine engine = { .get = engine_get };

/* ---- decisions ---- */

static struct settings set;
static struct trust_answer got;

static void settings_drop(void)
{
	settings_done(&set);
	memset(&set, 0, sizeof set);
}

/* @images: JSON of imageList.images; @more: members behind it; @ours: members of caisson.dockerSocket. */
static void settings_are(const char *images, const char *more, const char *ours)
{
	_cleanup_free_ char *text = NULL;
	struct err e = { 0 };

	settings_drop();
	assert_true(asprintf(&text,
			     "{\"configurationFileVersion\": 2, \"enhancedContainerIsolation\": {\"value\": true, "
			     "\"dockerSocketMount\": {\"imageList\": {\"images\": [%s] %s}}}, "
			     "\"caisson\": {\"dockerSocket\": {%s}}}",
			     images, more, ours) > 0);
	if (settings_parse("settings.json", text, strlen(text), &set, &e) < 0)
		fail_msg("%s", e.msg);
}

static enum trust_why decide_for(uid_t uid, const char *asked, json_t *inspect)
{
	const struct trust_image im = { .asked = asked,
					.id = json_string_value(json_object_get(inspect, "Id")),
					.inspect = inspect };

	memset(&got, 0xff, sizeof got);
	trust_decide(trust, &set, &engine, &im, uid, &got);
	assert_int_equal(got.why == TRUST_ALLOWED, got.entry != NULL);
	assert_int_equal(got.why == TRUST_ALLOWED, *got.message == '\0');
	assert_non_null(got.setting);
	return got.why;
}

static enum trust_why decide(const char *asked, json_t *inspect)
{
	return decide_for(0, asked, inspect);
}

static void says(const char *part)
{
	if (!strstr(got.message, part))
		fail_msg("\"%s\" lacks \"%s\"", got.message, part);
}

static bool built_by_1000(void *ctx, const char *id, uid_t uid)
{
	(void)ctx;
	return strcmp(id, dg(50)) == 0 && uid == 1000;
}

static void start(void)
{
	const struct trust_config config = { .state_dir = fake.state,
					     .helper = fake.helper,
					     .built = built_by_1000 };
	struct err e = { 0 };

	trust_free(trust);
	trust = NULL;
	if (trust_new(&config, &trust, &e) < 0)
		fail_msg("%s", e.msg);
}

static int setup(void **state)
{
	(void)state;
	if (fake_open(&fake) < 0)
		return -1;
	start();
	fake_image(&fake, CLI, 1, 2, 3, 100, 2);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	trust_free(trust);
	trust = NULL;
	settings_drop();
	while (n_here > 0) {
		json_decref(here[--n_here].inspect);
		json_decref(here[n_here].history);
	}
	engine_calls = 0;
	engine_down = false;
	fake_close(&fake);
	return 0;
}

static void an_empty_list(void **state)
{
	(void)state;
	settings_are("", "", "");
	assert_int_equal(decide("docker:cli", image(3, "docker:cli", NULL, 100, 2)), TRUST_EMPTY);
	assert_string_equal(got.message,
			    "Docker socket mount denied for container with image \"docker.io/library/docker\"; "
			    "allowed image list is empty.");
	assert_int_equal(fake_asked(&fake, ""), 0);
	assert_int_equal(engine_calls, 0);
}

static void one_tag(void **state)
{
	json_t *cli = image(3, "docker:cli", NULL, 100, 2), *by_index = image(1, "docker:cli", NULL, 100, 2),
	       *by_manifest = image(2, "docker:cli", NULL, 100, 2), *other = image(4, "docker:cli", NULL, 100, 2);

	(void)state;
	settings_are("\"docker:cli\"", "", "");
	assert_int_equal(decide("docker:cli", cli), TRUST_ALLOWED);
	assert_string_equal(got.entry->text, "docker:cli");
	assert_string_equal(got.digest, dg(3));
	assert_false(got.derived);
	assert_string_equal(got.setting, "enhancedContainerIsolation.dockerSocketMount.imageList.images[0]");
	/* by id, or by another name that leads to it */
	assert_int_equal(decide(dg(3), cli), TRUST_ALLOWED);
	assert_int_equal(decide("mine", cli), TRUST_ALLOWED);
	/* the other image store */
	assert_int_equal(decide("docker:cli", by_index), TRUST_ALLOWED);
	assert_int_equal(decide("docker:cli", by_manifest), TRUST_ALLOWED);
	(void)json_object_set_new(other, "Descriptor", json_pack("{ss}", "digest", dg(1)));
	assert_int_equal(decide("docker:cli", other), TRUST_ALLOWED);
	assert_string_equal(got.digest, dg(1));
	assert_int_equal(fake_asked(&fake, ""), 1);
	assert_int_equal(engine_calls, 0);
}

static void what_is_not_listed(void **state)
{
	json_t *dind = image(8, "docker:dind", NULL, 100, 2), *nameless = image(9, NULL, NULL, 100, 2),
	       *null = json_pack("{ss, sn, sn, sn}", "Id", dg(9), "RepoTags", "RepoDigests", "RootFS");
	struct trust_image im = { .asked = "x", .id = "" };

	(void)state;
	settings_are("\"docker:cli\"", "", "");
	assert_int_equal(decide("docker:dind", dind), TRUST_NOT_LISTED);
	assert_string_equal(got.message, M5("docker.io/library/docker"));
	assert_string_equal(got.setting, "enhancedContainerIsolation.dockerSocketMount.imageList.images");
	/* no name at all, and texts that are none */
	assert_int_equal(decide("r.io:5000/a:1@"
				"sha256:0000000000000000000000000000000000000000000000000000000000000001",
				nameless),
			 TRUST_NOT_LISTED);
	assert_string_equal(got.message, M5("r.io:5000/a"));
	assert_int_equal(decide("0123456789ab\n\"x", nameless), TRUST_NOT_LISTED);
	assert_string_equal(got.message, M5("0123456789ab??x"));
	assert_int_equal(decide(NULL, null), TRUST_NOT_LISTED);
	says(dg(9));
	json_decref(null);
	trust_decide(trust, &set, &engine, &im, 0, &got);
	assert_int_equal(got.why, TRUST_ERROR);
	says("the engine does not say which image that is");
	assert_int_equal(fake_asked(&fake, ""), 0);
}

/* E57, A134, A135: a name, or a digest, that an image claims. */
static void names_prove_nothing(void **state)
{
	char named[128], forged[128];
	json_t *evil, *loaded;

	(void)state;
	(void)snprintf(named, sizeof named, "docker@%s", dg(1));
	(void)snprintf(forged, sizeof forged, "docker@%s", dg(666));
	{
		char file[160];

		(void)snprintf(file, sizeof file, "docker.io/library/%s", named);
		fake_image(&fake, file, 1, 2, 3, 100, 2);
	}
	evil = image(666, "docker:cli", NULL, 600, 2);
	loaded = image(667, "docker:cli", named, 600, 2);
	settings_are("\"docker:cli\"", "", "");
	assert_int_equal(decide("docker:cli", evil), TRUST_MOVED);
	assert_int_equal(decide("docker:cli", loaded), TRUST_MOVED);
	says(M5_CORE("docker.io/library/docker"));
	says("docker image rm docker.io/library/docker:cli && docker pull docker.io/library/docker:cli");
	settings_are("\"docker:*\"", "", "");
	assert_int_equal(decide("docker:cli", evil), TRUST_MOVED);
	assert_int_equal(decide("docker:cli", loaded), TRUST_MOVED);
	assert_int_equal(decide("docker:cli", image(666, NULL, forged, 600, 2)), TRUST_MOVED);
	/* what is forged is not in the registry */
	assert_int_equal(decide(dg(666), image(666, NULL, forged, 600, 2)), TRUST_NOT_LISTED);
	says("its registry has no docker.io/library/docker@");
	(void)snprintf(named, sizeof named, "\"docker@%s\"", dg(1));
	settings_are(named, "", "");
	assert_int_equal(decide("docker:cli", loaded), TRUST_NOT_LISTED);
	/* nor does a layer of it, or a label */
	settings_are("\"docker:cli\"", "", "");
	assert_int_equal(decide("docker:cli", image(668, "docker:cli", NULL, 100, 2)), TRUST_MOVED);
}

static void any_tag_and_patterns(void **state)
{
	char named[128], file[160];
	json_t *old;

	(void)state;
	(void)snprintf(named, sizeof named, "testcontainers/ryuk@%s", dg(11));
	(void)snprintf(file, sizeof file, "docker.io/%s", named);
	fake_image(&fake, file, 11, 12, 13, 300, 2);
	fake_image(&fake, "docker.io/testcontainers/ryuk:0.5", 21, 22, 23, 300, 2);
	old = image(13, "testcontainers/ryuk:0.4", named, 300, 2);
	settings_are("\"testcontainers/*:*\"", "", "");
	assert_int_equal(decide("testcontainers/ryuk:0.5", image(23, "testcontainers/ryuk:0.5", NULL, 300, 2)),
			 TRUST_ALLOWED);
	/* its tag is gone, its digest is not */
	assert_int_equal(decide("testcontainers/ryuk:0.4", old), TRUST_ALLOWED);
	assert_int_equal(decide("other/ryuk:0.5", image(23, "other/ryuk:0.5", NULL, 300, 2)), TRUST_NOT_LISTED);
	settings_are("\"testcontainers/ryuk\"", "", "");
	assert_int_equal(decide("testcontainers/ryuk:0.5", image(23, "testcontainers/ryuk:0.5", NULL, 300, 2)),
			 TRUST_NOT_LISTED);
	settings_are("\"r.io/ci/*:1\"", "", "");
	fake_image(&fake, "r.io/ci/b:1", 31, 32, 33, 300, 2);
	assert_int_equal(decide("r.io/ci/b:1", image(33, "r.io/ci/b:1", NULL, 300, 2)), TRUST_ALLOWED);
	assert_int_equal(decide("r.io/ci/b:2", image(33, "r.io/ci/b:2", NULL, 300, 2)), TRUST_NOT_LISTED);
}

static void one_digest(void **state)
{
	char entry[128], file[160];
	json_t *other;

	(void)state;
	(void)snprintf(entry, sizeof entry, "\"docker@%s\"", dg(1));
	(void)snprintf(file, sizeof file, "docker.io/library/docker@%s", dg(1));
	fake_image(&fake, file, 1, 2, 3, 100, 2);
	settings_are(entry, "", "");
	assert_int_equal(decide("docker:cli", image(3, "docker:cli", NULL, 100, 2)), TRUST_ALLOWED);
	/* the image's id is the digest: nothing is to be asked */
	assert_int_equal(decide("whatever", image(1, NULL, NULL, 100, 2)), TRUST_ALLOWED);
	other = image(5, NULL, NULL, 100, 2);
	(void)json_object_set_new(other, "Descriptor", json_pack("{ss}", "digest", dg(1)));
	assert_int_equal(decide("whatever", other), TRUST_ALLOWED);
	assert_int_equal(fake_asked(&fake, ""), 1);
	assert_int_equal(decide("docker:cli", image(4, "docker:cli", NULL, 100, 2)), TRUST_NOT_LISTED);
}

/* Without any tag it is held against the tags of the repository that it claims; with another tag it is not. */
static void an_image_that_no_tag_leads_to(void **state)
{
	char named[128];

	(void)state;
	(void)snprintf(named, sizeof named, "docker@%s", dg(1));
	settings_are("\"docker:cli\"", "", "");
	assert_int_equal(decide(named, image(3, NULL, named, 100, 2)), TRUST_ALLOWED);
	assert_int_equal(decide(named, image(4, NULL, named, 100, 2)), TRUST_NOT_LISTED);
	assert_int_equal(decide(named, image(3, "docker:dind", named, 100, 2)), TRUST_NOT_LISTED);
}

static void every_image(void **state)
{
	(void)state;
	settings_are("\"*\"", "", "");
	assert_int_equal(decide("local-only", image(77, "local-only", NULL, 100, 2)), TRUST_ALLOWED);
	assert_int_equal(decide(NULL, image(77, NULL, NULL, 0, 0)), TRUST_ALLOWED);
	assert_int_equal(fake_asked(&fake, ""), 0);
	assert_int_equal(engine_calls, 0);
}

static void ids_labels_and_times(void **state)
{
	char ours[512];
	json_t *labelled = image(50, NULL, NULL, 100, 2);

	(void)state;
	(void)json_object_set_new(labelled, "Config", json_pack("{s{ss}}", "Labels", "ci", "yes"));
	(void)snprintf(ours, sizeof ours, "\"images\": [{\"id\": \"%s\"}]", dg(40));
	settings_are("", "", ours);
	assert_int_equal(decide("local", image(40, "local", NULL, 100, 2)), TRUST_ALLOWED);
	assert_int_equal(decide("local", image(41, "local", NULL, 100, 2)), TRUST_NOT_LISTED);
	/* ended, and not */
	(void)snprintf(
		ours, sizeof ours,
		"\"images\": [{\"id\": \"%s\", \"until\": \"2001-02-03T04:05:06Z\"}, {\"image\": \"docker:cli\", "
		"\"until\": \"2001-02-03T04:05:06Z\"}, {\"id\": \"%s\", \"until\": \"2099-01-01T00:00:00Z\"}]",
		dg(40), dg(42));
	settings_are("", "", ours);
	assert_int_equal(decide("local", image(40, "local", NULL, 100, 2)), TRUST_EXPIRED);
	says(M5_CORE("docker.io/library/local"));
	says(" any more: it was until 2001-02-03T04:05:06Z (caisson.dockerSocket.images[0].until). An administrator "
	     "may set a later time.");
	assert_int_equal(decide("docker:cli", image(3, "docker:cli", NULL, 100, 2)), TRUST_EXPIRED);
	assert_int_equal(fake_asked(&fake, ""), 0);
	assert_int_equal(decide("local", image(42, "local", NULL, 100, 2)), TRUST_ALLOWED);
	/* a label counts when one of the builders made it here */
	settings_are("", "", "\"images\": [{\"label\": \"ci=yes\", \"builders\": [1000]}]");
	assert_int_equal(decide("x", labelled), TRUST_ALLOWED);
	settings_are("", "", "\"images\": [{\"label\": \"ci=yes\", \"builders\": [1001]}]");
	assert_int_equal(decide("x", labelled), TRUST_NOT_LISTED);
	settings_are("", "", "\"images\": [{\"label\": \"ci=yes\"}]");
	assert_int_equal(decide("x", labelled), TRUST_NOT_LISTED);
	settings_are("", "", "\"images\": [{\"label\": \"ci=no\", \"builders\": [1000]}]");
	assert_int_equal(decide("x", labelled), TRUST_NOT_LISTED);
}

static void the_first_entry_that_allows(void **state)
{
	(void)state;
	settings_are("\"*\"", "", "\"images\": [{\"image\": \"docker:cli\", \"readOnly\": true}]");
	assert_int_equal(decide("docker:cli", image(3, "docker:cli", NULL, 100, 2)), TRUST_ALLOWED);
	assert_true(got.entry->read_only);
	assert_int_equal(decide("docker:cli", image(4, "docker:cli", NULL, 100, 2)), TRUST_ALLOWED);
	assert_false(got.entry->read_only);
}

static void the_tag_moved(void **state)
{
	json_t *old = image(3, "docker:cli", NULL, 100, 2);

	(void)state;
	settings_are("\"docker:cli\"", "", "\"digestMaxAge\": 1");
	assert_int_equal(decide("docker:cli", old), TRUST_ALLOWED);
	fake_image(&fake, CLI, 5, 6, 7, 100, 2);
	(void)usleep(1100000);
	assert_int_equal(decide("docker:cli", old), TRUST_MOVED);
	assert_string_equal(got.setting, "enhancedContainerIsolation.dockerSocketMount.imageList.images[0]");
	assert_int_equal(decide("docker:cli", image(7, "docker:cli", NULL, 100, 2)), TRUST_ALLOWED);
}

static void the_registry_does_not_answer(void **state)
{
	json_t *cli = image(3, "docker:cli", NULL, 100, 2);

	(void)state;
	settings_are("\"docker:cli\"", "", "");
	fake_down(&fake, FAKE_DOWN);
	assert_int_equal(decide("docker:cli", cli), TRUST_UNREACHABLE);
	says(M5_CORE("docker.io/library/docker"));
	says("docker.io did not say what " CLI " is (docker.io: connection refused)");
	says("caisson.dockerSocket.offline to \"lastKnown\"");
	/* others are as before */
	assert_int_equal(decide("x", image(9, "x", NULL, 100, 2)), TRUST_NOT_LISTED);
	settings_are("\"docker:cli\"", "", "\"offline\": \"lastKnown\"");
	assert_int_equal(decide("docker:cli", cli), TRUST_UNREACHABLE);
	says("nothing of the last 7 days is known");
	/* known, and kept over a restart */
	fake_down(&fake, NULL);
	start();
	assert_int_equal(decide("docker:cli", cli), TRUST_ALLOWED);
	fake_down(&fake, FAKE_DOWN);
	start();
	assert_int_equal(decide("docker:cli", cli), TRUST_ALLOWED);
	assert_int_equal(decide("docker:cli", image(4, "docker:cli", NULL, 100, 2)), TRUST_MOVED);
}

static void no_more_questions_than_needed(void **state)
{
	json_t *many = image(9, NULL, NULL, 100, 2);
	char tag[32];

	(void)state;
	for (int i = 0; i < 60; i++) {
		(void)snprintf(tag, sizeof tag, "r.io/a:%d", i);
		(void)json_array_append_new(json_object_get(many, "RepoTags"), json_string(tag));
	}
	settings_are("\"r.io/a:*\"", "", "");
	assert_int_equal(decide("r.io/a:0", many), TRUST_NOT_LISTED);
	assert_int_equal(fake_asked(&fake, ""), 16);
}

static void passwords_are_their_users(void **state)
{
	json_t *cli = image(3, "r.io/a:1", NULL, 100, 2);

	(void)state;
	settings_are("\"r.io/a:1\"", "", "");
	trust_credentials(trust, 1000, "r.io", "eyJ1c2VybmFtZSI6ImJvYiJ9");
	assert_int_equal(decide_for(1001, "r.io/a:1", cli), TRUST_NOT_LISTED);
	assert_int_equal(fake_asked(&fake, "bob"), 0);
	assert_int_equal(decide_for(1000, "r.io/a:1", cli), TRUST_NOT_LISTED);
	assert_int_equal(fake_asked(&fake, "bob"), 1);
	/* nor are they another registry's */
	settings_are("\"q.io/a:1\"", "", "");
	assert_int_equal(decide_for(1000, "q.io/a:1", image(3, "q.io/a:1", NULL, 100, 2)), TRUST_NOT_LISTED);
	assert_int_equal(fake_asked(&fake, "bob"), 1);
	/* one user puts out nobody's but his own */
	for (int i = 0; i < 400; i++) {
		char registry[32];

		(void)snprintf(registry, sizeof registry, "r%d.io", i);
		trust_credentials(trust, 1002, registry, "e30=");
	}
	settings_are("\"r.io/a:2\"", "", "");
	assert_int_equal(decide_for(1000, "r.io/a:2", image(3, "r.io/a:2", NULL, 100, 2)), TRUST_NOT_LISTED);
	assert_int_equal(fake_asked(&fake, "bob"), 2);
}

static void wait_for_questions(int n)
{
	for (int i = 0; i < 500 && fake_asked(&fake, "") < n; i++)
		(void)usleep(10000);
	assert_int_equal(fake_asked(&fake, ""), n);
}

/* Until the answers to questions that were asked are known. */
static void settle(void)
{
	(void)usleep(100000u * test_slow());
}

static void asked_ahead_of_time(void **state)
{
	json_t *cli = image(3, "docker:cli", NULL, 100, 2);

	(void)state;
	settings_are("\"docker:cli\", \"docker:*\", \"testcontainers/*:*\", \"r.io/a\", \"*\"", "", "");
	trust_warm(trust, &set);
	wait_for_questions(2);
	assert_int_equal(fake_asked(&fake, "\"latest\""), 1);
	settle();
	settings_are("\"docker:cli\"", "", "");
	assert_int_equal(decide("docker:cli", cli), TRUST_ALLOWED);
	trust_warm(trust, &set);
	settle();
	assert_int_equal(fake_asked(&fake, ""), 2);
}

static void *decide_often(void *arg)
{
	const struct trust_image im = { .asked = "docker:cli", .id = dg(3), .inspect = here[0].inspect };
	struct trust_answer a;
	int *bad = arg;

	for (int i = 0; i < 200; i++) {
		trust_decide(trust, &set, &engine, &im, 0, &a);
		*bad += a.why != TRUST_ALLOWED;
	}
	return NULL;
}

static void many_at_once(void **state)
{
	pthread_t threads[8];
	int bad[8] = { 0 };

	(void)state;
	(void)image(3, "docker:cli", NULL, 100, 2);
	settings_are("\"docker:cli\"", ", \"allowDerivedImages\": true", "");
	for (int i = 0; i < 8; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, decide_often, &bad[i]), 0);
	for (int i = 0; i < 8; i++) {
		(void)pthread_join(threads[i], NULL);
		assert_int_equal(bad[i], 0);
	}
	assert_int_equal(fake_asked(&fake, ""), 1);
}

/* ---- derived images ---- */

#define DERIVED ", \"allowDerivedImages\": true"

/* From what the registry is known to have, whether the parent is here or not. */
static void made_from_what_a_registry_has(void **state)
{
	json_t *child = image(60, "mine", NULL, 100, 2), *settled = image(61, "mine:2", NULL, 100, 2);

	(void)state;
	add_layer(child, 900);
	add_step(settled, "ENV a=b"); /* no layer of its own */
	settings_are("\"docker:cli\"", DERIVED, "");
	trust_warm(trust, &set);
	wait_for_questions(1);
	settle();
	assert_int_equal(decide("mine", child), TRUST_ALLOWED);
	assert_true(got.derived);
	assert_string_equal(got.digest, dg(3));
	assert_int_equal(decide("mine:2", settled), TRUST_ALLOWED);
	/* warm: nobody is asked anything */
	engine_calls = 0;
	assert_int_equal(decide("mine", child), TRUST_ALLOWED);
	assert_int_equal(engine_calls, 0);
	assert_int_equal(fake_asked(&fake, ""), 1);
	/* under a name that is listed itself */
	child = image(62, "docker:cli", NULL, 100, 2);
	add_layer(child, 900);
	assert_int_equal(decide("docker:cli", child), TRUST_ALLOWED);
	assert_true(got.derived);
}

/* From what is here under a listed name, and is what the registry has under it. */
static void made_from_an_image_that_is_here(void **state)
{
	json_t *parent = image(3, "docker:cli", NULL, 100, 2), *child = image(60, "mine", NULL, 100, 2);

	(void)state;
	(void)parent;
	add_layer(child, 900);
	settings_are("\"docker:*\"", DERIVED, "");
	assert_int_equal(decide("mine", child), TRUST_ALLOWED);
	assert_true(got.derived);
	assert_string_equal(got.digest, dg(3));
	engine_calls = 0;
	assert_int_equal(decide("mine", child), TRUST_ALLOWED);
	assert_int_equal(engine_calls, 0);
	assert_int_equal(fake_asked(&fake, ""), 1);
	/* by the id of the parent */
	{
		char ours[160];

		(void)snprintf(ours, sizeof ours, "\"images\": [{\"id\": \"%s\", \"allowDerivedImages\": true}]",
			       dg(3));
		settings_are("", "", ours);
		assert_int_equal(decide("mine", child), TRUST_ALLOWED);
		start();
		assert_int_equal(decide("mine", child), TRUST_ALLOWED);
	}
}

/* Nothing that only looks like it. Each is refused with both kinds of entries. */
static void not_made_from_it(void **state)
{
	static const char *const entries[] = { "\"docker:cli\"", "\"docker:*\"" };
	json_t *layers, *rows[7];

	(void)state;
	(void)image(3, "docker:cli", NULL, 100, 2);
	rows[0] = image(70, "reordered", NULL, 100, 2);
	layers = json_object_get(json_object_get(rows[0], "RootFS"), "Layers");
	(void)json_array_set_new(layers, 0, json_string(dg(101)));
	(void)json_array_set_new(layers, 1, json_string(dg(100)));
	add_layer(rows[0], 900);
	rows[1] = image(71, "truncated", NULL, 100, 1);
	rows[2] = image(72, "empty", NULL, 0, 0);
	rows[3] = image(73, "shifted", NULL, 99, 3); /* the parent's layers, but not at the bottom */
	rows[4] = image(74, "other-history", NULL, 100, 2);
	(void)json_object_set_new(json_array_get(history_of(rows[4]), 0), "CreatedBy", json_string("RUN 666"));
	add_layer(rows[4], 900);
	rows[5] = image(75, "other-date", NULL, 100, 2);
	(void)json_object_set_new(json_array_get(history_of(rows[5]), 0), "Created", json_integer(1));
	add_layer(rows[5], 900);
	/* its settings changed without a trace */
	rows[6] = image(76, "same", NULL, 100, 2);
	for (size_t k = 0; k < ARRAY_SIZE(entries); k++) {
		settings_are(entries[k], DERIVED, "");
		trust_warm(trust, &set);
		wait_for_questions(1);
		settle();
		for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
			const char *name =
				json_string_value(json_array_get(json_object_get(rows[i], "RepoTags"), 0));

			if (decide(name, rows[i]) != TRUST_NOT_LISTED)
				fail_msg("%s: %s: %d %s", entries[k], name, got.why, got.message);
		}
	}
}

/* The parent is a common base with other settings: its layers are those of everything made from the base. */
static void a_parent_of_settings_only(void **state)
{
	json_t *child = image(60, "mine", NULL, 200, 2), *good = image(61, "good", NULL, 200, 2);

	(void)state;
	fake_put(&fake, CLI, NULL);
	{
		_cleanup_free_ char *text = fake_found(1, 2, 3, 200, 2), *more = NULL;
		json_t *tree = json_loads(text, 0, NULL),
		       *history = json_object_get(json_array_get(json_object_get(tree, "images"), 0), "history");

		(void)json_array_append_new(history, json_string("2024-01-02T04:33:20Z|ENV listed=1|"));
		more = json_dumps(tree, 0);
		fake_put(&fake, CLI, more);
		json_decref(tree);
	}
	settings_are("\"docker:cli\"", DERIVED, "");
	trust_warm(trust, &set);
	wait_for_questions(1);
	settle();
	add_layer(child, 900);
	add_step(good, "ENV listed=1");
	add_layer(good, 900);
	assert_int_equal(decide("mine", child), TRUST_NOT_LISTED);
	assert_int_equal(decide("good", good), TRUST_ALLOWED);
}

/* No history, or no layers, tell nothing; times that are not there are filled in by builders. */
static void parents_with_little_history(void **state)
{
	static const struct {
		const char *history;
		bool no_layers;
		enum trust_why why;
	} rows[] = {
		{ "[]", false, TRUST_NOT_LISTED },
		{ "[\"2024-01-02T03:04:00Z|RUN 100|c\"]", true, TRUST_NOT_LISTED },
		{ "[\"|RUN 100|c\", \"0001-01-01T00:00:00Z|RUN 101|c\"]", false, TRUST_ALLOWED },
		{ "[\"2024-01-02T05:04:00+02:00|RUN 100|c\", \"2024-01-02T03:04:01.999Z|RUN 101|c\"]", false,
		  TRUST_ALLOWED },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_free_ char *text = fake_found(1, 2, 3, 100, 2), *other = NULL;
		json_t *tree = json_loads(text, 0, NULL), *child = image(60, "mine", NULL, 100, 2),
		       *parent = json_array_get(json_object_get(tree, "images"), 0);

		add_layer(child, 900);
		(void)json_object_set_new(parent, "history", json_loads(rows[i].history, 0, NULL));
		if (rows[i].no_layers)
			(void)json_array_clear(json_object_get(parent, "layers"));
		other = json_dumps(tree, 0);
		json_decref(tree);
		fake_put(&fake, CLI, other);
		/* another cache each time */
		test_dir_drop(fake.state);
		assert_int_equal(mkdir(fake.state, 0700), 0);
		start();
		settings_are("\"docker:cli\"", DERIVED, "");
		trust_warm(trust, &set);
		wait_for_questions((int)i + 1);
		settle();
		assert_int_equal(decide("mine", child), rows[i].why);
		n_here--;
		json_decref(here[n_here].inspect);
		json_decref(here[n_here].history);
	}
}

/* A parent that is called like one that is listed. */
static void a_parent_that_is_not_the_registrys(void **state)
{
	json_t *child = image(60, "mine", NULL, 600, 2);

	(void)state;
	(void)image(666, "docker:cli", NULL, 600, 2);
	add_layer(child, 900);
	settings_are("\"docker:cli\", \"docker:*\"", DERIVED, "");
	assert_int_equal(decide("mine", child), TRUST_MOVED);
	says(M5_CORE("docker.io/library/mine"));
	says(": it is made from an image that is not what the registry has as " CLI " now");
	says("docker pull " CLI);
}

static void the_nearest_parent_is_named(void **state)
{
	static const char alternatively[] =
		M5("docker.io/library/mine") " Alternatively add its parent image (" CLI
					     ") to the Docker socket image "
					     "list in admin-settings and set allowDerivedImages to true.";
	json_t *child = image(60, "mine", NULL, 100, 2);

	(void)state;
	(void)image(50, "base", NULL, 100, 1);
	(void)image(3, "docker:cli", NULL, 100, 2);
	(void)image(51, "stranger", NULL, 500, 2);
	add_layer(child, 900);
	/* listed without the flag; not listed */
	settings_are("\"docker:cli\"", "", "");
	assert_int_equal(decide("mine", child), TRUST_NOT_LISTED);
	assert_string_equal(got.message, alternatively);
	settings_are("\"other\"", DERIVED, "");
	assert_int_equal(decide("mine", child), TRUST_NOT_LISTED);
	assert_string_equal(got.message, alternatively);
	/* the flag of one entry is not another's, also where it is known what the registry has */
	settings_are("\"other\"", "",
		     "\"images\": [{\"image\": \"docker:cli\", \"allowDerivedImages\": false}, {\"image\": "
		     "\"docker:dind\", \"allowDerivedImages\": true}]");
	trust_warm(trust, &set);
	for (int i = 0; i < 500 && fake_asked(&fake, "\"cli\"") == 0; i++)
		(void)usleep(10000);
	(void)usleep(200000);
	assert_int_equal(decide("mine", child), TRUST_NOT_LISTED);
	/* the engine is only asked for the sake of a message: it may be away */
	engine_down = true;
	start();
	settings_are("\"docker:cli\"", "", "");
	assert_int_equal(decide("mine", child), TRUST_NOT_LISTED);
	assert_string_equal(got.message, M5("docker.io/library/mine"));
	settings_are("\"docker:cli\"", DERIVED, "");
	assert_int_equal(decide("mine", child), TRUST_ERROR);
	says("the engine does not answer");
}

/* That a parent is nobody's is nothing that this image could be blamed for. */
static void a_parent_that_no_registry_has(void **state)
{
	json_t *child = image(60, "mine", NULL, 600, 2);

	(void)state;
	(void)image(80, "docker:gone", NULL, 600, 2);
	add_layer(child, 900);
	settings_are("\"docker:*\"", DERIVED, "");
	assert_int_equal(decide("mine", child), TRUST_NOT_LISTED);
	assert_int_equal(fake_asked(&fake, "\"gone\""), 1);
	assert_string_equal(got.message,
			    M5("docker.io/library/mine") " Alternatively add its parent image (docker.io/library/"
							 "docker:gone) to the Docker socket image list in "
							 "admin-settings and set allowDerivedImages to true.");
}

static void names_of_parents_change(void **state)
{
	json_t *parent = image(3, "old-name:1", NULL, 100, 2), *child = image(60, "mine", NULL, 100, 2);

	(void)state;
	add_layer(child, 900);
	settings_are("\"docker:*\"", DERIVED, "");
	assert_int_equal(decide("mine", child), TRUST_NOT_LISTED);
	says("(docker.io/library/old-name:1)");
	(void)json_array_append_new(json_object_get(parent, "RepoTags"), json_string("docker:cli"));
	assert_int_equal(decide("mine", child), TRUST_ALLOWED);
}

static void the_parents_registry_does_not_answer(void **state)
{
	json_t *child = image(60, "mine", NULL, 100, 2);

	(void)state;
	add_layer(child, 900);
	settings_are("\"docker:cli\"", DERIVED, "\"digestMaxAge\": 1");
	trust_warm(trust, &set);
	wait_for_questions(1);
	settle();
	assert_int_equal(decide("mine", child), TRUST_ALLOWED);
	(void)usleep(1100000);
	fake_down(&fake, FAKE_DOWN);
	assert_int_equal(decide("mine", child), TRUST_UNREACHABLE);
	fake_down(&fake, NULL);
	/* it moved on */
	fake_image(&fake, CLI, 5, 6, 7, 300, 2);
	start();
	assert_int_equal(decide("mine", child), TRUST_MOVED);
	says("docker pull " CLI);
}

static double ms_since(const struct timespec *t)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - t->tv_sec) * 1e3 + (double)(now.tv_nsec - t->tv_nsec) / 1e6;
}

/* 100 layers, 500 entries, which have 99 layers and all but the last step of history in common with it. */
static void how_long_it_takes(void **state)
{
	_cleanup_free_ char *list = NULL, *text = fake_found(1, 2, 3, 1000, 99), *other = NULL;
	json_t *child = image(60, "mine", NULL, 1000, 100), *cli, *tree = json_loads(text, 0, NULL);
	double least[2] = { 1e9, 1e9 };
	char name[64];
	size_t len;
	FILE *f = open_memstream(&list, &len);

	(void)state;
	(void)json_array_set_new(json_object_get(json_array_get(json_object_get(tree, "images"), 0), "history"),
				 98, json_string("2024-01-02T03:04:05Z|RUN another|"));
	other = json_dumps(tree, 0);
	json_decref(tree);
	for (unsigned i = 0; i < 500; i++) {
		(void)fprintf(f, "%s\"r.io/a:%u\"", i ? ", " : "", i);
		(void)snprintf(name, sizeof name, "r.io/a:%u", i);
		fake_put(&fake, name, i < 499 ? other : text);
	}
	(void)fclose(f);
	settings_are(list, DERIVED, "\"digestMaxAge\": 3600");
	trust_warm(trust, &set);
	for (int i = 0; i < 6000 && fake_asked(&fake, "") < 500; i++)
		(void)usleep(10000);
	(void)usleep(200000);
	for (int i = 0; i < 20; i++) {
		struct timespec t;

		(void)clock_gettime(CLOCK_MONOTONIC, &t);
		assert_int_equal(decide("mine", child), TRUST_ALLOWED);
		assert_string_equal(got.entry->text, "r.io/a:499");
		least[0] = ms_since(&t) < least[0] ? ms_since(&t) : least[0];
	}
	assert_int_equal(engine_calls, 1);
	settings_are("\"docker:cli\"", "", "");
	cli = image(3, "docker:cli", NULL, 100, 2);
	for (int i = 0; i < 20; i++) {
		struct timespec t;

		(void)clock_gettime(CLOCK_MONOTONIC, &t);
		assert_int_equal(decide("docker:cli", cli), TRUST_ALLOWED);
		least[1] = ms_since(&t) < least[1] ? ms_since(&t) : least[1];
	}
	print_message("derived, 100 layers, 500 entries, warm: %.2f ms; one entry, warm: %.3f ms\n", least[0],
		      least[1]);
	assert_true(least[0] < 200);
}

#define FAKE_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		FAKE_TEST(an_empty_list),
		FAKE_TEST(one_tag),
		FAKE_TEST(what_is_not_listed),
		FAKE_TEST(names_prove_nothing),
		FAKE_TEST(any_tag_and_patterns),
		FAKE_TEST(one_digest),
		FAKE_TEST(an_image_that_no_tag_leads_to),
		FAKE_TEST(every_image),
		FAKE_TEST(ids_labels_and_times),
		FAKE_TEST(the_first_entry_that_allows),
		FAKE_TEST(the_tag_moved),
		FAKE_TEST(the_registry_does_not_answer),
		FAKE_TEST(no_more_questions_than_needed),
		FAKE_TEST(passwords_are_their_users),
		FAKE_TEST(asked_ahead_of_time),
		FAKE_TEST(many_at_once),
		FAKE_TEST(made_from_what_a_registry_has),
		FAKE_TEST(made_from_an_image_that_is_here),
		FAKE_TEST(not_made_from_it),
		FAKE_TEST(a_parent_of_settings_only),
		FAKE_TEST(parents_with_little_history),
		FAKE_TEST(a_parent_that_is_not_the_registrys),
		FAKE_TEST(the_nearest_parent_is_named),
		FAKE_TEST(a_parent_that_no_registry_has),
		FAKE_TEST(names_of_parents_change),
		FAKE_TEST(the_parents_registry_does_not_answer),
		FAKE_TEST(how_long_it_takes),
	};

	fake_helper(argc, argv);
	if (geteuid() != 0) {
		(void)fprintf(stderr, "skipped: needs root\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
