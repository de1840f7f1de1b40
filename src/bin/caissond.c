/* SPDX-License-Identifier: Apache-2.0 */
/*
 * caissond - the guard: stands between Docker clients and the engine, and holds what the administrator's
 * settings say. See caissond(8).
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <grp.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/num.h"
#include "bin/helper.h"
#include "guard/engine-check.h"
#include "guard/listen.h"
#include "guard/relay.h"
#include "guard/settings-watch.h"
#include "guard/socket-status.h"
#include "guard/socket-watch.h"
#include "guard/status.h"
#include "socket/grants.h"
#include "socket/keep.h"
#include "socket/trust.h"
#include "sys/settings-file.h"

#define DEFAULT_ENGINE	"/run/caisson/engine/docker.sock"
#define MAX_CONNECTIONS 16384u
#define OWN_FDS		96u /* connections to the engine that rest among them */

struct options {
	const char *listen, *engine, *settings, *audit, *journal, *state, *group, *helper, *keep;
	bool runc_is_caisson;
};

struct guard {
	struct options options;
	char *dropins; /* directory of further settings files */
	struct settings_watch *watch;
	time_t started, loaded;
	struct err problem; /* with the newest settings; code 0: none */
	int listen_fds[LISTEN_MAX];
	size_t n_listen;
	bool inherited;
	int state_fd; /* holds the lock */
	const char *protected_paths[5];
	struct judge_host host;
	struct engine_check *check;
	struct judge_engine *client; /* of the engine */
	struct socket_watch *sockets;
	gid_t gid;    /* of the socket */
	char *helper; /* owned */
};

static void say(void *ctx, const char *message)
{
	(void)ctx;
	fprintf(stderr, "caissond: %s\n", message);
}

static void usage(FILE *f)
{
	fputs("caissond - the guard between Docker clients and the Docker Engine\n\n"
	      "usage: caissond --listen unix://PATH [options]\n\n"
	      "  --listen unix://PATH    where clients connect; not needed when systemd passes the socket\n"
	      "  --engine unix://PATH    the engine's own socket (default " DEFAULT_ENGINE ")\n"
	      "  --settings FILE|DIR     settings, or the directory of admin-settings.json (default " SETTINGS_DEFAULT_DIR
	      ")\n"
	      "  --audit FILE|journal    append what was refused and changed, one JSON object a line; or send it to\n"
	      "                          the journal of systemd; given twice: both\n"
	      "  --state DIR             directory of this guard; one guard at a time. Needed for Docker sockets in containers\n"
	      "  --socket-group NAME     group that may connect (default docker; root where there is none)\n"
	      "  --runc-is-caisson       the engine and its containerd find Caisson as runc: do not try whether they do\n"
	      "  --registry-helper FILE  what asks registries (default: caisson-registry of this installation)\n"
	      "  --keep DIR              only keep the sockets of the guard with that --state open while it restarts\n"
	      "  --version, --help\n",
	      f);
}

/* "unix:///run/x.sock": the path, or NULL. */
static const char *unix_path(const char *url)
{
	if (strncmp(url, "unix://", 7) != 0 || url[7] != '/')
		return NULL;
	return url + 7;
}

/* What nobody may have mounted into a container. */
static int protect(struct guard *g, struct err *e)
{
	const struct options *o = &g->options;
	size_t n = o->settings ? strlen(o->settings) : 0;

	if (n > 5 && strcmp(o->settings + n - 5, ".json") == 0 &&
	    asprintf(&g->dropins, "%.*s.d", (int)n - 5, o->settings) < 0) {
		g->dropins = NULL;
		return err_sys(e, ENOMEM, "settings");
	}
	const char *const paths[] = { o->engine, o->listen, o->state,
				      o->settings ? o->settings : SETTINGS_DEFAULT_DIR, g->dropins };

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		if (paths[i])
			g->protected_paths[g->host.n_protected++] = paths[i];
	g->host.protected_paths = g->protected_paths;
	return 0;
}

/* Return: 0 to go on, else an exit status + 1. */
static int parse(int argc, char **argv, struct options *o)
{
	enum { LISTEN = 1, ENGINE, SETTINGS, AUDIT, STATE, GROUP, RUNC, HELPER, KEEP, VERSION, HELP };
	static const struct option table[] = {
		{ "listen", required_argument, NULL, LISTEN },
		{ "engine", required_argument, NULL, ENGINE },
		{ "settings", required_argument, NULL, SETTINGS },
		{ "audit", required_argument, NULL, AUDIT },
		{ "state", required_argument, NULL, STATE },
		{ "socket-group", required_argument, NULL, GROUP },
		{ "runc-is-caisson", no_argument, NULL, RUNC },
		{ "registry-helper", required_argument, NULL, HELPER },
		{ "keep", required_argument, NULL, KEEP },
		{ "version", no_argument, NULL, VERSION },
		{ "help", no_argument, NULL, HELP },
		{ NULL, 0, NULL, 0 },
	};
	const char **const values[] = {
		[LISTEN] = &o->listen, [ENGINE] = &o->engine, [SETTINGS] = &o->settings, [AUDIT] = &o->audit,
		[STATE] = &o->state,   [GROUP] = &o->group,   [HELPER] = &o->helper,	 [KEEP] = &o->keep
	};
	int c;

	while ((c = getopt_long(argc, argv, "", table, NULL)) != -1) {
		if (c == VERSION) {
			puts("caissond " CAISSON_VERSION);
			return 1;
		}
		if (c == HELP) {
			usage(stdout);
			return 1;
		}
		if (c == '?')
			return 3;
		if (c == AUDIT && audit_is_journal(optarg))
			o->journal = optarg;
		else if (c == RUNC)
			o->runc_is_caisson = true;
		else
			*values[c] = optarg;
	}
	if (optind < argc) {
		fprintf(stderr, "caissond: unexpected argument '%s'; see --help\n", argv[optind]);
		return 3;
	}
	if ((o->listen && !(o->listen = unix_path(o->listen))) || !(o->engine = unix_path(o->engine))) {
		fputs("caissond: sockets are given as unix:///absolute/path\n", stderr);
		return 3;
	}
	return 0;
}

static int find_group(const char *name, gid_t *ret, struct err *e)
{
	/* Not getgrnam(): a static program has no name services beyond the file. */
	_cleanup_fclose_ FILE *f = fopen("/etc/group", "re");
	const struct group *gr = NULL;

	while (f && (gr = fgetgrent(f)) && strcmp(gr->gr_name, name ? name : "docker") != 0)
		;
	if (!gr && name)
		return err_set(e, ENOENT, "group %s does not exist; create it or give another with --socket-group",
			       name);
	*ret = gr ? gr->gr_gid : 0;
	return 0;
}

static int open_sockets(struct guard *g, struct err *e)
{
	int n, fd, r;

	r = find_group(g->options.group, &g->gid, e);
	if (r < 0)
		return r;
	n = listen_inherited(g->listen_fds, e);
	if (n < 0)
		return n;
	g->inherited = n > 0;
	g->n_listen = (size_t)n;
	if (n > 0)
		return 0;
	if (!g->options.listen)
		return err_set(e, EINVAL,
			       "nowhere to listen: give --listen unix://PATH, or pass a socket by systemd");
	if (strcmp(g->options.listen, g->options.engine) == 0)
		return err_set(e, EINVAL, "--listen and --engine are the same socket");
	fd = listen_create(g->options.listen, g->gid, e);
	if (fd < 0)
		return fd;
	g->listen_fds[g->n_listen++] = fd;
	return 0;
}

static int lock_state(struct guard *g, struct err *e)
{
	const char *dir = g->options.state;
	_cleanup_close_ int fd = -EBADF;

	if (!dir)
		return 0;
	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		return err_sys(e, errno, "state directory %s", dir);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, errno, "state directory %s", dir);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return err_set(e, errno, "state directory %s: another guard uses it", dir);
	g->state_fd = TAKE_FD(fd);
	return 0;
}

static bool was_built(void *ctx, const char *id, uid_t uid)
{
	struct guard *g = ctx;

	built_look(g->host.built, g->client); /* one may have ended a moment ago */
	return built_by(g->host.built, id, uid);
}

static void on_built(void *ctx, const char *number, uid_t uid)
{
	struct guard *g = ctx;

	if (!g->sockets)
		return;
	built_note(g->host.built, number, uid);
	socket_watch_built(g->sockets);
}

/*
 * Docker sockets in containers: nothing of it is there until an image may have one, or some container does. Without a
 * directory to remember them in there are none.
 */
static int open_sockets_of_containers(struct guard *g, struct relay *relay, struct err *e)
{
	const struct settings *s = relay_settings(relay);
	const struct grants_config grants = { .directory = s->socket.directory,
					      .state = g->options.state,
					      .ids = "/run/caisson/ids",
					      .gid = g->gid,
					      .say = say };
	struct trust_config trust = { .state_dir = g->options.state, .say = say, .built = was_built, .ctx = g };
	struct grants *opened = g->host.grants;
	struct built *built = g->host.built;
	int r = 0;

	if (!g->options.state || g->sockets ||
	    (s->socket.n_images == 0 && faccessat(g->state_fd, "grants", F_OK, 0) < 0))
		return 0;
	free(g->helper);
	g->helper = g->options.helper ? strdup(g->options.helper) : helper_path("caisson-registry");
	if (!g->helper)
		return err_sys(e, ENOMEM, "Docker sockets of containers");
	trust.helper = g->helper;
	if (!built)
		r = built_new(g->options.state, &built, e);
	g->host.built = built;
	if (r == 0 && !g->host.trust)
		r = trust_new(&trust, &g->host.trust, e);
	/* What failed at an earlier time is tried again. */
	if (r == 0 && !opened)
		r = grants_open(&grants, &opened, e);
	if (r < 0)
		return r;
	g->host.grants = opened;
	r = relay_sockets(relay, e);
	return r < 0 ? r : socket_watch_new(g->client, opened, built, say, &g->sockets, e);
}

static void notify_reloading(void)
{
	struct timespec ts;
	char text[96];

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	(void)snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%lld",
		       (long long)ts.tv_sec * 1000000 + ts.tv_nsec / 1000);
	(void)listen_notify(text);
}

/* Bad settings change nothing: the last good ones hold, and whoever asks is told. */
static void reload(struct guard *g, struct relay *relay)
{
	struct settings s;
	struct err e = { 0 };

	notify_reloading();
	if (settings_load(g->options.settings, &s, &e) < 0 || relay_set_settings(relay, &s, &e) < 0) {
		fprintf(stderr, "caissond: the settings stay as they were: %s\n", e.msg);
		g->problem = e;
	} else {
		g->problem = (struct err){ 0 };
		g->loaded = time(NULL);
		if (relay_settings(relay)->note)
			fprintf(stderr, "caissond: ignored: %s\n", relay_settings(relay)->note);
		if (open_sockets_of_containers(g, relay, &e) < 0)
			say(NULL, e.msg);
		if (g->host.trust)
			trust_warm(g->host.trust, relay_settings(relay));
		fputs("caissond: settings loaded\n", stderr);
	}
	(void)listen_notify("READY=1");
}

static void on_signal(void *ctx, struct relay *relay, int signo)
{
	struct guard *g = ctx;

	if (signo == SIGHUP) {
		reload(g, relay);
		engine_check_again(g->check);
		return;
	}
	(void)listen_notify("STOPPING=1");
	relay_stop(relay);
}

static void on_watch(void *ctx, struct relay *relay)
{
	struct guard *g = ctx;

	if (settings_watch_due(g->watch))
		reload(g, relay);
}

static char *status(void *ctx, const struct relay *relay, const char *path, const struct judge_peer *peer)
{
	const struct guard *g = ctx;
	const struct status st = {
		.started = g->started,
		.loaded = g->loaded,
		.settings = relay_settings(relay),
		.host = &g->host,
		.listen = g->inherited ? NULL : g->options.listen,
		.engine = g->options.engine,
		.audit = g->options.audit,
		.journal = g->options.journal,
		.settings_path = g->options.settings,
		.problem = g->problem.code ? g->problem.msg : NULL,
		.connections = relay_connections(relay),
	};

	if (strcmp(path, SOCKETS_STATUS_PATH) == 0 && peer->uid == 0)
		return sockets_json(g->host.grants, st.settings);
	return strcmp(path, RELAY_STATUS_PATH) == 0 ? status_json(&st, peer->uid == 0) : NULL;
}

static int start_checks(struct guard *g, struct judge_engine *engine, struct err *e)
{
	const struct engine_check_config config = {
		.runc_is_caisson = g->options.runc_is_caisson, .engine = engine, .host = &g->host, .say = say
	};

	return engine_check_new(&config, &g->check, e);
}

/* Two descriptors for each connection, and as many connections as that allows. */
static unsigned connection_limit(void)
{
	struct rlimit rl;
	rlim_t n;

	if (getrlimit(RLIMIT_NOFILE, &rl) < 0)
		return 256;
	rl.rlim_cur = rl.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &rl);
	n = rl.rlim_cur > OWN_FDS ? (rl.rlim_cur - OWN_FDS) / 2 : 16;
	return n < MAX_CONNECTIONS ? (unsigned)n : MAX_CONNECTIONS;
}

static int serve(struct guard *g, struct err *e)
{
	_cleanup_close_ int signals = -EBADF;
	struct relay_config config = {
		.listen_fds = g->listen_fds,
		.n_listen = g->n_listen,
		.on_signal = on_signal,
		.on_owner = on_watch,
		.status = status,
		.on_built = on_built,
		.warn = say,
		.ctx = g,
	};
	struct relay *relay = NULL;
	struct settings s = { 0 };
	sigset_t set;
	int r;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGHUP);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGTERM);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return err_sys(e, errno, "signals");
	signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (signals < 0)
		return err_sys(e, errno, "signals");
	config.signal_fd = signals;
	config.connections = connection_limit();
	config.per_user = config.connections / 2;
	config.host = &g->host;
	config.engine = g->client = engine_new(g->options.engine);
	r = config.engine ? 0 : err_set(e, EINVAL, "socket %s: the path is too long", g->options.engine);
	if (r == 0 && (g->options.audit || g->options.journal)) {
		r = audit_open(g->options.audit, g->options.journal, &config.audit, e);
		if (r > 0) /* the file has everything */
			say(NULL, e->msg);
		r = r < 0 ? r : 0;
	}
	if (r == 0) /* before they are read: a change meanwhile is seen */
		r = settings_watch_new(g->options.settings, &g->watch, e);
	if (r == 0)
		r = settings_load(g->options.settings, &s, e);
	if (r == 0 && s.note)
		say(NULL, s.note);
	if (r == 0)
		config.owner_fd = settings_watch_fd(g->watch);
	if (r == 0)
		r = start_checks(g, config.engine, e);
	config.check = g->check;
	if (r == 0)
		r = relay_new(&config, &s, &relay, e);
	if (r == 0)
		r = open_sockets_of_containers(g, relay, e);
	if (r == 0 && g->host.trust)
		trust_warm(g->host.trust, relay_settings(relay));
	if (r == 0) {
		printf("caissond: serving %s for the engine at %s\n",
		       g->inherited ? "inherited sockets" : g->options.listen, g->options.engine);
		(void)fflush(stdout);
		(void)listen_notify("READY=1");
		r = relay_run(relay, e);
	}
	relay_free(relay);
	engine_check_free(g->check);
	socket_watch_free(g->sockets);
	grants_close(g->host.grants);
	trust_free(g->host.trust);
	built_free(g->host.built);
	free(g->helper);
	settings_watch_free(g->watch);
	settings_done(&s);
	audit_close(config.audit);
	engine_free(config.engine);
	return r;
}

static void keeper_is_ready(void)
{
	(void)listen_notify("READY=1");
}

int main(int argc, char **argv)
{
	struct guard g = { .options = { .engine = "unix://" DEFAULT_ENGINE }, .state_fd = -EBADF };
	struct err e = { 0 };
	int r;

	r = parse(argc, argv, &g.options);
	if (r)
		return r - 1;
	if (g.options.keep)
		return keep_main(g.options.keep, KEEP_IDLE_MS, keeper_is_ready);
	/* The workers would each get a heap of their own, for a few bytes. */
	(void)mallopt(M_ARENA_MAX, 2);
	(void)signal(SIGPIPE, SIG_IGN);
	g.started = g.loaded = time(NULL);
	r = protect(&g, &e);
	if (r == 0)
		r = lock_state(&g, &e);
	if (r == 0)
		r = open_sockets(&g, &e);
	if (r == 0)
		r = serve(&g, &e);
	if (!g.inherited)
		for (size_t i = 0; i < g.n_listen; i++)
			listen_remove(g.listen_fds[i], g.options.listen);
	(void)fd_close(g.state_fd);
	free(g.dropins);
	if (r < 0) {
		fprintf(stderr, "caissond: %s\n", e.msg);
		return 1;
	}
	return 0;
}
