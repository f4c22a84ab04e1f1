/* SPDX-License-Identifier: MIT */
/*
 * Opens the files behind an image's modules, and answers what needs no types.
 */
#include "analyse/analyse_code.h"

#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

const char *analyse_base_name(const char *path)
{
    const char *const slash = path ? strrchr(path, '/') : NULL;
    return slash ? slash + 1 : path;
}

static void units_gather(struct analyse_code *code)
{
    Dwarf_CU *cu = NULL;
    Dwarf_Half version;
    uint8_t type;
    Dwarf_Die die, sub;
    while (dwarf_get_units(code->file.dwarf, cu, &cu, &version, &type, &die,
                           &sub) == 0) {
        if (type == DW_UT_split_type)
            continue;
        struct analyse_unit unit = { .lines = die, .die = die };
        if (type == DW_UT_skeleton && dwarf_tag(&sub) != DW_TAG_invalid)
            unit.die = sub;
        const int lang = dwarf_srclang(&unit.die);
        unit.is_cxx =
            lang == DW_LANG_C_plus_plus || lang == DW_LANG_C_plus_plus_03 ||
            lang == DW_LANG_C_plus_plus_11 || lang == DW_LANG_C_plus_plus_14;
        code->units =
            analyse_grow(code->units, code->units_count, sizeof *code->units);
        code->units[code->units_count++] = unit;
    }
}

/* The mapping that a module was loaded from. */
static const struct analyse_mapping *
mapping_of(const struct analyse_image *image, uint32_t module)
{
    const struct tt_record_module *const m = &image->modules[module];
    for (size_t i = 0; i < image->maps.mappings_count; i++) {
        const struct analyse_mapping *const map = &image->maps.mappings[i];
        if (map->start >= m->start && map->start < m->end && map->path[0])
            return map;
    }
    return NULL;
}

struct analyse_code *analyse_code_of(struct analyse_image *image,
                                     uint32_t module)
{
    if (!image->codes)
        image->codes =
            analyse_alloc((image->modules_count + 1) * sizeof *image->codes);
    struct analyse_code *const code = &image->codes[module];
    if (code->opened)
        return code;
    const struct analyse_mapping *const map = mapping_of(image, module);
    struct analyse_mapping named = { .path = "" };
    if (map)
        named = *map;
    else if (image->modules[module].path < image->text_bytes)
        named.path = image->text + image->modules[module].path;
    code->opened = true;
    code->index = module;
    code->bias = image->modules[module].bias;
    code->path = named.path;
    analyse_module_open(&code->file, &image->maps, &named, image->debug_root);
    if (code->file.dwarf)
        units_gather(code);
    return code;
}

const char *analyse_code_name(struct analyse_image *image, uint32_t module)
{
    const char *const name = analyse_code_of(image, module)->file.name;
    return name && name[0] ? name : "a module";
}

/* ---- symbols ---- */

static int by_at(const void *left, const void *right)
{
    const struct analyse_datum *const a = left, *const b = right;
    if (a->is_tls != b->is_tls)
        return a->is_tls ? 1 : -1;
    return a->at < b->at ? -1 : a->at > b->at;
}

static void symbol_take(struct analyse_code *code, Elf *elf,
                        const GElf_Sym *entry, size_t strings)
{
    const unsigned kind = GELF_ST_TYPE(entry->st_info);
    const char *const name = elf_strptr(elf, strings, entry->st_name);
    if ((kind != STT_OBJECT && kind != STT_TLS) || !name || !name[0] ||
        entry->st_shndx == SHN_UNDEF || entry->st_size == 0)
        return;
    code->symbols =
        analyse_grow(code->symbols, code->symbols_count, sizeof *code->symbols);
    code->symbols[code->symbols_count++] = (struct analyse_datum){
        .at = entry->st_value,
        .size = entry->st_size,
        .name = name,
        .is_tls = kind == STT_TLS,
    };
}

static bool symbols_read(struct analyse_code *code, Elf *elf, GElf_Word type)
{
    for (Elf_Scn *section = NULL;
         elf && (section = elf_nextscn(elf, section)) != NULL;) {
        GElf_Shdr header;
        GElf_Sym entry;
        if (!gelf_getshdr(section, &header) || header.sh_type != type)
            continue;
        Elf_Data *const data = elf_getdata(section, NULL);
        for (int i = 1; data && gelf_getsym(data, i, &entry); i++)
            symbol_take(code, elf, &entry, header.sh_link);
        return data != NULL;
    }
    return false;
}

const struct analyse_datum *analyse_code_data(struct analyse_code *code,
                                              uint64_t link, bool is_tls)
{
    const struct analyse_datum *best = NULL;
    if (!code->symbols_known) {
        code->symbols_known = true;
        if (!symbols_read(code, code->file.elf, SHT_SYMTAB) &&
            !symbols_read(code, code->file.debug_elf, SHT_SYMTAB))
            symbols_read(code, code->file.elf, SHT_DYNSYM);
        qsort(code->symbols, code->symbols_count, sizeof *code->symbols, by_at);
    }
    for (size_t i = 0; i < code->symbols_count; i++)
        if (code->symbols[i].is_tls == is_tls && link >= code->symbols[i].at &&
            link - code->symbols[i].at < code->symbols[i].size)
            best = &code->symbols[i];
    return best;
}

uint64_t analyse_code_export(struct analyse_code *code, const char *name)
{
    for (Elf_Scn *section = NULL;
         code->file.elf &&
         (section = elf_nextscn(code->file.elf, section)) != NULL;) {
        GElf_Shdr header;
        GElf_Sym entry;
        if (!gelf_getshdr(section, &header) || header.sh_type != SHT_DYNSYM)
            continue;
        Elf_Data *const data = elf_getdata(section, NULL);
        for (int i = 1; data && gelf_getsym(data, i, &entry); i++) {
            const char *const is =
                elf_strptr(code->file.elf, header.sh_link, entry.st_name);
            if (is && entry.st_shndx != SHN_UNDEF && !strcmp(is, name))
                return entry.st_value;
        }
    }
    return 0;
}

bool analyse_code_bytes(struct analyse_code *code, uint64_t link, void *to,
                        size_t bytes)
{
    size_t count, size;
    const char *const raw =
        code->file.elf ? elf_rawfile(code->file.elf, &size) : NULL;
    if (!raw || elf_getphdrnum(code->file.elf, &count) != 0)
        return false;
    for (size_t i = 0; i < count; i++) {
        GElf_Phdr header;
        if (!gelf_getphdr(code->file.elf, (int)i, &header) ||
            header.p_type != PT_LOAD || link < header.p_vaddr ||
            link + bytes > header.p_vaddr + header.p_filesz)
            continue;
        const uint64_t at = link - header.p_vaddr + header.p_offset;
        if (at + bytes > size)
            return false;
        memcpy(to, raw + at, bytes);
        return true;
    }
    return false;
}

/* ---- places ---- */

/* The column of the innermost frame; the line is known. */
static int column_find(struct analyse_code *code, uint64_t link)
{
    for (size_t i = 0; i < code->units_count; i++) {
        Dwarf_Die die = code->units[i].lines;
        int column;
        if (dwarf_haspc(&die, link) <= 0)
            continue;
        Dwarf_Line *const line = dwarf_getsrc_die(&die, link);
        if (line && dwarf_linecol(line, &column) == 0)
            return column;
        return 0;
    }
    return 0;
}

/* A function without debug information, by its symbol. */
static const char *symbol_name(struct analyse_code *code, uint64_t link)
{
    struct analyse_request request = { .link = link };
    struct analyse_request *list = &request;
    if (code->file.elf)
        analyse_symbols(&code->file, &list, 1);
    return request.symbol ? analyse_demangle(request.symbol) : NULL;
}

size_t analyse_code_places(struct analyse_image *image, uint64_t address,
                           struct analyse_place *places, size_t places_max)
{
    struct analyse_frame frames[ANALYSE_FRAMES_MAX];
    const uint32_t module = analyse_module_at(image, address);
    size_t count = 0;
    if (module == NONE || places_max == 0)
        return 0;
    struct analyse_code *const code = analyse_code_of(image, module);
    const uint64_t link = address - code->bias;
    if (code->file.dwarf && !code->ranges)
        code->ranges = analyse_units_make(code->file.dwarf);
    if (code->ranges)
        count = analyse_units_find(code->ranges, link, frames);
    for (size_t i = 0; i < count && i < places_max; i++)
        places[i] = (struct analyse_place){
            .function = frames[i].function,
            .file = analyse_base_name(frames[i].path),
            .path = frames[i].path,
            .line = frames[i].line,
            .column = i == 0 ? column_find(code, link) : 0,
            .inlined = frames[i].inlined,
        };
    if (count == 0)
        places[0] = (struct analyse_place){ .function = NULL };
    if (!places[0].function)
        places[0].function = symbol_name(code, link);
    return count == 0 ? places[0].function != NULL
                      : (count < places_max ? count : places_max);
}

const char *analyse_place_text(const struct analyse_place *place)
{
    if (!place->file || place->line <= 0)
        return "";
    return analyse_text(" (%s:%d)", place->file, place->line);
}
