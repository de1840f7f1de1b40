/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_NUM_H
#define BASE_NUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Strict numbers: decimal digits only (one leading '-' for the signed form), no blanks, no sign '+', no overflow,
 * nothing behind the number. "01" is accepted, "" is not. @s is untrusted.
 * Return: 0, -EINVAL for anything that is not a number, -ERANGE above the limit; *@ret set on success only.
 */
int num_u64(const char *s, uint64_t max, uint64_t *ret);
int num_u32(const char *s, uint32_t *ret);
int num_i64(const char *s, int64_t *ret);

/*
 * num_span() - read the decimal number at the start of *@s and advance *@s behind it.
 * Return: 0, -EINVAL when there is no digit, -ERANGE above @max.
 */
int num_span(const char **s, uint64_t max, uint64_t *ret);

#endif
