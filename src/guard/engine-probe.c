/* SPDX-License-Identifier: Apache-2.0 */
#include "guard/engine-probe.h"

#include <engine-probe-program.h> /* made of probe/probe.c by the build */
#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "codec/json-read.h"
#include "codec/sha256.h"
#include "guard/h2.h"
#include "guard/protobuf.h"

#define SOLVE	    "/moby.buildkit.v1.Control/Solve"
#define SOLVE_MS    30000
#define MESSAGE_MAX 16384
#define LABEL	    "io.caisson.probe"
#define BY_LABEL    "filters=%7B%22label%22%3A%5B%22" LABEL "%22%5D%7D"
#define EXIT_HOST   3 /* probe/probe.c */

/* ---- BuildKit ---- */

struct message {
	struct pb_text text;
	char buf[MESSAGE_MAX];
};

static void message_init(struct message *m)
{
	m->text = (struct pb_text){ .buf = m->buf, .size = sizeof m->buf };
}

static void put_text(struct message *m, uint32_t field, const char *s)
{
	pb_put_bytes(&m->text, field, s, strlen(s));
}

static void put_message(struct message *m, uint32_t field, const struct message *sub)
{
	pb_put_bytes(&m->text, field, sub->buf, sub->text.len);
	m->text.full |= sub->text.full;
}

static void put_input(struct message *op, const struct message *from)
{
	char digest[7 + SHA256_HEX] = "sha256:";
	struct message input;

	message_init(&input);
	sha256_hex(from->buf, from->text.len, digest + 7);
	put_text(&input, 1, digest);
	put_message(op, 1, &input);
}

static void make_nonce(char ret[static 33])
{
	uint8_t bytes[16] = { 0 };

	(void)!getrandom(bytes, sizeof bytes, 0);
	for (size_t i = 0; i < sizeof bytes; i++)
		(void)snprintf(ret + 2 * i, 3, "%02x", bytes[i]);
}

/* FileOp: an image of one file. */
static void write_file_op(struct message *op)
{
	struct message file, action, op_file;

	message_init(&file);
	put_text(&file, 1, "/probe");
	pb_put_int(&file.text, 2, 0755);
	pb_put_bytes(&file.text, 3, probe_program, sizeof probe_program);
	message_init(&action);
	pb_put_int(&action.text, 1, UINT64_MAX); /* on top of nothing */
	pb_put_int(&action.text, 2, UINT64_MAX);
	put_message(&action, 5, &file);
	message_init(&op_file);
	put_message(&op_file, 2, &action);
	message_init(op);
	put_message(op, 4, &op_file);
}

/* ExecOp: /probe in it, without a network. @nonce: what was built before must not answer. */
static void write_exec_op(struct message *op, const struct message *file, const char *nonce)
{
	struct message meta, mount, exec;
	char env[64];

	(void)snprintf(env, sizeof env, "NONCE=%s", nonce);
	message_init(&meta);
	put_text(&meta, 1, "/probe");
	put_text(&meta, 2, env);
	put_text(&meta, 3, "/");
	message_init(&mount);
	put_text(&mount, 3, "/");
	message_init(&exec);
	put_message(&exec, 1, &meta);
	put_message(&exec, 2, &mount);
	pb_put_int(&exec.text, 3, 2);
	message_init(op);
	put_input(op, file);
	put_message(op, 2, &exec);
}

/* SolveRequest. @entitlement: asked for; NULL: run the probe. */
static void write_solve(struct message *solve, const char *entitlement)
{
	struct message file, exec, last, definition;
	char nonce[33];

	make_nonce(nonce);
	write_file_op(&file);
	message_init(&definition);
	put_message(&definition, 1, &file);
	message_init(&last);
	if (entitlement) {
		put_input(&last, &file);
	} else {
		write_exec_op(&exec, &file, nonce);
		put_message(&definition, 1, &exec);
		put_input(&last, &exec);
	}
	put_message(&definition, 1, &last);
	message_init(solve);
	put_text(solve, 1, nonce);
	put_message(solve, 2, &definition);
	if (entitlement)
		put_text(solve, 9, entitlement);
}

/* Return: grpc-status, -errno. */
static int solve(struct judge_engine *en, const char *entitlement, char text[static H2_MESSAGE_MAX],
		 struct err *why)
{
	_cleanup_free_ struct message *m = malloc(sizeof *m);
	_cleanup_close_ int fd = -EBADF;

	if (!m)
		return err_sys(why, ENOMEM, "probe");
	write_solve(m, entitlement);
	if (m->text.full)
		return err_set(why, ENOBUFS, "probe: the request is too large");
	fd = engine_open(en, "POST", "/grpc", "h2c", why);
	if (fd < 0)
		return fd;
	return h2_call(fd, SOLVE, m->buf, m->text.len, SOLVE_MS, text, why);
}

int engine_probe_builds(struct judge_engine *en, struct err *why)
{
	char text[H2_MESSAGE_MAX];
	int r = solve(en, NULL, text, why);

	if (r < 0)
		return r;
	if (r == 0)
		return 1;
	if (strstr(text, "exit code: 3")) {
		(void)err_set(why, EPERM,
			      "BuildKit's RUN steps have the host's ids: the engine's PATH does not lead from "
			      "runc to Caisson");
		return 0;
	}
	return err_set(why, EIO, "BuildKit cannot run the probe: %s", text);
}

int engine_probe_entitlements(struct judge_engine *en, struct err *why)
{
	static const char *const names[] = { "network.host", "security.insecure", "device" };
	char text[H2_MESSAGE_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		int r = solve(en, names[i], text, why);

		if (r < 0)
			return r;
		if (r == 0) {
			(void)err_set(why, EPERM,
				      "BuildKit grants %s; switch it off in daemon.json "
				      "(builder.entitlements)",
				      names[i]);
			return 0;
		}
		/* "granting entitlement X is not allowed by build daemon configuration"; of old ones "unknown
		 * entitlement". Another failure proves nothing. */
		if (!strstr(text, "entitlement"))
			return err_set(why, EIO, "BuildKit does not say whether it grants %s: %s", names[i], text);
	}
	return 1;
}

/* ---- containers ---- */

#define TAR_BLOCK 512

struct tar {
	uint8_t header[TAR_BLOCK];
	uint8_t data[(sizeof probe_program + TAR_BLOCK - 1) / TAR_BLOCK * TAR_BLOCK];
	uint8_t end[2 * TAR_BLOCK];
};

static void write_tar(struct tar *t)
{
	char *h = (char *)t->header;
	unsigned sum = 0;

	*t = (struct tar){ 0 };
	memcpy(h, "probe", 5);
	memcpy(h + 100, "0000755", 7);
	memcpy(h + 108, "0000000", 7);
	memcpy(h + 116, "0000000", 7);
	(void)snprintf(h + 124, 12, "%011zo", sizeof probe_program);
	memcpy(h + 136, "00000000000", 11);
	memset(h + 148, ' ', 8);
	h[156] = '0';
	memcpy(h + 257, "ustar\00000", 8);
	for (size_t i = 0; i < TAR_BLOCK; i++)
		sum += t->header[i];
	(void)snprintf(h + 148, 7, "%06o", sum);
	memcpy(t->data, probe_program, sizeof probe_program);
}

/* Say what the engine said. */
static int unexpected(struct err *why, const char *what, int status, const char *body)
{
	return err_set(why, EIO, "%s: the engine answers with status %d: %.200s", what, status, body ? body : "");
}

/* A call that has to succeed. @ret: parsed body, may be NULL. */
static int call(struct judge_engine *en, const char *method, const char *path, const char *json, json_t **ret,
		struct err *why)
{
	const struct engine_call c = { method, path, json ? "application/json" : NULL, json,
				       json ? strlen(json) : 0 };
	_cleanup_free_ char *body = NULL;
	size_t len;
	int r = engine_call(en, &c, &body, &len, why);

	if (r < 0)
		return r;
	if (r / 100 != 2)
		return unexpected(why, path, r, body);
	return ret ? json_read("answer of the engine", body, len, ret, why) : 0;
}

/* Remove what has our label, that of a guard that ended in the middle included. */
static void sweep(struct judge_engine *en, const char *list, const char *kind)
{
	struct err ignored = { 0 };
	json_t *all = NULL, *one;
	size_t i;

	if (engine_get(en, list, &all, &ignored) < 0)
		return;
	json_array_foreach(all, i, one) {
		const char *id = json_string_value(json_object_get(one, "Id"));
		char path[160];

		if (!id || strlen(id) > 80)
			continue;
		(void)snprintf(path, sizeof path, "/%s/%s?force=1", kind, id);
		(void)call(en, "DELETE", path, NULL, NULL, &ignored);
	}
	json_decref(all);
}

static void sweep_all(struct judge_engine *en)
{
	sweep(en, "/containers/json?all=1&" BY_LABEL, "containers");
	sweep(en, "/images/json?" BY_LABEL, "images");
}

static int import(struct judge_engine *en, char *ret, size_t size, struct err *why)
{
	struct tar tar;
	const struct engine_call c = { "POST", "/images/create?fromSrc=-&changes=LABEL%20" LABEL "%3D1",
				       "application/x-tar", &tar, sizeof tar };
	_cleanup_free_ char *body = NULL;
	const char *id;
	size_t len;
	int r;

	write_tar(&tar);
	r = engine_call(en, &c, &body, &len, why);
	if (r < 0)
		return r;
	id = r == 200 ? strstr(body, "sha256:") : NULL;
	if (!id || strspn(id + 7, "0123456789abcdef") != 64)
		return unexpected(why, "importing the probe", r, body);
	(void)snprintf(ret, size, "%.71s", id);
	return 0;
}

/* Return: 1, 0, -errno, as the probes. @runtime: NULL for the default one. */
static int try_runtime(struct judge_engine *en, const char *image, const char *runtime, struct err *why)
{
	_cleanup_free_ char *text = NULL;
	json_t *made = NULL, *ended = NULL, *body;
	char path[160], id[81] = "";
	json_int_t status;
	int r;

	body = json_pack("{s:s, s:[s], s:{s:s}, s:{s:s, s:{s:s}, s:s*}}", "Image", image, "Cmd", "/probe",
			 "Labels", LABEL, "1", "HostConfig", "NetworkMode", "none", "LogConfig", "Type", "none",
			 "Runtime", runtime);
	text = body ? json_dumps(body, JSON_COMPACT) : NULL;
	json_decref(body);
	if (!text)
		return err_sys(why, ENOMEM, "probe");
	r = call(en, "POST", "/containers/create", text, &made, why);
	if (r == 0)
		(void)snprintf(id, sizeof id, "%.80s", json_string_value(json_object_get(made, "Id")) ?: "none");
	json_decref(made);
	(void)snprintf(path, sizeof path, "/containers/%s/start", id);
	if (r == 0)
		r = call(en, "POST", path, NULL, NULL, why);
	(void)snprintf(path, sizeof path, "/containers/%s/wait", id);
	if (r == 0)
		r = call(en, "POST", path, NULL, &ended, why);
	status = r == 0 ? json_integer_value(json_object_get(ended, "StatusCode")) : 0;
	json_decref(ended);
	if (r < 0 || status == 0)
		return r < 0 ? r : 1;
	if (status != EXIT_HOST)
		return err_set(why, EIO, "the probe ended with status %d", (int)status);
	(void)err_set(why, EPERM, "containers of runtime %s have the host's ids: it is not Caisson",
		      runtime ? runtime : "(the engine's default)");
	return 0;
}

static bool has_remapping(json_t *info)
{
	json_t *options = json_object_get(info, "SecurityOptions"), *o;
	size_t i;

	json_array_foreach(options, i, o)
		if (json_is_string(o) && strstr(json_string_value(o), "name=userns"))
			return true;
	return false;
}

int engine_probe_containers(struct judge_engine *en, struct err *why)
{
	json_t *info = NULL;
	const char *standard;
	char image[80];
	bool other;
	int r = engine_get(en, "/info", &info, why);

	if (r < 0)
		return r;
	standard = json_string_value(json_object_get(info, "DefaultRuntime"));
	other = !standard || strcmp(standard, "runc") != 0;
	r = has_remapping(info);
	json_decref(info);
	if (r) {
		(void)err_set(
			why, EPERM,
			"the engine remaps ids by itself (userns-remap), which hides whether it runs Caisson");
		return 0;
	}
	sweep_all(en);
	r = import(en, image, sizeof image, why);
	if (r == 0)
		r = try_runtime(en, image, "runc", why);
	if (r == 1 && other)
		r = try_runtime(en, image, NULL, why);
	sweep_all(en);
	return r;
}
