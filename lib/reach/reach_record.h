/* SPDX-License-Identifier: MIT */
#ifndef TT_REACH_RECORD_H
#define TT_REACH_RECORD_H
/*
 * The record: what a snapshot child of the tested program tells
 * tether-analyse, and how tether-analyse answers. Plain numbers of fixed size
 * and no pointers; both sides are of one build and on one machine.
 *
 * How the analyser is run
 *
 *     tether-analyse reach [--memory-fd 3] [--record-fd 4] [--debug-dir DIR]
 *
 * Descriptor 3 is the frozen memory: /proc/PID/mem of the snapshot child,
 * which lives, does nothing, and whose addresses are those of the tested
 * program at the stop. It is read with pread(fd, to, bytes, address) (what is
 * not mapped: -1, EIO). Descriptor 4 is the record: a memfd, to be mapped or
 * read from offset 0. Standard input is empty, standard output takes the
 * answer, standard error goes nowhere. The analyser must not assume that the
 * tested program still lives, and is killed at a deadline.
 *
 * Who does what. The child marks (C code of lib/reach, words without types):
 * it knows for each block whether it is held, ambiguous or lost, and for each
 * question a shortest path without names (its hops are in the record, so that
 * an analyser without debug information has something to print, and a way to
 * check its own search). The analyser names: it searches for paths with types
 * and weights, says which words of stacks are live variables, and writes the
 * text. What the analyser cannot say, the child's answer stands for.
 *
 * Layout. The header, then sections; tt_record_header.sections[KIND] says
 * where each is: 'offset' bytes from the record's start (a multiple of 8),
 * 'count' items of 'size' bytes. A reader steps by 'size', which may be more
 * than the struct that it knows. Strings are in the section TEXT, ended by
 * NUL; a field that is 'text' is an offset in it, 0 is the empty string.
 *
 * Words. A slot is the address of a word that holds a pointer. An index of -1
 * is none. Addresses are of the tested program. A root is a stretch of words
 * that are read as pointers without anything pointing to them.
 */
#include <stdint.h>

#define TT_RECORD_MAGIC   0x3168636165722d74ull /* "t-reach1" */
#define TT_RECORD_VERSION 1
#define TT_MEMORY_FD      3
#define TT_RECORD_FD      4

enum tt_record_section {
    TT_RECORD_TEXT,      /* bytes */
    TT_RECORD_MAPS,      /* bytes: /proc/PID/maps of the snapshot child */
    TT_RECORD_MODULES,   /* tt_record_module */
    TT_RECORD_BLOCKS,    /* tt_record_block, lowest address first */
    TT_RECORD_STACKS,    /* tt_record_stack, smallest id first */
    TT_RECORD_FRAMES,    /* uint64_t: return addresses of the stacks */
    TT_RECORD_THREADS,   /* tt_record_thread; [0] is the one that asks */
    TT_RECORD_ROOTS,     /* tt_record_root, in the order of TT_ROOT_... */
    TT_RECORD_QUESTIONS, /* tt_record_question */
    TT_RECORD_HOPS,      /* tt_record_hop: the child's own paths */
    TT_RECORD_SLOTS,     /* uint64_t: slots that a question lists */
    TT_RECORD_HIDDEN,    /* tt_record_range: words that are Tether's own and
                            must not be read as pointers (they may lie in
                            roots); blocks of Tether's are not in BLOCKS */
    TT_RECORD_SECTIONS
};

struct tt_record_place {
    uint64_t offset;
    uint64_t count;
    uint64_t size;
};

struct tt_record_header {
    uint64_t magic;
    uint32_t version;
    uint32_t pid; /* of the tested program */
    struct tt_record_place sections[TT_RECORD_SECTIONS];
    uint32_t verbose; /* not 0: TETHER_VERBOSE=1, addresses may be printed */
    uint32_t pad;
};

struct tt_record_range {
    uint64_t start, end;
};

/* A loaded file. */
struct tt_record_module {
    uint64_t bias;       /* address - link address */
    uint64_t start, end; /* of all its segments */
    uint32_t path;       /* text; of the executable the real path */
    uint32_t flags;      /* tt_record_module_flag */
    uint64_t tls_module; /* the loader's number, 0: has no TLS */
    uint64_t tls_bytes;  /* of one thread's block */
};

enum tt_record_module_flag {
    TT_MODULE_TOOL = 1 << 0, /* Tether's or its heap's: not a root */
    TT_MODULE_LIBC = 1 << 1, /* libc, loader, libm, libpthread */
    TT_MODULE_MAIN = 1 << 2, /* the executable */
};

/* How a block is reached. The greater, the surer. */
enum tt_reach {
    TT_REACH_LOST,      /* no word points to it */
    TT_REACH_AMBIGUOUS, /* only words of stacks and registers lead to it: the
                           analyser may know that one is a live variable */
    TT_REACH_HELD,
};

struct tt_record_block {
    uint64_t address; /* what malloc returned */
    uint64_t size;    /* as requested */
    uint64_t serial;  /* its thread's nth allocation */
    uint32_t stack;   /* id: where it was allocated; 0: not known */
    uint32_t thread;  /* Tether's number of the allocating thread */
    uint32_t epoch;   /* the greater, the younger the scope of its birth */
    uint16_t flags;   /* tt_block_flag of lib/heap/heap.h */
    uint16_t reach;   /* enum tt_reach, as the child marked it */
};

struct tt_record_stack {
    uint32_t id;
    uint32_t depth; /* frames, innermost first */
    uint64_t first; /* index in FRAMES */
};

/* DWARF's numbers; x86-64: 0 rax, 1 rdx, 2 rcx, 3 rbx, 4 rsi, 5 rdi, 6 rbp,
 * 7 rsp, 8 to 15 r8 to r15, 16 the program counter. */
#define TT_RECORD_REGISTERS 34
#define TT_RECORD_SP        7

struct tt_record_thread {
    uint32_t tid;    /* the kernel's */
    uint32_t number; /* Tether's, 0: it never allocated */
    char name[16];   /* ends in NUL */
    uint32_t flags;  /* tt_record_thread_flag */
    uint32_t registers_count;
    uint64_t registers[TT_RECORD_REGISTERS];
    uint64_t tcb;   /* pthread_self(), the thread pointer; 0: not known */
    uint64_t stack; /* lowest word that counts: below are no frames or, of
                       the thread that asks, only the query's own */
    uint64_t stack_end;
    uint64_t dtv; /* tcb's table of TLS blocks; 0: not known */
};

enum tt_record_thread_flag {
    TT_THREAD_ASKER = 1 << 0,   /* its registers are those of the query: the
                                   walk must pass all frames whose CFA is at
                                   or below 'stack'; what callee-saved
                                   registers hold then is the asker's own */
    TT_THREAD_STOPPED = 1 << 1, /* registers are known; else it could not be
                                   stopped and only its TLS is read */
    TT_THREAD_IGNORED = 1 << 2, /* the framework's */
};

/* Kinds of roots, in the order in which a reader wants a holder named. */
enum tt_root_kind {
    TT_ROOT_GLOBALS,   /* a writable segment of a module */
    TT_ROOT_TLS,       /* one module's TLS block of one thread */
    TT_ROOT_KEY,       /* pthread_setspecific: one word, its slot */
    TT_ROOT_CLOSURE,   /* a live libffi closure: one word, its user_data */
    TT_ROOT_REGION,    /* tether_root_add, __lsan_register_root_region */
    TT_ROOT_KEPT,      /* a block that is meant to stay: tether_keep, ONE_TIME,
                          __lsan_ignore_object; start is its address, and the
                          path's first hop has slot 0 and this block */
    TT_ROOT_THREAD,    /* the thread's own record in libc: argument, result */
    TT_ROOT_STACK,     /* of a thread, [stack, stack_end) */
    TT_ROOT_REGISTERS, /* of a thread: start and end are 0, the words are in
                          tt_record_thread */
    TT_ROOTS
};

struct tt_record_root {
    uint32_t kind;
    int32_t thread; /* index in THREADS, or -1 */
    int32_t module; /* index in MODULES, or -1 */
    uint32_t name;  /* text; REGION: the expression that was added. KEPT: what
                       holds the block ('soft reference'), or empty */
    uint64_t start, end;
    uint64_t what; /* KEY: the key. CLOSURE: the function that it calls
                      (address). TLS: the loader's module number */
    uint64_t made; /* return address of who made it (the key, the closure,
                      the region), 0: not known */
};

/* What is asked. */
enum tt_question_kind {
    /* Who holds the target? The verdict and up to 'paths_max' disjoint
     * paths, best first. */
    TT_QUESTION_WHY,
    /* The same, but only paths from [only_start, only_end) count (a
     * variable): ASSERT_NOT_HELD_BY. */
    TT_QUESTION_FROM,
    /* The same, but paths through a word of [not_start, not_end) do not
     * count: ASSERT_HELD_ONLY_BY. */
    TT_QUESTION_BESIDE,
    /* Name the slots of the question (they hold addresses inside of what
     * the target was): ASSERT_NO_DANGLING. One line 'r' for each. */
    TT_QUESTION_REFERRERS,
};

struct tt_record_question {
    uint32_t kind;
    uint32_t roots;     /* bits 1 << TT_ROOT_...: which count as holders */
    uint64_t target;    /* block's address (REFERRERS: where it was) */
    uint64_t size;      /* of the block */
    uint64_t pointer;   /* as the reference was made: interior pointers too */
    uint32_t stack;     /* id: where it was allocated */
    uint32_t paths_max; /* to print */
    uint64_t only_start, only_end;
    uint64_t not_start, not_end;
    uint32_t name;  /* text: the target's expression, 'alice' */
    uint32_t reach; /* enum tt_reach, as the child marked it */
    uint64_t hops;  /* index in HOPS of the child's paths, one after the
                       other; a hop with a root begins one */
    uint32_t hops_count;
    uint32_t slots_count;    /* REFERRERS */
    uint64_t slots;          /* index in SLOTS */
    uint64_t retained_bytes; /* what would be lost with the target, itself
                                included; 0: not counted */
    uint64_t retained_blocks;
    uint32_t want_retained; /* not 0: it is to be counted */
    uint32_t own_seen;      /* the child: such a variable was seen, and did not
                               count */
    uint32_t pad;
    uint32_t own_counts; /* not 0: a variable of the asker's that points
                            directly to the target is a holder too */
};

/* One step of the child's path. The first hop's slot is in a root, each
 * further one's in the block of the hop before. */
struct tt_record_hop {
    uint64_t slot;  /* 0: a register */
    uint64_t value; /* what it holds: somewhere in 'block' */
    uint64_t block; /* address of the block it points into */
    int32_t root;   /* index in ROOTS of the first hop, else -1 */
    uint32_t what;  /* REGISTERS: DWARF's number */
};

/*
 * The answer, on standard output: lines of fields that are separated by tabs
 * and contain none. Text is UTF-8, each field under 800 bytes.
 *
 *   tether-reach 1                   the first line
 *   q INDEX                          what follows answers this question
 *   y TYPE                           the target's type, 'struct session'
 *   v VERDICT                        held, ambiguous or lost, where types
 *                                    know better than the child's mark
 *   o TEXT                           a variable of the asking function that
 *                                    points directly to the target (and is no
 *                                    holder)
 *   p ID KIND EXPRESSION ROOT        a path: id (8 hex digits, a hash of
 *                                    names), kind of its root (globals, tls,
 *                                    keys, closures, regions, threads, stacks,
 *                                    registers), the C expression, and the
 *                                    root in words: global `by_age`, cache.c:9
 *   h STEP TYPE SIZE STACK NOTE      a hop of this path: '->prev', the type
 *                                    and the size (bytes) of the block that it
 *                                    reaches, the id of the stack that
 *                                    allocated it (0: not known), and a note
 *                                    on evidence. Empty fields are allowed
 *   c TEXT                           a sentence on cutting
 *   n NUMBER                         further paths that are not shown
 *   r EXPRESSION ROOT                a referrer, in the order of the slots
 *   t TEXT                           trouble, a sentence: what stands in the
 *                                    way of a better answer
 *   end                              the last line
 *
 * The library lays it out and names the stacks.
 */
#define TT_REACH_HELLO "tether-reach 1"

#endif
