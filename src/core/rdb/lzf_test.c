#include "core/rdb/lzf.h"

#include "base/rng.h"
#include "unit.h"

static void reads_what_redis_wrote(void **state) {
    (void)state;
    /* a hundred times 'a' */
    static const uint8_t stored[] = {0x01, 0x61, 0x61, 0xe0, 0x57, 0x00, 0x01, 0x61, 0x61};
    struct lzf_reader reader;
    uint8_t bytes[100];
    lzf_reader_init(&reader, slice_make(stored, sizeof stored));
    assert_true(lzf_read(&reader, bytes, sizeof bytes));
    assert_true(lzf_finished(&reader));
    for (size_t i = 0; i < sizeof bytes; i++)
        assert_int_equal(bytes[i], 'a');
}

enum { STORED_MAX = 4000, OUTPUT_MAX = 64 * 1024 };

struct sample {
    uint8_t stored[STORED_MAX + 40], output[OUTPUT_MAX];
    size_t stored_size, output_size;
};

/* Random runs together with what they mean. */
static void sample_make(struct sample *sample, struct rng *rng) {
    sample->stored_size = sample->output_size = 0;
    size_t stored_max = rng_below(rng, STORED_MAX);
    while (sample->stored_size < stored_max && sample->output_size + LZF_RUN_MAX <= OUTPUT_MAX) {
        uint8_t *stored = sample->stored + sample->stored_size, *output = sample->output + sample->output_size;
        if (sample->output_size == 0 || rng_below(rng, 3) == 0) {
            size_t count = 1 + rng_below(rng, 32);
            stored[0] = (uint8_t)(count - 1);
            for (size_t i = 0; i < count; i++)
                stored[1 + i] = output[i] = (uint8_t)rng_next(rng);
            sample->stored_size += 1 + count;
            sample->output_size += count;
            continue;
        }
        size_t reach = sample->output_size < LZF_WINDOW_SIZE ? sample->output_size : LZF_WINDOW_SIZE;
        size_t distance = rng_below(rng, 4) ? 1 + rng_below(rng, reach) : reach;
        bool far = rng_below(rng, 2);
        size_t count = far ? 9 + rng_below(rng, 256) : 3 + rng_below(rng, 6);
        size_t at = 0;
        stored[at++] = (uint8_t)((far ? 7 : count - 2) << 5 | (distance - 1) >> 8);
        if (far)
            stored[at++] = (uint8_t)(count - 9);
        stored[at++] = (uint8_t)(distance - 1);
        for (size_t i = 0; i < count; i++)
            output[i] = *(output + i - distance);
        sample->stored_size += at;
        sample->output_size += count;
    }
}

static void reads_random_runs_in_pieces_of_any_size(void **state) {
    (void)state;
    uint64_t seed = unit_seed();
    struct rng rng = rng_seeded(seed);
    static struct sample sample;
    static uint8_t bytes[OUTPUT_MAX];
    static struct lzf_reader reader;
    for (int round = 0; round < 200; round++) {
        sample_make(&sample, &rng);
        lzf_reader_init(&reader, slice_make(sample.stored, sample.stored_size));
        for (size_t done = 0; done < sample.output_size;) {
            size_t size = 1 + rng_below(&rng, round % 2 ? 7 : 9000);
            if (size > sample.output_size - done)
                size = sample.output_size - done;
            assert_true(lzf_read(&reader, bytes + done, size));
            done += size;
        }
        if (!lzf_finished(&reader) || memcmp(bytes, sample.output, sample.output_size) != 0)
            fail_msg("round %d, seed %llu", round, (unsigned long long)seed);
    }
}

static void input_cut_anywhere_is_never_finished_whole(void **state) {
    (void)state;
    struct rng rng = rng_seeded(unit_seed());
    static struct sample sample;
    static uint8_t bytes[OUTPUT_MAX];
    static struct lzf_reader reader;
    do
        sample_make(&sample, &rng);
    while (sample.stored_size < 300);
    for (size_t cut = 0; cut < sample.stored_size; cut++) {
        lzf_reader_init(&reader, slice_make(sample.stored, cut));
        assert_false(lzf_read(&reader, bytes, sample.output_size));
        assert_false(lzf_read(&reader, bytes, 1));
        assert_false(lzf_finished(&reader));
    }
}

static void repeat_from_before_the_beginning_is_refused(void **state) {
    (void)state;
    struct lzf_reader reader;
    uint8_t bytes[4];
    lzf_reader_init(&reader, SLICE("\x00"
                                   "a"
                                   "\x20\x01"));
    assert_false(lzf_read(&reader, bytes, sizeof bytes));
    lzf_reader_init(&reader, SLICE("\x00"
                                   "a"
                                   "\x20\x00"));
    assert_true(lzf_read(&reader, bytes, sizeof bytes));
    assert_memory_equal(bytes, "aaaa", 4);
}

UNIT_TESTS(lzf, UNIT(reads_what_redis_wrote), UNIT(reads_random_runs_in_pieces_of_any_size),
           UNIT(input_cut_anywhere_is_never_finished_whole), UNIT(repeat_from_before_the_beginning_is_refused));
