#include "sys/wal/bulk.h"

#include <errno.h>

#include "base/rng.h"
#include "sys/wal/log_fixture.h"

enum { BYTES = 3 * BULK_SIZE + 12345, PIECE_MAX = 400000, PAST = 1000 };

static const char name[] = "bulk";

/* A file system that is strict about calls past the page cache, and may not know them. */
static struct {
    const struct files *inner; /* whose number of a file, and PAST, is that of the same file past the page cache */
    bool refuses_open, refuses_write;
    unsigned past, plain;
} strict;

static enum status strict_open(void *context, const char *file_name, enum files_how how, int *ret_file) {
    if (how == FILES_DIRECT && strict.refuses_open) {
        errno = EINVAL;
        return STATUS_IO;
    }
    TRY(strict.inner->open(context, file_name, how == FILES_DIRECT ? FILES_WRITE : how, ret_file));
    *ret_file += how == FILES_DIRECT ? PAST : 0;
    return STATUS_OK;
}

static void strict_close(void *context, int file) { strict.inner->close(context, file % PAST); }

static enum status strict_write(void *context, int file, uint64_t offset, const void *bytes, size_t size,
                                size_t *ret_size) {
    if (file >= PAST) {
        if (strict.refuses_write || (uintptr_t)bytes % BULK_ALIGN || offset % BULK_ALIGN || size % BULK_ALIGN) {
            errno = EINVAL;
            return STATUS_IO;
        }
        strict.past++;
    } else {
        strict.plain++;
    }
    return strict.inner->write(context, file % PAST, offset, bytes, size, ret_size);
}

static enum status write_pieces(const struct files *files, const uint8_t *bytes, uint64_t seed) {
    struct rng rng = rng_seeded(seed);
    struct bulk bulk;
    int file;
    TRY(files->open(files->context, name, FILES_NEW, &file));
    enum status status = bulk_begin(&bulk, files, &memory_libc, name, file);
    for (size_t at = 0, size; at < BYTES && status == STATUS_OK; at += size) {
        size = 1 + rng_below(&rng, PIECE_MAX);
        size = size < BYTES - at ? size : BYTES - at;
        status = bulk_write(&bulk, bytes + at, size);
    }
    if (status == STATUS_OK)
        status = bulk_finish(&bulk);
    if (status == STATUS_OK)
        status = files->sync(files->context, file);
    bulk_end(&bulk);
    files->close(files->context, file);
    return status;
}

static void check(bool refuses_open, bool refuses_write, uint32_t short_writes, unsigned past, unsigned plain) {
    struct log_place place;
    static uint8_t bytes[BYTES];
    for (size_t i = 0; i < BYTES; i++)
        bytes[i] = (uint8_t)(i * 7 + (i >> 11));
    place_init(&place);
    struct files files = *place.files;
    files.open = strict_open;
    files.write = strict_write;
    files.close = strict_close;
    strict.inner = place.files;
    strict.refuses_open = refuses_open;
    strict.refuses_write = refuses_write;
    strict.past = strict.plain = 0;
    if (short_writes)
        faults_add(&place.faults,
                   (struct fault){.calls = FAULT_WRITE, .kind = FAULT_SHORT, .first = 2, .amount = short_writes});
    assert_int_equal(write_pieces(&files, bytes, 1), STATUS_OK);
    faults_clear(&place.faults);
    disk_restart(place.disk); /* all of it was flushed, by whichever of both descriptors it was written */
    struct slice found = disk_contents(place.disk, name);
    assert_int_equal(found.size, BYTES);
    assert_memory_equal(found.data, bytes, BYTES);
    assert_true(short_writes || (strict.past == past && strict.plain == plain));
    place_fini(&place);
}

static void whole_parts_go_past_the_page_cache(void **state) { check(false, false, 0, 3, 1); }

static void what_a_file_system_cannot_do_is_not_asked_again(void **state) {
    check(true, false, 0, 0, 4);
    check(false, true, 0, 0, 4);
}

/* A write that stopped at an odd place cannot be gone on with past the page cache. */
static void short_writes_are_written_on(void **state) {
    check(false, false, 100001, 0, 0);
    check(false, false, BULK_ALIGN, 0, 0);
    check(true, false, 100001, 0, 0);
}

static void failures_are_told(void **state) {
    struct log_place place;
    static const uint8_t bytes[BYTES];
    for (unsigned n = 1; n <= 4; n++) {
        place_init(&place);
        faults_add(&place.faults, (struct fault){.calls = FAULT_WRITE, .kind = FAULT_NO_ROOM, .first = n});
        assert_int_equal(write_pieces(place.files, bytes, n), STATUS_FULL);
        place_fini(&place);
        place_init(&place);
        faults_add(&place.faults, (struct fault){.calls = FAULT_OPEN, .kind = FAULT_BROKEN, .first = 2});
        assert_int_equal(write_pieces(place.files, bytes, n), STATUS_IO);
        place_fini(&place);
    }
}

UNIT_TESTS(bulk, UNIT(whole_parts_go_past_the_page_cache), UNIT(what_a_file_system_cannot_do_is_not_asked_again),
           UNIT(short_writes_are_written_on), UNIT(failures_are_told));
