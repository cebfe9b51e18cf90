/* The oldest segment makes room: its index is read, whoever keeps addresses is told what goes, and what is worth it is written again. */
#include <errno.h>

#include "base/assert.h"
#include "sys/warm/warm_inner.h"

/* Whole blocks into `ret_bytes`, which has the alignment that reading past the page cache asks for. */
static enum status load(const struct warm *warm, uint64_t position, uint8_t *ret_bytes, uint32_t size) {
    ASSERT(position % WARM_BLOCK_SIZE == 0 && size % WARM_BLOCK_SIZE == 0);
    errno = 0;
    return files_read(warm->files, warm->file, file_offset(position), ret_bytes, size);
}

enum status warm_header_load(struct warm *warm, uint32_t slot, struct warm_segment_header *ret_header) {
    uint64_t position = slot_position(warm, slot);
    TRY(load(warm, position, warm->index_bytes, WARM_BLOCK_SIZE));
    return warm_segment_header_decode(warm->index_bytes, warm->id, position, warm->segment_size, ret_header)
               ? STATUS_OK
               : STATUS_CORRUPT;
}

enum status warm_index_load(struct warm *warm, uint32_t slot, const struct warm_segment_header *header,
                            struct slice *ret_index) {
    uint64_t position = slot_position(warm, slot);
    uint32_t size = header->count * WARM_INDEX_ENTRY_SIZE;
    uint32_t blocks_size = (uint32_t)bits_align_up(size, WARM_BLOCK_SIZE);
    TRY(load(warm, position + warm->segment_size - blocks_size, warm->index_bytes, blocks_size));
    struct slice index = slice_make(warm->index_bytes + blocks_size - size, size);
    uint64_t seed = warm_segment_seed(warm->id, position, header->generation, header->salt);
    if (!warm_index_verify(header, seed, index))
        return STATUS_CORRUPT;
    *ret_index = index;
    return STATUS_OK;
}

/* From segment_bytes, where the whole segment is once the first of its records is wanted: one read instead of hundreds. */
static enum status load_record(struct warm *warm, const struct warm_item *item, bool *is_loaded,
                               struct warm_parts *ret_parts) {
    uint64_t at = warm_address_position(item->address);
    uint32_t number = (uint32_t)(at / warm->segment_size), offset = (uint32_t)(at % warm->segment_size);
    if (!*is_loaded) {
        enum status status = load(warm, slot_position(warm, number), warm->segment_bytes, warm->segment_size);
        if (status != STATUS_OK) {
            warm_tell(warm, WARM_READ_FAILED, file_offset(at), errno);
            return status;
        }
        *is_loaded = true;
    }
    if (!warm_record_decode(slice_make(warm->segment_bytes + offset, item->size_bytes), true, warm->slots[number].seed,
                            offset, ret_parts)) {
        warm_tell(warm, WARM_RECORD_DAMAGED, file_offset(at), 0);
        return STATUS_CORRUPT;
    }
    return STATUS_OK;
}

static bool budget_allows(struct warm *warm, uint32_t size) {
    pthread_mutex_lock(&warm->lock);
    bool allows = !warm->hold_wanted_ns && budget_take(&warm->budget, record_cost(size), warm->budget.now_ns);
    pthread_mutex_unlock(&warm->lock);
    return allows;
}

/* What has been moved since it was listed would not be found again; and it says only so much of how far it was moved. */
static bool may_move(struct warm *warm, const struct warm_item *item) {
    pthread_mutex_lock(&warm->lock);
    bool listed = !item->from || item->generation <= warm->listed_generation;
    uint64_t back = warm->next_generation + SLOTS_FREE_LASTING - item->generation;
    pthread_mutex_unlock(&warm->lock);
    return listed && back >> WARM_BACK_BITS == 0;
}

/* Into the open segment. If all buffers wait to be written, that happens here: nobody else would. */
static bool rewrite(struct warm *warm, const struct warm_item *item, bool *is_loaded, uint64_t *ret_address) {
    struct warm_record record = {.hash = item->hash, .word = item->word};
    if (warm->lasting && !may_move(warm, item))
        return false;
    if (!budget_allows(warm, item->size_bytes) || load_record(warm, item, is_loaded, &record.parts) != STATUS_OK)
        return false;
    for (;;) {
        pthread_mutex_lock(&warm->lock);
        enum status status = warm_append(warm, &record, warm->lasting ? item : NULL, ret_address);
        bool can_write = warm->sealed_count > 0;
        if (status == STATUS_OK) {
            warm->statistics.kept++;
            warm->statistics.kept_bytes += item->size_bytes;
        }
        pthread_mutex_unlock(&warm->lock);
        if (status == STATUS_OK || !can_write)
            return status == STATUS_OK;
        warm_write_sealed(warm);
    }
}

/* Answers the generation that has to be durable before the segment is written over; 0: none. */
static uint64_t release(struct warm *warm, uint32_t slot, struct slice index) {
    uint64_t gone = 0, last = 0;
    bool is_loaded = false;
    uint32_t keep_left = warm->keep_max;
    const struct warm_hooks *hooks = &warm->hooks;
    for (uint32_t i = 0; i < index.size / WARM_INDEX_ENTRY_SIZE; i++) {
        struct warm_item item;
        uint64_t address;
        warm_item_of(warm, slot, index.data + index.size, i, &item);
        if (hooks->keep && item.size_bytes <= keep_left && hooks->keep(hooks->context, &item) &&
            rewrite(warm, &item, &is_loaded, &address)) {
            keep_left -= item.size_bytes;
            last = warm_generation(warm, address);
            if (hooks->moved)
                hooks->moved(hooks->context, &item, address);
            continue;
        }
        gone++;
        if (hooks->gone)
            hooks->gone(hooks->context, &item, WARM_RECLAIMED);
    }
    pthread_mutex_lock(&warm->lock);
    warm->statistics.gone += gone;
    pthread_mutex_unlock(&warm->lock);
    return warm->lasting ? last : 0;
}

/* Whoever keeps addresses has to look for those of the whole segment. */
static void release_blind(struct warm *warm, uint32_t slot, enum status status) {
    uint64_t position = slot_position(warm, slot);
    warm_tell(warm, status == STATUS_CORRUPT ? WARM_INDEX_DAMAGED : WARM_READ_FAILED, file_offset(position),
              status == STATUS_CORRUPT ? 0 : errno);
    if (warm->hooks.gone_all)
        warm->hooks.gone_all(warm->hooks.context, position, position + warm->segment_size);
    pthread_mutex_lock(&warm->lock);
    warm->statistics.reclaimed_blind++;
    warm->statistics.gone += warm->slots[slot].count;
    pthread_mutex_unlock(&warm->lock);
}

void warm_reclaim(struct warm *warm) {
    pthread_mutex_lock(&warm->lock);
    uint32_t number = slot_pop(warm, &warm->stored);
    struct warm_slot *slot = &warm->slots[number];
    slot->state = SLOT_RECLAIMING;
    warm->reclaiming = true;
    pthread_mutex_unlock(&warm->lock);
    struct warm_segment_header header;
    struct slice index;
    uint64_t last = 0;
    enum status status = warm_header_load(warm, number, &header);
    if (status == STATUS_OK && header.generation != atomic_load(&slot->generation))
        status = STATUS_CORRUPT; /* a whole header, but of an older write: the last one never came to the disk */
    if (status == STATUS_OK)
        status = warm_index_load(warm, number, &header, &index);
    if (status == STATUS_OK)
        last = release(warm, number, index);
    else
        release_blind(warm, number, status);
    pthread_mutex_lock(&warm->lock);
    warm_count_out(warm, slot);
    slot->state = last ? SLOT_HELD : SLOT_FREE;
    slot->seed = last;
    slot_push(warm, last ? &warm->held : &warm->free, number);
    warm->reclaiming = false;
    warm_note_pressure(warm);
    pthread_cond_broadcast(&warm->settled);
    warm->statistics.reclaimed_segments++;
    pthread_mutex_unlock(&warm->lock);
    warm_free_held(warm); /* it may be written already */
}

/* Under the lock. */
static bool can_free_held(const struct warm *warm, uint64_t written) {
    return warm->held.count && warm->slots[warm->held.first].seed <= written;
}

void warm_free_held(struct warm *warm) {
    pthread_mutex_lock(&warm->lock);
    uint64_t written = warm->settled_generation;
    bool any = can_free_held(warm, written);
    pthread_mutex_unlock(&warm->lock);
    if (!any)
        return;
    /* A disk that cannot flush may lose what was moved when power is lost, as it may lose anything. */
    errno = 0;
    if (warm->files->sync(warm->files->context, warm->file) != STATUS_OK)
        warm_tell(warm, WARM_FLUSH_FAILED, 0, errno);
    pthread_mutex_lock(&warm->lock);
    while (can_free_held(warm, written)) {
        uint32_t number = slot_pop(warm, &warm->held);
        warm->slots[number].state = SLOT_FREE;
        slot_push(warm, &warm->free, number);
    }
    warm_note_pressure(warm);
    pthread_cond_broadcast(&warm->settled);
    pthread_mutex_unlock(&warm->lock);
}
