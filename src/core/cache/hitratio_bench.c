/* Replays a trace of reads against the cache and prints its hit ratio: hitratio_bench [OPTIONS] [TRACE | -] or --check.
 *
 *     --percent P      the limit in percent of the key and value bytes of all objects (10)
 *     --limit BYTES    the limit itself
 *     --limit-min B    copies of the trace with key spaces of their own run side by side until the limit is that much (8 MiB)
 *     --shards N       shards (1)
 *     --policy NAME    as maxmemory-policy (allkeys-lfu)
 *     --sigma S        sizes of objects without one: lognormal, median 230 bytes (1.0)
 *     --seed N         of the sizes and of the cache
 *     --housekeep N    a slice of housekeeping after every N requests (0: never)
 *
 * A trace is text, a request a line: the number of an object, and its size in bytes where it has one; `#` begins a comment. Each
 * request is a read, and on a miss a write of the object. An exact LRU without any overhead, which holds as many key and value
 * bytes as the limit, is replayed beside it.
 */
#include <inttypes.h>
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include "base/rng.h"
#include "core/cache/internal.h"

enum { KEY_SIZE = 20, MEDIAN_SIZE = 230, SIZE_MAX_BYTES = 64 * 1024 * 1024, OBJECTS_MAX = 1 << 26 };

struct options {
    double percent, sigma;
    uint64_t limit, limit_min, seed, housekeep;
    uint32_t shards;
    enum cache_policy policy;
    bool check, twin;
    const char *file;
};

static const char *const POLICIES[CACHE_POLICY_COUNT] = {"noeviction",      "allkeys-lru",  "allkeys-lfu",
                                                         "allkeys-random",  "volatile-lru", "volatile-lfu",
                                                         "volatile-random", "volatile-ttl"};

/* ------------------------------------------------------------------------------------------- traces */

struct trace {
    uint32_t *requests; /* object numbers from 0 */
    size_t count, room;
    uint32_t *sizes; /* by object; 0: none given */
    uint32_t objects, objects_room;
    bool sized;
};

static void *grown(void *old, size_t size) {
    void *bytes = realloc(old, size);
    if (!bytes) {
        fprintf(stderr, "hitratio_bench: no memory for the trace\n");
        exit(1);
    }
    return bytes;
}

static void trace_add(struct trace *trace, uint32_t object, uint32_t size) {
    if (trace->count == trace->room) {
        trace->room = trace->room ? trace->room * 2 : 4096;
        trace->requests = grown(trace->requests, trace->room * sizeof *trace->requests);
    }
    while (object >= trace->objects_room) {
        uint32_t room = trace->objects_room ? trace->objects_room * 2 : 4096;
        trace->sizes = grown(trace->sizes, room * sizeof *trace->sizes);
        memset(trace->sizes + trace->objects_room, 0, (room - trace->objects_room) * sizeof *trace->sizes);
        trace->objects_room = room;
    }
    if (object >= trace->objects)
        trace->objects = object + 1;
    trace->requests[trace->count++] = object;
    if (size) {
        trace->sizes[object] = size;
        trace->sized = true;
    }
}

static bool trace_read(struct trace *trace, FILE *from) {
    char line[256];
    for (size_t number = 1; fgets(line, sizeof line, from); number++) {
        if (line[0] == '#' || line[0] == '\n')
            continue;
        char *end;
        unsigned long long object = strtoull(line, &end, 10);
        unsigned long long size = end > line ? strtoull(end, &end, 10) : 0;
        while (*end == ' ' || *end == '\n' || *end == '\r')
            end++;
        if (object < 1 || object > OBJECTS_MAX || size > SIZE_MAX_BYTES || *end) {
            fprintf(stderr, "hitratio_bench: line %zu is no request: %s", number, line);
            return false;
        }
        trace_add(trace, (uint32_t)object - 1, (uint32_t)size);
    }
    return trace->count > 0;
}

/* Zipf (by repeated halving), then a loop, then a scan: enough to make everything happen once. */
static void trace_invent(struct trace *trace) {
    struct rng rng = rng_seeded(7);
    for (uint32_t i = 0; i < 20000; i++) {
        uint64_t range = 1ull << rng_below(&rng, 14);
        trace_add(trace, (uint32_t)rng_below(&rng, range), 0);
    }
    for (uint32_t i = 0; i < 10000; i++)
        trace_add(trace, 20000 + i % 3000, 0);
    for (uint32_t i = 0; i < 5000; i++)
        trace_add(trace, 30000 + i, 0);
}

/* One size for each object of each copy. */
static uint32_t *draw_sizes(const struct trace *trace, uint32_t copies, const struct options *options) {
    uint32_t *sizes = grown(NULL, (size_t)copies * trace->objects * sizeof *sizes);
    struct rng rng = rng_seeded(options->seed);
    for (size_t i = 0; i < (size_t)copies * trace->objects; i++) {
        double radius = sqrt(-2 * log(1 - rng_unit(&rng))), normal = radius * cos(2 * M_PI * rng_unit(&rng));
        double size = MEDIAN_SIZE * exp(options->sigma * normal);
        sizes[i] = trace->sized ? trace->sizes[i % trace->objects] : size < 1 ? 1 : (uint32_t)size;
    }
    return sizes;
}

/* Key and value bytes of all objects that are asked for. */
static uint64_t bytes_of(const struct trace *trace, const uint32_t *sizes, uint32_t copies) {
    uint8_t *asked = grown(NULL, trace->objects);
    memset(asked, 0, trace->objects);
    for (size_t i = 0; i < trace->count; i++)
        asked[trace->requests[i]] = 1;
    uint64_t bytes = 0;
    for (uint32_t copy = 0; copy < copies; copy++)
        for (uint32_t object = 0; object < trace->objects; object++)
            bytes += asked[object] ? sizes[(size_t)copy * trace->objects + object] + KEY_SIZE : 0;
    free(asked);
    return bytes;
}

/* --------------------------------------------------------------------------------------- exact LRU */

struct lru {
    uint32_t *newer, *older; /* by object + 1; 0 is the head of the ring */
    uint8_t *there;
    uint64_t bytes, limit, hits;
};

static void lru_unlink(struct lru *lru, uint32_t node) {
    lru->newer[lru->older[node]] = lru->newer[node];
    lru->older[lru->newer[node]] = lru->older[node];
}

static void lru_link(struct lru *lru, uint32_t node) {
    lru->older[node] = lru->older[0];
    lru->newer[node] = 0;
    lru->newer[lru->older[0]] = node;
    lru->older[0] = node;
}

static void lru_request(struct lru *lru, uint32_t object, const uint32_t *sizes) {
    uint32_t node = object + 1;
    if (lru->there[node]) {
        lru->hits++;
        lru_unlink(lru, node);
        lru_link(lru, node);
        return;
    }
    uint64_t size = sizes[object] + KEY_SIZE;
    if (size > lru->limit)
        return;
    while (lru->bytes + size > lru->limit) {
        uint32_t oldest = lru->newer[0];
        lru_unlink(lru, oldest);
        lru->there[oldest] = 0;
        lru->bytes -= sizes[oldest - 1] + KEY_SIZE;
    }
    lru->there[node] = 1;
    lru->bytes += size;
    lru_link(lru, node);
}

static uint64_t lru_hits(const struct trace *trace, const uint32_t *sizes, uint32_t copies, uint64_t limit) {
    size_t nodes = (size_t)copies * trace->objects + 1;
    struct lru lru = {grown(NULL, nodes * 4), grown(NULL, nodes * 4), grown(NULL, nodes), 0, limit, 0};
    memset(lru.there, 0, nodes);
    lru.newer[0] = lru.older[0] = 0;
    for (size_t i = 0; i < trace->count; i++)
        for (uint32_t copy = 0; copy < copies; copy++)
            lru_request(&lru, copy * trace->objects + trace->requests[i], sizes);
    free(lru.newer), free(lru.older), free(lru.there);
    return lru.hits;
}

/* ------------------------------------------------------------------------------------------- replay */

static void wait_for(void *context, _Atomic uint32_t *word, uint32_t seen) {
    (void)context, (void)word, (void)seen;
    sched_yield();
}

static void wake_all(void *context, _Atomic uint32_t *word) { (void)context, (void)word; }

static double cpu_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

struct replay {
    struct cache *cache;
    struct actor actor;
    uint64_t refused;
    uint8_t *value;
};

static void request(struct replay *replay, uint32_t copy, uint32_t object, uint32_t size) {
    char text[KEY_SIZE + 1];
    snprintf(text, sizeof text, "trace:%04u:%09u", copy % 10000, object % 1000000000u);
    struct cache_key key = cache_key(replay->cache, 0, slice_make(text, KEY_SIZE));
    struct cache_info info;
    if (cache_find(replay->cache, &replay->actor, &key, true, &info))
        return;
    if (cache_set(replay->cache, &replay->actor, &key, slice_make(replay->value, size), 0) != STATUS_OK)
        replay->refused++;
}

static void report(const struct replay *replay, const struct options *options, const struct trace *trace,
                   uint32_t copies, const uint32_t *sizes, double seconds) {
    const struct actor_counts *counts = &replay->actor.counts;
    double requests = (double)trace->count * copies;
    struct cache_stats stats;
    cache_stats(replay->cache, &stats);
    printf("%-12s %-12s limit %" PRIu64 " x%u shards %u: hits %.4f", options->file ? options->file : "-",
           POLICIES[options->policy], options->limit, copies, stats.shards, (double)counts->hits / requests);
    if (options->twin)
        printf(" lru %.4f", (double)lru_hits(trace, sizes, copies, options->limit) / requests);
    printf("; %" PRIu64 " entries, %.1f bytes beside, occupied %.3f, segment %u, evicted %" PRIu64 ", refused %" PRIu64
           ", copied %.2f of the missed, %.0f ns a request\n",
           stats.entries,
           stats.entries ? (double)(stats.occupied_bytes - stats.live_bytes) / (double)stats.entries : 0.0,
           (double)stats.occupied_bytes / (double)options->limit, stats.segment_size, counts->evicted, replay->refused,
           counts->misses ? (double)counts->copied_bytes /
                                ((double)counts->misses * (double)stats.live_bytes / (double)(stats.entries + 1))
                          : 0.0,
           seconds * 1e9 / requests);
}

static int replay_trace(const struct trace *trace, struct options *options) {
    uint32_t copies = 1;
    uint32_t *sizes = draw_sizes(trace, 1, options);
    if (!options->limit) {
        double one = (double)bytes_of(trace, sizes, 1) * options->percent / 100;
        copies = (uint32_t)ceil((double)options->limit_min / one);
        free(sizes);
        sizes = draw_sizes(trace, copies, options);
        options->limit = (uint64_t)((double)bytes_of(trace, sizes, copies) * options->percent / 100);
    }
    uint64_t range_size = 2 * options->limit + (64u << 20);
    void *range = mmap(NULL, range_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    struct replay replay = {.actor = {.id = 2, .now_ms = 1700000000000u}, .value = grown(NULL, SIZE_MAX_BYTES)};
    struct cache_options cache = {
        .range = range,
        .range_size = range_size,
        .limit_bytes = options->limit,
        .cores = 2,
        .shards = options->shards,
        .policy = options->policy,
        .seed = options->seed,
        .waiting = {wait_for, wake_all, NULL},
        .memory = &memory_libc,
    };
    if (range == MAP_FAILED || cache_open(&cache, &replay.cache) != STATUS_OK) {
        fprintf(stderr, "hitratio_bench: there is no cache of %" PRIu64 " bytes and %u shards\n", options->limit,
                options->shards);
        return 1;
    }
    double begun = cpu_seconds();
    uint64_t until_housekeeping = options->housekeep;
    for (size_t i = 0; i < trace->count; i++)
        for (uint32_t copy = 0; copy < copies; copy++) {
            uint32_t object = trace->requests[i];
            request(&replay, copy, object, sizes[(size_t)copy * trace->objects + object]);
            if (options->housekeep && --until_housekeeping == 0) {
                until_housekeeping = options->housekeep;
                cache_housekeep(replay.cache, &replay.actor);
            }
        }
    report(&replay, options, trace, copies, sizes, cpu_seconds() - begun);
    cache_verify(replay.cache, &replay.actor);
    cache_close(replay.cache);
    munmap(range, range_size);
    free(replay.value);
    free(sizes);
    return 0;
}

/* ------------------------------------------------------------------------------------------ options */

static bool policy_named(const char *name, enum cache_policy *ret_policy) {
    for (int i = 0; i < CACHE_POLICY_COUNT; i++)
        if (strcmp(name, POLICIES[i]) == 0) {
            *ret_policy = (enum cache_policy)i;
            return true;
        }
    return false;
}

static bool option_set(struct options *options, const char *name, const char *value) {
    if (strcmp(name, "--policy") == 0)
        return policy_named(value, &options->policy);
    char *end;
    double number = strtod(value, &end);
    if (*end || end == value || number < 0)
        return false;
    if (strcmp(name, "--percent") == 0)
        options->percent = number;
    else if (strcmp(name, "--sigma") == 0)
        options->sigma = number;
    else if (strcmp(name, "--limit") == 0)
        options->limit = (uint64_t)number;
    else if (strcmp(name, "--limit-min") == 0)
        options->limit_min = (uint64_t)number;
    else if (strcmp(name, "--shards") == 0)
        options->shards = (uint32_t)number;
    else if (strcmp(name, "--seed") == 0)
        options->seed = (uint64_t)number;
    else if (strcmp(name, "--housekeep") == 0)
        options->housekeep = (uint64_t)number;
    else
        return false;
    return true;
}

static bool options_read(struct options *options, int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--check") == 0)
            options->check = true;
        else if (strcmp(argv[i], "--lru") == 0)
            options->twin = true;
        else if (argv[i][0] != '-' || strcmp(argv[i], "-") == 0)
            options->file = argv[i];
        else if (i + 1 == argc || !option_set(options, argv[i], argv[i + 1]))
            return false;
        else
            i++;
    }
    return options->check || options->file;
}

int main(int argc, char **argv) {
    struct options options = {
        .percent = 10, .sigma = 1.0, .limit_min = 8 << 20, .seed = 1, .shards = 1, .policy = CACHE_ALLKEYS_LFU};
    struct trace trace = {0};
    if (!options_read(&options, argc, argv)) {
        fprintf(stderr,
                "usage: %s [--percent P] [--limit BYTES] [--limit-min BYTES] [--shards N] [--policy NAME]\n"
                "       [--sigma S] [--seed N] [--housekeep N] [--lru] TRACE | - | --check\n",
                argv[0]);
        return 2;
    }
    if (options.check) {
        options.limit = 2 << 20;
        options.twin = true;
        trace_invent(&trace);
    } else {
        FILE *from = strcmp(options.file, "-") == 0 ? stdin : fopen(options.file, "r");
        if (!from) {
            perror(options.file);
            return 1;
        }
        if (!trace_read(&trace, from))
            return 1;
        fclose(from);
    }
    int status = replay_trace(&trace, &options);
    free(trace.requests);
    free(trace.sizes);
    return status;
}
