// SPDX-License-Identifier: MIT
//
// References to objects of C++: new and delete, destructors, containers.
#include <criterion/criterion.h>
#include <tether/criterion.h>
#include <tether/ref.h>

#include <memory>
#include <vector>

namespace
{

struct node {
    int value = 0;
    std::shared_ptr<node> other;
};

} // namespace

Test(ref_cxx, a_deleted_object_is_collected)
{
    node *const one = new node;
    const tether_weak ref = tether_weak_to(one);
    ASSERT_ALIVE(ref);
    delete one;
    ASSERT_COLLECTED(ref);
    tether_weak_drop(ref);
}

Test(ref_cxx, a_cycle_of_shared_pointers_stays_alive)
{
    auto one = std::make_shared<node>();
    one->other = std::make_shared<node>();
    one->other->other = one;
    const tether_weak first = tether_weak_to(one.get());
    const tether_weak second = tether_weak_to(one->other.get());
    node *const raw = one.get();
    one.reset();
    EXPECT_ALIVE(first);
    EXPECT_ALIVE(second);
    raw->other.reset();
    EXPECT_COLLECTED(first);
    EXPECT_COLLECTED(second);
    tether_weak_drop(first);
    tether_weak_drop(second);
}

Test(ref_cxx, a_vector_that_grows_leaves_its_old_array)
{
    std::vector<int> numbers(4);
    const tether_weak array = tether_weak_to(numbers.data());
    numbers.resize(100000);
    ASSERT_COLLECTED(array);
    tether_weak_drop(array);
}
