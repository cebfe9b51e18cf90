#include "sys/wal/lanes.h"

#include "base/assert.h"
#include "base/little.h"
#include "sys/os/futex.h"

static const size_t size_max = LOG_RECORD_SIZE_MAX;

/* ------------------------------------------------------------------------------------------ the lock of a lane */

/* Held for a copy, by a lane's thread or whoever collects; in place, since staging takes some 50 ns in all. */
static inline void lock(struct lane *lane) {
    uint32_t word = 0;
    if (atomic_compare_exchange_strong_explicit(&lane->lock, &word, 1, memory_order_acquire, memory_order_relaxed))
        return;
    while (atomic_exchange_explicit(&lane->lock, 2, memory_order_acquire) != 0)
        futex_wait(NULL, &lane->lock, 2);
}

static inline void unlock(struct lane *lane) {
    if (__builtin_expect(atomic_exchange_explicit(&lane->lock, 0, memory_order_release) == 2, 0))
        futex_wake(NULL, &lane->lock);
}

/* ------------------------------------------------------------------------------------------ staging */

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
        atomic_init(&lane->lock, 0);
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
    }
    memory_give(lanes->memory, lanes->lanes, lanes->count * sizeof *lanes->lanes);
    lanes->lanes = NULL;
    lanes->count = 0;
}

/* Under the lane's lock. A front that holds something does not grow. */
static enum status make_room(struct lanes *lanes, struct lane *lane, size_t size) {
    if (size > size_max)
        return STATUS_TOO_LARGE;
    size_t need = sizeof(struct lane_run) + LOG_RECORD_HEADER_SIZE + size;
    if (lane->front.capacity - lane->front.size >= need && lane->front.size + need <= lanes->lane_bytes)
        return STATUS_OK;
    if (lane->front.size)
        return STATUS_BUSY;
    return buf_reserve(&lane->front, need);
}

enum status lanes_admit(struct lanes *lanes, unsigned number, size_t size, bool *ret_half) {
    ASSERT(number < lanes->count);
    struct lane *lane = &lanes->lanes[number];
    lock(lane);
    enum status status = make_room(lanes, lane, size);
    *ret_half = lane->front.size > lanes->lane_bytes / 2;
    unlock(lane);
    return status;
}

/* Under the lane's lock. */
static void end_run(struct lane *lane) {
    if (lane->open.count)
        memcpy(lane->front.data + lane->open_at, &lane->open, sizeof lane->open);
    lane->open.count = 0;
}

/* Under the lane's lock: room for the header of a run that begins with this number. */
static void begin_run(struct lane *lane, uint64_t lsn) {
    end_run(lane);
    lane->open_at = lane->front.size;
    lane->open = (struct lane_run){.first_lsn = lsn};
    lane->front.size += sizeof(struct lane_run);
}

/* Room for a record and the number that it gets; the lane stays locked if there is. */
static inline enum status place(struct lanes *lanes, struct lane *lane, size_t size, bool anyway, uint8_t **ret_to) {
    lock(lane);
    enum status status = make_room(lanes, lane, size);
    if (status == STATUS_BUSY && anyway)
        status = buf_reserve(&lane->front, sizeof(struct lane_run) + LOG_RECORD_HEADER_SIZE + size);
    if (status != STATUS_OK) {
        unlock(lane);
        return status;
    }
    uint64_t lsn = atomic_fetch_add_explicit(&lanes->next_lsn, 1, memory_order_relaxed);
    if (!lane->open.count || lsn != lane->open.first_lsn + lane->open.count || lane->open.bytes > size_max)
        begin_run(lane, lsn);
    *ret_to = lane->front.data + lane->front.size + LOG_RECORD_HEADER_SIZE;
    return STATUS_OK;
}

/* The record stands in its place. */
static inline void placed(const struct lanes *lanes, struct lane *lane, size_t size, uint64_t *ret_lsn,
                          bool *ret_half) {
    little_put_u32(lane->front.data + lane->front.size, (uint32_t)size);
    *ret_lsn = lane->open.first_lsn + lane->open.count++;
    lane->open.bytes += (uint32_t)(LOG_RECORD_HEADER_SIZE + size);
    lane->front.size += LOG_RECORD_HEADER_SIZE + size;
    *ret_half = lane->front.size > lanes->lane_bytes / 2;
    unlock(lane);
}

static enum status stage(struct lanes *lanes, unsigned number, const struct slice *parts, unsigned count, bool anyway,
                         uint64_t *ret_lsn, bool *ret_half) {
    ASSERT(number < lanes->count);
    uint8_t *to;
    size_t size = 0;
    for (unsigned i = 0; i < count; i++) {
        if (parts[i].size > size_max - size)
            return STATUS_TOO_LARGE;
        size += parts[i].size;
    }
    TRY(place(lanes, &lanes->lanes[number], size, anyway, &to));
    for (unsigned i = 0; i < count; i++) {
        if (parts[i].size)
            memcpy(to, parts[i].data, parts[i].size);
        to += parts[i].size;
    }
    placed(lanes, &lanes->lanes[number], size, ret_lsn, ret_half);
    return STATUS_OK;
}

enum status lanes_place_anyway(struct lanes *lanes, unsigned number, size_t size_max_wanted, uint8_t **ret_to) {
    ASSERT(number < lanes->count);
    return place(lanes, &lanes->lanes[number], size_max_wanted, true, ret_to);
}

void lanes_placed(struct lanes *lanes, unsigned number, size_t size, uint64_t *ret_lsn, bool *ret_half) {
    placed(lanes, &lanes->lanes[number], size, ret_lsn, ret_half);
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

/* ------------------------------------------------------------------------------------------ collecting */

/* The number of the lane's next record; 0 if it has none. */
static uint64_t head(struct lane *lane) {
    if (lane->rest.count == 0 && lane->taken < lane->back.size) {
        memcpy(&lane->rest, lane->back.data + lane->taken, sizeof lane->rest);
        lane->taken += sizeof lane->rest;
    }
    return lane->rest.count ? lane->rest.first_lsn : 0;
}

/* A back that has been read through changes places with the front. One that grew for a large record is made small again. */
static void swap(struct lanes *lanes, struct lane *lane) {
    if (head(lane))
        return;
    lane->taken = 0;
    buf_clear(&lane->back);
    buf_shrink(&lane->back, lanes->lane_bytes);
    lock(lane);
    end_run(lane);
    struct buf front = lane->front;
    if (front.size) {
        lane->front = lane->back;
        lane->back = front;
    }
    unlock(lane);
}

/* How many records of the run fit into `room` bytes, at least `least`, and how many bytes they are. */
static uint32_t fit(const struct lane *lane, size_t room, uint32_t least, size_t *ret_bytes) {
    const uint8_t *records = lane->back.data + lane->taken;
    uint32_t count = 0;
    *ret_bytes = 0;
    if (lane->rest.bytes <= room) {
        *ret_bytes = lane->rest.bytes;
        return lane->rest.count;
    }
    while (count < lane->rest.count) {
        size_t bytes = *ret_bytes + LOG_RECORD_HEADER_SIZE + little_u32(records + *ret_bytes);
        if (bytes > room && count >= least)
            break;
        *ret_bytes = bytes;
        count++;
    }
    return count;
}

/* Takes records off this lane as long as they are the next ones. STATUS_AGAIN: there is no more room. */
static enum status take_run(struct lanes *lanes, struct lane *lane, size_t bytes_max, struct buf *payload,
                            uint32_t *count) {
    while (head(lane) == lanes->next_collected && (*count == 0 || payload->size < bytes_max)) {
        size_t bytes, room = payload->size < bytes_max ? bytes_max - payload->size : 0;
        uint32_t taken = fit(lane, room, *count == 0, &bytes);
        if (!taken)
            return STATUS_AGAIN;
        TRY(buf_append(payload, lane->back.data + lane->taken, bytes));
        lane->taken += bytes;
        lane->rest.first_lsn += taken;
        lane->rest.count -= taken;
        lane->rest.bytes -= (uint32_t)bytes;
        lanes->next_collected += taken;
        *count += taken;
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
