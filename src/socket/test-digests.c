/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include <pthread.h>
#include <sys/wait.h>

#include "codec/sha256.h"
#include "socket/digest-set.h"
#include "socket/digests.h"
#include "socket/registry-ask.h"
#include "socket/test-registry.h"

#define CLI "docker.io/library/docker:cli"

/* Its configuration is not among the digests. */
#define IMAGE_OF_NOTHING \
	"{\"config\": \"x\", \"os\": \"\", \"architecture\": \"\", \"variant\": \"\", \"layers\": [], \"history\": []}"

static struct fake fake;

static const struct settings_socket usual = { .digest_max_age = 120 };

static struct image_ref ref_of(const char *name)
{
	struct image_ref ref;

	assert_null(image_ref_parse(name, &ref));
	return ref;
}

static char said[4096];

static void say(void *ctx, const char *message)
{
	(void)ctx;
	(void)snprintf(said, sizeof said, "%s", message);
}

static struct digests *start(void)
{
	const struct digests_config config = { .dir = fake.state, .helper = fake.helper, .say = say };
	struct digests *d = NULL;
	struct err e = { 0 };

	if (digests_new(&config, &d, &e) < 0)
		fail_msg("%s", e.msg);
	return d;
}

static enum digests_result get(struct digests *d, const struct settings_socket *s, const char *name,
			       const char *auth, const char *digest, struct err *e)
{
	struct image_ref ref = ref_of(name);
	struct digest_set *set = NULL;
	enum digests_result r;

	memset(e, 0, sizeof *e);
	r = digests_get(d, s, &ref, auth, registry_now_ms() + 15000, &set, e);
	assert_int_equal(r == DIGESTS_FOUND, set != NULL);
	if (set && digest)
		assert_true(digest_set_has(set, digest));
	digest_set_unref(set);
	return r;
}

static void file_of(const char *name, char ret[static 128])
{
	char hash[SHA256_HEX];

	sha256_hex(name, strlen(name), hash);
	(void)snprintf(ret, 128, "state/%s", hash);
}

/* As if the file had been written @age seconds ago. */
static void grow_old(const char *name, int age)
{
	_cleanup_free_ char *text = NULL, *aged = NULL;
	char file[128];
	json_t *tree;

	file_of(name, file);
	assert_int_equal(io_read_at(fake.fd, file, 1u << 20, &text, NULL), 0);
	tree = json_loads(text, 0, NULL);
	assert_non_null(tree);
	(void)json_object_set_new(tree, "fetched", json_integer(time(NULL) - age));
	aged = json_dumps(tree, 0);
	json_decref(tree);
	assert_int_equal(test_put(fake.fd, file, aged), 0);
}

static int setup(void **state)
{
	(void)state;
	said[0] = '\0';
	return fake_open(&fake);
}

static int teardown(void **state)
{
	(void)state;
	fake_close(&fake);
	return 0;
}

static void what_was_asked_is_remembered(void **state)
{
	struct digests *d = start();
	struct err e;

	(void)state;
	fake_image(&fake, CLI, 1, 2, 3, 10, 2);
	for (int i = 0; i < 3; i++)
		assert_int_equal(get(d, &usual, CLI, NULL, dg(3), &e), DIGESTS_FOUND);
	assert_int_equal(get(d, &usual, "docker:cli", NULL, dg(1), &e), DIGESTS_FOUND);
	assert_int_equal(fake_asked(&fake, "\"cli\""), 1);
	digests_free(d);
	/* also by the next process */
	d = start();
	assert_int_equal(get(d, &usual, CLI, NULL, dg(2), &e), DIGESTS_FOUND);
	assert_int_equal(fake_asked(&fake, ""), 1);
	digests_free(d);
	/* but not without an end */
	grow_old(CLI, 121);
	d = start();
	assert_int_equal(get(d, &usual, CLI, NULL, dg(2), &e), DIGESTS_FOUND);
	assert_int_equal(fake_asked(&fake, ""), 2);
	digests_free(d);
}

static int known_sent(unsigned digest)
{
	char text[128];

	(void)snprintf(text, sizeof text, "\"known\":\"%s\"", dg(digest));
	return fake_asked(&fake, text);
}

/* The first one of the answer, 5, is neither the first nor the last one of the sorted set. */
static void what_still_is_the_same_is_not_fetched(void **state)
{
	struct digests *d = start();
	struct err e;

	(void)state;
	fake_image(&fake, CLI, 5, 2, 7, 10, 1);
	assert_int_equal(get(d, &usual, CLI, NULL, dg(7), &e), DIGESTS_FOUND);
	digests_free(d);
	assert_int_equal(fake_asked(&fake, "known"), 0);
	/* who would fetch it got something else */
	fake_image_same(&fake, CLI, 5, 9, 3, 4);
	grow_old(CLI, 121);
	d = start();
	assert_int_equal(get(d, &usual, CLI, NULL, dg(7), &e), DIGESTS_FOUND);
	assert_int_equal(known_sent(5), 1);
	/* fresh from then on, also for the next process */
	assert_int_equal(get(d, &usual, CLI, NULL, dg(7), &e), DIGESTS_FOUND);
	digests_free(d);
	d = start();
	assert_int_equal(get(d, &usual, CLI, NULL, dg(7), &e), DIGESTS_FOUND);
	assert_int_equal(fake_asked(&fake, ""), 2);
	digests_free(d);
	/* the tag moves */
	fake_image_same(&fake, CLI, 9, 9, 3, 4);
	grow_old(CLI, 121);
	d = start();
	assert_int_equal(get(d, &usual, CLI, NULL, dg(4), &e), DIGESTS_FOUND);
	assert_int_equal(known_sent(5), 2);
	digests_free(d);
	grow_old(CLI, 121);
	d = start();
	assert_int_equal(get(d, &usual, CLI, NULL, dg(4), &e), DIGESTS_FOUND);
	assert_int_equal(known_sent(9), 1);
	digests_free(d);
}

static void in_the_background_as_well(void **state)
{
	const struct settings_socket s = { .digest_max_age = 120, .stale_max_age = 600 };
	const struct image_ref ref = ref_of(CLI);
	struct digests *d = start();
	struct digest_set *set;
	bool fresh = false;
	struct err e;

	(void)state;
	fake_image_same(&fake, CLI, 5, 5, 2, 7);
	assert_int_equal(get(d, &s, CLI, NULL, NULL, &e), DIGESTS_FOUND);
	digests_free(d);
	for (int way = 1; way <= 2; way++) {
		grow_old(CLI, 300);
		fake_image_same(&fake, CLI, 5, 9, 3, 4);
		d = start();
		if (way == 1)
			assert_int_equal(get(d, &s, CLI, NULL, dg(7), &e), DIGESTS_FOUND);
		else
			digests_refresh(d, &s, &ref);
		for (int i = 0; i < 500 && !fresh; i++) {
			set = digests_peek(d, &usual, &ref, &fresh);
			assert_true(digest_set_has(set, dg(7)));
			digest_set_unref(set);
			(void)usleep(10000);
		}
		assert_true(fresh);
		fresh = false;
		assert_int_equal(known_sent(5), way);
		digests_free(d);
	}
}

static void the_same_as_nothing(void **state)
{
	const struct settings_socket s = { .digest_max_age = 0 };
	struct digests *d = start();
	struct err e;

	(void)state;
	fake_put(&fake, CLI, FAKE_SAME);
	assert_int_equal(get(d, &s, CLI, NULL, NULL, &e), DIGESTS_UNREACHABLE);
	assert_non_null(strstr(e.msg, "docker.io: the answer cannot be used"));
	/* of a set without digests nothing is known that could be the same */
	fake_put(&fake, "r.io/a:1", "{\"status\": \"found\", \"digests\": [], \"images\": []}");
	assert_int_equal(get(d, &s, "r.io/a:1", NULL, NULL, &e), DIGESTS_FOUND);
	(void)usleep(5000);
	fake_put(&fake, "r.io/a:1", FAKE_SAME);
	assert_int_equal(get(d, &s, "r.io/a:1", NULL, NULL, &e), DIGESTS_UNREACHABLE);
	assert_int_equal(fake_asked(&fake, "known"), 0);
	/* and nothing else may be said besides */
	fake_image(&fake, "r.io/a:2", 1, 2, 3, 10, 1);
	assert_int_equal(get(d, &s, "r.io/a:2", NULL, NULL, &e), DIGESTS_FOUND);
	(void)usleep(5000);
	fake_put(&fake, "r.io/a:2", "{\"status\": \"same\", \"digests\": []}");
	assert_int_equal(get(d, &s, "r.io/a:2", NULL, NULL, &e), DIGESTS_UNREACHABLE);
	assert_int_equal(known_sent(1), 1);
	digests_free(d);
}

static void ages_of_nothing_ask_each_time(void **state)
{
	const struct settings_socket s = { .digest_max_age = 0 };
	struct digests *d = start();
	struct err e;

	(void)state;
	fake_image(&fake, CLI, 1, 2, 3, 10, 2);
	assert_int_equal(get(d, &s, CLI, NULL, dg(3), &e), DIGESTS_FOUND);
	(void)usleep(5000);
	fake_image(&fake, CLI, 1, 2, 4, 10, 2);
	assert_int_equal(get(d, &s, CLI, NULL, dg(4), &e), DIGESTS_FOUND);
	assert_int_equal(fake_asked(&fake, ""), 2);
	digests_free(d);
}

static void digests_have_no_age(void **state)
{
	char name[128];
	struct digests *d = start();
	struct err e;

	(void)state;
	(void)snprintf(name, sizeof name, "docker.io/library/docker@%s", dg(1));
	fake_image(&fake, name, 1, 2, 3, 10, 2);
	assert_int_equal(get(d, &usual, name, NULL, dg(3), &e), DIGESTS_FOUND);
	digests_free(d);
	grow_old(name, 400 * 24 * 3600);
	d = start();
	assert_int_equal(get(d, &usual, name, NULL, dg(3), &e), DIGESTS_FOUND);
	assert_int_equal(fake_asked(&fake, ""), 1);
	/* an answer about another one */
	(void)snprintf(name, sizeof name, "docker.io/library/docker@%s", dg(5));
	fake_image(&fake, name, 1, 2, 3, 10, 2);
	assert_int_equal(get(d, &usual, name, NULL, NULL, &e), DIGESTS_UNREACHABLE);
	assert_non_null(strstr(e.msg, "cannot be used"));
	digests_free(d);
}

static void files_that_are_not_believed(void **state)
{
	static const char *const texts[] = { "", "{", "[]", "{\"name\": \"x\"}" };
	char file[128], other[128];
	struct digests *d = start();
	int asked = 1;
	struct err e;

	(void)state;
	fake_image(&fake, CLI, 1, 2, 3, 10, 2);
	fake_image(&fake, "docker.io/library/docker:dind", 1, 2, 3, 10, 2);
	assert_int_equal(get(d, &usual, CLI, NULL, NULL, &e), DIGESTS_FOUND);
	digests_free(d);
	file_of(CLI, file);
	file_of("docker.io/library/docker:dind", other);
	for (int i = 0; i < 9; i++) {
		if (i < 4)
			assert_int_equal(test_put(fake.fd, file, texts[i]), 0);
		else if (i == 4)
			grow_old(CLI, -30);
		else if (i == 5)
			assert_int_equal(fchmodat(fake.fd, file, 0644, 0), 0);
		else if (i == 6)
			assert_int_equal(fchownat(fake.fd, file, 65534, 65534, 0), 0);
		else if (i == 7)
			assert_int_equal(linkat(fake.fd, file, fake.fd, "second", 0), 0);
		else
			/* about another name */
			assert_int_equal(renameat(fake.fd, file, fake.fd, other), 0);
		d = start();
		assert_int_equal(get(d, &usual, i == 8 ? "docker:dind" : CLI, NULL, NULL, &e), DIGESTS_FOUND);
		if (fake_asked(&fake, "") != ++asked)
			fail_msg("case %d was believed", i);
		digests_free(d);
	}
}

static void a_directory_that_others_can_change(void **state)
{
	const struct digests_config config = { .dir = fake.state, .helper = fake.helper };
	struct digests *d = NULL;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(chmod(fake.state, 0777), 0);
	assert_int_equal(digests_new(&config, &d, &e), -EPERM);
	assert_null(d);
}

static void outages_never_make_more_allowed(void **state)
{
	struct settings_socket last = usual;
	struct digests *d = start();
	struct err e;

	(void)state;
	last.offline = SOCKET_OFFLINE_LAST_KNOWN;
	/* nothing was known */
	fake_down(&fake, FAKE_DOWN);
	assert_int_equal(get(d, &last, CLI, NULL, NULL, &e), DIGESTS_UNREACHABLE);
	assert_string_equal(e.msg, "docker.io: connection refused");
	digests_free(d);

	fake_down(&fake, NULL);
	fake_image(&fake, CLI, 1, 2, 3, 10, 2);
	d = start();
	assert_int_equal(get(d, &usual, CLI, NULL, NULL, &e), DIGESTS_FOUND);
	digests_free(d);
	fake_down(&fake, FAKE_DOWN);
	/* within its age */
	grow_old(CLI, 100);
	d = start();
	assert_int_equal(get(d, &usual, CLI, NULL, dg(3), &e), DIGESTS_FOUND);
	digests_free(d);
	/* beyond it: refused, or the last known by name of the setting */
	grow_old(CLI, 6 * 24 * 3600);
	d = start();
	assert_int_equal(get(d, &usual, CLI, NULL, NULL, &e), DIGESTS_UNREACHABLE);
	assert_int_equal(get(d, &last, CLI, NULL, dg(3), &e), DIGESTS_FOUND);
	digests_free(d);
	d = start();
	assert_int_equal(get(d, &last, CLI, NULL, dg(3), &e), DIGESTS_FOUND);
	assert_non_null(strstr(said, "connection refused; what was there 51840"));
	digests_free(d);
	/* for a week */
	grow_old(CLI, 8 * 24 * 3600);
	d = start();
	assert_int_equal(get(d, &last, CLI, NULL, NULL, &e), DIGESTS_UNREACHABLE);
	digests_free(d);
	/* what is gone is gone, whatever was known: also for those who ask in another way */
	last.digest_max_age = 0;
	d = start();
	fake_down(&fake, NULL);
	assert_int_equal(get(d, &last, CLI, NULL, NULL, &e), DIGESTS_FOUND);
	(void)usleep(5000);
	fake_put(&fake, CLI, NULL);
	assert_int_equal(get(d, &last, CLI, NULL, NULL, &e), DIGESTS_NONE);
	fake_down(&fake, FAKE_DOWN);
	assert_int_equal(get(d, &last, CLI, "e30=", NULL, &e), DIGESTS_UNREACHABLE);
	digests_free(d);
	last.digest_max_age = 120;
	fake_down(&fake, NULL);
	fake_image(&fake, CLI, 1, 2, 3, 10, 2);
	d = start();
	assert_int_equal(get(d, &usual, CLI, NULL, NULL, &e), DIGESTS_FOUND);
	digests_free(d);
	/* and by the next process */
	grow_old(CLI, 1000);
	fake_down(&fake, NULL);
	fake_put(&fake, CLI, NULL);
	d = start();
	assert_int_equal(get(d, &last, CLI, NULL, NULL, &e), DIGESTS_NONE);
	digests_free(d);
	fake_down(&fake, FAKE_DOWN);
	d = start();
	assert_int_equal(get(d, &last, CLI, NULL, NULL, &e), DIGESTS_UNREACHABLE);
	digests_free(d);
}

static void stale_ones_are_used_and_asked_for_meanwhile(void **state)
{
	const struct settings_socket s = { .digest_max_age = 120, .stale_max_age = 600 };
	struct digests *d = start();
	struct err e;

	(void)state;
	fake_image(&fake, CLI, 1, 2, 3, 10, 2);
	assert_int_equal(get(d, &s, CLI, NULL, NULL, &e), DIGESTS_FOUND);
	digests_free(d);
	grow_old(CLI, 300);
	fake_image(&fake, CLI, 1, 2, 4, 10, 2);
	d = start();
	assert_int_equal(get(d, &s, CLI, NULL, dg(3), &e), DIGESTS_FOUND);
	for (int i = 0; i < 500; i++) {
		struct image_ref ref = ref_of(CLI);
		struct digest_set *set = NULL;

		assert_int_equal(digests_get(d, &s, &ref, NULL, registry_now_ms() + 1000, &set, &e),
				 DIGESTS_FOUND);
		if (digest_set_has(set, dg(4)))
			i = 500;
		digest_set_unref(set);
		(void)usleep(10000);
		assert_true(i != 499);
	}
	assert_int_equal(fake_asked(&fake, ""), 2);
	digests_free(d);
	/* older than both */
	grow_old(CLI, 721);
	fake_image(&fake, CLI, 1, 2, 5, 10, 2);
	d = start();
	assert_int_equal(get(d, &s, CLI, NULL, dg(5), &e), DIGESTS_FOUND);
	digests_free(d);
}

static void refusals_and_failures_do_not_flood(void **state)
{
	struct digests *d = start();
	struct err e;

	(void)state;
	for (int i = 0; i < 20; i++)
		assert_int_equal(get(d, &usual, CLI, NULL, NULL, &e), DIGESTS_NONE);
	assert_string_equal(e.msg, "docker.io: no such image");
	assert_int_equal(fake_asked(&fake, ""), 1);
	/* other credentials are another question */
	assert_int_equal(get(d, &usual, CLI, "e30=", NULL, &e), DIGESTS_NONE);
	assert_int_equal(get(d, &usual, CLI, "e30=", NULL, &e), DIGESTS_NONE);
	assert_int_equal(get(d, &usual, CLI, NULL, NULL, &e), DIGESTS_NONE);
	assert_int_equal(fake_asked(&fake, ""), 2);
	fake_down(&fake, FAKE_DOWN);
	for (int i = 0; i < 20; i++)
		assert_int_equal(get(d, &usual, "docker:dind", NULL, NULL, &e), DIGESTS_UNREACHABLE);
	assert_int_equal(fake_asked(&fake, ""), 3);
	/* but not for long */
	fake_down(&fake, NULL);
	fake_image(&fake, "docker.io/library/docker:dind", 1, 2, 3, 10, 2);
	(void)usleep(5100000);
	assert_int_equal(get(d, &usual, "docker:dind", NULL, NULL, &e), DIGESTS_FOUND);
	digests_free(d);
}

static void a_registry_that_says_when_to_come_again(void **state)
{
	struct digests *d = start();
	struct err e;

	(void)state;
	fake_down(&fake,
		  "{\"status\": \"failed\", \"message\": \"docker.io: too many requests\", \"retryAfter\": 60}");
	assert_int_equal(get(d, &usual, CLI, NULL, NULL, &e), DIGESTS_UNREACHABLE);
	fake_down(&fake, NULL);
	fake_image(&fake, "docker.io/library/docker:dind", 1, 2, 3, 10, 2);
	fake_image(&fake, "r.io/a:1", 1, 2, 3, 10, 2);
	assert_int_equal(get(d, &usual, "docker:dind", NULL, NULL, &e), DIGESTS_UNREACHABLE);
	assert_non_null(strstr(e.msg, "docker.io does not want to be asked for another "));
	assert_int_equal(fake_asked(&fake, ""), 1);
	assert_int_equal(get(d, &usual, "r.io/a:1", NULL, NULL, &e), DIGESTS_FOUND);
	digests_free(d);
}

/* Answers of a helper that somebody has taken over, or that is broken. */
static void answers_that_are_not_believed(void **state)
{
	static const char *const bad[] = {
		"",
		"null",
		"{}",
		"[]",
		"{\"status\": \"found\"}",
		"{\"status\": \"good\"}",
		"{\"status\": 1}",
		FAKE_SAME,
		"{\"status\": \"none\"}",
		"{\"status\": \"none\", \"message\": 1}",
		"{\"status\": \"failed\", \"message\": \"\", \"retryAfter\": \"1\"}",
		"{\"status\": \"failed\", \"message\": \"\", \"retryAfter\": -1}",
		"{\"status\": \"failed\", \"message\": \"\", \"x\": 1}",
		"{\"status\": \"found\", \"digests\": [], \"images\": {}}",
		"{\"status\": \"found\", \"digests\": [1], \"images\": []}",
		"{\"status\": \"found\", \"digests\": [\"sha256:0\"], \"images\": []}",
		"{\"status\": \"found\", \"digests\": [], \"images\": [], \"name\": \"x\"}",
		"{\"status\": \"found\", \"digests\": [], \"images\": [{}]}",
		"{\"status\": \"found\", \"digests\": [], \"images\": [" IMAGE_OF_NOTHING "]}",
		"!exit 1\n{\"status\": \"found\", \"digests\": [], \"images\": []}",
		"{\"status\": \"found\", \"digests\": [], \"images\": []} x",
	};
	struct digests *d = start();
	struct err e;
	char name[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		(void)snprintf(name, sizeof name, "r.io/a:%zu", i);
		fake_put(&fake, name, bad[i]);
		if (get(d, &usual, name, NULL, NULL, &e) != DIGESTS_UNREACHABLE)
			fail_msg("%s", bad[i]);
		assert_non_null(strstr(e.msg, "r.io"));
	}
	fake_put(&fake, "r.io/b:1", "{\"status\": \"failed\", \"message\": \"a\\nb\\u001b[1mc\\u00e9\"}");
	assert_int_equal(get(d, &usual, "r.io/b:1", NULL, NULL, &e), DIGESTS_UNREACHABLE);
	assert_string_equal(e.msg, "a?b?[1mc??");
	digests_free(d);
}

static void too_long_an_answer(void **state)
{
	_cleanup_free_ char *answer = fake_found(1, 2, 3, 10, 2), *big = malloc((9u << 20) + strlen(answer) + 1);
	struct digests *d = start();
	struct err e;

	(void)state;
	assert_non_null(big);
	memset(big, ' ', 9u << 20);
	memcpy(big + (9u << 20), answer, strlen(answer) + 1);
	fake_put(&fake, CLI, big);
	assert_int_equal(get(d, &usual, CLI, NULL, NULL, &e), DIGESTS_UNREACHABLE);
	digests_free(d);
}

struct asker {
	pthread_t thread;
	struct digests *d;
	char name[64];
	enum digests_result result;
};

static void *ask(void *arg)
{
	struct asker *a = arg;
	struct image_ref ref;
	struct digest_set *set = NULL;

	if (!image_ref_parse(a->name, &ref))
		a->result = digests_get(a->d, &usual, &ref, NULL, registry_now_ms() + 15000, &set, NULL);
	digest_set_unref(set);
	return NULL;
}

static void ask_together(struct asker *a, size_t n)
{
	for (size_t i = 0; i < n; i++)
		assert_int_equal(pthread_create(&a[i].thread, NULL, ask, &a[i]), 0);
	for (size_t i = 0; i < n; i++) {
		(void)pthread_join(a[i].thread, NULL);
		assert_int_equal(a[i].result, DIGESTS_FOUND);
	}
}

static void many_at_once_ask_once(void **state)
{
	_cleanup_free_ char *answer = fake_found(1, 2, 3, 10, 2), *slow = NULL;
	struct asker a[8] = { 0 };
	struct digests *d = start();

	(void)state;
	assert_true(asprintf(&slow, "!sleep 300\n%s", answer) > 0);
	fake_put(&fake, CLI, slow);
	for (size_t i = 0; i < ARRAY_SIZE(a); i++) {
		a[i].d = d;
		a[i].result = DIGESTS_UNREACHABLE;
		(void)snprintf(a[i].name, sizeof a[i].name, CLI);
	}
	ask_together(a, ARRAY_SIZE(a));
	assert_int_equal(fake_asked(&fake, ""), 1);
	digests_free(d);
}

static void a_registry_is_asked_two_things_at_once(void **state)
{
	_cleanup_free_ char *answer = fake_found(1, 2, 3, 10, 2), *slow = NULL;
	struct asker a[6] = { 0 };
	struct digests *d = start();
	int64_t began;

	(void)state;
	assert_true(asprintf(&slow, "!sleep 200\n%s", answer) > 0);
	for (size_t i = 0; i < ARRAY_SIZE(a); i++) {
		a[i].d = d;
		a[i].result = DIGESTS_UNREACHABLE;
		(void)snprintf(a[i].name, sizeof a[i].name, "r.io/a:%zu", i);
		fake_put(&fake, a[i].name, slow);
	}
	began = registry_now_ms();
	ask_together(a, ARRAY_SIZE(a));
	assert_true(registry_now_ms() - began >= 600);
	digests_free(d);
}

static void what_takes_too_long_is_killed(void **state)
{
	struct image_ref ref = ref_of(CLI);
	struct digest_set *set = NULL;
	struct digests *d = start();
	struct err e = { 0 };
	int64_t began = registry_now_ms();

	(void)state;
	fake_put(&fake, CLI, "!sleep 60000\n{}");
	assert_int_equal(digests_get(d, &usual, &ref, NULL, began + 300, &set, &e), DIGESTS_UNREACHABLE);
	assert_true(registry_now_ms() - began < 5000);
	assert_non_null(strstr(e.msg, "docker.io does not answer in time"));
	/* nothing is left of it */
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	/* also what is asked in the background, at the end */
	ref = ref_of("docker:dind");
	fake_put(&fake, "docker.io/library/docker:dind", "!sleep 60000\n{}");
	digests_refresh(d, &usual, &ref);
	(void)usleep(200000);
	began = registry_now_ms();
	digests_free(d);
	assert_true(registry_now_ms() - began < 5000);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

static void no_helper(void **state)
{
	const struct digests_config config = { 0 };
	struct digests *d = NULL;
	struct err e;

	(void)state;
	assert_int_equal(digests_new(&config, &d, &e), 0);
	assert_int_equal(get(d, &usual, CLI, NULL, NULL, &e), DIGESTS_UNREACHABLE);
	assert_non_null(strstr(e.msg, "nobody is there to ask"));
	digests_free(d);
}

static void names_are_bounded(void **state)
{
	struct digests *d = start();
	char name[64], file[128];
	struct digest_set *set;
	bool fresh;
	struct err e;

	(void)state;
	fake_image(&fake, CLI, 1, 2, 3, 10, 2);
	assert_int_equal(get(d, &usual, CLI, NULL, NULL, &e), DIGESTS_FOUND);
	for (int i = 0; i < 4200; i++) {
		struct image_ref ref;

		(void)snprintf(name, sizeof name, "r.io/a:%d", i);
		ref = ref_of(name);
		assert_null(digests_peek(d, &usual, &ref, &fresh));
	}
	file_of(CLI, file);
	assert_int_equal(faccessat(fake.fd, file, F_OK, 0), -1);
	set = digests_peek(d, &usual, &(struct image_ref){ "docker.io", "library/docker", "cli", "" }, &fresh);
	assert_null(set);
	digests_free(d);
}

/* ---- what the helper is given ---- */

static json_t *job_of(const struct settings_socket *s, const char *certs, const char *name, const char *auth,
		      int which, int *ret_n)
{
	struct registry_ask asks[REGISTRY_ASKS_MAX];
	struct image_ref ref = ref_of(name);
	struct err e = { 0 };
	json_t *tree = NULL;

	*ret_n = registry_ask_make(s, certs, &ref, auth, NULL, asks, &e);
	if (*ret_n > which)
		tree = json_loads(asks[which].job, 0, NULL);
	if (*ret_n > 0)
		registry_asks_done(asks);
	else
		(void)snprintf(said, sizeof said, "%s", e.msg);
	return tree;
}

static const char *member(json_t *job, const char *object, const char *name)
{
	return json_string_value(json_object_get(object ? json_object_get(job, object) : job, name));
}

static void jobs_without_any_settings(void **state)
{
	json_t *job;
	int n;

	(void)state;
	job = job_of(&usual, NULL, "docker:cli", NULL, 0, &n);
	assert_int_equal(n, 1);
	assert_string_equal(member(job, NULL, "registry"), "docker.io");
	assert_string_equal(member(job, NULL, "repository"), "library/docker");
	assert_string_equal(member(job, NULL, "reference"), "cli");
	assert_string_equal(member(job, NULL, "ca"), "");
	assert_null(json_object_get(job, "auth"));
	assert_null(json_object_get(job, "endpoint"));
	assert_null(json_object_get(job, "known"));
	json_decref(job);
	job = job_of(&usual, NULL, "docker", NULL, 0, &n);
	assert_string_equal(member(job, NULL, "reference"), "latest");
	json_decref(job);
}

static void jobs_with_a_clients_credentials(void **state)
{
	static const struct {
		const char *header, *username, *password;
	} rows[] = {
		{ "eyJ1c2VybmFtZSI6InUiLCJwYXNzd29yZCI6InA_fj8iLCJzZXJ2ZXJhZGRyZXNzIjoiZXZpbC5pbyJ9", "u",
		  "p?~?" },
		{ "eyJhdXRoIjoiZFRwbk9uWT0ifQ==", "u", "g:v" }, /* {"auth": base64("u:g:v")} */
		{ "eyJhdXRoIjoiZFRwbk9uWT0ifQ", "u", "g:v" },
		{ "e30=", NULL, NULL },
		{ "not base64!", NULL, NULL },
		{ "bm90IGpzb24=", NULL, NULL },
		{ "", NULL, NULL },
	};
	int n;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		json_t *job = job_of(&usual, NULL, "r.io/a", rows[i].header, 0, &n);
		const char *username = member(job, "auth", "username"),
			   *password = member(job, "auth", "password");

		assert_int_equal(n, 1);
		assert_int_equal(username != NULL, rows[i].username != NULL);
		if (username) {
			assert_string_equal(username, rows[i].username);
			assert_string_equal(password, rows[i].password);
		}
		/* where it is sent to is not the client's to say */
		assert_string_equal(member(job, NULL, "registry"), "r.io");
		assert_null(member(job, "auth", "serveraddress"));
		json_decref(job);
	}
}

static void jobs_with_files(void **state)
{
	char ca[128], auth[128], certs[128];
	struct socket_registry regs[] = {
		{ .host = "r.io", .ca = ca, .auth = auth, .insecure = true, .mirror = "https://m.io:444/x" },
		{ .host = "docker.io", .auth = auth },
		{ .host = "q.io", .auth = auth },
	};
	const struct settings_socket s = { .registries = regs, .n_registries = 3, .proxy = "http://proxy:3128" };
	json_t *job;
	int n;

	(void)state;
	(void)snprintf(ca, sizeof ca, "%s/ca.pem", fake.dir);
	(void)snprintf(auth, sizeof auth, "%s/auth.json", fake.dir);
	(void)snprintf(certs, sizeof certs, "%s/certs.d", fake.dir);
	assert_int_equal(mkdir(certs, 0755), 0);
	assert_int_equal(mkdirat(fake.fd, "certs.d/m.io:444", 0755), 0);
	assert_int_equal(test_put(fake.fd, "certs.d/m.io:444/ca.crt", "of the mirror"), 0);
	assert_int_equal(test_put(fake.fd, "ca.pem", "of r.io"), 0);
	assert_int_equal(
		test_put(fake.fd, "auth.json",
			 "{\"auths\": {\"https://R.io/v2/\": {\"auth\": \"dTpw\"}, \"https://index.docker.io/v1/\": "
			 "{\"identitytoken\": \"t\"}}, \"credsStore\": \"x\"}"),
		0);
	job = job_of(&s, certs, "r.io/a:1", "eyJ1c2VybmFtZSI6ImNsaWVudCJ9", 0, &n);
	assert_int_equal(n, 2);
	assert_string_equal(member(job, NULL, "endpoint"), "https://m.io:444/x");
	assert_string_equal(member(job, NULL, "ca"), "of the mirror");
	assert_string_equal(member(job, NULL, "proxy"), "http://proxy:3128");
	assert_null(json_object_get(job, "auth"));
	assert_false(json_is_true(json_object_get(job, "insecure")));
	json_decref(job);
	job = job_of(&s, certs, "r.io/a:1", "eyJ1c2VybmFtZSI6ImNsaWVudCJ9", 1, &n);
	assert_null(json_object_get(job, "endpoint"));
	assert_string_equal(member(job, NULL, "ca"), "of r.io");
	assert_string_equal(member(job, "auth", "username"), "u");
	assert_string_equal(member(job, "auth", "password"), "p");
	assert_true(json_is_true(json_object_get(job, "insecure")));
	json_decref(job);
	job = job_of(&s, certs, "docker", NULL, 0, &n);
	assert_string_equal(member(job, "auth", "identitytoken"), "t");
	json_decref(job);
	/* what is not right with a file is said, and nobody is asked */
	assert_null(job_of(&s, certs, "q.io/a", NULL, 0, &n));
	assert_int_equal(n, -ENOENT);
	assert_non_null(strstr(said, "has nothing for q.io"));
	assert_int_equal(chmod(ca, 0666), 0);
	assert_null(job_of(&s, certs, "r.io/a", NULL, 0, &n));
	assert_int_equal(n, -EPERM);
	assert_non_null(strstr(said, "ca.pem: is to be a file that only root can change"));
	assert_int_equal(unlink(ca), 0);
	assert_null(job_of(&s, certs, "r.io/a", NULL, 0, &n));
	assert_int_equal(n, -ENOENT);
	assert_int_equal(chown(auth, 65534, 0), 0);
	assert_null(job_of(&s, certs, "docker", NULL, 0, &n));
	assert_int_equal(n, -EPERM);
}

static void jobs_with_dockers_certificates(void **state)
{
	char certs[128], cas[128];
	struct socket_registry regs[] = {
		{ .host = "r.io", .mirror = "https://m.io:444/x" },
		{ .host = "own.io", .ca = cas },
	};
	const struct settings_socket s = { .registries = regs, .n_registries = 2 };
	json_t *job;
	int n;

	(void)state;
	(void)snprintf(certs, sizeof certs, "%s/certs.d", fake.dir);
	(void)snprintf(cas, sizeof cas, "%s/own.pem", fake.dir);
	assert_int_equal(mkdir(certs, 0755), 0);
	assert_int_equal(mkdirat(fake.fd, "certs.d/m.io:444", 0755), 0);
	assert_int_equal(mkdirat(fake.fd, "certs.d/r.io", 0755), 0);
	assert_int_equal(mkdirat(fake.fd, "certs.d/own.io", 0755), 0);
	assert_int_equal(test_put(fake.fd, "own.pem", "named"), 0);
	assert_int_equal(test_put(fake.fd, "certs.d/own.io/ca.crt", "not named"), 0);
	assert_int_equal(test_put(fake.fd, "certs.d/own.io/c.cert", "cert of own"), 0);
	assert_int_equal(test_put(fake.fd, "certs.d/own.io/c.key", "key of own"), 0);
	assert_int_equal(test_put(fake.fd, "certs.d/r.io/b.crt", "second"), 0);
	assert_int_equal(test_put(fake.fd, "certs.d/r.io/a.crt", "first"), 0);
	assert_int_equal(test_put(fake.fd, "certs.d/r.io/z.cert", "last cert"), 0);
	assert_int_equal(test_put(fake.fd, "certs.d/r.io/z.key", "last key"), 0);
	assert_int_equal(test_put(fake.fd, "certs.d/r.io/y.z.cert", "cert"), 0);
	assert_int_equal(test_put(fake.fd, "certs.d/r.io/y.z.key", "key"), 0);
	assert_int_equal(test_put(fake.fd, "certs.d/r.io/readme", "neither"), 0);
	assert_int_equal(test_put(fake.fd, "certs.d/m.io:444/m.cert", "cert of m"), 0);
	assert_int_equal(test_put(fake.fd, "certs.d/m.io:444/m.key", "key of m"), 0);
	/* each host has its own */
	job = job_of(&s, certs, "r.io/a:1", NULL, 0, &n);
	assert_string_equal(member(job, NULL, "ca"), "");
	assert_string_equal(member(job, "certs", "cert"), "cert of m");
	json_decref(job);
	job = job_of(&s, certs, "r.io/a:1", NULL, 1, &n);
	assert_string_equal(member(job, NULL, "ca"), "first\nsecond");
	assert_string_equal(member(job, "certs", "cert"), "cert");
	assert_string_equal(member(job, "certs", "key"), "key");
	json_decref(job);
	assert_int_equal(fchmodat(fake.fd, "certs.d/r.io", 0777, 0), 0);
	assert_null(job_of(&s, certs, "r.io/a:1", NULL, 1, &n));
	assert_int_equal(n, -EPERM);
	assert_non_null(strstr(said, "is to be a directory that only root can change"));
	assert_int_equal(fchmodat(fake.fd, "certs.d/r.io", 0755, 0), 0);
	job = job_of(&s, certs, "own.io/a:1", NULL, 0, &n);
	assert_string_equal(member(job, NULL, "ca"), "named");
	assert_string_equal(member(job, "certs", "key"), "key of own");
	json_decref(job);
	job = job_of(&s, certs, "else.io/a:1", NULL, 0, &n);
	assert_null(json_object_get(job, "certs"));
	json_decref(job);
	/* a key that others can change, and none */
	assert_int_equal(fchmodat(fake.fd, "certs.d/own.io/c.key", 0620, 0), 0);
	assert_null(job_of(&s, certs, "own.io/a:1", NULL, 0, &n));
	assert_int_equal(n, -EPERM);
	assert_non_null(strstr(said, "c.key: is to be a file that only root can change"));
	assert_int_equal(unlinkat(fake.fd, "certs.d/own.io/c.key", 0), 0);
	assert_null(job_of(&s, certs, "own.io/a:1", NULL, 0, &n));
	assert_int_equal(n, -ENOENT);
	assert_non_null(strstr(said, "c.key is missing; if this is a CA, rename it to *.crt"));
}

static void the_mirror_is_asked_first(void **state)
{
	struct socket_registry reg = { .host = "r.io", .mirror = "https://m.io" };
	const struct settings_socket s = { .registries = &reg, .n_registries = 1, .digest_max_age = 120 };
	struct digests *d = start();
	struct err e;

	(void)state;
	fake_image(&fake, "mirror-r.io/a:1", 1, 2, 3, 10, 2);
	fake_image(&fake, "r.io/a:1", 1, 2, 4, 10, 2);
	assert_int_equal(get(d, &s, "r.io/a:1", NULL, dg(3), &e), DIGESTS_FOUND);
	assert_int_equal(fake_asked(&fake, ""), 1);
	fake_put(&fake, "mirror-r.io/a:2", FAKE_DOWN);
	fake_image(&fake, "r.io/a:2", 1, 2, 5, 10, 2);
	assert_int_equal(get(d, &s, "r.io/a:2", NULL, dg(5), &e), DIGESTS_FOUND);
	assert_int_equal(fake_asked(&fake, ""), 3);
	assert_int_equal(get(d, &s, "r.io/a:3", NULL, NULL, &e), DIGESTS_NONE);
	digests_free(d);
}

#define FAKE_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		FAKE_TEST(what_was_asked_is_remembered),
		FAKE_TEST(what_still_is_the_same_is_not_fetched),
		FAKE_TEST(in_the_background_as_well),
		FAKE_TEST(the_same_as_nothing),
		FAKE_TEST(ages_of_nothing_ask_each_time),
		FAKE_TEST(digests_have_no_age),
		FAKE_TEST(files_that_are_not_believed),
		FAKE_TEST(a_directory_that_others_can_change),
		FAKE_TEST(outages_never_make_more_allowed),
		FAKE_TEST(stale_ones_are_used_and_asked_for_meanwhile),
		FAKE_TEST(refusals_and_failures_do_not_flood),
		FAKE_TEST(a_registry_that_says_when_to_come_again),
		FAKE_TEST(answers_that_are_not_believed),
		FAKE_TEST(too_long_an_answer),
		FAKE_TEST(many_at_once_ask_once),
		FAKE_TEST(a_registry_is_asked_two_things_at_once),
		FAKE_TEST(what_takes_too_long_is_killed),
		FAKE_TEST(no_helper),
		FAKE_TEST(names_are_bounded),
		FAKE_TEST(jobs_without_any_settings),
		FAKE_TEST(jobs_with_a_clients_credentials),
		FAKE_TEST(jobs_with_files),
		FAKE_TEST(jobs_with_dockers_certificates),
		FAKE_TEST(the_mirror_is_asked_first),
	};

	fake_helper(argc, argv);
	if (geteuid() != 0) {
		(void)fprintf(stderr, "skipped: needs root\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
