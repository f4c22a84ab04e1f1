/* SPDX-License-Identifier: MIT */
/*
 * `tether doctor`: tries what Tether needs and says what to do about the rest.
 */
#include "runner/runner.h"

#include <fcntl.h>
#include <gelf.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One line: 'ok' or what is missing, and what to do. */
static bool line(const char *what, bool good, const char *said)
{
    printf("%-24s %-4s %s\n", what, good ? "ok" : "NO", said);
    return good;
}

/* Runs a small program under Tether and looks whether it was seen. */
static bool try_interposition(void)
{
    char *command[] = { (char *)"true", NULL };
    struct run_options options = { .command = command, .no_ini = true };
    struct report report = { 0 };
    int status;
    bool good = run_command(&options, &report, &status) &&
                report.table.count == 1 && !report.table.rows[0].unchecked;
    line("heap of a program", good,
         good ? "preloading works, allocations are counted"
         : report.table.count
             ? report.table.rows[0].unchecked
             : "Tether was not loaded into `true`; is LD_PRELOAD allowed?");
    report_drop(&report);
    return good;
}

static bool file_is_there(const char *folder, const char *name, char *path)
{
    const int len = snprintf(path, PATH_MAX, "%s/%s", folder, name);
    return len > 0 && len < PATH_MAX && access(path, R_OK) == 0;
}

static bool try_analyser(const char *folder)
{
    char path[PATH_MAX];
    const char *const set = getenv("TETHER_ANALYSE");
    bool good = set && access(set, X_OK) == 0;
    if (!set)
        good = file_is_there(folder, "tether-analyse", path) ||
               file_is_there(folder, TT_ANALYSE_RELATIVE, path) ||
               access(TT_ANALYSE_PATH, X_OK) == 0;
    return line("names of functions", good,
                good  ? "tether-analyse is there"
                : set ? "TETHER_ANALYSE names no program; unset it"
                      : "tether-analyse is missing: messages show symbols "
                        "and offsets only");
}

static long file_number(const char *path, long otherwise)
{
    FILE *const from = fopen(path, "re");
    long number = otherwise;
    if (from && fscanf(from, "%ld", &number) != 1)
        number = otherwise;
    if (from)
        fclose(from);
    return number;
}

static void tell_machine(void)
{
    const long scope = file_number("/proc/sys/kernel/yama/ptrace_scope", 0);
    char limit[64];
    const long memory = file_number("/sys/fs/cgroup/memory.max", 0);
    line("other threads", scope < 3,
         scope < 3 ? "they may be looked at (ptrace)"
                   : "kernel.yama.ptrace_scope is 3: signals are used instead");
    if (memory > 0)
        snprintf(limit, sizeof limit, "the cgroup allows %ld MiB",
                 memory >> 20);
    else
        snprintf(limit, sizeof limit, "the cgroup sets no limit");
    line("memory", true, limit);
}

static bool has_section(Elf *elf, const char *name)
{
    size_t names;
    if (elf_getshdrstrndx(elf, &names) != 0)
        return false;
    for (Elf_Scn *at = NULL; (at = elf_nextscn(elf, at)) != NULL;) {
        GElf_Shdr header;
        const char *const own = gelf_getshdr(at, &header)
                                    ? elf_strptr(elf, names, header.sh_name)
                                    : NULL;
        if (own && strcmp(own, name) == 0)
            return true;
    }
    return false;
}

static bool try_program(const char *name)
{
    int status;
    if (!program_is_runnable(name, &status))
        return false;
    const int fd = open(name, O_RDONLY | O_CLOEXEC);
    elf_version(EV_CURRENT);
    Elf *const elf = fd < 0 ? NULL : elf_begin(fd, ELF_C_READ, NULL);
    if (elf && elf_kind(elf) == ELF_K_ELF) {
        const bool debug = has_section(elf, ".debug_info") ||
                           has_section(elf, ".gnu_debuglink") ||
                           has_section(elf, ".gnu_debugaltlink");
        line("debug information", debug,
             debug ? "files and lines can be named"
                   : "compile with -g for files and lines in messages");
        line("unwind tables", has_section(elf, ".eh_frame"),
             has_section(elf, ".eh_frame")
                 ? "stacks are right"
                 : "compile with -fasynchronous-unwind-tables");
        const bool asan = has_section(elf, "asan_globals");
        line("allocator", true,
             asan ? "AddressSanitizer's; link with Tether, do not preload"
                  : "the program has no AddressSanitizer");
    }
    elf_end(elf);
    if (fd >= 0)
        close(fd);
    return true;
}

static error_t doctor_option(int option, char *value, struct argp_state *state)
{
    const char **const program = state->input;
    if (option != ARGP_KEY_ARG)
        return ARGP_ERR_UNKNOWN;
    *program = value;
    return 0;
}

static const struct argp doctor_argp = {
    .parser = doctor_option,
    .args_doc = "[PROGRAM]",
    .doc = "Says what of Tether works on this machine, and what to do about "
           "the rest; with a program, also what it lacks."
           "\v"
           "Exit status: 0 everything that checks need works, 103 it does "
           "not.\n\n"
           "Example:\n"
           "  tether doctor ./tests"
};

int doctor_main(int argc, char **argv)
{
    const char *program = NULL;
    char folder[PATH_MAX], path[PATH_MAX];
    argp_parse(&doctor_argp, argc, argv, 0, NULL, &program);
    if (!runner_folder(folder, sizeof folder)) {
        say("libtether.so was not found");
        return RUNNER_BLIND;
    }
    bool good =
        line("libraries", file_is_there(folder, "libtether-process.so", path),
             folder);
    const bool plugin = file_is_there(folder, "libtether-criterion.so", path);
    line("Criterion", plugin,
         plugin ? "suites are measured test by test"
                : "libtether-criterion.so is missing: suites are measured "
                  "process by process");
    good &= try_interposition();
    try_analyser(folder);
    tell_machine();
    if (program)
        good &= try_program(program);
    return good ? RUNNER_GOOD : RUNNER_BLIND;
}
