/* Caches that are kept in a directory: on a real one, with processes that are killed and forks. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/embed/embed_fixture.h"
#include "base/assert.h"
#include "base/bits.h"
#include "base/rng.h"
#include "sys/os/files.h"

enum { PATH_SIZE = 64, TEXT_SIZE = 160, MODEL_KEYS = 200, MODEL_STEPS = 3000, MODEL_OPENINGS = 8 };

struct place {
    char path[PATH_SIZE];
    char told[STRATA_ERROR_TEXT_SIZE]; /* by the last strata_open */
    unsigned removals;
};

static void begin(struct place *place) {
    *place = (struct place){.path = "/tmp/strata-embed-XXXXXX"};
    assert_non_null(mkdtemp(place->path));
}

static void end(struct place *place) { testing_remove_directory(place->path); }

static enum strata_status try_open_sized(struct place *place, const char *size, const char *settings,
                                         struct strata_cache **ret_cache) {
    char text[TEXT_SIZE];
    struct strata_options options = {
        .error_text = place->told, .error_text_size = sizeof place->told, .small_pages = 1};
    snprintf(text, sizeof text, "memory:%s,dir=%s%s", size, place->path, settings);
    return strata_open(text, &options, ret_cache);
}

static enum strata_status try_open(struct place *place, const char *settings, struct strata_cache **ret_cache) {
    return try_open_sized(place, "8mb", settings, ret_cache);
}

static struct strata_cache *open_kept(struct place *place, const char *settings) {
    struct strata_cache *cache;
    if (try_open(place, settings, &cache) != STRATA_OK)
        fail_msg("%s: %s", place->path, place->told);
    return cache;
}

static void what_was_written_is_there_again(void **state) {
    static const char *const modes[] = {"", ",fsync=always", ",fsync=everysec", ",fsync=no"};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(modes); i++) {
        struct place place;
        uint64_t version, again, ttl_ms;
        struct strata_set_options brief = {.ttl_ms = 1}, lasting = {.ttl_ms = 3600000};
        begin(&place);
        struct strata_cache *cache = open_kept(&place, modes[i]);
        assert_int_equal(testing_set(cache, "plain", "1"), STRATA_OK);
        assert_int_equal(testing_set(cache, "gone", "1"), STRATA_OK);
        assert_int_equal(strata_delete(cache, "gone", 4), STRATA_OK);
        assert_int_equal(strata_append(cache, "plain", 5, "23", 2, NULL), STRATA_OK);
        assert_int_equal(strata_increment(cache, "count", 5, 7, NULL, NULL), STRATA_OK);
        assert_int_equal(strata_set(cache, "brief", 5, "x", 1, &brief, NULL), STRATA_OK);
        assert_int_equal(strata_set(cache, "lasting", 7, "y", 1, &lasting, &version), STRATA_OK);
        testing_close(cache);
        cache = open_kept(&place, modes[i]);
        assert_string_equal(testing_get(cache, "plain"), "123");
        assert_string_equal(testing_get(cache, "gone"), "-");
        assert_string_equal(testing_get(cache, "count"), "7");
        char value[8];
        size_t size;
        assert_int_equal(strata_get_versioned(cache, "lasting", 7, value, sizeof value, &size, &again), STRATA_OK);
        assert_int_equal(again, version);
        assert_int_equal(strata_ttl(cache, "lasting", 7, &ttl_ms), STRATA_OK);
        assert_true(ttl_ms > 3000000 && ttl_ms <= 3600000);
        assert_int_equal(strata_set(cache, "lasting", 7, "z", 1, NULL, &again), STRATA_OK);
        assert_true(again != version);
        assert_int_equal(strata_clear(cache), STRATA_OK);
        testing_close(cache);
        cache = open_kept(&place, modes[i]);
        assert_int_equal(testing_stats(cache).entries, 0);
        testing_close(cache);
        end(&place);
    }
}

static void what_has_expired_meanwhile_is_not_there(void **state) {
    struct place place;
    struct strata_set_options past_soon = {.expires_at_ms = clock_unix_ms() + 20};
    (void)state;
    begin(&place);
    struct strata_cache *cache = open_kept(&place, "");
    assert_int_equal(strata_set(cache, "brief", 5, "x", 1, &past_soon, NULL), STRATA_OK);
    testing_close(cache);
    while (clock_unix_ms() < past_soon.expires_at_ms)
        ;
    cache = open_kept(&place, "");
    assert_string_equal(testing_get(cache, "brief"), "-");
    testing_close(cache);
    end(&place);
}

static void descriptions_say_what_is_wrong(void **state) {
    static const struct {
        const char *text, *told;
    } wrong[] = {
        {"memory:1mb,dir=", "dir '' is not a path of 1 to 4095 bytes"},
        {"memory:1mb,fsync=no", "fsync is of a cache that is kept: there is no dir"},
        {"memory:1mb,dir=/tmp,fsync=sometimes", "fsync 'sometimes' is none of always, everysec, no"},
        {"memory:1mb,dir=/tmp,dir=/tmp", "dir stands there twice"},
        {"memory:1mb,dir=/nowhere/at/all",
         "the directory '/nowhere/at/all' cannot be opened: No such file or directory"},
        {"memory:1mb,dir=/etc/passwd", "the directory '/etc/passwd' cannot be opened: Not a directory"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        char told[STRATA_ERROR_TEXT_SIZE];
        struct strata_options options = {.error_text = told, .error_text_size = sizeof told};
        struct strata_cache *cache;
        enum strata_status status = strata_open(wrong[i].text, &options, &cache);
        assert_string_equal(told, wrong[i].told);
        assert_int_equal(status, strstr(told, "cannot be") ? STRATA_IO : STRATA_INVALID);
    }
    struct strata_cache *cache;
    struct strata_options options = {.directory = "/tmp/a"};
    assert_int_equal(strata_open("memory:1mb,dir=/tmp/b", &options, &cache), STRATA_INVALID);
    options = (struct strata_options){.directory = ""};
    assert_int_equal(strata_open("memory:1mb", &options, &cache), STRATA_INVALID);
    options = (struct strata_options){.fsync = STRATA_FSYNC_ALWAYS};
    assert_int_equal(strata_open("memory:1mb,dir=/tmp,fsync=no", &options, &cache), STRATA_INVALID);
}

static void a_directory_is_for_one_cache(void **state) {
    struct place place;
    struct strata_cache *other;
    char told[STRATA_ERROR_TEXT_SIZE];
    (void)state;
    begin(&place);
    struct strata_cache *cache = open_kept(&place, "");
    assert_int_equal(try_open(&place, "", &other), STRATA_BUSY);
    snprintf(told, sizeof told, "process %d keeps a cache in '%s'", (int)getpid(), place.path);
    assert_string_equal(place.told, told);
    assert_int_equal(testing_set(cache, "a", "1"), STRATA_OK);
    testing_close(cache);
    testing_close(open_kept(&place, ""));
    end(&place);
}

static uint64_t snapshot_of(struct strata_cache *cache) {
    assert_int_equal(strata_snapshot(cache), STRATA_OK);
    return testing_stats(cache).snapshot_bytes;
}

static void snapshots_make_the_log_short(void **state) {
    struct place place;
    (void)state;
    begin(&place);
    struct strata_cache *cache = open_kept(&place, ",fsync=no");
    for (uint32_t i = 0; i < 1000; i++)
        assert_int_equal(strata_set(cache, "same", 4, &i, sizeof i, NULL, NULL), STRATA_OK);
    assert_int_equal(strata_sync(cache), STRATA_OK);
    struct strata_statistics before = testing_stats(cache);
    assert_true(before.log_records >= 1000 && before.log_bytes > 10000 && before.snapshots == 0);
    uint64_t bytes = snapshot_of(cache);
    struct strata_statistics after = testing_stats(cache);
    assert_true(bytes > 0 && bytes < 2000 && after.snapshots == 1 && after.log_bytes < 1000);
    testing_close(cache);
    cache = open_kept(&place, "");
    after = testing_stats(cache);
    assert_true(after.entries == 1 && after.loaded_records < 10 && after.loaded_lost == 0);
    testing_close(cache);
    end(&place);
    cache = testing_open("memory:1mb");
    assert_int_equal(strata_snapshot(cache), STRATA_INVALID);
    assert_int_equal(strata_sync(cache), STRATA_OK);
    testing_close(cache);
}

static void what_found_no_room_stays_gone(void **state) {
    enum { KEYS = 3000 };
    static const uint8_t value[2000];
    struct place place;
    struct strata_cache *cache;
    bool deleted[KEYS];
    (void)state;
    begin(&place);
    cache = open_kept(&place, ",fsync=no");
    for (uint32_t i = 0; i < KEYS; i++)
        assert_int_equal(strata_set(cache, &i, sizeof i, value, sizeof value, NULL, NULL), STRATA_OK);
    assert_int_equal(testing_stats(cache).evicted, 0);
    testing_close(cache);
    assert_int_equal(try_open_sized(&place, "2mb", "", &cache), STRATA_OK);
    uint64_t there = testing_stats(cache).entries;
    assert_true(there > 0 && there < KEYS && testing_stats(cache).loaded_lost == KEYS - there);
    for (uint32_t i = 0; i < KEYS; i++) {
        deleted[i] = i % 3 == 0;
        if (deleted[i])
            MAYBE(strata_delete(cache, &i, sizeof i) == STRATA_OK);
    }
    testing_close(cache);
    cache = open_kept(&place, "");
    assert_true(testing_stats(cache).entries <= there && testing_stats(cache).loaded_lost == 0);
    for (uint32_t i = 0; i < KEYS; i++)
        assert_false(deleted[i] && strata_exists(cache, &i, sizeof i) == STRATA_OK);
    testing_close(cache);
    end(&place);
}

static enum status flip_in_log(void *visitor, const char *name) {
    struct directory *directory = visitor;
    uint8_t byte;
    int file;
    if (strncmp(name, "log-", 4) != 0)
        return STATUS_OK;
    assert_int_equal(directory->files.open(directory->files.context, name, FILES_WRITE, &file), STATUS_OK);
    assert_int_equal(files_read(&directory->files, file, 200, &byte, 1), STATUS_OK);
    byte ^= 4;
    assert_int_equal(files_write(&directory->files, file, 200, &byte, 1), STATUS_OK);
    directory->files.close(directory->files.context, file);
    return STATUS_OK;
}

static void damage_is_refused_with_its_place(void **state) {
    struct place place;
    struct directory directory;
    struct strata_cache *cache;
    (void)state;
    begin(&place);
    cache = open_kept(&place, ",fsync=always");
    for (uint32_t i = 0; i < 100; i++)
        assert_int_equal(strata_set(cache, &i, sizeof i, "some value", 10, NULL, NULL), STRATA_OK);
    testing_close(cache);
    assert_int_equal(directory_open(place.path, false, &directory), STATUS_OK);
    assert_int_equal(directory.files.list(directory.files.context, flip_in_log, &directory), STATUS_OK);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(try_open(&place, "", &cache), STRATA_CORRUPT);
        assert_non_null(strstr(place.told, "log-0000000001"));
    }
    /* The same bit again: nothing else has been touched. */
    assert_int_equal(directory.files.list(directory.files.context, flip_in_log, &directory), STATUS_OK);
    directory_close(&directory);
    cache = open_kept(&place, "");
    assert_int_equal(testing_stats(cache).entries, 100);
    testing_close(cache);
    end(&place);
}

/* ------------------------------------------------------------------------------------------ processes */

/* Writes numbers from 0 on and says each when its call has returned, until it is killed. */
static _Noreturn void write_until_killed(struct place *place, const char *settings, bool syncs, int told) {
    struct strata_cache *cache = open_kept(place, settings);
    for (uint32_t i = 0;; i++) {
        bool well = strata_set(cache, &i, sizeof i, &i, sizeof i, NULL, NULL) == STRATA_OK &&
                    (!syncs || strata_sync(cache) == STRATA_OK);
        if (!well || write(told, &i, sizeof i) != sizeof i)
            _exit(1);
    }
}

/* `most`: of all that were written in this place. */
static void kill_one(struct place *place, const char *settings, bool syncs, uint32_t *most) {
    int ends[2];
    uint32_t number = 0, last = 0, wanted = 50;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        write_until_killed(place, settings, syncs, ends[1]);
    close(ends[1]);
    for (uint32_t i = 0; i < wanted; i++) {
        assert_int_equal(read(ends[0], &number, sizeof number), sizeof number);
        last = number;
    }
    kill(child, SIGKILL);
    while (read(ends[0], &number, sizeof number) == sizeof number)
        last = number;
    assert_int_equal(waitpid(child, NULL, 0), child);
    close(ends[0]);
    struct strata_cache *cache = open_kept(place, "");
    for (uint32_t i = 0; i <= last; i++)
        if (strata_exists(cache, &i, sizeof i) != STRATA_OK)
            fail_msg("%u of %u is missing (%s)", i, last, settings);
    *most = last > *most ? last : *most;
    assert_true(testing_stats(cache).entries <= *most + 2);
    testing_close(cache);
}

static void a_killed_process_has_lost_nothing_that_was_flushed(void **state) {
    struct place place;
    uint32_t most = 0;
    (void)state;
    begin(&place);
    kill_one(&place, ",fsync=always", false, &most);
    kill_one(&place, ",fsync=everysec", true, &most);
    kill_one(&place, ",fsync=no", true, &most);
    end(&place);
}

static void a_child_keeps_nothing(void **state) {
    struct place place;
    int status;
    (void)state;
    begin(&place);
    struct strata_cache *cache = open_kept(&place, ",fsync=always");
    assert_int_equal(testing_set(cache, "before", "1"), STRATA_OK);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        bool well = testing_set(cache, "child", "1") == STRATA_OK && testing_set(cache, "before", "2") == STRATA_OK &&
                    strata_sync(cache) == STRATA_OK && strata_snapshot(cache) == STRATA_INVALID &&
                    strcmp(testing_get(cache, "child"), "1") == 0;
        testing_close(cache);
        _exit(well ? 0 : 1);
    }
    assert_int_equal(testing_set(cache, "parent", "1"), STRATA_OK);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    testing_close(cache);
    cache = open_kept(&place, "");
    assert_string_equal(testing_get(cache, "before"), "1");
    assert_string_equal(testing_get(cache, "parent"), "1");
    assert_string_equal(testing_get(cache, "child"), "-");
    testing_close(cache);
    end(&place);
}

/* ------------------------------------------------------------------------------------------ a disk that takes nothing */

static void limit_files(uint64_t bytes) {
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes ? bytes : limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void writes_are_refused_while_the_disk_takes_none(void **state) {
    struct place place;
    static char value[100000];
    (void)state;
    begin(&place);
    void (*before)(int) = signal(SIGXFSZ, SIG_IGN);
    struct strata_cache *cache = open_kept(&place, ",fsync=always");
    assert_int_equal(testing_set(cache, "first", "1"), STRATA_OK);
    limit_files(1);
    /* One write may be the one that finds out; what follows is refused and changes nothing. */
    uint32_t i = 0;
    while (strata_set(cache, &i, sizeof i, value, sizeof value, NULL, NULL) == STRATA_OK)
        i++;
    while (!testing_stats(cache).log_refuses)
        ;
    assert_int_equal(testing_set(cache, "first", "2"), STRATA_IO);
    assert_int_equal(strata_delete(cache, "first", 5), STRATA_IO);
    assert_int_equal(strata_append(cache, "first", 5, "2", 1, NULL), STRATA_IO);
    assert_int_equal(strata_touch(cache, "first", 5, 1), STRATA_IO);
    assert_int_equal(strata_clear(cache), STRATA_IO);
    struct strata_set_item set = {.key = "first", .key_size = 5, .value = "2", .value_size = 1};
    assert_true(strata_set_many(cache, &set, 1, NULL) == 0 && set.status == STRATA_IO);
    struct strata_delete_item item = {.key = "first", .key_size = 5};
    assert_true(strata_delete_many(cache, &item, 1) == 0 && item.status == STRATA_IO);
    assert_string_equal(testing_get(cache, "first"), "1");
    limit_files(0);
    while (testing_set(cache, "later", "3") == STRATA_IO)
        ;
    assert_int_equal(strata_sync(cache), STRATA_OK);
    testing_close(cache);
    cache = open_kept(&place, "");
    assert_string_equal(testing_get(cache, "first"), "1");
    assert_string_equal(testing_get(cache, "later"), "3");
    testing_close(cache);
    signal(SIGXFSZ, before);
    end(&place);
}

/* ------------------------------------------------------------------------------------------ callbacks */

static void count_removal(void *context, const struct strata_event *event) {
    struct place *place = context;
    (void)event;
    place->removals++;
}

static void count_message(void *context, enum strata_message kind, const char *text) {
    _Atomic unsigned *messages = context;
    (void)kind;
    if (strstr(text, "Snapshot"))
        atomic_fetch_add(messages, 1);
}

static void nobody_is_told_of_what_is_loaded(void **state) {
    struct place place;
    _Atomic unsigned messages = 0;
    char text[TEXT_SIZE];
    (void)state;
    begin(&place);
    snprintf(text, sizeof text, "memory:8mb,dir=%s", place.path);
    struct strata_options options = {.on_removed = count_removal,
                                     .on_removed_context = &place,
                                     .on_message = count_message,
                                     .on_message_context = &messages};
    for (unsigned opening = 0; opening < 2; opening++) {
        struct strata_cache *cache;
        assert_int_equal(strata_open(text, &options, &cache), STRATA_OK);
        assert_int_equal(place.removals, 3 * opening);
        for (int i = 0; i < 3; i++)
            assert_int_equal(testing_set(cache, "a", "1"), STRATA_OK);
        assert_int_equal(strata_delete(cache, "a", 1), STRATA_OK);
        assert_int_equal(place.removals, 3 * opening + 3);
        assert_int_equal(strata_snapshot(cache), STRATA_OK);
        assert_true(atomic_load(&messages) > opening);
        testing_close(cache);
    }
    end(&place);
}

/* ------------------------------------------------------------------------------------------ a twin */

struct twin {
    char values[MODEL_KEYS][24]; /* empty: not there */
};

static void step(struct strata_cache *cache, struct twin *twin, struct rng *rng, bool snapshots) {
    uint32_t key = (uint32_t)rng_below(rng, MODEL_KEYS);
    char *value = twin->values[key], text[24];
    switch (rng_below(rng, snapshots ? 64 : 63)) {
        case 0:
            assert_int_equal(strata_clear(cache), STRATA_OK);
            memset(twin, 0, sizeof *twin);
            return;
        case 63:
            assert_int_equal(strata_snapshot(cache), STRATA_OK);
            return;
        default:
            break;
    }
    switch (rng_below(rng, 4)) {
        case 0:
            assert_int_equal(strata_delete(cache, &key, sizeof key), value[0] ? STRATA_OK : STRATA_MISS);
            value[0] = 0;
            return;
        case 1:
            if (strlen(value) > 16)
                return;
            assert_int_equal(strata_append(cache, &key, sizeof key, "+", 1, NULL), STRATA_OK);
            strcat(value, "+");
            return;
        default:
            snprintf(text, sizeof text, "%llu", (unsigned long long)rng_below(rng, 1000000));
            assert_int_equal(strata_set(cache, &key, sizeof key, text, strlen(text), NULL, NULL), STRATA_OK);
            memcpy(value, text, sizeof text);
    }
}

static void compare(struct strata_cache *cache, const struct twin *twin) {
    for (uint32_t key = 0; key < MODEL_KEYS; key++) {
        char value[24] = "";
        size_t size = 0;
        enum strata_status status = strata_get(cache, &key, sizeof key, value, sizeof value - 1, &size);
        value[status == STRATA_OK ? size : 0] = 0;
        if (strcmp(value, twin->values[key]) != 0)
            fail_msg("key %u: '%s' and not '%s' (STRATA_SEED=%llu)", key, value, twin->values[key],
                     (unsigned long long)unit_seed());
    }
}

static void a_twin_is_the_same_after_each_opening(void **state) {
    struct place place;
    struct twin twin = {0};
    struct rng rng = rng_seeded(unit_seed());
    (void)state;
    begin(&place);
    for (int opening = 0; opening < MODEL_OPENINGS; opening++) {
        struct strata_cache *cache = open_kept(&place, ",fsync=no");
        compare(cache, &twin);
        for (int i = 0; i < MODEL_STEPS; i++)
            step(cache, &twin, &rng, opening % 2);
        compare(cache, &twin);
        testing_close(cache);
    }
    end(&place);
}

/* ------------------------------------------------------------------------------------------ threads */

enum { WRITERS = 4, WRITES = 300 };

struct writer {
    struct strata_cache *cache;
    pthread_t thread;
    uint32_t number;
    bool well;
};

static void *write_own(void *context) {
    struct writer *writer = context;
    writer->well = true;
    for (uint32_t i = 0; i < WRITES; i++) {
        uint32_t key[2] = {writer->number, i % 50};
        enum strata_status status = i % 7 == 6 ? strata_delete(writer->cache, key, sizeof key)
                                               : strata_set(writer->cache, key, sizeof key, &i, sizeof i, NULL, NULL);
        writer->well &= status == STRATA_OK || status == STRATA_MISS;
        if (i % 100 == 50)
            writer->well &= strata_snapshot(writer->cache) == STRATA_OK;
    }
    return NULL;
}

/* What that writer's last change of the key was; WRITES: it is not there. */
static uint32_t last_of(uint32_t key) {
    uint32_t last = WRITES;
    for (uint32_t i = 0; i < WRITES; i++)
        if (i % 50 == key)
            last = i % 7 == 6 ? WRITES : i;
    return last;
}

static void many_threads_write_and_save(void **state) {
    struct place place;
    struct writer writers[WRITERS];
    (void)state;
    begin(&place);
    struct strata_cache *cache = open_kept(&place, ",fsync=always");
    for (uint32_t i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){.cache = cache, .number = i};
        assert_int_equal(pthread_create(&writers[i].thread, NULL, write_own, &writers[i]), 0);
    }
    for (uint32_t i = 0; i < WRITERS; i++) {
        pthread_join(writers[i].thread, NULL);
        assert_true(writers[i].well);
    }
    testing_close(cache);
    cache = open_kept(&place, "");
    for (uint32_t number = 0; number < WRITERS; number++)
        for (uint32_t at = 0; at < 50; at++) {
            uint32_t key[2] = {number, at}, value = WRITES;
            size_t size;
            if (strata_get(cache, key, sizeof key, &value, sizeof value, &size) == STRATA_MISS)
                value = WRITES;
            assert_int_equal(value, last_of(at));
        }
    testing_close(cache);
    end(&place);
}

UNIT_TESTS(persistence, UNIT(what_was_written_is_there_again), UNIT(what_has_expired_meanwhile_is_not_there),
           UNIT(descriptions_say_what_is_wrong), UNIT(a_directory_is_for_one_cache), UNIT(snapshots_make_the_log_short),
           UNIT(what_found_no_room_stays_gone), UNIT(damage_is_refused_with_its_place),
           UNIT(a_killed_process_has_lost_nothing_that_was_flushed), UNIT(a_child_keeps_nothing),
           UNIT(writes_are_refused_while_the_disk_takes_none), UNIT(nobody_is_told_of_what_is_loaded),
           UNIT(a_twin_is_the_same_after_each_opening), UNIT(many_threads_write_and_save));
