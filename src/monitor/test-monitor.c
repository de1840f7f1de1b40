/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The supervisor's skeleton, as root: monitor_launch() and the real caisson-monitor, with fake workers (fake-worker.h).
 * CAISSON_TEST_LONG=1: 1,000 kills instead of 100.
 */
#include "monitor/test-monitor.h"

/* ---- carriers ------------------------------------------------------------------------------------------------- */

static void test_carriers(void **state)
{
	_cleanup_free_ char *mounts = NULL;
	struct mount_attr writable = { .attr_clr = MOUNT_ATTR_RDONLY };
	char path[64], *lines = NULL;
	int types[8] = { 0 }, n = 0;
	struct statfs fs;
	struct stat st;

	(void)state;
	launch("ok");
	assert_int_equal(fstatfs(m.constant, &fs), 0);
	assert_int_equal(fs.f_type, 0x01021994);
	assert_true(fs.f_flags & ST_RDONLY);
	assert_int_equal(openat(m.constant, "new", O_CREAT | O_WRONLY | O_CLOEXEC, 0644), -1);
	assert_int_equal(errno, EROFS);
	/* also for who gets rid of the mount's own flag */
	assert_int_equal(mount_setattr(m.constant, "", AT_EMPTY_PATH, &writable, sizeof writable), 0);
	assert_int_equal(openat(m.constant, "new", O_CREAT | O_WRONLY | O_CLOEXEC, 0644), -1);
	assert_int_equal(errno, EROFS);
	assert_int_equal(fstat(m.constant, &st), 0);
	assert_int_equal(st.st_uid, BASE);
	for (size_t i = 0; i < emu_n_rows; i++) {
		char name[EMU_NAME_MAX];

		emu_name(i, name);
		if (emu_rows[i].carrier != EMU_CONSTANT) {
			assert_int_equal(fstatat(m.constant, name, &st, 0), -1);
			continue;
		}
		assert_int_equal(fstatat(m.constant, name, &st, 0), 0);
		assert_true(st.st_uid == BASE && st.st_gid == BASE && (st.st_mode & 07777) == emu_rows[i].mode);
		n++;
	}
	assert_true(n > 0);

	/* five mounts, and nothing of the host's */
	(void)snprintf(path, sizeof path, "/proc/%d/mountinfo", (int)m.pid);
	assert_int_equal(io_read_at(AT_FDCWD, path, 1 << 20, &mounts, NULL), 0);
	n = 0;
	for (char *line = strtok_r(mounts, "\n", &lines); line; line = strtok_r(NULL, "\n", &lines), n++) {
		types[0] += strstr(line, " / / rw,nosuid,noexec") != NULL;
		types[1] += strstr(line, " /" COVER_CHANGING " rw,nosuid,nodev,noexec") &&
			    strstr(line, " - fuse ");
		types[2] += strstr(line, " /" COVER_SYSCTL " rw,nosuid,nodev,noexec") && strstr(line, " - fuse ");
		types[3] += strstr(line, " /" COVER_CONSTANT " ro,nosuid,nodev,noexec") &&
			    strstr(line, " - tmpfs ");
		types[4] += strstr(line, " /" COVER_EMPTY " ro,nosuid,nodev,noexec") && strstr(line, " - tmpfs ");
		assert_null(strstr(line, "shared:"));
		assert_null(strstr(line, "master:"));
	}
	assert_int_equal(n, 5);
	for (int i = 0; i < 5; i++)
		assert_int_equal(types[i], 1);
}

static void test_params(void **state)
{
	static const char *const masked[] = { "/proc/kcore", "/etc/shadow", "/sys/firmware", "/proc/../etc",
					      "/processes" };
	static const char *const read_only[] = { "/proc/sys" };
	static const size_t sizes[] = { sizeof(struct view_shared), sizeof(struct notify_shared) };
	struct monitor_params p = params_for("id-1");
	const struct emu_params *got;
	char path[64], expected[] = "proc/kcore\0sys/firmware\0proc/sys";
	struct timespec real;
	int fd;

	(void)state;
	p.masked = masked;
	p.n_masked = ARRAY_SIZE(masked);
	p.read_only = read_only;
	p.n_read_only = ARRAY_SIZE(read_only);
	p.devices = EMU_DEV_TUN;
	p.resource_view = true;
	assert_int_equal(monitor_launch(&p, &m, &err), 0);
	if (monitor_carriers(&m, &err) < 0)
		fail_msg("%s", err.msg);
	(void)clock_gettime(CLOCK_REALTIME, &real);
	for (int i = MONITOR_FD_VIEW; i <= MONITOR_FD_NOTIFY; i++) {
		struct stat st;

		(void)snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)m.pid, i);
		fd = open(path, O_RDWR | O_CLOEXEC);
		assert_true(fd >= 0 && fstat(fd, &st) == 0);
		assert_int_equal(st.st_size, sizes[i - MONITOR_FD_VIEW]);
		assert_int_equal(ftruncate(fd, 0), -1);
		assert_int_equal(ftruncate(fd, 1 << 24), -1);
		got = mmap(NULL, sizeof *got, PROT_READ, MAP_SHARED, fd, 0);
		assert_true(got != MAP_FAILED);
		assert_true(got->magic == EMU_MAGIC && got->base == BASE);
		assert_true(got->devices == EMU_DEV_TUN && got->resource_view == 1);
		assert_true(got->n_masked == 2 && got->n_read_only == 1 && got->start_us > 0);
		assert_true((uint64_t)real.tv_sec - got->boot_time <= 2);
		assert_string_equal(got->id, "id-1");
		assert_memory_equal(got->paths, expected, sizeof expected);
		assert_int_equal(got->paths[sizeof expected], 0);
		(void)munmap((void *)(uintptr_t)got, sizeof *got);
		(void)close(fd);
	}
}

static void test_refused(void **state)
{
	static char big[5000];
	const char *const many[] = { big, big, big }, *const words[] = { libexec, "/nowhere", "maskedPaths" };
	char path[128];
	struct monitor_params p = params_for("ok");

	(void)state;
	(void)snprintf(path, sizeof path, "%s/caisson-notify", libexec);
	for (int what = 0; what < 5; what++) {
		p = params_for("ok");
		if (what == 0)
			assert_int_equal(chmod(path, 0775), 0);
		if (what == 1)
			assert_int_equal(chown(path, 1, 0), 0);
		if (what == 2)
			assert_int_equal(chmod(libexec, 0757), 0);
		if (what == 3)
			p.libexec_dir = "/nowhere";
		if (what == 4) {
			memset(big, 'a', 3000);
			memcpy(big, "/proc/", 6);
			p.masked = many;
			p.n_masked = ARRAY_SIZE(many);
		}
		assert_int_equal(monitor_launch(&p, &m, &err), 0);
		assert_int_equal(monitor_carriers(&m, &err), what == 3 ? -ENOENT : what == 4 ? -E2BIG : -EPERM);
		assert_non_null(strstr(err.msg, what < 2 ? path : words[what - 2]));
		assert_int_equal(m.constant, -EBADF);
		monitor_done(&m);
		assert_int_equal(nothing_left(), 0);
		assert_int_equal(chown(path, 0, 0) | chmod(path, 0755) | chmod(libexec, 0755), 0);
	}
}

static void test_worker_gets(void **state)
{
	const uint32_t common = 0x7u | 1u << WORKER_FD_MONITOR | 1u << WORKER_FD_SHARED | 1u << WORKER_FD_PROC |
				1u << WORKER_FD_SYSFS | 1u << WORKER_FD_CG_CPU | 1u << WORKER_FD_CG_PIDS;
	const uint32_t fuse = 1u << WORKER_FD_CHANGING | 1u << WORKER_FD_SYSCTL;
	pid_t task;
	int fd;

	(void)state;
	run("ok");
	fd = make_listener(&task);
	give(fd);
	for (int i = 1; i < 4; i++) {
		EVENTUALLY(view->starts == (uint32_t)i && notify->starts == (uint32_t)i && notify->n == 1);
		assert_int_equal(view->open_fds, common | fuse);
		assert_int_equal(notify->open_fds, common);
		assert_int_equal(view->bad | notify->bad, 0);
		(void)kill(view->pid, SIGKILL);
		(void)kill(notify->pid, SIGKILL);
	}
	(void)close(fd);
	end_task(task);
}

/* An engine waits for the end of the pipes that it gave the runtime. */
static void test_pipes_end(void **state)
{
	struct pollfd p;
	int ends[2], high;

	(void)state;
	assert_int_equal(pipe(ends), 0); /* not close-on-exec, and one beyond what the supervisor keeps */
	high = fcntl(ends[1], F_DUPFD, 200);
	launch("ok");
	(void)close(ends[1]);
	(void)close(high);
	p = (struct pollfd){ .fd = ends[0], .events = POLLIN };
	assert_int_equal(poll(&p, 1, 1000), 1);
	assert_true(p.revents & POLLHUP);
	assert_true(is_alive(m.pid));
	assert_int_equal(getsid(m.pid), m.pid);
	(void)close(ends[0]);
}

/* ---- first requests ------------------------------------------------------------------------------------------- */

/* The names can be listed before there is a worker, once for each connection. */
static void test_names(void **state)
{
	struct dirent *ent;
	int n = 0;

	(void)state;
	launch("ok");
	for (int i = 0; i < 2; i++) {
		int fd = openat(i ? m.sysctl : m.changing, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		_cleanup_closedir_ DIR *d = fdopendir(fd);

		assert_non_null(d);
		while ((ent = readdir(d)) != NULL)
			n += ent->d_name[0] != '.';
	}
	for (size_t i = 0; i < emu_n_rows; i++)
		n -= emu_rows[i].carrier == EMU_CHANGING || emu_rows[i].carrier == EMU_SYSCTL;
	assert_int_equal(n, 0);
	commit();
	/* known by now: who looks a name up asks nobody */
	for (size_t i = 0; i < emu_n_rows; i++) {
		char name[EMU_NAME_MAX];
		int fd;

		if (emu_rows[i].carrier != EMU_CHANGING && emu_rows[i].carrier != EMU_SYSCTL)
			continue;
		emu_name(i, name);
		fd = openat(emu_rows[i].carrier == EMU_SYSCTL ? m.sysctl : m.changing, name, O_PATH | O_CLOEXEC);
		assert_true(fd >= 0);
		(void)close(fd);
	}
	sleep_ms(100);
	assert_int_equal(view->starts, 0);
}

/* No worker runs that nobody has asked for anything, and then only the one that was asked. */
static void test_dormant(void **state)
{
	pid_t task[2];
	int fd[2];
	long before;

	(void)state;
	launch("ok");
	commit();
	for (int i = 0; i < 2; i++) {
		fd[i] = make_task(&task[i], true);
		give(fd[i]);
	}
	sleep_ms(200);
	assert_int_equal(view->starts | notify->starts, 0);
	(void)kill(task[1], SIGCONT);
	EVENTUALLY(notify->starts == 1 && notify->n == 2);
	sleep_ms(50);
	assert_int_equal(view->starts, 0);
	ask();
	EVENTUALLY(view->starts == 1);
	/* from now on what arrives is the workers' alone */
	sleep_ms(50);
	before = proc_number(m.pid, "schedstat", ""); /* ns on a processor */
	(void)kill(task[0], SIGCONT);
	sleep_ms(200);
	assert_true(proc_number(m.pid, "schedstat", "") - before < 5000000);
	/* and one that dies is replaced without being asked for */
	(void)kill(view->pid, SIGKILL);
	(void)kill(notify->pid, SIGKILL);
	EVENTUALLY(view->starts == 2 && notify->starts == 2);
	for (int i = 0; i < 2; i++) {
		(void)close(fd[i]);
		end_task(task[i]);
	}
}

/* ---- life and death ------------------------------------------------------------------------------------------- */

static void test_not_committed(void **state)
{
	(void)state;
	launch("ok");
	assert_false(monitor_is_there(dir_fd));
	(void)close(m.control);
	m.control = -EBADF;
	assert_int_equal(wait_monitor(), 0);
	assert_int_equal(view->starts, 0);
}

static void test_runtime_dies(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	assert_true(pid >= 0);
	if (pid == 0) {
		struct monitor_params p = params_for("ok");

		CHILD_CHECK(monitor_launch(&p, &m, &err) == 0);
		(void)kill(getpid(), SIGKILL);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(nothing_left(), 0);
}

static void test_init_dies(void **state)
{
	pid_t task;
	int fd;
	struct stat st;

	(void)state;
	run("ok");
	fd = make_listener(&task);
	give(fd);
	EVENTUALLY(view->starts == 1 && notify->starts == 1);
	assert_int_equal(fstatat(dir_fd, MONITOR_SOCKET, &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_true(monitor_is_there(dir_fd));
	end_task(init_pid);
	init_pid = 0;
	assert_int_equal(wait_monitor(), 0);
	/* it has buried its workers: nobody else had to */
	assert_false(is_alive(view->pid));
	assert_false(is_alive(notify->pid));
	assert_false(monitor_is_there(dir_fd));
	assert_int_equal(monitor_give_listener(dir_fd, fd, &err), -ECONNREFUSED);
	(void)close(fd);
	end_task(task);
}

static void test_init_dead_before(void **state)
{
	int pidfd;
	pid_t pid = fork();

	(void)state;
	if (pid == 0)
		_exit(0);
	launch("ok");
	pidfd = pidfd_open(pid, 0);
	assert_true(pidfd >= 0);
	assert_int_equal(monitor_commit(&m, pidfd, dir_fd, &err), 0);
	(void)close(pidfd);
	assert_int_equal(wait_monitor(), 0);
	(void)waitpid(pid, NULL, 0);
}

static void test_signals(void **state)
{
	static const int ignored[] = { SIGTERM, SIGHUP, SIGINT, SIGPIPE, SIGQUIT };

	(void)state;
	run("ok");
	EVENTUALLY(view->starts == 1);
	for (size_t i = 0; i < ARRAY_SIZE(ignored); i++)
		assert_int_equal(kill(-getsid(m.pid), ignored[i]), 0);
	sleep_ms(50);
	assert_true(monitor_is_there(dir_fd));
	assert_int_equal(view->starts, 1);
}

/* ---- workers that die ----------------------------------------------------------------------------------------- */

/* 0 0 1 2 4 .. 64 100 100: some 8 starts in 130 ms, then 10 a second. */
static void check_back_off(const char *id)
{
	uint32_t n;

	run(id);
	EVENTUALLY(view->starts >= 6);
	sleep_ms(1000);
	n = view->starts;
	assert_in_range(n, 10, 24);
	assert_int_equal(view->bad, 0);
	assert_true(monitor_is_there(dir_fd));
}

static void test_exit(void **state)
{
	(void)state;
	check_back_off("exit");
}

static void test_crash(void **state)
{
	(void)state;
	check_back_off("crash");
}

static void test_stop(void **state)
{
	(void)state;
	check_back_off("stop");
}

static void test_stopped_later(void **state)
{
	(void)state;
	run("ok");
	EVENTUALLY(view->starts == 1);
	assert_int_equal(kill(view->pid, SIGSTOP), 0);
	EVENTUALLY(view->starts == 2);
}

static void test_orphans(void **state)
{
	(void)state;
	run("orphan");
	for (uint32_t i = 1; i <= 8; i++) {
		EVENTUALLY(view->starts == i);
		assert_true(is_alive(view->orphan));
		(void)kill(view->pid, SIGKILL);
	}
	EVENTUALLY(view->starts == 9);
	assert_int_equal(view->survivors, 0);
}

static void test_delays(void **state)
{
	static const int expected[] = { 0, 0, 1, 2, 4, 8, 16, 32, 64, 100, 100 };

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(expected); i++)
		assert_int_equal(worker_delay(i), expected[i]);
	assert_int_equal(worker_delay(~0u), 100);
}

static void test_long_life(void **state)
{
	int64_t t;

	(void)state;
	run("ok");
	for (uint32_t i = 1; i <= 12; i++) {
		EVENTUALLY(view->starts == i);
		(void)kill(view->pid, SIGKILL);
	}
	EVENTUALLY(view->starts == 13);
	/* forgiven after a second of life: at once again */
	sleep_ms(1100);
	t = now_us();
	(void)kill(view->pid, SIGKILL);
	EVENTUALLY(view->starts == 14);
	assert_true(now_us() - t < 80000);
}

static void test_kills(void **state)
{
	const uint32_t kills = getenv("CAISSON_TEST_LONG") ? 1000 : 100;
	pid_t task;
	int fd = make_listener(&task), before;

	(void)state;
	run("ok");
	give(fd);
	EVENTUALLY(view->starts == 1 && notify->n == 1);
	before = settled_fds();
	srandom(1);
	for (uint32_t i = 1; i <= kills; i++) {
		EVENTUALLY(view->starts == i);
		if (random() % 2)
			(void)poll(NULL, 0, (int)(random() % 3));
		(void)kill(view->pid, SIGKILL);
		if (random() % 4 == 0)
			(void)kill(notify->pid, SIGKILL);
	}
	EVENTUALLY(view->starts == kills + 1 && notify->n == 1);
	assert_int_equal(view->bad | notify->bad, 0);
	assert_int_equal(settled_fds(), before);
	assert_true(monitor_is_there(dir_fd));
	(void)close(fd);
	end_task(task);
}

/* Ten seconds of a worker that cannot live: then nobody waits for it any more. */
static void test_given_up(void **state)
{
	char link[64], path[64];
	ssize_t n;
	pid_t task;
	uint32_t starts;
	int fd = make_listener(&task);

	(void)state;
	run("exit");
	give(fd);
	sleep_ms(9000);
	(void)snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)m.pid, WORKER_FD_CHANGING);
	n = readlink(path, link, sizeof link - 1);
	assert_true(n == 9 && memcmp(link, "/dev/fuse", 9) == 0);
	sleep_ms(2500);
	n = readlink(path, link, sizeof link - 1);
	assert_true(n == 9 && memcmp(link, "/dev/null", 9) == 0);
	starts = view->starts + notify->starts;
	sleep_ms(500);
	assert_int_equal(view->starts + notify->starts, starts);
	assert_int_equal(monitor_give_listener(dir_fd, fd, &err), -EIO);
	(void)close(fd);
	end_task(task);
}

/* ---- listeners ------------------------------------------------------------------------------------------------ */

static void test_listeners(void **state)
{
	pid_t task[3];
	int fd[3];

	(void)state;
	run("ok");
	EVENTUALLY(view->starts == 1);
	assert_int_equal(notify->starts, 0);
	for (int i = 0; i < 3; i++) {
		fd[i] = make_listener(&task[i]);
		give(fd[i]);
		(void)close(fd[i]);
	}
	EVENTUALLY(notify->n == 3);
	for (uint32_t i = 2; i < 6; i++) {
		(void)kill(notify->pid, SIGKILL);
		EVENTUALLY(notify->starts == i && notify->n == 3);
		assert_true(notify->numbers[0] == 0 && notify->numbers[1] == 1 && notify->numbers[2] == 2);
	}
	/* the tasks of the second are gone: so is it */
	end_task(task[1]);
	sleep_ms(50);
	(void)kill(notify->pid, SIGKILL);
	EVENTUALLY(notify->starts == 6 && notify->n == 2);
	assert_true(notify->numbers[0] == 0 && notify->numbers[1] == 2);
	/* and its number is not used again */
	fd[1] = make_listener(&task[1]);
	give(fd[1]);
	(void)close(fd[1]);
	EVENTUALLY(notify->n == 3);
	assert_int_equal(notify->numbers[2], 3);
	assert_int_equal(notify->no_fd | notify->unordered, 0);
	for (int i = 0; i < 3; i++)
		end_task(task[i]);
	/* with nobody to serve, a worker that dies is not missed */
	sleep_ms(50);
	(void)kill(notify->pid, SIGKILL);
	sleep_ms(200);
	assert_int_equal(notify->starts, 6);
}

static void fill(int fd)
{
	for (unsigned i = 0; i < MONITOR_LISTENERS_MAX; i++)
		give(fd);
	assert_int_equal(monitor_give_listener(dir_fd, fd, &err), -ENFILE);
	assert_non_null(strstr(err.msg, "4096"));
}

static void test_too_many(void **state)
{
	pid_t task;
	int fd = make_listener(&task), before;

	(void)state;
	run("ok");
	before = settled_fds();
	fill(fd);
	EVENTUALLY(notify->n == MONITOR_LISTENERS_MAX);
	(void)kill(notify->pid, SIGKILL);
	EVENTUALLY(notify->starts == 2 && notify->n == MONITOR_LISTENERS_MAX);
	assert_int_equal(notify->no_fd | notify->unordered, 0);
	(void)close(fd);
	end_task(task);
	assert_in_range(settled_fds(), before, before + 1);
}

/* A low limit of open files: a worker at work must have some left, so fewer listeners are taken. */
static void test_few_files(void **state)
{
	const struct rlimit few = { MONITOR_FDS_BESIDES + 4, MONITOR_FDS_BESIDES + 4 };
	struct rlimit usual;
	int status;
	pid_t pid;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &usual), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		pid_t task;
		int fd;

		CHILD_CHECK(setrlimit(RLIMIT_NOFILE, &few) == 0);
		if (setrlimit(RLIMIT_NOFILE, &usual) == 0)
			_exit(77); /* root may raise it again, and so does the monitor */
		run("ok");
		fd = make_listener(&task);
		for (int i = 0; i < 4; i++)
			CHILD_CHECK(monitor_give_listener(dir_fd, fd, &err) == 0);
		CHILD_CHECK(monitor_give_listener(dir_fd, fd, &err) == -ENFILE);
		CHILD_CHECK(strstr(err.msg, "open files") != NULL);
		_exit(0);
	}
	status = test_wait(pid);
	if (status == 77)
		skip();
	assert_int_equal(status, 0);
}

/* Has the monitor done nothing since the last look, a while ago? */
static bool is_asleep(long *last)
{
	long before = *last;

	sleep_ms(100);
	*last = proc_number(m.pid, "status", "\nvoluntary_ctxt_switches:");
	return *last == before;
}

/* A worker that does not read: the socket is full, and neither we nor the processor notice. */
static void test_deaf(void **state)
{
	pid_t task;
	int fd = make_listener(&task);
	long before;

	(void)state;
	run("deaf");
	fill(fd);
	EVENTUALLY(notify->starts == 1);
	/* until it has given away what fits */
	before = -1;
	EVENTUALLY(is_asleep(&before));
	sleep_ms(300);
	assert_int_equal(proc_number(m.pid, "status", "\nvoluntary_ctxt_switches:"), before);
	(void)close(fd);
	end_task(task);
}

static void test_no_listener(void **state)
{
	int pair[2];

	(void)state;
	run("ok");
	assert_int_equal(pipe2(pair, O_CLOEXEC), 0);
	assert_int_equal(monitor_give_listener(dir_fd, pair[0], &err), -EINVAL);
	assert_int_equal(monitor_give_listener(dir_fd, proc_fd, &err), -EINVAL);
	assert_int_equal(monitor_give_listener(dir_fd, dir_fd, &err), -EINVAL);
	assert_int_equal(notify->starts, 0);
	(void)close(pair[0]);
	(void)close(pair[1]);
}

static int connect_raw(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	(void)snprintf(addr.sun_path, sizeof addr.sun_path, "/proc/self/fd/%d/" MONITOR_SOCKET, dir_fd);
	return fd < 0 || connect(fd, (const struct sockaddr *)&addr, sizeof addr) < 0 ? -errno : fd;
}

/* Connections that say nothing, say too much, or come from others. */
static void test_bad_clients(void **state)
{
	const uint32_t words[4] = { MONITOR_GIVE };
	static const size_t counts[] = { 1, 2, 0, 1 }, lengths[] = { 8, 4, 4, 1 };
	int idle[40], fd, before;
	int32_t answer;
	pid_t task, pid;
	size_t n;

	(void)state;
	run("ok");
	fd = make_listener(&task);
	before = settled_fds();
	for (size_t i = 0; i < ARRAY_SIZE(idle); i++)
		assert_true((idle[i] = connect_raw()) >= 0);
	give(fd);
	assert_in_range(settled_fds(), before + 30,
			before + 36); /* 32 of them, the listener, the worker's socket */
	for (size_t i = 0; i < ARRAY_SIZE(idle); i++)
		(void)close(idle[i]);
	assert_int_equal(settled_fds(), before + 2);
	for (int what = 0; what < 4; what++) {
		idle[0] = connect_raw();
		(void)monitor_send(idle[0], words, lengths[what], (const int[]){ fd, fd }, counts[what], 0);
		assert_int_equal(monitor_receive(idle[0], &answer, sizeof answer, NULL, 0, &n, 0), 4);
		assert_true(answer == -EPROTO || answer == -EMFILE);
		(void)close(idle[0]);
	}
	assert_int_equal(settled_fds(), before + 2);

	assert_int_equal(chmod(state_dir, 0777) | fchmodat(dir_fd, MONITOR_SOCKET, 0666, 0), 0);
	pid = fork();
	if (pid == 0) {
		CHILD_CHECK(setuid(65534) == 0);
		idle[0] = connect_raw();
		CHILD_CHECK(idle[0] >= 0);
		(void)monitor_send(idle[0], words, 4, &fd, 1, 0);
		CHILD_CHECK(monitor_receive(idle[0], &answer, sizeof answer, NULL, 0, &n, 0) <= 0);
		_exit(0);
	}
	assert_int_equal(test_wait(pid), 0);
	assert_int_equal(settled_fds(), before + 2);
	EVENTUALLY(notify->n == 1);
	(void)close(fd);
	end_task(task);
}

/* ---- cost ----------------------------------------------------------------------------------------------------- */

static void test_idle(void **state)
{
	pid_t task;
	int fd = make_listener(&task);
	long before, after;

	(void)state;
	run("ok");
	give(fd);
	EVENTUALLY(view->starts == 1 && notify->n == 1);
	sleep_ms(50);
	before = proc_number(m.pid, "status", "\nvoluntary_ctxt_switches:");
	sleep_ms(1000);
	after = proc_number(m.pid, "status", "\nvoluntary_ctxt_switches:");
	assert_true(before > 0);
	assert_int_equal(before, after);
	print_message("monitor: PSS %ld kB, private %ld + %ld kB\n", proc_number(m.pid, "smaps_rollup", "\nPss:"),
		      proc_number(m.pid, "smaps_rollup", "\nPrivate_Clean:"),
		      proc_number(m.pid, "smaps_rollup", "\nPrivate_Dirty:"));
	/* The rest is the program itself, which all monitors share. Not what is dirty: a file that was just written is. */
	assert_in_range(proc_number(m.pid, "smaps_rollup", "\nAnonymous:"), 1, 100);
	(void)close(fd);
	end_task(task);
}

/* 0 when the capabilities are as few as they are meant to be. */
static void test_rights(void **state)
{
	char path[64];
	_cleanup_free_ char *text = NULL;

	(void)state;
	run("ok");
	(void)snprintf(path, sizeof path, "/proc/%d/status", (int)m.pid);
	assert_int_equal(io_read_at(AT_FDCWD, path, 1 << 16, &text, NULL), 0);
	/* CAP_KILL and, where root has it, CAP_SYS_RESOURCE */
	assert_true(strstr(text, "CapPrm:\t0000000001000020\nCapEff:\t0000000001000020\n") ||
		    strstr(text, "CapPrm:\t0000000000000020\nCapEff:\t0000000000000020\n"));
	assert_non_null(strstr(text, "Name:\tcaisson-monitor\n"));
	assert_true(proc_number(m.pid, "limits", "Max open files") >= (long)MONITOR_LISTENERS_MAX + 256);
}

static int compare(const void *a, const void *b)
{
	const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

static void report(const char *what, int64_t *us, size_t n)
{
	qsort(us, n, sizeof us[0], compare);
	print_message("%s: %ld us at best, %ld median, %ld at worst\n", what, (long)us[0], (long)us[n / 2],
		      (long)us[n - 1]);
}

static void test_time(void **state)
{
	enum { ROUNDS = 41 };
	static int64_t launched[ROUNDS], carriers[ROUNDS], committed[ROUNDS];

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		const struct monitor_params p = params_for("ok");
		int64_t start = now_us();

		assert_int_equal(monitor_launch(&p, &m, &err), 0);
		launched[i] = now_us() - start;
		assert_int_equal(monitor_carriers(&m, &err), 0);
		carriers[i] = now_us() - start;
		commit();
		committed[i] = now_us() - start;
		monitor_done(&m);
		end_task(init_pid);
		init_pid = 0;
		assert_int_equal(nothing_left(), 0);
		assert_int_equal(unlinkat(dir_fd, MONITOR_SOCKET, 0), 0);
	}
	report("monitor_launch()", launched, ROUNDS);
	report("until monitor_carriers()", carriers, ROUNDS);
	report("until monitor_commit(), with a fork", committed, ROUNDS);
}

int main(int argc, char **argv)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	/* A pattern chooses: test-monitor "test_t*". */
	const struct CMUnitTest all[] = {
		/* clang-format off */
		T(test_carriers), T(test_params), T(test_refused), T(test_worker_gets), T(test_pipes_end),
		T(test_names), T(test_dormant), T(test_not_committed), T(test_runtime_dies), T(test_init_dies), T(test_init_dead_before),
		T(test_signals), T(test_exit), T(test_crash), T(test_stop), T(test_stopped_later),
		T(test_orphans), T(test_delays), T(test_long_life), T(test_kills), T(test_given_up),
		T(test_listeners), T(test_too_many), T(test_few_files), T(test_deaf), T(test_no_listener),
		T(test_bad_clients), T(test_idle), T(test_rights), T(test_time),
		/* clang-format on */
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(all, group_setup, group_teardown);
}
