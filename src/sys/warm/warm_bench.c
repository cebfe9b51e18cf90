/* What the warm tier costs: warm_bench [DIRECTORY [MIB [SIZE]]] | --check.
 *
 * Fills a file with records of SIZE bytes as fast as it takes them, then reads at random: through the tier's reader, and beside it in the same
 * rounds blocks of the same file by plain pread (one thread for each read under way), past the page cache both. CPU is of the whole process.
 */
#include <errno.h>
#include <inttypes.h>
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
    ASSERT(bench->missed == 0);
}

int main(int argc, char **argv) {
    bool check = argc > 1 && strcmp(argv[1], "--check") == 0;
    char own[] = "/tmp/strata-warm-bench-XXXXXX";
    const char *path = argc > 1 && !check ? argv[1] : mkdtemp(own);
    struct bench bench = {.rng = rng_seeded(1)};
    bench.size_mib = argc > 2 ? strtoull(argv[2], NULL, 10) : check ? 16 : 1024;
    bench.size = argc > 3 ? strtoull(argv[3], NULL, 10) : 1000;
    bench.reads = check ? 200 : 10000;
    /* As many as there is room for, less a few segments: nothing is to be reclaimed. */
    uint64_t record_bytes =
        bits_align_up(WARM_RECORD_HEADER_SIZE + KEY_SIZE + bench.size, WARM_RECORD_ALIGNMENT) + WARM_INDEX_ENTRY_SIZE;
    bench.records = ((bench.size_mib - 4) << 20) / record_bytes * 95 / 100;
    bench.addresses = malloc(bench.records * sizeof *bench.addresses);
    bench.latencies = malloc(bench.reads * sizeof *bench.latencies);
    ASSERT(path && bench.size && bench.size_mib >= 16 && bench.addresses && bench.latencies);
    must(directory_open(path, true, &bench.directory), path);
    printf("%" PRIu64 " records of %zu bytes in %" PRIu64 " MiB of %s\n", bench.records, bench.size, bench.size_mib,
           path);
    measure(&bench);
    must(bench.directory.files.remove(&bench.directory, "warm"), "removing");
    directory_close(&bench.directory);
    if (path == own)
        rmdir(own);
    free(bench.addresses);
    free(bench.latencies);
    return 0;
}
