/* app/tier/kept_test.c: a cache with a log, snapshots and a tier on one disk whose power is cut, again and again.
 *
 * Keys are written with tags, deleted, invalidated, put down, brought up, while snapshots are taken. Then the power goes in the midst of any call of anybody, or the process ends. What
 * is made again has to be what the log says up to its last record: no older value, nothing that was deleted or invalidated, and nothing is missing that was there, but for what the
 * file has evicted meanwhile and one or two keys that share their bits with others. What is missing after one start, as there was no room for it just then, may be there after the next: it is
 * still what was written last, and what invalidates its tags meanwhile has to hold for it.
 *
 * Seeds: STRATA_SEED and those that follow it, STRATA_KEPT_SEEDS of them.
 */
#include "app/persist/persist.h"
#include "app/tier/warm_tier.h"
#include "base/little.h"
#include "base/rng.h"
#include "core/cache/cache_fixture.h"
#include "sys/fault/disk.h"
#include "sys/os/clock.h"

enum {
    SEEDS = 12,
    LIVES = 5,
    STEPS = 1500,
    KEYS = 300,
    TAGS = 4,
    HISTORY_MAX = 64, /* of a key in a life */
    VALUE_MAX = 24 << 10,
    LIMIT = 512 << 10,
    FILE_SIZE = 24 << 20,
    CUT_WITHIN = 400,  /* changes of the disk */
    STEP_ONE_IN = 400, /* looks whether a snapshot is over */
    BY_CHANCE = 3,     /* keys that a restart may lose, as their hash agrees with that of one that was written */
    TIER_ACTOR = 1000,
};

/* What is the case from a record of the log on. `value` 0: it is not there. */
struct moment {
    uint64_t lsn, value;
    uint32_t tags;
};

struct key {
    struct moment history[HISTORY_MAX];
    uint32_t count;
    bool present; /* in memory or as a cell, when the life ended */
    bool missed;  /* it was not there when the life began, though written before and never deleted */
};

struct world {
    uint64_t seed, number;
    struct rng rng;
    struct disk *disk;
    struct testing_cache t;
    struct warm_tier *tier;
    struct persist *persist;
    struct persist_tier kept;
    bool forgets_flush, saving;
    struct key keys[KEYS];
    uint64_t cuts, found, taken_over, missing, came_back;
    uint8_t bytes[VALUE_MAX];
};

static uint32_t below(struct world *world, uint32_t limit) { return (uint32_t)rng_below(&world->rng, limit); }

static struct cache_key key_of(const struct world *world, uint32_t key, char text[16]) {
    return cache_key(world->t.cache, 0, slice_make(text, (size_t)snprintf(text, 16, "key:%u", key)));
}

static struct slice tag_of(uint32_t tag, char text[16]) {
    return slice_make(text, (size_t)snprintf(text, 16, "tag%u", tag));
}

/* The bytes follow from the number. */
static struct slice value_of(struct world *world, uint64_t number) {
    size_t size = 8 + number * 2654435761u % (VALUE_MAX - 8);
    memset(world->bytes, (int)(number * 31), size);
    little_put_u64(world->bytes, number);
    return slice_make(world->bytes, size);
}

static void note(struct world *world, uint32_t key, uint64_t value, uint32_t tags) {
    struct key *of = &world->keys[key];
    of->missed = false;
    if (of->count == HISTORY_MAX)
        memmove(of->history, of->history + 1, --of->count * sizeof *of->history);
    of->history[of->count++] = (struct moment){world->t.actor.noted.lsn, value, tags};
}

static const struct moment *now_of(const struct world *world, uint32_t key) {
    static const struct moment never = {0};
    const struct key *of = &world->keys[key];
    return of->count ? &of->history[of->count - 1] : &never;
}

/* ------------------------------------------------------------------------------------------ a life */

static enum status flush(void *tier) { return warm_tier_flush(tier); }
static enum status do_not_flush(void *tier) { return tier ? STATUS_OK : STATUS_IO; }
static void say_nothing(void *context, enum log_level level, const char *text) {
    (void)context, (void)level, (void)text;
}

/* False: the disk was cut before it was there. */
static bool begin(struct world *world, bool *ret_refused, char *reason) {
    const struct files *files = disk_files(world->disk);
    const struct cache_options cache = {
        .limit_bytes = LIMIT, .shards = 2, .policy = CACHE_ALLKEYS_LFU, .tiered = true, .seed = world->seed | 1};
    world->t = testing_open_as(cache);
    world->t.actor = (struct actor){.id = 1, .now_ms = clock_unix_ms()};
    const struct warm_tier_options tier = {.path = "warm",
                                           .size_bytes = FILE_SIZE,
                                           .keep_percent = 25,
                                           .actor = TIER_ACTOR,
                                           .lasts = true,
                                           .seed = cache.seed,
                                           .files = files,
                                           .say = say_nothing};
    world->tier = NULL;
    *ret_refused = false;
    if (warm_tier_open(&tier, &world->tier, reason) != STATUS_OK)
        return false;
    assert_int_equal(warm_tier_begin(world->tier, world->t.cache, &world->t.actor, 2), STATUS_OK);
    world->kept = (struct persist_tier){.bring = warm_tier_bring,
                                        .spare = warm_tier_spare,
                                        .loaded = warm_tier_loaded,
                                        .flush = world->forgets_flush ? do_not_flush : flush,
                                        .listed = warm_tier_listed,
                                        .context = world->tier};
    const struct persist_options options = {.files = files,
                                            .cache = world->t.cache,
                                            .actor = &world->t.actor,
                                            .actors = 1,
                                            .mode = WAL_ALWAYS,
                                            .tier = &world->kept,
                                            .user = {.say = say_nothing}};
    world->persist = NULL;
    enum status status = persist_load(&options, &world->persist, reason);
    *ret_refused = status != STATUS_OK && !disk_is_cut(world->disk);
    return status == STATUS_OK;
}

static void end(struct world *world) {
    MAYBE(persist_close(world->persist, &world->t.actor) != STATUS_OK);
    world->persist = NULL;
    cache_journal_forget(world->t.cache, &world->t.actor);
    warm_tier_end(world->tier, &world->t.actor);
    testing_close(&world->t);
}

static void set(struct world *world, uint32_t key) {
    char name[16], texts[TAGS][16];
    struct slice tags[TAGS];
    struct cache_key wanted = key_of(world, key, name);
    uint32_t mask = 0;
    struct slice value = value_of(world, ++world->number);
    struct cache_edit edit;
    cache_prepare(world->t.cache, &world->t.actor, &wanted, value.size);
    cache_edit_begin(world->t.cache, &world->t.actor, &wanted, &edit);
    for (uint32_t tag = 0; tag < TAGS; tag++)
        if (below(world, 5) == 0) {
            mask |= 1u << tag;
            tags[edit.tag_count++] = tag_of(tag, texts[tag]);
        }
    edit.tags = tags;
    enum status status = cache_edit_set(&edit, CACHE_STRING, value, 0);
    cache_edit_end(&edit);
    if (status == STATUS_OK)
        note(world, key, world->number, mask);
}

static void invalidate(struct world *world, uint32_t tag) {
    char text[16];
    (void)cache_tag_invalidate(world->t.cache, &world->t.actor, tag_of(tag, text));
    for (uint32_t key = 0; key < KEYS; key++)
        if (now_of(world, key)->value && now_of(world, key)->tags >> tag & 1)
            note(world, key, 0, 0);
}

static void step(struct world *world);

/* Much happens while it is taken. */
static void save(struct world *world) {
    uint64_t turn = persist_save(world->persist);
    world->saving = true;
    while (persist_turns(world->persist) < turn && !disk_is_cut(world->disk)) {
        if (below(world, STEP_ONE_IN) == 0)
            step(world);
        sched_yield();
    }
    world->saving = false;
}

static void step(struct world *world) {
    uint32_t key = below(world, below(world, 2) ? KEYS : KEYS / 6);
    char name[16];
    struct cache_key wanted = key_of(world, key, name);
    struct buf bytes;
    bool done;
    buf_init(&bytes, &memory_libc);
    world->t.actor.now_ms = clock_unix_ms();
    switch (below(world, 32)) {
        case 0 ... 9:
            set(world, key);
            break;
        case 10:
            MAYBE(cache_delete(world->t.cache, &world->t.actor, &wanted));
            note(world, key, 0, 0);
            break;
        case 11:
            if (below(world, 12) == 0)
                invalidate(world, below(world, TAGS));
            break;
        case 12:
            if (below(world, 8) == 0 && !world->saving)
                save(world);
            break;
        case 13 ... 22:
            assert_int_equal(cache_tier_demote(world->t.cache, &world->t.actor, &wanted, &done), STATUS_OK);
            break;
        case 23 ... 25:
            MAYBE(warm_tier_fetch(world->tier, &world->t.actor, &wanted, &bytes) != STATUS_OK);
            break;
        default: {
            enum cache_tier_verdict verdict;
            struct cache_tier_place place;
            struct cache_tier_found found;
            struct cache_info info;
            MAYBE(warm_tier_find(world->tier, &world->t.actor, &wanted, false, NULL, &bytes, &verdict, &place, &found,
                                 &info) != STATUS_OK);
        }
    }
    buf_fini(&bytes);
}

static void see_presence(struct world *world) {
    for (uint32_t key = 0; key < KEYS; key++) {
        struct cache_tier_place places[CACHE_TIER_PLACES_MAX];
        struct cache_info info;
        char name[16];
        struct cache_key wanted = key_of(world, key, name);
        world->keys[key].present = cache_find(world->t.cache, &world->t.actor, &wanted, true, &info) ||
                                   cache_tier_ask(world->t.cache, &wanted, places) > 0;
    }
}

/* ------------------------------------------------------------------------------------------ what is there again */

/* Where it stands, and nothing else moves: what is brought up pushes others out, which the file may not take as fast as this looks. */
static bool read_value(struct world *world, const struct cache_key *key, struct buf *bytes, struct buf *value) {
    enum cache_tier_verdict verdict;
    struct cache_tier_place place;
    struct cache_tier_found found;
    struct cache_info info;
    if (testing_get(&world->t, 0, key->name, value, &info))
        return true;
    if (warm_tier_find(world->tier, &world->t.actor, key, true, NULL, bytes, &verdict, &place, &found, &info) !=
        STATUS_OK)
        return false;
    return (verdict == CACHE_TIER_SHOWN || verdict == CACHE_TIER_WANTED) &&
           buf_append_slice(value, found.value) == STATUS_OK;
}

/* The number of the value; 0: there is none. */
static uint64_t look(struct world *world, uint32_t key) {
    char name[16];
    struct cache_key wanted = key_of(world, key, name);
    struct buf bytes, value;
    uint64_t number = 0;
    buf_init(&bytes, &memory_libc);
    buf_init(&value, &memory_libc);
    if (read_value(world, &wanted, &bytes, &value)) {
        number = little_u64(value.data);
        assert_true(slice_equal(buf_slice(&value), value_of(world, number)));
    }
    buf_fini(&value);
    buf_fini(&bytes);
    return number;
}

/* All is as of the last record that the log has. */
static void compare(struct world *world, int life) {
    uint64_t lsn = wal_staged(persist_log(world->persist)), missing = 0;
    struct cache_tier_stats stats;
    cache_tier_stats(world->t.cache, &stats);
    world->taken_over += stats.taken_over;
    for (uint32_t key = 0; key < KEYS; key++) {
        struct key *of = &world->keys[key];
        uint32_t count = of->count;
        while (count && of->history[count - 1].lsn > lsn)
            count--;
        uint64_t wanted = count ? of->history[count - 1].value : 0, found = look(world, key);
        if (found && found != wanted)
            fail_msg(
                "seed %llu%s, life %d: key %u has value %llu, and not %llu; %u of %u changes are in the log, which "
                "ends with record %llu",
                (unsigned long long)world->seed, world->forgets_flush ? " with the fault" : "", life, key,
                (unsigned long long)found, (unsigned long long)wanted, count, of->count, (unsigned long long)lsn);
        missing += wanted && !found && of->present && count == of->count;
        world->found += found != 0;
        world->came_back += found && of->missed;
        of->missed = wanted && !found;
        of->count = 0;
        if (wanted)
            of->history[of->count++] = (struct moment){0, wanted, of->history[count - 1].tags};
    }
    cache_tier_stats(world->t.cache, &stats);
    if (missing > BY_CHANCE + stats.evicted && !world->forgets_flush)
        fail_msg("seed %llu, life %d: %llu keys are missing, %llu were evicted", (unsigned long long)world->seed, life,
                 (unsigned long long)missing, (unsigned long long)stats.evicted);
    world->missing += missing;
    cache_verify(world->t.cache, &world->t.actor);
}

static void live(struct world *world, int life) {
    char reason[(int)PERSIST_REASON_SIZE + (int)WARM_TIER_REASON_SIZE];
    bool refused, there = begin(world, &refused, reason);
    if (refused || !there)
        fail_msg("seed %llu, life %d: %s", (unsigned long long)world->seed, life, reason);
    compare(world, life);
    assert_int_equal(persist_begin(world->persist, &world->t.actor), STATUS_OK);
    if (below(world, 4))
        disk_cut_after(world->disk, 1 + below(world, CUT_WITHIN));
    for (int i = 0; i < STEPS && !disk_is_cut(world->disk); i++)
        step(world);
    see_presence(world);
    world->cuts += disk_is_cut(world->disk);
    if (!disk_is_cut(world->disk) && below(world, 2)) /* a kill, and not an orderly end */
        disk_cut_after(world->disk, 1);
    end(world);
    disk_restart(world->disk);
}

static void run(uint64_t seed, bool forgets_flush, uint64_t sums[5]) {
    static struct world world;
    memset(&world, 0, sizeof world);
    world.seed = seed;
    world.rng = rng_seeded(seed);
    world.forgets_flush = forgets_flush;
    world.disk = disk_new(&memory_libc, seed, 0);
    for (int life = 0; life < LIVES; life++)
        live(&world, life);
    disk_free(world.disk);
    sums[0] += world.cuts;
    sums[1] += world.found;
    sums[2] += world.taken_over;
    sums[3] += world.missing;
    sums[4] += world.came_back;
}

static void what_was_kept_is_there_after_cuts(void **state) {
    const char *text = getenv("STRATA_KEPT_SEEDS");
    uint64_t seeds = text ? strtoull(text, NULL, 10) : SEEDS, sums[5] = {0};
    (void)state;
    log_level_set(LOG_NOTHING);
    for (uint64_t i = 0; i < seeds; i++)
        run(unit_seed() + i, false, sums);
    print_message(
        "%llu seeds of %d lives: %llu cuts; %llu keys came back, %llu of them in the tier, %llu were missing, %llu "
        "came "
        "back later\n",
        (unsigned long long)seeds, LIVES, (unsigned long long)sums[0], (unsigned long long)sums[1],
        (unsigned long long)sums[2], (unsigned long long)sums[3], (unsigned long long)sums[4]);
    assert_true(sums[0] > seeds / 2 && sums[1] > seeds * 50 &&
                sums[2] > seeds * 10); /* how much happens depends on the machine */
}

static void snapshot_that_does_not_wait_for_the_file_is_noticed(void **state) {
    uint64_t sound[5] = {0}, planted[5] = {0};
    (void)state;
    log_level_set(LOG_NOTHING);
    for (uint64_t i = 0; i < SEEDS / 2; i++) {
        run(unit_seed() + i, false, sound);
        run(unit_seed() + i, true, planted);
    }
    if (planted[3] <= 2 * sound[3] + 5)
        fail_msg("missing %llu with the fault, %llu without", (unsigned long long)planted[3],
                 (unsigned long long)sound[3]);
}

UNIT_TESTS(kept, UNIT(what_was_kept_is_there_after_cuts), UNIT(snapshot_that_does_not_wait_for_the_file_is_noticed));
