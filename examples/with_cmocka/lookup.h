/* SPDX-License-Identifier: MIT */
#ifndef LOOKUP_H
#define LOOKUP_H
/* What the suite tests: names that are looked up by a thread, and kept. */

struct lookup;

struct lookup *lookup_new(void);
void lookup_free(struct lookup *lookup);

/* Starts to look a name up. */
void lookup_start(struct lookup *lookup, const char *name);

/* The answer, or NULL while there is none. The lookup has it. */
const char *lookup_answer(struct lookup *lookup);

/* Forgets the answer. */
void lookup_forget(struct lookup *lookup);

#endif
