/* SPDX-License-Identifier: MIT */
/*
 * The report for people and for CI systems: Markdown, JUnit XML, annotations.
 */
#include "runner/runner.h"

#include <tether/window.h>

#include <inttypes.h>
#include <string.h>

/* In words, what broke in a test; "" when nothing did. */
static const char *failed_text(unsigned failed)
{
    if (failed & (1u << TETHER_FAILURE_MISUSE))
        return "a bad pointer was freed";
    if (failed & (1u << TETHER_FAILURE_BREACH | 1u << TETHER_FAILURE_LIMIT))
        return "a limit broke";
    if (failed & 1u << TETHER_FAILURE_LEAK)
        return "it leaks";
    return "";
}

static const char *leaked_text(const struct table_row *row, char *text,
                               size_t size)
{
    if (!row->leaked_known)
        return "?";
    return table_size(row->leaked_bytes, text, size);
}

/* What ends a cell, or means something, in a Markdown table. */
static void markdown_name(FILE *to, const char *name)
{
    for (; *name; name++) {
        if (strchr("|\\`*_<>[]", *name))
            fputc('\\', to);
        fputc(*name, to);
    }
}

bool report_write_markdown(const struct report *report, const char *path)
{
    FILE *const to = runner_open(path);
    size_t failed = 0, unchecked = 0;
    if (!to)
        return false;
    for (size_t i = 0; i < report->table.count; i++) {
        failed += report->table.rows[i].failed != 0;
        unchecked += report->table.rows[i].unchecked != NULL;
    }
    fprintf(to,
            "### Tether: %zu tests, %zu over a limit or leaking, %zu "
            "unchecked\n\n"
            "| test | peak | largest | total | count | leaked | |\n"
            "| :-- | --: | --: | --: | --: | --: | :-- |\n",
            report->table.count, failed, unchecked);
    for (size_t i = 0; i < report->table.count; i++) {
        const struct table_row *const row = &report->table.rows[i];
        char peak[24], largest[24], total[24], leaked[24];
        fputs("| ", to);
        markdown_name(to, row->name);
        if (row->unchecked) {
            fprintf(to, " | | | | | | unchecked: %s |\n", row->unchecked);
            continue;
        }
        fprintf(to, " | %s | %s | %s | %" PRIu64 " | %s | %s |\n",
                table_size(row->stats.peak_bytes, peak, sizeof peak),
                table_size(row->stats.largest_bytes, largest, sizeof largest),
                table_size(row->stats.total_bytes, total, sizeof total),
                row->stats.total_count, leaked_text(row, leaked, sizeof leaked),
                failed_text(row->failed));
    }
    return runner_close(to, path);
}

static void xml_text(FILE *to, const char *text)
{
    for (; *text; text++) {
        const unsigned char byte = (unsigned char)*text;
        if (byte == '&')
            fputs("&amp;", to);
        else if (byte == '<')
            fputs("&lt;", to);
        else if (byte == '"')
            fputs("&quot;", to);
        else if (byte < 0x20)
            fputc(' ', to);
        else
            fputc(byte, to);
    }
}

static void junit_property(FILE *to, const char *name, uint64_t value)
{
    fprintf(to,
            "        <property name=\"tether.%s\" value=\"%" PRIu64 "\"/>\n",
            name, value);
}

static void junit_row(FILE *to, const struct table_row *row)
{
    char suite[512];
    const char *const test = name_split(row->name, suite, sizeof suite);
    fputs("    <testcase classname=\"", to);
    xml_text(to, suite);
    fputs("\" name=\"", to);
    xml_text(to, test);
    fputs("\">\n", to);
    if (row->unchecked) {
        fputs("      <skipped message=\"", to);
        xml_text(to, row->unchecked);
        fputs("\"/>\n    </testcase>\n", to);
        return;
    }
    fputs("      <properties>\n", to);
    junit_property(to, "peak_bytes", row->stats.peak_bytes);
    junit_property(to, "largest_bytes", row->stats.largest_bytes);
    junit_property(to, "total_bytes", row->stats.total_bytes);
    junit_property(to, "count", row->stats.total_count);
    if (row->leaked_known)
        junit_property(to, "leaked_bytes", row->leaked_bytes);
    fputs("      </properties>\n", to);
    if (row->failed)
        fprintf(to, "      <failure message=\"%s\"/>\n",
                failed_text(row->failed));
    fputs("    </testcase>\n", to);
}

bool report_write_junit(const struct report *report, const char *path)
{
    FILE *const to = runner_open(path);
    size_t failed = 0, skipped = 0;
    if (!to)
        return false;
    for (size_t i = 0; i < report->table.count; i++) {
        const struct table_row *const row = &report->table.rows[i];
        skipped += row->unchecked != NULL;
        failed += !row->unchecked && row->failed;
    }
    fprintf(to,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
            "<testsuites>\n  <testsuite name=\"tether\" tests=\"%zu\" "
            "failures=\"%zu\" skipped=\"%zu\">\n",
            report->table.count, failed, skipped);
    for (size_t i = 0; i < report->table.count; i++)
        junit_row(to, &report->table.rows[i]);
    fputs("  </testsuite>\n</testsuites>\n", to);
    return runner_close(to, path);
}

/* GitHub reads '::error title=T::message', with % and line ends coded. GitLab
 * knows no annotations in its log; a line that begins with ERROR stands out. */
void report_annotate(const struct report *report, const char *form, FILE *to)
{
    const bool github = strcmp(form, "github") == 0;
    for (size_t i = 0; i < report->table.count; i++) {
        const struct table_row *const row = &report->table.rows[i];
        char peak[24], leaked[24];
        if (!row->failed)
            continue;
        fprintf(to, github ? "::error title=%s::" : "ERROR: %s: ", row->name);
        fprintf(to, "%s: peak %s, %" PRIu64 " allocations, leaked %s\n",
                failed_text(row->failed),
                table_size(row->stats.peak_bytes, peak, sizeof peak),
                row->stats.total_count,
                leaked_text(row, leaked, sizeof leaked));
    }
}
