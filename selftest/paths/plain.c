/* SPDX-License-Identifier: MIT */
/* Without debug information. */
#include "cases.h"

#include <stdlib.h>

void plain_make(void);

struct hidden {
    void *numbers[20];
};

struct hidden plain_table;

void plain_make(void)
{
    plain_table.numbers[18] = calloc(1, 72);
    case_is("global without debug information", plain_table.numbers[18]);
    void **const link = calloc(4, sizeof(void *));
    plain_table.numbers[3] = link;
    link[2] = calloc(1, 56);
    case_is("block behind one without debug information", link[2]);
}
