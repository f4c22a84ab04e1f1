/* SPDX-License-Identifier: MIT */
/*
 * What libc and the loader know of a process that stands still: modules,
 * thread-local storage, keys. Offsets in their private records are read from
 * the constants that libc keeps for debuggers (_thread_db_...), never assumed.
 */
#include "analyse/analyse_code.h"

#include "analyse/analyse_x86_64.h"

#include <link.h>
#include <stdlib.h>
#include <string.h>

#define RED_ZONE    128
#define MODULES_MAX 10000

struct libc {
    struct analyse_image *image;
    struct analyse_code *code; /* libc's, NULL: not found */
    uint64_t bias;
    /* Offsets; 0: not known. */
    uint32_t map_modid, dtv_at, specific_at, specific_count;
    uint32_t seq_at, data_at, value_bytes, values; /* of a table of a key's */
    uint32_t key_bytes;
    uint64_t keys;
};

static bool name_starts(const char *name, const char *start)
{
    return strncmp(name, start, strlen(start)) == 0;
}

uint32_t analyse_text_add(struct analyse_image *image, const char *text)
{
    const size_t len = strlen(text) + 1;
    char *const grown = realloc(image->text, image->text_bytes + len + 1);
    if (!grown)
        return 0;
    if (image->text_bytes == 0)
        grown[image->text_bytes++] = '\0';
    memcpy(grown + image->text_bytes, text, len);
    image->text = grown;
    image->text_bytes += len;
    return (uint32_t)(image->text_bytes - len);
}

/* ---- modules ---- */

static uint32_t module_flags(const char *path)
{
    const char *const name = analyse_base_name(path);
    static const char *const libc[] = { "libc.so",   "libc-2.", "ld-linux",
                                        "ld-2.",     "libm.so", "libm-2.",
                                        "libpthread" };
    if (name_starts(name, "libtether") || name_starts(name, "libmimalloc"))
        return TT_MODULE_TOOL;
    for (size_t i = 0; i < sizeof libc / sizeof *libc; i++)
        if (name_starts(name, libc[i]))
            return TT_MODULE_LIBC;
    return 0;
}

/* The mappings of one file that follow each other are one module. */
static void modules_gather(struct analyse_image *image)
{
    const struct analyse_input *const maps = &image->maps;
    for (size_t i = 0; i < maps->mappings_count;) {
        const struct analyse_mapping *const map = &maps->mappings[i];
        size_t end = i + 1;
        while (end < maps->mappings_count &&
               !strcmp(maps->mappings[end].path, map->path))
            end++;
        char magic[SELFMAG];
        if (map->path[0] == '/' && map->offset == 0 &&
            (!analyse_read(image, map->start, magic, SELFMAG) ||
             !memcmp(magic, ELFMAG, SELFMAG))) {
            image->modules = analyse_grow(image->modules, image->modules_count,
                                          sizeof *image->modules);
            image->modules[image->modules_count++] = (struct tt_record_module){
                .start = map->start,
                .end = maps->mappings[end - 1].end,
                .path = analyse_text_add(image, map->path),
                .flags = module_flags(map->path),
            };
        }
        i = end;
    }
}

static bool segment_of(struct analyse_code *code, uint32_t type, size_t nth,
                       GElf_Phdr *header)
{
    size_t count;
    if (!code->file.elf || elf_getphdrnum(code->file.elf, &count) != 0)
        return false;
    for (size_t i = 0; i < count; i++)
        if (gelf_getphdr(code->file.elf, (int)i, header) &&
            header->p_type == type && nth-- == 0)
            return true;
    return false;
}

static void module_place(struct analyse_image *image, uint32_t index)
{
    struct tt_record_module *const module = &image->modules[index];
    struct analyse_code *const code = analyse_code_of(image, index);
    GElf_Phdr header, last;
    if (!segment_of(code, PT_LOAD, 0, &header))
        return;
    module->bias = code->bias =
        module->start - (header.p_vaddr & ~(uint64_t)4095);
    for (size_t i = 0; segment_of(code, PT_LOAD, i, &last); i++)
        if (module->bias + last.p_vaddr + last.p_memsz > module->end)
            module->end = module->bias + last.p_vaddr + last.p_memsz;
    if (segment_of(code, PT_TLS, 0, &header))
        module->tls_bytes = header.p_memsz;
    if (segment_of(code, PT_INTERP, 0, &header) &&
        !(module->flags & TT_MODULE_LIBC))
        module->flags |= TT_MODULE_MAIN;
}

static void globals_gather(struct analyse_image *image, uint32_t index)
{
    const struct tt_record_module *const module = &image->modules[index];
    struct analyse_code *const code = analyse_code_of(image, index);
    GElf_Phdr load, relro = { 0 };
    if (module->flags & TT_MODULE_TOOL)
        return;
    segment_of(code, PT_GNU_RELRO, 0, &relro);
    const uint64_t fixed = module->bias + relro.p_vaddr + relro.p_memsz;
    for (size_t i = 0; segment_of(code, PT_LOAD, i, &load); i++) {
        uint64_t start = module->bias + load.p_vaddr;
        if (!(load.p_flags & PF_W))
            continue;
        if (relro.p_memsz && start <= module->bias + relro.p_vaddr &&
            fixed > start)
            start = fixed;
        struct tt_record_root *const root =
            analyse_root_add(image, TT_ROOT_GLOBALS, start,
                             module->bias + load.p_vaddr + load.p_memsz);
        if (root)
            root->module = (int32_t)index;
    }
}

/* ---- the loader's list ---- */

static uint64_t debug_list(struct analyse_image *image)
{
    for (uint32_t i = 0; i < image->modules_count; i++) {
        struct analyse_code *const code = analyse_code_of(image, i);
        GElf_Phdr header;
        if (!(image->modules[i].flags & TT_MODULE_MAIN) ||
            !segment_of(code, PT_DYNAMIC, 0, &header))
            continue;
        uint64_t at = code->bias + header.p_vaddr;
        for (int entry = 0; entry < 200; entry++, at += 16)
            if (analyse_word(image, at) == DT_DEBUG)
                return analyse_word(image, at + 8);
    }
    return 0;
}

static void tls_numbers(struct libc *libc)
{
    struct analyse_image *const image = libc->image;
    const uint64_t debug = debug_list(image);
    uint64_t map =
        debug ? analyse_word(image, debug + offsetof(struct r_debug, r_map))
              : 0;
    for (int i = 0; map && libc->map_modid && i < MODULES_MAX; i++) {
        const uint64_t bias =
            analyse_word(image, map + offsetof(struct link_map, l_addr));
        const uint64_t dynamic =
            analyse_word(image, map + offsetof(struct link_map, l_ld));
        const uint32_t module = analyse_module_at(image, dynamic);
        if (module != NONE && image->modules[module].bias == bias)
            image->modules[module].tls_module =
                analyse_word(image, map + libc->map_modid);
        map = analyse_word(image, map + offsetof(struct link_map, l_next));
    }
}

/* ---- offsets ---- */

/* Reads 'bits, count, offset' of a field; 0 of a size is the size. */
static uint32_t field_of(struct libc *libc, const char *name, int which)
{
    uint32_t number;
    const uint64_t link = analyse_code_export(libc->code, name);
    if (!link || !analyse_code_bytes(libc->code, link + 4 * (uint64_t)which,
                                     &number, sizeof number))
        return 0;
    return number;
}

static void libc_find(struct libc *libc)
{
    struct analyse_image *const image = libc->image;
    for (uint32_t i = 0; i < image->modules_count && !libc->code; i++) {
        const char *const name =
            analyse_base_name(image->text + image->modules[i].path);
        if (name_starts(name, "libc.so") || name_starts(name, "libc-2."))
            libc->code = analyse_code_of(image, i);
    }
    if (!libc->code)
        return;
    libc->map_modid = field_of(libc, "_thread_db_link_map_l_tls_modid", 2);
    libc->dtv_at = field_of(libc, "_thread_db_pthread_dtvp", 2);
    libc->specific_at = field_of(libc, "_thread_db_pthread_specific", 2);
    libc->specific_count =
        field_of(libc, "_thread_db_pthread_specific", 0) / 64;
    libc->data_at = field_of(libc, "_thread_db_pthread_key_data_data", 2);
    libc->seq_at = field_of(libc, "_thread_db_pthread_key_data_seq", 2);
    libc->value_bytes = field_of(libc, "_thread_db_sizeof_pthread_key_data", 0);
    if (libc->value_bytes)
        libc->values =
            field_of(libc, "_thread_db_sizeof_pthread_key_data_level2", 0) /
            libc->value_bytes;
    libc->key_bytes = field_of(libc, "_thread_db___pthread_keys", 0) / 8;
    libc->keys = analyse_code_export(libc->code, "__pthread_keys");
    if (libc->keys)
        libc->keys += libc->code->bias;
}

/* ---- threads ---- */

static uint64_t tls_block(struct libc *libc,
                          const struct tt_record_thread *thread,
                          const struct tt_record_module *module)
{
    if (!thread->dtv || !module->tls_module)
        return 0;
    const uint64_t slots = analyse_word(libc->image, thread->dtv - 16);
    if (module->tls_module > slots)
        return 0;
    const uint64_t block =
        analyse_word(libc->image, thread->dtv + 16 * module->tls_module);
    return block + 1 > 1 ? block : 0; /* all bits set: not allocated */
}

static void thread_tls(struct libc *libc, uint32_t index)
{
    struct analyse_image *const image = libc->image;
    struct tt_record_thread *const thread = &image->threads[index];
    thread->dtv = analyse_word(image, thread->tcb + libc->dtv_at);
    for (size_t i = 0; i < image->modules_count; i++) {
        const struct tt_record_module *const module = &image->modules[i];
        const uint64_t at = tls_block(libc, thread, module);
        if (!at || module->flags & TT_MODULE_TOOL)
            continue;
        struct tt_record_root *const root =
            analyse_root_add(image, TT_ROOT_TLS, at, at + module->tls_bytes);
        if (!root)
            continue;
        root->thread = (int32_t)index;
        root->module = (int32_t)i;
        root->what = module->tls_module;
        if (at < thread->stack_end && at > thread->stack)
            thread->stack_end = at;
    }
}

static void thread_keys(struct libc *libc, uint32_t index)
{
    struct analyse_image *const image = libc->image;
    const uint64_t tables = image->threads[index].tcb + libc->specific_at;
    if (!libc->specific_at || !libc->keys || !libc->key_bytes)
        return;
    for (uint32_t i = 0; i < libc->specific_count; i++) {
        const uint64_t table = analyse_word(image, tables + 8 * i);
        for (uint32_t j = 0; table && j < libc->values; j++) {
            const uint64_t at = table + j * libc->value_bytes;
            const uint32_t key = i * libc->values + j;
            /* One number a key: a value of a deleted one does not count. */
            if (!analyse_word(image, at + libc->data_at) ||
                analyse_word(image, at + libc->seq_at) !=
                    analyse_word(image, libc->keys + libc->key_bytes * key))
                continue;
            struct tt_record_root *const root = analyse_root_add(
                image, TT_ROOT_KEY, at + libc->data_at, at + libc->data_at + 8);
            if (root) {
                root->thread = (int32_t)index;
                root->what = key;
            }
        }
    }
}

static void thread_place(struct libc *libc, uint32_t index)
{
    struct analyse_image *const image = libc->image;
    struct tt_record_thread *const thread = &image->threads[index];
    const uint64_t sp = thread->registers[REGISTER_SP] - RED_ZONE;
    if (!(thread->flags & TT_THREAD_STOPPED))
        return;
    for (size_t i = 0; i < image->maps.mappings_count; i++) {
        const struct analyse_mapping *const map = &image->maps.mappings[i];
        if (sp < map->start || sp >= map->end)
            continue;
        thread->stack = sp;
        thread->stack_end = map->end;
    }
    if (thread->tcb > thread->stack && thread->tcb < thread->stack_end)
        thread->stack_end = thread->tcb;
    if (libc->code && libc->dtv_at)
        thread_tls(libc, index);
    if (libc->code)
        thread_keys(libc, index);
}

static void stacks_gather(struct analyse_image *image)
{
    const size_t count = image->threads_count;
    for (size_t i = 0; count > 0 && i < 2 * count; i++) {
        const size_t index = i % count;
        const struct tt_record_thread *const thread = &image->threads[index];
        const bool registers = i >= image->threads_count;
        if (!(thread->flags & TT_THREAD_STOPPED))
            continue;
        struct tt_record_root *const root =
            registers ? analyse_root_add(image, TT_ROOT_REGISTERS, 0, 0)
                      : analyse_root_add(image, TT_ROOT_STACK, thread->stack,
                                         thread->stack_end);
        if (root)
            root->thread = (int32_t)index;
    }
}

const char *analyse_image_complete(struct analyse_image *image)
{
    struct libc libc = { .image = image };
    modules_gather(image);
    for (uint32_t i = 0; i < image->modules_count; i++)
        module_place(image, i);
    for (uint32_t i = 0; i < image->modules_count; i++)
        globals_gather(image, i);
    libc_find(&libc);
    tls_numbers(&libc);
    for (uint32_t i = 0; i < image->threads_count; i++)
        thread_place(&libc, i);
    analyse_roots_read(image);
    stacks_gather(image);
    return analyse_heap_read(image);
}
