#include "sys/os/socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* Big enough for each family. */
union any_address {
    struct sockaddr base;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_un path;
    struct sockaddr_storage room;
};

static enum status resolve(const char *address, uint16_t port, union any_address *ret_address, socklen_t *ret_size) {
    memset(ret_address, 0, sizeof *ret_address);
    if (strcmp(address, "*") == 0)
        address = "0.0.0.0";
    else if (strcmp(address, "::*") == 0)
        address = "::";
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found = NULL;
    if (*address == 0 || getaddrinfo(address, NULL, &hints, &found) != 0)
        return STATUS_INVALID;
    memcpy(ret_address, found->ai_addr, found->ai_addrlen);
    *ret_size = found->ai_addrlen;
    freeaddrinfo(found);
    if (ret_address->base.sa_family == AF_INET)
        ret_address->v4.sin_port = htons(port);
    else
        ret_address->v6.sin6_port = htons(port);
    return STATUS_OK;
}

static int close_keeping_errno(int fd) {
    int errno_before = errno;
    close(fd);
    errno = errno_before;
    return -1;
}

/* A bound TCP socket, or -1 with errno. */
static int bound_tcp(const union any_address *address, socklen_t size, bool shared) {
    int fd = socket(address->base.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (address->base.sa_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (shared && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0)
        return close_keeping_errno(fd);
    if (bind(fd, &address->base, size) != 0)
        return close_keeping_errno(fd);
    return fd;
}

enum status socket_port_probe(const char *address, uint16_t port, uint16_t *ret_port) {
    union any_address where;
    socklen_t size;
    TRY(resolve(address, port, &where, &size));
    int fd = bound_tcp(&where, size, false);
    if (fd < 0)
        return errno == EADDRINUSE ? STATUS_BUSY : STATUS_IO;
    size = sizeof where;
    enum status status = getsockname(fd, &where.base, &size) == 0 ? STATUS_OK : STATUS_IO;
    close_keeping_errno(fd);
    if (status == STATUS_OK)
        *ret_port = ntohs(where.base.sa_family == AF_INET ? where.v4.sin_port : where.v6.sin6_port);
    return status;
}

enum status socket_listen_tcp(const char *address, uint16_t port, int backlog, int *ret_fd) {
    union any_address where;
    socklen_t size;
    TRY(resolve(address, port, &where, &size));
    int fd = bound_tcp(&where, size, true);
    if (fd < 0)
        return errno == EADDRINUSE ? STATUS_BUSY : STATUS_IO;
    if (listen(fd, backlog) != 0) {
        close_keeping_errno(fd);
        return errno == EADDRINUSE ? STATUS_BUSY : STATUS_IO;
    }
    *ret_fd = fd;
    return STATUS_OK;
}

/* Makes way for a new socket file: see socket_listen_unix. */
static enum status clear_path(const char *path, const struct sockaddr_un *address) {
    struct stat facts;
    if (lstat(path, &facts) != 0)
        return errno == ENOENT ? STATUS_OK : STATUS_IO;
    if (!S_ISSOCK(facts.st_mode))
        return STATUS_INVALID;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return STATUS_IO;
    bool refused = connect(fd, (const struct sockaddr *)address, sizeof *address) != 0 && errno == ECONNREFUSED;
    close(fd);
    if (!refused)
        return STATUS_BUSY;
    return unlink(path) == 0 ? STATUS_OK : STATUS_IO;
}

enum status socket_listen_unix(const char *path, unsigned permissions, int backlog, int *ret_fd) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (*path == 0 || strlen(path) >= sizeof address.sun_path)
        return STATUS_INVALID;
    strcpy(address.sun_path, path);
    TRY(clear_path(path, &address));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return STATUS_IO;
    /* The mask goes first, so that there is no moment in which the file is open to more than it should be. */
    mode_t mask_before = umask(0777 & ~(mode_t)permissions);
    int failed = bind(fd, (struct sockaddr *)&address, sizeof address);
    umask(mask_before);
    if (failed || listen(fd, backlog) != 0) {
        close_keeping_errno(fd);
        return errno == EADDRINUSE ? STATUS_BUSY : STATUS_IO;
    }
    *ret_fd = fd;
    return STATUS_OK;
}

/* Until the connection is made or refused. */
static enum status wait_connected(int fd, unsigned timeout_ms) {
    struct pollfd waits = {.fd = fd, .events = POLLOUT};
    int error = 0, ready;
    socklen_t size = sizeof error;
    do
        ready = poll(&waits, 1, (int)timeout_ms);
    while (ready < 0 && errno == EINTR);
    if (ready > 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0)
        return STATUS_OK;
    if (ready >= 0)
        errno = ready ? error : ETIMEDOUT;
    return STATUS_IO;
}

enum status socket_connect_tcp(const char *address, uint16_t port, unsigned timeout_ms, int *ret_fd) {
    union any_address where;
    socklen_t size;
    TRY(resolve(address, port, &where, &size));
    int fd = socket(where.base.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return STATUS_IO;
    bool failed = connect(fd, &where.base, size) != 0;
    if (failed && (errno != EINPROGRESS || wait_connected(fd, timeout_ms) != STATUS_OK)) {
        close_keeping_errno(fd);
        return STATUS_IO;
    }
    socket_tune_tcp(fd, 0);
    *ret_fd = fd;
    return STATUS_OK;
}

enum status socket_connect_unix(const char *path, int *ret_fd) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (*path == 0 || strlen(path) >= sizeof address.sun_path)
        return STATUS_INVALID;
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return STATUS_IO;
    if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        close_keeping_errno(fd);
        return STATUS_IO;
    }
    *ret_fd = fd;
    return STATUS_OK;
}

enum status socket_accept(int listener, int *ret_fd) {
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        *ret_fd = fd;
        return STATUS_OK;
    }
    switch (errno) {
        case EMFILE:
        case ENFILE:
        case ENOBUFS:
        case ENOMEM:
            return STATUS_FULL;
        case EBADF:
        case EINVAL:
        case ENOTSOCK:
        case EOPNOTSUPP:
            return STATUS_IO;
        default: /* EAGAIN, and network errors that belong to the connection that was to be accepted */
            return STATUS_AGAIN;
    }
}

void socket_tune_tcp(int fd, unsigned keepalive_s) {
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (!keepalive_s)
        return;
    /* Dead after about twice the interval: three probes in the second half. */
    int idle = (int)keepalive_s, interval = idle / 3 > 0 ? idle / 3 : 1, probes = 3;
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
}

static void address_text(const union any_address *address, char ret_text[SOCKET_TEXT_SIZE]) {
    char host[INET6_ADDRSTRLEN];
    switch (address->base.sa_family) {
        case AF_INET:
            inet_ntop(AF_INET, &address->v4.sin_addr, host, sizeof host);
            snprintf(ret_text, SOCKET_TEXT_SIZE, "%s:%u", host, ntohs(address->v4.sin_port));
            break;
        case AF_INET6:
            inet_ntop(AF_INET6, &address->v6.sin6_addr, host, sizeof host);
            snprintf(ret_text, SOCKET_TEXT_SIZE, "[%s]:%u", host, ntohs(address->v6.sin6_port));
            break;
        case AF_UNIX:
            snprintf(ret_text, SOCKET_TEXT_SIZE, "%s:0", address->path.sun_path);
            break;
        default:
            snprintf(ret_text, SOCKET_TEXT_SIZE, "?:0");
    }
}

void socket_local_text(int fd, char ret_text[SOCKET_TEXT_SIZE]) {
    union any_address address = {.base.sa_family = AF_UNSPEC};
    socklen_t size = sizeof address;
    getsockname(fd, &address.base, &size);
    address_text(&address, ret_text);
}

void socket_peer_text(int fd, char ret_text[SOCKET_TEXT_SIZE]) {
    union any_address address = {.base.sa_family = AF_UNSPEC};
    socklen_t size = sizeof address;
    getpeername(fd, &address.base, &size);
    /* The far end of a Unix connection has no name; the path says where it came in. */
    if (address.base.sa_family == AF_UNIX)
        socket_local_text(fd, ret_text);
    else
        address_text(&address, ret_text);
}

static bool is_loopback(const union any_address *address) {
    switch (address->base.sa_family) {
        case AF_INET:
            return (ntohl(address->v4.sin_addr.s_addr) >> 24) == 127;
        case AF_INET6: {
            const struct in6_addr *v6 = &address->v6.sin6_addr;
            return IN6_IS_ADDR_LOOPBACK(v6) || (IN6_IS_ADDR_V4MAPPED(v6) && v6->s6_addr[12] == 127);
        }
        case AF_UNIX:
            return true;
        default:
            return false;
    }
}

bool socket_peer_is_local(int fd) {
    union any_address address = {.base.sa_family = AF_UNSPEC};
    socklen_t size = sizeof address;
    return getpeername(fd, &address.base, &size) == 0 && is_loopback(&address);
}

bool socket_address_is_loopback(const char *address) {
    union any_address where;
    socklen_t size;
    return resolve(address, 0, &where, &size) == STATUS_OK && is_loopback(&where);
}
