/* SPDX-License-Identifier: Apache-2.0 */
#include "guard/text.h"

#include <string.h>

#include "base/cleanup.h"

json_t *text_json(const char *s)
{
	_cleanup_free_ char *clean = NULL;
	json_t *o;

	if (!s)
		return json_null();
	o = json_string(s);
	if (o)
		return o;
	clean = strdup(s);
	if (!clean)
		return NULL;
	for (char *p = clean; *p; p++)
		if (*p & 0x80)
			*p = '?';
	return json_string(clean);
}
