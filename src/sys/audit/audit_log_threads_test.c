/* sys/audit/audit_log_threads_test.c: threads put while one writes, rotates and fails, and settings change. */
#include <pthread.h>
#include <stdatomic.h>

#include "sys/audit/audit_fixture.h"

enum { PUTTERS = 4, RECORDS = 2000 };

static struct place place;
static _Atomic uint64_t refused;

static void put_some(uint64_t number, bool must) {
    char body[160];
    int size = snprintf(body, sizeof body, "\"time\":\"2023-11-14T22:13:20.000000Z\",\"kind\":\"event\",\"x\":%llu",
                        (unsigned long long)number);
    if (!audit_log_put(place.log, slice_make(body, (size_t)size), must))
        atomic_fetch_add(&refused, 1);
}

static void *put(void *context) {
    const uint64_t putter = (uint64_t)(uintptr_t)context;
    for (uint64_t i = 0; i < RECORDS; i++) {
        struct audit_log_facts facts;
        put_some(i, putter % 2);
        if (i % 500 == 0)
            audit_log_rotate(place.log);
        if (i % 100 == 0)
            audit_log_facts(place.log, &facts);
        if (i % 300 == 0)
            audit_log_set(place.log, &place.options.setting);
    }
    return NULL;
}

static void *run(void *context) {
    audit_log_run(context);
    return NULL;
}

static void every_event_is_in_the_log_or_counted_there(void **state) {
    (void)state;
    pthread_t writer, putters[PUTTERS];
    place_init(&place, unit_seed());
    place.options.setting.sync = AUDIT_EVERY_SECOND;
    place.options.setting.queue_bytes = 16 * 1024;
    place.options.setting.file_bytes = 64 * 1024;
    place_open(&place);
    faults_random(&place.faults, FAULT_WRITE | FAULT_SYNC, 50);
    assert_int_equal(pthread_create(&writer, NULL, run, place.log), 0);
    for (uintptr_t i = 0; i < PUTTERS; i++)
        assert_int_equal(pthread_create(&putters[i], NULL, put, (void *)i), 0);
    for (uint32_t i = 0; i < PUTTERS; i++)
        pthread_join(putters[i], NULL);
    audit_log_end(place.log);
    pthread_join(writer, NULL);
    faults_clear(&place.faults);
    assert_int_equal(audit_log_close(place.log, place.now), STATUS_OK);
    place.log = NULL;
    place_expect_good(&place);
    assert_int_equal(place.verifier.events + place.verifier.lost, PUTTERS * RECORDS);
    assert_int_equal(place.verifier.lost, atomic_load(&refused));
    place_fini(&place);
}

UNIT_TESTS(audit_log_threads, UNIT(every_event_is_in_the_log_or_counted_there));
