/* SPDX-License-Identifier: MIT */
#ifndef TT_OS_LAYOUT_H
#define TT_OS_LAYOUT_H
/*
 * Where libc keeps what a thread has: its record (which the thread pointer
 * points to), the table of its TLS blocks, its pthread_setspecific values.
 * The numbers are those that libc publishes for debuggers, not ours.
 */
#include "base/base.h"

struct tt_layout {
    bool known;              /* else nothing below is */
    size_t record_bytes;     /* of the thread's record */
    size_t self_at;          /* a pointer to the record itself */
    size_t dtv_at;           /* pointer to the table of TLS blocks */
    size_t dtv_bytes;        /* of an entry; [-1] has their number */
    size_t specific_at;      /* pointers to tables of values */
    size_t specific_count;   /* tables */
    size_t specific_entries; /* of one table */
    size_t value_bytes;      /* of an entry */
    size_t value_sequence;   /* in it: the key's sequence number then */
    size_t value_data;       /* in it: the value */
    uintptr_t keys;          /* the table of keys */
    size_t keys_count;
    size_t key_bytes; /* of an entry, which starts with its sequence number */
};

/* Asks libc, once. Not inside malloc. */
const struct tt_layout *tt_os_layout(void);

#endif
