/* test/engine/stress_write.c: writes of a worker's own keys: whole values, uploads, deletions, edits under the lock. */
#include "core/store/words.h"
#include "stress.h"

enum { FAULT_EVERY = 500 };

uint64_t stress_draw_expiry(struct worker *worker) {
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
        stress_wrong(worker, "write", status_text(status), key, value_version(shape));
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

void stress_set(struct worker *worker) {
    struct run *run = worker->run;
    char text[STRESS_NAME_SIZE];
    uint64_t key = stress_own_key(worker), expires_at_ms = stress_draw_expiry(worker);
    struct cache_key name = stress_name(run, key, text);
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

void stress_erase(struct worker *worker) {
    struct run *run = worker->run;
    char text[STRESS_NAME_SIZE];
    uint64_t key = stress_own_key(worker);
    struct cache_key name = stress_name(run, key, text);
    struct history_note note = history_before(&run->history, key);
    history_begin(&run->history, key, 0, 0);
    bool found = cache_delete(run->world.cache, &worker->actor, &name);
    if (!found) { /* the state before is what must allow that */
        history_end(&run->history, key, false);
        stress_check_miss(worker, "delete", key, note);
        history_begin(&run->history, key, 0, 0);
    }
    history_end(&run->history, key, true);
    worker->shapes[key] = (struct value_shape){0};
}

void stress_upload(struct worker *worker) {
    struct run *run = worker->run;
    struct cache *cache = run->world.cache;
    char text[STRESS_NAME_SIZE];
    uint64_t key = stress_own_key(worker), threads = run->threads;
    for (int tries = 0; key % 16 && tries < 16; tries++) /* large ones, if the worker owns any */
        key = key + threads < run->scene->keys ? key + threads : worker->number;
    struct cache_key name = stress_name(run, key, text);
    struct value_shape shape = whole_shape(worker, key);
    struct cache_upload arriving;
    uint64_t size = value_size(&shape), expires_at_ms = stress_draw_expiry(worker);
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
        stress_check_miss(worker, "edit", key, note);
        history_begin(&run->history, key, 0, 0); /* gone for good: nobody may see it again */
        history_end(&run->history, key, true);
        worker->shapes[key] = (struct value_shape){0};
        return;
    }
    if (version == 0 || edit->expires_at_ms != expires_at_ms || edit->size != value_size(&worker->shapes[key]))
        return stress_wrong(worker, "edit", "not what was acknowledged", key, version);
    if (edit->size > VALUE_SMALL_MAX && rng_below(&worker->rng, 4))
        return;
    struct value_shape shape = {0};
    cache_edit_copy_out(edit, 0, worker->got, edit->size);
    const char *how = value_check(worker->got, edit->size, key, &shape);
    if (how || value_version(&shape) != version)
        stress_wrong(worker, "edit", how ? how : "another version than was acknowledged", key, value_version(&shape));
}

static void edit_set(struct worker *worker, struct cache_edit *edit, uint64_t key) {
    struct value_shape shape = whole_shape(worker, key);
    uint64_t expires_at_ms = stress_draw_expiry(worker);
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
    uint64_t expires_at_ms = stress_draw_expiry(worker);
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

void stress_edit(struct worker *worker) {
    struct run *run = worker->run;
    char text[STRESS_NAME_SIZE];
    uint64_t key = stress_own_key(worker);
    struct cache_key name = stress_name(run, key, text);
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
void stress_edit_twice(struct worker *worker) {
    struct run *run = worker->run;
    char text[STRESS_NAME_SIZE];
    uint64_t key = stress_own_key(worker);
    struct cache_key name = stress_name(run, key, text);
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
