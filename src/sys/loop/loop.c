#include "sys/loop/loop.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/assert.h"

enum { EVENTS_MAX = 256 };

struct loop {
    int epoll_fd;
    struct loop_source wake;
    atomic_bool woken; /* a wake is under way: no second one is needed */
    const struct memory *memory;
};

static uint32_t epoll_bits(uint32_t interest) {
    return (interest & LOOP_READ ? EPOLLIN : 0u) | (interest & LOOP_WRITE ? EPOLLOUT : 0u) |
           (interest & LOOP_ALONE ? EPOLLEXCLUSIVE : 0u) | (interest & LOOP_GONE ? EPOLLRDHUP : 0u);
}

static enum status control(struct loop *loop, int operation, struct loop_source *source, uint32_t interest) {
    struct epoll_event event = {.events = epoll_bits(interest), .data.ptr = source};
    if (epoll_ctl(loop->epoll_fd, operation, source->fd, &event) != 0)
        return errno == ENOMEM || errno == ENOSPC ? STATUS_NO_MEMORY : STATUS_IO;
    source->interest = interest;
    return STATUS_OK;
}

enum status loop_new(const struct memory *memory, struct loop **ret_loop) {
    struct loop *loop = memory_take(memory, sizeof *loop);
    if (!loop)
        return STATUS_NO_MEMORY;
    *loop = (struct loop){.memory = memory};
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    loop->wake.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (loop->epoll_fd < 0 || loop->wake.fd < 0 || control(loop, EPOLL_CTL_ADD, &loop->wake, LOOP_READ) != STATUS_OK) {
        loop_free(loop);
        return STATUS_IO;
    }
    *ret_loop = loop;
    return STATUS_OK;
}

void loop_free(struct loop *loop) {
    if (!loop)
        return;
    if (loop->epoll_fd >= 0)
        close(loop->epoll_fd);
    if (loop->wake.fd >= 0)
        close(loop->wake.fd);
    memory_give(loop->memory, loop, sizeof *loop);
}

enum status loop_watch(struct loop *loop, struct loop_source *source, uint32_t interest) {
    ASSERT(source->fd >= 0);
    return control(loop, EPOLL_CTL_ADD, source, interest);
}

enum status loop_change(struct loop *loop, struct loop_source *source, uint32_t interest) {
    return interest == source->interest ? STATUS_OK : control(loop, EPOLL_CTL_MOD, source, interest);
}

void loop_forget(struct loop *loop, struct loop_source *source) {
    (void)epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, source->fd, NULL);
    source->interest = 0;
}

static bool take_wake(struct loop *loop) {
    uint64_t count;
    ssize_t got = read(loop->wake.fd, &count, sizeof count);
    MAYBE(got < 0);
    /* Cleared before the caller looks at what it was woken for: a later wake is then never lost. */
    atomic_store(&loop->woken, false);
    return true;
}

uint32_t loop_wait(struct loop *loop, uint64_t timeout_ms, struct loop_event *ret_events, uint32_t max,
                   bool *ret_woken) {
    struct epoll_event events[EVENTS_MAX];
    ASSERT(max > 0);
    int timeout = timeout_ms > 1000000 ? 1000000 : (int)timeout_ms;
    int found = epoll_wait(loop->epoll_fd, events, (int)(max < EVENTS_MAX ? max : EVENTS_MAX), timeout);
    uint32_t count = 0;
    *ret_woken = false;
    for (int i = 0; i < found; i++) {
        if (events[i].data.ptr == &loop->wake) {
            *ret_woken = take_wake(loop);
            continue;
        }
        uint32_t bits = events[i].events;
        ret_events[count++] = (struct loop_event){
            .source = events[i].data.ptr,
            .ready = (bits & EPOLLIN ? LOOP_READABLE : 0u) | (bits & EPOLLOUT ? LOOP_WRITABLE : 0u) |
                     (bits & (EPOLLERR | EPOLLHUP | EPOLLRDHUP) ? LOOP_BROKEN : 0u),
        };
    }
    return count;
}

void loop_wake(struct loop *loop) {
    if (atomic_exchange(&loop->woken, true))
        return;
    int errno_before = errno;
    uint64_t one = 1;
    ssize_t written = write(loop->wake.fd, &one, sizeof one);
    MAYBE(written < 0);
    errno = errno_before;
}
