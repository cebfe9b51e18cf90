/* Traces: whatever the text, a trace is understood whole or refused, and what is understood can be replayed. */
#include "app/bench/trace.h"

#include "app/bench/lru_model.h"
#include "base/assert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct trace trace;
    char error[TRACE_ERROR_SIZE] = "";
    uint64_t hits, requests;
    if (trace_parse(&trace, &memory_libc, slice_make(data, size), error) != STATUS_OK) {
        ASSERT(error[0] && !trace.requests && !trace.sizes);
        return 0;
    }
    requests = trace.request_count;
    ASSERT(requests && trace.object_count <= requests && trace.object_count <= trace.number_max);
    for (uint64_t i = 0; i < requests; i++)
        ASSERT(trace.requests[i] <= trace.number_max && trace.sizes[trace.requests[i]] <= TRACE_SIZE_MAX);
    uint64_t bytes = trace_object_bytes(&trace, 16);
    if (trace.number_max < 1 << 16) {
        ASSERT(lru_model_run(&trace, 2, 16, 2 * bytes, &memory_libc, &hits) == STATUS_OK);
        ASSERT(hits == 2 * (requests - trace.object_count)); /* nothing has to go */
        ASSERT(lru_model_run(&trace, 1, 16, bytes / 2, &memory_libc, &hits) == STATUS_OK);
        ASSERT(hits <= requests - trace.object_count);
    }
    trace_fini(&trace);
    return 0;
}
