#include "sys/os/futex.h"

#include <stdatomic.h>

#include "sys/os/thread.h"
#include "unit.h"

static void sleep_until_changed(void *context) {
    _Atomic uint32_t *word = context;
    while (atomic_load(word) == 1)
        futex_wait(NULL, word, 1);
    atomic_fetch_add(word, 1);
}

static void sleepers_wake_when_the_word_changes(void **state) {
    _Atomic uint32_t word = 1;
    struct thread threads[3];
    for (int i = 0; i < 3; i++)
        assert_int_equal(thread_start(&threads[i], "sleeper", sleep_until_changed, &word), STATUS_OK);
    atomic_store(&word, 10);
    futex_wake(NULL, &word);
    for (int i = 0; i < 3; i++)
        thread_join(&threads[i]);
    assert_int_equal(atomic_load(&word), 13);
    futex_wait(NULL, &word, 1); /* already different: returns at once */
}

UNIT_TESTS(futex, UNIT(sleepers_wake_when_the_word_changes));
