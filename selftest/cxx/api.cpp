// SPDX-License-Identifier: MIT
//
// The public interface from C++: what users call and write, as C++11 and as
// C++20, with what new, delete and exceptions add to it.
#include <criterion/criterion.h>
#include <tether/tether.h>

#include <tether/criterion.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <thread>
#include <vector>

namespace
{

void *volatile kept;

void take(std::size_t bytes)
{
    kept = std::malloc(bytes);
    std::free(kept);
}

__attribute__((noinline)) void *make(std::size_t bytes)
{
    void *const block = std::malloc(bytes);
    kept = block;
    return block;
}

struct session {
    std::string user = "a user whose name is on the heap, as it is long";
    std::vector<int> numbers = std::vector<int>(100);
};

} // namespace

// --- numbers ---------------------------------------------------------------

TestSuite(cxx, HEAP_BUDGET(NO_LEAKS, .max_heap = MiB(4)));

Test(cxx, stats_and_blocks)
{
    struct tether_stats before, after, thread;
    tether_block block;
    cr_assert(tether_stats(&before) == TETHER_OK);
    std::unique_ptr<char[]> bytes(new char[1000]);
    cr_assert(tether_stats(&after) == TETHER_OK);
    cr_expect(after.total_bytes - before.total_bytes == 1000);
    cr_expect(after.live_blocks - before.live_blocks == 1);
    cr_assert(tether_stats_thread(&thread) == TETHER_OK);
    cr_expect(thread.threads == 1);
    cr_assert(tether_block_of(bytes.get() + 500, &block) == TETHER_OK);
    cr_expect(block.address == bytes.get() && block.size == 1000);
    char text[2048];
    cr_expect(tether_stack_text(block.stack, text, sizeof text) > 0);
    cr_expect(std::strstr(text, "api.cpp") != nullptr);
    cr_expect(tether_block_of(&before, &block) == TETHER_NOT_AN_OBJECT);
}

Test(cxx, snapshots)
{
    tether_site sites[4];
    struct tether_snapshot *const before = tether_snapshot();
    std::unique_ptr<session> one(new session);
    struct tether_snapshot *const after = tether_snapshot();
    cr_expect(tether_snapshot_diff(before, after, sites, 4) >= 2);
    cr_expect(sites[0].bytes > 0 && sites[0].blocks == 1);
    tether_snapshot_drop(before);
    tether_snapshot_drop(after);
    tether_snapshot_drop(nullptr);
}

Test(cxx, live_from)
{
    std::size_t bytes = 0;
    void *const block = make(77);
    cr_expect(tether_live_from(reinterpret_cast<void (*)()>(make), &bytes) ==
              1);
    cr_expect(bytes == 77);
    std::free(block);
    ASSERT_NONE_ALIVE(make);
}

Test(cxx, kept_and_one_time)
{
    static std::string *cache;
    ONE_TIME {
        cache = new std::string(1000, 'x');
    }
    kept = new session;
    cr_expect(tether_keep(kept) == TETHER_OK);
    static_cast<session *>(kept)->user.clear();
    static_cast<session *>(kept)->user.shrink_to_fit();
    std::vector<int>().swap(static_cast<session *>(kept)->numbers);
    cr_expect(cache->size() == 1000);
}

// --- budgets ---------------------------------------------------------------

Test(cxx, every_field,
     HEAP_BUDGET(.max_heap = KiB(64), .max_alloc = KiB(16), .max_site = KiB(32),
                 .max_total = MiB(1), .max_count = 100, .min_count = 1,
                 .max_leaked = 0, .on_breach = TETHER_STOP, .fixtures = 1))
{
    take(KiB(8));
}

Test(cxx, denied_new_throws,
     HEAP_BUDGET(.max_alloc = 100, .on_breach = TETHER_DENY))
{
    bool thrown = false;
    try {
        kept = ::operator new(1000);
    } catch (const std::bad_alloc &) {
        thrown = true;
    }
    cr_expect(thrown);
    cr_expect(::operator new(1000, std::nothrow) == nullptr);
    cr_expect(std::malloc(1000) == nullptr);
}

Test(cxx, budgets_from_code)
{
    tether_budget budget = { TETHER_BUDGET_INIT };
    struct tether_budget_result result;
    std::uint64_t value = 0;
    tether_budget_set(&budget, TETHER_MAX_COUNT, 3);
    cr_expect(tether_budget_get(&budget, TETHER_MAX_COUNT, &value) != 0);
    cr_expect(value == 3);
    cr_expect(tether_budget_unchecked(&budget) == nullptr);
    cr_assert(tether_budget_begin(&budget) == TETHER_OK);
    take(10);
    take(20);
    cr_assert(tether_budget_end(&budget) == TETHER_OK);
    cr_assert(tether_budget_result(&budget, &result) == TETHER_OK);
    cr_expect(result.total_count == 2 && result.largest_bytes == 20);
}

Test(cxx, scopes_are_left_in_every_way)
{
    WITHIN_BUDGET(.max_heap = KiB(1), NO_LEAKS) {
        WITHIN_BUDGET(.max_count = 1) {
            take(100);
        }
        try {
            WITHIN_BUDGET(.max_total = 10000) {
                std::unique_ptr<session> one;
                throw 1;
            }
        } catch (int) {
        }
        for (int i = 0; i < 3; i++)
            WITHIN_BUDGET(.max_count = 0) {
                if (i == 1)
                    continue;
            }
    }
    const auto returns = [] {
        WITHIN_BUDGET(.min_count = 0) {
            return 42;
        }
        return 0;
    };
    cr_expect(returns() == 42);
}

// --- references ------------------------------------------------------------

Test(cxx, weak_references)
{
    session *const alice = new session;
    const tether_weak ref = tether_weak_to(alice);
    tether_last_words words;
    ASSERT_ALIVE(ref);
    cr_expect(tether_weak_get(ref) == alice);
    cr_expect(tether_weak_last_words(ref, &words) == TETHER_STILL_ALIVE);
    delete alice;
    ASSERT_COLLECTED(ref);
    cr_expect(tether_weak_get(ref) == nullptr);
    cr_assert(tether_weak_last_words(ref, &words) == TETHER_OK);
    cr_expect(std::strcmp(words.name, "alice") == 0);
    cr_expect(words.size == sizeof(session));
    tether_weak_drop(ref);
}

Test(cxx, queues)
{
    int tag = 0;
    unsigned drained = 0;
    tether_record record;
    tether_queue *const queue = tether_queue_make();
    char *const one = new char[10];
    char *const two = new char[20];
    const tether_phantom first = tether_phantom_to(one, queue, &tag);
    const tether_weak second = tether_weak_in_queue(two, queue, &tag);
    ASSERT_QUEUE_EMPTY(queue);
    delete[] one;
    delete[] two;
    ASSERT_ENQUEUED(first);
    ASSERT_ENQUEUED_IN_ORDER(queue, first, second);
    cr_expect(tether_weak_enqueued(second) != 0);
    cr_assert(tether_queue_peek(queue, &record) == TETHER_OK);
    cr_assert(tether_queue_poll(queue, &record) == TETHER_OK);
    cr_expect(record.kind == TETHER_REF_PHANTOM && record.tag == &tag);
    cr_assert(tether_queue_wait(queue, 10, &record) == TETHER_OK);
    cr_expect(record.kind == TETHER_REF_WEAK);
    cr_expect(tether_queue_poll(queue, &record) == TETHER_EMPTY);
    cr_expect(tether_queue_drain(
                  queue,
                  [](const tether_record *, void *ctx) {
                      ++*static_cast<unsigned *>(ctx);
                  },
                  &drained) == 0);
    tether_phantom_drop(first);
    tether_weak_drop(second);
    tether_queue_drop(queue);
}

Test(cxx, a_callback_at_a_safe_point)
{
    unsigned seen = 0;
    tether_queue *const queue = tether_queue_make();
    tether_queue_on(
        queue,
        [](const tether_record *, void *ctx) {
            ++*static_cast<unsigned *>(ctx);
        },
        &seen);
    char *const one = new char[10];
    const tether_phantom phantom = tether_phantom_to(one, queue, nullptr);
    delete[] one;
    cr_expect(seen == 0);
    tether_safepoint();
    cr_expect(seen == 1);
    tether_phantom_drop(phantom);
    tether_queue_drop(queue);
}

// --- waits -----------------------------------------------------------------

Test(cxx, waits)
{
    std::atomic<int> state(0);
    std::thread other([&state] {
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
        state = 2;
    });
    ASSERT_EVENTUALLY(state == 2, .within_ms = 10000);
    ASSERT_EVENTUALLY_IS(state.load(), ==, 2, .within_ms = 10000);
    ASSERT_CONSISTENTLY(state == 2, .for_ms = 5);
    ASSERT_CONSISTENTLY_IS(state.load(), >, 1, .for_ms = 5, .every_ms = 1);
    other.join();
    tether_wait wait = tether_wait();
    wait.within_ms = 1000;
    cr_expect(tether_eventually(
                  [](void *ctx) -> int {
                      return ++*static_cast<std::atomic<int> *>(ctx) > 4;
                  },
                  &state, &wait) == TETHER_OK);
    cr_expect(wait.polls >= 2);
}

Test(cxx, eventually_collected)
{
    session *const one = new session;
    const tether_weak ref = tether_weak_to(one);
    std::thread other([one] { delete one; });
    ASSERT_EVENTUALLY_COLLECTED(ref, .within_ms = 10000);
    other.join();
    tether_weak_drop(ref);
}

// --- collections -----------------------------------------------------------

namespace
{

struct cache {
    std::vector<std::unique_ptr<session>> sessions;
};

void cache_collect(tether_reclaimed *reclaimed, void *ctx)
{
    cache *const self = static_cast<cache *>(ctx);
    reclaimed->objects = self->sessions.size();
    reclaimed->bytes = self->sessions.size() * sizeof(session);
    std::vector<std::unique_ptr<session>>().swap(self->sessions);
}

} // namespace

Test(cxx, collectors)
{
    cache sessions;
    tether_collector_table table = tether_collector_table();
    table.name = "the cache";
    table.collect = cache_collect;
    table.ctx = &sessions;
    tether_collector *const collector = tether_collector_add(&table);
    sessions.sessions.emplace_back(new session);
    const tether_weak ref = tether_weak_to(sessions.sessions[0].get());
    const tether_collection done = tether_collect();
    cr_expect(done.status == TETHER_OK && done.objects == 1);
    ASSERT_COLLECTED(ref);
    tether_weak_drop(ref);
    tether_collector_remove(collector);
    cr_expect(tether_collect_running() == nullptr);
}

// --- the rest --------------------------------------------------------------

Test(cxx, checks_say_why)
{
    std::unique_ptr<tether_message> why(new tether_message);
    char *const one = new char[10];
    const tether_weak ref = tether_weak_to(one);
    cr_expect(tether_check_alive(ref, why.get()) == TETHER_PASSED);
    cr_expect(tether_check_collected(ref, why.get()) == TETHER_FAILED);
    cr_expect(std::strstr(why->text, "`one` is still alive") != nullptr);
    delete[] one;
    cr_expect(tether_check_collected(ref, why.get()) == TETHER_PASSED);
    tether_weak_drop(ref);
}

Test(cxx, a_window_is_open)
{
    cr_expect(tether_window_begin("another") == TETHER_BUSY);
    cr_expect(tether_window_blind() == nullptr);
    tether_uncounted_begin();
    kept = std::malloc(100);
    tether_uncounted_end();
    tether_breach();
    tether_failed();
    cr_expect(std::strcmp(tether_status_name(TETHER_OK), "TETHER_OK") == 0);
    cr_expect(std::strlen(tether_status_text(TETHER_BUSY)) > 5);
}
