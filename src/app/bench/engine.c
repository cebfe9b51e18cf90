#include "app/bench/engine.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "app/bench/engine_floor.h"
#include "app/bench/engine_keys.h"
#include "base/assert.h"
#include "core/cache/cache.h"
#include "sys/os/clock.h"
#include "sys/os/futex.h"
#include "sys/os/pages.h"
#include "sys/os/thread.h"

enum {
    ENTRY_BYTES = 160, /* of the limit, for each entry: twice what it takes */
    LIMIT_SPARE = 64 << 20,
    TTL_MS = 1000,
    WRITES_MAX = 1 << 20, /* in one measurement */
    WRITES_SHARE = 8,     /* of the entries, that are deleted and set again in one measurement */
    HOUSEKEEPING_MAX = 1 << 20,
};

#define START_MS 1700000000000u

const uint32_t engine_thread_steps[ENGINE_THREAD_STEPS] = {1, 2, 4, 16};

/* One thread's own things. */
struct worker {
    struct cache *cache;
    const struct floor *floor;
    struct actor actor;
    struct rng rng;
    struct engine_keys keys;
    uint64_t failures; /* calls that did not do what they should */
    uint64_t expires_at_ms;
};

struct run {
    const struct engine_options *options;
    struct engine_result *result;
    struct cache *cache;
    void *range;
    uint64_t range_size;
    struct floor floor;
    struct worker workers[ENGINE_THREADS_MAX];
};

/* --------------------------------------------------------------- single calls and batches */

static void *reserve(void *context, uint64_t size) { return size <= CACHE_GLANCE_MAX ? context : NULL; }

/* The first word of the value, which is the key's number and one; 0: there is none. */
static inline uint64_t look(struct worker *worker, const struct cache_key *key) {
    uint8_t value[CACHE_GLANCE_MAX];
    struct cache_sight sight;
    enum cache_glance glance = cache_glance(worker->cache, &worker->actor, key, &sight);
    if (glance == CACHE_GLANCE_UNSURE ||
        (glance == CACHE_GLANCE_HIT && !cache_glance_copy(&worker->actor, &sight, value))) {
        struct cache_read read = {.size_max = UINT64_MAX, .reserve = reserve, .context = value};
        bool found;
        if (cache_get(worker->cache, &worker->actor, key, &read, &found) != STATUS_OK)
            return 0;
        glance = found ? CACHE_GLANCE_HIT : CACHE_GLANCE_MISS;
    }
    uint64_t word = 0;
    if (glance == CACHE_GLANCE_HIT)
        memcpy(&word, value, sizeof word);
    return word;
}

static inline void store(struct worker *worker, const struct cache_key *key, uint64_t number) {
    uint64_t value[ENGINE_VALUE_SIZE / 8] = {number + 1, number, number, number};
    worker->failures += cache_set(worker->cache, &worker->actor, key, slice_make(value, sizeof value),
                                  worker->expires_at_ms) != STATUS_OK;
}

typedef uint64_t (*chunk)(struct worker *worker); /* works on all of worker->keys */

static uint64_t get_alone(struct worker *worker) {
    uint64_t zero = engine_zero(), last = 0, sum = 0;
    for (uint64_t i = 0; i < worker->keys.count; i++) {
        struct cache_key key = cache_key(worker->cache, 0, engine_key(&worker->keys, i ^ (last & zero)));
        last = look(worker, &key);
        sum += last;
    }
    return sum;
}

static uint64_t get_row(struct worker *worker) {
    uint64_t sum = 0;
    for (uint64_t i = 0; i < worker->keys.count; i++) {
        struct cache_key key = cache_key(worker->cache, 0, engine_key(&worker->keys, i));
        sum += look(worker, &key);
    }
    return sum;
}

/* Hashes up to ENGINE_BATCH keys and has their buckets and entries loaded; answers how many. */
static inline uint64_t prefetch(struct worker *worker, uint64_t from, struct cache_key batch[ENGINE_BATCH]) {
    uint64_t rest = worker->keys.count - from, count = rest < ENGINE_BATCH ? rest : ENGINE_BATCH;
    for (uint64_t i = 0; i < count; i++) {
        batch[i].name = engine_key(&worker->keys, from + i);
        batch[i].db = 0;
    }
    cache_keys_ahead(worker->cache, batch, count);
    cache_entries_ahead(worker->cache, batch, count);
    return count;
}

static uint64_t get_batch(struct worker *worker) {
    uint8_t values[ENGINE_BATCH][ENGINE_VALUE_SIZE];
    struct cache_wish wishes[ENGINE_BATCH];
    uint64_t sum = 0;
    for (uint64_t from = 0; from < worker->keys.count; from += ENGINE_BATCH) {
        uint64_t rest = worker->keys.count - from, count = rest < ENGINE_BATCH ? rest : ENGINE_BATCH;
        for (uint64_t i = 0; i < count; i++) {
            wishes[i].name = engine_key(&worker->keys, from + i);
            wishes[i].to = values[i];
            wishes[i].room = sizeof values[i];
        }
        cache_glance_many(worker->cache, &worker->actor, 0, wishes, (uint32_t)count);
        for (uint64_t i = 0; i < count; i++) {
            uint64_t word = 0;
            if (wishes[i].answer == CACHE_GLANCE_HIT)
                memcpy(&word, values[i], sizeof word);
            worker->failures += wishes[i].answer == CACHE_GLANCE_UNSURE;
            sum += word;
        }
    }
    return sum;
}

static uint64_t set_row(struct worker *worker) {
    for (uint64_t i = 0; i < worker->keys.count; i++) {
        struct cache_key key = cache_key(worker->cache, 0, engine_key(&worker->keys, i));
        store(worker, &key, worker->keys.numbers[i]);
    }
    return 0;
}

static uint64_t set_batch(struct worker *worker) {
    struct cache_key batch[ENGINE_BATCH];
    for (uint64_t from = 0; from < worker->keys.count; from += ENGINE_BATCH) {
        uint64_t count = prefetch(worker, from, batch);
        for (uint64_t i = 0; i < count; i++)
            store(worker, &batch[i], worker->keys.numbers[from + i]);
    }
    return 0;
}

static uint64_t delete_row(struct worker *worker) {
    for (uint64_t i = 0; i < worker->keys.count; i++) {
        struct cache_key key = cache_key(worker->cache, 0, engine_key(&worker->keys, i));
        worker->failures += !cache_delete(worker->cache, &worker->actor, &key);
    }
    return 0;
}

static uint64_t delete_batch(struct worker *worker) {
    struct cache_key batch[ENGINE_BATCH];
    for (uint64_t from = 0; from < worker->keys.count; from += ENGINE_BATCH) {
        uint64_t count = prefetch(worker, from, batch);
        for (uint64_t i = 0; i < count; i++)
            worker->failures += !cache_delete(worker->cache, &worker->actor, &batch[i]);
    }
    return 0;
}

static uint64_t run_floor_alone(struct worker *worker) { return floor_alone(worker->floor, &worker->keys); }
static uint64_t run_floor_row(struct worker *worker) { return floor_row(worker->floor, &worker->keys); }
static uint64_t run_floor_batch(struct worker *worker) { return floor_batch(worker->floor, &worker->keys); }

/* ----------------------------------------------------------------------- timed stretches */

/* Keys at random from `first` on; `sums`: what is read must be the sum of the keys (0: nothing is found). Nanoseconds a call. */
static double time_random(struct worker *worker, chunk work, uint64_t calls, uint32_t first, uint32_t range, int sums) {
    uint64_t ns = 0, done = 0;
    while (done < calls) {
        uint64_t rest = calls - done, count = rest < ENGINE_CHUNK ? rest : ENGINE_CHUNK;
        engine_keys_random(&worker->keys, (uint32_t)count, first, range, &worker->rng);
        uint64_t begin_ns = clock_thread_cpu_ns();
        uint64_t sum = work(worker);
        ns += clock_thread_cpu_ns() - begin_ns;
        if (sums >= 0 && sum != (sums ? worker->keys.numbers_sum + count : 0))
            worker->failures++;
        __asm__ volatile("" : : "r"(sum));
        done += count;
    }
    return (double)ns / (double)calls;
}

/* A step that visits every number below `range`. */
static uint64_t stride_for(uint32_t range) {
    for (uint64_t stride = 1000003;; stride++) {
        uint64_t a = stride, b = range;
        while (b) {
            uint64_t rest = a % b;
            a = b, b = rest;
        }
        if (a == 1)
            return stride;
    }
}

/* `calls` different keys, from a random one on: the same ones for the same `start`. */
static double time_stride(struct worker *worker, chunk work, uint64_t calls, uint64_t start, uint32_t range) {
    uint64_t stride = stride_for(range), ns = 0;
    for (uint64_t done = 0; done < calls; done += worker->keys.count) {
        uint64_t rest = calls - done, count = rest < ENGINE_CHUNK ? rest : ENGINE_CHUNK;
        engine_keys_stride(&worker->keys, (uint32_t)count, start, done, stride, range);
        uint64_t begin_ns = clock_thread_cpu_ns();
        (void)work(worker);
        ns += clock_thread_cpu_ns() - begin_ns;
    }
    return (double)ns / (double)calls;
}

/* ------------------------------------------------------------------------------- rounds */

static void measure_reads(struct run *run, uint32_t round) {
    static const chunk floors[] = {run_floor_alone, run_floor_row, run_floor_batch};
    static const chunk gets[] = {get_alone, get_row, get_batch};
    struct worker *worker = &run->workers[0];
    uint32_t entries = (uint32_t)run->options->entries;
    uint64_t calls = run->options->operations;
    for (int way = 0; way < ENGINE_WAYS; way++) {
        run->result->ns[ENGINE_FLOOR][way][round] = time_random(worker, floors[way], calls, 0, entries, -1);
        run->result->ns[ENGINE_GET_HIT][way][round] = time_random(worker, gets[way], calls, 0, entries, 1);
        run->result->ns[ENGINE_GET_MISS][way][round] = time_random(worker, gets[way], calls, entries, entries, 0);
    }
}

static void measure_writes(struct run *run, uint32_t round) {
    static const chunk sets[] = {NULL, set_row, set_batch}, deletes[] = {NULL, delete_row, delete_batch};
    struct worker *worker = &run->workers[0];
    uint32_t entries = (uint32_t)run->options->entries;
    uint64_t share = entries / WRITES_SHARE + 1, calls = run->options->operations;
    uint64_t some = share < WRITES_MAX ? share : WRITES_MAX;
    for (int way = ENGINE_ROW; way < ENGINE_WAYS; way++) {
        double deleting = 0, setting = 0;
        uint32_t times = 0;
        for (uint64_t done = 0; done < calls; done += some, times++) {
            uint64_t start = rng_below(&worker->rng, entries);
            deleting += time_stride(worker, deletes[way], some, start, entries);
            setting += time_stride(worker, sets[way], some, start, entries);
        }
        run->result->ns[ENGINE_DELETE][way][round] = deleting / times;
        run->result->ns[ENGINE_SET_NEW][way][round] = setting / times;
        run->result->ns[ENGINE_OVERWRITE][way][round] = time_random(worker, sets[way], calls, 0, entries, -1);
    }
}

/* As many entries as the writes take, with an expiry, beside the others; then their time comes. */
static void measure_expiry(struct run *run, uint32_t round) {
    struct worker *worker = &run->workers[0];
    uint32_t entries = (uint32_t)run->options->entries, share = entries / WRITES_SHARE + 1;
    uint32_t some = share < WRITES_MAX ? share : WRITES_MAX;
    uint64_t ns = 0;
    worker->expires_at_ms = worker->actor.now_ms + TTL_MS;
    double setting = 0;
    for (uint32_t done = 0; done < some; done += worker->keys.count) {
        uint32_t rest = some - done, count = rest < ENGINE_CHUNK ? rest : ENGINE_CHUNK;
        engine_keys_stride(&worker->keys, count, 0, done, 1, some);
        for (uint32_t i = 0; i < count; i++) /* names of their own */
            worker->keys.bytes[i][0] = 'x';
        uint64_t begin_ns = clock_thread_cpu_ns();
        (void)set_row(worker);
        setting += (double)(clock_thread_cpu_ns() - begin_ns);
    }
    worker->expires_at_ms = 0;
    worker->failures += cache_count_expiring(run->cache, 0) != some;
    worker->actor.now_ms += TTL_MS;
    uint64_t left = some;
    for (uint32_t i = 0; i < HOUSEKEEPING_MAX && left; i++) {
        uint64_t begin_ns = clock_thread_cpu_ns();
        bool more = cache_housekeep(run->cache, &worker->actor);
        uint64_t slice_ns = clock_thread_cpu_ns() - begin_ns, now_left = cache_count_expiring(run->cache, 0);
        ns += now_left < left ? slice_ns : 0; /* slices that removed nothing come all the time, for whatever reason */
        left = now_left;
        worker->actor.now_ms += !more;
    }
    worker->failures += cache_count_expiring(run->cache, 0) != 0;
    run->result->ns[ENGINE_SET_EXPIRING][ENGINE_ROW][round] = setting / some;
    run->result->ns[ENGINE_EXPIRE][ENGINE_ROW][round] = (double)ns / some;
}

/* ------------------------------------------------------------------------------- threads */

struct reader {
    struct run *run;
    struct worker *worker;
    struct thread thread;
    _Atomic uint32_t *waiting; /* how many are not there yet */
    chunk work;
    double ns;
};

static void read_in_thread(void *context) {
    struct reader *reader = context;
    const struct engine_options *options = reader->run->options;
    if (atomic_fetch_sub(reader->waiting, 1) == 1)
        futex_wake(NULL, reader->waiting);
    for (uint32_t seen; (seen = atomic_load(reader->waiting)) != 0;)
        futex_wait(NULL, reader->waiting, seen);
    reader->ns = time_random(reader->worker, reader->work, options->operations, 0, (uint32_t)options->entries, 1);
}

/* Get hits of several threads at the same time: processor time an operation, over all of them. */
static enum status time_threads(struct run *run, uint32_t count, chunk work, double *ret_ns) {
    struct reader readers[ENGINE_THREADS_MAX];
    _Atomic uint32_t waiting = count;
    uint32_t started = 0;
    enum status status = STATUS_OK;
    for (; started < count && status == STATUS_OK; started++) {
        struct reader *reader = &readers[started];
        *reader = (struct reader){.run = run, .worker = &run->workers[started], .waiting = &waiting, .work = work};
        reader->worker->actor.now_ms = run->workers[0].actor.now_ms;
        status = thread_start(&reader->thread, "bench", read_in_thread, reader);
        if (status != STATUS_OK) {
            atomic_store(&waiting, 0); /* nobody waits for the others */
            futex_wake(NULL, &waiting);
            break;
        }
    }
    double sum = 0;
    for (uint32_t i = 0; i < started; i++) {
        thread_join(&readers[i].thread);
        sum += readers[i].ns;
    }
    *ret_ns = sum / count;
    return status;
}

static enum status measure_threads(struct run *run, uint32_t round) {
    static const chunk gets[] = {NULL, get_row, get_batch};
    for (int step = 0; step < ENGINE_THREAD_STEPS; step++) {
        if (engine_thread_steps[step] > run->options->threads)
            break;
        for (int way = ENGINE_ROW; way < ENGINE_WAYS; way++)
            TRY(time_threads(run, engine_thread_steps[step], gets[way], &run->result->threads_ns[step][way][round]));
    }
    return STATUS_OK;
}

/* ---------------------------------------------------------------------------- the whole */

static enum status open_cache(struct run *run) {
    uint64_t limit = run->options->entries * ENTRY_BYTES + LIMIT_SPARE;
    run->range_size = limit;
    TRY(pages_take(run->range_size, &run->range));
    struct cache_options options = {
        .range = run->range,
        .range_size = run->range_size,
        .limit_bytes = limit,
        .cores = thread_cores(),
        .shards = (unsigned)run->options->shards,
        .policy = CACHE_ALLKEYS_LFU,
        .seed = run->options->seed,
        .waiting = {.wait = futex_wait, .wake = futex_wake},
        .backing = {.huge_size = PAGES_HUGE_SIZE, .dense = pages_dense, .release = pages_release},
        .memory = &memory_libc,
    };
    return cache_open(&options, &run->cache);
}

static void load(struct run *run) {
    struct worker *worker = &run->workers[0];
    uint32_t entries = (uint32_t)run->options->entries;
    (void)time_stride(worker, set_batch, entries, 0, entries);
    while (cache_housekeep(run->cache, &worker->actor)) {
    }
}

static enum status set_up(struct run *run) {
    TRY(open_cache(run));
    for (uint32_t i = 0; i < ENGINE_THREADS_MAX; i++) {
        struct worker *worker = &run->workers[i];
        worker->cache = run->cache;
        worker->floor = &run->floor;
        worker->actor = (struct actor){.id = i + 1, .now_ms = START_MS};
        worker->rng = rng_seeded(run->options->seed * 0x9e3779b97f4a7c15u + i);
    }
    load(run);
    struct cache_stats stats;
    cache_stats(run->cache, &stats);
    run->result->index_bytes = stats.index_bytes;
    run->result->live_bytes = stats.live_bytes;
    return floor_init(&run->floor, stats.index_bytes, stats.live_bytes);
}

static enum status run_all(struct run *run, char *ret_error) {
    snprintf(ret_error, ENGINE_ERROR_SIZE, "out of memory");
    TRY(set_up(run));
    uint64_t failures = 0;
    for (uint32_t round = 0; round < run->options->rounds; round++) {
        measure_reads(run, round);
        measure_writes(run, round);
        measure_expiry(run, round);
        TRY(measure_threads(run, round));
    }
    for (uint32_t i = 0; i < ENGINE_THREADS_MAX; i++)
        failures += run->workers[i].failures;
    if (!failures && cache_count(run->cache, 0) == run->options->entries)
        return STATUS_OK;
    snprintf(ret_error, ENGINE_ERROR_SIZE, "%llu calls did not do what they should, and %llu of %llu entries are there",
             (unsigned long long)failures, (unsigned long long)cache_count(run->cache, 0),
             (unsigned long long)run->options->entries);
    return STATUS_CORRUPT;
}

enum status engine_measure(const struct engine_options *options, struct engine_result *ret_result,
                           char ret_error[ENGINE_ERROR_SIZE]) {
    struct run *run = memory_take(&memory_libc, sizeof *run);
    if (!run) {
        snprintf(ret_error, ENGINE_ERROR_SIZE, "out of memory");
        return STATUS_NO_MEMORY;
    }
    memset(run, 0, sizeof *run);
    memset(ret_result, 0, sizeof *ret_result);
    ret_result->rounds = (uint32_t)options->rounds;
    run->options = options;
    run->result = ret_result;
    enum status status = run_all(run, ret_error);
    cache_close(run->cache);
    floor_fini(&run->floor);
    pages_give(run->range, run->range_size);
    memory_give(&memory_libc, run, sizeof *run);
    return status;
}
