#include "sys/warm/warm.h"

#include <errno.h>

#include "base/assert.h"
#include "sys/warm/warm_inner.h"

/* --- slots --- */

void slot_push(struct warm *warm, struct slot_list *list, uint32_t slot) {
    warm->slots[slot].next = SLOT_NONE;
    if (list->count++)
        warm->slots[list->last].next = slot;
    else
        list->first = slot;
    list->last = slot;
}

uint32_t slot_pop(struct warm *warm, struct slot_list *list) {
    ASSERT(list->count);
    uint32_t slot = list->first;
    list->first = warm->slots[slot].next;
    list->count--;
    return slot;
}

bool warm_span(const struct warm *warm, uint64_t address, uint64_t *ret_position, uint32_t *ret_size,
               uint32_t *ret_lead) {
    uint64_t at = warm_address_position(address);
    if (address >> WARM_ADDRESS_BITS || at / warm->segment_size >= warm->slots_count)
        return false;
    uint64_t segment_end = (at / warm->segment_size + 1) * warm->segment_size;
    uint64_t begin = at, end = at + warm_address_size(address);
    if (warm->direct) {
        begin &= ~(uint64_t)(WARM_BLOCK_SIZE - 1);
        end = bits_align_up(end, WARM_BLOCK_SIZE);
    }
    *ret_position = begin;
    *ret_size = (uint32_t)((end < segment_end ? end : segment_end) - begin);
    *ret_lead = (uint32_t)(at - begin);
    return true;
}

uint64_t warm_generation(const struct warm *warm, uint64_t address) {
    uint64_t slot = warm_address_position(address) / warm->segment_size;
    return slot < warm->slots_count ? atomic_load(&warm->slots[slot].generation) : 0;
}

void warm_item_of(const struct warm *warm, uint32_t slot, const uint8_t *segment_end, uint32_t number,
                  struct warm_item *ret_item) {
    struct warm_index_entry entry;
    warm_index_entry_decode(segment_end - warm_index_back(number), &entry);
    *ret_item = (struct warm_item){
        .address = warm_address(slot_position(warm, slot) + entry.offset, entry.size),
        .hash = entry.hash,
        .word = entry.word,
        .size_bytes = entry.size,
        .from = entry.from,
        .generation = atomic_load(&warm->slots[slot].generation),
    };
}

void warm_tell(const struct warm *warm, enum warm_trouble_kind kind, uint64_t offset, int error) {
    struct warm_trouble trouble = {.kind = kind, .name = warm->name, .offset = offset, .error = error};
    if (warm->hooks.trouble)
        warm->hooks.trouble(warm->hooks.context, &trouble);
}

void warm_count_out(struct warm *warm, struct warm_slot *slot) {
    atomic_store(&slot->generation, 0);
    warm->statistics.records -= slot->count;
    warm->statistics.used_bytes -= slot->records_size;
    warm->statistics.segments_used--;
}

/* --- adding, under the lock --- */

static uint32_t fill(const struct warm_slot *slot) {
    return (uint32_t)bits_align_up(slot->records_size, WARM_RECORD_ALIGNMENT);
}

static bool fits(const struct warm *warm, const struct warm_slot *slot, uint32_t size) {
    return (uint64_t)fill(slot) + size + warm_index_back(slot->count) <= warm->segment_size;
}

static bool open_segment(struct warm *warm) {
    uint8_t number = 0;
    while (number < warm->buffers_count && warm->buffers[number].slot != SLOT_NONE)
        number++;
    if (number == warm->buffers_count || !warm->free.count)
        return false;
    uint32_t place = slot_pop(warm, &warm->free);
    struct warm_slot *slot = &warm->slots[place];
    struct warm_buffer *buffer = &warm->buffers[number];
    uint64_t generation = warm->next_generation++;
    ASSERT(slot->state == SLOT_FREE && atomic_load(&slot->generation) == 0);
    buffer->slot = place;
    buffer->salt = rng_next(&warm->salts);
    slot->seed = warm_segment_seed(warm->id, slot_position(warm, place), generation, buffer->salt);
    slot->count = 0;
    slot->records_size = WARM_SEGMENT_HEADER_SIZE;
    slot->state = SLOT_OPEN;
    slot->buffer = number;
    atomic_store(&slot->generation, generation);
    warm->open = number;
    warm->statistics.segments_used++;
    warm->statistics.used_bytes += slot->records_size;
    if (warm_wants_slots(warm))
        pthread_cond_signal(&warm->work);
    warm_note_pressure(warm);
    return true;
}

void warm_seal(struct warm *warm) {
    struct warm_slot *slot = &warm->slots[warm->buffers[warm->open].slot];
    ASSERT(slot->state == SLOT_OPEN && slot->count);
    slot->state = SLOT_SEALED;
    warm->sealed[warm->sealed_count++] = warm->open;
    warm->open = BUFFER_NONE;
    warm_note_pressure(warm);
    pthread_cond_signal(&warm->work);
}

enum status warm_make_room(struct warm *warm, uint32_t size) {
    if (warm->open != BUFFER_NONE && !fits(warm, &warm->slots[warm->buffers[warm->open].slot], size))
        warm_seal(warm);
    return warm->open != BUFFER_NONE || open_segment(warm) ? STATUS_OK : STATUS_BUSY;
}

/* The value, where the record has room left for it. */
static void put_pieces(const struct warm_record *record, uint8_t *end) {
    uint8_t *to = end - record->parts.value.size;
    for (uint32_t i = 0; i < record->piece_count; i++) {
        ASSERT(record->pieces[i].size <= (size_t)(end - to));
        memcpy(to, record->pieces[i].data, record->pieces[i].size);
        to += record->pieces[i].size;
    }
    ASSERT(to == end);
}

enum status warm_append(struct warm *warm, const struct warm_record *record, const struct warm_item *from,
                        uint64_t *ret_address) {
    uint32_t size = (uint32_t)warm_record_size(&record->parts);
    TRY(warm_make_room(warm, size));
    struct warm_buffer *buffer = &warm->buffers[warm->open];
    struct warm_slot *slot = &warm->slots[buffer->slot];
    uint32_t offset = fill(slot);
    ASSERT(fits(warm, slot, size));
    struct warm_index_entry entry = {.hash = record->hash, .word = record->word, .offset = offset, .size = size};
    if (from)
        entry.from = warm_from(from->address, atomic_load(&slot->generation) - from->generation);
    memset(buffer->bytes + slot->records_size, 0, offset - slot->records_size);
    warm_record_encode(&record->parts, buffer->bytes + offset);
    if (record->pieces)
        put_pieces(record, buffer->bytes + offset + size);
    warm_index_entry_encode(&entry, buffer->bytes + warm->segment_size - warm_index_back(slot->count));
    warm->statistics.records++;
    warm->statistics.used_bytes += offset + size - slot->records_size;
    slot->count++;
    slot->records_size = offset + size;
    *ret_address = warm_address(slot_position(warm, buffer->slot) + offset, size);
    return STATUS_OK;
}

static enum status admit(struct warm *warm, uint64_t now_ns, uint32_t size) {
    if (warm->hold_wanted_ns) {
        warm->hold_until_ns = now_ns + warm->hold_wanted_ns;
        warm->hold_wanted_ns = 0;
    }
    if (now_ns < warm->hold_until_ns) {
        warm->statistics.refused_held++;
        return STATUS_AGAIN;
    }
    if (warm_make_room(warm, size) != STATUS_OK) {
        warm->statistics.refused_busy++;
        return STATUS_BUSY;
    }
    if (!budget_take(&warm->budget, record_cost(size), now_ns)) {
        warm->statistics.refused_budget++;
        return STATUS_AGAIN;
    }
    return STATUS_OK;
}

enum status warm_add(struct warm *warm, uint64_t now_ns, const struct warm_record *record, uint64_t *ret_address) {
    uint64_t size = warm_record_size(&record->parts);
    if (size > warm_record_size_max(warm->segment_size) || record->parts.meta.size > WARM_META_SIZE_MAX ||
        record->parts.key.size > WARM_KEY_SIZE_MAX)
        return STATUS_TOO_LARGE;
    pthread_mutex_lock(&warm->lock);
    enum status status = admit(warm, now_ns, (uint32_t)size);
    if (status == STATUS_OK) {
        status = warm_append(warm, record, NULL, ret_address);
        ASSERT(status == STATUS_OK);
        warm->statistics.added++;
        warm->statistics.added_bytes += size;
    }
    pthread_mutex_unlock(&warm->lock);
    return status;
}

/* --- the writing thread --- */

/* Sums of the records, the header, and nothing of older contents in between. */
static void finish(struct warm *warm, const struct warm_buffer *buffer, const struct warm_slot *slot) {
    uint8_t *end = buffer->bytes + warm->segment_size;
    size_t index_size = (size_t)slot->count * WARM_INDEX_ENTRY_SIZE;
    for (uint32_t i = 0; i < slot->count; i++) {
        struct warm_index_entry entry;
        warm_index_entry_decode(end - warm_index_back(i), &entry);
        warm_record_seal(buffer->bytes + entry.offset, entry.size, slot->seed, entry.offset);
    }
    memset(buffer->bytes + slot->records_size, 0, warm->segment_size - slot->records_size - index_size);
    struct warm_segment_header header = {
        .generation = atomic_load(&slot->generation),
        .salt = buffer->salt,
        .count = slot->count,
        .records_size = slot->records_size,
        .index_sum = hash_bytes(slice_make(end - index_size, index_size), slot->seed),
    };
    warm_segment_header_encode(&header, warm->id, slot_position(warm, buffer->slot), buffer->bytes);
}

static void tell_lost(struct warm *warm, const struct warm_buffer *buffer, const struct warm_slot *slot, int error) {
    warm_tell(warm, WARM_WRITE_FAILED, file_offset(slot_position(warm, buffer->slot)), error);
    for (uint32_t i = 0; warm->hooks.gone && i < slot->count; i++) {
        struct warm_item item;
        warm_item_of(warm, buffer->slot, buffer->bytes + warm->segment_size, i, &item);
        warm->hooks.gone(warm->hooks.context, &item, WARM_LOST);
    }
}

/* Under the lock. What could not be written has gone; the disk is left alone for a while. */
static void give_up(struct warm *warm, const struct warm_buffer *buffer, struct warm_slot *slot) {
    warm_count_out(warm, slot);
    warm->statistics.write_failures++;
    warm->statistics.lost += slot->count;
    warm->hold_wanted_ns = HOLD_NS << (warm->failures < HOLD_DOUBLINGS_MAX ? warm->failures : HOLD_DOUBLINGS_MAX);
    warm->failures++;
    slot->buffer = BUFFER_NONE;
    if (++slot->failures == SLOT_FAILURES_MAX) {
        slot->state = SLOT_RETIRED;
        warm->statistics.segments_retired++;
    } else {
        slot->state = SLOT_FREE;
        slot_push(warm, &warm->free, buffer->slot);
    }
}

void warm_write_sealed(struct warm *warm) {
    pthread_mutex_lock(&warm->lock);
    ASSERT(warm->sealed_count);
    struct warm_buffer *buffer = &warm->buffers[warm->sealed[0]];
    pthread_mutex_unlock(&warm->lock);
    struct warm_slot *slot = &warm->slots[buffer->slot];
    uint64_t generation = atomic_load(&slot->generation);
    finish(warm, buffer, slot);
    enum status status = files_write(warm->files, warm->file, file_offset(slot_position(warm, buffer->slot)),
                                     buffer->bytes, warm->segment_size);
    if (status != STATUS_OK)
        tell_lost(warm, buffer, slot, errno);
    pthread_mutex_lock(&warm->lock);
    if (status == STATUS_OK) {
        slot->state = SLOT_STORED;
        slot->buffer = BUFFER_NONE;
        slot->failures = 0;
        warm->failures = 0;
        warm->statistics.written_segments++;
        warm->statistics.written_bytes += warm->segment_size;
        slot_push(warm, &warm->stored, buffer->slot);
    } else {
        give_up(warm, buffer, slot);
    }
    buffer->slot = SLOT_NONE;
    memmove(warm->sealed, warm->sealed + 1, --warm->sealed_count);
    warm_note_pressure(warm);
    warm->settled_generation = generation;
    pthread_cond_broadcast(&warm->settled);
    pthread_mutex_unlock(&warm->lock);
}

/* False: there is nothing to do. */
static bool turn(struct warm *warm) {
    pthread_mutex_lock(&warm->lock);
    bool writes = warm->sealed_count > 0;
    bool reclaims = !writes && warm_wants_slots(warm);
    pthread_mutex_unlock(&warm->lock);
    if (writes) {
        warm_write_sealed(warm);
        warm_free_held(warm);
    } else if (reclaims) {
        warm_reclaim(warm);
    }
    return writes || reclaims;
}

void warm_step(struct warm *warm) {
    ASSERT(!warm->has_thread);
    while (turn(warm))
        ;
}

static void run(void *context) {
    struct warm *warm = context;
    for (;;) {
        while (turn(warm))
            ;
        pthread_mutex_lock(&warm->lock);
        while (!warm->stopping && !warm->sealed_count && !warm_wants_slots(warm))
            pthread_cond_wait(&warm->work, &warm->lock);
        bool stops = warm->stopping;
        pthread_mutex_unlock(&warm->lock);
        if (stops)
            return;
    }
}

void warm_settle(struct warm *warm) {
    pthread_mutex_lock(&warm->lock);
    if (warm->open != BUFFER_NONE && warm->slots[warm->buffers[warm->open].slot].count)
        warm_seal(warm);
    uint64_t last = 0;
    if (warm->sealed_count)
        last = atomic_load(&warm->slots[warm->buffers[warm->sealed[warm->sealed_count - 1]].slot].generation);
    while (warm->has_thread && warm->settled_generation < last)
        pthread_cond_wait(&warm->settled, &warm->lock);
    pthread_mutex_unlock(&warm->lock);
    if (!warm->has_thread)
        warm_step(warm);
}

enum status warm_start(struct warm *warm) {
    if (warm->stepped)
        return STATUS_OK;
    TRY(thread_start(&warm->thread, "strata-warm", run, warm));
    warm->has_thread = true;
    return STATUS_OK;
}

static void stop(struct warm *warm) {
    if (!warm->has_thread)
        return;
    pthread_mutex_lock(&warm->lock);
    warm->stopping = true;
    pthread_cond_signal(&warm->work);
    pthread_mutex_unlock(&warm->lock);
    thread_join(&warm->thread);
    warm->has_thread = false;
}

/* --- the end, and what is asked --- */

void warm_free(struct warm *warm) {
    if (!warm)
        return;
    ASSERT(!warm->readers);
    stop(warm);
    if (warm->pool)
        warm->pool_free(warm->pool);
    file_map_close(&warm->map);
    for (int i = 0; i < WARM_BATCHES_MAX; i++)
        batch_reader_close(&warm->batches[i].reader);
    if (warm->file >= 0)
        warm->files->close(warm->files->context, warm->file);
    warm_forget_moves(warm);
    memory_give(warm->memory, warm->blocks, warm->blocks_size);
    memory_give(warm->memory, warm->slots, warm->slots_count * sizeof *warm->slots);
    pthread_cond_destroy(&warm->work);
    pthread_cond_destroy(&warm->settled);
    pthread_mutex_destroy(&warm->lock);
    memory_give(warm->memory, warm, sizeof *warm);
}

enum status warm_close(struct warm *warm) {
    stop(warm);
    uint64_t failures = warm->statistics.write_failures;
    warm_settle(warm);
    /* What reclaiming has kept meanwhile. */
    while (warm->open != BUFFER_NONE && warm->slots[warm->buffers[warm->open].slot].count)
        warm_settle(warm);
    enum status status = warm->statistics.write_failures == failures ? STATUS_OK : STATUS_IO;
    if (warm->files->sync(warm->files->context, warm->file) != STATUS_OK)
        status = STATUS_IO;
    warm_free(warm);
    return status;
}

void warm_write_rate_set(struct warm *warm, uint64_t rate_bytes) {
    pthread_mutex_lock(&warm->lock);
    budget_set(&warm->budget, rate_bytes, warm->segment_size);
    pthread_mutex_unlock(&warm->lock);
}

void warm_statistics(struct warm *warm, struct warm_statistics *ret_statistics) {
    pthread_mutex_lock(&warm->lock);
    *ret_statistics = warm->statistics;
    pthread_mutex_unlock(&warm->lock);
    ret_statistics->reads_found = atomic_load(&warm->reads.found);
    ret_statistics->reads_buffered = atomic_load(&warm->reads.buffered);
    ret_statistics->reads_stale = atomic_load(&warm->reads.stale);
    ret_statistics->reads_damaged = atomic_load(&warm->reads.damaged);
    ret_statistics->reads_failed = atomic_load(&warm->reads.failed);
    ret_statistics->reads_busy = atomic_load(&warm->reads.busy);
}

void warm_verify(struct warm *warm) {
    uint32_t states[SLOT_RETIRED + 1] = {0};
    uint64_t records = 0, last = 0, stored = 0;
    for (uint32_t i = 0; i < warm->slots_count; i++) {
        const struct warm_slot *slot = &warm->slots[i];
        bool buffered = slot->state == SLOT_OPEN || slot->state == SLOT_SEALED;
        bool holds = buffered || slot->state == SLOT_STORED;
        states[slot->state]++;
        records += holds ? slot->count : 0;
        ASSERT((atomic_load(&slot->generation) != 0) == holds);
        ASSERT(atomic_load(&slot->generation) < warm->next_generation);
        ASSERT((slot->buffer != BUFFER_NONE) == buffered);
        ASSERT(!buffered || warm->buffers[slot->buffer].slot == i);
    }
    uint32_t at = warm->stored.first;
    for (; stored < warm->stored.count; stored++, at = warm->slots[at].next) {
        ASSERT(warm->slots[at].state == SLOT_STORED && atomic_load(&warm->slots[at].generation) > last);
        last = atomic_load(&warm->slots[at].generation);
    }
    ASSERT(states[SLOT_STORED] == warm->stored.count && states[SLOT_FREE] == warm->free.count);
    ASSERT(states[SLOT_SEALED] == warm->sealed_count && states[SLOT_OPEN] == (warm->open != BUFFER_NONE));
    ASSERT(states[SLOT_HELD] == warm->held.count);
    ASSERT(states[SLOT_RETIRED] == warm->statistics.segments_retired && !states[SLOT_RECLAIMING]);
    ASSERT(records == warm->statistics.records);
    ASSERT(warm->statistics.segments_used == states[SLOT_STORED] + states[SLOT_SEALED] + (uint64_t)states[SLOT_OPEN]);
}
