/* SPDX-License-Identifier: MIT */
#ifndef TT_ANALYSE_TYPE_H
#define TT_ANALYSE_TYPE_H
/*
 * Types of C and C++, as far as paths need them, read from debug information
 * when they are first asked for. The same type in several units is one, if
 * its name, size and fields are the same.
 */
#include "analyse/analyse_code.h"

enum analyse_type_kind {
    TYPE_VOID,
    TYPE_NUMBER,  /* numbers, characters, enumerations */
    TYPE_POINTER, /* references too */
    TYPE_STRUCT,  /* classes too */
    TYPE_UNION,
    TYPE_ARRAY,
    TYPE_FUNCTION,
};

struct analyse_field {
    const char *name; /* NULL: an unnamed struct or union, or a base class */
    uint64_t offset;
    struct analyse_type *type;
};

struct analyse_type {
    enum analyse_type_kind kind;
    const char *name;        /* 'struct job'; NULL: has none */
    uint64_t size;           /* bytes; 0: not known */
    struct analyse_type *to; /* of a pointer or an array's element */
    uint64_t count;          /* of an array; 0: flexible */
    bool is_opaque;          /* declared, and defined nowhere */
    bool is_cxx;
    bool fields_known;
    struct analyse_field *fields;
    size_t fields_count;
    Dwarf_Die die;
    struct analyse_types *types;
    uint64_t hash; /* of name, size, fields */
};

/* All types of an image. */
struct analyse_types;
struct analyse_types *analyse_types_make(struct analyse_image *image);

/* The type that a DIE is, or (_of) has by its DW_AT_type; void at the end. */
struct analyse_type *analyse_type_die(struct analyse_types *types,
                                      Dwarf_Die *die, bool is_cxx);
struct analyse_type *analyse_type_of(struct analyse_types *types,
                                     Dwarf_Die *die, bool is_cxx);

/* Finds a struct, union or typedef that is defined anywhere: 'struct job',
 * 'job_t', in C++ 'ns::job'. NULL if there is none. */
struct analyse_type *analyse_type_named(struct analyse_types *types,
                                        const char *name);

/* 'struct job *'. Never NULL. */
const char *analyse_type_text(const struct analyse_type *type);

void analyse_type_fields(struct analyse_type *type);

/* Does a struct end in an array of no fixed length? */
bool analyse_type_is_flexible(struct analyse_type *type);

/* Bytes that one element of a block of this type takes. */
bool analyse_type_is_aggregate(const struct analyse_type *type);

/* What is at an offset. */
struct analyse_leaf {
    struct analyse_type *type; /* no struct, union or array; NULL: padding */
    uint64_t inside;           /* offset in it: not 0 in the middle */
};

#define PATH_BYTES 512

/* Finds the leaf at 'offset' in a thing of 'type' that is 'extent' bytes
 * long. Of a union's members one is preferred that is a pointer to 'want'
 * (may be NULL), then any pointer. 'path' takes '.a[3].b' (NULL: not wanted),
 * of PATH_BYTES. False: the offset is in no leaf. */
bool analyse_type_leaf(struct analyse_type *type, uint64_t offset,
                       uint64_t extent, const struct analyse_type *want,
                       struct analyse_leaf *leaf, char *path);

/* Finds a part of type 'part' that begins at 'offset'. */
bool analyse_type_part(struct analyse_type *type, uint64_t offset,
                       const struct analyse_type *part, char *path);

/* The class of a C++ object, told by the word at its start, if a pointer to
 * 'type' leads to it and the class has virtual functions. NULL: not known. */
struct analyse_type *analyse_type_dynamic(struct analyse_image *image,
                                          const struct analyse_type *type,
                                          uint64_t first_word);

/* Is it a smart pointer whose pointer is at this offset: '.get()'? */
bool analyse_cxx_pointer(const struct analyse_type *type, uint64_t offset);

/* 'v._M_impl._M_start' with an element behind is 'v': the text without the
 * end, or NULL if it is something else. */
const char *analyse_cxx_vector(const char *text, const char *behind);

/* How well does a block of 'size' bytes fit an object of this type, 0 (not at
 * all) to 100 (exactly)? */
int analyse_type_fit(struct analyse_type *type, uint64_t size);

#endif
