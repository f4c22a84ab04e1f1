/* SPDX-License-Identifier: MIT */
#ifndef TT_HEAP_BLOCK_H
#define TT_HEAP_BLOCK_H
/*
 * Where a block's facts are kept.
 *
 * Small blocks (up to 2,032 bytes) have a header of two words in the 16 bytes
 * before them. A big block's header of four words is out of band, at a place
 * that follows from its address: big blocks are at least 2 KiB apart, so each
 * 2 KiB of the address space can be given one place, without look-up, lock or
 * free list. A power of two thus stays one, and falls into mimalloc's class
 * of its own size.
 *
 *   word 0   serial (40 bits) | epoch (24)
 *   word 1   flags (10) | small block's size (12) | thread (14) | stack (28)
 *   word 2   big block's size
 *   word 3   length of the mapping, when the block is one of its own
 *
 * A block with references carries their owner's tag (heap.h) where its stack
 * and thread were, which the owner keeps meanwhile; TT_BLOCK_REF says so.
 *
 * A freed block's facts stay where they are until the memory is used again
 * (mimalloc links its free list through word 0): word 1 has a tag in the place
 * of the flags, and the 8 bytes after a small block's header, or word 3 of a
 * big one's, say who freed it: the return address, or the id of a stack. So a
 * double free can be told with both places, at the price of two stores.
 *
 * Under a sanitizer blocks are the sanitizer's, with nothing of ours before
 * them: small ones have their two words beside, in one place for each 16 bytes
 * of the region; big ones are kept as always.
 *
 * The address space is cut into regions of 32 MiB. A region has a shadow of
 * one byte for each 16 bytes that says where blocks start, the places for big
 * headers, and for each 64 KiB the start of the block that covers its first
 * byte; they let an interior pointer find its block in bounded time.
 */
#include "heap/heap.h"

#define REGION_SHIFT  25
#define REGION_BYTES  ((size_t)1 << REGION_SHIFT)
#define REGIONS_MAX   ((size_t)1 << (47 - REGION_SHIFT))
#define GRANULE_SHIFT 4
#define UNIT_SHIFT    11
#define CHUNK_SHIFT   16
#define SHADOW_BYTES  (REGION_BYTES >> GRANULE_SHIFT)
#define UNITS         (REGION_BYTES >> UNIT_SHIFT)
#define CHUNKS        (REGION_BYTES >> CHUNK_SHIFT)
#define HEADER_BYTES  16
#define SIDE_BYTES    (SHADOW_BYTES * HEADER_BYTES)
#define SMALL_MAX     ((size_t)2032)
#define BIG_MIN       ((size_t)2048)

/* Shadow bytes. */
enum {
    SHADOW_NONE = 0,
    SHADOW_SMALL = 1, /* a small block starts here */
    SHADOW_BIG = 2,
    SHADOW_DEAD = 4,      /* the newest small block that began here is freed */
    SHADOW_FLAGGED = 8,   /* with SMALL: it has flags, free must look */
    SHADOW_DEAD_BIG = 16, /* the same of a big block */
    SHADOW_SIDE = 32,     /* a small block of a sanitizer's starts here */
    SHADOW_HELD = 64,     /* lib/reach's marks; in a snapshot child only */
    SHADOW_AMBIGUOUS = 128,
};
#define SHADOW_LIVE (SHADOW_SMALL | SHADOW_BIG | SHADOW_SIDE)

struct big_header {
    uint64_t word[2];
    uint64_t size;
    uint64_t mapping;
};

struct region {
    uint8_t shadow[SHADOW_BYTES];
    struct big_header big[UNITS];
    uintptr_t cover[CHUNKS];
    uint64_t (*side)[2]; /* for each granule; NULL: no sanitizer */
};

/*
 * For each region: the address of its shadow less the number of its first
 * granule, so that a sum gives any address its shadow byte; 0: no region.
 */
extern uintptr_t region_bias[REGIONS_MAX] __attribute__((visibility("hidden")));

_Static_assert(offsetof(struct region, shadow) == 0, "see region_bias");

#define EPOCH_BITS    24
#define EPOCH_MAX     ((1u << EPOCH_BITS) - 1)
#define SERIAL_MAX    (((uint64_t)1 << 40) - 1)
#define STACK_MASK    ((uint64_t)TT_STACK_MASK)
#define TT_STACK_MASK ((1u << 28) - 1)
#define THREAD_SHIFT  28
#define THREAD_MAX    ((1u << 14) - 1)
#define SIZE_SHIFT    42
#define SIZE_MASK     ((uint64_t)0xfff)
#define FLAGS_SHIFT   54
#define FLAGS_MASK    ((uint64_t)0x3ff << FLAGS_SHIFT)
#define TAG_MASK      (((uint64_t)1 << SIZE_SHIFT) - 1)
#define TAGGED        ((uint64_t)TT_BLOCK_REF << FLAGS_SHIFT)
#define DEAD_CALLER   ((uint64_t)0x2dc << FLAGS_SHIFT)
#define DEAD_STACK    ((uint64_t)0x2d8 << FLAGS_SHIFT)

TT_INLINE uint64_t word0_of(uint64_t serial, uint32_t epoch)
{
    return serial << EPOCH_BITS | epoch;
}

TT_INLINE uint32_t word0_epoch(uint64_t word)
{
    return (uint32_t)(word & EPOCH_MAX);
}

TT_INLINE uint64_t word1_of(uint32_t stack, uint64_t thread_bits, size_t size,
                            uint32_t flags)
{
    return (uint64_t)stack | thread_bits | (uint64_t)size << SIZE_SHIFT |
           (uint64_t)flags << FLAGS_SHIFT;
}

TT_INLINE uint32_t word1_flags(uint64_t word)
{
    return (uint32_t)(word >> FLAGS_SHIFT);
}

/* The shadow byte of a block of this kind with these flags. */
TT_INLINE uint8_t shadow_with(uint8_t kind, uint32_t flags)
{
    return kind == SHADOW_SMALL && flags ? SHADOW_SMALL | SHADOW_FLAGGED : kind;
}

TT_INLINE struct region *region_of(uintptr_t address)
{
    const size_t index = address >> REGION_SHIFT;
    const uintptr_t bias =
        TT_LIKELY(index < REGIONS_MAX) ? region_bias[index] : 0;
    return TT_LIKELY(bias != 0) ? (struct region *)(bias + index * SHADOW_BYTES)
                                : NULL;
}

TT_INLINE uint8_t *shadow_of(struct region *region, uintptr_t address)
{
    return &region->shadow[(address & (REGION_BYTES - 1)) >> GRANULE_SHIFT];
}

TT_INLINE struct big_header *big_of(struct region *region, uintptr_t address)
{
    return &region->big[(address & (REGION_BYTES - 1)) >> UNIT_SHIFT];
}

/* The two words of a live block that starts at 'address'. */
TT_INLINE uint64_t *words_of(struct region *region, uintptr_t address,
                             uint8_t kind)
{
    if (kind == SHADOW_BIG)
        return big_of(region, address)->word;
    if (TT_UNLIKELY(kind == SHADOW_SIDE))
        return region->side[(address & (REGION_BYTES - 1)) >> GRANULE_SHIFT];
    return (uint64_t *)(address - HEADER_BYTES);
}

/* Gets the region of an address, making it. NULL when there is no memory. */
struct region *region_make(uintptr_t address);

/* Enters a block into the shadow. False when there is no memory for it. */
bool shadow_enter(uintptr_t address, size_t size, uint8_t kind);

/* Takes a block out of the shadow. False: somebody else did, meanwhile. */
bool shadow_leave(const void *address, uint8_t kind);

/* Writes the facts of a block, and enters it into the shadow, untagged.
 * 'mapping' is the length of a mapping of its own, or 0. False: no memory for
 * it. */
bool block_write(const struct tt_block *block, uint8_t kind, size_t mapping);

/* Finds the live block that starts at 'address', with TOOL's too. */
bool block_at(const void *address, struct tt_block *block, uint8_t *kind);

/* Reads the facts of the live block that starts at 'address'. */
void block_read(struct region *region, uintptr_t address, uint8_t kind,
                struct tt_block *block);

/* The numbers of all regions, lowest first; give it back with tt_mem_give and
 * '*count * 4' bytes. NULL, with 0: none, or no memory. */
uint32_t *regions_sorted(size_t *count);

/* For the fork handlers. */
void shadow_lock(void);
void shadow_unlock(void);

#endif
