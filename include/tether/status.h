/* SPDX-License-Identifier: MIT */
#ifndef TETHER_STATUS_H
#define TETHER_STATUS_H
/**
 * What a call of Tether can answer. A programmer's mistake (NULL, a reference
 * used after its drop) never is a status: it stops the program with the name
 * of the call.
 */
#include <tether/api.h>

TETHER_BEGIN_DECLS

/* number, name, sentence */
#define TETHER_STATUS_TABLE(X)                                              \
    X(0, TETHER_OK, "it worked")                                            \
    X(1, TETHER_EMPTY, "nothing is there yet")                              \
    X(2, TETHER_TIMEOUT, "the time ran out first")                          \
    X(3, TETHER_NOT_AN_OBJECT, "the pointer is in no live block")           \
    X(4, TETHER_STILL_ALIVE, "the object is still alive")                   \
    X(5, TETHER_NO_MEMORY, "Tether could not map memory of its own")        \
    X(6, TETHER_BLIND, "Tether does not see this program's allocations")    \
    X(7, TETHER_BUSY, "the call is already under way further up the stack") \
    X(8, TETHER_REFUSED, "the options contradict each other")               \
    X(9, TETHER_NOT_FOUND, "there is no such thing")                        \
    X(10, TETHER_TOO_EARLY, "it came about before its time")                \
    X(11, TETHER_STOPPED, "the wait was stopped")

typedef enum tether_status {
#define TETHER_STATUS_ENUM(number, name, text) name = number,
    TETHER_STATUS_TABLE(TETHER_STATUS_ENUM)
#undef TETHER_STATUS_ENUM
} tether_status;

/**
 * Gets the name of a status, "TETHER_OK" for instance.
 *
 * Returns a constant string; "unknown status" for a number not in the table.
 */
TETHER_API const char *tether_status_name(tether_status status);

/** Gets the sentence of a status; "unknown status" for any other number. */
TETHER_API const char *tether_status_text(tether_status status);

TETHER_END_DECLS

#ifdef TETHER_DISABLE
#    define TETHER_DISABLE_STATUS
#    include <tether/disable.h>
#endif
#endif
