/* SPDX-License-Identifier: MIT */
#ifndef TT_HEAP_H
#define TT_HEAP_H
/*
 * The tracked heap as the layers above see it: blocks, scopes, and the table
 * of callbacks through which news of the heap travels upward.
 *
 * Words. A block is one live result of malloc and its family. An epoch is a
 * number that grows at each begin of a scope; a block carries the epoch of
 * its birth, so 'older than the scope' is one comparison. A scope is a
 * measured stretch: a window, a budget, a WITHIN_BUDGET.
 */
#include "base/base.h"

#include <tether/api.h>

#include <stdatomic.h>
#include <sys/types.h>

enum tt_block_flag {
    TT_BLOCK_REF = 1 << 0,    /* has references: free tells lib/ref */
    TT_BLOCK_TOOL = 1 << 1,   /* Tether's or on its behalf: not counted */
    TT_BLOCK_KEEP = 1 << 2,   /* meant to stay: no leak */
    TT_BLOCK_BIG = 1 << 3,    /* its header is out of band */
    TT_BLOCK_MAPPED = 1 << 4, /* a mapping of its own, or private */
    TT_BLOCK_SKIP = 1 << 5,   /* by a thread that is not the test's */
    TT_BLOCK_SITE = 1 << 6,   /* shown to the site watch */
    TT_BLOCK_OLD = 1 << 7,    /* older than the window, grown in it: no leak */
};

struct tt_block {
    void *address;   /* what malloc returned */
    size_t size;     /* as requested, bytes */
    uint64_t serial; /* the thread's nth allocation, from 1 */
    uint32_t stack;  /* lib/stack's id of the allocation */
    uint32_t thread; /* number of the allocating thread, the first is 1 */
    uint32_t epoch;  /* of its birth */
    uint32_t flags;  /* tt_block_flag */
};

/* Finds the live block that 'address' is in (interior pointers too). */
bool tt_block_find(const void *address, struct tt_block *block)
    TETHER_ADDRESS_ONLY(1);

/* Calls back for each live block, lowest address first; blocks of TOOL are
 * left out. The callback returns false to stop. Other threads may go on
 * allocating: what they change meanwhile may be seen or not. */
void tt_blocks_visit(bool (*see)(const struct tt_block *block, void *ctx),
                     void *ctx);

/* Does this block count? */
typedef bool (*tt_site_counts)(const struct tt_block *block, void *ctx);

/* Sets and clears flags of a live block, given its exact address. False: no
 * live block starts there. */
bool tt_block_flags(const void *address, uint32_t set, uint32_t clear);

/* Gives back the memory of a dead block that 'died' kept. Hook: may be called
 * inside free. */
void tt_block_release(const struct tt_block *block);

/*
 * Tags. Whoever owns references hangs a number on a block, at most one, under
 * a lock of its own for the block, and keeps the block's stack and thread
 * while it is there: 'tagged' below tells them. A block is tagged exactly while
 * it has TT_BLOCK_REF. The addresses are those of live blocks, or of one that
 * 'died' or 'moved' is told of. Hook: inside free and realloc.
 */
uint32_t tt_block_tag(const void *address); /* 0: it has none */

/* Sets or replaces the tag. False: none is there, and no live block either. */
bool tt_block_tag_set(const void *address, uint32_t tag);

/* Puts stack and thread back, if there is a tag. */
void tt_block_tag_clear(const void *address, uint32_t stack, uint32_t thread);

/* Gives a live block that has no tag the facts of 'block', which is at the
 * same address and covers no more 64 KiB than it did. */
void tt_block_rewrite(const struct tt_block *block);

/* Why is this pointer no object? Writes 'is a global', 'is on the stack of
 * thread 1', 'is inside a freed block' ... into text. */
struct tt_text;
void tt_block_tell_why_not(const void *address, struct tt_text *text);

/* What a scope limits. The first three are gauges: sums over all threads. */
enum tt_limit {
    TT_LIMIT_HEAP,  /* live bytes */
    TT_LIMIT_TOTAL, /* bytes allocated, freed or not */
    TT_LIMIT_COUNT, /* allocations */
    TT_GAUGES,
    TT_LIMIT_ALLOC = TT_GAUGES, /* bytes of one allocation */
    TT_LIMITS
};

#define TT_NO_LIMIT INT64_MAX

/*
 * One measured stretch. The owner provides the memory and fills the limits;
 * the rest is lib/heap's. Numbers are measured from the scope's begin; blocks
 * older than the scope never lower them.
 */
struct tt_scope {
    int64_t limit[TT_LIMITS]; /* bytes or allocations; TT_NO_LIMIT */
    int64_t mark[TT_GAUGES];  /* 'marked' is told when it is reached; 0: none */
    void *owner;              /* the owner's */
    /* lib/heap's: */
    struct tt_scope *outer;
    uint32_t epoch;          /* blocks with a smaller one are older */
    int64_t base[TT_GAUGES]; /* sums at the begin */
    int64_t blocks_base;
    int64_t peak; /* of live bytes since the begin, up to the last fold */
    uint64_t largest;
    _Atomic uint32_t tellers; /* threads in 'breach' for it */
};

struct tt_numbers {
    int64_t live_bytes, live_blocks, peak_bytes, total_bytes, total_count;
    uint64_t largest_bytes;
    unsigned threads; /* that have allocated */
};

/* Begins and ends scopes: strictly nested, any thread. Ending a scope that is
 * not the innermost ends those inside it too. */
void tt_scope_begin(struct tt_scope *scope);
void tt_scope_end(struct tt_scope *scope);

/* Is it open? False in a forked child. */
bool tt_scope_is_open(const struct tt_scope *scope);

/* Puts changed limits in force. Called by the owner, also from 'breach'. */
void tt_scope_limits_changed(void);

/* What the scope measured up to now. Exact while one thread allocates.
 * NULL: since the start of the process. */
void tt_scope_numbers(struct tt_scope *scope, struct tt_numbers *numbers);

/* The calling thread's numbers since its start. */
void tt_thread_numbers(struct tt_numbers *numbers);

/* The innermost scope that is open; NULL: none. */
struct tt_scope *tt_scope_inner(void);

/* The outermost, the window where one is open; NULL: none. */
struct tt_scope *tt_scope_outermost(void);

/* Leaves all threads but the calling one that exist now out of all counts. */
void tt_threads_ignore_others(void);

/* Is this thread, by the kernel's number, one of those? */
bool tt_thread_ignored(pid_t thread);

/* How a block ended. */
struct tt_death {
    uint32_t stack;   /* of the free */
    uint32_t thread;  /* that freed it */
    uint64_t when_ns; /* monotonic */
};

enum tt_answer { TT_ALLOW, TT_REFUSE };

enum tt_misuse {
    TT_MISUSE_DOUBLE_FREE, /* block and first are known */
    TT_MISUSE_INSIDE,      /* the pointer is inside a live block */
    TT_MISUSE_FOREIGN,     /* no block of this heap */
};

/* What is told of a bad free or realloc. Stacks are 0 where not known. */
struct tt_misuse_report {
    enum tt_misuse kind;
    const char *call; /* "free", "realloc" */
    const void *address;
    struct tt_block block; /* the block it was, or is inside of */
    uint32_t freed_stack;  /* the first free */
    uint32_t now_stack;
};

/*
 * News of the heap. lib/init.c fills it before the first window. Each runs
 * inside malloc or free, with the recursion guard up and no lock of
 * lib/heap's held; they keep errno.
 */
struct tt_heap_news {
    /* An allocation of 'bytes' would break 'limit' of 'scope', which would
     * reach 'value'. Returns whether the allocation may go on; the callback
     * may change the scope's limits. */
    enum tt_answer (*breach)(struct tt_scope *scope, enum tt_limit limit,
                             int64_t value, size_t bytes, uint32_t stack);
    /* A mark was reached; the callback sets another, or none, and calls
     * tt_scope_limits_changed. Not asked for an answer: the allocation that
     * reached it goes on. */
    void (*marked)(struct tt_scope *scope, enum tt_limit gauge, int64_t value);
    /* An allocation would break TT_LIMIT_HEAP of a scope by 'excess' bytes.
     * Returns whether something was freed since, so that it is to be tried
     * again. */
    bool (*relieve)(int64_t excess);
    /* A block with references dies: before its memory can be reused. Returns
     * whether the memory is to be kept, until tt_block_release. The first
     * eight bytes of a block that is not BIG then hold the stack of the free
     * as one number. */
    bool (*died)(const struct tt_block *block, const struct tt_death *death);
    /* realloc changed a block with references: same object. Where its address
     * is new, this is called after the copy and before the old memory can be
     * reused; where it is not, the callee calls tt_block_rewrite. */
    void (*moved)(const struct tt_block *from, const struct tt_block *to);
    void (*misuse)(const struct tt_misuse_report *report);
    /* Fills stack and thread of the block that has this tag. The number may be
     * any: it is read while others change it. */
    void (*tagged)(uint32_t tag, struct tt_block *block);
    /* This is a child that no handler of fork's was called in. Does what they
     * do in a child. Locks that other threads held are free. */
    void (*child)(void);
};
extern struct tt_heap_news tt_heap_news;

/*
 * For .max_site: while it is set every allocation is shown before it happens
 * (BORN; TT_REFUSE denies it), and every block that was shown is shown again
 * when it dies (LEFT, 'epoch' that of its birth). A realloc is shown as the
 * death of the old block and then the birth of the new one, and where that is
 * denied or finds no memory, the old one is shown as alive again (BACK).
 */
enum tt_site_change { TT_SITE_BORN, TT_SITE_LEFT, TT_SITE_BACK };
typedef enum tt_answer (*tt_site_fn)(enum tt_site_change change, uint32_t stack,
                                     size_t size, uint32_t epoch);
void tt_heap_watch_sites(tt_site_fn see);

/* Does the heap see allocations at all? The control of DESIGN.md, 4.6: a
 * block made through the public malloc must be counted. */
bool tt_heap_sees(void);

/* Why it does not, in one line: which allocator stands before. The string
 * lives as long as the process. Not inside malloc. */
const char *tt_heap_blind_reason(void);

/* Serves Tether under AddressSanitizer, which allows no second malloc. It
 * cannot refuse an allocation then. */
bool tt_heap_is_sanitized(void);

/* In a runner's worker stacks are kept only from the first window on, which
 * calls this. */
void tt_heap_stacks_start(void);

/* Has LeakSanitizer found memory that nothing points to? Its report is on
 * stderr then. False where it is not there or switched off. */
bool tt_heap_lost_by_sanitizer(void);

/* Gives free memory back to the system: that of the calling thread and of
 * threads that have ended. Not inside malloc. */
void tt_heap_release(void);

/* Called by lib/init.c: once, and around fork. */
void tt_heap_setup(void);
void tt_heap_lock(void);
void tt_heap_unlock(void);
void tt_heap_child(void);

/* Threads. The number of the calling thread; the first is 1. */
uint32_t tt_thread_number(void);

/* The board (tether/board.h): the worker's row. */
void tt_board_window(const char *name);
void tt_board_body(struct tt_scope *scope); /* NULL: the body has ended */
void tt_board_leaked(uint64_t bytes);
void tt_board_limit(uint64_t bytes); /* .max_heap */
void tt_board_failed(unsigned kind); /* enum tether_failure_kind */
void tt_board_ended(void);

/* For the rules of TETHER_SUPPRESS, by number: a worker says that it needed
 * one (false: there is no board), the runner asks whether anybody did. Those
 * of higher numbers than there is room for count as needed. */
#define TT_BOARD_RULES 1024
bool tt_board_rule_needed(size_t rule);
bool tt_board_rule_was_needed(size_t rule);
bool tt_board_is_there(void);

/* Leaves lines for the runner in the worker's row. False: there is none. */
bool tt_board_note(const char *lines);
/* Collections that became due, when the last was, and when it ran. */
void tt_board_stress(uint64_t count, uint64_t due, uint64_t ran);
void tt_board_collecting(const char *what); /* NULL: no callback runs */

#endif
