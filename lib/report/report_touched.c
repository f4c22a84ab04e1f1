/* SPDX-License-Identifier: MIT */
/*
 * Words for the use of memory that is in quarantine.
 *
 *   `alice` was written to after it was freed
 *     4 B changed, from offset 8 on, to 0x61 0x62 0x63 0x64
 *     allocated by  session_new (cache.c:41)
 *     freed by      session_free (cache.c:52)
 */
#include "report/report.h"
#include "report/report_stack.h"

#define STACK_LINES_MAX 8

static void changed_add(struct tt_text *text,
                        const struct tt_quarantine_facts *facts)
{
    tt_text_add(text, "`%s` was written to after it was freed\n  ",
                facts->name);
    tt_text_size(text, facts->changed);
    tt_text_add(text, " changed, from offset %zu on, to", facts->offset);
    for (unsigned i = 0; i < facts->byte_count; i++)
        tt_text_add(text, " 0x%02x", facts->bytes[i]);
    tt_text_add(text, "\n");
}

static void trapped_add(struct tt_text *text,
                        const struct tt_quarantine_facts *facts)
{
    tt_text_add(text, "`%s` was %s after it was freed, %zu B into its ",
                facts->name, facts->write ? "written to" : "read",
                facts->offset);
    tt_text_size(text, facts->size);
    tt_text_add(text, "\n");
    tt_stack_lines(text, "  used by       ", facts->use_stack, STACK_LINES_MAX);
}

void tt_report_touched(const struct tt_quarantine_facts *facts,
                       struct tt_text *text)
{
    if (facts->trapped)
        trapped_add(text, facts);
    else
        changed_add(text, facts);
    tt_stack_lines(text, "  allocated by  ", facts->alloc_stack,
                   STACK_LINES_MAX);
    tt_stack_lines(text, "  freed by      ", facts->free_stack,
                   STACK_LINES_MAX);
    tt_text_add(text, "some pointer to it was kept over the free\n");
    tt_names_tell_trouble(text);
}
