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
    "Usage: tether-analyse names [--debug-dir DIR]  < question\n"
    "       tether-analyse --help | --version\n"
    "\n"
    "Names code addresses of a running program: function, file, line.\n"
    "Tether's library runs it; it is found by TETHER_ANALYSE, beside the\n"
    "library, or where it was installed.\n"
    "\n"
    "  --debug-dir DIR  where separate debug files are (/usr/lib/debug)\n"
    "\n"
    "The question is text, one item a line:\n"
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
    "Exit status: 0 answered, 1 no memory or a broken pipe, 2 bad usage or a\n"
    "bad question.\n";

static int usage_error(const char *what, const char *argument)
{
    fprintf(stderr, "tether-analyse: %s%s%s\n", what, argument ? ": " : "",
            argument ? argument : "");
    fputs("Try 'tether-analyse --help'.\n", stderr);
    return EXIT_USAGE;
}

static int names(const char *debug_root)
{
    struct analyse_input input;
    const char *const wrong = analyse_input_read(stdin, &input);
    if (wrong) {
        fprintf(stderr, "tether-analyse: bad question: %s\n", wrong);
        return EXIT_USAGE;
    }
    analyse_names(&input, debug_root, stdout);
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
        return usage_error("what is to be done? 'names' is the mode", NULL);
    if (strcmp(mode, "names") != 0)
        return usage_error("unknown mode", mode);
    return names(debug_root);
}
