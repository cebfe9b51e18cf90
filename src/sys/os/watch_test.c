#include "sys/os/watch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "unit.h"

struct place {
    char directory[64], file[96], other[96];
};

static void put(const char *path, const char *text) {
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void make_place(struct place *place) {
    const char *temporary = getenv("TMPDIR");
    snprintf(place->directory, sizeof place->directory, "%.40s/watchXXXXXX", temporary ? temporary : "/tmp");
    assert_non_null(mkdtemp(place->directory));
    snprintf(place->file, sizeof place->file, "%s/rules.yaml", place->directory);
    snprintf(place->other, sizeof place->other, "%s/other", place->directory);
}

static void remove_place(const struct place *place) {
    unlink(place->file);
    unlink(place->other);
    rmdir(place->directory);
}

static void file_that_is_written_has_changed_once(void **state) {
    struct place place;
    struct watch watch;
    (void)state;
    make_place(&place);
    put(place.file, "one");
    assert_int_equal(watch_open(place.file, &watch), STATUS_OK);
    assert_false(watch_look(&watch));
    put(place.file, "another");
    assert_true(watch_look(&watch));
    assert_false(watch_look(&watch));
    put(place.other, "a neighbour");
    assert_false(watch_look(&watch));
    watch_close(&watch);
    remove_place(&place);
}

static void file_put_in_its_place_has_changed(void **state) {
    struct place place;
    struct watch watch;
    (void)state;
    make_place(&place);
    put(place.file, "one");
    assert_int_equal(watch_open(place.file, &watch), STATUS_OK);
    put(place.other, "two");
    assert_int_equal(rename(place.other, place.file), 0);
    assert_true(watch_look(&watch));
    assert_int_equal(unlink(place.file), 0);
    assert_false(watch_look(&watch)); /* it may come back, and the rules stay meanwhile */
    put(place.file, "three");
    assert_true(watch_look(&watch));
    watch_close(&watch);
    remove_place(&place);
}

static void directory_that_is_not_there_cannot_be_watched(void **state) {
    struct watch watch;
    char path[WATCH_PATH_MAX + 2];
    (void)state;
    assert_int_equal(watch_open("/nowhere/at/all/rules.yaml", &watch), STATUS_IO);
    memset(path, 'x', sizeof path - 1);
    path[sizeof path - 1] = 0;
    assert_int_equal(watch_open(path, &watch), STATUS_IO);
}

UNIT_TESTS(watch, UNIT(file_that_is_written_has_changed_once), UNIT(file_put_in_its_place_has_changed),
           UNIT(directory_that_is_not_there_cannot_be_watched));
