/* What the log costs: wal_bench [DIRECTORY [RECORDS [SIZE]]] | --check.
 *
 * One thread stages records as an event loop does: some, and then it waits until they are flushed (always) or hands them to the kernel
 * (interval, no). CPU is of the whole process, committer included; `stage` is what a call of wal_stage takes of that, on average.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/bits.h"
#include "sys/os/clock.h"
#include "sys/wal/wal.h"

struct setting {
    const char *name;
    enum wal_mode mode;
    uint64_t turn; /* records before it waits */
    uint64_t part; /* one in so many of the records asked for */
};

static const struct setting settings[] = {
    {"always, 1 a flush", WAL_ALWAYS, 1, 500},        {"always, 64 a flush", WAL_ALWAYS, 64, 20},
    {"interval 1 s, 64 a turn", WAL_INTERVAL, 64, 1}, {"no, 64 a turn", WAL_NO, 64, 1},
    {"no, written by the committer", WAL_NO, 0, 1},
};

static double cpu_s(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static enum status remove_one(void *context, const char *name) {
    const struct files *files = context;
    return files->remove(files->context, name);
}

static void must(enum status status, const char *what) {
    if (status == STATUS_OK)
        return;
    fprintf(stderr, "%s: %s (%s)\n", what, status_text(status), strerror(errno));
    exit(1);
}

/* Stages the records; answers the nanoseconds inside wal_stage, measured for one record in 16. */
static double play(struct wal *wal, const struct setting *setting, uint64_t records, struct slice record) {
    uint64_t lsn = 0, staging_ticks = 0;
    for (uint64_t i = 1; i <= records; i++) {
        must(wal_admit_wait(wal, 0, record.size, 60000), "admitting");
        uint64_t begun = i % 16 ? 0 : clock_ticks();
        must(wal_stage(wal, 0, &record, 1, &lsn), "staging");
        if (begun)
            staging_ticks += clock_ticks() - begun;
        if (!setting->turn || (i % setting->turn && i != records))
            continue;
        if (setting->mode == WAL_ALWAYS)
            must(wal_wait(wal, WAL_FLUSHED, lsn, 60000), "waiting");
        else
            must(wal_write_out(wal), "writing");
    }
    if (!setting->turn)
        must(wal_wait(wal, WAL_WRITTEN, lsn, 60000), "waiting");
    return (double)staging_ticks * 16 / (double)records;
}

static void measure(const struct files *files, const struct setting *setting, uint64_t records, struct slice record,
                    double ticks_per_us) {
    struct wal_options options = {.mode = setting->mode, .log_id = 1};
    struct wal_need need = {0};
    struct wal_report report;
    struct wal *wal;
    must(files->list(files->context, remove_one, (void *)(uintptr_t)files), "emptying the directory");
    must(wal_open(files, &options, &need, NULL, &report, &wal), "opening");
    wal_report_fini(&report);
    double cpu_begun = cpu_s();
    uint64_t begun_ns = clock_steady_ns();
    double stage_ticks = play(wal, setting, records, record);
    double seconds = (double)(clock_steady_ns() - begun_ns) / 1e9, cpu = cpu_s() - cpu_begun;
    struct wal_statistics statistics;
    wal_statistics(wal, &statistics);
    must(wal_close(wal), "closing");
    printf("%-30s %9.0f records/s  %7.0f ns CPU a record  %5.0f ns stage  %6" PRIu64 " flushes of %5.2f ms\n",
           setting->name, (double)records / seconds, cpu * 1e9 / (double)records, stage_ticks / ticks_per_us * 1000,
           statistics.flushes, statistics.flushes ? (double)statistics.flush_ns / (double)statistics.flushes / 1e6 : 0);
}

int main(int argc, char **argv) {
    bool check = argc > 1 && strcmp(argv[1], "--check") == 0;
    char own[] = "/tmp/strata-wal-bench-XXXXXX";
    const char *path = argc > 1 && !check ? argv[1] : mkdtemp(own);
    uint64_t records = argc > 2 ? strtoull(argv[2], NULL, 10) : check ? 2000 : 1000000;
    size_t size = argc > 3 ? strtoull(argv[3], NULL, 10) : 100;
    struct directory directory;
    ASSERT(path && size > 0);
    must(directory_open(path, true, &directory), path);
    uint8_t *bytes = malloc(size);
    ASSERT(bytes);
    memset(bytes, 'x', size);
    double ticks_per_us = clock_ticks_per_us(10000);
    printf("%" PRIu64 " records of %zu bytes in %s\n", records, size, path);
    for (size_t i = 0; i < COUNT_OF(settings); i++)
        measure(&directory.files, &settings[i], records / settings[i].part + 1, slice_make(bytes, size), ticks_per_us);
    must(directory.files.list(&directory, remove_one, &directory.files), "emptying the directory");
    directory_close(&directory);
    if (path == own)
        rmdir(own);
    free(bytes);
    return 0;
}
