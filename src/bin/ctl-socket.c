/* SPDX-License-Identifier: Apache-2.0 */
/* caissonctl socket: the Docker sockets that containers have. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "bin/caissonctl.h"
#include "guard/engine.h"
#include "guard/socket-status.h"
#include "guard/text.h"

json_t *ctl_ask_sockets(const struct ctl *c, struct err *e)
{
	struct judge_engine *en = engine_new(c->socket);
	json_t *o = NULL;
	int r = en ? engine_get(en, SOCKETS_STATUS_PATH, &o, e)
		   : err_set(e, ENAMETOOLONG, "%s: too long for the path of a socket", c->socket);

	engine_free(en);
	if (r == -ENOENT)
		(void)err_set(
			e, ENOENT,
			"%s: no guard that tells this user about sockets; run this as root, on the socket of caissond",
			c->socket);
	return r < 0 ? NULL : o;
}

const json_t *ctl_find_socket(const json_t *o, const char *name, struct err *e)
{
	const json_t *list = json_object_get(o, "sockets"), *s, *found = NULL;
	size_t i;

	json_array_foreach(list, i, s) {
		const char *id = json_string_value(json_object_get(s, "container"));

		if (!id || strncmp(id, name, strlen(name)) != 0)
			continue;
		if (found) {
			(void)err_set(e, EINVAL, "more than one container's id begins with %s", name);
			return NULL;
		}
		found = s;
	}
	if (!found)
		(void)err_set(
			e, ENOENT,
			"no container whose id begins with \"%s\" has a Docker socket; see caissonctl socket ls",
			name);
	return found;
}

static void put_words(const json_t *list)
{
	const json_t *v;
	size_t i;

	json_array_foreach(list, i, v)
		printf("%s%s", i ? "," : "", json_string_value(v));
	if (json_array_size(list) == 0)
		fputs("-", stdout);
}

static int list(const struct ctl *c)
{
	struct err e = { 0 };
	json_t *o = ctl_ask_sockets(c, &e);
	const json_t *s;
	size_t i;

	if (!o)
		return ctl_fail(c, &e);
	if (c->json) {
		ctl_print_json(o);
		return CTL_OK;
	}
	printf("%-12s %-32s %-32s %6s %7s  %s\n", "CONTAINER", "IMAGE", "ALLOWED BY", "CALLS", "REFUSED",
	       "COMMANDS");
	json_array_foreach(json_object_get(o, "sockets"), i, s) {
		printf("%-12.12s %-32.64s %-32.64s %6lld %7lld  ",
		       *ctl_text(s, "container") ? ctl_text(s, "container") : "-", ctl_text(s, "image"),
		       *ctl_text(s, "setting") ? ctl_text(s, "entry") : "nothing any more",
		       (long long)json_integer_value(json_object_get(s, "calls")),
		       (long long)json_integer_value(json_object_get(s, "refusals")));
		put_words(json_object_get(s, "used"));
		if (json_array_size(json_object_get(s, "refused"))) {
			fputs(" refused: ", stdout);
			put_words(json_object_get(s, "refused"));
		}
		fputs("\n", stdout);
	}
	json_decref(o);
	return CTL_OK;
}

/* The smallest policy that allows what was called so far, to be put into the settings. */
static int learn(const struct ctl *c, const char *name)
{
	struct err e = { 0 };
	json_t *o = ctl_ask_sockets(c, &e);
	const json_t *s = o ? ctl_find_socket(o, name, &e) : NULL;

	if (!s) {
		json_decref(o);
		return ctl_fail(c, &e);
	}
	ctl_print_json(json_pack("{s{s{s[{sOsO}]}}}", "caisson", "dockerSocket", "images", "image",
				 json_object_get(s, "entry"), "commandList", json_object_get(s, "learned")));
	json_decref(o);
	return CTL_OK;
}

int ctl_socket(const struct ctl *c, int argc, char **argv)
{
	if (argc == 1 && strcmp(argv[0], "ls") == 0)
		return list(c);
	if (argc == 2 && strcmp(argv[0], "learn") == 0)
		return learn(c, argv[1]);
	return ctl_usage("socket is followed by ls, or by learn CONTAINER");
}
