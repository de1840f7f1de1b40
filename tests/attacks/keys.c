/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernel keyrings.
 *   keys hold TEXT COMMAND...   new session keyring with a key "caisson-canary" that holds TEXT, then the command
 *   keys look                   print what can be read of any key in reach: "session ID", "key NAME = TEXT"
 *   keys fill N                 add N keys; print how many were added
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/keyctl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static long keyctl(int op, long a, long b, long c, long d)
{
	return syscall(SYS_keyctl, op, a, b, c, d);
}

static long add(const char *name, const char *text, long ring)
{
	return syscall(SYS_add_key, "user", name, text, strlen(text), ring);
}

static void show(long id)
{
	char text[256] = "";
	long n = keyctl(KEYCTL_READ, id, (long)(uintptr_t)text, sizeof text - 1, 0);

	if (n > 0 && n < (long)sizeof text && memchr(text, 0, (size_t)n) == NULL)
		printf("key %ld = %.*s\n", id, (int)n, text);
}

static void look(void)
{
	static const long rings[] = { KEY_SPEC_THREAD_KEYRING,	     KEY_SPEC_PROCESS_KEYRING,
				      KEY_SPEC_SESSION_KEYRING,	     KEY_SPEC_USER_KEYRING,
				      KEY_SPEC_USER_SESSION_KEYRING, KEY_SPEC_GROUP_KEYRING };
	long id, persistent = keyctl(KEYCTL_GET_PERSISTENT, -1, KEY_SPEC_PROCESS_KEYRING, 0, 0);

	for (size_t i = 0; i < sizeof rings / sizeof *rings; i++) {
		int32_t keys[256];
		long n = keyctl(KEYCTL_READ, rings[i], (long)(uintptr_t)keys, sizeof keys, 0);

		for (long k = 0; k < n / 4 && k < 256; k++) {
			show(keys[k]);
			if (keyctl(KEYCTL_LINK, keys[k], KEY_SPEC_PROCESS_KEYRING, 0, 0) == 0)
				show(keys[k]);
		}
		id = keyctl(KEYCTL_SEARCH, rings[i], (long)(uintptr_t) "user", (long)(uintptr_t) "caisson-canary",
			    0);
		if (id > 0)
			show(id);
	}
	if (persistent > 0)
		show(persistent);
	id = syscall(SYS_request_key, "user", "caisson-canary", NULL, 0);
	if (id > 0)
		show(id);
	printf("session %ld\n", keyctl(KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0, 0, 0));
}

int main(int argc, char **argv)
{
	if (argc >= 4 && strcmp(argv[1], "hold") == 0) {
		if (keyctl(KEYCTL_JOIN_SESSION_KEYRING, 0, 0, 0, 0) < 0 ||
		    add("caisson-canary", argv[2], KEY_SPEC_SESSION_KEYRING) < 0)
			return perror("keys"), 2;
		(void)execvp(argv[3], argv + 3);
		return perror(argv[3]), 2;
	}
	if (argc >= 3 && strcmp(argv[1], "fill") == 0) {
		int n = 0;

		for (; n < atoi(argv[2]); n++) {
			char name[32];

			(void)snprintf(name, sizeof name, "caisson-fill-%d", n);
			if (add(name, "x", KEY_SPEC_PROCESS_KEYRING) < 0)
				break;
		}
		printf("added %d\n", n);
		(void)fflush(stdout);
		(void)sleep(argc > 3 ? 30 : 3);
		return 0;
	}
	look();
	return 0;
}
