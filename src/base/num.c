/* SPDX-License-Identifier: Apache-2.0 */
#include "base/num.h"

#include <errno.h>

int num_span(const char **s, uint64_t max, uint64_t *ret)
{
	const char *p = *s;
	uint64_t v = 0;

	if (*p < '0' || *p > '9')
		return -EINVAL;
	for (; *p >= '0' && *p <= '9'; p++) {
		uint64_t digit = (uint64_t)(*p - '0');

		if (v > (UINT64_MAX - digit) / 10)
			return -ERANGE;
		v = v * 10 + digit;
	}
	if (v > max)
		return -ERANGE;
	*s = p;
	*ret = v;
	return 0;
}

int num_u64(const char *s, uint64_t max, uint64_t *ret)
{
	uint64_t v;
	int r = num_span(&s, max, &v);

	if (r < 0)
		return r;
	if (*s != '\0')
		return -EINVAL;
	*ret = v;
	return 0;
}

int num_u32(const char *s, uint32_t *ret)
{
	uint64_t v;
	int r = num_u64(s, UINT32_MAX, &v);

	if (r == 0)
		*ret = (uint32_t)v;
	return r;
}

int num_i64(const char *s, int64_t *ret)
{
	bool neg = *s == '-';
	uint64_t v;
	int r = num_u64(s + neg, neg ? (uint64_t)INT64_MAX + 1 : (uint64_t)INT64_MAX, &v);

	if (r == 0)
		*ret = neg ? (int64_t)(0 - v) : (int64_t)v;
	return r;
}
