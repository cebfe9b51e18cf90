#include "core/record/record.h"

#include "base/assert.h"
#include "base/little.h"

/* Flags of an entry's facts: which fields there are. */
enum {
    HAS_EXPIRY = 1,
    HAS_STAMP = 2,
    HAS_ROW = 4,
    HAS_STALE = 8,
    HAS_TAGS = 16,
    HAS_ALL = 31,
};

enum { STAMP_SIZE = 6, VARINT_MAX = 10, TYPE_SHIFT = 4, TYPE_MAX = 7, SOFT = 0x80 };
enum {
    HASH_SIZE = 6,
    ADDRESS_SIZE = 5,
    GENERATION_SIZE = 7,
    CELL_HITS_SHIFT = 4,
    CELL_HITS_MAX = 7,
    CELL_EXPIRES = 0x80
};

/* As the engine has them (core/store/entry.h). */
#define STAMP_FIRST (1ull << 32)
#define STAMP_END (1ull << 44)

/* ------------------------------------------------------------------------------------------ writing */

static inline uint8_t *put_little(uint8_t *to, uint64_t value, size_t size) {
    uint8_t bytes[8];
    little_put_u64(bytes, value);
    memcpy(to, bytes, size);
    return to + size;
}

static uint8_t *put_varint(uint8_t *to, uint64_t value) {
    for (; value >= 0x80; value >>= 7)
        *to++ = (uint8_t)(value | 0x80);
    *to++ = (uint8_t)value;
    return to;
}

static uint8_t *put_bytes(uint8_t *to, struct slice bytes) {
    if (bytes.size)
        memcpy(to, bytes.data, bytes.size);
    return to + bytes.size;
}

static uint8_t *put_short_name(uint8_t *to, struct slice name) {
    *to++ = (uint8_t)name.size;
    return put_bytes(to, name);
}

void record_head_write(uint64_t at_ms, uint8_t ret_head[RECORD_HEAD_SIZE]) {
    ret_head[0] = RECORD_VERSION;
    put_little(ret_head + 1, at_ms, 8);
}

uint64_t record_part_size_max(const struct record_part *part) {
    uint64_t size = RECORD_FIELDS_MAX + part->name.size + part->value.size;
    for (uint32_t i = 0; i < part->tag_count; i++)
        size += 1 + part->tags[i].size;
    return size;
}

static uint32_t flags_of(const struct record_part *part) {
    return (part->expires_at_ms ? HAS_EXPIRY : 0) | (part->stamp ? HAS_STAMP : 0) | (part->row ? HAS_ROW : 0) |
           (part->stale_ms ? HAS_STALE : 0) | (part->tag_count ? HAS_TAGS : 0);
}

static uint8_t *put_facts(uint8_t *to, const struct record_part *part) {
    uint32_t flags = flags_of(part);
    *to++ = (uint8_t)(part->place | part->type << TYPE_SHIFT | (part->soft ? SOFT : 0));
    *to++ = (uint8_t)flags;
    if (flags & HAS_EXPIRY)
        to = put_little(to, part->expires_at_ms, 8);
    if (flags & HAS_STAMP)
        to = put_little(to, part->stamp, STAMP_SIZE);
    if (flags & HAS_ROW)
        to = put_little(to, part->row, 8);
    if (flags & HAS_STALE)
        to = put_varint(to, part->stale_ms);
    if (flags & HAS_TAGS) {
        *to++ = (uint8_t)part->tag_count;
        for (uint32_t i = 0; i < part->tag_count; i++)
            to = put_short_name(to, part->tags[i]);
    }
    return to;
}

size_t record_remove_write(uint32_t place, uint64_t key_size, uint8_t ret_part[RECORD_REMOVE_SIZE]) {
    ret_part[0] = RECORD_REMOVE;
    ret_part[1] = (uint8_t)place;
    return (size_t)(put_varint(ret_part + 2, key_size) - ret_part);
}

size_t record_plain_write(const struct record_plain *plain, uint8_t ret_head[RECORD_PLAIN_SIZE],
                          uint8_t ret_between[RECORD_PLAIN_SIZE], size_t *ret_between_size) {
    uint8_t *to = ret_head;
    ASSERT(plain->place < RECORD_PLACES);
    *to++ = RECORD_PUT;
    *to++ = (uint8_t)plain->place;
    *to++ = (plain->expires_at_ms ? HAS_EXPIRY : 0) | (plain->stamp ? HAS_STAMP : 0);
    if (plain->expires_at_ms)
        to = put_little(to, plain->expires_at_ms, 8);
    if (plain->stamp)
        to = put_little(to, plain->stamp, STAMP_SIZE);
    to = put_varint(to, plain->key_size);
    *ret_between_size = (size_t)(put_varint(ret_between, plain->value_size) - ret_between);
    return (size_t)(to - ret_head);
}

/* In place where a call would take longer than the copy. */
static inline uint8_t *put_short(uint8_t *to, struct slice bytes) {
    const size_t size = bytes.size;
    if (size >= 16 && size <= 32) {
        memcpy(to, bytes.data, 16);
        memcpy(to + size - 16, bytes.data + size - 16, 16);
        return to + size;
    }
    return put_bytes(to, bytes);
}

static inline uint8_t *put_short_varint(uint8_t *to, uint64_t value) {
    if (__builtin_expect(value >= 0x80, 0))
        return put_varint(to, value);
    *to++ = (uint8_t)value;
    return to;
}

size_t record_plain_put(const struct record_plain *plain, struct slice key, struct slice value, uint8_t *to) {
    const uint8_t *begin = to;
    *to++ = RECORD_PUT;
    *to++ = (uint8_t)plain->place;
    *to++ = (plain->expires_at_ms ? HAS_EXPIRY : 0) | (plain->stamp ? HAS_STAMP : 0);
    if (plain->expires_at_ms)
        to = put_little(to, plain->expires_at_ms, 8);
    if (plain->stamp)
        to = put_little(to, plain->stamp, STAMP_SIZE);
    to = put_short(put_short_varint(to, key.size), key);
    to = put_short(put_short_varint(to, value.size), value);
    return (size_t)(to - begin);
}

static uint8_t *put_key(uint8_t *to, const struct record_part *part) {
    return put_bytes(put_varint(to, part->name.size), part->name);
}

size_t record_cell_write(const struct record_cell *cell, uint8_t *to) {
    const uint8_t *begin = to;
    ASSERT(cell->bit_count > 0 && cell->bit_count <= RECORD_HASH_BITS_MAX && cell->bits >> cell->bit_count == 0);
    ASSERT(cell->place < RECORD_PLACES && cell->hits <= CELL_HITS_MAX && cell->tag_count <= RECORD_TAGS_MAX);
    *to++ = (uint8_t)cell->bit_count;
    to = put_little(to, cell->bits, HASH_SIZE);
    *to++ = (uint8_t)(cell->place | cell->hits << CELL_HITS_SHIFT | (cell->expires ? CELL_EXPIRES : 0));
    *to++ = (uint8_t)cell->tag_count;
    to = put_little(put_little(to, cell->address, ADDRESS_SIZE), cell->generation, GENERATION_SIZE);
    if (cell->tag_count) {
        to = put_little(to, cell->stamp, STAMP_SIZE);
        if (cell->expires)
            to = put_little(to, cell->expires_at_ms, 8);
    }
    for (uint32_t i = 0; i < cell->tag_count; i++)
        to = put_short_name(to, cell->tags[i]);
    return (size_t)(to - begin);
}

static uint8_t *put_tier(uint8_t *to, const struct record_part *part) {
    return put_little(put_little(put_little(put_little(to, part->row, 8), part->size_before, 8), part->offset, 8),
                      part->stamp, 8);
}

static uint8_t *put_cells(uint8_t *to, const struct record_part *part) {
    return put_varint(put_varint(put_little(to, part->shard, 2), part->offset), part->value.size);
}

size_t record_part_write(const struct record_part *part, uint8_t *to) {
    uint8_t *begin = to;
    ASSERT(part->place < RECORD_PLACES && part->type <= TYPE_MAX && part->tag_count <= RECORD_TAGS_MAX);
    *to++ = (uint8_t)part->kind;
    switch (part->kind) {
        case RECORD_PUT:
        case RECORD_FACTS:
        case RECORD_PATCH:
            to = put_key(put_facts(to, part), part);
            if (part->kind == RECORD_PATCH)
                to = put_varint(put_varint(to, part->size_before), part->offset);
            return (size_t)((part->kind == RECORD_FACTS ? to : put_varint(to, part->value.size)) - begin);
        case RECORD_REMOVE:
            *to++ = (uint8_t)part->place;
            return (size_t)(put_key(to, part) - begin);
        case RECORD_TAG:
            *to++ = part->soft ? SOFT : 0;
            to = put_little(to, part->stamp, STAMP_SIZE);
            if (part->soft)
                to = put_little(to, part->expires_at_ms, 8);
            return (size_t)(put_short_name(to, part->name) - begin);
        case RECORD_BAN:
        case RECORD_BAN_PAST:
            *to++ = (uint8_t)part->place;
            return (size_t)(put_short_name(put_little(to, part->stamp, STAMP_SIZE), part->name) - begin);
        case RECORD_SWEPT:
            return (size_t)(put_little(to, part->stamp, STAMP_SIZE) - begin);
        case RECORD_FLUSH:
            *to++ = (uint8_t)part->place;
            return (size_t)(to - begin);
        case RECORD_FLUSH_ALL:
            return (size_t)(to - begin);
        case RECORD_FLUSH_STORE:
            return (size_t)(put_short_name(to, part->name) - begin);
        case RECORD_MAP:
            return (size_t)(put_bytes(to, slice_make(part->map, sizeof part->map)) - begin);
        case RECORD_STAMPS:
            return (size_t)(put_little(to, part->stamp, 8) - begin);
        case RECORD_NOTE:
            return (size_t)(put_varint(put_short_name(to, part->name), part->value.size) - begin);
        case RECORD_TIER:
            return (size_t)(put_tier(to, part) - begin);
        case RECORD_CELLS:
            return (size_t)(put_cells(to, part) - begin);
        default:
            break;
    }
    ASSERT(!"a kind of part");
    return 0;
}

/* ------------------------------------------------------------------------------------------ reading */

/* The first field that cannot be read says why, and all behind it are empty. */
struct input {
    const uint8_t *at, *end;
    const char *problem;
};

static void fail(struct input *in, const char *problem) {
    if (!in->problem)
        in->problem = problem;
    in->at = in->end;
}

static struct slice take(struct input *in, uint64_t size) {
    if ((uint64_t)(in->end - in->at) < size) {
        fail(in, "it ends within a part");
        return slice_make(NULL, 0);
    }
    struct slice bytes = slice_make(in->at, size);
    in->at += size;
    return bytes;
}

static uint64_t take_byte(struct input *in) {
    if (__builtin_expect(in->at < in->end, 1))
        return *in->at++;
    fail(in, "it ends within a part");
    return 0;
}

static uint64_t take_little(struct input *in, int size) {
    struct slice bytes = take(in, (uint64_t)size);
    uint64_t value = 0;
    for (size_t i = 0; i < bytes.size; i++)
        value |= (uint64_t)bytes.data[i] << 8 * i;
    return value;
}

/* In the fewest bytes only, so that there is one way to write a number. */
static uint64_t take_varint(struct input *in, uint64_t most, const char *problem) {
    uint64_t value = 0;
    if (__builtin_expect(in->at < in->end && *in->at < 0x80 && *in->at <= most, 1))
        return *in->at++;
    for (int i = 0; i < VARINT_MAX; i++) {
        uint64_t byte = take_byte(in);
        if (in->problem)
            return 0;
        if ((i > 0 && byte == 0) || (i == VARINT_MAX - 1 && byte > 1))
            break;
        value |= (byte & 0x7f) << 7 * i;
        if (byte < 0x80) {
            if (value <= most)
                return value;
            fail(in, problem);
            return 0;
        }
    }
    fail(in, "a number is not in its shortest form");
    return 0;
}

static struct slice take_name(struct input *in, bool may_be_empty) {
    struct slice name = take(in, take_byte(in));
    if (name.size == 0 && !may_be_empty)
        fail(in, "a name is empty");
    return name;
}

static uint32_t take_place(struct input *in) {
    uint64_t place = take_byte(in);
    if (place >= RECORD_PLACES)
        fail(in, "there is no such database");
    return (uint32_t)place & (RECORD_PLACES - 1);
}

static uint64_t take_stamp(struct input *in) {
    uint64_t stamp = take_little(in, STAMP_SIZE);
    if (stamp < STAMP_FIRST || stamp >= STAMP_END)
        fail(in, "a stamp is out of range");
    return stamp;
}

static void take_tags(struct input *in, struct record_part *part) {
    uint64_t count = take_byte(in);
    if (count == 0 || count > RECORD_TAGS_MAX)
        fail(in, "a wrong number of tags");
    for (uint64_t i = 0; i < count && !in->problem; i++)
        part->tags[part->tag_count++] = take_name(in, false);
}

static void take_facts(struct input *in, struct record_part *part) {
    uint64_t head = take_byte(in), flags = take_byte(in);
    part->place = head & (RECORD_PLACES - 1);
    part->type = head >> TYPE_SHIFT & TYPE_MAX;
    part->soft = head & SOFT;
    if (flags & ~(uint64_t)HAS_ALL)
        fail(in, "an unknown flag");
    part->expires_at_ms = flags & HAS_EXPIRY ? take_little(in, 8) : 0;
    part->stamp = flags & HAS_STAMP ? take_stamp(in) : 0;
    part->row = flags & HAS_ROW ? take_little(in, 8) : 0;
    part->stale_ms = flags & HAS_STALE ? take_varint(in, UINT64_MAX, "") : 0;
    if (flags & HAS_TAGS)
        take_tags(in, part);
    if (((flags & HAS_EXPIRY) && !part->expires_at_ms) || ((flags & HAS_ROW) && !part->row) ||
        ((flags & HAS_STALE) && !part->stale_ms))
        fail(in, "a field that is there says nothing");
    if ((part->tag_count && !part->stamp) || (part->soft && !part->expires_at_ms))
        fail(in, "an entry's fields contradict each other");
    part->name = take(in, take_varint(in, RECORD_KEY_MAX, "a key is too long"));
}

static void take_value(struct input *in, struct record_part *part) {
    part->value = take(in, take_varint(in, RECORD_VALUE_MAX, "a value is too long"));
}

static void take_patch(struct input *in, struct record_part *part) {
    part->size_before = take_varint(in, RECORD_VALUE_MAX, "a value is too long");
    part->offset = take_varint(in, RECORD_VALUE_MAX, "a value is too long");
    take_value(in, part);
    if (part->offset + part->value.size > RECORD_VALUE_MAX)
        fail(in, "a value is too long");
}

static void take_map(struct input *in, struct record_part *part) {
    struct slice map = take(in, sizeof part->map);
    uint32_t seen = 0;
    for (size_t i = 0; i < map.size; i++) {
        part->map[i] = map.data[i];
        seen |= map.data[i] < RECORD_PLACES ? 1u << map.data[i] : 0;
    }
    if (seen != (1u << RECORD_PLACES) - 1)
        fail(in, "two databases have one place");
}

static void take_tier(struct input *in, struct record_part *part) {
    part->row = take_little(in, 8);
    part->size_before = take_little(in, 8);
    part->offset = take_little(in, 8);
    part->stamp = take_little(in, 8);
    if (part->row == 0 || part->stamp >= STAMP_END)
        fail(in, "a number of the tier is out of range");
}

static void take_cell_tags(struct input *in, struct record_cell *cell, uint64_t count) {
    if (count > RECORD_TAGS_MAX)
        fail(in, "a wrong number of tags");
    cell->stamp = take_stamp(in);
    cell->expires_at_ms = cell->expires ? take_little(in, 8) : 0;
    if (cell->expires && !cell->expires_at_ms)
        fail(in, "a field that is there says nothing");
    for (uint64_t i = 0; i < count && !in->problem; i++)
        cell->tags[cell->tag_count++] = take_name(in, false);
}

static void take_cell(struct input *in, struct record_cell *cell) {
    cell->bit_count = (uint32_t)take_byte(in);
    cell->bits = take_little(in, HASH_SIZE);
    uint64_t facts = take_byte(in), tags = take_byte(in);
    cell->place = facts & (RECORD_PLACES - 1);
    cell->hits = facts >> CELL_HITS_SHIFT & CELL_HITS_MAX;
    cell->expires = facts & CELL_EXPIRES;
    cell->address = take_little(in, ADDRESS_SIZE);
    cell->generation = take_little(in, GENERATION_SIZE);
    cell->stamp = cell->expires_at_ms = 0;
    cell->tag_count = 0;
    if (cell->bit_count == 0 || cell->bit_count > RECORD_HASH_BITS_MAX || cell->bits >> cell->bit_count ||
        cell->address >> RECORD_ADDRESS_BITS || cell->generation == 0)
        fail(in, "a cell is out of range");
    if (tags)
        take_cell_tags(in, cell, tags);
}

/* Each of them, so that whoever comes later need not ask. */
static void take_cells(struct input *in, struct record_part *part) {
    struct record_cell cell;
    part->shard = (uint32_t)take_little(in, 2);
    part->offset = take_varint(in, UINT32_MAX, "too many buckets");
    take_value(in, part);
    if (in->problem || !part->value.size)
        return;
    struct input cells = {.at = part->value.data, .end = part->value.data + part->value.size};
    while (!cells.problem && cells.at < cells.end)
        take_cell(&cells, &cell);
    if (cells.problem)
        fail(in, cells.problem);
}

bool record_cell_next(struct slice *cells, struct record_cell *ret_cell) {
    struct input in = {.at = cells->data, .end = cells->data + cells->size};
    if (cells->size == 0)
        return false;
    take_cell(&in, ret_cell);
    *cells = slice_make(in.at, (size_t)(in.end - in.at));
    return !in.problem;
}

static void take_part(struct input *in, struct record_part *part) {
    uint64_t kind = take_byte(in);
    part->kind = (enum record_kind)kind;
    switch (kind) {
        case RECORD_PUT:
            take_facts(in, part);
            return take_value(in, part);
        case RECORD_FACTS:
            return take_facts(in, part);
        case RECORD_PATCH:
            take_facts(in, part);
            return take_patch(in, part);
        case RECORD_REMOVE:
            part->place = take_place(in);
            part->name = take(in, take_varint(in, RECORD_KEY_MAX, "a key is too long"));
            return;
        case RECORD_TAG: {
            uint64_t soft = take_byte(in);
            if (soft & ~(uint64_t)SOFT)
                fail(in, "an unknown flag");
            part->soft = soft & SOFT;
            part->stamp = take_stamp(in);
            part->expires_at_ms = part->soft ? take_little(in, 8) : 0;
            part->name = take_name(in, false);
            return;
        }
        case RECORD_BAN:
        case RECORD_BAN_PAST:
            part->place = take_place(in);
            part->stamp = take_stamp(in);
            part->name = take_name(in, true);
            return;
        case RECORD_SWEPT:
            part->stamp = take_stamp(in);
            return;
        case RECORD_FLUSH:
            part->place = take_place(in);
            return;
        case RECORD_FLUSH_ALL:
            return;
        case RECORD_FLUSH_STORE:
            part->name = take_name(in, false);
            return;
        case RECORD_MAP:
            return take_map(in, part);
        case RECORD_STAMPS:
            part->stamp = take_little(in, 8);
            return;
        case RECORD_NOTE:
            part->name = take_name(in, false);
            return take_value(in, part);
        case RECORD_TIER:
            return take_tier(in, part);
        case RECORD_CELLS:
            return take_cells(in, part);
        default:
            fail(in, "an unknown kind of part");
    }
}

enum status record_open(struct slice record, struct record_reader *ret_reader) {
    *ret_reader = (struct record_reader){.rest = record, .size = record.size};
    if (record.size < RECORD_HEAD_SIZE) {
        ret_reader->problem = "it is shorter than the head of a record";
        return STATUS_CORRUPT;
    }
    if (record.data[0] != RECORD_VERSION) {
        ret_reader->problem = "its version is not known to this program";
        return STATUS_INVALID;
    }
    struct input in = {.at = record.data + 1, .end = record.data + record.size};
    ret_reader->at_ms = take_little(&in, 8);
    ret_reader->rest = slice_part(record, RECORD_HEAD_SIZE, record.size);
    return STATUS_OK;
}

enum status record_next(struct record_reader *reader, struct record_part *ret_part) {
    if (reader->rest.size == 0)
        return STATUS_CLOSED;
    struct input in = {.at = reader->rest.data, .end = reader->rest.data + reader->rest.size};
    struct record_part part;
    memset(&part, 0, offsetof(struct record_part, tags)); /* tags are most of it, and seldom there */
    take_part(&in, &part);
    if (in.problem) {
        reader->problem = in.problem;
        return STATUS_CORRUPT;
    }
    reader->rest = slice_make(in.at, (size_t)(in.end - in.at));
    memcpy(ret_part, &part, offsetof(struct record_part, tags) + part.tag_count * sizeof *part.tags);
    return STATUS_OK;
}
