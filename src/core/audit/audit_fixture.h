/* core/audit/audit_fixture.h: a hash that is no cryptography, and logs of some lines. For tests only.
 *
 * Threads: no state.
 */
#ifndef STRATA_CORE_AUDIT_AUDIT_FIXTURE_H
#define STRATA_CORE_AUDIT_AUDIT_FIXTURE_H

#include "base/assert.h"
#include "base/rng.h"
#include "core/audit/record.h"
#include "core/audit/verify.h"

/* 64 digits of a mixing function, begun with what `context` points at. */
static inline void fixture_digits(void *context, struct slice bytes, char ret_digits[AUDIT_HASH_SIZE]) {
    uint64_t mixed = 14695981039346656037u ^ *(const uint64_t *)context;
    for (size_t i = 0; i < bytes.size; i++)
        mixed = (mixed ^ bytes.data[i]) * 1099511628211u;
    struct rng rng = rng_seeded(mixed);
    for (size_t at = 0; at < AUDIT_HASH_SIZE; at += 16) {
        uint64_t word = rng_next(&rng);
        for (size_t i = 0; i < 16; i++, word >>= 4)
            ret_digits[at + i] = "0123456789abcdef"[word & 15];
    }
}

enum { FIXTURE_FILES = 3, FIXTURE_EVENTS = 6, FIXTURE_LINES_MAX = 64 };

/* A log of several files; each of its lines by itself. */
struct fixture_log {
    uint64_t secret;
    struct audit_hash hash;
    struct audit_chain chain;
    struct buf files[FIXTURE_FILES];
};

static inline void fixture_event(struct fixture_log *log, uint32_t file, uint64_t number) {
    struct buf body;
    const struct audit_record record = {.time_us = 1700000000000000u + number,
                                        .node = SLICE("abc"),
                                        .class = AUDIT_ADMINISTRATION,
                                        .action = SLICE("CONFIG SET"),
                                        .user = SLICE("ann"),
                                        .client = SLICE("127.0.0.1:1"),
                                        .timed = true,
                                        .us = number};
    buf_init(&body, &memory_libc);
    ASSERT(audit_record_write(&record, &body) == STATUS_OK);
    ASSERT(audit_chain_add(&log->chain, buf_slice(&body), &log->files[file]) == STATUS_OK);
    buf_fini(&body);
}

/* `secret` 0: without a key. Ends with `stop`. */
static inline void fixture_log_init(struct fixture_log *log, uint64_t secret) {
    *log = (struct fixture_log){.secret = secret, .hash = {.digits = fixture_digits}};
    log->hash.context = &log->secret;
    if (secret)
        memcpy(log->hash.key_id, "00000000000000ff", AUDIT_KEY_ID_SIZE);
    audit_chain_init(&log->chain, &log->hash);
    for (uint32_t i = 0; i < FIXTURE_FILES; i++) {
        buf_init(&log->files[i], &memory_libc);
        ASSERT(audit_chain_file(&log->chain, 1700000000000000u, "abc", i + 1, &log->files[i]) == STATUS_OK);
        if (i == 0)
            ASSERT(audit_chain_start(&log->chain, 1700000000000000u, "abc", "0.1", &log->files[i]) == STATUS_OK);
        for (uint32_t k = 0; k < FIXTURE_EVENTS; k++)
            fixture_event(log, i, i * FIXTURE_EVENTS + k);
    }
    ASSERT(audit_chain_stop(&log->chain, 1700000000000000u, &log->files[FIXTURE_FILES - 1]) == STATUS_OK);
}

static inline void fixture_log_fini(struct fixture_log *log) {
    for (uint32_t i = 0; i < FIXTURE_FILES; i++)
        buf_fini(&log->files[i]);
}

/* What a verifier has found. */
struct fixture_found {
    uint32_t kinds[AUDIT_FINDINGS];
    struct audit_finding first; /* of tampering */
};

static inline void fixture_note(void *context, const struct audit_finding *finding) {
    struct fixture_found *found = context;
    if (finding->kind < AUDIT_NOTES && !found->first.text[0])
        found->first = *finding;
    found->kinds[finding->kind]++;
}

static inline void fixture_begin(struct audit_verifier *verifier, struct fixture_log *log,
                                 struct fixture_found *found) {
    *found = (struct fixture_found){0};
    audit_verify_begin(
        verifier, &(struct audit_wish){
                      .hashes = &log->hash, .hash_count = 1, .whole = true, .tell = fixture_note, .context = found});
}

/* All files under their names. */
static inline void fixture_verify(struct fixture_log *log, struct fixture_found *found,
                                  struct audit_verifier *verifier) {
    static const char *const names[FIXTURE_FILES] = {"1", "2", "3"};
    fixture_begin(verifier, log, found);
    for (uint32_t i = 0; i < FIXTURE_FILES; i++) {
        audit_verify_file(verifier, names[i], i + 1);
        audit_verify_bytes(verifier, buf_slice(&log->files[i]));
    }
    audit_verify_end(verifier);
}

/* Where the lines of a file begin; behind them its size. Answers how many there are. */
static inline uint32_t fixture_lines(const struct buf *file, size_t ret_begins[FIXTURE_LINES_MAX]) {
    uint32_t count = 0;
    for (size_t at = 0; at < file->size && count + 1 < FIXTURE_LINES_MAX;) {
        ret_begins[count++] = at;
        const uint8_t *end = memchr(file->data + at, '\n', file->size - at);
        at = end ? (size_t)(end - file->data) + 1 : file->size;
    }
    ret_begins[count] = file->size;
    return count;
}

#endif
