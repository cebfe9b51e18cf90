/* core/cache/tier_model_test.c: memory and tier together against a naive twin.
 *
 * Memory is so small that everything goes down and up; records are moved, let go, refused; addresses are asked for and read much later, when other records stand there.
 * Whatever is shown is exactly what the twin has, or nothing is: never an older value, nor one that was deleted, has expired or was invalidated. What was said to be gone
 * does not come again. All counts are verified now and then.
 *
 * With restarts there are a log and dumps of it, taken slice by slice while all of that goes on; now and then the cache is given up and made again of the last whole dump, the log, and
 * what the file has, of which whatever went down since that dump may be missing. The same holds then, and nothing that was there before is missing afterwards. Each of the faults that can
 * be planted into that has to be found. The seed is STRATA_SEED, the number of operations STRATA_MODEL_OPS.
 */
#include "base/glob.h"
#include "core/cache/journal_fixture.h"
#include "core/cache/tier_fixture.h"

enum { KEYS = 2000, DATABASES = 3, TAGS = 6, OPERATIONS = 150000, DELAYED = 8, VALUE_MAX = 1500, LARGE_MAX = 60000 };
enum {
    RESTART_EVERY = 8000, /* operations */
    LOST_MAX =
        2, /* keys at a restart, whose hash agrees with that of another one in memory in all bits that are known */
};

struct twin_entry {
    bool there;
    uint32_t seed, size; /* of the value */
    uint64_t expires_at_ms;
    uint32_t tags; /* a bit for each */
};

/* A place that was asked for, and what stood there then. */
struct delayed {
    bool used, early; /* early: what is looked at was read when it was asked for */
    uint32_t db, key;
    struct cache_tier_place place;
    struct kept_record record;
};

/* What goes wrong in a restart, and is to be found. */
enum fault {
    FAULT_NONE,
    FAULT_NO_REMOVALS,
    FAULT_NO_PUTS,
    FAULT_NO_TAGS,
    FAULT_NO_BANS,
    FAULT_NO_PAST,
    FAULT_NO_FLUSHES,
    FAULT_MOVES_FORGOTTEN,
    FAULT_NO_BRING,
    FAULTS
};

struct model {
    struct testing_cache t;
    struct keeper *keeper;
    struct twin_entry twin[DATABASES][KEYS];
    struct delayed delayed[DELAYED];
    struct rng rng;
    struct buf got;
    uint8_t bytes[LARGE_MAX];
    uint64_t step, seed, shown, in_memory, missed, came_late;
    /* With restarts. */
    bool restarts, strict, dumping;
    enum fault fault;
    bool found; /* the fault */
    struct cache_options options;
    struct testing_log log, next; /* next: the dump that is under way */
    struct cache_dump dump;
    struct buf record;
    uint64_t durable; /* generations of the keeper that the last dump has waited for */
    uint64_t dumps, restarted, lost, brought, taken_over, put_down;
};

/* With a planted fault whatever is wrong has found it. */
static void check(struct model *m, bool holds, const char *text) {
    if (!holds && m->fault)
        m->found = true;
    else if (!holds)
        fail_msg("seed %llu step %llu: %s", (unsigned long long)m->seed, (unsigned long long)m->step, text);
}

#define CHECK(model, condition) check(model, condition, #condition)

static uint64_t below(struct model *m, uint64_t limit) { return rng_below(&m->rng, limit); }

static struct slice name_of(uint32_t key, char text[32]) {
    return slice_make(text, (size_t)snprintf(text, 32, "key:%u", key));
}

static struct slice tag_of(uint32_t tag, char text[32]) {
    return slice_make(text, (size_t)snprintf(text, 32, "tag%u", tag));
}

/* The value that goes with a seed: its bytes depend on each other, so that no mixture passes. */
static struct slice value_of(struct model *m, uint32_t seed, uint32_t size) {
    for (uint32_t i = 0; i < size; i++)
        m->bytes[i] = (uint8_t)((seed >> i % 4 * 8) + i * 7);
    return slice_make(m->bytes, size);
}

static struct twin_entry *twin_at(struct model *m, uint32_t db, uint32_t key) {
    struct twin_entry *entry = &m->twin[db][key];
    if (entry->there && entry->expires_at_ms && entry->expires_at_ms <= m->t.actor.now_ms)
        entry->there = false;
    return entry;
}

static void check_value(struct model *m, uint32_t db, uint32_t key, struct slice value, const struct cache_info *info) {
    const struct twin_entry *entry = twin_at(m, db, key);
    CHECK(m, entry->there);
    CHECK(m, value.size == entry->size && info->size == entry->size);
    CHECK(m, slice_equal(value, value_of(m, entry->seed, entry->size)));
    CHECK(m, info->expires_at_ms == entry->expires_at_ms);
}

/* False: nothing was shown. */
static bool do_get(struct model *m, uint32_t db, uint32_t key) {
    char name[32];
    struct cache_info info;
    switch (testing_fetch(&m->t, m->keeper, db, name_of(key, name), below(m, 4) == 0, &m->got, &info)) {
        case FETCHED_MISS:
            m->missed++;
            return false;
        case FETCHED_SHOWN:
            m->shown++;
            break;
        case FETCHED_MEMORY:
            m->in_memory++;
            break;
    }
    check_value(m, db, key, buf_slice(&m->got), &info);
    return true;
}

/* A restart may bring back what the tier has lost, as long as nobody says that it is gone. */
static void was_missed(const struct model *m, struct twin_entry *entry) { entry->there &= m->restarts; }

/* Plainly, or by an edit with tags. */
static void do_set(struct model *m, uint32_t db, uint32_t key) {
    char name[32], texts[TAGS][32];
    struct slice tags[TAGS];
    struct twin_entry *entry = &m->twin[db][key];
    struct twin_entry now = {.there = true, .seed = (uint32_t)rng_next(&m->rng)};
    now.size = (uint32_t)below(m, m->strict || below(m, 60) ? VALUE_MAX : LARGE_MAX);
    now.expires_at_ms = below(m, 3) ? 0 : m->t.actor.now_ms + 1 + below(m, 20000);
    struct cache_key wanted = cache_key(m->t.cache, db, name_of(key, name));
    enum status status;
    if (below(m, 3)) {
        status = cache_set(m->t.cache, &m->t.actor, &wanted, value_of(m, now.seed, now.size), now.expires_at_ms);
    } else {
        struct cache_edit edit;
        cache_prepare(m->t.cache, &m->t.actor, &wanted, now.size);
        cache_edit_begin(m->t.cache, &m->t.actor, &wanted, &edit);
        if (!edit.found)
            was_missed(m, entry); /* it may have been in the tier: not any more, whatever becomes of the write */
        for (uint32_t tag = 0; tag < TAGS; tag++)
            if (below(m, 4) == 0) {
                now.tags |= 1u << tag;
                tags[edit.tag_count++] = tag_of(tag, texts[tag]);
            }
        edit.tags = tags;
        edit.versioned = below(m, 2);
        edit.set_stale_ms = below(m, 4) ? 0 : 1 + below(m, 5000);
        status = cache_edit_set(&edit, CACHE_STRING, value_of(m, now.seed, now.size), now.expires_at_ms);
        cache_edit_end(&edit);
    }
    CHECK(m, status == STATUS_OK || status == STATUS_FULL);
    if (status == STATUS_OK)
        *entry = now;
}

static void do_delete(struct model *m, uint32_t db, uint32_t key) {
    char name[32];
    struct cache_key wanted = cache_key(m->t.cache, db, name_of(key, name));
    if (cache_delete(m->t.cache, &m->t.actor, &wanted))
        CHECK(m, twin_at(m, db, key)->there);
    m->twin[db][key].there = false;
}

static void do_expire(struct model *m, uint32_t db, uint32_t key) {
    char name[32];
    struct cache_key wanted = cache_key(m->t.cache, db, name_of(key, name));
    struct twin_entry *entry = twin_at(m, db, key);
    uint64_t expires_at_ms = below(m, 3) ? m->t.actor.now_ms + 1 + below(m, 20000) : 0;
    struct cache_edit edit;
    cache_edit_begin(m->t.cache, &m->t.actor, &wanted, &edit);
    CHECK(m, !edit.found || entry->there);
    if (!edit.found)
        was_missed(m, entry);
    else if (cache_edit_expire(&edit, expires_at_ms) == STATUS_OK)
        entry->expires_at_ms = expires_at_ms;
    cache_edit_end(&edit);
}

static void do_append(struct model *m, uint32_t db, uint32_t key) {
    char name[32];
    struct cache_key wanted = cache_key(m->t.cache, db, name_of(key, name));
    struct twin_entry *entry = twin_at(m, db, key);
    struct cache_edit edit;
    cache_edit_begin(m->t.cache, &m->t.actor, &wanted, &edit);
    if (edit.found) { /* the same value with another seed, of the same size: in place */
        uint32_t seed = (uint32_t)rng_next(&m->rng);
        CHECK(m, entry->there && edit.size == entry->size);
        if (cache_edit_patch(&edit, 0, value_of(m, seed, entry->size)) == STATUS_OK)
            entry->seed = seed;
    } else {
        was_missed(m, entry);
    }
    cache_edit_end(&edit);
}

/* ------------------------------------------------------------------------------------------ many at once */

static void twin_drop_tagged(struct model *m, uint32_t tag) {
    for (uint32_t db = 0; db < DATABASES; db++)
        for (uint32_t key = 0; key < KEYS; key++)
            if (m->twin[db][key].tags >> tag & 1)
                m->twin[db][key].there = false;
}

static void do_tag(struct model *m) {
    char text[32];
    uint32_t tag = (uint32_t)below(m, TAGS);
    if (below(m, 2))
        (void)cache_tag_invalidate(m->t.cache, &m->t.actor, tag_of(tag, text));
    else
        (void)cache_tag_soften(m->t.cache, &m->t.actor, tag_of(tag, text));
    twin_drop_tagged(m, tag);
}

/* A ban, or where there are too many a search: what is in memory key by key, and the tier by a ban of its own before and behind. */
static void do_ban(struct model *m, uint32_t db) {
    char text[32], name[32];
    uint32_t place = cache_place_of(m->t.cache, db);
    struct slice pattern = slice_make(text, (size_t)snprintf(text, sizeof text, "key:%u*", (unsigned)below(m, 250)));
    if (below(m, 4) == 0 || !cache_ban(m->t.cache, &m->t.actor, place, pattern)) {
        CHECK(m, cache_tier_ban(m->t.cache, &m->t.actor, place, pattern) == STATUS_OK);
        uint64_t transfers = cache_transfers(m->t.cache);
        for (uint32_t key = 0; key < KEYS; key++)
            if (glob_matches(pattern, name_of(key, name), false)) {
                struct cache_key wanted = cache_key(m->t.cache, db, name_of(key, name));
                cache_delete(m->t.cache, &m->t.actor, &wanted);
            }
        CHECK(m, cache_tier_ban(m->t.cache, &m->t.actor, place, pattern) == STATUS_OK);
        CHECK(m, cache_transfers(m->t.cache) == transfers);
    }
    for (uint32_t key = 0; key < KEYS; key++)
        if (glob_matches(pattern, name_of(key, name), false))
            m->twin[db][key].there = false;
}

static void do_flush(struct model *m, uint32_t db) {
    uint32_t what = (uint32_t)below(m, 4), place = cache_place_of(m->t.cache, db);
    if (what == 0) {
        cache_flush_all(m->t.cache, &m->t.actor);
        memset(m->twin, 0, sizeof m->twin);
    } else if (what == 1) {
        cache_flush(m->t.cache, &m->t.actor, db);
        memset(m->twin[db], 0, sizeof m->twin[db]);
        CHECK(m, cache_count(m->t.cache, db) == 0);
    } else if (what == 2 && !m->strict) { /* only what is down: what is lost is not known */
        cache_tier_clear_place(m->t.cache, &m->t.actor, place);
        CHECK(m, cache_tier_count(m->t.cache, db) == 0);
    } else {
        cache_tier_clear(m->t.cache, &m->t.actor);
        CHECK(m, !cache_tier_holds_any(m->t.cache));
    }
}

static void do_swap(struct model *m, uint32_t a, uint32_t b) {
    static struct twin_entry kept[KEYS];
    cache_swap(m->t.cache, &m->t.actor, a, b);
    memcpy(kept, m->twin[a], sizeof kept);
    memcpy(m->twin[a], m->twin[b], sizeof kept);
    memcpy(m->twin[b], kept, sizeof kept);
}

/* ------------------------------------------------------------------------------------------ below */

static void do_demote(struct model *m, uint32_t db, uint32_t key) {
    char name[32];
    struct cache_key wanted = cache_key(m->t.cache, db, name_of(key, name));
    bool done;
    CHECK(m, cache_tier_demote(m->t.cache, &m->t.actor, &wanted, &done) == STATUS_OK);
    CHECK(m, !done || twin_at(m, db, key)->there);
}

/* Asks for a key, and leaves it at that for now. */
static void ask_for_later(struct model *m, struct delayed *delayed, uint32_t db, uint32_t key) {
    struct cache_tier_place places[CACHE_TIER_PLACES_MAX];
    char name[32];
    struct cache_key wanted = cache_key(m->t.cache, db, name_of(key, name));
    if (cache_tier_ask(m->t.cache, &wanted, places) == 0)
        return;
    *delayed = (struct delayed){.used = true, .early = below(m, 2), .db = db, .key = key, .place = places[0]};
    if (delayed->early)
        delayed->used = keeper_read(m->keeper, places[0].address, &delayed->record);
}

static void read_at_last(struct model *m, struct delayed *delayed) {
    char name[32];
    struct cache_info info;
    struct cache_key wanted = cache_key(m->t.cache, delayed->db, name_of(delayed->key, name));
    delayed->used = false;
    if (!delayed->early && !keeper_read(m->keeper, delayed->place.address, &delayed->record))
        return;
    struct kept_record *record = &delayed->record;
    /* What stands there by now is another one, which a file would have seen: here the place as it was asked for goes with it. */
    if (!delayed->early && record->generation != delayed->place.generation) {
        kept_free(record);
        return;
    }
    enum cache_tier_verdict verdict =
        cache_tier_look(m->t.cache, &m->t.actor, &wanted, delayed->place, &record->found, false, &info);
    m->came_late += verdict == CACHE_TIER_AGAIN;
    if (verdict == CACHE_TIER_SHOWN)
        check_value(m, delayed->db, delayed->key, record->found.value, &info);
    /* Whatever was said: putting it up must be right, too. */
    enum status status = cache_tier_promote(m->t.cache, &m->t.actor, &wanted, delayed->place, &record->found);
    CHECK(m, status == STATUS_OK || status == STATUS_FULL);
    kept_free(record);
    MAYBE(do_get(m, delayed->db, delayed->key));
}

static void do_delayed(struct model *m, uint32_t db, uint32_t key) {
    struct delayed *delayed = &m->delayed[below(m, DELAYED)];
    if (delayed->used)
        read_at_last(m, delayed);
    else
        ask_for_later(m, delayed, db, key);
}

struct walked {
    struct model *m;
    uint32_t db;
    struct cache_tier_place places[4 * KEYS];
    uint32_t count;
};

static void saw_name(void *context, struct slice name, const struct cache_info *info) {
    struct walked *seen = context;
    uint32_t key = 0;
    for (size_t i = 4; i < name.size; i++)
        key = key * 10 + name.data[i] - '0';
    CHECK(seen->m, twin_at(seen->m, seen->db, key)->there && info->size == seen->m->twin[seen->db][key].size);
}

static void saw_place(void *context, const struct cache_tier_place *place) {
    struct walked *seen = context;
    CHECK(seen->m, seen->count < COUNT_OF(seen->places));
    if (seen->count == COUNT_OF(seen->places))
        return;
    seen->places[seen->count++] = *place;
}

static void do_scan(struct model *m, uint32_t db) {
    static struct walked seen;
    uint64_t cursor = 0;
    seen.m = m;
    seen.db = db;
    seen.count = 0;
    do
        cursor = cache_tier_scan(m->t.cache, &m->t.actor, db, cursor, 100, saw_name, saw_place, &seen);
    while (cursor);
    for (uint32_t i = 0; i < seen.count; i++) {
        struct kept_record record;
        struct cache_key key;
        struct cache_info info;
        bool read = keeper_read(m->keeper, seen.places[i].address, &record);
        CHECK(m, read);
        if (!read)
            continue;
        CHECK(m, cache_tier_key(m->t.cache, &record.found, &key) && key.db == db);
        enum cache_tier_verdict verdict =
            cache_tier_look(m->t.cache, &m->t.actor, &key, seen.places[i], &record.found, true, &info);
        CHECK(m, verdict != CACHE_TIER_NOT_IT && verdict != CACHE_TIER_AGAIN);
        if (verdict == CACHE_TIER_SHOWN)
            saw_name(&seen, key.name, &info);
        kept_free(&record);
    }
}

/* ------------------------------------------------------------------------------------------ restarts */

static void attach(struct model *m, struct testing_cache *t) { keeper_attach(m->keeper, t, LARGE_MAX / 2); }

static void begin_dump(struct model *m) {
    buf_clear(&m->next.dumped);
    buf_clear(&m->next.dump_ends);
    cache_dump_begin(m->t.cache, &m->t.actor, &m->dump);
    m->dumping = true;
}

/* Records up to where the dump has begun are needless. */
static void cut_log(struct testing_log *log) {
    struct logged *all = (struct logged *)(void *)log->records.data;
    size_t count = log_count(log), first = 0;
    while (first < count && all[first].lsn <= log->tags_from)
        first++;
    size_t bytes = first < count ? all[first].at : log->bytes.size;
    for (size_t i = first; i < count; i++)
        all[i].at -= bytes;
    memmove(all, all + first, (count - first) * sizeof *all);
    log->records.size = (count - first) * sizeof *all;
    memmove(log->bytes.data, log->bytes.data + bytes, log->bytes.size - bytes);
    log->bytes.size -= bytes;
}

static void swap_bufs(struct buf *a, struct buf *b) {
    struct buf kept = *a;
    *a = *b;
    *b = kept;
}

static void do_dump(struct model *m) {
    if (!m->dumping)
        begin_dump(m);
    if (log_dump_step(&m->next, &m->dump, &m->t.actor, &m->record))
        return;
    m->dumping = false;
    m->durable = m->keeper->generation_last;
    m->log.tags_from = m->dump.tags_from;
    m->log.from = m->dump.from;
    cache_dump_end(&m->dump, &m->t.actor);
    swap_bufs(&m->log.dumped, &m->next.dumped);
    swap_bufs(&m->log.dump_ends, &m->next.dump_ends);
    cut_log(&m->log);
    m->dumps++;
}

static enum status bring(void *context, struct actor *actor, const struct cache_key *key) {
    struct model *m = context;
    struct cache_tier_place places[CACHE_TIER_PLACES_MAX];
    uint32_t count = m->fault == FAULT_NO_BRING ? 0 : cache_tier_ask(m->t.cache, key, places);
    for (uint32_t i = 0; i < count; i++) {
        struct kept_record record;
        if (!keeper_read(m->keeper, places[i].address, &record))
            continue;
        enum status status = cache_tier_promote(m->t.cache, actor, key, places[i], &record.found);
        kept_free(&record);
        if (status != STATUS_OK)
            return status;
        m->brought++;
    }
    return STATUS_OK;
}

/* Whatever went down since the last dump may not have come to the disk. */
static void lose_some(struct model *m) {
    for (uint32_t slot = 0; slot < KEEPER_SLOTS; slot++) {
        bool moved = false;
        for (size_t i = 0; i < m->keeper->move_count; i++)
            moved |= m->keeper->moves[i].to == keeper_address(slot);
        if (m->keeper->slots[slot].bytes && m->keeper->slots[slot].generation > m->durable && !moved && below(m, 2))
            keeper_empty(m->keeper, slot);
    }
}

/* Nothing moves for that. UNSURE: what it is only memory can say. */
enum sight { NOWHERE, UNSURE, THERE };

static enum sight sight_of(struct model *m, uint32_t db, uint32_t key) {
    struct cache_tier_place places[CACHE_TIER_PLACES_MAX];
    struct cache_info info;
    char name[32];
    enum sight sight = NOWHERE;
    struct cache_key wanted = cache_key(m->t.cache, db, name_of(key, name));
    if (cache_find(m->t.cache, &m->t.actor, &wanted, true, &info))
        return THERE;
    uint32_t count = cache_tier_ask(m->t.cache, &wanted, places);
    for (uint32_t i = 0; i < count && sight == NOWHERE; i++) {
        struct kept_record record;
        if (!keeper_read(m->keeper, places[i].address, &record))
            continue;
        enum cache_tier_verdict verdict =
            cache_tier_look(m->t.cache, &m->t.actor, &wanted, places[i], &record.found, true, &info);
        sight = verdict == CACHE_TIER_SHOWN ? THERE : verdict == CACHE_TIER_WANTED ? UNSURE : NOWHERE;
        kept_free(&record);
    }
    return sight;
}

static bool leaves_out(const struct model *m, struct slice record) {
    static const enum record_kind kinds[FAULTS] = {
        [FAULT_NO_REMOVALS] = RECORD_REMOVE, [FAULT_NO_PUTS] = RECORD_PUT,      [FAULT_NO_TAGS] = RECORD_TAG,
        [FAULT_NO_BANS] = RECORD_BAN,        [FAULT_NO_PAST] = RECORD_BAN_PAST, [FAULT_NO_FLUSHES] = RECORD_FLUSH};
    return kinds[m->fault] && log_record_has(record, kinds[m->fault]);
}

static void replay_all(struct model *m, struct cache_replay *replay) {
    const struct testing_log *log = &m->log;
    const size_t *ends = (const size_t *)(const void *)log->dump_ends.data;
    struct testing_lanes lanes = {.behind_max = 0};
    bool by_lanes = below(m, 2);
    cache_replay_begin(replay);
    if (by_lanes)
        lanes_begin(&lanes, replay, m->step);
    for (size_t i = 0, at = 0; i < log->dump_ends.size / sizeof *ends; at = ends[i++]) {
        struct slice record = slice_make(log->dumped.data + at, ends[i] - at);
        if (m->fault != FAULT_NO_PAST || !leaves_out(m, record))
            assert_int_equal(cache_replay_dump(replay, record), STATUS_OK);
    }
    for (size_t i = 0; i < log_count(log); i++) {
        uint64_t lsn;
        struct slice record = log_record(log, i, &lsn);
        if (!leaves_out(m, record))
            assert_int_equal(cache_replay_apply(replay, lsn, record), STATUS_OK);
    }
    if (by_lanes)
        lanes_end(&lanes, replay);
    cache_replay_end(replay);
}

static void make_again(struct model *m) {
    struct cache_journal journal = log_journal(&m->log);
    struct cache_tier_stats stats;
    uint64_t now_ms = m->t.actor.now_ms;
    m->t = testing_open_as(m->options);
    m->t.actor.now_ms = now_ms;
    attach(m, &m->t);
    struct cache_replay replay = {.cache = m->t.cache,
                                  .actor = &m->t.actor,
                                  .tags_from = m->log.tags_from,
                                  .from = m->log.from,
                                  .bring = bring,
                                  .tier_context = m};
    replay_all(m, &replay);
    cache_tier_stats(m->t.cache, &stats);
    m->taken_over += stats.taken_over;
    m->put_down += stats.demoted;
    cache_verify(m->t.cache, &m->t.actor);
    cache_journal_set(m->t.cache, &m->t.actor, &journal);
}

static void do_restart(struct model *m) {
    static bool present[DATABASES][KEYS];
    for (uint32_t db = 0; db < DATABASES; db++)
        for (uint32_t key = 0; key < KEYS; key++)
            present[db][key] = sight_of(m, db, key) == THERE;
    for (int i = 0; i < DELAYED; i++) {
        kept_free(&m->delayed[i].record);
        m->delayed[i].used = false;
    }
    if (m->dumping)
        cache_dump_end(&m->dump, &m->t.actor);
    m->dumping = false;
    cache_journal_set(m->t.cache, &m->t.actor, NULL);
    cache_journal_forget(m->t.cache, &m->t.actor);
    testing_close(&m->t);
    lose_some(m);
    atomic_store(&m->keeper->refuse_permille, 0); /* a start waits until it is taken */
    m->keeper->forgets_moves = m->fault == FAULT_MOVES_FORGOTTEN;
    make_again(m);
    m->restarted++;
    uint64_t lost = m->lost;
    for (uint32_t db = 0; db < DATABASES; db++)
        for (uint32_t key = 0; key < KEYS; key++)
            if (sight_of(m, db, key) == THERE)
                CHECK(m, twin_at(m, db, key)->there);
            else if (present[db][key] && twin_at(m, db, key)->there)
                m->lost += sight_of(m, db, key) == NOWHERE;
    CHECK(m, !m->strict || m->lost - lost <= LOST_MAX);
}

/* ------------------------------------------------------------------------------------------ */

static void do_seldom(struct model *m, uint32_t db) {
    switch (below(m, 12)) {
        case 0:
            do_flush(m, db);
            break;
        case 1:
            do_swap(m, db, (uint32_t)below(m, DATABASES));
            break;
        case 2:
        case 3:
            do_scan(m, db);
            break;
        case 4:
            cache_verify(m->t.cache, &m->t.actor);
            break;
        case 5:
            atomic_store(&m->keeper->refuse_permille, (uint32_t)below(m, 3) * 300);
            break;
        case 6:
            for (int i = 0; i < 20 && cache_tier_idle(m->t.cache, &m->t.actor, 2000); i++)
                ;
            break;
        default:
            do_ban(m, db);
    }
}

static void one_step(struct model *m) {
    if (m->restarts && below(m, 40) == 0)
        do_dump(m);
    if (m->restarts && below(m, RESTART_EVERY) == 0)
        do_restart(m);
    uint32_t db = below(m, 4) ? 0 : (uint32_t)below(m, DATABASES);
    uint32_t key = (uint32_t)(below(m, 2) ? below(m, KEYS) : below(m, KEYS / 8));
    switch (below(m, 64)) {
        case 0 ... 7:
            do_set(m, db, key);
            break;
        case 8 ... 39:
            if (!do_get(m, db, key))
                do_set(m, db, key);
            break;
        case 40:
            do_delete(m, db, key);
            break;
        case 41 ... 42:
            do_expire(m, db, key);
            break;
        case 43 ... 44:
            do_append(m, db, key);
            break;
        case 45 ... 51:
            do_demote(m, db, key);
            break;
        case 52 ... 56:
            do_delayed(m, db, key);
            break;
        case 57 ... 58:
            keeper_turn(m->keeper, m->t.cache, &m->t.actor, below(m, 2));
            break;
        case 59:
            m->t.actor.now_ms += below(m, 100);
            break;
        case 60 ... 61:
            (void)cache_housekeep(m->t.cache, &m->t.actor);
            break;
        default:
            if (below(m, 30) == 0)
                do_tag(m);
            else if (below(m, 30) == 0)
                do_seldom(m, db);
    }
}

static void check_all(struct model *m) {
    for (uint32_t db = 0; db < DATABASES; db++)
        for (uint32_t key = 0; key < KEYS; key++)
            MAYBE(do_get(m, db, key));
    cache_verify(m->t.cache, &m->t.actor);
}

static void open_model(struct model *m, uint32_t used_max) {
    m->rng = rng_seeded(m->seed + m->options.limit_bytes + m->options.shards);
    m->keeper = keeper_new(m->seed + 1, used_max);
    m->keeper->file_id = m->restarts ? 7 : 0;
    m->options.tiered = true;
    m->options.seed = m->seed;
    m->t = m->restarts ? testing_open_logged(m->options, &m->log) : testing_open_as(m->options);
    log_init(&m->next);
    buf_init(&m->record, &memory_libc);
    buf_init(&m->got, &memory_libc);
    attach(m, &m->t);
}

static void close_model(struct model *m) {
    for (int i = 0; i < DELAYED; i++)
        kept_free(&m->delayed[i].record);
    if (m->dumping)
        cache_dump_end(&m->dump, &m->t.actor);
    if (m->restarts)
        testing_close_logged(&m->t, &m->log);
    else
        testing_close(&m->t);
    log_fini(&m->next);
    buf_fini(&m->record);
    keeper_free(m->keeper);
    buf_fini(&m->got);
    free(m);
}

static void run_model(uint64_t limit_bytes, uint32_t shards, enum cache_policy policy, bool spacious) {
    struct model *m = calloc(1, sizeof *m);
    const char *operations = getenv("STRATA_MODEL_OPS");
    uint64_t steps = operations ? strtoull(operations, NULL, 0) : OPERATIONS;
    m->seed = unit_seed();
    m->options = (struct cache_options){.limit_bytes = limit_bytes, .shards = shards, .policy = policy};
    open_model(m, spacious ? KEEPER_SLOTS : 600);
    for (m->step = 0; m->step < steps; m->step++)
        one_step(m);
    check_all(m);
    struct cache_tier_stats stats;
    cache_tier_stats(m->t.cache, &stats);
    if (getenv("STRATA_MODEL_SHOW"))
        printf(
            "demoted %llu promoted %llu shown %llu memory %llu missed %llu late %llu moved %llu kept %llu gone %llu "
            "dead %llu over %llu displaced %llu idle %llu refused %llu/%llu/%llu/%llu notit %llu evicted %llu\n",
            (unsigned long long)stats.demoted, (unsigned long long)stats.promoted, (unsigned long long)m->shown,
            (unsigned long long)m->in_memory, (unsigned long long)m->missed, (unsigned long long)m->came_late,
            (unsigned long long)stats.moved, (unsigned long long)stats.kept, (unsigned long long)stats.evicted,
            (unsigned long long)stats.dead, (unsigned long long)stats.overwritten, (unsigned long long)stats.displaced,
            (unsigned long long)stats.demoted_idle, (unsigned long long)stats.refused_budget,
            (unsigned long long)stats.refused_busy, (unsigned long long)stats.refused_large,
            (unsigned long long)stats.refused_memory, (unsigned long long)stats.not_it,
            (unsigned long long)m->t.actor.counts.evicted);
    if (!operations) {
        CHECK(m, stats.demoted > 2000 && stats.promoted > 200 && m->shown > 500 && m->came_late > 10);
        CHECK(m, stats.moved > 100 && stats.evicted > 100 && stats.dead > 10 && stats.overwritten > 500);
    }
    close_model(m);
}

/* Answers whether something was wrong, which is what a fault is planted for. */
static bool run_restarts(uint64_t limit_bytes, uint32_t shards, bool strict, enum fault fault, uint64_t steps) {
    struct model *m = calloc(1, sizeof *m);
    const char *operations = getenv("STRATA_MODEL_OPS");
    m->seed = unit_seed() + fault;
    m->options = (struct cache_options){.limit_bytes = limit_bytes, .shards = shards, .policy = CACHE_ALLKEYS_LFU};
    m->restarts = true;
    m->strict = strict;
    m->fault = fault;
    open_model(m, strict ? KEEPER_SLOTS : 900);
    if (operations)
        steps = strtoull(operations, NULL, 0);
    for (m->step = 0; m->step < steps && !m->found; m->step++)
        one_step(m);
    if (!m->found)
        do_restart(m);
    check_all(m);
    if (getenv("STRATA_MODEL_SHOW"))
        printf("fault %d: step %llu dumps %llu restarts %llu lost %llu brought %llu taken over %llu put down %llu\n",
               fault, (unsigned long long)m->step, (unsigned long long)m->dumps, (unsigned long long)m->restarted,
               (unsigned long long)m->lost, (unsigned long long)m->brought, (unsigned long long)m->taken_over,
               (unsigned long long)m->put_down);
    if (!fault && !operations)
        CHECK(m, m->dumps > 10 && m->restarted > 5 && m->taken_over > (m->strict ? 1000 : 200));
    bool found = m->found;
    close_model(m);
    return found;
}

static void restarts_bring_back_what_was_there(void **state) {
    (void)state;
    (void)run_restarts(1u << 20, 1, false, FAULT_NONE, OPERATIONS);
    (void)run_restarts(2u << 20, 4, true, FAULT_NONE, OPERATIONS);
}

static void faults_of_restarts_are_found(void **state) {
    (void)state;
    for (enum fault fault = FAULT_NONE + 1; fault < FAULTS; fault++)
        if (!run_restarts(1u << 20, 2, true, fault, 8 * OPERATIONS))
            fail_msg("seed %llu: fault %d was not found", (unsigned long long)unit_seed(), fault);
}

static void what_is_shown_is_what_the_twin_has(void **state) {
    (void)state;
    run_model(1u << 20, 1, CACHE_ALLKEYS_LFU, true);
    run_model(2u << 20, 4, CACHE_ALLKEYS_LFU, false);
}

static void so_under_other_policies(void **state) {
    (void)state;
    run_model(1u << 20, 2, CACHE_ALLKEYS_LRU, true);
    run_model(512u << 10, 1, CACHE_ALLKEYS_RANDOM, true);
    run_model(192u << 10, 1, CACHE_ALLKEYS_LFU, true);
}

UNIT_TESTS(tier_model, UNIT(what_is_shown_is_what_the_twin_has), UNIT(so_under_other_policies),
           UNIT(restarts_bring_back_what_was_there), UNIT(faults_of_restarts_are_found));
