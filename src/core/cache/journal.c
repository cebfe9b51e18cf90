/* core/cache/journal.c: what has changed under the locks of an actor, noted until it is staged. */
#include "core/cache/journal.h"

#include "core/cache/internal.h"

enum {
    STAMPS_SIZE = 9,            /* of a part about stamps */
    BUFFER_MIN = 1024,          /* bytes; it doubles */
    BUFFER_KEEP = 64 * 1024,    /* for the next record */
    PLACED_VALUE_MAX = 4096,    /* of a plain put that is written where the log has it */
    SMALL_PART_MAX = 512,       /* of parts that are no entry's and name no key */
    STAMPS_AHEAD = 1 << 22,     /* that the journal knows of, */
    STAMPS_AHEAD_MIN = 1 << 21, /* until so few are left: some that are taken are in no record */
    TAG_SIZE_MAX = 1 + TAG_NAME_MAX,
};
static_assert((int)RECORD_TAGS_MAX == (int)ENTRY_TAGS_MAX && (int)RECORD_PLACES == (int)CACHE_DATABASES &&
                  (int)RECORD_KEY_MAX == (int)CACHE_KEY_SIZE_MAX &&
                  (int)RECORD_VALUE_MAX == (int)CACHE_VALUE_SIZE_MAX && (int)RECORD_NAME_MAX >= (int)TAG_NAME_MAX &&
                  (int)RECORD_NAME_MAX >= (int)BAN_PATTERN_MAX,
              "a record holds what there may be");

/* ------------------------------------------------------------------------------------------ staging */

static void stage(struct cache *cache, struct actor *actor, const struct slice *parts, uint32_t count,
                  uint64_t reserved) {
    uint64_t lsn;
    cache->journal.stage(cache->journal.context, actor->id, parts, count, reserved, &lsn);
    actor->noted.lsn = lsn;
}

static void put_beside(struct cache *cache, struct actor *actor, const struct record_part *part);

static void unlocking(void *context, struct actor *actor) {
    struct cache *cache = context;
    struct actor_noted *noted = &actor->noted;
    struct slice name, bytes;
    if (cache->journal.beside && cache->journal.beside(cache->journal.context, actor, &name, &bytes))
        put_beside(cache, actor, &(struct record_part){.kind = RECORD_NOTE, .name = name, .value = bytes});
    const struct slice record = slice_make(noted->bytes, noted->size);
    stage(cache, actor, &record, 1, noted->reserved);
    noted->size = 0;
    noted->reserved = 0;
    if (noted->room > BUFFER_KEEP)
        cache_journal_forget(cache, actor);
}

/* Room for so many more bytes in the actor's buffer. */
static enum status make_room(struct cache *cache, struct actor_noted *noted, uint64_t bytes) {
    uint64_t room = noted->room ? noted->room : BUFFER_MIN, wanted = noted->size + bytes;
    if (wanted <= noted->room)
        return STATUS_OK;
    while (room < wanted)
        room *= 2;
    uint8_t *grown = cache->memory->resize(cache->memory->context, noted->bytes, noted->room, room);
    if (!grown)
        return STATUS_NO_MEMORY;
    noted->bytes = grown;
    noted->room = room;
    return STATUS_OK;
}

static uint64_t stamps_taken(const struct cache *cache) {
    return atomic_load_explicit(&cache->engine->range.head->stamps, memory_order_relaxed);
}

/* How many stamps the journal is to be told of; 0: it knows enough. */
static uint64_t stamps_due(struct cache *cache) {
    uint64_t taken = stamps_taken(cache), noted = atomic_load_explicit(&cache->stamps_noted, memory_order_relaxed);
    if (__builtin_expect(taken + STAMPS_AHEAD_MIN <= noted, 1))
        return 0;
    atomic_store_explicit(&cache->stamps_noted, taken + STAMPS_AHEAD, memory_order_relaxed);
    return taken + STAMPS_AHEAD;
}

/* Begins a record at `to`, where there is room for its head and a part about stamps; answers its size so far. */
static size_t begin_record(struct cache *cache, const struct actor *actor, uint8_t *to) {
    record_head_write(actor->now_ms, to);
    uint64_t stamps = stamps_due(cache);
    if (!stamps)
        return RECORD_HEAD_SIZE;
    struct record_part part = {.kind = RECORD_STAMPS, .stamp = stamps};
    return RECORD_HEAD_SIZE + record_part_write(&part, to + RECORD_HEAD_SIZE);
}

static uint8_t *next_part(struct cache *cache, struct actor *actor) {
    struct actor_noted *noted = &actor->noted;
    if (noted->size == 0)
        noted->size = begin_record(cache, actor, noted->bytes);
    return noted->bytes + noted->size;
}

static void stage_note(struct cache *cache, struct actor *actor, const struct record_part *part, uint64_t reserved) {
    uint8_t head[RECORD_HEAD_SIZE + STAMPS_SIZE + SMALL_PART_MAX];
    size_t size = begin_record(cache, actor, head);
    size += record_part_write(part, head + size);
    ASSERT(size <= sizeof head);
    const struct slice parts[] = {slice_make(head, size), part->value};
    stage(cache, actor, parts, 2, reserved);
}

/* A note in the record that is being made. */
static void put_beside(struct cache *cache, struct actor *actor, const struct record_part *part) {
    struct actor_noted *noted = &actor->noted;
    if (make_room(cache, noted, record_part_size_max(part)) != STATUS_OK) {
        stage_note(cache, actor, part, 0);
        return;
    }
    noted->size += record_part_write(part, noted->bytes + noted->size);
    memcpy(noted->bytes + noted->size, part->value.data, part->value.size);
    noted->size += part->value.size;
}

/* ------------------------------------------------------------------------------------------ writes */

/* More than the part will be: tags' names are not looked at. */
static uint64_t most_bytes(const struct cache_edit *edit, const struct store_value *value, enum record_kind kind) {
    uint64_t bytes = RECORD_HEAD_SIZE + STAMPS_SIZE + RECORD_FIELDS_MAX + edit->key.name.size +
                     (uint64_t)value->tag_count * TAG_SIZE_MAX;
    if (kind == RECORD_PATCH)
        bytes += edit->patch.size;
    else if (kind == RECORD_PUT)
        bytes += value->extents.first ? value->extents_size : value->value.size;
    return bytes;
}

enum status journal_promise(struct cache_edit *edit, const struct store_value *value, enum record_kind kind,
                            uint64_t *ret_bytes) {
    const struct cache_journal *journal = &edit->cache->journal;
    struct actor_noted *noted = &edit->actor->noted;
    if (noted->silent)
        return STATUS_OK;
    uint64_t bytes = most_bytes(edit, value, kind);
    TRY(make_room(edit->cache, noted, bytes));
    TRY(journal->reserve(journal->context, bytes));
    noted->reserved += bytes;
    *ret_bytes = bytes;
    return STATUS_OK;
}

void journal_break_promise(struct cache *cache, struct actor *actor, uint64_t bytes) {
    actor->noted.reserved -= bytes;
    cache->journal.release(cache->journal.context, bytes);
}

void journal_facts(const struct cache *cache, struct actor *actor, const struct store_spot *spot,
                   uint8_t (*names)[TAG_NAME_MAX], struct record_part *ret_part) {
    struct engine *engine = cache->engine;
    const struct entry *entry = &spot->entry;
    ret_part->place = entry->db;
    ret_part->type = entry->type;
    ret_part->soft = entry->softened;
    ret_part->name = store_name_at(engine, spot->location, entry);
    ret_part->expires_at_ms = entry->expires_at_ms;
    ret_part->stamp = entry->stamp;
    ret_part->row = entry->row;
    ret_part->stale_ms = entry_stale_ms(entry->stale);
    uint32_t numbers[ENTRY_TAGS_MAX];
    ret_part->tag_count = store_tags(engine, spot, numbers);
    for (uint32_t i = 0; i < ret_part->tag_count; i++)
        ret_part->tags[i] = slice_make(names[i], tag_name(&engine->range, actor, engine->tags, numbers[i], names[i]));
}

/* The bytes of the value, wherever they stand. */
static void copy_value(const struct cache_edit *edit, uint8_t *to, uint64_t size) {
    const struct store_spot *spot = const_spot_of(edit);
    const struct engine *engine = edit->cache->engine;
    uint64_t first, part;
    store_value_size(engine, spot->location, &spot->entry, &first);
    if (!first) {
        memcpy(to, engine->range.base + spot->location + spot->entry.value_at, size);
        return;
    }
    struct extent_cursor cursor = extent_seek(&engine->range, first, 0);
    for (; size; to += part, size -= part) {
        const uint8_t *piece = extent_next(&engine->range, &cursor, size, &part);
        ASSERT(piece);
        memcpy(to, piece, part);
    }
}

/* Where a tag has been invalidated meanwhile it says that the key is gone, which it is: the tag's record may stand before this one. Collections of objects are their
 * owners', who do not tell yet: the key goes with the memory. */
static bool is_gone_already(const struct cache_edit *edit) {
    const struct store_spot *spot = const_spot_of(edit);
    return (spot->entry.flags & ENTRY_OBJECT) ||
           store_is_dead(edit->cache->engine, spot->location, &spot->entry, edit->key.name);
}

__attribute__((noinline)) static void note_tagged(struct cache_edit *edit, struct record_part *part) {
    uint8_t names[ENTRY_TAGS_MAX][TAG_NAME_MAX], *to = edit->actor->noted.bytes + edit->actor->noted.size;
    journal_facts(edit->cache, edit->actor, const_spot_of(edit), names, part);
    edit->actor->noted.size += record_part_write(part, to);
}

void journal_keep_promise(struct cache_edit *edit, enum record_kind kind, uint64_t size_before) {
    struct actor_noted *noted = &edit->actor->noted;
    struct record_part part = {.kind = kind, .size_before = size_before};
    uint8_t *to = next_part(edit->cache, edit->actor);
    if (is_gone_already(edit)) {
        part = (struct record_part){.kind = RECORD_REMOVE, .place = edit->key.place, .name = edit->key.name};
        noted->size += record_part_write(&part, to);
        return;
    }
    if (kind == RECORD_PATCH) {
        part.offset = edit->patch_at;
        part.value = edit->patch;
    } else if (kind == RECORD_PUT) {
        uint64_t first;
        part.value.size =
            store_value_size(edit->cache->engine, const_spot_of(edit)->location, &const_spot_of(edit)->entry, &first);
    }
    if (const_spot_of(edit)->entry.tag_count) {
        note_tagged(edit, &part);
    } else {
        journal_facts(edit->cache, edit->actor, const_spot_of(edit), NULL, &part);
        noted->size += record_part_write(&part, to);
    }
    to = noted->bytes + noted->size;
    if (kind == RECORD_PUT)
        copy_value(edit, to, part.value.size);
    else if (kind == RECORD_PATCH)
        memcpy(to, edit->patch.data, edit->patch.size);
    noted->size += kind == RECORD_FACTS ? 0 : part.value.size;
    ASSERT(noted->size <= noted->room);
}

enum status journal_ask_plain(const struct cache *cache, const struct actor *actor, const struct cache_key *key,
                              struct slice value, uint64_t *ret_bytes) {
    *ret_bytes = 0;
    if (actor->noted.silent)
        return STATUS_OK;
    uint64_t bytes = RECORD_HEAD_SIZE + STAMPS_SIZE + RECORD_FIELDS_MAX + key->name.size + value.size;
    TRY(cache->journal.reserve(cache->journal.context, bytes));
    *ret_bytes = bytes;
    return STATUS_OK;
}

/* Where the log has it, which saves gathering the pieces and a copy. */
static void place_plain(struct cache *cache, struct actor *actor, const struct record_plain *plain, struct slice name,
                        struct slice value, uint64_t reserved) {
    const struct cache_journal *journal = &cache->journal;
    size_t most = RECORD_HEAD_SIZE + STAMPS_SIZE + RECORD_PLAIN_SIZE + name.size + value.size;
    uint8_t *to = journal->place(journal->context, actor->id, most);
    size_t size = begin_record(cache, actor, to);
    size += record_plain_put(plain, name, value, to + size);
    journal->placed(journal->context, actor->id, size, reserved, &actor->noted.lsn);
}

void journal_put_plain(struct cache *cache, struct actor *actor, const struct cache_key *key, struct slice value,
                       const struct entry *entry, uint64_t reserved) {
    uint8_t head[RECORD_HEAD_SIZE + STAMPS_SIZE + RECORD_PLAIN_SIZE], between[RECORD_PLAIN_SIZE];
    if (actor->noted.silent)
        return;
    if (actor->noted.size)
        unlocking(cache, actor); /* what went for it, which may be its older self */
    struct record_plain plain = {.place = key->place, .key_size = key->name.size, .value_size = value.size};
    if (entry) {
        plain.expires_at_ms = entry->expires_at_ms;
        plain.stamp = entry->stamp;
    }
    if (cache->journal.place && value.size <= PLACED_VALUE_MAX)
        return place_plain(cache, actor, &plain, key->name, value, reserved);
    size_t between_size, size = begin_record(cache, actor, head);
    size += record_plain_write(&plain, head + size, between, &between_size);
    const struct slice parts[] = {slice_make(head, size), key->name, slice_make(between, between_size), value};
    stage(cache, actor, parts, COUNT_OF(parts), reserved);
}

/* ------------------------------------------------------------------------------------------ everything else */

/* Without memory to keep it until the lock is let go, it becomes a record of its own, behind what was noted before. */
static void stage_removal(struct cache *cache, struct actor *actor, uint32_t place, struct slice name) {
    uint8_t bytes[RECORD_HEAD_SIZE + STAMPS_SIZE + RECORD_REMOVE_SIZE];
    if (actor->noted.size)
        unlocking(cache, actor);
    size_t size = begin_record(cache, actor, bytes);
    size += record_remove_write(place, name.size, bytes + size);
    const struct slice parts[] = {slice_make(bytes, size), name};
    stage(cache, actor, parts, 2, 0);
}

void journal_removed(struct cache *cache, struct actor *actor, uint32_t place, struct slice name) {
    if (actor->noted.silent)
        return;
    if (make_room(cache, &actor->noted, RECORD_HEAD_SIZE + STAMPS_SIZE + RECORD_REMOVE_SIZE + name.size) != STATUS_OK)
        return stage_removal(cache, actor, place, name);
    uint8_t *to = next_part(cache, actor);
    size_t size = record_remove_write(place, name.size, to);
    if (name.size)
        memcpy(to + size, name.data, name.size);
    actor->noted.size += size + name.size;
}

static void removed(void *context, struct actor *actor, uint32_t place, struct slice name) {
    journal_removed(context, actor, place, name);
}

static void stage_part(struct cache *cache, struct actor *actor, const struct record_part *part) {
    uint8_t bytes[RECORD_HEAD_SIZE + STAMPS_SIZE + SMALL_PART_MAX];
    if (actor->noted.size)
        unlocking(cache, actor);
    size_t size = begin_record(cache, actor, bytes);
    size += record_part_write(part, bytes + size);
    ASSERT(size <= sizeof bytes);
    const struct slice record = slice_make(bytes, size);
    stage(cache, actor, &record, 1, 0);
}

/* At once, before anybody sees that they are forgotten. */
static void swept(void *context, struct actor *actor, uint64_t stamp) {
    stage_part(context, actor, &(struct record_part){.kind = RECORD_SWEPT, .stamp = stamp});
}

void journal_note(struct cache *cache, struct actor *actor, const struct record_part *part) {
    uint64_t most = RECORD_HEAD_SIZE + STAMPS_SIZE + record_part_size_max(part);
    if (!cache_locked(actor) || make_room(cache, &actor->noted, most) != STATUS_OK)
        return stage_part(cache, actor, part);
    uint8_t *to = next_part(cache, actor);
    actor->noted.size += record_part_write(part, to);
}

void journal_note_value(struct cache *cache, struct actor *actor, const struct record_part *part) {
    if (make_room(cache, &actor->noted, RECORD_HEAD_SIZE + STAMPS_SIZE + record_part_size_max(part)) != STATUS_OK)
        return;
    uint8_t *to = next_part(cache, actor);
    size_t size = record_part_write(part, to);
    if (part->value.size)
        memcpy(to + size, part->value.data, part->value.size);
    actor->noted.size += size + part->value.size;
}

void journal_stamps(struct cache *cache, struct actor *actor) {
    uint64_t taken = stamps_taken(cache);
    if (taken + STAMPS_AHEAD_MIN <= atomic_load_explicit(&cache->stamps_noted, memory_order_relaxed))
        return;
    struct record_part part = {.kind = RECORD_STAMPS, .stamp = taken + STAMPS_AHEAD};
    atomic_store_explicit(&cache->stamps_noted, taken + STAMPS_AHEAD, memory_order_relaxed);
    journal_note(cache, actor, &part);
}

enum status cache_journal_note(struct cache *cache, struct actor *actor, struct slice name, struct slice bytes) {
    struct record_part part = {.kind = RECORD_NOTE, .name = name, .value = bytes};
    const struct cache_journal *journal = &cache->journal;
    if (name.size == 0 || name.size > RECORD_NAME_MAX)
        return STATUS_INVALID;
    if (bytes.size > RECORD_VALUE_MAX)
        return STATUS_TOO_LARGE;
    if (!is_journaled(cache))
        return STATUS_OK;
    uint64_t reserved = RECORD_HEAD_SIZE + STAMPS_SIZE + SMALL_PART_MAX + bytes.size;
    TRY(journal->reserve(journal->context, reserved));
    if (actor->noted.size)
        unlocking(cache, actor);
    stage_note(cache, actor, &part, reserved);
    return STATUS_OK;
}

void cache_journal_set(struct cache *cache, struct actor *actor, const struct cache_journal *journal) {
    struct engine *engine = cache->engine;
    ASSERT(!cache_locked(actor) && !(journal && is_journaled(cache)));
    if (journal) {
        cache->journal = *journal;
        engine->journal = (struct store_journal){removed, swept, unlocking, cache};
        atomic_fetch_or_explicit(&cache->dressed, DRESS_JOURNAL, memory_order_release);
        atomic_fetch_or_explicit(&engine->changes.wanted, 1u << STORE_NOTED, memory_order_release);
    } else {
        atomic_fetch_and_explicit(&engine->changes.wanted, ~(1u << STORE_NOTED), memory_order_release);
        atomic_fetch_and_explicit(&cache->dressed, (unsigned char)~DRESS_JOURNAL, memory_order_release);
    }
    cache_changes_pass(cache, actor);
    if (journal)
        journal_stamps(cache, actor);
    else
        atomic_store_explicit(&cache->stamps_noted, 0, memory_order_relaxed);
}

void cache_journal_forget(struct cache *cache, struct actor *actor) {
    ASSERT(actor->noted.size == 0);
    memory_give(cache->memory, actor->noted.bytes, actor->noted.room);
    actor->noted.bytes = NULL;
    actor->noted.room = 0;
}
