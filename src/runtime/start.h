/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNTIME_START_H
#define RUNTIME_START_H

#include <stdbool.h>

#include "base/err.h"
#include "runtime/container.h"

/*
 * How a created container waits: its init listens on the unix socket "start" (SOCK_SEQPACKET) in the state directory. `start` connects
 * and sends one byte; init answers with a struct err if it cannot execute the program, or the connection ends because
 * execve(2) closed it. A connection that ends before the byte (a killed `start`, a status query) is ignored.
 */

/* start_listen() - make and bind the socket below @dir_fd. Return: a new CLOEXEC fd, or -errno. */
int start_listen(int dir_fd, struct err *e);

/*
 * start_wait() - in init: block until told to start. Return: the connection, CLOEXEC, to report failures on; or -errno.
 */
int start_wait(int listen_fd);

/*
 * start_begin() - in `start`: tell it, pass its seccomp listener on (listenerPath), wait until the program runs, run poststart hooks (when
 * one fails, the container is killed). -ECONNREFUSED: init does not wait.
 */
int start_begin(const struct container *c, struct err *e);

/*
 * start_answers() - what the process @task says on @fd between seccomp and execve; the same for init and exec. Its seccomp
 * listener is taken out of @task itself: any other process of the container chooses what it has under that number.
 */
int start_answers(int fd, const struct container *c, const struct pidref *task, struct err *e);

/* start_is_waiting() - does an init listen there? */
bool start_is_waiting(int dir_fd);

#endif
