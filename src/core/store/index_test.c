/* core/store/index_test.c: the index alone, over made-up locations, against a naive map.
 *
 * An "entry" is a number: its location is the number's place in a segment-like space, its hash a function of it that a
 * test chooses, so that collisions and exhausted fingerprints can be made.
 */
#include "core/store/index.h"

#include "base/rng.h"
#include "core/store/store_fixture.h"

struct table {
    struct testing_store t;
    struct index *index;
    uint64_t (*hash)(uint64_t number);
    uint64_t reads; /* keys read again by splits */
};

static uint64_t mix(uint64_t number) {
    struct rng rng = rng_seeded(number);
    return rng_next(&rng);
}

/* Hashes that agree in all bits that a table of 2^10 buckets looks at, and in the fingerprint. */
static uint64_t collide(uint64_t number) { return (mix(number) & ~0x3ffffffull) | 0x155; }

static struct table open_table(uint64_t limit, uint64_t (*hash)(uint64_t)) {
    struct table table = {.t = testing_store_open(limit, 1, STORE_NOEVICTION, NULL), .hash = hash};
    table.index = &table.t.engine->shards[0].index;
    return table;
}

/* The entries are not there, so the store is not verified, only closed. */
static void close_table(struct table *table) {
    index_verify(&table->t.engine->range, table->index);
    engine_close(table->t.engine);
    munmap(table->t.range, table->t.range_size);
}

static uint64_t location_of(const struct table *table, uint64_t number) {
    return range_segment_at(&table->t.engine->range, 1) + number * 8;
}

static uint64_t hash_at(void *context, uint64_t location) {
    struct table *table = context;
    table->reads++;
    return table->hash((location - range_segment_at(&table->t.engine->range, 1)) / 8);
}

static bool add(struct table *table, uint64_t number) {
    struct range *range = &table->t.engine->range;
    struct index_place place;
    uint64_t hash = table->hash(number);
    _Atomic uint64_t *cell = index_empty_cell(range, &table->t.actor, table->index, hash, &place);
    if (!cell)
        return false;
    index_write_begin(place.bucket);
    atomic_store(cell, cell_make(place.wanted, number & 7, location_of(table, number)));
    index_write_end(place.bucket);
    index_added(table->index);
    index_grow(range, &table->t.actor, table->index, hash_at, table);
    return true;
}

static void take_out(struct table *table, uint64_t number) {
    const struct range *range = &table->t.engine->range;
    uint64_t hash = table->hash(number);
    _Atomic uint64_t *cell = index_find(range, table->index, hash, location_of(table, number));
    assert_non_null(cell);
    index_remove(range, table->index, index_place_of(range, table->index, hash).bucket, cell);
}

/* Found by its place, by its fingerprint among the cells of its chain, and with its use count. */
static bool is_there(const struct table *table, uint64_t number) {
    const struct range *range = &table->t.engine->range;
    uint64_t hash = table->hash(number);
    _Atomic uint64_t *cell = index_find(range, table->index, hash, location_of(table, number));
    if (!cell)
        return false;
    struct index_place place = index_place_of(range, table->index, hash);
    assert_true(cell_matches(*cell, place.wanted));
    assert_int_equal(cell_use(*cell), number & 7);
    return true;
}

static void agrees_with_a_map_while_it_grows(void **state) {
    (void)state;
    enum { NUMBERS = 60000 };
    struct table table = open_table(64u << 20, mix);
    struct rng rng = rng_seeded(unit_seed());
    uint8_t *map = calloc(NUMBERS, 1);
    uint64_t count = 0, levels = 0, level = 0;
    for (uint32_t step = 0; step < 4 * NUMBERS; step++) {
        uint64_t number = rng_below(&rng, 1 + (uint64_t)step * NUMBERS / (4 * NUMBERS));
        if (!map[number]) {
            assert_true(add(&table, number));
            map[number] = 1, count++;
        } else if (rng_below(&rng, 4) == 0) {
            take_out(&table, number);
            map[number] = 0, count--;
        } else if (!is_there(&table, number)) {
            fail_msg("step %u: %llu is missing", step, (unsigned long long)number);
        }
        assert_int_equal(table.index->entries, count);
        if ((table.index->shape & 0xff) != level) { /* a level is complete: look at everything */
            level = table.index->shape & 0xff;
            levels++;
            index_verify(&table.t.engine->range, table.index);
            for (uint64_t n = 0; n < NUMBERS; n++)
                if (is_there(&table, n) != map[n])
                    fail_msg("level %llu: %llu", (unsigned long long)level, (unsigned long long)n);
        }
    }
    assert_true(levels >= 12);
    for (uint64_t n = 0; n < NUMBERS; n++)
        assert_int_equal(is_there(&table, n), map[n]);
    free(map);
    close_table(&table);
}

/* A cell that stays while the table doubles more than seven times runs out of bits, which are read anew from its key. */
static void exhausted_fingerprints_are_read_anew(void **state) {
    (void)state;
    enum { EARLY = 20, NUMBERS = 80000 };
    struct table table = open_table(64u << 20, mix);
    for (uint64_t n = 0; n < EARLY; n++)
        assert_true(add(&table, n));
    assert_int_equal(table.reads, 0);
    for (uint64_t n = EARLY; n < NUMBERS; n++)
        assert_true(add(&table, n));
    assert_true((table.index->shape & 0xff) >= 13);
    assert_true(table.reads >= EARLY && table.reads < NUMBERS / 2);
    for (uint64_t n = 0; n < NUMBERS; n++)
        assert_true(is_there(&table, n));
    close_table(&table);
}

/* Few strangers share a fingerprint: 1 in 37 lookups at the worst reads an entry in vain. */
static void fingerprints_tell_strangers_apart(void **state) {
    (void)state;
    enum { NUMBERS = 50000 };
    struct table table = open_table(64u << 20, mix);
    const struct range *range = &table.t.engine->range;
    for (uint64_t n = 0; n < NUMBERS; n++)
        assert_true(add(&table, n));
    uint64_t matches = 0;
    for (uint64_t n = NUMBERS; n < 3 * NUMBERS; n++) {
        struct index_place place = index_place_of(range, table.index, mix(n));
        for (struct index_bucket *bucket = place.bucket; bucket; bucket = index_next(range, table.index, bucket))
            for (int i = 0; i < INDEX_CELLS; i++)
                matches += cell_matches(bucket->cells[i], place.wanted);
    }
    assert_true(matches < 2 * NUMBERS / 37);
    close_table(&table);
}

/* What the header says of fingerprints, bit by bit: below its marker a cell's agrees with the wanted one. */
static bool matches_bit_by_bit(uint32_t fingerprint, uint32_t wanted) {
    if (fingerprint == 0)
        return false;
    int marker = 31 - __builtin_clz(fingerprint);
    for (int bit = 0; bit < marker; bit++)
        if ((fingerprint >> bit & 1) != (wanted >> bit & 1))
            return false;
    return true;
}

static void cells_match_by_the_bits_below_the_marker(void **state) {
    (void)state;
    enum { WANTED = 200 };
    struct rng rng = rng_seeded(unit_seed());
    for (uint32_t round = 0; round < WANTED; round++) {
        uint32_t wanted = 0x8000 | (uint32_t)rng_below(&rng, 0x8000);
        if (round < 2)
            wanted = round ? 0xffff : 0x8000;
        uint64_t below = rng_next(&rng) >> 16;
        for (uint32_t fingerprint = 0; fingerprint < 0x10000; fingerprint++)
            if (cell_matches((uint64_t)fingerprint << 48 | below, wanted) != matches_bit_by_bit(fingerprint, wanted))
                fail_msg("fingerprint %#x, wanted %#x", fingerprint, wanted);
    }
}

static void candidates_are_the_cells_with_the_same_low_byte(void **state) {
    (void)state;
    enum { ROUNDS = 100000 };
    struct rng rng = rng_seeded(unit_seed());
    struct index_bucket bucket __attribute__((aligned(64)));
    for (uint32_t round = 0; round < ROUNDS; round++) {
        uint32_t wanted = 0x8000 | (uint32_t)rng_below(&rng, 0x8000);
        atomic_store(&bucket.number, (uint32_t)rng_next(&rng));
        atomic_store(&bucket.chain, wanted << 16 | wanted); /* which is no cell */
        for (int i = 0; i < INDEX_CELLS; i++) {
            uint64_t cell = rng_next(&rng);
            if (rng_below(&rng, 3) == 0)
                cell = (cell & ~(0xffull << 48)) | (uint64_t)(wanted & 0xff) << 48;
            atomic_store(&bucket.cells[i], cell);
        }
        uint32_t some = index_candidates(&bucket, wanted);
        for (int i = 0; i < INDEX_CELLS; i++) {
            if ((atomic_load(&bucket.cells[i]) >> 48 & 0xff) != (wanted & 0xff))
                continue;
            if (!some || index_candidate(&bucket, some) != &bucket.cells[i])
                fail_msg("round %u: cell %d is left out", round, i);
            some &= some - 1;
        }
        assert_int_equal(some, 0);
    }
}

static void readers_notice_writers(void **state) {
    (void)state;
    struct table table = open_table(1u << 20, mix);
    struct index_place place = index_place_of(&table.t.engine->range, table.index, mix(1));
    uint32_t number = index_read_begin(&place);
    assert_true(index_read_holds(table.index, &place, number));
    index_write_begin(place.bucket);
    assert_false(index_read_holds(table.index, &place, number));
    assert_false(index_read_holds(table.index, &place, index_read_begin(&place)));
    uint32_t amid = index_read_begin(&place);
    index_write_end(place.bucket);
    assert_false(index_read_holds(table.index, &place, number));
    assert_false(index_read_holds(table.index, &place, amid));
    assert_true(index_read_holds(table.index, &place, index_read_begin(&place)));
    close_table(&table);
}

static void colliding_hashes_chain_and_unchain(void **state) {
    (void)state;
    enum { NUMBERS = 300 };
    struct table table = open_table(16u << 20, collide);
    for (uint64_t n = 0; n < NUMBERS; n++)
        assert_true(add(&table, n));
    assert_true(table.index->overflow_live >= NUMBERS / INDEX_CELLS - 1);
    for (uint64_t n = 0; n < NUMBERS; n++)
        assert_true(is_there(&table, n));
    for (uint64_t n = 0; n < NUMBERS; n += 2)
        take_out(&table, n);
    for (uint64_t n = 0; n < NUMBERS; n++)
        assert_int_equal(is_there(&table, n), n % 2);
    index_verify(&table.t.engine->range, table.index);
    for (uint64_t n = 1; n < NUMBERS; n += 2)
        take_out(&table, n);
    /* Other hashes grow the table: splits give the empty chains back. */
    table.hash = mix;
    for (uint64_t n = 0; n < 20000; n++)
        assert_true(add(&table, n));
    index_verify(&table.t.engine->range, table.index);
    uint32_t used = table.index->overflow_used;
    assert_true(table.index->overflow_live < 20000 / 5 / 4);
    assert_true(used < 20000 / 5 / 2);
    close_table(&table);
}

/* A reader may count a use in a cell that has been emptied or has become another's meanwhile. */
static void uses_that_come_too_late_change_nothing_else(void **state) {
    (void)state;
    enum { NUMBERS = 4000, STEPS = 100000, SEEN = 64 };
    struct table table = open_table(16u << 20, mix);
    const struct range *range = &table.t.engine->range;
    struct rng rng = rng_seeded(unit_seed());
    uint8_t *there = calloc(NUMBERS, 1);
    _Atomic uint64_t *seen[SEEN] = {NULL};
    for (uint32_t step = 0; step < STEPS; step++) {
        uint64_t number = rng_below(&rng, step < STEPS / 2 ? NUMBERS : NUMBERS / 16 + 1);
        _Atomic uint64_t *cell = index_find(range, table.index, mix(number), location_of(&table, number));
        assert_int_equal(cell != NULL, there[number]);
        if (cell) {
            seen[step % SEEN] = cell;
            take_out(&table, number);
        } else {
            assert_true(add(&table, number));
        }
        there[number] = !there[number];
        _Atomic uint64_t *late = seen[rng_below(&rng, SEEN)];
        if (late)
            cell_set_use(late, CELL_USE_MAX);
        if (step % 1000 == 0)
            index_verify(range, table.index);
    }
    for (uint64_t number = 0; number < NUMBERS; number++)
        assert_int_equal(index_find(range, table.index, mix(number), location_of(&table, number)) != NULL,
                         there[number]);
    index_verify(range, table.index);
    free(there);
    close_table(&table);
}

/* A sweep that drops what is not marked, and counts what it is asked. */
struct sweeping {
    const struct table *table;
    const uint8_t *stays;
    uint64_t asked;
};

static bool goes(void *context, uint64_t cell) {
    struct sweeping *sweeping = context;
    sweeping->asked++;
    return !sweeping->stays[(cell_location(cell) - range_segment_at(&sweeping->table->t.engine->range, 1)) / 8];
}

static uint64_t sweep(struct table *table, const uint8_t *stays, uint64_t *ret_asked) {
    struct range *range = &table->t.engine->range;
    struct sweeping sweeping = {table, stays, 0};
    struct index_bucket *first = index_place_of(range, table->index, table->hash(0)).bucket;
    uint32_t number = first->number;
    uint64_t gone = index_sweep(range, table->index, first, goes, &sweeping);
    assert_int_equal(first->number, number + 2);
    *ret_asked = sweeping.asked;
    return gone;
}

/* However long a chain is, a sweep asks about each of its cells once, and the chain is dense afterwards. */
static void a_sweep_asks_once_about_each_cell(void **state) {
    (void)state;
    enum { NUMBERS = 32000 };
    struct table table = open_table(64u << 20, collide);
    struct rng rng = rng_seeded(unit_seed());
    uint8_t *stays = calloc(NUMBERS, 1);
    uint64_t count = NUMBERS, asked;
    for (uint64_t n = 0; n < NUMBERS; n++)
        assert_true(add(&table, n));
    memset(stays, 1, NUMBERS);
    assert_int_equal(sweep(&table, stays, &asked), 0);
    assert_int_equal(asked, NUMBERS);
    for (uint32_t share = 20; count; share = share > 1 ? share / 2 : 0) {
        uint64_t before = count, kept = 0;
        for (uint64_t n = 0; n < NUMBERS; n++)
            kept += stays[n] = stays[n] && (share > 1 ? rng_below(&rng, share) != 0 : share == 1 && kept < INDEX_CELLS);
        count = kept;
        assert_int_equal(sweep(&table, stays, &asked), before - count);
        assert_int_equal(asked, before);
        assert_int_equal(table.index->entries, count);
        assert_int_equal(table.index->overflow_live, count ? (count - 1) / INDEX_CELLS : 0);
        index_verify(&table.t.engine->range, table.index);
        for (uint64_t n = count < 1000 ? 0 : NUMBERS - 200; n < NUMBERS; n++)
            assert_int_equal(is_there(&table, n), stays[n]);
    }
    assert_int_equal(sweep(&table, stays, &asked), 0);
    assert_int_equal(asked, 0);
    /* What came back is handed out again. */
    uint32_t used = table.index->overflow_used;
    for (uint64_t n = 0; n < 1000; n++)
        assert_true(add(&table, n));
    assert_int_equal(table.index->overflow_used, used);
    free(stays);
    close_table(&table);
}

static void clearing_forgets_all_and_gives_pages_back(void **state) {
    (void)state;
    struct table table = open_table(16u << 20, mix);
    for (uint64_t n = 0; n < 10000; n++)
        assert_true(add(&table, n));
    const struct range *range = &table.t.engine->range;
    uint32_t used = range->head->used;
    uint64_t shape = table.index->shape;
    assert_true(range->head->units > 10);
    index_clear(&table.t.engine->range, &table.t.actor, table.index);
    assert_int_equal(table.index->entries, 0);
    assert_int_equal(range->head->units, 1);
    /* Whoever looked into a page that is gone sees another shape, even once the index has the old size again. */
    assert_true(table.index->shape >> SHAPE_EPOCH_AT != shape >> SHAPE_EPOCH_AT);
    range_verify(range);
    for (uint64_t n = 0; n < 10000; n++)
        assert_false(is_there(&table, n));
    for (uint64_t n = 0; n < 10000; n++)
        assert_true(add(&table, n));
    assert_int_equal(range->head->used, used);
    assert_true(table.index->shape != shape);
    for (uint64_t n = 0; n < 10000; n++)
        assert_true(is_there(&table, n));
    close_table(&table);
}

/* Growing and shrinking by turns, all that stays is found, with whole fingerprints, and the pages of what has gone come back. */
static void shrinks_as_it_grew(void **state) {
    (void)state;
    enum { NUMBERS = 60000 };
    struct table table = open_table(64u << 20, mix);
    struct range *range = &table.t.engine->range;
    struct rng rng = rng_seeded(unit_seed());
    uint8_t *map = calloc(NUMBERS, 1);
    uint64_t count = 0;
    for (uint32_t round = 0; round < 8; round++) {
        while (count < NUMBERS * 9 / 10) {
            uint64_t number = rng_below(&rng, NUMBERS);
            if (!map[number])
                assert_true(add(&table, number)), map[number] = 1, count++;
        }
        uint32_t units = range->head->units;
        uint64_t left = rng_below(&rng, NUMBERS / (round + 2)), slices = 0;
        while (count > left) {
            uint64_t number = rng_below(&rng, NUMBERS);
            if (map[number])
                take_out(&table, number), map[number] = 0, count--;
        }
        while (index_shrink(range, &table.t.actor, table.index, 100) ||
               index_shrink_overflow(range, &table.t.actor, table.index, hash_at, &table))
            slices++;
        index_verify(range, table.index);
        range_verify(range);
        assert_false(index_is_sparse(range, table.index) || index_overflow_is_sparse(range, table.index));
        if (left < NUMBERS / 8 && (slices == 0 || range->head->units >= units / 2))
            fail_msg("round %u: %llu entries, %u units of %u", round, (unsigned long long)left, range->head->units,
                     units);
        for (uint64_t n = 0; n < NUMBERS; n++)
            if (is_there(&table, n) != map[n])
                fail_msg("round %u: %llu", round, (unsigned long long)n);
    }
    free(map);
    close_table(&table);
}

/* Without memory for pages the chains get longer, and then insertion is refused; nothing is ever lost. */
static void lack_of_memory_loses_nothing(void **state) {
    (void)state;
    struct table table = open_table(1u << 20, mix);
    uint32_t taken[512], starved = 0, number;
    for (uint32_t left = 0; left < 4; left++) {
        while ((number = range_take(&table.t.engine->range, &table.t.actor, SEGMENT_LOG, true)) != 0)
            taken[starved++] = number;
        for (uint32_t i = 0; i < left; i++)
            range_give(&table.t.engine->range, &table.t.actor, taken[--starved]);
        uint64_t count = table.index->entries;
        while (add(&table, count))
            count++;
        assert_int_equal(table.index->entries, count);
        index_verify(&table.t.engine->range, table.index);
        for (uint64_t n = 0; n < count; n++)
            assert_true(is_there(&table, n));
    }
    assert_true(table.index->entries > 1000);
    close_table(&table);
}

/* One step of a scan marks what it sees. */
static uint64_t scan(struct table *table, uint64_t cursor, uint8_t *seen) {
    const struct range *range = &table->t.engine->range;
    uint64_t shape = table->index->shape, at = index_scan_bucket(shape, cursor);
    assert_true(at < index_bucket_count(shape));
    for (struct index_bucket *bucket = index_bucket_at(range, table->index, at); bucket;
         bucket = index_next(range, table->index, bucket))
        for (int i = 0; i < INDEX_CELLS; i++)
            if (bucket->cells[i])
                seen[(cell_location(bucket->cells[i]) - range_segment_at(range, 1)) / 8] = 1;
    return index_scan_next(shape, at);
}

/* Whatever is there from the first step of a scan to its last is visited, however the table grows in between. */
static void scan_visits_all_that_stays(void **state) {
    (void)state;
    enum { NUMBERS = 40000 };
    struct rng rng = rng_seeded(unit_seed());
    uint8_t *seen = malloc(NUMBERS);
    for (uint32_t round = 0; round < 60; round++) {
        struct table table = open_table(32u << 20, mix);
        uint64_t stays = 1 + rng_below(&rng, 2000), count = 0, cursor = 0, steps = 0;
        uint64_t growth = round % 3 == 0 ? 0 : rng_below(&rng, 200);
        while (count < stays)
            assert_true(add(&table, count++));
        memset(seen, 0, NUMBERS);
        do {
            cursor = scan(&table, cursor, seen);
            for (uint64_t i = 0; i < growth && count < NUMBERS; i++)
                assert_true(add(&table, count++));
            assert_true(++steps < NUMBERS);
        } while (cursor != 0);
        for (uint64_t n = 0; n < stays; n++)
            if (!seen[n])
                fail_msg("round %u: %llu of %llu was not visited", round, (unsigned long long)n,
                         (unsigned long long)stays);
        if (growth == 0)
            assert_int_equal(steps, index_bucket_count(table.index->shape));
        close_table(&table);
    }
    free(seen);
}

/* A table that shrinks during a scan shows again what it has shown, but leaves nothing out. */
static void scan_survives_shrinking(void **state) {
    (void)state;
    enum { NUMBERS = 20000 };
    struct rng rng = rng_seeded(unit_seed());
    uint8_t *seen = malloc(NUMBERS);
    for (uint32_t round = 0; round < 20; round++) {
        struct table table = open_table(32u << 20, mix);
        uint64_t stays = 1 + rng_below(&rng, 1000), count = 0, cursor = 0, steps = 0;
        while (count < NUMBERS)
            assert_true(add(&table, count++));
        memset(seen, 0, NUMBERS);
        do {
            cursor = scan(&table, cursor, seen);
            for (uint64_t i = 0; i < 20 && count > stays; i++)
                take_out(&table, --count);
            (void)index_shrink(&table.t.engine->range, &table.t.actor, table.index, (uint32_t)rng_below(&rng, 20));
            assert_true(++steps < NUMBERS);
        } while (cursor != 0);
        for (uint64_t n = 0; n < stays; n++)
            if (!seen[n])
                fail_msg("round %u: %llu of %llu was not visited", round, (unsigned long long)n,
                         (unsigned long long)stays);
        close_table(&table);
    }
    free(seen);
}

/* ------------------------------------------------------------------------------------------ blind */

enum { BLIND_CELLS = 120000 };

struct blind {
    struct table table;
    bool there[BLIND_CELLS];
    uint64_t gone;
};

/* A cell's number stands where others have a location. */
static bool note_gone(void *context, uint64_t cell) {
    struct blind *blind = context;
    uint64_t number = cell & 0xffffff;
    assert_true(blind->there[number] && cell >> 48 < 8);
    blind->there[number] = false;
    blind->gone++;
    return false;
}

static bool matches_somewhere(const struct blind *blind, uint64_t number) {
    const struct range *range = &blind->table.t.engine->range;
    struct index_place place = index_place_of(range, blind->table.index, mix(number));
    for (struct index_bucket *bucket = place.bucket; bucket; bucket = index_next(range, blind->table.index, bucket))
        for (int i = 0; i < INDEX_CELLS; i++)
            if (cell_load(&bucket->cells[i]) && (bucket->cells[i] & 0xffffff) == number)
                return cell_matches(bucket->cells[i], place.wanted);
    return false;
}

static void cells_without_a_key_are_found_until_their_bits_are_used_up(void **state) {
    struct blind *blind = calloc(1, sizeof *blind);
    (void)state;
    blind->table = open_table(64u << 20, mix);
    struct range *range = &blind->table.t.engine->range;
    for (uint64_t number = 0; number < BLIND_CELLS; number++) {
        struct index_place place;
        _Atomic uint64_t *cell =
            index_empty_cell(range, &blind->table.t.actor, blind->table.index, mix(number), &place);
        assert_non_null(cell);
        atomic_store(cell, place.wanted << 48 | number);
        index_added(blind->table.index);
        blind->there[number] = true;
        index_grow_blind(range, &blind->table.t.actor, blind->table.index, note_gone, blind);
    }
    assert_true(blind->gone > 5 && blind->gone < 100); /* the very first ones, which came when there were few buckets */
    for (uint64_t number = 0; number < BLIND_CELLS; number++)
        assert_int_equal(matches_somewhere(blind, number), blind->there[number]);
    assert_int_equal(blind->table.index->entries, BLIND_CELLS - blind->gone);
    index_verify_blind(range, blind->table.index);
    index_clear(range, &blind->table.t.actor, blind->table.index);
    close_table(&blind->table);
    free(blind);
}

UNIT_TESTS(index, UNIT(agrees_with_a_map_while_it_grows), UNIT(exhausted_fingerprints_are_read_anew),
           UNIT(fingerprints_tell_strangers_apart), UNIT(cells_match_by_the_bits_below_the_marker),
           UNIT(candidates_are_the_cells_with_the_same_low_byte), UNIT(readers_notice_writers),
           UNIT(colliding_hashes_chain_and_unchain), UNIT(a_sweep_asks_once_about_each_cell),
           UNIT(uses_that_come_too_late_change_nothing_else), UNIT(clearing_forgets_all_and_gives_pages_back),
           UNIT(shrinks_as_it_grew), UNIT(lack_of_memory_loses_nothing), UNIT(scan_visits_all_that_stays),
           UNIT(scan_survives_shrinking), UNIT(cells_without_a_key_are_found_until_their_bits_are_used_up));
