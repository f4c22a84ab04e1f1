/* SPDX-License-Identifier: MIT */
/*
 * tether-analyse: the part of Tether that reads debug information, in a
 * process of its own, so that the tested program carries none of it. The
 * library asks on standard input and reads the answer on standard output; a
 * person needs it only to see that it works.
 */
#include "analyse/analyse.h"

#include "analyse/analyse_reach.h"

#include <stdlib.h>
#include <string.h>

#define EXIT_USAGE 2

static const char usage[] =
    "Usage: tether-analyse --pid PID ADDRESS|FUNCTION\n"
    "       tether-analyse --core FILE ADDRESS|FUNCTION\n"
    "       tether-analyse names | functions  < question\n"
    "       tether-analyse reach\n"
    "       tether-analyse --help | --version\n"
    "\n"
    "Says who holds an object of a process or of a core file, as paths in C\n"
    "from a named variable: the object at ADDRESS (hexadecimal), or those "
    "that\n"
    "FUNCTION allocated. Tether must be loaded in the program. The process is\n"
    "stopped for that long.\n"
    "\n"
    "The modes 'names', 'functions' and 'reach' serve Tether's library, which\n"
    "finds this program by TETHER_ANALYSE, beside itself, or where it was\n"
    "installed.\n"
    "\n"
    "  --pid PID        a living process\n"
    "  --core FILE      a core file\n"
    "  --debug-dir DIR  where separate debug files are (/usr/lib/debug)\n"
    "  --memory-fd N    reach: the frozen memory (3)\n"
    "  --record-fd N    reach: the record (4), lib/reach/reach_record.h\n"
    "\n"
    "The question of 'names' is text, one item a line:\n"
    "  " ANALYSE_HELLO "\n"
    "  pid NUMBER       of the program (optional)\n"
    "  maps             then the lines of its /proc/PID/maps, then:\n"
    "  .\n"
    "  r HEX            a return address, or\n"
    "  x HEX            the address of an instruction, or\n"
    "  d HEX HEX        a variable: its link address, and an address of code\n"
    "                   in the same file\n"
    "  l HEX HEX        the same of a thread-local variable: its place in the\n"
    "                   TLS segment\n"
    "  end\n"
    "\n"
    "Its answer starts with the same first line and ends with 'end'. Fields\n"
    "are separated by tabs:\n"
    "  f INDEX KIND FUNCTION PATH LINE MODULE OFFSET\n"
    "      KIND is i (inlined into the next frame), d (from debug\n"
    "      information), s (from symbols: FUNCTION+OFFSET) or n (no name:\n"
    "      MODULE+OFFSET); innermost frame first\n"
    "  m MODULE STATE\n"
    "      STATE is debug, nodebug, system (not looked for) or unreadable\n"
    "\n"
    "The question of 'functions' begins with '" ANALYSE_FUNCTIONS_HELLO
    "', and\n"
    "its items are\n"
    "  n NAME           as C has it, or C++, mangled or not\n"
    "The answer has for each name one or more of\n"
    "  a INDEX START END      addresses; also of what the compiler split off\n"
    "or one of\n"
    "  i INDEX                it was inlined wherever it is called\n"
    "  u INDEX NEAREST        no module has it; NEAREST may be empty\n"
    "\n"
    "Exit status: 0 answered, 1 no such object, no memory or a broken pipe,\n"
    "2 bad usage or a bad question.\n";

static int usage_error(const char *what, const char *argument)
{
    fprintf(stderr, "tether-analyse: %s%s%s\n", what, argument ? ": " : "",
            argument ? argument : "");
    fputs("Try 'tether-analyse --help'.\n", stderr);
    return EXIT_USAGE;
}

/* What is asked on standard input. */
static const struct mode {
    const char *name, *hello;
    void (*answer)(const struct analyse_input *input, const char *debug_root,
                   FILE *to);
} modes[] = {
    { "names", ANALYSE_HELLO, analyse_names },
    { "functions", ANALYSE_FUNCTIONS_HELLO, analyse_functions },
};

static int mode_run(const struct mode *mode, const char *debug_root)
{
    struct analyse_input input;
    const char *const wrong = analyse_input_read(stdin, mode->hello, &input);
    if (wrong) {
        fprintf(stderr, "tether-analyse: bad question: %s\n", wrong);
        return EXIT_USAGE;
    }
    mode->answer(&input, debug_root, stdout);
    return fflush(stdout) == 0 && !ferror(stdout) ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* For a build under AddressSanitizer: what is not freed is meant to stay. */
int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void)
{
    return 1;
}

struct options {
    const char *debug_root;
    const char *mode; /* names, reach, or what is asked for */
    const char *core;
    long pid;
    int memory_fd, record_fd;
};

static int reach(const struct options *options)
{
    struct analyse_image image = { .debug_root = options->debug_root };
    struct analyse_reach reach;
    elf_version(EV_CURRENT);
    const char *const wrong =
        analyse_image_record(&image, options->memory_fd, options->record_fd);
    if (wrong) {
        fprintf(stderr, "tether-analyse: bad record: %s\n", wrong);
        return EXIT_USAGE;
    }
    analyse_reach_begin(&reach, &image);
    analyse_reach_record(&reach, stdout);
    return fflush(stdout) == 0 && !ferror(stdout) ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int show(const struct options *options)
{
    struct analyse_image image = { .debug_root = options->debug_root,
                                   .verbose = true };
    struct analyse_reach reach;
    elf_version(EV_CURRENT);
    const char *const wrong =
        options->core ? analyse_image_core(&image, options->core)
                      : analyse_image_pid(&image, (pid_t)options->pid);
    if (wrong) {
        fprintf(stderr, "tether-analyse: %s: %s\n",
                options->core ? options->core : "the process", wrong);
        return EXIT_FAILURE;
    }
    analyse_reach_begin(&reach, &image);
    const int status = analyse_reach_show(&reach, options->mode, stdout);
    if (!options->core)
        analyse_image_pid_end(&image);
    return fflush(stdout) == 0 ? status : EXIT_FAILURE;
}

static bool number_read(const char *text, long *number)
{
    char *end;
    *number = strtol(text, &end, 10);
    return *end == '\0' && end > text && *number >= 0 && *number < INT32_MAX;
}

/* Takes an option with its value. Returns false: it is none of ours. */
static bool option_take(struct options *options, const char *name,
                        const char *value, const char **wrong)
{
    long number = 0;
    *wrong = NULL;
    if (!strcmp(name, "--debug-dir"))
        options->debug_root = value;
    else if (!strcmp(name, "--core"))
        options->core = value;
    else if (strcmp(name, "--pid") != 0 && strcmp(name, "--memory-fd") != 0 &&
             strcmp(name, "--record-fd") != 0)
        return false;
    else if (!value || !number_read(value, &number))
        *wrong = "a number is needed";
    else if (!strcmp(name, "--pid"))
        options->pid = number;
    else if (!strcmp(name, "--memory-fd"))
        options->memory_fd = (int)number;
    else
        options->record_fd = (int)number;
    if (!value)
        *wrong = !strcmp(name, "--debug-dir") ? "--debug-dir needs a directory"
                                              : "it needs a value";
    return true;
}

static int run(const struct options *options)
{
    if (options->core && options->pid)
        return usage_error("either a process or a core file", NULL);
    if ((options->core || options->pid) && !options->mode)
        return usage_error("which object? An address or a function is needed",
                           NULL);
    if (options->core || options->pid)
        return show(options);
    if (!options->mode)
        return usage_error("what is to be done? --pid, --core or a mode is "
                           "needed",
                           NULL);
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
        if (!strcmp(options->mode, modes[i].name))
            return mode_run(&modes[i], options->debug_root);
    if (!strcmp(options->mode, "reach"))
        return reach(options);
    return usage_error("unknown mode", options->mode);
}

int main(int argc, char **argv)
{
    struct options options = { .debug_root = "/usr/lib/debug",
                               .memory_fd = TT_MEMORY_FD,
                               .record_fd = TT_RECORD_FD };
    for (int i = 1; i < argc; i++) {
        const char *wrong;
        if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))
            return fputs(usage, stdout) < 0;
        if (!strcmp(argv[i], "--version"))
            return puts("tether-analyse " TETHER_VERSION " (" ANALYSE_HELLO
                        ")") < 0;
        if (option_take(&options, argv[i], argv[i + 1], &wrong)) {
            if (wrong)
                return usage_error(wrong,
                                   strncmp(wrong, "--", 2) ? argv[i] : NULL);
            i++;
        } else if (argv[i][0] == '-') {
            return usage_error("unknown option", argv[i]);
        } else if (options.mode) {
            return usage_error("one mode only", argv[i]);
        } else {
            options.mode = argv[i];
        }
    }
    return run(&options);
}
