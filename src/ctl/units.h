/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTL_UNITS_H
#define CTL_UNITS_H

/* The units of packaging/systemd, as installed by this build. */
extern const char embed_caissond_service[], embed_caissond_socket[], embed_caissond_keep_service[];

/* packaging/logrotate/caissond */
extern const char embed_caissond[];

#endif
