/* sys/audit/audit_fixture.h: an audit log on a disk in memory, whose time is a number. For tests only.
 *
 * Threads: one, but for what audit_log.h allows.
 */
#ifndef STRATA_SYS_AUDIT_AUDIT_FIXTURE_H
#define STRATA_SYS_AUDIT_AUDIT_FIXTURE_H

#include "base/assert.h"
#include "core/audit/verify.h"
#include "sys/audit/audit_key.h"
#include "sys/audit/audit_log.h"
#include "sys/fault/faults.h"
#include "unit.h"

struct place {
    struct disk *disk;
    struct faults faults;
    struct audit_key key;
    struct audit_log_options options;
    struct audit_log *log;
    struct audit_now now;
    uint64_t put, fulls, empties, fails, mended, anchors, taken;
    char anchor[AUDIT_HASH_SIZE];
    char reason[AUDIT_REASON_SIZE], notice[AUDIT_REASON_SIZE];
    /* of place_verify */
    struct audit_verifier verifier;
    uint64_t numbers_seen; /* events in the order in which they were put, each once */
    bool in_order;
    struct audit_finding first;
    uint32_t kinds[AUDIT_FINDINGS];
};

static inline void place_full(void *context, bool full) {
    struct place *place = context;
    place->fulls += full;
    place->empties += !full;
}

static inline void place_fails(void *context, bool fails, int error) {
    struct place *place = context;
    place->fails += fails;
    place->mended += !fails;
    MAYBE(error == 0);
}

static inline void place_anchored(void *context, uint64_t lines, const char hash[AUDIT_HASH_SIZE]) {
    struct place *place = context;
    MAYBE(lines == 0);
    place->anchors++;
    memcpy(place->anchor, hash, AUDIT_HASH_SIZE);
}

static inline void place_taken(void *context, uint64_t file) {
    struct place *place = context;
    MAYBE(file == 0);
    place->taken++;
}

static inline void place_init(struct place *place, uint64_t seed) {
    memset(place, 0, sizeof *place);
    place->disk = disk_new(&memory_libc, seed, 0);
    faults_init(&place->faults, disk_files(place->disk), place->disk, seed);
    audit_key_none(&place->key);
    place->now = (struct audit_now){.unix_us = 1700000000000000u, .steady_ms = 1000};
    place->options = (struct audit_log_options){
        .files = &place->faults.files,
        .hash = &place->key.hash,
        .node = "abc",
        .version = "0",
        .setting = {.sync = AUDIT_ALWAYS, .queue_bytes = 1024 * 1024, .file_bytes = 1024 * 1024 * 1024},
        .user = {.full = place_full,
                 .fails = place_fails,
                 .anchored = place_anchored,
                 .taken = place_taken,
                 .context = place},
        .memory = &memory_libc,
    };
}

static inline void place_fini(struct place *place) {
    faults_clear(&place->faults);
    MAYBE(audit_log_close(place->log, place->now) != STATUS_OK);
    faults_fini(&place->faults);
    disk_free(place->disk);
}

static inline void place_open(struct place *place) {
    enum status status = audit_log_open(&place->options, place->now, &place->log, place->reason, place->notice);
    if (status != STATUS_OK)
        fail_msg("the log does not open: %s", place->reason);
}

static inline uint64_t place_step(struct place *place) { return audit_log_step(place->log, place->now); }

static inline bool place_put(struct place *place, bool must) {
    char body[160];
    int size = snprintf(body, sizeof body, "\"time\":\"2023-11-14T22:13:20.000000Z\",\"kind\":\"event\",\"n\":%llu",
                        (unsigned long long)place->put);
    bool done = audit_log_put(place->log, slice_make(body, (size_t)size), must);
    place->put += done;
    return done;
}

static inline void place_found(void *context, const struct audit_finding *finding) {
    struct place *place = context;
    if (finding->kind < AUDIT_NOTES && !place->first.text[0])
        place->first = *finding;
    place->kinds[finding->kind]++;
}

static inline void place_read_line(struct place *place, struct slice bytes, bool ended) {
    uint64_t n;
    audit_verify_line(&place->verifier, bytes, ended);
    if (!audit_line_number(bytes, "n", &n))
        return;
    place->in_order &= n == place->numbers_seen;
    place->numbers_seen = n + 1;
}

static inline void place_read_file(struct place *place, int file) {
    const struct files *files = &place->faults.files;
    uint64_t size;
    assert_int_equal(files->size(files->context, file, &size), STATUS_OK);
    uint8_t *bytes = malloc(size + 1);
    assert_int_equal(files_read(files, file, 0, bytes, size), STATUS_OK);
    for (size_t at = 0; at < size;) {
        const uint8_t *end = memchr(bytes + at, '\n', size - at);
        const size_t until = end ? (size_t)(end - bytes) : size;
        place_read_line(place, slice_make(bytes + at, until - at), end != NULL);
        at = until + 1;
    }
    free(bytes);
}

/* What stands on the disk, of all files. */
static inline void place_verify(struct place *place) {
    static char names[4096][AUDIT_FILE_NAME_SIZE];
    const struct files *files = &place->faults.files;
    memset(place->kinds, 0, sizeof place->kinds);
    memset(&place->first, 0, sizeof place->first);
    place->numbers_seen = 0;
    place->in_order = true;
    audit_verify_begin(
        &place->verifier,
        &(struct audit_wish){
            .hashes = &place->key.hash, .hash_count = 1, .whole = true, .tell = place_found, .context = place});
    for (uint64_t i = 1; i < 4096; i++) {
        int file;
        audit_file_name(i, names[i]);
        if (files->open(files->context, names[i], FILES_READ, &file) != STATUS_OK)
            continue;
        audit_verify_file(&place->verifier, names[i], i);
        place_read_file(place, file);
        files->close(files->context, file);
    }
    audit_verify_end(&place->verifier);
}

static inline void place_expect_good(struct place *place) {
    place_verify(place);
    if (place->verifier.tampered)
        fail_msg("seed %llu: %s line %llu %s: %s", (unsigned long long)unit_seed(), place->first.file,
                 (unsigned long long)place->first.line, audit_finding_name(place->first.kind), place->first.text);
}

#endif
