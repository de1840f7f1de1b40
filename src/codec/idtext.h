/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CODEC_IDTEXT_H
#define CODEC_IDTEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The small text formats around user and group ids. All pure; all text is untrusted. */

struct id_extent {
	uint64_t inside, outside, count;
};

/*
 * idtext_next_subid() - next range of /etc/subuid or /etc/subgid (subuid(5): "name:first:count") off *@cursor.
 * Comments and lines of another form are skipped. @ret_name points into the text (NUL-terminated in place).
 * Return: 1, 0 at the end.
 */
int idtext_next_subid(char **cursor, const char **ret_name, uint64_t *ret_first, uint64_t *ret_count);

/* idtext_next_account() - third field of the next line of /etc/passwd or /etc/group. Return: 1, 0 at the end. */
int idtext_next_account(char **cursor, uint64_t *ret_id);

/*
 * idtext_group_is_owners() - may files in a shared directory get its group @gid, when its owner is @uid? Only if that gives nobody else's rights away: it
 * is the owner's primary group in @passwd, or no group of that number is named in @group. Both texts are modified.
 */
bool idtext_group_is_owners(char *passwd, char *group, uint32_t uid, uint32_t gid);

/* idtext_next_map() - next line of /proc/PID/{uid,gid}_map. Return: 1, 0 at the end, -EPROTO for another form. */
int idtext_next_map(char **cursor, struct id_extent *ret);

/*
 * idtext_owner_map() - the id map of a shared host directory: @owner on disk is @main_id of the container (whose range
 * starts at @base); ids of the container's own range are themselves; all other ids below 2^31 appear as 2^31 + id, which
 * no process has: nobody inside, but still a valid id, so that the directory's owner can delete such files (E45).
 * No id on disk outside of { owner, the container's range } can be written by the container.
 * @owner 0, or inside the container's range: no owner extent; root's files appear as somebody else's, too.
 * @text: at least 512 bytes; lines "disk kernel count". Return: its length.
 */
size_t idtext_owner_map(uint32_t base, uint32_t main_id, uint32_t owner, char *text, size_t size);

#define ID_SHADOW 0x80000000u /* where other accounts' ids appear */
#define ID_RANGE  65536u

/* idtext_parse_slot() - a registry file: lines "owner <absolute path>\n". Cut the next owner off. 1, 0, -EPROTO. */
int idtext_next_slot_owner(char **cursor, const char **ret_owner);

#endif
