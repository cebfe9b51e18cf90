#include "core/stream/stream.h"

#include <assert.h>

#include "base/assert.h"
#include "base/bits.h"

/* Followed by the texts, to a multiple of 8. */
struct head {
    uint64_t position, at_ms, client;
    uint32_t db, name_size;
    uint8_t kind, soft;
    uint16_t sizes[STREAM_TEXTS - 1]; /* of the texts behind the name */
    uint16_t unused;
};
static_assert(sizeof(struct head) == 48, "as stream.h says");

void stream_init(struct stream *stream, const struct memory *memory, uint64_t bytes_max) {
    *stream = (struct stream){.memory = memory, .bytes_max = bytes_max};
    stream_parts_init(&stream->parts, memory);
}

static size_t chunk_size(const struct stream_chunk *chunk) { return sizeof *chunk + chunk->room; }

static void drop_chunk(struct stream *stream) {
    struct stream_chunk *chunk = stream->oldest;
    stream->oldest = chunk->next;
    if (!chunk->next)
        stream->newest = NULL;
    stream->bytes -= chunk_size(chunk);
    memory_give(stream->memory, chunk, chunk_size(chunk));
}

void stream_fini(struct stream *stream) {
    while (stream->oldest)
        drop_chunk(stream);
    stream_parts_fini(&stream->parts);
}

/* The oldest chunk leaves, and the parts remember. */
static void leave(struct stream *stream) {
    const struct stream_chunk *chunk = stream->oldest;
    struct stream_record record;
    size_t at = 0;
    while (stream_decode(slice_make(chunk->bytes, chunk->size), &at, &record))
        stream_parts_note(&stream->parts, &record);
    stream->floor = chunk->first + chunk->count - 1;
    drop_chunk(stream);
}

void stream_limit(struct stream *stream, uint64_t bytes_max) {
    stream->bytes_max = bytes_max;
    while (stream->bytes > bytes_max && stream->oldest != stream->newest)
        leave(stream);
}

void stream_forget(struct stream *stream) {
    while (stream->oldest)
        drop_chunk(stream);
    stream->floor = stream->last;
    if (stream->last)
        stream_parts_note_all(&stream->parts, stream->last);
}

/* ------------------------------------------------------------------------------------------ writing */

static size_t shorter(size_t size) { return size < STREAM_TEXT_MAX ? size : STREAM_TEXT_MAX; }

static size_t encoded_size(const struct stream_record *record) {
    size_t size = sizeof(struct head) + record->texts[STREAM_NAME].size;
    for (int i = STREAM_NAME + 1; i < STREAM_TEXTS; i++)
        size += shorter(record->texts[i].size);
    return bits_align_up(size, sizeof(uint64_t));
}

static void encode(const struct stream_record *record, uint64_t position, uint8_t *to) {
    struct head head = {.position = position,
                        .at_ms = record->at_ms,
                        .client = record->client,
                        .db = record->db,
                        .name_size = (uint32_t)record->texts[STREAM_NAME].size,
                        .kind = (uint8_t)record->kind,
                        .soft = record->soft};
    size_t at = sizeof head;
    for (int i = STREAM_NAME; i < STREAM_TEXTS; i++) {
        size_t size = i == STREAM_NAME ? head.name_size : shorter(record->texts[i].size);
        if (size)
            memcpy(to + at, record->texts[i].data, size);
        if (i > STREAM_NAME)
            head.sizes[i - 1] = (uint16_t)size;
        at += size;
    }
    memcpy(to, &head, sizeof head);
}

/* A chunk with room for so many bytes becomes the newest one. */
static bool add_chunk(struct stream *stream, size_t size) {
    uint32_t room = (uint32_t)(size > STREAM_CHUNK_SIZE ? size : STREAM_CHUNK_SIZE) - sizeof(struct stream_chunk);
    room = room < size ? (uint32_t)size : room;
    while (stream->oldest && stream->bytes + sizeof(struct stream_chunk) + room > stream->bytes_max)
        leave(stream);
    struct stream_chunk *chunk = memory_take(stream->memory, sizeof *chunk + room);
    if (!chunk)
        return false;
    *chunk = (struct stream_chunk){.first = stream->last + 1, .room = room};
    if (stream->newest)
        stream->newest->next = chunk;
    else
        stream->oldest = chunk;
    stream->newest = chunk;
    stream->bytes += chunk_size(chunk);
    return true;
}

uint64_t stream_append(struct stream *stream, const struct stream_record *record) {
    size_t size = encoded_size(record);
    struct stream_chunk *chunk = stream->newest;
    if (!chunk || chunk->room - chunk->size < size) {
        if (!add_chunk(stream, size)) {
            /* Between what is kept and what comes there can be no hole. */
            struct stream_record left = *record;
            while (stream->oldest)
                leave(stream);
            left.position = stream->floor = ++stream->last;
            stream_parts_note(&stream->parts, &left);
            return stream->last;
        }
        chunk = stream->newest;
    }
    encode(record, ++stream->last, chunk->bytes + chunk->size);
    chunk->size += (uint32_t)size;
    chunk->count++;
    return stream->last;
}

/* ------------------------------------------------------------------------------------------ reading */

bool stream_decode(struct slice bytes, size_t *at, struct stream_record *ret_record) {
    struct head head;
    if (*at >= bytes.size)
        return false;
    ASSERT(bytes.size - *at >= sizeof head);
    memcpy(&head, bytes.data + *at, sizeof head);
    *ret_record = (struct stream_record){.position = head.position,
                                         .at_ms = head.at_ms,
                                         .client = head.client,
                                         .kind = (enum stream_kind)head.kind,
                                         .db = head.db,
                                         .soft = head.soft};
    size_t end = *at + sizeof head;
    for (int i = STREAM_NAME; i < STREAM_TEXTS; i++) {
        size_t size = i == STREAM_NAME ? head.name_size : head.sizes[i - 1];
        ret_record->texts[i] = slice_make(bytes.data + end, size);
        end += size;
    }
    *at = bits_align_up(end, sizeof(uint64_t));
    ASSERT(*at <= bytes.size);
    return true;
}

/* Finds where the record after the cursor stands, which is in the ring. */
static void find(const struct stream *stream, struct stream_cursor *cursor) {
    const struct stream_chunk *chunk = stream->oldest;
    struct stream_record record;
    size_t at = 0;
    while (cursor->after >= chunk->first + chunk->count)
        chunk = chunk->next;
    for (uint64_t skip = cursor->after + 1 - chunk->first; skip > 0; skip--) {
        bool found = stream_decode(slice_make(chunk->bytes, chunk->size), &at, &record);
        ASSERT(found);
    }
    cursor->chunk = chunk;
    cursor->offset = (uint32_t)at;
}

enum stream_result stream_take(const struct stream *stream, struct stream_cursor *cursor, size_t size_max,
                               struct buf *out) {
    if (cursor->after >= stream->last)
        return STREAM_END;
    if (cursor->after < stream->floor)
        return STREAM_GAP;
    /* Its last record may have left with its chunk. */
    if (!cursor->chunk || cursor->after == stream->floor)
        find(stream, cursor);
    if (cursor->offset == cursor->chunk->size) {
        cursor->chunk = cursor->chunk->next;
        cursor->offset = 0;
    }
    const struct stream_chunk *chunk = cursor->chunk;
    struct slice bytes = slice_make(chunk->bytes, chunk->size);
    struct stream_record record;
    size_t end = cursor->offset;
    uint64_t after = cursor->after;
    while ((end == cursor->offset || end - cursor->offset < size_max) && stream_decode(bytes, &end, &record))
        after = record.position;
    if (buf_append(out, chunk->bytes + cursor->offset, end - cursor->offset) != STATUS_OK)
        return STREAM_END;
    cursor->after = after;
    cursor->offset = (uint32_t)end;
    return STREAM_RECORDS;
}

void stream_skip(const struct stream *stream, struct stream_cursor *cursor) {
    *cursor = (struct stream_cursor){.after = stream->floor};
}

void stream_verify(const struct stream *stream) {
    uint64_t bytes = 0, position = stream->floor;
    const struct stream_chunk *last = NULL;
    for (const struct stream_chunk *chunk = stream->oldest; chunk; chunk = chunk->next) {
        struct stream_record record;
        size_t at = 0;
        uint32_t count = 0;
        ASSERT(chunk->first == position + 1 && chunk->count > 0 && chunk->size <= chunk->room);
        while (stream_decode(slice_make(chunk->bytes, chunk->size), &at, &record)) {
            ASSERT(record.position == ++position && record.kind < STREAM_KINDS);
            count++;
        }
        ASSERT(count == chunk->count);
        bytes += chunk_size(chunk);
        last = chunk;
    }
    ASSERT(position == stream->last && last == stream->newest && bytes == stream->bytes);
    ASSERT(bytes <= stream->bytes_max || stream->oldest == stream->newest);
    stream_parts_verify(&stream->parts);
}
