/* A file behind memory: on a real one, with data several times the memory. */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/embed/embed_fixture.h"
#include "app/tier/warm_tier.h"
#include "base/bits.h"
#include "base/rng.h"

enum { PATH_SIZE = 64, TEXT_SIZE = 160, VALUE_MAX = 6000, KEYS = 6000, MODEL_KEYS = 1500, MODEL_STEPS = 30000 };

struct place {
    char path[PATH_SIZE];
    char told[STRATA_ERROR_TEXT_SIZE];
};

static void begin(struct place *place) {
    *place = (struct place){.path = "/tmp/strata-filing-XXXXXX"};
    assert_non_null(mkdtemp(place->path));
}

static void end(struct place *place) { testing_remove_directory(place->path); }

static enum strata_status try_open(struct place *place, const char *memory, const char *file,
                                   struct strata_cache **ret_cache) {
    char text[TEXT_SIZE];
    struct strata_options options = {
        .error_text = place->told, .error_text_size = sizeof place->told, .small_pages = 1, .seed = unit_seed() + 1};
    snprintf(text, sizeof text, "memory:%s file:%s/x:%s", memory, place->path, file);
    return strata_open(text, &options, ret_cache);
}

static struct strata_cache *open_filed(struct place *place, const char *memory, const char *file) {
    struct strata_cache *cache;
    if (try_open(place, memory, file, &cache) != STRATA_OK)
        fail_msg("%s: %s", place->path, place->told);
    return cache;
}

/* The value of a key in its n-th edition. */
static size_t value_of(uint32_t key, uint32_t edition, uint8_t *value) {
    struct rng rng = rng_seeded((uint64_t)key << 32 | edition);
    size_t size = 200 + rng_below(&rng, key % 20 == 0 ? VALUE_MAX - 200 : 1500);
    memset(value, (int)rng_next(&rng), size);
    memcpy(value, &key, sizeof key);
    memcpy(value + sizeof key, &edition, sizeof edition);
    return size;
}

static void set_edition(struct strata_cache *cache, uint32_t key, uint32_t edition) {
    uint8_t value[VALUE_MAX];
    size_t size = value_of(key, edition, value);
    assert_int_equal(strata_set(cache, &key, sizeof key, value, size, NULL, NULL), STRATA_OK);
}

/* Whether it is there; what is there is that edition. */
static bool get_edition(struct strata_cache *cache, uint32_t key, uint32_t edition) {
    uint8_t value[VALUE_MAX], wanted[VALUE_MAX];
    size_t size, wanted_size = value_of(key, edition, wanted);
    enum strata_status status = strata_get(cache, &key, sizeof key, value, sizeof value, &size);
    if (status == STRATA_MISS)
        return false;
    assert_int_equal(status, STRATA_OK);
    if (size != wanted_size || memcmp(value, wanted, size) != 0)
        fail_msg("key %u: not edition %u (STRATA_SEED=%llu)", key, edition, (unsigned long long)unit_seed());
    return true;
}

static void count_visit(void *context, const struct strata_entry *entry) {
    uint8_t *seen = context;
    uint32_t key;
    assert_int_equal(entry->key_size, sizeof key);
    memcpy(&key, entry->key, sizeof key);
    seen[key] = 1;
}

/* Reads everything often enough that it earns its place, in an order in which memory cannot hold it. */
static void fill(struct strata_cache *cache) {
    for (uint32_t key = 0; key < KEYS; key++) {
        set_edition(cache, key, 0);
        if (key >= 200)
            (void)get_edition(cache, key - 200, 0);
        (void)get_edition(cache, key, 0);
    }
}

static void more_than_memory_holds_is_there(void **state) {
    struct place place;
    static uint8_t seen[KEYS];
    uint32_t there = 0, found = 0, scanned = 0;
    (void)state;
    begin(&place);
    struct strata_cache *cache = open_filed(&place, "2mb", "32mb");
    fill(cache);
    struct strata_statistics statistics = testing_stats(cache);
    assert_true(statistics.demoted > KEYS / 4 && statistics.file_entries > KEYS / 4);
    for (uint32_t key = 0; key < KEYS; key++) {
        there += strata_exists(cache, &key, sizeof key) == STRATA_OK;
        found += get_edition(cache, key, 0);
    }
    assert_int_equal(there, found);
    assert_true(found > KEYS / 4 && testing_stats(cache).file_hits > KEYS / 8);
    memset(seen, 0, sizeof seen);
    uint64_t cursor = 0, entries = testing_stats(cache).entries;
    do
        assert_int_equal(strata_scan(cache, &cursor, 100, count_visit, seen), STRATA_OK);
    while (cursor);
    for (uint32_t key = 0; key < KEYS; key++)
        scanned += seen[key];
    assert_true(scanned >= entries * 98 / 100 && scanned <= entries); /* reads for it let nothing go */
    testing_close(cache);
    end(&place);
}

static void change_one(struct strata_cache *cache, uint32_t key) {
    uint8_t value[VALUE_MAX];
    uint64_t ttl_ms, version, size;
    size_t got;
    switch (key / 3 % 4) {
        case 0:
            assert_int_equal(strata_delete(cache, &key, sizeof key), STRATA_OK);
            assert_int_equal(strata_exists(cache, &key, sizeof key), STRATA_MISS);
            break;
        case 1:
            assert_int_equal(strata_append(cache, &key, sizeof key, "!", 1, &size), STRATA_OK);
            assert_int_equal(size, value_of(key, 0, value) + 1);
            break;
        case 2:
            assert_int_equal(strata_touch(cache, &key, sizeof key, 50000), STRATA_OK);
            assert_int_equal(strata_ttl(cache, &key, sizeof key, &ttl_ms), STRATA_OK);
            assert_true(ttl_ms <= 50000);
            break;
        default:
            assert_int_equal(strata_get_versioned(cache, &key, sizeof key, value, sizeof value, &got, &version),
                             STRATA_OK);
            assert_int_equal(strata_delete_version(cache, &key, sizeof key, version), STRATA_OK);
    }
}

static void ask_one(struct strata_cache *cache, uint32_t key) {
    uint8_t value[VALUE_MAX];
    struct strata_pinned pinned;
    struct strata_set_options absent = {.flags = STRATA_IF_ABSENT};
    struct strata_get_item item = {.key = &key, .key_size = sizeof key, .buffer = value, .buffer_size = 10};
    switch (key / 3 % 5) {
        case 0:
            assert_int_equal(strata_set(cache, &key, sizeof key, "x", 1, &absent, NULL), STRATA_REFUSED);
            break;
        case 1:
            assert_int_equal(strata_increment(cache, &key, sizeof key, 1, NULL, NULL), STRATA_NOT_NUMBER);
            break;
        case 2:
            assert_int_equal(strata_pin(cache, &key, sizeof key, &pinned), STRATA_OK);
            assert_int_equal(pinned.size, value_of(key, 0, value));
            strata_unpin(cache, &pinned);
            break;
        case 3:
            assert_int_equal(strata_get_many(cache, &item, 1), 0);
            assert_true(item.status == STRATA_TOO_SMALL && item.size > 10);
            break;
        default:
            assert_true(get_edition(cache, key, 0));
    }
}

static void calls_know_what_is_in_the_file(void **state) {
    struct place place;
    uint8_t value[VALUE_MAX];
    struct strata_entry entry;
    uint32_t asked = 0;
    (void)state;
    begin(&place);
    struct strata_cache *cache = open_filed(&place, "2mb", "32mb");
    fill(cache);
    for (uint32_t key = 0; key < KEYS; key++) {
        uint64_t before = testing_stats(cache).promoted;
        if (strata_find(cache, &key, sizeof key, &entry) == STRATA_MISS)
            continue;
        assert_int_equal(entry.value_size, value_of(key, 0, value));
        if (key % 3)
            ask_one(cache, key);
        else
            change_one(cache, key);
        asked += testing_stats(cache).promoted > before;
    }
    assert_true(asked > 100);
    assert_int_equal(strata_clear(cache), STRATA_OK);
    assert_true(testing_stats(cache).entries == 0 && testing_stats(cache).file_entries == 0);
    assert_false(get_edition(cache, 7, 0));
    testing_close(cache);
    end(&place);
}

static void descriptions_say_what_is_wrong(void **state) {
    static const struct {
        const char *text, *told;
        enum strata_status status;
    } wrong[] = {
        {"memory:1mb file", "behind 'file' stands no path, as in file:/var/cache/x:1gb", STRATA_INVALID},
        {"memory:1mb file:1gb", "behind 'file:' stands '1gb', not a path and a size, as in /var/cache/x:1gb",
         STRATA_INVALID},
        {"memory:1mb file:/tmp/x:much", "'much' is not a size, as in 1gb", STRATA_INVALID},
        {"memory:1mb file:/tmp/x:1gb,promote=8", "promote '8' is not a number from 1 to 7", STRATA_INVALID},
        {"memory:1mb file:/tmp/x:1gb,ttl=3", "there is no setting 'ttl': promote, idle, rate, access", STRATA_INVALID},
        {"memory:1mb file:/tmp/x:1gb,idle=2m,idle=2m", "idle stands there twice", STRATA_INVALID},
        {"memory:1mb file:/tmp/x:1gb file:/tmp/y:1gb", "there are no tiers behind 'file': 'file:/tmp/y:1gb'",
         STRATA_INVALID},
        {"memory:1mb disk:/tmp/x", "'disk:/tmp/x' begins with no kind of tier: file", STRATA_INVALID},
        {"memory:1mb file:/tmp/x:1mb", "the file tier has less than STRATA_FILE_MIN, 8 MiB", STRATA_INVALID},
        {"memory:1mb file:/nowhere/x:1gb",
         "the file tier: the directory '/nowhere' cannot be opened: No such file or directory", STRATA_IO},
        {"memory:1mb file:/etc/passwd:8mb",
         "the file tier: '/etc/passwd' is no file of a warm tier: nothing is written there", STRATA_INVALID},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        char told[STRATA_ERROR_TEXT_SIZE];
        struct strata_options options = {.error_text = told, .error_text_size = sizeof told};
        struct strata_cache *cache;
        assert_int_equal(strata_open(wrong[i].text, &options, &cache), wrong[i].status);
        assert_string_equal(told, wrong[i].told);
    }
    assert_int_equal(unlink("/etc/passwd.lock"), 0);
}

static void a_file_is_for_one_cache(void **state) {
    struct place place;
    struct strata_cache *other;
    char told[STRATA_ERROR_TEXT_SIZE];
    (void)state;
    begin(&place);
    struct strata_cache *cache = open_filed(&place, "1mb", "8mb");
    assert_int_equal(try_open(&place, "1mb", "8mb", &other), STRATA_BUSY);
    snprintf(told, sizeof told, "the file tier: process %d has its warm tier in '%s/x'", (int)getpid(), place.path);
    assert_string_equal(place.told, told);
    assert_int_equal(try_open(&place, "1mb", "900tb", &other), STRATA_BUSY);
    testing_close(cache);
    assert_int_equal(try_open(&place, "1mb", "900gb", &other), STRATA_IO);
    assert_non_null(strstr(place.told, "are set aside at once, and there is room for"));
    cache = open_filed(&place, "1mb", "8mb");
    testing_close(cache);
    end(&place);
}

/* ------------------------------------------------------------------------------------------ a twin */

static void play(const char *file) {
    struct place place;
    static uint32_t editions[MODEL_KEYS]; /* 0: deleted */
    struct rng rng = rng_seeded(unit_seed());
    uint32_t edition = 0, hits = 0;
    memset(editions, 0, sizeof editions);
    begin(&place);
    struct strata_cache *cache = open_filed(&place, "512kb", file);
    for (uint32_t i = 0; i < MODEL_STEPS; i++) {
        uint32_t key = (uint32_t)(rng_below(&rng, MODEL_KEYS) * rng_below(&rng, 4) / 3);
        switch (rng_below(&rng, 8)) {
            case 0:
            case 1:
                set_edition(cache, key, editions[key] = ++edition);
                break;
            case 2:
                if (rng_below(&rng, 4) == 0) {
                    (void)strata_delete(cache, &key, sizeof key);
                    editions[key] = 0;
                }
                break;
            default:
                if (editions[key])
                    hits += get_edition(cache, key, editions[key]);
                else
                    assert_int_equal(strata_exists(cache, &key, sizeof key), STRATA_MISS);
        }
        if (rng_below(&rng, 20000) == 0) {
            assert_int_equal(strata_clear(cache), STRATA_OK);
            memset(editions, 0, sizeof editions);
        }
    }
    struct strata_statistics statistics = testing_stats(cache);
    if (hits < MODEL_STEPS / 100 || statistics.demoted < 100 || statistics.promoted < 10)
        fail_msg("%u hits, %llu demoted, %llu promoted (STRATA_SEED=%llu)", hits,
                 (unsigned long long)statistics.demoted, (unsigned long long)statistics.promoted,
                 (unsigned long long)unit_seed());
    testing_close(cache);
    end(&place);
}

static void scan_all(struct strata_cache *cache, uint8_t seen[KEYS]) {
    uint64_t cursor = 0;
    memset(seen, 0, KEYS);
    do
        assert_int_equal(strata_scan(cache, &cursor, 100, count_visit, seen), STRATA_OK);
    while (cursor);
}

/* Several times more than memory holds: most of it stands in the file, where the next opening finds it, by a snapshot and by the log behind that. */
static void with_a_directory_an_opening_finds_what_is_in_the_file(void **state) {
    struct place place;
    static uint8_t before[KEYS], after[KEYS];
    char memory[TEXT_SIZE], kept[PATH_SIZE + 8];
    (void)state;
    begin(&place);
    snprintf(kept, sizeof kept, "%s/kept", place.path);
    snprintf(memory, sizeof memory, "2mb,dir=%s,fsync=no", kept);
    struct strata_cache *cache = open_filed(&place, memory, "32mb");
    fill(cache);
    for (int opening = 0; opening < 3; opening++) {
        uint32_t there = 0, missing = 0;
        scan_all(cache, before);
        if (opening < 2)
            assert_int_equal(strata_snapshot(cache), STRATA_OK);
        for (uint32_t key = opening; key < KEYS; key += 50) { /* what is deleted behind the snapshot stays so */
            (void)strata_delete(cache, &key, sizeof key);
            before[key] = 2;
        }
        testing_close(cache);
        cache = open_filed(&place, memory, "32mb");
        assert_true(testing_stats(cache).file_entries > KEYS / 4);
        scan_all(cache, after);
        for (uint32_t key = 0; key < KEYS; key++) {
            there += before[key] == 1;
            missing += before[key] == 1 && !after[key];
            assert_true(before[key] != 2 || !after[key]);
            if (after[key])
                assert_true(get_edition(cache, key, 0));
        }
        if (there < KEYS / 2 - KEYS / 20 || missing > there / 100)
            fail_msg("opening %d: %u of %u are missing (STRATA_SEED=%llu)", opening, missing, there,
                     (unsigned long long)unit_seed());
    }
    testing_close(cache);
    testing_remove_directory(kept);
    end(&place);
}

static void what_is_shown_is_what_was_written_last(void **state) {
    (void)state;
    play("8mb");
}

static void so_it_is_when_the_file_is_mapped(void **state) {
    (void)state;
    play("8mb,access=mmap");
}

/* Nothing that was deleted or replaced comes back with an opening. */
static void with_a_directory_nothing_old_comes_back(void **state) {
    struct place place;
    static uint32_t editions[MODEL_KEYS];
    char memory[TEXT_SIZE], kept[PATH_SIZE + 8];
    struct rng rng = rng_seeded(unit_seed());
    uint32_t edition = 0, found = 0;
    (void)state;
    memset(editions, 0, sizeof editions);
    begin(&place);
    snprintf(kept, sizeof kept, "%s/kept", place.path);
    snprintf(memory, sizeof memory, "512kb,dir=%s,fsync=no", kept);
    for (int opening = 0; opening < 6; opening++) {
        struct strata_cache *cache = open_filed(&place, memory, "8mb");
        for (uint32_t key = 0; key < MODEL_KEYS; key++) {
            if (editions[key])
                found += opening > 0 && get_edition(cache, key, editions[key]);
            else
                assert_int_equal(strata_exists(cache, &key, sizeof key), STRATA_MISS);
        }
        for (uint32_t i = 0; i < MODEL_STEPS / 6; i++) {
            uint32_t key = (uint32_t)(rng_below(&rng, MODEL_KEYS) * rng_below(&rng, 4) / 3);
            uint64_t what = rng_below(&rng, 16);
            if (what < 6) {
                set_edition(cache, key, editions[key] = ++edition);
            } else if (what < 8) {
                (void)strata_delete(cache, &key, sizeof key);
                editions[key] = 0;
            } else if (editions[key]) {
                (void)get_edition(cache, key, editions[key]);
            }
            if (rng_below(&rng, 2000) == 0)
                assert_int_equal(strata_snapshot(cache), STRATA_OK);
        }
        testing_close(cache);
    }
    assert_true(found > 100);
    testing_remove_directory(kept);
    end(&place);
}

static void damage(const char *description) {
    struct place place;
    char path[TEXT_SIZE];
    static uint8_t zeros[1 << 20];
    uint32_t found = 0;
    begin(&place);
    struct strata_cache *cache = open_filed(&place, "2mb", description);
    fill(cache);
    warm_settle(warm_tier_file(cache->tier)); /* or it writes over the damage */
    snprintf(path, sizeof path, "%s/x", place.path);
    int file = open(path, O_WRONLY);
    assert_true(file >= 0);
    for (off_t at = 4096; at < 24 << 20; at += sizeof zeros)
        assert_int_equal(pwrite(file, zeros, sizeof zeros, at), sizeof zeros);
    assert_int_equal(close(file), 0);
    for (uint32_t key = 0; key < KEYS; key++)
        found += get_edition(cache, key, 0);
    assert_true(testing_stats(cache).file_damaged > 100 && found < KEYS);
    testing_close(cache);
    end(&place);
}

static void a_damaged_file_gives_misses(void **state) {
    (void)state;
    damage("32mb");
    damage("32mb,access=mmap");
}

/* Batches answer as single reads do, whatever is in memory, in the file or nowhere, and twice in one batch. */
static void batches_read_what_stands_in_the_file(void **state) {
    static const char *const files[] = {"32mb", "32mb,access=mmap"};
    enum { BATCH = 100 };
    static uint8_t values[BATCH][VALUE_MAX];
    struct rng rng = rng_seeded(unit_seed());
    (void)state;
    for (size_t how = 0; how < COUNT_OF(files); how++) {
        struct place place;
        begin(&place);
        struct strata_cache *cache = open_filed(&place, "2mb", files[how]);
        fill(cache);
        uint64_t before = testing_stats(cache).file_hits;
        for (int round = 0; round < 100; round++) {
            struct strata_get_item items[BATCH];
            uint32_t keys[BATCH];
            size_t found = 0;
            for (int i = 0; i < BATCH; i++) {
                keys[i] = i && rng_below(&rng, 10) == 0 ? keys[i - 1] : (uint32_t)rng_below(&rng, KEYS + 100);
                items[i] = (struct strata_get_item){.key = &keys[i],
                                                    .key_size = sizeof keys[i],
                                                    .buffer = values[i],
                                                    .buffer_size = rng_below(&rng, 20) ? VALUE_MAX : 10};
            }
            size_t answered = strata_get_many(cache, items, BATCH);
            for (int i = 0; i < BATCH; i++) {
                uint8_t wanted[VALUE_MAX];
                size_t size = value_of(keys[i], 0, wanted);
                found += items[i].status == STRATA_OK;
                if (items[i].status == STRATA_OK)
                    assert_true(items[i].size == size && memcmp(values[i], wanted, size) == 0);
                else if (items[i].status == STRATA_TOO_SMALL)
                    assert_true(items[i].size == size && items[i].buffer_size == 10);
                else
                    assert_int_equal(items[i].status, STRATA_MISS);
                assert_true(keys[i] < KEYS || items[i].status == STRATA_MISS);
            }
            assert_int_equal(found, answered);
        }
        assert_true(testing_stats(cache).file_hits > before + 500 && testing_stats(cache).file_damaged == 0);
        testing_close(cache);
        end(&place);
    }
}

/* ------------------------------------------------------------------------------------------ threads, forks */

enum { THREADS = 4, OWN_KEYS = 800, OWN_STEPS = 6000 };

struct member {
    struct strata_cache *cache;
    pthread_t thread;
    uint32_t number, hits;
};

/* Some keys from `own` on, at once. */
static uint32_t get_batch(struct strata_cache *cache, uint32_t first, const uint32_t *editions, uint32_t own) {
    enum { COUNT = 8 };
    uint8_t values[COUNT][VALUE_MAX], wanted[VALUE_MAX];
    struct strata_get_item items[COUNT];
    uint32_t keys[COUNT];
    for (uint32_t i = 0; i < COUNT; i++) {
        keys[i] = first + (own + i * 7) % OWN_KEYS;
        items[i] = (struct strata_get_item){
            .key = &keys[i], .key_size = sizeof keys[i], .buffer = values[i], .buffer_size = VALUE_MAX};
    }
    size_t found = strata_get_many(cache, items, COUNT);
    for (uint32_t i = 0; i < COUNT; i++)
        if (items[i].status == STRATA_OK &&
            editions[keys[i] - first]) { /* else it is of an earlier round, or nobody's */
            size_t size = value_of(keys[i], editions[keys[i] - first], wanted);
            assert_true(items[i].size == size && memcmp(values[i], wanted, size) == 0);
        }
    return (uint32_t)found;
}

static void *use_own(void *context) {
    struct member *member = context;
    struct rng rng = rng_seeded(unit_seed() + member->number);
    static __thread uint32_t editions[OWN_KEYS];
    memset(editions, 0, sizeof editions);
    for (uint32_t i = 1; i <= OWN_STEPS; i++) {
        uint32_t own = (uint32_t)rng_below(&rng, OWN_KEYS), key = member->number * OWN_KEYS + own;
        if (rng_below(&rng, 4) == 0 || !editions[own])
            set_edition(member->cache, key, editions[own] = i);
        else if (rng_below(&rng, 8))
            member->hits += get_edition(member->cache, key, editions[own]);
        else
            member->hits += get_batch(member->cache, member->number * OWN_KEYS, editions, own);
        if (rng_below(&rng, 100) == 0)
            (void)strata_maintain(member->cache, 100);
    }
    return NULL;
}

static void use_with_threads(const char *file) {
    struct place place;
    struct member members[THREADS];
    int status;
    begin(&place);
    struct strata_cache *cache = open_filed(&place, "1mb", file);
    for (uint32_t i = 0; i < THREADS; i++) {
        members[i] = (struct member){.cache = cache, .number = i};
        assert_int_equal(pthread_create(&members[i].thread, NULL, use_own, &members[i]), 0);
    }
    /* The child has what is in memory, and no file. */
    for (int i = 0; i < 5; i++) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            bool well = testing_set(cache, "child", "1") == STRATA_OK &&
                        strcmp(testing_get(cache, "child"), "1") == 0 && testing_stats(cache).file_entries == 0;
            testing_close(cache);
            _exit(well ? 0 : 1);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
    }
    uint32_t hits = 0;
    for (uint32_t i = 0; i < THREADS; i++) {
        pthread_join(members[i].thread, NULL);
        hits += members[i].hits;
    }
    assert_true(hits > 0 && testing_stats(cache).demoted > 100);
    testing_close(cache);
    end(&place);
}

static void threads_read_and_write_beside_the_file(void **state) {
    (void)state;
    use_with_threads("16mb,idle=1ms");
}

static void threads_read_a_file_that_is_mapped(void **state) {
    (void)state;
    use_with_threads("16mb,idle=1ms,access=mmap");
}

/* Who is found before and after a scan, and was not written meanwhile, was there all the time. */
static void scan_once(struct strata_cache *cache, uint32_t *ret_there) {
    static uint8_t seen[THREADS * OWN_KEYS], before[OWN_KEYS];
    uint64_t cursor = 0;
    memset(seen, 0, sizeof seen);
    for (uint32_t key = 0; key < OWN_KEYS; key++) {
        before[key] = get_edition(cache, key, 1); /* and what is read there is written again when the file makes room */
        if (before[key])
            continue;
        set_edition(cache, key, 1);
        (void)get_edition(cache, key, 1);
    }
    do
        assert_int_equal(strata_scan(cache, &cursor, 500, count_visit, seen), STRATA_OK);
    while (cursor);
    for (uint32_t key = 0; key < OWN_KEYS; key++) {
        if (!before[key] || strata_exists(cache, &key, sizeof key) != STRATA_OK)
            continue;
        ++*ret_there;
        if (!seen[key])
            fail_msg("key %u was there all the time (STRATA_SEED=%llu)", key, (unsigned long long)unit_seed());
    }
}

static atomic_bool scanned;

static void *press_on(void *context) {
    while (!atomic_load(&scanned))
        (void)use_own(context);
    return NULL;
}

static void scan_finds_what_moves_about(void **state) {
    enum { SCANS = 6, PRESSING = 2 };
    struct place place;
    struct member members[THREADS];
    uint32_t there = 0;
    (void)state;
    atomic_store(&scanned, false);
    begin(&place);
    struct strata_cache *cache = open_filed(&place, "1mb", "16mb");
    for (uint32_t key = 0; key < OWN_KEYS; key++) {
        set_edition(cache, key, 1);
        (void)get_edition(cache, key, 1);
    }
    for (uint32_t i = 1; i <= PRESSING; i++) {
        members[i] = (struct member){.cache = cache, .number = i};
        assert_int_equal(pthread_create(&members[i].thread, NULL, press_on, &members[i]), 0);
    }
    for (int i = 0; i < SCANS; i++)
        scan_once(cache, &there);
    atomic_store(&scanned, true);
    for (uint32_t i = 1; i <= PRESSING; i++)
        pthread_join(members[i].thread, NULL);
    assert_true(there > OWN_KEYS);
    testing_close(cache);
    end(&place);
}

static void nobody(void *context, const struct strata_event *event) { (void)context, (void)event; }

static void scan_does_not_show_what_has_expired(void **state) {
    enum { TTL_MS = 1000 };
    struct place place;
    struct strata_cache *cache;
    static uint8_t seen[KEYS];
    uint8_t value[VALUE_MAX];
    char text[TEXT_SIZE];
    struct strata_options options = {.small_pages = 1, .on_removed = nobody};
    const struct strata_set_options dies = {.ttl_ms = TTL_MS};
    uint64_t cursor = 0;
    (void)state;
    begin(&place);
    snprintf(text, sizeof text, "memory:1mb file:%s/x:8mb", place.path);
    assert_int_equal(strata_open(text, &options, &cache), STRATA_OK);
    uint32_t last = KEYS - 1;
    for (uint32_t key = 0; key < KEYS; key++) {
        size_t size = value_of(key, 0, value);
        assert_int_equal(strata_set(cache, &key, sizeof key, value, size, &dies, NULL), STRATA_OK);
        (void)get_edition(cache, key, 0);
    }
    assert_true(testing_stats(cache).file_entries > 0);
    while (strata_exists(cache, &last, sizeof last) == STRATA_OK)
        ;
    memset(seen, 0, sizeof seen);
    do
        assert_int_equal(strata_scan(cache, &cursor, 500, count_visit, seen), STRATA_OK);
    while (cursor);
    assert_null(memchr(seen, 1, sizeof seen));
    testing_close(cache);
    end(&place);
}

UNIT_TESTS(filing, UNIT(more_than_memory_holds_is_there), UNIT(calls_know_what_is_in_the_file),
           UNIT(descriptions_say_what_is_wrong), UNIT(a_file_is_for_one_cache),
           UNIT(what_is_shown_is_what_was_written_last), UNIT(so_it_is_when_the_file_is_mapped),
           UNIT(with_a_directory_an_opening_finds_what_is_in_the_file), UNIT(with_a_directory_nothing_old_comes_back),
           UNIT(a_damaged_file_gives_misses), UNIT(batches_read_what_stands_in_the_file),
           UNIT(threads_read_and_write_beside_the_file), UNIT(threads_read_a_file_that_is_mapped),
           UNIT(scan_finds_what_moves_about), UNIT(scan_does_not_show_what_has_expired));
