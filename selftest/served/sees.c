/* SPDX-License-Identifier: MIT */
/*
 * Prints why Tether sees nothing of this program's allocations, or 'sees'.
 */
#include <stdio.h>
#include <tether/window.h>

int main(void)
{
    tether_window_begin("sees");
    const char *why = tether_window_blind();
    puts(why ? why : "sees");
    tether_window_end(TETHER_CHECK_LEAKS);
    return 0;
}
