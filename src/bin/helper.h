/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BIN_HELPER_H
#define BIN_HELPER_H

/*
 * helper_path() - a program of ours that is in nobody's PATH: beside this one, as in a build directory, or else where
 * programs like it are installed. @name: shorter than 64 bytes. Return: malloc'd; NULL without memory.
 */
char *helper_path(const char *name);

#endif
