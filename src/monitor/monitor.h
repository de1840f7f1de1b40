/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MONITOR_MONITOR_H
#define MONITOR_MONITOR_H

/*
 * monitor_main() - the program caisson-monitor, with the descriptors that monitor/internal.h names: starts
 * workers, starts them again when they die, keeps what they work on, until the container's init has ended or,
 * before the commit, the control socket. @name: its argv[0], "caisson-monitor: ID". Return: the exit status.
 */
int monitor_main(const char *name);

#endif
