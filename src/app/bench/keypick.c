#include "app/bench/keypick.h"

#include <math.h>

#include "base/assert.h"

static uint64_t common_divisor(uint64_t a, uint64_t b) {
    while (b) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* Near the golden section of the keys, so that neighbours in rank end up far apart. */
static uint64_t find_stride(uint64_t key_count) {
    uint64_t stride = (uint64_t)((double)key_count * 0.6180339887498949) | 1;
    while (common_divisor(stride, key_count) != 1)
        stride++;
    return stride;
}

/* The sum of (rank + 1)^-theta over the ranks of a class. For ranges the integral from half a rank before to half a rank behind:
 * from rank 2048 on they differ by less than 10^-6 of it. */
static double weigh(const struct keypick_class *class, double theta) {
    double from = (double)class->first_rank + 0.5, to = from + class->rank_count;
    if (class->rank_count == 1)
        return pow((double)class->first_rank + 1, -theta);
    if (fabs(theta - 1) < 1e-9)
        return log(to / from);
    return (pow(to, 1 - theta) - pow(from, 1 - theta)) / (1 - theta);
}

static uint32_t range_size(uint64_t first_rank, uint64_t key_count) {
    uint64_t size = first_rank < KEYPICK_SINGLES ? 1 : first_rank / KEYPICK_GROWTH;
    return (uint32_t)(size < key_count - first_rank ? size : key_count - first_rank);
}

static uint32_t count_classes(uint64_t key_count) {
    uint32_t count = 0;
    for (uint64_t rank = 0; rank < key_count; rank += range_size(rank, key_count))
        count++;
    return count;
}

/* Walker's places: every place has the same probability; a class too light for its place shares it with one that is too heavy.
 * `weights` are in places (their mean is 1). Light classes are taken from the end, heavy ones from the front: weights per class need no
 * order for that, only the two lists in `order`. */
static void share_places(struct keypick *pick, double *weights, uint32_t *order) {
    uint32_t count = pick->class_count, light = 0, heavy = count;
    for (uint32_t i = 0; i < count; i++) {
        if (weights[i] < 1)
            order[light++] = i;
        else
            order[--heavy] = i;
    }
    while (light > 0 && heavy < count) {
        uint32_t small = order[--light], large = order[heavy];
        pick->classes[small].threshold = (uint64_t)(weights[small] * 0x1p63) * 2;
        pick->classes[small].other = large;
        weights[large] -= 1 - weights[small];
        if (weights[large] < 1) {
            heavy++;
            order[light++] = large;
        }
    }
    /* What is left on either list weighs 1 but for rounding: `threshold` and `other` already say that. */
}

static enum status weigh_classes(struct keypick *pick, double theta) {
    uint32_t count = pick->class_count;
    double *weights = memory_take(pick->memory, count * sizeof *weights), total = 0;
    uint32_t *order = memory_take(pick->memory, count * sizeof *order);
    if (weights && order) {
        uint64_t rank = 0;
        for (uint32_t i = 0; i < count; i++, rank += pick->classes[i - 1].rank_count) {
            pick->classes[i] = (struct keypick_class){rank, range_size(rank, pick->key_count), i, UINT64_MAX};
            total += weights[i] = weigh(&pick->classes[i], theta);
        }
        ASSERT(rank == pick->key_count);
        for (uint32_t i = 0; i < count; i++)
            weights[i] *= count / total;
        share_places(pick, weights, order);
    }
    enum status status = weights && order ? STATUS_OK : STATUS_NO_MEMORY;
    memory_give(pick->memory, weights, count * sizeof *weights);
    memory_give(pick->memory, order, count * sizeof *order);
    return status;
}

enum status keypick_init(struct keypick *pick, const struct memory *memory, uint64_t key_count, double theta) {
    ASSERT(key_count > 0 && key_count <= 1ull << 32 && theta >= 0 && theta <= 10);
    struct keypick made = {.key_count = key_count, .stride = find_stride(key_count), .memory = memory};
    if (theta > 0) {
        made.class_count = count_classes(key_count);
        made.classes = memory_take(memory, made.class_count * sizeof *made.classes);
        enum status status = made.classes ? weigh_classes(&made, theta) : STATUS_NO_MEMORY;
        if (status != STATUS_OK) {
            keypick_fini(&made);
            return status;
        }
    }
    *pick = made;
    return STATUS_OK;
}

void keypick_fini(struct keypick *pick) {
    memory_give(pick->memory, pick->classes, pick->class_count * sizeof *pick->classes);
    pick->classes = NULL;
}

uint64_t keypick_rank(const struct keypick *pick, struct rng *rng) {
    /* The high half of the product is the place, the low half is uniform again and says which of its two classes. */
    unsigned __int128 product = (unsigned __int128)rng_next(rng) * pick->class_count;
    const struct keypick_class *class = &pick->classes[(uint64_t)(product >> 64)];
    if ((uint64_t)product >= class->threshold)
        class = &pick->classes[class->other];
    return class->first_rank + (class->rank_count > 1 ? rng_below(rng, class->rank_count) : 0);
}
