/* A cache that is closed in order and opened again, at another address, is what it was; and what it is not, it refuses. */
#include <stdio.h>

#include "base/rng.h"
#include "core/cache/cache_fixture.h"
#include "core/store/layout.h"
#include "scarce.h"

enum { MIB = 1 << 20, LIMIT = 8 * MIB, PROGRAM = 7, KEYS = 600, LARGE = 400000, TAGS = 12, ROUNDS = 25, STEPS = 400 };

static const struct slice carts[] = {{(const uint8_t *)"session:{id}", 12}, {(const uint8_t *)"cart:{id}:*", 11}};
static const struct slice users[] = {{(const uint8_t *)"user:*", 6}};
static const struct cache_store stores[] = {
    {.name = SLICE("sessions"), .patterns = carts, .pattern_count = COUNT_OF(carts), .policy = CACHE_SESSION},
    {.name = SLICE("users"),
     .patterns = users,
     .pattern_count = COUNT_OF(users),
     .share_permille = 200,
     .ttl_ms = 60000,
     .policy = CACHE_ALLKEYS_LRU},
};

static struct cache_options options_for(uint64_t limit_bytes) {
    return (struct cache_options){.limit_bytes = limit_bytes,
                                  .policy = CACHE_ALLKEYS_LFU,
                                  .stores = stores,
                                  .store_count = limit_bytes < MIB ? 0 : COUNT_OF(stores),
                                  .spare_stores = 4,
                                  .program = PROGRAM};
}

/* What the fixture opens with. */
static struct cache_options filled(const struct testing_cache *t, struct cache_options options) {
    options.range = t->range;
    options.range_size = t->range_size;
    options.cores = 2;
    options.seed = 999; /* which is not the range's */
    options.waiting = (struct cache_waiting){testing_wait, testing_wake, NULL};
    options.memory = options.memory ? options.memory : &memory_libc;
    return options;
}

static void *copy_of(const void *range, uint64_t size) {
    void *copy = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_true(copy != MAP_FAILED);
    memcpy(copy, range, size);
    return copy;
}

static void close_kept(struct testing_cache *t) {
    const char *reason = "";
    cache_verify(t->cache, &t->actor);
    enum status status = cache_close_kept(t->cache, &t->actor, &reason);
    if (status != STATUS_OK)
        fail_msg("seed %llu: %s", (unsigned long long)unit_seed(), reason);
    t->cache = NULL;
}

/* At another address; what stood at the old one is not there any more. */
static void move_range(struct testing_cache *t) {
    void *copy = copy_of(t->range, t->range_size);
    munmap(t->range, t->range_size);
    t->range = copy;
}

static enum status attach(struct testing_cache *t, struct cache_options options, const char **ret_reason) {
    const struct cache_options all = filled(t, options);
    return cache_attach(&all, &t->cache, ret_reason);
}

static void reopen(struct testing_cache *t, struct cache_options options) {
    const char *reason = NULL;
    close_kept(t);
    move_range(t);
    if (attach(t, options, &reason) != STATUS_OK)
        fail_msg("seed %llu: %s", (unsigned long long)unit_seed(), reason);
    cache_verify(t->cache, &t->actor);
}

/* ------------------------------------------------------------------------------------------ beside a twin that stays open */

struct twins {
    struct testing_cache each[2]; /* the first one is closed and opened again */
    struct rng rng;
    uint8_t *bytes;
    struct buf got[2];
};

static void name_of(uint64_t key, char name[64]) {
    static const char *const forms[] = {"key:%u", "user:%u", "session:%u", "cart:%u:a", "cart:%u:b"};
    snprintf(name, 64, forms[key % COUNT_OF(forms)], (unsigned)(key / COUNT_OF(forms)));
}

struct deed {
    struct slice name, value, tags[3];
    uint32_t kind, db, tag_count;
    uint64_t expires_at_ms, stale_ms, row;
    bool versioned;
};

static enum status write_entry(struct testing_cache *t, const struct deed *deed) {
    struct cache_key key = cache_key(t->cache, deed->db, deed->name);
    struct cache_edit edit;
    cache_prepare(t->cache, &t->actor, &key, deed->value.size);
    cache_edit_begin(t->cache, &t->actor, &key, &edit);
    edit.tags = deed->tags;
    edit.tag_count = deed->tag_count;
    edit.versioned = deed->versioned;
    edit.set_row = deed->row;
    edit.set_stale_ms = deed->stale_ms;
    enum status status = cache_edit_set(&edit, CACHE_STRING, deed->value, deed->expires_at_ms);
    cache_edit_end(&edit);
    return status;
}

/* Answers a number that must be the same in both. */
static uint64_t do_deed(struct testing_cache *t, const struct deed *deed, struct buf *got) {
    struct cache_key key = cache_key(t->cache, deed->db, deed->name);
    uint64_t answer = 0;
    switch (deed->kind) {
        case 0:
            return cache_delete(t->cache, &t->actor, &key);
        case 1:
            return cache_tag_invalidate(t->cache, &t->actor, deed->tags[0]);
        case 2:
            return cache_tag_soften(t->cache, &t->actor, deed->tags[0]);
        case 3:
            t->actor.now_ms += deed->row * 37;
            return cache_housekeep(t->cache, &t->actor);
        case 4:
            cache_swap(t->cache, &t->actor, 0, 1);
            return 0;
        case 5:
            answer = cache_filter_set(t->cache, &t->actor, 0, deed->versioned, 0);
            return answer;
        case 6:
            return cache_ban(t->cache, &t->actor, cache_key(t->cache, deed->db, deed->name).place, SLICE("key:*7*"));
        case 7:
        case 8:
        case 9:
            return testing_get(t, deed->db, deed->name, got, NULL);
        default:
            return (uint64_t)write_entry(t, deed);
    }
}

static struct deed random_deed(struct twins *twins, char names[4][64]) {
    struct rng *rng = &twins->rng;
    struct deed deed = {.kind = (uint32_t)rng_below(rng, 40), .db = (uint32_t)rng_below(rng, 2)};
    uint64_t size = rng_below(rng, 100) == 0 ? rng_below(rng, LARGE) : rng_below(rng, 400);
    if ((deed.kind == 4 || deed.kind == 5 || deed.kind == 6) && rng_below(rng, 10))
        deed.kind = 39;
    name_of(rng_below(rng, KEYS), names[3]);
    deed.name = slice_from_string(names[3]);
    deed.value = slice_make(twins->bytes + rng_below(rng, 1000), size);
    deed.tag_count = rng_below(rng, 2) ? 0 : (uint32_t)rng_below(rng, 4);
    for (int i = 0; i < 3; i++) {
        snprintf(names[i], 64, "tag-%u", (unsigned)rng_below(rng, TAGS));
        deed.tags[i] = slice_from_string(names[i]);
    }
    deed.expires_at_ms = rng_below(rng, 3) ? 0 : twins->each[0].actor.now_ms + 1 + rng_below(rng, 20000);
    deed.stale_ms = deed.expires_at_ms && rng_below(rng, 3) == 0 ? 5000 : 0;
    deed.row = rng_below(rng, 4) ? 0 : 1 + rng_below(rng, 50);
    deed.versioned = rng_below(rng, 2);
    return deed;
}

#define SAME(a, b)                                                                              \
    do {                                                                                        \
        if ((a) != (b))                                                                         \
            fail_msg("seed %llu: %s is %llu and not %llu", (unsigned long long)unit_seed(), #a, \
                     (unsigned long long)(a), (unsigned long long)(b));                         \
    } while (0)

static void compare_keys(struct twins *twins) {
    for (uint32_t db = 0; db < 2; db++)
        for (uint32_t key = 0; key < KEYS; key++) {
            struct cache_info info[2];
            bool found[2];
            char name[64];
            name_of(key, name);
            for (int i = 0; i < 2; i++)
                found[i] = testing_get(&twins->each[i], db, slice_from_string(name), &twins->got[i], &info[i]);
            SAME(found[0], found[1]);
            if (!found[0])
                continue;
            SAME(info[0].version, info[1].version);
            SAME(info[0].row, info[1].row);
            SAME(info[0].expires_at_ms, info[1].expires_at_ms);
            SAME(info[0].charged_bytes, info[1].charged_bytes);
            SAME(info[0].use_count, info[1].use_count);
            SAME(twins->got[0].size, twins->got[1].size);
            assert_memory_equal(twins->got[0].data, twins->got[1].data, twins->got[0].size);
        }
}

static void compare(struct twins *twins) {
    struct cache_stats stats[2];
    struct cache_filter_info filters[2];
    struct testing_cache *t = twins->each;
    for (int i = 0; i < 2; i++) {
        cache_stats(t[i].cache, &stats[i]);
        assert_int_equal(cache_filter_info(t[i].cache, &t[i].actor, 0, &filters[i]), STATUS_OK);
    }
    SAME(stats[0].entries, stats[1].entries);
    SAME(stats[0].expiring, stats[1].expiring);
    SAME(stats[0].occupied_bytes, stats[1].occupied_bytes);
    SAME(stats[0].live_bytes, stats[1].live_bytes);
    SAME(stats[0].large_bytes, stats[1].large_bytes);
    SAME(stats[0].idle_bytes, stats[1].idle_bytes);
    SAME(stats[0].tags, stats[1].tags);
    SAME(stats[0].dead, stats[1].dead);
    SAME(stats[0].segments_used, stats[1].segments_used);
    SAME(filters[0].state, filters[1].state);
    SAME(filters[0].entries, filters[1].entries);
    for (int tag = 0; tag < TAGS; tag++) {
        char name[64];
        snprintf(name, sizeof name, "tag-%d", tag);
        SAME(cache_tag_count(t[0].cache, &t[0].actor, slice_from_string(name)),
             cache_tag_count(t[1].cache, &t[1].actor, slice_from_string(name)));
    }
    for (uint32_t store = 0; store < cache_store_count(t[1].cache); store++) {
        struct cache_store_info info[2];
        for (int i = 0; i < 2; i++)
            cache_store_info(t[i].cache, store, &info[i]);
        assert_string_equal(info[0].name, info[1].name);
        SAME(info[0].entries, info[1].entries);
        SAME(info[0].bytes, info[1].bytes);
        SAME(info[0].guaranteed_bytes, info[1].guaranteed_bytes);
        SAME(info[0].policy, info[1].policy);
    }
    compare_keys(twins);
}

static void run_twins(uint64_t limit_bytes) {
    struct twins twins = {.rng = rng_seeded(unit_seed())};
    twins.bytes = malloc(LARGE + 1000);
    assert_non_null(twins.bytes);
    for (int i = 0; i < LARGE + 1000; i++)
        twins.bytes[i] = (uint8_t)rng_next(&twins.rng);
    for (int i = 0; i < 2; i++) {
        twins.each[i] = testing_open_as(options_for(limit_bytes));
        buf_init(&twins.got[i], &memory_libc);
    }
    for (int round = 0; round < ROUNDS; round++) {
        for (int step = 0; step < STEPS; step++) {
            char names[4][64];
            const struct deed deed = random_deed(&twins, names);
            uint64_t answer = do_deed(&twins.each[0], &deed, &twins.got[0]);
            SAME(answer, do_deed(&twins.each[1], &deed, &twins.got[1]));
        }
        cache_end_bans(twins.each[1].cache, &twins.each[1].actor);
        reopen(&twins.each[0], options_for(limit_bytes));
        compare(&twins);
    }
    for (int i = 0; i < 2; i++) {
        testing_close(&twins.each[i]);
        buf_fini(&twins.got[i]);
    }
    free(twins.bytes);
}

static void whatever_was_done_is_there_again(void **state) {
    (void)state;
    run_twins(LIMIT);
}

static void so_it_is_where_memory_is_scarce(void **state) {
    (void)state;
    run_twins(2 * MIB);
    run_twins(200 * 1024);
}

/* ------------------------------------------------------------------------------------------ before and afterwards */

static bool is_there(struct testing_cache *t, const char *name) {
    struct cache_key key = cache_key(t->cache, 0, slice_from_string(name));
    struct cache_info info;
    return cache_find(t->cache, &t->actor, &key, false, &info);
}

static void put_tagged(struct testing_cache *t, const char *name, const char *tag) {
    const struct deed deed = {
        .name = slice_from_string(name), .value = SLICE("v"), .tags = {slice_from_string(tag)}, .tag_count = 1};
    assert_int_equal(write_entry(t, &deed), STATUS_OK);
}

static void invalidations_hold_and_go_on(void **state) {
    (void)state;
    struct testing_cache t = testing_open_as(options_for(LIMIT));
    put_tagged(&t, "before", "red");
    put_tagged(&t, "later", "blue");
    assert_int_equal(testing_set(&t, 0, SLICE("short"), SLICE("v"), t.actor.now_ms + 10), STATUS_OK);
    assert_int_equal(testing_set(&t, 0, SLICE("banned:1"), SLICE("v"), 0), STATUS_OK);
    assert_int_equal(cache_tag_invalidate(t.cache, &t.actor, SLICE("red")), 1);
    assert_true(cache_ban(t.cache, &t.actor, 0, SLICE("banned:*")));
    uint64_t stamps = atomic_load(&t.cache->engine->range.head->stamps);
    reopen(&t, options_for(LIMIT));
    assert_true(atomic_load(&t.cache->engine->range.head->stamps) >= stamps);
    assert_false(is_there(&t, "before") || is_there(&t, "banned:1"));
    assert_true(is_there(&t, "later") && is_there(&t, "short"));
    t.actor.now_ms += 10;
    assert_false(is_there(&t, "short"));
    assert_int_equal(cache_tag_invalidate(t.cache, &t.actor, SLICE("blue")), 1);
    assert_false(is_there(&t, "later"));
    put_tagged(&t, "later", "blue");
    assert_true(is_there(&t, "later"));
    testing_close(&t);
}

static uint32_t by_letter(const void *context, struct slice name, struct slice *ret_part) {
    *ret_part = slice_make(NULL, 0);
    return name.size && name.data[0] == 'z' ? *(const uint32_t *)context : 0;
}

static void stores_that_were_added_are_there_again(void **state) {
    (void)state;
    const struct cache_options options = {
        .limit_bytes = LIMIT, .policy = CACHE_ALLKEYS_LFU, .spare_stores = 4, .program = PROGRAM};
    struct testing_cache t = testing_open_as(options);
    const struct cache_store store = {.name = SLICE("zeds"), .policy = CACHE_NOEVICTION};
    uint32_t number, again;
    struct cache_rerouted counts;
    assert_int_equal(cache_store_add(t.cache, &t.actor, &store, &number), STATUS_OK);
    const struct cache_router router = {by_letter, &number};
    cache_reroute(t.cache, &t.actor, &router, &counts);
    assert_int_equal(testing_set(&t, 0, SLICE("z1"), SLICE("there"), 0), STATUS_OK);
    reopen(&t, options);
    assert_true(cache_store_find(t.cache, SLICE("zeds"), &again) && again == number);
    assert_false(is_there(&t, "z1"));
    cache_reroute_again(t.cache, &router);
    assert_true(is_there(&t, "z1"));
    testing_close(&t);
}

static void another_limit_holds_at_once(void **state) {
    (void)state;
    struct testing_cache t = testing_open_as(options_for(LIMIT));
    char name[64];
    for (int i = 0; i < 40000; i++) {
        snprintf(name, sizeof name, "key:%d", i);
        assert_int_equal(testing_set(&t, 0, slice_from_string(name), SLICE("a value of some forty bytes, for room"), 0),
                         STATUS_OK);
    }
    reopen(&t, options_for(LIMIT + LIMIT / 2));
    assert_int_equal(cache_limit(t.cache), LIMIT + LIMIT / 2);
    assert_int_equal(cache_count(t.cache, 0), 40000);
    reopen(&t, options_for(LIMIT / 4));
    struct cache_stats stats;
    while (cache_housekeep(t.cache, &t.actor))
        ;
    cache_stats(t.cache, &stats);
    assert_true(stats.occupied_bytes <= LIMIT / 4 && stats.entries > 1000 && stats.entries < 40000);
    struct cache_options other = options_for(LIMIT / 4);
    other.policy = CACHE_ALLKEYS_RANDOM;
    reopen(&t, other);
    assert_int_equal(cache_policy_now(t.cache), CACHE_ALLKEYS_RANDOM);
    const char *reason;
    other.policy = CACHE_NOEVICTION; /* it is full, and a fifth is guaranteed to users */
    close_kept(&t);
    assert_int_equal(attach(&t, other, &reason), STATUS_INVALID);
    assert_string_equal(reason,
                        "the default store holds memory that is guaranteed to others, and could not give it back");
    munmap(t.range, t.range_size);
}

/* ------------------------------------------------------------------------------------------ what is refused */

/* A closed cache with something of everything. */
static struct testing_cache closed_cache(void) {
    struct testing_cache t = testing_open_as(options_for(LIMIT));
    static uint8_t large[LARGE];
    put_tagged(&t, "a", "red");
    assert_int_equal(testing_set(&t, 0, SLICE("large"), slice_make(large, sizeof large), 0), STATUS_OK);
    close_kept(&t);
    return t;
}

static void expect_refused(struct testing_cache *t, struct cache_options options, const char *wanted) {
    const char *reason = "";
    void *before = copy_of(t->range, t->range_size);
    assert_int_equal(attach(t, options, &reason), STATUS_INVALID);
    assert_string_equal(reason, wanted);
    assert_memory_equal(before, t->range, t->range_size);
    munmap(before, t->range_size);
}

static void attach_and_close(struct testing_cache *t) {
    const char *reason = "";
    assert_int_equal(attach(t, options_for(LIMIT), &reason), STATUS_OK);
    testing_close(t);
}

static void what_was_not_closed_in_order_is_refused(void **state) {
    (void)state;
    const char *reason;
    struct testing_cache t = testing_open_as(options_for(LIMIT));
    cache_close(t.cache);
    expect_refused(&t, options_for(LIMIT), "it was not closed in order");
    munmap(t.range, t.range_size);
    t = closed_cache();
    assert_int_equal(attach(&t, options_for(LIMIT), &reason), STATUS_OK);
    struct cache *first = t.cache;
    expect_refused(&t, options_for(LIMIT), "it was not closed in order"); /* it is open */
    cache_close(first);
    expect_refused(&t, options_for(LIMIT), "it was not closed in order");
    memset(t.range, 0, 4096);
    expect_refused(&t, options_for(LIMIT), "it holds no cache");
    munmap(t.range, t.range_size);
}

static void other_options_are_refused(void **state) {
    (void)state;
    static const char described[] = "stores are described otherwise by now";
    struct testing_cache t = closed_cache();
    struct cache_store others[COUNT_OF(stores)];
    struct cache_options options = options_for(LIMIT);
    memcpy(others, stores, sizeof stores);
    options.stores = others;
    others[1].ttl_ms++;
    expect_refused(&t, options, described);
    others[1] = stores[1];
    others[1].name = SLICE("user");
    expect_refused(&t, options, described);
    others[1] = stores[1];
    others[1].patterns = carts + 1;
    expect_refused(&t, options, described);
    others[1] = stores[1];
    others[1].share_permille = 100;
    expect_refused(&t, options, described);
    others[0] = stores[1], others[1] = stores[0];
    expect_refused(&t, options, described);
    options = options_for(LIMIT);
    options.store_count = 1;
    expect_refused(&t, options, described);
    options = options_for(LIMIT);
    options.shards = 4;
    expect_refused(&t, options, "there are to be another number of shards");
    options = options_for(LIMIT);
    options.program++;
    expect_refused(&t, options, "it is of another version of the program");
    options = options_for(LIMIT * 2); /* the range has no more */
    options.limit_bytes = LIMIT / 4 - 1;
    options.stores = stores, options.store_count = COUNT_OF(stores);
    expect_refused(&t, options, "the memory limit is too far from what it was cut up for");
    t.range_size -= 4096;
    expect_refused(&t, options_for(LIMIT), "it is of another size");
    t.range_size += 4096;
    attach_and_close(&t);
}

/* Every byte of the head, and some of all other tables. */
static void every_wrong_byte_is_refused(void **state) {
    (void)state;
    struct testing_cache t = closed_cache();
    const struct range_head *head = t.range;
    struct rng rng = rng_seeded(unit_seed());
    uint64_t tables[] = {head->segments_at + sizeof(struct segment),
                         head->references_at + RANGE_REFERENCES * sizeof(uint32_t),
                         head->charges_at,
                         head->stores_at,
                         head->shards_at,
                         head->shards_at + sizeof(struct shard),
                         head->tags_at};
    for (size_t i = 0; i < sizeof *head + COUNT_OF(tables) * 60; i++) {
        const char *reason = NULL;
        uint64_t at = i < sizeof *head ? i : tables[(i - sizeof *head) / 60] + rng_below(&rng, 16);
        uint8_t *byte = (uint8_t *)t.range + at, was = *byte;
        *byte ^= (uint8_t)(1u << rng_below(&rng, 8));
        if (attach(&t, options_for(LIMIT), &reason) != STATUS_INVALID || !reason)
            fail_msg("seed %llu: byte %llu is wrong and nobody says so", (unsigned long long)unit_seed(),
                     (unsigned long long)at);
        *byte = was;
    }
    attach_and_close(&t);
}

static void without_memory_nothing_has_changed(void **state) {
    (void)state;
    struct testing_cache t = closed_cache();
    const char *reason;
    enum status status = STATUS_NO_MEMORY;
    void *before = copy_of(t.range, t.range_size);
    uint32_t failures = 0;
    for (uint64_t left = 0; status == STATUS_NO_MEMORY; left++) {
        struct scarce scarce;
        struct cache_options options = options_for(LIMIT);
        options.memory = scarce_begin(&scarce, left);
        status = attach(&t, options, &reason);
        failures += status == STATUS_NO_MEMORY;
        if (status == STATUS_NO_MEMORY)
            assert_memory_equal(before, t.range, t.range_size);
        else
            cache_close(t.cache);
        assert_int_equal(scarce.held, 0);
    }
    assert_int_equal(status, STATUS_OK);
    assert_int_equal(failures, 3); /* the cache, the engine, its patterns */
    munmap(before, t.range_size);
    munmap(t.range, t.range_size);
}

static void expect_busy(struct testing_cache *t, const char *wanted) {
    const char *reason = "";
    assert_int_equal(cache_close_kept(t->cache, &t->actor, &reason), STATUS_BUSY);
    assert_string_equal(reason, wanted);
    expect_refused(t, options_for(LIMIT), "it was not closed in order");
    munmap(t->range, t->range_size);
}

static void who_has_not_ended_is_noticed(void **state) {
    (void)state;
    static uint8_t large[LARGE];
    struct testing_cache t = testing_open_as(options_for(LIMIT));
    struct cache_upload upload;
    uint64_t room;
    assert_int_equal(testing_set(&t, 0, SLICE("large"), slice_make(large, sizeof large), 0), STATUS_OK);
    assert_int_equal(cache_upload_begin(t.cache, LARGE, &upload), STATUS_OK);
    void *to;
    MAYBE(cache_upload_room(t.cache, &t.actor, &upload, &to, &room) != STATUS_OK);
    expect_busy(&t, "a large value is on its way, or held");

    t = testing_open_as(options_for(LIMIT));
    struct cache_read read = {.size_max = UINT64_MAX, .pin_min = 1, .reserve = testing_reserve};
    bool found;
    assert_int_equal(testing_set(&t, 0, SLICE("large"), slice_make(large, sizeof large), 0), STATUS_OK);
    struct cache_key key = cache_key(t.cache, 0, SLICE("large"));
    assert_int_equal(cache_get(t.cache, &t.actor, &key, &read, &found), STATUS_OK);
    assert_true(found && read.pin.first);
    expect_busy(&t, "a reader holds a value");

    t = testing_open_as(options_for(LIMIT));
    struct cache_edit edit;
    struct actor other = {.id = 3, .now_ms = t.actor.now_ms};
    key = cache_key(t.cache, 0, SLICE("large"));
    cache_edit_begin(t.cache, &other, &key, &edit);
    expect_busy(&t, "a lock is held");
}

UNIT_TESTS(image, UNIT(whatever_was_done_is_there_again), UNIT(so_it_is_where_memory_is_scarce),
           UNIT(invalidations_hold_and_go_on), UNIT(stores_that_were_added_are_there_again),
           UNIT(another_limit_holds_at_once), UNIT(what_was_not_closed_in_order_is_refused),
           UNIT(other_options_are_refused), UNIT(every_wrong_byte_is_refused), UNIT(without_memory_nothing_has_changed),
           UNIT(who_has_not_ended_is_noticed));
