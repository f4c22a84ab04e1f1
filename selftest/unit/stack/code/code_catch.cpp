// SPDX-License-Identifier: MIT
#include "code.h"

namespace
{

struct seer {
    see_fn see;
    void *ctx;
    ~seer()
    {
        see(ctx);
    }
};

__attribute__((noinline)) void fly(see_fn see, void *ctx)
{
    seer in_flight = { see, ctx };
    throw 1;
}

} // namespace

extern "C" void code_catch(see_fn see, void *ctx)
{
    try {
        fly(see, ctx);
    } catch (int) {
        see(ctx);
    }
}
