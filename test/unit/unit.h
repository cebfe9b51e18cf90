/* test/unit/unit.h: the frame of unit tests, over cmocka.
 *
 * A module's tests stand in MODULE_test.c beside it:
 *
 *     static void removed_segment_never_expires(void **state) { ... }
 *     UNIT_TESTS(wheel, UNIT(removed_segment_never_expires), UNIT(...));
 *
 * One binary a folder: `test_core_store` runs all, `test_core_store wheel` a module, `test_core_store wheel/removed*` cases.
 * The seed of random tests comes from STRATA_SEED (decimal or 0x...), else 1; print it in failures.
 */
#ifndef STRATA_TEST_UNIT_H
#define STRATA_TEST_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Whether a sanitizer slows everything down: what is random does fewer rounds then, as the plain program does all of them. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define UNIT_SANITIZED 1
#endif
#endif
#if !defined(UNIT_SANITIZED)
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define UNIT_SANITIZED 1
#else
#define UNIT_SANITIZED 0
#endif
#endif

struct unit_group {
    const char *module;
    const struct CMUnitTest *tests;
    size_t count;
};

#define UNIT(function) cmocka_unit_test(function)

#define UNIT_TESTS(name, ...)                                              \
    static const struct CMUnitTest unit_tests_##name[] = {__VA_ARGS__};    \
    extern const struct unit_group unit_group_##name;                      \
    const struct unit_group unit_group_##name = {#name, unit_tests_##name, \
                                                 sizeof unit_tests_##name / sizeof *unit_tests_##name}

static inline uint64_t unit_seed(void) {
    const char *text = getenv("STRATA_SEED");
    return text ? strtoull(text, NULL, 0) : 1;
}

static inline int unit_main(int argc, char **argv, const struct unit_group *const *groups, size_t count) {
    const char *wanted = argc > 1 ? argv[1] : "";
    const char *slash = strchr(wanted, '/');
    size_t module_size = slash ? (size_t)(slash - wanted) : strlen(wanted);
    if (slash && slash[1])
        cmocka_set_test_filter(slash + 1);
    int failed = 0;
    for (size_t i = 0; i < count; i++) {
        const struct unit_group *group = groups[i];
        if (module_size && (strlen(group->module) != module_size || memcmp(group->module, wanted, module_size) != 0))
            continue;
        failed += _cmocka_run_group_tests(group->module, group->tests, group->count, NULL, NULL);
    }
    return failed ? 1 : 0;
}

#endif
