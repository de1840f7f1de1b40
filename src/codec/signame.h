/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CODEC_SIGNAME_H
#define CODEC_SIGNAME_H

/* signal_from_text() - "SIGTERM", "term", "15", "RTMIN+3" to a number from 0 (only a question whether it is there) to 64; -EINVAL otherwise. Pure. */
int signal_from_text(const char *s);

#endif
