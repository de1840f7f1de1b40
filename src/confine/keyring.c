/* SPDX-License-Identifier: Apache-2.0 */
#include "confine/confine.h"

#include <errno.h>
#include <linux/keyctl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define KEY_OTHER_SEARCH 0x8u /* lets an exec'ed process with another id join the same keyring by its name */
#define KEY_USR_SEARCH	 0x00080000u
#define KEY_NAME_MAX	 1100 /* "_ses." and the longest id; the kernel takes 4095 */

/* The description is "type;uid;gid;permissions in hex;name". No allocation, no stdio parsing: see confine.h. */
static int key_permissions(const char *desc, uint32_t *ret)
{
	uint32_t perm = 0;

	for (int i = 0; i < 3; i++) {
		if (!(desc = strchr(desc, ';')))
			return -EINVAL;
		desc++;
	}
	for (; *desc && *desc != ';'; desc++) {
		uint32_t digit;

		if (*desc >= '0' && *desc <= '9')
			digit = (uint32_t)(*desc - '0');
		else if (*desc >= 'a' && *desc <= 'f')
			digit = (uint32_t)(*desc - 'a') + 10;
		else
			return -EINVAL;
		perm = perm << 4 | digit;
	}
	*ret = perm;
	return 0;
}

int confine_new_keyring(const char *id, struct err *e)
{
	char name[KEY_NAME_MAX], desc[KEY_NAME_MAX + 128];
	uint32_t perm;
	long key, n;
	int r;

	r = snprintf(name, sizeof name, "_ses.%s", id);
	if (r < 0 || (size_t)r >= sizeof name)
		return err_set(e, ENAMETOOLONG, "session keyring: the container's id is too long");
	key = syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, name, 0, 0, 0);
	if (key < 0 && errno == ENOSYS)
		return 0;
	if (key < 0 && errno == EDQUOT)
		return err_set(
			e, EDQUOT,
			"session keyring: the key quota of this user is used up (/proc/sys/kernel/keys/maxkeys, "
			"maxbytes), or create with --no-new-keyring");
	if (key < 0)
		return err_sys(e, errno, "session keyring '%s'", name);
	/* EACCES: joined the keyring that another user of this container made; it has its permissions already. */
	n = syscall(SYS_keyctl, KEYCTL_DESCRIBE, key, desc, sizeof desc - 1, 0);
	if (n < 0)
		return errno == EACCES ? 0 : err_sys(e, errno, "session keyring '%s': describe", name);
	desc[(size_t)n < sizeof desc ? (size_t)n : sizeof desc - 1] = '\0';
	if (key_permissions(desc, &perm) < 0)
		return err_set(e, EINVAL, "session keyring '%s': no permissions in '%s'", name, desc);
	if (syscall(SYS_keyctl, KEYCTL_SETPERM, key, perm | KEY_USR_SEARCH | KEY_OTHER_SEARCH, 0, 0) < 0 &&
	    errno != EACCES)
		return err_sys(e, errno, "session keyring '%s': set permissions", name);
	return 0;
}
