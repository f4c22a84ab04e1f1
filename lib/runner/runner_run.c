/* SPDX-License-Identifier: MIT */
/*
 * `tether run`: starts a program with Tether preloaded, and sums up.
 *
 * This process owns the board, in which every process that is started has a
 * row, and the text of tether.ini; both are found through /proc as long as it
 * lives. The command line's limits are handed on as environment variables,
 * which are stronger than everything else.
 */
#include "runner/runner.h"

#include "runner/runner_profile.h"

#include <tether/board.h>
#include <tether/window.h>

#include <dlfcn.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROWS 65536

/* Options without a letter. The first ones are those of config_keys. */
enum {
    OPTION_KEY = 1000,
    OPTION_INI = 2000,
    OPTION_NO_INI,
    OPTION_STRICT,
    OPTION_JSON,
    OPTION_MARKDOWN,
    OPTION_JUNIT,
    OPTION_ANNOTATE,
    OPTION_PPROF,
    OPTION_HTML
};

static const struct argp_option options_in_common[] = {
    { "max-heap", OPTION_KEY + 0, "SIZE", 0, "Peak of live bytes of a test",
      1 },
    { "max-alloc", OPTION_KEY + 1, "SIZE", 0, "Bytes of one allocation", 1 },
    { "max-site", OPTION_KEY + 2, "SIZE", 0,
      "Live bytes allocated by one function", 1 },
    { "max-total", OPTION_KEY + 3, "SIZE", 0, "Bytes allocated, freed or not",
      1 },
    { "max-count", OPTION_KEY + 4, "N", 0, "Number of allocations", 1 },
    { "min-count", OPTION_KEY + 5, "N", 0, "At least so many allocations", 1 },
    { "max-leaked", OPTION_KEY + 6, "SIZE", 0,
      "Bytes that are alive at a test's end", 1 },
    { "max-lost", OPTION_KEY + 7, "SIZE", 0,
      "Of them, bytes that nothing points to", 1 },
    { "on-breach", OPTION_KEY + 8, "WAY", 0,
      "What a broken limit does: go-on, stop or deny", 1 },
    { "ini", OPTION_INI, "FILE", 0,
      "Read limits by test from FILE, not from ./tether.ini", 2 },
    { "no-ini", OPTION_NO_INI, NULL, 0, "Read no tether.ini", 2 },
    { "strict", OPTION_STRICT, NULL, 0,
      "A test that cannot be checked has failed", 2 },
    { "json", OPTION_JSON, "FILE", 0, "Write the report as JSON", 3 },
    { "junit", OPTION_JUNIT, "FILE", 0, "Write the report as JUnit XML", 3 },
    { "markdown", OPTION_MARKDOWN, "FILE", 0,
      "Write a summary for a pull request", 3 },
    { "html", OPTION_HTML, "FILE", 0,
      "Write the report as one page for a browser", 3 },
    { "pprof", OPTION_PPROF, "FILE", 0,
      "Write a heap profile (gzip'ed protobuf) for pprof", 3 },
    { "annotate", OPTION_ANNOTATE, "CI", 0,
      "Print annotations for github or gitlab", 3 },
    { 0 }
};

/* A limit on the command line is an environment variable to the program. */
static void limit_set(struct argp_state *state, const struct config_key *key,
                      const char *value)
{
    char form[64], variable[64];
    if (!config_value_is_valid(key, value))
        argp_error(state, "--%s=%s is not %s", key->name, value,
                   config_value_form(key, form, sizeof form));
    setenv(config_key_variable(key, variable, sizeof variable), value, 1);
}

static error_t common_option(int option, char *value, struct argp_state *state)
{
    struct run_options *const options = state->input;
    switch (option) {
    case OPTION_INI:
        options->ini = value;
        return 0;
    case OPTION_NO_INI:
        options->no_ini = true;
        return 0;
    case OPTION_STRICT:
        options->strict = true;
        return 0;
    case OPTION_JSON:
        options->json = value;
        return 0;
    case OPTION_JUNIT:
        options->junit = value;
        return 0;
    case OPTION_HTML:
        options->html = value;
        return 0;
    case OPTION_PPROF:
        options->pprof = value;
        return 0;
    case OPTION_MARKDOWN:
        options->markdown = value;
        return 0;
    case OPTION_ANNOTATE:
        if (strcmp(value, "github") != 0 && strcmp(value, "gitlab") != 0)
            argp_error(state, "--annotate=%s: write github or gitlab", value);
        options->annotate = value;
        return 0;
    case ARGP_KEY_ARGS:
        options->command = state->argv + state->next;
        return 0;
    default:
        if (option >= OPTION_KEY && option < OPTION_INI) {
            limit_set(state, &config_keys[option - OPTION_KEY], value);
            return 0;
        }
        return ARGP_ERR_UNKNOWN;
    }
}

const struct argp common_argp = { .options = options_in_common,
                                  .parser = common_option };

static const struct argp_option options_of_run[] = {
    { "all", 'a', NULL, 0, "Show all rows of the table", 4 },
    { "quiet", 'q', NULL, 0, "Print no table", 4 },
    { 0 }
};

static error_t run_option(int option, char *value, struct argp_state *state)
{
    struct run_options *const options = state->input;
    (void)value;
    switch (option) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = options;
        return 0;
    case 'a':
        options->all = true;
        return 0;
    case 'q':
        options->quiet = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child run_children[] = { { &common_argp, 0, NULL, 0 },
                                                  { 0 } };
static const struct argp run_argp = {
    .options = options_of_run,
    .parser = run_option,
    .children = run_children,
    .args_doc = "[--] PROGRAM [ARGUMENT...]",
    .doc = "Runs a program with Tether's heap, under limits, and prints what "
           "each test, or each process, took of it."
           "\v"
           "A Criterion suite is measured test by test, whether it knows "
           "Tether or not; any other program process by process.\n\n"
           "Exit status: that of the program, or\n"
           "  101  a limit broke\n"
           "  102  there are leaks above max-leaked, and no other limit broke\n"
           "  103  nothing could be checked (with --strict: not all)\n"
           "  104  an option, or tether.ini, is not good; nothing was run\n"
           "  126  the program cannot be run\n"
           "  127  the program was not found\n\n"
           "Example:\n"
           "  tether run --max-heap=8MiB --max-leaked=0 -- ./tests -j4"
};

bool runner_folder(char *folder, size_t size)
{
    Dl_info library;
    char real[PATH_MAX];
    if (!dladdr((const void *)tether_board_make, &library) ||
        !realpath(library.dli_fname, real))
        return false;
    *strrchr(real, '/') = '\0';
    return (size_t)snprintf(folder, size, "%s", real) < size;
}

/* A gate runs several times, and sets this once. A shared AddressSanitizer
 * insists on being first, and Tether then asks it. */
static bool preload_set(const char *program)
{
    static bool set;
    char folder[PATH_MAX], sanitizer[64] = "";
    const char *const before = getenv("LD_PRELOAD");
    char *list;
    if (set)
        return true;
    program_sanitizer(program, sanitizer, sizeof sanitizer);
    if (!runner_folder(folder, sizeof folder) ||
        asprintf(&list, "%s%s%s/libtether.so:%s/libtether-process.so%s%s",
                 sanitizer, sanitizer[0] ? ":" : "", folder, folder,
                 before && *before ? ":" : "", before ? before : "") < 0)
        return false;
    set = setenv("LD_PRELOAD", list, 1) == 0;
    free(list);
    return set;
}

/* Reads tether.ini once, and hands it on. */
static bool ini_set(struct run_options *options)
{
    struct config *const config = &options->config;
    if (config->path)
        return true; /* a gate runs several times */
    unsetenv(CONFIG_HANDED);
    const char *const path = options->no_ini ? NULL
                             : options->ini  ? options->ini
                                             : config_path();
    if (!path) {
        setenv("TETHER_INI", "", 1);
        return true;
    }
    if (!config_read(config, path, path, stderr)) {
        say("%s is not good; nothing was run", path);
        return false;
    }
    const struct config_item *const file =
        config_special(config, "suppress", "file");
    if (file)
        setenv("TETHER_SUPPRESS", file->value, 0);
    reports_of_file(options);
    if (config_hand_over(path))
        return true;
    say("no memory to hand over %s", path);
    return false;
}

static bool environment_set(struct run_options *options)
{
    if (!ini_set(options))
        return false;
    if (options->strict)
        setenv("TETHER_STRICT", "1", 1);
    if (tether_board_make(ROWS) != TETHER_OK) {
        say("no memory for the board");
        return false;
    }
    setenv("TETHER_RUN", "1", 1);
    if (preload_set(options->command[0]))
        return true;
    say("libtether.so was not found");
    return false;
}

static char *command_text(char **command)
{
    char *text = NULL;
    size_t size = 0;
    FILE *const to = open_memstream(&text, &size);
    if (!to)
        return NULL;
    for (char **at = command; *at; at++)
        fprintf(to, "%s%s", at == command ? "" : " ", *at);
    fclose(to);
    return text;
}

static bool wants_profile(const struct run_options *options)
{
    return options->pprof || options->html;
}

bool run_command(struct run_options *options, struct report *report,
                 int *status)
{
    *report = (struct report){ .command = command_text(options->command) };
    if (!program_is_runnable(options->command[0], status))
        return false;
    *status = RUNNER_USAGE;
    if (!environment_set(options) ||
        (wants_profile(options) && !profile_begin()))
        return false;
    progress_begin(!options->quiet);
    const bool ran = program_run(options->command, &report->status);
    progress_end();
    if (!ran) {
        *status = RUNNER_NOT_RUN;
        return false;
    }
    if (wants_profile(options))
        report->profile = profile_end();
    table_gather(&report->table);
    table_sort(&report->table);
    *status = report->status;
    return true;
}

/* No window was opened in any process: says what that means. */
static void blind_tell(const struct report *report)
{
    if (report->table.count)
        return;
    say("no window was opened in `%s`: Tether was not loaded into it. A "
        "program that clears LD_PRELOAD, or has more rights than you, cannot "
        "be measured",
        report->command);
}

int run_main(int argc, char **argv)
{
    struct run_options options = { 0 };
    struct report report;
    int status;
    argp_parse(&run_argp, argc, argv, ARGP_IN_ORDER, NULL, &options);
    if (!options.command) {
        say("no program to run; write `tether run -- ./tests`");
        return RUNNER_USAGE;
    }
    if (!run_command(&options, &report, &status)) {
        report_drop(&report);
        return status;
    }
    fflush(stdout);
    if (!options.quiet)
        table_print(&report.table, options.all, stderr);
    if (tether_board_missing())
        say("%zu more processes are missing here: the table has room for %d",
            tether_board_missing(), ROWS);
    table_print_unchecked(&report.table, stderr);
    table_print_unneeded(stderr);
    blind_tell(&report);
    status = report_verdict(&report, options.strict);
    if (!reports_write(&options, &report) && status == RUNNER_GOOD)
        status = RUNNER_USAGE;
    config_drop(&options.config);
    report_drop(&report);
    return status;
}
