/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_BANNED_H
#define BASE_BANNED_H

/*
 * Calls that are wrong often enough to be compile errors. Included by the build in every file after the system
 * headers it pulls in itself, so that declaring them is still possible and using them is not.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* clang 14 calls fortified system headers a use: gcc is the one that checks. */
#ifndef __clang__
#pragma GCC poison strcpy strcat sprintf vsprintf strncpy strtok atoi atol atoll gets tmpnam mktemp tempnam
#endif

#endif
