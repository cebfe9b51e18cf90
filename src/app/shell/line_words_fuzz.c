/* app/shell/line_words_fuzz.c: any line is refused or has words, and these written in quotes are the same words again. */
#include "app/shell/format.h"
#include "app/shell/line_words.h"
#include "base/assert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct arena arena;
    struct buf quoted;
    struct line_words words, again;
    arena_init(&arena, &memory_libc, 4096);
    buf_init(&quoted, &memory_libc);
    if (line_words_split(slice_make(data, size), &arena, &words) == STATUS_OK) {
        for (size_t i = 0; i < words.count; i++) {
            ASSERT(format_quoted(&quoted, words.list[i]) == STATUS_OK);
            ASSERT(buf_append(&quoted, " ", 1) == STATUS_OK);
        }
        ASSERT(line_words_split(buf_slice(&quoted), &arena, &again) == STATUS_OK);
        ASSERT(again.count == words.count);
        for (size_t i = 0; i < words.count; i++)
            ASSERT(slice_equal(again.list[i], words.list[i]));
    }
    buf_fini(&quoted);
    arena_fini(&arena);
    return 0;
}
