#include "core/store/words.h"

#include "base/rng.h"
#include "unit.h"

enum { SIZE_MAX_TESTED = 700, ROOM = SIZE_MAX_TESTED + 64, GUARD = 0x5a };

static uint8_t random_bytes[ROOM], a[ROOM] __attribute__((aligned(64))), b[ROOM] __attribute__((aligned(64)));

static void set_up(void) {
    struct rng rng = rng_seeded(unit_seed());
    for (size_t i = 0; i < ROOM; i++)
        random_bytes[i] = (uint8_t)rng_next(&rng);
}

/* Small sizes one by one, then around those where the way of copying changes. */
static size_t next_size(size_t size) { return size < 70 || (size > 505 && size < 530) ? size + 1 : size + 13; }

typedef void (*copy_function)(void *to, const void *from, size_t size);

static void check_copy(copy_function copy) {
    set_up();
    for (size_t size = 0; size <= SIZE_MAX_TESTED; size = next_size(size))
        for (size_t from = 0; from < 8; from++)
            for (size_t to = 0; to < 8; to++) {
                memset(a, GUARD, sizeof a);
                memcpy(b + from, random_bytes, size);
                copy(a + 8 + to, b + from, size);
                if (memcmp(a + 8 + to, random_bytes, size) != 0)
                    fail_msg("size %zu from %zu to %zu differs", size, from, to);
                for (size_t i = 0; i < ROOM; i++)
                    if ((i < 8 + to || i >= 8 + to + size) && a[i] != GUARD)
                        fail_msg("size %zu from %zu to %zu wrote byte %zu", size, from, to, i);
            }
}

static void read_copies_whatever_the_alignment(void **state) {
    (void)state;
    check_copy(words_read);
}

static void read_short(void *private_bytes, const void *shared, size_t size) {
    words_read_short(private_bytes, shared, size);
}

static void short_reads_copy_the_same(void **state) {
    (void)state;
    check_copy(read_short);
}

static void write_copies_whatever_the_alignment(void **state) {
    (void)state;
    check_copy(words_write);
}

static void move_copies_whatever_the_alignment(void **state) {
    (void)state;
    check_copy(words_move);
}

static void zero_clears_its_bytes_only(void **state) {
    (void)state;
    for (size_t size = 0; size <= SIZE_MAX_TESTED; size = next_size(size))
        for (size_t to = 0; to < 8; to++) {
            memset(a, GUARD, sizeof a);
            words_zero(a + 8 + to, size);
            for (size_t i = 0; i < ROOM; i++)
                if (a[i] != (i < 8 + to || i >= 8 + to + size ? GUARD : 0))
                    fail_msg("size %zu to %zu: byte %zu", size, to, i);
        }
}

/* Equal bytes are equal; one that differs anywhere is found; bytes beyond do not matter. */
static void equal_finds_each_difference(void **state) {
    (void)state;
    set_up();
    for (size_t size = 0; size <= 200; size++)
        for (size_t at = 0; at < 16; at += 4)
            for (size_t private_at = 0; private_at < 8; private_at++) {
                memcpy(a, random_bytes, ROOM);
                memcpy(a + at, random_bytes + 7, size);
                memset(b, 0, sizeof b);
                memcpy(b + private_at, random_bytes + 7, size);
                assert_true(words_equal(a + at, b + private_at, size));
                for (size_t i = 0; i < size; i += 1 + size / 24) {
                    b[private_at + i] ^= 0x10;
                    if (words_equal(a + at, b + private_at, size))
                        fail_msg("size %zu at %zu: byte %zu differs unnoticed", size, at, i);
                    b[private_at + i] ^= 0x10;
                }
            }
}

static void single_words_keep_their_values(void **state) {
    (void)state;
    for (size_t at = 0; at < 32; at += 8) {
        words_store64(a + at, 0x0123456789abcdefu + at);
        assert_true(words_load64(a + at) == 0x0123456789abcdefu + at);
        words_store32(a + at + 4, 0xfedcba98u);
        assert_int_equal(words_load32(a + at + 4), 0xfedcba98u);
        assert_int_equal(words_check32(a + at + 4), 0xfedcba98u);
        assert_int_equal(words_load32(a + at), (uint32_t)(0x89abcdefu + at));
    }
}

UNIT_TESTS(words, UNIT(read_copies_whatever_the_alignment), UNIT(short_reads_copy_the_same),
           UNIT(write_copies_whatever_the_alignment), UNIT(move_copies_whatever_the_alignment),
           UNIT(zero_clears_its_bytes_only), UNIT(equal_finds_each_difference), UNIT(single_words_keep_their_values));
