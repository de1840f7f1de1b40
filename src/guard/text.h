/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GUARD_TEXT_H
#define GUARD_TEXT_H

#include <jansson.h>

/*
 * text_json() - @s as a JSON string, null for NULL. Whatever of it is not UTF-8 becomes "?": texts that quote a
 * request must not get lost because of what they quote. New reference; NULL only without memory.
 */
json_t *text_json(const char *s);

#endif
