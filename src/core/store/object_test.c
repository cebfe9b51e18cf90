#include "core/store/object.h"

#include "base/rng.h"
#include "core/store/list_fixture.h"
#include "core/store/store_fixture.h"

enum { TYPE_OBJECT = 6, NODE_MAX = 3000 };

/* ------------------------------------------------------------------------------------------ objects */

static void fill(struct testing_store *t, struct shard *shard, uint32_t reference, uint8_t with) {
    uint8_t bytes[256];
    memset(bytes, with, sizeof bytes);
    uint32_t room = object_room(t->engine, shard, reference);
    for (uint32_t at = 0; at < room; at += sizeof bytes)
        words_write(object_at(t->engine, shard, reference) + at, bytes,
                    room - at < sizeof bytes ? room - at : sizeof bytes);
}

static bool is_filled(struct testing_store *t, struct shard *shard, uint32_t reference, uint8_t with) {
    const uint8_t *bytes = object_at(t->engine, shard, reference);
    for (uint32_t at = 0; at < object_room(t->engine, shard, reference); at++)
        if (bytes[at] != with)
            return false;
    return true;
}

static void every_size_has_room_and_little_waste(void **state) {
    (void)state;
    for (uint64_t limit = 1u << 20; limit <= 1u << 30; limit <<= 5) {
        struct testing_store t = testing_store_open(limit, 1, STORE_NOEVICTION, NULL);
        struct shard *shard = &t.engine->shards[0];
        uint32_t most = object_size_max(&t.engine->range), block = range_segment_size(&t.engine->range) / RANGE_BLOCKS;
        for (uint32_t size = 0; size <= most; size += 1 + size / 50) {
            uint32_t reference = object_take(t.engine, &t.actor, shard, size);
            assert_int_not_equal(reference, 0);
            assert_true(object_room(t.engine, shard, reference) >= size);
            assert_int_equal((uintptr_t)object_at(t.engine, shard, reference) % 8, 0);
            uint32_t charge = object_charge(t.engine, shard, reference);
            assert_true(charge <= size + size / 8 + 8 || (size > 2 * block && charge <= size + 16 + block));
            assert_int_equal(shard->objects.live, charge);
            fill(&t, shard, reference, 0xa5);
            object_verify(t.engine, shard);
            object_give(t.engine, &t.actor, shard, reference);
            assert_int_equal(shard->objects.segments, 0);
        }
        assert_int_equal(object_take(t.engine, &t.actor, shard, most + 1), 0);
        testing_store_close(&t);
    }
}

/* Objects of random sizes come and go; each keeps its bytes. */
static void objects_keep_apart(void **state) {
    (void)state;
    enum { COUNT = 500, STEPS = 20000 };
    struct testing_store t = testing_store_open(32u << 20, 1, STORE_NOEVICTION, NULL);
    struct shard *shard = &t.engine->shards[0];
    struct rng rng = rng_seeded(unit_seed());
    uint32_t held[COUNT] = {0}, most = object_size_max(&t.engine->range);
    for (uint32_t step = 0; step < STEPS; step++) {
        uint32_t i = (uint32_t)rng_below(&rng, COUNT);
        if (held[i]) {
            assert_true(is_filled(&t, shard, held[i], (uint8_t)i));
            object_give(t.engine, &t.actor, shard, held[i]);
            held[i] = 0;
        } else {
            uint64_t limit = rng_below(&rng, 20) ? 400 : rng_below(&rng, 3) ? 9000 : most;
            held[i] = object_take(t.engine, &t.actor, shard, (uint32_t)rng_below(&rng, limit + 1));
            assert_int_not_equal(held[i], 0);
            fill(&t, shard, held[i], (uint8_t)i);
        }
        if (step % 1000 == 0)
            object_verify(t.engine, shard);
    }
    for (uint32_t i = 0; i < COUNT; i++)
        if (held[i])
            object_give(t.engine, &t.actor, shard, held[i]);
    assert_int_equal(shard->objects.live, 0);
    assert_int_equal(shard->objects.segments, 0);
    testing_store_close(&t);
}

static void failed_takes_change_nothing(void **state) {
    (void)state;
    struct testing_store t = testing_store_open(1u << 20, 1, STORE_NOEVICTION, NULL);
    struct shard *shard = &t.engine->shards[0];
    uint32_t taken[512];
    for (uint32_t left = 0; left < 5; left++) {
        uint32_t starved = testing_store_starve(&t, left, taken), held[4096], count = 0, reference;
        while ((reference = object_take(t.engine, &t.actor, shard, 100)) != 0)
            held[count++] = reference;
        assert_int_equal(shard->objects.segments, left);
        assert_true(count >= left * (range_segment_size(&t.engine->range) / 104) * 3 / 4);
        uint64_t live = shard->objects.live;
        assert_int_equal(object_take(t.engine, &t.actor, shard, object_size_max(&t.engine->range)), 0);
        assert_int_equal(shard->objects.live, live);
        object_verify(t.engine, shard);
        while (count)
            object_give(t.engine, &t.actor, shard, held[--count]);
        assert_int_equal(shard->objects.segments, 0);
        testing_store_feed(&t, taken, starved);
    }
    testing_store_close(&t);
}

/* ------------------------------------------------------------------------------------------ lists and their twins */

enum { LISTS = 40, NODES_MAX = 200 };

struct twin_list {
    bool there;
    uint32_t count;
    uint32_t seeds[NODES_MAX]; /* each node's bytes follow from its seed */
};

struct lists {
    struct testing_store t;
    struct twin_list twin[LISTS];
    struct rng rng;
    uint32_t node_max;
};

static uint32_t bytes_of(const struct lists *l, uint32_t seed, uint8_t *bytes) {
    struct rng rng = rng_seeded(seed);
    uint32_t size = (uint32_t)rng_below(&rng, rng_below(&rng, 10) ? 60 : l->node_max);
    memset(bytes, (int)rng_next(&rng), size);
    if (size)
        bytes[size - 1] = (uint8_t)seed;
    return size;
}

struct list_spot {
    struct shard *shard;
    struct store_key key;
    struct store_spot spot;
    char name[16];
};

static void open_list(struct lists *l, uint32_t i, struct list_spot *ret_spot) {
    int size = snprintf(ret_spot->name, sizeof ret_spot->name, "list %u", i);
    ret_spot->key = testing_store_key(&l->t, i % 3, slice_make(ret_spot->name, (size_t)size));
    uint32_t at = store_shard_of(l->t.engine, ret_spot->key.hash);
    ret_spot->shard = &l->t.engine->shards[at];
    store_lock(l->t.engine, &l->t.actor, at);
    store_find(l->t.engine, ret_spot->shard, &ret_spot->key, &ret_spot->spot);
}

static void close_list(struct lists *l, struct list_spot *spot) {
    store_unlock(l->t.engine, &l->t.actor, spot->shard->index.shard);
}

static bool is_list(const struct list_spot *spot) {
    return spot->spot.location && (spot->spot.entry.flags & ENTRY_OBJECT);
}

static void check_list(struct lists *l, uint32_t i) {
    struct list_spot spot;
    struct twin_list *twin = &l->twin[i];
    uint8_t bytes[NODE_MAX];
    open_list(l, i, &spot);
    assert_int_equal(is_list(&spot), twin->there);
    if (twin->there) {
        struct object_root root = store_root(l->t.engine, &spot.spot);
        assert_int_equal(root.own, twin->count);
        uint32_t at = root.first;
        uint64_t charge = object_charge(l->t.engine, spot.shard, at);
        for (uint32_t n = 0; n < twin->count; n++) {
            at = list_load(l->t.engine, spot.shard, at).next;
            struct list_object node = list_load(l->t.engine, spot.shard, at);
            assert_int_equal(node.size, bytes_of(l, twin->seeds[n], bytes));
            assert_memory_equal(object_at(l->t.engine, spot.shard, at) + LIST_BYTES_AT, bytes, node.size);
            charge += object_charge(l->t.engine, spot.shard, at);
        }
        assert_int_equal(list_load(l->t.engine, spot.shard, at).next, root.first);
        assert_int_equal(root.charge, charge);
    }
    close_list(l, &spot);
}

/* False when there was no memory. */
static bool do_push(struct lists *l, uint32_t i) {
    struct list_spot spot;
    struct twin_list *twin = &l->twin[i];
    uint8_t bytes[NODE_MAX];
    uint32_t seed = (uint32_t)rng_next(&l->rng);
    bool done = true;
    open_list(l, i, &spot);
    if (!is_list(&spot)) {
        done = list_put(l->t.engine, &l->t.actor, spot.shard, &spot.key, TYPE_OBJECT, &spot.spot) == STATUS_OK;
        *twin = (struct twin_list){.there = done};
    }
    if (done && twin->count < NODES_MAX) {
        struct object_root root = store_root(l->t.engine, &spot.spot);
        done = list_push(l->t.engine, &l->t.actor, spot.shard, &root, slice_make(bytes, bytes_of(l, seed, bytes)));
        if (done) {
            store_root_set(l->t.engine, &l->t.actor, spot.shard, &spot.spot, &root);
            twin->seeds[twin->count++] = seed;
        }
    }
    close_list(l, &spot);
    return done;
}

static void do_pop(struct lists *l, uint32_t i) {
    struct list_spot spot;
    struct twin_list *twin = &l->twin[i];
    open_list(l, i, &spot);
    if (twin->there && twin->count) {
        struct object_root root = store_root(l->t.engine, &spot.spot);
        list_pop(l->t.engine, &l->t.actor, spot.shard, &root);
        store_root_set(l->t.engine, &l->t.actor, spot.shard, &spot.spot, &root);
        memmove(twin->seeds, twin->seeds + 1, --twin->count * sizeof twin->seeds[0]);
    }
    close_list(l, &spot);
}

static void do_drop(struct lists *l, uint32_t i) {
    struct list_spot spot;
    open_list(l, i, &spot);
    if (spot.spot.location && rng_below(&l->rng, 2)) {
        store_remove(l->t.engine, &l->t.actor, spot.shard, &spot.spot, STORE_DELETED);
    } else { /* a string in its place */
        struct store_value value = {.value = SLICE("a string")};
        if (store_put(l->t.engine, &l->t.actor, spot.shard, &spot.key, &value, &spot.spot) != STATUS_OK) {
            close_list(l, &spot);
            return;
        }
    }
    l->twin[i].there = false;
    close_list(l, &spot);
}

static void compact_all(struct lists *l) {
    uint32_t turns = 0;
    while (object_compact(l->t.engine, &l->t.actor))
        assert_true(++turns < 10000);
    engine_verify(l->t.engine, &l->t.actor);
}

static void run_lists(uint64_t limit, uint32_t shards, uint32_t steps) {
    struct lists *l = calloc(1, sizeof *l);
    *l = (struct lists){.t = testing_store_open(limit, shards, STORE_NOEVICTION, &list_owner),
                        .rng = rng_seeded(unit_seed() + limit),
                        .node_max = NODE_MAX};
    for (uint32_t step = 0; step < steps; step++) {
        uint32_t i = (uint32_t)rng_below(&l->rng, LISTS);
        switch (rng_below(&l->rng, 200)) {
            case 0 ... 99:
                assert_true(do_push(l, i));
                break;
            case 100 ... 169:
                do_pop(l, i);
                break;
            case 170 ... 189:
                check_list(l, i);
                break;
            case 190 ... 191:
                do_drop(l, i);
                break;
            case 192 ... 198:
                (void)object_compact(l->t.engine, &l->t.actor);
                break;
            default:
                compact_all(l);
        }
    }
    compact_all(l);
    assert_true(l->t.actor.counts.copied_bytes > 0);
    for (uint32_t i = 0; i < LISTS; i++) {
        check_list(l, i);
        while (l->twin[i].there)
            do_drop(l, i);
    }
    for (uint32_t i = 0; i < shards; i++) {
        assert_int_equal(l->t.engine->shards[i].objects.live, 0);
        assert_int_equal(l->t.engine->shards[i].objects.segments, 0);
    }
    testing_store_close(&l->t);
    free(l);
}

static void lists_agree_with_their_twins(void **state) {
    (void)state;
    run_lists(4u << 20, 1, 20000);
    run_lists(4u << 20, 2, 20000);
}

/* Lists grow until there is no memory, at every number of segments; what is there stays right. */
static void lists_survive_the_lack_of_memory(void **state) {
    (void)state;
    struct lists *l = calloc(1, sizeof *l);
    *l = (struct lists){.t = testing_store_open(1u << 20, 1, STORE_NOEVICTION, &list_owner),
                        .rng = rng_seeded(unit_seed()),
                        .node_max = 1000};
    uint32_t taken[512];
    for (uint32_t left = 0; left < 12; left++) {
        uint32_t starved = testing_store_starve(&l->t, left, taken), failed = 0;
        while (failed < 20)
            failed += !do_push(l, (uint32_t)rng_below(&l->rng, LISTS));
        for (uint32_t i = 0; i < LISTS; i++)
            check_list(l, i);
        compact_all(l);
        for (uint32_t i = 0; i < LISTS; i++)
            check_list(l, i);
        testing_store_feed(&l->t, taken, starved);
        for (uint32_t i = 0; i < LISTS; i++)
            do_drop(l, i);
    }
    testing_store_close(&l->t);
    free(l);
}

/* After four in five lists have gone, whose nodes lay among those of the others, compaction gives the memory of most of them back to the pool. */
static void compaction_gives_dead_segments_back(void **state) {
    (void)state;
    struct lists *l = calloc(1, sizeof *l);
    *l = (struct lists){.t = testing_store_open(4u << 20, 1, STORE_NOEVICTION, &list_owner),
                        .rng = rng_seeded(unit_seed()),
                        .node_max = 60};
    for (uint32_t n = 0; n < NODES_MAX; n++)
        for (uint32_t i = 0; i < LISTS; i++)
            assert_true(do_push(l, i));
    struct object_heap *heap = &l->t.engine->shards[0].objects;
    uint32_t before = heap->segments;
    for (uint32_t i = 0; i < LISTS; i++)
        if (i % 5)
            do_drop(l, i);
    assert_true(heap->segments > before / 2); /* survivors are everywhere */
    uint64_t live = heap->live, size = range_segment_size(&l->t.engine->range);
    compact_all(l);
    assert_true(l->t.actor.counts.copied_bytes > 0);
    assert_int_equal(heap->live, live);
    assert_true(heap->segments < before / 2);
    assert_true(heap->segments * size < live + live / 3 + 3 * size);
    for (uint32_t i = 0; i < LISTS; i++)
        check_list(l, i);
    testing_store_close(&l->t);
    free(l);
}

UNIT_TESTS(object, UNIT(every_size_has_room_and_little_waste), UNIT(objects_keep_apart),
           UNIT(failed_takes_change_nothing), UNIT(lists_agree_with_their_twins),
           UNIT(lists_survive_the_lack_of_memory), UNIT(compaction_gives_dead_segments_back));
