/* SPDX-License-Identifier: MIT */
/*
 * tether-analyse, on programs that are built here in every way that matters:
 * each asks about its own stack (fixture/asker.c).
 */
#include "os/os.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[64];

static void folder_make(void)
{
    strcpy(folder, "/tmp/tether-analyse-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
}

/* Runs a script in the folder; $SRC and $ANALYSE are set. Returns its output,
 * which lives until the next call. */
static const char *shell(const char *script)
{
    static char output[65536];
    char command[4096];
    snprintf(command, sizeof command,
             "cd %s && SRC=%s/fixture ANALYSE=%s && set -e && { %s\n} 2>&1",
             folder, TT_UNIT_DIR, TT_ANALYSER, script);
    FILE *const pipe = popen(command, "r");
    const size_t got = fread(output, 1, sizeof output - 1, pipe);
    output[got] = '\0';
    pclose(pipe);
    return output;
}

static void folder_drop(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    cr_assert_eq(system(command), 0);
}

TestSuite(analyse, .init = folder_make, .fini = folder_drop);

/* Builds and runs with the script, and says the frames, a line each:
 * 'KIND FUNCTION FILE:LINE MODULE'. */
static const char *frames(const char *script)
{
    char whole[4096];
    snprintf(whole, sizeof whole,
             "%s\n./asker \"$ANALYSE\" - $LIB > answer; awk -F'\\t' "
             "'$1 == \"f\" { sub(\".*/\", \"\", $5); "
             "print $3, $4, $5 \":\" $6, $7 }' answer",
             script);
    return shell(whole);
}

#define NAMED                       \
    "i inlined asker.c:112 asker\n" \
    "d outer asker.c:122 asker\n"   \
    "d hidden asker.c:132 asker\n"  \
    "d main asker.c:163 asker\n"
#define VDSO  "n  :0 linux-vdso\nn  :0 \n"

#define FLAGS "-O1 -fno-omit-frame-pointer $SRC/asker.c -o asker -ldl"

#define BUILT(name, compile)                           \
    Test(analyse, name)                                \
    {                                                  \
        cr_expect_str_eq(frames(compile), NAMED VDSO); \
    }

BUILT(gcc_dwarf_5, "gcc -g -gdwarf-5 " FLAGS)
BUILT(gcc_dwarf_4, "gcc -g -gdwarf-4 " FLAGS)
BUILT(gcc_split, "gcc -g -gsplit-dwarf " FLAGS)
BUILT(gcc_split_dwarf_4, "gcc -g -gsplit-dwarf -gdwarf-4 " FLAGS)
BUILT(gcc_compressed, "gcc -g -gz=zlib " FLAGS)
BUILT(gcc_compressed_the_old_way, "gcc -g -gz=zlib-gnu " FLAGS)
BUILT(gcc_no_pie, "gcc -g -no-pie -fno-pie " FLAGS)
BUILT(gcc_lto, "gcc -g -flto -ffat-lto-objects " FLAGS)
BUILT(clang_dwarf_5, "clang -g -gdwarf-5 " FLAGS)
BUILT(clang_dwarf_4, "clang -g -gdwarf-4 " FLAGS)
BUILT(clang_split, "clang -g -gsplit-dwarf " FLAGS)
BUILT(clang_split_dwarf_4, "clang -g -gsplit-dwarf -gdwarf-4 " FLAGS)
BUILT(clang_compressed, "clang -g -gz " FLAGS)
BUILT(debug_link, "gcc -g " FLAGS "; objcopy --only-keep-debug asker asker.dbg;"
                  "strip asker; objcopy --add-gnu-debuglink=asker.dbg asker")
BUILT(debug_link_in_its_folder,
      "gcc -g -Wl,--build-id=none " FLAGS "; mkdir .debug;"
      "objcopy --only-keep-debug asker .debug/asker.dbg; strip asker;"
      "objcopy --add-gnu-debuglink=.debug/asker.dbg asker")
BUILT(build_id, "gcc -g -Wl,--build-id=0x1234567890abcdef " FLAGS
                "; mkdir -p root/.build-id/12; objcopy --only-keep-debug asker "
                "root/.build-id/12/34567890abcdef.debug; strip asker;"
                "ANALYSE=\"$ANALYSE --debug-dir $PWD/root\"")

Test(analyse, a_debug_file_of_another_build_is_not_used)
{
    const char *const got =
        frames("gcc -g -Wl,--build-id=none " FLAGS "; objcopy "
               "--only-keep-debug asker asker.dbg; strip asker; objcopy "
               "--add-gnu-debuglink=asker.dbg asker; echo >> asker.dbg");
    cr_expect_eq(strncmp(got, "n  :0 asker\n", 12), 0, "%s", got);
}

Test(analyse, without_debug_information_symbols)
{
    cr_expect_str_eq(frames("gcc " FLAGS), "s outer :0 asker\n"
                                           "s hidden :0 asker\n"
                                           "s main :0 asker\n" VDSO);
    cr_expect_str_eq(shell("grep ^m answer | head -1"), "m\tasker\tnodebug\n");
}

Test(analyse, stripped_exported_symbols_and_no_lies)
{
    cr_expect_str_eq(frames("gcc -rdynamic " FLAGS "; strip asker"),
                     "s outer :0 asker\n"
                     "n  :0 asker\n" /* not 'outer', which is before it */
                     "s main :0 asker\n" VDSO);
}

Test(analyse, offsets_are_what_addr2line_takes)
{
    const char *const got = shell(
        "gcc -g " FLAGS "; ./asker \"$ANALYSE\" - > answer;"
        "for at in $(awk -F'\\t' '$3 == \"d\" { print $8 }' answer); do "
        "addr2line -f -e asker $(printf %x $((0x$at - 1))) | head -1; done");
    cr_expect_str_eq(got, "inlined\nhidden\nmain\n");
}

Test(analyse, a_deleted_program)
{
    const char *const got =
        shell("gcc -g " FLAGS "; ./asker \"$ANALYSE\" asker > answer;"
              "test ! -e asker; grep -c 'asker.c' answer");
    cr_expect_str_eq(got, "4\n");
}

Test(analyse, a_program_replaced_while_it_ran_is_not_mistaken)
{
    const char *const got = shell(
        "gcc -g " FLAGS "; cp /bin/true other; mv asker old; cp old asker;"
        "./asker \"mv other asker; $ANALYSE\" asker > answer;"
        "grep -c 'asker.c' answer");
    cr_expect_str_eq(got, "4\n");
}

#define LIBRARY(compiler, source)                             \
    "gcc -g " FLAGS "; " compiler                             \
    " -O1 -fno-omit-frame-pointer -shared -fPIC $SRC/" source \
    " -o lib.so; LIB=./lib.so;"

Test(analyse, a_library_opened_at_run_time)
{
    const char *const got = frames(LIBRARY("clang -g", "library.c"));
    cr_expect_not_null(strstr(got, "d hidden asker.c:132 asker\n"
                                   "d lib_call library.c:12 lib.so\n"
                                   "d main asker.c:161 asker\n"),
                       "%s", got);
}

Test(analyse, a_library_without_debug_information)
{
    const char *const got = frames(LIBRARY("gcc", "library.c") "strip lib.so");
    cr_expect_not_null(strstr(got, "s lib_call :0 lib.so\n"), "%s", got);
    cr_expect_str_eq(shell("grep lib.so.nodebug answer"),
                     "m\tlib.so\tnodebug\n");
}

Test(analyse, names_of_cxx_are_qualified)
{
    const char *got = frames(LIBRARY("g++ -g", "classes.cpp"));
    cr_expect_not_null(strstr(got, "d shop::basket::add classes.cpp:16 lib.so\n"
                                   "d lib_call classes.cpp:24 lib.so\n"),
                       "%s", got);
    got = frames(LIBRARY("clang++ -g", "classes.cpp"));
    cr_expect_not_null(strstr(got, "d shop::basket::add classes.cpp:16"), "%s",
                       got);
    got = frames(LIBRARY("g++", "classes.cpp"));
    cr_expect_not_null(strstr(got, "s shop::basket::add :0 lib.so"), "%s", got);
}

/* ---- functions by name ---- */

/* Asks for functions of a file 'many', which the script builds, and which is
 * mapped as a whole, so that the last four digits of an address are those of
 * the symbol. The answer, a line each: number and letter as they are, and the
 * symbols (of the file 'whole') that are at that address. */
static const char *functions(const char *script, const char *names)
{
    char whole[4096];
    snprintf(whole, sizeof whole,
             "%s\ntest -e whole || cp many whole;"
             "{ echo tether-functions 1; echo maps; echo 10000000-10010000 "
             "r-xp 00000000 00:00 1 $PWD/many; echo .;"
             "printf 'n %%s\\n' %s; echo end; } | $ANALYSE functions > answer;"
             "nm whole | awk 'FNR == NR { at[substr($1, 13)] = $3; next } "
             "$1 == \"a\" { print $2, \"a\", at[substr($3, 5)] } "
             "$1 == \"i\" || $1 == \"u\" { print $2, $1, $3 }' - answer |"
             "LC_ALL=C sort",
             script, names);
    return shell(whole);
}

#define MANY                                                          \
    "gcc -O2 -c $SRC/many.c -o first.o; "           /* static work */ \
    "gcc -O2 -c -DSECOND $SRC/many.c -o second.o; " /* another */     \
    "gcc -nostdlib -shared -o many first.o second.o; "

Test(analyse, functions_of_all_files_and_parts)
{
    cr_expect_str_eq(functions("gcc -g -O2 -c $SRC/many.c -o first.o;"
                               "gcc -g -O2 -c -DSECOND $SRC/many.c -o second.o;"
                               "gcc -nostdlib -shared -o many *.o",
                               "work only_first none wrk used_inline"),
                     "0 a work\n0 a work\n0 a work.cold\n0 a work.cold\n"
                     "1 a only_first\n"
                     "2 u \n"
                     "3 u work\n"
                     "4 i \n");
}

Test(analyse, functions_that_are_exported)
{
    cr_expect_str_eq(
        functions(MANY "cp many whole; strip many", "only_first work"),
        "0 a only_first\n1 u \n");
}

Test(analyse, functions_of_a_debug_file)
{
    cr_expect_str_eq(
        functions(MANY "cp many whole; objcopy --only-keep-debug many many.dbg;"
                       "strip many; objcopy --add-gnu-debuglink=many.dbg many",
                  "work"),
        "0 a work\n0 a work\n0 a work.cold\n0 a work.cold\n");
}

Test(analyse, functions_of_the_packed_table)
{
    cr_expect_str_eq(
        functions(MANY "cp many whole; strip many; objcopy --only-keep-debug "
                       "whole mini; xz mini; objcopy --add-section "
                       ".gnu_debugdata=mini.xz many",
                  "work only_first"),
        "0 a work\n0 a work\n0 a work.cold\n0 a work.cold\n1 a only_first\n");
}

Test(analyse, functions_of_debug_information_alone)
{
    cr_expect_str_eq(
        functions("for part in 1 2; do gcc -g -O2 -c $SRC/many.c $([ $part = 2 "
                  "] && echo -DSECOND) -o $part.o; done;"
                  "gcc -nostdlib -shared -o many *.o; cp many whole;"
                  "objcopy --strip-all --keep-section='.debug*' many",
                  "work only_first"),
        "0 a work\n0 a work\n0 a work.cold\n0 a work.cold\n1 a only_first\n");
}

Test(analyse, functions_of_clang)
{
    cr_expect_str_eq(functions("clang -O2 -fPIC -c $SRC/many.c -o first.o;"
                               "clang -nostdlib -shared -o many first.o",
                               "work only_first"),
                     "0 a work\n1 a only_first\n");
}

Test(analyse, refuses_questions_for_functions_that_it_does_not_understand)
{
    cr_expect_str_eq(
        shell("for item in 'r 10' n 'n '; do printf 'tether-functions 1\\n%s\\n"
              "end\\n' \"$item\" | $ANALYSE functions || echo $?; done"),
        "tether-analyse: bad question: a line is not understood\n2\n"
        "tether-analyse: bad question: a line is not understood\n2\n"
        "tether-analyse: bad question: a line is not understood\n2\n");
    cr_expect_str_eq(shell("echo tether-names 1 | $ANALYSE functions ||"
                           "echo $?"),
                     "tether-analyse: bad question: its first line is not "
                     "'tether-functions 1'\n2\n");
}

/* ---- the protocol ---- */

static int ask(const char *question, size_t bytes, struct tt_text *answer)
{
    const char *const argv[] = { TT_ANALYSER, "names", NULL };
    tt_text_make(answer);
    return tt_os_run(argv, question, bytes, answer, 20000);
}

static void expect_refused(const char *question)
{
    struct tt_text answer;
    cr_expect_eq(ask(question, strlen(question), &answer), 2, "%s", question);
    cr_expect_str_eq(answer.data, "");
    tt_text_drop(&answer);
}

Test(analyse, refuses_questions_that_it_does_not_understand)
{
    expect_refused("");
    expect_refused("end\n");
    expect_refused("tether-names 2\nend\n");
    expect_refused("tether-names 1\n");
    expect_refused("tether-names 1\nr 10\n");
    expect_refused("tether-names 1\nr\nend\n");
    expect_refused("tether-names 1\nr xyz\nend\n");
    expect_refused("tether-names 1\nq 10\nend\n");
    expect_refused("tether-names 1\nmaps\nr 10\nend\n");
    expect_refused("tether-names 1\nmaps\nnonsense\n.\nend\n");
}

Test(analyse, answers_an_empty_question)
{
    static const char question[] = "tether-names 1\nend\n";
    struct tt_text answer;
    cr_expect_eq(ask(question, sizeof question - 1, &answer), 0);
    cr_expect_str_eq(answer.data, "tether-names 1\nend\n");
    tt_text_drop(&answer);
}

Test(analyse, a_mapped_file_may_be_anything)
{
    static const char question[] =
        "tether-names 1\npid 1\nmaps\n"
        "1000-2000 r-xp 00000000 00:00 1 /etc/passwd\n"
        "2000-3000 r-xp 00000000 00:00 1 /no/such/file\n"
        "3000-4000 r-xp 00000000 00:00 1 /gone (deleted)\n"
        "4000-5000 r-xp 00000000 00:00 0 \n"
        "5000-6000 r-xp 00000000 00:00 0 [anything]\n"
        "6000-7000 r-xp 00000000 00:00 1 /\n"
        ".\nr 1010\nr 2010\nr 3010\nr 4010\nr 5010\nr 6010\nend\n";
    struct tt_text answer;
    cr_expect_eq(ask(question, sizeof question - 1, &answer), 0);
    cr_expect_str_eq(answer.data, "tether-names 1\n"
                                  "m\tpasswd\tunreadable\n"
                                  "m\tfile\tunreadable\n"
                                  "m\tgone\tunreadable\n"
                                  "f\t0\tn\t\t\t0\tpasswd\t10\n"
                                  "f\t1\tn\t\t\t0\tfile\t10\n"
                                  "f\t2\tn\t\t\t0\tgone\t10\n"
                                  "f\t3\tn\t\t\t0\t\t10\n"
                                  "f\t4\tn\t\t\t0\t\t10\n"
                                  "f\t5\tn\t\t\t0\t\t10\n"
                                  "end\n");
    tt_text_drop(&answer);
}

Test(analyse, survives_noise)
{
    unsigned seed = 20240501;
    for (int run = 0; run < 40; run++) {
        char question[2048] = "tether-names 1\n";
        size_t len = strlen(question);
        while (len < sizeof question - 1) {
            static const char letters[] = "rx0123456789af \n.-maps/pid\t\377";
            question[len++] =
                letters[(size_t)rand_r(&seed) % (sizeof letters - 1)];
        }
        struct tt_text answer;
        const int status = ask(question, len, &answer);
        cr_expect(status == 0 || status == 2, "status %d, run %d", status, run);
        tt_text_drop(&answer);
    }
}

Test(analyse, survives_damaged_files)
{
    const char *const got = shell(
        "gcc -g " FLAGS "; ./asker \"$ANALYSE\" - > /dev/null;"
        "for at in 100 1000 4000 9000 12000 14000; do head -c $at asker > bad;"
        "printf 'tether-names 1\\nmaps\\n1000-9000 r-xp 00000000 00:00 1 %s\\n"
        ".\\nr 1180\\nr 1300\\nr 2180\\nend\\n' $PWD/bad | $ANALYSE names "
        "| tail -1; done");
    cr_expect_str_eq(got, "end\nend\nend\nend\nend\nend\n");
}

/* ---- the command line ---- */

Test(analyse, helps)
{
    const char *const got = shell("$ANALYSE --help");
    cr_expect_eq(strncmp(got, "Usage: tether-analyse --pid", 27), 0);
    cr_expect_eq(strncmp(shell("$ANALYSE --version"), "tether-analyse 0.", 17),
                 0);
}

Test(analyse, says_what_is_wrong_with_its_arguments)
{
    cr_expect_str_eq(shell("$ANALYSE < /dev/null || echo $?"),
                     "tether-analyse: what is to be done? --pid, --core or a "
                     "mode is needed\n"
                     "Try 'tether-analyse --help'.\n2\n");
    cr_expect_str_eq(shell("$ANALYSE paths || echo $?"),
                     "tether-analyse: unknown mode: paths\n"
                     "Try 'tether-analyse --help'.\n2\n");
    cr_expect_str_eq(shell("$ANALYSE names --debug || echo $?"),
                     "tether-analyse: unknown option: --debug\n"
                     "Try 'tether-analyse --help'.\n2\n");
    cr_expect_str_eq(shell("echo hi | $ANALYSE names || echo $?"),
                     "tether-analyse: bad question: its first line is not "
                     "'tether-names 1'\n2\n");
}

Test(analyse, says_what_it_cannot_look_at)
{
    cr_expect_str_eq(shell("$ANALYSE reach 3< /dev/null 4< /dev/null || "
                           "echo $?"),
                     "tether-analyse: bad record: there is no record\n2\n");
    cr_expect_str_eq(shell("head -c 4096 /dev/zero > zeros;"
                           "$ANALYSE reach 3< /dev/null 4< zeros || echo $?"),
                     "tether-analyse: bad record: the record is of another "
                     "version of Tether\n2\n");
    cr_expect_str_eq(shell("$ANALYSE --pid 999999999 main || echo $?"),
                     "tether-analyse: the process: there is no such "
                     "process\n1\n");
    cr_expect_str_eq(shell("$ANALYSE --core zeros main || echo $?"),
                     "tether-analyse: zeros: it is no core file that can be "
                     "read\n1\n");
    cr_expect_str_eq(shell("$ANALYSE --pid x main || echo $?"),
                     "tether-analyse: a number is needed: --pid\n"
                     "Try 'tether-analyse --help'.\n2\n");
}
