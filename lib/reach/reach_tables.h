/* SPDX-License-Identifier: MIT */
#ifndef TT_REACH_TABLES_H
#define TT_REACH_TABLES_H
/*
 * Where the lists of registered roots are and how they are laid out, for a
 * reader of a process or a core file from outside, as lib/heap/heap_record.h
 * is for the heap. There is one record for each list; they are found by their
 * magic among libtether's data.
 */
#include <stdint.h>

#define TT_REACH_TABLE_MAGIC "tether-root-tab1" /* 16 bytes, no NUL */
#define TT_REACH_NOWHERE     ((uint32_t)-1)

struct tt_reach_table {
    char magic[16];
    const void *items; /* address of the pointer to the first entry */
    const void *count; /* address of the number of entries, 8 bytes */
    uint32_t kind;     /* TT_ROOT_CLOSURE or TT_ROOT_REGION */
    uint32_t entry_bytes;
    uint32_t start_at; /* offsets in an entry: address */
    uint32_t end_at;   /* of a region: its end; else NOWHERE */
    uint32_t made_at;  /* return address of who made it */
    uint32_t name_at;  /* address of a string; or NOWHERE */
    uint32_t calls_at; /* offsets in what starts there: the function that */
    uint32_t data_at;  /* a closure calls, and its data; or NOWHERE */
};

#endif
