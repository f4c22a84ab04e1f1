/* SPDX-License-Identifier: MIT */
/*
 * The one file that knows every part: it sets the parts up when the library
 * is loaded and fills the tables through which news travels upward.
 */
#include "base/base.h"

#include <tether/status.h>

const char *tether_status_name(tether_status status)
{
    switch (status) {
#define NAME(number, name, text)                                               \
    case name:                                                                 \
        return #name;
        TETHER_STATUS_TABLE(NAME)
#undef NAME
    }
    return "unknown status";
}

const char *tether_status_text(tether_status status)
{
    switch (status) {
#define TEXT(number, name, text)                                               \
    case name:                                                                 \
        return text;
        TETHER_STATUS_TABLE(TEXT)
#undef TEXT
    }
    return "unknown status";
}
