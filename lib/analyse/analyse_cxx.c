/* SPDX-License-Identifier: MIT */
/*
 * What is special in C++: an object with virtual functions names its class by
 * the table that its first word points into; and the smart pointers and
 * containers of GNU's standard library are written as people use them, not as
 * they are made.
 */
#include "analyse/analyse_type.h"

#include <string.h>

/* Is the first word a pointer to a table of virtual functions? */
static bool has_table(const struct analyse_type *type, int nesting)
{
    if (nesting > 8 || type->kind != TYPE_STRUCT)
        return false;
    analyse_type_fields((struct analyse_type *)type);
    for (size_t i = 0; i < type->fields_count; i++) {
        const struct analyse_field *const field = &type->fields[i];
        if (field->offset != 0)
            continue;
        if (field->name && !strncmp(field->name, "_vptr", 5))
            return true;
        if (!field->name && has_table(field->type, nesting + 1))
            return true;
    }
    return false;
}

struct analyse_type *analyse_type_dynamic(struct analyse_image *image,
                                          const struct analyse_type *type,
                                          uint64_t first_word)
{
    static const char lead[] = "vtable for ";
    static uint64_t last_word;
    static struct analyse_type *last;
    if (!type->is_cxx || !type->types || !has_table(type, 0))
        return NULL;
    if (first_word == last_word)
        return last;
    const uint32_t module = analyse_module_at(image, first_word);
    if (module == NONE)
        return NULL;
    struct analyse_code *const code = analyse_code_of(image, module);
    const struct analyse_datum *const table =
        analyse_code_data(code, first_word - code->bias, false);
    if (!table || strncmp(table->name, "_ZTV", 4) != 0)
        return NULL;
    const char *const name = analyse_demangle(table->name);
    last_word = first_word;
    last = strncmp(name, lead, sizeof lead - 1)
               ? NULL
               : analyse_type_named(type->types, name + sizeof lead - 1);
    return last;
}

bool analyse_cxx_pointer(const struct analyse_type *type, uint64_t offset)
{
    return type->is_cxx && type->name && offset == 0 &&
           (!strncmp(type->name, "std::unique_ptr<", 16) ||
            !strncmp(type->name, "std::shared_ptr<", 16));
}

const char *analyse_cxx_vector(const char *text, const char *behind)
{
    static const char start[] = "._M_impl._M_start";
    const size_t len = strlen(text), part = sizeof start - 1;
    if (len <= part || strcmp(text + len - part, start) != 0)
        return NULL;
    if (behind[0] != '[' && strncmp(behind, "->", 2) != 0)
        return NULL;
    return analyse_text("%.*s", (int)(len - part), text);
}
