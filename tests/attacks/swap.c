/* SPDX-License-Identifier: Apache-2.0 */
/* Swaps two names as fast as it can, until it is killed: a directory and a link, under the eyes of the runtime. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>

int main(int argc, char **argv)
{
	if (argc != 3)
		return 2;
	for (;;)
		if (renameat2(AT_FDCWD, argv[1], AT_FDCWD, argv[2], RENAME_EXCHANGE) < 0)
			return perror("swap"), 1;
}
