/* SPDX-License-Identifier: MIT */
#ifndef TT_REPORT_SITES_H
#define TT_REPORT_SITES_H
/*
 * Live blocks, added up by where they were allocated.
 *
 * Words. A row is all blocks with one stack. A site, as a message shows it,
 * is all rows with the same first two frames outside libc: recursion makes
 * many stacks of what a reader calls one place.
 *
 * Hook: all of it may run inside malloc and free.
 */
#include "base/base.h"
#include "base/base_text.h"
#include "heap/heap.h"

struct tt_site_reach;

struct tt_site_row {
    uint32_t stack;  /* of the site's row that holds most bytes */
    uint32_t thread; /* with 'serial': the oldest block, breaks ties */
    uint64_t serial;
    int64_t bytes, blocks;
    int64_t stack_bytes; /* of 'stack' alone */
    unsigned stacks;     /* rows that are in this site */
    bool used;
    struct tt_site_reach *reach; /* NULL: not asked for */
};

struct tt_sites {
    struct tt_site_row *rows;
    size_t count, capacity; /* a hash table until it is sorted */
    int64_t bytes, blocks;  /* of all rows */
    bool cut;               /* there was no memory for some */
};

/* tt_site_counts of heap.h says which blocks count. */
/* Adds up the live blocks of 'epoch' and later for which 'counts' (NULL: all)
 * says yes; blocks of the tool or of the framework's threads never count.
 * Give it back with tt_sites_drop. */
void tt_sites_gather(struct tt_sites *sites, uint32_t epoch,
                     tt_site_counts counts, void *ctx);
void tt_sites_drop(struct tt_sites *sites);

/* Sorts by bytes, then blocks, then age; rows[0 .. count) from then on. */
void tt_sites_sort(struct tt_sites *sites);

/* Sorts rows, the one that is before all others first; in place. */
typedef bool (*tt_site_before)(const struct tt_site_row *a,
                               const struct tt_site_row *b);
void tt_site_rows_sort(struct tt_site_row *rows, size_t count,
                       tt_site_before before);

/* Makes sites of sorted rows. Asks for names. */
void tt_sites_merge(struct tt_sites *sites);

/* Adds the line for what is left after the first 'max' sites, if anything. */
void tt_sites_rest(struct tt_text *text, const struct tt_sites *sites,
                   size_t max);

/* Adds the rows of the first 'max' sites, within 80 columns in a framework's
 * output where names allow:
 *   '  4.2 MiB  52 %  13 blocks  node_new (cache.c:77) from put (cache.c:90)'
 * and a line for what is left. Where a name is long all rows are lines with
 * the names below. */
void tt_sites_text(struct tt_text *text, const struct tt_sites *sites,
                   size_t max);

/* The same, with the stacks in place of shares and neighbours. */
void tt_sites_stacks(struct tt_text *text, const struct tt_sites *sites,
                     size_t max);

/* The same; 'more' adds lines to each site's. */
typedef void (*tt_site_more)(struct tt_text *text,
                             const struct tt_site_row *row, void *ctx);
void tt_sites_stacks_and(struct tt_text *text, const struct tt_sites *sites,
                         size_t max, tt_site_more more, void *ctx);

/* Adds '1 block', '13 blocks'. */
void tt_text_count(struct tt_text *text, int64_t count, const char *one);

#endif
