/* Any bytes as the data of an event: refused, or every path into them answers something. */
#include "app/rules/event_data.h"

#include "base/assert.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    static const char *const paths[] = {"id", "data.id", "user.id", "ids", "a.b.c", ""};
    char problem[EVENT_DATA_PROBLEM_MAX] = "";
    struct arena arena;
    struct event_data event;
    arena_init(&arena, &memory_libc, 1024);
    if (event_data_open(&event, slice_make(bytes, size), &arena, problem) == STATUS_OK) {
        for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
            for (uint32_t index = 0; index < 3; index++) {
                struct slice text = slice_make(NULL, 0);
                bool there = event.data.lookup(event.data.context, slice_from_string(paths[i]), index, &text);
                ASSERT(there || text.size == 0);
            }
        event_data_close(&event);
    } else {
        ASSERT(problem[0]);
    }
    arena_fini(&arena);
    return 0;
}
