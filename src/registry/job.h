/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REGISTRY_JOB_H
#define REGISTRY_JOB_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/*
 * caisson-registry: one question to one registry, in a process of its own without any rights. Reads one JSON object
 * from its standard input up to its end, writes one to its standard output (a pipe: it may not write to files), exits
 * 0. The guard starts it for each question and kills it after a time limit; what it says is believed only about the
 * name that was asked.
 *
 * in:  {"registry": "docker.io", "repository": "library/docker", "reference": "cli" or "sha256:...",
 *       "endpoint": "https://mirror..." (optional), "insecure": bool, "ca": PEM text or "",
 *       "proxy": "http://..." or "", "certs": {"cert": PEM, "key": PEM} (optional),
 *       "auth": {"username": "", "password": "", "identitytoken": "", "registrytoken": ""} (optional), "seconds": 10,
 *       "known": "sha256:..." (optional)}
 * out: {"status": "found", "digests": ["sha256:..."], "images": [{"config": "sha256:...", "os": "linux",
 *       "architecture": "amd64", "variant": "", "layers": ["sha256:..."], "history": ["created|created_by|comment"]}]}
 *      {"status": "same"}                                only with "known", see below
 *      {"status": "none", "message": "..."}              404, no such digest, or nothing for this machine
 *      {"status": "failed", "message": "one line", "retryAfter": 30}   everything else; retryAfter is optional, seconds
 * Every digest in "digests" was computed from bytes received, or is named by bytes whose digest was: an index names
 * manifests, a manifest its configuration. With "reference" a digest, the bytes received have it. Of an index, only
 * linux images of this machine's architectures are looked into and listed; attestations and unknown media types are
 * left out. "message" names the registry.
 *
 * Of "in", all but registry, repository, reference and seconds may be left out; unknown members are refused.
 * "seconds": the limit for all of it, 1 to 60.
 * "endpoint": is asked in the place of the registry, at endpoint + "/v2/...". "auth" is the registry's: another host
 * is asked without it. "certs" and "insecure" are about the host that is asked, and no other that it sends us to.
 * "ca": besides those of the host. With it, the registry is never asked without TLS, also not on loopback.
 * "proxy": else HTTPS_PROXY, HTTP_PROXY and ALL_PROXY of the environment; NO_PROXY counts for either; loopback is never
 * asked through one.
 * "known": what the reference stood for when it was asked for last: the digest of the bytes that it named, first of the
 * "digests" of that answer. When the registry says that it still does, the answer is "same" after one request without
 * a body (HEAD), which Docker Hub does not count as a pull; else all is fetched.
 */
#define REGISTRY_JOB_MAX    (1u << 20) /* bytes of "in" */
#define REGISTRY_ANSWER_MAX (8u << 20) /* bytes of "out"; an image with more history than that fails */

#define REGISTRY_SECONDS_MAX 60
#define REGISTRY_RETRY_MAX   86400 /* of "retryAfter" */

struct registry_auth {
	const char *username, *password, *identity_token, *registry_token; /* NULL: none */
};

/* "in", read. Texts point into @tree. */
struct registry_job {
	json_t *tree; /* owned */
	const char *registry, *repository, *reference;
	bool by_digest;
	const char *endpoint, *ca, *proxy, *cert, *key, *known; /* NULL: none */
	bool insecure;
	struct registry_auth auth;
	unsigned seconds;
};

/*
 * job_parse() - strict, and names are held against the grammar of images. @buf: untrusted.
 * Return: 0 (@ret to be passed to job_done()), -EINVAL, -EFBIG, -ENOMEM. Pure.
 */
int job_parse(const char *buf, size_t len, struct registry_job *ret, struct err *e);
void job_done(struct registry_job *job);

#endif
