/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any text as overlay's options: what is accepted has layers with names, the data-only ones last, as many as the kernel
 * allows, and means the same after it was written out in both of the kernel's forms and read again.
 */
#include <stdint.h>

#include "base/cleanup.h"
#include "codec/fuzz-oci.h"
#include "codec/mountinfo.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* As the kernel shows a value; @colons: ':' and '\' have a '\' of their own before them, as whoever mounted it wrote. */
static void put_value(FILE *f, const char *s, bool colons)
{
	for (; *s; s++) {
		if (colons && strchr(":\\", *s))
			fputs("\\134", f);
		if (strchr(",= \t\n\\", *s))
			fprintf(f, "\\%03o", (unsigned char)*s);
		else
			fputc(*s, f);
	}
}

static void put_layers(FILE *f, const struct overlay_options *o, bool one_option)
{
	size_t first_data = o->n_lower - o->n_data;

	for (size_t i = 0; i < o->n_lower; i++) {
		if (!one_option)
			fputs(i < first_data ? ",lowerdir+=" : ",datadir+=", f);
		else
			fputs(i == 0 ? ",lowerdir=" : i < first_data ? ":" : "::", f);
		put_value(f, o->lower[i], one_option);
	}
}

static char *written(const struct overlay_options *o, bool one_option)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	CHECK(f);
	fputs("rw", f);
	put_layers(f, o, one_option);
	if (o->upper) {
		fputs(",upperdir=", f);
		put_value(f, o->upper, true);
	}
	if (o->work) {
		fputs(",workdir=", f);
		put_value(f, o->work, true);
	}
	fprintf(f, "%s%s,metacopy=%s,redirect_dir=%s,nfs_export=%s", o->userxattr ? ",userxattr" : "",
		o->volatile_ ? ",volatile" : "", o->metacopy ? "on" : "off", o->redirect ? "on" : "nofollow",
		o->nfs_export ? "on" : "off");
	CHECK(fclose(f) == 0);
	return text;
}

static void check_again(const struct overlay_options *o, bool one_option)
{
	_cleanup_free_ char *text = written(o, one_option);
	struct overlay_options again;

	CHECK(overlay_options_parse(text, &again) == 0);
	CHECK(again.n_lower == o->n_lower && again.n_data == o->n_data);
	for (size_t i = 0; i < o->n_lower; i++)
		CHECK(strcmp(again.lower[i], o->lower[i]) == 0);
	CHECK(same(again.upper, o->upper) && same(again.work, o->work));
	CHECK(again.metacopy == o->metacopy && again.redirect == o->redirect && again.userxattr == o->userxattr &&
	      again.volatile_ == o->volatile_ && again.nfs_export == o->nfs_export);
	overlay_options_done(&again);
}

/* Does a regular layer follow a data-only one? The count in the result could not say so. */
static bool is_out_of_order(const char *text)
{
	bool data = false;

	for (const char *p = text; *p; p += strcspn(p, ","), p += *p == ',') {
		size_t len = strcspn(p, ",");

		if (data && (strncmp(p, "lowerdir=", 9) == 0 || strncmp(p, "lowerdir+=", 10) == 0))
			return true;
		data |= strncmp(p, "datadir+=", 9) == 0 ||
			(strncmp(p, "lowerdir=", 9) == 0 && memmem(p, len, "::", 2));
	}
	return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = NULL;
	struct overlay_options o;
	bool disordered;
	int r;

	if (size > 65536)
		return 0;
	text = malloc(size + 1);
	CHECK(text);
	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	/* "\::" is an escaped colon and a separator: leave such texts to the other checks */
	disordered = !strchr(text, '\\') && is_out_of_order(text);
	memset(&o, 0x5a, sizeof o);
	r = overlay_options_parse(text, &o);
	if (r < 0) {
		CHECK(r == -EINVAL && ((unsigned char *)&o)[0] == 0x5a);
		return 0;
	}
	CHECK(!disordered && o.n_lower > o.n_data && o.n_lower <= 500);
	for (size_t i = 0; i < o.n_lower; i++)
		CHECK(*o.lower[i]);
	check_again(&o, false);
	check_again(&o, true);
	overlay_options_done(&o);
	return 0;
}
