/* SPDX-License-Identifier: MIT */
#ifndef MAILBOX_H
#define MAILBOX_H
/* What the suite tests: a mailbox whose letters a thread throws away. */

struct mailbox;
struct letter;

struct mailbox *mailbox_new(void);
void mailbox_free(struct mailbox *mailbox);

/* Puts a copy of the text in. The mailbox has it. */
struct letter *mailbox_put(struct mailbox *mailbox, const char *text);
unsigned mailbox_count(const struct mailbox *mailbox);

/* Looks a letter up; allocates nothing. */
const char *mailbox_find(const struct mailbox *mailbox, const char *start);

/* Throws all letters away, soon. */
void mailbox_clear(struct mailbox *mailbox);

#endif
