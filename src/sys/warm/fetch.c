#include "sys/warm/fetch.h"

#include <errno.h>

#include "sys/os/clock.h"

void fetch_place(const struct warm *warm, uint64_t address, uint64_t generation, struct warm_fetch *ret_fetch) {
    *ret_fetch = (struct warm_fetch){.address = address, .generation = generation};
    ret_fetch->is_stale =
        !warm_span(warm, address, &ret_fetch->position, &ret_fetch->size, &ret_fetch->lead) || !generation;
}

/* A record that has not been written yet is copied as it stands, less its sum, which the writing thread may be working out. False: there is none. */
static bool copy_record(const struct warm *warm, const struct warm_slot *segment, struct warm_fetch *fetch) {
    uint32_t offset = (uint32_t)(warm_address_position(fetch->address) % warm->segment_size);
    const uint8_t *from = warm->buffers[segment->buffer].bytes + offset;
    struct warm_parts parts;
    if (offset > segment->records_size ||
        !warm_record_decode(slice_make(from, segment->records_size - offset), false, 0, 0, &parts) ||
        warm_record_size(&parts) > fetch->size)
        return false;
    fetch->got = (uint32_t)warm_record_size(&parts);
    memcpy(fetch->bytes + sizeof(uint64_t), from + sizeof(uint64_t), fetch->got - sizeof(uint64_t));
    fetch->is_copied = true;
    return true;
}

bool fetch_begin(struct warm *warm, struct warm_fetch *fetch) {
    bool reads = false;
    if (fetch->is_stale)
        return false;
    const struct warm_slot *segment = &warm->slots[warm_address_position(fetch->address) / warm->segment_size];
    pthread_mutex_lock(&warm->lock);
    if (atomic_load(&segment->generation) != fetch->generation)
        fetch->is_stale = true;
    else if (segment->buffer != BUFFER_NONE)
        fetch->is_stale = !copy_record(warm, segment, fetch);
    else
        reads = true;
    fetch->seed = segment->seed;
    pthread_mutex_unlock(&warm->lock);
    return reads;
}

void fetch_now(const struct warm *warm, struct warm_fetch *fetch) {
    size_t got = 0;
    errno = 0;
    if (warm->map.bytes) {
        if (file_map_copy(&warm->map, clock_steady_coarse_ms(), file_offset(fetch->position), fetch->bytes,
                          fetch->size) != STATUS_OK)
            fetch->error = errno ? errno : EIO;
        fetch->got = fetch->error ? 0 : fetch->size;
        return;
    }
    if (warm->files->read(warm->files->context, warm->file, file_offset(fetch->position), fetch->bytes, fetch->size,
                          &got) != STATUS_OK)
        fetch->error = errno ? errno : EIO;
    fetch->got = (uint32_t)got;
}

enum warm_outcome fetch_judge(struct warm *warm, const struct warm_fetch *fetch, struct warm_parts *ret_parts) {
    uint64_t at = warm_address_position(fetch->address);
    uint32_t lead = fetch->is_copied ? 0 : fetch->lead;
    if (fetch->is_stale || (!fetch->is_copied && warm_generation(warm, fetch->address) != fetch->generation)) {
        atomic_fetch_add(&warm->reads.stale, 1);
        return WARM_STALE;
    }
    if (fetch->error || fetch->got < lead) {
        atomic_fetch_add(&warm->reads.failed, 1);
        warm_tell(warm, WARM_READ_FAILED, file_offset(at), fetch->error ? fetch->error : EIO);
        return WARM_FAILED;
    }
    if (!warm_record_decode(slice_make(fetch->bytes + lead, fetch->got - lead), !fetch->is_copied, fetch->seed,
                            (uint32_t)(at % warm->segment_size), ret_parts)) {
        atomic_fetch_add(&warm->reads.damaged, 1);
        warm_tell(warm, WARM_RECORD_DAMAGED, file_offset(at), 0);
        return WARM_DAMAGED;
    }
    atomic_fetch_add(&warm->reads.found, 1);
    atomic_fetch_add(&warm->reads.buffered, fetch->is_copied);
    return WARM_FOUND;
}

enum status warm_read_here(struct warm *warm, uint64_t address, uint64_t generation, struct buf *bytes,
                           enum warm_outcome *ret_outcome, struct warm_parts *ret_parts) {
    struct warm_fetch fetch;
    fetch_place(warm, address, generation, &fetch);
    buf_clear(bytes);
    TRY(buf_reserve(bytes, (size_t)fetch.size + WARM_BLOCK_SIZE));
    fetch.bytes = (uint8_t *)bits_align_up((uintptr_t)bytes->data, WARM_BLOCK_SIZE);
    if (fetch_begin(warm, &fetch))
        fetch_now(warm, &fetch);
    *ret_outcome = fetch_judge(warm, &fetch, ret_parts);
    return STATUS_OK;
}
