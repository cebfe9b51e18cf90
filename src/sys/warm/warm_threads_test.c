/* sys/warm/warm_threads_test.c: threads add, replace and read while segments are written, reclaimed and kept. */
#include <poll.h>
#include <unistd.h>

#include "base/assert.h"
#include "sys/os/clock.h"
#include "sys/warm/warm_fixture.h"

enum { WORKERS = 3, KEYS = 256, SHARDS = 4, STEPS = 3000, SEGMENT = 16 * 1024 };

struct cell {
    uint64_t address, version;
};

struct play {
    struct disk *disk;
    struct faults faults;
    struct warm *warm;
    pthread_mutex_t shards[SHARDS]; /* of cells, by key */
    struct cell cells[KEYS];
    bool threads;
    _Atomic uint64_t wrong, found, stale, failed, refused;
};

struct worker {
    struct play *play;
    unsigned number;
    pthread_t thread;
    struct warm_reader *reader;
    struct rng rng;
};

struct ask {
    struct play *play;
    uint64_t key, version;
    bool used;
};

static size_t size_of(uint64_t key, uint64_t version) { return (key * 37 + version * 11) % 3000; }

static pthread_mutex_t *shard_of(struct play *play, uint64_t key) { return &play->shards[key % SHARDS]; }

static bool keep(void *context, const struct warm_item *item) {
    struct play *play = context;
    pthread_mutex_lock(shard_of(play, item->hash));
    bool is_current = play->cells[item->hash].address == item->address;
    pthread_mutex_unlock(shard_of(play, item->hash));
    return is_current && item->word % 3 == 0;
}

static void replace(struct play *play, const struct warm_item *item, uint64_t address) {
    pthread_mutex_lock(shard_of(play, item->hash));
    struct cell *cell = &play->cells[item->hash];
    if (cell->address == item->address) {
        play->wrong += cell->version != item->word;
        cell->address = address;
    }
    pthread_mutex_unlock(shard_of(play, item->hash));
}

static void moved(void *context, const struct warm_item *item, uint64_t address) { replace(context, item, address); }
static void gone(void *context, const struct warm_item *item, enum warm_cause cause) { replace(context, item, 0); }

static void gone_all(void *context, uint64_t first, uint64_t end) {
    struct play *play = context;
    for (uint64_t key = 0; key < KEYS; key++) {
        pthread_mutex_lock(shard_of(play, key));
        uint64_t position = warm_address_position(play->cells[key].address);
        if (position >= first && position < end)
            play->cells[key].address = 0;
        pthread_mutex_unlock(shard_of(play, key));
    }
}

static void add(struct worker *worker, uint64_t key) {
    struct play *play = worker->play;
    static const uint8_t filling[3000];
    uint64_t address = 0;
    pthread_mutex_lock(shard_of(play, key));
    struct cell *cell = &play->cells[key];
    uint64_t version = cell->version + 1;
    struct warm_record record = {
        .hash = key,
        .word = version,
        .parts = {slice_make(&version, 8), slice_make(&key, 8), slice_make(filling, size_of(key, version))},
    };
    enum status status = warm_add(play->warm, clock_steady_ns(), &record, &address);
    if (status == STATUS_OK)
        *cell = (struct cell){address, version};
    pthread_mutex_unlock(shard_of(play, key));
    play->refused += status != STATUS_OK;
    if (status == STATUS_BUSY)
        warm_settle(play->warm);
}

static void done(void *context, enum warm_outcome outcome, const struct warm_parts *parts) {
    struct ask *ask = context;
    struct play *play = ask->play;
    play->found += outcome == WARM_FOUND;
    play->stale += outcome == WARM_STALE;
    play->failed += outcome == WARM_FAILED;
    play->wrong += outcome == WARM_DAMAGED;
    if (outcome == WARM_FOUND)
        play->wrong += !slice_equal(parts->key, slice_make(&ask->key, 8)) ||
                       !slice_equal(parts->meta, slice_make(&ask->version, 8)) ||
                       parts->value.size != size_of(ask->key, ask->version);
    ask->used = false;
}

static void ask_for(struct worker *worker, uint64_t key, struct ask *ask) {
    struct play *play = worker->play;
    struct warm_request request = {.done = done, .context = ask};
    pthread_mutex_lock(shard_of(play, key));
    *ask = (struct ask){.play = play, .key = key, .version = play->cells[key].version};
    request.address = play->cells[key].address;
    request.generation = warm_generation(play->warm, request.address);
    pthread_mutex_unlock(shard_of(play, key));
    ask->used = request.address && warm_read(worker->reader, &request) == STATUS_OK;
}

static void wait_and_poll(struct worker *worker) {
    struct pollfd ready = {.fd = warm_reader_descriptor(worker->reader), .events = POLLIN};
    warm_reader_submit(worker->reader);
    if (warm_reader_pending(worker->reader) && poll(&ready, 1, 60000) == 1)
        (void)warm_reader_poll(worker->reader);
}

static void *work(void *context) {
    struct worker *worker = context;
    struct ask asks[16] = {0};
    for (unsigned i = 0; i < STEPS; i++) {
        uint64_t key = rng_below(&worker->rng, KEYS);
        struct ask *ask = &asks[rng_below(&worker->rng, 16)];
        if (rng_below(&worker->rng, 3) == 0)
            add(worker, key);
        else if (!ask->used)
            ask_for(worker, key, ask);
        if (i % 8 == 0)
            wait_and_poll(worker);
    }
    while (warm_reader_pending(worker->reader))
        wait_and_poll(worker);
    return NULL;
}

static void play_on(struct play *play, const struct files *files) {
    struct warm_options options = {
        .size_bytes = 24 * SEGMENT,
        .segment_bytes = SEGMENT,
        .keep_percent = 50,
        .hooks = {keep, moved, gone, gone_all, NULL, play},
    };
    struct warm_report report;
    struct worker workers[WORKERS];
    if (warm_open(files, &options, clock_steady_ns(), NULL, &report, &play->warm) != STATUS_OK)
        fail_msg("%s", report.reason);
    for (unsigned i = 0; i < SHARDS; i++)
        pthread_mutex_init(&play->shards[i], NULL);
    for (unsigned i = 0; i < WORKERS; i++) {
        struct warm_reader_options reader_options = {.depth_max = 16, .threads = play->threads};
        workers[i] = (struct worker){.play = play, .number = i, .rng = rng_seeded(unit_seed() + i)};
        assert_int_equal(warm_reader_new(play->warm, &reader_options, &workers[i].reader), STATUS_OK);
    }
    for (unsigned i = 0; i < WORKERS; i++)
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    for (unsigned i = 0; i < WORKERS; i++)
        pthread_join(workers[i].thread, NULL);
    warm_settle(play->warm);
    for (unsigned i = 0; i < WORKERS; i++)
        warm_reader_free(workers[i].reader);
    struct warm_statistics statistics;
    warm_statistics(play->warm, &statistics);
    assert_int_equal(play->wrong, 0);
    assert_true(play->found > 100 && statistics.written_segments > 24);
    MAYBE(warm_close(play->warm) != STATUS_OK); /* with faults it may not */
    for (unsigned i = 0; i < SHARDS; i++)
        pthread_mutex_destroy(&play->shards[i]);
}

static void workers_on_a_directory(bool threads) {
    struct play *play = calloc(1, sizeof *play);
    struct directory directory;
    char path[] = "/tmp/strata-warm-test-XXXXXX";
    assert_non_null(mkdtemp(path));
    assert_int_equal(directory_open(path, false, &directory), STATUS_OK);
    play->threads = threads;
    play_on(play, &directory.files);
    assert_int_equal(play->failed, 0);
    assert_int_equal(directory.files.remove(&directory, "warm"), STATUS_OK);
    directory_close(&directory);
    assert_int_equal(rmdir(path), 0);
    free(play);
}

static void workers_share_a_store_through_rings(void **state) { workers_on_a_directory(false); }
static void workers_share_a_store_through_threads(void **state) { workers_on_a_directory(true); }

static void workers_share_a_store_whose_disk_fails(void **state) {
    struct play *play = calloc(1, sizeof *play);
    play->disk = disk_new(&memory_libc, unit_seed(), 0);
    faults_init(&play->faults, disk_files(play->disk), play->disk, unit_seed());
    faults_random(&play->faults, FAULT_READ, 30);
    play_on(play, &play->faults.files);
    assert_true(play->failed > 0);
    faults_fini(&play->faults);
    disk_free(play->disk);
    free(play);
}

UNIT_TESTS(warm_threads, UNIT(workers_share_a_store_through_rings), UNIT(workers_share_a_store_through_threads),
           UNIT(workers_share_a_store_whose_disk_fails));
