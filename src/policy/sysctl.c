/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "codec/lexpath.h"
#include "policy/policy.h"

#define SYSCTL_MAX 256

struct sysctl_rule {
	const char *path; /* below /proc/sys; one that ends in '/' stands for everything below */
	enum oci_ns ns;	  /* the namespace that the value belongs to */
};

static const struct sysctl_rule rules[] = {
	{ "net/", OCI_NS_NETWORK },	     { "fs/mqueue/", OCI_NS_IPC },
	{ "kernel/msgmax", OCI_NS_IPC },     { "kernel/msgmnb", OCI_NS_IPC },
	{ "kernel/msgmni", OCI_NS_IPC },     { "kernel/sem", OCI_NS_IPC },
	{ "kernel/shmall", OCI_NS_IPC },     { "kernel/shmmax", OCI_NS_IPC },
	{ "kernel/shmmni", OCI_NS_IPC },     { "kernel/shm_rmid_forced", OCI_NS_IPC },
	{ "kernel/domainname", OCI_NS_UTS }, { "user/", OCI_NS_USER }, /* always the container's own */
};

int policy_sysctl_path(const char *key, char *ret, size_t size)
{
	char path[SYSCTL_MAX] = "/";
	char sep = key[strcspn(key, "./")];
	size_t n = strlen(key);

	if (n + 2 > sizeof path || n >= size || n == 0)
		return -EINVAL;
	for (size_t i = 0; i < n; i++) {
		char c = key[i];

		if (c == ' ' || (unsigned char)c >= 0x7f)
			return -EINVAL;
		/* Dots as separators: a slash stands for a dot within a name, as in sysctl(8). */
		if (sep == '.' && (c == '.' || c == '/'))
			c = c == '.' ? '/' : '.';
		path[1 + i] = c;
	}
	if (!lex_is_clean(path))
		return -EINVAL;
	memcpy(ret, path + 1, n + 1);
	return 0;
}

static const struct sysctl_rule *find_rule(const char *path)
{
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
		size_t n = strlen(rules[i].path);
		bool tree = rules[i].path[n - 1] == '/';

		if (tree ? strncmp(path, rules[i].path, n) == 0 && path[n] : strcmp(path, rules[i].path) == 0)
			return &rules[i];
	}
	return NULL;
}

static int check_one(const struct oci_spec *s, const struct oci_kv *kv, struct err *e)
{
	const struct sysctl_rule *rule;
	char path[SYSCTL_MAX];

	if (policy_sysctl_path(kv->key, path, sizeof path) < 0)
		return err_set(e, EINVAL, "linux.sysctl: the name is not one; write it like net.ipv4.ip_forward");
	if (strcmp(path, "kernel/hostname") == 0)
		return err_set(e, EINVAL,
			       "linux.sysctl: kernel.hostname: set the hostname of the container "
			       "instead (--hostname)");
	rule = find_rule(path);
	if (!rule)
		return err_set(e, EPERM,
			       "linux.sysctl: %s is not separate per container, it would change "
			       "the host; set it on the host "
			       "or leave it out",
			       kv->key);
	if (rule->ns != OCI_NS_USER && !s->linux_.ns[rule->ns].present)
		return err_set(e, EPERM,
			       "linux.sysctl: %s belongs to the %s namespace, which the container "
			       "does not have; give it one "
			       "or leave the setting out",
			       kv->key, oci_ns_name(rule->ns));
	return 0;
}

int policy_sysctl(const struct oci_spec *s, struct err *e)
{
	for (size_t i = 0; i < s->linux_.n_sysctl; i++) {
		int r = check_one(s, &s->linux_.sysctl[i], e);

		if (r < 0)
			return r;
	}
	return 0;
}
