/* SPDX-License-Identifier: Apache-2.0 */
/* Who does this program run as? A set-id bit that works shows here. */
#include <stdio.h>
#include <unistd.h>

int main(void)
{
	printf("uid %u gid %u\n", geteuid(), getegid());
	return 0;
}
