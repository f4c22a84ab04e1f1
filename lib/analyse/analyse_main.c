/* SPDX-License-Identifier: MIT */
/*
 * tether-analyse: the part of Tether that reads debug information, in a
 * process of its own, so that the tested program carries none of it. The
 * library asks on standard input and reads the answer on standard output; a
 * person needs it only to see that it works.
 */
#include "analyse/analyse.h"

#include <stdlib.h>
#include <string.h>

#define EXIT_USAGE 2

static const char usage[] =
    "Usage: tether-analyse names [--debug-dir DIR]      < question\n"
    "       tether-analyse functions [--debug-dir DIR]  < question\n"
    "       tether-analyse --help | --version\n"
    "\n"
    "Names code addresses of a running program: function, file, line; or\n"
    "finds the code of functions by their names.\n"
    "Tether's library runs it; it is found by TETHER_ANALYSE, beside the\n"
    "library, or where it was installed.\n"
    "\n"
    "  --debug-dir DIR  where separate debug files are (/usr/lib/debug)\n"
    "\n"
    "The question of 'names' is text, one item a line:\n"
    "  " ANALYSE_HELLO "\n"
    "  pid NUMBER       of the program (optional)\n"
    "  maps             then the lines of its /proc/PID/maps, then:\n"
    "  .\n"
    "  r HEX            a return address, or\n"
    "  x HEX            the address of an instruction\n"
    "  end\n"
    "\n"
    "The answer starts with the same first line and ends with 'end'. Fields\n"
    "are separated by tabs:\n"
    "  f INDEX KIND FUNCTION PATH LINE MODULE OFFSET\n"
    "      KIND is i (inlined into the next frame), d (from debug\n"
    "      information), s (from symbols: FUNCTION+OFFSET) or n (no name:\n"
    "      MODULE+OFFSET); innermost frame first\n"
    "  m MODULE STATE\n"
    "      STATE is debug, nodebug, system (not looked for) or unreadable\n"
    "\n"
    "That of 'functions' begins with '" ANALYSE_FUNCTIONS_HELLO "', and its\n"
    "items are\n"
    "  n NAME           as C has it, or C++, mangled or not\n"
    "The answer has for each name one or more of\n"
    "  a INDEX START END      addresses; also of what the compiler split off\n"
    "or one of\n"
    "  i INDEX                it was inlined wherever it is called\n"
    "  u INDEX NEAREST        no module has it; NEAREST may be empty\n"
    "\n"
    "Exit status: 0 answered, 1 no memory or a broken pipe, 2 bad usage or a\n"
    "bad question.\n";

static int usage_error(const char *what, const char *argument)
{
    fprintf(stderr, "tether-analyse: %s%s%s\n", what, argument ? ": " : "",
            argument ? argument : "");
    fputs("Try 'tether-analyse --help'.\n", stderr);
    return EXIT_USAGE;
}

/* What the program can do. */
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

int main(int argc, char **argv)
{
    const char *debug_root = "/usr/lib/debug";
    const char *mode = NULL;
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))
            return fputs(usage, stdout) < 0;
        if (!strcmp(argv[i], "--version"))
            return puts("tether-analyse " TETHER_VERSION " (" ANALYSE_HELLO
                        ")") < 0;
        if (!strcmp(argv[i], "--debug-dir")) {
            if (++i == argc)
                return usage_error("--debug-dir needs a directory", NULL);
            debug_root = argv[i];
        } else if (argv[i][0] == '-') {
            return usage_error("unknown option", argv[i]);
        } else if (mode) {
            return usage_error("one mode only", argv[i]);
        } else {
            mode = argv[i];
        }
    }
    if (!mode)
        return usage_error("what is to be done? 'names' is one mode", NULL);
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
        if (!strcmp(mode, modes[i].name))
            return mode_run(&modes[i], debug_root);
    return usage_error("unknown mode", mode);
}
