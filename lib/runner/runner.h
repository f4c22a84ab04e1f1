/* SPDX-License-Identifier: MIT */
#ifndef TT_RUNNER_H
#define TT_RUNNER_H
/*
 * What the files of the command `tether` share. It sees public headers only,
 * and the folders that the plug-in shares with it (config, table).
 */
#include "config/config.h"
#include "table/table.h"

#include <argp.h>
#include <jansson.h>
#include <stdbool.h>

/* Exit statuses of the command. What is below is the program's own. */
enum runner_exit {
    RUNNER_GOOD = 0,
    RUNNER_LIMIT = 101,            /* a limit broke, or a gate is shut */
    RUNNER_LEAK = 102,             /* leaks above .max_leaked, no other limit */
    RUNNER_BLIND = 103,            /* nothing, or with --strict not all, was
                                      checked */
    RUNNER_USAGE = EXIT_BAD_USAGE, /* 104: options, tether.ini, a report */
    RUNNER_NOT_RUN = 126,          /* the program cannot be run */
    RUNNER_NOT_FOUND = 127
};

/* What one run, or several together, came to. */
struct report {
    struct table table;
    char *command;   /* as given; NULL: not known */
    int status;      /* exit status of the program; 128 + signal */
    json_t *profile; /* runner_profile.h; NULL: none was taken */
};

/* What is to be run, and how. */
struct run_options {
    char **command; /* NULL-terminated */
    const char *ini;
    bool no_ini, strict, quiet, all;
    const char *json, *markdown, *junit, *annotate, *pprof, *html;
    struct config config; /* tether.ini, once it has been read */
};

/* Says what is wrong, with the command's name before it. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Subcommands: the arguments from the subcommand's name on. */
int run_main(int argc, char **argv);
int config_main(int argc, char **argv);
int gate_main(int argc, char **argv);
int diff_main(int argc, char **argv);
int merge_main(int argc, char **argv);
int doctor_main(int argc, char **argv);
int stress_main(int argc, char **argv);

/* The options that `run` and `gate` have in common. input is a
 * struct run_options. */
extern const struct argp common_argp;

/* Runs a command with Tether preloaded. Returns false, with *status, when it
 * could not be run; the reason has been said. */
bool run_command(struct run_options *options, struct report *report,
                 int *status);

/* Can Tether be preloaded into this program (found in PATH)? Says why not:
 * it is static, of another architecture, has more rights than its user.
 * *status gets the exit status then. */
bool program_is_runnable(const char *name, int *status);

/* Live progress on the last line of a terminal; nothing where standard error
 * is none. */
void progress_begin(bool wanted);
void progress_show(void);
void progress_end(void);
bool progress_is_on(void);

/* Starts a program and waits for its end. *status gets its exit status, or
 * 128 + signal. False: it could not be started; that has been said. */
bool program_run(char **command, int *status);

/* The shared AddressSanitizer that a program needs, "libasan.so.8"; false: it
 * needs none. */
bool program_sanitizer(const char *name, char *library, size_t size);

/* The exit status that a report means. */
int report_verdict(const struct report *report, bool strict);

void report_drop(struct report *report);

/* The row of a test, or NULL. */
const struct table_row *report_row(const struct report *report,
                                   const char *name);

/* What a test may take, as tether.lock has it. */
struct lock_row {
    int64_t peak, count, leaked; /* leaked: -1 when not known */
    bool noisy;                  /* the count differs from run to run */
};

/* Reads tether.lock: an object of tests, checked. An empty one where there is
 * no file (*is_new); NULL, said, where it is bad. */
json_t *lock_read(const char *path, bool *is_new);
bool lock_write(const char *path, json_t *tests);

/* Finds a test's row. False: there is none. */
bool lock_row_get(const json_t *tests, const char *test, struct lock_row *row);

/* Takes over what tether.ini says of reports; the command line is stronger. */
void reports_of_file(struct run_options *options);

/* Writes the reports that the options, or tether.ini, ask for. */
bool reports_write(const struct run_options *options,
                   const struct report *report);

/* Writes and reads the JSON form (docs/report.md). 'path' "-": stdout. */
bool report_write(const struct report *report, const char *path);
bool report_read(struct report *report, const char *path);

/* The same as a value; the caller's. */
json_t *report_json(const struct report *report);

/* A summary for a pull request. */
bool report_write_markdown(const struct report *report, const char *path);
bool report_write_html(const struct report *report, const char *path);
bool report_write_junit(const struct report *report, const char *path);

/* Annotations of a CI's log: 'github' or 'gitlab'. */
void report_annotate(const struct report *report, const char *form, FILE *to);

/* Opens a file to write, "-" is stdout; says what fails. */
FILE *runner_open(const char *path);
bool runner_close(FILE *file, const char *path);

/* "evicts" of "cache::evicts"; the whole name when it has no suite. The suite
 * goes to 'suite', empty when there is none. */
const char *name_split(const char *name, char *suite, size_t size);

/* "cache/evicts" of "cache::evicts", as patterns see it. */
const char *name_as_path(const char *name, char *path, size_t size);

/* The folder of libtether.so and of the libraries beside it. */
bool runner_folder(char *folder, size_t size);

#endif
