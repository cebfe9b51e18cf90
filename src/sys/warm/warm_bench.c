/* What the warm tier costs: warm_bench [DIRECTORY [MIB [SIZE]]] | --here [DIRECTORY [MIB [SIZE]]] | --keep [DIRECTORY] | --check.
 *
 * Fills a file with records of SIZE bytes as fast as it takes them, then reads at random: through the tier's reader, and beside it in the same
 * rounds blocks of the same file by plain pread (one thread for each read under way), past the page cache both. CPU is of the whole process.
 *
 * --here: reads by threads that wait (warm_read_here): past the page cache, through it, and out of a mapping; by one and by two, when all of the file has been read once.
 *
 * --keep: what it brings to keep a share of each segment that makes room, and what it wears (docs/decisions/0060). Keys drawn from a Zipf distribution are
 * asked for from a memory (a clock with three uses) over the tier; what memory lets go is added, what the tier has is found.
 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/rng.h"
#include "sys/os/clock.h"
#include "sys/os/thread.h"
#include "sys/warm/reader.h"

enum { DEPTH = 32, ROUNDS = 3, KEY_SIZE = 20 };

struct bench {
    struct directory directory;
    struct warm *warm;
    uint64_t *addresses;
    uint64_t records, size_mib, reads;
    size_t size;
    uint64_t *latencies; /* nanoseconds */
    uint64_t ended, started, missed;
    struct rng rng;
};

static double cpu_s(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void must(enum status status, const char *what) {
    if (status == STATUS_OK)
        return;
    fprintf(stderr, "%s: %s (%s)\n", what, status_text(status), strerror(errno));
    exit(1);
}

static int by_size(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void report(struct bench *bench, const char *name, uint32_t depth, double seconds, double cpu) {
    uint64_t count = bench->reads;
    qsort(bench->latencies, count, sizeof *bench->latencies, by_size);
    printf("%-10s depth %2u  %8.0f reads/s  p50 %6.0f us  p99 %6.0f us  p99.9 %6.0f us  %5.1f us CPU a read\n", name,
           depth, (double)count / seconds, (double)bench->latencies[count / 2] / 1e3,
           (double)bench->latencies[count * 99 / 100] / 1e3, (double)bench->latencies[count * 999 / 1000] / 1e3,
           cpu * 1e6 / (double)count);
}

/* --- writing --- */

static void fill(struct bench *bench) {
    uint8_t *value = malloc(bench->size);
    ASSERT(value);
    memset(value, 'x', bench->size);
    double cpu = cpu_s();
    uint64_t begun_ns = clock_steady_ns(), busy = 0, adding_ticks = 0;
    for (uint64_t i = 0; i < bench->records; i++) {
        char key[32];
        snprintf(key, sizeof key, "key:%016" PRIu64, i);
        struct warm_record record = {
            .hash = i, .parts = {.key = slice_make(key, KEY_SIZE), .value = slice_make(value, bench->size)}};
        uint64_t ticks = clock_ticks();
        enum status status;
        while ((status = warm_add(bench->warm, begun_ns, &record, &bench->addresses[i])) == STATUS_BUSY) {
            busy++;
            warm_settle(bench->warm);
            ticks = clock_ticks();
        }
        adding_ticks += clock_ticks() - ticks;
        must(status, "adding");
    }
    warm_settle(bench->warm);
    double seconds = (double)(clock_steady_ns() - begun_ns) / 1e9;
    struct warm_statistics statistics;
    warm_statistics(bench->warm, &statistics);
    cpu = cpu_s() - cpu;
    printf(
        "written    %8.0f records/s  %6.0f MB/s  %6.0f ns CPU a record, %4.0f of them in warm_add  %.3f bytes written "
        "a byte added  %s\n",
        (double)bench->records / seconds, (double)statistics.written_bytes / 1e6 / seconds,
        cpu * 1e9 / (double)bench->records,
        (double)adding_ticks * 1e3 / clock_ticks_per_us(1000) / (double)bench->records,
        (double)statistics.written_bytes / (double)statistics.added_bytes,
        statistics.direct ? "past the page cache" : "buffered");
    free(value);
}

/* --- reading --- */

struct one {
    struct bench *bench;
    uint64_t begun_ns;
};

static void done(void *context, enum warm_outcome outcome, const struct warm_parts *parts) {
    struct one *one = context;
    struct bench *bench = one->bench;
    bench->latencies[bench->ended++] = clock_steady_ns() - one->begun_ns;
    bench->missed += outcome != WARM_FOUND;
    one->begun_ns = 0;
}

static void read_by_reader(struct bench *bench, uint32_t depth, bool threads) {
    struct warm_reader_options options = {.depth_max = depth, .threads = threads};
    struct warm_reader *reader;
    struct one ones[DEPTH] = {0};
    must(warm_reader_new(bench->warm, &options, &reader), "a reader");
    struct pollfd ready = {.fd = warm_reader_descriptor(reader), .events = POLLIN};
    bench->ended = bench->started = 0;
    double cpu = cpu_s();
    uint64_t begun_ns = clock_steady_ns();
    while (bench->ended < bench->reads) {
        for (uint32_t i = 0; i < depth && bench->started < bench->reads; i++) {
            if (ones[i].begun_ns)
                continue;
            uint64_t address = bench->addresses[rng_below(&bench->rng, bench->records)];
            ones[i] = (struct one){bench, clock_steady_ns()};
            struct warm_request request = {address, warm_generation(bench->warm, address), done, &ones[i]};
            must(warm_read(reader, &request), "reading");
            bench->started++;
        }
        warm_reader_submit(reader);
        if (poll(&ready, 1, -1) == 1)
            (void)warm_reader_poll(reader);
    }
    double seconds = (double)(clock_steady_ns() - begun_ns) / 1e9;
    char name[16];
    snprintf(name, sizeof name, "%s", warm_reader_kind(reader));
    warm_reader_free(reader);
    report(bench, name, depth, seconds, cpu_s() - cpu);
}

struct plain {
    struct bench *bench;
    struct thread thread;
    struct rng rng;
    int file;
    uint64_t first, count;
};

static void read_plain(void *context) {
    struct plain *plain = context;
    struct bench *bench = plain->bench;
    void *bytes;
    ASSERT(posix_memalign(&bytes, WARM_BLOCK_SIZE, WARM_BLOCK_SIZE) == 0);
    for (uint64_t i = 0; i < plain->count; i++) {
        uint64_t place = rng_below(&plain->rng, bench->size_mib * 256) * WARM_BLOCK_SIZE, begun_ns = clock_steady_ns();
        must(files_read(&bench->directory.files, plain->file, place, bytes, WARM_BLOCK_SIZE), "pread");
        bench->latencies[plain->first + i] = clock_steady_ns() - begun_ns;
    }
    free(bytes);
}

static void read_by_pread(struct bench *bench, uint32_t depth) {
    struct plain plains[DEPTH];
    int file;
    if (bench->directory.files.open(&bench->directory, "warm", FILES_DIRECT, &file) != STATUS_OK)
        must(bench->directory.files.open(&bench->directory, "warm", FILES_READ, &file), "opening");
    double cpu = cpu_s();
    uint64_t begun_ns = clock_steady_ns(), part = bench->reads / depth;
    for (uint32_t i = 0; i < depth; i++) {
        plains[i] = (struct plain){.bench = bench,
                                   .rng = rng_seeded(i),
                                   .file = file,
                                   .first = i * part,
                                   .count = i + 1 < depth ? part : bench->reads - i * part};
        must(thread_start(&plains[i].thread, "pread", read_plain, &plains[i]), "a thread");
    }
    for (uint32_t i = 0; i < depth; i++)
        thread_join(&plains[i].thread);
    report(bench, "pread 4 KiB", depth, (double)(clock_steady_ns() - begun_ns) / 1e9, cpu_s() - cpu);
    bench->directory.files.close(&bench->directory, file);
}

static void reopen(struct bench *bench, const struct warm_options *options) {
    struct warm_report found;
    must(warm_close(bench->warm), "closing");
    uint64_t begun_ns = clock_steady_ns();
    must(warm_open(&bench->directory.files, options, begun_ns, NULL, &found, &bench->warm), "opening again");
    printf("opened     %" PRIu64 " segments with %" PRIu64 " records in %.1f ms, %" PRIu64 " skipped\n", found.segments,
           found.records, (double)(clock_steady_ns() - begun_ns) / 1e6, found.segments_skipped);
}

static void measure(struct bench *bench) {
    struct warm_options options = {.size_bytes = bench->size_mib << 20};
    struct warm_report found;
    must(warm_open(&bench->directory.files, &options, clock_steady_ns(), NULL, &found, &bench->warm), "opening");
    fill(bench);
    reopen(bench, &options);
    for (int round = 0; round < ROUNDS; round++) {
        for (uint32_t depth = 1; depth <= DEPTH; depth *= DEPTH) {
            read_by_pread(bench, depth);
            read_by_reader(bench, depth, false);
            read_by_reader(bench, depth, true);
        }
    }
    must(warm_close(bench->warm), "closing");
    must(bench->directory.files.remove(&bench->directory, "warm"), "removing");
    ASSERT(bench->missed == 0);
}

/* --- reading by who waits --- */

static void read_here(void *context) {
    struct plain *plain = context;
    struct bench *bench = plain->bench;
    struct buf bytes;
    buf_init(&bytes, &memory_libc);
    for (uint64_t i = 0; i < plain->count; i++) {
        uint64_t address = bench->addresses[rng_below(&plain->rng, bench->records)];
        uint64_t begun_ns = clock_steady_ns();
        enum warm_outcome outcome;
        struct warm_parts parts;
        must(warm_read_here(bench->warm, address, warm_generation(bench->warm, address), &bytes, &outcome, &parts),
             "reading");
        ASSERT(outcome == WARM_FOUND);
        bench->latencies[plain->first + i] = clock_steady_ns() - begun_ns;
    }
    buf_fini(&bytes);
}

static void read_by_threads(struct bench *bench, const char *name, uint32_t threads) {
    struct plain plains[2];
    double cpu = cpu_s();
    uint64_t begun_ns = clock_steady_ns(), part = bench->reads / threads;
    for (uint32_t i = 0; i < threads; i++) {
        plains[i] =
            (struct plain){.bench = bench, .rng = rng_seeded(bench->rng.state + i), .first = i * part, .count = part};
        must(thread_start(&plains[i].thread, "here", read_here, &plains[i]), "a thread");
    }
    for (uint32_t i = 0; i < threads; i++)
        thread_join(&plains[i].thread);
    report(bench, name, threads, (double)(clock_steady_ns() - begun_ns) / 1e9, cpu_s() - cpu);
    (void)rng_next(&bench->rng);
}

static void measure_here(struct bench *bench) {
    static const char *const names[] = {"direct", "buffered", "mapped"};
    uint64_t reads = bench->reads;
    for (int access = 0; access < 3; access++) {
        struct warm_options options = {
            .size_bytes = bench->size_mib << 20, .begin_anew = true, .buffered = access == 1, .mapped = access == 2};
        struct warm_report found;
        struct buf bytes;
        must(warm_open(&bench->directory.files, &options, clock_steady_ns(), NULL, &found, &bench->warm), "opening");
        fill(bench);
        buf_init(&bytes, &memory_libc);
        for (uint64_t i = 0; access && i < bench->records; i++) {
            enum warm_outcome outcome;
            struct warm_parts parts;
            must(warm_read_here(bench->warm, bench->addresses[i], warm_generation(bench->warm, bench->addresses[i]),
                                &bytes, &outcome, &parts),
                 "reading");
        }
        buf_fini(&bytes);
        bench->reads = access ? reads * 100 : reads;
        for (int round = 0; round < ROUNDS; round++)
            for (uint32_t threads = 1; threads <= 2; threads++)
                read_by_threads(bench, names[access], threads);
        must(warm_close(bench->warm), "closing");
        must(bench->directory.files.remove(&bench->directory, "warm"), "removing");
    }
    bench->reads = reads;
}

/* --- keeping --- */

enum { KEYS = 50000, VALUE_MAX = 2000, USES_MAX = 3, PROMOTE_USES = 2 };

struct world {
    struct warm *warm;
    uint8_t memory_uses[KEYS], tier_uses[KEYS];
    bool in_memory[KEYS];
    uint64_t addresses[KEYS];
    uint32_t clock[KEYS + 1], clock_first, clock_count;
    uint64_t memory_bytes, memory_max;
    double chance[KEYS]; /* of a key or any before it */
    struct rng rng;
    uint64_t asked, asked_bytes, memory_hits, tier_hits;
};

static uint32_t size_of(uint64_t key) { return 100 + (uint32_t)(key * 2654435761u % (VALUE_MAX - 100)); }

static bool keep_used(void *context, const struct warm_item *item) {
    struct world *world = context;
    return world->addresses[item->hash] == item->address && world->tier_uses[item->hash];
}

static void keep_moved(void *context, const struct warm_item *item, uint64_t address) {
    struct world *world = context;
    if (world->addresses[item->hash] != item->address)
        return;
    world->addresses[item->hash] = address;
    world->tier_uses[item->hash]--;
}

static void keep_gone(void *context, const struct warm_item *item, enum warm_cause cause) {
    struct world *world = context;
    if (world->addresses[item->hash] == item->address)
        world->addresses[item->hash] = 0;
}

static uint64_t draw(struct world *world) {
    double unit = rng_unit(&world->rng) * world->chance[KEYS - 1];
    uint64_t low = 0, high = KEYS - 1;
    while (low < high) {
        uint64_t middle = (low + high) / 2;
        if (world->chance[middle] < unit)
            low = middle + 1;
        else
            high = middle;
    }
    return low * 7919 % KEYS; /* popular keys are not neighbours */
}

static void let_go(struct world *world) {
    static const uint8_t value[VALUE_MAX];
    uint64_t key = world->clock[world->clock_first];
    world->clock_first = (world->clock_first + 1) % (KEYS + 1);
    if (world->memory_uses[key]) {
        world->memory_uses[key]--;
        world->clock[(world->clock_first + world->clock_count - 1) % (KEYS + 1)] = (uint32_t)key;
        return;
    }
    world->clock_count--;
    world->in_memory[key] = false;
    world->memory_bytes -= size_of(key);
    if (world->addresses[key])
        return;
    struct warm_record record = {.hash = key, .parts.value = slice_make(value, size_of(key))};
    warm_step(world->warm);
    must(warm_add(world->warm, 0, &record, &world->addresses[key]), "adding");
    world->tier_uses[key] = 0;
}

static void ask(struct world *world, bool writes) {
    uint64_t key = draw(world);
    world->asked++;
    world->asked_bytes += size_of(key);
    if (writes)
        world->addresses[key] = 0;
    if (world->in_memory[key]) {
        world->memory_hits++;
        world->memory_uses[key] += world->memory_uses[key] < USES_MAX;
        return;
    }
    if (world->addresses[key]) {
        world->tier_hits++;
        world->tier_uses[key] += world->tier_uses[key] < USES_MAX;
        if (world->tier_uses[key] < PROMOTE_USES)
            return;
    }
    world->in_memory[key] = true;
    world->memory_uses[key] = 0;
    world->memory_bytes += size_of(key);
    world->clock[(world->clock_first + world->clock_count++) % (KEYS + 1)] = (uint32_t)key;
    while (world->memory_bytes > world->memory_max)
        let_go(world);
}

static void play_keeping(const struct files *files, uint32_t percent, double skew, unsigned writes_percent,
                         uint64_t asks) {
    struct world *world = calloc(1, sizeof *world);
    ASSERT(world);
    uint64_t all = 0;
    for (uint64_t key = 0; key < KEYS; key++) {
        all += size_of(key);
        world->chance[key] = (key ? world->chance[key - 1] : 0) + pow((double)key + 1, -skew);
    }
    world->rng = rng_seeded(1);
    world->memory_max = all / 50;
    struct warm_options options = {.size_bytes = all / 5,
                                   .segment_bytes = 16 * 1024,
                                   .keep_percent = percent,
                                   .stepped = true,
                                   .begin_anew = true,
                                   .hooks = {keep_used, keep_moved, keep_gone, NULL, NULL, world}};
    struct warm_report found;
    struct warm_statistics before, after;
    must(warm_open(files, &options, 0, NULL, &found, &world->warm), found.reason);
    for (uint64_t i = 0; i < asks; i++)
        ask(world, rng_below(&world->rng, 100) < writes_percent);
    world->asked = world->asked_bytes = world->memory_hits = world->tier_hits = 0;
    warm_statistics(world->warm, &before);
    for (uint64_t i = 0; i < asks; i++)
        ask(world, rng_below(&world->rng, 100) < writes_percent);
    warm_statistics(world->warm, &after);
    double written = (double)(after.written_bytes - before.written_bytes), asked = (double)world->asked;
    printf(
        "Zipf %.1f, %2u %% writes, kept %2u %%: memory %4.1f %%  tier %4.1f %%  missed %4.1f %%  written a byte added "
        "%.2f, a byte asked for %.2f\n",
        skew, writes_percent, percent, 100 * (double)world->memory_hits / asked, 100 * (double)world->tier_hits / asked,
        100 * (1 - (double)(world->memory_hits + world->tier_hits) / asked),
        written / (double)(after.added_bytes - before.added_bytes), written / (double)world->asked_bytes);
    must(warm_close(world->warm), "closing");
    must(files->remove(files->context, "warm"), "removing");
    free(world);
}

static void measure_keeping(const struct files *files, uint64_t asks) {
    static const uint32_t percents[] = {0, 25, 50};
    for (int skew = 8; skew <= 10; skew += 2) {
        for (unsigned writes = 0; writes <= 10; writes += 10) {
            for (size_t i = 0; i < sizeof percents / sizeof *percents; i++)
                play_keeping(files, percents[i], skew / 10.0, writes, asks);
        }
    }
}

static void measure_disk(struct bench *bench, const char *path, void (*measure_it)(struct bench *bench)) {
    /* As many as there is room for, less a few segments: nothing is to be reclaimed. */
    uint64_t record_bytes =
        bits_align_up(WARM_RECORD_HEADER_SIZE + KEY_SIZE + bench->size, WARM_RECORD_ALIGNMENT) + WARM_INDEX_ENTRY_SIZE;
    bench->records = ((bench->size_mib - 4) << 20) / record_bytes * 95 / 100;
    bench->addresses = malloc(bench->records * sizeof *bench->addresses);
    bench->latencies = malloc(100 * bench->reads * sizeof *bench->latencies);
    ASSERT(bench->size && bench->size_mib >= 16 && bench->addresses && bench->latencies);
    printf("%" PRIu64 " records of %zu bytes in %" PRIu64 " MiB of %s\n", bench->records, bench->size, bench->size_mib,
           path);
    measure_it(bench);
    free(bench->addresses);
    free(bench->latencies);
}

int main(int argc, char **argv) {
    const char *flag = argc > 1 && strncmp(argv[1], "--", 2) == 0 ? argv[1] : "";
    bool check = strcmp(flag, "--check") == 0, keeps = strcmp(flag, "--keep") == 0, here = strcmp(flag, "--here") == 0;
    char own[] = "/tmp/strata-warm-bench-XXXXXX";
    char **values = argv + (flag[0] ? 2 : 1);
    int count = argc - (flag[0] ? 2 : 1);
    const char *path = count > 0 ? values[0] : mkdtemp(own);
    struct bench bench = {.rng = rng_seeded(1)};
    bench.size_mib = count > 1 && !keeps ? strtoull(values[1], NULL, 10) : check ? 16 : 1024;
    bench.size = count > 2 ? strtoull(values[2], NULL, 10) : 1000;
    bench.reads = check ? 200 : 10000;
    ASSERT(path);
    setvbuf(stdout, NULL, _IOLBF, 0);
    must(directory_open(path, true, &bench.directory), path);
    if (keeps || check)
        measure_keeping(&bench.directory.files, check ? 4000 : 250000);
    if (here || check)
        measure_disk(&bench, path, measure_here);
    if (!keeps && !here)
        measure_disk(&bench, path, measure);
    directory_close(&bench.directory);
    if (path == own)
        rmdir(own);
    return 0;
}
