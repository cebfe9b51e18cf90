#include "core/rdb/lzf.h"

#include "base/assert.h"

void lzf_reader_init(struct lzf_reader *reader, struct slice input) {
    reader->input = input;
    reader->at = 0;
    reader->plain = reader->repeats = reader->distance = 0;
    reader->produced = 0;
    reader->broken = false;
}

static bool run_begin(struct lzf_reader *reader) {
    struct slice left = slice_part(reader->input, reader->at, reader->input.size);
    if (left.size == 0)
        return false;
    uint32_t head = left.data[0];
    if (head < 32) {
        reader->plain = head + 1;
        reader->at += 1;
        return reader->plain <= left.size - 1;
    }
    uint32_t length = head >> 5, head_size = length == 7 ? 3 : 2;
    if (left.size < head_size)
        return false;
    if (length == 7)
        length += left.data[1];
    reader->repeats = length + 2;
    reader->distance = ((head & 31) << 8 | left.data[head_size - 1]) + 1;
    reader->at += head_size;
    ASSERT(reader->repeats <= LZF_RUN_MAX && reader->distance <= LZF_WINDOW_SIZE);
    return reader->distance <= reader->produced;
}

bool lzf_read(struct lzf_reader *reader, uint8_t *ret_bytes, size_t size) {
    for (size_t done = 0; done < size && !reader->broken;) {
        if (reader->plain == 0 && reader->repeats == 0 && !run_begin(reader)) {
            reader->broken = true;
            break;
        }
        bool plain = reader->plain > 0;
        uint32_t *left = plain ? &reader->plain : &reader->repeats;
        size_t count = *left < size - done ? *left : size - done;
        for (size_t i = 0; i < count; i++, reader->produced++) {
            /* A repeat may overlap what it produces, hence byte by byte. */
            uint8_t byte = plain ? reader->input.data[reader->at++]
                                 : reader->window[(reader->produced - reader->distance) % LZF_WINDOW_SIZE];
            reader->window[reader->produced % LZF_WINDOW_SIZE] = byte;
            ret_bytes[done++] = byte;
        }
        *left -= (uint32_t)count;
    }
    return !reader->broken;
}

bool lzf_finished(const struct lzf_reader *reader) {
    return !reader->broken && reader->plain == 0 && reader->repeats == 0 && reader->at == reader->input.size;
}
