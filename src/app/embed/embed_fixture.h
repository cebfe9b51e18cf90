/* app/embed/embed_fixture.h: short ways to call the library, for the tests of this folder. */
#ifndef STRATA_APP_EMBED_FIXTURE_H
#define STRATA_APP_EMBED_FIXTURE_H

#include <strata/strata.h>

#include "app/embed/handle.h"
#include "sys/os/files.h"
#include "unit.h"

static inline struct strata_cache *testing_open(const char *description) {
    struct strata_cache *cache;
    char problem[STRATA_ERROR_TEXT_SIZE] = "";
    struct strata_options options = {.seed = unit_seed() + 1, .error_text = problem, .error_text_size = sizeof problem};
    enum strata_status status = strata_open(description, &options, &cache);
    if (status != STRATA_OK)
        fail_msg("%s: %s (%s)", description, strata_status_text(status), problem);
    return cache;
}

/* Verifies the whole structure first. No other thread may be calling. */
static inline void testing_close(struct strata_cache *cache) {
    struct actor actor = {.id = 1u << 29, .now_ms = clock_unix_ms()};
    cache_verify(cache->core, &actor);
    strata_close(cache);
}

static inline enum strata_status testing_set(struct strata_cache *cache, const char *key, const char *value) {
    return strata_set(cache, key, strlen(key), value, strlen(value), NULL, NULL);
}

/* The value as a text, "-" if there is none. */
static inline const char *testing_get(struct strata_cache *cache, const char *key) {
    static char text[4096];
    size_t size;
    enum strata_status status = strata_get(cache, key, strlen(key), text, sizeof text - 1, &size);
    if (status == STRATA_MISS)
        return "-";
    assert_int_equal(status, STRATA_OK);
    text[size] = 0;
    return text;
}

static inline struct strata_statistics testing_stats(struct strata_cache *cache) {
    struct strata_statistics statistics;
    assert_int_equal(strata_stats(cache, &statistics), STRATA_OK);
    return statistics;
}

static inline enum status testing_remove_one(void *visitor, const char *name) {
    struct directory *directory = visitor;
    return directory->files.remove(directory->files.context, name);
}

/* A directory and the files in it. */
static inline void testing_remove_directory(const char *path) {
    struct directory directory;
    assert_int_equal(directory_open(path, false, &directory), STATUS_OK);
    assert_int_equal(directory.files.list(directory.files.context, testing_remove_one, &directory), STATUS_OK);
    directory_close(&directory);
    assert_int_equal(directory_remove(path), STATUS_OK);
}

#endif
