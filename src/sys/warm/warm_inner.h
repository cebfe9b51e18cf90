/* sys/warm/warm_inner.h: what the parts of the warm tier share; nobody else includes it.
 *
 *     slot     free --open--> open --seal--> sealed --written--> stored --oldest--> reclaiming --> free
 *                                               +--write failed--> free, or retired     reclaiming --> held --> free
 *
 * A slot is a segment's place in the file. From open to sealed it has a buffer; its generation is not 0 from open until what it holds has gone.
 *
 * Threads: `lock` guards all but what is constant after opening and what the writing thread alone has (said below). A sealed buffer does not change
 *          but for its sums, which only the writing thread looks at.
 */
#ifndef STRATA_SYS_WARM_WARM_INNER_H
#define STRATA_SYS_WARM_WARM_INNER_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/rng.h"
#include "sys/os/batch_read.h"
#include "sys/os/file_map.h"
#include "sys/os/thread.h"
#include "sys/warm/budget.h"
#include "sys/warm/warm.h"

enum { SLOT_NONE = UINT32_MAX & 0x7fffffff, BUFFER_NONE = 255 };
enum {
    SLOTS_FREE_WANTED = 2,  /* reclaiming begins when there are fewer; */
    SLOTS_FREE_LASTING = 4, /* or, where some are held for a while, fewer than that of so many */
    SLOTS_FEW = 16,
    SLOT_FAILURES_MAX = 3, /* writes in a row that failed, before a slot is retired */
    HOLD_DOUBLINGS_MAX = 6,
};
#define HOLD_NS 1000000000ull /* after a first failed write; doubled with each more */

enum slot_state { SLOT_FREE, SLOT_OPEN, SLOT_SEALED, SLOT_STORED, SLOT_RECLAIMING, SLOT_HELD, SLOT_RETIRED };

struct warm_slot {
    _Atomic uint64_t generation; /* 0: nothing can be read here */
    uint64_t seed;               /* while it is held: the last generation that has to be durable before it is free */
    uint32_t count;
    uint32_t records_size;
    uint32_t next; /* in its list */
    uint8_t state;
    uint8_t buffer; /* BUFFER_NONE: it is in the file */
    uint8_t failures;
};
static_assert(sizeof(struct warm_slot) == 32, "what warm.h says of memory");

/* First in, first out, by `next`. */
struct slot_list {
    uint32_t first, last, count;
};

struct warm_buffer {
    uint8_t *bytes; /* a segment, aligned to WARM_BLOCK_SIZE */
    uint32_t slot;  /* SLOT_NONE: free */
    uint64_t salt;
};

struct warm_reads {
    _Atomic uint64_t found, buffered, stale, damaged, failed, busy;
};

struct warm_pool;

/* A record that was moved, as it was found. */
struct warm_move {
    uint64_t from, from_generation, to, to_generation;
};

/* For threads that read several records at once: more of them at the same time read one by one. */
enum { WARM_BATCHES_MAX = 4 };
struct warm_batch {
    struct batch_reader reader;
    bool busy;
};

struct warm {
    const struct files *files;
    const struct memory *memory;
    struct warm_hooks hooks;
    char name[WARM_NAME_MAX + 1];
    int file;
    bool direct, stepped, lasting;
    struct file_map map; /* of the whole file, if it is `mapped` */
    uint64_t id, word;
    uint32_t segment_size, slots_count, buffers_count;
    uint32_t keep_max; /* bytes of a segment */

    pthread_mutex_t lock;
    pthread_cond_t work;    /* something for the writing thread */
    pthread_cond_t settled; /* a sealed buffer is written or lost */
    struct warm_slot *slots;
    struct slot_list free, held, stored; /* stored: in order of generation */
    struct warm_buffer buffers[WARM_BUFFERS_MAX];
    uint8_t sealed[WARM_BUFFERS_MAX]; /* numbers of buffers, the oldest first */
    uint32_t sealed_count;
    _Atomic bool pressed; /* a buffer is sealed, or no slot is free: a hint for warm_spare */
    bool reclaiming;      /* a slot is on its way */
    uint8_t open;         /* BUFFER_NONE: none */
    uint64_t next_generation;
    uint64_t settled_generation; /* no buffer up to here is sealed any more */
    uint64_t listed_generation;  /* what stands in segments up to here is listed at its place: warm_listed */
    uint64_t found_generation;   /* the highest one that opening has found */
    bool taking;                 /* it is not yet known what of that is wanted: until warm_taken */
    /* Of what opening has found, until warm_taken: by where they came from, and by where they are. */
    struct warm_move *moves, *moves_by_place;
    size_t move_count, move_room;
    struct rng salts;
    struct budget budget;
    uint64_t hold_wanted_ns, hold_until_ns;
    unsigned failures; /* writes in a row */
    struct warm_statistics statistics;
    bool stopping;
    struct thread thread;
    bool has_thread;
    uint32_t readers;
    struct warm_pool *pool;
    void (*pool_free)(struct warm_pool *pool); /* so that who has no readers needs none of them linked */
    struct warm_reads reads;
    struct warm_batch batches[WARM_BATCHES_MAX];
    bool batches_refused; /* by the kernel: it is not asked again */

    /* The writing thread's alone: an index, and a segment of which records are kept. */
    uint8_t *index_bytes, *segment_bytes;
    void *blocks; /* one allocation: buffers and these two */
    size_t blocks_size;
};

/* What a record takes of a segment, so of the write budget. */
static inline uint64_t record_cost(uint64_t size) {
    return bits_align_up(size, WARM_RECORD_ALIGNMENT) + WARM_INDEX_ENTRY_SIZE;
}
static inline uint64_t slot_position(const struct warm *warm, uint32_t slot) {
    return (uint64_t)slot * warm->segment_size;
}
static inline uint64_t file_offset(uint64_t position) { return WARM_BLOCK_SIZE + position; }

/* What is read of the file for the record of an address, with `ret_lead` bytes before it: past the page cache whole blocks, else no more than the record can have. False if that is no
 * address of this file. */
bool warm_span(const struct warm *warm, uint64_t address, uint64_t *ret_position, uint32_t *ret_size,
               uint32_t *ret_lead);

void slot_push(struct warm *warm, struct slot_list *list, uint32_t slot);
uint32_t slot_pop(struct warm *warm, struct slot_list *list);

/* Under the lock: what the slot held is gone. */
void warm_count_out(struct warm *warm, struct warm_slot *slot);

/* Under the lock: whether the oldest segment is to make room. A slot that is held will be free soon. */
static inline bool warm_wants_slots(const struct warm *warm) {
    uint32_t wanted = warm->lasting && warm->slots_count >= SLOTS_FEW ? SLOTS_FREE_LASTING : SLOTS_FREE_WANTED;
    wanted = warm->taking ? 1 : wanted; /* no more goes than has to */
    return warm->stored.count && warm->free.count + warm->held.count < wanted;
}

/* Under the lock, after a change of either. */
static inline void warm_note_pressure(struct warm *warm) {
    atomic_store_explicit(&warm->pressed, warm->sealed_count || !warm->free.count, memory_order_relaxed);
}

/* Under the lock. STATUS_BUSY: no buffer or no slot is free. `from`: NULL, or where the record stood before. */
MUST_CHECK enum status warm_append(struct warm *warm, const struct warm_record *record, const struct warm_item *from,
                                   uint64_t *ret_address);
/* Whether a record of this size can be appended now; opens a segment for it. */
MUST_CHECK enum status warm_make_room(struct warm *warm, uint32_t size);
void warm_seal(struct warm *warm);

/* The writing thread: the oldest sealed buffer goes to the file; the oldest segment makes room. */
void warm_write_sealed(struct warm *warm);
void warm_reclaim(struct warm *warm);
/* Frees what is held for segments that are written by now, when they are durable. */
void warm_free_held(struct warm *warm);
/* Moves of one segment that was found; and that all were. */
MUST_CHECK enum status warm_note_moves(struct warm *warm, uint32_t slot, struct slice index);
MUST_CHECK enum status warm_sort_moves(struct warm *warm);
void warm_forget_moves(struct warm *warm);
MUST_CHECK enum status warm_start(struct warm *warm);

/* The header of a segment, and its index into index_bytes. STATUS_CORRUPT: not whole. */
MUST_CHECK enum status warm_header_load(struct warm *warm, uint32_t slot, struct warm_segment_header *ret_header);
MUST_CHECK enum status warm_index_load(struct warm *warm, uint32_t slot, const struct warm_segment_header *header,
                                       struct slice *ret_index);
void warm_item_of(const struct warm *warm, uint32_t slot, const uint8_t *segment_end, uint32_t number,
                  struct warm_item *ret_item);
void warm_tell(const struct warm *warm, enum warm_trouble_kind kind, uint64_t offset, int error);

#endif
