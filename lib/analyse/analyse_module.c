/* SPDX-License-Identifier: MIT */
/*
 * Modules: from a mapping to an open ELF file with its debug information.
 *
 * A file that was replaced since it was mapped (maps says 'deleted') is never
 * looked up by its name: the name may be another file's by now. The kernel's
 * own links to it are tried instead.
 */
#include "analyse/analyse.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

static bool name_starts(const char *name, const char *start)
{
    return strncmp(name, start, strlen(start)) == 0;
}

/* libc's debug information takes 100 ms to read and names nothing that a
 * user could change. */
static bool name_is_system(const char *name)
{
    static const char *const system[] = { "libc.so",    "libc-2.",   "ld-linux",
                                          "ld-2.",      "libm.so",   "libm-2.",
                                          "libpthread", "linux-vdso" };
    for (size_t i = 0; i < sizeof system / sizeof *system; i++)
        if (name_starts(name, system[i]))
            return true;
    return false;
}

static const char deleted[] = " (deleted)";

static bool path_is_deleted(const char *path)
{
    const size_t len = strlen(path);
    return len > sizeof deleted &&
           strcmp(path + len - (sizeof deleted - 1), deleted) == 0;
}

/* Opens a file that has no name any more, through the caller's /proc. */
static int deleted_open(const struct analyse_input *input,
                        const struct analyse_mapping *mapping)
{
    char path[128], target[4096];
    snprintf(path, sizeof path, "/proc/%d/exe", (int)input->pid);
    const ssize_t bytes = readlink(path, target, sizeof target - 1);
    if (bytes > 0) {
        target[bytes] = '\0';
        if (!strcmp(target, mapping->path))
            return open(path, O_RDONLY | O_CLOEXEC);
    }
    snprintf(path, sizeof path, "/proc/%d/map_files/%llx-%llx", (int)input->pid,
             (unsigned long long)mapping->start,
             (unsigned long long)mapping->end);
    return open(path, O_RDONLY | O_CLOEXEC);
}

static const char *module_name(const char *path)
{
    const char *const slash = strrchr(path, '/');
    char *const name = analyse_alloc(strlen(path) + 1);
    strcpy(name, slash ? slash + 1 : path);
    if (path_is_deleted(name))
        name[strlen(name) - (sizeof deleted - 1)] = '\0';
    return name;
}

/* The kernel maps the same code into every process of this machine. */
static void vdso_open(struct analyse_module *module,
                      const struct analyse_mapping *mapping)
{
    char *const start = (char *)getauxval(AT_SYSINFO_EHDR);
    module->name = "linux-vdso";
    if (start)
        module->elf =
            elf_memory(start, (size_t)(mapping->end - mapping->start));
}

Elf_Scn *analyse_section_named(Elf *elf, const char *name)
{
    size_t names;
    if (elf_getshdrstrndx(elf, &names) != 0)
        return NULL;
    for (Elf_Scn *section = NULL;
         (section = elf_nextscn(elf, section)) != NULL;) {
        GElf_Shdr header;
        if (!gelf_getshdr(section, &header) || header.sh_type == SHT_NOBITS)
            continue;
        const char *const its = elf_strptr(elf, names, header.sh_name);
        if (its && !strcmp(its, name))
            return section;
    }
    return NULL;
}

static bool elf_has_debug(Elf *elf)
{
    return analyse_section_named(elf, ".debug_info") ||
           analyse_section_named(elf, ".zdebug_info");
}

static void debug_open(struct analyse_module *module, const char *path,
                       const char *debug_root)
{
    Elf *elf = module->elf;
    if (!elf_has_debug(elf)) {
        module->debug_fd = analyse_debug_find(elf, path, debug_root);
        if (module->debug_fd < 0)
            return;
        elf = elf_begin(module->debug_fd, ELF_C_READ_MMAP, NULL);
        module->debug_elf = elf;
        if (!elf || !elf_has_debug(elf))
            return;
    }
    module->dwarf = dwarf_begin_elf(elf, DWARF_C_READ, NULL);
    if (module->dwarf)
        module->debug = ANALYSE_DEBUG_YES;
}

void analyse_module_open(struct analyse_module *module,
                         const struct analyse_input *input,
                         const struct analyse_mapping *mapping,
                         const char *debug_root)
{
    *module = (struct analyse_module){ .debug = ANALYSE_UNREADABLE,
                                       .fd = -1,
                                       .debug_fd = -1 };
    if (!strcmp(mapping->path, "[vdso]")) {
        vdso_open(module, mapping);
    } else if (mapping->path[0] == '/') {
        module->name = module_name(mapping->path);
        module->fd = path_is_deleted(mapping->path)
                         ? deleted_open(input, mapping)
                         : open(mapping->path, O_RDONLY | O_CLOEXEC);
        if (module->fd >= 0)
            module->elf = elf_begin(module->fd, ELF_C_READ_MMAP, NULL);
    } else {
        module->name = "";
    }
    if (!module->elf || elf_kind(module->elf) != ELF_K_ELF)
        return;
    if (name_is_system(module->name)) {
        module->debug = ANALYSE_DEBUG_SYSTEM;
        return;
    }
    module->debug = ANALYSE_DEBUG_NONE;
    module->mini_elf = analyse_debug_mini(module->elf);
    debug_open(module, mapping->path, debug_root);
}

void analyse_module_close(struct analyse_module *module)
{
    /* What libdw holds ends with the process; descriptors are few. */
    if (module->debug_fd >= 0)
        close(module->debug_fd);
    if (module->fd >= 0)
        close(module->fd);
}

/* Finds the loaded segment that has a link address in its file, or an offset
 * of the file. */
static bool segment_find(const struct analyse_module *module, bool by_link,
                         uint64_t at, GElf_Phdr *header)
{
    size_t count;
    if (!module->elf || elf_getphdrnum(module->elf, &count) != 0)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (!gelf_getphdr(module->elf, (int)i, header) ||
            header->p_type != PT_LOAD)
            continue;
        const uint64_t start = by_link ? header->p_vaddr : header->p_offset;
        if (at >= start && at - start < header->p_filesz)
            return true;
    }
    return false;
}

bool analyse_module_offset(const struct analyse_module *module, uint64_t link,
                           uint64_t *offset)
{
    GElf_Phdr header;
    if (!segment_find(module, true, link, &header))
        return false;
    *offset = link - header.p_vaddr + header.p_offset;
    return true;
}

bool analyse_module_link(const struct analyse_module *module, uint64_t offset,
                         uint64_t *link)
{
    GElf_Phdr header;
    if (!segment_find(module, false, offset, &header))
        return false;
    *link = offset - header.p_offset + header.p_vaddr;
    return true;
}
