#include "app/link/place.h"
#include "unit.h"

static struct server_place place;
static char text[256];

static bool reads(const char *uri) {
    place = (struct server_place){0};
    snprintf(text, sizeof text, "%s", uri);
    return server_place_read_uri(text, &place);
}

static void uris_say_where_and_as_whom(void **state) {
    (void)state;
    assert_true(reads("redis://"));
    assert_null(place.host);
    assert_true(reads("redis://cache.example:7000/3"));
    assert_string_equal(place.host, "cache.example");
    assert_int_equal(place.port, 7000);
    assert_int_equal(place.db, 3);
    assert_false(place.tls.used);
    assert_true(reads("rediss://me:p%40ss%2Fword@[::1]:7000"));
    assert_true(place.tls.used);
    assert_string_equal(place.user, "me");
    assert_string_equal(place.password, "p@ss/word");
    assert_string_equal(place.host, "::1");
    assert_int_equal(place.port, 7000);
    assert_true(reads("redis://secret@h"));
    assert_null(place.user);
    assert_string_equal(place.password, "secret");
    assert_true(reads("redis://:secret@h/"));
    assert_null(place.user);
    assert_int_equal(place.db, 0);
}

static void wrong_uris_are_refused(void **state) {
    (void)state;
    static const char *const wrong[] = {"",
                                        "http://x",
                                        "redis:/x",
                                        "redis://h:0",
                                        "redis://h:70000",
                                        "redis://h:x",
                                        "redis://h/x",
                                        "redis://h/-1",
                                        "redis://[::1",
                                        "redis://[::1]x",
                                        "redis://a%0:b@h",
                                        "redis://a:%zz@h",
                                        "redis://a:%00@h"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_false(reads(wrong[i]));
}

UNIT_TESTS(place, UNIT(uris_say_where_and_as_whom), UNIT(wrong_uris_are_refused));
