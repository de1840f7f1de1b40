/* SPDX-License-Identifier: Apache-2.0 */
/* An engine of canned answers for tests of the rules: a table of paths and documents. */
#ifndef GUARD_TEST_ENGINE_H
#define GUARD_TEST_ENGINE_H

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "guard/engine.h"

#define ID_OURS "1111111111111111111111111111111111111111111111111111111111111111"
#define ID_OLD	"2222222222222222222222222222222222222222222222222222222222222222"

static const struct {
	const char *path, *answer; /* NULL: the engine does not answer */
} test_objects[] = {
	{ "/containers/ours/json",
	  "{\"Id\": \"" ID_OURS "\", \"HostConfig\": {\"Runtime\": \"sysbox-runc\"}, \"Mounts\": []}" },
	{ "/containers/" ID_OURS "/json",
	  "{\"Id\": \"" ID_OURS "\", \"HostConfig\": {\"Runtime\": \"sysbox-runc\"}, \"Mounts\": []}" },
	{ "/containers/old/json", "{\"Id\": \"" ID_OLD "\", \"HostConfig\": {\"Runtime\": \"runc\"}}" },
	{ "/containers/etc/json",
	  "{\"Id\": \"" ID_OURS
	  "\", \"HostConfig\": {\"Runtime\": \"sysbox-runc\"}, \"Mounts\": [{\"Type\": \"bind\", \"Source\": "
	  "\"/etc\"}]}" },
	{ "/containers/vol/json",
	  "{\"Id\": \"" ID_OURS
	  "\", \"HostConfig\": {\"Runtime\": \"sysbox-runc\"}, \"Mounts\": [{\"Type\": \"volume\", \"Name\": "
	  "\"alias\"}]}" },
	{ "/containers/down/json", NULL },
	{ "/networks/0ff1ce", "{\"Name\": \"host\", \"Driver\": \"host\"}" },
	{ "/networks/cafe", "{\"Name\": \"cafe\", \"Driver\": \"bridge\"}" },
	{ "/volumes/plain", "{\"Name\": \"plain\", \"Driver\": \"local\", \"Options\": null}" },
	{ "/volumes/alias",
	  "{\"Name\": \"alias\", \"Driver\": \"local\", \"Options\": {\"type\": \"none\", \"o\": \"bind\", "
	  "\"device\": \"/etc\"}}" },
	{ "/volumes/disk",
	  "{\"Name\": \"disk\", \"Driver\": \"local\", \"Options\": {\"type\": \"ext4\", \"device\": "
	  "\"/dev/sda\"}}" },
	{ "/volumes/ram",
	  "{\"Name\": \"ram\", \"Driver\": \"local\", \"Options\": {\"type\": \"tmpfs\", \"device\": \"tmpfs\", "
	  "\"o\": \"size=1m,uid=5\"}}" },
	{ "/volumes/sshfs", "{\"Name\": \"sshfs\", \"Driver\": \"vieux/sshfs\", \"Options\": {}}" },
};

int engine_get(struct judge_engine *engine, const char *path, json_t **ret, struct err *e)
{
	(void)engine;
	for (size_t i = 0; i < ARRAY_SIZE(test_objects); i++) {
		if (strcmp(test_objects[i].path, path) != 0)
			continue;
		if (!test_objects[i].answer)
			return err_set(e, ETIMEDOUT, "the engine does not answer");
		*ret = json_loads(test_objects[i].answer, 0, NULL);
		return *ret ? 0 : err_set(e, EIO, "bad test object");
	}
	return err_set(e, ENOENT, "no such object");
}

/* Nothing is made. */
int engine_call(struct judge_engine *engine, const struct engine_call *call, char **ret_body, size_t *ret_len,
		struct err *e)
{
	(void)engine;
	(void)call;
	(void)ret_body;
	(void)ret_len;
	return err_set(e, EIO, "the engine does not answer");
}

#endif
