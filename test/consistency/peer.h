/* test/consistency/peer.h: what the checkers share: a blocking RESP connection, and values that describe themselves.
 *
 *     value   [ magic 8 ][ key 8 ][ number 8 ][ size 8 ][ filler ... ][ checksum 8 ]
 *
 * The filler follows from key and number, the checksum covers all before it, so that a value which was put together from two
 * writes, cut short, or belongs to another key cannot pass.
 *
 * Threads: a connection belongs to one thread; the checks have no state.
 */
#ifndef STRATA_TEST_CONSISTENCY_PEER_H
#define STRATA_TEST_CONSISTENCY_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { VALUE_SIZE_MIN = 40, VALUE_SIZE_MAX = 512 * 1024 };

struct peer {
    int fd;
    char *input;
    size_t at, filled, room;
    char *output;
    size_t written, output_room;
};

struct answer {
    char type;        /* '+', '-', ':', '$', '*' */
    int64_t number;   /* of ':' and the members of '*'; -1 for null */
    const char *data; /* of '$', '+', '-'; lives until the next peer_read */
    size_t size;
};

/* Each ends the program with a message when the connection fails: nothing can be checked then. */
void peer_open(struct peer *peer, const char *host, int port);
void peer_close(struct peer *peer);
void peer_begin(struct peer *peer, int arguments);
void peer_argument(struct peer *peer, const void *data, size_t size);
void peer_text(struct peer *peer, const char *text);
void peer_flush(struct peer *peer);
void peer_read(struct peer *peer, struct answer *answer);
/* Reads an answer that must be +OK. */
void peer_expect_ok(struct peer *peer);

uint64_t random_next(uint64_t *state);
/* A size in [VALUE_SIZE_MIN, VALUE_SIZE_MAX], mostly small, one in a hundred above 100 KB; a multiple of 8. */
size_t random_size(uint64_t *state);

void value_make(void *room, size_t size, uint64_t key, uint64_t number);
/* NULL if the value is whole and belongs to `key`, else what is wrong. */
const char *value_check(const void *data, size_t size, uint64_t key, uint64_t *ret_number);
/* Shows that value_check refuses torn, cut and foreign values; prints a line. */
bool value_check_checked(void);

/* The first complaint is printed, all are counted. */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
uint64_t complaints(void);
/* Prints the case's line from the complaints so far, and forgets them. */
bool case_end(const char *name, const char *figures);

#endif
