#include "peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAGIC 0x5354524154413031ULL

static void fail(const char *what) {
    printf("not ok connection - %s: %s\n", what, errno ? strerror(errno) : "closed");
    fflush(stdout);
    _exit(1);
}

/* -------------------------------------------------------------- connection */

void peer_open(struct peer *peer, const char *host, int port) {
    memset(peer, 0, sizeof *peer);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    inet_pton(AF_INET, host, &address.sin_addr);
    peer->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (peer->fd < 0 || connect(peer->fd, (struct sockaddr *)&address, sizeof address) != 0)
        fail("connect");
    int on = 1;
    setsockopt(peer->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct timeval limit = {.tv_sec = 60};
    setsockopt(peer->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
}

void peer_close(struct peer *peer) {
    close(peer->fd);
    free(peer->input);
    free(peer->output);
}

static void output_append(struct peer *peer, const void *data, size_t size) {
    if (peer->written + size > peer->output_room) {
        peer->output_room = (peer->written + size) * 2;
        peer->output = realloc(peer->output, peer->output_room);
        if (!peer->output)
            fail("memory");
    }
    memcpy(peer->output + peer->written, data, size);
    peer->written += size;
}

void peer_begin(struct peer *peer, int arguments) {
    char head[32];
    output_append(peer, head, (size_t)snprintf(head, sizeof head, "*%d\r\n", arguments));
}

void peer_argument(struct peer *peer, const void *data, size_t size) {
    char head[32];
    output_append(peer, head, (size_t)snprintf(head, sizeof head, "$%zu\r\n", size));
    output_append(peer, data, size);
    output_append(peer, "\r\n", 2);
}

void peer_text(struct peer *peer, const char *text) { peer_argument(peer, text, strlen(text)); }

void peer_flush(struct peer *peer) {
    for (size_t sent = 0; sent < peer->written;) {
        ssize_t count = send(peer->fd, peer->output + sent, peer->written - sent, MSG_NOSIGNAL);
        if (count < 0 && errno != EINTR)
            fail("send");
        sent += count < 0 ? 0 : (size_t)count;
    }
    peer->written = 0;
}

static void input_more(struct peer *peer) {
    if (peer->at > 0 && peer->at == peer->filled)
        peer->at = peer->filled = 0;
    if (peer->room - peer->filled < 65536) {
        if (peer->at > peer->room / 2) {
            memmove(peer->input, peer->input + peer->at, peer->filled - peer->at);
            peer->filled -= peer->at;
            peer->at = 0;
        } else {
            peer->room = peer->room ? peer->room * 2 : 262144;
            peer->input = realloc(peer->input, peer->room);
            if (!peer->input)
                fail("memory");
        }
    }
    ssize_t count;
    do { /* a process that is stopped and continued is interrupted, as there is a time limit */
        errno = 0;
        count = recv(peer->fd, peer->input + peer->filled, peer->room - peer->filled, 0);
    } while (count < 0 && errno == EINTR);
    if (count <= 0)
        fail("receive");
    peer->filled += (size_t)count;
}

void peer_read(struct peer *peer, struct answer *answer) {
    size_t line;
    for (size_t searched = 0;;) {
        char *from = peer->input + peer->at;
        char *end = peer->filled - peer->at > searched
                        ? memchr(from + searched, '\n', peer->filled - peer->at - searched)
                        : NULL;
        if (end) {
            line = (size_t)(end - from) + 1;
            break;
        }
        searched = peer->filled - peer->at;
        input_more(peer);
    }
    const char *head = peer->input + peer->at;
    answer->type = head[0];
    answer->data = head + 1;
    answer->size = line - 3;
    answer->number =
        answer->type == ':' || answer->type == '$' || answer->type == '*' ? strtoll(head + 1, NULL, 10) : 0;
    if (answer->type != '$' || answer->number < 0) {
        peer->at += line;
        return;
    }
    size_t size = (size_t)answer->number;
    while (peer->filled - peer->at < line + size + 2)
        input_more(peer);
    answer->data = peer->input + peer->at + line;
    answer->size = size;
    peer->at += line + size + 2;
}

void peer_expect_ok(struct peer *peer) {
    struct answer answer;
    peer_read(peer, &answer);
    if (answer.type != '+')
        complain("a write was answered %c%.*s", answer.type, (int)answer.size, answer.data);
}

/* ------------------------------------------------------------------ values */

uint64_t random_next(uint64_t *state) {
    uint64_t z = *state += 0x9e3779b97f4a7c15ULL;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
    return z ^ z >> 31;
}

size_t random_size(uint64_t *state) {
    uint64_t dice = random_next(state) % 100, draw = random_next(state);
    size_t size = dice < 60   ? 40 + draw % 200
                  : dice < 90 ? 200 + draw % 4000
                  : dice < 99 ? 4096 + draw % 60000
                              : 100000 + draw % 200000;
    return size & ~(size_t)7;
}

static uint64_t checksum(const uint64_t *words, size_t count) {
    uint64_t sum = 0xcbf29ce484222325ULL;
    for (size_t i = 0; i < count; i++) {
        sum = (sum ^ words[i]) * 0x100000001b3ULL;
        sum ^= sum >> 29;
    }
    return sum;
}

void value_make(void *room, size_t size, uint64_t key, uint64_t number) {
    uint64_t *words = room;
    size_t count = size / 8;
    words[0] = MAGIC, words[1] = key, words[2] = number, words[3] = size;
    uint64_t state = key * 31 + number;
    for (size_t i = 4; i < count - 1; i++)
        words[i] = random_next(&state);
    words[count - 1] = checksum(words, count - 1);
}

const char *value_check(const void *data, size_t size, uint64_t key, uint64_t *ret_number) {
    static __thread uint64_t words[VALUE_SIZE_MAX / 8];
    if (size < VALUE_SIZE_MIN || size > VALUE_SIZE_MAX || size % 8 != 0)
        return "impossible size";
    memcpy(words, data, size); /* for alignment */
    if (words[0] != MAGIC)
        return "no value at all";
    if (words[1] != key)
        return "foreign: it belongs to another key";
    if (words[3] != size)
        return "torn: cut or grown";
    if (words[size / 8 - 1] != checksum(words, size / 8 - 1))
        return "torn: the checksum is wrong";
    *ret_number = words[2];
    return NULL;
}

bool value_check_checked(void) {
    uint64_t a[32], b[32], mixed[32], number = 0;
    value_make(a, sizeof a, 1, 5);
    value_make(b, sizeof b, 1, 6);
    bool good = !value_check(a, sizeof a, 1, &number) && number == 5;
    for (size_t cut = 1; cut < 32; cut++) {
        memcpy(mixed, a, cut * 8);
        memcpy(mixed + cut, b + cut, sizeof b - cut * 8);
        bool same = cut <= 2; /* up to the number, both begin alike: that is b itself */
        good = good && same == !value_check(mixed, sizeof mixed, 1, &number);
        good = good && value_check(a, cut * 8, 1, &number);
    }
    good = good && value_check(a, sizeof a, 2, &number);
    printf("%s checker refuses torn, cut and foreign values%s\n", good ? "ok" : "not ok", good ? "" : " - it does not");
    return good;
}

/* -------------------------------------------------------------- complaints */

static pthread_mutex_t complaint_lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t complaint_count;
static char complaint_first[512];

void complain(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    pthread_mutex_lock(&complaint_lock);
    if (complaint_count++ == 0)
        vsnprintf(complaint_first, sizeof complaint_first, format, arguments);
    pthread_mutex_unlock(&complaint_lock);
    va_end(arguments);
}

uint64_t complaints(void) {
    pthread_mutex_lock(&complaint_lock);
    uint64_t count = complaint_count;
    pthread_mutex_unlock(&complaint_lock);
    return count;
}

bool case_end(const char *name, const char *figures) {
    bool good = complaints() == 0;
    if (good)
        printf("ok %s (%s)\n", name, figures);
    else
        printf("not ok %s - %llu complaints, the first: %s (%s)\n", name, (unsigned long long)complaint_count,
               complaint_first, figures);
    complaint_count = 0;
    fflush(stdout);
    return good;
}
