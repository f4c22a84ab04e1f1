/* SPDX-License-Identifier: MIT */
/*
 * The suite. A track that dies too early is an over-release: somebody let go
 * of what he did not hold. One that lives too long is an under-release, and
 * the failure lists who still holds it.
 */
#include <criterion/criterion.h>
#include <tether/criterion.h>

#include "counted_domain.h"
#include "playlist.h"

static struct playlist *morning, *evening;

static void lists_make(void)
{
    counted_domain_begin();
    morning = playlist_make("morning");
    evening = playlist_make("evening");
}

static void lists_drop(void)
{
    counted_domain_end();
}

TestSuite(playlist, .init = lists_make, .fini = lists_drop,
          HEAP_BUDGET(NO_LEAKS));

Test(playlist, a_track_dies_with_the_last_list_that_has_it)
{
    struct track *track = playlist_add(morning, "Blue Train");
    tether_weak ref = tether_weak_in(counted_domain, track);

    playlist_share(evening, track);
    playlist_drop(morning);
    ASSERT_ALIVE(ref);
    playlist_drop(evening);
    ASSERT_COLLECTED(ref);
    tether_weak_drop(ref);
}

Test(playlist, a_track_that_is_removed_dies_however_often_it_stood_there)
{
    struct track *track = playlist_add(morning, "Naima");
    tether_weak ref = tether_weak_in(counted_domain, track);

    playlist_share(morning, track);
    playlist_remove(morning, track);
    cr_assert_eq(playlist_len(morning), 0);
    EXPECT_COLLECTED(ref);
    tether_weak_drop(ref);
    playlist_drop(morning);
    playlist_drop(evening);
}

Test(playlist, a_track_that_was_played_lives_on_in_its_list)
{
    struct track *track = playlist_add(morning, "Giant Steps");
    tether_weak ref = tether_weak_in(counted_domain, track);

    player_play(track);
    player_play(NULL);
    ASSERT_ALIVE(ref);
    playlist_drop(morning);
    playlist_drop(evening);
    ASSERT_COLLECTED(ref);
    tether_weak_drop(ref);
}

Test(playlist, a_track_that_is_played_outlives_its_list)
{
    struct track *track = playlist_add(morning, "Countdown");
    tether_weak ref = tether_weak_in(counted_domain, track);

    player_play(track);
    playlist_drop(morning);
    EXPECT_ALIVE(ref);
    if (tether_weak_get(ref))
        player_play(NULL);
    ASSERT_COLLECTED(ref);
    playlist_drop(evening);
    tether_weak_drop(ref);
}
