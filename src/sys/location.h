/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SYS_LOCATION_H
#define SYS_LOCATION_H

#include <stdbool.h>
#include <sys/stat.h>

/*
 * Where an opened file or directory lies when bind mounts are ignored: "/home/u/x" that is a bind mount of /etc is
 * /etc. All of it comes from the fd, nothing from the name it was opened by. For policy_bind(), whose struct
 * bind_source has the same fields. Needs STATX_MNT_ID (Linux 5.8).
 */
struct location {
	char *path; /* as the kernel gives it for the fd */
	char *real_path; /* through the mount that shows the whole file system; NULL: there is none, or it cannot be told */
	char *fstype;	   /* "rootfs" for whatever the root mount is */
	char *mount_point; /* of the mount that the fd lies on */
	char *real_mount;  /* of the mount that @real_path goes through; NULL: @fd lies on the root mount */
	struct stat st;
	bool is_mount_root;
};

/*
 * location_of_fd() - find out.
 * @proc_fd: O_PATH of a procfs of our pid namespace     @fd: may be O_PATH; borrowed, as @proc_fd
 * @ret: zeroed by the caller; its strings are malloc'd, and released by location_done() after a failure as well
 * Return: 0; -ENOENT when the object is deleted or outside of our root or mount namespace; another -errno.
 */
int location_of_fd(int proc_fd, int fd, struct location *ret);
void location_done(struct location *l);

#endif
