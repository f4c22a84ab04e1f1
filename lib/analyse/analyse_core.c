/* SPDX-License-Identifier: MIT */
/*
 * The image of a core file: segments are its memory, notes its threads and
 * the files that were mapped. What the kernel did not write (code and other
 * read-only parts of files) is not there; nothing here needs it.
 */
#include "analyse/analyse_image.h"

#include "analyse/analyse_x86_64.h"

#include <fcntl.h>
#include <string.h>

static void segment_add(struct analyse_image *image, const GElf_Phdr *header)
{
    struct analyse_segment *segments = (void *)image->segments;
    segments = analyse_grow(segments, image->segments_count, sizeof *segments);
    segments[image->segments_count++] = (struct analyse_segment){
        .start = header->p_vaddr,
        .end = header->p_vaddr + header->p_memsz,
        .offset = header->p_offset,
        .file_bytes = header->p_filesz,
    };
    image->segments = segments;
    struct analyse_input *const maps = &image->maps;
    maps->mappings = analyse_grow(maps->mappings, maps->mappings_count,
                                  sizeof *maps->mappings);
    maps->mappings[maps->mappings_count++] = (struct analyse_mapping){
        .start = header->p_vaddr,
        .end = header->p_vaddr + header->p_memsz,
        .path = "",
        .writable = header->p_flags & PF_W,
    };
}

static void thread_note(struct analyse_image *image, const char *bytes,
                        size_t size)
{
    uint64_t words[PRSTATUS_WORDS];
    if (size < PRSTATUS_REGS_AT + sizeof words)
        return;
    image->threads = analyse_grow(image->threads, image->threads_count,
                                  sizeof *image->threads);
    struct tt_record_thread *const thread =
        &image->threads[image->threads_count++];
    *thread = (struct tt_record_thread){ .registers_count = REGISTERS,
                                         .flags = TT_THREAD_STOPPED };
    memcpy(&thread->tid, bytes + PRSTATUS_PID_AT, sizeof thread->tid);
    memcpy(words, bytes + PRSTATUS_REGS_AT, sizeof words);
    for (size_t i = 0; i < REGISTERS; i++)
        thread->registers[i] = words[prstatus_of[i]];
    thread->tcb = words[PRSTATUS_THREAD];
}

/* NT_FILE: count, page size, then start, end and offset in pages of each,
 * then the names. */
static void files_note(struct analyse_image *image, const char *bytes,
                       size_t size)
{
    uint64_t head[2], range[3];
    if (size < sizeof head)
        return;
    memcpy(head, bytes, sizeof head);
    if (head[0] > (size - sizeof head) / sizeof range)
        return;
    const char *name = bytes + sizeof head + head[0] * sizeof range;
    for (uint64_t i = 0; i < head[0] && name < bytes + size; i++) {
        memcpy(range, bytes + sizeof head + i * sizeof range, sizeof range);
        for (size_t j = 0; j < image->maps.mappings_count; j++) {
            struct analyse_mapping *const map = &image->maps.mappings[j];
            if (map->start >= range[0] && map->end <= range[1]) {
                map->path = analyse_text("%s", name);
                map->offset = range[2] * head[1] + map->start - range[0];
            }
        }
        name += strlen(name) + 1;
    }
}

static void notes_read(struct analyse_image *image, Elf *elf,
                       const GElf_Phdr *header)
{
    Elf_Data *const data =
        elf_getdata_rawchunk(elf, (int64_t)header->p_offset, header->p_filesz,
                             header->p_align == 8 ? ELF_T_NHDR8 : ELF_T_NHDR);
    GElf_Nhdr note;
    size_t name_at, bytes_at;
    for (size_t at = 0; data && (at = gelf_getnote(data, at, &note, &name_at,
                                                   &bytes_at)) > 0;) {
        const char *const bytes = (const char *)data->d_buf + bytes_at;
        if (note.n_type == NT_PRSTATUS)
            thread_note(image, bytes, note.n_descsz);
        else if (note.n_type == NT_FILE)
            files_note(image, bytes, note.n_descsz);
    }
}

const char *analyse_image_core(struct analyse_image *image, const char *path)
{
    GElf_Ehdr ehdr;
    size_t count;
    image->memory_fd = open(path, O_RDONLY | O_CLOEXEC);
    Elf *const elf = image->memory_fd >= 0
                         ? elf_begin(image->memory_fd, ELF_C_READ_MMAP, NULL)
                         : NULL;
    if (!elf || !gelf_getehdr(elf, &ehdr) || ehdr.e_type != ET_CORE ||
        elf_getphdrnum(elf, &count) != 0)
        return "it is no core file that can be read";
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < count; i++) {
            GElf_Phdr header;
            if (!gelf_getphdr(elf, (int)i, &header))
                continue;
            if (pass == 0 && header.p_type == PT_LOAD)
                segment_add(image, &header);
            else if (pass == 1 && header.p_type == PT_NOTE)
                notes_read(image, elf, &header);
        }
    return analyse_image_complete(image);
}
