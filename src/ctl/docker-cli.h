/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTL_DOCKER_CLI_H
#define CTL_DOCKER_CLI_H

#include <jansson.h>
#include <stddef.h>

#include "base/err.h"

/*
 * The request that `docker ...` would send, as far as it matters for a judgement: of commands that are one request,
 * under all of their names (codec/docker-commands.h). What docker asks besides (pulls, /info, an inspect first, each
 * further argument of "rm a b") is left out, and so are passwords, and defaults that mean nothing for a judgement.
 * Options in front of the command (-H, --context) are skipped: the engine is the guard's. Flags as the docker command of
 * releases 20.10 to 28 knows them; of a flag that is not known it says so rather than guess whether it takes a value.
 * Pure but for what the two callbacks do.
 */

struct docker_outside {
	const char *cwd; /* for "-v ./data:/data"; absolute */
	/*
	 * Contents of a file that the command line names (--env-file, a seccomp profile): 0 or -errno; @ret:
	 * malloc'd.
	 */
	int (*read)(void *ctx, const char *path, char **ret);
	/* A variable of the environment ("-e NAME"), or NULL. */
	const char *(*env)(void *ctx, const char *name);
	void *ctx;
};

struct docker_request {
	const char *method; /* static */
	char *target;	    /* "/containers/create?name=x" */
	json_t *body;	    /* NULL: none */
	const char *note;   /* static: what else there is to know, or NULL */
};

/*
 * docker_parse() - @argv: untrusted; with or without "docker" in front.
 * Return: 0; -EINVAL: no such command or flag, or a value that docker itself would not take; -errno of a file.
 */
int docker_parse(int argc, const char *const argv[], const struct docker_outside *outside,
		 struct docker_request *ret, struct err *e);
void docker_request_done(struct docker_request *r);

#endif
