/* SPDX-License-Identifier: MIT */
#ifndef TT_REACH_INSIDE_H
#define TT_REACH_INSIDE_H
/*
 * What the files of this part share: the state that the asker fills before
 * the world stops and the snapshot child completes, and the desk over which
 * the two talk.
 */
#include "base/base.h"
#include "base/base_text.h"
#include "os/os_stop.h"
#include "reach/reach.h"
#include "reach/reach_record.h"

#include <stdatomic.h>

/* An array that grows in private memory. */
struct reach_array {
    void *items;
    size_t count, capacity; /* items */
    size_t size;            /* bytes of one */
};

/* Adds a zeroed item. NULL: no memory. */
void *reach_array_add(struct reach_array *array);
void reach_array_drop(struct reach_array *array);

/* A readable mapping of the frozen memory. */
struct reach_map {
    uintptr_t start, end;
};

/* A writable segment of a module. */
struct reach_segment {
    uintptr_t start, end;
    int32_t module;
};

struct reach_state {
    struct reach_desk *desk; /* shared */
    int record_fd;
    pid_t process;
    /* Filled before the stop. */
    struct tt_text text;         /* the record's; offset 0 is "" */
    struct reach_array modules;  /* tt_record_module */
    struct reach_array segments; /* reach_segment */
    struct tt_os_world world;    /* the other threads */
    struct tt_stopped asker;     /* at the copy */
    struct tt_asker from;        /* whose frames count */
    uint32_t kinds;              /* of roots that count: bits */
    uint32_t verbose;
    /* Filled in the snapshot child. */
    struct tt_text maps_text;
    struct reach_array maps;    /* reach_map, lowest first */
    struct reach_array threads; /* tt_record_thread */
    struct reach_array roots;   /* tt_record_root */
    size_t blocks;
    size_t base_bytes; /* of the record, without questions */
};

/* ---- the desk ---- */

enum { DESK_IDLE, DESK_ASKED, DESK_DONE };

struct reach_desk {
    _Atomic uint32_t state;
    uint32_t questions_count;
    struct tt_reach_totals totals;
    uint64_t record_bytes; /* valid so far */
    struct tt_record_question questions[TT_REACH_QUESTIONS];
    char names[2048]; /* strings of the questions; the first is empty */
    size_t names_bytes;
    bool failed;   /* the child had no memory */
    bool doubtful; /* the mark did not find its controls as they are */
};

/*
 * The controls of every mark: a block that one word holds, and one that
 * nothing does. A mark that finds them otherwise says nothing of others.
 */
struct reach_controls {
    void *volatile held; /* the word */
    uintptr_t lost;      /* in disguise: all bits turned */
};
extern struct reach_controls reach_controls;

/* ---- before the stop ---- */

/* Lists modules and their writable segments. */
bool reach_modules_gather(struct reach_state *state);

/* Adds a string to the record's. */
uint32_t reach_text_add(struct reach_state *state, const char *text,
                        size_t len);

/* ---- in the child ---- */

/* Reads the child's maps. */
bool reach_maps_gather(struct reach_state *state);

/* Are all of these bytes there? */
bool reach_maps_have(const struct reach_state *state, uintptr_t start,
                     uintptr_t end);

/* The mapping that has this address, or NULL. */
const struct reach_map *reach_maps_find(const struct reach_state *state,
                                        uintptr_t address);

/* Finds the next readable piece of [*at, end): moves *at to its start. False:
 * there is none. */
bool reach_maps_piece(const struct reach_state *state, uintptr_t *at,
                      uintptr_t end, uintptr_t *piece_end);

/* Fills threads and roots. */
bool reach_roots_gather(struct reach_state *state);

/* Adds a root of whole words; what is not readable is left out. */
struct tt_record_root *reach_root_add(struct reach_state *state,
                                      enum tt_root_kind kind, uintptr_t start,
                                      uintptr_t end);

/* The regions that the program registered: calls reach_root_add. */
void reach_regions_gather(struct reach_state *state);
void reach_regions_lock(void);
void reach_regions_unlock(void);

/* The live libffi closures. */
void reach_closures_gather(struct reach_state *state);
void reach_closures_lock(void);
void reach_closures_unlock(void);

/* The blocks that are meant to stay. */
void reach_kept_gather(struct reach_state *state);

/* The child's main function: ctx is its state. */
int reach_child_main(void *ctx);

/* Writes the sections that no question changes. */
bool reach_write_base(struct reach_state *state);

/* Answers the desk's questions and writes them. */
bool reach_answer(struct reach_state *state);

#endif
