#include "core/store/ban.h"

#include "base/assert.h"
#include "base/glob.h"
#include "core/store/store.h"
#include "core/store/tier.h"

enum {
    SWEEP_ENTRIES = 2048, /* looked at in a slice */
    SWEEP_BUCKETS = 1024, /* of which many may be empty */
    SWEEP_AHEAD = 8,
    TEXT_WORDS = (BAN_PATTERN_MAX + 8) / 8,
};

/* Readers look at it without a lock: what they have read counts if the stamp was the same before and afterwards, for none is used twice. */
struct ban {
    _Atomic uint64_t stamp; /* 0: free */
    _Atomic uint32_t place;
    _Atomic uint16_t size,
        prefix; /* of the text; its bytes that stand for themselves, before the first that does not */
    uint64_t text[TEXT_WORDS];
};

struct bans {
    struct ban slots[BANS_MAX];
    _Atomic uint64_t set, swept;
    atomic_bool sweeping;
    /* Whoever has set `sweeping`: */
    uint64_t until; /* the sweep compares with all bans up to this stamp; 0: none is under way */
    uint64_t cursor;
    _Atomic uint32_t shard;
    _Atomic uint32_t shard_permille;
};

enum status bans_prepare(struct engine *engine) {
    if (atomic_load_explicit(&engine->bans, memory_order_acquire))
        return STATUS_OK;
    struct bans *bans = memory_take(engine->memory, sizeof *bans), *none = NULL;
    if (!bans)
        return STATUS_NO_MEMORY;
    memset((void *)bans, 0, sizeof *bans);
    if (!atomic_compare_exchange_strong_explicit(&engine->bans, &none, bans, memory_order_acq_rel,
                                                 memory_order_acquire))
        memory_give(engine->memory, bans, sizeof *bans);
    return STATUS_OK;
}

void bans_free(struct bans *bans, const struct memory *memory) {
    if (bans)
        memory_give(memory, bans, sizeof *bans);
}

/* ------------------------------------------------------------------------------------------ asking */

static size_t prefix_of(struct slice pattern) {
    size_t size = 0;
    while (size < pattern.size && !memchr("*?[\\", pattern.data[size], 4))
        size++;
    return size;
}

static bool text_matches(const struct ban *ban, struct slice name, uint8_t *text, size_t *ret_size) {
    size_t size = atomic_load_explicit(&ban->size, memory_order_relaxed);
    size_t prefix = atomic_load_explicit(&ban->prefix, memory_order_relaxed);
    *ret_size = size;
    if (size > BAN_PATTERN_MAX || prefix > size || name.size < prefix || !words_equal(ban->text, name.data, prefix))
        return false;
    words_read(text, ban->text, size);
    return glob_matches(slice_make(text, size), name, false);
}

/* Whether a ban that is younger than the stamp matches; `text` is its pattern then. */
static bool kills(const struct ban *ban, uint32_t place, uint64_t stamp, struct slice name, uint8_t *text,
                  size_t *ret_size, uint64_t *ret_stamp) {
    for (;;) {
        *ret_stamp = atomic_load_explicit(&ban->stamp, memory_order_acquire);
        if (*ret_stamp <= stamp || atomic_load_explicit(&ban->place, memory_order_relaxed) != place)
            return false;
        bool matches = text_matches(ban, name, text, ret_size);
        if (words_check64(&ban->stamp) == *ret_stamp)
            return matches;
    }
}

bool bans_kill(const struct bans *bans, uint32_t place, uint64_t stamp, struct slice name) {
    uint8_t text[BAN_PATTERN_MAX];
    size_t size;
    uint64_t of_ban;
    for (int i = 0; i < BANS_MAX; i++)
        if (kills(&bans->slots[i], place, stamp, name, text, &size, &of_ban))
            return true;
    return false;
}

uint64_t bans_killer(const struct bans *bans, uint32_t place, uint64_t stamp, struct slice name, uint8_t *to,
                     size_t *ret_size) {
    uint8_t text[BAN_PATTERN_MAX];
    uint64_t of_ban, oldest = UINT64_MAX;
    size_t size;
    for (int i = 0; i < BANS_MAX; i++) {
        if (!kills(&bans->slots[i], place, stamp, name, text, &size, &of_ban) || of_ban > oldest)
            continue;
        memcpy(to, text, size);
        *ret_size = size;
        oldest = of_ban;
    }
    return oldest == UINT64_MAX ? 0 : oldest;
}

/* ------------------------------------------------------------------------------------------ setting */

static struct ban *free_slot(struct bans *bans) {
    for (int i = 0; i < BANS_MAX; i++)
        if (atomic_load_explicit(&bans->slots[i].stamp, memory_order_relaxed) == 0)
            return &bans->slots[i];
    return NULL;
}

/* While there are bans no database is where the shortest ways look for it (range.h). */
static void mark_databases(struct engine *engine, bool banned) {
    for (uint32_t i = 0; i < RANGE_DATABASES; i++) {
        if (banned)
            atomic_fetch_or_explicit(&engine->range.head->db_map[i], RANGE_DB_BANNED, memory_order_relaxed);
        else
            atomic_fetch_and_explicit(&engine->range.head->db_map[i], RANGE_DB_PLACE, memory_order_relaxed);
    }
}

/* Its stamp is 0 before. Who still reads what stood here sees that its stamp is gone. */
static void write_ban(struct ban *ban, uint32_t place, struct slice pattern, uint64_t stamp) {
    words_fence_write();
    atomic_store_explicit(&ban->place, place, memory_order_relaxed);
    atomic_store_explicit(&ban->size, (uint16_t)pattern.size, memory_order_relaxed);
    atomic_store_explicit(&ban->prefix, (uint16_t)prefix_of(pattern), memory_order_relaxed);
    words_write(ban->text, pattern.data, pattern.size);
    atomic_store_explicit(&ban->stamp, stamp, memory_order_release);
}

bool bans_add(struct engine *engine, struct actor *actor, uint32_t place, struct slice pattern, uint64_t stamp) {
    struct bans *bans = atomic_load_explicit(&engine->bans, memory_order_acquire);
    struct ban *ban = bans && pattern.size <= BAN_PATTERN_MAX ? free_slot(bans) : NULL;
    if (!ban)
        return false;
    actor->ban_stamp = stamp ? stamp : store_stamp_next(engine);
    write_ban(ban, place, pattern, actor->ban_stamp);
    atomic_fetch_add_explicit(&bans->set, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&engine->ban_count, 1, memory_order_release);
    mark_databases(engine, true);
    return true;
}

/* ------------------------------------------------------------------------------------------ sweeping */

static uint64_t youngest(const struct bans *bans) {
    uint64_t stamp = 0;
    for (int i = 0; i < BANS_MAX; i++) {
        uint64_t other = atomic_load_explicit(&bans->slots[i].stamp, memory_order_acquire);
        stamp = other > stamp ? other : stamp;
    }
    return stamp;
}

/* What is in the tier has not been compared with it. */
static void remember(const struct engine *engine, const struct ban *ban) {
    uint8_t text[BAN_PATTERN_MAX];
    if (!engine->tier)
        return;
    size_t size = atomic_load_explicit(&ban->size, memory_order_relaxed);
    words_read(text, ban->text, size);
    bans_past_add(engine->tier->past, atomic_load_explicit(&ban->place, memory_order_relaxed), slice_make(text, size),
                  atomic_load_explicit(&ban->stamp, memory_order_relaxed));
}

/* Every key that was there when these were set has been compared with them. Under a shard's lock: whoever sets one or swaps databases holds all. */
static void forget(struct engine *engine, struct actor *actor, struct bans *bans) {
    store_lock(engine, actor, 0);
    if (store_is_wanted(engine, STORE_NOTED))
        engine->journal.swept(engine->journal.context, actor, bans->until);
    for (int i = 0; i < BANS_MAX; i++) {
        uint64_t stamp = atomic_load_explicit(&bans->slots[i].stamp, memory_order_relaxed);
        if (stamp == 0 || stamp > bans->until)
            continue;
        remember(engine, &bans->slots[i]);
        atomic_store_explicit(&bans->slots[i].stamp, 0, memory_order_release);
        if (atomic_fetch_sub_explicit(&engine->ban_count, 1, memory_order_release) == 1)
            mark_databases(engine, false);
    }
    bans->until = 0;
    store_unlock(engine, actor, 0);
}

/* The first entry of a chain that is dead by a ban. */
static bool find_banned(const struct engine *engine, const struct shard *shard, struct index_bucket *first,
                        struct store_spot *ret_spot, uint32_t *ret_seen) {
    *ret_seen = 0;
    for (struct index_bucket *bucket = first; bucket; bucket = index_next(&engine->range, &shard->index, bucket))
        for (int i = 0; i < INDEX_CELLS; i++) {
            uint64_t cell = cell_load(&bucket->cells[i]);
            if (!cell)
                continue;
            *ret_spot =
                (struct store_spot){.bucket = first, .cell = &bucket->cells[i], .location = cell_location(cell)};
            bool whole = store_entry_at(engine, ret_spot->location, &ret_spot->entry);
            ASSERT(whole);
            ++*ret_seen;
            if (store_is_banned(engine, &ret_spot->entry, store_name_at(engine, ret_spot->location, &ret_spot->entry)))
                return true;
        }
    return false;
}

static uint32_t sweep_chain(struct engine *engine, struct actor *actor, struct shard *shard, struct bans *bans,
                            uint64_t cursor) {
    for (;;) {
        struct store_spot spot;
        uint32_t seen;
        uint64_t at = index_scan_bucket(atomic_load_explicit(&shard->index.shape, memory_order_relaxed), cursor);
        if (!find_banned(engine, shard, index_bucket_at(&engine->range, &shard->index, at), &spot, &seen))
            return seen;
        store_remove_gone(engine, actor, shard, &spot);
        atomic_fetch_add_explicit(&bans->swept, 1, memory_order_relaxed);
    }
}

static void ask_for_entries(const struct engine *engine, const struct shard *shard, uint64_t at) {
    const struct index_bucket *bucket = index_bucket_at(&engine->range, &shard->index, at);
    for (int i = 0; i < INDEX_CELLS; i++) {
        uint64_t cell = cell_load(&bucket->cells[i]);
        if (cell)
            __builtin_prefetch(engine->range.base + cell_location(cell));
    }
}

/* The entries of the next few buckets come while those of the first one are compared. */
static uint64_t sweep_buckets(struct engine *engine, struct actor *actor, struct shard *shard, struct bans *bans,
                              uint64_t cursor, uint32_t *entries) {
    for (uint32_t buckets = 0; buckets < SWEEP_BUCKETS && *entries < SWEEP_ENTRIES; buckets += SWEEP_AHEAD) {
        uint64_t shape = atomic_load_explicit(&shard->index.shape, memory_order_relaxed);
        uint64_t at[SWEEP_AHEAD];
        uint32_t count = 0;
        do {
            at[count] = index_scan_bucket(shape, cursor);
            ask_for_entries(engine, shard, at[count]);
            cursor = index_scan_next(shape, at[count++]);
        } while (cursor && count < SWEEP_AHEAD);
        for (uint32_t i = 0; i < count; i++) /* the index may have become smaller by what went */
            *entries += sweep_chain(engine, actor, shard, bans, at[i]);
        if (!cursor)
            return 0;
    }
    return cursor;
}

static bool sweep_on(struct engine *engine, struct actor *actor, struct bans *bans) {
    if (bans->until == 0) {
        bans->until = youngest(bans);
        bans->cursor = 0;
        atomic_store_explicit(&bans->shard, 0, memory_order_relaxed);
    }
    uint32_t at = atomic_load_explicit(&bans->shard, memory_order_relaxed);
    for (uint32_t entries = 0; at < engine->shard_count && entries < SWEEP_ENTRIES; at += bans->cursor == 0) {
        struct shard *shard = &engine->shards[at];
        store_lock(engine, actor, at);
        bans->cursor = sweep_buckets(engine, actor, shard, bans, bans->cursor, &entries);
        store_unlock(engine, actor, at);
        entries += bans->cursor == 0; /* many shards may be empty */
    }
    atomic_store_explicit(&bans->shard, at, memory_order_relaxed);
    uint64_t within = bans->cursor ? index_scan_position(bans->cursor) >> 54 : 0;
    atomic_store_explicit(&bans->shard_permille, (uint32_t)(within * 1000 >> 10), memory_order_relaxed);
    if (at == engine->shard_count)
        forget(engine, actor, bans);
    return true;
}

bool bans_sweep(struct engine *engine, struct actor *actor) {
    if (__builtin_expect(atomic_load_explicit(&engine->ban_count, memory_order_acquire) == 0, 1))
        return false;
    struct bans *bans = atomic_load_explicit(&engine->bans, memory_order_acquire);
    if (atomic_exchange_explicit(&bans->sweeping, true, memory_order_acquire))
        return false;
    /* Asked again: somebody may have ended the sweep of the last ban meanwhile. */
    bool worked = atomic_load_explicit(&engine->ban_count, memory_order_acquire) != 0 && sweep_on(engine, actor, bans);
    atomic_store_explicit(&bans->sweeping, false, memory_order_release);
    return worked;
}

uint64_t bans_oldest(const struct engine *engine) {
    const struct bans *bans = atomic_load_explicit(&engine->bans, memory_order_acquire);
    uint64_t oldest = UINT64_MAX;
    for (int i = 0; bans && i < BANS_MAX; i++) {
        uint64_t stamp = atomic_load_explicit(&bans->slots[i].stamp, memory_order_relaxed);
        oldest = stamp && stamp < oldest ? stamp : oldest;
    }
    return oldest;
}

void bans_count(const struct engine *engine, struct ban_counts *ret_counts) {
    const struct bans *bans = atomic_load_explicit(&engine->bans, memory_order_acquire);
    *ret_counts = (struct ban_counts){.live = atomic_load_explicit(&engine->ban_count, memory_order_relaxed)};
    if (!bans)
        return;
    ret_counts->set = atomic_load_explicit(&bans->set, memory_order_relaxed);
    ret_counts->swept = atomic_load_explicit(&bans->swept, memory_order_relaxed);
    uint64_t done = atomic_load_explicit(&bans->shard, memory_order_relaxed) * 1000ull +
                    atomic_load_explicit(&bans->shard_permille, memory_order_relaxed);
    ret_counts->done_permille = ret_counts->live ? (uint32_t)(done / engine->shard_count) : 0;
}

/* ------------------------------------------------------------------------------------------ what is over */

struct bans_past {
    _Atomic uint64_t floor;    /* the youngest that is forgotten */
    _Atomic uint64_t youngest; /* of those that are there */
    uint32_t next;
    struct ban slots[BANS_PAST_MAX];
};

struct bans_past *bans_past_new(const struct memory *memory) {
    struct bans_past *past = memory_take(memory, sizeof *past);
    if (past)
        memset((void *)past, 0, sizeof *past);
    return past;
}

size_t bans_past_size(void) { return sizeof(struct bans_past); }

void bans_past_free(struct bans_past *past, const struct memory *memory) { memory_give(memory, past, sizeof *past); }

static void raise(_Atomic uint64_t *to, uint64_t stamp) {
    if (atomic_load_explicit(to, memory_order_relaxed) < stamp)
        atomic_store_explicit(to, stamp, memory_order_release);
}

void bans_past_add(struct bans_past *past, uint32_t place, struct slice pattern, uint64_t stamp) {
    struct ban *ban = &past->slots[past->next];
    past->next = (past->next + 1) % BANS_PAST_MAX;
    raise(&past->floor, atomic_load_explicit(&ban->stamp, memory_order_relaxed)); /* before it is gone from here */
    atomic_store_explicit(&ban->stamp, 0, memory_order_release);
    write_ban(ban, place, pattern, stamp);
    raise(&past->youngest, stamp);
}

uint64_t bans_past_floor(const struct bans_past *past) {
    return atomic_load_explicit(&past->floor, memory_order_acquire);
}

void bans_past_floor_set(struct bans_past *past, uint64_t stamp) {
    raise(&past->floor, stamp);
    raise(&past->youngest, stamp);
}

static void visit_slots(const struct ban *slots, int count, bans_visit visit, void *context) {
    uint8_t text[BAN_PATTERN_MAX];
    for (int i = 0; i < count; i++) {
        uint64_t stamp = atomic_load_explicit(&slots[i].stamp, memory_order_acquire);
        if (stamp == 0)
            continue;
        size_t size = atomic_load_explicit(&slots[i].size, memory_order_relaxed);
        words_read(text, slots[i].text, size);
        visit(context, atomic_load_explicit(&slots[i].place, memory_order_relaxed), slice_make(text, size), stamp);
    }
}

void bans_past_each(const struct bans_past *past, bans_visit visit, void *context) {
    visit_slots(past->slots, BANS_PAST_MAX, visit, context);
}

void bans_each(const struct engine *engine, bans_visit visit, void *context) {
    const struct bans *bans = atomic_load_explicit(&engine->bans, memory_order_acquire);
    if (bans)
        visit_slots(bans->slots, BANS_MAX, visit, context);
}

bool bans_past_kill(const struct bans_past *past, uint32_t place, uint64_t seq, struct slice name) {
    uint8_t text[BAN_PATTERN_MAX];
    size_t size;
    uint64_t of_ban;
    if (atomic_load_explicit(&past->youngest, memory_order_acquire) <= seq)
        return false;
    for (int i = 0; i < BANS_PAST_MAX; i++)
        if (kills(&past->slots[i], place, seq, name, text, &size, &of_ban))
            return true;
    return atomic_load_explicit(&past->floor, memory_order_acquire) > seq; /* the last: it is raised first */
}
