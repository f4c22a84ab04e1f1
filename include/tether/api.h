/* SPDX-License-Identifier: MIT */
#ifndef TETHER_API_H
#define TETHER_API_H
/**
 * Attributes that lead and trail Tether's public prototypes.
 */
#if defined(TETHER_BUILDING)
#    define TETHER_API __attribute__((visibility("default")))
#else
#    define TETHER_API
#endif

#ifdef __cplusplus
#    define TETHER_BEGIN_DECLS extern "C" {
#    define TETHER_END_DECLS   }
#else
#    define TETHER_BEGIN_DECLS
#    define TETHER_END_DECLS
#endif

/* A pointer of which only the address is used: nothing is read through it. */
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 11
#    define TETHER_ADDRESS_ONLY(n) __attribute__((access(none, n)))
#else
#    define TETHER_ADDRESS_ONLY(n)
#endif

#define TETHER_PRINTF(format, first) \
    __attribute__((format(printf, format, first)))

#define TETHER_MUST_USE __attribute__((warn_unused_result))

#endif
