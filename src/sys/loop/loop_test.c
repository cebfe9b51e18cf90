#include "sys/loop/loop.h"

#include <sys/socket.h>
#include <unistd.h>

#include "sys/os/thread.h"
#include "unit.h"

struct pair {
    struct loop *loop;
    struct loop_source source;
    int other;
};

static struct pair pair_watched(uint32_t interest) {
    struct pair pair;
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    assert_int_equal(loop_new(&memory_libc, &pair.loop), STATUS_OK);
    pair.source = (struct loop_source){.fd = fds[0], .kind = 3};
    pair.other = fds[1];
    return pair;
}

static void pair_end(struct pair *pair) {
    loop_forget(pair->loop, &pair->source);
    close(pair->source.fd);
    if (pair->other >= 0)
        close(pair->other);
    loop_free(pair->loop);
}

static void a_source_is_ready_when_bytes_came(void **state) {
    struct pair pair = pair_watched(LOOP_READ);
    struct loop_event events[4];
    bool woken;
    assert_int_equal(loop_watch(pair.loop, &pair.source, LOOP_READ), STATUS_OK);
    assert_int_equal(loop_wait(pair.loop, 0, events, 4, &woken), 0);
    assert_int_equal(write(pair.other, "x", 1), 1);
    for (int again = 0; again < 2; again++) { /* level-triggered: not read, still ready */
        assert_int_equal(loop_wait(pair.loop, 5000, events, 4, &woken), 1);
        assert_ptr_equal(events[0].source, &pair.source);
        assert_int_equal(events[0].ready, LOOP_READABLE);
        assert_false(woken);
    }
    pair_end(&pair);
}

static void interest_can_change(void **state) {
    struct pair pair = pair_watched(LOOP_READ);
    struct loop_event events[4];
    bool woken;
    assert_int_equal(loop_watch(pair.loop, &pair.source, LOOP_READ), STATUS_OK);
    assert_int_equal(loop_change(pair.loop, &pair.source, LOOP_READ | LOOP_WRITE), STATUS_OK);
    assert_int_equal(loop_wait(pair.loop, 5000, events, 4, &woken), 1);
    assert_int_equal(events[0].ready, LOOP_WRITABLE);
    assert_int_equal(write(pair.other, "x", 1), 1);
    assert_int_equal(loop_change(pair.loop, &pair.source, 0), STATUS_OK);
    assert_int_equal(loop_wait(pair.loop, 0, events, 4, &woken), 0);
    close(pair.other);
    pair.other = -1;
    assert_int_equal(loop_wait(pair.loop, 5000, events, 4, &woken), 1);
    assert_true(events[0].ready & LOOP_BROKEN);
    pair_end(&pair);
}

static void wake_it(void *context) { loop_wake(context); }

static void another_thread_ends_the_sleep(void **state) {
    struct pair pair = pair_watched(LOOP_READ);
    assert_int_equal(loop_watch(pair.loop, &pair.source, LOOP_READ), STATUS_OK);
    struct loop_event events[4];
    for (int round = 0; round < 3; round++) {
        struct thread thread;
        assert_int_equal(thread_start(&thread, "waker", wake_it, pair.loop), STATUS_OK);
        bool woken = false;
        assert_int_equal(loop_wait(pair.loop, 60000, events, 4, &woken), 0);
        assert_true(woken);
        thread_join(&thread);
    }
    loop_wake(pair.loop);
    loop_wake(pair.loop); /* two before it looks are one */
    bool woken = false;
    loop_wait(pair.loop, 60000, events, 4, &woken);
    assert_true(woken);
    assert_int_equal(loop_wait(pair.loop, 0, events, 4, &woken), 0);
    assert_false(woken);
    pair_end(&pair);
}

UNIT_TESTS(loop, UNIT(a_source_is_ready_when_bytes_came), UNIT(interest_can_change),
           UNIT(another_thread_ends_the_sleep));
