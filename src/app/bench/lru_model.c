#include "app/bench/lru_model.h"

#include <string.h>

/* Cell 0 is the head: its `next` was used last, its `previous` is the next to go. */
struct model {
    uint32_t *next, *previous;
    uint8_t *kept;
    uint64_t used_bytes, limit_bytes;
};

static void unlink_cell(struct model *model, uint32_t cell) {
    model->next[model->previous[cell]] = model->next[cell];
    model->previous[model->next[cell]] = model->previous[cell];
}

static void link_first(struct model *model, uint32_t cell) {
    model->next[cell] = model->next[0];
    model->previous[cell] = 0;
    model->previous[model->next[0]] = cell;
    model->next[0] = cell;
}

static uint64_t run(struct model *model, const struct trace *trace, uint32_t copies, uint32_t key_size) {
    uint64_t hits = 0;
    for (uint64_t i = 0; i < trace->request_count; i++) {
        uint64_t size = (uint64_t)trace->sizes[trace->requests[i]] + key_size;
        for (uint32_t copy = 0; copy < copies; copy++) {
            uint32_t cell = trace->requests[i] * copies - copy;
            if (model->kept[cell]) {
                hits++;
                unlink_cell(model, cell);
                link_first(model, cell);
                continue;
            }
            if (size > model->limit_bytes)
                continue;
            while (model->used_bytes + size > model->limit_bytes) {
                uint32_t last = model->previous[0];
                unlink_cell(model, last);
                model->kept[last] = 0;
                model->used_bytes -= (uint64_t)trace->sizes[(last - 1) / copies + 1] + key_size;
            }
            model->used_bytes += size;
            model->kept[cell] = 1;
            link_first(model, cell);
        }
    }
    return hits;
}

enum status lru_model_run(const struct trace *trace, uint32_t copies, uint32_t key_size, uint64_t limit_bytes,
                          const struct memory *memory, uint64_t *ret_hits) {
    size_t cells = (size_t)trace->number_max * copies + 1;
    struct model model = {.limit_bytes = limit_bytes};
    enum status status = STATUS_NO_MEMORY;
    model.next = memory_take(memory, cells * sizeof *model.next);
    model.previous = memory_take(memory, cells * sizeof *model.previous);
    model.kept = memory_take(memory, cells);
    if (model.next && model.previous && model.kept) {
        memset(model.kept, 0, cells);
        model.next[0] = model.previous[0] = 0;
        *ret_hits = run(&model, trace, copies, key_size);
        status = STATUS_OK;
    }
    memory_give(memory, model.next, cells * sizeof *model.next);
    memory_give(memory, model.previous, cells * sizeof *model.previous);
    memory_give(memory, model.kept, cells);
    return status;
}
