/* What an earlier process has listed: whether it is there, and where it was moved to. */
#include <stdlib.h>

#include "base/assert.h"
#include "sys/warm/warm_inner.h"

enum { ROOM_MIN = 1024 };

uint64_t warm_id(const struct warm *warm) { return warm->id; }
uint64_t warm_word(const struct warm *warm) { return warm->word; }

uint64_t warm_position(struct warm *warm) {
    pthread_mutex_lock(&warm->lock);
    uint64_t position = warm->open == BUFFER_NONE
                            ? warm->next_generation
                            : atomic_load(&warm->slots[warm->buffers[warm->open].slot].generation);
    pthread_mutex_unlock(&warm->lock);
    return position;
}

void warm_listed(struct warm *warm, uint64_t generation) {
    pthread_mutex_lock(&warm->lock);
    if (generation > warm->listed_generation)
        warm->listed_generation = generation;
    pthread_mutex_unlock(&warm->lock);
}

enum status warm_flush(struct warm *warm) {
    warm_settle(warm);
    return warm->files->sync(warm->files->context, warm->file);
}

/* Under the lock: something is about to be written, or to make room. */
static bool is_short(const struct warm *warm) {
    return warm->sealed_count || (!warm->free.count && (warm->stored.count || warm->reclaiming || warm->held.count));
}

void warm_spare(struct warm *warm) {
    if (!atomic_load_explicit(&warm->pressed, memory_order_relaxed))
        return;
    pthread_mutex_lock(&warm->lock);
    while (warm->has_thread && is_short(warm) && (warm->sealed_count || warm->open == BUFFER_NONE))
        pthread_cond_wait(&warm->settled, &warm->lock);
    bool steps = !warm->has_thread && is_short(warm);
    pthread_mutex_unlock(&warm->lock);
    if (steps)
        warm_step(warm);
}

/* ------------------------------------------------------------------------------------------ moves */

static enum status make_room(struct warm *warm) {
    size_t room = warm->move_room ? 2 * warm->move_room : ROOM_MIN;
    void *grown = warm->memory->resize(warm->memory->context, warm->moves, warm->move_room * sizeof *warm->moves,
                                       room * sizeof *warm->moves);
    if (!grown)
        return STATUS_NO_MEMORY;
    warm->moves = grown;
    warm->move_room = room;
    return STATUS_OK;
}

enum status warm_note_moves(struct warm *warm, uint32_t slot, struct slice index) {
    for (uint32_t i = 0; i < warm->slots[slot].count; i++) {
        struct warm_item item;
        warm_item_of(warm, slot, index.data + index.size, i, &item);
        uint64_t back = warm_from_back(item.from);
        if (back == 0 || back >= item.generation)
            continue;
        if (warm->move_count == warm->move_room)
            TRY(make_room(warm));
        warm->moves[warm->move_count++] =
            (struct warm_move){warm_from_address(item.from), item.generation - back, item.address, item.generation};
    }
    return STATUS_OK;
}

static int compare(uint64_t a, uint64_t b) { return (a > b) - (a < b); }

static int by_origin(const void *a, const void *b) {
    const struct warm_move *x = a, *y = b;
    int order = compare(x->from, y->from);
    order = order ? order : compare(x->from_generation, y->from_generation);
    return order ? order : compare(y->to_generation, x->to_generation); /* the last one first */
}

static bool has_origin(const struct warm_move *move, uint64_t address, uint64_t generation) {
    return move->from == address && move->from_generation == generation;
}

static int by_place(const void *a, const void *b) {
    return compare(((const struct warm_move *)a)->to, ((const struct warm_move *)b)->to);
}

enum status warm_sort_moves(struct warm *warm) {
    size_t size = warm->move_count * sizeof *warm->moves;
    if (!warm->move_count)
        return STATUS_OK;
    warm->moves_by_place = memory_take(warm->memory, size);
    if (!warm->moves_by_place)
        return STATUS_NO_MEMORY;
    memcpy(warm->moves_by_place, warm->moves, size);
    qsort(warm->moves, warm->move_count, sizeof *warm->moves, by_origin);
    qsort(warm->moves_by_place, warm->move_count, sizeof *warm->moves, by_place);
    return STATUS_OK;
}

void warm_forget_moves(struct warm *warm) {
    memory_give(warm->memory, warm->moves_by_place, warm->move_count * sizeof *warm->moves);
    memory_give(warm->memory, warm->moves, warm->move_room * sizeof *warm->moves);
    warm->moves = warm->moves_by_place = NULL;
    warm->move_count = warm->move_room = 0;
}

/* ------------------------------------------------------------------------------------------ taking */

/* Two lives never mean different things by one generation, though the later one may have found less than the earlier one has listed. */
static void see_generation(struct warm *warm, uint64_t generation) {
    pthread_mutex_lock(&warm->lock);
    if (generation >= warm->next_generation)
        warm->next_generation = generation + 1;
    pthread_mutex_unlock(&warm->lock);
}

static bool is_there(const struct warm *warm, uint64_t address, uint64_t generation) {
    return warm_generation(warm, address) == generation;
}

static bool is_whole(struct warm *warm, uint64_t address, uint64_t generation) {
    struct buf bytes;
    struct warm_parts parts;
    enum warm_outcome outcome = WARM_FAILED;
    buf_init(&bytes, warm->memory);
    enum status status = warm_read_here(warm, address, generation, &bytes, &outcome, &parts);
    buf_fini(&bytes);
    return status == STATUS_OK && outcome == WARM_FOUND;
}

/* The first move of what stood there; NULL: there is none. */
static const struct warm_move *moves_of(const struct warm *warm, uint64_t address, uint64_t generation) {
    size_t first = 0, end = warm->move_count;
    const struct warm_move wanted = {.from = address, .from_generation = generation, .to_generation = UINT64_MAX};
    while (first < end) {
        size_t middle = first + (end - first) / 2;
        if (by_origin(&warm->moves[middle], &wanted) < 0)
            first = middle + 1;
        else
            end = middle;
    }
    const struct warm_move *move = warm->moves + first;
    return first < warm->move_count && has_origin(move, address, generation) ? move : NULL;
}

/* Where more than one place seems to be there, either a later one was not yet durable when power was lost, or something was being written over the earliest, which is done only
 * when a later one is durable: then they are looked at. */
static bool settle_on(struct warm *warm, const struct warm_move *first, uint64_t *ret_address) {
    const struct warm_move *end = warm->moves + warm->move_count, *move;
    uint64_t origin = first->from, generation = first->from_generation;
    uint32_t there = is_there(warm, origin, generation);
    for (move = first; move < end && has_origin(move, origin, generation); move++)
        there += is_there(warm, move->to, move->to_generation);
    for (move = first; move < end && has_origin(move, origin, generation); move++) {
        *ret_address = move->to;
        if (is_there(warm, move->to, move->to_generation) &&
            (there == 1 || is_whole(warm, move->to, move->to_generation)))
            return true;
    }
    *ret_address = origin;
    return is_there(warm, origin, generation);
}

bool warm_take(struct warm *warm, uint64_t address, uint64_t generation, uint64_t *ret_address) {
    const struct warm_move wanted = {.to = address}, *found = NULL;
    if (generation > warm->found_generation)
        see_generation(warm, generation);
    if (warm->move_count) {
        found = moves_of(warm, address, generation);
        if (found)
            return settle_on(warm, found, ret_address);
        found = bsearch(&wanted, warm->moves_by_place, warm->move_count, sizeof wanted, by_place);
    }
    if (found && found->to_generation == generation) {
        found = moves_of(warm, found->from, found->from_generation);
        return settle_on(warm, found, ret_address);
    }
    *ret_address = address;
    return is_there(warm, address, generation);
}

void warm_taken(struct warm *warm, bool any) {
    pthread_mutex_lock(&warm->lock);
    warm_forget_moves(warm);
    warm->taking = false;
    for (uint32_t left = any ? 0 : warm->stored.count; left; left--) {
        uint32_t number = slot_pop(warm, &warm->stored);
        struct warm_slot *slot = &warm->slots[number];
        if (atomic_load(&slot->generation) > warm->found_generation) {
            slot_push(warm, &warm->stored, number);
            continue;
        }
        warm_count_out(warm, slot);
        slot->state = SLOT_FREE;
        slot_push(warm, &warm->free, number);
    }
    pthread_cond_signal(&warm->work);
    pthread_mutex_unlock(&warm->lock);
}
