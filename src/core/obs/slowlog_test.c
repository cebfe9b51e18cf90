#include "core/obs/slowlog.h"

#include "base/bits.h"

#include "unit.h"

static struct slowlog_event event_of(const struct slice *arguments, uint32_t count) {
    return (struct slowlog_event){.unix_s = 1700000000,
                                  .value = 12,
                                  .arguments = arguments,
                                  .argument_count = count,
                                  .client_address = SLICE("127.0.0.1:5"),
                                  .client_name = SLICE("me")};
}

static void add(struct slowlog *log, const char *name) {
    struct slice argument = slice_from_string(name);
    struct slowlog_event event = event_of(&argument, 1);
    assert_int_equal(slowlog_add(log, &event), STATUS_OK);
}

static void newest_entries_are_kept(void **state) {
    struct slowlog log;
    slowlog_init(&log, &memory_libc, 2);
    assert_null(slowlog_first(&log));
    add(&log, "a");
    add(&log, "b");
    add(&log, "c");
    assert_int_equal(log.count, 2);
    const struct slowlog_entry *first = slowlog_first(&log);
    assert_int_equal(first->id, 2);
    assert_true(slice_equal(first->arguments[0], SLICE("c")));
    assert_true(slice_equal(first->older->arguments[0], SLICE("b")));
    assert_true(slice_equal(first->client_name, SLICE("me")));
    assert_null(first->older->older);
    slowlog_limit(&log, 1);
    assert_int_equal(log.count, 1);
    assert_null(slowlog_first(&log)->older);
    slowlog_clear(&log);
    assert_null(slowlog_first(&log));
    add(&log, "d");
    assert_int_equal(slowlog_first(&log)->id, 3);
    slowlog_limit(&log, 0);
    add(&log, "e");
    assert_int_equal(log.count, 0);
    slowlog_fini(&log);
}

static void long_commands_are_clipped_as_redis_does(void **state) {
    static uint8_t bytes[1000];
    struct slice arguments[40];
    struct slowlog log;
    memset(bytes, 'x', sizeof bytes);
    for (size_t i = 0; i < 40; i++)
        arguments[i] = slice_make(bytes, i == 0 ? 128 : i == 1 ? 129 : i == 2 ? 1000 : i);
    slowlog_init(&log, &memory_libc, 4);
    struct slowlog_event event = event_of(arguments, 32);
    assert_int_equal(slowlog_add(&log, &event), STATUS_OK);
    const struct slowlog_entry *entry = slowlog_first(&log);
    assert_int_equal(entry->argument_count, 32);
    assert_true(slice_equal(entry->arguments[0], arguments[0]));
    assert_int_equal(entry->arguments[1].size, 128 + strlen("... (1 more bytes)"));
    assert_true(slice_equal(slice_part(entry->arguments[1], 128, 99), SLICE("... (1 more bytes)")));
    assert_true(slice_equal(slice_part(entry->arguments[2], 128, 99), SLICE("... (872 more bytes)")));
    assert_true(slice_equal(entry->arguments[31], arguments[31]));
    event = event_of(arguments, 40);
    assert_int_equal(slowlog_add(&log, &event), STATUS_OK);
    entry = slowlog_first(&log);
    assert_int_equal(entry->argument_count, 32);
    assert_true(slice_equal(entry->arguments[30], arguments[30]));
    assert_true(slice_equal(entry->arguments[31], SLICE("... (9 more arguments)")));
    slowlog_fini(&log);
    slowlog_fini(NULL);
}

static void arguments_that_stand_elsewhere_are_counted_only(void **state) {
    struct slice arguments[] = {SLICE("set"), SLICE("k"), {.data = NULL, .size = 3000000}, {.data = NULL, .size = 1}};
    struct slowlog log;
    slowlog_init(&log, &memory_libc, 4);
    struct slowlog_event event = event_of(arguments, 4);
    assert_int_equal(slowlog_add(&log, &event), STATUS_OK);
    const struct slowlog_entry *entry = slowlog_first(&log);
    assert_true(slice_equal(entry->arguments[1], SLICE("k")));
    assert_true(slice_equal(entry->arguments[2], SLICE("... (3000000 more bytes)")));
    assert_true(slice_equal(entry->arguments[3], SLICE("... (1 more bytes)")));
    assert_true(slice_equal(entry->client_name, SLICE("me")));
    slowlog_fini(&log);
}

static void *no_memory(void *context, void *old, size_t size_old, size_t size_new) { return NULL; }

static void lack_of_memory_leaves_the_log_as_it_was(void **state) {
    struct memory memory = {no_memory, NULL};
    struct slice argument = SLICE("a");
    struct slowlog_event event = event_of(&argument, 1);
    struct slowlog log;
    slowlog_init(&log, &memory, 4);
    assert_int_equal(slowlog_add(&log, &event), STATUS_NO_MEMORY);
    assert_int_equal(log.count, 0);
    assert_int_equal(log.id_next, 0);
    slowlog_fini(&log);
}

UNIT_TESTS(slowlog, UNIT(newest_entries_are_kept), UNIT(long_commands_are_clipped_as_redis_does),
           UNIT(arguments_that_stand_elsewhere_are_counted_only), UNIT(lack_of_memory_leaves_the_log_as_it_was));
