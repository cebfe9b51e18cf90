/* Lines that are read: nothing goes wrong, and what was understood is written as a line that is read as the same. */
#include "app/lines/entry_line.h"
#include "base/assert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_same(const struct entry_line *a, const struct entry_line *b) {
    bool same = a->db == b->db && slice_equal(a->key, b->key) && slice_equal(a->value, b->value) &&
                a->expires_at_ms == b->expires_at_ms && a->version == b->version && a->tag_count == b->tag_count;
    for (uint32_t i = 0; i < a->tag_count && same; i++)
        same = slice_equal(a->tags[i], b->tags[i]);
    return same;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct entry_line_reader reader, again;
    struct entry_line entry, second;
    char problem[ENTRY_LINE_PROBLEM_SIZE] = "";
    struct buf line, same;
    entry_line_reader_init(&reader);
    entry_line_reader_init(&again);
    buf_init(&line, &memory_libc);
    buf_init(&same, &memory_libc);
    enum status status = entry_line_read(&reader, slice_make(data, size), &entry, problem);
    ASSERT(status == STATUS_OK || (status == STATUS_INVALID && problem[0]));
    if (status == STATUS_OK) {
        ASSERT(entry_line_write(&entry, &line) == STATUS_OK);
        ASSERT(line.data[line.size - 1] == '\n' && !memchr(line.data, '\n', line.size - 1));
        ASSERT(entry_line_read(&again, slice_part(buf_slice(&line), 0, line.size - 1), &second, problem) == STATUS_OK);
        ASSERT(is_same(&entry, &second));
        ASSERT(entry_line_write(&second, &same) == STATUS_OK && slice_equal(buf_slice(&line), buf_slice(&same)));
    }
    buf_fini(&line);
    buf_fini(&same);
    entry_line_reader_fini(&reader);
    entry_line_reader_fini(&again);
    return 0;
}
