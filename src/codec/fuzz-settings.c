/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any file: what is accepted satisfies every rule that the policy relies on, and says the same
 * after it was written out and read again, with a byte order mark and with its names in another
 * case.
 */
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "codec/lexpath.h"
#include "codec/settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void check_rules(const struct settings *s)
{
	check(s->file && s->pool_first >= 65536 && s->pool_count >= 1);
	check((uint64_t)s->pool_first + (uint64_t)s->pool_count * 65536 <= 0x80000000u);
	for (size_t i = 0; i < s->n_shares; i++) {
		check(lex_is_clean(s->shares[i].path) && strcmp(s->shares[i].path, "/") != 0 && s->shares[i].rule);
		check(!lex_is_below(s->shares[i].path, "/proc") && !lex_is_below(s->shares[i].path, "/sys") &&
		      !lex_is_below(s->shares[i].path, "/dev"));
		check(s->shares[i].mapping <= SETTINGS_MAP_CONTAINER);
		if (i < 300)
			for (size_t j = 0; j < i; j++)
				check(strcmp(s->shares[i].path, s->shares[j].path) != 0);
	}
	for (size_t i = 0; i < s->n_devices; i++)
		check(lex_is_clean(s->devices[i].path) && lex_is_below(s->devices[i].path, "/dev"));
	for (size_t i = 0; i < s->n_engine_roots; i++)
		check(lex_is_clean(s->engine_roots[i]) && strcmp(s->engine_roots[i], "/") != 0);
}

static void check_image(const struct settings_socket *s, size_t i)
{
	const struct socket_image *im = &s->images[i];

	check(im->text && *im->text && im->setting && im->commands_setting);
	check(im->kind != SOCKET_IMAGE_ID || image_digest_valid(im->id));
	check(im->kind != SOCKET_IMAGE_LABEL ||
	      (*im->label.key && im->label.value && !strchr(im->label.key, '=')));
	check(im->kind == SOCKET_IMAGE_LABEL || im->n_builders == 0);
	check(im->until == 0 || (im->until >= 946684800 && im->until <= 253402300799));
	check(im->create.networks || im->create.n_networks == 0);
	for (size_t j = 0; j < im->n_builders; j++)
		check(im->builders[j] != UINT32_MAX);
	for (size_t j = 0; j < im->create.n_networks; j++)
		check(*im->create.networks[j] && !strpbrk(im->create.networks[j], "/:\n"));
	if (i < 300 && strncmp(im->setting, "caisson.", 8) == 0)
		check(settings_socket_entry(s, im->text) == im);
}

static void check_socket(const struct settings_socket *s)
{
	check(lex_is_clean(s->directory) && strlen(s->directory) <= 62 && strcmp(s->directory, "/") != 0);
	check(s->digest_max_age <= 604800 && s->stale_max_age <= 604800);
	for (size_t i = 0; i < s->n_images; i++)
		check_image(s, i);
	for (size_t i = 0; i < s->n_registries; i++) {
		const struct socket_registry *reg = &s->registries[i];

		check(*reg->host && !strpbrk(reg->host, "/\n "));
		check((!reg->ca || lex_is_clean(reg->ca)) && (!reg->auth || lex_is_clean(reg->auth)));
		check(!reg->mirror || reg->insecure || strncmp(reg->mirror, "https://", 8) == 0);
	}
}

static void check_same_socket(const struct settings_socket *a, const struct settings_socket *b)
{
	check(a->n_images == b->n_images && a->n_registries == b->n_registries && a->derived == b->derived &&
	      strcmp(a->directory, b->directory) == 0 && a->offline == b->offline);
	check(a->commands.given == b->commands.given && a->commands.allow == b->commands.allow &&
	      memcmp(&a->commands.listed, &b->commands.listed, sizeof a->commands.listed) == 0);
	for (size_t i = 0; i < a->n_images; i++) {
		const struct socket_image *x = &a->images[i], *y = &b->images[i];

		check(strcmp(x->text, y->text) == 0 && strcmp(x->setting, y->setting) == 0 &&
		      x->until == y->until && x->read_only == y->read_only && x->own_only == y->own_only &&
		      x->learn == y->learn && x->derived == y->derived &&
		      x->create.no_binds == y->create.no_binds &&
		      x->create.no_privileged == y->create.no_privileged &&
		      x->create.n_networks == y->create.n_networks && x->create.n_labels == y->create.n_labels &&
		      memcmp(&x->commands.listed, &y->commands.listed, sizeof x->commands.listed) == 0);
	}
}

static void check_same(const struct settings *a, const struct settings *b)
{
	check(a->enabled == b->enabled && a->allow_hooks == b->allow_hooks && a->pool_first == b->pool_first &&
	      a->pool_count == b->pool_count);
	check(a->n_shares == b->n_shares && a->n_devices == b->n_devices &&
	      a->n_engine_roots == b->n_engine_roots);
	for (size_t i = 0; i < a->n_shares; i++)
		check(strcmp(a->shares[i].path, b->shares[i].path) == 0 &&
		      a->shares[i].read_only == b->shares[i].read_only &&
		      a->shares[i].mapping == b->shares[i].mapping &&
		      strcmp(a->shares[i].rule, b->shares[i].rule) == 0);
	for (size_t i = 0; i < a->n_devices; i++)
		check(strcmp(a->devices[i].path, b->devices[i].path) == 0);
	for (size_t i = 0; i < a->n_engine_roots; i++)
		check(strcmp(a->engine_roots[i], b->engine_roots[i]) == 0);
	check_same_socket(&a->socket, &b->socket);
}

/* The file again as jansson writes it, behind a byte order mark. */
static void check_again(const struct settings *s)
{
	_cleanup_free_ char *text = json_dumps(s->json, JSON_COMPACT);
	_cleanup_free_ char *bom = NULL;
	struct settings again;
	size_t len;

	check(text);
	len = strlen(text);
	if (len + 3 > SETTINGS_MAX) /* escapes may have grown */
		return;
	bom = malloc(len + 3);
	check(bom);
	memcpy(bom, "\xef\xbb\xbf", 3);
	memcpy(bom + 3, text, len);
	check(settings_parse("fuzz", bom, len + 3, &again, NULL) == 0);
	check_same(s, &again);
	settings_done(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct settings s = { 0 };
	struct err e = { 0 };
	int r;

	if (size > 65536)
		return 0;
	r = settings_parse("fuzz", size ? text : "", size, &s, &e);
	check(r <= 0);
	if (r < 0) {
		/* one line that names the file, and nothing handed out */
		check(e.code == -r && strncmp(e.msg, "fuzz: ", 6) == 0 && strpbrk(e.msg, "\n\r\x1b") == NULL);
		check(s.json == NULL && s.shares == NULL);
		return 0;
	}
	check_rules(&s);
	check_socket(&s.socket);
	check_again(&s);
	settings_done(&s);
	check(s.json == NULL && s.shares == NULL && s.socket.images == NULL);
	return 0;
}
