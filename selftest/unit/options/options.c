/* SPDX-License-Identifier: MIT */
/* Option lists as text: tokens decide, not substrings. */
#include "base/base_options.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <string.h>

struct written {
    char text[96];
    char field[16];
    bool expected;
};

ParameterizedTestParameters(options, written_is_read_by_tokens)
{
    static struct written rows[] = {
        { ".max_count = 0", "max_count", true },
        { ".max_count=0", "max_count", true },
        { "  .  max_count  =0", "max_count", true },
        { ".max_heap = 1, .max_count = 0", "max_count", true },
        { ".max_heap = f(1, 2), .max_count = 0", "max_count", true },
        { "", "max_count", false },
        { ".max_counts = 0", "max_count", false },
        { ".my.max_count = 0", "max_count", false },
        { "max_count = 0", "max_count", false },
        { ".max_heap = g(.max_count = 1)", "max_count", false },
        { ".text = \", .max_count = 0\"", "max_count", false },
        { ".text = \"\\\", .max_count = 0\"", "max_count", false },
        { ".sign = ',', .max_count = 0", "max_count", true },
        { ".max_heap = x == 1, .max_count == 0", "max_count", false },
        { ".max_heap = MiB(8)", "max_alloc", false },
    };
    return cr_make_param_array(struct written, rows,
                               sizeof rows / sizeof *rows);
}

ParameterizedTest(struct written *row, options, written_is_read_by_tokens)
{
    cr_assert_eq(tt_option_written(row->text, row->field), row->expected,
                 "%s in <%s>", row->field, row->text);
}

Test(options, no_text_has_no_fields)
{
    cr_assert_not(tt_option_written(NULL, "max_count"));
}

Test(options, first_item_ends_at_its_comma)
{
    cr_assert_eq(tt_option_first("a == b"), strlen("a == b"));
    cr_assert_eq(tt_option_first("a == b , .within_ms = 5"), strlen("a == b"));
    cr_assert_eq(tt_option_first("f(a, b)[c, d], .x = 1"),
                 strlen("f(a, b)[c, d]"));
    cr_assert_eq(tt_option_first("same(\",\", ',') , 1"),
                 strlen("same(\",\", ',')"));
    cr_assert_eq(tt_option_first(""), 0u);
}
