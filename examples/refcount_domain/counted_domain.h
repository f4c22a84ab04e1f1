/* SPDX-License-Identifier: MIT */
#ifndef COUNTED_DOMAIN_H
#define COUNTED_DOMAIN_H
/*
 * Counted objects as a domain of Tether's: what a suite needs to ask of them
 * who lives, who died, and who holds. Only tests link this.
 */
#include <tether/collect.h>

/* The fixture: before each test, and after it. */
void counted_domain_begin(void);
void counted_domain_end(void);

extern tether_domain *counted_domain;

#endif
