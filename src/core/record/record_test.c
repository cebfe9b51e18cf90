#include "core/record/record.h"

#include <stdlib.h>

#include "unit.h"

enum { BYTES_MAX = 4096 };

static const uint64_t STAMP = (1ull << 32) + 5;

static struct record_part parts[] = {
    {.kind = RECORD_PUT, .place = 3, .name = SLICE("key"), .value = SLICE("value")},
    {.kind = RECORD_PUT, .name = SLICE(""), .value = SLICE("")},
    {.kind = RECORD_PUT,
     .place = 15,
     .type = 7,
     .soft = true,
     .name = SLICE("full"),
     .value = SLICE("of everything"),
     .expires_at_ms = 1700000000000u,
     .stamp = (1ull << 44) - 1,
     .row = UINT64_MAX,
     .stale_ms = UINT64_MAX,
     .tag_count = 2,
     .tags = {SLICE("a"), SLICE("=class:{id}")}},
    {.kind = RECORD_FACTS, .name = SLICE("key"), .expires_at_ms = 1},
    {.kind = RECORD_PATCH,
     .name = SLICE("key"),
     .value = SLICE("bytes"),
     .size_before = 300,
     .offset = 512 * 1024 * 1024 - 5},
    {.kind = RECORD_REMOVE, .place = 9, .name = SLICE("gone")},
    {.kind = RECORD_TAG, .soft = true, .expires_at_ms = 77, .stamp = 1ull << 32, .name = SLICE("tag")},
    {.kind = RECORD_TAG, .stamp = 1ull << 33, .name = SLICE("tag")},
    {.kind = RECORD_BAN, .place = 1, .stamp = 1ull << 32, .name = SLICE("user:*")},
    {.kind = RECORD_SWEPT, .stamp = (1ull << 32) + 7},
    {.kind = RECORD_FLUSH, .place = 2},
    {.kind = RECORD_FLUSH_ALL},
    {.kind = RECORD_FLUSH_STORE, .name = SLICE("default")},
    {.kind = RECORD_MAP, .map = {1, 0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}},
    {.kind = RECORD_STAMPS, .stamp = 1234567890123u},
    {.kind = RECORD_NOTE, .name = SLICE("rules"), .value = SLICE("classes: {}")},
    {.kind = RECORD_TIER, .row = UINT64_MAX, .size_before = 1, .offset = 1ull << 55, .stamp = (1ull << 44) - 1},
    {.kind = RECORD_CELLS, .shard = 65535, .offset = 300, .value = SLICE("")},
    {.kind = RECORD_BAN_PAST, .place = 1, .stamp = 1ull << 32, .name = SLICE("*")},
};

static size_t append(const struct record_part *part, uint8_t *to) {
    size_t size = record_part_write(part, to);
    if (part->value.size)
        memcpy(to + size, part->value.data, part->value.size);
    assert_true(size + part->value.size <= record_part_size_max(part));
    return size + part->value.size;
}

static size_t write_all(uint8_t *to) {
    size_t size = RECORD_HEAD_SIZE;
    record_head_write(1700000000123u, to);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        size += append(&parts[i], to + size);
    return size;
}

static void check_same(const struct record_part *a, const struct record_part *b) {
    assert_true(a->kind == b->kind && a->place == b->place && a->type == b->type && a->soft == b->soft);
    assert_true(slice_equal(a->name, b->name) && slice_equal(a->value, b->value));
    assert_true(a->expires_at_ms == b->expires_at_ms && a->stamp == b->stamp && a->row == b->row);
    assert_true(a->stale_ms == b->stale_ms && a->size_before == b->size_before && a->offset == b->offset);
    assert_int_equal(a->tag_count, b->tag_count);
    for (uint32_t i = 0; i < a->tag_count; i++)
        assert_true(slice_equal(a->tags[i], b->tags[i]));
    assert_memory_equal(a->map, b->map, sizeof a->map);
}

static void every_kind_comes_back(void **state) {
    (void)state;
    uint8_t bytes[BYTES_MAX];
    struct record_reader reader;
    struct record_part part;
    size_t size = write_all(bytes);
    assert_int_equal(record_open(slice_make(bytes, size), &reader), STATUS_OK);
    assert_int_equal(reader.at_ms, 1700000000123u);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        assert_int_equal(record_next(&reader, &part), STATUS_OK);
        check_same(&part, &parts[i]);
    }
    assert_int_equal(record_next(&reader, &part), STATUS_CLOSED);
    assert_int_equal(record_at(&reader), size);
}

static void bytes_are_as_documented(void **state) {
    (void)state;
    uint8_t bytes[BYTES_MAX];
    struct record_part part = {.kind = RECORD_PUT,
                               .place = 2,
                               .type = 1,
                               .name = SLICE("k"),
                               .value = SLICE("v"),
                               .stamp = STAMP,
                               .tag_count = 1,
                               .tags = {SLICE("t")}};
    static const uint8_t wanted[] = {1, 0x12, 0x12, 5, 0, 0, 0, 1, 0, 1, 1, 't', 1, 'k', 1, 'v'};
    assert_int_equal(append(&part, bytes), sizeof wanted);
    assert_memory_equal(bytes, wanted, sizeof wanted);
    static const uint8_t removal[] = {4, 9, 0x81, 0x01};
    assert_int_equal(record_remove_write(9, 129, bytes), sizeof removal);
    assert_memory_equal(bytes, removal, sizeof removal);
    record_head_write(0x0102030405060708u, bytes);
    static const uint8_t head[] = {1, 8, 7, 6, 5, 4, 3, 2, 1};
    assert_memory_equal(bytes, head, sizeof head);
}

/* Parts that end where the record is cut are whole; the one that is cut through is refused, with the place where it begins. */
static void cut_anywhere_is_noticed(void **state) {
    (void)state;
    uint8_t bytes[BYTES_MAX];
    size_t size = write_all(bytes);
    for (size_t cut = 0; cut < size; cut++) {
        struct record_reader reader;
        struct record_part part;
        uint8_t *copy = malloc(cut + 1);
        memcpy(copy, bytes, cut);
        enum status status = record_open(slice_make(copy, cut), &reader);
        assert_int_equal(status, cut < RECORD_HEAD_SIZE ? STATUS_CORRUPT : STATUS_OK);
        size_t at = 0;
        for (size_t i = 0; status == STATUS_OK; i++) {
            at = record_at(&reader);
            status = record_next(&reader, &part);
            if (status == STATUS_OK)
                check_same(&part, &parts[i]);
        }
        assert_true(status == STATUS_CORRUPT
                        ? reader.problem != NULL && (cut < RECORD_HEAD_SIZE || record_at(&reader) == at)
                        : at == cut);
        free(copy);
    }
}

static void refused(const char *why, const uint8_t *bytes, size_t size) {
    uint8_t record[BYTES_MAX];
    struct record_reader reader;
    struct record_part part;
    record_head_write(0, record);
    memcpy(record + RECORD_HEAD_SIZE, bytes, size);
    assert_int_equal(record_open(slice_make(record, RECORD_HEAD_SIZE + size), &reader), STATUS_OK);
    assert_int_equal(record_next(&reader, &part), STATUS_CORRUPT);
    assert_string_equal(reader.problem, why);
}

#define REFUSED(why, ...) refused(why, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static void nonsense_is_refused_and_said(void **state) {
    (void)state;
    REFUSED("an unknown kind of part", 0);
    REFUSED("an unknown kind of part", RECORD_KINDS);
    REFUSED("there is no such database", RECORD_FLUSH, 16);
    REFUSED("an unknown flag", RECORD_PUT, 0, 32, 0, 0);
    REFUSED("a field that is there says nothing", RECORD_PUT, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
    REFUSED("a stamp is out of range", RECORD_PUT, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0);
    REFUSED("a stamp is out of range", RECORD_TAG, 0, 0, 0, 0, 0, 0, 16, 1, 't');
    REFUSED("a name is empty", RECORD_TAG, 0, 0, 0, 0, 0, 1, 0, 0);
    REFUSED("an entry's fields contradict each other", RECORD_PUT, 0, 16, 1, 1, 't', 0, 0);
    REFUSED("an entry's fields contradict each other", RECORD_PUT, 0x80, 0, 0, 0);
    REFUSED("a wrong number of tags", RECORD_PUT, 0, 18, 0, 0, 0, 0, 1, 0, 0, 0, 0);
    REFUSED("a wrong number of tags", RECORD_PUT, 0, 18, 0, 0, 0, 0, 1, 0, 37, 0, 0);
    REFUSED("a key is too long", RECORD_REMOVE, 0, 0x81, 0x80, 4);
    REFUSED("a value is too long", RECORD_PUT, 0, 0, 0, 0x81, 0x80, 0x80, 0x80, 2);
    REFUSED("a number is not in its shortest form", RECORD_REMOVE, 0, 0x80, 0);
    REFUSED("two databases have one place", RECORD_MAP, 0, 0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    REFUSED("it ends within a part", RECORD_PUT, 0, 0, 5, 'k');
}

static const struct record_cell cells[] = {
    {.bits = 1, .bit_count = 1, .address = 0, .generation = 1},
    {.bits = (1ull << 48) - 1,
     .bit_count = 48,
     .place = 15,
     .hits = 7,
     .expires = true,
     .address = (1ull << 39) - 1,
     .generation = (1ull << 56) - 1},
    {.bits = 5,
     .bit_count = 17,
     .address = 9,
     .generation = 2,
     .stamp = 1ull << 32,
     .tag_count = 1,
     .tags = {SLICE("a")}},
    {.bits = 6,
     .bit_count = 17,
     .expires = true,
     .address = 10,
     .generation = 2,
     .stamp = (1ull << 44) - 1,
     .expires_at_ms = 1700000000000u,
     .tag_count = 2,
     .tags = {SLICE("a"), SLICE("=class:{id}")}},
};

static void cells_come_back(void **state) {
    (void)state;
    uint8_t bytes[BYTES_MAX], record[BYTES_MAX];
    size_t size = 0;
    for (size_t i = 0; i < sizeof cells / sizeof *cells; i++)
        size += record_cell_write(&cells[i], bytes + size);
    struct record_part part = {.kind = RECORD_CELLS, .shard = 3, .value = slice_make(bytes, size)};
    record_head_write(0, record);
    struct record_reader reader;
    assert_int_equal(
        record_open(slice_make(record, RECORD_HEAD_SIZE + append(&part, record + RECORD_HEAD_SIZE)), &reader),
        STATUS_OK);
    assert_int_equal(record_next(&reader, &part), STATUS_OK);
    assert_int_equal(part.shard, 3);
    struct record_cell cell;
    for (size_t i = 0; i < sizeof cells / sizeof *cells; i++) {
        assert_true(record_cell_next(&part.value, &cell));
        assert_memory_equal(&cell, &cells[i], offsetof(struct record_cell, bit_count) + sizeof cell.bit_count);
        assert_true(cell.place == cells[i].place && cell.hits == cells[i].hits && cell.expires == cells[i].expires);
        assert_true(cell.address == cells[i].address && cell.generation == cells[i].generation);
        assert_true(cell.stamp == cells[i].stamp && cell.expires_at_ms == cells[i].expires_at_ms);
        assert_int_equal(cell.tag_count, cells[i].tag_count);
        for (uint32_t tag = 0; tag < cell.tag_count; tag++)
            assert_true(slice_equal(cell.tags[tag], cells[i].tags[tag]));
    }
    assert_false(record_cell_next(&part.value, &cell));
}

#define CELL_AFTER(...) RECORD_CELLS, 0, 0, 1, 21, __VA_ARGS__

static void nonsense_in_cells_is_refused(void **state) {
    (void)state;
    REFUSED("a cell is out of range", CELL_AFTER(0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0));
    REFUSED("a cell is out of range", CELL_AFTER(49, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0));
    REFUSED("a cell is out of range", CELL_AFTER(3, 8, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0));
    REFUSED("a cell is out of range", CELL_AFTER(3, 7, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 128, 1, 0, 0, 0, 0, 0, 0));
    REFUSED("a cell is out of range", CELL_AFTER(3, 7, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0));
    REFUSED("it ends within a part", CELL_AFTER(3, 7, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0));
    REFUSED("it ends within a part", RECORD_CELLS, 0, 0, 1, 1, 3);
    REFUSED("too many buckets", RECORD_CELLS, 0, 0, 128, 128, 128, 128, 16, 0);
    REFUSED("a number of the tier is out of range", RECORD_TIER, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
}

static void other_versions_are_not_read(void **state) {
    (void)state;
    struct record_reader reader;
    uint8_t record[RECORD_HEAD_SIZE];
    record_head_write(0, record);
    record[0] = RECORD_VERSION + 1;
    assert_int_equal(record_open(slice_make(record, sizeof record), &reader), STATUS_INVALID);
    assert_string_equal(reader.problem, "its version is not known to this program");
}

UNIT_TESTS(record, UNIT(every_kind_comes_back), UNIT(bytes_are_as_documented), UNIT(cut_anywhere_is_noticed),
           UNIT(nonsense_is_refused_and_said), UNIT(cells_come_back), UNIT(nonsense_in_cells_is_refused),
           UNIT(other_versions_are_not_read));
