/* SPDX-License-Identifier: Apache-2.0 */
#include "notify/mounts.h"

#include <errno.h>
#include <stdlib.h>

int notify_mounts_parse(char *text, struct notify_mounts *ret)
{
	size_t cap = 0;
	struct mountinfo m;

	while (mountinfo_next(&text, &m) > 0) {
		if (ret->n == cap) {
			size_t bigger = cap ? 2 * cap : 128;
			struct mountinfo *v = realloc(ret->v, bigger * sizeof *v);

			if (!v)
				return -ENOMEM;
			ret->v = v;
			cap = bigger;
		}
		ret->v[ret->n++] = m;
	}
	return 0;
}

void notify_mounts_done(struct notify_mounts *l)
{
	free(l->v);
	*l = (struct notify_mounts){ 0 };
}

const struct mountinfo *notify_mounts_find(const struct notify_mounts *l, uint64_t id)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->v[i].id == id)
			return &l->v[i];
	return NULL;
}

bool notify_mounts_is_below(const struct notify_mounts *l, const struct mountinfo *m, uint64_t id)
{
	for (size_t depth = 0; m && depth < l->n; depth++) {
		if (m->parent == id)
			return true;
		if (m->parent == m->id)
			return false;
		m = notify_mounts_find(l, m->parent);
	}
	return false;
}
