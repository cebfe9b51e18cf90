/* The request parser: whatever arrives, in whatever pieces, the requests and the error are the same as when it arrives at once,
 * by the quick way too, and every argument lies in the input.
 */
#include <stdlib.h>

#include "base/assert.h"
#include "base/buf.h"
#include "base/hash.h"
#include "core/proto/resp_request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct resp_limits limits = {
    .arguments_max = 1000,
    .bulk_size_max = 4096,
    .inline_size_max = 64,
};

struct outcome {
    uint64_t digest; /* of all requests */
    uint64_t requests;
    const char *error;
};

static void digest_request(struct outcome *outcome, const struct resp_request *request) {
    ASSERT(request->count > 0 && request->size > 0 && request->large_index == -1);
    for (uint32_t i = 0; i < request->count; i++)
        outcome->digest = hash_bytes(request->arguments[i], outcome->digest) + 1;
    outcome->digest = outcome->digest * 31 + request->count;
    outcome->requests++;
}

struct quick {
    struct resp_heads heads;
    struct slice arguments[RESP_SHORT_ARGUMENTS_MAX];
};

/* One request, if `quick` is given by the quick way where that goes. */
static enum resp_result next(struct resp_parser *parser, struct slice input, struct quick *quick,
                             struct resp_request *ret_request) {
    if (quick && resp_parse_short(parser, input, &limits, &quick->heads, quick->arguments, ret_request))
        return RESP_REQUEST;
    return resp_parse(parser, input, &limits, ret_request);
}

/* Every piece begins a copy of its own, so that the address sanitizer sees reads beyond what has arrived. */
static struct outcome parse_in_pieces(struct slice input, size_t piece, struct quick *quick, char *ret_error,
                                      size_t error_size) {
    struct resp_parser parser;
    struct resp_request request;
    struct outcome outcome = {0};
    enum resp_result result = RESP_MORE;
    resp_parser_init(&parser, &memory_libc);
    for (size_t from = 0, until = 0; until < input.size && result != RESP_ERROR;) {
        until = input.size - until > piece ? until + piece : input.size;
        uint8_t *copy = malloc(until - from ? until - from : 1);
        ASSERT(copy);
        memcpy(copy, input.data + from, until - from);
        while ((result = next(&parser, slice_make(copy, until - from), quick, &request)) == RESP_REQUEST)
            digest_request(&outcome, &request);
        ASSERT(result != RESP_LARGE);
        size_t droppable = resp_parser_droppable(&parser);
        resp_parser_drop(&parser, droppable);
        from += droppable;
        free(copy);
    }
    strncpy(ret_error, parser.error ? parser.error : "", error_size - 1);
    resp_parser_fini(&parser);
    return outcome;
}

/* Takes every second large bulk out of the input and refuses the others. */
static void parse_with_large(struct slice input) {
    struct resp_limits large_limits = limits;
    large_limits.large_size_min = 8;
    struct resp_parser parser;
    struct resp_request request;
    struct buf kept;
    resp_parser_init(&parser, &memory_libc);
    buf_init(&kept, &memory_libc);
    uint64_t skip = 0, seen = 0;
    for (size_t at = 0; at < input.size; at++) {
        if (skip) {
            skip--;
            continue;
        }
        ASSERT(buf_append(&kept, input.data + at, 1) == STATUS_OK);
        enum resp_result result;
        while ((result = resp_parse(&parser, buf_slice(&kept), &large_limits, &request)) == RESP_REQUEST)
            ASSERT(request.large_index < (int64_t)request.count);
        if (result == RESP_ERROR)
            break;
        if (result == RESP_LARGE && seen++ % 2 == 0) {
            struct resp_large large = resp_parser_large(&parser, buf_slice(&kept));
            ASSERT(large.count < large.announced && large.begins_at == kept.size && large.size >= 8);
            skip = large.size;
            resp_parser_large_taken(&parser);
        } else if (result == RESP_LARGE) {
            resp_parser_large_refused(&parser);
        }
    }
    resp_parser_fini(&parser);
    buf_fini(&kept);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char error[64] = "", error_in_pieces[64] = "";
    struct slice input = slice_make(data, size);
    static struct quick quick; /* heads of one input are met by the next */
    static bool begun;
    if (!begun)
        resp_heads_init(&quick.heads);
    begun = true;
    struct outcome whole = parse_in_pieces(input, size, NULL, error, sizeof error);
    const size_t pieces[] = {1, 7, 64, size, 64, 7};
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        struct outcome in_pieces = parse_in_pieces(input, pieces[i] ? pieces[i] : 1, i > 2 ? &quick : NULL,
                                                   error_in_pieces, sizeof error_in_pieces);
        ASSERT(in_pieces.digest == whole.digest && in_pieces.requests == whole.requests);
        ASSERT(strcmp(error, error_in_pieces) == 0);
    }
    parse_with_large(input);
    return 0;
}
