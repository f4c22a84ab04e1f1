/* SPDX-License-Identifier: MIT */
/*
 * Separate debug files, found as gdb finds them: by build id, then by
 * .gnu_debuglink beside the module, in .debug/, and under the debug root.
 * libdw's own search is not used: it starts debuginfod and with it a thread
 * and a network client. And the small table of symbols that some systems leave
 * in a stripped file, packed by xz: libdw unpacks whole files, so it is given
 * to it as one.
 */
#include "analyse/analyse.h"

#include <elfutils/libdwelf.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int build_id_open(Elf *elf, const char *debug_root)
{
    const void *bits;
    char path[4096];
    const ssize_t bytes = dwelf_elf_gnu_build_id(elf, &bits);
    if (bytes < 2 || bytes > 64)
        return -1;
    const unsigned char *const id = bits;
    int len =
        snprintf(path, sizeof path, "%s/.build-id/%02x/", debug_root, id[0]);
    for (ssize_t i = 1; i < bytes && len < (int)sizeof path - 8; i++)
        len += snprintf(path + len, sizeof path - (size_t)len, "%02x", id[i]);
    if (len >= (int)sizeof path - 8)
        return -1;
    strcpy(path + len, ".debug");
    return open(path, O_RDONLY | O_CLOEXEC);
}

/* The checksum of .gnu_debuglink: CRC-32 as in ISO 3309. */
static uint32_t crc32_of(int fd)
{
    static uint32_t table[256];
    static unsigned char bytes[65536];
    uint32_t crc = 0xffffffffu;
    for (uint32_t i = 0; i < 256; i++) {
        table[i] = i;
        for (int bit = 0; bit < 8; bit++)
            table[i] = (table[i] >> 1) ^ (table[i] & 1 ? 0xedb88320u : 0);
    }
    off_t at = 0;
    ssize_t got;
    while ((got = pread(fd, bytes, sizeof bytes, at)) > 0) {
        for (ssize_t i = 0; i < got; i++)
            crc = (crc >> 8) ^ table[(crc ^ bytes[i]) & 0xff];
        at += got;
    }
    return ~crc;
}

/* Is the file the one that the link means? */
static int link_try(const char *path, uint32_t crc)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && crc32_of(fd) != crc) {
        close(fd);
        return -1;
    }
    return fd;
}

static int debug_link_open(Elf *elf, const char *module_path,
                           const char *debug_root)
{
    GElf_Word crc;
    char path[4096], copy[4096];
    const char *const name = dwelf_elf_gnu_debuglink(elf, &crc);
    if (!name || strlen(module_path) >= sizeof copy)
        return -1;
    const char *const folder = dirname(strcpy(copy, module_path));
    const char *const parts[][3] = { { "", folder, "/" },
                                     { "", folder, "/.debug/" },
                                     { debug_root, folder, "/" } };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        const int len = snprintf(path, sizeof path, "%s%s%s%s", parts[i][0],
                                 parts[i][1], parts[i][2], name);
        const int fd = len < (int)sizeof path ? link_try(path, crc) : -1;
        if (fd >= 0)
            return fd;
    }
    return -1;
}

int analyse_debug_find(Elf *elf, const char *path, const char *debug_root)
{
    const int fd = build_id_open(elf, debug_root);
    return fd >= 0 ? fd : debug_link_open(elf, path, debug_root);
}

Elf *analyse_debug_mini(Elf *elf)
{
    Elf_Scn *const section = analyse_section_named(elf, ".gnu_debugdata");
    const Elf_Data *const packed = section ? elf_rawdata(section, NULL) : NULL;
    const int fd =
        packed && packed->d_size ? memfd_create("mini", MFD_CLOEXEC) : -1;
    if (fd < 0)
        return NULL;
    Elf *const mini =
        write(fd, packed->d_buf, packed->d_size) == (ssize_t)packed->d_size
            ? dwelf_elf_begin(fd)
            : NULL;
    close(fd);
    return mini && elf_kind(mini) == ELF_K_ELF ? mini : NULL;
}
