/* Replies of memcached: whatever arrives, in whatever pieces, the same replies end at the same places. */
#include <stdlib.h>

#include "app/bench/memcached_reply.h"
#include "base/assert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
    uint64_t replies, size, payload_bytes;
    const char *error;
};

/* Each call gets a copy of exactly its bytes, so that reading beyond them is seen. */
static struct outcome scan_in_pieces(struct slice input, size_t piece, bool drop) {
    struct memcached_scanner scanner = {0};
    struct memcached_reply reply;
    struct outcome outcome = {0};
    enum memcached_reply_result result = MEMCACHED_REPLY_MORE;
    size_t from = 0;
    for (size_t until = 0; until < input.size && result != MEMCACHED_REPLY_ERROR;) {
        until = input.size - until > piece ? until + piece : input.size;
        uint8_t *copy = malloc(until - from ? until - from : 1);
        ASSERT(copy);
        memcpy(copy, input.data + from, until - from);
        struct slice rest = slice_make(copy, until - from);
        while ((result = memcached_reply_skip(&scanner, rest, &reply)) == MEMCACHED_REPLY_DONE) {
            ASSERT(reply.size > 0 && reply.size <= rest.size);
            if (reply.payload.data)
                ASSERT(reply.payload.data >= rest.data &&
                       reply.payload.data + reply.payload.size <= rest.data + reply.size);
            outcome.replies++;
            outcome.payload_bytes += reply.payload.size;
            from += reply.size;
            outcome.size = from;
            rest = slice_part(rest, reply.size, rest.size);
        }
        if (drop && result == MEMCACHED_REPLY_MORE) {
            from += scanner.position;
            memcached_reply_drop(&scanner, scanner.position);
        }
        free(copy);
    }
    outcome.error = scanner.error;
    return outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice input = slice_make(data, size);
    struct outcome whole = scan_in_pieces(input, size ? size : 1, false);
    for (int i = 0; i < 4; i++) {
        struct outcome in_pieces = scan_in_pieces(input, i % 2 ? 1 : 7, i >= 2);
        ASSERT(in_pieces.replies == whole.replies && in_pieces.size == whole.size);
        ASSERT(in_pieces.payload_bytes == whole.payload_bytes && in_pieces.error == whole.error);
    }
    return 0;
}
