/* app/server/peer_fixture.h: a client of a server in the same process, which sends lines and reads replies.
 *
 * It ends the program with ASSERT where something goes wrong: cmocka's checks are for the test's own thread.
 */
#ifndef STRATA_APP_SERVER_PEER_FIXTURE_H
#define STRATA_APP_SERVER_PEER_FIXTURE_H

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "app/server/server.h"
#include "base/assert.h"

enum { PATIENCE_S = 60 };

struct peer {
    int fd;
    char input[64 * 1024];
    size_t size, at;
};

static inline void peer_connect(struct peer *peer, const struct server *server) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(server_port(server))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    peer->fd = socket(AF_INET, SOCK_STREAM, 0);
    peer->size = peer->at = 0;
    struct timeval patience = {.tv_sec = PATIENCE_S};
    setsockopt(peer->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ASSERT(connect(peer->fd, (struct sockaddr *)&address, sizeof address) == 0);
}

static inline void peer_say(const struct peer *peer, const char *text) {
    ssize_t sent = send(peer->fd, text, strlen(text), MSG_NOSIGNAL);
    ASSERT(sent == (ssize_t)strlen(text));
}

/* A line without its end. NULL: the server has closed. */
static inline char *peer_line(struct peer *peer) {
    for (;;) {
        char *end = memmem(peer->input + peer->at, peer->size - peer->at, "\r\n", 2);
        if (end) {
            char *line = peer->input + peer->at;
            *end = 0;
            peer->at = (size_t)(end + 2 - peer->input);
            return line;
        }
        memmove(peer->input, peer->input + peer->at, peer->size - peer->at);
        peer->size -= peer->at;
        peer->at = 0;
        ASSERT(peer->size < sizeof peer->input);
        ssize_t got = recv(peer->fd, peer->input + peer->size, sizeof peer->input - peer->size, 0);
        if (got <= 0)
            return NULL;
        peer->size += (size_t)got;
    }
}

/* The words of a message or confirmation: bulk strings, and an integer as its text. */
static inline uint32_t peer_words(struct peer *peer, char words[5][64]) {
    char *head = peer_line(peer);
    ASSERT(head && head[0] == '*');
    uint32_t count = (uint32_t)atoi(head + 1);
    ASSERT(count <= 5);
    for (uint32_t i = 0; i < count; i++) {
        const char *line = peer_line(peer);
        ASSERT(line);
        if (line[0] == '$') {
            line = peer_line(peer);
            ASSERT(line);
        }
        snprintf(words[i], 64, "%s", line);
    }
    return count;
}

#endif
