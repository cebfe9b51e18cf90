#include "sys/warm/reader.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/assert.h"
#include "sys/warm/reader_inner.h"

/* --- lists, waking --- */

void read_list_push(struct read_list *list, struct read_slot *slot) {
    slot->next = NULL;
    if (list->first)
        list->last->next = slot;
    else
        list->first = slot;
    list->last = slot;
}

struct read_slot *read_list_pop(struct read_list *list) {
    struct read_slot *slot = list->first;
    if (slot)
        list->first = slot->next;
    return slot;
}

/* The counter never comes near its end: each poll empties it. */
void reader_wake(const struct warm_reader *reader) {
    uint64_t one = 1;
    ssize_t written = write(reader->event, &one, sizeof one);
    MAYBE(written < 0);
}

/* --- making one --- */

static enum reader_kind choose_kind(struct warm_reader *reader, bool threads) {
    const struct warm *warm = reader->warm;
    if (warm->stepped)
        return READER_STEPS;
    if (threads || !warm->files->is_kernel || io_uring_queue_init(reader->depth, &reader->ring, 0) != 0)
        return READER_THREADS;
    if (io_uring_register_eventfd(&reader->ring, reader->event) == 0)
        return READER_RING;
    io_uring_queue_exit(&reader->ring);
    return READER_THREADS;
}

static enum status lay_out(struct warm_reader *reader) {
    const struct memory *memory = reader->warm->memory;
    reader->blocks_size = (size_t)reader->depth * WARM_READER_BUFFER_SIZE + WARM_BLOCK_SIZE;
    reader->blocks = memory_take(memory, reader->blocks_size);
    reader->slots = memory_take(memory, reader->depth * sizeof *reader->slots);
    if (!reader->blocks || !reader->slots)
        return STATUS_NO_MEMORY;
    uint8_t *at = (uint8_t *)bits_align_up((uintptr_t)reader->blocks, WARM_BLOCK_SIZE);
    for (uint32_t i = reader->depth; i-- > 0;) {
        reader->slots[i] =
            (struct read_slot){.reader = reader, .next = reader->free, .own = at + (size_t)i * WARM_READER_BUFFER_SIZE};
        reader->free = &reader->slots[i];
    }
    return STATUS_OK;
}

static void give_back(struct warm_reader *reader) {
    const struct memory *memory = reader->warm->memory;
    if (reader->event >= 0)
        close(reader->event);
    memory_give(memory, reader->blocks, reader->blocks_size);
    memory_give(memory, reader->slots, reader->depth * sizeof *reader->slots);
    memory_give(memory, reader, sizeof *reader);
}

static enum status begin(struct warm_reader *reader, bool threads) {
    struct warm *warm = reader->warm;
    TRY(lay_out(reader));
    reader->event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (reader->event < 0)
        return STATUS_IO;
    reader->kind = choose_kind(reader, threads);
    pthread_mutex_lock(&warm->lock);
    enum status status = reader->kind == READER_THREADS ? warm_pool_start(warm) : STATUS_OK;
    warm->readers += status == STATUS_OK;
    pthread_mutex_unlock(&warm->lock);
    return status;
}

enum status warm_reader_new(struct warm *warm, const struct warm_reader_options *options,
                            struct warm_reader **ret_reader) {
    ASSERT(options->depth_max <= WARM_READER_DEPTH_MAX);
    struct warm_reader *reader = memory_take(warm->memory, sizeof *reader);
    if (!reader)
        return STATUS_NO_MEMORY;
    *reader = (struct warm_reader){
        .warm = warm,
        .depth = options->depth_max ? options->depth_max : WARM_READER_DEPTH_DEFAULT,
        .large_bytes_max = options->large_bytes_max ? options->large_bytes_max : WARM_READER_LARGE_DEFAULT,
        .event = -1,
    };
    enum status status = begin(reader, options->threads);
    if (status != STATUS_OK) {
        give_back(reader);
        return status;
    }
    *ret_reader = reader;
    return STATUS_OK;
}

int warm_reader_descriptor(const struct warm_reader *reader) { return reader->event; }
uint32_t warm_reader_pending(const struct warm_reader *reader) { return reader->pending; }

const char *warm_reader_kind(const struct warm_reader *reader) {
    static const char *const names[] = {
        [READER_RING] = "io_uring", [READER_THREADS] = "threads", [READER_STEPS] = "steps"};
    return names[reader->kind];
}

/* --- a read's way --- */

static void give_slot(struct warm_reader *reader, struct read_slot *slot) {
    memory_give(reader->warm->memory, slot->large, slot->large_size);
    reader->large_bytes -= slot->large_size;
    slot->large = NULL;
    slot->large_size = 0;
    slot->next = reader->free;
    reader->free = slot;
    reader->pending--;
}

static enum status take_slot(struct warm_reader *reader, const struct warm_fetch *fetch, struct read_slot **ret_slot) {
    struct read_slot *slot = reader->free;
    size_t large_size = fetch->size <= WARM_READER_BUFFER_SIZE ? 0 : (size_t)fetch->size + WARM_BLOCK_SIZE;
    if (!slot || large_size > reader->large_bytes_max - reader->large_bytes) {
        atomic_fetch_add(&reader->warm->reads.busy, 1);
        return STATUS_BUSY;
    }
    uint8_t *bytes = slot->own;
    if (large_size) {
        slot->large = memory_take(reader->warm->memory, large_size);
        if (!slot->large)
            return STATUS_NO_MEMORY;
        bytes = (uint8_t *)bits_align_up((uintptr_t)slot->large, WARM_BLOCK_SIZE);
    }
    slot->fetch = *fetch;
    slot->fetch.bytes = bytes;
    slot->large_size = large_size;
    reader->large_bytes += large_size;
    reader->free = slot->next;
    reader->pending++;
    *ret_slot = slot;
    return STATUS_OK;
}

static void ring_add(struct warm_reader *reader, struct read_slot *slot) {
    struct io_uring_sqe *sqe = io_uring_get_sqe(&reader->ring);
    /* There are as many as reads, and one that has been submitted is free again. */
    ASSERT(sqe);
    io_uring_prep_read(sqe, reader->warm->file, slot->fetch.bytes + slot->fetch.got, slot->fetch.size - slot->fetch.got,
                       file_offset(slot->fetch.position + slot->fetch.got));
    io_uring_sqe_set_data(sqe, slot);
    reader->unsubmitted++;
}

static void start(struct warm_reader *reader, struct read_slot *slot) {
    if (reader->kind == READER_RING)
        ring_add(reader, slot);
    else if (reader->kind == READER_THREADS)
        pool_add(reader->warm->pool, slot);
    else
        read_list_push(&reader->waiting, slot);
}

enum status warm_read(struct warm_reader *reader, const struct warm_request *request) {
    struct read_slot *slot;
    struct warm_fetch fetch;
    fetch_place(reader->warm, request->address, request->generation, &fetch);
    TRY(take_slot(reader, &fetch, &slot));
    slot->request = *request;
    if (fetch_begin(reader->warm, &slot->fetch))
        start(reader, slot);
    else
        read_list_push(&reader->ready, slot);
    return STATUS_OK;
}

void warm_reader_submit(struct warm_reader *reader) {
    if (reader->kind == READER_RING && reader->unsubmitted) {
        int submitted = io_uring_submit(&reader->ring);
        if (submitted > 0) {
            reader->unsubmitted -= (uint32_t)submitted;
            reader->in_ring += (uint32_t)submitted;
        }
    }
    /* The kernel had no memory for all: the next turn tries again. */
    if (reader->unsubmitted || reader->ready.first || reader->waiting.first)
        reader_wake(reader);
}

/* --- its end --- */

static void conclude(struct warm_reader *reader, struct read_slot *slot) {
    struct warm_parts parts;
    enum warm_outcome outcome = fetch_judge(reader->warm, &slot->fetch, &parts);
    slot->request.done(slot->request.context, outcome, outcome == WARM_FOUND ? &parts : NULL);
    give_slot(reader, slot);
}

static uint32_t conclude_all(struct warm_reader *reader, struct read_list list) {
    uint32_t count = 0;
    for (struct read_slot *slot; (slot = read_list_pop(&list)); count++)
        conclude(reader, slot);
    return count;
}

/* True if the read is at its end: a part of it is followed by the rest. */
static bool ring_ended(struct warm_reader *reader, struct read_slot *slot, int result) {
    if (result == -EINTR || result == -EAGAIN) {
        ring_add(reader, slot);
        return false;
    }
    if (result < 0)
        slot->fetch.error = -result;
    else
        slot->fetch.got += (uint32_t)result;
    if (result > 0 && slot->fetch.got < slot->fetch.size) {
        ring_add(reader, slot);
        return false;
    }
    return true;
}

static struct read_list ring_finished(struct warm_reader *reader) {
    struct read_list ended = {0};
    struct io_uring_cqe *cqe;
    while (io_uring_peek_cqe(&reader->ring, &cqe) == 0) {
        struct read_slot *slot = io_uring_cqe_get_data(cqe);
        int result = cqe->res;
        io_uring_cqe_seen(&reader->ring, cqe);
        reader->in_ring--;
        if (ring_ended(reader, slot, result))
            read_list_push(&ended, slot);
    }
    return ended;
}

static struct read_list steps_finished(struct warm_reader *reader) {
    struct read_list ended = reader->waiting;
    reader->waiting = (struct read_list){0};
    for (struct read_slot *slot = ended.first; slot; slot = slot->next)
        fetch_now(reader->warm, &slot->fetch);
    return ended;
}

uint32_t warm_reader_poll(struct warm_reader *reader) {
    uint64_t woken;
    ssize_t emptied = read(reader->event, &woken, sizeof woken);
    MAYBE(emptied < 0);
    struct read_list ready = reader->ready;
    reader->ready = (struct read_list){0};
    struct read_list ended = reader->kind == READER_RING      ? ring_finished(reader)
                             : reader->kind == READER_THREADS ? pool_finished(reader->warm->pool, reader)
                                                              : steps_finished(reader);
    uint32_t count = conclude_all(reader, ready);
    count += conclude_all(reader, ended);
    warm_reader_submit(reader);
    return count;
}

static void ring_end(struct warm_reader *reader) {
    struct io_uring_cqe *cqe;
    /* The kernel writes into the buffers until then. */
    while (reader->in_ring) {
        int result = io_uring_wait_cqe(&reader->ring, &cqe);
        ASSERT(result == 0 || result == -EINTR || result == -EAGAIN);
        if (result == 0) {
            io_uring_cqe_seen(&reader->ring, cqe);
            reader->in_ring--;
        }
    }
    io_uring_queue_exit(&reader->ring);
}

void warm_reader_free(struct warm_reader *reader) {
    if (!reader)
        return;
    struct warm *warm = reader->warm;
    if (reader->kind == READER_RING)
        ring_end(reader);
    else if (reader->kind == READER_THREADS)
        pool_drain(warm->pool, reader);
    for (uint32_t i = 0; i < reader->depth; i++)
        memory_give(warm->memory, reader->slots[i].large, reader->slots[i].large_size);
    pthread_mutex_lock(&warm->lock);
    warm->readers--;
    pthread_mutex_unlock(&warm->lock);
    give_back(reader);
}
