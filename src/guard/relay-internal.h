/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GUARD_RELAY_INTERNAL_H
#define GUARD_RELAY_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/uio.h>

#include "guard/grpc.h"
#include "guard/judge.h"
#include "guard/relay.h"
#include "http/h1.h"
#include "socket/token.h"

#define READ_SIZE	(128u << 10)
#define HOLD_MAX	(64u << 10) /* bytes of a client that came before their time: early data, the next request */
#define BODIES_MAX	(64u << 20)
#define BODIES_PER_USER (32u << 20)
#define HEAD_MS		10000
#define BODY_MS		60000
#define STREAM_MS	3600000
#define CONNECT_MS	10000
#define DRAIN_MS	3000
#define DRAIN_BYTES	(64u << 20)
#define STOP_MS		2000

#define ENGINE_AT_REST 1024 /* connections to the engine that wait for the next request: so many in a burst, */
#define ENGINE_KEPT    32   /* and so many for longer */

#define GRANT_CONNECTIONS 256 /* at once, through one container's socket */

enum watch_kind {
	WATCH_LISTEN,
	WATCH_SOCKET,
	WATCH_SIGNAL,
	WATCH_OWNER,
	WATCH_JUDGED,
	WATCH_GRANTS,
	WATCH_CLIENT,
	WATCH_ENGINE,
	WATCH_REST
};

/* What epoll gives back. The first member of everything that is watched. */
struct watch {
	enum watch_kind kind;
	int fd;
};

/* Bytes that wait. Holds no memory while it is empty. */
struct bytes {
	char *data;
	size_t len, size;
};

/* One end of a connection: a socket and what could not be written to it yet. */
struct end {
	struct watch watch;
	struct conn *conn;
	struct end *next; /* at rest, or among the dead */
	struct bytes out;
	uint32_t armed; /* events asked for */
	bool in_epoll;
	bool hup;	 /* both directions are over: the peer closed */
	bool eof;	 /* nothing more comes */
	bool write_dead; /* EPIPE: what is written to it is dropped */
	bool shut_asked; /* shutdown(SHUT_WR) once @out is empty */
	bool shut_done;
};

enum conn_state { CONN_HEAD, CONN_EXCHANGE, CONN_DRAIN };

/* Of a container's socket everybody is one user, whatever ids they have in there. */
struct user {
	struct user *next;
	uid_t uid;
	char token[GRANT_TOKEN_LEN + 1]; /* "": of the host's sockets */
	unsigned connections;
	size_t bodies; /* bytes */
};

struct conn {
	struct end client;
	struct relay *relay;
	struct conn *prev, *next;
	struct grant *grant; /* a reference; NULL: came by one of the host's sockets */
	struct judge_peer peer;
	struct user *user;
	struct bytes in; /* read, but not consumed */
	struct h1_scan scan;
	struct exchange *x; /* CONN_EXCHANGE */
	int64_t deadline;   /* ms; 0: none */
	int64_t since;	    /* when the current state began */
	size_t drained;
	enum conn_state state;
	bool dead; /* freed at the end of this turn of the loop */
};

enum phase {
	PHASE_BODY,    /* the body is collected for the judge */
	PHASE_JUDGE,   /* a worker has it */
	PHASE_CONNECT, /* judged, not sent: usually for no time, unless the engine's backlog is full */
	PHASE_WAIT,    /* sent; no answer yet. A streamed body flows from here on */
	PHASE_ANSWER,  /* the body of the answer flows */
	PHASE_TUNNEL,  /* two-way bytes */
};

/* Counted: a request being judged keeps the settings that it began with. */
struct policy {
	atomic_uint refs;
	struct settings settings;
};

/* One request and its answer. */
struct exchange {
	struct end *engine; /* not connected at first; NULL once it was put to rest */
	struct conn *conn;  /* NULL: the client went while a worker was busy with it */
	struct relay *relay;
	struct exchange *next; /* in the queue, among the judged, among the dead */
	enum phase phase;
	char *head_text; /* what @head points into */
	struct h1_head head;
	const char *upgrade; /* token that the request asks for and its route allows */
	bool preface;	     /* the client began with HTTP/2: it is not told of the switch that we asked for */
	struct policy *policy;
	struct judge_peer peer;
	struct grant *grant; /* a reference, or NULL */
	struct judge_request q;
	struct judge_verdict v;

	struct bytes body; /* as received, for the judge */
	size_t body_charged;
	struct h1_chunks chunks;
	uint64_t body_left;
	bool body_done, continue_due;

	struct h1_text request; /* written anew */
	char *json;
	size_t json_len;

	struct bytes answer_bytes; /* of an incomplete head */
	struct h1_scan answer_scan;
	struct h1_text answer_head; /* written anew, to go out with the first bytes of the body */
	enum h1_framing answer_framing;
	struct h1_chunks answer_chunks;
	uint64_t answer_left;
	bool answer_begun;	/* the client has seen some of it */
	struct grpc_gate *gate; /* PHASE_TUNNEL that speaks gRPC; NULL: bytes pass */
	bool gate_timed;	/* the deadline is the gate's */
	bool keep;		/* the client's connection can be used again */
	bool lasting;		/* the engine's can, see engine_rest() */
	bool rested, again;	/* it was at rest before; that one was gone, this is the second try */
};

struct pool;

/* A container's socket. */
struct listener {
	struct watch watch;
	struct grant *grant; /* a reference; its token and fd are of interest here */
	struct listener *next;
	bool seen; /* while the list is brought up to date */
};

struct relay {
	const struct relay_config *config;
	int epoll_fd;
	struct watch *listeners;
	struct listener *sockets, *dead_sockets;
	struct listener **by_fd; /* of those in "sockets", by the number of the socket */
	size_t n_by_fd;
	struct watch signals, owner, judged, grants;
	struct conn *conns, *dead_conns;
	struct exchange *dead_exchanges;
	struct end *at_rest, *dead_ends;
	unsigned n_at_rest;
	struct user *users;
	unsigned n_conns, n_deadlines, n_connecting;
	unsigned crowd; /* the most connections since memory was last given back */
	size_t bodies;
	struct policy *policy;
	struct pool *pool;
	int64_t now, next_sweep, stop_at;
	bool stopping, deaf; /* deaf: no fds left, listeners are off until the next sweep */
	char buf[READ_SIZE];
};

/* relay-socket.c */
/* sockets_update() - listen on the sockets that containers have now; connections of those that are gone are closed. */
void sockets_update(struct relay *r);
/* sockets_deaf() - stop (resp. begin again) to listen on all of them. Return: 0 or -errno. */
int sockets_deaf(struct relay *r, bool deaf);
/* sockets_bury() - free what was dropped in this turn. */
void sockets_bury(struct relay *r);
void sockets_free(struct relay *r);

/* relay-rest.c: connections to the engine between two requests */
/* engine_may_last() - is the request one after which the connection may be used again? */
bool engine_may_last(const struct exchange *x);
/* engine_rest() - the answer is complete: keep @x's connection for another request, where that is safe. */
void engine_rest(struct exchange *x);
/* engine_wake() - give @x one that is at rest. False: there is none. */
bool engine_wake(struct exchange *x);
/* engine_again() - the one that was at rest is gone and said nothing: @x may be sent once more. */
bool engine_again(struct exchange *x);
/* engine_gone() - something came at rest: whatever it is, the connection is closed. */
void engine_gone(struct relay *r, struct end *end);
/* engine_close() - of those at rest, all but the @keep that were used last. */
void engine_close(struct relay *r, unsigned keep);

/* relay-io.c */
struct end *end_new(void);
int bytes_add(struct bytes *b, const void *data, size_t len);
void bytes_drop(struct bytes *b, size_t len);
void bytes_free(struct bytes *b);
int end_open(struct relay *r, struct end *end, enum watch_kind kind, int fd, struct conn *c);
void end_close(struct relay *r, struct end *end);
/* end_watch() - ask epoll for what is wanted now. */
int end_watch(struct relay *r, struct end *end, bool reading);
/*
 * end_send() - write, and keep what does not fit. Return: 0 or -ENOMEM; a peer that is gone is @write_dead, and
 * no error.
 */
int end_send(struct end *end, struct iovec *iov, size_t n);
int end_put(struct end *end, const void *data, size_t len);
void end_flush(struct end *end);
void end_shut(struct end *end);
/* end_read() - into the relay's buffer. Return: bytes; 0: at its end (@eof is set); -EAGAIN. */
ssize_t end_read(struct relay *r, struct end *end);

/* relay-conn.c */
void conn_deadline(struct conn *c, int64_t ms);
/* conn_event() - epoll has something for one of its ends. */
void conn_event(struct conn *c, struct end *end, uint32_t events);
/* conn_run() - do what can be done, ask for the events that are needed. */
void conn_run(struct conn *c);
/* conn_kill() - close both ends at once; freed at the end of this turn. */
void conn_kill(struct conn *c);
/* conn_drain() - nothing more is sent; wait a moment for the client to take what was (P13). */
void conn_drain(struct conn *c);
/* conn_rest() - the exchange is over, the connection is ready for the next one. */
void conn_rest(struct conn *c);
void conn_timeout(struct conn *c);
/* conn_refuse() - answer with a message instead of the engine, and write it down. */
void conn_refuse(struct conn *c, int status, const char *message, const char *rule, const char *setting);
/* conn_answer() - the guard's own answer, 200; @json: malloc'd, taken over. */
void conn_answer(struct conn *c, char *json);
/* conn_status() - answer a path of the guard's own. */
void conn_status(struct conn *c, const char *path);
/* conn_fail() - answer 5xx because something does not work; killed instead where the answer has begun. */
void conn_fail(struct conn *c, int status, const char *message);
/* conn_changed() - write down what the judge rewrote. */
void conn_changed(struct conn *c);
/* conn_write_down() - into the audit, where there is one. */
void conn_write_down(struct conn *c, const char *action, const char *message, const char *rule,
		     const char *setting);
void exchange_free(struct relay *r, struct exchange *x);
void exchange_detach(struct conn *c);

/* relay-request.c */
bool request_wants(const struct conn *c);
/* request_charge() - is there room for @len more bytes of bodies? */
bool request_charge(struct conn *c, size_t len);
/* request_take() - consume bytes of the client. Return: how many; fewer than @len when the rest has to wait. */
size_t request_take(struct conn *c, char *buf, size_t len);
void request_judged(struct exchange *x);
void request_connect(struct exchange *x);
/* request_write() - the judged request as the engine is to see it. In a worker. */
int request_write(struct exchange *x, struct err *e);

/* relay-answer.c */
bool answer_wants(const struct conn *c);
void answer_take(struct conn *c, char *buf, size_t len);
void answer_end(struct conn *c);

/* relay-gate.c */
/* gate_is_due() - is this a stream that must not pass unread? */
bool gate_is_due(const struct exchange *x);
/* gate_open() - the connection is a tunnel now. Return: 0 or -ENOMEM. */
int gate_open(struct exchange *x);
/* gate_take() - bytes of one side. The connection may be over afterwards. */
void gate_take(struct conn *c, enum grpc_side from, const char *buf, size_t len);
/* gate_close_open_ones() - end those that began when isolation was off, if it is on now. */
void gate_close_open_ones(struct relay *r);

/* relay-judge.c: the worker threads */
int pool_new(int event_fd, struct pool **ret, struct err *e);
void pool_free(struct pool *p);
void pool_submit(struct pool *p, struct exchange *x);
/* pool_take() - those that are judged. */
struct exchange *pool_take(struct pool *p);
/* exchange_judge() - parse the body, judge, write the request. The verdict is @x->v. */
void exchange_judge(struct exchange *x);

/* relay.c */
void policy_unref(struct policy *p);

#endif
