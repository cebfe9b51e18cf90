/* sys/warm/warm.h: records in a file of bounded size on SSD, written in whole segments, the oldest of which make room.
 *
 *     warm_add --> [open segment] --> [sealed] --> one write --> segment in the file      reads: reader.h
 *                                                                     |
 *     moved <-- kept records go to the open segment again <-- oldest -+--> gone: the index forgets
 *
 * A record is a key, a value and some bytes about them (expiry, stamp, tags, class), which mean nothing here. Its address has
 * WARM_ADDRESS_BITS and is all that an index keeps of it. An address leads to its record until `gone` or `moved` has been called for it; afterwards
 * it may lead to another one, so a read brings along the generation of its segment, looked up while the index still had the address.
 *
 * Nothing here is durable before warm_flush or warm_close, nor needs to be: what a restart finds is whole records that were written once. Whether one is
 * still true (it may have been replaced or invalidated since) is the caller's to know, from its meta or its word. Of several with the same key
 * the one that is listed last is the youngest that is left. Reclaiming never takes the younger one first; damage, a power cut or a write that failed
 * may have.
 *
 * Whoever lists addresses somewhere, with generations, so that a later process may use them (`lasting`), says when it begins and when its list is durable:
 *
 *     warm_position ── list ── warm_flush ── the list is durable ── warm_listed(position - 1)          ...          warm_open ── warm_take, warm_take, ... ── warm_taken
 *
 * A record that is moved meanwhile says where it came from, and what stood there is not written over before the new place is durable. One that has been moved since the
 * last list is not moved again: it goes, as nothing would lead to it.
 *
 * Threads: any may call anything but warm_open, warm_close and warm_free. One lock, held for the copy of a record. A thread of
 *          its own writes and reclaims; hooks are called from it, without the lock: they may take locks under which others call warm_add.
 *          Who enters an address in an index holds the lock that its hooks take from before warm_add until it is entered.
 * Memory:  `buffers` segments and two more for reclaiming, and 32 bytes for each segment of the file (while opening, 80). Nothing is allocated
 *          after warm_open but by readers.
 * Time:    handed in.
 */
#ifndef STRATA_SYS_WARM_WARM_H
#define STRATA_SYS_WARM_WARM_H

#include "base/buf.h"
#include "base/memory.h"
#include "sys/os/files.h"
#include "sys/warm/warm_format.h"

enum {
    WARM_SEGMENT_SIZE_DEFAULT = 1 << 20,
    WARM_SEGMENTS_MIN = 8,
    WARM_BUFFERS_DEFAULT = 4,
    WARM_BUFFERS_MIN = 2,
    WARM_BUFFERS_MAX = 64,
    WARM_KEEP_PERCENT_MAX = 50, /* of the bytes of a segment may be kept, or reclaiming would not bring room */
    WARM_NAME_MAX = 200,
    WARM_REASON_SIZE = 256,
};

/* What is told of a record without reading it. */
struct warm_item {
    uint64_t address;
    uint64_t hash;
    uint64_t word;
    uint32_t size_bytes; /* in the file */
    uint64_t from;       /* warm_from; 0: it was not moved */
    uint64_t generation;
};

enum warm_cause {
    WARM_RECLAIMED, /* its segment makes room */
    WARM_LOST,      /* its segment could not be written */
};

enum warm_trouble_kind {
    WARM_WRITE_FAILED,   /* of a segment: its records are gone */
    WARM_READ_FAILED,    /* of a record, or of an index */
    WARM_RECORD_DAMAGED, /* what was read is not what was written */
    WARM_INDEX_DAMAGED,  /* the segment's header or index is not what was written */
    WARM_FLUSH_FAILED,   /* a power cut may lose what was moved */
    WARM_TROUBLES
};

struct warm_trouble {
    enum warm_trouble_kind kind;
    const char *name; /* of the file */
    uint64_t offset;  /* in the file */
    int error;        /* errno of a failed call, else 0 */
};

/* Any of them may be NULL. */
struct warm_hooks {
    /* A record is about to go: whether it is worth being written again. Asked until so much of the segment is kept as may be. */
    bool (*keep)(void *context, const struct warm_item *item);
    /* It was. Both addresses lead to it until this returns. */
    void (*moved)(void *context, const struct warm_item *item, uint64_t address);
    void (*gone)(void *context, const struct warm_item *item, enum warm_cause cause);
    /* The index of a segment cannot be read: all addresses with first <= warm_address_position < end are gone. */
    void (*gone_all)(void *context, uint64_t first, uint64_t end);
    /* For the log. From the thread that has it: a reader's, too. */
    void (*trouble)(void *context, const struct warm_trouble *trouble);
    void *context;
};

struct warm_options {
    const char *name; /* of the file; NULL: "warm" */
    uint64_t
        size_bytes; /* of all segments together: rounded down to whole ones, at least WARM_SEGMENTS_MIN, at most WARM_SIZE_MAX */
    uint32_t segment_bytes; /* a power of two; 0: WARM_SEGMENT_SIZE_DEFAULT */
    uint32_t buffers;       /* segments in memory; 0: WARM_BUFFERS_DEFAULT */
    uint32_t keep_percent;  /* of a segment that may be kept, at most WARM_KEEP_PERCENT_MAX */
    uint64_t
        write_rate_bytes; /* a second, for records with all that they take of a segment, kept ones included; 0: no limit */
    bool begin_anew;      /* over a file that is damaged, of another version, or has segments of another size */
    bool buffered;        /* through the page cache. Otherwise past it, where the file system can */
    bool
        mapped; /* the same, and records are copied out of a mapping of the file, where the system can (sys/os/file_map.h) */
    bool lasting;  /* addresses are listed, for a later process to take them */
    uint64_t word; /* the caller's, of a file that is begun */
    bool stepped;  /* no threads: warm_step writes and reclaims, readers read when they are polled (for tests) */
    uint64_t seed; /* of the file's id and the salts; 0: from the kernel */
    const struct memory *memory; /* NULL: memory_libc */
    struct warm_hooks hooks;
};

struct warm_report {
    uint64_t segments;         /* that were read */
    uint64_t segments_skipped; /* with a header of this file, but not whole */
    uint64_t records;
    char reason[WARM_REASON_SIZE]; /* of a failure, with file and offset; else empty */
};

struct warm_statistics {
    uint64_t segments, segments_used,
        segments_retired;         /* of the file; that hold records; that failed too often to be tried again */
    uint64_t records, used_bytes; /* in them, without their indexes */
    uint64_t added, added_bytes;
    uint64_t refused_budget, refused_busy, refused_held;
    uint64_t written_segments, written_bytes;
    uint64_t write_failures, lost;
    uint64_t reclaimed_segments, reclaimed_blind; /* of those, without an index that could be read */
    uint64_t kept, kept_bytes, gone;
    uint64_t reads_found, reads_buffered, reads_stale, reads_damaged, reads_failed, reads_busy;
    bool direct; /* past the page cache */
    bool mapped; /* and not by calls of the kernel */
};

struct warm;

/* What a restart finds, in the order in which it was written. Another status than STATUS_OK ends the opening with it. */
struct warm_visitor {
    enum status (*found)(void *context, const struct warm_item *item);
    void *context;
};

/* Opens the file or begins it, with all of its room set aside. `visitor` may be NULL. The directory is the caller's alone (directory_lock).
 * STATUS_INVALID: options, or a file of another version or size of segments; STATUS_CORRUPT: its header is damaged; STATUS_FULL: no room for
 * the file; STATUS_IO; STATUS_NO_MEMORY. On failure `ret_report` says more. */
MUST_CHECK enum status warm_open(const struct files *files, const struct warm_options *options, uint64_t now_ns,
                                 const struct warm_visitor *visitor, struct warm_report *ret_report,
                                 struct warm **ret_warm);

/* Writes what is in memory, flushes and closes. All readers are freed. Afterwards there is no warm, whatever the answer: STATUS_IO if not
 * all of it was written (those records were `gone`). */
MUST_CHECK enum status warm_close(struct warm *warm);
/* Closes without writing, as a death would. */
void warm_free(struct warm *warm);

struct warm_record {
    uint64_t hash; /* of the key, for the index */
    uint64_t word; /* what `found`, `keep` and `gone` shall know of it: a stamp, an expiry */
    struct warm_parts parts;
    /* A value that stands in several places, one behind the other: `parts.value` has its size, and no `data`. */
    const struct slice *pieces;
    uint32_t piece_count;
};

/* The largest record (warm_record_size) that a segment of this size takes. */
static inline uint32_t warm_record_size_max(uint32_t segment_bytes) {
    return segment_bytes - WARM_SEGMENT_HEADER_SIZE - WARM_INDEX_ENTRY_SIZE;
}

/* Copies the record. STATUS_AGAIN: over the write budget, or a write has failed not long ago. STATUS_BUSY: all buffers wait to be written.
 * STATUS_TOO_LARGE. Never waits for the disk. */
MUST_CHECK enum status warm_add(struct warm *warm, uint64_t now_ns, const struct warm_record *record,
                                uint64_t *ret_address);

/* The generation of the segment behind an address; 0: it holds nothing now. To be asked while the index has the address. */
uint64_t warm_generation(const struct warm *warm, uint64_t address);

enum warm_outcome {
    WARM_FOUND, /* a whole record that was written at this address. Whether it has the key that is looked for is the caller's to see */
    WARM_STALE,   /* its segment has made room, or was lost, since the address was looked up */
    WARM_DAMAGED, /* not what was written; counted and told */
    WARM_FAILED,  /* the disk refused; counted and told */
};

/* Reads a record in this thread, which waits for the disk: for who has nothing else to do. `generation` as in struct warm_request (reader.h). The parts of WARM_FOUND lie in
 * `bytes`, which the caller has initialised and finishes. STATUS_NO_MEMORY. */
MUST_CHECK enum status warm_read_here(struct warm *warm, uint64_t address, uint64_t generation, struct buf *bytes,
                                      enum warm_outcome *ret_outcome, struct warm_parts *ret_parts);

/* Which file it is: its id, and the word that it was begun with. */
uint64_t warm_id(const struct warm *warm);
uint64_t warm_word(const struct warm *warm);
/* The lowest generation in which what is added from now on may stand. */
uint64_t warm_position(struct warm *warm);
/* warm_settle, and what is in the file is durable. STATUS_IO. */
MUST_CHECK enum status warm_flush(struct warm *warm);
/* What stands in generations up to this one was listed where it stands, and the list is durable. */
void warm_listed(struct warm *warm, uint64_t generation);
/* Whether what an earlier process has listed is there, and where: at its place, or where it was moved to. The same record is always found at one place. Any thread, until warm_taken. */
bool warm_take(struct warm *warm, uint64_t address, uint64_t generation, uint64_t *ret_address);
/* No more is taken. `any` false: nothing was, and all that was found makes room at once. */
void warm_taken(struct warm *warm, bool any);
/* Waits until no buffer waits to be written, so that some hundred KiB can be added. The caller holds no lock that hooks take. */
void warm_spare(struct warm *warm);

/* Several records, read at the same time before they are asked for one by one. Of the caller, who initialises `bytes` and finishes them. */
enum { WARM_AHEAD_MAX = 64, WARM_AHEAD_BYTES_MAX = 2 << 20 };
struct warm_ahead {
    struct buf bytes;
    uint32_t count; /* of those that were read */
};
struct warm_place {
    uint64_t address, generation;
};

/* Reads what stands at these places, at most WARM_AHEAD_MAX, and waits for all. What cannot be read at the same time (not past the page cache, too large together, no memory, the kernel
 * refuses) is left to warm_read_here. Nothing is counted or told. */
void warm_read_ahead(struct warm *warm, const struct warm_place *places, uint32_t count, struct warm_ahead *ahead);
/* As warm_read_here. False: that place was not read. */
bool warm_ahead_take(struct warm *warm, const struct warm_ahead *ahead, uint64_t address, uint64_t generation,
                     enum warm_outcome *ret_outcome, struct warm_parts *ret_parts);

/* Seals the open segment and waits until all that was added is in the file or lost. */
void warm_settle(struct warm *warm);

/* With `stepped`: writes and reclaims all that there is to. */
void warm_step(struct warm *warm);

void warm_write_rate_set(struct warm *warm, uint64_t rate_bytes);
void warm_statistics(struct warm *warm, struct warm_statistics *ret_statistics);
/* For tests: all that always holds, while no other call runs. */
void warm_verify(struct warm *warm);

#endif
