/* SPDX-License-Identifier: MIT */
#ifndef TETHER_OPTIONS_H
#define TETHER_OPTIONS_H
/**
 * Option lists: one way to write '.field = value, ...' that works in any order
 * of fields, with none and with all, from C99 to C++20, without a warning.
 *
 *     struct tether_wait wait = TETHER_OPTIONS(struct tether_wait, .text = "",
 *                                              .within_ms = 500);
 *
 * In C a list is the inside of a compound literal. C++ wants designators in
 * the order of the fields, or has none, so there each '.field = value' becomes
 * a statement 'object .field = value;' in a lambda. Lists have up to 24
 * fields. A comma that is not inside parentheses ends a field.
 *
 * For those who write macros that take option lists; users need nothing here.
 */

/* An argument list's head and tail; called with one argument more, so that
 * neither is ever short of one. */
#define TETHER_HEAD_(head, ...) head
#define TETHER_TAIL_(head, ...) __VA_ARGS__

/* 'a, b, c' becomes '(a).bits, (b).bits, (c).bits'; up to 24. */
#define TETHER_BITS_(...) \
    TETHER_BITS_1_(TETHER_COUNT_(__VA_ARGS__), __VA_ARGS__, ~)
#define TETHER_BITS_1_(n, ...) TETHER_BITS_2_(n, __VA_ARGS__)
#define TETHER_BITS_2_(n, ...) TETHER_B##n##_(__VA_ARGS__)
/* clang-format off */
#define TETHER_B1_(ref, ...) (ref).bits
#define TETHER_B2_(ref, ...) (ref).bits, TETHER_B1_(__VA_ARGS__)
#define TETHER_B3_(ref, ...) (ref).bits, TETHER_B2_(__VA_ARGS__)
#define TETHER_B4_(ref, ...) (ref).bits, TETHER_B3_(__VA_ARGS__)
#define TETHER_B5_(ref, ...) (ref).bits, TETHER_B4_(__VA_ARGS__)
#define TETHER_B6_(ref, ...) (ref).bits, TETHER_B5_(__VA_ARGS__)
#define TETHER_B7_(ref, ...) (ref).bits, TETHER_B6_(__VA_ARGS__)
#define TETHER_B8_(ref, ...) (ref).bits, TETHER_B7_(__VA_ARGS__)
#define TETHER_B9_(ref, ...) (ref).bits, TETHER_B8_(__VA_ARGS__)
#define TETHER_B10_(ref, ...) (ref).bits, TETHER_B9_(__VA_ARGS__)
#define TETHER_B11_(ref, ...) (ref).bits, TETHER_B10_(__VA_ARGS__)
#define TETHER_B12_(ref, ...) (ref).bits, TETHER_B11_(__VA_ARGS__)
#define TETHER_B13_(ref, ...) (ref).bits, TETHER_B12_(__VA_ARGS__)
#define TETHER_B14_(ref, ...) (ref).bits, TETHER_B13_(__VA_ARGS__)
#define TETHER_B15_(ref, ...) (ref).bits, TETHER_B14_(__VA_ARGS__)
#define TETHER_B16_(ref, ...) (ref).bits, TETHER_B15_(__VA_ARGS__)
#define TETHER_B17_(ref, ...) (ref).bits, TETHER_B16_(__VA_ARGS__)
#define TETHER_B18_(ref, ...) (ref).bits, TETHER_B17_(__VA_ARGS__)
#define TETHER_B19_(ref, ...) (ref).bits, TETHER_B18_(__VA_ARGS__)
#define TETHER_B20_(ref, ...) (ref).bits, TETHER_B19_(__VA_ARGS__)
#define TETHER_B21_(ref, ...) (ref).bits, TETHER_B20_(__VA_ARGS__)
#define TETHER_B22_(ref, ...) (ref).bits, TETHER_B21_(__VA_ARGS__)
#define TETHER_B23_(ref, ...) (ref).bits, TETHER_B22_(__VA_ARGS__)
#define TETHER_B24_(ref, ...) (ref).bits, TETHER_B23_(__VA_ARGS__)
/* clang-format on */

/* How many arguments there are, 1 to 24. */
#define TETHER_COUNT_(...)                                                   \
    TETHER_COUNT_1_(__VA_ARGS__, 24, 23, 22, 21, 20, 19, 18, 17, 16, 15, 14, \
                    13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, ~)
#define TETHER_COUNT_1_(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, \
                        s, t, u, v, w, x, number, ...)                        \
    number

/* The list as text: with macros expanded, as it stands after expansion. */
#define TETHER_TEXT_(...) #__VA_ARGS__

#ifndef __cplusplus

#    define TETHER_OPTIONS(type, first, ...) ((type){ first, __VA_ARGS__ })

#else

/* The first argument is a field of Tether's own, so that the list is never
 * empty. An empty field becomes 'tether_at_();', which does nothing. */
#    define TETHER_OPTIONS(type, first, ...)              \
        ([&]() -> type {                                  \
            type tether_it_ = {};                         \
            auto tether_at_ = [&tether_it_]() -> type & { \
                return tether_it_;                        \
            };                                            \
            tether_at_() first;                           \
            TETHER_FIELDS_(__VA_ARGS__)                   \
            return tether_it_;                            \
        }())

/* One statement 'tether_at_() FIELD;' for each argument. Every inner macro
 * gets a last argument '~', so that none is called with too few. */
#    define TETHER_FIELDS_(...) \
        TETHER_FIELDS_1_(TETHER_COUNT_(__VA_ARGS__), __VA_ARGS__, ~)
#    define TETHER_FIELDS_1_(n, ...) TETHER_FIELDS_2_(n, __VA_ARGS__)
#    define TETHER_FIELDS_2_(n, ...) TETHER_F##n##_(__VA_ARGS__)
/* clang-format off */
# define TETHER_F1_(field, ...) tether_at_() field;
# define TETHER_F2_(field, ...) tether_at_() field; TETHER_F1_(__VA_ARGS__)
# define TETHER_F3_(field, ...) tether_at_() field; TETHER_F2_(__VA_ARGS__)
# define TETHER_F4_(field, ...) tether_at_() field; TETHER_F3_(__VA_ARGS__)
# define TETHER_F5_(field, ...) tether_at_() field; TETHER_F4_(__VA_ARGS__)
# define TETHER_F6_(field, ...) tether_at_() field; TETHER_F5_(__VA_ARGS__)
# define TETHER_F7_(field, ...) tether_at_() field; TETHER_F6_(__VA_ARGS__)
# define TETHER_F8_(field, ...) tether_at_() field; TETHER_F7_(__VA_ARGS__)
# define TETHER_F9_(field, ...) tether_at_() field; TETHER_F8_(__VA_ARGS__)
# define TETHER_F10_(field, ...) tether_at_() field; TETHER_F9_(__VA_ARGS__)
# define TETHER_F11_(field, ...) tether_at_() field; TETHER_F10_(__VA_ARGS__)
# define TETHER_F12_(field, ...) tether_at_() field; TETHER_F11_(__VA_ARGS__)
# define TETHER_F13_(field, ...) tether_at_() field; TETHER_F12_(__VA_ARGS__)
# define TETHER_F14_(field, ...) tether_at_() field; TETHER_F13_(__VA_ARGS__)
# define TETHER_F15_(field, ...) tether_at_() field; TETHER_F14_(__VA_ARGS__)
# define TETHER_F16_(field, ...) tether_at_() field; TETHER_F15_(__VA_ARGS__)
# define TETHER_F17_(field, ...) tether_at_() field; TETHER_F16_(__VA_ARGS__)
# define TETHER_F18_(field, ...) tether_at_() field; TETHER_F17_(__VA_ARGS__)
# define TETHER_F19_(field, ...) tether_at_() field; TETHER_F18_(__VA_ARGS__)
# define TETHER_F20_(field, ...) tether_at_() field; TETHER_F19_(__VA_ARGS__)
# define TETHER_F21_(field, ...) tether_at_() field; TETHER_F20_(__VA_ARGS__)
# define TETHER_F22_(field, ...) tether_at_() field; TETHER_F21_(__VA_ARGS__)
# define TETHER_F23_(field, ...) tether_at_() field; TETHER_F22_(__VA_ARGS__)
# define TETHER_F24_(field, ...) tether_at_() field; TETHER_F23_(__VA_ARGS__)
/* clang-format on */

#endif
#endif
