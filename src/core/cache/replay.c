#include "core/cache/replay.h"

#include "core/cache/internal.h"
#include "core/store/tier.h"

enum {
    CLOCK_SLACK_MS = 60000, /* by which clocks of threads do not differ */
    HELD_MAX = 1 << 18,     /* tags whose last invalidation is kept for entries that were under way then */
    TRIES = 4,
    HOUSEKEEP_EVERY = 64,            /* records */
    HOUSEKEEP_HANDED_SIZE = 8 << 20, /* bytes of what was handed out, as the lanes have to settle for it */
    EMPTY_SCAN_COUNT = 256,
    JOIN_AHEAD = 2, /* buckets */
};

static struct engine *engine_of(const struct cache_replay *replay) { return replay->cache->engine; }

/* ------------------------------------------------------------------------------------------ stamps and tags */

static void raise_stamps(const struct cache_replay *replay, uint64_t taken) {
    _Atomic uint64_t *stamps = &engine_of(replay)->range.head->stamps;
    uint64_t before = atomic_load_explicit(stamps, memory_order_relaxed);
    while (before < taken &&
           !atomic_compare_exchange_weak_explicit(stamps, &before, taken, memory_order_relaxed, memory_order_relaxed))
        ;
}

static void see_stamp(const struct cache_replay *replay, uint64_t stamp) {
    if (stamp)
        raise_stamps(replay, stamp - ENTRY_STAMP_FIRST + 1);
}

/* What goes down is as old as this. */
static void see_ban(struct cache_replay *replay, uint64_t stamp) {
    struct tier *tier = engine_of(replay)->tier;
    replay->bans_seen = stamp > replay->bans_seen ? stamp : replay->bans_seen;
    if (tier)
        atomic_store_explicit(&tier->loaded_bans, replay->bans_seen, memory_order_relaxed);
}

/* An entry without a stamp that was written behind a ban, which lasts here longer than it did there: younger than that, and older than all that follow. A stamp of
 * now would be younger than these, too, as stamps are ahead of the records. */
static uint64_t stamp_of(const struct cache_replay *replay, const struct record_part *part) {
    const struct engine *engine = engine_of(replay);
    const struct entry entry = {.db = part->place};
    bool banned = part->stamp == 0 && store_is_banned(engine, &entry, part->name);
    return banned ? replay->bans_seen + 1 : part->stamp;
}

static void give_held(struct cache_replay *replay) {
    const uint32_t *numbers = (const uint32_t *)(const void *)replay->held.data;
    tags_give(replay->cache, replay->actor, numbers, (uint32_t)(replay->held.size / sizeof *numbers));
    buf_clear(&replay->held);
}

/* The record of an invalidation may stand before that of an entry which was older but under way: its tag is kept, as if somebody bore it. Whatever held all locks has waited for
 * those. Where tags are too many, entries as old are left out. */
static void apply_tag(struct cache_replay *replay, const struct record_part *part) {
    struct engine *engine = engine_of(replay);
    uint32_t number;
    if (replay->held.size >= HELD_MAX * sizeof number) {
        give_held(replay);
        replay->floor = part->stamp;
    }
    see_stamp(replay, part->stamp);
    if (tag_take(&engine->range, replay->actor, engine->tags, part->name, !replay->dumping, &number) != STATUS_OK) {
        replay->floor = part->stamp > replay->floor ? part->stamp : replay->floor;
        return;
    }
    if (!number)
        return;
    tag_invalidate_at(&engine->range, replay->actor, engine->tags, number, part->soft, part->stamp,
                      part->expires_at_ms);
    if (!replay->dumping && buf_append(&replay->held, &number, sizeof number) == STATUS_OK)
        return;
    tags_give(replay->cache, replay->actor, &number, 1); /* in a dump, who bears it stands before it */
    if (replay->dumping)
        return;
    replay->floor = part->stamp > replay->floor ? part->stamp : replay->floor;
}

/* ------------------------------------------------------------------------------------------ entries */

/* The part's key, whose hash is known, locked, whether its time has come or not. */
static void begin(struct cache_replay_lane *lane, const struct record_part *part, uint64_t hash,
                  struct cache_edit *ret_edit) {
    struct cache *cache = lane->replay->cache;
    const struct store_key wanted = {part->name, hash, part->place, NULL, NULL, 0};
    *ret_edit = (struct cache_edit){.cache = cache, .actor = lane->actor, .shard = store_shard_of(cache->engine, hash)};
    ret_edit->locked_here = !store_held(lane->actor, ret_edit->shard);
    if (ret_edit->locked_here)
        store_lock(cache->engine, lane->actor, ret_edit->shard);
    ret_edit->key = (struct cache_key){
        .name = part->name, .hash = hash, .db = cache_db_of(cache, part->place), .place = part->place};
    store_find(cache->engine, shard_of(ret_edit), &wanted, spot_of(ret_edit));
    edit_refresh(ret_edit);
}

static struct store_key key_of(const struct cache_edit *edit) {
    return (struct store_key){edit->key.name, edit->key.hash, edit->key.place, NULL, NULL, 0};
}

static void remove_key(struct cache_replay_lane *lane, const struct record_part *part, uint64_t hash) {
    struct cache_edit edit;
    begin(lane, part, hash, &edit);
    if (spot_of(&edit)->location)
        store_remove_alone(edit.cache->engine, edit.actor, shard_of(&edit), spot_of(&edit), STORE_CLEARED);
    else if (store_is_tiered(shard_of(&edit)))
        MAYBE(tier_overwritten(edit.cache->engine, edit.actor, shard_of(&edit), hash, part->place) > 0);
    cache_edit_end(&edit);
}

/* The facts, with tags that are taken: given back or borne afterwards. */
static enum status facts_of(struct cache_replay_lane *lane, const struct record_part *part,
                            uint32_t numbers[ENTRY_TAGS_MAX], struct store_value *ret_value) {
    *ret_value = (struct store_value){
        .type = part->type,
        .expires_at_ms = part->expires_at_ms,
        .stamp = stamp_of(lane->replay, part),
        .row = part->row,
        .stale = entry_stale_code(part->stale_ms),
        .softened = part->soft,
        .tags = numbers,
    };
    see_stamp(lane->replay, ret_value->stamp);
    return tags_take(lane->replay->cache, lane->actor, part->tags, part->tag_count, ENTRY_TAGS_MAX, numbers,
                     &ret_value->tag_count);
}

/* Takes over the tags and the chain of the value, or gives them back. */
static enum status put_once(struct cache_edit *edit, const struct store_value *value) {
    struct store_key key = key_of(edit);
    enum status status = store_put(edit->cache->engine, edit->actor, shard_of(edit), &key, value, spot_of(edit));
    if (status == STATUS_OK)
        return STATUS_OK;
    tags_give(edit->cache, edit->actor, value->tags, value->tag_count);
    if (value->extents.first)
        extent_release(&edit->cache->engine->range, edit->actor, value->extents.first);
    return status;
}

static enum status try_put(struct cache_replay_lane *lane, const struct record_part *part, uint64_t hash) {
    struct engine *engine = engine_of(lane->replay);
    uint32_t numbers[ENTRY_TAGS_MAX];
    struct store_value value;
    struct cache_edit edit;
    TRY(facts_of(lane, part, numbers, &value));
    if (edit_goes_inline(engine, part->name.size, value.tag_count, part->value.size)) {
        value.value = part->value;
    } else {
        enum status status = edit_take_extents(&engine->range, lane->actor, part->value.size, &value.extents);
        if (status != STATUS_OK) {
            tags_give(lane->replay->cache, lane->actor, numbers, value.tag_count);
            return status;
        }
        edit_fill_extents(&engine->range, value.extents.first, 0, part->value.data, part->value.size);
        value.extents_size = part->value.size;
    }
    begin(lane, part, hash, &edit);
    enum status status = put_once(&edit, &value);
    cache_edit_end(&edit);
    return status;
}

/* Room for a write; if there is none it will be found out. */
static void prepare(struct cache_replay_lane *lane, const struct record_part *part, uint64_t hash, int attempt) {
    struct cache *cache = lane->replay->cache;
    uint64_t more = (uint64_t)attempt * range_segment_size(&cache->engine->range);
    if (lane->replay->spare)
        lane->replay->spare(lane->replay->tier_context);
    prepare_store(cache, lane->actor, cache->engine->shards[store_shard_of(cache->engine, hash)].store,
                  part->value.size + more);
}

static void release_promise(struct cache_replay_lane *lane) {
    if (lane->actor->promised)
        reclaim_release_promise(engine_of(lane->replay), lane->actor);
}

/* What has no room is lost, but never is an older value left in its place. */
static enum status lose(struct cache_replay_lane *lane, const struct record_part *part, uint64_t hash,
                        enum status status) {
    release_promise(lane);
    if (status != STATUS_FULL && status != STATUS_TOO_LARGE && status != STATUS_INVALID)
        return status;
    remove_key(lane, part, hash);
    lane->lost++;
    return STATUS_OK;
}

static enum status apply_put(struct cache_replay_lane *lane, const struct record_part *part, uint64_t hash) {
    enum status status = STATUS_FULL;
    if (part->name.size > store_name_max(engine_of(lane->replay)) ||
        (part->tag_count && part->stamp <= lane->replay->floor))
        return lose(lane, part, hash, STATUS_TOO_LARGE);
    for (int i = 0; status == STATUS_FULL && i < TRIES; i++) {
        prepare(lane, part, hash, i);
        status = try_put(lane, part, hash);
    }
    release_promise(lane);
    return status == STATUS_OK ? STATUS_OK : lose(lane, part, hash, status);
}

/* Whether the entry has these facts already. Most patches change none. */
static bool has_facts(const struct cache_edit *edit, const struct store_value *value) {
    const struct entry *entry = &const_spot_of(edit)->entry;
    uint32_t numbers[ENTRY_TAGS_MAX], count = store_tags(edit->cache->engine, const_spot_of(edit), numbers);
    return entry->expires_at_ms == value->expires_at_ms && entry->stamp == value->stamp && entry->row == value->row &&
           entry->stale == value->stale && entry->softened == value->softened && count == value->tag_count &&
           (count == 0 || memcmp(numbers, value->tags, count * sizeof *numbers) == 0);
}

/* Writes what is found anew with other facts; the value stays where it is, or is written over itself. */
static enum status put_facts(struct cache_replay_lane *lane, const struct record_part *part, struct cache_edit *edit) {
    struct engine *engine = engine_of(lane->replay);
    const struct store_spot *spot = spot_of(edit);
    uint32_t numbers[ENTRY_TAGS_MAX];
    struct store_value value;
    TRY(facts_of(lane, part, numbers, &value));
    if (has_facts(edit, &value)) {
        tags_give(lane->replay->cache, lane->actor, numbers, value.tag_count);
        return STATUS_OK;
    }
    uint64_t first, size = store_value_size(engine, spot->location, &spot->entry, &first);
    value.lives_on = true;
    if (first) {
        bool held = extent_hold(&engine->range, first);
        ASSERT(held);
        value.extents.first = first;
        value.extents_size = size;
    } else {
        value.value = slice_make(engine->range.base + spot->location + spot->entry.value_at, size);
    }
    return put_once(edit, &value);
}

/* Only what is like that which was changed: the dump may have the key as it was later, which a later record says again; and what has gone since then needs no
 * change. */
static bool is_what_was_changed(const struct cache_edit *edit, const struct record_part *part) {
    const struct store_spot *spot = const_spot_of(edit);
    return spot->location && spot->entry.type == part->type && !(spot->entry.flags & ENTRY_OBJECT) &&
           (part->kind != RECORD_PATCH || edit->size >= part->size_before);
}

static enum status change_once(struct cache_replay_lane *lane, const struct record_part *part,
                               struct cache_edit *edit) {
    if (!is_what_was_changed(edit, part))
        return STATUS_OK;
    if (part->kind == RECORD_PATCH)
        TRY(cache_edit_patch(edit, part->offset, part->value));
    return put_facts(lane, part, edit);
}

/* Whether the key may be in the tier and not in memory, where a change finds it. */
static bool is_below(const struct cache_replay_lane *lane, const struct cache_edit *edit) {
    const struct store_key key = key_of(edit);
    return lane->replay->bring && !const_spot_of(edit)->location && tier_may_have(edit->cache, &key);
}

static enum status bring(struct cache_replay_lane *lane, struct cache_edit *edit, const struct record_part *part,
                         uint64_t hash) {
    const struct cache_key key = edit->key;
    cache_edit_end(edit);
    release_promise(lane);
    enum status status = lane->replay->bring(lane->replay->tier_context, lane->actor, &key);
    begin(lane, part, hash, edit);
    return status;
}

static enum status apply_change(struct cache_replay_lane *lane, const struct record_part *part, uint64_t hash) {
    enum status status = STATUS_FULL;
    for (int i = 0; status == STATUS_FULL && i < TRIES; i++) {
        struct cache_edit edit;
        prepare(lane, part, hash, i);
        begin(lane, part, hash, &edit);
        if (is_below(lane, &edit)) {
            status = bring(lane, &edit, part, hash);
            if (status != STATUS_OK) { /* in the end it is lost: an older value must not stay */
                cache_edit_end(&edit);
                continue;
            }
        }
        status = change_once(lane, part, &edit);
        cache_edit_end(&edit);
    }
    release_promise(lane);
    return status == STATUS_OK ? STATUS_OK : lose(lane, part, hash, status);
}

/* ------------------------------------------------------------------------------------------ cells */

/* The facts by which a cell is entered, with its tags taken. */
static enum status cell_facts(struct cache_replay_lane *lane, const struct record_cell *cell,
                              struct tier_meta *ret_facts) {
    struct cache_replay *replay = lane->replay;
    *ret_facts = (struct tier_meta){.place = cell->place, .stamp = cell->stamp, .expires_at_ms = cell->expires};
    if (cell->tag_count == 0)
        return STATUS_OK;
    if (cell->stamp <= replay->floor)
        return STATUS_FULL;
    ret_facts->expires_at_ms = cell->expires_at_ms;
    see_stamp(replay, cell->stamp);
    return tags_take(replay->cache, lane->actor, cell->tags, cell->tag_count, ENTRY_TAGS_MAX, ret_facts->tags,
                     &ret_facts->tag_count);
}

/* What was in memory when the dump came by, and went down before its end, is there twice; so is what was moved meanwhile. One of them is enough. Whatever stands in lower
 * generations was down before. */
static void enter_cell(struct cache_replay_lane *lane, struct shard *shard, const struct record_cell *cell) {
    struct cache *cache = lane->replay->cache;
    struct tier *tier = cache->engine->tier;
    struct tier_cell entered = {.bits = cell->bits,
                                .bit_count = cell->bit_count,
                                .place = cell->place,
                                .hits = cell->hits,
                                .expires = cell->expires,
                                .generation = cell->generation};
    struct tier_meta facts = {.tag_count = 0};
    bool there = cache->tier.take(cache->tier.context, cell->address, cell->generation, &entered.address);
    if (there && cell->generation >= lane->replay->listed_position && tier_is_twice(cache->engine, shard, &entered)) {
        atomic_fetch_add_explicit(&tier->ended[TIER_OVERWRITTEN], 1, memory_order_relaxed);
        return;
    }
    there = there && cell_facts(lane, cell, &facts) == STATUS_OK;
    if (there && !tier_enter(cache->engine, lane->actor, shard, &entered, &facts)) {
        tags_give(cache, lane->actor, facts.tags, facts.tag_count);
        there = false;
    }
    tier_count(tier, there ? TIER_TAKEN_OVER : TIER_LOST, 1);
}

static void enter_cells(struct cache_replay_lane *lane, const struct record_part *part) {
    struct engine *engine = engine_of(lane->replay);
    struct shard *shard = &engine->shards[part->shard];
    struct slice rest = part->value;
    struct record_cell cell;
    prepare_store(lane->replay->cache, lane->actor, shard->store, range_segment_size(&engine->range));
    store_lock(engine, lane->actor, part->shard);
    tier_widen(engine, lane->actor, shard, part->offset);
    while (record_cell_next(&rest, &cell))
        enter_cell(lane, shard, &cell);
    store_unlock(engine, lane->actor, part->shard);
    release_promise(lane);
}

/* False: they are not of the tier that is there. */
static bool are_of_here(struct cache_replay *replay, const struct record_part *part) {
    struct slice rest = part->value;
    struct record_cell cell;
    if (replay->lists && part->shard < engine_of(replay)->shard_count)
        return true;
    while (record_cell_next(&rest, &cell)) {
        replay->below_lost++;
        if (engine_of(replay)->tier)
            tier_count(engine_of(replay)->tier, TIER_LOST, 1);
    }
    return false;
}

static void apply_tier(struct cache_replay *replay, const struct record_part *part) {
    const struct cache *cache = replay->cache;
    struct tier *tier = engine_of(replay)->tier;
    replay->lists = tier && cache->tier.file_id == part->row && tier_layout(cache) == part->size_before;
    replay->listed_position = part->offset;
    if (!replay->lists || !part->stamp)
        return;
    bans_past_floor_set(tier->past, part->stamp);
    see_ban(replay, part->stamp);
}

static void apply_ban_past(struct cache_replay *replay, const struct record_part *part) {
    struct engine *engine = engine_of(replay);
    see_stamp(replay, part->stamp);
    if (!replay->lists)
        return;
    store_lock(engine, replay->actor, 0);
    bans_past_add(engine->tier->past, part->place, part->name, part->stamp);
    store_unlock(engine, replay->actor, 0);
    see_ban(replay, part->stamp);
}

static enum status apply_to_key(struct cache_replay_lane *lane, const struct record_part *part, uint64_t hash) {
    if (part->kind == RECORD_CELLS) {
        enter_cells(lane, part);
        return STATUS_OK;
    }
    if (part->kind == RECORD_PUT)
        return apply_put(lane, part, hash);
    if (part->kind != RECORD_REMOVE)
        return apply_change(lane, part, hash);
    remove_key(lane, part, hash);
    return STATUS_OK;
}

/* ------------------------------------------------------------------------------------------ lanes */

enum status cache_replay_changes(struct cache_replay_lane *lane, const struct cache_replay_change *changes,
                                 uint32_t count, uint64_t now_ms) {
    struct engine *engine = engine_of(lane->replay);
    if (now_ms > lane->actor->now_ms)
        lane->actor->now_ms = now_ms;
    for (uint32_t i = 0; i < count; i++) {
        const struct index *index = &engine->shards[store_shard_of(engine, changes[i].hash)].index;
        __builtin_prefetch(index_place_of(&engine->range, index, changes[i].hash).bucket);
    }
    for (uint32_t i = 0; i < count; i++) {
        struct record_reader reader = {.rest = changes[i].part, .size = changes[i].part.size};
        struct record_part part;
        enum status status = record_next(&reader, &part);
        ASSERT(status == STATUS_OK);
        TRY(apply_to_key(lane, &part, changes[i].hash));
    }
    return STATUS_OK;
}

/* All that was handed out is applied before it goes on. */
static enum status settle(const struct cache_replay *replay) {
    return replay->hand ? replay->settle(replay->hand_context) : STATUS_OK;
}

/* What becomes of a key, or of some of a shard: at once, or by the lane of that shard. */
static enum status apply_or_hand(struct cache_replay *replay, const struct record_part *part, struct slice bytes) {
    uint64_t hash = part->kind == RECORD_CELLS ? (uint64_t)part->shard << STORE_HASH_BITS
                                               : store_hash(engine_of(replay), part->place, part->name);
    if (!replay->hand)
        return apply_to_key(&replay->self, part, hash);
    if (bytes.size > CACHE_REPLAY_HAND_MAX) {
        TRY(settle(replay));
        return apply_to_key(&replay->self, part, hash);
    }
    replay->handed_bytes += bytes.size;
    const struct cache_replay_change change = {.hash = hash, .part = bytes};
    return replay->hand(replay->hand_context, store_shard_of(engine_of(replay), hash), &change);
}

/* ------------------------------------------------------------------------------------------ everything else */

static enum status apply_ban(struct cache_replay *replay, const struct record_part *part) {
    struct engine *engine = engine_of(replay);
    bool added = false;
    TRY(bans_prepare(engine));
    see_stamp(replay, part->stamp);
    see_ban(replay, part->stamp);
    while (!added) {
        cache_lock_all(replay->cache, replay->actor, 0);
        added = bans_add(engine, replay->actor, part->place, part->name, part->stamp);
        cache_unlock(replay->cache, replay->actor);
        if (!added && !bans_sweep(engine, replay->actor))
            return STATUS_NO_MEMORY;
    }
    return STATUS_OK;
}

/* As soon as they were once: what was written later may match them, and has no stamp. Those that the dump was behind are not here. */
static void apply_swept(struct cache_replay *replay, const struct record_part *part) {
    while (bans_oldest(engine_of(replay)) <= part->stamp && bans_sweep(engine_of(replay), replay->actor))
        ;
}

static void apply_map(struct cache_replay *replay, const struct record_part *part) {
    _Atomic uint32_t *map = engine_of(replay)->range.head->db_map;
    uint32_t banned = atomic_load_explicit(&map[0], memory_order_relaxed) & RANGE_DB_BANNED;
    cache_lock_all(replay->cache, replay->actor, 0);
    for (uint32_t db = 0; db < CACHE_DATABASES; db++)
        atomic_store_explicit(&map[db], part->map[db] | banned, memory_order_relaxed);
    cache_unlock(replay->cache, replay->actor);
}

/* A store as it was, of which the cache knows nothing: each key is asked about. */
struct emptying {
    struct cache_replay *replay;
    struct slice store;
    uint32_t place;
    enum status status;
};

static void empty_one(void *context, struct slice name, const struct cache_info *info) {
    struct emptying *emptying = context;
    struct cache_replay *replay = emptying->replay;
    bool lay = false;
    (void)info;
    if (emptying->status == STATUS_OK)
        emptying->status = replay->lay_in(replay->context, emptying->store, name, &lay);
    if (lay)
        remove_key(&replay->self, &(struct record_part){.place = emptying->place, .name = name},
                   store_hash(engine_of(replay), emptying->place, name));
}

static enum status empty_as_it_was(struct cache_replay *replay, struct slice store) {
    struct emptying emptying = {.replay = replay, .store = store};
    cache_tier_clear(replay->cache, replay->actor); /* whose keys nobody can ask about */
    for (; emptying.place < CACHE_DATABASES && emptying.status == STATUS_OK; emptying.place++) {
        uint64_t cursor = 0;
        do
            cursor = cache_scan_place(replay->cache, replay->actor, emptying.place, cursor, EMPTY_SCAN_COUNT, empty_one,
                                      &emptying);
        while (cursor && cursor != CACHE_SCAN_FAILED && emptying.status == STATUS_OK);
        if (cursor == CACHE_SCAN_FAILED)
            return STATUS_NO_MEMORY;
    }
    return emptying.status;
}

static enum status apply_flush_store(struct cache_replay *replay, const struct record_part *part) {
    uint32_t store;
    bool lay;
    enum status status = replay->lay_in ? replay->lay_in(replay->context, part->name, SLICE(""), &lay) : STATUS_INVALID;
    if (status == STATUS_OK)
        status = empty_as_it_was(replay, part->name);
    if (status != STATUS_INVALID)
        return status;
    if (!cache_store_find(replay->cache, part->name, &store)) {
        replay->problem = "it empties a store that is not there, so nobody knows which keys are gone";
        return STATUS_INVALID;
    }
    cache_store_flush(replay->cache, replay->actor, store);
    return STATUS_OK;
}

/* What was done while all locks were held: who had been writing had come to an end. */
static enum status apply_fence(struct cache_replay *replay, const struct record_part *part) {
    give_held(replay);
    switch (part->kind) {
        case RECORD_BAN:
            return apply_ban(replay, part);
        case RECORD_FLUSH:
            cache_flush(replay->cache, replay->actor, cache_db_of(replay->cache, part->place));
            return STATUS_OK;
        case RECORD_FLUSH_ALL:
            cache_flush_all(replay->cache, replay->actor);
            return STATUS_OK;
        case RECORD_FLUSH_STORE:
            return apply_flush_store(replay, part);
        default:
            apply_map(replay, part);
            return STATUS_OK;
    }
}

static enum status apply_part(struct cache_replay *replay, const struct record_part *part, struct slice bytes) {
    switch (part->kind) {
        case RECORD_PUT:
        case RECORD_FACTS:
        case RECORD_PATCH:
        case RECORD_REMOVE:
            return apply_or_hand(replay, part, bytes);
        case RECORD_CELLS:
            return are_of_here(replay, part) ? apply_or_hand(replay, part, bytes) : STATUS_OK;
        case RECORD_TIER:
            apply_tier(replay, part);
            return STATUS_OK;
        case RECORD_BAN_PAST:
            apply_ban_past(replay, part);
            return STATUS_OK;
        case RECORD_TAG:
            TRY(settle(replay));
            apply_tag(replay, part);
            return STATUS_OK;
        case RECORD_SWEPT:
            TRY(settle(replay));
            apply_swept(replay, part);
            return STATUS_OK;
        case RECORD_STAMPS:
            raise_stamps(replay, part->stamp);
            return STATUS_OK;
        case RECORD_NOTE:
            return replay->note ? replay->note(replay->context, replay->number, part->name, part->value) : STATUS_OK;
        default:
            TRY(settle(replay));
            return apply_fence(replay, part);
    }
}

/* A dump stays at the time of its beginning, however long it took: the log is told from there on. */
static void set_time(struct cache_replay *replay, uint64_t at_ms) {
    uint64_t now_ms = at_ms > CLOCK_SLACK_MS ? at_ms - CLOCK_SLACK_MS : 0;
    if (now_ms > replay->actor->now_ms)
        replay->actor->now_ms = now_ms;
}

/* Between records, and not by lanes that are in the midst of some: an entry may be dead there by a tag that it does not bear at the end. */
static enum status housekeep(struct cache_replay *replay) {
    if (replay->hand ? replay->handed_bytes < HOUSEKEEP_HANDED_SIZE : replay->records % HOUSEKEEP_EVERY != 0)
        return STATUS_OK;
    TRY(settle(replay));
    replay->handed_bytes = 0;
    (void)cache_housekeep(replay->cache, replay->actor);
    return STATUS_OK;
}

static enum status apply_record(struct cache_replay *replay, struct slice record, bool only_tags) {
    struct record_reader reader;
    struct record_part part;
    replay->problem = NULL;
    enum status status = record_open(record, &reader);
    if (status == STATUS_OK && !(replay->dumping && replay->records))
        set_time(replay, reader.at_ms);
    while (status == STATUS_OK) {
        replay->problem_at = record_at(&reader);
        struct slice bytes = reader.rest;
        status = record_next(&reader, &part);
        bytes.size -= reader.rest.size;
        if (status == STATUS_OK && (!only_tags || part.kind == RECORD_TAG || part.kind == RECORD_STAMPS)) {
            status = apply_part(replay, &part, bytes);
            replay->parts++;
        }
    }
    if (status == STATUS_CLOSED) {
        replay->records++;
        return housekeep(replay);
    }
    if (reader.problem)
        replay->problem = reader.problem;
    if (!replay->problem)
        replay->problem = status_text(status);
    return status;
}

void cache_replay_begin(struct cache_replay *replay) {
    struct engine *engine = engine_of(replay);
    ASSERT(!is_dressed(replay->cache) && !cache_locked(replay->actor));
    if (engine->tier)
        engine->tier->loading = true;
    replay->records = replay->parts = replay->lost = replay->lsn = replay->floor = replay->number = replay->bans_seen =
        0;
    replay->self = (struct cache_replay_lane){.replay = replay, .actor = replay->actor};
    replay->handed_bytes = replay->below_lost = 0;
    replay->lists = false;
    replay->problem = NULL;
    replay->problem_at = 0;
    replay->now_ms = replay->actor->now_ms;
    replay->actor->now_ms = 0;
    buf_init(&replay->held, replay->cache->memory);
    tags_count_loosely(&engine->range, replay->actor, engine->tags);
}

enum status cache_replay_dump(struct cache_replay *replay, struct slice record) {
    replay->dumping = true;
    enum status status = apply_record(replay, record, false);
    replay->dumping = false;
    return status;
}

enum status cache_replay_apply(struct cache_replay *replay, uint64_t lsn, struct slice record) {
    if (lsn <= replay->lsn || lsn <= replay->tags_from)
        return STATUS_OK;
    replay->number = lsn;
    TRY(apply_record(replay, record, lsn <= replay->from));
    replay->lsn = lsn;
    return STATUS_OK;
}

/* The first lines of the entries in a bucket, which lie anywhere. */
static inline void ask_for_entries(const struct engine *engine, const struct index_bucket *bucket) {
    for (int i = 0; i < INDEX_CELLS; i++)
        __builtin_prefetch(engine->range.base + cell_location(cell_load(&bucket->cells[i])));
}

/* Who bears a tag is one of its members, if it was not invalidated since. */
static void join_chain(struct cache_replay *replay, const struct shard *shard, uint64_t at) {
    struct engine *engine = engine_of(replay);
    for (struct index_bucket *bucket = index_bucket_at(&engine->range, &shard->index, at); bucket;
         bucket = index_next(&engine->range, &shard->index, bucket))
        for (int i = 0; i < INDEX_CELLS; i++) {
            struct store_spot spot = {.location = cell_location(cell_load(&bucket->cells[i]))};
            if (!spot.location)
                continue;
            bool whole = store_entry_at(engine, spot.location, &spot.entry);
            ASSERT(whole);
            uint32_t numbers[ENTRY_TAGS_MAX], count = store_tags(engine, &spot, numbers);
            for (uint32_t tag = 0; tag < count; tag++)
                MAYBE(tag_join(&engine->range, replay->actor, engine->tags, numbers[tag], spot.entry.stamp));
        }
}

static void join_side(void *context, const struct tier_side *side) {
    struct cache_replay *replay = context;
    struct engine *engine = engine_of(replay);
    for (uint32_t tag = 0; tag < side->count; tag++)
        MAYBE(tag_join(&engine->range, replay->actor, engine->tags, side->numbers[tag], side->stamp));
}

/* Members of tags, counted anew. Where nobody bears a tag no entry is looked at. */
static void join_everywhere(struct cache_replay *replay) {
    struct engine *engine = engine_of(replay);
    tags_count_anew(&engine->range, replay->actor, engine->tags);
    if (atomic_load_explicit(&engine->tags->count, memory_order_acquire) == 0)
        return;
    for (uint32_t i = 0; i < engine->shard_count; i++) {
        const struct shard *shard = &engine->shards[i];
        if (engine->tier)
            tier_side_each(&tier_of(engine, shard)->sides, join_side, replay);
        uint64_t shape = atomic_load_explicit(&shard->index.shape, memory_order_relaxed);
        for (uint64_t at = 0, count = index_bucket_count(shape); at < count; at++) {
            if (at + JOIN_AHEAD < count)
                ask_for_entries(engine, index_bucket_at(&engine->range, &shard->index, at + JOIN_AHEAD));
            join_chain(replay, shard, at);
        }
    }
}

/* Under all locks: whoever keeps the tier's records may be letting some of them go. */
static void join_all(struct cache_replay *replay) {
    struct engine *engine = engine_of(replay);
    cache_lock_all(replay->cache, replay->actor, 0);
    join_everywhere(replay);
    if (engine->tier)
        engine->tier->loading = false;
    cache_unlock(replay->cache, replay->actor);
}

void cache_replay_end(struct cache_replay *replay) {
    give_held(replay);
    buf_fini(&replay->held);
    join_all(replay);
    replay->lost += replay->self.lost;
    reclaim_sweep(engine_of(replay));
    replay->actor->now_ms = replay->now_ms;
}
