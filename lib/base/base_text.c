/* SPDX-License-Identifier: MIT */
/*
 * Text buffers. Formatting is vsnprintf's into the buffer itself; a text that
 * does not fit grows to twice its size and is formatted once more.
 */
#include "base/base_text.h"

#include "base/base_mem.h"

#include <stdio.h>
#include <string.h>

void tt_text_fixed(struct tt_text *text, char *bytes, size_t capacity)
{
    *text =
        (struct tt_text){ .data = bytes, .capacity = capacity, .fixed = true };
    bytes[0] = '\0';
}

void tt_text_make(struct tt_text *text)
{
    static char nothing[1];
    *text = (struct tt_text){ .data = nothing };
}

void tt_text_drop(struct tt_text *text)
{
    if (!text->fixed && text->capacity)
        tt_mem_give(text->data, text->capacity);
    tt_text_make(text);
}

/* Makes room for 'more' bytes and a NUL. False: it stays as it is. */
static bool text_reserve(struct tt_text *text, size_t more)
{
    const size_t need = text->len + more + 1;
    if (need <= text->capacity)
        return true;
    if (text->fixed)
        return false;
    const size_t capacity = TT_MAX(need, TT_MAX(text->capacity * 2, 256));
    char *const data = tt_mem_take(capacity);
    if (!data)
        return false;
    memcpy(data, text->data, text->len);
    data[text->len] = '\0';
    if (text->capacity)
        tt_mem_give(text->data, text->capacity);
    text->data = data;
    text->capacity = capacity;
    return true;
}

void tt_text_addv(struct tt_text *text, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    const size_t room = text->capacity - text->len;
    const int need =
        vsnprintf(room ? text->data + text->len : NULL, room, format, args);
    if (need > 0 && (size_t)need < room) {
        text->len += (size_t)need;
    } else if (need > 0 && text_reserve(text, (size_t)need)) {
        vsnprintf(text->data + text->len, (size_t)need + 1, format, again);
        text->len += (size_t)need;
    } else if (need > 0) {
        text->cut = true;
        if (room)
            text->len = text->capacity - 1;
    }
    va_end(again);
}

void tt_text_add(struct tt_text *text, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    tt_text_addv(text, format, args);
    va_end(args);
}

void tt_text_bytes(struct tt_text *text, const char *bytes, size_t len)
{
    if (!text_reserve(text, len)) {
        const size_t room = text->capacity - text->len;
        text->cut = true;
        if (room < 2)
            return;
        len = room - 1;
    }
    memcpy(text->data + text->len, bytes, len);
    text->len += len;
    text->data[text->len] = '\0';
}

void tt_text_size(struct tt_text *text, uint64_t bytes)
{
    static const char *const units[] = { "KiB", "MiB", "GiB", "TiB", "PiB" };
    if (bytes < 1024) {
        tt_text_add(text, "%llu B", (unsigned long long)bytes);
        return;
    }
    size_t unit = 0;
    uint64_t one = 1024;
    while (unit + 1 < TT_COUNT(units) && bytes / one >= 1024) {
        one *= 1024;
        unit++;
    }
    if (bytes % one == 0)
        tt_text_add(text, "%llu %s", (unsigned long long)(bytes / one),
                    units[unit]);
    else
        tt_text_add(text, "%.1f %s", (double)bytes / (double)one, units[unit]);
}

void tt_text_end(struct tt_text *text)
{
    if (text->len > 0 && text->data[text->len - 1] == '\n')
        text->data[--text->len] = '\0';
}

/* Reads what follows a size's digits. False: no unit that we know. */
static bool unit_shift(const char *unit, unsigned *shift)
{
    static const struct {
        const char *name;
        unsigned shift;
    } units[] = {
        { "", 0 }, { "B", 0 }, { "KiB", 10 }, { "MiB", 20 }, { "GiB", 30 }
    };
    unit += *unit == ' ';
    for (size_t i = 0; i < TT_COUNT(units); i++)
        if (strcmp(unit, units[i].name) == 0) {
            *shift = units[i].shift;
            return true;
        }
    return false;
}

bool tt_size_read(const char *text, uint64_t *bytes)
{
    const char *at = text;
    if (*at < '0' || *at > '9')
        return false;
    uint64_t number = 0;
    for (; *at >= '0' && *at <= '9'; at++)
        if (__builtin_mul_overflow(number, 10u, &number) ||
            __builtin_add_overflow(number, (unsigned)(*at - '0'), &number))
            return false;
    unsigned shift;
    if (!unit_shift(at, &shift) || number > UINT64_MAX >> shift)
        return false;
    *bytes = number << shift;
    return true;
}
