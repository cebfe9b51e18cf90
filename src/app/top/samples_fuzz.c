/* app/top/samples_fuzz.c: any text is refused or is samples: as many as it has lines that are no comments, with names and values within it. */
#include "app/top/samples.h"
#include "base/assert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct arena arena;
    struct samples samples;
    size_t lines = 0;
    arena_init(&arena, &memory_libc, 4096);
    for (size_t i = 0; i < size; i++)
        lines += (i == 0 || data[i - 1] == '\n') && data[i] != '\n' && data[i] != '#';
    if (samples_parse(slice_make(data, size), &arena, &samples) == STATUS_OK) {
        ASSERT(samples.count == lines);
        for (size_t i = 0; i < samples.count; i++) {
            const struct sample *sample = &samples.list[i];
            ASSERT(sample->name.size > 0 && sample->name.data >= data &&
                   sample->name.data + sample->name.size <= data + size);
            ASSERT(sample->label_count <= SAMPLE_LABELS_MAX);
            for (uint32_t k = 0; k < sample->label_count; k++)
                ASSERT(sample->labels[k].name.size > 0 && sample->labels[k].value.data);
        }
    }
    arena_fini(&arena);
    return 0;
}
