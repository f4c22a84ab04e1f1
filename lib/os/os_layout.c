/* SPDX-License-Identifier: MIT */
/*
 * glibc publishes the layout of its threads for libthread_db: for each field
 * a triple of its size in bits, its number of elements and its offset, for
 * each struct its size. A libc without them leaves the layout unknown, and
 * what a thread keeps there is then not seen.
 */
#include "os/os_layout.h"

#include <dlfcn.h>

/* bits, elements, offset */
struct field {
    uint32_t bits, count, offset;
};

static const uint32_t nothing[3];

static const struct field *field_of(const char *name, bool *good)
{
    const void *const found = dlsym(RTLD_DEFAULT, name);
    *good = *good && found;
    return found ? found : (const void *)nothing;
}

static size_t size_of(const char *name, bool *good)
{
    const uint32_t *const found = dlsym(RTLD_DEFAULT, name);
    *good = *good && found;
    return found ? *found : 0;
}

static void layout_fill(struct tt_layout *layout)
{
    bool good = true;
    const struct field *const specific =
        field_of("_thread_db_pthread_specific", &good);
    const struct field *const keys =
        field_of("_thread_db___pthread_keys", &good);
    const size_t table =
        size_of("_thread_db_sizeof_pthread_key_data_level2", &good);
    layout->record_bytes = size_of("_thread_db_sizeof_pthread", &good);
    layout->self_at = 2 * sizeof(void *);
    layout->dtv_at = field_of("_thread_db_pthread_dtvp", &good)->offset;
    layout->dtv_bytes = field_of("_thread_db_dtv_dtv", &good)->bits / 8;
    layout->specific_at = specific->offset;
    layout->specific_count = specific->bits / 8 / sizeof(void *);
    layout->value_bytes = size_of("_thread_db_sizeof_pthread_key_data", &good);
    layout->value_sequence =
        field_of("_thread_db_pthread_key_data_seq", &good)->offset;
    layout->value_data =
        field_of("_thread_db_pthread_key_data_data", &good)->offset;
    layout->keys = (uintptr_t)dlsym(RTLD_DEFAULT, "__pthread_keys");
    layout->keys_count = keys->count;
    layout->key_bytes = keys->bits / 8;
    if (layout->value_bytes)
        layout->specific_entries = table / layout->value_bytes;
    layout->known = good && layout->keys && layout->key_bytes &&
                    layout->specific_entries && layout->dtv_bytes &&
                    layout->specific_at < layout->record_bytes;
}

const struct tt_layout *tt_os_layout(void)
{
    static struct tt_layout layout;
    static bool asked;
    if (!asked)
        layout_fill(&layout);
    asked = true;
    return &layout;
}
