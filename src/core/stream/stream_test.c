#include "core/stream/stream.h"

#include "base/assert.h"
#include "base/rng.h"

#include "unit.h"

enum { RECORDS_MAX = 60000, READERS = 6, STEPS = 60000, PREFIXES = 700, FEW = 12 };

/* Memory that fails now and then. */
struct failing {
    struct memory memory;
    struct rng rng;
    bool fails;
    size_t bytes;
};

static void *resize(void *context, void *old, size_t size_old, size_t size_new) {
    struct failing *failing = context;
    if (size_new && failing->fails && rng_below(&failing->rng, 3) == 0)
        return NULL;
    void *bytes = memory_libc.resize(NULL, old, size_old, size_new);
    failing->bytes += size_new - size_old;
    return bytes;
}

/* All records ever, as a plain list. */
struct twin {
    struct stream stream;
    struct failing failing;
    struct rng rng;
    uint64_t count;
    struct twin_record {
        enum stream_kind kind;
        uint32_t number, size;
    } records[RECORDS_MAX + 1]; /* by position */
    bool many;                  /* names have many beginnings */
};

struct reader {
    struct stream_cursor cursor;
    struct stream_word words[2];
    struct stream_filter filter;
    uint8_t rooms[2][32];
};

static struct slice name_of(const struct twin_record *record, uint8_t *room) {
    if (stream_is_of_all(record->kind))
        return slice_make(NULL, 0);
    int size =
        snprintf((char *)room, 32, record->kind == STREAM_PATTERN ? "p%u:*" : "p%u:%u", record->number, record->size);
    if (record->kind == STREAM_TAG)
        size = snprintf((char *)room, 32, "t%u", record->number);
    memset(room + size, 'x', record->size);
    return slice_make(room, (size_t)size + (record->kind < STREAM_TAG ? record->size : 0));
}

static struct stream_record record_of(const struct twin *twin, uint64_t position, uint8_t *room) {
    const struct twin_record *of = &twin->records[position];
    struct stream_record record = {.position = position,
                                   .at_ms = position * 3,
                                   .client = position % 5,
                                   .kind = of->kind,
                                   .db = (uint32_t)(position % 17),
                                   .soft = position % 2};
    record.texts[STREAM_NAME] = name_of(of, room);
    record.texts[STREAM_REASON] = slice_make("reasons", position % 8);
    return record;
}

static void expect_equal(const struct stream_record *a, const struct stream_record *b) {
    assert_true(a->position == b->position && a->at_ms == b->at_ms && a->client == b->client && a->kind == b->kind &&
                a->db == b->db && a->soft == b->soft);
    for (int i = 0; i < STREAM_TEXTS; i++)
        assert_true(slice_equal(a->texts[i], b->texts[i]));
}

static void append(struct twin *twin) {
    uint8_t room[70000];
    struct twin_record *record = &twin->records[++twin->count];
    *record = (struct twin_record){.kind = (enum stream_kind)rng_below(&twin->rng, STREAM_PATTERN + 1),
                                   .number = (uint32_t)rng_below(&twin->rng, twin->many ? PREFIXES : FEW),
                                   .size = (uint32_t)rng_below(&twin->rng, 30)};
    if (rng_below(&twin->rng, 2000) == 0)
        record->kind = (enum stream_kind)(STREAM_FLUSHED + rng_below(&twin->rng, STREAM_KINDS - STREAM_FLUSHED));
    if (rng_below(&twin->rng, 3000) == 0)
        record->size = 65000;
    struct stream_record full = record_of(twin, twin->count, room);
    full.position = 0;
    assert_int_equal(stream_append(&twin->stream, &full), twin->count);
}

/* What a gap was told of. */
struct told {
    enum stream_part_kind kinds[STREAM_PARTS_MAX];
    struct slice texts[STREAM_PARTS_MAX];
    uint64_t positions[STREAM_PARTS_MAX];
    uint32_t count;
};

static void note_part(void *context, enum stream_part_kind kind, struct slice text, uint64_t position) {
    struct told *told = context;
    told->kinds[told->count] = kind;
    told->texts[told->count] = text;
    told->positions[told->count++] = position;
}

static enum stream_part_kind part_of(enum stream_kind kind) {
    if (kind <= STREAM_PATCHED)
        return stream_is_write(kind) ? STREAM_PART_WRITTEN : STREAM_PART_KEYS;
    return kind == STREAM_TAG ? STREAM_PART_TAG : kind == STREAM_CLASS ? STREAM_PART_CLASS : STREAM_PART_PATTERN;
}

static bool covers(const struct told *told, uint32_t i, const struct stream_record *record) {
    struct slice name = record->texts[STREAM_NAME];
    if (stream_is_of_all(record->kind) || told->kinds[i] != part_of(record->kind))
        return false;
    return record->kind <= STREAM_PATCHED ? slice_starts_with(name, told->texts[i]) : slice_equal(name, told->texts[i]);
}

/* Everything that concerned the reader is told of; and nothing that did not happen. */
static void expect_gap(const struct twin *twin, const struct reader *reader, const struct told *told) {
    uint8_t room[70000];
    bool real[STREAM_PARTS_MAX] = {0};
    for (uint64_t p = reader->cursor.after + 1; p <= twin->stream.floor; p++) {
        struct stream_record record = record_of(twin, p, room);
        bool covered = !stream_filter_takes(&reader->filter, &record);
        for (uint32_t i = 0; i < told->count; i++)
            if (covers(told, i, &record)) {
                covered = true;
                real[i] |= told->positions[i] == p;
            }
        assert_true(covered);
    }
    for (uint32_t i = 0; i < told->count; i++)
        assert_true(real[i]);
}

static uint64_t gaps, exact;

static void read_gap(const struct twin *twin, struct reader *reader) {
    struct told told = {.count = 0};
    gaps++;
    if (stream_gap(&twin->stream, &reader->cursor, &reader->filter, &(struct stream_parts_visit){note_part, &told})) {
        exact++;
        expect_gap(twin, reader, &told);
    } else {
        assert_int_equal(told.count, 0);
    }
    stream_skip(&twin->stream, &reader->cursor);
    assert_int_equal(reader->cursor.after, twin->stream.floor);
}

static void read_some(const struct twin *twin, struct reader *reader, size_t size_max) {
    struct buf out;
    uint8_t room[70000];
    uint64_t after = reader->cursor.after;
    buf_init(&out, &memory_libc);
    switch (stream_take(&twin->stream, &reader->cursor, size_max, &out)) {
        case STREAM_END:
            assert_int_equal(after, twin->count);
            break;
        case STREAM_GAP:
            assert_true(after < twin->stream.floor);
            read_gap(twin, reader);
            break;
        case STREAM_RECORDS: {
            struct stream_record record;
            size_t at = 0;
            while (stream_decode(buf_slice(&out), &at, &record)) {
                struct stream_record wanted = record_of(twin, ++after, room);
                expect_equal(&record, &wanted);
            }
            assert_int_equal(after, reader->cursor.after);
            break;
        }
    }
    buf_fini(&out);
}

/* A reader that comes anew from some position, and with another filter. */
static void come(struct twin *twin, struct reader *reader) {
    *reader = (struct reader){.cursor.after = rng_below(&twin->rng, twin->count + 1)};
    reader->filter = (struct stream_filter){
        .words = reader->words, .count = (uint32_t)rng_below(&twin->rng, 3), .writes = rng_below(&twin->rng, 2)};
    for (int i = 0; i < 2; i++) {
        struct stream_word *word = &reader->words[i];
        word->kind = (enum stream_word_kind)rng_below(&twin->rng, STREAM_WORDS);
        const char *const forms[] = {"p%u:", "p%u:%%", "t%u"};
        int size = snprintf((char *)reader->rooms[i], 32, forms[word->kind], (unsigned)rng_below(&twin->rng, FEW));
        word->text = slice_make(reader->rooms[i], (size_t)size);
    }
}

static void run(struct twin *twin, bool many, bool fails) {
    struct reader readers[READERS] = {0};
    *twin = (struct twin){.rng = rng_seeded(unit_seed() + (uint64_t)many * 2 + fails), .many = many};
    twin->failing = (struct failing){.memory = {resize, &twin->failing}, .rng = twin->rng, .fails = fails};
    stream_init(&twin->stream, &twin->failing.memory, 5 * STREAM_CHUNK_SIZE);
    for (uint32_t i = 0; i < READERS; i++)
        come(twin, &readers[i]);
    for (uint32_t step = 0; step < STEPS && twin->count < RECORDS_MAX; step++) {
        struct reader *reader = &readers[rng_below(&twin->rng, READERS)];
        uint64_t what = rng_below(&twin->rng, 1000);
        if (what < 900)
            append(twin);
        else if (what < 990)
            read_some(twin, reader, 1 + rng_below(&twin->rng, 20000));
        else if (what < 997)
            come(twin, reader);
        else if (what < 999)
            stream_limit(&twin->stream, rng_below(&twin->rng, 8) * STREAM_CHUNK_SIZE);
        else if (rng_below(&twin->rng, 20) == 0)
            stream_forget(&twin->stream);
        if (step % 1000 == 0)
            stream_verify(&twin->stream);
    }
    stream_verify(&twin->stream);
    stream_fini(&twin->stream);
    assert_int_equal(twin->failing.bytes, 0);
}

static void readers_hear_of_everything(void **state) {
    struct twin *twin = malloc(sizeof *twin);
    (void)state;
    printf("seed %llu\n", (unsigned long long)unit_seed());
    gaps = exact = 0;
    run(twin, false, false);
    printf("%llu gaps, %llu told exactly\n", (unsigned long long)gaps, (unsigned long long)exact);
    assert_true(exact > 20 && gaps > exact);
    run(twin, true, false);
    free(twin);
}

static void without_memory_nothing_is_lost_untold(void **state) {
    struct twin *twin = malloc(sizeof *twin);
    (void)state;
    printf("seed %llu\n", (unsigned long long)unit_seed());
    run(twin, false, true);
    run(twin, true, true);
    free(twin);
}

static void long_texts_are_cut_but_names_are_not(void **state) {
    struct stream stream;
    struct stream_record record = {.kind = STREAM_DELETED}, found;
    struct stream_cursor cursor = {0};
    struct buf out;
    size_t at = 0;
    (void)state;
    char *bytes = calloc(1, 65536);
    stream_init(&stream, &memory_libc, STREAM_CHUNK_SIZE);
    buf_init(&out, &memory_libc);
    for (int i = 0; i < STREAM_TEXTS; i++)
        record.texts[i] = slice_make(bytes, 65536);
    assert_int_equal(stream_append(&stream, &record), 1);
    assert_int_equal(stream_take(&stream, &cursor, 1, &out), STREAM_RECORDS);
    assert_true(stream_decode(buf_slice(&out), &at, &found));
    for (int i = 0; i < STREAM_TEXTS; i++)
        assert_int_equal(found.texts[i].size, i == STREAM_NAME ? 65536 : STREAM_TEXT_MAX);
    assert_false(stream_decode(buf_slice(&out), &at, &found));
    assert_int_equal(stream_take(&stream, &cursor, 1, &out), STREAM_END);
    buf_fini(&out);
    stream_fini(&stream);
    free(bytes);
}

UNIT_TESTS(stream, UNIT(readers_hear_of_everything), UNIT(without_memory_nothing_is_lost_untold),
           UNIT(long_texts_are_cut_but_names_are_not));
