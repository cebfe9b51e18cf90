/* core/cache/journal_fixture.h: a log in memory, and a cache made again of it. */
#ifndef STRATA_CORE_CACHE_JOURNAL_FIXTURE_H
#define STRATA_CORE_CACHE_JOURNAL_FIXTURE_H

#include "core/cache/cache_fixture.h"
#include "core/cache/dump.h"
#include "core/cache/replay.h"

struct logged {
    uint64_t lsn;
    size_t at, size;
};

/* Every field is the test's to look at. Not for several threads. */
struct testing_log {
    struct buf records; /* struct logged */
    struct buf bytes;
    uint64_t lsn;
    uint64_t promised;            /* and not used or given back */
    bool full;                    /* it promises nothing */
    uint64_t refused;             /* how often */
    struct buf dump_ends, dumped; /* of the last dump: records end to end, and where each ends (size_t) */
    uint64_t tags_from, from;     /* of it */
    /* Faults of whoever reads it: records in which a part is of this kind, 0: none, are left out; so is this one, and this one changes places with the next. */
    enum record_kind without;
    size_t left_out, late; /* 1 is the first; 0: none */
};

static inline enum status log_reserve(void *context, uint64_t bytes) {
    struct testing_log *log = context;
    if (log->full) {
        log->refused++;
        return STATUS_IO;
    }
    log->promised += bytes;
    return STATUS_OK;
}

static inline void log_release(void *context, uint64_t bytes) {
    struct testing_log *log = context;
    assert_true(log->promised >= bytes);
    log->promised -= bytes;
}

static inline void log_stage(void *context, uint32_t lane, const struct slice *parts, uint32_t part_count,
                             uint64_t reserved, uint64_t *ret_lsn) {
    struct testing_log *log = context;
    struct logged logged = {.lsn = ++log->lsn, .at = log->bytes.size};
    assert_true(lane != 0 && log->promised >= reserved);
    log->promised -= reserved;
    for (uint32_t i = 0; i < part_count; i++)
        assert_int_equal(buf_append_slice(&log->bytes, parts[i]), STATUS_OK);
    logged.size = log->bytes.size - logged.at;
    assert_int_equal(buf_append(&log->records, &logged, sizeof logged), STATUS_OK);
    *ret_lsn = logged.lsn;
}

static inline uint64_t log_position(void *context) { return ((struct testing_log *)context)->lsn; }

static inline void log_init(struct testing_log *log) {
    *log = (struct testing_log){.lsn = 0};
    buf_init(&log->records, &memory_libc);
    buf_init(&log->bytes, &memory_libc);
    buf_init(&log->dump_ends, &memory_libc);
    buf_init(&log->dumped, &memory_libc);
}

static inline void log_fini(struct testing_log *log) {
    buf_fini(&log->records);
    buf_fini(&log->bytes);
    buf_fini(&log->dump_ends);
    buf_fini(&log->dumped);
}

static inline struct cache_journal log_journal(struct testing_log *log) {
    return (struct cache_journal){log_reserve, log_release, log_stage, log_position, NULL, log};
}

static inline size_t log_count(const struct testing_log *log) { return log->records.size / sizeof(struct logged); }

static inline struct slice log_record(const struct testing_log *log, size_t index, uint64_t *ret_lsn) {
    const struct logged *all = (const struct logged *)(const void *)log->records.data, *logged = all + index;
    *ret_lsn = logged->lsn;
    if (log->late && log->late < log_count(log))
        logged = index + 1 == log->late ? logged + 1 : index == log->late ? logged - 1 : logged;
    return slice_make(log->bytes.data + logged->at, logged->size);
}

static inline bool log_record_has(struct slice record, enum record_kind kind) {
    struct record_reader reader;
    struct record_part part;
    assert_int_equal(record_open(record, &reader), STATUS_OK);
    while (record_next(&reader, &part) == STATUS_OK)
        if (part.kind == kind)
            return true;
    return false;
}

/* A cache that tells the log. */
static inline struct testing_cache testing_open_logged(struct cache_options options, struct testing_log *log) {
    struct testing_cache t = testing_open_as(options);
    struct cache_journal journal = log_journal(log);
    log_init(log);
    cache_journal_set(t.cache, &t.actor, &journal);
    return t;
}

static inline void testing_close_logged(struct testing_cache *t, struct testing_log *log) {
    assert_int_equal(log->promised, 0);
    cache_journal_set(t->cache, &t->actor, NULL);
    cache_journal_forget(t->cache, &t->actor);
    testing_close(t);
    log_fini(log);
}

/* One record more of a dump, unless there is no memory for it; false at its end. */
static inline bool log_dump_step(struct testing_log *log, struct cache_dump *dump, struct actor *actor,
                                 struct buf *record) {
    enum status status = cache_dump_next(dump, actor, record);
    if (status == STATUS_CLOSED)
        return false;
    if (status == STATUS_NO_MEMORY)
        return true;
    assert_int_equal(status, STATUS_OK);
    assert_int_equal(buf_append_slice(&log->dumped, buf_slice(record)), STATUS_OK);
    assert_int_equal(buf_append(&log->dump_ends, &log->dumped.size, sizeof(size_t)), STATUS_OK);
    return true;
}

static inline void log_dump(struct testing_log *log, struct testing_cache *t) {
    struct cache_dump dump;
    struct buf record;
    buf_init(&record, &memory_libc);
    buf_clear(&log->dumped);
    buf_clear(&log->dump_ends);
    cache_dump_begin(t->cache, &t->actor, &dump);
    while (log_dump_step(log, &dump, &t->actor, &record))
        ;
    log->tags_from = dump.tags_from;
    log->from = dump.from;
    cache_dump_end(&dump, &t->actor);
    buf_fini(&record);
}

/* Another cache like that of `options`, at the same time, made of the last dump and all records. */
static inline struct testing_cache testing_recover(struct cache_options options, const struct testing_log *log,
                                                   uint64_t now_ms, struct cache_replay *ret_replay) {
    struct testing_cache t = testing_open_as(options);
    const size_t *ends = (const size_t *)(const void *)log->dump_ends.data;
    t.actor.now_ms = now_ms;
    ret_replay->cache = t.cache;
    ret_replay->actor = &t.actor;
    ret_replay->tags_from = log->tags_from;
    ret_replay->from = log->from;
    cache_replay_begin(ret_replay);
    for (size_t i = 0, at = 0; i < log->dump_ends.size / sizeof *ends; at = ends[i++])
        assert_int_equal(cache_replay_dump(ret_replay, slice_make(log->dumped.data + at, ends[i] - at)), STATUS_OK);
    for (size_t i = 0; i < log_count(log); i++) {
        uint64_t lsn;
        struct slice record = log_record(log, i, &lsn);
        if (i + 1 == log->left_out || (log->without && log_record_has(record, log->without)))
            continue;
        assert_int_equal(cache_replay_apply(ret_replay, lsn, record), STATUS_OK);
    }
    cache_replay_end(ret_replay);
    assert_int_equal(t.actor.now_ms, now_ms);
    return t;
}

/* What is to be seen of a key, by whoever asks for everything. */
struct seen {
    bool found, nothing, stale;
    enum cache_type type;
    uint64_t stale_ms, size, expires_at_ms, version, row, tags; /* tags: the sum of their names' hashes */
    uint32_t tag_count;
    struct buf value;
};

static inline void see_tag(void *context, struct slice tag) {
    struct seen *seen = context;
    uint64_t hash = 14695981039346656037u;
    for (size_t i = 0; i < tag.size; i++)
        hash = (hash ^ tag.data[i]) * 1099511628211u;
    seen->tags += hash;
    seen->tag_count++;
}

static inline void testing_see(struct testing_cache *t, uint32_t db, struct slice name, struct seen *seen) {
    struct buf value = seen->value;
    struct cache_edit edit;
    struct cache_key key = cache_key(t->cache, db, name);
    cache_edit_begin(t->cache, &t->actor, &key, &edit);
    *seen = (struct seen){.found = edit.found, .nothing = edit.nothing, .stale = edit.stale, .value = value};
    buf_clear(&seen->value);
    if (edit.found || edit.stale) {
        seen->type = edit.type;
        seen->size = edit.size;
        seen->expires_at_ms = edit.expires_at_ms;
        seen->version = edit.version;
        seen->row = edit.row;
        seen->stale_ms = edit.stale ? edit.stale_ms : 0;
        assert_int_equal(buf_reserve(&seen->value, edit.size + 1), STATUS_OK);
        cache_edit_copy_out(&edit, 0, seen->value.data, edit.size);
        seen->value.size = edit.size;
    }
    cache_edit_tags(&edit, see_tag, seen);
    cache_edit_end(&edit);
}

/* NULL, or in what the two differ. Where the first has no version the second may have one (replay.h). */
static inline const char *testing_difference(const struct seen *a, const struct seen *b) {
    if (a->found != b->found || a->nothing != b->nothing || a->stale != b->stale)
        return "whether it is there";
    if (a->type != b->type)
        return "type";
    if (a->size != b->size || (a->size && memcmp(a->value.data, b->value.data, a->size) != 0))
        return "value";
    if (a->expires_at_ms != b->expires_at_ms || a->stale_ms != b->stale_ms)
        return "times";
    if (a->row != b->row || (a->version && a->version != b->version))
        return "versions";
    return a->tags != b->tags || a->tag_count != b->tag_count ? "tags" : NULL;
}

#endif
