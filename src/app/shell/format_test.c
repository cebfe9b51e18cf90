#include "app/shell/format.h"

#include "unit.h"

static struct format forms[] = {[FORMAT_STANDARD] = {.kind = FORMAT_STANDARD},
                                [FORMAT_RAW] = {.kind = FORMAT_RAW},
                                [FORMAT_CSV] = {.kind = FORMAT_CSV},
                                [FORMAT_JSON] = {.kind = FORMAT_JSON}};

static void expect(const char *reply, enum format_kind kind, const char *wanted) {
    struct arena arena;
    struct resp_value value;
    struct buf out;
    arena_init(&arena, &memory_libc, 4096);
    buf_init(&out, &memory_libc);
    forms[FORMAT_RAW].between = forms[FORMAT_RAW].behind = SLICE("\n");
    assert_int_equal(resp_reply_build(slice_from_string(reply), &arena, &value), STATUS_OK);
    assert_int_equal(format_reply(&forms[kind], &value, false, &out), STATUS_OK);
    assert_int_equal(buf_append(&out, "", 1), STATUS_OK);
    assert_string_equal((const char *)out.data, wanted);
    buf_fini(&out);
    arena_fini(&arena);
}

static void members_are_numbered_and_indented(void **state) {
    (void)state;
    expect("*2\r\n$1\r\na\r\n*2\r\n:1\r\n$-1\r\n", FORMAT_STANDARD, "1) \"a\"\n2) 1) (integer) 1\n   2) (nil)\n");
    expect("*10\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n*1\r\n+x\r\n", FORMAT_STANDARD,
           " 1) (integer) 1\n 2) (integer) 1\n 3) (integer) 1\n 4) (integer) 1\n 5) (integer) 1\n 6) (integer) 1\n"
           " 7) (integer) 1\n 8) (integer) 1\n 9) (integer) 1\n10) 1) x\n");
    expect("%1\r\n+a\r\n~2\r\n#t\r\n,1.5\r\n", FORMAT_STANDARD, "1# a => \n   1~ (true)\n   2~ (double) 1.5\n");
    expect("%1\r\n+a\r\n~1\r\n#t\r\n", FORMAT_STANDARD, "1# a => 1~ (true)\n");
    expect("*0\r\n", FORMAT_STANDARD, "(empty array)\n");
    expect("%0\r\n", FORMAT_STANDARD, "(empty hash)\n");
    expect("~0\r\n", FORMAT_STANDARD, "(empty set)\n");
    expect("(12345678901234567890\r\n", FORMAT_STANDARD, "(big number) 12345678901234567890\n");
}

static void raw_replies_are_as_they_are(void **state) {
    (void)state;
    expect("*3\r\n$3\r\na\tb\r\n:7\r\n$-1\r\n", FORMAT_RAW, "a\tb\n7\n\n");
    expect("%1\r\n+a\r\n+b\r\n", FORMAT_RAW, "a b\n");
    expect("-ERR x\r\n", FORMAT_RAW, "ERR x\n\n");
}

static void csv_is_one_line(void **state) {
    (void)state;
    expect("*3\r\n$3\r\na\"b\r\n*2\r\n:7\r\n#f\r\n$-1\r\n", FORMAT_CSV, "\"a\\\"b\",7,false,NULL\n");
    expect("-ERR x\r\n", FORMAT_CSV, "ERROR,\"ERR x\"\n");
}

static void json_numbers_are_those_of_the_grammar(void **state) {
    (void)state;
    expect("*6\r\n,1.5\r\n,-0\r\n,1e-7\r\n,inf\r\n,-inf\r\n,nan\r\n", FORMAT_JSON,
           "[1.5,-0,1e-7,\"inf\",\"-inf\",\"nan\"]\n");
    expect("*3\r\n,+1\r\n,.5\r\n,5.\r\n", FORMAT_JSON, "[\"+1\",\".5\",\"5.\"]\n");
    expect("%1\r\n$1\r\n\xff\r\n:1\r\n", FORMAT_JSON, "[[{\"base64\":\"/w==\"},1]]\n");
    forms[FORMAT_JSON].ascii = true;
    expect("$6\r\n\xc3\xbc\xf0\x9f\x98\x80\r\n", FORMAT_JSON, "\"\\u00fc\\ud83d\\ude00\"\n");
    forms[FORMAT_JSON].ascii = false;
}

UNIT_TESTS(format, UNIT(members_are_numbered_and_indented), UNIT(raw_replies_are_as_they_are), UNIT(csv_is_one_line),
           UNIT(json_numbers_are_those_of_the_grammar));
