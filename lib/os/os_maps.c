/* SPDX-License-Identifier: MIT */
/*
 * Parses /proc/self/maps.
 *
 * Hook: everything here may run inside malloc and free.
 */
#include "os/os_maps.h"

#include "os/os.h"

#include <string.h>

bool tt_maps_read(struct tt_text *text)
{
    return tt_os_read_file("/proc/self/maps", text) && text->len > 0;
}

static uintptr_t hex_take(const char **at, const char *end)
{
    uintptr_t value = 0;
    for (; *at < end; ++*at) {
        const char c = **at;
        const int digit = c >= '0' && c <= '9'   ? c - '0'
                          : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                                 : -1;
        if (digit < 0)
            break;
        value = value * 16 + (uintptr_t)digit;
    }
    return value;
}

static void field_skip(const char **at, const char *end)
{
    while (*at < end && **at != ' ')
        ++*at;
    while (*at < end && **at == ' ')
        ++*at;
}

bool tt_maps_next(const char **at, struct tt_map *map)
{
    const char *next = *at;
    const char *const end = next + strcspn(next, "\n");
    if (*next == '\0')
        return false;
    *map = (struct tt_map){ .line = next, .line_len = (size_t)(end - next) };
    map->start = hex_take(&next, end);
    if (next < end)
        next++; /* '-' */
    map->end = hex_take(&next, end);
    field_skip(&next, end);
    map->readable = end - next > 0 && next[0] == 'r';
    map->writable = end - next > 1 && next[1] == 'w';
    map->executable = end - next > 2 && next[2] == 'x';
    field_skip(&next, end);
    map->offset = hex_take(&next, end);
    field_skip(&next, end); /* to the device */
    field_skip(&next, end); /* to the inode */
    field_skip(&next, end);
    map->path = next;
    map->path_len = (size_t)(end - next);
    *at = *end ? end + 1 : end;
    return true;
}

bool tt_maps_find(const struct tt_text *text, uintptr_t address,
                  struct tt_map *map)
{
    const char *at = text->data;
    while (tt_maps_next(&at, map))
        if (address >= map->start && address < map->end)
            return true;
    return false;
}

const char *tt_map_name(const struct tt_map *map, size_t *len)
{
    const char *const slash = memrchr(map->path, '/', map->path_len);
    const char *const name = slash ? slash + 1 : map->path;
    *len = (size_t)(map->path + map->path_len - name);
    return name;
}
