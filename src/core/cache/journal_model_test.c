/* core/cache/journal_model_test.c: a cache that is made again of its journal against the one that went on.
 *
 * Random operations on a cache with a log in memory, by two actors, while a dump is taken slice by slice. At random moments all is thrown away but the
 * last whole dump and the log, another cache is made of these, and every key that there ever was is compared: value, type, expiry, stale time, versions,
 * tags. The cache that went on is the twin: what it does is held against a naive one by model_test.c and others.
 *
 * Seeds: STRATA_SEED and those that follow it, STRATA_JOURNAL_SEEDS of them (1,000). The same finds each of some planted faults (enum fault).
 */
#include "base/rng.h"
#include "core/cache/journal_fixture.h"
#include "scarce.h"

enum {
    SEEDS = 1000,
    OPERATIONS = 60, /* for each seed, and then as many after each of the crashes */
    CRASHES = 2,
    KEYS = 24,
    TAGS = 5,
    DATABASES = 2,
    LARGE = 9000,     /* a value of several extents */
    LONG_MS = 200000, /* more than the minute by which a replay's time is behind */
};

enum fault {
    FAULT_NONE,
    FAULT_LEFT_OUT,    /* one record of the log is */
    FAULT_LATE,        /* one is applied after the next one */
    FAULT_NO_TAGS,     /* invalidations of tags do not reach the log, */
    FAULT_NO_REMOVAL,  /* or deletions and evictions, */
    FAULT_NO_FACTS,    /* or other expiries and tags, */
    FAULT_NO_BANS,     /* or bans, */
    FAULT_NO_MAP,      /* or that databases change places */
    FAULT_DUMP_AT_END, /* the log from the end of the dump is taken for enough */
    FAULT_OF_LANES,
    FAULT_UNSETTLED = FAULT_OF_LANES, /* what concerns more than a key does not wait for the lanes */
    FAULT_ANY_LANE,                   /* changes of one key go to several lanes */
    FAULT_KINDS
};

/* What the cache is like. */
enum kind {
    KIND_ROOMY,
    KIND_EVICTING, /* it has no room for all of it */
    KIND_SESSIONS, /* some keys are in a store of sessions, with a time to live */
    KIND_REFUSED,  /* the log has no room at times, and the cache no memory for what it notes */
    KINDS
};

struct model {
    struct testing_cache t;
    struct actor other; /* a second thread's */
    struct cache_options options;
    struct testing_log log;
    struct cache_dump dump;
    struct testing_log dumping; /* what there is of the dump that is under way */
    bool is_dumping, has_dump;
    struct rng rng;
    struct buf record, bytes;
    struct seen a, b;
    uint64_t seed, step, found; /* entries that were there when they were compared */
    bool in_lanes;
    uint64_t behind; /* how many changes lanes were behind at most, summed up */
    enum fault fault;
    enum kind kind;
    struct scarce scarce; /* the memory of the cache, in KIND_REFUSED */
    char text[256];       /* what was different */
};

#define FAIL(model, ...)                                                                                          \
    do {                                                                                                          \
        char text_[256];                                                                                          \
        snprintf(text_, sizeof text_, __VA_ARGS__);                                                               \
        fail_msg("seed %llu step %llu: %s", (unsigned long long)(model)->seed, (unsigned long long)(model)->step, \
                 text_);                                                                                          \
    } while (0)

static struct slice name_of(uint32_t key) {
    static char text[8][64];
    static uint32_t next;
    char *to = text[next++ % 8];
    static const char *const forms[] = {"key:%u", "other:%u", "session:%u", "cart:%u:x"};
    return slice_make(to, (size_t)snprintf(to, sizeof text[0], forms[key % 4], key % 4 < 2 ? key : key % 12 / 4));
}

static struct slice tag_of(uint32_t tag) {
    static char text[8][64];
    static uint32_t next;
    char *to = text[next++ % 8];
    return slice_make(to, (size_t)snprintf(to, sizeof text[0], "tag:%u", tag));
}

static uint32_t below(struct model *m, uint32_t bound) { return (uint32_t)rng_below(&m->rng, bound); }

static struct actor *any_actor(struct model *m) { return below(m, 3) ? &m->t.actor : &m->other; }

static struct cache_key any_key(struct model *m) {
    return cache_key(m->t.cache, below(m, DATABASES), name_of(below(m, KEYS)));
}

static struct slice any_value(struct model *m) {
    uint32_t size = below(m, 8) == 0 ? below(m, LARGE) : below(m, 120);
    return slice_make(m->bytes.data + below(m, 1000), size);
}

static uint64_t any_expiry(struct model *m) { return below(m, 3) ? 0 : m->t.actor.now_ms + 1 + below(m, 3000); }

/* Room and the log may be refused; nothing else. */
static void may_fail(struct model *m, enum status status) {
    bool refused = m->kind == KIND_REFUSED && (status == STATUS_IO || status == STATUS_NO_MEMORY);
    if (status != STATUS_OK && status != STATUS_FULL && !refused)
        FAIL(m, "%s", status_text(status));
}

/* ------------------------------------------------------------------------------------------ operations on an edit */

static void write_some(struct model *m, struct cache_edit *edit) {
    struct slice tags[3];
    edit->tag_count = below(m, 2) ? below(m, 4) : 0;
    for (uint32_t i = 0; i < edit->tag_count; i++)
        tags[i] = tag_of(below(m, TAGS));
    edit->tags = tags;
    edit->versioned = below(m, 4) == 0;
    edit->set_row = below(m, 4) ? 0 : 1 + below(m, 1000);
    edit->set_stale_ms = below(m, 3) ? 0 : 1 + below(m, 2000);
    static const enum cache_type types[] = {CACHE_STRING, CACHE_STRING, CACHE_STRING, CACHE_HASH, CACHE_NOTHING};
    enum cache_type type = types[below(m, sizeof types / sizeof *types)];
    struct slice value = type == CACHE_NOTHING ? slice_make(NULL, 0) : any_value(m);
    may_fail(m, cache_edit_set(edit, type, value, any_expiry(m)));
    edit->tags = NULL;
    edit->tag_count = 0;
    edit->versioned = false;
    edit->set_row = edit->set_stale_ms = 0;
}

static void change_some(struct model *m, struct cache_edit *edit) {
    struct slice tags[2] = {tag_of(below(m, TAGS)), tag_of(below(m, TAGS))};
    struct slice value = any_value(m);
    switch (below(m, 8)) {
        case 0:
            return may_fail(m, cache_edit_expire(edit, any_expiry(m)));
        case 1:
            return may_fail(m, cache_edit_retag(edit, tags, below(m, 3)));
        case 2:
            return may_fail(m, cache_edit_version(edit));
        case 3:
            return may_fail(m, cache_edit_change(edit, value));
        case 4:
            return may_fail(m, cache_edit_patch(edit, edit->size, slice_part(value, 0, 40)));
        case 5:
            return may_fail(m, cache_edit_patch(edit, edit->size ? below(m, (uint32_t)edit->size) : 0,
                                                slice_part(value, 0, 1 + below(m, 60))));
        case 6:
            return may_fail(m, cache_edit_soften(edit));
        default:
            return cache_edit_delete(edit);
    }
}

static void work_on(struct model *m, struct cache_edit *edit) {
    uint32_t steps = 1 + (below(m, 6) == 0);
    for (uint32_t i = 0; i < steps; i++) {
        if (!edit->found || below(m, 3) == 0)
            write_some(m, edit);
        else
            change_some(m, edit);
    }
}

static void do_edit(struct model *m, struct actor *actor) {
    struct cache_key key = any_key(m);
    struct cache_edit edit;
    cache_prepare(m->t.cache, actor, &key, LARGE);
    cache_edit_begin(m->t.cache, actor, &key, &edit);
    work_on(m, &edit);
    cache_edit_end(&edit);
}

static void do_set(struct model *m, struct actor *actor) {
    struct cache_key key = any_key(m);
    if (below(m, 2)) { /* as a server looks keys up, several at once */
        cache_keys_ahead(m->t.cache, &key, 1);
        cache_entries_ahead(m->t.cache, &key, 1);
    }
    may_fail(m, cache_set(m->t.cache, actor, &key, any_value(m), below(m, 2) ? 0 : any_expiry(m)));
}

static void do_patch_new(struct model *m, struct actor *actor) {
    struct cache_key key = any_key(m);
    struct cache_edit edit;
    cache_prepare(m->t.cache, actor, &key, LARGE);
    cache_edit_begin(m->t.cache, actor, &key, &edit);
    may_fail(m, cache_edit_patch(&edit, below(m, 50), slice_make(m->bytes.data, below(m, 50))));
    cache_edit_end(&edit);
}

static void do_invalidate(struct model *m, struct actor *actor) {
    struct slice tag = tag_of(below(m, TAGS));
    if (below(m, 3))
        cache_tag_invalidate(m->t.cache, actor, tag);
    else
        cache_tag_soften(m->t.cache, actor, tag);
}

/* ------------------------------------------------------------------------------------------ several at once */

/* What has been written under several locks is undone. */
static void undo(struct model *m, struct actor *actor, const struct cache_key *key) {
    struct cache_edit edit;
    struct cache_kept_tags kept;
    uint8_t *bytes = m->bytes.data + 20000;
    cache_edit_begin(m->t.cache, actor, key, &edit);
    if (edit.found && edit.size < LARGE) {
        uint64_t size = edit.size, expires_at_ms = edit.expires_at_ms;
        enum cache_type type = edit.type;
        bool has_kept = cache_edit_keep_tags(&edit, &kept);
        cache_edit_copy_out(&edit, 0, bytes, size);
        may_fail(m, cache_edit_set(&edit, CACHE_STRING, any_value(m), 0));
        edit.kept = has_kept ? &kept : NULL;
        may_fail(m, cache_edit_set(&edit, type, slice_make(bytes, size), expires_at_ms));
        edit.kept = NULL;
        if (has_kept)
            cache_give_tags(m->t.cache, actor, &kept);
    } else {
        may_fail(m, cache_edit_set(&edit, CACHE_STRING, any_value(m), 0));
        cache_edit_undo(&edit);
    }
    cache_edit_end(&edit);
}

static void rename_one(struct model *m, struct actor *actor, const struct cache_key keys[2]) {
    struct cache_edit from, to;
    cache_edit_begin(m->t.cache, actor, &keys[0], &from);
    cache_edit_begin(m->t.cache, actor, &keys[1], &to);
    if (from.found && !slice_equal(keys[0].name, keys[1].name)) {
        enum status status = cache_edit_copy(&from, &to, from.expires_at_ms);
        may_fail(m, status);
        if (status == STATUS_OK && below(m, 2))
            cache_edit_delete_but(&from, &to);
    }
    cache_edit_end(&to);
    cache_edit_end(&from);
}

/* While one holds locks the other invalidates tags, for which it needs none. */
static void do_several(struct model *m, struct actor *actor) {
    struct actor *other = actor == &m->other ? &m->t.actor : &m->other;
    struct cache_key keys[4];
    uint32_t db = below(m, DATABASES);
    for (int i = 0; i < 4; i++)
        keys[i] = cache_key(m->t.cache, db, name_of(below(m, KEYS)));
    bool all = below(m, 3) == 0;
    if (all)
        cache_lock_all(m->t.cache, actor, LARGE);
    else
        cache_lock_keys(m->t.cache, actor, keys, 4, LARGE);
    for (int i = 0; i < 4; i++) {
        struct cache_edit edit;
        if (below(m, 6) == 0) {
            undo(m, actor, &keys[i]);
            continue;
        }
        cache_edit_begin(m->t.cache, actor, &keys[i], &edit);
        work_on(m, &edit);
        cache_edit_end(&edit);
        /* While bans last an invalidation counts what it takes, for which it waits for locks. */
        struct cache_bans bans;
        cache_bans(m->t.cache, &bans);
        if (below(m, 4) == 0 && bans.live == 0)
            do_invalidate(m, other);
        if (all && below(m, 5) == 0)
            do_invalidate(m, actor);
    }
    rename_one(m, actor, keys);
    if (all && below(m, 12) == 0)
        cache_flush(m->t.cache, actor, below(m, DATABASES));
    uint64_t of_others = m->log.lsn, noted = actor->noted.size != 0;
    cache_unlock(m->t.cache, actor);
    if (m->kind != KIND_REFUSED && m->log.lsn > of_others + noted)
        FAIL(m, "several changes under one lock are several records");
}

static void do_whole(struct model *m, struct actor *actor) {
    switch (below(m, 6)) {
        case 0:
            return cache_flush(m->t.cache, actor, below(m, DATABASES));
        case 1:
            return below(m, 4) ? (void)0 : cache_flush_all(m->t.cache, actor);
        case 2:
            return cache_swap(m->t.cache, actor, 0, 1);
        case 3:
            return below(m, 4) ? (void)0 : cache_store_flush(m->t.cache, actor, 0);
        default:
            if (cache_ban(m->t.cache, actor, below(m, DATABASES), below(m, 2) ? SLICE("key:*") : SLICE("*:1?")))
                return;
    }
}

static void do_time(struct model *m) {
    m->t.actor.now_ms += below(m, 4) ? below(m, 20) : below(m, 8) ? below(m, 3000) : below(m, LONG_MS);
    m->other.now_ms = m->t.actor.now_ms - below(m, 2);
    for (uint32_t i = below(m, 4); i > 0; i--)
        (void)cache_housekeep(m->t.cache, any_actor(m));
}

/* ------------------------------------------------------------------------------------------ dumps and crashes */

static void dump_on(struct model *m) {
    if (!m->is_dumping) {
        buf_clear(&m->dumping.dumped);
        buf_clear(&m->dumping.dump_ends);
        cache_dump_begin(m->t.cache, &m->t.actor, &m->dump);
        m->is_dumping = true;
        return;
    }
    if (log_dump_step(&m->dumping, &m->dump, &m->t.actor, &m->record))
        return;
    m->is_dumping = false;
    m->has_dump = true;
    buf_clear(&m->log.dumped);
    buf_clear(&m->log.dump_ends);
    assert_int_equal(buf_append_slice(&m->log.dumped, buf_slice(&m->dumping.dumped)), STATUS_OK);
    assert_int_equal(buf_append_slice(&m->log.dump_ends, buf_slice(&m->dumping.dump_ends)), STATUS_OK);
    m->log.tags_from = m->dump.tags_from;
    m->log.from = m->fault == FAULT_DUMP_AT_END ? m->log.lsn : m->dump.from;
    cache_dump_end(&m->dump, &m->t.actor);
}

/* For whoever looks for the reason of a failure: what the dump and the log say of a key, and of everything that is no key. */
static void tell_record(uint64_t lsn, struct slice record, struct slice name) {
    struct record_reader reader;
    struct record_part part;
    assert_int_equal(record_open(record, &reader), STATUS_OK);
    while (record_next(&reader, &part) == STATUS_OK) {
        if (part.kind <= RECORD_REMOVE && !slice_equal(part.name, name))
            continue;
        print_message("%llu: at %llu kind %d place %u type %u soft %d \"%.*s\" expires %llu stamp %llx stale %llu tags",
                      (unsigned long long)lsn, (unsigned long long)reader.at_ms, (int)part.kind, part.place, part.type,
                      part.soft, (int)part.name.size, (const char *)part.name.data,
                      (unsigned long long)part.expires_at_ms, (unsigned long long)part.stamp,
                      (unsigned long long)part.stale_ms);
        for (uint32_t i = 0; i < part.tag_count; i++)
            print_message(" %.*s", (int)part.tags[i].size, (const char *)part.tags[i].data);
        print_message("\n");
    }
}

static void tell_all(const struct testing_log *log, struct slice name) {
    const size_t *ends = (const size_t *)(const void *)log->dump_ends.data;
    for (size_t i = 0, at = 0; i < log->dump_ends.size / sizeof *ends; at = ends[i++])
        tell_record(0, slice_make(log->dumped.data + at, ends[i] - at), name);
    print_message("dump of %llu to %llu\n", (unsigned long long)log->tags_from, (unsigned long long)log->from);
    for (size_t i = 0; i < log_count(log); i++) {
        uint64_t lsn;
        struct slice record = log_record(log, i, &lsn);
        tell_record(lsn, record, name);
    }
}

/* False: they differ; `text` says how. */
static bool compare_key(struct model *m, struct testing_cache *r, uint32_t db, uint32_t key) {
    testing_see(&m->t, db, name_of(key), &m->a);
    testing_see(r, db, name_of(key), &m->b);
    const char *difference = testing_difference(&m->a, &m->b);
    m->found += m->a.found;
    if (!difference)
        return true;
    snprintf(m->text, sizeof m->text,
             "%sdatabase %u key %.*s: %s: there %d %d %d for %llu, expires %llu; again %d %d %d; now %llu",
             m->in_lanes ? "in lanes: " : "", db, (int)name_of(key).size, (const char *)name_of(key).data, difference,
             m->a.found, m->a.nothing, m->a.stale, (unsigned long long)m->a.stale_ms,
             (unsigned long long)m->a.expires_at_ms, m->b.found, m->b.nothing, m->b.stale,
             (unsigned long long)m->t.actor.now_ms);
    if (m->fault == FAULT_NONE)
        tell_all(&m->log, name_of(key));
    return false;
}

static bool compare(struct model *m, struct testing_cache *r) {
    for (uint32_t db = 0; db < DATABASES; db++)
        for (uint32_t key = 0; key < KEYS; key++)
            if (!compare_key(m, r, db, key))
                return false;
    for (uint32_t tag = 0; tag < TAGS; tag++) {
        uint64_t there = cache_tag_count_seen(m->t.cache, &m->t.actor, tag_of(tag), true);
        if (there == cache_tag_count_seen(r->cache, &r->actor, tag_of(tag), true))
            continue;
        snprintf(m->text, sizeof m->text, "members of tag %u", tag);
        return false;
    }
    snprintf(m->text, sizeof m->text, "stamps begin anew");
    return cache_stamp(r->cache) > cache_stamp(m->t.cache);
}

static void plant(struct model *m) {
    static const enum record_kind without[FAULT_KINDS] = {[FAULT_NO_TAGS] = RECORD_TAG,
                                                          [FAULT_NO_REMOVAL] = RECORD_REMOVE,
                                                          [FAULT_NO_FACTS] = RECORD_FACTS,
                                                          [FAULT_NO_BANS] = RECORD_BAN,
                                                          [FAULT_NO_MAP] = RECORD_MAP};
    size_t count = log_count(&m->log);
    m->log.without = without[m->fault];
    m->log.left_out = m->fault == FAULT_LEFT_OUT ? 2 + below(m, (uint32_t)count) : 0;
    m->log.late = m->fault == FAULT_LATE ? 2 + below(m, (uint32_t)count) : 0;
}

/* All is made again, with room for whatever was evicted from the first one in vain: what it has lost, it has lost for ever. */
static bool make_again(struct model *m, struct testing_lanes *lanes) {
    struct cache_replay replay = {.note = NULL};
    struct cache_options options = m->options;
    options.limit_bytes *= 4;
    if (lanes)
        options.shards = 1 + (uint32_t)(m->seed % 4);
    struct testing_cache r = testing_recover(options, &m->log, m->t.actor.now_ms, &replay, lanes);
    if (replay.lost)
        FAIL(m, "%llu entries were lost", (unsigned long long)replay.lost);
    cache_verify(r.cache, &r.actor);
    m->in_lanes = lanes != NULL;
    bool same = compare(m, &r);
    testing_close(&r);
    return same;
}

/* The same by one after the other as by lanes that are behind, each at another change. */
static bool crash(struct model *m) {
    struct testing_lanes lanes = {.never_settled = m->fault == FAULT_UNSETTLED, .any_lane = m->fault == FAULT_ANY_LANE};
    plant(m);
    /* That bans are over spares a replay the comparing, and changes nothing. */
    if (m->fault == FAULT_NONE && m->seed % 2)
        m->log.without = RECORD_SWEPT;
    bool same = make_again(m, NULL);
    if (!same || (m->fault != FAULT_NONE && m->fault < FAULT_OF_LANES))
        return same;
    same = make_again(m, &lanes);
    m->behind += lanes.behind_max;
    return same;
}

static void step(struct model *m) {
    struct actor *actor = any_actor(m);
    if (m->kind == KIND_REFUSED) {
        m->log.full = below(m, 6) == 0;
        m->scarce.left = below(m, 2) ? SCARCE_NEVER : below(m, 6);
    }
    switch (below(m, 16)) {
        case 0:
        case 1:
        case 2:
            return do_set(m, actor);
        case 3:
            return do_patch_new(m, actor);
        case 4:
        case 5:
            return do_several(m, actor);
        case 6:
            return do_invalidate(m, actor);
        case 7:
            return below(m, 3) ? do_time(m) : do_whole(m, actor);
        case 8:
            return do_time(m);
        case 9:
        case 10:
            return dump_on(m);
        default:
            return do_edit(m, actor);
    }
}

static const struct slice session_patterns[] = {SLICE("session:{sid}"), SLICE("cart:{sid}:*")};
static const struct cache_store session_store = {.name = SLICE("sessions"),
                                                 .patterns = session_patterns,
                                                 .pattern_count = 2,
                                                 .ttl_ms = 1500,
                                                 .policy = CACHE_SESSION};

static void init(struct model *m, uint64_t seed, enum fault fault) {
    *m = (struct model){.seed = seed, .fault = fault, .kind = seed % KINDS};
    m->rng = rng_seeded(seed);
    m->options =
        (struct cache_options){.limit_bytes = 1024 * 1024, .shards = 1 + below(m, 2), .policy = CACHE_ALLKEYS_LRU};
    if (m->kind == KIND_EVICTING)
        m->options.limit_bytes = 96 * 1024;
    if (m->kind == KIND_SESSIONS || below(m, 4) == 0) {
        m->options.stores = &session_store;
        m->options.store_count = 1;
    }
    m->t = testing_open_logged(m->options, &m->log);
    if (m->kind == KIND_REFUSED) {
        m->t.cache->memory = scarce_begin(&m->scarce, SCARCE_NEVER);
        m->scarce.once = true;
    }
    m->other = (struct actor){.id = 3, .now_ms = m->t.actor.now_ms};
    log_init(&m->dumping);
    buf_init(&m->record, &memory_libc);
    buf_init(&m->bytes, &memory_libc);
    buf_init(&m->a.value, &memory_libc);
    buf_init(&m->b.value, &memory_libc);
    assert_int_equal(buf_reserve(&m->bytes, 40000), STATUS_OK);
    for (m->bytes.size = 0; m->bytes.size < 40000; m->bytes.size++)
        m->bytes.data[m->bytes.size] = (uint8_t)rng_next(&m->rng);
}

static void fini(struct model *m) {
    m->log.full = false;
    m->scarce.left = SCARCE_NEVER;
    if (m->is_dumping)
        cache_dump_end(&m->dump, &m->t.actor);
    cache_journal_forget(m->t.cache, &m->other);
    cache_journal_forget(m->t.cache, &m->t.actor);
    m->t.cache->memory = &memory_libc;
    testing_close_logged(&m->t, &m->log);
    log_fini(&m->dumping);
    buf_fini(&m->record);
    buf_fini(&m->bytes);
    buf_fini(&m->a.value);
    buf_fini(&m->b.value);
}

static uint64_t seeds_wanted(void) {
    const char *text = getenv("STRATA_JOURNAL_SEEDS");
    return text ? strtoull(text, NULL, 10) : SEEDS;
}

/* False: it was not the same again. */
static bool run(struct model *m, uint64_t seed, enum fault fault) {
    bool same = true;
    init(m, seed, fault);
    for (int crashes = 0; same && crashes < CRASHES; crashes++) {
        for (int steps = 0; steps < OPERATIONS; steps++, m->step++)
            step(m);
        m->log.full = false;
        m->scarce.left = SCARCE_NEVER;
        same = crash(m);
    }
    if (!same && fault == FAULT_NONE)
        FAIL(m, "%s", m->text);
    fini(m);
    return same;
}

static void again_it_is_the_same(void **state) {
    (void)state;
    uint64_t found = 0, behind = 0;
    for (uint64_t i = 0; i < seeds_wanted(); i++) {
        struct model m;
        MAYBE(run(&m, unit_seed() + i, FAULT_NONE));
        found += m.found;
        behind += m.behind;
    }
    print_message("%llu seeds, %llu entries were there and the same; lanes were up to %llu changes behind on average\n",
                  (unsigned long long)seeds_wanted(), (unsigned long long)found,
                  (unsigned long long)(behind / (seeds_wanted() * CRASHES)));
}

static void planted_faults_are_found(void **state) {
    (void)state;
    for (enum fault fault = FAULT_NONE + 1; fault < FAULT_KINDS; fault++) {
        struct model m;
        uint64_t seeds = 0;
        while (seeds < SEEDS && run(&m, unit_seed() + seeds, fault))
            seeds++;
        if (seeds == SEEDS)
            fail_msg("fault %d was not found in %d seeds", (int)fault, SEEDS);
        print_message("fault %d is found after %llu seeds: %s\n", (int)fault, (unsigned long long)seeds, m.text);
    }
}

UNIT_TESTS(journal_model, UNIT(again_it_is_the_same), UNIT(planted_faults_are_found));
