/* SPDX-License-Identifier: MIT */
/*
 * A whole process as one window, for `tether run` on programs that are no
 * Criterion suite. Preloaded beside libtether, it opens a window before main,
 * with the limits of tether.ini and of the environment, and ends it when
 * everything else has ended. It sees public headers only.
 *
 * The end is a handler that belongs to no module and was registered before
 * the loader's own, so it runs after atexit's handlers and all destructors:
 * what is alive then, nobody frees. A process that leaves by _exit or a
 * signal is not judged; its numbers are on the board all the same.
 *
 * A Criterion suite that was started by a script or by make gets here too. It
 * is started anew with the plug-in, which measures test by test.
 */
#include "config/config.h"

#include <tether/board.h>
#include <tether/window.h>

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* libc's, in no header. */
extern int __cxa_atexit(void (*handler)(void *), void *ctx, void *module);

static struct {
    char name[NAME_MAX + 1];
    pid_t pid;        /* whose window it is */
    pthread_t thread; /* that began the budget */
    bool budget_open;
    char text[1024];             /* of the file's items */
    char refusal[512];           /* why the budget is refused */
    struct tether_budget limits; /* as found */
    struct tether_budget budget; /* in force; a forked child's is new */
} process;

static void process_tell(const struct tether_failure *failure, void *ctx)
{
    (void)ctx;
    dprintf(STDERR_FILENO, "tether: %s, process %d:\n%s\n", process.name,
            (int)getpid(), failure->message);
    if (failure->stop)
        _exit(EXIT_FAILURE);
}

static void budget_find(void)
{
    struct config config;
    struct tether_budget of_file;
    const bool file = config_take(&config) &&
                      config_budget(&config, process.name, &of_file,
                                    process.text, sizeof process.text);
    config_drop(&config);
    if (tether_budget_merge(file ? &of_file : NULL, NULL, &process.limits,
                            process.refusal,
                            sizeof process.refusal) == TETHER_OK)
        process.refusal[0] = '\0';
}

static void process_begin(void)
{
    process.budget = process.limits;
    process.pid = getpid();
    process.thread = pthread_self();
    tether_on_failure(process_tell, NULL);
    tether_window_begin(process.name);
    const char *why = tether_window_blind();
    if (!why)
        why = tether_budget_unchecked(&process.budget);
    if (why) {
        tether_board_unchecked(why);
        return;
    }
    tether_window_budget(&process.budget);
    process.budget_open = tether_budget_begin(&process.budget) == TETHER_OK;
}

/* A forked child is measured by itself, from its fork on. */
static void process_child(void)
{
    process.budget_open = false;
    process_begin();
}

/* A budget ends on the thread that began it; exit may be called on any. */
static void process_end(void *unused)
{
    (void)unused;
    if (process.pid != getpid())
        return;
    if (process.budget_open && pthread_equal(process.thread, pthread_self()))
        tether_budget_end(&process.budget);
    tether_window_end(TETHER_CHECK_LEAKS);
}

/* The plug-in's path: beside this library. */
static bool plugin_find(char *path, size_t size)
{
    Dl_info own;
    if (!dladdr(&process, &own))
        return false;
    const char *const slash = strrchr(own.dli_fname, '/');
    const int folder = slash ? (int)(slash - own.dli_fname) + 1 : 0;
    const int len = snprintf(path, size, "%.*slibtether-criterion.so", folder,
                             own.dli_fname);
    return len < (int)size && access(path, R_OK) == 0;
}

static bool is_criterion(void)
{
    return dlsym(RTLD_DEFAULT, "criterion_internal_test_main") != NULL;
}

/* Starts the program anew, with the plug-in between libtether and the rest. */
static void plugin_preload(char **argv)
{
    char self[PATH_MAX], plugin[PATH_MAX];
    const char *const before = getenv("LD_PRELOAD");
    const ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);
    char *list = NULL;
    if (len <= 0 || !before || strstr(before, "libtether-criterion") ||
        !plugin_find(plugin, sizeof plugin) ||
        asprintf(&list, "%s:%s", before, plugin) < 0)
        return;
    self[len] = '\0';
    setenv("LD_PRELOAD", list, 1);
    execv(self, argv);
    setenv("LD_PRELOAD", before, 1);
    free(list);
}

__attribute__((constructor)) static void process_setup(int argc, char **argv)
{
    (void)argc;
    if (!getenv("TETHER_RUN"))
        return;
    if (is_criterion()) {
        if (!dlsym(RTLD_DEFAULT, "tether_criterion_setup"))
            plugin_preload(argv);
        return;
    }
    snprintf(process.name, sizeof process.name, "%s",
             program_invocation_short_name);
    budget_find();
    if (process.refusal[0]) {
        dprintf(STDERR_FILENO, "tether: %s\n", process.refusal);
        _exit(EXIT_BAD_USAGE);
    }
    process_begin();
    pthread_atfork(NULL, NULL, process_child);
    __cxa_atexit(process_end, NULL, NULL);
}
