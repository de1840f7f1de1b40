/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REGISTRY_ASK_H
#define REGISTRY_ASK_H

#include <jansson.h>
#include <stdint.h>

#include "base/err.h"
#include "registry/fetch.h"

/* ask() - the question that @job is (job.h). Return: the answer, a new reference; NULL: no memory. */
json_t *ask(const struct registry_job *job);

/* ask_failure() - the answer "failed" with this message. @retry: seconds, -1: it does not say */
json_t *ask_failure(const char *message, int64_t retry);

#endif
