/* SPDX-License-Identifier: MIT */
#ifndef TT_REACH_WRITE_H
#define TT_REACH_WRITE_H
/* Writing sections of the record. */
#include "reach/reach_inside.h"

struct reach_writer {
    struct reach_state *state;
    char *data;   /* the record, mapped */
    size_t at;    /* where the next section goes */
    size_t bytes; /* of all */
};

/* Makes room for 'bytes' behind 'start'. False: no memory. */
bool reach_writer_begin(struct reach_writer *writer, struct reach_state *state,
                        size_t start, size_t bytes);
void reach_writer_end(struct reach_writer *writer);

/* Writes a section; without items it is the caller's to fill. Returns where
 * they are. */
void *reach_writer_section(struct reach_writer *writer,
                           enum tt_record_section kind, const void *items,
                           size_t count, size_t size);

#endif
