/* SPDX-License-Identifier: MIT */
#ifndef COUNTED_H
#define COUNTED_H
/*
 * A reference-counted type as many programs have one: an object lives until
 * the last of its owners lets go of it.
 *
 * Each hold says who it is for. That costs a few bytes a hold, and tells who
 * forgot to let go.
 */
#include <stddef.h>

/* Makes an object of 'size' zeroed bytes that 'owner' holds. The last release
 * calls 'drop' (may be NULL) and frees it. NULL: no memory. */
void *counted_make(size_t size, void (*drop)(void *object), const char *owner);

/* Holds it once more. Returns the object. 'owner' is not copied. */
void *counted_hold(void *object, const char *owner);

/* Lets go of what 'owner' held. */
void counted_release(void *object, const char *owner);

/* What a tool may want to know of all counted objects. */
size_t counted_live(void);
int counted_is(const void *pointer);
size_t counted_size(const void *object);

/* Calls back for each hold, the oldest first. */
void counted_owners(const void *object,
                    void (*see)(const char *owner, void *ctx), void *ctx);

/* Called when an object dies, before its memory goes; NULL: nobody. */
extern void (*counted_on_death)(const void *object);

#endif
