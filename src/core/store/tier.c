#include "core/store/tier.h"

#include "base/assert.h"
#include "core/store/tier_meta.h"

enum {
    ASK_TRIES = 64, /* afterwards it is said as it was seen: who reads there finds out */
    CHAIN_CHECK = 16,
    HITS_MASK = TIER_HITS_MAX,
    FINGERPRINT_BITS = 15, /* of the hash, of a fresh one */
    OVER_SHARE = 4,        /* more than they may be by that part, */
    OVER_PAGES = 4,        /* and by so many pages: because the limit was lowered */
};

#define GET(field) atomic_load_explicit(&(field), memory_order_relaxed)
#define PUT(field, value) atomic_store_explicit(&(field), value, memory_order_relaxed)

static uint64_t make_cell(uint64_t fingerprint, const struct tier_meta *meta, uint64_t address) {
    return fingerprint << 48 | (uint64_t)(meta->tag_count != 0) << 47 | address << 8 | meta->place << 4 |
           (meta->expires_at_ms != 0) << 3;
}

static struct index_bucket *index_first(const struct engine *engine, const struct tier_shard *part, uint64_t bucket) {
    return index_bucket_at(&engine->range, &part->index, bucket);
}

/* Nothing has ever gone down there: there is no page to look into. */
static bool is_unused(const struct tier_shard *part) {
    return atomic_load_explicit(&part->index.page_count, memory_order_acquire) == 0;
}

/* ------------------------------------------------------------------------------------------ begin and end */

static size_t tier_size(uint32_t shards) { return sizeof(struct tier) + shards * sizeof(struct tier_shard); }

enum status tier_open(struct engine *engine, const struct tier_calls *calls) {
    const struct range_head *head = engine->range.head;
    ASSERT(!engine->tier);
    if (!head->tiered)
        return STATUS_INVALID;
    struct tier *tier = memory_take(engine->memory, tier_size(head->shard_room));
    if (!tier)
        return STATUS_NO_MEMORY;
    memset((void *)tier, 0, tier_size(head->shard_room));
    tier->past = bans_past_new(engine->memory);
    if (!tier->past) {
        memory_give(engine->memory, tier, tier_size(head->shard_room));
        return STATUS_NO_MEMORY;
    }
    tier->calls = *calls;
    tier->shard_room = head->shard_room;
    for (uint32_t i = 0; i < head->shard_room; i++) {
        struct index *index = &tier->shards[i].index;
        tier->shards[i].sides.memory = engine->memory;
        index->shard = (uint16_t)i;
        index->blind = 1;
        store_tier_directories(engine, i, &index->pages_at, &index->overflow_pages_at);
    }
    engine->tier = tier;
    for (uint32_t i = 0; i < engine->shard_count; i++)
        if (!store_is_by_session(&engine->shards[i]))
            atomic_fetch_or_explicit(&engine->shards[i].aside, STORE_TIERED, memory_order_relaxed);
    return STATUS_OK;
}

void tier_free(struct engine *engine) {
    struct tier *tier = engine->tier;
    if (!tier)
        return;
    for (uint32_t i = 0; i < tier->shard_room; i++)
        tier_side_clear(&tier->shards[i].sides);
    bans_past_free(tier->past, engine->memory);
    memory_give(engine->memory, tier, tier_size(tier->shard_room));
    engine->tier = NULL;
}

void tier_close(struct engine *engine, struct actor *actor) {
    for (uint32_t i = 0; i < engine->shard_count; i++) {
        struct shard *shard = &engine->shards[i];
        atomic_fetch_and_explicit(&shard->aside, ~(uint64_t)STORE_TIERED, memory_order_relaxed);
        store_lock(engine, actor, i);
        tier_clear(engine, actor, shard);
        if (!is_unused(tier_of(engine, shard)))
            index_close(&engine->range, actor, &tier_of(engine, shard)->index);
        store_unlock(engine, actor, i);
    }
    tier_free(engine);
}

static uint64_t sum(const struct engine *engine, uint32_t place, bool expiring) {
    uint64_t all = 0;
    for (uint32_t i = 0; engine->tier && i < engine->shard_count; i++) {
        const struct tier_shard *part = &engine->tier->shards[i];
        all += expiring ? GET(part->expiring[place]) : GET(part->entries[place]);
    }
    return all;
}

uint64_t tier_entries(const struct engine *engine, uint32_t place) { return sum(engine, place, false); }
uint64_t tier_expiring(const struct engine *engine, uint32_t place) { return sum(engine, place, true); }

/* ------------------------------------------------------------------------------------------ reading */

/* Looks through a chain without the lock. It may be taken apart meanwhile: then it ends before long, and nothing of it counts. */
static bool goes_on(const struct index_place *place, uint32_t number, int length) {
    return length % CHAIN_CHECK != 0 || GET(place->bucket->number) == number;
}

/* Answers how many there are; more than `most` are not asked about. */
static uint32_t ask_once(const struct engine *engine, const struct tier_shard *part, uint64_t hash, uint32_t wanted,
                         struct tier_place *ret_places, uint32_t most, bool *ret_holds) {
    const struct index_place place = index_place_of(&engine->range, &part->index, hash);
    const uint32_t number = index_read_begin(&place);
    uint32_t count = 0;
    int length = 1;
    for (const struct index_bucket *bucket = place.bucket; bucket && goes_on(&place, number, length); length++) {
        for (int i = 0; i < INDEX_CELLS; i++) {
            uint64_t cell = atomic_load_explicit(&bucket->cells[i], memory_order_relaxed);
            if (!cell_matches(cell, place.wanted) || tier_cell_place(cell) != wanted)
                continue;
            if (count < most) {
                uint64_t address = tier_cell_address(cell);
                ret_places[count] =
                    (struct tier_place){address, engine->tier->calls.generation(engine->tier->calls.context, address)};
            }
            count++;
        }
        bucket = index_next(&engine->range, &part->index, bucket);
    }
    *ret_holds = index_read_holds(&part->index, &place, number);
    return count;
}

uint32_t tier_ask(const struct engine *engine, const struct shard *shard, uint64_t hash, uint32_t place,
                  struct tier_place *ret_places, uint32_t most) {
    const struct tier_shard *part = tier_of(engine, shard);
    bool holds = false;
    uint32_t count = 0;
    if (is_unused(part) || GET(part->index.entries) == 0)
        return 0;
    for (int tries = 0; tries < ASK_TRIES && !holds; tries++) {
        count = ask_once(engine, part, hash, place, ret_places, most, &holds);
        if (most == 0 && !holds)
            return 1;
    }
    return most && count > most ? most : count;
}

void tier_view_open(const struct engine *engine, const struct shard *shard, uint64_t hash, uint64_t address,
                    struct tier_view *ret_view) {
    const struct tier_shard *part = tier_of(engine, shard);
    *ret_view = (struct tier_view){.at = NULL};
    if (is_unused(part))
        return;
    ret_view->place = index_place_of(&engine->range, &part->index, hash);
    ret_view->number = index_read_begin(&ret_view->place);
    struct index_bucket *bucket = ret_view->place.bucket;
    for (int length = 1; bucket && goes_on(&ret_view->place, ret_view->number, length); length++) {
        for (int i = 0; i < INDEX_CELLS; i++) {
            uint64_t cell = cell_load(&bucket->cells[i]);
            if (!cell || tier_cell_address(cell) != address)
                continue;
            ret_view->at = &bucket->cells[i];
            ret_view->cell = cell;
            return;
        }
        bucket = index_next(&engine->range, &part->index, bucket);
    }
}

/* ------------------------------------------------------------------------------------------ cells that go */

static void note_sides(struct tier_shard *part) {
    PUT(part->tagged, part->sides.count);
    PUT(part->side_bytes, part->sides.bytes);
}

static void give_tags(struct engine *engine, struct actor *actor, const struct tier_side *side) {
    for (uint32_t i = 0; i < side->count; i++)
        tag_give(&engine->range, actor, engine->tags, side->numbers[i], side->stamp);
}

static void count_cell(struct tier_shard *part, uint64_t cell, uint64_t by) {
    uint32_t place = tier_cell_place(cell);
    PUT(part->entries[place], GET(part->entries[place]) + by);
    if (tier_cell_expires(cell))
        PUT(part->expiring[place], GET(part->expiring[place]) + by);
}

/* What a cell stood for that is no longer in the index. */
static void end_cell(struct engine *engine, struct actor *actor, struct tier_shard *part, uint64_t cell,
                     enum tier_end end) {
    count_cell(part, cell, UINT64_MAX);
    atomic_fetch_add_explicit(&engine->tier->ended[end], 1, memory_order_relaxed);
    if (!tier_cell_tagged(cell))
        return;
    struct tier_side *side = tier_side_leave(&part->sides, tier_cell_address(cell));
    ASSERT(side);
    give_tags(engine, actor, side);
    tier_side_free(&part->sides, side);
    note_sides(part);
}

/* Which cells of a chain go, and why. */
struct going {
    struct engine *engine;
    struct actor *actor;
    struct tier_shard *part;
    enum tier_end end;
    bool (*goes)(const struct going *going, uint64_t cell);
    uint64_t wanted;
    uint32_t place;
    bool (*gone)(void *context, uint64_t address);
    void *context;
};

static bool cell_goes(void *context, uint64_t cell) {
    const struct going *going = context;
    if (!going->goes(going, cell))
        return false;
    end_cell(going->engine, going->actor, going->part, cell, going->end);
    return true;
}

static bool is_of_key(const struct going *going, uint64_t cell) {
    return cell_matches(cell, going->wanted) && tier_cell_place(cell) == going->place;
}
static bool is_of_place(const struct going *going, uint64_t cell) { return tier_cell_place(cell) == going->place; }
static bool is_gone(const struct going *going, uint64_t cell) {
    return going->gone(going->context, tier_cell_address(cell));
}

/* Readers of a chain in which nothing goes are not disturbed. */
static uint32_t sweep_chain(struct going *going, struct index_bucket *first) {
    const struct range *range = &going->engine->range;
    struct index *index = &going->part->index;
    bool any = false;
    for (struct index_bucket *bucket = first; bucket && !any; bucket = index_next(range, index, bucket))
        for (int i = 0; i < INDEX_CELLS && !any; i++) {
            uint64_t cell = cell_load(&bucket->cells[i]);
            any = cell && going->goes(going, cell);
        }
    return any ? (uint32_t)index_sweep(range, index, first, cell_goes, going) : 0;
}

uint32_t tier_overwritten(struct engine *engine, struct actor *actor, struct shard *shard, uint64_t hash,
                          uint32_t place) {
    struct tier_shard *part = tier_of(engine, shard);
    if (is_unused(part))
        return 0;
    struct index_place at = index_place_of(&engine->range, &part->index, hash);
    struct going going = {.engine = engine,
                          .actor = actor,
                          .part = part,
                          .end = TIER_OVERWRITTEN,
                          .goes = is_of_key,
                          .wanted = at.wanted,
                          .place = place};
    return sweep_chain(&going, at.bucket);
}

/* The cell that leads to an address, under the lock. */
static _Atomic uint64_t *find_cell(const struct engine *engine, const struct shard *shard, uint64_t hash,
                                   uint64_t address, struct index_bucket **ret_first) {
    struct tier_view view;
    tier_view_open(engine, shard, hash, address, &view);
    *ret_first = view.place.bucket;
    return view.at;
}

static void remove_cell(struct engine *engine, struct actor *actor, struct tier_shard *part, struct index_bucket *first,
                        _Atomic uint64_t *at, enum tier_end end) {
    uint64_t cell = cell_load(at);
    index_remove(&engine->range, &part->index, first, at);
    end_cell(engine, actor, part, cell, end);
}

bool tier_forget(struct engine *engine, struct actor *actor, struct shard *shard, uint64_t hash, uint64_t address,
                 enum tier_end end) {
    struct index_bucket *first;
    _Atomic uint64_t *at = find_cell(engine, shard, hash, address, &first);
    if (at)
        remove_cell(engine, actor, tier_of(engine, shard), first, at, end);
    return at != NULL;
}

bool tier_move(struct engine *engine, struct actor *actor, struct shard *shard, uint64_t hash, uint64_t from,
               uint64_t to) {
    struct tier_shard *part = tier_of(engine, shard);
    struct index_bucket *first;
    _Atomic uint64_t *at = find_cell(engine, shard, hash, from, &first);
    (void)actor;
    if (!at)
        return false;
    uint64_t cell = cell_load(at), shape = GET(part->index.shape);
    uint64_t fingerprint = index_fingerprint(hash, index_local_level(shape, hash));
    const uint64_t address_bits = ((1ull << TIER_ADDRESS_BITS) - 1) << 8;
    if (tier_cell_tagged(cell)) {
        struct tier_side *side = tier_side_leave(&part->sides, from);
        ASSERT(side);
        side->address = to;
        tier_side_enter(&part->sides, side);
    }
    cell = (cell & ~address_bits & ((1ull << 48) - 1)) | fingerprint << 48 | to << 8;
    index_write_begin(first);
    PUT(*at, cell);
    index_write_end(first);
    tier_count(engine->tier, TIER_MOVED, 1);
    return true;
}

bool tier_was_read(struct engine *engine, struct shard *shard, uint64_t hash, uint64_t address) {
    struct index_bucket *first;
    _Atomic uint64_t *at = find_cell(engine, shard, hash, address, &first);
    if (!at || tier_cell_hits(cell_load(at)) == 0)
        return false;
    atomic_fetch_and_explicit(at, ~(uint64_t)HITS_MASK, memory_order_relaxed);
    tier_count(engine->tier, TIER_KEPT, 1);
    return true;
}

const struct tier_side *tier_side_of(const struct engine *engine, const struct shard *shard, uint64_t address) {
    return tier_side_find(&tier_of(engine, shard)->sides, address);
}

/* ------------------------------------------------------------------------------------------ going down */

static uint64_t bytes_max(const struct engine *engine) {
    uint64_t limit = GET(engine->range.head->limit_bytes), percent = engine->tier->calls.cells_percent;
    uint64_t least = 2ull << engine->range.unit_shift;
    uint64_t most = limit / 100 * (percent ? percent : TIER_CELLS_PERCENT) / engine->shard_count;
    return most < least ? least : most;
}

uint64_t tier_cell_bytes_max(const struct engine *engine) { return bytes_max(engine) * engine->shard_count; }

uint64_t tier_own_bytes(const struct tier *tier) { return tier_size(tier->shard_room) + bans_past_size(); }

/* Whether cells may take one page more. */
static bool may_grow(const struct engine *engine, const struct tier_shard *part) {
    return index_bytes(&engine->range, &part->index) + (1ull << engine->range.unit_shift) <= bytes_max(engine);
}

static _Atomic uint64_t *empty_of_chain(const struct engine *engine, const struct tier_shard *part,
                                        struct index_bucket *first) {
    for (struct index_bucket *bucket = first; bucket; bucket = index_next(&engine->range, &part->index, bucket))
        for (int i = 0; i < INDEX_CELLS; i++)
            if (cell_load(&bucket->cells[i]) == 0)
                return &bucket->cells[i];
    return NULL;
}

/* The cell of a chain that has been read least. */
static _Atomic uint64_t *least_of_chain(const struct engine *engine, const struct tier_shard *part,
                                        struct index_bucket *first) {
    _Atomic uint64_t *least = NULL;
    for (struct index_bucket *bucket = first; bucket; bucket = index_next(&engine->range, &part->index, bucket))
        for (int i = 0; i < INDEX_CELLS; i++)
            if (cell_load(&bucket->cells[i]) &&
                (!least || tier_cell_hits(cell_load(&bucket->cells[i])) < tier_cell_hits(cell_load(least))))
                least = &bucket->cells[i];
    return least;
}

/* An empty cell for the hash; where there is no memory for more, that of another one, which goes. */
static _Atomic uint64_t *cell_for(struct engine *engine, struct actor *actor, struct tier_shard *part, uint64_t hash,
                                  struct index_place *ret_place) {
    *ret_place = index_place_of(&engine->range, &part->index, hash);
    _Atomic uint64_t *at = empty_of_chain(engine, part, ret_place->bucket);
    if (!at && may_grow(engine, part))
        at = index_empty_cell(&engine->range, actor, &part->index, hash, ret_place);
    if (at)
        return at;
    remove_cell(engine, actor, part, ret_place->bucket, least_of_chain(engine, part, ret_place->bucket),
                TIER_DISPLACED);
    return empty_of_chain(engine, part, ret_place->bucket);
}

/* A cell that has lost its bits. */
static bool spent(void *context, uint64_t cell) {
    const struct going *going = context;
    end_cell(going->engine, going->actor, going->part, cell, TIER_DISPLACED);
    return true;
}

/* `bit_count`: as many of the lowest bits of the hash are known. */
static void enter(struct engine *engine, struct actor *actor, struct tier_shard *part, uint64_t hash,
                  uint32_t bit_count, const struct tier_meta *meta, uint64_t address, uint32_t hits) {
    struct index_place place;
    _Atomic uint64_t *at = cell_for(engine, actor, part, hash, &place);
    uint32_t more = bit_count - index_local_level(place.shape, hash);
    uint64_t marker = 1ull << more,
             fingerprint = more < FINGERPRINT_BITS ? (place.wanted & (marker - 1)) | marker : place.wanted;
    uint64_t cell = make_cell(fingerprint, meta, address) | hits;
    index_write_begin(place.bucket);
    PUT(*at, cell);
    index_write_end(place.bucket);
    index_added(&part->index);
    count_cell(part, cell, 1);
    if (may_grow(engine, part)) {
        struct going going = {.engine = engine, .actor = actor, .part = part};
        index_grow_blind(&engine->range, actor, &part->index, spent, &going);
    }
}

/* Whether an entry is one that may go there: plainly alive, so that nothing but invalidations that are still to come and its expiry say more of it. */
static bool is_fit(const struct engine *engine, const struct actor *actor, const struct shard *shard,
                   const struct store_spot *spot) {
    const struct entry *entry = &spot->entry;
    return store_is_tiered(shard) && !(entry->flags & ENTRY_OBJECT) && entry->type != STORE_NOTHING &&
           !entry->softened && GET(engine->stores[shard->store].entries_max) == 0 &&
           !store_is_gone(engine, spot->location, entry, store_name_at(engine, spot->location, entry), actor->now_ms);
}

static void fill_meta(const struct engine *engine, const struct actor *actor, const struct store_spot *spot,
                      struct tier_meta *ret_meta) {
    ret_meta->type = spot->entry.type;
    ret_meta->place = spot->entry.db;
    /* Whatever has a stamp up to this one was there before: bans and invalidations that this entry has survived. */
    ret_meta->seq =
        engine->tier->loading
            ? GET(engine->tier->loaded_bans)
            : ENTRY_STAMP_FIRST + atomic_load_explicit(&engine->range.head->stamps, memory_order_relaxed) - 1;
    ret_meta->since_ms = actor->now_ms;
    ret_meta->expires_at_ms = spot->entry.expires_at_ms;
    ret_meta->stamp = spot->entry.stamp;
    ret_meta->row = spot->entry.row;
    ret_meta->stale = spot->entry.stale;
    ret_meta->tag_count = store_tags(engine, spot, ret_meta->tags);
}

/* The value, piece by piece; false: there are too many. */
static bool fill_pieces(const struct engine *engine, const struct store_spot *spot,
                        struct slice pieces[TIER_PIECES_MAX], struct tier_record *record) {
    uint64_t first;
    record->value_size = store_value_size(engine, spot->location, &spot->entry, &first);
    record->pieces = pieces;
    record->piece_count = 0;
    if (record->value_size > engine->tier->calls.value_size_max)
        return false;
    if (!first) {
        pieces[record->piece_count++] =
            slice_make(engine->range.base + spot->location + spot->entry.value_at, record->value_size);
        return true;
    }
    struct extent_cursor cursor = extent_seek(&engine->range, first, 0);
    for (uint64_t left = record->value_size, part; left; left -= part) {
        if (record->piece_count == TIER_PIECES_MAX)
            return false;
        const uint8_t *piece = extent_next(&engine->range, &cursor, left, &part);
        ASSERT(piece);
        pieces[record->piece_count++] = slice_make(piece, part);
    }
    return true;
}

/* Memory for the cell's page and for the tags, before the record is written. */
static enum tier_refusal prepare(struct engine *engine, struct actor *actor, struct tier_shard *part,
                                 const struct tier_meta *meta, struct tier_side **ret_side) {
    *ret_side = NULL;
    if (is_unused(part) && index_init(&engine->range, actor, &part->index, part->index.shard, part->index.pages_at,
                                      part->index.overflow_pages_at) != STATUS_OK)
        return TIER_NO_MEMORY;
    if (meta->tag_count == 0)
        return TIER_TAKEN;
    if (part->sides.bytes < bytes_max(engine))
        *ret_side = tier_side_new(&part->sides, meta->tag_count);
    note_sides(part);
    if (!*ret_side)
        return TIER_NO_MEMORY;
    (*ret_side)->stamp = meta->stamp;
    (*ret_side)->expires_at_ms = meta->expires_at_ms;
    memcpy((*ret_side)->numbers, meta->tags, meta->tag_count * sizeof *meta->tags);
    return TIER_TAKEN;
}

static enum tier_refusal add(struct engine *engine, struct actor *actor, struct tier_shard *part,
                             const struct tier_meta *meta, struct tier_record *record) {
    const struct tier_calls *calls = &engine->tier->calls;
    struct tier_side *side;
    uint64_t address;
    enum tier_refusal refusal = prepare(engine, actor, part, meta, &side);
    if (refusal == TIER_TAKEN)
        refusal = calls->add(calls->context, actor, record, &address);
    if (refusal != TIER_TAKEN) {
        if (side)
            tier_side_free(&part->sides, side);
        note_sides(part);
        return refusal;
    }
    ASSERT(address >> TIER_ADDRESS_BITS == 0);
    if (side) {
        side->address = address;
        tier_side_enter(&part->sides, side);
        note_sides(part);
    }
    enter(engine, actor, part, record->hash, STORE_HASH_BITS, meta, address, 0);
    return TIER_TAKEN;
}

enum tier_refusal tier_put_down(struct engine *engine, struct actor *actor, struct shard *shard, uint64_t hash,
                                struct store_spot *spot) {
    struct tier *tier = engine->tier;
    struct slice pieces[TIER_PIECES_MAX];
    uint8_t bytes[TIER_META_SIZE_MAX];
    struct tier_meta meta;
    if (!is_fit(engine, actor, shard, spot))
        return TIER_UNFIT;
    fill_meta(engine, actor, spot, &meta);
    struct tier_record record = {.hash = hash,
                                 .word = meta.seq,
                                 .meta = slice_make(bytes, tier_meta_write(&meta, bytes)),
                                 .key = store_name_at(engine, spot->location, &spot->entry)};
    enum tier_refusal refusal = TIER_TOO_LARGE;
    if (fill_pieces(engine, spot, pieces, &record))
        refusal = add(engine, actor, tier_of(engine, shard), &meta, &record);
    if (refusal != TIER_TAKEN) {
        atomic_fetch_add_explicit(&tier->refused[refusal], 1, memory_order_relaxed);
        return refusal;
    }
    tier_count(tier, TIER_DOWN, 1);
    tier_count(tier, TIER_DOWN_BYTES, record.meta.size + record.key.size + record.value_size);
    store_hand_over(engine, actor, shard, spot);
    return TIER_TAKEN;
}

/* ------------------------------------------------------------------------------------------ for another process */

void tier_list(const struct engine *engine, const struct shard *shard, uint64_t bucket,
               void (*visit)(void *context, const struct tier_cell *cell), void *context) {
    const struct tier_shard *part = tier_of(engine, shard);
    const struct tier_calls *calls = &engine->tier->calls;
    uint32_t level = index_local_level(GET(part->index.shape), bucket);
    for (const struct index_bucket *at = index_first(engine, part, bucket); at;
         at = index_next(&engine->range, &part->index, at))
        for (int i = 0; i < INDEX_CELLS; i++) {
            uint64_t word = cell_load(&at->cells[i]), fingerprint = word >> 48;
            if (!word)
                continue;
            struct tier_cell cell = {.place = tier_cell_place(word),
                                     .hits = tier_cell_hits(word),
                                     .expires = tier_cell_expires(word),
                                     .address = tier_cell_address(word)};
            cell.bit_count = level + bits_log2((uint32_t)fingerprint);
            cell.bits = (fingerprint << level | bucket) & ((1ull << cell.bit_count) - 1);
            cell.generation = calls->generation(calls->context, cell.address);
            cell.side = tier_cell_tagged(word) ? tier_side_find(&part->sides, cell.address) : NULL;
            visit(context, &cell);
        }
}

void tier_widen(struct engine *engine, struct actor *actor, struct shard *shard, uint64_t buckets) {
    struct tier_shard *part = tier_of(engine, shard);
    struct tier_side *none;
    if (prepare(engine, actor, part, &(struct tier_meta){.tag_count = 0}, &none) == TIER_TAKEN)
        index_widen(&engine->range, actor, &part->index, buckets, bytes_max(engine) >> engine->range.unit_shift);
}

bool tier_enter(struct engine *engine, struct actor *actor, struct shard *shard, const struct tier_cell *cell,
                const struct tier_meta *facts) {
    struct tier_shard *part = tier_of(engine, shard);
    struct tier_side *side;
    if (!store_is_tiered(shard) || prepare(engine, actor, part, facts, &side) != TIER_TAKEN)
        return false;
    uint32_t level = index_local_level(GET(part->index.shape), cell->bits);
    if (cell->bit_count < level + INDEX_BLIND_BITS) {
        if (side)
            tier_side_free(&part->sides, side);
        note_sides(part);
        return false;
    }
    if (side) {
        side->address = cell->address;
        tier_side_enter(&part->sides, side);
        note_sides(part);
    }
    enter(engine, actor, part, cell->bits, cell->bit_count, facts, cell->address, cell->hits);
    return true;
}

static bool is_in_memory(const struct engine *engine, const struct shard *shard, const struct tier_cell *cell) {
    uint64_t mask = (1ull << cell->bit_count) - 1;
    uint32_t level = index_local_level(GET(shard->index.shape), cell->bits);
    if (cell->bit_count < level)
        return true; /* nobody can tell */
    for (const struct index_bucket *at = index_place_of(&engine->range, &shard->index, cell->bits).bucket; at;
         at = index_next(&engine->range, &shard->index, at))
        for (int i = 0; i < INDEX_CELLS; i++) {
            uint64_t location = cell_location(cell_load(&at->cells[i]));
            if (location && ((store_hash_at((void *)(uintptr_t)engine, location) ^ cell->bits) & mask) == 0)
                return true;
        }
    return false;
}

bool tier_is_twice(const struct engine *engine, const struct shard *shard, const struct tier_cell *cell) {
    struct tier_view view;
    tier_view_open(engine, shard, cell->bits, cell->address, &view);
    return view.at || is_in_memory(engine, shard, cell);
}

/* ------------------------------------------------------------------------------------------ all of it */

struct giving {
    struct engine *engine;
    struct actor *actor;
};

static void give_side(void *context, const struct tier_side *side) {
    const struct giving *giving = context;
    give_tags(giving->engine, giving->actor, side);
}

void tier_clear(struct engine *engine, struct actor *actor, struct shard *shard) {
    if (!engine->tier)
        return;
    struct tier_shard *part = tier_of(engine, shard);
    if (is_unused(part))
        return;
    uint64_t entries = GET(part->index.entries);
    index_clear(&engine->range, actor, &part->index);
    tier_side_each(&part->sides, give_side, &(struct giving){engine, actor});
    tier_side_clear(&part->sides);
    note_sides(part);
    for (int place = 0; place < RANGE_DATABASES; place++) {
        PUT(part->entries[place], 0);
        PUT(part->expiring[place], 0);
    }
    atomic_fetch_add_explicit(&engine->tier->ended[TIER_CLEARED], entries, memory_order_relaxed);
}

static uint64_t sweep(struct going *going, uint64_t cursor, uint32_t buckets) {
    const struct index *index = &going->part->index;
    uint64_t shape = GET(index->shape);
    for (; buckets; buckets--) {
        uint64_t at = index_scan_bucket(shape, cursor);
        sweep_chain(going, index_first(going->engine, going->part, at));
        cursor = index_scan_next(shape, at);
        if (cursor == 0)
            break;
    }
    return cursor;
}

void tier_clear_place(struct engine *engine, struct actor *actor, struct shard *shard, uint32_t place) {
    if (!engine->tier)
        return;
    struct tier_shard *part = tier_of(engine, shard);
    struct going going = {
        .engine = engine, .actor = actor, .part = part, .end = TIER_CLEARED, .goes = is_of_place, .place = place};
    if (GET(part->entries[place]) != 0)
        (void)sweep(&going, 0, UINT32_MAX);
}

uint64_t tier_sweep(struct engine *engine, struct actor *actor, struct shard *shard, uint64_t cursor, uint32_t buckets,
                    bool (*gone)(void *context, uint64_t address), void *context) {
    struct tier_shard *part = tier_of(engine, shard);
    struct going going = {.engine = engine,
                          .actor = actor,
                          .part = part,
                          .end = TIER_EVICTED,
                          .goes = is_gone,
                          .gone = gone,
                          .context = context};
    return is_unused(part) ? 0 : sweep(&going, cursor, buckets);
}

/* By more than a few pages, which a chain or two may have taken. */
static bool is_over(const struct engine *engine, const struct tier_shard *part) {
    uint64_t most = bytes_max(engine);
    return index_bytes(&engine->range, &part->index) >
           most + most / OVER_SHARE + ((uint64_t)OVER_PAGES << engine->range.unit_shift);
}

/* Whether there are chained buckets of what is no longer there. */
static bool has_remains(const struct tier_shard *part) {
    return GET(part->index.entries) == 0 && GET(part->index.overflow_page_count) != 0;
}

uint64_t tier_shape(const struct engine *engine, const struct shard *shard) {
    const struct tier_shard *part = tier_of(engine, shard);
    return is_unused(part) ? 0 : GET(part->index.shape);
}

/* Of the hash behind a cell of a bucket: whether its last bits may be these. The cell knows those that chose the bucket and the fingerprint's. */
static bool may_end_with(uint64_t cell, uint64_t shape, uint64_t bucket, uint64_t bits, uint32_t bit_count) {
    uint32_t fingerprint = (uint32_t)(cell >> 48), level = index_local_level(shape, bucket);
    uint32_t known = level + bits_log2(fingerprint), compared = known < bit_count ? known : bit_count;
    uint64_t hash = (uint64_t)fingerprint << level | bucket;
    return ((hash ^ bits) & ((1ull << compared) - 1)) == 0;
}

uint32_t tier_visit(const struct engine *engine, const struct shard *shard, uint64_t bucket, uint32_t place,
                    uint64_t bits, uint32_t bit_count, void (*visit)(void *context, const struct tier_place *place),
                    void *context) {
    const struct tier_shard *part = tier_of(engine, shard);
    const struct tier_calls *calls = &engine->tier->calls;
    uint64_t shape = GET(part->index.shape);
    uint32_t count = 0;
    if (is_unused(part) || GET(part->entries[place]) == 0)
        return 0;
    for (const struct index_bucket *at = index_first(engine, part, bucket); at;
         at = index_next(&engine->range, &part->index, at))
        for (int i = 0; i < INDEX_CELLS; i++) {
            uint64_t cell = cell_load(&at->cells[i]), address = tier_cell_address(cell);
            if (!cell || tier_cell_place(cell) != place || !may_end_with(cell, shape, bucket, bits, bit_count))
                continue;
            visit(context, &(struct tier_place){address, calls->generation(calls->context, address)});
            count++;
        }
    return count;
}

struct bearers {
    const struct engine *engine;
    uint64_t now_ms, count;
    uint32_t tag;
};

static void count_bearer(void *context, const struct tier_side *side) {
    struct bearers *bearers = context;
    bool bears = false;
    if (side->expires_at_ms && side->expires_at_ms <= bearers->now_ms)
        return;
    for (uint32_t i = 0; i < side->count; i++) {
        if (tag_kills(&bearers->engine->range, bearers->engine->tags, side->numbers[i], side->stamp, true))
            return;
        bears |= side->numbers[i] == bearers->tag;
    }
    bearers->count += bears;
}

uint64_t tier_bearers(struct engine *engine, struct actor *actor, uint32_t tag) {
    struct bearers bearers = {.engine = engine, .now_ms = actor->now_ms, .tag = tag};
    for (uint32_t at = 0; engine->tier && at < engine->shard_count; at++) {
        const struct tier_shard *part = &engine->tier->shards[at];
        bool lock = !store_held(actor, at);
        if (GET(part->tagged) == 0)
            continue;
        if (lock)
            store_lock(engine, actor, at);
        tier_side_each(&part->sides, count_bearer, &bearers);
        if (lock)
            store_unlock(engine, actor, at);
    }
    return bearers.count;
}

/* What the index has too much for its cells, or all of it if that is far more than it may be. */
static bool shrink(struct engine *engine, struct actor *actor, struct shard *shard, uint32_t merges) {
    struct tier_shard *part = tier_of(engine, shard);
    struct index *index = &part->index;
    if (is_over(engine, part)) {
        tier_clear(engine, actor, shard);
        return true;
    }
    if (has_remains(part)) {
        index_clear(&engine->range, actor, index);
        return true;
    }
    bool worked = index_is_sparse(&engine->range, index);
    if (worked)
        MAYBE(index_shrink(&engine->range, actor, index, merges));
    return worked;
}

bool tier_shrink(struct engine *engine, struct actor *actor, uint32_t merges) {
    for (uint32_t at = 0; engine->tier && at < engine->shard_count; at++) {
        const struct tier_shard *part = &engine->tier->shards[at];
        if (is_unused(part) ||
            (!index_is_sparse(&engine->range, &part->index) && !is_over(engine, part) && !has_remains(part)))
            continue;
        store_lock(engine, actor, at);
        bool worked = shrink(engine, actor, &engine->shards[at], merges);
        store_unlock(engine, actor, at);
        if (worked)
            return true;
    }
    return false;
}

/* ------------------------------------------------------------------------------------------ verify */

struct verified {
    uint64_t entries[RANGE_DATABASES], expiring[RANGE_DATABASES], tagged, tags;
};

static void count_tags(void *context, const struct tier_side *side) {
    struct verified *verified = context;
    ASSERT(side->count && side->stamp);
    verified->tags += side->count;
}

static void verify_chain(const struct engine *engine, const struct tier_shard *part, const struct index_bucket *first,
                         struct verified *sum) {
    for (const struct index_bucket *bucket = first; bucket; bucket = index_next(&engine->range, &part->index, bucket))
        for (int i = 0; i < INDEX_CELLS; i++) {
            uint64_t cell = cell_load(&bucket->cells[i]);
            if (!cell)
                continue;
            sum->entries[tier_cell_place(cell)]++;
            sum->expiring[tier_cell_place(cell)] += tier_cell_expires(cell);
            sum->tagged += tier_cell_tagged(cell);
            const struct tier_side *side = tier_side_find(&part->sides, tier_cell_address(cell));
            ASSERT((side != NULL) == tier_cell_tagged(cell));
            ASSERT(!side || (side->expires_at_ms != 0) == tier_cell_expires(cell));
        }
}

uint64_t tier_verify(const struct engine *engine, uint32_t shard) {
    struct verified sum = {.tags = 0};
    if (!engine->tier)
        return 0;
    const struct tier_shard *part = &engine->tier->shards[shard];
    ASSERT(part->sides.bytes == GET(part->side_bytes));
    if (is_unused(part))
        return 0;
    index_verify_blind(&engine->range, &part->index);
    for (uint64_t i = 0; i < index_bucket_count(GET(part->index.shape)); i++)
        verify_chain(engine, part, index_first(engine, part, i), &sum);
    for (int place = 0; place < RANGE_DATABASES; place++) {
        ASSERT(sum.entries[place] == GET(part->entries[place]));
        ASSERT(sum.expiring[place] == GET(part->expiring[place]));
    }
    ASSERT(sum.tagged == part->sides.count && sum.tagged == GET(part->tagged));
    tier_side_each(&part->sides, count_tags, &sum);
    return sum.tags;
}
