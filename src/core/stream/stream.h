/* core/stream/stream.h: numbered records of what was invalidated, the newest ones in a bounded ring.
 *
 *     parts <- left the ring | chunk  chunk  chunk  chunk <- stream_append
 *          floor               floor+1 ...              last
 *                                 ^ a cursor: "I have everything up to here"
 *
 * The ring is for all readers together; a reader holds a position and nothing else. When what it wants next has left, it is told of a gap: of
 * what the parts (parts.h) say about the time in between; then it goes on with the oldest record there is.
 *
 * Threads: one owner at a time; a cursor belongs to its reader but is moved by the owner of the stream.
 * Memory:  chunks of STREAM_CHUNK_SIZE, `bytes_max` of them in all (one chunk at least); a record takes 48 bytes and its texts.
 * Errors:  none: without memory for a record, it and all before it leave at once, and the parts tell of them.
 */
#ifndef STRATA_CORE_STREAM_STREAM_H
#define STRATA_CORE_STREAM_STREAM_H

#include "base/buf.h"
#include "core/stream/parts.h"

enum {
    STREAM_CHUNK_SIZE = 64 * 1024, /* larger for a single record that needs it */
    STREAM_TEXT_MAX = 512,         /* of all texts but the name; longer ones are cut */
};

struct stream_chunk {
    struct stream_chunk *next; /* younger */
    uint64_t first;            /* position */
    uint32_t count, size, room;
    uint8_t bytes[];
};

struct stream {
    const struct memory *memory;
    uint64_t bytes_max, bytes; /* bytes: of all chunks */
    struct stream_chunk *oldest, *newest;
    uint64_t last;  /* position of the newest record ever; 0: none yet */
    uint64_t floor; /* of the newest one that has left */
    struct stream_parts parts;
};

void stream_init(struct stream *stream, const struct memory *memory, uint64_t bytes_max);
void stream_fini(struct stream *stream);

/* Gives the record its position, and answers that. */
uint64_t stream_append(struct stream *stream, const struct stream_record *record);
/* Another size; what is too old leaves. */
void stream_limit(struct stream *stream, uint64_t bytes_max);
/* Everything leaves, and parts do not tell of it: whoever comes with an older position is told that anything may be old. */
void stream_forget(struct stream *stream);

/* Where a reader is. All zero but for `after` is valid. */
struct stream_cursor {
    uint64_t after;                   /* the last position that was read */
    const struct stream_chunk *chunk; /* private, with the next: where that record ends; NULL: to be found */
    uint32_t offset;
};

enum stream_result {
    STREAM_END,     /* there is no more */
    STREAM_RECORDS, /* some were appended to `out` */
    STREAM_GAP,     /* what comes next has left: ask stream_gap, then stream_skip */
};
/* Copies the next records, up to about `size_max` bytes but at least one; STREAM_END too if there is no memory for it. */
enum stream_result stream_take(const struct stream *stream, struct stream_cursor *cursor, size_t size_max,
                               struct buf *out);
/* What concerns the filter of all that has left after the cursor. False: anything may. */
static inline bool stream_gap(const struct stream *stream, const struct stream_cursor *cursor,
                              const struct stream_filter *filter, const struct stream_parts_visit *visit) {
    return stream_parts_since(&stream->parts, cursor->after, filter, visit);
}
void stream_skip(const struct stream *stream, struct stream_cursor *cursor);

/* Reads the record at *at of what stream_take has copied, and moves on; false at the end. */
bool stream_decode(struct slice bytes, size_t *at, struct stream_record *ret_record);

void stream_verify(const struct stream *stream);

#endif
