/* core/cache/edit.c: everything that changes one entry. */
#include "core/cache/internal.h"

enum {
    SCRATCH_SIZE = 1024,
};

static struct store_key key_of(const struct cache_edit *edit) {
    return (struct store_key){edit->key.name, edit->key.hash, edit->key.place, NULL, NULL, 0};
}

/* Copies what the spot says into the public part. */
void edit_refresh(struct cache_edit *edit) {
    const struct store_spot *spot = spot_of(edit);
    edit->stale = edit->stale_at && spot->location == edit->stale_at &&
                  store_is_gone(edit->cache->engine, spot->location, &spot->entry, edit->key.name, edit->actor->now_ms);
    edit->nothing = spot->location && spot->entry.type == CACHE_NOTHING && !edit->stale;
    edit->found = spot->location && !edit->nothing && !edit->stale;
    if (edit->nothing)
        edit->expires_at_ms = spot->entry.expires_at_ms;
    if (!edit->found && !edit->stale)
        return;
    uint64_t first;
    edit->type = (enum cache_type)spot->entry.type;
    edit->size = store_value_size(edit->cache->engine, spot->location, &spot->entry, &first);
    edit->expires_at_ms = spot->entry.expires_at_ms;
    edit->version = spot->entry.stamp;
    edit->row = spot->entry.row;
}

void cache_edit_begin(struct cache *cache, struct actor *actor, const struct cache_key *key,
                      struct cache_edit *ret_edit) {
    struct store_key wanted;
    ret_edit->cache = cache;
    ret_edit->actor = actor;
    ret_edit->versioned = ret_edit->keeps_time = false;
    ret_edit->tags = NULL;
    ret_edit->tag_count = 0;
    ret_edit->set_row = ret_edit->set_stale_ms = ret_edit->stale_at = 0;
    ret_edit->kept = NULL;
    ret_edit->check = NULL;
    ret_edit->patch = slice_make(NULL, 0);
    if (!actor->promised)
        prepare_store(cache, actor, cache_store_of(cache, key), 0);
    ret_edit->locked_here = lock_key(cache, actor, key, &wanted, &ret_edit->shard);
    ret_edit->key = (struct cache_key){.name = key->name, .hash = wanted.hash, .db = key->db, .place = wanted.db};
    tidy_session(cache, actor, shard_of(ret_edit), &wanted);
    store_find(cache->engine, shard_of(ret_edit), &wanted, spot_of(ret_edit));
    edit_refresh(ret_edit);
    const struct store_spot *spot = spot_of(ret_edit);
    if (spot->location && store_is_gone(cache->engine, spot->location, &spot->entry, key->name, actor->now_ms))
        edit_begin_gone(ret_edit);
    else if (!spot->location && store_is_tiered(shard_of(ret_edit)))
        MAYBE(tier_give_up_found_nothing(cache, actor, &ret_edit->key) > 0);
}

void cache_edit_end(struct cache_edit *edit) {
    if (edit->locked_here) {
        store_unlock(edit->cache->engine, edit->actor, edit->shard);
        if (edit->actor->promised)
            reclaim_release_promise(edit->cache->engine, edit->actor);
        trim_store(edit->cache, edit->actor, edit->cache->engine->shards[edit->shard].store);
    }
    edit->cache = NULL;
}

struct slice cache_edit_piece(const struct cache_edit *edit, uint64_t offset) {
    ASSERT(edit->found || edit->stale);
    if (offset >= edit->size)
        return slice_make(NULL, 0);
    const struct store_spot *spot = const_spot_of(edit);
    const struct engine *engine = edit->cache->engine;
    uint64_t first;
    store_value_size(engine, spot->location, &spot->entry, &first);
    if (!first)
        return slice_make(engine->range.base + spot->location + spot->entry.value_at + offset, edit->size - offset);
    uint64_t size;
    const uint8_t *piece = extent_piece(&engine->range, first, offset, &size);
    ASSERT(piece);
    return slice_make(piece, size < edit->size - offset ? size : edit->size - offset);
}

void cache_edit_copy_out(const struct cache_edit *edit, uint64_t offset, void *ret_bytes, uint64_t size) {
    ASSERT((edit->found || edit->stale) && offset <= edit->size && size <= edit->size - offset);
    uint8_t *to = ret_bytes;
    while (size) {
        struct slice piece = cache_edit_piece(edit, offset);
        size_t part = piece.size < size ? piece.size : size;
        memcpy(to, piece.data, part);
        to += part, offset += part, size -= part;
    }
}

/* ------------------------------------------------------------------------------------------ writing */

bool edit_goes_inline(const struct engine *engine, uint64_t name_size, uint32_t tag_count, uint64_t value_size) {
    uint64_t most = store_inline_max(engine), fields = ENTRY_FIELDS_MAX + name_size + tag_count * ENTRY_TAG_SIZE;
    return value_size <= ENTRY_OWNED_SIZE || (fields <= most && value_size <= most - fields);
}

static uint32_t tags_of(const struct store_spot *spot) { return spot->location ? spot->entry.tag_count : 0; }

/* At most, by the rules. */
static uint32_t tags_to_come(const struct cache_edit *edit) { return is_ruled(edit->cache) ? CACHE_RULE_TAGS_MAX : 0; }

static enum status check_sizes(const struct cache_edit *edit, uint64_t value_size) {
    if (value_size > CACHE_VALUE_SIZE_MAX || edit->key.name.size > store_name_max(edit->cache->engine))
        return STATUS_TOO_LARGE;
    return STATUS_OK;
}

/* Another edit of the same thread, under locks taken for several keys, may have made the index split since, or have changed this key. */
static void find_anew(struct cache_edit *edit) {
    struct store_key key = key_of(edit);
    store_find(edit->cache->engine, shard_of(edit), &key, spot_of(edit));
    edit_refresh(edit);
}
void edit_look_again(struct cache_edit *edit) {
    if (!edit->locked_here)
        find_anew(edit);
}

/* The value's tags are taken for it, and given back if it fails. `kind`: what the journal is told. */
static enum status put_tagged(struct cache_edit *edit, const struct store_value *value, enum record_kind kind) {
    struct store_key key = key_of(edit);
    uint64_t before = spot_of(edit)->location ? edit->size : 0, promised = 0;
    enum status status = STATUS_OK;
    if (is_journaled(edit->cache))
        status = journal_promise(edit, value, kind, &promised);
    if (status == STATUS_OK)
        status = store_put(edit->cache->engine, edit->actor, shard_of(edit), &key, value, spot_of(edit));
    if (status != STATUS_OK) {
        tags_give(edit->cache, edit->actor, value->tags, value->tag_count);
        if (promised)
            journal_break_promise(edit->cache, edit->actor, promised);
        return status;
    }
    edit->stale_at = 0;
    edit_refresh(edit);
    note_change(edit);
    if (promised)
        journal_keep_promise(edit, kind, before);
    return STATUS_OK;
}

/* The numbers of what stands at the spot, held once more for an entry to come; answers how many. */
static uint32_t hold_tags(const struct cache_edit *edit, const struct store_spot *spot,
                          uint32_t ret_numbers[ENTRY_TAGS_MAX]) {
    uint32_t count = store_tags(edit->cache->engine, spot, ret_numbers);
    tags_hold(edit->cache, edit->actor, ret_numbers, count);
    return count;
}

/* What has been invalidated since the edit began is not written over but removed first: it may be the head of a session. */
static void end_dead(struct cache_edit *edit) {
    struct store_spot *spot = spot_of(edit);
    if (!spot->location || !store_is_dead(edit->cache->engine, spot->location, &spot->entry, edit->key.name))
        return;
    store_remove_gone(edit->cache->engine, edit->actor, shard_of(edit), spot);
    find_anew(edit);
}

/* Under other names: a value that is there is changed, and not made, or brought from elsewhere. */
static bool changes_itself(const struct cache_edit *edit, const struct store_spot *source) {
    return source && source == const_spot_of(edit) && source->location;
}

/* Tags that rules gave to an entry under its other name stay with that. */
static void leave_marked(const struct cache_edit *edit, struct store_value *value, uint32_t *numbers) {
    const struct cache *cache = edit->cache;
    uint32_t kept = 0;
    if (!cache->rules.marks)
        return;
    for (uint32_t i = 0; i < value->tag_count; i++) {
        uint8_t name[TAG_NAME_MAX];
        tag_name(&cache->engine->range, edit->actor, cache->engine->tags, numbers[i], name);
        if (name[0] && strchr(cache->rules.marks, name[0]))
            tags_give(edit->cache, edit->actor, &numbers[i], 1);
        else
            numbers[kept++] = numbers[i];
    }
    value->tag_count = kept;
}

/* Holds the tags that the write is to bear, and finds its stamp: with the tags of `source`, whose value this is, changed or not; NULL: with those
 * that the edit brings. What keeps tags is no younger than its source where one of them has been invalidated. */
static enum status bear_tags(struct cache_edit *edit, const struct store_spot *source, struct store_value *value,
                             uint32_t numbers[ENTRY_TAGS_MAX]) {
    value->tags = numbers;
    if (!source && edit->kept) {
        value->tags = edit->kept->numbers;
        value->tag_count = edit->kept->count;
        value->stamp = edit->kept->version;
        tags_hold(edit->cache, edit->actor, value->tags, value->tag_count);
    } else if (!source) {
        TRY(tags_take(edit->cache, edit->actor, edit->tags, edit->tag_count, CACHE_TAGS_MAX, numbers,
                      &value->tag_count));
    } else if (__builtin_expect(tags_of(source) != 0, 0)) {
        value->tag_count = hold_tags(edit, source, numbers);
        if (value->stamp != source->entry.stamp)
            value->stamp = store_stamp_kept(edit->cache->engine, edit->actor, source);
        if (source != const_spot_of(edit))
            leave_marked(edit, value, numbers);
    }
    return STATUS_OK;
}

/* Of a session the head's time is that of all, and nobody wants to see that there was nothing. */
static void bound_stale(const struct cache_edit *edit, struct store_value *value) {
    if (store_is_by_session(shard_of(edit)) || value->type == CACHE_NOTHING)
        value->stale = 0;
}

/* Asks the rules about a write, whose own tags are held already; on failure they are given back. */
__attribute__((noinline)) static enum status follow_rules(struct cache_edit *edit, bool created,
                                                          struct store_value *value, uint32_t numbers[ENTRY_TAGS_MAX]) {
    struct cache *cache = edit->cache;
    struct cache_terms terms = {
        .created = created, .expires_at_ms = value->expires_at_ms, .stale_ms = entry_stale_ms(value->stale)};
    enum status status = cache->rules.terms(cache->rules.context, edit->actor, edit->key.name, &terms);
    if (status == STATUS_OK)
        status = tags_take(cache, edit->actor, terms.tags, terms.tag_count, ENTRY_TAGS_MAX, numbers, &value->tag_count);
    if (status != STATUS_OK) {
        tags_give(cache, edit->actor, value->tags, value->tag_count);
        return status;
    }
    value->expires_at_ms = terms.expires_at_ms;
    value->stale = entry_stale_code(terms.stale_ms);
    bound_stale(edit, value);
    return STATUS_OK;
}

/* What says something of the time that stays. Rules have a tag less where it does, so there is room. */
static void keep_time_marks(const struct cache_edit *edit, struct store_value *value,
                            uint32_t numbers[ENTRY_TAGS_MAX]) {
    struct engine *engine = edit->cache->engine;
    uint32_t old[ENTRY_TAGS_MAX], count = store_tags(engine, const_spot_of(edit), old);
    for (uint32_t i = 0; i < count && value->tag_count < edit->tag_count + CACHE_RULE_TAGS_MAX; i++) {
        uint8_t name[TAG_NAME_MAX];
        tag_name(&engine->range, edit->actor, engine->tags, old[i], name);
        if (name[0] != (uint8_t)edit->cache->rules.time_mark)
            continue;
        tags_hold(edit->cache, edit->actor, &old[i], 1);
        numbers[value->tag_count++] = old[i];
    }
}

/* The given version and the time of staleness, from where the tags come from; a value that is changed is not what was given the version. */
static void bear_versions(const struct cache_edit *edit, const struct store_spot *source, struct store_value *value) {
    if (source) {
        value->row = source == const_spot_of(edit) ? 0 : source->entry.row;
        value->stale = source->location ? source->entry.stale : 0;
    } else if (edit->kept) {
        value->row = edit->kept->row;
        value->stale = edit->kept->stale;
    } else {
        value->row = edit->set_row;
        value->stale = entry_stale_code(edit->set_stale_ms);
    }
    bound_stale(edit, value);
}

/* Whether the value may be written; else its tags are given back. One with tags is as old as the answer says. */
__attribute__((noinline)) static enum status ask_check(struct cache_edit *edit, struct store_value *value) {
    struct engine *engine = edit->cache->engine;
    uint8_t bytes[ENTRY_TAGS_MAX][TAG_NAME_MAX];
    struct slice names[ENTRY_TAGS_MAX];
    uint64_t stamp;
    for (uint32_t i = 0; i < value->tag_count; i++) {
        size_t size = tag_name(&engine->range, edit->actor, engine->tags, value->tags[i], bytes[i]);
        names[i] = slice_make(bytes[i], size);
    }
    enum status status = edit->check->call(edit->check->context, names, value->tag_count, &stamp);
    if (status != STATUS_OK)
        tags_give(edit->cache, edit->actor, value->tags, value->tag_count);
    else if (value->tag_count)
        value->stamp = stamp;
    return status;
}

/* Writes the value, of which `source` is as in bear_tags. The expiry of a new one is what was asked for: rules and the store see to the rest. */
static enum status put(struct cache_edit *edit, const struct store_value *wanted, const struct store_spot *source) {
    struct store_value value = *wanted;
    uint32_t numbers[ENTRY_TAGS_MAX];
    edit_look_again(edit);
    if (!source)
        end_dead(edit);
    bool itself = changes_itself(edit, source), back = !source && edit->kept;
    bool keeps_time = edit->keeps_time && !source && edit->found;
    bool created = !back && !itself && !keeps_time && (!source || source == spot_of(edit));
    TRY(bear_tags(edit, source, &value, numbers));
    bear_versions(edit, source, &value);
    if (is_ruled(edit->cache) && !itself && !back)
        TRY(follow_rules(edit, created, &value, numbers));
    if (is_ruled(edit->cache) && keeps_time && edit->cache->rules.time_mark)
        keep_time_marks(edit, &value, numbers);
    value.unseen = !itself && (edit->nothing || edit->stale);
    bool checked = __builtin_expect(edit->check != NULL, 0) && !source;
    if (checked)
        TRY(ask_check(edit, &value));
    if (!itself && !back && !keeps_time) /* copies, too */
        value.expires_at_ms = expiry_of_new(edit->cache, edit->actor, edit->key.hash, value.expires_at_ms);
    if (value.tag_count && (!source || !value.stamp) && !back && !checked)
        value.stamp = store_stamp_next(edit->cache->engine);
    bool patched = value.lives_on && spot_of(edit)->location;
    TRY(put_tagged(edit, &value, itself && edit->patch.size ? RECORD_PATCH : RECORD_PUT));
    if (patched)
        tell(edit, CACHE_PATCHED);
    return STATUS_OK;
}

enum status edit_take_extents(struct range *range, struct actor *actor, uint64_t size, struct extents *ret_extents) {
    struct extents chain = {0};
    while (chain.room < size)
        if (!extent_add(range, actor, &chain, size - chain.room)) {
            if (chain.first)
                extent_release(range, actor, chain.first);
            return STATUS_FULL;
        }
    *ret_extents = chain;
    return STATUS_OK;
}

void edit_fill_extents(struct range *range, uint64_t first, uint64_t offset, const uint8_t *bytes, uint64_t size) {
    struct extent_cursor cursor = extent_seek(range, first, offset);
    while (size) {
        uint64_t part;
        uint8_t *to = extent_next(range, &cursor, size, &part);
        ASSERT(to);
        if (bytes)
            words_write(to, bytes, part);
        else
            words_zero(to, part);
        bytes = bytes ? bytes + part : NULL;
        size -= part;
    }
}

/* The version of what a set writes. */
static uint64_t new_stamp(const struct cache_edit *edit) {
    return edit->versioned ? store_stamp_next(edit->cache->engine) : 0;
}

enum status edit_put_extents(struct cache_edit *edit, struct extents chain, uint64_t size, uint32_t type,
                             uint64_t expires_at_ms, const struct store_spot *source) {
    struct store_value value = {.type = type,
                                .expires_at_ms = expires_at_ms,
                                .stamp = new_stamp(edit),
                                .lives_on = source == spot_of(edit),
                                .extents = chain,
                                .extents_size = size};
    enum status status = put(edit, &value, source);
    if (status != STATUS_OK)
        extent_release(&edit->cache->engine->range, edit->actor, chain.first);
    return status;
}

static enum status set_from(struct cache_edit *edit, enum cache_type type, struct slice value, uint64_t expires_at_ms,
                            const struct store_spot *source) {
    TRY(check_sizes(edit, value.size));
    uint32_t tag_count = (source ? tags_of(source) : edit->tag_count) + tags_to_come(edit);
    if (edit_goes_inline(edit->cache->engine, edit->key.name.size, tag_count, value.size)) {
        struct store_value wanted = {
            .type = type, .expires_at_ms = expires_at_ms, .stamp = new_stamp(edit), .value = value};
        return put(edit, &wanted, source);
    }
    struct range *range = &edit->cache->engine->range;
    struct extents chain;
    TRY(edit_take_extents(range, edit->actor, value.size, &chain));
    edit_fill_extents(range, chain.first, 0, value.data, value.size);
    return edit_put_extents(edit, chain, value.size, type, expires_at_ms, source);
}

enum status cache_edit_set(struct cache_edit *edit, enum cache_type type, struct slice value, uint64_t expires_at_ms) {
    return set_from(edit, type, value, expires_at_ms, NULL);
}

enum status cache_edit_change(struct cache_edit *edit, struct slice value) {
    edit_look_again(edit);
    return edit->found ? set_from(edit, edit->type, value, edit->expires_at_ms, spot_of(edit)) : STATUS_INVALID;
}

bool cache_edit_keep_tags(const struct cache_edit *edit, struct cache_kept_tags *ret_kept) {
    const struct store_spot *spot = const_spot_of(edit);
    *ret_kept = (struct cache_kept_tags){.count = 0};
    if (!edit->found || (tags_of(spot) == 0 && !spot->entry.row && !spot->entry.stale))
        return false;
    ret_kept->version = spot->entry.stamp;
    ret_kept->row = spot->entry.row;
    ret_kept->stale = spot->entry.stale;
    ret_kept->count = hold_tags(edit, spot, ret_kept->numbers);
    return true;
}

/* Before its time: to the store it goes as what had gone already, of which the journal would hear nothing. */
static void remove_stale(struct cache_edit *edit) {
    if (is_journaled(edit->cache))
        journal_removed(edit->cache, edit->actor, edit->key.place, edit->key.name);
    store_remove_gone(edit->cache->engine, edit->actor, shard_of(edit), spot_of(edit));
}

static void remove_but(struct cache_edit *edit, uint64_t kept) {
    edit_look_again(edit);
    if (edit->stale) {
        tell(edit, CACHE_STALE_GONE);
        remove_stale(edit);
        edit->stale = false;
        note_change(edit);
    }
    if (!edit->found && !edit->nothing) {
        /* The log may know a value that the tier has lost since, of which it was not told. */
        if (edit->cache->engine->tier && is_journaled(edit->cache))
            journal_removed(edit->cache, edit->actor, edit->key.place, edit->key.name);
        tell(edit, CACHE_NOTHING_DELETED);
        return;
    }
    store_remove_but(edit->cache->engine, edit->actor, shard_of(edit), spot_of(edit), STORE_DELETED, kept);
    note_change(edit);
    edit->found = edit->nothing = false;
}

void cache_edit_delete(struct cache_edit *edit) { remove_but(edit, 0); }

void cache_edit_delete_but(struct cache_edit *edit, const struct cache_edit *seen) {
    struct cache_edit kept = *seen;
    edit_look_again(&kept);
    remove_but(edit, kept.found ? spot_of(&kept)->location : 0);
}

void cache_edit_undo(struct cache_edit *edit) {
    edit_look_again(edit);
    if (!spot_of(edit)->location)
        return;
    store_remove_alone(edit->cache->engine, edit->actor, shard_of(edit), spot_of(edit), STORE_DELETED);
    note_change(edit);
    edit->found = edit->nothing = edit->stale = false;
}

/* Some patches of a value, of which each begins behind the end of the one before, and how long the value is afterwards. */
struct patches {
    const struct cache_patch *list;
    uint32_t count;
    uint64_t new_size;
};

/* What nobody sees is not patched, but written over: what comes begins anew, without its tags and its expiry. */
static uint64_t expiry_of_patched(const struct cache_edit *edit) { return edit->found ? edit->expires_at_ms : 0; }
static uint64_t size_of_patched(const struct cache_edit *edit) { return edit->found ? edit->size : 0; }
static const struct store_spot *source_of_patched(struct cache_edit *edit) {
    return edit->nothing || edit->stale ? NULL : spot_of(edit);
}

/* Writes the patches into a chain that holds a value of `size` bytes, and zeros before those behind its end. */
static void patch_extents(struct range *range, uint64_t first, uint64_t size, const struct patches *patches) {
    for (uint32_t i = 0; i < patches->count; i++) {
        const struct cache_patch *patch = &patches->list[i];
        if (patch->offset > size)
            edit_fill_extents(range, first, size, NULL, patch->offset - size);
        edit_fill_extents(range, first, patch->offset, patch->bytes.data, patch->bytes.size);
        size = patch->offset + patch->bytes.size > size ? patch->offset + patch->bytes.size : size;
    }
}

/* Copies the value as it is into a chain that has room for it, both piece by piece. */
static void copy_value(const struct cache_edit *edit, uint64_t to) {
    struct range *range = &edit->cache->engine->range;
    const struct store_spot *spot = const_spot_of(edit);
    uint64_t from;
    store_value_size(edit->cache->engine, spot->location, &spot->entry, &from);
    if (!from) {
        edit_fill_extents(range, to, 0, cache_edit_piece(edit, 0).data, edit->size);
        return;
    }
    struct extent_cursor read = extent_seek(range, from, 0), write = extent_seek(range, to, 0);
    for (uint64_t size = edit->size, part; size; size -= part) {
        const uint8_t *piece = extent_next(range, &read, size, &part);
        for (uint64_t done = 0, written; done < part; done += written) {
            uint8_t *at = extent_next(range, &write, part - done, &written);
            ASSERT(piece && at);
            words_write(at, piece + done, written);
        }
    }
}

/* Builds the patched value anew in a chain. */
static enum status patch_to_new_extents(struct cache_edit *edit, const struct patches *patches) {
    struct range *range = &edit->cache->engine->range;
    struct extents chain;
    TRY(edit_take_extents(range, edit->actor, patches->new_size, &chain));
    if (size_of_patched(edit))
        copy_value(edit, chain.first);
    patch_extents(range, chain.first, size_of_patched(edit), patches);
    return edit_put_extents(edit, chain, patches->new_size, edit->found ? edit->type : CACHE_STRING,
                            expiry_of_patched(edit), source_of_patched(edit));
}

/* Writes into the chain that is there, if no reader holds it. False: it has to be done elsewhere. */
static bool patch_in_place(struct cache_edit *edit, const struct patches *patches) {
    struct engine *engine = edit->cache->engine;
    struct store_spot *spot = spot_of(edit);
    uint64_t first, size = store_value_size(engine, spot->location, &spot->entry, &first), new_size = patches->new_size;
    struct extents chain = {.first = first};
    chain.room = extent_room(&engine->range, first, &chain.last);
    uint64_t charge = extent_charge(&engine->range, first);
    index_write_begin(spot->bucket);
    /* A given version goes with the value that it was given to, and its room can only go with the entry. */
    bool alone = extent_alone(&engine->range, first) && !spot->entry.row;
    /* While the number is odd nobody new gets hold of the chain, so it may grow; growth by an eighth keeps appending linear. */
    uint64_t wanted = new_size > chain.room ? new_size + size / 8 - chain.room : 0;
    while (alone && chain.room < new_size && extent_add(&engine->range, edit->actor, &chain, wanted))
        wanted = new_size > chain.room ? new_size - chain.room : 0;
    alone = alone && chain.room >= new_size;
    if (alone) {
        extent_set_owner(&engine->range, first, edit->key.hash);
        patch_extents(&engine->range, first, size, patches);
        uint64_t parts[2] = {new_size, first};
        words_write(engine->range.base + spot->location + spot->entry.value_at, parts, sizeof parts);
        store_stamp_renew(engine, edit->actor, spot);
    }
    index_write_end(spot->bucket);
    uint64_t charge_now = extent_charge(&engine->range, first);
    if (charge_now != charge) {
        store_account(engine, shard_of(edit), spot->location, &spot->entry, charge, -1);
        store_account(engine, shard_of(edit), spot->location, &spot->entry, charge_now, 1);
    }
    if (alone) {
        store_spot_use(spot);
        edit_refresh(edit);
        note_change(edit);
        tell(edit, CACHE_PATCHED);
    }
    return alone;
}

/* Builds the patched value in private memory and puts it. */
static enum status patch_inline(struct cache_edit *edit, const struct patches *patches) {
    uint8_t scratch[SCRATCH_SIZE];
    const struct memory *memory = edit->cache->memory;
    uint64_t size = size_of_patched(edit), new_size = patches->new_size;
    uint8_t *value = new_size <= sizeof scratch ? scratch : memory_take(memory, new_size);
    if (!value)
        return STATUS_NO_MEMORY;
    if (size)
        cache_edit_copy_out(edit, 0, value, size);
    if (new_size > size)
        memset(value + size, 0, new_size - size);
    for (uint32_t i = 0; i < patches->count; i++)
        if (patches->list[i].bytes.size)
            memcpy(value + patches->list[i].offset, patches->list[i].bytes.data, patches->list[i].bytes.size);
    const struct store_spot *source = source_of_patched(edit);
    struct store_value wanted = {
        .type = edit->found ? edit->type : CACHE_STRING,
        .expires_at_ms = expiry_of_patched(edit),
        .lives_on = source != NULL,
        .value = slice_make(value, new_size),
    };
    enum status status = put(edit, &wanted, source);
    if (value != scratch)
        memory_give(memory, value, new_size);
    return status;
}

/* What patch_in_place does, if the journal takes it. Several patches are journaled as the value that they make, which is written anew then. */
static enum status patch_chain(struct cache_edit *edit, const struct patches *patches) {
    uint64_t before = edit->size, promised = 0;
    bool journaled = is_journaled(edit->cache);
    if (journaled && patches->count > 1)
        return patch_to_new_extents(edit, patches);
    if (journaled)
        TRY(journal_promise(edit, &(struct store_value){.tag_count = tags_of(spot_of(edit))}, RECORD_PATCH, &promised));
    bool done = patch_in_place(edit, patches);
    if (done && promised)
        journal_keep_promise(edit, edit->patch.size ? RECORD_PATCH : RECORD_FACTS, before);
    else if (promised)
        journal_break_promise(edit->cache, edit->actor, promised);
    return done ? STATUS_OK : patch_to_new_extents(edit, patches);
}

static enum status patch(struct cache_edit *edit, struct patches patches, uint64_t end) {
    edit_look_again(edit);
    patches.new_size = end > size_of_patched(edit) ? end : size_of_patched(edit);
    TRY(check_sizes(edit, patches.new_size));
    const struct store_spot *source = source_of_patched(edit);
    if (edit->found && (source->entry.flags & ENTRY_OBJECT))
        return STATUS_INVALID;
    if (edit->found && (source->entry.flags & ENTRY_EXTENTS))
        return patch_chain(edit, &patches);
    uint32_t tag_count = (source ? tags_of(source) : 0) + tags_to_come(edit);
    if (edit_goes_inline(edit->cache->engine, edit->key.name.size, tag_count, patches.new_size))
        return patch_inline(edit, &patches);
    return patch_to_new_extents(edit, &patches);
}

enum status cache_edit_patch_all(struct cache_edit *edit, const struct cache_patch *list, uint32_t count) {
    uint64_t end = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (list[i].offset > CACHE_VALUE_SIZE_MAX || list[i].bytes.size > CACHE_VALUE_SIZE_MAX)
            return STATUS_TOO_LARGE;
        ASSERT(list[i].offset >= end);
        end = list[i].offset + list[i].bytes.size;
    }
    if (count == 1) {
        edit->patch = list[0].bytes;
        edit->patch_at = list[0].offset;
    }
    enum status status = patch(edit, (struct patches){.list = list, .count = count}, end);
    edit->patch = slice_make(NULL, 0);
    return status;
}

enum status cache_edit_patch(struct cache_edit *edit, uint64_t offset, struct slice bytes) {
    return cache_edit_patch_all(edit, &(struct cache_patch){offset, bytes}, 1);
}

/* Writes the entry anew with the value that it has, but expiry, stamp and tags as wanted. */
static enum status rewrite(struct cache_edit *edit, const struct store_value *wanted) {
    ASSERT(edit->found || edit->stale);
    struct store_spot *spot = spot_of(edit);
    struct engine *engine = edit->cache->engine;
    uint64_t first, size = store_value_size(engine, spot->location, &spot->entry, &first);
    struct store_value value = *wanted;
    value.type = spot->entry.type;
    value.row = spot->entry.row;
    value.lives_on = true;
    if (spot->entry.flags & ENTRY_OBJECT) {
        struct object_root root = store_root(engine, spot);
        value.root = &root;
        return put_tagged(edit, &value, RECORD_FACTS);
    }
    if (!first) {
        /* The bytes stand in the range, where the lock keeps them still; the new entry never overlaps the old one unless it is
         * the same place, and then the value lies at the same offset. */
        value.value = slice_make(engine->range.base + spot->location + spot->entry.value_at, size);
        return put_tagged(edit, &value, RECORD_FACTS);
    }
    value.extents.first = first;
    value.extents_size = size;
    /* The old entry lets go of the chain that the new one takes over. */
    bool held = extent_hold(&engine->range, first);
    ASSERT(held);
    enum status status = put_tagged(edit, &value, RECORD_FACTS);
    if (status != STATUS_OK)
        extent_release(&engine->range, edit->actor, first);
    return status;
}

enum status edit_rewrite_with_tags(struct cache_edit *edit, const struct store_value *beside) {
    uint32_t numbers[ENTRY_TAGS_MAX];
    struct store_value wanted = *beside;
    wanted.tags = numbers;
    wanted.tag_count = hold_tags(edit, spot_of(edit), numbers);
    return rewrite(edit, &wanted);
}

/* Whether the entry has these tags already, and that expiry and time of staleness: most have when rules are loaded. */
static bool is_as_wanted(const struct cache_edit *edit, const struct store_value *wanted) {
    const struct store_spot *spot = const_spot_of(edit);
    uint32_t numbers[ENTRY_TAGS_MAX], count = store_tags(edit->cache->engine, spot, numbers), same = 0;
    if (count != wanted->tag_count || wanted->expires_at_ms != spot->entry.expires_at_ms ||
        wanted->stale != spot->entry.stale)
        return false;
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t j = 0; j < count; j++)
            same += wanted->tags[i] == numbers[j];
    return same == count; /* each stands there once */
}

/* Instead of its tags, these, and those that the rules put on. */
static enum status retag(struct cache_edit *edit, const struct slice *tags, uint32_t tag_count) {
    struct engine *engine = edit->cache->engine;
    struct store_spot *spot = spot_of(edit);
    uint32_t numbers[ENTRY_TAGS_MAX];
    struct store_value wanted = {
        .expires_at_ms = edit->expires_at_ms, .stale = spot->entry.stale, .stamp = spot->entry.stamp, .tags = numbers};
    TRY(tags_take(edit->cache, edit->actor, tags, tag_count, ENTRY_TAGS_MAX, numbers, &wanted.tag_count));
    if (is_ruled(edit->cache))
        TRY(follow_rules(edit, false, &wanted, numbers));
    if (is_as_wanted(edit, &wanted)) {
        tags_give(edit->cache, edit->actor, numbers, wanted.tag_count);
        return STATUS_OK;
    }
    if (wanted.tag_count || tags_of(spot))
        wanted.stamp = store_stamp_kept(engine, edit->actor, spot);
    if (tags_of(spot) &&
        store_is_dead(engine, spot->location, &spot->entry, edit->key.name)) { /* invalidated since the edit began */
        tags_give(edit->cache, edit->actor, numbers, wanted.tag_count);
        store_remove_gone(engine, edit->actor, shard_of(edit), spot);
        edit->found = false;
        return STATUS_OK;
    }
    TRY(rewrite(edit, &wanted));
    tell(edit, CACHE_RETAGGED);
    return STATUS_OK;
}

enum status cache_edit_retag(struct cache_edit *edit, const struct slice *tags, uint32_t tag_count) {
    ASSERT(edit->found);
    edit_look_again(edit);
    return edit->found ? retag(edit, tags, tag_count) : STATUS_INVALID;
}

/* Names of tags, copied. */
struct own_tags {
    const char *marks; /* first bytes of those that are not taken */
    uint32_t count;
    struct slice names[ENTRY_TAGS_MAX];
    uint8_t bytes[ENTRY_TAGS_MAX][TAG_NAME_MAX];
};

static void take_own(void *context, struct slice name) {
    struct own_tags *own = context;
    if (name.data[0] && strchr(own->marks, name.data[0]))
        return;
    memcpy(own->bytes[own->count], name.data, name.size);
    own->names[own->count] = slice_make(own->bytes[own->count], name.size);
    own->count++;
}

enum status cache_edit_reclass(struct cache_edit *edit) {
    ASSERT(edit->found);
    edit_look_again(edit);
    if (!edit->found)
        return STATUS_INVALID;
    const char *marks = edit->cache->rules.marks;
    struct own_tags own = {.marks = marks ? marks : ""};
    cache_edit_tags(edit, take_own, &own);
    enum status status = retag(edit, own.names, own.count);
    /* Behind those that clients gave stand those of classes that it was in before, which are not its own for ever. */
    return status == STATUS_INVALID && own.count > CACHE_TAGS_MAX ? retag(edit, own.names, CACHE_TAGS_MAX) : status;
}

/* Not later than the rules allow. */
static uint64_t bounded_expiry(const struct cache_edit *edit, uint64_t expires_at_ms) {
    const struct cache_rules *rules = &edit->cache->rules;
    struct cache_terms terms = {.expires_at_ms = expires_at_ms};
    if (!is_ruled(edit->cache) || rules->terms(rules->context, edit->actor, edit->key.name, &terms) != STATUS_OK)
        return expires_at_ms;
    return terms.expires_at_ms;
}

enum status cache_edit_expire(struct cache_edit *edit, uint64_t expires_at_ms) {
    ASSERT(edit->found);
    edit_look_again(edit);
    if (!edit->found)
        return STATUS_INVALID;
    const struct entry *entry = &spot_of(edit)->entry;
    TRY(edit_rewrite_with_tags(
        edit, &(struct store_value){
                  .expires_at_ms = bounded_expiry(edit, expires_at_ms), .stale = entry->stale, .stamp = entry->stamp}));
    tell(edit, CACHE_EXPIRY_SET);
    return STATUS_OK;
}

enum status cache_edit_version(struct cache_edit *edit) {
    ASSERT(edit->found);
    edit_look_again(edit);
    if (!edit->found)
        return STATUS_INVALID;
    if (edit->version)
        return STATUS_OK;
    return edit_rewrite_with_tags(edit, &(struct store_value){.expires_at_ms = edit->expires_at_ms,
                                                              .stale = spot_of(edit)->entry.stale,
                                                              .stamp = store_stamp_next(edit->cache->engine)});
}

enum status cache_edit_copy(const struct cache_edit *seen, struct cache_edit *to, uint64_t expires_at_ms) {
    struct cache_edit source = *seen;
    const struct cache_edit *from = &source;
    ASSERT(from->found);
    edit_look_again(&source);
    if (!from->found || (const_spot_of(from)->entry.flags & ENTRY_OBJECT))
        return STATUS_INVALID;
    atomic_fetch_add(&to->cache->transfers, 1);
    const struct store_spot *spot = const_spot_of(from);
    if (edit_goes_inline(to->cache->engine, to->key.name.size, tags_of(spot) + tags_to_come(to), from->size)) {
        struct slice piece = cache_edit_piece(from, 0);
        if (piece.size == from->size || from->size == 0)
            return set_from(to, from->type, piece, expires_at_ms, spot);
    }
    TRY(check_sizes(to, from->size));
    struct range *range = &to->cache->engine->range;
    struct extents chain = {0};
    uint64_t first;
    store_value_size(from->cache->engine, spot->location, &spot->entry, &first);
    if (first) {
        /* Both own the chain from now on; whoever patches it first makes a chain of its own. */
        bool held = extent_hold(range, first);
        ASSERT(held);
        chain.first = first;
        return edit_put_extents(to, chain, from->size, from->type, expires_at_ms, spot);
    }
    TRY(edit_take_extents(range, to->actor, from->size, &chain));
    edit_fill_extents(range, chain.first, 0, cache_edit_piece(from, 0).data, from->size);
    return edit_put_extents(to, chain, from->size, from->type, expires_at_ms, spot);
}

void cache_edit_count_read(struct cache_edit *edit) {
    struct actor_counts *of_store = edit->actor->of_store;
    if (of_store)
        of_store += edit->cache->engine->shards[edit->shard].store;
    if (!edit->found) {
        edit->actor->counts.misses++;
        if (of_store)
            of_store->misses++;
        store_tell(edit->cache->engine, edit->actor, CACHE_MISSED, edit->key.db, edit->key.name);
        return;
    }
    edit->actor->counts.hits++;
    if (of_store)
        of_store->hits++;
    edit_look_again(edit);
    if (!spot_of(edit)->location)
        return;
    _Atomic uint64_t *cell_at = spot_of(edit)->cell;
    uint64_t cell = atomic_load_explicit(cell_at, memory_order_relaxed);
    cell_count_use(cell_at, cell);
}

bool cache_delete(struct cache *cache, struct actor *actor, const struct cache_key *key) {
    struct cache_edit edit;
    cache_edit_begin(cache, actor, key, &edit);
    bool found = edit.found;
    cache_edit_delete(&edit);
    cache_edit_end(&edit);
    return found;
}

enum status cache_edit_set_upload(struct cache_edit *edit, struct cache_upload *upload, uint64_t expires_at_ms) {
    ASSERT(upload->first && upload->filled == upload->size);
    TRY(check_sizes(edit, upload->size));
    bool is_at_home = edit->cache->engine->shards[edit->shard].store == upload->store;
    struct store_value value = {
        .type = CACHE_STRING,
        .expires_at_ms = expires_at_ms,
        .extents = {upload->first, upload->last, upload->room},
        .extents_size = upload->size,
        .reserved = is_at_home ? upload_reserved(edit->cache, upload) : 0,
    };
    TRY(put(edit, &value, NULL));
    upload_return_reserved(edit->cache, upload);
    *upload = (struct cache_upload){0};
    return STATUS_OK;
}
