/* sys/os/socket.h: listening and connected sockets over IPv4, IPv6 and Unix paths.
 *
 * All sockets are non-blocking and close-on-exec. Addresses are texts as operators write them: "127.0.0.1",
 * "::1", "*" (every IPv4 address), "::*" (every IPv6 address), a host name, or a path.
 *
 * Threads: any.
 * Errors:  STATUS_IO with errno from the kernel; STATUS_INVALID for an address that means nothing.
 */
#ifndef STRATA_SYS_OS_SOCKET_H
#define STRATA_SYS_OS_SOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

enum { SOCKET_TEXT_SIZE = 160 };

/* Whether a program listens on, or has bound, this address already: STATUS_OK if it is free, STATUS_BUSY if not, STATUS_IO
 * when it cannot be bound for another reason. Port 0 asks the kernel for a free one, answered in ret_port.
 * Listeners share their port with SO_REUSEPORT, so without this question two servers could share it unknowingly. */
MUST_CHECK enum status socket_port_probe(const char *address, uint16_t port, uint16_t *ret_port);

/* A listener that shares its port with others of this user. */
MUST_CHECK enum status socket_listen_tcp(const char *address, uint16_t port, int backlog, int *ret_fd);

/* A listener at a path, with these permission bits. A socket file that nobody listens at any more is replaced; one in use is
 * STATUS_BUSY; any other file is STATUS_INVALID. */
MUST_CHECK enum status socket_listen_unix(const char *path, unsigned permissions, int backlog, int *ret_fd);

/* A connection, tuned as below. Waits at most `timeout_ms`; STATUS_IO with errno ETIMEDOUT after that. */
MUST_CHECK enum status socket_connect_tcp(const char *address, uint16_t port, unsigned timeout_ms, int *ret_fd);
MUST_CHECK enum status socket_connect_unix(const char *path, int *ret_fd);

/* STATUS_AGAIN: nobody waits (or the one who did is gone). STATUS_FULL: no descriptor or memory left. */
MUST_CHECK enum status socket_accept(int listener, int *ret_fd);

/* keepalive_s 0: off. */
void socket_tune_tcp(int fd, unsigned keepalive_s);

/* "127.0.0.1:5000", "[::1]:5000", or "/path:0" for Unix sockets. */
void socket_peer_text(int fd, char ret_text[SOCKET_TEXT_SIZE]);
void socket_local_text(int fd, char ret_text[SOCKET_TEXT_SIZE]);
/* Whether the peer is this machine: a loopback address or a Unix socket. */
bool socket_peer_is_local(int fd);
/* Whether every address that the text stands for is a loopback address. */
bool socket_address_is_loopback(const char *address);

#endif
