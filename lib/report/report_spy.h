/* SPDX-License-Identifier: MIT */
#ifndef TT_REPORT_SPY_H
#define TT_REPORT_SPY_H
/*
 * Words for calls of spies that should not have been.
 */
#include "base/base_text.h"
#include "spy/spy.h"

void tt_report_spy(const struct tt_spy_facts *facts, struct tt_text *text);

#endif
