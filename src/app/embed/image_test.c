/* Caches whose memory is left to the next process: in a file of a file system in memory, with processes that end, are killed and fork. */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/embed/embed_fixture.h"
#include "base/bits.h"
#include "base/rng.h"

enum { PATH_SIZE = 64, TEXT_SIZE = 400, LARGE = 700000, MODEL_KEYS = 300, MODEL_STEPS = 2000, MODEL_OPENINGS = 8 };

struct place {
    char memory[PATH_SIZE], directory[PATH_SIZE]; /* the file, and a directory on disk */
    char told[STRATA_ERROR_TEXT_SIZE];            /* by the last strata_open */
    char said[TEXT_SIZE];                         /* the last message */
};

static void begin(struct place *place) {
    static int number;
    *place = (struct place){.directory = "/tmp/strata-image-XXXXXX"};
    snprintf(place->memory, sizeof place->memory, "/dev/shm/strata-image-%d-%d", (int)getpid(), number++);
    assert_non_null(mkdtemp(place->directory));
}

static void end(struct place *place) {
    unlink(place->memory);
    testing_remove_directory(place->directory);
}

static void note_message(void *context, enum strata_message kind, const char *text) {
    struct place *place = context;
    (void)kind;
    if (strstr(text, "cache in ") || strstr(text, "is not kept"))
        snprintf(place->said, sizeof place->said, "%s", text);
}

/* `settings` of memory; `kept`: with the directory. */
static enum strata_status try_open(struct place *place, const char *settings, bool kept, const char *behind,
                                   struct strata_cache **ret_cache) {
    char text[TEXT_SIZE];
    struct strata_options options = {.error_text = place->told,
                                     .error_text_size = sizeof place->told,
                                     .on_message = note_message,
                                     .on_message_context = place};
    snprintf(text, sizeof text, "memory:%s,memory-file=%s%s%s%s", settings, place->memory, kept ? ",dir=" : "",
             kept ? place->directory : "", behind);
    place->said[0] = 0;
    return strata_open(text, &options, ret_cache);
}

static struct strata_cache *open_left(struct place *place, const char *settings, bool kept) {
    struct strata_cache *cache;
    if (try_open(place, settings, kept, "", &cache) != STRATA_OK)
        fail_msg("%s: %s", place->memory, place->told);
    return cache;
}

static void expect_attached(struct strata_cache *cache, const struct place *place) {
    if (testing_stats(cache).memory_file_attached != 1 || !strstr(place->said, "is as it was"))
        fail_msg("%s", place->said);
}

static void expect_anew(struct strata_cache *cache, const struct place *place, const char *why) {
    assert_int_equal(testing_stats(cache).memory_file_attached, 0);
    const char *begins = strstr(place->said, "begins anew: ");
    if (!begins || strcmp(begins + strlen("begins anew: "), why) != 0)
        fail_msg("'%s' does not say '%s'", place->said, why);
}

/* In another process; what it does has to end well. */
static void elsewhere(void (*act)(struct place *place, bool kept), struct place *place, bool kept, int signal) {
    int status;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        act(place, kept);
        if (signal)
            kill(getpid(), signal);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(signal ? WIFSIGNALED(status) && WTERMSIG(status) == signal : WIFEXITED(status) && !WEXITSTATUS(status));
}

#define DEMAND(holds) \
    do                \
        if (!(holds)) \
            _exit(1); \
    while (0)

static char large[LARGE];

static void write_some(struct strata_cache *cache) {
    struct strata_set_options lasting = {.ttl_ms = 3600000}, brief = {.ttl_ms = 1};
    memset(large, 'l', sizeof large);
    DEMAND(testing_set(cache, "plain", "1") == STRATA_OK && testing_set(cache, "gone", "1") == STRATA_OK);
    DEMAND(strata_delete(cache, "gone", 4) == STRATA_OK);
    DEMAND(strata_append(cache, "plain", 5, "23", 2, NULL) == STRATA_OK);
    DEMAND(strata_delete(cache, "count", 5) >= 0); /* what was before */
    DEMAND(strata_increment(cache, "count", 5, 7, NULL, NULL) == STRATA_OK);
    DEMAND(strata_set(cache, "brief", 5, "x", 1, &brief, NULL) == STRATA_OK);
    DEMAND(strata_set(cache, "lasting", 7, "y", 1, &lasting, NULL) == STRATA_OK);
    DEMAND(strata_set(cache, "large", 5, large, sizeof large, NULL, NULL) == STRATA_OK);
}

static void live(struct place *place, bool kept) {
    struct strata_cache *cache;
    DEMAND(try_open(place, "8mb", kept, "", &cache) == STRATA_OK);
    write_some(cache);
    strata_close(cache);
}

static void live_on(struct place *place, bool kept) {
    struct strata_cache *cache;
    DEMAND(try_open(place, "8mb", kept, "", &cache) == STRATA_OK);
    write_some(cache);
    DEMAND(strata_sync(cache) == STRATA_OK);
}

static void check_some(struct strata_cache *cache) {
    uint64_t ttl_ms;
    void *value;
    size_t size;
    assert_string_equal(testing_get(cache, "plain"), "123");
    assert_string_equal(testing_get(cache, "gone"), "-");
    assert_string_equal(testing_get(cache, "brief"), "-");
    assert_string_equal(testing_get(cache, "count"), "7");
    assert_int_equal(strata_ttl(cache, "lasting", 7, &ttl_ms), STRATA_OK);
    assert_true(ttl_ms > 3000000 && ttl_ms <= 3600000);
    assert_int_equal(strata_get_copy(cache, "large", 5, &value, &size), STRATA_OK);
    memset(large, 'l', sizeof large);
    assert_true(size == sizeof large && memcmp(value, large, size) == 0);
    strata_free(cache, value, size);
}

static void another_process_finds_it_as_it_was(void **state) {
    (void)state;
    for (int kept = 0; kept < 2; kept++) {
        struct place place;
        struct stat facts;
        begin(&place);
        elsewhere(live, &place, kept, 0);
        assert_int_equal(stat(place.memory, &facts), 0);
        assert_int_equal(facts.st_mode & 0777, 0600);
        for (int opening = 0; opening < 2; opening++) {
            struct strata_cache *cache = open_left(&place, "8mb", kept);
            expect_attached(cache, &place);
            check_some(cache);
            testing_close(cache);
        }
        end(&place);
    }
}

static void what_was_killed_begins_anew_or_from_its_log(void **state) {
    (void)state;
    for (int kept = 0; kept < 2; kept++) {
        struct place place;
        begin(&place);
        elsewhere(live, &place, kept, 0); /* so there was something to begin from */
        elsewhere(live_on, &place, kept, SIGKILL);
        struct strata_cache *cache = open_left(&place, "8mb", kept);
        expect_anew(cache, &place, "it was not closed in order");
        if (kept)
            check_some(cache);
        else
            assert_int_equal(testing_stats(cache).entries, 0);
        assert_int_equal(testing_set(cache, "plain", "since"), STRATA_OK);
        testing_close(cache);
        cache = open_left(&place, "8mb", kept);
        expect_attached(cache, &place);
        assert_string_equal(testing_get(cache, "plain"), "since");
        testing_close(cache);
        end(&place);
    }
}

static void versions_do_not_come_again(void **state) {
    struct place place;
    uint64_t version, again;
    char value[8];
    size_t size;
    (void)state;
    begin(&place);
    struct strata_cache *cache = open_left(&place, "8mb", false);
    assert_int_equal(strata_set(cache, "k", 1, "1", 1, NULL, &version), STRATA_OK);
    testing_close(cache);
    cache = open_left(&place, "8mb", false);
    assert_int_equal(strata_get_versioned(cache, "k", 1, value, sizeof value, &size, &again), STRATA_OK);
    assert_int_equal(again, version);
    assert_int_equal(strata_set(cache, "k", 1, "2", 1, NULL, &again), STRATA_OK);
    assert_true(again > version);
    testing_close(cache);
    end(&place);
}

/* ------------------------------------------------------------------------------------------ what differs */

static void write_at(const struct place *place, off_t at, const void *bytes, size_t size) {
    int file = open(place->memory, O_RDWR);
    assert_true(file >= 0);
    assert_int_equal(pwrite(file, bytes, size, at), size);
    assert_int_equal(close(file), 0);
}

static void other_settings_hold_or_begin_anew(void **state) {
    static const struct {
        const char *settings, *why; /* NULL: it is as it was */
    } next[] = {
        {"12mb", NULL},
        {"8mb,policy=lru,entries=1000", NULL},
        {"8mb,ttl=1h", NULL},
        {"40mb", "the memory limit is too far from what it was cut up for"},
        {"1mb", "the memory limit is too far from what it was cut up for"},
        {"8mb,shards=4", "there are to be another number of shards"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(next); i++) {
        struct place place;
        begin(&place);
        struct strata_cache *cache = open_left(&place, "8mb", false);
        assert_int_equal(testing_set(cache, "k", "v"), STRATA_OK);
        testing_close(cache);
        cache = open_left(&place, next[i].settings, false);
        if (next[i].why)
            expect_anew(cache, &place, next[i].why);
        else
            expect_attached(cache, &place);
        assert_string_equal(testing_get(cache, "k"), next[i].why ? "-" : "v");
        struct strata_statistics statistics = testing_stats(cache);
        assert_true(statistics.limit_bytes <= statistics.limit_max_bytes);
        if (i == 0)
            assert_true(statistics.limit_bytes == 12 << 20 && statistics.limit_max_bytes == 32 << 20);
        if (i == 1)
            assert_int_equal(statistics.entries_max, 1000);
        testing_close(cache);
        end(&place);
    }
}

static void what_is_damaged_or_of_another_version_begins_anew(void **state) {
    static const struct {
        off_t at;
        const char *why;
    } damages[] = {{50, "its head is damaged"}, {72 + 10, "it is of another version of the program"}};
    struct place place;
    (void)state;
    begin(&place);
    struct strata_cache *cache = open_left(&place, "8mb", false);
    expect_anew(cache, &place, "it is new");
    for (size_t i = 0; i < COUNT_OF(damages); i++) {
        testing_close(cache);
        write_at(&place, damages[i].at, "?", 1);
        cache = open_left(&place, "8mb", false);
        expect_anew(cache, &place, damages[i].why);
    }
    testing_close(cache);
    assert_int_equal(truncate(place.memory, 3 << 20), 0);
    cache = open_left(&place, "8mb", false);
    expect_anew(cache, &place, "it is shorter than it was");
    assert_int_equal(testing_set(cache, "k", "v"), STRATA_OK);
    testing_close(cache);
    uint8_t zeros[64] = {0}; /* of the range's head */
    write_at(&place, 2 << 20, zeros, sizeof zeros);
    cache = open_left(&place, "8mb", false);
    expect_anew(cache, &place, "it holds no cache");
    testing_close(cache);
    end(&place);
}

static void files_of_others_are_left_alone(void **state) {
    struct place place, disk;
    struct strata_cache *cache, *other;
    char text[64] = "";
    (void)state;
    begin(&place);
    int file = open(place.memory, O_RDWR | O_CREAT, 0600);
    assert_int_equal(write(file, "StrtMem1 of a server", 20), 20);
    assert_int_equal(try_open(&place, "8mb", false, "", &cache), STRATA_INVALID);
    assert_non_null(strstr(place.told, "is a file of somebody else"));
    assert_int_equal(pread(file, text, sizeof text, 0), 20);
    assert_string_equal(text, "StrtMem1 of a server");
    close(file);
    assert_int_equal(unlink(place.memory), 0);
    cache = open_left(&place, "8mb", false);
    assert_int_equal(try_open(&place, "8mb", false, "", &other), STRATA_BUSY);
    char told[STRATA_ERROR_TEXT_SIZE];
    snprintf(told, sizeof told, "process %d has its cache in '%s'", (int)getpid(), place.memory);
    assert_string_equal(place.told, told);
    assert_int_equal(testing_set(cache, "k", "v"), STRATA_OK);
    testing_close(cache);
    cache = open_left(&place, "8mb", false);
    expect_attached(cache, &place); /* who was refused has changed nothing */
    testing_close(cache);
    begin(&disk);
    snprintf(disk.memory, sizeof disk.memory, "%.40s/x", disk.directory);
    assert_int_equal(try_open(&disk, "8mb", false, "", &cache), STRATA_INVALID);
    assert_non_null(strstr(disk.told, "is no file of a file system in memory (tmpfs)"));
    assert_int_equal(access(disk.memory, F_OK), -1);
    end(&disk);
    end(&place);
}

static void without_room_it_is_refused(void **state) {
    struct place place;
    struct strata_cache *cache;
    (void)state;
    begin(&place);
#if !SANITIZED /* sanitizers have mapped terabytes themselves */
    assert_int_equal(try_open(&place, "400gb", false, "", &cache), STRATA_IO);
    assert_non_null(strstr(place.told, "' has room for "));
    cache = open_left(&place, "8mb,max=400gb", false);
    assert_int_equal(strata_limit_set(cache, 16 << 20), STRATA_OK);
    assert_int_equal(strata_limit_set(cache, 400ull << 30), STRATA_IO);
    assert_int_equal(testing_stats(cache).limit_bytes, 16 << 20);
    testing_close(cache);
#endif
    struct strata_options options = {.memory_file = "/dev/shm/x"};
    assert_int_equal(strata_open("memory:memory-file=/dev/shm/y", &options, &cache), STRATA_INVALID);
    options.memory_file = "";
    assert_int_equal(strata_open("memory", &options, &cache), STRATA_INVALID);
    end(&place);
}

static void an_opening_that_fails_leaves_it(void **state) {
    (void)state;
    for (int kept = 0; kept < 2; kept++) {
        struct place place;
        struct strata_cache *cache;
        begin(&place);
        elsewhere(live, &place, kept, 0);
        for (int i = 0; i < 2; i++) {
            if (kept) { /* somebody has the directory */
                struct directory directory;
                int owner;
                assert_int_equal(directory_open(place.directory, false, &directory), STATUS_OK);
                assert_int_equal(directory_lock(&directory, &owner), STATUS_OK);
                assert_int_equal(try_open(&place, "8mb", true, "", &cache), STRATA_BUSY);
                directory_close(&directory);
            } else {
                assert_int_equal(try_open(&place, "8mb", false, " file:/nowhere/x:8mb", &cache), STRATA_IO);
            }
        }
        cache = open_left(&place, "8mb", kept);
        if (kept)
            expect_attached(cache, &place);
        testing_close(cache);
        end(&place);
    }
}

static void what_is_held_at_the_end_is_not_kept(void **state) {
    struct place place;
    struct strata_pinned pinned;
    (void)state;
    begin(&place);
    struct strata_cache *cache = open_left(&place, "8mb", false);
    write_some(cache);
    assert_int_equal(strata_pin(cache, "large", 5, &pinned), STRATA_OK);
    strata_close(cache);
    assert_non_null(strstr(place.said, "is not kept"));
    assert_non_null(strstr(place.said, ": a reader holds a value"));
    cache = open_left(&place, "8mb", false);
    expect_anew(cache, &place, "it was not closed in order");
    testing_close(cache);
    end(&place);
}

/* ------------------------------------------------------------------------------------------ beside a log, and a tier */

static struct strata_cache *open_log_alone(const struct place *place) {
    char text[TEXT_SIZE];
    struct strata_cache *cache;
    snprintf(text, sizeof text, "memory:8mb,dir=%s", place->directory);
    assert_int_equal(strata_open(text, NULL, &cache), STRATA_OK);
    return cache;
}

static void what_the_log_has_behind_is_applied(void **state) {
    struct place place, other;
    (void)state;
    begin(&place);
    elsewhere(live, &place, true, 0);
    struct strata_cache *cache = open_log_alone(&place);
    assert_int_equal(testing_set(cache, "later", "1"), STRATA_OK);
    assert_int_equal(strata_delete(cache, "count", 5), STRATA_OK);
    testing_close(cache);
    cache = open_left(&place, "8mb", true);
    expect_attached(cache, &place);
    assert_string_equal(testing_get(cache, "later"), "1");
    assert_string_equal(testing_get(cache, "count"), "-");
    assert_string_equal(testing_get(cache, "plain"), "123");
    testing_close(cache);
    /* Another log. */
    begin(&other);
    assert_int_equal(unlink(other.memory), -1);
    memcpy(other.memory, place.memory, sizeof other.memory);
    cache = open_log_alone(&other);
    assert_int_equal(testing_set(cache, "another", "1"), STRATA_OK);
    testing_close(cache);
    cache = open_left(&other, "8mb", true);
    assert_non_null(strstr(other.said, "begins anew: it does not belong to the log: "));
    assert_string_equal(testing_get(cache, "another"), "1");
    assert_string_equal(testing_get(cache, "plain"), "-");
    testing_close(cache);
    /* None, and then one again. */
    cache = open_left(&other, "8mb", false);
    expect_attached(cache, &other);
    assert_int_equal(testing_set(cache, "unlogged", "1"), STRATA_OK);
    testing_close(cache);
    cache = open_left(&other, "8mb", true);
    expect_anew(cache, &other, "it was kept without a log, and now there is to be one");
    assert_string_equal(testing_get(cache, "unlogged"), "-");
    testing_close(cache);
    end(&other);
    end(&place);
}

/* What was in memory is there again; what was in the file is evicted with its end. With a log as well, nothing is kept: the log has what the memory would lack. */
static void beside_a_file_behind_memory(void **state) {
    (void)state;
    for (int kept = 0; kept < 2; kept++) {
        struct place place;
        struct strata_cache *cache;
        char file[PATH_SIZE + 32], value[900] = {0};
        uint32_t there = 0;
        begin(&place);
        snprintf(file, sizeof file, " file:%s/x:8mb", place.directory);
        char logged[PATH_SIZE + 8];
        snprintf(logged, sizeof logged, "%.40s/log", place.directory);
        struct place inner = place;
        if (kept)
            memcpy(inner.directory, logged, sizeof inner.directory);
        assert_int_equal(try_open(&inner, "1mb", kept, file, &cache), STRATA_OK);
        for (uint32_t key = 0; key < 3000; key++) {
            assert_int_equal(strata_set(cache, &key, sizeof key, value, sizeof value, NULL, NULL), STRATA_OK);
            size_t size;
            assert_int_equal(strata_get(cache, &key, sizeof key, value, sizeof value, &size), STRATA_OK);
        }
        struct strata_statistics statistics = testing_stats(cache);
        assert_true(statistics.file_entries > 100);
        testing_close(cache);
        assert_int_equal(try_open(&inner, "1mb", kept, file, &cache), STRATA_OK);
        if (kept)
            expect_anew(cache, &inner, "there are a directory and a file");
        else
            expect_attached(cache, &inner);
        for (uint32_t key = 0; key < 3000; key++)
            there += strata_exists(cache, &key, sizeof key) == STRATA_OK;
        assert_true(there > 100 && there == testing_stats(cache).entries);
        if (!kept)
            assert_int_equal(there, statistics.entries - statistics.file_entries);
        testing_close(cache);
        if (kept)
            testing_remove_directory(logged);
        end(&place);
    }
}

static void what_is_there_is_what_was_written_last(void **state) {
    struct rng rng = rng_seeded(unit_seed());
    (void)state;
    for (int kept = 0; kept < 2; kept++) {
        struct place place;
        uint32_t wanted[MODEL_KEYS] = {0}; /* 0: not there */
        begin(&place);
        for (int opening = 0; opening < MODEL_OPENINGS; opening++) {
            struct strata_cache *cache = open_left(&place, rng_below(&rng, 2) ? "8mb" : "16mb", kept);
            if (opening)
                expect_attached(cache, &place);
            for (uint32_t key = 0; key < MODEL_KEYS; key++) {
                uint32_t value[2000] = {0};
                size_t size = 0;
                enum strata_status status = strata_get(cache, &key, sizeof key, value, sizeof value, &size);
                if (status != (wanted[key] ? STRATA_OK : STRATA_MISS) || (wanted[key] && value[0] != wanted[key]))
                    fail_msg("key %u: %d, %u and not %u (STRATA_SEED=%llu)", key, status, value[0], wanted[key],
                             (unsigned long long)unit_seed());
            }
            for (uint32_t i = 1; i <= MODEL_STEPS; i++) {
                uint32_t key = (uint32_t)rng_below(&rng, MODEL_KEYS), value[2000] = {wanted[key] + i};
                if (rng_below(&rng, 3) == 0) {
                    assert_true(strata_delete(cache, &key, sizeof key) >= 0);
                    wanted[key] = 0;
                } else {
                    size_t size = sizeof key * (1 + rng_below(&rng, key % 20 == 0 ? 2000 : 30));
                    assert_int_equal(strata_set(cache, &key, sizeof key, value, size, NULL, NULL), STRATA_OK);
                    wanted[key] += i;
                }
            }
            testing_close(cache);
        }
        end(&place);
    }
}

/* ------------------------------------------------------------------------------------------ forks */

/* The child's: empty, and of its own. */
static int live_as_child(struct strata_cache *cache, struct strata_pinned *large_pin, struct strata_pinned *small_pin) {
    const void *bytes;
    size_t size;
    if (strcmp(testing_get(cache, "plain"), "-") != 0 || testing_stats(cache).entries != 0)
        return 1;
    if (strata_pinned_piece(cache, large_pin, 0, &bytes, &size) != STRATA_OK || size != 0)
        return 2;
    if (strata_pinned_piece(cache, small_pin, 0, &bytes, &size) != STRATA_OK || size != 3 ||
        memcmp(bytes, "123", 3) != 0)
        return 3;
    strata_unpin(cache, large_pin);
    strata_unpin(cache, small_pin);
    for (uint32_t key = 0; key < 20000; key++)
        if (strata_set(cache, &key, sizeof key, large, 600, NULL, NULL) != STRATA_OK)
            return 4;
    if (testing_set(cache, "plain", "child") != STRATA_OK || strcmp(testing_get(cache, "plain"), "child") != 0)
        return 5;
    if (strata_sync(cache) != STRATA_OK || testing_stats(cache).limit_bytes != 9 << 20)
        return 6;
    testing_close(cache);
    return 0;
}

static void use_a_fork(const char *behind, bool kept, bool parent_first) {
    struct place place;
    struct strata_cache *cache;
    struct strata_pinned large_pin, small_pin;
    int status, ends[2], begun[2];
    char byte;
    begin(&place);
    struct place inner = place;
    if (kept)
        snprintf(inner.directory, sizeof inner.directory, "%.40s/log", place.directory);
    char file[PATH_SIZE + 32] = "";
    if (behind)
        snprintf(file, sizeof file, behind, place.directory);
    assert_int_equal(try_open(&inner, "8mb", kept, file, &cache), STRATA_OK);
    write_some(cache);
    assert_int_equal(strata_limit_set(cache, 9 << 20), STRATA_OK);
    assert_int_equal(strata_pin(cache, "large", 5, &large_pin), STRATA_OK);
    assert_int_equal(strata_pin(cache, "plain", 5, &small_pin), STRATA_OK);
    assert_true(pipe(ends) == 0 && pipe(begun) == 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(ends[1]);
        DEMAND(write(begun[1], "b", 1) == 1);                  /* its copies of the locks are gone */
        DEMAND(!parent_first || read(ends[0], &byte, 1) == 0); /* the parent has closed its cache */
        _exit(live_as_child(cache, &large_pin, &small_pin));
    }
    close(ends[0]);
    assert_int_equal(read(begun[0], &byte, 1), 1);
    close(begun[0]);
    close(begun[1]);
    if (!parent_first) {
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
    }
    check_some(cache);
    strata_unpin(cache, &large_pin);
    strata_unpin(cache, &small_pin);
    testing_close(cache);
    /* The child has no lock that would outlive the parent's. */
    if (try_open(&inner, "8mb", kept, file, &cache) != STRATA_OK)
        fail_msg("%s", inner.told);
    check_some(cache);
    if (!behind || !kept)
        expect_attached(cache, &inner);
    testing_close(cache);
    close(ends[1]);
    if (parent_first) {
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
    }
    if (kept)
        testing_remove_directory(inner.directory);
    end(&place);
}

static void the_child_of_a_fork_begins_empty(void **state) {
    (void)state;
    for (int kept = 0; kept < 2; kept++)
        for (int parent_first = 0; parent_first < 2; parent_first++) {
            use_a_fork(NULL, kept, parent_first);
            use_a_fork(" file:%s/x:8mb", kept, parent_first);
        }
}

enum { THREADS = 3 };

struct storm {
    struct strata_cache *cache;
    _Atomic bool stop;
    _Atomic uint32_t failures;
};

static void *rage(void *context) {
    struct storm *storm = context;
    struct rng rng = rng_seeded(unit_seed());
    char value[3000] = {0};
    while (!atomic_load(&storm->stop)) {
        uint32_t key = (uint32_t)rng_below(&rng, 5000);
        size_t size = rng_below(&rng, key % 30 == 0 ? sizeof value : 300), got;
        if (rng_below(&rng, 2))
            storm->failures += strata_set(storm->cache, &key, sizeof key, value, size, NULL, NULL) != STRATA_OK;
        else
            storm->failures += strata_get(storm->cache, &key, sizeof key, value, sizeof value, &got) < 0;
    }
    return NULL;
}

static void forks_while_others_write_hurt_nobody(void **state) {
    struct place place;
    struct storm storm = {0};
    pthread_t threads[THREADS];
    int status;
    (void)state;
    begin(&place);
    storm.cache = open_left(&place, "4mb", true);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, rage, &storm), 0);
    for (int i = 0; i < 10; i++) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            DEMAND(testing_stats(storm.cache).entries == 0);
            for (uint32_t key = 0; key < 3000; key++)
                DEMAND(strata_set(storm.cache, &key, sizeof key, large, 1000, NULL, NULL) == STRATA_OK);
            testing_close(storm.cache);
            _exit(0);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
    }
    atomic_store(&storm.stop, true);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(storm.failures, 0);
    uint64_t entries = testing_stats(storm.cache).entries;
    testing_close(storm.cache);
    storm.cache = open_left(&place, "4mb", true);
    expect_attached(storm.cache, &place);
    assert_int_equal(testing_stats(storm.cache).entries, entries);
    testing_close(storm.cache);
    end(&place);
}

UNIT_TESTS(image, UNIT(another_process_finds_it_as_it_was), UNIT(what_was_killed_begins_anew_or_from_its_log),
           UNIT(versions_do_not_come_again), UNIT(other_settings_hold_or_begin_anew),
           UNIT(what_is_damaged_or_of_another_version_begins_anew), UNIT(files_of_others_are_left_alone),
           UNIT(without_room_it_is_refused), UNIT(an_opening_that_fails_leaves_it),
           UNIT(what_is_held_at_the_end_is_not_kept), UNIT(what_the_log_has_behind_is_applied),
           UNIT(beside_a_file_behind_memory), UNIT(what_is_there_is_what_was_written_last),
           UNIT(the_child_of_a_fork_begins_empty), UNIT(forks_while_others_write_hurt_nobody));
