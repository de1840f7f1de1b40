/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SYS_ARGUMENTS_H
#define SYS_ARGUMENTS_H

/*
 * /proc/PID/cmdline is readable by everybody who sees the process. One that is about to enter a container's pid namespace
 * must not show there how it was called: paths of the host, ids of others (A21).
 */

/* arguments_take() - at the start of main: a copy of @argv to use from now on (NULL-terminated; NULL without memory). */
char **arguments_take(int argc, char **argv);

/* arguments_hide() - in a child before it clones into a container: wipe what the kernel shows, in this process only. */
void arguments_hide(void);

#endif
