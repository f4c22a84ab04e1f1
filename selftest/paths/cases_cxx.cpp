// SPDX-License-Identifier: MIT
// The cases of C++. See cases.h.
#include "cases.h"

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <vector>

extern "C" void case_is(const char *name, const void *object)
{
    std::printf("%s\t%p\n", name, object);
}

extern "C" NOINLINE void stack_scrub(void)
{
    volatile char room[16384];
    std::memset(const_cast<char *>(room), 0, sizeof room);
}

namespace shop
{

struct Item {
    char text[48];
};

class Base
{
  public:
    virtual ~Base()
    {
    }
    Item *item = nullptr;
};

class Derived : public Base
{
  public:
    Item *own = nullptr;
    long more[3] = {};
};

struct Basket {
    std::unique_ptr<Item> single;
    std::shared_ptr<Item> shared;
    std::vector<Item *> many;
};

static Basket *basket;
static Base *base;
static std::vector<std::unique_ptr<Derived>> all;
static std::map<int, Item *> by_number;

class Registry
{
  public:
    static Item *newest;
    static NOINLINE Registry &get()
    {
        static Registry registry;
        return registry;
    }
    Item *items[4] = {};
};

Item *Registry::newest;

static NOINLINE void smart_pointers()
{
    basket = new Basket();
    basket->single.reset(new Item());
    case_is("unique_ptr", basket->single.get());
    basket->shared = std::shared_ptr<Item>(new Item());
    case_is("shared_ptr", basket->shared.get());
    for (int i = 0; i < 4; i++)
        basket->many.push_back(new Item());
    case_is("vector of pointers", basket->many[2]);
}

static NOINLINE void classes()
{
    base = new Derived();
    base->item = new Item();
    case_is("member of a base class", base->item);
    static_cast<Derived *>(base)->own = new Item();
    case_is("member of a derived class", static_cast<Derived *>(base)->own);
    for (int i = 0; i < 3; i++)
        all.push_back(std::unique_ptr<Derived>(new Derived()));
    all[1]->item = new Item();
    case_is("vector of unique_ptr", all[1]->item);
}

static NOINLINE void statics()
{
    Registry::newest = new Item();
    case_is("static member", Registry::newest);
    Registry::get().items[2] = new Item();
    case_is("static in a member function", Registry::get().items[2]);
    by_number[7] = new Item();
    case_is("map", by_number[7]);
}

} // namespace shop

int main()
{
    KEEP(shop::basket);
    KEEP(shop::base);
    KEEP(shop::all);
    KEEP(shop::by_number);
    KEEP(shop::Registry::newest);
    shop::smart_pointers();
    shop::classes();
    shop::statics();
    stack_scrub();
    std::fflush(stdout);
    std::raise(SIGSTOP);
    return 0;
}
