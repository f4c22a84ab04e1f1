/* SPDX-License-Identifier: MIT */
/*
 * What of the frozen memory can be read. Everything that the child follows
 * without a block's header to vouch for it (a thread's record, a stack, a
 * registered region) is looked up here first.
 */
#include "reach/reach_inside.h"

#include "os/os_maps.h"

bool reach_maps_gather(struct reach_state *state)
{
    struct tt_map map;
    tt_text_make(&state->maps_text);
    if (!tt_maps_read(&state->maps_text))
        return false;
    const char *at = state->maps_text.data;
    while (tt_maps_next(&at, &map)) {
        if (!map.readable || (map.path_len > 4 && map.path[0] == '[' &&
                              map.path[1] == 'v')) /* vvar faults */
            continue;
        struct reach_map *const item = reach_array_add(&state->maps);
        if (!item)
            return false;
        *item = (struct reach_map){ map.start, map.end };
    }
    return true;
}

/* The first mapping that ends behind 'address', or NULL. */
static const struct reach_map *map_from(const struct reach_state *state,
                                        uintptr_t address)
{
    const struct reach_map *const all = state->maps.items;
    size_t low = 0, high = state->maps.count;
    while (low < high) {
        const size_t middle = (low + high) / 2;
        if (all[middle].end <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low < state->maps.count ? &all[low] : NULL;
}

const struct reach_map *reach_maps_find(const struct reach_state *state,
                                        uintptr_t address)
{
    const struct reach_map *const map = map_from(state, address);
    return map && map->start <= address ? map : NULL;
}

bool reach_maps_piece(const struct reach_state *state, uintptr_t *at,
                      uintptr_t end, uintptr_t *piece_end)
{
    const struct reach_map *const map = *at < end ? map_from(state, *at) : NULL;
    if (!map || map->start >= end)
        return false;
    *at = TT_MAX(*at, map->start);
    *piece_end = TT_MIN(end, map->end);
    return true;
}

bool reach_maps_have(const struct reach_state *state, uintptr_t start,
                     uintptr_t end)
{
    if (end < start)
        return false;
    while (start < end) {
        const struct reach_map *const map = reach_maps_find(state, start);
        if (!map)
            return false;
        start = map->end;
    }
    return true;
}
