/* SPDX-License-Identifier: MIT */
/*
 * What programs say to LeakSanitizer (sanitizer/lsan_interface.h), said to
 * Tether: the same names, which a program that was built without a sanitizer
 * looks for weakly, or through its header. Where a sanitizer serves the
 * program its own functions stand before these in the order of look-up.
 */
#include "report/report_reach.h"

#include <tether/check.h>
#include <tether/heap.h>
#include <unistd.h>

#include "reach/reach_regions.h"

/* Weak, for where a sanitizer's are linked into the same program. */
#define LSAN_API TETHER_API __attribute__((weak))

LSAN_API void __lsan_disable(void);
LSAN_API void __lsan_enable(void);
LSAN_API void __lsan_ignore_object(const void *object);
LSAN_API void __lsan_register_root_region(const void *start, size_t bytes);
LSAN_API void __lsan_unregister_root_region(const void *start, size_t bytes);
LSAN_API void __lsan_do_leak_check(void);
LSAN_API int __lsan_do_recoverable_leak_check(void);

/* What the thread allocates from here on is meant to stay; nests. */
void __lsan_disable(void)
{
    tether_one_time_begin();
}

void __lsan_enable(void)
{
    tether_one_time_end();
}

void __lsan_ignore_object(const void *object)
{
    tether_keep(object);
}

void __lsan_register_root_region(const void *start, size_t bytes)
{
    reach_region_add((uintptr_t)start, bytes, "root region",
                     (uintptr_t)__builtin_return_address(0));
}

void __lsan_unregister_root_region(const void *start, size_t bytes)
{
    if (reach_region_remove((uintptr_t)start, bytes) != TETHER_OK)
        tt_die("__lsan_unregister_root_region",
               "no region of this start and size is registered");
}

/* Ends the program when something is lost, as LeakSanitizer's does. */
void __lsan_do_leak_check(void)
{
    TETHER_KEEP_REGISTERS();
    if (tether_check_lost() != 0)
        _exit(tt_lost_exit_code());
}

int __lsan_do_recoverable_leak_check(void)
{
    TETHER_KEEP_REGISTERS();
    return tether_check_lost() != 0;
}
