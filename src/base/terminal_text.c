#include "base/terminal_text.h"

#include "base/utf8.h"

enum { PIECE_SIZE = 16 }; /* of a character of four bytes */

/* A terminal does something when it comes, or shows others elsewhere. */
static bool acts(uint32_t point) {
    return point < 0x20 || (point >= 0x7f && point < 0xa0) || point == 0x61c || point == 0x200e || point == 0x200f ||
           (point >= 0x202a && point <= 0x202e) || (point >= 0x2066 && point <= 0x2069);
}

static bool is_line_end(struct slice text, size_t at) {
    uint8_t byte = text.data[at];
    return byte == '\n' || byte == '\t' || (byte == '\r' && at + 1 < text.size && text.data[at + 1] == '\n');
}

/* What the character at `*at` is shown as, which it goes behind; answers the size. */
static size_t next_piece(struct slice text, size_t *at, bool lines, char ret_piece[PIECE_SIZE]) {
    static const char hex[] = "0123456789abcdef";
    uint32_t point = 0;
    size_t size = utf8_read(text, *at, &point), shown = 0;
    const uint8_t *bytes = text.data + *at;
    if (size && (!acts(point) || (lines && is_line_end(text, *at)))) {
        memcpy(ret_piece, bytes, size);
        *at += size;
        return size;
    }
    size = size ? size : 1;
    *at += size;
    for (size_t i = 0; i < size; i++, shown += 4) {
        const char escaped[4] = {'\\', 'x', hex[bytes[i] >> 4], hex[bytes[i] & 15]};
        memcpy(ret_piece + shown, escaped, 4);
    }
    return shown;
}

enum status terminal_text_write(struct buf *to, struct slice text, bool lines) {
    char piece[PIECE_SIZE];
    for (size_t at = 0; at < text.size;) {
        size_t size = next_piece(text, &at, lines, piece);
        TRY(buf_append(to, piece, size));
    }
    return STATUS_OK;
}

void terminal_text_copy(struct slice text, char *ret_text, size_t size) {
    char piece[PIECE_SIZE];
    size_t written = 0;
    for (size_t at = 0; at < text.size;) {
        size_t more = next_piece(text, &at, false, piece);
        if (more >= size - written)
            break;
        memcpy(ret_text + written, piece, more);
        written += more;
    }
    ret_text[written] = 0;
}
