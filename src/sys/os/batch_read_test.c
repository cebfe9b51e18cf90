#include "sys/os/batch_read.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/rng.h"
#include "unit.h"

enum { BLOCK = 4096, BLOCKS = 200 };

/* A file whose n-th block is full of n. */
static int make(int flags) {
    char path[] = "/tmp/strata-batch-XXXXXX";
    uint8_t block[BLOCK];
    int file = mkstemp(path);
    assert_true(file >= 0);
    for (int i = 0; i < BLOCKS; i++) {
        memset(block, i, sizeof block);
        assert_int_equal(write(file, block, sizeof block), sizeof block);
    }
    assert_int_equal(fsync(file), 0);
    close(file);
    file = open(path, O_RDONLY | flags);
    assert_true(file >= 0);
    assert_int_equal(unlink(path), 0);
    return file;
}

static void each_read_has_its_own_bytes(void **state) {
    static const int flags[] = {O_DIRECT, 0};
    struct rng rng = rng_seeded(unit_seed());
    struct batch_reader reader;
    struct batch_read reads[BATCH_READS_MAX];
    void *bytes;
    (void)state;
    assert_int_equal(batch_reader_open(&reader), STATUS_OK);
    assert_int_equal(posix_memalign(&bytes, BLOCK, 2 * BLOCK * BATCH_READS_MAX), 0);
    for (int how = 0; how < 2; how++) {
        int file = make(flags[how]);
        for (int round = 0; round < 20; round++) {
            uint32_t count = 1 + (uint32_t)rng_below(&rng, BATCH_READS_MAX);
            memset(bytes, 255, 2 * BLOCK * BATCH_READS_MAX);
            for (uint32_t i = 0; i < count; i++)
                reads[i] = (struct batch_read){.offset = rng_below(&rng, BLOCKS) * BLOCK,
                                               .bytes = (uint8_t *)bytes + 2 * BLOCK * i,
                                               .size = BLOCK * (1 + (uint32_t)rng_below(&rng, 2)),
                                               .error = 77};
            batch_read(&reader, file, reads, count);
            for (uint32_t i = 0; i < count; i++) {
                uint32_t number = (uint32_t)(reads[i].offset / BLOCK), pieces = reads[i].size / BLOCK;
                const uint8_t *at = reads[i].bytes;
                assert_int_equal(reads[i].error, 0);
                assert_int_equal(reads[i].got, number + pieces > BLOCKS ? BLOCK : reads[i].size);
                for (uint32_t k = 0; k < reads[i].got; k++)
                    assert_int_equal(at[k], number + k / BLOCK);
            }
        }
        close(file);
    }
    free(bytes);
    batch_reader_close(&reader);
    batch_reader_close(&reader);
}

static void one_that_fails_fails_alone(void **state) {
    struct batch_reader reader;
    struct batch_read reads[5];
    void *bytes;
    int file = make(O_DIRECT);
    (void)state;
    assert_int_equal(batch_reader_open(&reader), STATUS_OK);
    assert_int_equal(posix_memalign(&bytes, BLOCK, 5 * BLOCK), 0);
    for (uint32_t i = 0; i < 5; i++)
        reads[i] = (struct batch_read){.offset = i * BLOCK, .bytes = (uint8_t *)bytes + BLOCK * i, .size = BLOCK};
    reads[0].bytes = (void *)16;           /* nobody's memory */
    reads[2].offset = (uint64_t)INT64_MIN; /* no place in a file: it cannot even be begun */
    reads[4].offset = (uint64_t)BLOCKS * BLOCK;
    batch_read(&reader, file, reads, 5);
    assert_int_equal(reads[0].error, EFAULT);
    assert_int_equal(reads[2].error, EINVAL);
    assert_true(reads[4].error == 0 && reads[4].got == 0); /* behind the end */
    for (uint32_t i = 1; i < 4; i += 2) {
        assert_true(reads[i].error == 0 && reads[i].got == BLOCK);
        assert_int_equal(((uint8_t *)reads[i].bytes)[7], i);
    }
    batch_read(&reader, -1, reads, 3);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(reads[i].error, EBADF);
    free(bytes);
    close(file);
    batch_reader_close(&reader);
}

UNIT_TESTS(batch_read, UNIT(each_read_has_its_own_bytes), UNIT(one_that_fails_fails_alone));
