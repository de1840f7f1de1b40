/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One option per line. The oracle: of each pair of words the last one counts, all words that are not known reach the
 * file system in their order, and to say everything twice changes nothing.
 */
#include <stdint.h>
#include <sys/mount.h>

#include "base/cleanup.h"
#include "codec/fuzz-oci.h"
#include "codec/mountopt.h"

#define MAX_WORDS 2048
#define ATIME	  ((uint64_t)MOUNT_ATTR__ATIME)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct {
	const char *on, *off;
	uint64_t bit;
} pairs[] = {
	{ "ro", "rw", MOUNT_ATTR_RDONLY },
	{ "nosuid", "suid", MOUNT_ATTR_NOSUID },
	{ "nodev", "dev", MOUNT_ATTR_NODEV },
	{ "noexec", "exec", MOUNT_ATTR_NOEXEC },
	{ "nodiratime", "diratime", MOUNT_ATTR_NODIRATIME },
	{ "nosymfollow", "symfollow", 0x00200000 },
};

/* The last of @on and @off with @prefix before it: 1, 0, or -1 for none. */
static int last_of(const struct oci_strv *w, const char *prefix, const char *on, const char *off)
{
	size_t n = strlen(prefix);
	int last = -1;

	for (size_t i = 0; i < w->n; i++) {
		if (strncmp(w->v[i], prefix, n) != 0)
			continue;
		if (strcmp(w->v[i] + n, on) == 0)
			last = 1;
		else if (strcmp(w->v[i] + n, off) == 0)
			last = 0;
	}
	return last;
}

/* "ro", "rro"; but the opposites of "rnosuid" and the like are "rsuid": the same rule with an "r" before both. */
static void check_pairs(const struct oci_strv *w, const char *prefix, uint64_t set, uint64_t clear)
{
	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		int last = last_of(w, prefix, pairs[i].on, pairs[i].off);

		CHECK(!(set & pairs[i].bit) == (last != 1) && !(clear & pairs[i].bit) == (last != 0));
	}
	/* One atime mode at most, and nothing else besides the pairs. */
	CHECK((set & ATIME) == 0 || (set & ATIME) == MOUNT_ATTR_NOATIME ||
	      (set & ATIME) == MOUNT_ATTR_STRICTATIME);
	CHECK(!((set | clear) & ~(ATIME | 0x8f | 0x00200000)));
	CHECK(!(set & clear & ~ATIME));
}

static bool is_known(const char *word)
{
	if (strcmp(word, "sync") == 0 || strcmp(word, "dirsync") == 0 || strcmp(word, "lazytime") == 0)
		return false; /* known, but by the file system */
	for (size_t i = 0; mount_option_name(i); i++)
		if (strcmp(mount_option_name(i), word) == 0)
			return true;
	return false;
}

static void check_data(const struct oci_strv *w, const struct mount_options *o)
{
	size_t n = 0;

	for (size_t i = 0; i < w->n; i++) {
		if (is_known(w->v[i]))
			continue;
		CHECK(n < o->n_data && o->data[n] == w->v[i]);
		n++;
	}
	CHECK(n == o->n_data);
}

static bool has(const struct oci_strv *w, const char *word)
{
	return last_of(w, "", word, "\n") == 1;
}

static void check_twice(const struct oci_strv *w, const struct mount_options *o)
{
	const char *v[2 * MAX_WORDS];
	const struct oci_strv twice = { v, 2 * w->n };
	struct mount_options again;

	for (size_t i = 0; i < twice.n; i++)
		v[i] = w->v[i % w->n];
	CHECK(mount_options_parse(&twice, &again, NULL) == 0);
	CHECK(again.set == o->set && again.rec_set == o->rec_set);
	CHECK((again.clear & ~ATIME) == (o->clear & ~ATIME) &&
	      (again.rec_clear & ~ATIME) == (o->rec_clear & ~ATIME));
	CHECK(again.propagation == o->propagation && again.propagation_recursive == o->propagation_recursive);
	CHECK(again.n_data == 2 * o->n_data);
	mount_options_done(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = NULL;
	const char *v[MAX_WORDS];
	struct oci_strv w = { .v = v };
	struct mount_options o;
	char *word;

	if (size > 16384)
		return 0;
	text = strndup((const char *)data, size);
	CHECK(text);
	for (char *p = text; w.n < MAX_WORDS && (word = strsep(&p, "\n"));)
		v[w.n++] = word;
	CHECK(mount_options_parse(&w, &o, NULL) == 0);
	check_pairs(&w, "", o.set, o.clear);
	check_pairs(&w, "r", o.rec_set, o.rec_clear);
	check_data(&w, &o);
	check_twice(&w, &o);
	CHECK(o.bind == (has(&w, "bind") || has(&w, "rbind")) && o.recursive == has(&w, "rbind"));
	CHECK(o.remount == has(&w, "remount") && o.copy_up == has(&w, "tmpcopyup"));
	CHECK(o.idmap == (has(&w, "idmap") || has(&w, "ridmap")) && o.idmap_recursive == has(&w, "ridmap"));
	CHECK(!(o.propagation & MS_REC));
	mount_options_done(&o);
	return 0;
}
