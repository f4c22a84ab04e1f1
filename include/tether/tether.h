/* SPDX-License-Identifier: MIT */
#ifndef TETHER_TETHER_H
#define TETHER_TETHER_H
/**
 * All of Tether but the plug-in for Criterion, which is <tether/criterion.h>.
 */
#include <tether/board.h>
#include <tether/budget.h>
#include <tether/check.h>
#include <tether/collect.h>
#include <tether/eventually.h>
#include <tether/heap.h>
#include <tether/pressure.h>
#include <tether/reach.h>
#include <tether/ref.h>
#include <tether/spy.h>
#include <tether/status.h>
#include <tether/window.h>

#endif
