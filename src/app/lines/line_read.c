#include "app/lines/line_read.h"

enum { PIECE = 256 * 1024 };

void line_read_init(struct line_read *lines, FILE *from, size_t size_max) {
    *lines = (struct line_read){.from = from, .size_max = size_max};
    buf_init(&lines->bytes, &memory_libc);
}

void line_read_fini(struct line_read *lines) { buf_fini(&lines->bytes); }

/* More bytes behind those that are there. */
static enum status fill(struct line_read *lines) {
    buf_consume(&lines->bytes, lines->at);
    lines->at = 0;
    if (lines->bytes.size > lines->size_max)
        return STATUS_TOO_LARGE;
    TRY(buf_reserve(&lines->bytes, PIECE));
    size_t size = fread(lines->bytes.data + lines->bytes.size, 1, PIECE, lines->from);
    lines->bytes.size += size;
    if (size < PIECE && ferror(lines->from))
        return STATUS_IO;
    lines->ended = size < PIECE;
    return STATUS_OK;
}

enum status line_read_next(struct line_read *lines, struct slice *ret_line) {
    size_t searched = 0;
    for (;;) {
        size_t size = lines->bytes.size - lines->at - searched;
        const uint8_t *from = slice_part(buf_slice(&lines->bytes), lines->at, SIZE_MAX).data;
        const uint8_t *end = size ? memchr(from + searched, '\n', size) : NULL;
        bool is_last = !end && lines->ended && lines->bytes.size > lines->at;
        if (end || is_last) {
            *ret_line = slice_make(from, end ? (size_t)(end - from) : lines->bytes.size - lines->at);
            lines->at += ret_line->size + (end != NULL);
            lines->number++;
            return ret_line->size > lines->size_max ? STATUS_TOO_LARGE : STATUS_OK;
        }
        if (lines->ended)
            return STATUS_CLOSED;
        searched += size;
        TRY(fill(lines));
    }
}
