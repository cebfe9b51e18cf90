/* core/audit/record.h: what the audit log says of one thing that was done, or refused.
 *
 *     "time":"2026-01-31T12:00:00.000001Z","kind":"event","node":"0a1b...","class":"administration","action":"CONFIG SET",
 *     "user":"admin","client":"10.0.0.7:4711","id":12,"over":"tls","names":["maxmemory"],"result":"ok","us":31
 *
 * That is the body of a line; its number and its place in the chain come to it when it is written (chain.h). Values and secrets have no field.
 *
 * Threads: no state.
 * Memory:  slices are borrowed for the call. A body is at most AUDIT_BODY_SIZE_MAX bytes: longer texts are cut where they stand in a record.
 */
#ifndef STRATA_CORE_AUDIT_RECORD_H
#define STRATA_CORE_AUDIT_RECORD_H

#include "base/buf.h"

enum audit_class {
    AUDIT_AUTHENTICATION,
    AUDIT_ADMINISTRATION,
    AUDIT_RULES,
    AUDIT_INVALIDATION,
    AUDIT_DENIED,
    AUDIT_CONNECTION,
    AUDIT_DATA_READ,
    AUDIT_DATA_WRITE,
    AUDIT_CLASSES,
};

enum audit_result { AUDIT_OK, AUDIT_REFUSED, AUDIT_FAILED, AUDIT_RESULTS };

enum audit_transport { AUDIT_OVER_TCP, AUDIT_OVER_UNIX, AUDIT_OVER_TLS, AUDIT_OVER_HTTP, AUDIT_OVER_NOTHING };

/* What is said of a key, or of what else names keys. */
enum audit_keys { AUDIT_KEYS_CLASS, AUDIT_KEYS_FULL, AUDIT_KEYS_PREFIX, AUDIT_KEYS_HASH, AUDIT_KEYS_NONE };

enum {
    AUDIT_NAMES_MAX = 8,       /* of what a request touches so many are named; all are counted */
    AUDIT_NAME_SIZE_MAX = 256, /* bytes of one of them */
    AUDIT_PREFIX_SIZE = 32,
    AUDIT_USER_SIZE_MAX = 256,
    AUDIT_TEXT_SIZE_MAX = 128, /* of an address, an action, an error */
    /* Each byte of a text takes six when it is escaped. */
    AUDIT_BODY_SIZE_MAX =
        6 * (AUDIT_NAMES_MAX * AUDIT_NAME_SIZE_MAX + AUDIT_USER_SIZE_MAX + 5 * AUDIT_TEXT_SIZE_MAX) + 1024,
};

struct audit_record {
    uint64_t time_us;  /* Unix time */
    struct slice node; /* which server this is, of those whose logs come together; it is a plain word */
    enum audit_class class;
    struct slice action; /* "CONFIG SET" */
    struct slice user;
    struct slice client; /* an address; empty: nobody's connection */
    uint64_t client_id;
    enum audit_transport transport;
    bool multi; /* inside of a transaction */
    struct slice names[AUDIT_NAMES_MAX];
    uint32_t name_count; /* of those */
    uint32_t touched;    /* of all that the request named */
    enum audit_result result;
    struct slice error; /* "NOPERM"; empty: none */
    bool timed, counted;
    uint64_t us;       /* how long it took */
    uint64_t removed;  /* keys that it invalidated */
    uint64_t left_out; /* so many are not in the log, for which this one stands */
};

/* Appends the body. */
MUST_CHECK enum status audit_record_write(const struct audit_record *record, struct buf *to);

/* Appends `"time":"..."`. */
MUST_CHECK enum status audit_time_write(uint64_t time_us, struct buf *to);
enum { AUDIT_TIME_SIZE = 27 };
/* As in ISO 8601, UTC, microseconds. */
void audit_time_text(uint64_t time_us, char ret_text[AUDIT_TIME_SIZE + 1]);

/* "data-read"; NULL: there is none of that number. */
const char *audit_class_name(uint32_t class);
/* AUDIT_CLASSES: there is none of that name. */
uint32_t audit_class_find(struct slice name);
const char *audit_result_name(uint32_t result);

/* A key without what is particular to it: up to its first colon, and a star ("user:*"); a star alone if it has none. `to` has room for
 * AUDIT_NAME_SIZE_MAX bytes. */
struct slice audit_key_family(struct slice key, char *to);

#endif
