/* SPDX-License-Identifier: MIT */
#include "report_help.h"

struct tt_scope scope;
struct tt_text text;

void open_scope(void)
{
    for (int i = 0; i < TT_LIMITS; i++)
        scope.limit[i] = TT_NO_LIMIT;
    tt_threads_ignore_others();
    tt_scope_begin(&scope);
    tt_text_make(&text);
}

void close_scope(void)
{
    tt_text_drop(&text);
    tt_scope_end(&scope);
}

uint32_t stack_of(const void *object)
{
    struct tt_block block = { .stack = 0 };
    tt_block_find(object, &block);
    return block.stack;
}

/* Cuts the test's own frames out, whose lines move. */
static void own_frames_cut(void)
{
    char *from = text.data, *to = text.data;
    while (*from) {
        const size_t len = strcspn(from, "\n") + 1;
        char *const own = memmem(from, len, " from report_", 13);
        if (own) {
            memmove(to, from, (size_t)(own - from));
            to += own - from;
            *to++ = '\n';
        } else if (!memmem(from, len, "report_", 7)) {
            memmove(to, from, len);
            to += len;
        }
        from += from[len - 1] ? len : len - 1;
    }
    *to = '\0';
    text.len = (size_t)(to - text.data);
}

/* A block of the test that nothing names is in a register, or still on the
 * stack: that is the compiler's choice. */
static void stale_words_are_one(void)
{
    static const char reg[] = "register of this thread";
    static const char word[] = "word on the stack of this thread";
    char *at;
    while ((at = strstr(text.data, reg)) != NULL) {
        const size_t more = sizeof word - sizeof reg;
        const size_t place = (size_t)(at - text.data);
        tt_text_bytes(&text, word, more);
        at = text.data + place;
        memmove(at + sizeof word - 1, at + sizeof reg - 1,
                text.len - more - place - (sizeof reg - 1));
        memcpy(at, word, sizeof word - 1);
        text.data[text.len] = '\0';
    }
}

void expect_text(const char *expected)
{
    own_frames_cut();
    stale_words_are_one();
    cr_expect_str_eq(text.data, expected);
}

struct tt_leak_facts leak_facts(uint64_t bound)
{
    return (struct tt_leak_facts){ .epoch = scope.epoch, .bound = bound };
}
