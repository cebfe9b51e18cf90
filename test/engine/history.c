/* test/engine/history.c: see history.h. */
#include "history.h"

#include <string.h>

struct part {
    uint64_t key, fill, version; /* version: of this part */
    uint64_t head, mid, tail, tails;
    uint64_t check;
};
_Static_assert(sizeof(struct part) == VALUE_PART_SIZE, "a part is what it says");

static uint64_t mix(uint64_t a, uint64_t b) {
    uint64_t z = a * 0x9e3779b97f4a7c15u + b + 0x632be59bd9b4e019u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* Of a whole write; a multiple of 8. One key in 16 is large now and then. */
static uint64_t base_size(const struct value_shape *shape) {
    uint64_t draw = mix(shape->key, shape->fill);
    uint64_t most = shape->key % 16 == 0 && draw % 4 ? VALUE_LARGE_MAX : shape->key % 4 == 0 ? 3000 : VALUE_SMALL_MAX;
    return (VALUE_PART_SIZE + (draw >> 8) % (most - VALUE_PART_SIZE)) & ~7ull;
}

uint64_t value_version(const struct value_shape *shape) {
    uint64_t version = shape->head > shape->mid ? shape->head : shape->mid;
    return version > shape->tail ? version : shape->tail;
}

uint64_t value_size(const struct value_shape *shape) { return base_size(shape) + shape->tails * VALUE_PART_SIZE; }

uint64_t value_mid_at(const struct value_shape *shape) {
    uint64_t size = base_size(shape);
    return size >= VALUE_MID_FROM ? size / 2 & ~7ull : 0;
}

uint64_t value_mid_size(const struct value_shape *shape) { return VALUE_PART_SIZE + (base_size(shape) / 4 & ~7ull); }

/* ------------------------------------------------------------------------------------ making them */

static void write_part(const struct value_shape *shape, uint64_t version, uint8_t *bytes) {
    struct part part = {shape->key, shape->fill, version, shape->head, shape->mid, shape->tail, shape->tails, 0};
    part.check = mix(mix(part.key, part.fill) ^ mix(part.version, part.head), mix(part.mid, part.tail) ^ part.tails);
    memcpy(bytes, &part, sizeof part);
}

static uint64_t filler(uint64_t key, uint64_t version, uint64_t at) {
    return mix(key, version) + at * 0x2545f4914f6cdd1du;
}

static void write_filler(uint64_t key, uint64_t version, uint64_t from, uint64_t to, uint8_t *bytes) {
    for (uint64_t at = from; at < to; at += 8) {
        uint64_t word = filler(key, version, at);
        memcpy(bytes + (at - from), &word, 8);
    }
}

void value_write_mid(const struct value_shape *shape, uint8_t *bytes) {
    uint64_t at = value_mid_at(shape) + VALUE_PART_SIZE;
    write_part(shape, shape->mid, bytes);
    write_filler(shape->key, shape->mid, at, at - VALUE_PART_SIZE + value_mid_size(shape), bytes + VALUE_PART_SIZE);
}

void value_write_tail(const struct value_shape *shape, uint8_t *bytes) { write_part(shape, shape->tail, bytes); }

void value_write_whole(const struct value_shape *shape, uint8_t *bytes) {
    write_part(shape, shape->head, bytes);
    write_filler(shape->key, shape->fill, VALUE_PART_SIZE, base_size(shape), bytes + VALUE_PART_SIZE);
    if (value_mid_at(shape))
        value_write_mid(shape, bytes + value_mid_at(shape));
}

/* ---------------------------------------------------------------------------------- checking them */

static const char *read_part(const uint8_t *bytes, const struct part *head, struct part *ret_part) {
    memcpy(ret_part, bytes, sizeof *ret_part);
    const struct part *part = ret_part;
    if (part->check !=
        mix(mix(part->key, part->fill) ^ mix(part->version, part->head), mix(part->mid, part->tail) ^ part->tails))
        return "a part is torn";
    if (head && (part->key != head->key || part->fill != head->fill))
        return "parts of different values";
    return NULL;
}

static bool filler_is_right(uint64_t key, uint64_t version, uint64_t from, uint64_t to, const uint8_t *bytes) {
    for (uint64_t at = from; at < to; at += 8) {
        uint64_t word, wanted = filler(key, version, at);
        memcpy(&word, bytes + at, 8);
        if (word != wanted)
            return false;
    }
    return true;
}

static bool fillers_are_right(const struct value_shape *shape, const uint8_t *bytes) {
    uint64_t size = base_size(shape), mid = value_mid_at(shape);
    if (!mid)
        return filler_is_right(shape->key, shape->fill, VALUE_PART_SIZE, size, bytes);
    uint64_t behind = mid + value_mid_size(shape);
    return filler_is_right(shape->key, shape->fill, VALUE_PART_SIZE, mid, bytes) &&
           filler_is_right(shape->key, shape->mid, mid + VALUE_PART_SIZE, behind, bytes) &&
           filler_is_right(shape->key, shape->fill, behind, size, bytes);
}

const char *value_check(const uint8_t *bytes, uint64_t size, uint64_t key, struct value_shape *ret_shape) {
    struct part head, mid = {0}, tail = {0};
    if (size < VALUE_PART_SIZE)
        return "shorter than any value";
    const char *wrong = read_part(bytes, NULL, &head);
    if (wrong)
        return wrong;
    if (head.key != key)
        return "another key's value";
    struct value_shape shape = {.key = key, .fill = head.fill, .head = head.version};
    uint64_t base = base_size(&shape);
    if (size < base || (size - base) % VALUE_PART_SIZE || (size - base) / VALUE_PART_SIZE > VALUE_TAILS_MAX)
        return "a size that no write made";
    shape.tails = (size - base) / VALUE_PART_SIZE;
    if (value_mid_at(&shape) && (wrong = read_part(bytes + value_mid_at(&shape), &head, &mid)))
        return wrong;
    for (uint64_t i = 0; i < shape.tails; i++) {
        uint64_t before = tail.version;
        if ((wrong = read_part(bytes + base + i * VALUE_PART_SIZE, &head, &tail)))
            return wrong;
        if (tail.tails != i + 1 || tail.version <= before)
            return "tails of different values";
    }
    shape.mid = mid.version;
    shape.tail = tail.version;
    const struct part *newest = tail.version > mid.version ? &tail : &mid;
    if (head.version >= newest->version)
        newest = &head;
    if (newest->head != shape.head || newest->mid != shape.mid || newest->tail != shape.tail ||
        newest->tails != shape.tails)
        return "put together from two moments";
    if (!fillers_are_right(&shape, bytes))
        return "torn";
    *ret_shape = shape;
    return NULL;
}

/* ----------------------------------------------------------------------------------------- steps */

static struct history_step *step_at(const struct history_key *key, uint64_t step) {
    return (struct history_step *)&key->ring[step % HISTORY_RING];
}

static const struct history_store *store_of(const struct history *history, uint64_t number) {
    return &history->stores[history_store_of(history, number)];
}

void history_begin(struct history *history, uint64_t number, uint64_t version, uint64_t expires_at_ms) {
    struct history_key *key = &history->keys[number];
    uint64_t at = atomic_load(&key->acknowledged) + 1;
    struct history_step *step = step_at(key, at);
    atomic_store(&step->version, version);
    atomic_store(&step->expires_at_ms, expires_at_ms);
    atomic_store(&step->flushed_before, atomic_load(&store_of(history, number)->flushes_done));
    atomic_store(&step->flushed_after, UINT64_MAX);
    atomic_store(&step->evicted_before, atomic_load(&key->evicted));
    atomic_store(&key->begun, at);
}

static void copy_step(const struct history_step *from, struct history_step *to) {
    atomic_store(&to->version, atomic_load(&from->version));
    atomic_store(&to->expires_at_ms, atomic_load(&from->expires_at_ms));
    atomic_store(&to->flushed_before, atomic_load(&from->flushed_before));
    atomic_store(&to->flushed_after, atomic_load(&from->flushed_after));
    atomic_store(&to->evicted_before, atomic_load(&from->evicted_before));
}

void history_end(struct history *history, uint64_t number, bool done) {
    struct history_key *key = &history->keys[number];
    uint64_t at = atomic_load(&key->begun);
    if (done) {
        atomic_store(&step_at(key, at)->flushed_after, atomic_load(&store_of(history, number)->flushes_begun));
    } else { /* the same again as before: whoever read meanwhile may rely on what was announced or on that */
        copy_step(step_at(key, at - 1), step_at(key, at + 1));
        atomic_store(&key->begun, ++at);
    }
    atomic_store(&key->acknowledged, at);
}

uint64_t history_now(const struct history *history, uint64_t number, uint64_t *ret_expires_at_ms) {
    const struct history_key *key = &history->keys[number];
    const struct history_step *step = step_at(key, atomic_load(&key->acknowledged));
    *ret_expires_at_ms = atomic_load(&step->expires_at_ms);
    return atomic_load(&step->version);
}

/* --------------------------------------------------------------------------------------- reading */

struct history_note history_before(const struct history *history, uint64_t key) {
    return (struct history_note){atomic_load(&history->keys[key].acknowledged),
                                 atomic_load(&store_of(history, key)->flushes_done)};
}

/* Whether a step of the window was written over meanwhile: the owner has gone round, and nothing can be said. */
static bool is_lost(const struct history_key *key, uint64_t floor) {
    return atomic_load(&key->begun) + 1 >= floor + HISTORY_RING;
}

const char *history_check_hit(const struct history *history, uint64_t number, struct history_note note,
                              uint64_t version, uint64_t expires_at_ms) {
    const struct history_key *key = &history->keys[number];
    uint64_t end = atomic_load(&key->begun), newest = 0, oldest = UINT64_MAX;
    bool fits = false, gone = false;
    if (is_lost(key, note.floor))
        return NULL;
    for (uint64_t at = note.floor; at <= end; at++) {
        const struct history_step *step = step_at(key, at);
        uint64_t its = atomic_load(&step->version);
        fits |= its == version && atomic_load(&step->expires_at_ms) == expires_at_ms;
        newest = its > newest ? its : newest;
        oldest = its < oldest ? its : oldest;
        gone = at == note.floor && at == end && note.flushes_done > atomic_load(&step->flushed_after);
    }
    if (is_lost(key, note.floor))
        return NULL;
    if (gone)
        return "served after a flush";
    if (fits)
        return NULL;
    return version > newest   ? "newer than what was begun, or served after its removal"
           : version < oldest ? "older than what was acknowledged"
                              : "an expiry that it had at another time";
}

const char *history_check_miss(const struct history *history, uint64_t number, struct history_note note,
                               uint64_t clock_ms) {
    const struct history_key *key = &history->keys[number];
    const struct history_store *store = store_of(history, number);
    uint64_t evicted = atomic_load(&key->evicted), end = atomic_load(&key->begun),
             flushes = atomic_load(&store->flushes_begun);
    if (store->losses == HISTORY_LOSES_SESSIONS || is_lost(key, note.floor))
        return NULL;
    for (uint64_t at = note.floor; at <= end; at++) {
        const struct history_step *step = step_at(key, at);
        uint64_t expires_at_ms = atomic_load(&step->expires_at_ms);
        if (atomic_load(&step->version) == 0 || atomic_load(&step->flushed_before) < flushes ||
            atomic_load(&step->evicted_before) < evicted || (expires_at_ms != 0 && expires_at_ms <= clock_ms))
            return NULL;
    }
    return is_lost(key, note.floor) ? NULL : "missing";
}

/* -------------------------------------------------------------------------------- what the engine tells */

/* Whether one of the states that the key may be in now has an expiry, not after `until_ms`. */
static bool may_expire(const struct history_key *key, uint64_t until_ms) {
    uint64_t floor = atomic_load(&key->acknowledged), end = atomic_load(&key->begun);
    for (uint64_t at = floor; at <= end; at++) {
        uint64_t expires_at_ms = atomic_load(&step_at(key, at)->expires_at_ms);
        if (expires_at_ms != 0 && expires_at_ms <= until_ms)
            return true;
    }
    return is_lost(key, floor);
}

const char *history_check_expired(const struct history *history, uint64_t number, uint64_t clock_ms) {
    if (store_of(history, number)->losses == HISTORY_LOSES_SESSIONS || may_expire(&history->keys[number], clock_ms))
        return NULL;
    return "expired before its time";
}

const char *history_check_evicted(struct history *history, uint64_t number) {
    struct history_key *key = &history->keys[number];
    enum history_losses losses = store_of(history, number)->losses;
    atomic_fetch_add(&key->evicted, 1);
    if (losses == HISTORY_LOSES_NOTHING)
        return "evicted although nothing may go";
    return losses == HISTORY_LOSES_EXPIRING && !may_expire(key, UINT64_MAX) ? "evicted although it never expires"
                                                                            : NULL;
}
