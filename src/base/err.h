/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

/*
 * The one error convention: functions return 0 or a positive value on success and a negative errno on failure.
 * The text goes into a struct that the caller owns: no allocation, so it works under OOM and in a cloned child,
 * and the whole record can be sent over a socket. Only src/bin prints it.
 */
struct err {
	int code;	/* positive errno of the innermost failure, 0 when empty */
	char msg[1020]; /* outermost context first: "mount #3: open /x: no such file or directory" */
};

/*
 * err_set() - record a failure.
 * @e:    may be NULL     @code: positive errno
 * @fmt:  printf text that names the thing, the reason and the cure, without a newline
 * Return: -code.
 */
int err_set(struct err *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* err_sys() - as err_set(), with ": <strerror(code)>" appended. */
int err_sys(struct err *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/*
 * err_ctx() - prepend "context: " to what is recorded.
 * @r: the failure as returned by the callee; if @e is empty, its error text is recorded first
 * Return: @r.
 */
int err_ctx(struct err *e, int r, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
