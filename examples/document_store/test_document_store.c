/* SPDX-License-Identifier: MIT */
/*
 * The suite of the store.
 */
#include "document_store.h"
#include "test_tables.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tether/criterion.h>
#include <unistd.h>

TestSuite(store, .init = tables_needed,
          HEAP_BUDGET(.max_heap = MiB(4), .max_alloc = KiB(64), NO_LEAKS));

/* A store on the tables that keeps up to 1 MiB of text, unless told other. */
#define make_store(...) \
    make_store_of((struct document_store_options){ __VA_ARGS__ })

static struct document_store *
make_store_of(struct document_store_options options)
{
    struct document_store *store;

    if (options.folder == NULL)
        options.folder = tables_folder();
    if (options.bytes_max == 0)
        options.bytes_max = MiB(1);
    cr_assert_eq(document_store_make(&options, &store), DOCUMENT_OK);
    return store;
}

static struct document *get(struct document_store *store, const char *name)
{
    struct document *document;
    enum document_status status = document_store_get(store, name, &document);

    cr_assert(status == DOCUMENT_OK, "%s: %s", name,
              document_status_text(status));
    return document;
}

/* Puts a document in that nobody but the store holds then. */
static tether_weak put(struct document_store *store, const char *name)
{
    struct document *document = table_load(name);
    tether_weak ref = tether_weak_to(document);
    enum document_status status = document_store_put(store, document);

    cr_assert(status == DOCUMENT_OK, "%s: %s", name,
              document_status_text(status));
    document_release(document);
    return ref;
}

static void use(struct document_store *store, const char *name)
{
    document_release(get(store, name));
}

static size_t documents_in(struct document_store *store)
{
    struct document_store_stats stats;

    document_store_stats(store, &stats);
    return stats.documents;
}

Test(store, refuses_options_that_make_no_sense)
{
    struct document_store *store;
    struct document_store_options none = { .folder = tables_folder(),
                                           .bytes_max = 1 };

    cr_assert_eq(document_store_make(&none, &store), DOCUMENT_BAD_OPTION);
    cr_assert_null(store);
}

Test(store, parses_a_table_once)
{
    struct document_store *store = make_store(.documents_max = 4);
    struct document *first = get(store, "iso_4217"), *second = NULL;

    WITHIN_BUDGET(.max_count = 0) {
        second = get(store, "iso_4217");
    }
    cr_assert_eq(first, second);
    document_release(first);
    document_release(second);
    document_store_free(store);
}

Test(store, refuses_a_duplicate_and_does_not_hold_it)
{
    struct document_store *store = make_store(.documents_max = 4);
    struct document *duplicate = table_load("iso_639-5");
    tether_weak first = put(store, "iso_639-5");
    tether_weak second = tether_weak_to(duplicate);

    cr_assert_eq(document_store_put(store, duplicate), DOCUMENT_DUPLICATE);
    document_release(duplicate);
    ASSERT_COLLECTED(second);
    ASSERT_ALIVE(first);
    document_store_free(store);
}

Test(store, hands_out_but_does_not_keep_what_is_too_large)
{
    struct document_store *store =
        make_store(.documents_max = 4, .bytes_max = KiB(10));
    struct document *large = get(store, "iso_3166-1");
    tether_weak ref = tether_weak_to(large);

    cr_assert_eq(document_store_put(store, large), DOCUMENT_TOO_LARGE);
    cr_assert_eq(documents_in(store), 0);
    document_release(large);
    ASSERT_COLLECTED(ref);
    document_store_free(store);
}

Test(store, evicts_the_least_recently_used_document)
{
    struct document_store *store = make_store(.documents_max = 2);
    tether_weak scripts = put(store, "iso_15924");
    tether_weak money = put(store, "iso_4217");

    use(store, "iso_15924"); /* money is the older one now */
    put(store, "iso_639-5");
    ASSERT_COLLECTED(money);
    ASSERT_ALIVE(scripts);
    document_store_free(store);
    ASSERT_COLLECTED(scripts);
}

Test(store, evicts_as_many_as_a_large_document_needs)
{
    struct document_store *store =
        make_store(.documents_max = 9, .bytes_max = KiB(45));
    tether_weak scripts = put(store, "iso_15924");
    tether_weak money = put(store, "iso_4217");
    tether_weak countries = put(store, "iso_3166-1");

    ASSERT_COLLECTED(scripts);
    ASSERT_COLLECTED(money);
    ASSERT_ALIVE(countries);
    document_store_free(store);
}

Test(store, evicts_in_the_order_of_use)
{
    static const char *const names[] = { "iso_15924", "iso_4217", "iso_639-5" };
    static const size_t order[] = { 1, 2, 0 };
    struct document_store *store = make_store(.documents_max = 3);
    tether_queue *deaths = tether_queue_make();
    tether_phantom refs[3];
    struct tether_record record;

    for (size_t i = 0; i < 3; i++) {
        put(store, names[i]);
        struct document *document = get(store, names[i]);
        refs[i] = tether_phantom_to(document, deaths, (void *)names[i]);
        document_release(document);
    }
    use(store, names[0]);
    put(store, "iso_3166-1");
    put(store, "iso_3166-3");
    put(store, "iso_639-2");

    for (size_t i = 0; i < 3; i++) {
        ASSERT_ENQUEUED(refs[order[i]]);
        cr_assert_eq(tether_queue_poll(deaths, &record), TETHER_OK);
        cr_assert_str_eq(record.tag, names[order[i]]);
    }
    cr_assert_eq(tether_queue_poll(deaths, &record), TETHER_EMPTY);
    tether_queue_drop(deaths);
    document_store_free(store);
}

Test(store, lets_an_evicted_document_go)
{
    struct document_store *store = make_store(.documents_max = 4);
    tether_weak countries = put(store, "iso_3166-1");

    ASSERT_ALIVE(countries);
    cr_assert_eq(document_store_evict(store, "iso_3166-1"), DOCUMENT_OK);
    cr_assert_eq(document_store_evict(store, "iso_3166-1"), DOCUMENT_ABSENT);
    ASSERT_COLLECTED(countries);
    document_store_free(store);
}

Test(store, leaves_an_evicted_document_to_its_reader)
{
    struct document_store *store = make_store(.documents_max = 1);
    struct document *countries = get(store, "iso_3166-1");
    tether_weak ref = tether_weak_to(countries);

    put(store, "iso_4217");
    cr_assert_eq(documents_in(store), 1);
    ASSERT_ALIVE(ref);
    cr_assert_not_null(document_lookup(countries, "alpha_2", "FR"));
    document_release(countries);
    ASSERT_COLLECTED(ref);
    document_store_free(store);
}

Test(store, finds_the_documents_of_a_family)
{
    struct document_store *store = make_store(.documents_max = 4);
    struct document *found[4];

    put(store, "iso_639-2");
    put(store, "iso_3166-3");
    put(store, "iso_639-5");
    cr_assert_eq(document_store_find(store, "639", found, 4), 2);
    cr_assert_str_eq(document_name(found[0]), "iso_639-5");
    cr_assert_str_eq(document_name(found[1]), "iso_639-2");
    document_release(found[0]);
    document_release(found[1]);
    cr_assert_eq(document_store_find(store, "4217", found, 4), 0);
    document_store_free(store);
}

Test(store, does_not_find_what_was_evicted)
{
    struct document_store *store = make_store(.documents_max = 4);
    tether_weak evicted = put(store, "iso_639-2");
    struct document *found[4];

    put(store, "iso_639-5");
    document_store_evict(store, "iso_639-2");
    size_t count = document_store_find(store, "639", found, 4);
    for (size_t i = 0; i < count; i++)
        document_release(found[i]);
    cr_expect(count == 1, "%zu documents of 639, after one of 2 was evicted",
              count);
    ASSERT_COLLECTED(evicted);
    document_store_free(store);
}

/* A folder in which one table stands under many names. */
#define CROWD 10
static char crowd[] = "/tmp/document_store-XXXXXX";

static const char *crowd_path(unsigned i)
{
    static char path[64];

    snprintf(path, sizeof path, "%s/copy-%u.json", crowd, i);
    return path;
}

static void crowd_make(void)
{
    tables_needed();
    cr_assert_not_null(mkdtemp(crowd));
    for (unsigned i = 0; i < CROWD; i++)
        cr_assert_eq(symlink(table_path("iso_639-2"), crowd_path(i)), 0);
}

static void crowd_remove(void)
{
    for (unsigned i = 0; i < CROWD; i++)
        unlink(crowd_path(i));
    rmdir(crowd);
}

/* Two documents are kept and a third is being parsed: three times 225 kB. */
Test(store, stays_small_however_much_is_read_through_it, .init = crowd_make,
     .fini = crowd_remove, HEAP_BUDGET(.max_heap = KiB(700)))
{
    struct document_store *store =
        make_store(.folder = crowd, .documents_max = 2);
    char name[16];

    for (unsigned i = 0; i < CROWD; i++) {
        snprintf(name, sizeof name, "copy-%u", i);
        use(store, name);
    }
    document_store_free(store);
}

Test(store, leaves_no_document_behind)
{
    struct document_store *store = make_store(.documents_max = 4);

    put(store, "iso_3166-1");
    put(store, "iso_3166-3");
    put(store, "iso_639-2");
    document_store_free(store);
    ASSERT_NONE_ALIVE(document_new);
}

Test(store, sweeps_idle_documents_in_the_background)
{
    struct document_store *store =
        make_store(.documents_max = 4, .idle_ms = 30);
    struct document *money = get(store, "iso_4217");
    tether_weak held = tether_weak_to(money);
    tether_weak idle = put(store, "iso_3166-1");

    ASSERT_EVENTUALLY_COLLECTED(idle);
    ASSERT_EVENTUALLY(documents_in(store) == 0, .within_ms = 2000);
    ASSERT_ALIVE(held);
    document_release(money);
    ASSERT_COLLECTED(held);
    document_store_free(store);
}

Test(store, keeps_what_is_in_use_from_the_sweeper)
{
    struct document_store *store =
        make_store(.documents_max = 4, .idle_ms = 5000);
    tether_weak countries = put(store, "iso_3166-1");

    ASSERT_CONSISTENTLY(documents_in(store) == 1, .for_ms = 50);
    ASSERT_ALIVE(countries);
    document_store_free(store);
}

/* ---- threads ----------------------------------------------------------- */

enum { READERS = 4, ROUNDS = 40 };

struct reader {
    struct document_store *store;
    pthread_t thread;
    unsigned seed;
    unsigned mistakes; /* asserted by the test's own thread */
};

static void *read_many(void *arg)
{
    static const char *const names[] = { "iso_15924", "iso_3166-3", "iso_4217",
                                         "iso_639-5" };
    struct reader *reader = arg;
    struct document *document;

    for (unsigned i = 0; i < ROUNDS; i++) {
        const char *name = names[rand_r(&reader->seed) % 4];
        if (document_store_get(reader->store, name, &document) != DOCUMENT_OK ||
            strcmp(document_name(document), name) != 0)
            reader->mistakes++;
        document_release(document);
        if (i % 8 == 0)
            document_store_evict(reader->store, name);
    }
    return NULL;
}

Test(store, serves_many_threads)
{
    struct document_store *store = make_store(.documents_max = 2);
    struct reader readers[READERS];

    for (unsigned i = 0; i < READERS; i++) {
        readers[i] = (struct reader){ .store = store, .seed = i };
        cr_assert_eq(
            pthread_create(&readers[i].thread, NULL, read_many, &readers[i]),
            0);
    }
    for (unsigned i = 0; i < READERS; i++) {
        pthread_join(readers[i].thread, NULL);
        cr_assert_eq(readers[i].mistakes, 0, "reader %u: %u mistakes", i,
                     readers[i].mistakes);
    }
    document_store_free(store);
    ASSERT_NONE_ALIVE(document_new);
}
