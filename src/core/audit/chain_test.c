#include "core/audit/chain.h"

#include "core/audit/audit_fixture.h"
#include "unit.h"

static void lines_hold_each_other(void **state) {
    (void)state;
    struct fixture_log log;
    size_t begins[FIXTURE_LINES_MAX];
    char last[AUDIT_HASH_SIZE];
    uint64_t seq = 0;
    fixture_log_init(&log, 0);
    memset(last, '0', sizeof last);
    for (uint32_t file = 0; file < FIXTURE_FILES; file++) {
        uint32_t count = fixture_lines(&log.files[file], begins);
        for (uint32_t i = 0; i < count; i++) {
            struct audit_line line;
            assert_true(
                audit_line_read(slice_make(log.files[file].data + begins[i], begins[i + 1] - begins[i] - 1), &line));
            assert_int_equal(line.seq, ++seq);
            assert_memory_equal(line.prev.data, last, AUDIT_HASH_SIZE);
            memcpy(last, line.hash.data, AUDIT_HASH_SIZE);
            assert_true(slice_equal(line.kind, i == 0                 ? SLICE("file")
                                               : seq == 2             ? SLICE("start")
                                               : seq == log.chain.seq ? SLICE("stop")
                                                                      : SLICE("event")));
        }
    }
    assert_memory_equal(log.chain.last, last, AUDIT_HASH_SIZE);
    fixture_log_fini(&log);
}

static void names_of_files_have_their_number(void **state) {
    (void)state;
    char name[AUDIT_FILE_NAME_SIZE];
    audit_file_name(17, name);
    assert_string_equal(name, "audit-000017.jsonl");
    assert_int_equal(audit_file_number(slice_from_string(name)), 17);
    assert_int_equal(audit_file_number(SLICE("audit-000000.jsonl")), 0);
    assert_int_equal(audit_file_number(SLICE("audit-00001x.jsonl")), 0);
    assert_int_equal(audit_file_number(SLICE("audit-000017.json")), 0);
    assert_int_equal(audit_file_number(SLICE("audit-0000171.jsonl")), 0);
}

struct texts {
    uint32_t count;
    char all[128];
};

static void note_text(void *context, struct slice text) {
    struct texts *texts = context;
    texts->count++;
    strncat(texts->all, (const char *)text.data, text.size);
    strcat(texts->all, ";");
}

static void fields_are_found_wherever_they_stand(void **state) {
    (void)state;
    const struct slice line =
        SLICE("{\"seq\":7,\"a\":\"x\\\"}\",\"b\":[\"1\",\"two\"],\"c\":{\"user\":\"no\"},\"user\":\"yes\",\"t\":true}");
    struct slice value;
    uint64_t number;
    struct texts texts = {0};
    assert_true(audit_line_number(line, "seq", &number) && number == 7);
    assert_true(audit_line_field(line, "a", &value) && slice_equal(value, SLICE("x\\\"}")));
    assert_true(audit_line_field(line, "user", &value) && slice_equal(value, SLICE("yes")));
    assert_true(audit_line_field(line, "t", &value) && slice_equal(value, SLICE("true")));
    assert_true(audit_line_field(line, "b", &value));
    audit_line_each(value, note_text, &texts);
    assert_int_equal(texts.count, 2);
    assert_string_equal(texts.all, "1;two;");
    assert_false(audit_line_field(line, "x", &value));
    assert_false(audit_line_number(line, "user", &number));
}

static void a_line_that_is_cut_anywhere_is_none(void **state) {
    (void)state;
    struct fixture_log log;
    size_t begins[FIXTURE_LINES_MAX];
    struct audit_line line;
    fixture_log_init(&log, 0);
    (void)fixture_lines(&log.files[0], begins);
    for (size_t size = 0; size + 1 < begins[1]; size++)
        assert_false(audit_line_read(slice_make(log.files[0].data, size), &line));
    fixture_log_fini(&log);
}

UNIT_TESTS(chain, UNIT(lines_hold_each_other), UNIT(names_of_files_have_their_number),
           UNIT(fields_are_found_wherever_they_stand), UNIT(a_line_that_is_cut_anywhere_is_none));
