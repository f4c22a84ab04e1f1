/* SPDX-License-Identifier: MIT */
/*
 * The board: one row of a page for each worker, in a memfd of the runner's
 * that workers open through /proc. The worker's slots live in its row, so the
 * runner reads true numbers however the worker ends. A row has room for the
 * slots of 20 threads; those of further threads are private, and what they
 * hold is missing from a row whose worker was killed.
 *
 * Hook: board_slot and board_publish run inside malloc.
 */
#include "heap/heap_slot.h"

#include "base/base_mem.h"
#include "os/os.h"

#include <tether/board.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define ROW_BYTES      ((size_t)4096)
#define ROW_SLOTS      20
#define NAME_MAX_      256
#define WHY_MAX        256
#define NOTE_MAX       384
#define COLLECTING_MAX 96

enum row_state { ROW_FREE, ROW_OPEN, ROW_BODY, ROW_BODY_DONE, ROW_ENDED };

struct row {
    _Atomic uint32_t state;
    _Atomic int32_t worker; /* the process that has it */
    uint32_t order;         /* of the windows' begins, from 1 */
    uint32_t slots_used;
    uint32_t single; /* one thread allocates: its slot tells the peak */
    uint32_t failed;
    uint32_t measuring; /* bases are those of a scope that is open */
    int64_t base[GAUGES];
    int64_t blocks_base;
    int64_t peak;
    uint64_t largest;
    uint64_t leaked;
    uint64_t unlimited;       /* ~max_heap: 0, as a new row has, is no limit */
    struct tether_stats done; /* when the body has ended */
    uint64_t stressed, stress_due, stress_ran;
    char name[NAME_MAX_];
    char why[WHY_MAX];
    char note[NOTE_MAX];
    char collecting[COLLECTING_MAX]; /* the collector that runs */
    struct tt_slot slots[ROW_SLOTS] __attribute__((aligned(64)));
};
_Static_assert(sizeof(struct row) <= ROW_BYTES, "a row is one page");

struct board_head {
    _Atomic uint32_t taken; /* rows given to workers */
    _Atomic uint32_t order;
    _Atomic uint32_t missing; /* windows of workers that got no row */
    uint32_t rows;
    _Atomic uint64_t rules[TT_BOARD_RULES / 64]; /* that were needed */
};
_Static_assert(sizeof(struct board_head) <= ROW_BYTES, "the head is one page");

static struct {
    struct board_head *made; /* runner: NULL before it is made */
    struct board_head *head; /* worker: NULL, there is no board */
    struct row *row;         /* worker: NULL, none was left */
    struct tt_scope *body;   /* what the row shows */
    bool looked;
} board;

/* This process's row; NULL in a child, whose copy still names the parent's. */
static struct row *row_mine(void)
{
    return heap_process_is_mine() ? board.row : NULL;
}

static struct row *row_at(struct board_head *head, size_t index)
{
    return (struct row *)((char *)head + (index + 1) * ROW_BYTES);
}

/* Reads "/proc/123/fd/4:1000". */
static bool board_place(char *path, size_t size, size_t *rows)
{
    const char *const place = tt_os_env("TETHER_BOARD");
    const char *const colon = place ? strrchr(place, ':') : NULL;
    if (!colon || (size_t)(colon - place) >= size)
        return false;
    memcpy(path, place, (size_t)(colon - place));
    path[colon - place] = '\0';
    *rows = strtoul(colon + 1, NULL, 10);
    return *rows > 0 && *rows < 1u << 24;
}

/* A process that never began a window, as a program that a test runs, leaves
 * its row unused: when all are taken the rows of those that are gone serve
 * again. */
static struct row *row_take_again(struct board_head *head)
{
    const pid_t self = getpid();
    for (size_t index = 0; index < head->rows; index++) {
        struct row *const row = row_at(head, index);
        int32_t worker = row->worker;
        if (row->state == ROW_FREE && worker > 0 && kill(worker, 0) != 0 &&
            errno == ESRCH &&
            atomic_compare_exchange_strong(&row->worker, &worker, self)) {
            row->slots_used = 0;
            memset(row->slots, 0, sizeof row->slots);
            return row;
        }
    }
    return NULL;
}

static struct row *row_take(struct board_head *head)
{
    const uint32_t index = atomic_fetch_add(&head->taken, 1);
    if (index >= head->rows) {
        atomic_store(&head->taken, head->rows);
        return row_take_again(head);
    }
    row_at(head, index)->worker = getpid();
    return row_at(head, index);
}

static TT_COLD void board_open(void)
{
    char path[64];
    size_t rows;
    board.looked = true;
    if (!board_place(path, sizeof path, &rows))
        return;
    const int before = errno;
    const int fd = open(path, O_RDWR | O_CLOEXEC);
    const size_t bytes = (rows + 1) * ROW_BYTES;
    void *const map =
        fd < 0 ? MAP_FAILED
               : mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (fd >= 0)
        close(fd);
    errno = before;
    if (map == MAP_FAILED)
        return;
    board.head = map;
    board.row = board.head->rows == rows ? row_take(board.head) : NULL;
}

struct tt_slot *board_slot(void)
{
    if (!board.looked)
        board_open();
    struct row *const row = board.row;
    if (!row || row->slots_used == ROW_SLOTS)
        return NULL;
    return &row->slots[row->slots_used++];
}

bool board_has(const struct tt_slot *slot)
{
    return board.row && slot >= board.row->slots &&
           slot < board.row->slots + ROW_SLOTS;
}

void board_publish(bool single)
{
    struct row *const row = row_mine();
    const struct tt_scope *const body = board.body;
    if (!row || !body)
        return;
    memcpy(row->base, body->base, sizeof row->base);
    row->blocks_base = body->blocks_base;
    row->peak = body->peak;
    row->largest = body->largest;
    row->single = single;
}

/* A forked child that begins a window of its own gets a row of its own. Its
 * counters stay where they are: what it has when it is killed is missing from
 * the row. */
static struct row *row_for_window(void)
{
    if (heap_process_is_mine() && !board.head)
        board_open();
    return row_mine();
}

void tt_board_window(const char *name)
{
    struct row *const row = row_for_window();
    if (!row) {
        if (heap_process_is_mine() && board.head)
            atomic_fetch_add(&board.head->missing, 1);
        return;
    }
    snprintf(row->name, NAME_MAX_, "%s", name);
    row->order = atomic_fetch_add(&board.head->order, 1) + 1;
    row->state = ROW_OPEN;
}

/* What the body has measured, for good. */
static void body_done(struct row *row, struct tt_scope *body)
{
    struct tt_numbers numbers;
    tt_scope_numbers(body, &numbers);
    row->done = (struct tether_stats){
        .live_bytes = (size_t)numbers.live_bytes,
        .live_blocks = (size_t)numbers.live_blocks,
        .peak_bytes = (size_t)numbers.peak_bytes,
        .total_bytes = (uint64_t)numbers.total_bytes,
        .total_count = (uint64_t)numbers.total_count,
        .largest_bytes = (size_t)numbers.largest_bytes,
        .threads = numbers.threads,
    };
}

void tt_board_body(struct tt_scope *scope)
{
    struct row *const row = row_mine();
    if (!row)
        return;
    if (scope) {
        board.body = scope;
        board_publish(true);
        row->state = ROW_BODY;
    } else if (board.body) {
        body_done(row, board.body);
        board.body = NULL;
        row->state = ROW_BODY_DONE;
    }
}

void tt_board_leaked(uint64_t bytes)
{
    struct row *const row = row_mine();
    if (row)
        row->leaked = bytes;
}

void tt_board_limit(uint64_t bytes)
{
    struct row *const row = row_mine();
    if (row)
        row->unlimited = ~bytes;
}

void tt_board_failed(unsigned kind)
{
    struct row *const row = row_mine();
    if (row)
        __atomic_fetch_or(&row->failed, 1u << kind, __ATOMIC_RELAXED);
}

void tt_board_ended(void)
{
    struct row *const row = row_mine();
    if (row)
        row->state = ROW_ENDED;
}

void tt_board_collecting(const char *name)
{
    struct row *const row = row_mine();
    if (!row)
        return;
    if (name)
        snprintf(row->collecting, COLLECTING_MAX, "%s", name);
    else
        row->collecting[0] = '\0';
}

void tt_board_stress(uint64_t count, uint64_t due, uint64_t ran)
{
    struct row *const row = row_mine();
    if (!row)
        return;
    row->stressed = count;
    row->stress_due = due;
    row->stress_ran = ran;
}

void tether_board_unchecked(const char *why)
{
    struct row *const row = row_mine();
    if (row)
        snprintf(row->why, WHY_MAX, "%s", why);
}

bool tt_board_is_there(void)
{
    return heap_process_is_mine() && board.head != NULL;
}

bool tt_board_rule_needed(size_t rule)
{
    if (!tt_board_is_there())
        return false;
    if (rule < TT_BOARD_RULES)
        atomic_fetch_or(&board.head->rules[rule / 64],
                        (uint64_t)1 << rule % 64);
    return true;
}

bool tt_board_rule_was_needed(size_t rule)
{
    return !board.made || rule >= TT_BOARD_RULES ||
           (atomic_load(&board.made->rules[rule / 64]) >> rule % 64 & 1);
}

bool tt_board_note(const char *lines)
{
    struct row *const row = row_mine();
    if (row)
        snprintf(row->note, NOTE_MAX, "%s", lines);
    return row != NULL;
}

void board_leave(void)
{
    board.head = NULL;
    board.row = NULL;
    board.body = NULL;
}

tether_status tether_board_make(size_t rows)
{
    const size_t bytes = (rows + 1) * ROW_BYTES;
    char place[64];
    if (rows == 0 || rows >= 1u << 24)
        tt_die("tether_board_make", "%zu rows cannot be; give 1 to 16777215",
               rows);
    const int fd = memfd_create("tether-board", MFD_CLOEXEC);
    if (fd < 0)
        return TETHER_NO_MEMORY;
    void *const map =
        ftruncate(fd, (off_t)bytes) < 0
            ? MAP_FAILED
            : mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) {
        close(fd);
        return TETHER_NO_MEMORY;
    }
    board.made = map;
    board.made->rows = (uint32_t)rows;
    snprintf(place, sizeof place, "/proc/%d/fd/%d:%zu", (int)getpid(), fd,
             rows);
    tt_enter();
    setenv("TETHER_BOARD", place, 1);
    tt_leave();
    return TETHER_OK;
}

/* The numbers of a worker that ended in the middle of its body. */
static void stats_of_slots(const struct row *row, struct tether_stats *stats)
{
    int64_t sum[GAUGES] = { 0 }, blocks = 0, peak = row->peak;
    uint64_t largest = row->largest;
    for (uint32_t i = 0; i < row->slots_used; i++) {
        for (enum gauge gauge = 0; gauge < GAUGES; gauge++)
            sum[gauge] += slot_value(&row->slots[i], gauge);
        blocks += slot_blocks(&row->slots[i]);
        largest = TT_MAX(largest, row->slots[i].largest);
    }
    const int64_t live = sum[GAUGE_LIVE] - row->base[GAUGE_LIVE];
    for (uint32_t i = 0; row->single && i < row->slots_used; i++)
        if (row->slots[i].asked)
            peak = TT_MAX(peak, live + row->slots[i].peak -
                                    slot_value(&row->slots[i], GAUGE_LIVE));
    *stats = (struct tether_stats){
        .live_bytes = (size_t)TT_MAX(live, 0),
        .live_blocks = (size_t)TT_MAX(blocks - row->blocks_base, 0),
        .peak_bytes = (size_t)TT_MAX(TT_MAX(peak, live), 0),
        .total_bytes =
            (uint64_t)TT_MAX(sum[GAUGE_TOTAL] - row->base[GAUGE_TOTAL], 0),
        .total_count =
            (uint64_t)TT_MAX(sum[GAUGE_COUNT] - row->base[GAUGE_COUNT], 0),
        .largest_bytes = (size_t)largest,
        .threads = row->slots_used,
    };
}

static void row_show(const struct row *row,
                     void (*see)(const struct tether_board_row *, void *),
                     void *ctx)
{
    struct tether_board_row shown = {
        .name = row->name,
        .max_heap = (size_t)~row->unlimited,
        .leaked_bytes = (size_t)row->leaked,
        .unchecked = row->why[0] ? row->why : NULL,
        .note = row->note[0] ? row->note : NULL,
        .stressed = row->stressed,
        .stress_due = row->stress_due,
        .stress_ran = row->stress_ran,
        .collecting = row->state != ROW_ENDED && row->collecting[0]
                          ? row->collecting
                          : NULL,
        .ended = row->state == ROW_ENDED,
        .failed = (int)row->failed,
    };
    if (row->state == ROW_BODY)
        stats_of_slots(row, &shown.stats);
    else
        shown.stats = row->done;
    see(&shown, ctx);
}

size_t tether_board_missing(void)
{
    return board.made ? board.made->missing : 0;
}

size_t tether_board_visit(void (*see)(const struct tether_board_row *, void *),
                          void *ctx)
{
    if (!board.made)
        return 0;
    const uint32_t taken = TT_MIN(board.made->taken, board.made->rows);
    const uint32_t orders = board.made->order;
    uint32_t *const by_order = tt_mem_take((orders + 1) * sizeof *by_order);
    size_t seen = 0;
    if (!by_order)
        return 0;
    for (uint32_t i = 0; i < taken; i++) {
        const struct row *const row = row_at(board.made, i);
        if (row->state != ROW_FREE && row->order <= orders)
            by_order[row->order] = i + 1;
    }
    for (uint32_t order = 1; order <= orders; order++)
        if (by_order[order]) {
            row_show(row_at(board.made, by_order[order] - 1), see, ctx);
            seen++;
        }
    tt_mem_give(by_order, (orders + 1) * sizeof *by_order);
    return seen;
}
