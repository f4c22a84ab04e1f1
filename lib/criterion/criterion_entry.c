/* SPDX-License-Identifier: MIT */
/*
 * Finding the running test in the program's own tables. Criterion gives a
 * worker a copy of the runner's structs, whose strings and .data point into
 * the runner's address space; the linker's sections cr_tst and cr_sts of the
 * module that defines the test hold the same structs with good pointers. They
 * are found by the module's section headers, so that no help of the header's
 * is needed and tests in shared libraries are found too.
 */
#include "criterion_plug.h"

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct module_search {
    uintptr_t address; /* to be inside of */
    size_t bytes;
    uintptr_t bias; /* found: what is added to the file's addresses */
    const char *path;
};

static int module_holds(struct dl_phdr_info *info, size_t size, void *data)
{
    struct module_search *search = data;
    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        uintptr_t start = info->dlpi_addr + part->p_vaddr;
        if (part->p_type != PT_LOAD || search->address < start ||
            search->bytes > part->p_memsz ||
            search->address - start > part->p_memsz - search->bytes)
            continue;
        search->bias = info->dlpi_addr;
        search->path = *info->dlpi_name ? info->dlpi_name : "/proc/self/exe";
        return 1;
    }
    return 0;
}

/* Finds the module that has all of these bytes in one of its segments. */
static bool module_find(const void *address, size_t bytes,
                        struct module_search *search)
{
    *search =
        (struct module_search){ .address = (uintptr_t)address, .bytes = bytes };
    return dl_iterate_phdr(module_holds, search) != 0;
}

/* A module's file, mapped. */
struct image {
    const char *bytes;
    size_t size;
};

static bool image_open(const char *path, struct image *image)
{
    struct stat about;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return false;
    image->bytes = MAP_FAILED;
    if (fstat(file, &about) == 0 &&
        (size_t)about.st_size > sizeof(ElfW(Ehdr))) {
        image->size = (size_t)about.st_size;
        image->bytes = mmap(NULL, image->size, PROT_READ, MAP_PRIVATE, file, 0);
    }
    close(file);
    return image->bytes != MAP_FAILED;
}

static bool image_has(const struct image *image, uint64_t from, uint64_t bytes)
{
    return from <= image->size && bytes <= image->size - from;
}

/* Finds a section by name; its file addresses. */
static bool image_section(const struct image *image, const char *name,
                          uintptr_t *start, size_t *bytes)
{
    const ElfW(Ehdr) *head = (const void *)image->bytes;
    if (memcmp(head->e_ident, ELFMAG, SELFMAG) != 0 ||
        head->e_shentsize != sizeof(ElfW(Shdr)) ||
        head->e_shstrndx >= head->e_shnum ||
        !image_has(image, head->e_shoff,
                   (uint64_t)head->e_shnum * sizeof(ElfW(Shdr))))
        return false;
    const ElfW(Shdr) *all = (const void *)(image->bytes + head->e_shoff);
    const ElfW(Shdr) *names = &all[head->e_shstrndx];
    if (!image_has(image, names->sh_offset, names->sh_size))
        return false;
    for (unsigned i = 0; i < head->e_shnum; i++) {
        size_t len = strlen(name) + 1;
        if (all[i].sh_name + len > names->sh_size ||
            memcmp(image->bytes + names->sh_offset + all[i].sh_name, name,
                   len) != 0)
            continue;
        *start = all[i].sh_addr;
        *bytes = all[i].sh_size;
        return true;
    }
    return false;
}

/* A module's table of tests or suites. */
static size_t table_find(const struct module_search *module,
                         const struct image *image, const char *section,
                         const void *const **table)
{
    uintptr_t start;
    size_t bytes;
    if (!image_section(image, section, &start, &bytes))
        return 0;
    *table = (const void *const *)(module->bias + start);
    return bytes / sizeof(void *);
}

static void entry_read(const struct criterion_test *running,
                       const struct module_search *module,
                       const struct image *image, struct tt_entry *entry)
{
    const void *const *table = NULL;
    size_t count = table_find(module, image, "cr_tst", &table);
    for (size_t i = 0; i < count && !entry->test; i++) {
        const struct criterion_test *test = table[i];
        if (test && test->test == running->test)
            entry->test = test;
    }
    if (!entry->test)
        return;
    count = table_find(module, image, "cr_sts", &table);
    for (size_t i = 0; i < count && !entry->suite; i++) {
        const struct criterion_suite *suite = table[i];
        if (suite && strcmp(suite->name, entry->test->category) == 0)
            entry->suite = suite;
    }
}

void tt_entry_find(const struct criterion_test *running, struct tt_entry *entry)
{
    struct module_search module;
    struct image image;
    *entry = (struct tt_entry){ 0 };
    if (!module_find((const void *)running->test, 1, &module) ||
        !image_open(module.path, &image))
        return;
    entry_read(running, &module, &image, entry);
    munmap((void *)image.bytes, image.size);
}

bool tt_entry_budget(const void *data, struct tether_budget *budget)
{
    const struct tether_budget *found = data;
    size_t head = offsetof(struct tether_budget, text);
    struct module_search module;
    if (!data || (uintptr_t)data % _Alignof(struct tether_budget) != 0 ||
        !module_find(data, head, &module) ||
        found->magic != TETHER_BUDGET_MAGIC || found->size < head ||
        !module_find(data, found->size, &module))
        return false;
    memset(budget, 0, sizeof *budget);
    memcpy(budget, found,
           found->size < sizeof *budget ? found->size : sizeof *budget);
    budget->size = sizeof *budget;
    return true;
}
