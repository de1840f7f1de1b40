/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>

#include "codec/fuzz-oci.h"
#include "codec/json-read.h"

/* jansson's own reader is the reference: both accept, with equal trees, or both refuse, but for the documented bounds. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool has_big(json_t *v)
{
	const char *key;
	json_t *item;
	size_t i;

	if (json_is_string(v))
		return *json_string_value(v) == JSON_READ_BIG;
	json_array_foreach(v, i, item)
		if (has_big(item))
			return true;
	json_object_foreach(v, key, item)
		if (has_big(item))
			return true;
	return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *buf = (const char *)data;
	json_t *ours = NULL, *theirs;
	struct err e = { 0 };
	int r;

	if (size > 65536)
		return 0;
	theirs = json_loadb(buf, size, JSON_REJECT_DUPLICATES, NULL);
	r = json_read("doc", buf, size, &ours, &e);
	if (r < 0) {
		check_refusal(r, &e, "doc");
		CHECK(!ours);
		/* jansson drops a NUL that follows a number */
		if (theirs && !memchr(buf, '\0', size))
			CHECK(strstr(e.msg, "nested over") || strstr(e.msg, "more than") ||
			      strstr(e.msg, "too long"));
	} else if (theirs) {
		CHECK(!memchr(buf, '\0', size));
		CHECK(json_equal(ours, theirs));
	} else {
		CHECK(has_big(ours));
	}
	json_decref(ours);
	json_decref(theirs);
	return 0;
}
