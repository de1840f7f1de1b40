/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/idtext.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/num.h"

static char *next_line(char **cursor)
{
	char *line = *cursor, *end;

	if (*line == '\0')
		return NULL;
	end = strchr(line, '\n');
	if (end)
		*end = '\0';
	*cursor = end ? end + 1 : line + strlen(line);
	return line;
}

int idtext_next_subid(char **cursor, const char **ret_name, uint64_t *ret_first, uint64_t *ret_count)
{
	char *line;

	while ((line = next_line(cursor))) {
		char *first = strchr(line, ':'), *count = first ? strchr(first + 1, ':') : NULL;

		if (!count)
			continue;
		*first++ = '\0';
		*count++ = '\0';
		if (num_u64(first, UINT32_MAX, ret_first) < 0 || num_u64(count, UINT32_MAX, ret_count) < 0)
			continue;
		*ret_name = line;
		return 1;
	}
	return 0;
}

int idtext_next_account(char **cursor, uint64_t *ret_id)
{
	char *line;

	while ((line = next_line(cursor))) {
		const char *p = strchr(line, ':');

		p = p ? strchr(p + 1, ':') : NULL;
		if (!p)
			continue;
		p++;
		if (num_span(&p, UINT32_MAX, ret_id) == 0 && (*p == ':' || *p == '\0'))
			return 1;
	}
	return 0;
}

bool idtext_group_is_owners(char *passwd, char *group, uint32_t uid, uint32_t gid)
{
	uint64_t id;
	char *line;

	while ((line = next_line(&passwd))) {
		char *field[5] = { 0 };
		uint32_t u, g;
		size_t n = 0;

		while (n < 5 && (field[n] = strsep(&line, ":")))
			n++;
		if (n >= 4 && num_u32(field[2], &u) == 0 && num_u32(field[3], &g) == 0 && u == uid)
			return g == gid;
	}
	while (idtext_next_account(&group, &id) > 0)
		if (id == gid)
			return false;
	return true;
}

static int map_field(const char **p, uint64_t *ret)
{
	while (*p[0] == ' ')
		(*p)++;
	return num_span(p, UINT32_MAX, ret);
}

int idtext_next_map(char **cursor, struct id_extent *ret)
{
	const char *line = next_line(cursor);
	struct id_extent x;

	if (!line)
		return 0;
	if (map_field(&line, &x.inside) < 0 || map_field(&line, &x.outside) < 0 ||
	    map_field(&line, &x.count) < 0 || *line != '\0' || x.count == 0)
		return -EPROTO;
	*ret = x;
	return 1;
}

int idtext_next_slot_owner(char **cursor, const char **ret_owner)
{
	const char *line = next_line(cursor);

	if (!line)
		return 0;
	if (strncmp(line, "owner /", 7) != 0)
		return -EPROTO;
	*ret_owner = line + 6;
	return 1;
}

/* Append the extent [first, first + count) -> kernel ids from OUTSIDE on. */
static void put_extent(char *text, size_t size, size_t *len, uint64_t first, uint64_t outside, uint64_t end)
{
	int n;

	if (first >= end)
		return;
	n = snprintf(text + *len, size - *len, "%llu %llu %llu\n", (unsigned long long)first,
		     (unsigned long long)outside, (unsigned long long)(end - first));
	if (n > 0 && (size_t)n < size - *len)
		*len += (size_t)n;
}

size_t idtext_owner_map(uint32_t base, uint32_t main_id, uint32_t owner, char *text, size_t size)
{
	uint64_t main_disk = (uint64_t)base + main_id, range_end = (uint64_t)base + ID_RANGE;
	bool owned = owner != 0 && main_id < ID_RANGE && !(owner >= base && owner < range_end) &&
		     owner < ID_SHADOW;
	/* Places where the straight line "disk d -> 2^31 + d" is interrupted, in ascending order of d. */
	uint64_t at = 0;
	size_t len = 0;

	text[0] = '\0';
	if (owned && owner < base) {
		put_extent(text, size, &len, at, ID_SHADOW + at, owner);
		put_extent(text, size, &len, owner, main_disk, (uint64_t)owner + 1);
		at = (uint64_t)owner + 1;
	}
	put_extent(text, size, &len, at, ID_SHADOW + at, base);
	if (owned) {
		/* The kernel id of the main user is taken by the owner: what lies on disk under it is somebody else. */
		put_extent(text, size, &len, base, base, main_disk);
		put_extent(text, size, &len, main_disk, ID_SHADOW + main_disk, main_disk + 1);
		put_extent(text, size, &len, main_disk + 1, main_disk + 1, range_end);
	} else {
		put_extent(text, size, &len, base, base, range_end);
	}
	at = range_end;
	if (owned && owner >= range_end) {
		put_extent(text, size, &len, at, ID_SHADOW + at, owner);
		put_extent(text, size, &len, owner, main_disk, (uint64_t)owner + 1);
		at = (uint64_t)owner + 1;
	}
	put_extent(text, size, &len, at, ID_SHADOW + at, ID_SHADOW - 1);
	return len;
}
