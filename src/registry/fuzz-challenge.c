/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "codec/fuzz-oci.h"
#include "registry/challenge.h"
#include "registry/login.h"

/* Values of header fields, and what token servers answer. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const char *s)
{
	CHECK(strlen(s) < CHALLENGE_VALUE_MAX);
	for (; *s; s++)
		CHECK(*s >= ' ' && *s <= '~');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = NULL, *token = NULL;
	struct challenge c;
	int64_t seconds;
	int r;

	if (size > 8192 || !(text = strndup((const char *)data, size)))
		return 0;
	r = challenge_parse(text, &c);
	CHECK(r == 0 || r == -EBADMSG);
	if (r == 0) {
		check_text(c.realm);
		check_text(c.service);
		CHECK(!c.bearer == !*c.realm);
		CHECK(c.bearer || !*c.service);
		/* only what is written there */
		CHECK(!c.bearer || strcasestr(text, "bearer"));
		CHECK(!c.basic || strcasestr(text, "basic"));
	}
	seconds = retry_after_parse(text, 784111777, 86400);
	CHECK(seconds >= -1 && seconds <= 86400);
	if (login_token((const char *)data, size, &token) == 0) {
		CHECK(*token);
		for (const char *s = token; *s; s++)
			CHECK(*s > ' ' && *s <= '~');
	}
	return 0;
}
