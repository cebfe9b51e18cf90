#include "core/pubsub/topics.h"

#include "base/hash.h"
#include "base/rng.h"

#include "unit.h"

enum { NAMES = 60, LISTENERS = 12, OWNERS = 4, STEPS = 60000 };

/* What the tables should hold, as a plain matrix. */
struct twin {
    bool listens[LISTENERS][TOPIC_KINDS][NAMES];
};

struct world {
    struct topics topics[TOPIC_KINDS];
    struct listener listeners[LISTENERS];
    struct twin twin;
};

/* Names of all lengths, also the empty one and some with zero bytes. */
static struct slice name_of(uint32_t at, uint8_t room[64]) {
    memset(room, (int)('a' + at % 3), 64);
    room[0] = (uint8_t)at;
    return slice_make(room, at);
}

static uint64_t hash_of(struct slice name) { return hash_bytes(name, 7) & 15; /* so that many share a place */ }

static void expect_twin(struct world *world) {
    for (int kind = 0; kind < TOPIC_KINDS; kind++) {
        uint64_t topics = 0;
        for (uint32_t n = 0; n < NAMES; n++) {
            uint8_t room[64];
            struct slice name = name_of(n, room);
            uint64_t expected = 0;
            for (uint32_t l = 0; l < LISTENERS; l++) {
                expected += world->twin.listens[l][kind][n];
                struct subscription *found =
                    listener_find(&world->listeners[l], (enum topic_kind)kind, name, hash_of(name));
                assert_int_equal(found != NULL, world->twin.listens[l][kind][n]);
            }
            const struct topic *topic = topics_find(&world->topics[kind], name, hash_of(name));
            assert_int_equal(topic ? topic->listeners : 0, expected);
            topics += expected > 0;
        }
        assert_int_equal(world->topics[kind].count, topics);
        topics_verify(&world->topics[kind]);
    }
}

static void step(struct world *world, struct rng *rng) {
    uint32_t l = (uint32_t)rng_below(rng, LISTENERS), n = (uint32_t)rng_below(rng, NAMES);
    enum topic_kind kind = (enum topic_kind)rng_below(rng, TOPIC_KINDS);
    uint8_t room[64];
    struct slice name = name_of(n, room);
    struct listener *listener = &world->listeners[l];
    struct subscription *found = listener_find(listener, kind, name, hash_of(name));
    bool *listens = &world->twin.listens[l][kind][n];
    assert_int_equal(found != NULL, *listens);
    if (found)
        topics_leave(&world->topics[kind], found);
    else
        assert_int_equal(topics_join(&world->topics[kind], kind, name, hash_of(name), l % OWNERS, 0, listener),
                         STATUS_OK);
    *listens = !*listens;
}

static void leave_all(struct world *world) {
    for (uint32_t l = 0; l < LISTENERS; l++) {
        for (int kind = 0; kind < TOPIC_KINDS; kind++) {
            while (world->listeners[l].first[kind])
                topics_leave(&world->topics[kind], world->listeners[l].first[kind]);
        }
    }
}

static void begin(struct world *world, const struct memory *memory) {
    memset(world, 0, sizeof *world);
    for (int kind = 0; kind < TOPIC_KINDS; kind++)
        topics_init(&world->topics[kind], memory);
    for (uint32_t l = 0; l < LISTENERS; l++)
        listener_init(&world->listeners[l], memory);
}

static void end(struct world *world) {
    for (int kind = 0; kind < TOPIC_KINDS; kind++)
        topics_fini(&world->topics[kind]);
    for (uint32_t l = 0; l < LISTENERS; l++)
        listener_fini(&world->listeners[l]);
}

static void joins_and_leaves_as_a_plain_matrix(void **state) {
    static struct world world;
    struct rng rng = rng_seeded(unit_seed());
    begin(&world, &memory_libc);
    for (uint32_t i = 0; i < STEPS; i++) {
        step(&world, &rng);
        if (i % 1000 == 0)
            expect_twin(&world);
    }
    expect_twin(&world);
    leave_all(&world);
    memset(&world.twin, 0, sizeof world.twin);
    expect_twin(&world);
    end(&world);
}

static void parts_are_of_their_owners(void **state) {
    struct topics topics;
    struct listener listeners[3];
    struct slice name = SLICE("news");
    topics_init(&topics, &memory_libc);
    for (uint32_t i = 0; i < 3; i++) {
        listener_init(&listeners[i], &memory_libc);
        assert_int_equal(topics_join(&topics, TOPIC_CHANNEL, name, 5, i == 2 ? 9 : 1, 100 + i, &listeners[i]),
                         STATUS_OK);
    }
    const struct topic *topic = topics_find(&topics, name, 5);
    uint32_t seen = 0;
    for (const struct topic_part *part = topic->parts; part; part = part->next) {
        assert_int_equal(part->count, part->owner == 9 ? 1 : 2);
        for (uint32_t i = 0; i < part->count; i++)
            seen |= 1u << (part->members[i].since - 100);
    }
    assert_int_equal(seen, 7);
    for (uint32_t i = 0; i < 3; i++) {
        topics_leave(&topics, listeners[i].first[TOPIC_CHANNEL]);
        listener_fini(&listeners[i]);
    }
    topics_fini(&topics);
}

static void a_part_stays_while_messages_name_it(void **state) {
    struct topics topics;
    struct listener listener;
    topics_init(&topics, &memory_libc);
    listener_init(&listener, &memory_libc);
    assert_int_equal(topics_join(&topics, TOPIC_CHANNEL, SLICE("a"), 1, 0, 0, &listener), STATUS_OK);
    struct topic_part *part = listener.first[TOPIC_CHANNEL]->part;
    atomic_fetch_add(&part->queued, 1);
    topics_leave(&topics, listener.first[TOPIC_CHANNEL]);
    assert_int_equal(topics.count, 0);
    assert_true(part->left);
    assert_int_equal(part->count, 0);
    /* The same name begins anew, with another part. */
    assert_int_equal(topics_join(&topics, TOPIC_CHANNEL, SLICE("a"), 1, 0, 0, &listener), STATUS_OK);
    assert_ptr_not_equal(listener.first[TOPIC_CHANNEL]->part, part);
    topics_part_done(part, &memory_libc); /* one is still under way */
    assert_true(part->left);
    atomic_fetch_sub(&part->queued, 1);
    topics_part_done(part, &memory_libc); /* a leak if it did nothing */
    topics_leave(&topics, listener.first[TOPIC_CHANNEL]);
    listener_fini(&listener);
    topics_fini(&topics);
}

/* ------------------------------------------------------------------- memory */

struct scarce {
    uint64_t left;       /* allocations that succeed */
    int64_t outstanding; /* bytes */
};

static void *scarce_resize(void *context, void *old, size_t size_old, size_t size_new) {
    struct scarce *scarce = context;
    if (size_new > size_old && scarce->left-- == 0) {
        scarce->left = 0;
        return NULL;
    }
    scarce->outstanding += (int64_t)size_new - (int64_t)size_old;
    return memory_libc.resize(NULL, old, size_old, size_new);
}

static void every_allocation_may_fail(void **state) {
    static struct world world;
    struct scarce scarce = {.left = UINT64_MAX};
    struct memory memory = {scarce_resize, &scarce};
    struct rng rng = rng_seeded(unit_seed());
    uint64_t failures = 0;
    begin(&world, &memory);
    for (uint32_t i = 0; i < 6000; i++) {
        uint32_t l = (uint32_t)rng_below(&rng, LISTENERS), n = (uint32_t)rng_below(&rng, NAMES);
        uint8_t room[64];
        struct slice name = name_of(n, room);
        struct listener *listener = &world.listeners[l];
        struct subscription *found = listener_find(listener, TOPIC_CHANNEL, name, hash_of(name));
        if (found) {
            topics_leave(&world.topics[TOPIC_CHANNEL], found);
            world.twin.listens[l][TOPIC_CHANNEL][n] = false;
            continue;
        }
        scarce.left = rng_below(&rng, 6);
        enum status status =
            topics_join(&world.topics[TOPIC_CHANNEL], TOPIC_CHANNEL, name, hash_of(name), l % OWNERS, 0, listener);
        scarce.left = UINT64_MAX;
        assert_true(status == STATUS_OK || status == STATUS_NO_MEMORY);
        failures += status != STATUS_OK;
        world.twin.listens[l][TOPIC_CHANNEL][n] = status == STATUS_OK;
        if (i % 100 == 0 || status != STATUS_OK)
            topics_verify(&world.topics[TOPIC_CHANNEL]);
        if (i % 500 == 0)
            expect_twin(&world);
    }
    expect_twin(&world);
    assert_true(failures > 100);
    leave_all(&world);
    end(&world);
    assert_int_equal(scarce.outstanding, 0);
}

static void a_listener_has_limits(void **state) {
    struct topics topics;
    struct listener listener;
    topics_init(&topics, &memory_libc);
    listener_init(&listener, &memory_libc);
    listener.name_bytes = TOPICS_LISTENER_NAMES_MAX - 3;
    assert_int_equal(topics_join(&topics, TOPIC_CHANNEL, SLICE("four"), 1, 0, 0, &listener), STATUS_FULL);
    assert_int_equal(topics_join(&topics, TOPIC_CHANNEL, SLICE("two"), 1, 0, 0, &listener), STATUS_OK);
    assert_int_equal(topics_join(&topics, TOPIC_CHANNEL, SLICE("x"), 1, 0, 0, &listener), STATUS_FULL);
    assert_int_equal(topics.count, 1);
    topics_leave(&topics, listener.first[TOPIC_CHANNEL]);
    listener.name_bytes = 0;
    for (uint32_t i = 0; i < TOPICS_LISTENER_MAX; i++)
        assert_int_equal(topics_join(&topics, TOPIC_PATTERN, slice_make(&i, 3), i, 0, 0, &listener), STATUS_OK);
    assert_int_equal(topics_join(&topics, TOPIC_PATTERN, SLICE("more"), 1, 0, 0, &listener), STATUS_FULL);
    while (listener.first[TOPIC_PATTERN])
        topics_leave(&topics, listener.first[TOPIC_PATTERN]);
    listener_fini(&listener);
    topics_fini(&topics);
}

UNIT_TESTS(topics, UNIT(joins_and_leaves_as_a_plain_matrix), UNIT(parts_are_of_their_owners),
           UNIT(a_part_stays_while_messages_name_it), UNIT(every_allocation_may_fail), UNIT(a_listener_has_limits));
