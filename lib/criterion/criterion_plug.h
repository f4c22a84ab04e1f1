/* SPDX-License-Identifier: MIT */
#ifndef TT_CRITERION_PLUG_H
#define TT_CRITERION_PLUG_H
/*
 * What the plug-in's files share. It sees Tether's public headers only.
 *
 * Criterion runs each test in a worker process of its own, so a process has
 * one test, and the plug-in's state is one struct.
 */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>
#include <tether/criterion.h>

/* Criterion's own functions, which the plug-in stands in front of. */
struct tt_real {
    void (*setup)(void);
    void (*main)(void (*body)(void));
    void (*teardown)(void);
    void (*send)(struct criterion_assert_stats *stats);
    void (*node_send)(const char *file, size_t line,
                      struct cri_assert_node *tree);
    void (*abort)(void);
    void (*skip)(const char *format, ...);
    void (*die)(const char *format, ...);
    void (*theory)(struct criterion_datapoints *points, size_t count,
                   void (*theory)(void));
    void (*theory_abort)(void);
    void (*log)(enum criterion_severity severity, const char *format, ...);
    int (*format)(char **text, size_t *offset, size_t *size, const char *format,
                  va_list arguments);
    struct cri_assert_node *(*node_add)(struct cri_assert_node *tree,
                                        struct cri_assert_node *of);
};
const struct tt_real *tt_real(void);

/* The phases in which a failure can still reach the runner, and the rest. */
enum tt_phase {
    TT_PHASE_NONE, /* no test runs here: the runner */
    TT_PHASE_TEST, /* from before .init to the end of the body and .fini */
    TT_PHASE_OVER  /* Criterion would take a failure and pass the test */
};

/* The test as the program's own tables have it: what Criterion hands to a
 * worker has pointers of another process in it. */
struct tt_entry {
    const struct criterion_test *test;   /* NULL: not found */
    const struct criterion_suite *suite; /* NULL: not declared */
};

struct tt_plug {
    _Atomic enum tt_phase phase;
    pthread_t thread;   /* the test's */
    pid_t pid;          /* the worker's */
    atomic_uint failed; /* failures sent, Criterion's and Tether's */
    struct tt_entry entry;
    bool off;          /* TETHER_OFF */
    bool strict;       /* TETHER_STRICT */
    const char *blind; /* why nothing can be checked, or NULL */
    struct tether_budget budget;
    _Atomic bool in_theory; /* Criterion sends amid the body ... */
    bool in_point; /* ... but not now: the test's thread is in a point */
    bool window_open, budget_open;
    bool unjudged;     /* what ends now is not judged: its test has failed */
    char refusal[512]; /* why the test's budget is refused; "": it is not */
};
extern struct tt_plug tt_plug;

/* Criterion's own code runs on the test's thread from here on, or the test's:
 * what Criterion allocates is not counted, and above all breaks no limit,
 * because a failure sent amid Criterion's sending would end the talk with the
 * runner, which then waits for ever. */
void tt_framework(bool is_running);

/* Finds the running test's entry, and its suite's. */
void tt_entry_find(const struct criterion_test *running,
                   struct tt_entry *entry);

/* Reads the budget that a field .data points to. False: it is a user's own
 * data, or none. */
bool tt_entry_budget(const void *data, struct tether_budget *budget);

/* Sends a failure of the test. Any thread, also inside malloc. */
void tt_tell(const char *file, unsigned line, const char *message);

/* Moves the explanations of Tether's criteria to a tree's message. */
void tt_criteria_explain(struct cri_assert_node *tree);

/* Keeps a failure until the theory that runs is over. */
void tt_tell_later(const char *file, unsigned line, const char *message);

/* Sends what was kept, if anything. */
void tt_send_kept(void);

/* Sends a line of the log. */
void tt_log(enum criterion_severity severity, const char *text);

/* Criterion goes on between two points of a theory's. */
void tt_point_over(void);

/* Ends the test from any thread; not from inside malloc. */
_Noreturn void tt_leave(void);

/* Ends the test by ending the worker; from anywhere. */
_Noreturn void tt_leave_process(void);

/* Skips the test, unless it failed already. */
_Noreturn void tt_skip(const char *why);

/* Ends the test before what cannot be checked: a skip, or a failure where
 * TETHER_STRICT is set. */
_Noreturn void tt_unchecked(const char *why);

/* Makes text that no output format of Criterion's chokes on. */
void tt_escape(const char *text, char *out, size_t size);

/* Is the worker's a forked child's process? */
bool tt_is_forked(void);

/* Closes the scopes whose frames a longjmp skipped. 'frame' is the caller's
 * own frame. */
void tt_scopes_sweep(const void *frame);

/* Closes all scopes, unjudged. */
void tt_scopes_drop(void);

/* Is this environment variable set to something but 0? */
bool tt_env_is_on(const char *name);

#endif
