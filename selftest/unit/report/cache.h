/* SPDX-License-Identifier: MIT */
/*
 * A small program for the reports to talk about. Its lines are fixed by
 * #line, so that golden texts do not move with edits.
 */
#ifndef CACHE_H
#define CACHE_H
#include <stddef.h>

void *session_new(void);                      /* 96 B, cache.c:41 */
void *cache_login(void);                      /* session_new from cache.c:60 */
void session_free(void *session);             /* cache.c:70 */
void *node_new(size_t bytes);                 /* cache.c:77 */
void *cache_put(size_t bytes);                /* node_new from cache.c:90 */
void *cache_recurse(int depth, size_t bytes); /* cache.c:101 */
char *cache_copy(const char *text);           /* strdup, cache.c:110 */

#endif
