/* SPDX-License-Identifier: MIT */
/* Wrappers of C++: a member, a template, an operator. */
#include "code.h"

#include <cstdlib>

#define FRAME __attribute__((noinline))

namespace ns
{

struct pool {
    FRAME void *take(size_t bytes)
    {
        void *block = std::malloc(bytes);
        KEEP(block);
        return block;
    }
};

template <typename T> FRAME T *make(size_t count)
{
    T *block = static_cast<T *>(std::malloc(count * sizeof(T)));
    KEEP(block);
    return block;
}

struct taker {
    FRAME void *operator()(size_t bytes, int times)
    {
        void *block = std::malloc(bytes * (size_t)times);
        KEEP(block);
        return block;
    }
};

} // namespace ns

static ns::pool pool;
static ns::taker taker;

#define CALLER(name, call)         \
    FRAME void *name(size_t bytes) \
    {                              \
        void *block = call;        \
        KEEP(block);               \
        return block;              \
    }

CALLER(cxx_one, pool.take(bytes))
CALLER(cxx_two, pool.take(bytes))
CALLER(cxx_template_one, ns::make<char>(bytes))
CALLER(cxx_template_two, ns::make<char>(bytes))
CALLER(cxx_operator_one, taker(bytes, 1))
CALLER(cxx_operator_two, taker(bytes, 1))
