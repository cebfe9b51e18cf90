/* app/persist/naive_fixture.h: what a log says, worked out in the simplest way: record after record, key after key. And a cache held against it.
 *
 *     files of a log ──naive_read──> records 1, 2, 3, ...  ──naive_go──> what there is after record n ──naive_difference──> a cache
 *
 * It shares the layout of batches and records with the program (sys/wal/format.h, core/record) and nothing else: no snapshot, no index, no memory that could run out.
 * Keys are "key:N" in databases 0 and 1, tags "tag:N"; strings only, nothing stale, and databases do not change places.
 */
#ifndef STRATA_APP_PERSIST_NAIVE_FIXTURE_H
#define STRATA_APP_PERSIST_NAIVE_FIXTURE_H

#include "base/glob.h"
#include "core/cache/journal_fixture.h"
#include "sys/wal/format.h"

enum { NAIVE_KEYS = 256, NAIVE_TAGS = 8, NAIVE_DATABASES = 2, NAIVE_BANS_MAX = 256 };

struct naive_entry {
    bool found;
    struct buf value;
    uint64_t expires_at_ms, stamp, row;
    uint32_t tags; /* bits */
};

struct naive {
    struct buf bytes, ends; /* of the records, from record 1 on; where each ends, as size_t */
    uint64_t at;            /* `entries` are what there is after this record */
    struct naive_entry entries[NAIVE_DATABASES][NAIVE_KEYS];
    uint64_t killed[NAIVE_TAGS]; /* the youngest stamp that an invalidation of the tag has reached */
    struct naive_ban {
        struct slice pattern;
        uint32_t db;
        uint64_t stamp;
    } bans[NAIVE_BANS_MAX];
    uint32_t ban_count;
    struct buf gone; /* struct naive_gone, by `lsn` */
    size_t gone_at;  /* so many of them are not in `entries` */
};

/* What a cache that was made of the log up to this record had no room for. */
struct naive_gone {
    uint64_t lsn;
    uint32_t db, key;
};

static inline struct slice naive_key(uint32_t key, char text[16]) {
    return slice_make(text, (size_t)snprintf(text, 16, "key:%u", key));
}
static inline struct slice naive_tag(uint32_t tag, char text[16]) {
    return slice_make(text, (size_t)snprintf(text, 16, "tag:%u", tag));
}

static inline uint32_t naive_number(struct slice name, uint32_t below) {
    uint32_t number = 0;
    assert_true(name.size > 4 && name.size < 9);
    for (size_t i = 4; i < name.size; i++)
        number = number * 10 + (name.data[i] - '0');
    assert_true(number < below);
    return number;
}

static inline void naive_init(struct naive *naive) {
    memset(naive, 0, sizeof *naive);
    buf_init(&naive->bytes, &memory_libc);
    buf_init(&naive->ends, &memory_libc);
    buf_init(&naive->gone, &memory_libc);
    for (uint32_t i = 0; i < NAIVE_DATABASES * NAIVE_KEYS; i++)
        buf_init(&naive->entries[i / NAIVE_KEYS][i % NAIVE_KEYS].value, &memory_libc);
}

static inline void naive_fini(struct naive *naive) {
    buf_fini(&naive->bytes);
    buf_fini(&naive->ends);
    buf_fini(&naive->gone);
    for (uint32_t i = 0; i < NAIVE_DATABASES * NAIVE_KEYS; i++)
        buf_fini(&naive->entries[i / NAIVE_KEYS][i % NAIVE_KEYS].value);
}

/* ------------------------------------------------------------------------------------------ records */

static inline uint64_t naive_count(const struct naive *naive) { return naive->ends.size / sizeof(size_t); }

static inline struct slice naive_record(const struct naive *naive, uint64_t lsn) {
    const size_t *ends = (const size_t *)(const void *)naive->ends.data;
    size_t from = lsn > 1 ? ends[lsn - 2] : 0;
    return slice_make(naive->bytes.data + from, ends[lsn - 1] - from);
}

static inline void naive_keep(struct naive *naive, uint64_t lsn, struct slice record) {
    if (lsn <= naive_count(naive)) {
        if (!slice_equal(record, naive_record(naive, lsn)))
            fail_msg("record %llu has changed", (unsigned long long)lsn);
        return;
    }
    if (lsn != naive_count(naive) + 1)
        fail_msg("record %llu follows record %llu", (unsigned long long)lsn, (unsigned long long)naive_count(naive));
    assert_int_equal(buf_append_slice(&naive->bytes, record), STATUS_OK);
    assert_int_equal(buf_append(&naive->ends, &naive->bytes.size, sizeof naive->bytes.size), STATUS_OK);
}

/* One batch after the other, as long as they are whole; `naive` may be NULL. Answers the number of the last record; `ret_flushed`, if not NULL, rises to what a batch says
 * was flushed. */
static inline uint64_t naive_walk(struct slice file, struct naive *naive, uint64_t *ret_flushed) {
    struct log_header header;
    uint32_t version;
    if (file.size < LOG_HEADER_SIZE || log_header_decode(file.data, &header, &version) != STATUS_OK)
        return 0;
    uint64_t lsn = header.first_lsn;
    for (size_t at = LOG_HEADER_SIZE; file.size - at >= LOG_BATCH_HEADER_SIZE;) {
        uint64_t seed = format_seed(header.log_id, header.number, at);
        struct log_batch batch;
        struct slice payload, record;
        if (!log_batch_decode(file.data + at, seed, &batch) || batch.first_lsn != lsn)
            break;
        at += LOG_BATCH_HEADER_SIZE;
        payload = slice_make(file.data + at, batch.payload_size);
        if (file.size - at < batch.payload_size || !log_batch_verify(&batch, seed, payload))
            break;
        for (; format_record_next(&payload, &record); lsn++)
            if (naive)
                naive_keep(naive, lsn, record);
        at += batch.payload_size;
        if (ret_flushed && *ret_flushed < batch.flushed_lsn)
            *ret_flushed = batch.flushed_lsn;
    }
    return lsn - 1;
}

/* Forgets what is behind that record. */
static inline void naive_cut(struct naive *naive, uint64_t lsn) {
    assert_true(lsn <= naive_count(naive));
    naive->bytes.size = lsn ? ((const size_t *)(const void *)naive->ends.data)[lsn - 1] : 0;
    naive->ends.size = lsn * sizeof(size_t);
    if (naive->at > lsn)
        naive->at = UINT64_MAX; /* nothing is left of it */
}

/* ------------------------------------------------------------------------------------------ what they say */

static inline void naive_facts(struct naive_entry *entry, const struct record_part *part) {
    assert_true(part->type == CACHE_STRING && !part->soft && !part->stale_ms);
    entry->expires_at_ms = part->expires_at_ms;
    entry->stamp = part->stamp;
    entry->row = part->row;
    entry->tags = 0;
    for (uint32_t i = 0; i < part->tag_count; i++)
        entry->tags |= 1u << naive_number(part->tags[i], NAIVE_TAGS);
}

static inline void naive_patch(struct naive_entry *entry, const struct record_part *part) {
    size_t end = part->offset + part->value.size;
    if (end > entry->value.size) {
        assert_int_equal(buf_reserve(&entry->value, end - entry->value.size), STATUS_OK);
        memset(entry->value.data + entry->value.size, 0, end - entry->value.size);
        entry->value.size = end;
    }
    memcpy(entry->value.data + part->offset, part->value.data, part->value.size);
}

static inline void naive_change(struct naive *naive, const struct record_part *part) {
    assert_true(part->place < NAIVE_DATABASES);
    struct naive_entry *entry = &naive->entries[part->place][naive_number(part->name, NAIVE_KEYS)];
    if (part->kind == RECORD_PUT) {
        buf_clear(&entry->value);
        assert_int_equal(buf_append_slice(&entry->value, part->value), STATUS_OK);
    }
    if (part->kind == RECORD_PATCH && entry->found)
        naive_patch(entry, part);
    entry->found = part->kind != RECORD_REMOVE && (entry->found || part->kind == RECORD_PUT);
    if (entry->found)
        naive_facts(entry, part);
}

/* All that is there; what comes later and is older has a stamp. */
static inline void naive_ban(struct naive *naive, const struct record_part *part) {
    assert_true(part->place < NAIVE_DATABASES && naive->ban_count < NAIVE_BANS_MAX);
    naive->bans[naive->ban_count++] = (struct naive_ban){part->name, part->place, part->stamp};
    for (uint32_t i = 0; i < NAIVE_KEYS; i++) {
        struct naive_entry *entry = &naive->entries[part->place][i];
        char text[16];
        if (entry->found && entry->stamp <= part->stamp && glob_matches(part->name, naive_key(i, text), false))
            entry->found = false;
    }
}

static inline void naive_flush(struct naive *naive, uint32_t db) {
    for (uint32_t i = 0; i < NAIVE_KEYS; i++)
        naive->entries[db][i].found = false;
}

static inline void naive_apply(struct naive *naive, const struct record_part *part) {
    switch (part->kind) {
        case RECORD_PUT:
        case RECORD_FACTS:
        case RECORD_PATCH:
        case RECORD_REMOVE:
            return naive_change(naive, part);
        case RECORD_TAG: {
            uint64_t *killed = &naive->killed[naive_number(part->name, NAIVE_TAGS)];
            assert_true(!part->soft);
            *killed = part->stamp > *killed ? part->stamp : *killed;
            return;
        }
        case RECORD_BAN:
            return naive_ban(naive, part);
        case RECORD_FLUSH:
            return naive_flush(naive, part->place);
        case RECORD_FLUSH_ALL:
            return naive_flush(naive, 0), naive_flush(naive, 1);
        case RECORD_SWEPT:
        case RECORD_STAMPS:
            return;
        default:
            fail_msg("a record of kind %d", (int)part->kind);
    }
}

static inline void naive_let_go(struct naive *naive) {
    const struct naive_gone *gone = (const struct naive_gone *)(const void *)naive->gone.data;
    size_t count = naive->gone.size / sizeof *gone;
    for (; naive->gone_at < count && gone[naive->gone_at].lsn <= naive->at; naive->gone_at++)
        naive->entries[gone[naive->gone_at].db][gone[naive->gone_at].key].found = false;
}

/* `entries` become what there is after that record. */
static inline void naive_go(struct naive *naive, uint64_t lsn) {
    assert_true(lsn <= naive_count(naive));
    if (lsn < naive->at) {
        naive->at = naive->ban_count = 0;
        naive->gone_at = 0;
        memset(naive->killed, 0, sizeof naive->killed);
        for (uint32_t db = 0; db < NAIVE_DATABASES; db++)
            naive_flush(naive, db);
    }
    while (naive->at < lsn) {
        struct record_reader reader;
        struct record_part part;
        assert_int_equal(record_open(naive_record(naive, ++naive->at), &reader), STATUS_OK);
        while (record_next(&reader, &part) == STATUS_OK)
            naive_apply(naive, &part);
        naive_let_go(naive);
    }
}

/* After the last record that is known. */
static inline void naive_lose(struct naive *naive, uint32_t db, uint32_t key) {
    struct naive_gone gone = {naive->at, db, key};
    assert_int_equal(naive->at, naive_count(naive));
    assert_int_equal(buf_append(&naive->gone, &gone, sizeof gone), STATUS_OK);
    naive_let_go(naive);
}

static inline bool naive_finds(const struct naive *naive, uint32_t db, uint32_t key, uint64_t now_ms) {
    const struct naive_entry *entry = &naive->entries[db][key];
    bool found = entry->found && (!entry->expires_at_ms || entry->expires_at_ms > now_ms);
    for (uint32_t tag = 0; tag < NAIVE_TAGS && found; tag++)
        found = !(entry->tags >> tag & 1) || entry->stamp > naive->killed[tag];
    return found;
}

/* ------------------------------------------------------------------------------------------ a cache beside it */

static inline void naive_see(const struct naive *naive, uint32_t db, uint32_t key, uint64_t now_ms, struct seen *seen) {
    const struct naive_entry *entry = &naive->entries[db][key];
    *seen = (struct seen){.value = {0}};
    if (!naive_finds(naive, db, key, now_ms))
        return;
    seen->found = true;
    seen->value = entry->value;
    seen->size = entry->value.size;
    seen->expires_at_ms = entry->expires_at_ms;
    seen->row = entry->row;
    for (uint32_t tag = 0; tag < NAIVE_TAGS; tag++) {
        char text[16];
        if (entry->tags >> tag & 1)
            see_tag(seen, naive_tag(tag, text));
    }
}

/* False: they are the same at the time of the cache's actor. Else `text` says where they differ. */
static inline bool naive_differs(const struct naive *naive, struct testing_cache *t, char text[160]) {
    struct seen mine, other;
    const char *what = NULL;
    buf_init(&other.value, &memory_libc);
    for (uint32_t i = 0; i < NAIVE_DATABASES * NAIVE_KEYS && !what; i++) {
        char name[16];
        uint32_t db = i / NAIVE_KEYS, key = i % NAIVE_KEYS;
        naive_see(naive, db, key, t->actor.now_ms, &mine);
        testing_see(t, db, naive_key(key, name), &other);
        what = testing_difference(&mine, &other);
        if (what)
            snprintf(text, 160,
                     "key:%u of database %u after record %llu: %s: %s, %llu bytes; in the cache %s, %llu bytes", key,
                     db, (unsigned long long)naive->at, what, mine.found ? "there" : "absent",
                     (unsigned long long)mine.size, other.found ? "there" : "absent", (unsigned long long)other.size);
    }
    buf_fini(&other.value);
    return what != NULL;
}

#endif
