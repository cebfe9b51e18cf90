/* test/engine/stress.c: many threads do everything that core/cache can at once, and every answer is held against the history.
 *
 * Each thread owns a part of the keys and changes those, by every way there is; all threads read all keys by every way there is. Beside
 * that some thread now and then moves the limit, the policy and the clock, flushes, verifies the whole engine or holds all locks. The run
 * is cut into scenes, each with a cache of its own: policy, shards, limit. A scene ends with a look at every key and cache_verify.
 *
 *     test_stress [SECONDS [THREADS [FAULT]]]     the seed is STRATA_SEED, else 1
 *
 * FAULT plants a bug to prove that it is found: `old` writes an older value again, `torn` a wrong byte, `lost` acknowledges a write that
 * was not made. Without a FAULT the run begins with all of these, each of which must be found.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "base/bits.h"
#include "base/rng.h"
#include "core/store/words.h"
#include "history.h"
#include "world.h"

enum {
    THREADS_MAX = 64,
    PINS_MAX = 2, /* of a thread at a time */
    ANCHORS = 4,
    GROUP = 8,
    BATCH = 8,
    SCAN_COUNT = 64,
    FAULT_EVERY = 500,
    FLUSH_EVERY = 32, /* of those rare operations that may be one */
    JUMP_EVERY = 8,   /* the same, of the clock */
    STUCK_S = 120,    /* without any operation: the threads wait for each other */
    FAILURES_SHOWN = 5,
    NAME_MAX_SIZE = 32,
};

enum fault { FAULT_NONE, FAULT_OLD, FAULT_TORN, FAULT_LOST, FAULT_COUNT };
static const char *const fault_names[FAULT_COUNT] = {"none", "old", "torn", "lost"};

struct scene {
    const char *name;
    enum cache_policy policy;
    uint32_t shards, keys;
    uint64_t limit_bytes;
    bool moves_limit, changes_policy;
    /* Two more stores, if `resizes`: what is guaranteed to each, and how many entries they may have, changes all the time. */
    bool resizes;
    enum cache_policy policies[HISTORY_STORES_MAX]; /* [0] is not used */
};

static const struct scene scenes[] = {
    {"lfu, 4 shards", CACHE_ALLKEYS_LFU, 4, 2048, 3 << 20, true, false, false, {0}},
    {"noeviction, room for all", CACHE_NOEVICTION, 2, 1024, 64 << 20, false, false, false, {0}},
    {"lru, one shard, smallest", CACHE_ALLKEYS_LRU, 1, 1024, 1 << 20, false, false, false, {0}},
    {"volatile-ttl", CACHE_VOLATILE_TTL, 4, 2048, 3 << 20, false, false, false, {0}},
    {"noeviction, full", CACHE_NOEVICTION, 4, 4096, 6 << 20, true, false, false, {0}},
    {"policies change", CACHE_ALLKEYS_RANDOM, 8, 4096, 6 << 20, true, true, false, {0}},
    {"stores are resized",
     CACHE_ALLKEYS_LFU,
     4,
     4096,
     6 << 20,
     true,
     false,
     true,
     {0, CACHE_NOEVICTION, CACHE_VOLATILE_LRU}},
    {"stores and sessions",
     CACHE_NOEVICTION,
     2,
     4096,
     5 << 20,
     false,
     false,
     true,
     {0, CACHE_ALLKEYS_LRU, CACHE_SESSION}},
};

struct tally {
    uint64_t operations, hits, misses, writes, full, patched, appended, uploaded, pinned, scanned, limits, flushes,
        resized, toggled;
    uint64_t filtered, evicted, expired, retries, watched, grouped;
};

struct run {
    struct world world;
    struct history history;
    const struct scene *scene;
    uint32_t threads;
    uint64_t seed, deadline_ms;
    enum fault fault;
    _Atomic uint64_t operations; /* of all threads, now and then */
    _Atomic uint32_t failures, stop;
    _Atomic uint32_t flushing;
    _Atomic uint64_t groups[THREADS_MAX]; /* the last number that was acknowledged, 0: removed */
};

struct pinned {
    struct cache_pin pin;
    uint64_t key;
    struct value_shape shape;
};

struct worker {
    struct run *run;
    uint32_t number;
    struct actor actor;
    struct rng rng;
    struct tally tally;
    pthread_t thread;
    uint8_t *value, *got; /* VALUE_SIZE_MAX each */
    struct value_shape shapes[HISTORY_KEYS_MAX];
    uint64_t seen[HISTORY_KEYS_MAX];
    uint64_t version, group;
    struct pinned pins[PINS_MAX];
    uint64_t cursor, scan_flushes, anchored_flushes;
    uint32_t anchors_seen;
    bool scanning, anchored;
    uint64_t got_size;
};

/* ---------------------------------------------------------------------------------------- failures */

static void wrong_in(struct run *run, uint32_t thread, const char *what, const char *how, uint64_t key,
                     uint64_t version) {
    atomic_store(&run->stop, 1);
    if (atomic_fetch_add(&run->failures, 1) >= FAILURES_SHOWN || run->fault != FAULT_NONE)
        return;
    uint64_t expires_at_ms, now = history_now(&run->history, key, &expires_at_ms);
    printf("# %s: %s (scene %s, thread %u, key %llu version %llu; acknowledged %llu, expires %llu, clock %llu)\n", what,
           how, run->scene->name, thread, (unsigned long long)key, (unsigned long long)version, (unsigned long long)now,
           (unsigned long long)expires_at_ms, (unsigned long long)world_now_ms(&run->world));
}

static void wrong(struct worker *worker, const char *what, const char *how, uint64_t key, uint64_t version) {
    wrong_in(worker->run, worker->number, what, how, key, version);
}

/* 'g' groups, 'c' copies and 'a' anchors belong to the default store, as do the keys of kind 'k'. */
static struct cache_key key_of(struct run *run, char kind, uint64_t number, char text[NAME_MAX_SIZE]) {
    size_t size = (size_t)snprintf(text, NAME_MAX_SIZE, "%c%llu", kind, (unsigned long long)number);
    return cache_key(run->world.cache, 0, slice_make(text, size));
}

/* One of the keys with a history, in the store that its number says. Every eighth of the third store is a session's head. */
static struct cache_key name_of(struct run *run, uint64_t number, char text[NAME_MAX_SIZE]) {
    uint32_t store = history_store_of(&run->history, number);
    if (store < 2)
        return key_of(run, store ? 'l' : 'k', number, text);
    if (number % 8 == 0)
        return key_of(run, 'm', number, text);
    size_t size = (size_t)snprintf(text, NAME_MAX_SIZE, "m%llu:%llu", (unsigned long long)(number / 8 * 8),
                                   (unsigned long long)number);
    return cache_key(run->world.cache, 0, slice_make(text, size));
}

/* The number in such a name; UINT64_MAX for another one. */
static uint64_t number_of(struct slice name) {
    char text[NAME_MAX_SIZE] = {0};
    if (name.size == 0 || name.size >= sizeof text || !memchr("klm", name.data[0], 3))
        return UINT64_MAX;
    memcpy(text, name.data, name.size);
    const char *colon = strchr(text, ':');
    return strtoull(colon ? colon + 1 : text + 1, NULL, 10);
}

/* What the engine tells while it does it, under the lock of the key's shard. */
static void removed(void *context, struct actor *actor, unsigned reason, uint32_t db, struct slice name) {
    struct run *run = context;
    uint64_t key = number_of(name);
    const char *how = NULL;
    if (key >= run->scene->keys)
        return;
    if (reason == CACHE_EVICTED)
        how = history_check_evicted(&run->history, key);
    else if (reason == CACHE_EXPIRED)
        how = history_check_expired(&run->history, key, actor->now_ms);
    if (how)
        wrong_in(run, actor->id, "removed", how, key, db);
}

static uint64_t any_key(struct worker *worker) {
    uint64_t keys = worker->run->scene->keys;
    return rng_below(&worker->rng, 2) ? rng_below(&worker->rng, keys) : rng_below(&worker->rng, keys < 64 ? keys : 64);
}

/* One of the worker's own: those with its number as remainder. */
static uint64_t own_key(struct worker *worker) {
    uint64_t threads = worker->run->threads, key = any_key(worker);
    key = key / threads * threads + worker->number;
    return key < worker->run->scene->keys ? key : worker->number;
}

/* ----------------------------------------------------------------------------------------- reading */

static void *room_to_read(void *context, uint64_t size) {
    struct worker *worker = context;
    worker->got_size = size;
    return size <= VALUE_SIZE_MAX ? worker->got : NULL;
}

static void check_hit(struct worker *worker, const char *what, uint64_t key, struct history_note note,
                      const uint8_t *bytes, uint64_t size, const struct cache_info *info) {
    struct run *run = worker->run;
    struct value_shape shape = {0};
    worker->tally.hits++;
    const char *how = value_check(bytes, size, key, &shape);
    uint64_t version = value_version(&shape);
    if (!how && info && info->expires_at_ms != 0 && info->expires_at_ms <= worker->actor.now_ms)
        how = "served after its time";
    if (!how && info)
        how = history_check_hit(&run->history, key, note, version, info->expires_at_ms);
    if (!how && version < worker->seen[key])
        how = "older than this thread has seen before";
    if (how)
        return wrong(worker, what, how, key, version);
    worker->seen[key] = version;
}

static void check_miss(struct worker *worker, const char *what, uint64_t key, struct history_note note) {
    struct run *run = worker->run;
    worker->tally.misses++;
    const char *how = history_check_miss(&run->history, key, note, world_now_ms(&run->world));
    if (how)
        wrong(worker, what, how, key, 0);
}

static void get(struct worker *worker, const struct cache_key *name, uint64_t key) {
    struct run *run = worker->run;
    struct cache_read read = {.size_max = UINT64_MAX, .reserve = room_to_read, .context = worker};
    bool found;
    struct history_note note = history_before(&run->history, key);
    if (cache_get(run->world.cache, &worker->actor, name, &read, &found) != STATUS_OK)
        return wrong(worker, "get", "larger than any value", key, 0);
    if (found)
        check_hit(worker, "get", key, note, worker->got, read.size, &read.info);
    else
        check_miss(worker, "get", key, note);
}

static void glance(struct worker *worker, const struct cache_key *name, uint64_t key) {
    struct run *run = worker->run;
    struct cache_sight sight;
    struct history_note note = history_before(&run->history, key);
    switch (cache_glance(run->world.cache, &worker->actor, name, &sight)) {
        case CACHE_GLANCE_HIT: /* says nothing of the expiry */
            if (cache_glance_copy(&worker->actor, &sight, worker->got))
                check_hit(worker, "glance", key, note, worker->got, sight.size, NULL);
            else
                get(worker, name, key);
            break;
        case CACHE_GLANCE_MISS:
            check_miss(worker, "glance", key, note);
            break;
        case CACHE_GLANCE_UNSURE:
            get(worker, name, key);
    }
}

static void read_one(struct worker *worker) {
    char text[NAME_MAX_SIZE];
    uint64_t key = any_key(worker);
    struct cache_key name = name_of(worker->run, key, text);
    if (rng_below(&worker->rng, 3))
        glance(worker, &name, key);
    else
        get(worker, &name, key);
}

static void read_batch(struct worker *worker) {
    char texts[BATCH][NAME_MAX_SIZE];
    struct cache_key names[BATCH];
    uint64_t keys[BATCH];
    for (int i = 0; i < BATCH; i++) {
        keys[i] = any_key(worker);
        names[i] = name_of(worker->run, keys[i], texts[i]);
    }
    cache_keys_ahead(worker->run->world.cache, names, BATCH);
    cache_entries_ahead(worker->run->world.cache, names, BATCH);
    for (int i = 0; i < BATCH; i++)
        glance(worker, &names[i], keys[i]);
}

/* --------------------------------------------------------------------------------- pins, held a while */

static void unpin(struct worker *worker, struct pinned *pinned) {
    struct cache *cache = worker->run->world.cache;
    struct value_shape shape;
    uint64_t size = 0;
    while (size < pinned->pin.size) {
        struct slice piece = cache_pin_piece(cache, pinned->pin, size);
        memcpy(worker->got + size, piece.data, piece.size);
        size += piece.size;
    }
    const char *how = value_check(worker->got, size, pinned->key, &shape);
    if (!how && value_version(&shape) != value_version(&pinned->shape))
        how = "changed while it was held";
    if (how)
        wrong(worker, "pin", how, pinned->key, value_version(&shape));
    cache_unpin(cache, &worker->actor, pinned->pin);
    *pinned = (struct pinned){0};
}

static void pin_or_unpin(struct worker *worker) {
    struct run *run = worker->run;
    char text[NAME_MAX_SIZE];
    struct pinned *pinned = &worker->pins[rng_below(&worker->rng, PINS_MAX)];
    if (pinned->pin.first)
        return unpin(worker, pinned);
    uint64_t key = any_key(worker) & ~15ull;
    struct cache_key name = name_of(run, key, text);
    struct cache_read read = {.size_max = UINT64_MAX, .pin_min = 1, .reserve = room_to_read, .context = worker};
    bool found;
    struct history_note note = history_before(&run->history, key);
    if (cache_get(run->world.cache, &worker->actor, &name, &read, &found) != STATUS_OK)
        return wrong(worker, "pin", "larger than any value", key, 0);
    if (!found)
        return check_miss(worker, "pin", key, note);
    if (!read.pin.first)
        return check_hit(worker, "pin", key, note, worker->got, read.size, &read.info);
    worker->tally.pinned++;
    for (uint64_t at = 0; at < read.pin.size;) {
        struct slice piece = cache_pin_piece(run->world.cache, read.pin, at);
        memcpy(worker->got + at, piece.data, piece.size);
        at += piece.size;
    }
    *pinned = (struct pinned){.pin = read.pin, .key = key};
    check_hit(worker, "pin", key, note, worker->got, read.pin.size, &read.info);
    (void)value_check(worker->got, read.pin.size, key, &pinned->shape);
}

/* ----------------------------------------------------------------------------------------- writing */

static uint64_t draw_expiry(struct worker *worker) {
    switch (rng_below(&worker->rng, 4)) {
        case 0:
            return worker->actor.now_ms + 1 + rng_below(&worker->rng, 50);
        case 1:
            return worker->actor.now_ms + 1 + rng_below(&worker->rng, 20000);
        default:
            return 0;
    }
}

static struct value_shape whole_shape(struct worker *worker, uint64_t key) {
    uint64_t version = ++worker->version;
    struct value_shape shape = {.key = key, .fill = version, .head = version};
    shape.mid = value_mid_at(&shape) ? version : 0;
    return shape;
}

/* Counts a write's answer and closes its step. */
static void written(struct worker *worker, uint64_t key, const struct value_shape *shape, enum status status) {
    history_end(&worker->run->history, key, status == STATUS_OK);
    worker->tally.writes += status == STATUS_OK;
    worker->tally.full += status == STATUS_FULL;
    if (status == STATUS_OK)
        worker->shapes[key] = *shape;
    else if (status != STATUS_FULL)
        wrong(worker, "write", status_text(status), key, value_version(shape));
}

/* Leaves a bug behind, instead of the write or after it. True: the write is not to be made. */
static bool plant(struct worker *worker, const struct cache_key *name, const struct value_shape *shape) {
    struct run *run = worker->run;
    if (__builtin_expect(run->fault == FAULT_NONE, 1) || rng_below(&worker->rng, FAULT_EVERY))
        return false;
    if (run->fault == FAULT_LOST)
        return true;
    struct value_shape other = *shape;
    if (run->fault == FAULT_OLD)
        other.fill = other.head = other.mid = shape->fill - 1;
    other.mid = value_mid_at(&other) ? other.fill : 0;
    value_write_whole(&other, worker->value);
    if (run->fault == FAULT_TORN)
        worker->value[value_size(&other) / 2] ^= 1;
    enum status status =
        cache_set(run->world.cache, &worker->actor, name, slice_make(worker->value, value_size(&other)), 0);
    return status == STATUS_OK;
}

static void set(struct worker *worker) {
    struct run *run = worker->run;
    char text[NAME_MAX_SIZE];
    uint64_t key = own_key(worker), expires_at_ms = draw_expiry(worker);
    struct cache_key name = name_of(run, key, text);
    struct value_shape shape = whole_shape(worker, key);
    value_write_whole(&shape, worker->value);
    if (rng_below(&worker->rng, 2)) { /* as in a batch */
        cache_keys_ahead(run->world.cache, &name, 1);
        cache_entries_ahead(run->world.cache, &name, 1);
    }
    history_begin(&run->history, key, value_version(&shape), expires_at_ms);
    enum status status = STATUS_OK;
    if (!plant(worker, &name, &shape))
        status = cache_set(run->world.cache, &worker->actor, &name, slice_make(worker->value, value_size(&shape)),
                           expires_at_ms);
    written(worker, key, &shape, status);
}

static void erase(struct worker *worker) {
    struct run *run = worker->run;
    char text[NAME_MAX_SIZE];
    uint64_t key = own_key(worker);
    struct cache_key name = name_of(run, key, text);
    struct history_note note = history_before(&run->history, key);
    history_begin(&run->history, key, 0, 0);
    bool found = cache_delete(run->world.cache, &worker->actor, &name);
    if (!found) { /* the state before is what must allow that */
        history_end(&run->history, key, false);
        check_miss(worker, "delete", key, note);
        history_begin(&run->history, key, 0, 0);
    }
    history_end(&run->history, key, true);
    worker->shapes[key] = (struct value_shape){0};
}

static void upload(struct worker *worker) {
    struct run *run = worker->run;
    struct cache *cache = run->world.cache;
    char text[NAME_MAX_SIZE];
    uint64_t key = own_key(worker), threads = run->threads;
    for (int tries = 0; key % 16 && tries < 16; tries++) /* large ones, if the worker owns any */
        key = key + threads < run->scene->keys ? key + threads : worker->number;
    struct cache_key name = name_of(run, key, text);
    struct value_shape shape = whole_shape(worker, key);
    struct cache_upload arriving;
    uint64_t size = value_size(&shape), expires_at_ms = draw_expiry(worker);
    if (cache_upload_begin(cache, size, &arriving) != STATUS_OK)
        return;
    value_write_whole(&shape, worker->value);
    while (arriving.filled < size) {
        void *to;
        uint64_t room;
        bool tired = rng_below(&worker->rng, 100) == 0;
        if (tired || cache_upload_room(cache, &worker->actor, &arriving, &to, &room) != STATUS_OK) {
            worker->tally.full += !tired;
            return cache_upload_drop(cache, &worker->actor, &arriving);
        }
        uint64_t part = 1 + rng_below(&worker->rng, room);
        words_write(to, worker->value + arriving.filled, part);
        cache_upload_filled(&arriving, part);
    }
    struct cache_edit edit;
    cache_edit_begin(cache, &worker->actor, &name, &edit);
    history_begin(&run->history, key, value_version(&shape), expires_at_ms);
    enum status status = cache_edit_set_upload(&edit, &arriving, expires_at_ms);
    cache_edit_end(&edit);
    if (status != STATUS_OK)
        cache_upload_drop(cache, &worker->actor, &arriving);
    worker->tally.uploaded += status == STATUS_OK;
    written(worker, key, &shape, status);
}

/* ------------------------------------------------------------------------------------------- edits */

/* Under the lock the owner knows exactly what there is. */
static void check_edit(struct worker *worker, const struct cache_edit *edit, uint64_t key, struct history_note note) {
    struct run *run = worker->run;
    uint64_t expires_at_ms, version = history_now(&run->history, key, &expires_at_ms);
    if (!edit->found) {
        check_miss(worker, "edit", key, note);
        history_begin(&run->history, key, 0, 0); /* gone for good: nobody may see it again */
        history_end(&run->history, key, true);
        worker->shapes[key] = (struct value_shape){0};
        return;
    }
    if (version == 0 || edit->expires_at_ms != expires_at_ms || edit->size != value_size(&worker->shapes[key]))
        return wrong(worker, "edit", "not what was acknowledged", key, version);
    if (edit->size > VALUE_SMALL_MAX && rng_below(&worker->rng, 4))
        return;
    struct value_shape shape = {0};
    cache_edit_copy_out(edit, 0, worker->got, edit->size);
    const char *how = value_check(worker->got, edit->size, key, &shape);
    if (how || value_version(&shape) != version)
        wrong(worker, "edit", how ? how : "another version than was acknowledged", key, value_version(&shape));
}

static void edit_set(struct worker *worker, struct cache_edit *edit, uint64_t key) {
    struct value_shape shape = whole_shape(worker, key);
    uint64_t expires_at_ms = draw_expiry(worker);
    value_write_whole(&shape, worker->value);
    history_begin(&worker->run->history, key, value_version(&shape), expires_at_ms);
    written(worker, key, &shape,
            cache_edit_set(edit, CACHE_STRING, slice_make(worker->value, value_size(&shape)), expires_at_ms));
}

static void edit_patch(struct worker *worker, struct cache_edit *edit, uint64_t key) {
    struct value_shape shape = worker->shapes[key];
    uint64_t expires_at_ms;
    (void)history_now(&worker->run->history, key, &expires_at_ms);
    shape.mid = ++worker->version;
    value_write_mid(&shape, worker->value);
    history_begin(&worker->run->history, key, shape.mid, expires_at_ms);
    enum status status =
        cache_edit_patch(edit, value_mid_at(&shape), slice_make(worker->value, value_mid_size(&shape)));
    written(worker, key, &shape, status);
    worker->tally.patched += status == STATUS_OK;
}

static void edit_append(struct worker *worker, struct cache_edit *edit, uint64_t key) {
    struct value_shape shape = worker->shapes[key];
    uint64_t expires_at_ms;
    (void)history_now(&worker->run->history, key, &expires_at_ms);
    shape.tail = ++worker->version;
    shape.tails++;
    value_write_tail(&shape, worker->value);
    history_begin(&worker->run->history, key, shape.tail, expires_at_ms);
    enum status status =
        cache_edit_patch(edit, value_size(&worker->shapes[key]), slice_make(worker->value, VALUE_PART_SIZE));
    written(worker, key, &shape, status);
    worker->tally.appended += status == STATUS_OK;
}

static void edit_expire(struct worker *worker, struct cache_edit *edit, uint64_t key) {
    uint64_t expires_at_ms = draw_expiry(worker);
    history_begin(&worker->run->history, key, value_version(&worker->shapes[key]), expires_at_ms);
    written(worker, key, &worker->shapes[key], cache_edit_expire(edit, expires_at_ms));
}

static void edit_erase(struct worker *worker, struct cache_edit *edit, uint64_t key) {
    history_begin(&worker->run->history, key, 0, 0);
    cache_edit_delete(edit);
    history_end(&worker->run->history, key, true);
    worker->shapes[key] = (struct value_shape){0};
}

static void edit_once(struct worker *worker, struct cache_edit *edit, uint64_t key) {
    const struct value_shape *shape = &worker->shapes[key];
    uint64_t dice = rng_below(&worker->rng, 8);
    if (!edit->found || dice < 2)
        edit_set(worker, edit, key);
    else if (dice < 4 && shape->tails < VALUE_TAILS_MAX)
        edit_append(worker, edit, key);
    else if (dice < 6 && value_mid_at(shape))
        edit_patch(worker, edit, key);
    else if (dice == 7)
        edit_erase(worker, edit, key);
    else
        edit_expire(worker, edit, key);
}

static void edit(struct worker *worker) {
    struct run *run = worker->run;
    char text[NAME_MAX_SIZE];
    uint64_t key = own_key(worker);
    struct cache_key name = name_of(run, key, text);
    struct cache_edit edit;
    if (worker->shapes[key].key == key && value_size(&worker->shapes[key]) > 8192)
        cache_prepare(run->world.cache, &worker->actor, &name, VALUE_SIZE_MAX);
    cache_edit_begin(run->world.cache, &worker->actor, &name, &edit);
    struct history_note note = history_before(&run->history, key);
    check_edit(worker, &edit, key, note);
    edit_once(worker, &edit, key);
    if (rng_below(&worker->rng, 4) == 0)
        edit_once(worker, &edit, key);
    cache_edit_end(&edit);
}

/* Two edits of one key, open at the same time, change it in turns. */
static void edit_twice(struct worker *worker) {
    struct run *run = worker->run;
    char text[NAME_MAX_SIZE];
    uint64_t key = own_key(worker);
    struct cache_key name = name_of(run, key, text);
    struct cache_edit edits[2];
    cache_lock_keys(run->world.cache, &worker->actor, &name, 1, VALUE_SIZE_MAX);
    cache_edit_begin(run->world.cache, &worker->actor, &name, &edits[0]);
    struct history_note note = history_before(&run->history, key);
    check_edit(worker, &edits[0], key, note);
    cache_edit_begin(run->world.cache, &worker->actor, &name, &edits[1]);
    for (int i = 0; i < 4; i++) {
        struct cache_edit *edit = &edits[rng_below(&worker->rng, 2)];
        uint64_t there = value_version(&worker->shapes[key]);
        edit->found = there != 0; /* the caller knows, even if this edit has not looked again yet */
        edit_once(worker, edit, key);
    }
    cache_edit_end(&edits[0]);
    cache_edit_end(&edits[1]);
    cache_unlock(run->world.cache, &worker->actor);
}

/* ---------------------------------------------------------------------------- several keys at once */

static void group_names(struct run *run, uint32_t group, char texts[GROUP][NAME_MAX_SIZE],
                        struct cache_key *ret_names) {
    for (uint64_t i = 0; i < GROUP; i++)
        ret_names[i] = key_of(run, 'g', group * GROUP + i, texts[i]);
}

static void write_group(struct worker *worker) {
    struct run *run = worker->run;
    char texts[GROUP][NAME_MAX_SIZE];
    struct cache_key names[GROUP];
    group_names(run, worker->number, texts, names);
    uint64_t number = ++worker->group;
    bool whole = true;
    cache_lock_keys(run->world.cache, &worker->actor, names, GROUP, GROUP * 128);
    atomic_store(&run->groups[worker->number], 0);
    for (uint64_t i = 0; i < GROUP && whole; i++) {
        uint64_t value[3] = {worker->number, number, i};
        whole = cache_set(run->world.cache, &worker->actor, &names[i], slice_make(value, sizeof value), 0) == STATUS_OK;
    }
    for (uint64_t i = 0; i < GROUP && !whole; i++)
        cache_delete(run->world.cache, &worker->actor, &names[i]);
    cache_unlock(run->world.cache, &worker->actor);
    atomic_store(&run->groups[worker->number], whole ? number : 0);
    worker->tally.grouped++;
}

/* Reads the group; answers false if a value is not one of it. `ret_numbers`: 0 for those that are missing. */
static bool read_group_once(struct worker *worker, uint32_t group, const struct cache_key *names,
                            uint64_t *ret_numbers) {
    for (uint64_t i = 0; i < GROUP; i++) {
        struct cache_read read = {.size_max = UINT64_MAX, .reserve = room_to_read, .context = worker};
        bool found;
        ret_numbers[i] = 0;
        if (cache_get(worker->run->world.cache, &worker->actor, &names[i], &read, &found) != STATUS_OK)
            return false;
        if (!found)
            continue;
        uint64_t value[3];
        if (read.size != sizeof value)
            return false;
        memcpy(value, worker->got, sizeof value);
        if (value[0] != group || value[2] != i)
            return false;
        ret_numbers[i] = value[1];
    }
    return true;
}

static void check_group(struct worker *worker, uint32_t group, uint64_t floor, const uint64_t *numbers) {
    uint64_t number = 0, found = 0;
    for (int i = 0; i < GROUP; i++) {
        if (numbers[i] && number && numbers[i] != number)
            return wrong(worker, "group", "halves of two writes", group, numbers[i]);
        number = numbers[i] ? numbers[i] : number;
        found += numbers[i] != 0;
    }
    if (number && number < floor)
        wrong(worker, "group", "older than what was acknowledged", group, number);
    if (worker->run->history.stores[0].losses == HISTORY_LOSES_NOTHING && found != 0 && found != GROUP)
        wrong(worker, "group", "a part of it is missing", group, number);
}

static void read_group(struct worker *worker) {
    struct run *run = worker->run;
    struct cache *cache = run->world.cache;
    char texts[GROUP][NAME_MAX_SIZE];
    struct cache_key names[GROUP];
    uint64_t numbers[GROUP];
    uint32_t group = (uint32_t)rng_below(&worker->rng, run->threads);
    group_names(run, group, texts, names);
    uint64_t floor = atomic_load(&run->groups[group]);
    bool right = true, holds = false;
    for (int tries = 0; tries < 4 && !holds; tries++) {
        struct cache_moment moment = cache_moment_begin(cache, names, GROUP);
        right = read_group_once(worker, group, names, numbers);
        holds = cache_moment_holds(cache, names, GROUP, moment);
    }
    if (!holds) {
        cache_lock_keys(cache, &worker->actor, names, GROUP, 0);
        right = read_group_once(worker, group, names, numbers);
        cache_unlock(cache, &worker->actor);
    }
    if (!right)
        return wrong(worker, "group", "not a value of the group", group, 0);
    check_group(worker, group, floor, numbers);
}

static void copy(struct worker *worker) {
    struct run *run = worker->run;
    struct cache *cache = run->world.cache;
    char texts[2][NAME_MAX_SIZE];
    uint64_t key = own_key(worker) & ~15ull;
    struct cache_key names[2] = {name_of(run, key, texts[0]), key_of(run, 'c', worker->number, texts[1])};
    struct cache_edit from, to;
    cache_lock_keys(cache, &worker->actor, names, 2, 4096);
    cache_edit_begin(cache, &worker->actor, &names[0], &from);
    cache_edit_begin(cache, &worker->actor, &names[1], &to);
    if (to.found && to.size) {
        struct value_shape shape;
        uint64_t of;
        cache_edit_copy_out(&to, 0, worker->got, to.size);
        memcpy(&of, worker->got, sizeof of);
        const char *how = of < run->scene->keys ? value_check(worker->got, to.size, of, &shape) : "no key's value";
        if (how)
            wrong(worker, "copy", how, of, 0);
    }
    if (from.found && cache_edit_copy(&from, &to, draw_expiry(worker)) != STATUS_OK)
        worker->tally.full++;
    cache_edit_end(&from);
    cache_edit_end(&to);
    cache_unlock(cache, &worker->actor);
}

/* ----------------------------------------------------------------------------- watching and scanning */

static void watch(struct worker *worker) {
    struct run *run = worker->run;
    char text[NAME_MAX_SIZE];
    uint64_t key = any_key(worker);
    struct history_key *history = &run->history.keys[key];
    struct cache_key name = name_of(run, key, text);
    struct cache_watch watch = cache_watch_begin(run->world.cache, &worker->actor, &name);
    uint64_t begun = atomic_load(&history->begun);
    for (uint64_t i = rng_below(&worker->rng, 4); i > 0; i--)
        read_one(worker);
    /* What began after the watch and was acknowledged before this line has changed the key: steps that failed changed nothing, and a step
     * that only says that the key is gone was no change of the owner's. */
    uint64_t acknowledged = atomic_load(&history->acknowledged), changed = 0;
    for (uint64_t at = begun + 1; at <= acknowledged && acknowledged - begun < HISTORY_RING / 2; at++) {
        uint64_t version = atomic_load(&history->ring[at % HISTORY_RING].version);
        uint64_t before = atomic_load(&history->ring[(at - 1) % HISTORY_RING].version);
        changed = version > before && version ? version : changed;
    }
    /* A version may have been announced and refused; then the step after it repeats the one before it. */
    uint64_t expires_at_ms, now = history_now(&run->history, key, &expires_at_ms);
    if (changed && now == changed && atomic_load(&history->acknowledged) == acknowledged &&
        cache_watch_holds(run->world.cache, &worker->actor, &name, watch) &&
        atomic_load(&history->begun) == acknowledged)
        wrong(worker, "watch", "held through a change", key, changed);
    cache_watch_end(run->world.cache);
    worker->tally.watched++;
}

static void visit(void *context, struct slice name, const struct cache_info *info) {
    struct worker *worker = context;
    char text[NAME_MAX_SIZE] = {0};
    worker->tally.scanned++;
    if (name.size == 0 || name.size >= sizeof text || !memchr("klmgca", name.data[0], 6))
        return wrong(worker, "scan", "a name that nobody gave", 0, name.size);
    if (info->expires_at_ms != 0 && info->expires_at_ms <= worker->actor.now_ms)
        wrong(worker, "scan", "shown after its time", 0, info->expires_at_ms);
    memcpy(text, name.data, name.size);
    uint64_t number = strtoull(text + 1, NULL, 10);
    if (text[0] == 'a' && number / ANCHORS == worker->number)
        worker->anchors_seen |= 1u << number % ANCHORS;
}

/* Keys that stay while a whole scan runs must come. */
static void scan(struct worker *worker) {
    struct run *run = worker->run;
    if (!worker->scanning) {
        worker->scan_flushes = atomic_load(&run->history.stores[0].flushes_done);
        worker->anchored = true;
        for (uint64_t i = 0; i < ANCHORS; i++) {
            char text[NAME_MAX_SIZE];
            struct cache_key name = key_of(run, 'a', worker->number * ANCHORS + i, text);
            worker->anchored &= cache_set(run->world.cache, &worker->actor, &name, slice_make(text, 8), 0) == STATUS_OK;
        }
        worker->scanning = true;
        worker->cursor = worker->anchors_seen = 0;
    }
    worker->cursor = cache_scan(run->world.cache, &worker->actor, 0, worker->cursor, SCAN_COUNT, visit, worker);
    if (worker->cursor != 0)
        return;
    worker->scanning = false;
    if (worker->anchored && run->history.stores[0].losses == HISTORY_LOSES_NOTHING &&
        atomic_load(&run->history.stores[0].flushes_begun) == worker->scan_flushes &&
        worker->anchors_seen != (1u << ANCHORS) - 1)
        wrong(worker, "scan", "left out what was there all the time", 0, worker->anchors_seen);
}

static void random_key(struct worker *worker) {
    static _Thread_local uint8_t name[CACHE_KEY_SIZE_MAX];
    size_t size = 0;
    if (cache_random_key(worker->run->world.cache, &worker->actor, 0, rng_next(&worker->rng), name, &size) &&
        (size == 0 || !memchr("klmgca", name[0], 6)))
        wrong(worker, "random key", "a name that nobody gave", 0, size);
}

/* ----------------------------------------------------------------------------- what happens rarely */

static void move_limit(struct worker *worker) {
    struct run *run = worker->run;
    uint64_t limit = run->scene->limit_bytes;
    if (!run->scene->moves_limit)
        return;
    uint64_t bytes = limit / 2 + rng_below(&worker->rng, limit);
    if (cache_limit_set(run->world.cache, bytes) != STATUS_OK && !run->scene->resizes)
        wrong(worker, "limit", "refused", 0, bytes);
    worker->tally.limits++;
}

/* Guarantees of one store, in bytes or as a share, and its capacity in entries. What cannot be is refused. */
static void resize(struct worker *worker) {
    struct run *run = worker->run;
    struct cache *cache = run->world.cache;
    uint32_t store = (uint32_t)rng_below(&worker->rng, run->history.store_count);
    uint64_t limit = run->scene->limit_bytes;
    if (!run->scene->resizes)
        return;
    enum status status = STATUS_OK;
    switch (rng_below(&worker->rng, 3)) {
        case 0:
            status = cache_store_guarantee_set(cache, store, (uint32_t)rng_below(&worker->rng, 500), 0);
            break;
        case 1:
            status = cache_store_guarantee_set(cache, store, 0, rng_below(&worker->rng, limit / 2));
            break;
        default:
            status = cache_store_entries_max_set(
                cache, store, rng_below(&worker->rng, 2) ? 0 : CACHE_ENTRIES_MAX_MIN + rng_below(&worker->rng, 2000));
    }
    if (status != STATUS_OK && status != STATUS_INVALID)
        wrong(worker, "resize", status_text(status), 0, 0);
    worker->tally.resized++;
}

/* A store's filter on or off, or with another rate. */
static void toggle(struct worker *worker) {
    struct run *run = worker->run;
    struct cache *cache = run->world.cache;
    struct cache_filter_info info;
    uint32_t store = (uint32_t)rng_below(&worker->rng, run->history.store_count);
    static const uint32_t rates_ppm[] = {0, CACHE_FILTER_RATE_PPM_MIN, 10000, CACHE_FILTER_RATE_PPM_MAX};
    enum status status = cache_filter_set(cache, &worker->actor, store, rng_below(&worker->rng, 3) != 0,
                                          rates_ppm[rng_below(&worker->rng, COUNT_OF(rates_ppm))]);
    if (status == STATUS_OK)
        status = cache_filter_info(cache, &worker->actor, store, &info);
    if (status != STATUS_OK)
        wrong(worker, "filter", status_text(status), 0, store);
    worker->tally.toggled++;
}

/* All stores, or the one. */
static void flush(struct worker *worker) {
    struct run *run = worker->run;
    struct cache *cache = run->world.cache;
    uint32_t free = 0, count = run->history.store_count, only = (uint32_t)rng_below(&worker->rng, count + 2);
    if (!atomic_compare_exchange_strong(&run->flushing, &free, 1))
        return;
    for (uint32_t i = 0; i < count; i++)
        if (only >= count || only == i)
            atomic_fetch_add(&run->history.stores[i].flushes_begun, 1);
    if (only < count)
        cache_store_flush(cache, &worker->actor, only);
    else if (only == count)
        cache_flush(cache, &worker->actor, 0);
    else
        cache_flush_all(cache, &worker->actor);
    for (uint32_t i = 0; i < count; i++)
        if (only >= count || only == i)
            atomic_fetch_add(&run->history.stores[i].flushes_done, 1);
    atomic_store(&run->flushing, 0);
    worker->tally.flushes++;
}

static void rarely(struct worker *worker) {
    struct run *run = worker->run;
    switch (rng_below(&worker->rng, 16)) {
        case 0:
            return rng_below(&worker->rng, FLUSH_EVERY) ? (void)0 : flush(worker);
        case 1:
            return cache_verify(run->world.cache, &worker->actor);
        case 2:
            cache_lock_all(run->world.cache, &worker->actor, 1 << 16);
            return cache_unlock(run->world.cache, &worker->actor);
        case 3:
            if (rng_below(&worker->rng, JUMP_EVERY) == 0)
                atomic_fetch_add(&run->world.clock_ms, 500 + rng_below(&worker->rng, 20000));
            return;
        case 4:
        case 5:
            if (run->scene->changes_policy &&
                cache_policy_set(run->world.cache, (enum cache_policy)rng_below(&worker->rng, CACHE_SESSION)) !=
                    STATUS_OK)
                wrong(worker, "policy", "refused", 0, 0);
            return;
        case 6: {
            struct cache_stats stats;
            return cache_stats(run->world.cache, &stats);
        }
        case 7:
            return random_key(worker);
        case 8:
        case 9:
        case 10:
            return resize(worker);
        case 11:
            return toggle(worker);
        default:
            return move_limit(worker);
    }
}

/* --------------------------------------------------------------------------------------- the threads */

static void operate(struct worker *worker) {
    uint64_t dice = rng_below(&worker->rng, 1000);
    struct {
        uint32_t upto;
        void (*what)(struct worker *);
    } const table[] = {{400, read_one},   {450, read_batch}, {480, pin_or_unpin}, {680, set},         {820, edit},
                       {840, edit_twice}, {870, erase},      {900, upload},       {920, write_group}, {950, read_group},
                       {960, copy},       {975, watch},      {997, scan},         {1000, rarely}};
    for (size_t i = 0; i < COUNT_OF(table); i++)
        if (dice < table[i].upto)
            return table[i].what(worker);
}

static void *work(void *context) {
    struct worker *worker = context;
    struct run *run = worker->run;
    for (uint64_t i = 0; !atomic_load(&run->stop); i++) {
        if (i % 64 == 0) {
            atomic_fetch_add(&run->operations, 64);
            atomic_fetch_add(&run->world.clock_ms, 1);
            if (clock_steady_ms() >= run->deadline_ms)
                break;
        }
        worker->actor.now_ms = world_now_ms(&run->world);
        operate(worker);
        if (rng_below(&worker->rng, 16) == 0)
            (void)cache_housekeep(run->world.cache, &worker->actor);
        worker->tally.operations++;
    }
    for (int i = 0; i < PINS_MAX; i++)
        if (worker->pins[i].pin.first)
            unpin(worker, &worker->pins[i]);
    return NULL;
}

static void join_or_die(struct run *run, pthread_t thread) {
    uint64_t seen = atomic_load(&run->operations);
    for (;;) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += STUCK_S;
        int error = pthread_timedjoin_np(thread, NULL, &until);
        if (error != ETIMEDOUT)
            return;
        uint64_t now = atomic_load(&run->operations);
        if (now == seen) {
            printf("not ok %s - nothing moves any more, seed %llu\n", run->scene->name, (unsigned long long)run->seed);
            fflush(stdout);
            abort();
        }
        seen = now;
    }
}

static void add_up(struct tally *total, const struct worker *worker) {
    const uint64_t *from = (const uint64_t *)&worker->tally;
    for (size_t i = 0; i < sizeof *total / 8; i++)
        ((uint64_t *)total)[i] += from[i];
    total->filtered += worker->actor.counts.filtered;
    total->evicted += worker->actor.counts.evicted;
    total->expired += worker->actor.counts.expired;
    total->retries += worker->actor.counts.retries;
}

/* With all threads gone, every key must show its last state. */
static void check_all(struct run *run, struct worker *worker) {
    worker->actor.now_ms = world_now_ms(&run->world);
    for (uint64_t key = 0; key < run->scene->keys && !run->failures; key++) {
        char text[NAME_MAX_SIZE];
        struct cache_key name = name_of(run, key, text);
        get(worker, &name, key);
    }
}

static enum history_losses losses_of(enum cache_policy policy) {
    return policy == CACHE_NOEVICTION     ? HISTORY_LOSES_NOTHING
           : policy == CACHE_SESSION      ? HISTORY_LOSES_SESSIONS
           : policy >= CACHE_VOLATILE_LRU ? HISTORY_LOSES_EXPIRING
                                          : HISTORY_LOSES_ANY;
}

static void open_world(struct run *run) {
    const struct scene *scene = run->scene;
    const struct slice left[] = {SLICE("l*")}, right[] = {SLICE("m{sid}"), SLICE("m{sid}:*")};
    struct cache_store stores[] = {{.name = SLICE("left"), .patterns = left, .pattern_count = COUNT_OF(left)},
                                   {.name = SLICE("right"), .patterns = right, .pattern_count = COUNT_OF(right)}};
    struct world_options options = {.limit_bytes = scene->limit_bytes,
                                    .range_bytes = 2 * scene->limit_bytes,
                                    .shards = scene->shards,
                                    .policy = scene->policy,
                                    .seed = run->seed,
                                    .stores = stores};
    /* Where nothing is evicted nobody need be told: there are shorter ways to write then. */
    if (scene->policy != CACHE_NOEVICTION || scene->resizes)
        options.removed = (struct cache_removed){removed, run};
    run->history.store_count = 1;
    run->history.stores[0].losses = scene->changes_policy ? HISTORY_LOSES_ANY : losses_of(scene->policy);
    for (uint32_t i = 1; scene->resizes && i < HISTORY_STORES_MAX; i++) {
        stores[i - 1].policy = scene->policies[i];
        run->history.stores[i].losses = losses_of(scene->policies[i]);
        options.store_count++;
        run->history.store_count++;
    }
    world_open(&run->world, &options);
}

static struct worker *new_workers(struct run *run) {
    struct worker *workers = calloc(run->threads, sizeof *workers);
    for (uint32_t i = 0; workers && i < run->threads; i++) {
        struct worker *worker = &workers[i];
        *worker = (struct worker){.run = run, .number = i, .actor = {.id = 10 + i}};
        worker->rng = rng_seeded(run->seed * 1000 + i);
        worker->value = malloc(VALUE_SIZE_MAX);
        worker->got = malloc(VALUE_SIZE_MAX);
        if (!worker->value || !worker->got)
            return NULL;
    }
    return workers;
}

/* One scene; answers how many wrong things were seen. */
static uint32_t play(const struct scene *scene, uint32_t threads, uint64_t seed, uint64_t milliseconds,
                     enum fault fault, struct tally *total) {
    struct run *run = calloc(1, sizeof *run);
    struct worker *workers = NULL;
    if (run) {
        *run = (struct run){.scene = scene, .threads = threads, .seed = seed, .fault = fault};
        run->deadline_ms = clock_steady_ms() + milliseconds;
        workers = new_workers(run);
    }
    if (!workers)
        return printf("not ok %s - no memory for the test itself\n", scene->name), 1;
    open_world(run);
    for (uint32_t i = 0; i < threads; i++)
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0)
            exit(1);
    for (uint32_t i = 0; i < threads; i++)
        join_or_die(run, workers[i].thread);
    check_all(run, &workers[0]);
    cache_verify(run->world.cache, &run->world.actor);
    for (uint32_t i = 0; i < threads; i++) {
        add_up(total, &workers[i]);
        free(workers[i].value);
        free(workers[i].got);
    }
    uint32_t failures = run->failures;
    world_close(&run->world);
    free(workers);
    free(run);
    return failures;
}

static void show(const char *name, const struct tally *t, uint64_t seed) {
    const struct {
        const char *what;
        uint64_t count;
    } figures[] = {
        {"operations", t->operations}, {"hits", t->hits},       {"misses", t->misses},   {"filtered", t->filtered},
        {"writes", t->writes},         {"full", t->full},       {"patched", t->patched}, {"appended", t->appended},
        {"uploaded", t->uploaded},     {"pinned", t->pinned},   {"scanned", t->scanned}, {"watched", t->watched},
        {"groups", t->grouped},        {"limits", t->limits},   {"flushes", t->flushes}, {"resized", t->resized},
        {"toggled", t->toggled},       {"evicted", t->evicted}, {"expired", t->expired}, {"retries", t->retries}};
    printf("# %s: seed %llu", name, (unsigned long long)seed);
    for (size_t i = 0; i < COUNT_OF(figures); i++)
        printf(", %llu %s", (unsigned long long)figures[i].count, figures[i].what);
    printf("\n");
}

/* A checker that finds nothing in a cache with planted bugs would prove nothing. */
static int find_planted(uint32_t threads, uint64_t seed, enum fault only) {
    int failed = 0;
    for (enum fault fault = FAULT_OLD; fault < FAULT_COUNT; fault++) {
        struct tally total = {0};
        if (only != FAULT_NONE && fault != only)
            continue;
        bool found = play(&scenes[1], threads, seed, 20000, fault, &total) != 0;
        printf("%s a planted fault is found: %s\n", found ? "ok" : "not ok", fault_names[fault]);
        failed += !found;
    }
    return failed;
}

int main(int argc, char **argv) {
    uint64_t seed = world_seed(), milliseconds = argc > 1 ? (uint64_t)(atof(argv[1]) * 1000) : 6000;
    uint32_t threads = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 16;
    enum fault only = FAULT_NONE;
    for (enum fault fault = FAULT_OLD; argc > 3 && fault < FAULT_COUNT; fault++)
        only = strcmp(argv[3], fault_names[fault]) == 0 ? fault : only;
    if (threads < 1 || threads > THREADS_MAX || (argc > 3 && !only))
        return fprintf(stderr, "usage: test_stress [SECONDS [THREADS [old|torn|lost]]]\n"), 2;
    setvbuf(stdout, NULL, _IOLBF, 0); /* what was said must not be lost when the program aborts */
    printf("# %u threads, seed %llu\n", threads, (unsigned long long)seed);
    int failed = find_planted(threads, seed, only);
    /* A long run plays the scenes again and again, each time with another seed. */
    enum { SCENE_MS_MAX = 20000 };
    uint64_t started = clock_steady_ms(), round_ms = milliseconds / COUNT_OF(scenes);
    if (round_ms > SCENE_MS_MAX)
        round_ms = SCENE_MS_MAX;
    do {
        for (size_t i = 0; i < COUNT_OF(scenes) && !failed && !only; i++, seed += 1) {
            struct tally total = {0};
            uint32_t failures = play(&scenes[i], threads, seed, round_ms, FAULT_NONE, &total);
            show(scenes[i].name, &total, seed);
            bool vacuous = total.hits == 0 || total.writes == 0 || total.expired == 0;
            printf("%s %s%s\n", failures || vacuous ? "not ok" : "ok", scenes[i].name,
                   failures  ? " - the history has holes"
                   : vacuous ? " - hardly anything happened"
                             : "");
            fflush(stdout);
            failed += failures || vacuous;
        }
    } while (!failed && !only && clock_steady_ms() - started + round_ms < milliseconds);
    return failed ? 1 : 0;
}
