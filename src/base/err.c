/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int err_set(struct err *e, int code, const char *fmt, ...)
{
	va_list ap;

	if (e) {
		e->code = code;
		va_start(ap, fmt);
		(void)vsnprintf(e->msg, sizeof e->msg, fmt, ap);
		va_end(ap);
	}
	return -code;
}

int err_sys(struct err *e, int code, const char *fmt, ...)
{
	va_list ap;

	if (e) {
		size_t n;

		e->code = code;
		va_start(ap, fmt);
		(void)vsnprintf(e->msg, sizeof e->msg, fmt, ap);
		va_end(ap);
		n = strlen(e->msg);
		/* strerrordesc_np() is plain data: no locale, no allocation, safe after clone() */
		const char *desc = strerrordesc_np(code);

		if (!desc)
			desc = "unknown error";
		/* In the middle of a sentence, and as engines look for it: "no such file or directory". */
		(void)snprintf(e->msg + n, sizeof e->msg - n, ": %c%s",
			       desc[1] >= 'a' && desc[1] <= 'z' ? desc[0] | 0x20 : desc[0], desc + 1);
	}
	return -code;
}

int err_ctx(struct err *e, int r, const char *fmt, ...)
{
	char ctx[512];
	va_list ap;
	size_t n, len;

	if (!e)
		return r;
	if (e->code == 0)
		(void)err_sys(e, -r, "failed");
	va_start(ap, fmt);
	(void)vsnprintf(ctx, sizeof ctx - 2, fmt, ap);
	va_end(ap);
	n = strlen(ctx);
	memcpy(ctx + n, ": ", 2);
	n += 2;
	len = strlen(e->msg);
	if (len > sizeof e->msg - 1 - n)
		len = sizeof e->msg - 1 - n;
	memmove(e->msg + n, e->msg, len);
	memcpy(e->msg, ctx, n);
	e->msg[n + len] = '\0';
	return r;
}
