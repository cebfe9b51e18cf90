#include "sys/wal/lanes.h"

#include "base/assert.h"
#include "base/little.h"

static const size_t size_max = LOG_RECORD_SIZE_MAX;

enum status lanes_init(struct lanes *lanes, const struct memory *memory, unsigned count, size_t lane_bytes,
                       uint64_t first_lsn) {
    ASSERT(count > 0 && count <= LANES_MAX && lane_bytes >= 64 && first_lsn > 0);
    memset(lanes, 0, sizeof *lanes);
    lanes->memory = memory;
    lanes->lane_bytes = lane_bytes;
    atomic_init(&lanes->next_lsn, first_lsn);
    lanes->next_collected = first_lsn;
    lanes->lanes = memory_take(memory, count * sizeof *lanes->lanes);
    if (!lanes->lanes)
        return STATUS_NO_MEMORY;
    memset(lanes->lanes, 0, count * sizeof *lanes->lanes);
    lanes->count = count;
    enum status status = STATUS_OK;
    for (unsigned i = 0; i < count; i++) {
        struct lane *lane = &lanes->lanes[i];
        pthread_mutex_init(&lane->lock, NULL);
        buf_init(&lane->front, memory);
        buf_init(&lane->back, memory);
        if (status == STATUS_OK)
            status = buf_reserve(&lane->front, lane_bytes);
        if (status == STATUS_OK)
            status = buf_reserve(&lane->back, lane_bytes);
    }
    if (status != STATUS_OK)
        lanes_fini(lanes);
    return status;
}

void lanes_fini(struct lanes *lanes) {
    for (unsigned i = 0; i < lanes->count; i++) {
        buf_fini(&lanes->lanes[i].front);
        buf_fini(&lanes->lanes[i].back);
        pthread_mutex_destroy(&lanes->lanes[i].lock);
    }
    memory_give(lanes->memory, lanes->lanes, lanes->count * sizeof *lanes->lanes);
    lanes->lanes = NULL;
    lanes->count = 0;
}

/* Under the lane's lock. A front that holds something does not grow. */
static enum status make_room(struct lanes *lanes, struct lane *lane, size_t size) {
    if (size > size_max)
        return STATUS_TOO_LARGE;
    size_t need = LANE_RECORD_HEADER_SIZE + size;
    if (lane->front.capacity - lane->front.size >= need && lane->front.size + need <= lanes->lane_bytes)
        return STATUS_OK;
    if (lane->front.size)
        return STATUS_BUSY;
    return buf_reserve(&lane->front, need);
}

enum status lanes_admit(struct lanes *lanes, unsigned number, size_t size, bool *ret_half) {
    ASSERT(number < lanes->count);
    struct lane *lane = &lanes->lanes[number];
    pthread_mutex_lock(&lane->lock);
    enum status status = make_room(lanes, lane, size);
    *ret_half = lane->front.size > lanes->lane_bytes / 2;
    pthread_mutex_unlock(&lane->lock);
    return status;
}

static enum status stage(struct lanes *lanes, unsigned number, const struct slice *parts, unsigned count, bool anyway,
                         uint64_t *ret_lsn, bool *ret_half) {
    ASSERT(number < lanes->count);
    struct lane *lane = &lanes->lanes[number];
    size_t size = 0;
    for (unsigned i = 0; i < count; i++) {
        if (parts[i].size > size_max - size)
            return STATUS_TOO_LARGE;
        size += parts[i].size;
    }
    pthread_mutex_lock(&lane->lock);
    enum status status = make_room(lanes, lane, size);
    if (status == STATUS_BUSY && anyway)
        status = buf_reserve(&lane->front, LANE_RECORD_HEADER_SIZE + size);
    if (status != STATUS_OK) {
        pthread_mutex_unlock(&lane->lock);
        return status;
    }
    uint64_t lsn = atomic_fetch_add_explicit(&lanes->next_lsn, 1, memory_order_relaxed);
    uint8_t *to = lane->front.data + lane->front.size;
    memcpy(to, &lsn, sizeof lsn);
    little_put_u32(to + 8, (uint32_t)size);
    to += LANE_RECORD_HEADER_SIZE;
    for (unsigned i = 0; i < count; i++) {
        if (parts[i].size)
            memcpy(to, parts[i].data, parts[i].size);
        to += parts[i].size;
    }
    lane->front.size += LANE_RECORD_HEADER_SIZE + size;
    *ret_half = lane->front.size > lanes->lane_bytes / 2;
    pthread_mutex_unlock(&lane->lock);
    *ret_lsn = lsn;
    return STATUS_OK;
}

enum status lanes_stage(struct lanes *lanes, unsigned lane, const struct slice *parts, unsigned count,
                        uint64_t *ret_lsn) {
    bool half;
    return stage(lanes, lane, parts, count, false, ret_lsn, &half);
}

enum status lanes_stage_anyway(struct lanes *lanes, unsigned lane, const struct slice *parts, unsigned count,
                               uint64_t *ret_lsn, bool *ret_half) {
    return stage(lanes, lane, parts, count, true, ret_lsn, ret_half);
}

/* A back that has been read through changes places with the front. One that grew for a large record is made small again. */
static void swap(struct lanes *lanes, struct lane *lane) {
    if (lane->taken < lane->back.size)
        return;
    lane->taken = 0;
    buf_clear(&lane->back);
    buf_shrink(&lane->back, lanes->lane_bytes);
    pthread_mutex_lock(&lane->lock);
    struct buf front = lane->front;
    if (front.size) {
        lane->front = lane->back;
        lane->back = front;
    }
    pthread_mutex_unlock(&lane->lock);
}

/* The number of the lane's next record; 0 if it has none. */
static uint64_t head(const struct lane *lane) {
    uint64_t lsn = 0;
    if (lane->taken < lane->back.size)
        memcpy(&lsn, lane->back.data + lane->taken, sizeof lsn);
    return lsn;
}

/* Takes records off this lane as long as they are the next ones. */
static enum status take_run(struct lanes *lanes, struct lane *lane, size_t bytes_max, struct buf *payload,
                            uint32_t *count) {
    while (head(lane) == lanes->next_collected && (*count == 0 || payload->size < bytes_max)) {
        const uint8_t *record = lane->back.data + lane->taken + 8;
        size_t size = LOG_RECORD_HEADER_SIZE + little_u32(record);
        if (*count && payload->size + size > bytes_max)
            return STATUS_AGAIN;
        TRY(buf_append(payload, record, size));
        lane->taken += 8 + size;
        lanes->next_collected++;
        ++*count;
    }
    return STATUS_OK;
}

/* One pass finds all of what lies in order in a lane; numbers that jump between lanes cost a pass each, over at most LANES_MAX words. */
static enum status take_all(struct lanes *lanes, size_t bytes_max, struct buf *payload, uint32_t *count) {
    for (bool found = true; found && payload->size < bytes_max;) {
        found = false;
        for (unsigned i = 0; i < lanes->count; i++) {
            struct lane *lane = &lanes->lanes[i];
            if (head(lane) != lanes->next_collected)
                continue;
            TRY(take_run(lanes, lane, bytes_max, payload, count));
            found = true;
        }
    }
    return STATUS_OK;
}

enum status lanes_collect(struct lanes *lanes, size_t bytes_max, struct buf *payload, uint32_t *ret_count) {
    uint32_t count = 0;
    enum status status = take_all(lanes, bytes_max, payload, &count);
    if (status == STATUS_OK && payload->size < bytes_max) {
        for (unsigned i = 0; i < lanes->count; i++)
            swap(lanes, &lanes->lanes[i]);
        status = take_all(lanes, bytes_max, payload, &count);
    }
    *ret_count = count;
    /* What was taken before memory ran out is a batch as well. */
    return status == STATUS_AGAIN || count ? STATUS_OK : status;
}
