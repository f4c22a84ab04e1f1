/* SPDX-License-Identifier: MIT */
/*
 * What libc keeps for the life of the process is no leak of a test's, with or
 * without debug information and however the caches are reached first; what
 * looks like it and is the test's own still is one.
 */
#include <tether/criterion.h>

#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <grp.h>
#include <iconv.h>
#include <libintl.h>
#include <locale.h>
#include <netdb.h>
#include <pthread.h>
#include <pwd.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>

static int numbers_compare(const void *left, const void *right)
{
    return memcmp(left, right, sizeof(int));
}

/* Nothing comes in and output goes nowhere; their buffers stay. */
static void quiet(void)
{
    const int null = open("/dev/null", O_RDWR);
    dup2(null, STDIN_FILENO);
    dup2(null, STDOUT_FILENO);
    close(null);
}

#define NO_LEAK(name, ...)                                        \
    Test(libc_caches, name, .init = quiet, HEAP_BUDGET(NO_LEAKS)) \
    {                                                             \
        __VA_ARGS__                                               \
    }

NO_LEAK(printf_buffer, printf("hello %d\n", 1);)
NO_LEAK(wide_printf_buffer, fwprintf(stdout, L"hello %d\n", 1);)
NO_LEAK(stdin_buffer, ungetc(getchar(), stdin);)
NO_LEAK(stderr_text, fprintf(stderr, "%s", "");)
NO_LEAK(set_locale, setlocale(LC_ALL, ""); setlocale(LC_ALL, "C.UTF-8");)
NO_LEAK(new_locale, freelocale(newlocale(LC_ALL_MASK, "C.UTF-8", NULL));)
NO_LEAK(time_zone, time_t now = 0; localtime(&now);)
NO_LEAK(time_zone_reentrant, time_t now = 0; struct tm tm;
        localtime_r(&now, &tm);)
NO_LEAK(time_zone_set, setenv("TZ", "Europe/Berlin", 1); tzset();)
NO_LEAK(time_zone_mktime, struct tm tm = { .tm_year = 100 }; mktime(&tm);)
NO_LEAK(time_text, time_t now = 0; ctime(&now);)
NO_LEAK(users, getpwnam("root"); getpwuid(1);)
NO_LEAK(groups, getgrnam("root"); getgrgid(1);)
NO_LEAK(services, getservbyname("http", "tcp");)
NO_LEAK(conversion, iconv_t to = iconv_open("UTF-16", "ISO-8859-1");
        if (to != (iconv_t)-1) iconv_close(to);)
NO_LEAK(wide_characters, setlocale(LC_ALL, "C.UTF-8"); wchar_t wide[8];
        mbstowcs(wide, "abc", 8); char text[8]; wcstombs(text, wide, 8);
        btowc('a');)
NO_LEAK(messages, textdomain("none"); bindtextdomain("none", "/nowhere");
        gettext("hello"); dcgettext("none", "hello", LC_MESSAGES);)
NO_LEAK(error_texts, strerror(ENOENT); strerror(12345); strsignal(123);)
NO_LEAK(exit_handlers, for (int i = 0; i < 100; i++) atexit(quiet);)
NO_LEAK(fork_handlers,
        for (int i = 0; i < 100; i++) pthread_atfork(NULL, NULL, NULL);)
NO_LEAK(environment, setenv("TETHER_SELFTEST", "1", 1);
        setenv("TETHER_SELFTEST", "longer than it was", 1);)
NO_LEAK(stack_trace, void *frames[8]; backtrace(frames, 8);)
NO_LEAK(loader, dlopen("libm.so.6", RTLD_NOW);)
NO_LEAK(loader_closed, dlclose(dlopen("libresolv.so.2", RTLD_NOW));)
NO_LEAK(loader_error, dlopen("/no/such/library.so", RTLD_NOW); dlerror();)
NO_LEAK(system_log, openlog("tether", 0, LOG_USER); syslog(LOG_DEBUG, "x");
        closelog();)
NO_LEAK(regular_expression, regex_t expression;
        regcomp(&expression, "a(b|c)*d", REG_EXTENDED); regfree(&expression);)
NO_LEAK(files, FILE *file = tmpfile(); fprintf(file, "x"); fclose(file);)
NO_LEAK(pipes, FILE *pipe = popen("true", "r"); getc(pipe); pclose(pipe);)
NO_LEAK(sorting, size_t count = 20000; int *numbers = calloc(count, 4);
        qsort(numbers, count, 4, numbers_compare); free(numbers);)
NO_LEAK(date_text, char text[64]; time_t now = 0;
        strftime(text, 64, "%c %Z", gmtime(&now));)
NO_LEAK(random_numbers, random(); rand(); drand48();)

static void *prints(void *ctx)
{
    puts("x");
    return ctx;
}

static void *nothing(void *ctx)
{
    return ctx;
}
NO_LEAK(threads, pthread_t thread; pthread_create(&thread, NULL, nothing, NULL);
        pthread_join(thread, NULL);)
NO_LEAK(thread_that_prints, pthread_t thread;
        pthread_create(&thread, NULL, prints, NULL);
        pthread_join(thread, NULL);)
