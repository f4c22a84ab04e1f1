/* SPDX-License-Identifier: MIT */
#ifndef TT_REPORT_LOST_H
#define TT_REPORT_LOST_H
/*
 * What of the blocks at sites is held, and by whom.
 *
 *     tt_lost_begin(&lost, &sites, epoch, roots, frame);
 *     ... tt_sites_merge(&sites); tt_lost_ask(&lost, &sites, 5); ...
 *     tt_lost_site_text(&text, &lost, &sites.rows[0]);
 *     tt_lost_end(&lost, &sites);
 *
 * Not inside malloc.
 */
#include "report/report_reach.h"
#include "report/report_sites.h"

struct tt_lost {
    struct tt_snap *snap; /* NULL: nothing is known */
    const char *why;      /* what stood in the way, or NULL */
    struct tt_record_question questions[TT_REACH_QUESTIONS];
    uint32_t questions_count;
    uint32_t roots;
    struct tt_text types;
    struct tt_site_reach *reaches; /* of the rows */
    size_t reaches_count;
    struct tt_site_reach total;
};

/* Takes a snapshot and gives each row its numbers. False: it cannot be had,
 * and lost->why says so; end it all the same. */
bool tt_lost_begin(struct tt_lost *lost, struct tt_sites *sites, uint32_t epoch,
                   uint32_t roots, void *frame);

/* Asks who holds the first block of each of the first 'max' sites. */
void tt_lost_ask(struct tt_lost *lost, const struct tt_sites *sites,
                 size_t max);

/* Adds what is known of a site: 'lost', or the holder. */
void tt_lost_site_text(struct tt_text *text, const struct tt_lost *lost,
                       const struct tt_site_row *row);

/* Adds ' (64 B held, 32 B lost)'. */
void tt_lost_total_text(struct tt_text *text, const struct tt_lost *lost);

void tt_lost_end(struct tt_lost *lost);

#endif
