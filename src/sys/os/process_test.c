#include "sys/os/process.h"

#include <sys/resource.h>
#include <unistd.h>

#include "sys/os/clock.h"
#include "sys/os/random.h"
#include "sys/os/thread.h"
#include "unit.h"

static void facts_are_plausible(void **state) {
    struct process_facts facts;
    process_facts(&facts);
    assert_int_equal(facts.process_id, getpid());
    assert_true(facts.resident_bytes > 64 * 1024);
    assert_true(facts.resident_peak_bytes >= facts.resident_bytes / 2);
    uint64_t total = process_memory_total_bytes();
    assert_true(total > facts.resident_bytes);
    char text[256];
    process_executable(text, sizeof text);
    assert_non_null(strstr(text, "test_sys_os"));
    process_system_name(text, sizeof text);
    assert_non_null(strstr(text, "Linux"));
    assert_true(thread_cores() >= 1);
    struct process_memory memory;
    process_memory(&memory);
    assert_true(memory.swapped_bytes < total * 4);
    const char *const modes[] = {"always", "madvise", "never", ""};
    bool known = false;
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
        known |= strcmp(memory.huge_pages, modes[i]) == 0;
    assert_true(known);
}

static void descriptor_limit_goes_up_and_never_down(void **state) {
    struct rlimit before;
    getrlimit(RLIMIT_NOFILE, &before);
    assert_int_equal(process_descriptors_raise(1), before.rlim_cur);
    uint64_t now = process_descriptors_raise(before.rlim_cur + 10);
    assert_true(now >= before.rlim_cur);
    struct rlimit after;
    getrlimit(RLIMIT_NOFILE, &after);
    assert_int_equal(after.rlim_cur, now);
}

static void id_file_holds_the_id(void **state) {
    char path[] = "/tmp/strata-pid-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(process_id_file_write(path), STATUS_OK);
    char text[32] = {0};
    assert_true(read(fd, text, sizeof text - 1) > 0);
    assert_int_equal(atoi(text), getpid());
    close(fd);
    unlink(path);
    assert_int_equal(process_id_file_write("/nonexistent/pid"), STATUS_IO);
}

static void clocks_advance_together(void **state) {
    double ticks_per_us = clock_ticks_per_us(1000);
    uint64_t begin_ns = clock_steady_ns(), begin = clock_ticks();
    while (clock_steady_ns() - begin_ns < 2000000)
        ;
    double us = (double)(clock_ticks() - begin) / ticks_per_us;
    assert_true(us > 1000);
    uint64_t unix_ms = clock_unix_ms();
    assert_true(unix_ms > 1500000000000u && clock_unix_us() / 1000 >= unix_ms);
}

static void random_bytes_differ(void **state) { assert_true(random_u64() != random_u64()); }

UNIT_TESTS(process, UNIT(facts_are_plausible), UNIT(descriptor_limit_goes_up_and_never_down),
           UNIT(id_file_holds_the_id), UNIT(clocks_advance_together), UNIT(random_bytes_differ));
