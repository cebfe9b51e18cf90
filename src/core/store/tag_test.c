/* core/store/tag_test.c: the table of tags against a naive one, without memory, and what it costs. */
#include "core/store/tag.h"

#include <time.h>

#include "base/rng.h"
#include "core/store/tag_fixture.h"

static uint32_t take(struct testing_tags *table, struct slice name) {
    uint32_t number = 0;
    assert_int_equal(tag_take(table->range, &table->t.actor, &table->tags, name, true, &number), STATUS_OK);
    assert_int_not_equal(number, 0);
    return number;
}

static void give(struct testing_tags *table, uint32_t number, uint64_t stamp) {
    tag_give(table->range, &table->t.actor, &table->tags, number, stamp);
}

static uint64_t invalidate(struct testing_tags *table, struct slice name, bool soft) {
    return tag_invalidate(table->range, &table->t.actor, &table->tags, name, soft, testing_tags_next, table);
}

/* ------------------------------------------------------------------------------------ the twin */

enum { TWINS = 2000, BEARERS_MAX = 6 };

struct twin {
    uint8_t name[TAG_NAME_MAX];
    size_t size;
    uint32_t number; /* 0: there is no such tag */
    uint64_t invalidated, soft, soft_at_ms;
    uint32_t bearers;
    uint64_t planned[BEARERS_MAX]; /* the stamp that a bearer got before it joined */
    bool joined[BEARERS_MAX];
};

struct model {
    struct testing_tags table;
    struct rng rng;
    uint64_t count;
    struct twin twins[TWINS];
};

static struct slice name_of(const struct twin *twin) { return slice_make(twin->name, twin->size); }

static uint32_t members_of(const struct twin *twin) {
    uint32_t members = 0;
    for (uint32_t i = 0; i < twin->bearers; i++)
        members += twin->joined[i] && twin->planned[i] > twin->invalidated;
    return members;
}

/* Most names are short, many begin alike, and no two are the same: each ends with its number. */
static void make_names(struct model *model) {
    size_t max = tag_name_max(model->table.range);
    for (uint32_t i = 0; i < TWINS; i++) {
        struct twin *twin = &model->twins[i];
        size_t longest = rng_below(&model->rng, 4) ? 40 : max;
        twin->size = i < 256 ? 1 : 3 + rng_below(&model->rng, longest - 2);
        memset(twin->name, (int)rng_below(&model->rng, 3), twin->size);
        twin->name[twin->size - 1] = (uint8_t)i;
        if (twin->size > 1)
            twin->name[twin->size - 2] = (uint8_t)(i >> 8);
    }
    model->twins[256].size = max;
    memset(model->twins[256].name, 0xff, max);
}

static void check_facts(struct model *model, const struct twin *twin) {
    struct testing_tags *table = &model->table;
    struct tag_facts facts;
    uint32_t number;
    bool found = tag_find(table->range, &table->t.actor, &table->tags, name_of(twin), &number, &facts);
    assert_int_equal(found, twin->number != 0);
    if (!found)
        return;
    uint8_t name[TAG_NAME_MAX];
    assert_int_equal(number, twin->number);
    assert_int_equal(facts.invalidated, twin->invalidated);
    assert_int_equal(facts.soft, twin->soft);
    assert_int_equal(facts.soft_for_ms, twin->soft ? table->t.actor.now_ms - twin->soft_at_ms : 0);
    assert_int_equal(facts.bearers, twin->bearers);
    assert_int_equal(facts.members, members_of(twin));
    assert_int_equal(tag_invalidated(table->range, &table->tags, number), twin->invalidated);
    assert_int_equal(tag_name(table->range, &table->t.actor, &table->tags, number, name), twin->size);
    assert_memory_equal(name, twin->name, twin->size);
}

static void add_bearer(struct model *model, struct twin *twin) {
    twin->planned[twin->bearers] = testing_tags_next(&model->table);
    twin->joined[twin->bearers++] = false;
}

static void take_one(struct model *model, struct twin *twin, bool create) {
    struct testing_tags *table = &model->table;
    uint32_t number = UINT32_MAX;
    if (twin->bearers == BEARERS_MAX)
        return;
    assert_int_equal(tag_take(table->range, &table->t.actor, &table->tags, name_of(twin), create, &number), STATUS_OK);
    if (twin->number || !create) {
        assert_int_equal(number, twin->number);
    } else {
        assert_int_not_equal(number, 0);
        twin->number = number;
        twin->invalidated = twin->soft = 0;
        model->count++;
    }
    if (number)
        add_bearer(model, twin);
}

static void give_one(struct model *model, struct twin *twin) {
    if (!twin->bearers)
        return;
    uint32_t i = (uint32_t)rng_below(&model->rng, twin->bearers), last = --twin->bearers;
    give(&model->table, twin->number, twin->joined[i] ? twin->planned[i] : 0);
    twin->planned[i] = twin->planned[last];
    twin->joined[i] = twin->joined[last];
    if (!twin->bearers) {
        twin->number = 0;
        model->count--;
    }
}

static void join_one(struct model *model, struct twin *twin) {
    struct testing_tags *table = &model->table;
    for (uint32_t i = 0; i < twin->bearers; i++)
        if (!twin->joined[i]) {
            tag_join(table->range, &table->t.actor, &table->tags, twin->number, twin->planned[i]);
            twin->joined[i] = true;
            return;
        }
}

static void invalidate_one(struct model *model, struct twin *twin, bool soft) {
    uint64_t before = model->table.stamps, members = members_of(twin);
    assert_int_equal(invalidate(&model->table, name_of(twin), soft), twin->number ? members : 0);
    assert_int_equal(model->table.stamps, before + (twin->number != 0));
    if (!twin->number)
        return;
    *(soft ? &twin->soft : &twin->invalidated) = model->table.stamps;
    if (soft)
        twin->soft_at_ms = model->table.t.actor.now_ms;
}

static void step(struct model *model, bool growing) {
    struct testing_tags *table = &model->table;
    struct twin *twin = &model->twins[rng_below(&model->rng, TWINS)];
    table->t.actor.now_ms += rng_below(&model->rng, 1 << 12); /* so that upper bits of the time change, too */
    switch (rng_below(&model->rng, 10)) {
        case 0:
        case 1:
            if (growing || rng_below(&model->rng, 8) == 0)
                take_one(model, twin, growing);
            break;
        case 2:
            if (growing && twin->bearers && twin->bearers < BEARERS_MAX) {
                tag_hold(table->range, &table->t.actor, &table->tags, twin->number);
                add_bearer(model, twin);
            }
            break;
        case 3:
        case 4:
            join_one(model, twin);
            break;
        case 5:
            invalidate_one(model, twin, rng_below(&model->rng, 2));
            break;
        case 6:
            /* Any number at all, of a record or not. */
            tag_invalidated(table->range, &table->tags, (uint32_t)rng_next(&model->rng));
            tag_invalidated(table->range, &table->tags, (uint32_t)rng_below(&model->rng, 100000));
            break;
        default:
            if (growing && rng_below(&model->rng, 4))
                take_one(model, twin, true);
            else
                for (uint64_t i = rng_below(&model->rng, growing ? BEARERS_MAX : 3 * BEARERS_MAX); i-- > 0;)
                    give_one(model, twin);
    }
    check_facts(model, twin);
}

static void play(uint64_t limit_bytes, uint64_t seed) {
    enum { STEPS = 160000, PHASE = 20000, LOOK_EVERY = 500 };
    struct model *model = calloc(1, sizeof *model);
    uint64_t most = 0, least = UINT64_MAX;
    testing_tags_open(&model->table, limit_bytes);
    model->rng = rng_seeded(seed);
    make_names(model);
    for (uint32_t i = 0; i < STEPS; i++) {
        step(model, i / PHASE % 2 == 0);
        assert_int_equal(model->table.tags.count, model->count);
        if (i % LOOK_EVERY == 0)
            testing_tags_verify(&model->table);
        most = model->count > most ? model->count : most;
        if (i >= PHASE) /* it has grown once */
            least = model->count < least ? model->count : least;
    }
    print_message("%llu to %llu tags\n", (unsigned long long)least, (unsigned long long)most);
    assert_true(most > TWINS / 2 && least < TWINS / 10);
    for (uint32_t i = 0; i < TWINS; i++) {
        while (model->twins[i].bearers)
            give_one(model, &model->twins[i]);
        check_facts(model, &model->twins[i]);
    }
    /* Of the pages one stays, of the index the first. */
    struct testing_tags_memory memory = testing_tags_memory(&model->table);
    assert_true(memory.count == 0 && memory.bytes == 0 && memory.tag_units == 1 && memory.has_spare);
    assert_true(memory.index_pages == 1 && memory.overflow_pages <= 1);
    testing_tags_close(&model->table);
    free(model);
}

static void agrees_with_a_naive_table(void **state) {
    (void)state;
    print_message("seed %llu\n", (unsigned long long)unit_seed());
    play(2u << 20, unit_seed());  /* units of 256 B: a page has 15 slots */
    play(16u << 20, unit_seed()); /* some pages */
    play(256u << 20, unit_seed());
}

/* ------------------------------------------------------------------------------------ names and limits */

static void names_have_limits(void **state) {
    (void)state;
    struct testing_tags table;
    uint8_t name[TAG_NAME_MAX + 1];
    uint32_t number = 77;
    memset(name, 'n', sizeof name);
    for (int small = 0; small < 2; small++) {
        testing_tags_open(&table, small ? 1u << 20 : 64u << 20);
        size_t max = tag_name_max(table.range);
        assert_int_equal(max, small ? 256 - 16 - 25 : 255);
        struct actor *actor = &table.t.actor;
        assert_int_equal(tag_take(table.range, actor, &table.tags, SLICE(""), true, &number), STATUS_INVALID);
        assert_int_equal(tag_take(table.range, actor, &table.tags, slice_make(name, max + 1), true, &number),
                         STATUS_INVALID);
        assert_int_equal(number, 77);
        assert_int_equal(invalidate(&table, slice_make(name, max + 1), false), 0);
        struct testing_tags_memory memory = testing_tags_memory(&table);
        assert_true(testing_tags_is_same(&memory, &table.empty));
        give(&table, take(&table, slice_make(name, max)), 0);
        testing_tags_close(&table);
    }
}

static void bearers_have_a_limit(void **state) {
    (void)state;
    struct testing_tags table;
    testing_tags_open(&table, 16u << 20);
    uint32_t number = take(&table, SLICE("many")), again = 77;
    struct tag_facts facts;
    /* Nobody has the time to take it so often: the count in the record is set. */
    uint8_t *record = table.range->base +
                      range_unit_at(table.range, *(uint32_t *)(void *)(table.range->base + table.tags.pages_at)) +
                      (uint64_t)number * TAG_SLOT_SIZE;
    assert_int_equal(words_load32(record + 20), 1);
    words_store32(record + 20, TAG_BEARERS_MAX);
    assert_int_equal(tag_take(table.range, &table.t.actor, &table.tags, SLICE("many"), true, &again), STATUS_FULL);
    assert_int_equal(again, 77);
    tag_hold(table.range, &table.t.actor, &table.tags, number);
    assert_true(tag_find(table.range, &table.t.actor, &table.tags, SLICE("many"), &again, &facts));
    assert_int_equal(facts.bearers, TAG_BEARERS_MAX + 1);
    testing_tags_verify(&table);
    testing_tags_close(&table);
}

static void numbers_of_nobody_answer_nothing(void **state) {
    (void)state;
    struct testing_tags table;
    testing_tags_open(&table, 2u << 20);
    assert_int_equal(tag_invalidated(table.range, &table.tags, 0), 0);
    assert_int_equal(tag_invalidated(table.range, &table.tags, UINT32_MAX), 0);
    uint32_t kept = take(&table, SLICE("kept")), gone[64], count = 64;
    uint8_t name[200] = {0};
    for (uint32_t i = 0; i < count; i++) { /* one a page */
        name[0] = (uint8_t)i;
        gone[i] = take(&table, slice_make(name, sizeof name));
        invalidate(&table, slice_make(name, sizeof name), false);
        assert_int_equal(tag_invalidated(table.range, &table.tags, gone[i]), table.stamps);
    }
    assert_int_equal(table.tags.page_count, count + 1);
    for (uint32_t i = 0; i < count - 1; i++)
        give(&table, gone[i], 0);
    assert_int_equal(table.tags.page_count, count + 1); /* gaps in the directory */
    uint8_t *nowhere = table.range->base + range_unit_at(table.range, 0) + TAG_SLOT_SIZE;
    uint64_t stood_there = words_load64(nowhere);
    words_store64(nowhere, ENTRY_STAMP_FIRST); /* what whoever takes a gap for a page would find */
    for (uint32_t i = 0; i < count - 1; i++)
        assert_int_equal(tag_invalidated(table.range, &table.tags, gone[i]), 0);
    words_store64(nowhere, stood_there);
    give(&table, gone[count - 1], 0);
    assert_true(table.tags.page_count <= 2); /* the first one, and it may be the spare */
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(tag_invalidated(table.range, &table.tags, gone[i]), 0);
    invalidate(&table, SLICE("kept"), false);
    assert_int_equal(tag_invalidated(table.range, &table.tags, kept), table.stamps);
    testing_tags_close(&table);
}

/* ------------------------------------------------------------------------------------ pages */

static struct slice numbered(char *text, uint32_t number) {
    return slice_make(text, (size_t)snprintf(text, 32, "name%016x", number));
}

/* A page from the middle is given back, and its numbers are used again before the directory grows. */
static void gaps_are_filled(void **state) {
    (void)state;
    enum { COUNT = 4000 };
    struct testing_tags table;
    testing_tags_open(&table, 16u << 20);
    uint32_t *numbers = calloc(COUNT, sizeof *numbers), shift = table.range->unit_shift - TAG_SLOT_SHIFT, pages;
    char text[32];
    for (uint32_t i = 0; i < COUNT; i++)
        numbers[i] = take(&table, numbered(text, i));
    pages = table.tags.page_count;
    assert_true(pages > 20);
    for (uint32_t page = 5; page < 9; page++)
        for (uint32_t i = 0; i < COUNT; i++)
            if (numbers[i] >> shift == page) {
                give(&table, numbers[i], 0);
                numbers[i] = 0;
            }
    testing_tags_verify(&table);
    assert_int_equal(table.range->head->tag_units, pages - 3); /* one is spare */
    assert_int_equal(table.tags.page_count, pages);
    for (uint32_t i = 0; i < COUNT; i++)
        if (!numbers[i])
            numbers[i] = take(&table, numbered(text, i));
    assert_int_equal(table.range->head->tag_units, pages);
    assert_int_equal(table.tags.page_count, pages);
    for (uint32_t i = 0; i < COUNT; i++)
        give(&table, numbers[i], 0);
    assert_int_equal(table.range->head->tag_units, 1);
    testing_tags_verify(&table);
    free(numbers);
    testing_tags_close(&table);
}

/* Where short names went, whatever the order, long ones find room. */
static void free_runs_are_joined(void **state) {
    (void)state;
    enum { COUNT = 3000, LONG = 250 };
    struct testing_tags table;
    struct rng rng = rng_seeded(unit_seed());
    uint32_t numbers[COUNT], pages;
    uint8_t name[LONG] = {0};
    char text[32];
    testing_tags_open(&table, 64u << 20);
    for (uint32_t i = 0; i < COUNT; i++)
        numbers[i] = take(&table, numbered(text, i));
    pages = table.tags.page_count;
    for (uint32_t left = COUNT; left > COUNT / 100; left--) {
        uint32_t i = (uint32_t)rng_below(&rng, left);
        give(&table, numbers[i], 0);
        numbers[i] = numbers[left - 1];
    }
    for (uint32_t i = 0; i < COUNT / 10; i++) { /* a tenth, each seven times as long */
        memcpy(name, &i, sizeof i);
        take(&table, slice_make(name, LONG));
    }
    testing_tags_verify(&table);
    assert_true(table.tags.page_count <= pages);
    testing_tags_close(&table);
}

/* A tag that comes and goes takes no memory anew. */
static void one_page_is_kept(void **state) {
    (void)state;
    struct testing_tags table;
    testing_tags_open(&table, 16u << 20);
    give(&table, take(&table, SLICE("a")), 0);
    struct testing_tags_memory kept = testing_tags_memory(&table), memory;
    assert_int_equal(kept.tag_units, 1);
    for (int i = 0; i < 100; i++) {
        uint32_t number = take(&table, SLICE("b"));
        memory = testing_tags_memory(&table);
        assert_int_equal(memory.tag_units, 1);
        give(&table, number, 0);
        memory = testing_tags_memory(&table);
        assert_true(testing_tags_is_same(&memory, &kept));
    }
    testing_tags_close(&table);
}

/* ------------------------------------------------------------------------------------ without memory */

/* All memory but a few units, of tags and of the index, which it has or gives. */
struct drought {
    uint32_t *segments, segment_count;
    uint32_t *units[2], unit_count[2];
};

static const enum segment_kind drought_kinds[2] = {SEGMENT_TAGS, SEGMENT_INDEX};

static void drought_units(struct testing_tags *table, struct drought *drought, int which, uint32_t count) {
    uint32_t unit;
    while (count-- && (unit = range_take_unit(table->range, &table->t.actor, drought_kinds[which], 0)) != 0)
        drought->units[which][drought->unit_count[which]++] = unit;
}

static struct drought drought_begin(struct testing_tags *table) {
    uint32_t all = table->range->head->segment_count * range_units_a_segment(table->range), number;
    struct drought drought = {.segments = calloc(all, sizeof(uint32_t))};
    for (int which = 0; which < 2; which++) {
        drought.units[which] = calloc(all, sizeof(uint32_t));
        drought_units(table, &drought, which, 6 * range_units_a_segment(table->range));
    }
    while ((number = range_take(table->range, &table->t.actor, SEGMENT_OBJECTS, true)) != 0)
        drought.segments[drought.segment_count++] = number;
    for (int which = 0; which < 2; which++)
        drought_units(table, &drought, which, UINT32_MAX);
    return drought;
}

static void drought_rain(struct testing_tags *table, struct drought *drought, int which, uint32_t count) {
    while (count-- && drought->unit_count[which])
        range_give_unit(table->range, &table->t.actor, 0, drought->units[which][--drought->unit_count[which]]);
}

static void drought_end(struct testing_tags *table, struct drought *drought) {
    while (drought->segment_count)
        range_give(table->range, &table->t.actor, drought->segments[--drought->segment_count]);
    for (int which = 0; which < 2; which++) {
        drought_rain(table, drought, which, UINT32_MAX);
        free(drought->units[which]);
    }
    free(drought->segments);
}

/* Takes tags until there is no memory; the one that finds none leaves no trace. Answers how many there are then. */
static uint32_t take_until_full(struct testing_tags *table, uint32_t count, uint32_t *numbers) {
    char text[32];
    for (;; count++) {
        struct testing_tags_memory before = testing_tags_memory(table), after;
        uint32_t number = 77;
        enum status status =
            tag_take(table->range, &table->t.actor, &table->tags, numbered(text, count), true, &number);
        if (status == STATUS_OK) {
            numbers[count] = number;
            continue;
        }
        assert_int_equal(status, STATUS_FULL);
        assert_int_equal(number, 77);
        after = testing_tags_memory(table);
        assert_true(testing_tags_is_same(&before, &after));
        tags_verify(table->range, &table->tags);
        struct tag_facts facts;
        assert_false(tag_find(table->range, &table->t.actor, &table->tags, numbered(text, count), &number, &facts));
        return count;
    }
}

static void without_memory_nothing_changes(void **state) {
    (void)state;
    enum { STEPS = 100, MOST = 4000 };
    uint32_t *numbers = calloc(MOST, sizeof *numbers), count = 0, grown[2] = {0};
    int which = 0;
    struct testing_tags table;
    char text[32];
    testing_tags_open(&table, 2u << 20);
    struct drought drought = drought_begin(&table);
    assert_int_equal(take_until_full(&table, 0, numbers), 0);
    drought_rain(&table, &drought, 0, 1); /* a page, but no index */
    assert_int_equal(take_until_full(&table, 0, numbers), 0);
    drought_units(&table, &drought, 0, 1);
    drought_rain(&table, &drought, 1, 1); /* an index, but no page */
    assert_int_equal(take_until_full(&table, 0, numbers), 0);
    drought_rain(&table, &drought, 0, 1);
    count = take_until_full(&table, 0, numbers);
    assert_int_equal(count, 5); /* a page of 15 slots */
    for (int step = 0; step < STEPS; step++) {
        uint32_t before = count;
        drought_rain(&table, &drought, which, 1);
        count = take_until_full(&table, count, numbers);
        grown[which] += count > before;
        which ^= count == before; /* then the other one is missing */
        assert_true(count < MOST);
        for (uint32_t i = 0; i < count; i++) {
            struct tag_facts facts;
            uint32_t number;
            assert_true(tag_find(table.range, &table.t.actor, &table.tags, numbered(text, i), &number, &facts));
            assert_int_equal(number, numbers[i]);
        }
    }
    assert_true(grown[0] > 10 && grown[1] > 3); /* each of them was what was missing, many times */
    /* What is there can be used and given back without memory. */
    for (uint32_t i = 0; i < count; i++) {
        tag_join(table.range, &table.t.actor, &table.tags, numbers[i], testing_tags_next(&table));
        assert_int_equal(invalidate(&table, numbered(text, i), i % 2), 1);
        give(&table, numbers[i], table.stamps - 1);
        if (i % 16 == 0)
            tags_verify(table.range, &table.tags);
    }
    drought_end(&table, &drought);
    free(numbers);
    testing_tags_close(&table);
}

/* ------------------------------------------------------------------------------------ what it costs */

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void a_million_tags_cost_what_the_header_says(void **state) {
    (void)state;
    enum { COUNT = 1000000 };
    struct testing_tags table;
    uint32_t *numbers = calloc(COUNT, sizeof *numbers);
    char text[32];
    testing_tags_open(&table, 512u << 20);
    double begin = seconds();
    for (uint32_t i = 0; i < COUNT; i++)
        numbers[i] = take(&table, numbered(text, i));
    double taken = seconds();
    double pages = (double)table.range->head->tag_units * table.range->head->unit_size / COUNT;
    double index = (double)index_bytes(table.range, &table.tags.index) / COUNT;
    assert_int_equal(table.tags.bytes, 48 * (uint64_t)COUNT);
    testing_tags_verify(&table);
    double verified = seconds();
    for (uint32_t i = 0; i < COUNT; i++)
        give(&table, numbers[i], 0);
    double given = seconds();
    print_message("%.1f bytes a tag with a name of 20: %.1f in pages, %.1f of index\n", pages + index, pages, index);
    print_message("%.0f ns to make one, %.0f to drop one\n", (taken - begin) * 1e9 / COUNT,
                  (given - verified) * 1e9 / COUNT);
    assert_true(pages < 48.1 && index > 12 && index < 16);
    assert_int_equal(table.range->head->tag_units, 1);
    assert_int_equal(table.tags.index.page_count, 1);
    free(numbers);
    testing_tags_close(&table);
}

UNIT_TESTS(tag, UNIT(agrees_with_a_naive_table), UNIT(names_have_limits), UNIT(bearers_have_a_limit),
           UNIT(numbers_of_nobody_answer_nothing), UNIT(gaps_are_filled), UNIT(free_runs_are_joined),
           UNIT(one_page_is_kept), UNIT(without_memory_nothing_changes),
           UNIT(a_million_tags_cost_what_the_header_says));
