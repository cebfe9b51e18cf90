#include "sys/os/socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "unit.h"

static int connected_to(uint16_t port) {
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static int accepted_from(int listener) {
    struct pollfd ready = {.fd = listener, .events = POLLIN};
    assert_int_equal(poll(&ready, 1, 5000), 1);
    int fd = -1;
    assert_int_equal(socket_accept(listener, &fd), STATUS_OK);
    return fd;
}

static void a_port_in_use_is_noticed(void **state) {
    uint16_t port = 0, again = 0;
    assert_int_equal(socket_port_probe("127.0.0.1", 0, &port), STATUS_OK);
    assert_true(port != 0);
    int first = -1, second = -1;
    assert_int_equal(socket_listen_tcp("127.0.0.1", port, 16, &first), STATUS_OK);
    assert_int_equal(socket_port_probe("127.0.0.1", port, &again), STATUS_BUSY);
    assert_int_equal(again, 0);
    assert_int_equal(socket_listen_tcp("127.0.0.1", port, 16, &second), STATUS_OK); /* shared on purpose */
    close(first);
    close(second);
    assert_int_equal(socket_port_probe("127.0.0.1", port, &again), STATUS_OK);
}

static void clients_connect_or_learn_why_not(void **state) {
    uint16_t port = 0;
    int listener = -1, fd = -1;
    assert_int_equal(socket_port_probe("127.0.0.1", 0, &port), STATUS_OK);
    assert_int_equal(socket_connect_tcp("127.0.0.1", port, 5000, &fd), STATUS_IO);
    assert_int_equal(errno, ECONNREFUSED);
    assert_int_equal(socket_connect_tcp("", port, 5000, &fd), STATUS_INVALID);
    assert_int_equal(socket_connect_unix("", &fd), STATUS_INVALID);
    assert_int_equal(socket_connect_unix("/nowhere/at/all", &fd), STATUS_IO);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(fd, -1);
    assert_int_equal(socket_listen_tcp("127.0.0.1", port, 16, &listener), STATUS_OK);
    assert_int_equal(socket_connect_tcp("127.0.0.1", port, 5000, &fd), STATUS_OK);
    int served = accepted_from(listener);
    char byte = 0;
    assert_int_equal(send(fd, "x", 1, 0), 1);
    assert_int_equal(recv(served, &byte, 1, MSG_WAITALL), 1);
    assert_int_equal(byte, 'x');
    close(served);
    close(fd);
    close(listener);
}

static void addresses_read_well(void **state) {
    uint16_t port = 0;
    int listener = -1;
    assert_int_equal(socket_port_probe("127.0.0.1", 0, &port), STATUS_OK);
    assert_int_equal(socket_listen_tcp("127.0.0.1", port, 16, &listener), STATUS_OK);
    int none = -1;
    assert_int_equal(socket_accept(listener, &none), STATUS_AGAIN);
    int client = connected_to(port), served = accepted_from(listener);
    socket_tune_tcp(served, 300);
    char text[SOCKET_TEXT_SIZE], expected[SOCKET_TEXT_SIZE], peer[SOCKET_TEXT_SIZE];
    snprintf(expected, sizeof expected, "127.0.0.1:%u", port);
    socket_local_text(served, text);
    assert_string_equal(text, expected);
    socket_peer_text(served, text);
    socket_local_text(client, peer);
    assert_string_equal(text, peer);
    assert_true(socket_peer_is_local(served));
    close(client);
    close(served);
    close(listener);
}

static void loopback_addresses_are_known(void **state) {
    assert_true(socket_address_is_loopback("127.0.0.1"));
    assert_true(socket_address_is_loopback("127.8.9.1"));
    assert_true(socket_address_is_loopback("::1"));
    assert_false(socket_address_is_loopback("*"));
    assert_false(socket_address_is_loopback("::*"));
    assert_false(socket_address_is_loopback("10.0.0.1"));
    assert_false(socket_address_is_loopback(""));
    uint16_t port;
    assert_int_equal(socket_port_probe("300.1.1.1", 0, &port), STATUS_INVALID);
}

static void a_stale_socket_file_is_replaced_and_a_live_one_is_not(void **state) {
    char folder[] = "/tmp/strata-socket-XXXXXX", path[64];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/s", folder);
    int listener = -1, other = -1;
    assert_int_equal(socket_listen_unix(path, 0700, 16, &listener), STATUS_OK);
    struct stat facts;
    assert_int_equal(stat(path, &facts), 0);
    assert_int_equal(facts.st_mode & 0777, 0700);
    assert_int_equal(socket_listen_unix(path, 0700, 16, &other), STATUS_BUSY);
    close(listener); /* the file stays, as after a crash */
    assert_int_equal(socket_listen_unix(path, 0755, 16, &other), STATUS_OK);
    assert_int_equal(stat(path, &facts), 0);
    assert_int_equal(facts.st_mode & 0777, 0755);

    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strcpy(address.sun_path, path);
    int client = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(connect(client, (struct sockaddr *)&address, sizeof address), 0);
    int served = accepted_from(other);
    char text[SOCKET_TEXT_SIZE], expected[80];
    snprintf(expected, sizeof expected, "%s:0", path);
    socket_peer_text(served, text);
    assert_string_equal(text, expected);
    close(client);
    close(served);
    close(other);
    unlink(path);

    FILE *file = fopen(path, "w");
    fclose(file);
    assert_int_equal(socket_listen_unix(path, 0700, 16, &other), STATUS_INVALID);
    assert_int_equal(access(path, F_OK), 0);
    unlink(path);
    rmdir(folder);
}

UNIT_TESTS(socket, UNIT(a_port_in_use_is_noticed), UNIT(clients_connect_or_learn_why_not), UNIT(addresses_read_well),
           UNIT(loopback_addresses_are_known), UNIT(a_stale_socket_file_is_replaced_and_a_live_one_is_not));
