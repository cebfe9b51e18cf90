#include "base/json_text.h"

#include "base/bits.h"
#include "base/rng.h"
#include "unit.h"

static void expect(struct slice text, const char *json) {
    struct buf out;
    buf_init(&out, &memory_libc);
    assert_int_equal(json_text_write(&out, text), STATUS_OK);
    assert_true(slice_equal(buf_slice(&out), slice_from_string(json)));
    size_t size = json_string_size(text);
    assert_true(size == 0 ? json[0] == '{' : size == out.size);
    buf_fini(&out);
}

static void texts_are_strings_or_base64(void **state) {
    (void)state;
    expect(SLICE(""), "\"\"");
    expect(SLICE("plain"), "\"plain\"");
    expect(SLICE("a\"b\\c"), "\"a\\\"b\\\\c\"");
    expect(slice_make("\0\n\x1f\x7f", 4), "\"\\u0000\\u000a\\u001f\x7f\"");
    expect(SLICE("caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"), "\"caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\"");
    expect(SLICE("\xff"), "{\"base64\":\"/w==\"}");
    expect(slice_make("\xff\x00", 2), "{\"base64\":\"/wA=\"}");
    expect(SLICE("\xed\xa0\x80"), "{\"base64\":\"7aCA\"}");         /* a surrogate */
    expect(SLICE("\xc0\x80"), "{\"base64\":\"wIA=\"}");             /* longer than it has to be */
    expect(SLICE("\xf4\x90\x80\x80"), "{\"base64\":\"9JCAgA==\"}"); /* beyond the last character */
    expect(SLICE("ab\xe2\x82"), "{\"base64\":\"YWLigg==\"}");       /* cut */
}

static void base64_reads_what_it_wrote(void **state) {
    (void)state;
    struct rng rng = rng_seeded(unit_seed());
    struct buf out, back;
    buf_init(&out, &memory_libc);
    buf_init(&back, &memory_libc);
    for (int i = 0; i < 1000; i++) {
        uint8_t bytes[50];
        size_t size = rng_below(&rng, sizeof bytes);
        for (size_t at = 0; at < size; at++)
            bytes[at] = (uint8_t)rng_next(&rng);
        buf_clear(&out);
        buf_clear(&back);
        assert_int_equal(json_base64_write(&out, slice_make(bytes, size)), STATUS_OK);
        struct slice digits = slice_part(buf_slice(&out), 11, out.size - 13);
        assert_int_equal(json_base64_read(digits, &back), STATUS_OK);
        assert_true(slice_equal(buf_slice(&back), slice_make(bytes, size)));
    }
    buf_fini(&out);
    buf_fini(&back);
}

static void other_digits_are_refused(void **state) {
    (void)state;
    static const char *const wrong[] = {
        "A", "AA", "AAA", "A===", "====", "AB==", "AAB=", "AA=A", "AA==AAAA", "AA-A", "AAA\n"};
    struct buf back;
    buf_init(&back, &memory_libc);
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        assert_int_equal(json_base64_read(slice_from_string(wrong[i]), &back), STATUS_INVALID);
    buf_fini(&back);
}

UNIT_TESTS(json_text, UNIT(texts_are_strings_or_base64), UNIT(base64_reads_what_it_wrote),
           UNIT(other_digits_are_refused));
