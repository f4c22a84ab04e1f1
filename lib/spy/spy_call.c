/* SPDX-License-Identifier: MIT */
/*
 * A spied call: a closure of libffi's comes here with the arguments, which are
 * written down, judged, and handed on with ffi_call. What is known before the
 * call is written before it, under the lock; the function itself runs with
 * nothing held and no guard up, so it may recurse, call other spies, leave by
 * longjmp, or drop its own spy. On the way back the record is looked at again
 * only while the spy has not been dropped.
 *
 * A spy's memory and its closure are never given back: whoever holds the
 * pointer may call it after the drop, and is told so.
 *
 * Locks: one, for all spies and the objects they saw; inside it those of
 * lib/ref, lib/heap and private memory. A signal's handler that calls a spy
 * while its thread has the lock only counts.
 */
#include "spy/spy_log.h"

#include "base/base_lock.h"
#include "base/base_mem.h"
#include "budget/budget.h"
#include "os/os.h"
#include "ref/ref.h"
#include "stack/stack.h"

#include <errno.h>
#include <string.h>

#undef tether_spy_calls
#undef tether_spy_visit
#undef tether_spy_drop

/* Of libffi, between the caller and spy_called: its assembly, and the C that
 * that calls. */
#define FFI_FRAMES 2u
#define BUCKETS    256u

struct spy {
    struct spy *next;       /* in its bucket */
    tether_function caller; /* what the user has */
    tether_function function;
    const char *name;
    struct spy_signature signature;
    ffi_cif cif;
    ffi_type *types[TETHER_SPY_ARGS_MAX];
    struct spy_log log;
    uint64_t calls;
    _Atomic uint64_t uncounted; /* in a signal's handler, under the lock */
    bool dropped;
    bool told; /* a call after the drop */
    bool blind;
    uint32_t drop_stack;
};

static struct {
    struct tt_lock lock;
    uint64_t order;
    uint64_t live;
    struct spy *bucket[BUCKETS];
} spies;

static _Thread_local bool has_lock __attribute__((tls_model("initial-exec")));

void (*tt_spy_words)(const struct tt_spy_facts *facts, struct tt_text *text);

static void lock_take(void)
{
    has_lock = true;
    tt_lock_take(&spies.lock);
}

static void lock_give(void)
{
    tt_lock_give(&spies.lock);
    has_lock = false;
}

void tt_spy_lock(void)
{
    lock_take();
}

void tt_spy_unlock(void)
{
    lock_give();
}

/* ---- the call ---- */

static uint32_t caller_stack(void *frame)
{
    uintptr_t frames[TT_STACK_DEPTH_MAX + FFI_FRAMES];
    if (!tt_stack_depth)
        return 0;
    const unsigned depth =
        tt_stack_walk(frame, frames, tt_stack_depth + FFI_FRAMES);
    return depth > FFI_FRAMES
               ? tt_stack_intern(frames + FFI_FRAMES, depth - FFI_FRAMES)
               : 0;
}

static void fault_tell(const struct tt_spy_facts *facts)
{
    struct tt_text text;
    tt_enter();
    tt_text_make(&text);
    if (tt_spy_words)
        tt_spy_words(facts, &text);
    else
        tt_text_add(&text, "`%s` was called with a dead object", facts->name);
    struct tether_failure failure = { .kind = TETHER_FAILURE_MISUSE };
    if (tt_budget_words.where)
        tt_budget_words.where(facts->now_stack, &failure.file, &failure.line);
    tt_text_end(&text);
    failure.message = text.data;
    tt_leave();
    tt_failure_tell(&failure);
    tt_text_drop(&text);
}

/* A call under way, on the stack of its caller. */
struct under_way {
    struct spy_now now;
    struct spy_record *record; /* NULL: not kept */
};

/* Looks at one argument; the first fault of a call is the one told. */
static void arg_see(struct spy *spy, struct under_way *way, unsigned n,
                    void *object, struct tt_spy_facts *facts)
{
    const enum spy_role role = spy->signature.arg[n].role;
    struct tt_spy_facts own = { .fault = TT_SPY_FINE };
    const uint64_t number = spy_object_begin(&way->now, object, role, &own);
    if (way->record && !way->record->object)
        way->record->object = number;
    if (own.fault == TT_SPY_FINE || facts->fault != TT_SPY_FINE)
        return;
    *facts = own;
    facts->arg = n + 1;
    facts->role = spy_role_name(role);
}

static void record_begin(struct spy *spy, struct under_way *way, void **args,
                         uint64_t time_ns)
{
    struct spy_record *const record =
        spy_log_add(&spy->log, spy->signature.count);
    way->record = record;
    if (!record)
        return;
    record->order = way->now.order;
    record->time_ns = time_ns;
    record->thread = tt_thread_number();
    record->stack = way->now.stack;
    for (unsigned i = 0; i < spy->signature.count; i++)
        record->arg[i] = spy_value_pack(spy->signature.arg[i].type, args[i]);
}

static bool has_object(const struct spy_item *item)
{
    return item->role != SPY_PLAIN && item->role != SPY_DATA;
}

static void call_begin(struct spy *spy, struct under_way *way, void **args,
                       void *frame)
{
    struct tt_spy_facts facts = { .fault = TT_SPY_FINE, .name = spy->name };
    const uint64_t time_ns = tt_os_now_ns();
    way->now.spy = spy;
    way->now.name = spy->name;
    way->now.stack = caller_stack(frame);
    lock_take();
    if (spy->dropped) {
        if (!spy->told) {
            facts.fault = TT_SPY_DROPPED;
            facts.dead_stack = spy->drop_stack;
        }
        spy->told = true;
    } else {
        spy->calls++;
        way->now.order = ++spies.order;
        record_begin(spy, way, args, time_ns);
        for (unsigned i = 0; i < spy->signature.count; i++)
            if (has_object(&spy->signature.arg[i]) && *(void **)args[i])
                arg_see(spy, way, i, *(void **)args[i], &facts);
    }
    lock_give();
    facts.name = spy->name;
    facts.now_stack = way->now.stack;
    if (TT_UNLIKELY(facts.fault != TT_SPY_FINE))
        fault_tell(&facts);
}

static void call_end(struct spy *spy, const struct under_way *way,
                     const void *result, void **args)
{
    const struct spy_signature *const signature = &spy->signature;
    const bool born = signature->result.role == SPY_BORN;
    lock_take();
    if (!spy->dropped) {
        void *const made = born ? *(void *const *)result : NULL;
        uint64_t number = 0;
        for (unsigned i = 0; i < signature->count; i++)
            if (signature->arg[i].role == SPY_DIES)
                spy_object_died(&way->now, *(void **)args[i], born && !made);
        if (made)
            number = spy_object_born(&way->now, made);
        if (way->record) {
            way->record->result =
                spy_value_pack(signature->result.type, result);
            way->record->returned = 1;
            if (!way->record->object)
                way->record->object = number;
        }
    }
    lock_give();
}

/* What libffi's closure calls. */
static void spy_called(ffi_cif *cif, void *result, void **args, void *ctx)
{
    struct spy *const spy = ctx;
    struct under_way way = { .record = NULL };
    int error = errno;
    if (TT_UNLIKELY(has_lock)) {
        spy->uncounted++;
        ffi_call(cif, spy->function, result, args);
        return;
    }
    call_begin(spy, &way, args, __builtin_frame_address(0));
    errno = error;
    ffi_call(cif, spy->function, result, args);
    if (!way.now.order)
        return;
    error = errno;
    call_end(spy, &way, result, args);
    errno = error;
}

/* ---- spies ---- */

static struct spy **bucket_of(tether_function caller)
{
    const uint64_t hash = (uintptr_t)caller * UINT64_C(0x9e3779b97f4a7c15);
    return &spies.bucket[hash >> 56];
}

/* Finds a spy that may be used; the lock is held then. */
static struct spy *spy_lock(const char *call, tether_function caller)
{
    lock_take();
    struct spy *spy = *bucket_of(caller);
    while (spy && (spy->caller != caller || (spy->blind && spy->dropped)))
        spy = spy->next;
    if (spy && !spy->dropped)
        return spy;
    lock_give();
    if (spy)
        tt_die(call,
               "the spy of `%s` was dropped already; drop it after its last "
               "use",
               spy->name);
    tt_die(call, "this function is no spy; pass what tether_spy_make returned");
}

static void signature_take(struct spy *spy, const char *text, int arity,
                           const char *file, unsigned line)
{
    static const char call[] = "tether_spy_make";
    char bytes[512];
    struct tt_text why;
    tt_text_fixed(&why, bytes, sizeof bytes);
    if (arity == -2)
        tt_die(call,
               "`%s` (%s:%u) takes `...`, and so cannot be spied on: nobody "
               "knows what\n  to pass on. Spy on a function of your own that "
               "calls it",
               spy->name, file, line);
    if (!spy_signature_read(text, &spy->signature, &why))
        tt_die(call, "the signature \"%s\" of `%s` (%s:%u):\n  %s", text,
               spy->name, file, line, why.data);
    if (arity >= 0 && (unsigned)arity != spy->signature.count)
        tt_die(call,
               "the signature \"%s\" (%s:%u)\n  has %u argument%s, but `%s` "
               "takes %d",
               text, file, line, spy->signature.count,
               spy->signature.count == 1 ? "" : "s", spy->name, arity);
}

/* Makes the closure. False: there is no memory for it. */
static bool closure_make(struct spy *spy)
{
    const unsigned count = spy->signature.count;
    void *code = NULL;
    for (unsigned i = 0; i < count; i++)
        spy->types[i] = spy->signature.arg[i].type->ffi;
    if (ffi_prep_cif(&spy->cif, FFI_DEFAULT_ABI, count,
                     spy->signature.result.type->ffi, spy->types) != FFI_OK)
        return false;
    ffi_closure *const closure = tt_ffi_closure_alloc(sizeof *closure, &code);
    if (!closure)
        return false;
    if (ffi_prep_closure_loc(closure, &spy->cif, spy_called, spy, code) !=
        FFI_OK) {
        tt_ffi_closure_free(closure);
        return false;
    }
    memcpy(&spy->caller, &code, sizeof code);
    return true;
}

tether_function tether_spy_make_at(tether_function function, const char *name,
                                   const char *signature, int arity,
                                   const char *file, unsigned line)
{
    const int error = errno;
    if (!function || !signature)
        tt_die("tether_spy_make", "`%s` (%s:%u): %s is NULL", name, file, line,
               function ? "the signature" : "the function");
    struct spy *const spy = tt_mem_take(sizeof *spy);
    if (!spy)
        tt_die("tether_spy_make", "there is no memory for a spy");
    spy->name = name;
    spy->function = spy->caller = function;
    signature_take(spy, signature, arity, file, line);
    tt_os_ticks_exact();
    tt_enter(); /* libffi's tables are nobody's leak */
    spy->blind = !closure_make(spy);
    tt_leave();
    lock_take();
    spy->next = *bucket_of(spy->caller);
    *bucket_of(spy->caller) = spy;
    spies.live++;
    lock_give();
    errno = error;
    return spy->caller;
}

void tether_spy_drop(tether_function caller)
{
    const uint32_t stack =
        tt_stack_capture(__builtin_frame_address(0), tt_stack_depth);
    struct spy *const spy = spy_lock("tether_spy_drop", caller);
    spy->dropped = true;
    spy->drop_stack = stack;
    spy_log_drop(&spy->log);
    if (--spies.live == 0)
        spy_objects_forget();
    lock_give();
}

size_t tether_spy_calls(tether_function caller)
{
    struct spy *const spy = spy_lock("tether_spy_calls", caller);
    const size_t calls = spy->calls + spy->uncounted;
    lock_give();
    return calls;
}

void tt_spy_about(const char *call, tether_function caller,
                  struct tt_spy_about *about)
{
    struct spy *const spy = spy_lock(call, caller);
    about->name = spy->name;
    about->calls = spy->calls + spy->uncounted;
    about->kept = spy->log.kept;
    about->blind = spy->blind;
    lock_give();
}

/* ---- reading ---- */

size_t tether_spy_visit(tether_function caller, tether_spy_fn see, void *ctx)
{
    struct spy_walk walk = { .chunk = NULL };
    size_t count = 0;
    for (;;) {
        struct tether_value args[TETHER_SPY_ARGS_MAX];
        struct spy *const spy = spy_lock("tether_spy_visit", caller);
        const struct spy_record *const record = spy_log_next(&spy->log, &walk);
        if (!record) {
            lock_give();
            return count;
        }
        struct tether_spy_call one = {
            .order = record->order,
            .time_ns = record->time_ns,
            .thread = record->thread,
            .stack = record->stack,
            .returned = (int)record->returned,
            .count = spy->signature.count,
            .args = args,
            .result =
                spy_value_unpack(spy->signature.result.type, record->result),
        };
        for (unsigned i = 0; i < one.count; i++)
            args[i] =
                spy_value_unpack(spy->signature.arg[i].type, record->arg[i]);
        lock_give();
        see(&one, ctx);
        count++;
    }
}

size_t tt_spy_rows(const char *call, tether_function caller,
                   struct tt_spy_row *rows, size_t max)
{
    struct spy_walk walk = { .chunk = NULL };
    struct spy *const spy = spy_lock(call, caller);
    size_t count = 0;
    for (const struct spy_record *record;
         count < max && (record = spy_log_next(&spy->log, &walk)); count++)
        rows[count] = (struct tt_spy_row){ .object = record->object,
                                           .time_ns = record->time_ns,
                                           .thread = record->thread,
                                           .stack = record->stack };
    lock_give();
    return count;
}
