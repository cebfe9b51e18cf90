#include "app/server/cause.h"

#include "unit.h"

static struct slice text(const char *bytes) { return slice_from_string(bytes); }

static void what_was_packed_is_read_back(void **state) {
    (void)state;
    uint8_t bytes[CAUSE_PACKED_MAX];
    const struct cause cause = {.trigger = CAUSE_EVENT,
                                .line = 12,
                                .name = text("user.updated"),
                                .class = text("user:{id}"),
                                .path = text("event user.updated -> key user:7 (line 12)"),
                                .reason = text("because")};
    const struct cause_told told = {.who = text("importer"), .killer = text("tag"), .cause = &cause};
    struct cause_told read;
    struct cause read_cause;
    cause_unpack(slice_make(bytes, cause_pack(&told, bytes)), &read, &read_cause);
    assert_ptr_equal(read.cause, &read_cause);
    assert_true(slice_equal(read.who, told.who) && slice_equal(read.killer, told.killer));
    assert_int_equal(read_cause.trigger, CAUSE_EVENT);
    assert_int_equal(read_cause.line, 12);
    assert_true(slice_equal(read_cause.name, cause.name) && slice_equal(read_cause.class, cause.class) &&
                slice_equal(read_cause.path, cause.path) && slice_equal(read_cause.reason, cause.reason));
}

static void nothing_to_tell_takes_no_bytes(void **state) {
    (void)state;
    uint8_t bytes[CAUSE_PACKED_MAX];
    struct cause_told read;
    struct cause cause;
    assert_int_equal(cause_pack(&(struct cause_told){.cause = NULL}, bytes), 0);
    cause_unpack(slice_make(bytes, 0), &read, &cause);
    assert_null(read.cause);
    assert_int_equal(read.who.size, 0);
    size_t size = cause_pack(&(struct cause_told){.who = text("a")}, bytes);
    cause_unpack(slice_make(bytes, size), &read, &cause);
    assert_null(read.cause);
    assert_true(slice_equal(read.who, text("a")));
}

static void what_is_too_long_is_cut(void **state) {
    (void)state;
    static uint8_t long_bytes[4096];
    uint8_t bytes[CAUSE_PACKED_MAX];
    memset(long_bytes, 'x', sizeof long_bytes);
    struct slice much = slice_make(long_bytes, sizeof long_bytes);
    const struct cause cause = {.name = much, .class = much, .path = much, .reason = much};
    struct cause_told read;
    struct cause read_cause;
    size_t size = cause_pack(&(struct cause_told){.who = much, .killer = much, .cause = &cause}, bytes);
    assert_true(size <= CAUSE_PACKED_MAX);
    cause_unpack(slice_make(bytes, size), &read, &read_cause);
    assert_int_equal(read.who.size, CAUSE_WHO_MAX);
    assert_int_equal(read.killer.size, CAUSE_NAME_MAX);
    assert_int_equal(read_cause.path.size, CAUSE_PATH_MAX);
    assert_int_equal(read_cause.reason.size, CAUSE_REASON_MAX);
}

UNIT_TESTS(cause, UNIT(what_was_packed_is_read_back), UNIT(nothing_to_tell_takes_no_bytes),
           UNIT(what_is_too_long_is_cut));
