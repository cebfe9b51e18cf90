#include "base/terminal_text.h"

#include "unit.h"

static void expect(struct slice text, bool lines, const char *shown) {
    struct buf out;
    buf_init(&out, &memory_libc);
    assert_int_equal(terminal_text_write(&out, text, lines), STATUS_OK);
    assert_int_equal(buf_append(&out, "", 1), STATUS_OK);
    assert_string_equal((const char *)out.data, shown);
    buf_fini(&out);
}

static void what_only_shows_itself_stays(void **state) {
    (void)state;
    expect(SLICE(""), false, "");
    expect(SLICE("plain \\x \"text\""), false, "plain \\x \"text\"");
    expect(SLICE("caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80 \xc2\xa0"), false,
           "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80 \xc2\xa0");
    expect(SLICE("one\r\ntwo\tthree\n"), true, "one\r\ntwo\tthree\n");
}

static void what_a_terminal_obeys_is_written(void **state) {
    (void)state;
    expect(SLICE("\x1b]0;title\x07"), true, "\\x1b]0;title\\x07");
    expect(slice_make("a\0\b\x7f", 4), true, "a\\x00\\x08\\x7f");
    expect(SLICE("over\rwritten"), true, "over\\x0dwritten");
    expect(SLICE("a\r\nb\tc\n"), false, "a\\x0d\\x0ab\\x09c\\x0a");
    expect(SLICE("\xc2\x9b"
                 "31m"),
           true, "\\xc2\\x9b31m");                                   /* CSI as one character */
    expect(SLICE("\x9b\xff\xe2\x82"), true, "\\x9b\\xff\\xe2\\x82"); /* no UTF-8 */
    expect(SLICE("user\xe2\x80\xaetxt\xe2\x81\xa6"), true, "user\\xe2\\x80\\xaetxt\\xe2\\x81\\xa6");
}

static void strings_are_cut_between_characters(void **state) {
    (void)state;
    char text[8];
    terminal_text_copy(SLICE("1234567890"), text, sizeof text);
    assert_string_equal(text, "1234567");
    terminal_text_copy(SLICE("12345\xc3\xa9 "), text, sizeof text);
    assert_string_equal(text, "12345\xc3\xa9");
    terminal_text_copy(SLICE("12345\n6"), text, sizeof text);
    assert_string_equal(text, "12345");
    terminal_text_copy(SLICE("x"), text, 1);
    assert_string_equal(text, "");
}

UNIT_TESTS(terminal_text, UNIT(what_only_shows_itself_stays), UNIT(what_a_terminal_obeys_is_written),
           UNIT(strings_are_cut_between_characters));
