/* Letters of events: what is read and how it is written, beside what redis-server 7.0 answers. */
#include "app/config/config_events.h"
#include "base/bits.h"
#include "unit.h"

static const struct {
    const char *given, *written; /* NULL: refused */
} cases[] = {
    {"", ""},
    {"KEA", "AKE"},
    {"AKE", "AKE"},
    {"K", "K"},
    {"KEAm", "AKEm"},
    {"KEx", "xKE"},
    {"xexeKK", "xeK"},
    {"g$", "g$"},
    {"KEg$lshzxetd", "AKE"},
    {"hzsl$gtdexEK", "AKE"},
    {"KEtdzs", "sztdKE"},
    {"mE", "Em"},
    {"nE", "nE"},
    {"nEm", "nEm"},
    {"AnKE", "AnKE"}, /* Redis: AKE */
    {"KEmg$lshzxetdn", "AnKEm"},
    {"A", "A"},
    {"KEg$lshzxet", "g$lshzxetKE"},
    {"q", NULL},
    {"KEAq", NULL},
    {"k", NULL},
    {"a", NULL},
    {"KE A", NULL},
    {" ", NULL},
};

static void letters_are_read_and_written_in_one_order(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        uint32_t events = 12345;
        char text[CONFIG_EVENTS_TEXT_MAX + 1];
        bool good = config_events_parse(slice_from_string(cases[i].given), &events);
        assert_int_equal(good, cases[i].written != NULL);
        if (!good) {
            assert_int_equal(events, 12345);
            continue;
        }
        assert_int_equal(config_events_text(events, text), strlen(cases[i].written));
        assert_string_equal(text, cases[i].written);
    }
}

static void every_set_is_read_back_as_it_was(void **state) {
    (void)state;
    for (uint32_t events = 0; events < 2 * CONFIG_EVENT_MISS; events++) {
        char text[CONFIG_EVENTS_TEXT_MAX + 1];
        uint32_t again = ~0u;
        size_t size = config_events_text(events, text);
        assert_true(size <= CONFIG_EVENTS_TEXT_MAX);
        assert_true(config_events_parse(slice_make(text, size), &again));
        assert_int_equal(again, events);
    }
}

static void every_byte_that_is_no_letter_is_refused(void **state) {
    (void)state;
    for (int byte = 0; byte < 256; byte++) {
        char one = (char)byte;
        uint32_t events = 0;
        bool known = byte && strchr("Ag$lshzxetdmnKE", byte);
        assert_int_equal(config_events_parse(slice_make(&one, 1), &events), known);
        assert_int_equal(events != 0, known);
    }
}

UNIT_TESTS(config_events, UNIT(letters_are_read_and_written_in_one_order), UNIT(every_set_is_read_back_as_it_was),
           UNIT(every_byte_that_is_no_letter_is_refused));
