/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/closest.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#define LONGEST 40 /* names that are longer are not mistyped ones */

static bool same(char a, char b)
{
	return tolower((unsigned char)a) == tolower((unsigned char)b);
}

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* How many letters have to be put in, left out, changed or swapped with their neighbour to make one of the other. */
static unsigned distance(const char *a, const char *b)
{
	unsigned rows[3][LONGEST + 1], *before = rows[0], *above = rows[1], *row = rows[2], *spare;
	size_t n = strlen(b);

	for (unsigned j = 0; j <= n; j++)
		row[j] = j;
	for (unsigned i = 0; a[i]; i++) {
		spare = before;
		before = above;
		above = row;
		row = spare;
		row[0] = i + 1;
		for (size_t j = 0; j < n; j++) {
			row[j + 1] = least(above[j] + !same(a[i], b[j]), least(row[j], above[j + 1]) + 1);
			if (i > 0 && j > 0 && same(a[i], b[j - 1]) && same(a[i - 1], b[j]))
				row[j + 1] = least(row[j + 1], before[j - 1] + 1);
		}
	}
	return row[n];
}

void closest_start(struct closest *c, const char *name)
{
	size_t n = strlen(name);

	*c = (struct closest){ .name = name, .distance = n < 4 ? 2 : n < 8 ? 3 : n <= LONGEST ? 4 : 0 };
}

void closest_look(struct closest *c, const char *known)
{
	unsigned d;

	if (c->distance == 0 || strlen(known) > LONGEST)
		return;
	d = distance(c->name, known);
	if (d >= c->distance || d >= strlen(c->name))
		return;
	c->distance = d;
	c->best = known;
}
