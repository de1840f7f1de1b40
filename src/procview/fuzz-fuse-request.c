/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "procview/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/*
 * Oracle: what a decoded request points to lies within the length that the request says it has, names are
 * terminated there, and nothing is accepted that says it is longer than what was read.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wire_request req;
	uint8_t *copy;
	uint32_t len = 0;
	int r;

	if (size > 65536)
		return 0;
	copy = malloc(size > 0 ? size : 1); /* exactly: for AddressSanitizer */
	if (!copy)
		return 0;
	memcpy(copy, data, size);
	r = wire_decode(copy, size, &req);
	if (r != 0 && r != -EPROTO && r != -EINVAL)
		abort();
	if (size >= sizeof len)
		memcpy(&len, copy, sizeof len);
	if (r != -EPROTO && (len > size || len < sizeof(struct fuse_in_header)))
		abort();
	if (r == 0 && req.opcode == FUSE_LOOKUP) {
		const uint8_t *name = (const uint8_t *)req.name;

		if (name < copy + sizeof(struct fuse_in_header) ||
		    !memchr(name, '\0', (size_t)(copy + len - name)))
			abort();
	}
	if (r == 0 && req.opcode == FUSE_WRITE) {
		const uint8_t *at = (const uint8_t *)req.io.data;

		if (at < copy + sizeof(struct fuse_in_header) || req.io.size > (size_t)(copy + len - at))
			abort();
	}
	free(copy);
	return 0;
}
