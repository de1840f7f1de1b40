/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CODEC_SHA256_H
#define CODEC_SHA256_H

#include <stddef.h>

#define SHA256_HEX 65

/* sha256_hex() - FIPS 180-4, as 64 digits and NUL. For naming contents, not for secrets. */
void sha256_hex(const void *data, size_t len, char ret[static SHA256_HEX]);

#endif
