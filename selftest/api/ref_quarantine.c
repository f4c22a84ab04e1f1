/* SPDX-License-Identifier: MIT */
/*
 * Quarantine: what is kept, for how long, and what is said of whoever uses it.
 */
#include <criterion/criterion.h>
#include <tether/criterion.h>

#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline))
/* No jump in place of the call. */
#define S __asm__ volatile("" ::: "memory")

/* clang-format off */
#line 10 "session.c"
static NOINLINE char *session_new(size_t n) { char *s = malloc(n); S; return s;}
static NOINLINE void session_free(char *s) { free(s); S; }
static NOINLINE void session_use(volatile char *s) { *s = 'x'; S; }
static NOINLINE char session_read(volatile char *s) { char c = *s; S; return c;}
#line 27 "ref_quarantine.c"
/* clang-format on */

static char told[8192];
static int tellings;
static int pipe_to = -1; /* in a child: where the message goes */

static void tell(const struct tether_failure *failure, void *ctx)
{
    (void)ctx;
    tellings++;
    strncpy(told, failure->message, sizeof told - 1);
    if (pipe_to >= 0) {
        if (write(pipe_to, told, strlen(told)) < 0)
            _exit(1);
        _exit(failure->stop ? 7 : 8);
    }
}

/* Hides from the compiler that the pointer was freed. */
static char *dangling(char *pointer)
{
    __asm__ volatile("" : "+r"(pointer));
    return pointer;
}

static tether_weak quarantined(char *object, int trap)
{
    const tether_weak ref =
        tether_weak_to_at(object, "alice", __FILE__, __LINE__);
    const tether_status status =
        trap ? tether_quarantine(ref, .trap = 1) : tether_quarantine(ref);
    if (status == TETHER_BLIND)
        cr_skip("AddressSanitizer has a quarantine of its own");
    cr_assert_eq(status, TETHER_OK);
    tether_on_failure(tell, NULL);
    return ref;
}

Test(ref_quarantine, an_address_stays_out_of_use, HEAP_BUDGET(NO_LEAKS))
{
    struct tether_last_words words;
    struct tether_stats before;
    struct tether_stats after;
    char *alice = session_new(40);
    const tether_weak ref = quarantined(alice, 0);
    tether_stats(&before);
    const uintptr_t address = (uintptr_t)alice;
    session_free(alice);
    tether_stats(&after);
    ASSERT_COLLECTED(ref);
    cr_assert_eq(after.live_bytes, before.live_bytes - 40);
    for (int i = 0; i < 20000; i++) {
        char *const other = session_new(40);
        cr_assert_neq((uintptr_t)other, address);
        session_free(other);
    }
    cr_assert_eq(tether_weak_last_words(ref, &words), TETHER_OK);
    cr_assert_null(words.now.address);
    cr_assert_eq(tether_quarantine(ref), TETHER_NOT_AN_OBJECT);
    tether_weak_drop(ref);
    cr_assert_eq(tellings, 0);
    bool again = false;
    char *many[4096];
    for (int i = 0; i < 4096; i++) {
        many[i] = session_new(40);
        again = again || (uintptr_t)many[i] == address;
    }
    cr_assert(again, "the memory was not given back");
    for (int i = 0; i < 4096; i++)
        session_free(many[i]);
}

static const char written[] = "`alice` was written to after it was freed\n"
                              "  1 B changed, from offset 8 on, to 0x78\n"
                              "  allocated by  session_new (session.c:10)\n";

Test(ref_quarantine, a_write_is_found_once)
{
    char *const alice = session_new(40);
    const tether_weak ref = quarantined(alice, 0);
    session_free(alice);
    cr_assert_eq(tether_quarantine_check(), 0);
    session_use(dangling(alice) + 8);
    cr_assert_eq(tether_quarantine_check(), 1);
    cr_assert_eq(tellings, 1);
    cr_assert_eq(strncmp(told, written, sizeof written - 1), 0, "%s", told);
    cr_assert_not_null(strstr(told, "  freed by      session_free "
                                    "(session.c:11)\n"));
    cr_assert_eq(tether_quarantine_check(), 0);
    tether_weak_drop(ref);
    cr_assert_eq(tellings, 1);
}

Test(ref_quarantine, a_write_is_found_at_the_drop)
{
    char *const alice = session_new(40);
    const tether_weak ref = quarantined(alice, 0);
    const tether_weak other = tether_weak_to(alice);
    session_free(alice);
    session_use(dangling(alice) + 8);
    tether_weak_drop(other);
    cr_assert_eq(tellings, 0);
    tether_weak_drop(ref);
    cr_assert_eq(tellings, 1);
    cr_assert_eq(strncmp(told, written, sizeof written - 1), 0, "%s", told);
}

Test(ref_quarantine, a_write_is_found_at_the_windows_end)
{
    char *const alice = session_new(40);
    (void)quarantined(alice, 0);
    session_free(alice);
    session_use(dangling(alice) + 8);
    tether_window_end(TETHER_CHECK_LEAKS);
    cr_assert_eq(tellings, 1);
    cr_assert_eq(strncmp(told, written, sizeof written - 1), 0, "%s", told);
    tether_window_begin("for the plug-in to end");
}

Test(ref_quarantine, the_oldest_leaves_first_and_is_looked_at)
{
    enum { MANY = 40, BYTES = 1 << 20 }; /* 16 of them fit */
    tether_weak refs[MANY];
    char *first = NULL;
    for (int i = 0; i < MANY; i++) {
        char *const block = session_new(BYTES);
        refs[i] = quarantined(block, 0);
        first = first ? first : block;
        session_free(block);
        if (i == 0)
            session_use(dangling(first) + 8);
    }
    cr_assert_eq(tellings, 0); /* it left inside a free */
    cr_assert_eq(tether_quarantine_check(), 1);
    cr_assert_not_null(strstr(told, "from offset 8 on, to 0x78\n"));
    for (int i = 0; i < MANY; i++)
        tether_weak_drop(refs[i]);
    cr_assert_eq(tellings, 1);
}

Test(ref_quarantine, realloc_is_no_death)
{
    char *alice = session_new(40);
    const tether_weak ref = quarantined(alice, 0);
    alice = realloc(alice, 100000);
    memset(alice, 1, 100000);
    ASSERT_ALIVE(ref);
    session_free(alice);
    session_use(dangling(alice) + 99999);
    cr_assert_eq(tether_quarantine_check(), 1);
    cr_assert_not_null(strstr(told, "from offset 99999 on"));
    tether_weak_drop(ref);
}

static int child_status(void (*use)(char *), char *message, size_t size)
{
    int ends[2];
    int status = 0;
    size_t len = 0;
    ssize_t more;
    cr_assert_eq(pipe(ends), 0);
    char *const alice = session_new(3 * 4096);
    (void)quarantined(alice, 1);
    const pid_t child = fork();
    if (child == 0) {
        const struct rlimit no_core = { 0, 0 };
        setrlimit(RLIMIT_CORE, &no_core);
        pipe_to = ends[1];
        session_free(alice);
        use(dangling(alice));
        _exit(0);
    }
    close(ends[1]);
    while ((more = read(ends[0], message + len, size - 1 - len)) > 0)
        len += (size_t)more;
    message[len] = '\0';
    close(ends[0]);
    cr_assert_eq(waitpid(child, &status, 0), child);
    session_free(alice);
    return status;
}

static void use_middle(char *object)
{
    session_use(object + 5000);
}

static void read_middle(char *object)
{
    session_read(object + 5000);
}

static void use_elsewhere(char *object)
{
    (void)object;
    signal(SIGUSR1, SIG_IGN);
    session_use(dangling((char *)(uintptr_t)64));
}

Test(ref_quarantine, a_use_faults_at_once)
{
    char message[4096];
    int status = child_status(use_middle, message, sizeof message);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 7, "%x", status);
    cr_assert_eq(message,
                 strstr(message,
                        "`alice` was written to after it was freed, 5000 B "
                        "into its 12 KiB\n  used by       session_use "
                        "(session.c:12)\n"),
                 "%s", message);
    cr_assert_not_null(strstr(message, "  freed by      session_free"));
    status = child_status(read_middle, message, sizeof message);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 7, "%x", status);
    cr_assert_not_null(strstr(message, "`alice` was read after it was freed"));
}

/* Whether Criterion's or the kernel's own: it is not Tether that answers. */
Test(ref_quarantine, other_faults_go_on)
{
    char message[4096];
    struct sigaction plain = { .sa_handler = SIG_DFL };
    sigaction(SIGSEGV, &plain, NULL);
    const int status = child_status(use_elsewhere, message, sizeof message);
    cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    cr_assert_str_empty(message);
}

Test(ref_quarantine, small_objects_cannot_trap)
{
    char *const alice = session_new(40);
    const tether_weak ref = tether_weak_to(alice);
    const tether_status status = tether_quarantine(ref, .trap = 1);
    if (status == TETHER_BLIND)
        cr_skip("AddressSanitizer has a quarantine of its own");
    cr_assert_eq(status, TETHER_REFUSED);
    session_free(alice);
    tether_weak_drop(ref);
}

/* Many threads free, drop and allocate; nothing that is kept is touched. */
static void *thread_run(void *ctx)
{
    for (int i = 0; i < 500; i++) {
        tether_weak refs[8];
        for (int k = 0; k < 8; k++) {
            char *const block = session_new(16u << (k + i % 3));
            memset(block, i, 16u << (k + i % 3));
            refs[k] = tether_weak_to(block);
            tether_quarantine(refs[k]);
            session_free(block);
        }
        for (int k = 0; k < 8; k++)
            tether_weak_drop(refs[k]);
    }
    return ctx;
}

Test(ref_quarantine, threads)
{
    pthread_t threads[4];
    tether_on_failure(tell, NULL);
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, thread_run, NULL);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    cr_assert_eq(tellings, 0, "%s", told);
}
