/* SPDX-License-Identifier: MIT */
/*
 * Finds a function's entry in the unwind tables. The linker sorts the entries
 * in .eh_frame_hdr by address, so one binary search in read-only memory
 * answers, and the loader is asked by _dl_find_object only: no lock is taken,
 * also in a child forked while another thread was inside the loader.
 *
 * Hook: everything here may run inside malloc and free.
 */
#include "stack/stack_dwarf.h"

#include "stack/stack_machine.h"

#include <dlfcn.h>
#include <string.h>

/* DW_EH_PE: the low four bits say the form, the next three what it is
 * relative to, the last one that it points at the pointer. */
enum {
    PE_ABSOLUTE = 0x00,
    PE_ULEB = 0x01,
    PE_U2 = 0x02,
    PE_U4 = 0x03,
    PE_U8 = 0x04,
    PE_SLEB = 0x09,
    PE_S2 = 0x0a,
    PE_S4 = 0x0b,
    PE_S8 = 0x0c,
    PE_FORM = 0x0f,
    PE_PC = 0x10,
    PE_DATA = 0x30,
    PE_BASE = 0x70,
    PE_POINTED = 0x80,
    PE_OMIT = 0xff,
    PE_SORTED_TABLE = PE_DATA | PE_S4, /* what every linker writes */
};

uint64_t tt_dwarf_fixed(struct tt_dwarf *bytes, unsigned width)
{
    uint64_t value = 0;
    if ((size_t)(bytes->end - bytes->at) < width) {
        bytes->bad = true;
        bytes->at = bytes->end;
        return 0;
    }
    memcpy(&value, bytes->at, width); /* little-endian machines only */
    bytes->at += width;
    return value;
}

int64_t tt_dwarf_signed(struct tt_dwarf *bytes, unsigned width)
{
    const unsigned unused = 64 - 8 * width;
    return (int64_t)(tt_dwarf_fixed(bytes, width) << unused) >> unused;
}

/* Seven bits a byte, the lowest first. *shift gets the number of bits read,
 * *last the last byte. */
static uint64_t leb_take(struct tt_dwarf *bytes, unsigned *shift, uint8_t *last)
{
    uint64_t value = 0;
    *shift = 0;
    do {
        *last = (uint8_t)tt_dwarf_fixed(bytes, 1);
        if (*shift < 64)
            value |= (uint64_t)(*last & 0x7f) << *shift;
        *shift += 7;
    } while (*last & 0x80);
    return value;
}

uint64_t tt_dwarf_uleb(struct tt_dwarf *bytes)
{
    unsigned shift;
    uint8_t last;
    return leb_take(bytes, &shift, &last);
}

int64_t tt_dwarf_sleb(struct tt_dwarf *bytes)
{
    unsigned shift;
    uint8_t last;
    uint64_t value = leb_take(bytes, &shift, &last);
    if (shift < 64 && last & 0x40)
        value |= ~(uint64_t)0 << shift;
    return (int64_t)value;
}

void tt_dwarf_skip(struct tt_dwarf *bytes, uint64_t count)
{
    if ((uint64_t)(bytes->end - bytes->at) < count) {
        bytes->bad = true;
        count = (uint64_t)(bytes->end - bytes->at);
    }
    bytes->at += count;
}

/* The form alone: a number that is relative to nothing yet. */
static uint64_t pointer_number(struct tt_dwarf *bytes, unsigned form)
{
    switch (form) {
    case PE_ABSOLUTE:
    case PE_U8:
    case PE_S8:
        return tt_dwarf_fixed(bytes, 8);
    case PE_ULEB:
        return tt_dwarf_uleb(bytes);
    case PE_SLEB:
        return (uint64_t)tt_dwarf_sleb(bytes);
    case PE_U2:
        return tt_dwarf_fixed(bytes, 2);
    case PE_U4:
        return tt_dwarf_fixed(bytes, 4);
    case PE_S2:
        return (uint64_t)tt_dwarf_signed(bytes, 2);
    case PE_S4:
        return (uint64_t)tt_dwarf_signed(bytes, 4);
    default:
        bytes->bad = true;
        return 0;
    }
}

uintptr_t tt_dwarf_pointer(struct tt_dwarf *bytes, unsigned encoding,
                           uintptr_t data)
{
    const uintptr_t here = (uintptr_t)bytes->at;
    if (encoding == PE_OMIT)
        return 0;
    uintptr_t value = pointer_number(bytes, encoding & PE_FORM);
    switch (encoding & PE_BASE) {
    case PE_ABSOLUTE:
        break;
    case PE_PC:
        value += here;
        break;
    case PE_DATA:
        value += data;
        break;
    default:
        bytes->bad = true;
        return 0;
    }
    if (encoding & PE_POINTED && !bytes->bad)
        memcpy(&value, (const void *)value, sizeof value);
    return value;
}

/* Reads a record's length and makes 'record' its bytes, which start with the
 * id. */
static bool record_open(const uint8_t *at, struct tt_dwarf *record)
{
    struct tt_dwarf head = { .at = at, .end = at + 12 };
    uint64_t length = tt_dwarf_fixed(&head, 4);
    if (length == 0xffffffff)
        length = tt_dwarf_fixed(&head, 8);
    *record = (struct tt_dwarf){ .at = head.at, .end = head.at + length };
    return length >= 4;
}

/* The augmentation's letters say what its data holds. Letters that are not
 * known come last, and their data is skipped by its length. */
static void common_augmentation(struct tt_dwarf *bytes, const char *letters,
                                struct tt_dwarf_entry *entry)
{
    if (*letters != 'z') {
        bytes->bad |= *letters != '\0';
        return;
    }
    struct tt_dwarf data = *bytes;
    const uint64_t length = tt_dwarf_uleb(&data);
    *bytes = data;
    tt_dwarf_skip(bytes, length);
    data.end = bytes->at;
    for (letters++; *letters && !data.bad; letters++) {
        if (*letters == 'R')
            entry->pointer_encoding = (unsigned)tt_dwarf_fixed(&data, 1);
        else if (*letters == 'P') {
            const unsigned encoding = (unsigned)tt_dwarf_fixed(&data, 1);
            tt_dwarf_pointer(&data, encoding & ~(unsigned)PE_POINTED, 0);
        } else if (*letters == 'L')
            tt_dwarf_skip(&data, 1);
        else if (*letters == 'S')
            entry->is_signal = true;
        else
            break;
    }
    bytes->bad |= data.bad;
}

static bool common_read(const uint8_t *at, struct tt_dwarf_entry *entry)
{
    struct tt_dwarf bytes;
    if (!record_open(at, &bytes) || tt_dwarf_fixed(&bytes, 4) != 0)
        return false;
    const uint64_t version = tt_dwarf_fixed(&bytes, 1);
    const char *const letters = (const char *)bytes.at;
    while (!bytes.bad && tt_dwarf_fixed(&bytes, 1) != 0)
        ;
    if (bytes.bad || (version != 1 && version != 3))
        return false;
    entry->pointer_encoding = PE_ABSOLUTE;
    entry->is_signal = false;
    entry->has_data = *letters == 'z';
    entry->code_align = tt_dwarf_uleb(&bytes);
    entry->data_align = tt_dwarf_sleb(&bytes);
    entry->ra_column =
        version == 1 ? tt_dwarf_fixed(&bytes, 1) : tt_dwarf_uleb(&bytes);
    common_augmentation(&bytes, letters, entry);
    entry->common_program = bytes;
    return !bytes.bad && entry->code_align != 0;
}

static bool entry_read(const uint8_t *at, uintptr_t data,
                       struct tt_dwarf_entry *entry)
{
    struct tt_dwarf bytes;
    if (!record_open(at, &bytes))
        return false;
    const uint8_t *const id_at = bytes.at;
    const uint64_t id = tt_dwarf_fixed(&bytes, 4);
    if (id == 0 || !common_read(id_at - id, entry))
        return false;
    entry->start = tt_dwarf_pointer(&bytes, entry->pointer_encoding, data);
    entry->end = entry->start +
                 pointer_number(&bytes, entry->pointer_encoding & PE_FORM);
    if (entry->has_data)
        tt_dwarf_skip(&bytes, tt_dwarf_uleb(&bytes));
    entry->program = bytes;
    return !bytes.bad;
}

/* A line of .eh_frame_hdr: both relative to the section's start. */
struct sorted_line {
    int32_t code;
    int32_t entry;
};

/* Finds the last line whose code starts at or before 'pc'. */
static const struct sorted_line *sorted_find(const struct sorted_line *lines,
                                             size_t count, int64_t pc)
{
    size_t low = 0;
    while (count > 0) {
        const size_t half = count / 2;
        if (lines[low + half].code <= pc) {
            low += half + 1;
            count -= half + 1;
        } else {
            count = half;
        }
    }
    return low ? &lines[low - 1] : NULL;
}

bool tt_dwarf_find(uintptr_t pc, struct tt_dwarf_entry *entry)
{
    struct dl_find_object object;
    if (_dl_find_object((void *)pc, &object) != 0 || !object.dlfo_eh_frame)
        return false;
    const uint8_t *const section = object.dlfo_eh_frame;
    const uintptr_t data = (uintptr_t)section;
    struct tt_dwarf head = { .at = section + 4, .end = section + 4 + 32 };
    if (section[0] != 1 || section[3] != PE_SORTED_TABLE)
        return false;
    tt_dwarf_pointer(&head, section[1], data);
    const size_t count = tt_dwarf_pointer(&head, section[2], data);
    if (head.bad)
        return false;
    const struct sorted_line *const line = sorted_find(
        (const struct sorted_line *)head.at, count, (int64_t)(pc - data));
    return line && entry_read(section + line->entry, data, entry) &&
           entry->start <= pc && pc < entry->end;
}
