/* SPDX-License-Identifier: Apache-2.0 */
#include "bin/helper.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

char *helper_path(const char *name)
{
	char self[PATH_MAX], *slash, *path = NULL;
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

	if (n > 0) {
		self[n] = '\0';
		slash = strrchr(self, '/');
		if (slash && asprintf(&path, "%.*s/%s", (int)(slash - self), self, name) < 0)
			return NULL;
		if (path && access(path, X_OK) == 0)
			return path;
		free(path);
	}
	return asprintf(&path, "%s/%s", CAISSON_LIBEXEC, name) < 0 ? NULL : path;
}
