/* sys/warm/reader_inner.h: what a reader and the threads that read for it share; nobody else includes it.
 *
 *     free --warm_read--> ready (no reading needed) --------------------------------+--poll--> done, free
 *                    +--> on its way: in the ring, or with the pool --> finished ---+
 */
#ifndef STRATA_SYS_WARM_READER_INNER_H
#define STRATA_SYS_WARM_READER_INNER_H

#include <liburing.h>

#include "sys/warm/fetch.h"
#include "sys/warm/reader.h"

enum reader_kind { READER_RING, READER_THREADS, READER_STEPS };

/* One read. */
struct read_slot {
    struct warm_reader *reader;
    struct read_slot *next; /* in whichever list it is */
    struct warm_request request;
    struct warm_fetch fetch; /* its bytes: `own` or `large`, aligned */
    uint8_t *own;            /* WARM_READER_BUFFER_SIZE */
    void *large;
    size_t large_size;
};

struct read_list {
    struct read_slot *first, *last;
};

struct warm_reader {
    struct warm *warm;
    enum reader_kind kind;
    uint32_t depth, pending;
    uint64_t large_bytes, large_bytes_max;
    struct read_slot *slots;
    struct read_slot *free;
    struct read_list ready;
    int event; /* eventfd */
    void *blocks;
    size_t blocks_size;
    struct io_uring ring;
    uint32_t unsubmitted, in_ring;
    struct read_list waiting; /* READER_STEPS */
    /* READER_THREADS, under the pool's lock. */
    struct read_list finished;
    uint32_t running;
};

void read_list_push(struct read_list *list, struct read_slot *slot);
struct read_slot *read_list_pop(struct read_list *list);

void reader_wake(const struct warm_reader *reader);

/* The threads of a store, started with its first reader that needs them. Under the store's lock. */
MUST_CHECK enum status warm_pool_start(struct warm *warm);
void pool_add(struct warm_pool *pool, struct read_slot *slot);
/* Takes what has been read for this reader. */
struct read_list pool_finished(struct warm_pool *pool, struct warm_reader *reader);
/* Waits until nothing of this reader is with the pool. */
void pool_drain(struct warm_pool *pool, struct warm_reader *reader);

#endif
