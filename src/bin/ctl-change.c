/* SPDX-License-Identifier: Apache-2.0 */
/* caissonctl: the commands that change something. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "bin/caissonctl.h"
#include "ctl/edit.h"
#include "ctl/install.h"
#include "guard/text.h"

static int change_isolation(const struct ctl *c, int argc, char **argv, bool on)
{
	struct edit done = { 0 };
	struct err e = { 0 };
	bool user = argc == 1 && strcmp(argv[0], "--user") == 0;
	json_t *status;
	int r;

	if (argc && !user)
		return ctl_usage("enable and disable take only --user");
	status = c->settings ? NULL : ctl_ask_status(c, NULL);
	r = edit_isolation(ctl_settings_place(c, status), user, on, &done, &e);
	json_decref(status);
	if (r < 0)
		return ctl_fail(c, &e);
	if (c->json)
		ctl_print_json(json_pack("{so sb sb}", "file", text_json(done.file), "enabled", (int)on, "changed",
					 (int)done.changed));
	else
		printf("%s: isolation is %s%s\n", done.file, on ? "on" : "off", done.changed ? "" : " already");
	free(done.file);
	return CTL_OK;
}

int ctl_enable(const struct ctl *c, int argc, char **argv)
{
	return change_isolation(c, argc, argv, true);
}

int ctl_disable(const struct ctl *c, int argc, char **argv)
{
	return change_isolation(c, argc, argv, false);
}

/* What was said, for --json. */
struct told {
	const struct ctl *c;
	json_t *list;
};

static void tell(void *ctx, const char *line, const char *detail)
{
	struct told *t = ctx;

	if (t->c->json) {
		(void)json_array_append_new(t->list, json_pack("{so so}", "what", text_json(line), "detail",
							       text_json(detail)));
		return;
	}
	puts(line);
	if (detail)
		fputs(detail, stdout);
}

static const char next_steps[] =
	"\nTo put it into force (this restarts the engine; containers end unless it has live-restore):\n"
	"  systemctl daemon-reload\n"
	"  systemctl stop docker.service docker.socket\n"
	"  systemctl restart containerd.service\n"
	"  systemctl start docker.socket caissond.socket docker.service caissond.service\n"
	"  caissonctl doctor\n";
static const char last_steps[] =
	"\nTo put it into force:\n"
	"  systemctl stop caissond.service caissond.socket caissond-keep.service docker.service docker.socket\n"
	"  systemctl daemon-reload\n"
	"  systemctl restart containerd.service\n"
	"  systemctl start docker.socket docker.service\n";

static int run(const struct ctl *c, int argc, char **argv, bool in)
{
	struct told told = { .c = c, .list = json_array() };
	struct install_options o = { .root = "/", .say = tell, .ctx = &told };
	struct err e = { 0 };
	int r;

	for (int i = 0; i < argc; i++) {
		if (strcmp(argv[i], "--dry-run") == 0) {
			o.dry_run = true;
		} else if (strcmp(argv[i], "--root") == 0 && i + 1 < argc && argv[i + 1][0] == '/') {
			o.root = argv[++i];
		} else {
			json_decref(told.list);
			return ctl_usage("install and uninstall take --dry-run and --root DIR, a whole path");
		}
	}
	r = in ? install_run(&o, &e) : uninstall_run(&o, &e);
	if (r < 0) {
		json_decref(told.list);
		return ctl_fail(c, &e);
	}
	if (c->json) {
		ctl_print_json(json_pack("{sb so}", "dryRun", (int)o.dry_run, "changes", told.list));
		return CTL_OK;
	}
	json_decref(told.list);
	if (r == 0)
		puts(in ? "everything is installed already" : "nothing is installed");
	else if (!o.dry_run)
		fputs(in ? next_steps : last_steps, stdout);
	return CTL_OK;
}

int ctl_install(const struct ctl *c, int argc, char **argv)
{
	return run(c, argc, argv, true);
}

int ctl_uninstall(const struct ctl *c, int argc, char **argv)
{
	return run(c, argc, argv, false);
}
