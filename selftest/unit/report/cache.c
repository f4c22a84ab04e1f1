/* SPDX-License-Identifier: MIT */
#include "cache.h"

#include <stdlib.h>
#include <string.h>

#define FRAME __attribute__((noinline))
#define KEEP_FRAME(result)                                  \
    __asm__ volatile("" : "+r"(result)); /* no tail call */ \
    return result

/* clang-format off */
#line 40 "cache.c"
FRAME void *session_new(void) {
    void *session = malloc(96);
    KEEP_FRAME(session); }
#line 59 "cache.c"
FRAME void *cache_login(void) {
    void *session = session_new();
    KEEP_FRAME(session); }
#line 69 "cache.c"
FRAME void session_free(void *session) {
    free(session);
    __asm__ volatile(""); }
#line 76 "cache.c"
FRAME void *node_new(size_t bytes) {
    void *node = malloc(bytes);
    KEEP_FRAME(node); }
#line 89 "cache.c"
FRAME void *cache_put(size_t bytes) {
    void *node = node_new(bytes);
    KEEP_FRAME(node); }
#line 100 "cache.c"
FRAME void *cache_recurse(int depth, size_t bytes) {
    void *node = depth ? cache_recurse(depth - 1, bytes) : cache_put(bytes);
    KEEP_FRAME(node); }
#line 109 "cache.c"
FRAME char *cache_copy(const char *text) {
    char *copy = strdup(text);
    KEEP_FRAME(copy); }
