/* Requests counted by the null server: the same number in whatever pieces they come, and the same verdict. */
#include "app/bench/boundary.h"
#include "base/assert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t count_in_pieces(struct slice input, size_t piece, enum status *ret_status) {
    struct boundary boundary = {0};
    uint64_t total = 0, count;
    *ret_status = STATUS_OK;
    for (size_t at = 0; at < input.size; at += piece) {
        *ret_status = boundary_count(&boundary, slice_part(input, at, piece), &count);
        if (*ret_status != STATUS_OK)
            break;
        ASSERT(count <= piece);
        total += count;
    }
    return total;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    enum status one_by_one, by_seven, whole;
    struct slice input = slice_make(data, size);
    uint64_t count = count_in_pieces(input, 1, &one_by_one);
    uint64_t count_by_seven = count_in_pieces(input, 7, &by_seven);
    uint64_t count_whole = count_in_pieces(input, size ? size : 1, &whole);
    ASSERT(one_by_one == whole && by_seven == whole);
    ASSERT(whole != STATUS_OK || (count == count_whole && count_by_seven == count_whole));
    return 0;
}
