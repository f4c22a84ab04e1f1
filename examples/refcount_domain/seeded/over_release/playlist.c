/* SPDX-License-Identifier: MIT */
#include "playlist.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "counted.h"

#define TRACKS_MAX 32

struct playlist {
    char name[24];
    size_t len;
    struct track *tracks[TRACKS_MAX];
};

struct playlist *playlist_make(const char *name)
{
    struct playlist *list = calloc(1, sizeof *list);
    if (list)
        snprintf(list->name, sizeof list->name, "%s", name);
    return list;
}

void playlist_drop(struct playlist *list)
{
    for (size_t i = 0; i < list->len; i++)
        counted_release(list->tracks[i], list->name);
    free(list);
}

static struct track *append(struct playlist *list, struct track *track)
{
    if (list->len < TRACKS_MAX)
        list->tracks[list->len++] = track;
    return track;
}

struct track *playlist_add(struct playlist *list, const char *title)
{
    struct track *track = counted_make(sizeof *track, NULL, list->name);
    if (!track)
        return NULL;
    snprintf(track->title, sizeof track->title, "%s", title);
    return append(list, track);
}

void playlist_share(struct playlist *list, struct track *track)
{
    append(list, counted_hold(track, list->name));
}

void playlist_remove(struct playlist *list, struct track *track)
{
    size_t kept = 0;
    for (size_t i = 0; i < list->len; i++)
        if (list->tracks[i] == track)
            counted_release(track, list->name);
        else
            list->tracks[kept++] = list->tracks[i];
    list->len = kept;
}

size_t playlist_len(const struct playlist *list)
{
    return list->len;
}

static struct track *playing;

void player_play(struct track *track)
{
    struct track *before = playing;
    playing = track;
    if (before)
        counted_release(before, "the player");
}
