/* core/audit/chain.h: lines that hold each other.
 *
 *     line 1            line 2            line 3
 *     prev 000...  .--> prev 1f3...  .--> prev 9c0...
 *     hash 1f3... -'    hash 9c0... -'    hash 44e...
 *
 * A line's hash covers its bytes, `prev` among them, so each line's hash depends on all lines before it. Files are links of the same chain: the first line
 * of a file has the hash of the last line of the file before.
 *
 * Lines of the log itself, beside events (record.h):
 *
 *     file       the first of a file: its number, and with which key it is hashed
 *     start      a server begins to write                stop   it has ended in order
 *     anchor     how many lines there are so far         lost   so many events found no room
 *     recovered  the bytes before it were torn by a crash: how many, and their hash
 *     removed    a file that was too old, before it is removed
 *     settings   what is written has been changed        (record.h has its form)
 *
 * Threads: a chain belongs to one thread.
 * Memory:  the caller's buffer.
 */
#ifndef STRATA_CORE_AUDIT_CHAIN_H
#define STRATA_CORE_AUDIT_CHAIN_H

#include "base/buf.h"
#include "core/audit/line.h"

enum { AUDIT_KEY_ID_SIZE = 16, AUDIT_FILE_NAME_SIZE = 32, AUDIT_FILE_NUMBER_MAX = 999999 };

/* SHA-256, or HMAC-SHA-256 with a key; somebody else computes it. */
struct audit_hash {
    /* As lower case hexadecimal digits. */
    void (*digits)(void *context, struct slice bytes, char ret_digits[AUDIT_HASH_SIZE]);
    void *context;
    char key_id[AUDIT_KEY_ID_SIZE + 1]; /* tells keys apart; empty: there is no key */
};

struct audit_chain {
    const struct audit_hash *hash;
    uint64_t seq; /* of the last line */
    char last[AUDIT_HASH_SIZE];
};

/* Before the first line. */
void audit_chain_init(struct audit_chain *chain, const struct audit_hash *hash);

/* Appends the line with this body, and its end. STATUS_NO_MEMORY: nothing has changed. */
MUST_CHECK enum status audit_chain_add(struct audit_chain *chain, struct slice body, struct buf *to);

/* Lines of the log itself. `node` is a plain word. */
MUST_CHECK enum status audit_chain_file(struct audit_chain *chain, uint64_t time_us, const char *node, uint64_t file,
                                        struct buf *to);
MUST_CHECK enum status audit_chain_start(struct audit_chain *chain, uint64_t time_us, const char *node,
                                         const char *version, struct buf *to);
MUST_CHECK enum status audit_chain_stop(struct audit_chain *chain, uint64_t time_us, struct buf *to);
MUST_CHECK enum status audit_chain_anchor(struct audit_chain *chain, uint64_t time_us, struct buf *to);
MUST_CHECK enum status audit_chain_lost(struct audit_chain *chain, uint64_t time_us, uint64_t count, struct buf *to);
MUST_CHECK enum status audit_chain_recovered(struct audit_chain *chain, uint64_t time_us, struct slice torn,
                                             struct buf *to);
MUST_CHECK enum status audit_chain_removed(struct audit_chain *chain, uint64_t time_us, uint64_t file, struct buf *to);

/* "audit-000017.jsonl" */
void audit_file_name(uint64_t number, char ret_name[AUDIT_FILE_NAME_SIZE]);
/* 0: it is no such name. */
uint64_t audit_file_number(struct slice name);

#endif
