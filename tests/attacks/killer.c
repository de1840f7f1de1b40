/* SPDX-License-Identifier: Apache-2.0 */
/*
 * On the host: kill the workers of a monitor, each time at another moment of its life.
 * usage: killer MONITOR-PID notify|procview|both N MAX-MICROSECONDS
 * One life in eight is of 5 ms at least, CAISSON_TEST_SLOW times as much: a call whose worker is killed 64 times before it
 * can answer gets EIO, as documented, and with a maximum of 0 no life would be long enough for an answer. Prints how many it
 * killed.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static bool is_called(int pid, const char *name)
{
	char path[64], text[64] = "";
	FILE *f;

	(void)snprintf(path, sizeof path, "/proc/%d/cmdline", pid);
	f = fopen(path, "re");
	if (f) {
		(void)!fread(text, 1, sizeof text - 1, f);
		(void)fclose(f);
	}
	return strncmp(text, "caisson-", 8) == 0 && strncmp(text + 8, name, strlen(name)) == 0;
}

/* Return: the pid, 0: there is none now, -1: the monitor has gone. */
static int find(int monitor, const char *name, int not )
{
	char path[64];
	int pid, found = 0;
	FILE *f;

	(void)snprintf(path, sizeof path, "/proc/%d/task/%d/children", monitor, monitor);
	f = fopen(path, "re");
	if (!f)
		return -1;
	while (fscanf(f, "%d", &pid) == 1)
		if (pid != not &&is_called(pid, name))
			found = pid;
	(void)fclose(f);
	return found;
}

int main(int argc, char **argv)
{
	static const char *const names[] = { "notify", "procview" };
	int last[2] = { 0, 0 }, killed[2] = { 0, 0 }, monitor, n;
	const char *factor = getenv("CAISSON_TEST_SLOW");
	unsigned seed, max, slow = factor ? (unsigned)atoi(factor) : 1;

	if (argc != 5)
		return 2;
	monitor = atoi(argv[1]);
	n = atoi(argv[3]);
	max = (unsigned)atoi(argv[4]);
	seed = (unsigned)time(NULL);
	for (int i = 0; killed[0] < n || killed[1] < n; i++) {
		int k = i % 2, pid;

		if (strcmp(argv[2], "both") != 0 && strcmp(argv[2], names[k]) != 0)
			killed[k] = n;
		if (killed[k] >= n)
			continue;
		pid = find(monitor, names[k], last[k]);
		if (pid < 0) {
			fputs("the monitor has gone\n", stderr);
			return 1;
		}
		if (pid == 0) {
			(void)usleep(200);
			continue;
		}
		(void)usleep((useconds_t)rand_r(&seed) % (max + 1) + (killed[k] % 8 == 7 ? 5000 * slow : 0));
		if (kill(pid, SIGKILL) == 0)
			killed[k]++;
		last[k] = pid;
	}
	printf("killed %d %d\n", killed[0], killed[1]);
	return 0;
}
