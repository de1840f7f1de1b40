/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTL_DOCKER_INTERNAL_H
#define CTL_DOCKER_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "ctl/docker-cli.h"

enum flag_kind {
	FLAG_BOOL,
	FLAG_STRING,
	FLAG_LIST, /* repeatable: an array of strings */
	FLAG_INT,
	FLAG_BYTES,  /* 512m */
	FLAG_MAP,    /* repeatable: key=value into an object */
	FLAG_OFF,    /* a bool without meaning for the request */
	FLAG_UNUSED, /* likewise, with a value */
	FLAG_SPECIAL,
};

enum flag_place { IN_CONFIG, IN_HOST, IN_QUERY };

struct command;

struct flag {
	const char *name;
	char letter; /* or 0 */
	enum flag_kind kind;
	enum flag_place place;
	const char *member; /* of the object, or parameter of the query */
	int (*special)(struct command *c, const char *value, struct err *e);
};

/* A command line being read. */
struct command {
	const struct docker_outside *outside;
	json_t *config, *host, *filters; /* owned by who reads; filters: {"label": {"a=b": true}} */
	FILE *query;			 /* "&a=b&c=d" */
	const char *path;		 /* "/containers/{}/stop"; static */
	char *name; /* what {} stands for, where it is not the first word; owned by who reads */
};

struct flags {
	const struct flag *v;
	size_t n;
};

extern const struct flags run_flags, exec_flags, build_flags, update_flags, volume_flags, network_flags;
extern const struct flags global_flags; /* those in front of the command, which say which engine is meant */
extern const struct flags attach_flags, commit_flags, connect_flags, cp_flags, disconnect_flags, events_flags;
extern const struct flags export_flags, format_flags, history_flags, image_inspect_flags, images_flags,
	inspect_flags;
extern const struct flags kill_flags, load_flags, login_flags, logs_flags, network_inspect_flags,
	network_list_flags;
extern const struct flags network_rm_flags, no_flags, prune_flags, prune_all_flags, ps_flags, pull_flags,
	push_flags;
extern const struct flags rm_flags, rmi_flags, save_flags, search_flags, start_flags, stats_flags, stop_flags;
extern const struct flags system_df_flags, volume_list_flags, volume_rm_flags;

/* flags_read() - apply flags up to the first word that is none (@all: skip over such words). Return: see below. */
int flags_read(struct command *c, struct flags flags, int argc, const char *const argv[], bool all,
	       const char **words, int *ret_words, struct err *e);

/* put_filter() - of lists and prunes: more than one value of a name is possible. */
void put_filter(struct command *c, const char *name, const char *value);

/* put_query() - add a parameter. */
void put_query(struct command *c, const char *key, const char *value);

/* docker_bytes() - "512m" to a number as docker reads it; -1 is kept. Return: 0 or -EINVAL. */
int docker_bytes(const char *s, int64_t *ret);

/* docker_mount() - the value of --mount. */
int docker_mount(struct command *c, const char *value, struct err *e);

/* Small steps with json objects; missing containers are made. A failed allocation is noticed at the end. */
void put_string(json_t *o, const char *key, const char *value);
void add_item(json_t *o, const char *list, json_t *item);
void put_pair(json_t *o, const char *map, const char *pair, char separator);

#endif
