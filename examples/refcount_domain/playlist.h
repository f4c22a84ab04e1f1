/* SPDX-License-Identifier: MIT */
#ifndef PLAYLIST_H
#define PLAYLIST_H
/*
 * Playlists that share tracks. A track lives as long as a playlist has it, or
 * the player plays it.
 */
#include <stddef.h>

struct track {
    char title[40];
};

struct playlist;

struct playlist *playlist_make(const char *name);
void playlist_drop(struct playlist *list);

/* Makes a track and puts it at the end; it is the playlist's. */
struct track *playlist_add(struct playlist *list, const char *title);

/* Puts a track of another playlist at the end of this one too. */
void playlist_share(struct playlist *list, struct track *track);

/* Takes it out, everywhere it stands in the list. */
void playlist_remove(struct playlist *list, struct track *track);

size_t playlist_len(const struct playlist *list);

/* The player: plays one track at a time, NULL stops it. */
void player_play(struct track *track);

#endif
