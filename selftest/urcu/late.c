/* SPDX-License-Identifier: MIT */
/*
 * A liburcu that is loaded after the first collection and for its opener
 * alone is found, and not asked any more once it was unloaded.
 */
#include <criterion/criterion.h>
#include <dlfcn.h>
#include <stddef.h>
#include <stdlib.h>
#include <tether/criterion.h>

/* rcu_head, as its interface has it. */
struct head {
    struct head *next;
    void (*func)(struct head *head);
};

static void object_free(struct head *head)
{
    free(head);
}

typedef void (*call_fn)(struct head *head, void (*func)(struct head *head));

static void *library_open(void)
{
    void *library = dlopen("liburcu-memb.so.8", RTLD_NOW | RTLD_LOCAL);
    cr_assert_not_null(library, "%s", dlerror());
    return library;
}

Test(urcu_late, it_is_found_once_loaded)
{
    struct head *object = malloc(100);
    tether_weak ref = tether_weak_to(object);

    cr_assert_eq(tether_collect().rounds, 0);
    void *library = library_open();
    call_fn call = (call_fn)dlsym(library, "urcu_memb_call_rcu");
    cr_assert_not_null(call);
    call(object, object_free);
    ASSERT_COLLECTED(ref);
    cr_assert_geq(tether_collect().rounds, 1);
    tether_weak_drop(ref);
}

Test(urcu_late, it_is_forgotten_once_unloaded)
{
    for (int i = 0; i < 3; i++) {
        void *library = library_open();

        cr_assert_geq(tether_collect().rounds, 1);
        cr_assert_eq(dlclose(library), 0);
        cr_assert_eq(tether_collect().rounds, 0);
    }
}
