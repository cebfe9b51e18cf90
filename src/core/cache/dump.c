#include "core/cache/dump.h"

#include "core/cache/internal.h"
#include "core/store/tier.h"

enum {
    CELLS_SLICE = 48 * 1024, /* bytes of them in a record, about: what a lane of a replay is handed */
    CHAINS_MAX = 256,        /* copied under one lock */
};

/* A large value of the last chain: behind it stand its facts as a part, and parts for its tags, padded to 8 bytes. */
struct large {
    uint64_t first, size;
    size_t facts_size;
};

static const struct large *large_at(const struct cache_dump *dump) {
    return (const struct large *)(const void *)(dump->large.data + dump->large_at);
}

static size_t large_size(const struct large *large) { return sizeof *large + bits_align_up(large->facts_size, 8); }

/* Before the first entry is copied: what goes down since then may be found in memory, too. */
static void begin_tier(struct cache_dump *dump) {
    const struct cache *cache = dump->cache;
    if (!cache->engine->tier)
        return;
    dump->lists_tier = cache->tier.file_id && tier_layout(cache);
    if (dump->lists_tier)
        dump->generation = cache->tier.position(cache->tier.context);
    for (uint32_t place = 0; !dump->lists_tier && place < CACHE_DATABASES; place++)
        dump->below_left_out += tier_entries(cache->engine, place);
}

void cache_dump_begin(struct cache *cache, struct actor *actor, struct cache_dump *ret_dump) {
    *ret_dump = (struct cache_dump){.cache = cache, .moves = atomic_load(&cache->moves)};
    buf_init(&ret_dump->large, cache->memory);
    buf_init(&ret_dump->cells, cache->memory);
    buf_init(&ret_dump->soft, cache->memory);
    if (is_journaled(cache))
        ret_dump->tags_from = cache->journal.position(cache->journal.context);
    cache_changes_pass(cache, actor);
    if (is_journaled(cache))
        ret_dump->from = cache->journal.position(cache->journal.context);
    for (uint32_t place = 0; place < CACHE_DATABASES; place++)
        ret_dump->total += cache_count_place(cache, place);
    begin_tier(ret_dump);
}

static void drop_large(struct cache_dump *dump, struct actor *actor, size_t from) {
    dump->large_at = from;
    while (dump->large_at < dump->large.size) {
        extent_release(&dump->cache->engine->range, actor, large_at(dump)->first);
        dump->large_at += large_size(large_at(dump));
    }
    dump->large.size = dump->large_at = from;
}

void cache_dump_end(struct cache_dump *dump, struct actor *actor) {
    drop_large(dump, actor, dump->large_at);
    buf_fini(&dump->large);
    buf_fini(&dump->cells);
    buf_fini(&dump->soft);
}

/* ------------------------------------------------------------------------------------------ entries */

static enum status dump_part(struct buf *record, const struct record_part *part) {
    TRY(buf_reserve(record, record_part_size_max(part)));
    record->size += record_part_write(part, record->data + record->size);
    if (part->value.size)
        memcpy(record->data + record->size, part->value.data, part->value.size);
    record->size += part->value.size;
    return STATUS_OK;
}

/* The soft invalidations by which an entry is stale: their records may stand before the dump. */
static enum status dump_soft_tags(struct cache_dump *dump, struct actor *actor, const struct record_part *entry,
                                  struct buf *record) {
    const struct engine *engine = dump->cache->engine;
    for (uint32_t i = 0; i < entry->tag_count; i++) {
        uint32_t number;
        struct tag_facts facts;
        bool found = tag_find((struct range *)&engine->range, actor, engine->tags, entry->tags[i], &number, &facts);
        ASSERT(found);
        if (facts.soft < entry->stamp)
            continue;
        struct record_part part = {.kind = RECORD_TAG,
                                   .soft = true,
                                   .stamp = facts.soft,
                                   .expires_at_ms = actor->now_ms - facts.soft_for_ms,
                                   .name = entry->tags[i]};
        TRY(dump_part(record, &part));
    }
    return STATUS_OK;
}

static enum status keep_large(struct cache_dump *dump, struct actor *actor, const struct store_spot *spot,
                              struct record_part *part) {
    static const uint8_t padding[8];
    struct engine *engine = dump->cache->engine;
    struct buf *to = &dump->large;
    struct large large = {.first = 0};
    size_t at = to->size;
    part->kind = RECORD_FACTS;
    enum status status = buf_append(to, &large, sizeof large);
    if (status == STATUS_OK)
        status = dump_part(to, part);
    if (status == STATUS_OK)
        status = dump_soft_tags(dump, actor, part, to);
    large.facts_size = to->size - at - sizeof large;
    if (status == STATUS_OK)
        status = buf_append(to, padding, bits_align_up(to->size, sizeof padding) - to->size);
    if (status != STATUS_OK) {
        to->size = at;
        return status;
    }
    large.size = store_value_size(engine, spot->location, &spot->entry, &large.first);
    bool held = extent_hold(&engine->range, large.first);
    ASSERT(held);
    memcpy(to->data + at, &large, sizeof large);
    return STATUS_OK;
}

/* Removes a session of the chain whose head is gone, as any edit of it would: what is written to it later must not come back without that. */
static bool tidy_one(const struct cache_dump *dump, struct actor *actor, struct shard *shard, uint64_t at) {
    struct engine *engine = dump->cache->engine;
    for (struct index_bucket *bucket = index_bucket_at(&engine->range, &shard->index, at); bucket;
         bucket = index_next(&engine->range, &shard->index, bucket))
        for (int i = 0; i < INDEX_CELLS; i++) {
            uint64_t location = cell_location(cell_load(&bucket->cells[i]));
            struct entry entry;
            if (!location || !store_entry_at(engine, location, &entry))
                continue;
            struct store_key key = {.name = store_name_at(engine, location, &entry), .db = entry.db};
            key.hash = store_hash_in(engine, shard->store, entry.db, key.name);
            if (session_is_over(engine, shard, &key, actor->now_ms)) {
                session_tidy(engine, actor, shard, &key);
                return true;
            }
        }
    return false;
}

static enum status dump_entry(struct cache_dump *dump, struct actor *actor, uint64_t cell, struct buf *record) {
    struct engine *engine = dump->cache->engine;
    uint8_t names[ENTRY_TAGS_MAX][TAG_NAME_MAX];
    struct store_spot spot = {.location = cell_location(cell)};
    struct record_part part = {.kind = RECORD_PUT};
    bool whole = store_entry_at(engine, spot.location, &spot.entry);
    ASSERT(whole);
    if (store_is_dead(engine, spot.location, &spot.entry, store_name_at(engine, spot.location, &spot.entry)))
        return STATUS_OK;
    if (spot.entry.flags & ENTRY_OBJECT) {
        dump->left_out++;
        return STATUS_OK;
    }
    journal_facts(dump->cache, actor, &spot, names, &part);
    if (spot.entry.flags & ENTRY_EXTENTS) {
        TRY(keep_large(dump, actor, &spot, &part));
    } else {
        part.value = slice_make(engine->range.base + spot.location + spot.entry.value_at, spot.entry.stored_size);
        TRY(dump_part(record, &part));
        TRY(dump_soft_tags(dump, actor, &part, record));
    }
    dump->done++;
    return STATUS_OK;
}

/* One chain, or nothing of it. */
static enum status dump_chain(struct cache_dump *dump, struct actor *actor, struct shard *shard, uint64_t at,
                              struct buf *record) {
    const struct range *range = &dump->cache->engine->range;
    size_t record_size = record->size, kept_size = dump->large.size;
    uint64_t done = dump->done, left_out = dump->left_out;
    while (store_is_by_session(shard) && tidy_one(dump, actor, shard, at))
        ;
    for (struct index_bucket *bucket = index_bucket_at(range, &shard->index, at); bucket;
         bucket = index_next(range, &shard->index, bucket))
        for (int i = 0; i < INDEX_CELLS; i++) {
            uint64_t cell = cell_load(&bucket->cells[i]);
            if (!cell || dump_entry(dump, actor, cell, record) == STATUS_OK)
                continue;
            record->size = record_size;
            size_t from = dump->large_at;
            drop_large(dump, actor, kept_size);
            dump->large_at = from < dump->large.size ? from : dump->large.size;
            dump->done = done;
            dump->left_out = left_out;
            return STATUS_NO_MEMORY;
        }
    return STATUS_OK;
}

/* Chains of the shard, until there is enough for a record, or a large value. */
static enum status dump_some(struct cache_dump *dump, struct actor *actor, struct buf *record) {
    struct engine *engine = dump->cache->engine;
    struct shard *shard = &engine->shards[dump->shard];
    enum status status = STATUS_OK;
    store_lock(engine, actor, dump->shard);
    for (int chains = 0; chains < CHAINS_MAX && record->size < CACHE_DUMP_SLICE && !dump->large.size; chains++) {
        uint64_t shape = atomic_load_explicit(&shard->index.shape, memory_order_relaxed);
        uint64_t at = index_scan_bucket(shape, dump->cursor);
        status = dump_chain(dump, actor, shard, at, record);
        if (status != STATUS_OK)
            break;
        dump->cursor = index_scan_next(shape, at);
        if (dump->cursor == 0)
            break;
    }
    store_unlock(engine, actor, dump->shard);
    if (status == STATUS_OK && dump->cursor == 0) {
        dump->in_tier = dump->lists_tier;
        dump->shard += !dump->in_tier;
    }
    /* Chains before the one that found no memory have been passed: they are handed out. */
    return record->size > RECORD_HEAD_SIZE ? STATUS_OK : status;
}

/* ------------------------------------------------------------------------------------------ cells */

struct listing {
    struct cache_dump *dump;
    struct actor *actor;
    enum status status;
};

/* The tags that its record bears; false: it is dead by one. */
static bool list_tags(const struct listing *listing, const struct tier_side *side,
                      uint8_t names[ENTRY_TAGS_MAX][TAG_NAME_MAX], struct record_part *ret_tags) {
    const struct engine *engine = listing->dump->cache->engine;
    struct range *range = (struct range *)&engine->range;
    *ret_tags = (struct record_part){.stamp = side->stamp, .tag_count = side->count};
    for (uint32_t i = 0; i < side->count; i++) {
        if (tag_kills(range, engine->tags, side->numbers[i], side->stamp, false))
            return false;
        ret_tags->tags[i] =
            slice_make(names[i], tag_name(range, listing->actor, engine->tags, side->numbers[i], names[i]));
    }
    return true;
}

static enum status list_tagged(const struct listing *listing, const struct tier_side *side, struct record_cell *cell,
                               bool *ret_dead) {
    uint8_t names[ENTRY_TAGS_MAX][TAG_NAME_MAX];
    struct record_part tags;
    struct cache_dump *dump = listing->dump;
    *ret_dead = !list_tags(listing, side, names, &tags);
    if (*ret_dead)
        return STATUS_OK;
    cell->stamp = side->stamp;
    cell->expires_at_ms = side->expires_at_ms;
    cell->tag_count = side->count;
    memcpy(cell->tags, tags.tags, side->count * sizeof *tags.tags);
    TRY(dump_soft_tags(dump, listing->actor, &tags, &dump->soft));
    dump->cells.size += record_cell_write(cell, dump->cells.data + dump->cells.size);
    return STATUS_OK;
}

static void list_cell(void *context, const struct tier_cell *found) {
    struct listing *listing = context;
    struct cache_dump *dump = listing->dump;
    bool dead = false;
    if (listing->status != STATUS_OK || found->generation == 0)
        return;
    struct record_cell cell = {
        .bit_count = found->bit_count < RECORD_HASH_BITS_MAX ? found->bit_count : RECORD_HASH_BITS_MAX,
        .place = found->place,
        .hits = found->hits,
        .expires = found->expires,
        .address = found->address,
        .generation = found->generation};
    cell.bits = found->bits & ((1ull << cell.bit_count) - 1);
    listing->status = buf_reserve(&dump->cells, RECORD_CELL_SIZE_MAX);
    if (listing->status == STATUS_OK && found->side)
        listing->status = list_tagged(listing, found->side, &cell, &dead);
    else if (listing->status == STATUS_OK)
        dump->cells.size += record_cell_write(&cell, dump->cells.data + dump->cells.size);
    dump->below += listing->status == STATUS_OK && !dead;
}

/* Some buckets of the shard's second index, as above. */
static uint64_t list_buckets(struct listing *listing, uint64_t cursor, uint64_t *ret_buckets) {
    struct cache_dump *dump = listing->dump;
    struct engine *engine = dump->cache->engine;
    struct shard *shard = &engine->shards[dump->shard];
    store_lock(engine, listing->actor, dump->shard);
    bool any = atomic_load_explicit(&tier_of(engine, shard)->index.entries, memory_order_relaxed) != 0;
    uint64_t shape = tier_shape(engine, shard);
    *ret_buckets = index_bucket_count(shape);
    for (int chains = 0; any && chains < CHAINS_MAX && dump->cells.size < CELLS_SLICE; chains++) {
        uint64_t at = index_scan_bucket(shape, cursor);
        tier_list(engine, shard, at, list_cell, listing);
        cursor = index_scan_next(shape, at);
        if (cursor == 0 || listing->status != STATUS_OK)
            break;
    }
    store_unlock(engine, listing->actor, dump->shard);
    return any ? cursor : 0;
}

static enum status dump_cells(struct cache_dump *dump, struct actor *actor, struct buf *record) {
    struct listing listing = {.dump = dump, .actor = actor};
    uint64_t below = dump->below, buckets;
    buf_clear(&dump->cells);
    buf_clear(&dump->soft);
    uint64_t cursor = list_buckets(&listing, dump->cursor, &buckets);
    struct record_part part = {
        .kind = RECORD_CELLS, .shard = dump->shard, .offset = buckets, .value = buf_slice(&dump->cells)};
    if (listing.status == STATUS_OK)
        listing.status = buf_reserve(record, record_part_size_max(&part) + dump->soft.size);
    if (listing.status != STATUS_OK) {
        dump->below = below;
        return listing.status;
    }
    if (dump->cells.size) {
        TRY(dump_part(record, &part));
        TRY(buf_append_slice(record, buf_slice(&dump->soft)));
    }
    dump->done += dump->below - below;
    dump->cursor = cursor;
    dump->in_tier = cursor != 0;
    dump->shard += !dump->in_tier;
    return STATUS_OK;
}

/* The next piece of the large value that is under way: the first one puts it, the others are patches. */
static enum status dump_piece(struct cache_dump *dump, struct actor *actor, struct buf *record) {
    const struct large *large = large_at(dump);
    struct range *range = &dump->cache->engine->range;
    struct record_reader reader = {.rest = slice_make((const uint8_t *)(large + 1), large->facts_size)};
    struct record_part part;
    enum status read = record_next(&reader, &part);
    ASSERT(read == STATUS_OK);
    uint64_t size, left = large->size - dump->offset;
    const uint8_t *piece = left ? extent_piece(range, large->first, dump->offset, &size) : NULL;
    size = !piece ? 0 : size < left ? size : left;
    part.kind = dump->offset ? RECORD_PATCH : RECORD_PUT;
    part.size_before = part.offset = dump->offset;
    part.value = slice_make(piece, size < CACHE_DUMP_SLICE ? size : CACHE_DUMP_SLICE);
    bool last = dump->offset + part.value.size == large->size;
    TRY(buf_reserve(record, record_part_size_max(&part) + reader.rest.size));
    TRY(dump_part(record, &part));
    dump->offset += part.value.size;
    if (!last)
        return STATUS_OK;
    TRY(buf_append_slice(record, reader.rest));
    dump->offset = 0;
    dump->large_at += large_size(large);
    extent_release(range, actor, large->first);
    if (dump->large_at == dump->large.size)
        dump->large.size = dump->large_at = 0;
    return STATUS_OK;
}

struct listing_bans {
    struct buf *record;
    enum status status;
};

static void list_ban(void *context, uint32_t place, struct slice pattern, uint64_t stamp) {
    struct listing_bans *listing = context;
    const struct record_part part = {.kind = RECORD_BAN_PAST, .place = place, .name = pattern, .stamp = stamp};
    if (listing->status == STATUS_OK)
        listing->status = dump_part(listing->record, &part);
}

/* How large the second indexes are, before entries come that take all the memory there is. */
static enum status dump_shapes(const struct cache_dump *dump, struct buf *record) {
    const struct engine *engine = dump->cache->engine;
    for (uint32_t i = 0; i < engine->shard_count; i++) {
        uint64_t buckets = index_bucket_count(tier_shape(engine, &engine->shards[i]));
        const struct record_part part = {.kind = RECORD_CELLS, .shard = i, .offset = buckets};
        if (buckets > 1)
            TRY(dump_part(record, &part));
    }
    return STATUS_OK;
}

/* Whose records the cells are, and the bans by which one of them may be dead: none of these is in a later record of the journal. */
static enum status dump_tier(struct cache_dump *dump, struct actor *actor, struct buf *record) {
    struct engine *engine = dump->cache->engine;
    struct listing_bans listing = {.record = record};
    struct record_part part = {.kind = RECORD_TIER,
                               .row = dump->cache->tier.file_id,
                               .size_before = tier_layout(dump->cache),
                               .offset = dump->generation};
    if (!dump->lists_tier)
        return STATUS_OK;
    store_lock(engine, actor, 0);
    part.stamp = bans_past_floor(engine->tier->past);
    listing.status = dump_part(record, &part);
    bans_past_each(engine->tier->past, list_ban, &listing);
    bans_each(engine, list_ban, &listing);
    store_unlock(engine, actor, 0);
    return listing.status == STATUS_OK ? dump_shapes(dump, record) : listing.status;
}

/* What is no entry: where databases are, and which stamps may have been handed out. */
static enum status dump_beginning(struct cache_dump *dump, struct actor *actor, struct buf *record) {
    const struct cache *cache = dump->cache;
    struct record_part part = {.kind = RECORD_MAP};
    journal_map(cache, part.map);
    TRY(dump_part(record, &part));
    uint64_t taken = atomic_load_explicit(&cache->engine->range.head->stamps, memory_order_relaxed);
    uint64_t noted = atomic_load_explicit(&cache->stamps_noted, memory_order_relaxed);
    part = (struct record_part){.kind = RECORD_STAMPS, .stamp = noted > taken ? noted : taken};
    TRY(dump_part(record, &part));
    TRY(dump_tier(dump, actor, record));
    dump->begun = true;
    return STATUS_OK;
}

enum status cache_dump_next(struct cache_dump *dump, struct actor *actor, struct buf *record) {
    ASSERT(!cache_locked(actor));
    buf_clear(record);
    TRY(buf_reserve(record, RECORD_HEAD_SIZE));
    record_head_write(actor->now_ms, record->data);
    record->size = RECORD_HEAD_SIZE;
    if (!dump->begun)
        return dump_beginning(dump, actor, record);
    while (record->size == RECORD_HEAD_SIZE) {
        if (atomic_load(&dump->cache->moves) != dump->moves)
            return STATUS_INVALID;
        if (dump->large.size)
            TRY(dump_piece(dump, actor, record));
        else if (dump->in_tier)
            TRY(dump_cells(dump, actor, record));
        else if (dump->shard < dump->cache->engine->shard_count)
            TRY(dump_some(dump, actor, record));
        else
            return STATUS_CLOSED;
    }
    return STATUS_OK;
}
