/* Several records at once, for a thread that waits. */
#include <errno.h>

#include "base/assert.h"
#include "sys/os/clock.h"
#include "sys/warm/fetch.h"

/* NULL: all are busy, or there are none. */
static struct warm_batch *take_batch(struct warm *warm) {
    struct warm_batch *batch = NULL;
    pthread_mutex_lock(&warm->lock);
    for (int i = 0; i < WARM_BATCHES_MAX && !warm->batches_refused && !batch; i++)
        if (!warm->batches[i].busy)
            batch = &warm->batches[i];
    if (batch)
        batch->busy = true;
    pthread_mutex_unlock(&warm->lock);
    if (!batch || batch->reader.context || batch_reader_open(&batch->reader) == STATUS_OK)
        return batch;
    pthread_mutex_lock(&warm->lock);
    warm->batches_refused = true;
    batch->busy = false;
    pthread_mutex_unlock(&warm->lock);
    return NULL;
}

static void give_batch(struct warm *warm, struct warm_batch *batch) {
    pthread_mutex_lock(&warm->lock);
    batch->busy = false;
    pthread_mutex_unlock(&warm->lock);
}

/* Fetches, then their bytes from a multiple of a block on. */
static struct warm_fetch *fetches_of(const struct warm_ahead *ahead) {
    return (struct warm_fetch *)(void *)ahead->bytes.data;
}

static bool lay_out(struct warm *warm, const struct warm_place *places, uint32_t count, struct warm_ahead *ahead) {
    struct warm_fetch fetches[WARM_AHEAD_MAX];
    uint64_t size = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct warm_fetch *fetch = &fetches[ahead->count];
        fetch_place(warm, places[i].address, places[i].generation, fetch);
        if (fetch->is_stale || fetch->size > WARM_AHEAD_BYTES_MAX - size)
            continue;
        size += fetch->size;
        ahead->count++;
    }
    size_t head = ahead->count * sizeof *fetches;
    if (buf_reserve(&ahead->bytes, head + size + WARM_BLOCK_SIZE) != STATUS_OK)
        ahead->count = 0;
    if (!ahead->count)
        return false;
    memcpy(ahead->bytes.data, fetches, head);
    uint8_t *at = (uint8_t *)bits_align_up((uintptr_t)ahead->bytes.data + head, WARM_BLOCK_SIZE);
    for (uint32_t i = 0; i < ahead->count; i++) {
        fetches_of(ahead)[i].bytes = at;
        at += fetches_of(ahead)[i].size;
    }
    return true;
}

static void read_all(struct warm *warm, struct warm_batch *batch, const struct warm_ahead *ahead) {
    struct batch_read reads[WARM_AHEAD_MAX];
    struct warm_fetch *fetches[WARM_AHEAD_MAX];
    uint32_t count = 0;
    for (uint32_t i = 0; i < ahead->count; i++) {
        struct warm_fetch *fetch = &fetches_of(ahead)[i];
        if (!fetch_begin(warm, fetch))
            continue;
        fetches[count] = fetch;
        reads[count++] =
            (struct batch_read){.offset = file_offset(fetch->position), .bytes = fetch->bytes, .size = fetch->size};
    }
    if (count)
        batch_read(&batch->reader, warm->file, reads, count);
    for (uint32_t i = 0; i < count; i++) {
        fetches[i]->got = reads[i].got;
        fetches[i]->error = reads[i].error;
    }
}

static void wish(const struct warm *warm, const struct warm_place *places, uint32_t count) {
    uint64_t now_ms = clock_steady_coarse_ms();
    for (uint32_t i = 0; i < count; i++) {
        struct warm_fetch fetch;
        fetch_place(warm, places[i].address, places[i].generation, &fetch);
        if (!fetch.is_stale)
            file_map_ahead(&warm->map, now_ms, file_offset(fetch.position), fetch.size);
    }
}

void warm_read_ahead(struct warm *warm, const struct warm_place *places, uint32_t count, struct warm_ahead *ahead) {
    static_assert((int)WARM_AHEAD_MAX <= (int)BATCH_READS_MAX, "one batch takes them all");
    ASSERT(count <= WARM_AHEAD_MAX);
    ahead->count = 0;
    if (warm->map.bytes)
        wish(warm, places, count);
    if (!warm->direct || !warm->files->is_kernel || count < 2)
        return;
    struct warm_batch *batch = take_batch(warm);
    if (!batch)
        return;
    if (lay_out(warm, places, count, ahead))
        read_all(warm, batch, ahead);
    give_batch(warm, batch);
}

bool warm_ahead_take(struct warm *warm, const struct warm_ahead *ahead, uint64_t address, uint64_t generation,
                     enum warm_outcome *ret_outcome, struct warm_parts *ret_parts) {
    for (uint32_t i = 0; i < ahead->count; i++) {
        const struct warm_fetch *fetch = &fetches_of(ahead)[i];
        if (fetch->address != address || fetch->generation != generation)
            continue;
        *ret_outcome = fetch_judge(warm, fetch, ret_parts);
        return true;
    }
    return false;
}
