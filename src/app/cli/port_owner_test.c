#include "app/cli/port_owner.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "unit.h"

static void own_listener_is_found(void **state) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    struct port_owner owner;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    assert_false(port_owner_find(ntohs(address.sin_port), &owner));
    assert_int_equal(listen(fd, 1), 0);
    assert_true(port_owner_find(ntohs(address.sin_port), &owner));
    assert_int_equal(owner.process_id, getpid());
    assert_true(strncmp(owner.name, "test_app_cli", 12) == 0);
    close(fd);
    assert_false(port_owner_find(ntohs(address.sin_port), &owner));
}

static void lines_of_the_kernel_are_read(void **state) {
    static const char v4[] =
        "   0: 0100007F:18EB 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 "
        "22501 1 0000000000000000 100 0 0 10 0\n";
    static const char v6[] =
        "  12: 00000000000000000000000001000000:18EB 00000000000000000000000000000000:0000 0A "
        "00000000:00000000 00:00000000 00000000  1000        0 987654321 1 0 100 0 0 10 0\n";
    static const char connected[] =
        "   1: 0100007F:18EB 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0 "
        "       0 22502 1 0000000000000000 20 4 30 10 -1\n";
    uint64_t inode = 0;
    assert_true(port_owner_parse_line(v4, 6379, &inode));
    assert_int_equal(inode, 22501);
    assert_true(port_owner_parse_line(v6, 6379, &inode));
    assert_int_equal(inode, 987654321);
    assert_false(port_owner_parse_line(v4, 6380, &inode));
    assert_false(port_owner_parse_line(connected, 6379, &inode));
    assert_false(port_owner_parse_line("  sl  local_address rem_address   st\n", 6379, &inode));
    for (size_t size = 0; size < 90; size++) {
        char cut[sizeof v4];
        memcpy(cut, v4, size);
        cut[size] = 0;
        (void)port_owner_parse_line(cut, 6379, &inode);
    }
}

UNIT_TESTS(port_owner, UNIT(own_listener_is_found), UNIT(lines_of_the_kernel_are_read));
