#include "app/persist/persist.h"

#include "app/persist/loaders.h"
#include "base/rng.h"
#include "core/cache/journal_fixture.h"
#include "sys/fault/faults.h"
#include "sys/os/thread.h"

/* A disk in memory, and what the log has told. */
struct place {
    struct disk *disk;
    struct faults faults;
    struct testing_cache t;
    struct persist *persist;
    enum wal_mode mode;
    uint32_t loaders;
    pthread_mutex_t lock;
    pthread_cond_t told;
    unsigned refusals, resumptions, saves; /* under `lock` */
    bool waits, held;
};

static void on_staged(void *context, uint32_t actor, uint64_t lsn) { (void)context, (void)actor, (void)lsn; }

static void on_behind(void *context, bool waits) {
    struct place *place = context;
    pthread_mutex_lock(&place->lock);
    place->waits = waits;
    pthread_cond_broadcast(&place->told);
    pthread_mutex_unlock(&place->lock);
}

static void on_refuses(void *context, bool refuses) {
    struct place *place = context;
    pthread_mutex_lock(&place->lock);
    *(refuses ? &place->refusals : &place->resumptions) += 1;
    pthread_cond_broadcast(&place->told);
    pthread_mutex_unlock(&place->lock);
}

static void on_saved(void *context) {
    struct place *place = context;
    pthread_mutex_lock(&place->lock);
    place->saves++;
    pthread_cond_broadcast(&place->told);
    pthread_mutex_unlock(&place->lock);
}

/* Until the log has told so often. */
static void wait_until(struct place *place, const unsigned *count, unsigned wanted) {
    pthread_mutex_lock(&place->lock);
    while (*count < wanted)
        pthread_cond_wait(&place->told, &place->lock);
    pthread_mutex_unlock(&place->lock);
}

static enum status open_on(struct place *place, struct testing_cache t, struct persist_image image,
                           char reason[PERSIST_REASON_SIZE]) {
    place->t = t;
    place->refusals = place->resumptions = place->saves = 0;
    const struct persist_options options = {
        .files = &place->faults.files,
        .cache = place->t.cache,
        .actor = &place->t.actor,
        .actors = 2,
        .mode = place->mode,
        .interval_ms = 1,
        .loaders = place->loaders,
        .image = image,
        .user = {.staged = on_staged, .behind = on_behind, .refuses = on_refuses, .saved = on_saved, .context = place},
    };
    return persist_open(&options, &place->persist, reason);
}

static enum status open_place(struct place *place, char reason[PERSIST_REASON_SIZE]) {
    return open_on(place, testing_open(8 << 20, 4, CACHE_ALLKEYS_LRU), (struct persist_image){.lsn = 0}, reason);
}

static void open_again(struct place *place) {
    char reason[PERSIST_REASON_SIZE];
    if (open_place(place, reason) != STATUS_OK)
        fail_msg("it does not open: %s", reason);
}

static enum status close_place(struct place *place) {
    enum status status = persist_close(place->persist, &place->t.actor);
    place->persist = NULL;
    cache_journal_forget(place->t.cache, &place->t.actor);
    testing_close(&place->t);
    return status;
}

static void begin(struct place *place, enum wal_mode mode) {
    memset(place, 0, sizeof *place);
    place->mode = mode;
    pthread_mutex_init(&place->lock, NULL);
    pthread_cond_init(&place->told, NULL);
    place->disk = disk_new(&memory_libc, unit_seed(), 0);
    faults_init(&place->faults, disk_files(place->disk), place->disk, unit_seed());
    open_again(place);
}

static void end(struct place *place) {
    assert_int_equal(close_place(place), STATUS_OK);
    faults_fini(&place->faults);
    disk_free(place->disk);
    pthread_cond_destroy(&place->told);
    pthread_mutex_destroy(&place->lock);
}

static void set(struct place *place, const char *key, const char *value) {
    assert_int_equal(testing_set(&place->t, 0, slice_from_string(key), slice_from_string(value), 0), STATUS_OK);
}

static void set_many(struct place *place, unsigned from, unsigned count, const char *value) {
    for (unsigned i = from; i < from + count; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%u", i);
        set(place, key, value);
    }
}

static void expect(struct place *place, const char *key, const char *value) {
    struct buf got;
    struct cache_info info;
    buf_init(&got, &memory_libc);
    bool found = testing_get(&place->t, 0, slice_from_string(key), &got, &info);
    if (found != (value != NULL) || (found && !slice_equal(buf_slice(&got), slice_from_string(value))))
        fail_msg("%s is %.*s and not %s", key, found ? (int)got.size : 6, found ? (const char *)got.data : "absent",
                 value ? value : "absent");
    buf_fini(&got);
}

static void flushed(struct place *place) {
    struct wal *wal = persist_log(place->persist);
    assert_int_equal(wal_wait(wal, WAL_FLUSHED, wal_staged(wal), 60000), STATUS_OK);
}

static bool is_waiting(struct place *place) {
    pthread_mutex_lock(&place->lock);
    bool waits = place->waits;
    pthread_mutex_unlock(&place->lock);
    return waits;
}

static void save(struct place *place, bool done) {
    struct persist_facts facts;
    uint64_t turn = persist_save(place->persist);
    wait_until(place, &place->saves, (unsigned)turn);
    persist_facts(place->persist, &facts);
    assert_int_equal(facts.last_save_failed, !done);
}

static void cut_power(struct place *place) {
    disk_cut_after(place->disk, 1);
    MAYBE(close_place(place) != STATUS_OK);
    disk_restart(place->disk);
    open_again(place);
}

static void what_was_set_is_there_again(void **state) {
    (void)state;
    struct place place;
    begin(&place, WAL_ALWAYS);
    set_many(&place, 0, 1000, "one");
    save(&place, true);
    set_many(&place, 500, 1000, "two");
    struct cache_key key = cache_key(place.t.cache, 0, SLICE("k0"));
    assert_true(cache_delete(place.t.cache, &place.t.actor, &key));
    for (int i = 0; i < 2; i++) {
        assert_int_equal(close_place(&place), STATUS_OK);
        open_again(&place);
        expect(&place, "k0", NULL);
        expect(&place, "k499", "one");
        expect(&place, "k500", "two");
        expect(&place, "k1499", "two");
        assert_int_equal(cache_count(place.t.cache, 0), 1499);
    }
    end(&place);
}

static void flush_that_fails_refuses_writes_until_another_file_is_begun(void **state) {
    (void)state;
    struct place place;
    begin(&place, WAL_ALWAYS);
    set(&place, "a", "before");
    flushed(&place);
    faults_add(&place.faults, (struct fault){.calls = FAULT_SYNC, .kind = FAULT_BROKEN, .first = 1, .count = 1});
    set(&place, "a", "while");
    uint64_t lsn = wal_staged(persist_log(place.persist));
    MAYBE(wal_wait(persist_log(place.persist), WAL_FLUSHED, lsn, 0) != STATUS_OK); /* wakes the committer */
    wait_until(&place, &place.refusals, 1);
    wait_until(&place, &place.resumptions, 1);
    set(&place, "b", "after");
    flushed(&place);
    cut_power(&place);
    expect(&place, "a", "while");
    expect(&place, "b", "after");
    end(&place);
}

/* More than the log keeps of what was not flushed: only a snapshot makes it whole again. */
static void records_that_a_failed_flush_has_lost_are_covered_by_a_snapshot(void **state) {
    (void)state;
    struct place place;
    begin(&place, WAL_NO); /* keeps nothing */
    set_many(&place, 0, 100, "one");
    assert_int_equal(wal_write_out(persist_log(place.persist)), STATUS_OK);
    faults_add(&place.faults, (struct fault){.calls = FAULT_SYNC, .kind = FAULT_BROKEN, .first = 1, .count = 1});
    wal_rotate(persist_log(place.persist));
    wait_until(&place, &place.refusals, 1);
    wait_until(&place, &place.resumptions, 1);
    wait_until(&place, &place.saves, 1);
    assert_int_equal(wal_cover_needed(persist_log(place.persist)), 0);
    cut_power(&place);
    expect(&place, "k99", "one");
    assert_int_equal(cache_count(place.t.cache, 0), 100);
    end(&place);
}

/* Before each write of the log, until the test lets it. */
static void hold_writes(void *context, enum fault_call call) {
    struct place *place = context;
    pthread_mutex_lock(&place->lock);
    while (call == FAULT_WRITE && place->held)
        pthread_cond_wait(&place->told, &place->lock);
    pthread_mutex_unlock(&place->lock);
}

static void let_write(struct place *place, bool held) {
    pthread_mutex_lock(&place->lock);
    place->held = held;
    pthread_cond_broadcast(&place->told);
    pthread_mutex_unlock(&place->lock);
}

static void writers_wait_for_a_slow_disk_and_not_longer(void **state) {
    (void)state;
    struct place place;
    static char value[10000];
    memset(value, 'v', sizeof value - 1);
    begin(&place, WAL_INTERVAL);
    place.faults.before_context = &place;
    place.faults.before = hold_writes;
    let_write(&place, true);
    unsigned count = 0;
    while (!is_waiting(&place))
        set_many(&place, count++ % 100, 1, value);
    /* What has begun already is taken all the same. */
    set_many(&place, 0, 200, value);
    assert_true(count > 30 && count < 300);
    let_write(&place, false);
    pthread_mutex_lock(&place.lock);
    while (place.waits)
        pthread_cond_wait(&place.told, &place.lock);
    pthread_mutex_unlock(&place.lock);
    flushed(&place);
    assert_int_equal(close_place(&place), STATUS_OK);
    open_again(&place);
    expect(&place, "k199", value);
    end(&place);
}

static void full_disk_takes_writes_again_when_there_is_room(void **state) {
    (void)state;
    struct place place;
    begin(&place, WAL_ALWAYS);
    faults_add(&place.faults, (struct fault){.calls = FAULT_WRITE | FAULT_RESERVE, .kind = FAULT_NO_ROOM, .first = 1});
    set(&place, "a", "full");
    MAYBE(wal_write_out(persist_log(place.persist)) != STATUS_OK);
    wait_until(&place, &place.refusals, 1);
    expect(&place, "a", "full");
    save(&place, false);
    faults_clear(&place.faults);
    wait_until(&place, &place.resumptions, 1);
    flushed(&place);
    save(&place, true);
    assert_int_equal(close_place(&place), STATUS_OK);
    open_again(&place);
    expect(&place, "a", "full");
    end(&place);
}

/* ------------------------------------------------------------------------------------------ several threads */

enum { OPERATIONS = 30000, KEYS = 400, TAGS = 8, DATABASES = 2, LONG_SIZE = 5000 };

static struct slice key_name(uint32_t key) {
    static char text[16];
    return slice_make(text, (size_t)snprintf(text, sizeof text, "key:%u", key));
}

static struct slice tag_name_of(uint32_t tag) {
    static char text[4][16];
    return slice_make(text[tag % 4], (size_t)snprintf(text[tag % 4], sizeof text[0], "tag:%u", tag));
}

/* Writes of one key, by everything that a log tells of it. */
static void work_on_key(struct place *place, struct rng *rng) {
    static uint8_t bytes[LONG_SIZE];
    struct cache_key key =
        cache_key(place->t.cache, (uint32_t)rng_below(rng, DATABASES), key_name((uint32_t)rng_below(rng, KEYS)));
    struct slice value = slice_make(bytes, rng_below(rng, rng_below(rng, 50) ? 60 : LONG_SIZE));
    struct slice tags[2] = {tag_name_of((uint32_t)rng_below(rng, TAGS)), tag_name_of((uint32_t)rng_below(rng, TAGS))};
    uint64_t expires_at_ms = rng_below(rng, 3) ? 0 : place->t.actor.now_ms + 1 + rng_below(rng, 300000);
    struct cache_edit edit;
    bytes[rng_below(rng, sizeof bytes)] = (uint8_t)rng_next(rng);
    cache_edit_begin(place->t.cache, &place->t.actor, &key, &edit);
    enum status status = STATUS_OK;
    switch (rng_below(rng, 8)) {
        case 0:
            cache_edit_delete(&edit);
            break;
        case 1:
            status = cache_edit_patch(&edit, rng_below(rng, 80), slice_make(bytes, 20));
            break;
        case 2:
            if (edit.found)
                status = cache_edit_expire(&edit, expires_at_ms);
            break;
        case 3:
            edit.tags = tags;
            edit.tag_count = (uint32_t)rng_below(rng, 3);
            status = cache_edit_set(&edit, CACHE_STRING, value, expires_at_ms);
            break;
        default:
            status = cache_edit_set(&edit, CACHE_STRING, value, expires_at_ms);
    }
    assert_int_equal(status, STATUS_OK);
    cache_edit_end(&edit);
}

/* What concerns more than one key. */
static void work_on_all(struct place *place, struct rng *rng) {
    struct cache *cache = place->t.cache;
    struct actor *actor = &place->t.actor;
    switch (rng_below(rng, 7)) {
        case 0:
            return cache_flush(cache, actor, (uint32_t)rng_below(rng, DATABASES));
        case 1:
            return cache_swap(cache, actor, 0, 1);
        case 2:
            assert_true(cache_ban(cache, actor, (uint32_t)rng_below(rng, DATABASES), SLICE("key:1*")));
            return;
        case 3:
            actor->now_ms += rng_below(rng, 200000);
            return;
        case 4:
            cache_tag_soften(cache, actor, tag_name_of((uint32_t)rng_below(rng, TAGS)));
            return;
        default:
            cache_tag_invalidate(cache, actor, tag_name_of((uint32_t)rng_below(rng, TAGS)));
    }
}

static void see_all(struct place *place, struct seen *all) {
    for (uint32_t i = 0; i < KEYS * DATABASES; i++)
        testing_see(&place->t, i % DATABASES, key_name(i / DATABASES), &all[i]);
}

static void check_all(const struct seen *wanted, const struct seen *got, uint32_t loaders) {
    uint32_t found = 0;
    for (uint32_t i = 0; i < KEYS * DATABASES; i++) {
        found += got[i].found;
        const char *difference = testing_difference(&wanted[i], &got[i]);
        if (difference)
            fail_msg("with %u loaders, database %u, %s: %s (seed %llu)", loaders, i % DATABASES,
                     (const char *)key_name(i / DATABASES).data, difference, (unsigned long long)unit_seed());
    }
    assert_true(found > KEYS * DATABASES / 4);
}

static struct seen *seen_new(void) {
    struct seen *all = calloc(KEYS * DATABASES, sizeof *all);
    assert_non_null(all);
    for (uint32_t i = 0; i < KEYS * DATABASES; i++)
        buf_init(&all[i].value, &memory_libc);
    return all;
}

static void seen_free(struct seen *all) {
    for (uint32_t i = 0; i < KEYS * DATABASES; i++)
        buf_fini(&all[i].value);
    free(all);
}

static void many_threads_load_what_one_does(void **state) {
    (void)state;
    struct place place;
    struct rng rng = rng_seeded(unit_seed());
    struct seen *before = seen_new(), *after = seen_new();
    begin(&place, WAL_NO);
    for (uint32_t i = 0; i < OPERATIONS; i++) {
        if (i == OPERATIONS / 3)
            save(&place, true);
        /* Long stretches without any of the latter, and short ones. */
        if (rng_below(&rng, i % 10000 < 2000 ? 20 : 2000) == 0)
            work_on_all(&place, &rng);
        else
            work_on_key(&place, &rng);
    }
    uint64_t now_ms = place.t.actor.now_ms;
    see_all(&place, before);
    for (uint32_t loaders = 1; loaders <= LOADERS_MAX; loaders *= 2) {
        assert_int_equal(close_place(&place), STATUS_OK);
        place.loaders = loaders;
        open_again(&place);
        cache_verify(place.t.cache, &place.t.actor);
        place.t.actor.now_ms = now_ms;
        see_all(&place, after);
        check_all(before, after, loaders);
    }
    seen_free(before);
    seen_free(after);
    end(&place);
}

/* ------------------------------------------------------------------------------------------ a cache that is there already */

static void set_tagged(struct place *place, const char *key, struct slice tag, const char *value) {
    struct cache_key name = cache_key(place->t.cache, 0, slice_from_string(key));
    struct cache_edit edit;
    cache_edit_begin(place->t.cache, &place->t.actor, &name, &edit);
    edit.tags = &tag;
    edit.tag_count = 1;
    assert_int_equal(cache_edit_set(&edit, CACHE_STRING, slice_from_string(value), 0), STATUS_OK);
    cache_edit_end(&edit);
}

/* As at an orderly stop. */
static struct testing_cache leave(struct place *place, struct persist_image *ret_image) {
    const char *reason = "";
    struct testing_cache t = place->t;
    assert_int_equal(persist_image_mark(place->persist, &place->t.actor, ret_image), STATUS_OK);
    assert_int_equal(persist_close(place->persist, &place->t.actor), STATUS_OK);
    cache_journal_forget(t.cache, &place->t.actor);
    cache_verify(t.cache, &place->t.actor);
    assert_int_equal(cache_close_kept(t.cache, &place->t.actor, &reason), STATUS_OK);
    t.actor.counts = (struct actor_counts){0};
    t.actor.noted = (struct actor_noted){0};
    return t;
}

static void come_back(struct place *place, struct testing_cache t, struct persist_image image) {
    const struct cache_options options = {.range = t.range,
                                          .range_size = t.range_size,
                                          .limit_bytes = 8 << 20,
                                          .cores = 2,
                                          .shards = 4,
                                          .policy = CACHE_ALLKEYS_LRU,
                                          .waiting = {testing_wait, testing_wake, NULL},
                                          .memory = &memory_libc};
    const char *why = "";
    char reason[PERSIST_REASON_SIZE] = "";
    if (cache_attach(&options, &t.cache, &why) != STATUS_OK)
        fail_msg("%s", why);
    if (open_on(place, t, image, reason) != STATUS_OK)
        fail_msg("it does not open: %s", reason);
    cache_verify(place->t.cache, &place->t.actor);
}

static void check_image(struct place *place, struct persist_image *image, enum status wanted, uint64_t behind) {
    char reason[PERSIST_REASON_SIZE] = "";
    assert_int_equal(persist_image_check(&place->faults.files, image, reason), wanted);
    if (wanted == STATUS_OK)
        assert_int_equal(image->behind, behind);
    else
        assert_true(reason[0] != 0);
}

static void what_is_behind_an_image_is_applied(void **state) {
    (void)state;
    struct place place;
    struct persist_image image;
    begin(&place, WAL_ALWAYS);
    set_many(&place, 0, 300, "before");
    set_tagged(&place, "red", SLICE("red"), "1");
    set_tagged(&place, "blue", SLICE("blue"), "1");
    set_tagged(&place, "gone", SLICE("green"), "1");
    assert_int_equal(cache_tag_invalidate(place.t.cache, &place.t.actor, SLICE("green")), 1);
    save(&place, true);
    set_many(&place, 100, 100, "since the snapshot");
    struct testing_cache memory = leave(&place, &image);
    check_image(&place, &image, STATUS_OK, 0);
    come_back(&place, memory, image); /* nothing is behind */
    struct persist_facts facts;
    persist_facts(place.persist, &facts);
    assert_int_equal(facts.loaded_records, 0);
    assert_true(facts.saved_lsn > 300 && facts.saved_lsn < image.lsn && facts.log_bytes > 1000);
    set_many(&place, 150, 10, "again");
    memory = leave(&place, &image);

    open_again(&place); /* without the memory */
    expect(&place, "k155", "again");
    set_many(&place, 200, 50, "behind");
    set_tagged(&place, "red", SLICE("red"), "2");
    assert_int_equal(cache_tag_invalidate(place.t.cache, &place.t.actor, SLICE("blue")), 1);
    assert_int_equal(close_place(&place), STATUS_OK);
    check_image(&place, &image, STATUS_OK, 53); /* one is about stamps, at the beginning */
    come_back(&place, memory, image);
    persist_facts(place.persist, &facts);
    assert_int_equal(facts.loaded_records, 53);
    expect(&place, "k50", "before");
    expect(&place, "k120", "since the snapshot");
    expect(&place, "k155", "again");
    expect(&place, "k220", "behind");
    expect(&place, "red", "2");
    expect(&place, "blue", NULL);
    expect(&place, "gone", NULL);
    assert_int_equal(cache_tag_count(place.t.cache, &place.t.actor, SLICE("red")), 1);
    save(&place, true); /* another number than that of the one before */
    assert_int_equal(close_place(&place), STATUS_OK);
    open_again(&place); /* and the disk has all of it */
    expect(&place, "k155", "again");
    expect(&place, "k220", "behind");
    expect(&place, "blue", NULL);
    end(&place);
}

static void an_image_of_another_log_is_refused(void **state) {
    (void)state;
    struct place place;
    struct persist_image image, other;
    begin(&place, WAL_ALWAYS);
    set_many(&place, 0, 50, "x");
    struct testing_cache memory = leave(&place, &image);
    munmap(memory.range, memory.range_size);
    check_image(&place, &image, STATUS_OK, 0);
    other = image;
    other.token[3] ^= 1;
    check_image(&place, &other, STATUS_CORRUPT, 0);
    other = image;
    other.lsn--;
    check_image(&place, &other, STATUS_CORRUPT, 0);
    other.lsn += 2; /* the log is shorter */
    check_image(&place, &other, STATUS_CORRUPT, 0);
    open_again(&place);
    set_many(&place, 0, 50, "y");
    flushed(&place);
    check_image(&place, &image, STATUS_OK, 51);
    save(&place, true); /* makes what stood before it needless */
    set_many(&place, 0, 50, "z");
    flushed(&place);
    check_image(&place, &image, STATUS_CORRUPT, 0);
    end(&place);
}

UNIT_TESTS(persist, UNIT(what_is_behind_an_image_is_applied), UNIT(an_image_of_another_log_is_refused),
           UNIT(what_was_set_is_there_again), UNIT(many_threads_load_what_one_does),
           UNIT(flush_that_fails_refuses_writes_until_another_file_is_begun),
           UNIT(records_that_a_failed_flush_has_lost_are_covered_by_a_snapshot),
           UNIT(writers_wait_for_a_slow_disk_and_not_longer), UNIT(full_disk_takes_writes_again_when_there_is_room));
