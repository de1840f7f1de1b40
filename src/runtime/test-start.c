/* SPDX-License-Identifier: Apache-2.0 */
/* The conversation between `start` and an init that waits, with a child in the part of init. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include <cmocka.h>

#include "runtime/start.h"
#include "sys/missing.h"
#include "sys/test-dir.h"

static char top[] = "/tmp/caisson-test-XXXXXX";
static char deep[300]; /* longer than a socket address may be */
static struct container c;
static struct err err;

static int setup(void **state)
{
	(void)state;
	memcpy(top + strlen(top) - 6, "XXXXXX", 6);
	err = (struct err){ 0 };
	if (test_dir_make(top, false) < 0)
		return -1;
	(void)snprintf(deep, sizeof deep, "%s/%0200d", top, 0);
	if (mkdir(deep, 0700) < 0)
		return -1;
	c = CONTAINER_EMPTY;
	c.id = strdup("c1");
	c.dir = strdup(deep);
	c.bundle = strdup("/b");
	c.created = strdup("now");
	c.dir_fd = open(deep, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return c.dir_fd < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	(void)state;
	container_done(&c);
	test_dir_drop(top);
	return access(top, F_OK) == 0 ? -1 : 0;
}

/* A child that waits to be started as init does, then does @then with the connection and ends. */
static pid_t init_that(void (*then)(int fd))
{
	int listener = start_listen(c.dir_fd, &err);
	int proc = open("/proc", O_PATH | O_CLOEXEC);
	pid_t pid;

	if (listener < 0)
		fail_msg("%s", err.msg);
	assert_true(fcntl(listener, F_GETFD) & FD_CLOEXEC);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		int fd;

		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)alarm(30);
		fd = start_wait(listener);
		CHILD_CHECK(fd >= 0);
		CHILD_CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
		(void)close(listener);
		then(fd);
		exit(0);
	}
	(void)close(listener);
	assert_int_equal(pidref_open(proc, pid, 0, &c.init), 0);
	(void)close(proc);
	c.init_pid = pid;
	return pid;
}

static void run_program(int fd)
{
	(void)fd;
	(void)execl("/bin/true", "true", NULL);
}

static void report_failure(int fd)
{
	struct err e = { 0 };

	err_set(&e, ENOEXEC, "exec /x: no program");
	CHILD_CHECK(send(fd, &e, sizeof e, MSG_NOSIGNAL) == sizeof e);
}

static void report_without_an_end(int fd)
{
	struct err e = { .code = EIO };

	memset(e.msg, 'x', sizeof e.msg);
	CHILD_CHECK(send(fd, &e, sizeof e, MSG_NOSIGNAL) == sizeof e);
}

static void say_nonsense(int fd)
{
	CHILD_CHECK(send(fd, "nonsense", 8, MSG_NOSIGNAL) == 8);
}

static void stay(int fd)
{
	(void)fd_close(fd);
	for (;;)
		(void)pause();
}

static void start_waits_until_the_program_runs(void **state)
{
	pid_t pid = init_that(run_program);

	(void)state;
	assert_int_equal(start_begin(&c, &err), 0);
	assert_int_equal(test_wait(pid), 0);
	assert_false(start_is_waiting(c.dir_fd));
}

static void inits_own_words_come_back(void **state)
{
	pid_t pid = init_that(report_failure);

	(void)state;
	assert_int_equal(start_begin(&c, &err), -ENOEXEC);
	assert_string_equal(err.msg, "exec /x: no program");
	assert_int_equal(test_wait(pid), 0);
}

/* What init says comes from a process that was already confined. */
static void a_report_of_another_form_does_no_harm(void **state)
{
	pid_t pid = init_that(report_without_an_end);

	(void)state;
	assert_int_equal(start_begin(&c, &err), -EIO);
	assert_true(strlen(err.msg) < sizeof err.msg && err.msg[0] == 'x');
	assert_int_equal(test_wait(pid), 0);
	assert_int_equal(unlinkat(c.dir_fd, "start", 0), 0);
	pidref_done(&c.init);
	pid = init_that(say_nonsense);
	assert_int_equal(start_begin(&c, &err), 0);
	assert_int_equal(test_wait(pid), 0);
}

static void connections_that_end_early_do_not_start_it(void **state)
{
	pid_t pid = init_that(run_program);

	(void)state;
	for (int i = 0; i < 20; i++)
		assert_true(start_is_waiting(c.dir_fd)); /* connects and hangs up */
	assert_int_equal(pidref_wait_exit(&c.init, 50), 0);
	assert_int_equal(start_begin(&c, &err), 0);
	assert_int_equal(test_wait(pid), 0);
}

static void without_an_init_that_waits_start_says_so(void **state)
{
	int fd;

	(void)state;
	assert_false(start_is_waiting(c.dir_fd));
	assert_int_equal(start_begin(&c, &err), -ECONNREFUSED);
	assert_non_null(strstr(err.msg, "reach the container's init"));
	fd = start_listen(c.dir_fd, &err);
	assert_true(fd >= 0);
	assert_true(start_is_waiting(c.dir_fd));
	assert_int_equal(start_listen(c.dir_fd, &err), -EADDRINUSE);
	assert_non_null(strstr(err.msg, "make start socket"));
	(void)close(fd);
	/* the name stays, nobody listens */
	assert_false(start_is_waiting(c.dir_fd));
	assert_int_equal(start_begin(&c, &err), -ECONNREFUSED);
	assert_int_equal(start_wait(-1), -EBADF);
}

/* ---- the seccomp listener and poststart hooks: what `start` reads from the saved spec ---- */

#define SPEC                                                                                                                \
	"{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"r\"},\"process\":{\"cwd\":\"/\",\"args\":[\"x\"],"                  \
	"\"user\":{\"uid\":0,\"gid\":0}},\"hooks\":{\"poststart\":[{\"path\":\"/bin/sh\",\"args\":[\"sh\",\"-c\","          \
	"\"cat > %s/hook; exit %d\"],\"env\":[\"PATH=/bin:/usr/bin\"]}]},\"linux\":{\"namespaces\":[{\"type\":\"mount\"}]," \
	"\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"listenerPath\":\"%s/agent\",\"listenerMetadata\":\"meta\","    \
	"\"syscalls\":[{\"names\":[\"swapon\"],\"action\":\"SCMP_ACT_NOTIFY\"}]}}}"

static void put_spec(int status)
{
	char text[2048];
	struct oci_spec spec;

	(void)snprintf(text, sizeof text, SPEC, top, status, top);
	assert_int_equal(test_put(c.dir_fd, "config.json", text), 0);
	if (container_spec(&c, &spec, &err) < 0)
		fail_msg("%s", err.msg);
	oci_spec_done(&spec);
}

static void assert_hook_saw(const char *text)
{
	_cleanup_free_ char *got = NULL;
	char path[64];

	(void)snprintf(path, sizeof path, "%s/hook", top);
	assert_int_equal(io_read_at(AT_FDCWD, path, 65536, &got, NULL), 0);
	assert_non_null(strstr(got, text));
}

static void poststart_hooks_run_and_their_failure_ends_the_container(void **state)
{
	pid_t pid = init_that(run_program);
	time_t begin;

	(void)state;
	put_spec(0);
	c.has_poststart = true;
	assert_int_equal(start_begin(&c, &err), 0);
	assert_hook_saw("\"status\":\"running\"");
	assert_int_equal(test_wait(pid), 0);

	put_spec(5);
	assert_int_equal(unlinkat(c.dir_fd, "start", 0), 0);
	pidref_done(&c.init);
	pid = init_that(stay);
	begin = time(NULL);
	assert_int_equal(start_begin(&c, &err), -EPROTO);
	assert_non_null(strstr(err.msg, "error running poststart hook #0 (/bin/sh): hook failed: exit status 5"));
	assert_int_equal(test_wait(pid), -1);
	assert_true(time(NULL) - begin < 10); /* killed, not at its own end */
}

/* As init does it: the number first, the filter (here any fd) right after. */
static void announce_listener(int fd)
{
	int fds[2], number;
	char k;

	CHILD_CHECK(pipe2(fds, O_CLOEXEC) == 0);
	number = fds[1] + 5;
	CHILD_CHECK(send(fd, &number, sizeof number, MSG_NOSIGNAL) == sizeof number);
	(void)usleep(50000);
	CHILD_CHECK(dup3(fds[1], number, O_CLOEXEC) == number);
	CHILD_CHECK(recv(fd, &k, 1, 0) == 1 && k == 'k');
	(void)close(fds[1]);
	(void)close(number);
	(void)close(fd);
	/* what the agent wrote into its copy */
	CHILD_CHECK(read(fds[0], &k, 1) == 1 && k == 'A');
}

static pid_t agent(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	pid_t pid;

	(void)snprintf(addr.sun_path, sizeof addr.sun_path, "%s/agent", top);
	assert_int_equal(bind(fd, (const struct sockaddr *)&addr, sizeof addr), 0);
	assert_int_equal(listen(fd, 1), 0);
	pid = fork();
	if (pid == 0) {
		union {
			struct cmsghdr align;
			char buf[CMSG_SPACE(sizeof(int))];
		} control;
		char text[4096];
		struct iovec iov = { text, sizeof text - 1 };
		struct msghdr msg = { .msg_iov = &iov,
				      .msg_iovlen = 1,
				      .msg_control = control.buf,
				      .msg_controllen = sizeof control.buf };
		int conn, got;
		ssize_t n;

		(void)alarm(30);
		conn = accept(fd, NULL, NULL);
		CHILD_CHECK(conn >= 0);
		n = recvmsg(conn, &msg, 0);
		CHILD_CHECK(n > 0);
		text[n] = '\0';
		CHILD_CHECK(CMSG_FIRSTHDR(&msg) && CMSG_FIRSTHDR(&msg)->cmsg_type == SCM_RIGHTS);
		memcpy(&got, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof got);
		CHILD_CHECK(strstr(text, "\"metadata\":\"meta\"") && strstr(text, "\"id\":\"c1\""));
		CHILD_CHECK(write(got, "A", 1) == 1);
		_exit(0);
	}
	(void)close(fd);
	return pid;
}

static void the_seccomp_listener_is_handed_to_the_agent(void **state)
{
	pid_t a, pid;

	(void)state;
	put_spec(0);
	a = agent();
	pid = init_that(announce_listener);
	if (start_begin(&c, &err) != 0)
		fail_msg("%s", err.msg);
	assert_int_equal(test_wait(a), 0);
	assert_int_equal(test_wait(pid), 0);
}

static void without_an_agent_the_start_fails(void **state)
{
	pid_t pid;

	(void)state;
	put_spec(0);
	pid = init_that(announce_listener);
	assert_int_equal(start_begin(&c, &err), -ENOENT);
	assert_non_null(strstr(err.msg, "listenerPath"));
	assert_true(kill(pid, SIGKILL) == 0 && test_wait(pid) != 0);
	assert_int_equal(unlinkat(c.dir_fd, "start", 0), 0);
	assert_int_equal(unlinkat(c.dir_fd, "config.json", 0), 0);
	pidref_done(&c.init);
	pid = init_that(announce_listener);
	assert_int_equal(start_begin(&c, &err), -ENOENT);
	assert_non_null(strstr(err.msg, "config.json"));
	assert_true(kill(pid, SIGKILL) == 0 && test_wait(pid) != 0);
}

int main(void)
{
#define ROW(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest rows[] = {
		ROW(start_waits_until_the_program_runs),
		ROW(inits_own_words_come_back),
		ROW(a_report_of_another_form_does_no_harm),
		ROW(connections_that_end_early_do_not_start_it),
		ROW(without_an_init_that_waits_start_says_so),
		ROW(poststart_hooks_run_and_their_failure_ends_the_container),
		ROW(the_seccomp_listener_is_handed_to_the_agent),
		ROW(without_an_agent_the_start_fails),
	};

	if (geteuid() != 0) {
		print_message("skipped: only root may copy another process's descriptors\n");
		return 77;
	}
	return cmocka_run_group_tests(rows, NULL, NULL);
}
