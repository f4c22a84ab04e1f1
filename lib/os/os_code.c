/* SPDX-License-Identifier: MIT */
/*
 * Reads machine code, as far as Tether needs to: where a function jumps to
 * when it ends by calling another one, which leaves no frame on the stack; and
 * where a jump of a PLT goes. While the latter is not bound its slot leads to
 * an instruction that pushes the number of its relocation, for the loader: by
 * that number the symbol is found, and bound here as the loader would. Last,
 * whether there is a call before what may be a return address.
 *
 * Hook: everything but tt_os_code_target, which asks the loader, may run inside
 * malloc and free.
 */
#include "os/os.h"

#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <string.h>

#if defined(__x86_64__)
/* 'jmp rel32' at any byte: what is found by chance in the middle of another
 * instruction does not point at a function's first byte, which callers check.
 */
size_t tt_os_tail_calls(uintptr_t start, uintptr_t end, uintptr_t *targets,
                        size_t max)
{
    size_t count = 0;
    for (uintptr_t at = start; at + 5 <= end && count < max; at++) {
        int32_t distance;
        if (*(const unsigned char *)at != 0xe9)
            continue;
        memcpy(&distance, (const void *)(at + 1), sizeof distance);
        const uintptr_t target = at + 5 + (uintptr_t)(intptr_t)distance;
        if (target < start || target >= end)
            targets[count++] = target;
    }
    return count;
}

static size_t endbr_length(const unsigned char *code)
{
    static const unsigned char endbr[] = { 0xf3, 0x0f, 0x1e, 0xfa };
    return memcmp(code, endbr, sizeof endbr) == 0 ? sizeof endbr : 0;
}

/* An entry of a PLT: [endbr64] [bnd] jmp *slot(%rip). False: it is none. */
static bool jump_read(uintptr_t address, uintptr_t *target)
{
    unsigned char code[16];
    int32_t distance;
    if (!tt_os_read((const void *)address, code, sizeof code))
        return false;
    const unsigned char *at = code + endbr_length(code);
    if (*at == 0xf2)
        at++;
    if (at[0] != 0xff || at[1] != 0x25)
        return false;
    memcpy(&distance, at + 2, sizeof distance);
    const uintptr_t slot =
        address + (uintptr_t)(at + 6 - code) + (uintptr_t)(intptr_t)distance;
    return tt_os_read((const void *)slot, target, sizeof *target);
}

/* Where an unbound jump leads: [endbr64] push number; [bnd] jmp. */
static bool push_read(uintptr_t address, uint32_t *number)
{
    unsigned char code[16];
    if (!tt_os_read((const void *)address, code, sizeof code))
        return false;
    const unsigned char *const at = code + endbr_length(code);
    memcpy(number, at + 1, sizeof *number);
    return at[0] == 0x68 && (at[5] == 0xe9 || (at[5] == 0xf2 && at[6] == 0xe9));
}

static uintptr_t dynamic_get(const struct link_map *module, ElfW(Sxword) tag)
{
    for (const ElfW(Dyn) *entry = module->l_ld; entry->d_tag != DT_NULL;
         entry++)
        if (entry->d_tag == tag)
            return entry->d_un.d_ptr;
    return 0;
}

/* The symbol of a relocation of the module's PLT, NULL if there is none. */
static const char *relocation_name(const struct link_map *module,
                                   uint32_t number)
{
    const ElfW(Rela) *const table =
        (const ElfW(Rela) *)dynamic_get(module, DT_JMPREL);
    const ElfW(Sym) *const symbols =
        (const ElfW(Sym) *)dynamic_get(module, DT_SYMTAB);
    const char *const strings = (const char *)dynamic_get(module, DT_STRTAB);
    const size_t count = dynamic_get(module, DT_PLTRELSZ) / sizeof *table;
    if (!table || !symbols || !strings || number >= count)
        return NULL;
    return strings + symbols[ELF64_R_SYM(table[number].r_info)].st_name;
}

/* Asks one module for a symbol of its own. */
static uintptr_t symbol_of(const struct link_map *module, const char *name)
{
    struct dl_find_object object;
    void *const handle = module->l_name[0]
                             ? dlopen(module->l_name, RTLD_LAZY | RTLD_NOLOAD)
                             : NULL;
    if (!handle)
        return 0;
    void *const symbol = dlsym(handle, name);
    dlclose(handle);
    return symbol && _dl_find_object(symbol, &object) == 0 &&
                   object.dlfo_link_map == module
               ? (uintptr_t)symbol
               : 0;
}

/* Finds a symbol in the modules in the order in which the loader looks, but
 * for the one that asks. */
static uintptr_t symbol_bind(const struct link_map *asker, const char *name)
{
    const struct link_map *module = asker;
    uintptr_t found = 0;
    while (module->l_prev)
        module = module->l_prev;
    for (; module && !found; module = module->l_next)
        if (module != asker)
            found = symbol_of(module, name);
    return found;
}

uintptr_t tt_os_code_target(uintptr_t address)
{
    struct dl_find_object object;
    uintptr_t target;
    uint32_t number;
    if (!jump_read(address, &target))
        return address;
    if (!push_read(target, &number) ||
        _dl_find_object((void *)target, &object) != 0)
        return target;
    const char *const name = relocation_name(object.dlfo_link_map, number);
    const uintptr_t found = name ? symbol_bind(object.dlfo_link_map, name) : 0;
    return found ? found : target;
}

uintptr_t tt_os_jump_target(uintptr_t address)
{
    uintptr_t target;
    return jump_read(address, &target) ? target : address;
}

/* The length of 'call *r/m' at 'code', 0: it is none. The opcode is ff, then
 * comes a byte with 2 in its middle bits, then what that byte asks for. */
static size_t indirect_length(const unsigned char *code)
{
    const unsigned mod = code[1] >> 6, base = code[1] & 7;
    if (code[0] != 0xff || (code[1] >> 3 & 7) != 2)
        return 0;
    if (mod == 3)
        return 2;
    const bool has_sib = base == 4;
    const bool is_wide =
        mod == 2 || (mod == 0 && (has_sib ? (code[2] & 7) == 5 : base == 5));
    return 2u + has_sib + (is_wide ? 4u : mod);
}

enum tt_os_call tt_os_call_before(uintptr_t return_address, uintptr_t *target)
{
    unsigned char code[8];
    int32_t distance;
    if (return_address < sizeof code ||
        !tt_os_read((const void *)(return_address - 7), code, 7))
        return TT_OS_NO_CALL;
    if (code[2] == 0xe8) {
        memcpy(&distance, code + 3, sizeof distance);
        *target = return_address + (uintptr_t)(intptr_t)distance;
        return TT_OS_CALLS_TARGET;
    }
    for (size_t length = 2; length <= 7; length++)
        if (indirect_length(code + 7 - length) == length)
            return TT_OS_CALLS_ANYTHING;
    return TT_OS_NO_CALL;
}
#else
uintptr_t tt_os_jump_target(uintptr_t address)
{
    return address;
}

enum tt_os_call tt_os_call_before(uintptr_t return_address, uintptr_t *target)
{
    (void)return_address, (void)target;
    return TT_OS_NO_CALL;
}

uintptr_t tt_os_code_target(uintptr_t address)
{
    return address;
}

size_t tt_os_tail_calls(uintptr_t start, uintptr_t end, uintptr_t *targets,
                        size_t max)
{
    (void)start, (void)end, (void)targets, (void)max;
    return 0;
}
#endif
