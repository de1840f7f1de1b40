/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/signame.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/num.h"

int signal_from_text(const char *s)
{
	uint64_t n;

	if (num_u64(s, 64, &n) == 0)
		return (int)n;
	if (strncasecmp(s, "SIG", 3) == 0)
		s += 3;
	/* The kernel's numbers: the C library keeps the first two real-time signals to itself, a container may not. */
	if (strncasecmp(s, "RTMIN", 5) == 0 && (s[5] == '\0' || s[5] == '+'))
		return s[5] == '\0' ? 34 : num_u64(s + 6, 30, &n) == 0 ? 34 + (int)n : -EINVAL;
	if (strncasecmp(s, "RTMAX", 5) == 0 && (s[5] == '\0' || s[5] == '-'))
		return s[5] == '\0' ? 64 : num_u64(s + 6, 30, &n) == 0 ? 64 - (int)n : -EINVAL;
	if (strcasecmp(s, "IOT") == 0)
		return SIGABRT;
	if (strcasecmp(s, "IO") == 0)
		return SIGIO;
	if (strcasecmp(s, "CLD") == 0)
		return SIGCHLD;
	for (int i = 1; i < 32; i++) {
		const char *name = sigabbrev_np(i);

		if (name && strcasecmp(s, name) == 0)
			return i;
	}
	return -EINVAL;
}
