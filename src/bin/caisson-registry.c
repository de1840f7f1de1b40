/* SPDX-License-Identifier: Apache-2.0 */
/*
 * caisson-registry: asks a registry what is under a name. One job on standard input, one answer on standard output, see
 * registry/job.h. Started by the guard; by hand:
 *
 *   echo '{"registry": "docker.io", "repository": "library/alpine", "reference": "latest", "seconds": 10}' |
 *       caisson-registry | jq
 *
 * Exit status: 0 it has answered; 1 it could not, with one line on stderr.
 */
#include <curl/curl.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "registry/ask.h"
#include "registry/job.h"
#include "registry/sandbox.h"

/* Nothing of the environment counts but proxies: libraries take many other variables, some of which name files. */
static int clean_environment(void)
{
	static const char *const names[] = { "HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy",
					     "ALL_PROXY",   "all_proxy",   "NO_PROXY",	 "no_proxy" };
	char *values[ARRAY_SIZE(names)];
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const char *value = getenv(names[i]);

		values[i] = value ? strdup(value) : NULL;
	}
	(void)clearenv();
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (values[i] && setenv(names[i], values[i], 1) < 0)
			r = -errno;
		free(values[i]);
	}
	/* libcurl takes only the other spelling, because of CGI programs, which this is none of */
	if (getenv("HTTP_PROXY") && setenv("http_proxy", getenv("HTTP_PROXY"), 0) < 0)
		r = -errno;
	return r;
}

static int prepare(struct err *e)
{
	int r;

	if (close_range(3, ~0u, 0) < 0)
		return err_sys(e, errno, "close what was inherited");
	if ((r = clean_environment()) < 0)
		return err_sys(e, -r, "clean the environment");
	if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		return err_sys(e, errno, "ignore SIGPIPE");
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return err_set(e, EIO, "libcurl does not start");
	return sandbox_enter(e);
}

static json_t *answer_job(void)
{
	_cleanup_free_ char *text = NULL;
	struct itimerval limit = { 0 };
	struct registry_job job;
	struct err e = { 0 };
	json_t *answer;
	size_t len;
	int r;

	r = io_read_fd(STDIN_FILENO, REGISTRY_JOB_MAX, &text, &len);
	if (r < 0)
		(void)err_sys(&e, -r, "caisson-registry: read the job");
	else if ((r = job_parse(text, len, &job, &e)) < 0)
		(void)err_ctx(&e, r, "caisson-registry");
	if (r < 0)
		return ask_failure(e.msg, -1);
	/* should a time limit fail us */
	limit.it_value.tv_sec = job.seconds + 5;
	(void)setitimer(ITIMER_REAL, &limit, NULL);
	answer = ask(&job);
	job_done(&job);
	return answer;
}

int main(void)
{
	_cleanup_free_ char *text = NULL;
	struct err e = { 0 };
	json_t *answer;
	int r;

	if ((r = prepare(&e)) < 0) {
		(void)fprintf(stderr, "caisson-registry: %s\n", e.msg);
		return 1;
	}
	answer = answer_job();
	text = json_dumps(answer, JSON_COMPACT);
	json_decref(answer);
	if (text && strlen(text) > REGISTRY_ANSWER_MAX) {
		free(text);
		answer = ask_failure("caisson-registry: the image's history is too long", -1);
		text = json_dumps(answer, JSON_COMPACT);
		json_decref(answer);
	}
	r = text ? io_write_all(STDOUT_FILENO, text, strlen(text)) : -ENOMEM;
	/* not through exit(3): a thread may still wait for a resolver */
	_exit(r < 0);
}
