/* SPDX-License-Identifier: MIT */
/*
 * Names from symbol tables, for code without debug information. The tables
 * may have 100,000 entries and the questions are few: the table is read once
 * and each symbol is looked up among the sorted questions.
 *
 * A symbol counts only where its size covers the address: in a stripped
 * library the nearest exported symbol before a static function is a lie. Only
 * symbols without a size (written in assembler) may be the nearest.
 */
#include "analyse/analyse.h"

#include <stdlib.h>

static void request_offer(struct analyse_request *request,
                          const struct analyse_symbol *symbol)
{
    const bool sized = symbol->size > 0;
    if (request->symbol && request->symbol_sized && !sized)
        return;
    if (request->symbol && request->symbol_sized == sized &&
        (symbol->at < request->symbol_at ||
         (symbol->at == request->symbol_at && !symbol->is_global)))
        return;
    request->symbol = symbol->name;
    request->symbol_at = symbol->at;
    request->symbol_sized = sized;
}

/* The first of the sorted requests at or after 'link'. */
static size_t request_first(struct analyse_request **requests, size_t count,
                            uint64_t link)
{
    size_t low = 0, high = count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (requests[middle]->link < link)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Requests, sorted by link address, to which symbols are offered. */
struct offering {
    struct analyse_request **requests;
    size_t count;
};

static void symbol_offer(const struct analyse_symbol *symbol, void *ctx)
{
    const struct offering *const to = ctx;
    const uint64_t end =
        symbol->size ? symbol->at + symbol->size : symbol->at + 4096;
    for (size_t i = request_first(to->requests, to->count, symbol->at);
         i < to->count && to->requests[i]->link < end; i++)
        request_offer(to->requests[i], symbol);
}

static Elf_Scn *section_of(Elf *elf, GElf_Word type, GElf_Shdr *header)
{
    for (Elf_Scn *section = NULL;
         elf && (section = elf_nextscn(elf, section)) != NULL;)
        if (gelf_getshdr(section, header) && header->sh_type == type)
            return section;
    return NULL;
}

/* Can a symbol answer this kind of question? */
static bool symbol_fits(const GElf_Sym *entry, enum analyse_kind kind)
{
    const unsigned type = GELF_ST_TYPE(entry->st_info);
    switch (kind) {
    case ANALYSE_CODE:
        return type == STT_FUNC || type == STT_GNU_IFUNC ||
               (type == STT_NOTYPE && entry->st_size == 0);
    case ANALYSE_DATA:
        return type == STT_OBJECT && entry->st_size > 0;
    case ANALYSE_TLS:
        return type == STT_TLS && entry->st_size > 0;
    }
    return false;
}

static bool table_visit(Elf *elf, GElf_Word type, enum analyse_kind kind,
                        analyse_symbol_see see, void *ctx)
{
    GElf_Shdr header;
    Elf_Scn *const section = section_of(elf, type, &header);
    Elf_Data *const data = section ? elf_getdata(section, NULL) : NULL;
    if (!data || header.sh_entsize == 0)
        return false;
    const size_t symbols = header.sh_size / header.sh_entsize;
    for (size_t i = 1; i < symbols; i++) {
        GElf_Sym entry;
        if (!gelf_getsym(data, (int)i, &entry) || entry.st_shndx == SHN_UNDEF ||
            entry.st_shndx >= SHN_LORESERVE)
            continue;
        if (!symbol_fits(&entry, kind))
            continue;
        const struct analyse_symbol symbol = {
            .at = entry.st_value,
            .size = entry.st_size,
            .name = elf_strptr(elf, header.sh_link, entry.st_name),
            .is_global = GELF_ST_BIND(entry.st_info) != STB_LOCAL,
        };
        if (symbol.name && symbol.name[0])
            see(&symbol, ctx);
    }
    return true;
}

bool analyse_symbols_visit(const struct analyse_module *module,
                           enum analyse_kind kind, analyse_symbol_see see,
                           void *ctx)
{
    if (table_visit(module->elf, SHT_SYMTAB, kind, see, ctx) ||
        table_visit(module->debug_elf, SHT_SYMTAB, kind, see, ctx))
        return true;
    const bool mini = table_visit(module->mini_elf, SHT_SYMTAB, kind, see, ctx);
    table_visit(module->elf, SHT_DYNSYM, kind, see, ctx);
    return mini;
}

void analyse_symbols(const struct analyse_module *module,
                     struct analyse_request **requests, size_t count)
{
    if (count)
        analyse_symbols_visit(module, requests[0]->kind, symbol_offer,
                              &(struct offering){ requests, count });
}
