#include "core/obs/latency.h"

#include <stdio.h>

#include "unit.h"

static struct latency_monitor monitor;

static void worst_of_a_second_and_the_last_samples_are_kept(void **state) {
    latency_init(&monitor);
    latency_add(&monitor, "command", 100, 20);
    latency_add(&monitor, "command", 100, 50);
    latency_add(&monitor, "command", 100, 30);
    const struct latency_event *event = latency_find(&monitor, SLICE("command"));
    assert_int_equal(event->count, 1);
    assert_int_equal(latency_sample(event, 0)->ms, 50);
    for (uint32_t i = 1; i <= LATENCY_SAMPLES_MAX; i++)
        latency_add(&monitor, "command", 100 + i, i);
    assert_int_equal(event->count, LATENCY_SAMPLES_MAX);
    assert_int_equal(latency_sample(event, 0)->unix_s, 101);
    assert_int_equal(latency_sample(event, LATENCY_SAMPLES_MAX - 1)->ms, LATENCY_SAMPLES_MAX);
    assert_int_equal(event->highest_ms, 160);
    latency_add(&monitor, "command", 1000, UINT64_MAX);
    assert_int_equal(event->highest_ms, UINT32_MAX);
}

static void kinds_are_bounded_and_can_be_forgotten(void **state) {
    char name[32];
    latency_init(&monitor);
    for (int i = 0; i < LATENCY_EVENTS_MAX + 3; i++) {
        snprintf(name, sizeof name, "kind-%d", i);
        latency_add(&monitor, name, 1, 1);
    }
    assert_int_equal(monitor.event_count, LATENCY_EVENTS_MAX);
    assert_null(latency_find(&monitor, SLICE("kind-32")));
    assert_true(latency_reset(&monitor, SLICE("kind-0")));
    assert_false(latency_reset(&monitor, SLICE("kind-0")));
    assert_non_null(latency_find(&monitor, SLICE("kind-31")));
    assert_int_equal(latency_reset_all(&monitor), LATENCY_EVENTS_MAX - 1);
    assert_null(latency_find(&monitor, SLICE("kind-31")));
}

static void graph_draws_heights_and_ages(void **state) {
    struct buf text;
    buf_init(&text, &memory_libc);
    latency_init(&monitor);
    latency_add(&monitor, "command", 1000, 100);
    latency_add(&monitor, "command", 90000, 150);
    latency_add(&monitor, "command", 93500, 210);
    assert_int_equal(latency_graph(&monitor.events[0], 93600, &text), STATUS_OK);
    static const char expected[] =
        "command - high 210 ms, low 100 ms (all time high 210 ms)\n"
        "--------------------------------------------------------------------------------\n"
        "  #\n"
        "  |\n"
        " #|\n"
        "_||\n"
        "\n"
        "111\n"
        "dhm\n";
    assert_int_equal(buf_append(&text, "", 1), STATUS_OK);
    assert_string_equal((const char *)text.data, expected);
    buf_fini(&text);
}

static void doctor_tells_what_it_saw(void **state) {
    struct buf text;
    buf_init(&text, &memory_libc);
    latency_init(&monitor);
    assert_int_equal(latency_doctor(&monitor, 0, 10, &text), STATUS_OK);
    assert_true(slice_starts_with(buf_slice(&text), SLICE("Latency monitoring is off")));
    buf_clear(&text);
    assert_int_equal(latency_doctor(&monitor, 5, 10, &text), STATUS_OK);
    assert_true(slice_starts_with(buf_slice(&text), SLICE("No event took 5 ms or longer")));
    buf_clear(&text);
    latency_add(&monitor, "expire-cycle", 100, 20);
    latency_add(&monitor, "expire-cycle", 110, 40);
    assert_int_equal(latency_doctor(&monitor, 5, 130, &text), STATUS_OK);
    assert_int_equal(buf_append(&text, "", 1), STATUS_OK);
    assert_non_null(
        strstr((const char *)text.data,
               "- expire-cycle: 2 spikes in the last 30 seconds, 30 ms on average (typically 10 ms off), the "
               "worst 40 ms, the worst ever 40 ms.\n"));
    assert_non_null(strstr((const char *)text.data, "expire at the same moment"));
    assert_null(strstr((const char *)text.data, "SLOWLOG"));
    buf_fini(&text);
}

static void *no_memory(void *context, void *old, size_t size_old, size_t size_new) { return NULL; }

static void lack_of_memory_is_reported(void **state) {
    struct memory memory = {no_memory, NULL};
    struct buf text;
    buf_init(&text, &memory);
    latency_init(&monitor);
    latency_add(&monitor, "command", 1, 1);
    assert_int_equal(latency_graph(&monitor.events[0], 2, &text), STATUS_NO_MEMORY);
    assert_int_equal(latency_doctor(&monitor, 1, 2, &text), STATUS_NO_MEMORY);
}

UNIT_TESTS(latency, UNIT(worst_of_a_second_and_the_last_samples_are_kept), UNIT(kinds_are_bounded_and_can_be_forgotten),
           UNIT(graph_draws_heights_and_ages), UNIT(doctor_tells_what_it_saw), UNIT(lack_of_memory_is_reported));
