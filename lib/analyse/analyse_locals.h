/* SPDX-License-Identifier: MIT */
#ifndef TT_ANALYSE_LOCALS_H
#define TT_ANALYSE_LOCALS_H
/* Local variables and parameters of a frame. */
#include "analyse/analyse_frames.h"

/* Adds the variables of a frame's function and of what was inlined into it. */
void analyse_locals_gather(struct analyse_image *image,
                           struct analyse_types *types,
                           struct analyse_walk *walk, uint32_t frame);

#endif
