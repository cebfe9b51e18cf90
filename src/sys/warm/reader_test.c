/* sys/warm/reader_test.c: reads in steps, and on a directory of the kernel through io_uring and through threads. */
#include "sys/warm/reader.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/assert.h"
#include "sys/os/clock.h"
#include "sys/warm/warm_fixture.h"

enum { COUNT = 300, SEGMENT = 64 * 1024, PATH_SIZE = 64 };

struct place {
    char path[PATH_SIZE];
    struct directory directory;
    struct warm *warm;
    struct warm_reader *reader;
    uint64_t addresses[COUNT];
    uint64_t done, found, wrong, other;
    bool inside;    /* warm_read is running */
    uint64_t again; /* reads that `done` itself begins */
};

static void open_place(struct place *place, bool buffered, bool threads, uint32_t depth) {
    memset(place, 0, sizeof *place);
    snprintf(place->path, sizeof place->path, "/tmp/strata-warm-test-XXXXXX");
    assert_non_null(mkdtemp(place->path));
    assert_int_equal(directory_open(place->path, false, &place->directory), STATUS_OK);
    struct warm_options options = {.size_bytes = 8 * 1024 * 1024, .segment_bytes = SEGMENT, .buffered = buffered};
    struct warm_reader_options reader_options = {.depth_max = depth, .threads = threads};
    struct warm_report report;
    if (warm_open(&place->directory.files, &options, 0, NULL, &report, &place->warm) != STATUS_OK)
        fail_msg("%s", report.reason);
    assert_int_equal(warm_reader_new(place->warm, &reader_options, &place->reader), STATUS_OK);
}

static void close_place(struct place *place) {
    warm_reader_free(place->reader);
    assert_int_equal(warm_close(place->warm), STATUS_OK);
    assert_int_equal(place->directory.files.remove(place->directory.files.context, "warm"), STATUS_OK);
    directory_close(&place->directory);
    assert_int_equal(rmdir(place->path), 0);
}

static size_t size_of(uint64_t key) { return key % 10 == 0 ? 20000 + key * 50 : key * 7; }

static void fill_place(struct place *place) {
    static uint8_t bytes[SEGMENT];
    for (uint64_t key = 0; key < COUNT; key++) {
        struct warm_record record = {.hash = key, .parts.key = slice_make(&key, sizeof key)};
        memset(bytes, (int)key, size_of(key));
        record.parts.value = slice_make(bytes, size_of(key));
        while (warm_add(place->warm, 0, &record, &place->addresses[key]) == STATUS_BUSY)
            warm_settle(place->warm);
    }
}

static void take(struct place *place, uint64_t key);

struct one {
    struct place *place;
    uint64_t key;
};
static struct one ones[COUNT];

static void done(void *context, enum warm_outcome outcome, const struct warm_parts *parts) {
    struct one *one = context;
    struct place *place = one->place;
    place->done++;
    place->wrong += place->inside;
    place->found += outcome == WARM_FOUND;
    if (outcome != WARM_FOUND) {
        place->other++;
        return;
    }
    place->wrong +=
        !slice_equal(parts->key, slice_make(&one->key, sizeof one->key)) || parts->value.size != size_of(one->key);
    for (size_t i = 0; i < parts->value.size; i++)
        place->wrong += parts->value.data[i] != (uint8_t)one->key;
    if (place->again) {
        place->again--;
        take(place, (one->key + 1) % COUNT);
    }
}

static void poll_once(struct place *place) {
    struct pollfd ready = {.fd = warm_reader_descriptor(place->reader), .events = POLLIN};
    if (poll(&ready, 1, 20000) != 1)
        fail_msg("the descriptor does not become readable");
    (void)warm_reader_poll(place->reader);
}

static void take(struct place *place, uint64_t key) {
    ones[key] = (struct one){place, key};
    struct warm_request request = {place->addresses[key], warm_generation(place->warm, place->addresses[key]), done,
                                   &ones[key]};
    place->inside = true;
    enum status status = warm_read(place->reader, &request);
    place->inside = false;
    assert_int_equal(status, STATUS_OK);
}

/* As a loop does: begins as many as may be, sleeps on the descriptor, polls. */
static void read_all(struct place *place, uint32_t depth) {
    place->done = place->found = place->other = 0;
    for (uint64_t key = 0; key < COUNT || warm_reader_pending(place->reader);) {
        while (key < COUNT && warm_reader_pending(place->reader) < depth)
            take(place, key++);
        warm_reader_submit(place->reader);
        poll_once(place);
    }
    assert_int_equal(place->wrong, 0);
    assert_int_equal(place->found, COUNT);
}

/* The same by a thread that waits. */
static void read_all_here(struct place *place) {
    struct buf bytes;
    buf_init(&bytes, &memory_libc);
    for (uint64_t key = 0; key < COUNT; key++) {
        struct one one = {place, key};
        struct warm_parts parts;
        enum warm_outcome outcome;
        uint64_t address = place->addresses[key];
        assert_int_equal(
            warm_read_here(place->warm, address, warm_generation(place->warm, address), &bytes, &outcome, &parts),
            STATUS_OK);
        assert_int_equal(outcome, WARM_FOUND);
        done(&one, outcome, &parts);
    }
    buf_fini(&bytes);
    assert_int_equal(place->wrong, 0);
}

static void play(bool buffered, bool threads, uint32_t depth) {
    struct place place;
    open_place(&place, buffered, threads, depth);
    fill_place(&place);
    read_all(&place, depth);
    read_all_here(&place);
    warm_settle(place.warm);
    read_all(&place, depth);
    read_all_here(&place);
    place.again = depth > 1 ? 3 : 0; /* the read that has ended is under way until its call returns */
    take(&place, 7);
    warm_reader_submit(place.reader);
    while (warm_reader_pending(place.reader))
        poll_once(&place);
    assert_int_equal(place.again, 0);
    assert_int_equal(place.wrong, 0);
    close_place(&place);
}

static void kernel_reads_through_a_ring(void **state) {
    play(false, false, 1);
    play(false, false, 7);
    play(true, false, 64);
}

static void threads_read_where_there_is_no_ring(void **state) {
    play(false, true, 1);
    play(false, true, 33);
    play(true, true, 8);
}

/* As the filters of containers do; for this process and for good. */
static bool refuse_rings(void) {
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_io_uring_setup, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = COUNT_OF(filter), .filter = filter};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

static int without_rings(void) {
    struct place place;
    if (!refuse_rings())
        return 2;
    open_place(&place, false, false, 16);
    if (strcmp(warm_reader_kind(place.reader), "threads") != 0)
        return 3;
    fill_place(&place);
    warm_settle(place.warm);
    read_all(&place, 16);
    close_place(&place);
    return 0;
}

static void refused_rings_are_replaced_by_threads(void **state) {
    pid_t child = fork();
    if (child == 0)
        _exit(without_rings());
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

/* With reads on their way. */
static void reader_may_go_at_any_time(void **state) {
    for (int threads = 0; threads < 2; threads++) {
        struct place place;
        open_place(&place, false, threads, 64);
        fill_place(&place);
        warm_settle(place.warm);
        for (int submits = 0; submits < 2; submits++) {
            struct warm_reader_options options = {.threads = threads};
            struct warm_reader *reader;
            assert_int_equal(warm_reader_new(place.warm, &options, &reader), STATUS_OK);
            struct warm_reader *first = place.reader;
            place.reader = reader;
            for (uint64_t key = 0; key < 60; key++)
                take(&place, key);
            if (submits)
                warm_reader_submit(reader);
            warm_reader_free(reader);
            place.reader = first;
        }
        assert_int_equal(place.done, 0);
        read_all(&place, 64);
        close_place(&place);
    }
}

static void more_than_may_be_under_way_is_refused(void **state) {
    struct world world;
    struct warm_statistics statistics;
    world_init(&world, unit_seed());
    world_open(&world);
    for (uint64_t key = 0; key < 40; key++)
        assert_int_equal(world_add(&world, key), STATUS_OK);
    struct world_read read = {&world, 1};
    struct warm_request request = {world.cells[1].address, warm_generation(world.warm, world.cells[1].address),
                                   world_done, &read};
    for (int i = 0; i < 32; i++)
        assert_int_equal(warm_read(world.reader, &request), STATUS_OK);
    assert_int_equal(warm_read(world.reader, &request), STATUS_BUSY);
    assert_int_equal(warm_reader_poll(world.reader), 32);
    assert_int_equal(warm_read(world.reader, &request), STATUS_OK);
    assert_int_equal(warm_reader_poll(world.reader), 1);
    assert_int_equal(world.outcomes[WARM_FOUND], 33);
    /* By bytes: two of the largest at a time. */
    struct warm_reader_options options = {.large_bytes_max = 2 * (WORLD_SEGMENT + WARM_BLOCK_SIZE)};
    warm_reader_free(world.reader);
    assert_int_equal(warm_reader_new(world.warm, &options, &world.reader), STATUS_OK);
    uint64_t key = 0;
    while (warm_address_size(world.cells[key].address) < WORLD_SEGMENT)
        key++;
    read.key = key;
    request.address = world.cells[key].address;
    request.generation = warm_generation(world.warm, request.address);
    assert_int_equal(warm_read(world.reader, &request), STATUS_OK);
    assert_int_equal(warm_read(world.reader, &request), STATUS_OK);
    assert_int_equal(warm_read(world.reader, &request), STATUS_BUSY);
    assert_int_equal(warm_reader_poll(world.reader), 2);
    assert_int_equal(warm_read(world.reader, &request), STATUS_OK);
    assert_int_equal(warm_reader_poll(world.reader), 1);
    warm_statistics(world.warm, &statistics);
    assert_int_equal(statistics.reads_busy, 2);
    assert_int_equal(world.wrong, 0);
    world_fini(&world);
}

/* Whatever number is handed in as an address, with the right generation or another. */
/* Whoever waits for it finds the same. */
static void expect_here(struct world *world, const struct warm_request *request, enum warm_outcome wanted) {
    struct buf bytes;
    struct warm_parts parts;
    enum warm_outcome outcome;
    buf_init(&bytes, &memory_libc);
    assert_int_equal(warm_read_here(world->warm, request->address, request->generation, &bytes, &outcome, &parts),
                     STATUS_OK);
    assert_int_equal(outcome, wanted);
    buf_fini(&bytes);
}

static void numbers_that_are_no_addresses_find_nothing(void **state) {
    struct world world;
    world_init(&world, unit_seed());
    world_open(&world);
    for (uint64_t key = 0; key < 120; key++) {
        while (world_add(&world, key) != STATUS_OK)
            warm_step(world.warm);
    }
    for (int i = 0; i < 20000; i++) {
        uint64_t address = rng_next(&world.rng) >> rng_below(&world.rng, 64);
        uint64_t generation = i % 4 ? warm_generation(world.warm, address) : rng_below(&world.rng, 20);
        struct world_read read = {&world, 0};
        struct warm_request request = {address, generation, world_done, &read};
        bool is_one = false;
        for (uint64_t key = 0; key < 120 && !is_one; key++)
            is_one = warm_address_position(world.cells[key].address) == warm_address_position(address);
        if (is_one)
            continue;
        uint64_t stale = world.outcomes[WARM_STALE], damaged = world.outcomes[WARM_DAMAGED];
        assert_int_equal(warm_read(world.reader, &request), STATUS_OK);
        assert_int_equal(warm_reader_poll(world.reader), 1);
        expect_here(&world, &request,
                    world.outcomes[WARM_STALE] > stale       ? WARM_STALE
                    : world.outcomes[WARM_DAMAGED] > damaged ? WARM_DAMAGED
                                                             : WARM_FOUND);
    }
    assert_true(world.outcomes[WARM_STALE] > 1000 && world.outcomes[WARM_DAMAGED] > 10);
    world_fini(&world);
}

static void failed_and_damaged_reads_are_told_with_their_place(void **state) {
    struct world world;
    world_init(&world, unit_seed());
    world_open(&world);
    for (uint64_t key = 1; key < 5; key++)
        assert_int_equal(world_add(&world, key), STATUS_OK);
    warm_settle(world.warm);
    uint64_t address = world.cells[2].address;
    struct world_read read = {&world, 2};
    struct warm_request request = {address, warm_generation(world.warm, address), world_done, &read};
    faults_add(&world.faults, (struct fault){FAULT_READ, FAULT_BROKEN, 1, 1, 0});
    assert_int_equal(warm_read(world.reader, &request), STATUS_OK);
    assert_int_equal(warm_reader_poll(world.reader), 1);
    assert_int_equal(world.outcomes[WARM_FAILED], 1);
    assert_int_equal(world.trouble.kind, WARM_READ_FAILED);
    assert_int_equal(world.trouble.error, 5); /* EIO */
    assert_int_equal(world.trouble.offset, WARM_BLOCK_SIZE + warm_address_position(address));
    assert_int_equal(warm_read(world.reader, &request), STATUS_OK);
    assert_int_equal(warm_reader_poll(world.reader), 1);
    assert_int_equal(world.outcomes[WARM_FOUND], 1);
    expect_here(&world, &request, WARM_FOUND);
    faults_add(&world.faults, (struct fault){FAULT_READ, FAULT_BROKEN, 1, 1, 0});
    expect_here(&world, &request, WARM_FAILED);
    for (int i = 0; i < 200; i++) {
        faults_clear(&world.faults);
        faults_add(&world.faults, (struct fault){FAULT_READ, FAULT_FLIPPED, 1, 1, 0});
        assert_int_equal(warm_read(world.reader, &request), STATUS_OK);
        assert_int_equal(warm_reader_poll(world.reader), 1);
    }
    assert_int_equal(world.wrong, 0);
    assert_true(world.outcomes[WARM_DAMAGED] > 0);
    assert_int_equal(world.outcomes[WARM_FOUND] + world.outcomes[WARM_DAMAGED], 201);
    assert_int_equal(world.trouble.kind, WARM_RECORD_DAMAGED);
    assert_int_equal(world.trouble.offset, WARM_BLOCK_SIZE + warm_address_position(address));
    world_fini(&world);
}

UNIT_TESTS(reader, UNIT(kernel_reads_through_a_ring), UNIT(threads_read_where_there_is_no_ring),
           UNIT(refused_rings_are_replaced_by_threads), UNIT(reader_may_go_at_any_time),
           UNIT(more_than_may_be_under_way_is_refused), UNIT(numbers_that_are_no_addresses_find_nothing),
           UNIT(failed_and_damaged_reads_are_told_with_their_place));
