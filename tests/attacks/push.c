/* SPDX-License-Identifier: Apache-2.0 */
/* Tries to put input into the terminal that is standard input, and to make it the controlling one. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

int main(void)
{
	char c = ' ', line = 2;
	int r = ioctl(0, TIOCSTI, &c);

	printf("TIOCSTI %s\n", r < 0 ? strerror(errno) : "0");
	r = ioctl(0, TIOCSCTTY, 1);
	printf("TIOCSCTTY %s\n", r < 0 ? strerror(errno) : "0");
	r = ioctl(0, TIOCSTI, &c);
	printf("again TIOCSTI %s\n", r < 0 ? strerror(errno) : "0");
	r = ioctl(0, TIOCLINUX, &line);
	printf("TIOCLINUX %s\n", r < 0 ? strerror(errno) : "0");
	return 0;
}
