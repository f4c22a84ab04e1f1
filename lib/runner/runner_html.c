/* SPDX-License-Identifier: MIT */
/*
 * The report as one page for a browser, with no part on any other machine:
 * report.html, with the report and the profile as JSON in place of a mark.
 */
#include "runner/runner.h"

#include <stdlib.h>
#include <string.h>

#define MARK "@DATA@"

/* The page is part of the program. */
__asm__(".section .rodata\n"
        "runner_page: .incbin \"" TT_REPORT_PAGE "\"\n"
        "runner_page_end: .byte 0\n"
        ".previous\n");
extern const char runner_page[], runner_page_end[];

bool report_write_html(const struct report *report, const char *path)
{
    const char *const mark = strstr(runner_page, MARK);
    const char *const rest = mark + strlen(MARK);
    json_t *const root = report_json(report);
    FILE *const to = root ? runner_open(path) : NULL;
    if (report->profile)
        json_object_set(root, "profile", report->profile);
    /* A slash with a backslash cannot end the script that it stands in. */
    char *const data = json_dumps(root, JSON_COMPACT | JSON_ESCAPE_SLASH);
    json_decref(root);
    if (to && data) {
        fwrite(runner_page, 1, (size_t)(mark - runner_page), to);
        fputs(data, to);
        fwrite(rest, 1, (size_t)(runner_page_end - rest), to);
    }
    free(data);
    return to && runner_close(to, path) && data;
}
