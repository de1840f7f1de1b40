/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takes as much of one resource as it can get, then says how much ("KIND N") and holds it until its standard input ends.
 *   exhaust inotify|watches|fanotify|epoll|mqueue|pipe|pty|sem|shm|msg|signals|userns|mntns|netns|pidns|utsns|ipcns|timens|keys|fork|thread LIMIT
 * One "exhaust KIND 1" tells whether any is left.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <mqueue.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <unistd.h>

static int ns_flag;

static int one_ns(void)
{
	/* A process holds one of each kind only, so each is kept by an open file of it. */
	static const struct {
		int flag;
		const char *file;
	} kinds[] = { { CLONE_NEWUSER, "user" },    { CLONE_NEWNS, "mnt" },
		      { CLONE_NEWNET, "net" },	    { CLONE_NEWPID, "pid_for_children" },
		      { CLONE_NEWUTS, "uts" },	    { CLONE_NEWIPC, "ipc" },
		      { 0x80, "time_for_children" } };
	char path[64];

	if (unshare(ns_flag) < 0)
		return -1;
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		if (kinds[i].flag == ns_flag) {
			(void)snprintf(path, sizeof path, "/proc/self/ns/%s", kinds[i].file);
			return open(path, O_RDONLY | O_CLOEXEC);
		}
	return -1;
}

static int one_inotify(void)
{
	return inotify_init1(IN_CLOEXEC);
}

static int one_fanotify(void)
{
	return (int)syscall(SYS_fanotify_init, 0x200 | 1, O_RDONLY);
}

static int one_mqueue(void)
{
	static int count;
	char name[32];
	struct mq_attr a = { .mq_maxmsg = 10, .mq_msgsize = 8192 };
	int n;

	(void)snprintf(name, sizeof name, "/exhaust-%d-%d", (int)getpid(), count++);
	n = (int)mq_open(name, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600, &a);
	/* The open file keeps it: nothing outlives the process. */
	if (n >= 0)
		(void)mq_unlink(name);
	return n;
}

static int one_pty(void)
{
	return open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
}

static int one_pipe(void)
{
	int fds[2];

	return pipe2(fds, O_CLOEXEC) < 0 ? -1 : fcntl(fds[0], F_SETPIPE_SZ, 1 << 20) < 0 ? -1 : 0;
}

static int one_signal(void)
{
	union sigval v = { .sival_int = 1 };

	return sigqueue(getpid(), SIGRTMIN, v);
}

/* These outlive the process: remembered, to be removed at the end. */
static int objects[200000], n_objects;
static int (*remove_object)(int);

static int remember(int id)
{
	if (id >= 0 && n_objects < (int)(sizeof objects / sizeof *objects))
		objects[n_objects++] = id;
	return id;
}

static int remove_sem(int id)
{
	return semctl(id, 0, IPC_RMID);
}

static int remove_shm(int id)
{
	return shmctl(id, IPC_RMID, NULL);
}

static int remove_msg(int id)
{
	return msgctl(id, IPC_RMID, NULL);
}

static int one_sem(void)
{
	remove_object = remove_sem;
	return remember(semget(IPC_PRIVATE, 1, 0600));
}

static int one_shm(void)
{
	remove_object = remove_shm;
	return remember(shmget(IPC_PRIVATE, 4096, 0600));
}

static int one_msg(void)
{
	remove_object = remove_msg;
	return remember(msgget(IPC_PRIVATE, 0600));
}

static int one_key(void)
{
	static int n;
	char name[32];

	(void)snprintf(name, sizeof name, "exhaust-%d", n++);
	return (int)syscall(SYS_add_key, "user", name, "x", 1, KEY_SPEC_PROCESS_KEYRING);
}

static int one_fork(void)
{
	pid_t pid = fork();

	if (pid == 0)
		for (;;)
			(void)pause();
	return pid;
}

static void *sleeper(void *arg)
{
	for (;;)
		(void)pause();
	return arg;
}

static int one_thread(void)
{
	pthread_attr_t a;
	pthread_t t;

	(void)pthread_attr_init(&a);
	(void)pthread_attr_setstacksize(&a, 16384);
	return pthread_create(&t, &a, sleeper, NULL) == 0 ? 0 : -1;
}

static const struct {
	const char *name;
	int (*one)(void);
	int flag;
} kinds[] = {
	{ "inotify", one_inotify, 0 },
	{ "fanotify", one_fanotify, 0 },
	{ "mqueue", one_mqueue, 0 },
	{ "pty", one_pty, 0 },
	{ "pipe", one_pipe, 0 },
	{ "signals", one_signal, 0 },
	{ "sem", one_sem, 0 },
	{ "shm", one_shm, 0 },
	{ "msg", one_msg, 0 },
	{ "keys", one_key, 0 },
	{ "fork", one_fork, 0 },
	{ "thread", one_thread, 0 },
	{ "userns", one_ns, CLONE_NEWUSER },
	{ "mntns", one_ns, CLONE_NEWNS },
	{ "netns", one_ns, CLONE_NEWNET },
	{ "pidns", one_ns, CLONE_NEWPID },
	{ "utsns", one_ns, CLONE_NEWUTS },
	{ "ipcns", one_ns, CLONE_NEWIPC },
	{ "timens", one_ns, 0x80 },
};

int main(int argc, char **argv)
{
	struct rlimit files = { 1 << 20, 1 << 20 };
	sigset_t all;
	char c;
	int n = 0;

	if (argc != 3)
		return 2;
	if (setrlimit(RLIMIT_NOFILE, &files) < 0 && getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	(void)sigfillset(&all);
	(void)sigprocmask(SIG_BLOCK, &all, NULL);
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		if (strcmp(argv[1], kinds[i].name) != 0)
			continue;
		ns_flag = kinds[i].flag;
		while (n < atoi(argv[2]) && kinds[i].one() >= 0)
			n++;
		printf("%s %d%s%s\n", argv[1], n, n < atoi(argv[2]) ? " " : "",
		       n < atoi(argv[2]) ? strerrorname_np(errno) : "");
		(void)fflush(stdout);
		while (read(0, &c, 1) > 0)
			;
		while (n_objects > 0)
			(void)remove_object(objects[--n_objects]);
		return 0;
	}
	return 2;
}
