/* SPDX-License-Identifier: MIT */
#include "heap_test.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

struct tt_misuse_report misuse_newest;
_Atomic unsigned misuse_count;

uint64_t seed_of_test(void)
{
    const char *const given = getenv("TETHER_SEED");
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    const uint64_t seed =
        given ? strtoull(given, NULL, 0)
              : (uint64_t)now.tv_nsec * 2654435761u + (uint64_t)getpid();
    /* Shown by Criterion only where the test is looked at. */
    cr_log_info("TETHER_SEED=%llu", (unsigned long long)(seed | 1));
    return seed | 1;
}

void pattern_write(void *block, size_t size, uint64_t number)
{
    memset(block, (int)(number * 151 + size) & 0xff, size);
}

bool pattern_holds(const void *block, size_t size, uint64_t number)
{
    const unsigned char expected = (number * 151 + size) & 0xff;
    const unsigned char *const bytes = block;
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != expected)
            return false;
    return true;
}

static void misuse_keep(const struct tt_misuse_report *report)
{
    misuse_newest = *report;
    misuse_count++;
}

void misuse_collect(void)
{
    tt_heap_news.misuse = misuse_keep;
    misuse_count = 0;
}
