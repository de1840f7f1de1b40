/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTL_DOCTOR_H
#define CTL_DOCTOR_H

#include <jansson.h>

/*
 * doctor_report() - looks at this host and changes nothing: kernel, user namespaces, control groups, settings,
 * guard, engine, sockets, programs.
 * @settings: as for settings_load()     @socket: where the guard is expected
 * Return: new reference, an array of {"check", "state", "detail", "cure"}; "state" is "ok", "warning" (works, but
 * less than it could) or "broken"; "cure" is null where there is nothing to do.
 */
json_t *doctor_report(const char *settings, const char *socket);

#endif
