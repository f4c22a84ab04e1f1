/* SPDX-License-Identifier: MIT */
/*
 * Words for a bad free or realloc: what the pointer is, and every stack that
 * is known of it.
 *
 * Hook: everything here runs inside free or realloc.
 */
#include "report/report.h"
#include "report/report_stack.h"

#define STACK_LINES_MAX 8

static void address_add(const struct tt_misuse_report *report,
                        struct tt_text *text)
{
    if (tt_report_verbose())
        tt_text_add(text, " at %p", (void *)report->address);
}

static const char *ignored(const struct tt_misuse_report *report)
{
    return report->call[0] == 'r' ? "it returned NULL" : "the call was ignored";
}

static void double_free(const struct tt_misuse_report *report,
                        struct tt_text *text)
{
    const bool is_free = report->call[0] == 'f';
    tt_text_add(text, "%s of a ", is_free ? "double free" : report->call);
    /* A freed block's size goes with its memory. */
    if (report->block.size) {
        tt_text_size(text, report->block.size);
        tt_text_add(text, " ");
    }
    tt_text_add(text, "block%s", is_free ? "" : " that was freed already");
    address_add(report, text);
    tt_text_add(text, "\n");
    tt_stack_lines(text, "  allocated by    ", report->block.stack,
                   STACK_LINES_MAX);
    tt_stack_lines(text, "  first freed by  ", report->freed_stack,
                   STACK_LINES_MAX);
    tt_stack_lines(text, is_free ? "  freed again by  " : "  called by       ",
                   report->now_stack, STACK_LINES_MAX);
    tt_text_add(text, "%s; set the pointer to NULL where it is freed\n",
                is_free ? "the second free was ignored" : ignored(report));
}

static void inside(const struct tt_misuse_report *report, struct tt_text *text)
{
    const size_t into = (size_t)((const char *)report->address -
                                 (const char *)report->block.address);
    tt_text_add(text, "%s of a pointer %zu B into a block of ", report->call,
                into);
    tt_text_size(text, report->block.size);
    address_add(report, text);
    tt_text_add(text, "\n");
    tt_stack_lines(text, "  block allocated by  ", report->block.stack,
                   STACK_LINES_MAX);
    tt_stack_lines(text, "  called by           ", report->now_stack,
                   STACK_LINES_MAX);
    tt_text_add(text, "%s; pass the pointer that malloc returned\n",
                ignored(report));
}

static void foreign(const struct tt_misuse_report *report, struct tt_text *text)
{
    char bytes[256];
    struct tt_text why;
    tt_text_fixed(&why, bytes, sizeof bytes);
    tt_block_tell_why_not(report->address, &why);
    tt_text_add(text, "%s of a pointer that no malloc returned", report->call);
    address_add(report, text);
    tt_text_add(text, "\n");
    if (why.len > 0)
        tt_text_add(text, "  it %s\n", why.data);
    tt_stack_lines(text, "  called by  ", report->now_stack, STACK_LINES_MAX);
    tt_text_add(text, "%s\n", ignored(report));
}

void tt_report_misuse(const struct tt_misuse_report *report,
                      struct tt_text *text)
{
    switch (report->kind) {
    case TT_MISUSE_DOUBLE_FREE:
        double_free(report, text);
        break;
    case TT_MISUSE_INSIDE:
        inside(report, text);
        break;
    case TT_MISUSE_FOREIGN:
        foreign(report, text);
        break;
    }
    tt_names_tell_trouble(text);
}
