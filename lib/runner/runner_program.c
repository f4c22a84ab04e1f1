/* SPDX-License-Identifier: MIT */
/*
 * Whether Tether can be preloaded into a program, said before it is run: the
 * loader passes over LD_PRELOAD in silence, and every check would pass.
 */
#include "runner/runner.h"

#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Finds a program as execvp does. */
static bool program_find(const char *name, char *path, size_t size)
{
    const char *at = getenv("PATH");
    if (strchr(name, '/'))
        return (size_t)snprintf(path, size, "%s", name) < size &&
               access(path, F_OK) == 0;
    if (!at)
        at = "/usr/bin:/bin";
    while (*at) {
        const size_t len = strcspn(at, ":");
        struct stat is;
        snprintf(path, size, "%.*s/%s", len ? (int)len : 1, len ? at : ".",
                 name);
        if (stat(path, &is) == 0 && S_ISREG(is.st_mode) &&
            access(path, X_OK) == 0)
            return true;
        at += len;
        at += *at == ':';
    }
    return false;
}

static bool refuse(int *status, const char *name, const char *why)
{
    say("%s %s", name, why);
    *status = RUNNER_NOT_RUN;
    return false;
}

static bool has_interpreter(Elf *elf)
{
    size_t count = 0;
    elf_getphdrnum(elf, &count);
    for (size_t i = 0; i < count; i++) {
        GElf_Phdr header;
        if (gelf_getphdr(elf, (int)i, &header) && header.p_type == PT_INTERP)
            return true;
    }
    return false;
}

static bool elf_is_runnable(Elf *elf, const char *name, int *status)
{
    GElf_Ehdr header;
    if (!gelf_getehdr(elf, &header))
        return refuse(status, name, "is a damaged ELF file");
    if (gelf_getclass(elf) != ELFCLASS64)
        return refuse(status, name,
                      "is a program of another word size than Tether's, so "
                      "Tether cannot be loaded into it");
    if (!has_interpreter(elf))
        return refuse(status, name,
                      "is linked statically, so nothing can be preloaded into "
                      "it; link it dynamically, or link libtether into it");
    return true;
}

static bool file_is_runnable(int fd, const char *name, int *status)
{
    struct stat is;
    if (fstat(fd, &is) != 0 || !S_ISREG(is.st_mode))
        return refuse(status, name, "is no file");
    if ((is.st_mode & S_ISUID && is.st_uid != geteuid()) ||
        (is.st_mode & S_ISGID && is.st_gid != getegid()))
        return refuse(status, name,
                      "runs with other rights than yours (set-user-ID or "
                      "set-group-ID), and the loader preloads nothing then; "
                      "run it as its owner");
    elf_version(EV_CURRENT);
    Elf *const elf = elf_begin(fd, ELF_C_READ, NULL);
    const bool good = !elf || elf_kind(elf) != ELF_K_ELF ||
                      elf_is_runnable(elf, name, status);
    elf_end(elf);
    return good;
}

/* The name of a library that the program needs and that begins so. */
static bool needed_find(Elf *elf, const char *prefix, char *name, size_t size)
{
    for (Elf_Scn *at = NULL; (at = elf_nextscn(elf, at)) != NULL;) {
        GElf_Shdr header;
        GElf_Dyn entry;
        if (!gelf_getshdr(at, &header) || header.sh_type != SHT_DYNAMIC)
            continue;
        Elf_Data *const data = elf_getdata(at, NULL);
        for (int i = 0; data && gelf_getdyn(data, i, &entry); i++) {
            const char *const needed =
                entry.d_tag == DT_NEEDED
                    ? elf_strptr(elf, header.sh_link, entry.d_un.d_val)
                    : NULL;
            if (needed && strncmp(needed, prefix, strlen(prefix)) == 0)
                return (size_t)snprintf(name, size, "%s", needed) < size;
        }
    }
    return false;
}

bool program_sanitizer(const char *name, char *library, size_t size)
{
    char path[PATH_MAX];
    if (!program_find(name, path, sizeof path))
        return false;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    elf_version(EV_CURRENT);
    Elf *const elf = elf_begin(fd, ELF_C_READ, NULL);
    const bool found = elf && elf_kind(elf) == ELF_K_ELF &&
                       needed_find(elf, "libasan.so", library, size);
    elf_end(elf);
    close(fd);
    return found;
}

bool program_is_runnable(const char *name, int *status)
{
    char path[PATH_MAX];
    if (!program_find(name, path, sizeof path)) {
        say("%s: not found%s", name,
            strchr(name, '/') ? "" : " in PATH; write ./ before a file here");
        *status = RUNNER_NOT_FOUND;
        return false;
    }
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    /* What cannot be read may be run all the same; execve will say. */
    if (fd < 0)
        return true;
    const bool good = file_is_runnable(fd, name, status);
    close(fd);
    return good;
}
