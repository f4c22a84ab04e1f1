/* SPDX-License-Identifier: MIT */
/*
 * The suite of documents.
 *
 * Limits are what was measured with jansson 2.14, rounded up: a parsed table
 * takes 4.4 to 6.1 times the size of its text, one allocation for each 5.8 to
 * 7.5 bytes of it, no block of more than 64 KiB, and reading adds stdio's
 * buffer of 4 KiB for the time of the call.
 */
#include "test_tables.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <stdlib.h>
#include <tether/criterion.h>
#include <unistd.h>

TestSuite(document, .init = tables_needed,
          HEAP_BUDGET(.max_heap = MiB(6), .max_alloc = KiB(64), NO_LEAKS));

struct table {
    char name[16];
    size_t entries_min;
};

ParameterizedTestParameters(document, is_parsed_in_seven_times_its_size)
{
    static struct table tables[] = {
        { "iso_15924", 150 },  { "iso_3166-1", 240 }, { "iso_3166-2", 4000 },
        { "iso_3166-3", 25 },  { "iso_4217", 170 },   { "iso_639-2", 480 },
        { "iso_639-3", 7000 }, { "iso_639-5", 110 },
    };

    return cr_make_param_array(struct table, tables,
                               sizeof tables / sizeof tables[0]);
}

ParameterizedTest(struct table *table, document,
                  is_parsed_in_seven_times_its_size)
{
    struct document *document;
    size_t bytes = table_bytes(table->name);

    WITHIN_BUDGET(.max_heap = 7 * bytes + KiB(8), .max_count = bytes / 5) {
        document = table_load(table->name);
    }
    cr_assert_eq(document_bytes(document), bytes);
    cr_assert_geq(document_entries(document), table->entries_min);
    document_release(document);
}

Test(document, is_searched_without_one_allocation)
{
    struct document *languages = table_load("iso_639-3");
    const json_t *german = NULL, *nothing = NULL;

    WITHIN_BUDGET(.max_count = 0) {
        german = document_lookup(languages, "alpha_3", "deu");
        nothing = document_lookup(languages, "alpha_3", "???");
    }
    cr_assert_str_eq(json_string_value(json_object_get(german, "name")),
                     "German");
    cr_assert_null(nothing);
    document_release(languages);
}

Test(document, dies_with_its_last_holder)
{
    struct document *countries = table_load("iso_3166-1");
    tether_weak document = tether_weak_to(countries);
    tether_weak entry =
        tether_weak_to(document_lookup(countries, "alpha_2", "FR"));

    document_hold(countries);
    document_release(countries);
    ASSERT_ALIVE(document);
    ASSERT_ALIVE(entry);
    document_release(countries);
    ASSERT_COLLECTED(document);
    ASSERT_COLLECTED(entry);
}

Test(document, that_is_missing_says_so)
{
    struct document *document;
    unsigned line;

    cr_assert_eq(document_load(table_path("iso_0"), &document, &line),
                 DOCUMENT_MISSING);
    cr_assert_null(document);
    cr_assert_eq(line, 0);
}

/* A real table whose copy was cut short. */
Test(document, that_is_cut_short_says_where)
{
    char path[] = "/tmp/iso_4217-XXXXXX", text[8000];
    int copy = mkstemp(path);
    FILE *whole = fopen(table_path("iso_4217"), "r");
    struct document *document;
    unsigned line;

    cr_assert_eq(fread(text, 1, sizeof text, whole), sizeof text);
    cr_assert_eq(write(copy, text, sizeof text), (ssize_t)sizeof text);
    fclose(whole);
    close(copy);
    enum document_status status = document_load(path, &document, &line);
    unlink(path);

    cr_assert_eq(status, DOCUMENT_BAD_JSON);
    cr_assert_null(document);
    cr_assert_gt(line, 100);
}

/* iso-codes' own schemas lie in the same folder: JSON, but no tables. */
Test(document, that_is_a_schema_is_refused)
{
    struct document *document;

    cr_assert_eq(document_load(table_path("schema-639-3"), &document, NULL),
                 DOCUMENT_NO_TABLE);
    cr_assert_null(document);
}

/* Every allocation of a load fails once, and all after it. */
Test(document, survives_any_failing_allocation)
{
    enum document_status status = DOCUMENT_NO_MEMORY;
    struct document *document = NULL;
    unsigned allowed;

    for (allowed = 0; status == DOCUMENT_NO_MEMORY; allowed++) {
        cr_assert_null(document);
        WITHIN_BUDGET(.max_count = allowed, .on_breach = TETHER_DENY) {
            status = document_load(table_path("iso_3166-3"), &document, NULL);
        }
    }
    cr_assert(status == DOCUMENT_OK, "with %u allocations: %s", allowed - 1,
              document_status_text(status));
    cr_assert_gt(allowed, 800);
    document_release(document);
}
