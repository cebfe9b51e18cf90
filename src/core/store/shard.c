/* core/store/shard.c: writing, under a shard's lock. */
#include "base/assert.h"
#include "core/store/claim.h"
#include "core/store/ghost.h"
#include "core/store/session.h"
#include "core/store/store.h"
#include "core/store/tier.h"

/* Expired entries are looked for at most this late; it keeps a segment of many different expiries from being walked for each one. */
enum { EXPIRY_SLACK_MS = 100 };

static_assert(sizeof(struct object_root) == ENTRY_OWNED_SIZE, "an entry has room for a root");

static void count(_Atomic uint64_t *counter, uint64_t by, int sign) {
    uint64_t value = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, sign > 0 ? value + by : value - by, memory_order_relaxed);
}

static void count32(_Atomic uint32_t *counter, uint32_t by, int sign) {
    uint32_t value = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, sign > 0 ? value + by : value - by, memory_order_relaxed);
}

uint64_t store_hash_at(void *context, uint64_t location) {
    struct engine *engine = context;
    struct entry entry;
    bool whole = store_entry_at(engine, location, &entry);
    ASSERT(whole);
    uint32_t shard = atomic_load_explicit(&engine->range.segments[range_segment_of(&engine->range, location)].shard,
                                          memory_order_relaxed);
    return store_hash_in(engine, engine->shards[shard].store, entry.db,
                         slice_make(engine->range.base + location + entry.key_at, entry.key_size));
}

/* Whether the cell is the key's; fills the spot if so. */
static bool is_keys_cell(const struct engine *engine, const struct store_key *key, _Atomic uint64_t *at,
                         uint64_t wanted, struct store_spot *ret_spot) {
    uint64_t cell = atomic_load_explicit(at, memory_order_relaxed);
    if (!cell_matches(cell, wanted))
        return false;
    uint64_t location = cell_location(cell);
    bool whole = store_entry_at(engine, location, &ret_spot->entry);
    ASSERT(whole);
    if (ret_spot->entry.db != key->db || ret_spot->entry.key_size != key->name.size ||
        !words_equal(engine->range.base + location + ret_spot->entry.key_at, key->name.data, key->name.size))
        return false;
    ret_spot->cell = at;
    ret_spot->location = location;
    return true;
}

void store_find(const struct engine *engine, struct shard *shard, const struct store_key *key,
                struct store_spot *ret_spot) {
    struct index_place place = index_place_of(&engine->range, &shard->index, key->hash);
    ret_spot->bucket = place.bucket;
    ret_spot->cell = NULL;
    ret_spot->location = 0;
    if ((uintptr_t)key->hint - (uintptr_t)place.bucket < sizeof *place.bucket &&
        is_keys_cell(engine, key, (_Atomic uint64_t *)(uintptr_t)key->hint, place.wanted, ret_spot))
        return;
    for (struct index_bucket *bucket = place.bucket; bucket; bucket = index_next(&engine->range, &shard->index, bucket))
        for (int i = 0; i < INDEX_CELLS; i++)
            if (is_keys_cell(engine, key, &bucket->cells[i], place.wanted, ret_spot))
                return;
}

/* -------------------------------------------------------------------------------------------- logs */

/* About what an entry takes in its log. */
static uint64_t entry_bytes(const struct entry *entry) { return 4ull + entry->key_size + entry->stored_size; }

/* What stands in the log whole: the octaves from 32 bytes to a quarter of a segment, divided evenly. What owns memory elsewhere:
 * two octaves a class from there on. */
static uint32_t class_of(const struct range_head *head, const struct entry *entry, uint64_t owned_bytes) {
    uint32_t octaves = bits_log2(head->segment_size) - 7, last = head->class_count - 1;
    if (!(entry->flags & ENTRY_OWNS)) {
        uint32_t stored = entry->key_size + entry->stored_size, octave = stored < 32 ? 0 : bits_log2(stored) - 5;
        return octave >= octaves ? last : octave * head->class_count / octaves;
    }
    if (head->large_class_count == 0)
        return last;
    uint32_t quarters = owned_bytes < head->segment_size / 4 ? 0 : bits_log2(owned_bytes / (head->segment_size / 4)),
             large = quarters / 2;
    return STORE_CLASSES_MAX + (large < head->large_class_count ? large : head->large_class_count - 1);
}

/* The open log of the same queue that is nearest by size; that of the other kind of entries that expire only if there is none. */
static uint32_t nearest_open(const struct shard *shard, uint32_t wanted) {
    uint32_t base = wanted - wanted % STORE_CLASSES, size_class = wanted % STORE_CLASSES, best = wanted;
    uint32_t kinds[2] = {base, base}, distance_best = UINT32_MAX;
    if (store_log_expires(wanted))
        kinds[1] = wanted / STORE_CLASSES % 3 == STORE_LONG ? base + STORE_CLASSES : base - STORE_CLASSES;
    for (uint32_t i = 0; i < 2 * STORE_CLASSES; i++) {
        uint32_t at = i % STORE_CLASSES, log = kinds[i / STORE_CLASSES] + at;
        uint32_t distance = (at > size_class ? at - size_class : size_class - at) + i / STORE_CLASSES * STORE_CLASSES;
        if (shard->logs[log].open && distance < distance_best)
            best = log, distance_best = distance;
    }
    return best;
}

uint32_t store_log_of(const struct engine *engine, const struct actor *actor, const struct shard *shard,
                      enum store_queue queue, const struct entry *entry, uint64_t owned_bytes) {
    const struct range_head *head = engine->range.head;
    enum store_kind kind = STORE_LASTING;
    if (head->one_queue)
        queue = STORE_MAIN;
    if (entry->expires_at_ms)
        kind = shard->main_life_ms == 0 || entry->expires_at_ms <= actor->now_ms + shard->main_life_ms ? STORE_SHORT
                                                                                                       : STORE_LONG;
    uint32_t log = (queue * 3 + kind) * STORE_CLASSES + class_of(head, entry, owned_bytes);
    return shard->logs[log].open || shard->open_count < head->open_max ? log : nearest_open(shard, log);
}

/* Where the list notes a segment as a tail; NULL if it is none. */
static uint32_t *tail_of(struct shard_log *list, uint32_t number) {
    for (int i = 0; i < STORE_TAILS; i++)
        if (list->tails[i] == number)
            return &list->tails[i];
    return NULL;
}

static uint32_t used_of(const struct engine *engine, uint32_t number) {
    return atomic_load_explicit(&engine->range.segments[number].used, memory_order_relaxed);
}

static void log_push(struct engine *engine, struct shard *shard, uint32_t log, uint32_t number) {
    struct shard_log *list = &shard->logs[log];
    struct segment *segments = engine->range.segments;
    atomic_store_explicit(&segments[number].previous, list->last, memory_order_relaxed);
    atomic_store_explicit(&segments[number].next, 0, memory_order_relaxed);
    if (list->last)
        atomic_store_explicit(&segments[list->last].next, number, memory_order_relaxed);
    else
        list->first = number;
    list->last = list->open = number;
    list->count++;
    shard->open_count++;
}

static void log_remove(struct engine *engine, struct shard *shard, uint32_t number) {
    struct segment *segments = engine->range.segments;
    struct shard_log *list = &shard->logs[segments[number].log];
    uint32_t next = atomic_load_explicit(&segments[number].next, memory_order_relaxed);
    uint32_t previous = atomic_load_explicit(&segments[number].previous, memory_order_relaxed);
    if (previous) {
        atomic_store_explicit(&segments[previous].next, next, memory_order_relaxed);
    } else {
        list->first = next;
        list->walked = 0;
    }
    if (next)
        atomic_store_explicit(&segments[next].previous, previous, memory_order_relaxed);
    else
        list->last = previous;
    if (list->open == number) {
        list->open = 0;
        shard->open_count--;
    } else if (tail_of(list, number)) {
        *tail_of(list, number) = 0;
    } else if (atomic_load_explicit(&segments[number].live, memory_order_relaxed) == 0) {
        count32(&shard->empties, 1, -1);
    }
    list->count--;
}

void store_seal(struct engine *engine, struct shard *shard, uint32_t number) {
    struct segment *segment = &engine->range.segments[number];
    struct shard_log *list = &shard->logs[atomic_load_explicit(&segment->log, memory_order_relaxed)];
    if (list->open == number) {
        list->open = 0;
        shard->open_count--;
    } else {
        ASSERT(tail_of(list, number));
        *tail_of(list, number) = 0;
    }
    if (atomic_load_explicit(&segment->live, memory_order_relaxed) == 0)
        count32(&shard->empties, 1, 1);
    atomic_store_explicit(&segment->sealed, 1, memory_order_release);
    range_note_full(&engine->range);
}

/* What was open becomes a tail if the end that it leaves is worth it, which it is in small segments. If there are tails enough, the
 * shortest is given up. */
static void retire(struct engine *engine, struct shard *shard, uint32_t log) {
    struct shard_log *list = &shard->logs[log];
    uint32_t open = list->open;
    if (!open)
        return;
    if (range_segment_size(&engine->range) > STORE_TAIL_SEGMENT_MAX || store_log_is_large(log) ||
        atomic_load_explicit(&engine->range.segments[open].live, memory_order_relaxed) == 0)
        return store_seal(engine, shard, open);
    uint32_t *place = tail_of(list, 0), shortest = open;
    for (int i = 0; !place && i < STORE_TAILS; i++)
        if (used_of(engine, list->tails[i]) > used_of(engine, shortest))
            shortest = list->tails[i];
    if (!place)
        store_seal(engine, shard, shortest);
    if (list->open) {
        *tail_of(list, 0) = open;
        list->open = 0;
        shard->open_count--;
    }
}

static bool open_segment(struct engine *engine, struct actor *actor, struct shard *shard, uint32_t log,
                         bool for_reclaim) {
    uint32_t number = range_take(&engine->range, actor, SEGMENT_LOG, for_reclaim);
    if (!number)
        return false;
    retire(engine, shard, log);
    struct segment *segment = &engine->range.segments[number];
    atomic_store_explicit(&segment->log, (uint8_t)log, memory_order_relaxed);
    __atomic_store_n(&segment->base_ms, actor->now_ms, __ATOMIC_RELAXED);
    atomic_store_explicit(&segment->clock, engine_clock(engine), memory_order_relaxed);
    log_push(engine, shard, log, number);
    range_expect_full(&engine->range, number, shard->logs[log].count);
    range_own(&engine->range, number, shard->index.shard);
    return true;
}

/* Room at the end of a segment that takes entries; 0: it has none. */
static uint64_t append_to(struct engine *engine, uint32_t number, struct entry *entry) {
    struct segment *segment = &engine->range.segments[number];
    uint32_t used = atomic_load_explicit(&segment->used, memory_order_relaxed);
    entry_plan(entry, segment->base_ms);
    if (entry->size > range_segment_size(&engine->range) - used)
        return 0;
    atomic_store_explicit(&segment->used, used + entry->size, memory_order_relaxed);
    return range_segment_at(&engine->range, number) + used;
}

uint64_t store_append(struct engine *engine, struct actor *actor, struct shard *shard, uint32_t log,
                      struct entry *entry, bool for_reclaim) {
    struct shard_log *list = &shard->logs[log];
    uint64_t location = 0;
    if (__builtin_expect(range_segment_size(&engine->range) <= STORE_TAIL_SEGMENT_MAX, 0))
        for (int i = 0; !location && i < STORE_TAILS; i++)
            location = list->tails[i] ? append_to(engine, list->tails[i], entry) : 0;
    for (int attempt = 0; !location && attempt < 2; attempt++) {
        location = list->open ? append_to(engine, list->open, entry) : 0;
        if (!location && (attempt || !open_segment(engine, actor, shard, log, for_reclaim)))
            return 0;
    }
    return location;
}

void store_drop_segment(struct engine *engine, struct actor *actor, struct shard *shard, uint32_t number) {
    ASSERT(atomic_load_explicit(&engine->range.segments[number].live, memory_order_relaxed) == 0);
    if (shard->reclaim.segment == number)
        shard->reclaim.segment = 0;
    if (shard->expiry.segment == number)
        shard->expiry.segment = 0;
    if (engine->tier)
        tier_walk_dropped(engine, shard, number);
    log_remove(engine, shard, number);
    range_give(&engine->range, actor, number);
}

/* Nothing lives in the segment any more, or something does again. A tail is worth more as a whole segment then than as the end that it has
 * left; and it would stand before all others of its log. */
static void note_empty(struct engine *engine, struct shard *shard, uint64_t location, bool empty) {
    uint32_t number = range_segment_of(&engine->range, location);
    struct segment *segment = &engine->range.segments[number];
    uint32_t log = atomic_load_explicit(&segment->log, memory_order_relaxed);
    if (atomic_load_explicit(&segment->sealed, memory_order_relaxed))
        count32(&shard->empties, 1, empty ? 1 : -1);
    else if (empty && shard->logs[log].open != number)
        store_seal(engine, shard, number);
}

/* Its segment is looked at when something is to be done with it. */
static void note_due(struct segment *segment, const struct entry *entry) {
    uint64_t at_ms = store_due_ms(entry), due_ms = at_ms < UINT64_MAX ? at_ms + EXPIRY_SLACK_MS : UINT64_MAX;
    if (due_ms < atomic_load_explicit(&segment->due_ms, memory_order_relaxed))
        atomic_store_explicit(&segment->due_ms, due_ms, memory_order_relaxed);
}

void store_account(struct engine *engine, struct shard *shard, uint64_t location, const struct entry *entry,
                   uint64_t owned_bytes, int sign) {
    struct segment *segment = &engine->range.segments[range_segment_of(&engine->range, location)];
    uint32_t live = atomic_load_explicit(&segment->live, memory_order_relaxed),
             now = sign > 0 ? live + entry->size : live - entry->size;
    atomic_store_explicit(&segment->live, now, memory_order_relaxed);
    if (__builtin_expect(live == 0 || now == 0, 0))
        note_empty(engine, shard, location, now == 0);
    count(&segment->weight, entry->size + owned_bytes, sign);
    count(&segment->blocks, entry->tag_count ? SEGMENT_TAGGED + 1 : 1, sign);
    count(&shard->live, entry->size, sign);
    count(&shard->entries[entry->db], 1, sign);
    if (entry->flags & ENTRY_EXTENTS) {
        count(&shard->extents_live, owned_bytes, sign);
        atomic_fetch_add_explicit(&engine->range.charges[shard->index.shard], sign > 0 ? owned_bytes : -owned_bytes,
                                  memory_order_relaxed);
    }
    enum store_queue queue = store_queue_of_log(atomic_load_explicit(&segment->log, memory_order_relaxed));
    count(&shard->queue_bytes[queue][entry->expires_at_ms != 0], entry->size + owned_bytes, sign);
    if (!entry->expires_at_ms)
        return;
    count(&shard->expiring[entry->db], 1, sign);
    if (sign > 0)
        note_due(segment, entry);
}

/* ------------------------------------------------------------------------------------------ writing */

static void write_bytes(struct engine *engine, uint64_t location, const struct entry *entry, struct slice name,
                        const struct store_value *value) {
    const struct segment *segment = &engine->range.segments[range_segment_of(&engine->range, location)];
    uint8_t *to = engine->range.base + location;
    entry_encode(entry, segment->base_ms, to);
    entry_tags_encode(entry, value->tags, to);
    words_write(to + entry->key_at, name.data, name.size);
    if (entry->flags & ENTRY_EXTENTS) {
        uint64_t parts[2] = {value->extents_size, value->extents.first};
        words_write(to + entry->value_at, parts, sizeof parts);
    } else if (entry->flags & ENTRY_OBJECT) {
        words_write(to + entry->value_at, value->root, sizeof *value->root);
    } else {
        words_write(to + entry->value_at, value->value.data, value->value.size);
    }
}

/* The journal hears of what goes by somebody's doing; what has expired or was invalidated goes by what it knows already. But not of a session, where
 * one takes others with it; nor what has been stale for too long by a tag, which may be softened once more. */
static void note_removed(const struct engine *engine, struct actor *actor, const struct store_spot *spot,
                         enum store_change reason, struct slice name) {
    uint32_t at = atomic_load_explicit(&engine->range.segments[range_segment_of(&engine->range, spot->location)].shard,
                                       memory_order_relaxed);
    const struct shard *shard = &engine->shards[at];
    if (reason == STORE_DELETED || reason == STORE_EVICTED ||
        ((reason == STORE_EXPIRED || reason == STORE_INVALIDATED) && store_is_by_session(shard)) ||
        (reason == STORE_INVALIDATED && !store_is_dead(engine, spot->location, &spot->entry, name)))
        engine->journal.removed(engine->journal.context, actor, spot->entry.db, name);
}

/* The bytes of an entry that has just gone still stand where they stood, until the lock is let go. */
static void tell_removed(const struct engine *engine, struct actor *actor, const struct store_spot *spot,
                         enum store_change reason) {
    const uint8_t *at = engine->range.base + spot->location;
    const struct slice name = slice_make(at + spot->entry.key_at, spot->entry.key_size);
    uint32_t wanted = atomic_load_explicit(&engine->changes.wanted, memory_order_relaxed);
    if (__builtin_expect(!(wanted & (1u << reason | 1u << STORE_NOTED)), 1))
        return;
    if (wanted >> STORE_NOTED & 1)
        note_removed(engine, actor, spot, reason, name);
    /* What is replaced was seen; where that was done in place, the entry is another by now. */
    actor->of_nothing = reason != STORE_REPLACED && spot->entry.type == STORE_NOTHING;
    store_tell(engine, actor, reason, spot->entry.db, name);
    actor->of_nothing = false;
}

/* Overwrites where the entry stands, if the new one has the same shape. */
static bool put_in_place(struct engine *engine, struct shard *shard, const struct store_value *value,
                         const struct entry *wanted, struct store_spot *spot) {
    const struct entry *old = &spot->entry;
    struct segment *segment = &engine->range.segments[range_segment_of(&engine->range, spot->location)];
    struct entry entry = *wanted;
    entry_plan(&entry, segment->base_ms);
    if (entry.size != old->size || entry.size > STORE_INPLACE_MAX || entry.flags != old->flags ||
        (entry.flags & (ENTRY_OWNS | ENTRY_TAGS)) || !entry.stamp != !old->stamp || !entry.row != !old->row)
        return false;
    uint8_t *to = engine->range.base + spot->location;
    /* Size and flags are the same, so the account can only change by an expiry. */
    bool recount = entry.expires_at_ms != old->expires_at_ms || entry.stale != old->stale;
    if (recount)
        store_account(engine, shard, spot->location, old, 0, -1);
    index_write_begin(spot->bucket);
    entry_encode(&entry, segment->base_ms, to);
    words_write(to + entry.value_at, value->value.data, value->value.size);
    index_write_end(spot->bucket);
    store_spot_use(spot);
    if (recount)
        store_account(engine, shard, spot->location, &entry, 0, 1);
    spot->entry = entry;
    return true;
}

bool store_overwrite(struct engine *engine, const struct store_key *key, struct slice value) {
    struct index_bucket *bucket = (struct index_bucket *)(uintptr_t)key->bucket;
    _Atomic uint64_t *cell_at = (_Atomic uint64_t *)(uintptr_t)key->hint;
    uint32_t value_at, size;
    if (!index_is_in(bucket, cell_at) || key->db != 0 || value.size > STORE_INPLACE_MAX)
        return false;
    uint64_t cell = atomic_load_explicit(cell_at, memory_order_relaxed), location = cell_location(cell);
    const uint8_t *entry = store_plain_entry_at(engine, location, key->name.size, &value_at, &size);
    if (!entry || entry_plain_size(value_at, (uint32_t)value.size) != entry_plain_size(value_at, size) ||
        !words_equal(entry + value_at - key->name.size, key->name.data, key->name.size))
        return false;
    uint8_t *to = engine->range.base + location;
    index_write_begin(bucket);
    entry_plain_encode(to, key->name.size, (uint32_t)value.size);
    words_write(to + value_at, value.data, value.size);
    index_write_end(bucket);
    cell_count_use(cell_at, cell);
    return true;
}

/* Has the objects of a collection freed, all of them. */
static void free_objects(struct engine *engine, struct actor *actor, struct shard *shard,
                         const struct object_root *root) {
    uint64_t live = atomic_load_explicit(&shard->objects.live, memory_order_relaxed);
    engine->owner->free_root(engine->owner->context, engine, actor, shard, root);
    ASSERT(atomic_load_explicit(&shard->objects.live, memory_order_relaxed) + root->charge == live);
}

static void release_extents(struct engine *engine, struct actor *actor, uint64_t location, const struct entry *entry) {
    uint64_t first;
    store_value_size(engine, location, entry, &first);
    extent_release(&engine->range, actor, first);
}

/* Forgets what stood at a spot whose cell now says something else. `kept`: a collection that lives on. */
static void release_old(struct engine *engine, struct actor *actor, struct shard *shard, uint64_t location,
                        const struct entry *entry, const struct object_root *kept) {
    store_account(engine, shard, location, entry, store_owned_bytes(engine, location, entry), -1);
    if (__builtin_expect(!(entry->flags & (ENTRY_OWNS | ENTRY_TAGS)), 1))
        return;
    for (uint32_t i = 0; i < entry->tag_count; i++)
        tag_give(&engine->range, actor, engine->tags, entry_tag(entry, engine->range.base + location, i), entry->stamp);
    if (!(entry->flags & ENTRY_OWNS))
        return;
    if (entry->flags & ENTRY_OBJECT) {
        struct object_root root = store_root(engine, &(struct store_spot){.location = location, .entry = *entry});
        if (!kept || kept->first != root.first)
            free_objects(engine, actor, shard, &root);
        return;
    }
    release_extents(engine, actor, location, entry);
}

static bool ask_tags(const struct engine *engine, uint64_t location, const struct entry *entry, bool softly) {
    uint32_t size;
    return tags_kill(&engine->range, engine->tags, engine->range.base + location + entry_body_at(entry),
                     entry->tag_count * ENTRY_TAG_SIZE, entry->stamp, softly, &size);
}

bool store_tags_say_dead(const struct engine *engine, uint64_t location, const struct entry *entry) {
    return ask_tags(engine, location, entry, false);
}

bool store_tags_say_stale(const struct engine *engine, uint64_t location, const struct entry *entry) {
    return ask_tags(engine, location, entry, true);
}

uint64_t store_stamp_from(void *engine) { return store_stamp_next(engine); }

uint64_t store_stamp_kept(struct engine *engine, struct actor *actor, const struct store_spot *spot) {
    uint32_t numbers[ENTRY_TAGS_MAX], count = store_tags(engine, spot, numbers);
    if (count == 0)
        return store_stamp_next(engine);
    return tag_renew(&engine->range, actor, engine->tags, numbers, count, spot->entry.stamp, store_stamp_from, engine);
}

void store_stamp_renew(struct engine *engine, struct actor *actor, struct store_spot *spot) {
    if (__builtin_expect(spot->entry.stamp == 0, 1))
        return;
    const struct segment *segment = &engine->range.segments[range_segment_of(&engine->range, spot->location)];
    spot->entry.stamp = store_stamp_kept(engine, actor, spot);
    entry_encode(&spot->entry, segment->base_ms, engine->range.base + spot->location);
}

void store_root_set(struct engine *engine, struct actor *actor, struct shard *shard, struct store_spot *spot,
                    const struct object_root *root) {
    ASSERT((spot->entry.flags & ENTRY_OBJECT) && root->first != 0);
    store_account(engine, shard, spot->location, &spot->entry, store_root(engine, spot).charge, -1);
    index_write_begin(spot->bucket);
    words_write(engine->range.base + spot->location + spot->entry.value_at, root, sizeof *root);
    store_stamp_renew(engine, actor, spot);
    index_write_end(spot->bucket);
    store_spot_use(spot);
    store_account(engine, shard, spot->location, &spot->entry, root->charge, 1);
}

/* A miss on what the small queue dropped not long ago goes straight into the main queue. */
static enum store_queue queue_for(struct engine *engine, struct shard *shard, const struct store_key *key,
                                  const struct store_value *value, const struct store_spot *spot, uint64_t size_bytes) {
    if (spot->location) {
        uint32_t number = range_segment_of(&engine->range, spot->location);
        return store_queue_of_log(engine->range.segments[number].log);
    }
    /* What is loaded beside a tier has been kept before: if it has to make room it goes down, used or not. */
    if (value->from_tier || (engine->tier && engine->tier->loading))
        return STORE_MAIN;
    const struct policy *policy = &policies[store_policy_of(engine, shard)];
    struct ghost ghost = policy->two_queues ? ghost_take(engine, shard, key->hash) : (struct ghost){.found = false};
    if (!ghost.found)
        return STORE_SMALL;
    struct store *store = &engine->stores[shard->store];
    if (ghost.lately)
        policy_adapt(&store->eviction, ghost.dropped_by, size_bytes,
                     store_queue_bytes(engine, store, STORE_SMALL, policy->expiring_only) +
                         store_queue_bytes(engine, store, STORE_MAIN, policy->expiring_only));
    return ghost.dropped_by == STORE_SMALL ? STORE_MAIN : STORE_SMALL;
}

/* Whether one entry more is one too many, and nothing may go for it. */
static bool is_over_count(const struct engine *engine, const struct shard *shard, const struct store_value *value) {
    const struct store *store = &engine->stores[shard->store];
    const struct policy *policy = &policies[store_policy_of(engine, shard)];
    uint64_t most = atomic_load_explicit(&store->entries_max, memory_order_relaxed);
    if (most == 0 || (policy->evicts && (!policy->expiring_only || value->expires_at_ms)) ||
        store_entries(engine, shard->store) < most)
        return false;
    uint64_t expiring = 0;
    for (uint32_t i = store->first_shard; i < store->first_shard + store->shard_count; i++)
        expiring += shard_expiring_live(&engine->shards[i]);
    return !policy->evicts || expiring == 0;
}

/* Bytes that a store has more when the entry takes the place of what stands at the spot: those of key and value. An expiry or a version
 * that the entry gets is no growth, and a large value that is taken over from there neither. */
static uint64_t growth(const struct engine *engine, const struct entry *entry, const struct store_value *value,
                       const struct store_spot *spot) {
    uint64_t bytes = entry_bytes(entry) + value->extents_size, given_back = 0;
    if (spot->location)
        given_back = entry_bytes(&spot->entry);
    if (spot->location && (spot->entry.flags & ENTRY_EXTENTS))
        given_back += store_owned_bytes(engine, spot->location, &spot->entry);
    return bytes > given_back ? bytes - given_back : 0;
}

static struct entry entry_for(const struct store_key *key, const struct store_value *value) {
    uint32_t owns = value->extents.first ? ENTRY_EXTENTS : value->root ? ENTRY_OBJECT : 0;
    return (struct entry){
        .type = value->type,
        .db = key->db,
        .flags = owns,
        .key_size = (uint32_t)key->name.size,
        .stored_size = owns ? ENTRY_OWNED_SIZE : (uint32_t)value->value.size,
        .expires_at_ms = value->expires_at_ms,
        .stamp = value->stamp,
        .row = value->row,
        .stale = value->stale,
        .softened = value->softened,
        .invalidated = value->softened,
        .tag_count = value->tag_count,
    };
}

/* Whether the store's own bounds forbid what memory there may be for: its capacity in entries, its cap, or that nothing may go for it. */
static bool takes_no_more(const struct engine *engine, const struct shard *shard, const struct entry *entry,
                          const struct store_value *value, const struct store_spot *spot) {
    if (!spot->location && is_over_count(engine, shard, value))
        return true;
    if (__builtin_expect(policy_gives_back(store_policy_of(engine, shard)), 1) && !claim_refuses(engine, shard->store))
        return __builtin_expect(value->extents_size != 0, 0) && engine->store_count > 1 &&
               claim_is_beyond(engine, shard->store, value->extents_size) && growth(engine, entry, value, spot) > 0;
    uint64_t more = growth(engine, entry, value, spot);
    more -= value->reserved < more ? value->reserved : more;
    return more > 0 && ((engine->store_count > 1 && claim_is_over(engine, shard->store, more)) ||
                        claim_is_closed(engine, shard->store));
}

/* What becomes of what stands at the spot: what is hidden has expired or was invalidated long before, or was written to be hidden, of which nobody
 * is told. */
static enum store_change end_of_old(const struct engine *engine, const struct actor *actor,
                                    const struct store_value *value, const struct store_spot *spot) {
    if (!value->unseen)
        return STORE_REPLACED;
    if (spot->entry.softened)
        return STORE_CLEARED; /* that was told when it was done */
    if (store_is_late(&spot->entry, actor->now_ms))
        return STORE_EXPIRED;
    bool stale = (spot->entry.flags & ENTRY_TAGS) && store_tags_say_stale(engine, spot->location, &spot->entry);
    return stale ? STORE_INVALIDATED : STORE_CLEARED;
}

/* Tells of a write, while the bytes of what stood there before are as they were. */
static void tell_put(struct engine *engine, struct actor *actor, struct shard *shard, const struct store_key *key,
                     const struct store_value *value, const struct store_spot *before, enum store_change end) {
    if ((before->location && value->lives_on) || value->from_tier)
        return;
    if (before->location && end != STORE_CLEARED)
        tell_removed(engine, actor, before, end);
    if (end == STORE_EXPIRED || end == STORE_INVALIDATED)
        actor_count_removed(actor, shard->store, end == STORE_EXPIRED ? ACTOR_EXPIRED : ACTOR_INVALIDATED);
    if (!before->location || value->unseen)
        store_tell(engine, actor, STORE_CREATED, key->db, key->name);
}

/* The last step of a write. What is dead by now is looked for: the sweep may have passed. */
static void join_tags(struct engine *engine, struct actor *actor, uint64_t location, const struct entry *entry,
                      const uint32_t *tags) {
    struct segment *segment = &engine->range.segments[range_segment_of(&engine->range, location)];
    for (uint32_t i = 0; i < entry->tag_count; i++)
        if (!tag_join(&engine->range, actor, engine->tags, tags[i], entry->stamp))
            atomic_store_explicit(&segment->due_ms, 0, memory_order_relaxed);
}

/* After an entry was added, which stands at the spot: a split may move its cell. */
static inline void grow_index(struct engine *engine, struct actor *actor, struct shard *shard, uint64_t hash,
                              struct store_spot *spot) {
    struct index *index = &shard->index;
    uint64_t shape = atomic_load_explicit(&index->shape, memory_order_relaxed);
    index_grow(&engine->range, actor, index, store_hash_at, engine);
    if (atomic_load_explicit(&index->shape, memory_order_relaxed) == shape)
        return;
    spot->bucket = index_place_of(&engine->range, index, hash).bucket;
    spot->cell = index_find(&engine->range, index, hash, spot->location);
}

/* What follows when a new key has been published. In the tier only now, so that nobody misses the key in between: until then it was that which stands there. */
static inline void end_creation(struct engine *engine, struct actor *actor, struct shard *shard,
                                const struct store_key *key, const struct store_value *value, uint64_t aside,
                                struct store_spot *spot) {
    if (__builtin_expect(aside & STORE_TIERED, 0) && !value->from_tier)
        MAYBE(tier_overwritten(engine, actor, shard, key->hash, key->db) > 0);
    grow_index(engine, actor, shard, key->hash, spot);
}

enum status store_put(struct engine *engine, struct actor *actor, struct shard *shard, const struct store_key *key,
                      const struct store_value *value, struct store_spot *spot) {
    ASSERT(!value->root || (engine->owner && value->root->first));
    ASSERT(value->tag_count <= ENTRY_TAGS_MAX && (value->tag_count == 0 || value->stamp));
    struct entry entry = entry_for(key, value);
    if (__builtin_expect(entry.stamp == 0, 1) && store_is_banned(engine, &entry, key->name))
        entry.stamp = store_stamp_next(engine); /* younger than the ban */
    enum store_change end = spot->location ? end_of_old(engine, actor, value, spot) : STORE_CLEARED;
    if (spot->location && put_in_place(engine, shard, value, &entry, spot)) {
        tell_put(engine, actor, shard, key, value, spot, end);
        return STATUS_OK;
    }
    if (takes_no_more(engine, shard, &entry, value, spot))
        return STATUS_FULL;
    uint64_t owned_bytes = value->root ? value->root->charge : value->extents_size;
    struct index_place place = {.bucket = spot->bucket};
    _Atomic uint64_t *cell = spot->cell;
    if (!spot->location)
        cell = index_empty_cell(&engine->range, actor, &shard->index, key->hash, &place);
    if (!cell)
        return STATUS_FULL;
    enum store_queue queue = queue_for(engine, shard, key, value, spot, entry_bytes(&entry) + owned_bytes);
    uint64_t location = store_append(engine, actor, shard,
                                     store_log_of(engine, actor, shard, queue, &entry, owned_bytes), &entry, false);
    if (!location)
        return STATUS_FULL;
    count(&shard->written, entry.size + owned_bytes, 1);
    write_bytes(engine, location, &entry, key->name, value);
    if (value->extents.first)
        extent_set_owner(&engine->range, value->extents.first, key->hash);
    uint64_t shape = atomic_load_explicit(&shard->index.shape, memory_order_relaxed);
    uint64_t fingerprint = index_fingerprint(key->hash, index_local_level(shape, key->hash));
    bool created = !spot->location;
    uint64_t aside = created ? atomic_load_explicit(&shard->aside, memory_order_relaxed) : 0;
    if (__builtin_expect(aside & FILTER_MAINTAINED, 0))
        filter_link(engine, actor, shard, key->hash, filter_hash(engine, shard, key->db, key->name, key->hash));
    uint32_t use = 0;
    if (spot->location) {
        store_spot_use(spot);
        use = cell_use(atomic_load_explicit(cell, memory_order_relaxed));
    }
    index_write_begin(place.bucket);
    atomic_store_explicit(cell, cell_make(fingerprint, use, location), memory_order_relaxed);
    index_write_end(place.bucket);
    if (spot->location)
        release_old(engine, actor, shard, spot->location, &spot->entry, value->root);
    else
        index_added(&shard->index);
    store_account(engine, shard, location, &entry, store_owned_bytes(engine, location, &entry), 1);
    join_tags(engine, actor, location, &entry, value->tags);
    tell_put(engine, actor, shard, key, value, spot, end);
    *spot = (struct store_spot){place.bucket, cell, location, entry};
    if (created)
        end_creation(engine, actor, shard, key, value, aside, spot);
    return STATUS_OK;
}

/* The end of a removal, when no cell leads to the entry any more. */
static void release_removed(struct engine *engine, struct actor *actor, struct shard *shard,
                            const struct store_spot *spot) {
    if (store_has_filter(shard))
        filter_unlink_at(engine, actor, shard, spot->location);
    release_old(engine, actor, shard, spot->location, &spot->entry, NULL);
}

void store_release(struct engine *engine, struct actor *actor, struct shard *shard, const struct store_spot *spot,
                   enum store_change reason) {
    tell_removed(engine, actor, spot, reason);
    release_removed(engine, actor, shard, spot);
}

void store_hand_over(struct engine *engine, struct actor *actor, struct shard *shard, struct store_spot *spot) {
    const struct entry *entry = &spot->entry;
    ASSERT(!(entry->flags & ENTRY_OBJECT) && !store_is_by_session(shard));
    store_tell(engine, actor, STORE_DEMOTED, entry->db, store_name_at(engine, spot->location, entry));
    index_remove(&engine->range, &shard->index, spot->bucket, spot->cell);
    if (store_has_filter(shard))
        filter_unlink_at(engine, actor, shard, spot->location);
    store_account(engine, shard, spot->location, entry, store_owned_bytes(engine, spot->location, entry), -1);
    if (entry->flags & ENTRY_EXTENTS)
        release_extents(engine, actor, spot->location, entry);
    spot->location = 0;
    spot->cell = NULL;
}

void store_remove_alone(struct engine *engine, struct actor *actor, struct shard *shard, struct store_spot *spot,
                        enum store_change reason) {
    ASSERT(spot->location);
    /* Told before: nobody misses what has not been told of. */
    tell_removed(engine, actor, spot, reason);
    index_remove(&engine->range, &shard->index, spot->bucket, spot->cell);
    release_removed(engine, actor, shard, spot);
    spot->location = 0;
    spot->cell = NULL;
}

void store_remove_but(struct engine *engine, struct actor *actor, struct shard *shard, struct store_spot *spot,
                      enum store_change reason, uint64_t kept) {
    ASSERT(spot->location && spot->location != kept);
    if (!store_is_by_session(shard) || !session_ends(engine, actor, shard, spot, reason, kept))
        return store_remove_alone(engine, actor, shard, spot, reason);
    spot->location = 0;
    spot->cell = NULL;
}

void store_remove(struct engine *engine, struct actor *actor, struct shard *shard, struct store_spot *spot,
                  enum store_change reason) {
    store_remove_but(engine, actor, shard, spot, reason, 0);
}

/* By what an entry is dead or stale, while that is told. */
struct killers {
    struct slice tags[ENTRY_TAGS_MAX];
    uint8_t names[ENTRY_TAGS_MAX][TAG_NAME_MAX], pattern[BAN_PATTERN_MAX];
};

/* When a tag has killed an entry with that stamp, as far as the tag knows: its last invalidation. One that is only soft comes behind all
 * others; UINT64_MAX: it has not. */
static uint64_t killed_at(const struct engine *engine, uint32_t number, uint64_t stamp) {
    uint64_t at = tag_invalidated(&engine->range, engine->tags, number);
    if (at >= stamp)
        return at;
    return tag_kills(&engine->range, engine->tags, number, stamp, true) ? UINT64_MAX - 1 : UINT64_MAX;
}

/* Notes which of its tags have killed the entry, be it softly. Answers when the first of them has, as killed_at does, and which that is. */
static uint64_t find_killer_tags(struct engine *engine, struct actor *actor, const struct store_spot *spot,
                                 struct killers *killers, struct slice *ret_first) {
    const uint8_t *at = engine->range.base + spot->location;
    uint64_t first = UINT64_MAX;
    uint32_t count = 0;
    for (uint32_t i = 0; i < spot->entry.tag_count; i++) {
        uint32_t number = entry_tag(&spot->entry, at, i);
        uint64_t stamp = killed_at(engine, number, spot->entry.stamp);
        if (stamp == UINT64_MAX)
            continue;
        size_t size = tag_name(&engine->range, actor, engine->tags, number, killers->names[count]);
        killers->tags[count] = slice_make(killers->names[count], size);
        if (stamp < first) {
            *ret_first = killers->tags[count];
            first = stamp;
        }
        count++;
    }
    actor->killer_tags = killers->tags;
    actor->killer_tag_count = count;
    actor->entry_stamp = spot->entry.stamp;
    actor->entry_expires_at_ms = spot->entry.expires_at_ms;
    return first;
}

/* Notes by what the entry is dead: of its tags and the bans that have killed it, what has done so first. Nothing, if none is found. */
static void find_killer(struct engine *engine, struct actor *actor, const struct store_spot *spot,
                        struct killers *killers) {
    const struct slice key = store_name_at(engine, spot->location, &spot->entry);
    const struct bans *bans = atomic_load_explicit(&engine->bans, memory_order_relaxed);
    struct slice tag;
    uint64_t first = find_killer_tags(engine, actor, spot, killers, &tag), of_ban = 0;
    size_t size;
    if (store_is_banned(engine, &spot->entry, key))
        of_ban = bans_killer(bans, spot->entry.db, spot->entry.stamp, key, killers->pattern, &size);
    if (!of_ban && first == UINT64_MAX)
        return;
    bool banned = of_ban && of_ban < first;
    actor->killed_by = banned ? ACTOR_KILLED_BY_BAN : ACTOR_KILLED_BY_TAG;
    actor->killed_stamp = banned ? of_ban : spot->entry.stamp;
    actor->killer = banned ? slice_make(killers->pattern, size) : tag;
}

static void forget_killer(struct actor *actor) {
    actor->killed_by = ACTOR_NOT_KILLED;
    actor->killer = slice_make(NULL, 0);
    actor->killer_tags = NULL;
    actor->killer_tag_count = 0;
}

static __attribute__((noinline)) void remove_dead(struct engine *engine, struct actor *actor, struct shard *shard,
                                                  struct store_spot *spot) {
    struct killers killers;
    if (store_is_wanted(engine, STORE_INVALIDATED))
        find_killer(engine, actor, spot, &killers);
    store_remove(engine, actor, shard, spot, STORE_INVALIDATED);
    forget_killer(actor);
}

static __attribute__((noinline)) void tell_dead(struct engine *engine, struct actor *actor,
                                                const struct store_spot *spot, enum store_change reason) {
    struct killers killers;
    if (!store_is_wanted(engine, reason))
        return;
    find_killer(engine, actor, spot, &killers);
    tell_removed(engine, actor, spot, reason);
    forget_killer(actor);
}

void store_tell_softened(struct engine *engine, struct actor *actor, const struct store_spot *spot) {
    tell_dead(engine, actor, spot, STORE_SOFTENED);
}

/* What goes for another reason may have been stale or dead by a tag before. */
static bool had_gone_before(const struct engine *engine, const struct store_spot *spot) {
    return __builtin_expect((spot->entry.flags & ENTRY_TAGS) != 0, 0) &&
           store_tags_say_stale(engine, spot->location, &spot->entry);
}

static __attribute__((noinline)) void remove_with_killers(struct engine *engine, struct actor *actor,
                                                          struct shard *shard, struct store_spot *spot,
                                                          enum store_change reason) {
    struct killers killers;
    struct slice first;
    find_killer_tags(engine, actor, spot, &killers, &first);
    store_remove(engine, actor, shard, spot, reason);
    forget_killer(actor);
}

void store_remove_by_itself(struct engine *engine, struct actor *actor, struct shard *shard, struct store_spot *spot,
                            enum store_change reason) {
    if (store_is_wanted(engine, reason) && had_gone_before(engine, spot))
        remove_with_killers(engine, actor, shard, spot, reason);
    else
        store_remove(engine, actor, shard, spot, reason);
}

/* A removal that is not told of has been told, and counted as expired, when the entry was softened. */
void store_remove_gone(struct engine *engine, struct actor *actor, struct shard *shard, struct store_spot *spot) {
    const struct entry *entry = &spot->entry;
    bool late = store_is_late(entry, actor->now_ms);
    if (late || !entry->softened || entry->invalidated)
        actor_count_removed(actor, shard->store, late ? ACTOR_EXPIRED : ACTOR_INVALIDATED);
    if (entry->softened) {
        if (store_is_dead(engine, spot->location, entry, store_name_at(engine, spot->location, entry)))
            tell_dead(engine, actor, spot, STORE_STALE_GONE);
        store_remove(engine, actor, shard, spot, STORE_CLEARED);
    } else if (late) {
        store_remove_by_itself(engine, actor, shard, spot, STORE_EXPIRED);
    } else {
        remove_dead(engine, actor, shard, spot);
    }
}

static __attribute__((noinline)) void tell_late(struct engine *engine, struct actor *actor,
                                                const struct store_spot *spot) {
    struct killers killers;
    struct slice first;
    find_killer_tags(engine, actor, spot, &killers, &first);
    tell_removed(engine, actor, spot, STORE_EXPIRED);
    forget_killer(actor);
}

void store_soften_late(struct engine *engine, struct actor *actor, struct shard *shard, struct store_spot *spot) {
    uint32_t number = range_segment_of(&engine->range, spot->location);
    struct segment *segment = &engine->range.segments[number];
    /* What may be stale has a meta word, so it is as long as it was. Sessions end as a whole, and are told of then. */
    ASSERT(spot->entry.stale && store_is_late(&spot->entry, actor->now_ms) && !store_is_by_session(shard));
    actor_count_removed(actor, shard->store, ACTOR_EXPIRED);
    if (store_is_wanted(engine, STORE_EXPIRED) && had_gone_before(engine, spot))
        tell_late(engine, actor, spot);
    else
        tell_removed(engine, actor, spot, STORE_EXPIRED);
    spot->entry.softened = true;
    /* Readers whose clocks are behind and who have seen it fresh look again. */
    index_write_begin(spot->bucket);
    entry_encode(&spot->entry, segment->base_ms, engine->range.base + spot->location);
    index_write_end(spot->bucket);
    if (shard->expiry.segment != number) /* whose walk says at its end when to come back */
        note_due(segment, &spot->entry);
}
