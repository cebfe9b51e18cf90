/* The reply scanner: whatever arrives, in whatever pieces, the same replies end at the same places; every reply that it finds
 * can be built as a tree, and building from anything else is refused or harmless.
 */
#include <stdlib.h>

#include "base/assert.h"
#include "core/proto/resp_reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct resp_reply_limits limits = {.bulk_size_max = 4096, .members_max = 1000};

static void walk(const struct resp_value *value, uint32_t depth) {
    ASSERT(depth <= RESP_REPLY_NESTING_MAX);
    ASSERT(value->count == 0 || resp_type_has_members(value->type));
    for (uint32_t i = 0; i < value->count; i++)
        walk(&value->members[i], depth + 1);
}

static bool builds(struct slice bytes) {
    struct arena arena;
    struct resp_value value;
    arena_init(&arena, &memory_libc, 1024);
    enum status status = resp_reply_build(bytes, &arena, &value);
    ASSERT(status == STATUS_OK || status == STATUS_INVALID);
    if (status == STATUS_OK)
        walk(&value, 0);
    arena_fini(&arena);
    return status == STATUS_OK;
}

struct outcome {
    uint64_t replies, size, members;
    const char *error;
};

static struct outcome scan_in_pieces(struct slice input, size_t piece, bool drop) {
    struct resp_reply_scanner scanner;
    struct resp_reply_item item;
    struct outcome outcome = {0};
    enum resp_reply_result result = RESP_REPLY_MORE;
    resp_reply_scanner_init(&scanner, &limits);
    size_t from = 0, begin = 0; /* of the input given, and of the reply being read */
    for (size_t until = 0; until < input.size && result != RESP_REPLY_ERROR;) {
        until = input.size - until > piece ? until + piece : input.size;
        uint8_t *copy = malloc(until - from ? until - from : 1);
        ASSERT(copy);
        memcpy(copy, input.data + from, until - from);
        struct slice rest = slice_make(copy, until - from);
        while ((result = resp_reply_skip(&scanner, rest, &item)) == RESP_REPLY_DONE) {
            ASSERT(item.size > 0 || drop);
            outcome.replies++;
            outcome.members += item.count;
            rest = slice_part(rest, item.size, rest.size);
            from += item.size;
            ASSERT(builds(slice_part(input, begin, from - begin)));
            begin = from;
        }
        if (drop && result == RESP_REPLY_MORE) {
            from += scanner.position;
            resp_reply_drop(&scanner, scanner.position);
        }
        free(copy);
    }
    outcome.size = begin;
    outcome.error = scanner.error;
    return outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice input = slice_make(data, size);
    struct outcome whole = scan_in_pieces(input, size, false);
    for (int i = 0; i < 4; i++) {
        struct outcome in_pieces = scan_in_pieces(input, i % 2 ? 1 : 7, i >= 2);
        ASSERT(in_pieces.replies == whole.replies && in_pieces.size == whole.size);
        ASSERT(in_pieces.members == whole.members && in_pieces.error == whole.error);
    }
    (void)builds(input);
    return 0;
}
