#include "sys/os/service.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "unit.h"

/* A manager's socket of its own, abstract or a file; NOTIFY_SOCKET names it. */
struct manager {
    int fd;
    char name[64];
};

static void open_manager(struct manager *manager, bool is_abstract) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *form = is_abstract ? "@strata-service-test-%d" : "/tmp/strata-service-test-%d";
    int size = snprintf(manager->name, sizeof manager->name, form, (int)getpid());
    memcpy(address.sun_path, manager->name, (size_t)size + 1);
    if (is_abstract)
        address.sun_path[0] = 0;
    else
        unlink(manager->name);
    manager->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)size + !is_abstract);
    assert_int_equal(bind(manager->fd, (struct sockaddr *)&address, length), 0);
    setenv("NOTIFY_SOCKET", manager->name, 1);
}

static void close_manager(struct manager *manager) {
    close(manager->fd);
    if (manager->name[0] == '/')
        unlink(manager->name);
    unsetenv("NOTIFY_SOCKET");
}

/* The next message as a text, or "" if there is none. */
static const char *heard(const struct manager *manager, char text[1024]) {
    ssize_t size = recv(manager->fd, text, 1023, 0);
    text[size > 0 ? size : 0] = 0;
    return text;
}

static void messages_reach_the_socket_that_the_environment_names(void **state) {
    struct manager manager;
    char text[1024];
    for (int is_abstract = 0; is_abstract < 2; is_abstract++) {
        open_manager(&manager, is_abstract);
        assert_int_equal(service_tell("READY=1\nSTATUS=Serving on port %u", 7000U), STATUS_OK);
        assert_int_equal(service_tell("STOPPING=1"), STATUS_OK);
        assert_string_equal(heard(&manager, text), "READY=1\nSTATUS=Serving on port 7000");
        assert_string_equal(heard(&manager, text), "STOPPING=1");
        assert_string_equal(heard(&manager, text), "");
        close_manager(&manager);
    }
}

static void a_reload_carries_the_time(void **state) {
    struct manager manager;
    char text[1024];
    unsigned long long before = 0, after = 0;
    open_manager(&manager, true);
    assert_int_equal(service_tell_reloading(), STATUS_OK);
    assert_int_equal(sscanf(heard(&manager, text), "RELOADING=1\nMONOTONIC_USEC=%llu", &before), 1);
    assert_int_equal(service_tell_reloading(), STATUS_OK);
    assert_int_equal(sscanf(heard(&manager, text), "RELOADING=1\nMONOTONIC_USEC=%llu", &after), 1);
    assert_true(before > 0 && after >= before);
    close_manager(&manager);
}

static void nobody_is_told_where_nobody_asks(void **state) {
    unsetenv("NOTIFY_SOCKET");
    assert_int_equal(service_tell("READY=1"), STATUS_OK);
    setenv("NOTIFY_SOCKET", "", 1);
    assert_int_equal(service_tell("READY=1"), STATUS_OK);
    unsetenv("NOTIFY_SOCKET");
}

static void names_that_mean_nothing_are_refused(void **state) {
    char name[160];
    memset(name, 'x', sizeof name - 1);
    name[0] = '/';
    name[sizeof name - 1] = 0;
    const char *const wrong[] = {"relative", "@", "/", "vsock:2:5", name};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        setenv("NOTIFY_SOCKET", wrong[i], 1);
        assert_int_equal(service_tell("READY=1"), STATUS_INVALID);
    }
    setenv("NOTIFY_SOCKET", "/nowhere/at/all", 1);
    assert_int_equal(service_tell("READY=1"), STATUS_IO);
    assert_int_equal(errno, ENOENT);
    unsetenv("NOTIFY_SOCKET");
}

static void long_messages_are_cut(void **state) {
    struct manager manager;
    char text[1024];
    open_manager(&manager, true);
    assert_int_equal(service_tell("STATUS=%0600d", 0), STATUS_OK);
    assert_int_equal(strlen(heard(&manager, text)), SERVICE_TEXT_MAX);
    close_manager(&manager);
}

UNIT_TESTS(service, UNIT(messages_reach_the_socket_that_the_environment_names), UNIT(a_reload_carries_the_time),
           UNIT(nobody_is_told_where_nobody_asks), UNIT(names_that_mean_nothing_are_refused),
           UNIT(long_messages_are_cut));
