/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GUARD_RULES_H
#define GUARD_RULES_H

#include "codec/oci-spec.h"
#include "guard/judge.h"

/*
 * The decisions, one function per kind of request, and what they share. Each returns 0 (go on) or -EPERM with the
 * verdict's status, rule and message filled in. 1: the answer is in the verdict.
 */

/* Under this name Caisson is registered with the engine, and under it clients find it in `docker inspect` (E11). */
#define RULES_RUNTIME "sysbox-runc"

int judge_no_body(struct judge_request *q, struct judge_verdict *v);
int judge_info(struct judge_request *q, struct judge_verdict *v);
int judge_container_create(struct judge_request *q, struct judge_verdict *v);
int judge_container_start(struct judge_request *q, struct judge_verdict *v); /* also restart, unpause, attach */
int judge_container_rename(struct judge_request *q, struct judge_verdict *v);
int judge_container_update(struct judge_request *q, struct judge_verdict *v);
int judge_container_archive(struct judge_request *q, struct judge_verdict *v);
int judge_container_archive_get(struct judge_request *q, struct judge_verdict *v);
int judge_exec_create(struct judge_request *q, struct judge_verdict *v);
int judge_exec_start(struct judge_request *q, struct judge_verdict *v);
int judge_commit(struct judge_request *q, struct judge_verdict *v);
int judge_checkpoint(struct judge_request *q, struct judge_verdict *v);
int judge_image_load(struct judge_request *q, struct judge_verdict *v);
int judge_image_create(struct judge_request *q, struct judge_verdict *v);
int judge_build(struct judge_request *q, struct judge_verdict *v);
int judge_grpc(struct judge_request *q, struct judge_verdict *v);
int judge_network_create(struct judge_request *q, struct judge_verdict *v);
int judge_network_connect(struct judge_request *q, struct judge_verdict *v);
int judge_network_disconnect(struct judge_request *q, struct judge_verdict *v);
int judge_volume_create(struct judge_request *q, struct judge_verdict *v);
int judge_volume_update(struct judge_request *q, struct judge_verdict *v);
int judge_plugin(struct judge_request *q, struct judge_verdict *v);
int judge_swarm_join(struct judge_request *q, struct judge_verdict *v);
int judge_service(struct judge_request *q, struct judge_verdict *v);
int judge_secret(struct judge_request *q, struct judge_verdict *v);
int judge_debug(struct judge_request *q, struct judge_verdict *v);

/* The table of route.c, for tests and command lists. */
const struct judge_route *route_table(size_t *ret_n);

/* ---- one decision under way ---- */

#define RULES_DEPTH 12

struct judging {
	struct judge_request *q;
	struct judge_verdict *v;
	const char *image;	    /* of the container, as the client named it; NULL: none is known */
	bool host_ns[OCI_NS_COUNT]; /* asked for from the host: refused together, as the runtime does */
	bool sockets;		    /* a bind of the engine's socket is possible here: a container is being made */
	bool volume_labelled; /* the volume that is named has its labels with it, should the engine make it */
	char *socket_path;    /* owned; its socket, once it has asked for one */
	json_t *missing;      /* borrowed; host paths to be made if all is allowed; NULL: nothing is made here */
	struct {
		const char *name; /* NULL: element @index of an array */
		size_t index;
	} at[RULES_DEPTH]; /* where in the body we are */
	size_t depth;
};

/* refuse() - the verdict: @rule is static; the message is prefixed by nothing. Return: -EPERM. */
int refuse(struct judging *j, int status, const char *rule, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/*
 * refuse_here() - as refuse() with status @status, prefixed by "enhanced container isolation: <place in the body>:
 * ".
 */
int refuse_here(struct judging *j, int status, const char *rule, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* changed() - note for the audit log. */
void changed(struct judging *j, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* ---- shapes: what an object of the API may contain ---- */

enum field_type {
	FIELD_ANY, /* not looked into */
	FIELD_BOOL,
	FIELD_INT,
	FIELD_STRING,
	FIELD_STRINGS,	  /* array of strings */
	FIELD_WORDS,	  /* a string or an array of strings (Go's StrSlice) */
	FIELD_STRING_MAP, /* keys as they are: Go's maps are case-sensitive */
	FIELD_OBJECT,
	FIELD_OBJECTS,	  /* array of objects */
	FIELD_OBJECT_MAP, /* map to objects or null */
};

struct shape;

/* Every field has a decision: a rule, a shape to go into, or NULL and NULL, which passes it on. */
struct field {
	const char *name;
	enum field_type type;
	const struct shape *of;
	/* May change or delete the member; never sees null. */
	int (*rule)(struct judging *j, json_t *owner, json_t *value);
};

#define SHAPE_FIELDS_MAX 96

struct shape {
	const struct field *fields;
	size_t n;
	bool open; /* what is not listed passes; else it is refused, or dropped when it says nothing */
};

/*
 * shape_apply() - bring @obj into the form in which it is judged and sent on, then judge it: keys as Go matches
 * them (any case, and two letters beyond ASCII) become the listed spelling, two spellings of one key are refused,
 * null members go away, types are checked, then the rules run in the order of the table.
 */
int shape_apply(struct judging *j, const struct shape *s, json_t *obj);

/* shape_find() - the field that Go would take @key for, or NULL. */
const struct field *shape_find(const struct shape *s, const char *key);

/* key_equal_fold() - equal by Go's case folding, for names of which one is ASCII. */
bool key_equal_fold(const char *a, const char *b);

/*
 * member_fold() - a member by its name in any case (settings files); borrowed, NULL when there is none or @object
 * is none.
 */
json_t *member_fold(json_t *object, const char *name);

/* ---- parts ---- */

extern const struct shape mount_shape, host_config_shape, resources_shape, driver_shape, health_shape;

/* Rules that several shapes use. */
int rule_refuse_unless_empty(struct judging *j, json_t *owner, json_t *value);
int rule_sysctls(struct judging *j, json_t *owner, json_t *value);
int rule_oom_score(struct judging *j, json_t *owner, json_t *value);
int rule_log_config(struct judging *j, json_t *owner, json_t *value);
int rule_volume_driver(struct judging *j, json_t *owner, json_t *value);
int rule_mounts(struct judging *j, json_t *owner, json_t *value);
int rule_binds(struct judging *j, json_t *owner, json_t *value);
int rule_volumes_from(struct judging *j, json_t *owner, json_t *value);
int rule_tmpfs(struct judging *j, json_t *owner, json_t *value);

/* host_namespaces() - refuse what was gathered in j->host_ns, with the runtime's text (M1, M2). */
int host_namespaces(struct judging *j);

/*
 * network_named() - a network that a container is to be in. "host" is gathered in j->host_ns; an id is looked up.
 */
int network_named(struct judging *j, const char *name);

/* cgroup_parent() - may containers be put below this control group? */
int cgroup_parent(struct judging *j, const char *parent);

/* security_option() - one of HostConfig.SecurityOpt. */
int security_option(struct judging *j, const char *option);

/* tmpfs_option() - a mount option that only concerns the tmpfs itself. @s: @len bytes of "size=1m" */
bool tmpfs_option(const char *s, size_t len);

/*
 * volume_options() - DriverOpts of the local driver: harmless, or a host path that may be mounted. @ret_device as of
 * volume_named(); NULL: the volume is to be made, then a host path has to be read-only and is replaced by what it
 * resolves to.
 */
int volume_options(struct judging *j, json_t *options, char **ret_device);

/* volume_name_valid() - one that the engine itself accepts. */
bool volume_name_valid(const char *name, size_t len);

/*
 * volume_named() - if there is such a volume already: is it one that may be mounted? @ret_device: malloc'd, the
 * directory of the host that it shows; NULL when it is an ordinary one.
 */
int volume_named(struct judging *j, const char *name, char **ret_device);

/*
 * host_path_judge() - may this host path be mounted? @path is looked up as the engine would; with symbolic links
 * followed and judged by where it really lies. What does not exist is judged by the directory it would be made in.
 * @ret: malloc'd, the path without links; never contains "." or "..".
 */
int host_path_judge(struct judging *j, const char *path, char **ret);

/*
 * host_path_steady() - can nobody but root make @path, which has no links, lead elsewhere? For what the engine looks
 * up again by itself, without the runtime that would see it.
 */
bool host_path_steady(const char *path);

/* host_path_clean() - as Go's path.Clean() for absolute paths: "/a/link/../b" is "/a/b". Malloc'd, NULL: no memory. */
char *host_path_clean(const char *path);

/* ---- binds whose source is not steady (rules-source.c) ---- */

struct source_bind {
	const char *path, *target;
	bool read_only;
	char propagation[16]; /* "": the default */
};

/* source_mount() - put it into HostConfig.Mounts, where the engine never makes the source. @hc: HostConfig */
int source_mount(struct judging *j, json_t *hc, const struct source_bind *b);

/* source_from_bind() - the same for a member of Binds. @path: what its source resolves to; @rest: "target[:mode]" */
int source_from_bind(struct judging *j, json_t *hc, const char *path, const char *rest);

/*
 * source_from_other() - the same for what VolumesFrom brings along, unless the request has something at that place.
 * @m: of the other container's Mounts
 */
int source_from_other(struct judging *j, json_t *hc, const json_t *m, const char *path, bool read_only);

/* source_missing() - if @path does not exist, it is to be made. source_make() - make them: all else is allowed. */
int source_missing(struct judging *j, const char *path);
int source_make(struct judging *j);

/* ---- the engine's socket in containers (rules-socket.c, rules-own.c) ---- */

/*
 * socket_mount() - a container that is being made asks for the engine's socket. @ret: malloc'd, the path of the one that it
 * gets instead. Refused with M5 or M6 unless its image may have one.
 */
int socket_mount(struct judging *j, char **ret);

/* socket_is_ours() - is this path a socket that some container was given? */
bool socket_is_ours(const struct judging *j, const char *path);

/*
 * socket_start() - a container is started: if it has a socket, is its image, as it really is, still one that may? From then
 * on the socket is this container's and no other's.
 */
int socket_start(struct judging *j, const json_t *inspect);

/* socket_judge() - a request that came through a container's socket, before any other rule (E69-E82). */
int socket_judge(struct judge_request *q, struct judge_verdict *v);

/* socket_count() - note what came of a request through a container's socket. */
void socket_count(struct judge_request *q, bool refused);

/* socket_made() - what is put on a container that is made, and what an entry's "create" demands of it. */
int socket_made(struct judging *j);

/*
 * socket_route_allowed() - may the client call this endpoint, by the command list that holds for it? For requests that do
 * the same in another way ("image_push"). Always true for clients on the host.
 */
bool socket_route_allowed(const struct judge_request *q, const char *route);

/* socket_blocked() - the refusal M7. @what: path and query as the client wrote them. */
int socket_blocked(struct judging *j, const char *what);

/* socket_build() - labels that a build gets: its scope, and the number by which its image is found. */
int socket_build(struct judging *j);

/* own_only() - the entry that keeps this request to its scope's own things, or NULL. */
const struct socket_image *own_only(const struct judge_request *q);

/* own_judge() - of a scope's own things only (ownOnly): is this one of them? Narrows lists. */
int own_judge(struct judging *j);

/* socket_labels() - of the body: the scope, and what the entry wants. @from_image: an image brings labels as well. */
int socket_labels(struct judging *j, bool from_image);

/* socket_labels_of() - the same for what is made along: @object has or gets "Labels". */
int socket_labels_of(struct judging *j, json_t *object, bool from_image);

/* socket_wants_labels() - does it matter that a thing has them, also one that the engine makes along by itself? */
bool socket_wants_labels(const struct judge_request *q);

/*
 * socket_buildkit() - may the client build by BuildKit? Not where an entry keeps it from the default network: frontends, which
 * a Dockerfile names, choose the network of steps after the request has been judged.
 */
int socket_buildkit(struct judging *j);

/* socket_changes() - are the "changes" of the query such as do not undo that? socket_service() - may services be made? */
int socket_changes(struct judging *j);
int socket_service(struct judging *j);

/* socket_name(), socket_network(), socket_powers() - are these within the entry's "create"? @config: HostConfig and the like. */
int socket_name(struct judging *j, const char *name);
int socket_network(struct judging *j, const char *name);
int socket_powers(struct judging *j, const json_t *config);

/* own_volume() - is the engine's description of a volume one of the scope's (or does it not matter)? */
bool own_volume(const struct judging *j, const json_t *volume);

/* own_container() - is this container of the scope of j->q->grant? 404 if not, in the engine's words. */
int own_container(struct judging *j, const json_t *inspect, const char *name);

#define SCOPE_LABEL "io.caisson.scope"

/*
 * container_copy() - may the engine copy (@write: into; else out of) the container @inspect? It mounts all that the
 * container has mounted and works there as root of the host.
 */
int container_copy(struct judging *j, const json_t *inspect, bool write);

/*
 * container_look_up() - @ret_inspect: new reference. None of that name is refused, with the engine's words: 404, but 400
 * from within a body, as to 404 the client would pull the image.
 */
int container_look_up(struct judging *j, const char *name, json_t **ret_inspect);

/* object_look_up() - GET /KIND/NAME/TAIL. Return: 0 with *@ret NULL when there is none, -EPERM with the verdict. */
int object_look_up(struct judging *j, const char *kind, const char *name, const char *tail, json_t **ret);

/* pin_container() - send on the id of the container that was judged in the place of its name. */
int pin_container(struct judging *j, const json_t *inspect);

/*
 * container_ours() - as container_look_up(), and refuse if it does not run under Caisson, or lives on from before without
 * isolation (but to start or restart it). @ret_inspect may be NULL.
 */
int container_ours(struct judging *j, const char *name, json_t **ret_inspect);

/* build_context() - may the engine fetch this for a build? Also "", and what the client sends. */
int build_context(struct judging *j, const char *remote);

/* image_familiar() - "docker:cli" as "docker.io/library/docker" (E50), into @ret. */
void image_familiar(const char *image, char *ret, size_t size);

/* query_get() - the only value of a query parameter; NULL: absent. A repeated one is refused by judge_query(). */
const char *query_get(const struct judge_request *q, const char *key);

/* query_closed() - refuse parameters that are not in @known, and repeated ones that are not in @repeatable. */
int query_closed(struct judging *j, const char *const known[], size_t n_known, const char *const repeatable[],
		 size_t n_repeatable);

#endif
