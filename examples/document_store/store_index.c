/* SPDX-License-Identifier: MIT */
/*
 * The index by family: a list of families, each a list of members, newest
 * first. Every member holds its document, so that the index never shows a
 * dead one; for this very reason whoever takes a document out of the store
 * has to take it out of here as well.
 */
#include "store_parts.h"

#include <stdlib.h>
#include <string.h>

struct member {
    struct member *next;
    struct document *document; /* held */
};

struct family {
    struct family *next;
    struct member *members; /* never empty */
    char name[];
};

static struct family **family_link(struct family **link, const char *name)
{
    while (*link != NULL && strcmp((*link)->name, name) != 0)
        link = &(*link)->next;
    return link;
}

static struct family *family_make(const char *name)
{
    size_t name_size = strlen(name) + 1;
    struct family *family = malloc(sizeof *family + name_size);

    if (family != NULL) {
        family->next = NULL;
        family->members = NULL;
        memcpy(family->name, name, name_size);
    }
    return family;
}

bool store_index_add(struct store_index *index, struct document *document)
{
    const char *name = document_family(document);
    struct member *member = malloc(sizeof *member);
    if (member == NULL)
        return false;

    struct family **link = family_link(&index->families, name);
    if (*link == NULL)
        *link = family_make(name);
    if (*link == NULL) {
        free(member);
        return false;
    }

    member->document = document_hold(document);
    member->next = (*link)->members;
    (*link)->members = member;
    return true;
}

static void member_drop(struct member *member)
{
    document_release(member->document);
    free(member);
}

void store_index_cut(struct store_index *index, const struct document *document)
{
    struct family **link =
        family_link(&index->families, document_family(document));
    struct family *family = *link;
    if (family == NULL)
        return;

    struct member **at = &family->members;
    while (*at != NULL && (*at)->document != document)
        at = &(*at)->next;
    struct member *member = *at;
    if (member != NULL) {
        *at = member->next;
        member_drop(member);
    }
    if (family->members == NULL) {
        *link = family->next;
        free(family);
    }
}

size_t store_index_find(const struct store_index *index, const char *family,
                        struct document *found[], size_t max)
{
    size_t count = 0;
    const struct family *at = index->families;

    while (at != NULL && strcmp(at->name, family) != 0)
        at = at->next;
    if (at == NULL)
        return 0;
    for (struct member *member = at->members; member != NULL;
         member = member->next, count++)
        if (count < max)
            found[count] = document_hold(member->document);
    return count;
}

void store_index_clear(struct store_index *index)
{
    while (index->families != NULL) {
        struct family *family = index->families;
        index->families = family->next;
        while (family->members != NULL) {
            struct member *member = family->members;
            family->members = member->next;
            member_drop(member);
        }
        free(family);
    }
}
