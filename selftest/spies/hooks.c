/* SPDX-License-Identifier: MIT */
/* Spies in the hooks of real libraries: each line of docs/spies.md, good and
 * with a mistake that is seeded. */
#include <glib.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <tether/criterion.h>
#include <zlib.h>

static int told;
static char said[2000];

static void hear(const struct tether_failure *failure, void *ctx)
{
    (void)ctx;
    told++;
    snprintf(said, sizeof said, "%s", failure->message);
}

static void listen_to_failures(void)
{
    tether_on_failure(hear, NULL);
}

TestSuite(hooks, .init = listen_to_failures);

static void born_all_died(const struct tether_spy_call *call, void *ctx)
{
    if (call->result.as.object)
        ++*(size_t *)ctx;
}

Test(hooks, jansson)
{
    json_malloc_t make = tether_spy_make(malloc, "ptr:born (size)");
    json_free_t end = tether_spy_make(free, "void (ptr:dies)");
    json_malloc_t make_before;
    json_free_t end_before;
    size_t made = 0;

    json_get_alloc_funcs(&make_before, &end_before);
    json_set_alloc_funcs(make, end);
    json_t *const root = json_loads(
        "{\"a\": [1, 2.5, \"three\"], \"b\": {\"c\": null}}", 0, NULL);
    char *const text = json_dumps(root, JSON_COMPACT);
    cr_assert_str_eq(text, "{\"a\":[1,2.5,\"three\"],\"b\":{\"c\":null}}");
    end(text);
    json_decref(root);
    json_set_alloc_funcs(make_before, end_before);

    tether_spy_visit(make, born_all_died, &made);
    cr_assert_gt(made, 10u);
    ASSERT_CALLED_ONCE_PER_OBJECT(end);
    cr_assert_eq(told, 0, "%s", said);
    tether_spy_drop(make);
    tether_spy_drop(end);
}

/* The hook as a program has it that pools, so that the heap does not see the
 * second free. */
static void pool_put(void *object)
{
    (void)object;
}

Test(hooks, jansson_text_freed_twice)
{
    json_malloc_t make = tether_spy_make(malloc, "ptr:born (size)");
    json_free_t end = tether_spy_make(pool_put, "void (ptr:dies)");
    json_malloc_t make_before;
    json_free_t end_before;

    json_get_alloc_funcs(&make_before, &end_before);
    json_set_alloc_funcs(make, end);
    json_t *const number = json_integer(3);
    char *const text = json_dumps(number, JSON_ENCODE_ANY);
    end(text);
    cr_assert_eq(told, 0, "%s", said);
    end(text);
    cr_assert_eq(told, 1);
    cr_assert(strstr(said, "`pool_put` was called twice to destroy one object"),
              "%s", said);
    json_decref(number);
    json_set_alloc_funcs(make_before, end_before);
    tether_spy_drop(make);
    tether_spy_drop(end);
}

static voidpf z_make(voidpf opaque, uInt items, uInt size)
{
    (void)opaque;
    return calloc(items, size);
}

static void z_end(voidpf opaque, voidpf object)
{
    (void)opaque;
    free(object);
}

static void deflate_some(alloc_func make, free_func end, int forgets)
{
    static unsigned char in[20000], packed[30000];
    z_stream stream = { .zalloc = make, .zfree = end };
    memset(in, 'x', sizeof in);
    cr_assert_eq(deflateInit(&stream, 6), Z_OK);
    stream.next_in = in;
    stream.avail_in = sizeof in;
    stream.next_out = packed;
    stream.avail_out = sizeof packed;
    cr_assert_eq(deflate(&stream, Z_FINISH), Z_STREAM_END);
    if (!forgets)
        cr_assert_eq(deflateEnd(&stream), Z_OK);
}

Test(hooks, zlib)
{
    alloc_func make =
        tether_spy_make(z_make, "ptr:born (ptr:data, uint, uint)");
    free_func end = tether_spy_make(z_end, "void (ptr:data, ptr:dies)");
    size_t made = 0;

    deflate_some(make, end, 0);
    tether_spy_visit(make, born_all_died, &made);
    ASSERT_CALLED(end, made);
    ASSERT_CALLED_ONCE_PER_OBJECT(end);

    deflate_some(make, end, 1);
    struct tether_message why;
    cr_assert_eq(tether_check_called((tether_function)end, 2 * made, &why),
                 TETHER_FAILED);
    cr_assert_eq(told, 0, "%s", said);
    tether_spy_drop(make);
    tether_spy_drop(end);
}

Test(hooks, glib_destroy_notify)
{
    GDestroyNotify key = tether_spy_make(g_free, "void (ptr:dies)");
    GDestroyNotify value = tether_spy_make(g_free, "void (ptr:dies)");
    GHashTable *const table =
        g_hash_table_new_full(g_str_hash, g_str_equal, key, value);
    for (int i = 0; i < 100; i++)
        g_hash_table_insert(table, g_strdup_printf("%d", i % 60),
                            g_strdup("value"));
    ASSERT_CALLED(key, 40);
    g_hash_table_destroy(table);
    ASSERT_CALLED(key, 100);
    ASSERT_CALLED(value, 100);
    ASSERT_CALLED_ONCE_PER_OBJECT(key);
    ASSERT_CALLED_ONCE_PER_OBJECT(value);
    cr_assert_eq(told, 0, "%s", said);
    tether_spy_drop(key);
    tether_spy_drop(value);
}

Test(hooks, glib_value_in_two_tables)
{
    GDestroyNotify value = tether_spy_make(pool_put, "void (ptr:dies)");
    GHashTable *const one = g_hash_table_new_full(NULL, NULL, NULL, value);
    GHashTable *const two = g_hash_table_new_full(NULL, NULL, NULL, value);
    char *const shared = g_strdup("shared");
    g_hash_table_insert(one, GINT_TO_POINTER(1), shared);
    g_hash_table_insert(two, GINT_TO_POINTER(1), shared);
    g_hash_table_destroy(one);
    cr_assert_eq(told, 0, "%s", said);
    g_hash_table_destroy(two);
    cr_assert_eq(told, 1);
    cr_assert(strstr(said, "twice to destroy one object"), "%s", said);
    tether_spy_drop(value);
    g_free(shared);
}
