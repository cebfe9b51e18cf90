/* core/store/tag_fixture.h: a table of tags in an engine of its own, for tests.
 *
 * The table's directories stand in segments that are taken from the engine, which knows nothing of it.
 */
#ifndef STRATA_CORE_STORE_TAG_FIXTURE_H
#define STRATA_CORE_STORE_TAG_FIXTURE_H

#include "core/store/entry.h"
#include "core/store/store_fixture.h"
#include "core/store/tag.h"

/* What a call that fails must leave alone, and what is left when all is given back. */
struct testing_tags_memory {
    uint64_t count, bytes, entries, charged;
    uint32_t pages, index_pages, overflow_pages, units, tag_units, used, has_spare;
};

struct testing_tags {
    struct testing_store t;
    struct range *range;
    struct tags tags;
    uint32_t first, segments; /* of the directories */
    struct testing_tags_memory empty;
    _Atomic uint64_t stamps;
};

static inline struct testing_tags_memory testing_tags_memory(struct testing_tags *table) {
    const struct range_head *head = table->range->head;
    struct testing_tags_memory memory;
    memset(&memory, 0, sizeof memory);
    memory.count = table->tags.count;
    memory.bytes = table->tags.bytes;
    memory.entries = table->tags.index.entries;
    memory.charged = table->range->charges[0];
    memory.pages = table->tags.page_count;
    memory.index_pages = table->tags.index.page_count;
    memory.overflow_pages = table->tags.index.overflow_page_count;
    memory.units = head->units;
    memory.tag_units = head->tag_units;
    memory.used = head->used;
    memory.has_spare = table->tags.spare != 0;
    return memory;
}

static inline bool testing_tags_is_same(const struct testing_tags_memory *a, const struct testing_tags_memory *b) {
    return memcmp(a, b, sizeof *a) == 0;
}

/* Memory for so many units may be had later, and no more than the limit in any case. */
static inline void testing_tags_open(struct testing_tags *table, uint64_t limit_bytes) {
    memset(table, 0, sizeof *table);
    table->t = testing_store_open(limit_bytes, 1, STORE_NOEVICTION, NULL);
    struct range *range = table->range = &table->t.engine->range;
    uint64_t units = (uint64_t)(range->head->segment_count + 1) * range_units_a_segment(range);
    uint64_t size = bits_align_up(units * sizeof(uint32_t), 64), segment_size = range_segment_size(range);
    table->segments = (uint32_t)((3 * size + segment_size - 1) / segment_size);
    for (uint32_t i = 0; i < table->segments; i++) {
        uint32_t number = range_take(range, &table->t.actor, SEGMENT_FILTER, true);
        assert_true(number && range_is_fresh(range, number));
        table->first = i ? table->first : number;
        assert_int_equal(number, table->first + i);
    }
    uint64_t at = range_segment_at(range, table->first);
    tags_init(&table->tags, TAG_GROUPS_TINY, 0, at, at + size, at + 2 * size);
    table->stamps = ENTRY_STAMP_FIRST;
    table->empty = testing_tags_memory(table);
}

static inline void testing_tags_verify(const struct testing_tags *table) {
    tags_verify(table->range, &table->tags);
    range_verify(table->range);
}

/* Everything has been given back when the table is cleared. */
static inline void testing_tags_close(struct testing_tags *table) {
    tags_clear(table->range, &table->t.actor, &table->tags);
    testing_tags_verify(table);
    struct testing_tags_memory memory = testing_tags_memory(table);
    assert_true(testing_tags_is_same(&memory, &table->empty));
    assert_int_equal(memory.tag_units, 0);
    while (table->segments)
        range_give(table->range, &table->t.actor, table->first + --table->segments);
    testing_store_close(&table->t);
}

static inline uint64_t testing_tags_next(void *context) {
    struct testing_tags *table = context;
    return atomic_fetch_add(&table->stamps, 1) + 1;
}

#endif
