/* SPDX-License-Identifier: MIT */
/*
 * The loaded modules, from the loader, before the world stops: it holds a lock
 * while it tells, which a stopped thread might hold too.
 *
 * What is Tether's own is told from what is the program's by its name: the
 * library's data, and the allocator's, would hold every block.
 */
#include "reach/reach_inside.h"

#include <limits.h>
#include <link.h>
#include <string.h>
#include <unistd.h>

#include "base/base_mem.h"

#define ARRAY_FIRST 64

void *reach_array_add(struct reach_array *array)
{
    if (array->count == array->capacity) {
        const size_t capacity = TT_MAX(array->capacity * 2, ARRAY_FIRST);
        void *const grown = tt_mem_take(capacity * array->size);
        if (!grown)
            return NULL;
        if (array->items) {
            memcpy(grown, array->items, array->count * array->size);
            tt_mem_give(array->items, array->capacity * array->size);
        }
        array->items = grown;
        array->capacity = capacity;
    }
    void *const item = (char *)array->items + array->count++ * array->size;
    memset(item, 0, array->size);
    return item;
}

void reach_array_drop(struct reach_array *array)
{
    if (array->items)
        tt_mem_give(array->items, array->capacity * array->size);
    array->items = NULL;
    array->count = array->capacity = 0;
}

uint32_t reach_text_add(struct reach_state *state, const char *text, size_t len)
{
    if (state->text.len == 0)
        tt_text_bytes(&state->text, "", 1);
    const uint32_t at = (uint32_t)state->text.len;
    if (len == 0)
        return 0;
    tt_text_bytes(&state->text, text, len);
    tt_text_bytes(&state->text, "", 1);
    return at;
}

/* Does the file's name begin so, with a dot or a dash behind? */
static bool name_begins(const char *path, const char *start)
{
    const char *const slash = strrchr(path, '/');
    const char *const name = slash ? slash + 1 : path;
    const size_t len = strlen(start);
    return strncmp(name, start, len) == 0 &&
           (name[len] == '.' || name[len] == '-' || name[len] == '\0');
}

static bool name_begins_one(const char *path, const char *const *starts)
{
    for (; *starts; starts++)
        if (name_begins(path, *starts))
            return true;
    return false;
}

static uint32_t module_flags(const char *path, bool is_main)
{
    static const char *const tools[] = { "libtether",   "libtether-criterion",
                                         "libmimalloc", "libasan",
                                         "liblsan",     "libtsan",
                                         "libubsan",    NULL };
    static const char *const libcs[] = { "libc", "ld-linux-x86-64", "ld",
                                         "libm", "libpthread",      "libdl",
                                         NULL };
    if (is_main)
        return TT_MODULE_MAIN;
    return name_begins_one(path, tools)   ? TT_MODULE_TOOL
           : name_begins_one(path, libcs) ? TT_MODULE_LIBC
                                          : 0;
}

static uint32_t path_add(struct reach_state *state, const char *told,
                         bool is_main)
{
    char path[PATH_MAX];
    if (!is_main)
        return reach_text_add(state, told, strlen(told));
    const ssize_t len = readlink("/proc/self/exe", path, sizeof path);
    return reach_text_add(state, path, len > 0 ? (size_t)len : 0);
}

static void segment_add(struct reach_state *state, const ElfW(Phdr) * phdr,
                        uintptr_t bias)
{
    struct reach_segment *const segment = reach_array_add(&state->segments);
    if (segment)
        *segment = (struct reach_segment){
            .start = bias + phdr->p_vaddr,
            .end = bias + phdr->p_vaddr + phdr->p_memsz,
            .module = (int32_t)state->modules.count - 1,
        };
}

static int module_see(struct dl_phdr_info *info, size_t size, void *ctx)
{
    struct reach_state *const state = ctx;
    const bool is_main = state->modules.count == 0;
    struct tt_record_module *const module = reach_array_add(&state->modules);
    (void)size;
    if (!module)
        return 1;
    module->bias = info->dlpi_addr;
    module->start = UINT64_MAX;
    module->flags = module_flags(info->dlpi_name, is_main);
    module->path = path_add(state, info->dlpi_name, is_main);
    module->tls_module = info->dlpi_tls_modid;
    for (size_t i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *const phdr = &info->dlpi_phdr[i];
        const uintptr_t start = info->dlpi_addr + phdr->p_vaddr;
        if (phdr->p_type == PT_TLS)
            module->tls_bytes = phdr->p_memsz;
        if (phdr->p_type != PT_LOAD)
            continue;
        module->start = TT_MIN(module->start, start);
        module->end = TT_MAX(module->end, start + phdr->p_memsz);
        if (phdr->p_flags & PF_W && !(module->flags & TT_MODULE_TOOL))
            segment_add(state, phdr, info->dlpi_addr);
    }
    return 0;
}

bool reach_modules_gather(struct reach_state *state)
{
    return dl_iterate_phdr(module_see, state) == 0 && !state->text.cut;
}
