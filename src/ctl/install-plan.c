/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "ctl/install.h"
#include "ctl/units.h"
#include "sys/path.h"

#define UNITS	 "etc/systemd/system/"
#define TEXT_MAX (1u << 20)

static const char default_settings[] = "{\n"
				       "  \"configurationFileVersion\": 2,\n"
				       "  \"enhancedContainerIsolation\": {\n"
				       "    \"value\": true,\n"
				       "    \"locked\": true\n"
				       "  }\n"
				       "}\n";

static const char runc_first[] = "# Written by caissonctl install: whatever is run as runc is isolated.\n"
				 "[Service]\n"
				 "Environment=PATH=" CAISSON_LIBEXEC
				 "/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n";

static const char engine_socket[] =
	"# Written by caissonctl install: clients reach the engine through the guard only.\n"
	"[Socket]\n"
	"ListenStream=\n"
	"ListenStream=" INSTALL_ENGINE "\n"
	"DirectoryMode=0700\n"
	"SocketMode=0600\n"
	"SocketUser=root\n"
	"SocketGroup=root\n";

/* The text of a file below the root, symbolic links followed within it. NULL with 0: there is none. */
static int read_text(int root_fd, const char *path, char **ret, struct err *e)
{
	_cleanup_close_ int fd = path_open_in(root_fd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
	int r;

	*ret = NULL;
	if (fd == -ENOENT || fd == -ENOTDIR)
		return 0;
	if (fd < 0)
		return err_sys(e, -fd, "/%s: cannot open it", path);
	r = io_read_fd(fd, TEXT_MAX, ret, NULL);
	return r < 0 ? err_sys(e, -r, "/%s: cannot read it", path) : 0;
}

/* As systemd looks for it: the administrator's before the package's. */
static int read_unit(int root_fd, const char *name, char **ret, struct err *e)
{
	static const char *const dirs[] = { "etc/systemd/system", "run/systemd/system",
					    "usr/local/lib/systemd/system", "usr/lib/systemd/system",
					    "lib/systemd/system" };

	*ret = NULL;
	for (size_t i = 0; i < ARRAY_SIZE(dirs) && !*ret; i++) {
		char path[128];
		int r;

		(void)snprintf(path, sizeof path, "%s/%s", dirs[i], name);
		r = read_text(root_fd, path, ret, e);
		if (r < 0)
			return r;
	}
	return 0;
}

static int add(struct plan *p, bool link, const char *path, const char *text, struct err *e)
{
	struct change *c = &p->v[p->n];

	*c = (struct change){ .path = strdup(path), .text = strdup(text), .link = link };
	if (!c->path || !c->text) {
		free(c->path);
		free(c->text);
		return err_sys(e, ENOMEM, "installation");
	}
	p->n++;
	return 0;
}

/* ---- daemon.json ---- */

/* Go reads member names in any case. */
static const char *spelling(json_t *o, const char *name)
{
	const char *key;
	json_t *v;

	json_object_foreach(o, key, v) {
		(void)v;
		if (strcasecmp(key, name) == 0)
			return key;
	}
	return name;
}

/* The object of that name, made where there is none. NULL: something else has the name. */
static json_t *object_in(json_t *o, const char *name)
{
	json_t *found = json_object_get(o, spelling(o, name));

	if (!found && json_object_set_new(o, name, found = json_object()) < 0)
		return NULL;
	return json_is_object(found) ? found : NULL;
}

static bool set_false(json_t *o, const char *name)
{
	const char *key = spelling(o, name);

	if (json_is_false(json_object_get(o, key)))
		return false;
	(void)json_object_set_new(o, key, json_false());
	return true;
}

static int merge_tree(json_t *tree, bool *ret_changed, struct err *e)
{
	static const char path[] = CAISSON_SBIN "/caisson";
	json_t *runtimes, *ours, *builder, *entitlements;
	const char *now;

	if (json_object_get(tree, spelling(tree, "hosts")))
		return err_set(
			e, EINVAL,
			"/etc/docker/daemon.json: \"hosts\": the engine would listen there, past the guard; "
			"remove it (the unit of the engine says where it listens) and try again");
	runtimes = object_in(tree, "runtimes");
	ours = runtimes ? object_in(runtimes, "sysbox-runc") : NULL;
	builder = object_in(tree, "builder");
	entitlements = builder ? object_in(builder, "Entitlements") : NULL;
	if (!ours || !entitlements)
		return err_set(
			e, EINVAL,
			"/etc/docker/daemon.json: runtimes, its sysbox-runc, builder and its Entitlements have to be "
			"objects; correct it and try again");
	now = json_string_value(json_object_get(ours, "path"));
	if (!now || strcmp(now, path) != 0) {
		(void)json_object_clear(ours);
		(void)json_object_set_new(ours, "path", json_string(path));
		*ret_changed = true;
	}
	*ret_changed = set_false(entitlements, "network-host") || *ret_changed;
	*ret_changed = set_false(entitlements, "security-insecure") || *ret_changed;
	return 0;
}

int merge_daemon_json(const char *old, char **ret, struct err *e)
{
	_cleanup_free_ char *text = NULL;
	json_error_t je;
	json_t *tree = old ? json_loads(old, JSON_REJECT_DUPLICATES, &je) : json_object();
	bool changed = !old;
	int r = 0;

	if (!json_is_object(tree))
		r = err_set(
			e, EINVAL,
			"/etc/docker/daemon.json: not a JSON object (line %d: %.200s); correct it and try again",
			je.line, je.text);
	if (r == 0)
		r = merge_tree(tree, &changed, e);
	if (r == 0 && changed) {
		text = json_dumps(tree, JSON_INDENT(2));
		if (!text || asprintf(ret, "%s\n", text) < 0)
			r = err_sys(e, ENOMEM, "/etc/docker/daemon.json");
	} else if (r == 0) {
		*ret = strdup(old);
		r = *ret ? 0 : err_sys(e, ENOMEM, "/etc/docker/daemon.json");
	}
	json_decref(tree);
	return r;
}

/* ---- the engine's unit ---- */

/* One host of a command line. */
static int note_host(const char *host, bool *ret_fd, struct err *e)
{
	if (strncmp(host, "fd:", 3) == 0) {
		*ret_fd = true;
		return 0;
	}
	if (strncmp(host, "unix:", 5) == 0 || host[0] == '/')
		return 0;
	return err_set(
		e, EINVAL,
		"docker.service: the engine listens on %.200s, past the guard; take that out of its ExecStart "
		"and try again",
		host);
}

int exec_start(const char *unit, char **ret, bool *ret_fd, struct err *e)
{
	static const char key[] = "ExecStart=";
	_cleanup_free_ char *text = strdup(unit), *out = NULL;
	char *save = NULL, *line = NULL, *end;

	*ret = NULL;
	*ret_fd = false;
	if (!text)
		return err_sys(e, ENOMEM, "docker.service");
	for (char *p = text; (p = strstr(p, "\\\n")); p += 2)
		p[0] = p[1] = ' ';
	for (char *l = strtok_r(text, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
		l += strspn(l, " \t");
		if (strncmp(l, key, sizeof key - 1) == 0 && l[sizeof key - 1])
			line = l + sizeof key - 1;
	}
	if (!line)
		return 0;
	out = end = calloc(1, strlen(line) + 2);
	if (!out)
		return err_sys(e, ENOMEM, "docker.service");
	for (char *word = strtok_r(line, " \t", &save); word; word = strtok_r(NULL, " \t", &save)) {
		const char *host = NULL;
		int r;

		if (strcmp(word, "-H") == 0 || strcmp(word, "--host") == 0)
			host = (word = strtok_r(NULL, " \t", &save)) ? word : "";
		else if (strncmp(word, "--host=", 7) == 0)
			host = word + 7;
		else if (strncmp(word, "-H", 2) == 0)
			host = word + 2 + (word[2] == '=');
		if (host) {
			r = note_host(host, ret_fd, e);
			if (r < 0)
				return r;
			if (!word)
				break;
			continue;
		}
		if (end > out)
			*end++ = ' ';
		memcpy(end, word, strlen(word));
		end += strlen(word);
	}
	*ret = TAKE_PTR(out);
	return 0;
}

/* Its socket elsewhere: by its socket unit where it has its socket from there, else by its command line. */
static int plan_engine(int root_fd, struct plan *p, struct err *e)
{
	_cleanup_free_ char *service = NULL, *socket = NULL, *command = NULL, *text = NULL;
	bool by_fd = false;
	int r;

	r = read_unit(root_fd, "docker.service", &service, e);
	if (r == 0)
		r = read_unit(root_fd, "docker.socket", &socket, e);
	if (r < 0)
		return r;
	if (!service)
		return err_set(e, ENOENT, "there is no docker.service: install the Docker Engine first");
	r = exec_start(service, &command, &by_fd, e);
	if (r < 0)
		return r;
	if (!command)
		return err_set(e, EINVAL, "docker.service has no ExecStart: the engine's unit is not understood");
	if (socket) {
		r = add(p, false, UNITS "docker.socket.d/caisson.conf", engine_socket, e);
		if (r < 0)
			return r;
	}
	if (by_fd && socket)
		return add(p, false, UNITS "docker.service.d/caisson.conf", runc_first, e);
	if (asprintf(&text,
		     "%sExecStart=\nExecStart=%s -H unix://" INSTALL_ENGINE "\n"
		     "ExecStartPre=/bin/mkdir -p -m 0700 /run/caisson/engine\n",
		     runc_first, command) < 0) {
		text = NULL;
		return err_sys(e, ENOMEM, "installation");
	}
	return add(p, false, UNITS "docker.service.d/caisson.conf", text, e);
}

static bool has_group(const char *groups, const char *name)
{
	size_t n = strlen(name);

	for (const char *l = groups; l && *l; l = strchr(l, '\n') ? strchr(l, '\n') + 1 : NULL)
		if (strncmp(l, name, n) == 0 && l[n] == ':')
			return true;
	return false;
}

/* Without a group docker only root may connect, as with the engine itself. */
static int plan_socket(int root_fd, struct plan *p, struct err *e)
{
	static const char group[] = "SocketGroup=docker\n";
	_cleanup_free_ char *groups = NULL, *text = NULL;
	const char *at = strstr(embed_caissond_socket, group);
	int r = read_text(root_fd, "etc/group", &groups, e);

	if (r < 0)
		return r;
	if (!at || has_group(groups, "docker"))
		return add(p, false, UNITS "caissond.socket", embed_caissond_socket, e);
	if (asprintf(&text, "%.*sSocketGroup=root\n%s", (int)(at - embed_caissond_socket), embed_caissond_socket,
		     at + sizeof group - 1) < 0) {
		text = NULL;
		return err_sys(e, ENOMEM, "installation");
	}
	return add(p, false, UNITS "caissond.socket", text, e);
}

static int plan_containerd(int root_fd, struct plan *p, struct err *e)
{
	_cleanup_free_ char *unit = NULL;
	int r = read_unit(root_fd, "containerd.service", &unit, e);

	/* It is containerd that runs runc for the engine, where the engine does not start a containerd of its own. */
	return r < 0 || !unit ? r : add(p, false, UNITS "containerd.service.d/caisson.conf", runc_first, e);
}

static int plan_settings(int root_fd, struct plan *p, struct err *e)
{
	_cleanup_free_ char *old = NULL;
	int r = read_text(root_fd, "etc/caisson/admin-settings.json", &old, e);

	return r < 0 || old ? r : add(p, false, "etc/caisson/admin-settings.json", default_settings, e);
}

static int plan_daemon_json(int root_fd, struct plan *p, struct err *e)
{
	_cleanup_free_ char *old = NULL, *merged = NULL;
	int r = read_text(root_fd, "etc/docker/daemon.json", &old, e);

	if (r == 0)
		r = merge_daemon_json(old, &merged, e);
	return r < 0 ? r : add(p, false, "etc/docker/daemon.json", merged, e);
}

static int plan_logrotate(int root_fd, struct plan *p, struct err *e)
{
	struct stat st;

	/* The audit grows without it, but a directory that nobody reads is of no use. */
	if (fstatat(root_fd, "etc/logrotate.d", &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode))
		return 0;
	return add(p, false, "etc/logrotate.d/caissond", embed_caissond, e);
}

int plan_make(int root_fd, const char *root, struct plan *ret, struct err *e)
{
	struct plan p = { 0 };
	int r;

	r = plan_engine(root_fd, &p, e);
	if (r == 0)
		r = plan_containerd(root_fd, &p, e);
	if (r == 0)
		r = plan_daemon_json(root_fd, &p, e);
	if (r == 0)
		r = plan_settings(root_fd, &p, e);
	if (r == 0)
		r = plan_logrotate(root_fd, &p, e);
	if (r == 0)
		r = plan_socket(root_fd, &p, e);
	if (r == 0)
		r = add(&p, false, UNITS "caissond.service", embed_caissond_service, e);
	if (r == 0)
		r = add(&p, false, UNITS "caissond-keep.service", embed_caissond_keep_service, e);
	if (r == 0)
		r = add(&p, true, UNITS "sockets.target.wants/caissond.socket", "/" UNITS "caissond.socket", e);
	if (r == 0)
		r = add(&p, true, UNITS "multi-user.target.wants/caissond.service", "/" UNITS "caissond.service",
			e);
	if (r == 0)
		r = add(&p, true, &(CAISSON_LIBEXEC "/bin/runc")[1], CAISSON_SBIN "/caisson", e);
	if (r < 0) {
		plan_done(&p);
		return strcmp(root, "/") == 0 ? r : err_ctx(e, r, "below %s", root);
	}
	*ret = p;
	return 0;
}

void plan_done(struct plan *p)
{
	for (size_t i = 0; i < p->n; i++) {
		free(p->v[i].path);
		free(p->v[i].text);
	}
	*p = (struct plan){ 0 };
}
