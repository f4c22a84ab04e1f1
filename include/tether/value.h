/* SPDX-License-Identifier: MIT */
#ifndef TETHER_VALUE_H
#define TETHER_VALUE_H
/**
 * A value of any scalar type, with its type: what ASSERT_EVENTUALLY_IS
 * compares and prints.
 *
 *     struct tether_value value = TETHER_VALUE_OF(queue_len(queue));
 *
 * The expression is evaluated once. char * and const char * are strings; other
 * pointers, signed char * and unsigned char * among them, are addresses. An
 * enum is a number. A bit-field in C needs a plus sign before it. A type that
 * is no scalar does not compile.
 */
#include <stddef.h>
#include <tether/api.h>

enum tether_value_kind {
    TETHER_VALUE_BOOL,
    TETHER_VALUE_CHAR,
    TETHER_VALUE_SIGNED,
    TETHER_VALUE_UNSIGNED,
    TETHER_VALUE_FLOAT,
    TETHER_VALUE_DOUBLE,
    TETHER_VALUE_LONG_DOUBLE,
    TETHER_VALUE_POINTER,
    TETHER_VALUE_STRING
};

struct tether_value {
    enum tether_value_kind kind;
    union {
        long long number;            /* CHAR, SIGNED */
        unsigned long long count;    /* BOOL, UNSIGNED */
        const volatile void *object; /* POINTER */
        const char *text;            /* STRING; may be NULL */
    } as;
    long double real; /* the three of floating point */
};

#define TETHER_VALUE_MAKE_(name, type, to, as_what, cast) \
    static inline struct tether_value name(type value)    \
    {                                                     \
        struct tether_value made;                         \
        made.kind = to;                                   \
        made.as_what = cast value;                        \
        return made;                                      \
    }

#ifndef __cplusplus

TETHER_VALUE_MAKE_(tether_value_bool_, _Bool, TETHER_VALUE_BOOL, as.count, )
TETHER_VALUE_MAKE_(tether_value_char_, char, TETHER_VALUE_CHAR, as.number, )
TETHER_VALUE_MAKE_(tether_value_signed_, long long, TETHER_VALUE_SIGNED,
                   as.number, )
TETHER_VALUE_MAKE_(tether_value_unsigned_, unsigned long long,
                   TETHER_VALUE_UNSIGNED, as.count, )
TETHER_VALUE_MAKE_(tether_value_float_, float, TETHER_VALUE_FLOAT, real,
                   (long double))
TETHER_VALUE_MAKE_(tether_value_double_, double, TETHER_VALUE_DOUBLE, real,
                   (long double))
TETHER_VALUE_MAKE_(tether_value_long_double_, long double,
                   TETHER_VALUE_LONG_DOUBLE, real, )
TETHER_ADDRESS_ONLY(1)
TETHER_VALUE_MAKE_(tether_value_pointer_, const volatile void *,
                   TETHER_VALUE_POINTER, as.object, )
TETHER_VALUE_MAKE_(tether_value_string_, const char *, TETHER_VALUE_STRING,
                   as.text, )

/* __extension__, because C99 has no _Generic; gcc and clang do there too. */
#    define TETHER_VALUE_OF(expression) \
        (__extension__ _Generic((expression),         \
             _Bool: tether_value_bool_,               \
             char: tether_value_char_,                \
             signed char: tether_value_signed_,       \
             short: tether_value_signed_,             \
             int: tether_value_signed_,               \
             long: tether_value_signed_,              \
             long long: tether_value_signed_,         \
             unsigned char: tether_value_unsigned_,   \
             unsigned short: tether_value_unsigned_,  \
             unsigned int: tether_value_unsigned_,    \
             unsigned long: tether_value_unsigned_,   \
             unsigned long long: tether_value_unsigned_, \
             float: tether_value_float_,              \
             double: tether_value_double_,            \
             long double: tether_value_long_double_,  \
             char *: tether_value_string_,            \
             const char *: tether_value_string_,      \
             default: tether_value_pointer_)(expression))

#else

extern "C++" {
TETHER_VALUE_MAKE_(tether_value_of, bool, TETHER_VALUE_BOOL, as.count, )
TETHER_VALUE_MAKE_(tether_value_of, char, TETHER_VALUE_CHAR, as.number, )
TETHER_VALUE_MAKE_(tether_value_of, signed char, TETHER_VALUE_SIGNED,
                   as.number, )
TETHER_VALUE_MAKE_(tether_value_of, short, TETHER_VALUE_SIGNED, as.number, )
TETHER_VALUE_MAKE_(tether_value_of, int, TETHER_VALUE_SIGNED, as.number, )
TETHER_VALUE_MAKE_(tether_value_of, long, TETHER_VALUE_SIGNED, as.number, )
TETHER_VALUE_MAKE_(tether_value_of, long long, TETHER_VALUE_SIGNED, as.number, )
TETHER_VALUE_MAKE_(tether_value_of, wchar_t, TETHER_VALUE_SIGNED, as.number, )
TETHER_VALUE_MAKE_(tether_value_of, unsigned char, TETHER_VALUE_UNSIGNED,
                   as.count, )
TETHER_VALUE_MAKE_(tether_value_of, unsigned short, TETHER_VALUE_UNSIGNED,
                   as.count, )
TETHER_VALUE_MAKE_(tether_value_of, unsigned int, TETHER_VALUE_UNSIGNED,
                   as.count, )
TETHER_VALUE_MAKE_(tether_value_of, unsigned long, TETHER_VALUE_UNSIGNED,
                   as.count, )
TETHER_VALUE_MAKE_(tether_value_of, unsigned long long, TETHER_VALUE_UNSIGNED,
                   as.count, )
TETHER_VALUE_MAKE_(tether_value_of, char16_t, TETHER_VALUE_UNSIGNED, as.count, )
TETHER_VALUE_MAKE_(tether_value_of, char32_t, TETHER_VALUE_UNSIGNED, as.count, )
TETHER_VALUE_MAKE_(tether_value_of, float, TETHER_VALUE_FLOAT, real, )
TETHER_VALUE_MAKE_(tether_value_of, double, TETHER_VALUE_DOUBLE, real, )
TETHER_VALUE_MAKE_(tether_value_of, long double, TETHER_VALUE_LONG_DOUBLE,
                   real, )
TETHER_VALUE_MAKE_(tether_value_of, const volatile void *, TETHER_VALUE_POINTER,
                   as.object, )
TETHER_VALUE_MAKE_(tether_value_of, const char *, TETHER_VALUE_STRING,
                   as.text, )
static inline struct tether_value tether_value_of(decltype(nullptr))
{
    return tether_value_of(static_cast<const volatile void *>(nullptr));
}
template <class Result, class... Arguments>
inline struct tether_value tether_value_of(Result (*function)(Arguments...))
{
    return tether_value_of(reinterpret_cast<const volatile void *>(function));
}
/* An enum is its underlying number. By reference, because g++ warns of NULL
 * where a number is passed by value. */
template <bool is_enum> struct tether_value_make_ {
    template <class Type> static struct tether_value of(const Type &value)
    {
        return tether_value_of(value);
    }
};
template <> struct tether_value_make_<true> {
    template <class Type> static struct tether_value of(const Type &value)
    {
        return tether_value_of(static_cast<__underlying_type(Type)>(value));
    }
};
template <class Type>
inline struct tether_value tether_value_any_(const Type &value)
{
    return tether_value_make_<__is_enum(Type)>::of(value);
}
}
#    define TETHER_VALUE_OF(expression) (tether_value_any_(expression))

#endif
#endif
