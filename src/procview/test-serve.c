/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server with the real kernel: both connections mounted in a private mount namespace, servers forked and
 * killed, files used by container root. Needs root and /dev/fuse. CAISSON_SOAK=N: N kills in place of 200.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <sys/xattr.h>

#include <cmocka.h>

#include "procview/init.h"
#include "procview/inputs.h"
#include "procview/procview.h"
#include "procview/sandbox.h"
#include "procview/serve.h"
#include "procview/test-view.h"
#include "sys/mnt.h"
#include "sys/test-dir.h"
#include "sys/userns.h"

#define BASE	100000u
#define READERS 4

/* What happens to a run, on purpose, to see that it is noticed. */
enum harm { HARM_NONE, HARM_WIPE_SLOT, HARM_FORGET_WRITES };

struct reader_stats {
	uint64_t ops, wrong;
	char first[128]; /* what was wrong first */
};

struct fixture {
	char dir[64];
	int fd[VIEW_CONNS], userns;
	struct view_shared *shared;
	struct reader_stats *stats;
	bool *stop;
	struct view view;
	pid_t server;
};

static int proc_fd = -EBADF;
static char top[] = "/tmp/caisson-test-serve.XXXXXX";

/* ---- servers -------------------------------------------------------------------------------------------------- */

static enum view_point die_at;
static unsigned die_after;
static bool deadly;

static void maybe_die(enum view_point point)
{
	if (deadly && point == die_at && die_after-- == 0)
		(void)raise(SIGKILL);
}

/* A server; with @after > 0 it ends itself when it comes to @at for that time. */
static pid_t start_server(struct fixture *f, enum harm harm, enum view_point at, unsigned after, bool sandboxed)
{
	struct err e = { 0 };
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	deadly = after > 0;
	die_at = at;
	die_after = after - 1;
	f->view.point = maybe_die;
	if (harm == HARM_WIPE_SLOT) {
		memset(f->shared->changing.buf, 0, sizeof f->shared->changing.buf);
		memset(f->shared->sysctl.buf, 0, sizeof f->shared->sysctl.buf);
	}
	for (size_t i = 0; harm == HARM_FORGET_WRITES && i < ROW_N; i++)
		memset(f->shared->value[i].unique, 0, sizeof f->shared->value[i].unique);
	CHILD_CHECK(sandbox_lock(f->shared, &serve_answer, sizeof serve_answer, &e) == 0);
	if (sandboxed)
		CHILD_CHECK(sandbox_enter(SANDBOX_UID(BASE), f->fd, &e) == 0);
	serve_recover(&f->view, f->fd);
	_exit(serve_loop(&f->view, f->fd) < 0);
}

static void kill_server(pid_t pid)
{
	int status;

	(void)kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
}

/* ---- fixtures ------------------------------------------------------------------------------------------------- */

static void mount_one(struct fixture *f, enum view_conn conn, const char *name)
{
	struct err e = { 0 };
	_cleanup_close_ int mnt = -EBADF, dir = -EBADF;
	char path[128];

	(void)snprintf(path, sizeof path, "%s/%s", f->dir, name);
	assert_int_equal(mkdir(path, 0755), 0);
	f->fd[conn] = open("/dev/fuse", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	assert_true(f->fd[conn] >= 0);
	mnt = fuse_mount(f->fd[conn], &e);
	if (mnt < 0)
		fail_msg("%s", e.msg);
	if (fuse_answer_init(f->fd[conn], conn == VIEW_CHANGING, &e) < 0)
		fail_msg("%s", e.msg);
	dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(mnt_attach(mnt, dir, &e), 0);
}

static void *shared_pages(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_true(p != MAP_FAILED);
	return p;
}

static struct fixture *make_fixture(void)
{
	static unsigned number;
	struct fixture *f = calloc(1, sizeof *f);
	struct err e = { 0 };

	assert_non_null(f);
	(void)snprintf(f->dir, sizeof f->dir, "%s/%u", top, number++);
	assert_int_equal(mkdir(f->dir, 0755), 0);
	mount_one(f, VIEW_CHANGING, "c");
	mount_one(f, VIEW_SYSCTL, "s");
	f->shared = shared_pages(sizeof *f->shared);
	f->stats = shared_pages(READERS * sizeof *f->stats);
	f->stop = shared_pages(sizeof *f->stop);
	f->shared->params = (struct emu_params){ .magic = EMU_MAGIC, .base = BASE, .boot_time = 1700000000 };
	f->view = (struct view){ .shared = f->shared, .table = test_table, .collect = test_collect };
	assert_int_equal(view_init(&f->view), 0);
	inputs_first_values(f->shared, test_rows, ROW_N, -EBADF, -EBADF);
	f->userns = userns_make(proc_fd, "0 100000 65536\n", "0 100000 65536\n", &e);
	assert_true(f->userns >= 0);
	return f;
}

static void drop_fixture(struct fixture *f)
{
	char path[128];

	if (f->server > 0)
		kill_server(f->server);
	for (int i = 0; i < VIEW_CONNS; i++) {
		(void)snprintf(path, sizeof path, "%s/%s", f->dir, i == VIEW_CHANGING ? "c" : "s");
		f->fd[i] = fd_close(f->fd[i]); /* ends what is still waited for */
		assert_int_equal(umount2(path, MNT_DETACH), 0);
	}
	f->userns = fd_close(f->userns);
	(void)munmap(f->shared, sizeof *f->shared);
	(void)munmap(f->stats, READERS * sizeof *f->stats);
	(void)munmap(f->stop, sizeof *f->stop);
	free(f);
}

static int setup(void **state)
{
	*state = make_fixture();
	return 0;
}

static int setup_served(void **state)
{
	struct fixture *f = make_fixture();

	f->server = start_server(f, HARM_NONE, 0, 0, true);
	*state = f;
	return f->server > 0 ? 0 : -1;
}

static int teardown(void **state)
{
	drop_fixture(*state);
	return 0;
}

static const char *path_of(const struct fixture *f, size_t row)
{
	static char path[8][128];
	static unsigned next;
	char *p = path[next++ % 8];
	char name[EMU_NAME_MAX];

	emu_name(row, name);
	(void)snprintf(p, sizeof path[0], "%s/%s/%s", f->dir, test_rows[row].carrier == EMU_CHANGING ? "c" : "s",
		       name);
	return p;
}

/* In a child: be container root, with nothing of the connections but their files. */
static void become_container_root(const struct fixture *f)
{
	CHILD_CHECK(setns(f->userns, CLONE_NEWUSER) == 0);
	CHILD_CHECK(setgid(0) == 0 && setuid(0) == 0);
	(void)close(f->fd[0]);
	(void)close(f->fd[1]);
}

static ssize_t slurp(const char *path, char *buf, size_t size)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t len = 0;

	if (fd < 0)
		return -errno;
	for (;;) {
		ssize_t n = read(fd, buf + len, size - 1 - len);

		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	buf[len] = '\0';
	return (ssize_t)len;
}

/* By one read(2): what comes behind it may be of another time. */
static ssize_t gulp(const char *path, char *buf, size_t size)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, size - 1);

	if (n < 0)
		return -errno;
	buf[n] = '\0';
	return n;
}

static ssize_t put(const char *path, int flags, const char *text)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC | flags);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = write(fd, text, strlen(text));
	return n < 0 ? -errno : n;
}

/* ---- files look like procfs's ---------------------------------------------------------------------------------- */

/* Every line the same. Return: how many, 0 for a mixture. */
static unsigned tick_lines(const char *text)
{
	size_t len = strcspn(text, "\n") + 1;
	unsigned n = 0;

	for (const char *p = text; *p; p += len, n++)
		if (strncmp(p, text, len) != 0)
			return 0;
	return n == 5 + strtoull(text, NULL, 10) % 20 ? n : 0;
}

static char *shell_output(const char *fmt, const char *path, char *buf, size_t size)
{
	char command[512];
	FILE *p;
	size_t n;

	(void)snprintf(command, sizeof command, "set -- '%s'; %s", path, fmt);
	p = popen(command, "re");
	if (!p)
		return NULL;
	n = fread(buf, 1, size - 1, p);
	buf[n] = '\0';
	(void)pclose(p);
	return buf;
}

static void check_tools(const struct fixture *f)
{
	static const char *const readers[] = {
		"cat $1",
		"busybox cat $1",
		"dd if=$1 bs=1 2>/dev/null",
		"dd if=$1 bs=4096 2>/dev/null",
		"tail -n 1000 $1",
		"tail -c 100000 $1",
		"head -n 1000 $1",
		"cp $1 /dev/stdout",
		"python3 -c 'import sys; sys.stdout.write(open(sys.argv[1]).read())' $1",
	};
	char out[16384], fixed[16384];

	CHILD_CHECK(test_render_fixed(NULL, fixed, sizeof fixed) == FIXED_LEN);
	for (size_t i = 0; i < ARRAY_SIZE(readers); i++) {
		bool bytewise = strstr(readers[i], "bs=1 ") != NULL;

		CHILD_CHECK(shell_output(readers[i], path_of(f, ROW_FIXED), out, sizeof out));
		CHILD_CHECK(strlen(out) == FIXED_LEN && memcmp(out, fixed, FIXED_LEN) == 0);
		CHILD_CHECK(shell_output(readers[i], path_of(f, ROW_TICK), out, sizeof out));
		CHILD_CHECK(tick_lines(out) > 0);
		CHILD_CHECK(shell_output(readers[i], path_of(f, ROW_TEXT), out, sizeof out));
		CHILD_CHECK(strcmp(out, "some text\n") == 0);
		CHILD_CHECK(shell_output(readers[i], path_of(f, ROW_INT), out, sizeof out));
		/* one read and it ends, as the kernel's own numbers */
		CHILD_CHECK(strcmp(out, bytewise ? "4" : "4711\n") == 0);
	}
	CHILD_CHECK(strtoul(shell_output("wc -c <$1", path_of(f, ROW_INT), out, sizeof out), NULL, 10) == 5);
	CHILD_CHECK(strtoul(shell_output("wc -c <$1", path_of(f, ROW_FIXED), out, sizeof out), NULL, 10) ==
		    FIXED_LEN);
	CHILD_CHECK(shell_output("read x <$1; echo $x", path_of(f, ROW_TEXT), out, sizeof out));
	CHILD_CHECK(strcmp(out, "some text\n") == 0);
}

static ssize_t by_sendfile(const char *path, char *buf, size_t size, bool use_splice)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC), to = memfd_create("to", MFD_CLOEXEC);
	int pipe_fd[2];
	ssize_t n;

	if (fd < 0 || to < 0 || pipe2(pipe_fd, O_CLOEXEC) < 0)
		return -1;
	for (;;) {
		n = use_splice ? splice(fd, NULL, pipe_fd[1], NULL, size, 0) : sendfile(to, fd, NULL, size);
		if (n <= 0)
			break;
		if (use_splice && splice(pipe_fd[0], NULL, to, NULL, (size_t)n, 0) != n)
			return -1;
	}
	(void)close(pipe_fd[0]);
	(void)close(pipe_fd[1]);
	n = n < 0 ? n : pread(to, buf, size - 1, 0);
	buf[n < 0 ? 0 : n] = '\0';
	return n;
}

static void ask_for_sizes(const struct fixture *f)
{
	struct stat st;
	char out[64];

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	become_container_root(f);
	for (;;) {
		(void)stat(path_of(f, ROW_TEXT), &st);
		(void)slurp(path_of(f, ROW_TEXT), out, sizeof out);
	}
}

/* Others who look at the file meanwhile must not lengthen what sendfile(2) sees. */
static void concurrent_readers_do_not_disturb_sendfile(void **state)
{
	const struct fixture *f = *state;
	pid_t other = fork();
	char out[16384];
	unsigned bad = 0;

	if (other == 0)
		ask_for_sizes(f);
	for (int i = 0; i < 5000; i++) {
		ssize_t n = by_sendfile(path_of(f, ROW_TEXT), out, sizeof out, i & 1);

		bad += n != 10 || memcmp(out, "some text\n", 10) != 0;
	}
	kill_server(other);
	assert_int_equal(bad, 0);
}

/* After values that grow and shrink: what is in the page cache must not show. */
static void check_splice(const struct fixture *f)
{
	static const char *const values[] = { "7\n", "123456789\n", "42\n", "0\n", "1999999999\n" };
	char out[16384];

	for (int round = 0; round < 40; round++) {
		const char *v = values[round % 5];

		CHILD_CHECK(put(path_of(f, ROW_INT), 0, v) == (ssize_t)strlen(v));
		CHILD_CHECK(by_sendfile(path_of(f, ROW_INT), out, sizeof out, round & 1) == (ssize_t)strlen(v));
		CHILD_CHECK(strcmp(out, v) == 0);
		CHILD_CHECK(by_sendfile(path_of(f, ROW_TICK), out, sizeof out, round & 1) > 0 &&
			    tick_lines(out) > 0);
		CHILD_CHECK(by_sendfile(path_of(f, ROW_FIXED), out, sizeof out, round & 1) == FIXED_LEN);
	}
}

static void check_writes(const struct fixture *f)
{
	const char *path = path_of(f, ROW_INT);
	_cleanup_close_ int fd = -EBADF;
	char out[256], *big;

	CHILD_CHECK(put(path, 0, "77\n") == 3);
	CHILD_CHECK(put(path, O_TRUNC, "nonsense") == -EINVAL);
	CHILD_CHECK(slurp(path, out, sizeof out) == 3 && strcmp(out, "77\n") == 0);
	fd = open(path, O_RDWR | O_TRUNC | O_APPEND | O_CLOEXEC);
	CHILD_CHECK(fd >= 0);
	CHILD_CHECK(slurp(path, out, sizeof out) == 3 && strcmp(out, "77\n") == 0); /* O_TRUNC alone: nothing */
	CHILD_CHECK(ftruncate(fd, 0) == 0 && ftruncate(fd, 100) == 0 && truncate(path, 1) == 0);
	CHILD_CHECK(slurp(path, out, sizeof out) == 3);
	fd = fd_close(fd);
	fd = open(path, O_RDWR | O_CLOEXEC);
	CHILD_CHECK(pwrite(fd, "5\n", 2, 1) == 2); /* accepted, ignored */
	CHILD_CHECK(pread(fd, out, sizeof out, 0) == 3 && memcmp(out, "77\n", 3) == 0);
	CHILD_CHECK(pread(fd, out, sizeof out, 1) == 0); /* at its end after one read */
	CHILD_CHECK(pwrite(fd, "8\n", 2, 0) == 2 && pread(fd, out, sizeof out, 0) == 2 && out[0] == '8');
	CHILD_CHECK(put(path_of(f, ROW_TEXT), 0, "other") == 5);
	CHILD_CHECK(slurp(path_of(f, ROW_TEXT), out, sizeof out) == 6 && strcmp(out, "other\n") == 0);
	/* more than one page: the value is judged by its first piece, as is the kernel's */
	big = calloc(1, 10000);
	CHILD_CHECK(big);
	memset(big, 'x', 9999);
	CHILD_CHECK(put(path, 0, big) == -EINVAL);
	free(big);
}

/* `echo 34 >>` counts as `echo 34 >`, with no trace of the end that FUSE puts it at. */
static void check_appends(const struct fixture *f)
{
	const char *path = path_of(f, ROW_INT);
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);
	char out[256];

	CHILD_CHECK(put(path, O_APPEND, "123456\n") == 7 && put(path, O_APPEND, "34\n") == 3);
	CHILD_CHECK(by_sendfile(path, out, sizeof out, false) == 3 && strcmp(out, "34\n") == 0);
	CHILD_CHECK(put(path, O_APPEND, "nonsense") == -EINVAL && slurp(path, out, sizeof out) == 3);
	/* as the descriptor is when it is written to */
	CHILD_CHECK(fd >= 0 && write(fd, "6\n", 2) == 2 && write(fd, "7\n", 2) == 2); /* the second: ignored */
	CHILD_CHECK(slurp(path, out, sizeof out) == 2 && strcmp(out, "6\n") == 0);
	CHILD_CHECK(fcntl(fd, F_SETFL, O_APPEND) == 0 && write(fd, "8\n", 2) == 2);
	CHILD_CHECK(slurp(path, out, sizeof out) == 2 && strcmp(out, "8\n") == 0);
}

static void check_attributes(const struct fixture *f)
{
	const char *path = path_of(f, ROW_INT);
	_cleanup_close_ int fd = open(path, O_RDWR | O_CLOEXEC);
	struct stat st;
	char buf[64];

	CHILD_CHECK(fd >= 0);
	CHILD_CHECK(chmod(path, 0777) < 0 && errno == EPERM);
	CHILD_CHECK(fchown(fd, 0, 0) < 0 && errno == EPERM);
	CHILD_CHECK(utimensat(AT_FDCWD, path, NULL, 0) == 0);
	CHILD_CHECK(setxattr(path, "user.x", "1", 1, 0) < 0 && errno == ENOTSUP);
	CHILD_CHECK(getxattr(path, "user.x", buf, sizeof buf) < 0 && errno == ENOTSUP);
	CHILD_CHECK(removexattr(path, "user.x") < 0 && errno == ENOTSUP);
	CHILD_CHECK(listxattr(path, buf, sizeof buf) == 0 && listxattr(path, NULL, 0) == 0);
	CHILD_CHECK(fallocate(fd, 0, 0, 10) < 0 && errno == EOPNOTSUPP);
	CHILD_CHECK(fsync(fd) < 0 && errno == EINVAL);
	CHILD_CHECK(mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED);
	CHILD_CHECK(fstat(fd, &st) == 0 && st.st_uid == 0 && st.st_gid == 0 && (st.st_mode & 07777) == 0644);
	CHILD_CHECK(lstat(path_of(f, ROW_FIXED), &st) == 0 && st.st_size == FIXED_LEN);
	CHILD_CHECK(st.st_mode == (S_IFREG | 0444));
	/* no capability of container root's helps against a read-only sysctl; nor is a changing file written to */
	CHILD_CHECK(put(path_of(f, ROW_READ_ONLY), 0, "1") == -EACCES);
	CHILD_CHECK(put(path_of(f, ROW_FIXED), 0, "1") == -EIO);
	CHILD_CHECK(put(path_of(f, ROW_FIXED), O_TRUNC, "1") == -EIO);
	CHILD_CHECK(slurp(path_of(f, ROW_FIXED), (char[16384]){ 0 }, 16384) == FIXED_LEN);
	CHILD_CHECK(open(path_of(f, ROW_CONSTANT), O_RDONLY | O_CLOEXEC) < 0 && errno == ENOENT);
}

static void check_others(const struct fixture *f)
{
	char out[64];

	CHILD_CHECK(setresgid(1000, 1000, 1000) == 0 && setresuid(1000, 1000, 1000) == 0);
	CHILD_CHECK(put(path_of(f, ROW_INT), 0, "1") == -EACCES);
	CHILD_CHECK(slurp(path_of(f, ROW_SECRET), out, sizeof out) == -EACCES);
	CHILD_CHECK(slurp(path_of(f, ROW_INT), out, sizeof out) > 0);
	CHILD_CHECK(chmod(path_of(f, ROW_INT), 0777) < 0 && errno == EPERM);
}

static void in_container(const struct fixture *f, void (*check)(const struct fixture *f))
{
	pid_t pid = fork();

	if (pid == 0) {
		become_container_root(f);
		check(f);
		_exit(0);
	}
	assert_int_equal(test_wait(pid), 0);
}

static void the_usual_tools_read_them(void **state)
{
	in_container(*state, check_tools);
}

static void splice_and_sendfile_see_values_as_they_are(void **state)
{
	in_container(*state, check_splice);
}

static void writes_are_judged_and_nothing_else_changes_a_value(void **state)
{
	in_container(*state, check_writes);
	in_container(*state, check_appends);
}

static void attributes_are_those_of_procfs(void **state)
{
	in_container(*state, check_attributes);
}

static void other_users_are_refused_by_mode(void **state)
{
	in_container(*state, check_others);
}

/* Who reads by bytes, slower than a lifetime, reads one rendering all the same. */
static void a_file_that_is_open_stays_as_it_is(void **state)
{
	const struct fixture *f = *state;
	_cleanup_close_ int fd = open(path_of(f, ROW_TICK), O_RDONLY | O_CLOEXEC);
	struct timespec wait = { .tv_nsec = EMU_LIFETIME_MS * 1000000L };
	char text[1024];
	size_t len = 0;

	assert_true(fd >= 0);
	for (ssize_t n = 1; n > 0; len += (size_t)n) {
		n = read(fd, text + len, 40);
		assert_true(n >= 0);
		if (len < 200)
			assert_int_equal(nanosleep(&wait, NULL), 0);
	}
	text[len] = '\0';
	assert_true(tick_lines(text) > 0);
}

/* One rendering for a lifetime, a new one after it. */
static void a_changing_file_changes_after_its_lifetime(void **state)
{
	const struct fixture *f = *state;
	char a[1024], b[1024];
	struct timespec wait = { .tv_nsec = 3 * EMU_LIFETIME_MS * 1000000L };

	assert_true(slurp(path_of(f, ROW_TICK), a, sizeof a) > 0);
	assert_int_equal(nanosleep(&wait, NULL), 0);
	assert_true(slurp(path_of(f, ROW_TICK), b, sizeof b) > 0);
	assert_string_not_equal(a, b);
	assert_true(tick_lines(a) > 0 && tick_lines(b) > 0);
}

static void a_directory_lists_the_rows_of_its_connection(void **state)
{
	const struct fixture *f = *state;
	unsigned seen[VIEW_CONNS] = { 0 };

	for (int i = 0; i < VIEW_CONNS; i++) {
		char path[128];
		_cleanup_closedir_ DIR *d = NULL;
		const struct dirent *ent;

		(void)snprintf(path, sizeof path, "%s/%s", f->dir, i == VIEW_CHANGING ? "c" : "s");
		d = opendir(path);
		assert_non_null(d);
		while ((ent = readdir(d)))
			seen[i] += ent->d_name[0] != '.';
	}
	assert_int_equal(seen[VIEW_CHANGING], 2);
	assert_int_equal(seen[VIEW_SYSCTL], ROW_N - 3);
}

/* ---- the sandbox ------------------------------------------------------------------------------------------------- */

static void status_line(pid_t pid, const char *key, char *ret, size_t size)
{
	char path[64], text[8192];
	char *at;

	(void)snprintf(path, sizeof path, "/proc/%d/status", pid);
	assert_true(slurp(path, text, sizeof text) > 0);
	at = strstr(text, key);
	assert_non_null(at);
	(void)snprintf(ret, size, "%.*s", (int)strcspn(at, "\n"), at);
}

static void the_server_is_a_user_of_its_own_without_rights(void **state)
{
	const struct fixture *f = *state;
	char out[256], want[64];

	assert_true(slurp(path_of(f, ROW_INT), out, sizeof out) > 0); /* it has come that far */
	(void)snprintf(want, sizeof want, "Uid:\t%u\t%u\t%u\t%u", SANDBOX_UID(BASE), SANDBOX_UID(BASE),
		       SANDBOX_UID(BASE), SANDBOX_UID(BASE));
	status_line(f->server, "Uid:", out, sizeof out);
	assert_string_equal(out, want);
	status_line(f->server, "CapPrm:", out, sizeof out);
	assert_string_equal(out, "CapPrm:\t0000000000000000");
	status_line(f->server, "CapBnd:", out, sizeof out);
	assert_string_equal(out, "CapBnd:\t0000000000000000");
	status_line(f->server, "NoNewPrivs:", out, sizeof out);
	assert_string_equal(out, "NoNewPrivs:\t1");
	status_line(f->server, "Seccomp:", out, sizeof out);
	assert_string_equal(out, "Seccomp:\t2");
	status_line(f->server, "Groups:", out, sizeof out);
	assert_true(strspn(out + 7, " \t") == strlen(out + 7));
}

static void try_open(void)
{
	(void)open("/dev/null", O_RDONLY);
}

static void try_write_elsewhere(void)
{
	char byte = 0;
	struct iovec iov = { &byte, 1 };

	if (writev(2, &iov, 1) < 0)
		_exit(1);
}

static void try_memory(void)
{
	(void)mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void try_signal(void)
{
	(void)kill(getppid(), 0);
}

static void anything_else_kills_it(void **state)
{
	static void (*const tries[])(void) = { try_open, try_write_elsewhere, try_memory, try_signal };
	const struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(tries); i++) {
		int status;
		pid_t pid = fork();

		if (pid == 0) {
			CHILD_CHECK(sandbox_enter(SANDBOX_UID(BASE), f->fd, NULL) == 0);
			tries[i]();
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
	}
}

/* As the monitor starts it: descriptors by number, the real table. */
static void the_whole_program_serves_its_table(void **state)
{
	struct fixture *f = *state;
	int memfd = memfd_create("view", MFD_CLOEXEC), sysfs = open("/sys", O_PATH | O_CLOEXEC);
	const struct emu_params params = { .magic = EMU_MAGIC, .base = BASE, .id = "c" };
	char out[EMU_RENDER_MAX], name[EMU_NAME_MAX], path[128];
	unsigned changing = 0;

	assert_int_equal(ftruncate(memfd, sizeof(struct view_shared)), 0);
	assert_int_equal(pwrite(memfd, &params, sizeof params, 0), sizeof params);
	f->server = fork();
	if (f->server == 0) {
		const int from[] = { memfd, proc_fd, f->fd[0], f->fd[1], sysfs };
		const struct view_table table = { emu_rows, emu_n_rows, emu_value_parse };
		struct err e = { 0 };
		int high[ARRAY_SIZE(from)];

		for (size_t i = 0; i < ARRAY_SIZE(from); i++)
			CHILD_CHECK((high[i] = fcntl(from[i], F_DUPFD, 100)) >= 0);
		for (size_t i = 0; i < ARRAY_SIZE(from); i++)
			CHILD_CHECK(dup2(high[i], WORKER_FD_SHARED + (int)i) >= 0);
		CHILD_CHECK(close_range(WORKER_FD_CG_MEMORY, ~0u, 0) == 0);
		(void)procview_run(&table, &e);
		CHILD_CHECK(e.code == 0);
		_exit(0);
	}
	for (size_t i = 0; i < emu_n_rows; i++) {
		bool sysctl = emu_rows[i].carrier == EMU_SYSCTL;

		if (!sysctl && emu_rows[i].carrier != EMU_CHANGING)
			continue;
		emu_name(i, name);
		(void)snprintf(path, sizeof path, "%s/%s/%s", f->dir, sysctl ? "s" : "c", name);
		if (slurp(path, out, sizeof out) < 0)
			fail_msg("%s (%s): %s", path, emu_rows[i].path, strerror(errno));
		if (!sysctl)
			changing += out[0] != '\0';
	}
	assert_true(changing > 3);
	(void)close(memfd);
	(void)close(sysfs);
}

static void it_ends_when_nothing_is_mounted_any_more(void **state)
{
	struct fixture *f = *state;
	char path[128];

	(void)snprintf(path, sizeof path, "%s/c", f->dir);
	assert_int_equal(umount2(path, MNT_DETACH), 0);
	(void)snprintf(path, sizeof path, "%s/s", f->dir);
	assert_int_equal(umount2(path, MNT_DETACH), 0);
	assert_int_equal(test_wait(f->server), 0);
	f->server = 0;
	/* what teardown unmounts */
	for (int i = 0; i < VIEW_CONNS; i++) {
		(void)snprintf(path, sizeof path, "%s/%s", f->dir, i == VIEW_CHANGING ? "c" : "s");
		assert_int_equal(mount("x", path, "tmpfs", 0, NULL), 0);
	}
}

/* ---- kills ------------------------------------------------------------------------------------------------------- */

static void ignore(int sig)
{
	(void)sig;
}

static void wrong(struct reader_stats *s, const char *what, const char *got)
{
	if (s->wrong++ == 0)
		(void)snprintf(s->first, sizeof s->first, "%s: '%.60s' (%s)", what, got, strerror(errno));
}

#define WANT(cond, what, got)                \
	do {                                 \
		s->ops++;                    \
		if (!(cond))                 \
			wrong(s, what, got); \
	} while (0)

static void read_once(const struct fixture *f, unsigned me, unsigned round, uint64_t *counter,
		      struct reader_stats *s)
{
	char out[16384], own[32];
	struct stat st;
	ssize_t n;

	WANT(gulp(path_of(f, ROW_TICK), out, sizeof out) > 0 && tick_lines(out) > 0, "tick", out);
	WANT(slurp(path_of(f, ROW_FIXED), out, sizeof out) == FIXED_LEN && out[64] == 'b', "fixed", out);
	WANT(stat(path_of(f, ROW_INT), &st) == 0, "stat", "");
	n = snprintf(own, sizeof own, "%u\n", round * READERS + me);
	WANT(put(path_of(f, ROW_OWN + me), O_TRUNC, own) == n, "write", own);
	WANT(slurp(path_of(f, ROW_OWN + me), out, sizeof out) == n && strcmp(out, own) == 0, "own value", out);
	WANT(put(path_of(f, ROW_OWN + me), 0, "nonsense") == -EINVAL, "nonsense", "");
	WANT(put(path_of(f, ROW_COUNTER + me), 0, "+") == 1, "count", "");
	(void)snprintf(own, sizeof own, "%llu\n", (unsigned long long)++*counter);
	WANT(slurp(path_of(f, ROW_COUNTER + me), out, sizeof out) > 0 && strcmp(out, own) == 0, "counter", out);
	if (me == 0) {
		const char *v = round % 2 ? "7\n" : "123456789\n";

		WANT(put(path_of(f, ROW_TORN), 0, v) == (ssize_t)strlen(v), "write", v);
	}
	n = slurp(path_of(f, ROW_TORN), out, sizeof out);
	WANT(n > 0 && (strcmp(out, "7\n") == 0 || strcmp(out, "123456789\n") == 0), "torn", out);
}

static void reader(const struct fixture *f, unsigned me)
{
	uint64_t counter = 0;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	become_container_root(f);
	for (unsigned round = 0; !__atomic_load_n(f->stop, __ATOMIC_RELAXED); round++)
		read_once(f, me, round, &counter, &f->stats[me]);
	_exit(0);
}

/* Sends all readers a signal every 150 us. */
static pid_t start_pest(const struct fixture *f, const pid_t readers[READERS])
{
	struct timespec wait = { .tv_nsec = 150000 * test_slow() };
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (!__atomic_load_n(f->stop, __ATOMIC_RELAXED)) {
		for (int i = 0; i < READERS; i++)
			(void)kill(readers[i], SIGUSR1);
		(void)nanosleep(&wait, NULL);
	}
	_exit(0);
}

static unsigned kills_wanted(void)
{
	const char *soak = getenv("CAISSON_SOAK");

	return soak ? (unsigned)strtoul(soak, NULL, 10) : 200;
}

static uint64_t total_ops(const struct fixture *f)
{
	uint64_t n = 0;

	for (int i = 0; i < READERS; i++)
		n += __atomic_load_n(&f->stats[i].ops, __ATOMIC_RELAXED);
	return n;
}

/* With a healthy server: do all readers get on within 5 s? */
static bool all_get_on(const struct fixture *f, unsigned ms)
{
	uint64_t before[READERS];
	struct timespec wait = { .tv_nsec = 10000000 };
	bool all = false;

	for (int i = 0; i < READERS; i++)
		before[i] = __atomic_load_n(&f->stats[i].ops, __ATOMIC_RELAXED);
	for (unsigned t = 0; t < ms && !all; t += 10) {
		(void)nanosleep(&wait, NULL);
		all = true;
		for (int i = 0; i < READERS; i++)
			all = all && __atomic_load_n(&f->stats[i].ops, __ATOMIC_RELAXED) > before[i] + 20;
	}
	return all;
}

struct outcome {
	uint64_t ops, wrong;
	bool hung;
	char first[128];
};

/*
 * Readers under signals, and @kills servers after one another: killed 0 to 2 ms after their start, or at the
 * points of their own code in turn. Then one that lives.
 */
static struct outcome run(struct fixture *f, unsigned kills, bool points, enum harm harm)
{
	struct sigaction sa = { .sa_handler = ignore, .sa_flags = SA_RESTART };
	struct outcome o = { 0 };
	pid_t readers[READERS], pest, server;

	(void)sigaction(SIGUSR1, &sa, NULL); /* before there is anybody to be hit */
	for (unsigned i = 0; i < READERS; i++) {
		readers[i] = fork();
		if (readers[i] == 0)
			reader(f, i);
	}
	pest = start_pest(f, readers);
	for (unsigned i = 0; i < kills; i++) {
		struct timespec wait = { .tv_nsec = points ? 20000000 : rand() % 2000000 * (long)test_slow() };

		server = start_server(f, harm, i % VIEW_POINTS, points ? 1 + (unsigned)rand() % 30 : 0, false);
		if (points) /* it goes by itself; not when the readers all hang */
			for (int t = 0; t < 200 && waitpid(server, NULL, WNOHANG) == 0; t++)
				(void)nanosleep(&(struct timespec){ .tv_nsec = 200000 * test_slow() }, NULL);
		else
			(void)nanosleep(&wait, NULL);
		kill_server(server);
	}
	f->server = start_server(f, harm, 0, 0, false);
	o.hung = !all_get_on(f, harm == HARM_WIPE_SLOT ? 1000 : 20000 * test_slow());
	__atomic_store_n(f->stop, true, __ATOMIC_RELAXED);
	if (o.hung) {
		kill_server(f->server); /* it has the connections too */
		f->server = 0;
		for (int i = 0; i < VIEW_CONNS; i++)
			f->fd[i] = fd_close(f->fd[i]);
		for (int i = 0; i < READERS; i++)
			(void)kill(readers[i], SIGKILL);
	}
	(void)test_wait(pest);
	for (int i = 0; i < READERS; i++) {
		(void)test_wait(readers[i]);
		o.wrong += f->stats[i].wrong;
		if (f->stats[i].wrong > 0)
			memcpy(o.first, f->stats[i].first, sizeof o.first);
	}
	o.ops = total_ops(f);
	print_message("%u kills, %llu calls, %llu wrong%s %s\n", kills, (unsigned long long)o.ops,
		      (unsigned long long)o.wrong, o.hung ? ", hung" : "", o.first);
	return o;
}

static void nobody_notices_kills_at_any_time(void **state)
{
	struct outcome o = run(*state, kills_wanted(), false, HARM_NONE);

	assert_false(o.hung);
	assert_int_equal(o.wrong, 0);
	assert_true(o.ops > 100);
}

static void nobody_notices_kills_at_any_point(void **state)
{
	struct outcome o = run(*state, kills_wanted(), true, HARM_NONE);

	assert_false(o.hung);
	assert_int_equal(o.wrong, 0);
	assert_true(o.ops > 100);
}

/* Controls: the same runs notice when the journal is not there, or does not know what was written. */
static void a_wiped_slot_is_noticed(void **state)
{
	assert_true(run(*state, 60, true, HARM_WIPE_SLOT).hung);
}

static void a_forgotten_write_is_noticed(void **state)
{
	struct outcome o = run(*state, 200, true, HARM_FORGET_WRITES);

	assert_false(o.hung);
	assert_true(o.wrong > 0);
}

/* A request that ends each server that touches it: its caller gets EIO, and nobody else does. */
static void a_deadly_request_is_given_up(void **state)
{
	struct fixture *f = *state;
	pid_t victim = fork();
	unsigned deaths = 0;
	char out[64];

	if (victim == 0) {
		become_container_root(f); /* without the connections: it must not outlive us, waiting for itself */
		_exit(slurp(path_of(f, ROW_INT), out, sizeof out) == -EIO ? 0 : 1);
	}
	/* the slot is taken at the first request; which it is, does not matter */
	for (; deaths < 20; deaths++) {
		pid_t server = start_server(f, HARM_NONE, VIEW_MADE, 1, false);
		struct timespec wait = { .tv_nsec = 1000000 };
		int t = 0;

		for (; t < 300 && waitpid(server, NULL, WNOHANG) == 0; t++)
			(void)nanosleep(&wait, NULL);
		if (t == 300) {
			kill_server(server);
			break;
		}
	}
	assert_int_equal(deaths, 1 + SERVE_ATTEMPTS); /* first: or else nobody would end the wait */
	assert_int_equal(test_wait(victim), 0);
	f->server = start_server(f, HARM_NONE, 0, 0, false);
	assert_true(slurp(path_of(f, ROW_INT), out, sizeof out) == 5);
}

static int group_setup(void **state)
{
	(void)state;
	proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	srand((unsigned)time(NULL));
	return proc_fd < 0 || test_dir_make(top, true) < 0 ? -1 : 0;
}

static int group_teardown(void **state)
{
	(void)state;
	proc_fd = fd_close(proc_fd);
	test_dir_drop(top);
	return 0;
}

#define SERVED(name) cmocka_unit_test_setup_teardown(name, setup_served, teardown)
#define BARE(name)   cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SERVED(the_usual_tools_read_them),
		SERVED(splice_and_sendfile_see_values_as_they_are),
		SERVED(concurrent_readers_do_not_disturb_sendfile),
		SERVED(writes_are_judged_and_nothing_else_changes_a_value),
		SERVED(attributes_are_those_of_procfs),
		SERVED(other_users_are_refused_by_mode),
		SERVED(a_file_that_is_open_stays_as_it_is),
		SERVED(a_changing_file_changes_after_its_lifetime),
		SERVED(a_directory_lists_the_rows_of_its_connection),
		SERVED(the_server_is_a_user_of_its_own_without_rights),
		SERVED(it_ends_when_nothing_is_mounted_any_more),
		BARE(the_whole_program_serves_its_table),
		BARE(anything_else_kills_it),
		BARE(nobody_notices_kills_at_any_time),
		BARE(nobody_notices_kills_at_any_point),
		BARE(a_wiped_slot_is_noticed),
		BARE(a_forgotten_write_is_noticed),
		BARE(a_deadly_request_is_given_up),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
