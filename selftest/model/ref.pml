/* SPDX-License-Identifier: MIT */
/*
 * One slot of a reference and its queue, with everybody who may meet there:
 * the thread that frees the object, one that reads the reference, one that
 * takes records, one that drops the reference, one that drops the queue, and
 * one that makes the slot's next reference once it was given back.
 *
 * What lib/ref does under one lock is one atomic step between taking and
 * giving it; what it does without a lock is a step for each load and store.
 * Locks in their order: shard, queue. The model is of one generation and the
 * next: the reader keeps the first one's bits all the time.
 */
#define OLD 1
#define NEW 2

byte generation = OLD; /* the state word, which is stored as a whole: */
bool used = true;
bool dead = false;
bool enqueued = false;

byte object = OLD;     /* the slot's object, or the time of its death: */
#define WHEN 9         /* 'object' and 'when_ns' are one word */

bool shard = false;    /* locks */
bool queue = false;

bool open = true;      /* the queue's number is still the entry's */
bool dropped = false;  /* tether_queue_drop has been */
bool queued = false;   /* the entry is in the list */
bool entry = true;     /* the entry's memory is there */
bool given = false;    /* the slot is in the free list */
bool freed = false;    /* free has returned */
byte taken = 0;        /* records of the entry that were taken */

#define take(lock) atomic { !lock -> lock = true }
#define give(lock) lock = false

/* tt_ref_died: chain_die, then tt_queue_push. */
proctype Free()
{
    take(shard);
    if
    :: used && generation == OLD && !dead ->
        dead = true;   /* the state first: */
        object = WHEN; /* ... then what the reader may not see alone */
        assert(entry);
        take(queue);
        if
        :: open -> assert(dead && !dropped); queued = true; enqueued = true
        :: else
        fi;
        give(queue)
    :: else
    fi;
    give(shard);
    freed = true
}

/* tether_weak_get: the object, then the state, without a lock. */
proctype Get()
{
    byte seen;
    bool was_freed;
    was_freed = freed;
    seen = object;
    atomic { /* one load of the state word */
        if
        :: used && generation == OLD && !dead ->
            assert(seen == OLD); /* never a time, never the next object */
            assert(!was_freed)   /* free returned: it must read dead */
        :: else
        fi
    }
}

/* tether_queue_poll: record_take, with the queue locked. */
proctype Poll()
{
    take(queue);
    if
    :: open && queued ->
        assert(entry);      /* never memory that was given back */
        assert(used && generation == OLD);
        assert(dead);       /* whoever finds a record finds no object */
        queued = false;
        taken++
    :: else
    fi;
    give(queue);
    assert(taken <= 1)
}

/* tt_ref_drop: cut from the chain or the queue, then the generation. */
proctype Drop()
{
    take(shard);
    assert(used && generation == OLD);
    take(queue);
    queued = false;
    give(queue);
    atomic { generation = NEW; used = false; dead = false };
    give(shard);
    take(shard); /* the slot's home, which may be another one */
    given = true;
    give(shard);
    entry = false
}

/* tether_queue_drop */
proctype DropQueue()
{
    take(queue);
    open = false;
    dropped = true;
    queued = false;
    give(queue)
}

/* tt_ref_make of the slot's next generation: 'used' is stored last. */
proctype Make()
{
    take(shard);
    if
    :: given ->
        object = NEW;
        used = true
    :: else
    fi;
    give(shard)
}

init
{
    atomic {
        run Free();
        run Get();
        run Poll();
        run Poll();
        run Drop();
        run DropQueue();
        run Make()
    }
    (_nr_pr == 1);
    /* All are through: nothing is left of the first generation. */
    assert(generation == NEW && !queued && !entry && given && !shard && !queue)
}
