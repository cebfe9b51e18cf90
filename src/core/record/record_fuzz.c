/* core/record/record_fuzz.c: records under random bytes: what is read and written again is the same. */
#include <stdlib.h>

#include "base/assert.h"
#include "core/record/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was read of cells is all of them, and nothing else. */
static void check_cells(struct slice cells) {
    struct slice rest = cells;
    struct record_cell cell;
    uint8_t again[RECORD_CELL_SIZE_MAX];
    while (rest.size) {
        const uint8_t *begin = rest.data;
        bool read = record_cell_next(&rest, &cell);
        ASSERT(read);
        size_t written = record_cell_write(&cell, again);
        ASSERT(written == (size_t)(rest.data - begin) && memcmp(again, begin, written) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct record_reader reader;
    struct record_part part;
    if (record_open(slice_make(data, size), &reader) != STATUS_OK) {
        ASSERT(reader.problem && (size < RECORD_HEAD_SIZE || data[0] != RECORD_VERSION));
        return 0;
    }
    uint8_t head[RECORD_HEAD_SIZE];
    record_head_write(reader.at_ms, head);
    ASSERT(memcmp(head, data, sizeof head) == 0);
    for (;;) {
        size_t begin = record_at(&reader);
        enum status status = record_next(&reader, &part);
        if (status != STATUS_OK) {
            ASSERT(status == STATUS_CLOSED ? record_at(&reader) == size
                                           : reader.problem && record_at(&reader) == begin);
            return 0;
        }
        uint64_t most = record_part_size_max(&part);
        uint8_t *again = malloc(most);
        ASSERT(again);
        size_t written = record_part_write(&part, again);
        if (part.value.size)
            memcpy(again + written, part.value.data, part.value.size);
        written += part.value.size;
        ASSERT(written <= most && written == record_at(&reader) - begin);
        ASSERT(memcmp(again, data + begin, written) == 0);
        if (part.kind == RECORD_REMOVE) {
            uint8_t apart[RECORD_REMOVE_SIZE];
            ASSERT(record_remove_write(part.place, part.name.size, apart) + part.name.size == written);
        }
        if (part.kind == RECORD_CELLS)
            check_cells(part.value);
        free(again);
    }
}
