/* SPDX-License-Identifier: MIT */
/*
 * Random lives of soft references beside a plain model of them, with the
 * invariants of lib/ref and lib/collect checked all along. The seed is printed.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <tether/pressure.h>
#include <time.h>

#include "collect/collect.h"
#include "ref/ref.h"

#define REFS 64

struct model {
    tether_soft ref;
    char *object;
    int level;
    unsigned pins;
    unsigned long used; /* the nth use */
    int made, cleared, freed;
};

static struct model models[REFS];
static unsigned long uses;
static unsigned seed;
static struct model *order[REFS]; /* as they were released */
static size_t order_count;

static unsigned pick(unsigned below)
{
    return (unsigned)rand_r(&seed) % below;
}

static void release(void *object, void *ctx)
{
    struct model *const model = ctx;
    cr_assert_eq(object, model->object, "seed %u", seed);
    cr_assert_not(model->cleared);
    model->cleared = 1;
    order[order_count++] = model;
    free(object);
}

static void model_make(struct model *model)
{
    *model = (struct model){ .object = malloc(8 + pick(100)),
                             .level = 1 + (int)pick(3),
                             .used = ++uses,
                             .made = 1 };
    model->ref =
        tether_soft_hold(model->object, release, model, .level = model->level,
                         .cost = 10, .in_malloc = pick(2));
}

static void model_drop(struct model *model)
{
    const int held = !model->cleared && !model->freed;
    while (model->pins) {
        tether_soft_unpin(model->ref);
        model->pins--;
    }
    tether_soft_drop(model->ref);
    cr_assert_eq(model->cleared, held || model->cleared, "seed %u", seed);
    model->made = 0;
}

static void model_pin(struct model *model)
{
    void *const object = tether_soft_pin(model->ref);
    const int dead = model->cleared || model->freed;
    cr_assert_eq(object, dead ? NULL : model->object, "seed %u", seed);
    model->pins += !dead;
}

static void model_unpin(struct model *model)
{
    if (!model->pins)
        return;
    tether_soft_unpin(model->ref);
    if (--model->pins == 0)
        model->used = ++uses;
}

static void model_free(struct model *model)
{
    if (model->cleared || model->freed)
        return;
    free(model->object);
    model->freed = 1;
    cr_assert_eq(tether_soft_reason(model->ref), TETHER_DIED);
}

static void model_move(struct model *model)
{
    if (!model->cleared && !model->freed)
        model->object = realloc(model->object, 8 + pick(5000));
}

static int is_eligible(const struct model *model, int level)
{
    return model->made && !model->cleared && !model->freed && !model->pins &&
           model->level <= level;
}

/* Of those that were eligible: by level, then by use. */
static int comes_before(const struct model *a, const struct model *b)
{
    return a->level != b->level ? a->level < b->level : a->used < b->used;
}

static void press(void)
{
    const int level = 1 + (int)pick(3);
    const size_t wanted = 1 + pick(10);
    size_t eligible = 0;
    for (size_t i = 0; i < REFS; i++)
        eligible += (size_t)is_eligible(&models[i], level);
    order_count = 0;
    const struct tether_relief relief =
        tether_pressure((enum tether_level)level, .bytes = wanted * 10);
    const size_t expected = eligible < wanted ? eligible : wanted;
    cr_assert_eq(relief.cleared, expected, "seed %u", seed);
    cr_assert_eq(order_count, expected);
    cr_assert_eq(relief.left, eligible - expected);
    for (size_t i = 1; i < order_count; i++)
        cr_assert(comes_before(order[i - 1], order[i]), "seed %u", seed);
    for (size_t i = 0; i < REFS && order_count; i++)
        if (is_eligible(&models[i], level))
            cr_assert(comes_before(order[order_count - 1], &models[i]),
                      "seed %u", seed);
}

static void step(struct model *model)
{
    if (!model->made) {
        model_make(model);
        return;
    }
    switch (pick(12)) {
    case 0:
        model_drop(model);
        break;
    case 1:
        model_free(model);
        break;
    case 2:
        model_move(model);
        break;
    case 3:
    case 4:
    case 5:
        model_pin(model);
        break;
    case 6:
        press();
        break;
    default:
        model_unpin(model);
    }
}

Test(pressure, random_lives_are_as_the_model_has_them)
{
    const unsigned first = (unsigned)time(NULL);
    seed = first;
    for (int i = 0; i < 30000; i++) {
        step(&models[pick(REFS)]);
        if (i % 100)
            continue;
        cr_assert_null(tt_ref_check(), "seed %u: %s", first, tt_ref_check());
        cr_assert_null(tt_collect_check());
    }
    for (size_t i = 0; i < REFS; i++)
        if (models[i].made)
            model_drop(&models[i]);
    cr_assert_null(tt_ref_check());
}

/* ---- the registry ---- */

static size_t trim_nothing(size_t wanted, void *ctx)
{
    (void)wanted;
    ++*(unsigned *)ctx;
    return 0;
}

Test(pressure, the_registry_holds_its_invariants)
{
    static tether_trim *trims[50];
    unsigned calls = 0, made = 0;
    seed = (unsigned)time(NULL);
    for (int i = 0; i < 5000; i++) {
        const unsigned at = pick(50);
        if (trims[at]) {
            tether_trim_remove(trims[at]);
            trims[at] = NULL;
            made--;
        } else {
            trims[at] =
                tether_trim_add(trim_nothing, &calls, .order = (int)pick(5));
            made++;
        }
        if (i % 50)
            continue;
        calls = 0;
        tether_pressure(TETHER_MODERATE);
        cr_assert_eq(calls, made);
        cr_assert_null(tt_collect_check());
    }
    for (unsigned at = 0; at < 50; at++)
        tether_trim_remove(trims[at]);
}
