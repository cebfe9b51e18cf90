/* core/cache/journal_fixture.h: a log in memory, and a cache made again of it. */
#ifndef STRATA_CORE_CACHE_JOURNAL_FIXTURE_H
#define STRATA_CORE_CACHE_JOURNAL_FIXTURE_H

#include "base/rng.h"
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
    size_t placed_max;            /* room for the record that is being written in place; 0: none is */
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
    assert_true(lane != 0 && log->placed_max == 0 && log->promised >= reserved);
    log->promised -= reserved;
    for (uint32_t i = 0; i < part_count; i++)
        assert_int_equal(buf_append_slice(&log->bytes, parts[i]), STATUS_OK);
    logged.size = log->bytes.size - logged.at;
    assert_int_equal(buf_append(&log->records, &logged, sizeof logged), STATUS_OK);
    *ret_lsn = logged.lsn;
}

static inline uint8_t *log_place(void *context, uint32_t lane, size_t size_max) {
    struct testing_log *log = context;
    assert_true(lane != 0 && log->placed_max == 0 && size_max > 0);
    assert_int_equal(buf_reserve(&log->bytes, size_max), STATUS_OK);
    log->placed_max = size_max;
    return log->bytes.data + log->bytes.size;
}

static inline void log_placed(void *context, uint32_t lane, size_t size, uint64_t reserved, uint64_t *ret_lsn) {
    struct testing_log *log = context;
    struct logged logged = {.lsn = ++log->lsn, .at = log->bytes.size, .size = size};
    assert_true(lane != 0 && size > 0 && size <= log->placed_max && log->promised >= reserved);
    log->promised -= reserved;
    log->placed_max = 0;
    log->bytes.size += size;
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
    return (struct cache_journal){.reserve = log_reserve,
                                  .release = log_release,
                                  .stage = log_stage,
                                  .place = log_place,
                                  .placed = log_placed,
                                  .position = log_position,
                                  .context = log};
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

/* Changes that were handed out to lanes. They are applied at random moments, those of one lane in their order. */
enum { TESTING_LANES = 3 };
struct testing_lanes {
    struct rng rng;
    uint64_t behind_max; /* how many changes were handed out and not applied, at most */
    /* Faults: nobody waits for the lanes; a change goes to any lane. */
    bool never_settled, any_lane;
    struct testing_lane {
        struct cache_replay_lane lane;
        struct actor actor;
        struct buf queued; /* struct testing_queued, and the bytes of its part, padded to 8 */
        size_t at;         /* what is applied next */
        uint64_t behind;
    } lanes[TESTING_LANES];
};

struct testing_queued {
    uint64_t hash, size, now_ms;
};

static inline bool lane_head(const struct testing_lane *lane, struct testing_queued *ret_queued) {
    if (lane->at == lane->queued.size)
        return false;
    memcpy(ret_queued, lane->queued.data + lane->at, sizeof *ret_queued);
    return true;
}

/* The next change of a lane, if there is one; at the time of the oldest of all. */
static inline bool lane_step(struct testing_lanes *lanes, struct testing_lane *lane) {
    struct testing_queued queued, oldest;
    if (!lane_head(lane, &queued))
        return false;
    uint64_t now_ms = queued.now_ms;
    for (int i = 0; i < TESTING_LANES; i++)
        if (lane_head(&lanes->lanes[i], &oldest) && oldest.now_ms < now_ms)
            now_ms = oldest.now_ms;
    const struct cache_replay_change change = {queued.hash,
                                               slice_make(lane->queued.data + lane->at + sizeof queued, queued.size)};
    assert_int_equal(cache_replay_changes(&lane->lane, &change, 1, now_ms), STATUS_OK);
    lane->at += sizeof queued + bits_align_up(queued.size, 8);
    lane->behind--;
    return true;
}

static inline enum status lanes_hand(void *context, uint32_t shard, const struct cache_replay_change *change) {
    struct testing_lanes *lanes = context;
    if (lanes->any_lane)
        shard = (uint32_t)rng_below(&lanes->rng, TESTING_LANES);
    struct testing_lane *lane = &lanes->lanes[shard % TESTING_LANES];
    const struct testing_queued queued = {change->hash, change->part.size, lane->lane.replay->actor->now_ms};
    static const uint8_t padding[8];
    uint64_t behind = 0;
    assert_int_equal(buf_append(&lane->queued, &queued, sizeof queued), STATUS_OK);
    assert_int_equal(buf_append_slice(&lane->queued, change->part), STATUS_OK);
    assert_int_equal(
        buf_append(&lane->queued, padding, bits_align_up(change->part.size, sizeof padding) - change->part.size),
        STATUS_OK);
    lane->behind++;
    for (int i = 0; i < TESTING_LANES; i++)
        behind += lanes->lanes[i].behind;
    lanes->behind_max = behind > lanes->behind_max ? behind : lanes->behind_max;
    if (rng_below(&lanes->rng, 8) == 0) {
        struct testing_lane *any = &lanes->lanes[rng_below(&lanes->rng, TESTING_LANES)];
        for (uint64_t i = rng_below(&lanes->rng, 12); i > 0 && lane_step(lanes, any); i--)
            ;
    }
    return STATUS_OK;
}

static inline void lanes_finish(struct testing_lanes *lanes) {
    for (int i = 0; i < TESTING_LANES; i++) {
        while (lane_step(lanes, &lanes->lanes[i]))
            ;
        buf_clear(&lanes->lanes[i].queued);
        lanes->lanes[i].at = 0;
    }
}

static inline enum status lanes_settle(void *context) {
    struct testing_lanes *lanes = context;
    if (!lanes->never_settled)
        lanes_finish(lanes);
    return STATUS_OK;
}

/* The faults, if any, are the caller's to set before. */
static inline void lanes_begin(struct testing_lanes *lanes, struct cache_replay *replay, uint64_t seed) {
    lanes->rng = rng_seeded(seed);
    for (uint32_t i = 0; i < TESTING_LANES; i++) {
        struct testing_lane *lane = &lanes->lanes[i];
        lane->actor.id = 10 + i;
        lane->lane = (struct cache_replay_lane){.replay = replay, .actor = &lane->actor};
        buf_init(&lane->queued, &memory_libc);
    }
    replay->hand = lanes_hand;
    replay->settle = lanes_settle;
    replay->hand_context = lanes;
}

static inline void lanes_end(struct testing_lanes *lanes, struct cache_replay *replay) {
    lanes_finish(lanes);
    for (uint32_t i = 0; i < TESTING_LANES; i++) {
        replay->lost += lanes->lanes[i].lane.lost;
        buf_fini(&lanes->lanes[i].queued);
    }
    replay->hand = NULL;
    replay->settle = NULL;
}

/* Another cache like that of `options`, at the same time, made of the last dump and all records; by lanes if there are some. */
static inline struct testing_cache testing_recover(struct cache_options options, const struct testing_log *log,
                                                   uint64_t now_ms, struct cache_replay *ret_replay,
                                                   struct testing_lanes *lanes) {
    struct testing_cache t = testing_open_as(options);
    const size_t *ends = (const size_t *)(const void *)log->dump_ends.data;
    t.actor.now_ms = now_ms;
    ret_replay->cache = t.cache;
    ret_replay->actor = &t.actor;
    ret_replay->tags_from = log->tags_from;
    ret_replay->from = log->from;
    cache_replay_begin(ret_replay);
    if (lanes)
        lanes_begin(lanes, ret_replay, log->lsn);
    for (size_t i = 0, at = 0; i < log->dump_ends.size / sizeof *ends; at = ends[i++])
        assert_int_equal(cache_replay_dump(ret_replay, slice_make(log->dumped.data + at, ends[i] - at)), STATUS_OK);
    for (size_t i = 0; i < log_count(log); i++) {
        uint64_t lsn;
        struct slice record = log_record(log, i, &lsn);
        if (i + 1 == log->left_out || (log->without && log_record_has(record, log->without)))
            continue;
        assert_int_equal(cache_replay_apply(ret_replay, lsn, record), STATUS_OK);
    }
    if (lanes)
        lanes_end(lanes, ret_replay);
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
