/* test/engine/history.h: what may be read of a key that one thread writes and all read, and values that tell what they are.
 *
 *     value    [ head 64 ][ filler ... ][ mid 64 ][ filler ... ][ filler ... ][ tail 64 ][ tail 64 ] ...
 *
 * A whole write makes head, mid (from 512 bytes on) and filler of one version; a patch rewrites the middle, an append adds a tail. Each of
 * these parts carries the versions that all parts had when it was written, so the newest one says what the others must be: a value
 * put together from two moments cannot pass.
 *
 * A key's life is a row of steps. Before its owner does one, the step says what will be there (*begun*); when the call has
 * returned it is *acknowledged*. A read must show a step between what was acknowledged before it began and what was begun when it
 * ended. Nothing at all is a right answer too if one of these steps says so, if its time has come, if a flush may have taken it, or if
 * the engine has told of its eviction since.
 *
 * Threads: one owner a key; checks may be made by any thread, with what it noted by history_before.
 * Memory:  the history is the caller's.
 * Time:    expiries are compared with the clock after the read, because another thread may be that far.
 */
#ifndef STRATA_TEST_ENGINE_HISTORY_H
#define STRATA_TEST_ENGINE_HISTORY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    HISTORY_STORES_MAX = 3,
    HISTORY_KEYS_MAX = 4096,
    HISTORY_RING = 16,
    VALUE_PART_SIZE = 64,
    VALUE_MID_FROM = 512,
    VALUE_SMALL_MAX = 480,
    VALUE_LARGE_MAX = 96 * 1024,
    VALUE_TAILS_MAX = 24,
    VALUE_SIZE_MAX = VALUE_LARGE_MAX + VALUE_TAILS_MAX * VALUE_PART_SIZE,
};

/* What a value is made of; version 0: there is none. */
struct value_shape {
    uint64_t key, fill; /* the version of the last whole write */
    uint64_t head, mid, tail;
    uint64_t tails;
};

uint64_t value_version(const struct value_shape *shape);
uint64_t value_size(const struct value_shape *shape);
uint64_t value_mid_at(const struct value_shape *shape);   /* 0: it has no middle */
uint64_t value_mid_size(const struct value_shape *shape); /* what a patch rewrites */

/* Each writes into `bytes` what the shape says after the change: all of it, its middle, its last tail. */
void value_write_whole(const struct value_shape *shape, uint8_t *bytes);
void value_write_mid(const struct value_shape *shape, uint8_t *bytes);
void value_write_tail(const struct value_shape *shape, uint8_t *bytes);

/* NULL and the shape if the bytes are a whole value of the key, else what is wrong. */
const char *value_check(const uint8_t *bytes, uint64_t size, uint64_t key, struct value_shape *ret_shape);

struct history_step {
    _Atomic uint64_t version; /* 0: absent */
    _Atomic uint64_t expires_at_ms;
    _Atomic uint64_t flushed_before; /* flushes that were over when it began: a later one may have taken it */
    _Atomic uint64_t flushed_after;  /* flushes begun when it was acknowledged: a later one has taken it */
    _Atomic uint64_t evicted_before; /* evictions of the key that had been told of when it began */
};

struct history_key {
    _Atomic uint64_t begun, acknowledged;
    _Atomic uint64_t evicted; /* how often the engine has told so */
    struct history_step ring[HISTORY_RING];
};

/* Which entries the policy of a store may drop; SESSIONS: any, and with each others that nobody is told of in time. */
enum history_losses { HISTORY_LOSES_NOTHING, HISTORY_LOSES_EXPIRING, HISTORY_LOSES_ANY, HISTORY_LOSES_SESSIONS };

struct history_store {
    enum history_losses losses;
    _Atomic uint64_t flushes_begun, flushes_done;
};

struct history {
    uint32_t store_count; /* at least 1; every 16 keys it is the next one's turn */
    struct history_store stores[HISTORY_STORES_MAX];
    struct history_key keys[HISTORY_KEYS_MAX];
};

static inline uint32_t history_store_of(const struct history *history, uint64_t key) {
    return (uint32_t)(key / 16 % history->store_count);
}

/* ------------------------------------------------------------------------------------- the owner */

void history_begin(struct history *history, uint64_t key, uint64_t version, uint64_t expires_at_ms);
/* `done`: the step is true; else the one before holds on. */
void history_end(struct history *history, uint64_t key, bool done);
/* The acknowledged state. */
uint64_t history_now(const struct history *history, uint64_t key, uint64_t *ret_expires_at_ms);

/* ------------------------------------------------------------------------------------ any reader */

struct history_note {
    uint64_t floor, flushes_done;
};
struct history_note history_before(const struct history *history, uint64_t key);

/* What a read of the key showed; the clock is what it says afterwards. NULL if that is right. */
const char *history_check_hit(const struct history *history, uint64_t key, struct history_note note, uint64_t version,
                              uint64_t expires_at_ms);
const char *history_check_miss(const struct history *history, uint64_t key, struct history_note note,
                               uint64_t clock_ms);

/* The engine says, under the key's lock, that it has expired or was evicted. */
const char *history_check_expired(const struct history *history, uint64_t key, uint64_t clock_ms);
const char *history_check_evicted(struct history *history, uint64_t key);

#endif
