/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a fuzz target over a directory of inputs without libFuzzer, so that every corpus and every old crash is part
 * of the ordinary tests. An empty or missing corpus is a failure: a replay of nothing proves nothing.
 */
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "base/io.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int main(int argc, char **argv)
{
	_cleanup_closedir_ DIR *dir = NULL;
	const struct dirent *ent;
	size_t n = 0;

	if (argc != 2 || !(dir = opendir(argv[1]))) {
		fprintf(stderr, "usage: replay DIRECTORY (a readable corpus)\n");
		return 2;
	}
	while ((ent = readdir(dir))) {
		_cleanup_free_ char *buf = NULL;
		size_t len;
		int r;

		if (ent->d_name[0] == '.')
			continue;
		r = io_read_at(dirfd(dir), ent->d_name, 64u << 20, &buf, &len);
		if (r < 0) {
			fprintf(stderr, "%s/%s: cannot read\n", argv[1], ent->d_name);
			return 1;
		}
		(void)LLVMFuzzerTestOneInput((const uint8_t *)buf, len);
		n++;
	}
	printf("%zu inputs\n", n);
	return n ? 0 : 1;
}
